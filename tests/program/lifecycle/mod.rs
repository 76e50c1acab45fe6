//! The life of a model as a project's people live it.

mod keeping;
mod known_failures;
mod nights;
mod replay;
mod succession;
mod world;
