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
