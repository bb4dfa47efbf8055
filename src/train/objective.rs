//! What training minimizes, and what that needs from step to step.

use std::fmt;
use std::str::FromStr;

use burn::tensor::{Device, Tensor};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::loss::{self, SigregConfig, VicregConfig};
use crate::model::{ModelConfig, ProjectorConfig, ProjectorOutput, TrainOutput, weighted};
use crate::pair::Batch;

/// What training minimizes, with the settings of that alone.
#[derive(Debug, Clone, PartialEq)]
pub enum Objective {
    /// The prediction loss, both sides live, plus SIGReg on all units of the batch: LeWorldModel's.
    Lewm(SigregConfig),
    /// The prediction loss against the latents of a teacher, an exponential moving average of encoder and projector, without
    /// gradient: the canonical JEPA's, without masks. The student's encoder is the one that embeds and ranks.
    Ema(EmaConfig),
    /// The prediction loss, both sides live, plus terms for the variance and the covariance of all units of the batch: what
    /// VICReg and PLDM hold latents apart by.
    Vicreg(VicregConfig),
    /// The prediction loss alone, with an encoder that does not learn: the one of `train.from`, or one of random weights. What
    /// an objective gains over it, its encoder has learned.
    Frozen,
}

/// An objective without its settings, by the word that a configuration has for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ObjectiveKind {
    /// [`Objective::Lewm`].
    Lewm,
    /// [`Objective::Ema`].
    Ema,
    /// [`Objective::Vicreg`].
    Vicreg,
    /// [`Objective::Frozen`].
    Frozen,
}

impl ObjectiveKind {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 4] = [Self::Lewm, Self::Ema, Self::Vicreg, Self::Frozen];

    /// The word for it in a configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lewm => "lewm",
            Self::Ema => "ema",
            Self::Vicreg => "vicreg",
            Self::Frozen => "frozen",
        }
    }
}

impl FromStr for ObjectiveKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|kind| kind.name() == text);
        found.ok_or_else(|| format!("objectives are {}", Self::ALL.map(Self::name).join(", ")))
    }
}

impl fmt::Display for ObjectiveKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Settings of the teacher.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EmaConfig {
    /// The teacher's momentum at the first step; it rises linearly to 1 at the last.
    pub momentum: f64,
}

impl Default for EmaConfig {
    fn default() -> Self {
        Self { momentum: 0.996 }
    }
}

impl EmaConfig {
    /// The momentum after `step` of `steps`, both counted from 1.
    ///
    /// # Source
    /// The linear schedule of I-JEPA, Assran et al. 2023, arXiv:2301.08243.
    pub fn momentum_after(&self, step: usize, steps: usize) -> f64 {
        self.momentum + (1.0 - self.momentum) * (step - 1) as f64 / steps as f64
    }
}

impl Objective {
    /// Which one it is.
    pub fn kind(&self) -> ObjectiveKind {
        match self {
            Self::Lewm(_) => ObjectiveKind::Lewm,
            Self::Ema(_) => ObjectiveKind::Ema,
            Self::Vicreg(_) => ObjectiveKind::Vicreg,
            Self::Frozen => ObjectiveKind::Frozen,
        }
    }

    /// Whether something in it keeps latents apart. Where nothing does, prediction pulls them together, and a network that
    /// is added to a fixed part of the latent learns to take that part away.
    pub fn keeps_apart(&self) -> bool {
        match self {
            Self::Lewm(config) => config.lambda > 0.0,
            Self::Vicreg(config) => config.variance > 0.0,
            Self::Ema(_) => false,
            Self::Frozen => true,
        }
    }

    /// The networks of `config` as this objective is defined with them: those of `ema` make latents of one length, as in
    /// I-JEPA, where targets are layer-normalized; and a linear part only where something keeps latents apart.
    pub fn networks(&self, config: &ModelConfig) -> ModelConfig {
        let by_definition = match self {
            Self::Ema(_) => ProjectorOutput::LayerNorm,
            Self::Lewm(_) | Self::Vicreg(_) | Self::Frozen => ProjectorOutput::Free,
        };
        let output = Some(config.projector.output.unwrap_or(by_definition));
        let projector = ProjectorConfig { output, ..config.projector.clone() };
        ModelConfig { linear: config.linear && self.keeps_apart(), projector, ..config.clone() }
    }

    /// Whether encoder and projector learn.
    pub(super) fn trains_encoder(&self) -> bool {
        !matches!(self, Self::Frozen)
    }

