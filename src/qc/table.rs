//! `qc.parquet`, a row for each plate and measure, and `qc-well.parquet`, a row for each well and measure.
//!
//! ```text
//! plate  measure               n_wells  n_controls  control_cv  z_prime  ssmd  edge_ratio  edge_p  …
//! P1     distance_to_controls  384      32          0.11        0.52     4.1   1.03        0.41
//! P1     cell_count            384      32          0.07        0.31     2.9   0.97        0.08
//! ```
//!
//! The findings on design, plates and wells are a fact of the first file, a JSON list.

use super::Finding;
use super::plates::{PlateQuality, Quality, WellQuality};
use crate::screen::Screen;
use crate::table::{Column, FileError, Table, role_word};

/// The fact that holds the findings.
const FINDINGS: &str = "findings";

/// The fact that names the screen.
const SCREEN: &str = "screen";

impl Quality {
    /// The table of plates, with all findings of the screen.
    pub fn plate_table(&self, screen: &Screen, findings: &[Finding]) -> Table {
        let number = |of: &dyn Fn(&PlateQuality) -> Option<f64>| Column::Number(self.plates.iter().map(of).collect());
        let count = |of: &dyn Fn(&PlateQuality) -> usize| {
            Column::Integer(self.plates.iter().map(|plate| Some(of(plate) as i64)).collect())
        };
        let text = |of: &dyn Fn(&PlateQuality) -> Option<String>| Column::Text(self.plates.iter().map(of).collect());
        let outliers = |plate: &PlateQuality| {
            let wells: Vec<String> = plate.outliers.iter().map(ToString::to_string).collect();
            (!wells.is_empty()).then(|| wells.join(" "))
        };
        let findings = serde_json::to_string(findings).expect("texts have a JSON");
        Table::new()
            .with_fact(SCREEN, &screen.name)
            .with_fact(FINDINGS, findings)
            .with("plate", "plate barcode", text(&|plate| Some(plate.plate.clone())))
            .with(
                "measure",
                "what is measured of each well: distance_to_controls (root mean square over features of the difference from the \
                 plate's negative controls, in units of their noise) or cell_count",
                text(&|plate| Some(plate.measure.word().to_owned())),
            )
            .with("n_wells", "wells that are not empty", count(&|plate| plate.n_wells))
            .with("n_treated", "treated wells, without positive controls", count(&|plate| plate.n_treated))
            .with("n_controls", "negative controls", count(&|plate| plate.n_controls))
            .with("n_positive", "positive controls", count(&|plate| plate.n_positive))
            .with("control_median", "median of the negative controls", number(&|plate| plate.control_median))
            .with("control_cv", "their standard deviation over their mean", number(&|plate| plate.control_cv))
            .with("treated_median", "median of the treated wells", number(&|plate| plate.treated_median))
            .with(
                "positive_control",
                "the positive control with most wells on the plate, which the next columns are about",
                text(&|plate| plate.positive_control.clone()),
            )
            .with("z_prime", "Z' of positive and negative controls", number(&|plate| plate.z_prime))
            .with("robust_z_prime", "the same by medians and 1.4826 MAD", number(&|plate| plate.robust_z_prime))
            .with("ssmd", "SSMD against the negative controls", number(&|plate| plate.ssmd))
            .with("ssmd_of", "of the positive control, or of treated wells", text(&|plate| plate.ssmd_of.map(str::to_owned)))
            .with(
                "replicate_correlation",
                "median over treated wells of the correlation with the mean of the same treatment on other plates",
                number(&|plate| Some(plate.agreement.as_ref()?.correlation)),
            )
            .with(
                "replicate_chance",
                "the same with the means of the other treatments of the plate",
                number(&|plate| Some(plate.agreement.as_ref()?.chance)),
            )
            .with(
                "replicate_p",
                "how often exchanged wells agree as well with their replicates",
                number(&|plate| Some(plate.agreement.as_ref()?.p)),
            )
            .with(
                "n_replicated",
                "treated wells whose treatment was measured on other plates",
                count(&|plate| plate.agreement.as_ref().map_or(0, |agreement| agreement.n_wells)),
            )
            .with("n_positions", "wells whose positions are compared", count(&|plate| plate.position.n_wells))
            .with(
                "edge_ratio",
                "median at the edge of the plate over the median within, after what is expected of each well is taken off",
                number(&|plate| Some(plate.position.edge?.0)),
            )
            .with("edge_p", "how often exchanged wells differ as much", number(&|plate| Some(plate.position.edge?.1)))
            .with(
                "line",
                "the row or column that differs most from the rest of the plate",
                text(&|plate| Some(plate.position.line.as_ref()?.0.clone())),
            )
            .with("line_ratio", "its median over that of the rest", number(&|plate| Some(plate.position.line.as_ref()?.1)))
            .with(
                "line_p",
                "how often the line that differs most differs as much among exchanged wells",
                number(&|plate| Some(plate.position.line.as_ref()?.2)),
            )
            .with(
                "row",
                "the row with the largest effect by median polish",
                text(&|plate| Some(plate.position.row.as_ref()?.0.clone())),
            )
            .with("row_effect", "its effect, as a factor", number(&|plate| Some(plate.position.row.as_ref()?.1)))
            .with(
                "column",
                "the column with the largest effect by median polish",
                text(&|plate| Some(plate.position.column.as_ref()?.0.clone())),
            )
            .with("column_effect", "its effect, as a factor", number(&|plate| Some(plate.position.column.as_ref()?.1)))
            .with("outliers", "wells beyond 5 robust spreads of what is expected, separated by spaces", text(&outliers))
            .with(
                "has_edge_effect",
                "whether the edge differs more than chance allows: p at most 0.001 and a factor of 1.1 or more",
                Column::Flag(self.plates.iter().map(PlateQuality::has_edge_effect).collect()),
            )
            .with(
                "has_line_effect",
                "whether a row or column differs so, and not as part of the edge",
                Column::Flag(self.plates.iter().map(PlateQuality::has_line_effect).collect()),
            )
    }

