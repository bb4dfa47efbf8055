//! Names that people made: taken apart at signs, and each part told by the word in front of it or by its values.
//!
//! ```text
//! plate1_A01_site1_ch2.tif       words: a plate, a well, a field, a channel
//! A01_1_DAPI.tif                 a number next to a stain is a field
//! A01_1_2.tif                    a field and a channel, or the other way round: asked
//! A01_taxol.tif                  a treatment, or a remark: asked
//! ```
//!
//! A part that is the same in all names, or that goes with the well and is a number, says nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::folders::Folders;
use super::words::{
    CHANNELS, PLANES, PLATES, SITES, TIMES, is_mask, is_number, is_row_and_column, is_stain, is_time, is_well,
    number_behind,
};
use super::{MOST, Reading, Way, way};

/// Signs at which names are taken apart, those first that parts hold least.
const SIGNS: [&str; 5] = ["_", "-", "_-", " ", "_- .()"];

/// Channels by a name that is no stain, at most.
const MOST_CHANNELS: usize = 12;

/// Numbers of channels, at most.
const MOST_NUMBERED: usize = 9;

/// Different texts in front of wells, each with one well only, from which on they count images and are no plates.
const FEWEST_COUNTED: usize = 3;

/// What a part is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Role {
    Plate,
    Well,
    Row,
    Column,
    Site,
    Channel,
    Plane,
    Time,
    Treatment,
    Label,
    /// The same in all names, or what goes with the well.
    Nothing,
}

impl Role {
    fn group(self) -> Option<&'static str> {
        Some(match self {
            Self::Plate => "plate",
            Self::Well => "well",
            Self::Row => "row",
            Self::Column => "column",
            Self::Site => "site",
            Self::Channel => "channel",
            Self::Plane => "z",
            Self::Time => "time",
            Self::Treatment => "treatment",
            Self::Label => "label",
            Self::Nothing => return None,
        })
    }
}

/// What a part can be: one thing, or a number or a word of which others have to say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    As(Role),
    Number,
    /// A word that goes with the well.
    OfWell,
    /// A word or a number in front of the well.
    Before,
}

/// A part of all names.
#[derive(Debug, Clone)]
struct Part {
    /// A word and a sign that stand in front of it in all names.
    lead: String,
    /// Of each name.
    values: Vec<String>,
}

/// Names that are taken apart alike.
struct Split<'a> {
    signs: &'a str,
    parts: Vec<Part>,
    /// The sign behind each part but the last.
    between: Vec<char>,
}

/// Reads names by their parts.
pub(super) fn read(names: &[String], folders: &Folders) -> Reading {
    let ways = SIGNS.iter().find_map(|signs| {
        let ways = Split::of(names, signs)?.ways(names, folders);
        (!ways.is_empty()).then_some(ways)
    });
    match ways {
        None => Reading::Nothing,
        Some(mut ways) if ways.len() == 1 => Reading::One(ways.remove(0)),
        Some(ways) => Reading::Several(ways),
    }
}

impl<'a> Split<'a> {
    /// The parts of most names, if these have as many parts with the same signs between them.
    fn of(names: &[String], signs: &'a str) -> Option<Self> {
        let mut shapes = BTreeMap::<Vec<char>, Vec<Vec<String>>>::new();
        for name in names {
            let stem = stem(name);
            let between = stem.chars().filter(|letter| signs.contains(*letter)).collect();
            let parts = stem.split(|letter| signs.contains(letter)).map(str::to_owned).collect();
            shapes.entry(between).or_default().push(parts);
        }
        let (between, rows) = shapes.into_iter().max_by_key(|(_, rows)| rows.len())?;
        if (rows.len() as f64) < MOST * names.len() as f64 {
            return None;
        }
        let of_part =
            |index: usize| Part { lead: String::new(), values: rows.iter().map(|row| row[index].clone()).collect() };
        let mut split = Self { signs, parts: (0..=between.len()).map(of_part).collect(), between };
        split.join_words();
        Some(split)
    }

