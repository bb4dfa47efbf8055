//! Held-out tracks from what was seen of them: by the model, open loop, and by simple methods.
//!
//! From the last observation within the time that is seen, the model predicts latent after latent from the schedule of
//! what is present; ridge probes, fitted on training tracks, read the measured number out of each, and members are averaged.
//!
//! The mean response of the neighboring doses, interpolated in log dose and shifted to the track's own beginning, is hard to
//! beat, because it is free of noise. The blend is that response plus a share of what the model says of the difference
//! between the dose and its neighbors: the model is rolled out from the same start with the track's own schedule and
//! with the neighbors' doses in its place, so that what the model gets wrong of all doses alike cancels.

use std::collections::BTreeSet;

use burn::tensor::Device;

use super::error::AnswerError;
use super::prepared::Prepared;
use super::trained_run::TrainedRun;
use crate::baseline::{Mean, Responses, halves, replicate_tracks, share_of, toward_prior};
use crate::config::Config;
use crate::evaluate::{Course, TrackPrediction, UnitName};
use crate::pair::{Anchor, Part};
use crate::predict::{Forecaster, Method};
use crate::screen::{Schedule, Treatment};

/// Predictions of all methods, and what has to be known of them.
pub struct TrackPredictions {
    /// Every method's prediction of every track.
    pub tracks: Vec<TrackPrediction>,
    /// Share of the model in the blend.
    pub blend_weight: f64,
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
    let blend_weight = blend_weight(&forecaster, &responses, &of_part(Part::Validation));

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
    let model = forecaster.predict(&scored, None);
    let contrasts = contrasts(&forecaster, &scored, &model, &responses);
    let halves = halves(&scored);
    let mut tracks = Vec::new();
    for (index, schedule) in scored.iter().enumerate() {
        let later = schedule.after(seen);
        let simple = responses.simple_tracks(schedule, seen);
        let (_, neighbors) = simple.last().expect("the methods of the neighboring doses are the last");
        let blend = neighbors
            .iter()
            .zip(&contrasts[index])
            .map(|(response, contrast)| Some((*response)? + blend_weight * contrast.unwrap_or(0.0)));
        let learned = [(Method::Model, model[index].clone()), (Method::Blend, blend.collect())];
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
    Ok(TrackPredictions { tracks, blend_weight, notes })
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

/// The share of the model's contrast that comes nearest to the validation tracks, from 0 to 1, by least squares, pulled
/// toward the prior because validation doses are few.
fn blend_weight(forecaster: &Forecaster, responses: &Responses, validation: &[&Schedule]) -> f64 {
    let seen = forecaster.seen();
    let tracks: Vec<&Schedule> =
        validation.iter().copied().filter(|schedule| schedule.last_row_until(seen).is_some()).collect();
    let contrasts = contrasts(forecaster, &tracks, &forecaster.predict(&tracks, None), responses);
    let mut pairs = Vec::new();
    for (schedule, contrast) in tracks.iter().zip(&contrasts) {
        let anchor = responses.anchor(&schedule.treatment);
        for (at, contrast) in schedule.after(seen).zip(contrast) {
            let response = responses.neighbors(&anchor, schedule.minutes[at], Mean::Shifted);
            let own = schedule.mean_until(seen);
            if let (Some(observed), Some(response), Some(own), Some(contrast)) =
                (schedule.measured[at], response, own, contrast)
            {
                pairs.push((*contrast, observed - own - response));
            }
        }
    }
    let Some(share) = share_of(pairs.into_iter()) else { return toward_prior(0.0, 0.0) };
    let doses: BTreeSet<&Treatment> = tracks.iter().map(|schedule| &schedule.treatment).collect();
    toward_prior(share, doses.len() as f64)
}
