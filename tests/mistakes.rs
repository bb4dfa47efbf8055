//! What people mistype when they ask a run, with what they are answered: `tests/mistakes.md`.
//!
//! `MISTAKES=overwrite cargo test --release` takes changed answers over into the file; read the difference.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::support::{TINY, said};

/// The command in a copy of what the README's commands need, quiet.
fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cytonaut"));
    command.args(arguments).current_dir(folder).env_remove("RUST_BACKTRACE").env("COLUMNS", "80");
    command
}

/// The bundled screen and the quickstart's configuration, where the README has them.
fn copy_of_the_bundle(folder: &Path) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for path in ["datasets/bbbc021/profiles.csv.gz", "datasets/bbbc021/dataset.toml", "configs/quickstart.toml"] {
        let to = folder.join(path);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(root.join(path), to).unwrap();
    }
}

/// A plate of eight controls and two drugs at four doses each, of which one feature is `shifted`.
fn table(dose: &str, shifted: f64) -> String {
    let mut text = format!("plate,well,compound,{dose},area,texture,intensity,spread\n");
    for row in 0..24 {
        let value = |feature: usize| ((row * 7919 + feature * 104_729) * 2_654_435_761 % 1_000_003) as f64 / 100_003.0;
        let (compound, amount) = match row {
            0..8 => ("DMSO", 0.0),
            _ => (["taxol", "ALLN"][row % 2], [0.1, 0.3, 1.0, 3.0][(row - 8) / 4]),
        };
        let well = format!("{}{:02}", ["B", "C"][row / 12], row % 12 + 1);
        let (area, texture, intensity, spread) = (value(1) + shifted, value(2), value(3), value(4));
        text += &format!("P1,{well},{compound},{amount},{area:.4},{texture:.4},{intensity:.4},{spread:.4}\n");
    }
    text
}

