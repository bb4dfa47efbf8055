//! What a member remembers of its training screen, and how it encodes and predicts with it.

use burn::tensor::{Device, Tensor, TensorData};

use super::latents::mean;
use crate::model::WorldModel;
use crate::pair::{Anchor, Anchoring, PairSet, State, Vocabulary};
use crate::screen::{Features, Screen, Treatment};

/// Rows encoded at once; bounds the memory of inference.
const CHUNK: usize = 4096;

/// Most values encoded at once: fewer rows of images, whose tokens take many times the memory of the pixels.
const CHUNK_VALUES: usize = 1 << 23;

/// Latents of rows of a feature matrix, one `Vec` for each row.
pub(super) fn encode(model: &WorldModel, features: &Features, rows: &[usize], device: &Device) -> Vec<Vec<f32>> {
    let mut latents = Vec::with_capacity(rows.len());
    let n_rows = (CHUNK_VALUES / features.n_features().max(1)).clamp(1, CHUNK);
    for chunk in rows.chunks(n_rows) {
        let values = features.gather(chunk);
        let input = Tensor::<2>::from_data(TensorData::new(values, [chunk.len(), features.n_features()]), device);
        latents.extend(to_rows(model.encode(input)));
    }
    latents
}

pub(super) fn to_rows(tensor: Tensor<2>) -> Vec<Vec<f32>> {
    let width = tensor.dims()[1];
    let values: Vec<f32> = tensor.into_data().try_to_vec().expect("latents are f32");
    values.chunks_exact(width).map(<[f32]>::to_vec).collect()
}

/// Mean latent of the observations at `rows`.
pub(super) fn mean_latent(model: &WorldModel, screen: &Screen, rows: &[usize], device: &Device) -> Vec<f32> {
    mean(encode(model, &screen.features, rows, device).iter())
}

/// What one member remembers of its training screen: mean latents, which anchors and starts are made of.
#[derive(Debug, Clone, PartialEq)]
pub struct Memory {
    /// What anchors are made of, `[treatment, latent]`: the mean latent of each training treatment; where moves are added, how
    /// far it moved its objects on average.
    pub neighbors: Vec<Vec<f32>>,
    /// Whether an anchor lies between neighbors, or as far from the start as they moved.
    pub(super) anchoring: Anchoring,
    /// Mean latent of the untreated training rows, or of the zero vector where values are relative to control.
    pub untreated: Vec<f32>,
    /// How much of the way from where a prediction starts to where the networks lead is gone, 0 to 1.
    pub gain: f32,
}

impl Memory {
    /// The memory of `model` after training on `pairs`.
    pub fn of(model: &WorldModel, screen: &Screen, pairs: &PairSet, device: &Device) -> Self {
        let neighbors = match pairs.anchoring {
            Anchoring::Between => pairs.rows.iter().map(|rows| mean_latent(model, screen, rows, device)).collect(),
            Anchoring::Added => moves(model, screen, pairs, device),
        };
        let untreated = match pairs.untreated.as_slice() {
            [] => zero_latent(model, screen.features.n_features(), device),
            rows => mean_latent(model, screen, rows, device),
        };
        Self { neighbors, anchoring: pairs.anchoring, untreated, gain: 1.0 }
    }

    /// Latents after each of the interventions that are present one after the other, `[episode][step][latent]`, from
    /// `starts[episode]`; each step from the prediction before it. `anchor` gives the anchor of an intervention.
    pub(super) fn roll_out(
        &self,
        model: &WorldModel,
        vocabulary: &Vocabulary,
        anchor: &dyn Fn(&Treatment) -> Anchor,
        starts: &[Vec<f32>],
        present: &[Vec<&Treatment>],
        device: &Device,
    ) -> Vec<Vec<Vec<f32>>> {
        let mut latest: Vec<Vec<f32>> = starts.to_vec();
        let mut predicted: Vec<Vec<Vec<f32>>> = present.iter().map(|steps| Vec::with_capacity(steps.len())).collect();
        let n_steps = present.iter().map(Vec::len).max().unwrap_or(0);
        for step in 0..n_steps {
            let going: Vec<usize> = (0..present.len()).filter(|&episode| step < present[episode].len()).collect();
            let treatments: Vec<&Treatment> = going.iter().map(|&episode| present[episode][step]).collect();
            let anchors: Vec<Anchor> = treatments.iter().copied().map(anchor).collect();
            let from: Vec<Vec<f32>> = going.iter().map(|&episode| latest[episode].clone()).collect();
            let next = self.predict(model, vocabulary, &treatments, &anchors, &from, device);
            for (&episode, latent) in going.iter().zip(next) {
                predicted[episode].push(latent.clone());
                latest[episode] = latent;
            }
        }
        predicted
    }

