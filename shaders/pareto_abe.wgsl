// Abe's Pareto/NBD: what one cell adds to the log-likelihood, as a difference from the reference, and the slopes.
// Counterpart: kernels/src/pareto_abe/gpu.rs, which also derives the formulas. Summed by lib/rows.wgsl or lib/chains.wgsl.
//
// A node lies du = step_u i, dv = step_v_row i + step_v j from the middle one. With z its place from the reference's means in the
// reference's sds, P the precision in those units, D = P - P0 and s the shift of the means,
//   share   p0 = r exp(ln_scale + x du - t_x (lambda expm1 du + mu expm1 dv) - (z' P0 z - m' P0 m)/2),      m = z at the middle
//   r          = (mu + lambda e^-(lambda+mu)(T-t_x)) / (lambda + mu) at the node
//   Delta      = ln_ratio - s' P s/2 + (P s)' z - z' D z/2
// and the change of ln L is log1p(sum p0 expm1 Delta). Slopes are those of the means of z and its squares under p0 e^Delta.

struct Row {
    weight: f32,
    // x, t_x, T - t_x
    frequency: f32,
    recency: f32,
    gap: f32,
    // At the middle node, and ln of its share less ln r there.
    lambda: f32,
    mu: f32,
    ln_scale: f32,
    step_u: f32,
    step_v_row: f32,
    step_v: f32,
    // z at the middle node; its change with i, and with j.
    xi: f32,
    eta: f32,
    xi_row: f32,
    eta_row: f32,
    eta_column: f32,
    // Rows and columns of nodes, and how many of each come before the middle.
    rows: f32,
    columns: f32,
    rows_before: f32,
    columns_before: f32,
    unused: f32,
}

struct Point {
    // P0: both diagonal elements, and the other.
    diagonal_0: f32,
    cross_0: f32,
    // P and D: uu, uv, vv.
    p_uu: f32,
    p_uv: f32,
    p_vv: f32,
    d_uu: f32,
    d_uv: f32,
    d_vv: f32,
    shift_u: f32,
    shift_v: f32,
    // ln of the ratio of the normal densities' factors.
    ln_ratio: f32,
    // The reference's sds in sds of this point.
    per_u: f32,
    per_v: f32,
    corr: f32,
    // 1/q, q = 1 - corr^2; 1/(sd q median); 1/sd.
    per_q: f32,
    per_rate: f32,
    per_death: f32,
    per_sd_rate: f32,
    per_sd_death: f32,
    unused: f32,
}

const TERMS: u32 = 6u;

// Beyond this a change of a node's density is taken to be this.
const MOST_DELTA: f32 = 60.0;

// ln(1 + S) through the weights' sum from here on, where S is near -1.
const LEAST_S: f32 = -0.75;

alias LaneRow = Row;
alias LanePoint = Point;

const NUMBERS: u32 = TERMS;

// The value; slopes in rate, death, sd_rate, sd_death; and in corr.
struct Sums {
    value: f32,
    slopes: vec4<f32>,
    by_corr: f32,
}

fn nothing() -> Sums {
    return Sums(0.0, vec4<f32>(0.0), 0.0);
}

fn add(a: Sums, b: Sums) -> Sums {
    return Sums(a.value + b.value, a.slopes + b.slopes, a.by_corr + b.by_corr);
}

fn numbers(sum: Sums) -> array<f32, 6> {
    return array<f32, 6>(sum.value, sum.slopes.x, sum.slopes.y, sum.slopes.z, sum.slopes.w, sum.by_corr);
}

fn full_sums(row: LaneRow, point: LanePoint) -> Sums {
    let shift = vec2(point.shift_u, point.shift_v);
    let pull = vec2(
        fma(point.p_uu, shift.x, point.p_uv * shift.y),
        fma(point.p_uv, shift.x, point.p_vv * shift.y),
    );
    let base = point.ln_ratio - 0.5 * dot(pull, shift);
    // P0 m.
    let slope_0 = vec2(
        fma(point.diagonal_0, row.xi, point.cross_0 * row.eta),
        fma(point.cross_0, row.xi, point.diagonal_0 * row.eta),
    );
    var grown = 0.0;
    var total = 0.0;
    // Sums of p and z - m, and of p and its squares: uu, uv, vv.
    var first = vec2(0.0);
    var second = vec3(0.0);
    for (var r = 0.0; r < row.rows; r += 1.0) {
        let i = r - row.rows_before;
        let du = row.step_u * i;
        let more_lambda = row.lambda * expm1(du);
        let lambda = row.lambda + more_lambda;
        let along_row = fma(row.frequency, du, row.ln_scale) - row.recency * more_lambda;
        for (var c = 0.0; c < row.columns; c += 1.0) {
            let j = c - row.columns_before;
            let more_mu = row.mu * expm1(fma(row.step_v, j, row.step_v_row * i));
            let mu = row.mu + more_mu;
            let both = lambda + mu;
            let relative = fma(lambda, exp_(-both * row.gap), mu) / both;
            let d = vec2(row.xi_row * i, fma(row.eta_column, j, row.eta_row * i));
            let square_0 = fma(point.diagonal_0, dot(d, d), 2.0 * point.cross_0 * d.x * d.y);
            let share = relative * exp_(along_row - row.recency * more_mu - dot(slope_0, d) - 0.5 * square_0);
            let z = vec2(row.xi + d.x, row.eta + d.y);
            let square = fma(point.d_uu * z.x, z.x, fma(2.0 * point.d_uv * z.x, z.y, point.d_vv * z.y * z.y));
            let e = expm1(min(base + dot(pull, z) - 0.5 * square, MOST_DELTA));
            let p = fma(share, e, share);
            grown = fma(share, e, grown);
            total += p;
            first += p * d;
            second += p * vec3(d.x * d.x, d.x * d.y, d.y * d.y);
        }
    }
    let change = select(log1p(total - 1.0), log1p(grown), grown > LEAST_S);
    first = first / total;
    second = second / total;
    // From the point's means, in its sds.
    let scale = vec2(point.per_u, point.per_v);
    let middle = vec2(row.xi, row.eta) - shift;
    let mean = scale * (middle + first);
    let uu = scale.x * scale.x * (second.x + middle.x * (2.0 * first.x + middle.x));
    let uv = scale.x * scale.y * (second.y + middle.x * first.y + middle.y * (first.x + middle.x));
    let vv = scale.y * scale.y * (second.z + middle.y * (2.0 * first.y + middle.y));
    let corr = point.corr;
    let slopes = vec4<f32>(
        point.per_rate * (mean.x - corr * mean.y),
        point.per_death * (mean.y - corr * mean.x),
        point.per_sd_rate * (point.per_q * (uu - corr * uv) - 1.0),
        point.per_sd_death * (point.per_q * (vv - corr * uv) - 1.0),
    );
    let by_corr = point.per_q * (corr + uv - corr * point.per_q * (uu - 2.0 * corr * uv + vv));
    return Sums(row.weight * change, row.weight * slopes, row.weight * by_corr);
}

// Every row is a full one.
fn brief_sums(row: LaneRow, point: LanePoint) -> Sums {
    return full_sums(row, point);
}
