//! The room `diagnose`.
