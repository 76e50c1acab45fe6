//! Special functions in f64: lnΓ, ψ, lnB and the differences of lnΓ and ψ that count data ask for.
//!
//! Not a general library: positive real arguments only, no complex numbers, no error codes. Outside the domain the results are
//! NaN or infinite, and the callers check parameters before they come here.

/// lnΓ(x) for x > 0, to about 1e-15 relative, the zeros at 1 and 2 included (FreeBSD's `lgamma` through the `libm` crate, so
/// that every platform computes the same bits).
pub fn ln_gamma(x: f64) -> f64 {
    libm::lgamma(x)
}

/// ψ(x) = d lnΓ(x)/dx for x > 0, to about 1e-15 relative, its zero at 1.4616… included.
///
/// Recurrence to [1, 2], where Boost's rational approximation factors the zero out; the asymptotic series from 10 on
/// (Abramowitz & Stegun 6.3.18).
pub fn digamma(x: f64) -> f64 {
    if x >= STIRLING_FROM {
        return x.ln() - 0.5 / x - digamma_tail(x);
    }
    let (mut x, mut shift) = (x, 0.0);
    if x < 1.0 {
        shift = -1.0 / x;
        x += 1.0;
    }
    while x > 2.0 {
        x -= 1.0;
        shift += 1.0 / x;
    }
    shift + digamma_1_2(x)
}

/// lnB(a, b) = lnΓ(a) + lnΓ(b) − lnΓ(a + b) for a, b > 0.
///
/// With one large argument the last two terms are taken as one difference, which keeps the digits that they share.
pub fn ln_beta(a: f64, b: f64) -> f64 {
    let (small, large) = if a < b { (a, b) } else { (b, a) };
    if large < STIRLING_FROM {
        ln_gamma(small) + ln_gamma(large) - ln_gamma(small + large)
    } else {
        ln_gamma(small) - ln_gamma_difference(large, small)
    }
}

/// ln of the rising factorial, lnΓ(c + x) − lnΓ(c) = Σ_{j<x} ln(c + j), for c > 0 and a count x.
///
/// Up to [`RISING_BY_SUM`] terms are summed as logarithms of short products; beyond that Stirling's series is differenced
/// term by term, so that no digits cancel when c ≫ x.
pub fn ln_rising(c: f64, x: u32) -> f64 {
    let direct = direct_steps(c, x);
    let sum = (0..direct).step_by(4).fold(0.0, |sum, j| {
        let product = (j..direct.min(j + 4)).fold(1.0, |product, i| product * (c + f64::from(i)));
        sum + product.ln()
    });
    if direct == x { sum } else { sum + ln_gamma_difference(c + f64::from(direct), f64::from(x - direct)) }
}

/// Derivative of [`ln_rising`] in c: ψ(c + x) − ψ(c) = Σ_{j<x} 1/(c + j).
pub fn digamma_rising(c: f64, x: u32) -> f64 {
    let direct = direct_steps(c, x);
    let sum = (0..direct).fold(0.0, |sum, j| sum + 1.0 / (c + f64::from(j)));
    if direct == x { sum } else { sum + digamma_difference(c + f64::from(direct), f64::from(x - direct)) }
}

/// I_z(a, b), the distribution function of Beta(a, b) at z = odds/(1 + odds), for a, b > 0 and 0 ≤ odds < ∞.
///
/// Continued fraction (NIST DLMF 8.17.22) on the side of the mean where it converges quickly, so that small
/// values keep their digits: to about 1e-14, times the logarithm of the value where that is large.
pub fn regularised_beta(a: f64, b: f64, odds: f64) -> f64 {
    if odds <= 0.0 {
        return 0.0;
    }
    let (ln_z, ln_rest) = (-(1.0 / odds).ln_1p(), -odds.ln_1p());
    let ln_front = a * ln_z + b * ln_rest - ln_beta(a, b);
    let z = odds / (1.0 + odds);
    if z < (a + 1.0) / (a + b + 2.0) {
        (ln_front - a.ln()).exp() * beta_fraction(a, b, z)
    } else {
        1.0 - (ln_front - b.ln()).exp() * beta_fraction(b, a, 1.0 / (1.0 + odds))
    }
}

