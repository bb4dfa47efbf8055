//! From pictures of a screen without a time lapse to embeddings, scores and a ranking: wells of disks of three kinds.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use tiff::encoder::{TiffEncoder, colortype::Gray8};

use super::command::{cytonaut, finish};
use super::kill::{assert_same, kill_when};

const SIDE: usize = 64;

/// Radius and brightness of a well's disks by its column: two columns of controls, two of large disks, two of bright ones.
const COLUMNS: [(&str, f64, u8); 6] = [
    ("none", 7.0, 120),
    ("none", 7.0, 120),
    ("grow", 11.0, 120),
    ("grow", 11.0, 120),
    ("shine", 7.0, 230),
    ("shine", 7.0, 230),
];

/// Four rows of six wells, in each picture four disks, which differ a little from well to well.
fn write_screen(folder: &Path) {
    let mut sheet = String::from("row,column,treatment,file\n");
    for row in 0..4 {
        for (column, (treatment, radius, brightness)) in COLUMNS.into_iter().enumerate() {
            let own = 0.4 * ((3 * row + 5 * column) % 4) as f64;
            let mut pixels = vec![20u8; SIDE * SIDE];
            for (index, pixel) in pixels.iter_mut().enumerate() {
                let (x, y) = (index % SIDE, index / SIDE);
                let at = |position: usize| (position % 32) as f64 - 16.0;
                if at(x).hypot(at(y)) <= radius + own {
                    *pixel = brightness - ((x * 7 + y * 3 + row) % 11) as u8;
                }
            }
            let name = format!("{row}_{column}.tif");
            let file = std::fs::File::create(folder.join(&name)).unwrap();
            TiffEncoder::new(file).unwrap().write_image::<Gray8>(SIDE as u32, SIDE as u32, &pixels).unwrap();
            writeln!(sheet, "{},{},{treatment},{name}", ["A", "B", "C", "D"][row], column + 1).unwrap();
        }
    }
    std::fs::write(folder.join("wells.csv"), sheet).unwrap();
    let card = r#"
name = "disks"
kind = "other"
files = ["wells.csv"]
[columns]
perturbation = "treatment"
[controls]
negative = { values = ["none"] }
[images]
plate = "one"
"#;
    std::fs::write(folder.join("dataset.toml"), card).unwrap();
    let config = format!(
        r#"
[data]
card = '{card}'
[images]
cache = '{cache}'
[images.crop]
size = 16
binning = 2
[normalize]
per_plate = {{ method = "none" }}
compress = {{ method = "none" }}
[split]
by = "plate_row"
folds = 2
validation = 0.0
calibration = 0.0
[pair]
crops = 3
bag = 4
[model]
latent = 8
encoder = {{ kind = "conv", channels = 1, size = 16, widths = [8, 16], width = 32 }}
[train]
steps = 80
members = 1
checkpoint_every = 10
[evaluate]
all_folds = true
neighbors = 3
bootstrap = {{ resamples = 200 }}
"#,
        card = folder.join("dataset.toml").display(),
        cache = folder.join("cache").display()
    );
    std::fs::write(folder.join("disks.toml"), config).unwrap();
}

/// Numbers in the line of a way to tell labels: accuracy first.
fn accuracy(said: &str, method: &str) -> f64 {
    let line = said.lines().find(|line| line.starts_with(&format!("{method} "))).unwrap_or_else(|| panic!("{said}"));
    line.split_whitespace().nth(1).and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{line}"))
}

fn run(folder: &Path, name: &str, more: &[&str]) -> Command {
    let mut command = cytonaut(["run"]);
    command.arg(folder.join("disks.toml")).arg("--out").arg(folder.join(name)).args(more);
    command
}

#[test]
fn wells_of_unseen_rows_are_told_by_their_neighbors_and_the_column_says_as_much() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_screen(folder);
    let said = finish(run(folder, "one", &[]), 0);
    assert!(said.contains("96 rows of 24 wells on 1 plates, 2 treatments, 256 features"), "{said}");
    assert!(said.contains("label of held-out wells: 24 wells, each a unit"), "{said}");
    assert!(accuracy(&said, "latents") == 1.0, "{said}");
    assert_eq!(accuracy(&said, "intensity"), 1.0, "{said}");
    assert_eq!(accuracy(&said, "plate_column"), 1.0, "{said}");
    assert!(accuracy(&said, "majority") < 0.5, "{said}");
    assert!(said.contains("the plate column explains the label completely (accuracy 1.000)"), "{said}");
    assert!(said.contains("against the best of 8 simple ways, intensity"), "intensities tell these disks best: {said}");
    assert!(said.contains("unseen plate_row: 4 treatments of 2 perturbations"), "{said}");
    for name in ["scores.parquet", "labels.parquet", "fold-0/embeddings-well.parquet", "fold-1/predictions.parquet"] {
        assert!(folder.join("one").join(name).is_file(), "{name}");
    }

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
    let mut child = run(folder, "two", &[]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    kill_when(&mut child, || folder.join("two/fold-1/checkpoints/member-0.safetensors").exists());
    finish(run(folder, "two", &[]), 0);
    assert_same(&folder.join("two"), &folder.join("one"));
    let said = finish(run(folder, "two", &[]), 0);
    assert!(said.contains("run was finished already"), "{said}");
}

#[test]
fn a_finished_run_of_images_embeds_other_pictures_ranks_by_its_model_and_says_what_it_cannot() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_screen(folder);
    let once = ["--set=evaluate.all_folds=false", "--steps=40", "--set=rank.target=perturbation == \"grow\""];
    let said = finish(run(folder, "none", &once), 2);
    assert!(said.contains("a screen of images is ranked by its model alone"), "{said}");
    let by_model = [&once[..], &["--set=rank.by=lewm"]].concat();
    let said = finish(run(folder, "one", &by_model), 0);
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
        assert!(said.contains(&format!("{rows} rows of 8 latent dimensions")), "{level}: {said}");
    }
    let said = finish(ask(&["evaluate"], &[]), 0);
    assert!(said.contains("label of held-out wells: 12 wells"), "{said}");
    let said = finish(ask(&["evaluate"], &[at("dataset.toml")]), 2);
    assert!(said.contains("scoring a finished run on other files is not there yet for a screen of images"), "{said}");
    let mut command = ask(&["predict", "--intervention", "grow", "--out"], &[]);
    command.arg(at("predicted.parquet"));
    assert!(finish(command, 0).contains("1 predictions"), "a prediction is a latent");
    let said = finish(ask(&["rank", "--target", "perturbation == \"shine\"", "--by", "lewm"], &[]), 0);
    assert!(said.lines().any(|line| line.trim_start().starts_with("1 ") && line.contains("shine")), "{said}");
}
