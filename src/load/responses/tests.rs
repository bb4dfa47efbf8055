use std::fs;
use std::path::{Path, PathBuf};

use super::*;

fn written(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    path
}

fn values(responses: &Responses, is_wanted: &dyn Fn(usize) -> bool) -> Vec<(usize, usize, f32)> {
    let mut found = Vec::new();
    responses.visit(is_wanted, |row, feature, value| found.push((row, feature, value))).unwrap();
    found
}

#[test]
fn a_table_and_a_matrix_of_it_say_the_same() {
    let mini = Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets/perturbseq-mini/cells.h5ad");
    let matrix = Responses::open(&mini, &ResponseColumns::default()).unwrap();
    assert_eq!((matrix.of_row.len(), matrix.features.len(), matrix.scale), (1710, 250, Scale::Log1p));
    assert_eq!(matrix.context_column.as_deref(), Some("cell_type"));
    assert_eq!(matrix.controls(), ["control"]);
    let all = values(&matrix, &|_| true);
    let some = values(&matrix, &|row| row % 400 == 7);
    let expected: Vec<_> = all.iter().copied().filter(|value| value.0 % 400 == 7).collect();
    assert_eq!(some, expected);
    let n_of_row = |row: usize| all.iter().filter(|value| value.0 == row).count();
    assert!([0, 7, 1709].iter().all(|&row| matrix.most_values(row) >= n_of_row(row)));

    let folder = tempfile::tempdir().unwrap();
    let mut text = format!("condition,cell_type,{}\n", matrix.features.join(","));
    for row in 0..40 {
        let of = &matrix.responses[matrix.of_row[row].unwrap() as usize];
        let mut cells = vec!["0".to_owned(); 250];
        all.iter().filter(|value| value.0 == row).for_each(|value| cells[value.1] = value.2.to_string());
        text += &format!("{},{},{}\n", of.name, of.context, cells.join(","));
    }
    let table = Responses::open(&written(folder.path(), "a.csv", &text), &ResponseColumns::default()).unwrap();
    assert_eq!(table.features, matrix.features);
    let of_table = values(&table, &|_| true);
    assert_eq!(of_table, all.into_iter().filter(|value| value.0 < 40).collect::<Vec<_>>());
}

#[test]
fn several_columns_say_together_what_was_done() {
    let folder = tempfile::tempdir().unwrap();
    let text = "compound,dose_um,f1,f2\nDMSO,0,0.5,-1\ntaxol,0.3,1,2\ntaxol,3,2,2\n,,1,1\n";
    let path = written(folder.path(), "a.csv", text);
    let columns =
        ResponseColumns { perturbation: Some(vec!["compound".into(), "dose_um".into()]), ..ResponseColumns::default() };
    let responses = Responses::open(&path, &columns).unwrap();
    let named: Vec<(&str, &str, bool)> = (responses.responses.iter())
        .map(|response| (response.name.as_str(), response.perturbation.as_str(), response.is_control))
        .collect();
    assert_eq!(named, [("DMSO", "DMSO", true), ("taxol | 0.3", "taxol", false), ("taxol | 3", "taxol", false)]);
    assert_eq!(responses.features, ["f1", "f2"]);
    assert_eq!(responses.of_row, [Some(0), Some(1), Some(2), None]);
    assert!(responses.notes.iter().any(|note| note.contains("1 rows name no perturbation")), "{:?}", responses.notes);
}

/// A table that pandas read and wrote again.
#[test]
fn doses_that_are_written_as_fractions_are_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let columns =
        ResponseColumns { perturbation: Some(vec!["compound".into(), "dose_um".into()]), ..ResponseColumns::default() };
    let names = |doses: [&str; 3]| {
        let rows = doses.map(|dose| format!("taxol,{dose},1,2\n")).concat();
        let path = written(folder.path(), "a.csv", &format!("compound,dose_um,f1,f2\nDMSO,0,0.5,-1\n{rows}"));
        let responses = Responses::open(&path, &columns).unwrap().responses;
        responses.into_iter().map(|response| response.name).collect::<Vec<_>>()
    };
    assert_eq!(names(["3.0", "0.3", "10.0"]), names(["3", "0.3", "10"]));
    assert_eq!(names(["3.0", "0.3", "v1.0"]), ["DMSO", "taxol | 0.3", "taxol | 3", "taxol | v1.0"]);
}

#[test]
fn controls_are_those_that_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = written(folder.path(), "a.csv", "gene,f1\nCTRL,0.5\nNT,0.25\nSTAT1,0.125\n");
    let controls = |names: &[&str]| {
        let columns =
            ResponseColumns { controls: names.iter().map(|name| (*name).to_owned()).collect(), ..Default::default() };
        let responses = Responses::open(&path, &columns).unwrap();
        responses.controls().into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(controls(&[]), ["CTRL"], "a clear name before a short one");
    assert_eq!(controls(&["NT"]), ["NT"]);
    assert_eq!(controls(&["CTRL", "NT"]), ["CTRL", "NT"]);
}
