// What a customer's futures amount to: mean P(alive), means, standard deviation and exact quantiles over the draws.
// Counterpart: kernels/src/futures/summarise.rs, which says which order statistics make a quantile. Follows
// lib/log1p_expm1.wgsl and lib/customer.wgsl. Nothing is simulated here.
//
// A workgroup is one customer. Order statistics are selected, not sorted out: all keys (counts, or the bits of non-negative
// floats, which have the same order) are counted into BINS bins between the least and the largest that is not 0, and only the
// keys of a bin that holds a wanted rank are ranked, against each other. Should more than CANDIDATES keys share such bins, the
// wanted keys are found bit by bit. What is added is added in thread order, so that every run gives the same bits.

const THREADS: u32 = 64u;
const EIGHTH: u32 = 8u;
const BINS: u32 = 256u;
const BINS_OF_A_THREAD: u32 = BINS / THREADS;
const CANDIDATES: u32 = 512u;
const RANKS: u32 = 10u;
// Of a bin that holds no wanted rank.
const UNWANTED: u32 = 0xffffffffu;

struct Shape {
    draws: u32,
    // Where values begin in `raw`
    values_at: u32,
    with_spend: u32,
    unused: u32,
    // From 0: five of counts; five pairs of values, and how far between a pair the quantile lies.
    count_ranks: array<vec4<u32>, 3>,
    value_ranks: array<vec4<u32>, 3>,
    value_shares: array<vec4<f32>, 2>,
}

struct Summary {
    p_alive: f32,
    purchases_mean: f32,
    value_mean: f32,
    value_sd: f32,
    purchases: array<u32, 5>,
    value: array<f32, 5>,
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> customers: array<Customer>;
@group(0) @binding(2) var<storage, read> purchase: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> raw: array<u32>;
@group(0) @binding(4) var<storage, read_write> summaries: array<Summary>;

// Sums of all threads, in two steps.
var<workgroup> of_thread: array<vec3<f32>, THREADS>;
var<workgroup> of_eight: array<vec3<f32>, EIGHTH>;
var<workgroup> of_all: vec3<f32>;
// Of counts and of values: zeros, least and largest key that is not 0.
var<workgroup> zeros: array<atomic<u32>, 2>;
var<workgroup> least: array<atomic<u32>, 2>;
var<workgroup> largest: array<atomic<u32>, 2>;
var<workgroup> bins: array<atomic<u32>, BINS>;
var<workgroup> below_thread: array<u32, THREADS>;
var<workgroup> below_eight: array<u32, EIGHTH>;
var<workgroup> candidates: array<u32, CANDIDATES>;
var<workgroup> n_candidates: atomic<u32>;
var<workgroup> too_many: u32;
var<workgroup> selected: array<u32, RANKS>;
var<workgroup> n_below: array<atomic<u32>, RANKS>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let customer = customers[workgroup.x];
    let row = workgroup.x * shape.draws;
    if thread < 2u {
        atomicStore(&zeros[thread], 0u);
        atomicStore(&least[thread], 0xffffffffu);
        atomicStore(&largest[thread], 0u);
    }
    workgroupBarrier();

    var sum = vec3<f32>();
    var n_zeros = vec2<u32>();
    var low = vec2(0xffffffffu);
    var high = vec2(0u);
    for (var draw = thread; draw < shape.draws; draw += THREADS) {
        let alive = p_alive(purchase[customer.group * shape.draws + draw], customer);
        var keys = vec2(raw[row + draw], 0u);
        if shape.with_spend != 0u {
            keys.y = raw[shape.values_at + row + draw];
        }
        sum += vec3(alive, f32(keys.x), bitcast<f32>(keys.y));
        let none = keys == vec2(0u);
        n_zeros += select(vec2(0u), vec2(1u), none);
        low = min(low, select(keys, vec2(0xffffffffu), none));
        high = max(high, keys);
    }
    for (var plane = 0u; plane < 2u; plane++) {
        atomicAdd(&zeros[plane], n_zeros[plane]);
        atomicMin(&least[plane], low[plane]);
        atomicMax(&largest[plane], high[plane]);
    }
    let means = total(thread, sum) / f32(shape.draws);

    select_ranks(thread, 0u, row, 5u);
    if thread < 5u {
        summaries[workgroup.x].purchases[thread] = selected[thread];
    }
    workgroupBarrier();
    var value_sd = 0.0;
    if shape.with_spend != 0u {
        select_ranks(thread, 1u, shape.values_at + row, 10u);
        if thread < 5u {
            let from_value = bitcast<f32>(selected[2u * thread]);
            let to_value = bitcast<f32>(selected[2u * thread + 1u]);
            let share = shape.value_shares[thread / 4u][thread % 4u];
            summaries[workgroup.x].value[thread] = fma(share, to_value - from_value, from_value);
        }
        // In units of the largest value, whose square might overflow.
        let unit = max(bitcast<f32>(atomicLoad(&largest[1])), 1e-30);
        var squares = 0.0;
        for (var draw = thread; draw < shape.draws; draw += THREADS) {
            let off = (bitcast<f32>(raw[shape.values_at + row + draw]) - means.z) / unit;
            squares += off * off;
        }
        value_sd = unit * sqrt(total(thread, vec3(squares, 0.0, 0.0)).x / max(f32(shape.draws) - 1.0, 1.0));
    }
    if thread == 0u {
        summaries[workgroup.x].p_alive = means.x;
        summaries[workgroup.x].purchases_mean = means.y;
        summaries[workgroup.x].value_mean = means.z;
        summaries[workgroup.x].value_sd = value_sd;
    }
}

