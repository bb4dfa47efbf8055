//! From normalized values back to the units of the files.
//!
//! What is normalized per plate has no one value in those units: each plate has its own center and scale. A normalized value
//! is given as it would be measured on the average plate of a context: with the mean center and the mean scale of its plates.
//! So values of different plates can be compared, and the order of the normalized ones stays.

use std::collections::BTreeMap;

use super::NormalizeError;
use super::compress::CompressStep;
use super::plate::{PlateStep, Scales};
use crate::screen::{FeatureMatrix, Screen};

/// From normalized values back to the units of the files.
#[derive(Debug, Clone)]
pub struct RawUnits {
    names: Vec<String>,
    compress: CompressStep,
    contexts: BTreeMap<String, Scales>,
    overall: Scales,
}

impl RawUnits {
    /// Of the plates of `screen`, whose columns of the step are `features`.
    pub(super) fn of(
        per_plate: &PlateStep,
        compress: &CompressStep,
        screen: &Screen,
        features: &FeatureMatrix,
    ) -> Result<Self, NormalizeError> {
        let mut plates = BTreeMap::<&str, Vec<&str>>::new();
        for unit in screen.units.by_row() {
            let of_context = plates.entry(unit.context.as_str()).or_default();
            if !of_context.contains(&unit.plate.as_str()) {
                of_context.push(&unit.plate);
            }
        }
        let mut contexts = BTreeMap::new();
        for (context, plates) in &plates {
            contexts.insert((*context).to_owned(), mean(&per_plate.of_plates(screen, features, plates)?));
        }
        let overall = mean(&contexts.values().cloned().collect::<Vec<_>>());
        Ok(Self { names: features.names().to_vec(), compress: compress.clone(), contexts, overall })
    }

    /// The number of the feature of that name.
    pub fn position(&self, feature: &str) -> Option<usize> {
        self.names.iter().position(|name| name == feature)
    }

    /// The value, in the units of the files, that a normalized one would be on the average plate of `context`.
    pub fn value(&self, context: &str, feature: usize, normalized: f64) -> f64 {
        let (center, scale) = self.contexts.get(context).unwrap_or(&self.overall);
        center[feature] + scale[feature] * self.compress.expanded(feature, normalized)
    }
}

fn mean(all: &[Scales]) -> Scales {
    let n_features = all.first().map_or(0, |(center, _)| center.len());
    let of = |which: fn(&Scales) -> &Vec<f64>| {
        let mean = |feature: usize| all.iter().map(|one| which(one)[feature]).sum::<f64>() / all.len() as f64;
        (0..n_features).map(mean).collect()
    };
    (of(|one| &one.0), of(|one| &one.1))
}