    /// Makes one part of a word and the number behind it: `site_1`.
    fn join_words(&mut self) {
        let mut index = 0;
        while index + 1 < self.parts.len() {
            let word = &self.parts[index].values[0];
            let is_word = [&SITES[..], &CHANNELS, &PLANES, &TIMES, &PLATES, &["well"]]
                .iter()
                .any(|words| words.contains(&word.to_lowercase().as_str()));
            let next = &self.parts[index + 1];
            let fits = match word.eq_ignore_ascii_case("well") {
                true => next.values.iter().all(|value| is_well(value)),
                false => next.values.iter().all(|value| is_number(value)),
            };
            if is_word && fits && self.parts[index].is_constant() {
                let lead = format!("{word}{}", self.between[index]);
                self.parts[index + 1].lead = lead;
                self.parts.remove(index);
                self.between.remove(index);
            }
            index += 1;
        }
    }

    /// The ways in which the parts can be taken.
    fn ways(&self, names: &[String], folders: &Folders) -> Vec<Way> {
        let Some(wells) = self.wells().or_else(|| folders.have_wells().then(Vec::new)) else { return Vec::new() };
        let first = wells.first().copied().unwrap_or(0);
        let well_of = |row: usize| wells.iter().map(|&part| self.parts[part].values[row].as_str()).collect::<Vec<_>>();
        let told: Vec<Told> = (0..self.parts.len())
            .map(|index| match wells.iter().position(|&part| part == index) {
                Some(_) if wells.len() == 1 => Told::As(Role::Well),
                Some(0) => Told::As(Role::Row),
                Some(_) => Told::As(Role::Column),
                None => self.parts[index].told(!wells.is_empty() && index < first, &|row| well_of(row)),
            })
            .collect();
        let taken = |role: Role| told.contains(&Told::As(role));
        let has_channel = taken(Role::Channel) || folders.have_channels();
        let n_rows = self.parts[0].values.len();
        let mut options: Vec<Vec<(usize, Role)>> = vec![Vec::new()];
        let extend = |options: &mut Vec<Vec<(usize, Role)>>, choices: Vec<Vec<(usize, Role)>>| {
            let longer = |option: &Vec<(usize, Role)>| -> Vec<Vec<(usize, Role)>> {
                choices.iter().map(|choice| [option.as_slice(), choice.as_slice()].concat()).collect()
            };
            *options = options.iter().flat_map(longer).collect();
        };
        // What stands in front of the well: plates, a counter of wells, or channels by a name.
        let before: Vec<usize> = (0..self.parts.len()).filter(|&index| told[index] == Told::Before).collect();
        let run = before.iter().enumerate().take_while(|(at, index)| before[0] + at == **index).count();
        let (run, rest) = before.split_at(run);
        rest.iter().for_each(|&index| extend(&mut options, vec![vec![(index, Role::Nothing)]]));
        let plate_of = |row: usize| run.iter().map(|&index| self.parts[index].values[row].as_str()).collect::<Vec<_>>();
        let is_varying = (0..n_rows).any(|row| plate_of(row) != plate_of(0));
        let goes_with_well = is_varying && {
            let mut wells_of = BTreeMap::<Vec<&str>, BTreeSet<Vec<&str>>>::new();
            for row in 0..n_rows {
                wells_of.entry(plate_of(row)).or_default().insert(well_of(row));
            }
            let wells: BTreeSet<&Vec<&str>> = wells_of.values().flatten().collect();
            wells_of.len() >= FEWEST_COUNTED && wells.len() > 1 && wells_of.values().all(|wells| wells.len() == 1)
        };
        let is_plain_name = |&index: &usize| {
            let values = self.parts[index].distinct();
            values.len() <= 6 && values.iter().all(|value| !value.bytes().any(|byte| byte.is_ascii_digit()))
        };
        let as_role = |role: Role| run.iter().map(|&index| (index, role)).collect::<Vec<_>>();
        match run {
            [] => {}
            _ if goes_with_well => extend(&mut options, vec![as_role(Role::Nothing)]),
            [one] if is_varying && !has_channel && is_plain_name(one) => {
                extend(&mut options, vec![as_role(Role::Plate), as_role(Role::Channel)]);
            }
            _ => extend(&mut options, vec![as_role(Role::Plate)]),
        }
        for (index, _) in told.iter().enumerate().filter(|(_, told)| **told == Told::OfWell) {
            extend(&mut options, vec![vec![(index, Role::Treatment)], vec![(index, Role::Label)]]);
        }
        let numbers: Vec<usize> = (0..self.parts.len()).filter(|&index| told[index] == Told::Number).collect();
        let few = |index: usize| self.parts[index].distinct().len() <= MOST_NUMBERED;
        let (site, channel) = (taken(Role::Site), has_channel);
        let pairs = |one: usize, other: usize, roles: &[(Role, Role)]| -> Vec<Vec<(usize, Role)>> {
            roles.iter().map(|(a, b)| vec![(one, *a), (other, *b)]).collect()
        };
        match numbers[..] {
            [] => {}
            [one] => {
                let roles: Vec<Role> = match (site, channel) {
                    (false, true) => vec![Role::Site],
                    (true, true) => vec![Role::Time, Role::Plane],
                    (true, false) => vec![Role::Channel, Role::Plane, Role::Time],
                    (false, false) if few(one) => vec![Role::Site, Role::Channel],
                    (false, false) => vec![Role::Site, Role::Time, Role::Plane],
                };
                let free = roles.into_iter().filter(|role| !taken(*role));
                extend(&mut options, free.map(|role| vec![(one, role)]).collect());
            }
            [one, other] if !site && !channel => {
                let roles = [(Role::Site, Role::Channel), (Role::Channel, Role::Site)];
                extend(&mut options, pairs(one, other, &roles));
            }
            [one, other] if !site => {
                let roles = [(Role::Site, Role::Plane), (Role::Site, Role::Time), (Role::Time, Role::Site)];
                extend(&mut options, pairs(one, other, &roles));
            }
            [one, other] if !channel => {
                let roles = [(Role::Time, Role::Channel), (Role::Plane, Role::Channel), (Role::Channel, Role::Time)];
                extend(&mut options, pairs(one, other, &roles));
            }
            _ => return Vec::new(),
        }
        let mut ways: Vec<Way> = Vec::new();
        for option in options {
            let role_of = |index: usize| match told[index] {
                Told::As(role) => role,
                _ => option.iter().find(|(part, _)| *part == index).map_or(Role::Nothing, |(_, role)| *role),
            };
            let roles: Vec<Role> = (0..self.parts.len()).map(role_of).collect();
            let of_folders: &[&str] = match !roles.contains(&Role::Plate) && !has_channel && folders.may_be_channels() {
                true if !roles.contains(&Role::Channel) => &["plate", "channel"],
                _ => &["plate"],
            };
            for plate_group in of_folders {
                let way = self.way(&roles, names, folders, plate_group);
                ways.extend(way.or_else(|| self.way(&roles, names, folders, "")));
            }
        }
        ways
    }

