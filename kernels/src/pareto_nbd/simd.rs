//! Pareto/NBD over many rows in f64, eight at a time, on all cores: the fast CPU path. Its judge is [`super::Cpu`].
//!
//! With c the smaller of α and β and d the other, u = ln((c+τ)/(c+t_x)) as in [`super::quadrature`] is itself the logarithm that c
//! asks for; what is left per node is one logarithm, for d, and one exponential. The nodes of a panel lie in pairs around its
//! middle, whose e^u are e^middle times and divided by one exponential. In sums relative to t_x, with
//! G = n ln((α+T)/(α+t_x)) + s ln((β+T)/(β+t_x)) and q = s (c+t_x)/(β+t_x),
//!
//! ```text
//! ln(A + D) = −n ln(α+T) − s ln(β+T) + G + ln(e^−G + q S),      S = ∫ e^g du
//! g = u − n ln((α+τ)/(α+t_x)) − (s+1) ln((β+τ)/(β+t_x))
//! ```
//!
//! | part | over | price of eight rows × one chain |
//! | --- | --- | --- |
//! | G + ln(e^−G + q S) | the rows with t_x < T | 256 bytes, read once for all chains; 19 ln, 26 exp in one panel |
//! | −n ln(α+T) − s ln(β+T), and N (r ln α + s ln β) as one more row | the distinct T of a group, with Σw and Σwx | 192 bytes; 2 ln |
//! | ln (r)ₓ | the histogram of x of a group | see `cells` |
//!
//! A panel is five long, the last one shorter; a row beyond its own last panel adds zeros to its sums while its neighbours go on.
//!
//! Measured by `speeds_measured` (kernels/tests/pareto_nbd.rs) on two cores that others used too: 1.2e7 rows × chains a second,
//! half of them with x = 0, where the judge makes 8.6e5.

use std::ops::Range;

use rayon::prelude::*;

use super::K;
use super::quadrature::{FALL, NODES, PANEL};
use crate::cells::{Cells, RisingSum, ages};
use crate::rows::{self, Extent, Layout, Sum};
use crate::simd::driver::REACH;
use crate::simd::exp::exp;
use crate::simd::ln::{ln, ln_1p};
use crate::simd::{Driver, Family, Piece, Sums, Table, V};
use crate::{KernelError, Likelihood, LikelihoodBatch, ParamBatch, PointwiseBatch, Work};

/// The Pareto/NBD likelihood of weighted cells or single customers, in f64 with the widest registers that the processor has.
///
/// Results agree with [`super::Cpu`] to the error of the nodes, and are the same bits for any number of threads, any other chains
/// in the batch and any width of registers, as long as the processor fuses multiply-adds. Parameters outside 1e-60 to 1e60 count as
/// impossible.
#[derive(Debug, Clone)]
pub struct Simd {
    tables: Tables,
    driver: Driver<K>,
    layout: Layout,
    cells: Cells,
    evaluations: u64,
}

impl Simd {
    /// Sorts, checks and tabulates the cells.
    ///
    /// # Errors
    /// Columns of unequal length, groups out of range, times not in 0 ≤ t_x ≤ T ≤ 1e60, negative weights.
    pub fn new(cells: Cells) -> Result<Self, KernelError> {
        cells.check()?;
        if let Some(row) = cells.age.iter().position(|t| t > REACH.end()) {
            return Err(KernelError::new(
                format!("row {row} has T = {}", cells.age[row]),
                "measure time in another unit",
            ));
        }
        let layout = Layout::new(cells.n_groups, &cells.group, usize::MAX)?;
        let tables = Tables::new(&cells, &layout);
        Ok(Self { driver: Driver::new(&tables), tables, layout, cells, evaluations: 0 })
    }

    /// The cells as handed in.
    pub fn cells(&self) -> &Cells {
        &self.cells
    }

    /// The same on another instruction set, for tests.
    #[cfg(test)]
    pub(crate) fn on(self, arch: pulp::Arch) -> Self {
        Self { driver: self.driver.on(arch), ..self }
    }

