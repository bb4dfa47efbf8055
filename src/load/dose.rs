//! What is written of a dose -> µM.
//!
//! ```text
//! dose_um      0.3                     the unit stands in the name of the column,
//! dose         0.3        nM           or in a column beside it, row by row,
//! dose         0.3 uM                  or behind the number.
//! ```
//!
//! One dose may be written in several ways: 0.1 that went through 32 bits is 0.10000000149011612, and a third of a µM is
//! 0.333 in one table and 0.33333 in another. No pipette tells a thousandth, so doses of one perturbation that agree to
//! that are one dose. Two doses would not share their replicates, and one could be tested while the other trains.

use std::collections::{BTreeMap, BTreeSet};

use super::card::Card;
use super::mapping::{ColumnRole, Mapping};
use super::table::RawTable;
use crate::screen::{Application, DoseUnit, Intervention, Micromolar, Perturbation, Unit, amount};

/// Relative difference up to which two doses of one perturbation are one dose.
const SAME: f64 = 1e-3;

/// A number, with the unit behind it if there is one.
pub(super) fn written(text: &str) -> Option<(f64, Option<DoseUnit>)> {
    amount(text).map(|(number, unit)| (from_single(number), unit))
}

/// Whether nothing was applied, as a table says it.
pub(super) fn is_zero(text: &str) -> bool {
    written(text).is_some_and(|(number, _)| number == 0.0)
}

/// Whether something was applied, as a table says it.
pub(super) fn is_positive(text: &str) -> bool {
    written(text).is_some_and(|(number, _)| number > 0.0)
}

/// The number that was meant where it went through 32 bits on its way.
fn from_single(value: f64) -> f64 {
    let single = value as f32;
    if f64::from(single) != value {
        return value;
    }
    single.to_string().parse().unwrap_or(value)
}

/// To 12 digits, so that 0.3 µM and 300 nM are one dose.
pub(super) fn rounded(value: f64) -> f64 {
    format!("{value:.11e}").parse().expect("a formatted float parses")
}

/// Leaves out doses without a unit that are 1 wherever something was applied, as tools for screens of genes write them: they
/// count nothing. A name at doses of both 0 and 1 has doses.
pub(super) fn leave_out_idle(table: &RawTable, mapping: &mut Mapping, card: &Card) -> Option<String> {
    let is_settled = card.columns.dose.is_some() || !card.columns.doses.is_empty() || card.dose_unit.is_some();
    if is_settled || mapping.dose_unit.is_some() || mapping.column(ColumnRole::DoseUnit).is_some() {
        return None;
    }
    let column = mapping.column(ColumnRole::Dose)?.to_owned();
    let names = mapping.column(ColumnRole::Perturbation).and_then(|column| table.text(column));
    let mut doses_of = BTreeMap::<Option<&str>, BTreeSet<bool>>::new();
    for (row, text) in table.text(&column)?.iter().enumerate() {
        for part in text.iter().flat_map(|text| text.split('+')) {
            let dose = part.trim().parse::<f64>().ok().filter(|dose| [0.0, 1.0].contains(dose))?;
            doses_of.entry(names.and_then(|names| names[row].as_deref())).or_default().insert(dose > 0.0);
        }
    }
    let is_single = doses_of.values().all(|doses| doses.len() == 1);
    if !is_single || !doses_of.values().any(|doses| doses.contains(&true)) {
        return None;
    }
    mapping.columns.retain(|mapped| mapped.role != ColumnRole::Dose);
    Some(format!("`{column}` is 1 wherever something was applied, so it is not read as a concentration"))
}

/// Makes one dose of those that agree, the one with the fewest digits, and says so.
pub(super) fn merge(units: &mut [Unit]) -> Option<String> {
    let mut doses = BTreeMap::<&Perturbation, BTreeMap<Micromolar, usize>>::new();
    for member in units.iter().flat_map(|unit| unit.intervention.members()) {
        if let Some(dose) = member.dose {
            *doses.entry(&member.perturbation).or_default().entry(dose).or_default() += 1;
        }
    }
    let mut merged = BTreeMap::<(Perturbation, Micromolar), Micromolar>::new();
    for (perturbation, doses) in doses {
        let doses: Vec<(Micromolar, usize)> = doses.into_iter().collect();
        let mut rest = doses.as_slice();
        while let Some(((least, _), _)) = rest.split_first() {
            let n = rest.iter().take_while(|(dose, _)| dose.get() <= least.get() * (1.0 + SAME) * (1.0 + 1e-9)).count();
            let (alike, others) = rest.split_at(n);
            let (kept, _) = alike
                .iter()
                .min_by_key(|(dose, rows)| (n_digits(dose.get()), std::cmp::Reverse(*rows)))
                .expect("the least is among them");
            let differ = alike.iter().filter(|(dose, _)| dose != kept);
            merged.extend(differ.map(|(dose, _)| ((perturbation.clone(), *dose), *kept)));
            rest = others;
        }
    }
    let ((perturbation, dose), kept) = merged.first_key_value()?;
    let name = &perturbation.name;
    let more = match merged.len() {
        1 => String::new(),
        n => format!(", and {} more", n - 1),
    };
    let note = format!(
        "doses of one perturbation that differ by no more than 0.1 % are one dose: `{name}` {} µM is {kept}{more}",
        dose.get()
    );
    for unit in units {
        unit.intervention = with_doses(&unit.intervention, &merged);
    }
    Some(note)
}

