//! What a run answers and how good the answers are: all that a page or a terminal shows of scores.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::coverage::coverage_rows;
use super::embeddings::embedding_rows;
use super::labels::label_scores;
use super::order::{order_rows, order_verdict};
use super::tracks::{TrackErrors, track_score_rows};
use super::treatments::{treatment_errors, treatment_score_rows, what_a_group_is};
use super::verdict::MethodErrors;
use super::wells::{readout_errors, readout_score_rows};
use super::{
    EmbeddingScore, EvaluateConfig, EvaluateError, Held, LabelGuess, Order, ScoreRow, Scores, TrackPrediction,
    TreatmentScore, Verdict, WellReadout,
};
use crate::pair::SplitBy;
use crate::predict::Method;
use crate::table::{FileError, write_atomically};

/// What was predicted of held-out units, with what was measured, by every method; of one fold, or of several.
#[derive(Debug, Clone, Default)]
pub struct Answers {
    /// What was predicted of which units.
    pub predicted: Predicted,
    /// How held-out treatments are ordered.
    pub orders: Vec<Order>,
    /// Labels of held-out wells.
    pub labels: Vec<LabelGuess>,
    /// Scores of treatments in embeddings.
    pub embeddings: Vec<EmbeddingScore>,
    /// Test treatments whose score in the ranking has an interval.
    pub held: Vec<Held>,
    /// What has to be known of them, each a sentence.
    pub notes: Vec<String>,
}

/// Predictions of held-out units next to what was measured of them.
#[derive(Debug, Clone)]
pub enum Predicted {
    /// Scores of single treatments.
    Treatments(Vec<TreatmentScore>),
    /// Readouts of the wells of a time lapse, of all parts of the split.
    Wells(Vec<WellReadout>),
    /// Tracks.
    Tracks(Vec<TrackPrediction>),
}

impl Default for Predicted {
    fn default() -> Self {
        Self::Treatments(Vec::new())
    }
}

impl Predicted {
    /// Adds those of another fold; the folds of a run are of one kind, and before the first nothing was predicted.
    fn extend(&mut self, other: Self) {
        match (self, other) {
            (Self::Treatments(own), Self::Treatments(others)) => own.extend(others),
            (Self::Wells(own), Self::Wells(others)) => own.extend(others),
            (Self::Tracks(own), Self::Tracks(others)) => own.extend(others),
            (own, other) => *own = other,
        }
    }

    /// Scores, errors and what has to be said of them.
    fn judged(&self, settings: &EvaluateConfig, by: SplitBy) -> Result<Judged<'_>, EvaluateError> {
        let bootstrap = &settings.bootstrap;
        Ok(match self {
            Self::Treatments(treatments) => Judged {
                rows: treatment_score_rows(settings, by, treatments)?,
                errors: Box::new(treatment_errors(treatments)),
                note: what_a_group_is(by, treatments),
            },
            Self::Wells(wells) => {
                let wells = scored(wells, settings);
                let rows = readout_score_rows(bootstrap, &wells)?;
                Judged { rows, errors: Box::new(readout_errors(&wells)), note: None }
            }
            Self::Tracks(tracks) => {
                let errors = TrackErrors::of(tracks);
                let note = errors.by_condition();
                Judged { rows: track_score_rows(bootstrap, tracks)?, errors: Box::new(errors), note }
            }
        })
    }
}

/// The readouts of the part that is scored; those of the other parts are written down only.
fn scored<'a>(wells: &'a [WellReadout], settings: &EvaluateConfig) -> Vec<&'a WellReadout> {
    wells.iter().filter(|readout| readout.part == settings.part).collect()
}

impl Answers {
    /// Adds the answers of another fold; a note is kept once.
    pub fn extend(&mut self, other: Self) {
        self.predicted.extend(other.predicted);
        self.orders.extend(other.orders);
        self.labels.extend(other.labels);
        self.embeddings.extend(other.embeddings);
        self.held.extend(other.held);
        self.notes.extend(other.notes.into_iter().filter(|note| !self.notes.contains(note)).collect::<Vec<_>>());
    }
}

/// Predictions of one kind of units, scored.
struct Judged<'a> {
    rows: Vec<ScoreRow>,
    /// What verdicts are about.
    errors: Box<dyn MethodErrors + 'a>,
    /// What has to be said of the errors as a whole.
    note: Option<String>,
}

/// Scores, verdicts and notes: `evaluation.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evaluation {
    /// Scores with their intervals, all tasks.
    pub scores: Scores,
    /// The prediction that the tool uses (all methods combined) against the best simple method.
    pub verdict: Option<Verdict>,
    /// The model alone against the best simple method.
    pub verdict_model: Option<Verdict>,
    /// The order of held-out treatments by the prediction that the tool uses, against that by the best simple method.
    pub verdict_order: Option<Verdict>,
    /// The order by the model alone against that by the best simple method.
    pub verdict_order_model: Option<Verdict>,
    /// The prediction that the tool uses against each other method that covers half of what was asked.
    pub against: Vec<Verdict>,
    /// What has to be known to read the scores, each a sentence.
    pub notes: Vec<String>,
    /// Configurations that were tried before this one was scored, as the configuration says.
    pub configurations_tried: usize,
}

