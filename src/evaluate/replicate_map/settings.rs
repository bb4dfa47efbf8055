//! How replicates are told from others.

use serde::{Deserialize, Serialize};

use crate::screen::Screen;

/// What replicates must be told from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Negatives {
    /// Negative-control wells of the query's plate: is there an effect?
    #[default]
    PlateControls,
    /// Wells of the query's plate under other treatments: is the effect the treatment's own?
    PlateTreatments,
}

/// Settings of [`replicate_map`](super::replicate_map()).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MapSettings {
    /// What replicates must be told from.
    pub negatives: Negatives,
    /// Up to this many relabelings all are counted; of more, those that reach the observed value are counted where the
    /// search for them takes at most this many steps. The p-value is then exact.
    pub most_enumerated: usize,
    /// Relabelings drawn otherwise, at most; the same ones for all treatments of one design.
    pub draws: usize,
    /// Drawing stops after this many relabelings that reach the observed value.
    pub hits: usize,
    /// Seed of the draws.
    pub seed: u64,
}

impl MapSettings {
    /// For many treatments of a screen: told from control wells where it has any, and searched no longer than it takes to
    /// tell a q-value of 0.05.
    pub fn of_many(screen: &Screen) -> Self {
        let negatives = match screen.controls_by_plate().is_empty() {
            true => Negatives::PlateTreatments,
            false => Negatives::PlateControls,
        };
        Self { negatives, most_enumerated: 20_000, ..Self::default() }
    }

    /// The same where nobody asks for p-values, which take nearly all of the time; those of the result mean nothing.
    pub fn without_p_values(self) -> Self {
        Self { most_enumerated: 0, draws: 1, ..self }
    }
}

impl Default for MapSettings {
    fn default() -> Self {
        Self { negatives: Negatives::PlateControls, most_enumerated: 1_000_000, draws: 10_000, hits: 100, seed: 0 }
    }
}
