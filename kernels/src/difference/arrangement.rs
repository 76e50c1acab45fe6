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
    /// A thread owns a chain and walks rows that all threads of a workgroup read together; no sums meet.
    Chains,
}

/// The rule of [`Arrangement::choose`], for people.
pub const ARRANGEMENT_RULE: &str = "a thread owns a chain when the chains leave at most a quarter of the adapter's subgroups \
idle, and rows otherwise";

impl Arrangement {
    /// The arrangement for fits of `chains` chains: [`ARRANGEMENT_RULE`].
    ///
    /// With `Chains`, the threads of a subgroup beyond the last chain idle, and that is all the arrangement costs. With `Rows`,
    /// every row is loaded again for every chain and threads' sums pass through workgroup memory.
    ///
    /// Measured on llvmpipe (subgroups of 8, 8,000 rows, two busy cores; row × chain evaluations of BG/NBD a second, `Rows` and
    /// `Chains`): 1 chain 1.3e7 and 0.7e7; 4 chains 2.9e7 and 3.2e7; 16 chains 1.7e7 and 8.2e7; 64 chains 0.7e7 and 6.3e7; and
    /// in the same order up to 1,024 chains and at 300,000 rows, where 4 chains are as fast either way; Pareto/NBD, whose rows cost
    /// far more than their reading, is three times as fast with `Rows` at 4 chains. Not measured but
    /// reasoned: hardware loads rows side by side at full speed, so that `Rows` costs it far less than it costs llvmpipe,
    /// and a quarter of idle threads is about what the reloads and sums cost.
    pub fn choose(chains: usize, adapter: &Adapter) -> Self {
        let width = adapter.subgroup_sizes.1.max(1) as usize;
        let threads = chains.next_multiple_of(width);
        if threads - chains <= threads / 4 { Self::Chains } else { Self::Rows }
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

    /// What the host declares for the driver's part of the shader.
    pub(crate) fn constants(self, is_software: bool, numbers: usize) -> String {
        match self {
            Self::Rows => format!("const CHAINS: u32 = {}u;\n", self.chains_per_workgroup(numbers)),
            // llvmpipe reads a shared row thread by thread; two chains for each reading halve that (measured: 1.3 times as fast).
            Self::Chains => format!("const TILE: u32 = {}u;\n", if is_software { 2 } else { 1 }),
        }
    }

    /// Chains that one workgroup serves, for so many numbers per row; `CHAINS` in the shader.
    pub(crate) fn chains_per_workgroup(self, numbers: usize) -> usize {
        match self {
            // A thread for each sum, of which there are 64, and 16 KiB of workgroup memory.
            Self::Rows => (60 / numbers).clamp(1, 8),
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
    /// all rows on the device. Changes no bit of any result. Chunks are whole lanes, so that a budget below three lanes is not kept.
    pub budget_bytes: Option<u64>,
}

impl Default for Options {
    /// A thread owns a chain; all rows stay on the device.
    fn default() -> Self {
        Self { arrangement: Arrangement::Chains, budget_bytes: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::AdapterKind;

    #[test]
    fn chains_that_fill_subgroups_own_threads() {
        let adapter = |kind, width| Adapter {
            name: String::new(),
            backend: String::new(),
            kind,
            driver: String::new(),
            max_binding_bytes: 0,
            max_buffer_bytes: 0,
            max_workgroups: 0,
            subgroup_sizes: (4, width),
        };
        let (card, software) = (adapter(AdapterKind::Discrete, 32), adapter(AdapterKind::Software, 8));
        let chosen =
            |adapter: &Adapter| [1, 4, 16, 24, 32, 40, 64, 1024].map(|chains| Arrangement::choose(chains, adapter));
        use Arrangement::{Chains, Rows};
        assert_eq!(chosen(&card), [Rows, Rows, Rows, Chains, Chains, Rows, Chains, Chains]);
        assert_eq!(chosen(&software), [Rows, Rows, Chains, Chains, Chains, Chains, Chains, Chains]);
    }
}
