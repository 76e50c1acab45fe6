// What one cell of BG/NBD or MBG/NBD adds to the log-likelihood, as a difference from the reference, and the slopes, where the
// customer has had a chance to leave. Counterpart: kernels/src/beta_geometric/device.rs, which also derives the formulas.
//
// With n = r + x, c = b + y - 1 where y are the chances to leave (BG: x, MBG: x + 1), 0 for the reference and d for differences
// from it:
//   ln(alpha+T)                        - its reference  = log1p(d alpha / (alpha0+T))                    =: later
//   ln((alpha+T)/(alpha+t_x))          - its reference  = -log1p(d alpha (T-t_x) / ((alpha0+t_x)(alpha+T)))  =: -closer
//   v = d ln(D/A) = d ln a - log1p(d b / c0) + d r ln((alpha0+T)/(alpha0+t_x)) - n closer
//   d ln(A + D)   = d ln A + log1p(p0 expm1 v)           p0 = D0/(A0+D0) <= 1/2
//                 = d ln A + v + log1p(q0 expm1(-v))     q0 = 1 - p0 < 1/2
// and d ln A = -d r ln(alpha0+T) - n later, of which the host adds the first part. With u the v or -v above, tail its p0 or q0
// and l = ln(tail / (1 - tail)) <= 0, tail exp(u) = (1 - tail) exp(l + u): the second form is used where exp(u) could overflow
// or tail underflow.

struct Row {
    weight: f32,
    // x
    frequency: f32,
    // 1 / (alpha0+T)
    per_age: f32,
    // (T-t_x) / (alpha0+t_x), and ln(1 + gap)
    gap: f32,
    log_gap: f32,
    // 1 / c0
    per_b: f32,
    // ln(D0/A0)
    log_odds: f32,
    // The smaller of p0 and q0
    tail: f32,
}

struct Point {
    r: f32,
    delta_r: f32,
    delta_alpha: f32,
    // ln(a/a0) and 1/a
    log_ratio_a: f32,
    per_a: f32,
    delta_b: f32,
    unused_0: f32,
    unused_1: f32,
}

const TERMS: u32 = 5u;

// Largest l + u whose exponential is used; beyond it ln(1 + exp) is a straight line to the last place.
const STEEP: f32 = 64.0;

// Value, then slopes in r (less what the host adds), alpha, a, b.
fn full_terms(row: Row, point: Point) -> Terms {
    let n = point.r + row.frequency;
    let shift = point.delta_alpha * row.per_age;
    let later = log1p(shift);
    let per_growth = 1.0 / (1.0 + shift);
    let nearing = shift * row.gap * per_growth;
    let closer = log1p(nearing);
    let shift_b = point.delta_b * row.per_b;
    let v = point.log_ratio_a - log1p(shift_b) + point.delta_r * row.log_gap - n * closer;

    let mostly_dropped = row.log_odds > 0.0;
    let u = select(v, -v, mostly_dropped);
    let leap = u > 10.0;
    let peak = u - abs(row.log_odds);
    let e = expm1(select(u, min(peak, STEEP), leap));
    let most = 1.0 - row.tail;
    let scale = select(row.tail, most, leap);
    let grown = fma(scale, e, select(0.0, most - row.tail, leap));
    let beyond = select(0.0, max(peak - STEEP, 0.0), leap);
    let change = log1p(grown) + beyond + select(0.0, v, mostly_dropped);

    // Three reciprocals for one division; the product stays below 16 exp(STEEP).
    let near = 1.0 + nearing;
    let b = 1.0 + shift_b;
    let all = 1.0 + grown;
    let near_b = near * b;
    let per = 1.0 / (near_b * all);
    let tail = scale * (1.0 + e) * near_b * per;
    let dropped = row.weight * select(tail, 1.0 - tail, mostly_dropped);
    let per_all = all * per;
    let gap = row.gap * per_growth * (b * per_all);
    return Terms(
        row.weight * (change - n * later),
        vec4<f32>(
            dropped * (row.log_gap - closer) - row.weight * later,
            -(row.weight + dropped * gap) * n * row.per_age * per_growth,
            dropped * point.per_a,
            -dropped * row.per_b * (near * per_all),
        ),
    );
}
