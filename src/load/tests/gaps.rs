//! What a card has to add: all of it at once, with the lines to write.

use super::*;

/// The description of a table without a card, and the first lines of its gaps.
#[track_caller]
fn gaps_of(text: &str) -> (Description<Loaded>, Vec<String>) {
    let description = Folder::new().with("t.csv", text).describe(&["t.csv"]);
    let lines = description.gaps.iter().map(|gap| gap.lines[0].text.clone()).collect();
    (description, lines)
}

/// Treated wells and controls, `rows` of them, each with what `row` writes.
fn table(header: &str, n_rows: usize, row: impl Fn(usize) -> String) -> String {
    let rows: Vec<String> = (0..n_rows).map(row).collect();
    format!("{header}\n{}\n", rows.join("\n"))
}

const AGENTS: [&str; 4] = ["DMSO", "taxol", "nocodazole", "DMSO"];

#[test]
fn all_gaps_are_named_at_once() {
    let text = table("Platte,Wirkstoff,dose,f1,f2", 24, |row| {
        let (agent, dose) = (AGENTS[row % 4], if row % 4 == 1 { row } else { 5 });
        format!("p{},{agent},{dose},{}.5,{}.25", row / 12, row * row % 7, (row * 5) % 11)
    });
    let (description, lines) = gaps_of(&text);
    assert_eq!(lines, ["plate = \"…\"", "perturbation = \"…\"", "dose_unit = \"uM\""]);
    let names = |gap: usize| -> Vec<&str> {
        description.gaps[gap].candidates.iter().map(|candidate| candidate.name.as_str()).collect()
    };
    assert_eq!((names(0)[0], names(1)[0]), ("Platte", "Wirkstoff"));
    assert_eq!(description.gaps[0].candidates[0].examples, ["p0", "p1"]);
    assert!(description.gaps[2].what.contains("(5, 1, 9"), "{}", description.gaps[2].what);
    // What is assumed serves the description alone.
    let loaded = description.outcome.as_ref().unwrap();
    assert_eq!((loaded.screen.n_observations(), loaded.screen.features.n_features()), (24, 2));
    assert_eq!(description.mapping.column(ColumnRole::Plate), None);
    assert_eq!(description.mapping.dose_unit, None);
    let refused = of_text(&text).unwrap_err();
    assert!(refused.contains("no column `plate`"), "{refused}");
}

#[test]
fn a_written_card_holds_every_gap_and_serves_once_they_are_filled() {
    let text = table("Platte,Wirkstoff,dose,f1,f2", 24, |row| {
        let (agent, dose) = (AGENTS[row % 4], if row % 4 == 1 { row } else { 5 });
        format!("p{},{agent},{dose},{}.5,{}.25", row / 12, row * row % 7, (row * 5) % 11)
    });
    let folder = Folder::new().with("t.csv", text);
    let path = folder.path("dataset.toml");
    write_card(&folder.describe(&["t.csv"]), &path).unwrap();
    let card = std::fs::read_to_string(&path).unwrap();
    assert_eq!(card.matches("# TODO ").count(), 3, "{card}");
    // As it is, it asks the same again.
    assert_eq!(folder.describe(&[""]).gaps.len(), 3, "{card}");
    let filled = card
        .replace("# plate = \"…\"", "plate = \"Platte\"")
        .replace("# perturbation = \"…\"", "perturbation = \"Wirkstoff\"")
        .replace("# dose_unit = \"uM\"", "dose_unit = \"nM\"");
    std::fs::write(&path, &filled).unwrap();
    let description = folder.describe(&[""]);
    assert!(description.gaps.is_empty(), "{:?}\n{filled}", description.gaps);
    let loaded = folder.load(&[""]).unwrap();
    assert_eq!(loaded.screen.rows_by_plate(|_| true).len(), 2);
    assert_eq!(loaded.screen.treatments().len(), 1 + 6);
}

