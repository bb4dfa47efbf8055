//! From where to where: what a planner steers by.

use std::collections::BTreeMap;

use burn::tensor::Device;

use super::config::RankConfig;
use super::error::PlanError;
use super::ranker::Ranker;
use super::reference::{distance, measured_latent};
use super::target::rows_of_target;
use crate::predict::Starts;
use crate::screen::{Intervention, Screen, Treatment};
use crate::train::{Latents, TrainedModel};

/// A start and a target in one context. It scores any latent, so it serves a list of candidates as it serves a planner.
#[derive(Debug)]
pub struct Goal {
    /// The context in which cells start and are to arrive.
    pub context: String,
    /// `[member, latent]`.
    target: Vec<f32>,
    /// How far the target is from the start for each member.
    distance_to_target: Vec<f64>,
    /// Treatments whose wells define the target, sorted.
    pub(super) defines_target: Vec<Treatment>,
    pub(super) target_text: String,
    pub(super) start_text: String,
    /// What to know of the target; empty if nothing.
    pub(super) warning: String,
}

/// How far the score that was predicted of a treatment is from the measured one.
#[derive(Debug, Clone, PartialEq)]
pub struct Residual {
    /// The treatment.
    pub treatment: Treatment,
    /// |predicted − measured score|.
    pub error: f64,
}

impl Goal {
    /// Reads start and target off the wells of `screen` that `config` names, in the context that it names, or in the one
    /// that most wells of the target are of.
    ///
    /// # Errors
    /// When a query cannot be used, the context is unknown, there is nothing to start from, or start and target coincide.
    pub fn new(
        trained: &TrainedModel,
        screen: &Screen,
        config: &RankConfig,
        device: &Device,
    ) -> Result<Self, PlanError> {
        let matching = rows_of_target(screen, &config.target)?;
        let context = match config.context.as_str() {
            "" => most_common_context(screen, &matching),
            wanted => context_of(screen, wanted)?,
        };
        let in_context = |mut rows: Vec<usize>| -> Result<Vec<usize>, PlanError> {
            let all = rows.len();
            rows.retain(|&row| screen.unit(row).context == context);
            if rows.is_empty() {
                let known = format!("{all} matching wells, but only in other contexts");
                return Err(PlanError::Context { context: context.clone(), known });
            }
            Ok(rows)
        };
        let mean_of = |rows: &[usize]| measured_latent(trained, screen, rows, device);
        let target_rows = in_context(matching)?;
        let (start, start_text) = if config.start.is_empty() {
            let nowhere = Treatment { intervention: Intervention::untreated(), context: context.clone() };
            (Starts::of(trained, screen, device).start(&nowhere)?, screen.reference().start_in_words().to_owned())
        } else {
            (mean_of(&in_context(rows_of_target(screen, &config.start)?)?), config.start.clone())
        };
        let mut defines_target: Vec<Treatment> = target_rows.iter().map(|&row| screen.unit(row).treatment()).collect();
        defines_target.sort();
        defines_target.dedup();
        let latents = trained.encode(&screen.features, &target_rows, device);
        let others = others_than(&defines_target, screen, &context);
        let of_others = trained.encode(&screen.features, &others, device);
        let [wells, others] =
            [(&latents, &target_rows), (&of_others, &others)].map(|(latents, rows)| by_unit(latents, screen, rows));
        Self::between(&start, latents.mean(), trained.members.len()).map(|goal| Self {
            context,
            defines_target,
            target_text: config.target.clone(),
            start_text,
            warning: goal.warning_of(&wells, &others),
            ..goal
        })
    }

    /// From one latent to another, `[member, latent]` each.
    ///
    /// # Errors
    /// When they coincide for a member.
    pub fn between(start: &[f32], target: Vec<f32>, n_members: usize) -> Result<Self, PlanError> {
        let width = target.len() / n_members.max(1);
        let members = start.chunks_exact(width).zip(target.chunks_exact(width));
        let distance_to_target: Vec<f64> = members.map(|(start, target)| distance(start, target)).collect();
        if distance_to_target.iter().any(|&distance| distance < 1e-9) {
            return Err(PlanError::NoWay);
        }
        Ok(Self {
            context: String::new(),
            target,
            distance_to_target,
            defines_target: Vec::new(),
            target_text: String::new(),
            start_text: String::new(),
            warning: String::new(),
        })
    }

