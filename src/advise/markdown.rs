//! A packet for people: the same figures as its JSON, in a page that can be read in a minute.

use std::fmt::Write;

use super::packet::{Figure, Packet, Stage};

/// The packet as Markdown. What is not known is a dash.
pub fn markdown(packet: &Packet) -> String {
    let mut out = String::from("# Diagnostics packet\n\n");
    let stage = match packet.stage {
        Stage::Cycle => "a short run on a sample of customers",
        Stage::Full => "a run with everything that the configuration says",
    };
    line(&mut out, format_args!("{stage}; schema version {}; aggregates only.", packet.schema_version));
    let model = &packet.model;
    let spend = model.spend.as_deref().unwrap_or("none");
    line(
        &mut out,
        format_args!(
            "\nPurchase model `{}`, spend model `{spend}`, data `{}`; {} group(s) on {} level(s), {} column(s) of covariates.",
            model.purchase, model.data_kind, model.groups, model.levels, model.covariates
        ),
    );
    out.push_str("\n## Settings that may change\n\n| key | now |\n| --- | --- |\n");
    for (key, value) in &packet.settings {
        line(&mut out, format_args!("| `{key}` | {value} |"));
    }
    if let Some(reading) = &packet.reading {
        line(&mut out, format_args!("\n## Reading failed\n\n{} lines rejected.", reading.rejected));
        for (role, share) in &reading.share_by_role {
            line(&mut out, format_args!("- {role}: {share:.3} of them"));
        }
        for format in &reading.date_formats {
            line(&mut out, format_args!("- `{}` reads {:.3} of the rejected dates", format.format, format.share));
        }
    }
    if let Some(data) = &packet.data {
        line(
            &mut out,
            format_args!(
                "\n## Data\n\n{} customers ({} fitted), {} repeat purchases, {:.3} without one; median age {} units of {} days; \
                 repeats per customer and year {}; mean spend about {}.",
                data.customers,
                data.fitted,
                data.repeat_purchases,
                data.one_time_share,
                data.median_age,
                data.time_unit_days,
                figure(data.repeats_per_year),
                figure(data.mean_spend),
            ),
        );
        line(
            &mut out,
            format_args!(
                "Rejected {:.4} of the lines; {} of the purchase days hold several lines, {} an even number.",
                data.rejected_share,
                figure(data.merged_share),
                figure(data.paired_share)
            ),
        );
        for group in data.groups.iter().filter(|g| g.no_repeat_buyers) {
            line(&mut out, format_args!("- {}: no repeat buyer", group.name));
        }
    }
    if !packet.priors.is_empty() {
        out.push_str("\n## What the priors say\n\n| | 5 % | 50 % | 95 % | seen |\n| --- | --- | --- | --- | --- |\n");
        for p in &packet.priors {
            let [low, middle, high, seen] = [p.q05, p.q50, p.q95, p.seen].map(figure);
            line(&mut out, format_args!("| {} | {low} | {middle} | {high} | {seen} |", p.key));
        }
    }
    if !packet.leaning.is_empty() {
        out.push_str("\n## Posteriors that lean on their priors\n\n");
        for p in &packet.leaning {
            let (prior, data) = (figure(p.prior), figure(p.likelihood));
            line(
                &mut out,
                format_args!(
                    "- {} ({}): {prior} with the prior, {data} with the data: {}",
                    p.parameter, p.fit, p.diagnosis
                ),
            );
        }
    }
    if !packet.cost.held_back_by.is_empty() {
        line(&mut out, format_args!("\nHeld back by: {}.", packet.cost.held_back_by.join(", ")));
    }
    for fit in &packet.fits {
        let verdict = if fit.passed { "pass" } else { "fail" };
        line(&mut out, format_args!("\n## Fit `{}`: {verdict}\n", fit.fit));
        line(
            &mut out,
            format_args!(
                "{} chains × {} draws ({}); divergent {:.4}; at the depth limit {:.4}; E-BFMI {}; R-hat {}; ESS bulk {}, tail {}.",
                fit.chains,
                fit.draws,
                fit.method,
                fit.divergence_share,
                fit.depth_hit_share,
                figure(fit.e_bfmi),
                named(fit.r_hat.as_ref()),
                named(fit.ess_bulk.as_ref()),
                named(fit.ess_tail.as_ref())
            ),
        );
        for s in &fit.symptoms {
            let whose = s.parameter.as_deref().map(|p| format!(" of {p}")).unwrap_or_default();
            line(&mut out, format_args!("- {}{whose}: {} (limit {})", s.kind, figure(s.figure), figure(s.limit)));
        }
    }
    out
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    let _ = writeln!(out, "{text}");
}

fn figure(x: Option<f64>) -> String {
    x.map_or_else(|| "–".to_owned(), |x| x.to_string())
}

fn named(x: Option<&Figure>) -> String {
    x.map_or_else(|| "–".to_owned(), |f| format!("{} ({})", figure(f.value), f.parameter))
}

#[cfg(test)]
mod tests {
    use super::super::patient;
    use super::*;

    #[test]
    fn every_symptom_and_setting_is_on_the_page() {
        let page = markdown(&patient::divergent());
        for words in
            ["| `sampler.chains` | 4 |", "- divergences: 0.05 (limit 0.001)", "`purchase`: fail", "6000 customers"]
        {
            assert!(page.contains(words), "{words}: {page}");
        }
    }
}
