//! Folders that lie above the data: what there is to load in them.
//!
//! ```text
//! screen/README.md                    screen/a/plate1.csv
//! screen/export/MeasurementData.mlf   screen/b/Index.idx.xml
//! ```
//!
//! In the first there is one thing to load, and the folder stands for it; in the second the user is asked which. Tables of the
//! same columns are one thing, whatever folders they lie in. Two levels
//! are looked at, hidden folders and links to folders are passed over. Images are one thing with all below their folder.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::{format, image, inputs};

/// Levels below the folder that was given.
const LEVELS: usize = 3;

/// Folders that are looked into.
const MAX_FOLDERS: usize = 2_000;

/// Something that can be loaded by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Loadable {
    pub path: PathBuf,
    pub what: &'static str,
}

/// A card in a folder.
const CARD: &str = "a card";
const TABLES: &str = "tables";
const IMAGES: &str = "images";
const EXPORT: &str = "an export or a container of images";

/// Whether several exports lie below a folder, of which one is to be chosen.
pub(super) fn has_several_exports(folder: &Path) -> bool {
    loadable(folder).iter().filter(|found| found.what == EXPORT).count() > 1
}

/// What lies in a folder or below it that can be loaded by itself.
pub(super) fn loadable(folder: &Path) -> Vec<Loadable> {
    let mut n_left = MAX_FOLDERS;
    at(folder, 0, &mut n_left)
}

/// The tables of the folders below one, where all that lies there are tables of the same columns, as those of
/// `batch1/profiles.csv` and `batch2/profiles.csv`; none else.
pub(super) fn tables_alike(folder: &Path) -> Vec<PathBuf> {
    let found = loadable(folder);
    if found.len() < 2 || found.iter().any(|found| found.what != TABLES) {
        return Vec::new();
    }
    // What is known of the plates may lie next to the profiles.
    let is_of_metadata = |found: &&Loadable| found.path.strip_prefix(folder).is_ok_and(inputs::is_of_metadata);
    let of = |found: Vec<&Loadable>| -> Vec<PathBuf> {
        found.into_iter().flat_map(|found| inputs::matching(&found.path).unwrap_or_default()).collect()
    };
    let (metadata, profiles): (Vec<&Loadable>, Vec<&Loadable>) = found.iter().partition(is_of_metadata);
    let (metadata, tables) = (of(metadata), of(profiles));
    let columns = |path: &PathBuf| {
        let sketches = format::sketch(path, false).ok()?;
        Some(sketches.into_iter().map(|sketch| sketch.name).collect::<BTreeSet<String>>())
    };
    let first = tables.first().and_then(columns);
    let are_alike = first.is_some() && tables.iter().all(|path| columns(path) == first);
    if are_alike { tables.into_iter().chain(metadata).collect() } else { Vec::new() }
}

fn at(folder: &Path, level: usize, n_left: &mut usize) -> Vec<Loadable> {
    let one = |what| vec![Loadable { path: folder.to_path_buf(), what }];
    if *n_left == 0 {
        return Vec::new();
    }
    *n_left -= 1;
    match () {
        () if folder.join("dataset.toml").is_file() => return one(CARD),
        () if image::has_layout(folder) => return one(EXPORT),
        // A workbook beside images is a layout of theirs.
        () if inputs::holds_tables(folder) || inputs::has_tables(folder) && !image::has_images(folder) => {
            return one(TABLES);
        }
        () => {}
    }
    let below: Vec<Loadable> = match level < LEVELS {
        true => folders_in(folder).iter().flat_map(|inner| at(inner, level + 1, n_left)).collect(),
        false => Vec::new(),
    };
    let is_of_images = below.iter().all(|found| found.what == IMAGES);
    if is_of_images && image::has_images(folder) { one(IMAGES) } else { below }
}

fn folders_in(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let is_folder = |entry: &std::fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
    let is_hidden = |entry: &std::fs::DirEntry| entry.file_name().to_string_lossy().starts_with('.');
    let mut folders: Vec<PathBuf> =
        entries.filter(|entry| is_folder(entry) && !is_hidden(entry)).map(|entry| entry.path()).collect();
    folders.sort();
    folders
}

