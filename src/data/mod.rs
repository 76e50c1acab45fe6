//! Transactions become one row per customer, and rows become cells. Nothing here knows which model reads them.
//!
//! ```text
//! transactions ─ fold ─▶ transactions/MONTH/part-NNN-….parquet ─ TransactionTable::summarize_into ─┐
//!                        rejects.csv                                                             ├▶ PendingSummary ─ publish ─▶
//! cohorts ─ expand_cohorts ─▶ contracts.csv ─┬ ingest_summary_into ──────────────────────────┘
//! summaries, contracts ──────────────────────┘
//!   summary.parquet, holdout.parquet, weekly.parquet ─▶ Summary, Holdout, WeeklyRepeats    (predictions, evaluation)
//!   cells.parquet, spend.parquet ─────────────────────▶ Observations::read                 (fits)
//! transactions ─ TransactionTable::fingerprint ─▶ Fingerprint, kept beside a model to know its data again
//! attributes of customers ─ read_covariates ─▶ covariates.parquet ─▶ Design                (fits, predictions)
//! ```
//!
//! On this road no step holds all customers or all purchases: what does not fit a stated memory is spilled beside the output and
//! merged. [`TransactionTable::summarize`] and [`ingest_summary`] do the same in memory, plainly, and are what the road is tested by.

mod amount;
mod cells;
mod cohort_table;
mod columns;
mod covariates;
mod csv_reader;
mod customer_rows;
mod dates;
mod field;
mod fingerprint;
mod fold;
mod forgotten;
mod group_tree;
mod grouping;
mod holdout;
mod ids;
mod ingest;
mod labels;
mod line_blocks;
mod log_files;
mod month;
mod month_merge;
mod netting;
mod observation_files;
mod observations;
mod parquet_reader;
mod rejects;
mod resolution;
pub mod rfm;
mod rfm_scores;
mod roles;
mod row_groups;
mod rows;
mod rules;
mod runs;
mod sample;
mod shuffle;
pub mod simulate;
mod source;
mod spill;
mod summarize;
mod summarize_into;
mod summary;
mod summary_files;
mod summary_into;
mod summary_row;
mod summary_source;
mod table_file;
mod tally;
mod time_zone;
mod transactions;
mod weekly;

pub use cells::Cells;
pub use cohort_table::expand_cohorts;
pub use covariates::{
    COVARIATES_FILE, CovariateFacts, CovariateTable, Design, DesignColumn, MissingValues, read_covariates,
};
pub use fingerprint::{Fingerprint, MonthPrint};
pub use fold::{Folded, LogToRead, fold, take_over_table};
pub use forgotten::Forgotten;
pub use group_tree::{GroupLevel, prefix as group_prefix};
pub use grouping::Grouping;
pub use holdout::Holdout;
pub use ids::Ids;
pub use ingest::{IngestReport, ingest};
pub use log_files::{LocalFiles, LogFile, LogFiles};
pub use observations::Observations;
pub use resolution::Resolution;
pub use roles::{Column, Columns, ExtraColumn, Kind, RESERVED_COLUMNS};
pub use rows::IngestProgress;
pub use rules::{NegativeAmounts, Rules, ZeroAmounts};
pub use source::{Delimiter, Format, Source};
pub use summarize::{Summarized, SummaryFacts, Window};
pub use summary::{Groups, SpendRows, Summary};
pub use summary_files::PendingSummary;
pub use summary_into::ingest_summary_into;
pub use summary_source::ingest_summary;
pub use time_zone::TimeZone;
pub use transactions::{MergedLines, TransactionTable};
pub use weekly::WeeklyRepeats;

#[cfg(test)]
mod tests;
