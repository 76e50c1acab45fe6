//! The search over small shops: what it tries and refuses, that the future reaches no prediction, that it sees a change of behaviour and
//! invents none, and that a killed search goes on.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{Days, NaiveDate};
use tempfile::TempDir;

use super::*;
use crate::kernels::rng::{Purpose, Stream};
use crate::lifecycle::fit::fitted;
use crate::lifecycle::project::CONFIG;
use crate::lifecycle::{Access, Today};
use crate::run::Horizons;

/// Days of every shop's log.
const DAYS: u64 = 620;

fn day(n: u64) -> NaiveDate {
    NaiveDate::from_ymd_opt(2024, 1, 1).unwrap() + Days::new(n)
}

/// Purchases of a shop whose customers buy at rates of their own and rarely leave: (customer, day, amount). From `change` on, three of
/// four purchases do not happen.
fn purchases(customers: u64, seed: u64, change: Option<u64>) -> Vec<(u64, u64, f64)> {
    let mut all = Vec::new();
    for customer in 0..customers {
        let rng = &mut Stream::new(seed, Purpose::Test, customer, 0);
        // The sum of two exponentials: gamma of shape 2, once in 25 days on average.
        let rate = -(rng.uniform() * rng.uniform()).ln() / 50.0;
        let amount = 20.0 * (0.3 * rng.normal()).exp();
        let mut now = 200.0 * rng.uniform();
        let mut is_first = true;
        while now < DAYS as f64 {
            let day = now as u64;
            let happens = is_first || change.is_none_or(|change| day < change) || rng.uniform() < 0.25;
            if happens {
                all.push((customer, day, (amount * (0.2 * rng.normal()).exp() * 100.0).round() / 100.0));
            }
            is_first = false;
            if rng.uniform() < 0.01 {
                break;
            }
            now += -rng.uniform().ln() / rate;
        }
    }
    // Somebody buys on the last day, so that shops of one length have the same cutoffs.
    all.push((customers, 10, 20.0));
    all.push((customers, DAYS - 1, 20.0));
    all
}

struct Shop {
    folder: TempDir,
}

impl Shop {
    fn of(purchases: &[(u64, u64, f64)], lifecycle: &str) -> Self {
        let shop = Self { folder: tempfile::tempdir().unwrap() };
        let mut log = "customer_id,date,amount\n".to_owned();
        for (customer, n, amount) in purchases {
            writeln!(log, "C{customer:05},{},{amount:.2}", day(*n)).unwrap();
        }
        fs::write(shop.folder.path().join("log.csv"), log).unwrap();
        let text = format!(
            "[data]\npath = \"log.csv\"\n[diagnose]\nmax_pareto_k = 9.0\n[lifecycle]\nprediction_months = 3\n[lifecycle.grid]\ndraws = 100\n{lifecycle}\n"
        );
        fs::write(shop.folder.path().join(CONFIG), text).unwrap();
        shop
    }

    fn open(&self, sets: &[&str]) -> Project {
        let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
        Project::open(self.folder.path(), &sets, Today::given(day(DAYS)), Access::Write).unwrap()
    }

    fn search(&self, sets: &[&str]) -> Result<GridRecord> {
        grid(&self.open(sets), DECIDES, &Unobserved)
    }

    /// Every file below a folder.
    fn files(&self, below: &str) -> BTreeMap<PathBuf, Vec<u8>> {
        fn walk(folder: &Path, into: &mut BTreeMap<PathBuf, Vec<u8>>) {
            for entry in fs::read_dir(folder).unwrap().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    walk(&path, into);
                } else {
                    into.insert(path.clone(), fs::read(&path).unwrap());
                }
            }
        }
        let mut found = BTreeMap::new();
        walk(&self.folder.path().join(below), &mut found);
        found.into_iter().map(|(p, text)| (p.strip_prefix(self.folder.path()).unwrap().to_owned(), text)).collect()
    }

    /// The records of finished fits.
    fn records(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let in_grid = |path: &Path| {
            path.parent().and_then(Path::file_name).is_some_and(|name| name.to_string_lossy().starts_with("grid-"))
        };
        self.files("runs").into_iter().filter(|(path, _)| in_grid(path)).collect()
    }
}

