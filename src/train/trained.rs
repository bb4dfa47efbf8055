//! A trained ensemble: what `embed`, `predict` and `plan` are given.

use std::collections::BTreeMap;
use std::path::PathBuf;

use burn::tensor::{Device, Tensor, TensorData};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Serialize, de::DeserializeOwned};

use super::TrainError;
use super::chance::{Purpose, stream};
use crate::model::{Array, Init, ModelConfig, ModelSizes, WorldModel, parameters, with_parameters};
use crate::pair::{Anchor, PairSet, Vocabulary, anchor_in};
use crate::run::Checkpoint;
use crate::screen::{FeatureMatrix, Reference, Screen, Treatment};

/// Rows encoded at once; bounds the memory of inference.
const CHUNK: usize = 4096;

/// Most values encoded at once: fewer rows of images, whose tokens take many times the memory of the pixels.
const CHUNK_VALUES: usize = 1 << 23;

/// Latents of rows of a feature matrix, one `Vec` for each row.
pub(super) fn encode(model: &WorldModel, features: &FeatureMatrix, rows: &[usize], device: &Device) -> Vec<Vec<f32>> {
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

/// Mean of latents, summed in `f64`.
pub(crate) fn mean<'a>(latents: impl Iterator<Item = &'a Vec<f32>>) -> Vec<f32> {
    let mut sum = Vec::<f64>::new();
    let mut n = 0.0;
    for latent in latents {
        sum.resize(latent.len(), 0.0);
        for (sum, &value) in sum.iter_mut().zip(latent) {
            *sum += f64::from(value);
        }
        n += 1.0;
    }
    sum.into_iter().map(|sum| (sum / n) as f32).collect()
}

/// Mean latent of the observations at `rows`.
pub(super) fn mean_latent(model: &WorldModel, screen: &Screen, rows: &[usize], device: &Device) -> Vec<f32> {
    mean(encode(model, &screen.features, rows, device).iter())
}

/// What one member remembers of its training screen: mean latents, which anchors and starts are made of.
#[derive(Debug, Clone, PartialEq)]
pub struct Memory {
    /// Mean latent of each training treatment, `[treatment, latent]`.
    pub treatments: Vec<Vec<f32>>,
    /// In a time lapse how far each training treatment moved its objects, on average, `[treatment, latent]`; else empty.
    pub moves: Vec<Vec<f32>>,
    /// Mean latent of the training controls, or of the zero vector where values are relative to control.
    pub control: Vec<f32>,
}

impl Memory {
    /// The memory of `model` after training on `pairs`.
    pub fn of(model: &WorldModel, screen: &Screen, pairs: &PairSet, device: &Device) -> Self {
        if pairs.reference == Reference::FirstFrame {
            return Self::of_time_lapse(model, screen, pairs, device);
        }
        let treatments = pairs.rows.iter().map(|rows| mean_latent(model, screen, rows, device)).collect();
        let controls: Vec<usize> = pairs.controls.values().flatten().copied().collect();
        let control = if pairs.reference == Reference::Relative || controls.is_empty() {
            zero_latent(model, screen.features.n_features(), device)
        } else {
            mean_latent(model, screen, &controls, device)
        };
        Self { treatments, moves: Vec::new(), control }
    }

    /// Every frame takes part in many steps and is encoded once.
    fn of_time_lapse(model: &WorldModel, screen: &Screen, pairs: &PairSet, device: &Device) -> Self {
        let controls: Vec<usize> = pairs.controls.values().flatten().copied().collect();
        let mut rows: Vec<usize> = pairs.frame_steps.iter().flatten().flat_map(|&(one, other)| [one, other]).collect();
        rows.extend(pairs.rows.iter().flatten().chain(&controls));
        rows.sort_unstable();
        rows.dedup();
        let latents = encode(model, &screen.features, &rows, device);
        let latent = |row: &usize| &latents[rows.binary_search(row).expect("all rows of steps were encoded")];
        let moved = |steps: &Vec<(usize, usize)>| {
            let earlier = mean(steps.iter().map(|(earlier, _)| latent(earlier)));
            let later = mean(steps.iter().map(|(_, later)| latent(later)));
            later.iter().zip(earlier).map(|(later, earlier)| later - earlier).collect()
        };
        Self {
            treatments: pairs.rows.iter().map(|rows| mean(rows.iter().map(latent))).collect(),
            moves: pairs.frame_steps.iter().map(moved).collect(),
            control: mean(controls.iter().map(latent)),
        }
    }

