// Gamma-Gamma: what one customer adds to the log-likelihood, as a difference from the reference, and the slopes.
// Counterpart: kernels/src/gamma_gamma/gpu.rs, which also derives the formulas. Summed by lib/rows.wgsl or lib/chains.wgsl.
//
// The row's part is -(p x + q) ln(x m + v). With 0 for the reference, d for differences from it and s = d v / (x m + v0),
//   ln(x m + v) - its reference = log1p(s) = s - left
// and the difference is -(p x + q) (s - left) - (d p x + d q) ln(x m + v0), of which the host adds all but (p x + q) left.

struct Row {
    weight: f32,
    // x
    frequency: f32,
    // 1 / (x m + v0)
    per_scale: f32,
    unused: f32,
}

struct Point {
    p: f32,
    q: f32,
    delta_v: f32,
    unused: f32,
}

const TERMS: u32 = 4u;

// Value, then slopes in p, q, v, each less what the host adds.
fn full_terms(row: Row, point: Point) -> Terms {
    let shape = fma(point.p, row.frequency, point.q);
    let shift = point.delta_v * row.per_scale;
    let left = row.weight * log1p_left(shift);
    let by_v = row.weight * shape * row.per_scale * shift / (1.0 + shift);
    return Terms(shape * left, vec4<f32>(row.frequency * left, left, by_v, 0.0));
}

// Every row is a full one.
fn brief_terms(row: Row, point: Point) -> Terms {
    return full_terms(row, point);
}
