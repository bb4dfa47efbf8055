//! Settings of training.

use std::path::PathBuf;

use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};

use super::objective::{EmaConfig, Objective, ObjectiveKind};
use crate::loss::{SigregConfig, VicregConfig};

/// Settings of training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Written")]
pub struct TrainConfig {
    /// The run folder whose members' weights this one starts from; `None` starts from random weights.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<PathBuf>,
    /// Seed of every random draw; members of the ensemble derive theirs from it.
    pub seed: u64,
    /// Models trained from different seeds, whose predictions are averaged and whose spread is reported.
    pub members: usize,
    /// Optimizer steps.
    pub steps: usize,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Share of the steps over which the learning rate rises linearly; after it falls as a cosine to zero.
    pub warmup: f64,
    /// Decoupled weight decay of AdamW.
    pub weight_decay: f64,
    /// Largest global gradient norm.
    pub clip: f64,
    /// Parts a batch is computed in; the gradient is that of the whole batch. Needs `model.projector.norm = "layer"`.
    pub micro_batches: usize,
    /// Steps between readings of the losses.
    pub log_every: usize,
    /// Steps between evaluations on the validation treatments.
    pub evaluate_every: usize,
    /// Evaluations without improvement after which training stops; 0 runs all steps and keeps the last weights.
    pub patience: usize,
    /// Steps between checkpoints.
    pub checkpoint_every: usize,
    /// What is minimized.
    #[serde(flatten)]
    pub objective: Objective,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self::try_from(Written::default()).expect("defaults are of one objective")
    }
}

/// The same as it stands in a configuration: the objective by its name, its settings in a section of that objective.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Written {
    from: Option<PathBuf>,
    seed: u64,
    members: usize,
    steps: usize,
    learning_rate: f64,
    warmup: f64,
    weight_decay: f64,
    clip: f64,
    micro_batches: usize,
    log_every: usize,
    evaluate_every: usize,
    patience: usize,
    checkpoint_every: usize,
    objective: ObjectiveKind,
    sigreg: Option<SigregConfig>,
    ema: Option<EmaConfig>,
    vicreg: Option<VicregConfig>,
}

impl Serialize for Objective {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut written = serializer.serialize_struct("Objective", 2)?;
        written.serialize_field("objective", &self.kind())?;
        match self {
            Self::Lewm(sigreg) => written.serialize_field("sigreg", sigreg)?,
            Self::Ema(ema) => written.serialize_field("ema", ema)?,
            Self::Vicreg(vicreg) => written.serialize_field("vicreg", vicreg)?,
            Self::Frozen => {}
        }
        written.end()
    }
}

impl Default for Written {
    fn default() -> Self {
        Self {
            from: None,
            seed: 1,
            members: 3,
            steps: 600,
            learning_rate: 2e-3,
            warmup: 0.05,
            weight_decay: 1e-3,
            clip: 1.0,
            micro_batches: 1,
            log_every: 20,
            evaluate_every: 50,
            patience: 0,
            checkpoint_every: 100,
            objective: ObjectiveKind::Lewm,
            sigreg: None,
            ema: None,
            vicreg: None,
        }
    }
}

/// Settings of an objective that is not the one trained with.
#[derive(Debug, thiserror::Error)]
#[error(
    "[train.{section}] has no effect with train.objective = \"{objective}\"; delete the section, or set train.objective = \"{other}\""
)]
struct OtherObjective {
    section: &'static str,
    objective: &'static str,
    other: &'static str,
}

impl TryFrom<Written> for TrainConfig {
    type Error = OtherObjective;

    fn try_from(written: Written) -> Result<Self, OtherObjective> {
        let Written {
            from,
            seed,
            members,
            steps,
            learning_rate,
            warmup,
            weight_decay,
            clip,
            micro_batches,
            log_every,
            evaluate_every,
            patience,
            checkpoint_every,
            objective,
            sigreg,
            ema,
            vicreg,
        } = written;
        let sections = [
            (ObjectiveKind::Lewm, "sigreg", sigreg.is_some()),
            (ObjectiveKind::Ema, "ema", ema.is_some()),
            (ObjectiveKind::Vicreg, "vicreg", vicreg.is_some()),
        ];
        if let Some((other, section, _)) = sections.iter().find(|(kind, _, is_there)| *is_there && *kind != objective) {
            return Err(OtherObjective { section, objective: objective.name(), other: other.name() });
        }
        let objective = match objective {
            ObjectiveKind::Lewm => Objective::Lewm(sigreg.unwrap_or_default()),
            ObjectiveKind::Ema => Objective::Ema(ema.unwrap_or_default()),
            ObjectiveKind::Vicreg => Objective::Vicreg(vicreg.unwrap_or_default()),
            ObjectiveKind::Frozen => Objective::Frozen,
        };
        Ok(Self {
            from,
            seed,
            members,
            steps,
            learning_rate,
            warmup,
            weight_decay,
            clip,
            micro_batches,
            log_every,
            evaluate_every,
            patience,
            checkpoint_every,
            objective,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_objective_is_its_name_and_its_section() {
        let read = |text: &str| toml::from_str::<TrainConfig>(text);
        assert_eq!(read("").unwrap().objective, Objective::Lewm(SigregConfig::default()));
        let ema = read("objective = \"ema\"\nema.momentum = 0.99").unwrap();
        assert_eq!(ema.objective, Objective::Ema(EmaConfig { momentum: 0.99 }));
        let others =
            ["objective = \"vicreg\"\nvicreg.variance = 5.0", "objective = \"frozen\""].map(|text| read(text).unwrap());
        for config in [TrainConfig::default(), ema].into_iter().chain(others) {
            assert_eq!(read(&toml::to_string(&config).unwrap()).unwrap(), config);
        }
        let error = read("objective = \"ema\"\nsigreg.lambda = 0.1").unwrap_err().to_string();
        assert!(error.contains("[train.sigreg] has no effect with train.objective = \"ema\""), "{error}");
        let error = read("objective = \"frozen\"\nvicreg.variance = 2.0").unwrap_err().to_string();
        assert!(error.contains("or set train.objective = \"vicreg\""), "{error}");
        let error = read("ema.momentum = 0.9").unwrap_err().to_string();
        assert!(error.contains("[train.ema] has no effect with train.objective = \"lewm\""), "{error}");
    }
}
