//! LeWorldModel as it was published: pictures and actions in time, and the checkpoints of the released code.
//!
//! A published checkpoint holds 303 tensors, here with what they are called in this crate:
//!
//! | published | here |
//! |---|---|
//! | `encoder.embeddings.{cls_token,position_embeddings,patch_embeddings.projection.*}` | `encoder.{class,positions,patches.*}` |
//! | `encoder.encoder.layer.I.attention.attention.{query,key,value}.*` | `encoder.blocks.I.{query,key,value}.*` |
//! | `encoder.encoder.layer.I.attention.output.dense.*` | `encoder.blocks.I.output.*` |
//! | `encoder.encoder.layer.I.{intermediate,output}.dense.*` | `encoder.blocks.I.{expand,contract}.*` |
//! | `encoder.encoder.layer.I.{layernorm_before,layernorm_after}.*` | `encoder.blocks.I.{attention_norm,norm}.*` |
//! | `encoder.layernorm.*` | `encoder.norm.*` |
//! | `projector.net.{0,1,3}.*`, `pred_proj.net.{0,1,3}.*` | `projector.{input,batch_norm,output}.*`, the same under `predictor.projector` |
//! | `action_encoder.{patch_embed,embed.0,embed.2}.*` | `actions.{smooth,expand,contract}.*` |
//! | `predictor.{pos_embedding,transformer.norm.*}` | `predictor.{positions,norm.*}` |
//! | `predictor.transformer.layers.I.attn.{norm,to_out.0}.*` | `predictor.blocks.I.attention.{norm,output}.*` |
//! | `predictor.transformer.layers.I.attn.to_qkv.weight`: three matrices, one below the other | `predictor.blocks.I.attention.{query,key,value}.weight` |
//! | `predictor.transformer.layers.I.{mlp.net.0,mlp.net.1,mlp.net.4,adaLN_modulation.1}.*` | `predictor.blocks.I.{norm,expand,contract,modulation}.*` |
//!
//! PyTorch keeps a linear map as `[output, input]`, this crate as `[input, output]`. The count of batches that a batch norm
//! has seen is checked and left out.
//!
//! # Source
//! arXiv:2603.19312 and its released code; its encoder is the ViT of Hugging Face transformers.

use std::collections::BTreeMap;

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::activation::silu;
use burn::tensor::{Device, Tensor};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::image::{ImageEncoder, ImageEncoderConfig};
use super::layer::{BatchStatistics, Init, Noise};
use super::parameters::{Array, ParameterError, parameters, with_parameters};
use super::predictor::{Head, HistoryConfig, Predictor, PredictorConfig};
use super::projector::{Projector, ProjectorConfig, ProjectorNorm};

/// Sizes of the action encoder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActionConfig {
    /// Values of an action: those of all steps between two pictures.
    pub inputs: usize,
    /// Width that all of them are first brought to.
    pub smoothed: usize,
    /// Width of the hidden layer.
    pub hidden: usize,
}

/// Sizes of a published model. The latent is as wide as the encoder.
#[derive(Debug, Clone, PartialEq)]
pub struct LewmConfig {
    /// The encoder; its pool is the class token.
    pub encoder: ImageEncoderConfig,
    /// Hidden width of both projectors.
    pub projector_hidden: usize,
    /// The action encoder.
    pub actions: ActionConfig,
    /// The predictor; its head is the published one.
    pub predictor: PredictorConfig,
    /// What it looks back on.
    pub history: HistoryConfig,
}

impl Default for LewmConfig {
    /// The released model for Push-T: five steps of two values are an action.
    fn default() -> Self {
        Self {
            encoder: ImageEncoderConfig::lewm(3),
            projector_hidden: 2048,
            actions: ActionConfig { inputs: 10, smoothed: 10, hidden: 768 },
            predictor: PredictorConfig { head: Head::Published, depth: 6, mlp_width: 2048, dropout: 0.1 },
            history: HistoryConfig { length: 3, heads: 16, head_width: 64 },
        }
    }
}

impl LewmConfig {
    /// The released model whose tensors these are: they differ in the size of their actions and in the length of the
    /// history.
    pub fn of_published(tensors: &BTreeMap<String, Array>) -> Self {
        let mut config = Self::default();
        let side = |name: &str, axis: usize| {
            tensors.get(name).and_then(|array| array.shape.get(axis)).copied().filter(|&side| side > 0)
        };
        let ActionConfig { inputs, smoothed, hidden } = &mut config.actions;
        *smoothed = side("action_encoder.patch_embed.weight", 0).unwrap_or(*smoothed);
        *inputs = side("action_encoder.patch_embed.weight", 1).unwrap_or(*inputs);
        *hidden = side("action_encoder.embed.0.weight", 0).unwrap_or(*hidden);
        config.history.length = side("predictor.pos_embedding", 1).unwrap_or(config.history.length);
        config
    }
}

