//! Which draws of one customer may hold a purchase at all, and where their random numbers start. One block of random words and one
//! comparison per draw; nothing is decided here that a draw would not decide for itself.

use super::future::{History, Outlook, Purchases};
use super::laws::{Law, Laws, MAX_BOXES, strata};
use super::together;
use crate::kernels::pareto_abe::Rates;
use crate::kernels::rng::{Ahead, Purpose, first_blocks};
use crate::model::Dropout;

/// Room for one customer after another.
#[derive(Debug)]
pub(super) struct Sieve {
    blocks: Vec<[u32; 4]>,
    bounds: [u32; MAX_BOXES],
    candidates: Vec<u32>,
    /// The laws of a customer with parameters of its own.
    own: Vec<Law>,
    rates: Rates,
}

/// Where a customer stands: row of the summary, group, history and address.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subject {
    pub row: usize,
    pub group: u32,
    pub history: History,
    pub address: u64,
}

impl Sieve {
    pub fn new(draws: usize) -> Self {
        Self {
            blocks: vec![[0; 4]; draws],
            bounds: [0; MAX_BOXES],
            candidates: vec![0; draws],
            own: Vec::new(),
            rates: Rates::default(),
        }
    }

    /// Calls `made` for every draw in which the subject buys within `horizon`, in order, with the stream its spend continues from.
    pub fn each_buying_draw(
        &mut self,
        laws: &Laws,
        subject: &Subject,
        seed: u64,
        horizon: f64,
        mut made: impl FnMut(usize, Purchases, &mut Ahead),
    ) {
        let Subject { row, group, history, address } = subject;
        if laws.dropout == Dropout::AnyTimeTogether {
            first_blocks(seed, Purpose::Prediction, *address, &mut self.blocks);
            let own;
            let strata = match laws.strata_of(*group) {
                Some(strata) => strata,
                None => {
                    own = strata(laws.of_customer(*group, *row, &mut self.own));
                    &own
                }
            };
            let begin = |draw: usize| Ahead::begun(seed, Purpose::Prediction, *address, draw as u32, self.blocks[draw]);
            return together::each_buying_draw(&mut self.rates, strata, history, horizon, begin, made);
        }
        laws.bounds(*group, history.x, history.recency, history.age, horizon, &mut self.bounds);
        first_blocks(seed, Purpose::Prediction, *address, &mut self.blocks);
        // Without a branch: a place is written for every draw and kept for the candidates. The second word of a block is the
        // high half of its first uniform number.
        let mut candidates = 0;
        for ((draw, block), &of) in (0..).zip(&self.blocks).zip(laws.boxes_of(*group)) {
            self.candidates[candidates] = draw;
            candidates += usize::from(block[1] <= self.bounds[usize::from(of) % MAX_BOXES]);
        }
        let by_draw = laws.of_customer(*group, *row, &mut self.own);
        for &draw in &self.candidates[..candidates] {
            let at = draw as usize;
            let mut rng = Ahead::begun(seed, Purpose::Prediction, *address, draw, self.blocks[at]);
            let u = rng.uniform();
            if let Some(purchases) = Outlook::new(&by_draw[at], history, horizon).purchases(u, &mut rng) {
                made(at, purchases, &mut rng);
            }
        }
    }
}
