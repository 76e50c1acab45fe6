//! The room `dist`.
