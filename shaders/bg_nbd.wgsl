// BG/NBD: what one cell adds to the log-likelihood, as a difference from the reference, and the slopes.
// Counterpart: kernels/src/bg_nbd/gpu.rs. Cells with x > 0 are those of lib/beta_geometric.wgsl, with c = b + x - 1; here are those
// with x = 0. Summed by lib/rows.wgsl or lib/chains.wgsl.

// x = 0: nobody can have dropped out. Value, then slopes in r (less what the host adds), alpha, a, b.
fn brief_terms(row: Row, point: Point) -> Terms {
    let shift = point.delta_alpha * row.per_age;
    let later = row.weight * log1p(shift);
    let by_alpha = point.r * row.weight * row.per_age / (1.0 + shift);
    return Terms(-point.r * later, vec4<f32>(-later, -by_alpha, 0.0, 0.0));
}
