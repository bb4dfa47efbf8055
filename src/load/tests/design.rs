//! What was done in each well, in tables that say it in unusual ways: each is read as it was meant, or a word is said.

use super::*;

/// A table of wells `A1`, `A2`, … with one feature; `rows` hold the columns of `header`.
fn table(header: &str, rows: &[&str]) -> String {
    let rows = rows.iter().enumerate().map(|(index, row)| format!("A{},{row},{index}.5\n", index + 1));
    format!("well,{header},f1\n{}", rows.collect::<String>())
}

fn of_rows(header: &str, rows: &[&str]) -> Loaded {
    of_text(&table(header, rows)).unwrap_or_else(|error| panic!("{error}"))
}

fn interventions(loaded: &Loaded) -> Vec<String> {
    let treatments = loaded.screen.treatments();
    treatments.keys().map(|treatment| treatment.intervention.to_string()).collect()
}

fn roles(loaded: &Loaded) -> Vec<Role> {
    loaded.screen.units.by_row().map(|unit| unit.role).collect()
}

/// That one note holds all of `parts`.
fn says(loaded: &Loaded, parts: &[&str]) {
    let is_said = loaded.notes.iter().any(|note| parts.iter().all(|part| note.contains(part)));
    assert!(is_said, "{parts:?}: {:#?}", loaded.notes);
}

#[test]
fn doses_that_differ_by_noise_are_one_dose_over_all_tables() {
    let first = table("plate,compound,dose_um", &["P1,DMSO,0", "P1,a,0.1", "P1,a,16.2"]);
    let second = table("plate,compound,dose_um", &["P2,DMSO,0", "P2,a,0.10000000149011612", "P2,a,16.200001"]);
    let loaded = Folder::new().with("a.csv", first).with("b.csv", second).load(&["a.csv", "b.csv"]).unwrap();
    assert_eq!(interventions(&loaded), ["a 0.1 µM", "a 16.2 µM"]);
    assert!(loaded.screen.treatments().values().all(|rows| rows.len() == 2));
    // The first was exact in 32 bits; the second had been written with too few digits to tell.
    says(&loaded, &["`a` 16.200001 µM is 16.2 µM"]);
}

#[test]
fn a_dose_is_read_in_the_unit_of_its_row() {
    let rows = ["P,DMSO,0,uM", "P,a,0.3,uM", "P,a,300,nM", "P,b,1e-3,mM", "P,b,1,µM"];
    let loaded = of_rows("plate,compound,pert_dose,pert_dose_unit", &rows);
    assert_eq!(interventions(&loaded), ["a 0.3 µM", "b 1 µM"]);
    assert_eq!(loaded.mapping.dose_unit_why, "`pert_dose_unit` gives it row by row");

    let card = "files = [\"t.csv\"]\ndose_unit = \"uM\"\n";
    let text = table("plate,compound,pert_dose,pert_dose_unit", &rows);
    let loaded = Folder::new().with("t.csv", text).with("dataset.toml", card).load(&[""]).unwrap();
    assert_eq!(interventions(&loaded), ["a 0.3 µM", "b 1 µM"]);
    says(&loaded, &["`dose_unit` of the card is uM, but `pert_dose_unit` says nM and the like in 2 rows"]);
    let loaded = of_rows("plate,compound,Dose (uM),dose_unit", &rows);
    says(&loaded, &["the name `Dose (uM)` says uM, but `dose_unit` says nM and the like in 2 rows"]);

    let loaded = of_rows("plate,compound,dose", &["P,DMSO,0", "P,a,10 uM", "P,a,3 nM", "P,a,0.5mM"]);
    assert_eq!(interventions(&loaded), ["a 0.003 µM", "a 10 µM", "a 500 µM"]);

    let error = of_text(&table("plate,compound,dose,dose_unit", &["P,DMSO,0,", "P,a,3,ells"])).unwrap_err();
    assert!(error.starts_with("t.csv:3: column `dose_unit` holds \"ells\", expected a unit"), "{error}");
    let error = of_text(&table("plate,compound,dose,dose_unit", &["P,DMSO,0,", "P,a,3,"])).unwrap_err();
    assert!(error.starts_with("t.csv: column `dose` holds doses but no unit is known"), "{error}");
}

#[test]
fn a_column_that_may_hold_the_stock_is_pointed_at() {
    let loaded = of_rows("plate,compound,Metadata_mmoles_per_liter", &["P,DMSO,0", "P,a,0.0411523", "P,a,0.37037"]);
    says(&loaded, &["`Metadata_mmoles_per_liter`", "0.37037 mM, more than screens apply as a rule", "stock"]);
}

