//! `cytonaut inspect`: what is in the files.

use std::path::{Path, PathBuf};

use clap::Args;

use super::lines::Lines;
use super::open_run::refuse_run_folders;
use super::{AskedWrongly, command_of, inspect_images, inspect_tables, print};
use crate::load::image::{ImageSource, PathMap, is_image_source};
use crate::load::{Candidate, Description, Gap, Mapping, SeenColumn, Source};
use crate::qc::{Finding, Severity};
use crate::study::StudyError;

/// Show what the files hold, how the columns were understood, and what limits the conclusions
///
/// Lists all that a card has to say before the screen can be run, each with the line to write.
/// Exits with 0 if it can be run, 2 if something is to be filled in, and 1 if data are wrong.
///
/// Example:
///   cytonaut inspect datasets/bbbc021
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(super) struct InspectArgs {
    /// Profile tables, image sheets, images, folders of these, index files of instruments, globs or a dataset card
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// Translate the paths of another machine in an image sheet to paths here
    #[arg(long = "path-map", value_name = "OLD=NEW")]
    path_maps: Vec<PathMap>,
    /// Folder that the paths in an image sheet are relative to, instead of the sheet's own
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// Print one JSON object on stdout
    #[arg(long)]
    json: bool,
    /// Write what was understood as a dataset card to edit, with what is to be filled in marked TODO
    #[arg(long, value_name = "FILE")]
    write_card: Option<PathBuf>,
}

impl InspectArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let Self { paths, path_maps, root, json, write_card: card } = self;
        refuse_run_folders(&paths)?;
        let source = Source::of(paths.clone());
        let asked = Asked { paths: &paths, card: card.as_deref(), json };
        match is_image_source(&source).map_err(StudyError::from)? {
            true => inspect_images::inspect(&ImageSource { source, root, path_maps }, &asked),
            false => inspect_tables::inspect(&source, &asked),
        }
    }
}

/// What was asked for.
pub(super) struct Asked<'a> {
    paths: &'a [PathBuf],
    pub(super) card: Option<&'a Path>,
    pub(super) json: bool,
}

impl Asked<'_> {
    /// Prints `text` or, if asked for, `object`, and says how it ends: well, or with something to fill in, or wrong; `refused`
    /// is why a run would refuse what could be described.
    pub(super) fn end<T>(
        &self,
        description: Description<T>,
        mut text: Lines,
        mut object: serde_json::Value,
        findings: &[Finding],
        refused: Option<StudyError>,
    ) -> anyhow::Result<()> {
        let fault = findings.iter().find(|finding| finding.severity == Severity::Error).map(|finding| &finding.message);
        let is_blank = description.is_blank();
        // Images that are of no plate are looked at and embedded as they are.
        let can_wait = !description.gaps.is_empty() && description.gaps.iter().all(|gap| gap.can_wait);
        let can_wait = can_wait && description.outcome.is_ok() && refused.is_none();
        let Description { files, columns, gaps, outcome, .. } = description;
        if self.json {
            let error = outcome.as_ref().err().map(ToString::to_string);
            object["error"] = error.or_else(|| refused.as_ref().map(ToString::to_string)).into();
            object["files"] = serde_json::to_value(&files)?;
            object["columns"] = serde_json::to_value(&columns)?;
            object["gaps"] = serde_json::to_value(&gaps)?;
            print(&object.to_string())?;
        } else if !is_blank {
            append_gaps(&mut text, &gaps, can_wait);
            self.append_next(&mut text, gaps.len(), outcome.is_ok() && fault.is_none() && refused.is_none());
            print(&text.finish())?;
        }
        match outcome {
            // Of what is asked for, all is said above.
            Err(error) if gaps.is_empty() || !error.is_request() => return Err(StudyError::from(error).into()),
            _ => {}
        }
        match gaps.len() {
            _ if can_wait => Ok(()),
            0 => match (refused, fault) {
                (Some(refused), _) => Err(refused.into()),
                (None, Some(fault)) => Err(AskedWrongly(format!("this screen cannot be run: {fault}")).into()),
                (None, None) => Ok(()),
            },
            1 => Err(AskedWrongly("one line is to be filled in before this screen can be run".to_owned()).into()),
            n => Err(AskedWrongly(format!("{n} lines are to be filled in before this screen can be run")).into()),
        }
    }

    /// The card that was written, and the command to type next.
    fn append_next(&self, text: &mut Lines, n_gaps: usize, is_sound: bool) {
        let is_card = |path: &&PathBuf| path.extension().is_some_and(|ending| ending == "toml");
        let given = self.paths.iter().find(is_card);
        let card = self.card.map(Path::to_path_buf).or_else(|| given.cloned());
        if let Some(path) = self.card {
            text.line(&format!("wrote {}", path.display()));
        }
        let paths = || self.paths.iter().map(|path| path.to_string_lossy().into_owned());
        let command = |words: &[&str], paths: Vec<String>| {
            let words = words.iter().map(|word| (*word).to_owned());
            command_of(words.chain(paths))
        };
        let next = match (n_gaps, card, is_sound) {
            (0, _, false) => return,
            (0, Some(card), true) => command(&["cytonaut", "run"], vec![card.to_string_lossy().into_owned()]),
            (0, None, true) => command(&["cytonaut", "run"], paths().collect()),
            (_, Some(card), _) => {
                let run = command(&["cytonaut", "run"], vec![card.to_string_lossy().into_owned()]);
                format!("fill in {}, then\n      {run}", card.display())
            }
            (_, None, _) => {
                let card = ["--write-card".to_owned(), "dataset.toml".to_owned()];
                command(&["cytonaut", "inspect"], paths().chain(card).collect())
            }
        };
        text.line(&format!("next: {next}"));
    }
}

