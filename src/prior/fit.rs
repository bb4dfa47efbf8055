//! Fits the parts of effects to training treatments.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use faer::Mat;
use rayon::prelude::*;

use super::effects::{EffectModel, Parts, Residual, Response, Variance, connected};
use super::expectation::{Moments, Seen};
use super::process::Process;
use super::setting::Setting;
use crate::linear::dense::principal_directions;
use crate::screen::{Application, Kind, Perturbation, Treatment};

/// Decades below the lowest dose at which a response may begin.
const DECADES: [f64; 5] = [1.0, 2.0, 3.0, 4.0, 6.0];

/// Factors on the covariance of single directions.
const AMPLITUDES: [f64; 7] = [0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 2.8];

/// Variances of what belongs to one treatment alone, as multiples of the signal.
const OWN: [f64; 8] = [0.0, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6];

/// Shares of its response alone that a perturbation may show in sets.
const IN_SETS: [f64; 9] = [0.3, 0.4, 0.5, 0.6, 0.7, 0.85, 1.0, 1.2, 1.4];

/// Deviation of the logarithm of such a share, before sets are looked at.
const IN_SETS_DEVIATION: f64 = 0.3;

/// Perturbations of a kind in several settings at which the covariance over settings and directions is fitted freely.
const LEAST_SHARED: usize = 20;

/// Entries of such a covariance, at most, along one side.
const MOST_JOINT: usize = 96;

/// Treatments of a block from which settings are fitted, at most.
const MOST_TUNED: usize = 200;

/// Operations that solving may cost, at most: a few seconds.
const MOST_OPERATIONS: f64 = 3e10;

/// Pairs of settings for which the prior correlation of a half counts.
const PRIOR_PAIRS: f64 = 5.0;

/// The consensus effect of a treatment, and what its wells say of its noise.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// Consensus less the control state, `[coordinate]`.
    pub effect: Vec<f64>,
    /// Variance of the noise of the consensus in every direction; 0 where it is not known.
    pub noise: f64,
}

impl EffectModel {
    /// The model of the effects of training treatments; `None` where there is no single perturbation among them, where
    /// effects have no coordinates, where sets link so many treatments that it could not be solved in seconds, or an effect
    /// is too large to compute with.
    ///
    /// Settings of the model are fitted to the same effects: variances by their likelihood, the dose at which responses
    /// begin by leaving one dose out at a time.
    pub fn fit(measured: &BTreeMap<Treatment, Measured>) -> Option<Self> {
        if measured.values().any(|one| one.effect.is_empty()) {
            return None;
        }
        let noise_is_known = measured.values().any(|one| one.noise > 0.0);
        let singles: Vec<_> = measured.iter().filter(|(treatment, _)| single(treatment).is_some()).collect();
        let mut responses = mean_responses(&singles)?;
        let is_known = |treatment: &Treatment| {
            treatment.intervention.members().iter().all(|member| responses.contains_key(&member.perturbation.kind))
        };
        let all: Vec<_> = measured.iter().filter(|(treatment, _)| is_known(treatment)).collect();
        let beyond_sum = beyond_sum(&all, &responses);
        let (directions, signal) = signal(&all, &responses, &beyond_sum)?;
        let members = || measured.keys().flat_map(|treatment| treatment.intervention.members());
        // Doses add their own covariance, which is not fitted together with that over settings.
        let joint = if ladders(&all).is_empty() { n_joint(&singles, &responses, signal.len()) } else { 0 };
        let mut groups: Vec<Range<usize>> = Vec::new();
        if joint > 0 {
            groups.push(0..joint);
        }
        groups.extend((joint..signal.len()).map(|direction| direction..direction + 1));
        let correlation = correlation(&residuals(&singles, &responses, &directions), &signal);
        for response in responses.values_mut() {
            response.covariances =
                groups.iter().map(|group| alike(response, &signal[group.clone()], correlation)).collect();
        }
        if joint > 0 {
            fit_jointly(&singles, &mut responses, &directions, joint)?;
        }
        let parts = Parts {
            directions,
            signal,
            groups,
            responses,
            beyond_sum,
            process: Process::of(DECADES[2], members()),
            amplitude: 1.0,
            own: if noise_is_known { 0.0 } else { 0.1 },
            in_sets: 1.0,
            singles_have_own: !noise_is_known,
        };
        let (parts, residuals) = tuned(parts, &all)?;
        Self::conditioned(parts, &residuals)
    }
}

