//! Held-out tracks from what was seen of them: by the model, open loop, and by simple methods.
//!
//! From the last observation within the time that is seen, the model predicts latent after latent from the schedule of
//! what is present; ridge probes, fitted on training tracks, read the measured number out of each, and members are averaged.
//!
//! The mean response of the neighboring doses, interpolated in log dose and shifted to the track's own beginning, is hard to
//! beat, because it is free of noise. `lewm_contrast` is that response plus what the model says of the difference between
//! the dose and its neighbors: the model is rolled out from the same start with the track's own schedule and with the
//! neighbors' doses in its place, so that what the model gets wrong of all doses alike cancels. How much of either is worth
//! having, the tracks of doses that are held out say.

use std::collections::{BTreeMap, BTreeSet};

use burn::tensor::Device;

use super::combined::{Combination, grouping, places};
use super::error::AnswerError;
use super::prepared::Prepared;
use super::trained_run::TrainedRun;
use crate::baseline::{MOST_UNITS, Mixture, Responses, Rows, TrackValues, Trial, halves, hold_outs, replicate_tracks};
use crate::config::Config;
use crate::evaluate::{Course, TrackPrediction, UnitName};
use crate::pair::{Anchor, Part, Place, Strata};
use crate::predict::{Forecaster, Method};
use crate::screen::Schedule;

/// Predictions of all methods, and what has to be known of them.
pub struct TrackPredictions {
    /// Every method's prediction of every track.
    pub tracks: Vec<TrackPrediction>,
    /// In sentences.
    pub notes: Vec<String>,
}

/// Predictions of the tracks of `config.evaluate.part` by every method.
///
/// # Errors
/// When the probe cannot be fitted.
pub fn track_predictions(
    config: &Config,
    prepared: &Prepared,
    trained_run: &TrainedRun,
    device: &Device,
) -> Result<TrackPredictions, AnswerError> {
    let seen = config.tracks.clone().unwrap_or_default().seen_minutes;
    let of_part = |part: Part| -> Vec<&Schedule> {
        let tracks = prepared.screen.design.tracks().iter().zip(prepared.screen.design.schedules());
        tracks.filter(|(track, _)| prepared.split.part(track.first()) == part).map(|(_, schedule)| schedule).collect()
    };
    let training = of_part(Part::Train);
    let forecaster = Forecaster::fit(&trained_run.trained, &prepared.screen.features, &training, seen, device)?;
    let responses = Responses::of(&training, seen);
    let all = of_part(config.evaluate.part);
    let scored: Vec<&Schedule> =
        all.iter().copied().filter(|schedule| schedule.last_row_until(seen).is_some()).collect();
    let mut notes = Vec::new();
    if scored.len() < all.len() {
        notes.push(format!(
            "{} of {} held-out tracks have no complete window before {seen} min and are not predicted",
            all.len() - scored.len(),
            all.len()
        ));
    }
    let combination = combination(&forecaster, &responses, &training, &of_part(Part::Validation), &scored);
    let of_training = rows_of(&training);
    let strata = Strata::of(of_training.keys());
    let learned = learned_tracks(&forecaster, &scored, &responses);
    let halves = halves(&scored);
    let mut tracks = Vec::new();
    let mut weights = BTreeMap::<String, usize>::new();
    for (schedule, learned) in scored.iter().zip(learned) {
        let later = schedule.after(seen);
        let simple = responses.simple_tracks(schedule, seen);
        let place = strata.place(&schedule.treatment);
        let combined = combined_track(&combination, place, &simple, &learned);
        if let Some((_, mixture)) = &combined {
            *weights.entry(format!("{place}: {mixture}")).or_default() += 1;
        }
        let learned = learned.into_iter().chain(combined.map(|(values, _)| (Method::Combined, values)));
        let replicates = replicate_tracks(schedule, &scored, &halves, seen);
        let methods = learned.into_iter().chain(simple).chain(replicates);
        tracks.extend(methods.map(|(method, predicted)| TrackPrediction {
            unit: UnitName::Track { field: schedule.field.clone(), track: schedule.track.clone() },
            treatment: schedule.treatment.clone(),
            fold: config.split.fold,
            part: config.evaluate.part,
            method,
            predicted,
            observed: Course {
                minutes: schedule.minutes[later.clone()].to_vec(),
                values: schedule.measured[later.clone()].to_vec(),
            },
        }));
    }
    notes.extend(weights.into_iter().map(|(weights, n)| format!("combined, {n} tracks at {weights}")));
    Ok(TrackPredictions { tracks, notes })
}

/// What the model says that a track's dose does beyond the interpolation of its neighboring doses.
fn contrasts(
    forecaster: &Forecaster,
    schedules: &[&Schedule],
    model: &[Vec<Option<f64>>],
    responses: &Responses,
) -> Vec<Vec<Option<f64>>> {
    let anchors: Vec<Anchor> = schedules.iter().map(|schedule| responses.anchor(&schedule.treatment)).collect();
    forecaster.contrasts(schedules, model, &anchors, &responses.treatments)
}