impl Evaluation {
    /// Scores `answers`, which were held out by `by`.
    ///
    /// # Errors
    /// When a score is not finite.
    pub fn of(settings: &EvaluateConfig, by: SplitBy, answers: &Answers) -> Result<Self, EvaluateError> {
        let bootstrap = &settings.bootstrap;
        let Judged { mut rows, errors, note } = answers.predicted.judged(settings, by)?;
        rows.extend(order_rows(bootstrap, by, &answers.orders)?);
        rows.extend(embedding_rows(&answers.embeddings, bootstrap)?);
        rows.extend(coverage_rows(&answers.held, settings.alpha, bootstrap)?);
        let mut notes: Vec<String> = note.into_iter().collect();
        notes.extend(answers.notes.iter().cloned());
        let (of_labels, notes_on_labels) = label_scores(settings, &answers.labels)?;
        rows.extend(of_labels);
        notes.extend(notes_on_labels);
        let mut against = Vec::new();
        for rival in errors.methods().into_iter().filter(|method| **method != Method::Combined) {
            against.extend(errors.verdict(&Method::Combined, &|method| method == rival, bootstrap)?);
        }
        Ok(Self {
            scores: Scores { rows },
            verdict: errors.verdict(&Method::Combined, &Method::is_baseline, bootstrap)?,
            verdict_model: errors.verdict(&Method::Model, &Method::is_baseline, bootstrap)?,
            verdict_order: order_verdict(bootstrap, &Method::Combined, &answers.orders)?,
            verdict_order_model: order_verdict(bootstrap, &Method::Model, &answers.orders)?,
            against,
            notes,
            configurations_tried: settings.configurations_tried,
        })
    }

    /// The prediction that the tool uses against `rival`; `None` where it answered too little.
    pub fn against(&self, rival: &Method) -> Option<&Verdict> {
        self.against.iter().find(|verdict| verdict.baseline == *rival)
    }

