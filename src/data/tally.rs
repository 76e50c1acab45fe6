//! Distinct keys with how often each came, in order, for more keys than memory holds: sorted runs, merged.
//!
//! A key is N whole numbers; the upper half of the first is a division (a group), and the divisions may be asked for in any order.
//! The result depends on what was added alone, not on the order of adding nor on the budget.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::path::PathBuf;
use std::sync::Mutex;

use rayon::prelude::*;

use super::rejects::lock;
use super::spill::{Extent, Spill, Window};
use crate::error::Result;

/// Bytes read at once from each spilled run.
const WINDOW_BYTES: usize = 1 << 18;

/// A key and how often it came.
pub(super) type Counted<const N: usize> = ([u64; N], u64);

/// The division of a key.
pub(super) fn division<const N: usize>(key: &[u64; N]) -> u32 {
    (key[0] >> 32) as u32
}

/// A multiset of keys.
pub(super) struct Tally<const N: usize> {
    held: Mutex<Held<N>>,
    budget_bytes: usize,
    spill: Spill,
}

#[derive(Default)]
struct Held<const N: usize> {
    /// Sorted runs, end to end.
    memory: Vec<Counted<N>>,
    spilled: Vec<SpilledRun>,
}

/// Where each division of a spilled run stands, by division.
struct SpilledRun {
    divisions: Vec<(u32, Extent)>,
}

impl<const N: usize> Tally<N> {
    /// An empty tally that holds at most about `budget_bytes` in memory while keys arrive, and spills to `path`.
    pub(super) fn new(budget_bytes: usize, path: PathBuf) -> Self {
        let held = Held { memory: Vec::new(), spilled: Vec::new() };
        Self { held: Mutex::new(held), budget_bytes, spill: Spill::new(path) }
    }

    const RECORD: usize = (N + 1) * 8;

    /// Counts `keys`, in any order.
    pub(super) fn add(&self, mut keys: Vec<[u64; N]>) -> Result<()> {
        keys.sort_unstable();
        let run: Vec<Counted<N>> = keys.chunk_by(|a, b| a == b).map(|same| (same[0], same.len() as u64)).collect();
        drop(keys);
        let mut runs = {
            let mut held = lock(&self.held);
            held.memory.extend(run);
            // The sort that merges needs half as much again.
            if held.memory.len() * Self::RECORD * 3 / 2 <= self.budget_bytes {
                return Ok(());
            }
            std::mem::take(&mut held.memory)
        };
        // Merged without the lock: a thread that helps to sort may come to add keys of its own.
        merge_runs(&mut runs);
        if runs.len() * Self::RECORD * 3 > self.budget_bytes {
            let run = self.spill_run(&runs)?;
            lock(&self.held).spilled.push(run);
        } else {
            lock(&self.held).memory.extend(runs);
        }
        Ok(())
    }

    fn spill_run(&self, run: &[Counted<N>]) -> Result<SpilledRun> {
        let mut divisions = Vec::new();
        let mut bytes = Vec::new();
        for same in run.chunk_by(|a, b| division(&a.0) == division(&b.0)) {
            bytes.clear();
            for (key, count) in same {
                key.iter().chain([count]).for_each(|word| bytes.extend(word.to_le_bytes()));
            }
            divisions.push((division(&same[0].0), self.spill.append(&bytes)?));
        }
        Ok(SpilledRun { divisions })
    }

