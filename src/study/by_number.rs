//! Candidates in order of a number of wells that no model learned from: their cell count, or a column beside the features.
//!
//! Closed forms predict it from the treatments that it was measured of, as they predict features.

use std::collections::BTreeMap;

use super::by_feature::{AskedFeature, FeatureValue, Said, valued};
use super::error::StudyError;
use super::kind::Run;
use crate::answer::{Combination, CombinedSimple, Prepared, SharedFits, SimpleMethods};
use crate::baseline::{Rows, measured};
use crate::pair::{PairSet, Part};
use crate::plan::{FeatureRanking, why_abstained};
use crate::predict::{Method, Predictions, Predictor};
use crate::screen::{FeatureMatrix, Role, SITE_LABEL, Screen, Treatment, Units};

/// What the count of cells is asked for as.
const CELLS: &str = "cell_count";

/// A number of each row, where it was measured.
struct Numbers {
    of_rows: Vec<Option<f64>>,
    /// In words.
    unit: &'static str,
    /// Its value in untreated wells; `None` where there are none.
    untreated: Option<f64>,
    /// Whether they are of things that are counted, of which there are never fewer than none.
    are_counts: bool,
}

impl Numbers {
    /// What `screen` calls `name`; `None` where that holds no numbers.
    fn of(screen: &Screen, name: &str) -> Option<Self> {
        let ours = screen.origin.columns.iter().find(|column| column.name == name);
        if name == CELLS || ours.is_some_and(|column| column.ours == CELLS) {
            return Self::of_cells(screen);
        }
        let texts = &screen.label(name)?.values;
        let number = |text: &String| text.trim().parse::<f64>().ok().filter(|number| number.is_finite());
        let of_rows: Vec<Option<f64>> = texts.iter().map(|text| number(text.as_ref()?)).collect();
        let is_number = |(text, number): (&Option<String>, &Option<f64>)| text.is_none() || number.is_some();
        let is_whole = texts.iter().zip(&of_rows).all(is_number) && of_rows.iter().any(Option::is_some);
        let untreated = (0..of_rows.len()).filter(|&row| screen.unit(row).role == Role::NegativeControl);
        let untreated = mean(untreated.filter_map(|row| of_rows[row]));
        is_whole.then_some(Self { of_rows, unit: "as in the files", untreated, are_counts: false })
    }

    /// Cells over those of control wells of the same plate; counts where no control was counted.
    fn of_cells(screen: &Screen) -> Option<Self> {
        let count = |row: usize| screen.unit(row).cell_count;
        let controls: BTreeMap<&str, f64> = screen
            .controls_by_plate()
            .into_iter()
            .filter_map(|(plate, rows)| Some((plate, mean(rows.into_iter().filter_map(count))?)))
            .filter(|(_, cells)| *cells > 0.0)
            .collect();
        let n_rows = screen.n_observations();
        let (of_rows, unit, untreated): (Vec<_>, _, _) = match controls.is_empty() {
            true => ((0..n_rows).map(count).collect(), "cells of a well", None),
            false => {
                let ratio = |row: usize| Some(count(row)? / controls.get(screen.unit(row).plate.as_str())?);
                ((0..n_rows).map(ratio).collect(), "over control wells of the same plate", Some(1.0))
            }
        };
        of_rows.iter().any(Option::is_some).then_some(Self { of_rows, unit, untreated, are_counts: true })
    }

    /// The wells of `screen` that have the number, in place of features: from its value in untreated wells, over `scale`; with
    /// the first row of each.
    fn as_wells(&self, screen: &Screen, scale: f64) -> (Screen, Vec<usize>) {
        let (mut first_rows, mut values) = (Vec::new(), Vec::new());
        for rows in screen.wells() {
            if let Some(value) = mean(rows.iter().filter_map(|&row| self.of_rows[row])) {
                first_rows.push(rows[0]);
                values.push(((value - self.center()) / scale) as f32);
            }
        }
        let wells = Screen {
            name: screen.name.clone(),
            design: screen.design.clone(),
            units: Units::of_each(first_rows.iter().map(|&row| screen.unit(row).clone()).collect()),
            features: FeatureMatrix::numbered("number_", 1, values).into(),
            labels: Vec::new(),
            dropped: Vec::new(),
            origin: Default::default(),
        };
        (wells, first_rows)
    }