    /// Mean start latent of treated rows: the controls of their plates.
    pub fn start_of_rows(
        &self,
        model: &WorldModel,
        screen: &Screen,
        pairs: &PairSet,
        rows: &[usize],
        device: &Device,
    ) -> Vec<f32> {
        if pairs.reference == Reference::FirstFrame {
            let first: Vec<usize> = rows.iter().filter_map(|row| pairs.first_frames.get(row).copied()).collect();
            return mean_latent(model, screen, &first, device);
        }
        let bags: Vec<Vec<f32>> = rows
            .iter()
            .filter_map(|&row| pairs.controls.get(&screen.observations[row].plate))
            .map(|controls| mean_latent(model, screen, controls, device))
            .collect();
        if bags.is_empty() { self.control.clone() } else { mean(bags.iter()) }
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
            let mut from = Vec::with_capacity(range.len() * self.control.len());
            for (anchor, start) in anchors.iter().zip(&starts[range.clone()]) {
                match anchor.exists() {
                    true => from.extend(self.anchor_latent(anchor, start)),
                    false => from.extend_from_slice(start),
                }
            }
            let rows = vocabulary.rows(treatments[range.clone()].iter().copied().zip(anchors));
            let from_bl = Tensor::<2>::from_data(TensorData::new(from, [range.len(), self.control.len()]), device);
            to_rows(model.predict(from_bl, &rows))
        };
        (0..treatments.len()).step_by(CHUNK).flat_map(chunk).collect()
    }

    /// Where an anchor is for something that starts at `start`: between the neighbors themselves, in a time lapse as far away
    /// from the start as they moved; the start where there is no anchor.
    pub fn anchor_latent(&self, anchor: &Anchor, start: &[f32]) -> Vec<f32> {
        let is_lapse = !self.moves.is_empty();
        if !anchor.exists() {
            return start.to_vec();
        }
        let (mut latent, neighbors) = match is_lapse {
            true => (start.to_vec(), &self.moves),
            false => (vec![0.0; start.len()], &self.treatments),
        };
        for &(treatment, weight) in &anchor.weights {
            for (sum, &value) in latent.iter_mut().zip(&neighbors[treatment]) {
                *sum += weight as f32 * value;
            }
        }
        latent
    }
}

fn zero_latent(model: &WorldModel, n_features: usize, device: &Device) -> Vec<f32> {
    to_rows(model.encode(Tensor::zeros([1, n_features], device))).remove(0)
}

/// A trained ensemble with the names it knows.
#[derive(Debug, Clone)]
pub struct TrainedModel {
    /// Settings of the networks.
    pub config: ModelConfig,
    /// Sizes that the screen decided.
    pub sizes: ModelSizes,
    /// What effects are measured against.
    pub reference: Reference,
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
    /// Latents of observations by each member, `[member][row][latent]`.
    pub fn encode(&self, features: &FeatureMatrix, rows: &[usize], device: &Device) -> Vec<Vec<Vec<f32>>> {
        self.members.iter().map(|(model, _)| encode(model, features, rows, device)).collect()
    }

    /// The same networks with the weights that training starts from: the random encoder that a trained one is measured by.
    ///
    /// What they remember is that of the trained members, so they can encode but not predict from memory.
    pub fn untrained(&self, seed: u64, device: &Device) -> Self {
        let fresh = |(member, (_, memory)): (usize, &(WorldModel, Memory))| {
            let mut rng = stream(seed, member, Purpose::Weights, 0);
            (WorldModel::new(&mut Init { rng: &mut rng, device }, &self.config, &self.sizes), memory.clone())
        };
        Self { members: self.members.iter().enumerate().map(fresh).collect(), ..self.clone() }
    }