#[test]
fn a_dose_of_zero_is_a_control_where_it_can_only_be_one() {
    // The vehicle goes by a name that nobody knows.
    let loaded = of_rows("plate,compound,dose_um", &["P,juice,0", "P,juice,0.0", "P,a,1", "P,a,10"]);
    let control = Role::NegativeControl;
    assert_eq!(roles(&loaded), [control, control, Role::Treatment, Role::Treatment]);
    says(&loaded, &["`juice` has a dose of 0 in all its 2 rows"]);
    assert!(loaded.mapping.controls_why.contains("juice"), "{}", loaded.mapping.controls_why);

    // The series of a compound begins with 0.
    let loaded = of_rows("plate,compound,dose_um", &["P,DMSO,0", "P,a,0", "P,a,1"]);
    assert_eq!(roles(&loaded), [control, control, Role::Treatment]);
    says(&loaded, &["1 row of 1 perturbation (`a`) with a dose of 0"]);

    // Beside a known control, or without a word, it may be a dose that nobody wrote down.
    for rows in [["P,DMSO,0", "P,serum,0", "P,a,1"], ["P,juice,", "P,juice,", "P,a,1"], ["P,x,0", "P,y,0", "P,a,1"]] {
        let error = of_text(&table("plate,compound,dose_um", &rows)).unwrap_err();
        assert!(error.contains("no dose above 0 in any of its") && error.contains("[controls]"), "{error}");
    }

    // A genetic perturbation has no dose, however that is written.
    let loaded = of_rows("plate,compound,kind,dose_um", &["P,DMSO,compound,0", "P,TP53,crispr,0", "P,a,compound,1"]);
    assert_eq!(interventions(&loaded), ["TP53 (CRISPR)", "a 1 µM"]);
}

#[test]
fn controls_are_known_under_other_spellings_and_said() {
    let rows = ["P,dmso_0.1%", "P,Vehicle", "P,UnTrt", "P,no treatment", "P,taxol", "P,EMPTY", "P,unknown"];
    let loaded = of_rows("plate,compound", &rows);
    let control = Role::NegativeControl;
    let expected = [control, control, control, control, Role::Treatment, Role::Empty, Role::Empty];
    assert_eq!(roles(&loaded), expected);
    assert_eq!(interventions(&loaded), ["taxol"]);
    says(&loaded, &["several names", "`UnTrt` (1 rows)", "`dmso_0.1%` (1 rows)"]);
    says(&loaded, &["`EMPTY` (1 rows), `unknown` (1 rows)", "empty wells"]);

    // Media may hold cells or none: beside a vehicle they are left out, alone they are the control.
    assert_eq!(roles(&of_rows("plate,compound", &["P,DMSO", "P,media", "P,a"]))[1], Role::Empty);
    let loaded = of_rows("plate,compound", &["P,media", "P,a"]);
    assert_eq!(roles(&loaded)[0], control);
    says(&loaded, &["`media` (1 rows) is taken as a negative control"]);
}

#[test]
fn a_control_that_a_card_or_a_column_calls_a_treatment_is_pointed_at() {
    let card = "files = [\"t.csv\"]\n[controls]\nnegative = { values = [\"DMSO\"] }\n";
    let text = table("plate,compound", &["P,DMSO", "P,dmso_0.1%", "P,a"]);
    let loaded = Folder::new().with("t.csv", text).with("dataset.toml", card).load(&[""]).unwrap();
    says(&loaded, &["`dmso_0.1%` (1 rows) would be controls", "treatments"]);
    let loaded = of_rows("plate,compound,role", &["P,DMSO,negcon", "P,untreated,trt", "P,a,trt"]);
    says(&loaded, &["`untreated` (1 rows) would be controls"]);
}

#[test]
fn rows_of_one_well_are_refused_with_the_columns_in_which_they_differ() {
    let text = "plate,well,compound,machine,f1\nP,A1,DMSO,x,1\nP,A1,DMSO,y,2\n";
    let error = of_text(text).unwrap_err();
    assert!(error.contains("the two differ in `machine`: if that distinguishes plates of one name"), "{error}");
}

