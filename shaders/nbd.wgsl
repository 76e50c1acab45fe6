// NBD: what one cell adds to the log-likelihood, as a difference from the reference, and the slopes.
// Counterpart: kernels/src/nbd/gpu.rs, which also derives the formulas. Summed by lib/rows.wgsl or lib/chains.wgsl.
//
// The cell's part is -(r + x) ln(alpha + T). With 0 for the reference, d for differences from it and s = d alpha / (alpha0 + T),
//   ln(alpha + T) - its reference = log1p(s) = s - left
// and the difference is -(r + x) (s - left) - d r ln(alpha0 + T), of which the host adds all but (r + x) left.

struct Row {
    weight: f32,
    // x
    frequency: f32,
    // 1 / (alpha0 + T)
    per_age: f32,
    unused: f32,
}

struct Point {
    r: f32,
    delta_alpha: f32,
    unused_0: f32,
    unused_1: f32,
}

const TERMS: u32 = 3u;

// Value, then slopes in r, alpha, each less what the host adds.
fn full_terms(row: Row, point: Point) -> Terms {
    let n = point.r + row.frequency;
    let shift = point.delta_alpha * row.per_age;
    let left = row.weight * log1p_left(shift);
    let by_alpha = row.weight * n * row.per_age * shift / (1.0 + shift);
    return Terms(n * left, vec4<f32>(left, by_alpha, 0.0, 0.0));
}

// Every cell is a full one.
fn brief_terms(row: Row, point: Point) -> Terms {
    return full_terms(row, point);
}
