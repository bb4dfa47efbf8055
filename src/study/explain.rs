//! Why a candidate is where a finished run ranks it.

use std::collections::BTreeSet;

use burn::tensor::Device;

use super::error::StudyError;
use super::refuse::{Wanted, refuse};
use super::reopen::{Also, rank_by, rank_finished_with, treatments_of};
use super::who::{Answerer, Fit};
use crate::answer::{Prepared, TrainedRun};
use crate::baseline::{Rows, control_states};
use crate::config::Config;
use crate::evaluate::Evaluation;
use crate::plan::{
    Explanation, Goal, Moves, Noise, OwnWell, PlanError, Ranking, Relation, Relative, Rival, rows_of_target,
};
use crate::predict::Method;
use crate::screen::{Perturbation, RowKind, Screen, Treatment};

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

/// A finished run and what is asked of it.
struct Asked<'a> {
    config: &'a Config,
    prepared: &'a Prepared,
    other: Option<&'a Screen>,
    trained_run: &'a TrainedRun,
    /// The rows that are ranked.
    screen: &'a Screen,
    device: &'a Device,
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
    let kind = prepared.screen.row_kind();
    refuse(kind, Wanted::Ranking(&config.rank.by, "`rank --explain`"))?;
    let last;
    let screen = match kind {
        RowKind::FollowedCrop => {
            last = prepared.screen.select(&prepared.ends_of_tracks());
            &last
        }
        _ => other.unwrap_or(&prepared.screen),
    };
    let asked = Asked { config, prepared, other, trained_run, screen, device };
    let goal = Goal::new(&trained_run.trained, screen, &config.rank, device)?;
    let wanted = asked.wanted(text, &goal.context)?;
    let also = Also(Some(&wanted));
    let ranking = rank_finished_with(config, prepared, other, trained_run, evaluation, also, device)?;
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
        moves: asked.moves(&goal, &wanted, &own_rows)?,
        wells: asked.wells(&goal, &own_rows),
        relatives: relatives(screen, &wanted),
        rivals: asked.rivals(&wanted)?,
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

impl Asked<'_> {
    /// The treatment that `text` means in the context that is ranked.
    fn wanted(&self, text: &str, context: &str) -> Result<Treatment, StudyError> {
        let unreadable = |problem| PlanError::Explain { text: text.to_owned(), problem };
        let asked = treatments_of(self.trained_run, self.screen, &[text.to_owned()], None).map_err(unreadable)?;
        let intervention = asked.treatments.into_iter().next().expect("one text is one treatment").intervention;
        let hours = || {
            let mut measured = self.screen.treatments().into_keys().filter(|treatment| treatment.context == context);
            measured.next().and_then(|treatment| treatment.intervention.hours())
        };
        let intervention = match (intervention.hours(), hours()) {
            (None, Some(hours)) => intervention.lasting(hours),
            _ => intervention,
        };
        Ok(Treatment { intervention, context: context.to_owned() })
    }

    /// What the features do; of pixels there are none.
    fn moves(&self, goal: &Goal, wanted: &Treatment, own_rows: &[usize]) -> Result<Moves, StudyError> {
        let Self { config, prepared, other, trained_run, screen, device } = *self;
        if screen.row_kind() != RowKind::Profile {
            return Ok(Moves { unit: "pixels have none; see the scores of wells".to_owned(), ..Moves::default() });
        }
        let in_context = |query: &str| -> Result<Vec<f32>, StudyError> {
            let mut rows = rows_of_target(screen, query).map_err(PlanError::from)?;
            rows.retain(|&row| screen.unit(row).context == goal.context);
            Ok(screen.features.mean_of(&rows))
        };
        let target = in_context(&config.rank.target)?;
        let start = match config.rank.start.as_str() {
            "" => control_states(screen).remove(&goal.context).unwrap_or_else(|| vec![0.0; target.len()]),
            query => in_context(query)?,
        };
        let asked: Rows = [(wanted.clone(), own_rows.to_vec())].into();
        let answerer = Answerer::new(config, prepared, other, trained_run, [&[], &[wanted]], device)?;
        let said =
            answerer.predictor(Fit::InUse, &asked, |predictor| Ok(predictor.predict(std::slice::from_ref(wanted))?))?;
        if said.treatments.is_empty() {
            let unit = format!("{} predicts the latent of it and not its features", config.rank.by);
            return Ok(Moves { unit, ..Moves::default() });
        }
        let measured = (!own_rows.is_empty()).then(|| screen.features.mean_of(own_rows));
        let names = screen.features.names();
        let noise = Noise::of(screen);
        Ok(Moves::of(names, &noise, &start, &target, said.profiles.row(0), measured.as_deref()))
    }

    /// The candidate's own wells, each with its own score.
    fn wells(&self, goal: &Goal, rows: &[usize]) -> Vec<OwnWell> {
        let mut wells = Vec::new();
        let by_unit = self.screen.units.select(rows);
        for (unit, of_unit) in by_unit.all().iter().zip(by_unit.rows()) {
            let of_unit: Vec<usize> = of_unit.into_iter().map(|place| rows[place]).collect();
            let latent = self.trained_run.trained.encode(&self.screen.features, &of_unit, self.device).mean();
            wells.push(OwnWell {
                plate: unit.plate.clone(),
                well: unit.well,
                replicate: unit.replicate.clone(),
                score: goal.score(&latent).0,
            });
        }
        wells
    }

    /// Where other methods rank it.
    fn rivals(&self, wanted: &Treatment) -> Result<Vec<Rival>, StudyError> {
        let Self { config, prepared, other, trained_run, device, .. } = *self;
        let kind = prepared.screen.row_kind();
        let mut rivals = Vec::new();
        if kind == RowKind::FollowedCrop {
            return Ok(rivals);
        }
        for method in RIVALS.into_iter().filter(|method| *method != config.rank.by) {
            if refuse(kind, Wanted::Ranking(&method, "`rank`")).is_err() {
                continue;
            }
            let mut config = config.clone();
            config.rank.by = method.clone();
            let ranked = rank_by(&config, prepared, other, trained_run, String::new(), Also(Some(wanted)), device);
            let ranking = match ranked {
                Ok((ranking, _)) => ranking,
                Err(StudyError::Plan(PlanError::By { .. })) => continue,
                Err(error) => return Err(error),
            };
            let own = ranking.rows.iter().find(|row| row.intervention == wanted.intervention);
            rivals.push(Rival { place: own.map(|row| (row.rank, ranking.rows.len(), row.score)), method });
        }
        Ok(rivals)
    }
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
