//! What one row of a source of customer summaries must satisfy. Nothing here keeps a row.

use std::borrow::Cow;

use super::field::Field;
use super::grouping::{Grouping, group_label};
use super::source::Source;
use crate::error::{Error, Result};

/// One customer, checked.
pub(super) struct SummaryRow<'a> {
    pub(super) id: Cow<'a, str>,
    pub(super) x: u32,
    pub(super) t_x: f64,
    pub(super) age: f64,
    pub(super) m: f64,
    /// The label of the group; none where there is nothing.
    pub(super) group: Option<Cow<'a, str>>,
}

/// What rows are checked against.
pub(super) struct Checks {
    /// How the wanted columns are called in `rejects.csv`.
    pub(super) labels: Vec<String>,
    pub(super) has_monetary: bool,
    /// Which of the extra columns are the ones to group by, from the top.
    pub(super) group_columns: Vec<usize>,
}

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

impl Checks {
    /// The row, or the index of the field at fault and what is wrong with it.
    pub(super) fn judge<'a>(&self, fields: &[Field<'a>]) -> Result<SummaryRow<'a>, (usize, String)> {
        let id = match fields[0] {
            Field::Missing => return Err((0, "is missing".to_owned())),
            Field::Unreadable(kind) => return Err((0, format!("cannot be read from Parquet type {kind}"))),
            field => field.text(),
        };
        let number = |i: usize| fields[i].number().map_err(|reason| (i, reason));
        let (x, t_x, age) = (number(1)?, number(2)?, number(3)?);
        if x < 0.0 || x.fract() != 0.0 || x > f64::from(u32::MAX) {
            return Err((1, "is not a whole number of repeat purchases, 0 or more".to_owned()));
        }
        if age < 0.0 {
            return Err((3, "is negative".to_owned()));
        }
        if !(0.0..=age).contains(&t_x) {
            return Err((2, format!("does not lie between 0 and the age {age}")));
        }
        if (x == 0.0) != (t_x == 0.0) {
            return Err((
                2,
                format!("contradicts frequency {x}: recency is 0 exactly when there is no repeat purchase"),
            ));
        }
        let m = if self.has_monetary && (x > 0.0 || fields[4] != Field::Missing) { number(4)? } else { 0.0 };
        if m < 0.0 {
            return Err((4, "is negative".to_owned()));
        }
        let own = 4 + usize::from(self.has_monetary);
        let group = match &self.group_columns[..] {
            [] => None,
            [only] => Some(fields[own + only].text()).filter(|g| !g.is_empty()),
            many => {
                let texts: Vec<Cow<'_, str>> = many.iter().map(|c| fields[own + c].text()).collect();
                let parts: Vec<Option<&str>> = texts.iter().map(|text| (!text.is_empty()).then_some(&**text)).collect();
                group_label(&parts).map(|label| Cow::Owned(label.into_owned()))
            }
        };
        // Adding zero turns −0 into 0, so that equal times have equal bits. Spend without a repeat purchase is not repeat spend.
        let m = if x > 0.0 { m + 0.0 } else { 0.0 };
        Ok(SummaryRow { id, x: x as u32, t_x: t_x + 0.0, age: age + 0.0, m, group })
    }
}
