//! The folder of a run, and the rule by which it is begun, continued or refused.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::manifest::{Manifest, State, sha256};
use super::{Artifact, RunError};
use crate::load::InputHash;
use crate::table::{is_partial, sweep_partials, write_atomically};

/// Held by the process that writes the folder; the file stays, the lock goes with the process.
const LOCK: &str = ".lock";

/// What was found where a run is to be.
#[derive(Debug)]
pub enum Opened {
    /// Nothing: the run begins.
    New(RunDir),
    /// An unfinished run of the same settings and inputs: it goes on.
    Resume(RunDir),
    /// A finished run of the same settings and inputs: there is nothing to do.
    Finished(RunDir),
}

/// A run folder that this process alone may write, for as long as the value lives.
#[derive(Debug)]
pub struct RunDir {
    path: PathBuf,
    manifest: Manifest,
    /// Dropped with the value, which releases it.
    _lock: File,
}

impl RunDir {
    /// Opens `path` for a run of these settings and inputs, and creates it where there is nothing.
    ///
    /// A run of which no step has begun gives way to one of other settings or inputs.
    ///
    /// `resolved_config_toml` is the whole configuration after defaults, file and flags; it is compared key by key, so
    /// that comments and order do not matter. Inputs are compared by name, size and hash, in any order. A run begun by
    /// another version of Cytonaut is continued; see [`Manifest::version_difference`].
    ///
    /// # Errors
    /// [`RunError::OtherSettings`] and [`RunError::OtherInputs`] where the folder holds another run,
    /// [`RunError::NoRunFolder`] where it holds something else, [`RunError::Busy`] while another process writes it.
    pub fn open(path: &Path, resolved_config_toml: &str, inputs: &[InputHash]) -> Result<Opened, RunError> {
        if !Artifact::Manifest.path_in(path).exists() {
            refuse_foreign_files(path)?;
            fs::create_dir_all(path).map_err(RunError::write(path))?;
        }
        let lock = lock(path)?;
        // Looked for again, since another process may have begun the run before this one had the lock.
        if !Artifact::Manifest.path_in(path).exists() {
            return Self::begin(path, lock, resolved_config_toml, inputs).map(Opened::New);
        }
        let manifest = Manifest::read(path)?;
        let was_configured = Artifact::Config.path_in(path).exists();
        if !was_configured && manifest.state == State::Unfinished && manifest.started_steps.is_empty() {
            // Killed between the manifest and the configuration.
            return Self::begin(path, lock, resolved_config_toml, inputs).map(Opened::New);
        }
        let run = Self { path: path.to_owned(), manifest, _lock: lock };
        let is_begun = run.manifest.state == State::Finished || !run.manifest.started_steps.is_empty();
        match run.refuse_other_run(resolved_config_toml, inputs) {
            // Somebody corrected the command before anything was computed.
            Err(RunError::OtherSettings { .. } | RunError::OtherInputs { .. }) if !is_begun => {
                return Self::begin(path, run._lock, resolved_config_toml, inputs).map(Opened::New);
            }
            refused => refused?,
        }
        run.sweep()?;
        Ok(match run.manifest.state {
            State::Unfinished => Opened::Resume(run),
            State::Finished => Opened::Finished(run),
        })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where a file of this run lies, whether it is there or not.
    pub fn path_of(&self, artifact: Artifact) -> PathBuf {
        artifact.path_in(&self.path)
    }

    /// Where the run came from.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The resolved configuration as text.
    ///
    /// # Errors
    /// [`RunError::File`] where it cannot be read.
    pub fn config_toml(&self) -> Result<String, RunError> {
        let path = self.path_of(Artifact::Config);
        fs::read_to_string(&path).map_err(RunError::read(&path))
    }

    /// Changes the manifest and writes it; nothing is written where nothing has changed.
    ///
    /// # Errors
    /// [`RunError::File`]; the manifest on disk is then the old one.
    pub fn record(&mut self, change: impl FnOnce(&mut Manifest)) -> Result<(), RunError> {
        let mut manifest = self.manifest.clone();
        change(&mut manifest);
        if manifest != self.manifest {
            manifest.write(&self.path)?;
            self.manifest = manifest;
        }
        Ok(())
    }

    /// Notes that a step of the job has begun; a resumed run notes it once.
    ///
    /// # Errors
    /// As [`RunDir::record`].
    pub fn start_step(&mut self, step: &str) -> Result<(), RunError> {
        self.record(|manifest| push_once(&mut manifest.started_steps, step))
    }

    /// Marks the run finished, after its last file, and notes which files it left.
    ///
    /// # Errors
    /// As [`RunDir::record`], and when the folder cannot be read.
    pub fn finish(&mut self) -> Result<(), RunError> {
        let mut files = Vec::new();
        list_files(&self.path, "", &mut files)?;
        files.sort();
        self.record(|manifest| {
            manifest.files = files;
            manifest.state = State::Finished;
        })
    }

    /// Whether every file that the finished run left is still there.
    pub fn is_whole(&self) -> bool {
        self.manifest.files.iter().all(|name| self.path.join(name).exists())
    }

    fn begin(path: &Path, lock: File, config_toml: &str, inputs: &[InputHash]) -> Result<Self, RunError> {
        let checkpoints = path.join("checkpoints");
        fs::create_dir_all(&checkpoints).map_err(RunError::write(&checkpoints))?;
        // The manifest comes first: a folder with a configuration alone may be the user's own.
        let manifest = Manifest::new(config_toml, inputs);
        manifest.write(path)?;
        write_atomically(&Artifact::Config.path_in(path), |file| file.write_all(config_toml.as_bytes()))?;
        let run = Self { path: path.to_owned(), manifest, _lock: lock };
        run.sweep()?;
        Ok(run)
    }

    fn refuse_other_run(&self, config_toml: &str, inputs: &[InputHash]) -> Result<(), RunError> {
        self.refuse_other_settings(config_toml)?;
        match self.manifest.difference_from(inputs) {
            Some(difference) => Err(RunError::OtherInputs { path: self.path.clone(), difference }),
            None => Ok(()),
        }
    }

    fn refuse_other_settings(&self, config_toml: &str) -> Result<(), RunError> {
        if self.manifest.config_sha256 == sha256(config_toml) {
            return Ok(());
        }
        let path = self.path_of(Artifact::Config);
        let old = leaves(&path, &self.config_toml()?)?;
        let new = leaves(&path, config_toml)?;
        let keys: std::collections::BTreeSet<_> = old.keys().chain(new.keys()).collect();
        let mut different = keys.into_iter().filter(|&key| old.get(key) != new.get(key));
        let Some(key) = different.next() else { return Ok(()) };
        let value = |leaves: &BTreeMap<String, String>| leaves.get(key).map_or("nothing".to_owned(), Clone::clone);
        Err(RunError::OtherSettings {
            path: self.path.clone(),
            key: key.clone(),
            old: value(&old),
            new: value(&new),
            n_others: different.count(),
        })
    }

    fn sweep(&self) -> Result<(), RunError> {
        let inner = ["checkpoints", "model"].map(|name| self.path.join(name));
        for folder in std::iter::once(&self.path).chain(inner.iter().filter(|folder| folder.is_dir())) {
            sweep_partials(folder)?;
        }
        Ok(())
    }
}

/// A folder without a manifest must be empty, or hold only what a run killed at its first step leaves.
fn refuse_foreign_files(path: &Path) -> Result<(), RunError> {
    let entries = match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(RunError::read(path))?,
    };
    let mut foreign = Vec::new();
    for entry in entries {
        let name = entry.map_err(RunError::read(path))?.file_name().to_string_lossy().into_owned();
        let checkpoints_are_empty =
            || fs::read_dir(path.join("checkpoints")).is_ok_and(|mut entries| entries.next().is_none());
        if name != LOCK && !is_partial(&name) && !(name == "checkpoints" && checkpoints_are_empty()) {
            foreign.push(name);
        }
    }
    match foreign.into_iter().min() {
        Some(found) => Err(RunError::NoRunFolder { path: path.to_owned(), found }),
        None => Ok(()),
    }
}