// The sum of every thread's part, in thread order.
fn total(thread: u32, part: vec3<f32>) -> vec3<f32> {
    of_thread[thread] = part;
    workgroupBarrier();
    if thread < EIGHTH {
        var sum = vec3<f32>();
        for (var i = 0u; i < EIGHTH; i++) {
            sum += of_thread[thread * EIGHTH + i];
        }
        of_eight[thread] = sum;
    }
    workgroupBarrier();
    if thread == 0u {
        var sum = vec3<f32>();
        for (var i = 0u; i < EIGHTH; i++) {
            sum += of_eight[i];
        }
        of_all = sum;
    }
    workgroupBarrier();
    return of_all;
}

fn wanted(plane: u32, i: u32) -> u32 {
    return select(shape.value_ranks[i / 4u][i % 4u], shape.count_ranks[i / 4u][i % 4u], plane == 0u);
}

// Puts the keys at the wanted ranks of the row that begins at `row` into `selected`.
fn select_ranks(thread: u32, plane: u32, row: u32, ranks: u32) {
    for (var bin = thread; bin < BINS; bin += THREADS) {
        atomicStore(&bins[bin], 0u);
    }
    if thread == 0u {
        atomicStore(&n_candidates, 0u);
    }
    let n_zeros = atomicLoad(&zeros[plane]);
    let high = atomicLoad(&largest[plane]);
    let low = min(atomicLoad(&least[plane]), high);
    // A bin holds 2^shift keys; the largest falls into the last bins.
    let shift = max(32u - countLeadingZeros(high - low), 8u) - 8u;
    workgroupBarrier();

    for (var draw = thread; draw < shape.draws; draw += THREADS) {
        let key = raw[row + draw];
        if key != 0u {
            atomicAdd(&bins[(key - low) >> shift], 1u);
        }
    }
    workgroupBarrier();

    // How many keys lie below each bin: by thread, by eight threads, by all.
    var of_bins = 0u;
    for (var i = 0u; i < BINS_OF_A_THREAD; i++) {
        of_bins += atomicLoad(&bins[thread * BINS_OF_A_THREAD + i]);
    }
    below_thread[thread] = of_bins;
    workgroupBarrier();
    if thread < EIGHTH {
        var running = 0u;
        for (var i = 0u; i < EIGHTH; i++) {
            let next = below_thread[thread * EIGHTH + i];
            below_thread[thread * EIGHTH + i] = running;
            running += next;
        }
        below_eight[thread] = running;
    }
    workgroupBarrier();
    var below = n_zeros + below_thread[thread];
    for (var i = 0u; i < thread / EIGHTH; i++) {
        below += below_eight[i];
    }
    for (var i = 0u; i < BINS_OF_A_THREAD; i++) {
        let bin = thread * BINS_OF_A_THREAD + i;
        let count = atomicLoad(&bins[bin]);
        var holds = UNWANTED;
        if count > 0u {
            for (var r = 0u; r < ranks; r++) {
                let rank = wanted(plane, r);
                if rank >= below && rank < below + count {
                    // A bin of one key needs no further look.
                    selected[r] = low + bin;
                    holds = select(below, UNWANTED, shift == 0u);
                }
            }
        }
        atomicStore(&bins[bin], holds);
        below += count;
    }
    if thread < ranks && wanted(plane, thread) < n_zeros {
        selected[thread] = 0u;
    }
    workgroupBarrier();

    if shift > 0u {
        for (var draw = thread; draw < shape.draws; draw += THREADS) {
            let key = raw[row + draw];
            if key != 0u && atomicLoad(&bins[(key - low) >> shift]) != UNWANTED {
                let place = atomicAdd(&n_candidates, 1u);
                if place < CANDIDATES {
                    candidates[place] = key;
                }
            }
        }
    }
    workgroupBarrier();
    if thread == 0u {
        too_many = u32(atomicLoad(&n_candidates) > CANDIDATES);
    }
    if workgroupUniformLoad(&too_many) != 0u {
        select_by_bits(thread, plane, row, ranks);
    } else {
        let n = atomicLoad(&n_candidates);
        for (var c = thread; c < n; c += THREADS) {
            // Equal keys take the ranks in a row, in any order: they are equal.
            let key = candidates[c];
            let bin = (key - low) >> shift;
            var rank = atomicLoad(&bins[bin]);
            for (var other = 0u; other < n; other++) {
                let against = candidates[other];
                let before = against < key || (against == key && other < c);
                rank += select(0u, 1u, before && (against - low) >> shift == bin);
            }
            for (var r = 0u; r < ranks; r++) {
                if wanted(plane, r) == rank {
                    selected[r] = key;
                }
            }
        }
    }
    workgroupBarrier();
}

// The same, for any keys: from the highest bit on, a key's bit is set where at most `rank` keys lie below it then.
fn select_by_bits(thread: u32, plane: u32, row: u32, ranks: u32) {
    if thread < RANKS {
        selected[thread] = 0u;
    }
    for (var bit = 0x80000000u; bit != 0u; bit >>= 1u) {
        if thread < RANKS {
            atomicStore(&n_below[thread], 0u);
        }
        workgroupBarrier();
        for (var r = 0u; r < ranks; r++) {
            let trial = selected[r] | bit;
            var count = 0u;
            for (var draw = thread; draw < shape.draws; draw += THREADS) {
                count += select(0u, 1u, raw[row + draw] < trial);
            }
            atomicAdd(&n_below[r], count);
        }
        workgroupBarrier();
        if thread < ranks && atomicLoad(&n_below[thread]) <= wanted(plane, thread) {
            selected[thread] |= bit;
        }
        workgroupBarrier();
    }
}