    /// Hands on every key once, `batch` at a time: the divisions in the order of `order`, keys sorted within each.
    pub(super) fn finish(
        self,
        order: &[u32],
        batch: usize,
        mut each: impl FnMut(Vec<Counted<N>>) -> Result<()>,
    ) -> Result<()> {
        let Held { mut memory, spilled } = self.held.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        merge_runs(&mut memory);
        let mut out: Vec<Counted<N>> = Vec::new();
        for &wanted in order {
            let from = memory.partition_point(|(key, _)| division(key) < wanted);
            let to = memory.partition_point(|(key, _)| division(key) <= wanted);
            let mut runs: Vec<Run<'_, N>> = vec![Run::Memory(memory[from..to].iter())];
            for run in &spilled {
                if let Ok(at) = run.divisions.binary_search_by_key(&wanted, |(division, _)| *division) {
                    runs.push(Run::Disk(&self.spill, Window::on(run.divisions[at].1)));
                }
            }
            let mut heap = BinaryHeap::with_capacity(runs.len());
            for (i, run) in runs.iter_mut().enumerate() {
                heap.extend(run.next()?.map(|(key, count)| Reverse((key, count, i))));
            }
            while let Some(Reverse((key, count, i))) = heap.pop() {
                heap.extend(runs[i].next()?.map(|(key, count)| Reverse((key, count, i))));
                match out.last_mut() {
                    Some((known, sum)) if *known == key => *sum += count,
                    _ => {
                        if out.len() >= batch {
                            each(std::mem::take(&mut out))?;
                        }
                        out.push((key, count));
                    }
                }
            }
        }
        if out.is_empty() { Ok(()) } else { each(out) }
    }
}

/// Sorts runs that lie end to end into one, equal keys added up.
fn merge_runs<const N: usize>(runs: &mut Vec<Counted<N>>) {
    // A stable sort finds the runs and merges them.
    runs.par_sort();
    runs.dedup_by(|later, kept| {
        let same = later.0 == kept.0;
        if same {
            kept.1 += later.1;
        }
        same
    });
}

/// A sorted run that is read from its beginning.
enum Run<'a, const N: usize> {
    Memory(std::slice::Iter<'a, Counted<N>>),
    Disk(&'a Spill, Window),
}

impl<const N: usize> Run<'_, N> {
    fn next(&mut self) -> Result<Option<Counted<N>>> {
        match self {
            Self::Memory(rest) => Ok(rest.next().copied()),
            Self::Disk(spill, window) => {
                let record = Tally::<N>::RECORD;
                let sight = window.sight(spill, record, WINDOW_BYTES)?;
                if sight.len() < record {
                    return Ok(None);
                }
                let (words, _) = sight[..record].as_chunks::<8>();
                let key = std::array::from_fn(|i| u64::from_le_bytes(words[i]));
                let count = u64::from_le_bytes(words[N]);
                window.advance(record);
                Ok(Some((key, count)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn counts_are_those_of_a_map_at_any_budget_and_divisions_come_as_asked() {
        let key = |i: u64| {
            let mixed = i.wrapping_mul(0x9E37_79B9_7F4A_7C15);
            [(((mixed >> 60) % 3) << 32) | ((mixed >> 50) % 7), (mixed >> 30) % 50]
        };
        let mut expected: BTreeMap<[u64; 2], u64> = BTreeMap::new();
        (0..20_000).for_each(|i| *expected.entry(key(i)).or_default() += 1);
        for budget in [100, 10_000, 1 << 30] {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("tally");
            let tally = Tally::<2>::new(budget, path.clone());
            for from in (0..20_000).step_by(1000) {
                tally.add((from..from + 1000).map(key).collect()).unwrap();
            }
            assert_eq!(path.exists(), budget <= 10_000, "budget {budget}");
            let mut seen = Vec::new();
            let mut batches = Vec::new();
            tally
                .finish(&[2, 0, 1], 64, |batch| {
                    batches.push(batch.len());
                    seen.extend(batch);
                    Ok(())
                })
                .unwrap();
            assert!(batches.split_last().unwrap().1.iter().all(|&n| n == 64));
            let by_division: Vec<Counted<2>> = [2, 0, 1]
                .iter()
                .flat_map(|d| expected.iter().filter(move |(k, _)| division(k) == *d).map(|(k, n)| (*k, *n)))
                .collect();
            assert_eq!(seen, by_division, "budget {budget}");
        }
    }
}
