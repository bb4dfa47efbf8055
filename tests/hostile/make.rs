//! Well-formed inputs to be broken, and ways to break them.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use arrow::array::{ArrayRef, Float64Array, Int64Array, StringArray};
use arrow::record_batch::RecordBatch;
use flate2::{Compression, write::GzEncoder};
use parquet::arrow::ArrowWriter;

use crate::support::{finish, tiny_run};

/// A small table of wells.
pub const PLAIN: &str = "\
plate,well,compound,dose_um,f1,f2
P1,A01,DMSO,,0.1,1
P1,B01,DMSO,,0.15,1.25
P1,A02,taxol,0.3,0.2,2
P1,A03,taxol,3,0.3,-3e2
P2,A01,DMSO,,0.4,4
P2,B02,AZ-A,10,0.5,5.25
";

/// A card of [`PLAIN`] under the name `t.csv`.
pub const CARD: &str = "files = [\"t.csv\"]\n";

/// A text packed with gzip.
pub fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A gzip of `n` times the same bytes, packed as densely as can be.
pub fn bomb(bytes: &[u8], n: usize) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    for _ in 0..n {
        encoder.write_all(bytes).unwrap();
    }
    encoder.finish().unwrap()
}

/// [`PLAIN`] with one text replaced, which it must hold.
pub fn changed(old: &str, new: &str) -> String {
    assert!(PLAIN.contains(old), "{old}");
    PLAIN.replacen(old, new, 1)
}

/// Columns of parquet like those of [`PLAIN`], each value `n_times` in a row.
pub fn parquet(n_rows: usize) -> Vec<u8> {
    let texts = |text: &'static str| Arc::new(StringArray::from_iter_values((0..n_rows).map(|_| text))) as ArrayRef;
    let wells: Vec<String> =
        (0..n_rows).map(|row| format!("{}{:02}", (b'A' + (row / 24) as u8) as char, row % 24 + 1)).collect();
    let numbers =
        Arc::new(Float64Array::from_iter_values((0..n_rows).map(|row| (row * row % 31) as f64 * 0.37))) as ArrayRef;
    let columns = [
        ("plate", texts("P1")),
        ("well", Arc::new(StringArray::from(wells)) as ArrayRef),
        ("compound", texts("DMSO")),
        ("f1", numbers.clone()),
        ("f2", numbers),
    ];
    written(&RecordBatch::try_from_iter(columns).unwrap(), 1)
}

/// A parquet file that claims, and has, more rows than fit in memory: nothing but nulls, packed into a few kilobytes.
pub fn parquet_of_nulls(n_million: usize) -> Vec<u8> {
    let nulls = Arc::new(Int64Array::new_null(1_000_000)) as ArrayRef;
    let columns = ["plate", "compound", "f1"].map(|name| (name, nulls.clone(), true));
    written(&RecordBatch::try_from_iter_with_nullable(columns).unwrap(), n_million)
}

fn written(batch: &RecordBatch, n_times: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    for _ in 0..n_times {
        writer.write(batch).unwrap();
    }
    writer.close().unwrap();
    bytes
}

/// A safetensors file of this header and as many zero bytes.
pub fn safetensors(header: &str, n_bytes: usize) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &vec![0; n_bytes]].concat()
}

/// Copies a folder with all that is in it.
pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Puts a finished run of two members into `folder/run`, with the configuration and the data that it needs.
pub fn finished_run(folder: &Path) {
    static RUN: OnceLock<tempfile::TempDir> = OnceLock::new();
    let made = RUN.get_or_init(|| {
        let made = tempfile::tempdir().unwrap();
        finish(tiny_run(&made.path().join("run"), &[]), 0);
        finish(tiny_run(&made.path().join("narrow"), &["--set=model.latent=8"]), 0);
        made
    });
    copy(made.path(), folder);
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    copy(&root.join("datasets/bbbc021"), &folder.join("datasets/bbbc021"));
    copy(&root.join("configs"), &folder.join("configs"));
}

/// The same as it stood before training was over.
pub fn unfinished_run(folder: &Path) {
    finished_run(folder);
    change(folder, "run/manifest.json", |text| text.replace("\"finished\"", "\"unfinished\""));
    fs::remove_dir_all(folder.join("run/model")).unwrap();
}

/// Puts one file of the folder in place of another.
pub fn put(folder: &Path, file: &str, in_place_of: &str) {
    fs::copy(folder.join(file), folder.join(in_place_of)).unwrap();
}

/// Rewrites a file of text.
pub fn change(folder: &Path, name: &str, change: impl Fn(String) -> String) {
    let path = folder.join(name);
    let text = fs::read_to_string(&path).unwrap();
    let changed = change(text.clone());
    assert!(changed != text, "{name} stays as it is");
    fs::write(path, changed).unwrap();
}

/// Rewrites a file of bytes.
pub fn change_bytes(folder: &Path, name: &str, change: impl Fn(&mut Vec<u8>)) {
    let path = folder.join(name);
    let mut bytes = fs::read(&path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

/// Rewrites the header of a safetensors file.
pub fn change_header(folder: &Path, name: &str, change: impl Fn(String) -> String) {
    change_bytes(folder, name, |bytes| {
        let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        let header = String::from_utf8(bytes[8..8 + length].to_vec()).unwrap();
        let changed = change(header.clone());
        assert!(changed != header, "the header stays as it is");
        *bytes = [&(changed.len() as u64).to_le_bytes()[..], changed.as_bytes(), &bytes[8 + length..]].concat();
    });
}
