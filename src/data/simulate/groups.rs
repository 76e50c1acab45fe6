//! The true parameters of groups: a few chosen ones, or any number drawn from a hierarchy. What the parameters do to a customer
//! is told in `customers`.
//!
//! The hierarchy is the one that BG/NBD, MBG/NBD and Gamma-Gamma fit; for Pareto/NBD its φ and κ are turned into s = a and a rate of
//! leaving φ r/α, and for Abe's model both rates into lognormal ones of the same means, whose groups it then does not describe. Parameter k of group g is z_gk ~ N(μ_k, σ_k²) on the scale of its link:
//!
//! | parameter | meaning | link |
//! | --- | --- | --- |
//! | r | shape of purchase rates | ln r |
//! | rate | ρ = r/α, mean purchases per time unit while active | ln ρ |
//! | phi | φ = a/(a+b), mean chance of lapsing | logit φ |
//! | kappa | κ = a+b, its concentration | ln κ |
//! | p | shape of an amount | ln p |
//! | q | shape of spend rates | ln(q − 1) |
//! | mean_spend | M = p v/(q − 1), in currency | ln M |

use serde::{Deserialize, Serialize};

use crate::kernels::rng::{Purpose, Stream};

/// Groups up to which they are called a, b, c, … and chosen by hand.
pub(super) const LETTERS: u32 = 26;

/// Under which a group's address differs from a customer's.
pub(super) const GROUP_ADDRESS: u32 = 1;

/// The true parameters of how a group's customers lapse.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum LapseTruth {
    /// With a chance p ~ Beta(a, b) after a purchase.
    Chance {
        /// First shape.
        a: f64,
        /// Second shape.
        b: f64,
    },
    /// At a rate μ ~ Gamma(s, rate β), at any time.
    Rate {
        /// Shape.
        s: f64,
        /// Rate, in time units.
        beta: f64,
    },
    /// At a rate μ, at any time, that goes with the purchase rate λ: ln λ and ln μ are jointly normal.
    Together {
        /// Median of λ, per time unit.
        rate: f64,
        /// Median of μ, per time unit.
        death: f64,
        /// Standard deviation of ln λ.
        sd_rate: f64,
        /// Standard deviation of ln μ.
        sd_death: f64,
        /// Correlation of ln λ and ln μ.
        corr: f64,
    },
    /// They never do. Last, because any group can be read as one that says nothing of lapsing.
    Never {},
}

impl LapseTruth {
    /// Each positive parameter with its name.
    fn named(self) -> Vec<(&'static str, f64)> {
        match self {
            Self::Never {} => vec![],
            Self::Chance { a, b } => vec![("a", a), ("b", b)],
            Self::Rate { s, beta } => vec![("s", s), ("beta", beta)],
            Self::Together { rate, death, sd_rate, sd_death, corr: _ } => {
                vec![("rate", rate), ("death", death), ("sd_rate", sd_rate), ("sd_death", sd_death)]
            }
        }
    }
}

/// The true parameters of one group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupTruth {
    /// What the group is called in the data.
    pub label: String,
    /// Its share of the customers, relative to the other groups.
    pub share: f64,
    /// Shape of the purchase rate; 0 and not written where it is lognormal.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub r: f64,
    /// Rate of the purchase rate, in time units; 0 and not written where it is lognormal.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub alpha: f64,
    /// How its customers lapse.
    #[serde(flatten)]
    pub lapse: LapseTruth,
    /// Shape of an amount.
    pub p: f64,
    /// Shape of the spend rate.
    pub q: f64,
    /// Rate of the spend rate, in currency.
    pub v: f64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
fn is_nothing(value: &f64) -> bool {
    *value == 0.0
}

impl GroupTruth {
    /// The maximum-likelihood parameters of the CDNOW sample, in weeks and dollars (Fader, Hardie & Lee 2005; Fader & Hardie 2013).
    pub fn cdnow(label: &str) -> Self {
        Self {
            label: label.to_owned(),
            share: 1.0,
            r: 0.243,
            alpha: 4.414,
            lapse: LapseTruth::Chance { a: 0.793, b: 2.426 },
            p: 6.25,
            q: 3.74,
            v: 15.44,
        }
    }

    /// The same group with customers who lapse at any time: as many of them a time unit, on average, as chances would make leave while
    /// they buy, and as different.
    pub(super) fn lapsing_any_time(self) -> Self {
        let LapseTruth::Chance { a, b } = self.lapse else { return self };
        let beta = a / (a / (a + b) * self.r / self.alpha);
        Self { lapse: LapseTruth::Rate { s: a, beta }, ..self }
    }

    /// The same group with customers who never lapse.
    pub(super) fn never_lapsing(self) -> Self {
        Self { lapse: LapseTruth::Never {}, ..self }
    }

