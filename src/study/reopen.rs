//! What a finished run is asked for: rankings, scores and predictions, of its own screen and of tables it has never seen.

use std::collections::{BTreeMap, BTreeSet};

use burn::tensor::Device;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::lapse::Lapse;
use super::methods::SimpleMethods;
use super::trajectory::track_predictions;
use super::wells::well_scores;
use super::{Evaluation, Prepared, StudyError, TrainedRun, methods, score, table, trajectory_score};
use crate::config::Config;
use crate::embed::{Level, embed};
use crate::evaluate::{Verdict, conformal_radius, coverage_over_splits};
use crate::pair::{Part, SplitBy};
use crate::plan::{ByBlend, ByModel, ByProfiles, Goal, PlanError, RankedIntervention, Ranker, Ranking, Trust, rank};
use crate::predict::{Abstains, Method, MethodKind, Starts};
use crate::screen::{Application, Intervention, Kind, Micromolar, Perturbation, Screen, Treatment};
use crate::table::Table;

/// The sentence that heads a ranking: the verdict on what ranks.
pub fn verdict_sentence(config: &Config, evaluation: Option<&Evaluation>) -> String {
    let verdict = evaluation.and_then(|evaluation| match config.rank.by {
        Method::Model => evaluation.verdict_model.as_ref(),
        Method::Blend => evaluation.verdict.as_ref(),
        _ => None,
    });
    if config.rank.by.kind() != MethodKind::Learned {
        return format!("ranked by the baseline {} alone; `evaluate` shows what the model adds", config.rank.by);
    }
    match verdict {
        Some(verdict) => verdict.to_string(),
        None => {
            "not judged: no treatment is held out for testing, so nothing is known of how far to trust this ranking"
                .into()
        }
    }
}

/// Ranks by what the configuration says, on the run's own screen or on `other`.
///
/// # Errors
/// When the target cannot be used or the screen does not have the method of `rank.by`.
pub(super) fn rank_by(
    config: &Config,
    prepared: &Prepared,
    other: Option<&Screen>,
    trained_run: &TrainedRun,
    verdict: String,
    device: &Device,
) -> Result<Ranking, StudyError> {
    let trained = &trained_run.trained;
    let screen = other.unwrap_or(&prepared.screen);
    let goal = Goal::new(trained, screen, &config.rank, device)?;
    let candidates = config.rank.candidates.of_screen(screen, &trained.vocabulary, &goal.context)?;
    let calibration = prepared.treatments(Part::Calibration);
    let test = prepared.treatments(Part::Test);
    let mut asked: BTreeMap<_, Vec<usize>> =
        candidates.iter().map(|treatment| (treatment.clone(), Vec::new())).collect();
    asked.extend(calibration.iter().chain(&test).map(|(treatment, rows)| (treatment.clone(), rows.clone())));
    let starts = Starts::of(trained, screen, device);
    let model = ByModel { trained, starts: &starts, device };
    let methods = SimpleMethods::of(config, prepared);
    let by_profiles = |predictor| ByProfiles { trained, predictor, device };
    let fitted;
    let ranker: Box<dyn Ranker> = match &config.rank.by {
        Method::Model => Box::new(model),
        Method::Blend => {
            let own_starts = Starts::of(trained, &prepared.screen, device);
            let rule = methods.blend_rule(trained_run.model(&own_starts, device))?;
            fitted = methods.fit(&rule.partner, &asked)?;
            match &fitted {
                Some(fitted) => Box::new(ByBlend { model, simple: by_profiles(fitted), weight: rule.weight }),
                None => Box::new(model),
            }
        }
        by => {
            fitted = methods.fit(by, &asked)?;
            Box::new(by_profiles(fitted.as_ref().ok_or_else(|| methods.unknown_ranker())?))
        }
    };
    let (radius, calibration) = if other.is_some() {
        (None, "no intervals: the calibration treatments are those of the run's own screen".to_owned())
    } else {
        let residuals =
            |rows: &BTreeMap<Treatment, Vec<usize>>| goal.residuals(trained, screen, &*ranker, rows, device);
        intervals(config, &residuals(&calibration)?, &residuals(&test)?)?
    };
    let trust = Trust { by: config.rank.by.clone(), verdict, radius, calibration };
    Ok(rank(trained, screen, &goal, &candidates, ranker.as_ref(), &trust, device)?)
}

