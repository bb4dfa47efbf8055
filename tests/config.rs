//! Configurations in the repository, and the keys that help texts name.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use cytonaut::config::{Config, Written};
use cytonaut::screen::ScreenKind;

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
fn every_configuration_parses_and_writes_only_what_counts() {
    let mut n_files = 0;
    for entry in fs::read_dir(root("configs")).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(path.extension().unwrap(), "toml", "{}", path.display());
        let config = Config::read(&path).unwrap_or_else(|error| panic!("{error}"));
        // The card decides what the sections leave open.
        let card = config.data.card.as_ref().map(|card| fs::read_to_string(root(&card.to_string_lossy())).unwrap());
        let card: toml::Table = card.unwrap_or_default().parse().unwrap();
        let kind = match (config.possible_kinds()[0], card.get("reference").and_then(toml::Value::as_str)) {
            (ScreenKind::Images, Some("first_frame")) => ScreenKind::TimeLapse,
            (ScreenKind::Profiles, Some("relative")) => ScreenKind::RelativeProfiles,
            (kind, _) => kind,
        };
        let written = Written::of(&fs::read_to_string(&path).unwrap());
        written.check(kind).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        n_files += 1;
    }
    assert!(n_files >= 2, "{n_files} configurations");
}

/// `configs/default.toml` with the keys that are comments because they are for other screens.
fn all_defaults() -> String {
    let text = fs::read_to_string(root("configs/default.toml")).unwrap();
    let is_key =
        |line: &&str| line.starts_with('[') || line.split_once(" = ").is_some_and(|(key, _)| !key.contains(' '));
    let uncommented = |line: &str| line.strip_prefix("# ").filter(is_key).unwrap_or(line).to_owned();
    text.lines().map(uncommented).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_commented_defaults_are_the_defaults() {
    assert_eq!(Config::read(&root("configs/default.toml")).unwrap(), Config::default());
    let mut all: Config = toml::from_str(&all_defaults()).unwrap();
    assert!(all.data.card.take().is_some() && all.train.from.take().is_some());
    assert!(all.model.projector.output.take().is_some());
    assert_eq!(Config { images: None, tracks: None, ..all.clone() }, Config::default());
    assert_eq!((all.images, all.tracks), (Some(Default::default()), Some(Default::default())));
    let written = keys(&all_defaults());
    for kind in ScreenKind::ALL {
        let missing: Vec<_> = keys(&Config::default().to_toml(kind)).difference(&written).cloned().collect();
        assert!(missing.is_empty(), "configs/default.toml says nothing of {missing:?}");
    }
}

#[test]
fn a_resolved_configuration_reads_back_equal() {
    for name in ["configs/quickstart.toml", "configs/default.toml"] {
        let config = Config::read(&root(name)).unwrap();
        assert_eq!(Config::parse(&config.to_toml(ScreenKind::Profiles)).unwrap(), config);
    }
}

#[test]
fn keys_in_help_texts_exist() {
    let keys = keys(&all_defaults());
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