    /// Writes `evaluation.json`, whole or not at all.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), FileError> {
        let json = serde_json::to_vec_pretty(self).expect("our own types serialize");
        write_atomically(path, |file| std::io::Write::write_all(file, &json))
    }

    /// What [`Evaluation::write`] wrote.
    ///
    /// # Errors
    /// When the file is missing or is not an evaluation.
    pub fn read(path: &Path) -> Result<Self, FileError> {
        let json = std::fs::read(path).map_err(FileError::read(path))?;
        serde_json::from_slice(&json).map_err(|error| {
            FileError::damaged(
                path,
                format!("is not an evaluation ({error}); delete it, and `cytonaut run` makes it anew"),
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::{Bootstrap, Claim};
    use crate::pair::Part;
    use crate::screen::{Intervention, Kind, Micromolar, Treatment};

    fn treatment(name: &str) -> Treatment {
        Treatment {
            intervention: Intervention::single(name, Kind::Compound, Micromolar::new(1.0)),
            context: String::new(),
        }
    }

    fn settings() -> EvaluateConfig {
        EvaluateConfig { bootstrap: Bootstrap { resamples: 500, seed: 1 }, ..EvaluateConfig::default() }
    }

    /// Twelve treatments: the combination misses by 1 + a little, interpolation by 3, no change by 5, each by treatment.
    fn answers() -> Answers {
        let mut treatments = Vec::new();
        for number in 0..12 {
            let wobble = 0.01 * f64::from(number);
            for (method, value) in
                [(Method::Combined, 1.0 + wobble), (Method::Interpolation, 3.0), (Method::NoChange, 5.0 - wobble)]
            {
                let treatment = treatment(&format!("compound {number}"));
                let position = if number == 0 { "unseen" } else { "interior" };
                treatments.push(TreatmentScore { method, treatment, position, metric: "mse", value });
            }
        }
        Answers {
            predicted: Predicted::Treatments(treatments),
            notes: vec!["one of two".to_owned()],
            ..Answers::default()
        }
    }

    #[test]
    fn scores_are_means_and_the_verdict_is_against_the_best_simple_method() {
        let found = Evaluation::of(&settings(), SplitBy::Dose, &answers()).unwrap();
        let mean = |method: &str, subset: &str| {
            let row = found.scores.rows.iter().find(|row| row.method == method && row.subset == subset).unwrap();
            assert_eq!((row.task.as_str(), row.metric.as_str()), ("unseen dose", "mse"));
            (row.value, row.n_items)
        };
        assert!((mean("combined", "all").0 - 1.055).abs() < 1e-12);
        assert_eq!(mean("interpolation", "interior"), (3.0, 11));
        assert_eq!(mean("interpolation", "unseen"), (3.0, 1));
        let verdict = found.verdict.as_ref().unwrap();
        assert_eq!((&verdict.model, &verdict.baseline), (&Method::Combined, &Method::Interpolation));
        assert!((verdict.difference.estimate.mean - (1.055 - 3.0)).abs() < 1e-12);
        assert_eq!(verdict.difference.claim, Claim::Lower);
        assert_eq!(found.verdict_model, None, "the model did not answer");
        let rivals: Vec<&Method> = found.against.iter().map(|verdict| &verdict.baseline).collect();
        assert_eq!(rivals, [&Method::Interpolation, &Method::NoChange]);
        let gain = found.against(&Method::NoChange).unwrap().difference.estimate.mean;
        assert!((gain - (1.055 - 4.945)).abs() < 1e-12, "{gain}");
        assert_eq!(found.against(&Method::MeanShift), None);
        assert_eq!(found.notes, ["one of two"]);
    }

    #[test]
    fn what_goes_with_a_plate_is_said() {
        let found = Evaluation::of(&settings(), SplitBy::Plate, &answers()).unwrap();
        assert!(found.notes[0].starts_with("1 of 12 held-out treatments are of perturbations that no training plate"));
    }

    #[test]
    fn folds_are_pooled_and_their_notes_said_once() {
        let mut pooled = answers();
        let mut other = answers();
        let Predicted::Treatments(scores) = &mut other.predicted else { unreachable!("made above") };
        scores.iter_mut().for_each(|score| score.value += 1.0);
        other.notes.push("another".to_owned());
        pooled.extend(other);
        assert_eq!(pooled.notes, ["one of two", "another"]);
        let found = Evaluation::of(&settings(), SplitBy::Dose, &pooled).unwrap();
        let row = found.scores.rows.iter().find(|row| row.method == "interpolation" && row.subset == "all").unwrap();
        assert_eq!((row.value, row.n_items, row.n_units), (3.5, 24, 12));
        let verdict = found.verdict.unwrap();
        assert_eq!(
            verdict.difference.estimate.n_items, 12,
            "a treatment tested in two folds is one item of the verdict"
        );
    }

    #[test]
    fn wells_of_other_parts_are_not_scored() {
        let well = |part: Part, method: Method, predicted: f64| WellReadout {
            unit: crate::evaluate::UnitName::Well { plate: "p".to_owned(), well: None },
            treatment: treatment("forskolin"),
            fold: 0,
            part,
            method,
            predicted,
            observed: 1.0,
        };
        let wells = vec![
            well(Part::Test, Method::Combined, 1.5),
            well(Part::Test, Method::NoChange, 3.0),
            well(Part::Train, Method::Combined, 100.0),
        ];
        let found = Evaluation::of(
            &settings(),
            SplitBy::Dose,
            &Answers { predicted: Predicted::Wells(wells), ..Answers::default() },
        )
        .unwrap();
        let rmse = |method: &str| {
            found.scores.rows.iter().find(|row| row.method == method && row.metric == "rmse").unwrap().value
        };
        assert_eq!((rmse("combined"), rmse("no_change")), (0.5, 2.0));
        assert_eq!(found.verdict.unwrap().difference.claim, Claim::TooFewUnits);
    }

    #[test]
    fn what_is_written_reads_back_to_the_same_text() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("evaluation.json");
        let mut written = Evaluation::of(&settings(), SplitBy::Dose, &answers()).unwrap();
        written.scores.rows[0].value = f64::NAN;
        written.scores.rows[1].value = f64::NEG_INFINITY;
        written.write(&path).unwrap();
        let read = Evaluation::read(&path).unwrap();
        assert_eq!(read.summary(false), written.summary(false));
        assert_eq!(read.verdicts(), written.verdicts());
        assert_eq!(read.scores.to_text(), written.scores.to_text());
        std::fs::write(&path, "{}").unwrap();
        let error = Evaluation::read(&path).unwrap_err().to_string();
        assert!(error.contains("evaluation.json: is not an evaluation (missing field"), "{error}");
    }

    #[test]
    fn the_summary_has_a_line_for_each_method_best_first() {
        let found = Evaluation::of(&settings(), SplitBy::Dose, &answers()).unwrap();
        let text = found.summary(false);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "held-out doses: 12 treatments of 12 perturbations");
        assert!(lines[1].starts_with("method"), "{text}");
        let names: Vec<&str> = lines[2..5].iter().filter_map(|line| line.split_whitespace().next()).collect();
        assert_eq!(names, ["combined", "interpolation", "no_change"]);
        assert!(lines.iter().all(|line| line.chars().count() <= 80), "{text}");
        assert!(lines.contains(&"one of two"), "{text}");
        let many = Evaluation { configurations_tried: 7, ..found };
        assert!(many.summary(false).starts_with("scored after 7 configurations had been tried\n"));
    }
}
