//! Tables as AnnData files (`.h5ad`), which scanpy, cellxgene and the like open.
//!
//! ```text
//! obs                 a row for each row of the table: texts as categories, whole numbers, numbers, truth values
//! X                   the features, single precision; of embeddings the latents
//! obsm/X_latent       the columns latent_0, latent_1, …, and obsm/X_pca the columns pc1, pc2
//! uns/cytonaut        what the file says of the whole table, and the meaning of each column as JSON
//! ```
//!
//! Groups that the specification (anndata 0.8 and later) has and a table has nothing for are there and empty.
//! Columns without any value are left out, since they would be categories of nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use rust_hdf5::{DatatypeMessage, H5Dataset, H5File, H5Group, HBool, VarLenUnicode};

use super::atomic::replace_path;
use super::{Column, FileError, NamedColumn, Table};

/// Begins the names of the columns that make `obsm/X_latent`.
const LATENT: &str = "latent_";

/// The columns that make `obsm/X_pca`.
const COMPONENTS: [&str; 2] = ["pc1", "pc2"];

/// Bytes of a chunk, about.
const CHUNK_BYTES: usize = 1 << 20;

/// How hard values are packed; more takes long and gains little.
const DEFLATE: u32 = 4;

type Written<T> = rust_hdf5::Result<T>;

impl Table {
    /// Writes the table as AnnData.
    pub(super) fn write_h5ad(&self, path: &Path) -> Result<(), FileError> {
        replace_path(path, |partial| self.write_parts(partial).map_err(io::Error::other))
            .map_err(FileError::write(path))
    }

    fn write_parts(&self, path: &Path) -> Written<()> {
        let file = H5File::create(path)?;
        file.set_attr_string("encoding-type", "anndata")?;
        file.set_attr_string("encoding-version", "0.1.0")?;
        let parts = Parts::of(self);
        write_frame(&group(&file, "obs", "dataframe", "0.2.0")?, &rows_named(self.n_rows()), &parts.metadata)?;
        let of_x = if parts.features.is_empty() { &parts.latents } else { &parts.features };
        let names: Vec<String> = of_x.iter().map(|column| column.name.clone()).collect();
        write_frame(&group(&file, "var", "dataframe", "0.2.0")?, &names, &[])?;
        for name in ["layers", "obsp", "varm", "varp"] {
            group(&file, name, "dict", "0.1.0")?;
        }
        if !of_x.is_empty() {
            write_matrix(&file.root_group(), "X", of_x, self.n_rows())?;
        }
        let obsm = group(&file, "obsm", "dict", "0.1.0")?;
        for (name, columns) in [("X_latent", &parts.latents), ("X_pca", &parts.components)] {
            if !columns.is_empty() {
                write_matrix(&obsm, name, columns, self.n_rows())?;
            }
        }
        group(&file, "uns", "dict", "0.1.0")?;
        let about = group(&file, "uns/cytonaut", "dict", "0.1.0")?;
        let docs: BTreeMap<&str, &str> =
            self.columns().iter().map(|column| (column.name.as_str(), column.doc.as_str())).collect();
        let docs = serde_json::to_string(&docs).expect("texts are JSON");
        let facts = self.facts().iter().map(|(name, fact)| (name.as_str(), fact.as_str()));
        for (name, text) in facts.chain([("version", env!("CARGO_PKG_VERSION")), ("columns", docs.as_str())]) {
            write_text(&about, &name.replace('/', "_"), text)?;
        }
        file.close()
    }
}

/// The columns by what they become.
struct Parts<'a> {
    metadata: Vec<&'a NamedColumn>,
    latents: Vec<&'a NamedColumn>,
    components: Vec<&'a NamedColumn>,
    features: Vec<&'a NamedColumn>,
}

