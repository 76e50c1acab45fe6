//! What the results of a family are called: purchases or renewals, opportunities or periods; and which parts of a run have no meaning
//! for it. Every word that depends on the kind of model stands here.

use super::Role;

/// The words of one kind of purchase model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Words {
    /// What customers do, in the plural.
    pub events: &'static str,
    /// What they did again in the data, in the plural.
    pub repeats: &'static str,
    /// What is said of those who did not.
    pub once: &'static str,
    /// What they are expected to do, behind a number: "to buy 12 more times".
    pub verb: &'static str,
    /// What time is counted in, in the plural; none where it is continuous.
    pub periods: Option<&'static str>,
    /// What the check of the model counts, and its axis.
    pub check: [&'static str; 2],
    /// Parts of a run that are left out, each with its reason.
    pub left_out: &'static [&'static str],
}

const CONTINUOUS: Words = Words {
    events: "purchases",
    repeats: "repeat purchases",
    once: "bought once",
    verb: "buy",
    periods: None,
    check: ["Customers by number of repeat purchases", "repeat purchases"],
    left_out: &[],
};

const OPPORTUNITIES: Words = Words {
    periods: Some("opportunities"),
    left_out: &["tracking by calendar week: this model knows opportunities, not the days between them"],
    ..CONTINUOUS
};

const CONTRACTS: Words = Words {
    events: "renewals",
    repeats: "renewals",
    once: "never renewed",
    verb: "renew",
    periods: Some("periods"),
    check: ["Customers lost at the end of each period", "period of the loss"],
    left_out: &[
        "tracking by calendar week: contracts are renewed by period",
        "RFM segments: contracts have neither recency nor spend",
        "the map of who is still a customer: contracts say it themselves",
        "evaluation on a holdout: contracts carry no dates",
        "spend: the value of a renewal is its price",
    ],
};

impl Role {
    /// The words of a purchase model; those of continuous time for all others.
    pub fn words(self) -> &'static Words {
        match self {
            Self::Purchase(_) | Self::Spend => &CONTINUOUS,
            Self::Opportunity => &OPPORTUNITIES,
            Self::Contract => &CONTRACTS,
        }
    }
}
