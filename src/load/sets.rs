//! What was applied together: the members of each row's set, however a table writes them.
//!
//! ```text
//! condition        dose        condition             drug_1  dose_1_um  drug_2  dose_2_um
//! KLF1                         901|1.5               HN      6
//! KLF1+MAP2K6                  901|1.5,HN|6          HN      6          RO      3.5
//! HN + RO          6 + 3.5     HN 6 uM + RO 3 uM     RO      3.5        DMSO
//! ```
//!
//! Columns with a number in their names are found by [`numbered_columns`]. In one column, a sign stands between members
//! only where the data say so, since names hold all of these signs too (`IL-2/IL-15`, `foo|bar`, `HLA_A`): where each part
//! is a name by itself elsewhere, or is beside a control, or is a member of several sets; in the rest of a column's sets with
//! `+` or `&` too, where that holds for most; or where every part has a dose behind it. `separator` under `[columns]` settles it, and `separator = ""` means that names are whole.
//!
//! A control that stands beside something else falls away. A perturbation that stands twice has the sum of its doses.
//!
//! [`numbered_columns`]: super::numbered::numbered_columns

mod signs;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use self::signs::{NamedDose, Signs};
use super::card::Card;
use super::controls;
use super::dose;
use super::error::LoadError;
use super::mapping::{ColumnRole, MappedColumn, Mapping, unit_of};
use super::rows;
use super::table::{RawColumn, RawTable, Values};
use super::vehicle::{Standing, standing};
use crate::screen::{Application, Intervention, Micromolar, Perturbation, Role, Unit};

/// The members of all rows of a table.
pub(super) struct Sets {
    /// In the order of the rows, at least one for each.
    members: Vec<Member>,
    /// The columns of the names: one for each slot, or one for all.
    perturbations: Vec<String>,
    /// The columns of the doses, likewise; none without doses.
    doses: Vec<String>,
    /// How the members are written, in words.
    how: String,
}

/// A member of a row's set, or a row without any.
struct Member {
    row: usize,
    /// Its place in the set.
    slot: usize,
    name: Option<String>,
    dose: Option<String>,
}

impl Sets {
    /// The members of the rows where a table writes sets, with a word on names that may be sets; what the mapping lacks for
    /// them is added to it.
    ///
    /// # Errors
    /// If a row has a dose without a name, or not a dose for each member.
    pub fn of(
        table: &RawTable,
        mapping: &mut Mapping,
        card: &Card,
    ) -> Result<(Option<Self>, Option<String>), LoadError> {
        if !card.columns.doses.is_empty() {
            return Ok((None, None));
        }
        let perturbations = columns_of(mapping, ColumnRole::Perturbation);
        match perturbations.as_slice() {
            [] => Ok((None, None)),
            [column] => Self::in_one_column(table, mapping, card, column),
            _ => Ok((Some(Self::in_columns(table, mapping, perturbations)?), None)),
        }
    }

    fn in_columns(table: &RawTable, mapping: &Mapping, perturbations: Vec<String>) -> Result<Self, LoadError> {
        let doses = columns_of(mapping, ColumnRole::Dose);
        let cell = |column: &String, row: usize| table.text(column).and_then(|cells| cells[row].clone());
        let mut members = Vec::with_capacity(table.n_rows());
        for row in 0..table.n_rows() {
            let n_before = members.len();
            let together = if doses.len() == 1 { cell(&doses[0], row) } else { None };
            for (slot, column) in perturbations.iter().enumerate() {
                let name = cell(column, row);
                let dose = doses.get(slot).filter(|_| doses.len() > 1).and_then(|column| cell(column, row));
                if name.is_some() {
                    members.push(Member { row, slot, name, dose });
                } else if dose.as_deref().is_some_and(|dose| !dose::is_zero(dose)) {
                    return Err(LoadError::Cell {
                        place: table.place(row),
                        column: column.clone(),
                        found: String::new(),
                        expected: "the name of a perturbation, since the row has a dose of it",
                    });
                }
            }
            if members.len() == n_before {
                members.push(Member { row, slot: 0, name: None, dose: None });
            }
            if let Some(text) = together {
                let set: Vec<NamedDose> =
                    members[n_before..].iter().map(|member| (member.name.clone().unwrap_or_default(), None)).collect();
                let of_set = doses_of_set(&set, &text).ok_or_else(|| not_of_each(table, row, &doses[0], text))?;
                members[n_before..].iter_mut().zip(of_set).for_each(|(member, dose)| member.dose = dose);
            }
        }
        let columns = perturbations.iter().map(|column| format!("`{column}`")).collect::<Vec<_>>().join(", ");
        let how = format!("{columns} hold a member of a set each");
        Ok(Self { members, perturbations, doses, how })
    }

