//! Objects: where the cells, nuclei or organoids of a site are.
//!
//! They come from label images (the mean of an object's pixels is its center), from tables, or from DeepProfiler.
//!
//! ```text
//! ImageNumber,ObjectNumber,Location_Center_X,Location_Center_Y,…           CellProfiler, one table for each compartment
//! Metadata_ImageNumber,Nuclei_Number_Object_Number,Nuclei_Location_Center_X,…   the same after a merge
//! well_number,frame,object,track,center_x,center_y,area_um2                 any other, with declared columns
//! ```
//!
//! The columns that a table shares with the image sheet (`on` under `[images.objects]`) say whose objects its rows are;
//! values are compared as numbers where both are numbers. Rows of sites that the sheet does not name are left out. Of
//! merged tables the nuclei count, then the cells, then any compartment, and so of CellProfiler's SQLite data bases.
//!
//! DeepProfiler's `.npz` holds `locations`, one row of x and y for each cell, if it was written by a version that keeps
//! them; there is one for each site, so that the declared name holds columns of the image sheet: `{plate}/{well}_{site}.npz`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::assemble::Assembled;
use super::npz;
use super::pixels::bad;
use super::settings::ObjectSettings;
use super::sqlite;
use crate::load::card::Card;
use crate::load::error::LoadError;
use crate::load::format;
use crate::load::join_key::JoinKey;
use crate::load::table::RawTable;
use crate::screen::{Object, Well};

/// The cells of a site as DeepProfiler keeps them, numbered from 0.
///
/// # Errors
/// If the file is no `.npz` or has no `locations`.
pub fn read_deep_profiler(path: &Path) -> Result<Vec<Object>, LoadError> {
    let arrays = npz::read(path)?;
    let Some(locations) = arrays.get("locations") else {
        let names: Vec<&str> = arrays.keys().map(String::as_str).collect();
        return Err(bad(
            path,
            format!("has no `locations` (only {}); crops cannot be cut without them", names.join(", ")),
        ));
    };
    let &[n, 2] = locations.shape.as_slice() else {
        return Err(bad(path, format!("`locations` has shape {:?}, expected [cell, 2]", locations.shape)));
    };
    let pair = |row: usize| (locations.values[2 * row] as f32, locations.values[2 * row + 1] as f32);
    Ok((0..n)
        .map(|row| (row, pair(row)))
        .map(|(row, (x, y))| Object { id: row as u32, track: None, x, y, readout: None })
        .collect())
}

/// The objects of each site as the card declares them, and the files that were read for it: one table, or one of
/// DeepProfiler's `.npz` for each site.
pub(super) fn declared_objects(
    declared: &ObjectSettings,
    card: &Card,
    assembled: &Assembled,
    folder: Option<&Path>,
) -> Result<(Vec<Vec<Object>>, Vec<PathBuf>), LoadError> {
    if !declared.file.ends_with(".npz") {
        let path = located(&declared.file, card, folder)?;
        return Ok((of_table(declared, card, assembled, &path)?, vec![path]));
    }
    let mut paths = Vec::with_capacity(assembled.rows.len());
    for &row in &assembled.rows {
        let file = filled(&declared.file, &assembled.table, row)
            .map_err(|message| LoadError::ImageSheet { place: assembled.table.place(row), message })?;
        paths.push(located(&file, card, folder)?);
    }
    let objects = paths.iter().map(|path| read_deep_profiler(path)).collect::<Result<_, _>>()?;
    paths.sort();
    paths.dedup();
    Ok((objects, paths))
}

/// A file's name with the values of a row of the sheet for `{column}`.
fn filled(template: &str, sheet: &RawTable, row: usize) -> Result<String, String> {
    let mut name = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let (column, behind) = after
            .split_once('}')
            .ok_or_else(|| format!("`{template}` under [images.objects] has an opening brace without a closing one"))?;
        let values = sheet
            .text(column)
            .ok_or_else(|| format!("has no column `{column}`, which `{template}` under [images.objects] names"))?;
        let value =
            values[row].as_deref().ok_or_else(|| format!("has no {column}, which names the file of objects"))?;
        name.push_str(before);
        name.push_str(value);
        rest = behind;
    }
    Ok(name + rest)
}

