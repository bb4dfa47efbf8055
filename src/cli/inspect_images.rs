//! `cytonaut inspect` of images.

use std::collections::{BTreeMap, BTreeSet};

use super::inspect::{Asked, append_findings, append_mapping, doses, mapping_object, shortened};
use super::inspect_tables::append_files;
use super::lines::Lines;
use crate::load::image::{ImageSource, LoadedImages, Missing, Shape};
use crate::load::{Description, InputFile, Mapping, describe_images, write_image_card};
use crate::qc::{Finding, Summary, findings, summary};
use crate::screen::Screen;
use crate::study::StudyError;

/// What is in a screen of images.
pub(super) fn inspect(source: &ImageSource, asked: &Asked) -> anyhow::Result<()> {
    let description = describe_images(source).map_err(StudyError::from)?;
    if let (Some(path), false) = (asked.card, description.is_blank()) {
        write_image_card(&description, source, path).map_err(StudyError::from)?;
    }
    let Ok(loaded) = &description.outcome else {
        let mut text = Lines::default();
        text.line(&description.name);
        append_files(&mut text, &description.files);
        append_mapping(&mut text, &description.mapping, &description.columns);
        let object = serde_json::json!({ "name": description.name, "modality": "image" });
        return asked.end(description, text, object, &[], None);
    };
    // One row for each well: sites and frames of a well are no replicates of its treatment.
    let wells = wells(&loaded.screen.table);
    let counted = summary(&wells, std::iter::empty());
    let findings = findings(&wells);
    let object = object(loaded, &description.mapping, &counted, &findings);
    let text = text(&description, loaded, &counted, &findings);
    let refused = loaded.usable().err().map(StudyError::from);
    asked.end(description, text, object, &findings, refused)
}

/// The first row of each well; every row where wells are not named.
fn wells(screen: &Screen) -> Screen {
    let mut seen = BTreeSet::new();
    let is_first = |&row: &usize| {
        let unit = screen.unit(row);
        unit.well.is_none_or(|well| seen.insert((unit.plate.as_str(), well)))
    };
    screen.select(&(0..screen.n_observations()).filter(is_first).collect::<Vec<_>>())
}

fn n_frames(loaded: &LoadedImages) -> usize {
    let frames = loaded.screen.sites.iter().filter_map(|site| site.time).map(|time| time.frame);
    frames.collect::<BTreeSet<_>>().len()
}

fn planes_per_channel(loaded: &LoadedImages) -> (usize, usize) {
    let stacks = loaded.screen.sites.iter().flat_map(|site| &site.channels).map(Vec::len);
    (stacks.clone().min().unwrap_or(0), stacks.max().unwrap_or(0))
}

fn shape_text(shape: &Shape) -> String {
    format!("{} x {} {}", shape.width, shape.height, format!("{:?}", shape.sample_type).to_lowercase())
}

fn object(loaded: &LoadedImages, mapping: &Mapping, counted: &Summary, findings: &[Finding]) -> serde_json::Value {
    serde_json::json!({
        "name": loaded.screen.table.name,
        "modality": "image",
        "layout": loaded.layout,
        "n_sites": loaded.screen.fields().len(),
        "n_frames": n_frames(loaded),
        "channels": loaded.screen.channels,
        "n_masks": loaded.screen.sites.iter().filter(|site| site.mask.is_some()).count(),
        "n_objects": loaded.objects.as_ref().map(|objects| objects.iter().map(Vec::len).sum::<usize>()),
        "images": loaded.survey,
        "wells": counted,
        "mapping": mapping_object(mapping),
        "dropped": loaded.screen.table.dropped,
        "findings": findings,
        "notes": loaded.notes,
    })
}

