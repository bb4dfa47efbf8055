//! Whether the label of a held-out well is that of its nearest training wells, beside simple ways to tell it.

use std::collections::{BTreeMap, BTreeSet};

use super::spaces::{LATENTS, Space};
use super::{Evaluation, Prepared, StudyError};
use crate::config::Config;
use crate::evaluate::{Bootstrap, Claim, DRAWS, EvaluateError, Guess, ScoreRow, nearest_labels, relabeling_p_value};
use crate::pair::Part;
use crate::screen::{Observation, Role, Screen, Treatment, Well};
use crate::table::{Column, Table};

/// What the neighbors of one held-out well say of its label, in one space.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelGuess {
    /// The plate.
    pub plate: String,
    /// The well.
    pub well: Option<Well>,
    /// What was done.
    pub treatment: Treatment,
    /// The fold in which it was held out.
    pub fold: usize,
    /// The space, or the simple method.
    pub method: String,
    /// The true label.
    pub label: String,
    /// The label of most of its neighbors, or several with equally many of equal distance.
    pub guessed: Vec<String>,
    /// Mean distance to the training wells of its label over that to all others; `None` where there is no distance.
    pub own_over_other: Option<f64>,
}

/// What these scores are called in `scores.parquet`.
pub(super) const LABEL_TASK: &str = "label of held-out wells";

/// Of more labels, none is scored by itself.
const MOST_SHOWN: usize = 12;

/// The guess that knows how common labels are, and nothing else.
const MAJORITY: &str = "majority";

/// Methods that look at where a well stands, and what they look at in words.
const LAYOUT: [(&str, &str); 3] =
    [("plate_column", "plate column"), ("plate_row", "plate row"), ("plate_only", "plate")];

/// Distances of each query to each reference, `[query][reference]`.
type Distances = Vec<Vec<f64>>;

/// Guesses of the labels of the wells of `config.evaluate.part`, by the training wells nearest to them in every space.
///
/// The label is `config.evaluate.label`, or the treatment. Wells whose label no training well has are left out: nobody could
/// tell it.
///
/// # Errors
/// When the screen has no such label.
pub(super) fn guesses(config: &Config, wells: &Prepared, spaces: &[Space]) -> Result<Vec<LabelGuess>, StudyError> {
    let screen = &wells.screen;
    let labels = labels_of(screen, &config.evaluate.label)?;
    let of_part = |part: Part| -> Vec<usize> {
        let is_labelled = |row: &usize| labels[*row].is_some() && screen.observations[*row].role != Role::Empty;
        wells.split.rows(part).into_iter().filter(is_labelled).collect()
    };
    let references = of_part(Part::Train);
    let label = |row: usize| labels[row].as_deref().expect("kept for having one");
    let known: BTreeSet<&str> = references.iter().map(|&row| label(row)).collect();
    let mut queries = of_part(config.evaluate.part);
    queries.retain(|&row| known.contains(label(row)));
    if known.len() < 2 || queries.is_empty() {
        return Ok(Vec::new());
    }
    let of_references: Vec<&str> = references.iter().map(|&row| label(row)).collect();
    let mut found = Vec::new();
    for (method, distances) in ways(screen, spaces, &queries, &references) {
        let is_distance = method != MAJORITY && LAYOUT.iter().all(|(name, _)| *name != method);
        for (&row, distances) in queries.iter().zip(&distances) {
            let guessed = nearest_labels(distances, &of_references, config.evaluate.neighbors);
            let observation = &screen.observations[row];
            found.push(LabelGuess {
                plate: observation.plate.clone(),
                well: observation.well,
                treatment: observation.treatment(),
                fold: config.split.fold,
                method: method.clone(),
                label: label(row).to_owned(),
                guessed: guessed.into_iter().map(str::to_owned).collect(),
                own_over_other: if is_distance { own_over_other(distances, &of_references, label(row)) } else { None },
            });
        }
    }
    Ok(found)
}

