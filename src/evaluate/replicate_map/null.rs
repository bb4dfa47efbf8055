//! How often relabeled wells reach the observed mean average precision.
//!
//! All relabelings are counted where they are few. Where they are many, relabelings are drawn, and drawing stops early
//! when it is plain that many reach the observed value (Besag & Clifford 1991, Biometrika 78:301: h hits in l draws give
//! the valid p-value h / l). Where hardly any does, those that do are counted after all, by a search that leaves out
//! every choice of wells which cannot reach it any more; for a strong effect it is short, however many relabelings there are.

use rand::RngExt;
use rand::SeedableRng;
use rand::seq::index;
use rand_chacha::ChaCha8Rng;

use super::super::average_precision::{SAME_PRECISION, n_combinations};
use super::MapSettings;
use super::pool::Pool;

/// Draws before a search is tried.
const FIRST_LOOK: usize = 200;

/// So few hits among the first draws that a search may be short.
const FEW: usize = 2;

/// What relabeling says of an observed mean average precision.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Null {
    pub(super) p_value: f64,
    pub(super) least_p_value: f64,
    pub(super) is_exact: bool,
}

/// The relabelings of a pool: every choice of as many wells on each plate as the treatment has there.
pub(super) struct Relabelings<'a> {
    pool: &'a Pool,
    /// Treated wells of each plate.
    n_treated: Vec<usize>,
    /// Whether wells of a plate ask: those with a negative left.
    asks: Vec<bool>,
    /// Sum over queries and positives that the observed mean corresponds to.
    needed: f64,
    /// `[negatives, positives]`: the precision down to a positive with so many of each as near; empty where a plate holds
    /// several treated wells, or there are more than [`FEW_LABELS`].
    precisions: Vec<f64>,
}

/// Up to so many labels, each on a plate of its own, precisions are looked up.
const FEW_LABELS: usize = 8;

impl<'a> Relabelings<'a> {
    /// `members` are the treatment's wells, `observed` their mean average precision.
    pub(super) fn new(pool: &'a Pool, members: &[usize], observed: f64) -> Self {
        let mut n_treated = vec![0usize; pool.n_plates()];
        members.iter().for_each(|&member| n_treated[pool.plate(member)] += 1);
        let asks: Vec<bool> = (0..pool.n_plates()).map(|plate| pool.n_wells(plate) > n_treated[plate]).collect();
        let n_queries: usize = n_treated.iter().zip(&asks).filter(|(_, asks)| **asks).map(|(treated, _)| treated).sum();
        let needed = (observed - SAME_PRECISION) * (n_queries * (members.len() - 1)) as f64;
        let n_labels = members.len();
        let is_apart = n_labels <= FEW_LABELS && n_treated.iter().all(|&treated| treated == 1);
        let most_wells = (0..pool.n_plates()).map(|plate| pool.n_wells(plate)).max().unwrap_or(0);
        let n_negatives = if is_apart { most_wells + 1 } else { 0 };
        let precision = |n_negative: usize, n_positive: usize| n_positive as f64 / (n_positive + n_negative) as f64;
        let precisions =
            (0..n_negatives).flat_map(|negative| (0..n_labels).map(move |positive| precision(negative, positive)));
        let precisions = precisions.collect();
        Self { pool, n_treated, asks, needed, precisions }
    }

    /// How likely a relabeling is to reach the observed value; `stream` numbers the treatment's draws.
    pub(super) fn null(&self, settings: &MapSettings, stream: u64) -> Null {
        let counts = self.n_treated.iter().enumerate();
        let n_all: f64 = counts.map(|(plate, &treated)| n_combinations(self.pool.n_wells(plate), treated)).product();
        let exact = |n_hits: u64| Null { p_value: n_hits as f64 / n_all, least_p_value: 1.0 / n_all, is_exact: true };
        if n_all <= settings.most_enumerated as f64 {
            return exact(self.count(u64::MAX).expect("without a limit the search ends"));
        }
        let mut rng = ChaCha8Rng::seed_from_u64(settings.seed);
        rng.set_stream(stream);
        let mut labels = Vec::new();
        let (mut n_hits, mut n_drawn) = (0, 0);
        while n_drawn < settings.draws {
            self.draw(&mut labels, &mut rng);
            n_drawn += 1;
            n_hits += usize::from(self.reaches(&labels));
            if n_hits == settings.hits {
                let p_value = n_hits as f64 / n_drawn as f64;
                return Null { p_value, least_p_value: 1.0 / (1 + settings.draws) as f64, is_exact: false };
            }
            if n_drawn == FIRST_LOOK
                && n_hits <= FEW
                && let Some(n_hits) = self.count(settings.most_enumerated as u64)
            {
                return exact(n_hits);
            }
        }
        let n_all = (1 + settings.draws) as f64;
        Null { p_value: (1 + n_hits) as f64 / n_all, least_p_value: 1.0 / n_all, is_exact: false }
    }

