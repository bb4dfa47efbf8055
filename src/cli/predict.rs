//! `cytonaut predict`: what given interventions would do.

use std::path::{Path, PathBuf};

use clap::Args;

use super::open_run::OpenRun;
use super::options::DeviceArgs;
use super::{AskedWrongly, print, table_path, whole_number, written};
use crate::plan::ranker;
use crate::predict::Abstains;
use crate::screen::Treatment;
use crate::study::{self, AskedTreatments, Outcomes};

/// Predict what interventions would do
///
/// Shows the features that change most, in the units of the files, with intervals and what was measured.
/// Write an intervention as it is printed, `taxol 0.1 µM` or `HN 6 µM + RO 3.5 µM`.
/// Shorter forms are `taxol@0.1` and `HN@6+RO@3.5`, in µM or with a unit (`100nM`).
/// Without any, all interventions of the screen are predicted.
///
/// Example:
///   cytonaut predict runs/quickstart --intervention 'taxol 0.1 µM' --out taxol.csv
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
    /// Who predicts, as in `rank`: `combined`, `lewm` (the model alone) or the name of a baseline [config: rank.by]
    #[arg(long, value_name = "METHOD")]
    by: Option<String>,
    /// Write the model's predicted latents instead of features, in the space of `embeddings.parquet`
    #[arg(long)]
    latents: bool,
    /// Write predicted latents of each model of the ensemble, side by side
    #[arg(long)]
    members: bool,
    /// Features to show of an intervention, or interventions where there are many
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = whole_number)]
    top: usize,
    /// The table to write, as its ending says: .parquet, .csv, .tsv, .xlsx, .json or .h5ad
    #[arg(long, value_name = "FILE", value_parser = table_path)]
    out: Option<PathBuf>,
    /// Print one JSON object per line on stdout
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    device: DeviceArgs,
}

impl PredictArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let Self { run, files, intervention, context, by, latents, members, top, out, json, device } = self;
        let mut open = OpenRun::open(&run, &device)?;
        study::refuse(open.trained_run.kind(), study::Wanted::Predictions)?;
        if let Some(by) = by {
            open.config.rank.by = ranker(&by).map_err(study::StudyError::from)?;
        }
        let prepared = open.own_screen()?;
        let other = if files.is_empty() { None } else { Some(open.other_screen(&files)?) };
        let screen = other.as_ref().unwrap_or(&prepared.screen);
        let AskedTreatments { treatments, remarks } =
            study::treatments_of(&open.trained_run, screen, &intervention, context.as_deref()).map_err(AskedWrongly)?;
        for remark in &remarks {
            tracing::warn!("note: {remark}");
        }
        if latents || members || open.trained_run.decoder.is_of_latents() {
            let Some(out) = out else {
                return Err(AskedWrongly("predicted latents are written to a file: give --out FILE".into()).into());
            };
            let map = if members { None } else { Some(open.embedding_map()?) };
            let (table, abstained) = study::predict_table(
                &open.config,
                &prepared,
                &open.trained_run,
                screen,
                &treatments,
                map.as_ref(),
                &open.device,
            )?;
            warn_of(&abstained);
            refuse_nothing(table.n_rows(), Some(&out))?;
            table.write(&out)?;
            return written(json, "rows of predicted latents", table.n_rows(), &out);
        }
        let (config, trained_run, device) = (&open.config, &open.trained_run, &open.device);
        let outcomes = Outcomes::of(config, &prepared, other.as_ref(), trained_run, &treatments, device)?;
        warn_of(&outcomes.abstained);
        refuse_nothing(outcomes.rows.len(), out.as_deref())?;
        let mut text = if json { outcomes.json_lines(top) } else { outcomes.render(top) };
        if let Some(out) = &out {
            outcomes.table().write(out)?;
            if !json {
                text += &format!("\nwritten: {}\n", out.display());
            }
        }
        print(&text)
    }
}

fn warn_of(abstained: &[(Treatment, Abstains)]) {
    for (treatment, reason) in abstained {
        tracing::warn!("warning: no prediction of {treatment}: {reason}");
    }
}

/// Where nothing was predicted, a file that is there stays as it is.
fn refuse_nothing(n_rows: usize, out: Option<&Path>) -> Result<(), AskedWrongly> {
    match (n_rows, out) {
        (0, Some(out)) => Err(AskedWrongly(format!("nothing was predicted, and {} is not written", out.display()))),
        (0, None) => Err(AskedWrongly("nothing was predicted".to_owned())),
        _ => Ok(()),
    }
}
