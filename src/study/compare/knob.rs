//! The objectives that are compared, each with three values of the knob that it depends on most.

use std::fmt;
use std::str::FromStr;

use crate::loss::{SigregConfig, VicregConfig};
use crate::train::{EmaConfig, Objective, TrainConfig};

/// An objective in a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Contender {
    /// Prediction and SIGReg.
    Lewm,
    /// An EMA teacher.
    Ema,
    /// Prediction, variance and covariance.
    Vicreg,
    /// An encoder of random weights, or of the run in `train.from`.
    Frozen,
}

impl Contender {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 4] = [Self::Lewm, Self::Ema, Self::Vicreg, Self::Frozen];

    /// Its name, as `train.objective` has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lewm => "lewm",
            Self::Ema => "ema",
            Self::Vicreg => "vicreg",
            Self::Frozen => "frozen",
        }
    }

    /// Three values of its knob: as the configuration has it, or by default, with one below and one above.
    pub(super) fn knobs(self, config: &TrainConfig) -> Vec<Knob> {
        let values = match self {
            Self::Lewm => {
                let lambda = sigreg_of(config).lambda;
                [0.4 * lambda, lambda, 2.5 * lambda]
            }
            // The momentum of I-JEPA, and two of teachers that follow faster.
            Self::Ema => [0.9, 0.99, EmaConfig::default().momentum],
            Self::Vicreg => {
                let variance = vicreg_of(config).variance;
                [0.2 * variance, variance, 5.0 * variance]
            }
            // Nothing holds latents apart that could be weighted: only how the predictor learns.
            Self::Frozen => [0.3, 1.0, 3.0].map(|factor| factor * config.learning_rate),
        };
        values.into_iter().map(|value| Knob { contender: self, value: rounded(value) }).collect()
    }
}

impl FromStr for Contender {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.map(Self::name);
        let found = Self::ALL.into_iter().find(|contender| contender.name() == text);
        found.ok_or_else(|| format!("objectives are {}", known.join(", ")))
    }
}

impl fmt::Display for Contender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// An objective with one value of its knob.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Knob {
    pub(super) contender: Contender,
    pub(super) value: f64,
}

impl Knob {
    /// The knob and its value, as a table shows them.
    pub(super) fn in_words(&self) -> String {
        let name = match self.contender {
            Contender::Lewm => "lambda",
            Contender::Ema => "momentum",
            Contender::Vicreg => "variance",
            Contender::Frozen => "rate",
        };
        format!("{name}={}", self.value)
    }

    /// The settings of one model of this objective, from `seed`.
    pub(super) fn set(&self, config: &TrainConfig, seed: u64) -> TrainConfig {
        let objective = match self.contender {
            Contender::Lewm => Objective::Lewm(SigregConfig { lambda: self.value, ..sigreg_of(config) }),
            Contender::Ema => Objective::Ema(EmaConfig { momentum: self.value }),
            Contender::Vicreg => {
                let own = vicreg_of(config);
                let covariance = own.covariance * self.value / own.variance;
                Objective::Vicreg(VicregConfig { variance: self.value, covariance })
            }
            Contender::Frozen => Objective::Frozen,
        };
        let learning_rate = if self.contender == Contender::Frozen { self.value } else { config.learning_rate };
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
        for contender in Contender::ALL {
            let knobs = contender.knobs(&config);
            let mut words: Vec<String> = knobs.iter().map(Knob::in_words).collect();
            words.dedup();
            assert_eq!(words.len(), 3, "{words:?}");
            assert!(knobs.iter().all(|knob| knob.set(&config, 7).objective.name() == contender.name()));
            assert_eq!(contender.name().parse(), Ok(contender));
        }
        let words: Vec<String> = Contender::Lewm.knobs(&config).iter().map(Knob::in_words).collect();
        assert_eq!(words, ["lambda=0.02", "lambda=0.05", "lambda=0.125"]);
    }

    #[test]
    fn a_trial_is_one_model_of_its_own_seed() {
        let config = TrainConfig { members: 5, ..TrainConfig::default() };
        let set = Knob { contender: Contender::Vicreg, value: 5.0 }.set(&config, 9);
        assert_eq!((set.members, set.seed), (1, 9));
        assert_eq!(set.objective, Objective::Vicreg(VicregConfig { variance: 5.0, covariance: 0.2 }));
    }
}
