//! AnnData files in every encoding, and damaged ones, one fault each.

use std::path::Path;

use rust_hdf5::{H5File, H5Group, HBool};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::*;
use crate::load::annotated;

fn oracles() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracles")
}

/// `tests/oracles/anndata_values.py` made the digests.
#[test]
fn values_and_tables_are_those_that_anndata_reads() {
    let oracle: Value = serde_json::from_str(include_str!("../../../tests/oracles/anndata_values.json")).unwrap();
    let digest = |bytes: &[u8]| inputs::hexadecimal(&Sha256::digest(bytes));
    for (name, expected) in oracle["files"].as_object().unwrap() {
        for (part, expected) in expected["values"].as_object().unwrap() {
            let named = if part.is_empty() { name.clone() } else { format!("{name}#{part}") };
            let (_, values) = annotated::dense(&oracles().join(&named)).unwrap();
            let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            assert_eq!(digest(&bytes), expected.as_str().unwrap(), "{named}");
        }
        let (genes, _) = annotated::dense(&oracles().join(name)).unwrap();
        assert_eq!(serde_json::json!(genes), expected["genes"], "{name}");
        let mut table = annotated::rows(&oracles().join(name), &|_| true).unwrap();
        table.columns.sort_by(|a, b| a.name.cmp(&b.name));
        let names: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
        assert_eq!(serde_json::json!(names), expected["columns"], "{name}");
        let lines: Vec<String> = names.iter().flat_map(|name| cells(table.text(name).unwrap())).collect();
        assert_eq!(digest(lines.join("\n").as_bytes()), expected["table"].as_str().unwrap(), "{name}: {lines:?}");
    }
}

/// Cells as the script writes them: those of a column of fractions rounded.
fn cells(column: &[Option<String>]) -> Vec<String> {
    let number = |cell: &String| cell.parse::<f64>().ok();
    let has_fractions = column.iter().flatten().all(|cell| number(cell).is_some())
        && column.iter().flatten().any(|cell| cell.contains('.'));
    let text = |cell: &Option<String>| match cell {
        None => String::new(),
        Some(cell) if has_fractions => format!("{:.3}", number(cell).unwrap()),
        Some(cell) => cell.clone(),
    };
    column.iter().map(text).collect()
}

/// How a matrix is stored.
#[derive(Clone, Copy, PartialEq)]
enum Stored {
    Dense,
    ByRow,
    ByColumn,
}

const GENES: usize = 3;

/// Two lines with 20 controls and 20 cells of `KLF1` each; counts of three genes.
fn count(cell: usize, gene: usize) -> f32 {
    let is_treated = cell % 40 >= 20;
    [if is_treated { 3 } else { 1 } + cell % 2, 5, cell % 3][gene] as f32
}

const CELLS: usize = 80;

fn sparse(group: &H5Group, is_by_row: bool, value: impl Fn(usize, usize) -> f32) {
    let (n_outer, n_inner) = if is_by_row { (CELLS, GENES) } else { (GENES, CELLS) };
    let (mut data, mut indices, mut starts) = (Vec::new(), Vec::new(), vec![0i64]);
    for outer in 0..n_outer {
        for inner in 0..n_inner {
            let value = if is_by_row { value(outer, inner) } else { value(inner, outer) };
            if value != 0.0 {
                data.push(value);
                indices.push(inner as i32);
            }
        }
        starts.push(data.len() as i64);
    }
    group.set_attr_string("encoding-type", if is_by_row { "csr_matrix" } else { "csc_matrix" }).unwrap();
    group.new_dataset::<f32>().shape([data.len()]).create("data").unwrap().write_raw(&data).unwrap();
    group.new_dataset::<i32>().shape([indices.len()]).create("indices").unwrap().write_raw(&indices).unwrap();
    group.new_dataset::<i64>().shape([starts.len()]).create("indptr").unwrap().write_raw(&starts).unwrap();
}

fn frame(file: &H5File, name: &str, index: &[String]) -> H5Group {
    let group = file.create_group(name).unwrap();
    group.set_attr_string("_index", "_index").unwrap();
    let index: Vec<&str> = index.iter().map(String::as_str).collect();
    group.write_vlen_strings("_index", &index).unwrap();
    group
}