    /// The same group with lognormal rates: as many purchases and departures a time unit, on average, and those who buy often leave a
    /// little sooner.
    pub(super) fn lapsing_together(self) -> Self {
        let Self { r, alpha, lapse: LapseTruth::Rate { s, beta }, .. } = self.clone().lapsing_any_time() else {
            return self;
        };
        // The mean of a lognormal number is its median times e^(sd²/2).
        let (sd_rate, sd_death) = (1.0, 1.2);
        let median = |mean: f64, sd: f64| mean * (-0.5 * sd * sd).exp();
        let (rate, death) = (median(r / alpha, sd_rate), median(s / beta, sd_death));
        let lapse = LapseTruth::Together { rate, death, sd_rate, sd_death, corr: 0.3 };
        Self { r: 0.0, alpha: 0.0, lapse, ..self }
    }

    /// Mean purchases per time unit of a customer who has not lapsed.
    pub(super) fn mean_rate(&self) -> f64 {
        match self.lapse {
            LapseTruth::Together { rate, sd_rate, .. } => rate * (0.5 * sd_rate * sd_rate).exp(),
            LapseTruth::Chance { .. } | LapseTruth::Rate { .. } | LapseTruth::Never {} => self.r / self.alpha,
        }
    }

    /// Each positive parameter with its name, for checks.
    pub(super) fn named(&self) -> Vec<(&'static str, f64)> {
        let mut named = vec![("share", self.share), ("p", self.p), ("q", self.q), ("v", self.v)];
        if !matches!(self.lapse, LapseTruth::Together { .. }) {
            named.extend([("r", self.r), ("alpha", self.alpha)]);
        }
        named.extend(self.lapse.named());
        named
    }
}

/// Centre and spread of one parameter over groups, on the scale of its link.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Normal {
    /// μ: mean.
    pub mu: f64,
    /// σ: standard deviation.
    pub sigma: f64,
}

/// The hierarchy that groups are drawn from; the module's table says what each parameter and its link are.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct GroupHierarchy {
    /// ln r.
    pub r: Normal,
    /// ln ρ.
    pub rate: Normal,
    /// logit φ.
    pub phi: Normal,
    /// ln κ.
    pub kappa: Normal,
    /// ln p.
    pub p: Normal,
    /// ln(q − 1).
    pub q: Normal,
    /// ln M.
    pub mean_spend: Normal,
}

impl GroupHierarchy {
    /// Around the lively shop of [`shop_groups`]: groups differ most in how often they buy and how much they spend (one in three is
    /// a third away from the centre), little in how alike their customers are.
    pub fn shop() -> Self {
        let centre = lively(0);
        let around = |value: f64, sigma| Normal { mu: value.ln(), sigma };
        let (a, b) = LIVELY_CHANCE;
        let phi = a / (a + b);
        Self {
            r: around(centre.r, 0.15),
            rate: around(centre.r / centre.alpha, 0.3),
            phi: Normal { mu: (phi / (1.0 - phi)).ln(), sigma: 0.25 },
            kappa: around(a + b, 0.15),
            p: around(centre.p, 0.1),
            q: around(centre.q - 1.0, 0.1),
            mean_spend: around(centre.p * centre.v / (centre.q - 1.0), 0.3),
        }
    }

    /// The parameters of group `index`: a matter of seed and index alone.
    fn draw(&self, seed: u64, index: u32, label: String) -> GroupTruth {
        let mut rng = Stream::new(seed, Purpose::Simulation, u64::from(index), GROUP_ADDRESS);
        let of = [self.r, self.rate, self.phi, self.kappa, self.p, self.q, self.mean_spend];
        let z = of.map(|of| of.mu + of.sigma * rng.normal());
        Effects::from(z).truth(label, 1.0)
    }
}

/// One number per parameter on the scale of its link: a centre, a spread, or the effects of one group.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Effects {
    /// ln r.
    pub r: f64,
    /// ln ρ.
    pub rate: f64,
    /// logit φ.
    pub phi: f64,
    /// ln κ.
    pub kappa: f64,
    /// ln p.
    pub p: f64,
    /// ln(q − 1).
    pub q: f64,
    /// ln M.
    pub mean_spend: f64,
}

impl From<[f64; 7]> for Effects {
    fn from([r, rate, phi, kappa, p, q, mean_spend]: [f64; 7]) -> Self {
        Self { r, rate, phi, kappa, p, q, mean_spend }
    }
}

impl Effects {
    /// The numbers in the order of the fields.
    pub(super) fn list(&self) -> [f64; 7] {
        [self.r, self.rate, self.phi, self.kappa, self.p, self.q, self.mean_spend]
    }

