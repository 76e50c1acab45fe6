//! Rules about what the data are and what is believed of them: how dates are written, in what time is counted, what cannot be learned.

use super::Rule;
use super::view::{Finding, View, percent, plainly};
use crate::advise::packet::DataFigures;

/// Share of the rejected dates that a format must read to be taken.
const READS: f64 = 0.99;

pub(super) const DATES: Rule = Rule {
    name: "dates",
    symptom: "lines are rejected for their dates, and one format of the list reads them",
    remedy: "`data.date_format`",
    source: "the rejected dates themselves: a day above 12 tells day/month from month/day",
    look: dates,
};

fn dates(view: &View<'_>) -> Vec<Finding> {
    let Some(reading) = &view.packet.reading else { return vec![] };
    let share = reading.share_by_role.get("date").copied().unwrap_or(0.0);
    if share < 0.5 {
        return vec![];
    }
    let symptom = format!("{} lines rejected, {} of them for their dates", reading.rejected, percent(share));
    let reads: Vec<_> = reading.date_formats.iter().filter(|f| f.share >= READS).collect();
    match &reads[..] {
        [one] => vec![
            Finding::set(
                "data.date_format",
                one.format.as_str(),
                symptom,
                "of the formats in the list, this one alone reads the rejected dates",
            )
            .of(share),
        ],
        [] => vec![
            Finding::tell(
                symptom,
                "no format of the list reads these dates: look at them in rejects.csv, and write data.date_format as they are \
                 written (strftime), or mend the column",
            )
            .of(share)
            .blocking(),
        ],
        several => {
            let named: Vec<&str> = several.iter().map(|f| f.format.as_str()).collect();
            let text = format!("{} read these dates alike: set data.date_format to the one that is meant", named.join(" and "));
            vec![Finding::tell(symptom, text).of(share).blocking()]
        }
    }
}

pub(super) const UNREADABLE: Rule = Rule {
    name: "unreadable",
    symptom: "more lines are rejected than `data.max_reject_share` allows, for something other than dates",
    remedy: "none: which column is at fault, and what to look at",
    source: "docs/guide/data.md",
    look: unreadable,
};

fn unreadable(view: &View<'_>) -> Vec<Finding> {
    let Some(reading) = &view.packet.reading else { return vec![] };
    let worst = reading.share_by_role.iter().max_by(|a, b| a.1.total_cmp(b.1));
    let Some((role, share)) = worst.filter(|(role, _)| *role != "date") else { return vec![] };
    let advice = match role.as_str() {
        "recency" | "age" => {
            "recency is the time from the first purchase to the last and can never exceed the age: the two columns are exchanged \
             (data.columns.recency, data.columns.age), or one counts days and the other weeks"
        }
        "amount" | "monetary" => {
            "the column must hold money in one currency: look for signs and separators, and for returns (data.negative_amounts)"
        }
        "frequency" => "frequency is the number of repeat purchases, a whole number from 0",
        "customer" => "every line needs a customer",
        _ => "rejects.csv lists every line with its reason",
    };
    let symptom = format!("{} lines rejected, {} of them for their {role}", reading.rejected, percent(*share));
    vec![Finding::tell(symptom, advice).of(*share).blocking()]
}

pub(super) const TIME_UNIT: Rule = Rule {
    name: "time_unit",
    symptom: "the clock does not fit the times: a summary's times are whole days in another unit, or customers are younger than two \
              units or older than 25 years",
    remedy: "`data.time_unit`",
    source: "Fader, Hardie & Lee (2005): parameters are rates per unit, and the unit must resolve the time between purchases",
    look: time_unit,
};

