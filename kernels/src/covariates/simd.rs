//! Customers with parameters of their own in f64, eight at a time, on all cores: the fast CPU path. Its judge is [`super::Cpu`].
//!
//! A register of rows has a register of each parameter; the family's row terms, written over registers, do not mind. Beside them a
//! row costs an exponential for each parameter that terms move and two multiply-adds for each term; where a or b are its own, also
//! two differences of lnΓ instead of a histogram's share.

use std::ops::Range;

use super::counted::Counted;
use super::{Case, Covariates, Customers, K, N, Parts, Personal};
use crate::cells::Cells;
use crate::rows::{Extent, Sum};
use crate::simd::driver::REACH;
use crate::simd::exp::exp;
use crate::simd::table::Columns;
use crate::simd::{Driver, Family, Piece, Sums, Table, V};
use crate::{KernelError, Likelihood, LikelihoodBatch, ParamBatch, PointwiseBatch, Work};

/// The likelihood of rows with covariates, in f64 with the widest registers that the processor has.
///
/// Arguments and results as [`super::Cpu`]'s, to rounding; the same bits for any number of threads, any other chains in the batch and any
/// width of registers, as long as the processor fuses multiply-adds. Parameters outside 1e-60 to 1e60, a customer's own included, count
/// as impossible.
#[derive(Debug, Clone)]
pub struct Simd<L> {
    tables: Tables<L>,
    driver: Driver<N>,
    evaluations: u64,
}

impl<L: Personal> Simd<L> {
    /// Sorts, checks and tabulates the rows.
    ///
    /// # Errors
    /// As [`super::Cpu::new`]; T above 1e60.
    pub fn new(cells: Cells, covariates: Covariates) -> Result<Self, KernelError> {
        let customers = Customers::new(cells, covariates, usize::MAX)?;
        let age = &customers.cells.age;
        if let Some(row) = age.iter().position(|t| t > REACH.end()) {
            return Err(KernelError::new(format!("row {row} has T = {}", age[row]), "measure time in another unit"));
        }
        let tables = Tables::new(customers);
        Ok(Self { driver: Driver::new(&tables), tables, evaluations: 0 })
    }

    /// The cells as handed in.
    pub fn cells(&self) -> &Cells {
        &self.tables.customers.cells
    }

    /// The covariates as handed in.
    pub fn covariates(&self) -> &Covariates {
        &self.tables.customers.covariates
    }

    /// The same on another instruction set, for tests.
    #[cfg(test)]
    pub(crate) fn on(self, arch: pulp::Arch) -> Self {
        Self { driver: self.driver.on(arch), ..self }
    }

    /// Bytes of rows that an evaluation reads, once for all chains.
    pub fn bytes_read(&self) -> u64 {
        self.tables.rows.iter().map(|(rows, known)| rows.bytes() + known.bytes()).sum()
    }

    /// Bytes kept between evaluations of `chains` chains.
    pub fn scratch_bytes(&self, chains: usize) -> u64 {
        self.driver.scratch_bytes(chains)
    }
}

impl<L: Personal> Likelihood for Simd<L> {
    fn groups(&self) -> usize {
        self.tables.customers.cells.n_groups
    }

    fn rows(&self) -> u64 {
        self.tables.customers.cells.group.len() as u64
    }

    fn evaluate(&mut self, params: ParamBatch<'_>, out: &mut LikelihoodBatch) -> Result<(), KernelError> {
        self.driver.evaluate(&self.tables, params, out)?;
        self.evaluations += self.rows() * params.per_group.dim().0 as u64;
        Ok(())
    }

    fn set_reference(&mut self, at: ParamBatch<'_>) -> Result<(), KernelError> {
        self.tables.customers.extent().check(at)
    }

    fn pointwise(
        &mut self,
        params: ParamBatch<'_>,
        rows: Range<u64>,
        out: &mut PointwiseBatch,
    ) -> Result<(), KernelError> {
        self.tables.customers.pointwise(params, rows, out)
    }

    fn work(&self) -> Work {
        Work { evaluations: self.evaluations, ..Work::default() }
    }
}

/// The rows by what is computed of them.
#[derive(Debug, Clone)]
struct Tables<L> {
    customers: Customers<L>,
    /// (x, t_x, T − t_x, w) and z of the brief rows, then of the others.
    rows: [(Table<4>, Columns); 2],
    /// Per parameter, its terms and their columns.
    terms: [Vec<(usize, usize)>; K],
    own_chances: bool,
    counted: Counted,
}

impl<L: Personal> Tables<L> {
    fn new(customers: Customers<L>) -> Self {
        let is_brief = |row: usize| {
            let (x, t_x, t, _) = customers.history(row);
            L::is_brief(x, t_x, t)
        };
        let of_kind = |brief: bool| {
            let of_group = |group: usize| {
                let rows = &customers.layout.order[customers.layout.rows_of(group)];
                rows.iter().map(|row| *row as usize).filter(|row| is_brief(*row) == brief).collect()
            };
            let rows: Vec<Vec<usize>> = (0..customers.cells.n_groups).map(of_group).collect();
            let histories = rows.iter().map(|rows| {
                let history = |row: &usize| {
                    let (x, t_x, t, w) = customers.history(*row);
                    [f64::from(x), t_x, t - t_x, w]
                };
                rows.iter().map(history).collect()
            });
            let table = Table::new(histories, |[x, t_x, gap, _]| [x, t_x, gap, 0.0]);
            let width = customers.covariates.values.ncols();
            (table, Columns::new(width, &rows, |row, column| customers.known(*row)(column)))
        };
        let terms = &customers.covariates.terms;
        let of_parameter = |k: usize| {
            let each = terms.iter().enumerate().filter(|(_, term)| term.parameter == k);
            each.map(|(t, term)| (t, term.column)).collect()
        };
        Self {
            rows: [of_kind(true), of_kind(false)],
            terms: std::array::from_fn(of_parameter),
            own_chances: customers.own_chances(),
            counted: Counted::new(&customers, 1),
            customers,
        }
    }

