//! Rows of a table -> what was done to each and what each was for, with what there is to say of it.

use super::card::Card;
use super::error::LoadError;
use super::mapping::{ColumnRole, MappedColumn, Mapping, plain, unit_in_name};
use super::sets::Sets;
use super::table::RawTable;
use super::{cells, companions, controls, dose, identity, kind, plates, rows};
use crate::screen::{DoseUnit, Role, Unit};

/// Highest dose that screens apply as a rule, in µM.
const USUAL_MAX_UM: f64 = 100.0;

/// What the rows of a table say.
pub(super) struct Rows {
    /// Where each was measured, what it was for, and what had been done there.
    pub units: Vec<Unit>,
    /// What a user may want to know or change, in sentences.
    pub notes: Vec<String>,
}

/// Reads the rows of a table whose columns are mapped; what they say of the mapping is added to it.
///
/// # Errors
/// If a cell is wrong, or a column that the card names is absent.
pub(super) fn read(table: &mut RawTable, mapping: &mut Mapping, card: &Card) -> Result<Rows, LoadError> {
    let (sets, unsure) = Sets::of(table, mapping, card)?;
    let controls::Roles { roles: told, why, mut notes } = match &sets {
        Some(sets) => sets.roles(table, mapping, card)?,
        None => controls::roles(table, mapping, card)?,
    };
    let roles = sets.as_ref().map_or_else(|| told.clone(), |sets| sets.row_roles(&told));
    mapping.controls_why = why;
    notes.extend(unsure);
    notes.extend(cells::map(table, mapping, card));
    notes.extend(plates::tell_apart(table, mapping, card, &roles)?);
    if sets.is_none() {
        notes.extend(identity::notes(table, mapping, &roles));
        notes.extend(companions::notes(table, mapping, &roles));
    }
    map_kind(table, mapping, card, &roles);
    let mut units = match &sets {
        Some(sets) => sets.observations(table, mapping, card, &told)?,
        None => rows::observations(table, mapping, card, &roles)?,
    };
    notes.extend(sets.iter().flat_map(|sets| sets.notes(&units)));
    notes.extend(identity::spellings(&units));
    notes.extend(map_units_by_row(table, mapping, card));
    notes.extend(dose::merge(&mut units));
    notes.extend(stock_note(mapping, card, &units));
    Ok(Rows { units, notes })
}

/// The column whose words tell both roles and kinds, as `pert_type` does with `trt_oe`, where no other tells kinds.
fn map_kind(table: &RawTable, mapping: &mut Mapping, card: &Card, roles: &[Role]) {
    if mapping.column(ColumnRole::Kind).is_some() || card.columns.kind.is_some() || card.kind.is_some() {
        return;
    }
    let role_column = mapping.column(ColumnRole::Role).map(str::to_owned);
    let of_roles = table.columns.iter().map(|column| column.name.clone()).filter(|name| kind::is_of_roles(name));
    let tells = |column: &String| {
        let words = table.text(column).unwrap_or_default();
        let treated = words.iter().zip(roles).filter(|(_, role)| role.is_treated());
        treated.filter_map(|(word, _)| word.as_deref()).any(|word| kind::of_word(word).is_some())
    };
    if let Some(column) = role_column.into_iter().chain(of_roles).find(tells) {
        let why = "some of its words name kinds".to_owned();
        mapping.columns.push(MappedColumn { role: ColumnRole::Kind, column, why, is_made: false });
    }
}

/// Tells whether doses were read in several units, and what to know where the card gives another.
fn map_units_by_row(table: &RawTable, mapping: &mut Mapping, card: &Card) -> Option<String> {
    let column = mapping.column(ColumnRole::DoseUnit)?.to_owned();
    let doses = mapping.column(ColumnRole::Dose).and_then(|column| table.text(column))?;
    let units = table.text(&column)?;
    let is_dosed = |row: &usize| doses[*row].as_deref().is_some_and(dose::is_positive);
    mapping.dose_unit_why = format!("`{column}` gives it row by row");
    let dose_column = mapping.column(ColumnRole::Dose)?.to_owned();
    let (declared, who) = match (card.dose_unit, unit_in_name(&dose_column)) {
        (Some(unit), _) => (unit, "`dose_unit` of the card is".to_owned()),
        (None, Some(unit)) => (unit, format!("the name `{dose_column}` says")),
        (None, None) => return None,
    };
    let of_row = |row: usize| DoseUnit::parse(units[row].as_deref()?).filter(|unit| *unit != declared);
    let others: Vec<DoseUnit> = (0..table.n_rows()).filter(is_dosed).filter_map(of_row).collect();
    let other = others.first()?;
    Some(format!(
        "{who} {}, but `{column}` says {} and the like in {} rows with a dose; each row is read in \
         its own unit (set `dose_unit = \"\"` under [columns] to read all of them in {})",
        declared.word(),
        other.word(),
        others.len(),
        declared.word()
    ))
}

/// What a column of concentrations in mmol/L may mean: the well, or the stock that was diluted into it.
fn stock_note(mapping: &Mapping, card: &Card, units: &[Unit]) -> Option<String> {
    let column = mapping.column(ColumnRole::Dose).filter(|column| plain(column).contains("mmoles_per_liter"))?;
    if card.dose_unit.is_some() {
        return None;
    }
    let members = units.iter().flat_map(|unit| unit.intervention.members());
    let highest = members.filter_map(|member| member.dose).max()?;
    let beyond = if highest.get() > USUAL_MAX_UM { ", more than screens apply as a rule" } else { "" };
    Some(format!(
        "`{column}` is read as the concentration in the wells, which reaches {highest}{beyond}; in many tables of the Broad \
         Institute it is the stock of the compound plate, of which a thousandth reaches the cells: if so, set \
         `dose_unit = \"uM\"` in a card"
    ))
}
