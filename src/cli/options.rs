//! Options that several subcommands share, and how they change a configuration.

use std::path::{Path, PathBuf};

use anyhow::Context;
use burn::tensor::Device;
use clap::Args;

use super::AskedWrongly;
use crate::config::{Config, ConfigError, ScreenKind, Written};
use crate::screen::Screen;

/// Overrides of the configuration file.
#[derive(Debug, Args)]
pub(super) struct Overrides {
    /// Seed of every random draw [config: train.seed]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Models in the ensemble [config: train.members]
    #[arg(long, value_name = "N")]
    members: Option<usize>,
    /// Optimizer steps of each model [config: train.steps]
    #[arg(long, value_name = "N")]
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
        Ok(self.written.check(ScreenKind::of(screen)).map_err(|error| in_file(&self.path, &error))?)
    }
}

impl Overrides {
    /// The configuration at `path` with these overrides.
    pub(super) fn resolve(self, path: &Path) -> anyhow::Result<Asked> {
        let Self { seed, members, steps, files, from, set } = self;
        let text =
            crate::load::read_small_text(path).map_err(|error| AskedWrongly(format!("{}: {error}", path.display())))?;
        // Parsed as it stands first, so that an error names the line that the user wrote.
        Config::parse(&text).map_err(|error| in_file(path, &error))?;
        let mut document: toml::Table =
            toml::from_str(&text).map_err(|error| AskedWrongly(format!("{}: {error}", path.display())))?;
        for entry in &set {
            put(&mut document, entry)?;
        }
        let text = toml::to_string(&document).context("the configuration cannot be written back")?;
        let mut config = Config::parse(&text).map_err(|error| in_file(path, &error))?;
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

/// What is wrong with the configuration at `path`. The message of an error of parsing begins with an empty path.
fn in_file(path: &Path, error: &ConfigError) -> AskedWrongly {
    let colon = if matches!(error, ConfigError::Parse { .. }) { "" } else { ": " };
    AskedWrongly(format!("{}{colon}{error}", path.display()))
}

/// Sets a dotted key to a TOML value; anything that is not a TOML value is taken as a string.
fn put(document: &mut toml::Table, entry: &str) -> anyhow::Result<()> {
    let wrong = || AskedWrongly(format!("--set {entry}: expected KEY=VALUE, as in model.latent=64"));
    let (key, value) = entry.split_once('=').ok_or_else(wrong)?;
    let value = format!("value = {value}")
        .parse::<toml::Table>()
        .ok()
        .and_then(|mut table| table.remove("value"))
        .unwrap_or_else(|| toml::Value::String(value.to_owned()));
    let mut path: Vec<&str> = key.trim().split('.').collect();
    let last = path.pop().ok_or_else(wrong)?;
    let mut table = document;
    for part in path {
        let inner = table.entry(part).or_insert_with(|| toml::Value::Table(toml::Table::new()));
        table = inner.as_table_mut().ok_or_else(wrong)?;
    }
    table.insert(last.to_owned(), value);
    Ok(())
}

/// Where tensors live.
#[derive(Debug, Args)]
pub(super) struct DeviceArgs {
    /// Device to compute on: `cpu`, `cuda`, `cuda:N` or `vulkan`
    #[arg(long, default_value = "cpu", value_name = "DEVICE")]
    device: String,
}

impl DeviceArgs {
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
