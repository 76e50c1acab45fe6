//! Customers with parameters of their own: the judge against the scalar density one by one and against differences, the fast f64 path
//! against the judge, extremes and refusals.

#[path = "covariates/known.rs"]
mod known;
#[expect(dead_code, reason = "shared with tests that need spenders and batches without coefficients")]
mod simulated;

use known::{Case, FAMILIES, evaluate, gammas, known};
use longrun_kernels::bg_nbd::{self, BgNbd};
use longrun_kernels::covariates::{self, Cpu, MOST_TERMS, Personal, Simd};
use longrun_kernels::mbg_nbd::{self, MbgNbd};
use longrun_kernels::pareto_nbd::{self, ParetoNbd};
use longrun_kernels::rng::{Purpose, Stream};
use longrun_kernels::{Cells, Covariates, Likelihood, LikelihoodBatch, ParamBatch, PointwiseBatch, Term};
use ndarray::{Array2, Array3, Axis, s};
use simulated::{batch, cells};

/// Of the sum of absolute values of what is added: thousands of roundings in another order.
const JUDGE: f64 = 1e-12;

/// As above, where terms of rows that the judge keeps small (MBG/NBD's silence, say) are formed from larger ones, and with
/// Pareto/NBD's nodes, whose two sets are each good to 1e-10 here.
const SIMD: f64 = 1e-11;

/// One by one: value, slopes in the groups' parameters and in the coefficients, and the absolute values of their terms.
struct OneByOne {
    value: [f64; 2],
    per_group: Array3<f64>,
    shared: Vec<[f64; 2]>,
}

/// Written out from the definition for each customer.
fn one_by_one<L: Personal>(cells: &Cells, known: &Covariates, theta: &Array2<f64>, gamma: &[f64]) -> OneByOne {
    let mut sums = OneByOne {
        value: [0.0; 2],
        per_group: Array3::zeros((2, cells.n_groups, 4)),
        shared: vec![[0.0; 2]; gamma.len()],
    };
    for i in 0..cells.group.len() {
        let (g, w) = (cells.group[i] as usize, cells.weight[i]);
        let mut own: [f64; 4] = std::array::from_fn(|k| theta[[g, k]]);
        for (term, gamma) in known.terms.iter().zip(gamma) {
            own[term.parameter] *= (L::SIGNS[term.parameter] * gamma * known.values[[i, term.column]]).exp();
        }
        let (value, slopes) = L::log_lik_gradient(own, cells.frequency[i], cells.recency[i], cells.age[i]);
        // The value's parts are logarithms of up to x numbers that may cancel, and n times that of a time.
        let size = value.abs() + (own[0] + own[2] + f64::from(cells.frequency[i])) * 20.0;
        sums.value = [sums.value[0] + w * value, sums.value[1] + w * size];
        let slope_size = |k: usize| slopes[k].abs() + size / own[k];
        for k in 0..4 {
            let factor = own[k] / theta[[g, k]];
            sums.per_group[[0, g, k]] += w * slopes[k] * factor;
            sums.per_group[[1, g, k]] += w * slope_size(k) * factor;
        }
        for (term, sum) in known.terms.iter().zip(&mut sums.shared) {
            let moved = own[term.parameter] * L::SIGNS[term.parameter] * known.values[[i, term.column]];
            sum[0] += w * slopes[term.parameter] * moved;
            sum[1] += w * slope_size(term.parameter) * moved.abs();
        }
    }
    sums
}

fn assert_one_by_one<L: Personal>(
    seen: &LikelihoodBatch,
    (cells, known): (&Cells, &Covariates),
    params: (&Array3<f64>, &Array2<f64>),
    tolerance: f64,
) {
    for chain in 0..params.0.dim().0 {
        let (theta, gamma) = (params.0.index_axis(Axis(0), chain).to_owned(), params.1.row(chain).to_vec());
        let expected = one_by_one::<L>(cells, known, &theta, &gamma);
        let close = |what: &str, seen: f64, [expected, size]: [f64; 2]| {
            let off = (seen - expected).abs();
            assert!(
                off <= tolerance * size,
                "{} {what}: {seen:e} not {expected:e} of {size:e}; {theta} {gamma:?}",
                L::NAME
            );
        };
        close("log_lik", seen.log_lik[chain], expected.value);
        for ((g, k), slope) in seen.per_group.index_axis(Axis(0), chain).indexed_iter() {
            close(&format!("slope {k} of {g}"), *slope, [0, 1].map(|i| expected.per_group[[i, g, k]]));
        }
        for (t, slope) in seen.shared.row(chain).iter().enumerate() {
            close(&format!("slope of term {t}"), *slope, expected.shared[t]);
        }
    }
}

