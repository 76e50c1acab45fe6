//! Every figure held against ArviZ on sequences that both sides can make.
//!
//! Reference: ArviZ 0.23.4 (NumPy 2.4.6, SciPy 1.17.1), `arviz.stats.diagnostics` and `arviz.bfmi`, on the same arrays made in Python
//! with the generator below. The sequences use only +, −, ×, ÷ on f64, so they are equal bit for bit.

use ndarray::{Array2, ArrayView2};

use super::*;

/// Knuth's MMIX generator x ← 6364136223846793005 x + 1442695040888963407 mod 2⁶⁴ from 1; its upper 53 bits as a fraction.
struct Lcg(u64);

impl Lcg {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Chains xₜ = φ xₜ₋₁ + (u − ½) from 0, one after another from one generator; chain c is moved by c × `apart`.
pub(super) fn ar(chains: usize, draws: usize, phi: f64, apart: f64) -> Array2<f64> {
    let mut lcg = Lcg(1);
    let mut out = Array2::zeros((chains, draws));
    for (c, mut chain) in out.rows_mut().into_iter().enumerate() {
        let mut x = 0.0;
        for to in &mut chain {
            x = phi * x + (lcg.uniform() - 0.5);
            *to = x + apart * c as f64;
        }
    }
    out
}

/// Independent draws with heavy tails, chain c wider by 1 + c: same medians, other scales.
fn heavy(chains: usize, draws: usize) -> Array2<f64> {
    let mut lcg = Lcg(1);
    let mut out = Array2::zeros((chains, draws));
    for (c, mut chain) in out.rows_mut().into_iter().enumerate() {
        for to in &mut chain {
            let u = lcg.uniform() - 0.5;
            *to = (1.0 + c as f64) * u / (0.5001 - u.abs());
        }
    }
    out
}

type Figure = (&'static str, fn(ArrayView2<'_, f64>) -> f64);

