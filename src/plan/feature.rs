//! Interventions in order of one feature, as it is predicted of each: what makes it low, or high.

use std::path::Path;

use serde::Serialize;

use super::config::Far;
use super::facts::{ONE_WELL, is_far};
use super::show::{NARROW, json, significant, without_controls};
use crate::predict::Method;
use crate::screen::Intervention;
use crate::table::{Column, FileError, Side, Table, TextTable, paragraph};

/// Which end of a feature is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aim {
    /// Low values.
    Minimize,
    /// High values.
    Maximize,
}

impl Aim {
    /// What stands first.
    fn words(self) -> &'static str {
        match self {
            Self::Minimize => "lowest first",
            Self::Maximize => "highest first",
        }
    }
}

/// One candidate with its place in the list.
#[derive(Debug, Clone, PartialEq)]
pub struct FeatureRow {
    /// Place in the list, counted from 1.
    pub rank: usize,
    /// What would be done.
    pub intervention: Intervention,
    /// Where it would be done; empty where the screen has one context.
    pub context: String,
    /// The feature as predicted.
    pub predicted: f64,
    /// Ends of the interval of `predicted`; `None` without calibration.
    pub interval: Option<(f64, f64)>,
    /// The mean over its wells, where it was measured.
    pub measured: Option<f64>,
    /// In how many wells it was measured.
    pub n_wells: usize,
    /// Mechanism of action, where the screen names one.
    pub moa: Option<String>,
    /// Warnings, in words.
    pub flags: Vec<String>,
}

/// Candidates in order of one feature, the wanted end first.
#[derive(Debug, Clone, PartialEq)]
pub struct FeatureRanking {
    /// The feature.
    pub feature: String,
    /// In which unit its values are, in words.
    pub unit: &'static str,
    /// Which end stands first.
    pub aim: Aim,
    /// Who predicts.
    pub by: Method,
    /// Its value in untreated cells, where there are any.
    pub untreated: Option<f64>,
    /// One sentence: how predicted and measured values agree on held-out treatments.
    pub verdict: String,
    /// One sentence: where the intervals come from, or why there are none.
    pub calibration: String,
    /// One sentence on contexts that are not ranked; empty where there are none.
    pub note: String,
    /// The candidates.
    pub rows: Vec<FeatureRow>,
    /// Candidates of which nothing is predicted, each with its reason.
    pub abstained: Vec<String>,
}

impl FeatureRanking {
    /// Puts the rows in order and numbers them.
    ///
    /// Candidates far from what was measured become what `far` says, and are counted in the note.
    pub fn sort(&mut self, far: Far) {
        let n_far = self.rows.iter().filter(|row| is_far(&row.flags)).count();
        if n_far > 0 {
            let separator = if self.note.is_empty() { "" } else { ". " };
            self.note += &format!("{separator}{}", far.in_words(n_far));
        }
        let comes_last = |row: &FeatureRow| far == Far::Last && is_far(&row.flags);
        if far == Far::LeaveOut {
            self.rows.retain(|row| !is_far(&row.flags));
        }
        self.rows.sort_by(|a, b| {
            let (low, high) = match self.aim {
                Aim::Minimize => (a, b),
                Aim::Maximize => (b, a),
            };
            let by_value = low.predicted.total_cmp(&high.predicted);
            comes_last(a).cmp(&comes_last(b)).then(by_value).then_with(|| a.intervention.cmp(&b.intervention))
        });
        self.rows.iter_mut().zip(1..).for_each(|(row, rank)| row.rank = rank);
    }

    /// Writes the list as the ending of `path` says.
    ///
    /// # Errors
    /// [`FileError::Ending`], [`FileError::Write`].
    pub fn write(&self, path: &Path) -> Result<(), FileError> {
        self.table().write(path)
    }

