//! Scores as rows, as a table, and as text for people.

use std::path::Path;

use super::super::{Estimate, EvaluateError};
use super::anchors::Scored;
use super::deltas::Truth;
use super::matched::Matched;
use super::{ExternalSettings, Metric, Predictor};
use crate::table::{Column, FileError, Side, Table, TextTable, counted, paragraph, sentence};

/// The score of a predictor by a metric.
#[derive(Debug, Clone, PartialEq)]
pub struct ExternalRow {
    /// What is measured.
    pub metric: Metric,
    /// Whose score it is.
    pub predictor: Predictor,
    /// The mean over perturbations, with its interval.
    pub estimate: Estimate,
    /// Where it lies between the mean response, 0, and the technical duplicate, 1.
    pub scale: Option<f64>,
    /// The 95 % interval of `scale`.
    pub scale_interval: Option<(f64, f64)>,
    /// Share of perturbations at which the duplicate is better than the mean response, with its interval.
    pub duplicate_wins: Option<Estimate>,
}

/// The scores of one perturbation.
#[derive(Debug, Clone, PartialEq)]
pub struct ExternalItem {
    /// Cell line or donor; empty where no column says so.
    pub context: String,
    /// What was done.
    pub name: String,
    /// Whose score it is.
    pub predictor: Predictor,
    /// What is measured.
    pub metric: Metric,
    /// The score; `None` where it is undefined.
    pub value: Option<f64>,
}

/// What a file of predictions scores.
#[derive(Debug, Clone, PartialEq)]
pub struct ExternalScores {
    /// One row for each metric and predictor.
    pub rows: Vec<ExternalRow>,
    /// The scores of each perturbation.
    pub items: Vec<ExternalItem>,
    /// What there is to know of the comparison.
    pub notes: Vec<String>,
}

/// The predictors in the order in which they are shown.
const PREDICTORS: [Predictor; 4] =
    [Predictor::Predictions, Predictor::MeanResponse, Predictor::NoChange, Predictor::Duplicate];

pub(super) fn summarize(
    scored: Scored,
    matched: &Matched,
    truth: &Truth,
    settings: &ExternalSettings,
    note: Option<String>,
) -> Result<ExternalScores, EvaluateError> {
    let bootstrap = &settings.bootstrap;
    let mut scores = ExternalScores { rows: Vec::new(), items: Vec::new(), notes: matched.notes.clone() };
    scores.notes.extend(notes_on_duplicates(matched, truth));
    scores.notes.extend(note);
    for metric in Metric::ALL {
        let (wins, units) = scored.duplicate_wins(metric);
        let duplicate_wins = (!wins.is_empty()).then(|| bootstrap.share(&wins, &units)).transpose()?;
        for predictor in PREDICTORS {
            let (values, units) = scored.defined(metric, predictor);
            if values.is_empty() {
                continue;
            }
            let estimate = match metric.range() {
                Some(range) => bootstrap.bounded(&values, &units, range)?,
                None => bootstrap.mean(&values, &units)?,
            };
            let scaled = scored.scaled(metric, predictor, bootstrap);
            scores.rows.push(ExternalRow {
                metric,
                predictor,
                estimate,
                scale: scaled.map(|scaled| scaled.value),
                scale_interval: scaled.and_then(|scaled| scaled.interval),
                duplicate_wins,
            });
        }
    }
    for (&(metric, predictor), values) in &scored.by {
        for (item, value) in matched.items.iter().zip(values) {
            scores.items.push(ExternalItem {
                context: matched.contexts[item.context].clone(),
                name: item.response.name.clone(),
                predictor,
                metric,
                value: *value,
            });
        }
    }
    Ok(scores)
}

/// What is to be known of the halves.
fn notes_on_duplicates(matched: &Matched, truth: &Truth) -> Vec<String> {
    let n_single = truth.n_rows.iter().filter(|n| **n < 2).count();
    let mut notes = Vec::new();
    match n_single {
        0 => {}
        n if n == matched.items.len() => notes.push(
            "the truth has one row for each perturbation: there is no technical duplicate, and the scale has no upper anchor; \
             give its cells or wells"
                .to_owned(),
        ),
        n => notes.push(format!("{} with a single row in the truth, which has no duplicate", counted(n, "perturbation"))),
    }
    if n_single < matched.items.len() && !truth.is_control_halved {
        notes.push("a control has a single row: both halves of a duplicate are compared with it".to_owned());
    }
    notes
}

