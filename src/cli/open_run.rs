//! What subcommands do with configurations and run folders before they call the library.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use burn::tensor::Device;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use super::options::{DeviceArgs, Overrides, Wanted};
use super::progress::Reporter;
use super::{AskedWrongly, STOPPED};
use crate::answer::{Prepared, TrainedRun};
use crate::config::Config;
use crate::embed::EmbeddingMap;
use crate::load::{Loaded, Source};
use crate::predict::Method;
use crate::run::{Artifact, Manifest, RunError};
use crate::screen::Screen;
use crate::study::{self, Finished, StudyError};
use crate::table::{counted, read_json};
use crate::train::Stop;

/// Resolves a configuration, or the settings that suit data, loads the screen and runs it; with the finished run comes a
/// target that could be ranked toward, if nothing was ranked.
pub(super) fn run_paths(
    paths: &[PathBuf],
    out: Option<PathBuf>,
    overrides: Overrides,
    device: &DeviceArgs,
    change: impl FnOnce(&mut Config),
) -> anyhow::Result<(Finished, Option<String>)> {
    let device = device.resolve()?;
    let Wanted { mut asked, loaded, name } = overrides.resolve(paths)?;
    change(&mut asked.config);
    let config = &asked.config;
    let folder = out.unwrap_or_else(|| Path::new("runs").join(name));
    let reporter = Reporter::new(config.train.members, config.train.steps);
    let stop = Stop::default();
    let listen = || stop_on_signals(&stop).map_err(|error| anyhow!("signals cannot be listened to: {error}"));
    // Of images there is something to keep while they are loaded; of tables Ctrl-C ends the process at once until then.
    let listens_early = config.images.is_some();
    if listens_early {
        listen()?;
    }
    let loaded = match loaded {
        Some(loaded) => loaded,
        None => study::load_screen_until(config, &stop, &reporter.listener())?,
    };
    say_loaded(&loaded);
    asked.check(&loaded.screen)?;
    if !listens_early {
        listen()?;
    }
    let finished = study::run(config, &loaded, &folder, &device, &stop, &reporter.listener())?;
    let is_open = finished.ranking.is_none() && !config.evaluate.all_folds;
    let target = if is_open { example_of_target(&loaded.screen) } else { None };
    Ok((finished, target))
}

/// A query for the mechanism, or else the perturbation, of most wells; `None` where nothing is ranked.
fn example_of_target(screen: &Screen) -> Option<String> {
    study::refuse(screen.kind(), study::Wanted::Ranking(&Method::Model, "`rank`")).ok()?;
    let mechanisms = screen.label("moa");
    let column = if mechanisms.is_some() { "moa" } else { "perturbation" };
    let mut counts = BTreeMap::<String, usize>::new();
    for row in (0..screen.n_observations()).filter(|&row| screen.unit(row).role.is_treated()) {
        let value = match mechanisms {
            Some(label) => label.values[row].clone(),
            None => screen.unit(row).intervention.as_single().map(|member| member.perturbation.name.clone()),
        };
        *counts.entry(value.unwrap_or_default()).or_default() += 1;
    }
    counts.remove("");
    let (value, _) = counts.into_iter().max_by_key(|(_, count)| *count)?;
    Some(format!("{column} == \"{value}\""))
}

/// Refuses a run folder where data are expected: its tables are results and not a screen.
pub(super) fn refuse_run_folders(paths: &[PathBuf]) -> Result<(), AskedWrongly> {
    match paths.iter().find(|path| Artifact::Manifest.path_in(path).is_file()) {
        Some(path) => Err(AskedWrongly(format!(
            "{path} is a run folder and not data; ask it with `cytonaut rank {path}`, `predict`, `embed` or `evaluate`, or \
             repeat the run with `cytonaut run {config} --out {path}`",
            path = path.display(),
            config = Artifact::Config.path_in(path).display(),
        ))),
        None => Ok(()),
    }
}

