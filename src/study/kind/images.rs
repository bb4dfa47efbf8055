//! Images of cells that were fixed: wells are bags of crops, and are compared in the latents of the model.

use std::borrow::Cow;

use super::{Kind, Run, Trained};
use crate::answer::{Asked, moves_of_wells, well_answers};
use crate::config::Config;
use crate::embed::{EmbeddingMap, Embeddings, embed};
use crate::evaluate::{Activity, ActivitySpace, EvaluateError, Judged};
use crate::plan::FeatureRanking;
use crate::predict::Method;
use crate::screen::Screen;
use crate::study::answers::Scope;
use crate::study::by_feature::{AskedFeature, FeatureValue};
use crate::study::by_number::{by_number, numbers_of};
use crate::study::error::StudyError;
use crate::study::event::Event;
use crate::study::refuse::{NO_PROFILES, Wanted, refuse_aligned_cells};
use crate::table::first_few;

pub(super) struct Images;

impl Kind for Images {
    fn refuse(&self, wanted: Wanted<'_>) -> Result<(), StudyError> {
        match wanted {
            // Simple methods predict features, and pixels are none.
            Wanted::Ranking(by, _) if ![Method::Model, Method::Measured].contains(by) => {
                Err(StudyError::RankImages { by: by.clone() })
            }
            // Predictions are made in the latents of each model alone, which no other model shares.
            Wanted::Comparison => Err(not_of_images("`compare`")),
            Wanted::ScoresOfOther => Err(not_of_images("scoring a finished run on other files")),
            Wanted::Profiles => Err(StudyError::Latents(NO_PROFILES)),
            Wanted::Latents { level, tvn } => refuse_aligned_cells(level, tvn),
            Wanted::Ranking(..) | Wanted::RankingOfOther | Wanted::Predictions => Ok(()),
        }
    }

    fn check(&self, config: &Config, screen: &Screen) -> Result<(), StudyError> {
        let label = &config.evaluate.label;
        if !label.is_empty() && screen.label(label).is_none() {
            let (screen, label) = (screen.name.clone(), label.clone());
            return Err(EvaluateError::MissingLabel { screen, label }.into());
        }
        Ok(())
    }

    fn wells(&self, rows: &Embeddings) -> Option<Embeddings> {
        Some(rows.by_well())
    }

    fn holds_pixels(&self) -> bool {
        true
    }

    fn trained<'a>(&self, run: Run<'a>) -> Box<dyn Trained + 'a> {
        Box::new(TrainedImages(run))
    }
}

fn not_of_images(what: &'static str) -> StudyError {
    StudyError::Images { what }
}

struct TrainedImages<'a>(Run<'a>);

impl Trained for TrainedImages<'_> {
    fn run(&self) -> Run<'_> {
        self.0
    }

    fn ask(&self, rows: Option<&Embeddings>, _: Scope, tell: &dyn Fn(Event)) -> Result<Option<Asked>, StudyError> {
        let Run { config, prepared, trained_run, device } = self.0;
        tell(Event::Step("scoring held-out wells".into()));
        let crops = match rows {
            Some(crops) => Cow::Borrowed(crops),
            None => Cow::Owned(embed(&trained_run.trained, &prepared.screen, device)),
        };
        Ok(well_answers(config, prepared, trained_run, &crops, device)?)
    }

    fn activity(&self, other: Option<&Screen>, map: &EmbeddingMap) -> Result<Activity, StudyError> {
        let Run { prepared, trained_run, device, .. } = self.0;
        let screen = other.unwrap_or(&prepared.screen);
        let wells = map.of(&embed(&trained_run.trained, screen, device))?.by_well();
        Ok(Activity::of(&moves_of_wells(&wells, screen), ActivitySpace::Embedding)?)
    }

    /// A number that was measured beside the pixels.
    fn feature(&self, asked: &AskedFeature<'_>, ranking: &mut FeatureRanking) -> Result<Vec<FeatureValue>, StudyError> {
        by_number(self.0, asked, ranking)?.ok_or_else(|| {
            let (feature, known) = (asked.feature.to_owned(), first_few(&numbers_of(asked.screen), 5));
            StudyError::NoFeatures { feature, known }
        })
    }

    fn judged(&self) -> Result<[Vec<Judged>; 2], StudyError> {
        Err(not_of_images("`compare`"))
    }
}
