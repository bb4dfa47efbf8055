//! How the response to a perturbation goes along with its dose.

use std::collections::BTreeMap;

use crate::screen::{Application, Perturbation};

/// A Wiener process over log10 dose that begins, at no response, some decades below the lowest dose of a perturbation.
///
/// The steps of a response between doses are independent of each other, so that its mean between two noiseless doses is
/// the straight line, and beyond the highest one it stays where it is.
#[derive(Debug, Clone)]
pub(super) struct Process {
    /// Decades below the lowest dose at which a response begins.
    pub(super) decades: f64,
    /// log10 of the lowest dose of each perturbation.
    pub(super) lowest: BTreeMap<Perturbation, f64>,
}

impl Process {
    /// The process over the doses of `members`.
    pub(super) fn of<'a>(decades: f64, members: impl Iterator<Item = &'a Application>) -> Self {
        let mut lowest = BTreeMap::<Perturbation, f64>::new();
        for member in members {
            if let Some(dose) = member.dose {
                let least = lowest.entry(member.perturbation.clone()).or_insert(f64::INFINITY);
                *least = least.min(dose.log10());
            }
        }
        Self { decades, lowest }
    }

    /// Decades above the beginning, at least 0; `None` where there is no dose, or nothing to measure it by.
    pub(super) fn above_beginning(&self, member: &Application) -> Option<f64> {
        let lowest = self.lowest.get(&member.perturbation)?;
        Some((member.dose?.log10() - lowest + self.decades).max(0.0))
    }

    /// The covariance of the responses to one perturbation at two doses, in decades above the beginning; 1 where there are
    /// none.
    pub(super) fn covariance(&self, one: Option<f64>, other: Option<f64>) -> f64 {
        match (one, other) {
            (Some(one), Some(other)) => one.min(other) / (1.0 + self.decades),
            _ => 1.0,
        }
    }

    /// The share of its kind's response that a dose has: all from the lowest dose on, and none at the beginning.
    pub(super) fn share(&self, member: &Application) -> f64 {
        self.above_beginning(member).map_or(1.0, |above| (above / self.decades).min(1.0))
    }
}
