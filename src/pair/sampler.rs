//! Draws batches of episodes and gathers them on the host.

use std::collections::BTreeMap;

use rand::RngExt;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::batch::{Batch, Source, Units, Weights};
use super::{Anchor, Anchoring, CropShape, Episode, PairConfig, PairSet, State, Vocabulary};
use crate::screen::{Intervention, Screen, Treatment};

/// Draws batches from a [`PairSet`], stratified by context, then treatment.
#[derive(Debug)]
pub struct Sampler<'a> {
    screen: &'a Screen,
    pairs: &'a PairSet,
    vocabulary: &'a Vocabulary,
    config: &'a PairConfig,
    /// Where each treatment is expected to lead, where transitions start there.
    expected: Option<&'a BTreeMap<Treatment, Vec<f32>>>,
    /// Whether the model's predictions start from anchors.
    anchored: bool,
    /// How often a perturbation's identity is hidden, where descriptors or an anchor can stand in for it.
    identity_dropout: f64,
    /// What an observation is a picture of, where it is one.
    crop: Option<CropShape>,
    /// Rows that stand for the wells of each treatment.
    treated: Vec<Vec<usize>>,
    /// Rows that stand for the control wells of each plate.
    controls: BTreeMap<&'a str, Vec<usize>>,
}

/// Units with their weights.
type UnitWeights = Vec<(usize, f32)>;

/// Earlier and later rows of the steps of a batch, by treatment.
type FrameSteps = BTreeMap<usize, Vec<(usize, usize)>>;

/// Rows of the screen with their weights.
type RowWeights = Vec<(usize, f32)>;

/// Control wells drawn for each plate of a batch, each of weight 1.
type Bags<'a> = BTreeMap<&'a str, Vec<RowWeights>>;

static NO_ANCHOR: Anchor = Anchor::NONE;

impl<'a> Sampler<'a> {
    /// Replicate wells of a neighboring dose that make up an anchor.
    const ANCHOR_WELLS: usize = 3;

    /// A sampler of the training transitions.
    pub fn new(
        screen: &'a Screen,
        pairs: &'a PairSet,
        vocabulary: &'a Vocabulary,
        config: &'a PairConfig,
        expected: Option<&'a BTreeMap<Treatment, Vec<f32>>>,
        anchored: bool,
        identity_dropout: f64,
    ) -> Self {
        let has_stand_in = anchored || vocabulary.sizes().descriptors > 0;
        let identity_dropout = if has_stand_in { identity_dropout } else { 0.0 };
        let treated = pairs.rows.iter().map(|rows| pairs.units_of(rows)).collect();
        let controls = pairs.controls.iter().map(|(plate, rows)| (plate.as_str(), pairs.units_of(rows))).collect();
        Self { screen, pairs, vocabulary, config, expected, anchored, identity_dropout, crop: None, treated, controls }
    }

    /// The same sampler of observations that are crops of that shape, which are changed as the settings say.
    pub fn of_crops(self, crop: Option<CropShape>) -> Self {
        Self { crop, ..self }
    }

    /// One batch, drawn from `rng`.
    pub fn batch(&self, rng: &mut ChaCha8Rng) -> Batch {
        let episodes = self.episodes(rng);
        match self.pairs.n_steps {
            1 => self.single_steps(&episodes, rng),
            _ => self.chains(&episodes),
        }
    }

