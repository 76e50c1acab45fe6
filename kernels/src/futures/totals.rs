//! Joint totals of labelled customers, draw by draw: which customers `shaders/futures/totals.wgsl` adds up on the device, and the
//! sums of its sums in f64. What a label means is unknown here.

use ndarray::Array2;

use crate::KernelError;
use crate::difference::crossing;

crossing! {
    /// What all threads know.
    struct Shape as "Shape" {
        draws: u32,
        segments: u32,
        values_at: u32,
        with_spend: u32,
    }
}

crossing! {
    /// Members of one label that are added on the device.
    struct Segment as "Segment" {
        first: u32,
        end: u32,
    }
}

/// Customers that are added in f32, and whose counts must fit 32 bits.
pub const SEGMENT_CUSTOMERS: usize = 256;

/// The shader.
pub const WGSL: &str = include_str!("../../../shaders/futures/totals.wgsl");

/// Joint draws of what the customers of each label will do.
#[derive(Debug, Clone, PartialEq)]
pub struct Totals {
    /// `[label, draw]`: purchases in the horizon.
    pub purchases: Array2<f64>,
    /// `[label, draw]`: discounted value, currency; 0 without a spend model.
    pub value: Array2<f64>,
}

/// A chunk's customers, cut for the device: labelling by labelling, label by label, in order.
#[derive(Debug, Default)]
pub struct Cut {
    pub segments: Vec<Segment>,
    pub members: Vec<u32>,
    /// (labelling, label) of each segment.
    pub owner: Vec<(u32, u32)>,
}

impl Cut {
    /// Cuts a chunk of `customers` by `labels`, customer-major, of as many labellings as `sizes` has numbers of labels.
    pub fn new(customers: usize, labels: &[u32], sizes: &[usize]) -> Result<Self, KernelError> {
        if labels.len() != customers * sizes.len() {
            return Err(KernelError::new(
                format!("{} labels for {customers} customers and {} labellings", labels.len(), sizes.len()),
                "pass one label of each labelling for each customer",
            ));
        }
        let mut cut = Self::default();
        for (labelling, size) in sizes.iter().enumerate() {
            let label = |member: u32| labels[member as usize * sizes.len() + labelling];
            let mut members: Vec<u32> = (0..customers as u32).collect();
            // Stable: customers of a label stay in order.
            members.sort_by_key(|member| label(*member));
            if let Some(last) = members.last().filter(|last| label(**last) as usize >= *size) {
                return Err(KernelError::new(
                    format!("label {} in a labelling of {size} labels", label(*last)),
                    "labels count from 0",
                ));
            }
            let same = members.chunk_by(|a, b| label(*a) == label(*b));
            for segment in same.flat_map(|of_label| of_label.chunks(SEGMENT_CUSTOMERS)) {
                let first = cut.members.len() as u32;
                cut.segments.push(Segment { first, end: first + segment.len() as u32 });
                cut.owner.push((labelling as u32, label(segment[0])));
                cut.members.extend_from_slice(segment);
            }
        }
        Ok(cut)
    }

    /// Most segments that `customers` customers may need under labellings of these sizes.
    pub fn most_segments(customers: usize, sizes: &[usize]) -> usize {
        // Every label may leave one segment unfilled.
        sizes.iter().map(|size| (customers / SEGMENT_CUSTOMERS + size).min(customers)).sum()
    }
}

impl Totals {
    /// Of no customer.
    pub fn new(labels: usize, draws: usize) -> Self {
        Self { purchases: Array2::zeros((labels, draws)), value: Array2::zeros((labels, draws)) }
    }

    /// Adds one segment's sums; `values` holds the bits of f32, and none without a spend model.
    pub fn add(&mut self, label: u32, counts: &[u32], values: &[u32]) {
        let label = label as usize;
        self.purchases.row_mut(label).iter_mut().zip(counts).for_each(|(sum, count)| *sum += f64::from(*count));
        let values = values.iter().map(|bits| f64::from(f32::from_bits(*bits)));
        self.value.row_mut(label).iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
    }
}
