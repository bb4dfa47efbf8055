//! Predicted profiles, and who is asked for them.

use std::collections::BTreeMap;

use super::{Method, PredictError};
use crate::screen::{FeatureMatrix, Treatment};

/// Predicted profiles of treatments, by the model or by a baseline.
///
/// Rows of `profiles` follow `treatments`; those that the method abstains from stand apart.
#[derive(Debug, Clone)]
pub struct Predictions {
    /// Who predicts.
    pub method: Method,
    /// What is predicted, in the order of the rows.
    pub treatments: Vec<Treatment>,
    /// Predicted consensus profiles, `[treatment, feature]`, on the scale of the normalized screen.
    pub profiles: FeatureMatrix,
    /// What was asked for and is not predicted, each with the reason.
    pub abstained: Vec<(Treatment, Abstains)>,
}

impl Predictions {
    /// Of nothing, on the scale of `features`.
    pub fn none(method: Method, features: &[String]) -> Self {
        let profiles = FeatureMatrix::new(features.to_vec(), Vec::new());
        Self { method, treatments: Vec::new(), profiles, abstained: Vec::new() }
    }

    /// Which of `asked` are predicted, in the order of the rows, and which are not, with the reasons; both are as they were
    /// asked of [`Predictor::predict`].
    pub fn parted(&self, asked: &[Treatment]) -> (Vec<usize>, Vec<(usize, Abstains)>) {
        let (mut placed, mut missing) = (Vec::with_capacity(self.treatments.len()), Vec::new());
        let mut abstained = self.abstained.iter().peekable();
        for (index, treatment) in asked.iter().enumerate() {
            match abstained.next_if(|(missing, _)| missing == treatment) {
                Some((_, why)) => missing.push((index, why.clone())),
                None => placed.push(index),
            }
        }
        (placed, missing)
    }

    /// The row of each treatment that is predicted.
    pub fn rows(&self) -> BTreeMap<&Treatment, usize> {
        self.treatments.iter().enumerate().map(|(row, treatment)| (treatment, row)).collect()
    }
}

/// Why a method has no prediction of a treatment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Abstains {
    /// A perturbation that the model cannot place.
    #[error("`{name}` was not in training and has no descriptor")]
    UnknownPerturbation {
        /// The perturbation.
        name: String,
    },
    /// Nothing stands for untreated cells.
    #[error("context `{context}` has no negative control")]
    NoControl {
        /// The context.
        context: String,
    },
    /// Nothing was trained on there.
    #[error("no treatment of context `{context}` is in training")]
    UnknownContext {
        /// The context.
        context: String,
    },
    /// No dose to go by.
    #[error("no dose of the same perturbations is in training, in its context and for as long")]
    NoDose,
    /// Not a sum of what is known.
    #[error("it is not a combination whose members are all in training")]
    NoMembers,
    /// Not known from elsewhere.
    #[error("it is not in training in another context")]
    NoOtherContext,
    /// Nothing alike.
    #[error("it is not a single described perturbation with a described neighbor in training")]
    NoNeighbor,
    /// Nothing is predicted of what was not measured.
    #[error("it was not measured in this context")]
    NotMeasured,
    /// Wells of it, or training wells like them, are not known.
    #[error("it has no well, or no training well is like its wells")]
    NoWell,
    /// None of the methods that are combined says anything.
    #[error("no method that is combined says anything of it")]
    NoMethod,
}

/// A method that may be asked of any treatment.
pub trait Predictor {
    /// Which method it is.
    fn method(&self) -> Method;

    /// Predictions of those of `treatments` that it says something about, in their order, and in it too those that it
    /// abstains from.
    ///
    /// # Errors
    /// When there is nothing to start from.
    fn predict(&self, treatments: &[Treatment]) -> Result<Predictions, PredictError>;
}
