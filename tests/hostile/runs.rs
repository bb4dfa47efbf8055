//! Run folders: checkpoints, manifests and the other files of ours.

use std::fs;
use std::path::Path;

use super::make::{change, change_bytes, change_header, finished_run, put, safetensors, unfinished_run};
use super::{Case, case};
use crate::support::TINY;

const MODEL: &str = "run/model/member-0.safetensors";
const CHECKPOINT: &str = "run/checkpoints/member-0.safetensors";

const EMBED: &[&str] = &["embed", "run", "--out", "e.parquet"];

/// The command that made the run, for the same settings again.
const AGAIN: &[&str] = &again();

const fn again() -> [&'static str; TINY.len() + 2] {
    let mut arguments = ["run"; TINY.len() + 2];
    let mut index = 0;
    while index < TINY.len() {
        arguments[index + 1] = TINY[index];
        index += 1;
    }
    arguments[TINY.len() + 1] = "--out=run";
    arguments
}

/// A finished run that is broken and then asked for embeddings.
macro_rules! run {
    ($title:literal, $code:literal, $break:expr) => {
        run!($title, $code, EMBED, $break)
    };
    ($title:literal, $code:literal, $arguments:expr, $break:expr) => {
        case($title, $code, $arguments, |folder: &Path| {
            finished_run(folder);
            ($break)(folder);
        })
    };
}

fn write(folder: &Path, name: &str, content: impl AsRef<[u8]>) {
    fs::write(folder.join(name), content).unwrap();
}

pub fn cases() -> Vec<Case> {
    let mut cases = models();
    cases.extend(other_files());
    cases.extend(checkpoints());
    cases
}

fn models() -> Vec<Case> {
    let tensor = |name: &str, offsets: &str| {
        format!("\"{name}\":{{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":{offsets}}}")
    };
    let overlapping = format!("{{{},{}}}", tensor("a", "[0,8]"), tensor("b", "[4,12]"));
    let beyond = format!("{{{}}}", tensor("a", "[0,8000000000]"));
    vec![
        run!("a model that is cut short", 1, |folder| change_bytes(folder, MODEL, |bytes| bytes.truncate(5000))),
        run!("an empty model", 1, |folder| write(folder, MODEL, "")),
        run!("a model that is no safetensors", 1, |folder| write(folder, MODEL, "PK\x03\x04 and so on and on")),
        run!("a header longer than the file", 1, |folder| change_bytes(folder, MODEL, |bytes| bytes[..8].fill(0x7F))),
        case("tensors that overlap", 1, EMBED, move |folder| {
            finished_run(folder);
            write(folder, MODEL, safetensors(&overlapping, 12));
        }),
        case("a tensor beyond the end of the file", 1, EMBED, move |folder| {
            finished_run(folder);
            write(folder, MODEL, safetensors(&beyond, 8));
        }),
        run!("a tensor of another type", 1, |folder| change_header(folder, MODEL, |header| header
            .replacen("F32", "I32", 1))),
        run!("weights that are NaN", 1, |folder| change_bytes(folder, MODEL, |bytes| {
            let end = bytes.len();
            bytes[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
        })),
        run!("a model of another width", 1, |folder: &Path| {
            put(folder, "narrow/model/member-0.safetensors", "run/model/member-1.safetensors");
        }),
        run!("a model that claims a width of a trillion", 1, |folder| change_header(folder, MODEL, |header| {
            header.replace("\\\"latent\\\":16", "\\\"latent\\\":1600000000000")
        })),
        run!("a model without its vocabulary", 1, |folder| change_header(folder, MODEL, |header| {
            header.replace("\"vocabulary\"", "\"vocabulari\"")
        })),
        run!("a model without a tensor", 1, |folder| change_header(folder, MODEL, |header| {
            header.replace("\"memory.untreated\"", "\"memory.untreate_\"")
        })),
        run!("a model that is a folder", 1, |folder: &Path| {
            fs::remove_file(folder.join(MODEL)).unwrap();
            fs::create_dir(folder.join(MODEL)).unwrap();
        }),
        run!("a member that is missing", 1, |folder: &Path| fs::remove_file(
            folder.join("run/model/member-1.safetensors")
        )
        .unwrap()),
    ]
}

