//! Is the run learning, or collapsing? Numbers of the latents that say so, and the same in words.

use burn::tensor::{Device, Tensor, TensorData};
use faer::{Mat, Side};
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::objective::Objective;
use crate::loss::{SigregConfig, directions, sigreg};
use crate::model::{WorldModel, weighted};
use crate::pair::{Batch, InterventionRows};

/// How latents lie in their space.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shape {
    /// SIGReg above the value of perfectly normal latents.
    pub excess_sigreg: f64,
    /// Exponential of the entropy of the covariance's spectrum, between 1 and the latent width.
    pub effective_rank: f64,
    /// Smallest standard deviation of a latent dimension.
    pub least_spread: f64,
    /// Mean standard deviation over latent dimensions.
    pub mean_spread: f64,
    /// Latent dimensions.
    pub width: usize,
}

impl Shape {
    /// The shape of latents, `[unit, latent]`; the directions of SIGReg are drawn from `rng`.
    pub fn of(latents_ul: Tensor<2>, rng: &mut ChaCha8Rng) -> Self {
        let (device, width) = (latents_ul.device(), latents_ul.dims()[1]);
        // As measured for every objective, whatever its own SIGReg is: that of the known floor.
        let measure = SigregConfig::default();
        let directions_lk = directions(rng, width, measure.slices, &device);
        let values: Vec<f32> = latents_ul.to_data().try_to_vec().expect("latents are f32");
        let spreads = spreads(&values, width);
        Self {
            excess_sigreg: scalar(sigreg(latents_ul, directions_lk, &measure)) - SigregConfig::FLOOR,
            effective_rank: effective_rank(&values, width),
            least_spread: spreads.iter().copied().fold(f64::INFINITY, f64::min),
            mean_spread: spreads.iter().sum::<f64>() / width as f64,
            width,
        }
    }

    /// Whether latents have collapsed: a mean spread below 0.2, or an effective rank below a twentieth of the width.
    pub fn is_collapsed(&self) -> bool {
        self.mean_spread < 0.2 || self.effective_rank < LEAST_RANK_SHARE * self.width as f64
    }
}

/// What the latents of a batch look like in inference mode.
#[derive(Debug, Clone, PartialEq)]
pub struct Diagnostics {
    /// How they lie.
    pub shape: Shape,
    /// Prediction loss with the true interventions.
    pub loss_true: f64,
    /// Prediction loss with the batch's interventions shuffled.
    pub loss_shuffled: f64,
    /// Squared distance from start to target: what predicting no change costs.
    pub loss_persistence: f64,
    /// Squared distance from the mean target: what predicting the mean shift costs.
    pub loss_mean_shift: f64,
}

/// An effective rank below this share of the latent width is a collapse.
pub const LEAST_RANK_SHARE: f64 = 0.05;

/// A smaller action gap says that predictions hardly depend on the intervention.
pub const LEAST_ACTION_GAP: f64 = 0.01;

/// A run's state in words.
#[derive(Debug, Clone, PartialEq)]
pub enum Health {
    /// Nothing to say.
    Fine,
    /// Latents lose their spread.
    Collapsing(String),
    /// The predictor does not use the interventions.
    ActionBlind(String),
}

impl Diagnostics {
    /// Diagnoses `model` on a batch.
    pub fn of(model: &WorldModel, batch: &Batch, rng: &mut ChaCha8Rng, device: &Device) -> Self {
        let (n_episodes, n_rows) = (batch.n_episodes(), batch.interventions.len());
        let n_features = batch.units_uf.len() / batch.n_units;
        let data = TensorData::new(batch.units_uf.clone(), [batch.n_units, n_features]);
        let units_ul = model.encode(Tensor::<2>::from_data(data, device));
        let start_bl = weighted(&batch.start, &units_ul, n_episodes);
        let from_bl = match model.is_anchored() {
            true => weighted(&batch.anchor, &units_ul, n_episodes),
            false => start_bl.clone(),
        };
        let target_bl = weighted(&batch.target, &units_ul, n_rows);
        let start_bl = start_bl.repeat_dim(0, batch.n_steps);
        let loss = |predicted_bl: Tensor<2>| scalar((predicted_bl - target_bl.clone()).square().mean());
        let mut order: Vec<usize> = (0..n_episodes).collect();
        order.shuffle(rng);
        let of_all_steps = (0..batch.n_steps).flat_map(|step| order.iter().map(move |&row| step * n_episodes + row));
        let shuffled = shuffle(&batch.interventions, &of_all_steps.collect::<Vec<_>>());
        let latent = units_ul.dims()[1];
        Self {
            shape: Shape::of(units_ul, rng),
            loss_true: loss(model.predict(from_bl.clone(), &batch.interventions)),
            loss_shuffled: loss(model.predict(from_bl, &shuffled)),
            loss_persistence: loss(start_bl),
            loss_mean_shift: loss(target_bl.clone().mean_dim(0).expand([n_rows, latent])),
        }
    }

