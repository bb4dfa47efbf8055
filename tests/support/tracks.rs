//! A table of tracks and a schedule: a linear system whose response is known in closed form.

use std::fmt::Write as _;
use std::path::Path;

/// Minutes in which the two states follow their input.
const TAU: (f64, f64) = (6.0, 15.0);

/// The pulse, between frames.
const PULSE: (f64, f64) = (25.0, 45.0);

/// What the second state is above its beginning at `minutes`, for an input of `gain` during the pulse.
///
/// `y' = (u − y) / τ1`, `x' = (y − x) / τ2`: the response to a step at 0 is `1 − (τ2 e^(−t/τ2) − τ1 e^(−t/τ1)) / (τ2 − τ1)`, and
/// a pulse is a step up and a step down.
pub fn response(gain: f64, minutes: f64) -> f64 {
    let step = |t: f64| match t > 0.0 {
        true => 1.0 - (TAU.1 * (-t / TAU.1).exp() - TAU.0 * (-t / TAU.0).exp()) / (TAU.1 - TAU.0),
        false => 0.0,
    };
    gain * (step(minutes - PULSE.0) - step(minutes - PULSE.1))
}

/// Gain of a dose: linear in its logarithm.
pub fn gain(dose: f64) -> f64 {
    2.0 + dose.log10()
}

/// What a cell's level is above 10.
pub fn own_level(gain: f64, cell: usize) -> f64 {
    // Doses 0.1 to 1000 have gains 1 to 5.
    let number = (gain - 1.0).round() as usize;
    0.4 * ((number * 12 + cell) as f64 * 2.3).sin()
}

/// Five doses in three fields of four cells each, a frame every 2 min for 100 min; every cell has a level of its own.
pub fn write_screen(folder: &Path) {
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
    std::fs::write(folder.join("screen.toml"), config).unwrap();
}
