//! How the model of a trial, and the simple methods, are judged on held-out units.

use burn::tensor::{Tensor, TensorData};

use crate::answer::{Prepared, SimpleMethods};
use crate::baseline::Rows;
use crate::config::Config;
use crate::evaluate::{
    ERROR, Ending, HeldOutLatents, Judged, Judgment, RECALL, Trial, UnitName, orders, treatment_scores,
};
use crate::pair::Part;
use crate::predict::{Method, Predictions};
use crate::screen::Treatment;
use crate::study::error::StudyError;
use crate::study::kind::Run;
use crate::train::{Purpose, Shape, stream};

/// Units whose scores choose settings, and units that are scored with what was chosen.
pub(in crate::study) const PARTS: [Part; 2] = [Part::Validation, Part::Test];

/// How the latents of all treated rows lie that did not train.
pub(super) fn held_out_latents(run: Run<'_>, seed: u64) -> HeldOutLatents {
    let Run { prepared, trained_run, device, .. } = run;
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

/// What simple methods say of the same units, fitted on the same share.
pub(in crate::study) fn simple_methods(
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

/// Place and name of a unit.
pub(in crate::study) fn named(unit: &UnitName) -> String {
    format!("{} {}", unit.place(), unit.name().unwrap_or_default())
}

fn names(rows: &Rows) -> Vec<Treatment> {
    rows.keys().cloned().collect()
}

/// Errors, retrieval and the order of what was predicted, against what was measured.
pub(in crate::study) fn judged(
    config: &Config,
    prepared: &Prepared,
    said: &Predictions,
    rows: &Rows,
) -> Result<Vec<Judged>, StudyError> {
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
