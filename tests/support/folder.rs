//! Run folders that are looked into, compared and interrupted.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

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

/// The step that a member's checkpoint was taken at; 0 without one.
pub fn step(run: &Path, member: usize) -> usize {
    let bytes = fs::read(run.join(format!("checkpoints/member-{member}.safetensors"))).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(100_000)]).into_owned();
    text.split("\"step\":\"").nth(1).and_then(|rest| rest.split('"').next()?.parse().ok()).unwrap_or(0)
}

/// Guards files of a card's folder by their checksums, as the last section of its `dataset.toml`.
pub fn add_checksums(folder: &Path, names: &[&str]) {
    let mut card = fs::read_to_string(folder.join("dataset.toml")).unwrap();
    card += "[checksums]\n";
    for name in names {
        let sha256: String =
            Sha256::digest(fs::read(folder.join(name)).unwrap()).iter().map(|byte| format!("{byte:02x}")).collect();
        card += &format!("{name:?} = \"{sha256}\"\n");
    }
    fs::write(folder.join("dataset.toml"), card).unwrap();
}

/// Takes the last row off a table.
pub fn without_last_row(table: &Path) {
    let text = fs::read_to_string(table).unwrap();
    let (rows, _) = text.trim_end().rsplit_once('\n').unwrap();
    fs::write(table, format!("{rows}\n")).unwrap();
}