fn combination(calibration_months: u32, prediction_months: u32) -> Combination {
    let (model, segmentation) = ("bg_nbd".to_owned(), "configured".to_owned());
    Combination { calibration_months, prediction_months, model, segmentation }
}

#[test]
fn what_comes_to_the_same_is_fitted_once() {
    let shop = Shop::of(
        &purchases(60, 1, None),
        "calibration_months = [0, 12, 6, 36, 6]\nprediction_months = [6, 3]\ncutoffs = 3\ncutoff_every_days = 60\n\
         models = [\"bg_nbd\", \"mbg_nbd\"]\nsegmentations = [\"configured\", \"none\", \"rfm\"]",
    );
    let project = shop.open(&[]);
    let plan = plan_grid(&project, &Unobserved).unwrap();
    assert_eq!(plan.calibration_months, [6, 12, 36, 0]);
    assert_eq!(plan.prediction_months, [3, 6]);
    // Without groups `none` is what is configured.
    assert_eq!(plan.segmentations, ["configured", "rfm"]);
    assert_eq!(plan.combinations, 4 * 2 * 2 * 2);
    // The longest window lies between the last cutoff and the last day.
    let last = day(DAYS - 1) - Days::new(183);
    assert_eq!(plan.cutoffs, [last - Days::new(120), last - Days::new(60), last]);
    // 36 months are everything at every cutoff; 12 months at the first, which lies 316 days in.
    assert_eq!(plan.fits, (2 + 3 + 3) * 4);
    assert_eq!(plan.fitted, 0);
    let log = project.log(false, &Unobserved).unwrap();
    let design = Design::of(&project, &log).unwrap();
    for (c, cutoff) in plan.cutoffs.iter().enumerate() {
        for wanted in design.combinations() {
            let trial = &design.trials[design.trial_of(c, &wanted)];
            assert_eq!((trial.cutoff, trial.model.key()), (*cutoff, wanted.model.as_str()));
            assert_eq!(trial.segmentation.key(), wanted.segmentation);
            let window = match wanted.calibration_months {
                6 => Some(6),
                12 if c > 0 => Some(12),
                _ => None,
            };
            assert_eq!(trial.windows.calibration_months, window);
        }
    }
}

#[test]
fn what_cannot_be_done_is_refused_before_anything_is_fitted() {
    let shop = Shop::of(&purchases(60, 1, None), "");
    for (sets, complaint) in [
        (&["lifecycle.grid.prediction_months=[3, 24]"][..], "too short for a prediction window of 24 months"),
        (&["lifecycle.grid.prediction_months=[]"], "must be months between 1 and 120"),
    ] {
        let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
        let said = Project::open(shop.folder.path(), &sets, Today::given(day(DAYS)), Access::Read)
            .and_then(|project| plan_grid(&project, &Unobserved))
            .unwrap_err()
            .to_string();
        assert!(said.contains(complaint), "{said}");
    }
    for (metric, complaint) in [
        (Metric::Rmse, "must not be compared across horizons"),
        (Metric::MeanActual, "must not be compared across horizons"),
        (Metric::AboveQ95, "does not measure this"),
    ] {
        let said = grid(&shop.open(&[]), metric, &Unobserved).unwrap_err().to_string();
        assert!(said.contains(complaint), "{said}");
    }
    // Cutoffs with too little before them are left out, and said so: nine of 60 days each before the 528th day.
    let plan = plan_grid(
        &shop.open(&[
            "lifecycle.grid.prediction_months=[3]",
            "lifecycle.grid.cutoffs=20",
            "lifecycle.grid.cutoff_every_days=60",
        ]),
        &Unobserved,
    )
    .unwrap();
    assert_eq!(plan.cutoffs.len(), 9);
    assert!(plan.notes.iter().any(|note| note.starts_with("11 of 20 cutoffs are left out")), "{:?}", plan.notes);
    assert!(shop.records().is_empty());
}

