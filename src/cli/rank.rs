//! `cytonaut rank`: which interventions lead to the target phenotype.

use std::path::PathBuf;

use clap::Args;

use super::open_run::OpenRun;
use super::options::DeviceArgs;
use super::{AskedWrongly, above_zero, print, table_path, whole_number};
use crate::evaluate::Evaluation;
use crate::plan::{Aim, Candidates, Far, Shown, ranker};
use crate::run::Artifact;
use crate::study;

/// Order candidate interventions by how close they bring the cells to a target phenotype
///
/// The first line says how far to trust the ranking: the verdict of the evaluation on held-out treatments.
/// The score is the fraction of the way from start to target, 1 at the target.
/// Without a target, lists what does anything at all: which treatments differ from control wells.
///
/// Examples:
///   cytonaut rank runs/quickstart
///   cytonaut rank runs/quickstart --target 'moa == "Microtubule stabilizers"'
///   cytonaut rank runs/quickstart --target 'perturbation == "taxol"' --by measured
///   cytonaut rank runs/quickstart --target 'moa == "Actin disruptors"' \
///     --explain 'cytochalasin B 10 µM'
///   cytonaut rank runs/quickstart --target 'moa == "Actin disruptors"' \
///     --forbid taxol --min-cells 0.7
///   cytonaut rank runs/melanoma --minimize cellviab
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(super) struct RankArgs {
    /// A run folder
    run: PathBuf,
    /// Profile tables, globs or a dataset card to rank instead of the screen of the run
    files: Vec<PathBuf>,
    /// The target phenotype: a query over treated wells, a perturbation or mechanism by its name, or `wells:FILE` with columns
    /// plate and well [config: rank.target]
    #[arg(long, value_name = "QUERY")]
    target: Option<String>,
    /// Rank by this feature instead, lowest first, as it is predicted: a column of the table (one that was not learned from too),
    /// `cell_count`, or `readout` of a time lapse
    #[arg(long, value_name = "FEATURE", conflicts_with_all = ["target", "maximize"])]
    minimize: Option<String>,
    /// The same, highest first
    #[arg(long, value_name = "FEATURE", conflicts_with = "target")]
    maximize: Option<String>,
    /// Where the cells start, as a query; by default the negative controls [config: rank.start]
    #[arg(long, value_name = "QUERY")]
    start: Option<String>,
    /// The context to rank in; by default that of most wells of the target [config: rank.context]
    #[arg(long, value_name = "CONTEXT")]
    context: Option<String>,
    /// What ranks: `measured` (the wells themselves, nothing predicted), `combined` (all methods), `lewm` (the model alone)
    /// or the name of a baseline [config: rank.by]
    #[arg(long, value_name = "METHOD")]
    by: Option<String>,
    /// Also rank half-decade doses between the lowest and the highest measured dose [config: rank.candidates]
    #[arg(long, conflicts_with = "candidates")]
    dose_grid: bool,
    /// Rank other interventions instead: `pairs`, all pairs of measured members at their measured doses; or those of a table,
    /// by a column intervention, by perturbation and dose_um, or by drug_1, dose_1_um, drug_2, …; optionally hours and
    /// kind [config: rank.candidates]
    #[arg(long, value_name = "pairs|FILE")]
    candidates: Option<PathBuf>,
    /// Rank only candidates that hold this agent, or satisfy this query (`dose_um <= 1`); may be given several times
    /// [config: rank.require]
    #[arg(long, value_name = "AGENT|QUERY")]
    require: Vec<String>,
    /// Leave out candidates that hold this agent, or satisfy this query; may be given several times [config: rank.forbid]
    #[arg(long, value_name = "AGENT|QUERY")]
    forbid: Vec<String>,
    /// Leave out sets of more agents than this [config: rank.max_agents]
    #[arg(long, value_name = "N", value_parser = whole_number)]
    max_agents: Option<usize>,
    /// Leave out sets whose doses add up to more µM than this [config: rank.max_total_dose_um]
    #[arg(long, value_name = "UM", value_parser = above_zero)]
    max_total_dose: Option<f64>,
    /// Leave out what leaves fewer cells, over those of controls, than this (0.7): measured where its wells were counted, else
    /// predicted from doses and members [config: rank.min_cells]
    #[arg(long, value_name = "RATIO", value_parser = above_zero)]
    min_cells: Option<f64>,
    /// What becomes of candidates far from what was measured: ranked below all others, only marked, or left out
    /// [config: rank.far]
    #[arg(long, value_name = "last|mark|leave_out")]
    far: Option<Far>,
    /// Say why this intervention ranks where it does, a candidate or not: `taxol 0.3 µM`, `A 1 µM + B 0.3 µM`; features that move
    /// toward the target, the wells and treatments that it rests on, and the rank by other methods
    #[arg(long, value_name = "INTERVENTION", conflicts_with_all = ["minimize", "maximize", "out", "top", "wide"])]
    explain: Option<String>,
    /// Show all columns, in lines longer than 80 characters
    #[arg(long)]
    wide: bool,
    /// Rows to show [config: rank.top]
    #[arg(long, value_name = "N", value_parser = whole_number)]
    top: Option<usize>,
    /// The table to write, as its ending says: .parquet, .csv, .tsv, .xlsx, .json or .h5ad
    #[arg(long, value_name = "FILE", value_parser = table_path)]
    out: Option<PathBuf>,
    /// Print one JSON object per line on stdout
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    device: DeviceArgs,
}

