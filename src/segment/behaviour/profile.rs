//! Words for clusters, by rule: how the typical customer of each compares with that of all. Two clusters never get the same words.
//!
//! | word | when |
//! | --- | --- |
//! | bought once | more than half of the cluster did |
//! | frequent, occasional, rare | median repeat purchases against the median of all who came back |
//! | recent, some time ago, long ago | median time since the last purchase against that of all customers |
//! | high, usual, low spend | median spend against the median of all who came back; not for those who bought once |
//!
//! High is 1½ times the usual or more, low two thirds of it or less. Clusters that these words do not tell apart say in figures where
//! they differ most.

use super::clusters::{Typical, median};
use crate::data::Summary;

const HIGH: f64 = 1.5;
const LOW: f64 = 1.0 / HIGH;

/// What clusters are compared with.
pub(super) struct Usual {
    all: Typical,
    /// Median repeat purchases of those who came back: of all customers it is often 0.
    repeats: f64,
}

impl Usual {
    pub(super) fn of(summary: &Summary, all: Typical) -> Self {
        let repeats = summary.frequency.iter().filter(|&&x| x > 0).map(|&x| f64::from(x)).collect();
        Self { all, repeats: median(repeats).unwrap_or(0.0) }
    }
}

#[derive(Clone, Copy)]
enum Level {
    Low,
    Usual,
    High,
}

/// Of a figure against the usual one; above 0 is high where 0 is usual.
fn level(figure: f64, usual: f64) -> Level {
    if figure == usual {
        Level::Usual
    } else if figure >= HIGH * usual {
        Level::High
    } else if figure <= LOW * usual {
        Level::Low
    } else {
        Level::Usual
    }
}

fn words(typical: &Typical, usual: &Usual) -> String {
    let gap = level(typical.recency_gap, usual.all.recency_gap);
    if typical.bought_once > 0.5 {
        let when = match gap {
            Level::Low => "recently",
            Level::Usual => "some time ago",
            Level::High => "long ago",
        };
        return format!("bought once, {when}");
    }
    let often = match level(typical.frequency, usual.repeats) {
        Level::Low => "rare",
        Level::Usual => "occasional",
        Level::High => "frequent",
    };
    let when = match gap {
        Level::Low => " and recent",
        Level::Usual => ", some time ago",
        Level::High => ", long ago",
    };
    // Where nobody's spend is known, or nobody spends, there is nothing to say about it.
    let spend = typical.spend.zip(usual.all.spend.filter(|&usual| usual > 0.0));
    let spend = spend.map_or("", |(spend, usual)| match level(spend, usual) {
        Level::Low => ", low spend",
        Level::Usual => ", usual spend",
        Level::High => ", high spend",
    });
    format!("{often}{when}{spend}")
}

