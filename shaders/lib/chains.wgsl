// The loops of the arrangement in which a thread owns chains and walks the rows of a lane, which all threads of a workgroup
// read together: for about as many chains as a subgroup has threads, or more.
//
// Nothing is shared, so that nothing waits: a row's address is the same in all threads, which hardware turns into one read
// for all of them. BLOCK rows are added before they join the total, so that no f32 sum is long. A thread owns TILE chains,
// which the host declares: 1 where such a read is cheap, more where it is not. A chain's arithmetic is the same in every slot
// and beside any other chains. Counterpart: kernels/src/difference.rs.

const CHAINS: u32 = 64u;
const BLOCK: u32 = 32u;

@compute @workgroup_size(CHAINS / TILE)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let first_chain = workgroup.y * CHAINS + thread * TILE;
    if first_chain >= shape.chains {
        return;
    }
    let lane_index = shape.first_lane + workgroup.x;
    let lane = lanes[lane_index];
    var point: array<LanePoint, TILE>;
    var total: array<Sums, TILE>;
    for (var i = 0u; i < TILE; i++) {
        // Beyond the last chain, the last is computed once more and thrown away.
        point[i] = points[lane.group * shape.chains + min(first_chain + i, shape.chains - 1u)];
        total[i] = nothing();
    }
    let split = lane.split - shape.first_row;
    let end = lane.end - shape.first_row;
    var row = lane.first - shape.first_row;
    while row < split {
        var part = array<Sums, TILE>();
        let stop = min(row + BLOCK, split);
        for (; row < stop; row++) {
            let constants = rows[row];
            for (var i = 0u; i < TILE; i++) {
                part[i] = add(part[i], brief_sums(constants, point[i]));
            }
        }
        for (var i = 0u; i < TILE; i++) {
            total[i] = add(total[i], part[i]);
        }
    }
    while row < end {
        var part = array<Sums, TILE>();
        let stop = min(row + BLOCK, end);
        for (; row < stop; row++) {
            let constants = rows[row];
            for (var i = 0u; i < TILE; i++) {
                part[i] = add(part[i], full_sums(constants, point[i]));
            }
        }
        for (var i = 0u; i < TILE; i++) {
            total[i] = add(total[i], part[i]);
        }
    }
    for (var i = 0u; i < TILE; i++) {
        let chain = first_chain + i;
        if chain < shape.chains {
            var each = numbers(total[i]);
            for (var k = 0u; k < NUMBERS; k++) {
                sums[(lane_index * NUMBERS + k) * shape.chains + chain] = each[k];
            }
        }
    }
}