    fn in_one_column(
        table: &RawTable,
        mapping: &mut Mapping,
        card: &Card,
        column: &str,
    ) -> Result<(Option<Self>, Option<String>), LoadError> {
        let texts = table.text(column).unwrap_or_default();
        let names = texts.iter().flatten().map(String::as_str).filter(|name| !controls::is_declared(card, name));
        let may_hold_doses = mapping.column(ColumnRole::Dose).is_none() && card.columns.dose.is_none();
        let signs = Signs::of(&names.collect(), card.columns.separator.as_deref(), may_hold_doses);
        let unsure = signs.unsure(column);
        if signs.members.is_empty() {
            return Ok((None, unsure));
        }
        if signs.has_doses {
            let made = format!("{column} (dose)");
            let why = format!("written behind the names in `{column}`");
            mapping.columns.push(MappedColumn { role: ColumnRole::Dose, column: made, why, is_made: true });
            mapping.map_dose_unit(card);
        }
        let doses: Vec<String> = columns_of(mapping, ColumnRole::Dose);
        let dose_cells = doses.first().and_then(|column| table.text(column));
        let mut members = Vec::with_capacity(table.n_rows());
        for (row, text) in texts.iter().enumerate() {
            let dose = dose_cells.and_then(|doses| doses[row].clone());
            let Some(set) = text.as_deref().and_then(|text| signs.members.get(text)) else {
                members.push(Member { row, slot: 0, name: text.clone(), dose });
                continue;
            };
            let doses_of_set = match dose {
                _ if signs.has_doses => set.iter().map(|(_, dose)| dose.clone()).collect(),
                None => vec![None; set.len()],
                Some(dose) => doses_of_set(set, &dose).ok_or_else(|| not_of_each(table, row, &doses[0], dose))?,
            };
            for (slot, ((name, _), dose)) in set.iter().zip(doses_of_set).enumerate() {
                members.push(Member { row, slot, name: Some(name.clone()), dose });
            }
        }
        let how = format!("`{column}` {}", signs.in_words());
        Ok((Some(Self { members, perturbations: vec![column.to_owned()], doses, how }), unsure))
    }

    /// The members of each row, as places in `members`.
    fn of_rows(&self) -> Vec<Range<usize>> {
        let mut start = 0;
        let ranges = self.members.chunk_by(|one, next| one.row == next.row).map(|members| {
            let range = start..start + members.len();
            start = range.end;
            range
        });
        ranges.collect()
    }

    /// The role of each member as if it were a row by itself, with how the roles were told.
    ///
    /// # Errors
    /// As [`controls::roles`].
    pub fn roles(&self, table: &RawTable, mapping: &Mapping, card: &Card) -> Result<controls::Roles, LoadError> {
        let members: Vec<&Member> = self.members.iter().collect();
        let mut told = controls::roles(&self.by_member(table, &members), mapping, card)?;
        if card.has_negative_rule() {
            return Ok(told);
        }
        // A column that tells the role of a row does not tell that of its members; a control's name does.
        let is_control = |place: &usize| {
            let name = self.members[*place].name.as_deref();
            name.and_then(standing) == Some(Standing::Control)
        };
        for places in self.of_rows() {
            if !places.clone().all(|place| is_control(&place)) {
                places.filter(is_control).for_each(|place| told.roles[place] = Role::NegativeControl);
            }
        }
        Ok(told)
    }

