//! Draws of a fit for groups it may never have met: a group that was there keeps its draws, one that was not is drawn from the
//! population of groups, as the hierarchy says a new one would be.
//!
//! A new group's effects are z = m + L ε under each draw, with m the effects of what it belongs to (μ, or the level above where that
//! was met), L L′ the covariance of the level it is new at, and ε standard normal. Nothing here knows why groups are new.

use ndarray::{Array2, Array3, ArrayView1, ArrayView2};

use super::Family;
use super::hierarchy::{LEVEL_DIM, PAIR_DIM};
use crate::data::group_prefix;
use crate::dist::Transform;
use crate::error::{Error, Result};
use crate::kernels::rng::{Purpose, Stream, address_of};
use crate::target::Schema;

impl Family {
    /// The family's parameters of each draw and wanted group, `[draw, label, k]`, out of constrained rows `[draw, Schema::size()]`;
    /// and how many of the labels the fit had not met. `seed` is for those alone.
    ///
    /// # Errors
    /// Draws that are not of this family; a new group where the fit has no population of groups.
    pub fn parameters_for(
        &self,
        schema: &Schema,
        rows: ArrayView2<'_, f64>,
        labels: &[String],
        seed: u64,
    ) -> Result<(Array3<f64>, usize)> {
        let met = self.parameters_of(schema, rows)?;
        let Some(known) = group_labels(self, schema) else {
            // Without groups everyone shares one set of parameters.
            let shape = (met.dim().0, labels.len(), self.k());
            return Ok((Array3::from_shape_fn(shape, |(draw, _, k)| met[[draw, 0, k]]), 0));
        };
        let place: std::collections::HashMap<&str, usize> =
            known.iter().enumerate().map(|(i, label)| (label.as_str(), i)).collect();
        let mut population = None;
        let mut out = Array3::zeros((met.dim().0, labels.len(), self.k()));
        let mut new = 0;
        for (g, label) in labels.iter().enumerate() {
            if let Some(&at) = place.get(label.as_str()) {
                out.slice_mut(ndarray::s![.., g, ..]).assign(&met.slice(ndarray::s![.., at, ..]));
                continue;
            }
            new += 1;
            let population = match &mut population {
                Some(population) => population,
                None => population.insert(Population::of(self, schema)?),
            };
            for (draw, row) in rows.outer_iter().enumerate() {
                let values = population.draw(row, label, draw, seed)?;
                out.slice_mut(ndarray::s![draw, g, ..]).assign(&ArrayView1::from(&values));
            }
        }
        Ok((out, new))
    }
}

/// The groups that the draws are of; none without groups.
fn group_labels<'a>(family: &Family, schema: &'a Schema) -> Option<&'a [String]> {
    let first = schema.variables.iter().find(|v| v.name == family.parameters[0].name)?;
    schema.coords.get(first.dims.first()?).map(Vec::as_slice)
}

/// Where a row says how groups vary.
struct Population<'a> {
    family: &'a Family,
    links: Vec<Transform>,
    mu: usize,
    sigma: usize,
    correlation: Option<usize>,
    /// The levels above the last: where the natural parameters of their groups begin, and their labels.
    above: Vec<(Vec<usize>, &'a [String])>,
}

impl<'a> Population<'a> {
    fn of(family: &'a Family, schema: &'a Schema) -> Result<Self> {
        let at = |name: &str| schema.range(name).map(|range| range.start);
        let missing = || {
            Error::new(
                "customers belong to a group that the model never met, and its draws have no population of groups",
            )
            .advice("train the model anew, or group by something that every customer has")
        };
        let (mu, sigma) = at("mu").zip(at("sigma")).ok_or_else(missing)?;
        let chart = family.chart_parameters(&family.derived_chart());
        let links = chart.iter().map(|p| Transform::onto(p.low, p.high)).collect::<Option<_>>().ok_or_else(missing)?;
        let levels = schema.coords.get(LEVEL_DIM).map_or(&[][..], Vec::as_slice);
        let above = levels.split_last().map_or(&[][..], |(_, above)| above);
        let above = above
            .iter()
            .map(|level| {
                let name = |p: &super::Parameter| format!("{}_{level}", p.name);
                let starts = family.parameters.iter().map(|p| at(&name(p))).collect::<Option<Vec<_>>>()?;
                let variable = schema.variables.iter().find(|v| v.name == name(&family.parameters[0]))?;
                Some((starts, schema.coords.get(variable.dims.first()?)?.as_slice()))
            })
            .collect::<Option<_>>()
            .ok_or_else(missing)?;
        let correlation = schema.coords.contains_key(PAIR_DIM).then(|| at("correlation")).flatten();
        Ok(Self { family, links, mu, sigma, correlation, above })
    }

