//! A trained ensemble: what `embed`, `predict` and `plan` are given.

use std::collections::BTreeMap;
use std::path::PathBuf;

use burn::tensor::{Device, Tensor, TensorData};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Serialize, de::DeserializeOwned};

use super::TrainError;
use super::chance::{Purpose, stream};
use super::latents::{Latents, mean};
use crate::model::{Array, Init, ModelConfig, ModelSizes, WorldModel, parameters, with_parameters};
use crate::pair::{Anchor, Anchoring, PairSet, State, Vocabulary, anchor_in};
use crate::run::Checkpoint;
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
    anchoring: Anchoring,
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

fn starts_of(starts: &Latents, member: usize) -> Vec<Vec<f32>> {
    starts.of_member(member).map(<[f32]>::to_vec).collect()
}

/// A trained ensemble with the names it knows.
#[derive(Debug, Clone)]
pub struct TrainedModel {
    /// Settings of the networks.
    pub config: ModelConfig,
    /// Sizes that the screen decided.
    pub sizes: ModelSizes,
    /// What anchors are made of.
    pub anchoring: Anchoring,
    /// Perturbations and contexts of training.
    pub vocabulary: Vocabulary,
    /// Training treatments, in the order of each memory's latents.
    pub treatments: Vec<Treatment>,
    /// Features that an observation must have, in order.
    pub features: Vec<String>,
    /// The members with their memories.
    pub members: Vec<(WorldModel, Memory)>,
}

impl TrainedModel {
    /// Latents of observations by each member.
    pub fn encode(&self, features: &Features, rows: &[usize], device: &Device) -> Latents {
        let of_member = |(model, _): &(WorldModel, Memory)| encode(model, features, rows, device);
        self.latents(&self.members.iter().map(of_member).collect::<Vec<_>>())
    }

    /// `[member][row][latent]` as one.
    fn latents(&self, members: &[Vec<Vec<f32>>]) -> Latents {
        Latents::from_members(self.config.latent, members)
    }

    /// What the members remember of untreated cells, `[member, latent]`.
    pub fn untreated_latent(&self) -> Vec<f32> {
        self.members.iter().flat_map(|(_, memory)| &memory.untreated).copied().collect()
    }

    /// The same of which so much is used of the way from where predictions start to where the networks lead, 0 to 1.
    pub fn with_gain(mut self, gain: f32) -> Self {
        self.members.iter_mut().for_each(|(_, memory)| memory.gain = gain);
        self
    }

    /// The same networks with the weights that training starts from: the random encoder that a trained one is measured by.
    ///
    /// What they remember is that of the trained members, so they can encode but not predict from memory.
    pub fn untrained(&self, seed: u64, device: &Device) -> Self {
        let fresh = |(member, (trained, memory)): (usize, &(WorldModel, Memory))| {
            let mut rng = stream(seed, member, Purpose::Weights, 0);
            let fresh = WorldModel::new(&mut Init { rng: &mut rng, device }, &self.config, &self.sizes);
            (fresh.with_linear_part_of(trained), memory.clone())
        };
        Self { members: self.members.iter().enumerate().map(fresh).collect(), ..self.clone() }
    }

    /// Predicted latents of treatments by each member, from a row of `starts` for each.
    pub fn predict(&self, treatments: &[&Treatment], starts: &Latents, device: &Device) -> Latents {
        let anchors: Vec<Anchor> = treatments.iter().map(|treatment| self.anchor(treatment)).collect();
        let of_member = |(member, (model, memory)): (usize, &(WorldModel, Memory))| {
            let starts = starts_of(starts, member);
            memory.predict(model, &self.vocabulary, treatments, &anchors, &starts, device)
        };
        self.latents(&self.members.iter().enumerate().map(of_member).collect::<Vec<_>>())
    }

    /// Latents of each episode after each of its interventions one after the other, from a row of `starts` for each episode;
    /// each step from the prediction before it.
    pub fn roll_out(&self, starts: &Latents, present: &[Vec<&Treatment>], device: &Device) -> Vec<Latents> {
        let anchor = |treatment: &Treatment| self.anchor(treatment);
        let of_member = |(member, (model, memory)): (usize, &(WorldModel, Memory))| {
            let starts = starts_of(starts, member);
            memory.roll_out(model, &self.vocabulary, &anchor, &starts, present, device).into_iter()
        };
        let mut members: Vec<_> = self.members.iter().enumerate().map(of_member).collect();
        let mut episode = |_| {
            let steps: Vec<Vec<Vec<f32>>> = members.iter_mut().filter_map(Iterator::next).collect();
            self.latents(&steps)
        };
        (0..present.len()).map(&mut episode).collect()
    }

    /// The anchor that an anchored model's prediction starts from; none for another model.
    fn anchor(&self, treatment: &Treatment) -> Anchor {
        match self.members.first().is_some_and(|(model, _)| model.is_anchored()) {
            true => anchor_in(self.anchoring, treatment, &self.treatments),
            false => Anchor::NONE,
        }
    }

    /// Latents of anchors by each member; zeros where there is no anchor.
    pub fn anchor_latents(&self, anchors: &[Anchor]) -> Latents {
        let nowhere = vec![0.0; self.config.latent];
        let of_member = |(_, memory): &(WorldModel, Memory)| {
            anchors.iter().map(|anchor| memory.anchor_latent(anchor, &nowhere)).collect()
        };
        self.latents(&self.members.iter().map(of_member).collect::<Vec<_>>())
    }

