//! `cytonaut run` given data and no configuration.

use std::fs;
use std::path::Path;

use super::support::crops::write_screen;
use super::support::{cytonaut, finish};

const FEW_STEPS: [&str; 4] =
    ["--steps=20", "--members=1", "--set=train.sigreg.slices=64", "--set=evaluate.bootstrap.resamples=200"];

fn run(data: &[&Path], out: &Path, more: &[&str]) -> std::process::Command {
    let mut command = cytonaut(["run"]);
    command.args(data).args(FEW_STEPS).args(more).arg("--out").arg(out);
    command
}

#[test]
fn a_folder_a_card_and_a_table_of_profiles_just_run() {
    let folder = tempfile::tempdir().unwrap();
    let out = |name: &str| folder.path().join(name);
    let data = Path::new("datasets/bbbc021");
    let said = finish(run(&[data], &out("folder"), &[]), 0);
    assert!(said.contains("split.by = \"dose\""), "{said}");
    assert!(said.contains("perturbations have three doses or more"), "{said}");
    assert!(!said.contains("train.members"), "what was said by a flag is not chosen: {said}");
    // The same data give the same settings, so that the run is known again.
    let card = data.join("dataset.toml");
    assert!(finish(run(&[&card], &out("folder"), &[]), 0).contains("run was finished already"));
    let config = fs::read_to_string(out("folder").join("config.toml")).unwrap();
    assert!(config.contains("by = \"dose\"") && config.contains("datasets/bbbc021/dataset.toml"), "{config}");

    // A run folder is not data, though tables lie in it.
    for verb in ["run", "inspect"] {
        let mut command = cytonaut([verb]);
        command.arg(out("folder"));
        let said = finish(command, 2);
        assert!(said.contains("folder is a run folder and not data; ask it with `cytonaut rank "), "{said}");
    }

    let table = data.join("profiles.csv.gz");
    let said = finish(run(&[&table], &out("table"), &["--set=split.by=plate"]), 0);
    assert!(!said.contains("split.by"), "{said}");
    assert!(fs::read_to_string(out("table").join("config.toml")).unwrap().contains("by = \"plate\""));
}

#[test]
fn images_run_with_crops_that_suit_them() {
    let folder = tempfile::tempdir().unwrap();
    write_screen(folder.path());
    let cache = format!("--set=images.cache={}", folder.path().join("cache").display());
    let out = folder.path().join("run");
    let said = finish(run(&[folder.path()], &out, &[&cache]), 0);
    for chosen in ["images.crop.centers = \"tiles\"", "images.crop.size = 64", "split.by = \"plate_row\""] {
        assert!(said.contains(chosen), "{chosen}: {said}");
    }
    let mut rank = cytonaut(["rank"]);
    rank.arg(&out).args(["--target", "perturbation == \"grow\""]);
    assert!(finish(rank, 0).contains("grow"));
}

#[test]
fn wells_that_the_card_excludes_are_left_out_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let mut table = String::from("plate,well,compound,dose_um,f1,f2\n");
    for plate in 1..=2 {
        for well in 1..=12 {
            let (compound, dose) = if well < 4 { ("DMSO", String::new()) } else { ("drug", format!("{}", well / 4)) };
            table += &format!("P{plate},A{well:02},{compound},{dose},{}.5,{}.25\n", well * plate, well * 7 % 5);
        }
    }
    fs::write(path("wells.csv"), table).unwrap();
    let card = |exclude: &str| {
        fs::write(path("dataset.toml"), format!("files = [\"wells.csv\"]\nexclude = {exclude:?}\n")).unwrap();
        let mut inspect = cytonaut(["inspect"]);
        inspect.arg(path("dataset.toml"));
        inspect
    };
    let said = finish(card("plate == P2 or well == A05"), 0);
    assert!(said.contains("11 on 1 plates"), "{said}");
    assert!(said.contains("left out 13 rows: excluded by the card, plate == P2 or well == A05"), "{said}");
    let said = finish(card("plate == P3"), 2);
    assert!(said.contains("dataset.toml: `exclude`: no row satisfies `plate == P3`"), "{said}");
    let said = finish(card("plates == P1"), 2);
    assert!(said.contains("`exclude`: no column `plates` to query; did you mean `plate`?"), "{said}");
    // A feature can be asked for; this one grows with the number of the well.
    let said = finish(card("f1 > 20"), 0);
    assert!(said.contains("excluded by the card, f1 > 20"), "{said}");
    let said = finish(card("f1 >= 0"), 2);
    assert!(said.contains("`exclude`: all rows satisfy `f1 >= 0`"), "{said}");
}
