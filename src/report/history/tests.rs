//! What the page of a history must be, however little or much has happened: safe, well formed, complete without a network.

use super::example::{empty, history, history_of};
use super::history_page;
use crate::evaluate::{Measure, Metric};
use crate::lifecycle::{History, PromotionRow};
use crate::report::tests::{assert_heard, assert_sound};

fn page(history: &History) -> String {
    let html = history_page(history).expect("the page is laid out");
    assert_sound(&html);
    assert_heard(&html);
    html
}

#[test]
fn a_whole_page_has_every_section_and_is_the_same_every_time() {
    let h = history(26);
    let html = page(&h);
    assert_eq!(html, page(&h));
    for said in [
        "The last window broke its limits.",
        "What to do next",
        "2023-06-30-9a3d08b1, since 8 Jul 2023",
        "16 Dec 2023",
        "26 snapshots; 20 windows have passed, limits of",
        "What was predicted, and what happened",
        "3 months ahead",
        "Share of all expected value",
        "What it takes to be in a tier",
        "Who moved between tiers",
        "Who moved between clusters",
        "What a cluster is worth",
        "frequent and recent, high spend",
        "monetary</span>",
        "<li>Customers bought 20 % less often than predicted",
        "value tier Top 1%",
        "href=\"alerts/2023-09-09_pred3m.md\"",
        "knows the spring",
        "champion now",
    ] {
        assert!(html.contains(said), "{said} is missing");
    }
    assert!(html.len() < 1_500_000, "{} bytes", html.len());
}

/// Five measures over 26 cutoffs: every snapshot has one mark in each panel, by what was said of it.
#[test]
fn every_snapshot_has_one_mark_by_what_was_said_of_it() {
    let h = history(26);
    let html = page(&h);
    let start = html.find("id=\"accuracy\"").expect("the chapter");
    let end = start + html[start..].find("What was predicted, and what happened").expect("the totals");
    let panels: Vec<&str> = html[start..end].split("<figure").skip(1).collect();
    assert_eq!(panels.len(), 5);
    for (panel, metric) in panels.iter().zip([
        Metric::Rmse,
        Metric::R2,
        Metric::GiniNormalized,
        Metric::CalibrationSlope,
        Metric::Coverage90,
    ]) {
        let marks = |class: &str| panel.matches(&format!("class=\"{class}\"")).count();
        let breaches = h
            .snapshots
            .iter()
            .filter_map(|row| row.monitor.as_ref()?.judgements.iter().find(|j| j.metric == metric))
            .filter(|j| j.state == crate::evaluate::State::Breach)
            .count();
        assert_eq!(marks("breach"), breaches, "{metric:?}");
        assert_eq!(marks("dot") + marks("warm-ring") + marks("breach") + marks("pale-ring"), 20, "{metric:?}");
        assert_eq!(marks("pending"), 6, "{metric:?}");
        assert_eq!(marks("reach"), 20, "{metric:?}");
        // One change of model.
        assert_eq!(marks("split"), 1, "{metric:?}");
        assert!(panel.contains(">M1</text>") && panel.contains(">M2</text>"));
    }
    assert!(panels[0].matches("class=\"breach\"").count() > 1, "the change for the worse is seen");
}

#[test]
fn a_project_is_shown_however_little_has_happened() {
    let html = page(&empty());
    assert!(html.contains("There is no champion yet.") && html.contains("<code>longrun train</code>"));
    for absent in ["id=\"accuracy\"", "id=\"value\"", "id=\"alarms\""] {
        assert!(!html.contains(absent), "{absent}");
    }
    let promoted = History { snapshots: Vec::new(), ..history(1) };
    assert!(page(&promoted).contains("Nothing has been predicted yet."));
    // A window that has passed, alone.
    assert!(page(&history(1)).contains("One snapshot; one window has passed"));
    // Only windows that run.
    let html = page(&history(3));
    assert!(html.contains("No window has passed yet.") && html.contains("3 snapshots; no window has passed yet."));
    assert!(!html.contains(">RMSE</span>") && html.contains("What was predicted, and what happened"));
}

