//! Images that follow the same objects through time: wells are read out at the last frame.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::{Kind, Run, Trained};
use crate::answer::{Asked, Lapse, measured_ratios, moves_of_objects};
use crate::embed::{EmbeddingMap, Embeddings, embed};
use crate::evaluate::{Activity, ActivitySpace, Answers, ERROR, Held, Judged, Predicted};
use crate::pair::Part;
use crate::plan::{ByModel, FeatureRanking, PlanError, RankedIntervention, Ranking};
use crate::predict::{Method, Starts};
use crate::screen::{Screen, Treatment};
use crate::study::answers::Scope;
use crate::study::by_feature::{AskedFeature, FeatureValue, Said, valued};
use crate::study::compare::judge::{PARTS, named};
use crate::study::drawing;
use crate::study::error::StudyError;
use crate::study::event::Event;
use crate::study::refuse::{NO_PROFILES, Wanted, refuse_latents_of_followed};
use crate::study::reopen::{Also, AskedRanking};

/// What the ratio that a time lapse is read out by is asked for as.
const READOUT: &str = "readout";

pub(super) struct TimeLapse;

impl Kind for TimeLapse {
    fn refuse(&self, wanted: Wanted<'_>) -> Result<(), StudyError> {
        match wanted {
            Wanted::RankingOfOther => Err(StudyError::TimeLapse { what: "`rank` on another screen" }),
            Wanted::ScoresOfOther => Err(StudyError::TimeLapse { what: "`evaluate` of another screen" }),
            Wanted::Ranking(by, _) if *by != Method::Model => {
                let known = "`lewm`, as the screen is a time lapse".to_owned();
                Err(PlanError::By { by: by.to_string(), known }.into())
            }
            Wanted::Profiles => Err(StudyError::Latents(NO_PROFILES)),
            Wanted::Latents { level, tvn } => refuse_latents_of_followed(level, tvn),
            Wanted::Ranking(..) | Wanted::Predictions | Wanted::Comparison => Ok(()),
        }
    }

    fn holds_pixels(&self) -> bool {
        true
    }

    fn follows_objects(&self) -> bool {
        true
    }

    fn trained<'a>(&self, run: Run<'a>) -> Box<dyn Trained + 'a> {
        Box::new(TrainedLapse { run, lapse: OnceCell::new() })
    }
}

struct TrainedLapse<'a> {
    run: Run<'a>,
    /// Made when it is asked for: all frames are encoded.
    lapse: OnceCell<Lapse<'a>>,
}

impl<'a> TrainedLapse<'a> {
    fn lapse(&self) -> Result<&Lapse<'a>, StudyError> {
        if let Some(lapse) = self.lapse.get() {
            return Ok(lapse);
        }
        let Run { prepared, trained_run, device, .. } = self.run;
        let made = Lapse::new(prepared, trained_run, device)?;
        Ok(self.lapse.get_or_init(|| made))
    }
}

