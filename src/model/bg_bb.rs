//! BG/BB (Fader, Hardie & Shang 2010): how its parameters are named, and how the names relate. Its likelihood is `kernels::bg_bb`.
//!
//! | symbol | meaning                                                                       | support    |
//! | ------ | ----------------------------------------------------------------------------- | ---------- |
//! | α, β   | chance to buy at an opportunity p ~ Beta(α, β)                                  | > 0        |
//! | γ, δ   | chance to leave before an opportunity θ ~ Beta(γ, δ)                            | > 0        |
//! | means and concentrations | of p and of θ, e.g. α / (α + β) and α + β                      | (0,1), > 0 |

use super::chart::{beta_pull_back, beta_to_chart, beta_to_natural};
use super::likelihood::array;
use super::{Alternative, Family, Forecast, Guess, Parameter, Role, Unit};
use crate::data;
use crate::kernels::bg_bb::{self, Rows};

/// The family's row in the table of models.
pub const FAMILY: Family = Family {
    key: "bg_bb",
    name: "BG/BB",
    title: "BG/BB (Fader, Hardie & Shang 2010)",
    role: Role::Opportunity,
    parameters: &[
        Parameter::positive(
            "alpha",
            Guess::new(0.9, Unit::One, 1.0),
            "first shape of the chance to buy at an opportunity",
        ),
        Parameter::positive(
            "beta",
            Guess::new(2.1, Unit::One, 1.0),
            "second shape of the chance to buy at an opportunity",
        ),
        Parameter::positive(
            "gamma",
            Guess::new(0.9, Unit::One, 1.0),
            "first shape of the chance to leave before an opportunity",
        ),
        Parameter::positive(
            "delta",
            Guess::new(2.1, Unit::One, 1.0),
            "second shape of the chance to leave before an opportunity",
        ),
    ],
    alternatives: &[
        Alternative {
            first: 0,
            parameters: &[
                Parameter::chance(
                    "purchase_chance",
                    Guess::new(0.3, Unit::One, 1.0),
                    "mean chance to buy at an opportunity, alpha / (alpha + beta)",
                ),
                Parameter::positive(
                    "purchase_kappa",
                    Guess::new(3.0, Unit::One, 1.0),
                    "how alike customers are in it, alpha + beta",
                ),
            ],
        },
        Alternative {
            first: 2,
            parameters: &[
                Parameter::chance(
                    "dropout_chance",
                    Guess::new(0.3, Unit::One, 1.0),
                    "mean chance to leave, gamma / (gamma + delta)",
                ),
                Parameter::positive(
                    "dropout_kappa",
                    Guess::new(3.0, Unit::One, 1.0),
                    "how alike customers are in it, gamma + delta",
                ),
            ],
        },
    ],
    likelihood: |observed, place| {
        let rows = rows(observed.cells.clone(), &observed.groups);
        // So few distinct histories that the judge is quick enough.
        place.make(rows, bg_bb::Cpu::new, bg_bb::Cpu::new, bg_bb::Gpu::with)
    },
    takes: |theta| bg_bb::is_possible(&array(theta)),
    forecast: |theta, data, ahead| {
        let (theta, [x, t_x, n]) = (array(theta), array(data).map(|count| count as u32));
        let (probability, probability_of_none) =
            ahead.probabilities(|h, count| bg_bb::probability_of(theta, x, t_x, n, h as u32, count));
        let discounted = |rate| bg_bb::discounted_expected_purchases(theta, x, t_x, n, rate);
        Forecast {
            p_alive: Some(bg_bb::p_alive(theta, x, t_x, n)),
            expected_purchases: ahead.horizon.map(|h| bg_bb::expected_purchases(theta, x, t_x, n, h as u32)),
            probability,
            probability_of_none,
            discounted_expected_purchases: ahead.discount_rate.map(discounted),
            ..Forecast::default()
        }
    },
    movable: None,
    to_natural,
    to_chart,
    pull_back,
};

fn to_natural(chart: &[bool], values: &[f64], natural: &mut [f64]) {
    natural.copy_from_slice(values);
    for (first, _) in [0, 2].into_iter().zip(chart).filter(|(_, derived)| **derived) {
        beta_to_natural(first, values, natural);
    }
}

fn to_chart(natural: &[f64], values: &mut [f64]) {
    values.copy_from_slice(natural);
    [0, 2].into_iter().for_each(|first| beta_to_chart(first, natural, values));
}

fn pull_back(chart: &[bool], values: &[f64], _: &[f64], d_natural: &[f64], d_values: &mut [f64]) {
    d_values.copy_from_slice(d_natural);
    for (first, _) in [0, 2].into_iter().zip(chart).filter(|(_, derived)| **derived) {
        beta_pull_back(first, values, d_natural, d_values);
    }
}

/// The cells of a summary in whole opportunities as the kernel takes them.
pub fn rows(cells: data::Cells, groups: &data::Groups) -> Rows {
    let data::Cells { group, frequency, recency, age, weight } = cells;
    // Whole numbers: the data's rules saw to it; any other would be cut, and the kernel refuses what is impossible.
    let whole = |times: Vec<f64>| times.into_iter().map(|t| t as u32).collect();
    Rows {
        n_groups: groups.labels.len().max(1),
        group,
        frequency,
        recency: whole(recency),
        opportunities: whole(age),
        weight,
    }
}
