//! Which columns say what was done, and to which cells.

use std::path::Path;

use super::super::error::LoadError;
use super::super::mapping::{ColumnRole, plain};
use super::ResponseColumns;
use crate::table::first_few;

/// Names of columns of perturbations beyond those that screens have: our own tables, and contests of virtual cells.
const FIRST: [&str; 1] = ["intervention"];
const LAST: [&str; 4] = ["target", "targets", "pert", "gene_target"];

/// What the columns say of each row.
pub(super) struct Named {
    /// What was done, and the value of the first column that says so.
    pub names: Vec<Option<(String, String)>>,
    /// The context; empty without a column.
    pub contexts: Vec<String>,
    /// The column of contexts.
    pub context_column: Option<String>,
    /// The columns in words.
    pub words: String,
}

type Texts = Option<Vec<Option<String>>>;

impl Named {
    /// Reads the columns of a file whose columns are called `names`.
    ///
    /// # Errors
    /// If none says what was done, or a column that the user names is absent.
    pub fn of(
        path: &Path,
        names: &[String],
        asked: &ResponseColumns,
        read: impl Fn(&str) -> Result<Texts, LoadError>,
    ) -> Result<Self, LoadError> {
        let perturbation = perturbation_columns(path, names, asked)?;
        let mut columns = Vec::new();
        for column in &perturbation {
            columns.push(read(column)?.ok_or_else(|| absent(path, column, names))?);
        }
        let context_column = context_column(path, names, asked)?;
        let contexts = match &context_column {
            Some(column) => read(column)?,
            None => None,
        };
        let n_rows = columns[0].len();
        let name = |row: usize| -> Option<(String, String)> {
            let first = columns[0][row].as_deref().map(whole)?;
            let parts: Vec<&str> = columns.iter().filter_map(|cells| cells[row].as_deref().map(whole)).collect();
            Some((parts.join(" | "), first.to_owned()))
        };
        let context = |row: usize| contexts.as_ref().and_then(|cells| cells[row].clone()).unwrap_or_default();
        let quoted = |names: &[String]| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" and ");
        let mut words = format!("perturbations are in {}", quoted(&perturbation));
        if let Some(column) = &context_column {
            words += &format!(", contexts in `{column}`");
        }
        Ok(Self {
            names: (0..n_rows).map(name).collect(),
            contexts: (0..n_rows).map(context).collect(),
            context_column,
            words,
        })
    }
}

/// `3` of `3.0`, as pandas writes the whole numbers of a column that holds fractions or gaps too.
fn whole(text: &str) -> &str {
    let whole = text.strip_suffix(".0").filter(|whole| !whole.is_empty() && whole.bytes().all(|b| b.is_ascii_digit()));
    whole.unwrap_or(text)
}

/// The columns that say what was done.
pub(super) fn perturbation_columns(
    path: &Path,
    names: &[String],
    asked: &ResponseColumns,
) -> Result<Vec<String>, LoadError> {
    if let Some(wanted) = &asked.perturbation {
        return match wanted.iter().find(|wanted| !names.contains(wanted)) {
            Some(column) => Err(absent(path, column, names)),
            None => Ok(wanted.clone()),
        };
    }
    let usual = FIRST.iter().chain(ColumnRole::Perturbation.usual_names()).chain(&LAST);
    let found = usual.into_iter().find_map(|word| names.iter().find(|name| plain(name) == *word));
    found.map(|found| vec![found.clone()]).ok_or_else(|| absent(path, "perturbation", names))
}

/// The column of cell lines or donors.
pub(super) fn context_column(
    path: &Path,
    names: &[String],
    asked: &ResponseColumns,
) -> Result<Option<String>, LoadError> {
    match asked.context.as_deref() {
        Some("") => Ok(None),
        Some(wanted) if names.iter().any(|name| name == wanted) => Ok(Some(wanted.to_owned())),
        Some(wanted) => Err(LoadError::MissingColumn {
            path: path.to_path_buf(),
            column: wanted.to_owned(),
            mend: format!("it has {}; name one with `--context COLUMN`, or none with `--context ''`", few(names)),
        }),
        None => {
            const USUAL: [&str; 5] = ["cell_line", "cell_type", "context", "donor", "donor_id"];
            let found = USUAL.iter().find_map(|word| names.iter().find(|name| plain(name) == *word));
            Ok(found.cloned())
        }
    }
}

fn absent(path: &Path, column: &str, names: &[String]) -> LoadError {
    LoadError::MissingColumn {
        path: path.to_path_buf(),
        column: column.to_owned(),
        mend: format!(
            "it has {}; name the one that says what was done with `--perturbation COLUMN` (several with commas)",
            few(names)
        ),
    }
}

fn few(names: &[String]) -> String {
    if names.is_empty() { "no columns but features".to_owned() } else { first_few(names, 6) }
}
