//! What one row of one chain needs at least, counted from the formulas; one table row per family and kind of machine.
//!
//! Counted is what the mathematics asks for after the work that rows share is taken out: terms that are linear in the parameters
//! or depend on a group's histograms of times and counts alone are summed once per group. One-time customers (x = 0) and returning ones need different work; a floor mixes the two by their shares.
//! What is a matter of taste (comparing, selecting, addressing) is not counted.

use super::Rates;
use crate::difference::Difference;
use crate::{bg_nbd, gamma_gamma, pareto_nbd};

/// Operations for one row of one chain.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Operations {
    /// Logarithms, ln(1 + x) included.
    pub logs: f64,
    /// Exponentials, exp(x) − 1 included.
    pub exps: f64,
    /// Divisions and reciprocals.
    pub divisions: f64,
    /// Multiply-adds, additions and multiplications.
    pub fmas: f64,
}

/// What a family costs on one kind of machine.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cost {
    /// Bytes of a customer's (or cell's) row with repeat purchases, read once for all chains of a batch.
    pub returning_bytes: f64,
    /// Bytes of one without.
    pub one_time_bytes: f64,
    /// Bytes of results written per row and chain: a lane's sums, divided by its rows.
    pub result_bytes: f64,
    /// Operations for a row with repeat purchases.
    pub returning: Operations,
    /// Operations for one without.
    pub one_time: Operations,
}

/// What the floor is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// Memory.
    Bytes,
    /// Multiply-adds.
    Fmas,
    /// Logarithms, exponentials and divisions.
    Specials,
}

impl Bound {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bytes => "bytes",
            Self::Fmas => "fmas",
            Self::Specials => "specials",
        }
    }
}

/// The least time of one row of one chain, and what it is spent on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Floor {
    /// Seconds.
    pub seconds: f64,
    /// The resource that runs out first.
    pub bound: Bound,
}

/// Rows of the longest sums: f32 lanes on a device, pieces in f64 on the processor.
const DEVICE_LANE_ROWS: f64 = 1024.0;
const HOST_LANE_ROWS: f64 = 2048.0;

/// Customers without repeat purchases who are nobody's row.
const NOTHING: Operations = Operations { logs: 0.0, exps: 0.0, divisions: 0.0, fmas: 0.0 };

const BG_NBD_ROW: f64 = size_of::<<bg_nbd::Cpu as Difference<{ bg_nbd::K }>>::Row>() as f64;
const PARETO_NBD_ROW: f64 = size_of::<<pareto_nbd::Cpu as Difference<{ pareto_nbd::K }>>::Row>() as f64;
const GAMMA_GAMMA_ROW: f64 = size_of::<<gamma_gamma::Cpu as Difference<{ gamma_gamma::K }>>::Row>() as f64;

/// BG/NBD on a device, as `shaders/lib/beta_geometric.wgsl` writes it.
///
/// Returning: ln(1 + ·) of shift = δα/(α₀+T), of nearing, of shift_b = δb/(b₀+x−1) and of what has grown; one expm1; one division by
/// 1 + shift and one for three more reciprocals. Multiply-adds: n (1), shift and 1 + shift (2), nearing (2), shift_b (1), v (3), grown
/// and 1 − tail (2), the three denominators and their products (5), tail (5), weighting (1), gap (4), change (1), value (2), slopes in
/// r (3), α (4), a (1), b (3).
///
/// One-time: ln(1 + shift), one division, shift and 1 + shift (2), slopes in r (1) and α (2); the value follows from the former.
pub const BG_NBD_DEVICE: Cost = Cost {
    returning_bytes: BG_NBD_ROW,
    one_time_bytes: BG_NBD_ROW,
    result_bytes: (size_of::<f32>() * (bg_nbd::K + 1)) as f64 / DEVICE_LANE_ROWS,
    returning: Operations { logs: 4.0, exps: 1.0, divisions: 2.0, fmas: 40.0 },
    one_time: Operations { logs: 1.0, exps: 0.0, divisions: 1.0, fmas: 5.0 },
};

/// BG/NBD on the processor, as `beta_geometric/simd.rs` writes it: (x, t_x, T − t_x, w) of returning customers; everything that is linear in
/// functions of T and x alone is summed over their histograms, and one-time customers are in those.
///
/// Returning: ln((α+T)/(α+t_x)), ln(c E + a), E = exp(·), one division for the gap and one for the mixture. Multiply-adds: n, α + t_x,
/// α + T, their product and the gap's (5), n L (1), the mixture (3), P(dropped) (1), value (2), slopes in r (1), α (2), a (1), b (1).
pub const BG_NBD_HOST: Cost = Cost {
    returning_bytes: 32.0,
    one_time_bytes: 0.0,
    result_bytes: (size_of::<f64>() * (bg_nbd::K + 1)) as f64 / HOST_LANE_ROWS,
    returning: Operations { logs: 2.0, exps: 1.0, divisions: 2.0, fmas: 17.0 },
    one_time: NOTHING,
};