    /// What was asked, what is known of the answer, and the first `top` rows, in lines of 80 characters.
    pub fn render(&self, top: usize) -> String {
        let Self { feature, unit, aim, by, untreated, verdict, calibration, note, rows, abstained } = self;
        let shown = &rows[..top.min(rows.len())];
        let mut text = paragraph(&format!(
            "{feature} ({unit}), {}, by {by}: {} of {} candidates",
            aim.words(),
            shown.len(),
            rows.len()
        ));
        if let Some(value) = untreated {
            text += &format!("untreated cells: {}\n", significant(*value));
        }
        for sentence in [verdict, calibration, note].into_iter().filter(|sentence| !sentence.is_empty()) {
            text += &paragraph(sentence);
        }
        if !shown.is_empty() {
            text += &format!("\n{}", table_of(shown));
        }
        if let Some(first) = abstained.first() {
            let others = match abstained.len() {
                1 => String::new(),
                n => format!(", and {} more", n - 1),
            };
            text += &format!("\n{}", paragraph(&format!("not ranked: {}{others}", without_controls(first))));
        }
        text
    }

    /// One JSON object a line: the question, then the first `top` rows.
    pub fn json_lines(&self, top: usize) -> String {
        let head = Head {
            kind: "feature_ranking",
            feature: &self.feature,
            unit: self.unit,
            order: self.aim.words(),
            by: &self.by,
            untreated: self.untreated,
            verdict: &self.verdict,
            calibration: &self.calibration,
            note: &self.note,
            candidates: self.rows.len(),
            abstained: &self.abstained,
        };
        let line = |row: &FeatureRow| {
            json(&Line {
                kind: "candidate",
                rank: row.rank,
                intervention: row.intervention.to_string(),
                perturbation: row.intervention.perturbation_names(),
                context: Some(row.context.as_str()).filter(|context| !context.is_empty()),
                predicted: row.predicted,
                lower: row.interval.map(|(lower, _)| lower),
                upper: row.interval.map(|(_, upper)| upper),
                measured: row.measured,
                n_wells: row.n_wells,
                moa: row.moa.as_deref(),
                flags: &row.flags,
            })
        };
        json(&head) + &self.rows.iter().take(top).map(line).collect::<String>()
    }

    fn table(&self) -> Table {
        let number = |of: fn(&FeatureRow) -> Option<f64>| Column::Number(self.rows.iter().map(of).collect());
        let text = |of: &dyn Fn(&FeatureRow) -> Option<String>| Column::Text(self.rows.iter().map(of).collect());
        let whole =
            |of: fn(&FeatureRow) -> usize| Column::Integer(self.rows.iter().map(|row| Some(of(row) as i64)).collect());
        Table::new()
            .with_fact("feature", &self.feature)
            .with_fact("unit", self.unit)
            .with_fact("order", self.aim.words())
            .with_fact("by", self.by.to_string())
            .with_fact("verdict", &self.verdict)
            .with_fact("calibration", &self.calibration)
            .with("rank", "place in the list, counted from 1", whole(|row| row.rank))
            .with_interventions(self.rows.iter().map(|row| &row.intervention))
            .with(
                "context",
                "context (cell line, time or donor); null where the screen has one context",
                text(&|row| Some(row.context.clone()).filter(|context| !context.is_empty())),
            )
            .with("feature", "the feature that is ranked by", text(&|_| Some(self.feature.clone())))
            .with(
                "predicted",
                "its predicted value, in the unit that the fact `unit` names",
                number(|row| Some(row.predicted)),
            )
            .with("lower", "lower end of the interval of predicted", number(|row| Some(row.interval?.0)))
            .with("upper", "upper end of the interval of predicted", number(|row| Some(row.interval?.1)))
            .with("measured", "mean over its wells; null where it was not measured", number(|row| row.measured))
            .with("n_wells", "wells in which it was measured; 0 when only predicted", whole(|row| row.n_wells))
            .with("moa", "mechanism of action, where the screen names one", text(&|row| row.moa.clone()))
            .with(
                "flags",
                "warnings, separated by `; `",
                text(&|row| Some(row.flags.join("; ")).filter(|flags| !flags.is_empty())),
            )
    }
}

