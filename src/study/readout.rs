//! A measured number of every object that the model never sees, read out of its predictions: the test of a time lapse.
//!
//! A ridge probe, fitted on training objects, turns latents into the logarithm of the number. Over the tracks of a well the
//! numbers are summed, at the last frame and at the first, and their ratio is compared with the measured one. Simple
//! methods predict that ratio from the measured ratios of training wells.

use std::collections::BTreeMap;

use burn::tensor::Device;

use super::images::READOUT_LABEL;
use super::{Prepared, Served, StudyError};
use crate::baseline;
use crate::config::Config;
use crate::evaluate::{ScoreRow, readout_scores};
use crate::pair::Part;
use crate::predict::{Predictions, Ridge};
use crate::run::{Column, Table};
use crate::screen::{FeatureMatrix, Observation, Reference, Role, Screen, Track, Treatment, Well};

/// The read-out of one well by one method.
#[derive(Debug, Clone, PartialEq)]
pub struct WellReadout {
    /// The plate.
    pub plate: String,
    /// The well.
    pub well: Option<Well>,
    /// What was done, for all of the lapse.
    pub treatment: Treatment,
    /// The method.
    pub method: String,
    /// Ratio of the sums over the well's objects, last frame to first, as the method predicts it.
    pub predicted: f64,
    /// The measured ratio.
    pub observed: f64,
}

/// The read-out of the frame that is to be predicted, from its own latents: what a perfect prediction would reach.
const TRUE_FRAME: &str = "true_frame";

/// The measured ratio of another well of the same condition: what repeating the experiment would reach.
const REPLICATE: &str = "replicate";

/// Penalties of the probe.
const LAMBDAS: [f64; 6] = [1e-3, 1e-1, 1.0, 10.0, 100.0, 1000.0];

/// One well with its followed objects.
struct WellTracks<'a> {
    plate: &'a str,
    well: Option<Well>,
    treatment: Treatment,
    part: Part,
    tracks: Vec<&'a Track>,
}

/// Read-outs of the wells of `config.evaluate.part` by every method.
///
/// # Errors
/// When no training object has a number, or a fit fails.
pub(super) fn well_readouts(
    config: &Config,
    prepared: &Prepared,
    served: &Served,
    device: &Device,
) -> Result<Vec<WellReadout>, StudyError> {
    let screen = &prepared.screen;
    let logs = log_values(screen, READOUT_LABEL)?;
    let wells = wells(prepared, &logs);
    let by_member = served.trained.encode(&screen.features, &(0..screen.n_observations()).collect::<Vec<_>>(), device);
    let latents = side_by_side(&by_member, screen.n_observations());
    let training: Vec<usize> = prepared
        .tracks
        .iter()
        .filter(|track| prepared.split.part(track.first()) == Part::Train)
        .flat_map(|track| track.rows.iter().copied())
        .filter(|&row| logs[row].is_some())
        .collect();
    let truth = training.iter().map(|&row| logs[row].expect("filtered above") as f32).collect();
    let probe =
        Ridge::fit_gcv(&latents.select_rows(&training), &FeatureMatrix::new(vec!["log".into()], truth), &LAMBDAS)?;
    let read = |latents: &FeatureMatrix| -> Vec<f64> {
        probe.predict(latents).values().iter().map(|&log| f64::from(log).exp()).collect()
    };
    let now = read(&latents);
    let followed: Vec<&Track> = wells.iter().flat_map(|well| well.tracks.iter().copied()).collect();
    let later = read(&predicted(prepared, served, &followed, &by_member, device));
    let later: BTreeMap<usize, f64> = followed.iter().map(|track| track.first()).zip(later).collect();

    let ratio = |well: &WellTracks, last: &dyn Fn(&Track) -> f64, first: &dyn Fn(&Track) -> f64| {
        let sum = |value: &dyn Fn(&Track) -> f64| well.tracks.iter().map(|track| value(track)).sum::<f64>();
        sum(last) / sum(first)
    };
    let measured_at = |row: usize| logs[row].expect("wells hold tracks with both numbers").exp();
    let last_row = |track: &Track| *track.rows.last().expect("a track has rows");
    let observed: Vec<f64> = wells
        .iter()
        .map(|well| ratio(well, &|track| measured_at(last_row(track)), &|track| measured_at(track.first())))
        .collect();
    let by_model: Vec<f64> =
        wells.iter().map(|well| ratio(well, &|track| later[&track.first()], &|track| now[track.first()])).collect();
    let by_true_frame: Vec<f64> =
        wells.iter().map(|well| ratio(well, &|track| now[last_row(track)], &|track| now[track.first()])).collect();
    let is_training = |well: &usize| wells[*well].part == Part::Train;
    let training: Vec<usize> = (0..wells.len()).filter(is_training).collect();
    let mut methods: Vec<(String, Vec<Option<f64>>)> = Vec::new();
    for (name, raw) in [("lewm", by_model), (TRUE_FRAME, by_true_frame)] {
        let (slope, intercept) = line(&training, &raw, &observed);
        methods.push((name.into(), raw.iter().map(|raw| Some(intercept + slope * raw)).collect()));
    }
    for predictions in simple(&wells, &observed)? {
        let of: BTreeMap<&Treatment, f64> = (predictions.treatments.iter().zip(predictions.profiles.values()))
            .map(|(treatment, &change)| (treatment, 1.0 + f64::from(change)))
            .collect();
        let values = wells.iter().map(|well| of.get(&well.treatment).copied()).collect();
        methods.push((predictions.method.clone(), values));
    }
    let replicate = |own: usize| {
        let twins = (0..wells.len()).filter(|&other| other != own && wells[other].treatment == wells[own].treatment);
        let ratios: Vec<f64> = twins.map(|twin| observed[twin]).collect();
        (!ratios.is_empty()).then(|| ratios.iter().sum::<f64>() / ratios.len() as f64)
    };
    methods.push((REPLICATE.into(), (0..wells.len()).map(replicate).collect()));

    let scored: Vec<usize> = (0..wells.len()).filter(|&well| wells[well].part == config.evaluate.part).collect();
    let mut found = Vec::new();
    for (method, values) in methods {
        for &index in &scored {
            let WellTracks { plate, well, treatment, .. } = &wells[index];
            found.extend(values[index].map(|predicted| WellReadout {
                plate: (*plate).to_owned(),
                well: *well,
                treatment: treatment.clone(),
                method: method.clone(),
                predicted,
                observed: observed[index],
            }));
        }
    }
    Ok(found)
}