fn time_unit(view: &View<'_>) -> Vec<Finding> {
    const OLDEST_YEARS: f64 = 25.0;
    let Some(data) = &view.packet.data else { return vec![] };
    let counted = matches!(view.packet.model.purchase.as_str(), "bg_bb" | "s_bg");
    if counted || data.median_age <= 0.0 {
        return vec![];
    }
    let years = data.median_age * data.time_unit_days / 365.25;
    if view.packet.model.data_kind == "summary" {
        return summary_unit(data, years > OLDEST_YEARS, years);
    }
    if data.time_unit_days > 7.0 && data.median_age < 2.0 {
        let symptom = format!("half of the customers are younger than {} time units", plainly(data.median_age));
        let why = "a unit longer than most customers' history leaves the rates near the edge of their scale; weeks resolve it";
        return vec![Finding::set("data.time_unit", "week", symptom, why).of(data.median_age)];
    }
    vec![]
}

/// A summary brings its own times: only their grain can tell what they count.
fn summary_unit(data: &DataFigures, too_old: bool, years: f64) -> Vec<Finding> {
    let symptom = format!("half of the customers would be older than {} years", plainly(years));
    match &data.grain {
        Some(unit) => {
            let why = "the times of the summary are whole numbers of days in this unit, and in no other";
            let symptom =
                if too_old { symptom } else { format!("times of the summary are counted in a {unit}, not in what is set") };
            vec![Finding::set("data.time_unit", unit.as_str(), symptom, why).of(years)]
        }
        None if too_old => vec![
            Finding::tell(
                symptom,
                "the summary's times are in a shorter unit than data.time_unit says; set it to the unit that they were counted in: it \
                 decides how far predict.horizon_months reaches",
            )
            .of(years)
            .blocking(),
        ],
        None => vec![],
    }
}

pub(super) const DOUBLED: Rule = Rule {
    name: "doubled",
    symptom: "every purchase day of every customer has an even number of lines",
    remedy: "none: the lines stand in the log twice, and no key takes them out",
    source: "docs/guide/data.md: lines of one customer and day merge into one purchase, whose amounts are added up",
    look: doubled,
};

fn doubled(view: &View<'_>) -> Vec<Finding> {
    let Some(data) = &view.packet.data else { return vec![] };
    let (Some(paired), Some(merged)) = (data.paired_share, data.merged_share) else { return vec![] };
    if paired > 0.99 {
        return vec![
            Finding::tell(
                format!("{} of the purchase days have an even number of lines", percent(paired)),
                "the log holds its lines twice, as when a file is read beside its copy. Lines of one day merge, so purchases are \
                 counted once, but amounts are added up: spend and lifetime value come out twice as high. Take the copies out, or name \
                 each file once in data.path",
            )
            .of(paired)
            .blocking(),
        ];
    }
    if merged > 0.5 {
        return vec![
            Finding::tell(
                format!("{} of the purchase days have more than one line", percent(merged)),
                "a line seems to be an item of a basket rather than a purchase, or some lines stand there twice: baskets of one day are \
                 added up, which is right; copies make the spend too high",
            )
            .of(merged),
        ];
    }
    vec![]
}

pub(super) const TOO_LITTLE: Rule = Rule {
    name: "too_little",
    symptom: "fewer than 30 repeat purchases, or fewer than 50 customers",
    remedy: "none: what follows is mostly the prior",
    source: "Fader & Hardie (2005), \"A Note on Implementing the Pareto/NBD Model in MATLAB\": the likelihood is nearly flat without repeats",
    look: too_little,
};

fn too_little(view: &View<'_>) -> Vec<Finding> {
    let Some(data) = &view.packet.data else { return vec![] };
    if data.repeat_purchases >= 30 && data.customers >= 50 {
        return vec![];
    }
    vec![
        Finding::tell(
            format!("{} customers with {} repeat purchases", data.customers, data.repeat_purchases),
            "what follows is mostly the prior: wait for more purchases, choose a longer window, or say what you know in the priors",
        )
        .of(data.repeat_purchases as f64),
    ]
}

pub(super) const NO_REPEATS: Rule = Rule {
    name: "no_repeats",
    symptom: "a group without a single repeat buyer",
    remedy: "none: it borrows everything from the others; merge it, or leave it out",
    source: "Gelman & Hill (2007), Data Analysis Using Regression and Multilevel/Hierarchical Models, chapter 12: partial pooling",
    look: no_repeats,
};