/// What lies in a folder that is not loaded as it is, in words.
pub(super) fn holdings(folder: &Path) -> String {
    const SHOWN: usize = 12;
    let found = loadable(folder);
    if !found.is_empty() {
        let named = found.iter().take(SHOWN).map(|found| format!("{} ({})", found.path.display(), found.what));
        let more = if found.len() > SHOWN { format!(" and {} more", found.len() - SHOWN) } else { String::new() };
        return format!("{}{more}; give one of them", named.collect::<Vec<_>>().join(", "));
    }
    let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok).map(|entry| entry.path());
    let mut others: Vec<PathBuf> = entries.filter(|path| path.is_file() && conversion(path).is_some()).collect();
    others.sort();
    match others.first() {
        None => {
            "nothing that is read: expected tables (.csv, .tsv, .parquet, .h5ad), images (.tif, .png, .jpg) or the export \
                 of an instrument"
                .to_owned()
        }
        Some(first) => {
            let more =
                if others.len() > 1 { format!(" and {} more of such files", others.len() - 1) } else { String::new() };
            format!("{}{more}, which is not read as it is; {}", first.display(), conversion(first).unwrap_or_default())
        }
    }
}

/// What lies in folders that were given and is not read, each with what it is; what notes speak of is left out, and so are
/// texts for people. Images count by their folders.
pub(super) fn unread(given: &[PathBuf], is_read: impl Fn(&Path) -> bool, notes: &[String]) -> Option<String> {
    const SHOWN: usize = 12;
    let mut n_left = MAX_FOLDERS;
    let mut found: Vec<(PathBuf, &'static str)> = Vec::new();
    let mut open: Vec<(PathBuf, usize)> =
        given.iter().filter(|path| path.is_dir()).map(|folder| (folder.clone(), 0)).collect();
    while let Some((folder, level)) = open.pop().filter(|_| n_left > 0) {
        n_left -= 1;
        let files = std::fs::read_dir(&folder).into_iter().flatten().filter_map(Result::ok).map(|entry| entry.path());
        let mut files: Vec<PathBuf> = files.filter(|path| path.is_file() && !is_read(path)).collect();
        files.sort();
        found.extend(files.into_iter().filter_map(|path| Some((path.clone(), what_lies_unread(&path)?))));
        for inner in folders_in(&folder) {
            let is_container = inner.extension().is_some_and(|ending| ending == "zarr");
            if !is_container && !is_read(&inner) && image::has_images(&inner) {
                found.push((inner, "images"));
            } else if level < LEVELS && !is_container {
                open.push((inner, level + 1));
            }
        }
    }
    let is_said = |path: &Path| notes.iter().any(|note| note.contains(&inputs::file_name(path)));
    found.retain(|(path, _)| !is_said(path));
    found.sort();
    let shown = |path: &Path| {
        let inside = given.iter().find_map(|folder| path.strip_prefix(folder).ok());
        inside.unwrap_or(path).display().to_string()
    };
    let named = found.iter().take(SHOWN).map(|(path, what)| format!("{} ({what})", shown(path)));
    let more = if found.len() > SHOWN { format!(" and {} more", found.len() - SHOWN) } else { String::new() };
    (!found.is_empty()).then(|| {
        let named = named.collect::<Vec<_>>().join(", ");
        format!("not read: {named}{more}; give what belongs to the screen too, or name it in a card")
    })
}

/// What a file is that holds data, by its name.
fn what_lies_unread(path: &Path) -> Option<&'static str> {
    let name = inputs::file_name(path).to_lowercase();
    let is_for_people =
        ["readme", "license", "licence", "changelog", "citation"].iter().any(|word| name.starts_with(word));
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase()).unwrap_or_default();
    match ending.as_str() {
        _ if is_for_people || name.starts_with(['.', '~']) || name == "dataset.toml" => None,
        _ if inputs::is_table(path) => Some("a table"),
        "tab" | "dat" => Some("a table by its content; call it .tsv to read it"),
        "npy" | "npz" | "mat" | "pkl" | "pickle" | "rda" | "rdata" | "jsonl" | "fcs" => {
            Some("of a format that is not read")
        }
        _ if conversion(path).is_some() => Some("of a format that is not read as it is"),
        _ => None,
    }
}

