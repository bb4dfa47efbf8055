//! CellProfiler's image tables, and those of BBBC021, which are written in the same words.
//!
//! ```text
//! FileName_OrigDNA,PathName_OrigDNA,FileName_OrigER,PathName_OrigER,Metadata_Plate,Metadata_Well,Metadata_Site
//! r01c01f01p01-ch5sk1fk1fl1.tiff,/home/ubuntu/bucket/BR00121482/Images/,r01c01f01p01-ch4sk1fk1fl1.tiff,…,BR00121482,A01,1
//! ```
//!
//! ```text
//! FileName_DNA,PathName_DNA,Frame_DNA,Series_DNA,Metadata_Plate,Metadata_Well           of files with several pages
//! B02.tif,C:\data\movies,1,0,M1,B02
//! ```
//!
//! One row is a site. Where some `Frame_…` is not 0, a row names one page of its file, counted from 0; rows of one place
//! that differ in it are z planes or times as `Metadata_Z` and `Metadata_T` say, or else times in the order of their
//! frames. Series other than the first are refused, since TIFF has none. The words may be prefixed with `Image_`, as in exports to data bases, and `URL_OrigDNA` may stand
//! for name and path. Channels are the columns called `FileName_Orig…`, or, where none is, all `FileName_…` that are no
//! illumination function, outline or mask. Folders are those of another machine as a rule: `--path-map OLD=NEW`.
//!
//! `BBBC021_v1_image.csv` names plate, well, compound and concentration (µM) in columns of its own; the site stands in
//! the file name (`_s1_`) and the week in the path. `BBBC021_v1_moa.csv`, if it lies beside it, adds mechanisms;
//! concentrations are compared as numbers there, since the two files write them differently.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::listing::{Listed, Listing, Row};
use super::paths::Roots;
use super::settings::{ImageSettings, Layout};
use super::sheet;
use crate::load::error::LoadError;
use crate::load::format;
use crate::load::table::{RawColumn, RawTable, Values};
use crate::screen::{Selector, Time};

/// The table of mechanisms beside the images of BBBC021.
const MOA_FILE: &str = "BBBC021_v1_moa.csv";

/// Whether a table is written in these words.
pub(super) fn is_load_data(names: &[&str]) -> bool {
    names.iter().any(|name| ["FileName_", "URL_"].iter().any(|start| bare(name).starts_with(start)))
}

/// Whether a table is that of BBBC021.
pub(super) fn is_bbbc021(names: &[&str]) -> bool {
    ["Image_FileName_DAPI", "Image_Metadata_Plate_DAPI", "Image_Metadata_Compound"]
        .iter()
        .all(|name| names.contains(name))
}

/// The rows of `tables` and what they name.
pub(super) fn list(tables: &[PathBuf], roots: &[Roots], settings: &ImageSettings) -> Result<Listing, LoadError> {
    let table = sheet::read(tables)?;
    let files = FileColumns::of(&table);
    if files.channels.is_empty() {
        return Err(LoadError::MissingColumn {
            path: table.paths[0].clone(),
            column: "FileName_Orig…".to_owned(),
            mend: "expected CellProfiler's image table with `FileName_…` and `PathName_…` for each channel".to_owned(),
        });
    }
    let has_frames = files.channels.iter().any(|channel| channel.has_frames(&table));
    let mut rows = Vec::with_capacity(table.n_rows());
    for row in 0..table.n_rows() {
        let mut planes = Vec::new();
        for channel in &files.channels {
            let Some(text) = channel.path(&table, row) else { continue };
            let path = roots[table.rows[row].path as usize].resolve(&text, || table.place(row))?;
            let page = if has_frames { channel.page(&table, row)? } else { None };
            planes.push(match page {
                Some(page) => Listed::page(channel.name.clone(), path, page),
                None => Listed::file(channel.name.clone(), 0, path),
            });
        }
        rows.push(Row { planes, pixel_um: settings.pixel_um, ..Row::default() });
    }
    let notes = if has_frames { place_frames(&table, &mut rows)?.into_iter().collect() } else { Vec::new() };
    Ok(Listing {
        layout: Layout::LoadData,
        rows,
        channel_order: files.channels.iter().map(|channel| channel.name.clone()).collect(),
        used: files.used,
        inputs: tables.to_vec(),
        notes,
        n_skipped: Vec::new(),
        table,
    })
}

