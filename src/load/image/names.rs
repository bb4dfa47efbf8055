//! What the names of image files say: how instruments and programs write them, one way in a row.
//!
//! ```text
//! r02c03f01p01-ch1sk1fk1fl1.tiff               Opera Phenix and Operetta: row, column, field, plane, channel, time
//! AssayPlate_A01_T0001F002L01A01Z01C01.tif     Yokogawa: plate, well, time, field, z, channel
//! plate1_A01_site1_ch2.tif                     by hand: parts with words in front of their numbers
//! ```
//!
//! A way is a pattern as a card has it (`pattern` under `[images]`), so that what was read can be written down and
//! changed. Names that no row of the table knows are taken apart in [`parts`]. What lies in folders below the one that
//! was given, such as plates and time points, is told in [`folders`]. A way counts if most names are written so, and no
//! two of them are the same image.

mod folders;
mod parts;
mod words;

use std::collections::BTreeSet;

use regex::Regex;

use self::folders::Folders;

/// Of the names of a folder, those that have to be written in one way for it to count.
const MOST: f64 = 0.8;

/// A way of naming files.
struct Naming {
    /// Who names files so, in words.
    of: &'static str,
    /// A pattern on the file's name.
    pattern: &'static str,
}

const fn naming(of: &'static str, pattern: &'static str) -> Naming {
    Naming { of, pattern }
}

/// Ways of naming files, the most telling first.
const NAMINGS: [Naming; 14] = [
    naming(
        "Opera Phenix and Operetta",
        r"r(?<row>\d{2})c(?<column>\d{2})f(?<site>\d{2,4})p(?<z>\d{2,4})(?:rc\d+)?-(?<channel>ch\d+)(?:sk(?<time>\d+)fk\d+fl\d+)?\.\w+$",
    ),
    naming(
        "Opera and Columbus",
        r"(?<row>\d{3})(?<column>\d{3})-(?<site>\d+)-(?<time>\d{3})(?<z>\d{3})(?<channel>\d{3})\.\w+$",
    ),
    naming(
        "Yokogawa CellVoyager",
        r"(?:(?<plate>[^/]+)_)?(?<well>(?:[A-P]|A[A-F])\d{2})_T(?<time>\d+)F(?<site>\d+)L\d+A\d+Z(?<z>\d+)(?<channel>C\d+)\.\w+$",
    ),
    naming("ScanR", r"(?<well>[A-P]\d{1,2})--W\d+--P(?<site>\d+)--Z(?<z>\d+)--T(?<time>\d+)--(?<channel>[^/]+?)\.\w+$"),
    naming(
        "IN Cell Analyzer",
        r"(?:(?<plate>[^/]+)_)?(?<row>[A-P]|A[A-F])(?: - )?(?<column>\d{1,2})\((?:fld (?<site>\d+) ?)?(?:wv (?<channel>[^/)]+?))?(?: wix \d+)?(?: z (?<z>\d+))?(?: time (?<time>\d+) - \d+ms)?\)\.\w+$",
    ),
    naming(
        "EVOS",
        r"(?<plate>[^/]+)_[RDM]_p(?<time>\d+)_z(?<z>\d+)_\d+_(?<well>[A-P]\d{2})f(?<site>\d{2})(?<channel>d\d)\.\w+$",
    ),
    naming(
        "Cellomics ArrayScan (kinetic)",
        r"(?:(?<plate>[^/]+?)_?)?i3t(?<time>\d{3})(?<well>[A-P]\d{2})f(?<site>\d{2,3})(?<channel>d\d)\.\w+$",
    ),
    naming(
        "Cellomics ArrayScan and CellInsight",
        r"(?:(?<plate>[^/]+)_)?(?<well>[A-P]\d{2})f(?<site>\d{2,3})(?<channel>d\d)\.\w+$",
    ),
    naming(
        "Cytation and Gen5",
        r"(?<well>[A-P]\d{1,2})_-?\d{1,2}_\d{1,2}_(?<site>\d+)(?:Z(?<z>\d+))?_(?<channel>[^/]+)_(?<time>\d{3})\.\w+$",
    ),
    naming(
        "Cytation and Gen5 (older)",
        r"(?<well>[A-P]\d{1,2})_\d+(?:Z(?<z>\d+))?_(?<channel>[^/_]+)_(?<site>\d+)_(?<time>\d{3})_-?\d*\.\w+$",
    ),
    naming(
        "IncuCyte",
        r"(?:(?<plate>VID\d+)|(?<channel>[^/]+))_(?<well>[A-P]\d{1,2})_(?<site>\d+)_(?<time>\d+d\d+h\d+m|\d{4}y\d{2}m\d{2}d_\d{2}h\d{2}m)\.\w+$",
    ),
    naming(
        "Nikon NIS-Elements JOBS",
        r"[^/]*?Well(?<well>[A-P]\d{1,2})_Channel(?<channel>[^/]+?)_Seq(?<site>\d+)\.\w+$",
    ),
    naming(
        "Micro-Manager",
        r"(?<well>[A-P]\d{1,2})-Site_(?<site>\d+)/img_(?<time>\d+)_(?<channel>[^/]+)_(?<z>\d+)\.\w+$",
    ),
    naming("BBBC013 and BBBC014", r"(?<channel>Channel\d+)-\d+-(?<row>[A-P])-(?<column>\d{2})\.\w+$"),
];

