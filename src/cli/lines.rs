//! Text for a terminal of 80 columns: long lines go on below their own beginning.

use crate::table::filled;

/// Columns of a terminal.
pub(super) const WIDTH: usize = 80;

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

/// Messages as they read best on a terminal: lines that are too long go on below, further in than they began, and behind
/// `#` where they are the comment of a setting. What stands in backticks, such as a command, is not broken.
pub(super) fn for_terminal(text: &str) -> String {
    let mut lines = Lines::default();
    for line in text.split_inclusive('\n') {
        let whole = line.strip_suffix('\n').unwrap_or(line);
        match whole.chars().count() > WIDTH {
            true => lines.0 += &broken(whole),
            false => lines.0 += whole,
        }
        if line.ends_with('\n') {
            lines.0.push('\n');
        }
    }
    lines.finish()
}

/// A line that is too long, in several.
fn broken(line: &str) -> String {
    let text = line.trim_start_matches(' ');
    let indent = line.len() - text.len();
    let (start, below) = match text.find("  # ") {
        // Spaces that line comments up are kept.
        Some(comment) => {
            let column = line[..indent + comment + 2].chars().count();
            (indent + comment + 4, format!("{}# ", " ".repeat(column)))
        }
        None => (indent, " ".repeat(indent + 2)),
    };
    let mut words = whole_words(&line[start..]).into_iter();
    let mut first = line[..start].to_owned();
    first += words.next().unwrap_or_default();
    let mut all = vec![first];
    for word in words {
        let last = all.last_mut().expect("there is a first line");
        match last.chars().count() + 1 + word.chars().count() <= WIDTH {
            true => *last += &format!(" {word}"),
            false => all.push(format!("{below}{word}")),
        }
    }
    all.join("\n")
}

/// The words of a text, where what stands between backticks is one word.
fn whole_words(text: &str) -> Vec<&str> {
    let (mut words, mut begin, mut is_quoted) = (Vec::new(), 0, false);
    for (place, letter) in text.char_indices() {
        match letter {
            '`' => is_quoted = !is_quoted,
            ' ' if !is_quoted => {
                words.push(&text[begin..place]);
                begin = place + 1;
            }
            _ => {}
        }
    }
    words.push(&text[begin..]);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_go_on_below_their_beginning_and_commands_stay_whole() {
        let command = format!("`cytonaut rank {} --target 'moa == \"a b\"'`", "r".repeat(20));
        let note = format!("  {}is asked with {command}, and so on\nshort\n", "word ".repeat(8));
        let expected = format!("  {}is asked with\n    {command}, and so on\nshort\n", "word ".repeat(8));
        assert_eq!(for_terminal(&note), expected);
        let setting = format!("  split.folds = 0  # {}\n", "reason ".repeat(12).trim_end());
        let shown = for_terminal(&setting);
        assert_eq!(shown.lines().nth(1).unwrap(), format!("{}# {}", " ".repeat(19), ["reason"; 4].join(" ")));
        assert!(shown.lines().all(|line| line.chars().count() <= WIDTH), "{shown}");
        assert_eq!(for_terminal(&shown), shown);
    }

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