impl RankArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let Self {
            run,
            files,
            target,
            minimize,
            maximize,
            start,
            context,
            by,
            dose_grid,
            candidates,
            require,
            forbid,
            max_agents,
            max_total_dose,
            min_cells,
            far,
            explain,
            wide,
            top,
            out,
            json,
            device,
        } = self;
        let feature = minimize.map(|name| (name, Aim::Minimize)).or(maximize.map(|name| (name, Aim::Maximize)));
        let mut open = OpenRun::open(&run, &device)?;
        let rank = &mut open.config.rank;
        rank.target = target.unwrap_or(std::mem::take(&mut rank.target));
        rank.start = start.unwrap_or(std::mem::take(&mut rank.start));
        rank.context = context.unwrap_or(std::mem::take(&mut rank.context));
        if let Some(by) = by {
            rank.by = ranker(&by).map_err(study::StudyError::from)?;
        }
        rank.top = top.unwrap_or(rank.top);
        if dose_grid {
            rank.candidates = Candidates::DoseGrid;
        }
        if let Some(candidates) = candidates {
            rank.candidates = match candidates.to_str() {
                Some("pairs") => Candidates::Pairs,
                _ => Candidates::File(candidates),
            };
        }
        let is_constrained = !require.is_empty() || !forbid.is_empty() || max_agents.is_some() || min_cells.is_some();
        let is_constrained = is_constrained || max_total_dose.is_some() || far.is_some();
        rank.require = if require.is_empty() { std::mem::take(&mut rank.require) } else { require };
        rank.forbid = if forbid.is_empty() { std::mem::take(&mut rank.forbid) } else { forbid };
        rank.max_agents = max_agents.unwrap_or(rank.max_agents);
        rank.max_total_dose_um = max_total_dose.unwrap_or(rank.max_total_dose_um);
        rank.min_cells = min_cells.unwrap_or(rank.min_cells);
        rank.far = far.unwrap_or(rank.far);
        let top = rank.top;
        let prepared = open.own_screen()?;
        let other = if files.is_empty() { None } else { Some(open.other_screen(&files)?) };
        if let Some((feature, aim)) = feature {
            let (config, trained_run, device) = (&open.config, &open.trained_run, &open.device);
            let asked = (feature.as_str(), aim);
            let ranking = study::rank_by_feature(config, &prepared, other.as_ref(), trained_run, asked, device)?;
            print(&if json { ranking.json_lines(top) } else { ranking.render(top) })?;
            if ranking.rows.is_empty() {
                return Err(AskedWrongly("no candidate could be ranked".to_owned()).into());
            }
            return Ok(out.map_or(Ok(()), |path| ranking.write(&path))?);
        }
        if open.config.rank.target.is_empty() && explain.is_some() {
            return Err(
                AskedWrongly("--explain needs the target that it explains the way to; give --target".into()).into()
            );
        }
        if open.config.rank.target.is_empty() && is_constrained {
            let message = "constraints are on a ranking toward a target or by a feature; give --target or --minimize";
            return Err(AskedWrongly(message.to_owned()).into());
        }
        if open.config.rank.target.is_empty() {
            let (config, trained_run, map) = (&open.config, &open.trained_run, open.embedding_map()?);
            let activity = study::activity(config, &prepared, other.as_ref(), trained_run, &map, &open.device)?;
            if let Some(path) = &out {
                activity.write(path)?;
            }
            return print(&if json { activity.json_lines(top) } else { activity.render(top) });
        }
        let written = Artifact::Evaluation.path_in(&run);
        let evaluation = if written.exists() { Some(Evaluation::read(&written)?) } else { None };
        if let Some(text) = explain {
            let (config, trained_run, device) = (&open.config, &open.trained_run, &open.device);
            let evaluation = evaluation.as_ref();
            let found = study::explain(config, &prepared, other.as_ref(), trained_run, evaluation, &text, device)?;
            return print(&if json { found.json_lines() } else { found.render() });
        }
        let ranking = study::rank_finished(
            &open.config,
            &prepared,
            other.as_ref(),
            &open.trained_run,
            evaluation.as_ref(),
            &open.device,
        )?;
        let shown = if wide { Shown::Wide } else { Shown::Narrow };
        let text = if json { ranking.json_lines(top) } else { ranking.render(top, shown) };
        if ranking.rows.is_empty() {
            print(&text)?;
            return Err(AskedWrongly("no candidate could be ranked".to_owned()).into());
        }
        if let Some(path) = &out {
            ranking.write(path)?;
        }
        print(&text)
    }
}
