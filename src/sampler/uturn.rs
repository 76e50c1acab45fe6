//! Has a trajectory turned back on itself? The generalised criterion, over every balanced subtree, without recursion.
//!
//! Knows momenta in the order they were visited; not positions, densities, or which leaf will be drawn.
//!
//! A run of leaves a … b with momenta p and sum ρ = Σ p has turned when p_aᵀDρ ≤ 0 or p_bᵀDρ ≤ 0 (Betancourt 2017, "A conceptual introduction to
//! Hamiltonian Monte Carlo", A.4.2). Where a run is made of two halves, each half together with the leaf next to it must not have turned
//! either (Stan since 2.21): it catches trajectories that close after a whole period.
//!
//! Within a subtree of 2^d leaves, d checkpoints are enough: even leaf n is kept in slot popcount(n >> 1), and an odd leaf closes one
//! subtree for each of its trailing one bits, whose first leaves lie in the slots from popcount(n >> 1) downwards
//! (Phan, Pradhan & Jankowiak 2019, "Composable effects for flexible and accelerated probabilistic programming in NumPyro", appendix).

/// The first leaf of a subtree still open.
#[derive(Debug, Clone)]
struct Slot {
    /// Momentum at that leaf.
    p: Vec<f64>,
    /// Sum of momenta up to and including that leaf.
    sum: Vec<f64>,
    /// Momentum at the leaf before: the end of the sister subtree, which the checks across halves need.
    p_before: Vec<f64>,
}

/// Checkpoints of one growing subtree.
#[derive(Debug, Clone)]
pub(super) struct Checkpoints {
    slots: Vec<Slot>,
    /// Sum of the momenta of all leaves so far.
    pub(super) sum: Vec<f64>,
    last: Vec<f64>,
    leaves: u32,
}

impl Checkpoints {
    /// Room for subtrees of up to 2^max_depth leaves.
    pub(super) fn new(dim: usize, max_depth: u32) -> Self {
        let slot = Slot { p: vec![0.0; dim], sum: vec![0.0; dim], p_before: vec![0.0; dim] };
        Self { slots: vec![slot; max_depth.max(1) as usize], sum: vec![0.0; dim], last: vec![0.0; dim], leaves: 0 }
    }

    /// Forgets the last subtree.
    pub(super) fn clear(&mut self) {
        self.sum.fill(0.0);
        self.leaves = 0;
    }

    pub(super) fn leaves(&self) -> u32 {
        self.leaves
    }

    /// The first leaf's momentum.
    pub(super) fn first(&self) -> &[f64] {
        &self.slots[0].p
    }

    /// Adds the next leaf; true when a subtree that it closes has turned.
    pub(super) fn push(&mut self, p: &[f64], d: &[f64]) -> bool {
        let n = self.leaves;
        self.leaves += 1;
        self.sum.iter_mut().zip(p).for_each(|(s, p)| *s += p);
        let slot = (n >> 1).count_ones() as usize;
        if n.is_multiple_of(2) {
            let s = &mut self.slots[slot];
            s.p.copy_from_slice(p);
            s.sum.copy_from_slice(&self.sum);
            s.p_before.copy_from_slice(&self.last);
        }
        self.last.copy_from_slice(p);
        if n.is_multiple_of(2) {
            return false;
        }
        let subtrees = n.trailing_ones() as usize;
        // The smallest is a pair of leaves, whose halves are single: nothing lies across.
        let pair = &self.slots[slot];
        if pair_turned(&pair.p, p, d) {
            return true;
        }
        (1..subtrees).any(|k| halves_turned(&self.slots[slot - k], &self.slots[slot - k + 1], &self.sum, p, d))
    }
}

/// Two neighbouring leaves.
fn pair_turned(p_a: &[f64], p_b: &[f64], d: &[f64]) -> bool {
    let mut sums = [[0.0; 4]; 2];
    let mut add = |lane: usize, a: f64, b: f64, d: f64| {
        let rho = d * (a + b);
        sums[0][lane] += a * rho;
        sums[1][lane] += b * rho;
    };
    let (a, b, d) = (p_a.chunks_exact(4), p_b.chunks_exact(4), d.chunks_exact(4));
    a.remainder().iter().zip(b.remainder()).zip(d.remainder()).for_each(|((a, b), d)| add(0, *a, *b, *d));
    for ((a, b), d) in a.zip(b).zip(d) {
        (0..4).for_each(|lane| add(lane, a[lane], b[lane], d[lane]));
    }
    !sums.iter().all(|s| (s[0] + s[1]) + (s[2] + s[3]) > 0.0)
}

/// A subtree whose first leaf is `left`'s and whose second half begins with `right`'s, ending at momentum `p` with sum `sum`.
fn halves_turned(left: &Slot, right: &Slot, sum: &[f64], p: &[f64], d: &[f64]) -> bool {
    let dim = d.len();
    let (l_p, l_sum, r_p, r_sum, r_before) =
        (&left.p[..dim], &left.sum[..dim], &right.p[..dim], &right.sum[..dim], &right.p_before[..dim]);
    let (sum, p) = (&sum[..dim], &p[..dim]);
    turned(dim, |i| {
        let before_right = r_sum[i] - r_p[i];
        let rho_left = before_right - (l_sum[i] - l_p[i]);
        criteria(d[i], [l_p[i], r_before[i], r_p[i], p[i]], rho_left, sum[i] - before_right)
    })
}

