//! Wells, where the rows of a screen are sites or cells: what statistics count as replicates.
//!
//! The sites of one well share its place, its staining and the history of its cells. They are not replicates of a
//! treatment: that they resemble each other says nothing of what the treatment does.

use std::collections::BTreeMap;

use super::Split;
use crate::screen::{FeatureMatrix, Screen, Treatment};

/// A screen with one row for each well, the mean of the well's rows.
pub(crate) struct WellMeans {
    pub(crate) screen: Screen,
    pub(crate) split: Split,
    /// Rows of each well in the screen of rows.
    wells: Vec<Vec<usize>>,
}

impl WellMeans {
    /// The means of `screen`; `None` where each row is a well already.
    pub(crate) fn of(screen: &Screen, split: &Split) -> Option<Self> {
        let wells = screen.wells();
        if wells.len() == screen.n_observations() {
            return None;
        }
        let first_rows: Vec<usize> = wells.iter().map(|rows| rows[0]).collect();
        Some(Self { screen: screen_of_wells(screen, &wells), split: split.select(&first_rows), wells })
    }

    /// The means of a matrix with one row for each observation of the screen of rows.
    pub(crate) fn means(&self, matrix: &FeatureMatrix) -> FeatureMatrix {
        matrix.means_of(&self.wells)
    }

    /// The wells of each treatment's rows.
    pub(crate) fn treatments(&self, rows: &BTreeMap<Treatment, Vec<usize>>) -> BTreeMap<Treatment, Vec<usize>> {
        let wells = self.wells.iter().enumerate();
        let well_of: BTreeMap<usize, usize> =
            wells.flat_map(|(well, rows)| rows.iter().map(move |&row| (row, well))).collect();
        let of_treatment = |(treatment, rows): (&Treatment, &Vec<usize>)| {
            let mut wells: Vec<usize> = rows.iter().map(|row| well_of[row]).collect();
            wells.sort_unstable();
            wells.dedup();
            (treatment.clone(), wells)
        };
        rows.iter().map(of_treatment).collect()
    }
}

/// The screen with one row for each well, the mean of its rows; `None` where each row is a well already.
pub fn by_wells(screen: &Screen) -> Option<Screen> {
    let wells = screen.wells();
    (wells.len() < screen.n_observations()).then(|| screen_of_wells(screen, &wells))
}

fn screen_of_wells(screen: &Screen, wells: &[Vec<usize>]) -> Screen {
    let first_rows: Vec<usize> = wells.iter().map(|rows| rows[0]).collect();
    Screen {
        name: screen.name.clone(),
        design: screen.design.clone(),
        units: screen.units.select(&first_rows),
        features: screen.features.means_of(wells).into(),
        labels: screen.labels.iter().map(|label| label.of_groups(wells)).collect(),
        dropped: screen.dropped.clone(),
        origin: screen.origin.by_groups(wells),
    }
}

/// A sentence for the user where no treatment has a second well, so that nothing tells its noise.
pub fn without_replicates(screen: &Screen) -> Option<String> {
    let mut wells = BTreeMap::<Treatment, usize>::new();
    for well in screen.units.all().iter().filter(|unit| unit.role.is_treated()) {
        *wells.entry(well.treatment()).or_default() += 1;
    }
    let is_single = !wells.is_empty() && wells.values().all(|&n_wells| n_wells == 1);
    is_single.then(|| {
        format!(
            "each of the {} treatments has one well: no replicates, so neither the retrieval of replicates nor the \
             error of a repeated measurement is scored",
            wells.len()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::{Design, Label, Unit, Units};

    fn site(well: &str, name: &str) -> Unit {
        let compound = (!name.is_empty()).then_some((name, None));
        Unit { plate: "p".into(), well: Some(well.parse().unwrap()), ..Unit::under(compound) }
    }

    #[test]
    fn a_well_is_the_mean_of_its_sites() {
        let rows = vec![site("A1", ""), site("A1", ""), site("B1", "a"), site("B1", "a"), site("B2", "a")];
        let label = |name: &str, values: [&str; 5]| Label {
            name: name.into(),
            values: values.iter().map(|value| Some(value.to_string())).collect(),
        };
        let labels = vec![label("site", ["1", "2", "1", "2", "1"]), label("moa", ["", "", "m", "m", "m"])];
        let screen = Screen {
            name: "s".into(),
            design: Design::AgainstControls,
            units: Units::of_rows(rows, &labels),
            features: FeatureMatrix::numbered("f", 1, vec![1.0, 3.0, 5.0, 7.0, 9.0]).into(),
            labels,
            dropped: Vec::new(),
            origin: Default::default(),
        };
        let split = Split::none(&screen);
        let wells = WellMeans::of(&screen, &split).unwrap();
        assert_eq!(wells.screen.features.gather(&[0, 1, 2]), [2.0, 6.0, 9.0]);
        let site_of_well: Vec<_> = wells.screen.label("site").unwrap().values.iter().map(Option::as_deref).collect();
        assert_eq!(site_of_well, [None, None, Some("1")]);
        assert_eq!(wells.screen.label("moa").unwrap().values[1].as_deref(), Some("m"));
        let treatments = wells.treatments(&screen.treatments());
        assert_eq!(treatments.values().collect::<Vec<_>>(), [&vec![1, 2]]);
        assert!(WellMeans::of(&wells.screen, &wells.split).is_none());
        assert_eq!(without_replicates(&screen), None);
        // Without the last well, the sites of one well are all there is of the treatment.
        let said = without_replicates(&screen.select(&[0, 1, 2, 3])).unwrap();
        assert!(said.starts_with("each of the 1 treatments has one well: no replicates"), "{said}");
    }
}
