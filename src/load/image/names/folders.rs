//! What lies in the folders between the one that was given and the images: plates, wells, times, channels.
//!
//! ```text
//! P1__2024-01-31/Images/r02c03f01p01-ch1sk1fk1fl1.tiff      a plate, and a folder that says nothing
//! week1/P1/TimePoint_2/ZStep_3/A01_s1_w1.tif                a batch, a plate, a time and a z plane
//! PK-10B-pl1/Well-A003/FITC.jpeg                            a plate and a well
//! ```

use std::collections::BTreeSet;

use super::words::{is_stain, is_well, number_behind};

/// Names of folders that say nothing of what is in them.
const GENERAL: [&str; 14] = [
    "images", "image", "img", "raw", "rawdata", "data", "tif", "tiff", "tiffs", "tifs", "png", "jpeg", "export",
    "assay",
];

/// Words in front of numbers, by the group that the number is.
const TIMES: [&str; 6] = ["timepoint", "time", "tp", "t", "frame", "day"];
const PLANES: [&str; 6] = ["zstep", "z", "slice", "plane", "zplane", "zslice"];
const SITES: [&str; 6] = ["site", "field", "fov", "position", "pos", "tile"];
const CHANNELS: [&str; 5] = ["channel", "chan", "ch", "w", "wavelength"];

/// What the folders on one level hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holds {
    Well,
    Time,
    Plane,
    Site,
    Channel,
    /// Something by a name, such as a plate.
    Name,
    /// Nothing by their name.
    Nothing,
}

/// The folders on one level.
#[derive(Debug)]
struct Level {
    holds: Holds,
    names: BTreeSet<String>,
    /// Whether the names of the files in them repeat theirs.
    is_repeated: bool,
}

impl Level {
    /// What they hold where the names of files say the wells, or do not.
    fn holds(&self, are_wells_known: bool) -> Holds {
        match self.holds {
            Holds::Well if are_wells_known && self.is_repeated => Holds::Nothing,
            Holds::Well if are_wells_known => Holds::Name,
            holds => holds,
        }
    }
}

/// The folders of all images.
#[derive(Debug)]
pub(super) struct Folders {
    /// From the outermost; none where images lie on several levels.
    levels: Vec<Level>,
    /// Whether images lie on several levels.
    is_uneven: bool,
    /// Whether names on the outermost two levels of plates go with each other, so that the outer ones are batches.
    is_nested: bool,
}

impl Folders {
    pub fn of(names: &[String]) -> Self {
        let each: Vec<Vec<&str>> = names.iter().map(|name| folders(name)).collect();
        let files = || names.iter().map(|name| name.rsplit('/').next().unwrap_or(name));
        let depth = each.iter().map(Vec::len).min().unwrap_or(0);
        let is_uneven = each.iter().any(|folders| folders.len() != depth);
        let level = |level: usize| {
            let names: BTreeSet<String> = each.iter().map(|folders| folders[level].to_owned()).collect();
            let is_repeated = each.iter().zip(files()).all(|(folders, file)| file.contains(folders[level]));
            Level { holds: holds(&names), names, is_repeated }
        };
        let mut levels: Vec<Level> = (0..if is_uneven { depth.min(1) } else { depth }).map(level).collect();
        // Numbers below wells are fields.
        let well = levels.iter().position(|level| level.holds == Holds::Well);
        for level in levels.iter_mut().skip(well.map_or(usize::MAX, |well| well + 1)) {
            let is_number = |name: &String| name.bytes().all(|byte| byte.is_ascii_digit());
            if level.holds == Holds::Name && level.names.iter().all(is_number) {
                level.holds = Holds::Site;
            }
        }
        let is_nested = match varying(&levels, true)[..] {
            [outer, inner] => {
                let pairs: BTreeSet<_> = each.iter().map(|folders| (folders[outer], folders[inner])).collect();
                pairs.len() == levels[inner].names.len()
            }
            _ => false,
        };
        Self { levels, is_uneven, is_nested }
    }

    /// Whether wells are told by folders.
    pub fn have_wells(&self) -> bool {
        !self.is_uneven && self.levels.iter().any(|level| level.holds == Holds::Well)
    }

    /// Whether channels are told by folders.
    pub fn have_channels(&self) -> bool {
        !self.is_uneven && self.levels.iter().any(|level| level.holds == Holds::Channel)
    }

    /// Whether what would be taken for plates may be channels as well: a few names without a number.
    pub fn may_be_channels(&self) -> bool {
        const FEW: usize = 6;
        let few = |level: &Level| {
            level.names.len() <= FEW && level.names.iter().all(|name| !name.bytes().any(|byte| byte.is_ascii_digit()))
        };
        matches!(varying(&self.levels, true)[..], [level] if few(&self.levels[level]))
    }

