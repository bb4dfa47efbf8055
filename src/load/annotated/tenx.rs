//! Matrices of Cell Ranger: cells with barcodes, and counts of genes.
//!
//! ```text
//! matrix/barcodes                     Cell Ranger 3 and later: one group for all
//! matrix/features/{id,name,feature_type}
//! matrix/{data,indices,indptr,shape}  by barcode, which is by row here; `shape` is (features, barcodes)
//! hg19/{barcodes,genes,gene_names}    Cell Ranger 2: a group for each genome, which a path names: cells.h5#hg19
//! hg19/{data,indices,indptr,shape}
//! ```
//!
//! Genes have the names that people know, and of these that occur again the second is numbered. What else was captured, as
//! guides or antibodies, is left out.

use super::super::error::LoadError;
use super::super::hdf5::Hdf5;
use super::super::table::{RawColumn, Values};
use super::frame::told_apart;
use super::matrix::Matrix;
use super::{Annotated, Rows, Stored};
use crate::table::first_few;

/// What genes are called among the types of features.
pub(super) const EXPRESSION: &str = "Gene Expression";

/// The column of barcodes.
pub(super) const BARCODE: &str = "barcode";

/// Whether a file is one of Cell Ranger's.
pub(super) fn is_tenx(file: &Hdf5) -> bool {
    !groups(file).is_empty()
}

fn groups(file: &Hdf5) -> Vec<String> {
    let is_of_barcodes = |group: &String| {
        ["barcodes", "indptr", "indices", "data"].iter().all(|name| file.is_dataset(&format!("{group}/{name}")))
    };
    file.children("").into_iter().filter(is_of_barcodes).collect()
}

/// # Errors
/// If the file is damaged, or has several genomes of which none is named.
pub(super) fn open(file: Hdf5, genome: Option<&str>) -> Result<Annotated, LoadError> {
    let groups = groups(&file);
    let group = match (genome, groups.as_slice()) {
        (Some(genome), _) if groups.iter().any(|group| group == genome) => genome.to_owned(),
        (Some(genome), _) => {
            return Err(file.damaged("", &format!("no genome `{genome}`; there are {}", first_few(&groups, 12))));
        }
        (None, [one]) => one.clone(),
        (None, several) => {
            let message = format!("it has the genomes {}; name one behind `#`", first_few(several, 12));
            return Err(file.damaged("", &message));
        }
    };
    let at = |name: &str| format!("{group}/{name}");
    let texts = |name: &str| file.dataset(&at(name))?.texts();
    let barcodes = texts("barcodes")?;
    let is_old = file.is_dataset(&at("gene_names"));
    let names = texts(if is_old { "gene_names" } else { "features/name" })?;
    let is_expression = match file.is_dataset(&at("features/feature_type")) {
        true => texts("features/feature_type")?.iter().map(|kind| kind == EXPRESSION).collect(),
        false => vec![true; names.len()],
    };
    if is_expression.len() != names.len() {
        let message = format!("it has {} values for {} names", is_expression.len(), names.len());
        return Err(file.damaged(&at("features/feature_type"), &message));
    }
    if file.is_dataset(&at("shape")) {
        let shape = file.dataset(&at("shape"))?;
        let claimed = shape.integers(0..shape.len())?;
        if claimed != [names.len() as i64, barcodes.len() as i64] {
            let message = format!("it is {claimed:?}, expected [{}, {}]", names.len(), barcodes.len());
            return Err(shape.damaged(&message));
        }
    }
    let matrix = Matrix::by_row(&file, &group, barcodes.len(), names.len())?;
    Ok(of_cells(barcodes, names, is_expression, at("data"), Stored::InFile { file, matrix }))
}

/// Cells by their barcodes, with the features that are genes.
pub(super) fn of_cells(
    barcodes: Vec<String>,
    names: Vec<String>,
    is_expression: Vec<bool>,
    place: String,
    values: Stored,
) -> Annotated {
    let (names, n_told_apart) = told_apart(names);
    let n_others = is_expression.iter().filter(|is| !**is).count();
    let mut next = 0u32;
    let mut column = |is: &bool| {
        is.then(|| {
            next += 1;
            next - 1
        })
    };
    let column_of: Vec<Option<u32>> = is_expression.iter().map(&mut column).collect();
    let features = names.into_iter().zip(&is_expression).filter(|(_, is)| **is).map(|(name, _)| name).collect();
    let values_of = barcodes.into_iter().map(Some).collect();
    Annotated {
        rows: Rows::Held(vec![RawColumn { name: BARCODE.to_owned(), values: Values::Text(values_of) }]),
        values,
        place,
        features,
        column_of: (n_others > 0).then_some(column_of),
        n_told_apart,
        others: Vec::new(),
        is_marked_as_log: false,
        is_of_samples: false,
    }
}
