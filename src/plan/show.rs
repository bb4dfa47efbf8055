//! A ranking on the terminal: a table for people, JSON lines for programs.

use serde::Serialize;

use super::{CellRatio, RankedIntervention, Ranking};
use crate::predict::Method;
use crate::table::{Side, TextTable, paragraph};

/// Longest text in a cell of the wide table, in characters; parquet and csv hold the whole.
const MAX_WIDTH: usize = 48;

/// Characters of a line of the narrow table.
pub(super) const NARROW: usize = 80;

/// How much of a ranking is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// What decides, in lines of 80 characters.
    Narrow,
    /// All columns.
    Wide,
}

/// Candidates from which on the middle of their scores is shown.
const LEAST_FOR_MIDDLE: usize = 10;

impl Ranking {
    /// What a typical candidate scores.
    fn middle_score(&self) -> Option<f64> {
        let mut scores: Vec<f64> = self.rows.iter().map(|row| row.score).collect();
        scores.sort_by(f64::total_cmp);
        (scores.len() >= LEAST_FOR_MIDDLE).then(|| scores[scores.len() / 2])
    }

    /// The verdict and the first `top` rows as an aligned table; columns that are empty in all of them are left out.
    pub fn render(&self, top: usize, how: Shown) -> String {
        let Self { verdict, calibration, warning, note, start, target, by, rows, abstained, remarks } = self;
        let rows_shown = &rows[..top.min(rows.len())];
        let mut text = paragraph(verdict);
        text.push('\n');
        let middle = self.middle_score().map(|middle| format!("; half of them score {middle:.2} or less"));
        text += &paragraph(&format!(
            "{start} -> {target}, by {by}: {} of {} candidates{}",
            rows_shown.len(),
            rows.len(),
            middle.unwrap_or_default()
        ));
        text += match how {
            Shown::Narrow => "score: fraction of the way from start to target, 1 at the target\n",
            Shown::Wide => {
                "score: fraction of the way from start to target; distance: to the target, in latent units\n"
            }
        };
        for sentence in [calibration, note].into_iter().filter(|sentence| !sentence.is_empty()) {
            text += &paragraph(sentence);
        }
        if !warning.is_empty() {
            text += &paragraph(&format!("warning: {warning}"));
        }
        for remark in remarks {
            text += &paragraph(&format!("note: {}", without_controls(remark)));
        }
        if !rows_shown.is_empty() {
            let table = match how {
                Shown::Narrow => narrow_table(rows_shown),
                Shown::Wide => wide_table(rows_shown),
            };
            text += &format!("\n{table}");
        }
        if let Some(first) = abstained.first() {
            let others =
                if abstained.len() > 1 { format!(", and {} more", abstained.len() - 1) } else { String::new() };
            text += &format!("\n{}", paragraph(&format!("not ranked: {}{others}", without_controls(first))));
        }
        text
    }

    /// One JSON object a line: the ranking as a whole, then its first `top` rows.
    ///
    /// The first line has `"type": "ranking"` and `verdict`, `calibration`, `warning`, `note`, `start`, `target`, `by`, `candidates`
    /// (how many there are), `abstained` (candidates of which nothing is predicted, with the reason) and `remarks` (what was taken
    /// for granted in reading a list of candidates).
    /// The others have `"type": "candidate"` and the fields of [`RankedIntervention`] under their names, with
    /// `intervention` in words, `perturbation`, `dose_um` and `hours` of it; what is absent or not finite is `null`.
    pub fn json_lines(&self, top: usize) -> String {
        let head = HeadLine {
            kind: "ranking",
            verdict: &self.verdict,
            calibration: &self.calibration,
            warning: &self.warning,
            note: &self.note,
            start: &self.start,
            target: &self.target,
            by: &self.by,
            candidates: self.rows.len(),
            abstained: &self.abstained,
            remarks: &self.remarks,
        };
        let mut text = json(&head);
        for row in self.rows.iter().take(top) {
            text.push_str(&json(&CandidateLine::of(row)));
        }
        text
    }
}

/// What decides, in lines of 80 characters; a context only where there are several.
fn narrow_table(rows: &[RankedIntervention]) -> TextTable {
    let mut table = TextTable::new([
        ("rank", Side::Right),
        ("intervention", Side::Left),
        ("context", Side::Left),
        ("score", Side::Right),
        ("interval", Side::Right),
        ("readout", Side::Right),
        ("flags", Side::Left),
    ]);
    let has_several_contexts = rows.iter().any(|row| row.context != rows[0].context);
    for row in rows {
        table.push([
            row.rank.to_string(),
            without_controls(&row.intervention.to_string()),
            if has_several_contexts { without_controls(&row.context) } else { String::new() },
            format!("{:.2}", row.score),
            interval(row),
            row.readout.map_or(String::new(), |ratio| format!("{ratio:.2}")),
            without_controls(&row.flags.join(", ")),
        ]);
    }
    table.without_empty_columns().within(NARROW)
}

