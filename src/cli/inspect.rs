//! `cytonaut inspect`: what is in the files.

use std::path::PathBuf;

use clap::Args;

use super::{inspect_images, print};
use crate::load::image::{ImageSource, PathMap, is_image_source};
use crate::load::{Source, load, write_card};
use crate::qc::{Severity, findings, summary};
use crate::study::StudyError;

/// Show what the files hold, how the columns were understood, and what limits the conclusions
///
/// Example: cytonaut inspect datasets/bbbc021
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(super) struct InspectArgs {
    /// Profile tables, image sheets, folders of images, index files of instruments, globs or a dataset card
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// Translate the paths of another machine in an image sheet to paths here
    #[arg(long = "path-map", value_name = "OLD=NEW")]
    path_maps: Vec<PathMap>,
    /// Folder that the paths in an image sheet are relative to, instead of the sheet's own
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// Print one JSON object on stdout
    #[arg(long)]
    json: bool,
    /// Write the mapping that was understood as a dataset card to edit
    #[arg(long, value_name = "FILE")]
    write_card: Option<PathBuf>,
}

impl InspectArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let Self { paths, path_maps, root, json, write_card: card } = self;
        let source = Source::of(paths);
        if is_image_source(&source).map_err(StudyError::from)? {
            return inspect_images::inspect(&ImageSource { source, root, path_maps }, card.as_deref(), json);
        }
        let loaded = load(&source).map_err(StudyError::from)?;
        if let Some(path) = &card {
            write_card(&loaded, path).map_err(StudyError::from)?;
        }
        let inputs: Vec<PathBuf> = loaded.inputs.iter().map(|input| input.path.clone()).collect();
        let summary = summary(&loaded.screen, inputs.iter().map(PathBuf::as_path));
        let findings = findings(&loaded.screen);
        if json {
            let mapping: Vec<_> = loaded
                .mapping
                .columns
                .iter()
                .map(|mapped| serde_json::json!({ "role": mapped.role.word(), "column": mapped.column, "why": mapped.why }))
                .collect();
            let object = serde_json::json!({
                "name": loaded.screen.name,
                "summary": summary,
                "mapping": mapping,
                "controls": loaded.mapping.controls_why,
                "dose_unit": loaded.mapping.dose_unit_why,
                "plate_within": loaded.mapping.plate_within,
                "features": loaded.screen.features.names(),
                "left_out": loaded.mapping.left_out,
                "dropped": loaded.screen.dropped,
                "findings": findings,
                "notes": loaded.notes,
            });
            return print(&object.to_string());
        }
        let spread = |spread: Option<crate::qc::Spread>| {
            spread.map_or_else(|| "-".to_owned(), |s| format!("{} to {}, median {}", s.min, s.max, s.median))
        };
        let mut text = format!("{}\n", loaded.screen.name);
        let mut line = |name: &str, value: String| text += &format!("  {name:<22} {value}\n");
        let n_wells = loaded.screen.wells().len();
        let wells = match summary.n_observations == n_wells {
            true => n_wells.to_string(),
            false => format!("{} rows of {n_wells} wells", summary.n_observations),
        };
        line("wells", format!("{wells} on {} plates in {} lab batches", summary.n_plates, summary.n_lab_batches));
        line(
            "roles",
            format!(
                "{} treated, {} negative controls, {} positive controls, {} empty",
                summary.n_treatment, summary.n_negative_controls, summary.n_positive_controls, summary.n_empty
            ),
        );
        line("controls per plate", spread(summary.controls_per_plate));
        for (kind, count) in &summary.perturbations {
            line("perturbations", format!("{count} {kind:?}").to_lowercase());
        }
        line(
            "interventions",
            format!("{} (doses per perturbation: {})", summary.n_interventions, spread(summary.doses_per_perturbation)),
        );
        if let Some((low, high)) = summary.dose_range_um {
            line("doses", format!("{low} to {high} µM"));
        }
        line("wells per treatment", spread(summary.replicates));
        for (context, count) in summary.contexts.iter().filter(|(context, _)| !context.is_empty()) {
            line("context", format!("{context}: {count} wells"));
        }
        line("features", format!("{}, scale {:?}", summary.n_features, summary.scale).to_lowercase());
        line("", loaded.mapping.features_in_words());
        text += "columns understood as\n";
        for mapped in &loaded.mapping.columns {
            text += &format!("  {:<22} {} ({})\n", mapped.role.word(), mapped.column, mapped.why);
        }
        text += &format!("  {:<22} {}\n", "features", loaded.mapping.features_why);
        text += &format!("  {:<22} {}\n", "controls", loaded.mapping.controls_why);
        if !loaded.mapping.dose_unit_why.is_empty() {
            let unit = loaded.mapping.dose_unit.map(|unit| format!("{}: ", unit.word())).unwrap_or_default();
            text += &format!("  {:<22} {unit}{}\n", "unit of doses", loaded.mapping.dose_unit_why);
        }
        for left_out in loaded.mapping.left_out_in_words() {
            text += &format!("  {:<22} {left_out}\n", "not learned from");
        }
        text +=
            "  if one is wrong, change its line under [columns] in the card (`--write-card dataset.toml` writes one)\n";
        for dropped in &loaded.screen.dropped {
            text += &format!("left out {} rows: {}\n", dropped.rows, dropped.reason);
        }
        for note in &loaded.notes {
            text += &format!("note: {note}\n");
        }
        for finding in &findings {
            let word = match finding.severity {
                Severity::Note => "note",
                Severity::Warning => "warning",
                Severity::Error => "problem",
            };
            text += &format!("{word}: {}\n         {}\n", finding.message, finding.advice);
        }
        print(&text)
    }
}
