//! Sheets: a table with one row for each image or for each site.
//!
//! ```text
//! well_number,frame,time_min,image,mask                       one row for each image; the well comes from a joined sheet
//! 1,0,0,images/W001_T0.png,masks/W001_T0.png
//!
//! plate,well,site,dna_file,actin_file,compound,dose_um        one row for each site, a column for each channel
//! P1,B02,1,P1/B02_s1_dna.tif,P1/B02_s1_actin.tif,taxol,0.3
//! ```
//!
//! Which columns hold paths is declared under `[images]` (`path` with `channel`, or `files`), or told by their values:
//! a column most of whose first values end like an image file. One such column is the image of the row, several are its
//! channels; one that is called `mask` or `label` holds label images. Paths are relative to the sheet's folder, or to
//! the declared `root`, and may not leave it. Metadata goes through the same mapping as that of profile tables.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::listing::{Listed, Listing, Row};
use super::paths::Roots;
use super::settings::{ImageSettings, Layout, TimeUnit};
use crate::load::error::LoadError;
use crate::load::format;
use crate::load::mapping::plain;
use crate::load::table::RawTable;
use crate::screen::{Plane, Time};

/// Values that are looked at to tell whether a column holds paths.
const LOOKED_AT: usize = 100;

/// The rows of `tables` and what they name; `roots` says for each table where its paths lead. The settings come back
/// with the columns that were found.
pub(super) fn list(
    tables: &[PathBuf],
    roots: &[Roots],
    settings: &ImageSettings,
) -> Result<(Listing, ImageSettings), LoadError> {
    let table = read(tables)?;
    let columns = SheetColumns::of(&table, settings)?;
    let paths = Paths { table: &table, roots };
    let frames = columns.frames(&table)?;
    let mut rows = Vec::with_capacity(table.n_rows());
    for (row, &time) in frames.iter().enumerate() {
        let z = match &columns.z {
            None => 0,
            Some(column) => integer(&table, column, row)?,
        };
        let mut planes = Vec::new();
        for (channel, column) in &columns.files {
            if let Some(plane) = paths.plane(column, row)? {
                let named =
                    columns.channel.as_ref().map(|column| required(&table, column, row, "the name of a channel"));
                let channel = named.transpose()?.unwrap_or(channel);
                planes.push(Listed::file(channel.to_owned(), z, plane.path));
            }
        }
        let mask = columns.mask.as_ref().map(|column| paths.plane(column, row)).transpose()?.flatten();
        rows.push(Row { planes, time, pixel_um: settings.pixel_um, mask });
    }
    let channel_order = match columns.channel {
        Some(_) => Vec::new(),
        None => columns.files.iter().map(|(channel, _)| channel.clone()).collect(),
    };
    let used = columns.used();
    let inputs = tables.to_vec();
    let found = columns.told(settings);
    let listing = Listing {
        layout: Layout::Sheet,
        table,
        rows,
        channel_order,
        used,
        inputs,
        notes: columns.notes,
        n_skipped: Vec::new(),
    };
    Ok((listing, found))
}

/// Whether a table has a column of image paths, or one that CellProfiler would call so.
pub(super) fn is_image_sheet(table: &RawTable) -> bool {
    table.columns.iter().any(|column| {
        let name = column.name.strip_prefix("Image_").unwrap_or(&column.name);
        name.starts_with("FileName_") || name.starts_with("URL_") || holds_paths(table, &column.name)
    })
}

/// All tables as one, as text.
pub(super) fn read(tables: &[PathBuf]) -> Result<RawTable, LoadError> {
    let read: Result<Vec<_>, _> = tables.iter().map(|path| format::read(path, &BTreeSet::new())).collect();
    RawTable::concatenated(read?, |_| false)
}

/// The value of a cell that may not be empty.
pub(super) fn required<'a>(
    table: &'a RawTable,
    column: &str,
    row: usize,
    expected: &'static str,
) -> Result<&'a str, LoadError> {
    let value = table.text(column).and_then(|values| values[row].as_deref());
    value.ok_or_else(|| LoadError::Cell {
        place: table.place(row),
        column: column.to_owned(),
        found: String::new(),
        expected,
    })
}

/// The whole number in a cell.
pub(super) fn integer(table: &RawTable, column: &str, row: usize) -> Result<i64, LoadError> {
    const EXPECTED: &str = "a whole number";
    let text = required(table, column, row, EXPECTED)?;
    let number = text.parse::<f64>().ok().filter(|number| number.fract() == 0.0 && number.abs() < 1e15);
    number.map(|number| number as i64).ok_or_else(|| LoadError::Cell {
        place: table.place(row),
        column: column.to_owned(),
        found: text.to_owned(),
        expected: EXPECTED,
    })
}

