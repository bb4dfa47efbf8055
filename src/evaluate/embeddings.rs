//! How good latents are as an embedding: mechanism and replicate retrieval, beside features with the same post-processing.
//!
//! An encoder was told which training wells are replicates, so that what it makes of them says little: latents are scored on
//! wells of treatments (or plates) that it did not see, and features on the same ones. Over all wells their scores are
//! *in sample* and get neither an interval nor p-values. Features learn nothing, and are scored over all wells too.

use std::collections::{BTreeMap, BTreeSet};

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::whitened::{Noise, whitened};
use super::{
    Bootstrap, Distance, EvaluateConfig, EvaluateError, Exclude, LATENTS, MapSettings, ScoreRow, moa_accuracy,
    moa_vectors, nearest_mechanisms, replicate_map, retrieval, split_halves,
};
use crate::baseline::{Rows, measured};
use crate::linear::PrincipalComponents;
use crate::pair::{Part, Split, WellMeans};
use crate::screen::{FeatureMatrix, Features, Perturbation, Role, Screen, Treatment};

/// Treatments whose replicate retrieval is scored; of more, every n-th.
const MOST_TREATMENTS: usize = 200;

const MECHANISM: &str = "mechanism of the nearest neighbor";
const REPLICATES: &str = "replicate retrieval";
const SEEN: &str = "half of the wells by the other half";

/// Ends the name of a task that is asked of wells that the encoder did not see.
pub(super) const UNSEEN: &str = ", unseen";

/// What embeddings are asked.
pub(super) const EMBEDDING_TASKS: [&str; 3] = [MECHANISM, REPLICATES, SEEN];

/// The subset of wells that the space was fitted to, told which of them are replicates.
pub(super) const IN_SAMPLE: &str = "in sample";

/// The subset of wells that the encoder did not see.
pub(super) const UNSEEN_TREATMENTS: &str = "unseen";

/// The subset of treatments of which training holds no perturbation.
const NOT_MET: &str = "perturbations not met";

/// The score of one treatment in one space.
#[derive(Debug, Clone, PartialEq)]
pub struct EmbeddingScore {
    /// What was asked.
    pub task: String,
    /// Of which treatments.
    pub subset: String,
    /// The space.
    pub space: String,
    /// The metric.
    pub metric: String,
    /// The treatment that asked.
    pub treatment: Treatment,
    /// Its score, 0 to 1.
    pub value: f64,
    /// What a reader has to know beside the mean.
    pub note: String,
}

impl EmbeddingScore {
    /// Whether the encoder did not see the wells that ask, so that the scores of several folds may be pooled.
    pub fn is_unseen(&self) -> bool {
        self.task.ends_with(UNSEEN)
    }
}

/// Scores of latents and features as embeddings of the wells of the screen; what is held out was held out by `by`.
///
/// Whitening and components are fitted on training rows.
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
) -> Result<Vec<EmbeddingScore>, EvaluateError> {
    if let Some(wells) = WellMeans::of(screen, split) {
        let (latents, untrained) = (wells.means(&latents), wells.means(&untrained));
        return embedding_scores(settings, &wells.screen, &wells.split, latents, untrained, width);
    }
    let training = split.rows(Part::Train);
    let profiles = screen.features.in_memory();
    let pca = PrincipalComponents::leading(&profiles, &training, width)?.apply(&profiles)?;
    let mut embeddings = vec![
        (LATENTS.to_owned(), latents.clone().into()),
        ("random_encoder".to_owned(), untrained.into()),
        ("features".to_owned(), screen.features.clone()),
        (format!("pca_{}", pca.n_features()), pca.into()),
    ];
    // The same for latents and features, so that what is learned is not credited with what whitening does.
    for (name, matrix, noise) in [
        ("latents_whitened", &latents, Noise::Controls),
        ("whitened_controls", &*profiles, Noise::Controls),
        ("whitened_replicates", &*profiles, Noise::Replicates),
    ] {
        embeddings.extend(whitened(screen, &training, matrix, noise)?.map(|matrix| (name.to_owned(), matrix.into())));
    }
    let unseen = unseen_rows(settings, screen, split);
    let mut scores = Vec::new();
    for (name, space) in &embeddings {
        let asked = Asked { screen, name, space };
        scores.extend(asked.mechanisms()?);
        scores.extend(asked.replicates()?);
        scores.extend(asked.seen_again(settings, split)?);
        scores.extend(asked.mechanisms_of_unseen(split, &unseen)?);
        scores.extend(asked.replicates_of_unseen(&unseen)?);
        scores.extend(asked.unseen_again(settings, split, &unseen)?);
    }
    Ok(scores)
}

