//! The room `evaluate`.