    /// Adds rows of one kind.
    #[inline(always)]
    fn add_kind<S: pulp::Simd>(
        &self,
        (simd, piece, part): (S, Piece, usize),
        is_brief: bool,
        point: &[V<S>; N],
        sums: &mut Sums<S, N>,
    ) {
        let (rows, known) = &self.rows[usize::from(!is_brief)];
        let case = Case { is_brief, own_chances: self.own_chances };
        let zero = V::splat(simd, 0.0);
        let group = [point[0], point[1], point[2], point[3]];
        let mut total = Sums { value: zero, slopes: [zero; K] };
        for (block, row) in rows.numbered_rows(simd, piece, part) {
            let (mut own, mut factor, mut value) = (group, [zero.all(1.0); K], zero);
            for k in 0..K {
                if self.terms[k].is_empty() {
                    continue;
                }
                let mut exponent = zero;
                for (t, column) in &self.terms[k] {
                    exponent = point[K + t].times_plus(known.of(simd, block, *column, part), exponent);
                }
                factor[k] = exp((exponent * zero.all(L::SIGNS[k])).at_most(MOST_EXPONENT));
                own[k] = group[k] * factor[k];
                value = value + outside(own[k]);
            }
            let mut terms = Sums { value, slopes: [zero; K] };
            <L as Parts>::add(case, own, row, &mut terms);
            total.value = total.value + terms.value;
            for k in 0..K {
                total.slopes[k] = terms.slopes[k].times_plus(factor[k], total.slopes[k]);
                let by_exponent = terms.slopes[k] * own[k] * zero.all(L::SIGNS[k]);
                for (t, column) in &self.terms[k] {
                    let slope = &mut sums.slopes[K + t];
                    *slope = by_exponent.times_plus(known.of(simd, block, *column, part), *slope);
                }
            }
        }
        sums.value = sums.value + total.value;
        for k in 0..K {
            sums.slopes[k] = sums.slopes[k] + total.slopes[k];
        }
    }
}

/// What [`exp`] may be asked for.
const MOST_EXPONENT: f64 = 709.0;

/// −∞ where a parameter is beyond reach, 0 elsewhere.
#[inline(always)]
fn outside<S: pulp::Simd>(own: V<S>) -> V<S> {
    let (never, zero) = (own.all(f64::NEG_INFINITY), own.all(0.0));
    own.if_below(*REACH.start(), never, own.if_below(*REACH.end(), zero, never))
}

impl<L: Personal> Family<N> for Tables<L> {
    fn n_groups(&self) -> usize {
        self.customers.cells.n_groups
    }

    fn extent(&self) -> Extent {
        self.customers.extent()
    }

    fn blocks_of(&self, group: usize) -> impl Iterator<Item = usize> {
        self.rows.iter().map(move |(rows, _)| rows.blocks_of(group))
    }

    #[inline(always)]
    fn add<S: pulp::Simd>(&self, simd: S, piece: Piece, part: usize, point: [V<S>; N], sums: &mut Sums<S, N>) {
        self.add_kind((simd, piece, part), true, &point, sums);
        self.add_kind((simd, piece, part), false, &point, sums);
    }

    fn constant(&self, group: usize, point: &[f64; N]) -> Sum<N> {
        self.counted.at::<L>(group, point)
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::super::Term;
    use super::*;
    use crate::bg_nbd::BgNbd;
    use crate::mbg_nbd::MbgNbd;
    use crate::pareto_nbd::ParetoNbd;
    use crate::rng::{Purpose, Stream};
    use crate::simd::proof::machines;
    use crate::simulated::{batch, cells};

    #[test]
    fn no_bit_depends_on_the_width_of_registers() {
        check::<BgNbd>(&[1, 2, 3]);
        check::<BgNbd>(&[1]);
        check::<MbgNbd>(&[1, 3]);
        check::<ParetoNbd>(&[1, 3]);
    }

    fn check<L: Personal>(parameters: &[usize]) {
        let normal = |i: usize, t: usize| Stream::new(31, Purpose::Test, i as u64, t as u32).normal();
        let values = Array2::from_shape_fn((1500, 2), |(row, column)| normal(row, column));
        let terms = parameters.iter().flat_map(|k| [0, 1].map(|column| Term { parameter: *k, column })).collect();
        let best = Simd::<L>::new(cells(3, 1500, 0.0), Covariates { values, terms }).expect("rows");
        let params = batch::<4>(3, 3, [0.5, 6.0, 0.8, 2.5], 0.7);
        let shared = Array2::from_shape_fn((3, 2 * parameters.len()), |(chain, t)| 0.5 * normal(7000 + chain, t));
        let at = |mut simd: Simd<L>| {
            let mut out = LikelihoodBatch::new(3, 3, K, shared.ncols());
            let params = ParamBatch { per_group: params.view(), shared: shared.view() };
            simd.evaluate(params, &mut out).expect("shapes fit");
            assert!(out.log_lik.iter().all(|value| value.is_finite()), "{out:?}");
            (out.log_lik, out.per_group, out.shared)
        };
        let expected = at(best.clone());
        for arch in machines() {
            assert_eq!(at(best.clone().on(arch)), expected);
        }
    }
}