    /// Episodes of one step, from and to means over several units.
    fn single_steps(&self, episodes: &[Episode], rng: &mut ChaCha8Rng) -> Batch {
        let by_treatment = self.by_treatment(episodes);
        let mut units = Units::default();
        let mut targets: Vec<UnitWeights> =
            episodes.iter().map(|episode| self.unit(episode.end(), 1.0, &mut units, rng)).collect();
        let bags = self.bags(episodes, rng);
        let mut starts = Vec::with_capacity(episodes.len());
        let mut anchored_at = Vec::with_capacity(episodes.len());
        let mut anchors = Vec::with_capacity(episodes.len());
        for episode in episodes {
            let start = self.start(episode, &bags, &mut units, rng);
            let anchor = self.anchor_in_batch(episode, &by_treatment, rng);
            anchored_at.push(match self.pairs.anchoring {
                _ if !anchor.exists() => start.clone(),
                Anchoring::Added => Self::moved(&start, anchor, &by_treatment, &mut units),
                Anchoring::Between => self.between_wells(anchor, &mut units, rng),
            });
            anchors.push(anchor);
            starts.push(start);
        }
        let mut untreated = Vec::new();
        if self.config.untreated && (self.crop.is_some() || self.expected.is_some()) {
            for (start, target, treatment) in self.untreated(&bags, &mut units) {
                anchored_at.push(start.clone());
                starts.push(start);
                targets.push(target);
                anchors.push(&NO_ANCHOR);
                untreated.push(treatment);
            }
        }
        let n_units = units.len();
        let dense = |rows: &[UnitWeights]| {
            let mut weights = vec![0.0; rows.len() * n_units];
            for (row, entries) in rows.iter().enumerate() {
                for &(unit, weight) in entries {
                    weights[row * n_units + unit] += weight;
                }
            }
            Weights::Mean(weights)
        };
        let present = episodes.iter().map(|episode| &self.pairs.present[episode.steps[0].present]).chain(&untreated);
        let mut interventions = self.vocabulary.rows(present.zip(anchors));
        if self.identity_dropout > 0.0 {
            for known in &mut interventions.known {
                if rng.random_bool(self.identity_dropout) {
                    *known = 0.0;
                }
            }
        }
        let mut units_uf = units.gather(&self.screen.features, self.expected.unwrap_or(&BTreeMap::new()));
        if let Some(crop) = self.crop {
            self.config.augment.apply_to_all(&mut units_uf, crop, rng);
        }
        Batch {
            units_uf,
            n_units,
            n_steps: 1,
            start: dense(&starts),
            anchor: dense(&anchored_at),
            target: dense(&targets),
            interventions,
        }
    }

    /// Episodes of several steps from unit to unit. Units lie step by step, so that no matrix of weights is needed: what
    /// episode `i` of `n` is at after `s` steps is unit `s * n + i`.
    fn chains(&self, episodes: &[Episode]) -> Batch {
        let n_steps = self.pairs.n_steps;
        let n_units = episodes.len() * (n_steps + 1);
        let mut units_uf = Vec::with_capacity(n_units * self.screen.features.n_features());
        for at in 0..=n_steps {
            for episode in episodes {
                let row = match (at, episode.start) {
                    (0, State::Unit(row)) => row,
                    (0, start) => unreachable!("an episode of several steps starts at a unit, and not at {start:?}"),
                    _ => episode.steps[at - 1].target,
                };
                units_uf.extend_from_slice(&self.screen.features.read_row(row));
            }
        }
        let of_step = |step: usize| episodes.iter().map(move |episode| episode.steps[step].present);
        let present = (0..n_steps).flat_map(of_step).map(|present| (&self.pairs.present[present], &NO_ANCHOR));
        Batch {
            units_uf,
            n_units,
            n_steps,
            start: Weights::Units { first: 0 },
            anchor: Weights::Units { first: 0 },
            target: Weights::Units { first: episodes.len() },
            interventions: self.vocabulary.rows(present),
        }
    }

    /// All episodes when they fit; otherwise treatments in turn, contexts in turn, so that none crowds out another.
    fn episodes(&self, rng: &mut ChaCha8Rng) -> Vec<Episode> {
        let mut chosen = match self.pairs.n_episodes() <= self.config.batch {
            true => self.pairs.episodes().collect(),
            false => self.stratified(rng),
        };
        if self.config.ladder > 0.0 {
            for episode in &mut chosen {
                let lower = &self.pairs.lower_doses[episode.treatment];
                if !lower.is_empty() && rng.random_bool(self.config.ladder) {
                    episode.start = State::Dose(lower[rng.random_range(0..lower.len())]);
                }
            }
        }
        chosen
    }

