//! Whether ranks are uniform: their empirical distribution function held against a band that covers it everywhere at once.
//!
//! Säilynoja, Bürkner & Vehtari (2022), "Graphical test for discrete uniformity and its applications in goodness-of-fit evaluation and
//! multiple sample comparison", Statistics and Computing 32. Of N uniform ranks among B values, c_k (how many are below k) is
//! Binomial(N, k/B), and c_k+1 − c_k given c_k is Binomial(N − c_k, 1/(B − k)), so that the chance to stay within any limits at
//! every k follows from a recursion, without simulation. Nothing here knows what was ranked.

/// The share of uniform samples that a band covers everywhere.
pub const COVERAGE: f64 = 0.95;

/// N uniform ranks among B values.
#[derive(Debug)]
pub(super) struct Uniform {
    n: usize,
    bins: usize,
    /// ln i!.
    ln_factorial: Vec<f64>,
    /// `[k − 1][count]`: P(c_k ≤ count) and P(c_k ≥ count).
    tails: Vec<Vec<(f64, f64)>>,
}

/// What the band says of some ranks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Judgement {
    /// Largest distance between the empirical distribution function and the uniform one.
    pub deviation: f64,
    /// How far it reaches out of the band; 0 inside.
    pub outside: f64,
    /// Chance that uniform ranks come as near to the edge of such a band, or nearer.
    pub p_value: f64,
}

impl Uniform {
    pub(super) fn new(n: usize, bins: usize) -> Self {
        let ln_factorial: Vec<f64> = std::iter::once(0.0)
            .chain((1..=n).scan(0.0, |sum, i| {
                *sum += (i as f64).ln();
                Some(*sum)
            }))
            .collect();
        let mut uniform = Self { n, bins, ln_factorial, tails: Vec::new() };
        uniform.tails = (1..bins).map(|k| uniform.tails_at(k as f64 / bins as f64)).collect();
        uniform
    }

    /// P(x) of Binomial(n, p), p inside (0, 1).
    fn mass(&self, n: usize, x: usize, p: f64) -> f64 {
        let f = &self.ln_factorial;
        (f[n] - f[x] - f[n - x] + x as f64 * p.ln() + (n - x) as f64 * (-p).ln_1p()).exp()
    }

    fn tails_at(&self, p: f64) -> Vec<(f64, f64)> {
        let mass: Vec<f64> = (0..=self.n).map(|x| self.mass(self.n, x, p)).collect();
        let mut tails = vec![(0.0, 0.0); self.n + 1];
        let (mut below, mut above) = (0.0, 0.0);
        for x in 0..=self.n {
            below += mass[x];
            above += mass[self.n - x];
            tails[x].0 = below;
            tails[self.n - x].1 = above;
        }
        tails
    }

    /// Least and greatest count at k whose tails both exceed γ/2; none where no count's do.
    fn limits(&self, k: usize, gamma: f64) -> Option<(usize, usize)> {
        // A hair of slack: the same tail added up in another order must count as equal.
        let inside = |&(below, above): &(f64, f64)| 2.0 * f64::min(below, above) > gamma * (1.0 + 1e-9);
        let tails = &self.tails[k - 1];
        Some((tails.iter().position(inside)?, tails.iter().rposition(inside)?))
    }

    /// Chance that uniform ranks stay within the limits of γ at every k.
    fn chance_inside(&self, gamma: f64) -> f64 {
        let mut at = (0, vec![1.0]);
        for k in 1..self.bins {
            let Some((low, high)) = self.limits(k, gamma) else { return 0.0 };
            let step = 1.0 / (self.bins - k + 1) as f64;
            let (from, chances) = at;
            let next = (low..=high)
                .map(|to| {
                    let reach = chances.iter().enumerate().filter(|(i, _)| from + i <= to);
                    reach.map(|(i, chance)| chance * self.mass(self.n - from - i, to - from - i, step)).sum()
                })
                .collect();
            at = (low, next);
        }
        at.1.iter().sum()
    }

