//! The engine on a device: hands rows of the summary over in the device's terms and takes what comes back. The laws are the kernels';
//! nothing is computed here.

use std::ops::Range;

use super::customers::Quantiles;
use super::engine::{Engine, Future, JointDraws};
use super::future::customer_address;
use super::{Labelling, Population, Settings};
use crate::data::Summary;
use crate::error::{Error, Result};
use crate::kernels::device::Device;
use crate::kernels::{KernelError, Work, futures};
use crate::model::Dropout;

/// The engine on any adapter, in f32 with f64 sums. Its random numbers have the CPU's addresses but are read in another order: both
/// are samples of one law, and their figures differ by sampling error.
#[derive(Debug)]
pub struct Gpu<'a> {
    summary: &'a Summary,
    labellings: &'a [Labelling],
    has_spend: bool,
    gpu: futures::Gpu,
}

impl<'a> Gpu<'a> {
    /// An engine on `device` for these customers, draws and labellings. The size of its chunks is its own.
    ///
    /// # Errors
    /// Settings, draws or labellings that make no sense, or that the device has no room for.
    pub fn new(
        device: &Device,
        summary: &'a Summary,
        population: &Population,
        settings: &Settings,
        labellings: &'a [Labelling],
    ) -> Result<Self> {
        settings.check()?;
        population.check(summary)?;
        if population.dropout != Dropout::AfterRepeat || population.covariates.is_some() {
            return Err(Error::new("devices simulate the futures of BG/NBD without covariates alone")
                .advice("predict on the CPU"));
        }
        labellings.iter().try_for_each(|labelling| labelling.check(summary))?;
        let grid = settings.grid();
        let horizon = futures::Horizon { width: grid.width, discount: grid.discount };
        let spend = population.spend.as_ref().map(|spend| spend.view());
        let draws = futures::Population { purchase: population.purchase.view(), spend };
        let sizes: Vec<usize> = labellings.iter().map(|labelling| labelling.labels.len()).collect();
        let gpu = futures::Gpu::new(device, draws, &horizon, settings.seed, &sizes).map_err(broken)?;
        Ok(Self { summary, labellings, has_spend: population.spend.is_some(), gpu })
    }

    /// Bytes on the device beside the population's draws.
    pub fn scratch_bytes(&self) -> u64 {
        self.gpu.scratch_bytes()
    }
}

impl Engine for Gpu<'_> {
    fn chunk_customers(&self) -> usize {
        self.gpu.chunk_customers()
    }

    fn submit(&mut self, rows: Range<usize>) -> Result<()> {
        let Self { summary, labellings, gpu, .. } = self;
        let customers: Vec<futures::Customer> = rows
            .clone()
            .map(|i| futures::Customer {
                address: customer_address(&summary.customer_id[i]),
                group: summary.group[i],
                frequency: summary.frequency[i],
                recency: summary.recency[i],
                age: summary.age[i],
                monetary: summary.monetary[i],
            })
            .collect();
        let labels: Vec<u32> = rows.flat_map(|i| labellings.iter().map(move |l| l.of_customer[i])).collect();
        gpu.submit(&customers, &labels).map_err(broken)
    }

    fn collect(&mut self) -> Result<Vec<Future>> {
        let futures = self.gpu.collect().map_err(broken)?;
        let future = |future: futures::Future| Future {
            purchases: Quantiles::from(future.purchases),
            value: Quantiles::from(future.value),
            value_sd: future.value_sd,
        };
        Ok(futures.into_iter().map(future).collect())
    }

    /// One evaluation is one customer under one draw.
    fn work(&self) -> Work {
        self.gpu.work()
    }

    fn totals(&mut self) -> Result<Vec<JointDraws>> {
        let totals = self.gpu.totals().map_err(broken)?;
        let joint =
            |futures::Totals { purchases, value }| JointDraws { purchases, value: self.has_spend.then_some(value) };
        Ok(totals.into_iter().map(joint).collect())
    }
}

fn broken(error: KernelError) -> Error {
    Error::new(error.what).advice(error.advice)
}
