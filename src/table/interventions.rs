//! The columns by which every table of ours names what was done.
//!
//! Beside what people read there is one column for programs, `intervention_json`:
//!
//! ```text
//! {"members":[{"name":"taxol","kind":"compound","dose_um":0.3}],"minutes":1440}
//! ```

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Column, FileError, Table};
use crate::screen::{Application, DoseUnit, Intervention, Kind, Micromolar, Perturbation};

/// Names of the columns that [`Table::with_interventions`] adds.
pub const INTERVENTION_COLUMNS: [&str; 5] = ["intervention", "perturbation", "dose_um", "hours", EXACT];

/// The column that programs read.
const EXACT: &str = "intervention_json";

/// An intervention as it stands in the file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    members: Vec<WrittenMember>,
    minutes: Option<u32>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenMember {
    name: String,
    kind: Kind,
    dose_um: Option<f64>,
    /// The unit in which the files give the dose, and how many µM one of it is, where that is not µM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unit: Option<DoseUnit>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unit_um: Option<f64>,
}

impl Table {
    /// The table with the columns `intervention`, `perturbation`, `dose_um`, `hours` and `intervention_json`.
    pub fn with_interventions<'a>(self, interventions: impl Iterator<Item = &'a Intervention> + Clone) -> Self {
        let text = |of: &dyn Fn(&Intervention) -> String| {
            Column::Text(interventions.clone().map(|intervention| Some(of(intervention))).collect())
        };
        let [shown, perturbation, dose, hours, exact] = INTERVENTION_COLUMNS;
        let single_dose = |intervention: &Intervention| Some(intervention.as_single()?.dose?.get());
        self.with(shown, "the intervention in words; `untreated` for the empty set", text(&ToString::to_string))
            .with(
                perturbation,
                "names of the perturbations, joined by ` + `; empty for untreated",
                text(&Intervention::perturbation_names),
            )
            .with(
                dose,
                "dose in µM; null without a dose and for combinations",
                Column::Number(interventions.clone().map(single_dose).collect()),
            )
            .with(
                hours,
                "how long it was present, in hours; null where unknown",
                Column::Number(interventions.clone().map(Intervention::hours).collect()),
            )
            .with(exact, "the same set as JSON: name, kind and dose in µM of each member, and minutes", text(&written))
    }

    /// What was done, by row, from the column `intervention_json`.
    ///
    /// # Errors
    /// [`FileError::Column`] where the column is absent, or [`FileError::Damaged`] naming the row that holds no intervention.
    pub fn interventions(&self) -> Result<Vec<Intervention>, FileError> {
        let texts = self.text(EXACT)?;
        texts.iter().enumerate().map(|(row, text)| parse(self.path(), row, text.as_deref())).collect()
    }
}

fn written(intervention: &Intervention) -> String {
    let members = intervention.members().iter().map(|member| WrittenMember {
        name: member.perturbation.name.clone(),
        kind: member.perturbation.kind,
        dose_um: member.dose.map(Micromolar::get),
        unit: member.dose.and_then(Micromolar::unit).map(|shown_in| shown_in.unit),
        unit_um: member.dose.and_then(Micromolar::unit).map(|shown_in| shown_in.unit_um),
    });
    let minutes = intervention.hours().map(|hours| (hours * 60.0).round() as u32);
    serde_json::to_string(&Written { members: members.collect(), minutes }).expect("texts and numbers have a JSON")
}

fn parse(path: &Path, row: usize, text: Option<&str>) -> Result<Intervention, FileError> {
    let damaged = |problem: String| FileError::damaged(path, format!("row {}: column `{EXACT}` {problem}", row + 1));
    let text = text.ok_or_else(|| damaged("is null, expected an intervention".into()))?;
    let read: Written =
        serde_json::from_str(text).map_err(|error| damaged(format!("is not an intervention ({error})")))?;
    let mut members = Vec::with_capacity(read.members.len());
    for WrittenMember { name, kind, dose_um, unit, unit_um } in read.members {
        let dose = match dose_um {
            None => None,
            Some(dose) => Some(Micromolar::new(dose).ok_or_else(|| {
                damaged(format!("has the dose {dose} for `{name}`, expected a positive number in µM"))
            })?),
        };
        let shown = |dose: Micromolar| unit.zip(unit_um).map_or(dose, |(unit, um)| dose.shown_in(unit, um));
        let dose = dose.map(shown);
        members.push(Application { perturbation: Perturbation { name, kind }, dose });
    }
    let intervention = Intervention::of(members);
    Ok(match read.minutes {
        Some(minutes) => intervention.lasting(f64::from(minutes) / 60.0),
        None => intervention,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_intervention_reads_back_equal() {
        let member = |name: &str, kind, dose: f64| Application {
            perturbation: Perturbation { name: name.into(), kind },
            dose: Micromolar::new(dose),
        };
        let interventions = [
            Intervention::untreated(),
            Intervention::single("taxol", Kind::Compound, Micromolar::new(0.3)).lasting(24.0),
            Intervention::single("TP53 + \"x\"", Kind::Crispr, None).lasting(0.35),
            Intervention::of([member("b", Kind::Compound, 1.0 / 3.0), member("a", Kind::Orf, 0.0)]),
            Intervention::single("tiny", Kind::Other, Micromolar::new(f64::MIN_POSITIVE)),
        ];
        let table = Table::new().with_interventions(interventions.iter());
        assert_eq!(table.interventions().unwrap(), interventions);
        assert_eq!(table.numbers("dose_um").unwrap()[..4], [None, Some(0.3), None, None]);
        assert_eq!(table.text("perturbation").unwrap()[3].as_deref(), Some("a + b"));
        let nanomolar = Micromolar::new(0.3).map(|dose| dose.shown_in(DoseUnit::Nanomolar, 1e-3));
        let in_files = [Intervention::single("taxol", Kind::Compound, nanomolar)];
        let read = Table::new().with_interventions(in_files.iter()).interventions().unwrap();
        assert_eq!((&read[..], read[0].to_string().as_str()), (&in_files[..], "taxol 300 nM"));
        let exact = r#"{"members":[{"name":"taxol","kind":"compound","dose_um":0.3}],"minutes":1440}"#;
        assert_eq!(table.text(EXACT).unwrap()[1].as_deref(), Some(exact));
    }

    #[test]
    fn names_the_row_that_holds_no_intervention() {
        let check = |text: Option<&str>, expected: &str| {
            let column = Column::Text(vec![Some(written(&Intervention::untreated())), text.map(str::to_owned)]);
            let error = Table::new().with(EXACT, "", column).interventions().unwrap_err().to_string();
            assert!(error.contains(&format!("row 2: column `intervention_json` {expected}")), "{error}");
        };
        check(None, "is null");
        check(Some("{}"), "is not an intervention");
        let negative = written(&Intervention::single("a", Kind::Compound, Micromolar::new(2.0))).replace("2.0", "-2.0");
        check(Some(&negative), "has the dose -2 for `a`, expected a positive number");
    }
}