#[test]
fn every_figure_is_arviz_s() {
    let figures: [Figure; 12] = [
        ("rhat", r_hat),
        ("ess bulk", ess_bulk),
        ("ess tail", ess_tail),
        ("ess mean", ess_mean),
        ("ess sd", ess_sd),
        ("ess quantile 0.1", |x| ess_quantile(x, 0.1)),
        ("mcse mean", mcse_mean),
        ("mcse sd", mcse_sd),
        ("mcse quantile 0.1", |x| mcse_quantile(x, 0.1)),
        ("mcse quantile 0.9", |x| mcse_quantile(x, 0.9)),
        ("bfmi, first chain", |x| e_bfmi(x)[0]),
        ("bfmi, last chain", |x| e_bfmi(x)[x.nrows() - 1]),
    ];
    let cases: [(&str, Array2<f64>, [f64; 12]); 8] = [
        (
            "mixed",
            ar(4, 250, 0.5, 0.0),
            [
                1.002_571_490_678_302_5,
                365.418_800_359_820_3,
                651.170_077_619_701_8,
                369.820_506_870_100_4,
                725.060_934_527_190_4,
                752.204_255_798_668_9,
                0.016_999_116_350_773_714,
                0.006_779_186_361_039_691,
                0.022_320_861_792_742_758,
                0.021_298_906_123_367_406,
                1.173_887_966_134_187_9,
                0.918_830_251_290_065_9,
            ],
        ),
        (
            "apart, odd length",
            ar(4, 251, 0.9, 0.3),
            [
                1.209_511_672_708_382_8,
                15.979_179_053_873_471,
                97.383_017_026_726_63,
                15.867_315_563_331_328,
                101.306_095_359_028_19,
                66.614_111_681_123_67,
                0.174_521_125_330_827_84,
                0.047_042_301_248_849_235,
                0.145_029_186_484_534_97,
                0.173_136_674_661_435,
                0.266_046_394_799_567_54,
                0.213_570_823_457_931_35,
            ],
        ),
        (
            "antithetic",
            ar(2, 100, -0.9, 0.0),
            [
                1.075_315_368_871_086_4,
                460.205_999_132_796_2,
                98.757_771_247_263_34,
                460.205_999_132_796_2,
                26.859_255_030_056_67,
                125.778_191_887_088_01,
                0.030_315_500_921_484_814,
                0.070_340_180_325_963_91,
                0.082_102_813_289_398_67,
                0.070_052_566_856_788_84,
                3.741_478_617_142_513,
                3.855_432_754_753_038_3,
            ],
        ),
        (
            "ties",
            ar(4, 500, 0.3, 0.0).mapv(|x| (x * 8.0).floor() / 8.0),
            [
                1.000_281_259_030_770_6,
                1_087.388_044_595_205_4,
                1_257.863_308_634_951_6,
                1_123.520_603_996_833,
                1_693.195_495_821_029_5,
                1_663.708_523_764_481,
                0.009_095_173_727_973_888,
                0.003_749_480_942_775_423,
                0.0,
                0.0,
                1.577_369_566_256_993_8,
                1.392_659_050_346_795_5,
            ],
        ),
        (
            "short",
            ar(3, 8, 0.5, 0.0),
            [
                1.142_404_701_598_399_8,
                33.125_069_801_078_54,
                33.125_069_801_078_54,
                33.125_069_801_078_54,
                33.125_069_801_078_54,
                33.125_069_801_078_54,
                0.039_237_623_262_793_36,
                0.026_153_047_724_076_287,
                0.148_450_566_488_021_96,
                0.041_165_839_924_042_075,
                1.584_137_723_864_875,
                1.198_300_726_796_316_6,
            ],
        ),
        (
            "shortest",
            ar(2, 4, 0.0, 0.0),
            [
                0.855_557_634_825_837_5,
                7.224_719_895_935_548,
                7.224_719_895_935_548,
                7.224_719_895_935_548,
                7.224_719_895_935_548,
                7.224_719_895_935_548,
                0.079_414_905_293_163_36,
                0.055_514_847_511_945_936,
                0.178_894_929_449_237_9,
                0.143_020_153_184_905_69,
                2.349_023_459_003_882_8,
                1.184_744_887_308_530_4,
            ],
        ),
        (
            "scales differ",
            heavy(4, 300),
            [
                1.052_786_276_414_529_5,
                1_213.720_644_206_846,
                983.662_961_743_809_5,
                1_201.854_944_972_724,
                1_221.435_706_373_246,
                1_165.208_866_687_307_6,
                2.161_932_662_054_552_7,
                17.608_319_728_499_403,
                1.447_194_212_485_049_6,
                1.279_505_572_867_527,
                1.927_459_744_307_444_2,
                1.919_735_147_240_127_4,
            ],
        ),
        (
            "slow",
            ar(4, 1000, 0.995, 0.0),
            [
                1.579_460_595_358_57,
                7.043_045_477_635_562,
                34.282_854_840_709_26,
                6.898_459_035_917_464_5,
                22.169_942_275_670_078,
                14.600_229_069_306_224,
                0.794_390_570_457_283,
                0.278_871_731_814_119_95,
                0.873_653_130_975_368_7,
                0.738_789_105_007_494_8,
                0.029_484_643_472_990_374,
                0.017_224_352_981_704_667,
            ],
        ),
    ];
    for (case, draws, expected) in cases {
        for ((name, figure), expected) in figures.iter().zip(expected) {
            let found = figure(draws.view());
            // 1e-10 relative leaves room for sums taken in another order (ArviZ goes through a Fourier transform), and for nothing else.
            assert!(
                (found - expected).abs() <= 1e-10 * expected.abs(),
                "{case}: {name} is {found}, ArviZ has {expected}"
            );
        }
    }
}

