// Sums a density's terms over lanes of rows, for many chains. Appended to a family's shader, which declares
//   struct Row      constants of one row at the reference
//   struct Point    one group of one chain, as differences from the reference
//   const TERMS     numbers per row: the value and its slopes
//   fn terms(row: Row, point: Point) -> array<f32, TERMS>
// Counterpart: kernels/src/difference.rs, which adds the sums of lanes in f64, in lane order.
//
// One workgroup owns a lane and CHAINS chains. Thread i adds rows i, i + THREADS, ... of the lane; the threads' sums are then
// added in thread order. A chain's arithmetic is the same in every slot and beside any other chains.

const THREADS: u32 = 64u;
const CHAINS: u32 = 8u;
// One more than THREADS keeps the columns of the scratch table in different memory banks.
const STRIDE: u32 = THREADS + 1u;

struct Shape {
    chains: u32,
    groups: u32,
    // Lanes of the whole data, and how many of them lie before this buffer of rows.
    lanes: u32,
    first_lane: u32,
}

struct Lane {
    // Rows of this buffer, from first to just before end.
    first: u32,
    end: u32,
    group: u32,
    unused: u32,
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> rows: array<Row>;
@group(0) @binding(2) var<storage, read> lanes: array<Lane>;
// [chain, group]
@group(0) @binding(3) var<storage, read> points: array<Point>;
// [chain, lane, term]
@group(0) @binding(4) var<storage, read_write> sums: array<f32>;

var<workgroup> scratch: array<f32, CHAINS * TERMS * STRIDE>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let lane = lanes[workgroup.x];
    let first_chain = workgroup.y * CHAINS;
    let chains = min(CHAINS, shape.chains - first_chain);
    for (var c = 0u; c < chains; c++) {
        let point = points[(first_chain + c) * shape.groups + lane.group];
        var total = array<f32, TERMS>();
        for (var row = lane.first + thread; row < lane.end; row += THREADS) {
            let term = terms(rows[row], point);
            for (var k = 0u; k < TERMS; k++) {
                total[k] += term[k];
            }
        }
        for (var k = 0u; k < TERMS; k++) {
            scratch[(c * TERMS + k) * STRIDE + thread] = total[k];
        }
    }
    workgroupBarrier();
    // CHAINS * TERMS is at most THREADS: one thread per sum.
    if thread < chains * TERMS {
        var sum = 0.0;
        for (var i = 0u; i < THREADS; i++) {
            sum += scratch[thread * STRIDE + i];
        }
        let chain = first_chain + thread / TERMS;
        let lane_index = shape.first_lane + workgroup.x;
        sums[(chain * shape.lanes + lane_index) * TERMS + thread % TERMS] = sum;
    }
}