/// Scores of the spaces in which wells of images are compared.
///
/// Replicates are looked for among held-out wells alone; where no control is held out, the plates' own controls are what they
/// are told from.
///
/// # Errors
/// When a metric cannot be computed.
pub fn well_embedding_scores(
    settings: &EvaluateConfig,
    screen: &Screen,
    split: &Split,
    spaces: &[(String, Features)],
) -> Result<Vec<EmbeddingScore>, EvaluateError> {
    let is_control = |row: &usize| screen.unit(*row).role == Role::NegativeControl;
    let mut held_out = split.rows(settings.part);
    if !held_out.iter().any(is_control) {
        held_out.extend((0..screen.n_observations()).filter(is_control));
        held_out.sort_unstable();
    }
    let of_held_out = screen.select(&held_out);
    let unseen = unseen_rows(settings, screen, split);
    let mut scores = Vec::new();
    for (name, space) in spaces {
        let asked = Asked { screen, name, space };
        scores.extend(asked.mechanisms()?);
        scores.extend(asked.mechanisms_of_unseen(split, &unseen)?);
        let space = space.select_rows(&held_out);
        let asked = Asked { screen: &of_held_out, name, space: &space };
        scores.extend(asked.replicates_of_unseen(&of_held_out.treatments())?);
    }
    Ok(scores)
}

/// Treated rows that neither trained nor chose anything: those of the part that is scored, and of calibration.
fn unseen_rows(settings: &EvaluateConfig, screen: &Screen, split: &Split) -> Rows {
    let mut rows = split.treatments(screen, settings.part);
    for (treatment, more) in split.treatments(screen, Part::Calibration) {
        let own = rows.entry(treatment).or_default();
        own.extend(more);
        own.sort_unstable();
        own.dedup();
    }
    rows
}

/// A space that is asked.
struct Asked<'a> {
    screen: &'a Screen,
    name: &'a str,
    space: &'a Features,
}