/// Two shops with the same purchases up to the cutoff and others after it: predictions equal to the last bit, whatever is judged.
#[test]
fn what_happens_after_a_cutoff_changes_no_prediction() {
    let grid =
        "calibration_months = [6, 0]\nprediction_months = [3, 6]\ncutoffs = 1\nsegmentations = [\"none\", \"rfm\"]";
    let known = purchases(150, 2, None);
    let cutoff_day = DAYS - 1 - 183;
    let mut other: Vec<(u64, u64, f64)> = known.iter().copied().filter(|p| p.1 <= cutoff_day).collect();
    other.push((150, DAYS - 1, 999.0));
    for customer in 0..40 {
        other.extend((1..9).map(|n| (customer, cutoff_day + 3 * n, 500.0)));
        other.push((1000 + customer, cutoff_day + 1, 70.0));
    }
    let predicted = |shop: &Shop| {
        let project = shop.open(&[]);
        let log = project.log(false, &Unobserved).unwrap();
        let design = Design::of(&project, &log).unwrap();
        assert_eq!(design.last_cutoff(), day(cutoff_day));
        let in_spend = actual::in_spend(&design).unwrap();
        assert!(in_spend);
        let actuals = Actual::all(&design, design.last_cutoff(), in_spend).unwrap();
        let mut predictions = Vec::new();
        let mut happened = Vec::new();
        for trial in &design.trials {
            let name = design.work_of(trial);
            let source = trial.recipe.source(&trial.windows, &name, log.last_date).unwrap();
            let dir = fitted(&project, &name, &source, &log, &Unobserved).unwrap();
            let horizons = Horizons::of(&dir, None).unwrap();
            assert!(horizons.in_spend());
            for actual in &actuals {
                assert!(actual.known.iter().eq(horizons.customers().iter()));
                let ahead = horizons.window(&actual.holdout, &Unobserved).unwrap();
                let quantiles: Vec<_> = ahead.window.customers.iter().map(|c| (c.mean, c.purchases)).collect();
                predictions.push((ahead.value, quantiles));
                happened.push(actual.value.clone());
            }
        }
        (predictions, happened)
    };
    let (one, other) = (predicted(&Shop::of(&known, grid)), predicted(&Shop::of(&other, grid)));
    assert_eq!(one.0.len(), 2 * 2 * 2);
    assert!(one.0 == other.0, "the future reached a prediction");
    assert_ne!(one.1, other.1);
    // 151 customers are known; those who come later are nobody's business.
    assert!(one.0.iter().all(|(value, _)| value.len() == 151));
    assert!(one.0.iter().all(|(value, _)| value.iter().all(|v| *v > 0.0)));
}

/// From the 330th day on customers buy a quarter as often. A window that begins later knows; everything does not.
#[test]
fn a_short_window_wins_where_behaviour_has_changed() {
    let shop = Shop::of(
        &purchases(500, 3, Some(330)),
        "calibration_months = [6, 0]\nprediction_months = [3]\ncutoffs = 2\ncutoff_every_days = 14",
    );
    let record = shop.search(&[]).unwrap();
    let r = &record.recommendation;
    assert_eq!((&r.best, &r.take), (&combination(6, 3), &combination(6, 3)), "{}", r.words);
    assert!(r.indistinguishable.is_empty(), "{}", r.words);
    assert_eq!(r.why, Why::Alone);
    assert!(r.config.contains("calibration_months = 6\nprediction_months = 3\n"), "{}", r.config);
    let of = |c: &Combination| record.rows.iter().find(|row| row.combination == *c).unwrap();
    assert_eq!(of(&combination(0, 3)).standing, Some(Standing::Worse));
    assert!(of(&combination(0, 3)).shortfall.unwrap().measure.low.unwrap() > 0.0);
    // The same customers, whatever the window.
    assert_eq!(of(&combination(0, 3)).customers, of(&combination(6, 3)).customers);
    let view = GridView::of(&record);
    assert_eq!(view.maps.len(), SCORES.len());
    assert_eq!((view.maps[0].metric, view.maps[0].recommended), (DECIDES, Some((0, 0))));
    assert_eq!(view.maps[0].badness, [[Some(0.0)], [Some(1.0)]]);
}

