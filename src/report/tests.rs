//! What every page must be, whatever the view: safe, well formed, complete without a network, free of numbers that are none.

use super::example::{failed, view};
use super::{Interval, View, render};

/// The page without style and script.
pub(super) fn visible(html: &str) -> String {
    let (head, rest) = html.split_once("<style>").unwrap();
    let (_, rest) = rest.split_once("</style>").unwrap();
    let (body, rest) = rest.split_once("<script>").unwrap();
    let (_, tail) = rest.split_once("</script>").unwrap();
    format!("{head}{body}{tail}")
}

/// Fails unless every element that opens also closes, in order; returns how many drawings there are.
fn assert_balanced(html: &str) -> usize {
    const VOID: [&str; 5] = ["meta", "br", "link", "input", "!doctype"];
    let (mut open, mut drawings) = (Vec::new(), 0);
    let body = visible(html);
    let mut rest = body.as_str();
    while let Some(start) = rest.find('<') {
        let end = start + rest[start..].find('>').expect("a tag that never ends");
        let tag = &rest[start + 1..end];
        rest = &rest[end + 1..];
        assert_eq!(tag.matches('"').count() % 2, 0, "an attribute that never ends: {tag}");
        let name = tag.trim_start_matches('/').split([' ', '/']).next().unwrap();
        if let Some(closing) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(closing), "closed out of order");
        } else if !tag.ends_with('/') && !VOID.contains(&name) {
            drawings += usize::from(name == "svg");
            open.push(name.to_owned());
        }
    }
    assert!(open.is_empty(), "never closed: {open:?}");
    drawings
}

/// What holds for every page.
pub(super) fn assert_sound(html: &str) {
    assert!(html.starts_with("<!doctype html>"), "{}", &html[..40]);
    assert!(assert_balanced(html) > 0);
    let body = visible(html);
    for word in ["NaN", "nan", "inf", "undefined", "None", "Some("] {
        let bare = body.split(|c: char| !c.is_alphanumeric() && c != '(').any(|w| w == word);
        assert!(!bare, "{word} is on the page");
    }
    for address in ["http:", "https:", "//", "src=", "url(", "@import"] {
        assert!(!body.contains(address), "{address} is on the page");
    }
    assert!(!html.contains("url(") && !html.contains("@import") && !html.contains("/* DARK */"));
}

#[test]
fn a_whole_page_is_sound_small_and_the_same_every_time() {
    let html = render(&view(12)).unwrap();
    assert_sound(&html);
    assert!(html.len() < 1_000_000, "{} bytes", html.len());
    assert_eq!(html, render(&view(12)).unwrap());
    for said in ["You can use these numbers.", "23,570", "$812,450", "Champions", "R-hat", "69,659", "90\u{a0}%"] {
        assert!(html.contains(said), "{said} is missing");
    }
    // The verdict comes before any number, statistics come last.
    let place = |text: &str| html.find(text).unwrap();
    assert!(place("You can use these numbers.") < place("$812,450"));
    assert!(place("Champions") < place("<h3>The posterior</h3>"));
}

