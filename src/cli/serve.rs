//! What subcommands do with configurations and run folders before they call the library.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use burn::tensor::Device;

use super::options::{DeviceArgs, Overrides};
use super::progress::Reporter;
use super::run::teller;
use crate::config::Config;
use crate::load::{Loaded, Source, load};
use crate::model::{Array, parameters};
use crate::run::Artifact;
use crate::screen::Screen;
use crate::study::{self, Finished, Prepared, Served, StudyError};

/// Resolves a configuration, loads its screen and runs it.
pub(super) fn run_config(
    path: &Path,
    out: Option<PathBuf>,
    from: Option<PathBuf>,
    overrides: Overrides,
    device: &DeviceArgs,
    change: impl FnOnce(&mut Config),
) -> anyhow::Result<Finished> {
    let device = device.resolve()?;
    let mut config = overrides.resolve(path)?;
    change(&mut config);
    let name = path.file_stem().map_or_else(|| "run".into(), |stem| stem.to_string_lossy().into_owned());
    let folder = out.unwrap_or_else(|| Path::new("runs").join(name));
    let warm = from.map(|run| warm_start(&run, &device)).transpose()?;
    let loaded = study::load_screen(&config)?;
    say_loaded(&loaded);
    let reporter = Reporter::new(config.train.members, config.train.steps);
    Ok(study::run(&config, &loaded, &folder, warm.as_deref(), &device, &teller(&reporter))?)
}

/// What a user would tell a colleague of a screen that was just read.
fn say_loaded(loaded: &Loaded) {
    let screen = &loaded.screen;
    tracing::info!(
        "{}: {} wells on {} plates, {} treatments, {} features",
        screen.name,
        screen.n_observations(),
        screen.rows_by_plate(|_| true).len(),
        screen.treatments().len(),
        screen.features.n_features()
    );
    for dropped in &screen.dropped {
        tracing::info!("  left out {} rows: {}", dropped.rows, dropped.reason);
    }
    for note in &loaded.notes {
        tracing::info!("  {note}");
    }
}

/// A run folder that is put to use.
pub(super) struct OpenRun {
    pub(super) config: Config,
    pub(super) served: Served,
    pub(super) device: Device,
}

impl OpenRun {
    /// Reads a finished run.
    pub(super) fn open(folder: &Path, device: &DeviceArgs) -> anyhow::Result<Self> {
        let device = device.resolve()?;
        let path = Artifact::Config.path_in(folder);
        let config = Config::read(&path).with_context(|| format!("{} is no run folder", folder.display()))?;
        let served = Served::read(folder, config.train.members, &device)
            .with_context(|| format!("{} holds no finished training; run `cytonaut run` again", folder.display()))?;
        Ok(Self { config, served, device })
    }

    /// The run's own screen, prepared as it was for training.
    pub(super) fn own_screen(&self) -> Result<Prepared, StudyError> {
        study::prepare(&self.config, &study::load_screen(&self.config)?)
    }

    /// Another screen, normalized by its own controls and the run's fitted statistics.
    pub(super) fn other_screen(&self, files: &[PathBuf]) -> Result<Screen, StudyError> {
        let mut source = Source::of(files.iter().cloned());
        if source.card.is_none() {
            source.card = self.config.data.card.clone();
        }
        let loaded = load(&source)?;
        say_loaded(&loaded);
        Ok(self.served.normalizer.apply(&loaded.screen)?)
    }

    /// The screen that `files` name, or the run's own.
    pub(super) fn screen(&self, files: &[PathBuf]) -> Result<Screen, StudyError> {
        if files.is_empty() { Ok(self.own_screen()?.screen) } else { self.other_screen(files) }
    }
}

/// The parameters of another run's members.
fn warm_start(folder: &Path, device: &Device) -> anyhow::Result<Vec<BTreeMap<String, Array>>> {
    let config = Config::read(&Artifact::Config.path_in(folder))?;
    let served = Served::read(folder, config.train.members, device)?;
    Ok(served.trained.members.iter().map(|(model, _)| parameters(model)).collect())
}
