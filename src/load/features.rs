//! Which columns are features: the declared globs, or else a rule by name, type and values.
//!
//! Where most numeric columns begin with a compartment of CellProfiler, features are the numeric columns that do; else they
//! are the numeric columns without another role that are not called `Metadata_…`. A column counts as numeric if most of
//! its cells are numbers; a cell that then is none is an error of the file. Of these columns those are left out that are
//! not measurements: by their names ([`names`]), and in plain tables by their values ([`evidence`]). What is left out is
//! listed with its reason. `include_features` in a card takes a column back in.

mod evidence;
mod names;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use self::evidence::reasons_in_values;
pub(super) use self::names::is_compartment;
pub(super) use self::names::is_dose;
use self::names::{is_of_cellprofiler, reason_in_name};
use super::card::Card;
use super::error::LoadError;
use super::left_out::{LeftOut, Reason};
use super::mapping::{ColumnRole, Mapping, plain, untwinned};
use super::table::{ColumnSketch, RawTable};
use super::values;
use crate::screen::Unit;
use crate::table::first_few;

/// Names of columns that are shown of many.
const SHOWN: usize = 4;

/// Feature columns that need another look once the table is read.
#[derive(Debug, Default)]
pub(super) struct Chosen {
    /// Columns of `true` and `false`.
    pub booleans: BTreeSet<String>,
    /// Columns that were taken because they are numbers.
    pub open: BTreeSet<String>,
}

impl Mapping {
    /// Finds the feature columns among `sketches`, the columns of the profile tables; `claimed` are no candidates.
    ///
    /// # Errors
    /// If there is none, or a declared glob is malformed or matches no column.
    pub(super) fn find_features(
        &mut self,
        path: &Path,
        sketches: &[ColumnSketch],
        claimed: &BTreeSet<String>,
        card: &Card,
    ) -> Result<Chosen, LoadError> {
        let declared = Globs::of(card, &card.features)?;
        let included = Globs::of(card, &card.include_features)?;
        let excluded = Globs::of(card, &card.exclude_features)?;
        for (globs, key) in [(&declared, "features"), (&included, "include_features")] {
            if let Some(glob) = globs.unmatched(sketches) {
                return Err(LoadError::MissingColumn {
                    path: path.to_path_buf(),
                    column: glob.to_owned(),
                    mend: format!("no column matches this glob of `{key}`"),
                });
            }
        }
        let mapped: BTreeSet<&str> = self.columns.iter().map(|mapped| mapped.column.as_str()).collect();
        let twins: BTreeSet<String> = mapped.iter().map(|name| untwinned(&plain(name)).to_owned()).collect();
        let is_number = |sketch: &ColumnSketch| sketch.is_numeric() || sketch.is_boolean();
        // One `Image_Count_Nuclei` beside columns of another program does not make these labels.
        let is_open = |name: &str| {
            let is_taken = mapped.contains(name) || claimed.contains(name) || excluded.matches(name);
            !is_taken && !is_metadata(name) && reason_in_name(name).is_none()
        };
        let n_open = |is_wanted: &dyn Fn(&str) -> bool| {
            let numbers = sketches.iter().filter(|sketch| is_number(sketch) && !sketch.is_measured);
            numbers.filter(|sketch| is_wanted(&sketch.name) && is_open(&sketch.name)).count()
        };
        let n_of_compartments = n_open(&is_compartment);
        let has_compartments = sketches.iter().any(|sketch| is_compartment(&sketch.name) && is_number(sketch))
            && n_open(&|name| !is_compartment(name)) <= n_of_compartments;
        let lacks_dose = self.column(ColumnRole::Dose).is_none() && card.columns.dose.is_none();
        let is_matrix = sketches.iter().any(|sketch| sketch.is_measured);
        let mut chosen = Chosen::default();
        let (mut features, mut left_out, mut n_others) = (Vec::new(), Vec::new(), 0);
        for sketch in sketches {
            let name = sketch.name.as_str();
            if mapped.contains(name) && !sketch.is_measured || excluded.matches(name) {
                continue;
            }
            let is_metadata = is_metadata(name);
            let is_candidate = match has_compartments {
                _ if is_matrix => sketch.is_measured,
                true => is_compartment(name),
                false => !is_metadata && !claimed.contains(name),
            };
            let is_asked_for = declared.matches(name) || included.matches(name);
            let reason = match () {
                () if sketch.is_nested => Some(Reason::Nested),
                () if is_asked_for => None,
                () if !declared.is_empty() => continue,
                () if sketch.is_measured => None,
                // A dose that no role was found for pools the doses of a treatment, so it is named wherever it stands.
                () if !is_candidate
                    && lacks_dose
                    && sketch.is_numeric()
                    && !claimed.contains(name)
                    && is_dose(name) =>
                {
                    Some(Reason::Dose)
                }
                () if !is_candidate => {
                    n_others += usize::from(sketch.is_numeric() && !is_metadata && !claimed.contains(name));
                    continue;
                }
                () if sketch.n_cells() == 0 => match is_compartment(name) {
                    true => Some(Reason::Empty),
                    false => continue,
                },
                () if is_number(sketch) => {
                    let is_twin = twins.contains(untwinned(&plain(name)));
                    let is_bare_flag = sketch.is_boolean() && !is_compartment(name);
                    let by_type = is_bare_flag.then_some(Reason::Truth);
                    if is_twin { Some(Reason::Twin) } else { reason_in_name(name).or(by_type) }
                }
                () => match text_for_a_number(sketch) {
                    Some(example) => Some(Reason::Texts(example)),
                    None => continue,
                },
            };
            match reason {
                Some(why) => left_out.push(LeftOut { column: name.to_owned(), why }),
                None => {
                    if sketch.is_boolean() {
                        chosen.booleans.insert(name.to_owned());
                    }
                    if !is_asked_for && !is_of_cellprofiler(name) && !has_compartments && !is_matrix {
                        chosen.open.insert(name.to_owned());
                    }
                    features.push(name.to_owned());
                }
            }
        }
        self.features_why = match (declared.is_empty(), has_compartments, n_others) {
            (true, _, _) if is_matrix => "the columns of the matrix".to_owned(),
            (false, _, _) => format!("columns that match {}", card.features.join(", ")),
            (true, true, 0) => "numeric columns that begin with Cells_, Nuclei_, Cytoplasm_ or Image_".to_owned(),
            (true, true, n) => format!(
                "numeric columns that begin with Cells_, Nuclei_, Cytoplasm_ or Image_; {n} other numeric columns are \
                 labels unless named in `include_features`"
            ),
            (true, false, _) => "numeric columns without another role".to_owned(),
        };
        (self.features, self.left_out) = (features, left_out);
        if self.features.is_empty() && !card.assumed.is_without_features {
            return Err(LoadError::NoFeatures { path: path.to_path_buf(), left_out: self.left_out_in_words() });
        }
        Ok(chosen)
    }