/// What is said in figures where words do not tell clusters apart: a figure as a multiple of the usual one.
type Figure = (fn(&Typical) -> Option<f64>, &'static str);

/// Of those that differ equally, the last is said.
const FIGURES: [Figure; 5] = [
    (|typical| Some(typical.frequency), "{} times as many repeat purchases as usual"),
    (|typical| typical.purchase_gap, "{} times as long between purchases as usual"),
    (|typical| typical.spend, "spending {} times as much as usual"),
    (|typical| Some(typical.recency_gap), "silent for {} times as long as usual"),
    (|typical| Some(typical.age), "known for {} times as long as usual"),
];

/// The words of each cluster, in their order.
pub(super) fn profiles(ids: &[u32], typical: &[Typical], usual: &Usual) -> Vec<String> {
    let mut said: Vec<String> = typical.iter().map(|typical| words(typical, usual)).collect();
    for alike in alike(&said) {
        let figures = FIGURES.iter().map(|(figure, phrase)| (multiples(*figure, &alike, typical, usual), phrase));
        let widest = figures.max_by(|a, b| spread(&a.0).total_cmp(&spread(&b.0)));
        if let Some((Some(multiples), phrase)) = widest.filter(|(multiples, _)| spread(multiples) > 0.0) {
            for (cluster, multiple) in alike.into_iter().zip(multiples) {
                said[cluster] += &format!(", {}", phrase.replace("{}", &format!("{multiple:.2}")));
            }
        }
    }
    // Nothing tells these apart but their ids, which always do.
    for cluster in self::alike(&said).into_iter().flatten() {
        said[cluster] += &format!(", cluster {}", ids[cluster]);
    }
    said
}

/// Clusters with the same words, where there are any.
fn alike(said: &[String]) -> Vec<Vec<usize>> {
    let with = |words: &String| (0..said.len()).filter(|&i| said[i] == *words).collect::<Vec<usize>>();
    let groups = said.iter().enumerate().map(|(i, words)| (i, with(words)));
    groups.filter(|(i, group)| group.len() > 1 && group[0] == *i).map(|(_, group)| group).collect()
}

/// A figure of some clusters as multiples of the usual one; `None` where one of them does not have it.
fn multiples(
    figure: fn(&Typical) -> Option<f64>,
    clusters: &[usize],
    typical: &[Typical],
    usual: &Usual,
) -> Option<Vec<f64>> {
    let usual = figure(&Typical { frequency: usual.repeats, ..usual.all }).filter(|&usual| usual > 0.0)?;
    clusters.iter().map(|&cluster| Some(figure(&typical[cluster])? / usual)).collect()
}

/// How far apart multiples are, as the ratio of their extremes less one; those below a thousandth count as that.
fn spread(multiples: &Option<Vec<f64>>) -> f64 {
    let Some(multiples) = multiples else { return 0.0 };
    let least = multiples.iter().copied().fold(f64::INFINITY, f64::min).max(1e-3);
    multiples.iter().copied().fold(1e-3, f64::max) / least - 1.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typical(frequency: f64, recency_gap: f64, spend: Option<f64>, bought_once: f64) -> Typical {
        Typical { frequency, recency_gap, age: 40.0, purchase_gap: spend.map(|_| 5.0), spend, bought_once }
    }

    fn usual() -> Usual {
        Usual { all: typical(0.0, 20.0, Some(30.0), 0.6), repeats: 2.0 }
    }

    #[test]
    fn words_follow_from_the_comparison() {
        for (frequency, gap, spend, once, said) in [
            (0.0, 35.0, None, 1.0, "bought once, long ago"),
            (0.0, 20.0, None, 1.0, "bought once, some time ago"),
            (0.0, 2.0, None, 1.0, "bought once, recently"),
            (6.0, 3.0, Some(60.0), 0.0, "frequent and recent, high spend"),
            (2.0, 3.0, Some(30.0), 0.0, "occasional and recent, usual spend"),
            (1.0, 40.0, Some(10.0), 0.2, "rare, long ago, low spend"),
            (3.0, 25.0, Some(31.0), 0.0, "frequent, some time ago, usual spend"),
        ] {
            assert_eq!(words(&typical(frequency, gap, spend, once), &usual()), said);
        }
        let no_spend = Usual { all: typical(0.0, 20.0, Some(0.0), 0.6), repeats: 2.0 };
        assert_eq!(words(&typical(6.0, 3.0, Some(0.0), 0.0), &no_spend), "frequent and recent");
    }

    #[test]
    fn clusters_with_the_same_words_say_where_they_differ() {
        let once = |gap, age| Typical { age, ..typical(0.0, gap, None, 1.0) };
        let clusters = [once(40.0, 40.0), once(60.0, 60.0), typical(6.0, 3.0, Some(60.0), 0.0), once(40.0, 80.0)];
        let said = profiles(&[1, 2, 5, 7], &clusters, &usual());
        assert_eq!(
            said,
            [
                "bought once, long ago, known for 1.00 times as long as usual",
                "bought once, long ago, known for 1.50 times as long as usual",
                "frequent and recent, high spend",
                "bought once, long ago, known for 2.00 times as long as usual",
            ]
        );
        // Nothing tells these apart but their names.
        let twins = [once(40.0, 40.0); 2];
        let said = profiles(&[3, 9], &twins, &usual());
        assert_eq!(said, ["bought once, long ago, cluster 3", "bought once, long ago, cluster 9"]);
    }
}