/// The label of every well; the treatment where no label is named.
fn labels_of(screen: &Screen, name: &str) -> Result<Vec<Option<String>>, StudyError> {
    if name.is_empty() {
        return Ok(screen.observations.iter().map(|observation| Some(observation.treatment().to_string())).collect());
    }
    let missing = || EvaluateError::MissingLabel { screen: screen.name.clone(), label: name.to_owned() };
    Ok(screen.label(name).ok_or_else(missing)?.values.clone())
}

/// Every way to be near, by name.
fn ways(screen: &Screen, spaces: &[Space], queries: &[usize], references: &[usize]) -> Vec<(String, Distances)> {
    let between = |distance: &dyn Fn(usize, usize) -> f64| -> Distances {
        let of_query = |&query: &usize| references.iter().map(|&reference| distance(query, reference)).collect();
        queries.iter().map(of_query).collect()
    };
    let mut all: Vec<(String, Distances)> = Vec::new();
    for (name, space) in spaces {
        let euclidean = |query: usize, reference: usize| {
            let pairs = space.row(query).iter().zip(space.row(reference));
            pairs.map(|(one, other)| f64::from(one - other).powi(2)).sum::<f64>().sqrt()
        };
        all.push((name.clone(), between(&euclidean)));
    }
    let rows = || queries.iter().chain(references);
    let number = |of: &dyn Fn(&Observation) -> Option<f64>| -> Option<Distances> {
        let values: BTreeMap<usize, f64> =
            rows().map(|&row| Some((row, of(&screen.observations[row])?))).collect::<Option<_>>()?;
        let differs = references.iter().any(|row| values[row] != values[&references[0]]);
        differs.then(|| between(&|query, reference| (values[&query] - values[&reference]).abs()))
    };
    let plate = |row: usize| screen.observations[row].plate.as_str();
    let differs = rows().any(|&row| plate(row) != plate(queries[0]));
    let by_plate = || between(&|query, reference| f64::from(u8::from(plate(query) != plate(reference))));
    let simple: [(&str, Option<Distances>); 4] = [
        ("cell_count", number(&|observation| observation.cell_count)),
        ("plate_column", number(&|observation| Some(f64::from(observation.well?.column())))),
        ("plate_row", number(&|observation| Some(f64::from(observation.well?.row())))),
        ("plate_only", differs.then(by_plate)),
    ];
    all.extend(simple.into_iter().filter_map(|(name, distances)| Some((name.to_owned(), distances?))));
    all.push((MAJORITY.to_owned(), between(&|_, _| 0.0)));
    all
}

fn own_over_other(distances: &[f64], labels: &[&str], own: &str) -> Option<f64> {
    let mean = |is_own: bool| {
        let of = distances.iter().zip(labels).filter(|(_, label)| (**label == own) == is_own).map(|(d, _)| *d);
        let of: Vec<f64> = of.collect();
        of.iter().sum::<f64>() / of.len() as f64
    };
    Some(mean(true) / mean(false)).filter(|ratio| ratio.is_finite())
}

/// Scores of every method over the wells of all folds, and what has to be said of them, in sentences.
///
/// # Errors
/// When a score is not finite.
pub(super) fn label_scores(
    config: &Config,
    guesses: &[LabelGuess],
) -> Result<(Vec<ScoreRow>, Vec<String>), StudyError> {
    let mut methods: Vec<(&str, Vec<&LabelGuess>)> = Vec::new();
    for guess in guesses {
        match methods.iter_mut().find(|(method, _)| *method == guess.method) {
            Some((_, own)) => own.push(guess),
            None => methods.push((&guess.method, vec![guess])),
        }
    }
    let bootstrap = &config.evaluate.bootstrap;
    let labels: BTreeSet<&str> = guesses.iter().map(|guess| guess.label.as_str()).collect();
    let mut rows = Vec::new();
    for (method, own) in &methods {
        let mut row = |subset: &str, metric: &str, of: Vec<(f64, String)>| -> Result<(), StudyError> {
            let (values, wells): (Vec<f64>, Vec<String>) = of.into_iter().unzip();
            let row = ScoreRow::new(LABEL_TASK, subset, method, metric, &bootstrap.mean(&values, &wells)?);
            rows.push(row.with_note("a unit is a well"));
            Ok(())
        };
        row("all", "accuracy", own.iter().map(|guess| (hit(guess), well_name(guess))).collect())?;
        let ratios = own.iter().filter_map(|guess| Some((guess.own_over_other?, well_name(guess))));
        let ratios: Vec<(f64, String)> = ratios.collect();
        if !ratios.is_empty() {
            row("all", "own/other distance", ratios)?;
        }
        for label in labels.iter().filter(|_| labels.len() <= MOST_SHOWN) {
            let of_label = own.iter().filter(|guess| guess.label == *label);
            row(label, "accuracy", of_label.map(|guess| (hit(guess), well_name(guess))).collect())?;
        }
        rows.push(p_value(method, own, bootstrap));
    }
    let notes = notes(bootstrap, &methods)?;
    Ok((rows, notes))
}

