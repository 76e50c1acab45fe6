//! What the machine gave over time, step after step: memory, busy processors, and the GPU's time where there is one.

use super::super::numbers;
use super::super::scales::Scale;
use super::super::svg::{Anchor, Svg};
use super::super::view::Resources;
use super::{Frame, Size, highest};
use crate::run::ResourceSample;

/// Height of one lane and the room between lanes.
const LANE: f64 = 84.0;
const BETWEEN: f64 = 38.0;

/// Moments drawn at most.
const POINTS: usize = 400;

struct Lane {
    title: String,
    class: &'static str,
    values: Vec<Option<f64>>,
    floor: f64,
    /// A line that the lane can reach at most, where there is one.
    limit: Option<f64>,
    show: fn(f64) -> String,
}

/// Draws the lanes that have something in them; nothing without samples.
pub(in crate::report) fn resources(r: &Resources, size: Size) -> Option<String> {
    let lanes: Vec<Lane> = lanes(r).into_iter().filter(|lane| lane.values.iter().any(Option::is_some)).collect();
    if lanes.is_empty() {
        return None;
    }
    let spans = spans(&r.samples);
    let total = spans.last().map_or(0.0, |s| s.2);
    let top = 40.0;
    let height = top + lanes.len() as f64 * (LANE + BETWEEN) - BETWEEN + 46.0;
    let mut svg = Svg::new(size.width(), height, "Memory and processors over the run", &describe(&lanes, total));
    let left = if size.is_wide() { 76.0 } else { 58.0 };
    let x = Scale::linear(0.0, total, (left, size.width() - 8.0));
    let bottom = height - 46.0;
    steps(&mut svg, &spans, &x, top - 22.0, bottom);
    let times = times(&r.samples);
    for (i, lane) in lanes.iter().enumerate() {
        let from = top + i as f64 * (LANE + BETWEEN);
        let frame = Frame { left, right: size.width() - 8.0, top: from, bottom: from + LANE };
        draw(&mut svg, &frame, lane, &x, &times);
    }
    let (ticks, decimals) = x.ticks(if size.is_wide() { 8 } else { 4 });
    for tick in ticks {
        svg.text("tick", (x.at(tick), bottom + 17.0), Anchor::Middle, &numbers::fixed(tick, decimals));
    }
    svg.text(
        "axis-title",
        ((left + size.width()) / 2.0, bottom + 36.0),
        Anchor::Middle,
        "seconds of work, step after step",
    );
    Some(svg.finish())
}

fn lanes(r: &Resources) -> Vec<Lane> {
    let of = |value: fn(&ResourceSample) -> Option<f64>| r.samples.iter().map(value).collect();
    let cpus = r.processors as f64;
    vec![
        Lane {
            title: String::from("memory of the process"),
            class: "model-line",
            values: of(|s| s.memory_bytes.map(|b| b as f64)),
            floor: 1.0,
            limit: None,
            show: |v| numbers::bytes(v.max(0.0) as u64),
        },
        Lane {
            title: if cpus > 0.0 {
                format!("busy processors, of {}", numbers::whole(r.processors))
            } else {
                String::from("busy processors")
            },
            class: "model-line",
            values: of(|s| s.busy_cpus),
            floor: cpus.max(1.0),
            limit: (cpus > 0.0).then_some(cpus),
            show: |v| numbers::short(v),
        },
        Lane {
            title: String::from("GPU at work"),
            class: "model-line",
            values: of(|s| s.gpu_utilisation),
            floor: 1.0,
            limit: Some(1.0),
            show: numbers::percent_whole,
        },
        Lane {
            title: String::from("memory of the GPU"),
            class: "model-line",
            values: of(|s| s.gpu_memory_bytes.map(|b| b as f64)),
            floor: 1.0,
            limit: None,
            show: |v| numbers::bytes(v.max(0.0) as u64),
        },
        Lane {
            title: String::from("power of the GPU"),
            class: "model-line",
            values: of(|s| s.gpu_watts),
            floor: 1.0,
            limit: None,
            show: |v| format!("{} W", numbers::fixed(v, 0)),
        },
    ]
}

/// Steps in their order with where they begin and end on the common clock.
fn spans(samples: &[ResourceSample]) -> Vec<(&str, f64, f64)> {
    let mut out: Vec<(&str, f64, f64)> = Vec::new();
    for chunk in samples.chunk_by(|a, b| a.step == b.step) {
        let begin = out.last().map_or(0.0, |s| s.2);
        let length = chunk.iter().map(|s| s.at_s).filter(|v| v.is_finite()).fold(0.0, f64::max);
        out.push((&chunk[0].step, begin, begin + length));
    }
    out
}

/// Where each sample lies on the common clock.
fn times(samples: &[ResourceSample]) -> Vec<f64> {
    let begins = spans(samples);
    samples
        .chunk_by(|a, b| a.step == b.step)
        .zip(begins)
        .flat_map(|(chunk, (_, begin, _))| chunk.iter().map(move |s| begin + s.at_s))
        .collect()
}

fn steps(svg: &mut Svg, spans: &[(&str, f64, f64)], x: &Scale, top: f64, bottom: f64) {
    for (i, (name, begin, end)) in spans.iter().enumerate() {
        let (from, to) = (x.at(*begin), x.at(*end));
        if i > 0 {
            svg.line("split", (from, top), (from, bottom));
        }
        if to - from > super::text_width(name) {
            svg.text("zone-label", ((from + to) / 2.0, top), Anchor::Middle, name);
        }
    }
}

fn draw(svg: &mut Svg, frame: &Frame, lane: &Lane, x: &Scale, times: &[f64]) {
    let high = highest(lane.values.iter().flatten().copied(), lane.floor);
    let y = Scale::linear(0.0, high, (frame.bottom, frame.top + 4.0));
    svg.text("tick", (frame.left - 8.0, frame.top + 12.0), Anchor::End, &(lane.show)(high));
    svg.text("tick", (frame.left - 8.0, frame.bottom + 2.0), Anchor::End, "0");
    svg.line("axis", (frame.left, frame.bottom), (frame.right, frame.bottom));
    if let Some(limit) = lane.limit {
        svg.line("reference", (frame.left, y.at(limit)), (frame.right, y.at(limit)));
    }
    // Of more moments than a drawing can show, every so manyth, and always the last.
    let every = times.len().div_ceil(POINTS).max(1);
    let shown: Vec<usize> = (0..times.len()).filter(|i| i % every == 0 || i + 1 == times.len()).collect();
    let at = |&i: &usize| lane.values[i].map_or((times[i], f64::NAN), |v| (x.at(times[i]), y.at(v)));
    let area: Vec<_> = shown.iter().map(at).map(|(x, y)| (x, frame.bottom, y)).collect();
    svg.area("band", &area);
    svg.polyline(lane.class, shown.iter().map(at));
    svg.text("model-label", (frame.left, frame.top - 6.0), Anchor::Start, &lane.title);
}

fn describe(lanes: &[Lane], total: f64) -> String {
    let most = |lane: &Lane| {
        let high = lane.values.iter().flatten().copied().filter(|v| v.is_finite()).fold(0.0, f64::max);
        format!("{}: at most {}", lane.title, (lane.show)(high))
    };
    let parts: Vec<String> = lanes.iter().map(most).collect();
    format!("Over {} of work. {}.", numbers::duration(total), parts.join("; "))
}