/// MBG/NBD: BG/NBD's, where whoever bought once may have left too, so that every row is a returning customer's.
pub const MBG_NBD_DEVICE: Cost = Cost { one_time: BG_NBD_DEVICE.returning, ..BG_NBD_DEVICE };

/// The same on the processor.
pub const MBG_NBD_HOST: Cost = Cost { one_time_bytes: 32.0, one_time: BG_NBD_HOST.returning, ..BG_NBD_HOST };

/// Pareto/NBD on a device, as `shaders/pareto_nbd.wgsl` writes it, one panel of sixteen nodes, near the reference.
///
/// A node: expm1(u) and exp(ln π), expm1(v); ln(1 + ·) of d's side and of both shifts; divisions for both (· + τ) and both 1 + shift.
/// Multiply-adds: ln π (4), near and far (2), both reciprocals (5), shifts (2), v (4), π expm1 v and its sum (2), p and its sum (1), means of
/// logarithms (4), of reciprocals (4), 1 + shift (2), the place (1). Beside the nodes: ln(1 + ·) of both shifts and of what has
/// grown, one logistic, ten divisions, 40 multiply-adds.
pub const PARETO_NBD_DEVICE: Cost = {
    let operations = Operations { logs: 51.0, exps: 49.0, divisions: 58.0, fmas: 536.0 };
    Cost {
        returning_bytes: PARETO_NBD_ROW,
        one_time_bytes: PARETO_NBD_ROW,
        result_bytes: (size_of::<f32>() * (pareto_nbd::K + 1)) as f64 / DEVICE_LANE_ROWS,
        returning: operations,
        one_time: operations,
    }
};

/// Pareto/NBD on the processor, as `pareto_nbd/simd.rs` writes it, one panel: (x, t_x, T − t_x, w).
///
/// Nineteen logarithms: of d's side at sixteen nodes, of both gaps, of the mixture. Twenty-six exponentials: the integrand at sixteen
/// nodes, eight distances from the middle, the middle, E. Twenty-three divisions: two for a pair of nodes, seven beside them.
/// Multiply-adds: 35 for a pair of nodes, 35 beside them.
pub const PARETO_NBD_HOST: Cost = {
    let operations = Operations { logs: 19.0, exps: 26.0, divisions: 23.0, fmas: 315.0 };
    Cost {
        returning_bytes: 32.0,
        one_time_bytes: 32.0,
        result_bytes: (size_of::<f64>() * (pareto_nbd::K + 1)) as f64 / HOST_LANE_ROWS,
        returning: operations,
        one_time: operations,
    }
};

/// Gamma-Gamma on a device, as `shaders/gamma_gamma.wgsl` writes it: one s − ln(1 + s) of s = δv/(xm+v₀), counted as a logarithm, and
/// one division by 1 + s. Multiply-adds: px+q, the shift, 1 + shift, slopes in p (2), q (1), v (4); the value follows from them.
pub const GAMMA_GAMMA_DEVICE: Cost = Cost {
    returning_bytes: GAMMA_GAMMA_ROW,
    one_time_bytes: 0.0,
    result_bytes: (size_of::<f32>() * (gamma_gamma::K + 1)) as f64 / DEVICE_LANE_ROWS,
    returning: Operations { logs: 1.0, exps: 0.0, divisions: 1.0, fmas: 10.0 },
    one_time: NOTHING,
};

/// Gamma-Gamma on the processor, as `gamma_gamma/simd.rs` writes it: (x, x m, w); ln(xm+v) and one division by xm+v. Multiply-adds:
/// px+q, xm+v, w ln, value (1), slopes in p (1), q (1), v (2).
pub const GAMMA_GAMMA_HOST: Cost = Cost {
    returning_bytes: 24.0,
    one_time_bytes: 0.0,
    result_bytes: (size_of::<f64>() * (gamma_gamma::K + 1)) as f64 / HOST_LANE_ROWS,
    returning: Operations { logs: 1.0, exps: 0.0, divisions: 1.0, fmas: 8.0 },
    one_time: NOTHING,
};

