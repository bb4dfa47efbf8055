//! Why a candidate is where a finished run ranks it.

use std::collections::BTreeSet;

use burn::tensor::Device;

use super::error::StudyError;
use super::kind::Run;
use super::refuse::Wanted;
use super::reopen::{Also, rank_finished_with, treatments_of};
use crate::answer::{Prepared, TrainedRun};
use crate::config::Config;
use crate::evaluate::Evaluation;
use crate::plan::{Explanation, Goal, OwnWell, PlanError, Ranking, Relation, Relative, Rival};
use crate::predict::Method;
use crate::screen::{Perturbation, Screen, Treatment};

/// Methods that are asked where they rank a candidate, as far as the screen has them.
const RIVALS: [Method; 10] = [
    Method::Combined,
    Method::Measured,
    Method::Model,
    Method::Prior,
    Method::DenoisedInterpolation,
    Method::Interpolation,
    Method::NearestDose,
    Method::Additive,
    Method::OtherContext,
    Method::Ridge,
];

/// The candidate whose way is explained.
#[derive(Clone, Copy)]
pub(super) struct AskedMoves<'a> {
    /// The context that is ranked.
    pub(super) context: &'a str,
    /// The candidate.
    pub(super) wanted: &'a Treatment,
    /// Its own rows in `screen`.
    pub(super) own_rows: &'a [usize],
    /// The rows that are ranked.
    pub(super) screen: &'a Screen,
    /// The screen that is ranked instead of the run's own.
    pub(super) other: Option<&'a Screen>,
}

/// Explains the place of the intervention that `text` means, which is ranked too where it is not a candidate already.
///
/// # Errors
/// As ranking; and in words when the text has no meaning or several, or nothing is predicted of it.
pub fn explain(
    config: &Config,
    prepared: &Prepared,
    other: Option<&Screen>,
    trained_run: &TrainedRun,
    evaluation: Option<&Evaluation>,
    text: &str,
    device: &Device,
) -> Result<Explanation, StudyError> {
    let run = Run { config, prepared, trained_run, device };
    run.kind().refuse(Wanted::Ranking(&config.rank.by, "`rank --explain`"))?;
    let trained = run.trained();
    let screen = &*trained.ranked(other);
    let goal = Goal::new(&trained_run.trained, screen, &config.rank, device)?;
    let wanted = wanted(trained_run, screen, text, &goal.context)?;
    let ranking = rank_finished_with(run, &*trained, other, evaluation, Also(Some(&wanted)))?;
    let found =
        ranking.rows.iter().find(|row| row.intervention == wanted.intervention && row.context == wanted.context);
    let Some(candidate) = found.cloned() else {
        let reason = ranking.abstained.iter().find(|reason| reason.starts_with(&wanted.to_string()));
        let reason = reason.cloned().unwrap_or_else(|| format!("{wanted}: nothing is predicted of it"));
        return Err(PlanError::Unranked { reason }.into());
    };
    let own_rows = screen.treatments().remove(&wanted).unwrap_or_default();
    Ok(Explanation {
        n_candidates: ranking.rows.len(),
        by: ranking.by.clone(),
        start: ranking.start.clone(),
        target: ranking.target.clone(),
        sentences: sentences(&ranking),
        moves: trained.moves(&AskedMoves {
            context: &goal.context,
            wanted: &wanted,
            own_rows: &own_rows,
            screen,
            other,
        })?,
        wells: wells(run, screen, &goal, &own_rows),
        relatives: relatives(screen, &wanted),
        rivals: rivals(run, other, &wanted)?,
        candidate,
    })
}

fn sentences(ranking: &Ranking) -> Vec<String> {
    let warning = match ranking.warning.is_empty() {
        true => String::new(),
        false => format!("warning: {}", ranking.warning),
    };
    let remarks = ranking.remarks.iter().map(|remark| format!("note: {remark}"));
    [ranking.verdict.clone(), warning].into_iter().chain(remarks).filter(|text| !text.is_empty()).collect()
}

