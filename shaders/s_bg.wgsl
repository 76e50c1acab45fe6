// Shifted beta-geometric: what one period of one group adds to the log-likelihood, as a difference from the reference, and the slopes.
// Counterpart: kernels/src/s_bg/gpu.rs, which also derives the formulas. Summed by lib/rows.wgsl or lib/chains.wgsl.
//
// The row's part is stayed ln(beta+j) - at_risk ln(alpha+beta+j). With 0 for the reference, d for differences from it,
// s = d beta / (beta0+j) and t = (d alpha + d beta) / (alpha0+beta0+j), ln(beta+j) - its reference = log1p(s) = s - left(s), and
// the host adds stayed s - at_risk t.

struct Row {
    stayed: f32,
    at_risk: f32,
    // 1 / (beta0+j)
    per_beta: f32,
    // 1 / (alpha0+beta0+j)
    per_both: f32,
}

struct Point {
    delta_beta: f32,
    // d alpha + d beta
    delta_both: f32,
    unused_0: f32,
    unused_1: f32,
}

const TERMS: u32 = 3u;

// Value, then slopes in alpha, beta, each less what the host adds.
fn full_terms(row: Row, point: Point) -> Terms {
    let s = point.delta_beta * row.per_beta;
    let t = point.delta_both * row.per_both;
    let both = row.at_risk * row.per_both * t / (1.0 + t);
    let beta = row.stayed * row.per_beta * s / (1.0 + s);
    let value = row.at_risk * log1p_left(t) - row.stayed * log1p_left(s);
    return Terms(value, vec4<f32>(both, both - beta, 0.0, 0.0));
}

// Every row is a full one.
fn brief_terms(row: Row, point: Point) -> Terms {
    return full_terms(row, point);
}