fn single(treatment: &Treatment) -> Option<&Application> {
    treatment.intervention.as_single()
}

/// Mean response of each kind in each setting in which it was measured alone, and elsewhere the mean over settings.
fn mean_responses(singles: &[(&Treatment, &Measured)]) -> Option<BTreeMap<Kind, Response>> {
    let mut sums = BTreeMap::<Kind, BTreeMap<Setting, (Vec<f64>, f64)>>::new();
    for (treatment, measured) in singles {
        let kind = single(treatment)?.perturbation.kind;
        let empty = || (vec![0.0; measured.effect.len()], 0.0);
        let (sum, n) = sums.entry(kind).or_default().entry(Setting::of(treatment)).or_insert_with(empty);
        sum.iter_mut().zip(&measured.effect).for_each(|(sum, value)| *sum += value);
        *n += 1.0;
    }
    let response = |settings: BTreeMap<Setting, (Vec<f64>, f64)>| {
        let (settings, sums): (Vec<_>, Vec<_>) = settings.into_iter().unzip();
        let means = sums.into_iter().map(|(sum, n)| sum.into_iter().map(|sum| sum / n).collect()).collect();
        let mut response = Response { settings, means, covariances: Vec::new() };
        add_elsewhere(&mut response);
        response
    };
    (!sums.is_empty()).then(|| sums.into_iter().map(|(kind, settings)| (kind, response(settings))).collect())
}

/// Adds the mean over settings as that of any other.
fn add_elsewhere(response: &mut Response) {
    let n = response.settings.len();
    response.means.truncate(n);
    let width = response.means[0].len();
    let mean = |at: usize| response.means.iter().map(|mean| mean[at]).sum::<f64>() / n as f64;
    let elsewhere = (0..width).map(mean).collect();
    response.means.push(elsewhere);
}

/// What sets of each size do beyond the sum of their members' mean responses: the mean over sets, as one more of which
/// nothing was seen counts as the sum.
fn beyond_sum(rows: &[(&Treatment, &Measured)], responses: &BTreeMap<Kind, Response>) -> BTreeMap<usize, Vec<f64>> {
    let mut sums = BTreeMap::<usize, (Vec<f64>, f64)>::new();
    for (treatment, measured) in rows.iter().filter(|(treatment, _)| single(treatment).is_none()) {
        let rest = beyond_members(treatment, &measured.effect, responses);
        let size = treatment.intervention.members().len();
        let (sum, n) = sums.entry(size).or_insert_with(|| (vec![0.0; rest.len()], 1.0));
        sum.iter_mut().zip(&rest).for_each(|(sum, value)| *sum += value);
        *n += 1.0;
    }
    sums.into_iter().map(|(size, (sum, n))| (size, sum.into_iter().map(|sum| sum / n).collect())).collect()
}

/// An effect less the mean responses to the members.
fn beyond_members(treatment: &Treatment, effect: &[f64], responses: &BTreeMap<Kind, Response>) -> Vec<f64> {
    let setting = Setting::of(treatment);
    let mut rest = effect.to_vec();
    for member in treatment.intervention.members() {
        let response = &responses[&member.perturbation.kind];
        rest.iter_mut().zip(&response.means[response.index(&setting)]).for_each(|(value, mean)| *value -= mean);
    }
    rest
}

/// Directions in which treatments differ from the mean response, and the variance along each that one member has beyond
/// noise.
fn signal(
    rows: &[(&Treatment, &Measured)],
    responses: &BTreeMap<Kind, Response>,
    beyond_sum: &BTreeMap<usize, Vec<f64>>,
) -> Option<(Mat<f64>, Vec<f64>)> {
    let mut noise = 0.0;
    let rests = rows.iter().map(|(treatment, measured)| {
        let size = treatment.intervention.members().len();
        let mut rest = beyond_members(treatment, &measured.effect, responses);
        if let Some(beyond) = beyond_sum.get(&size) {
            rest.iter_mut().zip(beyond).for_each(|(value, beyond)| *value -= beyond);
        }
        // The members' parts add up, so their variances do.
        rest.iter_mut().for_each(|value| *value /= (size as f64).sqrt());
        noise += measured.noise / (size * rows.len()) as f64;
        rest
    });
    let rests: Vec<Vec<f64>> = rests.collect();
    let centered = Mat::from_fn(rests.len(), rests.first()?.len(), |row, column| rests[row][column]);
    let n_means = responses.values().map(|response| response.settings.len()).sum::<usize>() + beyond_sum.len();
    let degrees = rows.len().saturating_sub(n_means).max(1) as f64;
    let (totals, directions) = principal_directions(centered.as_ref(), degrees)?;
    let signal: Vec<f64> = totals.into_iter().map(|total| total - noise).take_while(|signal| *signal > 0.0).collect();
    let directions = directions.subcols(0, signal.len()).to_owned();
    Some((directions, signal))
}