    /// The natural parameters of a group that was not met, under one draw.
    fn draw(&self, row: ArrayView1<'_, f64>, label: &str, draw: usize, seed: u64) -> Result<Vec<f64>> {
        let k = self.links.len();
        let mut z: Vec<f64> = (0..k).map(|i| row[self.mu + i]).collect();
        // From the top: as long as what it belongs to was met, its effects are known; from there on they are drawn. Groups of one new
        // parent share that parent, since its draws are at its own address.
        for level in 0..=self.above.len() {
            let path = group_prefix(label, level + 1);
            let met = self
                .above
                .get(level)
                .and_then(|(starts, labels)| labels.iter().position(|known| known == path).map(|at| (starts, at)));
            if let Some((starts, at)) = met {
                let natural: Vec<f64> = starts.iter().map(|start| row[start + at]).collect();
                let mut values = vec![0.0; k];
                (self.family.to_chart)(&natural, &mut values);
                z = self.links.iter().zip(&values).map(|(link, &value)| link.inverse(value)).collect();
                continue;
            }
            let mut stream = Stream::new(seed, Purpose::Newcomer, address_of(path.bytes()), draw as u32);
            let noise: Vec<f64> = (0..k).map(|_| stream.normal()).collect();
            let noise = self.correlated(row, &noise)?;
            for i in 0..k {
                z[i] += row[self.sigma + level * k + i] * noise[i];
            }
        }
        let values: Vec<f64> = z.iter().zip(&self.links).map(|(&z, link)| link.value(z)).collect();
        let mut natural = vec![0.0; k];
        (self.family.to_natural)(&self.family.derived_chart(), &values, &mut natural);
        Ok(natural)
    }

