// Pareto/NBD: what one cell adds to the log-likelihood, as a difference from the reference, and the slopes.
// Counterpart: kernels/src/pareto_nbd/gpu.rs, which also derives the formulas. Summed by lib/rows.wgsl or lib/chains.wgsl.
//
// The near parameter is the smaller of alpha0 and beta0, c; the far one is the other, d. At a node u,
//   near + tau = early e^u, early = c + t_x         far + tau = early (ratio + expm1 u), ratio = (d + t_x) / early
//   l          = ln((d + tau) / (d + t_x)) = log1p(expm1(u) / ratio)
//   ln pi      = u + ln weight - near power u - far power l - log_total       powers r0 + x of alpha, s0 + 1 of beta
//   v          = base - P_near a_near - P_far a_far - (d P_near) u - (d P_far) l      a = log1p(d . / (. + tau)), P at this point
//   base       = ln(s/s0) + n K_alpha + s K_beta + d r ln((alpha0+T)/(alpha0+t_x)) + d s ln((beta0+T)/(beta0+t_x))
// and the change of ln(1 + D/A) is log1p(p0 S), S = sum pi expm1 v, while S is neither near -1 nor huge; elsewhere
// softplus(l0 + V) - softplus(l0) with V = ln sum pi exp v from a second pass relative to the largest term.

struct Row {
    weight: f32,
    // x
    frequency: f32,
    // 1 / (alpha0+T), 1 / (beta0+T)
    per_age_alpha: f32,
    per_age_beta: f32,
    // ln((alpha0+T) / (alpha0+t_x)), ln((beta0+T) / (beta0+t_x))
    log_gap_alpha: f32,
    log_gap_beta: f32,
    early: f32,
    // 1 / ratio
    per_ratio: f32,
    // Half a panel's length in u, and the number of panels
    half: f32,
    panels: f32,
    // ln of the sum of weights at the reference, relative to the integrand at t_x
    log_total: f32,
    // ln(D0/A0)
    log_odds: f32,
}

struct Point {
    r: f32,
    s: f32,
    delta_r: f32,
    delta_alpha: f32,
    delta_s: f32,
    delta_beta: f32,
    r_0: f32,
    s_0: f32,
    // ln(s/s0) and 1/s
    log_ratio_s: f32,
    per_s: f32,
    // 1 where beta0 < alpha0, 0 elsewhere
    beta_is_less: f32,
    unused: f32,
}

const TERMS: u32 = 5u;

// S and v beyond these are left to the second pass: 1 + S keeps at least two bits less than all, and exp(v) is finite.
const LEAST_S: f32 = -0.75;
const MOST_V: f32 = 64.0;

// What all nodes of a row share.
struct Nodes {
    early: f32,
    per_ratio: f32,
    log_total: f32,
    base: f32,
    // x, y: near, far.
    power_0: vec2<f32>,
    power: vec2<f32>,
    delta_power: vec2<f32>,
    delta: vec2<f32>,
    // 0 in the first pass; in the second, the largest ln(pi exp v).
    peak: f32,
    is_second: bool,
}

struct Moments {
    // Sum of pi expm1 v; largest v, and largest ln(pi exp v).
    grown: f32,
    most: f32,
    peak: f32,
    // Sums of p = pi exp v (relative to exp(peak) in the second pass), p ln(. + tau) less its reference at t_x, p / (. + tau).
    total: f32,
    logs: vec2<f32>,
    pers: vec2<f32>,
}

fn at_node(nodes: Nodes, moments: Moments, u: f32, ln_weight: f32) -> Moments {
    let grown = expm1(u);
    let logs = vec2(u, log1p(grown * nodes.per_ratio));
    let ln_pi = u + ln_weight - dot(nodes.power_0, logs) - nodes.log_total;
    // early e^u and early (ratio + expm1 u), both divided by early, the second by ratio too.
    let near = 1.0 + grown;
    let far = fma(grown, nodes.per_ratio, 1.0);
    let per = vec2(1.0, nodes.per_ratio) * vec2(far, near) / (nodes.early * near * far);
    let shift = nodes.delta * per;
    let moved = vec2(log1p(shift.x), log1p(shift.y));
    let v = nodes.base - dot(nodes.power, moved) - dot(nodes.delta_power, logs);
    let e = expm1(min(v, MOST_V));
    let pi = exp_(ln_pi);
    let p = select(fma(pi, e, pi), exp_(ln_pi + v - nodes.peak), nodes.is_second);
    return Moments(
        fma(pi, e, moments.grown),
        max(moments.most, v),
        max(moments.peak, ln_pi + v),
        moments.total + p,
        moments.logs + p * (moved + logs),
        moments.pers + p * per / (1.0 + shift),
    );
}

