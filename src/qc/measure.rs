//! One number a well, by which plates are judged: how far it lies from the controls, and its cells.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::statistics::median_and_spread;
use crate::linear::median;
use crate::screen::{FeatureMatrix, Role, Screen, Unit};

/// Fewer negative controls than this give a plate no center.
pub(super) const LEAST_CONTROLS: usize = 3;

/// A feature counts for no more noise than this, so that a few wild ones do not decide.
const MOST_NOISE: f64 = 10.0;

/// A number of each well that plates are judged by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Measure {
    /// Root mean square over features of the difference from the plate's controls, in units of the controls' noise.
    DistanceToControls,
    /// Cells (or nuclei) counted.
    CellCount,
}

impl Measure {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::DistanceToControls, Self::CellCount];

    /// The word in tables.
    pub fn word(self) -> &'static str {
        match self {
            Self::DistanceToControls => "distance_to_controls",
            Self::CellCount => "cell_count",
        }
    }
}

/// The wells of a screen, by plate.
pub(super) struct Wells<'a> {
    pub(super) screen: &'a Screen,
    /// Rows of each unit, in the order of [`Units::all`](crate::screen::Units::all).
    pub(super) rows: Vec<Vec<usize>>,
    /// Units of each plate that are not empty wells.
    pub(super) by_plate: BTreeMap<&'a str, Vec<usize>>,
}

impl<'a> Wells<'a> {
    pub(super) fn of(screen: &'a Screen) -> Self {
        let mut by_plate = BTreeMap::<&str, Vec<usize>>::new();
        for (index, unit) in screen.units.all().iter().enumerate() {
            if unit.role != Role::Empty && !unit.plate.is_empty() {
                by_plate.entry(&unit.plate).or_default().push(index);
            }
        }
        Self { screen, rows: screen.units.rows(), by_plate }
    }

    pub(super) fn unit(&self, index: usize) -> &'a Unit {
        &self.screen.units.all()[index]
    }

    /// Negative controls of a plate.
    pub(super) fn controls(&self, plate: &str) -> Vec<usize> {
        let is_control = |&&index: &&usize| self.unit(index).role == Role::NegativeControl;
        self.by_plate.get(plate).map(|wells| wells.iter().filter(is_control).copied().collect()).unwrap_or_default()
    }

    /// The values of a measure by unit; `None` where it is not known.
    pub(super) fn measured(&self, measure: Measure, noise: Option<&Noise>) -> Vec<Option<f64>> {
        let units = self.screen.units.all();
        match measure {
            Measure::CellCount => units.iter().map(|unit| unit.cell_count.filter(|n| n.is_finite())).collect(),
            Measure::DistanceToControls => {
                let Some(noise) = noise else { return vec![None; units.len()] };
                (0..units.len()).into_par_iter().map(|index| Some(size(&noise.profile(self, index)?))).collect()
            }
        }
    }
}

/// Root mean square.
fn size(profile: &[f32]) -> f64 {
    (profile.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>() / profile.len().max(1) as f64).sqrt()
}

/// The noise of controls: where they lie on each plate, and how they scatter within plates.
pub(super) struct Noise {
    /// Features that controls vary in.
    features: Vec<usize>,
    /// Robust spread of controls about the middle of their plate, pooled over plates, by feature in `features`.
    spread: Vec<f64>,
    /// Profiles of the controls of each plate, in those features; empty where values are relative to control already.
    controls: BTreeMap<String, Vec<(usize, Vec<f32>)>>,
    /// Middle of the controls of each plate.
    centers: BTreeMap<String, Vec<f32>>,
    is_relative: bool,
}