/// 1/(1 + d₁/(1 + d₂/(1 + …))) by Lentz's method, which needs about √max(a, b) steps.
fn beta_fraction(a: f64, b: f64, z: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let away = |x: f64| if x.abs() < TINY { TINY } else { x };
    let (mut c, mut d) = (1.0, 1.0 / away(1.0 - (a + b) * z / (a + 1.0)));
    let mut fraction = d;
    for m in 1..100_000 {
        let m = f64::from(m);
        let even = m * (b - m) * z / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * z / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let mut change = 1.0;
        for term in [even, odd] {
            d = 1.0 / away(1.0 + term * d);
            c = away(1.0 + term / c);
            change = c * d;
            fraction *= change;
        }
        if (change - 1.0).abs() < 3e-16 {
            break;
        }
    }
    fraction
}

/// ln(1 + eᵘ), without overflow and without loss for very negative u.
pub fn softplus(u: f64) -> f64 {
    u.max(0.0) + (-u.abs()).exp().ln_1p()
}

/// 1/(1 + e⁻ᵘ), without overflow.
pub fn logistic(u: f64) -> f64 {
    let e = (-u.abs()).exp();
    if u >= 0.0 { 1.0 / (1.0 + e) } else { e / (1.0 + e) }
}

/// Counts up to this many are summed term by term in [`ln_rising`] and [`digamma_rising`].
pub const RISING_BY_SUM: u32 = 32;

/// From here on the asymptotic series below are good to the last digit.
const STIRLING_FROM: f64 = 10.0;

/// How many factors of (c)(c+1)…(c+x−1) to take one by one before the asymptotic difference is accurate.
fn direct_steps(c: f64, x: u32) -> u32 {
    if x <= RISING_BY_SUM {
        x
    } else if c >= STIRLING_FROM {
        0
    } else {
        (STIRLING_FROM - c).ceil() as u32
    }
}

/// lnΓ(c + d) − lnΓ(c) for c ≥ 10 and real d ≥ 0.
fn ln_gamma_difference(c: f64, d: f64) -> f64 {
    d * (c + d).ln() + (c - 0.5) * (d / c).ln_1p() - d + (stirling_tail(c + d) - stirling_tail(c))
}

/// ψ(c + d) − ψ(c) for c ≥ 10 and real d ≥ 0.
fn digamma_difference(c: f64, d: f64) -> f64 {
    (d / c).ln_1p() + 0.5 * d / (c * (c + d)) - (digamma_tail(c + d) - digamma_tail(c))
}

/// Stirling's Σ B₂ₙ / (2n(2n−1) x^(2n−1)).
fn stirling_tail(x: f64) -> f64 {
    const C: [f64; 7] =
        [1.0 / 12.0, -1.0 / 360.0, 1.0 / 1260.0, -1.0 / 1680.0, 1.0 / 1188.0, -691.0 / 360_360.0, 1.0 / 156.0];
    let y = 1.0 / (x * x);
    C.iter().rev().fold(0.0, |sum, c| sum * y + c) / x
}

/// Σ B₂ₙ / (2n x^2n), so that ψ(x) = ln x − 1/(2x) − this.
fn digamma_tail(x: f64) -> f64 {
    const C: [f64; 8] = [
        1.0 / 12.0,
        -1.0 / 120.0,
        1.0 / 252.0,
        -1.0 / 240.0,
        1.0 / 132.0,
        -691.0 / 32_760.0,
        1.0 / 12.0,
        -3617.0 / 8160.0,
    ];
    let y = 1.0 / (x * x);
    C.iter().rev().fold(0.0, |sum, c| sum * y + c) * y
}