fn categorical(frame: &H5Group, name: &str, categories: &[&str], codes: &[i8]) {
    let group = frame.create_group(name).unwrap();
    group.set_attr_string("encoding-type", "categorical").unwrap();
    group.write_vlen_strings("categories", categories).unwrap();
    group.new_dataset::<i8>().shape([codes.len()]).create("codes").unwrap().write_raw(codes).unwrap();
}

/// A file of the cells above; `change` may add to it.
fn h5ad(path: &Path, stored: Stored, value: impl Fn(usize, usize) -> f32 + Copy, change: impl Fn(&H5File, &H5Group)) {
    let file = H5File::create(path).unwrap();
    match stored {
        Stored::Dense => {
            let values: Vec<f32> = (0..CELLS * GENES).map(|place| value(place / GENES, place % GENES)).collect();
            file.new_dataset::<f32>().shape([CELLS, GENES]).create("X").unwrap().write_raw(&values).unwrap();
        }
        Stored::ByRow | Stored::ByColumn => sparse(&file.create_group("X").unwrap(), stored == Stored::ByRow, value),
    }
    let obs = frame(&file, "obs", &(0..CELLS).map(|cell| format!("AAAC-{cell}")).collect::<Vec<_>>());
    let treated: Vec<i8> = (0..CELLS).map(|cell| i8::from(cell % 40 >= 20)).collect();
    categorical(&obs, "gene", &["non-targeting", "KLF1"], &treated);
    let line: Vec<i8> = (0..CELLS).map(|cell| i8::from(cell >= 40)).collect();
    categorical(&obs, "cell_type", &["A549", "K562"], &line);
    let counts: Vec<f64> = (0..CELLS).map(|cell| cell as f64 + 0.5).collect();
    obs.new_dataset::<f64>().shape([CELLS]).create("n_counts").unwrap().write_raw(&counts).unwrap();
    frame(&file, "var", &["ACTB", "GAPDH", "KLF1"].map(str::to_owned));
    change(&file, &obs);
    file.close().unwrap();
}

fn loaded(stored: Stored, value: impl Fn(usize, usize) -> f32 + Copy) -> Loaded {
    let folder = Folder::new();
    h5ad(&folder.path("cells.h5ad"), stored, value, |_, _| {});
    folder.load(&["cells.h5ad"]).unwrap()
}

#[test]
fn cells_are_pooled_alike_however_they_are_stored() {
    let dense = loaded(Stored::Dense, count);
    for stored in [Stored::ByRow, Stored::ByColumn] {
        let sparse = loaded(stored, count);
        assert!(is_same(&dense.screen, &sparse.screen));
        assert_eq!(dense.notes, sparse.notes);
    }
    let Loaded { screen, mapping, notes, inputs, .. } = dense;
    assert_eq!(screen.features.names(), ["ACTB", "GAPDH", "KLF1"]);
    // Twenty cells of four samples, two bags each: the even ones and the odd ones.
    assert_eq!((screen.n_observations(), screen.units.all().len(), inputs[0].rows), (8, 4, 80));
    assert!(screen.units.all().iter().all(|unit| unit.cell_count == Some(20.0)));
    let treatments: Vec<String> = screen.units.all().iter().map(|unit| unit.treatment().to_string()).collect();
    assert_eq!(treatments, ["untreated [A549]", "KLF1 [A549]", "untreated [K562]", "KLF1 [K562]"]);
    assert!(screen.rows_by_plate(|_| true).into_keys().eq(["A549", "K562"]));
    let even = |gene: usize| (0..10).map(|index| f64::from(count(2 * index, gene))).sum::<f64>();
    let total: f64 = (0..GENES).map(even).sum();
    let expected: Vec<f32> = (0..GENES).map(|gene| (even(gene) / total * 10_000.0).ln_1p() as f32).collect();
    assert!((0..8).any(|row| screen.features.in_memory().row(row) == expected), "{expected:?}");
    assert_eq!(mapping.column(ColumnRole::Perturbation), Some("gene"));
    let told = notes.join("\n");
    assert!(told.contains("counts (they are whole numbers)"), "{told}");
    assert!(told.contains("80 cells of 4 samples (20 to 20 each) are pooled to 8 rows"), "{told}");
    assert!(told.contains("not replicates") && told.contains("controls of its context"), "{told}");
}

