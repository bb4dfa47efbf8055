//! The fitted value: what was learned from training rows, and how it is applied.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::compress::CompressStep;
use super::plate::PlateStep;
use super::select::{Removed, select_features};
use super::{Compress, NormalizeError, NormalizeSettings, RawUnits, Sphere, Sphering, Tvn, Whitening};
use crate::linear::PrincipalComponents;
use crate::screen::{FeatureMatrix, Features, Origin, Reference, Role, Screen};

/// A fitted normalization: everything pooled, from training rows only.
///
/// Written as JSON and read back it is equal to the last bit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Normalizer {
    reference: Reference,
    statistics: String,
    inputs: Vec<String>,
    outputs: Vec<String>,
    removed: Vec<Removed>,
    per_plate: PlateStep,
    compress: CompressStep,
    components: Option<PrincipalComponents>,
    sphere: SphereStep,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "method", rename_all = "snake_case")]
enum SphereStep {
    None {},
    Sphering { fitted: Sphering },
    Tvn { fitted: Tvn },
}

impl Normalizer {
    /// Fits every pooled number on `training_rows` of `screen`.
    ///
    /// Order and repetition of the rows do not matter, and empty wells among them are passed over. Training must hold
    /// negative controls where the screen has any. Controls outside training scale their own plate and nothing else.
    ///
    /// # Errors
    /// A setting out of range, a training plate with too few controls, features or rows that run out, or missing values
    /// where a step cannot take them.
    pub fn fit(screen: &Screen, training_rows: &[usize], settings: &NormalizeSettings) -> Result<Self, NormalizeError> {
        settings.check()?;
        positions(screen)?;
        let training = rows_to_learn_from(screen, training_rows)?;
        let untreated = screen.untreated_rows();
        let is_relative = untreated.is_none();
        let is_control = |row: usize| screen.unit(row).role == Role::NegativeControl;
        let has_controls = untreated.is_some_and(|rows| !rows.is_empty());
        if is_relative && settings.compress == (Compress::RankInt {}) {
            return Err(NormalizeError::RanksMoveZero { screen: screen.name.clone() });
        }
        if !has_controls && matches!(settings.sphere, Sphere::Tvn { .. }) {
            let step = "typical variation normalization";
            return Err(NormalizeError::NoControls { screen: screen.name.clone(), step });
        }

        if settings.has_no_step() {
            let inputs = screen.features.names().to_vec();
            return Ok(Self {
                reference: screen.reference(),
                statistics: statistics(settings, has_controls, is_relative).to_owned(),
                outputs: inputs.clone(),
                inputs,
                removed: Vec::new(),
                per_plate: PlateStep::Untouched {},
                compress: CompressStep::None {},
                components: None,
                sphere: SphereStep::None {},
            });
        }
        let (per_plate, unusable) = PlateStep::fit(screen, &training, &settings.per_plate, has_controls)?;
        let usable: Vec<usize> = (0..unusable.len()).filter(|&feature| unusable[feature].is_none()).collect();
        let names = screen.features.names();
        let mut removed: Vec<Removed> = unusable
            .iter()
            .zip(names)
            .filter_map(|(reason, name)| {
                reason.map(|reason| Removed { feature: name.clone(), reason: reason.to_owned() })
            })
            .collect();
        refuse_nothing(screen, &usable, &removed)?;

        let per_plate = per_plate.select(&usable);
        let scaled = per_plate.apply(screen, &columns(&screen.features, &usable), &training)?;
        let (kept, rejected) = select_features(&scaled, &settings.select);
        removed.extend(rejected);
        refuse_nothing(screen, &kept, &removed)?;
        let mut values = if kept.len() == scaled.n_features() { scaled } else { scaled.select_columns(&kept) };
        let inputs = values.names().to_vec();

        let compress = CompressStep::fit(&values, &settings.compress);
        let fit_rows: Vec<usize> =
            (0..training.len()).filter(|&index| !has_controls || is_control(training[index])).collect();
        let (components, sphere) = if settings.sphere == (Sphere::None {}) {
            (None, SphereStep::None {})
        } else {
            compress.apply(&mut values);
            fit_sphere(&values, &fit_rows, &settings.sphere, is_relative)?
        };
        let outputs = match (&sphere, &components) {
            (SphereStep::Tvn { fitted }, _) => (0..fitted.n_components()).map(|index| format!("tvn{index}")).collect(),
            (_, Some(fitted)) => (0..fitted.n_components()).map(|index| format!("pc{index}")).collect(),
            (_, None) => inputs.clone(),
        };
        Ok(Self {
            reference: screen.reference(),
            statistics: statistics(settings, has_controls, is_relative).to_owned(),
            inputs,
            outputs,
            removed,
            per_plate: per_plate.select(&kept),
            compress,
            components,
            sphere,
        })
    }