    /// The group with these effects.
    pub(super) fn truth(&self, label: String, share: f64) -> GroupTruth {
        let (r, rate) = (self.r.exp(), self.rate.exp());
        let (phi, kappa) = (1.0 / (1.0 + (-self.phi).exp()), self.kappa.exp());
        let (p, q, mean_spend) = (self.p.exp(), 1.0 + self.q.exp(), self.mean_spend.exp());
        let v = mean_spend * (q - 1.0) / p;
        let lapse = LapseTruth::Chance { a: phi * kappa, b: (1.0 - phi) * kappa };
        GroupTruth { label, share, r, alpha: r / rate, lapse, p, q, v }
    }
}

/// The groups of a lively shop, in equal shares, and the hierarchy they come from, if they were drawn.
///
/// Up to 26 are called a, b, c, …: each buys a little less often, leaves a little sooner and spends a little more than the one
/// before, five times, then again from the start. More are drawn from [`GroupHierarchy::shop`] and called g01, g02, …, with as many
/// digits as make them sort.
pub fn shop_groups(count: u32, seed: u64) -> (Vec<GroupTruth>, Option<GroupHierarchy>) {
    if count <= LETTERS {
        return ((0..count).map(lively).collect(), None);
    }
    let hierarchy = GroupHierarchy::shop();
    let groups = (0..count).map(|index| hierarchy.draw(seed, index, numbered(index, count))).collect();
    (groups, Some(hierarchy))
}

/// What a drawn group is called: g01, g02, … with as many digits as make `count` of them sort.
pub(super) fn numbered(index: u32, count: u32) -> String {
    let digits = count.to_string().len();
    format!("g{:0digits$}", index + 1)
}

/// a and b of the first lively group.
const LIVELY_CHANCE: (f64, f64) = (0.8, 3.0);

fn lively(index: u32) -> GroupTruth {
    let (a, b) = LIVELY_CHANCE;
    let step = f64::from(index % 5);
    GroupTruth {
        label: char::from(b'a' + (index % LETTERS) as u8).to_string(),
        r: 0.8,
        alpha: 4.0 * 1.3_f64.powf(step),
        lapse: LapseTruth::Chance { a: a * 1.15_f64.powf(step), b },
        v: 15.44 * 1.2_f64.powf(step),
        ..GroupTruth::cdnow("a")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_sort_as_groups_are_numbered() {
        for count in [1, 3, 26, 27, 100, 1_000] {
            let (groups, hierarchy) = shop_groups(count, 1);
            assert_eq!(groups.len(), count as usize);
            assert!(groups.is_sorted_by(|x, y| x.label < y.label), "{count}");
            assert_eq!(hierarchy.is_some(), count > 26);
        }
        assert_eq!(shop_groups(3, 1).0[2].label, "c");
        assert_eq!(shop_groups(100, 1).0[99].label, "g100");
        // A group is its seed and number, however many there are.
        assert_eq!(
            shop_groups(200, 7).0[..100],
            shop_groups(100, 7).0.iter().zip(1..).map(relabelled).collect::<Vec<_>>()
        );
        assert_ne!(shop_groups(100, 7).0, shop_groups(100, 8).0);
    }

    fn relabelled((group, number): (&GroupTruth, u32)) -> GroupTruth {
        GroupTruth { label: format!("g{number:03}"), ..group.clone() }
    }

    #[test]
    fn drawn_groups_have_the_centre_and_spread_of_their_hierarchy() {
        let n = 20_000;
        let (groups, hierarchy) = shop_groups(n, 3);
        let h = hierarchy.unwrap();
        type Link = fn(&GroupTruth) -> f64;
        let rows: [(&str, Normal, Link); 7] = [
            ("r", h.r, |g| g.r.ln()),
            ("rate", h.rate, |g| (g.r / g.alpha).ln()),
            ("phi", h.phi, |g| (g.lapse.named()[0].1 / g.lapse.named()[1].1).ln()),
            ("kappa", h.kappa, |g| (g.lapse.named()[0].1 + g.lapse.named()[1].1).ln()),
            ("p", h.p, |g| g.p.ln()),
            ("q", h.q, |g| (g.q - 1.0).ln()),
            ("mean_spend", h.mean_spend, |g| (g.p * g.v / (g.q - 1.0)).ln()),
        ];
        for (name, normal, link) in rows {
            let z: Vec<f64> = groups.iter().map(link).collect();
            let mean = z.iter().sum::<f64>() / f64::from(n);
            let sd = (z.iter().map(|z| (z - mean).powi(2)).sum::<f64>() / f64::from(n)).sqrt();
            // Five standard errors: σ/√n of a mean, σ/√(2n) of a standard deviation.
            let error = normal.sigma / f64::from(n).sqrt();
            assert!((mean - normal.mu).abs() < 5.0 * error, "{name}: {mean} against {normal:?}");
            assert!((sd - normal.sigma).abs() < 5.0 * error / 2f64.sqrt(), "{name}: {sd} against {normal:?}");
        }
    }
}