    /// What to know of a target whose wells are `latents`: that they do not lie together, or not apart from the wells of
    /// `others`.
    fn warning_of(&self, latents: &Latents, others: &Latents) -> String {
        let n_rows = latents.n_rows();
        if n_rows < 2 {
            return "the target is a single well, whose noise is part of it".to_owned();
        }
        // Each well against the mean of the others: a mean that a well is part of lies near it by construction.
        let (n, target) = (n_rows as f64, latents.mean());
        let without = |target: f32, own: f32| ((n * f64::from(target) - f64::from(own)) / (n - 1.0)) as f32;
        let mut scores: Vec<f64> = (0..n_rows)
            .map(|row| {
                let others: Vec<f32> =
                    target.iter().zip(latents.row(row)).map(|(&target, &own)| without(target, own)).collect();
                let width = others.len() / self.distance_to_target.len();
                let members = latents.row(row).chunks_exact(width).zip(others.chunks_exact(width));
                let left =
                    members.zip(&self.distance_to_target).map(|((own, others), far)| distance(own, others) / far);
                1.0 - left.sum::<f64>() / self.distance_to_target.len() as f64
            })
            .collect();
        scores.sort_by(f64::total_cmp);
        let middle = scores[n_rows / 2];
        if middle <= 0.0 {
            return format!(
                "the wells that define the target lie as far from each other as the start lies from their mean (each scored \
                 toward the others, half of them have {middle:.2} or less): this target is not one place here, so that \
                 scores toward it mean little"
            );
        }
        let n_others = others.n_rows();
        let n_as_near = (0..n_others).filter(|&row| self.score(others.row(row)).0 >= middle).count();
        if n_others < LEAST_OTHERS || (n_as_near as f64) < LARGE_SHARE * n_others as f64 {
            return String::new();
        }
        format!(
            "{:.0} % of the wells of other treatments lie as near to the target as its own wells do (half of these score \
             {middle:.2} or more): it is hardly distinguished from them, so that scores toward it mean little",
            100.0 * n_as_near as f64 / n_others as f64
        )
    }

    /// Mean over members of the fraction of the way from start to target that a latent lies at, with its mean distance to the
    /// target.
    pub fn score(&self, latent: &[f32]) -> (f64, f64) {
        let n_members = self.distance_to_target.len();
        let width = self.target.len() / n_members;
        let (mut score, mut left) = (0.0, 0.0);
        let members = latent.chunks_exact(width).zip(self.target.chunks_exact(width));
        for ((latent, target), distance_to_target) in members.zip(&self.distance_to_target) {
            let remaining = distance(latent, target);
            score += 1.0 - remaining / distance_to_target;
            left += remaining;
        }
        (score / n_members as f64, left / n_members as f64)
    }

    /// How far the predicted scores of measured treatments are from the measured ones, `rows` being theirs in `screen`: what
    /// intervals are made of.
    ///
    /// Treatments that the ranker abstains from are left out.
    ///
    /// # Errors
    /// When predicting fails.
    pub fn residuals(
        &self,
        trained: &TrainedModel,
        screen: &Screen,
        ranker: &dyn Ranker,
        rows: &BTreeMap<Treatment, Vec<usize>>,
        device: &Device,
    ) -> Result<Vec<Residual>, PlanError> {
        let (treatments, rows): (Vec<Treatment>, Vec<&Vec<usize>>) =
            rows.iter().map(|(treatment, rows)| (treatment.clone(), rows)).unzip();
        let predicted = ranker.reach(&treatments)?.predicted;
        let residual = |(row, &treatment): (usize, &usize)| {
            let measured = measured_latent(trained, screen, rows[treatment], device);
            let error = (self.score(predicted.latents.row(row)).0 - self.score(&measured).0).abs();
            Residual { treatment: treatments[treatment].clone(), error }
        };
        Ok(predicted.placed.iter().enumerate().map(residual).collect())
    }
}

/// Wells of other treatments that a target is compared with, at most: every n-th.
const MOST_OTHERS: usize = 400;

/// Rows of such wells, at most: of images each is a cell.
const MOST_ROWS: usize = 20_000;

/// Wells of other treatments that say something of a target, at least.
const LEAST_OTHERS: usize = 20;

