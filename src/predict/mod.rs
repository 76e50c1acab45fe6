//! The room `predict`.
