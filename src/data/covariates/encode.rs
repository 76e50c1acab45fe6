//! Raw values become columns of numbers: standardised, or a level's presence less its share.

use ndarray::Array2;

use super::{Design, DesignColumn, MissingValues};
use crate::error::{Error, Result};

/// Levels above which a column is taken for a mistake.
const MOST_LEVELS: usize = 100;

/// What was read.
pub(super) struct Raw<'a> {
    /// Names of the continuous columns, the first ones.
    pub continuous: &'a [String],
    /// Names of the categorical columns, with their labels by number.
    pub categorical: Vec<(String, Vec<String>)>,
    /// `[customer, column]`: a number, the number of a label, or NaN.
    pub values: &'a [f64],
    pub customers: usize,
    /// Customers in no row of the table.
    pub absent: u64,
    /// Rows that could not be used, whose customers count as absent.
    pub rejected: u64,
}

impl Raw<'_> {
    fn column(&self, column: usize) -> impl Iterator<Item = f64> + Clone + '_ {
        let width = self.continuous.len() + self.categorical.len();
        self.values.iter().skip(column).step_by(width).copied()
    }
}

/// The design, and per covariate with missing values how many customers lack it.
pub(super) fn encode(raw: &Raw<'_>, missing: MissingValues) -> Result<(Design, Vec<(String, u64)>)> {
    let lacking = lacking(raw);
    if missing == MissingValues::Error && !lacking.is_empty() {
        let told: Vec<String> = lacking.iter().map(|(name, count)| format!("{name}: {count}")).collect();
        let rejected = match raw.rejected {
            0 => String::new(),
            1 => "; 1 row was rejected with all of its columns, covariate_rejects.csv says why".to_owned(),
            n => format!("; {n} rows were rejected with all of their columns, covariate_rejects.csv says why"),
        };
        let (customers, absent) = (raw.customers, raw.absent);
        return Err(Error::new("customers lack values of covariates")
            .at("covariates.missing")
            .seen(format!("{} of {customers} customers ({absent} stand in no usable row{rejected})", told.join(", ")))
            .advice(if raw.rejected > 0 {
                "correct what cannot be read, or leave its field empty to keep the others of its row; empty fields are allowed with \
                 covariates.missing = \"indicator\", which counts such customers as average with a column that says so"
            } else {
                "fill them in, or set covariates.missing = \"indicator\" to count them as average with a column that says so"
            }));
    }
    let mut columns: Vec<(DesignColumn, Vec<f64>)> = Vec::new();
    let mut indicators: Vec<(DesignColumn, Vec<f64>)> = Vec::new();
    let names = raw.continuous.iter().chain(raw.categorical.iter().map(|(name, _)| name));
    for (place, name) in names.enumerate() {
        let values = raw.column(place);
        match place.checked_sub(raw.continuous.len()) {
            None => columns.push(standardised(name, values.clone())?),
            Some(c) => columns.extend(levels(name, &raw.categorical[c].1, values.clone())?),
        }
        if values.clone().any(f64::is_nan) {
            let is_missing = values.map(|v| f64::from(u8::from(v.is_nan()))).collect();
            let column = centred(format!("{name} missing"), name, is_missing);
            // Columns that lack the same customers, those in no row of the table say, would be one column several times.
            if !indicators.iter().any(|known| known.1 == column.1) {
                indicators.push(column);
            }
        }
    }
    columns.extend(indicators);
    let (columns, values): (Vec<DesignColumn>, Vec<Vec<f64>>) = columns.into_iter().unzip();
    let values = Array2::from_shape_fn((raw.customers, columns.len()), |(row, column)| values[column][row]);
    Ok((Design { columns, values }, lacking))
}

fn lacking(raw: &Raw<'_>) -> Vec<(String, u64)> {
    let names = raw.continuous.iter().chain(raw.categorical.iter().map(|(name, _)| name));
    names
        .enumerate()
        .map(|(place, name)| (name.clone(), raw.column(place).filter(|v| v.is_nan()).count() as u64))
        .filter(|(_, count)| *count > 0)
        .collect()
}

