//! What stops a whole job.

use std::path::PathBuf;

use crate::answer::AnswerError;
use crate::baseline::BaselineError;
use crate::config::ConfigError;
use crate::crop::CropError;
use crate::descriptor::DescriptorError;
use crate::evaluate::EvaluateError;
use crate::linear::{PcaError, RidgeError};
use crate::load::image::ImageSource;
use crate::load::{Gap, LoadError, Source, describe, describe_images};
use crate::normalize::NormalizeError;
use crate::pair::PairError;
use crate::plan::PlanError;
use crate::predict::{Method, PredictError};
use crate::run::RunError;
use crate::table::FileError;
use crate::train::TrainError;

/// What stops a whole job: the error of the room in which it stopped.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each variant says in its message what it is")]
pub enum StudyError {
    #[error("{what} is not available yet for a time lapse; use the run's own screen")]
    TimeLapse { what: &'static str },
    #[error(
        "{what} is not available for a table of tracks; `cytonaut rank RUN` lists what does anything, and `cytonaut run` leaves predicted tracks in `trajectories.parquet`"
    )]
    Tracks { what: &'static str },
    #[error(
        "the card has tracks; set `window` (times per observation) and `seen_minutes` (minutes that are seen) under [tracks] in the configuration"
    )]
    NoTrackConfig,
    #[error(
        "{screen}: no well is known to be treated, so there is nothing to learn from; say what was applied, as with a plate map under [[join]] in a card (`cytonaut inspect PATH --write-card dataset.toml` writes one to fill in)"
    )]
    NothingTreated { screen: String },
    #[error(
        "{screen}: each of its {n} perturbations was measured once, at one dose and in one context, so that a model has nothing to learn beyond what the table says already; add replicates, doses, contexts or a table of descriptors ([descriptors] in a card), or train all the same with a configuration"
    )]
    NothingToLearn { screen: String, n: usize },
    #[error(
        "no feature `{feature}`: the model learns from pixels, which are not measurements; rank toward wells with `--target`{}, or run the table of their measurements",
        match known.as_str() {
            "" => String::new(),
            known => format!(", by what was counted or noted of wells ({known})"),
        }
    )]
    NoFeatures { feature: String, known: String },
    #[error("{}", AnswerError::NoPixels)]
    NoPixels,
    #[error("{0}")]
    Latents(&'static str),
    #[error("{}: the run is not trained yet; repeat the `cytonaut run` that started it", folder.display())]
    NotTrained { folder: PathBuf },
    #[error(
        "{} holds a run for each fold of its split; give one of them, such as {}, or train one model with `cytonaut run … --set evaluate.all_folds=false`",
        folder.display(),
        first_fold.display()
    )]
    Folds { folder: PathBuf, first_fold: PathBuf },
    #[error("{}: {problem}", path.display())]
    Published { path: PathBuf, problem: String },
    #[error(
        "{what} is not available yet for a screen of images; `cytonaut embed` gives the latents of other images, and `cytonaut evaluate` without files scores the run's own"
    )]
    Images { what: &'static str },
    #[error(
        "`rank.by` is `{by}`, and a screen of images is ranked by its model alone, because simple methods predict features, and pixels are not features; set `rank.by = \"lewm\"` (`--by lewm`)"
    )]
    RankImages { by: Method },
    #[error(
        "{}: is a trial of another configuration or of other data; choose another folder with --out, or delete this one", path.display()
    )]
    OtherComparison { path: PathBuf },
    #[error("{first}{}", in_words(gaps, paths))]
    Gaps { first: String, gaps: Vec<Gap>, paths: Vec<PathBuf> },
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error(transparent)]
    Crop(#[from] CropError),
    #[error(transparent)]
    Descriptor(#[from] DescriptorError),
    #[error(transparent)]
    Normalize(#[from] NormalizeError),
    #[error(transparent)]
    Pair(#[from] PairError),
    #[error(transparent)]
    Train(#[from] TrainError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Run(#[from] RunError),
    #[error(transparent)]
    Predict(#[from] PredictError),
    #[error(transparent)]
    Pca(#[from] PcaError),
    #[error(transparent)]
    Ridge(#[from] RidgeError),
    #[error(transparent)]
    Baseline(#[from] BaselineError),
    #[error(transparent)]
    Evaluate(#[from] EvaluateError),
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error("{}: holds the answers, and answers would describe themselves; give other tables with --descriptors", path.display())]
    DescribedByAnswers { path: PathBuf },
    #[error("stopped before {next}; everything made so far is saved")]
    Stopped { next: &'static str },
}

/// Gaps with their lines, and the command that writes them into a card.
fn in_words(gaps: &[Gap], paths: &[PathBuf]) -> String {
    let mut text = format!("\nto fill in ({})", gaps.len());
    for (index, gap) in gaps.iter().enumerate() {
        let place = if gap.section.is_empty() { "at the top".to_owned() } else { format!("under [{}]", gap.section) };
        let lines: Vec<&str> = gap.lines.iter().map(|line| line.text.as_str()).collect();
        text += &format!("\n  {}. {}\n     {place}: {}", index + 1, gap.what, lines.join(" or "));
    }
    let paths: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    let paths = paths.join(" ");
    text + &format!("\nnext: cytonaut inspect {paths} --write-card dataset.toml, which shows and writes all of it")
}

impl StudyError {
    /// What stops the loading of a table, with all that a card would have to say.
    pub(super) fn of_table(first: LoadError, source: &Source) -> Self {
        if !first.is_request() && !matches!(first, LoadError::Cell { .. } | LoadError::DuplicateRow { .. }) {
            return first.into();
        }
        let gaps = describe(source).map(|description| description.gaps).unwrap_or_default();
        Self::with_gaps(first, gaps, source)
    }

    /// The same of images.
    pub(super) fn of_images(first: LoadError, source: &Source) -> Self {
        if !first.is_request() && !matches!(first, LoadError::Cell { .. }) {
            return first.into();
        }
        let images = ImageSource { source: source.clone(), ..ImageSource::default() };
        let gaps = describe_images(&images).map(|description| description.gaps).unwrap_or_default();
        Self::with_gaps(first, gaps, source)
    }

    fn with_gaps(first: LoadError, gaps: Vec<Gap>, source: &Source) -> Self {
        if gaps.is_empty() {
            return first.into();
        }
        let paths = source.card.iter().chain(&source.files).cloned().collect();
        Self::Gaps { first: first.to_string(), gaps, paths }
    }

    /// Whether nothing is wrong but that somebody asked to stop.
    pub fn is_stop(&self) -> bool {
        matches!(
            self,
            Self::Stopped { .. } | Self::Train(TrainError::Stopped { .. }) | Self::Crop(CropError::Stopped { .. })
        )
    }
}

impl From<AnswerError> for StudyError {
    fn from(error: AnswerError) -> Self {
        match error {
            AnswerError::Normalize(error) => error.into(),
            AnswerError::Pair(error) => error.into(),
            AnswerError::Train(error) => error.into(),
            AnswerError::File(error) => error.into(),
            AnswerError::Run(error) => error.into(),
            AnswerError::Predict(error) => error.into(),
            AnswerError::Pca(error) => error.into(),
            AnswerError::Ridge(error) => error.into(),
            AnswerError::Baseline(error) => error.into(),
            AnswerError::Evaluate(error) => error.into(),
            AnswerError::Plan(error) => error.into(),
            AnswerError::NoPixels => Self::NoPixels,
        }
    }
}
