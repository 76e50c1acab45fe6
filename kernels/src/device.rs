//! The only place that creates a wgpu device; says why there is none.
