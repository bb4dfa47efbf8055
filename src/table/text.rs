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

    /// The table in at most `width` characters as far as breaking words apart in columns of words makes it so: the last of
    /// them is broken first, and none gets narrower than 12.
    pub fn within(mut self, width: usize) -> Self {
        const NARROWEST: usize = 12;
        let gaps = 2 * self.columns.len().saturating_sub(1);
        let total: usize = (0..self.columns.len()).map(|column| self.width(column)).sum::<usize>() + gaps;
        let mut excess = total.saturating_sub(width);
        for column in (0..self.columns.len()).rev() {
            let present = self.width(column);
            if excess == 0 || self.columns[column].1 == Side::Right || present <= NARROWEST {
                continue;
            }
            let target = present.saturating_sub(excess).max(NARROWEST);
            excess -= present - target;
            self.break_words(column, target);
        }
        self
    }

    /// Breaks the cells of a column into lines of at most `width` characters, each line but the first in a row of its own.
    fn break_words(&mut self, column: usize, width: usize) {
        let mut rows = Vec::with_capacity(self.rows.len());
        for mut row in std::mem::take(&mut self.rows) {
            let lines = row.get(column).map(|cell| lines_of(cell, width)).unwrap_or_default();
            let mut lines = lines.into_iter();
            if let Some(first) = lines.next() {
                row[column] = first;
            }
            // A row that was broken in another column already has lines below it, which begin with an empty cell.
            rows.push(row);
            for line in lines {
                let mut below = vec![String::new(); self.columns.len()];
                below[column] = line;
                rows.push(below);
            }
        }
        self.rows = rows;
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

/// Lines of at most `width` characters, broken between the members of a set, else between words, and never between a number
/// and its unit; a longer word stays whole.
fn lines_of(text: &str, width: usize) -> Vec<String> {
    const AND: &str = " + ";
    let members = text.split(AND).count();
    let mut pieces: Vec<String> = Vec::new();
    for (place, member) in text.split(AND).enumerate() {
        let member = if place + 1 < members { format!("{member} +") } else { member.to_owned() };
        match member.chars().count() > width {
            true => pieces.extend(words_of(&member)),
            false => pieces.push(member),
        }
    }
    filled(pieces.iter().map(String::as_str), width)
}

/// Words, numbers with their units.
fn words_of(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match words.last_mut().filter(|before| before.parse::<f64>().is_ok()) {
            Some(number) => *number += &format!(" {word}"),
            None => words.push(word.to_owned()),
        }
    }
    words
}

/// Words in lines of at most `width` characters; a longer word stays whole.
pub(crate) fn filled<'a>(words: impl Iterator<Item = &'a str>, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut n_characters = 0;
    for word in words {
        let n_of_word = word.chars().count();
        match lines.last_mut() {
            Some(line) if n_characters + 1 + n_of_word <= width => {
                line.push(' ');
                line.push_str(word);
                n_characters += 1 + n_of_word;
            }
            _ => {
                lines.push(word.to_owned());
                n_characters = n_of_word;
            }
        }
    }
    lines
}

/// A sentence in lines of 80 characters, each ending in a line break.
pub(crate) fn paragraph(text: &str) -> String {
    filled(text.split(' '), 80).iter().map(|line| format!("{line}\n")).collect()
}

/// A text with a capital and a full stop.
pub(crate) fn sentence(text: &str) -> String {
    let mut letters = text.trim().chars();
    let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
    let text = first + letters.as_str();
    if text.ends_with(['.', '!', '?', ':']) || text.is_empty() { text } else { text + "." }
}

/// A number of things by their name in the singular: `1 plate`, `2 plates`, `3 lab batches`.
pub(crate) fn counted(n: usize, thing: &str) -> String {
    let ending = if thing.ends_with("ch") || thing.ends_with('s') { "es" } else { "s" };
    counted_of(n, thing, &format!("{thing}{ending}"))
}

/// A number of things by their names in the singular and in the plural.
pub(crate) fn counted_of(n: usize, one: &str, several: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { several })
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
        table.push(["combined", "10.25", "-", "(3 of them)"].map(str::to_owned));
        table.push(["nothing".to_owned()]);
        let expected = "\
method             MSE     r
µ-interpolation    0.5  0.91
combined         10.25     -  (3 of them)
nothing
";
        assert_eq!(table.to_string(), expected);
    }

    #[test]
    fn a_table_that_is_too_wide_breaks_between_words() {
        let mut table = TextTable::new([("rank", Side::Right), ("intervention", Side::Left), ("flags", Side::Left)]);
        table.push(["1", "VX-770 3.2 µM + forskolin 0.8 µM", "defines the target, held out"].map(str::to_owned));
        table.push(["2", "taxol 1 µM", ""].map(str::to_owned));
        let expected = "\
rank  intervention                      flags
   1  VX-770 3.2 µM + forskolin 0.8 µM  defines the
                                        target, held out
   2  taxol 1 µM
";
        assert_eq!(table.clone().within(56).to_string(), expected);
        let narrow = table.clone().within(40).to_string();
        assert!(narrow.lines().all(|line| line.chars().count() <= 40), "{narrow}");
        assert!(narrow.contains("VX-770 3.2 µM +\n") || narrow.contains("VX-770 3.2 µM +  "), "{narrow}");
        assert_eq!(table.clone().within(80).to_string(), table.to_string());
    }

    #[test]
    fn sets_are_broken_between_their_members() {
        assert_eq!(lines_of("Tm 0.3 µM + ZS 0.6 µM", 18), ["Tm 0.3 µM +", "ZS 0.6 µM"]);
        assert_eq!(lines_of("a + b + c 1 µM", 10), ["a + b +", "c 1 µM"]);
        assert_eq!(lines_of("one two three + b", 9), ["one two", "three + b"]);
    }

    #[test]
    fn things_are_counted_in_the_right_number() {
        assert_eq!([0, 1, 2].map(|n| counted(n, "plate")), ["0 plates", "1 plate", "2 plates"]);
        assert_eq!(counted(3, "lab batch"), "3 lab batches");
        assert_eq!(counted_of(2, "field of view", "fields of view"), "2 fields of view");
    }

    #[test]
    fn empty_columns_can_be_left_out() {
        let mut table = TextTable::new([("a", Side::Left), ("b", Side::Left), ("c", Side::Right)]);
        table.push(["1", "", "2"].map(str::to_owned));
        table.push(["3".to_owned()]);
        assert_eq!(table.without_empty_columns().to_string(), "a  c\n1  2\n3\n");
    }
}
