//! Which population parameters are shown two by two, and their draws: those that go together most, the worst among them, and the
//! places where transitions diverged.

use ndarray::Array2;

use super::PairPicture;
use crate::draws::{FitDraws, thinned_rows};

/// Parameters that are shown, and candidates that are looked at.
const PARAMETERS: usize = 5;
const CANDIDATES: usize = 60;

/// Draws that are shown, and of those that diverged.
const POINTS: usize = 250;
const DIVERGENT: usize = 150;

/// Draws behind a correlation.
const DRAWS: usize = 1_000;

/// The most correlated two, the worst, and then whoever goes most with one of those; `population` and `worst` are places in the
/// schema's order. None for fewer than two that vary.
pub(super) fn choose(draws: &FitDraws, population: &[usize], worst: Option<usize>) -> Option<PairPicture> {
    let rows = thinned_rows(draws.chains, draws.draws, DRAWS);
    let at = |ix: usize| rows.iter().map(move |&(chain, draw)| draws.constrained[[chain, draw, ix]]);
    let candidates: Vec<usize> = population
        .iter()
        .copied()
        .filter(|&ix| at(ix).all(f64::is_finite) && at(ix).zip(at(ix).skip(1)).any(|(a, b)| a != b))
        .take(CANDIDATES)
        .collect();
    let columns: Vec<Vec<f64>> = candidates.iter().map(|&ix| standardised(at(ix).collect())).collect();
    let n = candidates.len();
    if n < 2 {
        return None;
    }
    let together = Array2::from_shape_fn((n, n), |(i, j)| {
        columns[i].iter().zip(&columns[j]).map(|(a, b)| a * b).sum::<f64>() / rows.len() as f64
    });
    let pairs = (0..n).flat_map(|i| (0..i).map(move |j| (j, i)));
    let (first, second) = pairs.max_by(|&a, &b| together[a].abs().total_cmp(&together[b].abs()))?;
    let mut chosen = vec![first, second];
    chosen
        .extend(worst.and_then(|ix| candidates.iter().position(|&c| c == ix)).filter(|i| ![first, second].contains(i)));
    while chosen.len() < PARAMETERS.min(n) {
        let bond = |i: usize| chosen.iter().map(|&c| together[[c, i]].abs()).fold(0.0, f64::max);
        let next = (0..n).filter(|i| !chosen.contains(i)).max_by(|&a, &b| bond(a).total_cmp(&bond(b)))?;
        chosen.push(next);
    }
    let strongest = together[[first, second]];
    chosen.sort_unstable();
    let place = |i: usize| chosen.iter().position(|&c| c == i);
    let strongest = place(first).zip(place(second)).map(|(i, j)| (i, j, strongest));
    let elements: Vec<usize> = chosen.iter().map(|&i| candidates[i]).collect();
    let point =
        |(chain, draw): (usize, usize)| elements.iter().map(|&ix| draws.constrained[[chain, draw, ix]]).collect();
    let diverging = draws.stats.get("diverging");
    let diverged = |&(chain, draw): &(usize, usize)| diverging.is_some_and(|d| d[[chain, draw]] > 0.5);
    let all = (0..draws.chains).flat_map(|chain| (0..draws.draws).map(move |draw| (chain, draw)));
    let divergent: Vec<(usize, usize)> = all.filter(diverged).collect();
    let kept = thinned_rows(1, divergent.len(), DIVERGENT).into_iter().map(|(_, i)| divergent[i]);
    let shown = thinned_rows(draws.chains, draws.draws, POINTS).into_iter().filter(|row| !diverged(row));
    Some(PairPicture { points: shown.map(point).collect(), divergent: kept.map(point).collect(), elements, strongest })
}

/// Less the mean, over the standard deviation.
fn standardised(mut values: Vec<f64>) -> Vec<f64> {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    values.iter_mut().for_each(|v| *v -= mean);
    let sd = (values.iter().map(|v| v * v).sum::<f64>() / n).sqrt();
    values.iter_mut().for_each(|v| *v /= sd);
    values
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use ndarray::Array3;

    use super::*;
    use crate::kernels::rng::{Purpose, Stream};
    use crate::target::{Schema, Variable};

    /// Seven independent parameters, of which 2 and 5 go together and 6 never moves; every tenth transition of chain 1 diverges.
    fn fit() -> FitDraws {
        let (chains, draws, n) = (2, 400, 7);
        let mut noise = Stream::new(5, Purpose::Test, 0, 0);
        let mut values = Array3::from_shape_fn((chains, draws, n), |_| noise.normal());
        for chain in 0..chains {
            for draw in 0..draws {
                values[[chain, draw, 5]] = -values[[chain, draw, 2]] + 0.1 * values[[chain, draw, 5]];
                values[[chain, draw, 6]] = 1.0;
            }
        }
        let diverging = Array2::from_shape_fn((chains, draws), |(c, d)| f64::from(u8::from(c == 1 && d % 10 == 0)));
        let variables = (0..n).map(|i| Variable { name: format!("p{i}"), dims: Vec::new() }).collect();
        FitDraws {
            first_draw: 0,
            schema: Schema { variables, ..Schema::default() },
            chains,
            draws,
            unconstrained: values.clone(),
            constrained: values,
            stats: BTreeMap::from([("diverging".to_owned(), diverging)]),
        }
    }

    #[test]
    fn those_that_go_together_are_shown_with_the_worst_and_with_what_diverged() {
        let chosen = choose(&fit(), &[0, 1, 2, 3, 4, 5, 6], Some(4)).expect("six that vary");
        assert_eq!(chosen.elements.len(), 5);
        assert!([2, 4, 5].iter().all(|ix| chosen.elements.contains(ix)) && !chosen.elements.contains(&6));
        let (i, j, r) = chosen.strongest.expect("a strongest pair");
        assert_eq!((chosen.elements[i], chosen.elements[j]), (2, 5));
        // −1/√1.01 in expectation; 0.01 is ten standard errors of it.
        assert!((r + 0.995).abs() < 0.01, "{r}");
        assert_eq!(chosen.divergent.len(), 40);
        let first = [2, 5].map(|ix| fit().constrained[[1, 0, ix]]);
        assert_eq!([chosen.divergent[0][i], chosen.divergent[0][j]], first);
        assert!(chosen.points.len() <= POINTS && chosen.points.iter().all(|p| p.len() == 5));
        assert!(choose(&fit(), &[0, 6], None).is_none(), "one that varies has no pair");
    }
}
