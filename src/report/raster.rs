//! A drawing as pixels, behind the feature `png`. Knows drawings that stand alone, and nothing of what is drawn.

use std::sync::Arc;

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree};

use crate::error::{Error, Result};

/// Typefaces that look like the page's, best first; any other is better than none.
const FACES: [&str; 6] = ["Inter", "Noto Sans", "Liberation Sans", "DejaVu Sans", "Arial", "Helvetica"];

/// A drawing of [`plot`](super::plot) as PNG, `width` pixels wide.
///
/// # Errors
/// A machine without any font (a plot without its figures would mislead), or too little memory for so many pixels.
pub fn png(svg: &str, width: u32) -> Result<Vec<u8>> {
    let mut options = Options::default();
    let fonts = Arc::make_mut(&mut options.fontdb);
    fonts.load_system_fonts();
    let has = |name: &str| fonts.faces().any(|face| face.families.iter().any(|(family, _)| family == name));
    let first = fonts.faces().next().and_then(|face| face.families.first()).map(|(family, _)| family.clone());
    let family = FACES.into_iter().find(|name| has(name)).map(str::to_owned).or(first);
    let Some(family) = family else {
        return Err(Error::new("there is no font on this machine to write the plot's figures with")
            .at("--png")
            .advice("install one (Debian: fonts-dejavu-core), or take the SVG: --svg"));
    };
    fonts.set_sans_serif_family(family);
    let broken = |cause| Error::new("could not read the drawing").at("--png").because(cause);
    let tree = Tree::from_str(svg, &options).map_err(|e| broken(e.to_string()))?;
    let scale = width as f32 / tree.size().width();
    let height = (tree.size().height() * scale).ceil() as u32;
    let mut pixels = Pixmap::new(width, height)
        .ok_or_else(|| Error::new("so many pixels do not fit").at("--width").seen(format!("{width} × {height}")))?;
    resvg::render(&tree, Transform::from_scale(scale, scale), &mut pixels.as_mut());
    pixels.encode_png().map_err(|e| Error::new("could not write the picture as PNG").at("--png").because(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::super::{example::view, plot, plot_names};
    use super::*;

    #[test]
    fn every_plot_becomes_a_picture_of_the_width_asked_for_with_something_on_it() {
        let v = view(3);
        for name in plot_names(&v) {
            let bytes = png(&plot(&v, &name).unwrap(), 420).unwrap();
            let picture = Pixmap::decode_png(&bytes).unwrap();
            assert_eq!(picture.width(), 420, "{name}");
            let paper = picture.pixel(0, 0).unwrap();
            assert_eq!((paper.red(), paper.alpha()), (255, 255), "{name}: paper, not nothing");
            let drawn = picture.pixels().iter().filter(|p| **p != paper).count();
            assert!(drawn > 400, "{name}: {drawn} pixels");
        }
    }
}
