//! What the values of a matrix of expression are: counts, logarithms of normalized counts, or something else.

use serde::{Deserialize, Serialize};

/// The scale of values, and with it how the cells of a sample become one profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// Counts of molecules or reads: added up, brought to 10,000 in all, and their logarithm taken, ln(1 + x).
    Counts,
    /// Logarithms already, ln(1 + x) of normalized counts: their mean.
    Log1p,
    /// Anything else, as scores or ratios: their mean, and nothing is done to them.
    AsIs,
}

/// Counts that a profile has in all, after normalization.
pub(super) const DEPTH: f64 = 10_000.0;

/// No logarithm of normalized counts is larger; e^15 is three million.
const LARGEST_LOGARITHM: f32 = 15.0;

impl Scale {
    /// The word in a card.
    pub fn word(self) -> &'static str {
        match self {
            Self::Counts => "counts",
            Self::Log1p => "log1p",
            Self::AsIs => "as_is",
        }
    }

    /// The scale that some values other than zero show, with the reason; `None` where they could be several.
    pub(in crate::load) fn of(values: &[f32], is_marked_as_log: bool) -> Option<(Self, &'static str)> {
        let finite = || values.iter().copied().filter(|value| value.is_finite());
        let is_whole = |value: f32| (value - value.round()).abs() < 1e-6;
        match () {
            () if values.is_empty() => Some((Self::AsIs, "there is no value but zero")),
            () if finite().any(|value| value < 0.0) => Some((Self::AsIs, "some are below zero")),
            () if finite().all(is_whole) => Some((Self::Counts, "they are whole numbers")),
            () if finite().any(|value| value > LARGEST_LOGARITHM) => None,
            () if is_marked_as_log => Some((Self::Log1p, "the file says so in `uns/log1p`")),
            () => Some((Self::Log1p, "they are fractions from 0 to 15")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_show_their_scale() {
        let of = |values: &[f32], is_marked| Scale::of(values, is_marked).map(|(scale, _)| scale);
        assert_eq!(of(&[1.0, 3.0, 250.0], false), Some(Scale::Counts));
        assert_eq!(of(&[1.0, 3.0], true), Some(Scale::Counts));
        assert_eq!(of(&[0.69, 1.1, 6.9], false), Some(Scale::Log1p));
        assert_eq!(of(&[-0.4, 1.1], true), Some(Scale::AsIs));
        assert_eq!(of(&[0.4, 17.5], true), None);
        assert_eq!(of(&[], false), Some(Scale::AsIs));
    }
}
