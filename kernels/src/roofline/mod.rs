//! What a machine can do at most and what a density needs at least: together, the floor under the time of an evaluation.
//!
//! Two halves. [`cost`] counts what one row of one chain needs, from the formulas. [`HostProbe`] and [`DeviceProbe`] do a known
//! amount of work of one kind and say how much it was; whoever holds a clock divides. Nothing here reads a clock, and nothing
//! that is computed in a run depends on what is here.
//!
//! ```text
//! floor, seconds per (row, chain) = max( bytes / bandwidth,
//!                                        FMAs / FMA rate,
//!                                        logs / log rate + exps / exp rate + divisions / division rate )
//! ```
//!
//! Memory, multiply-adds and special functions may overlap perfectly, so the largest of the three is the floor, and no kernel
//! that computes these formulas on this machine can be faster, unless its rows fit into a cache. It is a bound, not a promise: a special function counts as one
//! operation at the speed of the machine's own, although WGSL's `log` is too coarse near 1 and our shaders build ln(1 + x) and
//! exp(x) − 1 from multiply-adds.

pub mod cost;
mod device;
mod host;

pub use cost::{Bound, Cost, Floor, Operations};
pub use device::DeviceProbe;
pub use host::HostProbe;

use crate::KernelError;

/// What an evaluation can run out of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    /// Bytes read from memory.
    Bytes,
    /// Fused multiply-adds; an addition or a multiplication counts as one.
    Fmas,
    /// Logarithms.
    Logs,
    /// Exponentials.
    Exps,
    /// Divisions.
    Divisions,
}

impl Resource {
    /// All of them, in the order of [`Rates`].
    pub const ALL: [Self; 5] = [Self::Bytes, Self::Fmas, Self::Logs, Self::Exps, Self::Divisions];
}

/// How much of each resource a machine offers, per second. In f32 for a device, in f64 for a processor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rates {
    /// Bytes read from memory.
    pub bytes: f64,
    /// Fused multiply-adds.
    pub fmas: f64,
    /// Logarithms.
    pub logs: f64,
    /// Exponentials.
    pub exps: f64,
    /// Divisions.
    pub divisions: f64,
}

impl Rates {
    /// From numbers in the order of [`Resource::ALL`].
    pub fn from_array([bytes, fmas, logs, exps, divisions]: [f64; 5]) -> Self {
        Self { bytes, fmas, logs, exps, divisions }
    }
}

/// Something that can be kept busy with one kind of work.
pub trait Probe {
    /// Works for as long as `passes` says, waits for the end, and returns how many units of `resource` were used up.
    ///
    /// # Errors
    /// The device fails.
    fn run(&mut self, resource: Resource, passes: u32) -> Result<f64, KernelError>;
}
