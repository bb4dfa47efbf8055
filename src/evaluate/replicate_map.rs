//! Whether a treatment's replicates find each other among control wells: mean average precision with a valid p-value.
//!
//! The query is one replicate; positives are the treatment's other replicates; negatives are wells of the query's own plate.
//! The members of a group share their negatives and each other's distances, so their average precisions are dependent and
//! a null of independent random lists is over-confident (copairs calls 4 % of pure noise with two replicates and sixteen
//! controls). Here the labels are permuted instead: on every plate as many wells as the treatment has there are relabeled
//! "treated", drawn from its own and the negative wells of that plate, and the mean average precision is taken again.
//! Under the hypothesis that the treatment does nothing, all relabelings are equally likely, whatever the plate effects.
//! Effects of the well position are not removed: a treatment that always stands in a corner well is found for that.

mod design;
mod draws;
mod null;
mod pool;
mod relabelings;
mod search;
mod settings;
mod units;

use std::collections::{BTreeMap, BTreeSet};

pub use self::settings::{MapSettings, Negatives};

use self::design::Design;
use self::draws::Draws;
use self::pool::{Pools, Shared};
use self::relabelings::Relabelings;
use self::units::Units;
use super::average_precision::expected_average_precision;
use super::benjamini_hochberg;
use super::error::{EvaluateError, expect_same_length};
use crate::screen::{Features, Role, Screen, Treatment};
use rayon::prelude::*;

/// How well the replicates of one treatment find each other.
#[derive(Debug, Clone, PartialEq)]
pub struct ReplicateMap {
    /// The treatment.
    pub treatment: Treatment,
    /// Wells that asked: those with at least one negative on their plate.
    pub n_queries: usize,
    /// Mean over the queries of their average precision, in (0, 1]; cosine similarity.
    pub map: f64,
    /// Its expectation for lists in random order.
    pub expected: f64,
    /// Mean over the queries of (AP − E₀) / (1 − E₀): 0 by chance, 1 when perfect.
    pub normalized: f64,
    /// Share of relabelings with at least this mean average precision, the true labels among them: exact, or estimated from
    /// draws to about a tenth of its size.
    pub p_value: f64,
    /// The least p-value that this design can give.
    pub least_p_value: f64,
    /// Whether the p-value is exact: all relabelings that reach the observed value were counted.
    pub is_exact: bool,
    /// Benjamini–Hochberg adjusted over the treatments of this result.
    pub q_value: f64,
}

/// A treatment that could not be scored.
#[derive(Debug, Clone, PartialEq)]
pub struct Unscored {
    /// The treatment.
    pub treatment: Treatment,
    /// Why not.
    pub reason: &'static str,
}

/// The scores of all treatments, in their order, and those left out.
#[derive(Debug, Clone, PartialEq)]
pub struct ReplicateMaps {
    /// Scored treatments.
    pub scored: Vec<ReplicateMap>,
    /// Treatments without a second replicate, or without negatives on any of their plates.
    pub unscored: Vec<Unscored>,
}

impl ReplicateMaps {
    /// Share of scored treatments with a q-value of at most `alpha`; NaN when none was scored.
    pub fn share_found(&self, alpha: f64) -> f64 {
        self.scored.iter().filter(|score| score.q_value <= alpha).count() as f64 / self.scored.len() as f64
    }
}