fn no_repeats(view: &View<'_>) -> Vec<Finding> {
    let Some(data) = &view.packet.data else { return vec![] };
    if data.groups_without_repeats == 0 || data.repeat_purchases == 0 {
        return vec![];
    }
    let named: Vec<&str> = data.groups.iter().filter(|g| g.no_repeat_buyers).take(3).map(|g| g.name.as_str()).collect();
    vec![
        Finding::tell(
            format!("{} group(s) without a repeat buyer ({})", data.groups_without_repeats, named.join(", ")),
            "nothing in such a group tells a customer who left from one who is slow: its parameters are what the other groups say, held \
             down by its silence. Partial pooling bears that. If the group is another kind of customer (one-off sales, a market that has \
             just opened), merge it with one like it or leave it out of the data",
        )
        .of(data.groups_without_repeats as f64),
    ]
}

/// How far outside its 90 % interval what is seen must lie for a prior to be called absurd.
const ABSURD: f64 = 10.0;

pub(super) const ABSURD_PRIORS: Rule = Rule {
    name: "absurd_priors",
    symptom: "what is seen lies ten times above or below what the priors hold possible (5 to 95 %)",
    remedy: "the default priors, which take their scale from the data",
    source: "Gabry, Simpson, Vehtari, Betancourt & Gelman (2019), \"Visualization in Bayesian workflow\", section 3: prior predictive checks",
    look: absurd_priors,
};

fn absurd_priors(view: &View<'_>) -> Vec<Finding> {
    let packet = view.packet;
    let mut out = vec![];
    // Those who stay may buy far more often than all do, who are seen together with those who left.
    let asked = [
        ("mean_repeat_purchases", "purchase", 1.0),
        ("rate_per_year", "purchase", 10.0),
        ("median_spend", "spend", 1.0),
    ];
    for (key, section, slack) in asked {
        let Some(prior) = packet.priors.iter().find(|p| p.key == key) else { continue };
        let (Some(seen), Some(q05), Some(q95)) = (prior.seen, prior.q05, prior.q95) else { continue };
        if !(seen > 0.0 && (seen > ABSURD * q95 || slack * seen < q05 / ABSURD)) {
            continue;
        }
        let symptom = format!(
            "priors of {section} hold {key} between {} and {}; {} is seen",
            plainly(q05),
            plainly(q95),
            plainly(seen)
        );
        let keys = ["priors", "hierarchy.mu", "hierarchy.sigma"].map(|part| format!("{section}.{part}"));
        let own: Vec<String> = keys.into_iter().filter(|key| packet.setting(key) == crate::advise::OWN).collect();
        if own.is_empty() {
            let text = "the priors are the default ones, so the data are unlike any shop that they are made for: look at the unit of time \
                        and of money";
            out.push(Finding::tell(symptom, text).of(seen));
            continue;
        }
        let why = "the default priors take their scale from the data and hold what is seen possible";
        out.extend(own.into_iter().map(|key| Finding::set(key, "default", symptom.clone(), why).of(seen)));
    }
    out
}

pub(super) const MODEL_CHOICE: Rule = Rule {
    name: "model_choice",
    symptom: "more than 85 % of customers have no repeat purchase, with a model in which nobody leaves before one",
    remedy: "none applied: fit `mbg_nbd` or `pareto_nbd` beside it and ask `longrun compare`",
    source: "Batislam, Denizel & Filiztekin (2007): in BG/NBD customers without a repeat purchase are alive for certain",
    look: model_choice,
};

fn model_choice(view: &View<'_>) -> Vec<Finding> {
    let Some(data) = &view.packet.data else { return vec![] };
    if data.one_time_share <= 0.85 || view.packet.model.purchase != "bg_nbd" || data.repeat_purchases == 0 {
        return vec![];
    }
    vec![
        Finding::tell(
            format!("{} of customers have no repeat purchase", percent(data.one_time_share)),
            "BG/NBD holds all of them for alive. Fit purchase.model = \"mbg_nbd\" or \"pareto_nbd\" as well, and let `longrun compare` say \
             which predicts better",
        )
        .of(data.one_time_share),
    ]
}