    /// The largest γ whose limits cover [`COVERAGE`] of uniform ranks.
    pub(super) fn gamma(&self) -> f64 {
        let (mut low, mut high) = (-30.0f64, 0.0f64);
        for _ in 0..40 {
            let middle = 0.5 * (low + high);
            if self.chance_inside(middle.exp()) >= COVERAGE { low = middle } else { high = middle }
        }
        low.exp()
    }

    /// Judges ranks, each below the number of values.
    pub(super) fn judge(&self, ranks: &[u32], gamma: f64) -> Judgement {
        let mut below = vec![0usize; self.bins + 1];
        ranks.iter().for_each(|rank| below[*rank as usize + 1] += 1);
        (1..=self.bins).for_each(|k| below[k] += below[k - 1]);
        let (mut deviation, mut outside, mut least) = (0.0f64, 0.0f64, 1.0f64);
        for (k, &count) in below.iter().enumerate().take(self.bins).skip(1) {
            let share = |ranks: usize| ranks as f64 / self.n as f64;
            deviation = deviation.max((share(count) - k as f64 / self.bins as f64).abs());
            let (under, over) = self.tails[k - 1][count];
            least = least.min(2.0 * under.min(over));
            if let Some((low, high)) = self.limits(k, gamma) {
                outside = outside.max(share(count.saturating_sub(high))).max(share(low.saturating_sub(count)));
            }
        }
        Judgement { deviation, outside, p_value: (1.0 - self.chance_inside(least)).clamp(0.0, 1.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::rng::{Purpose, Stream};

    fn ranks(seed: u64, n: usize, bins: usize, bend: f64) -> Vec<u32> {
        let mut stream = Stream::new(seed, Purpose::Test, 0, 0);
        (0..n).map(|_| (stream.uniform().powf(bend) * bins as f64) as u32).collect()
    }

    /// Two values and three ranks by hand: c_1 ~ Binomial(3, ½) has masses 1, 3, 3, 1 eighths.
    #[test]
    fn small_bands_are_the_binomial_s() {
        let uniform = Uniform::new(3, 2);
        // 2 · P(c ≤ 0) = 0.25: at γ just below it every count is inside, at it only 1 and 2.
        assert!((uniform.chance_inside(0.24) - 1.0).abs() < 1e-12);
        assert!((uniform.chance_inside(0.25) - 0.75).abs() < 1e-12);
        assert!((uniform.judge(&[0, 0, 0], 0.24).p_value - 0.25).abs() < 1e-12);
        assert!((uniform.judge(&[0, 0, 1], 0.24).p_value - 1.0).abs() < 1e-12);
    }

    /// The recursion's promise against simulation: of 2,000 uniform samples 95 % lie inside, and p-values below 0.2 come one in five.
    #[test]
    fn uniform_ranks_stay_inside_as_often_as_promised() {
        let (n, bins) = (100, 20);
        let uniform = Uniform::new(n, bins);
        let gamma = uniform.gamma();
        let judged: Vec<Judgement> = (0..2000).map(|seed| uniform.judge(&ranks(seed, n, bins, 1.0), gamma)).collect();
        let inside = judged.iter().filter(|j| j.outside == 0.0).count() as f64 / 2000.0;
        let promised = uniform.chance_inside(gamma);
        assert!((COVERAGE..0.965).contains(&promised), "{promised}");
        // Five standard errors of a proportion of 2,000.
        assert!((inside - promised).abs() < 5.0 * (0.05 * 0.95f64 / 2000.0).sqrt(), "{inside} for {promised}");
        let low = judged.iter().filter(|j| j.p_value < 0.2).count() as f64 / 2000.0;
        assert!((low - 0.2).abs() < 5.0 * (0.2 * 0.8f64 / 2000.0).sqrt(), "{low}");
        assert!(judged.iter().all(|j| (j.outside > 0.0) == (j.p_value < 1.0 - promised + 1e-9)));
    }

    #[test]
    fn ranks_that_lean_are_seen() {
        let uniform = Uniform::new(500, 100);
        let gamma = uniform.gamma();
        let seen = uniform.judge(&ranks(1, 500, 100, 1.3), gamma);
        assert!(seen.outside > 0.0 && seen.p_value < 1e-3, "{seen:?}");
    }
}