fn at_pair(nodes: Nodes, moments: Moments, middle: f32, reach: f32, ln_weight: f32) -> Moments {
    return at_node(nodes, at_node(nodes, moments, middle - reach, ln_weight), middle + reach, ln_weight);
}

// Sixteen Gauss-Legendre nodes in every panel.
fn at_nodes(nodes: Nodes, half: f32, panels: f32) -> Moments {
    var m = Moments(0.0, -1e30, -1e30, 0.0, vec2(0.0), vec2(0.0));
    for (var panel = 0.0; panel < panels; panel += 1.0) {
        let middle = half * fma(2.0, panel, 1.0);
        m = at_pair(nodes, m, middle, half * 0.9894009349916499, -3.6062876506365717);
        m = at_pair(nodes, m, middle, half * 0.9445750230732326, -2.776540135783384);
        m = at_pair(nodes, m, middle, half * 0.8656312023878318, -2.3522112338284447);
        m = at_pair(nodes, m, middle, half * 0.755404408355003, -2.082414185566639);
        m = at_pair(nodes, m, middle, half * 0.6178762444026438, -1.8998170265246452);
        m = at_pair(nodes, m, middle, half * 0.45801677765722737, -1.776930842405315);
        m = at_pair(nodes, m, middle, half * 0.2816035507792589, -1.700438608669082);
        m = at_pair(nodes, m, middle, half * 0.09501250983763744, -1.6636269192737427);
    }
    return m;
}

// t_x = T: nobody can have died. Value, then slopes in r, alpha, s, beta, those in r and s less what the host adds.
fn brief_terms(row: Row, point: Point) -> Terms {
    let shift = vec2(point.delta_alpha * row.per_age_alpha, point.delta_beta * row.per_age_beta);
    let later = row.weight * vec2(log1p(shift.x), log1p(shift.y));
    let per = row.weight * vec2(row.per_age_alpha, row.per_age_beta) / (1.0 + shift);
    let n = point.r + row.frequency;
    return Terms(-n * later.x - point.s * later.y, -vec4<f32>(later.x, n * per.x, later.y, point.s * per.y));
}

// t_x < T.
fn full_terms(row: Row, point: Point) -> Terms {
    // x: alpha, y: beta.
    let shift = vec2(point.delta_alpha * row.per_age_alpha, point.delta_beta * row.per_age_beta);
    let later = vec2(log1p(shift.x), log1p(shift.y));
    let per = vec2(row.per_age_alpha, row.per_age_beta) / (1.0 + shift);
    let log_gap = vec2(row.log_gap_alpha, row.log_gap_beta);
    let n = point.r + row.frequency;
    let powers = vec2(n, point.s + 1.0);
    let powers_0 = vec2(point.r_0 + row.frequency, point.s_0 + 1.0);
    let delta_powers = vec2(point.delta_r, point.delta_s);
    let deltas = vec2(point.delta_alpha, point.delta_beta);
    let alive = vec2(n, point.s);
    let ln_a = dot(alive, later);

    let swap = point.beta_is_less > 0.5;
    var nodes = Nodes(
        row.early,
        row.per_ratio,
        row.log_total,
        point.log_ratio_s + ln_a + dot(delta_powers, log_gap),
        select(powers_0, powers_0.yx, swap),
        select(powers, powers.yx, swap),
        select(delta_powers, delta_powers.yx, swap),
        select(deltas, deltas.yx, swap),
        0.0,
        false,
    );
    var m = at_nodes(nodes, row.half, row.panels);
    let is_far = m.most > MOST_V || m.grown < LEAST_S;
    let p_0 = logistic(row.log_odds);
    let grown = fma(p_0, m.grown, 1.0);
    var change = log1p(p_0 * m.grown);
    var dead = p_0 * (1.0 + m.grown) / grown;
    var living = (1.0 - p_0) / grown;
    if is_far {
        nodes.peak = m.peak;
        nodes.is_second = true;
        m = at_nodes(nodes, row.half, row.panels);
        let log_odds = row.log_odds + nodes.peak + log1p(m.total - 1.0);
        change = softplus(log_odds) - softplus(row.log_odds);
        dead = logistic(log_odds);
        living = logistic(-log_odds);
    }
    // Means over the time of death, given this point; back in the order alpha, beta.
    let logs = m.logs / m.total;
    let pers = m.pers / m.total;
    let mean_log = select(logs, logs.yx, swap);
    let mean_per = select(pers, pers.yx, swap);
    let by_shape = dead * (log_gap + later - mean_log + vec2(0.0, point.per_s)) - later;
    let by_scale = living * alive * per + dead * powers * mean_per;
    return Terms(
        row.weight * (change - ln_a),
        row.weight * vec4<f32>(by_shape.x, -by_scale.x, by_shape.y, -by_scale.y),
    );
}
