//! What can be wrong with the files of a screen, with its place.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::walk;
use crate::screen::Dropped;

/// Longest line of a table, in bytes; the widest profiles known have some 100 KB.
pub(super) const MAX_LINE_BYTES: usize = 16 << 20;

/// A line of a file, counted from 1; a parquet row counts as the line it would have in a table with one header line.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file.
    pub path: PathBuf,
    /// The line.
    pub line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.path.display(), self.line)
    }
}

/// Why a screen could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file system refused.
    #[error("{}: {}", path.display(), in_words(cause))]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// Nothing to read.
    #[error("no file matches `{pattern}`; give the profile tables as paths or in a card's `files`")]
    NoFiles {
        /// The path or glob as given.
        pattern: String,
    },
    /// A folder in which there is not one thing to load.
    #[error("{}: no table lies in this folder; it holds {holds}", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What it holds instead, in words.
        holds: String,
    },
    /// Neither a path nor a card says what to load.
    #[error("no profile table is named; give paths or a card (`data.files` or `data.card` in a configuration)")]
    NothingNamed,
    /// A line that no table of profiles has.
    #[error("{place}: the line is longer than {} MiB; expected a table with one row for each line", MAX_LINE_BYTES >> 20)]
    LongLine {
        /// The line.
        place: Place,
    },
    /// A file that unpacks to more than files of its size do.
    #[error(
        "{}: its {packed} bytes unpack to more than {most}, which no table of profiles does (if it is one, write it without compression)",
        path.display()
    )]
    Expands {
        /// The file.
        path: PathBuf,
        /// Its size in bytes.
        packed: u64,
        /// Bytes that are taken at most.
        most: u64,
    },
    /// More columns than a table is read with.
    #[error("{}: {found} columns, expected at most {most}; is each line of the file one row?", path.display())]
    Columns {
        /// The file.
        path: PathBuf,
        /// Columns of the header.
        found: usize,
        /// The limit.
        most: usize,
    },
    /// A container that this loader does not read.
    #[error("{}: {found} is not a profile table; expected CSV, TSV (plain or .gz), parquet, h5ad or a workbook{}", path.display(), converted(path))]
    Format {
        /// The file.
        path: PathBuf,
        /// What its first bytes say it is.
        found: &'static str,
    },
    /// The file has no byte or no header.
    #[error("{}: the file is empty; expected a header line and rows", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The file has a header and nothing below it.
    #[error("{}: only a header and no rows; expected one row for each well", path.display())]
    NoRows {
        /// The file.
        path: PathBuf,
    },
    /// Bytes that are no text.
    #[error("{place}: not UTF-8 text ({found}); save the table as CSV with UTF-8 encoding")]
    Utf8 {
        /// Where the first wrong byte stands.
        place: Place,
        /// What was found.
        found: String,
    },
    /// A row with too few or too many fields.
    #[error(
        "{place}: {found} fields, expected {expected} as in the header (a text that contains the delimiter needs quotes, and every quote needs a closing one)"
    )]
    Ragged {
        /// The row.
        place: Place,
        /// Fields in the row.
        found: usize,
        /// Fields in the header.
        expected: usize,
    },
    /// A quoted or binary structure that could not be decoded.
    #[error("{}: cannot be read: {message}", path.display())]
    Decode {
        /// The file.
        path: PathBuf,
        /// What the decoder said.
        message: String,
    },
    /// Two columns of one name.
    #[error("{}: column `{column}` occurs twice, as columns {first} and {second}; rename one", path.display())]
    DuplicateColumn {
        /// The file.
        path: PathBuf,
        /// The name.
        column: String,
        /// Position of the first, counted from 1.
        first: usize,
        /// Position of the second, counted from 1.
        second: usize,
    },
    /// A column without a name.
    #[error("{}: column {position} has no name in the header; name it or remove it", path.display())]
    UnnamedColumn {
        /// The file.
        path: PathBuf,
        /// Its position, counted from 1.
        position: usize,
    },
    /// A value that means nothing in its column.
    #[error("{place}: column `{column}` holds {found:?}, expected {expected}")]
    Cell {
        /// The row.
        place: Place,
        /// The column.
        column: String,
        /// The value as written.
        found: String,
        /// What would have been right, and how to mend it.
        expected: &'static str,
    },
    /// A row of a list that cannot be used.
    #[error("{place}: {problem}")]
    Listed {
        /// The row.
        place: Place,
        /// What is wrong with it, and how to mend it.
        problem: String,
    },
    /// A column that a card or a flag names, or that a screen must have, is absent.
    #[error("{}: no column `{column}`; {mend}", path.display())]
    MissingColumn {
        /// The file.
        path: PathBuf,
        /// The column or the role that lacks one.
        column: String,
        /// How to mend it.
        mend: String,
    },
    /// Files that are to be one table have different columns.
    #[error(
        "{}: no column {}, which {} has; tables loaded together need the same columns (features that can be left out are listed in the card: `exclude_features = [{}]`)",
        lacks.display(),
        counted(columns),
        has.display(),
        columns.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ")
    )]
    ColumnsDiffer {
        /// The columns.
        columns: Vec<String>,
        /// A file that has them.
        has: PathBuf,
        /// A file that lacks them.
        lacks: PathBuf,
    },
    /// No column is a feature.
    #[error(
        "{}: no numeric feature column found; name them with `features = [\"…\"]` (globs on column names) in a card{}",
        path.display(),
        left_out.iter().map(|columns| format!("\n  not learned from: {columns}")).collect::<String>()
    )]
    NoFeatures {
        /// The first file.
        path: PathBuf,
        /// Columns that look like something else, with the reason.
        left_out: Vec<String>,
    },
    /// Two rows of one well.
    #[error(
        "{}: plate `{plate}`, well {well} was already given at {}; expected one row for each well (map the field of view under [columns] `site` if rows are sites){differ}",
        rows[1],
        rows[0]
    )]
    DuplicateRow {
        /// Plate name.
        plate: String,
        /// Well name, with the site if there is one.
        well: String,
        /// The two rows.
        rows: Box<[Place; 2]>,
        /// Columns in which the two differ, in words; empty where they do not.
        differ: String,
        /// Columns without a role that distinguish all rows of a well.
        distinguishing: Box<[String]>,
        /// Whether most wells have several rows.
        is_usual: bool,
    },
    /// Values that may be on several scales.
    #[error(
        "{}: the values in `{place}` reach {largest} and are neither whole numbers nor logarithms; say in a card what they are, with `scale = \"counts\"`, \"log1p\" or \"as_is\" under [expression]",
        path.display()
    )]
    Scale {
        /// The file.
        path: PathBuf,
        /// Where in the file.
        place: String,
        /// The largest of those that were looked at.
        largest: f32,
    },
    /// A dose column without a unit.
    #[error(
        "{}: column `{column}` holds doses but no unit is known; declare `dose_unit = \"uM\"` (or \"nM\", \"mM\", \"M\") in the card, give it in each row (`10 uM`) or in a column `dose_unit`, or set `dose = \"\"` under [columns] if it is not a concentration",
        path.display()
    )]
    DoseUnit {
        /// The first file.
        path: PathBuf,
        /// The dose column.
        column: String,
    },
    /// A name without any dose, among others that have one.
    #[error(
        "{place}: column `{column}` gives `{name}` no dose above 0 in any of its {n_rows} rows, while other perturbations have doses; if it is a control, list all controls under [controls] in a card, as in `negative = {{ values = [\"{name}\"] }}`, and if its dose is unknown, leave out its rows or set `dose = \"\"` under [columns]"
    )]
    Undosed {
        /// Its first row.
        place: Place,
        /// The dose column.
        column: String,
        /// The name.
        name: String,
        /// Rows of that name.
        n_rows: usize,
        /// All names without a dose, controls among them.
        names: Box<[String]>,
    },
    /// A perturbation that a column calls a negative control, as it does a vehicle.
    #[error(
        "{}: column `{column}` calls `{name}` a negative control in {n_rows} rows{}, as it does {}; if it is one too, write `negative = {{ column = {column:?}, values = {words:?} }}` under [controls] in a card, and if it is not, list all controls there by name",
        path.display(),
        if *are_dosed { ", at doses above 0" } else { "" },
        crate::table::first_few(others, 3)
    )]
    ControlAtDoses {
        /// The table.
        path: Box<PathBuf>,
        /// The column of roles.
        column: String,
        /// Its words for negative controls.
        words: Box<[String]>,
        /// The perturbation.
        name: String,
        /// Its rows.
        n_rows: usize,
        /// Whether there are doses.
        are_dosed: bool,
        /// The names that the column calls so without doses.
        others: Box<[String]>,
    },
    /// Doses in a column that no role was found for.
    #[error(
        "{}: `{}` may hold the doses, of which `{name}` has several ({doses}, …), and would be one treatment at all of them; write `dose = {:?}` under [columns] in a card, or `dose = \"\"` if it holds something else",
        path.display(),
        columns[0],
        columns[0]
    )]
    PooledDoses {
        /// The table.
        path: PathBuf,
        /// The columns, one at least.
        columns: Box<[String]>,
        /// Columns that may be the doses of other agents.
        others: Box<[String]>,
        /// A perturbation with several of these doses.
        name: String,
        /// Some of them.
        doses: String,
    },
    /// A table that holds mostly what another holds.
    #[error(
        "{}: {n_shared} of its {n_rows} rows have the measurements of {}{}, and would count as replicates of them; give one of \
         the two, or set `plate_within = [\"file\"]` under [columns] in a card if they are wells of their own",
        second.display(),
        first.display(),
        if *is_scaled { " on another scale, since their wells have the same order by most features" } else { "" }
    )]
    Copied {
        /// One of the tables.
        first: PathBuf,
        /// The other.
        second: PathBuf,
        /// Whether the measurements are shared but for their scale.
        is_scaled: bool,
        /// Rows of the other that share their measurements.
        n_shared: usize,
        /// Rows of the other.
        n_rows: usize,
        /// Features that only one of the two has.
        unshared: Box<[String]>,
    },
    /// Names of image files that can be read in several ways.
    #[error(
        "{}: the names of the images can be read in several ways: {}; write the right one under [images] in a card",
        folder.display(),
        readings.iter().map(|reading| format!("{}, with pattern = '{}'", reading.what, reading.pattern)).collect::<Vec<_>>().join("; or ")
    )]
    FileNames {
        /// The folder.
        folder: PathBuf,
        /// The ways, the likeliest first.
        readings: Vec<FileReading>,
    },
    /// A card that is not written as a card.
    #[error("{}: {message}", path.display())]
    Card {
        /// The card.
        path: PathBuf,
        /// What is wrong, and how to mend it.
        message: String,
    },
    /// A dose in a unit of mass, of a perturbation whose molar mass is not known.
    #[error(
        "{}doses in {unit} need the molar mass of `{perturbation}`; give it in kDa under [molar_mass_kda] in a card, as in `{perturbation:?} = 17.2`",
        if card.as_os_str().is_empty() { String::new() } else { format!("{}: ", card.display()) }
    )]
    MolarMass {
        /// The card.
        card: PathBuf,
        /// The unit's word.
        unit: &'static str,
        /// The perturbation.
        perturbation: String,
    },
    /// A path in a card that leaves the card's folder.
    #[error("{}: `{entry}` leaves the card's folder; paths in a card are relative and without `..` (give other files as arguments)", card.display())]
    CardPath {
        /// The card.
        card: PathBuf,
        /// The path as written.
        entry: String,
    },
    /// A file that is not the one the card describes.
    #[error("{}: sha256 {found}, expected {expected} as in {}; fetch the file again, or correct the card", path.display(), card.display())]
    Checksum {
        /// The file.
        path: PathBuf,
        /// Its checksum.
        found: String,
        /// The card's checksum.
        expected: String,
        /// The card.
        card: Box<PathBuf>,
    },
    /// Two rows of a joined sheet have one key and say different things.
    #[error("{second}: key {key} was already given at {first} with other values; expected one row for each key")]
    DuplicateKey {
        /// The key.
        key: String,
        /// The first row.
        first: Box<Place>,
        /// The second row.
        second: Box<Place>,
    },
    /// A joined column says something else than the table.
    #[error(
        "{sheet}: column `{column}` holds {sheet_value:?}, but {table} holds {table_value:?}; correct one or set a `prefix` for the join"
    )]
    JoinConflict {
        /// Row of the sheet.
        sheet: Box<Place>,
        /// Row of the table.
        table: Box<Place>,
        /// The column.
        column: String,
        /// What the sheet says.
        sheet_value: String,
        /// What the table says.
        table_value: String,
    },
    /// An image file that cannot be read, or whose pixels are not what they should be.
    #[error("{}: {message}", path.display())]
    Image {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what was expected.
        message: String,
    },
    /// A sheet or index of images that does not lead to images.
    #[error("{place}: {message}")]
    ImageSheet {
        /// The row or element.
        place: Place,
        /// What is wrong, and how to mend it.
        message: String,
    },
    /// A file of responses that cannot be scored or scored against.
    #[error("{}: {problem}", path.display())]
    Responses {
        /// The file.
        path: PathBuf,
        /// What is wrong, and how to mend it.
        problem: String,
    },
    /// Every row was left out.
    #[error("{}: no row is left: {reasons}", path.display())]
    NothingLeft {
        /// The first file.
        path: PathBuf,
        /// The reasons, with counts.
        reasons: String,
    },
}

