//! From tracks and a schedule to trajectories at an unseen dose: a linear system whose response is known in closed form.

use std::fmt::Write as _;
use std::path::Path;

use super::command::{cytonaut, finish};
use super::kill::assert_same;

/// Minutes in which the two states follow their input.
const TAU: (f64, f64) = (6.0, 15.0);

/// The pulse, between frames.
const PULSE: (f64, f64) = (25.0, 45.0);

/// What the second state is above its beginning at `minutes`, for an input of `gain` during the pulse.
///
/// `y' = (u − y) / τ1`, `x' = (y − x) / τ2`: the response to a step at 0 is `1 − (τ2 e^(−t/τ2) − τ1 e^(−t/τ1)) / (τ2 − τ1)`, and
/// a pulse is a step up and a step down.
fn response(gain: f64, minutes: f64) -> f64 {
    let step = |t: f64| match t > 0.0 {
        true => 1.0 - (TAU.1 * (-t / TAU.1).exp() - TAU.0 * (-t / TAU.0).exp()) / (TAU.1 - TAU.0),
        false => 0.0,
    };
    gain * (step(minutes - PULSE.0) - step(minutes - PULSE.1))
}

/// Gain of a dose: linear in its logarithm.
fn gain(dose: f64) -> f64 {
    2.0 + dose.log10()
}

/// What a cell's level is above 10.
fn own_level(gain: f64, cell: usize) -> f64 {
    // Doses 0.1 to 1000 have gains 1 to 5.
    let number = (gain - 1.0).round() as usize;
    0.4 * ((number * 12 + cell) as f64 * 2.3).sin()
}

/// Five doses in three fields of four cells each, a frame every 2 min for 100 min; every cell has a level of its own.
fn write_screen(folder: &Path) {
    let mut tracks = String::from("field,cell,dose_nm,time_min,signal\n");
    let mut stimuli = String::from("dose_nm,drug,start,end\n");
    for (number, dose) in [0.1, 1.0, 10.0, 100.0, 1000.0].into_iter().enumerate() {
        writeln!(stimuli, "{dose},drug,{},{}", PULSE.0, PULSE.1).unwrap();
        for field in 0..3 {
            for cell in 0..4 {
                let level = 10.0 + own_level(gain(dose), field * 4 + cell);
                for frame in 0..=50 {
                    let noise =
                        0.03 * ((number * 7919 + field * 104729 + cell * 1299709 + frame * 611953) as f64).sin();
                    let minutes = 2.0 * f64::from(frame as u32);
                    let signal = level + response(gain(dose), minutes) + noise;
                    writeln!(tracks, "d{number}f{field},{cell},{dose},{minutes},{signal:.4}").unwrap();
                }
            }
        }
    }
    std::fs::write(folder.join("tracks.csv"), tracks).unwrap();
    std::fs::write(folder.join("stimuli.csv"), stimuli).unwrap();
    let card = r#"
name = "linear"
kind = "compound"
reference = "first_frame"
dose_unit = "nM"
files = ["tracks.csv"]
[tracks]
track = ["field", "cell"]
field = ["field"]
time = "time_min"
time_unit = "min"
values = ["signal"]
stimuli = { file = "stimuli.csv", on = ["dose_nm"], perturbation = "drug", dose = "dose_nm", start = "start", end = "end" }
"#;
    std::fs::write(folder.join("dataset.toml"), card).unwrap();
    let config = format!(
        r#"
[data]
card = '{card}'
[tracks]
window = 6
seen_minutes = 24.0
[normalize]
per_plate = {{ method = "none" }}
compress = {{ method = "none" }}
[split]
by = "dose"
folds = 5
validation = 0.0
calibration = 0.0
[pair]
batch = 32
rollout = 25
[model]
latent = 8
encoder = {{ width = 32, feature_dropout = 0.0 }}
projector = {{ hidden = 32 }}
intervention = {{ width = 16 }}
predictor = {{ mlp_width = 32, dropout = 0.0 }}
[train]
steps = 800
learning_rate = 0.004
members = 1
evaluate_every = 800
sigreg = {{ slices = 32 }}
[evaluate]
bootstrap = {{ resamples = 200 }}
"#,
        card = folder.join("dataset.toml").display(),
    );
    std::fs::write(folder.join("linear.toml"), config).unwrap();
}

/// A number in a method's line of the table of trajectories.
fn number(said: &str, method: &str, column: usize) -> f64 {
    let line = said.lines().find(|line| line.starts_with(&format!("{method} "))).unwrap_or_else(|| panic!("{said}"));
    line.split_whitespace().nth(column).and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{line}"))
}

#[test]
fn the_response_of_a_linear_system_to_a_pulse_is_found_at_an_unseen_dose() {
    let folder = tempfile::tempdir().unwrap();
    write_screen(folder.path());
    let run = |name: &str| {
        let mut command = cytonaut(["run"]);
        command.arg(folder.path().join("linear.toml")).arg("--out").arg(folder.path().join(name));
        command
    };
    let said = finish(run("one"), 0);
    assert!(said.contains("12 tracks in 3 fields of view"), "{said}");
    // R² of single tracks is in column 3, of their mean in column 7: an unseen dose between two others, open loop for 76 min.
    assert!(number(&said, "lewm", 3) > 0.85 && number(&said, "lewm", 7) > 0.85, "{said}");
    assert!(
        number(&said, "blend", 3) > 0.95,
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
    finish(run("two"), 0);
    assert_same(&folder.path().join("two"), &folder.path().join("one"));
}

/// The tiny run of tracks, in a few steps.
fn few_steps(folder: &Path, verb: &str, name: &str) -> std::process::Command {
    let mut command = cytonaut([verb]);
    command.arg(folder.join("linear.toml")).args([
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