/// Replicate mean average precision of each of `treatments`, by cosine among the rows of `vectors`.
///
/// `vectors` are profiles or embeddings, one row for each observation of `screen`; `treatments` maps to rows of both.
/// Treatments on one set of plates share one table of similarities, and those with as many wells on each the relabelings
/// that are drawn. Results depend neither on the number of threads nor on which other treatments are scored.
///
/// # Errors
/// When `vectors` does not have one row for each observation.
pub fn replicate_map(
    screen: &Screen,
    vectors: &Features,
    treatments: &BTreeMap<Treatment, Vec<usize>>,
    settings: &MapSettings,
) -> Result<ReplicateMaps, EvaluateError> {
    expect_same_length("vectors", vectors.n_rows(), "observations of the screen", screen.n_observations())?;
    let units = Units::of(vectors);
    let pool_role = |role: Role| match settings.negatives {
        Negatives::PlateControls => role == Role::NegativeControl,
        Negatives::PlateTreatments => role.is_treated(),
    };
    let negatives_by_plate = screen.rows_by_plate(|unit| pool_role(unit.role));

    let mut by_plates = BTreeMap::<BTreeSet<&str>, Vec<Asked<'_>>>::new();
    for (index, (treatment, rows)) in treatments.iter().enumerate() {
        let plates = rows.iter().map(|&row| screen.unit(row).plate.as_str()).collect();
        by_plates.entry(plates).or_default().push(Asked { index, treatment, rows });
    }
    let mut outcomes: Vec<(usize, Result<ReplicateMap, Unscored>)> = by_plates
        .par_iter()
        .flat_map(|(plates, group)| {
            let negatives: Vec<&[usize]> =
                plates.iter().map(|plate| negatives_by_plate.get(plate).map_or(&[][..], Vec::as_slice)).collect();
            let shared = Shared::new(&negatives, &units);
            let pools = Pools { screen, plates: plates.iter().copied().collect(), shared: &shared, units: &units };
            let mut by_design = BTreeMap::<Design, Vec<Asked<'_>>>::new();
            for asked in group {
                by_design.entry(pools.design(asked.rows)).or_default().push(*asked);
            }
            let of_design = |(design, group): (Design, Vec<Asked<'_>>)| {
                let draws = Draws::new(&pools, design, settings);
                let one = |asked: &Asked<'_>| (asked.index, score(asked, &pools, settings, &draws));
                group.par_iter().map(one).collect::<Vec<_>>()
            };
            by_design.into_par_iter().flat_map(of_design).collect::<Vec<_>>()
        })
        .collect();
    outcomes.sort_by_key(|(index, _)| *index);

    let (mut scored, mut unscored) = (Vec::new(), Vec::new());
    for (_, outcome) in outcomes {
        match outcome {
            Ok(score) => scored.push(score),
            Err(reason) => unscored.push(reason),
        }
    }
    let p_values: Vec<f64> = scored.iter().map(|score| score.p_value).collect();
    for (score, q_value) in scored.iter_mut().zip(benjamini_hochberg(&p_values)) {
        score.q_value = q_value;
    }
    Ok(ReplicateMaps { scored, unscored })
}

/// A treatment with its rows, and its place among all.
#[derive(Clone, Copy)]
struct Asked<'a> {
    index: usize,
    treatment: &'a Treatment,
    rows: &'a [usize],
}

fn score(
    asked: &Asked<'_>,
    pools: &Pools<'_>,
    settings: &MapSettings,
    draws: &Draws<'_>,
) -> Result<ReplicateMap, Unscored> {
    let &Asked { treatment, rows, .. } = asked;
    let unscored = |reason| Unscored { treatment: treatment.clone(), reason };
    if rows.len() < 2 {
        return Err(unscored("fewer than two replicates"));
    }
    let (pool, members) = pools.pool(rows);
    let n_negatives = |query: usize| pool.n_negatives(pool.plate(query), &members);
    let queries: Vec<usize> = members.iter().copied().filter(|&query| n_negatives(query) > 0).collect();
    if queries.is_empty() {
        return Err(unscored("no negative wells on its plates"));
    }
    let mut seen = Vec::new();
    let precisions: Vec<f64> =
        queries.iter().map(|&query| pool.average_precision(query, &members, &mut seen)).collect();
    let map = mean(&precisions);
    let n_positives = members.len() - 1;
    let chance = |&query: &usize| expected_average_precision(n_positives, n_positives + n_negatives(query));
    let chances: Vec<f64> = queries.iter().map(chance).collect();
    let normalized: Vec<f64> =
        precisions.iter().zip(&chances).map(|(precision, chance)| (precision - chance) / (1.0 - chance)).collect();
    let null = Relabelings::new(&pool, draws.design(), map).null(settings, draws);
    Ok(ReplicateMap {
        treatment: treatment.clone(),
        n_queries: queries.len(),
        map,
        expected: mean(&chances),
        normalized: mean(&normalized),
        p_value: null.p_value,
        least_p_value: null.least_p_value,
        is_exact: null.is_exact,
        q_value: 1.0,
    })
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

#[cfg(test)]
mod tests;
