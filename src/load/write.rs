//! A card to edit, written from what was resolved.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::card::Card;
use super::error::LoadError;
use super::image::{ImageSettings, ImageSource, LoadedImages};
use super::loaded::Loaded;
use super::mapping::{ColumnRole, MappedColumn, Mapping};
use crate::screen::{Role, Screen};
use crate::table::replace_file;

/// What a card says.
struct Told<'a> {
    screen: &'a Screen,
    mapping: &'a Mapping,
    /// The tables, or what images are read from.
    files: Vec<PathBuf>,
    card: Card,
    notes: &'a [String],
    images: Option<&'a ImageSettings>,
}

/// Writes a commented card that says what `loaded` was read as; the file appears whole or not at all.
///
/// # Errors
/// If `path` exists already or cannot be written.
pub fn write_card(loaded: &Loaded, path: &Path) -> Result<(), LoadError> {
    let Loaded { screen, mapping, inputs, card, notes } = loaded;
    let card = card.clone().unwrap_or_default();
    let is_joined = |path: &Path| card.join.iter().any(|join| path.ends_with(&join.file));
    let files = inputs.iter().map(|input| input.path.clone()).filter(|path| !is_joined(path)).collect();
    write(Told { screen, mapping, files, card, notes, images: None }, path)
}

/// The same for images that were loaded from `source`.
///
/// # Errors
/// As [`write_card`].
pub fn write_image_card(loaded: &LoadedImages, source: &ImageSource, path: &Path) -> Result<(), LoadError> {
    let LoadedImages { screen, mapping, paths, card, notes, settings, .. } = loaded;
    let card = card.clone().unwrap_or_default();
    let mut notes = notes.clone();
    if source.root.is_some() || !source.path_maps.is_empty() {
        notes.push("it was read with `--root` or `--path-map`; give them with this card too".to_owned());
    }
    let files = paths.clone();
    write(Told { screen: &screen.table, mapping, files, card, notes: &notes, images: Some(settings) }, path)
}

