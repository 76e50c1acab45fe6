//! Groups within groups, correlated or not, in every choice of coordinates: gradients, one posterior, the law of the prior.

use super::*;

/// Every choice of coordinates, without or with correlation.
fn specs(first: &str, second: &str, correlated: bool) -> Vec<PriorSpec> {
    let mut lines = vec!["\"auto\"".to_owned(), "\"non_centred\"".to_owned()];
    if correlated {
        lines.push(format!("{{ {first} = \"non_centred\", {second} = \"auto\" }}"));
    } else {
        lines.push("\"centred\"".to_owned());
        lines.push(format!("{{ {first} = \"centred\", {second} = \"non_centred\" }}"));
    }
    let correlation = if correlated { "hierarchy.correlation = { dist = \"lkj\", eta = 1.7 }" } else { "" };
    lines.iter().map(|line| spec(&format!("hierarchy.centring = {line}\n{correlation}"))).collect()
}

fn with_pilot(p: Posterior, counts: &[usize]) -> Posterior {
    let (_, scale, _) = world(3, 10);
    let k = p.family().k();
    p.informed(pilot(counts.iter().product(), k), &scale)
}

#[test]
fn gradients_are_the_derivatives_on_every_level() {
    let mut rows = Vec::new();
    for (key, first, second) in [("bg_nbd", "r", "phi"), ("gamma_gamma", "q", "mean_spend")] {
        for counts in [&[4][..], &[2, 3], &[2, 2, 2]] {
            for spec in [specs(first, second, false), specs(first, second, true)].concat() {
                rows.push((key, counts, with_pilot(nested(key, counts, 12, &spec), counts)));
                rows.push((key, counts, nested(key, counts, 12, &spec)));
            }
        }
    }
    for (row, (key, counts, mut p)) in rows.into_iter().enumerate() {
        for which in 0..2 {
            let point = near_start(&p, which, 0.4);
            let (value, gradient) = at(&mut p, &point);
            assert!(value.is_finite(), "{key} {counts:?} row {row}");
            for i in 0..p.dim() {
                let h = 1e-4;
                let f = |p: &mut Posterior, steps: f64| {
                    let mut moved = point.clone();
                    moved[i] += steps * h;
                    at(p, &moved).0
                };
                let numeric =
                    (8.0 * (f(&mut p, 1.0) - f(&mut p, -1.0)) - (f(&mut p, 2.0) - f(&mut p, -2.0))) / (12.0 * h);
                // As in `gradients_are_the_derivatives`: truncation h⁴ times a fifth derivative, rounding 1e-13·|value|/h.
                assert!(
                    (numeric - gradient[i]).abs() < 1e-6 * (1.0 + gradient[i].abs()),
                    "{key} {counts:?} row {row}, {}: {} against {numeric}",
                    p.schema().unconstrained[i],
                    gradient[i]
                );
            }
        }
    }
}

/// Densities of one posterior in two sets of coordinates differ by the volumes: determinants of numerical Jacobians.
#[test]
fn all_coordinates_are_one_posterior() {
    let counts = &[2, 2];
    for correlated in [false, true] {
        let mut all: Vec<Posterior> = specs("p", "q", correlated)
            .iter()
            .flat_map(|s| {
                [nested("gamma_gamma", counts, 20, s), with_pilot(nested("gamma_gamma", counts, 20, s), counts)]
            })
            .collect();
        let densities: Vec<(f64, Array1<f64>)> = all
            .iter_mut()
            .map(|p| {
                let (point, row) = p.prior_draw(&mut Stream::new(9, Purpose::Prior, 4, 0)).unwrap();
                let density = at(p, &point).0;
                // Natural parameters of all groups, μ, σ and correlations determine the point.
                let landmarks = |point: &Array1<f64>| -> Array1<f64> {
                    let mut row = vec![0.0; p.schema().size()];
                    p.constrain(point.view(), &mut row);
                    row.into()
                };
                let (h, dim) = (1e-5, p.dim());
                let mut jacobian = Array2::zeros((dim, dim));
                for i in 0..dim {
                    let (mut up, mut down) = (point.clone(), point.clone());
                    up[i] += h;
                    down[i] -= h;
                    jacobian.column_mut(i).assign(&((landmarks(&up) - landmarks(&down)) / (2.0 * h)));
                }
                (density - ln_abs_determinant(jacobian), row)
            })
            .collect();
        for (density, row) in &densities[1..] {
            assert!(row.iter().zip(&densities[0].1).all(|(x, y)| (x - y).abs() < 1e-9 * x.abs().max(1.0)));
            // Central differences with h = 1e-5 leave some 1e-9 in each of the Jacobian's entries.
            assert!((density - densities[0].0).abs() < 1e-5, "{correlated}: {density} against {}", densities[0].0);
        }
    }
}