fn other_files() -> Vec<Case> {
    vec![
        run!("an empty manifest", 1, |folder| write(folder, "run/manifest.json", "")),
        run!("a manifest that is a list", 1, |folder| write(folder, "run/manifest.json", "[1, 2]")),
        run!("a manifest without its state", 1, |folder| change(folder, "run/manifest.json", |text| {
            text.replace("\"state\"", "\"stage\"")
        })),
        run!("a run of a newer version", 1, |folder| {
            write(folder, "run/manifest.json", "{\"format\": 2, \"cytonaut\": \"9.0.0\", \"stages\": []}");
        }),
        run!("a run without a manifest", 2, |folder: &Path| fs::remove_file(folder.join("run/manifest.json")).unwrap()),
        run!("a run without a configuration", 2, |folder: &Path| fs::remove_file(folder.join("run/config.toml"))
            .unwrap()),
        run!("a run with a key of a newer version", 2, |folder| change(folder, "run/config.toml", |text| {
            text.replace("[train]", "[train]\nwarp = 9")
        })),
        run!("a normalizer that is cut short", 1, |folder| change(folder, "run/normalizer.json", |text| text[..500]
            .to_owned())),
        run!("a normalizer of other features", 1, |folder| change(folder, "run/normalizer.json", |text| {
            text.replace("Nuclei_", "Nucleus_")
        })),
        run!("a decoder of another model", 1, |folder: &Path| {
            put(folder, "narrow/decoder.json", "run/decoder.json");
        }),
        run!("a decoder that is empty", 1, |folder| write(folder, "run/decoder.json", "")),
        run!("a combination without its products", 1, |folder| change(folder, "run/combination.json", |text| {
            text.replacen("\"products\":[", "\"products\":[0.5,", 1)
        })),
        run!("data that have changed", 2, AGAIN, |folder| {
            change(folder, "datasets/bbbc021/dataset.toml", |text| {
                text.replace("[checksums]", "[checksums]\n#").replace("profiles.csv.gz\" =", "other\" =")
            });
            change_bytes(folder, "datasets/bbbc021/profiles.csv.gz", |bytes| bytes.extend(super::make::gz(b"\n")));
        }),
        run!("other settings", 2, &["run", "configs/quickstart.toml", "--out=run"], |_| {}),
        run!(
            "a table without the columns of the card",
            2,
            &["embed", "run", "t.csv", "--out", "e.parquet"],
            |folder| {
                write(folder, "t.csv", super::make::PLAIN);
            }
        ),
        run!(
            "an intervention with a dose that is none",
            2,
            &["predict", "run", "--intervention", "taxol@10 parsec", "--out", "p.parquet"],
            |_| {}
        ),
        run!("a target that is no query, of a run", 2, &["rank", "run", "--target", "moa = best"], |_| {}),
        run!("a table that cannot be written", 1, &["embed", "run", "--out", "absent/e.parquet"], |_| {}),
        case("a folder that is no run", 2, EMBED, |folder| fs::create_dir(folder.join("run")).unwrap()),
        case("a run that is a file", 2, EMBED, |folder| write(folder, "run", "run")),
        case("a run that is not trained", 1, EMBED, unfinished_run),
    ]
}

fn checkpoints() -> Vec<Case> {
    vec![
        case("a checkpoint that is cut short", 1, AGAIN, |folder| {
            unfinished_run(folder);
            change_bytes(folder, CHECKPOINT, |bytes| bytes.truncate(5000));
        }),
        case("a checkpoint of another width", 1, AGAIN, |folder| {
            unfinished_run(folder);
            put(folder, "narrow/checkpoints/member-0.safetensors", CHECKPOINT);
        }),
        case("a checkpoint without its step", 1, AGAIN, |folder| {
            unfinished_run(folder);
            change_header(folder, CHECKPOINT, |header| header.replace("\"step\"", "\"stop\""));
        }),
        case("a checkpoint without moments", 1, AGAIN, |folder| {
            unfinished_run(folder);
            change_header(folder, CHECKPOINT, |header| header.replace("optimizer.moment_2.", "optimizer.moment_9."));
        }),
        case("metrics that are none", 1, AGAIN, |folder| {
            unfinished_run(folder);
            change(folder, "run/metrics.jsonl", |text| text.replacen("{\"member\":0", "{\"member\":zero", 1));
        }),
    ]
}
