//! Every choice of as many wells on each plate as a treatment has there.

use super::super::average_precision::SAME_PRECISION;
use super::design::Design;
use super::pool::{Pool, Positive};

/// The relabelings of a pool: every choice of as many wells on each plate as the treatment has there.
pub(super) struct Relabelings<'a> {
    pub(super) pool: &'a Pool<'a>,
    pub(super) design: &'a Design,
    /// Whether wells of a plate ask: those with a negative left.
    pub(super) asks: Vec<bool>,
    /// Sum over queries and positives that the observed mean corresponds to.
    pub(super) needed: f64,
    /// How many there are: the sum of perfect precisions.
    pub(super) n_pairs: usize,
}

impl<'a> Relabelings<'a> {
    /// `observed` is the mean average precision of the treatment itself.
    pub(super) fn new(pool: &'a Pool<'a>, design: &'a Design, observed: f64) -> Self {
        let plates = design.n_treated.iter().enumerate();
        let asks: Vec<bool> = plates.map(|(plate, &n_treated)| pool.n_wells(plate) > n_treated).collect();
        let asking = design.n_treated.iter().zip(&asks).filter(|(_, asks)| **asks);
        let n_queries: usize = asking.map(|(n_treated, _)| n_treated).sum();
        let n_pairs = n_queries * (design.n_labels() - 1);
        Self { pool, design, asks, needed: (observed - SAME_PRECISION) * n_pairs as f64, n_pairs }
    }

    /// Whether the treatment would be found as well with these labels; `seen` is room to work in.
    pub(super) fn reaches(&self, labels: &[usize], seen: &mut Vec<Positive>) -> bool {
        self.sum(labels, seen) >= self.needed
    }

    /// Sum of the precisions with these labels.
    pub(super) fn sum(&self, labels: &[usize], seen: &mut Vec<Positive>) -> f64 {
        if self.design.is_apart() {
            return match labels.len() {
                2 => self.sum_apart::<2>(labels),
                3 => self.sum_apart::<3>(labels),
                4 => self.sum_apart::<4>(labels),
                5 => self.sum_apart::<5>(labels),
                6 => self.sum_apart::<6>(labels),
                7 => self.sum_apart::<7>(labels),
                _ => self.sum_apart::<8>(labels),
            };
        }
        let queries = labels.iter().filter(|&&query| self.asks[self.pool.plate(query)]);
        let sum: f64 = queries.map(|&query| self.pool.average_precision(query, labels, seen)).sum();
        sum * (labels.len() - 1) as f64
    }

    /// Sum of the precisions of labels on plates of their own, in the order of the plates: none is a negative's neighbor.
    fn sum_apart<const N: usize>(&self, labels: &[usize]) -> f64 {
        let labels: &[usize; N] = labels.try_into().expect("as many labels as the treatment has wells");
        let mut sum = 0.0;
        for (place, &query) in labels.iter().enumerate().filter(|(place, _)| self.asks[*place]) {
            // Below every threshold, so that the query is no positive of its own.
            let (mut found, mut n_as_near) = ([f32::NEG_INFINITY; N], [0; N]);
            for other in (0..N).filter(|&other| other != place) {
                let near = self.pool.near(query, labels[other]);
                (found[other], n_as_near[other]) = (near.similarity, near.n_as_near);
            }
            for other in (0..N).filter(|&other| other != place) {
                let n_positive: i32 = found.iter().map(|&near| i32::from(near >= found[other])).sum();
                sum += f64::from(n_positive) / f64::from(n_positive + n_as_near[other]);
            }
        }
        sum
    }
}