/// The share of other treatments' wells from which on a target is not told from them; of one that does nothing it is about
/// half.
const LARGE_SHARE: f64 = 0.3;

/// Rows of treated wells of `context` that do not define the target.
fn others_than(defines_target: &[Treatment], screen: &Screen, context: &str) -> Vec<usize> {
    let is_other = |row: &usize| {
        let unit = screen.unit(*row);
        unit.role.is_treated() && unit.context == context && defines_target.binary_search(&unit.treatment()).is_err()
    };
    let rows: Vec<usize> = (0..screen.n_observations()).filter(is_other).collect();
    let wells = screen.units.select(&rows).rows();
    let step = wells.len().div_ceil(MOST_OTHERS).max(rows.len().div_ceil(MOST_ROWS)).max(1);
    wells.into_iter().step_by(step).flatten().map(|place| rows[place]).collect()
}

/// The mean latent of each unit that `rows` are of: of a well where rows are its cells or sites.
fn by_unit(latents: &Latents, screen: &Screen, rows: &[usize]) -> Latents {
    let units = screen.units.select(rows).rows();
    let values = units.iter().flat_map(|rows| latents.select(rows).mean()).collect();
    Latents::new(latents.n_members(), latents.width(), values)
}

/// The context that most of `rows` are of; of several, the first by name.
fn most_common_context(screen: &Screen, rows: &[usize]) -> String {
    let mut n_rows = BTreeMap::<String, usize>::new();
    rows.iter().for_each(|&row| *n_rows.entry(screen.unit(row).context.clone()).or_default() += 1);
    most_common(n_rows)
}

/// The name with the largest count; of several, the first.
fn most_common(counts: BTreeMap<String, usize>) -> String {
    let most = counts.values().copied().max();
    counts.into_iter().find(|(_, count)| Some(*count) == most).map(|(name, _)| name).unwrap_or_default()
}

/// The context asked for, or where none is, the one with most treatments; of several, the first by name.
pub(crate) fn context_of(screen: &Screen, wanted: &str) -> Result<String, PlanError> {
    let mut n_treatments = BTreeMap::<String, usize>::new();
    for treatment in screen.treatments().into_keys() {
        *n_treatments.entry(treatment.context).or_default() += 1;
    }
    if wanted.is_empty() {
        return Ok(most_common(n_treatments));
    }
    if !n_treatments.contains_key(wanted) {
        let known = match n_treatments.keys().collect::<Vec<_>>().as_slice() {
            [only] if only.is_empty() => "one context without a name, so leave `--context` out".to_owned(),
            contexts => contexts.iter().map(|context| format!("`{context}`")).collect::<Vec<_>>().join(", "),
        };
        return Err(PlanError::Context { context: wanted.to_owned(), known });
    }
    Ok(wanted.to_owned())
}

/// A sentence on the contexts that are not ranked; empty where there are none.
pub(crate) fn other_contexts(screen: &Screen, context: &str) -> String {
    let mut others: Vec<String> = screen.treatments().into_keys().map(|treatment| treatment.context).collect();
    others.sort();
    others.dedup();
    others.retain(|other| other != context);
    match others.len() {
        0 => String::new(),
        n => {
            let named: Vec<String> = others.iter().take(3).map(|other| format!("`{other}`")).collect();
            let more = if n > 3 { ", …" } else { "" };
            format!("ranked in `{context}`; {n} other {} with --context: {}{more}", noun(n), named.join(", "))
        }
    }
}

