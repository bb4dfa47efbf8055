//! From a trained model and a screen to the table of latents.

use std::collections::BTreeMap;

use burn::tensor::Device;

use super::{Embeddings, Level};
use crate::screen::{FeatureMatrix, Label, Observation, Role, Screen};
use crate::train::TrainedModel;

/// Latents of a normalized screen at a level.
///
/// The members' latents stand side by side, member by member, so that squared distances are sums over the members'.
/// At level `intervention` a row is the mean over all wells of an intervention in a context, negative controls included.
pub fn embed(trained: &TrainedModel, screen: &Screen, level: Level, device: &Device) -> Embeddings {
    let rows: Vec<usize> = (0..screen.n_observations()).collect();
    let by_member = trained.encode(&screen.features, &rows, device);
    let width = by_member.iter().map(|member| member.first().map_or(0, Vec::len)).sum();
    let mut values = Vec::with_capacity(rows.len() * width);
    for &row in &rows {
        for member in &by_member {
            values.extend_from_slice(&member[row]);
        }
    }
    let latents = FeatureMatrix::numbered("latent_", width, values);
    if level != Level::Intervention {
        let n_wells = vec![1; rows.len()];
        return Embeddings::new(level, screen.observations.clone(), n_wells, screen.labels.clone(), latents);
    }
    let mut groups = BTreeMap::<_, Vec<usize>>::new();
    for (row, observation) in screen.observations.iter().enumerate() {
        if observation.role != Role::Empty {
            groups.entry((observation.role, observation.treatment())).or_default().push(row);
        }
    }
    let mut values = Vec::with_capacity(groups.len() * width);
    let mut observations = Vec::with_capacity(groups.len());
    for rows in groups.values() {
        values.extend(latents.mean_of(rows));
        observations.push(consensus_observation(screen, rows));
    }
    let first_known = |label: &Label| Label {
        name: label.name.clone(),
        values: groups.values().map(|rows| shared(rows.iter().map(|&row| label.values[row].clone()))).collect(),
    };
    let n_wells = groups.values().map(Vec::len).collect();
    let labels = screen.labels.iter().map(first_known).collect();
    Embeddings::new(level, observations, n_wells, labels, FeatureMatrix::numbered("latent_", width, values))
}

/// What the rows of a group have in common.
fn consensus_observation(screen: &Screen, rows: &[usize]) -> Observation {
    let of = |row: usize| &screen.observations[row];
    let counts: Vec<f64> = rows.iter().filter_map(|&row| of(row).cell_count).collect();
    Observation {
        plate: String::new(),
        well: None,
        replicate: None,
        lab_batch: shared(rows.iter().map(|&row| of(row).lab_batch.clone())),
        cell_count: (!counts.is_empty()).then(|| counts.iter().sum::<f64>() / counts.len() as f64),
        ..of(rows[0]).clone()
    }
}

/// The value that all have, if they agree.
fn shared(mut values: impl Iterator<Item = Option<String>>) -> Option<String> {
    let first = values.next()??;
    values.all(|value| value.as_deref() == Some(&first)).then_some(first)
}