#[test]
fn of_logarithms_the_mean_is_taken() {
    let value = |cell: usize, gene: usize| count(cell, gene).ln_1p();
    let Loaded { screen, notes, .. } = loaded(Stored::ByRow, value);
    let even = (0..10).map(|index| f64::from(value(2 * index, 2))).sum::<f64>() / 10.0;
    assert!((0..8).any(|row| (f64::from(screen.features.in_memory().row(row)[2]) - even).abs() < 1e-6));
    assert!(notes.iter().any(|note| note.contains("logarithms of normalized counts (they are fractions")), "{notes:?}");
}

#[test]
fn a_guide_is_a_sample_of_its_own_and_a_layer_is_named() {
    let folder = Folder::new();
    let layers = |file: &H5File, obs: &H5Group| {
        let guides: Vec<i8> = (0..CELLS).map(|cell| (cell % 2) as i8).collect();
        categorical(obs, "guide_id", &["g1", "g2"], &guides);
        let layers = file.create_group("layers").unwrap();
        sparse(&layers.create_group("counts").unwrap(), true, count);
    };
    h5ad(&folder.path("cells.h5ad"), Stored::Dense, |cell, gene| -count(cell, gene), layers);
    let scores = folder.load(&["cells.h5ad"]).unwrap();
    assert_eq!(scores.screen.units.all().len(), 8);
    let told = scores.notes.join("\n");
    assert!(told.contains("`cells.h5ad#counts` reads") && told.contains("some are below zero"), "{told}");
    let counts = folder.load(&["cells.h5ad#counts"]).unwrap();
    assert!(counts.notes.join("\n").contains("counts (they are whole numbers)"));
    assert_eq!(counts.screen.units, scores.screen.units);
}

#[test]
fn a_card_says_what_the_values_and_the_rows_are() {
    let card = |expression: &str| {
        let folder = Folder::new().with(
            "dataset.toml",
            format!("files = [\"cells.h5ad\"]\n[columns]\nplate = \"cell_type\"\n[expression]\n{expression}\n"),
        );
        h5ad(&folder.path("cells.h5ad"), Stored::ByRow, |cell, gene| 10.5 * count(cell, gene), |_, _| {});
        folder
    };
    let open = card("");
    let error = open.load(&["dataset.toml"]).unwrap_err();
    assert!(error.contains("the values in `X` reach 52.5"), "{error}");
    let described = open.describe(&["dataset.toml"]);
    assert_eq!(described.gaps.len(), 1);
    assert_eq!((described.gaps[0].section, described.outcome.is_ok()), ("expression", true));
    let counts = card("scale = \"counts\"").load(&["dataset.toml"]).unwrap();
    assert_eq!(counts.screen.n_observations(), 8);
    let samples = card("scale = \"as_is\"\nrows = \"samples\"").load(&["dataset.toml"]).unwrap();
    assert_eq!((samples.screen.n_observations(), samples.screen.units.all().len()), (80, 80));
    assert!(samples.screen.features.in_memory().values().contains(&52.5));
}

#[test]
fn doses_of_one_are_not_concentrations() {
    let folder = Folder::new();
    let dose = |_: &H5File, obs: &H5Group| categorical(obs, "dose", &["1", "1+1"], &[0; CELLS]);
    h5ad(&folder.path("cells.h5ad"), Stored::ByRow, count, dose);
    let Loaded { screen, notes, .. } = folder.load(&["cells.h5ad"]).unwrap();
    assert!(screen.treatments().keys().all(|treatment| treatment.intervention.members()[0].dose.is_none()));
    assert!(notes.iter().any(|note| note.starts_with("`dose` is 1 wherever")), "{notes:?}");
}