fn same_for_all(name: &str) -> Error {
    Error::new(format!("`{name}` is the same for every customer, and so explains nothing"))
        .at("covariates")
        .advice("leave it out")
}

/// (value − mean) / sd over those who have a value; 0 for the others.
fn standardised(name: &str, values: impl Iterator<Item = f64> + Clone) -> Result<(DesignColumn, Vec<f64>)> {
    let known = || values.clone().filter(|v| !v.is_nan());
    let count = known().count() as f64;
    // Taken off first: a mean that is large beside the spread leaves the spread its digits.
    let origin = known().next().ok_or_else(|| {
        Error::new(format!("no customer has a value of `{name}`")).at("covariates").advice("leave it out")
    })?;
    let shift = known().map(|v| v - origin).sum::<f64>() / count;
    let variance = known().map(|v| (v - origin - shift).powi(2)).sum::<f64>() / count;
    let (centre, scale) = (origin + shift, variance.sqrt());
    if !scale.is_finite() {
        return Err(Error::new(format!("`{name}` has values too large to be standardised"))
            .at("covariates.continuous")
            .advice("take its logarithm, or count it in larger units"));
    }
    if scale == 0.0 {
        return Err(same_for_all(name));
    }
    let z: Vec<f64> = values.map(|v| if v.is_nan() { 0.0 } else { (v - origin - shift) / scale }).collect();
    let farthest = z.iter().fold(0.0, |most: f64, z| most.max(z.abs()));
    Ok((DesignColumn { name: name.to_owned(), covariate: name.to_owned(), centre, scale, farthest }, z))
}

/// A column per level but the most frequent.
fn levels(
    name: &str,
    labels: &[String],
    values: impl Iterator<Item = f64> + Clone,
) -> Result<Vec<(DesignColumn, Vec<f64>)>> {
    let mut count = vec![0_u64; labels.len()];
    values.clone().filter(|v| !v.is_nan()).for_each(|v| count[v as usize] += 1);
    let mut present: Vec<usize> = (0..labels.len()).filter(|&l| count[l] > 0).collect();
    present.sort_unstable_by_key(|&l| &labels[l]);
    if present.len() > MOST_LEVELS {
        return Err(Error::new(format!("`{name}` has too many levels for a categorical covariate"))
            .at("covariates.categorical")
            .seen(format!("{} levels; at most {MOST_LEVELS} are taken", present.len()))
            .advice(
                "make it a group (groups.by = \"column\"), where small levels borrow from the others, or merge levels",
            ));
    }
    // The most frequent; of equals the first by name.
    let reference = present.iter().copied().reduce(|best, l| if count[l] > count[best] { l } else { best });
    let others: Vec<usize> = present.into_iter().filter(|&l| Some(l) != reference).collect();
    if others.is_empty() {
        return Err(same_for_all(name));
    }
    let of_level = |level: usize| {
        let presence = values.clone().map(|v| f64::from(u8::from(v == level as f64))).collect();
        centred(format!("{name}={}", labels[level]), name, presence)
    };
    Ok(others.into_iter().map(of_level).collect())
}

