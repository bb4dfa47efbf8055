//! The quality of every plate and well: what `qc.parquet` and `qc-well.parquet` hold.

use std::collections::BTreeMap;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::measure::{LEAST_CONTROLS, Measure, Noise, Wells};
use super::position::{Placed, PositionEffects, format_of, position_effects};
use super::replicates::{Agreement, Replicates};
use super::statistics::{coefficient_of_variation, median_and_spread, robust_z_prime, ssmd, z_prime};
use crate::linear::median;
use crate::screen::{Intervention, Role, Screen, Treatment, Well};

/// A well that lies farther than this from what is expected of it, in robust spreads of the plate, is an outlier.
const OUTLIER: f64 = 5.0;

/// A treatment has to be measured on as many other plates for its wells to be compared with those.
const LEAST_OTHER_PLATES: usize = 2;

/// Fewer wells than this of treatments that stand on the plate once are not compared with each other.
const LEAST_SINGLES: usize = 20;

/// The quality of a screen's plates and wells.
#[derive(Debug, Clone, Default)]
pub struct Quality {
    /// A row for each plate and measure, in their order.
    pub plates: Vec<PlateQuality>,
    /// A row for each well and measure.
    pub wells: Vec<WellQuality>,
    /// Plates whose wells look like those of another plate's layout, in pairs.
    pub swapped: Vec<(String, String)>,
}

/// What is known of a plate by one measure; `None` where it cannot be known.
#[derive(Debug, Clone, PartialEq)]
pub struct PlateQuality {
    /// The plate.
    pub plate: String,
    /// What is measured of each well.
    pub measure: Measure,
    /// Wells that are not empty.
    pub n_wells: usize,
    /// Treated wells, without positive controls.
    pub n_treated: usize,
    /// Negative controls.
    pub n_controls: usize,
    /// Positive controls.
    pub n_positive: usize,
    /// Median of negative controls.
    pub control_median: Option<f64>,
    /// Their standard deviation over their mean.
    pub control_cv: Option<f64>,
    /// Median of treated wells.
    pub treated_median: Option<f64>,
    /// The positive control that the next two are about: that with most wells on the plate.
    pub positive_control: Option<String>,
    /// Z′ of the positive and negative controls.
    pub z_prime: Option<f64>,
    /// The same by medians.
    pub robust_z_prime: Option<f64>,
    /// SSMD against the negative controls.
    pub ssmd: Option<f64>,
    /// Of what: the positive control, or treated wells.
    pub ssmd_of: Option<&'static str>,
    /// How wells agree with their replicates on other plates; of profiles.
    pub(super) agreement: Option<Agreement>,
    /// Effects of rows, columns and the edge.
    pub(super) position: PositionEffects,
    /// Outliers.
    pub outliers: Vec<Well>,
}

/// A well by one measure.
#[derive(Debug, Clone, PartialEq)]
pub struct WellQuality {
    /// The unit, by its place among the screen's.
    pub unit: usize,
    /// What is measured.
    pub measure: Measure,
    /// Its value.
    pub value: Option<f64>,
    /// Difference from the median of the plate's negative controls in their robust spreads.
    pub z: Option<f64>,
    /// Logarithm of the value less what is expected of it, in robust spreads of the plate; of wells whose position is tested.
    pub residual: Option<f64>,
    /// Median of the wells of the same treatment on all plates.
    pub treatment_median: Option<f64>,
    /// Whether `residual` is beyond 5.
    pub is_outlier: bool,
}