/// Gives rows that show other pages of one place a z or a time; says so, if there are any.
fn place_frames(table: &RawTable, rows: &mut [Row]) -> Result<Option<String>, LoadError> {
    let (z, time) = ("Metadata_Z", "Metadata_T");
    let of_pages = [z, time, "Metadata_C", "Metadata_Frame", "Metadata_Series"];
    let is_of_place = |name: &str| bare(name).starts_with("Metadata_") && !of_pages.contains(&bare(name));
    let metadata: Vec<&[Option<String>]> = (table.columns.iter())
        .filter(|column| is_of_place(&column.name))
        .filter_map(|column| table.text(&column.name))
        .collect();
    // Rows by place and files, each with its pages.
    let mut places = BTreeMap::<_, BTreeMap<Vec<&Selector>, Vec<usize>>>::new();
    for (row, shown) in rows.iter().enumerate() {
        let place: Vec<_> = metadata.iter().map(|values| &values[row]).collect();
        let files: Vec<&Path> = shown.planes.iter().map(|listed| listed.plane.path.as_path()).collect();
        let pages = shown.planes.iter().map(|listed| &listed.plane.selector).collect();
        places.entry((place, files)).or_default().entry(pages).or_default().push(row);
    }
    let varies = |column: &str| {
        let name = table.columns.iter().map(|column| &column.name).find(|name| bare(name) == column)?;
        let values = table.text(name)?;
        let differ = |pages: &BTreeMap<_, Vec<usize>>| {
            let shown: BTreeSet<_> = pages.values().flatten().map(|&row| &values[row]).collect();
            shown.len() > 1
        };
        places.values().any(differ).then_some(name)
    };
    let (z, time) = (varies(z), varies(time));
    let is_movie = time.is_some() || (z.is_none() && places.values().any(|pages| pages.len() > 1));
    let mut ranks = vec![0; rows.len()];
    for pages in places.values() {
        for (rank, of_pages) in (0..).zip(pages.values()) {
            of_pages.iter().for_each(|&row| ranks[row] = rank);
        }
    }
    for (row, shown) in rows.iter_mut().enumerate() {
        if let Some(column) = z {
            let z = sheet::integer(table, column, row)?;
            shown.planes.iter_mut().for_each(|listed| listed.z = z);
        }
        let frame = time.map_or(Ok(ranks[row]), |column| sheet::integer(table, column, row))?;
        shown.time = is_movie.then_some(Time { frame, hours: None });
    }
    let taken = match (z, time) {
        (None, None) => "times, in the order of their frames".to_owned(),
        (z, time) => z.iter().chain(&time).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" and ") + " say",
    };
    let note = format!("rows name pages of their files with `Frame_…`; pages of one place are taken as {taken}");
    Ok((is_movie || z.is_some()).then_some(note))
}

/// The rows of the image table of BBBC021, with mechanisms where they are known.
pub(super) fn list_bbbc021(
    tables: &[PathBuf],
    roots: &[Roots],
    settings: &ImageSettings,
) -> Result<Listing, LoadError> {
    let is_moa = |path: &&PathBuf| path.file_name().is_some_and(|name| name == MOA_FILE);
    let images: Vec<PathBuf> = tables.iter().filter(|path| !is_moa(path)).cloned().collect();
    let mut listing = list(&images, roots, settings)?;
    listing.layout = Layout::Bbbc021;
    let names = [
        ("Image_Metadata_Plate_DAPI", "plate"),
        ("Image_Metadata_Well_DAPI", "well"),
        ("Image_Metadata_Compound", "compound"),
        ("Image_Metadata_Concentration", "concentration_um"),
        ("Replicate", "replicate"),
    ];
    for column in &mut listing.table.columns {
        if let Some((_, word)) = names.iter().find(|(name, _)| *name == column.name) {
            column.name = (*word).to_owned();
        }
    }
    let texts = |name: &str| listing.table.text(name).map(<[_]>::to_vec).unwrap_or_default();
    let site_of = |name: &str| {
        let rest = name.rsplit_once("_s")?.1;
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        (!digits.is_empty()).then_some(digits)
    };
    let week_of = |path: &str| {
        let folder = path.trim_end_matches('/').rsplit('/').next()?;
        folder.starts_with("Week").then(|| folder.split('_').next().unwrap_or(folder).to_owned())
    };
    let sites = texts("Image_FileName_DAPI").iter().map(|name| site_of(name.as_deref()?)).collect();
    let weeks = texts("Image_PathName_DAPI").iter().map(|path| week_of(path.as_deref()?)).collect();
    let mut add = |name: &str, values: Vec<Option<String>>| {
        listing.table.columns.push(RawColumn { name: name.to_owned(), values: Values::Text(values) });
    };
    add("site", sites);
    add("lab_batch", weeks);

    let beside = images.first().and_then(|path| path.parent()).map(|folder| folder.join(MOA_FILE));
    let moa = tables.iter().find(is_moa).cloned().or(beside.filter(|path| path.is_file()));
    match moa {
        None => listing.notes.push(format!("no mechanisms of action: {MOA_FILE} is not next to the images' table")),
        Some(path) => {
            let known = mechanisms(&path)?;
            let (compounds, doses) =
                (texts_of(&listing.table, "compound"), texts_of(&listing.table, "concentration_um"));
            let of = |(compound, dose): (&Option<String>, &Option<String>)| {
                let dose = dose.as_deref().and_then(|dose| dose.parse::<f64>().ok())?;
                known.get(&(compound.clone()?, rounded(dose))).cloned()
            };
            let values = compounds.iter().zip(doses).map(of).collect();
            listing.table.columns.push(RawColumn { name: "moa".to_owned(), values: Values::Text(values) });
            listing.inputs.push(path);
        }
    }
    Ok(listing)
}

