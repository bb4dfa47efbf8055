//! A plan as a plate map that `inspect` reads, and in words.

use std::collections::BTreeMap;

use serde_json::json;

use super::plate::{PlannedWell, PlatePlan, Purpose};
use super::show::{json, without_controls};
use crate::screen::{Application, Role};
use crate::table::{Column, Side, Table, TextTable, counted, paragraph, role_word};

/// Picks that are listed.
const SHOWN: usize = 15;

/// The columns of a table for people.
const WIDTH: usize = 80;

impl PlatePlan {
    /// The plate map: a row for each well, treatments and controls.
    ///
    /// A set stands in `drug_1`, `dose_1_um`, `drug_2`, …, where some pick has several members; else the
    /// columns are `perturbation` and `dose_um`. Controls hold `control`.
    pub fn table(&self, control: &str) -> Table {
        let n_members = self.picks.iter().map(|pick| pick.intervention.members().len()).max().unwrap_or(1).max(1);
        let text = |of: &dyn Fn(&PlannedWell) -> Option<String>| Column::Text(self.wells.iter().map(of).collect());
        let pick = |planned: &PlannedWell| planned.pick.map(|pick| &self.picks[pick]);
        let member = |planned: &PlannedWell, at: usize| -> Option<&Application> {
            pick(planned).and_then(|pick| pick.intervention.members().get(at))
        };
        let mut table = Table::new()
            .with("plate", "plate of the plan", text(&|planned| Some(planned.plate.clone())))
            .with("well", "well", text(&|planned| Some(planned.well.to_string())));
        for at in 0..n_members {
            let name = |planned: &PlannedWell| match planned.pick {
                None => (at == 0).then(|| control.to_owned()),
                Some(_) => member(planned, at).map(|member| member.perturbation.name.clone()),
            };
            let doses = self.wells.iter().map(|planned| member(planned, at)?.dose.map(|dose| dose.get()));
            let (perturbation, dose) = match n_members {
                1 => ("perturbation".to_owned(), "dose_um".to_owned()),
                _ => (format!("drug_{}", at + 1), format!("dose_{}_um", at + 1)),
            };
            table = table.with(perturbation, "what is applied", text(&name)).with(
                dose,
                "dose in µM; null without a dose",
                Column::Number(doses.collect()),
            );
        }
        let role = |planned: &PlannedWell| match planned.pick {
            Some(_) => Role::Treatment,
            None => Role::NegativeControl,
        };
        let whole = |of: &dyn Fn(&PlannedWell) -> Option<i64>| Column::Integer(self.wells.iter().map(of).collect());
        table
            .with("role", "trt, or negcon of a control", text(&|planned| Some(role_word(role(planned)).to_owned())))
            .with("replicate", "number of the replicate", whole(&|planned| Some(planned.replicate as i64)))
            .with(
                "purpose",
                "why it is tried: confirm, neighboring dose or new; null of a control",
                text(&|planned| pick(planned).map(|pick| pick.purpose.word().to_owned())),
            )
            .with(
                "rank",
                "rank of the candidate that it comes from; null of a control",
                whole(&|planned| pick(planned).map(|pick| pick.rank as i64)),
            )
    }

    /// One JSON object a line: `plan` (`interventions`, `plates`, `remarks`), then a `well` for each row of the plate map, with
    /// `plate`, `well`, `intervention`, `role`, `replicate`, `purpose` and `rank`.
    pub fn json_lines(&self, control: &str) -> String {
        let mut text = json(&json!({
            "type": "plan", "interventions": self.picks.len(), "plates": self.n_plates(), "remarks": self.remarks,
        }));
        for planned in &self.wells {
            let pick = planned.pick.map(|pick| &self.picks[pick]);
            text += &json(&json!({
                "type": "well",
                "plate": planned.plate,
                "well": planned.well.to_string(),
                "intervention": pick.map_or(control.to_owned(), |pick| pick.intervention.to_string()),
                "role": role_word(if pick.is_some() { Role::Treatment } else { Role::NegativeControl }),
                "replicate": planned.replicate,
                "purpose": pick.map(|pick| pick.purpose.word()),
                "rank": pick.map(|pick| pick.rank),
            }));
        }
        text
    }

    /// What is planned, in lines of 80 characters.
    pub fn render(&self) -> String {
        let n = |purpose| self.picks.iter().filter(|pick| pick.purpose == purpose).count();
        let n_controls = self.wells.iter().filter(|planned| planned.pick.is_none()).count();
        let replicates = self.wells.iter().map(|planned| planned.replicate).max().unwrap_or(0);
        let mut text = paragraph(&format!(
            "{}, each on {} of its own: {} to confirm, {} of their neighboring doses, {} new; {} on {}, of which {}",
            counted(self.picks.len(), "intervention"),
            counted(replicates, "plate"),
            n(Purpose::Confirm),
            n(Purpose::NeighborDose),
            n(Purpose::New),
            counted(self.wells.len(), "well"),
            counted(self.n_plates(), "plate"),
            counted(n_controls, "control")
        ));
        self.remarks.iter().for_each(|remark| text += &paragraph(&format!("note: {remark}")));
        let mut table = TextTable::new([
            ("intervention", Side::Left),
            ("purpose", Side::Left),
            ("rank", Side::Right),
            ("wells", Side::Left),
        ]);
        let mut wells = BTreeMap::<usize, Vec<String>>::new();
        for planned in &self.wells {
            if let Some(pick) = planned.pick {
                wells.entry(pick).or_default().push(planned.well.to_string());
            }
        }
        for (index, pick) in self.picks.iter().enumerate().take(SHOWN) {
            table.push([
                without_controls(&pick.intervention.to_string()),
                pick.purpose.word().to_owned(),
                pick.rank.to_string(),
                wells.get(&index).map(|wells| wells.join(" ")).unwrap_or_default(),
            ]);
        }
        text += &format!("\n{}", table.within(WIDTH));
        match self.picks.len().saturating_sub(SHOWN) {
            0 => text,
            more => text + &format!("and {more} more\n"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::plate::PlatePlan;
    use super::super::plate::tests::{ranking, request};

    #[test]
    fn lines_fit_a_terminal_and_the_table_is_documented() {
        let plan = PlatePlan::of(&ranking(200), &request()).unwrap();
        let text = plan.render();
        assert!(text.lines().all(|line| line.chars().count() <= super::WIDTH), "{text}");
        assert!(text.contains("4 to confirm, 8 of their") && text.contains("and 47 more"), "{text}");
        let table = plan.table("DMSO");
        assert_eq!(table.n_rows(), plan.wells.len());
        assert!(table.columns().iter().all(|column| !column.doc.is_empty()));
    }
}