    /// The role of each row, of the roles of its members: treated where one of them is.
    pub fn row_roles(&self, of_members: &[Role]) -> Vec<Role> {
        const STRONGEST: [Role; 3] = [Role::Treatment, Role::PositiveControl, Role::NegativeControl];
        let role = |places: Range<usize>| {
            let strongest = STRONGEST.into_iter().find(|role| of_members[places.clone()].contains(role));
            strongest.unwrap_or(Role::Empty)
        };
        self.of_rows().into_iter().map(role).collect()
    }

    /// The observation of each row, with all its members that are treatments.
    ///
    /// # Errors
    /// As [`rows::observations`].
    pub fn observations(
        &self,
        table: &RawTable,
        mapping: &Mapping,
        card: &Card,
        of_members: &[Role],
    ) -> Result<Vec<Unit>, LoadError> {
        let mut units: Vec<Option<Unit>> = vec![None; self.members.len()];
        let n_slots = self.members.iter().map(|member| member.slot + 1).max().unwrap_or(0);
        // Slot by slot, so that each is read by its own columns, which errors name, and in the units of these.
        for slot in 0..n_slots {
            let places: Vec<usize> =
                (0..self.members.len()).filter(|&place| self.members[place].slot == slot).collect();
            let members: Vec<&Member> = places.iter().map(|&place| &self.members[place]).collect();
            let roles: Vec<Role> = places.iter().map(|&place| of_members[place]).collect();
            let read = rows::observations(
                &self.by_member(table, &members),
                &self.mapping_of(slot, mapping, card),
                card,
                &roles,
            )?;
            for (place, unit) in places.into_iter().zip(read) {
                units[place] = Some(unit);
            }
        }
        let units: Vec<Unit> = units.into_iter().flatten().collect();
        let row_roles = self.row_roles(of_members);
        let of_row = |(places, role): (Range<usize>, Role)| {
            let applied = units[places.clone()].iter().flat_map(|unit| unit.intervention.members());
            let treated = units[places.clone()].iter().find(|unit| unit.role.is_treated());
            let first = treated.unwrap_or(&units[places.start]).clone();
            let together = Intervention::of(summed(applied));
            let intervention = match first.intervention.hours() {
                Some(hours) => together.lasting(hours),
                None => together,
            };
            Unit { role, intervention, ..first }
        };
        Ok(self.of_rows().into_iter().zip(row_roles).map(of_row).collect())
    }

    /// What was found, with how many sets there are of each size.
    pub fn notes(&self, units: &[Unit]) -> Vec<String> {
        let treated = units.iter().filter(|unit| unit.role.is_treated()).map(|unit| &unit.intervention);
        let sets: BTreeSet<&Intervention> = treated.collect();
        let n_of = |is: &dyn Fn(usize) -> bool| sets.iter().filter(|set| is(set.members().len())).count();
        let sizes = [(n_of(&|n| n == 1), "single"), (n_of(&|n| n == 2), "pair"), (n_of(&|n| n > 2), "larger set")];
        let counted = sizes.iter().filter(|(n, _)| *n > 0).map(|(n, word)| match n {
            1 => format!("1 {word}"),
            n => format!("{n} {word}s"),
        });
        let counted = counted.collect::<Vec<_>>().join(", ");
        let mut notes = vec![format!("{}: {counted}", self.how)];
        let is_twice = |places: Range<usize>| {
            let mut names = BTreeSet::new();
            places.filter_map(|place| self.members[place].name.as_deref()).any(|name| !names.insert(name))
        };
        let n_twice = self
            .of_rows()
            .into_iter()
            .zip(units)
            .filter(|(places, unit)| unit.role.is_treated() && is_twice(places.clone()));
        let n_twice = n_twice.count();
        if n_twice > 0 {
            let rows = if n_twice == 1 { "1 row names" } else { &format!("{n_twice} rows name") };
            notes.push(format!(
                "{rows} a perturbation twice; it counts once, with the sum of its doses where there are any"
            ));
        }
        notes
    }