fn texts_of<'a>(table: &'a RawTable, name: &str) -> &'a [Option<String>] {
    table.text(name).unwrap_or_default()
}

/// Mechanism by compound and concentration.
fn mechanisms(path: &Path) -> Result<BTreeMap<(String, String), String>, LoadError> {
    let table = format::read(path, &BTreeSet::new())?;
    let mut known = BTreeMap::new();
    for row in 0..table.n_rows() {
        let compound = sheet::required(&table, "compound", row, "the name of a compound")?;
        let text = sheet::required(&table, "concentration", row, "a concentration in µM")?;
        let dose = text.parse::<f64>().map_err(|_| LoadError::Cell {
            place: table.place(row),
            column: "concentration".to_owned(),
            found: text.to_owned(),
            expected: "a concentration in µM",
        })?;
        let moa = sheet::required(&table, "moa", row, "a mechanism of action")?;
        known.insert((compound.to_owned(), rounded(dose)), moa.to_owned());
    }
    Ok(known)
}

/// To 6 digits, so that 0.3 and 0.30000001 are one concentration.
fn rounded(dose: f64) -> String {
    format!("{dose:.5e}")
}

fn bare(name: &str) -> &str {
    name.strip_prefix("Image_").unwrap_or(name)
}

/// The columns of one channel.
struct ChannelColumns {
    name: String,
    file: Option<String>,
    folder: Option<String>,
    url: Option<String>,
    frame: Option<String>,
    series: Option<String>,
}

struct FileColumns {
    channels: Vec<ChannelColumns>,
    used: BTreeSet<String>,
}

impl FileColumns {
    fn of(table: &RawTable) -> Self {
        let names: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
        let column = |word: &str, channel: &str| {
            let wanted = format!("{word}_{channel}");
            names.iter().find(|name| bare(name) == wanted).map(|name| name.to_string())
        };
        let mut words: Vec<String> = Vec::new();
        for name in &names {
            let word = bare(name).strip_prefix("FileName_").or_else(|| bare(name).strip_prefix("URL_"));
            if let Some(word) = word.filter(|word| !words.iter().any(|known| known == word)) {
                words.push(word.to_owned());
            }
        }
        let has_original = words.iter().any(|word| word.starts_with("Orig"));
        let is_other = |word: &str| word.starts_with("Illum") || word.ends_with("Outlines") || word.ends_with("Mask");
        words.retain(|word| if has_original { word.starts_with("Orig") } else { !is_other(word) });
        let channels = words.iter().map(|word| ChannelColumns {
            name: word.strip_prefix("Orig").filter(|rest| !rest.is_empty()).unwrap_or(word).to_owned(),
            file: column("FileName", word),
            folder: column("PathName", word),
            url: column("URL", word),
            frame: column("Frame", word),
            series: column("Series", word),
        });
        let starts = ["FileName_", "PathName_", "URL_", "MD5Digest_", "Series_", "Frame_"];
        let used = names.iter().filter(|name| starts.iter().any(|start| bare(name).starts_with(start)));
        Self { channels: channels.collect(), used: used.map(|name| name.to_string()).collect() }
    }
}

impl ChannelColumns {
    /// Whether a row names another page than the first.
    fn has_frames(&self, table: &RawTable) -> bool {
        let values = self.frame.as_ref().and_then(|column| table.text(column)).unwrap_or_default();
        values.iter().flatten().any(|text| text.parse::<f64>() != Ok(0.0))
    }

    /// The page that a row names, if it does.
    fn page(&self, table: &RawTable, row: usize) -> Result<Option<u32>, LoadError> {
        let number = |column: &Option<String>| -> Result<Option<i64>, LoadError> {
            let Some(column) = column else { return Ok(None) };
            let is_given = table.text(column).is_some_and(|values| values[row].is_some());
            is_given.then(|| sheet::integer(table, column, row)).transpose()
        };
        let wrong = |column: &Option<String>, found: i64, expected| LoadError::Cell {
            place: table.place(row),
            column: column.clone().unwrap_or_default(),
            found: found.to_string(),
            expected,
        };
        if let Some(series) = number(&self.series)?.filter(|&series| series != 0) {
            return Err(wrong(&self.series, series, "0, since only the first series of a file is read"));
        }
        let page = |frame| u32::try_from(frame).map_err(|_| wrong(&self.frame, frame, "a page, counted from 0"));
        number(&self.frame)?.map(page).transpose()
    }

    /// Folder and name, or the URL.
    fn path(&self, table: &RawTable, row: usize) -> Option<String> {
        let text = |column: &Option<String>| {
            column.as_ref().and_then(|column| table.text(column)).and_then(|values| values[row].clone())
        };
        let joined = text(&self.file).map(|file| match text(&self.folder) {
            Some(folder) => format!("{}/{file}", folder.trim_end_matches(['/', '\\'])),
            None => file,
        });
        joined.or_else(|| text(&self.url))
    }
}