#[test]
fn nested_r_hat_is_its_definition() {
    // The definition in Margossian et al. (2024), transcribed in NumPy 2.4.6: √(1 + var(superchain means) / mean(between + within chains)).
    let found = r_hat_nested(ar(6, 5, 0.5, 0.0).view(), 2);
    assert!((found - 1.179_549_233_336_255_4).abs() < 1e-12, "{found}");

    // One draw each, independent: √(1 + 1/M), here with K = 2000 superchains of M = 4. The ratio of variances has a relative
    // standard error of about √(2/K) = 3 %, of 0.25: 0.03 in the square is three of them.
    let stationary = r_hat_nested(ar(1, 8000, 0.0, 0.0).into_shape_with_order((8000, 1)).unwrap().view(), 4);
    assert!((stationary * stationary - 1.25).abs() < 0.03, "{stationary}");
    assert!(stationary < nested_r_hat_limit(1.05, 4) && stationary > 1.01);

    // Superchains that sit apart are found, and shapes that are none are not judged.
    assert!(r_hat_nested(ar(8, 3, 0.0, 2.0).view(), 4) > 2.0);
    assert!(r_hat_nested(ar(6, 3, 0.0, 0.0).view(), 4).is_nan());
    assert!(r_hat_nested(ar(4, 3, 0.0, 0.0).view(), 4).is_nan());
    assert!(r_hat_nested(Array2::ones((8, 3)).view(), 4).is_nan());
}

#[test]
fn what_cannot_be_judged_is_nan() {
    let mut holed = ar(4, 100, 0.5, 0.0);
    holed[[2, 50]] = f64::NAN;
    let mut blown = ar(4, 100, 0.5, 0.0);
    blown[[0, 0]] = f64::INFINITY;
    for draws in [
        Array2::from_elem((4, 100), 0.1),
        holed,
        blown,
        ar(4, 3, 0.5, 0.0),
        Array2::zeros((4, 0)),
        Array2::zeros((0, 0)),
    ] {
        let figures = [r_hat, ess_bulk, ess_tail, ess_mean, ess_sd, mcse_mean, mcse_sd];
        assert!(figures.iter().all(|figure| figure(draws.view()).is_nan()), "{:?}", draws.dim());
        assert!(ess_quantile(draws.view(), 0.5).is_nan() && mcse_quantile(draws.view(), 0.5).is_nan());
    }
    assert!(e_bfmi(Array2::ones((2, 50)).view()).iter().all(|x| x.is_nan()));
    assert!(e_bfmi_pooled(Array2::ones((2, 50)).view()).is_nan());
}

#[test]
fn one_stuck_chain_is_not_overlooked() {
    // Three good chains and one that never moved: within-chain variance shrinks, the figures must not look better for it.
    let mut draws = ar(4, 500, 0.3, 0.0);
    draws.row_mut(3).fill(0.4);
    assert!(r_hat(draws.view()) > 1.1, "{}", r_hat(draws.view()));
    assert!(ess_bulk(draws.view()) < 50.0, "{}", ess_bulk(draws.view()));
}

#[test]
fn pooled_e_bfmi_is_that_of_equal_chains() {
    let energy = ar(1, 200, 0.5, 0.0);
    let twice = ndarray::concatenate![ndarray::Axis(0), energy, energy];
    assert!((e_bfmi_pooled(twice.view()) - e_bfmi(energy.view())[0]).abs() < 1e-12);
}

/// arviz-stats 0.8.0, `array_stats.rhat_nested(…, method="identity")`, superchains of neighbours.
#[test]
fn nested_r_hat_is_arviz_s() {
    let cases = [
        ((16, 50, 0.5, 0.0), 4, 1.002_868_608_511_515_7),
        ((16, 50, 0.5, 0.0), 8, 1.003_228_150_632_475),
        ((16, 50, 0.5, 0.1), 4, 1.869_949_669_588_612),
        ((16, 50, 0.5, 0.1), 8, 1.766_385_759_013_726),
        ((32, 5, 0.9, 0.05), 4, 1.462_757_861_136_501_3),
        ((32, 5, 0.9, 0.05), 8, 1.459_818_981_196_541_4),
    ];
    for ((chains, draws, phi, apart), m, expected) in cases {
        let found = r_hat_nested(ar(chains, draws, phi, apart).view(), m);
        // Rounding of sums of some hundreds.
        assert!((found - expected).abs() < 1e-12, "{chains} chains in superchains of {m}: {found} against {expected}");
    }
}
