//! What of the table that stands still counts, beside the log as it is now: which files need not be read again, and what was rejected
//! in them.

use std::collections::{HashMap, HashSet};

use super::attempt::Work;
use super::listing::Listing;
use super::manifest::{FileRecord, Manifest, digest_of};
use super::reading::Refused;
use super::refused;
use crate::data::log_files::LogFile;
use crate::error::Result;

/// A table is cut into more parts once its source would want so many times as many.
const OUTGROWN: usize = 8;

/// What still counts.
pub(super) struct Standing<'a> {
    /// The table, if there is one to build upon.
    pub(super) held: Option<&'a Manifest>,
    /// Parts of customers from now on.
    pub(super) parts: usize,
    /// What earlier readings found in each file of the listing; none in those that must be read.
    pub(super) records: Vec<Option<FileRecord>>,
    /// Places of the files that need not be read, by digest.
    pub(super) kept: HashMap<u64, u32>,
    /// The first rejected rows of these.
    pub(super) refused: Vec<Refused>,
    /// Customers who are forgotten since, if their lines must be looked for in the table.
    pub(super) looked_for: Option<HashSet<&'a str>>,
}

impl<'a> Standing<'a> {
    /// Files in `distrusted` are read again, whatever is known of them.
    pub(super) fn of(
        work: &Work<'a>,
        listing: &Listing,
        held: Option<&'a Manifest>,
        distrusted: &HashSet<String>,
    ) -> Result<Self> {
        let (rules, forgotten) = (work.log.rules, work.log.forgotten);
        let wanted = work.sizes.partitions.unwrap_or_else(|| parts_for(listing.bytes));
        let parts = held.map_or(wanted, |held| {
            let outgrown = wanted >= OUTGROWN * held.parts && wanted.is_multiple_of(held.parts);
            if outgrown { wanted } else { held.parts }
        });
        let added = held.map(|held| forgotten.added_since(&held.forgotten));
        let list_is_other = added.as_ref().is_some_and(Option::is_none);
        let known: HashMap<&str, &FileRecord> =
            held.iter().flat_map(|held| &held.files).map(|record| (record.file.name.as_str(), record)).collect();
        let still = |file: &LogFile| {
            let record = known.get(file.name.as_str()).filter(|record| record.file == *file)?;
            let latest = rules.latest_date;
            // A date that was refused for lying ahead lies so no longer, or one that was taken does now.
            let has_come = record.future_date.is_some_and(|date| latest.is_none_or(|latest| date <= latest));
            let lies_ahead = record.last_date.zip(latest).is_some_and(|(date, latest)| date > latest);
            let hid_others = list_is_other && record.counts.forgotten + record.counts.hidden > 0;
            let distrusted = distrusted.contains(&file.name) || has_come || lies_ahead || hid_others;
            (!distrusted).then(|| (*record).clone())
        };
        let mut records: Vec<Option<FileRecord>> = listing.files.iter().map(still).collect();
        let places = (0..).zip(&records).filter(|(_, record)| record.is_some());
        let kept: HashMap<u64, u32> = places.map(|(place, _)| (listing.digests[place as usize], place)).collect();
        let mut refused = match held {
            Some(held) => refused::read(held, work.folder, &kept, rules.latest_date)?,
            None => Vec::new(),
        };
        refused.retain(|row| {
            let hidden = row.names_one_of(forgotten);
            if let Some(record) = records[row.reject.file].as_mut().filter(|_| hidden) {
                record.counts.hidden += 1;
            }
            !hidden
        });
        let looked_for = added.map(|added| added.unwrap_or_else(|| forgotten.ids().collect()));
        Ok(Self { held, parts, records, kept, refused, looked_for })
    }

    /// Places of the files that must be read.
    pub(super) fn unread(&self) -> Vec<u32> {
        (0..).zip(&self.records).filter(|(_, record)| record.is_none()).map(|(place, _)| place).collect()
    }

    /// Whether every cell must be made again, though no line of it may have changed: other parts, or files in another order.
    pub(super) fn is_other(&self) -> bool {
        let in_order = |held: &Manifest| {
            let places: Vec<u32> =
                held.files.iter().filter_map(|r| self.kept.get(&digest_of(&r.file.name)).copied()).collect();
            places.is_sorted()
        };
        self.held.is_some_and(|held| held.parts != self.parts || !in_order(held))
    }
}

/// One part for every 64 MiB of source, a power of two, at most 16; for larger sources one for every 128 MiB, at most 1024. Ten years have
/// 120 files for each part, so that few parts are better than many.
fn parts_for(bytes: u64) -> usize {
    const MIB: u64 = 1 << 20;
    let parts = bytes.div_ceil(64 * MIB).min(16).max(bytes.div_ceil(128 * MIB)).clamp(1, 1024);
    parts.next_power_of_two() as usize
}
