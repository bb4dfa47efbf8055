//! The words that a person reads, in pages, cards, configurations, help, messages and columns, are those that a biologist or a
//! Rust engineer would guess.
//!
//! Names in code (between backticks, in braces, or a literal without a space, such as a file's name) are not words.

use std::fs;
use std::path::{Path, PathBuf};

use regex::{Regex, RegexBuilder};

/// A word that is not used (a regular expression between word boundaries), and what is written instead.
const INSTEAD: [(&str, &str); 17] = [
    ("data[ -]bases?", "database"),
    ("pictures?", "image"),
    ("read-outs?", "readout"),
    ("(measured )?numbers? of (an|the|its) objects?", "measurement"),
    ("objects?'s? (measured )?numbers?|measured numbers?", "measurement, or the object's id"),
    ("misses", "residuals, errors, lacks"),
    ("courses?", "schedule"),
    ("serv(ed|es|ing)", "trained run"),
    ("(opened|evaluated|ranked|embedded|read) again", "reopened"),
    ("(is|are|was|were) no [a-z]+", "is not a"),
    ("beside", "next to, with, compared with"),
    ("told|tells?|telling", "says, shows, predicts, identifies, distinguishes"),
    ("mend(s|ed|ing)?", "correct, fix"),
    ("(sits?|stands?) at", "is at"),
    ("(sits?|stands?) twice", "occurs twice"),
    ("at last", "in the last frame, finally"),
    ("finders?", "segmentation"),
];

/// Plain English that a pattern above would take for one of those words.
const PLAIN: [&str; 5] = ["there is no", "there are no", "there was no", "is no longer", "are no longer"];

#[test]
fn pages_and_messages_use_the_public_words() {
    let search = Search::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let pages = ["README.md", "CHANGELOG.md", "docs", "configs", "datasets"].map(|name| root.join(name));
    let is_page = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "md" || ending == "toml");
    let pages: Vec<PathBuf> = pages.iter().flat_map(|path| files(path)).filter(is_page).collect();
    let is_code = |path: &PathBuf| {
        path.extension().is_some_and(|ending| ending == "rs")
            && !path.components().any(|part| part.as_os_str() == "tests")
            && !path.ends_with("tests.rs")
    };
    let sources: Vec<PathBuf> = files(&root.join("src")).into_iter().filter(is_code).collect();
    assert!(pages.len() > 30 && sources.len() > 150, "{} pages and {} sources", pages.len(), sources.len());

    let mut faults = Vec::new();
    let mut read = |path: &Path, line: usize, text: &str| {
        for (word, instead) in search.words(text) {
            faults.push(format!("{}:{line}: `{word}` -> {instead}", path.strip_prefix(root).unwrap().display()));
        }
    };
    for path in &pages {
        let text = fs::read_to_string(path).unwrap();
        text.lines().enumerate().for_each(|(index, line)| read(path, index + 1, line));
    }
    for path in &sources {
        let text = fs::read_to_string(path).unwrap();
        let shown = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        let is_help = path.starts_with(root.join("src/cli"));
        for (line, text) in texts(shown, is_help).into_iter().filter(|(_, text)| text.contains(' ')) {
            read(path, line, &text);
        }
    }
    assert!(faults.is_empty(), "{} words to replace:\n{}", faults.len(), faults.join("\n"));
}

/// What is searched for in every text.
struct Search {
    words: Vec<(Regex, &'static str)>,
    names: Regex,
    plain: Regex,
}

impl Search {
    fn new() -> Self {
        // ASCII, because the crate's tables of Unicode cases are not built.
        let regex = |pattern: &str| RegexBuilder::new(pattern).case_insensitive(true).unicode(false).build().unwrap();
        let words = INSTEAD.iter().map(|&(word, instead)| (regex(&format!(r"\b(?:{word})\b")), instead)).collect();
        Self {
            words,
            names: Regex::new(r"`[^`]*`|\{[^{}]*\}|\]\([^)]*\)").unwrap(),
            plain: regex(&format!(r"\b(?:{})\b", PLAIN.join("|"))),
        }
    }

