//! Where likelihoods are computed, and what a family's kernel says of customers: the part of its row that is code. Which likelihood
//! belongs to which family is written in the family's own file.

use super::Effect;
use serde::Serialize;

use crate::data::Observations;
use crate::kernels::device::Device;
use crate::kernels::{Cells, Covariates, KernelError, Likelihood, Options, Term, covariates};

/// Where a likelihood is computed.
#[derive(Debug, Clone, Default)]
pub struct Place {
    /// An open device, and how to use it; none for f64 on the CPU.
    pub device: Option<(Device, Options)>,
    /// Whether the judge itself is wanted, the plainest form, where a quicker one agrees with it in all digits that a sampler needs.
    pub is_judge: bool,
}

/// A likelihood, or why the kernel refused its customers.
pub type Made = Result<Box<dyn Likelihood>, KernelError>;

impl Place {
    /// The CPU, with the quickest form of each likelihood.
    pub const CPU: Self = Self { device: None, is_judge: false };

    /// The likelihood of `rows` on this place: `quick` or `judge` on the CPU, what `gpu` makes of the judge on a device.
    pub(super) fn make<R, Q, J, G>(
        &self,
        rows: R,
        quick: impl FnOnce(R) -> Result<Q, KernelError>,
        judge: impl FnOnce(R) -> Result<J, KernelError>,
        gpu: impl FnOnce(J, &Device, &Options) -> Result<G, KernelError>,
    ) -> Made
    where
        Q: Likelihood + 'static,
        J: Likelihood + 'static,
        G: Likelihood + 'static,
    {
        Ok(match &self.device {
            Some((device, options)) => Box::new(gpu(judge(rows)?, device, options)?),
            None if self.is_judge => Box::new(judge(rows)?),
            None => Box::new(quick(rows)?),
        })
    }
}

/// How covariates move a family.
#[derive(Debug, Clone, Copy)]
pub struct Movable {
    /// The parameters that they move.
    pub effects: &'static [Effect],
    /// The likelihood of customers with parameters of their own.
    pub likelihood: fn(&Observations, Covariates, &Place) -> Made,
    /// The parameters of one customer, given those of the group.
    pub own: Own,
}

/// `(theta, gamma, terms, z)`: a group's parameters, a coefficient for each of the terms, and the customer's covariates.
type Own = fn(&[f64], &[f64], &[Term], &[f64]) -> Vec<f64>;

impl Movable {
    /// What the kernels of BG/NBD and its like have for it.
    pub(super) const fn by<L: covariates::Personal + 'static>(effects: &'static [Effect]) -> Self {
        Self {
            effects,
            likelihood: |observed, known, place| {
                place.make(
                    (cells(observed), known),
                    |(cells, known)| covariates::Simd::<L>::new(cells, known),
                    |(cells, known)| covariates::Cpu::<L>::new(cells, known),
                    covariates::Gpu::<L>::with,
                )
            },
            own: |theta, gamma, terms, z| covariates::own::<L>(array(theta), gamma, terms, z).to_vec(),
        }
    }
}

/// What is asked of a customer beside the likelihood.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Ahead {
    /// Time units, opportunities or periods to come.
    pub horizon: Option<f64>,
    /// A number of purchases or renewals in the horizon whose probability is wanted.
    pub n: Option<u32>,
    /// Interest at which later purchases count less: a purchase after y counts e^(−rate·y); at the j-th opportunity or renewal from
    /// now, 1/(1+rate)ʲ.
    pub discount_rate: Option<f64>,
}

impl Ahead {
    /// The probabilities of n and of none, from that of a count within a horizon.
    pub(super) fn probabilities(&self, of: impl Fn(f64, u32) -> f64) -> (Option<f64>, Option<f64>) {
        let within = |n: u32| self.horizon.map(|h| of(h, n));
        (self.n.and_then(within), within(0))
    }
}

/// What a model says of one customer beside the likelihood; none where it says nothing. Expectations without bound are written as null.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Forecast {
    /// P(alive at T).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p_alive: Option<f64>,
    /// Expected purchases in the horizon.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected_purchases: Option<f64>,
    /// Expected number of the horizon's renewals that are made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected_periods: Option<f64>,
    /// P(exactly n purchases or renewals in the horizon).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probability: Option<f64>,
    /// P(none of them in the horizon).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probability_of_none: Option<f64>,
    /// Expected purchases after T without end, discounted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub discounted_expected_purchases: Option<f64>,
    /// Expected renewals after T without end, discounted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub discounted_expected_periods: Option<f64>,
    /// Expected spend per purchase, in the currency of m.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected_spend: Option<f64>,
}

/// What the kernels of a purchase model in continuous time know of a customer with history (x, t_x, T): P(alive), expected purchases
/// within a horizon, the probability of a number of them, and all to come at a discount.
pub(super) struct Continuous<const K: usize> {
    pub p_alive: fn([f64; K], u32, f64, f64) -> f64,
    pub expected_purchases: fn([f64; K], u32, f64, f64, f64) -> f64,
    pub probability_of: fn([f64; K], u32, f64, f64, f64, u32) -> f64,
    pub discounted_expected_purchases: fn([f64; K], u32, f64, f64, f64) -> f64,
}

impl<const K: usize> Continuous<K> {
    /// What they say of `data` (x, t_x, T).
    pub fn forecast(&self, theta: &[f64], data: &[f64], ahead: &Ahead) -> Forecast {
        let (theta, x, t_x, t) = (array(theta), data[0] as u32, data[1], data[2]);
        let (probability, probability_of_none) =
            ahead.probabilities(|h, n| (self.probability_of)(theta, x, t_x, t, h, n));
        let discounted = |rate| (self.discounted_expected_purchases)(theta, x, t_x, t, rate);
        Forecast {
            p_alive: Some((self.p_alive)(theta, x, t_x, t)),
            expected_purchases: ahead.horizon.map(|h| (self.expected_purchases)(theta, x, t_x, t, h)),
            probability,
            probability_of_none,
            discounted_expected_purchases: ahead.discount_rate.map(discounted),
            ..Forecast::default()
        }
    }
}

/// The purchase histories as the kernels of continuous time take them.
pub(super) fn cells(observed: &Observations) -> Cells {
    super::cells(observed.cells.clone(), &observed.groups)
}

/// A family's parameters, or the first of them, as its kernel takes them.
pub(super) fn array<const K: usize>(theta: &[f64]) -> [f64; K] {
    std::array::from_fn(|k| theta[k])
}
