//! Groups within groups, drawn level by level: the effects of a group are normal around those of the one it belongs to. What the
//! parameters are and on which scale, `groups` says.

use serde::{Deserialize, Serialize};

use super::groups::{Effects, GroupHierarchy, GroupTruth};
use crate::data::group_tree::path;
use crate::error::{Error, Result};
use crate::kernels::rng::{Purpose, Stream};

/// What the levels are called in the data, from the top.
const COLUMNS: [&str; 3] = ["country", "channel", "campaign"];

/// In the second place of an address: nested groups, from this number on, one for each level and one for their shares. Customers,
/// groups that are not nested and covariates come before.
const NODE_ADDRESS: u32 = 8;

/// A level spreads by so much of what the one above it does.
const SPREAD_RATIO: f64 = 0.6;

/// Spread of the logarithm of groups' shares of the customers.
const SHARE_SPREAD: f64 = 1.0;

/// What nested groups were drawn from, on the scale of links.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NestedHierarchy {
    /// Centres of the first level.
    pub mu: Effects,
    /// The levels from the top. The last one's groups are those of the simulation.
    pub levels: Vec<LevelTruth>,
}

/// One level of nested groups.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LevelTruth {
    /// The column that names the level's groups in the data.
    pub column: String,
    /// Spreads around the level above.
    pub sigma: Effects,
    /// The groups with their effects, in the order of their paths.
    pub groups: Vec<NodeTruth>,
}

/// One group of one level.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodeTruth {
    /// Its path: `country1 > channel2`.
    pub label: String,
    /// Its effects.
    #[serde(flatten)]
    pub effects: Effects,
}

/// The groups of a shop with `counts[0]` groups, in each of them `counts[1]`, and so on, of unequal sizes, around
/// [`GroupHierarchy::shop`].
///
/// # Errors
/// More levels than have names.
pub(super) fn nested_groups(counts: &[u32], seed: u64) -> Result<(Vec<GroupTruth>, NestedHierarchy)> {
    if counts.len() > COLUMNS.len() {
        return Err(Error::new("groups are simulated on three levels at most").at("groups").seen(counts.len()));
    }
    let shop = GroupHierarchy::shop();
    let of = [shop.r, shop.rate, shop.phi, shop.kappa, shop.p, shop.q, shop.mean_spend];
    let mu = Effects::from(of.map(|of| of.mu));
    let mut above: Vec<(Vec<String>, Effects)> = vec![(Vec::new(), mu)];
    let mut levels = Vec::new();
    for (depth, (&count, column)) in counts.iter().zip(COLUMNS).enumerate() {
        let sigma = of.map(|of| of.sigma * SPREAD_RATIO.powi(depth as i32));
        let digits = count.to_string().len();
        let mut nodes = Vec::new();
        for (parts, parent) in &above {
            for child in 0..count {
                let mut rng = address(seed, nodes.len(), depth);
                let mut z = parent.list();
                z.iter_mut().zip(sigma).for_each(|(z, sigma)| *z += sigma * rng.normal());
                let part = format!("{column}{:0digits$}", child + 1);
                nodes.push((parts.iter().cloned().chain([part]).collect::<Vec<_>>(), Effects::from(z)));
            }
        }
        let truth = |(parts, effects): &(Vec<String>, Effects)| NodeTruth {
            label: path(parts.iter().map(String::as_str)),
            effects: *effects,
        };
        levels.push(LevelTruth {
            column: column.to_owned(),
            sigma: Effects::from(sigma),
            groups: nodes.iter().map(truth).collect(),
        });
        above = nodes;
    }
    let leaf = |(index, (parts, effects)): (usize, &(Vec<String>, Effects))| {
        let share = (SHARE_SPREAD * address(seed, index, COLUMNS.len()).normal()).exp();
        effects.truth(path(parts.iter().map(String::as_str)), share)
    };
    Ok((above.iter().enumerate().map(leaf).collect(), NestedHierarchy { mu, levels }))
}

fn address(seed: u64, index: usize, level: usize) -> Stream {
    Stream::new(seed, Purpose::Simulation, index as u64, NODE_ADDRESS + level as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_level_spreads_as_told_around_the_one_above() {
        let (groups, truth) = nested_groups(&[60, 50], 3).unwrap();
        assert_eq!((groups.len(), truth.levels.len()), (3_000, 2));
        assert!(groups.is_sorted_by(|a, b| a.label < b.label));
        assert_eq!(groups[51].label, "country02 > channel02");
        let [top, low] = &truth.levels[..] else { panic!() };
        for k in 0..7 {
            let deviation = |i: usize, node: &NodeTruth| node.effects.list()[k] - top.groups[i / 50].effects.list()[k];
            let squares: f64 = low.groups.iter().enumerate().map(|(i, node)| deviation(i, node).powi(2)).sum();
            let sd = (squares / 3_000.0).sqrt() / low.sigma.list()[k];
            // Five standard errors of a standard deviation: 5/√(2n).
            assert!((sd - 1.0).abs() < 5.0 / 6_000f64.sqrt(), "{k}: {sd}");
            let centred = top.groups.iter().map(|node| node.effects.list()[k] - truth.mu.list()[k]);
            let sd = (centred.map(|z| z * z).sum::<f64>() / 60.0).sqrt() / top.sigma.list()[k];
            assert!((sd - 1.0).abs() < 5.0 / 120f64.sqrt(), "{k}: {sd}");
        }
        // The last level's effects are the groups' parameters.
        assert!((groups[7].r.ln() - low.groups[7].effects.r).abs() < 1e-12);
        assert!(nested_groups(&[2, 2, 2, 2], 1).is_err());
    }
}
