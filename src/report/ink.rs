//! The look of page and drawings: one style sheet, put together from its parts; and the part that a drawing needs when it stands
//! alone, with every colour written out, for programs that know no variables.

const STYLE: &str = include_str!("templates/style.css");
const PLOTS: &str = include_str!("templates/plots.css");
const DARK: &str = include_str!("templates/dark.css");

/// The whole page's style sheet.
pub(super) fn page() -> String {
    STYLE.replace("/* DARK */", DARK).replace("/* PLOTS */", PLOTS)
}

/// The light colours by name, as the page declares them.
pub(super) fn light() -> Vec<(&'static str, &'static str)> {
    let block = STYLE.split_once(":root {").and_then(|(_, rest)| rest.split_once('}')).map_or("", |(block, _)| block);
    colours(block)
}

/// The dark colours by name.
#[cfg(test)]
fn dark() -> Vec<(&'static str, &'static str)> {
    colours(DARK)
}

fn colours(block: &'static str) -> Vec<(&'static str, &'static str)> {
    let pairs = block.split(';').filter_map(|part| part.split_once(':'));
    pairs.map(|(name, value)| (name.trim(), value.trim())).filter(|(name, _)| name.starts_with("--")).collect()
}

/// A drawing of the page as a file of its own: light, on paper, in colours that are written out.
pub(super) fn alone(drawing: &str) -> String {
    let mut style = PLOTS.to_owned();
    for (name, value) in light() {
        style = style.replace(&format!("var({name})"), value);
    }
    let style = style.split_once("*/").map_or(style.as_str(), |(_, rules)| rules);
    let paper = light().into_iter().find(|(name, _)| *name == "--paper").map_or("#ffffff", |(_, value)| value);
    let ground = format!(r#"<rect width="100%" height="100%" fill="{paper}"/>"#);
    let hover = ".hover { fill: none; }";
    match drawing.split_once('>') {
        Some((head, body)) => {
            format!(r#"{head} xmlns="http://www.w3.org/2000/svg"><style>{}{hover}</style>{ground}{body}"#, style.trim())
        }
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Linear red, green and blue of `#rrggbb` (IEC 61966-2-1).
    fn linear(colour: &str) -> [f64; 3] {
        [1, 3, 5].map(|i| {
            let c = f64::from(u8::from_str_radix(&colour[i..i + 2], 16).expect("a colour is #rrggbb")) / 255.0;
            if c <= 0.040_45 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
        })
    }

    /// Contrast as WCAG 2.2 defines it.
    fn contrast(a: &str, b: &str) -> f64 {
        let luminance = |c: &str| {
            let [r, g, b] = linear(c);
            0.2126 * r + 0.7152 * g + 0.0722 * b
        };
        let (x, y) = (luminance(a), luminance(b));
        (x.max(y) + 0.05) / (x.min(y) + 0.05)
    }

    type Matrix = [[f64; 3]; 3];

    /// What people with normal vision, without long- and without medium-wave cones see: Machado, Oliveira & Fernandes (2009), table 1,
    /// severity 1.0, on linear light.
    const EYES: [(&str, Matrix); 3] = [
        ("normal", [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]),
        (
            "protan",
            [
                [0.152_286, 1.052_583, -0.204_868],
                [0.114_503, 0.786_281, 0.099_216],
                [-0.003_882, -0.048_116, 1.051_998],
            ],
        ),
        (
            "deutan",
            [[0.367_322, 0.860_646, -0.227_968], [0.280_085, 0.672_501, 0.047_413], [-0.011_820, 0.042_940, 0.968_881]],
        ),
    ];

    /// CIE L*a*b* (D65) of what an eye sees.
    fn lab(colour: &str, eye: &Matrix) -> [f64; 3] {
        let times = |m: &Matrix, v: [f64; 3]| m.map(|row| row.iter().zip(v).map(|(a, b)| a * b).sum::<f64>());
        let seen = times(eye, linear(colour)).map(|c| c.clamp(0.0, 1.0));
        const XYZ: Matrix =
            [[0.412_456, 0.357_576, 0.180_438], [0.212_673, 0.715_152, 0.072_175], [0.019_334, 0.119_192, 0.950_304]];
        let [x, y, z] = times(&XYZ, seen);
        let f = |t: f64| if t > 216.0 / 24_389.0 { t.cbrt() } else { (24_389.0 / 27.0 * t + 16.0) / 116.0 };
        let [x, y, z] = [f(x / 0.950_47), f(y), f(z / 1.088_83)];
        [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
    }

    fn distance(a: &str, b: &str, eye: &Matrix) -> f64 {
        lab(a, eye).iter().zip(lab(b, eye)).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
    }

    fn of<'a>(set: &[(&str, &'a str)], name: &str) -> &'a str {
        set.iter().find(|(n, _)| *n == format!("--{name}")).unwrap_or_else(|| panic!("no colour {name}")).1
    }

    /// WCAG 2.2: 4.5 for text (1.4.3), 3 for marks that carry meaning (1.4.11), on every ground that they stand on.
    #[test]
    fn text_and_marks_stand_out_in_light_and_dark() {
        for (theme, set) in [("light", light()), ("dark", dark())] {
            for ground in ["paper", "panel", "zone"] {
                let on = of(&set, ground);
                for text in ["ink", "soft", "model", "actual", "warm", "bad", "good"] {
                    let seen = contrast(of(&set, text), on);
                    assert!(seen >= 4.5, "{theme}: {text} on {ground} {seen:.2}");
                }
                for mark in ["c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7"] {
                    let seen = contrast(of(&set, mark), on);
                    assert!(seen >= 3.0, "{theme}: {mark} on {ground} {seen:.2}");
                }
            }
            let wash = contrast(of(&set, "ink"), of(&set, "good-wash"));
            assert!(wash >= 4.5 && contrast("#ffffff", of(&set, "alarm")) >= 4.5, "{theme}: the verdict");
        }
    }

    /// Colours that stand beside each other and mean different things stay apart for colour-blind readers. 15 in L*a*b* is six times a
    /// just noticeable difference (2.3, Mahy, Van Eycken & Oosterlinck 1994). Marks differ in shape besides.
    #[test]
    fn colours_that_mean_different_things_differ_for_colour_blind_readers() {
        let pairs = [
            ("model", "actual"),
            ("model", "warm"),
            ("model", "bad"),
            ("model", "soft"),
            ("actual", "bad"),
            ("good", "bad"),
            ("c0", "c1"),
            ("c0", "c2"),
            ("c0", "c3"),
            ("c1", "c2"),
            ("c1", "c3"),
            ("c2", "c3"),
        ];
        for (theme, set) in [("light", light()), ("dark", dark())] {
            for (a, b) in pairs {
                for (eye, matrix) in &EYES {
                    let seen = distance(of(&set, a), of(&set, b), matrix);
                    assert!(seen >= 15.0, "{theme}, {eye}: {a} and {b} are {seen:.1} apart");
                }
            }
        }
    }

    /// Maps shade one colour over paper. Ten equal steps of opacity are ten steps of lightness that differ by a third of their mean at most:
    /// equal differences look nearly equal, wherever they lie.
    #[test]
    fn equal_steps_of_shade_look_equal() {
        for (theme, set) in [("light", light()), ("dark", dark())] {
            let (paper, heat) = (of(&set, "paper"), of(&set, "heat"));
            let part = |colour: &str, i: usize| f64::from(u8::from_str_radix(&colour[i..i + 2], 16).expect("#rrggbb"));
            let lightness = |opacity: f64| {
                let mixed =
                    [1, 3, 5].map(|i| (part(paper, i) * (1.0 - opacity) + part(heat, i) * opacity).round() as u8);
                lab(&format!("#{:02x}{:02x}{:02x}", mixed[0], mixed[1], mixed[2]), &EYES[0].1)[0]
            };
            let steps: Vec<f64> =
                (0..10).map(|s| (lightness(f64::from(s + 1) / 10.0) - lightness(f64::from(s) / 10.0)).abs()).collect();
            let mean = steps.iter().sum::<f64>() / 10.0;
            assert!(mean > 4.0, "{theme}: {mean:.1}");
            for step in &steps {
                assert!((step - mean).abs() < mean / 3.0, "{theme}: {steps:.1?}");
            }
        }
    }

    #[test]
    fn a_drawing_alone_knows_its_colours() {
        let svg = alone(r#"<svg role="img" class="plot"><title>t</title><path class="model-line"/></svg>"#);
        assert!(svg.starts_with(r#"<svg role="img" class="plot" xmlns="http://www.w3.org/2000/svg"><style>"#), "{svg}");
        assert!(svg.contains("stroke: #0b69b4") && !svg.contains("var(") && svg.ends_with("</svg>"));
        assert!(page().contains(".model-line") && !page().contains("/* PLOTS */"));
    }
}