#[test]
fn sections_that_a_run_does_not_have_are_absent() {
    let html = render(&View { title: "bare".into(), ..View::default() }).unwrap();
    assert_sound(&html);
    for section in ["Where the value is", "Does the model fit?", "The posterior", "The chains", "How it was made"] {
        assert!(!html.contains(section), "{section}");
    }
    // Taking one section away takes nothing else away.
    let full = view(2);
    type TakeAway = fn(&mut View);
    let without: [(&str, TakeAway); 16] = [
        ("Where the value is", |v| v.tiers.clear()),
        ("Who to talk to", |v| v.segments.clear()),
        ("Does the model fit?", |v| {
            v.tracking = None;
            for rows in [&mut v.frequency, &mut v.recency, &mut v.spend] {
                rows.clear();
            }
            v.quantities.clear();
        }),
        ("One number at a time", |v| v.quantities.clear()),
        ("Energy</h3>", |v| v.chains.iter_mut().for_each(|fit| fit.energy = None)),
        ("Two by two", |v| v.chains.iter_mut().for_each(|fit| fit.pairs = None)),
        ("Before and after", |v| v.parameters.iter_mut().for_each(|p| p.prior = None)),
        ("What the answer leans on", |v| v.sensitivity = None),
        ("Over time", |v| v.resources.samples.clear()),
        ("Did it predict the future?", |v| v.holdout = None),
        ("Who is still a customer?", |v| v.alive = None),
        ("By cohort", |v| v.groups = None),
        ("How much groups borrow", |v| v.shrinkage.clear()),
        ("What is known of customers", |v| v.covariates.clear()),
        ("The posterior", |v| v.parameters.clear()),
        ("How it was made", |v| v.facts = super::Facts::default()),
    ];
    let sections = |html: &str| html.matches("<section class=\"part\">").count();
    let all = sections(&render(&full).unwrap());
    for (heading, take_away) in without {
        let mut v = full.clone();
        take_away(&mut v);
        let html = render(&v).unwrap();
        assert_sound(&html);
        assert!(!html.contains(heading), "{heading}");
        // Chains and priors go with the parameters, test quantities with the checks, times with the facts.
        let gone = match heading {
            "The posterior" => 3,
            "Does the model fit?" | "How it was made" => 2,
            _ => 1,
        };
        assert_eq!(sections(&html), all - gone, "{heading}");
    }
}

#[test]
fn text_from_outside_is_never_markup() {
    let evil = "<script>alert(1)</script>\"'&<img onerror=x>";
    let mut v = view(2);
    v.title = evil.into();
    v.subtitle = evil.into();
    v.currency = "<b>".into();
    v.time_unit = evil.into();
    v.horizon = evil.into();
    v.verdict.reasons = vec![evil.into()];
    v.tiers[0].name = evil.into();
    v.tiers[0].rule = Some(evil.into());
    v.segments[0].action = Some(evil.into());
    v.frequency[0].label = evil.into();
    v.facts.versions.push((evil.into(), evil.into()));
    v.facts.fits[0].adapter = Some(evil.into());
    if let Some(h) = &mut v.holdout {
        h.length = evil.into();
        h.scores[1].name = evil.into();
        h.by_frequency[0].label = evil.into();
    }
    if let Some(g) = &mut v.groups {
        g.column = evil.into();
        g.rows[0].label = evil.into();
    }
    v.covariates[1].covariate = evil.into();
    v.covariates[1].step = super::CovariateStep::Level(evil.into());
    for p in &mut v.parameters {
        p.name = evil.into();
        p.fit = evil.into();
        p.concern = Some(evil.into());
        p.coords = vec![(evil.into(), evil.into())];
    }
    let html = render(&v).unwrap();
    assert_sound(&html);
    assert_eq!(html.matches("<script>").count(), 1);
    assert!(!html.contains("<img") && !html.contains("<b>"));
}

#[test]
fn a_refused_result_says_so_loudly_and_gives_no_advice_to_act_on() {
    let v = failed(12);
    let html = render(&v).unwrap();
    assert_sound(&html);
    assert!(html.contains("Do not use these numbers.") && !html.contains("You can use these numbers."));
    assert!(html.contains("What to try") && html.contains("Not for use"));
    assert!(html.contains("214 of 4,000 draws diverged"));
    // The parameter to blame is in sight, not folded away.
    let place = |text: &str| html.find(text).unwrap();
    assert!(place("class=\"why\">R-hat 1.38 above 1.01") < place(" parameters of single groups"));
    assert!(html.contains("<figure class=\"panel concern\">"));
    for class in v.tiers.iter().chain(&v.segments) {
        assert!(!html.contains(class.action.as_deref().unwrap()));
    }
    assert!(!html.contains("are expected to buy"));
}

#[test]
fn many_groups_are_cut_with_a_note() {
    let html = render(&view(1_000)).unwrap();
    assert_sound(&html);
    assert!(html.contains("Of 1,000 groups, the 40 with the most value are shown."));
    assert!(html.contains("200 of 7,007 parameters are shown"));
    assert!(html.len() < 2_000_000, "{} bytes", html.len());
    assert!(!render(&view(12)).unwrap().contains("with the most value are shown"));
}