#[test]
fn a_card_written_elsewhere_names_the_folder_of_the_files() {
    let (data, elsewhere) = (Folder::new().with("t.csv", PLAIN), Folder::new());
    let path = elsewhere.path("dataset.toml");
    write_card(&data.describe(&["t.csv"]), &path).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains("files = [\"t.csv\"]") && text.contains("\nfolder = "), "{text}");
    assert!(is_same(&elsewhere.load(&[""]).unwrap().screen, &data.load(&["t.csv"]).unwrap().screen));
}

#[test]
fn roles_that_no_column_has_are_not_written() {
    let folder = Folder::new().with("t.csv", PLAIN);
    write_card(&folder.describe(&["t.csv"]), &folder.path("dataset.toml")).unwrap();
    let text = std::fs::read_to_string(folder.path("dataset.toml")).unwrap();
    for role in ["site", "lab_batch", "replicate", "hours", "kind", "role"] {
        assert!(!text.lines().any(|line| line.starts_with(&format!("{role} ="))), "{role}: {text}");
    }
    assert!(text.contains("plate = \"plate\""), "{text}");
}

#[test]
fn a_role_may_be_one_value_for_all_rows() {
    let columns = "plate = { value = \"P1\" }\nperturbation = { value = \"taxol\" }\ndose = { value = 0.5 }\n\
                   hours = { value = 24 }\ncontext = [{ value = \"U2OS\" }]\nlab_batch = { value = \"B7\" }";
    let card = format!("reference = \"relative\"\nfiles = [\"t.csv\"]\ndose_unit = \"uM\"\n[columns]\n{columns}");
    let folder = Folder::new().with("t.csv", "plate,f1,f2\nx,0.5,1\ny,1.5,3\nx,2.5,2\n").with("dataset.toml", card);
    let loaded = folder.load(&[""]).unwrap();
    let unit = loaded.screen.unit(0);
    assert_eq!((unit.plate.as_str(), unit.context.as_str(), unit.lab_batch.as_deref()), ("P1", "U2OS", Some("B7")));
    assert_eq!((unit.intervention.to_string().as_str(), unit.intervention.hours()), ("taxol 0.5 µM", Some(24.0)));
    // The table's own column of that name is a label then.
    assert_eq!(loaded.screen.label("plate").unwrap().values[0].as_deref(), Some("x"));
    write_card(&folder.describe(&[""]), &folder.path("again.toml")).unwrap();
    let text = std::fs::read_to_string(folder.path("again.toml")).unwrap();
    assert!(is_same(&folder.load(&["again.toml"]).unwrap().screen, &loaded.screen), "{text}");
}

#[test]
fn names_without_a_dose_are_asked_about_together_with_the_known_controls() {
    let text = table("plate,compound,dose_um,f1,f2", 24, |row| {
        let (agent, dose) =
            [("carrier Z", 0), ("buffer X", 0), ("taxol", 3), ("taxol", 1), ("DMSO", 0), ("taxol", 2)][row % 6];
        format!("p1,{agent},{dose},{}.5,{}.25", row * row % 7, (row * 5) % 11)
    });
    let (description, lines) = gaps_of(&text);
    assert_eq!(lines, ["negative = { values = [\"DMSO\", \"buffer X\", \"carrier Z\"] }"]);
    let what = &description.gaps[0].what;
    assert!(what.starts_with("`buffer X`, `carrier Z` have no dose above 0 in `dose_um`"), "{what}");
    let roles = description.outcome.unwrap().screen;
    assert_eq!(roles.units.by_row().filter(|unit| unit.role == Role::NegativeControl).count(), 12);
}

#[test]
fn a_screen_without_controls_is_asked_for_them_by_its_most_frequent_names() {
    let text = table("plate,compound,f1,f2", 20, |row| {
        let agent = if row % 2 == 0 { "Trägerstoff" } else { ["a", "b", "c"][row % 3] };
        format!("p1,{agent},{}.5,{}.25", row * row % 7, (row * 5) % 11)
    });
    let (description, lines) = gaps_of(&text);
    assert_eq!(lines, ["negative = { values = [\"…\"] }"]);
    let first = &description.gaps[0].candidates[0];
    assert_eq!((first.name.as_str(), first.examples[0].as_str()), ("Trägerstoff", "10 wells"));
}