fn interval(row: &RankedIntervention) -> String {
    match (row.lower, row.upper) {
        (Some(lower), Some(upper)) => format!("{lower:.2} to {upper:.2}"),
        _ => String::new(),
    }
}

/// All columns.
fn wide_table(rows: &[RankedIntervention]) -> TextTable {
    let mut table = TextTable::new([
        ("rank", Side::Right),
        ("intervention", Side::Left),
        ("context", Side::Left),
        ("score", Side::Right),
        ("interval", Side::Right),
        ("distance", Side::Right),
        ("measured", Side::Right),
        ("readout", Side::Right),
        ("measured readout", Side::Right),
        ("wells", Side::Right),
        ("cells", Side::Right),
        ("evidence", Side::Left),
        ("nearest", Side::Left),
        ("its moa", Side::Left),
        ("moa", Side::Left),
        ("flags", Side::Left),
    ]);
    let ratio = |ratio: Option<f64>| ratio.map_or(String::new(), |ratio| format!("{ratio:.2}"));
    let name = |name: &Option<String>| name.as_deref().map_or(String::new(), on_one_line);
    for row in rows {
        table.push([
            row.rank.to_string(),
            on_one_line(&row.intervention.to_string()),
            on_one_line(&row.context),
            format!("{:.2}", row.score),
            interval(row),
            significant(row.distance),
            row.measured_distance.map_or(String::new(), significant),
            ratio(row.readout),
            ratio(row.measured_readout),
            row.n_wells.to_string(),
            ratio(row.cells.map(|cells| cells.ratio)),
            row.evidence.to_string(),
            name(&row.nearest_reference),
            name(&row.nearest_moa),
            name(&row.moa),
            on_one_line(&row.flags.join(", ")),
        ]);
    }
    table.without_empty_columns()
}

/// Names come from files: a line break or an escape sequence in them must not reach the terminal.
pub(crate) fn without_controls(text: &str) -> String {
    text.replace(char::is_control, " ")
}

/// As [`without_controls`], cut where it is long.
fn on_one_line(text: &str) -> String {
    let clean = without_controls(text);
    if clean.chars().count() <= MAX_WIDTH { clean } else { clean.chars().take(MAX_WIDTH - 1).chain(['…']).collect() }
}

/// Three significant digits.
pub(crate) fn significant(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return value.to_string();
    }
    let digits = (2 - value.abs().log10().floor() as i32).clamp(0, 9) as usize;
    format!("{value:.digits$}")
}

#[derive(Serialize)]
struct HeadLine<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    verdict: &'a str,
    calibration: &'a str,
    warning: &'a str,
    note: &'a str,
    start: &'a str,
    target: &'a str,
    by: &'a Method,
    candidates: usize,
    abstained: &'a [String],
    remarks: &'a [String],
}

#[derive(Serialize)]
struct CandidateLine<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    rank: usize,
    intervention: String,
    perturbation: String,
    dose_um: Option<f64>,
    hours: Option<f64>,
    context: Option<&'a str>,
    score: f64,
    lower: Option<f64>,
    upper: Option<f64>,
    distance: f64,
    evidence: &'static str,
    n_wells: usize,
    nearest_reference: Option<&'a str>,
    nearest_moa: Option<&'a str>,
    support: Option<f64>,
    flags: &'a [String],
    measured_distance: Option<f64>,
    moa: Option<&'a str>,
    readout: Option<f64>,
    measured_readout: Option<f64>,
    cell_count_ratio: Option<f64>,
    cell_count_from: Option<&'static str>,
}

impl<'a> CandidateLine<'a> {
    fn of(row: &'a RankedIntervention) -> Self {
        Self {
            kind: "candidate",
            rank: row.rank,
            intervention: row.intervention.to_string(),
            perturbation: row.intervention.perturbation_names(),
            dose_um: row.intervention.as_single().and_then(|member| member.dose).map(|dose| dose.get()),
            hours: row.intervention.hours(),
            context: Some(row.context.as_str()).filter(|context| !context.is_empty()),
            score: row.score,
            lower: row.lower,
            upper: row.upper,
            distance: row.distance,
            evidence: row.evidence.word(),
            n_wells: row.n_wells,
            nearest_reference: row.nearest_reference.as_deref(),
            nearest_moa: row.nearest_moa.as_deref(),
            support: row.support,
            flags: &row.flags,
            measured_distance: row.measured_distance,
            moa: row.moa.as_deref(),
            readout: row.readout,
            measured_readout: row.measured_readout,
            cell_count_ratio: row.cells.map(|cells| cells.ratio),
            cell_count_from: row.cells.map(CellRatio::word),
        }
    }
}

