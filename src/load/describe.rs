//! What lies in files, told to the end even where a card has something to add.
//!
//! [`describe`] and [`describe_images`] load as a run would. Where a card has to say something first, the gap is noted,
//! an answer is assumed, and the rest is described under it; where data are wrong, files and columns are described.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::card::Card;
use super::error::LoadError;
use super::gap::{Filled, Gap, UNKNOWN, fill};
use super::image::{self, ImageSource, LoadedImages};
use super::loaded::Loaded;
use super::mapping::{ColumnRole, Mapping, plain};
use super::source::Source;
use super::table::{ColumnSketch, merged};
use super::{compartments, format, inputs, load_with, near, part, tracks, walk, well_column};
use crate::screen::{Dropped, Reference, Role, Screen};

/// What lies in the files of a screen.
#[derive(Debug)]
pub struct Description<T> {
    /// The screen's name.
    pub name: String,
    /// The tables, sheets and indices.
    pub files: Vec<SeenFile>,
    /// Their columns, each once.
    pub columns: Vec<SeenColumn>,
    /// Which column means what; under the assumptions where there are gaps.
    pub mapping: Mapping,
    /// What a card has to say before the screen can be run.
    pub gaps: Vec<Gap>,
    /// The screen, under the assumptions where there are gaps, or what is wrong with the data.
    pub outcome: Result<T, LoadError>,
    /// The tables, sheets, indices or folders as they were given, without joined sheets.
    pub(super) given: Vec<PathBuf>,
    /// The card as it is written; empty if there is none.
    pub(super) card: Card,
}

impl<T> Description<T> {
    /// Whether nothing could be looked into, so that what is wrong is all there is to say.
    pub fn is_blank(&self) -> bool {
        self.outcome.is_err() && self.columns.is_empty()
    }
}

/// A file that was looked into.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SeenFile {
    /// Where it lies.
    pub path: PathBuf,
    /// Rows below the header, where all of it was read.
    pub rows: Option<usize>,
    /// Columns of a table.
    pub columns: Option<usize>,
    /// Why it could not be read, in words; empty if it could.
    pub problem: String,
}

/// A column of the tables.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SeenColumn {
    /// Its name.
    pub name: String,
    /// The word of its role, `feature`, `not learned from` or `label`.
    pub taken_as: String,
    /// Its first distinct values, where the first look shows them.
    pub examples: Vec<String>,
}

/// Describes the screen of profile tables or of tracks.
///
/// # Errors
/// If the card cannot be read.
pub fn describe(source: &Source) -> Result<Description<Loaded>, LoadError> {
    let mut card = source.effective_card()?;
    let given = compartments::merged(inputs::given(&card, &source.files).unwrap_or_default());
    let mut paths: Vec<PathBuf> = given.into_iter().map(|given| given.path).collect();
    let folders = source.files.clone();
    let mut source = source.clone();
    if let Some(recognized) = tracks::recognize(&source, &card) {
        source.files = vec![recognized.table.clone()];
        (card, paths) = (recognized.card, vec![recognized.table]);
    }
    let source = &source;
    let (mut files, sketches) = look_into(&paths);
    let Filled { mut outcome, mut gaps, card: assumed } = fill(&card, &sketches, |card| load_with(source, card));
    if let Ok(loaded) = &mut outcome {
        // What is said of a name that stands for one that is asked for says nothing.
        loaded.notes.retain(|note| !note.contains(UNKNOWN));
        let is_read = |path: &Path| loaded.inputs.iter().any(|input| part::file_of(&input.path) == path);
        let unread = walk::unread(&folders, is_read, &loaded.notes);
        loaded.notes.extend(unread);
        for file in &mut files {
            file.rows = loaded.inputs.iter().find(|input| input.path == file.path).map(|input| input.rows);
        }
        let is_joined = |path: &Path| !files.iter().any(|file| file.path == path);
        let joined: Vec<SeenFile> = (loaded.inputs.iter().filter(|input| is_joined(&input.path)))
            .map(|input| SeenFile {
                path: input.path.clone(),
                rows: Some(input.rows),
                columns: format::sketch(&input.path, false).ok().map(|columns| columns.len()),
                problem: String::new(),
            })
            .collect();
        files.extend(joined);
        let likely = is_relative(loaded).then_some(Reference::Relative);
        gaps.extend(controls_gap(&loaded.screen, &gaps, likely, false, &card));
    }
    let mapping = match &outcome {
        Ok(loaded) => loaded.mapping.clone(),
        Err(_) => by_names(&sketches, &assumed),
    };
    let mapping = without_assumptions(mapping, &card, &assumed);
    let name = match &outcome {
        Ok(loaded) => loaded.screen.name.clone(),
        Err(_) => {
            card.screen_name(paths.first().or(source.files.first()).map_or(Path::new("screen"), PathBuf::as_path))
        }
    };
    let columns = seen_columns(&sketches, &mapping);
    let given = match &outcome {
        Err(_) => paths,
        // Not what is joined or left out.
        Ok(loaded) => {
            let is_read = |path: &PathBuf| loaded.inputs.iter().any(|input| input.path == *path);
            let is_joined = |path: &PathBuf| loaded.joins.iter().any(|found| found.files.contains(path));
            paths.into_iter().filter(|path| is_read(path) && !is_joined(path)).collect()
        }
    };
    Ok(Description { name, files, columns, mapping, gaps, outcome, given, card })
}