fn noun(n: usize) -> &'static str {
    if n == 1 { "context" } else { "contexts" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::{Design, FeatureMatrix, Role, Unit, Units, Well};

    #[test]
    fn the_score_is_the_mean_fraction_of_the_way() {
        // Two members of two values; the second has twice as far to go.
        let goal = Goal::between(&[0.0, 0.0, 0.0, 0.0], vec![3.0, 4.0, 6.0, 8.0], 2).unwrap();
        assert_eq!(goal.score(&[0.0, 0.0, 0.0, 0.0]), (0.0, 7.5));
        assert_eq!(goal.score(&[3.0, 4.0, 6.0, 8.0]), (1.0, 0.0));
        assert_eq!(goal.score(&[3.0, 4.0, 3.0, 4.0]), (0.75, 2.5));
        assert_eq!(goal.score(&[-3.0, -4.0, 6.0, 8.0]), (0.0, 5.0));
    }

    #[test]
    fn a_target_whose_wells_do_not_lie_together_is_pointed_at() {
        let goal = |wells: Vec<f32>| {
            let latents = Latents::new(1, 2, wells);
            let goal = Goal::between(&[0.0, 0.0], latents.mean(), 1).unwrap();
            goal.warning_of(&latents, &Latents::new(1, 2, Vec::new()))
        };
        assert_eq!(goal(vec![3.0, 4.0, 3.0, 4.5, 3.2, 4.0]), "");
        assert!(goal(vec![3.0, 4.0]).contains("a single well"));
        // The mean is (1, 1), and each of the wells lies farther from the others than the start does from it.
        assert!(goal(vec![5.0, -4.0, -4.0, 5.0, 2.0, 2.0]).contains("is not one place"));
    }

    #[test]
    fn wells_are_compared_and_not_their_cells() {
        let unit =
            |column: i64| Unit { plate: "p".into(), well: Well::at(1, column), ..Unit::under(Some(("a", None))) };
        let screen = Screen {
            name: "cells".into(),
            design: Design::AgainstControls,
            units: Units::of_rows([1, 1, 2, 2].map(unit).to_vec(), &[]),
            features: FeatureMatrix::numbered("f", 1, vec![0.0; 4]).into(),
            labels: Vec::new(),
            dropped: Vec::new(),
            origin: Default::default(),
        };
        // Cells scatter; the wells that they are of lie together.
        let cells = Latents::new(1, 2, vec![3.0, 9.0, 3.0, -1.0, 9.0, 4.0, -3.0, 4.5]);
        let wells = by_unit(&cells, &screen, &[0, 1, 2, 3]);
        assert_eq!(wells.values(), [3.0, 4.0, 3.0, 4.25]);
        let goal = Goal::between(&[0.0, 0.0], cells.mean(), 1).unwrap();
        let none = Latents::new(1, 2, Vec::new());
        assert!(goal.warning_of(&cells, &none).contains("is not one place"));
        assert_eq!(goal.warning_of(&wells, &none), "");
    }

    #[test]
    fn a_target_that_is_not_told_from_other_treatments_is_pointed_at() {
        // What everything does lies far from the start, and the target among it.
        let around = |number: usize| [10.0 + (number % 5) as f32 * 0.3, 10.0 + (number % 7) as f32 * 0.3];
        let others = Latents::new(1, 2, (0..40).flat_map(around).collect());
        let warning = |wells: Vec<f32>| {
            let latents = Latents::new(1, 2, wells);
            Goal::between(&[0.0, 0.0], latents.mean(), 1).unwrap().warning_of(&latents, &others)
        };
        let among = warning(vec![10.0, 11.0, 11.2, 10.0, 10.6, 10.6]);
        assert!(among.contains("% of the wells of other treatments lie as near"), "{among}");
        assert_eq!(warning(vec![14.0, 3.0, 14.2, 3.1, 14.1, 2.9]), "");
    }

    #[test]
    fn without_a_context_it_is_the_one_of_most_target_wells() {
        let contexts = ["a549", "u2os", "u2os", "a549", "u2os"];
        let unit = |context: &&str| Unit {
            plate: "p".into(),
            well: None,
            role: Role::Treatment,
            intervention: Intervention::untreated(),
            context: (*context).to_owned(),
            lab_batch: None,
            replicate: None,
            cell_count: None,
        };
        let screen = Screen {
            name: "two lines".into(),
            design: Design::AgainstControls,
            units: Units::of_rows(contexts.iter().map(unit).collect(), &[]),
            features: FeatureMatrix::numbered("f", 1, vec![0.0; 5]).into(),
            labels: Vec::new(),
            dropped: Vec::new(),
            origin: Default::default(),
        };
        assert_eq!(most_common_context(&screen, &[0, 1, 2]), "u2os");
        assert_eq!(most_common_context(&screen, &[0, 3, 4]), "a549");
        assert_eq!(most_common_context(&screen, &[1, 3]), "a549");
    }

    #[test]
    fn a_start_at_the_target_is_refused() {
        let error = Goal::between(&[1.0, 2.0, 0.0, 0.0], vec![1.0, 2.0, 3.0, 4.0], 2).unwrap_err();
        assert!(matches!(error, PlanError::NoWay));
    }
}
