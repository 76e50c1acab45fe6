//! Gauss–Legendre nodes for integrals over the time of death τ in (t_x, T). Knows the shape of the integrand, not the likelihood.
//!
//! With c = min(α, β) and u = ln((c+τ)/(c+t_x)) on [0, U],
//!
//! ```text
//! ∫ f(τ) (α+τ)^−n (β+τ)^−(s+1) dτ = ∫ f(τ) (c+τ) (α+τ)^−n (β+τ)^−(s+1) du,      n = r + x
//! k = n (c+t_x)/(α+t_x) + (s+1) (c+t_x)/(β+t_x) − 1,    U = min( ln((c+T)/(c+t_x)), 28/k ), the second only when k > 0
//! ```
//!
//! The logarithm of the integrand over u is concave with slope −k at 0: beyond 28/k nothing is left. [0, U] is cut into panels of
//! length 5 or less, and 30/k or less, with sixteen nodes each; almost always that is one.

use super::K;

/// The positive half of the sixteen nodes on [−1, 1], their weights, and the logarithms of those (40 digits, rounded).
pub(super) const NODES: [[f64; 3]; 8] = [
    [0.095_012_509_837_637_44, 0.189_450_610_455_068_5, -1.663_626_919_273_742_7],
    [0.281_603_550_779_258_9, 0.182_603_415_044_923_58, -1.700_438_608_669_082],
    [0.458_016_777_657_227_37, 0.169_156_519_395_002_54, -1.776_930_842_405_315],
    [0.617_876_244_402_643_8, 0.149_595_988_816_576_74, -1.899_817_026_524_645_2],
    [0.755_404_408_355_003, 0.124_628_971_255_533_88, -2.082_414_185_566_639],
    [0.865_631_202_387_831_8, 0.095_158_511_682_492_79, -2.352_211_233_844_827_4],
    [0.944_575_023_073_232_6, 0.062_253_523_938_647_894, -2.776_540_135_783_384],
    [0.989_400_934_991_649_9, 0.027_152_459_411_754_096, -3.606_287_650_636_571_8],
];

/// The integrand has fallen to e^−28 of where it began, 7e-13, where U cuts it.
pub(super) const FALL: f64 = 28.0;

/// Longest panel, in u.
pub(super) const PANEL: f64 = 5.0;

/// Steepest fall over a panel, in nats.
const PANEL_FALL: f64 = 30.0;

/// The interval of u, cut into panels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Span {
    /// c + t_x.
    pub early: f64,
    pub panels: u32,
    /// Half the length of a panel: the factor of its weights.
    pub half: f64,
}

impl Span {
    /// For τ in (t_x, t_x + gap], cut where the integrand has fallen by e^−`fall`.
    pub fn new([r, alpha, s, beta]: [f64; K], x: f64, t_x: f64, gap: f64, fall: f64) -> Self {
        let early = alpha.min(beta) + t_x;
        let whole = (gap / early).min(f64::MAX).ln_1p();
        let k = (r + x) * (early / (alpha + t_x)) + (s + 1.0) * (early / (beta + t_x)) - 1.0;
        let length = if k > 0.0 { whole.min(fall / k) } else { whole };
        let panels = (length / PANEL).max(k * length / PANEL_FALL).ceil().max(1.0);
        Self { early, panels: panels as u32, half: 0.5 * length / panels }
    }

    /// (u, ln weight) of every node, the weight without its factor `half`.
    pub fn nodes(self) -> impl Iterator<Item = (f64, f64)> {
        (0..self.panels).flat_map(move |panel| {
            let middle = self.half * f64::from(2 * panel + 1);
            NODES.into_iter().flat_map(move |[place, _, ln_weight]| {
                [(middle - self.half * place, ln_weight), (middle + self.half * place, ln_weight)]
            })
        })
    }

    /// τ − t_x at u.
    pub fn delay(self, u: f64) -> f64 {
        self.early * u.exp_m1()
    }
}

/// Σ e^l and the means of N numbers under the weights e^l, without overflow, for terms in any order.
#[derive(Debug, Clone, Copy)]
pub(super) struct LogMeans<const N: usize> {
    peak: f64,
    total: f64,
    sums: [f64; N],
}

impl<const N: usize> LogMeans<N> {
    pub const EMPTY: Self = Self { peak: f64::NEG_INFINITY, total: 0.0, sums: [0.0; N] };

    pub fn add(&mut self, l: f64, numbers: [f64; N]) {
        if l > self.peak {
            let shrink = (self.peak - l).exp();
            self.total *= shrink;
            self.sums.iter_mut().for_each(|sum| *sum *= shrink);
            self.peak = l;
        }
        let weight = (l - self.peak).exp();
        self.total += weight;
        for (sum, number) in self.sums.iter_mut().zip(numbers) {
            *sum += weight * number;
        }
    }

    /// ln Σ e^l, and the means; zeros for no terms.
    pub fn finish(self) -> (f64, [f64; N]) {
        let per = if self.total > 0.0 { 1.0 / self.total } else { 0.0 };
        (self.peak + self.total.ln(), self.sums.map(|sum| sum * per))
    }
}
