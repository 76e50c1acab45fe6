// The loops of the arrangement in which a thread owns rows and loops over chains: for fewer chains than a subgroup has threads.
//
// One workgroup owns a lane and CHAINS chains. Thread i adds rows i, i + THREADS, ... of the lane; the threads' sums are then
// added in thread order. A chain's arithmetic is the same in every slot and beside any other chains.
// Counterpart: kernels/src/difference.rs.

const THREADS: u32 = 64u;
const CHAINS: u32 = 8u;
// One more than THREADS keeps the columns of the scratch table in different memory banks.
const STRIDE: u32 = THREADS + 1u;

var<workgroup> scratch: array<f32, CHAINS * TERMS * STRIDE>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let lane_index = shape.first_lane + workgroup.x;
    let lane = lanes[lane_index];
    let first = lane.first - shape.first_row;
    let split = lane.split - shape.first_row;
    let end = lane.end - shape.first_row;
    let first_chain = workgroup.y * CHAINS;
    let chains = min(CHAINS, shape.chains - first_chain);
    for (var c = 0u; c < chains; c++) {
        let point = points[lane.group * shape.chains + first_chain + c];
        var total = Terms(0.0, vec4<f32>(0.0));
        for (var row = first + thread; row < split; row += THREADS) {
            total = add(total, brief_terms(rows[row], point));
        }
        for (var row = split + thread; row < end; row += THREADS) {
            total = add(total, full_terms(rows[row], point));
        }
        let each = array<f32, 5>(total.value, total.slopes.x, total.slopes.y, total.slopes.z, total.slopes.w);
        for (var k = 0u; k < TERMS; k++) {
            scratch[(c * TERMS + k) * STRIDE + thread] = each[k];
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
        sums[(lane_index * TERMS + thread % TERMS) * shape.chains + chain] = sum;
    }
}