    /// Normalizes every row of `screen`, which may be another one than was fitted.
    ///
    /// Features are found by name, in any order; others than the fitted ones are ignored.
    /// Metadata stays as it is.
    ///
    /// # Errors
    /// Fitted features that are absent, a plate or lab batch with too few controls, or missing values where sphering
    /// cannot take them. Without sphering, missing values stay missing.
    pub fn apply(&self, screen: &Screen) -> Result<Screen, NormalizeError> {
        let n_inputs = self.inputs.len();
        if !self.per_plate.fits(n_inputs) || !self.compress.fits(n_inputs) {
            return Err(NormalizeError::Damaged);
        }
        if screen.reference() != self.reference {
            let (screen, found) = (screen.name.clone(), screen.reference());
            return Err(NormalizeError::Reference { screen, fitted: self.reference, found });
        }
        let positions = positions(screen)?;
        let found: Vec<Option<usize>> = self.inputs.iter().map(|name| positions.get(name.as_str()).copied()).collect();
        let absent = self.inputs.iter().zip(&found).filter(|(_, position)| position.is_none());
        let names: Vec<String> = absent.map(|(name, _)| name.clone()).collect();
        if !names.is_empty() {
            return Err(NormalizeError::MissingFeatures { screen: screen.name.clone(), names, expected: n_inputs });
        }
        let wanted: Vec<usize> = found.into_iter().flatten().collect();
        if self.has_no_step() && wanted.iter().copied().eq(0..screen.features.n_features()) {
            // Pixels stay in their files.
            return Ok(screen.clone());
        }
        let rows: Vec<usize> = (0..screen.n_observations()).collect();
        let mut features = self.per_plate.apply(screen, &columns(&screen.features, &wanted), &rows)?;
        self.compress.apply(&mut features);
        if let Some(components) = &self.components {
            features = components.apply(&features)?;
        }
        match &self.sphere {
            SphereStep::None {} => {}
            SphereStep::Sphering { fitted } => fitted.apply(&mut features)?,
            SphereStep::Tvn { fitted } => {
                let is_control = |&row: &usize| screen.unit(row).role == Role::NegativeControl;
                let controls: Vec<usize> = rows.iter().copied().filter(is_control).collect();
                features = fitted.apply(&features, &controls, &lab_batches(screen)?)?;
            }
        }
        if features.names() != self.outputs {
            return Err(NormalizeError::Damaged);
        }
        Ok(Screen {
            name: screen.name.clone(),
            design: screen.design.clone(),
            units: screen.units.clone(),
            features: features.into(),
            labels: screen.labels.clone(),
            dropped: screen.dropped.clone(),
            origin: Origin { columns: screen.origin.columns.clone(), measured: Some(screen.measured().clone()) },
        })
    }

    fn has_no_step(&self) -> bool {
        matches!(
            (&self.per_plate, &self.compress, &self.components, &self.sphere),
            (PlateStep::Untouched {}, CompressStep::None {}, None, SphereStep::None {})
        )
    }

    /// The way back to the units of the files for a screen that was normalized; `None` where sphering has mixed the features.
    ///
    /// # Errors
    /// As [`Normalizer::apply`].
    pub fn raw_units(&self, screen: &Screen) -> Result<Option<RawUnits>, NormalizeError> {
        let measured = screen.measured();
        if !matches!(self.sphere, SphereStep::None {}) || measured.is_of_pixels() {
            return Ok(None);
        }
        let places: BTreeMap<&str, usize> = measured.names().iter().map(String::as_str).zip(0..).collect();
        let wanted: Option<Vec<usize>> = self.inputs.iter().map(|name| places.get(name.as_str()).copied()).collect();
        let wanted = wanted.ok_or(NormalizeError::Damaged)?;
        Ok(Some(RawUnits::of(&self.per_plate, &self.compress, screen, &columns(measured, &wanted))?))
    }

    /// What the effects of the screen that was fitted are measured against.
    pub fn reference(&self) -> Reference {
        self.reference
    }

    /// Names of the features that are read from a screen, before components are made of them.
    pub fn input_features(&self) -> &[String] {
        &self.inputs
    }

    /// Names of the features that come out, in column order.
    pub fn feature_names(&self) -> &[String] {
        &self.outputs
    }

    /// Features that were left out when fitting, with reasons.
    pub fn removed(&self) -> &[Removed] {
        &self.removed
    }

    /// One sentence, for the manifest, about the wells that center and scale come from.
    pub fn statistics(&self) -> &str {
        &self.statistics
    }
}