    /// How much the loss grows when interventions are shuffled, as a share of the true loss.
    pub fn action_gap(&self) -> f64 {
        self.loss_shuffled / self.loss_true.max(1e-12) - 1.0
    }

    /// The same in words; of what was held out, where there is anything: a batch of training can look healthy where the
    /// latents of other wells have collapsed.
    pub fn health(&self, objective: &Objective, held_out: Option<Shape>) -> Health {
        let shape = held_out.unwrap_or(self.shape);
        let Shape { mean_spread, effective_rank, width, .. } = shape;
        if shape.is_collapsed() {
            let whose = if held_out.is_some() { "latents of validation wells" } else { "latents" };
            return Health::Collapsing(format!(
                "{whose} are collapsing: mean spread {mean_spread:.3} (1 is healthy), effective rank {effective_rank:.1} of {width}; {}",
                objective.advice_on_collapse()
            ));
        }
        if self.action_gap() < LEAST_ACTION_GAP {
            return Health::ActionBlind(format!(
                "predictions hardly depend on the intervention: shuffling interventions changes the loss by {:+.1} %",
                100.0 * self.action_gap()
            ));
        }
        Health::Fine
    }

    /// Names and values for the metrics log.
    pub fn values(&self) -> Vec<(&'static str, f64)> {
        vec![
            ("excess_sigreg", self.shape.excess_sigreg),
            ("effective_rank", self.shape.effective_rank),
            ("least_spread", self.shape.least_spread),
            ("mean_spread", self.shape.mean_spread),
            ("action_gap", self.action_gap()),
            ("r2_against_persistence", 1.0 - self.loss_true / self.loss_persistence.max(1e-12)),
            ("r2_against_mean_shift", 1.0 - self.loss_true / self.loss_mean_shift.max(1e-12)),
        ]
    }
}

fn scalar(tensor: Tensor<1>) -> f64 {
    f64::from(tensor.into_data().try_to_vec::<f32>().expect("losses are f32")[0])
}

/// The perturbations, doses and durations of other transitions; contexts and anchors stay where they are.
fn shuffle(rows: &InterventionRows, order: &[usize]) -> InterventionRows {
    let members = rows.members;
    let width = rows.descriptors.len() / (rows.len() * members).max(1);
    let take = |values: &[f32], per: usize| -> Vec<f32> {
        order.iter().flat_map(|&row| values[row * per..(row + 1) * per].iter().copied()).collect()
    };
    let take_index = |values: &[i32]| -> Vec<i32> {
        order.iter().flat_map(|&row| values[row * members..(row + 1) * members].iter().copied()).collect()
    };
    InterventionRows {
        members,
        perturbation: take_index(&rows.perturbation),
        kind: take_index(&rows.kind),
        log_dose: take(&rows.log_dose, members),
        dosed: take(&rows.dosed, members),
        present: take(&rows.present, members),
        known: take(&rows.known, members),
        descriptors: take(&rows.descriptors, members * width),
        duration: take(&rows.duration, 1),
        context: rows.context.clone(),
        anchor: rows.anchor.clone(),
    }
}

/// Standard deviation of each latent dimension over the rows of `[unit, latent]`.
fn spreads(values: &[f32], latent: usize) -> Vec<f64> {
    let n_rows = (values.len() / latent) as f64;
    let moment = |column: usize, power: i32| -> f64 {
        values.iter().skip(column).step_by(latent).map(|&value| f64::from(value).powi(power)).sum::<f64>() / n_rows
    };
    (0..latent).map(|column| (moment(column, 2) - moment(column, 1).powi(2)).max(0.0).sqrt()).collect()
}

/// Exponential of the entropy of the normalized eigenvalues of the covariance.
fn effective_rank(values: &[f32], latent: usize) -> f64 {
    let n_rows = values.len() / latent;
    let means: Vec<f64> = (0..latent)
        .map(|column| {
            values.iter().skip(column).step_by(latent).map(|&value| f64::from(value)).sum::<f64>() / n_rows as f64
        })
        .collect();
    let centered = Mat::from_fn(n_rows, latent, |row, column| f64::from(values[row * latent + column]) - means[column]);
    let covariance = centered.transpose() * &centered;
    let Ok(eigenvalues) = covariance.self_adjoint_eigenvalues(Side::Lower) else { return f64::NAN };
    let total: f64 = eigenvalues.iter().map(|value| value.max(0.0)).sum();
    if total <= 0.0 {
        return 1.0;
    }
    let entropy: f64 = eigenvalues
        .iter()
        .map(|value| value.max(0.0) / total)
        .filter(|&share| share > 0.0)
        .map(|share| -share * share.ln())
        .sum();
    entropy.exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn effective_rank_counts_equal_directions() {
        let values = [1.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, -1.0, 0.0];
        assert!((effective_rank(&values, 3) - 2.0).abs() < 1e-9);
        assert!(spreads(&values, 3)[2] == 0.0);
    }
}