    /// A table with a row for each of `members`.
    fn by_member(&self, table: &RawTable, members: &[&Member]) -> RawTable {
        let cells = |of_member: &dyn Fn(&Member) -> Option<String>| {
            Values::Text(members.iter().map(|member| of_member(member)).collect())
        };
        let named = |name: &String, values: Values| RawColumn { name: name.clone(), values };
        let replaced = |name: &String| self.perturbations.contains(name) || self.doses.contains(name);
        let kept = table.columns.iter().filter(|column| !replaced(&column.name));
        let kept = kept.filter_map(|column| match &column.values {
            Values::Text(texts) => Some(named(&column.name, cells(&|member| texts[member.row].clone()))),
            Values::Number(_) => None,
        });
        let names = self.perturbations.iter().map(|column| named(column, cells(&|member| member.name.clone())));
        let doses = self.doses.iter().map(|column| named(column, cells(&|member| member.dose.clone())));
        RawTable {
            columns: kept.chain(names).chain(doses).collect(),
            rows: members.iter().map(|member| table.rows[member.row]).collect(),
            paths: table.paths.clone(),
        }
    }

    /// The mapping with the columns of one slot in place of all.
    fn mapping_of(&self, slot: usize, mapping: &Mapping, card: &Card) -> Mapping {
        let is_of_another = |columns: &[String], column: &String| {
            columns.len() > 1 && columns.iter().position(|name| name == column).is_some_and(|of| of != slot)
        };
        let mut of_slot = mapping.clone();
        of_slot.columns.retain(|MappedColumn { role, column, .. }| match role {
            ColumnRole::Perturbation => !is_of_another(&self.perturbations, column),
            ColumnRole::Dose => !is_of_another(&self.doses, column),
            _ => true,
        });
        if let Some(unit) = self.doses.get(slot).or(self.doses.first()).and_then(|column| unit_of(card, column)) {
            of_slot.dose_unit = Some(unit);
        }
        of_slot
    }
}

fn not_of_each(table: &RawTable, row: usize, column: &str, found: String) -> LoadError {
    LoadError::Cell {
        place: table.place(row),
        column: column.to_owned(),
        found,
        expected: "a dose for each member of the set, in the same order, as in `3 + 0.5`",
    }
}

/// The doses of the members in a cell of their own: one for each, or one for the only member that is not a control.
fn doses_of_set(set: &[NamedDose], text: &str) -> Option<Vec<Option<String>>> {
    let is_treated: Vec<bool> = set.iter().map(|(name, _)| standing(name) != Some(Standing::Control)).collect();
    let n_treated = is_treated.iter().filter(|is| **is).count();
    let of_all = signs::doses_of_members(text, set.len());
    of_all.or_else(|| (n_treated == 1).then(|| is_treated.iter().map(|is| is.then(|| text.to_owned())).collect()))
}

fn columns_of(mapping: &Mapping, role: ColumnRole) -> Vec<String> {
    let of_role = mapping.columns.iter().filter(|mapped| mapped.role == role);
    of_role.map(|mapped| mapped.column.clone()).collect()
}

/// Each perturbation once, with the sum of its doses.
fn summed<'a>(members: impl Iterator<Item = &'a Application>) -> Vec<Application> {
    let mut doses = BTreeMap::<&Perturbation, Vec<Micromolar>>::new();
    for member in members {
        doses.entry(&member.perturbation).or_default().extend(member.dose);
    }
    let sum = |doses: &[Micromolar]| dose::rounded(doses.iter().map(|dose| dose.get()).sum());
    let application = |(perturbation, doses): (&Perturbation, Vec<Micromolar>)| Application {
        perturbation: perturbation.clone(),
        dose: doses.first().and_then(|first| first.at(sum(&doses))),
    };
    doses.into_iter().map(application).collect()
}
