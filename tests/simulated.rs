//! Simulated screens are read back as what they are, and the files are what the docs say.

use std::fs;

use super::support::{cytonaut, finish};

#[test]
fn a_simulated_screen_is_read_back_as_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let genes = at("genes");
    let small = ["--perturbations", "6", "--controls", "8", "--json"];
    let simulate = |law: &str, out: &str, more: &[&str]| {
        let arguments = ["simulate", law, "--out", out];
        cytonaut(arguments.into_iter().chain(small).chain(more.iter().copied()))
    };
    let said: serde_json::Value = serde_json::from_str(&finish(simulate("interacting", &genes, &[]), 0)).unwrap();
    // 6 genes and 15 pairs, twice, and 8 controls on each of two plates.
    assert_eq!((said["wells"].as_u64(), said["treatments"].as_u64()), (Some(58), Some(21)));
    let said = finish(cytonaut(["inspect", &genes]), 0);
    assert!(said.contains("58 on 2 plates") && said.contains("6 singles, 15 pairs"), "{said}");
    assert_eq!(fs::read_to_string(folder.path().join("genes/truth.csv")).unwrap().lines().count(), 22);

    let doses = at("doses");
    finish(simulate("additive", &doses, &["--doses", "5", "--no-pairs"]), 0);
    let said = finish(cytonaut(["inspect", &doses]), 0);
    assert!(said.contains("6 compound") && said.contains("30 (doses per perturbation: 5"), "{said}");

    let said = finish(simulate("additive", &doses, &[]), 2);
    assert!(said.contains("is not empty; choose another folder with --out"), "{said}");
    let said = finish(cytonaut(["simulate", "additive", "--replicates", "0", "--out", &at("none")]), 2);
    assert!(said.contains("--replicates is 0, expected a whole number from 1 to 100"), "{said}");
    assert!(!folder.path().join("none").exists());
}