/// Refuses to rank a time lapse by anything but the model.
///
/// # Errors
/// [`PlanError::By`].
pub(super) fn refuse_ranker_of_lapse(by: &Method) -> Result<(), PlanError> {
    if *by == Method::Model {
        return Ok(());
    }
    Err(PlanError::By { by: by.to_string(), known: "`lewm`, as the screen is a time lapse".to_owned() })
}

/// Ranks whole time lapses by the model: from the mean first frame to where each set leads by the last frame.
///
/// # Errors
/// When the target cannot be used, or something else than the model is to rank.
pub(super) fn rank_lapse(
    config: &Config,
    lapse: &Lapse,
    verdict: String,
    device: &Device,
) -> Result<Ranking, StudyError> {
    refuse_ranker_of_lapse(&config.rank.by)?;
    let (prepared, trained) = (lapse.prepared(), &lapse.trained_run().trained);
    let ends: Vec<usize> =
        prepared.screen.design.tracks().iter().flat_map(|track| [track.first(), track.last()]).collect();
    let screen = prepared.screen.select(&ends);
    let goal = Goal::new(trained, &screen, &config.rank, device)?;
    let candidates = config.rank.candidates.of_screen(&screen, &trained.vocabulary, &goal.context)?;
    let starts = Starts::of(trained, &screen, device);
    let model = ByModel { trained, starts: &starts, device };
    let residuals = |part: Part| {
        let mut rows = screen.treatments();
        rows.retain(|_, rows| rows.iter().all(|&row| prepared.split.part(ends[row]) == part));
        goal.residuals(trained, &screen, &model, &rows, device)
    };
    let (radius, calibration) = intervals(config, &residuals(Part::Calibration)?, &residuals(Part::Test)?)?;
    let trust = Trust { by: config.rank.by.clone(), verdict, radius, calibration };
    let mut ranking = rank(trained, &screen, &goal, &candidates, &model, &trust, device)?;
    let treatment =
        |row: &RankedIntervention| Treatment { intervention: row.intervention.clone(), context: row.context.clone() };
    let treatments: Vec<Treatment> = ranking.rows.iter().map(treatment).collect();
    let (predicted, measured) = lapse.predicted_ratios(&treatments);
    for ((row, treatment), predicted) in ranking.rows.iter_mut().zip(&treatments).zip(predicted) {
        row.readout = Some(predicted);
        row.measured_readout = measured.get(treatment).copied();
    }
    Ok(ranking)
}

/// Random splits over which the coverage of intervals is judged.
const COVERAGE_SPLITS: usize = 200;

/// Half the width of a ranking's intervals, and a sentence on how far they can be trusted.
///
/// The width is a conformal quantile of the misses on the calibration treatments. How often such intervals cover is judged
/// over random halves of calibration and test treatments together: neither had a part in fitting.
fn intervals(config: &Config, calibration: &[f64], test: &[f64]) -> Result<(Option<f64>, String), StudyError> {
    let alpha = config.evaluate.alpha;
    let level = 100.0 * (1.0 - alpha);
    let found = conformal_radius(calibration, alpha)?;
    if !found.radius.is_finite() {
        let (n, needed) = (calibration.len(), found.n_needed);
        return Ok((
            None,
            format!("no intervals: {level:.0} % ones need {needed} calibration treatments, there are {n}"),
        ));
    }
    let mut sentence = format!("{level:.0} % intervals: set by {} calibration treatments", calibration.len());
    let unseen = [calibration, test].concat();
    if config.split.by == SplitBy::Context {
        sentence += "; no coverage is claimed, because contexts are not exchangeable";
    } else {
        let mut rng = ChaCha8Rng::seed_from_u64(config.evaluate.bootstrap.seed);
        let coverage = coverage_over_splits(&unseen, alpha, COVERAGE_SPLITS, &mut rng)?;
        if coverage.share_infinite == 0.0 {
            let percent = |share: f64| 100.0 * share;
            sentence += &format!(
                "; over {} random halves of {} unseen treatments such intervals covered {:.0} % (of most halves {:.0} to {:.0} %)",
                coverage.n_splits,
                unseen.len(),
                percent(coverage.mean),
                percent(coverage.lower),
                percent(coverage.upper)
            );
        }
    }
    Ok((Some(found.radius), sentence))
}