impl<'a> Parts<'a> {
    fn of(table: &'a Table) -> Self {
        let mut parts =
            Self { metadata: Vec::new(), latents: Vec::new(), components: Vec::new(), features: Vec::new() };
        for column in table.columns() {
            let is_number = column.name.strip_prefix(LATENT).is_some_and(|number| number.parse::<usize>().is_ok());
            match &column.values {
                Column::Float32(_) if is_number => parts.latents.push(column),
                Column::Float32(_) if COMPONENTS.contains(&column.name.as_str()) => parts.components.push(column),
                Column::Float32(_) => parts.features.push(column),
                values if has_value(values) => parts.metadata.push(column),
                _ => {}
            }
        }
        parts
    }
}

fn has_value(values: &Column) -> bool {
    match values {
        Column::Text(values) => values.iter().any(Option::is_some),
        Column::Number(values) => values.iter().any(Option::is_some),
        Column::Integer(values) => values.iter().any(Option::is_some),
        Column::Float32(values) => !values.is_empty(),
        Column::Flag(values) => !values.is_empty(),
    }
}

/// Names of rows: their numbers, as anndata gives them where there are no others.
fn rows_named(n_rows: usize) -> Vec<String> {
    (0..n_rows).map(|row| row.to_string()).collect()
}

fn group(file: &H5File, place: &str, encoding: &str, version: &str) -> Written<H5Group> {
    let (parent, name) = place.rsplit_once('/').unwrap_or(("", place));
    let made = match parent {
        "" => file.create_group(name)?,
        parent => file.root_group().group(parent)?.create_group(name)?,
    };
    encode_group(&made, encoding, version)?;
    Ok(made)
}

fn encode_group(group: &H5Group, encoding: &str, version: &str) -> Written<()> {
    group.set_attr_string("encoding-type", encoding)?;
    group.set_attr_string("encoding-version", version)
}

fn encode(dataset: &H5Dataset, encoding: &str) -> Written<()> {
    for (name, value) in [("encoding-type", encoding), ("encoding-version", "0.2.0")] {
        dataset.new_attr::<VarLenUnicode>().shape(()).create(name)?.write_string(value)?;
    }
    Ok(())
}

/// The names of rows, and the columns.
fn write_frame(frame: &H5Group, index: &[String], columns: &[&NamedColumn]) -> Written<()> {
    const INDEX: &str = "_index";
    frame.set_attr_string("_index", INDEX)?;
    write_texts(frame, INDEX, index.iter().map(String::as_str))?;
    // A sign between groups cannot stand in a name; other columns keep theirs.
    let mut names = BTreeSet::from([INDEX.to_owned()]);
    let mut order = Vec::new();
    for column in columns {
        let mut name = column.name.replace('/', "_");
        while !names.insert(name.clone()) {
            name += "_";
        }
        write_column(frame, &name, &column.values)?;
        order.push(name);
    }
    let order: Vec<&str> = order.iter().map(String::as_str).collect();
    match order.is_empty() {
        // An array of no texts has no type, and anndata writes numbers too.
        true => frame.set_attr_array_numeric::<f64>("column-order", &[]),
        false => frame.set_attr_string_array("column-order", &order),
    }
}

fn write_column(frame: &H5Group, name: &str, values: &Column) -> Written<()> {
    match values {
        Column::Text(values) => write_categories(frame, name, values),
        Column::Number(values) => {
            let values: Vec<f64> = values.iter().map(|value| value.unwrap_or(f64::NAN)).collect();
            write_array(frame, name, &values)
        }
        Column::Integer(values) if values.iter().all(Option::is_some) => {
            write_array(frame, name, &values.iter().flatten().copied().collect::<Vec<i64>>())
        }
        Column::Integer(values) => {
            let made = frame.create_group(name)?;
            encode_group(&made, "nullable-integer", "0.1.0")?;
            write_array(&made, "values", &values.iter().map(|value| value.unwrap_or(0)).collect::<Vec<i64>>())?;
            write_array(&made, "mask", &values.iter().map(|value| HBool::from(value.is_none())).collect::<Vec<_>>())
        }
        Column::Flag(values) => write_array(frame, name, &values.iter().map(|&is| HBool::from(is)).collect::<Vec<_>>()),
        Column::Float32(values) => write_array(frame, name, values),
    }
}

