//! `cytonaut plan-plate`: the next experiment.

use std::path::PathBuf;

use clap::Args;

use super::{AskedWrongly, above_zero, print, table_path, whole_number};
use crate::load::read_stocks;
use crate::plan::{Dispensing, PlatePlan, PlateRequest, Ranking, Stocks, transfer_table};
use crate::run::Artifact;
use crate::screen::Micromolar;
use crate::study::StudyError;

/// Plan the plates of the next experiment from a ranking
///
/// Picks the best candidates that were not measured yet, and hits to confirm at their own dose and half a decade below and
/// above; those that define the target, and those far from what was measured, are left out.
/// Each replicate is a plate with a random layout of its own; controls are spread over the plate, and the outermost wells
/// stay empty. The plate map is read by `cytonaut inspect` and `cytonaut run` next to the profiles of the new plates.
///
/// Examples:
///   cytonaut plan-plate runs/quickstart --out plate.csv
///   cytonaut rank runs/quickstart --dose-grid --out grid.parquet
///   cytonaut plan-plate grid.parquet --confirm 8 --new 40 --out plate.csv \
///     --transfer transfers.csv --stock 10mM
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(super) struct PlanPlateArgs {
    /// A run folder with a ranking, or a ranking that `rank --out FILE.parquet` wrote
    ranking: PathBuf,
    /// Wells of a plate: 96, 384 or 1536
    #[arg(long, value_name = "N", default_value = "384", value_parser = whole_number)]
    plate: usize,
    /// Plates with the same interventions, each with a layout of its own
    #[arg(long, value_name = "N", default_value = "3", value_parser = whole_number)]
    replicates: usize,
    /// Measured hits to try again, each at its own dose and half a decade below and above
    #[arg(long, value_name = "N", default_value = "8", value_parser = whole_number)]
    confirm: usize,
    /// Candidates that were not measured to try; by default as many as a plate has room for
    #[arg(long, value_name = "N", value_parser = whole_number)]
    new: Option<usize>,
    /// Control wells of a plate; by default a tenth of the wells that are used, and at least 8
    #[arg(long, value_name = "N", value_parser = whole_number)]
    controls: Option<usize>,
    /// What control wells hold
    #[arg(long, value_name = "NAME", default_value = "DMSO")]
    control: String,
    /// Use the outermost wells too
    #[arg(long)]
    use_edge: bool,
    /// Name of the plates, before their numbers
    #[arg(long, value_name = "NAME", default_value = "next")]
    name: String,
    /// Seed of the layouts
    #[arg(long, value_name = "N", default_value = "0")]
    seed: u64,
    /// The plate map to write, as its ending says: .csv, .tsv, .xlsx, .parquet or .json
    #[arg(long, value_name = "FILE", value_parser = table_path)]
    out: Option<PathBuf>,
    /// The movements of a liquid handler to write: source, destination and volume of each
    #[arg(long, value_name = "FILE", value_parser = table_path, requires = "stock")]
    transfer: Option<PathBuf>,
    /// Stocks: one concentration for all (`10mM`), or a table with columns perturbation, stock_mm (or stock_um), plate and well
    #[arg(long, value_name = "CONCENTRATION|FILE", requires = "transfer")]
    stock: Option<String>,
    /// Volume of a well in µL
    #[arg(long, value_name = "UL", default_value = "50", value_parser = above_zero)]
    volume: f64,
    /// Step of the liquid handler in nL: volumes are multiples of it
    #[arg(long, value_name = "NL", default_value = "2.5", value_parser = above_zero)]
    step: f64,
    /// Most solvent in a well, in percent of its volume
    #[arg(long, value_name = "PERCENT", default_value = "0.5", value_parser = above_zero)]
    most_solvent: f64,
    /// Print one JSON object per line on stdout
    #[arg(long)]
    json: bool,
}

impl PlanPlateArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let path = match self.ranking.is_dir() {
            true => Artifact::Ranking.path_in(&self.ranking),
            false => self.ranking.clone(),
        };
        if !path.exists() && self.ranking.is_dir() {
            let message = format!(
                "{} has no ranking; give it a target, and write one: cytonaut rank {} --target QUERY --out ranking.parquet",
                self.ranking.display(),
                self.ranking.display()
            );
            return Err(AskedWrongly(message).into());
        }
        let ranking = Ranking::read(&path).map_err(StudyError::from)?;
        let request = PlateRequest {
            n_wells: self.plate,
            replicates: self.replicates,
            confirm: self.confirm,
            new: self.new,
            controls: self.controls,
            uses_edge: self.use_edge,
            name: self.name.clone(),
            seed: self.seed,
        };
        let plan = PlatePlan::of(&ranking, &request).map_err(StudyError::from)?;
        let table = plan.table(&self.control);
        let moved = match (&self.transfer, &self.stock) {
            (Some(path), Some(stock)) => {
                let dispensing = Dispensing {
                    stocks: stocks(stock)?,
                    well_ul: self.volume,
                    step_nl: self.step,
                    most_solvent: self.most_solvent / 100.0,
                    solvent: self.control.clone(),
                };
                Some((path, dispensing.transfers(&plan).map_err(StudyError::from)?))
            }
            _ => None,
        };
        let mut text = match self.json {
            true => String::new(),
            false => plan.render(),
        };
        if let Some(path) = &self.out {
            table.write(path)?;
            text += &said(self.json, "wells", plan.wells.len(), path);
        }
        if let Some((path, transfers)) = moved {
            transfer_table(&transfers).write(path)?;
            text += &said(self.json, "transfers", transfers.len(), path);
        }
        if self.json {
            text = plan.json_lines(&self.control) + &text;
        } else if self.out.is_none() {
            text += "\nwrite the plate map with --out plate.csv\n";
        }
        print(&text)
    }
}

fn said(json: bool, things: &str, n: usize, path: &std::path::Path) -> String {
    match json {
        true => serde_json::json!({ "type": "written", "what": things, "rows": n, "file": path }).to_string() + "\n",
        false => format!("\n{n} {things}: {}\n", path.display()),
    }
}

/// A concentration, or a table of stocks.
fn stocks(text: &str) -> anyhow::Result<Stocks> {
    let path = PathBuf::from(text);
    if path.exists() {
        return Ok(Stocks::Listed(read_stocks(&path).map_err(StudyError::from)?));
    }
    let number = text.trim_end_matches(|c: char| c.is_alphabetic() || c == 'µ').trim();
    let unit = text[number.len()..].trim();
    let factor = crate::screen::DoseUnit::parse(unit).and_then(|unit| unit.in_micromolar(None));
    let concentration =
        number.parse::<f64>().ok().zip(factor).and_then(|(number, factor)| Micromolar::new(number * factor));
    concentration.map(Stocks::Of).ok_or_else(|| {
        let message = format!("--stock {text}: neither a file nor a concentration with its unit, as in 10mM");
        AskedWrongly(message).into()
    })
}
