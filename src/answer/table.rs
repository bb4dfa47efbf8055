//! `predictions.parquet`: predicted profiles of held-out treatments, by every method, and measured ones of all.

use crate::pair::Part;
use crate::predict::Predictions;
use crate::table::{Column, Table};

/// Profiles of the same features, one row for each method and treatment: `method`, `part`, the intervention's columns,
/// `context`, then the features. With each predictions comes the part of the split that their treatments are of, if any.
pub fn prediction_table(all: &[(Option<Part>, &Predictions)]) -> Table {
    let treatments = || all.iter().flat_map(|(_, predictions)| &predictions.treatments);
    let methods = all.iter().flat_map(|(_, p)| std::iter::repeat_n(Some(p.method.to_string()), p.treatments.len()));
    let part = |part: Option<Part>| part.map(|part| part.name().to_owned());
    let parts = all.iter().flat_map(|(of, p)| std::iter::repeat_n(part(*of), p.treatments.len()));
    let contexts = treatments().map(|t| (!t.context.is_empty()).then(|| t.context.clone()));
    let mut table = Table::new()
        .with(
            "method",
            "who predicts: lewm, combined or a baseline; measured: the mean of the wells",
            Column::Text(methods.collect()),
        )
        .with(
            "part",
            "part of the split that the wells are of: train, validation, calibration or test; null of other interventions",
            Column::Text(parts.collect()),
        )
        .with_interventions(treatments().map(|treatment| &treatment.intervention))
        .with("context", "cell line, time and the like", Column::Text(contexts.collect()));
    let names = all.first().map(|(_, predictions)| predictions.profiles.names()).unwrap_or_default();
    for (feature, name) in names.iter().enumerate() {
        let values = all.iter().flat_map(|(_, p)| (0..p.treatments.len()).map(|row| p.profiles.row(row)[feature]));
        table = table.with(name, "value on the normalized scale", Column::Float32(values.collect()));
    }
    table
}