    /// Bytes of rows that an evaluation reads, once for all chains.
    pub fn bytes_read(&self) -> u64 {
        self.tables.deaths.bytes() + self.tables.ages.bytes()
    }

    /// Bytes kept between evaluations of `chains` chains.
    pub fn scratch_bytes(&self, chains: usize) -> u64 {
        self.driver.scratch_bytes(chains)
    }
}

impl Likelihood for Simd {
    fn groups(&self) -> usize {
        self.cells.n_groups
    }

    fn rows(&self) -> u64 {
        self.cells.group.len() as u64
    }

    fn evaluate(&mut self, params: ParamBatch<'_>, out: &mut LikelihoodBatch) -> Result<(), KernelError> {
        self.driver.evaluate(&self.tables, params, out)?;
        self.evaluations += self.rows() * params.per_group.dim().0 as u64;
        Ok(())
    }

    fn set_reference(&mut self, at: ParamBatch<'_>) -> Result<(), KernelError> {
        Extent::apart(self.cells.n_groups, K).check(at)
    }

    fn pointwise(
        &mut self,
        params: ParamBatch<'_>,
        rows: Range<u64>,
        out: &mut PointwiseBatch,
    ) -> Result<(), KernelError> {
        let Cells { frequency, recency, age, .. } = &self.cells;
        rows::pointwise(&self.layout, params, rows, out, |theta, row| {
            super::log_lik(theta, frequency[row], recency[row], age[row])
        })
    }

    fn work(&self) -> Work {
        Work { evaluations: self.evaluations, ..Work::default() }
    }
}

/// The cells by what is computed of them.
#[derive(Debug, Clone)]
struct Tables {
    /// (x, t_x, T − t_x, w) of the rows with t_x < T.
    deaths: Table<4>,
    /// (T, Σw, Σwx) of the distinct T, and (0, −N, 0) for N (r ln α + s ln β).
    ages: Table<3>,
    /// Σ w ln (r)ₓ of each group.
    rising: Vec<RisingSum>,
}

impl Tables {
    fn new(cells: &Cells, layout: &Layout) -> Self {
        let row = |row: &u32| {
            let i = *row as usize;
            let t_x = if cells.frequency[i] == 0 { 0.0 } else { cells.recency[i] + 0.0 };
            (cells.frequency[i], t_x, cells.age[i] + 0.0, cells.weight[i])
        };
        let sorted: Vec<_> = layout.order.par_iter().map(row).collect();
        let rows_of = |group: usize| sorted[layout.rows_of(group)].iter().copied();
        let deaths = (0..cells.n_groups).map(|group| {
            let before = rows_of(group).filter(|(_, t_x, t, _)| t_x < t);
            before.map(|(x, t_x, t, w)| [f64::from(x), t_x, t - t_x, w]).collect()
        });
        let groups = (0..cells.n_groups).into_par_iter();
        let ages: Vec<_> = groups.clone().map(|group| ages(rows_of(group).map(|(x, _, t, w)| (t, w, x)))).collect();
        let counts = |group: usize| rows_of(group).map(|(x, _, _, w)| (x, w)).collect();
        Self {
            deaths: Table::new(deaths, |[x, t_x, gap, _]| [x, t_x, gap, 0.0]),
            ages: Table::new(ages, |[t, ..]| [t, 0.0, 0.0]),
            rising: groups.map(|group| RisingSum::new(counts(group))).collect(),
        }
    }
}

impl Family<K> for Tables {
    fn n_groups(&self) -> usize {
        self.deaths.n_groups()
    }

    fn blocks_of(&self, group: usize) -> impl Iterator<Item = usize> {
        [self.deaths.blocks_of(group), self.ages.blocks_of(group)].into_iter()
    }

    #[inline(always)]
    fn add<S: pulp::Simd>(&self, simd: S, piece: Piece, part: usize, theta: [V<S>; K], sums: &mut Sums<S, K>) {
        for row in self.deaths.rows(simd, piece, part) {
            add_death(theta, row, sums);
        }
        for row in self.ages.rows(simd, piece, part) {
            add_age(theta, row, sums);
        }
    }

