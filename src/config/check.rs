//! Turns a configuration as written into a plan as meant. Every rule about a value stands here, once, and says where the value
//! was written, what was seen and what would do.

use std::path::PathBuf;

use chrono::NaiveDate;
use chrono::format::{Item, StrftimeItems};

use super::clock::Clock;
use super::one_or_many::OneOrMany;
use super::plan::{ComputePlan, DataPlan, GroupsPlan, ModelPlan, OutputPlan, Plan};
use super::sections::{GroupBy, SamplerKind, SamplerSection, SpendModel};
use super::source::Source;
use crate::data::{Kind, TimeZone};
use crate::error::{Error, Result};

/// Checks `source` and fixes every default. `today` bounds the dates that data may carry; `compute` is the backend that the
/// caller has decided on.
pub fn check(source: &Source, today: NaiveDate, compute: ComputePlan) -> Result<Plan> {
    let checker = Checker { source };
    checker.numbers()?;
    let config = &source.config;
    let named = config.output.dir.as_ref().is_none_or(|dir| !dir.trim().is_empty());
    checker.require(
        named,
        "output.dir",
        "a folder",
        "nothing",
        "leave it out for runs/ and the configuration's name",
    )?;
    let dir = config.output.dir.clone().map_or_else(|| PathBuf::from("runs").join(source.stem()), PathBuf::from);
    let title =
        config.output.title.clone().unwrap_or_else(|| {
            dir.file_name().map_or_else(|| source.stem(), |name| name.to_string_lossy().into_owned())
        });
    checker.kind_fits_model()?;
    let data = checker.data(today)?;
    checker.whole_horizon(&data)?;
    let spend = checker.spend(&data)?;
    Ok(Plan {
        schema_version: Plan::SCHEMA_VERSION,
        longrun_version: env!("CARGO_PKG_VERSION").to_owned(),
        output: OutputPlan { dir, title },
        groups: checker.groups()?,
        covariates: checker.covariates(&data)?,
        data,
        predict: config.predict.clone(),
        diagnose: config.diagnose.clone(),
        sampler: config.sampler.clone(),
        compute,
        purchase: ModelPlan {
            model: config.purchase.model.key().to_owned(),
            priors_resolved: false,
            priors: config.purchase.priors.clone(),
            hierarchy: config.purchase.hierarchy.clone(),
            covariates: checker.effects()?,
        },
        spend,
        spend_left_out: None,
        warm_start: None,
    })
}

pub(super) struct Checker<'a> {
    pub(super) source: &'a Source,
}

