//! Lines above the header of a table: the name of an experiment, a date, what wrote the file.
//!
//! ```text
//! Screen 12 export
//! Date,2024-03-01
//! plate,well,compound,dose_um,f1,…        the header
//! ```
//!
//! They fill fewer than half as many cells as the header does, which is a line of names, one of them a usual one for a
//! column of a screen. Without such a line a table begins with its first line, so that no row is taken for a header.

use std::collections::BTreeSet;

use super::mapping::is_usual_name;

/// Lines among which the header is looked for.
pub(super) const LOOKED_AT: usize = 16;

/// How many of the first lines stand above the header, by their cells.
pub(super) fn n_above_header<'a>(lines: impl Iterator<Item = Vec<&'a str>>) -> usize {
    /// A header of fewer columns is not told from the lines above it.
    const FEWEST: usize = 3;
    let mut most_filled = 0;
    for (index, cells) in lines.take(LOOKED_AT).enumerate() {
        let filled: Vec<&str> = cells.into_iter().map(str::trim).filter(|cell| !cell.is_empty()).collect();
        let n_names = filled.iter().filter(|cell| cell.parse::<f64>().is_err()).count();
        let is_header = filled.len() >= FEWEST
            && 2 * most_filled < filled.len()
            && 2 * n_names > filled.len()
            && filled.iter().collect::<BTreeSet<_>>().len() == filled.len()
            && filled.iter().any(|name| is_usual_name(name));
        if is_header {
            return index;
        }
        most_filled = most_filled.max(filled.len());
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(lines: &[&str], expected: usize) {
        assert_eq!(n_above_header(lines.iter().map(|line| line.split(',').collect())), expected, "{lines:?}");
    }

    #[test]
    fn titles_fill_fewer_cells_than_the_header() {
        check(&["Screen 12", "Date,2024-03-01", "plate,well,compound,f1,f2", "P1,A01,DMSO,1,2"], 2);
        // As a spreadsheet pads them, and a blank line between.
        check(&["Screen 12,,,,", ",,,,", "plate,well,compound,f1,f2"], 2);
        check(&["plate,well,compound,f1", "P1,A01,DMSO,1"], 0);
    }

    #[test]
    fn a_row_is_no_header() {
        // Names are lacking in the first line; nothing in the second is a usual name of a column.
        check(&[",,compound", "P1,A01,DMSO"], 0);
        // A plate, drawn.
        check(&["Drug", ",1,2,3,4", "A,DMSO,taxol,DMSO,taxol"], 0);
        check(&["compound,dose", "DMSO,0"], 0);
    }
}
