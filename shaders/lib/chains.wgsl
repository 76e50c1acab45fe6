// The loops of the arrangement in which a thread owns a chain and walks the rows of a lane, which all threads of a workgroup
// read together: for at least as many chains as a subgroup has threads.
//
// Nothing is shared, so that nothing waits: a row's address is the same in all threads, which hardware turns into one read
// for all of them. BLOCK rows are added before they join the total, so that no f32 sum is long.
// Counterpart: kernels/src/difference.rs.

const CHAINS: u32 = 64u;
const BLOCK: u32 = 32u;

@compute @workgroup_size(CHAINS)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let chain = workgroup.y * CHAINS + thread;
    if chain >= shape.chains {
        return;
    }
    let lane_index = shape.first_lane + workgroup.x;
    let lane = lanes[lane_index];
    let point = points[lane.group * shape.chains + chain];
    let split = lane.split - shape.first_row;
    let end = lane.end - shape.first_row;
    var total = Terms(0.0, vec4<f32>(0.0));
    var row = lane.first - shape.first_row;
    while row < split {
        var part = Terms(0.0, vec4<f32>(0.0));
        let stop = min(row + BLOCK, split);
        for (; row < stop; row++) {
            part = add(part, brief_terms(rows[row], point));
        }
        total = add(total, part);
    }
    while row < end {
        var part = Terms(0.0, vec4<f32>(0.0));
        let stop = min(row + BLOCK, end);
        for (; row < stop; row++) {
            part = add(part, full_terms(rows[row], point));
        }
        total = add(total, part);
    }
    let each = array<f32, 5>(total.value, total.slopes.x, total.slopes.y, total.slopes.z, total.slopes.w);
    for (var k = 0u; k < TERMS; k++) {
        sums[(lane_index * TERMS + k) * shape.chains + chain] = each[k];
    }
}