#[test]
fn mistakes_are_answered_as_written_down() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    copy_of_the_bundle(here);
    let run = |more: &[&str]| {
        let mut arguments = vec!["-q", "run"];
        arguments.extend(TINY);
        arguments.extend(more);
        let output = command(here, &arguments).output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
    };
    run(&["--out=runs/quickstart"]);
    run(&["--out=runs/folds", "--set=evaluate.all_folds=true", "--set=split.folds=3", "--set=rank.target=''"]);
    // As a run that was stopped before its models were written.
    fs::create_dir(here.join("runs/unfinished")).unwrap();
    for name in ["config.toml", "manifest.json"] {
        let text = fs::read_to_string(here.join("runs/quickstart").join(name)).unwrap();
        let text = text.replace("\"state\": \"finished\"", "\"state\": \"unfinished\"");
        fs::write(here.join("runs/unfinished").join(name), text).unwrap();
    }
    fs::write(here.join("actin.csv"), "kept\n").unwrap();

    // Two versions of a table, and doses under a name that does not say so.
    fs::create_dir(here.join("versions")).unwrap();
    fs::write(here.join("versions/t.csv"), table("dose_um", 0.0)).unwrap();
    fs::write(here.join("versions/t_v2.csv"), table("dose_um", 1.0)).unwrap();
    fs::write(here.join("amounts.csv"), table("Amount", 0.0)).unwrap();

    const RANK: [&str; 3] = ["rank", "runs/quickstart", "--target"];
    let rank = |target: &'static str| RANK.into_iter().chain([target]).collect::<Vec<_>>();
    const PREDICT: [&str; 3] = ["predict", "runs/quickstart", "--intervention"];
    let predict = |text: &'static str| PREDICT.into_iter().chain([text, "--out", "actin.csv"]).collect::<Vec<_>>();
    let set = |entry: &'static str| vec!["run", "configs/quickstart.toml", "--set", entry];
    let cases: Vec<(&str, i32, Vec<&str>)> = vec![
        ("a mechanism that is misspelt", 2, rank("moa == \"Actin disruptor\"")),
        ("a mechanism that is not there", 2, rank("moa == \"proteasome inhibitor\"")),
        ("a compound in another case", 2, rank("perturbation == \"Taxol\"")),
        ("a column under its own name", 0, rank("compound == \"taxol\"")),
        ("a column with the prefix of another pipeline", 0, rank("Metadata_moa == \"Actin disruptors\"")),
        ("a dose column by half its name", 2, rank("dose == 1")),
        ("a dose that is a word", 2, rank("dose_um == \"high\"")),
        ("a dose that was not measured", 2, rank("perturbation == taxol and dose_um == 7")),
        ("a feature with a slip", 2, rank("Nuclei_AreaShape_Aera < 500")),
        ("a feature below all its values", 2, rank("Nuclei_AreaShape_Area < 1")),
        ("a single equals sign", 2, rank("moa = \"Actin disruptors\"")),
        ("a mechanism alone", 0, rank("actin disruptors")),
        ("a mechanism alone with a slip", 2, rank("Actin disruptor")),
        ("a feature to rank by with a slip", 2, vec!["rank", "runs/quickstart", "--minimize", "Nuclei_AreaShape_Aera"]),
        (
            "a context of a screen that has one",
            2,
            [&rank("moa == \"Actin disruptors\"")[..], &["--context", "A549"]].concat(),
        ),
        ("a method that is not there", 2, [&rank("moa == \"Actin disruptors\"")[..], &["--by", "knearest"]].concat()),
        ("a number of rows in words", 2, [&rank("moa == \"Actin disruptors\"")[..], &["--top", "all"]].concat()),
        (
            "a table in a format that is not written",
            2,
            [&rank("moa == \"Actin disruptors\"")[..], &["--out", "actin.txt"]].concat(),
        ),
        ("an intervention with a slip", 2, predict("taxl@0.1")),
        ("an intervention without its dose", 2, predict("taxol")),
        ("an intervention in another case", 0, predict("Taxol@100nM")),
        ("an intervention as it is printed", 0, predict("taxol 0.1 µM")),
        ("a dose far beyond those measured", 0, predict("taxol@100000")),
        ("a key with a slip", 2, set("model.latnet=32")),
        ("a section with a slip", 2, set("trian.steps=5")),
        ("a value that is not a number", 2, set("model.latent=big")),
        ("a split by a column", 2, set("split.by=compound")),
        ("a fold that is not there", 2, set("split.fold=9")),
        ("no model at all", 2, vec!["run", "configs/quickstart.toml", "--members", "0"]),
        ("a command with a slip", 2, vec!["inspct", "datasets/bbbc021"]),
        ("a run that is not trained", 1, vec!["rank", "runs/unfinished"]),
        ("a folder of folds", 2, vec!["rank", "runs/folds"]),
        ("a folder that is not a run", 2, vec!["rank", "datasets/bbbc021"]),
        ("a run that is not there", 2, vec!["rank", "runs/quickstrat"]),
        (
            "a run with other settings in a folder that is taken",
            2,
            vec!["run", "configs/quickstart.toml", "--out=runs/quickstart"],
        ),
        ("a run folder instead of data", 2, vec!["run", "runs/quickstart"]),
        ("latents to nowhere", 2, vec!["predict", "runs/quickstart", "--latents"]),
        (
            "embeddings of cells of a screen of wells",
            2,
            vec!["embed", "runs/quickstart", "--level", "cell", "--out", "e.csv"],
        ),
        ("a level that is not there", 2, vec!["embed", "runs/quickstart", "--level", "plate", "--out", "e.csv"]),
        ("a folder with two versions of a table", 2, vec!["run", "versions"]),
        ("doses in a column of another name", 2, vec!["run", "amounts.csv"]),
    ];
    let mut text = include_str!("mistakes-head.md").to_owned();
    let mut wrong = Vec::new();
    for (name, code, arguments) in cases {
        let output = command(here, &arguments).output().unwrap();
        let said = said(&output);
        if output.status.code() != Some(code) || said.contains("panicked") {
            wrong.push(format!("{name}: {:?}, expected {code}\n{said}", output.status));
        }
        let quoted: Vec<String> = arguments
            .iter()
            .map(|word| if word.contains([' ', '"']) { format!("'{word}'") } else { (*word).to_owned() })
            .collect();
        text += &format!("\n## {name}\n\n`cytonaut {}` exits with {code}", quoted.join(" "));
        // What was meant and answered has numbers, which other tests look at.
        let shown: Vec<&str> = match code {
            0 => said.lines().filter(|line| line.starts_with("note: ")).collect(),
            _ => said.trim_end().lines().collect(),
        };
        text += &if shown.is_empty() { ".\n".to_owned() } else { format!(":\n\n```text\n{}\n```\n", shown.join("\n")) };
        if arguments.starts_with(&PREDICT) && code != 0 {
            assert_eq!(fs::read_to_string(here.join("actin.csv")).unwrap(), "kept\n", "{name}");
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/mistakes.md");
    if std::env::var_os("MISTAKES").is_some_and(|value| value == "overwrite") {
        fs::write(&path, &text).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    for (found, expected) in text.split("\n## ").zip(expected.split("\n## ")) {
        assert_eq!(found, expected, "MISTAKES=overwrite takes it over");
    }
    assert_eq!(text.len(), expected.len(), "MISTAKES=overwrite takes it over");
}
