//! Whether the label of a held-out well is that of its nearest training wells, beside simple ways to tell it.

use std::collections::{BTreeMap, BTreeSet};

use super::answer::{Answer, UnitName, answer_table};
use super::neighbors::are_same;
use super::{
    Bootstrap, Claim, DRAWS, EvaluateConfig, EvaluateError, Guess, ScoreRow, nearest_labels, relabeling_p_value,
};
use crate::pair::{Part, Split};
use crate::screen::{Features, Role, Screen, Unit};
use crate::table::{Column, Table};

/// The label of a held-out well as its nearest neighbors say it, in one space or by one simple method; and its own.
pub type LabelGuess = Answer<Vote, String, String>;

/// What the nearest training wells say of a well's label.
#[derive(Debug, Clone, PartialEq)]
pub struct Vote {
    /// The label of most of them, or several with equally many of equal distance.
    pub labels: Vec<String>,
    /// Whether labels are mechanisms, of which several may be joined by `|`; one in common is right.
    pub is_of_mechanisms: bool,
    /// Mean distance to the training wells of the well's label over that to all others; `None` where there is no distance.
    pub own_over_other: Option<f64>,
}

/// What these scores are called in `scores.parquet`.
pub(super) const LABELS: &str = "label of held-out wells";

/// Of more labels, none is scored by itself.
const MOST_SHOWN: usize = 12;

/// The guess that knows how common labels are, and nothing else.
const MAJORITY: &str = "majority";

/// Methods that look at where a well stands, and what they look at in words.
const LAYOUT: [(&str, &str); 3] =
    [("plate_column", "plate column"), ("plate_row", "plate row"), ("plate_only", "plate")];

/// Distances of each query to each reference, `[query][reference]`.
type Distances = Vec<Vec<f64>>;

/// The name of the space of the model's latents.
pub const LATENTS: &str = "latents";

/// A space by its name, `[well, dimension]`.
pub type Space = (String, Features);

/// Guesses of the labels of the wells of `settings.part`, by the training wells nearest to them in every space.
///
/// The label is `settings.label`, or the treatment. Wells whose label no training well has are left out: nobody could
/// tell it. `fold` is the fold whose test wells these are.
///
/// # Errors
/// When the screen has no such label.
pub fn guesses(
    settings: &EvaluateConfig,
    screen: &Screen,
    split: &Split,
    fold: usize,
    spaces: &[Space],
) -> Result<Vec<LabelGuess>, EvaluateError> {
    let labels = labels_of(screen, &settings.label)?;
    let of_part = |part: Part| -> Vec<usize> {
        let is_labelled = |row: &usize| labels[*row].is_some() && screen.unit(*row).role != Role::Empty;
        split.rows(part).into_iter().filter(is_labelled).collect()
    };
    let references = of_part(Part::Train);
    let label = |row: usize| labels[row].as_deref().expect("kept for having one");
    let known: BTreeSet<&str> = references.iter().map(|&row| label(row)).collect();
    let mut queries = of_part(settings.part);
    let is_of_mechanisms = settings.label == "moa";
    let is_same = |one: &str, other: &str| are_same(one, other, is_of_mechanisms);
    queries.retain(|&row| known.iter().any(|known| is_same(known, label(row))));
    if known.len() < 2 || queries.is_empty() {
        return Ok(Vec::new());
    }
    let of_references: Vec<&str> = references.iter().map(|&row| label(row)).collect();
    let mut found = Vec::new();
    for (method, distances) in ways(screen, spaces, &queries, &references) {
        let is_distance = method != MAJORITY && LAYOUT.iter().all(|(name, _)| *name != method);
        for (&row, distances) in queries.iter().zip(&distances) {
            let guessed = nearest_labels(distances, &of_references, settings.neighbors);
            let unit = screen.unit(row);
            let own_over_other =
                is_distance.then(|| own_over_other(distances, &of_references, label(row), &is_same)).flatten();
            found.push(LabelGuess {
                unit: UnitName::Well { plate: unit.plate.clone(), well: unit.well },
                treatment: unit.treatment(),
                fold,
                part: settings.part,
                method: method.clone(),
                predicted: Vote {
                    labels: guessed.into_iter().map(str::to_owned).collect(),
                    is_of_mechanisms,
                    own_over_other,
                },
                observed: label(row).to_owned(),
            });
        }
    }
    Ok(found)
}

