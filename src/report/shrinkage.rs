//! The part of the page on pooling: which groups are shown, in which order, and which parameters first.

use serde::Serialize;

use super::numbers::whole;
use super::plots::{self, responsive};
use super::view::{Shrinkage, ShrunkParameter};

/// Groups that are all shown; of more, the largest and the smallest.
const GROUPS: usize = 24;

/// Parameters that people without a statistician can read: how often customers buy, how much they spend.
const OPEN: [&str; 2] = ["rate", "mean_spend"];

/// What the template knows of pooling.
#[derive(Debug, Serialize)]
pub(super) struct ShrinkagePart {
    column: String,
    open: Vec<Figure>,
    folded: Vec<Figure>,
    /// How many groups there are, where not all are shown.
    cut: Option<String>,
    ends: String,
}

#[derive(Debug, Serialize)]
struct Figure {
    caption: String,
    plot: String,
}

/// The part; none where nothing is pooled.
pub(super) fn part(fits: &[Shrinkage]) -> Option<ShrinkagePart> {
    let first = fits.iter().find(|fit| fit.parameters.iter().any(|p| p.groups.len() > 1))?;
    let groups = first.parameters.iter().map(|p| p.groups.len()).max().unwrap_or(0);
    let (mut open, mut folded) = (Vec::new(), Vec::new());
    for fit in fits {
        for parameter in &fit.parameters {
            let list = if OPEN.contains(&parameter.name.as_str()) { &mut open } else { &mut folded };
            list.push(Figure { caption: format!("{} ({} fit)", parameter.name, fit.fit), plot: plot(parameter) });
        }
    }
    if open.is_empty() {
        std::mem::swap(&mut open, &mut folded);
    }
    Some(ShrinkagePart {
        column: first.column.clone(),
        open,
        folded,
        cut: (groups > GROUPS).then(|| whole(groups as u64)),
        ends: (GROUPS / 2).to_string(),
    })
}

/// Largest groups first.
fn plot(parameter: &ShrunkParameter) -> String {
    let mut rows: Vec<_> = parameter.groups.iter().collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.customers));
    if rows.len() > GROUPS {
        rows.drain(GROUPS / 2..rows.len() - GROUPS / 2);
    }
    responsive(|size| plots::shrinkage(&rows, &parameter.name, size))
}