impl Trained for TrainedLapse<'_> {
    fn run(&self) -> Run<'_> {
        self.run
    }

    fn ask(&self, _rows: Option<&Embeddings>, _: Scope, tell: &dyn Fn(Event)) -> Result<Option<Asked>, StudyError> {
        tell(Event::Step("reading wells out of predictions".into()));
        let (wells, weights) = self.lapse()?.readouts(self.run.config)?;
        weights.into_iter().for_each(|weights| tell(Event::Note(weights)));
        let answers = Answers { predicted: Predicted::Wells(wells), ..Answers::default() };
        Ok(Some(Asked { answers, methods: None }))
    }

    fn draw(&self, folder: &Path) -> Result<(), StudyError> {
        drawing::draw(self.run.config, self.lapse()?, folder)
    }

    fn activity(&self, _other: Option<&Screen>, map: &EmbeddingMap) -> Result<Activity, StudyError> {
        let Run { prepared, trained_run, device, .. } = self.run;
        let screen = &prepared.screen;
        let moves = moves_of_objects(&map.of(&embed(&trained_run.trained, screen, device))?, screen);
        Ok(Activity::of(&moves, ActivitySpace::Moves)?.with_readouts(&measured_ratios(screen)))
    }

    /// First and last frames: a step leads from the one to the other.
    fn ranked<'s>(&'s self, _other: Option<&'s Screen>) -> Cow<'s, Screen> {
        let prepared = self.run.prepared;
        Cow::Owned(prepared.screen.select(&prepared.ends_of_tracks()))
    }

    /// Ranks whole time lapses by the model: from the mean first frame to where each set leads by the last frame.
    fn rank(
        &self,
        _other: Option<&Screen>,
        verdict: String,
        also: Also<'_>,
    ) -> Result<(Ranking, Vec<Held>), StudyError> {
        let Run { config, prepared, trained_run, device } = self.run;
        let trained = &trained_run.trained;
        let ends = prepared.ends_of_tracks();
        let screen = self.ranked(None);
        let asked = AskedRanking::of(config, trained, &screen, also, device)?;
        let starts = Starts::of(trained, &screen, device);
        let model = ByModel { trained, starts: &starts, device };
        let [calibration, test] =
            [Part::Calibration, Part::Test].map(|part| prepared.treatments_at(&screen, &ends, part));
        let intervals = asked.intervals(&model, [&calibration, &test])?;
        let fitted_on: BTreeSet<Treatment> = trained.treatments.iter().cloned().collect();
        let (mut ranking, held) = asked.ranking(&model, verdict, intervals, fitted_on)?;
        let treatment = |row: &RankedIntervention| Treatment {
            intervention: row.intervention.clone(),
            context: row.context.clone(),
        };
        let treatments: Vec<Treatment> = ranking.rows.iter().map(treatment).collect();
        let (predicted, measured) = self.lapse()?.predicted_ratios(&treatments);
        for ((row, treatment), predicted) in ranking.rows.iter_mut().zip(&treatments).zip(predicted) {
            row.readout = Some(predicted);
            row.measured_readout = measured.get(treatment).copied();
        }
        Ok((ranking, held))
    }

    /// The readout of candidates, which is the only feature.
    fn feature(&self, asked: &AskedFeature<'_>, ranking: &mut FeatureRanking) -> Result<Vec<FeatureValue>, StudyError> {
        let Run { config, prepared, trained_run, .. } = self.run;
        let AskedFeature { feature, other, screen, candidates } = *asked;
        if feature != READOUT {
            return Err(PlanError::feature(feature, &[READOUT.to_owned()]).into());
        }
        TimeLapse.refuse(Wanted::Ranking(&config.rank.by, "`rank`"))?;
        if other.is_some() {
            TimeLapse.refuse(Wanted::RankingOfOther)?;
        }
        ranking.unit = "ratio of the objects' measurement, last frame to first";
        let ends = prepared.ends_of_tracks();
        let parts = [Part::Calibration, Part::Test].map(|part| prepared.treatments_at(screen, &ends, part));
        let mut all: Vec<Treatment> =
            candidates.iter().chain(parts.iter().flat_map(|rows| rows.keys())).cloned().collect();
        all.sort();
        all.dedup();
        let (ratios, measured) = self.lapse()?.predicted_ratios(&all);
        let predicted: BTreeMap<Treatment, f64> = all.into_iter().zip(ratios).collect();
        let said = Said { judged: predicted.clone(), predicted, measured, no_intervals: None };
        let trained = &trained_run.trained.treatments;
        valued(config, trained, parts.each_ref(), &said, &|_, value| value, candidates, ranking)
    }

    /// Squared error of the readout of each well.
    fn judged(&self) -> Result<[Vec<Judged>; 2], StudyError> {
        let (readouts, _) = self.lapse()?.readouts(self.run.config)?;
        Ok(PARTS.map(|part| {
            let own = readouts.iter().filter(|readout| readout.method == Method::Model && readout.part == part);
            let judged = own.map(|readout| Judged {
                item: named(&readout.unit),
                unit: readout.treatment.to_string(),
                metric: ERROR.to_owned(),
                value: (readout.predicted - readout.observed).powi(2),
            });
            judged.collect()
        }))
    }
}
