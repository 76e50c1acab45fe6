//! The room `draws`.