fn with_doses(intervention: &Intervention, merged: &BTreeMap<(Perturbation, Micromolar), Micromolar>) -> Intervention {
    let members = intervention.members().iter().map(|member| {
        let kept = member.dose.and_then(|dose| merged.get(&(member.perturbation.clone(), dose)));
        Application { dose: kept.copied().or(member.dose), ..member.clone() }
    });
    let changed = Intervention::of(members);
    match intervention.hours() {
        Some(hours) => changed.lasting(hours),
        None => changed,
    }
}

/// Digits of the shortest decimal that is this number, without zeros at either end.
fn n_digits(value: f64) -> usize {
    let text = format!("{value:e}");
    text.split('e').next().unwrap_or_default().bytes().filter(u8::is_ascii_digit).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::{Kind, Role};

    #[test]
    fn a_dose_is_read_with_its_unit() {
        let check =
            |text: &str, expected: Option<(f64, Option<DoseUnit>)>| assert_eq!(written(text), expected, "{text}");
        check("10", Some((10.0, None)));
        check("10 uM", Some((10.0, Some(DoseUnit::Micromolar))));
        check("10uM", Some((10.0, Some(DoseUnit::Micromolar))));
        check("0.3 µM", Some((0.3, Some(DoseUnit::Micromolar))));
        check("0.3 μM", Some((0.3, Some(DoseUnit::Micromolar))));
        check("3 nM", Some((3.0, Some(DoseUnit::Nanomolar))));
        check("1e-3 mM", Some((1e-3, Some(DoseUnit::Millimolar))));
        check("2 M", Some((2.0, Some(DoseUnit::Molar))));
        check("500 pM", Some((500.0, Some(DoseUnit::Picomolar))));
        check("5 ng/mL", Some((5.0, Some(DoseUnit::NanogramPerMilliliter))));
        check("0.10000000149011612", Some((0.1, None)));
        for text in ["abc", "10 parsec", "uM", "10 m", ""] {
            check(text, None);
        }
        assert!(is_zero("0.0") && is_zero("0 uM") && !is_zero("") && !is_zero("x"));
        assert!(is_positive("3 nM") && !is_positive("0") && !is_positive("-1"));
    }

    fn treated(name: &str, dose: f64) -> Unit {
        Unit {
            plate: "p".into(),
            well: None,
            role: Role::Treatment,
            intervention: Intervention::single(name, Kind::Compound, Micromolar::new(dose)).lasting(24.0),
            context: String::new(),
            lab_batch: None,
            replicate: None,
            cell_count: None,
        }
    }

    #[test]
    fn doses_that_agree_to_a_thousandth_are_one() {
        let doses = [0.1, 0.10000000149, 0.3, 16.200001, 16.2, 3.3333, 3.33, 0.041, 0.0411523];
        let mut rows: Vec<Unit> = doses.iter().map(|&dose| treated("a", dose)).collect();
        rows.push(treated("b", 0.10000000149));
        let note = merge(&mut rows).unwrap();
        let dose = |row: &Unit| row.intervention.members()[0].dose.unwrap().get();
        let found: Vec<f64> = rows.iter().map(dose).collect();
        // Those that differ by more stay apart, and so does another perturbation.
        assert_eq!(found, [0.1, 0.1, 0.3, 16.2, 16.2, 3.33, 3.33, 0.041, 0.0411523, 0.10000000149]);
        assert_eq!(rows[1].intervention.hours(), Some(24.0));
        assert!(note.ends_with("`a` 0.10000000149 µM is 0.1 µM, and 2 more"), "{note}");
        assert_eq!(merge(&mut rows), None);
    }
}
