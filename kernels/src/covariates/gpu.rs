//! Customers with parameters of their own on a device: the family's shader at each row's own reference θ₀ᵢ and own point.
//!
//! ```text
//! ln(θ_ik/θ₀_ik) = ln(θ_gk/θ₀_gk) + s_k Σ_t δγ_t z_{i,c(t)}                 every δ formed in f64
//! δθ_ik          = θ₀_ik expm1(ln(θ_ik/θ₀_ik))
//! ```
//!
//! What the host adds, and what lies between the reference and θ, is the family's with δθ_ik for δθ_k; the Γ functions of x, and where
//! a and b are the group's those too, and r ln α are `counted`.

use super::counted::Counted;
use super::customers::Part;
use super::{Cpu, K, N, Personal, shader};
use crate::KernelError;
use crate::difference::{Difference, Differenced, within_reach};
use crate::rows::{CPU_LANE_ROWS, Density, Extent, Layout, Sum};

/// What is not counted: the part of the density that the device differences.
impl<L: Personal> Density<N> for Cpu<L> {
    type Prepared = ();

    fn layout(&self) -> &Layout {
        &self.customers.layout
    }

    fn extent(&self) -> Extent {
        self.customers.extent()
    }

    fn prepare(&self, _group: usize, _point: &[f64; N]) {}

    fn prepared_bytes(&self) -> usize {
        0
    }

    fn rows_sum(&self, (): &(), point: &[f64; N], rows: std::ops::Range<usize>) -> Sum<N> {
        let own_chances = self.customers.own_chances();
        self.customers.sum(point, rows, |own, x, t_x, t| {
            let (value, mut slopes) = L::log_lik_gradient(*own, x, t_x, t);
            if value == f64::NEG_INFINITY {
                return Part { value, slopes };
            }
            let counted = Counted::of_one::<L>(own, x, own_chances);
            slopes.iter_mut().zip(counted.slopes).for_each(|(slope, counted)| *slope -= counted);
            Part { value: value - counted.value, slopes }
        })
    }

    fn group_sum(&self, group: usize, point: &[f64; N]) -> Sum<N> {
        self.counted.at::<L>(group, point)
    }
}

/// A family's parameters at a point.
fn parameters(point: &[f64; N]) -> [f64; K] {
    std::array::from_fn(|k| point[k])
}

impl<L: Personal> Difference<N> for Cpu<L> {
    const STEM: &'static str = L::STEM;
    const WGSL: &'static str = L::WGSL;
    type Row = L::Row;
    type Point = L::Point;
    type Sums = L::Sums;

    /// The family's, and no coefficients.
    fn first_reference(&self) -> [f64; N] {
        let theta = L::first_reference(self.cells());
        std::array::from_fn(|i| theta.get(i).copied().unwrap_or(0.0))
    }

    fn mass(&self, row: usize) -> f64 {
        let (x, _, _, weight) = self.customers.history(self.customers.layout.order[row] as usize);
        weight * (f64::from(x) + 1.0)
    }

    fn is_brief(&self, row: usize) -> bool {
        let (x, t_x, t, _) = self.customers.history(self.customers.layout.order[row] as usize);
        L::is_brief(x, t_x, t)
    }

    fn steps(&self, row: usize) -> usize {
        let (x, t_x, t, _) = self.customers.history(self.customers.layout.order[row] as usize);
        if L::is_brief(x, t_x, t) { 1 } else { L::steps(x, self.customers.own_chances()) }
    }

    fn only(&self, rows: &[u32]) -> Result<Self, KernelError> {
        self.customers.select(rows, CPU_LANE_ROWS).map(Self::of)
    }

    fn reference_row(&self, _group: usize, row: usize, reference: &[f64; N]) -> (L::Row, L::Sums) {
        let row = self.customers.layout.order[row] as usize;
        let (x, t_x, t, weight) = self.customers.history(row);
        L::device_row((f64::from(x), t_x, t, weight), &self.customers.own(reference, row))
    }

    fn kept(sums: &L::Sums, theta: &[f64; N], reference: &[f64; N]) -> Sum<N> {
        let own = L::kept(sums, &parameters(theta), &parameters(reference));
        let slope = |i: usize| own.gradient.get(i).copied().unwrap_or(0.0);
        Sum { value: own.value, gradient: std::array::from_fn(slope) }
    }

    fn difference(theta: &[f64; N], reference: &[f64; N]) -> L::Point {
        L::device_point(&parameters(theta), &parameters(reference))
    }

    fn lane_wgsl(&self) -> String {
        shader::wgsl(&self.customers)
    }

    fn tails(&self) -> [usize; 2] {
        let known = &self.customers.covariates;
        [shader::row_tail(known.values.ncols()), shader::point_tail(known.terms.len())]
    }