fn hit(guess: &LabelGuess) -> f64 {
    if guess.guessed.contains(&guess.label) { 1.0 / guess.guessed.len() as f64 } else { 0.0 }
}

fn well_name(guess: &LabelGuess) -> String {
    match guess.well {
        Some(well) => format!("{} {well}", guess.plate),
        None => format!("{} {} {}", guess.plate, guess.treatment, guess.fold),
    }
}

/// How likely so many right guesses are if labels stood at random within each plate and fold.
fn p_value(method: &str, guesses: &[&LabelGuess], bootstrap: &Bootstrap) -> ScoreRow {
    let relabeled: Vec<Guess> = guesses
        .iter()
        .map(|guess| Guess {
            stratum: format!("{} {}", guess.fold, guess.plate),
            label: &guess.label,
            guessed: guess.guessed.iter().map(String::as_str).collect(),
        })
        .collect();
    let found = relabeling_p_value(&relabeled, bootstrap.seed);
    let note = match found.is_exact {
        true => "labels relabeled within plate and fold, all ways counted".to_owned(),
        false => format!("labels relabeled within plate and fold, {DRAWS} ways drawn"),
    };
    ScoreRow {
        task: LABEL_TASK.to_owned(),
        subset: "all".to_owned(),
        method: method.to_owned(),
        metric: "p".to_owned(),
        value: found.value,
        lower: None,
        upper: None,
        n_items: guesses.len(),
        n_units: guesses.len(),
        note,
    }
}

/// Sentences: the model against the best simple way, and what the layout alone tells.
fn notes(bootstrap: &Bootstrap, methods: &[(&str, Vec<&LabelGuess>)]) -> Result<Vec<String>, StudyError> {
    let Some((_, own)) = methods.iter().find(|(method, _)| *method == LATENTS) else { return Ok(Vec::new()) };
    let accuracy = |guesses: &[&LabelGuess]| guesses.iter().map(|guess| hit(guess)).sum::<f64>() / guesses.len() as f64;
    let is_layout = |method: &str| LAYOUT.iter().any(|(name, _)| *name == method);
    let simple = methods.iter().filter(|(method, _)| !method.starts_with(LATENTS) && !is_layout(method));
    let best = simple.clone().max_by(|(_, one), (_, other)| accuracy(one).total_cmp(&accuracy(other)));
    let mut notes = Vec::new();
    if let Some((name, best)) = best {
        let hits = |guesses: &[&LabelGuess]| -> Vec<f64> { guesses.iter().map(|guess| hit(guess)).collect() };
        let wells: Vec<String> = own.iter().map(|guess| well_name(guess)).collect();
        let found = bootstrap.paired_difference(&hits(own), &hits(best), &wells)?;
        let interval = match found.estimate.interval {
            Some((lower, upper)) => format!("95 % interval {lower:+.3} to {upper:+.3}"),
            None => "no interval".to_owned(),
        };
        let claim = match found.claim {
            Claim::Higher => "latents tell labels better",
            Claim::Lower => "latents tell labels worse",
            Claim::Indistinguishable => "no difference can be claimed",
            Claim::TooFewUnits => "too few wells for a claim",
        };
        notes.push(format!(
            "labels by {LATENTS} ({:.3}) against the best of {} simple ways, {name} ({:.3}): {:+.3}, {interval}: {claim}",
            accuracy(own),
            simple.count(),
            accuracy(best),
            found.estimate.mean
        ));
    }
    for (name, words) in LAYOUT {
        let Some((_, guesses)) = methods.iter().find(|(method, _)| *method == name) else { continue };
        let (layout, latents) = (accuracy(guesses), accuracy(own));
        let kind = words.rsplit(' ').next().unwrap_or(words);
        if layout == 1.0 {
            notes.push(format!(
                "the {words} explains the label completely (accuracy 1.000): differences between labels may be differences between {kind}s"
            ));
        } else if layout >= latents && layout > 0.0 {
            notes.push(format!(
                "the {words} alone tells the label as well as {LATENTS} do ({layout:.3} against {latents:.3}): differences between labels may be differences between {kind}s"
            ));
        }
    }
    Ok(notes)
}