/// The objects of each site in a declared table.
fn of_table(
    declared: &ObjectSettings,
    card: &Card,
    assembled: &Assembled,
    path: &Path,
) -> Result<Vec<Vec<Object>>, LoadError> {
    let table = match format::is_sqlite(path)? {
        true => sqlite::read_objects(path, &named(declared))?,
        false => format::read(path, &BTreeSet::new())?,
    };
    let columns = ObjectColumns::of(&table, declared, path)?;
    let of_sites: Vec<&str> = declared.on.iter().map(|key| sides(key).0).collect();
    let of_objects: Vec<&str> = declared.on.iter().map(|key| sides(key).1).collect();
    let key = |table: &RawTable, columns: &[&str], row: usize| -> Option<Vec<String>> {
        columns.iter().map(|column| table.text(column)?[row].as_deref().map(comparable)).collect()
    };
    if declared.on.is_empty() {
        let message = "[images.objects] has no key; give `on = [\"…\"]`, columns of both tables".to_owned();
        return Err(LoadError::Card { path: card.path.clone(), message });
    }
    let sheet_path = assembled.table.paths[0].as_path();
    for (path, table, columns) in [(path, &table, &of_objects), (sheet_path, &assembled.table, &of_sites)] {
        if let Some(absent) = columns.iter().find(|column| table.text(column).is_none()) {
            return Err(LoadError::MissingColumn {
                path: path.to_path_buf(),
                column: (*absent).to_owned(),
                mend: "`on` under [images.objects] names it".to_owned(),
            });
        }
    }
    let mut sites = BTreeMap::<Vec<String>, usize>::new();
    for (site, &row) in assembled.rows.iter().enumerate() {
        let Some(key) = key(&assembled.table, &of_sites, row) else { continue };
        if let Some(first) = sites.insert(key, site) {
            return Err(LoadError::ImageSheet {
                place: assembled.table.place(row),
                message: format!(
                    "has the same {} as {}, so the objects cannot be distinguished; give more columns in `on` under \
                     [images.objects]",
                    of_sites.join(", "),
                    assembled.table.place(assembled.rows[first])
                ),
            });
        }
    }
    let mut objects = vec![Vec::new(); assembled.rows.len()];
    let mut n_matched = 0;
    for row in 0..table.n_rows() {
        let Some(&site) = key(&table, &of_objects, row).and_then(|key| sites.get(&key)) else { continue };
        objects[site].push(columns.object(&table, row)?);
        n_matched += 1;
    }
    if n_matched == 0 {
        return Err(LoadError::NothingLeft {
            path: path.to_path_buf(),
            reasons: format!("no row has the {} of a site", of_sites.join(", ")),
        });
    }
    objects.iter_mut().for_each(|objects: &mut Vec<Object>| objects.sort_by_key(|object| object.id));
    Ok(objects)
}

/// Columns of the object table that its settings name.
fn named(declared: &ObjectSettings) -> BTreeSet<&str> {
    let ObjectSettings { object, track, x, y, readout, on, .. } = declared;
    let single = [object, track, x, y, readout].into_iter().filter_map(|column| column.as_deref());
    single.chain(on.iter().map(|key| sides(key).1)).collect()
}

/// A declared file: relative to the card, or else to the folder of the image sheet or of the images.
fn located(file: &str, card: &Card, folder: Option<&Path>) -> Result<PathBuf, LoadError> {
    let path = card.resolve(file)?;
    let beside = folder.map(|folder| folder.join(file)).filter(|beside| beside.is_file());
    Ok(if path.is_file() { path } else { beside.unwrap_or(path) })
}

/// The image sheet's and the object table's column of a key.
fn sides(key: &JoinKey) -> (&str, &str) {
    match key {
        JoinKey::Same(column) => (column, column),
        JoinKey::Pair { table, sheet } => (table, sheet),
    }
}

/// `1`, `01` and `1.0` are one key, as are `a1` and `A01`.
fn comparable(text: &str) -> String {
    match (text.parse::<f64>(), text.parse::<Well>()) {
        (Ok(number), _) if number.is_finite() => number.to_string(),
        (_, Ok(well)) => well.to_string(),
        _ => text.to_owned(),
    }
}

