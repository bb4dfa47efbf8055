//! A screen of profiles: two drugs at six doses on two plates, whose features follow the logarithm of the dose.

use std::fmt::Write as _;
use std::path::Path;

/// Features of a profile.
const N_FEATURES: usize = 6;

/// Writes the table, its card and a configuration: with control wells on each plate, or as differences from control.
pub fn write_screen(folder: &Path, reference: &str) {
    let mut table = String::from("plate,well,drug,dose_um,group");
    (0..N_FEATURES).for_each(|feature| write!(table, ",f{feature}").unwrap());
    table.push('\n');
    let mut row_of = |plate: usize, place: usize, drug: &str, dose: Option<f64>, direction: usize| {
        let well = format!("{}{:02}", char::from(b'A' + (place / 6) as u8), place % 6 + 1);
        let group = if direction == 0 { "none" } else { ["rises", "falls"][direction - 1] };
        let dose_text = dose.map(|dose| dose.to_string()).unwrap_or_default();
        write!(table, "P{plate},{well},{drug},{dose_text},{group}").unwrap();
        for feature in 0..N_FEATURES {
            let noise = ((plate * 131 + place * 31 + feature * 17) as f64 * 1.7).sin();
            let effect = dose.map_or(0.0, |dose| 2.0 + dose.log10());
            let sign = if (feature + direction).is_multiple_of(2) { 1.0 } else { 0.3 };
            write!(table, ",{:.4}", noise + sign * effect * direction as f64).unwrap();
        }
        table.push('\n');
    };
    for plate in 1..=2 {
        for place in 0..6 {
            if reference == "control_wells" {
                row_of(plate, place, "DMSO", None, 0);
            }
        }
        for (direction, drug) in [(1, "up"), (2, "down")] {
            for dose in 0..6 {
                let place = 6 * direction + dose;
                row_of(plate, place, drug, Some(0.1 * 10f64.powf(0.5 * dose as f64)), direction);
            }
        }
    }
    std::fs::write(folder.join("profiles.csv"), table).unwrap();
    let card = format!(
        r#"
name = "drugs"
kind = "compound"
files = ["profiles.csv"]
reference = "{reference}"
[columns]
moa = "group"
"#
    );
    std::fs::write(folder.join("dataset.toml"), card).unwrap();
    let config = format!(
        r#"
[data]
card = '{card}'
[normalize]
per_plate = {{ method = "{per_plate}" }}
[split]
folds = 3
validation = 0.1
calibration = 0.1
[model]
latent = 8
encoder = {{ width = 16 }}
projector = {{ hidden = 16 }}
[train]
members = 1
"#,
        card = folder.join("dataset.toml").display(),
        per_plate = if reference == "control_wells" { "standardize" } else { "none" },
    );
    std::fs::write(folder.join("screen.toml"), config).unwrap();
}