/// Actions to the encodings that steer the predictor.
#[derive(Module, Debug)]
pub struct ActionEncoder {
    smooth: Linear,
    expand: Linear,
    contract: Linear,
}

impl ActionEncoder {
    /// A fresh encoder of actions to encodings of `width` values.
    pub fn new(init: &mut Init, width: usize, config: &ActionConfig) -> Self {
        Self {
            smooth: init.linear(config.inputs, config.smoothed, true),
            expand: init.linear(config.smoothed, config.hidden, true),
            contract: init.linear(config.hidden, width, true),
        }
    }

    /// # Shapes
    /// - `actions`: `[batch, time, value]`
    /// - returns: `[batch, time, intervention encoding]`
    pub fn forward(&self, actions: Tensor<3>) -> Tensor<3> {
        self.contract.forward(silu(self.expand.forward(self.smooth.forward(actions))))
    }
}

/// The published model.
#[derive(Module, Debug)]
pub struct Lewm {
    encoder: ImageEncoder,
    projector: Projector,
    actions: ActionEncoder,
    predictor: Predictor,
}

impl Lewm {
    /// A fresh model.
    pub fn new(init: &mut Init, config: &LewmConfig) -> Self {
        let (latent, hidden) = (config.encoder.width, config.projector_hidden);
        let projector = ProjectorConfig { hidden, norm: ProjectorNorm::Batch, output: None };
        Self {
            encoder: ImageEncoder::new(init, &config.encoder),
            projector: Projector::new(init, latent, latent, &projector),
            actions: ActionEncoder::new(init, latent, &config.actions),
            predictor: Predictor::new(init, latent, latent, hidden, &config.predictor, Some(&config.history), None),
        }
    }

    /// The model of a published checkpoint, from its tensors by their published names.
    ///
    /// Encoder and projector keep the names that they have in a [`super::WorldModel`], so that one can start from them.
    ///
    /// # Errors
    /// When a tensor is missing, has another shape or is left over; the error holds its published name.
    pub fn from_published(
        tensors: &BTreeMap<String, Array>,
        config: &LewmConfig,
        device: &Device,
    ) -> Result<Self, ParameterError> {
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let fresh = Self::new(&mut Init { rng: &mut rng, device }, config);
        let arrays = renamed(tensors, &published(config), &parameters(&fresh))?;
        with_parameters(fresh, &arrays)
    }

    /// Names and shapes of a published checkpoint's tensors.
    pub fn published_tensors(config: &LewmConfig) -> Vec<(String, Vec<usize>)> {
        published(config).into_iter().map(|entry| (entry.name, entry.shape)).collect()
    }

    /// Latents of pictures.
    ///
    /// # Shapes
    /// - `pictures_uf`: `[unit, channel * y * x]`, scaled as in the training of the checkpoint: to 0..1, then by ImageNet's
    ///   means and deviations
    /// - returns: `[unit, latent]`
    pub fn encode(&self, pictures_uf: Tensor<2>) -> Tensor<2> {
        self.projector.forward(self.encoder.forward(pictures_uf, None))
    }

    /// Latents of pictures with dropout and the batch's own statistics, which are returned.
    ///
    /// # Shapes
    /// As [`Lewm::encode`].
    pub fn encode_train(&self, pictures_uf: Tensor<2>, noise: &mut Noise) -> (Tensor<2>, Option<BatchStatistics>) {
        self.projector.forward_train(self.encoder.forward(pictures_uf, Some(noise)))
    }

    /// The latent that follows each position of the history.
    ///
    /// # Shapes
    /// - `latents_btl`: `[batch, time, latent]`, the newest last
    /// - `actions`: `[batch, time, value]`
    /// - returns: `[batch, time, latent]`
    pub fn predict(&self, latents_btl: Tensor<3>, actions: Tensor<3>) -> Tensor<3> {
        self.predictor.forward(latents_btl, self.actions.forward(actions), None).0
    }

    /// As [`Lewm::predict`], with dropout and the batch's own statistics, which are returned.
    pub fn predict_train(
        &self,
        latents_btl: Tensor<3>,
        actions: Tensor<3>,
        noise: &mut Noise,
    ) -> (Tensor<3>, Option<BatchStatistics>) {
        self.predictor.forward(latents_btl, self.actions.forward(actions), Some(noise))
    }

