//! What `shaders/futures/simulate.wgsl` is told of the population, the horizon and the customers. The law is in the shader; its
//! f64 counterpart belongs to whoever predicts on the CPU.

use ndarray::ArrayView3;

use super::{Customer, Horizon, Population};
use crate::KernelError;
use crate::difference::crossing;
use crate::rng::Purpose;

crossing! {
    /// What all threads know.
    struct Shape as "Shape" {
        customers: u32,
        draws: u32,
        periods: u32,
        with_spend: u32,
        seed_low: u32,
        seed_high: u32,
        values_at: u32,
        ln_length: f32,
    }
}

crossing! {
    /// One customer.
    struct DeviceCustomer as "Customer" {
        address_low: u32,
        address_high: u32,
        group: u32,
        frequency: u32,
        recency: f32,
        gap: f32,
        age: f32,
        repeat_spend: f32,
    }
}

/// The shader with everything it follows.
pub fn wgsl() -> String {
    let purpose = format!("const PURPOSE: u32 = {}u;\n", Purpose::Prediction as u32);
    [
        &purpose,
        include_str!("../../../shaders/lib/log1p_expm1.wgsl"),
        include_str!("../../../shaders/lib/philox.wgsl"),
        include_str!("../../../shaders/lib/draws.wgsl"),
        include_str!("../../../shaders/lib/customer.wgsl"),
        include_str!("../../../shaders/futures/simulate.wgsl"),
    ]
    .concat()
}

impl DeviceCustomer {
    /// Differences and products are formed in f64.
    pub fn new(customer: &Customer, groups: usize) -> Result<Self, KernelError> {
        let &Customer { address, group, frequency, recency, age, monetary } = customer;
        let x = f64::from(frequency);
        let (recency, gap) = if frequency == 0 { (0.0, age) } else { (recency, age - recency) };
        let paid = frequency > 0 && monetary > 0.0;
        let repeat_spend = if paid { x * monetary } else { 0.0 };
        let times = [recency, gap, age].iter().all(|time| *time >= 0.0 && (*time as f32).is_finite());
        if group as usize >= groups || !times || !(repeat_spend as f32).is_finite() {
            return Err(KernelError::new(
                format!("{customer:?} has no future among {groups} groups"),
                "0 ≤ recency ≤ age and a finite mean spend; predict with the summary that was fitted",
            ));
        }
        Ok(Self {
            address_low: address as u32,
            address_high: (address >> 32) as u32,
            group,
            frequency,
            recency: recency as f32,
            gap: gap as f32,
            age: age as f32,
            repeat_spend: repeat_spend as f32,
        })
    }
}

/// Parameters as the shaders read them: `[group, draw, k]`.
pub fn by_group(draws_first: ArrayView3<'_, f64>) -> Vec<f32> {
    draws_first.permuted_axes([1, 0, 2]).iter().map(|value| *value as f32).collect()
}

/// The worth of each period, and whether values are wanted: without them one period is enough.
pub fn discount(population: &Population<'_>, horizon: &Horizon) -> Vec<f32> {
    match population.spend {
        Some(_) => horizon.discount.iter().map(|worth| *worth as f32).collect(),
        None => vec![1.0],
    }
}