/// The treatment that `text` means in the context that is ranked.
fn wanted(trained_run: &TrainedRun, screen: &Screen, text: &str, context: &str) -> Result<Treatment, StudyError> {
    let unreadable = |problem| PlanError::Explain { text: text.to_owned(), problem };
    let asked = treatments_of(trained_run, screen, &[text.to_owned()], None).map_err(unreadable)?;
    let intervention = asked.treatments.into_iter().next().expect("one text is one treatment").intervention;
    let hours = || {
        let mut measured = screen.treatments().into_keys().filter(|treatment| treatment.context == context);
        measured.next().and_then(|treatment| treatment.intervention.hours())
    };
    let intervention = match (intervention.hours(), hours()) {
        (None, Some(hours)) => intervention.lasting(hours),
        _ => intervention,
    };
    Ok(Treatment { intervention, context: context.to_owned() })
}

/// The candidate's own wells, each with its own score.
fn wells(run: Run<'_>, screen: &Screen, goal: &Goal, rows: &[usize]) -> Vec<OwnWell> {
    let mut wells = Vec::new();
    let by_unit = screen.units.select(rows);
    for (unit, of_unit) in by_unit.all().iter().zip(by_unit.rows()) {
        let of_unit: Vec<usize> = of_unit.into_iter().map(|place| rows[place]).collect();
        let latent = run.trained_run.trained.encode(&screen.features, &of_unit, run.device).mean();
        wells.push(OwnWell {
            plate: unit.plate.clone(),
            well: unit.well,
            replicate: unit.replicate.clone(),
            score: goal.score(&latent).0,
        });
    }
    wells
}

/// Where the other methods rank it that the screen has.
fn rivals(run: Run<'_>, other: Option<&Screen>, wanted: &Treatment) -> Result<Vec<Rival>, StudyError> {
    let mut rivals = Vec::new();
    for method in RIVALS.into_iter().filter(|method| *method != run.config.rank.by) {
        if run.kind().refuse(Wanted::Ranking(&method, "`rank`")).is_err() {
            continue;
        }
        let mut config = run.config.clone();
        config.rank.by = method.clone();
        let run = Run { config: &config, ..run };
        let ranking = match run.trained().rank(other, String::new(), Also(Some(wanted))) {
            Ok((ranking, _)) => ranking,
            Err(StudyError::Plan(PlanError::By { .. })) => continue,
            Err(error) => return Err(error),
        };
        let own = ranking.rows.iter().find(|row| row.intervention == wanted.intervention);
        rivals.push(Rival { place: own.map(|row| (row.rank, ranking.rows.len(), row.score)), method });
    }
    Ok(rivals)
}

/// Measured treatments that share a perturbation with `wanted`, without itself.
fn relatives(screen: &Screen, wanted: &Treatment) -> Vec<Relative> {
    let names = |treatment: &Treatment| -> BTreeSet<Perturbation> {
        treatment.intervention.members().iter().map(|member| member.perturbation.clone()).collect()
    };
    let own = names(wanted);
    let hours = wanted.intervention.hours();
    let mut relatives = Vec::new();
    for (treatment, rows) in screen.treatments().iter().filter(|(treatment, _)| *treatment != wanted) {
        let theirs = names(treatment);
        if own.is_disjoint(&theirs) {
            continue;
        }
        let is_here = treatment.context == wanted.context && treatment.intervention.hours() == hours;
        let relation = match is_here {
            false => Relation::Elsewhere,
            true if theirs == own => Relation::OtherDose,
            true if theirs.is_subset(&own) => Relation::Part,
            true => Relation::Set,
        };
        let plates: BTreeSet<&str> = rows.iter().map(|&row| screen.unit(row).plate.as_str()).collect();
        let n_wells = screen.units.count(rows);
        relatives.push(Relative { relation, treatment: treatment.to_string(), n_wells, n_plates: plates.len() });
    }
    relatives.sort();
    relatives
}
