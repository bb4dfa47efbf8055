//! Options that several subcommands share, and how they change a configuration.

use std::path::{Path, PathBuf};

use anyhow::Context;
use burn::tensor::Device;
use clap::Args;

use super::open_run::refuse_run_folders;
use super::set::{fault_of, put};
use super::{AskedWrongly, whole_number};
use crate::config::{Config, ConfigError, DataConfig, Written};
use crate::load::{Loaded, Source};
use crate::screen::Screen;
use crate::study::{self, Choice, Proposal};

/// Overrides of the configuration file.
#[derive(Debug, Args)]
pub(super) struct Overrides {
    /// Seed of every random draw [config: train.seed]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Models in the ensemble [config: train.members]
    #[arg(long, value_name = "N", value_parser = whole_number)]
    members: Option<usize>,
    /// Optimizer steps of each model [config: train.steps]
    #[arg(long, value_name = "N", value_parser = whole_number)]
    steps: Option<usize>,
    /// Profile tables instead of the card's own files [config: data.files]
    #[arg(long, value_name = "PATH", num_args = 1..)]
    files: Option<Vec<PathBuf>>,
    /// Start from the weights of another run [config: train.from]
    #[arg(long, value_name = "RUN")]
    from: Option<PathBuf>,
    /// Set any other key of the configuration, as in `--set model.latent=64`; may be given several times
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

/// A configuration as a file and the command line ask for it.
pub(super) struct Asked {
    pub(super) config: Config,
    path: PathBuf,
    written: Written,
}

impl Asked {
    /// Refuses what has no effect on the screen that was read.
    pub(super) fn check(&self, screen: &Screen) -> anyhow::Result<()> {
        Ok(self.written.check(screen.kind()).map_err(|error| in_file(&self.path, &error))?)
    }
}

/// What a job is asked to do, with the screen where it was read to find that out.
pub(super) struct Wanted {
    pub(super) asked: Asked,
    pub(super) loaded: Option<Loaded>,
    /// Name of the run folder, if none is given.
    pub(super) name: String,
}

impl Overrides {
    /// What `paths` ask for, a configuration or data, with these overrides.
    pub(super) fn resolve(self, paths: &[PathBuf]) -> anyhow::Result<Wanted> {
        let configuration = match paths {
            [path] if path.extension().is_some_and(|extension| extension == "toml") => Some((path, text_of(path)?)),
            _ => None,
        };
        match configuration.filter(|(_, text)| !is_card(text)) {
            Some((path, text)) => {
                let asked = self.of_configuration(path, &text)?;
                let name = path.file_stem().map_or_else(|| "run".into(), |stem| stem.to_string_lossy().into_owned());
                Ok(Wanted { asked, loaded: None, name })
            }
            None => self.of_data(paths),
        }
    }

    /// The configuration at `path`, which holds `text`, with these overrides.
    fn of_configuration(self, path: &Path, text: &str) -> anyhow::Result<Asked> {
        // Parsed as it stands first, so that an error names the line that the user wrote.
        Config::parse(text).map_err(|error| in_file(path, &error))?;
        let document: toml::Table =
            toml::from_str(text).map_err(|error| AskedWrongly(format!("{}: {error}", path.display())))?;
        self.put_into(document, path)
    }

    /// The settings that suit the data at `paths`, with these overrides.
    fn of_data(mut self, paths: &[PathBuf]) -> anyhow::Result<Wanted> {
        refuse_run_folders(paths)?;
        let mut source = Source::of(paths.iter().cloned());
        if let Some(files) = self.files.take() {
            source.files = files;
        }
        let Proposal { mut choices, loaded } = study::propose(&source)?;
        choices.retain(|choice| !self.is_said(choice.key));
        say_chosen(&choices);
        let mut document = toml::Table::new();
        for choice in &choices {
            put(&mut document, &format!("{}={}", choice.key, choice.value))?;
        }
        let first = paths.first().map_or(Path::new("run"), PathBuf::as_path);
        let mut asked = self.put_into(document, first)?;
        let name = name_of(&source, first);
        asked.config.data = DataConfig { card: source.card, files: source.files };
        Ok(Wanted { asked, loaded, name })
    }

    /// Whether the user says what becomes of `key`; who splits otherwise needs none of the choices for another split.
    fn is_said(&self, key: &str) -> bool {
        let said = self.set.iter().filter_map(|entry| entry.split('=').next()).map(str::trim);
        let by_flag = match key {
            "train.members" => self.members.is_some(),
            "train.steps" => self.steps.is_some(),
            _ => false,
        };
        let is_split = |key: &str| key.starts_with("split.");
        by_flag || said.into_iter().any(|said| said == key || (is_split(said) && is_split(key)))
    }

