//! How good latents are as an embedding: mechanism and replicate retrieval, beside features with the same post-processing.

use std::collections::BTreeMap;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::well_means::WellMeans;
use super::{
    Distance, EvaluateConfig, EvaluateError, Exclude, MapSettings, Negatives, ReplicateMap, ScoreRow, moa_accuracy,
    moa_vectors, replicate_map, retrieval, split_halves,
};
use crate::baseline::measured;
use crate::linear::PrincipalComponents;
use crate::normalize::{Sphering, Whitening};
use crate::pair::{Part, Split};
use crate::screen::{FeatureMatrix, Features, Role, Screen};

/// Added to every eigenvalue when sphering, as a multiple of the mean eigenvalue.
const SPHERE_EPSILON: f64 = 0.2;

/// Principal components kept of the features before they are sphered.
const PCA_COMPONENTS: usize = 100;

/// Treatments whose replicate retrieval is scored; of more, every n-th.
const MOST_TREATMENTS: usize = 200;

const MECHANISM: &str = "mechanism of the nearest neighbor";
const REPLICATES: &str = "replicate retrieval";
const SEEN: &str = "half of the wells by the other half";

/// What embeddings are asked.
pub(super) const EMBEDDING_TASKS: [&str; 3] = [MECHANISM, REPLICATES, SEEN];

/// Scores of latents and features as embeddings of all wells of the screen.
///
/// Whitening and components are fitted on training rows. Mechanism retrieval covers all treatments, those of training too:
/// no label was shown to the model.
///
/// # Shapes
/// - `latents`: `[row, latent]` of the trained encoder, those of the members side by side, each `width` wide
/// - `untrained`: the same of the encoder that training started from
///
/// # Errors
/// When whitening cannot be fitted.
pub fn embedding_scores(
    settings: &EvaluateConfig,
    screen: &Screen,
    split: &Split,
    latents: FeatureMatrix,
    untrained: FeatureMatrix,
    width: usize,
) -> Result<Vec<ScoreRow>, EvaluateError> {
    if let Some(wells) = WellMeans::of(screen, split) {
        let (latents, untrained) = (wells.means(&latents), wells.means(&untrained));
        return embedding_scores(settings, &wells.screen, &wells.split, latents, untrained, width);
    }
    let training = split.rows(Part::Train);
    let components = PCA_COMPONENTS.min(training.len() - 1).min(screen.features.n_features());
    let profiles = screen.features.in_memory();
    let pca = PrincipalComponents::fit(&profiles, &training, components)?.apply(&profiles)?;
    let same_width = width.min(components);
    let pca_same = pca.select_columns(&(0..same_width).collect::<Vec<_>>());
    let mut embeddings = vec![
        ("latents".to_owned(), latents.clone().into()),
        ("random_encoder".to_owned(), untrained.into()),
        ("features".to_owned(), screen.features.clone()),
        (format!("pca_{same_width}"), pca_same.into()),
    ];
    let is_control = |row: &usize| screen.unit(*row).role == Role::NegativeControl;
    let controls: Vec<usize> = training.iter().copied().filter(is_control).collect();
    if controls.len() >= 8 {
        // The same treatment for both: principal components of the training rows, then whitening by their controls.
        let latent_components = components.min(latents.n_features());
        let latents = PrincipalComponents::fit(&latents, &training, latent_components)?.apply(&latents)?;
        for (name, mut matrix) in [("latents_sphered".to_owned(), latents), (format!("pca_{components}_sphered"), pca)]
        {
            Sphering::fit(&matrix, &controls, Whitening::Zca, SPHERE_EPSILON)?.apply(&mut matrix)?;
            embeddings.push((name, matrix.into()));
        }
    }
    let mut rows = Vec::new();
    for (name, matrix) in embeddings {
        rows.extend(mechanism(screen, &name, &matrix)?);
        rows.extend(replicates(screen, &name, &matrix)?);
        rows.extend(seen_again(settings, screen, split, &name, &matrix)?);
    }
    Ok(rows)
}

