//! The model of effects, and what it expects of a treatment.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use faer::Mat;
use rayon::prelude::*;

use super::process::Process;
use super::setting::Setting;
use crate::linear::Cholesky;
use crate::screen::{Application, Kind, Perturbation, Treatment};

/// What is expected of the effect of a treatment.
#[derive(Debug, Clone, PartialEq)]
pub struct Posterior {
    /// The effect, `[coordinate]`.
    pub mean: Vec<f64>,
    /// Variance of the effect about its mean, summed over the coordinates; without the noise of wells.
    pub variance: f64,
}

/// Effects of training treatments as sums of normal parts whose variances were fitted to them.
#[derive(Debug, Clone)]
pub struct EffectModel {
    pub(super) parts: Parts,
    pub(super) blocks: Vec<Block>,
    pub(super) block_of: BTreeMap<Perturbation, usize>,
}

/// The parts that effects are made of.
#[derive(Debug, Clone)]
pub(super) struct Parts {
    /// Unit directions of what perturbations differ in, `[coordinate, direction]`.
    pub(super) directions: Mat<f64>,
    /// Variance of treatments along each direction, beyond noise.
    pub(super) signal: Vec<f64>,
    /// Directions that vary together; those of different groups are independent.
    pub(super) groups: Vec<Range<usize>>,
    pub(super) responses: BTreeMap<Kind, Response>,
    /// What sets of a size do beyond the sum of their members' mean responses, `[coordinate]`.
    pub(super) beyond_sum: BTreeMap<usize, Vec<f64>>,
    pub(super) process: Process,
    /// Factor on the covariances of directions that stand alone.
    pub(super) amplitude: f64,
    /// Variance of what belongs to one treatment alone, as a multiple of the signal.
    pub(super) own: f64,
    /// How much of its response alone a perturbation shows in sets.
    pub(super) in_sets: f64,
    /// Whether singles have a part of their own too: where no replicates say how large the noise is.
    pub(super) singles_have_own: bool,
}

/// How perturbations of a kind respond.
#[derive(Debug, Clone)]
pub(super) struct Response {
    /// Where such were measured alone.
    pub(super) settings: Vec<Setting>,
    /// Mean response in each setting, and last that elsewhere; `[coordinate]` each.
    pub(super) means: Vec<Vec<f64>>,
    /// Covariance for each group of directions, `[(setting, direction), (setting, direction)]`, elsewhere last.
    pub(super) covariances: Vec<Mat<f64>>,
}

impl Response {
    pub(super) fn index(&self, setting: &Setting) -> usize {
        self.settings.binary_search(setting).unwrap_or(self.settings.len())
    }
}

/// A training treatment: its effect along each direction, less the mean response, and the variance of its noise.
#[derive(Debug, Clone)]
pub(super) struct Residual {
    pub(super) treatment: Treatment,
    pub(super) along: Vec<f64>,
    pub(super) noise: f64,
}

/// A treatment with the places of its members.
#[derive(Debug, Clone)]
struct Placed {
    treatment: Treatment,
    members: Vec<PlacedMember>,
    /// How much of their responses alone the members show.
    shown: f64,
}

#[derive(Debug, Clone)]
struct PlacedMember {
    /// The number of the perturbation; members of one number respond together.
    perturbation: usize,
    kind: Kind,
    setting: usize,
    /// Decades above the beginning of the response.
    above: Option<f64>,
}

/// Whether the variance of a posterior is wanted, which costs more than its mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Variance {
    Asked,
    NotAsked,
}

/// Training treatments that share perturbations, with the equations that answer from them.
#[derive(Debug, Clone)]
pub(super) struct Block {
    rows: Vec<Placed>,
    /// The number of each perturbation.
    numbers: BTreeMap<Perturbation, usize>,
    /// The rows that hold each perturbation, by its number.
    holding: Vec<Vec<usize>>,
    /// For each group of directions.
    solved: Vec<Solved>,
}

impl Block {
    /// The rows that share a perturbation with `target`; all others say nothing of it.
    fn related(&self, target: &Placed) -> Vec<usize> {
        let holding = target.members.iter().flat_map(|member| &self.holding[member.perturbation]);
        holding.copied().collect::<BTreeSet<usize>>().into_iter().collect()
    }
}

#[derive(Debug, Clone)]
struct Solved {
    factor: Cholesky,
    /// `covariance⁻¹ residual`, over (treatment, direction).
    weights: Vec<f64>,
}

impl Parts {
    /// The mean response to `treatment`, `[coordinate]`; `None` where no perturbation of a member's kind was measured.
    pub(super) fn mean(&self, treatment: &Treatment) -> Option<Vec<f64>> {
        let setting = Setting::of(treatment);
        let mut mean = vec![0.0; self.directions.nrows()];
        for member in treatment.intervention.members() {
            let response = self.responses.get(&member.perturbation.kind)?;
            let share = self.process.share(member);
            let of_kind = &response.means[response.index(&setting)];
            mean.iter_mut().zip(of_kind).for_each(|(sum, value)| *sum += share * value);
        }
        if let Some(beyond) = self.beyond_sum.get(&treatment.intervention.members().len()) {
            mean.iter_mut().zip(beyond).for_each(|(sum, value)| *sum += value);
        }
        Some(mean)
    }