    /// The parts that are wells: one, or a row and a column.
    fn wells(&self) -> Option<Vec<usize>> {
        let has_stain = self.parts.iter().any(|part| part.values.iter().all(|value| is_stain(value)));
        let is_of_wells = |part: &Part| part.values.iter().all(|value| is_well(value));
        let score = |(index, part): (usize, &Part)| {
            let has_word = !part.lead.is_empty() || part.values[0].len() > 4 || is_row_and_column(&part.values[0]);
            let first = part.values[0].chars().next().unwrap_or_default();
            let is_upper = first.is_uppercase();
            let digits = |value: &String| value.chars().filter(char::is_ascii_digit).count();
            let has_two = part.values.iter().all(|value| digits(value) >= 2);
            // `C01` may be a well and a channel: the only row of a plate stands first, or next to a stain.
            let is_like_word = "cstzfwp".contains(first.to_ascii_lowercase())
                && part.values.iter().all(|value| value.starts_with(first))
                && !(is_upper && has_two && (index == 0 || has_stain));
            (has_word, !is_like_word, is_upper, has_two, part.distinct().len(), std::cmp::Reverse(index))
        };
        let candidates = self.parts.iter().enumerate().filter(|(_, part)| is_of_wells(part));
        let best = candidates.map(score).max();
        if let Some((has_word, is_no_word, _, _, _, std::cmp::Reverse(index))) = best
            && (has_word || is_no_word)
        {
            return Some(vec![index]);
        }
        let is_row = |part: &Part| {
            let is_letter = |value: &String| value.len() == 1 && matches!(value.as_bytes()[0], b'A'..=b'P');
            part.lead.is_empty() && part.values.iter().all(is_letter)
        };
        let is_column = |part: &Part| {
            let is_number =
                |value: &String| value.len() <= 2 && value.parse().is_ok_and(|n: u32| (1..=48).contains(&n));
            part.lead.is_empty() && part.values.iter().all(is_number)
        };
        let pair = self.parts.windows(2).position(|pair| is_row(&pair[0]) && is_column(&pair[1]))?;
        Some(vec![pair, pair + 1])
    }

