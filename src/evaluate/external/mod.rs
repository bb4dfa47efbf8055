//! Scores of anybody's predictions against anybody's measurements, without a run: two files in, a table out.
//!
//! What counts is the change from the control: truth $\delta_p$ and prediction $\hat\delta_p$ are differences of the profile of a
//! perturbation from that of the truth's control, on both sides, so that a control that comes with predictions changes
//! nothing. Each metric stands between two anchors: the mean response of the context is 0, a technical duplicate (one random
//! half of the truth's rows as the prediction of the other) is 1.

mod agreement;
mod anchors;
mod cell_metrics;
mod cells;
mod deltas;
mod differential;
mod discrimination;
mod distances;
mod energy;
mod expression;
mod jackknife;
mod matched;
mod metric;
mod sums;
mod table;

use super::{Bootstrap, EvaluateError};
use crate::load::Responses;

pub use self::metric::Metric;
pub use self::table::{ExternalItem, ExternalRow, ExternalScores};

use self::deltas::{Deltas, Truth};
use self::matched::Matched;

/// How predictions are scored.
#[derive(Debug, Clone, Default)]
pub struct ExternalSettings {
    /// How intervals are drawn; its seed also parts rows into halves.
    pub bootstrap: Bootstrap,
    /// Whether less than half of the truth's features may be shared.
    pub few_features: bool,
}

/// Whose responses are scored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Predictor {
    /// The file of predictions.
    Predictions,
    /// The mean over the other perturbations of the context.
    MeanResponse,
    /// The control.
    NoChange,
    /// The other half of the truth's rows.
    Duplicate,
}

impl Predictor {
    /// Its name in tables.
    pub fn word(self) -> &'static str {
        match self {
            Self::Predictions => "predictions",
            Self::MeanResponse => "mean_response",
            Self::NoChange => "no_change",
            Self::Duplicate => "duplicate",
        }
    }
}

/// Scores `predicted` against `truth`.
///
/// # Errors
/// If the files do not fit together, lack a control, or hold something that is not a number.
pub fn score_responses(
    truth: &Responses,
    predicted: &Responses,
    settings: &ExternalSettings,
) -> Result<ExternalScores, EvaluateError> {
    let matched = Matched::of(truth, predicted, settings.few_features)?;
    let mut scored = anchors::Scored::new(&matched);
    let of_truth = Truth::read(truth, &matched, settings.bootstrap.seed)?;
    let of_predictions = Deltas::of_predictions(predicted, &matched, &of_truth)?;
    agreement::add(&mut scored, &matched, &of_truth, &of_predictions);
    discrimination::add(&mut scored, &matched, &of_truth, &of_predictions);
    let note = cell_metrics::add(
        &mut scored,
        &matched,
        (&of_truth, &of_predictions),
        [truth, predicted],
        settings.bootstrap.seed,
    )?;
    table::summarize(scored, &matched, &of_truth, settings, note)
}

#[cfg(test)]
mod tests;
