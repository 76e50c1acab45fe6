//! MBG/NBD (Batislam, Denizel & Filiztekin 2007): BG/NBD for customers who may leave after their first purchase too. Parameters, names
//! and ridges are those of [`super::bg_nbd`]; the likelihood is `kernels::mbg_nbd`.

use super::bg_nbd::{ALTERNATIVES, EFFECTS, PARAMETERS, pull_back, to_natural};
use super::{Dropout, Family, Role};

/// The family's row in the table of models.
pub const FAMILY: Family = Family {
    key: "mbg_nbd",
    name: "MBG/NBD",
    title: "MBG/NBD (Batislam, Denizel & Filiztekin 2007)",
    role: Role::Purchase(Dropout::AfterAny),
    parameters: PARAMETERS,
    alternatives: ALTERNATIVES,
    effects: EFFECTS,
    to_natural,
    pull_back,
};