fn write(told: Told, path: &Path) -> Result<(), LoadError> {
    if path.exists() {
        let message = "the file exists; move it away or write the card elsewhere".to_owned();
        return Err(LoadError::Card { path: path.to_path_buf(), message });
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let text = card_text(told, folder);
    replace_file(path, |file| file.write_all(text.as_bytes())).map_err(|cause| LoadError::io(path, cause))
}

fn card_text(told: Told, folder: &Path) -> String {
    let Told { screen, mapping, files, card, notes, images } = told;
    let mut text = String::new();
    let mut line = |content: String| {
        text.push_str(&content);
        text.push('\n');
    };
    line(
        "# Card of a data set: the content of its files and the meaning of their columns. Edit what is wrong."
            .to_owned(),
    );
    for note in notes {
        line(format!("# Note: {}", note.replace('\n', " ")));
    }
    line(format!("name = {}", quoted(&screen.name)));
    line(format!("description = {}", quoted(&card.description)));
    line(format!("license = {}", quoted(&card.license)));
    line(format!("citation = {}", quoted(&card.citation)));
    let files: Vec<String> = files.iter().map(|path| relative(path, folder)).filter(|path| !path.is_empty()).collect();
    line("# Globs relative to this card; files elsewhere are given as arguments.".to_owned());
    line(format!("files = {}", list(&files)));
    line(match images {
        None => "# \"control_wells\", or \"relative\" if the values are already differences from control.".to_owned(),
        Some(_) => "# \"control_wells\", or \"first_frame\" for a time lapse.".to_owned(),
    });
    line(format!("reference = {}", quoted(screen.reference().word())));
    if let Some(unit) = mapping.dose_unit {
        line(format!("dose_unit = {}  # {}", quoted(unit.word()), mapping.dose_unit_why));
    }
    if let Some(kind) = card.kind {
        line(format!("kind = {}", toml::Value::try_from(kind).expect("a kind is a word")));
    }
    if images.is_none() {
        line(format!("# Features: {} ({} columns).", mapping.features_why, mapping.features.len()));
        line(format!("features = {}", list(&card.features)));
        for left_out in mapping.left_out_in_words() {
            line(format!("# Not learned from: {left_out}."));
        }
        line(format!("include_features = {}", list(&card.include_features)));
        line(format!("exclude_features = {}", list(&card.exclude_features)));
    }
    line("\n[columns]  # \"\" means that no column has the role".to_owned());
    // Where each perturbation has a column of its doses, the one column of doses is made of them.
    let is_made = |role: ColumnRole| role == ColumnRole::Dose && !card.columns.doses.is_empty();
    for role in ColumnRole::ALL.into_iter().filter(|role| *role != ColumnRole::Context && !is_made(*role)) {
        let word = role.word();
        match mapping.columns.iter().find(|mapped| mapped.role == role) {
            // Of rows and columns, or of a declaration, it is made again.
            Some(MappedColumn { is_made: true, why, .. }) => line(format!("# {word} = \"…\"  # {why}")),
            Some(MappedColumn { column, why, .. }) => line(format!("{word} = {}  # {why}", quoted(column))),
            None => line(format!("{word} = \"\"  # none found")),
        }
    }
    if card.columns.plate_within.is_some() || !mapping.plate_within.is_empty() {
        line("# Names of plates count within these.".to_owned());
        line(format!("plate_within = {}", list(&mapping.plate_within)));
    }
    line("# Besides the plate, these stay fixed over a transition.".to_owned());
    line(format!("context = {}", list(&mapping.context())));
    line("# Metadata to keep; without this line every other column is kept.".to_owned());
    match &card.columns.labels {
        Some(labels) => line(format!("labels = {}", list(labels))),
        None => line(format!("# labels = {}", list(&mapping.labels))),
    }
    for (perturbation, column) in &card.columns.doses {
        line(format!("doses.{} = {}", quoted(perturbation), quoted(column)));
    }
    let n_controls = screen.units.by_row().filter(|row| row.role == Role::NegativeControl).count();
    line(format!("\n# Roles: {}; {n_controls} negative controls among the loaded rows.", mapping.controls_why));
    line("# [controls]".to_owned());
    line("# negative = { column = \"compound\", values = [\"DMSO\"], empty = false }".to_owned());
    line("# positive = { column = \"control_type\", values = [\"poscon*\"] }".to_owned());
    line("# empty_wells = { column = \"compound\", empty = true }".to_owned());
    append_declared(&mut text, &card);
    if let Some(images) = images {
        append_images(&mut text, images);
    }
    text
}

/// The parts of a card that are declared and never inferred.
fn append_declared(text: &mut String, card: &Card) {
    let declared = Card {
        controls: card.controls.clone(),
        kinds: card.kinds.clone(),
        join: card.join.clone(),
        descriptors: card.descriptors.clone(),
        molar_mass_kda: card.molar_mass_kda.clone(),
        tracks: card.tracks.clone(),
        checksums: card.checksums.clone(),
        ..Card::default()
    };
    let tables = toml::Table::try_from(&declared).expect("a card has only text keys");
    let tables: toml::Table = tables
        .into_iter()
        .filter(|(key, value)| {
            let is_declared = ["controls", "kinds", "join", "descriptors", "molar_mass_kda", "tracks", "checksums"]
                .contains(&key.as_str());
            is_declared && !matches!(value, toml::Value::Table(table) if table.is_empty())
        })
        .filter(|(_, value)| !matches!(value, toml::Value::Array(array) if array.is_empty()))
        .collect();
    if !tables.is_empty() {
        let body = toml::to_string(&tables).expect("a card's tables are plain values");
        write!(text, "\n{body}").expect("writing to a text does not fail");
    }
}

/// The section of images, as it was declared or found.
fn append_images(text: &mut String, images: &ImageSettings) {
    let is_empty = |value: &toml::Value| match value {
        toml::Value::Array(array) => array.is_empty(),
        toml::Value::Table(table) => table.is_empty(),
        _ => false,
    };
    let table = toml::Table::try_from(images).expect("settings of images are plain values");
    let table: toml::Table = table.into_iter().filter(|(_, value)| !is_empty(value)).collect();
    let table = toml::Table::from_iter([("images".to_owned(), toml::Value::Table(table))]);
    let body = toml::to_string(&table).expect("settings of images are plain values");
    let about = "# Where the pixels are and how they are read, as declared or recognized.";
    write!(text, "\n{about}\n{body}").expect("writing to a text does not fail");
}

fn relative(path: &Path, folder: &Path) -> String {
    let inside = match (path.canonicalize(), folder.canonicalize()) {
        (Ok(path), Ok(folder)) => path.strip_prefix(folder).ok().map(Path::to_path_buf),
        _ => None,
    };
    let inside = inside.unwrap_or_else(|| path.file_name().unwrap_or_default().into());
    inside.to_string_lossy().replace('\\', "/")
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn list(items: &[impl AsRef<str>]) -> String {
    format!("[{}]", items.iter().map(|item| quoted(item.as_ref())).collect::<Vec<_>>().join(", "))
}
