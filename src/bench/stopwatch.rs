//! Times repeated work: the least time of one piece, since other programs can only make it longer.

use std::time::Instant;

use crate::error::Result;

/// Seconds that `work` takes.
pub(super) fn seconds(work: &mut dyn FnMut() -> Result<()>) -> Result<f64> {
    let start = Instant::now();
    work()?;
    Ok(start.elapsed().as_secs_f64().max(1e-9))
}

/// Rounds in which candidates take turns.
pub(super) const ROUNDS: u32 = 5;

/// Times several pieces of work that take turns for [`ROUNDS`] rounds, about `budget` seconds each in all; per piece the seconds
/// of its best round. `warm` holds what one piece took while warming up.
///
/// Taking turns spreads a slow spell of the machine over all of them.
pub(super) fn best_of_rounds(
    pieces: &mut [&mut dyn FnMut() -> Result<()>],
    warm: &[f64],
    budget: f64,
) -> Result<Vec<f64>> {
    let mut best = vec![f64::INFINITY; pieces.len()];
    for _ in 0..ROUNDS {
        for ((piece, warm), best) in pieces.iter_mut().zip(warm).zip(&mut best) {
            let times = (budget / f64::from(ROUNDS) / warm).clamp(1.0, 1e6) as u32;
            let each = seconds(&mut || (0..times).try_for_each(|_| piece()))? / f64::from(times);
            *best = best.min(each);
        }
    }
    Ok(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_take_turns_and_fill_their_budget() {
        let order = std::cell::RefCell::new(Vec::new());
        let nap = |ms: u64| {
            order.borrow_mut().push(ms);
            std::thread::sleep(std::time::Duration::from_millis(ms));
            Ok(())
        };
        let mut first = || nap(1);
        let mut second = || nap(3);
        let best = best_of_rounds(&mut [&mut first, &mut second], &[1e-3, 3e-3], 0.02).expect("sleeping works");
        // A nap is never shorter than asked for; 0.02 s in five rounds are four naps of 1 ms, one of 3 ms, a round.
        assert!(best[0] >= 1e-3 && best[1] >= 3e-3, "{best:?}");
        assert_eq!(order.borrow()[..7], [1, 1, 1, 1, 3, 1, 1]);
    }
}