#[test]
fn a_drug_called_nt_is_a_drug() {
    let loaded = of_rows("plate,compound,dose_um", &["P,DMSO,0", "P,NT,1", "P,NT,10", "P,a,1"]);
    assert_eq!(interventions(&loaded), ["NT 1 µM", "NT 10 µM", "a 1 µM"]);
    says(&loaded, &["`NT` (2 rows) is taken as a perturbation, since it has doses"]);
    let loaded = of_rows("plate,compound", &["P,DMSO", "P,NT", "P,a"]);
    assert_eq!(interventions(&loaded), ["NT", "a"]);
    says(&loaded, &["`NT` (1 rows) is taken as a perturbation, since another name stands for the control"]);
    // Among genes it is the guide that targets nothing.
    let loaded = of_rows("plate,gene", &["P,NT", "P,untreated", "P,TP53"]);
    assert_eq!(interventions(&loaded), ["TP53"]);
    says(&loaded, &["`NT` (1 rows) is taken as a negative control"]);
}

#[test]
fn the_codes_of_jump_tell_roles_and_kinds() {
    let codes = ["JCP2022_033924", "JCP2022_037716", "JCP2022_000001", "JCP2022_999999", "JCP2022_805264"];
    let rows = codes.map(|code| format!("P,{code}"));
    let loaded = of_rows("Metadata_Plate,Metadata_JCP2022", &rows.each_ref().map(String::as_str));
    let expected = [Role::NegativeControl, Role::PositiveControl, Role::Treatment, Role::Empty, Role::PositiveControl];
    assert_eq!(roles(&loaded), expected);
    let kind = |row: usize| loaded.screen.unit(row).intervention.as_single().unwrap().perturbation.kind;
    assert_eq!((kind(2), kind(4)), (Kind::Compound, Kind::Crispr));
}

#[test]
fn an_empty_sample_is_the_vehicle_in_tables_of_the_broad_institute() {
    let loaded = of_rows("plate,BROAD_SAMPLE", &["P,", "P,BRD-K1", "P,"]);
    assert_eq!(roles(&loaded), [Role::NegativeControl, Role::Treatment, Role::NegativeControl]);
    says(&loaded, &["2 rows name no perturbation and are taken as negative controls"]);
    assert_eq!(roles(&of_rows("plate,drug", &["P,", "P,a"]))[0], Role::Empty);
}

#[test]
fn a_column_of_types_tells_roles_and_kinds() {
    let rows = ["P,a,ctl_vehicle", "P,BRAF,trt_oe.mut", "P,b,trt_cp", "P,c,poscon_diverse", "P,d,UnTrt"];
    let loaded = of_rows("plate,pert_iname,Metadata_pert_type", &rows);
    let control = Role::NegativeControl;
    assert_eq!(roles(&loaded), [control, Role::Treatment, Role::Treatment, Role::PositiveControl, control]);
    let kind = |row: usize| loaded.screen.unit(row).intervention.as_single().unwrap().perturbation.kind;
    assert_eq!([kind(1), kind(2), kind(3)], [Kind::Orf, Kind::Compound, Kind::Compound]);
    assert_eq!(loaded.mapping.column(ColumnRole::Kind), Some("Metadata_pert_type"));
}

const PLATES: &str = "experiment,plate,well,sirna,f1
E1,1,B02,DMSO,1
E1,1,B03,a,2
E2,1,E02,DMSO,3
E2,1,E03,a,4
";

fn plates(loaded: &Loaded) -> Vec<&str> {
    loaded.screen.rows_by_plate(|_| true).into_keys().collect()
}

#[test]
fn plates_of_one_name_in_two_experiments_are_two_plates() {
    let loaded = of_text(PLATES).unwrap();
    assert_eq!(plates(&loaded), ["E1/1", "E2/1"]);
    says(&loaded, &["plates of one name differ in `experiment`: 1 names are 2 plates", "`E1/1`"]);
    assert_eq!(loaded.mapping.plate_within, ["experiment"]);
    // So are those of which the same wells were measured.
    let loaded = of_text(&PLATES.replace('E', "B").replace("B1,", "E1,").replace("B2,", "E2,")).unwrap();
    assert_eq!(plates(&loaded), ["E1/1", "E2/1"]);

    // A plate of which one half has no controls may well hold two batches.
    let loaded = of_text(&PLATES.replace("E2,1,E02,DMSO", "E2,1,E02,b")).unwrap();
    assert_eq!(plates(&loaded), ["1"]);
    says(&loaded, &["plate `1` has wells of 2 values of `experiment`", "plate_within = [\"experiment\"]"]);
}