fn write_array<T: rust_hdf5::H5Type>(group: &H5Group, name: &str, values: &[T]) -> Written<()> {
    let dataset = group.new_dataset::<T>().shape([values.len()]).create(name)?;
    dataset.write_raw(values)?;
    encode(&dataset, "array")
}

/// Texts of which several may be the same: each once, and its number for every row.
fn write_categories(frame: &H5Group, name: &str, values: &[Option<String>]) -> Written<()> {
    let categories: Vec<&str> =
        values.iter().flatten().map(String::as_str).collect::<BTreeSet<_>>().into_iter().collect();
    let made = frame.create_group(name)?;
    encode_group(&made, "categorical", "0.2.0")?;
    made.set_attr_numeric("ordered", &HBool::from(false))?;
    write_texts(&made, "categories", categories.iter().copied())?;
    let code = |value: &Option<String>| match value {
        None => -1,
        Some(value) => categories.partition_point(|category| *category < value.as_str()) as i32,
    };
    let codes: Vec<i32> = values.iter().map(code).collect();
    match categories.len() {
        0..=0x7F => write_array(&made, "codes", &codes.iter().map(|&code| code as i8).collect::<Vec<_>>()),
        0x80..=0x7FFF => write_array(&made, "codes", &codes.iter().map(|&code| code as i16).collect::<Vec<_>>()),
        _ => write_array(&made, "codes", &codes),
    }
}

fn write_texts<'a>(group: &H5Group, name: &str, texts: impl Iterator<Item = &'a str>) -> Written<()> {
    let texts: Vec<&str> = texts.collect();
    let dataset = match texts.is_empty() {
        // Of no texts of any length rust-hdf5 0.7.9 writes what the HDF5 library takes for damaged.
        true => group.new_dataset::<u8>().datatype(fixed(1)).shape([0]).create(name)?,
        false => group.write_vlen_strings(name, &texts)?,
    };
    encode(&dataset, "string-array")
}

/// One text by itself.
fn write_text(group: &H5Group, name: &str, text: &str) -> Written<()> {
    // Texts of one length can be scalars, and those of any length cannot.
    let dataset = group.new_dataset::<u8>().datatype(fixed(text.len().max(1))).scalar().create(name)?;
    let mut bytes = text.as_bytes().to_vec();
    bytes.resize(text.len().max(1), 0);
    dataset.write_raw_bytes(&bytes)?;
    encode(&dataset, "string")
}

/// Texts of so many bytes of UTF-8, or fewer.
fn fixed(n_bytes: usize) -> DatatypeMessage {
    DatatypeMessage::FixedString { size: n_bytes as u32, padding: 1, charset: 1 }
}

