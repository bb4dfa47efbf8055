//! `cytonaut export`: what a run made of its data, for other programs.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::open_run::OpenRun;
use super::options::DeviceArgs;
use super::{table_path, written};
use crate::pair::transition_table;

/// What can be exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// One row a transition: where it starts, what is applied, where it leads, and its part of the split
    Pairs,
}

/// Write the transitions that a run learns from
///
/// One row for each transition: the wells that it starts from, the intervention, the well that it leads to, and the part of
/// the split.
///
/// Example: cytonaut export runs/quickstart --what pairs --out pairs.csv
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(super) struct ExportArgs {
    /// A run folder
    run: PathBuf,
    /// What to write
    #[arg(long, value_name = "WHAT", default_value = "pairs")]
    what: What,
    /// The table to write, as its ending says: .parquet, .csv, .tsv, .xlsx or .json
    #[arg(long, value_name = "FILE", value_parser = table_path)]
    out: PathBuf,
    /// Print one JSON object on stdout
    #[arg(long)]
    json: bool,
}

impl ExportArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let Self { run, what, out, json } = self;
        let open = OpenRun::open(&run, &DeviceArgs::cpu())?;
        let prepared = open.own_screen()?;
        let table = match what {
            What::Pairs => transition_table(&prepared.screen, &prepared.split),
        };
        table.write(&out)?;
        written(json, "transitions", table.n_rows(), &out)
    }
}
