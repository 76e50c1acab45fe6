//! How far differences of log-likelihoods on a device are from the f64 judge's, where it matters: at and between draws of a
//! posterior. And whether equal questions get equal bits, whatever the chunks, the threads and what was asked before.
//!
//! ```text
//! e_i = ℓ_device(θ_i) − ℓ_f64(θ_i),     error = max |e_i − e_j| over draws i, j and the reference θ₀
//! ```
//!
//! Constants cancel in a Metropolis decision, and so they do here. The reference is the mode, as after warm-up, or a draw, which
//! is as far off as a running mean could be.

use ndarray::{Array3, ArrayView2, Axis, concatenate, s};
use serde::Serialize;

use super::candidate::{Judge, evaluate, refer_to, room};
use super::posterior::Posterior;
use super::{Backend, Bench, Data, Family, Layout, Shop};
use crate::error::{Error, Result};
use crate::kernels::{Likelihood, LikelihoodBatch};

/// An error of this many nats refuses a device.
pub const LIMIT_NATS: f64 = 0.01;

/// What to measure.
#[derive(Debug, Clone, PartialEq)]
pub struct PrecisionOptions {
    /// Numbers of customers.
    pub customers: Vec<u64>,
    /// Groups that they fall into.
    pub groups: u32,
    /// Pieces into which a device's memory budget cuts the rows; the processor takes them in one.
    pub chunks: Vec<usize>,
    /// Whether rows are merged; each is measured.
    pub merged: Vec<bool>,
    /// Posterior draws.
    pub draws: usize,
    /// Whether to add the heaviest cells: customers who were all won within few days, a million of them in one cell.
    pub heavy: bool,
}

/// Where the reference was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum At {
    /// The maximum.
    Mode,
    /// A draw of the posterior.
    Draw,
}

/// One comparison. The first five keys are a contract with whoever checks precision.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Precision {
    /// Likelihood.
    pub family: Family,
    /// Customers.
    pub customers: u64,
    /// Whether equal customers were merged into weighted cells.
    pub merged: bool,
    /// Pieces that were asked for.
    pub chunks: usize,
    /// Largest error of a difference of log-likelihoods: against θ₀, or between two draws.
    pub max_abs_delta_error_nats: f64,
    /// Customers in the heaviest row.
    pub max_weight: f64,
    /// Whether value and gradient came out with the same bits in every repetition, on 1, 2 and all threads, in every batch slot,
    /// and as with the first number of chunks.
    pub bit_identical: bool,
    /// Layout.
    pub layout: Layout,
    /// The device; none for the processor.
    pub adapter: Option<String>,
    /// Where θ₀ was.
    pub reference: At,
    /// Rows.
    pub cells: u64,
    /// Groups.
    pub groups: u32,
    /// Draws compared.
    pub draws: usize,
    /// Largest error of ℓ(θ) − ℓ(θ₀).
    pub against_reference_nats: f64,
    /// Largest error of ℓ(θ) − ℓ(θ′) between draws.
    pub between_draws_nats: f64,
    /// Pieces that the rows came to lie in: whole lanes make no more, and few pieces may all stay on the device.
    pub pieces: usize,
    /// Largest error of a slope in the logarithm of a parameter, nats. Forgiving: it costs acceptance, never correctness.
    pub max_abs_slope_error_nats: f64,
    /// ℓ(θ₀).
    pub log_lik: f64,
}

impl Precision {
    /// Whether a sampler may rest on it.
    pub fn holds(&self) -> bool {
        self.max_abs_delta_error_nats < LIMIT_NATS && self.bit_identical
    }
}

/// Measures every layout of `bench` but the judge, telling `tell` as it goes; whether everything held.
///
/// # Errors
/// The device fails, or nothing that could be compared takes part.
pub fn precision(bench: &Bench, options: &PrecisionOptions, tell: &mut dyn FnMut(&Precision)) -> Result<bool> {
    let layouts: Vec<Layout> = bench.layouts().into_iter().filter(|layout| *layout != Layout::Scalar).collect();
    if layouts.is_empty() || options.draws < 2 || options.chunks.is_empty() {
        return Err(Error::new("there is nothing to compare with the f64 judge")
            .at("bench precision")
            .seen(format!("{} layouts, {} draws, chunks {:?}", layouts.len(), options.draws, options.chunks))
            .advice("name an adapter (`longrun doctor` lists them) and ask for at least two draws"));
    }
    let mut holds = true;
    for &customers in &options.customers {
        let shop = Shop::two_years(customers, options.groups);
        // The days of a campaign are so few that a cell of one-time customers reaches a million, if there are that many.
        let campaign = Shop { acquisition_days: customers.div_ceil(HEAVY_CUSTOMERS).min(365) as u16, ..shop };
        let mut shops = vec![(shop, options.merged.clone())];
        if options.heavy && options.merged.contains(&true) {
            shops.push((campaign, vec![true]));
        }
        for (shop, merged) in shops {
            let people = shop.open()?;
            for &family in &bench.families {
                // Merged and unmerged rows have the same likelihood, and so the same posterior and the same verdict of f64.
                let mut cells = Judge::new(Data::of(family, &shop, &people, true))?;
                let question = Question::new(&mut cells, options.draws)?;
                for &merged in &merged {
                    let apart;
                    let judge = if merged {
                        &cells
                    } else {
                        apart = Judge::new(Data::of(family, &shop, &people, false))?;
                        &apart
                    };
                    for &layout in &layouts {
                        let case = Case { bench, options, shop: &shop, merged, layout, judge };
                        holds &= case.compare(&question, tell)?;
                    }
                }
            }
        }
    }
    Ok(holds)
}