pub(super) fn json(line: &impl Serialize) -> String {
    serde_json::to_string(line).expect("texts and numbers have a JSON") + "\n"
}

#[cfg(test)]
mod tests {
    use super::super::ranking::tests::example;
    use super::*;

    #[test]
    fn renders_an_aligned_table() {
        let expected = "\
the model beats log-dose interpolation on 31 of 40 held-out doses

DMSO -> Eg5 inhibitors, by lewm: 2 of 2 candidates
score: fraction of the way from start to target; distance: to the target, in latent units
80 % intervals: set by 12 calibration treatments
note: `Taxol` is read as `taxol`

rank  intervention                 score      interval  distance  measured  readout  measured readout  wells  cells  evidence          nearest            its moa                  moa                      flags
   1  taxol 0.3 µM                  0.94  0.81 to 0.99     0.212     0.250     1.50              1.75      3   0.75  measured here     epothilone B 1 µM  Microtubule stabilizers  Microtubule stabilizers
   2  AZ138 10 µM + taxol 0.03 µM  -0.12                    12.5                                           0         parts of the set                                                                       far from training, toxic

not ranked: unobtainium 1 µM: `unobtainium` was not in training and has no
descriptor
";
        assert_eq!(example().render(10, Shown::Wide), expected);
    }

    #[test]
    fn leaves_out_empty_columns_and_rows_beyond_the_top() {
        let mut ranking = example();
        ranking.rows[0].lower = None;
        ranking.abstained.clear();
        let rendered = ranking.render(1, Shown::Wide);
        assert!(rendered.contains("1 of 2 candidates"));
        assert!(!rendered.contains("  interval") && !rendered.contains("flags") && !rendered.contains("context"));
        assert_eq!(rendered.lines().count(), 9);
        assert_eq!(ranking.render(0, Shown::Wide).lines().count(), 6);
    }

    #[test]
    fn the_narrow_table_keeps_names_whole_in_80_characters() {
        let mut ranking = example();
        ranking.rows[0].flags = vec!["defines the target".into(), "held out of training".into(), "one well".into()];
        let text = ranking.render(10, Shown::Narrow);
        let table: Vec<&str> = text.lines().skip_while(|line| !line.starts_with("rank")).collect();
        assert_eq!(table[0], "rank  intervention                 score      interval  readout  flags");
        assert!(table[1..].iter().take(4).all(|line| line.chars().count() <= 80), "{text}");
        assert!(text.contains("AZ138 10 µM + taxol 0.03 µM  -0.12"), "{text}");
    }

    #[test]
    fn names_from_files_stay_on_their_line() {
        assert_eq!(on_one_line("a\nb\u{1b}[31m"), "a b [31m");
        assert_eq!(on_one_line(&"µ".repeat(60)).chars().count(), MAX_WIDTH);
    }

    #[test]
    fn three_digits_are_significant() {
        let cases = [(0.0, "0"), (1234.5, "1234"), (12.345, "12.3"), (0.012345, "0.0123"), (-3.0, "-3.00")];
        for (value, shown) in cases {
            assert_eq!(significant(value), shown);
        }
        assert_eq!(significant(f64::NAN), "NaN");
    }

    #[test]
    fn json_lines_hold_every_field() {
        let mut ranking = example();
        ranking.rows[1].score = f64::NAN;
        let text = ranking.json_lines(5);
        let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[0]["type"], "ranking");
        assert_eq!(lines[0]["candidates"], 2);
        assert!(lines[0]["abstained"][0].as_str().unwrap().starts_with("unobtainium 1 µM: "));
        assert_eq!(lines[1]["dose_um"], 0.3);
        assert_eq!(lines[1]["evidence"], "measured here");
        assert_eq!(lines[1]["moa"], "Microtubule stabilizers");
        assert_eq!(lines[2]["flags"][1], "toxic");
        assert_eq!(lines[2]["hours"], 24.0);
        assert!(lines[2]["score"].is_null() && lines[2]["context"].is_null());
    }
}
