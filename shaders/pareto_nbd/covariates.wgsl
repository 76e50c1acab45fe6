// Pareto/NBD with covariates: what one customer with alpha and beta of their own adds. Not the model's terms, which are those of
// pareto_nbd.wgsl at that customer's own parameters. Counterparts: kernels/src/pareto_nbd/covariates.rs, and
// kernels/src/covariates/shader.rs, which writes LaneRow, LanePoint, Sums, own_log_ratios and spread for the terms at hand.
//
// With 0 for the reference, l = ln(own / own 0) and d for differences: d alpha = alpha0 expm1(l_alpha), d beta likewise. Slopes are
// taken in logarithms of own scales, which the group's and the coefficients' follow from.

fn own_point(row: LaneRow, point: LanePoint) -> Point {
    let l = own_log_ratios(row, point);
    var own = point.group;
    if MOVES_ALPHA {
        own.delta_alpha = row.at[1] * expm1(l[1]);
    }
    if MOVES_BETA {
        own.delta_beta = row.at[3] * expm1(l[3]);
    }
    own.beta_is_less = select(0.0, 1.0, row.at[3] < row.at[1]);
    return own;
}

fn sums_of(terms: Terms, own: Point, row: LaneRow, point: LanePoint) -> Sums {
    let scales = vec4(1.0, row.at[1] + own.delta_alpha, 1.0, row.at[3] + own.delta_beta);
    return spread(terms.value, terms.slopes * scales, row, point);
}

fn brief_sums(row: LaneRow, point: LanePoint) -> Sums {
    let own = own_point(row, point);
    return sums_of(brief_terms(row.own, own), own, row, point);
}

fn full_sums(row: LaneRow, point: LanePoint) -> Sums {
    let own = own_point(row, point);
    return sums_of(full_terms(row.own, own), own, row, point);
}