/// Ranks once more with a finished run, headed by the verdict of its own evaluation.
///
/// # Errors
/// As ranking within a run.
pub fn rank_finished(
    config: &Config,
    prepared: &Prepared,
    other: Option<&Screen>,
    trained_run: &TrainedRun,
    device: &Device,
) -> Result<Ranking, StudyError> {
    if !prepared.screen.design.schedules().is_empty() {
        return Err(StudyError::Tracks { what: "`rank`" });
    }
    if !prepared.screen.design.tracks().is_empty() {
        if other.is_some() {
            return Err(StudyError::TimeLapse { what: "`rank` on another screen" });
        }
        let lapse = Lapse::new(prepared, trained_run, device)?;
        let evaluation = score::pooled(config, Vec::new(), lapse.readouts(config)?)?;
        return rank_lapse(config, &lapse, verdict_sentence(config, Some(&evaluation)), device);
    }
    // The verdict alone: how good the embedding is does not head a ranking, and replicate retrieval takes long.
    let test = prepared.treatments(config.evaluate.part);
    let evaluation = match prepared.is_of_crops() {
        true if config.rank.by != Method::Model => return Err(StudyError::RankImages { by: config.rank.by.clone() }),
        true => scored_wells(config, prepared, trained_run, device)?,
        false if test.is_empty() => None,
        false => Some(scored(config, prepared, trained_run, &test, device)?),
    };
    let verdict = verdict_sentence(config, evaluation.as_ref());
    rank_by(config, prepared, other, trained_run, verdict, device)
}

/// Scores a finished run on its test part, or on the treatments of `other` that played no part in training, validation or calibration.
///
/// # Errors
/// When there is nothing to score.
pub fn evaluate_finished(
    config: &Config,
    prepared: &Prepared,
    other: Option<&Screen>,
    trained_run: &TrainedRun,
    device: &Device,
) -> Result<Evaluation, StudyError> {
    if !prepared.screen.design.schedules().is_empty() {
        if other.is_some() {
            return Err(StudyError::Tracks { what: "`evaluate` of another screen" });
        }
        return trajectory_score::scored(config, track_predictions(config, prepared, trained_run, device)?.tracks);
    }
    if !prepared.screen.design.tracks().is_empty() {
        if other.is_some() {
            return Err(StudyError::TimeLapse { what: "`evaluate` of another screen" });
        }
        return score::pooled(config, Vec::new(), Lapse::new(prepared, trained_run, device)?.readouts(config)?);
    }
    if prepared.is_of_crops() {
        if other.is_some() {
            return Err(StudyError::Images { what: "scoring a finished run on other files" });
        }
        let nothing = || score::pooled(config, Vec::new(), Vec::new());
        return scored_wells(config, prepared, trained_run, device)?.map_or_else(nothing, Ok);
    }
    let Some(screen) = other else {
        let test = prepared.treatments(config.evaluate.part);
        let mut evaluation = scored(config, prepared, trained_run, &test, device)?;
        evaluation.scores.rows.extend(super::embedding::embedding_scores(config, prepared, trained_run, device)?);
        return Ok(evaluation);
    };
    let joint = prepared.joined_with(screen);
    let offset = prepared.screen.n_observations();
    let mut unseen = screen.treatments();
    let stopped_or_calibrated: BTreeSet<Treatment> = [Part::Validation, Part::Calibration]
        .into_iter()
        .flat_map(|part| prepared.treatments(part).into_keys())
        .collect();
    unseen.retain(|treatment, _| {
        !trained_run.trained.treatments.contains(treatment) && !stopped_or_calibrated.contains(treatment)
    });
    let unseen: BTreeMap<Treatment, Vec<usize>> = unseen
        .into_iter()
        .map(|(treatment, rows)| (treatment, rows.into_iter().map(|row| row + offset).collect()))
        .collect();
    scored(config, &joint, trained_run, &unseen, device)
}

