//! What was applied together, in every form in which tables write it.

use super::*;

/// A table of six rows with one feature; `applied` gives the columns that say what was applied.
fn table(header: &str, applied: [&str; 6]) -> String {
    let row = |(number, applied): (usize, &&str)| format!("p,A0{},{applied},0.{number}\n", number + 1);
    format!("plate,well,{header},f1\n{}", applied.iter().enumerate().map(row).collect::<String>())
}

fn of_card(text: &str, card: &str) -> Result<Loaded, String> {
    let folder = Folder::new().with("t.csv", text).with("dataset.toml", format!("files = [\"t.csv\"]\n{card}"));
    let source = Source { card: Some(folder.path("dataset.toml")), ..Source::default() };
    load(&source).map_err(|error| folder.short(&error))
}

fn applied(loaded: &Loaded) -> Vec<String> {
    loaded.screen.units.by_row().map(|unit| unit.intervention.to_string()).collect()
}

const SINGLES_AND_A_PAIR: [&str; 6] =
    ["untreated", "untreated", "HN 6 µM", "RO 3.5 µM", "HN 6 µM + RO 3.5 µM", "HN 6 µM + RO 3.5 µM"];

#[track_caller]
fn check(loaded: Result<Loaded, String>, expected: [&str; 6]) -> Loaded {
    let loaded = loaded.unwrap();
    assert_eq!(applied(&loaded), expected, "{:?}", loaded.notes);
    loaded
}

#[test]
fn sets_in_one_column_are_read_with_their_doses() {
    let unit = "dose_unit = \"uM\"";
    let cases = [
        ("condition,dose_um", ["DMSO,", "DMSO,", "HN,6", "RO,3.5", "HN + RO,6 + 3.5", "RO+HN,3.5+6"]),
        ("drug,dose_um", ["DMSO,0", "DMSO,0", "HN,6", "RO,3.5", "HN|RO,6|3.5", "RO|HN,3.5|6"]),
        ("condition", ["DMSO", "DMSO", "HN|6", "RO|3.5", "\"HN|6,RO|3.5\"", "\"RO|3.5,HN|6\""]),
        ("condition", ["DMSO", "DMSO", "HN@6", "RO@3.5", "HN@6+RO@3.5", "RO@3.5 + HN@6"]),
        ("condition", ["DMSO", "DMSO", "HN 6 uM", "RO 3500nM", "HN 6uM + RO 3.5 uM", "HN 6000 nM + RO 3.5 µM"]),
        ("condition", ["DMSO", "DMSO", "HN:6", "RO:3.5 + DMSO", "HN:6;RO:3.5", "RO:3.5;HN:6"]),
    ];
    for (header, rows) in cases {
        // One sign for all rows of a column.
        let rows =
            if rows[3].contains("+ DMSO") { rows.map(|row| row.replace(" + ", ";")) } else { rows.map(str::to_owned) };
        let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
        let loaded = check(of_card(&table(header, rows.try_into().unwrap()), unit), SINGLES_AND_A_PAIR);
        assert!(loaded.notes.iter().any(|note| note.contains("2 singles, 1 pair")), "{:?}", loaded.notes);
    }
}

#[test]
fn sets_in_numbered_columns_are_read_with_their_doses() {
    let rows = ["DMSO,,,", "DMSO,,,", "HN,6,,", "DMSO,,RO,3.5", "HN,6,RO,3.5", "RO,3.5,HN,6"];
    check(of_text(&table("drug_1,dose_1_um,drug_2,dose_2_um", rows)), SINGLES_AND_A_PAIR);
    let rows = rows.map(|row| {
        let cells: Vec<&str> = row.split(',').collect();
        format!("{},{},{},{}", cells[0], cells[2], cells[1], cells[3])
    });
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    check(of_text(&table("Drug A,Drug B,Conc A [uM],Conc B [uM]", rows.try_into().unwrap())), SINGLES_AND_A_PAIR);
    // Each in the unit of its own column.
    let rows = ["DMSO,,,", "DMSO,,,", "HN,6,,", "RO,3.5,,", "HN,6,RO,3500", "RO,3.5,HN,6000"];
    check(of_text(&table("drug,dose_um,drug_2,dose_2_nm", rows)), SINGLES_AND_A_PAIR);
}