impl ExternalScores {
    /// The row of a metric and a predictor.
    pub fn row(&self, metric: Metric, predictor: Predictor) -> Option<&ExternalRow> {
        self.rows.iter().find(|row| row.metric == metric && row.predictor == predictor)
    }

    /// Metrics at which the technical duplicate is not shown to be better than the mean response.
    pub fn doubtful(&self) -> Vec<(Metric, f64)> {
        let of_predictions = self.rows.iter().filter(|row| row.predictor == Predictor::Predictions);
        let doubtful = |row: &ExternalRow| {
            let share = row.duplicate_wins?;
            let lower = share.interval.map_or(share.mean, |(lower, _)| lower);
            (lower <= 0.5).then_some((row.metric, share.mean))
        };
        of_predictions.filter_map(doubtful).collect()
    }

    /// The main table in lines of 80 characters, with what is to be said below it.
    pub fn to_text(&self) -> String {
        let mut text = TextTable::new([
            ("metric", Side::Left),
            ("score", Side::Right),
            ("95 %", Side::Right),
            ("mean", Side::Right),
            ("none", Side::Right),
            ("dup.", Side::Right),
            ("scale", Side::Right),
            ("d>m", Side::Right),
        ]);
        let mut n_perturbations = 0;
        for metric in Metric::ALL {
            let Some(own) = self.row(metric, Predictor::Predictions) else { continue };
            n_perturbations = n_perturbations.max(own.estimate.n_items);
            let of = |predictor| self.row(metric, predictor).map(|row| short(row.estimate.mean)).unwrap_or_default();
            let interval = own.estimate.interval;
            text.push([
                metric.word().to_owned(),
                short(own.estimate.mean),
                interval.map(|(lower, upper)| format!("{}..{}", short(lower), short(upper))).unwrap_or_default(),
                of(Predictor::MeanResponse),
                of(Predictor::NoChange),
                of(Predictor::Duplicate),
                own.scale.map(|scale| format!("{scale:.2}")).unwrap_or_default(),
                own.duplicate_wins.map(|share| format!("{:.2}", share.mean)).unwrap_or_default(),
            ]);
        }
        let has_interval = self.rows.iter().any(|row| row.estimate.interval.is_some());
        let has_duplicate = self.rows.iter().any(|row| row.predictor == Predictor::Duplicate);
        let mut below = format!(
            "{}. score: predictions{}; mean: the mean response of the context; none: no change from the control.",
            counted(n_perturbations, "perturbation"),
            if has_interval { ", with the 95 % interval over perturbations" } else { "" }
        );
        if has_duplicate {
            below += " dup.: one random half of the truth's rows as the prediction of the other; scale: 0 is the mean \
                      response, 1 the duplicate; d>m: share of perturbations at which the duplicate is better than the mean \
                      response.";
        }
        let errors: Vec<&str> = (Metric::ALL.into_iter())
            .filter(|metric| metric.is_error() && self.row(*metric, Predictor::Predictions).is_some())
            .map(Metric::word)
            .collect();
        below += &format!(" Less is better for {}.", errors.join(", "));
        let mut shown = format!("{}\n{}", text.without_empty_columns(), paragraph(&below));
        let doubtful: Vec<String> =
            self.doubtful().iter().map(|(metric, share)| format!("{} ({share:.2})", metric.word())).collect();
        if !doubtful.is_empty() {
            let doubt = format!(
                "On these data {} {} little: the share of perturbations at which the duplicate is better than the mean \
                 response is not shown to be above one half.",
                doubtful.join(", "),
                if doubtful.len() == 1 { "says" } else { "say" }
            );
            shown += &format!("\n{}", paragraph(&doubt));
        }
        for note in &self.notes {
            shown += &format!("\n{}", paragraph(&sentence(note)));
        }
        shown
    }

