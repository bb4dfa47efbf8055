//! `cytonaut evaluate --predictions FILE --truth FILE`: anybody's predictions, without a run.

use std::path::{Path, PathBuf};

use clap::Args;

use super::{AskedWrongly, print, table_path};
use crate::evaluate::{Bootstrap, EvaluateError, ExternalSettings, score_responses};
use crate::load::{LoadError, ResponseColumns, Responses, Scale};

/// Options of files that are scored without a run.
#[derive(Debug, Args)]
#[command(next_help_heading = "Predictions without a run")]
pub(super) struct FilesArgs {
    /// Predictions by anybody: .h5ad (rows are cells or perturbations), parquet, CSV or Excel, with a column that says what
    /// was done
    #[arg(long, value_name = "FILE", requires = "truth", conflicts_with_all = ["require_beat", "all", "wide", "device"])]
    pub(super) predictions: Option<PathBuf>,
    /// What was measured, with the control; cells or replicates give the ceiling
    #[arg(long, value_name = "FILE", requires = "predictions")]
    truth: Option<PathBuf>,
    /// The column that says what was done; several with commas, as in `compound,dose_um`, say it together
    #[arg(long, value_name = "COLUMN", value_delimiter = ',', requires = "predictions")]
    perturbation: Option<Vec<String>>,
    /// The column of cell lines or donors, each of which is compared with its own control; '' for none
    #[arg(long, value_name = "COLUMN", requires = "predictions")]
    context: Option<String>,
    /// Name of the control in the truth; may be given several times
    #[arg(long, value_name = "NAME", requires = "predictions")]
    control: Vec<String>,
    /// What the values of both files are: `counts`, `log1p` or `as_is` [default: as they look]
    #[arg(long, value_name = "SCALE", value_parser = scale, requires = "predictions")]
    scale: Option<Scale>,
    /// Score the shared features though they are less than half of the truth's
    #[arg(long, requires = "predictions")]
    few_features: bool,
    /// Write the scores of each perturbation to a table, as its ending says
    #[arg(long, value_name = "FILE", value_parser = table_path, requires = "predictions")]
    by_perturbation: Option<PathBuf>,
    /// Seed of the halves of the truth's rows and of the intervals
    #[arg(long, value_name = "N", default_value_t = 0, requires = "predictions")]
    seed: u64,
}

impl FilesArgs {
    /// Scores the predictions at `path`.
    pub(super) fn run(self, path: &Path, out: Option<&Path>, json: bool) -> anyhow::Result<()> {
        let Self { predictions: _, truth, perturbation, context, control, scale, few_features, by_perturbation, seed } =
            self;
        let truth = truth.expect("clap requires it with predictions");
        let columns = ResponseColumns { perturbation, context, controls: control, scale };
        let truth = Responses::open(&truth, &columns).map_err(asked)?;
        let predictions = Responses::open(path, &columns).map_err(asked)?;
        for note in truth.notes.iter().chain(&predictions.notes) {
            tracing::info!("{note}");
        }
        if !truth.controls().is_empty() {
            tracing::info!("control: {}", truth.controls().join(", "));
        }
        let settings = ExternalSettings { bootstrap: Bootstrap { resamples: RESAMPLES, seed }, few_features };
        let scores = score_responses(&truth, &predictions, &settings).map_err(|error| match error {
            EvaluateError::Load(error) => asked(error),
            error => error.into(),
        })?;
        if let Some(out) = out {
            scores.write(out)?;
        }
        if let Some(out) = &by_perturbation {
            scores.write_items(out)?;
        }
        print(&if json { scores.json_lines() } else { scores.to_text() })
    }
}

/// Draws of perturbations for an interval; there are many metrics, and two digits are shown.
const RESAMPLES: usize = 2_000;

/// An error of a file, or of what was asked of it.
fn asked(error: LoadError) -> anyhow::Error {
    if error.is_request() { AskedWrongly(error.to_string()).into() } else { error.into() }
}

fn scale(text: &str) -> Result<Scale, String> {
    let known = [Scale::Counts, Scale::Log1p, Scale::AsIs].into_iter().find(|scale| scale.word() == text);
    known.ok_or_else(|| "expected counts, log1p or as_is".to_owned())
}
