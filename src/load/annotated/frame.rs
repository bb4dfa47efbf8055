//! The tables of an AnnData file that describe its rows (`obs`) and its columns (`var`), in every encoding since anndata 0.5.
//!
//! ```text
//! obs/                     group; attribute `_index` names the column of row names
//!   _index                 texts
//!   condition/             categorical: `codes` (-1 is missing) and `categories`
//!   n_counts               numbers, truth values or texts
//!   dose/                  nullable: `values` and `mask` (true is missing)
//!   __categories/line      before 0.8: the categories of the codes in obs/line
//! obs                      before 0.7: one dataset of records, with `uns/line_categories`
//! ```

use std::collections::BTreeSet;

use super::super::error::LoadError;
use super::super::hdf5::{Element, Hdf5, Values};
use super::super::table::present;

/// Where the categories of codes lie in files before 0.8.
const CATEGORIES: &str = "__categories";

/// A table of an AnnData file.
pub(super) struct Frame<'a> {
    file: &'a Hdf5,
    place: String,
    is_of_records: bool,
    /// The column of row names.
    index: String,
}

impl<'a> Frame<'a> {
    /// The table at a place of the file.
    ///
    /// # Errors
    /// If there is none, or nothing names its rows.
    pub fn of(file: &'a Hdf5, place: &str) -> Result<Self, LoadError> {
        if file.is_group(place) {
            let named = file.attribute(place, "_index").filter(|name| !name.is_empty());
            let usual = || ["_index", "index"].into_iter().find(|name| file.is_dataset(&format!("{place}/{name}")));
            let index = named.or_else(|| usual().map(str::to_owned));
            let index = index
                .ok_or_else(|| file.damaged(place, "its attribute `_index`, which names the index, is missing"))?;
            return Ok(Self { file, place: place.to_owned(), is_of_records: false, index });
        }
        if !file.is_dataset(place) {
            return Err(file.damaged(place, "it is missing; expected the table of an AnnData file"));
        }
        let fields = file.dataset(place)?.fields();
        let index = fields.iter().find(|field| ["index", "_index"].contains(&field.as_str())).or(fields.first());
        let index = index.cloned().ok_or_else(|| file.damaged(place, "it holds single values, expected records"))?;
        Ok(Self { file, place: place.to_owned(), is_of_records: true, index })
    }

    /// Names of the rows.
    pub fn index(&self) -> Result<Vec<String>, LoadError> {
        let place = self.at(&self.index);
        let texts = self.column(&self.index)?.ok_or_else(|| self.file.damaged(&place, "it cannot be an index"))?;
        Ok(texts.into_iter().map(Option::unwrap_or_default).collect())
    }

    /// Names of the columns, without that of the row names.
    pub fn columns(&self) -> Result<Vec<String>, LoadError> {
        let names = match self.is_of_records {
            true => self.file.dataset(&self.place)?.fields(),
            false => self.file.children(&self.place),
        };
        Ok(names.into_iter().filter(|name| *name != self.index && name != CATEGORIES).collect())
    }

    fn at(&self, column: &str) -> String {
        format!("{}/{column}", self.place)
    }

    /// The values of a column as text, `None` where one is missing; `None` for a column of lists or the like.
    ///
    /// # Errors
    /// If the column is damaged.
    pub fn column(&self, name: &str) -> Result<Option<Vec<Option<String>>>, LoadError> {
        let place = self.at(name);
        if self.is_of_records {
            let Some(values) = self.file.dataset(&self.place)?.field(name)? else { return Ok(None) };
            let categories = format!("uns/{name}_categories");
            return match self.file.is_dataset(&categories) && matches!(values, Values::Integers(_)) {
                true => self.of_codes(&place, &values, &categories).map(Some),
                false => Ok(Some(texts(&values, None))),
            };
        }
        if self.file.is_group(&place) {
            let child = |name: &str| format!("{place}/{name}");
            if self.file.is_dataset(&child("codes")) {
                let codes = self.file.dataset(&child("codes"))?.values()?;
                return self.of_codes(&place, &codes, &child("categories")).map(Some);
            }
            if self.file.is_dataset(&child("mask")) {
                let (values, mask) =
                    (self.file.dataset(&child("values"))?.values()?, self.file.dataset(&child("mask"))?.values()?);
                let Values::Truths(mask) = mask else {
                    return Err(self.file.damaged(&child("mask"), "expected truth values"));
                };
                if mask.len() != values.len() {
                    let message = format!("it has {} values for {} of `values`", mask.len(), values.len());
                    return Err(self.file.damaged(&child("mask"), &message));
                }
                return Ok(Some(texts(&values, Some(&mask))));
            }
            return Ok(None);
        }
        let dataset = self.file.dataset(&place)?;
        if dataset.shape.len() != 1 || matches!(dataset.element, Element::Records | Element::Other(_)) {
            return Ok(None);
        }
        let values = dataset.values()?;
        let categories = format!("{}/{CATEGORIES}/{name}", self.place);
        match self.file.is_dataset(&categories) {
            true => self.of_codes(&place, &values, &categories).map(Some),
            false => Ok(Some(texts(&values, None))),
        }
    }

    fn of_codes(&self, place: &str, codes: &Values, categories: &str) -> Result<Vec<Option<String>>, LoadError> {
        let known = match self.file.is_group(categories) {
            // Categories that may be missing are stored as other columns that may be.
            true => self.file.dataset(&format!("{categories}/values"))?.values()?,
            false => self.file.dataset(categories)?.values()?,
        };
        let known = texts(&known, None);
        let Values::Integers(codes) = codes else {
            return Err(self.file.damaged(place, "its codes are not whole numbers"));
        };
        let text = |(row, &code): (usize, &i64)| match usize::try_from(code) {
            Err(_) if code == -1 => Ok(None),
            Ok(code) if code < known.len() => Ok(known[code].clone()),
            _ => {
                let message = format!(
                    "code {code} in row {row}, expected -1 to {} for its categories",
                    known.len().saturating_sub(1)
                );
                Err(self.file.damaged(place, &message))
            }
        };
        codes.iter().enumerate().map(text).collect()
    }
}

/// Values as a table writes them, without those that the mask leaves out.
fn texts(values: &Values, mask: Option<&[bool]>) -> Vec<Option<String>> {
    let text = |place: usize| match mask.is_some_and(|mask| mask[place]) {
        true => None,
        false => values.text(place).as_deref().and_then(present).map(str::to_owned),
    };
    (0..values.len()).map(text).collect()
}

/// Names told apart as anndata does: the second `MATR3` is `MATR3-1`; with how many were changed.
pub(super) fn told_apart(names: Vec<String>) -> (Vec<String>, usize) {
    let mut seen: BTreeSet<String> = names.iter().cloned().collect();
    let mut counts = std::collections::BTreeMap::<String, usize>::new();
    let mut n_changed = 0;
    let name = |name: String| {
        let count = counts.entry(name.clone()).or_default();
        *count += 1;
        if *count == 1 {
            return name;
        }
        let mut number = *count - 1;
        let mut apart = format!("{name}-{number}");
        while !seen.insert(apart.clone()) {
            number += 1;
            apart = format!("{name}-{number}");
        }
        n_changed += 1;
        apart
    };
    let names = names.into_iter().map(name).collect();
    (names, n_changed)
}
