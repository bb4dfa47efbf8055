//! `cytonaut simulate`: a screen whose truth is known.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{AskedWrongly, print};
use crate::simulate::{Law, SimulateConfig, Simulated};
use crate::table::counted;

/// How effects come together in sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LawArgument {
    /// Effects of the members of a pair add
    Additive,
    /// Hidden traits of the members of a pair act together too, as strongly as the effects themselves
    Interacting,
}

/// Simulate a screen whose truth is known
///
/// Perturbations move a few features, alone, at doses and in pairs; wells add noise and shifts of their plates.
/// How many treatments and replicates does it take until a model learns something, or until a method finds what is there?
/// Writes profiles.csv, the card dataset.toml, and truth.csv with the profile of each treatment without noise.
///
/// Examples:
///   cytonaut simulate interacting --out simulated
///   cytonaut run simulated --set split.by=condition
///   cytonaut simulate additive --perturbations 40 --doses 7 --no-pairs \
///     --noise 1 --out doses
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(super) struct SimulateArgs {
    /// How effects come together in pairs
    #[arg(value_enum)]
    law: LawArgument,
    /// Number of perturbations
    #[arg(long, value_name = "N", default_value = "24")]
    perturbations: usize,
    /// Doses of each perturbation, from 0.01 µM in steps of half a decade; 0 for genes, which have none
    #[arg(long, value_name = "N", default_value = "0")]
    doses: usize,
    /// Leave the pairs out
    #[arg(long)]
    no_pairs: bool,
    /// Wells of each treatment, each on a plate of its own
    #[arg(long, value_name = "N", default_value = "2")]
    replicates: usize,
    /// Control wells of each plate of 384
    #[arg(long, value_name = "N", default_value = "24")]
    controls: usize,
    /// Features of a well
    #[arg(long, value_name = "N", default_value = "6")]
    features: usize,
    /// Deviation of the noise of a well; effects have a deviation of 1 in each feature
    #[arg(long, value_name = "X", default_value = "0.3")]
    noise: f64,
    /// Deviation of the shifts of plates
    #[arg(long, value_name = "X", default_value = "0.1")]
    plate_shift: f64,
    /// Seed of every draw
    #[arg(long, value_name = "N", default_value = "1")]
    seed: u64,
    /// The folder to write
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// Print one JSON object on stdout
    #[arg(long)]
    json: bool,
}

impl SimulateArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let config = SimulateConfig {
            law: match self.law {
                LawArgument::Additive => Law::Additive,
                LawArgument::Interacting => Law::Interacting,
            },
            perturbations: self.perturbations,
            doses: self.doses,
            pairs: !self.no_pairs,
            replicates: self.replicates,
            controls: self.controls,
            features: self.features,
            noise: self.noise,
            plate_shift: self.plate_shift,
            seed: self.seed,
        };
        let out = &self.out;
        if std::fs::read_dir(out).is_ok_and(|mut found| found.next().is_some()) {
            let words = format!("{} is not empty; choose another folder with --out", out.display());
            return Err(AskedWrongly(words).into());
        }
        let simulated = Simulated::new(&config).map_err(|error| AskedWrongly(error.to_string()))?;
        simulated.write(out)?;
        let (n_wells, n_treatments) = (simulated.screen.n_observations(), simulated.truth.len());
        print(&match self.json {
            true => serde_json::json!({
                "type": "simulated", "folder": out, "wells": n_wells, "treatments": n_treatments,
            })
            .to_string(),
            false => format!(
                "{}: {} of {}; the truth is in truth.csv\nnext: cytonaut run {}",
                out.display(),
                counted(n_wells, "well"),
                counted(n_treatments, "treatment"),
                out.display()
            ),
        })
    }
}
