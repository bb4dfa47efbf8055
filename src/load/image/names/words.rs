//! Words and values by which the parts of names are known: fields, channels, planes, times, plates, stains, wells.

use crate::screen::Well;

/// Words in front of the numbers of fields.
pub(super) const SITES: [&str; 12] =
    ["site", "field", "fld", "fov", "view", "position", "pos", "xy", "series", "tile", "s", "f"];
/// Of channels.
pub(super) const CHANNELS: [&str; 8] = ["channel", "chan", "ch", "wavelength", "wave", "wv", "w", "c"];
/// Of z planes.
pub(super) const PLANES: [&str; 7] = ["zstep", "zslice", "zplane", "slice", "plane", "stack", "z"];
/// Of times.
pub(super) const TIMES: [&str; 6] = ["timepoint", "time", "frame", "tp", "t", "day"];
/// Of plates.
pub(super) const PLATES: [&str; 2] = ["plate", "pl"];

/// Words that a name of a channel consists of or begins with.
const STAINS: [&str; 58] = [
    "dapi",
    "hoechst",
    "gfp",
    "egfp",
    "rfp",
    "yfp",
    "cfp",
    "bfp",
    "fitc",
    "tritc",
    "cy3",
    "cy5",
    "cy7",
    "mcherry",
    "tdtomato",
    "alexa",
    "af488",
    "af555",
    "af568",
    "af594",
    "af647",
    "dna",
    "rna",
    "er",
    "agp",
    "mito",
    "actin",
    "tubulin",
    "phalloidin",
    "dic",
    "brightfield",
    "bright",
    "bf",
    "phase",
    "ph",
    "red",
    "green",
    "blue",
    "orange",
    "farred",
    "far",
    "texas",
    "txred",
    "draq5",
    "edu",
    "lamin",
    "golgi",
    "nuclei",
    "nucleus",
    "nuc",
    "mitotracker",
    "lysotracker",
    "wga",
    "sytox",
    "syto14",
    "cona",
    "pi",
    "tl",
];

/// Names of label images among those of channels.
const MASKS: [&str; 8] = ["mask", "masks", "label", "labels", "seg", "segmentation", "outlines", "cellmask_labels"];

pub(super) fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// `24h`, `30min`, `2d`.
pub(super) fn is_time(text: &str) -> bool {
    let unit = text.trim_start_matches(|letter: char| letter.is_ascii_digit());
    unit.len() < text.len() && ["h", "hr", "hrs", "min", "d"].contains(&unit.to_lowercase().as_str())
}

pub(super) fn is_row_and_column(text: &str) -> bool {
    let text = text.to_lowercase();
    let rest = text.strip_prefix('r').and_then(|rest| rest.split_once('c'));
    rest.is_some_and(|(row, column)| is_number(row) && is_number(column))
}

/// Whether a part of a name is a well: `A01`, `a1`, `Well-A003`, `01A`, `r02c03`.
pub(super) fn is_well(text: &str) -> bool {
    let plain = match text.get(..4).filter(|start| start.eq_ignore_ascii_case("well")) {
        Some(_) => text[4..].trim_start_matches(['-', '_', ' ']),
        None => text,
    };
    let letters = plain.bytes().take_while(u8::is_ascii_alphabetic).count();
    let (row, column) = plain.split_at(letters);
    let is_usual = (1..=2).contains(&letters) && (1..=3).contains(&column.len()) && is_number(column);
    let is_turned = matches!(plain.len(), 3 | 4) && is_number(&plain[..plain.len() - 1]) && row.is_empty();
    (is_usual || is_turned || is_row_and_column(plain)) && plain.parse::<Well>().is_ok()
}

/// Whether a part of a name is a usual name of a channel.
pub(super) fn is_stain(text: &str) -> bool {
    let text = text.to_lowercase();
    let words: Vec<&str> =
        text.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    words.first().is_some_and(|word| {
        let bare = word.trim_end_matches(|letter: char| letter.is_ascii_digit());
        STAINS.contains(word) || bare.len() > 2 && STAINS.contains(&bare)
    })
}

pub(super) fn is_mask(text: &str) -> bool {
    MASKS.contains(&text.to_lowercase().as_str())
}

/// The number behind one of the words, with or without a sign between them: `site_1`, `TimePoint_2`, `s03`.
pub(super) fn number_behind<'t>(text: &'t str, words: &[&str]) -> Option<&'t str> {
    let digits = text.trim_start_matches(|letter: char| !letter.is_ascii_digit());
    let word: String = text[..text.len() - digits.len()]
        .chars()
        .filter(|letter| !matches!(letter, '_' | '-' | ' '))
        .flat_map(char::to_lowercase)
        .collect();
    (is_number(digits) && words.contains(&word.as_str())).then_some(digits)
}
