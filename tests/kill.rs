//! A run that is killed, again and again, ends with the bytes of one that was not.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use super::command::{finish, tiny_run};

/// Every file under `folder` by its relative path.
pub fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    fn visit(root: &Path, folder: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                visit(root, &path, files);
            } else {
                files.insert(path.strip_prefix(root).unwrap().to_owned(), fs::read(&path).unwrap());
            }
        }
    }
    let mut all = BTreeMap::new();
    visit(folder, folder, &mut all);
    all
}

#[track_caller]
pub fn assert_same(found: &Path, expected: &Path) {
    let (found, expected) = (files(found), files(expected));
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (name, bytes) in &found {
        assert!(bytes == &expected[name], "{} differs", name.display());
    }
}

/// Waits until `is_there`, then kills; `false` where the run ended before.
pub fn kill_when(child: &mut Child, is_there: impl Fn() -> bool) -> bool {
    let begin = Instant::now();
    while !is_there() {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        assert!(begin.elapsed() < Duration::from_secs(300), "nothing came of the run");
        std::thread::sleep(Duration::from_millis(1));
    }
    // SIGKILL on Unix: nothing of the process gets a chance to tidy up.
    child.kill().unwrap();
    !child.wait().unwrap().success()
}

#[test]
fn a_killed_run_ends_with_the_bytes_of_one_that_was_not() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (whole, killed) = (at("whole"), at("killed"));
    finish(tiny_run(&whole, &[]), 0);

    let step = |member: usize| {
        let checkpoint = killed.join(format!("checkpoints/member-{member}.safetensors"));
        let bytes = fs::read(checkpoint).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes[..bytes.len().min(100_000)]).into_owned();
        text.split("\"step\":\"").nth(1).and_then(|rest| rest.split('"').next()?.parse::<usize>().ok()).unwrap_or(0)
    };
    let exists = |name: &str| killed.join(name).exists();
    let moments: [&dyn Fn() -> bool; 6] = [
        &|| exists("manifest.json"),
        &|| step(0) >= 10,
        &|| step(1) >= 30,
        &|| exists("model/member-0.safetensors"),
        &|| exists("embeddings.parquet"),
        &|| exists("scores.parquet"),
    ];
    let mut n_kills = 0;
    for moment in moments {
        let mut child = tiny_run(&killed, &[]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        n_kills += usize::from(kill_when(&mut child, moment));
        if n_kills == 2 {
            assert!(!exists("model/member-0.safetensors"), "killed in the middle of training");
        }
    }
    assert!(n_kills >= 4, "the run was killed {n_kills} times only");
    finish(tiny_run(&killed, &[]), 0);
    assert_same(&killed, &whole);

    // Another process with another number of threads writes the same bytes.
    let again = at("again");
    let mut command = tiny_run(&again, &[]);
    command.env("RAYON_NUM_THREADS", "1");
    finish(command, 0);
    assert_same(&again, &whole);

    let before = files(&whole);
    let said = finish(tiny_run(&whole, &[]), 0);
    assert!(said.contains("run was finished already"), "{said}");
    assert!(files(&whole) == before, "asking again changes nothing");
    for name in ["model/member-1.safetensors", "decoder.json"] {
        fs::remove_file(whole.join(name)).unwrap();
        finish(tiny_run(&whole, &[]), 0);
        assert!(files(&whole) == before, "{name} is made again");
    }
    let said = finish(tiny_run(&whole, &["--set=train.weight_decay=0.5"]), 2);
    assert!(said.contains("`[train] weight_decay` = 0.001, asked for is 0.5"), "{said}");
    assert!(files(&whole) == before, "a refusal changes nothing");
}

#[test]
fn a_folder_of_somebody_else_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("notes.txt"), "mine").unwrap();
    let said = finish(tiny_run(folder.path(), &[]), 2);
    assert!(said.contains("notes.txt"), "{said}");
    assert_eq!(files(folder.path()).len(), 1);
}