/// What a row of the model with this key costs on a device or on the processor; `None` of a model that was not counted.
pub fn of(key: &str, on_device: bool) -> Option<Cost> {
    let (device, host) = match key {
        "bg_nbd" => (BG_NBD_DEVICE, BG_NBD_HOST),
        "mbg_nbd" => (MBG_NBD_DEVICE, MBG_NBD_HOST),
        "pareto_nbd" => (PARETO_NBD_DEVICE, PARETO_NBD_HOST),
        "gamma_gamma" => (GAMMA_GAMMA_DEVICE, GAMMA_GAMMA_HOST),
        _ => return None,
    };
    Some(if on_device { device } else { host })
}

impl Cost {
    /// Bytes per (row, chain) of an average row, of which the share `returning` has repeat purchases, when `chains` chains share
    /// one read of it.
    pub fn bytes(&self, chains: usize, returning: f64) -> f64 {
        let row = returning * self.returning_bytes + (1.0 - returning) * self.one_time_bytes;
        row / chains.max(1) as f64 + self.result_bytes
    }

    /// Operations of an average row, of which the share `returning` has repeat purchases.
    pub fn operations(&self, returning: f64) -> Operations {
        let mix = |a: f64, b: f64| returning * a + (1.0 - returning) * b;
        let (often, once) = (&self.returning, &self.one_time);
        Operations {
            logs: mix(often.logs, once.logs),
            exps: mix(often.exps, once.exps),
            divisions: mix(often.divisions, once.divisions),
            fmas: mix(often.fmas, once.fmas),
        }
    }

    /// The least time of one row of one chain on a machine of these rates.
    pub fn floor(&self, rates: &Rates, chains: usize, returning: f64) -> Floor {
        let Operations { logs, exps, divisions, fmas } = self.operations(returning);
        let specials = logs / rates.logs + exps / rates.exps + divisions / rates.divisions;
        let times = [
            (self.bytes(chains, returning) / rates.bytes, Bound::Bytes),
            (fmas / rates.fmas, Bound::Fmas),
            (specials, Bound::Specials),
        ];
        let longest = |a: (f64, Bound), b: (f64, Bound)| if b.0 > a.0 { b } else { a };
        let (seconds, bound) = times.into_iter().fold(times[0], longest);
        Floor { seconds, bound }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Cost; 8] = [
        BG_NBD_DEVICE,
        BG_NBD_HOST,
        MBG_NBD_DEVICE,
        MBG_NBD_HOST,
        PARETO_NBD_DEVICE,
        PARETO_NBD_HOST,
        GAMMA_GAMMA_DEVICE,
        GAMMA_GAMMA_HOST,
    ];

    /// A row holds at least weight and x; a row costs something, and a returning customer's no less than a one-time one's.
    #[test]
    fn every_family_costs_something() {
        for cost in ALL {
            assert!(cost.returning_bytes >= 8.0 && cost.one_time_bytes <= cost.returning_bytes, "{cost:?}");
            assert!(cost.result_bytes > 0.0 && cost.result_bytes < 1.0, "{cost:?}");
            let (often, once) = (cost.operations(1.0), cost.operations(0.0));
            assert!(often.logs >= 1.0 && often.divisions >= 1.0 && often.fmas >= once.fmas, "{cost:?}");
            assert!(once.logs >= 0.0 && once.exps <= often.exps, "{cost:?}");
        }
    }

    /// Numbers worked out by hand: 40 and 24 bytes by halves over 4 chains and results; at equal rates the 40 multiply-adds of half of the rows and 5 of
    /// the others, 22.5, come before 4 + 1 + 2 and 1 + 1 specials, 4.5.
    #[test]
    fn the_floor_is_the_longest_of_three_times() {
        let cost = Cost { returning_bytes: 40.0, one_time_bytes: 24.0, ..BG_NBD_DEVICE };
        let result = cost.result_bytes;
        assert_eq!(cost.bytes(4, 0.5), 8.0 + result);
        let even = Rates::from_array([1e9; 5]);
        assert_eq!(cost.floor(&even, 4, 0.5), Floor { seconds: 22.5 / 1e9, bound: Bound::Fmas });
        let slow_memory = Rates { bytes: 1e8, ..even };
        assert_eq!(cost.floor(&slow_memory, 4, 0.5).bound, Bound::Bytes);
        let slow_logs = Rates { logs: 1e7, ..even };
        let floor = cost.floor(&slow_logs, 4, 0.5);
        assert_eq!(floor.bound, Bound::Specials);
        // 2.5 logarithms at 1e7 and 0.5 + 1.5 others at 1e9; sums of three rounded quotients.
        assert!((floor.seconds - (2.5e-7 + 2e-9)).abs() < 1e-20);
    }
}