fn table_of(rows: &[FeatureRow]) -> TextTable {
    let mut table = TextTable::new([
        ("rank", Side::Right),
        ("intervention", Side::Left),
        ("predicted", Side::Right),
        ("interval", Side::Right),
        ("measured", Side::Right),
        ("wells", Side::Right),
        ("flags", Side::Left),
    ]);
    for row in rows {
        let interval = |(lower, upper): (f64, f64)| format!("{} to {}", significant(lower), significant(upper));
        table.push([
            row.rank.to_string(),
            without_controls(&row.intervention.to_string()),
            significant(row.predicted),
            row.interval.map_or(String::new(), interval),
            row.measured.map_or(String::new(), significant),
            row.n_wells.to_string(),
            // The column before says that.
            without_controls(
                &row.flags.iter().filter(|flag| *flag != ONE_WELL).cloned().collect::<Vec<_>>().join(", "),
            ),
        ]);
    }
    table.without_empty_columns().within(NARROW)
}

#[derive(Serialize)]
struct Head<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    feature: &'a str,
    unit: &'static str,
    order: &'static str,
    by: &'a Method,
    untreated: Option<f64>,
    verdict: &'a str,
    calibration: &'a str,
    note: &'a str,
    candidates: usize,
    abstained: &'a [String],
}

#[derive(Serialize)]
struct Line<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    rank: usize,
    intervention: String,
    perturbation: String,
    context: Option<&'a str>,
    predicted: f64,
    lower: Option<f64>,
    upper: Option<f64>,
    measured: Option<f64>,
    n_wells: usize,
    moa: Option<&'a str>,
    flags: &'a [String],
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::{Kind, Micromolar};

    fn ranking(aim: Aim) -> FeatureRanking {
        let row = |name: &str, predicted: f64| FeatureRow {
            rank: 0,
            intervention: Intervention::single(name, Kind::Compound, Micromolar::new(1.0)),
            context: String::new(),
            predicted,
            interval: Some((predicted - 0.25, predicted + 0.25)),
            measured: (name != "unmeasured").then_some(predicted - 0.1),
            n_wells: usize::from(name != "unmeasured"),
            moa: None,
            flags: vec!["one well".into()],
        };
        let mut ranking = FeatureRanking {
            feature: "viability".into(),
            unit: "units of the files",
            aim,
            by: Method::Model,
            untreated: Some(0.0125),
            verdict: String::new(),
            calibration: "80 % intervals".into(),
            note: String::new(),
            rows: vec![row("b", -0.5), row("a", 1250.0), row("unmeasured", -0.5)],
            abstained: vec!["z 1 µM: it was not measured in this context".into(), "y 1 µM: no".into()],
        };
        ranking.sort(Far::Last);
        ranking
    }

    #[test]
    fn the_wanted_end_stands_first_and_ties_go_by_name() {
        let names = |aim| ranking(aim).rows.iter().map(|row| row.intervention.to_string()).collect::<Vec<_>>();
        assert_eq!(names(Aim::Minimize), ["b 1 µM", "unmeasured 1 µM", "a 1 µM"]);
        assert_eq!(names(Aim::Maximize), ["a 1 µM", "b 1 µM", "unmeasured 1 µM"]);
    }

    #[test]
    fn reads_as_written_down() {
        let expected = "\
viability (units of the files), lowest first, by lewm: 2 of 3 candidates
untreated cells: 0.0125
80 % intervals

rank  intervention     predicted          interval  measured  wells
   1  b 1 µM              -0.500  -0.750 to -0.250    -0.600      1
   2  unmeasured 1 µM     -0.500  -0.750 to -0.250                0

not ranked: z 1 µM: it was not measured in this context, and 1 more
";
        assert_eq!(ranking(Aim::Minimize).render(2), expected);
    }

    #[test]
    fn every_column_and_line_is_documented_and_whole() {
        let ranking = ranking(Aim::Maximize);
        assert!(ranking.table().columns().iter().all(|column| !column.doc.is_empty()));
        let lines = ranking.json_lines(1);
        let lines: Vec<serde_json::Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(
            (lines.len(), &lines[0]["order"], &lines[1]["predicted"]),
            (2, &"highest first".into(), &1250.0.into())
        );
    }
}
