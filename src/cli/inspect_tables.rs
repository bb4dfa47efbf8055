//! `cytonaut inspect` of profile tables and tables of tracks.

use std::path::{Path, PathBuf};

use super::inspect::{Asked, append_findings, append_labels, append_mapping, doses, mapping_object};
use super::lines::Lines;
use crate::load::{Description, Loaded, SeenFile, Source, describe, write_card};
use crate::qc::{Finding, Spread, Summary, findings, summary};
use crate::study::{StudyError, nothing_to_learn};

/// What is in a screen of profile tables.
pub(super) fn inspect(source: &Source, asked: &Asked) -> anyhow::Result<()> {
    let description = describe(source).map_err(StudyError::from)?;
    if let (Some(path), false) = (asked.card, description.is_blank()) {
        write_card(&description, path).map_err(StudyError::from)?;
    }
    let Ok(loaded) = &description.outcome else {
        let text = text(&description, None, None);
        let object = serde_json::json!({ "name": description.name });
        return asked.end(description, text, object, &[], None);
    };
    let inputs: Vec<PathBuf> = loaded.inputs.iter().map(|input| input.path.clone()).collect();
    let summary = summary(&loaded.screen, inputs.iter().map(PathBuf::as_path));
    let findings = findings(&loaded.screen);
    let refused = nothing_to_learn(loaded);
    let text = text(&description, Some((loaded, &summary, &findings)), refused.as_ref());
    let object = object(&description, loaded, &summary, &findings);
    // It is said above; what is in the files can be looked at all the same.
    asked.end(description, text, object, &findings, None)
}

fn object(
    description: &Description<Loaded>,
    loaded: &Loaded,
    summary: &Summary,
    findings: &[Finding],
) -> serde_json::Value {
    let mapping = &description.mapping;
    serde_json::json!({
        "name": loaded.screen.name,
        "summary": summary,
        "mapping": mapping_object(mapping),
        "controls": mapping.controls_why,
        "dose_unit": mapping.dose_unit_why,
        "plate_within": mapping.plate_within,
        "features": loaded.screen.features.names(),
        "left_out": mapping.left_out,
        "dropped": loaded.screen.dropped,
        "findings": findings,
        "notes": loaded.notes,
    })
}

fn text(
    description: &Description<Loaded>,
    loaded: Option<(&Loaded, &Summary, &[Finding])>,
    refused: Option<&StudyError>,
) -> Lines {
    let Description { name, files, columns, mapping, .. } = description;
    let mut text = Lines::default();
    text.line(name);
    append_files(&mut text, files);
    // Before all that could be filled in for nothing.
    if let Some(refused) = refused {
        text.hanging("problem: ", &refused.to_string());
    }
    if let Some((loaded, summary, _)) = loaded {
        append_summary(&mut text, summary, loaded.screen.units.all().len());
    }
    if !mapping.features.is_empty() {
        let scale = loaded.map(|(_, summary, _)| format!(", scale {:?}", summary.scale)).unwrap_or_default();
        text.item("features", &format!("{}{scale}", mapping.features.len()).to_lowercase());
        text.item("", &mapping.features_in_words());
    }
    append_mapping(&mut text, mapping, columns);
    if !mapping.features_why.is_empty() {
        text.item("features", &mapping.features_why);
    }
    if !mapping.controls_why.is_empty() {
        text.item("controls", &mapping.controls_why);
    }
    if !mapping.dose_unit_why.is_empty() {
        let unit = mapping.dose_unit.map(|unit| format!("{}: ", unit.word())).unwrap_or_default();
        text.item("unit of doses", &format!("{unit}{}", mapping.dose_unit_why));
    }
    for left_out in mapping.left_out_in_words() {
        text.item("not learned from", &left_out);
    }
    append_labels(&mut text, columns);
    text.hanging(
        "  ",
        "if one is wrong, change its line under [columns] in the card (`--write-card dataset.toml` writes one)",
    );
    if let Some((loaded, _, findings)) = loaded {
        for dropped in &loaded.screen.dropped {
            text.hanging("left out ", &format!("{} rows: {}", dropped.rows, dropped.reason));
        }
        for note in &loaded.notes {
            text.hanging("note: ", note);
        }
        append_findings(&mut text, findings, &description.gaps);
    }
    text
}

/// The files, those that could not be read with the reason.
pub(super) fn append_files(text: &mut Lines, files: &[SeenFile]) {
    const SHOWN: usize = 8;
    let name = |path: &Path| path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    for (index, SeenFile { path, rows, columns, problem }) in files.iter().take(SHOWN).enumerate() {
        let counts = [rows.map(|n| format!("{n} rows")), columns.map(|n| format!("{n} columns"))];
        let counts: Vec<String> = counts.into_iter().flatten().collect();
        let about = if problem.is_empty() { counts.join(", ") } else { format!("not read: {problem}") };
        let heading = match (index, files.len()) {
            (0, 1) => "file",
            (0, _) => "files",
            _ => "",
        };
        text.item(heading, &format!("{}: {about}", name(path)));
    }
    if files.len() > SHOWN {
        text.item("", &format!("and {} more", files.len() - SHOWN));
    }
}

fn append_summary(text: &mut Lines, summary: &Summary, n_units: usize) {
    let spread = |spread: Option<Spread>| {
        spread.map_or_else(|| "-".to_owned(), |s| format!("{} to {}, median {}", s.min, s.max, s.median))
    };
    let wells = match summary.n_observations == summary.n_wells {
        true => summary.n_wells.to_string(),
        false if summary.n_wells == 0 && n_units < summary.n_observations => {
            format!("{} rows of {n_units} samples", summary.n_observations)
        }
        false => format!("{} rows of {} wells", summary.n_observations, summary.n_wells),
    };
    text.item("wells", &format!("{wells} on {} plates in {} lab batches", summary.n_plates, summary.n_lab_batches));
    text.item(
        "roles",
        &format!(
            "{} treated, {} negative controls, {} positive controls, {} empty",
            summary.n_treatment, summary.n_negative_controls, summary.n_positive_controls, summary.n_empty
        ),
    );
    text.item("controls per plate", &spread(summary.controls_per_plate));
    for (kind, count) in &summary.perturbations {
        text.item("perturbations", &format!("{count} {kind:?}").to_lowercase());
    }
    let per_perturbation = spread(summary.doses_per_perturbation);
    text.item("interventions", &format!("{} (doses per perturbation: {per_perturbation})", summary.n_interventions));
    if let Some((low, high)) = summary.dose_range_um {
        text.item("doses", &doses(low, high));
    }
    text.item("wells per treatment", &spread(summary.replicates));
    for (context, count) in summary.contexts.iter().filter(|(context, _)| !context.is_empty()) {
        text.item("context", &format!("{context}: {count} wells"));
    }
}
