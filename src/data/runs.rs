//! Customers in sorted runs, in memory or spilled, and the merge of all runs into one order. However many customers there are, the
//! runs held in memory stay within a budget, and the merge holds a window on each.

use std::cmp::Ordering;
use std::path::PathBuf;
use std::sync::Mutex;

use super::customer_rows::{CustomerRows, Shape, decode, prefix};
use super::rejects::lock;
use super::spill::{Extent, Spill, Window};
use crate::error::Result;

/// Sorted runs of customers, added from any number of threads.
pub(super) struct Runs {
    shape: Shape,
    budget_bytes: usize,
    spill: Spill,
    stored: Mutex<Stored>,
}

#[derive(Default)]
struct Stored {
    memory: Vec<Vec<u8>>,
    memory_bytes: usize,
    spilled: Vec<Extent>,
}

impl Runs {
    /// No runs; beyond `budget_bytes` they go to `path`.
    pub(super) fn new(shape: Shape, budget_bytes: usize, path: PathBuf) -> Self {
        Self { shape, budget_bytes, spill: Spill::new(path), stored: Mutex::default() }
    }

    /// Adds customers, in any order, as one run.
    pub(super) fn add(&self, rows: &CustomerRows) -> Result<()> {
        if rows.len() == 0 {
            return Ok(());
        }
        let bytes = rows.run_bytes();
        {
            let mut stored = lock(&self.stored);
            if stored.memory_bytes + bytes.len() <= self.budget_bytes {
                stored.memory_bytes += bytes.len();
                stored.memory.push(bytes);
                return Ok(());
            }
        }
        let extent = self.spill.append(&bytes)?;
        lock(&self.stored).spilled.push(extent);
        Ok(())
    }

    /// The merge of all runs.
    pub(super) fn merge(self) -> Result<Merge> {
        let Self { shape, budget_bytes, spill, stored } = self;
        let stored = stored.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        // The windows on spilled runs share another such budget; few bytes at a time would mean many seeks.
        let window_bytes = (budget_bytes / stored.spilled.len().max(1)).clamp(4 << 10, 1 << 20);
        let windows = stored.memory.into_iter().map(Window::held).chain(stored.spilled.into_iter().map(Window::on));
        let mut runs = Vec::new();
        for window in windows {
            let mut run = Run { window, prefix: 0, id_bytes: 0, at: 0, ended: false };
            run.settle(shape, &spill, window_bytes)?;
            if !run.ended {
                runs.push(run);
            }
        }
        let heap = (0..runs.len()).collect();
        let mut merge = Merge { shape, spill, window_bytes, runs, heap, last: None };
        (0..merge.heap.len() / 2).rev().for_each(|node| merge.sift_down(node));
        Ok(merge)
    }
}

/// One run while it is merged: its next row is in sight.
struct Run {
    window: Window,
    prefix: u64,
    id_bytes: usize,
    at: u64,
    ended: bool,
}

impl Run {
    /// Brings the next row into sight.
    fn settle(&mut self, shape: Shape, spill: &Spill, window_bytes: usize) -> Result<()> {
        let sight = self.window.sight(spill, 4, window_bytes)?;
        let Some((length, _)) = sight.split_first_chunk::<4>() else {
            self.ended = true;
            return Ok(());
        };
        self.id_bytes = u32::from_le_bytes(*length) as usize;
        let whole = 4 + self.id_bytes + shape.fixed_bytes();
        let sight = self.window.sight(spill, whole, window_bytes)?;
        self.prefix = prefix(&sight[4..4 + self.id_bytes]);
        if shape.addressed {
            let (at, _) = sight[4 + self.id_bytes..].split_first_chunk::<8>().unwrap_or((&[0; 8], &[]));
            self.at = u64::from_le_bytes(*at);
        }
        Ok(())
    }

    fn id(&self) -> &[u8] {
        &self.window.in_sight()[4..4 + self.id_bytes]
    }

    fn cmp(&self, other: &Self) -> Ordering {
        let full = || self.id().cmp(other.id()).then(self.at.cmp(&other.at));
        self.prefix.cmp(&other.prefix).then_with(full)
    }
}