/// Which columns say what of an object.
struct ObjectColumns {
    object: String,
    track: Option<String>,
    x: String,
    y: String,
    readout: Option<String>,
}

impl ObjectColumns {
    fn of(table: &RawTable, declared: &ObjectSettings, path: &Path) -> Result<Self, LoadError> {
        let names: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
        let usual = |words: &[&str], endings: &[&str]| -> Option<String> {
            let exact = words.iter().find_map(|word| names.iter().find(|name| name.eq_ignore_ascii_case(word)));
            let compartments = ["Nuclei_", "Cells_", "Metadata_Nuclei_", "Metadata_Cells_", ""];
            let merged = || {
                let wanted = compartments.iter().flat_map(|start| endings.iter().map(move |end| (start, end)));
                wanted
                    .into_iter()
                    .find_map(|(start, end)| names.iter().find(|name| name.starts_with(*start) && name.ends_with(*end)))
            };
            exact.or_else(merged).map(|name| name.to_string())
        };
        let missing = |what: &str, key: &str| LoadError::MissingColumn {
            path: path.to_path_buf(),
            column: what.to_owned(),
            mend: format!("name it with `{key} = \"…\"` under [images.objects]"),
        };
        let present = |column: &Option<String>, key: &str| match column {
            Some(column) if !names.contains(&column.as_str()) => Err(missing(column, key)),
            column => Ok(column.clone()),
        };
        let centers_x = ["Location_Center_X", "AreaShape_Center_X"];
        let centers_y = ["Location_Center_Y", "AreaShape_Center_Y"];
        Ok(Self {
            object: present(&declared.object, "object")?
                .or_else(|| usual(&["object", "ObjectNumber", "object_id", "label"], &["Number_Object_Number"]))
                .ok_or_else(|| missing("object", "object"))?,
            track: present(&declared.track, "track")?.or_else(|| usual(&["track", "track_id"], &[])),
            x: present(&declared.x, "x")?
                .or_else(|| usual(&["Location_Center_X", "center_x", "x"], &centers_x))
                .ok_or_else(|| missing("center_x", "x"))?,
            y: present(&declared.y, "y")?
                .or_else(|| usual(&["Location_Center_Y", "center_y", "y"], &centers_y))
                .ok_or_else(|| missing("center_y", "y"))?,
            readout: present(&declared.readout, "readout")?,
        })
    }

    fn object(&self, table: &RawTable, row: usize) -> Result<Object, LoadError> {
        let text = |column: &str| table.text(column).and_then(|values| values[row].as_deref());
        let wrong = |column: &str, expected: &'static str| LoadError::Cell {
            place: table.place(row),
            column: column.to_owned(),
            found: text(column).unwrap_or_default().to_owned(),
            expected,
        };
        let id = |column: &str| -> Result<Option<u32>, LoadError> {
            let Some(text) = text(column) else { return Ok(None) };
            let number = text.parse::<f64>().ok();
            let whole = number.filter(|number| number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(number));
            whole.map(|number| Some(number as u32)).ok_or_else(|| wrong(column, "a whole number from 0"))
        };
        let center = |column: &str| -> Result<f32, LoadError> {
            let number = text(column).and_then(|text| text.parse::<f32>().ok()).filter(|number| number.is_finite());
            number.ok_or_else(|| wrong(column, "a position in pixels"))
        };
        let number = |column: &str| -> Result<Option<f32>, LoadError> {
            let Some(text) = text(column) else { return Ok(None) };
            let number = text.parse::<f32>().ok().filter(|number| number.is_finite());
            number.map(Some).ok_or_else(|| wrong(column, "a number"))
        };
        Ok(Object {
            id: id(&self.object)?.ok_or_else(|| wrong(&self.object, "the object's id"))?,
            track: self.track.as_deref().map(id).transpose()?.flatten(),
            x: center(&self.x)?,
            y: center(&self.y)?,
            readout: self.readout.as_deref().map(number).transpose()?.flatten(),
        })
    }
}
