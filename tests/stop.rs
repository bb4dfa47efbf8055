//! A run that is asked to stop by a signal saves its step, says how to go on, and ends with the same bytes.
#![cfg(unix)]

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use super::support::{assert_same, finish, said, step, tiny_run};

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

/// Starts the run, sends the signal when there is a checkpoint of a step, and waits for the end.
fn stopped_by(name: &str, folder: &Path, from_step: usize) -> Output {
    let mut command = tiny_run(folder, &["--quiet"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let begin = Instant::now();
    while step(folder, 0) < from_step {
        assert!(begin.elapsed() < Duration::from_secs(300), "nothing came of the run");
        std::thread::sleep(Duration::from_millis(1));
    }
    signal(&child, name);
    child.wait_with_output().unwrap()
}

#[test]
fn ctrl_c_saves_the_step_and_the_run_goes_on_to_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, stopped) = (folder.path().join("whole"), folder.path().join("stopped by hand"));
    finish(tiny_run(&whole, &[]), 0);
    let mut last = 0;
    for (name, from_step) in [("INT", 10), ("TERM", 30), ("INT", 50)] {
        let output = stopped_by(name, &stopped, from_step);
        let said = said(&output);
        assert_eq!(output.status.code(), Some(130), "{said}");
        assert!(said.starts_with("stopped at step ") || said.starts_with("stopped before "), "{said}");
        assert!(said.contains("resume with\n  ") && said.contains("run configs/quickstart.toml --steps=60"), "{said}");
        let quoted = format!("'{}'", stopped.display());
        assert!(said.trim_end().ends_with(&quoted), "{said}");
        assert!(step(&stopped, 0) > last, "the step it had come to is saved");
        last = step(&stopped, 0);
    }
    finish(tiny_run(&stopped, &[]), 0);
    assert_same(&stopped, &whole);
}

#[test]
fn a_second_ctrl_c_ends_the_process_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    // One step of so many slices takes far longer than the test waits.
    let slow = ["--set=train.sigreg.slices=200000", "--set=train.sigreg.knots=5000"];
    let mut child = tiny_run(&run, &slow).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let begin = Instant::now();
    while !run.join("metrics.jsonl").exists() {
        assert!(begin.elapsed() < Duration::from_secs(300), "nothing came of the run");
        std::thread::sleep(Duration::from_millis(5));
    }
    // The log is there before the first step begins, by more where the machine has much to do.
    std::thread::sleep(Duration::from_secs(5));
    signal(&child, "INT");
    std::thread::sleep(Duration::from_millis(200));
    assert!(child.try_wait().unwrap().is_none(), "the first lets it finish its step");
    signal(&child, "INT");
    let begin = Instant::now();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(begin.elapsed() < Duration::from_secs(5));
    // What is there can be gone on with.
    finish(tiny_run(&run, &[]), 2);
}

#[test]
fn a_warm_start_is_part_of_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let from = at("first").to_string_lossy().into_owned();
    finish(tiny_run(&at("first"), &["--set=train.weight_decay=0.5"]), 0);
    finish(tiny_run(&at("warm"), &["--from", &from]), 0);
    finish(tiny_run(&at("cold"), &[]), 0);
    let model = |run: &str| std::fs::read(at(run).join("model/member-0.safetensors")).unwrap();
    assert!(model("warm") != model("cold"));
    let said = finish(tiny_run(&at("warm"), &[]), 2);
    assert!(said.contains("`[train] from` = ") && said.contains("but nothing is requested"), "{said}");
    assert!(said.contains("--from"), "{said}");
    let said = finish(tiny_run(&at("warm"), &["--from", &from]), 0);
    assert!(said.contains("run was finished already"), "{said}");
    // The weights it started from are other ones now.
    std::fs::copy(at("cold").join("model/member-0.safetensors"), at("first").join("model/member-0.safetensors"))
        .unwrap();
    let said = finish(tiny_run(&at("warm"), &["--from", &from]), 2);
    assert!(said.contains("`train.from/member-0.safetensors` has changed"), "{said}");
}
