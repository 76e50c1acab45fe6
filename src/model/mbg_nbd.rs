//! MBG/NBD (Batislam, Denizel & Filiztekin 2007): BG/NBD for customers who may leave after their first purchase too. Parameters, names
//! and ridges are those of [`super::bg_nbd`]; the likelihood is `kernels::mbg_nbd`.

use super::bg_nbd::{ALTERNATIVES, EFFECTS, PARAMETERS, pull_back, to_chart, to_natural};
use super::likelihood::{Continuous, array, cells};
use super::{Dropout, Family, Movable, Role};
use crate::kernels::mbg_nbd;

/// The family's row in the table of models.
pub const FAMILY: Family = Family {
    key: "mbg_nbd",
    name: "MBG/NBD",
    title: "MBG/NBD (Batislam, Denizel & Filiztekin 2007)",
    role: Role::Purchase(Dropout::AfterAny),
    parameters: PARAMETERS,
    alternatives: ALTERNATIVES,
    likelihood: |observed, place| {
        place.make(cells(observed), mbg_nbd::Simd::new, mbg_nbd::Cpu::new, mbg_nbd::Gpu::with)
    },
    takes: |theta| mbg_nbd::is_possible(&array(theta)),
    forecast: |theta, data, ahead| {
        let kernels = Continuous {
            p_alive: mbg_nbd::p_alive,
            expected_purchases: mbg_nbd::expected_purchases,
            probability_of: mbg_nbd::probability_of,
            discounted_expected_purchases: mbg_nbd::discounted_expected_purchases,
        };
        kernels.forecast(theta, data, ahead)
    },
    movable: Some(Movable::by::<mbg_nbd::MbgNbd>(EFFECTS)),
    to_natural,
    to_chart,
    pull_back,
};
