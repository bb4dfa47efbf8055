//! Settings for a table of tracks.

use super::{Choice, split};
use crate::load::TrackConfig;
use crate::screen::{Schedule, Screen, Treatment};

/// Share of a held-out track that is seen, if nothing was applied later.
const SEEN: f64 = 1.0 / 3.0;

/// The choices for the tracks of `screen`.
pub(super) fn choices(screen: &Screen) -> Vec<Choice> {
    let schedules = screen.design.schedules();
    let minutes = |schedule: &Schedule| schedule.minutes.last().copied().unwrap_or(0.0) - schedule.minutes[0];
    let longest = schedules.iter().map(minutes).fold(0.0, f64::max);
    let first = schedules.iter().map(|schedule| schedule.minutes[0]).fold(f64::INFINITY, f64::min);
    let window = TrackConfig::default().window;
    let seen = (first + SEEN * longest).round();
    let mut choices = vec![
        Choice::new("tracks.window", window, format!("{window} times are an observation")),
        Choice::new("tracks.seen_minutes", format!("{seen:?}"), "the first third of a held-out track is seen"),
        Choice::new("normalize.compress.method", "\"none\"", "single measurements have no long tails to tame"),
        Choice::new(
            "model.latent",
            16,
            format!("an observation has {} numbers", window * screen.features.n_features()),
        ),
        Choice::new("model.encoder.width", 64, "as the latent is narrow"),
    ];
    let treatments: Vec<Treatment> = screen.treatments().into_keys().collect();
    choices.extend(split::of_tracks(&treatments));
    choices
}