#[test]
fn a_window_within_its_limits_a_doubtful_and_an_unjudged_one_say_so() {
    let mut h = history(8);
    assert!(page(&h).contains("The last window was within its limits."));
    let last = 1;
    let monitor = h.snapshots[last].monitor.as_mut().expect("it has matured");
    monitor.judgements[0].state = crate::evaluate::State::BeyondButUncertain;
    let html = page(&h);
    assert!(html.contains("beyond a limit, perhaps by chance.") && html.contains("class=\"warm-ring\""));
    assert!(!html.contains("What to do next"));
    let monitor = h.snapshots[last].monitor.as_mut().expect("it has matured");
    monitor.judgements.clear();
    monitor.baseline = None;
    monitor.not_judged = Some("model x has no evaluation".into());
    let html = page(&h);
    assert!(html.contains("could not be judged.") && html.contains("Model x has no evaluation."));
}

/// An RMSE over six months and one over three never stand on one axis.
#[test]
fn horizons_have_rows_of_their_own() {
    let mut h = history(26);
    let mut longer = history(12).snapshots;
    for row in &mut longer {
        row.snapshot.prediction_months = 6;
    }
    h.snapshots.extend(longer);
    let html = page(&h);
    let chapter =
        &html[html.find("id=\"accuracy\"").expect("it is there")..html.find("id=\"value\"").expect("it is there")];
    let rows: Vec<&str> = chapter.split("<section class=\"part\">").skip(1).collect();
    assert_eq!(rows.len(), 2);
    assert!(rows[0].contains("<h3>3 months ahead</h3>") && rows[1].contains("<h3>6 months ahead</h3>"));
    // Marks of the one are not in the other: 20 of 26 windows, 6 of 12.
    let intervals = |row: &&str| row.split("<figure").nth(1).expect("a panel").matches("class=\"reach\"").count();
    assert_eq!(rows.iter().map(intervals).collect::<Vec<_>>(), [20, 6]);
    // Purchases and money do not share one either.
    h.snapshots[3].snapshot.in_spend = false;
    assert!(page(&h).contains("<h3>3 months ahead, purchases</h3>"));
}

#[test]
fn a_page_stays_readable_however_much_there_is() {
    let mut h = history_of(60, 300);
    for i in 0..40 {
        h.promotions.push(PromotionRow { time: format!("moment {i}"), ..h.promotions[i % 2].clone() });
    }
    for row in &mut h.snapshots {
        row.snapshot.inputs = (0..30)
            .map(|c| crate::evaluate::Shift { column: format!("column {c}"), ..row.snapshot.inputs[0].clone() })
            .collect();
    }
    let html = page(&h);
    assert!(html.contains("12 of 301 clusters are shown") && html.contains("12 of 30 columns are shown"));
    assert!(html.contains("The 14 labels with the most customers are shown"));
    assert!(html.contains(" older</summary>"));
    assert!(html.len() < 4_000_000, "{} bytes", html.len());
}

#[test]
fn text_from_outside_is_never_markup() {
    let evil = "<script>alert(1)</script>\"'&<img onerror=x>=cmd|' ' !A0";
    let mut h = history(26);
    h.title = evil.into();
    h.currency = "<b>".into();
    h.champion = Some(evil.into());
    for p in &mut h.promotions {
        p.model_id = evil.into();
        p.note = evil.into();
        p.action = evil.into();
        p.time = evil.into();
    }
    for row in &mut h.snapshots {
        let s = &mut row.snapshot;
        s.model_id = evil.into();
        s.tiers[0].tier = evil.into();
        s.behaviour.clusters[0].profile = evil.into();
        s.inputs[0].column = evil.into();
        for moved in [&mut s.tier_movement, &mut s.cluster_movement].into_iter().flatten() {
            moved.then[0] = evil.into();
            moved.now[0] = evil.into();
        }
        if let Some(m) = &mut row.monitor {
            m.likely_causes = vec![evil.into()];
            m.worst_slices[0].label = evil.into();
            m.not_judged = Some(evil.into());
        }
    }
    let html = page(&h);
    assert_eq!(html.matches("<script>").count(), 1);
    assert!(!html.contains("<img") && !html.contains("<b>"));
}