#[test]
fn columns_of_members_are_declared() {
    let rows = ["DMSO,,,", "DMSO,,,", "HN,6,,", "RO,3.5,,", "HN,6,RO,3.5", "RO,3.5,HN,6"];
    let card = "[columns]\nperturbation = [\"anchor\", \"library\"]\ndose = [\"x_um\", \"y_um\"]";
    check(of_card(&table("anchor,x_um,library,y_um", rows), card), SINGLES_AND_A_PAIR);
    let folder = Folder::new().with("t.csv", table("anchor,x_um,library,y_um", rows));
    let folder = folder.with("dataset.toml", format!("files = [\"t.csv\"]\n{card}"));
    write_card(&folder.describe(&[""]), &folder.path("again.toml")).unwrap();
    let text = std::fs::read_to_string(folder.path("again.toml")).unwrap();
    assert!(text.contains("perturbation = [\"anchor\", \"library\"]"), "{text}");
    assert!(text.contains("dose = [\"x_um\", \"y_um\"]"), "{text}");
    let error = of_card(&table("anchor,x_um,library,y_um", rows), "[columns]\nwell = [\"a\", \"b\"]").unwrap_err();
    assert!(error.contains("`well` has several columns"), "{error}");
    let error = of_card(&table("anchor,x_um,library,y_um", rows), &card.replace("\"anchor\", ", "")).unwrap_err();
    assert!(error.contains("`dose` has 2 columns and `perturbation` 1"), "{error}");
}

#[test]
fn pairs_of_genes_are_sets_without_doses_and_controls_fall_away() {
    let expected = ["untreated", "untreated", "KLF1", "MAP2K6", "KLF1 + MAP2K6", "KLF1 + MAP2K6"];
    let rows = ["ctrl", "ctrl", "KLF1", "MAP2K6", "KLF1_MAP2K6", "MAP2K6_KLF1"];
    check(of_text(&table("gene", rows)), expected);
    let rows = ["ctrl_ctrl", "ctrl", "KLF1_ctrl", "ctrl_MAP2K6", "KLF1_MAP2K6", "MAP2K6_KLF1"];
    check(of_text(&table("gene", rows)), expected);
    let rows = ["control", "control", "KLF1+ctrl", "MAP2K6+ctrl", "KLF1+MAP2K6", "MAP2K6+KLF1"];
    check(of_text(&table("gene", rows)), expected);
    let rows = ["negative,negative", "negative,", "KLF1,negative", "negative,MAP2K6", "KLF1,MAP2K6", "MAP2K6,KLF1"];
    check(of_text(&table("gene_a,gene_b", rows)), expected);
    let rows = ["luc,luc", "luc,", "KLF1,luc", "luc,MAP2K6", "KLF1,MAP2K6", "MAP2K6,KLF1"];
    let declared = "[controls]\nnegative = { values = [\"luc\"] }";
    check(of_card(&table("gene_a,gene_b", rows), declared), expected);
    // A pair of a gene with itself is the gene.
    let rows = ["negative,negative", "negative,", "KLF1,KLF1", "negative,MAP2K6", "KLF1,MAP2K6", "MAP2K6,KLF1"];
    let loaded = check(of_text(&table("gene_a,gene_b", rows)), expected);
    assert!(loaded.notes.iter().any(|note| note.starts_with("1 row names a perturbation twice")), "{:?}", loaded.notes);
}

