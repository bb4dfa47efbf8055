//! `cytonaut evaluate`: held-out accuracy beside baselines.

use std::path::PathBuf;

use clap::Args;

use super::evaluate_files::FilesArgs;
use super::open_run::OpenRun;
use super::options::DeviceArgs;
use super::{AskedWrongly, Lost, print, table_path};
use crate::evaluate::{Claim, Evaluation};
use crate::run::Artifact;
use crate::study;
use crate::table::paragraph;

/// Score predictions, retrieval and embeddings on held-out treatments, with baselines and the replicate ceiling
///
/// FILES are tables that the run has never seen; treatments in them that were not in training are scored.
///
/// With --predictions and --truth, files by anybody are scored without a run, between the mean
/// response of the context and a technical duplicate.
///
/// Examples:
///   cytonaut evaluate runs/quickstart --require-beat interpolation
///   cytonaut evaluate --predictions predicted.h5ad --truth cells.h5ad \
///     --control non-targeting
#[derive(Debug, Args)]
#[command(verbatim_doc_comment, override_usage = USAGE)]
pub(super) struct EvaluateArgs {
    /// A run folder
    #[arg(required_unless_present = "predictions")]
    run: Option<PathBuf>,
    /// Profile tables, globs or a dataset card
    files: Vec<PathBuf>,
    /// Exit with code 3 unless `combined` has a lower error than this baseline and the interval of the difference excludes zero
    #[arg(long, value_name = "BASELINE")]
    require_beat: Option<String>,
    /// Show every row of the table, not only the main ones
    #[arg(long)]
    all: bool,
    /// Show all columns of the main table, in lines longer than 80 characters
    #[arg(long)]
    wide: bool,
    /// The table to write, as its ending says: .parquet, .csv, .tsv, .xlsx, .json or .h5ad
    #[arg(long, value_name = "FILE", value_parser = table_path)]
    out: Option<PathBuf>,
    /// Print one JSON object per line on stdout
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    device: DeviceArgs,
    #[command(flatten)]
    without_run: FilesArgs,
}

const USAGE: &str = "cytonaut evaluate [OPTIONS] <RUN> [FILES]...
       cytonaut evaluate [OPTIONS] --predictions <FILE> --truth <FILE>";

impl EvaluateArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let Self { run, files, require_beat, all, wide, out, json, device, without_run } = self;
        let run = match (run, without_run.predictions.clone()) {
            (Some(run), Some(_)) => {
                let problem = format!(
                    "{}: a run is scored by itself, and --predictions with --truth without one; give one of the two",
                    run.display()
                );
                return Err(AskedWrongly(problem).into());
            }
            (None, Some(predictions)) => return without_run.run(&predictions, out.as_deref(), json),
            (run, None) => run.expect("clap requires a run or predictions"),
        };
        let written = Artifact::Evaluation.path_in(&run);
        let evaluation = if files.is_empty() && written.exists() {
            Evaluation::read(&written)?
        } else {
            let open = OpenRun::open(&run, &device)?;
            let prepared = open.own_screen()?;
            let other = if files.is_empty() { None } else { Some(open.other_screen(&files)?) };
            study::evaluate_finished(&open.config, &prepared, other.as_ref(), &open.trained_run, &open.device)?
        };
        if let Some(path) = &out {
            evaluation.scores.write(path)?;
        }
        let mut text = if json {
            evaluation.json_lines()
        } else if all {
            evaluation.scores.to_text()
        } else {
            evaluation.summary(wide)
        };
        if !json {
            for verdict in evaluation.verdicts() {
                text += &format!("\n{}", paragraph(&verdict).trim_end());
            }
        }
        print(&text)?;
        let Some(baseline) = require_beat else { return Ok(()) };
        let verdict = baseline.parse().ok().and_then(|method| evaluation.against(&method));
        let verdict = verdict.ok_or_else(|| {
            let baselines = evaluation.against.iter().map(|verdict| &verdict.baseline);
            let words: Vec<_> = baselines.filter(|method| method.is_baseline()).map(|method| method.word()).collect();
            AskedWrongly(match words.is_empty() {
                true => {
                    format!("no baseline `{baseline}`: no treatment is held out for testing, so nothing was compared")
                }
                false => {
                    format!("no baseline `{baseline}` covers these treatments; choose one of {}", words.join(", "))
                }
            })
        })?;
        if verdict.difference.claim == Claim::Lower { Ok(()) } else { Err(Lost(verdict.to_string()).into()) }
    }
}