/// A way in which the names of image files can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileReading {
    /// The pattern as a card says it.
    pub pattern: String,
    /// What the parts of one of the names would be, in words.
    pub what: String,
}

/// How the file becomes a table, where that is known.
fn converted(path: &Path) -> String {
    walk::conversion(path).map(|how| format!("; {how}")).unwrap_or_default()
}

/// The first of some columns and how many more there are.
fn counted(columns: &[String]) -> String {
    match columns {
        [first, rest @ ..] if !rest.is_empty() => format!("`{first}` and {} more", rest.len()),
        columns => columns.first().map(|first| format!("`{first}`")).unwrap_or_default(),
    }
}

impl LoadError {
    /// [`LoadError::NothingLeft`] with what was left out, and what else there is to say.
    pub(super) fn nothing_left(path: &Path, dropped: &[Dropped], notes: Vec<String>) -> Self {
        let mut reasons: Vec<String> =
            dropped.iter().map(|dropped| format!("{} rows: {}", dropped.rows, dropped.reason)).collect();
        reasons.extend(notes);
        Self::NothingLeft { path: path.to_owned(), reasons: reasons.join("; ") }
    }

    /// Says of a column that is missing which tables are left out that might have had it.
    pub(super) fn with_tables_left_out(mut self, left_out: &[String]) -> Self {
        match &mut self {
            Self::MissingColumn { mend, .. } => left_out.iter().for_each(|table| *mend += &format!("\n  {table}")),
            Self::NoFeatures { left_out: columns, .. } => columns.extend_from_slice(left_out),
            _ => {}
        }
        self
    }

