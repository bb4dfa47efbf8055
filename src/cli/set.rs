//! `--set KEY=VALUE`: one key of the configuration, and what is wrong with it in the words that were typed.

use super::AskedWrongly;
use crate::config::{Config, ConfigError};
use crate::screen::{nearest, nearest_in_words};

/// Sets a dotted key to a TOML value; anything that is not a TOML value is taken as a string.
pub(super) fn put(document: &mut toml::Table, entry: &str) -> anyhow::Result<()> {
    let wrong = || AskedWrongly(format!("--set {entry}: expected KEY=VALUE, as in model.latent=64"));
    let (key, value) = entry.split_once('=').ok_or_else(wrong)?;
    let value = format!("value = {value}")
        .parse::<toml::Table>()
        .ok()
        .and_then(|mut table| table.remove("value"))
        .unwrap_or_else(|| toml::Value::String(value.to_owned()));
    let mut path: Vec<&str> = key.trim().split('.').collect();
    let last = path.pop().ok_or_else(wrong)?;
    let mut table = document;
    for part in path {
        let inner = table.entry(part).or_insert_with(|| toml::Value::Table(toml::Table::new()));
        table = inner.as_table_mut().ok_or_else(wrong)?;
    }
    table.insert(last.to_owned(), value);
    Ok(())
}

/// What is wrong with the first of the entries of `set` that a configuration cannot have, put into `document` in their order;
/// `None` where each of them can be read.
pub(super) fn fault_of(mut document: toml::Table, set: &[String]) -> Option<AskedWrongly> {
    set.iter().find_map(|entry| {
        put(&mut document, entry).ok()?;
        let text = toml::to_string(&document).ok()?;
        Config::parse(&text).err().map(|error| AskedWrongly(in_words(entry, &error)))
    })
}

fn in_words(entry: &str, error: &ConfigError) -> String {
    let ConfigError::Parse { problem, .. } = error else { return format!("--set {entry}: {error}") };
    // The first lines quote a line of a file that nobody wrote.
    let problem = problem.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or(problem);
    let key = entry.split('=').next().unwrap_or(entry).trim();
    let Some(rest) = problem.strip_prefix("unknown field ") else {
        return format!("--set {entry}: {}", with_plain_types(problem));
    };
    let names: Vec<&str> = rest.split('`').skip(1).step_by(2).collect();
    let Some((unknown, known)) = names.split_first() else { return format!("--set {entry}: {problem}") };
    let whole = |name: &str| {
        let parts = key.split('.').map(|part| if part == *unknown { name } else { part });
        parts.collect::<Vec<_>>().join(".")
    };
    let near: Vec<String> = nearest(unknown, known.iter().copied()).iter().map(|name| whole(name)).collect();
    let all: Vec<String> = known.iter().map(|name| format!("`{}`", up_to(&whole(name), name))).collect();
    format!("--set {entry}: no key `{key}`{}; the keys there are {}", nearest_in_words(&near), all.join(", "))
}

/// A dotted key up to and with one of its parts.
fn up_to<'a>(key: &'a str, part: &str) -> &'a str {
    key.find(part).map_or(key, |at| &key[..at + part.len()])
}

/// A message about types in words that are not those of Rust.
fn with_plain_types(problem: &str) -> String {
    let plain = [
        ("invalid type: ", "it is "),
        ("expected usize", "expected a whole number"),
        ("expected u64", "expected a whole number"),
        ("expected f64", "expected a number"),
        ("expected a boolean", "expected true or false"),
    ];
    plain.iter().fold(problem.to_owned(), |text, (rust, word)| text.replace(rust, word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(set: &[&str]) -> Option<String> {
        let set: Vec<String> = set.iter().map(|&entry| entry.to_owned()).collect();
        fault_of(toml::Table::new(), &set).map(|error| error.to_string())
    }

    #[test]
    fn names_the_key_that_was_typed_and_the_nearest_one() {
        let error = fault(&["train.steps=5", "model.latnet=32"]).unwrap();
        let begin = "--set model.latnet=32: no key `model.latnet`; did you mean `model.latent`?; the keys there are ";
        assert!(error.starts_with(begin) && error.contains("`model.encoder`"), "{error}");
        let error = fault(&["trian.steps=5"]).unwrap();
        assert!(error.contains("no key `trian.steps`; did you mean `train.steps`?"), "{error}");
        assert!(error.contains("`split`"), "{error}");
    }

    #[test]
    fn says_which_value_is_expected_in_plain_words() {
        assert_eq!(
            fault(&["model.latent=big"]).unwrap(),
            "--set model.latent=big: it is string \"big\", expected a whole number"
        );
        let error = fault(&["train.warmup=2"]).unwrap();
        assert_eq!(error, "--set train.warmup=2: `train.warmup` is 2, expected at least 0 and below 1");
        assert_eq!(fault(&["train.steps=5"]), None);
    }
}