    fn constant(&self, group: usize, theta: &[f64; K]) -> Sum<K> {
        let (value, slope) = self.rising[group].at(theta[0]);
        Sum { value, gradient: [slope, 0.0, 0.0, 0.0] }
    }
}

/// w [ G + ln(e^−G + q S) ].
#[inline(always)]
pub(super) fn add_death<S: pulp::Simd>(
    [r, alpha, s, beta]: [V<S>; K],
    [x, t_x, gap, w]: [V<S>; 4],
    sums: &mut Sums<S, K>,
) {
    let one = x.all(1.0);
    // Two numbers of α and β as those of c and d, or back.
    let side = alpha - beta;
    let swap =
        |of_alpha: V<S>, of_beta: V<S>| (side.if_below(0.0, of_alpha, of_beta), side.if_below(0.0, of_beta, of_alpha));
    let (n, deaths) = (r + x, s + one);
    let (early_alpha, early_beta) = (alpha + t_x, beta + t_x);
    let (near, far) = swap(early_alpha, early_beta);
    let (power_near, power_far) = swap(n, deaths);
    let (per_near, per_far) = (one / near, one / far);
    let (per_alpha, per_beta) = swap(per_near, per_far);
    let (log_near, log_far) = (ln_1p(gap * per_near), ln_1p(gap * per_far));
    let (log_alpha, log_beta) = swap(log_near, log_far);

    let per_ratio = near * per_far;
    let slope = (power_far.times_plus(per_ratio, power_near) - one).at_least(1e-300);
    let cut = x.all(FALL) / slope;
    let length = (cut - log_near).if_below(0.0, cut, log_near);
    let deaths_sums = Nodes { power_near: power_near - one, power_far, per_ratio }.sum(length);

    let grown = n.times_plus(log_alpha, s * log_beta);
    let q = s * near * per_beta;
    let alive = exp(-grown);
    let mix = q.times_plus(deaths_sums.total, alive);
    // P(dead)/S, so that sums need no division to become means.
    let share = w * q / mix;
    let dead = share * deaths_sums.total;
    let (sum_alpha, sum_beta) = swap(deaths_sums.near, deaths_sums.far);
    let (sum_per_alpha, sum_per_beta) = swap(deaths_sums.per_near, deaths_sums.per_far);
    let late_alpha = dead / (early_alpha + gap);
    let late_beta = dead / (early_beta + gap);
    sums.value = w.times_plus(grown + ln(mix), sums.value);
    sums.slopes[0] = sums.slopes[0] + share.times_from(sum_alpha, dead * log_alpha);
    sums.slopes[1] = n.times_plus((share * sum_per_alpha).times_from(per_alpha, late_alpha), sums.slopes[1]);
    sums.slopes[2] = sums.slopes[2] + (share.times_from(sum_beta, dead * log_beta) + dead / s);
    let by_beta = (share * sum_per_beta * per_beta).times_from(deaths, s * late_beta);
    sums.slopes[3] = sums.slopes[3] + by_beta;
}

/// −(r Σw + Σwx) ln(α+T) − s Σw ln(β+T).
#[inline(always)]
pub(super) fn add_age<S: pulp::Simd>([r, alpha, s, beta]: [V<S>; K], [t, w, wx]: [V<S>; 3], sums: &mut Sums<S, K>) {
    let (late_alpha, late_beta) = (alpha + t, beta + t);
    let (n, died) = (r.times_plus(w, wx), s * w);
    let (ln_alpha, ln_beta) = (ln(late_alpha), ln(late_beta));
    sums.value = died.times_from(ln_beta, n.times_from(ln_alpha, sums.value));
    sums.slopes[0] = w.times_from(ln_alpha, sums.slopes[0]);
    sums.slopes[1] = sums.slopes[1] - n / late_alpha;
    sums.slopes[2] = w.times_from(ln_beta, sums.slopes[2]);
    sums.slopes[3] = sums.slopes[3] - died / late_beta;
}