    /// Whether the request (a flag or a card) is at fault and not a data file; commands exit with 2 then, else with 1.
    pub fn is_request(&self) -> bool {
        matches!(
            self,
            Self::NoFiles { .. }
                | Self::Folder { .. }
                | Self::NothingNamed
                | Self::MissingColumn { .. }
                | Self::DoseUnit { .. }
                | Self::Scale { .. }
                | Self::Undosed { .. }
                | Self::PooledDoses { .. }
                | Self::ControlAtDoses { .. }
                | Self::Copied { .. }
                | Self::FileNames { .. }
                | Self::Card { .. }
                | Self::CardPath { .. }
                | Self::MolarMass { .. }
                | Self::NoFeatures { .. }
                | Self::Responses { .. }
        )
    }

    pub(super) fn io(path: &std::path::Path, cause: std::io::Error) -> Self {
        Self::Io { path: path.to_path_buf(), cause }
    }
}

/// What the system said, with what to do about it where that is known.
pub(super) fn in_words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no such file or folder".into(),
        io::ErrorKind::PermissionDenied => "permission denied; change the file's rights, or copy it".into(),
        io::ErrorKind::IsADirectory => "is a folder, expected a file".into(),
        io::ErrorKind::NotADirectory => "a part of the path is a file, expected a folder".into(),
        // ELOOP has no kind of its own in stable Rust.
        _ if error.to_string().contains("symbolic links") => "a symbolic link that leads to itself".into(),
        _ => error.to_string(),
    }
}