/// The label of every well; the treatment where no label is named.
fn labels_of(screen: &Screen, name: &str) -> Result<Vec<Option<String>>, EvaluateError> {
    if name.is_empty() {
        return Ok(screen.units.by_row().map(|observation| Some(observation.treatment().to_string())).collect());
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
            let (query, reference) = (space.read_row(query), space.read_row(reference));
            let pairs = query.iter().zip(reference.iter());
            pairs.map(|(one, other)| f64::from(one - other).powi(2)).sum::<f64>().sqrt()
        };
        all.push((name.clone(), between(&euclidean)));
    }
    let rows = || queries.iter().chain(references);
    let number = |of: &dyn Fn(&Unit) -> Option<f64>| -> Option<Distances> {
        let values: BTreeMap<usize, f64> =
            rows().map(|&row| Some((row, of(screen.unit(row))?))).collect::<Option<_>>()?;
        let differs = references.iter().any(|row| values[row] != values[&references[0]]);
        differs.then(|| between(&|query, reference| (values[&query] - values[&reference]).abs()))
    };
    let plate = |row: usize| screen.unit(row).plate.as_str();
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

fn own_over_other(distances: &[f64], labels: &[&str], own: &str, is_same: &dyn Fn(&str, &str) -> bool) -> Option<f64> {
    let mean = |is_own: bool| {
        let of = distances.iter().zip(labels).filter(|(_, label)| is_same(label, own) == is_own).map(|(d, _)| *d);
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
    settings: &EvaluateConfig,
    guesses: &[LabelGuess],
) -> Result<(Vec<ScoreRow>, Vec<String>), EvaluateError> {
    let mut methods: Vec<(&str, Vec<&LabelGuess>)> = Vec::new();
    for guess in guesses {
        match methods.iter_mut().find(|(method, _)| *method == guess.method) {
            Some((_, own)) => own.push(guess),
            None => methods.push((&guess.method, vec![guess])),
        }
    }
    let bootstrap = &settings.bootstrap;
    let labels: BTreeSet<&str> = guesses.iter().map(|guess| guess.observed.as_str()).collect();
    let mut rows = Vec::new();
    for (method, own) in &methods {
        let mut row = |subset: &str, metric: &str, of: Vec<(f64, String)>| -> Result<(), EvaluateError> {
            let (values, wells): (Vec<f64>, Vec<String>) = of.into_iter().unzip();
            let estimate = match metric {
                "own/other distance" => bootstrap.mean(&values, &wells)?,
                _ => bootstrap.share(&values, &wells)?,
            };
            let row = ScoreRow::new(LABELS, subset, method, metric, &estimate);
            rows.push(row.with_note("a unit is a well"));
            Ok(())
        };
        row("all", "accuracy", own.iter().map(|guess| (hit(guess), well_name(guess))).collect())?;
        let ratios = own.iter().filter_map(|guess| Some((guess.predicted.own_over_other?, well_name(guess))));
        let ratios: Vec<(f64, String)> = ratios.collect();
        if !ratios.is_empty() {
            row("all", "own/other distance", ratios)?;
        }
        for label in labels.iter().filter(|_| labels.len() <= MOST_SHOWN) {
            let of_label = own.iter().filter(|guess| guess.observed == *label);
            row(label, "accuracy", of_label.map(|guess| (hit(guess), well_name(guess))).collect())?;
        }
        rows.push(p_value(method, own, bootstrap));
    }
    let notes = notes(bootstrap, &methods)?;
    Ok((rows, notes))
}

/// The guess as one whose label may change places with those of its plate and fold.
fn relabeled(guess: &LabelGuess) -> Guess<'_> {
    Guess {
        stratum: format!("{} {}", guess.fold, guess.unit.place()),
        label: &guess.observed,
        guessed: guess.predicted.labels.iter().map(String::as_str).collect(),
        is_of_mechanisms: guess.predicted.is_of_mechanisms,
    }
}

fn hit(guess: &LabelGuess) -> f64 {
    relabeled(guess).hit()
}

fn well_name(guess: &LabelGuess) -> String {
    let plate = guess.unit.place();
    match guess.unit.name() {
        Some(well) => format!("{plate} {well}"),
        None => format!("{plate} {} {}", guess.treatment, guess.fold),
    }
}

/// How likely so many right guesses are if labels stood at random within each plate and fold.
fn p_value(method: &str, guesses: &[&LabelGuess], bootstrap: &Bootstrap) -> ScoreRow {
    let relabeled: Vec<Guess> = guesses.iter().map(|guess| relabeled(guess)).collect();
    let found = relabeling_p_value(&relabeled, bootstrap.seed);
    let note = match found.is_exact {
        true => "labels relabeled within plate and fold, all permutations counted".to_owned(),
        false => format!("labels relabeled within plate and fold, {DRAWS} permutations drawn"),
    };
    ScoreRow {
        task: LABELS.to_owned(),
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
fn notes(bootstrap: &Bootstrap, methods: &[(&str, Vec<&LabelGuess>)]) -> Result<Vec<String>, EvaluateError> {
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
            Claim::Higher => "latents predict labels better",
            Claim::Lower => "latents predict labels worse",
            Claim::Indistinguishable => "no difference can be claimed",
            Claim::TooFewUnits => "too few wells for a claim",
        };
        notes.push(format!(
            "labels by {LATENTS} ({:.3}) against the best of {} simple methods, {name} ({:.3}): {:+.3}, {interval}: \
             {claim}",
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
                "the {words} alone predicts the label as well as {LATENTS} do ({layout:.3} against {latents:.3}): \
                 differences between labels may be differences between {kind}s"
            ));
        }
    }
    Ok(notes)
}

