//! Lists of a view that belong together must have equal lengths; said once, here, before anything is drawn.

use super::view::View;
use crate::error::{Error, Result};

/// Refuses a view whose parallel lists differ in length, naming the list.
pub(super) fn check(view: &View) -> Result<()> {
    if let Some(t) = &view.tracking {
        let weeks = t.week_start.len();
        same("tracking.actual", t.actual.len(), weeks, "week_start")?;
        same("tracking.predicted", t.predicted.len(), weeks, "week_start")?;
        same("tracking.cumulative", t.cumulative.len(), weeks, "week_start")?;
    }
    if let Some(a) = &view.alive {
        same("alive.probability", a.probability.len(), a.recency.len(), "recency")?;
        for row in &a.probability {
            same("a row of alive.probability", row.len(), a.frequency.len(), "frequency")?;
        }
    }
    for p in &view.parameters {
        if let Some(d) = &p.density {
            same(&format!("density.y of parameter {}", p.name), d.y.len(), d.x.len(), "density.x")?;
        }
    }
    Ok(())
}

fn same(place: &str, seen: usize, wanted: usize, like: &str) -> Result<()> {
    if seen == wanted {
        return Ok(());
    }
    Err(Error::new(format!("a list of the report's view must be as long as {like} ({wanted})"))
        .at(place)
        .seen(seen)
        .advice("this is a mistake in the code that fills the view, not in the data"))
}
