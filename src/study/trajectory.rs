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

use super::{Prepared, StudyError, TrainedRun};
use crate::baseline::{Mean, MeanResponse, Responses, beginning, halves, later, share_of, toward_prior};
use crate::config::Config;
use crate::pair::{Anchor, Part};
use crate::predict::{Method, PROBE_LAMBDAS, Ridge};
use crate::screen::{FeatureMatrix, Intervention, Schedule, Treatment};
use crate::table::{Column, Table};

/// One track as one method predicts it.
#[derive(Debug, Clone, PartialEq)]
pub struct TrackPrediction {
    /// The field of view.
    pub field: String,
    /// The track.
    pub track: String,
    /// What the track got over all of its time.
    pub treatment: Treatment,
    /// The method.
    pub method: Method,
    /// Times after those that were seen.
    pub minutes: Vec<f64>,
    /// What the method predicts.
    pub predicted: Vec<Option<f64>>,
    /// What was measured.
    pub observed: Vec<Option<f64>>,
}

/// Predictions of all methods, and what has to be known of them.
pub(super) struct TrackPredictions {
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
pub(super) fn track_predictions(
    config: &Config,
    prepared: &Prepared,
    trained_run: &TrainedRun,
    device: &Device,
) -> Result<TrackPredictions, StudyError> {
    let seen = config.tracks.clone().unwrap_or_default().seen_minutes;
    let of_part = |part: Part| -> Vec<&Schedule> {
        let tracks = prepared.screen.design.tracks().iter().zip(prepared.screen.design.schedules());
        tracks.filter(|(track, _)| prepared.split.part(track.first()) == part).map(|(_, schedule)| schedule).collect()
    };
    let training = of_part(Part::Train);
    let forecaster = Forecaster::new(prepared, trained_run, seen, device)?;
    let responses = Responses::of(&training, seen);
    let blend_weight = blend_weight(&forecaster, &responses, &of_part(Part::Validation));

    let all = of_part(config.evaluate.part);
    let scored: Vec<&Schedule> =
        all.iter().copied().filter(|schedule| schedule.last_row_until(seen).is_some()).collect();
    let mut notes = Vec::new();
    if scored.len() < all.len() {
        notes.push(format!(
            "{} of {} held-out tracks have no whole window until {seen} min and are not predicted",
            all.len() - scored.len(),
            all.len()
        ));
    }
    let model = forecaster.predict(&scored, None);
    let contrasts = forecaster.contrasts(&scored, &model, &responses);
    let halves = halves(&scored);
    let mut tracks = Vec::new();
    for (index, schedule) in scored.iter().enumerate() {
        let later = later(schedule, seen);
        let own = beginning(schedule, seen);
        let shifted = |response: &dyn Fn(f64) -> Option<f64>| -> Vec<Option<f64>> {
            later.clone().map(|at| Some(own? + response(schedule.minutes[at])?)).collect()
        };
        let plain = |response: &dyn Fn(f64) -> Option<f64>| -> Vec<Option<f64>> {
            later.clone().map(|at| response(schedule.minutes[at])).collect()
        };
        let constant = |value: Option<f64>| vec![value; later.len()];
        let last = (0..later.start).rev().find_map(|at| schedule.measured[at]);
        let anchor = responses.anchor(&schedule.treatment);
        let neighbors = shifted(&|minutes| responses.neighbors(&anchor, minutes, Mean::Shifted));
        let blend = neighbors
            .iter()
            .zip(&contrasts[index])
            .map(|(response, contrast)| Some((*response)? + blend_weight * contrast.unwrap_or(0.0)));
        let other_half: Vec<&Schedule> = halves
            .iter()
            .filter(|half| !half.contains(&schedule.field))
            .flat_map(|half| {
                scored
                    .iter()
                    .copied()
                    .filter(|other| other.treatment == schedule.treatment && half.contains(&other.field))
            })
            .collect();
        let replicate = MeanResponse::of(&other_half, seen);
        let methods = [
            (Method::Model, model[index].clone()),
            (Method::Blend, blend.collect()),
            (Method::NoChange, constant(last)),
            (Method::StartMean, constant(own)),
            (Method::MeanResponse, plain(&|minutes| responses.overall.at(minutes, Mean::Plain))),
            (Method::MeanResponseShifted, shifted(&|minutes| responses.overall.at(minutes, Mean::Shifted))),
            (Method::NeighborDoses, plain(&|minutes| responses.neighbors(&anchor, minutes, Mean::Plain))),
            (Method::NeighborDosesShifted, neighbors),
            (Method::Replicate, plain(&|minutes| replicate.at(minutes, Mean::Plain))),
            (Method::ReplicateShifted, shifted(&|minutes| replicate.at(minutes, Mean::Shifted))),
        ];
        tracks.extend(methods.into_iter().map(|(method, predicted)| TrackPrediction {
            field: schedule.field.clone(),
            track: schedule.track.clone(),
            treatment: schedule.treatment.clone(),
            method,
            minutes: schedule.minutes[later.clone()].to_vec(),
            predicted,
            observed: schedule.measured[later.clone()].to_vec(),
        }));
    }
    Ok(TrackPredictions { tracks, blend_weight, notes })
}

/// The model with its probe.
struct Forecaster<'a> {
    prepared: &'a Prepared,
    trained_run: &'a TrainedRun,
    /// One for each member: members that agree on what is measured may differ in what they predict, and a probe over all
    /// of them would lean on differences between them.
    probes: Vec<Ridge>,
    seen: f64,
    device: &'a Device,
}

