//! Runs from images: killed or stopped while the pictures are decoded, and pictures that change.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use super::support::time_lapse::{Disks, write_screen};
use super::support::{assert_same, files, finish, kill_when, run_of};

/// A hundred and forty-four pictures, whose crops fill five files.
const MANY: Disks = Disks { n_wells: 24, n_frames: 6, side: 512 };
const SHORT: [&str; 4] =
    ["--set=evaluate.all_folds=false", "--steps=40", "--set=train.checkpoint_every=10", "--set=split.folds=4"];

/// The file of crops of that number, if it is there.
fn shard(folder: &Path, number: usize) -> Option<PathBuf> {
    let inside = fs::read_dir(folder.join("cache")).into_iter().flatten().filter_map(Result::ok);
    let mut paths = inside.map(|entry| entry.path().join(format!("shard-{number:05}.crops")));
    paths.find(|path| path.exists())
}

fn quiet(folder: &Path, name: &str) -> Child {
    run_of(folder, name, &SHORT).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

#[test]
fn a_run_from_images_that_is_killed_ends_with_the_bytes_of_one_that_was_not() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_screen(folder, &MANY);
    finish(run_of(folder, "whole", &SHORT), 0);
    let crops = files(&folder.join("cache"));
    assert!(shard(folder, 4).is_some() && shard(folder, 5).is_none());
    fs::remove_dir_all(folder.join("cache")).unwrap();

    let exists = |name: &str| folder.join("killed").join(name).exists();
    for number in [0, 2] {
        assert!(kill_when(&mut quiet(folder, "killed"), || shard(folder, number).is_some()));
        assert!(shard(folder, 4).is_none(), "killed while pictures were decoded");
        assert!(!exists("manifest.json"));
    }
    let kept = fs::metadata(shard(folder, 0).unwrap()).unwrap().modified().unwrap();
    assert!(kill_when(&mut quiet(folder, "killed"), || exists("checkpoints/member-0.safetensors")));
    assert!(!exists("model/member-0.safetensors"), "killed while it was trained");
    kill_when(&mut quiet(folder, "killed"), || exists("embeddings.parquet"));
    finish(run_of(folder, "killed", &SHORT), 0);
    assert_same(&folder.join("killed"), &folder.join("whole"));
    assert_eq!(fs::metadata(shard(folder, 0).unwrap()).unwrap().modified().unwrap(), kept, "decoded once");
    assert!(files(&folder.join("cache")) == crops, "and what was decoded is the same, with nothing left over");

    // One thread and another run: the same bytes.
    fs::remove_dir_all(folder.join("cache")).unwrap();
    let mut command = run_of(folder, "again", &SHORT);
    command.env("RAYON_NUM_THREADS", "1");
    finish(command, 0);
    assert_same(&folder.join("again"), &folder.join("whole"));
    assert!(files(&folder.join("cache")) == crops);
}

#[test]
#[cfg(unix)]
fn ctrl_c_keeps_what_is_decoded() {
    use std::process::Command;

    use super::support::said;

    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_screen(folder, &MANY);
    let mut command = run_of(folder, "run", &SHORT);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let begin = Instant::now();
    while shard(folder, 1).is_none() {
        assert!(begin.elapsed() < Duration::from_secs(300), "nothing came of the run");
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    let said = said(&output);
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(said.contains("stopped while decoding images, with ") && said.contains(" of 144 images"), "{said}");
    assert!(said.contains("resume with\n  ") && said.contains("screen.toml --out"), "{said}");
    let kept = fs::metadata(shard(folder, 1).unwrap()).unwrap().modified().unwrap();
    assert!(shard(folder, 4).is_none(), "{said}");
    finish(run_of(folder, "run", &SHORT), 0);
    assert_eq!(fs::metadata(shard(folder, 1).unwrap()).unwrap().modified().unwrap(), kept);
}

#[test]
fn pictures_are_inputs_of_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_screen(folder, &Disks { n_wells: 8, n_frames: 2, side: 64 });
    finish(run_of(folder, "run", &SHORT), 0);
    let manifest = fs::read_to_string(folder.join("run/manifest.json")).unwrap();
    assert!(manifest.contains("\"16 image files of plate one\""), "{manifest}");
    let said = finish(run_of(folder, "run", &SHORT), 0);
    assert!(said.contains("run was finished already"), "{said}");

    // Written again with the same content, then with another.
    let picture = folder.join("B02_1.tif");
    let before = fs::read(&picture).unwrap();
    fs::write(&picture, &before).unwrap();
    let said = finish(run_of(folder, "run", &SHORT), 0);
    assert!(said.contains("run was finished already"), "{said}");
    fs::copy(folder.join("B03_1.tif"), &picture).unwrap();
    let said = finish(run_of(folder, "run", &SHORT), 2);
    assert!(said.contains("was made from other data: `16 image files of plate one` has changed"), "{said}");
    fs::write(&picture, &before).unwrap();
    finish(run_of(folder, "run", &SHORT), 0);
}
