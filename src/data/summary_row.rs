//! What one row of a source of customers must satisfy, be it a summary of purchases or a contract. Nothing here keeps a row.
//!
//! A contract is a history like any other: the customer decided `age` times, at the end of each period, and renewed every time but
//! the last if `lost`. So its renewals are purchases, x = t_x = age or age − 1, T = age, and who was lost is who has x < T.

use std::borrow::Cow;

use super::field::Field;
use super::grouping::{Grouping, group_label};
use super::roles::{Column, Kind};
use super::rows::Address;
use super::rules::Rules;
use super::source::Source;
use crate::error::{Error, Result};

/// Customers that one row may stand for.
const MOST_CUSTOMERS: f64 = 1e8;

/// One row, checked.
pub(super) struct SummaryRow<'a> {
    pub(super) id: Cow<'a, str>,
    pub(super) x: u32,
    pub(super) t_x: f64,
    pub(super) age: f64,
    pub(super) m: f64,
    /// Customers that the row stands for; none where rows are customers.
    pub(super) customers: Option<u32>,
    /// The label of the group; none where there is nothing.
    pub(super) group: Option<Cow<'a, str>>,
}

impl SummaryRow<'_> {
    /// The identifier of each customer that the row stands for: its own, or it with a number behind it, of as many digits as make
    /// them sort.
    pub(super) fn ids(&self) -> impl Iterator<Item = Cow<'_, str>> {
        let digits = self.customers.map_or(0, |n| n.to_string().len());
        (0..self.customers.unwrap_or(1)).map(move |k| match self.customers {
            None => Cow::Borrowed(&*self.id),
            Some(_) => Cow::Owned(format!("{}-{:0digits$}", self.id, k + 1)),
        })
    }
}

/// What rows are checked against.
pub(super) struct Checks {
    /// How the wanted columns are called in `rejects.csv`.
    pub(super) labels: Vec<String>,
    pub(super) has_monetary: bool,
    kind: Kind,
    has_customer: bool,
    has_weight: bool,
    whole_periods: bool,
    /// Which of the extra columns are the ones to group by, from the top.
    pub(super) group_columns: Vec<usize>,
}

/// A field that may stand anywhere, with its place.
#[derive(Clone, Copy)]
struct Placed<'f, 'a> {
    place: usize,
    field: &'f Field<'a>,
}

impl Placed<'_, '_> {
    fn number(self) -> Result<f64, (usize, String)> {
        self.field.number().map_err(|reason| (self.place, reason))
    }

    fn refuse<T>(self, reason: impl Into<String>) -> Result<T, (usize, String)> {
        Err((self.place, reason.into()))
    }

    /// A whole number, 0 or more, of `what`.
    fn count(self, what: &str, most: f64) -> Result<f64, (usize, String)> {
        let value = self.number()?;
        if value < 0.0 || value.fract() != 0.0 || value > most {
            return self.refuse(format!("is not a whole number of {what}, 0 or more"));
        }
        Ok(value)
    }
}

/// What a row says happened: x, t_x, T and m.
type Happened = (u32, f64, f64, f64);

/// Which of the source's extra columns `grouping` asks for.
pub(super) fn group_columns(source: &Source, grouping: &Grouping) -> Result<Vec<usize>> {
    let extra = &source.columns.extra;
    let missing = |name: &str| {
        let kept: Vec<&str> = extra.iter().map(|e| e.name.as_str()).collect();
        Error::new(format!("the source has no column {name:?} to group by"))
            .at("groups.column")
            .seen(format!("columns kept: {}", kept.join(", ")))
            .advice("name a column of the file")
    };
    let position = |name: &String| extra.iter().position(|e| e.name == *name).ok_or_else(|| missing(name));
    grouping.columns().iter().map(position).collect()
}

/// Refuses sources whose rows are not customers.
pub(super) fn check_kind(source: &Source) -> Result<()> {
    match source.kind {
        Kind::Summary | Kind::Contracts => Ok(()),
        Kind::Transactions => Err(Error::new("this source holds transactions, not customer summaries")
            .at("data.kind")
            .advice("transactions are read by ingest")),
        Kind::Cohorts => Err(Error::new("this source holds a table of cohorts, not customers")
            .at("data.kind")
            .advice("cohorts are taken apart by expand_cohorts")),
    }
}

impl Checks {
    /// The checks of a source whose rows are customers.
    pub(super) fn of(source: &Source, rules: &Rules, labels: Vec<String>, group_columns: Vec<usize>) -> Self {
        let has = |column: &Option<Column>| column.is_some();
        let c = &source.columns;
        Self {
            labels,
            has_monetary: source.kind == Kind::Summary && has(&c.monetary),
            kind: source.kind,
            has_customer: has(&c.customer),
            has_weight: has(&c.weight),
            whole_periods: rules.whole_periods,
            group_columns,
        }
    }