#[test]
fn one_group_needs_no_details() {
    let html = render(&view(1)).unwrap();
    assert_sound(&html);
    assert!(!html.contains("<details"));
}

#[test]
fn numbers_that_are_none_read_as_a_dash() {
    let mut v = view(2);
    let bad = Interval { mean: f64::NAN, q05: f64::NEG_INFINITY, q95: f64::INFINITY };
    v.tiers[0].value = bad;
    v.tiers[0].share = f64::NAN;
    v.frequency[2].predicted = bad;
    v.frequency[3].actual = f64::NAN;
    if let Some(h) = &mut v.headline {
        h.value = Some(bad);
        h.alive = Some(f64::NAN);
    }
    if let Some(t) = &mut v.tracking {
        t.predicted[5] = bad;
        t.cumulative[77] = bad;
        t.actual[7] = f64::INFINITY;
    }
    if let Some(h) = &mut v.holdout {
        h.predicted = bad;
        h.scores[0].rmse = f64::NAN;
    }
    if let Some(a) = &mut v.alive {
        a.probability[3][3] = Some(f64::NAN);
        a.age = f64::NAN;
    }
    if let Some(g) = &mut v.groups {
        g.rows[0].value = bad;
    }
    v.covariates[0].q95 = f64::NAN;
    v.covariates[1].q95 = 800.0;
    v.covariates[2].q50 = f64::NAN;
    for p in &mut v.parameters {
        p.r_hat = f64::NAN;
        p.sd = f64::INFINITY;
        p.density.as_mut().unwrap().y[3] = f64::NAN;
        if let Some(chain) = p.trace.first_mut() {
            chain[2] = f64::NAN;
        }
    }
    v.facts.steps[0].seconds = f64::NAN;
    assert_sound(&render(&v).unwrap());
}

#[test]
fn empty_and_constant_lists_still_make_a_page() {
    let mut v = view(2);
    v.tracking = Some(super::Tracking::default());
    v.alive = Some(super::AliveMap::default());
    v.holdout = Some(super::Holdout::default());
    for p in &mut v.parameters {
        p.trace = vec![vec![1.0; 10], Vec::new()];
        p.ranks = vec![vec![0; 5]; 2];
        p.density = Some(super::Density::default());
    }
    assert_sound(&render(&v).unwrap());
}

/// 1,000 groups × 7 parameters, and as many chains as a GPU run has, all of it in the view: the page shows the worst in full and the
/// rest in tables.
#[test]
fn a_page_stays_small_however_much_there_is() {
    let mut v = view(1_000);
    let like = v.parameters[0].clone();
    for p in &mut v.parameters {
        p.trace = (0..128).map(|c| like.trace[c % 4].clone()).collect();
        p.ranks = (0..128).map(|c| like.ranks[c % 4].clone()).collect();
        p.autocorrelation = (0..128).map(|c| like.autocorrelation[c % 4].clone()).collect();
        p.growth = like.growth.clone();
        p.prior = like.prior.clone();
    }
    for fit in &mut v.chains {
        fit.chains = 1_024;
        if let Some(energy) = &mut fit.energy {
            energy.e_bfmi = (0..1_024).map(|c| 0.25 + 0.001 * f64::from(c)).collect();
        }
    }
    let sample = v.resources.samples[3].clone();
    v.resources.samples =
        (0..5_000).map(|i| crate::run::ResourceSample { at_s: f64::from(i), ..sample.clone() }).collect();
    let html = render(&v).unwrap();
    assert_sound(&html);
    assert!(html.len() < 3_000_000, "{} bytes", html.len());
    assert!(html.contains("12 of 7,007 parameters are shown") && html.contains("64 of 1,024 chains are drawn"));
}

