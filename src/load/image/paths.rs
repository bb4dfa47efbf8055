//! Paths in sheets -> files, without leaving the folders that were named.

use std::path::{Component, Path, PathBuf};

use crate::load::error::{LoadError, Place};

/// A beginning of paths as another machine wrote them, and the folder here that holds the same files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathMap {
    /// As in the sheet: `/mnt/acquisition`, `s3://bucket/project`, `D:\screens`.
    pub old: String,
    /// The folder here.
    pub new: PathBuf,
}

impl std::str::FromStr for PathMap {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((old, new)) if !old.is_empty() && !new.is_empty() => {
                Ok(Self { old: plain(old).trim_end_matches('/').to_owned(), new: PathBuf::from(new) })
            }
            _ => Err(format!("`{text}` is not a path map, expected OLD=NEW such as `/mnt/acquisition=images`")),
        }
    }
}

/// Where paths of a sheet may lead.
#[derive(Debug, Clone)]
pub(super) struct Roots {
    /// What relative paths are relative to: the declared root, or the sheet's folder.
    pub folder: PathBuf,
    pub maps: Vec<PathMap>,
}

impl Roots {
    /// The file that `text` means.
    ///
    /// # Errors
    /// [`LoadError::ImageSheet`] if it is absolute or a URL and no map covers it, or it has `..`.
    pub fn resolve(&self, text: &str, place: impl Fn() -> Place) -> Result<PathBuf, LoadError> {
        let text = plain(text);
        let refused = |message: String| LoadError::ImageSheet { place: place(), message };
        let mapped = self.maps.iter().find_map(|map| {
            let rest = text.strip_prefix(map.old.as_str())?;
            (rest.is_empty() || rest.starts_with('/')).then(|| (map.new.as_path(), rest.trim_start_matches('/')))
        });
        let (folder, rest) = match mapped {
            Some(mapped) => mapped,
            None => match Path::new(&text).strip_prefix(&self.folder) {
                Ok(rest) if !self.folder.as_os_str().is_empty() && self.folder.is_absolute() => {
                    (self.folder.as_path(), rest.to_str().unwrap_or(""))
                }
                _ => (self.folder.as_path(), text.as_str()),
            },
        };
        let is_drive = rest.as_bytes().get(1) == Some(&b':');
        if rest.starts_with('/') || rest.contains("://") || is_drive {
            return Err(refused(format!(
                "`{text}` is a path of another machine; translate it with --path-map OLD=NEW"
            )));
        }
        let is_inside =
            Path::new(rest).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        if rest.is_empty() || !is_inside {
            return Err(refused(format!(
                "`{text}` leaves the folder {}; paths are relative and without `..` (name the folder of the images with `root` or --path-map)",
                folder.display()
            )));
        }
        Ok(folder.join(rest))
    }
}

/// With `/` between folders, whoever wrote it.
fn plain(text: &str) -> String {
    text.replace('\\', "/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(text: &str) -> Result<String, String> {
        let maps = vec!["/mnt/scope=data".parse().unwrap(), r"s3://bucket/plate=/here".parse().unwrap()];
        let roots = Roots { folder: PathBuf::from("sheets"), maps };
        let place = || Place { path: PathBuf::from("sheets/a.csv"), line: 7 };
        roots.resolve(text, place).map(|path| path.display().to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn follows_maps_and_the_folder() {
        assert_eq!(resolve("images/a.tif").unwrap(), "sheets/images/a.tif");
        assert_eq!(resolve(r"images\a.tif").unwrap(), "sheets/images/a.tif");
        assert_eq!(resolve("/mnt/scope/p1/a.tif").unwrap(), "data/p1/a.tif");
        assert_eq!(resolve("s3://bucket/plate/a.tif").unwrap(), "/here/a.tif");
    }

    #[test]
    fn refuses_what_leaves_the_folder() {
        for text in ["../a.tif", "a/../../b.tif", "/mnt/scope/../etc/passwd", ""] {
            let error = resolve(text).unwrap_err();
            assert!(error.starts_with("sheets/a.csv:7: ") && error.contains("leaves the folder"), "{text}: {error}");
        }
        for text in ["/etc/passwd", "s3://other/a.tif", r"C:\a.tif", "/mnt/scopeless/a.tif"] {
            assert!(resolve(text).unwrap_err().contains("--path-map"), "{text}");
        }
    }
}