/// Which column of a sheet is what.
struct SheetColumns {
    /// Channel and column.
    files: Vec<(String, String)>,
    channel: Option<String>,
    mask: Option<String>,
    frame: Option<String>,
    time: Option<(String, TimeUnit)>,
    z: Option<String>,
    notes: Vec<String>,
}

impl SheetColumns {
    fn of(table: &RawTable, settings: &ImageSettings) -> Result<Self, LoadError> {
        let declared = |column: &Option<String>| column.as_ref().map(|column| present(table, column)).transpose();
        let usual = |words: &[&str]| {
            let names = table.columns.iter().map(|column| &column.name);
            words.iter().find_map(|word| names.clone().find(|name| plain(name) == *word)).cloned()
        };
        let mut notes = Vec::new();
        let mask = declared(&settings.mask)?.or_else(|| {
            let names = table.columns.iter().map(|column| &column.name);
            let is_mask = |name: &&String| is_called_mask(name) && holds_paths(table, name);
            names.clone().find(is_mask).cloned()
        });
        let files = match (&settings.path, settings.files.is_empty()) {
            (Some(path), _) => vec![(String::new(), present(table, path)?)],
            (None, false) => {
                let files = settings.files.iter();
                files
                    .map(|(channel, column)| Ok((channel.clone(), present(table, column)?)))
                    .collect::<Result<_, LoadError>>()?
            }
            (None, true) => {
                let found: Vec<String> = table
                    .columns
                    .iter()
                    .map(|column| column.name.clone())
                    .filter(|name| !is_called_mask(name) && mask.as_ref() != Some(name) && holds_paths(table, name))
                    .collect();
                notes.push(format!("image paths are in {}, since their values end like images", found.join(", ")));
                match found.as_slice() {
                    [] => {
                        return Err(LoadError::MissingColumn {
                            path: table.paths[0].clone(),
                            column: "path".to_owned(),
                            mend: "no column holds image paths; name it with `path = \"…\"` under [images] in a card"
                                .to_owned(),
                        });
                    }
                    [one] => vec![(String::new(), one.clone())],
                    several => several.iter().map(|name| (channel_of(name), name.clone())).collect(),
                }
            }
        };
        let is_single = files.len() == 1;
        let channel = match declared(&settings.channel)? {
            None if is_single => usual(&["channel", "channel_name", "channel_id", "wavelength", "stain", "dye"]),
            declared => declared,
        };
        let frame = declared(&settings.frame)?
            .or_else(|| usual(&["frame", "frame_number", "timepoint", "time_point", "timepoint_id", "time_index"]));
        let time = match declared(&settings.time)? {
            Some(column) => {
                let unit =
                    settings.time_unit.or_else(|| unit_in_name(&column)).ok_or_else(|| LoadError::MissingColumn {
                        path: table.paths[0].clone(),
                        column: "time_unit".to_owned(),
                        mend: format!(
                            "give the unit of `{column}` with `time_unit = \"s\"`, \"min\" or \"h\" under [images]"
                        ),
                    })?;
                Some((column, unit))
            }
            // Hours without a frame are a duration of the treatment, as in profile tables.
            None if frame.is_some() => {
                let column =
                    usual(&["time_min", "time_minutes", "time_s", "time_seconds", "time_h", "time_hours", "hours"]);
                column.and_then(|column| unit_in_name(&column).map(|unit| (column, unit)))
            }
            None => None,
        };
        let z = declared(&settings.z)?.or_else(|| usual(&["z", "z_plane", "z_index", "z_slice", "plane"]));
        Ok(Self { files, channel, mask, frame, time, z, notes })
    }

    /// The settings that say the same of the columns without anything being told from names and values.
    fn told(&self, settings: &ImageSettings) -> ImageSettings {
        let (path, files) = match self.files.as_slice() {
            [(channel, column)] if channel.is_empty() => (Some(column.clone()), BTreeMap::new()),
            several => (None, several.iter().cloned().collect()),
        };
        ImageSettings {
            path,
            files,
            channel: self.channel.clone(),
            mask: self.mask.clone(),
            frame: self.frame.clone(),
            time: self.time.as_ref().map(|(column, _)| column.clone()),
            time_unit: self.time.as_ref().map(|(_, unit)| *unit),
            z: self.z.clone(),
            ..settings.clone()
        }
    }