/// What the names of files say.
#[derive(Debug)]
pub(super) enum Reading {
    /// Nothing that could be told.
    Nothing,
    /// They can be read in one way.
    One(Way),
    /// They can be read in several ways, the likeliest first.
    Several(Vec<Way>),
}

/// A way in which the names of a folder can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Way {
    /// As a card says it.
    pub pattern: String,
    /// The same for label images among the files, if there are any.
    pub mask_pattern: Option<String>,
    /// Who names files so, in words; empty where they were taken apart.
    pub of: String,
    /// What the parts of a name were taken for, in words.
    pub what: String,
}

/// Reads the names of files, paths below a folder with `/` between folders.
pub(super) fn read(names: &[String]) -> Reading {
    let folders = Folders::of(names);
    let of_naming = NAMINGS.iter().find_map(|naming| {
        let own = format!("(?:^|/){}", naming.pattern);
        let n_matched = Regex::new(&own).ok().map_or(0, |own| names.iter().filter(|name| own.is_match(name)).count());
        if n_matched == 0 || (n_matched as f64) < MOST * names.len() as f64 {
            return None;
        }
        let known = groups_of(naming.pattern);
        let with = |plate_group: &str| way(folders.before(naming.pattern, &known, plate_group), None, naming.of, names);
        with("plate").or_else(|| with(""))
    });
    match of_naming {
        Some(way) => Reading::One(way),
        None => parts::read(names, &folders),
    }
}

/// A way, if most names are written so, no two of them are the same image, and its plates are more than other names of
/// wells.
fn way(pattern: String, mask_pattern: Option<String>, of: &str, names: &[String]) -> Option<Way> {
    let compiled = Regex::new(&pattern).ok()?;
    let mask = mask_pattern.as_deref().and_then(|text| Regex::new(text).ok());
    let is_mask = |name: &str| mask.as_ref().is_some_and(|mask| mask.is_match(name));
    let mut seen = BTreeSet::new();
    let mut n_matched = 0;
    let mut first = None;
    for name in names {
        let Some(found) = compiled.captures(name) else { continue };
        n_matched += 1;
        if is_mask(name) {
            continue;
        }
        first.get_or_insert(name);
        let place: Vec<Option<&str>> = found.iter().skip(1).map(|group| group.map(|group| group.as_str())).collect();
        if !seen.insert(place) {
            return None;
        }
    }
    let first = first?;
    if (n_matched as f64) < MOST * names.len() as f64 || has_plates_of_one_well(&compiled, names) {
        return None;
    }
    let found = compiled.captures(first)?;
    let groups: Vec<String> = compiled
        .capture_names()
        .flatten()
        .filter_map(|name| Some(format!("{name} {}", found.name(name)?.as_str())))
        .collect();
    let what = format!("`{first}` is {}", groups.join(", "));
    Some(Way { pattern, mask_pattern, of: of.to_owned(), what })
}

/// Whether each plate has one well.
fn has_plates_of_one_well(pattern: &Regex, names: &[String]) -> bool {
    const ENOUGH: usize = 3;
    let group = |found: &regex::Captures<'_>, name: &str| found.name(name).map(|group| group.as_str().to_owned());
    let mut pairs = BTreeSet::new();
    for found in names.iter().filter_map(|name| pattern.captures(name)) {
        let Some(plate) = group(&found, "plate") else { return false };
        let row = group(&found, "row").unwrap_or_default();
        let Some(well) = group(&found, "well").or(group(&found, "column")) else { return false };
        pairs.insert((plate, row + &well));
    }
    let plates: BTreeSet<&String> = pairs.iter().map(|(plate, _)| plate).collect();
    let wells: BTreeSet<&String> = pairs.iter().map(|(_, well)| well).collect();
    plates.len() >= ENOUGH && plates.len() == pairs.len() && wells.len() > 1
}

/// The names of the groups of a pattern.
fn groups_of(pattern: &str) -> Vec<String> {
    let compiled = Regex::new(pattern).expect("a tested pattern");
    compiled.capture_names().flatten().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests;