    /// A pattern on the name of a file as one on its path, with groups of the folders for what `known` lacks; plates are
    /// called `plate_group`, or left out where that is empty.
    pub fn before(&self, pattern: &str, known: &[String], plate_group: &str) -> String {
        let mut taken: BTreeSet<&str> = known.iter().map(String::as_str).collect();
        if taken.contains("row") {
            taken.insert("well");
        }
        let are_wells_known = taken.contains("well");
        let varying = varying(&self.levels, are_wells_known);
        if self.is_uneven {
            let has_plates = !varying.is_empty() && !plate_group.is_empty() && !taken.contains(plate_group);
            return match has_plates {
                true => format!(r"^(?<{plate_group}>[^/]+)/(?:.*/)?{pattern}"),
                false => format!("(?:^|/){pattern}"),
            };
        }
        // A pattern that speaks of folders itself does so of the innermost.
        let n_own = pattern.match_indices('/').filter(|(at, _)| !pattern[..*at].ends_with('^')).count();
        let levels = &self.levels[..self.levels.len().saturating_sub(n_own)];
        let plate = match varying[..] {
            [] => levels.iter().position(|level| level.holds(are_wells_known) == Holds::Name),
            [level] => Some(level),
            [_, inner] if self.is_nested => Some(inner),
            [first, ..] => Some(first),
        };
        let last = varying.last().copied().filter(|_| varying.len() > 1 && !self.is_nested);
        let mut text = "^".to_owned();
        let mut index = 0;
        while let Some(level) = levels.get(index) {
            let group = |name: &str| if taken.contains(name) { String::new() } else { name.to_owned() };
            let numbered = |name: &str| match group(name) {
                name if name.is_empty() => "[^/]+".to_owned(),
                name => format!(r"[^/\d]*(?<{name}>\d+)"),
            };
            text += &match level.holds(are_wells_known) {
                Holds::Well if !taken.contains("well") => {
                    r"(?:[Ww][Ee][Ll][Ll][-_ ]?)?(?<well>[A-Za-z]{1,2}-?\d{1,3})".to_owned()
                }
                Holds::Time => numbered("time"),
                Holds::Plane => numbered("z"),
                Holds::Site => numbered("site"),
                Holds::Channel if !taken.contains("channel") => "(?<channel>[^/]+)".to_owned(),
                _ if Some(index) == plate && !plate_group.is_empty() && !taken.contains(plate_group) => {
                    // Plates of one name in several folders are told apart by all of them.
                    let n_levels = last.filter(|&last| last < levels.len()).map_or(1, |last| last - index + 1);
                    index += n_levels - 1;
                    format!("(?<{plate_group}>{})", vec!["[^/]+"; n_levels].join("/"))
                }
                _ if self.is_nested && varying.first() == Some(&index) => "(?<lab_batch>[^/]+)".to_owned(),
                _ => "[^/]+".to_owned(),
            };
            text.push('/');
            index += 1;
        }
        text + pattern
    }
}

/// The levels of names that differ.
fn varying(levels: &[Level], are_wells_known: bool) -> Vec<usize> {
    let is_varying = |level: &Level| level.holds(are_wells_known) == Holds::Name && level.names.len() > 1;
    levels.iter().enumerate().filter(|(_, level)| is_varying(level)).map(|(index, _)| index).collect()
}

fn folders(name: &str) -> Vec<&str> {
    let mut parts: Vec<&str> = name.split('/').collect();
    parts.pop();
    parts
}

fn holds(names: &BTreeSet<String>) -> Holds {
    let all = |is: &dyn Fn(&str) -> bool| names.iter().all(|name| is(name));
    let numbered = |words: &[&str]| all(&|name| number_behind(name, words).is_some());
    // `P1` and `P2` are plates rather than wells.
    let is_of_wells = || {
        let letters: BTreeSet<Option<char>> = names.iter().map(|name| name.chars().next()).collect();
        let n_digits = |name: &str| name.bytes().filter(u8::is_ascii_digit).count();
        letters.len() > 1 || all(&|name| n_digits(name) > 1 || name.len() > 4)
    };
    match () {
        () if all(&is_well) && is_of_wells() => Holds::Well,
        () if numbered(&TIMES) => Holds::Time,
        () if numbered(&PLANES) => Holds::Plane,
        () if numbered(&SITES) => Holds::Site,
        () if all(&is_stain) || numbered(&CHANNELS) => Holds::Channel,
        () if all(&|name| GENERAL.contains(&name.to_lowercase().as_str())) => Holds::Nothing,
        () => Holds::Name,
    }
}
