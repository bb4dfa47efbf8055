//! Files of responses, measured or predicted, by whomever: rows of features, each with what was done.
//!
//! ```text
//! predicted.parquet     perturbation  STAT1   IRF1            predicted.h5ad   obs: target_gene, cell_type
//!                       STAT1         0.02    0.71                             var: the genes
//!                       control       0.88    1.04                             X: a row for each cell or perturbation
//! ```
//!
//! A row is a cell, a well or the mean of all that received one perturbation. Several columns may say together what was done
//! (`compound,dose_um`). Features are the genes of a matrix, and of a table its columns of numbers as for any screen. Nothing
//! is pooled here: [`Responses::visit`] hands out the values of the rows that are asked for, so that no file is held whole.

mod columns;
mod table;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use self::columns::Named;
use super::annotated::{Annotated, Scale};
use super::error::{LoadError, Place};
use super::format;
use super::inputs::file_name;
use super::part;
use super::vehicle::{Standing, standing};
use crate::table::first_few;

/// What a user says of the columns of files of responses; `None` leaves it to their names.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ResponseColumns {
    /// The columns that say together what was done.
    pub perturbation: Option<Vec<String>>,
    /// The column of cell lines or donors; empty for none.
    pub context: Option<String>,
    /// Names of the control.
    pub controls: Vec<String>,
    /// What the values are.
    pub scale: Option<Scale>,
}

/// What was done to the cells of some rows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Response {
    /// Cell line or donor; empty where no column says so.
    pub context: String,
    /// What was done, in the words of the file; of several columns joined by ` | `.
    pub name: String,
    /// The value of the first of these columns: the perturbation without its dose.
    pub perturbation: String,
    /// Whether it is the control.
    pub is_control: bool,
}

/// An open file of responses.
pub struct Responses {
    /// The file.
    pub path: PathBuf,
    /// Names of the features.
    pub features: Vec<String>,
    /// What rows have received, sorted.
    pub responses: Vec<Response>,
    /// Which of them each row has received; `None` for rows without a name.
    pub of_row: Vec<Option<u32>>,
    /// What the values are.
    pub scale: Scale,
    /// The column of contexts, if there is one.
    pub context_column: Option<String>,
    /// What there is to say of how the file was read.
    pub notes: Vec<String>,
    values: Annotated,
}

impl Responses {
    /// Opens a file.
    ///
    /// # Errors
    /// If it is damaged, no column says what was done, there are no features, or the scale of the values is open.
    pub fn open(path: &Path, columns: &ResponseColumns) -> Result<Self, LoadError> {
        let is_matrix = format::is_matrix(path)?;
        let (values, named) = match is_matrix {
            false => table::open(path, columns)?,
            true => {
                let values = Annotated::open(path)?;
                let named = Named::of(path, &values.columns()?, columns, |column| values.column(column))?;
                (values, named)
            }
        };
        if values.n_rows() == 0 {
            return Err(LoadError::NoRows { path: path.to_path_buf() });
        }
        let name = file_name(part::file_of(path));
        let (scale, why) = scale_of(path, &values, is_matrix, columns)?;
        let mut notes = vec![format!("{name}: {}; the values are {} ({why})", named.words, in_words(scale))];
        let (responses, of_row) = responses(&named, &columns.controls);
        let n_unnamed = of_row.iter().filter(|of| of.is_none()).count();
        if n_unnamed > 0 {
            notes.push(format!("{name}: {n_unnamed} rows name no perturbation and are left out"));
        }
        Ok(Self {
            path: path.to_path_buf(),
            features: values.features.clone(),
            responses,
            of_row,
            scale,
            context_column: named.context_column,
            notes,
            values,
        })
    }

    /// Names of the control, of all contexts.
    pub fn controls(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for response in self.responses.iter().filter(|response| response.is_control) {
            if !names.contains(&response.name.as_str()) {
                names.push(&response.name);
            }
        }
        names
    }

    /// That there is no control.
    pub fn without_control(&self) -> LoadError {
        let mut names: Vec<&String> = self.responses.iter().map(|response| &response.name).collect();
        names.dedup();
        LoadError::Responses {
            path: self.path.clone(),
            problem: format!(
                "no row is a control by its name, and effects are differences from it; give its name with \
                 `--control NAME`; the file names {}",
                first_few(&names, 6)
            ),
        }
    }