/// Describes a screen of images.
///
/// # Errors
/// If the card cannot be read.
pub fn describe_images(source: &ImageSource) -> Result<Description<LoadedImages>, LoadError> {
    describe_images_with(source, source.source.effective_card()?)
}

/// The same with a card in place of the source's.
fn describe_images_with(source: &ImageSource, card: Card) -> Result<Description<LoadedImages>, LoadError> {
    let paths = image::tables_of(source, &card);
    let (files, sketches) = look_into(&paths);
    let load = |card: Card| image::load_images_with(source, card);
    let Filled { mut outcome, mut gaps, card: assumed } = fill(&card, &sketches, load);
    if let Ok(loaded) = &mut outcome {
        let unread = unread_of_images(loaded, &source.source.files);
        loaded.notes.extend(unread);
    }
    if let Ok(loaded) = &outcome {
        let is_open = loaded.layout == image::Layout::Folder && loaded.settings.pattern.is_none();
        if is_open && loaded.mapping.column(ColumnRole::Well).is_none() {
            gaps.push(Gap::of_file_names());
        }
        let is_named = card.columns.perturbation.is_some() || !card.columns.doses.is_empty();
        let mapped = loaded.mapping.columns.iter().find(|mapped| mapped.role == ColumnRole::Perturbation);
        if !is_named && mapped.is_some_and(|mapped| mapped.is_made) {
            let folder = loaded.paths.first().map(|path| match path.is_dir() {
                true => path.as_path(),
                false => path.parent().unwrap_or(Path::new("")),
            });
            let folder = folder.map(|folder| if folder.as_os_str().is_empty() { Path::new(".") } else { folder });
            let read: Vec<PathBuf> = loaded.inputs.iter().map(|input| input.path.clone()).collect();
            let sheets = folder.map(|folder| near::sheets(folder, &source.source.files, &read, &sketches));
            let has_wells = loaded.mapping.column(ColumnRole::Well).is_some();
            let gap = Gap::of_image_perturbations(&sketches, sheets.unwrap_or_default(), has_wells);
            if let Some(described) = behind_join(source, &card, &gap) {
                return Ok(described);
            }
            gaps.push(gap);
        } else {
            let mut times = BTreeMap::<(&str, _, &str), usize>::new();
            for (unit, site) in loaded.screen.table.units.by_row().zip(&loaded.screen.sites) {
                *times.entry((unit.plate.as_str(), unit.well, site.site.as_str())).or_default() += 1;
            }
            let is_lapse = !times.is_empty() && times.values().all(|n_times| *n_times > 1);
            let likely = is_lapse.then_some(Reference::FirstFrame);
            gaps.extend(controls_gap(&loaded.screen.table, &gaps, likely, true, &card));
        }
    }
    let (mapping, name) = match &outcome {
        Ok(loaded) => (loaded.mapping.clone(), loaded.screen.table.name.clone()),
        Err(_) => {
            let first = source.source.files.first().map_or(Path::new("screen"), PathBuf::as_path);
            (by_names(&sketches, &assumed), card.screen_name(first))
        }
    };
    let given = match &outcome {
        Ok(loaded) => loaded.paths.clone(),
        Err(_) => source.source.files.clone(),
    };
    let mapping = without_assumptions(mapping, &card, &assumed);
    let columns = seen_columns(&sketches, &mapping);
    Ok(Description { name, files, columns, mapping, gaps, outcome, given, card })
}

