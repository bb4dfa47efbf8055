//! Configurations in the repository, and the keys that help texts name.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use cytonaut::config::Config;

use super::support::{cytonaut, finish};

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Dotted keys of a table's values.
fn keys(text: &str) -> BTreeSet<String> {
    fn visit(prefix: &str, table: &toml::Table, keys: &mut BTreeSet<String>) {
        for (name, value) in table {
            let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
            match value {
                toml::Value::Table(inner) => visit(&key, inner, keys),
                _ => drop(keys.insert(key)),
            }
        }
    }
    let mut all = BTreeSet::new();
    visit("", &text.parse().unwrap(), &mut all);
    all
}

#[test]
fn every_configuration_parses() {
    let mut n_files = 0;
    for entry in fs::read_dir(root("configs")).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(path.extension().unwrap(), "toml", "{}", path.display());
        Config::read(&path).unwrap_or_else(|error| panic!("{error}"));
        n_files += 1;
    }
    assert!(n_files >= 2, "{n_files} configurations");
}

#[test]
fn the_commented_defaults_are_the_defaults() {
    let path = root("configs/default.toml");
    assert_eq!(Config::read(&path).unwrap(), Config::default());
    let (written, expected) = (keys(&fs::read_to_string(&path).unwrap()), keys(&Config::default().to_toml()));
    let missing: Vec<_> = expected.difference(&written).collect();
    assert!(missing.is_empty(), "configs/default.toml says nothing of {missing:?}");
}

#[test]
fn a_resolved_configuration_reads_back_equal() {
    for name in ["configs/quickstart.toml", "configs/default.toml"] {
        let config = Config::read(&root(name)).unwrap();
        assert_eq!(Config::parse(&config.to_toml()).unwrap(), config);
    }
}

#[test]
fn keys_in_help_texts_exist() {
    let mut config = Config::default();
    config.data.card = Some("dataset.toml".into());
    config.train.from = Some("runs/a".into());
    let keys = keys(&config.to_toml());
    let mut named = BTreeSet::new();
    let help = finish(cytonaut(["--help"]), 0);
    let commands = help.split("Commands:").nth(1).unwrap().split("Options:").next().unwrap();
    // Names stand at two spaces; a wrapped description is further in.
    let subcommands: Vec<&str> = commands
        .lines()
        .filter_map(|line| line.strip_prefix("  ").filter(|line| !line.starts_with(' '))?.split_whitespace().next())
        .collect();
    assert!(subcommands.contains(&"run"), "{subcommands:?}");
    for subcommand in subcommands.into_iter().filter(|&name| name != "help") {
        let help = finish(cytonaut([subcommand, "--help"]), 0);
        let words = help.split_whitespace().collect::<Vec<_>>().join(" ");
        for rest in words.split("[config: ").skip(1) {
            named.insert(rest.split(']').next().unwrap().to_owned());
        }
    }
    assert!(named.len() >= 8, "{named:?}");
    let unknown: Vec<_> = named.iter().filter(|key| !keys.contains(*key)).collect();
    assert!(unknown.is_empty(), "no such keys: {unknown:?}");
}