    fn way(&self, roles: &[Role], names: &[String], folders: &Folders, plate_group: &str) -> Option<Way> {
        let has_twice = |role: &Role| role.group().is_some() && roles.iter().filter(|other| *other == role).count() > 1;
        if roles.iter().any(|role| *role != Role::Plate && has_twice(role)) {
            return None;
        }
        let known: Vec<String> = roles.iter().filter_map(|role| role.group()).map(str::to_owned).collect();
        let pattern = folders.before(&self.pattern(roles, None), &known, plate_group);
        let masks: Vec<&str> = roles
            .iter()
            .position(|role| *role == Role::Channel)
            .map(|channel| self.parts[channel].distinct().into_iter().filter(|value| is_mask(value)).collect())
            .unwrap_or_default();
        let mask_pattern =
            (!masks.is_empty()).then(|| folders.before(&self.pattern(roles, Some(&masks)), &known, plate_group));
        way(pattern, mask_pattern, "", names)
    }

    /// A pattern on the name of a file; of label images alone where `masks` are their words.
    fn pattern(&self, roles: &[Role], masks: Option<&[&str]>) -> String {
        let class: String = self.signs.chars().map(|sign| regex::escape(&sign.to_string())).collect();
        let any = format!("[^/{class}]");
        let mut text = String::new();
        let mut index = 0;
        while let Some(role) = roles.get(index) {
            let part = &self.parts[index];
            let is_last = index + 1 == roles.len();
            let word = match is_last {
                true => "[^/]+?".to_owned(),
                false => format!("{any}+"),
            };
            text += &regex::escape(&part.lead);
            text += &match role {
                Role::Nothing if part.is_constant() => regex::escape(&part.values[0]),
                Role::Nothing => format!("{any}*"),
                Role::Plate => {
                    let n_parts = roles[index..].iter().take_while(|role| **role == Role::Plate).count();
                    index += n_parts - 1;
                    match n_parts {
                        1 if is_last => "(?<plate>[^/]+?)".to_owned(),
                        1 => format!("(?<plate>{any}+)"),
                        _ => "(?<plate>[^/]+)".to_owned(),
                    }
                }
                Role::Channel if masks.is_some() => format!("(?:{})", masks.unwrap_or_default().join("|")),
                role => {
                    let name = role.group().unwrap_or_default();
                    part.group(name, &word)
                }
            };
            if let Some(sign) = self.between.get(index) {
                text += &regex::escape(&sign.to_string());
            }
            index += 1;
        }
        text + r"\.\w+$"
    }
}

impl Part {
    fn is_constant(&self) -> bool {
        self.values.iter().all(|value| *value == self.values[0])
    }

    fn distinct(&self) -> BTreeSet<&str> {
        self.values.iter().map(String::as_str).collect()
    }