    fn row_tail(&self, row: usize, reference: &[f64; N], tail: &mut [f32]) {
        let row = self.customers.layout.order[row] as usize;
        let (at, known) = tail.split_at_mut(K);
        at.iter_mut().zip(self.customers.own(reference, row)).for_each(|(number, own)| *number = own as f32);
        known.iter_mut().enumerate().for_each(|(column, number)| *number = self.customers.known(row)(column) as f32);
    }

    fn point_tail(&self, theta: &[f64; N], reference: &[f64; N], tail: &mut [f32]) {
        for k in 0..K {
            tail[k] = ((theta[k] - reference[k]) / reference[k]).ln_1p() as f32;
            tail[K + k] = if L::SIGNS[k] == 0.0 { 1.0 } else { (1.0 / theta[k]) as f32 };
        }
        for (t, term) in self.customers.covariates.terms.iter().enumerate() {
            tail[2 * K + t] = (L::SIGNS[term.parameter] * (theta[K + t] - reference[K + t])) as f32;
        }
    }

    /// The group's parameters are within reach, and no customer's own are beyond [`Parts::REACH_OF_ONE`](super::Parts::REACH_OF_ONE)
    /// times theirs at the reference: |Σ_t δγ_t z_t| ≤ ‖δγ‖ · max ‖z_i‖, over the terms of each parameter.
    fn is_near(&self, theta: &[f64; N], reference: &[f64; N]) -> bool {
        let near = |k: usize| {
            let of_k = self.customers.covariates.terms.iter().enumerate().filter(|(_, term)| term.parameter == k);
            let square: f64 = of_k.map(|(t, _)| (theta[K + t] - reference[K + t]).powi(2)).sum();
            let by_group = (theta[k] / reference[k]).ln().abs();
            square == 0.0 || by_group + square.sqrt() * self.longest[k] <= L::REACH_OF_ONE.ln()
        };
        within_reach(&theta[..K], &reference[..K]) && (0..K).all(near)
    }
}

/// The likelihood of rows with covariates on a device: `Gpu::<L>::with(Cpu::new(…)?, &device, &options)`.
///
/// Arguments and results as [`Cpu`]'s, with f32 rounding of differences from the reference.
pub type Gpu<L> = Differenced<N, Cpu<L>>;

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::super::{Covariates, Term};
    use super::*;
    use crate::bg_nbd::BgNbd;
    use crate::difference::{Arrangement, Crossing, whole_wgsl};
    use crate::mbg_nbd::MbgNbd;
    use crate::pareto_nbd::ParetoNbd;
    use crate::simulated::cells;

    /// (member, byte offset) and size of a struct of the shader.
    fn declared(module: &naga::Module, name: &str) -> (Vec<(String, u32)>, u32) {
        let (_, twin) = (module.types.iter().find(|(_, declared)| declared.name.as_deref() == Some(name)))
            .unwrap_or_else(|| panic!("the shader declares no {name}"));
        let naga::TypeInner::Struct { members, span } = &twin.inner else { panic!("{name} is no struct") };
        (members.iter().map(|m| (m.name.clone().unwrap_or_default(), m.offset)).collect(), *span)
    }

    fn check<L: Personal>(terms: &[(usize, usize)], columns: usize) {
        let terms: Vec<Term> =
            terms.iter().map(|(parameter, column)| Term { parameter: *parameter, column: *column }).collect();
        let known = Covariates { values: Array2::zeros((9, columns)), terms };
        let judge = Cpu::<L>::new(cells(1, 9, 0.0), known).expect("rows");
        for arrangement in Arrangement::ALL {
            let wgsl = whole_wgsl(&judge, arrangement, true);
            let module = naga::front::wgsl::parse_str(&wgsl).unwrap_or_else(|e| panic!("{}", e.emit_to_string(&wgsl)));
            let word = |numbers: usize| (4 * numbers) as u32;
            let ([of_row, of_point], row, point) =
                (judge.tails(), size_of::<L::Row>() as u32, size_of::<L::Point>() as u32);
            assert_eq!(declared(&module, <L::Row as Crossing>::NAME).1, row);
            let members = [("own", 0), ("at", row), ("z", row + word(K))].map(|(name, at)| (name.to_owned(), at));
            assert_eq!(declared(&module, "LaneRow"), (members.to_vec(), row + word(of_row)));
            let members =
                [("group", 0), ("log_ratio", point), ("per", point + word(K)), ("gamma", point + word(2 * K))];
            let members = members.map(|(name, at)| (name.to_owned(), at));
            assert_eq!(declared(&module, "LanePoint"), (members.to_vec(), point + word(of_point)));
        }
    }

    #[test]
    fn rows_and_points_lie_alike_on_both_sides() {
        check::<BgNbd>(&[(1, 0)], 1);
        check::<BgNbd>(&[(1, 0), (3, 2), (2, 2)], 3);
        check::<MbgNbd>(&[(2, 1)], 2);
        check::<ParetoNbd>(&[(3, 0), (1, 0)], 1);
        let most: Vec<_> = (0..super::super::MOST_TERMS).map(|t| (1, t)).collect();
        check::<ParetoNbd>(&most, most.len());
    }
}