    /// Where those members of `treatment` lie whose perturbations have a number.
    fn place(&self, treatment: &Treatment, number: impl Fn(&Perturbation) -> Option<usize>) -> Placed {
        let setting = Setting::of(treatment);
        let member = |member: &Application| {
            let Perturbation { kind, .. } = member.perturbation;
            let setting = self.responses.get(&kind)?.index(&setting);
            let above = self.process.above_beginning(member);
            Some(PlacedMember { perturbation: number(&member.perturbation)?, kind, setting, above })
        };
        let members = treatment.intervention.members().iter().filter_map(member).collect();
        let shown = if treatment.intervention.as_single().is_some() { 1.0 } else { self.in_sets };
        Placed { treatment: treatment.clone(), members, shown }
    }

    /// Adds the covariance of two effects along the directions of `group` to `into`, `[direction, direction]` row by row.
    fn add_covariance(&self, group: usize, one: &Placed, other: &Placed, into: &mut [f64]) {
        let width = self.groups[group].len();
        let amplitude = one.shown * other.shown * if width == 1 { self.amplitude } else { 1.0 };
        for member in &one.members {
            let Some(twin) = other.members.iter().find(|twin| twin.perturbation == member.perturbation) else {
                continue;
            };
            let factor = amplitude * self.process.covariance(member.above, twin.above);
            let (row, column) = (member.setting * width, twin.setting * width);
            let covariance = &self.responses[&member.kind].covariances[group];
            for i in 0..width {
                for j in 0..width {
                    into[i * width + j] += factor * covariance[(row + i, column + j)];
                }
            }
        }
        let has_own = self.singles_have_own || one.treatment.intervention.members().len() != 1;
        if has_own && one.members.len() == other.members.len() && one.treatment == other.treatment {
            let signal = &self.signal[self.groups[group].clone()];
            (0..width).for_each(|i| into[i * width + i] += self.own * signal[i]);
        }
    }

    /// The equations of training treatments that share perturbations, and the logarithm of the likelihood of their effects
    /// but for a constant; `None` where rounding leaves no solution.
    pub(super) fn condition(&self, rows: &[&Residual]) -> Option<(Block, f64)> {
        let mut likelihood = 0.0;
        let mut solved = Vec::with_capacity(self.groups.len());
        let mut numbers = BTreeMap::new();
        for member in rows.iter().flat_map(|row| row.treatment.intervention.members()) {
            let next = numbers.len();
            numbers.entry(member.perturbation.clone()).or_insert(next);
        }
        let placed: Vec<Placed> = rows
            .iter()
            .map(|row| self.place(&row.treatment, |perturbation| numbers.get(perturbation).copied()))
            .collect();
        for (group, directions) in self.groups.iter().enumerate() {
            let width = directions.len();
            let mut matrix = Mat::<f64>::zeros(rows.len() * width, rows.len() * width);
            let mut cell = vec![0.0; width * width];
            // What is left of a variance where neither noise nor a part of its own is.
            let least = 1e-6 * self.signal[directions.clone()].iter().sum::<f64>() / width as f64 + 1e-12;
            for (i, one) in rows.iter().enumerate() {
                for j in 0..=i {
                    cell.fill(0.0);
                    self.add_covariance(group, &placed[i], &placed[j], &mut cell);
                    for a in 0..width {
                        for b in 0..width {
                            matrix[(i * width + a, j * width + b)] = cell[a * width + b];
                        }
                    }
                }
                (0..width).for_each(|a| matrix[(i * width + a, i * width + a)] += one.noise + least);
            }
            let factor = Cholesky::of(matrix)?;
            let effects: Vec<f64> = rows.iter().flat_map(|row| row.along[directions.clone()].iter().copied()).collect();
            let weights = factor.solve(Mat::from_fn(effects.len(), 1, |row, _| effects[row]));
            let weights: Vec<f64> = weights.col(0).iter().copied().collect();
            let fit: f64 = weights.iter().zip(&effects).map(|(weight, effect)| weight * effect).sum();
            likelihood -= 0.5 * (fit + factor.log_determinant());
            solved.push(Solved { factor, weights });
        }
        let mut holding = vec![Vec::new(); numbers.len()];
        for (index, row) in placed.iter().enumerate() {
            row.members.iter().for_each(|member| holding[member.perturbation].push(index));
        }
        Some((Block { rows: placed, numbers, holding, solved }, likelihood))
    }