/// The description with the only sheet joined that may name what was applied, so that what is missing behind it is named at
/// once; `gap` is that no sheet does.
fn behind_join(source: &ImageSource, card: &Card, gap: &Gap) -> Option<Description<LoadedImages>> {
    let [sheet] = gap.offered.as_slice() else { return None };
    let joined = Card { join: vec![sheet.join().filter(|_| card.join.is_empty())?], ..card.clone() };
    let mut described = describe_images_with(source, joined).ok().filter(|described| described.outcome.is_ok())?;
    let assumed = format!("{} is joined", sheet.shown);
    described.gaps.insert(0, Gap { assumed, otherwise: String::new(), can_wait: false, ..gap.clone() });
    described.card = card.clone();
    Some(described)
}

/// What lies in folders of images and is not read.
fn unread_of_images(loaded: &LoadedImages, folders: &[PathBuf]) -> Option<String> {
    let planes = loaded.screen.sites.iter().flat_map(|site| site.channels.iter().flatten());
    let masks = loaded.screen.sites.iter().filter_map(|site| site.mask.as_ref());
    let images = planes.map(|plane| plane.path.as_path()).chain(masks.map(|mask| mask.plane.path.as_path()));
    let of_images: BTreeSet<&Path> = images.flat_map(Path::ancestors).collect();
    let is_read = |path: &Path| {
        let is_path = |read: &PathBuf| part::file_of(read) == path;
        of_images.contains(path)
            || loaded.inputs.iter().any(|input| is_path(&input.path))
            || loaded.paths.iter().any(|read| read == path)
    };
    walk::unread(folders, is_read, &loaded.notes)
}

/// The files with their columns, and the columns of all of them.
fn look_into(paths: &[PathBuf]) -> (Vec<SeenFile>, Vec<ColumnSketch>) {
    let look = |path: &PathBuf| {
        let sketches = format::sketch(path, false);
        let problem = sketches.as_ref().err().map(ToString::to_string).unwrap_or_default();
        let sketches = sketches.unwrap_or_default();
        let columns = problem.is_empty().then_some(sketches.len());
        (SeenFile { path: path.clone(), rows: None, columns, problem }, sketches)
    };
    let (files, sketches): (Vec<_>, Vec<_>) = paths.iter().map(look).unzip();
    (files, merged(sketches))
}

/// What the names of columns alone tell.
fn by_names(sketches: &[ColumnSketch], card: &Card) -> Mapping {
    let of_rows = sketches.iter().filter(|sketch| !(sketch.is_measured || sketch.is_key));
    let names: Vec<String> = of_rows.map(|sketch| sketch.name.clone()).collect();
    let mut mapping = Mapping::of_names(Path::new(""), &names, card).unwrap_or_default();
    mapping.infer_well(well_column::sketched(sketches), card);
    // Where none is found, the mapping has none; the error is told already.
    let _ = mapping.find_features(Path::new(""), sketches, &Default::default(), card);
    mapping
}