impl Asked<'_> {
    /// Whether the space was fitted to training wells and told which of them are replicates.
    fn is_in_sample(&self) -> bool {
        self.name.starts_with(LATENTS) || self.name.ends_with("_within") || self.name == "whitened_replicates"
    }

    fn subset_of_all(&self) -> &'static str {
        if self.is_in_sample() { IN_SAMPLE } else { "all" }
    }

    fn score(&self, task: &str, subset: &str, metric: &str, treatment: &Treatment, value: f64) -> EmbeddingScore {
        EmbeddingScore {
            task: task.to_owned(),
            subset: subset.to_owned(),
            space: self.name.to_owned(),
            metric: metric.to_owned(),
            treatment: treatment.clone(),
            value,
            note: String::new(),
        }
    }

    /// The mechanism of each treatment's nearest neighbor, over all treatments.
    fn mechanisms(&self) -> Result<Vec<EmbeddingScore>, EvaluateError> {
        if self.screen.label("moa").is_none() {
            return Ok(Vec::new());
        }
        let treatments = self.screen.treatments();
        let vectors = moa_vectors(self.screen, &treatments, &measured(self.space, &treatments))?;
        let mut scores = Vec::new();
        for (metric, exclude) in MECHANISM_METRICS {
            let found = moa_accuracy(&vectors, exclude);
            let note =
                format!("{} treatments without an eligible neighbor of their mechanism left out", found.n_dropped);
            scores.extend(vectors.iter().zip(&found.hits).filter_map(|(vector, hit)| {
                let score = self.score(MECHANISM, self.subset_of_all(), metric, &vector.treatment, (*hit)?);
                Some(EmbeddingScore { note: note.clone(), ..score })
            }));
        }
        Ok(scores)
    }

    /// The same for the wells of `unseen` treatments, among all treatments.
    fn mechanisms_of_unseen(&self, split: &Split, unseen: &Rows) -> Result<Vec<EmbeddingScore>, EvaluateError> {
        if self.screen.label("moa").is_none() || unseen.is_empty() {
            return Ok(Vec::new());
        }
        let all = self.screen.treatments();
        let candidates = moa_vectors(self.screen, &all, &measured(self.space, &all))?;
        let queries = moa_vectors(self.screen, unseen, &measured(self.space, unseen))?;
        let training = split.treatments(self.screen, Part::Train);
        let met: BTreeSet<&Perturbation> = training.keys().flat_map(perturbations).collect();
        let task = format!("{MECHANISM}{UNSEEN}");
        let mut scores = Vec::new();
        for (metric, exclude) in MECHANISM_METRICS {
            for (query, hit) in queries.iter().zip(nearest_mechanisms(&queries, &candidates, exclude)) {
                let Some(hit) = hit else { continue };
                scores.push(self.score(&task, UNSEEN_TREATMENTS, metric, &query.treatment, hit));
                if perturbations(&query.treatment).all(|perturbation| !met.contains(perturbation)) {
                    scores.push(self.score(&task, NOT_MET, metric, &query.treatment, hit));
                }
            }
        }
        Ok(scores)
    }

    fn replicates(&self) -> Result<Vec<EmbeddingScore>, EvaluateError> {
        self.replicates_of(REPLICATES, self.subset_of_all(), &self.screen.treatments())
    }

    fn replicates_of_unseen(&self, unseen: &Rows) -> Result<Vec<EmbeddingScore>, EvaluateError> {
        self.replicates_of(&format!("{REPLICATES}{UNSEEN}"), UNSEEN_TREATMENTS, unseen)
    }

    /// How well replicates of treatments find each other.
    fn replicates_of(&self, task: &str, subset: &str, treatments: &Rows) -> Result<Vec<EmbeddingScore>, EvaluateError> {
        // A space that was told which wells are replicates makes their p-values invalid.
        let has_p_values = subset != IN_SAMPLE;
        let settings = MapSettings::of_many(self.screen);
        let settings = if has_p_values { settings } else { settings.without_p_values() };
        let mut treatments = treatments.clone();
        let every = treatments.len().div_ceil(MOST_TREATMENTS);
        let mut position = 0;
        treatments.retain(|_, _| {
            position += 1;
            position % every == 0
        });
        let found = replicate_map(self.screen, self.space, &treatments, &settings)?.scored;
        let n = found.len();
        let chance = found.iter().map(|scored| scored.expected).sum::<f64>() / n.max(1) as f64;
        let mut scores = Vec::new();
        for scored in &found {
            let score = |metric: &str, value: f64, note: String| EmbeddingScore {
                note,
                ..self.score(task, subset, metric, &scored.treatment, value)
            };
            scores.push(score("mAP", scored.map, format!("chance {chance:.3}")));
            if has_p_values {
                let is_found = f64::from(u8::from(scored.q_value <= 0.05));
                scores.push(score(
                    "share found",
                    is_found,
                    format!("those whose replicates find each other at q <= 0.05, of {n}"),
                ));
            }
        }
        Ok(scores)
    }

    /// Whether training treatments are recognized: half of a treatment's wells are the query, the other halves the candidates.
    fn seen_again(&self, settings: &EvaluateConfig, split: &Split) -> Result<Vec<EmbeddingScore>, EvaluateError> {
        let training = split.treatments(self.screen, Part::Train);
        self.halves(settings, SEEN, self.subset_of_all(), &training, &Rows::new())
    }

    /// Whether unseen treatments are recognized, among their other halves and the training treatments.
    fn unseen_again(
        &self,
        settings: &EvaluateConfig,
        split: &Split,
        unseen: &Rows,
    ) -> Result<Vec<EmbeddingScore>, EvaluateError> {
        let training = split.treatments(self.screen, Part::Train);
        self.halves(settings, &format!("{SEEN}{UNSEEN}"), UNSEEN_TREATMENTS, unseen, &training)
    }

    fn halves(
        &self,
        settings: &EvaluateConfig,
        task: &str,
        subset: &str,
        treatments: &Rows,
        others: &Rows,
    ) -> Result<Vec<EmbeddingScore>, EvaluateError> {
        let mut rng = ChaCha8Rng::seed_from_u64(settings.bootstrap.seed);
        let (queries, candidates) = split_halves(self.space, treatments, &mut rng);
        if queries.treatments.len() < 2 {
            return Ok(Vec::new());
        }
        let found = retrieval(&queries, &candidates, &measured(self.space, others), Distance::Cosine)?;
        let k = settings.recall_at;
        let recall = |rank: f64| f64::from(u8::from(rank <= k as f64));
        let (chance_recall, chance_rank) = (found.chance_recall_at(k), found.chance_mean_reciprocal_rank());
        let mut scores = Vec::new();
        for rank in &found.ranks {
            let score = |metric: &str, value: f64, chance: f64| EmbeddingScore {
                note: format!("chance {chance:.3}"),
                ..self.score(task, subset, metric, &rank.treatment, value)
            };
            scores.push(score(&format!("recall@{k}"), recall(rank.rank), chance_recall));
            scores.push(score("MRR", 1.0 / rank.rank, chance_rank));
        }
        Ok(scores)
    }
}

const MECHANISM_METRICS: [(&str, Exclude); 2] =
    [("NSC", Exclude::SameCompound), ("NSCB", Exclude::SameCompoundOrBatch)];

fn perturbations(treatment: &Treatment) -> impl Iterator<Item = &Perturbation> {
    treatment.intervention.members().iter().map(|member| &member.perturbation)
}

