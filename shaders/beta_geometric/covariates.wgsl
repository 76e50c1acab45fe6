// BG/NBD or MBG/NBD with covariates: what one customer with alpha, a and b of their own adds. Not the model's terms, which are those
// of lib/beta_geometric.wgsl at that customer's own parameters. Counterparts: kernels/src/beta_geometric/covariates.rs, and
// kernels/src/covariates/shader.rs, which writes LaneRow, LanePoint, Sums, own_log_ratios and spread for the terms at hand.
//
// With 0 for the reference, l = ln(own / own 0) and d for differences: d alpha = alpha0 expm1(l_alpha), and so for a and b. Slopes are
// taken in logarithms of own parameters, which the group's and the coefficients' follow from. Where a or b is the customer's own,
//   ln (b)_y - ln (a+b)_y - its reference = sum over j < y of [ log1p(d b / (b0+j)) - log1p((d a + d b) / (a0+b0+j)) ]

fn own_point(row: LaneRow, point: LanePoint, l: array<f32, 4>) -> Point {
    var own = point.group;
    if MOVES_ALPHA {
        own.delta_alpha = row.at[1] * expm1(l[1]);
    }
    own.log_ratio_a = l[2];
    own.per_a = 1.0;
    if MOVES_B {
        own.delta_b = row.at[3] * expm1(l[3]);
    }
    return own;
}

fn brief_sums(row: LaneRow, point: LanePoint) -> Sums {
    let own = own_point(row, point, own_log_ratios(row, point));
    let terms = brief_terms(row.own, own);
    return spread(terms.value, terms.slopes * vec4(1.0, row.at[1] + own.delta_alpha, 0.0, 0.0), row, point);
}

fn full_sums(row: LaneRow, point: LanePoint) -> Sums {
    let l = own_log_ratios(row, point);
    let own = own_point(row, point, l);
    let terms = full_terms(row.own, own);
    let b = row.at[3] + own.delta_b;
    var value = terms.value;
    var by = terms.slopes * vec4(1.0, row.at[1] + own.delta_alpha, 1.0, b);
    if OWN_CHANCES {
        let y = row.own.frequency + CHANCES;
        let delta_a = row.at[2] * expm1(l[2]);
        let of_b = rising(row.at[3], own.delta_b, y);
        let of_ab = rising(row.at[2] + row.at[3], delta_a + own.delta_b, y);
        let change = of_b - of_ab;
        value += row.own.weight * change.x;
        by.z -= row.own.weight * (row.at[2] + delta_a) * of_ab.y;
        by.w += row.own.weight * b * change.y;
    }
    return spread(value, by, row, point);
}

// Factors that are taken one by one; beyond them Stirling's series is good to f32.
const BY_SUM: f32 = 8.0;

// Sums over j < y of log1p(delta / (start+j)) and of 1 / (start+delta+j).
fn rising(start: f32, delta: f32, y: f32) -> vec2<f32> {
    var sum = vec2(0.0);
    let few = min(y, BY_SUM);
    for (var j = 0.0; j < few; j += 1.0) {
        let per = 1.0 / (start + j);
        let shift = delta * per;
        sum += vec2(log1p(shift), per / (1.0 + shift));
    }
    if y > BY_SUM {
        sum += rising_beyond(start + BY_SUM, delta, y - BY_SUM);
    }
    return sum;
}

// The same from z on, for `more` factors: with lnGamma(z+d) - lnGamma(z) = d ln(z+d) - z left(d/z) - log1p(d/z)/2 + S(z+d) - S(z),
// left(u) = u - log1p(u) and Stirling's S, the difference between both ends.
fn rising_beyond(z: f32, delta: f32, more: f32) -> vec2<f32> {
    let ends = vec2(z, z + more);
    let moved = ends + delta;
    let shift = delta / ends;
    let later = log1p(more / moved.x);
    let bent = ends * vec2(log1p_left(shift.x), log1p_left(shift.y)) + 0.5 * vec2(log1p(shift.x), log1p(shift.y));
    let tails = stirling_tail(1.0 / moved) - stirling_tail(1.0 / ends) - bent;
    let per = 1.0 / moved;
    let digamma_tails = per * (0.5 + per * (8.3333333e-2 - 8.3333333e-3 * per * per));
    return vec2(delta * later + (tails.y - tails.x), later - (digamma_tails.y - digamma_tails.x));
}

// S(z) by 1/z.
fn stirling_tail(per: vec2<f32>) -> vec2<f32> {
    let square = per * per;
    return per * (8.3333333e-2 - square * (2.7777778e-3 - square * 7.9365079e-4));
}
