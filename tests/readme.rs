//! The commands of the README and of the quickstart guide, run as they stand there, in their order.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::support::said;

/// Appended to commands that train, which would take minutes otherwise.
const FAST: &str = " --steps 30 --set train.members=1 --set train.sigreg.slices=64 --set model.encoder.width=64 \
                    --set evaluate.bootstrap.resamples=200";

/// Lines of the `sh` blocks of a page.
fn commands(page: &str) -> Vec<String> {
    let blocks = page.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    blocks.flat_map(|block| block.replace("\\\n", " ").lines().map(str::to_owned).collect::<Vec<_>>()).collect()
}

/// A folder in which the commands find what they find in the repository.
fn like_the_repository() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    fs::create_dir_all(folder.path().join("target/release")).unwrap();
    fs::copy(env!("CARGO_BIN_EXE_cytonaut"), folder.path().join("target/release/cytonaut")).unwrap();
    for name in ["configs", "datasets/bbbc021"] {
        fs::create_dir_all(folder.path().join(name)).unwrap();
        for entry in fs::read_dir(root.join(name)).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), folder.path().join(name).join(entry.file_name())).unwrap();
        }
    }
    folder
}

#[test]
fn commands_of_the_readme_and_the_quickstart_work() {
    let folder = like_the_repository();
    let mut n_run = 0;
    for page in ["README.md", "docs/quickstart.md"] {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(page)).unwrap();
        for line in commands(&text) {
            let mut command = line.replace("cargo run --release --", "target/release/cytonaut");
            if command.starts_with("cargo ") {
                continue;
            }
            if command.contains("cytonaut run ") {
                command += FAST;
            }
            let output = Command::new("sh").arg("-c").arg(&command).current_dir(folder.path()).output().unwrap();
            // A model trained for so few steps may lose against what it is required to beat.
            let may_lose = command.contains("--require-beat");
            let code = output.status.code();
            assert!(code == Some(0) || may_lose && code == Some(3), "{page}: {line}\n{}", said(&output));
            n_run += 1;
        }
    }
    assert!(n_run >= 10, "{n_run} commands");
}
