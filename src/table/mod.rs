//! The tables that Cytonaut writes: named, documented columns, as parquet, CSV, TSV, Excel, JSON or AnnData, in files that appear whole or not at all.
//!
//! Every table that names what was done to cells does it with the same columns, [`INTERVENTION_COLUMNS`].

mod error;
mod atomic;
mod columns;
mod ending;
mod h5ad;
mod json;
mod parquet;
mod parquet_file;
mod profiles;
mod interventions;
mod text;
mod units;
mod xlsx;

pub use atomic::write_atomically;
pub(crate) use atomic::{is_partial, replace_file, sweep_partials};
pub use columns::{Column, NamedColumn, Table};
pub use ending::check_ending;
pub use error::FileError;
pub use interventions::INTERVENTION_COLUMNS;
pub(crate) use json::{read_json, write_json};
pub(crate) use parquet::quietly;
pub(crate) use parquet_file::ParquetFile;
pub use text::{Side, TextTable};
pub(crate) use text::{counted, counted_of, filled, first_few, paragraph, sentence};
pub(crate) use units::{UNIT_COLUMNS, role_word};