#[test]
fn rows_of_one_well_are_asked_what_distinguishes_them() {
    let text = table("plate,well,position,compound,f1,f2", 24, |row| {
        let well = ["A01", "A02", "A03", "A04"][row % 4];
        format!("p1,{well},q{},{},{}.5,{}.25", row / 4, AGENTS[row % 4], row * row % 7, (row * 5) % 11)
    });
    let (description, lines) = gaps_of(&text);
    assert_eq!(lines, ["site = \"position\""]);
    assert!(description.gaps[0].what.contains("plate `p1`, well A01 stands in "), "{}", description.gaps[0].what);
    // The same row twice is a fault of the data, which no line mends.
    let (description, lines) = gaps_of("plate,well,compound,f1\np1,A01,DMSO,1\np1,A02,x,2\np1,A01,DMSO,3\n");
    assert!(lines.is_empty());
    assert!(description.outcome.unwrap_err().to_string().contains("was already given"));
}

#[test]
fn where_no_feature_is_found_the_rest_is_described() {
    let (description, lines) = gaps_of("plate,well,compound,dose\nP1,A01,DMSO,0\nP1,A02,taxol,3\n");
    assert_eq!(lines, ["features = [\"…\"]", "dose_unit = \"uM\""]);
    assert_eq!(description.outcome.unwrap().screen.n_observations(), 2);
}

#[test]
fn words_that_say_no_role_and_columns_that_hold_no_wells_are_asked_about() {
    let text = table("plate,well,compound,control_type,f1,f2", 12, |row| {
        format!(
            "p1,tube {row},{},{},{}.5,{}.25",
            AGENTS[row % 4],
            ["purple", "green"][row % 2],
            row * row % 7,
            row * 5 % 11
        )
    });
    let (description, lines) = gaps_of(&text);
    assert_eq!(lines, ["negative = { column = \"control_type\", values = [\"…\"] }", "well = \"…\""]);
    assert_eq!(description.gaps[0].candidates[0].examples, ["purple", "green"]);
    // One such cell among wells is a fault.
    let (description, lines) = gaps_of("plate,well,compound,f1\np1,A01,DMSO,1\np1,A02,x,2\np1,tube,y,3\n");
    assert!(lines.is_empty());
    assert!(description.outcome.unwrap_err().to_string().contains("t.csv:4: column `well` holds \"tube\""));
}

#[test]
fn a_declared_column_that_is_absent_is_asked_for_with_those_that_are_like_it() {
    let card = "files = [\"t.csv\"]\n[columns]\nperturbation = \"Compound Name\"\nplate = \"plate\"";
    let table = "plate,compound_title,well,f1\np1,DMSO,A01,1\np1,taxol,A02,2\n";
    let description = Folder::new().with("t.csv", table).with("dataset.toml", card).describe(&[""]);
    let lines: Vec<&str> = description.gaps.iter().map(|gap| gap.lines[0].text.as_str()).collect();
    assert_eq!(lines[0], "perturbation = \"compound_title\"");
}

#[test]
fn what_comes_of_an_assumption_is_not_asked_about() {
    // On one plate, wells of two meet; without names, controls without a dose are not known as such.
    let text = table("Platte,well,Wirkstoff,dose,f1,f2", 12, |row| {
        let (agent, dose) = [("DMSO", ""), ("taxol", "3"), ("nocodazole", "1")][row % 3];
        format!("p{},A{:02},{agent},{dose},{}.5,{}.25", row / 6, row % 6 + 1, row * row % 7, row * 5 % 11)
    });
    let (description, lines) = gaps_of(&text);
    assert_eq!(lines, ["plate = \"…\"", "perturbation = \"…\"", "dose_unit = \"uM\""]);
    assert_eq!(description.outcome.unwrap().screen.n_observations(), 12);
    let card = "files = [\"t.csv\"]\n[columns]\nplate = \"Plate\"\nperturbation = \"Wirkstof\"\ndose = \"\"";
    let description = Folder::new().with("t.csv", text).with("dataset.toml", card).describe(&[""]);
    let lines: Vec<&str> = description.gaps.iter().map(|gap| gap.lines[0].text.as_str()).collect();
    assert_eq!(lines[1..], ["perturbation = \"Wirkstoff\""]);
}

