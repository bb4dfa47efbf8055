//! What interventions would do, by the method that ranks, with intervals, and next to what was measured.

mod show;

use std::collections::BTreeMap;

use super::error::StudyError;
use super::kind::Run;
use super::who::{Answerer, Fit};
use crate::answer::{Prepared, TrainedRun};
use crate::baseline::{Rows, control_states, measured};
use crate::config::Config;
use crate::evaluate::conformal_radius;
use crate::normalize::RawUnits;
use crate::pair::{Part, Strata, Stratum};
use crate::predict::{Abstains, Method, Predictions};
use crate::screen::{Intervention, Screen, Treatment};
use crate::table::{Column, Table};

/// What interventions would do.
#[derive(Debug, Clone)]
pub struct Outcomes {
    /// Who predicts.
    pub by: Method,
    /// Where the intervals come from, or why there are none.
    pub calibration: String,
    /// Whether some treatments have an interval.
    has_intervals: bool,
    /// Names of the features.
    pub features: Vec<String>,
    /// One for each treatment that something is predicted of, in the order in which they were asked for.
    pub rows: Vec<Outcome>,
    /// What was asked for and is not predicted, with the reason.
    pub abstained: Vec<(Treatment, Abstains)>,
    /// The state without treatment of each context, on the normalized scale.
    untreated: BTreeMap<String, Vec<f32>>,
    /// Back to the units of the files, where there is a way.
    units: Option<RawUnits>,
}

/// What one treatment would do, on the normalized scale.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The treatment.
    pub treatment: Treatment,
    /// What the split of the run has it for, where it was measured.
    pub part: Option<Part>,
    /// What training says of it.
    pub stratum: Stratum,
    /// Predicted profile, `[feature]`.
    pub predicted: Vec<f32>,
    /// Half the width of the interval of each feature; `None` without calibration.
    pub radii: Option<Vec<f32>>,
    /// Mean profile of its wells, where it was measured.
    pub measured: Option<Vec<f32>>,
    /// Rows in which it was measured.
    pub n_rows: usize,
}

/// Whether values are normalized or in the units of the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scale {
    Normalized,
    Raw,
}

impl Outcomes {
    /// Asks the method of `rank.by` for `treatments`, from the controls of the run's own screen or of `other`.
    ///
    /// # Errors
    /// When the screen does not have the method, or has nothing to start from.
    pub fn of(
        config: &Config,
        prepared: &Prepared,
        other: Option<&Screen>,
        trained_run: &TrainedRun,
        treatments: &[Treatment],
        device: &burn::tensor::Device,
    ) -> Result<Self, StudyError> {
        let run = Run { config, prepared, trained_run, device };
        let screen = other.unwrap_or(&prepared.screen);
        let parts = [Part::Calibration, Part::Test].map(|part| prepared.treatments(part));
        let mut asked: Rows = treatments.iter().map(|treatment| (treatment.clone(), Vec::new())).collect();
        if other.is_none() {
            asked.extend(parts.iter().flatten().map(|(treatment, rows)| (treatment.clone(), rows.clone())));
        }
        let names: Vec<Treatment> = asked.keys().cloned().collect();
        let by = &config.rank.by;
        let measured_rows = screen.treatments();
        // What was measured is predicted without its own wells, where it is held out; all else from everything measured.
        let (known, unknown): (Vec<Treatment>, Vec<Treatment>) =
            names.into_iter().partition(|treatment| measured_rows.contains_key(treatment));
        let places = [&known, &unknown].map(|names| names.iter().collect::<Vec<_>>());
        let answerer = Answerer::new(run, other, [&places[0], &places[1]])?;
        let said = |fit: Fit, names: &[Treatment]| match names {
            [] => Ok(Predictions::none(by.clone(), screen.features.names())),
            names => answerer.predictor(fit, &asked, |by| Ok(by.predict(names)?)),
        };
        let (judged, in_use) = (said(Fit::Judged, &known)?, said(Fit::InUse, &unknown)?);
        let mut predicted = by_treatment(&judged);
        predicted.extend(by_treatment(&in_use));
        let wells = measured(&screen.features, &measured_rows);
        let wells = by_treatment(&wells);
        let strata = Strata::of(&trained_run.trained.treatments);
        let (radii, calibration) = match (by, other) {
            (Method::Measured, _) => (BTreeMap::new(), "no intervals: nothing is predicted".to_owned()),
            (_, Some(_)) => {
                let words = "no intervals: the calibration treatments are those of the run's own screen";
                (BTreeMap::new(), words.to_owned())
            }
            (_, None) => radii_of(&parts, &predicted, &wells, &strata, config.evaluate.alpha)?,
        };
        let part_of: BTreeMap<Treatment, Part> = [Part::Train, Part::Validation, Part::Calibration, Part::Test]
            .into_iter()
            .flat_map(|part| prepared.treatments(part).into_keys().map(move |treatment| (treatment, part)))
            .collect();
        let outcome = |treatment: &Treatment| {
            let stratum = strata.stratum(treatment);
            Some(Outcome {
                predicted: predicted.get(treatment)?.to_vec(),
                part: part_of.get(treatment).copied().filter(|_| other.is_none()),
                radii: radii.get(&stratum).cloned(),
                measured: wells.get(treatment).map(|profile| profile.to_vec()),
                n_rows: measured_rows.get(treatment).map_or(0, Vec::len),
                stratum,
                treatment: treatment.clone(),
            })
        };
        Ok(Self {
            by: by.clone(),
            has_intervals: !radii.is_empty(),
            calibration,
            features: screen.features.names().to_vec(),
            rows: treatments.iter().filter_map(outcome).collect(),
            abstained: judged
                .abstained
                .iter()
                .chain(&in_use.abstained)
                .filter(|(treatment, _)| treatments.contains(treatment))
                .cloned()
                .collect(),
            untreated: control_states(screen),
            units: trained_run.normalizer.raw_units(screen)?,
        })
    }

