//! Rules about how the posterior is explored: chains, draws, warm-up, step sizes, coordinates, priors of spreads.

use serde_json::Value;

use super::Rule;
use super::view::{Finding, View, percent, plainly};
use crate::advise::packet::{SHORT_RUN_DEPTH, Stage};

/// Chains that show whether they agree.
const CHAINS: u64 = 4;
/// Draws per chain that are seldom too few.
const DRAWS: u64 = 1000;
/// Warm-up that is seldom too short; it ends sooner where nothing is left to learn.
const WARMUP: u64 = 1000;
/// More draws than this, and the trouble is another one.
const MOST_DRAWS: u64 = 20_000;
/// An R-hat below which chains nearly agree.
const NEAR: f64 = 1.05;
/// Draws beyond those that are just enough.
const SLACK: f64 = 1.25;

pub(super) const APPROXIMATION: Rule = Rule {
    name: "approximation",
    symptom: "an approximation that the verdict refuses",
    remedy: "`sampler.kind = \"nuts\"`",
    source: "Vehtari, Simpson, Gelman, Yao & Gabry (2024), \"Pareto Smoothed Importance Sampling\", JMLR 25(72)",
    look: |view| {
        let failed = view.packet.fits.iter().find(|fit| fit.method != "sampling" && !fit.passed);
        failed
            .map(|fit| {
                let symptom = format!("{} of {} does not stand for the posterior", fit.method, fit.fit);
                Finding::set("sampler.kind", "nuts", symptom, "samples of the posterior need no such excuse")
            })
            .into_iter()
            .collect()
    },
};

pub(super) const FEW_CHAINS: Rule = Rule {
    name: "few_chains",
    symptom: "fewer than four chains",
    remedy: "`sampler.chains = 4`",
    source: "Vehtari, Gelman, Simpson, Carpenter & Bürkner (2021): four chains at least, so that R-hat can see them disagree",
    look: |view| {
        let chains = view.count("sampler.chains");
        if !view.samples() || chains >= CHAINS {
            return vec![];
        }
        let why = "one chain cannot show that another start would have ended elsewhere, and two hardly";
        vec![Finding::set("sampler.chains", CHAINS, format!("{chains} chain(s)"), why).of(chains as f64)]
    },
};

pub(super) const FEW_DRAWS: Rule = Rule {
    name: "few_draws",
    symptom: "fewer draws in all than twice the effective draws that the verdict asks for",
    remedy: "`sampler.draws = 1000`",
    source: "Vehtari et al. (2021), section 4: an effective sample size of 400 at least, from draws that are seldom independent",
    look: |view| {
        let (chains, draws) = (view.count("sampler.chains").max(CHAINS), view.count("sampler.draws"));
        if !view.samples() || (draws >= 100 && (draws * chains) as f64 >= 2.0 * view.packet.limits.ess) {
            return vec![];
        }
        let why = "draws that follow one another are alike, so that more are needed than are effective";
        vec![Finding::set("sampler.draws", DRAWS, format!("{draws} draws per chain"), why).of(draws as f64)]
    },
};

pub(super) const SHORT_WARMUP: Rule = Rule {
    name: "short_warmup",
    symptom: "fewer than 200 warm-up transitions",
    remedy: "`sampler.warmup = 1000`",
    source: "Stan Reference Manual, \"HMC algorithm parameters\": step size and metric are adapted over windows of warm-up",
    look: |view| {
        let warmup = view.count("sampler.warmup");
        if !view.samples() || warmup >= 200 {
            return vec![];
        }
        let why = "step size and metric are learned in warm-up; it ends sooner where nothing is left to learn";
        vec![Finding::set("sampler.warmup", WARMUP, format!("{warmup} warm-up transitions"), why).of(warmup as f64)]
    },
};

pub(super) const LOW_TARGET: Rule = Rule {
    name: "low_target",
    symptom: "`sampler.target_accept` of NUTS below 0.6",
    remedy: "`sampler.target_accept = 0.8`",
    source: "Betancourt, Byrne & Girolami (2014), \"Optimizing The Integrator Step Size for Hamiltonian Monte Carlo\": 0.6 to 0.9",
    look: |view| {
        let target = view.target_accept();
        if !view.kind_is("nuts") || target >= 0.6 {
            return vec![];
        }
        let why = "steps so long are refused half of the time and miss narrow parts of the posterior";
        let symptom = format!("target_accept {target}");
        vec![Finding::set("sampler.target_accept", 0.8, symptom, why).of(target)]
    },
};

