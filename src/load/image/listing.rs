//! What every layout yields: rows of metadata, each with the planes it names.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::settings::Layout;
use crate::load::table::{RawColumn, RawTable, RowPlace, Values};
use crate::screen::{Plane, Selector, Time};

/// Rows as a layout finds them; several rows may be one site, which [`assemble`](super::assemble) brings together.
#[derive(Debug)]
pub(super) struct Listing {
    pub layout: Layout,
    /// Text columns under the names of their roles (`plate`, `well`, `site`) or of the sheet.
    pub table: RawTable,
    /// One for each row of `table`.
    pub rows: Vec<Row>,
    /// Channels in the order of the files; those not listed follow by name.
    pub channel_order: Vec<String>,
    /// Columns that are paths, channels, frames and the like, and so neither labels nor roles.
    pub used: BTreeSet<String>,
    /// Files that were read, sheets and indices.
    pub inputs: Vec<PathBuf>,
    pub notes: Vec<String>,
    /// Records that name no image, with the reason.
    pub n_skipped: Vec<(String, usize)>,
}

/// What one row of a listing shows.
#[derive(Debug, Clone, Default)]
pub(super) struct Row {
    pub planes: Vec<Listed>,
    pub time: Option<Time>,
    pub pixel_um: Option<f64>,
    pub mask: Option<Plane>,
}

/// A plane with its place in the stack.
#[derive(Debug, Clone)]
pub(super) struct Listed {
    pub channel: String,
    pub z: i64,
    pub plane: Plane,
    pub named: Named,
}

/// What a layout names; the rest is told by the file, where [`expand`](super::expand) looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    /// A file.
    File,
    /// A page of a file, and not its samples.
    Page,
    /// One sample of one page, or a plane of an array.
    Plane,
}

impl Listed {
    /// A plane of which the layout tells all.
    pub fn plane(channel: String, z: i64, plane: Plane) -> Self {
        Self { channel, z, plane, named: Named::Plane }
    }

    /// A file with all that is in it.
    pub fn file(channel: String, z: i64, path: impl Into<PathBuf>) -> Self {
        Self { channel, z, plane: Plane::first_of(path), named: Named::File }
    }

    /// A page of a file, counted from 0.
    pub fn page(channel: String, path: PathBuf, page: u32) -> Self {
        let plane = Plane { path, selector: Selector::Page { page, sample: 0 } };
        Self { channel, z: 0, plane, named: Named::Page }
    }
}

/// Most planes of one image; a header may claim any number.
pub(super) const MAX_PLANES: u64 = 1 << 22;

/// A table that a layout writes row by row.
pub(super) struct Writer {
    names: Vec<&'static str>,
    columns: Vec<Vec<Option<String>>>,
    places: Vec<RowPlace>,
    path: PathBuf,
}

impl Writer {
    pub fn new(path: &Path, names: &[&'static str]) -> Self {
        let columns = names.iter().map(|_| Vec::new()).collect();
        Self { names: names.to_vec(), columns, places: Vec::new(), path: path.to_path_buf() }
    }

    pub fn push<const N: usize>(&mut self, line: usize, values: [String; N]) {
        for (column, value) in self.columns.iter_mut().zip(values) {
            column.push((!value.is_empty()).then_some(value));
        }
        self.places.push(RowPlace { path: 0, line: line as u32 });
    }

    pub fn finish(self) -> RawTable {
        // Where no row has a well, there is no column of wells.
        let columns = self.names.into_iter().zip(self.columns).filter(|(_, values)| values.iter().any(Option::is_some));
        let columns = columns.map(|(name, values)| RawColumn { name: name.to_owned(), values: Values::Text(values) });
        RawTable { columns: columns.collect(), rows: self.places, paths: vec![self.path] }
    }
}

/// The rows of a table at these positions, which may stand several times.
pub(super) fn repeated(table: &RawTable, rows: &[usize]) -> RawTable {
    fn chosen<T: Clone>(values: &[T], rows: &[usize]) -> Vec<T> {
        rows.iter().map(|&row| values[row].clone()).collect()
    }
    let columns = table.columns.iter().map(|column| RawColumn {
        name: column.name.clone(),
        values: match &column.values {
            Values::Text(values) => Values::Text(chosen(values, rows)),
            Values::Number(values) => Values::Number(chosen(values, rows)),
        },
    });
    RawTable { columns: columns.collect(), rows: chosen(&table.rows, rows), paths: table.paths.clone() }
}

/// Compares texts such that runs of digits count as numbers: `s2` before `s10`.
pub(super) fn natural(a: &str, b: &str) -> std::cmp::Ordering {
    use std::cmp::Ordering;
    let (mut left, mut right) = (a.as_bytes(), b.as_bytes());
    while let (Some(&first), Some(&second)) = (left.first(), right.first()) {
        if first.is_ascii_digit() && second.is_ascii_digit() {
            let digits = |bytes: &[u8]| bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
            let (m, n) = (digits(left), digits(right));
            let trimmed =
                |bytes: &[u8]| -> Vec<u8> { bytes.iter().copied().skip_while(|&byte| byte == b'0').collect() };
            let (one, other) = (trimmed(&left[..m]), trimmed(&right[..n]));
            match one.len().cmp(&other.len()).then_with(|| one.cmp(&other)) {
                Ordering::Equal => (left, right) = (&left[m..], &right[n..]),
                order => return order,
            }
        } else if first == second {
            (left, right) = (&left[1..], &right[1..]);
        } else {
            return first.cmp(&second);
        }
    }
    left.len().cmp(&right.len()).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    use super::natural;

    #[test]
    fn numbers_in_texts_count() {
        let mut texts = vec!["s10", "s2", "s02", "t1", "s", "s2a"];
        texts.sort_by(|a, b| natural(a, b));
        assert_eq!(texts, ["s", "s02", "s2", "s2a", "s10", "t1"]);
    }
}
