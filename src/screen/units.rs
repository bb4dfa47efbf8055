//! What rows belong to and what statistics count: wells, with their metadata.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Intervention, Label, Treatment, Well};

/// What an observation's well was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The well received an intervention under study (`trt` in files).
    Treatment,
    /// Vehicle, non-targeting guide or empty vector (`negcon`): its intervention is the empty set.
    NegativeControl,
    /// A known active intervention used to judge the assay (`poscon`).
    PositiveControl,
    /// Nothing that is to be learned from (`empty`).
    Empty,
}

impl Role {
    /// Whether an intervention under study or a known active one was applied.
    pub fn is_treated(self) -> bool {
        matches!(self, Self::Treatment | Self::PositiveControl)
    }
}

/// What rows belong to: a well of a plate, or a cell or object by itself where no well is named.
///
/// Its sites and cells are rows of it and no replicates. A well whose intervention lasts longer from frame to frame is a
/// unit in each of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Unit {
    /// Plate barcode; treated wells are paired with controls of the same plate.
    pub plate: String,
    /// Well on the plate, when the file names one.
    pub well: Option<Well>,
    /// What the well was for.
    pub role: Role,
    /// All that was present; the empty set for negative controls.
    pub intervention: Intervention,
    /// What stays fixed over a transition beside the plate: cell line, time, donor. Empty when the screen has one context.
    pub context: String,
    /// Wells processed together (`Week3`, `2020_11_04_CPJUMP1`).
    pub lab_batch: Option<String>,
    /// Replicate label as the file gives it.
    pub replicate: Option<String>,
    /// Cells (or nuclei) counted in the unit.
    pub cell_count: Option<f64>,
}

impl Unit {
    /// The treatment this unit is a replicate of.
    pub fn treatment(&self) -> Treatment {
        Treatment { intervention: self.intervention.clone(), context: self.context.clone() }
    }
}

/// The units of a table and the unit of each of its rows.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Units {
    /// In the order of their first rows.
    units: Vec<Unit>,
    /// Index into `units`, by row.
    of_row: Vec<usize>,
}

/// The label that names the field of view of a crop of an image.
pub(crate) const SITE_LABEL: &str = "site";

impl Units {
    /// The units of rows that each say all of theirs.
    ///
    /// Rows are of one unit where plate, well, lab batch, role, intervention and context agree. Rows that name no well are
    /// told apart by their label `site`, and without one each is a unit of its own. Counts of cells that differ between the
    /// rows of a unit are those of its sites and are added up; where all rows have the same it is the unit's own.
    ///
    /// # Panics
    /// If a label has another number of rows.
    pub fn of_rows(rows: Vec<Unit>, labels: &[Label]) -> Self {
        let rows = in_one_unit_of_dose(rows);
        let sites = labels.iter().find(|label| label.name == SITE_LABEL);
        let key = |row: usize| {
            let Unit { plate, well, role, intervention, context, lab_batch, .. } = &rows[row];
            let site = sites.and_then(|sites| sites.values[row].as_deref()).filter(|_| well.is_none());
            let row = (well.is_none() && site.is_none()).then_some(row);
            (plate, *well, site, row, lab_batch, role, intervention, context)
        };
        let groups = grouped(rows.len(), key);
        let mut of_row = vec![0; rows.len()];
        for (index, group) in groups.iter().enumerate() {
            group.iter().for_each(|&row| of_row[row] = index);
        }
        let unit = |group: &Vec<usize>| {
            let replicate = &rows[group[0]].replicate;
            Unit {
                replicate: replicate.clone().filter(|_| group.iter().all(|&row| rows[row].replicate == *replicate)),
                cell_count: cell_count(group.iter().map(|&row| rows[row].cell_count)),
                ..rows[group[0]].clone()
            }
        };
        Self { units: groups.iter().map(unit).collect(), of_row }
    }

    /// Each row a unit of its own.
    pub fn of_each(units: Vec<Unit>) -> Self {
        Self { of_row: (0..units.len()).collect(), units }
    }

    /// Number of rows.
    pub fn n_rows(&self) -> usize {
        self.of_row.len()
    }

    /// All units, in the order of their first rows.
    pub fn all(&self) -> &[Unit] {
        &self.units
    }

    /// The unit of a row.
    pub fn of(&self, row: usize) -> &Unit {
        &self.units[self.of_row[row]]
    }