impl<'a> Forecaster<'a> {
    fn new(
        prepared: &'a Prepared,
        trained_run: &'a TrainedRun,
        seen: f64,
        device: &'a Device,
    ) -> Result<Self, StudyError> {
        let tracks = prepared.screen.design.tracks().iter().zip(prepared.screen.design.schedules());
        let training = tracks.filter(|(track, _)| prepared.split.part(track.first()) == Part::Train);
        let (rows, numbers): (Vec<usize>, Vec<f32>) = training
            .flat_map(|(_, schedule)| schedule.rows.iter().zip(&schedule.measured))
            .filter_map(|(row, measured)| Some(((*row)?, (*measured)? as f32)))
            .unzip();
        let measured = FeatureMatrix::new(vec!["measured".into()], numbers);
        let latents = trained_run.trained.encode(&prepared.screen.features, &rows, device);
        let probe = |member: usize| Ridge::fit_gcv(&latents.member(member), &measured, &PROBE_LAMBDAS);
        let probes = (0..latents.n_members()).map(probe).collect::<Result<_, _>>()?;
        Ok(Self { prepared, trained_run, probes, seen, device })
    }

    /// The number read out of the predicted latents at every time after those that were seen; the doses of a track's
    /// schedule are those of its neighbor, if neighbors are given.
    fn predict(&self, schedules: &[&Schedule], neighbors: Option<&[&Treatment]>) -> Vec<Vec<Option<f64>>> {
        let starts: Vec<usize> = schedules
            .iter()
            .map(|schedule| schedule.last_row_until(self.seen).expect("a predicted track has one"))
            .collect();
        let rows: Vec<usize> =
            schedules.iter().zip(&starts).map(|(schedule, &at)| schedule.rows[at].expect("found as a row")).collect();
        let latents = self.trained_run.trained.encode(&self.prepared.screen.features, &rows, self.device);
        let sequences: Vec<Vec<Treatment>> = schedules
            .iter()
            .zip(&starts)
            .enumerate()
            .map(|(index, (schedule, &at))| {
                let context = &schedule.treatment.context;
                let of = |set: &Intervention| {
                    let set = neighbors.map_or_else(
                        || set.clone(),
                        |neighbors| {
                            let neighbor = &neighbors[index].intervention;
                            set.with_doses_in_proportion(&schedule.treatment.intervention, neighbor)
                        },
                    );
                    Treatment { intervention: set, context: context.clone() }
                };
                schedule.present[at..].iter().map(of).collect()
            })
            .collect();
        let sequences: Vec<Vec<&Treatment>> = sequences.iter().map(|steps| steps.iter().collect()).collect();
        let predicted = self.trained_run.trained.roll_out(&latents, &sequences, self.device);
        let of_track = |track: usize| -> Vec<Option<f64>> {
            let mut sums = vec![0.0; sequences[track].len()];
            if sums.is_empty() {
                return Vec::new();
            }
            for (member, probe) in self.probes.iter().enumerate() {
                let read = probe.predict(&predicted[track].member(member));
                sums.iter_mut().zip(read.values()).for_each(|(sum, &value)| *sum += f64::from(value));
            }
            // Step s arrives at time start + 1 + s.
            let steps = later(schedules[track], self.seen).map(|at| at - starts[track] - 1);
            steps.map(|step| Some(sums[step] / self.probes.len() as f64)).collect()
        };
        (0..schedules.len()).map(of_track).collect()
    }