/// What is to be filled in, with the lines to write.
fn append_gaps(text: &mut Lines, gaps: &[Gap], can_wait: bool) {
    if gaps.is_empty() {
        return;
    }
    let what = if can_wait { "to fill in before it can be learned from" } else { "to fill in" };
    text.line(&format!("{what} ({})", gaps.len()));
    for (index, gap) in gaps.iter().enumerate() {
        text.hanging(&format!("  {}. ", index + 1), &gap.what);
        let section = match gap.section {
            "" => "at the top of the card".to_owned(),
            section => format!("under [{section}]"),
        };
        for (index, line) in gap.lines.iter().enumerate() {
            let start = format!("       {}", line.text);
            let place = if index == 0 { section.as_str() } else { "" };
            let parts = [place, line.when.as_str()];
            let about: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
            match start.chars().count() {
                _ if about.is_empty() => text.line(&start),
                0..42 => text.hanging(&format!("{start:<42} # "), &about.join(": ")),
                _ => {
                    text.line(&start);
                    text.hanging("         # ", &about.join(": "));
                }
            }
        }
        if !gap.otherwise.is_empty() {
            text.hanging("     ", &gap.otherwise);
        }
        if !gap.candidates.is_empty() {
            let named = |Candidate { name, examples }: &Candidate| match examples.as_slice() {
                [] => name.clone(),
                examples => format!("{name} ({})", examples.join(", ")),
            };
            text.hanging("     candidates: ", &gap.candidates.iter().map(named).collect::<Vec<_>>().join("; "));
        }
        if !gap.assumed.is_empty() {
            text.hanging("     assumed above: ", &gap.assumed);
        }
    }
}

/// The columns with a role, with their first values.
pub(super) fn append_mapping(text: &mut Lines, mapping: &Mapping, columns: &[SeenColumn]) {
    text.line("columns understood as");
    for mapped in &mapping.columns {
        let seen = columns.iter().find(|column| column.name == mapped.column && !mapped.is_made);
        let examples = seen.map(|seen| examples(seen, 3)).unwrap_or_default();
        let examples = if examples.is_empty() { examples } else { format!(": {examples}") };
        text.item(mapped.role.word(), &format!("{} ({}){examples}", mapped.column, mapped.why));
    }
}

/// The columns without a role that are kept next to the measurements.
pub(super) fn append_labels(text: &mut Lines, columns: &[SeenColumn]) {
    const SHOWN: usize = 8;
    let labels: Vec<&SeenColumn> = columns.iter().filter(|column| column.taken_as == "label").collect();
    let named = labels.iter().take(SHOWN).map(|column| match examples(column, 2) {
        examples if examples.is_empty() => column.name.clone(),
        examples => format!("{} ({examples})", column.name),
    });
    let mut named: Vec<String> = named.collect();
    if labels.len() > SHOWN {
        named.push(format!("and {} more", labels.len() - SHOWN));
    }
    if !named.is_empty() {
        text.item("other columns", &named.join("; "));
    }
}

/// The first values of a column.
fn examples(column: &SeenColumn, n: usize) -> String {
    shortened(&column.examples, n)
}

/// The first `n` of some values, each of them not too long.
pub(super) fn shortened(values: &[String], n: usize) -> String {
    const LONGEST: usize = 24;
    let short = |value: &String| match value.chars().count() > LONGEST {
        true => format!("{}…", value.chars().take(LONGEST).collect::<String>()),
        false => value.clone(),
    };
    let mut shown: Vec<String> = values.iter().take(n).map(short).collect();
    if values.len() > n {
        shown.push("…".to_owned());
    }
    shown.join(", ")
}

/// Findings of the design, with what to do about each; where gaps are open, not those that come of them.
pub(super) fn append_findings(text: &mut Lines, findings: &[Finding], gaps: &[Gap]) {
    for finding in findings.iter().filter(|finding| gaps.is_empty() || finding.severity != Severity::Error) {
        let word = match finding.severity {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Error => "problem",
        };
        text.hanging(&format!("{word}: "), &finding.message);
        text.hanging("         ", &finding.advice);
    }
}

/// The range of doses in words.
pub(super) fn doses(low: f64, high: f64) -> String {
    if low == high { format!("{low} µM") } else { format!("{low} to {high} µM") }
}

/// Roles with their columns, as JSON.
pub(super) fn mapping_object(mapping: &Mapping) -> serde_json::Value {
    let columns = mapping.columns.iter();
    let mapped = columns
        .map(|mapped| serde_json::json!({ "role": mapped.role.word(), "column": mapped.column, "why": mapped.why }));
    mapped.collect()
}