    /// One JSON object a line: the scores, and the notes.
    pub fn json_lines(&self) -> String {
        let mut lines = String::new();
        for row in &self.rows {
            let (lower, upper) = row.estimate.interval.unzip();
            let (scale_lower, scale_upper) = row.scale_interval.unzip();
            let object = serde_json::json!({
                "type": "score",
                "metric": row.metric.word(),
                "variant": row.metric.variant(),
                "better": better(row.metric),
                "method": row.predictor.word(),
                "value": row.estimate.mean,
                "lower": lower,
                "upper": upper,
                "scale": row.scale,
                "scale_lower": scale_lower,
                "scale_upper": scale_upper,
                "duplicate_beats_mean": row.duplicate_wins.map(|share| share.mean),
                "n_items": row.estimate.n_items,
                "n_units": row.estimate.n_units,
            });
            lines += &format!("{object}\n");
        }
        for note in &self.notes {
            lines += &format!("{}\n", serde_json::json!({ "type": "note", "note": note }));
        }
        lines
    }

    /// Writes the scores as the ending of `path` says.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), FileError> {
        let text = |of: &dyn Fn(&ExternalRow) -> &'static str| {
            Column::Text(self.rows.iter().map(|row| Some(of(row).to_owned())).collect())
        };
        let number = |of: &dyn Fn(&ExternalRow) -> Option<f64>| Column::Number(self.rows.iter().map(of).collect());
        let count = |of: &dyn Fn(&ExternalRow) -> usize| {
            Column::Integer(self.rows.iter().map(|row| Some(of(row) as i64)).collect())
        };
        let lower = |interval: Option<(f64, f64)>| interval.map(|(lower, _)| lower);
        let upper = |interval: Option<(f64, f64)>| interval.map(|(_, upper)| upper);
        let table = Table::new()
            .with("metric", "what is measured", text(&|row| row.metric.word()))
            .with("variant", "the definition that is followed", text(&|row| row.metric.variant()))
            .with("better", "`higher` or `lower`", text(&|row| better(row.metric)))
            .with("method", "whose score it is", text(&|row| row.predictor.word()))
            .with("value", "mean over perturbations", number(&|row| Some(row.estimate.mean)))
            .with("lower", "lower end of its 95 % interval", number(&|row| lower(row.estimate.interval)))
            .with("upper", "upper end of its 95 % interval", number(&|row| upper(row.estimate.interval)))
            .with("scale", "0 is the mean response, 1 the technical duplicate", number(&|row| row.scale))
            .with("scale_lower", "lower end of the 95 % interval of `scale`", number(&|row| lower(row.scale_interval)))
            .with("scale_upper", "upper end of the 95 % interval of `scale`", number(&|row| upper(row.scale_interval)))
            .with(
                "duplicate_beats_mean",
                "share of perturbations at which the duplicate is better than the mean response",
                number(&|row| row.duplicate_wins.map(|share| share.mean)),
            )
            .with("n_items", "perturbations averaged, in each context once", count(&|row| row.estimate.n_items))
            .with("n_units", "independent perturbations", count(&|row| row.estimate.n_units))
            .with_fact("notes", self.notes.join("\n"));
        table.write(path)
    }

    /// Writes the scores of each perturbation as the ending of `path` says.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_items(&self, path: &Path) -> Result<(), FileError> {
        let text = |of: &dyn Fn(&ExternalItem) -> Option<String>| Column::Text(self.items.iter().map(of).collect());
        let table = Table::new()
            .with(
                "context",
                "context; null where the files have none",
                text(&|item| (!item.context.is_empty()).then(|| item.context.clone())),
            )
            .with("perturbation", "what was done", text(&|item| Some(item.name.clone())))
            .with("method", "whose score it is", text(&|item| Some(item.predictor.word().to_owned())))
            .with("metric", "what is measured", text(&|item| Some(item.metric.word().to_owned())))
            .with(
                "value",
                "the score; null where it is undefined",
                Column::Number(self.items.iter().map(|item| item.value).collect()),
            );
        table.write(path)
    }
}

fn better(metric: Metric) -> &'static str {
    if metric.is_error() { "lower" } else { "higher" }
}

/// A number in six characters, or few more.
fn short(value: f64) -> String {
    match value.abs() {
        size if size < 1e-15 => "0".to_owned(),
        size if size < 0.000_95 => format!("{value:.0e}"),
        size if size < 0.01 => format!("{value:.4}"),
        size if size < 10.0 => format!("{value:.3}"),
        size if size < 1000.0 => format!("{value:.1}"),
        size if size < 100_000.0 => format!("{value:.0}"),
        _ => format!("{value:.0e}"),
    }
}
