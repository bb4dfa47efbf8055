//! `cytonaut predict`: what given interventions would do.

use std::path::PathBuf;

use clap::Args;

use super::open_run::OpenRun;
use super::options::DeviceArgs;
use super::{AskedWrongly, print, table_path};
use crate::study::{self, AskedTreatments};

/// Predict latents and decoded features of interventions
///
/// Write an intervention as it is printed, `taxol 0.1 µM` or `HN 6 µM + RO 3.5 µM`.
/// Shorter forms are `taxol@0.1` and `HN@6+RO@3.5`, in µM or with a unit (`100nM`).
/// Without any, all interventions of the screen are predicted.
///
/// Example: cytonaut predict runs/quickstart --intervention 'taxol 0.1 µM' --out taxol.parquet
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(super) struct PredictArgs {
    /// A run folder
    run: PathBuf,
    /// Profile tables, globs or a dataset card with the control wells to start from
    files: Vec<PathBuf>,
    /// An intervention to predict; may be given several times
    #[arg(long, value_name = "INTERVENTION")]
    intervention: Vec<String>,
    /// The context to predict in; by default the screen's first
    #[arg(long, value_name = "CONTEXT")]
    context: Option<String>,
    /// The table to write, as its ending says: .parquet, .csv, .tsv, .xlsx or .json
    #[arg(long, value_name = "FILE", value_parser = table_path)]
    out: PathBuf,
    #[command(flatten)]
    device: DeviceArgs,
}

impl PredictArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let Self { run, files, intervention, context, out, device } = self;
        let open = OpenRun::open(&run, &device)?;
        study::refuse(open.trained_run.row_kind(), study::Wanted::Predictions)?;
        let screen = open.screen(&files)?;
        let AskedTreatments { treatments, remarks } =
            study::treatments_of(&open.trained_run, &screen, &intervention, context.as_deref())
                .map_err(AskedWrongly)?;
        for remark in &remarks {
            tracing::warn!("note: {remark}");
        }
        let (table, abstained) = study::predict_table(&open.trained_run, &screen, &treatments, &open.device)?;
        for (treatment, reason) in &abstained {
            tracing::warn!("warning: no prediction of {treatment}: {reason}");
        }
        if table.n_rows() == 0 {
            return Err(AskedWrongly(format!("nothing was predicted, and {} is not written", out.display())).into());
        }
        table.write(&out)?;
        print(&format!("{} predictions: {}", table.n_rows(), out.display()))
    }
}
