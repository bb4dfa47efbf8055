//! A measured number of a track after what is seen of it, by the model alone, open loop.
//!
//! From the last observation within the time that is seen, the model predicts latent after latent from the schedule of
//! what is present; ridge probes, fitted on training tracks, read the measured number out of each, and members are averaged.

use burn::tensor::Device;

use super::PROBE_LAMBDAS;
use crate::linear::{Ridge, RidgeError};
use crate::pair::Anchor;
use crate::screen::{FeatureMatrix, Features, Intervention, Schedule, Treatment};
use crate::train::TrainedModel;

/// The model with its probes.
#[derive(Debug)]
pub struct Forecaster<'a> {
    trained: &'a TrainedModel,
    features: &'a Features,
    /// One for each member: members that agree on what is measured may differ in what they predict, and a probe over all
    /// of them would lean on differences between them.
    probes: Vec<Ridge>,
    seen: f64,
    device: &'a Device,
}

impl<'a> Forecaster<'a> {
    /// Fits the probes on `training` tracks, whose rows are in `features`; the first `seen` minutes of a track are seen.
    ///
    /// # Errors
    /// When fewer than two rows have a number, or one is not finite.
    pub fn fit(
        trained: &'a TrainedModel,
        features: &'a Features,
        training: &[&Schedule],
        seen: f64,
        device: &'a Device,
    ) -> Result<Self, RidgeError> {
        let (rows, numbers): (Vec<usize>, Vec<f32>) = training
            .iter()
            .flat_map(|schedule| schedule.rows.iter().zip(&schedule.measured))
            .filter_map(|(row, measured)| Some(((*row)?, (*measured)? as f32)))
            .unzip();
        let measured = FeatureMatrix::new(vec!["measured".into()], numbers);
        let latents = trained.encode(features, &rows, device);
        let probe = |member: usize| Ridge::fit_gcv(&latents.member(member), &measured, &PROBE_LAMBDAS);
        let probes = (0..latents.n_members()).map(probe).collect::<Result<_, _>>()?;
        Ok(Self { trained, features, probes, seen, device })
    }

    /// The minutes of a track that are seen.
    pub fn seen(&self) -> f64 {
        self.seen
    }

    /// The number read out of the predicted latents at every time after those that were seen; the doses of a track's
    /// schedule are those of its neighbor, if neighbors are given.
    ///
    /// # Panics
    /// If a track has no row within what is seen.
    pub fn predict(&self, schedules: &[&Schedule], neighbors: Option<&[&Treatment]>) -> Vec<Vec<Option<f64>>> {
        let starts: Vec<usize> = schedules
            .iter()
            .map(|schedule| schedule.last_row_until(self.seen).expect("a predicted track has one"))
            .collect();
        let rows: Vec<usize> =
            schedules.iter().zip(&starts).map(|(schedule, &at)| schedule.rows[at].expect("found as a row")).collect();
        let latents = self.trained.encode(self.features, &rows, self.device);
        let sequence = |(index, (schedule, &at)): (usize, (&&Schedule, &usize))| -> Vec<Treatment> {
            let of = |set: &Intervention| {
                let intervention = match neighbors {
                    None => set.clone(),
                    Some(neighbors) => {
                        let (from, to) = (&schedule.treatment.intervention, &neighbors[index].intervention);
                        set.with_doses_in_proportion(from, to)
                    }
                };
                Treatment { intervention, context: schedule.treatment.context.clone() }
            };
            schedule.present[at..].iter().map(of).collect()
        };
        let sequences: Vec<Vec<Treatment>> = schedules.iter().zip(&starts).enumerate().map(sequence).collect();
        let sequences: Vec<Vec<&Treatment>> = sequences.iter().map(|steps| steps.iter().collect()).collect();
        let predicted = self.trained.roll_out(&latents, &sequences, self.device);
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
            let steps = schedules[track].after(self.seen).map(|at| at - starts[track] - 1);
            steps.map(|step| Some(sums[step] / self.probes.len() as f64)).collect()
        };
        (0..schedules.len()).map(of_track).collect()
    }

    /// What the model says that a track's dose does beyond the interpolation of its neighboring doses; `None` without them.
    ///
    /// `model` holds the predictions of the tracks themselves, `anchors` their neighbors among `treatments`.
    pub fn contrasts(
        &self,
        schedules: &[&Schedule],
        model: &[Vec<Option<f64>>],
        anchors: &[Anchor],
        treatments: &[Treatment],
    ) -> Vec<Vec<Option<f64>>> {
        let mut contrasts: Vec<Vec<Option<f64>>> = model.to_vec();
        let most = anchors.iter().map(|anchor| anchor.weights.len()).max().unwrap_or(0);
        for neighbor in 0..most {
            let with: Vec<usize> =
                (0..schedules.len()).filter(|&track| neighbor < anchors[track].weights.len()).collect();
            let doses: Vec<&Treatment> =
                with.iter().map(|&track| &treatments[anchors[track].weights[neighbor].0]).collect();
            let chosen: Vec<&Schedule> = with.iter().map(|&track| schedules[track]).collect();
            for (&track, predicted) in with.iter().zip(self.predict(&chosen, Some(&doses))) {
                let (_, weight) = anchors[track].weights[neighbor];
                for (value, predicted) in contrasts[track].iter_mut().zip(predicted) {
                    *value = value.zip(predicted).map(|(value, predicted)| value - weight * predicted);
                }
            }
        }
        for (values, anchor) in contrasts.iter_mut().zip(anchors) {
            if !anchor.exists() {
                values.iter_mut().for_each(|value| *value = None);
            }
        }
        contrasts
    }
}