impl Checker<'_> {
    pub(super) fn fail(&self, key: &str, must: &str, seen: impl std::fmt::Display, advice: &str) -> Error {
        Error::new(format!("{key} must be {must}")).at(self.source.place(key)).seen(seen).advice(advice)
    }

    pub(super) fn require(
        &self,
        holds: bool,
        key: &str,
        must: &str,
        seen: impl std::fmt::Display,
        advice: &str,
    ) -> Result<()> {
        if holds { Ok(()) } else { Err(self.fail(key, must, seen, advice)) }
    }

    fn numbers(&self) -> Result<()> {
        let s = &self.source.config.sampler;
        self.require(s.chains >= 1, "sampler.chains", "at least 1", s.chains, "4 is the default")?;
        self.require(s.chains <= 100_000, "sampler.chains", "at most 100000", s.chains, "4 is the default")?;
        self.require(s.warmup >= 20, "sampler.warmup", "at least 20", s.warmup, "1000 is the default")?;
        self.require(s.draws >= 4, "sampler.draws", "at least 4", s.draws, "1000 is the default")?;
        // Random numbers are addressed by the transition's index, which has 24 bits.
        let longest = (1 << 24) - 1;
        self.require(s.warmup < longest, "sampler.warmup", "below 16777215", s.warmup, "1000 is the default")?;
        let most = longest - s.warmup;
        let must = format!("at most {most} with this warm-up");
        self.require(s.draws <= most, "sampler.draws", &must, s.draws, "use more chains")?;
        self.require(s.shard_draws >= 1, "sampler.shard_draws", "at least 1", s.shard_draws, "250 is the default")?;
        self.require(
            (1..=20).contains(&s.max_treedepth),
            "sampler.max_treedepth",
            "between 1 and 20",
            s.max_treedepth,
            "10 is the default",
        )?;
        self.require(
            s.max_leapfrogs >= 1,
            "sampler.max_leapfrogs",
            "at least 1",
            s.max_leapfrogs,
            "1000 is the default",
        )?;
        if let Some(target) = s.target_accept {
            let inside = target > 0.0 && target < 1.0;
            self.require(inside, "sampler.target_accept", "between 0 and 1", target, "0.8 is the default for NUTS")?;
        }
        if let Some(k) = s.superchains {
            let must = format!("at least 2 and at most half of the {} chains, and divide them", s.chains);
            let fits = k >= 2 && 2 * k <= s.chains && s.chains.is_multiple_of(k);
            self.require(fits, "sampler.superchains", &must, k, "leave it out for chains that begin each on its own")?;
        }
        self.sampler_keys()?;
        let seed_fits_toml = s.seed <= i64::MAX as u64;
        self.require(seed_fits_toml, "sampler.seed", "below 2^63", s.seed, "any smaller number will do")?;
        let d = &self.source.config.diagnose;
        self.require(d.max_r_hat > 1.0, "diagnose.max_r_hat", "above 1", d.max_r_hat, "1.01 is the default")?;
        self.require(d.min_ess >= 0.0, "diagnose.min_ess", "0 or more", d.min_ess, "400 is the default")?;
        let share = d.max_divergence_share;
        let inside = (0.0..=1.0).contains(&share);
        self.require(inside, "diagnose.max_divergence_share", "between 0 and 1", share, "0.001 is the default")?;
        let inside = d.min_e_bfmi.is_finite() && d.min_e_bfmi >= 0.0;
        self.require(inside, "diagnose.min_e_bfmi", "0 or more", d.min_e_bfmi, "0.3 is the default")?;
        let sound = d.max_pareto_k.is_finite() && d.max_pareto_k > 0.0;
        self.require(sound, "diagnose.max_pareto_k", "above 0", d.max_pareto_k, "0.7 is the default")?;
        let p = &self.source.config.predict;
        let months = (1..=600).contains(&p.horizon_months);
        self.require(months, "predict.horizon_months", "between 1 and 600", p.horizon_months, "12 is the default")?;
        let discount = (0.0..1.0).contains(&p.monthly_discount);
        self.require(
            discount,
            "predict.monthly_discount",
            "at least 0 and below 1",
            p.monthly_discount,
            "0.01 is 1 % a month",
        )?;
        let draws = (20..=65_536).contains(&p.draws);
        self.require(draws, "predict.draws", "between 20 and 65536", p.draws, "500 is the default")?;
        if let Some(threads) = self.source.config.compute.threads {
            self.require(threads >= 1, "compute.threads", "at least 1", threads, "leave it out to use every core")?;
        }
        if let Some(budget) = self.source.config.compute.device_budget_mib {
            let advice = "leave it out to use what the adapter holds";
            let meant = (1..=1 << 30).contains(&budget);
            self.require(meant, "compute.device_budget_mib", "between 1 and 2^30", budget, advice)?;
        }
        Ok(())
    }

    /// What means nothing to a kind must not look as if it did something.
    fn sampler_keys(&self) -> Result<()> {
        use SamplerKind::{Chees, Laplace, Nuts, Pathfinder};
        let (s, default) = (&self.source.config.sampler, SamplerSection::default());
        let shown = |value: Option<String>| value.unwrap_or_default();
        let rows: [(&str, bool, String, &[SamplerKind]); 6] = [
            ("superchains", s.superchains.is_some(), shown(s.superchains.map(|k| k.to_string())), &[Nuts, Chees]),
            ("target_accept", s.target_accept.is_some(), shown(s.target_accept.map(|t| t.to_string())), &[Nuts, Chees]),
            ("max_treedepth", s.max_treedepth != default.max_treedepth, s.max_treedepth.to_string(), &[Nuts]),
            ("max_leapfrogs", s.max_leapfrogs != default.max_leapfrogs, s.max_leapfrogs.to_string(), &[Chees]),
            ("save_warmup", s.save_warmup, s.save_warmup.to_string(), &[Nuts, Chees]),
            ("resample", s.resample.is_some(), shown(s.resample.map(|r| r.to_string())), &[Laplace, Pathfinder]),
        ];
        for (key, set, seen, kinds) in rows {
            let kind = s.kind.key();
            let must = format!("left out with sampler.kind = \"{kind}\"");
            let named: Vec<&str> = kinds.iter().map(|k| k.key()).collect();
            let advice = format!("it means something to {} only", named.join(" and "));
            self.require(!set || kinds.contains(&s.kind), &format!("sampler.{key}"), &must, seen, &advice)?;
        }
        Ok(())
    }

    fn data(&self, today: NaiveDate) -> Result<DataPlan> {
        let d = &self.source.config.data;
        let paths = d.path.to_vec();
        let named = !paths.is_empty() && paths.iter().all(|p| !p.trim().is_empty());
        self.require(named, "data.path", "a file, folder or glob", "nothing", "e.g. path = \"orders/*.csv\"")?;
        let single = d.delimiter.0 == "whitespace" || (d.delimiter.0.len() == 1 && d.delimiter.0.is_ascii());
        let seen = format!("{:?}", d.delimiter.0);
        self.require(single, "data.delimiter", "one ASCII character or \"whitespace\"", seen, "e.g. \";\" or \"\\t\"")?;
        let Clock { resolution, time_unit_days, whole_periods } = self.clock()?;
        let share = (0.0..=1.0).contains(&d.max_reject_share);
        self.require(share, "data.max_reject_share", "between 0 and 1", d.max_reject_share, "0.001 is the default")?;
        if let Some(n) = d.sample_customers {
            self.require(n >= 1, "data.sample_customers", "at least 1", n, "leave it out to fit all customers")?;
        }
        if let (Some(start), Some(end)) = (d.calibration_start, d.calibration_end) {
            let advice = "leave it out to learn from everything up to the end";
            self.require(start < end, "data.calibration_start", "before data.calibration_end", start, advice)?;
        }
        if let (Some(calibration), Some(holdout)) = (d.calibration_end, d.holdout_end) {
            let after = holdout > calibration;
            self.require(
                after,
                "data.holdout_end",
                "after data.calibration_end",
                holdout,
                "leave both out for no holdout",
            )?;
        }
        if let Some(format) = &d.date_format {
            let unknown = StrftimeItems::new(format).any(|item| item == Item::Error);
            self.require(
                !unknown,
                "data.date_format",
                "a strftime format",
                format!("{format:?}"),
                "e.g. \"%d/%m/%Y\"",
            )?;
        }
        for (key, day) in [
            ("data.calibration_start", d.calibration_start),
            ("data.calibration_end", d.calibration_end),
            ("data.holdout_end", d.holdout_end),
        ] {
            if let Some(day) = day.filter(|_| d.kind != Kind::Transactions) {
                let advice = "without purchases there are no dates: customers were observed for their own age";
                return Err(self.fail(key, "left out unless data.kind is \"transactions\"", day, advice));
            }
        }
        if d.holdout_end.is_some() && d.calibration_end.is_none() {
            return Err(Error::new("data.holdout_end needs data.calibration_end")
                .at(self.source.place("data.holdout_end"))
                .advice("the holdout begins the day after the calibration ends"));
        }
        let forget = d.forget.as_ref().map(OneOrMany::to_vec).unwrap_or_default();
        let named = forget.iter().all(|path| !path.trim().is_empty());
        self.require(named, "data.forget", "a file, or a list of files", "nothing", "e.g. forget = \"forget.txt\"")?;
        let known = forget.is_empty() || d.kind == Kind::Transactions;
        let advice = "leave the customers' lines out of the file";
        self.require(known, "data.forget", "left out unless data.kind is \"transactions\"", "a list", advice)?;
        Ok(DataPlan {
            kind: d.kind,
            paths,
            format: d.format,
            delimiter: d.delimiter.0.clone(),
            header: d.header,
            date_format: d.date_format.clone(),
            columns: self.columns()?,
            resolution,
            time_unit_days,
            whole_periods,
            calibration_start: d.calibration_start,
            calibration_end: d.calibration_end,
            holdout_end: d.holdout_end,
            latest_date: today,
            zero_amounts: d.zero_amounts,
            negative_amounts: d.negative_amounts,
            time_zone: self.time_zone()?,
            sample_customers: d.sample_customers,
            forget,
            max_reject_share: d.max_reject_share,
            currency: d.currency.clone(),
        })
    }

    fn time_zone(&self) -> Result<Option<TimeZone>> {
        let zone = self.source.config.data.time_zone.as_deref().map(str::parse);
        zone.transpose().map_err(|e: Error| e.at(self.source.place("data.time_zone")))
    }

    fn groups(&self) -> Result<GroupsPlan> {
        let g = &self.source.config.groups;
        let by = g.by.to_vec();
        let seen = || by.iter().map(|by| by.name()).collect::<Vec<_>>().join(", ");
        let (by_column, by_cohort) = (by.contains(&GroupBy::Column), by.contains(&GroupBy::Cohort));
        if g.column.is_some() && !by_column {
            let must = "\"column\" when groups.column is set";
            return Err(self.fail("groups.by", must, seen(), "add by = \"column\""));
        }
        if g.cohort_days.is_some() && !by_cohort {
            let must = "\"cohort\" when groups.cohort_days is set";
            let advice = if by_column { "by = [\"column\", \"cohort\"]" } else { "add by = \"cohort\"" };
            return Err(self.fail("groups.by", must, seen(), advice));
        }
        if self.source.config.data.kind != Kind::Transactions && by_cohort {
            let advice = "without purchases there are no dates; use by = \"column\"";
            return Err(self.fail(
                "groups.by",
                "\"none\", \"column\" or \"rfm\" unless data.kind is \"transactions\"",
                "\"cohort\"",
                advice,
            ));
        }
        match &by[..] {
            [GroupBy::None] => return Ok(GroupsPlan::None),
            [GroupBy::Rfm] => return Ok(GroupsPlan::Rfm),
            [GroupBy::Column | GroupBy::Cohort] | [GroupBy::Column, GroupBy::Cohort] => {}
            _ => {
                let must = "\"none\", \"column\", \"cohort\", \"rfm\" or [\"column\", \"cohort\"]";
                return Err(self.fail("groups.by", must, seen(), "levels go from the top: columns, then cohorts"));
            }
        }
        let columns = g.column.as_ref().map(OneOrMany::to_vec).unwrap_or_default();
        if by_column && columns.is_empty() {
            return Err(self.fail("groups.column", "set when groups.by is \"column\"", "nothing", "name the column"));
        }
        let cohort_days = match (&g.cohort_days, by_cohort) {
            (Some(days), _) => days.to_vec(),
            (None, by_cohort) => vec![7; usize::from(by_cohort)],
        };
        let shortest = cohort_days.iter().copied().min();
        let set = shortest.is_some_and(|days| days >= 1) || !by_cohort;
        let found = shortest.map_or("nothing".to_owned(), |days| days.to_string());
        self.require(set, "groups.cohort_days", "at least 1", found, "7 is the default")?;
        let plan = GroupsPlan::Levels { columns, cohort_days };
        let grouping = plan.grouping();
        grouping.check().map_err(|e| e.at(self.source.place("groups.cohort_days")))?;
        let names = grouping.level_names();
        if let Some(twice) = names.iter().enumerate().find_map(|(i, name)| names[..i].contains(name).then_some(name)) {
            let must = "levels of different names";
            return Err(self.fail("groups.column", must, format!("{twice} twice"), "rename the column in the data"));
        }
        Ok(plan)
    }

    fn spend(&self, data: &DataPlan) -> Result<Option<ModelPlan>> {
        let s = &self.source.config.spend;
        let has_money = data.columns.contains_key("amount") || data.columns.contains_key("monetary");
        if s.model == SpendModel::None || !has_money {
            return Ok(None);
        }
        Ok(Some(ModelPlan {
            model: "gamma_gamma".to_owned(),
            priors_resolved: false,
            priors: s.priors.clone(),
            hierarchy: s.hierarchy.clone(),
            covariates: None,
        }))
    }
}
