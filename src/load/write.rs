//! A card to edit, written from what was resolved.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::card::Card;
use super::declared::ColumnOrValue;
use super::describe::Description;
use super::error::LoadError;
use super::gap::{Gap, Offered};
use super::image::{ImageSettings, ImageSource, LoadedImages};
use super::inputs::folder_with;
use super::loaded::Loaded;
use super::mapping::{ColumnRole, Mapping};
use super::meet::FoundJoin;
use crate::screen::{Role, Screen};
use crate::table::replace_file;

/// Most features that a card lists; of more, it says by which rule they were chosen.
const MAX_LISTED: usize = 12;

/// Most labels that a card lists.
const MAX_LABELS: usize = 40;

/// What a card says.
struct Told<'a> {
    name: &'a str,
    mapping: &'a Mapping,
    gaps: &'a [Gap],
    /// The tables, or what images are read from.
    files: &'a [PathBuf],
    /// What was joined to them unasked.
    found: &'a [FoundJoin],
    card: &'a Card,
    notes: &'a [String],
    n_controls: Option<usize>,
    images: Option<ImageSettings>,
}

/// Writes a commented card that says what the files were read as, each gap as a `TODO` at its place; the file appears
/// whole or not at all.
///
/// # Errors
/// If `path` exists already or cannot be written.
pub fn write_card(description: &Description<Loaded>, path: &Path) -> Result<(), LoadError> {
    let Description { name, mapping, gaps, outcome, given, card, .. } = description;
    let loaded = outcome.as_ref().ok();
    let notes = loaded.map(|loaded| loaded.notes.as_slice()).unwrap_or_default();
    let n_controls = loaded.map(|loaded| n_controls(&loaded.screen));
    let found = loaded.map(|loaded| loaded.joins.as_slice()).unwrap_or_default();
    write(Told { name, mapping, gaps, files: given, found, card, notes, n_controls, images: None }, path)
}

/// The same for images that were looked for in `source`.
///
/// # Errors
/// As [`write_card`].
pub fn write_image_card(
    description: &Description<LoadedImages>,
    source: &ImageSource,
    path: &Path,
) -> Result<(), LoadError> {
    let Description { name, mapping, gaps, outcome, given, card, .. } = description;
    let loaded = outcome.as_ref().ok();
    let mut notes = loaded.map(|loaded| loaded.notes.clone()).unwrap_or_default();
    if source.root.is_some() || !source.path_maps.is_empty() {
        notes.push("it was read with `--root` or `--path-map`; give them with this card too".to_owned());
    }
    let settings = loaded.map(|loaded| loaded.settings.clone());
    let mut images = settings.or_else(|| card.images.clone()).unwrap_or_default();
    if told_by_pattern(gaps) {
        (images.pattern, images.mask_pattern) =
            card.images.clone().map_or((None, None), |images| (images.pattern, images.mask_pattern));
    }
    let n_controls = loaded.map(|loaded| n_controls(&loaded.screen.table));
    let found = loaded.map(|loaded| loaded.joins.as_slice()).unwrap_or_default();
    write(
        Told { name, mapping, gaps, files: given, found, card, notes: &notes, n_controls, images: Some(images) },
        path,
    )
}

fn n_controls(screen: &Screen) -> usize {
    screen.units.by_row().filter(|row| row.role == Role::NegativeControl).count()
}

fn write(told: Told, path: &Path) -> Result<(), LoadError> {
    if path.exists() {
        let message = "the file exists; move it away or write the card elsewhere".to_owned();
        return Err(LoadError::Card { path: path.to_path_buf(), message });
    }
    let folder = folder_with(path);
    let text = card_text(told, folder);
    replace_file(path, |file| file.write_all(text.as_bytes())).map_err(|cause| LoadError::io(path, cause))
}

