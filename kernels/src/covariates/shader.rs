//! What the host writes into the shader for the terms at hand: how rows, points and sums are laid out, and the sums of products that
//! terms are. Without loops, so that numbers stay in registers. Not the density: that is WGSL, in the family's own files.

use std::fmt::Write;

use super::{Customers, K, Personal};

/// Numbers behind the family's row: θ₀ of its own, and z.
pub(super) fn row_tail(columns: usize) -> usize {
    K + columns
}

/// Numbers behind the family's point: ln(θ_g/θ₀_g), 1/θ_g (where a slope is taken in a logarithm; 1 elsewhere), and s δγ.
pub(super) fn point_tail(terms: usize) -> usize {
    2 * K + terms
}

/// The part of the shader between `lib/lanes.wgsl` and the loops.
pub(super) fn wgsl<L: Personal>(customers: &Customers<L>) -> String {
    let (terms, columns) = (&customers.covariates.terms, customers.covariates.values.ncols());
    let (p, moved) = (terms.len(), customers.moved());
    // Terms without a shift of their own parameter keep the group's ratio.
    let log_ratio = |k: usize| {
        let of_k = terms.iter().enumerate().filter(|(_, term)| term.parameter == k);
        of_k.fold(format!("point.log_ratio[{k}]"), |sum, (t, term)| {
            format!("fma(point.gamma[{t}], row.z[{}], {sum})", term.column)
        })
    };
    let by_term = |t: usize| {
        let (k, sign) = (terms[t].parameter, if L::SIGNS[terms[t].parameter] < 0.0 { "-" } else { "" });
        format!("{sign}by[{k}] * row.z[{}]", terms[t].column)
    };
    let list = |numbers: usize, each: &dyn Fn(usize) -> String| (0..numbers).map(each).collect::<Vec<_>>().join(", ");
    let mut text = String::new();
    let mut line = |line: std::fmt::Arguments<'_>| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{line}");
    };
    line(format_args!("const NUMBERS: u32 = {}u;", 1 + K + p));
    for (k, name) in L::PARAMETERS.iter().enumerate() {
        line(format_args!("const MOVES_{}: bool = {};", name.to_uppercase(), moved[k]));
    }
    line(format_args!("const OWN_CHANCES: bool = {};", customers.own_chances()));
    line(format_args!("const CHANCES: f32 = {}.0;", L::CHANCES.unwrap_or(0)));
    line(format_args!("struct LaneRow {{ own: Row, at: array<f32, {K}>, z: array<f32, {columns}> }}"));
    line(format_args!(
        "struct LanePoint {{ group: Point, log_ratio: array<f32, {K}>, per: array<f32, {K}>, gamma: array<f32, {p}> }}"
    ));
    line(format_args!("struct Sums {{ value: f32, slopes: vec4<f32>, coefficients: array<f32, {p}> }}"));
    line(format_args!("fn nothing() -> Sums {{ return Sums(); }}"));
    line(format_args!(
        "fn add(a: Sums, b: Sums) -> Sums {{ return Sums(a.value + b.value, a.slopes + b.slopes, array<f32, {p}>({})); }}",
        list(p, &|t| format!("a.coefficients[{t}] + b.coefficients[{t}]"))
    ));
    line(format_args!(
        "fn numbers(sum: Sums) -> array<f32, {}> {{ return array<f32, {}>(sum.value, {}, {}); }}",
        1 + K + p,
        1 + K + p,
        list(K, &|k| format!("sum.slopes[{k}]")),
        list(p, &|t| format!("sum.coefficients[{t}]"))
    ));
    line(format_args!(
        "fn own_log_ratios(row: LaneRow, point: LanePoint) -> array<f32, {K}> {{ return array<f32, {K}>({}); }}",
        list(K, &log_ratio)
    ));
    line(format_args!(
        "fn spread(value: f32, by: vec4<f32>, row: LaneRow, point: LanePoint) -> Sums {{ return Sums(value, vec4<f32>({}), \
         array<f32, {p}>({})); }}",
        list(K, &|k| format!("by[{k}] * point.per[{k}]")),
        list(p, &by_term)
    ));
    text + L::OWN_WGSL
}