fn fit_sphere(
    values: &FeatureMatrix,
    fit_rows: &[usize],
    settings: &Sphere,
    is_relative: bool,
) -> Result<(Option<PrincipalComponents>, SphereStep), NormalizeError> {
    let every_row: Vec<usize> = (0..values.n_rows()).collect();
    let components = settings
        .components()
        .map(|n_components| {
            if is_relative {
                let zero = vec![0.0; values.n_features()];
                PrincipalComponents::fit_about(values, &every_row, n_components, zero, every_row.len())
            } else {
                PrincipalComponents::fit(values, &every_row, n_components)
            }
        })
        .transpose()?;
    let reduced = match &components {
        Some(components) => Cow::Owned(components.apply(values)?),
        None => Cow::Borrowed(values),
    };
    let sphering = |whitening, epsilon| -> Result<SphereStep, NormalizeError> {
        let fitted = if is_relative {
            let zero = vec![0.0; reduced.n_features()];
            Sphering::fit_about(&reduced, fit_rows, whitening, epsilon, zero, fit_rows.len())?
        } else {
            Sphering::fit(&reduced, fit_rows, whitening, epsilon)?
        };
        Ok(SphereStep::Sphering { fitted })
    };
    let sphere = match *settings {
        Sphere::None {} => SphereStep::None {},
        Sphere::Zca { epsilon, .. } => sphering(Whitening::Zca, epsilon)?,
        Sphere::ZcaCor { epsilon, .. } => sphering(Whitening::ZcaCor, epsilon)?,
        Sphere::Tvn { regularization, .. } => SphereStep::Tvn { fitted: Tvn::fit(&reduced, fit_rows, regularization)? },
    };
    Ok((components, sphere))
}

fn statistics(settings: &NormalizeSettings, has_controls: bool, is_relative: bool) -> &'static str {
    let is_scaled = !matches!(settings.per_plate, super::PerPlate::None {});
    match (is_scaled, has_controls) {
        (false, _) => "Values are not scaled per plate.",
        (true, true) => "Each plate is centered and scaled by its own negative-control wells.",
        (true, false) if is_relative => {
            "The screen is relative to control, so all plates share one scale, fitted on training wells about zero, and are not centered."
        }
        (true, false) => {
            "The screen has no negative-control wells, so all plates share one center and one scale, fitted on training wells."
        }
    }
}

/// Place of each feature by its name.
fn positions(screen: &Screen) -> Result<BTreeMap<&str, usize>, NormalizeError> {
    let mut positions = BTreeMap::new();
    for (position, name) in screen.features.names().iter().enumerate() {
        if positions.insert(name.as_str(), position).is_some() {
            let (screen, feature) = (screen.name.clone(), name.clone());
            return Err(NormalizeError::DuplicateFeature { screen, feature });
        }
    }
    Ok(positions)
}

/// Ascending, without repetition and empty wells.
fn rows_to_learn_from(screen: &Screen, training_rows: &[usize]) -> Result<Vec<usize>, NormalizeError> {
    let n_rows = screen.n_observations();
    if let Some(&row) = training_rows.iter().find(|&&row| row >= n_rows) {
        return Err(NormalizeError::NoSuchRow { screen: screen.name.clone(), row, n_rows });
    }
    let mut rows: Vec<usize> =
        training_rows.iter().copied().filter(|&row| screen.unit(row).role != Role::Empty).collect();
    rows.sort_unstable();
    rows.dedup();
    if rows.is_empty() {
        return Err(NormalizeError::NoTrainingRows { screen: screen.name.clone() });
    }
    Ok(rows)
}

fn refuse_nothing(screen: &Screen, kept: &[usize], removed: &[Removed]) -> Result<(), NormalizeError> {
    if !kept.is_empty() {
        return Ok(());
    }
    let reason = removed.last().map_or_else(|| "there was none".to_owned(), |removed| removed.reason.clone());
    Err(NormalizeError::NothingLeft { screen: screen.name.clone(), n_features: screen.features.n_features(), reason })
}

/// The columns at `wanted`; borrowed when they are all columns in their order.
fn columns<'a>(features: &'a Features, wanted: &[usize]) -> Cow<'a, FeatureMatrix> {
    let is_whole = wanted.len() == features.n_features() && wanted.iter().enumerate().all(|(index, &at)| index == at);
    if is_whole { features.in_memory() } else { Cow::Owned(features.select_columns(wanted)) }
}

fn lab_batches(screen: &Screen) -> Result<Vec<&str>, NormalizeError> {
    screen
        .units
        .by_row()
        .map(|unit| {
            let plate = || NormalizeError::NoLabBatch { plate: unit.plate.clone() };
            unit.lab_batch.as_deref().ok_or_else(plate)
        })
        .collect()
}
