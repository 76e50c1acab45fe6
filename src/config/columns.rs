//! Which column of the data plays which role: what was written, what has a default, and what must be there.

use std::collections::BTreeMap;

use super::check::Checker;
use super::sections::SpendModel;
use crate::data::{Column, Kind};
use crate::error::Result;

impl Checker<'_> {
    /// Which column plays which role. Names have defaults; a file without a header needs numbers.
    pub(super) fn columns(&self) -> Result<BTreeMap<String, Column>> {
        let d = &self.source.config.data;
        let c = &d.columns;
        let wants_money = self.source.config.spend.model != SpendModel::None;
        let needs_money = self.source.config.spend.model == SpendModel::GammaGamma;
        // Lines that stand for several customers need no name.
        let has_names = c.customer.is_some() || c.weight.is_none();
        let roles: Vec<(&str, &Option<Column>, &str, bool, bool)> = match d.kind {
            Kind::Transactions => vec![
                ("customer", &c.customer, "customer_id", true, true),
                ("date", &c.date, "date", true, true),
                ("amount", &c.amount, "amount", wants_money, needs_money),
            ],
            Kind::Summary => vec![
                ("customer", &c.customer, "customer_id", has_names, has_names),
                ("frequency", &c.frequency, "frequency", true, true),
                ("recency", &c.recency, "recency", true, true),
                ("age", &c.age, "age", true, true),
                ("monetary", &c.monetary, "monetary", wants_money, needs_money),
                ("weight", &c.weight, "weight", c.weight.is_some(), false),
            ],
            Kind::Contracts => vec![
                ("customer", &c.customer, "customer_id", has_names, has_names),
                ("age", &c.age, "age", true, true),
                ("lost", &c.lost, "lost", true, true),
                ("weight", &c.weight, "weight", c.weight.is_some(), false),
            ],
            Kind::Cohorts => vec![
                ("cohort", &c.cohort, "cohort", true, true),
                ("period", &c.period, "period", true, true),
                ("active", &c.active, "active", true, true),
            ],
        };
        let mut columns = BTreeMap::new();
        for (role, written, default, wanted, needed) in roles {
            let key = format!("data.columns.{role}");
            match (written, d.header) {
                (Some(Column::Index(0)), _) => {
                    return Err(self.fail(&key, "1 or more", 0, "columns are numbered from 1"));
                }
                (Some(Column::Name(name)), false) => {
                    let advice = "data.header = false means the file names no columns";
                    return Err(self.fail(&key, "a column number", format!("{name:?}"), advice));
                }
                (Some(column), _) if wanted => {
                    columns.insert(role.to_owned(), column.clone());
                }
                (None, true) if wanted => {
                    columns.insert(role.to_owned(), Column::Name(default.to_owned()));
                }
                (None, false) if needed => {
                    let advice = "files without a header need a column number for every role, e.g. customer = 1";
                    return Err(self.fail(&key, "set", "nothing", advice));
                }
                _ => {}
            }
        }
        Ok(columns)
    }
}