    /// The table of wells.
    pub fn well_table(&self, screen: &Screen) -> Table {
        let unit = |well: &WellQuality| &screen.units.all()[well.unit];
        let number = |of: &dyn Fn(&WellQuality) -> Option<f64>| Column::Number(self.wells.iter().map(of).collect());
        let text = |of: &dyn Fn(&WellQuality) -> Option<String>| Column::Text(self.wells.iter().map(of).collect());
        let context = |well: &WellQuality| Some(unit(well).context.clone()).filter(|context| !context.is_empty());
        Table::new()
            .with("plate", "plate barcode", text(&|well| Some(unit(well).plate.clone())))
            .with("well", "well on the plate, as in A01", text(&|well| Some(unit(well).well?.to_string())))
            .with(
                "role",
                "trt: treated; negcon: negative control; poscon: positive control",
                text(&|well| Some(role_word(unit(well).role).to_owned())),
            )
            .with_interventions(self.wells.iter().map(|well| &unit(well).intervention))
            .with("context", "context (cell line, time or donor); null where the screen has one context", text(&context))
            .with("measure", "distance_to_controls or cell_count", text(&|well| Some(well.measure.word().to_owned())))
            .with("value", "its value", number(&|well| well.value))
            .with(
                "z",
                "value less the median of the plate's negative controls, in 1.4826 of their median absolute deviations",
                number(&|well| well.z),
            )
            .with(
                "residual",
                "logarithm of the value less what is expected of the well, in robust spreads of the plate; null where nothing is expected",
                number(&|well| well.residual),
            )
            .with(
                "treatment_median",
                "median of the wells of the same treatment on all plates",
                number(&|well| well.treatment_median),
            )
            .with(
                "is_outlier",
                "whether residual is beyond 5",
                Column::Flag(self.wells.iter().map(|well| well.is_outlier).collect()),
            )
    }
}

/// What the table of plates says of the whole screen: its name, and the findings.
///
/// # Errors
/// [`FileError::Damaged`] where the table is not one of ours.
pub fn screen_and_findings(table: &Table) -> Result<(String, Vec<Finding>), FileError> {
    let fact = |name: &str| {
        let lacks = || FileError::Damaged {
            path: table.path().to_owned(),
            problem: format!("is not a table of plates (it lacks its {name})"),
        };
        table.facts().get(name).ok_or_else(lacks)
    };
    let findings = serde_json::from_str(fact(FINDINGS)?).map_err(|error| FileError::Damaged {
        path: table.path().to_owned(),
        problem: format!("`{FINDINGS}`: {error}"),
    })?;
    Ok((fact(SCREEN)?.clone(), findings))
}