/// The integrand of eight rows: g = −(power of c − 1) u − (power of d) ln(1 + (e^u − 1)/ratio).
#[derive(Clone, Copy)]
struct Nodes<S: pulp::Simd> {
    power_near: V<S>,
    power_far: V<S>,
    /// (c+t_x)/(d+t_x).
    per_ratio: V<S>,
}

/// Integrals of e^g, and of e^g times ln((·+τ)/(·+t_x)) and (·+t_x)/(·+τ).
#[derive(Clone, Copy)]
struct Integrals<S: pulp::Simd> {
    total: V<S>,
    near: V<S>,
    far: V<S>,
    per_near: V<S>,
    per_far: V<S>,
}

impl<S: pulp::Simd> Nodes<S> {
    /// Over [0, length].
    #[inline(always)]
    fn sum(self, length: V<S>) -> Integrals<S> {
        let zero = length.all(0.0);
        let mut sums = Integrals { total: zero, near: zero, far: zero, per_near: zero, per_far: zero };
        let (mut begin, end) = (0.0, length.largest());
        loop {
            let half = (length - length.all(begin)).at_least(0.0).at_most(PANEL) * length.all(0.5);
            let middle = half + length.all(begin);
            let e_middle = exp(middle);
            for [place, weight, _] in NODES {
                self.add_pair(half * length.all(place), (middle, e_middle), half * length.all(weight), &mut sums);
            }
            begin += PANEL;
            if begin >= end {
                break;
            }
        }
        sums
    }

    /// The nodes at middle − reach and middle + reach.
    #[inline(always)]
    fn add_pair(self, reach: V<S>, (middle, e_middle): (V<S>, V<S>), weight: V<S>, sums: &mut Integrals<S>) {
        let one = reach.all(1.0);
        let e_reach = exp(reach);
        let per_reach = one / e_reach;
        let (e_low, e_high) = (e_middle * per_reach, e_middle * e_reach);
        let (far_low, far_high) =
            ((e_low - one).times_plus(self.per_ratio, one), (e_high - one).times_plus(self.per_ratio, one));
        // 1/e_low, 1/far_low and those of the other by one division.
        let (of_low, of_high) = (e_low * far_low, e_high * far_high);
        let all = one / (of_low * of_high);
        let (low, high) = (of_high * all, of_low * all);
        self.add_node(middle - reach, far_low, (far_low * low, e_low * low), weight, sums);
        self.add_node(middle + reach, far_high, (far_high * high, e_high * high), weight, sums);
    }

    #[inline(always)]
    fn add_node(self, u: V<S>, far: V<S>, per: (V<S>, V<S>), weight: V<S>, sums: &mut Integrals<S>) {
        let log_far = ln(far);
        let fall = self.power_near.times_plus(u, self.power_far * log_far);
        let p = weight * exp(-fall);
        sums.total = sums.total + p;
        sums.near = p.times_plus(u, sums.near);
        sums.far = p.times_plus(log_far, sums.far);
        sums.per_near = p.times_plus(per.0, sums.per_near);
        sums.per_far = p.times_plus(per.1, sums.per_far);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::proof::machines;
    use crate::simulated::{batch, cells, evaluate};

    #[test]
    fn no_bit_depends_on_the_width_of_registers() {
        let best = Simd::new(cells(3, 3000, 0.0)).expect("cells");
        // Scales down to a hundredth, so that panels differ among neighbours.
        let params = batch::<4>(4, 3, [0.5, 0.5, 0.6, 0.5], 4.0);
        let expected = evaluate(&mut best.clone(), &params);
        for arch in machines() {
            let seen = evaluate(&mut best.clone().on(arch), &params);
            assert!(seen.log_lik.iter().all(|value| value.is_finite()));
            assert_eq!((&seen.log_lik, &seen.per_group), (&expected.log_lik, &expected.per_group));
        }
    }
}
