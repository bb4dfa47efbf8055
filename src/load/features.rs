//! Which columns are features: the declared globs, or else a rule by name and type.
//!
//! Where any numeric column begins with a compartment of CellProfiler, features are the numeric columns that do; else they
//! are the numeric columns without another role that are not called `Metadata_…` and do not merely count rows. A column
//! counts as numeric if most of its cells are numbers; a cell that then is none is an error of the file.

use std::collections::BTreeSet;
use std::path::Path;

use super::card::Card;
use super::error::LoadError;
use super::mapping::{Mapping, plain};
use super::table::ColumnSketch;

impl Mapping {
    /// Finds the feature columns among `sketches`, the columns of the profile tables; `claimed` are no candidates.
    ///
    /// # Errors
    /// If there is none, or a declared glob is malformed or matches no column.
    pub(super) fn find_features(
        &mut self,
        path: &Path,
        sketches: &[ColumnSketch],
        claimed: &BTreeSet<String>,
        card: &Card,
    ) -> Result<(), LoadError> {
        let declared = patterns(card, &card.features)?;
        let excluded = patterns(card, &card.exclude_features)?;
        let mapped: BTreeSet<&str> = self.columns.iter().map(|mapped| mapped.column.as_str()).collect();
        for pattern in &declared {
            if !sketches.iter().any(|sketch| pattern.matches(&sketch.name)) {
                return Err(LoadError::MissingColumn {
                    path: path.to_path_buf(),
                    column: pattern.to_string(),
                    mend: "no column matches this glob of `features`".to_owned(),
                });
            }
        }
        let is_numeric = |sketch: &ColumnSketch| sketch.n_numbers > sketch.n_texts;
        let is_compartment = |name: &str| {
            ["Cells_", "Nuclei_", "Cytoplasm_", "Image_"].iter().any(|prefix| name.starts_with(prefix))
                && !name.starts_with("Image_Metadata_")
        };
        let has_compartments = sketches.iter().any(|sketch| is_compartment(&sketch.name) && is_numeric(sketch));
        let is_feature = |sketch: &&ColumnSketch| {
            let name = sketch.name.as_str();
            if mapped.contains(name) || excluded.iter().any(|pattern| pattern.matches(name)) {
                return false;
            }
            match (declared.is_empty(), has_compartments) {
                (false, _) => declared.iter().any(|pattern| pattern.matches(name)),
                (true, true) => is_compartment(name) && is_numeric(sketch),
                (true, false) => {
                    is_numeric(sketch)
                        && !name.starts_with("Metadata_")
                        && !name.starts_with("Image_Metadata_")
                        && !claimed.contains(name)
                        && !is_index(name)
                }
            }
        };
        self.features = sketches.iter().filter(is_feature).map(|sketch| sketch.name.clone()).collect();
        self.features_why = match (declared.is_empty(), has_compartments) {
            (false, _) => format!("columns that match {}", card.features.join(", ")),
            (true, true) => {
                let is_other = |sketch: &&ColumnSketch| {
                    let name = sketch.name.as_str();
                    let is_free = !mapped.contains(name) && !claimed.contains(name) && !name.starts_with("Metadata_");
                    is_numeric(sketch) && is_free && !is_compartment(name) && !is_index(name)
                };
                let rule = "numeric columns that begin with Cells_, Nuclei_, Cytoplasm_ or Image_";
                match sketches.iter().filter(is_other).count() {
                    0 => rule.to_owned(),
                    n => format!("{rule}; {n} other numeric columns are labels unless named in `features`"),
                }
            }
            (true, false) => "numeric columns without another role".to_owned(),
        };
        if self.features.is_empty() {
            return Err(LoadError::NoFeatures { path: path.to_path_buf() });
        }
        Ok(())
    }
}

/// Columns that count rows or name objects; numbers, but no measurements.
fn is_index(name: &str) -> bool {
    let name = plain(name);
    let usual = ["index", "id", "row", "column", "col", "well_row", "well_col", "well_column", "unnamed: 0"];
    let usual_numbers = ["imagenumber", "objectnumber", "tablenumber"];
    usual.contains(&name.as_str()) || usual_numbers.contains(&name.as_str()) || name.ends_with("_id")
}

fn patterns(card: &Card, globs: &[String]) -> Result<Vec<glob::Pattern>, LoadError> {
    let parse = |text: &String| {
        glob::Pattern::new(text).map_err(|error| LoadError::Card {
            path: card.path.clone(),
            message: format!("`{text}` is not a glob on column names: {error}"),
        })
    };
    globs.iter().map(parse).collect()
}
