//! What cannot be asked of a run, by what the rows of its screen are: one table for all commands.

use super::error::StudyError;
use crate::plan::PlanError;
use crate::predict::Method;
use crate::screen::RowKind;

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
    /// Objectives against each other.
    Comparison,
}

/// Refuses what a run on rows of `kind` does not have.
///
/// # Errors
/// A sentence that says what there is instead.
pub fn refuse(kind: RowKind, wanted: Wanted) -> Result<(), StudyError> {
    Err(match (kind, wanted) {
        (RowKind::TrackWindow, Wanted::Ranking(_, what)) => StudyError::Tracks { what },
        (RowKind::TrackWindow, Wanted::RankingOfOther) => StudyError::Tracks { what: "`rank`" },
        (RowKind::TrackWindow, Wanted::ScoresOfOther) => StudyError::Tracks { what: "`evaluate` of another screen" },
        (RowKind::TrackWindow, Wanted::Predictions) => StudyError::Tracks { what: "`predict`" },
        (RowKind::FollowedCrop, Wanted::RankingOfOther) => StudyError::TimeLapse { what: "`rank` on another screen" },
        (RowKind::FollowedCrop, Wanted::ScoresOfOther) => {
            StudyError::TimeLapse { what: "`evaluate` of another screen" }
        }
        (RowKind::FollowedCrop, Wanted::Ranking(by, _)) if *by != Method::Model => {
            PlanError::By { by: by.to_string(), known: "`lewm`, as the screen is a time lapse".to_owned() }.into()
        }
        (RowKind::Crop, Wanted::Ranking(by, _)) if ![Method::Model, Method::Measured].contains(by) => {
            StudyError::RankImages { by: by.clone() }
        }
        (RowKind::Crop, Wanted::Comparison) => StudyError::Images { what: "`compare`" },
        (RowKind::Crop, Wanted::ScoresOfOther) => StudyError::Images { what: "scoring a finished run on other files" },
        _ => return Ok(()),
    })
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
        assert_eq!(has(RowKind::Profile, simple), [true; 4]);
        assert_eq!(has(RowKind::Crop, model), [true, true, false, true]);
        assert_eq!(has(RowKind::Crop, measured), [true, true, false, true]);
        assert_eq!(has(RowKind::Crop, simple), [false, true, false, true]);
        assert_eq!(has(RowKind::FollowedCrop, model), [true, false, false, true]);
        assert_eq!(has(RowKind::FollowedCrop, simple), [false, false, false, true]);
        assert_eq!(has(RowKind::TrackWindow, model), [false; 4]);
        // Of images that are seen once, predictions are made in the latents of each model alone.
        let compares = |kind| refuse(kind, Wanted::Comparison).is_ok();
        assert!(compares(RowKind::Profile) && compares(RowKind::FollowedCrop) && compares(RowKind::TrackWindow));
        assert!(!compares(RowKind::Crop));
    }
}