    /// Predicted latents of treatments from their anchors, or from their starts where an anchor does not exist.
    pub fn predict(
        &self,
        model: &WorldModel,
        vocabulary: &Vocabulary,
        treatments: &[&Treatment],
        anchors: &[Anchor],
        starts: &[Vec<f32>],
        device: &Device,
    ) -> Vec<Vec<f32>> {
        let chunk = |first: usize| {
            let range = first..(first + CHUNK).min(treatments.len());
            let anchors = &anchors[range.clone()];
            let mut from = Vec::with_capacity(range.len() * self.untreated.len());
            for (anchor, start) in anchors.iter().zip(&starts[range.clone()]) {
                match anchor.exists() {
                    true => from.extend(self.anchor_latent(anchor, start)),
                    false => from.extend_from_slice(start),
                }
            }
            let rows = vocabulary.rows(treatments[range.clone()].iter().copied().zip(anchors));
            let from_bl = Tensor::<2>::from_data(TensorData::new(from, [range.len(), self.untreated.len()]), device);
            let predicted_bl = model.predict(from_bl.clone(), &rows);
            to_rows(match self.gain {
                1.0 => predicted_bl,
                gain => from_bl.clone() + (predicted_bl - from_bl).mul_scalar(gain),
            })
        };
        (0..treatments.len()).step_by(CHUNK).flat_map(chunk).collect()
    }

    /// Where an anchor is for something that starts at `start`: between the neighbors themselves, or as far away from the
    /// start as they moved; the start where there is no anchor.
    pub fn anchor_latent(&self, anchor: &Anchor, start: &[f32]) -> Vec<f32> {
        if !anchor.exists() {
            return start.to_vec();
        }
        let mut latent = match self.anchoring {
            Anchoring::Between => vec![0.0; start.len()],
            Anchoring::Added => start.to_vec(),
        };
        for &(treatment, weight) in &anchor.weights {
            for (sum, &value) in latent.iter_mut().zip(&self.neighbors[treatment]) {
                *sum += weight as f32 * value;
            }
        }
        latent
    }
}

/// How far each training treatment moved its objects on average, `[treatment, latent]`.
///
/// Every frame takes part in many steps and is encoded once.
fn moves(model: &WorldModel, screen: &Screen, pairs: &PairSet, device: &Device) -> Vec<Vec<f32>> {
    let mut steps = vec![Vec::new(); pairs.treatments.len()];
    for episode in pairs.episodes() {
        if let State::Unit(earlier) = episode.start {
            steps[episode.treatment].push((earlier, episode.end()));
        }
    }
    let mut rows: Vec<usize> = steps.iter().flatten().flat_map(|&(earlier, later)| [earlier, later]).collect();
    rows.sort_unstable();
    rows.dedup();
    let latents = encode(model, &screen.features, &rows, device);
    let latent = |row: &usize| &latents[rows.binary_search(row).expect("all rows of steps were encoded")];
    let moved = |steps: &Vec<(usize, usize)>| {
        let earlier = mean(steps.iter().map(|(earlier, _)| latent(earlier)));
        let later = mean(steps.iter().map(|(_, later)| latent(later)));
        later.iter().zip(earlier).map(|(later, earlier)| later - earlier).collect()
    };
    steps.iter().map(moved).collect()
}

fn zero_latent(model: &WorldModel, n_features: usize, device: &Device) -> Vec<f32> {
    to_rows(model.encode(Tensor::zeros([1, n_features], device))).remove(0)
}