/// Judges the plates of a screen whose wells are measured once.
pub fn quality(screen: &Screen, seed: u64) -> Quality {
    let wells = Wells::of(screen);
    let noise = Noise::of(&wells);
    let treatments: BTreeMap<usize, Treatment> = wells
        .by_plate
        .values()
        .flatten()
        .filter(|&&index| wells.unit(index).role.is_treated())
        .map(|&index| (index, wells.unit(index).treatment()))
        .collect();
    let replicates = noise.as_ref().map(|noise| Replicates::of(&wells, noise, &treatments));
    let plates: Vec<&str> = wells.by_plate.keys().copied().collect();
    let agreements: BTreeMap<&str, Agreement> = plates
        .iter()
        .filter_map(|plate| {
            let found = replicates.as_ref()?.agreement(plate, &mut stream(seed, plate, "replicates"))?;
            Some((*plate, found))
        })
        .collect();
    let swapped = replicates.as_ref().map_or_else(Vec::new, |replicates| swapped(replicates, &agreements, seed));
    let mut quality = Quality { swapped, ..Quality::default() };
    for measure in Measure::ALL {
        let values = wells.measured(measure, noise.as_ref());
        if values.iter().all(Option::is_none) {
            continue;
        }
        let judged = Judged { wells: &wells, treatments: &treatments, measure, values: &values };
        let medians = judged.treatment_medians();
        let rests = judged.rests();
        let format = format_of(screen.units.all().iter().filter_map(|unit| unit.well));
        let found: Vec<(PlateQuality, Vec<WellQuality>)> = plates
            .par_iter()
            .map(|plate| {
                let mut rng = stream(seed, plate, measure.word());
                let position = position_effects(
                    &rests[plate].iter().map(|(_, placed)| *placed).collect::<Vec<_>>(),
                    format,
                    &mut rng,
                );
                let agreement = agreements.get(plate).filter(|_| measure == Measure::DistanceToControls).cloned();
                judged.plate(plate, position, agreement, &rests[plate], &medians)
            })
            .collect();
        for (plate, wells) in found {
            quality.plates.push(plate);
            quality.wells.extend(wells);
        }
    }
    quality.plates.sort_by(|a, b| a.plate.cmp(&b.plate).then(a.measure.cmp(&b.measure)));
    quality
}

/// The stream of random numbers for one purpose on one plate.
fn stream(seed: u64, plate: &str, purpose: &str) -> ChaCha8Rng {
    let key =
        Sha256::new().chain_update(seed.to_le_bytes()).chain_update(plate).chain_update([0]).chain_update(purpose);
    ChaCha8Rng::from_seed(key.finalize().into())
}

/// Plates that look like the layout of each other, of those that do not look like their own where most others do.
fn swapped(replicates: &Replicates<'_>, agreements: &BTreeMap<&str, Agreement>, seed: u64) -> Vec<(String, String)> {
    let (doubtful, sound): (Vec<&str>, Vec<&str>) =
        agreements.keys().copied().partition(|plate| agreements[plate].p > 0.05);
    if sound.len() < doubtful.len() || sound.iter().any(|plate| agreements[plate].correlation.is_nan()) {
        return Vec::new();
    }
    let mut found = Vec::new();
    for (position, plate) in doubtful.iter().enumerate() {
        for other in &doubtful[position + 1..] {
            let agrees = |one: &str, with: &str| {
                let mut rng = stream(seed, &format!("{one}\0{with}"), "swap");
                replicates.agreement_with_layout(one, with, &mut rng).is_some_and(|found| found.p <= 0.001)
            };
            if agrees(plate, other) && agrees(other, plate) {
                found.push(((*plate).to_owned(), (*other).to_owned()));
            }
        }
    }
    found
}

/// A measure of all wells.
struct Judged<'a> {
    wells: &'a Wells<'a>,
    treatments: &'a BTreeMap<usize, Treatment>,
    measure: Measure,
    values: &'a [Option<f64>],
}

/// The logarithm in which positions are compared; a well without cells has one too.
fn logarithm(measure: Measure, value: f64) -> f64 {
    match measure {
        Measure::DistanceToControls => value.max(1e-3).ln(),
        Measure::CellCount => (value + 1.0).ln(),
    }
}

