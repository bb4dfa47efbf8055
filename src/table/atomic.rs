//! Files that appear whole or not at all.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use super::FileError;

/// Ends the names of files that are still being written; a killed process leaves such a file behind.
const PARTIAL: &str = ".partial";

/// Writes a file through `write` such that a reader sees the old file or the whole new one, never a part.
///
/// The bytes go to a hidden file in the same folder, which is flushed, synced to disk and renamed; then the folder
/// itself is synced. When anything fails, the hidden file is removed and an existing file stays as it was. A symbolic
/// link at `path` is replaced, not followed.
///
/// # Errors
/// [`FileError::Write`] with the path and the cause in words, also where something else than a file is in the way.
pub fn write_atomically(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> Result<(), FileError> {
    replace_file(path, write).map_err(FileError::write(path))
}

/// [`write_atomically`] with the error of the system.
pub(crate) fn replace_file(path: &Path, write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) -> io::Result<()> {
    refuse_what_is_not_a_file(path)?;
    let (file, partial) = create_partial(path)?.into_parts();
    let mut writer = BufWriter::new(file);
    write(&mut writer)?;
    writer.flush()?;
    writer.get_ref().sync_all()?;
    partial.persist(path)?;
    sync_folder(folder_of(path))
}

/// The same for a format that opens its file by itself: `write` makes a file at the path that it is given.
pub(super) fn replace_path(path: &Path, write: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
    refuse_what_is_not_a_file(path)?;
    let partial = create_partial(path)?.into_temp_path();
    write(&partial)?;
    File::open(&partial)?.sync_all()?;
    partial.persist(path)?;
    sync_folder(folder_of(path))
}

/// A rename would replace a device such as `/dev/null` by a file.
fn refuse_what_is_not_a_file(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        Ok(found) if !found.is_file() && !found.is_symlink() => {
            Err(io::Error::new(io::ErrorKind::InvalidInput, "is a device or a pipe, expected a file"))
        }
        _ => Ok(()),
    }
}

/// A hidden file beside `path`, which is removed unless it is renamed.
fn create_partial(path: &Path) -> io::Result<tempfile::NamedTempFile> {
    let name = path.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "does not name a file"))?;
    let mut hidden = OsString::from(".");
    hidden.push(name);
    hidden.push(".");
    let mut builder = tempfile::Builder::new();
    builder.prefix(&hidden).suffix(PARTIAL);
    // As for any new file, the user's mask decides who may read it; temporary files are for their owner alone.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(folder_of(path))
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Makes a rename in `folder` last through a power cut.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(not(unix)) {
        return Ok(());
    }
    match File::open(folder)?.sync_all() {
        // Some network file systems know no sync of folders.
        Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => Ok(()),
        synced => synced,
    }
}

/// Whether a file of this name was left behind by a killed [`write_atomically`].
pub(crate) fn is_partial(name: &str) -> bool {
    name.starts_with('.') && name.ends_with(PARTIAL)
}

/// Removes what killed writes left in `folder`; only the holder of the run's lock may call it.
pub(crate) fn sweep_partials(folder: &Path) -> Result<(), FileError> {
    for entry in fs::read_dir(folder).map_err(FileError::read(folder))? {
        let entry = entry.map_err(FileError::read(folder))?;
        if entry.file_name().to_str().is_some_and(is_partial) {
            fs::remove_file(entry.path()).map_err(FileError::write(&entry.path()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_failing_write_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("scores.parquet");
        write_atomically(&path, |file| file.write_all(b"old")).unwrap();
        let error = write_atomically(&path, |file| {
            file.write_all(&[7; 100_000])?;
            Err(io::ErrorKind::StorageFull.into())
        })
        .unwrap_err();
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names(folder.path()), ["scores.parquet"]);
        assert_eq!(
            error.to_string(),
            format!(
                "{}: cannot be written: the disk is full; free some space and run the same command again",
                path.display()
            )
        );
    }

    #[test]
    fn a_reader_in_the_middle_of_a_write_sees_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        write_atomically(&path, |file| file.write_all(b"old")).unwrap();
        write_atomically(&path, |file| {
            file.write_all(b"new")?;
            file.flush()?;
            assert_eq!(fs::read(&path)?, b"old");
            Ok(())
        })
        .unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
    }

    #[test]
    fn a_panic_in_the_middle_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        write_atomically(&path, |file| file.write_all(b"old")).unwrap();
        let panicked = std::panic::catch_unwind(|| {
            let _ = write_atomically(&path, |file| {
                file.write_all(b"new")?;
                panic!("a bug")
            });
        });
        assert!(panicked.is_err());
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names(folder.path()), ["a"]);
    }

    #[test]
    fn the_sweep_removes_what_a_killed_write_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        write_atomically(&path, |file| file.write_all(b"old")).unwrap();
        // A killed process runs no destructor.
        let left = create_partial(&path).unwrap().keep().unwrap().1;
        assert!(left.exists() && names(folder.path()).len() == 2);
        sweep_partials(folder.path()).unwrap();
        assert_eq!(names(folder.path()), ["a"]);
    }

    #[cfg(unix)]
    #[test]
    fn a_file_is_as_readable_as_any_other_new_file() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let [ours, plain] = ["ours", "plain"].map(|name| folder.path().join(name));
        write_atomically(&ours, |file| file.write_all(b"1")).unwrap();
        fs::write(&plain, b"1").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&ours), mode(&plain));
    }

    #[test]
    fn says_that_the_folder_is_absent() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("absent").join("a.csv");
        let error = write_atomically(&path, |_| Ok(())).unwrap_err();
        assert!(error.to_string().ends_with("a.csv: cannot be written: no such file or folder"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn replaces_neither_folders_nor_devices() {
        let folder = tempfile::tempdir().unwrap();
        let error = write_atomically(folder.path(), |_| Ok(())).unwrap_err();
        assert!(error.to_string().ends_with("is a folder, expected a file"), "{error}");
        let error = write_atomically(Path::new("/dev/null"), |_| Ok(())).unwrap_err();
        assert!(error.to_string().ends_with("is a device or a pipe, expected a file"), "{error}");
    }
}
