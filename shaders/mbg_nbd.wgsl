// MBG/NBD: what one cell adds to the log-likelihood, as a difference from the reference, and the slopes.
// Counterpart: kernels/src/mbg_nbd/gpu.rs. Every customer has had a chance to leave: every row is one of lib/beta_geometric.wgsl,
// with c = b + x. Summed by lib/rows.wgsl or lib/chains.wgsl.

// No row is brief.
fn brief_terms(row: Row, point: Point) -> Terms {
    return full_terms(row, point);
}