    /// The terms of a batch's loss.
    ///
    /// `teacher_units_ul` are the latents by the teacher, where there is one. SIGReg's directions are drawn from `slices`.
    pub(super) fn losses(
        &self,
        output: &TrainOutput,
        teacher_units_ul: Option<&Tensor<2>>,
        batch: &Batch,
        slices: &mut ChaCha8Rng,
        device: &Device,
    ) -> Losses {
        let units_ul = teacher_units_ul.unwrap_or(&output.units_ul);
        let target_bl = weighted(&batch.target, units_ul, batch.interventions.len());
        let prediction = loss::prediction(output.predicted_bl.clone(), target_bl);
        let regularizers = match self {
            Self::Lewm(config) => {
                let directions_lk = loss::directions(slices, output.shaped_ul.dims()[1], config.slices, device);
                let value = loss::sigreg(output.shaped_ul.clone(), directions_lk, config);
                vec![Regularizer { name: "sigreg", value, weight: loss::sigreg_weight(config, batch.n_units) }]
            }
            Self::Vicreg(VicregConfig { variance, covariance }) => {
                let of = |name, term: fn(Tensor<2>) -> Tensor<1>, weight| Regularizer {
                    name,
                    value: term(output.shaped_ul.clone()),
                    weight,
                };
                vec![of("variance", loss::variance, *variance), of("covariance", loss::covariance, *covariance)]
            }
            Self::Ema(_) | Self::Frozen => Vec::new(),
        };
        Losses { prediction, regularizers }
    }

    /// What to change where latents collapse.
    pub(super) fn advice_on_collapse(&self) -> &'static str {
        match self {
            Self::Lewm(_) => "raise train.sigreg.lambda, keep model.projector.norm = \"batch\"",
            Self::Ema(_) => {
                "nothing but the teacher's slowness holds them apart: lower train.learning_rate, or train with train.objective = \"lewm\""
            }
            Self::Vicreg(_) => "raise train.vicreg.variance",
            Self::Frozen => "the encoder does not learn: start from another one with train.from",
        }
    }
}

/// A weighted term beside the prediction loss.
#[derive(Debug)]
struct Regularizer {
    name: &'static str,
    value: Tensor<1>,
    weight: f64,
}

/// Losses of one step, still on the device.
#[derive(Debug)]
pub struct Losses {
    prediction: Tensor<1>,
    regularizers: Vec<Regularizer>,
}

impl Losses {
    /// What is minimized: the prediction loss and the weighted regularizers.
    pub(super) fn total(&self) -> Tensor<1> {
        let weighted = self.regularizers.iter().map(|term| term.value.clone().mul_scalar(term.weight));
        weighted.fold(self.prediction.clone(), |sum, term| sum + term)
    }

    /// Names and values, which waits for the device: each term, the weight of SIGReg, and the weighted sum.
    pub fn read(self) -> Vec<(&'static str, f64)> {
        let value = |tensor: Tensor<1>| f64::from(tensor.into_data().try_to_vec::<f32>().expect("losses are f32")[0]);
        let prediction = value(self.prediction);
        let mut values = vec![("prediction", prediction)];
        let mut total = prediction;
        for Regularizer { name, value: term, weight } in self.regularizers {
            let term = value(term);
            values.push((name, term));
            // Unlike other weights it depends on the batch.
            if name == "sigreg" {
                values.push(("lambda_used", weight));
            }
            total += weight * term;
        }
        values.push(("loss", total));
        values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prediction_alone_keeps_nothing_apart() {
        let lewm = |lambda: f64| Objective::Lewm(SigregConfig { lambda, ..SigregConfig::default() });
        assert!(lewm(0.05).keeps_apart() && !lewm(0.0).keeps_apart());
        let vicreg = |variance: f64| Objective::Vicreg(VicregConfig { variance, ..VicregConfig::default() });
        assert!(vicreg(1.0).keeps_apart() && !vicreg(0.0).keeps_apart());
        assert!(!Objective::Ema(EmaConfig::default()).keeps_apart());
        assert!(Objective::Frozen.keeps_apart());
    }

    #[test]
    fn networks_are_those_that_an_objective_is_defined_with_unless_others_are_asked_for() {
        let ema = Objective::Ema(EmaConfig::default());
        let plain = ModelConfig::default();
        assert_eq!(ema.networks(&plain).projector.output, Some(ProjectorOutput::LayerNorm));
        assert!(!ema.networks(&plain).linear);
        let lewm = Objective::Lewm(SigregConfig::default()).networks(&plain);
        assert_eq!((lewm.projector.output, lewm.linear), (Some(ProjectorOutput::Free), true));
        let projector = ProjectorConfig { output: Some(ProjectorOutput::Free), ..ProjectorConfig::default() };
        let asked = ModelConfig { projector, ..plain };
        assert_eq!(ema.networks(&asked).projector.output, Some(ProjectorOutput::Free));
    }
}
