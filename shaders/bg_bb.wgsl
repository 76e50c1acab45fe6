// BG/BB: what the silence after one history's last purchase adds to the log-likelihood, as a difference from the reference, and
// the slopes. Counterpart: kernels/src/bg_bb/gpu.rs, which also derives the formulas. Summed by lib/rows.wgsl or
// lib/chains.wgsl.
//
// a = alpha+x, b = beta+t_x-x, e = a+b, d = delta+t_x, g = gamma+d, 0 for the reference, "by" for differences from it.
// Backwards over the i-th silent opportunity, i from n-t_x-1 to 0, with R = 1 - U, its difference D from the reference and
// D's part E of second order in the parameters, all of what comes after i at first:
//   drop = gamma/(g+i), stay = 1 - drop, buy = a/(e+i), miss = 1 - buy
//   by_drop  = (by_gamma (d0+i) - gamma0 by_delta) / ((g+i)(g0+i)),   to first order by_drop (1 + by_g/(g0+i))
//   by_miss  = (by_beta a0 - (b0+i) by_alpha) / ((e+i)(e0+i)),        to first order by_miss (1 + by_e/(e0+i))
//   then     = by_miss R + miss0 D                                    miss R less its reference
//   E        = stay0 (miss0 E + by_miss (D + by_e/(e0+i) (D - R))) - by_drop (then + by_g/(g0+i) (1 - miss R + then))
//   D        = by_drop (1 - miss R) + stay0 then
//   R        = drop + stay miss R
// Of d ln R = ln(1 + D/R0) the host adds (D - E)/R0, which is linear in the parameters.

struct Row {
    weight: f32,
    // x, t_x-x, t_x, n-t_x
    purchases: f32,
    misses: f32,
    last: f32,
    silent: f32,
    // 1/R0
    per_quiet: f32,
    unused_0: f32,
    unused_1: f32,
}

struct Point {
    alpha: f32,
    beta: f32,
    gamma: f32,
    delta: f32,
    by_alpha: f32,
    by_beta: f32,
    by_gamma: f32,
    by_delta: f32,
}

const TERMS: u32 = 5u;

// The last purchase was at the last opportunity: R = 1.
fn brief_terms(row: Row, point: Point) -> Terms {
    return Terms(0.0, vec4<f32>(0.0));
}

// 1 - part, of which `other` is the same with the digits that a part near 1 takes away.
fn rest(part: f32, other: f32) -> f32 {
    return select(1.0 - part, other, part > 0.5);
}

// Value less what the host adds, then slopes in alpha, beta, gamma, delta.
fn full_terms(row: Row, point: Point) -> Terms {
    let a = point.alpha + row.purchases;
    let b = point.beta + row.misses;
    let e = a + b;
    let d = point.delta + row.last;
    let g = point.gamma + d;
    let by_e = point.by_alpha + point.by_beta;
    let by_g = point.by_gamma + point.by_delta;
    let a0 = a - point.by_alpha;
    let gamma0 = point.gamma - point.by_gamma;

    var quiet = 1.0;
    var heard = 0.0;
    var change = 0.0;
    var curve = 0.0;
    // Of R in alpha, beta, gamma, delta, all positive: the first and the last with their signs turned.
    var slopes = vec4<f32>(0.0);
    // Whole numbers, exact in f32.
    for (var i = row.silent - 1.0; i >= 0.0; i -= 1.0) {
        let bi = b + i;
        let ei = e + i;
        let di = d + i;
        let gi = g + i;
        let b0 = bi - point.by_beta;
        let e0 = ei - by_e;
        let d0 = di - point.by_delta;
        let g0 = gi - by_g;
        let per_ee = 1.0 / (ei * e0);
        let per_gg = 1.0 / (gi * g0);
        let per_e = e0 * per_ee;
        let per_g = g0 * per_gg;
        let per_e0 = ei * per_ee;
        let per_g0 = gi * per_gg;
        let drop = point.gamma * per_g;
        let stay = rest(drop, di * per_g);
        let miss = rest(a * per_e, bi * per_e);
        let stay0 = rest(gamma0 * per_g0, d0 * per_g0);
        let miss0 = rest(a0 * per_e0, b0 * per_e0);
        let by_drop = (point.by_gamma * d0 - gamma0 * point.by_delta) * per_gg;
        let by_miss = (point.by_beta * a0 - b0 * point.by_alpha) * per_ee;

        let then_quiet = miss * quiet;
        let then_heard = fma(bi, heard, a) * per_e;
        let then_change = fma(by_miss, quiet, miss0 * change);
        let bend_e = by_e * per_e0;
        let bend_g = by_g * per_g0;
        let then_curve = fma(miss0, curve, by_miss * fma(bend_e, change - quiet, change));
        curve = stay0 * then_curve - by_drop * fma(bend_g, then_heard + then_change, then_change);
        change = fma(by_drop, then_heard, stay0 * then_change);
        let own = vec4<f32>(
            stay * then_quiet * per_e,
            stay * a * per_e * (quiet * per_e),
            stay * then_heard * per_g,
            drop * then_heard * per_g,
        );
        slopes = own + stay * miss * slopes;
        quiet = fma(stay, then_quiet, drop);
        heard = stay * then_heard;
    }
    let per_quiet = 1.0 / quiet;
    let grown = change * row.per_quiet;
    let bent = curve * row.per_quiet;
    // The second where R has fallen to less than half: an argument that is not near -1.
    let near = bent - log1p_left(max(grown, -0.5));
    let far = bent - grown - log1p(max(-change * per_quiet, 0.0));
    let weight = row.weight * per_quiet;
    return Terms(
        row.weight * select(far, near, grown > -0.5),
        vec4<f32>(-weight * slopes.x, weight * slopes.y, weight * slopes.z, -weight * slopes.w),
    );
}
