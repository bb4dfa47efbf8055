//! A run on a disk that is full says so, leaves whole files, and goes on when there is room.
//!
//! Needs Linux, root and the right to mount; elsewhere it says that it was skipped.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cytonaut::run::{Checkpoint, NonFinite};
use cytonaut::table::Table;

use super::support::{assert_same, files, finish, tiny_run};

/// A small disk, unmounted when dropped.
struct Disk(PathBuf);

impl Disk {
    fn mounted(at: &Path, kib: usize) -> Option<Self> {
        fs::create_dir_all(at).unwrap();
        let options = format!("size={kib}k,nr_inodes=100");
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(at).output();
        mount.ok().filter(|output| output.status.success()).map(|_| Self(at.to_owned()))
    }

    fn resize(&self, kib: usize) {
        let options = format!("remount,size={kib}k");
        assert!(Command::new("mount").args(["-o", &options]).arg(&self.0).status().unwrap().success());
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

/// Every file opens; nothing half-written is left under its own name.
fn assert_whole(folder: &Path) {
    for (name, bytes) in files(folder) {
        let path = folder.join(&name);
        match name.extension().and_then(|extension| extension.to_str()) {
            Some("parquet") => drop(Table::read_parquet(&path).unwrap()),
            Some("json") => drop(serde_json::from_slice::<serde_json::Value>(&bytes).unwrap()),
            Some("toml") => drop(String::from_utf8(bytes).unwrap().parse::<toml::Table>().unwrap()),
            Some("safetensors") => drop(Checkpoint::load(&path, NonFinite::Refuse).unwrap()),
            _ => {}
        }
        assert!(!name.to_string_lossy().ends_with(".partial"), "{}", name.display());
    }
}

#[test]
fn a_full_disk_is_told_and_gone_on_from() {
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole");
    let Some(disk) = Disk::mounted(&folder.path().join("disk"), 16) else {
        eprintln!("skipped: a tmpfs cannot be mounted here");
        return;
    };
    finish(tiny_run(&whole, &[]), 0);
    let needed = files(&whole).values().map(Vec::len).sum::<usize>() / 1024;
    let run = disk.0.join("run");
    let mut n_full = 0;
    // Full at the first files, at checkpoints, at the model, at the tables.
    for share in [0, 10, 25, 40, 60, 80, 90, 97] {
        disk.resize((needed * share / 100).max(8));
        let said = finish(tiny_run(&run, &["--quiet"]), 1);
        assert!(
            said.contains("cannot be written: the disk is full; free some space and run the same command again"),
            "{share} %: {said}"
        );
        assert!(said.starts_with(&format!("error: {}", disk.0.display())), "the file is named: {said}");
        assert_whole(&run);
        n_full += 1;
    }
    assert_eq!(n_full, 8);
    disk.resize(4 * needed);
    finish(tiny_run(&run, &[]), 0);
    assert_same(&run, &whole);
}
