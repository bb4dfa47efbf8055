//! How often the intervals of a ranking held what was measured: of test treatments, by radii that calibration treatments set.

use std::collections::BTreeMap;

use super::{Bootstrap, Estimate, EvaluateError, ScoreRow};
use crate::pair::Stratum;
use crate::screen::Treatment;

/// Whether the interval of one test treatment held its measured score.
#[derive(Debug, Clone, PartialEq)]
pub struct Held {
    /// The test treatment.
    pub treatment: Treatment,
    /// What training says of it.
    pub stratum: Stratum,
    /// Whether the radius that calibration treatments of this stratum set is as large as its error.
    pub is_held: bool,
}

/// What the coverage of intervals is called in `scores.parquet`.
pub(super) const INTERVALS: &str = "intervals of the ranking";

/// The share of treatments that their intervals held; perturbations are the units.
///
/// # Errors
/// Of no treatment at all.
pub(super) fn coverage(held: &[&Held], bootstrap: &Bootstrap) -> Result<Estimate, EvaluateError> {
    let shares: Vec<f64> = held.iter().map(|held| f64::from(u8::from(held.is_held))).collect();
    let units: Vec<String> = held.iter().map(|held| held.treatment.intervention.perturbation_names()).collect();
    bootstrap.share(&shares, &units)
}

/// The coverage in all and of each stratum.
///
/// # Errors
/// None that can be met with here.
pub(super) fn coverage_rows(held: &[Held], alpha: f64, bootstrap: &Bootstrap) -> Result<Vec<ScoreRow>, EvaluateError> {
    let mut groups = BTreeMap::<&str, Vec<&Held>>::new();
    for one in held {
        groups.entry("all").or_default().push(one);
        groups.entry(one.stratum.word()).or_default().push(one);
    }
    let note = format!("{:.0} % are promised", 100.0 * (1.0 - alpha));
    let row = |(subset, held): (&str, Vec<&Held>)| {
        let found = coverage(&held, bootstrap)?;
        Ok(ScoreRow::new(INTERVALS, subset, "intervals", "coverage", &found).with_note(&note))
    };
    groups.into_iter().map(row).collect()
}