/// A column of ones and zeros less their mean.
fn centred(name: String, covariate: &str, mut values: Vec<f64>) -> (DesignColumn, Vec<f64>) {
    let share = values.iter().sum::<f64>() / values.len().max(1) as f64;
    values.iter_mut().for_each(|v| *v -= share);
    (DesignColumn { name, covariate: covariate.to_owned(), centre: share, scale: 1.0, farthest: 0.0 }, values)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: f64 = f64::NAN;

    fn raw<'a>(continuous: &'a [String], values: &'a [f64], customers: usize) -> Raw<'a> {
        let labels = ["web", "shop", "post"].map(str::to_owned).to_vec();
        Raw { continuous, categorical: vec![("channel".to_owned(), labels)], values, customers, absent: 0, rejected: 0 }
    }

    #[test]
    fn numbers_are_standardised_and_levels_centred() {
        // income, channel: the most frequent channel is the shop, 1.
        let values = [10.0, 0.0, 30.0, 1.0, 20.0, 1.0, 20.0, 2.0];
        let names = ["income".to_owned()];
        let (design, lacking) = encode(&raw(&names, &values, 4), MissingValues::Error).unwrap();
        assert!(lacking.is_empty());
        let told: Vec<&str> = design.columns.iter().map(|c| c.name.as_str()).collect();
        assert_eq!(told, ["income", "channel=post", "channel=web"]);
        let sd = 50f64.sqrt();
        assert_eq!((design.columns[0].centre, design.columns[0].scale), (20.0, sd));
        assert_eq!(design.values.column(0).to_vec(), [-10.0 / sd, 10.0 / sd, 0.0, 0.0]);
        assert_eq!(design.values.column(1).to_vec(), [-0.25, -0.25, -0.25, 0.75]);
        assert_eq!(design.values.column(2).to_vec(), [0.75, -0.25, -0.25, -0.25]);
        assert!((0..3).all(|c| design.values.column(c).sum().abs() < 1e-15));
    }

    #[test]
    fn missing_values_are_an_error_or_a_column_of_their_own() {
        let values = [10.0, 0.0, NONE, NONE, 20.0, 1.0, 30.0, NONE];
        let names = ["income".to_owned()];
        let told = encode(&raw(&names, &values, 4), MissingValues::Error).unwrap_err().to_string();
        assert!(told.contains("income: 1, channel: 2 of 4 customers"), "{told}");
        assert!(told.contains("; fill them in, or set covariates.missing"), "{told}");
        // A row that cannot be read takes its good columns with it.
        let broken = Raw { absent: 1, rejected: 1, ..raw(&names, &values, 4) };
        let told = encode(&broken, MissingValues::Error).unwrap_err().to_string();
        assert!(
            told.contains(
                "(1 stand in no usable row; 1 row was rejected with all of its columns, covariate_rejects.csv"
            ),
            "{told}"
        );
        assert!(told.contains("leave its field empty to keep the others of its row"), "{told}");
        let (design, lacking) = encode(&raw(&names, &values, 4), MissingValues::Indicator).unwrap();
        assert_eq!(lacking, [("income".to_owned(), 1), ("channel".to_owned(), 2)]);
        let told: Vec<&str> = design.columns.iter().map(|c| c.name.as_str()).collect();
        // Equal counts: the reference is the first by name, `shop`.
        assert_eq!(told, ["income", "channel=web", "income missing", "channel missing"]);
        assert_eq!(design.values[[1, 0]], 0.0);
        assert_eq!(design.values.column(2).to_vec(), [-0.25, 0.75, -0.25, -0.25]);

        // Customers in no row lack everything at once: one column says so.
        let values = [10.0, 0.0, NONE, NONE, 20.0, 1.0, 30.0, 1.0];
        let (design, _) = encode(&raw(&names, &values, 4), MissingValues::Indicator).unwrap();
        assert_eq!(design.columns.last().unwrap().name, "income missing");
        assert_eq!(design.columns.len(), 3);
    }

    #[test]
    fn columns_that_explain_nothing_are_refused() {
        let names = ["income".to_owned()];
        let told = |values: &[f64], customers| {
            encode(&raw(&names, values, customers), MissingValues::Indicator).unwrap_err().to_string()
        };
        assert!(told(&[5.0, 0.0, 5.0, 1.0], 2).contains("`income` is the same for every customer"));
        assert!(told(&[5.0, 1.0, 6.0, 1.0], 2).contains("`channel` is the same for every customer"));
        assert!(told(&[NONE, 0.0, NONE, 1.0], 2).contains("no customer has a value of `income`"));
        // A spread that is small beside the mean is a spread.
        let (design, _) = encode(&raw(&names, &[1e12, 0.0, 1e12 + 1.0, 1.0], 2), MissingValues::Error).unwrap();
        assert_eq!(design.values.column(0).to_vec(), [-1.0, 1.0]);
    }
}