/// Effects of every level have the spread of that level around their parents, and the correlations that the draw reports.
#[test]
fn prior_draws_have_the_law_of_the_hierarchy() {
    let spec = spec(
        "hierarchy.correlation = { dist = \"lkj\", eta = 1.0 }
         hierarchy.sigma.r = { dist = \"uniform\", low = 0.2, high = 0.9 }
         hierarchy.sigma_at.b.rate = { dist = \"uniform\", low = 1.0, high = 1.5 }",
    );
    let mut p = with_pilot(nested("bg_nbd", &[2, 2], 0, &spec), &[2, 2]);
    let (n, k) = (4_000, 4);
    // Standardised deviations on the last level: squares have mean 1, products the reported correlation.
    let mut deviations: Vec<Vec<f64>> = vec![Vec::new(); k * (k + 1) / 2];
    let mut points = Array2::zeros((n, p.dim()));
    for (i, mut point) in points.rows_mut().into_iter().enumerate() {
        let (drawn, row) = p.prior_draw(&mut Stream::new(3, Purpose::Prior, i as u64, 0)).unwrap();
        let range = |name: &str| p.schema().range(name).unwrap();
        let (sigma, correlation) = (range("sigma"), range("correlation"));
        assert!((0.2..0.9).contains(&row[sigma.start]) && (1.0..1.5).contains(&row[sigma.start + k + 1]));
        let effects = p.effects(drawn.view()).unwrap();
        let e = (&effects.own - &effects.parent).row(3).to_owned() / Array1::from(effects.spread);
        for a in 0..k {
            deviations[a].push(e[a] * e[a] - 1.0);
            for b in 0..a {
                let pair = a * (a - 1) / 2 + b;
                deviations[k + pair].push(e[a] * e[b] - row[correlation.start + pair]);
            }
        }
        point.assign(&drawn);
    }
    for (what, values) in deviations.iter().enumerate() {
        let values = Array1::from(values.clone());
        let error = values.std(1.0) / (n as f64).sqrt();
        // Four and a half standard errors of ten comparisons; the stream is fixed.
        assert!(values.mean().unwrap().abs() < 4.5 * error, "{what}: {} ± {error}", values.mean().unwrap());
    }
    // Stein's identity, as in `prior_draws_follow_the_prior_density`.
    let gradient = evaluate(&mut p, points.view()).gradient;
    for i in 0..p.dim() {
        for (expected, values) in
            [(0.0, gradient.column(i).to_owned()), (-1.0, &gradient.column(i) * &points.column(i))]
        {
            let error = values.std(1.0) / (n as f64).sqrt();
            let mean = values.mean().unwrap();
            let name = &p.schema().unconstrained[i];
            assert!((mean - expected).abs() < 4.5 * error, "{name}: {mean} ± {error}, not {expected}");
        }
    }
}

#[test]
fn schemas_name_every_level() {
    let spec = spec("hierarchy.correlation = { dist = \"lkj\", eta = 2.0 }");
    let p = nested("gamma_gamma", &[2, 2], 5, &spec);
    let schema = p.schema();
    let names: Vec<(&str, Vec<usize>)> = schema.variables.iter().map(|v| (v.name.as_str(), schema.shape(v))).collect();
    assert_eq!(
        names,
        [
            ("p", vec![4]),
            ("q", vec![4]),
            ("v", vec![4]),
            ("p_a", vec![2]),
            ("q_a", vec![2]),
            ("v_a", vec![2]),
            ("mu", vec![3]),
            ("sigma", vec![2, 3]),
            ("correlation", vec![3]),
        ]
    );
    assert_eq!(schema.coords["a > b"], ["a0 > b0", "a0 > b1", "a1 > b0", "a1 > b1"]);
    assert_eq!(
        (&schema.coords["a"][1], &schema.coords["parameter_pair"][2]),
        (&"a1".to_owned(), &"q, mean_spend".to_owned())
    );
    assert_eq!(schema.unconstrained.len(), p.dim());
    assert_eq!(schema.unconstrained[3], "log(sigma[a, p])");
    assert_eq!(schema.unconstrained[9], "atanh(correlation[p, q])");
    assert_eq!(schema.unconstrained[12..14], ["eta[a0, p]", "eta[a0, q]"]);
    assert_eq!(schema.unconstrained.last().unwrap(), "eta[a1 > b1, mean_spend]");
    // A parent's row is the parameters at its own effect.
    let (point, row) = p.prior_draw(&mut Stream::new(1, Purpose::Prior, 0, 0)).unwrap();
    let z = p.effects(point.view()).unwrap().parent;
    let [pa, qa, va] = ["p_a", "q_a", "v_a"].map(|name| row[schema.range(name).unwrap().start + 1]);
    let of = [z[[2, 0]].exp(), 1.0 + z[[2, 1]].exp(), z[[2, 2]].exp()];
    for (found, expected) in [pa, qa, va].into_iter().zip([of[0], of[1], of[2] * (of[1] - 1.0) / of[0]]) {
        assert!((found - expected).abs() < 1e-12 * expected, "{found} against {expected}");
    }
}

#[test]
fn levels_and_correlations_are_refused_in_words() {
    let bg_nbd = family("bg_nbd").unwrap();
    let (groups, (_, scale, _)) = (tree(&[2, 2]), world(2, 10));
    let told = |text: &str| spec(text).resolve(bg_nbd, &groups, &scale).unwrap_err().to_string();
    let half = "{ dist = \"half_normal\", scale = 0.3 }";
    assert!(
        told(&format!("hierarchy.sigma_at.c.r = {half}"))
            .contains("hierarchy.sigma_at.c is no level of the groups; the levels are a, b")
    );
    assert!(
        told(&format!("hierarchy.sigma_at.a.alpha = {half}")).contains("hierarchy.sigma_at.a.alpha is no parameter")
    );
    assert!(told("hierarchy.centring = { alpha = \"centred\" }").contains("hierarchy.centring.alpha is no parameter"));
    assert!(
        told("hierarchy.correlation = { dist = \"lkj\", eta = 0.0 }")
            .contains("hierarchy.correlation.eta must be above 0")
    );
    let both = "hierarchy.correlation = { dist = \"lkj\", eta = 2.0 }\nhierarchy.centring = { r = \"centred\" }";
    assert!(told(both).contains("centring of r is centred"), "{}", told(both));
    let wrong = toml::from_str::<PriorSpec>("hierarchy.centring = \"centered\"").unwrap_err().to_string();
    assert!(wrong.contains("unknown variant `centered`") && wrong.contains("non_centred"), "{wrong}");

    // What is said of one level goes before what is said of all, and both survive being written down.
    let text = format!("hierarchy.sigma.r = {half}\nhierarchy.sigma_at.b.r = {{ dist = \"exponential\", rate = 3.0 }}");
    let full = spec(&text).resolve(bg_nbd, &groups, &scale).unwrap();
    let levels = &full.hierarchy.as_ref().unwrap().sigma_at;
    assert_eq!(levels["a"]["r"], Prior::HalfNormal { scale: 0.3 });
    assert_eq!(levels["b"]["r"], Prior::Exponential { rate: 3.0 });
    assert_eq!(levels["b"]["phi"], Prior::HalfNormal { scale: 0.5 });
    assert_eq!(full.resolve(bg_nbd, &groups, &scale).unwrap(), full);
    assert_eq!(toml::from_str::<PriorSpec>(&toml::to_string(&full).unwrap()).unwrap(), full);
}