/// Effects along the directions, less the mean responses.
fn residuals(
    rows: &[(&Treatment, &Measured)],
    responses: &BTreeMap<Kind, Response>,
    directions: &Mat<f64>,
) -> Vec<Residual> {
    let of = |(treatment, measured): &(&Treatment, &Measured)| Residual {
        treatment: (*treatment).clone(),
        along: along(directions, &beyond_members(treatment, &measured.effect, responses)),
        noise: measured.noise,
    };
    rows.iter().map(of).collect()
}

fn along(directions: &Mat<f64>, effect: &[f64]) -> Vec<f64> {
    directions.col_iter().map(|direction| direction.iter().zip(effect).map(|(d, value)| d * value).sum()).collect()
}

/// Responses to one perturbation at one dose, in the settings in which they were measured.
fn by_application(rows: &[Residual]) -> BTreeMap<&Application, Vec<&Residual>> {
    let mut groups = BTreeMap::<_, Vec<&Residual>>::new();
    for row in rows {
        groups.entry(single(&row.treatment).expect("a single")).or_default().push(row);
    }
    groups
}

/// Correlation of what a perturbation does in two settings, over all directions, pulled toward a half.
fn correlation(rows: &[Residual], signal: &[f64]) -> f64 {
    let (mut product, mut n) = (0.0, 0.0);
    let total: f64 = signal.len() as f64;
    for group in by_application(rows).values() {
        for (index, one) in group.iter().enumerate() {
            for other in &group[..index] {
                let shared = one.along.iter().zip(&other.along).zip(signal).map(|((a, b), signal)| a * b / signal);
                product += shared.sum::<f64>() / total.max(1.0);
                n += 1.0;
            }
        }
    }
    ((product + 0.5 * PRIOR_PAIRS) / (n + PRIOR_PAIRS)).clamp(0.0, 1.0)
}

/// Covariance in which all settings are alike, `[(setting, direction), (setting, direction)]` with one more setting.
fn alike(response: &Response, signal: &[f64], correlation: f64) -> Mat<f64> {
    let (n, width) = (response.settings.len() + 1, signal.len());
    Mat::from_fn(n * width, n * width, |row, column| {
        let same_setting = row / width == column / width;
        let of_direction = if row % width == column % width { signal[row % width] } else { 0.0 };
        of_direction * if same_setting { 1.0 } else { correlation }
    })
}

/// Leading directions whose covariance over settings is fitted freely; none where too few perturbations were measured in
/// several settings.
fn n_joint(singles: &[(&Treatment, &Measured)], responses: &BTreeMap<Kind, Response>, n_directions: usize) -> usize {
    let shared = responses.iter().filter(|(kind, _)| n_shared(singles, **kind) >= LEAST_SHARED);
    let widths = shared.map(|(_, response)| MOST_JOINT / response.settings.len());
    let most = widths.min().unwrap_or(0).min(n_directions);
    if most < 2 { 0 } else { most }
}

/// Perturbations of the kind, at a dose, that were measured in two settings or more.
fn n_shared(singles: &[(&Treatment, &Measured)], kind: Kind) -> usize {
    let mut settings = BTreeMap::<&Application, BTreeSet<Setting>>::new();
    for (treatment, _) in singles {
        let member = single(treatment).expect("a single");
        if member.perturbation.kind == kind {
            settings.entry(member).or_default().insert(Setting::of(treatment));
        }
    }
    settings.values().filter(|settings| settings.len() > 1).count()
}