/// Runs a check for each family and every choice of moved parameters.
macro_rules! each_case {
    ($check:ident) => {
        for case in FAMILIES {
            match case.name {
                "BG/NBD" => $check::<BgNbd>(case),
                "MBG/NBD" => $check::<MbgNbd>(case),
                _ => $check::<ParetoNbd>(case),
            }
        }
    };
}

#[test]
fn sums_are_those_of_customers_one_by_one() {
    each_case!(check);
    fn check<L: Personal>(case: &Case) {
        let cells = cells(3, 700, 0.01);
        let known = known(700, 3, case.parameters);
        let (params, gamma) = (batch::<4>(3, 3, case.centre, 0.7), gammas(3, known.terms.len(), 0.4));
        let judge = &mut Cpu::<L>::new(cells.clone(), known.clone()).expect("rows");
        let fast = &mut Simd::<L>::new(cells.clone(), known.clone()).expect("rows");
        assert_one_by_one::<L>(&evaluate(judge, &params, &gamma), (&cells, &known), (&params, &gamma), JUDGE);
        assert_one_by_one::<L>(&evaluate(fast, &params, &gamma), (&cells, &known), (&params, &gamma), SIMD);
    }
}

/// Every kind of history, α and β on either side of each other, and factors far beyond any fit's.
#[test]
fn extremes_agree_one_by_one() {
    each_case!(check);
    fn check<L: Personal>(case: &Case) {
        let histories = [
            (0, 0.0, 0.0),
            (0, 0.0, 1e-3),
            (0, 5.0, 60.0),
            (1, 10.0, 10.0),
            (1, 0.0, 80.0),
            (2, 30.4, 38.9),
            (7, 0.5, 500.0),
            (40, 51.0, 52.0),
            (1000, 51.9, 52.0),
            (1000, 3.0, 52.0),
        ];
        let rows = histories.len();
        let cells = Cells {
            n_groups: 2,
            group: (0..2 * rows).map(|i| (i / rows) as u32).collect(),
            frequency: histories.iter().cycle().take(2 * rows).map(|h| h.0).collect(),
            recency: histories.iter().cycle().take(2 * rows).map(|h| h.1).collect(),
            age: histories.iter().cycle().take(2 * rows).map(|h| h.2).collect(),
            weight: (0..2 * rows).map(|i| 1.0 + i as f64).collect(),
        };
        let known = known(2 * rows as u64, 2, case.parameters);
        let params = batch::<4>(12, 2, case.centre, 2.0);
        let gamma = gammas(12, known.terms.len(), 4.0);
        let judge = &mut Cpu::<L>::new(cells.clone(), known.clone()).expect("rows");
        let fast = &mut Simd::<L>::new(cells.clone(), known.clone()).expect("rows");
        assert_one_by_one::<L>(&evaluate(judge, &params, &gamma), (&cells, &known), (&params, &gamma), JUDGE);
        // Twelve histories instead of hundreds: a single one's rounding, or its nodes' error of 8e-8 at worst, is not averaged out.
        let tolerance = if L::NAME == "Pareto/NBD" { 1e-8 } else { SIMD };
        assert_one_by_one::<L>(&evaluate(fast, &params, &gamma), (&cells, &known), (&params, &gamma), tolerance);
    }
}