    /// Each member's start where there is no control well to start from: the mean training control.
    pub fn control_starts(&self, n: usize) -> Vec<Vec<Vec<f32>>> {
        self.members.iter().map(|(_, memory)| vec![memory.control.clone(); n]).collect()
    }

    /// Predicted latents by each member, `[member][treatment][latent]`, from `starts[member][treatment]`.
    pub fn predict(&self, treatments: &[&Treatment], starts: &[Vec<Vec<f32>>], device: &Device) -> Vec<Vec<Vec<f32>>> {
        let anchors = self.anchors(treatments);
        let of_member = |((model, memory), starts): (&(WorldModel, Memory), &Vec<Vec<f32>>)| {
            memory.predict(model, &self.vocabulary, treatments, &anchors, starts, device)
        };
        self.members.iter().zip(starts).map(of_member).collect()
    }

    /// The anchors that an anchored model's predictions start from; none for another model.
    fn anchors(&self, treatments: &[&Treatment]) -> Vec<Anchor> {
        let is_anchored = self.members.first().is_some_and(|(model, _)| model.is_anchored());
        let anchor = |treatment: &Treatment| match is_anchored {
            true => anchor_in(self.reference, treatment, &self.treatments),
            false => Anchor::NONE,
        };
        treatments.iter().copied().map(anchor).collect()
    }

    /// Latents of anchors by each member, `[member][anchor][latent]`; zeros where there is no anchor.
    pub fn anchor_latents(&self, anchors: &[Anchor]) -> Vec<Vec<Vec<f32>>> {
        let of_member = |(_, memory): &(WorldModel, Memory)| {
            let nowhere = vec![0.0; memory.control.len()];
            anchors.iter().map(|anchor| memory.anchor_latent(anchor, &nowhere)).collect()
        };
        self.members.iter().map(of_member).collect()
    }

    /// One checkpoint for each member, whole in itself.
    pub fn to_checkpoints(&self) -> Vec<Checkpoint> {
        let to_checkpoint = |(model, memory): &(WorldModel, Memory)| {
            let mut checkpoint = Checkpoint::default();
            let named = parameters(model).into_iter().map(|(name, array)| (format!("model.{name}"), array));
            checkpoint.tensors.extend(named);
            let shape = vec![memory.treatments.len(), memory.control.len()];
            let latents = Array { shape, values: memory.treatments.concat() };
            checkpoint.tensors.insert("memory.treatments".into(), latents);
            if !memory.moves.is_empty() {
                let shape = vec![memory.moves.len(), memory.control.len()];
                checkpoint.tensors.insert("memory.moves".into(), Array { shape, values: memory.moves.concat() });
            }
            let control = Array { shape: vec![memory.control.len()], values: memory.control.clone() };
            checkpoint.tensors.insert("memory.control".into(), control);
            let mut note = |key: &str, value: String| checkpoint.text.insert(key.to_owned(), value);
            note("config", json(&self.config));
            note("sizes", json(&self.sizes));
            note("reference", json(&self.reference));
            note("vocabulary", json(&self.vocabulary));
            note("features", json(&self.features));
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
            reference: read(first, "reference")?,
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
        let (latents, control) = (part("memory.treatments")?, part("memory.control")?);
        // Only a time lapse of crops has moves: a track is predicted from its start alone.
        let has_moves = self.reference == Reference::FirstFrame && self.config.encoder.crop().is_some();
        let moves = if has_moves { Some(part("memory.moves")?) } else { None };
        let n_remembered = self.treatments.len() * self.config.latent;
        let fits = |array: &Array| array.values.len() == n_remembered;
        if !fits(latents) || moves.is_some_and(|moves| !fits(moves)) || control.values.len() != self.config.latent {
            return Err(TrainError::damaged("its remembered latents do not fit its treatments"));
        }
        let rows = |array: &Array| array.values.chunks_exact(self.config.latent).map(<[f32]>::to_vec).collect();
        let memory = Memory {
            treatments: rows(latents),
            moves: moves.map(rows).unwrap_or_default(),
            control: control.values.clone(),
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
