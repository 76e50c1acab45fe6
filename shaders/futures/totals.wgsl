// Sums futures over customers who share a label, draw by draw. Counterpart: kernels/src/futures/totals.rs, which cuts the
// customers of a label into segments and adds the segments' sums in f64, in order.
//
// A thread is one segment and draw. Counts below 2^24 of at most 256 customers cannot overflow; values are added sixteen at a
// time, so that at most 32 roundings stand between a value and its sum.

const THREADS: u32 = 64u;
const RUN: u32 = 16u;

struct Shape {
    draws: u32,
    segments: u32,
    // Where values begin in `raw`
    values_at: u32,
    with_spend: u32,
}

struct Segment {
    // Entries of `members`, from first to just before end
    first: u32,
    end: u32,
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> segments: array<Segment>;
// Customers of the chunk, label by label
@group(0) @binding(2) var<storage, read> members: array<u32>;
@group(0) @binding(3) var<storage, read> raw: array<u32>;
// [segment, draw] of counts, then of values (bits of f32)
@group(0) @binding(4) var<storage, read_write> sums: array<u32>;

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let i = (workgroup.y * workgroups.x + workgroup.x) * THREADS + thread;
    if i >= shape.segments * shape.draws {
        return;
    }
    let draw = i % shape.draws;
    let segment = segments[i / shape.draws];
    var count = 0u;
    var value = 0.0;
    for (var first = segment.first; first < segment.end; first += RUN) {
        var sum = 0.0;
        for (var member = first; member < min(first + RUN, segment.end); member++) {
            let place = members[member] * shape.draws + draw;
            count += raw[place];
            if shape.with_spend != 0u {
                sum += bitcast<f32>(raw[shape.values_at + place]);
            }
        }
        value += sum;
    }
    sums[i] = count;
    if shape.with_spend != 0u {
        sums[shape.segments * shape.draws + i] = bitcast<u32>(value);
    }
}
