//! A drawing as text: a few shapes with classes, every number rounded, every piece of text escaped.
//!
//! Colours live in the page's style sheet, by class, so that one drawing serves light, dark and paper. Nothing here knows
//! what is drawn; points that are not finite are left out, which is what keeps "NaN" off the page.

use std::fmt::Write as _;

/// Text made safe inside elements and quoted attributes of HTML and SVG.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// A coordinate with at most one decimal.
fn px(value: f64) -> String {
    let tenths = (value * 10.0).round() as i64;
    if tenths % 10 == 0 { format!("{}", tenths / 10) } else { format!("{:.1}", tenths as f64 / 10.0) }
}

/// Where a text's given point lies along it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    /// At its left end.
    Start,
    /// In its middle.
    Middle,
    /// At its right end.
    End,
}

/// One drawing under construction.
#[derive(Debug)]
pub(super) struct Svg {
    head: String,
    body: String,
}

impl Svg {
    /// A drawing of this size in pixels at its natural scale, with a title and a description for those who cannot see it.
    pub(super) fn new(width: f64, height: f64, title: &str, description: &str) -> Self {
        let (w, h) = (px(width), px(height));
        let head = format!(
            r#"<svg role="img" class="plot" viewBox="0 0 {w} {h}" width="{w}" height="{h}"><title>{}</title><desc>{}</desc>"#,
            escape(title),
            escape(description)
        );
        Self { head, body: String::new() }
    }

    /// A drawing in a box of 100 by 100 that stretches to whatever room it gets; for shapes without text.
    pub(super) fn stretched(class: &str, title: &str) -> Self {
        let head = format!(
            r#"<svg role="img" class="{class}" viewBox="0 0 100 100" preserveAspectRatio="none"><title>{}</title>"#,
            escape(title)
        );
        Self { head, body: String::new() }
    }