/// Customers won per day of a campaign: a bit more than half of them never return, which makes a cell of about a million.
const HEAVY_CUSTOMERS: u64 = 1_700_000;

/// Batches of this many points are asked again on other threads and in other slots.
const ASKED_AGAIN: usize = 3;

/// Where to evaluate, and what f64 says.
struct Question {
    /// `[1, group, K]`, twice.
    references: [(At, Array3<f64>); 2],
    /// `[draw, group, K]`; the first two are the references.
    points: Array3<f64>,
    judged: LikelihoodBatch,
}

impl Question {
    fn new(judge: &mut Judge, draws: usize) -> Result<Self> {
        let centre = judge.facts.family.centre();
        let judge = judge.likelihood();
        let posterior = Posterior::at_maximum(judge, centre)?;
        let drawn = posterior.draws(draws, 1);
        let first = drawn.slice(s![..1, .., ..]).to_owned();
        let Ok(points) = concatenate(Axis(0), &[posterior.mode.view(), drawn.view()]) else {
            return Err(Error::new("the mode and the draws have different shapes").at("bench precision"));
        };
        let mut judged = room(&points);
        evaluate(judge, &points, &mut judged)?;
        Ok(Self { references: [(At::Mode, posterior.mode), (At::Draw, first)], points, judged })
    }
}

/// One data set in one layout.
struct Case<'a> {
    bench: &'a Bench,
    options: &'a PrecisionOptions,
    shop: &'a Shop,
    merged: bool,
    layout: Layout,
    judge: &'a Judge,
}

impl Case<'_> {
    fn compare(&self, question: &Question, tell: &mut dyn FnMut(&Precision)) -> Result<bool> {
        let mut holds = true;
        let mut first: [Option<LikelihoodBatch>; 2] = [None, None];
        let chunks = match self.layout.backend() {
            Backend::Cpu => &[1],
            Backend::Gpu => self.options.chunks.as_slice(),
        };
        for &chunks in chunks {
            let (pieces, mut likelihood) = self.layout.likelihood(self.judge, self.bench.device.as_ref(), chunks)?;
            for ((place, (at, reference)), first) in question.references.iter().enumerate().zip(&mut first) {
                refer_to(likelihood.as_mut(), reference)?;
                let mut out = room(&question.points);
                evaluate(likelihood.as_mut(), &question.points, &mut out)?;
                // Once in every way; what lies in other chunks must then be the same, and the same when asked again.
                let threads: &[usize] = if first.is_none() { &[1, 2, 0] } else { &[0] };
                let bit_identical = same_bits_again(likelihood.as_mut(), reference, &question.points, &out, threads)?
                    && first.as_ref().is_none_or(|first| bits(first) == bits(&out));
                // Point 0 is the mode, point 1 the draw: the reference is the point at its own place.
                let line = self.line(question, &out, (place, *at), (chunks, pieces), bit_identical);
                holds &= line.holds();
                tell(&line);
                first.get_or_insert(out);
            }
        }
        Ok(holds)
    }

    fn line(
        &self,
        question: &Question,
        out: &LikelihoodBatch,
        (place, reference): (usize, At),
        (chunks, pieces): (usize, usize),
        bit_identical: bool,
    ) -> Precision {
        let errors = &out.log_lik - &question.judged.log_lik;
        let against_reference = largest(errors.iter().map(|e| e - errors[place]));
        let between = largest(errors.iter().flat_map(|a| errors.iter().map(move |b| a - b)));
        let slopes = (&out.per_group - &question.judged.per_group) * &question.points;
        Precision {
            family: self.judge.facts.family,
            customers: self.shop.customers,
            merged: self.merged,
            chunks,
            max_abs_delta_error_nats: largest([against_reference, between].into_iter()),
            max_weight: self.judge.facts.max_weight,
            bit_identical,
            layout: self.layout,
            adapter: self.bench.adapter(self.layout.backend()),
            reference,
            cells: self.judge.facts.rows as u64,
            groups: self.shop.groups,
            draws: self.options.draws,
            against_reference_nats: against_reference,
            between_draws_nats: between,
            pieces,
            max_abs_slope_error_nats: largest(slopes.into_iter()),
            log_lik: question.judged.log_lik[place],
        }
    }
}

