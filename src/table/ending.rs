//! How a table is written, by the ending of its file.

use std::path::Path;

use super::{FileError, Table};

/// A format of tables, by the ending of the file's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Parquet,
    Csv,
    Tsv,
    Xlsx,
    Json,
    H5ad,
}

impl Ending {
    const ALL: [(&'static str, Self); 6] = [
        ("parquet", Self::Parquet),
        ("csv", Self::Csv),
        ("tsv", Self::Tsv),
        ("xlsx", Self::Xlsx),
        ("json", Self::Json),
        ("h5ad", Self::H5ad),
    ];

    fn of(path: &Path) -> Result<Self, FileError> {
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase()).unwrap_or_default();
        let known = Self::ALL.into_iter().find(|(word, _)| *word == ending);
        known.map(|(_, ending)| ending).ok_or_else(|| FileError::Ending { path: path.to_owned() })
    }
}

/// Refuses a file that [`Table::write`] could not write, before anything is computed for it.
///
/// # Errors
/// [`FileError::Ending`].
pub fn check_ending(path: &Path) -> Result<(), FileError> {
    Ending::of(path).map(drop)
}

impl Table {
    /// Writes the table as the ending of `path` says: `.parquet`, `.csv`, `.tsv`, `.xlsx`, `.json` or
    /// `.h5ad`.
    ///
    /// Parquet, Excel and AnnData hold the meaning of the columns too. Equal tables give equal bytes.
    ///
    /// # Errors
    /// [`FileError::Ending`] for another ending, [`FileError::Damaged`] where two columns have one name or an Excel sheet
    /// has no room, [`FileError::Write`].
    pub fn write(&self, path: &Path) -> Result<(), FileError> {
        let ending = Ending::of(path)?;
        self.refuse_equal_names(path)?;
        match ending {
            Ending::Parquet => self.write_parquet(path),
            Ending::Csv => self.write_csv(path, b','),
            Ending::Tsv => self.write_csv(path, b'\t'),
            Ending::Xlsx => self.write_xlsx(path),
            Ending::Json => self.write_records(path),
            Ending::H5ad => self.write_h5ad(path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Column;
    use super::*;

    fn table() -> Table {
        Table::new()
            .with("plate", "Plate barcode.", Column::Text(vec![Some("a, \"b\"\tc".into()), None]))
            .with("dose_um", "Dose in µM.", Column::Number(vec![Some(0.1), Some(f64::NAN)]))
            .with("latent_0", "Latent.", Column::Float32(vec![0.1, 16_777_216.0]))
            .with("n_wells", "Wells.", Column::Integer(vec![Some(3), None]))
            .with("is_held_out", "Held out.", Column::Flag(vec![true, false]))
            .with_fact("verdict", "No claim.")
    }

    fn written(name: &str) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        table().write(&path).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        table().write(&path).unwrap();
        assert_eq!(std::fs::read(path).unwrap(), bytes, "{name}: equal tables give equal bytes");
        bytes
    }

    #[test]
    fn the_ending_says_how_a_table_is_written() {
        assert_eq!(&written("a.parquet")[..4], b"PAR1");
        assert_eq!(&written("a.PARQUET")[..4], b"PAR1");
        assert_eq!(&written("a.xlsx")[..2], b"PK");
        assert_eq!(&written("a.h5ad")[..4], b"\x89HDF");
        let tsv = String::from_utf8(written("a.tsv")).unwrap();
        assert!(
            tsv.starts_with("plate\tdose_um\tlatent_0\tn_wells\tis_held_out\n\"a, \"\"b\"\"\tc\"\t0.1\t0.1\t3\ttrue\n")
        );
        let records: serde_json::Value = serde_json::from_slice(&written("a.json")).unwrap();
        assert_eq!(records[0]["plate"], "a, \"b\"\tc");
        assert_eq!(records[0]["latent_0"], 0.1, "32-bit numbers with the digits that they have");
        assert_eq!(records[1]["is_held_out"], false);
        assert!(records[1]["plate"].is_null() && records[1]["dose_um"].is_null() && records[1]["n_wells"].is_null());
    }

    #[test]
    fn another_ending_is_refused_with_those_there_are() {
        for name in ["a.txt", "a", "a.xls", "csv"] {
            let error = table().write(Path::new(name)).unwrap_err().to_string();
            assert!(error.contains(".parquet, .csv, .tsv, .xlsx, .json or .h5ad"), "{error}");
            assert!(check_ending(Path::new(name)).is_err());
        }
    }

    #[test]
    fn a_sheet_has_the_values_and_the_meaning_of_the_columns() {
        use calamine::{Data, Reader};
        let mut sheets = calamine::Xlsx::new(std::io::Cursor::new(written("a.xlsx"))).unwrap();
        assert_eq!(sheets.sheet_names(), ["table", "columns"]);
        let values = sheets.worksheet_range("table").unwrap();
        assert_eq!(values.get_value((0, 1)), Some(&Data::String("dose_um".into())));
        assert_eq!(values.get_value((1, 1)), Some(&Data::Float(0.1)));
        assert_eq!(values.get_value((1, 2)), Some(&Data::Float(0.1)));
        assert_eq!(values.get_value((1, 4)), Some(&Data::Bool(true)));
        assert_eq!(values.get_value((2, 0)), Some(&Data::Empty));
        assert_eq!(values.get_value((2, 1)), Some(&Data::Empty), "a number that is none is left out");
        let meaning = sheets.worksheet_range("columns").unwrap();
        assert_eq!(meaning.get_value((2, 1)), Some(&Data::String("Dose in µM.".into())));
        assert_eq!(meaning.get_value((6, 0)), Some(&Data::String("verdict".into())));
    }
}