    /// The listed words in a text, each with what to write.
    fn words(&self, text: &str) -> Vec<(String, &'static str)> {
        let text = self.names.replace_all(text, "_");
        let text = self.plain.replace_all(&text, "_");
        let mut faults = Vec::new();
        for (word, instead) in &self.words {
            faults.extend(word.find_iter(&text).map(|word| (word.as_str().to_owned(), *instead)));
        }
        faults
    }
}

/// Literals of Rust source with the line on which each begins, and its doc comments too where they are help texts.
fn texts(source: &str, with_docs: bool) -> Vec<(usize, String)> {
    let mut texts = Vec::new();
    let mut rest = source;
    let line_of = |rest: &str| source[..source.len() - rest.len()].matches('\n').count() + 1;
    while let Some(c) = rest.chars().next() {
        if rest.starts_with("//") {
            let comment = rest.lines().next().unwrap();
            if with_docs && comment.starts_with("///") {
                texts.push((line_of(rest), comment.to_owned()));
            }
            rest = &rest[comment.len()..];
        } else if let Some(hashes) = raw_literal(source, rest) {
            let begin = hashes + 2;
            let close = format!("\"{}", "#".repeat(hashes));
            let length = rest[begin..].find(&close).expect("raw literals are closed");
            texts.push((line_of(rest), rest[begin..begin + length].to_owned()));
            rest = &rest[begin + length + close.len()..];
        } else if c == '"' {
            let bytes = rest.as_bytes();
            let mut end = 1;
            while bytes[end] != b'"' {
                end += if bytes[end] == b'\\' { 2 } else { 1 };
            }
            // A backslash at the end of a line joins it with the next.
            let mut parts = rest[1..end].split("\\\n");
            let first = parts.next().unwrap().to_owned();
            texts.push((line_of(rest), parts.fold(first, |text, part| text + part.trim_start())));
            rest = &rest[end + 1..];
        } else if let Some(after) = rest.strip_prefix("'\"'").or_else(|| rest.strip_prefix("'\\\"'")) {
            rest = after;
        } else {
            rest = &rest[c.len_utf8()..];
        }
    }
    texts
}

/// Number of `#` of the raw literal that `rest` begins with.
fn raw_literal(source: &str, rest: &str) -> Option<usize> {
    let before = source[..source.len() - rest.len()].chars().next_back();
    if before.is_some_and(|c| c.is_alphanumeric() || c == '_') && before != Some('b') {
        return None;
    }
    let after = rest.strip_prefix('r')?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    after[hashes..].starts_with('"').then_some(hashes)
}

/// All files below a folder, or the file itself, in the order of their names.
fn files(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path.to_owned()];
    }
    let mut entries: Vec<PathBuf> = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    entries.iter().flat_map(|path| files(path)).collect()
}

#[test]
fn sees_words_and_not_names() {
    let search = Search::new();
    let check = |text: &str, expected: &[&str]| {
        let words: Vec<String> = search.words(text).into_iter().map(|(word, _)| word).collect();
        assert_eq!(words, expected, "{text}");
    };
    check("an SQLite data base of Pictures", &["data base", "Pictures"]);
    check("`{dose}` is no dose, and is no longer one; there is no file", &["is no dose"]);
    check("see `pictures/` and [images](pictures.md); besides, an untold {course}", &[]);
    check("an object's number, read out", &["object's number"]);

    let source = "let a = \"one \\\n   text\"; // not \"this\"\nlet b = ['\"', '\\\"']; /// help \"x\"\nlet c = r#\"raw \"two\"\"#;";
    let expected = [(1, "one text"), (4, "raw \"two\"")].map(|(line, text)| (line, text.to_owned()));
    assert_eq!(texts(source, false), expected);
    assert_eq!(texts(source, true)[1], (3, "/// help \"x\"".to_owned()));
}