    /// A value in the units of the files; as it is where there is no way back to them.
    fn raw(&self, context: &str, feature: usize, normalized: f32) -> f64 {
        let normalized = f64::from(normalized);
        self.units.as_ref().map_or(normalized, |units| units.value(context, feature, normalized))
    }

    /// One row for each treatment, scale and quantity: predictions, the ends of their intervals, what was measured, and the
    /// untreated state of each context.
    pub fn table(&self) -> Table {
        let mut lines: Vec<Line> = Vec::new();
        let scales: &[Scale] =
            if self.units.is_some() { &[Scale::Normalized, Scale::Raw] } else { &[Scale::Normalized] };
        let untreated = Intervention::untreated();
        let contexts: Vec<&String> = self.untreated.keys().collect();
        for &scale in scales {
            for outcome in &self.rows {
                let Treatment { intervention, context } = &outcome.treatment;
                let line = |method: &Method, quantity: &'static str, values: Vec<f32>| Line {
                    method: method.to_string(),
                    part: outcome.part,
                    quantity,
                    scale,
                    intervention,
                    context,
                    values,
                };
                lines.push(line(&self.by, "mean", outcome.predicted.clone()));
                if let Some(radii) = &outcome.radii {
                    let end = |sign: f32| {
                        outcome.predicted.iter().zip(radii).map(|(value, radius)| value + sign * radius).collect()
                    };
                    lines.push(line(&self.by, "lower", end(-1.0)));
                    lines.push(line(&self.by, "upper", end(1.0)));
                }
                if let Some(measured) = outcome.measured.as_ref().filter(|_| self.by != Method::Measured) {
                    lines.push(line(&Method::Measured, "mean", measured.clone()));
                }
            }
            let of_contexts = contexts
                .iter()
                .filter(|context| self.rows.iter().any(|outcome| outcome.treatment.context == ***context));
            lines.extend(of_contexts.map(|context| Line {
                method: Method::Measured.to_string(),
                part: None,
                quantity: "mean",
                scale,
                intervention: &untreated,
                context,
                values: self.untreated[*context].clone(),
            }));
        }
        let text = |of: &dyn Fn(&Line) -> Option<String>| Column::Text(lines.iter().map(of).collect());
        let mut table = Table::new()
            .with_fact("calibration", &self.calibration)
            .with("method", "who predicts; `measured` is the mean of the wells", text(&|line| Some(line.method.clone())))
            .with(
                "part",
                "what the split of the run has it for: train, validation, calibration or test; null where it was not measured",
                text(&|line| line.part.map(|part| part.name().to_owned())),
            )
            .with("quantity", "mean, or an end of its interval: lower, upper", text(&|line| Some(line.quantity.to_owned())))
            .with(
                "scale",
                "normalized, or raw: in the units of the files, as on the average plate of the context",
                text(&|line| Some(line.scale.word().to_owned())),
            )
            .with_interventions(lines.iter().map(|line| line.intervention))
            .with(
                "context",
                "cell line, time and the like; null where the screen has one context",
                text(&|line| Some(line.context.to_owned()).filter(|context| !context.is_empty())),
            );
        for (feature, name) in self.features.iter().enumerate() {
            let value = |line: &Line| match line.scale {
                Scale::Normalized => line.values[feature],
                Scale::Raw => self.raw(line.context, feature, line.values[feature]) as f32,
            };
            table = table.with(name, "value of the feature", Column::Float32(lines.iter().map(value).collect()));
        }
        table
    }
}