#[test]
fn measures_that_are_missing_leave_gaps_and_no_words_of_the_machine() {
    let mut h = history(26);
    for (i, row) in h.snapshots.iter_mut().enumerate() {
        let s = &mut row.snapshot;
        s.clv = None;
        s.purchases.mean = f64::NAN;
        s.tiers.iter_mut().for_each(|t| t.cut_value = None);
        s.behaviour.clusters.iter_mut().for_each(|c| c.clv_index = None);
        s.inputs[0].mean = None;
        s.inputs[0].psi = f64::NAN;
        if i % 2 == 0 {
            s.inputs.clear();
            s.tiers.clear();
            s.behaviour.clusters.clear();
        }
        if let Some(outcome) = &mut row.outcome {
            outcome.accuracy.measures.values_mut().for_each(|m| *m = Measure::UNDEFINED);
            outcome.accuracy.measures.remove(&Metric::R2);
            outcome.total.actual_value = f64::INFINITY;
        }
        if i % 3 == 0 {
            row.monitor = None;
        }
    }
    let html = page(&h);
    assert!(!html.contains("What it takes to be in a tier"));
}

#[test]
fn commands_are_marked_and_nothing_else_is_markup() {
    for (text, wanted) in [
        ("run `a <b>` now", "run <code>a &lt;b&gt;</code> now"),
        ("`a`", "<code>a</code>"),
        ("5` long", "5` long"),
        ("<i>", "&lt;i&gt;"),
        ("", ""),
    ] {
        assert_eq!(super::marked(text), wanted);
    }
}

/// The calibration slope has a limit on either side. Each is one line, however often values change sides.
#[test]
fn both_limits_of_the_slope_are_whole_lines() {
    let h = history(26);
    let sides = |row: &crate::lifecycle::HistoryRow| {
        let j = row.monitor.as_ref()?.judgements.iter().find(|j| j.metric == Metric::CalibrationSlope)?;
        j.threshold_value
    };
    let seen: Vec<f64> = h.snapshots.iter().filter_map(sides).collect();
    assert!(seen.windows(2).filter(|pair| pair[0] != pair[1]).count() > 2, "values change sides: {seen:?}");
    let html = page(&h);
    let panel = html.split("<figure").find(|part| part.contains("<title>calibration slope")).expect("the panel");
    let lines: Vec<&str> =
        panel.split("class=\"reference\" d=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert_eq!(lines.len(), 2);
    assert!(lines.iter().all(|line| line.matches('M').count() == 1), "{lines:?}");
}

#[test]
fn a_rollback_names_the_model_as_before() {
    let mut h = history(26);
    let back =
        PromotionRow { action: "rollback".into(), time: "2023-11-02T00:00:00Z".into(), ..h.promotions[0].clone() };
    h.champion = Some(back.model_id.clone());
    h.promotions.push(back);
    let last = h.snapshots.last_mut().expect("26 snapshots");
    last.snapshot.model_id = "2022-12-31-f13c9b55".into();
    let html = page(&h);
    assert!(html.contains("2022-12-31-f13c9b55, since 2 Nov 2023") && !html.contains(">M3<"));
    assert_eq!(html.matches("champion now").count(), 1);
}

#[test]
#[ignore = "writes pages to look at: LONGRUN_PAGES=/tmp cargo test --lib report::history::tests::pages -- --ignored"]
fn pages() {
    let folder = std::path::PathBuf::from(std::env::var("LONGRUN_PAGES").expect("LONGRUN_PAGES names a folder"));
    let all = [
        ("empty", empty()),
        ("one", history(1)),
        ("running", history(3)),
        ("year", history(26)),
        ("many", history_of(60, 9)),
    ];
    for (name, h) in all {
        std::fs::write(folder.join(format!("history-{name}.html")), page(&h)).unwrap();
    }
    let grid = folder.join("grid.html");
    std::fs::write(grid, crate::report::grid_page(&crate::report::grid::example()).unwrap()).unwrap();
}