    /// Leaves out those of the `open` features of which the values say that they are not measurements.
    pub(super) fn leave_out_by_values(&mut self, table: &RawTable, open: &BTreeSet<String>, observations: &[Unit]) {
        if open.is_empty() {
            return;
        }
        let judged: Vec<String> = self.features.iter().filter(|name| open.contains(*name)).cloned().collect();
        let reasons = reasons_in_values(&values::columns(table, &judged), table, observations);
        let found = judged.into_iter().zip(reasons).filter_map(|(column, why)| Some(LeftOut { column, why: why? }));
        let found: Vec<LeftOut> = found.collect();
        let names: BTreeSet<&str> = found.iter().map(|left_out| left_out.column.as_str()).collect();
        self.features.retain(|name| !names.contains(name.as_str()));
        self.left_out.extend(found);
    }

    /// Leaves out features that a merge or a copy doubled, where they equal the first of their name, and says of the others
    /// that they differ.
    pub(super) fn leave_out_twins(&mut self, table: &RawTable) -> Option<String> {
        let mut of_name = BTreeMap::<&str, Vec<&String>>::new();
        self.features.iter().for_each(|name| of_name.entry(undoubled(name)).or_default().push(name));
        let (mut equal, mut different) = (Vec::new(), Vec::new());
        for names in of_name.into_values().filter(|names| names.len() > 1) {
            let names: Vec<String> = names.into_iter().cloned().collect();
            let columns = values::columns(table, &names);
            let is_same = |other: &[f32]| {
                columns[0].iter().zip(other).all(|(one, other)| one == other || one.is_nan() && other.is_nan())
            };
            for (name, values) in names.iter().zip(&columns).skip(1) {
                match is_same(values) {
                    true => equal.push(name.clone()),
                    false if name.ends_with("_y") => different.push((names[0].clone(), name.clone())),
                    false => {}
                }
            }
        }
        self.features.retain(|name| !equal.contains(name));
        self.left_out.extend(equal.into_iter().map(|column| LeftOut { column, why: Reason::Twin }));
        let (name, twin) = different.first()?;
        Some(format!(
            "`{name}` and `{twin}`, which a merge may have made of one feature, differ{}, and both are learned from",
            match different.len() {
                1 => String::new(),
                n => format!(", as {} more such pairs do", n - 1),
            }
        ))
    }