    fn used(&self) -> BTreeSet<String> {
        let time = self.time.as_ref().map(|(column, _)| column);
        let options = [&self.channel, &self.mask, &self.frame, &self.z].into_iter().flatten().chain(time);
        options.chain(self.files.iter().map(|(_, column)| column)).cloned().collect()
    }

    /// The time of each row.
    fn frames(&self, table: &RawTable) -> Result<Vec<Option<Time>>, LoadError> {
        let mut hours = Vec::with_capacity(table.n_rows());
        for row in 0..table.n_rows() {
            hours.push(self.time.as_ref().map(|(column, unit)| hours_of(table, column, *unit, row)).transpose()?);
        }
        if let Some(column) = &self.frame {
            return (0..table.n_rows())
                .map(|row| Ok(Some(Time { frame: integer(table, column, row)?, hours: hours[row] })))
                .collect();
        }
        let mut times: Vec<f64> = hours.iter().flatten().copied().collect();
        times.sort_by(f64::total_cmp);
        times.dedup();
        let rank = |hours: f64| times.partition_point(|&time| time < hours) as i64;
        Ok(hours.into_iter().map(|hours| hours.map(|hours| Time { frame: rank(hours), hours: Some(hours) })).collect())
    }
}

fn hours_of(table: &RawTable, column: &str, unit: TimeUnit, row: usize) -> Result<f64, LoadError> {
    const EXPECTED: &str = "a number";
    let text = required(table, column, row, EXPECTED)?;
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
    let number = number.ok_or_else(|| LoadError::Cell {
        place: table.place(row),
        column: column.to_owned(),
        found: text.to_owned(),
        expected: EXPECTED,
    })?;
    Ok(match unit {
        TimeUnit::Seconds => number / 3600.0,
        TimeUnit::Minutes => number / 60.0,
        TimeUnit::Hours => number,
    })
}

fn unit_in_name(column: &str) -> Option<TimeUnit> {
    let name = plain(column);
    let ends = |endings: &[&str]| endings.iter().any(|ending| name.ends_with(ending));
    match () {
        () if ends(&["_min", "_minutes"]) => Some(TimeUnit::Minutes),
        () if ends(&["_s", "_sec", "_seconds"]) => Some(TimeUnit::Seconds),
        () if ends(&["_h", "hours"]) => Some(TimeUnit::Hours),
        () => None,
    }
}

fn present(table: &RawTable, column: &str) -> Result<String, LoadError> {
    if table.text(column).is_some() {
        return Ok(column.to_owned());
    }
    let names: Vec<String> = table.columns.iter().take(12).map(|column| format!("`{}`", column.name)).collect();
    Err(LoadError::MissingColumn {
        path: table.paths[0].clone(),
        column: column.to_owned(),
        mend: format!("[images] in the card names it; the columns are {}", names.join(", ")),
    })
}

fn is_called_mask(name: &str) -> bool {
    let name = plain(name);
    name.contains("mask") || name.contains("label")
}

/// Whether most of the first values end like an image.
fn holds_paths(table: &RawTable, column: &str) -> bool {
    let Some(values) = table.text(column) else { return false };
    let values: Vec<&str> = values.iter().flatten().take(LOOKED_AT).map(String::as_str).collect();
    !values.is_empty() && 2 * values.iter().filter(|text| is_image_name(text)).count() > values.len()
}

/// Whether a file name ends like that of an image.
pub(super) fn is_image_name(text: &str) -> bool {
    let ending = Path::new(text).extension().map(|ending| ending.to_string_lossy().to_lowercase());
    ending.is_some_and(|ending| ["tif", "tiff", "png", "jpg", "jpeg"].contains(&ending.as_str()))
}

/// A column's name without the words that say that it holds a file.
fn channel_of(column: &str) -> String {
    let name = column.strip_prefix("Metadata_").unwrap_or(column);
    let words: Vec<&str> = name
        .split(['_', ' '])
        .filter(|word| !["file", "path", "image", "filename", "img"].contains(&word.to_lowercase().as_str()))
        .collect();
    if words.is_empty() { column.to_owned() } else { words.join("_") }
}

/// Cells of paths -> planes.
struct Paths<'a> {
    table: &'a RawTable,
    roots: &'a [Roots],
}

impl Paths<'_> {
    fn plane(&self, column: &str, row: usize) -> Result<Option<Plane>, LoadError> {
        let Some(text) = self.table.text(column).and_then(|values| values[row].as_deref()) else { return Ok(None) };
        let roots = &self.roots[self.table.rows[row].path as usize];
        roots.resolve(text, || self.table.place(row)).map(|path| Some(Plane::first_of(path)))
    }
}
