//! What a model of a trial says of held-out units, in the space of the measurements.

use burn::tensor::{Device, Tensor, TensorData};

use crate::answer::{Lapse, Prepared, SimpleMethods, TrainedRun, track_predictions};
use crate::baseline::Rows;
use crate::config::Config;
use crate::evaluate::{
    ERROR, Ending, HeldOutLatents, Judged, Judgment, RECALL, Trial, UnitName, orders, treatment_scores,
};
use crate::pair::Part;
use crate::predict::{Method, Predictions, Predictor, Starts};
use crate::screen::{RowKind, Treatment};
use crate::study::error::StudyError;
use crate::train::{Purpose, Shape, stream};

/// Units whose scores choose settings, and units that are scored with what was chosen.
const PARTS: [Part; 2] = [Part::Validation, Part::Test];

/// A trained model and the screen that it is judged on.
pub(super) struct Judge<'a> {
    pub(super) config: &'a Config,
    pub(super) prepared: &'a Prepared,
    pub(super) trained_run: &'a TrainedRun,
    pub(super) device: &'a Device,
}

impl Judge<'_> {
    /// How the latents of all treated rows lie that did not train.
    pub(super) fn latents(&self, seed: u64) -> HeldOutLatents {
        let Self { prepared, trained_run, device, .. } = *self;
        let (screen, split) = (&prepared.screen, &prepared.split);
        let is_held_out = |&row: &usize| split.part(row) != Part::Train && screen.unit(row).role.is_treated();
        let rows: Vec<usize> = (0..screen.n_observations()).filter(is_held_out).collect();
        let trained = &trained_run.trained;
        let values = trained.encode(&screen.features, &rows, device).values().to_vec();
        let data = TensorData::new(values, [rows.len(), trained.config.latent]);
        let shape = Shape::of(Tensor::from_data(data, device), &mut stream(seed, 0, Purpose::Diagnostics, 0));
        HeldOutLatents {
            collapsed: shape.is_collapsed(),
            rank_share: shape.effective_rank / shape.width as f64,
            spread: shape.mean_spread,
            excess_sigreg: shape.excess_sigreg,
        }
    }

    /// Scores of validation and of test units.
    pub(super) fn scores(&self) -> Result<[Vec<Judged>; 2], StudyError> {
        match self.prepared.screen.row_kind() {
            RowKind::Profile => self.of_treatments(),
            RowKind::TrackWindow => self.of_tracks(),
            RowKind::FollowedCrop => self.of_wells(),
            RowKind::Crop => unreachable!("refused before anything is trained"),
        }
    }

    fn of_treatments(&self) -> Result<[Vec<Judged>; 2], StudyError> {
        let Self { config, prepared, trained_run, device } = *self;
        let starts = Starts::of(&trained_run.trained, &prepared.screen, device);
        let model = trained_run.model(&starts, device);
        let mut scores = [Vec::new(), Vec::new()];
        for (part, scores) in PARTS.into_iter().zip(&mut scores) {
            let rows = prepared.treatments(part);
            let said = model.predict(&names(&rows))?;
            *scores = judged(config, prepared, &said, &rows)?;
        }
        Ok(scores)
    }

    /// Mean squared error of each track over its times.
    fn of_tracks(&self) -> Result<[Vec<Judged>; 2], StudyError> {
        let Self { config, prepared, trained_run, device } = *self;
        let mut scores = [Vec::new(), Vec::new()];
        for (part, scores) in PARTS.into_iter().zip(&mut scores) {
            let mut of_part = config.clone();
            of_part.evaluate.part = part;
            let found = track_predictions(&of_part, prepared, trained_run, device)?;
            for track in found.tracks.iter().filter(|track| track.method == Method::Model) {
                let pairs = track.predicted.iter().zip(&track.observed.values);
                let errors: Vec<f64> =
                    pairs.filter_map(|(said, measured)| Some(((*said)? - (*measured)?).powi(2))).collect();
                if !errors.is_empty() {
                    scores.push(Judged {
                        item: named(&track.unit),
                        unit: track.unit.place().to_owned(),
                        metric: ERROR.to_owned(),
                        value: errors.iter().sum::<f64>() / errors.len() as f64,
                    });
                }
            }
        }
        Ok(scores)
    }

    /// Squared error of the readout of each well of a time lapse.
    fn of_wells(&self) -> Result<[Vec<Judged>; 2], StudyError> {
        let Self { config, prepared, trained_run, device } = *self;
        let lapse = Lapse::new(prepared, trained_run, device)?;
        let (readouts, _) = lapse.readouts(config)?;
        Ok(PARTS.map(|part| {
            let own = readouts.iter().filter(|readout| readout.method == Method::Model && readout.part == part);
            let judged = own.map(|readout| Judged {
                item: named(&readout.unit),
                unit: readout.treatment.to_string(),
                metric: ERROR.to_owned(),
                value: (readout.predicted - readout.observed).powi(2),
            });
            judged.collect()
        }))
    }
}

/// What simple methods say of the same units, fitted on the same share.
pub(super) fn simple_methods(
    config: &Config,
    prepared: &Prepared,
    percent: usize,
    seed: u64,
) -> Result<Vec<Judgment>, StudyError> {
    let simple = SimpleMethods::of(config, prepared);
    let [validation, test] = PARTS.map(|part| prepared.treatments(part));
    let asked: Rows =
        validation.iter().chain(&test).map(|(treatment, rows)| (treatment.clone(), rows.clone())).collect();
    let mut judgments = Vec::new();
    for method in
        [Method::MeanShift, Method::Interpolation, Method::DenoisedInterpolation, Method::Prior, Method::Ridge]
    {
        let Some(fitted) = simple.fit(&method, &asked)? else { continue };
        let scores = |rows: &Rows| judged(config, prepared, &fitted.ask(&names(rows)), rows);
        let (validation, test) = (scores(&validation)?, scores(&test)?);
        let trial = Trial { percent, objective: method.to_string(), setting: String::new(), seed };
        judgments.push(Judgment { trial, ending: Ending::Fitted, validation, test });
    }
    Ok(judgments)
}

fn named(unit: &UnitName) -> String {
    format!("{} {}", unit.place(), unit.name().unwrap_or_default())
}

fn names(rows: &Rows) -> Vec<Treatment> {
    rows.keys().cloned().collect()
}

/// Errors, retrieval and the order of what was predicted, against what was measured.
fn judged(config: &Config, prepared: &Prepared, said: &Predictions, rows: &Rows) -> Result<Vec<Judged>, StudyError> {
    let (settings, screen, split) = (&config.evaluate, &prepared.screen, &prepared.split);
    let of = |treatment: &Treatment, metric: &str, value: f64| Judged {
        item: treatment.to_string(),
        unit: treatment.intervention.perturbation_names(),
        metric: metric.to_owned(),
        value,
    };
    let scores = treatment_scores(settings, screen, split, [said], rows)?;
    let own = scores.iter().filter(|score| score.method == said.method);
    let metrics = own.filter_map(|score| match score.metric {
        "mse" => Some(of(&score.treatment, ERROR, score.value)),
        "recall" => Some(of(&score.treatment, RECALL, score.value)),
        _ => None,
    });
    let mut all: Vec<Judged> = metrics.collect();
    let orders = orders(settings, screen, split, [said], rows)?;
    let own = orders.iter().filter(|order| order.method == said.method);
    all.extend(own.map(|order| of(&order.target, "order", order.spearman)));
    Ok(all)
}