pub(super) const DIVERGENCES: Rule = Rule {
    name: "divergences",
    symptom: "transitions diverged",
    remedy: "`sampler.target_accept` to 0.9, 0.95, 0.99; coordinates that were chosen by hand back to `auto`, then `non_centred` (of the \
             parameter that the verdict names, if it does); then a tighter prior of the spread over groups",
    source: "Betancourt & Girolami (2015), \"Hamiltonian Monte Carlo for Hierarchical Models\"; Betancourt (2017), \"A Conceptual Introduction \
             to Hamiltonian Monte Carlo\", section 6.2",
    look: divergences,
};

fn divergences(view: &View<'_>) -> Vec<Finding> {
    let mut out = vec![];
    for (fit, symptom) in view.suffering(&["divergences"]) {
        let what = format!("{} of the transitions of {} diverged", percent(fit.divergence_share), fit.fit);
        let next = [0.9, 0.95, 0.99].into_iter().find(|t| *t > view.target_accept() + 1e-9);
        let coordinates = coordinates(view, &fit.fit, symptom.parameter.as_deref(), &what);
        if let Some(next) = next {
            let why = "shorter steps follow the posterior into its narrow corners";
            out.push(Finding::set("sampler.target_accept", next, what.clone(), why).of(fit.divergence_share));
            // What was chosen by hand goes at once: a funnel in the wrong coordinates stays one at any step size.
            out.extend(coordinates.filter(|_| has_own_centring(view, &fit.fit)));
            continue;
        }
        match coordinates.or_else(|| tighter_spread(view, &fit.fit, symptom.parameter.as_deref(), &what)) {
            Some(finding) => out.push(finding),
            None => out.push(Finding::tell(
                what,
                "target_accept is as high as it goes and coordinates and priors were tried: the model and these data have a corner that \
                 cannot be followed. Fit fewer groups, or leave out covariates that say the same",
            )),
        }
    }
    out
}

/// Whether coordinates were chosen by hand.
fn has_own_centring(view: &View<'_>, fit: &str) -> bool {
    let set = view.packet.setting(&format!("{fit}.hierarchy.centring"));
    !set.is_null() && set != "auto"
}

/// Other coordinates for the groups of a fit: `auto` where something was chosen by hand, then `non_centred`.
fn coordinates(view: &View<'_>, fit: &str, parameter: Option<&str>, what: &str) -> Option<Finding> {
    if !view.pooled() {
        return None;
    }
    let all = format!("{fit}.hierarchy.centring");
    if has_own_centring(view, fit) && view.changes_of(&all) == 0 {
        let why = "coordinates by what each group's own data say are good for rich groups and poor ones; one choice for all is not";
        return Some(Finding::set(all, "auto", what, why));
    }
    let one = parameter.and_then(base_name).map(|name| format!("{all}.{name}"));
    let key = one.filter(|key| crate::advise::allowed(key).is_some()).unwrap_or(all);
    if view.changes_of(&key) > 0 && view.packet.setting(&key) == "non_centred" {
        return None;
    }
    let why =
        "where groups say little beside the prior, their deviations are the coordinates in which there is no funnel";
    Some(Finding::set(key, "non_centred", what, why))
}

/// A tighter prior of the spread over groups: half of what it is, down to an eighth.
fn tighter_spread(view: &View<'_>, fit: &str, parameter: Option<&str>, what: &str) -> Option<Finding> {
    const DEFAULT_SCALE: f64 = 0.5;
    const LEAST: f64 = 0.1;
    if !view.pooled() {
        return None;
    }
    let named = parameter.and_then(base_name).map(str::to_owned);
    let first = view.packet.model.pooled.first().filter(|_| fit == "purchase").cloned();
    let key = format!("{fit}.hierarchy.sigma.{}", named.or(first)?);
    crate::advise::allowed(&key)?;
    let scale = view.packet.number(&key).unwrap_or(DEFAULT_SCALE);
    let why = "the neck of the funnel is a spread near zero beside one far from it: a tighter prior shortens it";
    (scale > LEAST).then(|| Finding::set(key, Value::from(0.5 * scale), what, why))
}

/// The parameter that a name like `sigma[rate]`, `rate[group 3]` or `rate` is about.
fn base_name(parameter: &str) -> Option<&str> {
    let (name, inside) = match parameter.split_once('[') {
        Some((name, rest)) => (name, rest.trim_end_matches(']')),
        None => (parameter, ""),
    };
    let name = if matches!(name, "mu" | "sigma") { inside } else { name };
    // `parameter=rate` or `rate`.
    let name = name.rsplit('=').next().unwrap_or(name).trim();
    (!name.is_empty()).then_some(name)
}

