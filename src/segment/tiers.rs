//! Value tiers: customers by position when ordered by what they are expected to be worth. Ties are broken by customer id, so that
//! equal data give equal tiers.

use std::cmp::Ordering;

use rayon::prelude::*;

use crate::data::{Ids, Summary};
use crate::predict::{Expectations, Labelling};

/// A tier: the customers up to a position that no tier above holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tier {
    /// Its name.
    pub name: &'static str,
    /// Position of its last customer, per cent of all customers, rounded up.
    pub up_to_percent: usize,
    /// One sentence of advice.
    pub action: &'static str,
}

/// The tiers, best first. Each excludes those above it: `Top 5%` runs from the first to the fifth per cent.
pub const TIERS: [Tier; 5] = [
    Tier { name: "Top 1%", up_to_percent: 1, action: "Know them by name: personal service, no discounts needed." },
    Tier { name: "Top 5%", up_to_percent: 5, action: "Protect them: priority service and early access." },
    Tier { name: "Top 10%", up_to_percent: 10, action: "Grow them: cross-sell with the effort their value pays for." },
    Tier { name: "Top 20%", up_to_percent: 20, action: "Nurture them with automated, well-timed offers." },
    Tier { name: "Others", up_to_percent: 100, action: "Serve them at low cost and watch for those who rise." },
];

/// Every customer's rank and tier.
#[derive(Debug, Clone, PartialEq)]
pub struct ValueTiers {
    /// The tier of every customer, labels in the order of [`TIERS`]. A tier may be empty when customers are few.
    pub labelling: Labelling,
    /// 1 for the highest value; parallel to the summary's rows.
    pub rank: Vec<u64>,
    /// The least value in each tier; `None` for an empty tier and for the last one, which asks for nothing.
    pub cut_value: Vec<Option<f64>>,
}

/// Orders customers by [`Expectations::value`] (descending, then by customer id) and cuts by position.
pub fn value_tiers(summary: &Summary, expectations: &Expectations) -> ValueTiers {
    tiers_of(&summary.customer_id, expectations.value())
}

/// The same from any value per customer, parallel to `ids`.
pub fn tiers_of(ids: &Ids, value: &[f64]) -> ValueTiers {
    let mut order: Vec<u32> = (0..value.len() as u32).collect();
    let by_value = |&i: &u32, &j: &u32| -> Ordering {
        let (i, j) = (i as usize, j as usize);
        value[j].total_cmp(&value[i]).then_with(|| ids[i].cmp(&ids[j]))
    };
    order.par_sort_by(by_value);

    let mut rank = vec![0; value.len()];
    let mut of_customer = vec![0; value.len()];
    let mut cut_value = Vec::with_capacity(TIERS.len());
    let mut first = 0;
    for (tier, Tier { up_to_percent, .. }) in TIERS.iter().enumerate() {
        let end = (value.len() * up_to_percent).div_ceil(100);
        for (position, &customer) in order[first..end].iter().enumerate() {
            rank[customer as usize] = (first + position + 1) as u64;
            of_customer[customer as usize] = tier as u32;
        }
        let is_last = tier + 1 == TIERS.len();
        cut_value.push((end > first && !is_last).then(|| value[order[end - 1] as usize]));
        first = end;
    }
    let labels = TIERS.iter().map(|tier| tier.name.into()).collect();
    ValueTiers { labelling: Labelling { name: "tier".into(), labels, of_customer }, rank, cut_value }
}