    fn center(&self) -> f64 {
        self.untreated.unwrap_or(0.0)
    }

    /// The spread of treated wells.
    fn spread(&self, screen: &Screen) -> f64 {
        let treated: Vec<f64> = (0..self.of_rows.len())
            .filter(|&row| screen.unit(row).role.is_treated())
            .filter_map(|row| self.of_rows[row])
            .collect();
        let middle = mean(treated.iter().copied()).unwrap_or(0.0);
        let variance = mean(treated.iter().map(|value| (value - middle).powi(2))).unwrap_or(0.0);
        if variance > 0.0 { variance.sqrt() } else { 1.0 }
    }
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, n) = values.fold((0.0, 0), |(sum, n), value| (sum + value, n + 1));
    (n > 0).then(|| sum / f64::from(n))
}

/// Labels that number the rows of images.
const OF_ROWS: [&str; 4] = [SITE_LABEL, "frame", "object", "track"];

/// Names of numbers that candidates can be ranked by beside features.
pub(super) fn numbers_of(screen: &Screen) -> Vec<String> {
    let labels = screen.labels.iter().map(|label| label.name.as_str()).filter(|name| !OF_ROWS.contains(name));
    let names = [CELLS].into_iter().chain(labels).filter(|name| Numbers::of(screen, name).is_some());
    names.map(str::to_owned).collect()
}

/// The number called `asked.feature` of candidates; head and abstentions go into `ranking`. `None` where there is no such number.
///
/// # Errors
/// What a fit says, or that the screen does not have the method.
pub(super) fn by_number(
    run: Run<'_>,
    asked: &AskedFeature<'_>,
    ranking: &mut FeatureRanking,
) -> Result<Option<Vec<FeatureValue>>, StudyError> {
    let Run { config, prepared, trained_run, .. } = run;
    let AskedFeature { feature, other, candidates, .. } = *asked;
    let Some(numbers) = Numbers::of(&prepared.screen, feature) else { return Ok(None) };
    (ranking.unit, ranking.untreated) = (numbers.unit, numbers.untreated);
    if config.rank.by == Method::Model {
        ranking.by = Method::Combined;
        ranking.note =
            sentences(&ranking.note, &format!("the model did not learn from `{feature}`: closed forms predict it"));
    }
    let scale = numbers.spread(&prepared.screen);
    let raw = |_: &str, value: f64| match numbers.are_counts {
        true => (numbers.center() + scale * value).max(0.0),
        false => numbers.center() + scale * value,
    };
    let (wells, first_rows) = numbers.as_wells(&prepared.screen, scale);
    let split = prepared.split.select(&first_rows);
    let wells = Prepared {
        pairs: PairSet::new(&wells, &split, &config.pair)?,
        screen: wells,
        split,
        normalizer: prepared.normalizer.clone(),
        vocabulary: prepared.vocabulary.clone(),
        descriptors: prepared.descriptors.clone(),
        fits: SharedFits::default(),
    };
    let measured = match other {
        None => measured_of(&wells.screen),
        Some(other) => match Numbers::of(other, feature) {
            Some(theirs) => measured_of(&theirs.as_wells(other, scale).0),
            None => BTreeMap::new(),
        },
    };
    let parts = [Part::Calibration, Part::Test].map(|part| wells.treatments(part));
    let simple = SimpleMethods::of(config, &wells);
    let (judged, predictions) = match ranking.by {
        Method::Measured => (BTreeMap::new(), None),
        _ => {
            let held_out: Vec<Treatment> = parts.iter().flat_map(|rows| rows.keys().cloned()).collect();
            let in_use = simple.refitted();
            let mut places = simple.places(&held_out);
            places.extend(in_use.places(candidates));
            let combination = match ranking.by {
                Method::Combined => simple.closed_forms(&Combination::default(), &places)?,
                _ => Combination::default(),
            };
            let ask = |methods: &SimpleMethods<'_>, names: &[Treatment]| say(methods, &combination, &ranking.by, names);
            (values_of(&ask(&simple, &held_out)?), Some(ask(&in_use, candidates)?))
        }
    };
    if let Some(said) = &predictions {
        let trained = &trained_run.trained;
        ranking.abstained.extend(said.abstained.iter().map(|(treatment, why)| why_abstained(trained, treatment, why)));
    }
    let predicted = predictions.as_ref().map_or_else(|| measured.clone(), values_of);
    let no_intervals = match (&ranking.by, other) {
        (Method::Measured, _) => Some("nothing is predicted"),
        (_, Some(_)) => Some("the calibration treatments are those of the run's own screen"),
        _ => None,
    };
    let said = Said { predicted, judged, measured, no_intervals };
    let known = wells.treatments(Part::Train);
    Ok(Some(valued(config, known.keys(), parts.each_ref(), &said, &raw, candidates, ranking)?))
}

