//! From images of a screen without a time lapse to embeddings, scores and a ranking: wells of disks of three kinds.

use std::process::Stdio;

use super::support::crops::write_screen;
use super::support::{assert_same, cytonaut, finish, kill_when, number, run_of};

#[test]
fn wells_of_unseen_rows_are_told_by_their_neighbors_and_the_column_says_as_much() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_screen(folder);
    let said = finish(run_of(folder, "one", &[]), 0);
    assert!(said.contains("96 rows of 24 wells on 1 plate, 2 treatments, 256 features"), "{said}");
    assert!(said.contains("label of held-out wells: 24 wells, each a unit"), "{said}");
    assert!(number(&said, "latents", 1) == 1.0, "{said}");
    assert_eq!(number(&said, "intensity", 1), 1.0, "{said}");
    assert_eq!(number(&said, "plate_column", 1), 1.0, "{said}");
    assert!(number(&said, "majority", 1) < 0.5, "{said}");
    assert!(said.contains("the plate column explains the label completely (accuracy 1.000)"), "{said}");
    assert!(
        said.contains("against the best of 8 simple methods, intensity"),
        "intensities tell these disks best: {said}"
    );
    assert!(said.contains("held-out rows of plates: 4 treatments of 2 perturbations"), "{said}");
    for name in ["scores.parquet", "labels.parquet", "fold-0/embeddings-well.parquet", "fold-1/predictions.parquet"] {
        assert!(folder.join("one").join(name).is_file(), "{name}");
    }
    let page = std::fs::read_to_string(folder.join("one/report.html")).unwrap();
    assert!(page.contains("id=\"methods\"") && page.contains("id=\"training\"") && !page.contains("id=\"map\""));
    let mut report = cytonaut(["report"]);
    report.arg(folder.join("one/fold-0")).arg("--out").arg(folder.join("fold.html"));
    finish(report, 0);
    assert!(std::fs::read_to_string(folder.join("fold.html")).unwrap().contains("id=\"map\""));

    // Each fold has a model of its own, and the whole has none.
    let ranked_by = |run: &str, code: i32| {
        let mut command = cytonaut(["rank"]);
        command.arg(folder.join(run)).args(["--target", "perturbation == \"grow\"", "--by", "lewm"]);
        finish(command, code)
    };
    let said = ranked_by("one", 2);
    assert!(said.contains("holds a run for each fold of its split") && said.contains("fold-0"), "{said}");
    assert!(ranked_by("one/fold-0", 0).contains("grow"));

    // Killed in the second fold, it goes on and ends with the same bytes.
    let mut child = run_of(folder, "two", &[]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    kill_when(&mut child, || folder.join("two/fold-1/checkpoints/member-0.safetensors").exists());
    finish(run_of(folder, "two", &[]), 0);
    assert_same(&folder.join("two"), &folder.join("one"));
    let said = finish(run_of(folder, "two", &[]), 0);
    assert!(said.contains("run was finished already"), "{said}");
}

#[test]
fn a_finished_run_of_images_embeds_other_pictures_ranks_by_its_model_and_says_what_it_cannot() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_screen(folder);
    let once = ["--set=evaluate.all_folds=false", "--steps=40", "--set=rank.target=perturbation == \"grow\""];
    let by_profiles = [&once[..], &["--set=rank.by=interpolation"]].concat();
    let said = finish(run_of(folder, "none", &by_profiles), 2);
    assert!(said.contains("a screen of images is ranked by its model alone"), "{said}");
    let by_model = [&once[..], &["--set=rank.by=lewm"]].concat();
    let said = finish(run_of(folder, "one", &by_model), 0);
    let first = said.lines().find(|line| line.trim_start().starts_with("1 ")).unwrap_or_else(|| panic!("{said}"));
    assert!(first.contains("grow"), "{said}");

    let at = |name: &str| folder.join(name).into_os_string();
    let ask = |words: &[&str], more: &[std::ffi::OsString]| {
        let mut command = cytonaut(words.iter().take(1));
        command.arg(at("one")).args(more).args(&words[1..]);
        command
    };
    for (level, rows) in [("cell", 96), ("site", 24), ("well", 24), ("intervention", 3)] {
        let words = ["embed", "--level", level, "--out"];
        let mut command = ask(&words, &[at("dataset.toml")]);
        command.arg(at("embedded.parquet"));
        let said = finish(command, 0);
        assert!(said.contains(&format!("{rows} rows of ")), "{level}: {said}");
    }
    let said = finish(ask(&["evaluate"], &[]), 0);
    assert!(said.contains("label of held-out wells: 12 wells"), "{said}");
    let said = finish(ask(&["evaluate"], &[at("dataset.toml")]), 2);
    assert!(
        said.contains("scoring a finished run on other files is not available yet for a screen of images"),
        "{said}"
    );
    let mut command = ask(&["predict", "--intervention", "grow", "--out"], &[]);
    command.arg(at("predicted.parquet"));
    let said = finish(command, 0);
    assert!(said.contains("of predicted latents"), "a prediction is a latent: {said}");
    let said = finish(ask(&["rank", "--target", "perturbation == \"shine\"", "--by", "lewm"], &[]), 0);
    assert!(said.lines().any(|line| line.trim_start().starts_with("1 ") && line.contains("shine")), "{said}");
}