#[test]
fn a_drug_twice_has_the_sum_of_its_doses() {
    let rows = ["DMSO,,,", "DMSO,,,", "HN,2,HN,4", "RO,3.5,,", "HN,6,RO,3.5", "RO,3.5,HN,6"];
    check(of_text(&table("drug_1,dose_1_um,drug_2,dose_2_um", rows)), SINGLES_AND_A_PAIR);
}

#[test]
fn a_name_that_holds_a_sign_stays_whole_unless_it_is_declared() {
    let rows = ["DMSO,", "DMSO,", "IL-2/IL-15,1", "foo|bar,1", "IL-2,1", "VX-770+,1"];
    let expected = ["untreated", "untreated", "IL-2/IL-15 1 µM", "foo|bar 1 µM", "IL-2 1 µM", "VX-770+ 1 µM"];
    let loaded = check(of_text(&table("compound,dose_um", rows)), expected);
    let note = loaded.notes.iter().find(|note| note.contains("may be sets")).unwrap();
    assert!(note.starts_with("`IL-2/IL-15` in `compound`") && note.contains("separator = \"/\""), "{note}");
    let rows = ["DMSO", "DMSO", "HN", "RO", "HN+RO", "HN x RO"];
    let whole = ["untreated", "untreated", "HN", "RO", "HN+RO", "HN x RO"];
    check(of_card(&table("compound", rows), "[columns]\nseparator = \"\""), whole);
    let declared = ["untreated", "untreated", "HN", "RO", "HN+RO", "HN + RO"];
    check(of_card(&table("compound", rows), "[columns]\nseparator = \" x \""), declared);
}

#[test]
fn columns_of_zero_and_one_are_members_without_dose() {
    let rows = ["0,0", "0,0", "1,0", "0,1", "1,1", "1,1"];
    let card = "[columns]\ndoses = { KLF1 = \"KLF1\", MAP2K6 = \"MAP2K6\" }";
    let expected = ["untreated", "untreated", "KLF1", "MAP2K6", "KLF1 + MAP2K6", "KLF1 + MAP2K6"];
    check(of_card(&table("KLF1,MAP2K6", rows), card), expected);
    let truths = ["false,false", "False,False", "True,False", "false,true", "true,true", "true,true"];
    check(of_card(&table("KLF1,MAP2K6", truths), card), expected);
    // With a unit they are doses.
    let doses =
        ["untreated", "untreated", "KLF1 1 µM", "MAP2K6 1 µM", "KLF1 1 µM + MAP2K6 1 µM", "KLF1 1 µM + MAP2K6 1 µM"];
    check(of_card(&table("KLF1,MAP2K6", rows), &format!("dose_unit = \"uM\"\n{card}")), doses);
}

#[test]
fn what_does_not_fit_is_named_with_its_row_and_column() {
    let rows = ["DMSO,", "DMSO,", "HN,6", "RO,3.5", "HN + RO,6", "RO + HN,3.5+6"];
    assert_eq!(
        of_text(&table("drug,dose_um", rows)).unwrap_err(),
        "t.csv:6: column `dose_um` holds \"6\", expected a dose for each member of the set, in the same order, as in `3 + 0.5`"
    );
    let rows = ["DMSO,,,", "DMSO,,,", "HN,6,,", "RO,3.5,,2", "HN,6,RO,3.5", "RO,3.5,HN,6"];
    let error = of_text(&table("drug_1,dose_1_um,drug_2,dose_2_um", rows)).unwrap_err();
    assert!(error.starts_with("t.csv:5: column `drug_2` holds \"\", expected the name of a perturbation"), "{error}");
    let rows = ["DMSO,,,", "DMSO,,,", "HN,6,,", "RO,3.5,,", "HN,6,RO,much", "RO,3.5,HN,6"];
    let error = of_text(&table("drug_1,dose_1_um,drug_2,dose_2_um", rows)).unwrap_err();
    assert!(error.starts_with("t.csv:6: column `dose_2_um` holds \"much\""), "{error}");
}