fn card_text(told: Told, folder: &Path) -> String {
    let Told { name, mapping, gaps, files, found, card, notes, n_controls, images } = told;
    let mut text = String::new();
    let mut line = |content: String| {
        text.push_str(&content);
        text.push('\n');
    };
    let open = |section: &str| -> Vec<String> {
        gaps.iter().filter(|gap| gap.section == section).flat_map(todo_lines).collect()
    };
    line(
        "# Card of a data set: the content of its files and the meaning of their columns. Edit what is wrong."
            .to_owned(),
    );
    if !gaps.is_empty() {
        line("# Where it says TODO, write one of the lines below it without the sign in front.".to_owned());
    }
    for note in notes {
        line(format!("# Note: {}", note.replace('\n', " ")));
    }
    line(format!("name = {}", quoted(name)));
    for (key, value) in [("description", &card.description), ("license", &card.license), ("citation", &card.citation)] {
        line(format!("{key} = {}", quoted(value)));
    }
    let offered: Vec<&Offered> = gaps.iter().flat_map(|gap| &gap.offered).collect();
    let Placed { base, folder: of_files, entries } = Placed::of(files, found, &offered, card, folder);
    let as_placed = |content: String| {
        let placed = |content: String, sheet: &&Offered| {
            content
                .replace(&format!("file = {:?}", sheet.shown), &format!("file = {:?}", inside(&sheet.path, &of_files)))
        };
        offered.iter().fold(content, placed)
    };
    let mut card = card.clone();
    card.join.extend(found.iter().map(|found| found.in_card(|path| inside(path, &of_files))));
    let card = &card;
    if let Some(base) = base {
        line("# Where the files lie; without this line, next to the card.".to_owned());
        line(format!("folder = {}", quoted(&base)));
    }
    if !entries.is_empty() {
        line(format!("files = {}", list(&entries)));
    }
    line(match images {
        None => "# \"control_wells\", or \"relative\" if the values are already differences from control.".to_owned(),
        Some(_) => "# \"control_wells\", or \"first_frame\" for a time lapse.".to_owned(),
    });
    // One of the lines below says it.
    let is_asked = gaps.iter().any(|gap| gap.lines.iter().any(|line| line.text.starts_with("reference = ")));
    if !is_asked {
        line(format!("reference = {}", quoted(card.reference.word())));
    }
    if let Some(unit) = mapping.dose_unit.or(card.dose_unit) {
        line(format!("dose_unit = {}  # {}", quoted(unit.word()), mapping.dose_unit_why));
    }
    if let Some(kind) = card.kind {
        line(format!("kind = {}", toml::Value::try_from(kind).expect("a kind is a word")));
    }
    if !card.exclude.is_empty() {
        line(format!("exclude = {}", quoted(&card.exclude)));
    }
    open("").into_iter().map(as_placed).for_each(&mut line);
    if images.is_none() {
        append_features(&mut line, mapping, gaps, card);
    }
    line(
        "\n[columns]  # \"\" means that no column has the role, { value = \"…\" } that it is the same in all rows"
            .to_owned(),
    );
    // Where each perturbation has a column of its doses, the one column of doses is made of them.
    let is_made = |role: ColumnRole| role == ColumnRole::Dose && !card.columns.doses.is_empty();
    let columns_of = |role: ColumnRole| -> Vec<&str> {
        let of_role = mapping.columns.iter().filter(|mapped| mapped.role == role);
        of_role.map(|mapped| mapped.column.as_str()).collect()
    };
    // Once the names of files are read, they say what these are.
    let is_provisional = told_by_pattern(gaps);
    for role in ColumnRole::ALL.into_iter().filter(|role| *role != ColumnRole::Context && !is_made(*role)) {
        let word = role.word();
        let mapped = mapping.columns.iter().find(|mapped| mapped.role == role);
        match (card.columns.get(role), mapped) {
            (Some(ColumnOrValue::Value(value)), _) => line(format!("{word} = {{ value = {} }}", quoted(value))),
            (Some(ColumnOrValue::Column(none)), None) if none.is_empty() => line(format!("{word} = \"\"")),
            // Columns of one member each.
            (_, Some(mapped)) if columns_of(role).len() > 1 => {
                line(format!("{word} = {}  # {}", list(&columns_of(role)), mapped.why));
            }
            // Of rows and columns, or of a declaration, it is made again.
            (_, Some(mapped)) if mapped.is_made => line(format!("# {word} = \"…\"  # {}", mapped.why)),
            (None, Some(_)) if is_provisional => {}
            (_, Some(mapped)) => line(format!("{word} = {}  # {}", quoted(&mapped.column), mapped.why)),
            (_, None) => {}
        }
    }
    if let Some(separator) = &card.columns.separator {
        line(format!("separator = {}", quoted(separator)));
    }
    open("columns").into_iter().for_each(&mut line);
    if card.columns.plate_within.is_some() || !mapping.plate_within.is_empty() {
        line("# Names of plates count within these.".to_owned());
        line(format!("plate_within = {}", list(&mapping.plate_within)));
    }
    let context = match &card.columns.context {
        Some(context) => toml::Value::try_from(context).expect("a context is names and values").to_string(),
        None => list(&mapping.context()),
    };
    if context != "[]" || card.columns.context.is_some() {
        line("# Besides the plate, these stay fixed over a transition.".to_owned());
        line(format!("context = {context}"));
    }
    match &card.columns.labels {
        Some(labels) => line(format!("labels = {}", list(labels))),
        None if mapping.labels.is_empty() => {}
        None => {
            line("# Metadata to keep; without this line every other column is kept.".to_owned());
            line(match mapping.labels.len() {
                0..=MAX_LABELS => format!("# labels = {}", list(&mapping.labels)),
                n => format!("# labels = {}  # the first {MAX_LABELS} of {n}", list(&mapping.labels[..MAX_LABELS])),
            });
        }
    }
    for (perturbation, column) in &card.columns.doses {
        line(format!("doses.{} = {}", quoted(perturbation), quoted(column)));
    }
    let counted = n_controls.map(|n| format!("; {n} negative controls among the loaded rows")).unwrap_or_default();
    let why = if mapping.controls_why.is_empty() { "not known yet" } else { &mapping.controls_why };
    line(format!("\n# Roles: {why}{counted}."));
    let (asked, kinds) = (open("controls"), open("kinds"));
    // A section that the card has is written below, and has its open lines above it.
    if !asked.is_empty() && card.controls.is_none() {
        line("[controls]".to_owned());
    }
    match asked.is_empty() {
        false => asked.into_iter().for_each(&mut line),
        true if card.controls.is_none() => {
            line("# [controls]".to_owned());
            let column_of = |role: ColumnRole| {
                let mapped = mapping.columns.iter().find(|mapped| mapped.role == role && !mapped.is_made);
                quoted(mapped.map_or("…", |mapped| mapped.column.as_str()))
            };
            let (names, roles) = (column_of(ColumnRole::Perturbation), column_of(ColumnRole::Role));
            line(format!("# negative = {{ column = {names}, values = [\"DMSO\"], empty = false }}"));
            line(format!("# positive = {{ column = {roles}, values = [\"poscon*\"] }}"));
            line(format!("# empty_wells = {{ column = {names}, empty = true }}"));
        }
        true => {}
    }
    if !kinds.is_empty() {
        if card.kinds.is_empty() {
            line("\n[kinds]".to_owned());
        }
        kinds.into_iter().for_each(&mut line);
    }
    let masses = open("molar_mass_kda");
    if !masses.is_empty() {
        if card.molar_mass_kda.is_empty() {
            line("\n[molar_mass_kda]".to_owned());
        }
        masses.into_iter().for_each(&mut line);
    }
    let scales = open("expression");
    let mut line = |content: String| {
        text.push_str(&content);
        text.push('\n');
    };
    if !scales.is_empty() && card.expression.is_none() {
        line("\n[expression]".to_owned());
    }
    scales.into_iter().for_each(&mut line);
    append_declared(&mut text, card);
    if let Some(images) = &images {
        append_images(&mut text, images, &open("images"));
    }
    text
}