    /// What the values are, in words.
    pub fn scale_in_words(&self) -> &'static str {
        in_words(self.scale)
    }

    /// Values of a row that are not zero, at most.
    pub fn most_values(&self, row: usize) -> usize {
        self.values.most_values(row)
    }

    /// Hands every value that is not zero to `each`, with its row and the place of its feature, of the rows that `is_wanted`
    /// accepts.
    ///
    /// # Errors
    /// If the file is damaged, or a value is not a finite number.
    pub fn visit(
        &self,
        is_wanted: &dyn Fn(usize) -> bool,
        mut each: impl FnMut(usize, usize, f32),
    ) -> Result<(), LoadError> {
        let mut wrong: Option<(usize, usize, f32)> = None;
        self.values.visit_rows(is_wanted, |row, column, value| match value.is_finite() {
            true => each(row, column, value),
            false => {
                wrong.get_or_insert((row, column, value));
            }
        })?;
        match wrong {
            None => Ok(()),
            Some((row, column, value)) => Err(LoadError::Cell {
                place: Place { path: self.path.clone(), line: row + 2 },
                column: self.features[column].clone(),
                found: value.to_string(),
                expected: "a finite number; fill it in, or leave out the row or the feature",
            }),
        }
    }
}

fn in_words(scale: Scale) -> &'static str {
    match scale {
        Scale::Counts => "counts",
        Scale::Log1p => "logarithms of normalized counts",
        Scale::AsIs => "neither counts nor their logarithms",
    }
}

/// What the values are, and why.
fn scale_of(
    path: &Path,
    values: &Annotated,
    is_matrix: bool,
    columns: &ResponseColumns,
) -> Result<(Scale, &'static str), LoadError> {
    if let Some(scale) = columns.scale {
        return Ok((scale, "as `--scale` says"));
    }
    let sample = values.sample()?;
    match Scale::of(&sample, values.is_marked_as_log) {
        Some(found) => Ok(found),
        // Profiles of images are on any scale.
        None if !is_matrix => Ok((Scale::AsIs, "they are on a scale of their own")),
        None => Err(LoadError::Responses {
            path: path.to_path_buf(),
            problem: format!(
                "the values in `{}` are neither whole numbers nor logarithms; say what they are with `--scale counts`, \
                 `--scale log1p` or `--scale as_is`",
                values.place
            ),
        }),
    }
}

/// The distinct responses, sorted, and that of each row.
fn responses(named: &Named, controls: &[String]) -> (Vec<Response>, Vec<Option<u32>>) {
    let is_control = control_rule(named, controls);
    let mut keys = BTreeMap::<(&str, &str), (&str, u32)>::new();
    let rows = || (0..named.names.len()).filter_map(|row| Some((row, named.names[row].as_ref()?)));
    for (row, (name, first)) in rows() {
        keys.insert((named.contexts[row].as_str(), name.as_str()), (first.as_str(), 0));
    }
    for (number, key) in (0..).zip(keys.values_mut()) {
        key.1 = number;
    }
    let mut of_row = vec![None; named.names.len()];
    for (row, (name, _)) in rows() {
        of_row[row] = Some(keys[&(named.contexts[row].as_str(), name.as_str())].1);
    }
    let response = |(&(context, name), &(perturbation, _)): (&(&str, &str), &(&str, u32))| Response {
        context: context.to_owned(),
        name: if is_control(perturbation) { perturbation.to_owned() } else { name.to_owned() },
        perturbation: perturbation.to_owned(),
        is_control: is_control(perturbation),
    };
    let responses = keys.iter().map(response).collect();
    (responses, of_row)
}

/// Which perturbations are the control: those that the user names, else clear names, else short ones.
fn control_rule<'a>(named: &'a Named, controls: &'a [String]) -> impl Fn(&str) -> bool + 'a {
    let has =
        |wanted: Standing| named.names.iter().flatten().any(|(_, perturbation)| standing(perturbation) == Some(wanted));
    let usual = if has(Standing::Control) { Standing::Control } else { Standing::Short };
    move |perturbation: &str| match controls {
        [] => standing(perturbation) == Some(usual),
        controls => controls.iter().any(|control| control == perturbation),
    }
}

#[cfg(test)]
mod tests;