#[test]
fn the_bundled_cells_are_57_samples() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets/perturbseq-mini");
    let Loaded { screen, notes, mapping, .. } = load(&Source::of([path.clone()])).unwrap();
    assert_eq!((screen.units.all().len(), screen.features.n_features()), (57, 250));
    assert_eq!(screen.n_observations(), 57 * 3);
    let sets = screen.treatments().into_keys().filter(|treatment| treatment.intervention.members().len() == 2).count();
    assert_eq!((screen.treatments().len(), sets), (53, 11));
    assert!(notes.iter().any(|note| note.contains("1710 cells of 57 samples (30 to 30 each)")), "{notes:?}");
    assert_eq!(mapping.column(ColumnRole::Plate), Some("cell_type"));
    // Without its card, the same is found.
    let bare = load(&Source::of([path.join("cells.h5ad")])).unwrap();
    assert_eq!((bare.screen.units, bare.screen.features), (screen.units, screen.features));
}

/// Loads a file that `break_it` has damaged, and expects a message that names the place.
#[track_caller]
fn refuses(stored: Stored, change: impl Fn(&H5File, &H5Group), expected: &str) {
    let folder = Folder::new();
    h5ad(&folder.path("cells.h5ad"), stored, count, change);
    let error = folder.load(&["cells.h5ad"]).unwrap_err();
    assert!(error.starts_with("cells.h5ad: ") && error.contains(expected), "{error}");
}

/// Loads a file whose parts `write` makes.
#[track_caller]
fn refuses_file(write: impl Fn(&H5File), expected: &str) {
    let folder = Folder::new();
    let file = H5File::create(folder.path("cells.h5ad")).unwrap();
    write(&file);
    file.close().unwrap();
    let error = folder.load(&["cells.h5ad"]).unwrap_err();
    assert!(error.starts_with("cells.h5ad: ") && error.contains(expected), "{error}");
}

fn two_rows(file: &H5File, data: &[f32], indices: &[i64], starts: &[i64]) {
    let group = file.create_group("X").unwrap();
    group.set_attr_string("encoding-type", "csr_matrix").unwrap();
    group.new_dataset::<f32>().shape([data.len()]).create("data").unwrap().write_raw(data).unwrap();
    group.new_dataset::<i64>().shape([indices.len()]).create("indices").unwrap().write_raw(indices).unwrap();
    group.new_dataset::<i64>().shape([starts.len()]).create("indptr").unwrap().write_raw(starts).unwrap();
    tables_of_two(file);
}

fn tables_of_two(file: &H5File) {
    let obs = frame(file, "obs", &["a", "b"].map(str::to_owned));
    categorical(&obs, "gene", &["control", "KLF1"], &[0, 1]);
    frame(file, "var", &["ACTB", "GAPDH"].map(str::to_owned));
}

#[test]
fn damaged_matrices_are_refused_with_their_place() {
    refuses_file(
        |file| two_rows(file, &[1.0, 2.0], &[0, 2], &[0, 1, 2]),
        "`X/indices`: it holds 2 at place 1, expected 0 to 1",
    );
    refuses_file(|file| two_rows(file, &[1.0, 2.0], &[0, -1], &[0, 1, 2]), "`X/indices`: it holds -1 at place 1");
    refuses_file(
        |file| two_rows(file, &[1.0, 2.0], &[0, 1], &[0, 2, 1]),
        "`X/indptr`: it falls from 2 to 1 at place 2",
    );
    refuses_file(
        |file| two_rows(file, &[1.0, 2.0], &[0, 1], &[0, 1, 7]),
        "`X/indptr`: it goes from 0 to 7, expected 0 to 2",
    );
    refuses_file(
        |file| two_rows(file, &[1.0, 2.0], &[0, 1], &[0, 2]),
        "`X/indptr`: its shape is [2], expected [3] for 2 rows",
    );
    refuses_file(
        |file| two_rows(file, &[1.0, 2.0, 3.0], &[0, 1], &[0, 1, 3]),
        "`X/indices`: it has 2 values and `data` 3",
    );
    let of_texts = |file: &H5File| {
        file.write_vlen_strings("X", &["a", "b"]).unwrap();
        tables_of_two(file);
    };
    refuses_file(of_texts, "`X`: its shape is [2], expected [2, 2]");
    let wide = |file: &H5File| {
        file.new_dataset::<f32>().shape([2, 3]).create("X").unwrap().write_raw(&[0f32; 6]).unwrap();
        tables_of_two(file);
    };
    refuses_file(wide, "`X`: its shape is [2, 3], expected [2, 2] as the tables of rows and columns say");
    refuses_file(tables_of_two, "`X`: it is missing, and there are neither `raw` nor layers");
    let unnamed = |file: &H5File| {
        file.create_group("X").unwrap();
        tables_of_two(file);
    };
    refuses_file(unnamed, "`X`: its `encoding-type` is nothing, expected `csr_matrix` or `csc_matrix`");
}

