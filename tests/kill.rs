//! A run that is killed, again and again, ends with the bytes of one that was not.

use std::fs;
use std::process::Stdio;

use super::support::{assert_same, files, finish, kill_when, step, tiny_run};

#[test]
fn a_killed_run_ends_with_the_bytes_of_one_that_was_not() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (whole, killed) = (at("whole"), at("killed"));
    finish(tiny_run(&whole, &[]), 0);

    let step = |member: usize| step(&killed, member);
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
    let results = ["embeddings.parquet", "predictions.parquet", "scores.parquet", "evaluation.json", "ranking.csv"];
    for name in ["model/member-1.safetensors", "decoder.json"].into_iter().chain(results) {
        fs::remove_file(whole.join(name)).unwrap();
        finish(tiny_run(&whole, &[]), 0);
        assert!(files(&whole) == before, "{name} is made again");
    }
    let said = finish(tiny_run(&whole, &["--set=train.weight_decay=0.5"]), 2);
    assert!(said.contains("`[train] weight_decay` = 0.001, but 0.5 is requested"), "{said}");
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