    fn draw(&self, labels: &mut Vec<usize>, rng: &mut ChaCha8Rng) {
        labels.clear();
        for (plate, &n_treated) in self.n_treated.iter().enumerate() {
            let n_wells = self.pool.n_wells(plate);
            if n_treated == 1 {
                labels.push(self.pool.well(plate, rng.random_range(0..n_wells)));
            } else if n_treated > 1 {
                let chosen = index::sample(rng, n_wells, n_treated);
                labels.extend(chosen.into_iter().map(|index| self.pool.well(plate, index)));
            }
        }
    }

    fn reaches(&self, labels: &[usize]) -> bool {
        if !self.precisions.is_empty() {
            return self.sum_apart(labels) >= self.needed;
        }
        let queries = labels.iter().filter(|&&query| self.asks[self.pool.plate(query)]);
        let sum: f64 = queries.map(|&query| self.pool.average_precision(query, labels)).sum();
        sum * (labels.len() - 1) as f64 >= self.needed
    }

    /// Sum of the precisions of labels on plates of their own, in the order of the plates: none is a negative's neighbor.
    fn sum_apart(&self, labels: &[usize]) -> f64 {
        let n_labels = labels.len();
        let mut sum = 0.0;
        for (place, &query) in labels.iter().enumerate().filter(|(place, _)| self.asks[*place]) {
            let (similarities, n_as_near) = self.pool.of_query(query);
            let mut found = [f32::NEG_INFINITY; FEW_LABELS];
            for (found, &label) in found.iter_mut().zip(labels) {
                *found = similarities[label];
            }
            // Below every threshold, so that the query is no positive of its own.
            found[place] = f32::NEG_INFINITY;
            for (other, &positive) in labels.iter().enumerate().filter(|(other, _)| *other != place) {
                let n_positive: usize = found.iter().map(|&near| usize::from(near >= found[other])).sum();
                sum += self.precisions[n_as_near[positive] as usize * n_labels + n_positive];
            }
        }
        sum
    }

    /// How many relabelings reach the observed value, or `None` if that takes more than `most_steps`.
    pub(super) fn count(&self, most_steps: u64) -> Option<u64> {
        let n_labels: usize = self.n_treated.iter().sum();
        let n_positives = (n_labels - 1) as f64;
        let most_wells = (0..self.pool.n_plates()).map(|plate| self.pool.n_wells(plate)).max().unwrap_or(0);
        let mut search = Search {
            relabelings: self,
            shortfall: (0..=most_wells).map(|n| 1.0 - n_positives / (n_positives + n as f64)).collect(),
            labels: Vec::with_capacity(n_labels),
            steps_left: most_steps,
            n_hits: 0,
        };
        let asking = self.n_treated.iter().zip(&self.asks).filter(|(_, asks)| **asks);
        let best = asking.map(|(treated, _)| *treated as f64).sum::<f64>() * n_positives;
        search.descend(0, 0, self.n_treated.first().copied().unwrap_or(0), best).then_some(search.n_hits)
    }
}

/// A walk through all choices of wells, plate by plate.
struct Search<'a> {
    relabelings: &'a Relabelings<'a>,
    /// By how much a positive with that many negatives before it falls short of precision 1, at least.
    shortfall: Vec<f64>,
    labels: Vec<usize>,
    steps_left: u64,
    n_hits: u64,
}

impl Search<'_> {
    /// Chooses `n_left` more wells of `plate` from its `first`-th on, then those of the next plates. `reachable` is the most
    /// that the sum of precisions can still become. Returns false when the steps are used up.
    fn descend(&mut self, plate: usize, first: usize, n_left: usize, reachable: f64) -> bool {
        let relabelings = self.relabelings;
        if n_left == 0 {
            return match relabelings.n_treated.get(plate + 1) {
                Some(&next) => self.descend(plate + 1, 0, next, reachable),
                None => {
                    self.n_hits += u64::from(relabelings.reaches(&self.labels));
                    true
                }
            };
        }
        for index in first..=relabelings.pool.n_wells(plate) - n_left {
            if self.steps_left == 0 {
                return false;
            }
            self.steps_left -= 1;
            let well = relabelings.pool.well(plate, index);
            let reachable = reachable - self.lost_with(well, plate);
            // A margin for sums that were rounded in another order.
            if reachable + SAME_PRECISION < relabelings.needed {
                continue;
            }
            self.labels.push(well);
            let is_done = self.descend(plate, index + 1, n_left - 1, reachable);
            self.labels.pop();
            if !is_done {
                return false;
            }
        }
        true
    }

    /// What the sum of precisions loses at least when `well` joins the labels.
    fn lost_with(&self, well: usize, plate: usize) -> f64 {
        let Relabelings { pool, n_treated, asks, .. } = self.relabelings;
        let lost = |query: usize, query_plate: usize, positive: usize| {
            if !asks[query_plate] {
                return 0.0;
            }
            // Of the wells as near, those of the same label are no negatives.
            let n_negatives = (pool.of_query(query).1[positive] as usize).saturating_sub(n_treated[query_plate] - 1);
            self.shortfall[n_negatives]
        };
        self.labels.iter().map(|&label| lost(well, plate, label) + lost(label, pool.plate(label), well)).sum()
    }
}