/// Every guess as a table: one row for each held-out well and method.
pub(super) fn label_table(guesses: &[LabelGuess]) -> Table {
    let text = |of: &dyn Fn(&LabelGuess) -> Option<String>| Column::Text(guesses.iter().map(of).collect());
    let number = |of: &dyn Fn(&LabelGuess) -> Option<f64>| Column::Number(guesses.iter().map(of).collect());
    Table::new()
        .with("plate", "plate of the well", text(&|row| Some(row.plate.clone())))
        .with("well", "the well", text(&|row| row.well.map(|well| well.to_string())))
        .with_interventions(guesses.iter().map(|row| &row.treatment.intervention))
        .with(
            "fold",
            "test fold in which the well was held out",
            Column::Integer(guesses.iter().map(|row| Some(row.fold as i64)).collect()),
        )
        .with("label", "its label", text(&|row| Some(row.label.clone())))
        .with(
            "method",
            "space in which its neighbors were looked for, or a simple way",
            text(&|row| Some(row.method.clone())),
        )
        .with(
            "guessed",
            "label of most of its neighbors; several are joined by ` / `",
            text(&|row| Some(row.guessed.join(" / "))),
        )
        .with(
            "hit",
            "1 if right, the share of the label among several guesses, 0 if wrong",
            number(&|row| Some(hit(row))),
        )
        .with(
            "own_over_other",
            "mean distance to the training wells of its label over that to all others; null where there is no distance",
            number(&|row| row.own_over_other),
        )
}

/// The scores of labels: a line for each way to tell them.
pub(super) fn label_summary(evaluation: &Evaluation) -> String {
    let rows: Vec<&ScoreRow> =
        evaluation.scores.rows.iter().filter(|row| row.task == LABEL_TASK && row.subset == "all").collect();
    let methods: Vec<&ScoreRow> = rows.iter().filter(|row| row.metric == "accuracy").copied().collect();
    let Some(first) = methods.first() else { return String::new() };
    let mut text = format!(
        "{LABEL_TASK}: {} wells, each a unit\n{:<22} {:>8} {:>16} {:>8} {:>10}\n",
        first.n_items, "neighbors by", "accuracy", "95 % interval", "p", "own/other"
    );
    for method in methods {
        let find = |metric: &str| rows.iter().find(|row| row.method == method.method && row.metric == metric);
        let interval = match (method.lower, method.upper) {
            (Some(lower), Some(upper)) => format!("{lower:.2} to {upper:.2}"),
            _ => "-".to_owned(),
        };
        let cell = |row: Option<&&ScoreRow>, digits: usize| match row {
            Some(row) if row.metric == "p" && row.value < 1e-4 => "<0.0001".to_owned(),
            Some(row) => format!("{:.digits$}", row.value),
            None => "-".to_owned(),
        };
        text += &format!(
            "{:<22} {:>8.3} {interval:>16} {:>8} {:>10}\n",
            method.method,
            method.value,
            cell(find("p"), 4),
            cell(find("own/other distance"), 3)
        );
    }
    if evaluation.items.is_empty() {
        text += &evaluation.how_many_were_tried();
    }
    text + "\n"
}
