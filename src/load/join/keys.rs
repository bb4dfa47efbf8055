//! Which rows of a sheet and of a table have the same key, as polars groups them.

use polars::prelude::{Column, DataFrame, GroupsIndicator, IntoColumn, NewChunkedArray, StringChunked};

/// A column of keys; `None` where a value is missing.
pub(super) type Part = Vec<Option<String>>;

/// What rows share with the rows of a sheet.
pub(super) struct SameKeys {
    /// For each row of the sheet, the first that has its key; `None` where a part of the key is missing.
    pub first: Vec<Option<usize>>,
    /// For each row of the table, the first row of the sheet that has its key.
    pub matches: Vec<Option<usize>>,
}

impl SameKeys {
    /// Compares the keys of a sheet with those of a table: the same parts in the same order.
    ///
    /// # Panics
    /// If the parts of a side have different lengths.
    pub fn of(sheet: &[Part], table: &[Part]) -> Self {
        let (n_sheet, n_table) = (sheet[0].len(), table[0].len());
        let names: Vec<String> = (0..sheet.len()).map(|index| index.to_string()).collect();
        let column = |((name, of_sheet), of_table): ((&String, &Part), &Part)| -> Column {
            let values = of_sheet.iter().chain(of_table).map(Option::as_deref);
            StringChunked::from_iter_options(name.as_str().into(), values).into_column()
        };
        let columns = names.iter().zip(sheet).zip(table).map(column).collect();
        let frame = DataFrame::new(n_sheet + n_table, columns).expect("parts of one length, each with its name");
        let grouped = frame.group_by_stable(&names).expect("the names are those of the columns");
        let mut found = Self { first: vec![None; n_sheet], matches: vec![None; n_table] };
        let mut add = |first: usize, row: usize| match row.checked_sub(n_sheet) {
            Some(row) => found.matches[row] = Some(first),
            None => found.first[row] = Some(first),
        };
        for group in grouped.get_groups().iter() {
            let first = group.first() as usize;
            if first >= n_sheet || sheet.iter().any(|part| part[first].is_none()) {
                continue;
            }
            match group {
                GroupsIndicator::Idx((_, rows)) => rows.iter().for_each(|&row| add(first, row as usize)),
                GroupsIndicator::Slice([_, length]) => (first..first + length as usize).for_each(|row| add(first, row)),
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_one_key_find_the_first_row_of_the_sheet_and_a_missing_part_finds_none() {
        let part = |texts: &[&str]| -> Part {
            texts.iter().map(|text| Some(text.to_string()).filter(|text| !text.is_empty())).collect()
        };
        let sheet = [part(&["P1", "P1", "P2", "P1", "", ""]), part(&["A01", "A02", "A01", "A01", "A01", "A01"])];
        let table = [part(&["P2", "P1", "", "P3", "P1"]), part(&["A01", "A01", "A01", "A01", ""])];
        let found = SameKeys::of(&sheet, &table);
        assert_eq!(found.first, [Some(0), Some(1), Some(2), Some(0), None, None]);
        assert_eq!(found.matches, [Some(2), Some(0), None, None, None]);
        // One key, sorted.
        let found = SameKeys::of(&[part(&["a", "a", "b"])], &[part(&["b", "b", "c"])]);
        assert_eq!((found.first, found.matches), (vec![Some(0), Some(0), Some(2)], vec![Some(2), Some(2), None]));
        let found = SameKeys::of(&[part(&[])], &[part(&["b"])]);
        assert_eq!((found.first, found.matches), (vec![], vec![None]));
    }
}