pub(super) const DEPTH: Rule = Rule {
    name: "depth",
    symptom: "more than 1 % of the transitions ended at the tree-depth limit",
    remedy: "`sampler.max_treedepth` back to 10, then 12, then 14",
    source: "Stan, \"Runtime warnings and convergence problems\": maximum treedepth is a matter of efficiency, until it truncates",
    look: |view| {
        let worst = view.packet.fits.iter().max_by(|a, b| a.depth_hit_share.total_cmp(&b.depth_hit_share));
        let Some(fit) = worst.filter(|fit| fit.depth_hit_share > 0.01) else { return vec![] };
        let depth = view.count("sampler.max_treedepth");
        if view.packet.stage == Stage::Cycle && depth > u64::from(SHORT_RUN_DEPTH) {
            return vec![];
        }
        let symptom = format!(
            "{} of the transitions of {} ended at the limit of depth {depth}",
            percent(fit.depth_hit_share),
            fit.fit
        );
        match [10, 12, 14].into_iter().find(|d| *d > depth) {
            Some(next) => {
                let why = "a trajectory that is cut short comes back to where it began: draws cost more and say less";
                vec![Finding::set("sampler.max_treedepth", next, symptom, why).of(fit.depth_hit_share)]
            }
            None => vec![
                Finding::tell(
                    symptom,
                    "trajectories of 16,384 steps are still too short: some direction is left open by data and priors; give it a prior",
                )
                .of(fit.depth_hit_share),
            ],
        }
    },
};

pub(super) const ENERGY: Rule = Rule {
    name: "energy",
    symptom: "E-BFMI below its limit",
    remedy: "coordinates (as for divergences), then a tighter prior of the spread over groups, then a longer warm-up",
    source: "Betancourt (2016), \"Diagnosing Suboptimal Cotangent Disintegrations in Hamiltonian Monte Carlo\"",
    look: |view| {
        let mut out = vec![];
        for (fit, symptom) in view.suffering(&["e_bfmi"]) {
            let what =
                format!("E-BFMI of {} is {}", fit.fit, fit.e_bfmi.map_or_else(|| "not to be had".into(), plainly));
            let parameter = symptom.parameter.as_deref();
            let remedy = coordinates(view, &fit.fit, parameter, &what)
                .or_else(|| tighter_spread(view, &fit.fit, parameter, &what))
                .or_else(|| longer_warmup(view, &what));
            let nothing = || {
                let text = "heavy tails that neither coordinates nor warm-up mend: tighten the priors that leave the tail open";
                Finding::tell(what.clone(), text)
            };
            out.push(remedy.unwrap_or_else(nothing).of(fit.e_bfmi));
        }
        out
    },
};

/// Twice the warm-up, up to 4,000.
fn longer_warmup(view: &View<'_>, what: &str) -> Option<Finding> {
    const MOST: u64 = 4000;
    let warmup = view.count("sampler.warmup");
    let next = (2 * warmup).clamp(WARMUP, MOST);
    let why = "chains that have not yet arrived disagree; warm-up ends sooner where nothing is left to learn";
    (warmup < MOST).then(|| Finding::set("sampler.warmup", next, what, why))
}

pub(super) const STUCK: Rule = Rule {
    name: "stuck",
    symptom: "a chain that never moves, draws that are not finite, chains that are stuck or in different modes",
    remedy: "the default priors where there are own ones, then twice the warm-up",
    source: "Gelman et al. (2020), \"Bayesian Workflow\", section 5: stuck chains and minor modes",
    look: |view| {
        let mut out = vec![];
        for (fit, symptom) in view.suffering(&["constant", "not_finite", "stuck", "modes"]) {
            let what =
                format!("{} of {}: {}", symptom.kind, fit.fit, symptom.parameter.as_deref().unwrap_or("a chain"));
            let own = ["priors", "hierarchy.mu", "hierarchy.sigma"].map(|part| format!("{}.{part}", fit.fit));
            let own = own.into_iter().find(|key| view.packet.setting(key) == crate::advise::OWN);
            let why = "default priors take their scale from the data and leave no far-away places to be stuck in";
            let remedy = own.map(|key| Finding::set(key, "default", what.clone(), why));
            let nothing = || {
                let text = "chains stay in different places after a long warm-up: the posterior has several, or a parameter is not \
                            identified by these data. Leave out what cannot be told apart, or give it a tighter prior";
                Finding::tell(what.clone(), text)
            };
            out.push(remedy.or_else(|| longer_warmup(view, &what)).unwrap_or_else(nothing).of(symptom.figure));
        }
        out
    },
};