/// Every guess as a table: one row for each held-out well and method.
pub fn label_table(guesses: &[LabelGuess]) -> Table {
    let text = |of: &dyn Fn(&LabelGuess) -> String| Column::Text(guesses.iter().map(|row| Some(of(row))).collect());
    let number = |of: &dyn Fn(&LabelGuess) -> Option<f64>| Column::Number(guesses.iter().map(of).collect());
    answer_table(guesses, |_| 1)
        .with(
            "predicted",
            "label of most of its neighbors in the space; several are joined by ` / `",
            text(&|row| row.predicted.labels.join(" / ")),
        )
        .with("observed", "its label", text(&|row| row.observed.clone()))
        .with(
            "hit",
            "1 if right, the share of the label among several guesses, 0 if wrong",
            number(&|row| Some(hit(row))),
        )
        .with(
            "own_over_other",
            "mean distance to the training wells of its label over that to all others; null where there is no distance",
            number(&|row| row.predicted.own_over_other),
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::{Intervention, Treatment};

    fn guess(well: &str, method: &str, label: &str, guessed: &[&str]) -> LabelGuess {
        LabelGuess {
            unit: UnitName::Well { plate: "p".to_owned(), well: Some(well.parse().unwrap()) },
            treatment: Treatment { intervention: Intervention::untreated(), context: String::new() },
            fold: 0,
            part: Part::Test,
            method: method.to_owned(),
            predicted: Vote {
                labels: guessed.iter().map(|&label| label.to_owned()).collect(),
                is_of_mechanisms: false,
                own_over_other: None,
            },
            observed: label.to_owned(),
        }
    }

    #[test]
    fn of_joined_mechanisms_one_in_common_is_a_hit() {
        let mut joined = guess("A01", LATENTS, "a|b", &["b", "c"]);
        assert_eq!(hit(&joined), 0.0);
        joined.predicted.is_of_mechanisms = true;
        assert_eq!(hit(&joined), 0.5);
    }

    #[test]
    fn a_tie_is_a_share_of_a_hit() {
        assert_eq!(hit(&guess("A01", LATENTS, "a", &["a"])), 1.0);
        assert_eq!(hit(&guess("A01", LATENTS, "a", &["a", "b"])), 0.5);
        assert_eq!(hit(&guess("A01", LATENTS, "c", &["a", "b"])), 0.0);
    }

    #[test]
    fn distances_to_the_own_label_are_over_those_to_all_others() {
        assert_eq!(
            own_over_other(&[1.0, 2.0, 4.0, 8.0], &["a", "a", "b", "c"], "a", &|one, other| one == other),
            Some(0.25)
        );
        assert_eq!(
            own_over_other(&[1.0, 2.0], &["a", "a"], "a", &|one, other| one == other),
            None,
            "there is no other"
        );
    }

    #[test]
    fn a_layout_that_tells_labels_as_well_is_said() {
        let mut guesses = Vec::new();
        for number in 0..12 {
            let (well, label) = (format!("A{:02}", number + 1), if number % 2 == 0 { "a" } else { "b" });
            guesses.push(guess(&well, LATENTS, label, &[label]));
            guesses.push(guess(&well, "cell_count", label, &["a"]));
            guesses.push(guess(&well, "plate_column", label, &[label]));
            guesses.push(guess(&well, MAJORITY, label, &["a", "b"]));
        }
        let settings = EvaluateConfig::default();
        let (rows, notes) = label_scores(&settings, &guesses).unwrap();
        let accuracy = |method: &str, subset: &str| {
            let is_it = |row: &&ScoreRow| row.method == method && row.subset == subset && row.metric == "accuracy";
            rows.iter().find(is_it).unwrap().value
        };
        assert_eq!((accuracy(LATENTS, "all"), accuracy("cell_count", "all")), (1.0, 0.5));
        assert_eq!((accuracy("cell_count", "a"), accuracy("cell_count", "b")), (1.0, 0.0));
        assert!(notes[0].contains("against the best of 2 simple methods"), "{notes:?}");
        assert!(notes[0].ends_with("latents predict labels better"), "{notes:?}");
        assert!(notes[1].starts_with("the plate column explains the label completely"), "{notes:?}");
    }
}