    /// The columns that are left out, grouped by reason: "`a`, `b` and 3 more: positions".
    pub fn left_out_in_words(&self) -> Vec<String> {
        let mut groups: Vec<(&Reason, Vec<&str>)> = Vec::new();
        for LeftOut { column, why } in &self.left_out {
            let is_group = |reason: &Reason| std::mem::discriminant(reason) == std::mem::discriminant(why);
            match groups.iter_mut().find(|(reason, _)| is_group(reason)) {
                Some((_, columns)) => columns.push(column),
                None => groups.push((why, vec![column])),
            }
        }
        groups.sort_by_key(|(reason, _)| reason.question().is_none());
        let in_words = |(reason, columns): &(&Reason, Vec<&str>)| {
            let question = reason.question().map(|question| format!("; {question}")).unwrap_or_default();
            format!("{}: {reason}{question}", first_few(columns, SHOWN))
        };
        groups.iter().map(in_words).collect()
    }

    /// The first few features.
    pub fn features_in_words(&self) -> String {
        first_few(&self.features, SHOWN)
    }
}

/// A name without what merges and copies append to it.
fn undoubled(name: &str) -> &str {
    const APPENDED: [&str; 13] =
        ["_x", "_y", ".x", ".y", "_left", "_right", ".1", ".2", "_copy", " copy", " (1)", " (2)", "_dup"];
    APPENDED.iter().find_map(|ending| name.strip_suffix(ending)).filter(|rest| !rest.is_empty()).unwrap_or(name)
}

fn is_metadata(name: &str) -> bool {
    name.starts_with("Metadata_") || name.starts_with("Image_Metadata_")
}

/// Whether the name of a column of numbers says that it is something else than a measurement or a dose.
pub(super) fn is_known_by_name(name: &str) -> bool {
    reason_in_name(name).is_some_and(|reason| reason != Reason::Dose)
}

/// The text of a column in which numbers could have been meant: some of its cells are numbers, or begin like one.
fn text_for_a_number(sketch: &ColumnSketch) -> Option<String> {
    let example = sketch.example.clone()?;
    let number = example.trim_start_matches(['-', '−', '+', '[', '(', '<', '>', '≤', '≥', ' ', '\'', '"', '~', '=']);
    let begins_as_number = number.starts_with(|letter: char| letter.is_ascii_digit());
    // `12 %`, `-3.5 um`, `<0.1`, `[1.5, 2]`, `'0.1`, but not `01A`, `4EBP1`, `2024-01-31`, a path.
    let rest = number.trim_start_matches(|letter: char| letter.is_ascii_digit() || " .,".contains(letter));
    let is_measure = begins_as_number
        && !number.contains(['-', '/', ':'])
        && rest.chars().count() <= 3
        && !rest.chars().any(|letter| letter.is_ascii_digit())
        && (is_compartment(&sketch.name) || rest.is_empty() || !rest.starts_with(char::is_uppercase));
    let has_numbers = 10 * sketch.n_numbers >= sketch.n_texts && sketch.n_numbers > 0;
    (is_measure || has_numbers).then_some(example)
}

/// Globs on names of columns. A name that a glob spells out is meant too, whatever its signs: `Dose [µM]`.
pub(super) struct Globs<'a> {
    globs: Vec<(&'a str, glob::Pattern)>,
}

impl<'a> Globs<'a> {
    pub fn of(card: &Card, globs: &'a [String]) -> Result<Self, LoadError> {
        let parse = |text: &'a String| match glob::Pattern::new(text) {
            Ok(pattern) => Ok((text.as_str(), pattern)),
            Err(error) => Err(LoadError::Card {
                path: card.path.clone(),
                message: format!("`{text}` is not a glob on column names: {error}"),
            }),
        };
        Ok(Self { globs: globs.iter().map(parse).collect::<Result<_, _>>()? })
    }

    pub fn matches(&self, name: &str) -> bool {
        self.globs.iter().any(|(text, pattern)| *text == name || pattern.matches(name))
    }

    fn is_empty(&self) -> bool {
        self.globs.is_empty()
    }

    /// The first glob that matches none of the columns.
    fn unmatched(&self, sketches: &[ColumnSketch]) -> Option<&'a str> {
        let is_matched = |(text, pattern): &(&str, glob::Pattern)| {
            sketches.iter().any(|sketch| *text == sketch.name || pattern.matches(&sketch.name))
        };
        self.globs.iter().find(|glob| !is_matched(glob)).map(|(text, _)| *text)
    }
}