/// One line of the table.
struct Line<'a> {
    method: String,
    part: Option<Part>,
    quantity: &'static str,
    scale: Scale,
    intervention: &'a Intervention,
    context: &'a str,
    values: Vec<f32>,
}

impl Scale {
    fn word(self) -> &'static str {
        match self {
            Self::Normalized => "normalized",
            Self::Raw => "raw",
        }
    }
}

fn by_treatment(predictions: &Predictions) -> BTreeMap<&Treatment, &[f32]> {
    predictions.treatments.iter().zip(0..).map(|(treatment, row)| (treatment, predictions.profiles.row(row))).collect()
}

/// Half the width of each feature's interval by stratum, from the errors at calibration treatments; and how many values of
/// test treatments they held.
fn radii_of(
    parts: &[Rows; 2],
    predicted: &BTreeMap<&Treatment, &[f32]>,
    measured: &BTreeMap<&Treatment, &[f32]>,
    strata: &Strata<'_>,
    alpha: f64,
) -> Result<(BTreeMap<Stratum, Vec<f32>>, String), StudyError> {
    let errors = |rows: &Rows| {
        let mut by_stratum = BTreeMap::<Stratum, Vec<Vec<f64>>>::new();
        for treatment in rows.keys() {
            let Some((predicted, measured)) = predicted.get(treatment).zip(measured.get(treatment)) else { continue };
            let errors = predicted.iter().zip(*measured).map(|(p, m)| f64::from((p - m).abs())).collect();
            by_stratum.entry(strata.stratum(treatment)).or_default().push(errors);
        }
        by_stratum
    };
    let [calibration, test] = parts.each_ref().map(errors);
    let mut radii = BTreeMap::new();
    for (stratum, errors) in &calibration {
        let of_feature = |feature: usize| -> Result<f32, StudyError> {
            let errors: Vec<f64> = errors.iter().map(|errors| errors[feature]).collect();
            Ok(conformal_radius(&errors, alpha)?.radius as f32)
        };
        let found: Vec<f32> = (0..errors[0].len()).map(of_feature).collect::<Result<_, _>>()?;
        if found.iter().all(|radius| radius.is_finite()) {
            radii.insert(*stratum, found);
        }
    }
    let level = 100.0 * (1.0 - alpha);
    if radii.is_empty() {
        let n_needed = conformal_radius(&[], alpha)?.n_needed;
        let most = calibration.values().map(Vec::len).max().unwrap_or(0);
        let words = format!(
            "no intervals: {level:.0} % ones need {n_needed} calibration treatments of a kind, there are {most}"
        );
        return Ok((radii, words));
    }
    let kinds: Vec<String> = radii
        .keys()
        .map(|stratum| format!("{stratum} by {} calibration treatments", calibration[stratum].len()))
        .collect();
    let (mut n_held, mut n_values, mut n_treatments) = (0usize, 0usize, 0usize);
    for (stratum, errors) in &test {
        let Some(radii) = radii.get(stratum) else { continue };
        n_treatments += errors.len();
        for errors in errors {
            n_values += errors.len();
            n_held += errors.iter().zip(radii).filter(|(error, radius)| **error <= f64::from(**radius)).count();
        }
    }
    let mut words = format!("{level:.0} % intervals, each feature by itself: {}", kinds.join("; "));
    if n_values > 0 {
        let share = 100.0 * n_held as f64 / n_values as f64;
        words += &format!("; they held {share:.0} % of the values of {n_treatments} test treatments");
    }
    Ok((radii, words))
}
