//! Matrices of the Connectivity Map: GCT as text, plain or gzipped, and GCTX as HDF5. A row here is a sample.
//!
//! ```text
//! #1.3                                  #1.2
//! 978  377  11  35                      5     3
//! id      pr_gene_symbol  S1    S2      NAME  Description  S1    S2
//! pert_id na              BRD1  BRD2    g1    a kinase     280   271
//! g1      PSME1           11.3  11.4
//! ```
//!
//! The second line has the numbers of genes and samples, and in 1.3 of the columns that describe genes and the lines that
//! describe samples. In GCTX, `0/DATA/0/matrix` is [sample, gene], and `0/META/COL` and `0/META/ROW` describe samples and
//! genes, each with its `id`. A value of -666 in a description is missing.

use std::path::Path;

use super::super::error::LoadError;
use super::super::hdf5::Hdf5;
use super::super::table::{RawColumn, Values, present};
use super::frame::told_apart;
use super::lines::Lines;
use super::matrix::Matrix;
use super::{Annotated, Rows, Stored};

/// How a missing value is written in descriptions.
const MISSING: &str = "-666";

/// Where GCTX has its values, and what describes them.
const MATRIX: &str = "0/DATA/0/matrix";
const SAMPLES: &str = "0/META/COL";
const GENES: &str = "0/META/ROW";

/// Whether an HDF5 file is GCTX.
pub(super) fn is_gctx(file: &Hdf5) -> bool {
    file.is_dataset(MATRIX)
}

/// # Errors
/// If the file is damaged.
pub(super) fn open_gctx(file: Hdf5) -> Result<Annotated, LoadError> {
    let mut columns = Vec::new();
    for name in file.children(SAMPLES) {
        let values = file.dataset(&format!("{SAMPLES}/{name}"))?.values()?;
        let cells = (0..values.len()).map(|row| described(&values.text(row).unwrap_or_default())).collect();
        columns.push((name, cells));
    }
    let genes = file.dataset(&format!("{GENES}/id"))?.values()?;
    let genes: Vec<String> = (0..genes.len()).map(|gene| genes.text(gene).unwrap_or_default()).collect();
    let n_samples = file.dataset(&format!("{SAMPLES}/id"))?.len();
    if let Some((name, cells)) = columns.iter().find(|(_, cells): &&(String, Vec<_>)| cells.len() != n_samples) {
        let message = format!("it has {} values for {n_samples} samples", cells.len());
        return Err(file.damaged(&format!("{SAMPLES}/{name}"), &message));
    }
    let matrix = Matrix::of(&file, MATRIX, n_samples, genes.len())?;
    Ok(of_samples(columns, genes, MATRIX, Stored::InFile { file, matrix }))
}

/// # Errors
/// If the text is not GCT, or a line has too few or too many fields.
pub(super) fn open(path: &Path) -> Result<Annotated, LoadError> {
    let mut lines = Lines::open(path)?;
    let version = lines.next()?.unwrap_or_default().trim().to_owned();
    let numbers: Vec<usize> =
        lines.next()?.unwrap_or_default().split_ascii_whitespace().filter_map(|text| text.parse().ok()).collect();
    let (n_genes, n_samples, n_of_genes, n_of_samples) = match (version.as_str(), numbers.as_slice()) {
        ("#1.2", &[genes, samples]) => (genes, samples, 1, 0),
        ("#1.3", &[genes, samples, of_genes, of_samples]) => (genes, samples, of_genes, of_samples),
        _ => return Err(lines.wrong(&format!("{version}, {numbers:?}"), "#1.2 with two numbers, or #1.3 with four")),
    };
    let n_fields = 1usize.saturating_add(n_of_genes).saturating_add(n_samples);
    let row = |lines: &mut Lines| -> Result<Vec<String>, LoadError> {
        let fields: Option<Vec<String>> =
            lines.next()?.map(|line| line.split('\t').map(|field| field.trim().to_owned()).collect());
        let fields = fields.unwrap_or_default();
        // Spreadsheets add tabs at the ends of lines.
        let is_blank = fields.len() > n_fields && fields[n_fields..].iter().all(String::is_empty);
        match fields.len() == n_fields || is_blank {
            true => Ok(fields.into_iter().take(n_fields).collect()),
            false => Err(lines.wrong(&format!("{} fields", fields.len()), &format!("{n_fields}"))),
        }
    };
    let first_sample = 1 + n_of_genes;
    let ids = row(&mut lines)?.split_off(first_sample);
    let mut columns = vec![("id".to_owned(), ids.into_iter().map(Some).collect::<Vec<_>>())];
    for _ in 0..n_of_samples {
        let mut fields = row(&mut lines)?;
        let values = fields.split_off(first_sample).iter().map(|text| described(text)).collect();
        columns.push((std::mem::take(&mut fields[0]), values));
    }
    let (mut genes, mut by_gene) = (Vec::new(), Vec::<f32>::new());
    for _ in 0..n_genes {
        let fields = row(&mut lines)?;
        for text in &fields[first_sample..] {
            let number = match present(text).filter(|text| !text.eq_ignore_ascii_case("na")) {
                None => f32::NAN,
                Some(text) => text.parse().map_err(|_| lines.wrong(text, "a number"))?,
            };
            by_gene.push(number);
        }
        genes.extend(fields.into_iter().next());
    }
    let values = (0..n_samples).flat_map(|sample| (0..n_genes).map(move |gene| (sample, gene)));
    let values = values.map(|(sample, gene)| by_gene[gene * n_samples + sample]).collect();
    let held = Stored::Held { n_rows: n_samples, n_columns: n_genes, values };
    Ok(of_samples(columns, genes, "the matrix", held))
}

/// A cell of a description.
fn described(text: &str) -> Option<String> {
    let is_missing = text == MISSING || text == "-666.0" || text.eq_ignore_ascii_case("na");
    present(text).filter(|_| !is_missing).map(str::to_owned)
}

fn of_samples(
    columns: Vec<(String, Vec<Option<String>>)>,
    genes: Vec<String>,
    place: &str,
    values: Stored,
) -> Annotated {
    let (features, n_told_apart) = told_apart(genes);
    let column = |(name, cells)| RawColumn { name, values: Values::Text(cells) };
    Annotated {
        rows: Rows::Held(columns.into_iter().map(column).collect()),
        values,
        place: place.to_owned(),
        features,
        column_of: None,
        n_told_apart,
        others: Vec::new(),
        is_marked_as_log: false,
        is_of_samples: true,
    }
}
