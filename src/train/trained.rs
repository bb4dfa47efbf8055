//! A trained ensemble: what `embed`, `predict` and `plan` are given.

use std::collections::BTreeMap;
use std::path::PathBuf;

use burn::tensor::Device;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Serialize, de::DeserializeOwned};

use super::TrainError;
use super::chance::{Purpose, stream};
use super::latents::Latents;
use super::memory::{Memory, encode};
use crate::model::{Array, Init, ModelConfig, ModelSizes, WorldModel, parameters, with_parameters};
use crate::pair::{Anchor, Anchoring, Vocabulary, anchor_in};
use crate::run::Checkpoint;
use crate::screen::{FeatureMatrix, Features, Treatment};

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
    /// Latents of observations by each member: of pixels that are not at hand those that were kept.
    ///
    /// # Panics
    /// If the kept latents are of another number or width of members.
    pub fn encode(&self, features: &Features, rows: &[usize], device: &Device) -> Latents {
        if let Some(kept) = features.kept_latents() {
            assert!(self.fits(kept), "kept latents of another model");
            return Latents::new(self.members.len(), self.config.latent, kept.gather(rows));
        }
        let of_member = |(model, _): &(WorldModel, Memory)| encode(model, features, rows, device);
        self.latents(&self.members.iter().map(of_member).collect::<Vec<_>>())
    }

    /// Whether `latents` can be those of all members side by side.
    pub fn fits(&self, latents: &FeatureMatrix) -> bool {
        latents.n_features() == self.members.len() * self.config.latent
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