/// Mean and covariance of each kind over settings and the leading directions at once.
fn fit_jointly(
    singles: &[(&Treatment, &Measured)],
    responses: &mut BTreeMap<Kind, Response>,
    directions: &Mat<f64>,
    joint: usize,
) -> Option<()> {
    let rows = residuals(singles, responses, directions);
    for (kind, response) in responses.iter_mut().filter(|(kind, _)| n_shared(singles, **kind) >= LEAST_SHARED) {
        let of_kind = by_application(&rows).into_iter().filter(|(member, _)| member.perturbation.kind == *kind);
        let measured =
            |row: &&Residual| (response.index(&Setting::of(&row.treatment)), row.along[..joint].to_vec(), row.noise);
        let seen: Vec<Seen> = of_kind.map(|(_, rows)| Seen { measured: rows.iter().map(measured).collect() }).collect();
        let n = response.settings.len() * joint;
        let start = response.covariances[0].as_ref().submatrix(0, 0, n, n).to_owned();
        let moments = Moments::fit(&seen, joint, Moments { mean: vec![0.0; n], covariance: start })?;
        for (setting, mean) in response.means.iter_mut().take(response.settings.len()).enumerate() {
            for (direction, moved) in directions.col_iter().zip(&moments.mean[setting * joint..(setting + 1) * joint]) {
                mean.iter_mut().zip(direction.iter()).for_each(|(mean, value)| *mean += moved * value);
            }
        }
        add_elsewhere(response);
        response.covariances[0] = with_elsewhere(&moments.covariance, joint);
    }
    Some(())
}

/// The covariance with one more setting, which is to each as the others are on average.
fn with_elsewhere(covariance: &Mat<f64>, width: usize) -> Mat<f64> {
    let n = covariance.nrows() / width;
    let between = |setting: usize, i: usize, j: usize| {
        let others: Vec<usize> = (0..n).filter(|&other| other != setting || n == 1).collect();
        others.iter().map(|other| covariance[(setting * width + i, other * width + j)]).sum::<f64>()
            / others.len() as f64
    };
    Mat::from_fn((n + 1) * width, (n + 1) * width, |row, column| {
        let (here, there, i, j) = (row / width, column / width, row % width, column % width);
        match (here == n, there == n) {
            (false, false) => covariance[(row, column)],
            (false, true) => between(here, i, j),
            (true, false) => between(there, j, i),
            (true, true) => (0..n).map(|at| covariance[(at * width + i, at * width + j)]).sum::<f64>() / n as f64,
        }
    })
}

/// The parts with amplitude, own part and beginning of the doses fitted, and the residuals that they leave.
fn tuned(mut parts: Parts, rows: &[(&Treatment, &Measured)]) -> Option<(Parts, Vec<Residual>)> {
    let has_sets = rows.iter().any(|(treatment, _)| single(treatment).is_none());
    // The amplitude is a factor on these alone.
    let has_lone_directions = parts.groups.iter().any(|group| group.len() == 1);
    let ladders = ladders(rows);
    let mut best: Option<(f64, Parts)> = None;
    for &decades in if ladders.is_empty() { &DECADES[2..3] } else { &DECADES[..] } {
        parts.process.decades = decades;
        let left = left_by(&parts, rows)?;
        let mut blocks = connected(&left);
        for rows in &mut blocks {
            *rows = thinned(rows);
        }
        let likelihood = |parts: &Parts| -> f64 {
            let of = |rows: &Vec<&Residual>| parts.condition(rows).map_or(f64::NEG_INFINITY, |(_, value)| value);
            // Summed in their order, so that the sum does not depend on the threads.
            blocks.par_iter().map(of).collect::<Vec<f64>>().into_iter().sum()
        };
        let has_own = has_sets || parts.singles_have_own;
        for _ in 0..if has_own { 2 } else { 1 } {
            if has_lone_directions {
                parts.amplitude = best_of(&AMPLITUDES, |amplitude| likelihood(&Parts { amplitude, ..parts.clone() }));
            }
            if has_own {
                let least = if parts.singles_have_own { &OWN[1..] } else { &OWN[..] };
                parts.own = best_of(least, |own| likelihood(&Parts { own, ..parts.clone() }));
            }
            if has_sets {
                let rated = |in_sets: f64| {
                    let moved: f64 = in_sets.ln() / IN_SETS_DEVIATION;
                    likelihood(&Parts { in_sets, ..parts.clone() }) - 0.5 * moved * moved
                };
                parts.in_sets = best_of(&IN_SETS, rated);
            }
        }
        let error = left_out_error(&parts, &ladders)?;
        if best.as_ref().is_none_or(|(least, _)| error < *least) {
            best = Some((error, parts.clone()));
        }
    }
    let parts = best?.1;
    let left = left_by(&parts, rows)?;
    let cost = |n_rows: usize, width: usize| ((n_rows * width) as f64).powi(3) / 3.0;
    let blocks = connected(&left);
    let costs = blocks.iter().flat_map(|rows| parts.groups.iter().map(|group| cost(rows.len(), group.len())));
    (costs.sum::<f64>() <= MOST_OPERATIONS).then_some((parts, left))
}