    /// What the model says that a track's dose does beyond the interpolation of its neighboring doses; `None` without them.
    fn contrasts(
        &self,
        schedules: &[&Schedule],
        model: &[Vec<Option<f64>>],
        responses: &Responses,
    ) -> Vec<Vec<Option<f64>>> {
        let mut found: Vec<Vec<Option<f64>>> = model.to_vec();
        let anchors: Vec<Anchor> = schedules.iter().map(|schedule| responses.anchor(&schedule.treatment)).collect();
        let most = anchors.iter().map(|anchor| anchor.weights.len()).max().unwrap_or(0);
        for neighbor in 0..most {
            let with: Vec<usize> =
                (0..schedules.len()).filter(|&track| neighbor < anchors[track].weights.len()).collect();
            let doses: Vec<&Treatment> =
                with.iter().map(|&track| &responses.treatments[anchors[track].weights[neighbor].0]).collect();
            let chosen: Vec<&Schedule> = with.iter().map(|&track| schedules[track]).collect();
            for (&track, predicted) in with.iter().zip(self.predict(&chosen, Some(&doses))) {
                let (_, weight) = anchors[track].weights[neighbor];
                for (value, predicted) in found[track].iter_mut().zip(predicted) {
                    *value = value.zip(predicted).map(|(value, predicted)| value - weight * predicted);
                }
            }
        }
        for (values, anchor) in found.iter_mut().zip(&anchors) {
            if !anchor.exists() {
                values.iter_mut().for_each(|value| *value = None);
            }
        }
        found
    }
}

/// The share of the model's contrast that comes nearest to the validation tracks, from 0 to 1, by least squares, pulled
/// toward the prior because validation doses are few.
fn blend_weight(forecaster: &Forecaster, responses: &Responses, validation: &[&Schedule]) -> f64 {
    let seen = forecaster.seen;
    let tracks: Vec<&Schedule> =
        validation.iter().copied().filter(|schedule| schedule.last_row_until(seen).is_some()).collect();
    let contrasts = forecaster.contrasts(&tracks, &forecaster.predict(&tracks, None), responses);
    let mut pairs = Vec::new();
    for (schedule, contrast) in tracks.iter().zip(&contrasts) {
        let anchor = responses.anchor(&schedule.treatment);
        for (at, contrast) in later(schedule, seen).zip(contrast) {
            let response = responses.neighbors(&anchor, schedule.minutes[at], Mean::Shifted);
            let own = beginning(schedule, seen);
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

/// `trajectories.parquet`: one row for each track, method and time.
pub(super) fn trajectory_table(tracks: &[TrackPrediction]) -> Table {
    let each = || tracks.iter().flat_map(|track| (0..track.minutes.len()).map(move |at| (track, at)));
    let text =
        |of: &dyn Fn(&TrackPrediction) -> String| Column::Text(each().map(|(track, _)| Some(of(track))).collect());
    let number = |of: &dyn Fn(&TrackPrediction, usize) -> Option<f64>| {
        Column::Number(each().map(|(track, at)| of(track, at)).collect())
    };
    Table::new()
        .with("field", "field of view of the track", text(&|track| track.field.clone()))
        .with("track", "the track", text(&|track| track.track.clone()))
        .with_interventions(each().map(|(track, _)| &track.treatment.intervention))
        .with(
            "context",
            "what stays fixed; empty in a screen of one context",
            text(&|track| track.treatment.context.clone()),
        )
        .with("method", "who predicts", text(&|track| track.method.to_string()))
        .with("minutes", "time of the value", number(&|track, at| Some(track.minutes[at])))
        .with("predicted", "predicted value; null where the method abstains", number(&|track, at| track.predicted[at]))
        .with("observed", "measured value; null where it is missing", number(&|track, at| track.observed[at]))
}