/// Columns side by side, `[row, column]`.
fn write_matrix(group: &H5Group, name: &str, columns: &[&NamedColumn], n_rows: usize) -> Written<()> {
    let columns: Vec<&[f32]> = columns
        .iter()
        .filter_map(|column| match &column.values {
            Column::Float32(values) => Some(values.as_slice()),
            _ => None,
        })
        .collect();
    let values: Vec<f32> = (0..n_rows).flat_map(|row| columns.iter().map(move |column| column[row])).collect();
    let builder = group.new_dataset::<f32>().shape([n_rows, columns.len()]);
    let dataset = match values.is_empty() {
        true => builder.create(name)?,
        false => {
            let rows_of_chunk = (CHUNK_BYTES / (4 * columns.len())).clamp(1, n_rows);
            builder.chunk(&[rows_of_chunk, columns.len()]).deflate(DEFLATE).create(name)?
        }
    };
    if !values.is_empty() {
        dataset.write_raw(&values)?;
    }
    encode(&dataset, "array")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let text = |texts: [Option<&str>; 3]| Column::Text(texts.map(|text| text.map(str::to_owned)).to_vec());
        Table::new()
            .with_fact("level", "well")
            .with("plate", "Plate barcode.", text([Some("P2"), None, Some("P1")]))
            .with("empty", "Nothing.", text([None; 3]))
            .with("a/b", "A name with a sign.", text([Some("x"); 3]))
            .with("dose_um", "Dose in µM.", Column::Number(vec![Some(0.1), None, Some(3.0)]))
            .with("n_wells", "Wells.", Column::Integer(vec![Some(1), Some(2), Some(3)]))
            .with("n_cells", "Cells.", Column::Integer(vec![Some(7), None, Some(9)]))
            .with("is_held_out", "Held out.", Column::Flag(vec![true, false, true]))
            .with("pc1", "Drawn.", Column::Float32(vec![0.5, 1.5, 2.5]))
            .with("pc2", "Drawn.", Column::Float32(vec![-0.5, -1.5, -2.5]))
            .with("latent_0", "Latent.", Column::Float32(vec![1.0, 2.0, 3.0]))
            .with("latent_1", "Latent.", Column::Float32(vec![4.0, 5.0, 6.0]))
    }

    fn opened(table: &Table) -> (tempfile::TempDir, H5File) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.h5ad");
        table.write(&path).unwrap();
        (folder, H5File::open(path).unwrap())
    }

    /// What <https://anndata.readthedocs.io/en/latest/fileformat-prose.html> asks for.
    #[test]
    fn the_parts_and_their_encodings_are_those_of_the_specification() {
        let (_folder, file) = opened(&table());
        assert_eq!(file.attr_string("encoding-type").unwrap(), "anndata");
        assert_eq!(file.attr_string("encoding-version").unwrap(), "0.1.0");
        let root = file.root_group();
        let encoding = |place: &str| root.group(place).unwrap().attr_string("encoding-type").unwrap();
        for place in ["layers", "obsm", "obsp", "uns", "varm", "varp", "uns/cytonaut"] {
            assert_eq!(encoding(place), "dict", "{place}");
        }
        assert_eq!((encoding("obs"), encoding("var")), ("dataframe".to_owned(), "dataframe".to_owned()));
        assert_eq!(
            (encoding("obs/plate").as_str(), encoding("obs/n_cells").as_str()),
            ("categorical", "nullable-integer")
        );
        let of_dataset =
            |place: &str| file.dataset(place).unwrap().attr("encoding-type").unwrap().read_string().unwrap();
        for (place, expected) in [
            ("X", "array"),
            ("obsm/X_latent", "array"),
            ("obsm/X_pca", "array"),
            ("obs/dose_um", "array"),
            ("obs/_index", "string-array"),
            ("obs/plate/categories", "string-array"),
            ("obs/plate/codes", "array"),
            ("uns/cytonaut/level", "string"),
        ] {
            assert_eq!(of_dataset(place), expected, "{place}");
        }
        assert_eq!(file.dataset("obs/plate/categories").unwrap().read_strings().unwrap(), ["P1", "P2"]);
        assert_eq!(file.dataset("obs/plate/codes").unwrap().read_raw::<i8>().unwrap(), [1, -1, 0]);
        assert_eq!(file.dataset("X").unwrap().shape(), [3, 2]);
        assert_eq!(file.dataset("X").unwrap().read_raw::<f32>().unwrap(), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
        assert_eq!(file.dataset("obsm/X_pca").unwrap().read_raw::<f32>().unwrap(), [0.5, -0.5, 1.5, -1.5, 2.5, -2.5]);
        assert_eq!(file.dataset("var/_index").unwrap().read_strings().unwrap(), ["latent_0", "latent_1"]);
        let mut columns = root.group("obs").unwrap().dataset_names().unwrap();
        columns.extend(root.group("obs").unwrap().group_names().unwrap());
        columns.sort();
        assert_eq!(columns, ["_index", "a_b", "dose_um", "is_held_out", "n_cells", "n_wells", "plate"]);
    }

    #[test]
    fn a_table_without_numbers_of_32_bits_has_no_matrix_and_one_without_rows_is_written() {
        let (_folder, file) = opened(&Table::new().with("name", "A name.", Column::Text(vec![Some("a".into())])));
        assert!(file.dataset("X").is_err());
        let empty = Table::new().with("name", "A name.", Column::Text(Vec::new())).with(
            "area",
            "A feature.",
            Column::Float32(Vec::new()),
        );
        let (_folder, file) = opened(&empty);
        assert_eq!(file.dataset("X").unwrap().shape(), [0, 1]);
    }
}
