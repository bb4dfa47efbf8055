//! Trajectories predicted open loop: from one latent and the schedule of what is present, every latent after it.

use burn::tensor::{Device, Tensor, TensorData};

use super::member::TrainingData;
use super::trained::{TrainedModel, encode, to_rows};
use crate::model::WorldModel;
use crate::pair::{Anchor, Rollouts, Vocabulary};
use crate::screen::Treatment;

/// Steps of a trajectory start from the latent before them.
const NO_ANCHOR: &Anchor = &Anchor::NONE;

/// Latents after each step of each schedule, `[track][step][latent]`, each predicted from the prediction before it.
fn roll_out(
    model: &WorldModel,
    vocabulary: &Vocabulary,
    starts: &[Vec<f32>],
    schedules: &[&[Treatment]],
    device: &Device,
) -> Vec<Vec<Vec<f32>>> {
    let mut latest: Vec<Vec<f32>> = starts.to_vec();
    let mut found: Vec<Vec<Vec<f32>>> = schedules.iter().map(|schedule| Vec::with_capacity(schedule.len())).collect();
    let n_steps = schedules.iter().map(|schedule| schedule.len()).max().unwrap_or(0);
    for step in 0..n_steps {
        let going: Vec<usize> = (0..schedules.len()).filter(|&track| step < schedules[track].len()).collect();
        let width = latest[going[0]].len();
        let from: Vec<f32> = going.iter().flat_map(|&track| latest[track].iter().copied()).collect();
        let rows = vocabulary.rows(going.iter().map(|&track| (&schedules[track][step], NO_ANCHOR)));
        let from_bl = Tensor::<2>::from_data(TensorData::new(from, [going.len(), width]), device);
        for (&track, latent) in going.iter().zip(to_rows(model.predict(from_bl, &rows))) {
            found[track].push(latent.clone());
            latest[track] = latent;
        }
    }
    found
}

impl TrainedModel {
    /// Latents after each step of each track's schedule by each member, `[member][track][step][latent]`, open loop from
    /// `starts[member][track]`.
    pub fn roll_out(
        &self,
        starts: &[Vec<Vec<f32>>],
        schedules: &[&[Treatment]],
        device: &Device,
    ) -> Vec<Vec<Vec<Vec<f32>>>> {
        let of_member = |((model, _), starts): (&(WorldModel, super::Memory), &Vec<Vec<f32>>)| {
            roll_out(model, &self.vocabulary, starts, schedules, device)
        };
        self.members.iter().zip(starts).map(of_member).collect()
    }
}

/// Squared distance of the latents that are predicted open loop, from the last time before anything was present, to the
/// measured ones of the validation tracks, relative to no change; `None` without such tracks.
pub(super) fn validation_error(
    model: &WorldModel,
    data: TrainingData,
    rollouts: &Rollouts,
    device: &Device,
) -> Option<f64> {
    let tracks = &rollouts.validation;
    if tracks.is_empty() {
        return None;
    }
    let row_at = |track: &crate::pair::Trajectory, at: usize| track.rows[at];
    let starts: Vec<usize> = tracks.iter().filter_map(|track| row_at(track, track.origin)).collect();
    let starts = encode(model, &data.screen.features, &starts, device);
    let schedules: Vec<&[Treatment]> = tracks.iter().map(|track| &track.present[track.origin..]).collect();
    let predicted = roll_out(model, data.vocabulary, &starts, &schedules, device);
    let (mut missed, mut moved) = (0.0, 0.0);
    for ((track, start), predicted) in tracks.iter().zip(&starts).zip(&predicted) {
        let seen: Vec<(usize, usize)> =
            (0..predicted.len()).filter_map(|step| Some((step, row_at(track, track.origin + step + 1)?))).collect();
        let rows: Vec<usize> = seen.iter().map(|&(_, row)| row).collect();
        let truth = encode(model, &data.screen.features, &rows, device);
        for ((step, _), truth) in seen.iter().zip(&truth) {
            for ((truth, predicted), start) in truth.iter().zip(&predicted[*step]).zip(start) {
                missed += f64::from(truth - predicted).powi(2);
                moved += f64::from(truth - start).powi(2);
            }
        }
    }
    Some(missed / moved.max(1e-12))
}