/// Asks for the first points again, in another batch and another slot, on each number of `threads`, after setting the reference
/// again; 0 is all threads, as rayon reads it.
fn same_bits_again(
    likelihood: &mut dyn Likelihood,
    reference: &Array3<f64>,
    points: &Array3<f64>,
    seen: &LikelihoodBatch,
    threads: &[usize],
) -> Result<bool> {
    let few = points.slice(s![..ASKED_AGAIN.min(points.dim().0), .., ..]).to_owned();
    let mut same = true;
    for threads in threads {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(*threads).build();
        let pool = pool.map_err(|e| Error::new("could not start threads").at("bench precision").because(e))?;
        pool.install(|| -> Result<()> {
            refer_to(likelihood, reference)?;
            let mut again = room(&few);
            evaluate(likelihood, &few, &mut again)?;
            same &= bits_agree(&again, seen);
            let last = few.slice(s![few.dim().0 - 1.., .., ..]).to_owned();
            let mut alone = room(&last);
            evaluate(likelihood, &last, &mut alone)?;
            same &= chain_bits(&alone, 0) == chain_bits(seen, few.dim().0 - 1);
            Ok(())
        })?;
    }
    Ok(same)
}

/// Whether the chains of `few` are the first ones of `all`, bit by bit.
fn bits_agree(few: &LikelihoodBatch, all: &LikelihoodBatch) -> bool {
    (0..few.log_lik.len()).all(|chain| chain_bits(few, chain) == chain_bits(all, chain))
}

fn chain_bits(batch: &LikelihoodBatch, chain: usize) -> Vec<u64> {
    let slopes: ArrayView2<'_, f64> = batch.per_group.index_axis(Axis(0), chain);
    std::iter::once(batch.log_lik[chain]).chain(slopes.iter().copied()).map(f64::to_bits).collect()
}

fn bits(batch: &LikelihoodBatch) -> Vec<u64> {
    batch.log_lik.iter().chain(&batch.per_group).map(|value| value.to_bits()).collect()
}

/// The largest absolute value, NaN being the largest.
fn largest(values: impl Iterator<Item = f64>) -> f64 {
    values.fold(0.0, |worst: f64, value| if value.is_nan() || value.abs() > worst { value.abs() } else { worst })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> PrecisionOptions {
        PrecisionOptions {
            customers: vec![6000],
            groups: 2,
            chunks: vec![1, 7],
            merged: vec![true, false],
            draws: 6,
            heavy: true,
        }
    }

    #[test]
    fn nothing_to_compare_is_an_error() {
        let bench = Bench { families: Family::ALL.to_vec(), cpu: false, device: None };
        let error = precision(&bench, &options(), &mut |_| {}).expect_err("no layout");
        assert!(error.to_string().contains("nothing to compare"), "{error}");
    }

    /// Six thousand customers are far from what float32 cannot do: every layout holds, and says so with the promised keys.
    #[test]
    fn this_machine_holds() {
        let Some(device) = crate::adapter::device() else { return };
        let bench = Bench { families: Family::ALL.to_vec(), cpu: true, device: Some(device) };
        let mut lines = Vec::new();
        assert!(precision(&bench, &options(), &mut |line| lines.push(line.clone())).expect("the machine works"));
        assert!(lines.len() >= 24, "{}", lines.len());
        assert!(lines.iter().any(|line| line.max_weight > 1000.0) && lines.iter().any(|line| line.pieces > 3));
        for line in &lines {
            assert!(line.max_abs_delta_error_nats >= line.against_reference_nats && line.bit_identical, "{line:?}");
        }
        let json = serde_json::to_string(&lines[0]).expect("plain data");
        let keys = ["family", "customers", "merged", "chunks", "max_abs_delta_error_nats"];
        let places: Vec<usize> = keys.iter().map(|key| json.find(&format!("\"{key}\":")).expect("present")).collect();
        assert!(places.is_sorted() && places[0] == 1, "{json}");
    }

    #[test]
    fn nan_is_the_largest_error() {
        assert!(largest([1.0, f64::NAN, 2.0].into_iter()).is_nan());
        assert_eq!(largest([1.0, -3.0, 2.0].into_iter()), 3.0);
    }
}
