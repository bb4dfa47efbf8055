//! `cytonaut export`: what a run made of its data, for other programs.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::open_run::OpenRun;
use super::options::DeviceArgs;
use super::{table_path, written};
use crate::pair::transition_table;
use crate::study;
use crate::table::Table;

/// What can be exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// One row a transition: where it starts, what is applied, where it leads, and its part of the split
    Pairs,
    /// One row a well (or a site, or a bag of cells): what was done to it, its labels, and its features in the units of the
    /// files
    Profiles,
}

/// Write the transitions that a run learns from, or its profiles
///
/// Of transitions, one row for each: the wells that it starts from, the intervention, the well that it leads to, and the
/// part of the split. Of profiles, the screen as it was loaded.
///
/// Example:
///   cytonaut export runs/quickstart --what profiles --out profiles.h5ad
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(super) struct ExportArgs {
    /// A run folder
    run: PathBuf,
    /// What to write
    #[arg(long, value_name = "WHAT", default_value = "pairs")]
    what: What,
    /// The table to write, as its ending says: .parquet, .csv, .tsv, .xlsx, .json or .h5ad
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
            What::Profiles => {
                study::refuse(open.trained_run.kind(), study::Wanted::Profiles)?;
                Table::of_profiles(&prepared.screen)
            }
        };
        table.write(&out)?;
        let things = match what {
            What::Pairs => "transitions",
            What::Profiles => "profiles",
        };
        written(json, things, table.n_rows(), &out)
    }
}