/// Two sentences, of which the first may be empty.
fn sentences(first: &str, second: &str) -> String {
    if first.is_empty() { second.to_owned() } else { format!("{first}. {second}") }
}

/// What a closed form, or all of them, say of `names`.
fn say(
    methods: &SimpleMethods<'_>,
    combination: &Combination,
    by: &Method,
    names: &[Treatment],
) -> Result<Predictions, StudyError> {
    let rows: Rows = names.iter().map(|treatment| (treatment.clone(), Vec::new())).collect();
    if *by == Method::Combined {
        return Ok(CombinedSimple::of(methods, combination, &rows)?.predict(names)?);
    }
    match methods.fit(by, &rows)? {
        Some(fitted) => Ok(fitted.ask(names)),
        None => Err(methods.unknown_ranker().into()),
    }
}

fn measured_of(wells: &Screen) -> BTreeMap<Treatment, f64> {
    values_of(&measured(&wells.features, &wells.treatments()))
}

fn values_of(predictions: &Predictions) -> BTreeMap<Treatment, f64> {
    let rows = predictions.treatments.iter().enumerate();
    rows.map(|(row, treatment)| (treatment.clone(), f64::from(predictions.profiles.row(row)[0]))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::{Design, Label, Unit};

    fn screen() -> Screen {
        let unit = |given: Option<&str>, cells: f64| Unit {
            plate: "P".into(),
            cell_count: Some(cells),
            ..Unit::under(given.map(|name| (name, Some(1.0))))
        };
        let label = |name: &str, texts: [Option<&str>; 3]| Label {
            name: name.into(),
            values: texts.map(|text| text.map(str::to_owned)).to_vec(),
        };
        Screen {
            name: "counted".into(),
            design: Design::AgainstControls,
            units: Units::of_each(vec![unit(None, 180.0), unit(None, 220.0), unit(Some("a"), 50.0)]),
            features: FeatureMatrix::numbered("f", 1, vec![0.0; 3]).into(),
            labels: vec![
                label("viability", [Some("1.0"), None, Some("0.25")]),
                label("moa", [Some("DMSO"), Some("DMSO"), Some("1")]),
            ],
            dropped: Vec::new(),
            origin: Default::default(),
        }
    }

    #[test]
    fn cells_are_counted_over_controls_and_columns_of_numbers_are_as_they_are() {
        let screen = screen();
        let cells = Numbers::of(&screen, "cell_count").unwrap();
        assert_eq!((cells.of_rows.clone(), cells.untreated), (vec![Some(0.9), Some(1.1), Some(0.25)], Some(1.0)));
        let viability = Numbers::of(&screen, "viability").unwrap();
        assert_eq!((viability.of_rows.clone(), viability.untreated), (vec![Some(1.0), None, Some(0.25)], Some(1.0)));
        let (wells, first_rows) = viability.as_wells(&screen, 0.5);
        assert_eq!((wells.features.gather(&[0, 1]), first_rows), (vec![0.0, -1.5], vec![0, 2]));
        // A label is no number because one of its values is.
        assert!(Numbers::of(&screen, "moa").is_none());
        assert_eq!(numbers_of(&screen), ["cell_count", "viability"]);
    }
}
