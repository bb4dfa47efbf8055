//! The numbers of a screen that `inspect` shows.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use rayon::prelude::*;
use serde::Serialize;

use crate::screen::{Kind, Role, Screen};

/// What the values look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// In units of the measurement.
    Raw,
    /// Controls (or all rows, without controls) lie around 0 with a spread near 1.
    ZLike,
    /// Differences from control.
    Relative,
}

/// A minimum, a median and a maximum.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    /// Smallest.
    pub min: usize,
    /// The lower of the middle two, if there is an even number.
    pub median: usize,
    /// Largest.
    pub max: usize,
}

/// What there is in a screen.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// Rows that were loaded.
    pub n_observations: usize,
    /// Distinct plates.
    pub n_plates: usize,
    /// Distinct pairs of plate and well; 0 if no wells are named.
    pub n_wells: usize,
    /// Distinct lab batches.
    pub n_lab_batches: usize,
    /// Rows by role.
    pub n_treatment: usize,
    /// Rows by role.
    pub n_negative_controls: usize,
    /// Rows by role.
    pub n_positive_controls: usize,
    /// Rows by role.
    pub n_empty: usize,
    /// Wells of negative controls on each plate that has treated rows; `None` without such a plate.
    pub controls_per_plate: Option<Spread>,
    /// Distinct perturbations of treated rows, by kind.
    pub perturbations: BTreeMap<Kind, usize>,
    /// Distinct interventions (perturbation, dose, duration) of treated rows.
    pub n_interventions: usize,
    /// Distinct doses of each perturbation that has doses; `None` if none has.
    pub doses_per_perturbation: Option<Spread>,
    /// Lowest and highest dose in µM.
    pub dose_range_um: Option<(f64, f64)>,
    /// Wells of each treatment (intervention in a context), however many rows they have; `None` without treated rows.
    pub replicates: Option<Spread>,
    /// Rows by context.
    pub contexts: BTreeMap<String, usize>,
    /// Features.
    pub n_features: usize,
    /// What the values look like.
    pub scale: Scale,
    /// A sentence if the file names and values say that the profiles were normalized before.
    pub normalized_before: Option<String>,
}

/// Counts what is in a screen; `files` are the tables it was loaded from.
pub fn summary<'a>(screen: &Screen, files: impl IntoIterator<Item = &'a Path>) -> Summary {
    let rows = || screen.units.by_row();
    let n_role = |role: Role| rows().filter(|row| row.role == role).count();
    let treatments = screen.treatments();
    let controls = screen.controls_by_plate();
    let treated_plates = screen.rows_by_plate(|row| row.role.is_treated());
    let mut perturbations = BTreeMap::<_, BTreeSet<_>>::new();
    for treatment in treatments.keys() {
        for member in treatment.intervention.members() {
            perturbations.entry(member.perturbation.clone()).or_default().extend(member.dose);
        }
    }
    let mut kinds = BTreeMap::new();
    perturbations.keys().for_each(|perturbation| *kinds.entry(perturbation.kind).or_default() += 1);
    let mut contexts = BTreeMap::new();
    rows().for_each(|row| *contexts.entry(row.context.clone()).or_default() += 1);
    let doses: BTreeSet<_> = perturbations.values().flatten().copied().collect();
    let scale = scale(screen);
    let n_wells = |rows: &Vec<usize>| screen.units.count(rows);
    let wells: BTreeSet<_> = rows().filter_map(|row| row.well.map(|well| (&row.plate, well))).collect();
    Summary {
        n_observations: rows().len(),
        n_plates: rows().map(|row| &row.plate).collect::<BTreeSet<_>>().len(),
        n_wells: wells.len(),
        n_lab_batches: rows().filter_map(|row| row.lab_batch.as_ref()).collect::<BTreeSet<_>>().len(),
        n_treatment: n_role(Role::Treatment),
        n_negative_controls: n_role(Role::NegativeControl),
        n_positive_controls: n_role(Role::PositiveControl),
        n_empty: n_role(Role::Empty),
        controls_per_plate: spread(treated_plates.keys().map(|plate| controls.get(plate).map_or(0, n_wells))),
        perturbations: kinds,
        n_interventions: treatments.keys().map(|treatment| &treatment.intervention).collect::<BTreeSet<_>>().len(),
        doses_per_perturbation: spread(perturbations.values().map(BTreeSet::len).filter(|&n| n > 0)),
        dose_range_um: doses.first().zip(doses.last()).map(|(low, high)| (low.get(), high.get())),
        replicates: spread(treatments.values().map(n_wells)),
        contexts,
        n_features: screen.features.n_features(),
        scale,
        normalized_before: normalized_before(files, scale),
    }
}

fn spread(counts: impl Iterator<Item = usize>) -> Option<Spread> {
    let mut counts: Vec<usize> = counts.collect();
    counts.sort_unstable();
    let (&min, &max) = counts.first().zip(counts.last())?;
    Some(Spread { min, median: counts[(counts.len() - 1) / 2], max })
}

/// The median feature decides: where its middle lies, and how far it spreads.
fn scale(screen: &Screen) -> Scale {
    let Some(controls) = screen.untreated_rows() else { return Scale::Relative };
    let rows = if controls.is_empty() { (0..screen.n_observations()).collect() } else { controls };
    if rows.is_empty() {
        return Scale::Raw;
    }
    let features = screen.features.in_memory();
    let (centers, spreads): (Vec<f32>, Vec<f32>) = (0..features.n_features())
        .into_par_iter()
        .map(|feature| {
            let mut values: Vec<f32> = rows.iter().map(|&row| features.row(row)[feature]).collect();
            let center = middle(&mut values);
            values.iter_mut().for_each(|value| *value = (*value - center).abs());
            // The median deviation of a normal distribution of spread 1 is 0.6745.
            (center.abs(), middle(&mut values) / 0.6745)
        })
        .unzip();
    let (center, spread) = (middle(&mut centers.clone()), middle(&mut spreads.clone()));
    if center < 0.5 && (0.4..2.5).contains(&spread) { Scale::ZLike } else { Scale::Raw }
}

/// The upper median; 0 of nothing.
fn middle(values: &mut [f32]) -> f32 {
    let half = values.len() / 2;
    if values.is_empty() { 0.0 } else { *values.select_nth_unstable_by(half, f32::total_cmp).1 }
}

fn normalized_before<'a>(files: impl IntoIterator<Item = &'a Path>, scale: Scale) -> Option<String> {
    let is_normalized = |path: &&Path| {
        let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
        ["_normalized", "_normalised", "_mad", "_sphering", "_harmony"].iter().any(|suffix| name.contains(suffix))
    };
    let named = files.into_iter().find(is_normalized);
    match (named, scale) {
        (Some(path), _) => Some(format!(
            "`{}` was already normalized, as its name says; normalizing again changes little only if that was done \
             per plate against the same controls",
            path.file_name().unwrap_or_default().to_string_lossy()
        )),
        (None, Scale::ZLike) => {
            Some("controls are around 0 with a spread near 1, so the profiles look already normalized".to_owned())
        }
        (None, _) => None,
    }
}
