//! Images of cells that were fixed: wells are bags of crops, and are compared in the latents of the model.

use std::borrow::Cow;

use super::{Kind, Run, Trained};
use crate::answer::{Asked, well_answers};
use crate::config::Config;
use crate::embed::{Embeddings, embed};
use crate::evaluate::{Activity, EvaluateError, Judged};
use crate::plan::FeatureRanking;
use crate::predict::Method;
use crate::screen::Screen;
use crate::study::answers::Scope;
use crate::study::by_feature::{AskedFeature, FeatureValue};
use crate::study::error::StudyError;
use crate::study::event::Event;
use crate::study::refuse::{Wanted, refuse_aligned_cells};

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

    fn activity(&self, _screen: &Screen) -> Result<Activity, StudyError> {
        Err(StudyError::NoTarget)
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

    fn feature(&self, asked: &AskedFeature<'_>, _: &mut FeatureRanking) -> Result<Vec<FeatureValue>, StudyError> {
        Err(StudyError::NoFeatures { feature: asked.feature.to_owned() })
    }

    fn judged(&self) -> Result<[Vec<Judged>; 2], StudyError> {
        Err(not_of_images("`compare`"))
    }
}