impl<'a> Judged<'a> {
    fn of(&self, indices: impl Iterator<Item = usize>) -> Vec<f64> {
        indices.filter_map(|index| self.values[index]).collect()
    }

    fn with_role(&self, plate: &str, role: Role) -> Vec<usize> {
        self.wells.by_plate[plate].iter().copied().filter(|&index| self.wells.unit(index).role == role).collect()
    }

    /// Median of the wells of each treatment on all plates.
    fn treatment_medians(&self) -> BTreeMap<&'a Treatment, f64> {
        let mut values = BTreeMap::<&Treatment, Vec<f64>>::new();
        for (&index, treatment) in self.treatments {
            values.entry(treatment).or_default().extend(self.values[index]);
        }
        let known = values.into_iter().filter(|(_, values)| !values.is_empty());
        known.map(|(treatment, mut values)| (treatment, median(&mut values))).collect()
    }

    /// Of each plate, the wells whose positions can be compared, with what is left of the logarithm of their value.
    ///
    /// Controls are compared with each other, treatments that stand on the plate once with each other, and the wells of others
    /// each with its treatment on at least two other plates; other wells say nothing of their position.
    fn rests(&self) -> BTreeMap<&'a str, Vec<(usize, Placed)>> {
        let value = |index: usize| self.values[index].map(|value| logarithm(self.measure, value));
        // Logarithms by treatment and plate, on the scale of the plate's own controls.
        let mut by_treatment = BTreeMap::<&Treatment, BTreeMap<&str, Vec<f64>>>::new();
        let mut centers = BTreeMap::new();
        for (plate, wells) in &self.wells.by_plate {
            let controls: Vec<f64> =
                self.with_role(plate, Role::NegativeControl).into_iter().filter_map(value).collect();
            let mut of_center = match controls.len() >= LEAST_CONTROLS {
                true => controls,
                false => wells.iter().copied().filter_map(value).collect(),
            };
            // A distance is in units of all plates' noise already.
            let center = if self.measure == Measure::CellCount { median(&mut of_center) } else { 0.0 };
            centers.insert(*plate, center);
            for &index in wells {
                if let (Some(treatment), Some(value)) = (self.treatments.get(&index), value(index)) {
                    by_treatment.entry(treatment).or_default().entry(*plate).or_default().push(value - center);
                }
            }
        }
        let mut rests = BTreeMap::new();
        for (plate, wells) in &self.wells.by_plate {
            let mut n_of_name = BTreeMap::<String, usize>::new();
            for index in wells.iter().filter(|index| self.treatments.contains_key(index)) {
                *n_of_name.entry(self.wells.unit(*index).intervention.perturbation_names()).or_default() += 1;
            }
            let is_single = |index: usize| n_of_name[&self.wells.unit(index).intervention.perturbation_names()] == 1;
            let n_singles =
                wells.iter().filter(|index| self.treatments.contains_key(index) && is_single(**index)).count();
            let mut placed = Vec::new();
            for &index in wells {
                let unit = self.wells.unit(index);
                let (Some(well), Some(value)) = (unit.well, value(index)) else { continue };
                let of_group = match self.treatments.get(&index) {
                    None => Some((value, 0)),
                    Some(_) if is_single(index) && n_singles >= LEAST_SINGLES => Some((value, 1)),
                    Some(treatment) => {
                        let elsewhere =
                            by_treatment.get(treatment).into_iter().flatten().filter(|(other, _)| *other != plate);
                        let mut medians: Vec<f64> = elsewhere.map(|(_, values)| median(&mut values.clone())).collect();
                        (medians.len() >= LEAST_OTHER_PLATES)
                            .then(|| (value - centers[plate] - median(&mut medians), 2))
                    }
                };
                if let Some((rest, group)) = of_group {
                    placed.push((index, Placed { well, rest, group }));
                }
            }
            rests.insert(*plate, placed);
        }
        rests
    }

    fn plate(
        &self,
        plate: &str,
        position: PositionEffects,
        agreement: Option<Agreement>,
        rests: &[(usize, Placed)],
        medians: &BTreeMap<&Treatment, f64>,
    ) -> (PlateQuality, Vec<WellQuality>) {
        let [treated, controls, positive] =
            [Role::Treatment, Role::NegativeControl, Role::PositiveControl].map(|role| self.with_role(plate, role));
        let of_controls = self.of(controls.iter().copied());
        let of_treated = self.of(treated.iter().copied());
        let most_used = self.most_used(&positive);
        let of_positive = most_used.as_ref().map(|(_, wells)| self.of(wells.iter().copied()));
        let (ssmd, ssmd_of) = match &of_positive {
            Some(values) => (ssmd(values, &of_controls), "positive control"),
            None => (ssmd(&of_treated, &of_controls), "treated wells"),
        };
        let residuals = residuals(rests);
        let spread = median_and_spread(&of_controls).filter(|(_, spread)| *spread > 0.0);
        let wells: Vec<WellQuality> = self.wells.by_plate[plate]
            .iter()
            .map(|&index| {
                let (value, residual) = (self.values[index], residuals.get(&index).copied());
                WellQuality {
                    unit: index,
                    measure: self.measure,
                    value,
                    z: value.zip(spread).map(|(value, (center, spread))| (value - center) / spread),
                    residual,
                    treatment_median: self.treatments.get(&index).and_then(|treatment| medians.get(treatment)).copied(),
                    is_outlier: residual.is_some_and(|residual| residual.abs() > OUTLIER),
                }
            })
            .collect();
        let outliers = wells.iter().filter(|well| well.is_outlier).filter_map(|well| self.wells.unit(well.unit).well);
        let middle = |values: &[f64]| (!values.is_empty()).then(|| median(&mut values.to_vec()));
        let quality = PlateQuality {
            plate: plate.to_owned(),
            measure: self.measure,
            n_wells: self.wells.by_plate[plate].len(),
            n_treated: treated.len(),
            n_controls: controls.len(),
            n_positive: positive.len(),
            control_median: middle(&of_controls),
            control_cv: coefficient_of_variation(&of_controls),
            treated_median: middle(&of_treated),
            positive_control: most_used.map(|(intervention, _)| intervention.to_string()),
            z_prime: of_positive.as_ref().and_then(|values| z_prime(values, &of_controls)),
            robust_z_prime: of_positive.as_ref().and_then(|values| robust_z_prime(values, &of_controls)),
            ssmd_of: ssmd.map(|_| ssmd_of),
            ssmd,
            agreement,
            position,
            outliers: outliers.collect(),
        };
        (quality, wells)
    }

    /// The positive control with most wells, the first by name of several.
    fn most_used(&self, positive: &[usize]) -> Option<(&'a Intervention, Vec<usize>)> {
        let mut by_intervention = BTreeMap::<&Intervention, Vec<usize>>::new();
        for &index in positive {
            by_intervention.entry(&self.wells.unit(index).intervention).or_default().push(index);
        }
        by_intervention.into_iter().rev().max_by_key(|(_, wells)| wells.len())
    }
}

/// What is left of each well in robust spreads of its group on the plate.
fn residuals(rests: &[(usize, Placed)]) -> BTreeMap<usize, f64> {
    let mut residuals = BTreeMap::new();
    for group in crate::screen::grouped(rests.len(), |position| rests[position].1.group) {
        let values: Vec<f64> = group.iter().map(|&position| rests[position].1.rest).collect();
        // The spread of a few wells is too uncertain to call one of them far away.
        let Some((center, spread)) = median_and_spread(&values).filter(|_| values.len() >= 8) else { continue };
        if spread > 0.0 {
            residuals.extend(
                group.iter().zip(&values).map(|(&position, value)| (rests[position].0, (value - center) / spread)),
            );
        }
    }
    residuals
}