/// All customers, in order of their identifiers.
pub(super) struct Merge {
    shape: Shape,
    spill: Spill,
    window_bytes: usize,
    runs: Vec<Run>,
    /// Runs that have not ended, as a heap whose root has the smallest next row.
    heap: Vec<usize>,
    /// Identifier and place of the last customer handed on.
    last: Option<(String, u64)>,
}

impl Merge {
    fn sift_down(&mut self, mut node: usize) {
        loop {
            let mut least = 2 * node + 1;
            if least >= self.heap.len() {
                return;
            }
            let run = |at: usize| &self.runs[self.heap[at]];
            if least + 1 < self.heap.len() && run(least + 1).cmp(run(least)) == Ordering::Less {
                least += 1;
            }
            if run(node).cmp(run(least)) != Ordering::Greater {
                return;
            }
            self.heap.swap(node, least);
            node = least;
        }
    }

    /// The next `most` customers, fewer at the end, none after it. Where a customer comes more than once the first in the source
    /// counts; `twice` is told each later one: the identifier, the place that counts, the later place.
    pub(super) fn next_rows(&mut self, most: usize, mut twice: impl FnMut(&str, u64, u64)) -> Result<CustomerRows> {
        let mut rows = CustomerRows::new(self.shape);
        while rows.len() < most {
            let Some(&least) = self.heap.first() else { break };
            let run = &mut self.runs[least];
            // The run's bytes are ours and its row is in sight, so it decodes.
            let Some(row) = decode(run.window.in_sight(), self.shape) else { break };
            let known = if rows.len() > 0 {
                let last = rows.row(rows.len() - 1);
                Some((last.id, last.at))
            } else {
                self.last.as_ref().map(|(id, at)| (id.as_str(), *at))
            };
            match known {
                Some((id, at)) if self.shape.addressed && id == row.id => twice(id, at, row.at),
                _ => rows.push(row),
            }
            let whole = 4 + run.id_bytes + self.shape.fixed_bytes();
            run.window.advance(whole);
            run.settle(self.shape, &self.spill, self.window_bytes)?;
            if run.ended {
                // A run that has ended gives its memory back.
                run.window = Window::held(Vec::new());
                self.heap.swap_remove(0);
            }
            self.sift_down(0);
        }
        if rows.len() > 0 {
            let last = rows.row(rows.len() - 1);
            self.last = Some((last.id.to_owned(), last.at));
        }
        Ok(rows)
    }
}

#[cfg(test)]
mod tests {
    use super::super::customer_rows::CustomerRow;
    use super::*;

    #[test]
    fn runs_merge_into_one_order_at_any_budget_and_tell_what_comes_twice() {
        let shape = Shape { addressed: true, dated: false, held_out: false };
        // 3,000 rows of 1,000 customers.
        let id_of = |i: u64| format!("customer {}", i.wrapping_mul(7919) % 1000);
        for budget in [0, 20_000, 1 << 30] {
            let dir = tempfile::tempdir().unwrap();
            let runs = Runs::new(shape, budget, dir.path().join("runs"));
            for block in (0..30_u64).rev() {
                let mut rows = CustomerRows::new(shape);
                for at in block * 100..block * 100 + 100 {
                    rows.push(CustomerRow {
                        id: &id_of(at),
                        at,
                        first: 0,
                        frequency: at as u32,
                        recency: 0.0,
                        age: 0.0,
                        monetary: 0.0,
                        label: 0,
                        holdout_purchases: 0,
                        holdout_spend: 0.0,
                    });
                }
                runs.add(&rows).unwrap();
            }
            assert_eq!(dir.path().join("runs").exists(), budget < 1 << 30);
            let mut merge = runs.merge().unwrap();
            let mut ids = Vec::new();
            let mut twice = 0;
            loop {
                let rows = merge
                    .next_rows(77, |id, kept, later| {
                        twice += 1;
                        assert!(kept < 1000 && later >= 1000 && id == id_of(later));
                    })
                    .unwrap();
                if rows.len() == 0 {
                    break;
                }
                assert!(rows.len() == 77 || ids.len() + rows.len() == 1000);
                assert!(rows.at.iter().all(|at| *at < 1000));
                ids.extend(rows.id.iter().map(str::to_owned));
            }
            assert_eq!((ids.len(), twice), (1000, 2000));
            assert!(ids.is_sorted_by(|a, b| a < b));
        }
    }
}