    /// The unit of each row, in the order of the rows.
    pub fn by_row(&self) -> impl ExactSizeIterator<Item = &Unit> + Clone {
        self.of_row.iter().map(|&index| &self.units[index])
    }

    /// Rows of each unit, in the order of [`Units::all`].
    pub fn rows(&self) -> Vec<Vec<usize>> {
        let mut rows = vec![Vec::new(); self.units.len()];
        self.of_row.iter().enumerate().for_each(|(row, &index)| rows[index].push(row));
        rows
    }

    /// How many units the rows at `rows` are of.
    pub fn count(&self, rows: &[usize]) -> usize {
        rows.iter().map(|&row| self.of_row[row]).collect::<BTreeSet<_>>().len()
    }

    /// The units of the rows at `rows`, in that order.
    pub fn select(&self, rows: &[usize]) -> Self {
        let mut position_of = BTreeMap::new();
        let mut selected = Self::default();
        for &row in rows {
            let index = self.of_row[row];
            let position = *position_of.entry(index).or_insert_with(|| {
                selected.units.push(self.units[index].clone());
                selected.units.len() - 1
            });
            selected.of_row.push(position);
        }
        selected
    }

    /// These rows and behind them those of `others`, whose units are others.
    pub fn followed_by(mut self, others: &Self) -> Self {
        let n_units = self.units.len();
        self.units.extend(others.units.iter().cloned());
        self.of_row.extend(others.of_row.iter().map(|&index| n_units + index));
        self
    }

    /// Takes the rows of a unit for its cells, where none were counted.
    pub fn count_rows(&mut self) {
        let mut n_rows = vec![0.0; self.units.len()];
        self.of_row.iter().for_each(|&index| n_rows[index] += 1.0);
        for (unit, n_rows) in self.units.iter_mut().zip(n_rows) {
            unit.cell_count.get_or_insert(n_rows);
        }
    }

    /// Changes the unit of each row and tells the units anew.
    #[cfg(test)]
    pub(crate) fn changed(&self, labels: &[Label], change: impl Fn(usize, &mut Unit)) -> Self {
        let mut rows: Vec<Unit> = self.by_row().cloned().collect();
        rows.iter_mut().enumerate().for_each(|(row, unit)| change(row, unit));
        Self::of_rows(rows, labels)
    }
}

/// The count of a unit from those of its rows; unknown where a row has none.
fn cell_count(counts: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let counts: Vec<f64> = counts.collect::<Option<_>>()?;
    let first = *counts.first()?;
    Some(if counts.iter().all(|&count| count == first) { first } else { counts.iter().sum() })
}

/// Rows that share a key, in the order of their first rows.
pub(crate) fn grouped<K: Ord>(n_rows: usize, key: impl Fn(usize) -> K) -> Vec<Vec<usize>> {
    let mut position_of = BTreeMap::new();
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for row in 0..n_rows {
        let position = *position_of.entry(key(row)).or_insert(groups.len());
        match groups.get_mut(position) {
            Some(rows) => rows.push(row),
            None => groups.push(vec![row]),
        }
    }
    groups
}

/// The same rows with their doses in µM, unless the files give all of them in one unit: a treatment has one name.
fn in_one_unit_of_dose(mut rows: Vec<Unit>) -> Vec<Unit> {
    let members = rows.iter().flat_map(|row| row.intervention.members());
    let mut units = members.filter_map(|member| member.dose).map(|dose| dose.unit().map(|shown_in| shown_in.unit));
    let is_one = units.next().is_none_or(|first| units.all(|unit| unit == first));
    if !is_one {
        rows.iter_mut().for_each(|row| row.intervention = row.intervention.in_micromolar());
    }
    rows
}