/// How a file that is not read becomes a table, by its name.
pub(super) fn conversion(path: &Path) -> Option<String> {
    let ending = path.extension()?.to_string_lossy().to_lowercase();
    let file = path.file_name()?.to_string_lossy().into_owned();
    let stem = path.file_stem()?.to_string_lossy().into_owned();
    let python = |code: String| format!("convert it with\n  python -c '{code}'");
    Some(match ending.as_str() {
        "h5" => format!("give the file itself, if it is of Cell Ranger: {file}"),
        "feather" | "arrow" => {
            python(format!("import pandas; pandas.read_feather(\"{file}\").to_parquet(\"{stem}.parquet\")"))
        }
        "rds" => {
            format!("convert it with\n  Rscript -e 'write.csv(readRDS(\"{file}\"), \"{stem}.csv\", row.names = FALSE)'")
        }
        "sqlite" | "sqlite3" | "db" => format!(
            "list its tables with `sqlite3 {file} .tables`, and convert one with\n  sqlite3 -header -csv {file} \
             \"SELECT * FROM Per_Image\" > {stem}.csv"
        ),
        "czi" | "nd2" | "lif" | "vsi" | "oir" | "oib" | "c01" | "dib" | "flex" | "bmp" | "ims" | "dv" => {
            format!("convert it with Bio-Formats\n  bfconvert {file} {stem}.ome.tif")
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "plate,well\nP1,A01\n").unwrap();
        }
        folder
    }

    #[track_caller]
    fn check(files: &[&str], expected: &[(&str, &str)]) {
        let folder = tree(files);
        let found: Vec<(String, &str)> = loadable(folder.path())
            .into_iter()
            .map(|found| (found.path.strip_prefix(folder.path()).unwrap().to_string_lossy().into_owned(), found.what))
            .collect();
        let expected: Vec<(String, &str)> = expected.iter().map(|(path, what)| ((*path).to_owned(), *what)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn one_thing_below_a_folder_is_what_it_stands_for() {
        check(&["README.md", "a/t.csv"], &[("a", "tables")]);
        check(&["a/b/dataset.toml", "a/b/t.csv"], &[("a/b", CARD)]);
        check(&["run/MeasurementData.mlf", "run/x.tif", "trace.log"], &[("run", "an export or a container of images")]);
        // Images are one thing however they are nested, with what is deeper than tables are looked for.
        check(&["p1/Well-A01/x/y/FITC.jpeg", "p2/Well-A01/FITC.jpeg"], &[("", IMAGES)]);
        check(&["t.csv", "a/t.csv"], &[("", "tables")]);
        check(&["a/b/c/d/t.csv", ".hidden/t.csv"], &[]);
    }

    #[test]
    fn tables_of_the_same_columns_are_one_thing() {
        let alike = tree(&["b1/t.csv", "b2/t.csv"]);
        let found = tables_alike(alike.path());
        assert_eq!(found, ["b1/t.csv", "b2/t.csv"].map(|file| alike.path().join(file)));
        let other = tree(&["b1/t.csv", "b2/t.csv"]);
        std::fs::write(other.path().join("b2/t.csv"), "plate,compound\nP1,DMSO\n").unwrap();
        assert!(tables_alike(other.path()).is_empty());
        assert!(tables_alike(tree(&["b1/t.csv", "b2/p1/A01.jpeg"]).path()).is_empty());
    }

    #[test]
    fn several_things_are_named() {
        let files = ["conf/plates.csv", "source/p1/A01.jpeg"];
        check(&files, &[("conf", "tables"), ("source", IMAGES)]);
        let folder = tree(&files);
        let told = holdings(folder.path()).replace(&format!("{}/", folder.path().display()), "");
        assert_eq!(told, "conf (tables), source (images); give one of them");
        assert!(holdings(tree(&["x.feather"]).path()).contains("read_feather(\"x.feather\")"));
        assert!(holdings(tree(&["x.md"]).path()).starts_with("nothing that is read"));
    }
}
