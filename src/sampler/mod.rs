//! The room `sampler`.