/// Takes the folder for this process.
///
/// A file system without locks is used without: two processes in one folder are then the user's affair.
fn lock(folder: &Path) -> Result<File, RunError> {
    let path = folder.join(LOCK);
    let open = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    let file = open.map_err(RunError::write(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(RunError::Busy { path: folder.to_owned() }),
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => Ok(file),
        Err(TryLockError::Error(error)) => Err(RunError::write(&path)(error)),
    }
}

/// The values of a TOML text by dotted key; an array is one value.
fn leaves(path: &Path, text: &str) -> Result<BTreeMap<String, String>, RunError> {
    fn visit(prefix: &str, table: &toml::Table, leaves: &mut BTreeMap<String, String>) {
        for (name, value) in table {
            let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
            match value {
                toml::Value::Table(inner) => visit(&key, inner, leaves),
                leaf => {
                    leaves.insert(key, leaf.to_string());
                }
            }
        }
    }
    let table: toml::Table =
        text.parse().map_err(|source| RunError::Toml { path: path.to_owned(), source: Box::new(source) })?;
    let mut leaves = BTreeMap::new();
    visit("", &table, &mut leaves);
    Ok(leaves)
}

fn push_once(list: &mut Vec<String>, entry: &str) {
    if !list.iter().any(|present| present == entry) {
        list.push(entry.to_owned());
    }
}

/// What says how a run came about, and is not remade from a trained model.
const RECORDS: [&str; 4] = ["manifest.json", "config.toml", "metrics.jsonl", ".lock"];

/// Paths within the run folder of all results in it, with `/` between their parts; checkpoints and records are none.
fn list_files(folder: &Path, within: &str, files: &mut Vec<String>) -> Result<(), RunError> {
    for entry in fs::read_dir(folder).map_err(RunError::read(folder))? {
        let path = entry.map_err(RunError::read(folder))?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let is_result = name != "checkpoints" && !RECORDS.contains(&name.as_str());
        if path.is_dir() && is_result {
            list_files(&path, &format!("{within}{name}/"), files)?;
        } else if is_result {
            files.push(format!("{within}{name}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = "name = \"a\"\n[train]\nseed = 1\nwidths = [64, 64]\n";

    fn input(name: &str, sha256: &str) -> InputHash {
        InputHash { name: name.into(), bytes: 3, sha256: sha256.into() }
    }

    fn new(opened: Result<Opened, RunError>) -> RunDir {
        match opened {
            Ok(Opened::New(run)) => run,
            other => panic!("expected a new run, found {other:?}"),
        }
    }

    fn begun(path: &Path, inputs: &[InputHash]) -> RunDir {
        let mut run = new(RunDir::open(path, CONFIG, inputs));
        run.start_step("train").unwrap();
        run
    }

    #[test]
    fn a_run_that_computed_nothing_gives_way_to_a_corrected_command() {
        let folder = tempfile::tempdir().unwrap();
        drop(new(RunDir::open(folder.path(), CONFIG, &[])));
        let corrected = CONFIG.replace("seed = 1", "seed = 2");
        let mut run = new(RunDir::open(folder.path(), &corrected, &[input("a.csv", "1")]));
        assert_eq!(run.config_toml().unwrap(), corrected);
        run.start_step("train").unwrap();
        drop(run);
        assert!(matches!(RunDir::open(folder.path(), CONFIG, &[]), Err(RunError::OtherSettings { .. })));
    }

    #[test]
    fn begins_resumes_and_finishes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("runs").join("a");
        let inputs = [input("b.csv", "1"), input("a.csv", "2")];
        let mut run = new(RunDir::open(&path, CONFIG, &inputs));
        run.start_step("train").unwrap();
        run.record(|manifest| manifest.seed = Some(1)).unwrap();
        drop(run);

        let reversed = [input("a.csv", "2"), input("b.csv", "1")];
        let same = "# the same\n[train]\nwidths = [ 64, 64 ]\nseed = 1\n";
        let same = format!("name = 'a'\n{same}");
        let Ok(Opened::Resume(mut run)) = RunDir::open(&path, &same, &reversed) else { panic!("expected to resume") };
        run.start_step("train").unwrap();
        run.start_step("embed").unwrap();
        run.finish().unwrap();
        assert_eq!(run.manifest().started_steps, ["train", "embed"]);
        assert_eq!(run.manifest().seed, Some(1));
        assert_eq!(run.manifest().version_difference(), None);
        drop(run);

        assert!(matches!(RunDir::open(&path, CONFIG, &inputs), Ok(Opened::Finished(_))));
    }

    #[test]
    fn names_the_first_setting_that_differs() {
        let folder = tempfile::tempdir().unwrap();
        drop(begun(folder.path(), &[]));
        let check = |config: &str, expected: &str| {
            let error = RunDir::open(folder.path(), config, &[]).unwrap_err().to_string();
            let expected = format!("{}: was made with {expected}", folder.path().display());
            assert!(error.starts_with(&expected), "{error}");
        };
        check(&CONFIG.replace("seed = 1", "seed = 2"), "`[train] seed` = 1, but 2 is requested; choose another folder");
        check(&CONFIG.replace("seed = 1", ""), "`[train] seed` = 1, but nothing is requested");
        check(&CONFIG.replace("\"a\"", "\"b\"").replace("seed = 1", "epochs = 3"), {
            "`name` = \"a\", but \"b\" is requested (and 2 other settings differ)"
        });
        check(&CONFIG.replace("64]", "32]"), "`[train] widths` = [64, 64], but [64, 32] is requested");
        check(&format!("{CONFIG}[plan]\nbeam = 1.5\n"), "`[plan] beam` = nothing, but 1.5 is requested");
        assert!(matches!(RunDir::open(folder.path(), "= 3", &[]), Err(RunError::Toml { .. })));
    }

    #[test]
    fn names_the_first_input_that_differs() {
        let folder = tempfile::tempdir().unwrap();
        drop(begun(folder.path(), &[input("a.csv", "1"), input("b.csv", "2")]));
        let check = |inputs: &[InputHash], expected: &str| {
            let error = RunDir::open(folder.path(), CONFIG, inputs).unwrap_err().to_string();
            assert!(error.contains(&format!("was made from other data: {expected}")), "{error}");
        };
        check(&[input("a.csv", "1"), input("b.csv", "3")], "`b.csv` has changed (3 bytes, sha256 3…");
        check(&[input("a.csv", "1")], "`b.csv` is no longer among the inputs");
        check(&[input("a.csv", "1"), input("b.csv", "2"), input("c.csv", "2")], "`c.csv` was not among its inputs");
        check(
            &[input("a.csv", "1"), input("b.csv", "2"), input("b.csv", "2")],
            "it had 2 input files, now there are 3",
        );
    }

    #[test]
    fn a_folder_has_one_writer() {
        let folder = tempfile::tempdir().unwrap();
        let run = new(RunDir::open(folder.path(), CONFIG, &[]));
        let error = RunDir::open(folder.path(), CONFIG, &[]).unwrap_err();
        assert!(matches!(error, RunError::Busy { .. }), "{error}");
        drop(run);
        assert!(matches!(RunDir::open(folder.path(), CONFIG, &[]), Ok(Opened::Resume(_))));
    }

    #[test]
    fn refuses_a_folder_of_other_files_and_leaves_it_alone() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("config.toml"), "mine").unwrap();
        fs::write(folder.path().join("thesis.tex"), "mine").unwrap();
        let error = RunDir::open(folder.path(), CONFIG, &[]).unwrap_err();
        assert!(error.to_string().contains("holds `config.toml` and other files but no run"), "{error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn begins_anew_after_a_kill_in_the_first_moments() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("checkpoints")).unwrap();
        fs::write(folder.path().join(LOCK), "").unwrap();
        fs::write(folder.path().join(".manifest.json.9-0.partial"), "{").unwrap();
        drop(new(RunDir::open(folder.path(), CONFIG, &[])));
        assert!(!folder.path().join(".manifest.json.9-0.partial").exists());
        fs::remove_file(folder.path().join("config.toml")).unwrap();
        drop(new(RunDir::open(folder.path(), "seed = 3", &[])));
        assert!(matches!(RunDir::open(folder.path(), "seed = 3", &[]), Ok(Opened::Resume(_))));
    }

    #[test]
    fn another_version_is_reported_and_not_refused() {
        let folder = tempfile::tempdir().unwrap();
        let mut run = new(RunDir::open(folder.path(), CONFIG, &[]));
        run.record(|manifest| manifest.cytonaut = "0.0.1".into()).unwrap();
        drop(run);
        let Ok(Opened::Resume(run)) = RunDir::open(folder.path(), CONFIG, &[]) else { panic!("expected to resume") };
        assert!(run.manifest().version_difference().unwrap().contains("started by cytonaut 0.0.1"));
    }

    #[test]
    fn two_equal_runs_leave_the_same_bytes() {
        let bytes = || {
            let folder = tempfile::tempdir().unwrap();
            let mut run = new(RunDir::open(folder.path(), CONFIG, &[input("a.csv", "1")]));
            run.start_step("train").unwrap();
            run.finish().unwrap();
            fs::read(run.path_of(Artifact::Manifest)).unwrap()
        };
        assert_eq!(bytes(), bytes());
    }
}