fn text(
    description: &Description<LoadedImages>,
    loaded: &LoadedImages,
    counted: &Summary,
    findings: &[Finding],
) -> Lines {
    let mut text = Lines::default();
    text.line(&description.name);
    let mut line = |name: &str, value: String| text.item(name, &value);
    let layout = serde_json::to_value(loaded.layout).expect("a layout is a word");
    line("modality", format!("image, read as {}", layout.as_str().unwrap_or_default()));
    line(
        "wells",
        format!("{} on {} plates in {} lab batches", counted.n_wells, counted.n_plates, counted.n_lab_batches),
    );
    let sites = &loaded.screen.sites;
    let n_fields = loaded.screen.fields().len();
    match n_frames(loaded) {
        0 | 1 => line("sites", n_fields.to_string()),
        n => {
            let hours: Vec<f64> = sites.iter().filter_map(|site| site.time?.hours).collect();
            let (low, high) =
                (hours.iter().copied().fold(f64::INFINITY, f64::min), hours.iter().copied().fold(0.0, f64::max));
            let span = if hours.is_empty() { String::new() } else { format!(", {low} to {high} h") };
            line("sites", format!("{n_fields} at {n} times{span}"));
        }
    }
    let channels: Vec<&str> =
        loaded.screen.channels.iter().map(|name| if name.is_empty() { "(unnamed)" } else { name }).collect();
    line("channels", channels.join(", "));
    match planes_per_channel(loaded) {
        (0 | 1, 1) => {}
        (low, high) if low == high => line("z planes", high.to_string()),
        (low, high) => line("z planes", format!("{low} to {high}")),
    }
    let shapes: BTreeMap<String, usize> =
        loaded.survey.shapes.iter().map(|(shape, n)| (shape_text(shape), *n)).collect();
    for (shape, n) in shapes {
        line("pixels", format!("{shape} in {n} planes"));
    }
    if let Some(pixel) = sites.iter().find_map(|site| site.pixel_um) {
        line("pixel size", format!("{pixel} µm"));
    }
    let survey = &loaded.survey;
    line(
        "files",
        format!(
            "{}, {} of them missing and {} unreadable",
            survey.n_files, survey.n_missing_files, survey.n_unreadable_files
        ),
    );
    let n_masks = sites.iter().filter(|site| site.mask.is_some()).count();
    if n_masks > 0 {
        line("masks", format!("for {n_masks} of {} images", sites.len()));
    }
    if let Some(objects) = &loaded.objects {
        let n_tracked = objects.iter().flatten().filter(|object| object.track.is_some()).count();
        line("objects", format!("{}, {n_tracked} of them tracked", objects.iter().map(Vec::len).sum::<usize>()));
    }
    line(
        "roles",
        format!(
            "{} treated, {} negative controls, {} positive controls, {} empty",
            counted.n_treatment, counted.n_negative_controls, counted.n_positive_controls, counted.n_empty
        ),
    );
    for (kind, count) in &counted.perturbations {
        line("perturbations", format!("{count} {kind:?}").to_lowercase());
    }
    line("interventions", counted.n_interventions.to_string());
    if let Some((low, high)) = counted.dose_range_um {
        line("doses", doses(low, high));
    }
    if let Some(spread) = counted.replicates {
        line("replicate wells", format!("{} to {}, median {}", spread.min, spread.max, spread.median));
    }
    append_mapping(&mut text, &description.mapping, &description.columns);
    append_others(&mut text, loaded, &description.mapping);
    text.item("controls", &description.mapping.controls_why);
    text.hanging("  ", "if one is wrong, change its line in the card (`--write-card dataset.toml` writes one)");
    for InputFile { path, .. } in &loaded.inputs {
        text.line(&format!("read {}", path.display()));
    }
    for dropped in &loaded.screen.table.dropped {
        text.hanging("left out ", &format!("{} rows: {}", dropped.rows, dropped.reason));
    }
    append_incomplete(&mut text, loaded);
    for note in &loaded.notes {
        text.hanging("note: ", note);
    }
    append_findings(&mut text, findings, &description.gaps);
    text
}

/// The columns without a role that differ between wells, with their first values.
fn append_others(text: &mut Lines, loaded: &LoadedImages, mapping: &Mapping) {
    const SHOWN: usize = 8;
    let has_role =
        |name: &str| mapping.columns.iter().any(|mapped| mapped.column == name || mapped.role.word() == name);
    let others = loaded.screen.table.labels.iter().filter(|label| !has_role(&label.name)).filter_map(|label| {
        let mut values: Vec<String> = Vec::new();
        for value in label.values.iter().flatten() {
            if !values.contains(value) && values.len() <= SHOWN {
                values.push(value.clone());
            }
        }
        let differs = values.len() > 1 || values.len() == 1 && label.values.contains(&None);
        differs.then(|| format!("{} ({})", label.name, shortened(&values, 2)))
    });
    let others: Vec<String> = others.collect();
    let more = if others.len() > SHOWN { format!("; and {} more", others.len() - SHOWN) } else { String::new() };
    if !others.is_empty() {
        let named = others.iter().take(SHOWN).cloned().collect::<Vec<_>>().join("; ");
        text.item("without a role", &format!("{named}{more}"));
    }
}

/// The first sites that cannot be decoded, and what becomes of them.
fn append_incomplete(text: &mut Lines, loaded: &LoadedImages) {
    const SHOWN: usize = 5;
    let incomplete = &loaded.survey.incomplete;
    if incomplete.is_empty() {
        return;
    }
    let rule =
        loaded.card.as_ref().and_then(|card| card.images.as_ref()).map(|images| images.missing).unwrap_or_default();
    let rule = match rule {
        Missing::Drop => "the card says to leave them out",
        Missing::Refuse => {
            "training refuses them; put the images there, choose `channels`, or set `missing = \"drop\"` under [images]"
        }
    };
    let (n, n_sites) = (incomplete.len(), loaded.screen.n_sites());
    text.hanging("problem: ", &format!("{n} of {n_sites} sites and times cannot be decoded; {rule}"));
    for incomplete in incomplete.iter().take(SHOWN) {
        text.hanging("         ", &incomplete.reason);
    }
    if n > SHOWN {
        text.line(&format!("         and {} more", n - SHOWN));
    }
}
