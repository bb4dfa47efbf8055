//! Planning by exhaustion: every candidate intervention is predicted and its distance to the target measured.

use std::collections::{BTreeMap, BTreeSet};

use burn::tensor::Device;
use rayon::prelude::*;

use super::candidates::FoundCandidates;
use super::cells::Cells;
use super::config::Far;
use super::error::PlanError;
use super::facts::{FAR, Facts, flags, is_far};
use super::goal::{Goal, other_contexts};
use super::measured::measured_in;
use super::ranker::{Ranker, Reached};
use super::ranking::{RankedIntervention, Ranking};
use super::reference::References;
use crate::pair::{Evidence, Measured, Stratum};
use crate::predict::{Abstains, Method, PredictedLatents, unplaced};
use crate::screen::{Perturbation, Screen, Treatment};
use crate::train::TrainedModel;

/// What is known about the trust that a score deserves.
#[derive(Debug, Clone)]
pub struct Trust {
    /// What ranks.
    pub by: Method,
    /// The sentence of the matching evaluation.
    pub verdict: String,
    /// Half the width of the intervals of the score, by what training says of a candidate; a stratum without one gets none.
    pub radii: BTreeMap<Stratum, f64>,
    /// One sentence: where the intervals come from and how often they covered, or why there are none.
    pub calibration: String,
    /// What the ranker was fitted on.
    pub fitted_on: BTreeSet<Treatment>,
    /// What becomes of candidates far from what was measured.
    pub far: Far,
}

/// Ranks `candidates` by how near `ranker` says they come to the target, best first.
///
/// # Errors
/// When predicting fails.
pub fn rank(
    trained: &TrainedModel,
    screen: &Screen,
    goal: &Goal,
    candidates: &FoundCandidates,
    ranker: &dyn Ranker,
    trust: &Trust,
    device: &Device,
) -> Result<Ranking, PlanError> {
    let FoundCandidates { treatments: candidates, without_meaning, remarks } = candidates;
    let facts = Facts::of(screen);
    let is_described = |perturbation: &Perturbation| trained.vocabulary.can_place(perturbation);
    let known = Measured::of(&trust.fitted_on, &is_described);
    let measured = measured_in(screen, &goal.context);
    let references = References::of(trained, screen, &measured, &facts, device);
    let Reached { predicted: PredictedLatents { latents, placed, abstained }, caveats } = ranker.reach(candidates)?;
    let reach_of_measured = references.widest_gap();
    let cells = Cells::of(screen, &goal.context, &facts);
    let (shared, which) = shared_by_perturbations(candidates, &known, &references, &facts);
    let ranked = |scratch: &mut Vec<f32>, treatment: &Treatment, latent: &[f32], shared: &Shared<'_>| {
        let (score, remaining) = goal.score(latent);
        let own = references.own(treatment);
        let rows = own.map(|own| own.rows).unwrap_or_default();
        let nearest = references.nearest(latent, shared.number, scratch);
        let radius = trust.radii.get(&known.stratum(treatment));
        let defines_target = goal.defines_target.binary_search(treatment).is_ok();
        RankedIntervention {
            rank: 0,
            intervention: treatment.intervention.clone(),
            context: treatment.context.clone(),
            score,
            distance: remaining,
            lower: radius.map(|radius| score - radius),
            // No score is above 1, that of the target.
            upper: radius.map(|radius| (score + radius).min(1.0)),
            evidence: known.evidence(treatment),
            n_wells: facts.n_wells(rows),
            nearest_reference: nearest.map(|(_, reference)| reference.text.clone()),
            nearest_moa: nearest.and_then(|(_, reference)| reference.moa.clone()),
            support: nearest.map(|(distance, _)| distance),
            flags: flags(&trust.fitted_on, treatment, rows, &facts, defines_target, shared.is_known),
            measured_distance: own.map(|own| goal.score(&own.latent).1),
            moa: facts.moa(rows).or_else(|| shared.moa.map(str::to_owned)),
            readout: None,
            measured_readout: None,
            cells: cells.as_ref().and_then(|cells| cells.ratio(treatment)),
        }
    };
    let mut rows: Vec<RankedIntervention> = placed
        .par_iter()
        .enumerate()
        .map_init(Vec::new, |scratch, (row, &candidate)| {
            let mut ranked = ranked(scratch, &candidates[candidate], latents.row(row), &shared[which[candidate]]);
            ranked.flags.extend(caveats.get(&candidate).cloned());
            let is_beyond = ranked.support.zip(reach_of_measured).is_some_and(|(support, reach)| support > reach);
            if is_beyond && ranked.evidence != Evidence::MeasuredHere {
                ranked.flags.push(FAR.to_owned());
            }
            ranked
        })
        .collect();
    let mut remarks = remarks.clone();
    let n_far = rows.iter().filter(|row| is_far(&row.flags)).count();
    if n_far > 0 {
        remarks.push(trust.far.in_words(n_far));
    }
    if trust.far == Far::LeaveOut {
        rows.retain(|row| !is_far(&row.flags));
    }
    let comes_last = |row: &RankedIntervention| trust.far == Far::Last && is_far(&row.flags);
    rows.par_sort_by(|a, b| {
        comes_last(a)
            .cmp(&comes_last(b))
            .then_with(|| b.score.total_cmp(&a.score))
            .then_with(|| a.intervention.cmp(&b.intervention))
    });
    for (index, row) in rows.iter_mut().enumerate() {
        row.rank = index + 1;
    }
    Ok(Ranking {
        verdict: trust.verdict.clone(),
        calibration: trust.calibration.clone(),
        warning: goal.warning.clone(),
        note: other_contexts(screen, &goal.context),
        target: goal.target_text.clone(),
        start: goal.start_text.clone(),
        by: trust.by.clone(),
        rows,
        abstained: (abstained.iter())
            .map(|(candidate, why)| why_abstained(trained, &candidates[*candidate], why))
            .chain(without_meaning.iter().cloned())
            .collect(),
        remarks,
    })
}

/// What candidates under the same perturbations have in common.
struct Shared<'a> {
    /// The number of the perturbations among the references.
    number: Option<usize>,
    /// Whether what ranks was fitted on all of them.
    is_known: bool,
    moa: Option<&'a str>,
}

fn perturbations(treatment: &Treatment) -> impl Iterator<Item = &Perturbation> {
    treatment.intervention.members().iter().map(|member| &member.perturbation)
}

/// What runs of candidates under the same perturbations share, and the run of each candidate.
fn shared_by_perturbations<'a>(
    candidates: &[Treatment],
    known: &Measured<'_>,
    references: &References<'_>,
    facts: &'a Facts<'_>,
) -> (Vec<Shared<'a>>, Vec<usize>) {
    let (mut shared, mut which) = (Vec::new(), Vec::with_capacity(candidates.len()));
    for run in candidates.chunk_by(|one, next| perturbations(one).eq(perturbations(next))) {
        let name = run[0].intervention.perturbation_names();
        which.resize(which.len() + run.len(), shared.len());
        shared.push(Shared {
            number: references.number(&name),
            is_known: known.knows(perturbations(&run[0])),
            moa: facts.moa_of_name(&name),
        });
    }
    (shared, which)
}

/// Why there is no prediction of a candidate, in words.
pub(crate) fn why_abstained(trained: &TrainedModel, treatment: &Treatment, why: &Abstains) -> String {
    match unplaced(trained, treatment) {
        Some(unknown) => format!("{treatment}: `{}` was not in training and has no descriptor", unknown.name),
        None => format!("{treatment}: {why}"),
    }
}
