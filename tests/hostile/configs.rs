//! Configurations, flags and the place of the run folder. Nothing here trains.

use std::fs;
use std::path::Path;

use super::make::{CARD, PLAIN};
use super::{Case, case};

/// A configuration beside a small data set.
fn put(folder: &Path, config: &str) {
    fs::write(folder.join("dataset.toml"), CARD).unwrap();
    fs::write(folder.join("t.csv"), PLAIN).unwrap();
    fs::write(folder.join("c.toml"), config).unwrap();
}

const DATA: &str = "data.card = \"dataset.toml\"\n";

/// A configuration that is run.
macro_rules! config {
    ($title:literal, $text:expr) => {
        config!($title, $text, &["run", "c.toml"])
    };
    ($title:literal, $text:expr, $arguments:expr) => {
        case($title, 2, $arguments, |folder| put(folder, &format!("{DATA}{}", $text)))
    };
}

pub fn cases() -> Vec<Case> {
    vec![
        config!("an unknown key", "train.step = 5"),
        config!("an unknown section", "[trian]\nsteps = 5"),
        config!("a number as text", "train.steps = \"many\""),
        config!("a negative seed", "train.seed = -1"),
        config!("a number with a decimal point", "train.steps = 10.5"),
        config!("no TOML", "train.steps = = 3"),
        config!("a shrinkage above 1", "normalize.per_plate = { method = \"robust\", shrink = 2.0 }"),
        config!("an unknown method", "normalize.compress = { method = \"log\" }"),
        config!("a clip at nothing", "normalize.compress = { method = \"clip\", limit = 0.0 }"),
        config!("a latent that fills the memory", "model.latent = 1000000000000"),
        config!("no penalty for the decoder", "decoder.lambdas = []"),
        config!("a negative penalty", "decoder.lambdas = [1.0, -1.0]"),
        config!("too few resamples", "evaluate.bootstrap.resamples = 0"),
        config!("a learning rate that is NaN", "train.learning_rate = nan"),
        config!("a fold that there is not", "split.fold = 5"),
        config!("parts that leave nothing to train on", "split = { validation = 0.5, calibration = 0.5 }"),
        config!("micro-batches with a batch norm", "train.micro_batches = 4"),
        config!("a ranker that there is not", "rank.by = \"guess\""),
        config!("a target that is no query", "rank.target = \"moa is best\""),
        config!("a target with an unknown column", "rank.target = \"moa == 'x'\""),
        config!("a start from a run that there is not", "train.from = \"absent\""),
        config!("a flag out of its range", "", &["run", "c.toml", "--members", "0"]),
        config!("a setting without a value", "", &["run", "c.toml", "--set", "train.steps"]),
        config!("a setting below a value", "", &["run", "c.toml", "--set", "train.steps.more=1"]),
        config!("files that are not there", "", &["run", "c.toml", "--files", "absent.csv"]),
        config!("a device that there is not", "", &["run", "c.toml", "--device", "abacus"]),
        case("an empty configuration", 2, &["run", "c.toml"], |folder| put(folder, "")),
        case("a card that is not there", 2, &["run", "c.toml"], |folder| put(folder, "data.card = \"absent.toml\"")),
        case("a configuration that is a folder", 2, &["run", "c.toml"], |folder| {
            fs::create_dir(folder.join("c.toml")).unwrap();
        }),
        case("a configuration that is not UTF-8", 2, &["run", "c.toml"], |folder| {
            fs::write(folder.join("c.toml"), b"\xFF\xFE[\0t\0").unwrap();
        }),
        case("a configuration without end", 2, &["run", "c.toml"], |folder| {
            #[cfg(unix)]
            std::os::unix::fs::symlink("/dev/zero", folder.join("c.toml")).unwrap();
        }),
        case("a run folder that is a file", 1, &["run", "c.toml", "--out", "t.csv"], |folder| put(folder, DATA)),
        case("a run folder below a file", 1, &["run", "c.toml", "--out", "t.csv/run"], |folder| put(folder, DATA)),
        case("a run folder with somebody's files", 2, &["run", "c.toml", "--out", "."], |folder| put(folder, DATA)),
        case("a screen too small to be split", 2, &["run", "c.toml"], |folder| put(folder, DATA)),
    ]
}