    #[cfg(test)]
    pub(super) fn parts(&self) -> (&ImageEncoder, &Projector, &ActionEncoder, &Predictor) {
        (&self.encoder, &self.projector, &self.actions, &self.predictor)
    }
}

/// One tensor of a published checkpoint.
pub(super) struct Published {
    pub(super) name: String,
    pub(super) shape: Vec<usize>,
    /// The parameters of ours that it holds, one below the other; none for what is left out.
    ours: Vec<String>,
    /// Whether it is `[output, input…]`, where ours are `[input, output]`.
    is_map: bool,
}

/// All tensors of a published checkpoint.
pub(super) fn published(config: &LewmConfig) -> Vec<Published> {
    let LewmConfig { encoder, projector_hidden, actions, predictor, history } = config;
    let width = encoder.width;
    let mut list = List(Vec::new());
    list.plain("encoder.embeddings.cls_token", &[1, 1, width], "encoder.class");
    list.plain("encoder.embeddings.position_embeddings", &[1, encoder.tokens(), width], "encoder.positions");
    let window = [width, encoder.channels, encoder.patch, encoder.patch];
    list.map("encoder.embeddings.patch_embeddings.projection", &window, "encoder.patches");
    for block in 0..encoder.depth {
        let (theirs, ours) = (format!("encoder.encoder.layer.{block}"), format!("encoder.blocks.{block}"));
        for part in ["query", "key", "value"] {
            list.map(&format!("{theirs}.attention.attention.{part}"), &[width, width], &format!("{ours}.{part}"));
        }
        list.map(&format!("{theirs}.attention.output.dense"), &[width, width], &format!("{ours}.output"));
        let hidden = encoder.mlp_width;
        list.map(&format!("{theirs}.intermediate.dense"), &[hidden, width], &format!("{ours}.expand"));
        list.map(&format!("{theirs}.output.dense"), &[width, hidden], &format!("{ours}.contract"));
        list.norm(&format!("{theirs}.layernorm_before"), width, &format!("{ours}.attention_norm"));
        list.norm(&format!("{theirs}.layernorm_after"), width, &format!("{ours}.norm"));
    }
    list.norm("encoder.layernorm", width, "encoder.norm");
    list.projector("projector", width, *projector_hidden, "projector");
    list.projector("pred_proj", width, *projector_hidden, "predictor.projector");
    list.map("action_encoder.patch_embed", &[actions.smoothed, actions.inputs, 1], "actions.smooth");
    list.map("action_encoder.embed.0", &[actions.hidden, actions.smoothed], "actions.expand");
    list.map("action_encoder.embed.2", &[width, actions.hidden], "actions.contract");
    list.plain("predictor.pos_embedding", &[1, history.length, width], "predictor.positions");
    list.norm("predictor.transformer.norm", width, "predictor.norm");
    for block in 0..predictor.depth {
        let (theirs, ours) = (format!("predictor.transformer.layers.{block}"), format!("predictor.blocks.{block}"));
        let (inner, hidden) = (history.heads * history.head_width, predictor.mlp_width);
        list.norm(&format!("{theirs}.attn.norm"), width, &format!("{ours}.attention.norm"));
        list.0.push(Published {
            name: format!("{theirs}.attn.to_qkv.weight"),
            shape: vec![3 * inner, width],
            ours: ["query", "key", "value"].map(|part| format!("{ours}.attention.{part}.weight")).to_vec(),
            is_map: true,
        });
        list.map(&format!("{theirs}.attn.to_out.0"), &[width, inner], &format!("{ours}.attention.output"));
        list.norm(&format!("{theirs}.mlp.net.0"), width, &format!("{ours}.norm"));
        list.map(&format!("{theirs}.mlp.net.1"), &[hidden, width], &format!("{ours}.expand"));
        list.map(&format!("{theirs}.mlp.net.4"), &[width, hidden], &format!("{ours}.contract"));
        list.map(&format!("{theirs}.adaLN_modulation.1"), &[6 * width, width], &format!("{ours}.modulation"));
    }
    list.0
}

struct List(Vec<Published>);

impl List {
    fn plain(&mut self, name: &str, shape: &[usize], ours: &str) {
        self.0.push(Published {
            name: name.to_owned(),
            shape: shape.to_vec(),
            ours: vec![ours.to_owned()],
            is_map: false,
        });
    }