impl Noise {
    /// `None` where rows are not profiles, or no plate has enough controls.
    pub(super) fn of(wells: &Wells<'_>) -> Option<Self> {
        let screen = wells.screen;
        if screen.features.is_of_pixels() || screen.features.n_features() == 0 {
            return None;
        }
        let matrix = screen.features.in_memory();
        let is_relative = screen.untreated_rows().is_none();
        let groups: Vec<(&str, Vec<usize>)> = match is_relative {
            true => vec![("", (0..screen.units.all().len()).collect())],
            false => {
                let controls = wells.by_plate.keys().map(|plate| (*plate, wells.controls(plate)));
                controls.filter(|(_, controls)| controls.len() >= LEAST_CONTROLS).collect()
            }
        };
        let value = |well: usize, feature: usize| mean_of(&matrix, &wells.rows[well], feature);
        // Center of each group and pooled spread, feature by feature.
        let fitted: Vec<Option<(Vec<f32>, f64)>> = (0..matrix.n_features())
            .into_par_iter()
            .map(|feature| {
                let (mut centers, mut deviations) = (Vec::new(), Vec::new());
                for (_, group) in &groups {
                    let values: Vec<f64> = group.iter().map(|&well| value(well, feature)).collect();
                    let center = if is_relative { 0.0 } else { median(&mut values.clone()) };
                    // Values lie nearer to their own middle than to the true one.
                    let n = values.len() as f64;
                    let larger = if is_relative { 1.0 } else { (n / (n - 1.0)).sqrt() };
                    deviations.extend(values.iter().map(|value| larger * (value - center)));
                    centers.push(center as f32);
                }
                let (_, spread) = median_and_spread(&deviations)?;
                (spread > 0.0 && spread.is_finite()).then_some((centers, spread))
            })
            .collect();
        let features: Vec<usize> = (0..fitted.len()).filter(|&feature| fitted[feature].is_some()).collect();
        if features.is_empty() {
            return None;
        }
        let spread = fitted.iter().flatten().map(|(_, spread)| *spread).collect();
        let (mut controls, mut centers) = (BTreeMap::new(), BTreeMap::new());
        if !is_relative {
            for (position, (plate, group)) in groups.iter().enumerate() {
                let profile =
                    |well: usize| features.iter().map(|&feature| value(well, feature) as f32).collect::<Vec<f32>>();
                controls.insert((*plate).to_owned(), group.iter().map(|&well| (well, profile(well))).collect());
                let center = fitted.iter().flatten().map(|(centers, _)| centers[position]).collect();
                centers.insert((*plate).to_owned(), center);
            }
        }
        Some(Self { features, spread, controls, centers, is_relative })
    }

    /// Number of features that count.
    pub(super) fn width(&self) -> usize {
        self.features.len()
    }

    /// A well's differences from the controls of its plate in units of their noise, each at most 10; a control's from the
    /// other controls. `None` where the plate has too few.
    pub(super) fn profile(&self, wells: &Wells<'_>, index: usize) -> Option<Vec<f32>> {
        let matrix = wells.screen.features.in_memory();
        let unit = wells.unit(index);
        let own = |position: usize| mean_of(&matrix, &wells.rows[index], self.features[position]);
        let noise = |position: usize, center: f64| {
            ((own(position) - center) / self.spread[position]).clamp(-MOST_NOISE, MOST_NOISE) as f32
        };
        if self.is_relative {
            return Some((0..self.width()).map(|position| noise(position, 0.0)).collect());
        }
        let center = self.centers.get(&unit.plate)?;
        if unit.role != Role::NegativeControl {
            return Some((0..self.width()).map(|position| noise(position, f64::from(center[position]))).collect());
        }
        let others: Vec<&Vec<f32>> =
            self.controls[&unit.plate].iter().filter(|(well, _)| *well != index).map(|(_, profile)| profile).collect();
        let center =
            |position: usize| median(&mut others.iter().map(|other| f64::from(other[position])).collect::<Vec<_>>());
        Some((0..self.width()).map(|position| noise(position, center(position))).collect())
    }
}

/// Mean of a feature over the rows of a well.
fn mean_of(matrix: &FeatureMatrix, rows: &[usize], feature: usize) -> f64 {
    rows.iter().map(|&row| f64::from(matrix.row(row)[feature])).sum::<f64>() / rows.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::{Design, FeatureMatrix, Units};

    #[test]
    fn a_distance_is_in_units_of_the_controls_noise() {
        // Controls at 0, 1, 2, 3, 4 (middle 2, absolute deviations 2, 1, 0, 1, 2, of which the middle is 1), one treated well at 12.
        let mut units: Vec<Unit> = (0..6)
            .map(|column| Unit {
                plate: "P".into(),
                well: crate::screen::Well::at(1, column + 1),
                ..Unit::under((column == 5).then_some(("drug", Some(1.0))))
            })
            .collect();
        units[0].cell_count = Some(7.0);
        let screen = Screen {
            name: "s".into(),
            design: Design::AgainstControls,
            units: Units::of_each(units),
            features: FeatureMatrix::numbered(
                "f",
                2,
                vec![0.0, 5.0, 1.0, 5.0, 2.0, 5.0, 3.0, 5.0, 4.0, 5.0, 12.0, 9.0],
            )
            .into(),
            labels: Vec::new(),
            dropped: Vec::new(),
            origin: Default::default(),
        };
        let wells = Wells::of(&screen);
        let noise = Noise::of(&wells).unwrap();
        // The second feature does not vary among controls, so that it has no noise to be measured in.
        assert_eq!(noise.width(), 1);
        let spread = 1.4826 * 1.25f64.sqrt();
        let found = wells.measured(Measure::DistanceToControls, Some(&noise));
        assert!((found[5].unwrap() - 10.0 / spread).abs() < 1e-5, "{found:?}");
        // A control is compared with the other four: 0 with 1, 2, 3, 4, whose middle is 2.5.
        assert!((found[0].unwrap() - 2.5 / spread).abs() < 1e-5, "{found:?}");
        assert_eq!(wells.measured(Measure::CellCount, None)[..2], [Some(7.0), None]);
    }
}