/// A gap as lines of comment: what is missing, what it could be, and the lines of which one is to be written.
fn todo_lines(gap: &Gap) -> Vec<String> {
    let mut lines = vec![format!("# TODO {}.", gap.what)];
    if !gap.candidates.is_empty() {
        let candidate = |candidate: &super::gap::Candidate| match candidate.examples.as_slice() {
            [] => candidate.name.clone(),
            examples => format!("{} ({})", candidate.name, examples.join(", ")),
        };
        lines.push(format!("#   candidates: {}", gap.candidates.iter().map(candidate).collect::<Vec<_>>().join("; ")));
    }
    for line in &gap.lines {
        let when = if line.when.is_empty() { String::new() } else { format!("  # {}", line.when) };
        lines.push(format!("# {}{when}", line.text));
    }
    if !gap.otherwise.is_empty() {
        lines.push(format!("#   {}", gap.otherwise));
    }
    lines.into_iter().map(|line| line.replace('\n', " ")).collect()
}

/// The features: listed where they are few, else the rule by which they were told.
fn append_features(line: &mut impl FnMut(String), mapping: &Mapping, gaps: &[Gap], card: &Card) {
    line(format!("# Features: {} ({} columns).", mapping.features_why, mapping.features.len()));
    for left_out in mapping.left_out_in_words() {
        line(format!("# Not learned from: {left_out}."));
    }
    let is_short = gaps.is_empty() && (1..=MAX_LISTED).contains(&mapping.features.len());
    if !card.features.is_empty() {
        line(format!("features = {}", list(&card.features)));
    } else if is_short && card.include_features.is_empty() {
        line(format!("features = {}", list(&mapping.features)));
    }
    for (key, globs) in [("include_features", &card.include_features), ("exclude_features", &card.exclude_features)] {
        if !globs.is_empty() {
            line(format!("{key} = {}", list(globs)));
        }
    }
}

