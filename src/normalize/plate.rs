//! Center and scale of each plate, from its own negative controls.
//!
//! What is fitted is only what is pooled: the shrinkage target and the floor, `[feature]` each, from training controls.
//! The center and the plate's share of the scale are taken anew from the controls of whatever screen is normalized.

use std::collections::BTreeMap;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{NormalizeError, PerPlate};
use crate::linear::median;
use crate::linear::numbers::Numbers;
use crate::screen::{FeatureMatrix, Role, Screen};

/// No scale is smaller than this part of the feature's typical standard deviation among the controls of one plate.
///
/// Where more than half of a plate's controls share one value the MAD is 0, and dividing by it would explode; there the
/// standard deviation takes its place, and where that is 0 too, the scale of the other plates. So what is left for the
/// floor are scales that are small by chance, of two controls nearly equal. The typical deviation is the mean over the
/// training plates, so it is 0 only where every plate's controls are constant; such features are left out. One part in a
/// hundred is too small to touch a feature whose MAD means something.
const FLOOR: f64 = 0.01;

/// Features that one task summarizes at a time.
const BLOCK: usize = 256;

/// Which center and scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Estimator {
    Mean,
    Median,
}

/// The fitted first step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "statistics", rename_all = "snake_case")]
pub(super) enum PlateStep {
    /// Values stay as they are.
    Untouched {},
    /// Center and scale come from each plate's negative controls.
    Controls { estimator: Estimator, shrink: f64, pooled: Numbers, floor: Numbers },
    /// One center and one scale for all plates, fitted on training wells.
    Fixed { center: Numbers, scale: Numbers },
}

/// Center and scale of each feature.
pub(super) type Scales = (Vec<f64>, Vec<f64>);

/// Why a feature cannot be scaled; `None` where it can, one for each feature.
pub(super) type Unusable = Vec<Option<&'static str>>;

impl PlateStep {
    /// Fits the pooled numbers on `training` rows; `has_controls` says which of the two ways.
    pub(super) fn fit(
        screen: &Screen,
        training: &[usize],
        settings: &PerPlate,
        has_controls: bool,
    ) -> Result<(Self, Unusable), NormalizeError> {
        let (estimator, shrink) = match *settings {
            PerPlate::None {} => return Ok((Self::Untouched {}, vec![None; screen.features.n_features()])),
            PerPlate::Standardize { shrink } => (Estimator::Mean, shrink),
            PerPlate::Robust { shrink } => (Estimator::Median, shrink),
        };
        if has_controls {
            Self::fit_on_controls(screen, training, estimator, shrink)
        } else {
            Ok(Self::fit_on_wells(screen, training, estimator))
        }
    }

    fn fit_on_controls(
        screen: &Screen,
        training: &[usize],
        estimator: Estimator,
        shrink: f64,
    ) -> Result<(Self, Unusable), NormalizeError> {
        let mut rows_by_plate = BTreeMap::<&str, Vec<usize>>::new();
        for &row in training {
            let unit = screen.unit(row);
            if unit.role == Role::NegativeControl {
                rows_by_plate.entry(&unit.plate).or_default().push(row);
            }
        }
        let plates: Vec<Vec<usize>> = rows_by_plate.into_values().filter(|rows| rows.len() >= 2).collect();
        if plates.is_empty() {
            return Err(NormalizeError::NoTrainingControls { screen: screen.name.clone() });
        }
        let features = screen.features.in_memory();
        let summaries: Vec<Vec<Summary>> =
            plates.par_iter().map(|rows| summarize(&features, rows, estimator, None, 2)).collect();
        let n_features = features.n_features();
        let mut pooled = Vec::with_capacity(n_features);
        let mut floor = Vec::with_capacity(n_features);
        let mut unusable = Vec::with_capacity(n_features);
        for feature in 0..n_features {
            let of_plates = || summaries.iter().map(|plate| plate[feature]).filter(|summary| summary.scale.is_finite());
            let n_plates = of_plates().count() as f64;
            let mut scales: Vec<f64> = of_plates().map(|summary| summary.scale).filter(|&scale| scale > 0.0).collect();
            let deviation = of_plates().map(|summary| summary.deviation).sum::<f64>() / n_plates;
            let largest = of_plates().map(|summary| summary.largest).fold(0.0, f64::max);
            let constant = "constant in the negative controls of every training plate";
            unusable.push(reason_against(deviation, largest, constant));
            pooled.push(median(&mut scales));
            floor.push(FLOOR * deviation);
        }
        Ok((Self::Controls { estimator, shrink, pooled: Numbers(pooled), floor: Numbers(floor) }, unusable))
    }

