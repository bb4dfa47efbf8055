//! The objectives that are compared, each with three values of the knob that it depends on most.

use crate::loss::{SigregConfig, VicregConfig};
use crate::train::{EmaConfig, Objective, ObjectiveKind, TrainConfig};

/// Three values of the knob of an objective: as the configuration has it, or by default, with one below and one above.
pub(super) fn knobs(objective: ObjectiveKind, config: &TrainConfig) -> [Knob; 3] {
    let values = match objective {
        ObjectiveKind::Lewm => {
            let lambda = sigreg_of(config).lambda;
            [0.4 * lambda, lambda, 2.5 * lambda]
        }
        // The momentum of I-JEPA, and two of teachers that follow faster.
        ObjectiveKind::Ema => [0.9, 0.99, EmaConfig::default().momentum],
        ObjectiveKind::Vicreg => {
            let variance = vicreg_of(config).variance;
            [0.2 * variance, variance, 5.0 * variance]
        }
        // Nothing holds latents apart that could be weighted: only how the predictor learns.
        ObjectiveKind::Frozen => [0.3, 1.0, 3.0].map(|factor| factor * config.learning_rate),
    };
    values.map(|value| Knob { objective, value: rounded(value) })
}

/// An objective with one value of its knob.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Knob {
    pub(super) objective: ObjectiveKind,
    pub(super) value: f64,
}

impl Knob {
    /// The knob and its value, as a table shows them.
    pub(super) fn in_words(&self) -> String {
        let name = match self.objective {
            ObjectiveKind::Lewm => "lambda",
            ObjectiveKind::Ema => "momentum",
            ObjectiveKind::Vicreg => "variance",
            ObjectiveKind::Frozen => "rate",
        };
        format!("{name}={}", self.value)
    }

    /// The settings of one model of this objective, from `seed`.
    pub(super) fn set(&self, config: &TrainConfig, seed: u64) -> TrainConfig {
        let objective = match self.objective {
            ObjectiveKind::Lewm => Objective::Lewm(SigregConfig { lambda: self.value, ..sigreg_of(config) }),
            ObjectiveKind::Ema => Objective::Ema(EmaConfig { momentum: self.value }),
            ObjectiveKind::Vicreg => {
                let own = vicreg_of(config);
                let covariance = own.covariance * self.value / own.variance;
                Objective::Vicreg(VicregConfig { variance: self.value, covariance })
            }
            ObjectiveKind::Frozen => Objective::Frozen,
        };
        let learning_rate = if self.objective == ObjectiveKind::Frozen { self.value } else { config.learning_rate };
        TrainConfig { objective, learning_rate, seed, members: 1, ..config.clone() }
    }
}

fn sigreg_of(config: &TrainConfig) -> SigregConfig {
    match &config.objective {
        Objective::Lewm(sigreg) => sigreg.clone(),
        _ => SigregConfig::default(),
    }
}

fn vicreg_of(config: &TrainConfig) -> VicregConfig {
    match &config.objective {
        Objective::Vicreg(vicreg) => vicreg.clone(),
        _ => VicregConfig::default(),
    }
}

/// To three digits, so that files and tables name a value in few.
fn rounded(value: f64) -> f64 {
    format!("{value:.2e}").parse().expect("a number is read back")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_objective_has_as_many_values_of_its_knob_as_any_other() {
        let config = TrainConfig::default();
        for kind in ObjectiveKind::ALL {
            let knobs = knobs(kind, &config);
            let mut words: Vec<String> = knobs.iter().map(Knob::in_words).collect();
            words.dedup();
            assert_eq!(words.len(), 3, "{words:?}");
            assert!(knobs.iter().all(|knob| knob.set(&config, 7).objective.kind() == kind));
            assert_eq!(kind.name().parse(), Ok(kind));
        }
        let words: Vec<String> = knobs(ObjectiveKind::Lewm, &config).iter().map(Knob::in_words).collect();
        assert_eq!(words, ["lambda=0.02", "lambda=0.05", "lambda=0.125"]);
    }

    #[test]
    fn a_trial_is_one_model_of_its_own_seed() {
        let config = TrainConfig { members: 5, ..TrainConfig::default() };
        let set = Knob { objective: ObjectiveKind::Vicreg, value: 5.0 }.set(&config, 9);
        assert_eq!((set.members, set.seed), (1, 9));
        assert_eq!(set.objective, Objective::Vicreg(VicregConfig { variance: 5.0, covariance: 0.2 }));
    }
}