/// Scores of the spaces in which wells of images are compared.
///
/// Replicates are looked for among held-out wells alone, since the model was told which training wells are replicates;
/// where no control is held out, the plates' own controls are what they are told from.
///
/// # Errors
/// When a metric cannot be computed.
pub fn well_embedding_scores(
    settings: &EvaluateConfig,
    screen: &Screen,
    split: &Split,
    spaces: &[(String, Features)],
) -> Result<Vec<ScoreRow>, EvaluateError> {
    let is_control = |row: &usize| screen.unit(*row).role == Role::NegativeControl;
    let mut held_out = split.rows(settings.part);
    if !held_out.iter().any(is_control) {
        held_out.extend((0..screen.n_observations()).filter(is_control));
        held_out.sort_unstable();
    }
    let of_held_out = screen.select(&held_out);
    let mut rows = Vec::new();
    for (name, space) in spaces {
        rows.extend(mechanism(screen, name, space)?);
        let found = replicates(&of_held_out, name, &space.select_rows(&held_out))?;
        rows.extend(found.into_iter().map(|row| ScoreRow { subset: "held-out wells".to_owned(), ..row }));
    }
    Ok(rows)
}

fn mechanism(screen: &Screen, name: &str, matrix: &Features) -> Result<Vec<ScoreRow>, EvaluateError> {
    if screen.label("moa").is_none() {
        return Ok(Vec::new());
    }
    let treatments = screen.treatments();
    let vectors = moa_vectors(screen, &treatments, &measured(matrix, &treatments))?;
    let tasks = [("NSC", Exclude::SameCompound), ("NSCB", Exclude::SameCompoundOrBatch)];
    let row = |(metric, exclude): (&str, Exclude)| {
        let found = moa_accuracy(&vectors, exclude);
        let note = format!("{} treatments without an eligible neighbor of their mechanism left out", found.n_dropped);
        plain(MECHANISM, name, metric, found.accuracy(), found.n_eligible, note)
    };
    Ok(tasks.map(row).into_iter().filter(|row| row.n_items > 0).collect())
}

fn replicates(screen: &Screen, name: &str, matrix: &Features) -> Result<Vec<ScoreRow>, EvaluateError> {
    let negatives =
        if screen.controls_by_plate().is_empty() { Negatives::PlateTreatments } else { Negatives::PlateControls };
    // A search of so many steps is enough to tell q <= 0.05, and short for each of thousands of treatments.
    let settings = MapSettings { negatives, most_enumerated: 20_000, ..MapSettings::default() };
    let mut treatments = screen.treatments();
    let every = treatments.len().div_ceil(MOST_TREATMENTS);
    let mut position = 0;
    treatments.retain(|_, _| {
        position += 1;
        position % every == 0
    });
    let found = replicate_map(screen, matrix, &treatments, &settings)?;
    if found.scored.is_empty() {
        return Ok(Vec::new());
    }
    let n = found.scored.len();
    let mean = |value: &dyn Fn(&ReplicateMap) -> f64| found.scored.iter().map(value).sum::<f64>() / n as f64;
    let note = format!("chance {:.3}", mean(&|scored| scored.expected));
    let share = format!("of {n} treatments at q <= 0.05");
    Ok(vec![
        plain(REPLICATES, name, "mAP", mean(&|scored| scored.map), n, note),
        plain(REPLICATES, name, "share found", found.share_found(0.05), n, share),
    ])
}

/// Whether training treatments are recognized: half of a treatment's wells are the query, the other halves the candidates.
fn seen_again(
    settings: &EvaluateConfig,
    screen: &Screen,
    split: &Split,
    name: &str,
    matrix: &Features,
) -> Result<Vec<ScoreRow>, EvaluateError> {
    let training = split.treatments(screen, Part::Train);
    let mut rng = ChaCha8Rng::seed_from_u64(settings.bootstrap.seed);
    let (queries, candidates) = split_halves(matrix, &training, &mut rng);
    if queries.treatments.len() < 2 {
        return Ok(Vec::new());
    }
    let nothing = measured(matrix, &BTreeMap::new());
    let found = retrieval(&queries, &candidates, &nothing, Distance::Cosine)?;
    let k = settings.recall_at;
    let score = |metric: &str, value: f64, chance: f64| {
        plain(SEEN, name, metric, value, found.ranks.len(), format!("chance {chance:.3}"))
    };
    Ok(vec![
        score(&format!("recall@{k}"), found.recall_at(k), found.chance_recall_at(k)),
        score("MRR", found.mean_reciprocal_rank(), found.chance_mean_reciprocal_rank()),
    ])
}

fn plain(task: &str, method: &str, metric: &str, value: f64, n_items: usize, note: String) -> ScoreRow {
    ScoreRow {
        task: task.to_owned(),
        subset: "all".to_owned(),
        method: method.to_owned(),
        metric: metric.to_owned(),
        value,
        lower: None,
        upper: None,
        n_items,
        n_units: n_items,
        note,
    }
}