    /// What the part is by the word in front of it or by its values; `well_of` gives the well of each name.
    fn told<'b>(&self, is_before_well: bool, well_of: &dyn Fn(usize) -> Vec<&'b str>) -> Told {
        let values: Vec<&str> = self.values.iter().map(String::as_str).filter(|value| !is_mask(value)).collect();
        let has_masks = values.len() < self.values.len();
        let whole = |value: &str| format!("{}{value}", self.lead);
        let numbered = |words: &[&str]| {
            !values.is_empty() && values.iter().all(|value| number_behind(&whole(value), words).is_some())
        };
        let is_named_channel = |value: &&str| {
            let rest = value.trim_start_matches(|letter: char| letter.is_ascii_alphabetic());
            let word = value[..value.len() - rest.len()].to_lowercase();
            let behind = rest.trim_start_matches(|letter: char| letter.is_ascii_digit());
            ["w", "ch", "c"].contains(&word.as_str()) && rest.len() > behind.len() && !behind.is_empty()
        };
        match () {
            () if numbered(&SITES) => return Told::As(Role::Site),
            () if numbered(&CHANNELS) || values.iter().all(is_named_channel) => return Told::As(Role::Channel),
            () if numbered(&PLANES) => return Told::As(Role::Plane),
            () if numbered(&TIMES) || values.iter().all(|value| is_time(value)) => return Told::As(Role::Time),
            () if numbered(&PLATES) => return Told::As(Role::Plate),
            () if values.iter().all(|value| is_stain(value)) || has_masks => return Told::As(Role::Channel),
            () if is_before_well => return Told::Before,
            () if self.is_constant() => return Told::As(Role::Nothing),
            () => {}
        }
        let mut of_well = BTreeMap::<Vec<&str>, BTreeSet<&str>>::new();
        for (row, value) in self.values.iter().enumerate() {
            of_well.entry(well_of(row)).or_default().insert(value);
        }
        let has_wells = of_well.len() > 1;
        let goes_with_well = has_wells && of_well.values().all(|values| values.len() == 1);
        let is_of_numbers = values.iter().all(|value| is_number(value));
        match () {
            () if is_of_numbers && goes_with_well => Told::As(Role::Nothing),
            () if is_of_numbers => Told::Number,
            () if goes_with_well => Told::OfWell,
            () if self.distinct().len() <= MOST_CHANNELS => Told::As(Role::Channel),
            () => Told::As(Role::Label),
        }
    }

    /// The part's group in a pattern.
    fn group(&self, name: &str, word: &str) -> String {
        let first = self.values[0].as_str();
        let letters: &str = first.trim_end_matches(|letter: char| letter.is_ascii_digit());
        let is_prefixed = !letters.is_empty() && {
            let rest = |value: &String| value.strip_prefix(letters).is_some_and(is_number);
            self.values.iter().all(rest)
        };
        let letters = regex::escape(letters);
        match name {
            "well" if is_row_and_column(first) => r"(?<well>[rR]\d+[cC]\d+)".to_owned(),
            "well" if first.starts_with(|letter: char| letter.is_ascii_digit()) => {
                r"(?<well>\d{2,3}[A-Za-z])".to_owned()
            }
            "well" => r"(?:[Ww][Ee][Ll][Ll])?(?<well>[A-Za-z]{1,2}\d{1,3})".to_owned(),
            "row" => "(?<row>[A-P])".to_owned(),
            "column" => r"(?<column>\d{1,2})".to_owned(),
            "channel" if is_prefixed => format!(r"(?<channel>{letters}\d+)"),
            "site" | "z" | "time" | "plate" if is_prefixed => format!(r"{letters}(?<{name}>\d+)"),
            "site" | "z" | "time" if self.values.iter().all(|value| is_number(value)) => format!(r"(?<{name}>\d+)"),
            _ => format!("(?<{name}>{word})"),
        }
    }
}

/// The name of a file without folders and ending.
fn stem(name: &str) -> &str {
    let file = name.rsplit('/').next().unwrap_or(name);
    file.rsplit_once('.').map_or(file, |(stem, _)| stem)
}
