//! Why a log could not be read, in shares: which column is at fault, and which formats read the dates that were rejected. The values
//! themselves are looked at here and stay here.

use std::collections::BTreeMap;
use std::path::Path;

use chrono::NaiveDate;

use crate::advise::{DATE_FORMATS, DateFormat, ReadingFigures};
use crate::config::DataPlan;
use crate::data::Column;
use crate::error::{Error, Result};

/// Rejected lines that are looked at.
const LOOKED_AT: usize = 5000;

/// The roles that are told; the rest is `other`.
const ROLES: [&str; 7] = ["date", "customer", "amount", "frequency", "recency", "age", "monetary"];

/// What `rejects.csv` comes to. None where no line was rejected.
pub(super) fn reading_figures(rejects: &Path, data: &DataPlan) -> Result<Option<ReadingFigures>> {
    let damaged = |e: csv::Error| Error::new("could not read the rejected lines").at(rejects.display()).because(e);
    let mut reader = csv::Reader::from_path(rejects).map_err(damaged)?;
    let mut by_role: BTreeMap<&'static str, u64> = BTreeMap::new();
    let (mut rejected, mut dates) = (0_u64, Vec::new());
    for record in reader.records() {
        let record = record.map_err(damaged)?;
        rejected += 1;
        if rejected as usize > LOOKED_AT {
            continue;
        }
        let role = role(record.get(2).unwrap_or_default(), data);
        *by_role.entry(role).or_default() += 1;
        if role == "date" {
            dates.push(record.get(3).unwrap_or_default().to_owned());
        }
    }
    let looked_at: u64 = by_role.values().sum();
    let share = |n: u64| n as f64 / looked_at.max(1) as f64;
    Ok((rejected > 0).then(|| ReadingFigures {
        rejected,
        share_by_role: by_role.into_iter().map(|(role, n)| (role.to_owned(), share(n))).collect(),
        date_formats: formats(&dates, data.latest_date),
    }))
}

/// The role of the column that a rejected line names.
fn role(column: &str, data: &DataPlan) -> &'static str {
    let is = |role: &&str| match data.columns.get(*role) {
        Some(Column::Name(name)) => name == column,
        Some(number) => number.to_string() == column,
        None => *role == column,
    };
    ROLES.into_iter().find(|role| is(role)).unwrap_or("other")
}

/// The formats of the list that read some of the dates, best first. A date in the future or before 1900 is none.
fn formats(dates: &[String], latest: NaiveDate) -> Vec<DateFormat> {
    let earliest = NaiveDate::from_ymd_opt(1900, 1, 1);
    let reads = |format: &str, text: &str| {
        NaiveDate::parse_from_str(text.trim(), format)
            .is_ok_and(|day| day <= latest && earliest.is_none_or(|first| day >= first))
    };
    let share = |format: &&str| dates.iter().filter(|d| reads(format, d)).count() as f64 / dates.len().max(1) as f64;
    let mut out: Vec<DateFormat> = DATE_FORMATS
        .iter()
        .map(|format| DateFormat { format: (*format).to_owned(), share: share(format) })
        .filter(|f| f.share > 0.0)
        .collect();
    out.sort_by(|a, b| b.share.total_cmp(&a.share));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_above_twelve_tells_the_format() {
        let latest = NaiveDate::from_ymd_opt(2025, 1, 1).unwrap();
        let best = |dates: &[&str]| {
            let dates: Vec<String> = dates.iter().map(|d| (*d).to_owned()).collect();
            formats(&dates, latest).into_iter().filter(|f| f.share == 1.0).map(|f| f.format).collect::<Vec<_>>()
        };
        assert_eq!(best(&["03/04/2024", "25/04/2024"]), ["%d/%m/%Y"]);
        assert_eq!(best(&["03/04/2024", "04/25/2024"]), ["%m/%d/%Y"]);
        assert_eq!(best(&["03/04/2024"]), ["%d/%m/%Y", "%m/%d/%Y"]);
        assert_eq!(best(&["25.04.2024 13:05"]), ["%d.%m.%Y %H:%M"]);
        assert_eq!(best(&["20240425"]), ["%Y%m%d"]);
        assert_eq!(best(&["yesterday"]), Vec::<String>::new());
        assert_eq!(best(&["25/04/2924"]), Vec::<String>::new());
    }
}