    /// Weight and bias of a linear map or of a convolution that looks at each window once.
    fn map(&mut self, name: &str, shape: &[usize], ours: &str) {
        self.0.push(Published {
            name: format!("{name}.weight"),
            shape: shape.to_vec(),
            ours: vec![format!("{ours}.weight")],
            is_map: true,
        });
        self.plain(&format!("{name}.bias"), &shape[..1], &format!("{ours}.bias"));
    }

    fn norm(&mut self, name: &str, width: usize, ours: &str) {
        self.plain(&format!("{name}.weight"), &[width], &format!("{ours}.scale"));
        self.plain(&format!("{name}.bias"), &[width], &format!("{ours}.shift"));
    }

    fn projector(&mut self, name: &str, width: usize, hidden: usize, ours: &str) {
        self.map(&format!("{name}.net.0"), &[hidden, width], &format!("{ours}.input"));
        self.norm(&format!("{name}.net.1"), hidden, &format!("{ours}.batch_norm"));
        self.plain(&format!("{name}.net.1.running_mean"), &[hidden], &format!("{ours}.batch_norm.running_mean"));
        self.plain(&format!("{name}.net.1.running_var"), &[hidden], &format!("{ours}.batch_norm.running_variance"));
        let counter = format!("{name}.net.1.num_batches_tracked");
        self.0.push(Published { name: counter, shape: Vec::new(), ours: Vec::new(), is_map: false });
        self.map(&format!("{name}.net.3"), &[width, hidden], &format!("{ours}.output"));
    }
}

/// Published tensors under our names and in our layout; `own` knows our shapes.
pub(super) fn renamed(
    tensors: &BTreeMap<String, Array>,
    published: &[Published],
    own: &BTreeMap<String, Array>,
) -> Result<BTreeMap<String, Array>, ParameterError> {
    let mut arrays = BTreeMap::new();
    for entry in published {
        let (name, expected) = (entry.name.clone(), entry.shape.clone());
        let Some(array) = tensors.get(&entry.name) else {
            return Err(ParameterError::Missing { name, expected });
        };
        if array.shape != entry.shape {
            return Err(ParameterError::Shape { name, found: array.shape.clone(), expected });
        }
        let part = array.values.len() / entry.ours.len().max(1);
        for (ours, values) in entry.ours.iter().zip(array.values.chunks(part.max(1))) {
            let shape = own.get(ours).map(|own| own.shape.clone()).unwrap_or_default();
            let values =
                if entry.is_map { transposed(values, values.len() / shape[0].max(1)) } else { values.to_vec() };
            arrays.insert(ours.clone(), Array { shape, values });
        }
    }
    match tensors.keys().find(|name| !published.iter().any(|entry| entry.name == **name)) {
        Some(name) => Err(ParameterError::Unknown { name: name.clone() }),
        None => Ok(arrays),
    }
}

/// `[row, column]` as `[column, row]`.
fn transposed(values: &[f32], n_rows: usize) -> Vec<f32> {
    let n_columns = values.len() / n_rows.max(1);
    (0..values.len()).map(|index| values[index % n_rows * n_columns + index / n_rows]).collect()
}

#[cfg(test)]
mod tests {
    use rand::RngExt;

    use super::*;

    /// A checkpoint of random numbers with the published names and shapes.
    fn checkpoint(config: &LewmConfig) -> BTreeMap<String, Array> {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let array = |entry: Published| {
            let values = (0..entry.shape.iter().product()).map(|_| rng.random_range(0.1..1.0)).collect();
            (entry.name, Array { shape: entry.shape, values })
        };
        published(config).into_iter().map(array).collect()
    }

    fn small() -> LewmConfig {
        let mut config = LewmConfig::default();
        config.encoder = ImageEncoderConfig { size: 8, patch: 4, width: 6, depth: 1, mlp_width: 10, ..config.encoder };
        (config.projector_hidden, config.actions.hidden) = (7, 9);
        config.predictor = PredictorConfig { depth: 1, mlp_width: 5, ..config.predictor };
        config.history = HistoryConfig { heads: 2, head_width: 4, ..config.history };
        config
    }

    #[test]
    fn the_published_model_has_303_tensors_and_18_034_478_parameters() {
        let config = LewmConfig::default();
        let list = published(&config);
        assert_eq!(list.len(), 303);
        let is_trained = |entry: &&Published| !entry.name.contains("running") && !entry.ours.is_empty();
        let n_values = |entry: &Published| entry.shape.iter().product::<usize>();
        assert_eq!(list.iter().filter(is_trained).map(n_values).sum::<usize>(), 18_034_478);
    }