#[test]
fn without_coefficients_it_is_the_likelihood_without_covariates() {
    fn check<L: Personal>(case: &Case, mut plain: impl Likelihood, data: &Cells) {
        let known = known(data.group.len() as u64, 2, case.parameters);
        let (params, gamma) = (batch::<4>(3, 2, case.centre, 0.5), Array2::zeros((3, known.terms.len())));
        let expected = simulated::evaluate(&mut plain, &params);
        let both: [Box<dyn Likelihood>; 2] = [
            Box::new(Cpu::<L>::new(data.clone(), known.clone()).expect("rows")),
            Box::new(Simd::<L>::new(data.clone(), known).expect("rows")),
        ];
        for mut with in both {
            let seen = evaluate(with.as_mut(), &params, &gamma);
            for (seen, expected) in seen.log_lik.iter().zip(&expected.log_lik) {
                assert!((seen - expected).abs() <= 1e-11 * expected.abs(), "{}: {seen} {expected}", L::NAME);
            }
            for ((at, seen), expected) in seen.per_group.indexed_iter().zip(&expected.per_group) {
                // A slope is the rest of what 2,000 customers pull this way and that.
                assert!((seen - expected).abs() <= 1e-9 * (expected.abs() + 100.0), "{at:?}: {seen} {expected}");
            }
            assert!(seen.shared.iter().any(|slope| *slope != 0.0));
        }
    }
    let data = cells(2, 2000, 0.0);
    for case in FAMILIES {
        match case.name {
            "BG/NBD" => check::<BgNbd>(case, bg_nbd::Simd::new(data.clone()).expect("rows"), &data),
            "MBG/NBD" => check::<MbgNbd>(case, mbg_nbd::Simd::new(data.clone()).expect("rows"), &data),
            _ => check::<ParetoNbd>(case, pareto_nbd::Simd::new(data.clone()).expect("rows"), &data),
        }
    }
}

/// One customer at a thousand random points of each family: all slopes, those in the coefficients too.
#[test]
fn gradients_are_those_of_differences() {
    check::<BgNbd>([0.4, 7.0, 0.9, 2.2], &[1, 2, 3]);
    check::<MbgNbd>([0.5, 6.0, 0.9, 1.6], &[1, 2, 3]);
    check::<ParetoNbd>([0.6, 10.0, 0.6, 12.0], &[1, 3]);
    fn check<L: Personal>(centre: [f64; 4], parameters: &[usize]) {
        for point in 0..1000 {
            let mut stream = Stream::new(41, Purpose::Test, point, 0);
            let mut uniform = || stream.uniform();
            let (x, t) = ((40.0 * uniform() * uniform()) as u32, 1.0 + 100.0 * uniform());
            let cells = Cells {
                n_groups: 1,
                group: vec![0],
                frequency: vec![x],
                recency: vec![t * uniform()],
                age: vec![t],
                weight: vec![1.0 + (3.0 * uniform()).floor()],
            };
            let terms = parameters.iter().flat_map(|k| [0, 1].map(|column| Term { parameter: *k, column }));
            let known =
                Covariates { values: Array2::from_shape_fn((1, 2), |_| 4.0 * uniform() - 2.0), terms: terms.collect() };
            let p = known.terms.len();
            let at: Vec<f64> = (0..4 + p)
                .map(|i| if i < 4 { centre[i] * (2.0 * uniform() - 1.0).exp() } else { uniform() - 0.5 })
                .collect();
            let mut judge = Cpu::<L>::new(cells, known).expect("rows");
            let mut evaluate_at = |at: &[f64]| {
                let params = Array3::from_shape_fn((1, 1, 4), |(_, _, k)| at[k]);
                let gamma = Array2::from_shape_fn((1, p), |(_, t)| at[4 + t]);
                evaluate(&mut judge, &params, &gamma)
            };
            let seen = evaluate_at(&at);
            for i in 0..4 + p {
                let step = 1e-5 * if i < 4 { at[i] } else { 1.0 };
                let [high, low] = [step, -step].map(|step| {
                    let mut moved = at.clone();
                    moved[i] += step;
                    evaluate_at(&moved).log_lik[0]
                });
                let slope = (high - low) / 2e-5;
                let own = if i < 4 { seen.per_group[[0, 0, i]] * at[i] } else { seen.shared[[0, i - 4]] };
                // 1e-10 of the value by rounding, and third derivatives of 1e-10, which grow with x and the cube of z.
                let tolerance = 3e-9 * (seen.log_lik[0].abs() + f64::from(x) + 1.0);
                assert!((own - slope).abs() < tolerance, "{} {i}: {own} {slope} at {at:?}", L::NAME);
            }
        }
    }
}