/// The natural logarithm of each row's number; `None` where there is none or it is not positive.
fn log_values(screen: &Screen, label: &str) -> Result<Vec<Option<f64>>, StudyError> {
    let found = screen.label(label).ok_or_else(|| crate::evaluate::EvaluateError::MissingLabel {
        screen: screen.name.clone(),
        label: label.to_owned(),
    })?;
    let log = |value: &Option<String>| value.as_ref()?.parse::<f64>().ok().filter(|value| *value > 0.0).map(f64::ln);
    Ok(found.values.iter().map(log).collect())
}

/// The wells with at least one object that has its number in the first and in the last frame.
fn wells<'a>(prepared: &'a Prepared, logs: &[Option<f64>]) -> Vec<WellTracks<'a>> {
    let screen = &prepared.screen;
    let mut wells = BTreeMap::<(&str, Option<Well>), WellTracks>::new();
    for track in &prepared.tracks {
        let last = *track.rows.last().expect("a track has rows");
        if logs[track.first()].is_none() || logs[last].is_none() {
            continue;
        }
        let observation = &screen.observations[last];
        wells
            .entry((&observation.plate, observation.well))
            .or_insert_with(|| WellTracks {
                plate: &observation.plate,
                well: observation.well,
                treatment: observation.treatment(),
                part: prepared.split.part(last),
                tracks: Vec::new(),
            })
            .tracks
            .push(track);
    }
    wells.into_values().collect()
}

/// The members' latents of each row side by side, `[row, member x latent]`.
fn side_by_side(by_member: &[Vec<Vec<f32>>], n_rows: usize) -> FeatureMatrix {
    let width: usize = by_member.iter().map(|member| member.first().map_or(0, Vec::len)).sum();
    let values = (0..n_rows).flat_map(|row| by_member.iter().flat_map(move |member| member[row].iter().copied()));
    FeatureMatrix::numbered("latent_", width, values.collect())
}

/// Predicted latents at the last frame of each track from its first frame, members side by side.
fn predicted(
    prepared: &Prepared,
    served: &Served,
    tracks: &[&Track],
    by_member: &[Vec<Vec<f32>>],
    device: &Device,
) -> FeatureMatrix {
    let last = |track: &Track| *track.rows.last().expect("a track has rows");
    let treatments: Vec<Treatment> =
        tracks.iter().map(|track| prepared.screen.observations[last(track)].treatment()).collect();
    let treatments: Vec<&Treatment> = treatments.iter().collect();
    let starts: Vec<Vec<Vec<f32>>> =
        by_member.iter().map(|latents| tracks.iter().map(|track| latents[track.first()].clone()).collect()).collect();
    side_by_side(&served.trained.predict(&treatments, &starts, device), tracks.len())
}

