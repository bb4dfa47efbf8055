//! RxRx1: a folder with `metadata.csv` and the tree of its images.
//!
//! ```text
//! metadata.csv: site_id,well_id,cell_type,dataset,experiment,plate,well,site,well_type,sirna,sirna_id
//!               HUVEC-01_1_B02_1,HUVEC-01_1_B02,HUVEC,train,HUVEC-01,1,B02,1,treatment,s20894,1108
//! images/HUVEC-01/Plate1/B02_s1_w1.png       or images/train/HUVEC-01/Plate1/B02_s1_w1.png
//! ```
//!
//! A plate is an experiment and a number, since numbers repeat. Channels 1 to 6 are nucleus, ER, actin, nucleoli,
//! mitochondria and Golgi. The columns `well_type` and `sirna` say role and perturbation, the experiment is the lab
//! batch.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::listing::{Listed, Listing, Row};
use super::settings::Layout;
use super::sheet::required;
use crate::load::error::LoadError;
use crate::load::format;
use crate::load::table::{RawColumn, Values};
use crate::screen::Plane;

/// Channels in the order of their numbers: Hoechst, ConA, phalloidin, SYTO 14, MitoTracker, WGA.
const CHANNELS: [&str; 6] = ["nucleus", "ER", "actin", "nucleoli", "mitochondria", "Golgi"];

/// The sites that the metadata names.
pub(super) fn list(folder: &Path) -> Result<Listing, LoadError> {
    let sheet = folder.join("metadata.csv");
    let mut table = format::read(&sheet, &BTreeSet::new())?;
    let text = |column: &str, row: usize| required(&table, column, row, "a value");
    let is_name = |text: &str| !text.is_empty() && !text.contains(['/', '\\']) && !text.starts_with('.');
    let mut rows: Vec<Row> = Vec::with_capacity(table.n_rows());
    let mut plates = Vec::with_capacity(table.n_rows());
    for row in 0..table.n_rows() {
        let (experiment, plate) = (text("experiment", row)?, text("plate", row)?);
        let (well, site) = (text("well", row)?, text("site", row)?);
        if let Some(wrong) = [experiment, plate, well, site].into_iter().find(|text| !is_name(text)) {
            return Err(LoadError::ImageSheet {
                place: table.place(row),
                message: format!(
                    "`{wrong}` cannot be part of a path; expected the name of an experiment, plate, well or site"
                ),
            });
        }
        let dataset = table.text("dataset").and_then(|values| values[row].as_deref()).filter(|text| is_name(text));
        let folder = folder_of(folder, dataset, experiment).join(format!("Plate{plate}"));
        let planes = CHANNELS.iter().enumerate().map(|(index, channel)| {
            let file = folder.join(format!("{well}_s{site}_w{}.png", index + 1));
            Listed::plane((*channel).to_owned(), 0, Plane::first_of(file))
        });
        rows.push(Row { planes: planes.collect(), ..Row::default() });
        plates.push(Some(format!("{experiment}/Plate{plate}")));
    }
    for column in &mut table.columns {
        match column.name.as_str() {
            "plate" => column.values = Values::Text(std::mem::take(&mut plates)),
            "experiment" => column.name = "lab_batch".to_owned(),
            _ => {}
        }
    }
    let kinds = vec![Some("rnai".to_owned()); table.n_rows()];
    table.columns.retain(|column| column.name != "kind");
    table.columns.push(RawColumn { name: "kind".to_owned(), values: Values::Text(kinds) });
    Ok(Listing {
        layout: Layout::Rxrx1,
        table,
        rows,
        channel_order: CHANNELS.iter().map(|channel| (*channel).to_owned()).collect(),
        used: BTreeSet::from(["site_id".to_owned(), "well_id".to_owned()]),
        inputs: vec![sheet],
        notes: Vec::new(),
        n_skipped: Vec::new(),
    })
}

/// The folder of an experiment, with or without the data set above it.
fn folder_of(folder: &Path, dataset: Option<&str>, experiment: &str) -> PathBuf {
    let images = folder.join("images");
    let nested = dataset.map(|dataset| images.join(dataset).join(experiment)).filter(|nested| nested.is_dir());
    nested.unwrap_or_else(|| images.join(experiment))
}