#[test]
fn damaged_tables_are_refused_with_their_place() {
    let code = |_: &H5File, obs: &H5Group| categorical(obs, "batch", &["b1"], &[1; CELLS]);
    refuses(Stored::ByRow, code, "`obs/batch`: code 1 in row 0, expected -1 to 0 for its categories");
    let short = |_: &H5File, obs: &H5Group| categorical(obs, "batch", &["b1"], &[0; 5]);
    refuses(Stored::ByRow, short, "`obs/batch`: it has 5 values for 80 rows");
    let text = |_: &H5File, obs: &H5Group| {
        let text = obs.write_vlen_bytes("batch", &[b"\xFF\xFE".as_slice(); CELLS]).unwrap();
        drop(text);
    };
    // A list of bytes is not text, so the column is left out.
    let folder = Folder::new();
    h5ad(&folder.path("cells.h5ad"), Stored::ByRow, count, text);
    assert!(folder.load(&["cells.h5ad"]).is_ok());
    let whole = folder.path("cells.h5ad");
    let mut bytes = std::fs::read(&whole).unwrap();
    let at = bytes.windows(13).position(|window| window == b"non-targeting").unwrap();
    bytes[at] = 0xFF;
    std::fs::write(&whole, bytes).unwrap();
    let error = folder.load(&["cells.h5ad"]).unwrap_err();
    assert!(error.contains("`obs/gene/categories`"), "{error}");
    let mask = |_: &H5File, obs: &H5Group| {
        let group = obs.create_group("batch").unwrap();
        group.new_dataset::<i64>().shape([CELLS]).create("values").unwrap().write_raw(&[1i64; CELLS]).unwrap();
        group.new_dataset::<HBool>().shape([2]).create("mask").unwrap().write_raw(&[HBool(0); 2]).unwrap();
    };
    refuses(Stored::ByRow, mask, "`obs/batch/mask`: it has 2 values for 80 of `values`");
    refuses_file(
        |file| drop(file.create_group("matrix").unwrap()),
        "an HDF5 file that is neither AnnData (`obs` and `X`) nor of Cell Ranger nor GCTX",
    );
    let huge = |file: &H5File| {
        let chunked =
            file.new_dataset::<f32>().shape([1usize << 40, 2]).chunk(&[1 << 10, 2]).max_shape(&[None, Some(2)]);
        chunked.create("X").unwrap();
        tables_of_two(file);
    };
    refuses_file(huge, "`X`: it claims 1099511627776 x 2 values, more than a file of");
}

#[test]
fn a_file_that_is_cut_or_changed_never_panics() {
    let folder = Folder::new();
    h5ad(&folder.path("whole.h5ad"), Stored::ByRow, count, |_, _| {});
    let whole = std::fs::read(folder.path("whole.h5ad")).unwrap();
    let path = folder.path("cells.h5ad");
    let mut n_refused = 0;
    for part in 1..60 {
        std::fs::write(&path, &whole[..whole.len() * part / 60]).unwrap();
        n_refused += usize::from(folder.load(&["cells.h5ad"]).is_err());
    }
    assert!(n_refused > 55, "{n_refused}");
    let mut state = 1u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    for _ in 0..300 {
        let mut bytes = whole.clone();
        for _ in 0..1 + random(4) {
            let place = random(bytes.len());
            bytes[place] = [0, 1, 0x7F, 0xFF, random(256) as u8][random(5)];
        }
        std::fs::write(&path, &bytes).unwrap();
        let _ = folder.load(&["cells.h5ad"]);
    }
}