    /// Every other round over the treatments draws early starts, where there are some: what a stimulus does would otherwise be
    /// seen in few stretches of long tracks, and prediction starts there too.
    fn stratified(&self, rng: &mut ChaCha8Rng) -> Vec<Episode> {
        let mut contexts = BTreeMap::<&str, Vec<usize>>::new();
        for index in self.treatments_of_a_batch(rng) {
            contexts.entry(&self.pairs.treatments[index].context).or_default().push(index);
        }
        let mut queues: Vec<Vec<usize>> = contexts.into_values().collect();
        for queue in &mut queues {
            queue.shuffle(rng);
        }
        let mut chosen = Vec::with_capacity(self.config.batch);
        let mut round = 0;
        while chosen.len() < self.config.batch {
            for queue in &queues {
                let paths = &self.pairs.paths()[queue[round % queue.len()]];
                let path = &paths[rng.random_range(0..paths.len())];
                let n_starts = path.n_starts((round / queue.len()).is_multiple_of(2));
                let start = if n_starts == 1 { 0 } else { rng.random_range(0..n_starts) };
                chosen.push(path.episode(start, self.pairs.n_steps));
            }
            round += 1;
        }
        chosen.truncate(self.config.batch);
        chosen
    }

    /// All treatments that have an episode; where an anchored model adds moves, those of one length, so that neighboring doses
    /// come together.
    fn treatments_of_a_batch(&self, rng: &mut ChaCha8Rng) -> Vec<usize> {
        let all = (0..self.pairs.treatments.len()).filter(|&index| !self.pairs.paths()[index].is_empty());
        if !self.anchored || self.pairs.anchoring == Anchoring::Between {
            return all.collect();
        }
        let seconds =
            |treatment: &Treatment| treatment.intervention.hours().map(|hours| (3600.0 * hours).round() as i64);
        let mut lengths: Vec<_> = self.pairs.treatments.iter().map(seconds).collect();
        lengths.sort_unstable();
        lengths.dedup();
        let length = lengths[rng.random_range(0..lengths.len())];
        all.filter(|&index| seconds(&self.pairs.treatments[index]) == length).collect()
    }