/// The first SIGINT or SIGTERM asks to stop, the second ends the process with code 130 as it stands.
pub(super) fn stop_on_signals(stop: &Stop) -> std::io::Result<()> {
    for signal in [SIGINT, SIGTERM] {
        // Runs before the one that sets the flag, so that it acts from the second signal on.
        flag::register_conditional_shutdown(signal, i32::from(STOPPED), stop.flag())?;
        flag::register(signal, stop.flag())?;
    }
    Ok(())
}

/// Summary of a screen that was just read, as a user would give it to a colleague.
fn say_loaded(loaded: &Loaded) {
    let screen = &loaded.screen;
    // Where objects were followed, a well has several states and counts once for each.
    let (n_units, unit) = match screen.design.tracks() {
        [] => (screen.wells().len(), "well"),
        tracks => (tracks.len(), "object"),
    };
    let n_rows = screen.n_observations();
    let rows = if n_rows == n_units { String::new() } else { format!("{} of ", counted(n_rows, "row")) };
    tracing::info!(
        "{}: {rows}{} on {}, {}, {}",
        screen.name,
        counted(n_units, unit),
        counted(screen.rows_by_plate(|_| true).len(), "plate"),
        counted(screen.treatments().len(), "treatment"),
        counted(screen.features.n_features(), "feature")
    );
    if !loaded.mapping.features.is_empty() {
        tracing::info!("  features: {}", loaded.mapping.features_in_words());
    }
    for left_out in loaded.mapping.left_out_in_words() {
        tracing::info!("  not learned from: {left_out}");
    }
    for dropped in &screen.dropped {
        tracing::info!("  left out {}: {}", counted(dropped.rows, "row"), dropped.reason);
    }
    for note in &loaded.notes {
        tracing::info!("  {note}");
    }
}

/// A run folder that is put to use.
pub(super) struct OpenRun {
    folder: PathBuf,
    pub(super) config: Config,
    pub(super) trained_run: TrainedRun,
    pub(super) device: Device,
}

impl OpenRun {
    /// Reads a finished run.
    pub(super) fn open(folder: &Path, device: &DeviceArgs) -> anyhow::Result<Self> {
        let device = device.resolve()?;
        let manifest = match Manifest::read(folder) {
            Err(error @ RunError::NoRun { .. }) => {
                return Err(AskedWrongly(format!("{} is not a run folder: {error}", folder.display())).into());
            }
            manifest => manifest.map_err(StudyError::from)?,
        };
        if let Some(difference) = manifest.version_difference() {
            tracing::warn!("warning: {}: {difference}", folder.display());
        }
        let (config, trained_run) = study::open(folder, &device)?;
        Ok(Self { folder: folder.to_owned(), config, trained_run, device })
    }

    /// The run's own screen, prepared as it was for training.
    pub(super) fn own_screen(&self) -> Result<Prepared, StudyError> {
        study::prepare_again(&self.config, &self.trained_run.trained, &self.folder)
    }

    /// Another screen, normalized by its own controls and the run's fitted statistics.
    pub(super) fn other_screen(&self, files: &[PathBuf]) -> Result<Screen, StudyError> {
        let mut source = Source::of(files.iter().cloned());
        if source.card.is_none() {
            // The card may be gone, or the folder have come from another machine.
            let kept = Some(Artifact::Card.path_in(&self.folder)).filter(|path| path.is_file());
            source.card = self.config.data.card.clone().filter(|path| path.is_file()).or(kept);
        }
        source.overrides.wanted_features = Some(self.trained_run.normalizer.input_features().to_vec());
        let loaded = study::load_other(&self.config, &source)?;
        say_loaded(&loaded);
        Ok(self.trained_run.normalizer.apply(&loaded.screen)?)
    }

    /// The way from latents to the embedding of the run.
    pub(super) fn embedding_map(&self) -> Result<EmbeddingMap, StudyError> {
        Ok(read_json(&Artifact::EmbeddingMap.path_in(&self.folder))?)
    }

    /// The screen that `files` name, or the run's own.
    pub(super) fn screen(&self, files: &[PathBuf]) -> Result<Screen, StudyError> {
        if files.is_empty() { Ok(self.own_screen()?.screen) } else { self.other_screen(files) }
    }
}