#[test]
fn columns_of_zeros_and_ones_are_asked_about_as_what_was_applied() {
    let text = table("plate,KLF1_ko,MAP2K6_ko,n,f1,f2", 24, |row| {
        format!("p1,{},{},{row},{}.5,{}.25", row % 2, row / 2 % 2, row * row % 7, row * 5 % 11)
    });
    let (description, lines) = gaps_of(&text);
    let of_flags = "doses = { KLF1 = \"KLF1_ko\", MAP2K6 = \"MAP2K6_ko\" }";
    assert_eq!(lines, [of_flags]);
    let folder = Folder::new().with("t.csv", text);
    let path = folder.path("dataset.toml");
    write_card(&folder.describe(&["t.csv"]), &path).unwrap();
    let card = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, card.replace(&format!("# {of_flags}"), of_flags)).unwrap();
    let screen = folder.load(&[""]).unwrap().screen;
    let sets: Vec<String> = screen.treatments().keys().map(|treatment| treatment.intervention.to_string()).collect();
    assert_eq!(sets, ["KLF1", "KLF1 + MAP2K6", "MAP2K6"]);
    // Of doses likewise, with the names as they are written.
    let text = table("plate,Dose VX-770 [µM],forskolin_um,f1,f2", 24, |row| {
        format!("p1,{},{},{}.5,{}.25", row % 3, row % 4, row * row % 7, row * 5 % 11)
    });
    let (description_of_doses, _) = gaps_of(&text);
    let line = &description_of_doses.gaps[0].lines[1].text;
    assert_eq!(line, "doses = { VX-770 = \"Dose VX-770 [µM]\", forskolin = \"forskolin_um\" }");
    assert!(description.outcome.is_ok());
}

#[test]
fn doses_in_a_column_without_a_role_are_asked_about_before_they_are_pooled() {
    let text = |header: &str| {
        table(&format!("plate,compound,{header},f1,f2"), 24, |row| {
            let (agent, dose) = [("DMSO", ""), ("taxol", "-6"), ("taxol", "-7"), ("nocodazole", "-6")][row % 4];
            format!("p1,{agent},{dose},{}.5,{}.25", row * row % 7, row * 5 % 11)
        })
    };
    let (description, lines) = gaps_of(&text("log10_conc_M"));
    assert_eq!(lines, ["dose = \"log10_conc_M\""]);
    let what = &description.gaps[0].what;
    assert!(what.contains("`log10_conc_M` may hold the doses, of which `taxol` has several (-6, -7, …)"), "{what}");
    assert_eq!(description.outcome.unwrap().screen.treatments().len(), 2);
    let refused = of_text(&text("log10_conc_M")).unwrap_err();
    assert!(refused.contains("write `dose = \"log10_conc_M\"` under [columns]"), "{refused}");
    // A stock that is the same in all wells of a compound pools nothing.
    let text = text("stock_conc_mM").replace("-7", "-6");
    assert!(gaps_of(&text).1.is_empty());
}

#[test]
fn a_column_of_wells_without_a_well_is_asked_about() {
    let text = table("plate,well,compound,f1,f2", 12, |row| {
        format!("p1,n/a,{},{}.5,{}.25", AGENTS[row % 4], row * row % 7, row * 5 % 11)
    });
    assert_eq!(gaps_of(&text).1, ["well = \"…\""]);
}
