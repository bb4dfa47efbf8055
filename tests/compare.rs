//! `cytonaut compare` as it is used: in one go, in parts, stopped, and asked again otherwise.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use super::support::{TINY, cytonaut, finish, kill_when};

/// Two objectives on two shares of the bundled screen; 14 files of trials.
fn comparison(folder: &Path, more: &[&str]) -> Command {
    let mut own = vec!["--steps=20", "--set=train.log_every=20", "--percent=100,40"];
    for option in ["--objectives=lewm,ema", "--seeds=1"] {
        let name = option.split('=').next().unwrap();
        if !more.iter().any(|other| other.starts_with(name)) {
            own.push(option);
        }
    }
    let tiny = TINY.into_iter().filter(|option| !option.starts_with("--steps") && !option.starts_with("--members"));
    let mut command = cytonaut(["compare"].into_iter().chain(tiny).chain(own).chain(more.iter().copied()));
    command.arg("--out").arg(folder);
    command
}

fn n_trials(folder: &Path) -> usize {
    fs::read_dir(folder.join("trials")).map_or(0, Iterator::count)
}

#[test]
fn parts_and_a_stopped_comparison_end_with_the_table_of_one_that_was_not() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let table = |name: &str| fs::read(at(name).join("comparison.parquet")).unwrap();

    let said = finish(comparison(&at("whole"), &[]), 0);
    assert_eq!(n_trials(&at("whole")), 14);
    for line in
        ["100 % of the training data", "40 % of the training data", "\nlewm lambda=", "\ndenoised_interpolation  "]
    {
        assert!(said.contains(line), "{said}");
    }
    assert!(said.contains("on 100 % of the data `lewm` errs"), "{said}");
    assert!(said.contains("of networks "), "{said}");
    assert!(said.lines().filter(|line| !line.contains('/')).all(|line| line.chars().count() <= 80), "{said}");

    let said = finish(comparison(&at("parts"), &["--shard=1/2"]), 0);
    assert!(said.contains("7 files of trials are still missing"), "{said}");
    assert!(!at("parts").join("comparison.parquet").exists());
    finish(comparison(&at("parts"), &["--shard=2/2"]), 0);
    assert!(table("parts") == table("whole"), "parts are merged to the same bytes");

    let mut child = comparison(&at("stopped"), &[]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    assert!(kill_when(&mut child, || n_trials(&at("stopped")) >= 3), "it was killed");
    let n_left = n_trials(&at("stopped"));
    assert!(n_left < 14, "{n_left}");
    finish(comparison(&at("stopped"), &[]), 0);
    assert!(table("stopped") == table("whole"), "what was stopped goes on");

    let said = finish(comparison(&at("whole"), &["--set=train.weight_decay=0.5"]), 2);
    assert!(said.contains("is a trial of another configuration or of other data"), "{said}");
    let json = comparison(&at("whole"), &["--json"]).output().unwrap();
    let objects: Vec<serde_json::Value> =
        String::from_utf8(json.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(objects[0]["missing"], 0);
    assert!(objects.iter().any(|object| object["type"] == "objective" && object["objective"] == "ema"));
    assert!(!objects.last().unwrap()["sentences"].as_array().unwrap().is_empty());
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let said = finish(comparison(folder.path(), &["--objectives=byol"]), 2);
    assert!(said.contains("objectives are lewm, ema, vicreg, frozen"), "{said}");
    let said = finish(comparison(folder.path(), &["--seeds=0"]), 2);
    assert!(said.contains("--seeds 0: expected at least 1"), "{said}");
    fs::write(folder.path().join("manifest.json"), "{}").unwrap();
    let said = finish(comparison(folder.path(), &[]), 2);
    assert!(said.contains("is a run folder; give the comparison another one with --out"), "{said}");
    assert_eq!(n_trials(folder.path()), 0);
}