    /// What `blocks` add to the mean response to `treatment`, along each direction; and the variance that is left, where
    /// it is `asked` for.
    pub(super) fn posterior<'b>(
        &self,
        treatment: &Treatment,
        blocks: impl Iterator<Item = &'b Block>,
        asked: Variance,
    ) -> (Vec<f64>, f64) {
        let members = treatment.intervention.members();
        let alone = self.place(treatment, |own| members.iter().position(|member| member.perturbation == *own));
        let known = blocks.map(|block| {
            let target = self.place(treatment, |perturbation| block.numbers.get(perturbation).copied());
            let related = block.related(&target);
            (block, target, related)
        });
        let known: Vec<(&Block, Placed, Vec<usize>)> = known.collect();
        let mut along = vec![0.0; self.signal.len()];
        let mut variance = 0.0;
        for (group, directions) in self.groups.iter().enumerate() {
            let width = directions.len();
            let mut cell = vec![0.0; width * width];
            self.add_covariance(group, &alone, &alone, &mut cell);
            variance += (0..width).map(|a| cell[a * width + a]).sum::<f64>();
            for (block, target, related) in &known {
                let solved = &block.solved[group];
                let mut cross = match asked {
                    Variance::Asked => Mat::<f64>::zeros(block.rows.len() * width, width),
                    Variance::NotAsked => Mat::new(),
                };
                for &j in related {
                    cell.fill(0.0);
                    self.add_covariance(group, target, &block.rows[j], &mut cell);
                    for a in 0..width {
                        for b in 0..width {
                            let covariance = cell[a * width + b];
                            along[directions.start + a] += covariance * solved.weights[j * width + b];
                            if asked == Variance::Asked {
                                cross[(j * width + b, a)] = covariance;
                            }
                        }
                    }
                }
                if asked == Variance::Asked {
                    let explained = solved.factor.solve(cross.clone());
                    let products = cross.col_iter().zip(explained.col_iter());
                    variance -= products.flat_map(|(k, v)| k.iter().zip(v.iter()).map(|(k, v)| k * v)).sum::<f64>();
                }
            }
        }
        (along, variance.max(0.0))
    }
}

impl EffectModel {
    /// The model whose parts are given, with the equations of its training treatments.
    pub(super) fn conditioned(parts: Parts, residuals: &[Residual]) -> Option<Self> {
        let groups = connected(residuals);
        let conditioned: Option<Vec<(Block, f64)>> = groups.par_iter().map(|rows| parts.condition(rows)).collect();
        let blocks: Vec<Block> = conditioned?.into_iter().map(|(block, _)| block).collect();
        let mut block_of = BTreeMap::new();
        for (index, block) in blocks.iter().enumerate() {
            block_of.extend(block.numbers.keys().map(|perturbation| (perturbation.clone(), index)));
        }
        Some(Self { parts, blocks, block_of })
    }

    /// What is expected of the effect of `treatment`; `None` where no perturbation of a member's kind is in training.
    pub fn posterior(&self, treatment: &Treatment) -> Option<Posterior> {
        self.asked(treatment, Variance::Asked)
    }

    /// The mean of [`EffectModel::posterior`] alone, `[coordinate]`, which costs less.
    pub fn expected(&self, treatment: &Treatment) -> Option<Vec<f64>> {
        self.asked(treatment, Variance::NotAsked).map(|posterior| posterior.mean)
    }

    fn asked(&self, treatment: &Treatment, variance: Variance) -> Option<Posterior> {
        let mut mean = self.parts.mean(treatment)?;
        let members = treatment.intervention.members().iter();
        let touched: BTreeSet<usize> =
            members.filter_map(|member| self.block_of.get(&member.perturbation)).copied().collect();
        let blocks = touched.iter().map(|&index| &self.blocks[index]);
        let (along, variance) = self.parts.posterior(treatment, blocks, variance);
        for (direction, along) in self.parts.directions.col_iter().zip(&along) {
            mean.iter_mut().zip(direction.iter()).for_each(|(sum, value)| *sum += along * value);
        }
        Some(Posterior { mean, variance })
    }
}

/// Training treatments by the perturbations that they share, directly or through others.
pub(super) fn connected(residuals: &[Residual]) -> Vec<Vec<&Residual>> {
    let mut root: Vec<usize> = (0..residuals.len()).collect();
    fn find(root: &mut [usize], mut at: usize) -> usize {
        while root[at] != at {
            root[at] = root[root[at]];
            at = root[at];
        }
        at
    }
    let mut first = BTreeMap::<&Perturbation, usize>::new();
    for (index, row) in residuals.iter().enumerate() {
        for member in row.treatment.intervention.members() {
            let known = *first.entry(&member.perturbation).or_insert(index);
            let (one, other) = (find(&mut root, known), find(&mut root, index));
            root[one.max(other)] = one.min(other);
        }
    }
    let mut groups = BTreeMap::<usize, Vec<&Residual>>::new();
    for (index, row) in residuals.iter().enumerate() {
        groups.entry(find(&mut root, index)).or_default().push(row);
    }
    groups.into_values().collect()
}
