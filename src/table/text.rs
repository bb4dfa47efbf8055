//! A table as plain text in aligned columns, for the terminal.

use std::fmt;

/// Where the cells of a column stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// Rows of cells in columns as wide as their widest cell, two spaces apart; no space ends a line.
#[derive(Debug, Clone)]
pub struct TextTable {
    columns: Vec<(String, Side)>,
    rows: Vec<Vec<String>>,
}

impl TextTable {
    /// A table without rows, of columns with these heads.
    pub fn new<T: Into<String>>(columns: impl IntoIterator<Item = (T, Side)>) -> Self {
        Self { columns: columns.into_iter().map(|(head, side)| (head.into(), side)).collect(), rows: Vec::new() }
    }

    /// Appends a row; missing cells are empty, and a cell beyond the last column is a remark that no column makes room for.
    pub fn push(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// The table without the columns that are empty in all rows.
    pub fn without_empty_columns(mut self) -> Self {
        let is_empty = |column: usize| self.rows.iter().all(|row| row.get(column).is_none_or(String::is_empty));
        for column in (0..self.columns.len()).rev().filter(|&column| is_empty(column)).collect::<Vec<_>>() {
            self.columns.remove(column);
            self.rows.iter_mut().filter(|row| column < row.len()).for_each(|row| drop(row.remove(column)));
        }
        self
    }

    fn width(&self, column: usize) -> usize {
        let cells = self.rows.iter().filter_map(|row| row.get(column));
        cells.chain([&self.columns[column].0]).map(|cell| cell.chars().count()).max().unwrap_or(0)
    }
}

impl fmt::Display for TextTable {
    /// The head and every row, each ending in a line break.
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let widths: Vec<usize> = (0..self.columns.len()).map(|column| self.width(column)).collect();
        let heads: Vec<String> = self.columns.iter().map(|(head, _)| head.clone()).collect();
        for row in std::iter::once(&heads).chain(&self.rows) {
            let cell = |(column, cell): (usize, &String)| match self.columns.get(column) {
                Some((_, Side::Left)) => format!("{cell:<width$}", width = widths[column]),
                Some((_, Side::Right)) => format!("{cell:>width$}", width = widths[column]),
                None => cell.clone(),
            };
            let line = row.iter().enumerate().map(cell).collect::<Vec<_>>().join("  ");
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// The first names in backticks, and how many more there are.
pub(crate) fn first_few(names: &[impl AsRef<str>], shown: usize) -> String {
    let mut text = names.iter().take(shown).map(|name| format!("`{}`", name.as_ref())).collect::<Vec<_>>().join(", ");
    if names.len() > shown {
        text += &format!(" and {} more", names.len() - shown);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = TextTable::new([("method", Side::Left), ("MSE", Side::Right), ("r", Side::Right)]);
        table.push(["µ-interpolation", "0.5", "0.91"].map(str::to_owned));
        table.push(["blend", "10.25", "-", "(3 of them)"].map(str::to_owned));
        table.push(["nothing".to_owned()]);
        let expected = "\
method             MSE     r
µ-interpolation    0.5  0.91
blend            10.25     -  (3 of them)
nothing
";
        assert_eq!(table.to_string(), expected);
    }

    #[test]
    fn empty_columns_can_be_left_out() {
        let mut table = TextTable::new([("a", Side::Left), ("b", Side::Left), ("c", Side::Right)]);
        table.push(["1", "", "2"].map(str::to_owned));
        table.push(["3".to_owned()]);
        assert_eq!(table.without_empty_columns().to_string(), "a  c\n1  2\n3\n");
    }
}