/// What one coordinate adds to the three criteria of two joined halves: `ends` are the momenta at the first half's start and end and the
/// second half's start and end.
#[inline(always)]
fn criteria(d: f64, ends: [f64; 4], rho_left: f64, rho_right: f64) -> [f64; 6] {
    let [a, m, n, b] = ends.map(|p| d * p);
    let whole = rho_left + rho_right;
    let left_and_next = rho_left + ends[2];
    let right_and_previous = rho_right + ends[1];
    [a * whole, b * whole, a * left_and_next, n * left_and_next, m * right_and_previous, b * right_and_previous]
}

/// Whether any of six sums over the coordinates is not positive. Each is taken in four sums side by side: a single one would wait for
/// every addition.
#[inline(always)]
fn turned(dim: usize, term: impl Fn(usize) -> [f64; 6]) -> bool {
    let mut sums = [[0.0; 4]; 6];
    let whole = dim / 4 * 4;
    for i in (0..whole).step_by(4) {
        for lane in 0..4 {
            sums.iter_mut().zip(term(i + lane)).for_each(|(sum, term)| sum[lane] += term);
        }
    }
    for i in whole..dim {
        sums.iter_mut().zip(term(i)).for_each(|(sum, term)| sum[0] += term);
    }
    !sums.iter().all(|s| (s[0] + s[1]) + (s[2] + s[3]) > 0.0)
}

/// The same three criteria for the whole trajectory: an old half from `old_far` to `old_near` with sum `old_sum`, and the subtree just
/// grown next to it from `new_near` to `new_far`. The criteria are the same whichever half came first in time.
pub(super) struct Joined<'a> {
    pub(super) old_far: &'a [f64],
    pub(super) old_near: &'a [f64],
    pub(super) old_sum: &'a [f64],
    pub(super) new_near: &'a [f64],
    pub(super) new_far: &'a [f64],
    pub(super) new_sum: &'a [f64],
}

impl Joined<'_> {
    pub(super) fn turned(&self, d: &[f64]) -> bool {
        let dim = d.len();
        let (old_far, old_near, old_sum) = (&self.old_far[..dim], &self.old_near[..dim], &self.old_sum[..dim]);
        let (new_near, new_far, new_sum) = (&self.new_near[..dim], &self.new_far[..dim], &self.new_sum[..dim]);
        turned(dim, |i| criteria(d[i], [old_far[i], old_near[i], new_near[i], new_far[i]], old_sum[i], new_sum[i]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::rng::{Purpose, Stream};

    /// The criterion as the paper states it: every balanced subtree ending at the last leaf, sums taken afresh.
    fn closes_a_turned_subtree(p: &[Vec<f64>], d: &[f64]) -> bool {
        let sum = |r: std::ops::RangeInclusive<usize>| -> Vec<f64> {
            (0..d.len()).map(|i| p[r.clone()].iter().map(|p| p[i]).sum()).collect()
        };
        let dot = |a: &[f64], b: &[f64]| -> f64 { (0..d.len()).map(|i| d[i] * a[i] * b[i]).sum() };
        let fine = |a: usize, b: usize, rho: &[f64]| dot(&p[a], rho) > 0.0 && dot(&p[b], rho) > 0.0;
        let end = p.len() - 1;
        let mut size = 2;
        while p.len().is_multiple_of(size) {
            let (start, middle) = (p.len() - size, p.len() - size / 2);
            let good = fine(start, end, &sum(start..=end))
                && fine(start, middle, &sum(start..=middle))
                && fine(middle - 1, end, &sum(middle - 1..=end));
            if !good {
                return true;
            }
            size *= 2;
        }
        false
    }

    /// Rotating momenta with a little noise: turning happens after anything from a few to dozens of leaves. Every leaf must be judged alike.
    #[test]
    fn checkpoints_judge_like_the_definition() {
        let d = [0.5, 1.0, 2.0];
        let mut judged = [0usize; 2];
        for case in 0..300 {
            let mut stream = Stream::new(11, Purpose::Test, case, 0);
            let speed = 0.03 + 1.5 * stream.uniform();
            let noise = 0.3 * stream.uniform();
            let phase = std::f64::consts::TAU * stream.uniform();
            let mut checkpoints = Checkpoints::new(3, 6);
            let mut seen: Vec<Vec<f64>> = Vec::new();
            for n in 0..64 {
                let angle = phase + speed * f64::from(n);
                let p = vec![
                    angle.cos() + noise * stream.normal(),
                    angle.sin() + noise * stream.normal(),
                    (0.7 * angle).cos() + noise * stream.normal(),
                ];
                seen.push(p.clone());
                let turned = checkpoints.push(&p, &d);
                assert_eq!(turned, closes_a_turned_subtree(&seen, &d), "leaf {n} of case {case}");
                judged[usize::from(turned)] += 1;
                if turned {
                    break;
                }
            }
        }
        assert!(judged.iter().all(|n| *n > 100), "both answers must occur often: {judged:?}");
    }
}