/// Where a card finds its files.
struct Placed {
    /// The folder, if it is not the card's own.
    base: Option<String>,
    /// The folder.
    folder: PathBuf,
    /// The files relative to it; none where the folder itself is read.
    entries: Vec<String>,
}

impl Placed {
    /// The places of `files` for a card in `folder`, with the sheets that are or may be joined to them; those of a card that
    /// was read stay as they are.
    fn of(files: &[PathBuf], found: &[FoundJoin], offered: &[&Offered], card: &Card, folder: &Path) -> Self {
        let folder = absolute(folder);
        let has_card = !card.path.as_os_str().is_empty();
        let files: Vec<PathBuf> = files.iter().map(|path| absolute(path)).collect();
        let joined = found.iter().flat_map(|found| &found.files).chain(offered.iter().map(|sheet| &sheet.path));
        let sheets: Vec<PathBuf> = joined.map(|path| absolute(path)).collect();
        let all = || files.iter().chain(&sheets);
        let is_within = |base: &Path| all().all(|path| path.starts_with(base));
        let of_card = absolute(&card.folder());
        let base = match () {
            () if has_card && is_within(&of_card) => of_card,
            () if is_within(&folder) => folder.clone(),
            () => {
                let parents = all().map(|path| if path.is_dir() { path } else { path.parent().unwrap_or(path) });
                parents.map(Path::to_path_buf).reduce(|a, b| common(&a, &b)).unwrap_or_else(|| folder.clone())
            }
        };
        let slashed = |path: &Path| path.to_string_lossy().replace('\\', "/");
        let entries = match has_card && !card.files.is_empty() && is_within(&base) {
            true => card.files.clone(),
            false => {
                let inside = files.iter().filter_map(|path| path.strip_prefix(&base).ok());
                shortened(inside.map(slashed).filter(|entry| !entry.is_empty()).collect(), &base)
            }
        };
        Self { base: (base != folder).then(|| slashed(&base)), folder: base, entries }
    }
}

/// A path from the root; one that names a sheet of a workbook keeps the name.
fn absolute(path: &Path) -> PathBuf {
    let in_folder = || Some(path.parent()?.canonicalize().ok()?.join(path.file_name()?));
    path.canonicalize().ok().or_else(in_folder).unwrap_or_else(|| path.to_path_buf())
}