#[test]
fn own_parameters_and_pointwise_values() {
    let terms = [Term { parameter: 1, column: 1 }, Term { parameter: 3, column: 0 }, Term { parameter: 1, column: 0 }];
    let (theta, gamma, z) = ([0.4, 7.0, 0.9, 2.2], [0.5, -0.25, 0.125], [2.0, -1.0]);
    let own = covariates::own::<BgNbd>(theta, &gamma, &terms, &z);
    // −(0.5·(−1) + 0.125·2) and −0.25·2.
    assert_eq!(own, [0.4, 7.0 * 0.25f64.exp(), 0.9, 2.2 * (-0.5f64).exp()]);
    let of_pareto = covariates::own::<ParetoNbd>(theta, &gamma, &terms, &z);
    assert_eq!(of_pareto[3], 2.2 * 0.5f64.exp());

    let data = cells(2, 50, 0.0);
    let known = Covariates { values: known(50, 2, &[1]).values, terms: terms.to_vec() };
    let (params, gamma) = (batch::<4>(2, 2, theta, 0.3), gammas(2, 3, 0.5));
    let both: [Box<dyn Likelihood>; 2] = [
        Box::new(Cpu::<MbgNbd>::new(data.clone(), known.clone()).expect("rows")),
        Box::new(Simd::<MbgNbd>::new(data.clone(), known.clone()).expect("rows")),
    ];
    for mut likelihood in both {
        let mut out = PointwiseBatch { log_lik: Array2::zeros((2, 20)) };
        let at = ParamBatch { per_group: params.view(), shared: gamma.view() };
        likelihood.pointwise(at, 10..30, &mut out).expect("rows that exist");
        for ((chain, i), seen) in out.log_lik.indexed_iter() {
            let row = 10 + i;
            let theta = std::array::from_fn(|k| params[[chain, data.group[row] as usize, k]]);
            let (gamma, z) = (gamma.row(chain).to_vec(), known.values.row(row).to_vec());
            let own = covariates::own::<MbgNbd>(theta, &gamma, &known.terms, &z);
            assert_eq!(*seen, mbg_nbd::log_lik(own, data.frequency[row], data.recency[row], data.age[row]));
        }
    }
}

/// A group's parameters, a coefficient, or one customer's own parameters: −∞ and zeros, and the neighbours do not notice.
#[test]
fn impossible_points_are_data() {
    let data = cells(2, 3000, 0.0);
    let known = known(3000, 2, &[1, 2]);
    let centre = [0.4, 7.0, 0.9, 2.2];
    let (mut params, mut gamma) = (batch::<4>(6, 2, centre, 0.1), gammas(6, 4, 0.2));
    let (near, near_gamma) = (params.clone(), gamma.clone());
    params[[1, 1, 0]] = -1.0;
    gamma[[2, 3]] = f64::NAN;
    // The largest |z| of 3,000 is above 3: exponents beyond 900.
    gamma[[3, 0]] = 300.0;
    gamma[[4, 2]] = f64::INFINITY;
    let both: [Box<dyn Likelihood>; 2] = [
        Box::new(Cpu::<BgNbd>::new(data.clone(), known.clone()).expect("rows")),
        Box::new(Simd::<BgNbd>::new(data, known).expect("rows")),
    ];
    for mut likelihood in both {
        let seen = evaluate(likelihood.as_mut(), &params, &gamma);
        let alone = evaluate(likelihood.as_mut(), &near, &near_gamma);
        for chain in 0..6 {
            let impossible = (1..=4).contains(&chain);
            let (slopes, shared) = (seen.per_group.index_axis(Axis(0), chain), seen.shared.row(chain));
            if impossible {
                assert_eq!(seen.log_lik[chain], f64::NEG_INFINITY, "chain {chain}");
                assert!(slopes.iter().chain(&shared).all(|slope| *slope == 0.0), "chain {chain}");
            } else {
                assert_eq!(seen.log_lik[chain].to_bits(), alone.log_lik[chain].to_bits());
                assert_eq!((slopes, shared), (alone.per_group.index_axis(Axis(0), chain), alone.shared.row(chain)));
            }
        }
    }
}

#[test]
fn the_same_bits_for_any_number_of_threads_and_beside_any_chains() {
    let data = cells(3, 20_000, 0.0);
    let known = known(20_000, 5, &[1, 3]);
    let (params, gamma) = (batch::<4>(9, 3, [0.5, 6.0, 0.9, 1.6], 0.3), gammas(9, 10, 0.3));
    type Make = fn(Cells, Covariates) -> Box<dyn Likelihood>;
    let make: [Make; 2] = [
        |cells, known| Box::new(Cpu::<MbgNbd>::new(cells, known).expect("rows")),
        |cells, known| Box::new(Simd::<MbgNbd>::new(cells, known).expect("rows")),
    ];
    for make in make {
        let mut likelihood = make(data.clone(), known.clone());
        let together = evaluate(likelihood.as_mut(), &params, &gamma);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread");
        let single = pool.install(|| evaluate(likelihood.as_mut(), &params, &gamma));
        assert_eq!((&together.log_lik, &together.shared), (&single.log_lik, &single.shared));
        assert_eq!(together.per_group, single.per_group);
        for chain in [0, 8] {
            let range = chain..chain + 1;
            let (params, gamma) =
                (params.slice(s![range.clone(), .., ..]).to_owned(), gamma.slice(s![range, ..]).to_owned());
            let alone = evaluate(likelihood.as_mut(), &params, &gamma);
            assert_eq!(alone.log_lik[0].to_bits(), together.log_lik[chain].to_bits());
            assert_eq!(alone.shared.row(0), together.shared.row(chain));
        }
    }
}