#[test]
fn a_card_says_within_what_plates_count() {
    let with = |columns: &str| {
        let card = format!("files = [\"t.csv\"]\n[columns]\n{columns}\n");
        Folder::new().with("t.csv", PLATES).with("dataset.toml", card)
    };
    let loaded = with("plate_within = []").load(&[""]).unwrap();
    assert_eq!(plates(&loaded), ["1"]);
    assert!(loaded.notes.is_empty(), "{:?}", loaded.notes);
    let folder = with("plate_within = [\"experiment\"]");
    let loaded = folder.load(&[""]).unwrap();
    assert_eq!(plates(&loaded), ["E1/1", "E2/1"]);
    write_card(&folder.describe(&[""]), &folder.path("again.toml")).unwrap();
    assert!(is_same(&folder.load(&["again.toml"]).unwrap().screen, &loaded.screen));
    let error = with("plate_within = [\"week\"]").load(&[""]).unwrap_err();
    assert!(error.starts_with("t.csv: no column `week`; `plate_within` under [columns] names it"), "{error}");
}

#[test]
fn plates_of_jump_count_within_source_and_batch_where_they_have_to() {
    let rows = |sources: [(&str, &str); 3]| {
        let rows = sources.map(|(source, batch)| {
            format!("{source},{batch},P1,A01,JCP2022_033924,1\n{source},{batch},P1,A02,JCP2022_000001,2\n")
        });
        let header = "Metadata_Source,Metadata_Batch,Metadata_Plate,Metadata_Well,Metadata_JCP2022,Cells_x\n";
        of_text(&format!("{header}{}", rows.concat())).unwrap()
    };
    let loaded = rows([("s1", "B1"), ("s1", "B2"), ("s2", "B1")]);
    assert_eq!(plates(&loaded), ["s1/B1/P1", "s1/B2/P1", "s2/B1/P1"]);
    let loaded = rows([("s1", "B1"), ("s1", "B2"), ("s1", "B3")]);
    assert_eq!(plates(&loaded), ["B1/P1", "B2/P1", "B3/P1"]);
}

#[test]
fn replicates_of_a_layout_and_cell_lines_tell_plates_apart_where_one_well_stands_twice() {
    let of = |column: &str, second: &str| {
        of_text(&format!(
            "{column},plate,well,compound,f1\nx,L1,A1,DMSO,1\nx,L1,A2,a,2\ny,L1,{second},DMSO,3\ny,L1,B2,a,4\n"
        ))
    };
    for column in ["replicate", "cell_line"] {
        assert_eq!(plates(&of(column, "A1").unwrap()), ["x/L1", "y/L1"], "{column}");
        assert_eq!(plates(&of(column, "B1").unwrap()), ["L1"], "{column}");
    }
}

#[test]
fn cells_of_a_well_are_rows_of_it() {
    for header in ["cell_id", "site,ObjectNumber"] {
        let mut text = format!("plate,well,compound,{header},f1\n");
        for (well, compound) in [("A1", "DMSO"), ("B1", "a")] {
            let cells = ["1", "2", "3"].map(|cell| match header {
                "cell_id" => cell.to_owned(),
                _ => format!("{},{}", if cell == "3" { "2" } else { "1" }, if cell == "3" { "1" } else { cell }),
            });
            cells.iter().enumerate().for_each(|(n, cell)| text += &format!("P,{well},{compound},{cell},{n}.5\n"));
        }
        let loaded = of_text(&text).unwrap();
        assert_eq!((loaded.screen.n_observations(), loaded.screen.wells().len()), (6, 2), "{header}");
        assert_eq!((plates(&loaded), interventions(&loaded)), (vec!["P"], vec!["a".to_owned()]), "{header}");
        says(&loaded, &["numbers the cells of wells"]);
    }
    // One cell line for each well is a context.
    let loaded = of_rows("plate,compound,cell_id", &["P,DMSO,A549", "P,a,A549", "P,DMSO,U2OS", "P,a,U2OS"]);
    assert_eq!(loaded.mapping.column(ColumnRole::Context), Some("cell_id"));
}

#[test]
fn two_constructs_under_one_name_are_pointed_at() {
    let rows = ["P,DMSO,,w", "P,BRAF,BRAF,w", "P,BRAF,BRAF_V600E,w", "P,TP53,TP53,w"];
    let loaded = of_rows("plate,pert_iname,gene_or_mutant,note", &rows);
    says(
        &loaded,
        &["1 of 2 names in `pert_iname` stand for several values of `gene_or_mutant` (`BRAF`: BRAF, BRAF_V600E)"],
    );
    assert_eq!(loaded.notes.len(), 1, "{:?}", loaded.notes);
    // A column that names share says something else: here the plates' barcodes.
    let loaded = of_rows("plate,compound,barcode", &["P,DMSO,1", "P,a,1", "P,a,2", "P,b,1", "P,b,2"]);
    assert!(loaded.notes.is_empty(), "{:?}", loaded.notes);
}