/// Slope and intercept of the least-squares line from `x` to `y` over `rows`; the line through the origin of slope 1 when `x`
/// does not vary.
fn line(rows: &[usize], x: &[f64], y: &[f64]) -> (f64, f64) {
    let n = rows.len() as f64;
    let mean = |values: &[f64]| rows.iter().map(|&row| values[row]).sum::<f64>() / n;
    let (x_mean, y_mean) = (mean(x), mean(y));
    let spread: f64 = rows.iter().map(|&row| (x[row] - x_mean).powi(2)).sum();
    if rows.len() < 3 || spread <= 0.0 {
        return (1.0, 0.0);
    }
    let shared: f64 = rows.iter().map(|&row| (x[row] - x_mean) * (y[row] - y_mean)).sum();
    let slope = shared / spread;
    (slope, y_mean - slope * x_mean)
}

/// What simple methods say of every condition, from the measured ratios of training wells: predictions of ratio − 1.
fn simple(wells: &[WellTracks], observed: &[f64]) -> Result<Vec<Predictions>, StudyError> {
    let observation = |well: &WellTracks| Observation {
        plate: well.plate.to_owned(),
        well: well.well,
        role: Role::Treatment,
        intervention: well.treatment.intervention.clone(),
        context: well.treatment.context.clone(),
        lab_batch: None,
        replicate: None,
        cell_count: None,
    };
    let screen = Screen {
        name: "ratios of wells".into(),
        reference: Reference::Relative,
        observations: wells.iter().map(observation).collect(),
        features: FeatureMatrix::new(
            vec!["change".into()],
            observed.iter().map(|ratio| (ratio - 1.0) as f32).collect(),
        ),
        labels: Vec::new(),
        dropped: Vec::new(),
    };
    let mut training = screen.treatments();
    training.retain(|_, rows| {
        rows.retain(|&row| wells[row].part == Part::Train);
        !rows.is_empty()
    });
    let targets: Vec<Treatment> = screen.treatments().into_keys().collect();
    Ok(vec![
        baseline::no_change(&screen, &targets),
        baseline::mean_shift(&screen, &training, &targets),
        baseline::nearest_dose(&screen, &training, &targets),
        baseline::interpolation(&screen, &training, &targets),
        baseline::additive(&screen, &training, &targets),
    ])
}

/// Scores of every method over the wells, and of each condition's mean where there are too few for an interval.
///
/// # Errors
/// When a read-out is not finite.
pub(super) fn readout_score_rows(config: &Config, readouts: &[WellReadout]) -> Result<Vec<ScoreRow>, StudyError> {
    let mut methods = BTreeMap::<&str, Vec<&WellReadout>>::new();
    for readout in readouts {
        methods.entry(&readout.method).or_default().push(readout);
    }
    let mut rows = Vec::new();
    for (method, wells) in methods {
        let of = |value: &dyn Fn(&WellReadout) -> f64| wells.iter().map(|well| value(well)).collect::<Vec<f64>>();
        let units: Vec<String> = wells.iter().map(|well| well.treatment.to_string()).collect();
        let n_units = units.iter().collect::<std::collections::BTreeSet<_>>().len();
        let scores = readout_scores(&of(&|w| w.observed), &of(&|w| w.predicted), &units, &config.evaluate.bootstrap)?;
        rows.extend(scores.into_iter().map(|score| ScoreRow {
            task: READOUT_TASK.to_owned(),
            subset: "all".to_owned(),
            method: method.to_owned(),
            metric: score.metric.to_owned(),
            value: score.value,
            lower: score.interval.map(|(lower, _)| lower),
            upper: score.interval.map(|(_, upper)| upper),
            n_items: wells.len(),
            n_units,
            note: String::new(),
        }));
    }
    Ok(rows)
}

/// What the read-out of wells is called in `scores.parquet`.
pub(super) const READOUT_TASK: &str = "read-out of wells";

/// Every read-out as a table: one row for each well and method.
pub(super) fn readout_table(readouts: &[WellReadout]) -> Table {
    let text = |of: &dyn Fn(&WellReadout) -> Option<String>| Column::Text(readouts.iter().map(of).collect());
    let number = |of: &dyn Fn(&WellReadout) -> f64| Column::Number(readouts.iter().map(|row| Some(of(row))).collect());
    Table::new()
        .with("plate", "plate of the well", text(&|row| Some(row.plate.clone())))
        .with("well", "the well", text(&|row| row.well.map(|well| well.to_string())))
        .with_interventions(readouts.iter().map(|row| &row.treatment.intervention))
        .with("method", "who predicts", text(&|row| Some(row.method.clone())))
        .with("predicted", "predicted ratio, last frame to first", number(&|row| row.predicted))
        .with("observed", "measured ratio, last frame to first", number(&|row| row.observed))
}