#[cfg(test)]
impl Unit {
    /// A unit without a place, under a compound and its dose in µM, or a negative control.
    pub(crate) fn under(compound: Option<(&str, Option<f64>)>) -> Self {
        let given = |(name, dose): (&str, Option<f64>)| {
            Intervention::single(name, super::Kind::Compound, dose.and_then(super::Micromolar::new))
        };
        Self {
            plate: String::new(),
            well: None,
            role: if compound.is_some() { Role::Treatment } else { Role::NegativeControl },
            intervention: compound.map_or(Intervention::untreated(), given),
            context: String::new(),
            lab_batch: None,
            replicate: None,
            cell_count: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(plate: &str, well: Option<&str>, cell_count: Option<f64>) -> Unit {
        Unit {
            plate: plate.into(),
            well: well.map(|well| well.parse().unwrap()),
            role: Role::NegativeControl,
            intervention: Intervention::untreated(),
            context: String::new(),
            lab_batch: None,
            replicate: None,
            cell_count,
        }
    }

    #[test]
    fn sites_of_a_well_are_one_unit_and_their_cells_are_added_up() {
        let rows = vec![
            site("P1", Some("A01"), Some(10.0)),
            site("P2", Some("A01"), Some(7.0)),
            site("P1", Some("A01"), Some(12.0)),
            site("P2", Some("A01"), Some(7.0)),
            site("P2", Some("A02"), Some(3.0)),
            site("P2", Some("A02"), None),
        ];
        let units = Units::of_rows(rows, &[]);
        assert_eq!(units.rows(), [vec![0, 2], vec![1, 3], vec![4, 5]]);
        assert_eq!((units.count(&[0, 2]), units.count(&[0, 1, 3])), (1, 2));
        // The sites of P1 were counted apart; those of P2 A01 repeat the count of the well; one of P2 A02 has none.
        let counts: Vec<Option<f64>> = units.all().iter().map(|unit| unit.cell_count).collect();
        assert_eq!(counts, [Some(22.0), Some(7.0), None]);
    }

    #[test]
    fn one_well_in_two_lab_batches_is_two_units() {
        let in_batch = |batch: &str| Unit { lab_batch: Some(batch.into()), ..site("P1", Some("A01"), None) };
        let units = Units::of_rows(vec![in_batch("b1"), in_batch("b2"), in_batch("b1")], &[]);
        assert_eq!(units.rows(), [vec![0, 2], vec![1]]);
    }

    #[test]
    fn rows_without_a_well_are_told_apart_by_their_site_or_are_units_themselves() {
        let rows = vec![site("P", None, None); 4];
        let sites = ["s1", "s1", "s2"].map(|site| Some(site.to_owned())).into_iter().chain([None]).collect();
        let label = Label { name: SITE_LABEL.into(), values: sites };
        assert_eq!(Units::of_rows(rows.clone(), &[label]).rows(), [vec![0, 1], vec![2], vec![3]]);
        assert_eq!(Units::of_rows(rows, &[]).rows().len(), 4);
    }

    #[test]
    fn selected_rows_keep_their_units_and_joined_tables_do_not_share_them() {
        let rows = vec![site("P1", Some("A01"), None), site("P1", Some("A02"), None), site("P1", Some("A01"), None)];
        let units = Units::of_rows(rows, &[]);
        let selected = units.select(&[1, 2, 0]);
        assert_eq!((selected.rows(), selected.of(2)), (vec![vec![0], vec![1, 2]], units.of(0)));
        let joined = units.clone().followed_by(&selected);
        assert_eq!(joined.rows(), [vec![0, 2], vec![1], vec![3], vec![4, 5]]);
        assert_eq!((joined.n_rows(), joined.by_row().len()), (6, 6));
    }

    #[test]
    fn doses_are_shown_in_the_unit_of_the_files_where_they_have_one() {
        use crate::screen::{DoseUnit, Kind, Micromolar};
        let unit = |well: i64, name: &str, nanomolar: bool| {
            let dose = Micromolar::new(0.3);
            let shown = |dose: Micromolar| if nanomolar { dose.shown_in(DoseUnit::Nanomolar, 1e-3) } else { dose };
            let intervention = Intervention::single(name, Kind::Compound, dose.map(shown)).lasting(24.0);
            Unit { well: Well::at(1, well), intervention, ..Unit::under(Some((name, None))) }
        };
        let shown = |units: Vec<Unit>| -> Vec<String> {
            Units::of_rows(units, &[]).all().iter().map(|unit| unit.intervention.to_string()).collect()
        };
        assert_eq!(shown(vec![unit(1, "a", true), unit(2, "b", true)]), ["a 300 nM", "b 300 nM"]);
        assert_eq!(shown(vec![unit(1, "a", true), unit(2, "a", false)]), ["a 0.3 µM", "a 0.3 µM"]);
    }

    #[test]
    fn rows_count_as_cells_only_where_none_were_counted() {
        let mut units = Units::of_rows(vec![site("P1", Some("A01"), None), site("P1", Some("A01"), None)], &[]);
        units.count_rows();
        assert_eq!(units.of(0).cell_count, Some(2.0));
        units.count_rows();
        assert_eq!(units.of(1).cell_count, Some(2.0));
    }
}
