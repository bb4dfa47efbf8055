//! What cannot be asked of a run, by the kind of its screen: the same for all commands.

use super::error::StudyError;
use crate::embed::Level;
use crate::predict::Method;
use crate::screen::ScreenKind;

/// What somebody wants of a run.
#[derive(Debug, Clone, Copy)]
pub enum Wanted<'a> {
    /// A ranking by a method, as asked for by the words.
    Ranking(&'a Method, &'static str),
    /// A ranking on another screen.
    RankingOfOther,
    /// Scores on another screen.
    ScoresOfOther,
    /// A table of predicted treatments.
    Predictions,
    /// The screen as it was loaded, in features.
    Profiles,
    /// Latents at a level, aligned by controls or not.
    Latents {
        /// What a row is.
        level: Level,
        /// Whether they are whitened by controls and lab batches aligned.
        tvn: bool,
    },
    /// Objectives against each other.
    Comparison,
}

/// Refuses what a run on a screen of `kind` does not have.
///
/// # Errors
/// A sentence that says what there is instead.
pub fn refuse(kind: ScreenKind, wanted: Wanted<'_>) -> Result<(), StudyError> {
    super::kind::of(kind).refuse(wanted)
}

/// What there is in place of profiles where rows are crops.
pub(super) const NO_PROFILES: &str =
    "a screen of images has crops and no profiles; `cytonaut embed` writes what is computed of them";

/// Refuses latents of wells that have a state for each time.
pub(super) fn refuse_latents_of_followed(level: Level, tvn: bool) -> Result<(), StudyError> {
    match level {
        Level::Well | Level::Site => Err(StudyError::Latents(
            "a well or field of a time lapse has a state for each time; ask for `--level cell` or `--level intervention`",
        )),
        _ if tvn => Err(StudyError::Latents(
            "--tvn whitens by the negative control wells, which a time lapse does not have; leave it out",
        )),
        _ => Ok(()),
    }
}

/// Refuses to align what is less than a well.
pub(super) fn refuse_aligned_cells(level: Level, tvn: bool) -> Result<(), StudyError> {
    match level {
        Level::Cell | Level::Site if tvn => {
            Err(StudyError::Latents("--tvn aligns wells; ask for `--level well` or `--level intervention`"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_can_be_asked_everything_and_pixels_are_ranked_by_the_model_alone() {
        let all =
            |by| [Wanted::Ranking(by, "`rank`"), Wanted::RankingOfOther, Wanted::ScoresOfOther, Wanted::Predictions];
        let has = |kind, by| all(by).map(|wanted| refuse(kind, wanted).is_ok());
        let (model, simple, measured) = (&Method::Model, &Method::Interpolation, &Method::Measured);
        assert_eq!(has(ScreenKind::Profiles, simple), [true; 4]);
        assert_eq!(has(ScreenKind::Images, model), [true, true, false, true]);
        assert_eq!(has(ScreenKind::Images, measured), [true, true, false, true]);
        assert_eq!(has(ScreenKind::Images, simple), [false, true, false, true]);
        assert_eq!(has(ScreenKind::TimeLapse, model), [true, false, false, true]);
        assert_eq!(has(ScreenKind::TimeLapse, simple), [false, false, false, true]);
        assert_eq!(has(ScreenKind::Tracks, model), [false; 4]);
        // Of images that are seen once, predictions are made in the latents of each model alone.
        let compares = |kind| refuse(kind, Wanted::Comparison).is_ok();
        assert!(compares(ScreenKind::Profiles) && compares(ScreenKind::TimeLapse) && compares(ScreenKind::Tracks));
        assert!(!compares(ScreenKind::Images));
    }
}
