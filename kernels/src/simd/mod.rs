//! The fast f64 path: registers of rows instead of single rows, the instruction set chosen when the program runs, all cores.
//! Judged by the scalar one in [`crate::rows`]; nothing here knows what a customer is.
//!
//! A family writes the terms of its rows once, over [`V`], as formulas; [`driver`] walks rows, chains and threads. Adding a
//! family means writing its tables and its row terms.

pub(crate) mod driver;
pub(crate) mod exp;
pub(crate) mod gamma;
pub(crate) mod ln;
#[cfg(test)]
pub(crate) mod proof;
pub(crate) mod table;
pub(crate) mod vector;

pub(crate) use driver::{Driver, Family, Piece, Sums};
pub(crate) use table::Table;
pub(crate) use vector::V;