/// Some of the rows, singles and sets both, where they are many.
fn thinned<'a>(rows: &[&'a Residual]) -> Vec<&'a Residual> {
    let (singles, sets): (Vec<&Residual>, Vec<&Residual>) =
        rows.iter().copied().partition(|row| single(&row.treatment).is_some());
    let n_singles = singles.len().min(MOST_TUNED.saturating_sub(sets.len()).max(MOST_TUNED / 2));
    let some = |rows: Vec<&'a Residual>, most: usize| {
        let step = rows.len().div_ceil(most.max(1)).max(1);
        rows.into_iter().step_by(step)
    };
    some(singles, n_singles).chain(some(sets, MOST_TUNED - n_singles)).collect()
}

fn best_of(values: &[f64], of: impl Fn(f64) -> f64) -> f64 {
    let scored = values.iter().map(|&value| (value, of(value)));
    scored.fold((values[0], f64::NEG_INFINITY), |best, one| if one.1 > best.1 { one } else { best }).0
}

/// Effects less what the parts expect before they look at any of them.
fn left_by(parts: &Parts, rows: &[(&Treatment, &Measured)]) -> Option<Vec<Residual>> {
    rows.iter().map(|(treatment, measured)| left(parts, treatment, measured)).collect()
}

fn left(parts: &Parts, treatment: &Treatment, measured: &Measured) -> Option<Residual> {
    let mean = parts.mean(treatment)?;
    let rest: Vec<f64> = measured.effect.iter().zip(&mean).map(|(value, mean)| value - mean).collect();
    Some(Residual { treatment: treatment.clone(), along: along(&parts.directions, &rest), noise: measured.noise })
}

/// Single perturbations with three doses or more, without those that sets hold too.
fn ladders<'a>(rows: &[(&'a Treatment, &'a Measured)]) -> Vec<Vec<(&'a Treatment, &'a Measured)>> {
    let mut by_perturbation = BTreeMap::<&Perturbation, Vec<(&Treatment, &Measured)>>::new();
    for row in rows.iter().filter(|(treatment, _)| single(treatment).is_some_and(|member| member.dose.is_some())) {
        by_perturbation.entry(&single(row.0).expect("a single").perturbation).or_default().push(*row);
    }
    let n_doses = |rows: &[(&Treatment, &Measured)]| {
        rows.iter().filter_map(|(treatment, _)| single(treatment)?.dose).collect::<BTreeSet<_>>().len()
    };
    by_perturbation.into_values().filter(|rows| n_doses(rows) >= 3).collect()
}

/// Sum of squared errors over the treatments of ladders, each expected from the others of its perturbation.
fn left_out_error(parts: &Parts, ladders: &[Vec<(&Treatment, &Measured)>]) -> Option<f64> {
    let of_ladder = |rows: &Vec<(&Treatment, &Measured)>| -> Option<f64> {
        let mut error = 0.0;
        for index in 0..rows.len() {
            let (target, measured) = rows[index];
            let others: Vec<_> = rows.iter().enumerate().filter(|(at, _)| *at != index).map(|(_, row)| *row).collect();
            let members = others.iter().flat_map(|(treatment, _)| treatment.intervention.members());
            let process = Process::of(parts.process.decades, members);
            let parts = Parts { process, ..parts.clone() };
            let known = left_by(&parts, &others)?;
            let (block, _) = parts.condition(&known.iter().collect::<Vec<_>>())?;
            let (expected, _) = parts.posterior(target, std::iter::once(&block), Variance::NotAsked);
            let found = left(&parts, target, measured)?;
            error += found.along.iter().zip(&expected).map(|(found, expected)| (found - expected).powi(2)).sum::<f64>();
        }
        Some(error)
    };
    let errors: Option<Vec<f64>> = ladders.par_iter().map(of_ladder).collect();
    Some(errors?.into_iter().sum())
}