    /// A relative screen keeps its zero, which is the untreated state, so its spread is taken about zero.
    fn fit_on_wells(screen: &Screen, training: &[usize], estimator: Estimator) -> (Self, Unusable) {
        let origin = screen.untreated_rows().is_none().then_some(0.0);
        let summaries = summarize(&screen.features.in_memory(), training, estimator, origin, 2);
        let unusable = summaries
            .iter()
            .map(|summary| reason_against(summary.deviation, summary.largest, "constant in the training wells"))
            .collect();
        let center = summaries.iter().map(|summary| summary.center).collect();
        let scale = summaries.iter().map(|summary| summary.scale.max(FLOOR * summary.deviation)).collect();
        (Self::Fixed { center: Numbers(center), scale: Numbers(scale) }, unusable)
    }

    /// The same step for the features at `columns` only.
    pub(super) fn select(&self, columns: &[usize]) -> Self {
        let pick = |numbers: &Numbers| Numbers(columns.iter().map(|&column| numbers[column]).collect());
        match self {
            Self::Untouched {} => Self::Untouched {},
            Self::Controls { estimator, shrink, pooled, floor } => {
                Self::Controls { estimator: *estimator, shrink: *shrink, pooled: pick(pooled), floor: pick(floor) }
            }
            Self::Fixed { center, scale } => Self::Fixed { center: pick(center), scale: pick(scale) },
        }
    }

    /// Whether the step was fitted for `n_features` features.
    pub(super) fn fits(&self, n_features: usize) -> bool {
        match self {
            Self::Untouched {} => true,
            Self::Controls { pooled: one, floor: other, .. } | Self::Fixed { center: one, scale: other } => {
                one.len() == n_features && other.len() == n_features
            }
        }
    }

    /// The scaled rows at `rows`; `features` holds the step's columns for every observation of `screen`.
    ///
    /// A feature that is missing in all controls of a plate is missing in all its wells.
    pub(super) fn apply(
        &self,
        screen: &Screen,
        features: &FeatureMatrix,
        rows: &[usize],
    ) -> Result<FeatureMatrix, NormalizeError> {
        match self {
            Self::Untouched {} => Ok(features.select_rows(rows)),
            Self::Fixed { center, scale } => {
                let only = [(center.to_vec(), scale.to_vec())];
                Ok(scale_rows(features, rows, &only, &vec![0; rows.len()]))
            }
            Self::Controls { .. } => {
                let (plates, plate_of_row) = plates_of(screen, rows);
                Ok(scale_rows(features, rows, &self.of_plates(screen, features, &plates)?, &plate_of_row))
            }
        }
    }

    /// Center and scale of each of `plates`, `[feature]` each; `features` holds the step's columns for every observation.
    pub(super) fn of_plates(
        &self,
        screen: &Screen,
        features: &FeatureMatrix,
        plates: &[&str],
    ) -> Result<Vec<Scales>, NormalizeError> {
        let (estimator, shrink, pooled, floor) = match self {
            Self::Untouched {} => {
                let n_features = features.n_features();
                return Ok(vec![(vec![0.0; n_features], vec![1.0; n_features]); plates.len()]);
            }
            Self::Fixed { center, scale } => return Ok(vec![(center.to_vec(), scale.to_vec()); plates.len()]),
            Self::Controls { estimator, shrink, pooled, floor } => (*estimator, *shrink, pooled, floor),
        };
        let needed = if shrink == 1.0 { 1 } else { 2 };
        let mut controls = screen.controls_by_plate();
        let control_rows: Vec<Vec<usize>> =
            plates.iter().map(|&plate| controls.remove(plate).unwrap_or_default()).collect();
        if let Some(index) = control_rows.iter().position(|rows| rows.len() < needed) {
            let (plate, found) = (plates[index].to_owned(), control_rows[index].len());
            return Err(NormalizeError::TooFewControls { plate, found, needed });
        }
        let of_plate = |rows: &Vec<usize>| {
            let summaries = summarize(features, rows, estimator, None, needed);
            let center = summaries.iter().map(|summary| summary.center).collect();
            let blended = summaries.iter().enumerate().map(|(feature, summary)| {
                // Controls that are constant on one plate say nothing of its scale.
                let own = if summary.scale == 0.0 { pooled[feature] } else { summary.scale };
                let own = if shrink == 1.0 { 0.0 } else { (1.0 - shrink) * own };
                let shared = if shrink == 0.0 { 0.0 } else { shrink * pooled[feature] };
                (own + shared).max(floor[feature])
            });
            (center, blended.collect())
        };
        Ok(control_rows.par_iter().map(of_plate).collect())
    }
}