    /// One checkpoint for each member, whole in itself.
    pub fn to_checkpoints(&self) -> Vec<Checkpoint> {
        let to_checkpoint = |(model, memory): &(WorldModel, Memory)| {
            let mut checkpoint = Checkpoint::default();
            let named = parameters(model).into_iter().map(|(name, array)| (format!("model.{name}"), array));
            checkpoint.tensors.extend(named);
            let shape = vec![memory.neighbors.len(), memory.untreated.len()];
            let latents = Array { shape, values: memory.neighbors.concat() };
            checkpoint.tensors.insert("memory.neighbors".into(), latents);
            let untreated = Array { shape: vec![memory.untreated.len()], values: memory.untreated.clone() };
            checkpoint.tensors.insert("memory.untreated".into(), untreated);
            let mut note = |key: &str, value: String| checkpoint.text.insert(key.to_owned(), value);
            note("config", json(&self.config));
            note("sizes", json(&self.sizes));
            note("anchoring", json(&self.anchoring));
            note("vocabulary", json(&self.vocabulary));
            note("features", json(&self.features));
            note("gain", json(&memory.gain));
            let treatments: Vec<_> = self.treatments.iter().map(|t| (&t.intervention, &t.context)).collect();
            note("treatments", json(&treatments));
            checkpoint
        };
        self.members.iter().map(to_checkpoint).collect()
    }

    /// The ensemble from its members' checkpoints, each with the path that messages are to name.
    ///
    /// # Errors
    /// [`TrainError::OfFile`] when a checkpoint lacks something, or is of another model than the first.
    pub fn from_checkpoints(checkpoints: &[(PathBuf, Checkpoint)], device: &Device) -> Result<Self, TrainError> {
        let of_file = |path: &PathBuf| {
            let path = path.clone();
            |source| TrainError::OfFile { path, source: Box::new(source) }
        };
        let (path, first) = checkpoints.first().ok_or_else(|| TrainError::damaged("there is no member to load"))?;
        let mut trained = Self::without_members(first).map_err(of_file(path))?;
        for (path, checkpoint) in checkpoints {
            let member = trained.member(checkpoint, device).map_err(of_file(path))?;
            trained.members.push(member);
        }
        Ok(trained)
    }

    fn without_members(first: &Checkpoint) -> Result<Self, TrainError> {
        let treatments: Vec<(crate::screen::Intervention, String)> = read(first, "treatments")?;
        let treatments = treatments.into_iter().map(|(intervention, context)| Treatment { intervention, context });
        let trained = Self {
            config: read(first, "config")?,
            sizes: read(first, "sizes")?,
            anchoring: read(first, "anchoring")?,
            vocabulary: read(first, "vocabulary")?,
            treatments: treatments.collect(),
            features: read(first, "features")?,
            members: Vec::new(),
        };
        let (sizes, vocabulary) = (&trained.sizes, &trained.vocabulary);
        let is_one = sizes.features == trained.features.len()
            && vocabulary.is_whole()
            && sizes.interventions == vocabulary.sizes()
            && sizes.dose_centers == *vocabulary.dose_centers()
            && sizes.fit_channels(&trained.config.encoder);
        trained.config.encoder.check(sizes.features)?;
        if is_one {
            Ok(trained)
        } else {
            Err(TrainError::damaged("its sizes, features and vocabulary do not fit each other"))
        }
    }

    /// The member of this ensemble that a checkpoint holds.
    fn member(&self, checkpoint: &Checkpoint, device: &Device) -> Result<(WorldModel, Memory), TrainError> {
        let n_values: usize = checkpoint.tensors.values().map(|array| array.values.len()).sum();
        if self.config.least_values(&self.sizes).is_none_or(|least| least > n_values as u128) {
            let problem = format!("its {n_values} values cannot be the model that its `config` describes");
            return Err(TrainError::damaged(problem));
        }
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let fresh = WorldModel::new(&mut Init { rng: &mut rng, device }, &self.config, &self.sizes);
        let under = |(name, array): (&String, &Array)| Some((name.strip_prefix("model.")?.to_owned(), array.clone()));
        let arrays: BTreeMap<String, Array> = checkpoint.tensors.iter().filter_map(under).collect();
        let model = with_parameters(fresh, &arrays)?;
        let part = |name: &str| {
            checkpoint.tensors.get(name).ok_or_else(|| TrainError::damaged(format!("it has no tensor `{name}`")))
        };
        let (neighbors, untreated) = (part("memory.neighbors")?, part("memory.untreated")?);
        let n_remembered = self.treatments.len() * self.config.latent;
        if neighbors.values.len() != n_remembered || untreated.values.len() != self.config.latent {
            return Err(TrainError::damaged("its remembered latents do not fit its treatments"));
        }
        let memory = Memory {
            neighbors: neighbors.values.chunks_exact(self.config.latent).map(<[f32]>::to_vec).collect(),
            anchoring: self.anchoring,
            untreated: untreated.values.clone(),
            gain: read(checkpoint, "gain")?,
        };
        Ok((model, memory))
    }
}

fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("our own types serialize")
}

fn read<T: DeserializeOwned>(checkpoint: &Checkpoint, key: &str) -> Result<T, TrainError> {
    let text = checkpoint.text.get(key).ok_or_else(|| TrainError::damaged(format!("it has no entry `{key}`")))?;
    serde_json::from_str(text)
        .map_err(|error| TrainError::damaged(format!("its entry `{key}` cannot be read: {error}")))
}