#[test]
fn what_cannot_be_is_refused_in_words() {
    let data = cells(1, 4, 0.0);
    let refused = |known: Covariates| Cpu::<BgNbd>::new(data.clone(), known).expect_err("refused").to_string();
    let with = |terms: Vec<Term>| refused(Covariates { values: Array2::zeros((4, 2)), terms });
    let term = |parameter, column| Term { parameter, column };
    assert!(with(vec![]).contains("0 covariate terms"));
    let many = (0..=MOST_TERMS).map(|column| term(1, column)).collect();
    assert!(with(many).contains("33 covariate terms; pass 1 to 32"));
    let told = with(vec![term(1, 0), term(0, 1)]);
    assert!(told.contains("term 1 moves parameter 0 of BG/NBD; terms may move 1 (alpha), 2 (a), 3 (b)"), "{told}");
    assert!(with(vec![term(4, 0)]).contains("moves parameter 4"));
    assert!(with(vec![term(2, 2)]).contains("term 0 reads column 2 of 2"));
    assert!(with(vec![term(2, 1), term(1, 1), term(2, 1)]).contains("terms 0 and 2 move a by the same column 1"));
    let short = Covariates { values: Array2::zeros((3, 2)), terms: vec![term(1, 0)] };
    assert!(refused(short).contains("covariates of 3 rows for 4 rows"));
    let mut missing = Covariates { values: Array2::zeros((4, 2)), terms: vec![term(1, 0)] };
    missing.values[[2, 1]] = f64::NAN;
    assert!(refused(missing.clone()).contains("row 2 has NaN in covariate column 1"));
    missing.values[[2, 1]] = 0.0;
    let pareto = Covariates { terms: vec![term(2, 0)], ..missing.clone() };
    assert!(
        Simd::<ParetoNbd>::new(data.clone(), pareto).expect_err("s is fixed").what.contains("parameter 2 of Pareto")
    );

    let mut judge = Cpu::<BgNbd>::new(data, missing).expect("rows");
    let (params, gamma) = (batch::<4>(2, 1, [1.0; 4], 0.0), Array2::zeros((2, 2)));
    let mut out = LikelihoodBatch::new(2, 1, 4, 2);
    let at = ParamBatch { per_group: params.view(), shared: gamma.view() };
    let error = judge.evaluate(at, &mut out).expect_err("one term, two coefficients");
    assert!(error.what.contains("coefficients of shape (2, 2) for 2 chains and 1 terms"), "{error}");
}

/// Figures of docs/math/covariates.md: nanoseconds of one core for a row and a chain, value and gradient, five columns.
#[test]
#[ignore = "a measurement of some seconds: run alone, in release"]
fn speeds_measured() {
    fn measure<L: Personal>(case: &Case) {
        let (rows, chains) = (200_000, 8);
        let (data, known) = (cells(1, rows, 0.0), known(rows, 5, case.parameters));
        let (params, gamma) = (batch::<4>(chains, 1, case.centre, 0.1), gammas(chains, known.terms.len(), 0.1));
        let both: [(&str, Box<dyn Likelihood>); 2] = [
            ("judge", Box::new(Cpu::<L>::new(data.clone(), known.clone()).expect("rows"))),
            ("simd", Box::new(Simd::<L>::new(data, known).expect("rows"))),
        ];
        let core = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread");
        for (name, mut likelihood) in both {
            let once = || {
                let start = std::time::Instant::now();
                std::hint::black_box(core.install(|| evaluate(likelihood.as_mut(), &params, &gamma)));
                start.elapsed().as_secs_f64()
            };
            let best = std::iter::repeat_with(once).take(5).fold(f64::INFINITY, f64::min);
            let each = best * 1e9 / (rows as f64 * chains as f64);
            eprintln!("{} {:?} {name}: {each:.1} ns per row and chain", L::NAME, case.parameters);
        }
    }
    each_case!(measure);
}
