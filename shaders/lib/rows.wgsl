// The loops of the arrangement in which a thread owns rows and loops over chains: for fewer chains than a subgroup has threads.
//
// One workgroup owns a lane and CHAINS chains, as many as the host declares: fewer where there are more numbers. Thread i adds rows i, i + THREADS, ... of the lane; the threads' sums are then
// added in thread order. A chain's arithmetic is the same in every slot and beside any other chains.
// Counterpart: kernels/src/difference.rs.

const THREADS: u32 = 64u;
// One more than THREADS keeps the columns of the scratch table in different memory banks.
const STRIDE: u32 = THREADS + 1u;

var<workgroup> scratch: array<f32, CHAINS * NUMBERS * STRIDE>;

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
        var total = nothing();
        for (var row = first + thread; row < split; row += THREADS) {
            total = add(total, brief_sums(rows[row], point));
        }
        for (var row = split + thread; row < end; row += THREADS) {
            total = add(total, full_sums(rows[row], point));
        }
        var each = numbers(total);
        for (var k = 0u; k < NUMBERS; k++) {
            scratch[(c * NUMBERS + k) * STRIDE + thread] = each[k];
        }
    }
    workgroupBarrier();
    // CHAINS * NUMBERS is at most THREADS: one thread per sum.
    if thread < chains * NUMBERS {
        var sum = 0.0;
        for (var i = 0u; i < THREADS; i++) {
            sum += scratch[thread * STRIDE + i];
        }
        let chain = first_chain + thread / NUMBERS;
        sums[(lane_index * NUMBERS + thread % NUMBERS) * shape.chains + chain] = sum;
    }
}