/// A mapping that says nothing of what was assumed.
fn without_assumptions(mut mapping: Mapping, card: &Card, assumed: &Card) -> Mapping {
    let is_assumed = |role: ColumnRole| card.columns.get(role) != assumed.columns.get(role);
    mapping.columns.retain(|mapped| !(mapped.is_made && is_assumed(mapped.role)));
    if card.dose_unit != assumed.dose_unit {
        (mapping.dose_unit, mapping.dose_unit_why) = (None, String::new());
    }
    mapping
}

fn seen_columns(sketches: &[ColumnSketch], mapping: &Mapping) -> Vec<SeenColumn> {
    let features: std::collections::BTreeSet<&str> = mapping.features.iter().map(String::as_str).collect();
    let left_out: std::collections::BTreeSet<&str> =
        mapping.left_out.iter().map(|left_out| left_out.column.as_str()).collect();
    let seen = |sketch: &ColumnSketch| {
        let name = sketch.name.as_str();
        let role = mapping.columns.iter().find(|mapped| mapped.column == name && !mapped.is_made);
        let taken_as = match role {
            Some(mapped) => mapped.role.word(),
            None if features.contains(name) => "feature",
            None if left_out.contains(name) => "not learned from",
            None => "label",
        };
        SeenColumn { name: name.to_owned(), taken_as: taken_as.to_owned(), examples: sketch.values.clone() }
    };
    sketches.iter().map(seen).collect()
}

/// The gap of a screen in which effects are measured against control wells and none is known.
///
/// Where what was applied is unknown, controls are not asked for: a usual name of theirs may be among the names.
fn controls_gap(
    screen: &Screen,
    gaps: &[Gap],
    likely: Option<Reference>,
    are_images: bool,
    card: &Card,
) -> Option<Gap> {
    let has_controls = || screen.units.by_row().any(|unit| unit.role == Role::NegativeControl);
    let asks = |role: ColumnRole| {
        let start = format!("{role} = ");
        gaps.iter().any(|gap| gap.lines.iter().any(|line| line.text.starts_with(&start)))
    };
    if screen.reference() != Reference::ControlWells || asks(ColumnRole::Perturbation) || has_controls() {
        return None;
    }
    let mut wells = BTreeMap::<String, usize>::new();
    for unit in screen.units.by_row() {
        if let [member] = unit.intervention.members() {
            *wells.entry(member.perturbation.name.clone()).or_default() += 1;
        }
    }
    let mut wells: Vec<(String, usize)> = wells.into_iter().collect();
    wells.sort_by_key(|(_, n_wells)| std::cmp::Reverse(*n_wells));
    Some(Gap::of_controls(&wells, lost_controls(screen), likely, are_images, card))
}

/// Whether the values seem to be differences from control: most features are called so, or the controls have no values.
fn is_relative(loaded: &Loaded) -> bool {
    const WORDS: [&str; 15] = [
        "ks",
        "z",
        "zscore",
        "zscores",
        "lfc",
        "logfc",
        "log2fc",
        "fc",
        "delta",
        "diff",
        "difference",
        "ratio",
        "change",
        "relative",
        "normalized",
    ];
    let features = &loaded.mapping.features;
    let is_called_so = |name: &&String| plain(name).split('_').any(|word| WORDS.contains(&word));
    let are_called_so = !features.is_empty() && 2 * features.iter().filter(is_called_so).count() > features.len();
    let without_values = lost_controls(&loaded.screen).is_some();
    let names_controls =
        loaded.mapping.controls_why.contains("role") || loaded.mapping.column(ColumnRole::Role).is_some();
    are_called_so || without_values && names_controls
}

/// The controls that were left out since they lack values.
fn lost_controls(screen: &Screen) -> Option<&Dropped> {
    screen.dropped.iter().find(|dropped| dropped.reason.starts_with("negative control without a value in "))
}