pub(super) const DISAGREE: Rule = Rule {
    name: "disagree",
    symptom: "R-hat above its limit by more than the number of effective draws explains",
    remedy: "below 1.05 twice the draws, up to 10,000; from there twice the warm-up, up to 4,000",
    source: "Vehtari et al. (2021): chains that do not mix; Brooks & Gelman (1998): with a trend, run longer",
    look: |view| {
        let limit = view.packet.limits.r_hat;
        let mut out = vec![];
        for fit in view.packet.fits.iter().filter(|f| f.method == "sampling" && f.chains > 1) {
            let Some(worst) = fit.r_hat.as_ref() else { continue };
            let (Some(r_hat), Some(ess)) = (worst.value, fit.ess_bulk.as_ref().and_then(|f| f.value)) else { continue };
            // R-hat² ≈ 1 + 1/(effective draws of half a chain) for chains that agree; thrice that is still chance.
            let half = ess / (2.0 * fit.chains as f64);
            let chance = (1.0 + 3.0 / half.max(1.0)).sqrt();
            // The worst of many parameters in a short run is above the limit more often than not: the full run decides there.
            let noise = if view.packet.stage == Stage::Cycle { NEAR } else { limit };
            if r_hat <= noise.max(chance) {
                continue;
            }
            let what = format!("R-hat of {} in {} is {}", worst.parameter, fit.fit, plainly(r_hat));
            let nothing = || {
                let text = "chains still disagree after the longest warm-up: look at the trace plot for chains in different places, and \
                            tighten the priors of what is not identified";
                Finding::tell(what.clone(), text)
            };
            // So near the limit, chains that agree need only be longer.
            let draws = 2 * view.count("sampler.draws").max(DRAWS / 2);
            let near = r_hat < NEAR && draws <= MOST_DRAWS / 2;
            let why = "chains that nearly agree are told apart by chance: more draws settle it";
            let more = near.then(|| Finding::set("sampler.draws", draws, what.clone(), why));
            out.push(more.or_else(|| longer_warmup(view, &what)).unwrap_or_else(nothing).of(r_hat));
        }
        out
    },
};

pub(super) const FEW_EFFECTIVE: Rule = Rule {
    name: "few_effective",
    symptom: "at the draws that are set, too few effective draws would be left, for the limit of the effective sample size or for that of R-hat",
    remedy: "`sampler.draws` to what the limits ask for, with a quarter to spare; past 20,000 the coordinates",
    source: "Vehtari et al. (2021), section 4; Geyer (1992), \"Practical Markov Chain Monte Carlo\"",
    look: |view| {
        let (chains, draws) = (view.count("sampler.chains").max(CHAINS), view.count("sampler.draws"));
        let limits = view.packet.limits;
        // As the verdict has it: fewer effective draws than this, and even chains that agree rarely get below R-hat's limit.
        let for_r_hat = 2.0 / (limits.r_hat * limits.r_hat - 1.0) * chains as f64;
        let mut out: Vec<(f64, Finding)> = vec![];
        for fit in view.packet.fits.iter().filter(|f| f.method == "sampling" && f.chains * f.draws > 0) {
            let least = [fit.ess_bulk.as_ref(), fit.ess_tail.as_ref()].map(|f| f.and_then(|f| f.value));
            let transitions = (fit.chains * fit.draws) as f64;
            let needed = |ess: f64, limit: f64| SLACK * limit / (ess / transitions) / chains as f64;
            // A handful of draws has no effective sample size worth the name.
            let judged = fit.draws >= 100;
            let wanted = [(least[0], limits.ess.max(for_r_hat)), (least[1], limits.ess)]
                .into_iter()
                .filter_map(|(ess, limit)| ess.filter(|e| judged && *e > 0.0).map(|ess| needed(ess, limit)))
                .fold(0.0, f64::max);
            if wanted <= draws as f64 {
                continue;
            }
            let ess = least.into_iter().flatten().fold(f64::INFINITY, f64::min);
            let what = format!("{} effective of {} draws of {}", plainly(ess), plainly(transitions), fit.fit);
            let rounded = (wanted / 100.0).ceil() as u64 * 100;
            if rounded <= MOST_DRAWS {
                let why = "draws that follow one another are alike; so many leave enough effective ones";
                out.push((wanted, Finding::set("sampler.draws", rounded, what, why).of(ess)));
                continue;
            }
            let nothing = || {
                let text = "the chains hardly move in some direction, and no reasonable number of draws mends that: tighten the priors that \
                            leave it open, or simplify the model";
                Finding::tell(what.clone(), text)
            };
            let remedy = longer_warmup(view, &what).or_else(|| coordinates(view, &fit.fit, None, &what));
            out.push((wanted, remedy.unwrap_or_else(nothing).of(ess)));
        }
        // The neediest fit has the first word.
        out.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        out.into_iter().map(|(_, finding)| finding).collect()
    },
};