/// Means over the treatments that asked, in the order of the scores.
///
/// # Errors
/// When a score is not finite.
pub(super) fn embedding_rows(scores: &[EmbeddingScore], bootstrap: &Bootstrap) -> Result<Vec<ScoreRow>, EvaluateError> {
    let mut order = Vec::new();
    let mut groups = BTreeMap::<(&str, &str, &str, &str), Vec<&EmbeddingScore>>::new();
    for score in scores {
        let key = (score.task.as_str(), score.subset.as_str(), score.space.as_str(), score.metric.as_str());
        let group = groups.entry(key).or_default();
        if group.is_empty() {
            order.push(key);
        }
        group.push(score);
    }
    let row = |key: (&str, &str, &str, &str)| {
        let (task, subset, space, metric) = key;
        let group = &groups[&key];
        let values: Vec<f64> = group.iter().map(|score| score.value).collect();
        let units: Vec<String> = group.iter().map(|score| score.treatment.intervention.perturbation_names()).collect();
        let mut found = bootstrap.share(&values, &units)?;
        if subset == IN_SAMPLE {
            found.interval = None;
        }
        // Of several folds each has a note of its own, and none of them is of all.
        let note = group.iter().map(|score| &score.note).min().filter(|note| group.iter().all(|s| s.note == **note));
        Ok(ScoreRow::new(task, subset, space, metric, &found).with_note(note.cloned().unwrap_or_default()))
    };
    order.into_iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::{Design, Label, Unit, Units};

    /// Eight compounds of two mechanisms in two wells each, beside twelve controls; the last two compounds are tested.
    fn screen() -> (Screen, Split) {
        let (mut units, mut moas, mut values) = (Vec::new(), Vec::new(), Vec::new());
        for row in 0..12 + 16 {
            let compound = (row >= 12).then(|| (row - 12) / 2);
            let name = compound.map(|number| format!("c{number}"));
            units.push(Unit { plate: "p".into(), ..Unit::under(name.as_deref().map(|name| (name, None))) });
            moas.push(compound.map(|number| if number % 2 == 0 { "even" } else { "odd" }.to_owned()));
            let noise = |salt: usize| ((row * 7 + salt * 5 + row * row) % 11) as f32 / 11.0 - 0.5;
            let effect = |feature: usize| match compound {
                Some(number) if number % 2 == feature => 5.0,
                _ => 0.0,
            };
            values.extend((0..3).map(|feature| noise(feature) + effect(feature)));
        }
        let labels = vec![Label { name: "moa".into(), values: moas }];
        let screen = Screen {
            name: "s".into(),
            design: Design::AgainstControls,
            units: Units::of_rows(units, &labels),
            features: FeatureMatrix::numbered("f", 3, values).into(),
            labels,
            dropped: Vec::new(),
            origin: Default::default(),
        };
        let rows = screen.n_observations();
        let split = Split::none(&screen.select(&(0..rows - 4).collect::<Vec<_>>())).extended(4, Part::Test);
        (screen, split)
    }

    fn rows() -> Vec<ScoreRow> {
        let (screen, split) = screen();
        let (features, settings) = (screen.features.in_memory().into_owned(), EvaluateConfig::default());
        let scores = embedding_scores(&settings, &screen, &split, features.clone(), features, 2).unwrap();
        embedding_rows(&scores, &settings.bootstrap).unwrap()
    }

    fn find<'a>(rows: &'a [ScoreRow], task: &str, subset: &str, space: &str, metric: &str) -> Option<&'a ScoreRow> {
        rows.iter().find(|row| row.task == task && row.subset == subset && row.method == space && row.metric == metric)
    }

    #[test]
    fn latents_over_all_wells_are_in_sample_and_have_no_p_values() {
        let rows = rows();
        let of = |subset: &str, space: &str, metric: &str| find(&rows, REPLICATES, subset, space, metric).is_some();
        assert!(of("all", "features", "mAP") && of("all", "features", "share found"));
        for space in [LATENTS, "latents_whitened", "whitened_replicates"] {
            assert!(of(IN_SAMPLE, space, "mAP") && !of(IN_SAMPLE, space, "share found"), "{space}");
            assert!(!of("all", space, "mAP"), "{space}");
        }
        assert!(of("all", "whitened_controls", "share found"));
    }

    #[test]
    fn unseen_treatments_are_asked_in_every_space_and_only_they() {
        let rows = rows();
        let task = format!("{MECHANISM}{UNSEEN}");
        for space in [LATENTS, "features", "whitened_controls", "whitened_replicates"] {
            for subset in [UNSEEN_TREATMENTS, NOT_MET] {
                let row = find(&rows, &task, subset, space, "NSC").unwrap();
                assert_eq!((row.n_items, row.value), (2, 1.0), "{space} {subset}");
            }
            let found = find(&rows, &format!("{REPLICATES}{UNSEEN}"), UNSEEN_TREATMENTS, space, "share found").unwrap();
            assert_eq!(found.n_items, 2, "{space}");
        }
        assert_eq!(find(&rows, MECHANISM, "all", "features", "NSC").unwrap().n_items, 8);
    }
}
