//! From tracks and a schedule to trajectories at an unseen dose: a linear system whose response is known in closed form.

use std::path::Path;

use super::support::tracks::{gain, own_level, response, write_screen};
use super::support::{assert_same, cytonaut, finish, number, run_of};

#[test]
fn the_response_of_a_linear_system_to_a_pulse_is_found_at_an_unseen_dose() {
    let folder = tempfile::tempdir().unwrap();
    write_screen(folder.path());
    let run = |name: &str| run_of(folder.path(), name, &[]);
    let said = finish(run("one"), 0);
    assert!(said.contains("12 tracks in 3 fields of view"), "{said}");
    let means = said.split("means of the tracks of a field").nth(1).unwrap_or_else(|| panic!("{said}"));
    // R² is in column 3, of single tracks in the first table, of their means in the second: an unseen dose between two others, open loop for 76 min.
    assert!(number(&said, "lewm", 3) > 0.85 && number(means, "lewm", 3) > 0.85, "{said}");
    assert!(
        number(&said, "combined", 3) > 0.95,
        "the neighbors of a dose tell a response that is linear in its logarithm: {said}"
    );
    assert!(number(&said, "no_change", 3) < 0.0 && number(&said, "replicate_shifted", 3) > 0.99, "{said}");
    let trajectories = cytonaut::table::Table::read_parquet(&folder.path().join("one/trajectories.parquet")).unwrap();
    let (doses, methods) = (trajectories.numbers("dose_um").unwrap(), trajectories.text("method").unwrap());
    let (minutes, predicted) = (trajectories.numbers("minutes").unwrap(), trajectories.numbers("predicted").unwrap());
    // The mean of the model's predictions against the closed form, at every time: within a tenth of the dose's gain.
    let mut means = std::collections::BTreeMap::<i64, Vec<f64>>::new();
    let mut gain_of_dose = 0.0;
    for row in (0..trajectories.n_rows()).filter(|&row| methods[row].as_deref() == Some("lewm")) {
        gain_of_dose = gain(1000.0 * doses[row].unwrap());
        means.entry(minutes[row].unwrap() as i64).or_default().push(predicted[row].unwrap());
    }
    let squares = means.iter().map(|(minutes, values)| {
        let level = 10.0 + (0..12).map(|cell| own_level(gain_of_dose, cell)).sum::<f64>() / 12.0;
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        (mean - level - response(gain_of_dose, *minutes as f64)).powi(2)
    });
    let rmse = (squares.sum::<f64>() / means.len() as f64).sqrt();
    assert!(rmse < 0.1 * gain_of_dose, "{rmse} of a gain of {gain_of_dose}: {said}");
    let page = std::fs::read_to_string(folder.path().join("one/report.html")).unwrap();
    assert!(page.contains("Tracks after the part that is seen") && !page.contains("id=\"ranking\""));
    finish(run("two"), 0);
    assert_same(&folder.path().join("two"), &folder.path().join("one"));
}

/// The tiny run of tracks, in a few steps.
fn few_steps(folder: &Path, verb: &str, name: &str) -> std::process::Command {
    let mut command = cytonaut([verb]);
    command.arg(folder.join("screen.toml")).args([
        "--steps=4",
        "--set=train.evaluate_every=4",
        "--set=pair.rollout=2",
        "--set=evaluate.bootstrap.resamples=100",
    ]);
    command.arg("--out").arg(folder.join(name));
    command
}

#[test]
fn a_finished_run_on_tracks_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    write_screen(folder.path());
    let at = |name: &str| folder.path().join(name);
    finish(few_steps(folder.path(), "run", "run"), 0);
    let model = std::fs::read(at("run/model/member-0.safetensors")).unwrap();
    let said = finish(few_steps(folder.path(), "run", "run"), 0);
    assert!(said.contains("was finished already"), "{said}");
    assert_eq!(std::fs::read(at("run/model/member-0.safetensors")).unwrap(), model);

    let evaluate = |files: &[&str]| {
        let mut command = cytonaut(["evaluate"]);
        command.arg(at("run")).args(files.iter().map(|file| at(file)));
        command
    };
    let said = finish(evaluate(&[]), 0);
    assert!(said.contains("lewm") && said.contains("no_change"), "{said}");

    // Other tracks, under the name of the card's table: windows as long as the run's.
    std::fs::create_dir(at("new")).unwrap();
    let text = std::fs::read_to_string(at("tracks.csv")).unwrap();
    let fewer: Vec<&str> = text.lines().filter(|line| !line.starts_with("d4")).collect();
    std::fs::write(at("new/tracks.csv"), fewer.join("\n") + "\n").unwrap();
    let embed = |files: &[&str], level: &str| {
        let mut command = cytonaut(["embed"]);
        command.arg(at("run")).args(files.iter().map(|file| at(file)));
        command.args(["--level", level, "--out"]).arg(at("latents.parquet"));
        command
    };
    // 12 tracks a dose, of 51 times of which the first five have no whole window.
    for (files, n_doses) in [(vec![], 5), (vec!["new/tracks.csv"], 4)] {
        let said = finish(embed(&files, "cell"), 0);
        assert!(said.contains(&format!("{} rows of 8 latent dimensions", n_doses * 12 * 46)), "{said}");
        let said = finish(embed(&files, "intervention"), 0);
        assert!(said.contains("rows of 8 latent dimensions"), "{said}");
        for level in ["well", "site"] {
            let said = finish(embed(&files, level), 2);
            assert!(said.contains("ask for `--level cell` or `--level intervention`"), "{said}");
        }
    }

    let mut warm = few_steps(folder.path(), "train", "warm");
    warm.arg("--from").arg(at("run"));
    finish(warm, 0);
    assert!(at("warm/model/member-0.safetensors").is_file());
}

#[test]
fn a_damaged_model_of_an_unfinished_run_is_refused_and_stays() {
    let folder = tempfile::tempdir().unwrap();
    write_screen(folder.path());
    let at = |name: &str| folder.path().join(name);
    finish(few_steps(folder.path(), "run", "run"), 0);
    let manifest = std::fs::read_to_string(at("run/manifest.json")).unwrap();
    let unfinished = manifest.replace("\"finished\"", "\"unfinished\"");
    assert_ne!(manifest, unfinished);
    std::fs::write(at("run/manifest.json"), unfinished).unwrap();
    std::fs::write(at("run/model/member-0.safetensors"), "damaged").unwrap();
    let said = finish(few_steps(folder.path(), "run", "run"), 1);
    assert!(said.contains("member-0.safetensors"), "{said}");
    assert_eq!(std::fs::read(at("run/model/member-0.safetensors")).unwrap(), b"damaged");
    // Without the damaged file it is made again.
    std::fs::remove_file(at("run/model/member-0.safetensors")).unwrap();
    finish(few_steps(folder.path(), "run", "run"), 0);
    assert!(at("run/model/member-0.safetensors").metadata().unwrap().len() > 100);
}