/// A path as a card in `folder` writes it.
fn inside(path: &Path, folder: &Path) -> String {
    let path = absolute(path);
    path.strip_prefix(folder).unwrap_or(&path).to_string_lossy().replace('\\', "/")
}

/// The longest path that both begin with.
fn common(a: &Path, b: &Path) -> PathBuf {
    a.components().zip(b.components()).take_while(|(a, b)| a == b).map(|(part, _)| part).collect()
}

/// A glob in place of many files of one folder that are all of their kind there.
fn shortened(entries: Vec<String>, base: &Path) -> Vec<String> {
    const MANY: usize = 4;
    let Some((folder, ending)) = entries.first().map(|entry| {
        let (folder, name) = entry.rsplit_once('/').map_or(("", entry.as_str()), |(folder, name)| (folder, name));
        (folder.to_owned(), name.split_once('.').map(|(_, ending)| ending.to_owned()))
    }) else {
        return entries;
    };
    let Some(ending) = ending.filter(|_| entries.len() >= MANY) else { return entries };
    let glob = if folder.is_empty() { format!("*.{ending}") } else { format!("{folder}/*.{ending}") };
    let pattern = format!("{}/{glob}", glob::Pattern::escape(&base.to_string_lossy()));
    let matched = glob::glob(&pattern).into_iter().flatten().filter_map(Result::ok);
    let matched: std::collections::BTreeSet<PathBuf> = matched.filter(|path| path.is_file()).collect();
    let wanted: std::collections::BTreeSet<PathBuf> = entries.iter().map(|entry| base.join(entry)).collect();
    if matched == wanted { vec![glob] } else { entries }
}

/// The parts of a card that are declared and never inferred.
fn append_declared(text: &mut String, card: &Card) {
    let declared = Card {
        controls: card.controls.clone(),
        kinds: card.kinds.clone(),
        expression: card.expression.clone(),
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
            const DECLARED: [&str; 8] =
                ["controls", "kinds", "expression", "join", "descriptors", "molar_mass_kda", "tracks", "checksums"];
            let is_declared = DECLARED.contains(&key.as_str());
            is_declared && !matches!(value, toml::Value::Table(table) if table.is_empty())
        })
        .filter(|(_, value)| !matches!(value, toml::Value::Array(array) if array.is_empty()))
        .collect();
    if !tables.is_empty() {
        let body = toml::to_string(&tables).expect("a card's tables are plain values");
        write!(text, "\n{body}").expect("writing to a text does not fail");
    }
}

/// Whether a pattern is still to say what the names of image files mean.
fn told_by_pattern(gaps: &[Gap]) -> bool {
    gaps.iter().any(|gap| gap.lines.iter().any(|line| line.text.starts_with("pattern")))
}

/// The section of images, as it was declared or found.
fn append_images(text: &mut String, images: &ImageSettings, open: &[String]) {
    let is_empty = |value: &toml::Value| match value {
        // Of images whose names are not read yet, the channel has none.
        toml::Value::Array(array) => array.iter().all(|value| value.as_str() == Some("")),
        toml::Value::Table(table) => table.is_empty(),
        _ => false,
    };
    let table = toml::Table::try_from(images).expect("settings of images are plain values");
    let table: toml::Table = table.into_iter().filter(|(_, value)| !is_empty(value)).collect();
    let table = toml::Table::from_iter([("images".to_owned(), toml::Value::Table(table))]);
    let body = toml::to_string(&table).expect("settings of images are plain values");
    let about = "# Where the pixels are and how they are read, as declared or recognized.";
    let open: String = open.iter().map(|line| format!("{line}\n")).collect();
    // Before tables of its own, whose keys would follow.
    let body = body.replacen("[images]\n", &format!("[images]\n{open}"), 1);
    write!(text, "\n{about}\n{body}").expect("writing to a text does not fail");
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn list(items: &[impl AsRef<str>]) -> String {
    format!("[{}]", items.iter().map(|item| quoted(item.as_ref())).collect::<Vec<_>>().join(", "))
}