/// ψ on [1, 2] as (x − x₀)(Y + P(x−1)/Q(x−1)), x₀ the zero in three parts (Boost.Math, `digamma_imp_1_2`, 53 bits).
fn digamma_1_2(x: f64) -> f64 {
    const ZERO: [f64; 3] = [
        1_569_415_565.0 / 1_073_741_824.0,
        381_566_830.0 / 1_073_741_824.0 / 1_073_741_824.0,
        0.901_631_209_325_869_6e-19,
    ];
    const Y: f64 = 0.995_581_626_892_089_8;
    const P: [f64; 6] = [
        0.254_798_510_611_315_5,
        -0.325_550_311_868_044_9,
        -0.650_318_537_708_965_1,
        -0.289_191_264_447_747_84,
        -0.045_251_321_448_739_06,
        -0.002_071_332_116_774_595,
    ];
    const Q: [f64; 7] = [
        1.0,
        2.076_711_702_373_047,
        1.460_624_290_976_351_5,
        0.435_935_296_926_659_7,
        0.054_151_797_245_674_225,
        0.002_128_498_701_782_114_5,
        -0.557_898_413_216_755_1e-6,
    ];
    let from_zero = x - ZERO[0] - ZERO[1] - ZERO[2];
    let at = |c: &[f64]| c.iter().rev().fold(0.0, |sum, c| sum * (x - 1.0) + c);
    from_zero * (Y + at(&P) / at(&Q))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// mpmath 1.3, 40 digits: (x, lnΓ(x), ψ(x)).
    const KNOWN: [(f64, f64, f64); 40] = [
        (1e-08, 18.42068073818021, -100000000.57721564),
        (1e-06, 13.815509980749432, -1000000.5772140201),
        (0.001, 6.907178885383853, -1000.5755719318103),
        (0.1, 2.252712651734206, -10.423754940411076),
        (0.25, 1.2880225246980774, -4.2274535333762655),
        (0.5, 0.5723649429247001, -1.9635100260214235),
        (0.75, 0.20328095143129538, -1.0858608797864722),
        (0.9, 0.06637623973474295, -0.7549269499470513),
        (0.99, 0.005854806764709781, -0.5937863040555952),
        (0.999999, 5.772164873855652e-07, -0.5772173098368019),
        (1.0000001, -5.772155829918507e-08, -0.5772155004081381),
        (1.001, -0.0005763935982833062, -0.5755719318103006),
        (1.1, -0.049872441259839764, -0.42375494041107664),
        (1.25, -0.09827183642181316, -0.22745353337626542),
        (1.4, -0.1196129141723713, -0.06138454458511624),
        (1.4616, -0.12148629003589732, -3.110625123034165e-05),
        (1.461632144968362, -0.12148629053584961, -3.072790566546293e-16),
        (1.4616321449683622, -0.12148629053584961, -9.241265521729427e-17),
        (1.5, -0.12078223763524522, 0.03648997397857652),
        (1.7, -0.09580769740706588, 0.2085478748734939),
        (1.9, -0.03898427592308336, 0.35618416116405965),
        (1.99, -0.004195529088791668, 0.41631470604541493),
        (1.9999999, -4.2278430309861296e-08, 0.4227842706050584),
        (2.0000001, 4.227843666532498e-08, 0.4227843995918717),
        (2.001, 0.000423106734800117, 0.42342906719069845),
        (2.25, 0.1248717148923966, 0.5725464666237345),
        (2.5, 0.2846828704729192, 0.7031566406452432),
        (3.0, std::f64::consts::LN_2, 0.9227843350984671),
        (3.5, 1.2009736023470743, 1.103156640645243),
        (4.75, 2.8085714185757364, 1.4492040552784629),
        (7.3, 7.147892523022248, 1.9178203356379862),
        (9.99, 12.779315214350193, 2.250700372831201),
        (10.01, 12.824350262448247, 2.2528037003181356),
        (12.5, 18.734347511936445, 2.4851956512749123),
        (25.3, 55.74618118358459, 3.210911380182536),
        (100.7, 362.3567752034306, 4.607172338628299),
        (1234.5, 7550.550901077895, 7.118016231827998),
        (100000.0, 1051287.7089736569, 11.512920464961896),
        (3300000.0, 46231122.40146318, 15.009432874921549),
        (100000000.0, 1742068066.1038346, 18.420680738952367),
    ];

    /// A few units in the last place of the larger of the result and `floor`.
    fn close(seen: f64, expected: f64, tolerance: f64) -> bool {
        (seen - expected).abs() <= tolerance * expected.abs()
    }

    #[test]
    fn ln_gamma_and_digamma_at_known_points() {
        for (x, ln_gamma_x, digamma_x) in KNOWN {
            assert!(close(ln_gamma(x), ln_gamma_x, 1e-15), "lnΓ({x}) = {:e}", ln_gamma(x));
            // Within 1e-13 of the zero of ψ the argument itself holds only a few digits of the distance to the zero.
            let slack = if digamma_x.abs() < 1e-13 { 1e-4 } else { 1.5e-15 };
            assert!(close(digamma(x), digamma_x, slack), "ψ({x}) = {:e} not {digamma_x:e}", digamma(x));
        }
    }

    /// ln_rising against lnΓ where that does not cancel, and against the plain sum where it does.
    #[test]
    fn rising_factorials_by_both_routes() {
        for c in [1e-6, 0.02, 0.2426, 1.0, 7.5, 9.99, 10.0, 31.7, 812.0] {
            for x in [0, 1, 2, 3, 4, 5, 9, 31, 32, 33, 34, 100, 5000] {
                let (mut value, mut slope) = (0.0, 0.0);
                for j in (0..x).rev() {
                    value += (c + f64::from(j)).ln();
                    slope += 1.0 / (c + f64::from(j));
                }
                // 5000 additions: an error of a few hundred units in the last place is the reference's own.
                let scale = value.abs().max(1.0);
                assert!((ln_rising(c, x) - value).abs() <= 1e-13 * scale, "c {c} x {x}: {} {value}", ln_rising(c, x));
                assert!(close(digamma_rising(c, x), slope, 1e-13), "c {c} x {x}");
            }
        }
        // mpmath: loggamma(1e6 + 0.5 + 100) - loggamma(1e6 + 0.5), 20 digits.
        assert!(close(ln_rising(1e6 + 0.5, 100), RISING_MILLION, 1e-15));
        // mpmath: loggamma(0.25 + 100000) - loggamma(0.25).
        assert!(close(ln_rising(0.25, 100_000), RISING_WHALE, 1e-15));
    }

    #[test]
    fn ln_beta_at_known_points() {
        for (a, b, expected) in BETA {
            assert!(close(ln_beta(a, b), expected, 1e-14), "lnB({a}, {b}) = {:e}", ln_beta(a, b));
            assert_eq!(ln_beta(a, b).to_bits(), ln_beta(b, a).to_bits());
        }
    }

    #[test]
    fn regularised_beta_at_known_points() {
        for (a, b, odds, expected) in REGULARISED_BETA {
            let seen = regularised_beta(a, b, odds);
            // The front factor is the exponential of up to a few hundred, less up to 1e5.
            assert!(close(seen, expected, 2e-12), "I({a}, {b}) at odds {odds}: {seen:e}");
        }
        assert_eq!(regularised_beta(2.0, 0.5, 0.0), 0.0);
    }

    #[test]
    fn softplus_and_logistic_at_the_ends() {
        assert_eq!(softplus(800.0), 800.0);
        assert!(close(softplus(-700.0), (-700.0f64).exp(), 1e-15));
        assert!(close(softplus(0.0), std::f64::consts::LN_2, 1e-16));
        assert_eq!((logistic(800.0), logistic(-800.0), logistic(0.0)), (1.0, 0.0, 0.5));
    }

    const RISING_MILLION: f64 = 1381.5560556297733;
    const RISING_WHALE: f64 = 1051289.299181561;

    /// mpmath, 40 digits: (a, b, lnB(a, b)).
    const BETA: [(f64, f64, f64); 6] = [
        (0.793, 2.426, -0.5115692885937033),
        (1e-06, 3.0, 13.8155090579649),
        (0.5, 250.0, -2.187865516339755),
        (12.0, 5000000.0, -167.5970869988965),
        (10000.0, 10000.0, -13866.28325676141),
        (3.0, 9.5, -6.351866910579232),
    ];

    /// The upper tails of negative binomial counts, summed term by term (mpmath, 30 digits): (a, b, odds, I_z(a, b)).
    const REGULARISED_BETA: [(f64, f64, f64, f64); 8] = [
        (1.0, 0.243, 8.8, 0.425708929495872),
        (3.0, 2.243, 0.9, 0.3177751374657087),
        (41.0, 150.35, 0.1, 1.6808888869372073e-07),
        (41.0, 150.35, 0.5, 0.9998727012090599),
        (2.0, 0.05, 0.01, 2.589530934997148e-06),
        (20001.0, 20000.5, 1.05, 0.9999994596259609),
        (13.0, 26.05, 40.0, 1.0),
        (100001.0, 0.3, 1000.0, 5.1667722752936065e-46),
    ];
}
