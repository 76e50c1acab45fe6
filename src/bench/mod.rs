//! Measures the numerical hot path on the machine at hand: how fast each backend evaluates a likelihood and its gradient, how near
//! that comes to what the machine could do at most, and how far float32 on a device is from f64.
//!
//! The one room beside `run` and `cli` that reads the clock. Nothing measured here decides anything in a run: rules are stated in
//! code, and [`rule`] says whether they hold on this machine. Customers are simulated in memory; no file is read or written.

mod candidate;
mod customers;
pub mod posterior;
pub mod precision;
pub mod rates;
pub mod rule;
pub mod speed;
mod stopwatch;

pub use candidate::{Backend, Bench, Family, Layout};
pub use customers::{Customer, Data, Facts, Shop};

use crate::error::Error;
use crate::kernels::KernelError;

/// A kernel's error as this room's.
fn broken(doing: &str) -> impl Fn(KernelError) -> Error {
    let doing = doing.to_owned();
    move |error| Error::new(format!("could not {doing}")).at("bench").because(error)
}