    #[test]
    fn a_checkpoint_of_the_published_names_and_shapes_is_imported_whole() {
        let (config, device) = (LewmConfig::default(), Device::flex());
        let tensors = checkpoint(&config);
        let model = Lewm::from_published(&tensors, &config, &device).unwrap();
        let own = parameters(&model);
        // One of each kind: a window of a crop, a map, a third of three maps, a norm.
        let value = |name: &str, index: [usize; 2]| {
            let Array { shape, values } = &own[name];
            values[index[0] * shape.get(1).copied().unwrap_or(1) + index[1]]
        };
        let patches = &tensors["encoder.embeddings.patch_embeddings.projection.weight"].values;
        assert_eq!(value("encoder.patches.weight", [200, 11]), patches[11 * 588 + 200]);
        let expand = &tensors["encoder.encoder.layer.7.intermediate.dense.weight"].values;
        assert_eq!(value("encoder.blocks.7.expand.weight", [5, 700]), expand[700 * 192 + 5]);
        let qkv = &tensors["predictor.transformer.layers.2.attn.to_qkv.weight"].values;
        assert_eq!(value("predictor.blocks.2.attention.key.weight", [9, 1000]), qkv[(1024 + 1000) * 192 + 9]);
        let running = &tensors["pred_proj.net.1.running_var"].values;
        assert_eq!(value("predictor.projector.batch_norm.running_variance", [0, 77]), running[77]);
        let latents = model.encode(Tensor::ones([1, 3 * 224 * 224], &device));
        let predicted = model.predict(latents.reshape([1, 1, 192]), Tensor::ones([1, 1, 10], &device));
        assert!(predicted.into_data().try_to_vec::<f32>().unwrap().iter().all(|value| value.is_finite()));
    }

    #[test]
    fn models_of_other_actions_are_known_by_their_shapes() {
        let actions = ActionConfig { inputs: 25, smoothed: 12, hidden: 700 };
        let history = HistoryConfig { length: 2, ..LewmConfig::default().history };
        let config = LewmConfig { actions, history, ..LewmConfig::default() };
        assert_eq!(LewmConfig::of_published(&checkpoint(&config)), config);
        assert_eq!(LewmConfig::of_published(&BTreeMap::new()), LewmConfig::default());
    }

    #[test]
    fn refuses_missing_extra_and_misshapen_tensors_by_their_names() {
        let config = small();
        let error = |change: &dyn Fn(&mut BTreeMap<String, Array>)| {
            let mut tensors = checkpoint(&config);
            change(&mut tensors);
            Lewm::from_published(&tensors, &config, &Device::flex()).map(|_| ()).unwrap_err()
        };
        let name = "predictor.transformer.layers.0.attn.to_qkv.weight".to_owned();
        let missing = error(&|tensors| drop(tensors.remove(&name)));
        assert_eq!(missing, ParameterError::Missing { name: name.clone(), expected: vec![24, 6] });
        let shape = error(&|tensors| tensors.get_mut(&name).unwrap().shape = vec![6, 24]);
        assert_eq!(shape, ParameterError::Shape { name: name.clone(), found: vec![6, 24], expected: vec![24, 6] });
        let counter = error(&|tensors| drop(tensors.remove("projector.net.1.num_batches_tracked")));
        assert!(matches!(counter, ParameterError::Missing { .. }), "{counter}");
        let extra = error(&|tensors| {
            tensors.insert("encoder.pooler.dense.weight".into(), Array { shape: vec![1], values: vec![0.0] });
        });
        assert_eq!(extra, ParameterError::Unknown { name: "encoder.pooler.dense.weight".into() });
    }

    #[test]
    fn the_model_for_training_and_for_use_takes_the_same_pictures() {
        let (config, device) = (small(), Device::flex());
        let model = Lewm::from_published(&checkpoint(&config), &config, &device).unwrap();
        let pictures = Tensor::<2>::ones([4, 3 * 64], &device);
        let mut noise = Noise { rng: ChaCha8Rng::seed_from_u64(1) };
        let (latents, statistics) = model.encode_train(pictures.clone(), &mut noise);
        assert!(statistics.is_some());
        assert_eq!(latents.dims(), model.encode(pictures).dims());
        let (latents, actions) = (latents.reshape([2, 2, 6]), Tensor::<3>::ones([2, 2, 10], &device));
        let (predicted, statistics) = model.predict_train(latents.clone(), actions.clone(), &mut noise);
        assert!(statistics.is_some());
        assert_eq!(predicted.dims(), model.predict(latents, actions).dims());
    }
}
