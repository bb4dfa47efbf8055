//! Matrices of Cell Ranger and the Connectivity Map, whole and damaged.

use std::path::Path;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::*;
use crate::load::annotated;

/// The files may be large, so they are next to the repository and not in it; `tests/oracles/matrix_values.py` made the digests.
#[test]
fn values_are_those_that_other_programs_read() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/formats");
    if !data.is_dir() {
        eprintln!("skipped: no ../shared/data");
        return;
    }
    let oracle: Value = serde_json::from_str(include_str!("../../../tests/oracles/matrix_values.json")).unwrap();
    let digest = |bytes: &[u8]| Value::from(inputs::hexadecimal(&Sha256::digest(bytes)));
    for (name, expected) in oracle["files"].as_object().unwrap() {
        let path = inputs::matching(&data.join(name)).unwrap().remove(0);
        let (genes, values) = annotated::dense(&path).unwrap();
        let number = |value: &f32| if value.is_nan() { 0.0 } else { *value };
        let bytes: Vec<u8> = values.iter().flat_map(|value| number(value).to_le_bytes()).collect();
        assert_eq!(digest(&bytes), expected["values"], "{name}");
        assert_eq!(digest(genes.join("\n").as_bytes()), expected["genes"], "{name}");
        let rows = annotated::rows(&path, &|_| true).unwrap();
        let names = rows.text("barcode").or(rows.text("id")).unwrap();
        let names: Vec<&str> = names.iter().map(|name| name.as_deref().unwrap_or_default()).collect();
        assert_eq!(digest(names.join("\n").as_bytes()), expected["rows"], "{name}");
    }
}

/// Forty cells, of which the second half has more of the first gene; a guide is captured too.
fn cell_ranger(folder: &Folder) {
    let features = "ENSG1\tKLF1\tGene Expression\nENSG2\tACTB\tGene Expression\ng1\tguide1\tCRISPR Guide Capture\n";
    let barcodes: String = (0..40).map(|cell| format!("AAAC-{cell}\n")).collect();
    let entries: String =
        (1..=40).map(|cell| format!("1 {cell} {}\n2 {cell} 4\n3 {cell} 50\n", if cell > 20 { 6 } else { 1 })).collect();
    let matrix = format!("%%MatrixMarket matrix coordinate integer general\n%remark\n3 40 120\n{entries}");
    std::fs::create_dir(folder.path("cells")).unwrap();
    std::fs::write(folder.path("cells/features.tsv.gz"), gz(features)).unwrap();
    std::fs::write(folder.path("cells/barcodes.tsv.gz"), gz(barcodes)).unwrap();
    std::fs::write(folder.path("cells/matrix.mtx.gz"), gz(matrix)).unwrap();
}

#[test]
fn a_folder_of_cell_ranger_gets_its_perturbations_from_a_sheet_by_barcodes() {
    let folder = Folder::new();
    cell_ranger(&folder);
    let calls: String =
        (0..40).map(|cell| format!("AAAC-{cell},{}\n", if cell < 20 { "non-targeting" } else { "KLF1" })).collect();
    let folder = folder.with("calls.csv", format!("barcode,gene\n{calls}"));
    let card = "files = [\"cells\"]\n[[join]]\nfile = \"calls.csv\"\non = [\"barcode\"]\n";
    let folder = folder.with("dataset.toml", card);
    let Loaded { screen, notes, .. } = folder.load(&["dataset.toml"]).unwrap();
    assert_eq!((screen.n_observations(), screen.units.all().len()), (4, 2));
    assert_eq!(screen.features.names(), ["KLF1", "ACTB"]);
    // Guides do not count for the depth: 1 of 5 and 6 of 10 are the first gene.
    let logarithm = |share: f64| (share * 10_000.0).ln_1p() as f32;
    let values: BTreeSet<u32> = (0..4).map(|row| screen.features.in_memory().row(row)[0].to_bits()).collect();
    assert_eq!(values, [logarithm(0.2).to_bits(), logarithm(0.6).to_bits()].into());
    assert!(notes.iter().any(|note| note.contains("1 features that are not genes")), "{notes:?}");
    // Without what was applied, it is asked for.
    let described = folder.describe(&["cells"]);
    assert!(
        described.gaps.iter().any(|gap| gap.what.contains("no column names the perturbation")),
        "{:?}",
        described.gaps
    );
}