/// Scores of the held-out wells of an image screen; `None` where there are none.
fn scored_wells(
    config: &Config,
    prepared: &Prepared,
    trained_run: &TrainedRun,
    device: &Device,
) -> Result<Option<Evaluation>, StudyError> {
    let crops = embed(&trained_run.trained, &prepared.screen, Level::Cell, device);
    Ok(well_scores(config, prepared, trained_run, &crops, device)?.map(|found| found.evaluation))
}

/// Every method's predictions of the treatments of `rows`, scored and pooled.
fn scored(
    config: &Config,
    prepared: &Prepared,
    trained_run: &TrainedRun,
    rows: &BTreeMap<Treatment, Vec<usize>>,
    device: &Device,
) -> Result<Evaluation, StudyError> {
    let starts = Starts::of(&trained_run.trained, &prepared.screen, device);
    let found = methods(config, prepared, trained_run.model(&starts, device), rows)?;
    score::pooled(config, score::evaluate(config, prepared, &found, rows)?, Vec::new())
}

/// The used prediction against one baseline; `None` when the baseline covers too few treatments.
///
/// # Errors
/// When a score is not finite.
pub fn against(config: &Config, evaluation: &Evaluation, baseline: &Method) -> Result<Option<Verdict>, StudyError> {
    score::against_one(config, evaluation, baseline)
}

/// Treatments written as `NAME`, `NAME@DOSE` (µM) or several joined by ` + `; all of the screen's when none is given.
///
/// # Errors
/// In words, when a dose is no positive number or the context is unknown.
pub fn treatments_of(
    trained_run: &TrainedRun,
    screen: &Screen,
    texts: &[String],
    context: Option<&str>,
) -> Result<Vec<Treatment>, String> {
    let measured = screen.treatments();
    let contexts: Vec<&str> = trained_run.trained.vocabulary.contexts().iter().map(String::as_str).collect();
    let context = match context {
        Some(context) if !contexts.contains(&context) => {
            return Err(format!("no context `{context}`; the run knows {}", contexts.join(", ")));
        }
        Some(context) => context,
        None => contexts.first().copied().unwrap_or_default(),
    };
    if texts.is_empty() {
        return Ok(measured.into_keys().collect());
    }
    let known: BTreeMap<&str, Kind> =
        trained_run.trained.vocabulary.perturbations().iter().map(|p| (p.name.as_str(), p.kind)).collect();
    let hours = measured.keys().find(|treatment| treatment.context == context).and_then(|t| t.intervention.hours());
    texts
        .iter()
        .map(|text| {
            let members = text.split(" + ").map(|part| member(part.trim(), &known)).collect::<Result<Vec<_>, _>>()?;
            let intervention = Intervention::of(members);
            let intervention = match hours {
                Some(hours) => intervention.lasting(hours),
                None => intervention,
            };
            Ok(Treatment { intervention, context: context.to_owned() })
        })
        .collect()
}

fn member(text: &str, known: &BTreeMap<&str, Kind>) -> Result<Application, String> {
    let (name, dose) = match text.rsplit_once('@') {
        Some((name, dose)) => {
            let value = dose.trim().parse().ok().and_then(Micromolar::new);
            (
                name.trim(),
                Some(value.ok_or(format!("`{text}`: `{dose}` is no dose (expected a positive number of µM)"))?),
            )
        }
        None => (text, None),
    };
    let kind = known.get(name).copied().unwrap_or_default();
    Ok(Application { perturbation: Perturbation { name: name.to_owned(), kind }, dose })
}

/// Predictions as a table: the intervention, each member's latents, and decoded features where features are no pixels; and
/// what it abstains from, with the reason.
///
/// # Errors
/// When a treatment has nothing to start from.
pub fn predict_table(
    trained_run: &TrainedRun,
    screen: &Screen,
    treatments: &[Treatment],
    device: &Device,
) -> Result<(Table, Vec<(Treatment, Abstains)>), StudyError> {
    let starts = Starts::of(&trained_run.trained, screen, device);
    let found = trained_run.model(&starts, device).predict_with_latents(treatments)?;
    let table = match trained_run.decoder.is_of_latents() {
        true => table::of(&[&found.profiles]),
        false => table::with_latents(&found),
    };
    Ok((table, found.profiles.abstained))
}
