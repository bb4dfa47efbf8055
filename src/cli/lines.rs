//! Text for a terminal of 80 columns: long lines go on below their own beginning.

use crate::table::filled;

/// Columns of a terminal.
const WIDTH: usize = 80;

/// Columns of a name before its value.
const NAME: usize = 22;

/// Lines of text.
#[derive(Debug, Default)]
pub(super) struct Lines(String);

impl Lines {
    /// A line that begins with `start` and goes on, where it is too long, below the end of `start`.
    pub(super) fn hanging(&mut self, start: &str, text: &str) {
        let indent = start.chars().count();
        let between = format!("\n{}", " ".repeat(indent));
        self.0 += start;
        self.0 += &filled(text.split(' '), WIDTH.saturating_sub(indent)).join(&between);
        self.0.truncate(self.0.trim_end_matches(' ').len());
        self.0.push('\n');
    }

    /// A name and its value.
    pub(super) fn item(&mut self, name: &str, value: &str) {
        self.hanging(&format!("  {name:<NAME$} "), value);
    }

    /// A line as it is.
    pub(super) fn line(&mut self, text: &str) {
        self.0 += text;
        self.0.push('\n');
    }

    /// All of it.
    pub(super) fn finish(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_values_go_on_below_their_beginning() {
        let mut lines = Lines::default();
        lines.item("plate", "short");
        lines.item("features", &["feature"; 12].join(" "));
        lines.hanging("note: ", &"µ".repeat(90));
        let text = lines.finish();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "  plate                  short");
        assert_eq!(lines[1].chars().count(), 25 + 7 * 8 - 1);
        assert_eq!(lines[2], format!("{}{}", " ".repeat(25), ["feature"; 5].join(" ")));
        // A word that is too long is not broken.
        assert_eq!(lines[3], format!("note: {}", "µ".repeat(90)));
    }
}