    /// Standard normals with the draw's correlations.
    fn correlated(&self, row: ArrayView1<'_, f64>, noise: &[f64]) -> Result<Vec<f64>> {
        let Some(at) = self.correlation else { return Ok(noise.to_vec()) };
        let k = noise.len();
        // Cholesky factor of Ω, whose elements below the diagonal stand row by row.
        let mut lower = Array2::<f64>::zeros((k, k));
        let omega = |i: usize, j: usize| if i == j { 1.0 } else { row[at + i * (i - 1) / 2 + j] };
        for i in 0..k {
            for j in 0..=i {
                let dot: f64 = (0..j).map(|m| lower[[i, m]] * lower[[j, m]]).sum();
                let left = omega(i, j) - dot;
                lower[[i, j]] = if i == j { left.max(0.0).sqrt() } else { left / lower[[j, j]] };
            }
        }
        if lower.iter().any(|x| !x.is_finite()) {
            return Err(Error::new("a draw's correlations are no correlations").advice("refit"));
        }
        Ok((0..k).map(|i| (0..=i).map(|j| lower[[i, j]] * noise[j]).sum()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{bg_nbd, hierarchy::PARAMETER_DIM};
    use crate::target::Variable;

    const DRAWS: usize = 4000;
    /// μ and σ of ln r, ln ρ, logit φ, ln κ.
    const MU: [f64; 4] = [-0.7, -2.0, -1.0, 1.2];
    const SIGMA: [f64; 4] = [0.2, 0.5, 0.3, 0.4];

    /// A schema with groups `a` and `b`, and rows that all say the same: 1 to 8 for the groups, then what `shared` says.
    fn draws(shared: &[(&str, Vec<&str>, Vec<f64>)], coords: &[(&str, &[&str])]) -> (Schema, Array2<f64>) {
        let variable = |name: &str, dims: Vec<&str>| Variable {
            name: name.to_owned(),
            dims: dims.into_iter().map(str::to_owned).collect(),
        };
        let own = ["r", "alpha", "a", "b"];
        let mut variables: Vec<Variable> = own.iter().map(|name| variable(name, vec!["shop"])).collect();
        let mut row: Vec<f64> = (1..=8).map(f64::from).collect();
        for (name, dims, values) in shared {
            variables.push(variable(name, dims.clone()));
            row.extend(values);
        }
        let labels = |labels: &[&str]| labels.iter().map(|&l| l.to_owned()).collect::<Vec<_>>();
        let mut all: std::collections::BTreeMap<String, Vec<String>> =
            coords.iter().map(|(dim, names)| ((*dim).to_owned(), labels(names))).collect();
        all.insert(PARAMETER_DIM.to_owned(), labels(&["r", "rate", "phi", "kappa"]));
        let schema = Schema { variables, coords: all, unconstrained: vec![] };
        assert_eq!(schema.size(), row.len());
        (schema, Array2::from_shape_fn((DRAWS, row.len()), |(_, j)| row[j]))
    }

    fn population() -> Vec<(&'static str, Vec<&'static str>, Vec<f64>)> {
        vec![("mu", vec![PARAMETER_DIM], MU.to_vec()), ("sigma", vec![PARAMETER_DIM], SIGMA.to_vec())]
    }

    /// z of every draw of one group, `[draw, k]`.
    fn effects(parameters: &Array3<f64>, group: usize) -> Array2<f64> {
        let family = &bg_nbd::FAMILY;
        let links: Vec<Transform> = family
            .chart_parameters(&family.derived_chart())
            .iter()
            .map(|p| Transform::onto(p.low, p.high).expect("a domain"))
            .collect();
        let mut z = Array2::zeros((parameters.dim().0, 4));
        for (draw, mut row) in z.outer_iter_mut().enumerate() {
            let natural: Vec<f64> = (0..4).map(|k| parameters[[draw, group, k]]).collect();
            let mut values = [0.0; 4];
            (family.to_chart)(&natural, &mut values);
            (0..4).for_each(|k| row[k] = links[k].inverse(values[k]));
        }
        z
    }

    fn names(labels: &[&str]) -> Vec<String> {
        labels.iter().map(|&l| l.to_owned()).collect()
    }

    fn mean_and_sd(values: ndarray::ArrayView1<'_, f64>) -> (f64, f64) {
        let mean = values.sum() / values.len() as f64;
        (mean, (values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / values.len() as f64).sqrt())
    }

    #[test]
    fn a_group_that_was_met_keeps_its_draws_and_a_new_one_is_of_the_population() {
        let (schema, rows) = draws(&population(), &[("shop", &["a", "b"])]);
        let of = |labels: &[&str], seed| {
            bg_nbd::FAMILY.parameters_for(&schema, rows.view(), &names(labels), seed).expect("draws")
        };
        let (out, new) = of(&["new", "b"], 3);
        assert_eq!((out.dim(), new), ((DRAWS, 2, 4), 1));
        assert_eq!(out.slice(ndarray::s![7, 1, ..]).to_vec(), [2.0, 4.0, 6.0, 8.0]);
        let z = effects(&out, 0);
        for k in 0..4 {
            let (mean, sd) = mean_and_sd(z.column(k));
            // Five standard errors of a mean and of a standard deviation over independent draws.
            assert!((mean - MU[k]).abs() < 5.0 * SIGMA[k] / (DRAWS as f64).sqrt(), "{k}: {mean}");
            assert!((sd / SIGMA[k] - 1.0).abs() < 5.0 / (2.0 * DRAWS as f64).sqrt(), "{k}: {sd}");
        }
        // At its own address, whoever else is there.
        assert_eq!(of(&["new"], 3).0.index_axis(ndarray::Axis(1), 0), out.index_axis(ndarray::Axis(1), 0));
        assert_ne!(of(&["other"], 3).0, of(&["new"], 3).0);
        assert_ne!(of(&["new"], 4).0, of(&["new"], 3).0);
    }

    #[test]
    fn without_a_population_a_new_group_is_refused_and_without_groups_all_share() {
        let (schema, rows) = draws(&[], &[("shop", &["a", "b"])]);
        let refused =
            bg_nbd::FAMILY.parameters_for(&schema, rows.view(), &names(&["c"]), 1).expect_err("no population");
        assert!(refused.to_string().contains("never met"), "{refused}");
        let scalar = |name: &str| Variable { name: name.to_owned(), dims: vec![] };
        let schema = Schema {
            variables: ["r", "alpha", "a", "b"].map(scalar).to_vec(),
            coords: Default::default(),
            unconstrained: vec![],
        };
        let rows = ndarray::array![[1.0, 2.0, 3.0, 4.0]];
        let (out, new) = bg_nbd::FAMILY.parameters_for(&schema, rows.view(), &names(&["all"]), 1).expect("draws");
        assert_eq!((out.into_raw_vec_and_offset().0, new), (vec![1.0, 2.0, 3.0, 4.0], 0));
    }

    #[test]
    fn new_effects_are_correlated_as_those_of_the_groups_are() {
        let mut shared = population();
        // (r, rate) 0.8, the others 0: ω below the diagonal, row by row.
        shared.push(("correlation", vec![PAIR_DIM], vec![0.8, 0.0, 0.0, 0.0, 0.0, 0.0]));
        let pairs = ["r, rate", "r, phi", "rate, phi", "r, kappa", "rate, kappa", "phi, kappa"];
        let (schema, rows) = draws(&shared, &[("shop", &["a", "b"]), (PAIR_DIM, &pairs)]);
        let (out, _) = bg_nbd::FAMILY.parameters_for(&schema, rows.view(), &names(&["new"]), 9).expect("draws");
        let z = effects(&out, 0);
        let correlation = |i: usize, j: usize| {
            let ((a, s), (b, t)) = (mean_and_sd(z.column(i)), mean_and_sd(z.column(j)));
            z.outer_iter().map(|row| (row[i] - a) * (row[j] - b)).sum::<f64>() / (DRAWS as f64 * s * t)
        };
        // The error of a correlation of 0.8 is (1 − 0.64)/√4000 = 0.006, of 0 it is 0.016.
        assert!((correlation(0, 1) - 0.8).abs() < 0.03, "{}", correlation(0, 1));
        assert!(correlation(0, 2).abs() < 0.08 && correlation(2, 3).abs() < 0.08);
    }

    #[test]
    fn a_new_group_of_a_parent_that_was_met_varies_about_it() {
        let mut shared = vec![];
        for (name, value) in [("r_country", 2.0), ("alpha_country", 8.0), ("a_country", 1.0), ("b_country", 3.0)] {
            shared.push((name, vec!["country"], vec![value]));
        }
        shared.push(("mu", vec![PARAMETER_DIM], MU.to_vec()));
        let spreads: Vec<f64> = SIGMA.iter().chain(&[0.1; 4]).copied().collect();
        shared.push(("sigma", vec![LEVEL_DIM, PARAMETER_DIM], spreads));
        let coords: [(&str, &[&str]); 3] =
            [("shop", &["DE > web", "DE > app"]), ("country", &["DE"]), (LEVEL_DIM, &["country", "channel"])];
        let (schema, rows) = draws(&shared, &coords);
        let wanted = names(&["DE > mail", "FR > web", "FR > app"]);
        let (out, new) = bg_nbd::FAMILY.parameters_for(&schema, rows.view(), &wanted, 9).expect("draws");
        assert_eq!(new, 3);
        // About Germany, as channels differ: ln r = ln 2, ln ρ = ln(2/8).
        let z = effects(&out, 0);
        for (k, centre) in [(0, 2.0_f64.ln()), (1, 0.25_f64.ln())] {
            let (mean, sd) = mean_and_sd(z.column(k));
            assert!((mean - centre).abs() < 0.01 && (sd - 0.1).abs() < 0.01, "{k}: {mean} {sd}");
        }
        // A new country is drawn once for both of its channels, which differ by their own.
        let (web, app) = (effects(&out, 1), effects(&out, 2));
        let apart = &web - &app;
        let (_, sd) = mean_and_sd(apart.column(1));
        assert!((sd - 0.1 * 2.0_f64.sqrt()).abs() < 0.01, "{sd}");
        let (_, sd) = mean_and_sd(web.column(1));
        assert!((sd - 0.5_f64.hypot(0.1)).abs() < 0.03, "{sd}");
    }
}
