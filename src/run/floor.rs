//! A fit's evaluations beside the least that they cost on this machine: counted operations and bytes (`kernels::roofline`) at rates
//! measured for a moment after the fit. For `telemetry.json` alone; `longrun bench` measures with care.

use std::time::Instant;

use super::telemetry::FloorCost;
use crate::config::{ModelPlan, Plan};
use crate::data::Observations;
use crate::kernels::roofline::{DeviceProbe, HostProbe, Probe, Rates, Resource, cost};
use crate::model::Place;

/// Shorter fits are not worth the quarter of a second that asking takes.
const LEAST_FIT_S: f64 = 5.0;

/// A timed piece of work takes at least this long.
const LEAST_PIECE_S: f64 = 0.01;

/// Passes are not raised beyond this.
const MOST_PASSES: u32 = 1 << 16;

/// `None` of a short fit, of a model whose operations were not counted, with covariates, and where the machine cannot be asked.
pub(super) fn of_fit(
    plan: &Plan,
    model: &ModelPlan,
    observed: &Observations,
    place: &Place,
    evaluations: u64,
    wall_s: f64,
) -> Option<FloorCost> {
    if wall_s < LEAST_FIT_S || evaluations == 0 || model.covariates.is_some() {
        return None;
    }
    let cost = cost::of(&model.model, place.device.is_some())?;
    let rates = match &place.device {
        Some((device, _)) => rates(&mut DeviceProbe::new(device).ok()?)?,
        None => rates(&mut HostProbe::new())?,
    };
    let rows = observed.cells.frequency.len().max(1) as f64;
    let returning = observed.cells.frequency.iter().filter(|x| **x > 0).count() as f64 / rows;
    let floor = cost.floor(&rates, plan.sampler.chains, returning);
    let operations = cost.operations(returning);
    let evaluations_per_s = 1.0 / floor.seconds;
    Some(FloorCost {
        bytes_per_evaluation: cost.bytes(plan.sampler.chains, returning),
        specials_per_evaluation: operations.logs + operations.exps + operations.divisions,
        fmas_per_evaluation: operations.fmas,
        evaluations_per_s,
        share: evaluations as f64 / wall_s / evaluations_per_s,
    })
}

/// Rates of the machine, each from one piece of work that is long enough.
fn rates(probe: &mut dyn Probe) -> Option<Rates> {
    let mut found = [0.0; 5];
    for (found, resource) in found.iter_mut().zip(Resource::ALL) {
        probe.run(resource, 1).ok()?;
        let mut passes = 1;
        *found = loop {
            let began = Instant::now();
            let amount = probe.run(resource, passes).ok()?;
            let taken = began.elapsed().as_secs_f64().max(1e-9);
            if taken >= LEAST_PIECE_S || passes >= MOST_PASSES {
                break amount / taken;
            }
            passes *= 2;
        };
    }
    Some(Rates::from_array(found))
}
