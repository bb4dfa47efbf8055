//! Queries are read, and find the rows that satisfy them.

use super::super::{
    Application, FeatureMatrix, Intervention, Kind, Label, Micromolar, Origin, Perturbation, Role, Unit, Units,
};
use super::*;

/// Rows: agonist 0.8; agonist 5 + VX-809 3.2; VX-809 3.2 on plate `P 2`; a control; with mechanisms.
fn screen() -> Screen {
    let member = |name: &str, dose: f64| Application {
        perturbation: Perturbation { name: name.into(), kind: Kind::Compound },
        dose: Micromolar::new(dose),
    };
    let row = |plate: &str, role: Role, members: Vec<Application>| Unit {
        plate: plate.into(),
        well: None,
        role,
        intervention: Intervention::of(members),
        context: String::new(),
        lab_batch: None,
        replicate: None,
        cell_count: None,
    };
    let moa = ["Actin disruptors", "Kinase|Actin disruptors", "CFTR corrector"].map(|moa| Some(moa.to_owned()));
    Screen {
        name: "s".into(),
        design: super::super::Design::AgainstControls,
        units: Units::of_each(vec![
            row("P1", Role::Treatment, vec![member("agonist", 0.8)]),
            row("P1", Role::Treatment, vec![member("agonist", 5.0), member("VX-809", 3.2)]),
            row("P 2", Role::PositiveControl, vec![member("VX-809", 3.2)]),
            row("P1", Role::NegativeControl, Vec::new()),
        ]),
        features: FeatureMatrix::new(vec!["viability".into(), "agonist".into()], vec![7.0; 8]).into(),
        labels: vec![Label { name: "moa".into(), values: moa.into_iter().chain([None]).collect() }],
        dropped: vec![],
        origin: Origin {
            columns: vec![
                OriginColumn { name: "Dose (nM)".into(), ours: "dose_um".into(), factor: 1e-3 },
                OriginColumn { name: "Metadata_moa".into(), ours: "moa".into(), factor: 1.0 },
                OriginColumn { name: "drug".into(), ours: "perturbation".into(), factor: 1.0 },
            ],
            measured: Some(
                FeatureMatrix::new(
                    vec!["viability".into(), "agonist".into()],
                    vec![-0.7, 1.0, 0.1, 2.0, f32::NAN, 3.0, -9.0, 4.0],
                )
                .into(),
            ),
        },
    }
}

fn treated(query: &str) -> Result<Vec<usize>, QueryError> {
    Query::parse(query)?.treated_rows(&screen())
}

#[test]
fn finds_the_rows_that_satisfy_it() {
    let check = |query: &str, rows: &[usize]| assert_eq!(treated(query).unwrap(), rows, "{query}");
    check("agonist >= 0.8", &[0, 1]);
    check("agonist > 0.8", &[1]);
    check("agonist > 0 and VX-809 == 0", &[0]);
    check("agonist == 0", &[2]);
    check("plate == 'P 2' or agonist == 5", &[1, 2]);
    check("plate == 'P 2' or agonist == 5 and VX-809 == 0 or agonist == 0.80", &[0, 2]);
    check("(plate == 'P 2' or agonist == 5) and not VX-809 == 0", &[1, 2]);
    check("not (plate == 'P 2')", &[0, 1]);
    check("NOT plate=='P 2' AND `agonist`<1", &[0]);
    check("agonist in (0.8, 5)", &[0, 1]);
    check("plate not in ('P 2', P3)", &[0, 1]);
    check("moa == 'Actin disruptors'", &[0, 1]);
    check("moa != 'Actin disruptors'", &[2]);
    check("moa contains \"actin\"", &[0, 1]);
    check("perturbation contains vx", &[1, 2]);
    check("dose_um >= 0.8", &[0, 2]);
    check("viability <= -0.5", &[0]);
    check("viability == 0.1", &[1]);
    check("viability <= 0.1 and agonist > 1", &[1]);
    check("feature:agonist >= 2", &[1, 2]);
    check("`Dose (nM)` == 800", &[0]);
    check("Metadata_moa == 'Actin disruptors' and drug == agonist", &[0]);
}

#[test]
fn a_dose_is_found_in_spite_of_the_last_digits() {
    assert_eq!(treated("agonist == 0.7999999999999").unwrap(), [0]);
    assert_eq!(treated("agonist >= 5.0000000000001").unwrap(), [1]);
    assert!(treated("agonist == 0.79999").is_err());
}

#[test]
fn a_mask_covers_controls_too_and_what_is_missing_is_unequal() {
    let mask = |query: &str| Query::parse(query).unwrap().mask(&screen()).unwrap();
    assert_eq!(mask("plate == P1"), [true, true, false, true]);
    assert_eq!(mask("moa != x"), [true; 4]);
    assert_eq!(mask("moa contains x"), [false; 4]);
    assert_eq!(mask("moa not in (x)"), [true; 4]);
}

#[test]
fn says_where_a_query_goes_wrong() {
    let check = |query: &str, rest: &str, expected: &str| {
        let error = Query::parse(query).unwrap_err();
        let QueryError::Syntax { rest: at, expected: said, .. } = &error else { panic!("{query}: {error}") };
        assert_eq!((at.as_str(), *said), (rest, expected), "{query}");
    };
    check("", "", "a column name");
    check("moa", "", "==, !=, >=, <=, >, <, in or contains");
    check("moa = x", "= x", "==, !=, >=, <=, >, <, in or contains");
    check("moa == \"x", "\"x", "a closing quote");
    check("moa == x y", "y", "`and`, `or` or the end");
    check("moa ==", "", "a value");
    check("(moa == x", "", "a closing parenthesis");
    check("moa == x)", ")", "`and`, `or` or the end");
    check("moa in x", "x", "a list of values in parentheses");
    check("moa in (x y)", "y)", "a comma or a closing parenthesis");
    check("moa in ()", ")", "a value");
    check("moa not x", "x", "`in`");
    check("moa == x or", "or", "`and`, `or` or the end");
}

#[test]
fn proposes_the_names_and_values_that_come_near() {
    let message = |query: &str| treated(query).unwrap_err().to_string();
    let check = |query: &str, part: &str| {
        let message = message(query);
        assert!(message.contains(part), "{query}: {message}");
    };
    check("VX-808 > 0", "no column `VX-808` to query; did you mean `VX-809`?");
    check("Plate == P1", "did you mean `plate`?");
    check("viabilty < 0", "no column `viabilty` to query; did you mean `viability`?");
    check("x == 1", "`moa`, perturbations, and features such as `viability`");
    check("viability < -1", "`viability` has -0.7, 0.1");
    check("dose_um == 1", "`dose_um` has 0.8, 3.2; did you mean `0.8` or `3.2`?");
    check("moa == 'actin disruptor'", "did you mean `Actin disruptors`");
    check("plate == P1 and moa == Actin", "`moa` has");
    check("moa == xyz", "has Actin disruptors, CFTR corrector, Kinase|Actin disruptors");
}