    /// The configuration that `document` is, with these overrides; `path` is named where something is wrong with it.
    fn put_into(self, mut document: toml::Table, path: &Path) -> anyhow::Result<Asked> {
        let Self { seed, members, steps, files, from, set } = self;
        let before = document.clone();
        for entry in &set {
            put(&mut document, entry)?;
        }
        let text = toml::to_string(&document).context("the configuration cannot be written back")?;
        let parsed = Config::parse(&text);
        let mut config = parsed.map_err(|error| fault_of(before, &set).unwrap_or_else(|| in_file(path, &error)))?;
        if let Some(seed) = seed {
            config.train.seed = seed;
        }
        if let Some(members) = members {
            config.train.members = members;
        }
        if let Some(steps) = steps {
            config.train.steps = steps;
        }
        if let Some(files) = files {
            config.data.files = files;
        }
        if from.is_some() {
            config.train.from = from;
        }
        config.check()?;
        Ok(Asked { config, path: path.to_owned(), written: Written::of(&text) })
    }
}

fn text_of(path: &Path) -> anyhow::Result<String> {
    Ok(crate::load::read_small_text(path).map_err(|error| AskedWrongly(format!("{}: {error}", path.display())))?)
}

/// Whether a TOML text is a dataset card: it has keys, none of them a section that only configurations have.
fn is_card(text: &str) -> bool {
    let Ok(table) = text.parse::<toml::Table>() else { return false };
    let sections = toml::Table::try_from(Config::default()).expect("a configuration is a table");
    // `[images]` and `[tracks]` stand in both, and not in a configuration by default.
    let only_shared = table.keys().all(|key| ["images", "tracks"].contains(&key.as_str()));
    let has_section = table.keys().any(|key| sections.contains_key(key));
    !only_shared && !has_section
}

/// What a run of data is called: as its card, or as the folder of a card that is called `dataset.toml`; else as the table
/// or folder, without its endings.
fn name_of(source: &Source, first: &Path) -> String {
    let is_named = |card: &&PathBuf| card.file_name().is_none_or(|name| name != CARD);
    let place = match &source.card {
        Some(card) if is_named(&card) => card.clone(),
        Some(card) => card.parent().map(Path::to_path_buf).unwrap_or_default(),
        None => first.to_path_buf(),
    };
    let place = place.canonicalize().unwrap_or(place);
    let name = place.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let stem = if place.is_dir() { name.as_str() } else { name.split('.').next().unwrap_or_default() };
    if stem.is_empty() { "run".to_owned() } else { stem.to_owned() }
}

/// What a card is called that speaks of the folder it lies in.
const CARD: &str = "dataset.toml";

/// Shows the settings that were chosen, as the lines of a configuration.
fn say_chosen(choices: &[Choice]) {
    if choices.is_empty() {
        return;
    }
    tracing::info!("chosen from the data; change one with --set, or write them into a configuration:");
    let width = choices.iter().map(|choice| choice.key.len() + choice.value.chars().count() + 3).max().unwrap_or(0);
    for Choice { key, value, why } in choices {
        let line = format!("{key} = {value}");
        tracing::info!("  {line:<width$}  # {why}", width = width.min(36));
    }
}

/// What is wrong with the configuration at `path`. The message of an error of parsing begins with an empty path.
fn in_file(path: &Path, error: &ConfigError) -> AskedWrongly {
    let colon = if matches!(error, ConfigError::Parse { .. }) { "" } else { ": " };
    AskedWrongly(format!("{}{colon}{error}", path.display()))
}

/// Where tensors live.
#[derive(Debug, Args)]
pub(super) struct DeviceArgs {
    /// Device to compute on: `cpu`, `cuda`, `cuda:N` or `vulkan`
    #[arg(long, default_value = "cpu", value_name = "DEVICE")]
    device: String,
}

impl DeviceArgs {
    /// The processor, where nothing is computed that needs more.
    pub(super) fn cpu() -> Self {
        Self { device: "cpu".to_owned() }
    }

    /// The device asked for.
    pub(super) fn resolve(&self) -> anyhow::Result<Device> {
        let (kind, index) = self.device.split_once(':').unwrap_or((&self.device, "0"));
        let index: usize = index
            .parse()
            .map_err(|_| AskedWrongly(format!("--device {}: `{index}` is not a device number", self.device)))?;
        match kind {
            "cpu" => Ok(Device::flex()),
            "cuda" => cuda(index),
            "vulkan" => vulkan(),
            _ => Err(AskedWrongly(format!("--device {}: expected cpu, cuda, cuda:N or vulkan", self.device)).into()),
        }
    }
}

#[cfg(feature = "cuda")]
fn cuda(index: usize) -> anyhow::Result<Device> {
    // Without a driver the backend panics in a thread of its own; asking for the list first keeps that away from the user.
    let devices = std::panic::catch_unwind(|| Device::enumerate(burn::tensor::DeviceType::Cuda).into_vec().len());
    match devices {
        Ok(n_devices) if index < n_devices => Ok(Device::cuda(index)),
        Ok(n_devices) => {
            Err(AskedWrongly(format!("--device cuda:{index}: this machine has {n_devices} CUDA devices")).into())
        }
        Err(_) => {
            Err(AskedWrongly("--device cuda: no CUDA driver responds; install one, or use --device cpu".into()).into())
        }
    }
}

#[cfg(not(feature = "cuda"))]
fn cuda(index: usize) -> anyhow::Result<Device> {
    let hint =
        "this binary was built without it; build with `cargo build --release --features cuda`, or use --device cpu";
    Err(AskedWrongly(format!("--device cuda:{index}: {hint}")).into())
}

#[cfg(feature = "vulkan")]
fn vulkan() -> anyhow::Result<Device> {
    std::panic::catch_unwind(|| Device::vulkan(Default::default())).map_err(|_| {
        AskedWrongly("--device vulkan: no Vulkan driver responds; install one, or use --device cpu".into()).into()
    })
}

#[cfg(not(feature = "vulkan"))]
fn vulkan() -> anyhow::Result<Device> {
    let hint =
        "this binary was built without it; build with `cargo build --release --features vulkan`, or use --device cpu";
    Err(AskedWrongly(format!("--device vulkan: {hint}")).into())
}
