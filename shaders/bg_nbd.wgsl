// BG/NBD: what one cell adds to the log-likelihood, as a difference from the reference, and the slopes.
// Counterpart: kernels/src/bg_nbd/gpu.rs, which also derives the formulas. Summed by lib/lanes.wgsl.
//
// With n = r + x, 0 for the reference and d for differences from it:
//   ln(alpha+T)                        - its reference  = log1p(d alpha / (alpha0+T))                    =: later
//   ln((alpha+T)/(alpha+t_x))          - its reference  = -log1p(d alpha (T-t_x) / ((alpha0+t_x)(alpha+T)))  =: -closer
//   v = d ln(D/A) = d ln a - log1p(d b / (b0+x-1)) + d r ln((alpha0+T)/(alpha0+t_x)) - n closer
//   d ln(A + D)   = d ln A + log1p(p0 expm1 v)           p0 = D0/(A0+D0) <= 1/2
//                 = d ln A + v + log1p(q0 expm1(-v))     q0 = 1 - p0 < 1/2
//                 = d ln A + softplus(l0+v) - softplus(l0)   |v| > 10, l0 = ln(D0/A0)
// and d ln A = -d r ln(alpha0+T) - n later, of which the host adds the first part.

struct Row {
    weight: f32,
    // x
    frequency: f32,
    // 1 / (alpha0+T)
    per_age: f32,
    // (T-t_x) / (alpha0+t_x), and ln(1 + gap); both 0 where x = 0
    gap: f32,
    log_gap: f32,
    // 1 / (b0+x-1); 0 where x = 0
    per_b: f32,
    // l0; far below zero where x = 0
    log_odds: f32,
    // The smaller of p0 and q0; 0 where x = 0
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

// Value, then slopes in r (less what the host adds), alpha, a, b.
fn terms(row: Row, point: Point) -> array<f32, TERMS> {
    let n = point.r + row.frequency;
    let shift = point.delta_alpha * row.per_age;
    let later = log1p(shift);
    let per_age = row.per_age / (1.0 + shift);
    let closer = log1p(point.delta_alpha * row.gap * per_age);
    let shift_b = point.delta_b * row.per_b;
    let v = point.log_ratio_a - log1p(shift_b) + point.delta_r * row.log_gap - n * closer;

    let mostly_dropped = row.log_odds > 0.0;
    var change: f32;
    var dropped: f32;
    if abs(v) > 10.0 {
        change = softplus(row.log_odds + v) - softplus(row.log_odds);
        dropped = logistic(row.log_odds + v);
    } else {
        let e = expm1(select(v, -v, mostly_dropped));
        let grown = row.tail * e;
        let tail = row.tail * (1.0 + e) / (1.0 + grown);
        change = log1p(grown) + select(0.0, v, mostly_dropped);
        dropped = select(tail, 1.0 - tail, mostly_dropped);
    }

    let gap = row.gap / (1.0 + shift * (1.0 + row.gap));
    let weighted = row.weight * dropped;
    return array<f32, TERMS>(
        row.weight * (change - n * later),
        weighted * (row.log_gap - closer) - row.weight * later,
        -(row.weight + weighted * gap) * n * per_age,
        weighted * point.per_a,
        -weighted * row.per_b / (1.0 + shift_b),
    );
}
