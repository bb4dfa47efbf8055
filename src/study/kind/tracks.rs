//! Tables of tracks, along which interventions change in time.

use super::{Kind, Run, Trained};
use crate::answer::{Asked, courses_of_fields, track_predictions};
use crate::embed::{EmbeddingMap, Embeddings};
use crate::evaluate::{Activity, ActivitySpace, Answers, ERROR, Held, Judged, Predicted};
use crate::plan::{FeatureRanking, Ranking};
use crate::predict::Method;
use crate::screen::Screen;
use crate::study::answers::Scope;
use crate::study::by_feature::{AskedFeature, FeatureValue};
use crate::study::compare::judge::{PARTS, named};
use crate::study::error::StudyError;
use crate::study::event::Event;
use crate::study::refuse::{Wanted, refuse_latents_of_followed};
use crate::study::reopen::Also;

pub(super) struct Tracks;

impl Kind for Tracks {
    fn refuse(&self, wanted: Wanted<'_>) -> Result<(), StudyError> {
        match wanted {
            Wanted::Ranking(..) | Wanted::RankingOfOther => Err(unranked()),
            Wanted::ScoresOfOther => Err(StudyError::Tracks { what: "`evaluate` of another screen" }),
            Wanted::Predictions => Err(StudyError::Tracks { what: "`predict`" }),
            Wanted::Latents { level, tvn } => refuse_latents_of_followed(level, tvn),
            Wanted::Comparison | Wanted::Profiles => Ok(()),
        }
    }

    fn follows_objects(&self) -> bool {
        true
    }

    fn trained<'a>(&self, run: Run<'a>) -> Box<dyn Trained + 'a> {
        Box::new(TrainedTracks(run))
    }
}

fn unranked() -> StudyError {
    StudyError::Tracks { what: "a ranking toward a target, by a feature or of other files" }
}

struct TrainedTracks<'a>(Run<'a>);

impl Trained for TrainedTracks<'_> {
    fn run(&self) -> Run<'_> {
        self.0
    }

    fn ask(&self, _rows: Option<&Embeddings>, _: Scope, tell: &dyn Fn(Event)) -> Result<Option<Asked>, StudyError> {
        let Run { config, prepared, trained_run, device } = self.0;
        tell(Event::Step("predicting held-out tracks".into()));
        let found = track_predictions(config, prepared, trained_run, device)?;
        found.notes.into_iter().for_each(|note| tell(Event::Note(note)));
        let answers = Answers { predicted: Predicted::Tracks(found.tracks), ..Answers::default() };
        Ok(Some(Asked { answers, methods: None }))
    }

    fn activity(&self, _other: Option<&Screen>, _map: &EmbeddingMap) -> Result<Activity, StudyError> {
        Ok(Activity::of(&courses_of_fields(&self.0.prepared.screen), ActivitySpace::Courses)?)
    }

    fn rank(&self, _: Option<&Screen>, _: String, _: Also<'_>) -> Result<(Ranking, Vec<Held>), StudyError> {
        Err(unranked())
    }

    fn feature(&self, _: &AskedFeature<'_>, _: &mut FeatureRanking) -> Result<Vec<FeatureValue>, StudyError> {
        Err(unranked())
    }

    /// Mean squared error of each track over its times.
    fn judged(&self) -> Result<[Vec<Judged>; 2], StudyError> {
        let Run { config, prepared, trained_run, device } = self.0;
        let mut scores = [Vec::new(), Vec::new()];
        for (part, scores) in PARTS.into_iter().zip(&mut scores) {
            let mut of_part = config.clone();
            of_part.evaluate.part = part;
            let found = track_predictions(&of_part, prepared, trained_run, device)?;
            for track in found.tracks.iter().filter(|track| track.method == Method::Model) {
                let pairs = track.predicted.iter().zip(&track.observed.values);
                let errors: Vec<f64> =
                    pairs.filter_map(|(said, measured)| Some(((*said)? - (*measured)?).powi(2))).collect();
                if !errors.is_empty() {
                    scores.push(Judged {
                        item: named(&track.unit),
                        unit: track.unit.place().to_owned(),
                        metric: ERROR.to_owned(),
                        value: errors.iter().sum::<f64>() / errors.len() as f64,
                    });
                }
            }
        }
        Ok(scores)
    }
}