    /// The row, or the index of the field at fault and what is wrong with it.
    pub(super) fn judge<'a>(&self, at: Address, fields: &[Field<'a>]) -> Result<SummaryRow<'a>, (usize, String)> {
        let mut rest = fields.iter().enumerate().map(|(place, field)| Placed { place, field });
        let mut next = || rest.next().unwrap_or(Placed { place: 0, field: &Field::Missing });
        let id = if self.has_customer { identifier(next())? } else { Cow::Owned(nameless(at)) };
        let (x, t_x, age, m) = match self.kind {
            Kind::Contracts => contract(next(), next())?,
            _ => self.history([next(), next(), next()], self.has_monetary.then(&mut next))?,
        };
        let customers = match self.has_weight.then(next) {
            // At most MOST_CUSTOMERS.
            Some(weight) => Some(weight.count("customers", MOST_CUSTOMERS)? as u32),
            None => None,
        };
        let group = self.group(&rest.map(|extra| extra.field).collect::<Vec<_>>());
        Ok(SummaryRow { id, x, t_x, age, m, customers, group })
    }

    /// The label of the group that the extra columns say.
    fn group<'a>(&self, extra: &[&Field<'a>]) -> Option<Cow<'a, str>> {
        let text = |c: &usize| extra.get(*c).map_or(Cow::Borrowed(""), |field| field.text());
        match &self.group_columns[..] {
            [] => None,
            [only] => Some(text(only)).filter(|g| !g.is_empty()),
            many => {
                let texts: Vec<Cow<'_, str>> = many.iter().map(text).collect();
                let parts: Vec<Option<&str>> = texts.iter().map(|text| (!text.is_empty()).then_some(&**text)).collect();
                group_label(&parts).map(|label| Cow::Owned(label.into_owned()))
            }
        }
    }

    /// A history of purchases. Adding zero turns −0 into 0, so that equal times have equal bits.
    fn history(
        &self,
        [frequency, recency, age]: [Placed<'_, '_>; 3],
        monetary: Option<Placed<'_, '_>>,
    ) -> Result<Happened, (usize, String)> {
        // All three are numbers before any is judged by another.
        let (x, t_x, t) = (frequency.number()?, recency.number()?, age.number()?);
        frequency.count("repeat purchases", f64::from(u32::MAX))?;
        if t < 0.0 {
            return age.refuse("is negative");
        }
        if !(0.0..=t).contains(&t_x) {
            return recency.refuse(format!("does not lie between 0 and the age {t}"));
        }
        if (x == 0.0) != (t_x == 0.0) {
            return recency
                .refuse(format!("contradicts frequency {x}: recency is 0 exactly when there is no repeat purchase"));
        }
        if self.whole_periods {
            for (of, time) in [(recency, t_x), (age, t)] {
                if time.fract() != 0.0 {
                    return of.refuse(
                        "is not a whole number: this model counts opportunities (0, 1, 2, …); count recency and age in them, or choose \
                         a model of continuous time",
                    );
                }
            }
            if x > t_x {
                return frequency
                    .refuse(format!("exceeds the recency {t_x}: at each opportunity there is one purchase or none"));
            }
        }
        let m = match monetary {
            Some(m) if x > 0.0 || *m.field != Field::Missing => {
                let value = m.number()?;
                if value < 0.0 {
                    return m.refuse("is negative");
                }
                value
            }
            _ => 0.0,
        };
        // Spend without a repeat purchase is not repeat spend.
        Ok((x as u32, t_x + 0.0, t + 0.0, if x > 0.0 { m + 0.0 } else { 0.0 }))
    }
}

/// The history of a contract.
fn contract(age: Placed<'_, '_>, lost: Placed<'_, '_>) -> Result<Happened, (usize, String)> {
    let t = age.count("periods", f64::from(u32::MAX))?;
    let is_lost = match lost.field.text().to_ascii_lowercase().as_str() {
        "1" | "true" => true,
        "0" | "false" => false,
        _ => return lost.refuse("is none of 0, 1, true and false"),
    };
    if is_lost && t == 0.0 {
        return age.refuse("is 0 for a lost customer: who was lost at the end of the first period has age 1");
    }
    let renewals = t - if is_lost { 1.0 } else { 0.0 };
    Ok((renewals as u32, renewals, t, 0.0))
}

fn identifier<'a>(of: Placed<'_, 'a>) -> Result<Cow<'a, str>, (usize, String)> {
    match of.field {
        Field::Missing => of.refuse("is missing"),
        Field::Unreadable(kind) => of.refuse(format!("cannot be read from Parquet type {kind}")),
        field => Ok(field.text()),
    }
}

/// What rows without an identifier are called: `row12`, or `file2-row12` in all files but the first.
fn nameless(at: Address) -> String {
    match at.file {
        0 => format!("row{}", at.line),
        file => format!("file{}-row{}", file + 1, at.line),
    }
}