    /// Controls drawn for each plate of the batch, with their weights, such that about a third of all wells are controls; none
    /// where episodes do not start at controls.
    fn bags(&self, episodes: &[Episode], rng: &mut ChaCha8Rng) -> Bags<'a> {
        let plate = |episode: &Episode| self.screen.unit(episode.end()).plate.as_str();
        let mut plates: Vec<&'a str> =
            episodes.iter().map(plate).filter(|plate| self.controls.contains_key(plate)).collect();
        plates.sort_unstable();
        plates.dedup();
        let fair = episodes.len().div_ceil(2 * plates.len().max(1));
        let size = fair.clamp(2, self.config.bag.max(2));
        let draw = |plate: &'a str| {
            let mut wells = self.controls[plate].clone();
            let (drawn, _) = wells.partial_shuffle(rng, size);
            (plate, drawn.iter().map(|&well| self.rows_of(well, 1.0, rng)).collect())
        };
        plates.into_iter().map(draw).collect()
    }

    /// From all controls of a bag but one to that one, nothing being done.
    fn untreated(&self, bags: &Bags, units: &mut Units<'a>) -> Vec<(UnitWeights, UnitWeights, Treatment)> {
        let mut weights_of = |wells: &[&RowWeights]| -> UnitWeights {
            let share = 1.0 / wells.len() as f32;
            wells.iter().copied().flatten().map(|&(row, weight)| (units.of(row), share * weight)).collect()
        };
        let mut steps = Vec::new();
        for wells in bags.values().filter(|wells| wells.len() > 1) {
            for (index, target) in wells.iter().enumerate() {
                let others: Vec<&RowWeights> =
                    wells.iter().enumerate().filter(|(other, _)| *other != index).map(|(_, well)| well).collect();
                let context = self.screen.unit(target[0].0).context.clone();
                let treatment = Treatment { intervention: Intervention::default(), context };
                steps.push((weights_of(&others), weights_of(&[target]), treatment));
            }
        }
        steps
    }

    fn start(&self, episode: &Episode, bags: &Bags, units: &mut Units<'a>, rng: &mut ChaCha8Rng) -> UnitWeights {
        let treatment = &self.pairs.treatments[episode.treatment];
        if self.expected.is_some_and(|expected| expected.contains_key(treatment)) {
            return vec![(units.of_source(Source::Expected(treatment)), 1.0)];
        }
        match episode.start {
            State::Dose(treatment) => self.some_wells(treatment, 1.0, units, rng),
            State::Unit(row) => vec![(units.of(row), 1.0)],
            State::Zero => vec![(units.of_source(Source::Zero), 1.0)],
            State::Controls => {
                let bag = &bags[self.screen.unit(episode.end()).plate.as_str()];
                let share = 1.0 / bag.len() as f32;
                bag.iter().flatten().map(|&(row, weight)| (units.of(row), share * weight)).collect()
            }
        }
    }

    /// A unit by the row that stands for it: that row, or some of its rows, of `total` weight together.
    fn rows_of(&self, unit: usize, total: f32, rng: &mut ChaCha8Rng) -> RowWeights {
        let Some(rows) = self.pairs.rows_of_unit(unit) else { return vec![(unit, total)] };
        let mut rows = rows.to_vec();
        let (drawn, _) = rows.partial_shuffle(rng, self.config.crops);
        let share = total / drawn.len() as f32;
        drawn.iter().map(|&row| (row, share)).collect()
    }

    /// The units of [`Sampler::rows_of`].
    fn unit(&self, unit: usize, total: f32, units: &mut Units<'a>, rng: &mut ChaCha8Rng) -> UnitWeights {
        self.rows_of(unit, total, rng).into_iter().map(|(row, weight)| (units.of(row), weight)).collect()
    }

    /// The steps of a batch from a unit to a later one, by treatment: what anchors that are added to starts are made of.
    fn by_treatment(&self, episodes: &[Episode]) -> FrameSteps {
        let mut steps = FrameSteps::new();
        for episode in episodes {
            if let (true, State::Unit(earlier)) = (self.anchored, episode.start) {
                steps.entry(episode.treatment).or_default().push((earlier, episode.end()));
            }
        }
        steps
    }

    /// The anchor of an episode, unless it is hidden or, where moves are added, a neighbor has no step in the batch.
    fn anchor_in_batch(&self, episode: &Episode, steps: &FrameSteps, rng: &mut ChaCha8Rng) -> &'a Anchor {
        if !self.anchored {
            return &NO_ANCHOR;
        }
        let anchor = &self.pairs.anchors[episode.treatment];
        let is_added = self.pairs.anchoring == Anchoring::Added;
        if is_added && anchor.weights.iter().any(|(treatment, _)| !steps.contains_key(treatment)) {
            return &NO_ANCHOR;
        }
        let dropout = self.config.anchor_dropout;
        if dropout > 0.0 && rng.random_bool(dropout) { &NO_ANCHOR } else { anchor }
    }

    /// The start moved by what the batch's objects under the neighboring treatments moved, on average.
    fn moved(start: &UnitWeights, anchor: &Anchor, steps: &FrameSteps, units: &mut Units) -> UnitWeights {
        let mut weights = start.clone();
        for (treatment, weight) in &anchor.weights {
            let steps = &steps[treatment];
            let share = *weight as f32 / steps.len() as f32;
            for &(earlier, later) in steps {
                weights.extend([(units.of(later), share), (units.of(earlier), -share)]);
            }
        }
        weights
    }

    /// The place between wells of the neighboring doses.
    fn between_wells(&self, anchor: &Anchor, units: &mut Units<'a>, rng: &mut ChaCha8Rng) -> UnitWeights {
        let mut weights = UnitWeights::new();
        for &(treatment, weight) in &anchor.weights {
            weights.extend(self.some_wells(treatment, weight as f32, units, rng));
        }
        weights
    }

    fn some_wells(&self, treatment: usize, total: f32, units: &mut Units<'a>, rng: &mut ChaCha8Rng) -> UnitWeights {
        let mut rows = self.treated[treatment].clone();
        let (drawn, _) = rows.partial_shuffle(rng, Self::ANCHOR_WELLS);
        let share = total / drawn.len() as f32;
        drawn.iter().flat_map(|&row| self.unit(row, share, units, rng)).collect()
    }
}