#[track_caller]
fn refuses_matrix(matrix: &str, expected: &str) {
    let folder = Folder::new();
    cell_ranger(&folder);
    std::fs::write(folder.path("cells/matrix.mtx.gz"), gz(matrix)).unwrap();
    let error = folder.load(&["cells"]).unwrap_err();
    assert!(error.starts_with("cells/matrix.mtx.gz") && error.contains(expected), "{error}");
}

#[test]
fn damaged_lists_are_refused_with_their_line() {
    let head = "%%MatrixMarket matrix coordinate integer general\n";
    refuses_matrix(&format!("{head}3 41 1\n1 1 1\n"), "expected 3 and 40 as the files next to it have");
    refuses_matrix(&format!("{head}3 40 1\n4 1 1\n"), ":3: found \"4 1 1\", expected a feature from 1 to 3");
    refuses_matrix(&format!("{head}3 40 1\n0 1 1\n"), "expected a feature from 1 to 3");
    refuses_matrix(&format!("{head}3 40 2\n1 1 1\n"), "found \"1 values\", expected 2 as the header says");
    refuses_matrix("%%MatrixMarket matrix array real general\n3 40\n", "expected `%%MatrixMarket matrix coordinate");
    refuses_matrix(head, "the numbers of features, barcodes and values");
    refuses_matrix(&format!("{head}3 40 1099511627776\n1 1 1\n"), "expected 1099511627776 as the header says");
}

const GCT: &str = "#1.3\n2\t4\t1\t3\nid\tsymbol\tS1\tS2\tS3\tS4\npert_iname\tna\tDMSO\tDMSO\ttaxol\ttaxol\n\
                   pert_dose\tna\t-666\t-666\t1\t1\npert_dose_unit\tna\t-666\t-666\tuM\tuM\n\
                   g1\tACTB\t-1\t0.5\t2\t2.5\ng2\tKLF1\t0\t1\t-3\tNA\n";

#[test]
fn samples_of_gct_stay_as_they_are() {
    let columns = "[columns]\nplate = { value = \"P1\" }\n";
    let folder = Folder::new()
        .with("t.gct", GCT.replace("NA", "4"))
        .with("dataset.toml", format!("files = [\"t.gct\"]\n{columns}"));
    let Loaded { screen, .. } = folder.load(&["dataset.toml"]).unwrap();
    assert_eq!((screen.n_observations(), screen.units.all().len()), (4, 4));
    let treated: Vec<String> = screen.treatments().keys().map(ToString::to_string).collect();
    assert_eq!(treated, ["taxol 1 µM"]);
    let rows: BTreeSet<String> = (0..4).map(|row| format!("{:?}", screen.features.in_memory().row(row))).collect();
    assert_eq!(rows, ["[-1.0, 0.0]", "[0.5, 1.0]", "[2.0, -3.0]", "[2.5, 4.0]"].map(str::to_owned).into());
    // A value that is missing leaves its row out, as in any table.
    let folder = Folder::new().with("t.gct", GCT).with("dataset.toml", format!("files = [\"t.gct\"]\n{columns}"));
    assert!(folder.load(&["dataset.toml"]).is_ok_and(|loaded| loaded.screen.features.n_features() == 1));
}

#[test]
fn damaged_gct_is_refused_with_its_line() {
    let check = |text: &str, expected: &str| {
        let error = Folder::new().with("t.gct", text).load(&["t.gct"]).unwrap_err();
        assert!(error.starts_with("t.gct:") && error.contains(expected), "{error}");
    };
    check(&GCT.replace("\t2.5", "\thigh"), ":7: found \"high\", expected a number");
    check(&GCT.replace("\t2.5", ""), ":7: found \"5 fields\", expected 6");
    check("#1.3\n2\t4\n", "expected #1.2 with two numbers, or #1.3 with four");
    check("#1.3\n1099511627776\t4\t1\t0\nid\tsymbol\tS1\tS2\tS3\tS4\n", ":4: found \"0 fields\", expected 6");
}