fn reason_against(deviation: f64, largest: f64, constant: &'static str) -> Option<&'static str> {
    if deviation.is_nan() {
        Some("missing wherever its scale would be fitted")
    } else if deviation <= f64::from(f32::EPSILON) * largest {
        Some(constant)
    } else {
        None
    }
}

/// The plates of `rows` in order of name, and each row's place among them.
fn plates_of<'a>(screen: &'a Screen, rows: &[usize]) -> (Vec<&'a str>, Vec<usize>) {
    let mut plates: Vec<&str> = rows.iter().map(|&row| screen.unit(row).plate.as_str()).collect();
    plates.sort_unstable();
    plates.dedup();
    let place =
        |&row: &usize| plates.binary_search(&screen.unit(row).plate.as_str()).expect("every row's plate was collected");
    let plate_of_row = rows.iter().map(place).collect();
    (plates, plate_of_row)
}

fn scale_rows(
    features: &FeatureMatrix,
    rows: &[usize],
    center_and_scale: &[(Vec<f64>, Vec<f64>)],
    place: &[usize],
) -> FeatureMatrix {
    let n_features = features.n_features();
    let mut values = vec![0.0f32; rows.len() * n_features];
    values.par_chunks_mut(n_features.max(1)).zip(rows).zip(place).for_each(|((out, &row), &place)| {
        let (center, scale) = &center_and_scale[place];
        for (((out, &value), center), scale) in out.iter_mut().zip(features.row(row)).zip(center).zip(scale) {
            *out = ((f64::from(value) - center) / scale) as f32;
        }
    });
    FeatureMatrix::new(features.names().to_vec(), values)
}

/// One feature over some rows.
#[derive(Debug, Clone, Copy)]
struct Summary {
    center: f64,
    /// Standard deviation or 1.4826 MAD, as the estimator says; the deviation where the MAD is 0.
    scale: f64,
    /// Standard deviation about the center, whatever the estimator.
    deviation: f64,
    /// Largest absolute value.
    largest: f64,
}

/// Summaries of each feature's finite values over `rows`, about `origin` if one is given; NaN where fewer than `needed`.
fn summarize(
    features: &FeatureMatrix,
    rows: &[usize],
    estimator: Estimator,
    origin: Option<f64>,
    needed: usize,
) -> Vec<Summary> {
    let n_features = features.n_features();
    let blocks: Vec<usize> = (0..n_features).step_by(BLOCK).collect();
    let of_block = |&start: &usize| {
        let width = BLOCK.min(n_features - start);
        let mut columns = vec![0.0; width * rows.len()];
        for (index, &row) in rows.iter().enumerate() {
            for (column, &value) in features.row(row)[start..start + width].iter().enumerate() {
                columns[column * rows.len() + index] = f64::from(value);
            }
        }
        let mut finite = Vec::with_capacity(rows.len());
        let mut summaries = Vec::with_capacity(width);
        for column in columns.chunks_exact(rows.len()) {
            finite.clear();
            finite.extend(column.iter().copied().filter(|value| value.is_finite()));
            summaries.push(if finite.len() < needed {
                Summary { center: f64::NAN, scale: f64::NAN, deviation: f64::NAN, largest: f64::NAN }
            } else {
                summarize_column(&mut finite, estimator, origin)
            });
        }
        summaries
    };
    blocks.par_iter().flat_map_iter(of_block).collect()
}

fn summarize_column(values: &mut [f64], estimator: Estimator, origin: Option<f64>) -> Summary {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let about = origin.unwrap_or(mean);
    let deviation = (values.iter().map(|value| (value - about).powi(2)).sum::<f64>() / n).sqrt();
    let largest = values.iter().fold(0.0, |largest: f64, value| largest.max(value.abs()));
    match estimator {
        Estimator::Mean => Summary { center: about, scale: deviation, deviation, largest },
        Estimator::Median => {
            let center = origin.unwrap_or_else(|| median(values));
            for value in values.iter_mut() {
                *value = (*value - center).abs();
            }
            let mad = median(values);
            // A MAD of rounding errors is 0 as well.
            let scale = if mad <= f64::from(f32::EPSILON) * largest { deviation } else { 1.4826 * mad };
            Summary { center, scale, deviation, largest }
        }
    }
}