/// Nothing has changed: windows of 16 months and everything cannot be told apart, and the one that learns from most is recommended,
/// unless the project has the other. What fails stays, with its reason.
#[test]
fn windows_are_indistinguishable_where_nothing_has_changed() {
    let shop = Shop::of(
        &purchases(300, 4, None),
        "calibration_months = [16, 0]\nprediction_months = [3]\ncutoffs = 2\ncutoff_every_days = 45\nmodels = [\"bg_nbd\", \"s_bg\"]",
    );
    let record = shop.search(&["lifecycle.prediction_months=6"]).unwrap();
    let r = &record.recommendation;
    assert_eq!((r.compared, r.indistinguishable.len()), (2, 1), "{}", r.words);
    assert_eq!((&r.take, r.why), (&combination(0, 3), Why::MostData), "{}", r.words);
    let failed: Vec<_> = record.rows.iter().filter(|row| row.state != GridState::Judged).collect();
    assert_eq!(failed.len(), 2);
    for row in failed {
        assert_eq!((row.combination.model.as_str(), row.rank, row.state), ("s_bg", None, GridState::Failed));
        assert!(
            row.reason.as_ref().is_some_and(|reason| reason.starts_with("at 2025") && reason.contains("must be")),
            "{row:?}"
        );
    }
    let again = shop.search(&["lifecycle.calibration_months=16"]).unwrap().recommendation;
    assert_eq!((&again.take, again.why), (&combination(16, 3), Why::Configured), "{}", again.words);
    let table =
        fs::read_to_string(shop.folder.path().join(format!("grid/{}/results.csv", record.plan.cutoffs[1]))).unwrap();
    // A head, and four combinations at two cutoffs.
    assert_eq!(table.lines().count(), 1 + 4 * 2);
    assert_eq!(table.lines().filter(|line| line.contains(",failed,")).count(), 4);
}

/// Stops a search after so many fits, as a kill would: without a chance to tidy up.
struct Killer {
    after: u64,
    seen: AtomicU64,
}

impl Observer for Killer {
    fn fitting(&self, done: u64, _total: u64) {
        self.seen.store(done, Ordering::Relaxed);
        assert!(done < self.after, "killed, as the test wants");
    }
}

#[test]
fn a_killed_search_goes_on_and_ends_with_the_same_files() {
    let lifecycle =
        "calibration_months = [9, 0]\nprediction_months = [3, 6]\ncutoffs = 2\nsegmentations = [\"none\", \"rfm\"]";
    let shop = Shop::of(&purchases(120, 5, None), lifecycle);
    let killer = Killer { after: 3, seen: AtomicU64::new(0) };
    let killed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| grid(&shop.open(&[]), DECIDES, &killer)));
    assert!(killed.is_err() && killer.seen.load(Ordering::Relaxed) == 3);
    let before = shop.records();
    assert_eq!(before.len(), 3);
    assert!(!shop.folder.path().join("grid").exists());
    assert_eq!(plan_grid(&shop.open(&[]), &Unobserved).unwrap().fitted, 3);
    let record = shop.search(&[]).unwrap();
    let after = shop.records();
    assert_eq!(after.len() as u64, record.plan.fits);
    // What was done is not done again: the seconds in a record are those of the first time.
    before.iter().for_each(|(path, text)| assert_eq!(&after[path], text, "{}", path.display()));
    // Nothing but the records and the log's table is left of the work.
    let kept = |path: &Path| path.starts_with("runs/log");
    assert!(shop.files("runs").keys().all(|path| after.contains_key(path) || kept(path)));
    let files = shop.files("grid");
    assert_eq!(files.len(), 3);
    assert_eq!(shop.search(&[]).unwrap(), record);
    assert_eq!((shop.records(), shop.files("grid")), (after, files.clone()));
    let undisturbed = Shop::of(&purchases(120, 5, None), lifecycle);
    undisturbed.search(&[]).unwrap();
    assert!(undisturbed.files("grid") == files, "a kill left its mark");
}

#[test]
fn a_sample_of_customers_learns_and_is_judged() {
    let shop = Shop::of(
        &purchases(200, 6, None),
        "calibration_months = [0]\nprediction_months = [3]\ncutoffs = 2\nsample_customers = 80",
    );
    let record = shop.search(&[]).unwrap();
    assert_eq!(record.rows[0].customers, 160);
    assert_eq!(record.recommendation.why, Why::Alone);
    assert!(record.recommendation.words.contains("nothing to compare it with"), "{}", record.recommendation.words);
}