/// What the model says of each track: alone, and of the difference to the neighboring doses.
fn learned_tracks(
    forecaster: &Forecaster,
    schedules: &[&Schedule],
    responses: &Responses,
) -> Vec<Vec<(Method, TrackValues)>> {
    let model = forecaster.predict(schedules, None);
    let contrasts = contrasts(forecaster, schedules, &model, responses);
    let of_track = |((schedule, model), contrast): ((&&Schedule, TrackValues), TrackValues)| {
        let simple = responses.simple_tracks(schedule, forecaster.seen());
        let neighbors = simple.into_iter().find(|(method, _)| *method == Method::NeighborDosesShifted);
        let (_, neighbors) = neighbors.expect("the neighboring doses are a simple method");
        let added = neighbors.iter().zip(&contrast).map(|(response, contrast)| Some((*response)? + (*contrast)?));
        vec![(Method::Contrast, added.collect()), (Method::Model, model)]
    };
    schedules.iter().zip(model).zip(contrasts).map(of_track).collect()
}

/// Indices of tracks by their treatment.
fn rows_of(schedules: &[&Schedule]) -> Rows {
    let mut rows = Rows::new();
    for (index, schedule) in schedules.iter().enumerate() {
        rows.entry(schedule.treatment.clone()).or_default().push(index);
    }
    rows
}

/// The weights of all methods: of simple ones from training doses that are held out in turn, of what the model says from
/// the validation doses.
fn combination(
    forecaster: &Forecaster,
    responses: &Responses,
    training: &[&Schedule],
    validation: &[&Schedule],
    scored: &[&Schedule],
) -> Combination {
    let seen = forecaster.seen();
    let rows = rows_of(training);
    let validation: Vec<&Schedule> =
        validation.iter().copied().filter(|schedule| schedule.last_row_until(seen).is_some()).collect();
    let asked = scored.iter().chain(&validation).map(|schedule| &schedule.treatment);
    let group = grouping(&rows);
    let mut trials = Vec::new();
    for hold_out in hold_outs(&rows, &places(&rows, asked), &|track| training[track].field.clone(), MOST_UNITS) {
        let kept: Vec<&Schedule> = hold_out.kept.values().flatten().map(|&track| training[track]).collect();
        let (strata, responses) = (Strata::of(hold_out.kept.keys()), Responses::of(&kept, seen));
        for (treatment, tracks) in &hold_out.asked {
            let said = tracks.iter().map(|&track| (training[track], responses.simple_tracks(training[track], seen)));
            trials.extend(trial(strata.place(treatment), group(treatment), said.collect(), seen));
        }
    }
    let combination = Combination::of_trials(trials);
    let learned = learned_tracks(forecaster, &validation, responses);
    let strata = Strata::of(rows.keys());
    let mut learned_trials = Vec::new();
    for (treatment, tracks) in rows_of(&validation) {
        let place = strata.place(&treatment);
        let said = |&track: &usize| {
            let simple = responses.simple_tracks(validation[track], seen);
            let (combined, _) = combined_track(&combination, place, &simple, &[])?;
            let learned = learned[track].iter().cloned();
            Some((validation[track], [(Method::Combined, combined)].into_iter().chain(learned).collect()))
        };
        learned_trials.extend(trial(place, group(&treatment), tracks.iter().filter_map(said).collect(), seen));
    }
    combination.with_learned_trials(learned_trials)
}

/// The tracks of one treatment as one trial: its values are those at the times at which all methods say something; `None`
/// where there is no such time.
fn trial(
    place: Place,
    group: String,
    tracks: Vec<(&Schedule, Vec<(Method, TrackValues)>)>,
    seen: f64,
) -> Option<Trial> {
    // A method that says nothing of a track at any time is left out; the others are compared.
    let answers = |said: &[(Method, TrackValues)]| -> BTreeSet<Method> {
        said.iter().filter(|(_, values)| values.iter().any(Option::is_some)).map(|(method, _)| method.clone()).collect()
    };
    let all = tracks.iter().map(|(_, said)| answers(said)).reduce(|one, other| &one & &other)?;
    let mut said: Vec<(Method, Vec<f64>)> = all.iter().map(|method| (method.clone(), Vec::new())).collect();
    let mut truth = Vec::new();
    for (schedule, of_track) in &tracks {
        for (at, index) in schedule.after(seen).enumerate() {
            let value = |method: &Method| of_track.iter().find(|(own, _)| own == method)?.1[at];
            let Some(measured) = schedule.measured[index] else { continue };
            let Some(values) = said.iter().map(|(method, _)| value(method)).collect::<Option<Vec<f64>>>() else {
                continue;
            };
            truth.push(measured);
            said.iter_mut().zip(values).for_each(|((_, all), value)| all.push(value));
        }
    }
    (!truth.is_empty() && !said.is_empty()).then(|| Trial::new(place, group, &said, &truth))
}

/// The weighted methods for one track, with the weights; `None` where nobody says anything.
fn combined_track(
    combination: &Combination,
    place: Place,
    simple: &[(Method, TrackValues)],
    learned: &[(Method, TrackValues)],
) -> Option<(TrackValues, Mixture)> {
    let answers = |said: &[(Method, TrackValues)]| -> BTreeSet<Method> {
        said.iter().filter(|(_, values)| values.iter().any(Option::is_some)).map(|(method, _)| method.clone()).collect()
    };
    let mixture = combination.mixture(place, &answers(simple), &answers(learned))?;
    let said = |method: &Method| simple.iter().chain(learned).find(|(own, _)| own == method).map(|(_, values)| values);
    let n_times = simple.first().map_or(0, |(_, values)| values.len());
    let at = |at: usize| -> Option<f64> {
        mixture.weights.iter().map(|(method, weight)| Some(weight * said(method)?[at]?)).sum()
    };
    Some(((0..n_times).map(at).collect(), mixture.clone()))
}
