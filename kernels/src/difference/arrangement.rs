//! Which of the two arrangements of threads a device uses, and the rule that chooses. Not the shaders themselves: those are
//! `shaders/lib/rows.wgsl` and `shaders/lib/chains.wgsl`.

use std::fmt;

use crate::device::Adapter;

/// How the threads of a device share rows and chains.
///
/// Both give the judge's value and gradient to f32 accuracy, each always with the same bits; the bits of the two differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Arrangement {
    /// A thread owns rows and loops over chains; threads' sums meet in workgroup memory.
    Rows,
    /// A thread owns a chain and walks rows that all threads of a workgroup read at the same time; no sums meet.
    Chains,
}

/// The rule of [`Arrangement::choose`], for people.
pub const ARRANGEMENT_RULE: &str = "a thread owns a chain when the chains fill the adapter's largest subgroup (8 on llvmpipe, 32 on \
NVIDIA and Apple, 32 or 64 on AMD); with fewer chains a thread owns rows";

impl Arrangement {
    /// The arrangement for fits of `chains` chains: [`ARRANGEMENT_RULE`].
    ///
    /// Measured on llvmpipe (`cargo test --release -p longrun-kernels arrangements_measured -- --ignored --nocapture`);
    /// reasoned for others: with `Chains`, lanes of a subgroup beyond the last chain idle, which is the whole cost of the
    /// arrangement; with `Rows`, every row is loaded again for every chain and sums pass through workgroup memory.
    pub fn choose(chains: usize, adapter: &Adapter) -> Self {
        if chains >= adapter.subgroup_sizes.1.max(1) as usize { Self::Chains } else { Self::Rows }
    }

    /// Both, for those who measure or test each.
    pub const ALL: [Self; 2] = [Self::Rows, Self::Chains];

    /// The driver's part of the shader.
    pub(crate) fn wgsl(self) -> &'static str {
        match self {
            Self::Rows => include_str!("../../../shaders/lib/rows.wgsl"),
            Self::Chains => include_str!("../../../shaders/lib/chains.wgsl"),
        }
    }

    /// Chains that one workgroup serves; `CHAINS` in the shader.
    pub(crate) fn chains_per_workgroup(self) -> usize {
        match self {
            Self::Rows => 8,
            Self::Chains => 64,
        }
    }

    /// Shortest f32 lane, in rows: what keeps a workgroup worth starting.
    pub(crate) fn least_lane_rows(self) -> usize {
        match self {
            Self::Rows => 64,
            Self::Chains => 32,
        }
    }
}

impl fmt::Display for Arrangement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rows => "rows",
            Self::Chains => "chains",
        })
    }
}

/// What is fixed when a likelihood is put on a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// How threads share rows and chains.
    pub arrangement: Arrangement,
    /// Most bytes of rows that the device holds at once; more are streamed from the host for every evaluation. `None` keeps
    /// all rows on the device. Changes no bit of any result.
    pub budget_bytes: Option<u64>,
}

impl Default for Options {
    /// A thread owns a chain; all rows stay on the device.
    fn default() -> Self {
        Self { arrangement: Arrangement::Chains, budget_bytes: None }
    }
}
