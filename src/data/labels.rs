//! The labels of groups, numbered as they are first seen. What number a label gets depends on threads; what is made of the numbers
//! in the end ([`Labels::sorted`]) does not.

use std::collections::HashMap;
use std::sync::Mutex;

use super::rejects::lock;

/// Labels with their numbers.
#[derive(Debug)]
pub(super) struct Labels {
    known: Mutex<HashMap<String, u32>>,
}

impl Labels {
    /// The given labels, numbered in their order.
    pub(super) fn begin(labels: &[&str]) -> Self {
        let known = labels.iter().zip(0..).map(|(label, number)| ((*label).to_owned(), number)).collect();
        Self { known: Mutex::new(known) }
    }

    /// The number of a label.
    pub(super) fn number(&self, label: &str) -> u32 {
        let mut known = lock(&self.known);
        if let Some(&number) = known.get(label) {
            return number;
        }
        let number = known.len() as u32;
        known.insert(label.to_owned(), number);
        number
    }

    /// The labels by number.
    pub(super) fn by_number(&self) -> Vec<String> {
        let known = lock(&self.known);
        let mut labels = vec![String::new(); known.len()];
        known.iter().for_each(|(label, &number)| labels[number as usize].clone_from(label));
        labels
    }

    /// The numbers of the labels that `count` gives customers, sorted by label.
    pub(super) fn sorted(&self, count: &[u64]) -> Vec<u32> {
        let labels = self.by_number();
        let has_customers = |number: &u32| count.get(*number as usize).is_some_and(|&n| n > 0);
        let mut numbers: Vec<u32> = (0..labels.len() as u32).filter(has_customers).collect();
        numbers.sort_unstable_by_key(|&number| &labels[number as usize]);
        numbers
    }
}

/// Numbers labels for one thread, which then rarely waits for the others.
pub(super) struct LabelReader<'a> {
    labels: &'a Labels,
    seen: HashMap<String, u32>,
}

impl<'a> LabelReader<'a> {
    /// A reader that has seen no label.
    pub(super) fn new(labels: &'a Labels) -> Self {
        Self { labels, seen: HashMap::new() }
    }

    /// The number of a label.
    pub(super) fn number(&mut self, label: &str) -> u32 {
        if let Some(&number) = self.seen.get(label) {
            return number;
        }
        let number = self.labels.number(label);
        self.seen.insert(label.to_owned(), number);
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_keep_their_number_and_are_sorted_by_name() {
        let labels = Labels::begin(&[]);
        let mut reader = LabelReader::new(&labels);
        assert_eq!(["SE", "FI", "SE", "AX"].map(|l| reader.number(l)), [0, 1, 0, 2]);
        assert_eq!(labels.sorted(&[1, 2, 3]), [2, 1, 0]);
        assert_eq!(labels.sorted(&[1, 0, 3]), [2, 0]);
        assert_eq!(labels.by_number(), ["SE", "FI", "AX"]);
    }
}