/// Headings go down one level at a time, every table says what it is and what its heads head, every drawing has words.
pub(super) fn assert_heard(html: &str) {
    let body = visible(html);
    let mut level = 0;
    for (at, _) in body.match_indices("<h") {
        let Some(next) = body[at + 2..].chars().next().and_then(|c| c.to_digit(10)) else { continue };
        let near: String = body[at..].chars().take(60).collect();
        assert!(next <= level + 1, "<h{next}> after <h{level}>: {near}");
        level = next;
    }
    assert_eq!(body.matches("<h1").count(), 1);
    assert_eq!(body.matches("<table").count(), body.matches("<caption").count());
    assert!(
        !body.replace(" scope=", "").contains("<th scope") && !body.contains("<th>") && !body.contains("<th class")
    );
    for at in body.match_indices("<svg").map(|(at, _)| at) {
        let svg: String = body[at..].chars().take(400).collect();
        let own = svg.find("</svg>").map_or(svg.as_str(), |end| &svg[..end]);
        assert!(
            own.contains("aria-hidden") || (own.starts_with("<svg role=\"img\"") && own.contains("<title>")),
            "{svg}"
        );
    }
    assert!(body.contains("class=\"skip\" href=\"#main\"") && body.contains("<main id=\"main\""));
    // Every part that the page names can be reached.
    for anchor in body.split("<a href=\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(body.contains(&format!("id=\"{anchor}\"")), "{anchor}");
    }
}

#[test]
fn the_page_can_be_heard_and_walked_without_a_mouse() {
    let html = render(&view(12)).unwrap();
    assert_heard(&html);
    let body = visible(&html);
    // Every page of it can be reached, and every control has a name.
    for anchor in ["summary", "customers", "checks", "diagnostics", "sensitivity", "resources", "facts"] {
        assert!(
            body.contains(&format!("href=\"#{anchor}\"")) && body.contains(&format!("id=\"{anchor}\"")),
            "{anchor}"
        );
    }
    assert_eq!(body.matches("<input").count(), body.matches("<label for=").count());
    // Three texts, the first one open without any script.
    assert!(body.contains("id=\"reader-executive\" checked") && body.matches("<div class=\"reader").count() == 3);
}

/// What each reader is told.
#[test]
fn three_readers_are_told_what_concerns_them() {
    let [executive, analyst, statistician] = super::audience::readers(&view(12)).map(|r| r.said.join(" "));
    for (text, wanted) in [
        (&executive, "$812,450"),
        (&executive, "it expected 19,120 purchases and 19,684 came, 2.9\u{a0}% too few, and within the range"),
        (&executive, "Begin with Champions: 1,486 customers who hold 39\u{a0}%"),
        (&analyst, "69,659 lines; 12 were rejected"),
        (&analyst, "32\u{a0}% less than the best naive guess (“same rate as before”)"),
        (&analyst, "1 of 5 test quantities do not"),
        (&statistician, "limit 1.01"),
        (&statistician, "0 divergent of 8,000 transitions"),
        (&statistician, "Power-scaling: 2 of 6 marginals"),
    ] {
        assert!(text.contains(wanted), "{wanted} in: {text}");
    }
    assert!(!executive.contains("R-hat"));
    let refused = super::audience::readers(&failed(12)).map(|r| r.said.join(" "));
    assert!(refused[0].starts_with("Do not plan with these numbers yet") && !refused[0].contains("$812,450"));
    assert!(refused[1].contains("refused") && refused[2].contains("Refused because"));
}

#[test]
fn lists_of_different_length_are_refused_by_name() {
    let mut v = view(2);
    v.tracking.as_mut().unwrap().actual.pop();
    let message = render(&v).unwrap_err().to_string();
    assert!(message.starts_with("tracking.actual: ") && message.contains("found 77"), "{message}");
}

#[test]
#[ignore = "writes pages to look at: LONGRUN_PAGES=/tmp cargo test --lib report::tests::pages -- --ignored"]
fn pages() {
    let folder = std::path::PathBuf::from(std::env::var("LONGRUN_PAGES").expect("LONGRUN_PAGES names a folder"));
    let one = view(1);
    for (name, view) in [("pass", view(12)), ("fail", failed(12)), ("one", one), ("many", view(1_000))] {
        std::fs::write(folder.join(format!("report-{name}.html")), render(&view).unwrap()).unwrap();
    }
}