    /// A straight line.
    pub(super) fn line(&mut self, class: &str, from: (f64, f64), to: (f64, f64)) {
        if [from.0, from.1, to.0, to.1].iter().all(|v| v.is_finite()) {
            let (x1, y1, x2, y2) = (px(from.0), px(from.1), px(to.0), px(to.1));
            let _ = write!(self.body, r#"<line class="{class}" x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}"/>"#);
        }
    }

    /// A rectangle; `tip` is shown when one points at it.
    pub(super) fn rect(&mut self, class: &str, (x, y): (f64, f64), (w, h): (f64, f64), tip: Option<&str>) {
        self.shaded_rect(class, (x, y), (w, h), None, tip);
    }

    /// A rectangle whose fill has an opacity of 0–1: the darker the more.
    pub(super) fn shaded_rect(
        &mut self,
        class: &str,
        (x, y): (f64, f64),
        (w, h): (f64, f64),
        opacity: Option<f64>,
        tip: Option<&str>,
    ) {
        if ![x, y, w, h].iter().all(|v| v.is_finite()) || w <= 0.0 || h < 0.0 {
            return;
        }
        let (x, y, w, h) = (px(x), px(y), px(w), px(h));
        let _ = write!(self.body, r#"<rect class="{class}" x="{x}" y="{y}" width="{w}" height="{h}""#);
        if let Some(opacity) = opacity {
            let _ = write!(self.body, r#" fill-opacity="{:.2}""#, opacity.clamp(0.0, 1.0));
        }
        match tip {
            Some(tip) => {
                let _ = write!(self.body, "><title>{}</title></rect>", escape(tip));
            }
            None => self.body.push_str("/>"),
        }
    }

    /// A disc.
    pub(super) fn circle(&mut self, class: &str, (x, y): (f64, f64), radius: f64) {
        if x.is_finite() && y.is_finite() {
            let _ = write!(self.body, r#"<circle class="{class}" cx="{}" cy="{}" r="{}"/>"#, px(x), px(y), px(radius));
        }
    }

    /// Dots at points, as one path that the style sheet strokes with round ends.
    pub(super) fn dots(&mut self, class: &str, points: impl IntoIterator<Item = (f64, f64)>) {
        let mut d = String::new();
        for (x, y) in points.into_iter().filter(|(x, y)| x.is_finite() && y.is_finite()) {
            let _ = write!(d, "M{} {}h.01", px(x), px(y));
        }
        self.path(class, &d);
    }

    /// Diagonal crosses at points, `reach` to each side.
    pub(super) fn crosses(&mut self, class: &str, points: impl IntoIterator<Item = (f64, f64)>, reach: f64) {
        let mut d = String::new();
        for (x, y) in points.into_iter().filter(|(x, y)| x.is_finite() && y.is_finite()) {
            let (left, right, up, down) = (px(x - reach), px(x + reach), px(y - reach), px(y + reach));
            let _ = write!(d, "M{left} {up}L{right} {down}M{left} {down}L{right} {up}");
        }
        self.path(class, &d);
    }

    /// A text, its base line at the point.
    pub(super) fn text(&mut self, class: &str, (x, y): (f64, f64), anchor: Anchor, text: &str) {
        if !x.is_finite() || !y.is_finite() {
            return;
        }
        let anchor = match anchor {
            Anchor::Start => "",
            Anchor::Middle => r#" text-anchor="middle""#,
            Anchor::End => r#" text-anchor="end""#,
        };
        let _ =
            write!(self.body, r#"<text class="{class}" x="{}" y="{}"{anchor}>{}</text>"#, px(x), px(y), escape(text));
    }

    /// A line through points; it breaks where a point is not finite.
    pub(super) fn polyline(&mut self, class: &str, points: impl IntoIterator<Item = (f64, f64)>) {
        let mut d = String::new();
        let mut pen_up = true;
        for (x, y) in points {
            if x.is_finite() && y.is_finite() {
                let _ = write!(d, "{}{} {}", if pen_up { 'M' } else { 'L' }, px(x), px(y));
                pen_up = false;
            } else {
                pen_up = true;
            }
        }
        self.path(class, &d);
    }

    /// The area between two lines given as (x, low, high); points that are not finite are left out.
    pub(super) fn area(&mut self, class: &str, points: &[(f64, f64, f64)]) {
        let finite = |p: &&(f64, f64, f64)| p.0.is_finite() && p.1.is_finite() && p.2.is_finite();
        let mut d = String::new();
        for (x, _, high) in points.iter().filter(finite) {
            let _ = write!(d, "{}{} {}", if d.is_empty() { 'M' } else { 'L' }, px(*x), px(*high));
        }
        for (x, low, _) in points.iter().rev().filter(finite) {
            let _ = write!(d, "L{} {}", px(*x), px(*low));
        }
        if !d.is_empty() {
            d.push('Z');
        }
        self.path(class, &d);
    }

    fn path(&mut self, class: &str, d: &str) {
        if !d.is_empty() {
            let _ = write!(self.body, r#"<path class="{class}" d="{d}"/>"#);
        }
    }

    /// The finished text.
    pub(super) fn finish(self) -> String {
        self.head + &self.body + "</svg>"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_wherever_it_goes() {
        let mut s = Svg::new(10.0, 10.0, "<script>", "a & b");
        s.text("t", (1.0, 2.0), Anchor::Middle, "\"'<b>\u{0}");
        s.rect("r", (0.0, 0.0), (1.0, 1.0), Some("</rect><script>"));
        let text = s.finish();
        assert!(!text.contains("<script>") && !text.contains("<b>") && !text.contains('\u{0}'));
        assert!(text.contains("a &amp; b") && text.contains("&quot;&#39;&lt;b&gt; "));
    }

    #[test]
    fn points_that_are_no_numbers_break_the_line() {
        let mut s = Svg::stretched("s", "t");
        s.polyline("l", [(0.0, 1.0), (1.0, f64::NAN), (2.0, 3.0), (3.0, 4.55)]);
        s.area("a", &[(0.0, 1.0, f64::INFINITY)]);
        s.circle("c", (f64::NAN, 0.0), 1.0);
        let text = s.finish();
        assert!(text.contains(r#"d="M0 1M2 3L3 4.6""#) || text.contains(r#"d="M0 1M2 3L3 4.5""#), "{text}");
        assert!(!text.contains("NaN") && !text.contains("inf") && !text.contains("circle"));
    }
}
