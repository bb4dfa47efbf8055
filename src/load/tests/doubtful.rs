//! What tables say in an unusual way: understood and said, or asked, and never taken for something else without a word.

use super::*;

/// A measured value: different in every well, and not a function of anything.
fn measured(row: usize, feature: usize) -> f64 {
    let mixed = (row * 7919 + feature * 104_729 + 13) * 2_654_435_761 % 1_000_003;
    10.0 * feature as f64 + mixed as f64 / 100_003.0
}

const DOSES: [f64; 4] = [0.1, 0.3, 1.0, 3.0];

/// Plates of 12 wells of a control and two compounds at four doses in two wells each; `row` writes what was applied.
fn plates(header: &str, n_plates: usize, applied: impl Fn(&str, f64, usize) -> String) -> String {
    plates_from(0, header, n_plates, applied)
}

/// The same with the measurements of rows from `first` on.
fn plates_from(first: usize, header: &str, n_plates: usize, applied: impl Fn(&str, f64, usize) -> String) -> String {
    let mut text = format!("plate,well,{header},m1,m2,m3,m4\n");
    for row in 0..28 * n_plates {
        let (plate, place) = (row / 28 + 1, row % 28);
        let (compound, dose) = match place.checked_sub(12) {
            None => ("DMSO", 0.0),
            Some(index) => (["cmpd1", "cmpd2"][index / 8], DOSES[index % 8 / 2]),
        };
        let well = format!("{}{:02}", ["B", "C", "D"][place / 12], place % 12 + 1);
        let values: Vec<String> = (1..5).map(|feature| format!("{:.5}", measured(first + row, feature))).collect();
        text += &format!("P{plate},{well},{},{}\n", applied(compound, dose, row), values.join(","));
    }
    text
}

/// Such plates on which some of the controls have another name.
fn with_name(name: &str) -> String {
    plates("compound,dose_um", 1, |compound, dose, row| match row {
        0..4 => format!("{name},"),
        _ => format!("{compound},{dose}"),
    })
}

#[track_caller]
fn note(loaded: &Loaded, part: &str) {
    assert!(loaded.notes.iter().any(|note| note.contains(part)), "{part}: {:#?}", loaded.notes);
}

#[test]
fn wells_of_a_control_that_are_told_apart_are_controls_and_no_sets() {
    for name in ["DMSO-high", "Vehicle_A", "control-A", "siCtrl_B", "DMSO_low", "DMSO-P1", "DMSO_A01", "untreated-24h"]
    {
        let loaded = of_text(&with_name(name)).unwrap();
        let n_controls = loaded.screen.units.by_row().filter(|unit| unit.role == Role::NegativeControl).count();
        assert_eq!((n_controls, loaded.screen.treatments().len()), (12, 8), "{name}");
        note(&loaded, &format!("`{name}` (4 rows)"));
    }
}

#[test]
fn short_words_for_controls_are_pointed_out_where_they_may_be_perturbations() {
    for name in ["EV", "NT1", "UTC", "IgG", "HBSS", "naive"] {
        let description = Folder::new().with("t.csv", with_name(name)).describe(&["t.csv"]);
        let is_asked = description.gaps.iter().any(|gap| gap.what.contains(name));
        let is_said = description.outcome.is_ok_and(|loaded| loaded.notes.iter().any(|note| note.contains(name)));
        assert!(is_asked || is_said, "{name}");
    }
}

#[test]
fn a_copy_of_a_table_is_left_out_and_another_version_of_it_is_asked_about() {
    let text = plates("compound,dose_um", 2, |compound, dose, _| format!("{compound},{dose}"));
    let folder = Folder::new().with("t.csv", &text).with("t - Copy.csv", &text);
    let loaded = folder.load(&[""]).unwrap();
    assert_eq!((loaded.screen.n_observations(), loaded.screen.rows_by_plate(|_| true).len()), (56, 2));
    assert_eq!(loaded.screen.name, "t");
    note(&loaded, "t - Copy.csv is left out: it is a copy of t.csv, byte by byte");
    folder.load(&["t.csv", "t - Copy.csv"]).unwrap();

    let changed = |(index, line): (usize, &str)| match index {
        0 => line.to_owned(),
        _ => format!("{}{}", &line[..line.len() - 2], index % 90 + 10),
    };
    let later: Vec<String> = text.lines().enumerate().map(changed).collect();
    let folder = Folder::new().with("t.csv", &text).with("t_v2.csv", later.join("\n"));
    let refused = folder.load(&[""]).unwrap_err();
    assert!(refused.contains("t_v2.csv: 56 of its 56 rows have the measurements of"), "{refused}");
    let description = folder.describe(&[""]);
    assert_eq!(description.gaps[0].lines[0].text, "plate_within = [\"file\"]");
    assert!(description.outcome.is_ok());
    let card = "files = [\"*.csv\"]\n[columns]\nplate_within = [\"file\"]\n";
    assert_eq!(folder.with("dataset.toml", card).load(&[""]).unwrap().screen.n_observations(), 112);
}

#[test]
fn a_table_before_and_after_normalization_is_one_set_of_wells() {
    let raw = plates("compound,dose_um", 2, |compound, dose, _| format!("{compound},{dose}"));
    let scale = |(row, line): (usize, &str)| {
        let scaled = |(column, cell): (usize, &str)| match cell.parse::<f64>() {
            Ok(value) if row > 0 && column > 3 => format!("{:.4}", (value - 1.7) / 0.31),
            _ => cell.to_owned(),
        };
        line.split(',').enumerate().map(scaled).collect::<Vec<_>>().join(",")
    };
    let normalized: Vec<String> = raw.lines().enumerate().map(scale).collect();
    let with = |name: &str, other: String| Folder::new().with("p_augmented.csv", &raw).with(name, other);
    let refused = with("p_normalized.csv", normalized.join("\n")).load(&[""]).unwrap_err();
    assert!(refused.contains("p_normalized.csv: 56 of its 56 rows have the measurements of"), "{refused}");
    assert!(refused.contains("on another scale"), "{refused}");
    // An experiment on plates of the same names and layout is another one.
    let again = plates_from(500, "compound,dose_um", 2, |compound, dose, _| format!("{compound},{dose}"));
    assert_eq!(with("p_again.csv", again).load(&[""]).unwrap().screen.n_observations(), 112);
}

#[test]
fn an_index_that_was_saved_twice_is_no_feature() {
    let text = plates("compound,dose_um", 1, |compound, dose, _| format!("{compound},{dose}"));
    let lines = text.lines().enumerate().map(|(row, line)| match row {
        0 => format!(",Unnamed: 0,{line}"),
        _ => format!("{row},{row},{line}"),
    });
    let loaded = of_text(&lines.collect::<Vec<_>>().join("\n")).unwrap();
    assert_eq!(loaded.screen.features.names(), ["m1", "m2", "m3", "m4"]);
}

#[test]
fn rows_with_the_measurements_of_another_are_named() {
    let text = plates("compound,dose_um", 1, |compound, dose, _| format!("{compound},{dose}"));
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.push(lines[1].replacen("B01", "H01", 1));
    let loaded = of_text(&lines.join("\n")).unwrap();
    note(&loaded, "1 row has the same measurements as another, to the last digit, as");
}

#[test]
fn tables_of_one_name_in_several_folders_are_of_plates_of_their_own() {
    let folder = Folder::new();
    for (batch, first) in [("batch1", 0), ("batch2", 1000)] {
        std::fs::create_dir(folder.path(batch)).unwrap();
        let text = plates_from(first, "compound,dose_um", 2, |compound, dose, _| format!("{compound},{dose}"));
        std::fs::write(folder.path(&format!("{batch}/profiles.csv")), text).unwrap();
    }
    let loaded = folder.load(&["batch1/profiles.csv", "batch2/profiles.csv"]).unwrap();
    assert_eq!(loaded.screen.rows_by_plate(|_| true).len(), 4);
    assert!(loaded.screen.units.by_row().any(|unit| unit.plate == "batch1/P1"));
}

#[test]
fn one_column_with_a_prefix_does_not_make_labels_of_the_rest() {
    for name in ["Image_Count_Nuclei", "Cells_Count", "Nuclei_mean_area", "Cells_per_well"] {
        let header = format!("compound,dose_um,{name}");
        let text = plates(&header, 1, |compound, dose, row| format!("{compound},{dose},{:.3}", measured(row, 9)));
        let loaded = of_text(&text).unwrap();
        assert_eq!(loaded.mapping.features, [name, "m1", "m2", "m3", "m4"]);
    }
}

#[test]
fn doses_in_a_column_of_any_name_are_asked_about() {
    let log = |dose: f64| if dose > 0.0 { (dose * 1e-6).log10().to_string() } else { String::new() };
    type Write<'a> = &'a dyn Fn(f64) -> String;
    let cases: [(&str, Write<'_>); 8] = [
        ("logConc", &log),
        ("pDose", &|dose| dose.to_string()),
        ("Amount", &|dose| dose.to_string()),
        ("Level", &|dose| DOSES.iter().filter(|known| **known <= dose).count().to_string()),
        ("mg/mL", &|dose| dose.to_string()),
        ("titration", &|dose| dose.to_string()),
        ("Stimulus strength", &|dose| dose.to_string()),
        ("x7", &log),
    ];
    for (name, write) in cases {
        for n_plates in [1, 2] {
            let header = format!("compound,{name}");
            let text = plates(&header, n_plates, |compound, dose, _| format!("{compound},{}", write(dose)));
            let description = Folder::new().with("t.csv", &text).describe(&["t.csv"]);
            let lines: Vec<&str> = description.gaps.iter().map(|gap| gap.lines[0].text.as_str()).collect();
            assert_eq!(lines, [format!("dose = {name:?}")], "{name}");
            assert!(of_text(&text).unwrap_err().contains(name));
        }
    }
    // What varies among controls too was not applied, and counts of a gene's guides are none.
    let passage = plates("compound,passage", 1, |compound, _, row| format!("{compound},{}", row % 3));
    of_text(&passage).unwrap();
}

#[test]
fn ways_to_reach_a_gene_are_perturbations_of_their_own() {
    let text = "plate,gene,perturbation_type,m1\nP,NTC,CRISPRi,1.5\nP,KLF1,CRISPRi,2.5\nP,KLF1,CRISPRa,3.5\n";
    let loaded = of_text(text).unwrap();
    let names: Vec<String> =
        loaded.screen.treatments().keys().map(|treatment| treatment.intervention.to_string()).collect();
    assert_eq!(names, ["KLF1 (CRISPRi)", "KLF1 (CRISPRa)"]);
}

#[test]
fn mechanisms_are_told_apart_by_any_usual_sign() {
    for sign in ["; ", ", ", "/", "|", " + "] {
        let text = plates("compound,dose_um,MOA", 1, |compound, dose, row| {
            let moa = match row {
                0..12 => String::new(),
                12..16 => format!("\"HDAC{sign}BET\""),
                16..20 => "HDAC".to_owned(),
                _ => "BET".to_owned(),
            };
            format!("{compound},{dose},{moa}")
        });
        let loaded = of_text(&text).unwrap();
        let moa = &loaded.screen.label("moa").unwrap().values;
        assert_eq!(moa.iter().flatten().filter(|label| *label == "HDAC|BET").count(), 4, "{sign}");
        if sign != "|" {
            note(&loaded, "labels of `MOA` name several mechanisms");
        }
    }
    // A sign within a name stays.
    let text = plates("compound,dose_um,MOA", 1, |compound, dose, _| format!("{compound},{dose},PI3K/mTOR"));
    let loaded = of_text(&text).unwrap();
    assert_eq!(loaded.screen.label("moa").unwrap().values[0].as_deref(), Some("PI3K/mTOR"));
}

#[test]
fn names_that_differ_in_capitals_alone_are_named() {
    let text = plates("compound,dose_um", 1, |compound, dose, row| match row % 2 {
        0 => format!("{compound},{dose}"),
        _ => format!("{},{dose}", compound.replace("cmpd", "CMPD-")),
    });
    note(&of_text(&text).unwrap(), "`CMPD-1` (4 rows) and `cmpd1` (4 rows)");
    let text = plates("compound,dose_um", 1, |compound, dose, _| format!("{},{dose}", compound.replace("cmpd", "C1-")));
    assert!(of_text(&text).unwrap().notes.is_empty());
}

#[test]
fn a_short_text_in_the_folder_does_not_stop_it() {
    let text = plates("compound,dose_um", 1, |compound, dose, _| format!("{compound},{dose}"));
    let folder = Folder::new().with("t.csv", text).with("README.txt", "hello\n").with("old.npz", "x");
    note(&folder.load(&[""]).unwrap(), "README.txt is left out: it is not a table");
    let described = folder.describe(&[""]).outcome.unwrap();
    note(&described, "not read: old.npz (of a format that is not read)");
}

/// Profiles and their map, of which wells are written by `well`.
fn with_map(well: impl Fn(usize, usize) -> String) -> Folder {
    let (mut profiles, mut map) = ("plate,well,m1,m2\n".to_owned(), "plate,well,compound\n".to_owned());
    for place in 0..24 {
        let (row, column) = (place / 12, place % 12);
        profiles += &format!("P1,{}{:02},{},{}\n", ["A", "B"][row], column + 1, measured(place, 1), measured(place, 2));
        map += &format!("P1,{},{}\n", well(row, column), ["DMSO", "taxol", "cmpd1"][column % 3]);
    }
    Folder::new().with("profiles.csv", profiles).with("platemap.csv", map)
}

#[test]
fn a_map_of_another_format_is_not_joined_in_silence() {
    let of_384 = with_map(|row, column| format!("{}{:02}", ["A", "C"][row], 2 * column + 1));
    let description = of_384.describe(&[""]);
    assert_eq!(description.gaps[0].lines[0].text, "perturbation = \"…\"");
    note(description.outcome.as_ref().unwrap(), "as where plates of 96 and of 384 wells are mixed");
    let numbered = with_map(|row, column| (12 * row + column + 1).to_string());
    let description = numbered.describe(&[""]);
    note(description.outcome.as_ref().unwrap(), "nothing says whether they count along rows or along columns");
    let right = with_map(|row, column| format!("{}{}", ["a", "b"][row], column + 1));
    assert!(right.load(&[""]).is_ok());
}

#[test]
fn controls_without_values_are_not_said_to_be_absent() {
    let text = |of_controls: &str| {
        let mut text = "plate,well,compound,m1,m2\n".to_owned();
        for row in 0..40 {
            let well = format!("{}{:02}", ["A", "B", "C", "D"][row / 10], row % 10 + 1);
            text += &match row {
                0..2 => format!("P1,{well},negative,{of_controls}\n"),
                _ => format!("P1,{well},c{},{},{}\n", row % 5, measured(row, 1), measured(row, 2)),
            };
        }
        text
    };
    for (of_controls, reason) in [(",", "any feature"), ("1.5,", "`m2`")] {
        let description = Folder::new().with("t.csv", text(of_controls)).describe(&["t.csv"]);
        let gap = &description.gaps[0];
        let expected = format!("2 rows were left out as negative controls without a value in {reason}");
        assert!(gap.what.contains(&expected), "{}", gap.what);
        assert_eq!(gap.lines[0].text, "reference = \"relative\"");
    }
}

/// The second cell of each row, and whatever else `change` makes of it.
fn with_column(text: &str, column: usize, change: impl Fn(usize, &str) -> String) -> String {
    let changed = |(row, line): (usize, &str)| {
        let cells = line.split(',').enumerate();
        let cells =
            cells.map(|(place, cell)| if place == column && row > 0 { change(row, cell) } else { cell.to_owned() });
        cells.collect::<Vec<_>>().join(",") + "\n"
    };
    text.lines().enumerate().map(changed).collect()
}

#[test]
fn a_plate_whose_number_is_written_in_two_ways_is_one_plate() {
    let text = plates("compound,dose_um", 1, |compound, dose, _| format!("{compound},{dose}"));
    let numbered = with_column(&text, 0, |row, _| ["1", "1.0", "01"][row % 3].to_owned());
    let loaded = of_text(&numbered).unwrap();
    assert_eq!(loaded.screen.rows_by_plate(|_| true).len(), 1);
    note(&loaded, "`plate` writes one number in several ways (`01`, `1`, `1.0`)");
}

#[test]
fn a_decimal_comma_in_the_doses_alone_is_read() {
    let plain = plates("compound,dose_um", 1, |compound, dose, _| format!("{compound},{dose}"));
    let text = with_column(&plain, 3, |_, dose| format!("\"{}\"", dose.replace('.', ",")));
    let loaded = of_text(&text).unwrap();
    assert!(is_same(&loaded.screen, &of_text(&plain).unwrap().screen));
    note(&loaded, "`dose_um` has decimal commas");
}

#[test]
fn genes_that_a_spreadsheet_made_dates_of_are_named() {
    let text = plates("gene", 1, |compound, _, _| match compound {
        "cmpd1" => "1-Mar".to_owned(),
        "DMSO" => "NTC".to_owned(),
        other => other.to_owned(),
    });
    note(&of_text(&text).unwrap(), "`gene` holds dates (`1-Mar`)");
}

#[test]
fn lines_above_the_header_are_left_out_and_rows_keep_their_numbers() {
    let text = plates("compound,dose_um", 1, |compound, dose, _| format!("{compound},{dose}"));
    let expected = of_text(&text).unwrap().screen;
    for above in ["Screen 12 export\nDate,2024-03-01\n", "Screen 12 export,,,,,,,\n,,,,,,,\n"] {
        let titled = format!("{above}{text}");
        let loaded = of_text(&titled).unwrap();
        assert!(is_same(&loaded.screen, &expected), "{above}");
        note(&loaded, "above the header left out: `Screen 12 export`");
        let wrong = of_text(&titled.replacen("cmpd1,0.1,", "cmpd1,much,", 1)).unwrap_err();
        assert!(wrong.starts_with("t.csv:16: "), "{wrong}");
    }
}

#[test]
fn a_drug_that_the_column_of_roles_calls_a_control_is_asked_about() {
    let text = plates("compound,dose_um,role", 1, |compound, dose, _| {
        format!("{compound},{dose},{}", if compound == "cmpd2" { "trt" } else { "negcon" })
    });
    let refused = of_text(&text).unwrap_err();
    assert!(refused.contains("calls `cmpd1` a negative control in 8 rows"), "{refused}");
    let folder = Folder::new().with("t.csv", &text);
    let description = folder.describe(&["t.csv"]);
    assert_eq!(description.gaps[0].lines[0].text, "negative = { values = [\"DMSO\"] }");
    assert!(description.outcome.is_ok());
    let n_controls = |line: &str| {
        let card = format!("files = [\"t.csv\"]\n[controls]\n{line}\n");
        let path = folder.path("dataset.toml");
        std::fs::write(&path, card).unwrap();
        let loaded = load(&Source { card: Some(path), ..Source::default() }).unwrap();
        loaded.screen.units.by_row().filter(|unit| unit.role == Role::NegativeControl).count()
    };
    assert_eq!(description.gaps[0].lines.iter().map(|line| n_controls(&line.text)).collect::<Vec<_>>(), [12, 20]);
}

#[test]
fn features_that_a_merge_doubled_are_learned_from_once() {
    let text = plates("compound,dose_um", 1, |compound, dose, _| format!("{compound},{dose}"));
    let doubled = |other: &dyn Fn(usize, &str) -> String| -> String {
        let with = |(row, line): (usize, &str)| {
            let last = line.rsplit(',').next().unwrap();
            match row {
                0 => format!("{},m4_x,m4_y\n", line.strip_suffix(",m4").unwrap()),
                _ => format!("{line},{}\n", other(row, last)),
            }
        };
        text.lines().enumerate().map(with).collect()
    };
    let loaded = of_text(&doubled(&|_, value| value.to_owned())).unwrap();
    assert_eq!(loaded.screen.features.names(), ["m1", "m2", "m3", "m4_x"]);
    let loaded = of_text(&doubled(&|row, _| format!("{:.5}", measured(row, 9)))).unwrap();
    assert_eq!(loaded.screen.features.names(), ["m1", "m2", "m3", "m4_x", "m4_y"]);
    note(&loaded, "`m4_x` and `m4_y`, which a merge may have made of one feature, differ");
}

#[test]
fn many_rows_of_each_well_are_parts_of_it_and_few_are_asked_about() {
    let repeated = |n_times: usize| {
        let text = plates("compound,dose_um", n_times, |compound, dose, _| format!("{compound},{dose}"));
        with_column(&text, 0, |_, _| "P1".to_owned())
    };
    let loaded = of_text(&repeated(24)).unwrap();
    assert_eq!((loaded.screen.n_observations(), loaded.screen.wells().len()), (24 * 28, 28));
    note(&loaded, "wells have 24 rows each");
    let description = Folder::new().with("t.csv", repeated(3)).describe(&["t.csv"]);
    assert!(description.outcome.is_ok());
    assert_eq!(description.gaps[0].lines[1].text, "plate_within = [\"…\"]");
}

#[test]
fn a_level_of_processing_with_fewer_features_is_one_set_of_wells() {
    let raw = plates("compound,dose_um", 1, |compound, dose, _| format!("{compound},{dose}"));
    let selected: String = raw.lines().map(|line| format!("{}\n", line.rsplit_once(',').unwrap().0)).collect();
    let folder = Folder::new().with("p_augmented.csv", &raw).with("p_selected.csv", selected);
    let refused = folder.load(&[""]).unwrap_err();
    assert!(refused.contains("p_selected.csv: 28 of its 28 rows have the measurements of"), "{refused}");
    assert!(folder.describe(&[""]).outcome.is_ok());
    // Other wells that lack a feature are refused for that.
    let other = plates_from(300, "compound,dose_um", 1, |compound, dose, _| format!("{compound},{dose}"));
    let other: String = other.lines().map(|line| format!("{}\n", line.rsplit_once(',').unwrap().0)).collect();
    let refused = Folder::new().with("p.csv", &raw).with("q.csv", other).load(&[""]).unwrap_err();
    assert!(refused.contains("no column `m4`"), "{refused}");
}

#[test]
fn columns_of_drugs_that_hold_numbers_say_how_much_of_each_was_applied() {
    let text = plates("drug_A,drug_B", 1, |compound, dose, _| {
        let is = |name: &str| u8::from(compound == name || dose == 3.0);
        format!("{},{}", is("cmpd1"), is("cmpd2"))
    });
    let loaded = of_text(&text).unwrap();
    let applied: BTreeSet<String> = loaded
        .screen
        .units
        .by_row()
        .map(|unit| unit.intervention.to_string())
        .filter(|text| text.contains("drug"))
        .collect();
    assert_eq!(applied.into_iter().collect::<Vec<_>>(), ["drug_A", "drug_A + drug_B", "drug_B"]);
    assert_eq!(loaded.screen.units.by_row().filter(|unit| unit.role == Role::NegativeControl).count(), 12);
    note(&loaded, "`drug_A`, `drug_B` hold numbers");
}

#[test]
fn a_plate_does_not_get_the_map_of_another() {
    let plain = plates("x", 2, |_, _, _| "-".to_owned());
    let map: String = std::iter::once("well,compound,dose_um\n".to_owned())
        .chain(plates("compound,dose_um", 1, |compound, dose, _| format!("{compound},{dose}")).lines().skip(1).map(
            |line| {
                let cells: Vec<&str> = line.split(',').collect();
                format!("{},{},{}\n", cells[1], cells[2], cells[3])
            },
        ))
        .collect();
    let with = |list: &str| {
        Folder::new().with("profiles.csv", &plain).with("L1.csv", &map).with("plates.csv", list).load(&[""])
    };
    let loaded = with("plate,layout\nP1,L1\nP2,L2\n").unwrap();
    assert_eq!(loaded.screen.rows_by_plate(|_| true).len(), 1, "{:#?}", loaded.notes);
    assert!(loaded.screen.dropped.iter().any(|dropped| dropped.rows == 28), "{:?}", loaded.screen.dropped);
    assert_eq!(with("plate,layout\nP1,L1\nP2,L1\n").unwrap().screen.n_observations(), 56);
}

#[test]
fn a_point_in_a_column_of_decimal_commas_is_asked_about_and_not_guessed() {
    let text = plates("compound,dose_um", 1, |compound, dose, _| format!("{compound},{}", 1000.0 * dose));
    let commas: String = text
        .lines()
        .map(|line| {
            let mut cells: Vec<String> = line.split(',').map(|cell| cell.replace('.', ",")).collect();
            if cells[3] == "1000" || cells[3] == "3000" {
                cells[3].insert(1, '.');
            }
            cells.join(";") + "\n"
        })
        .collect();
    let refused = of_text(&commas).unwrap_err();
    assert!(refused.contains("1.000 (thousands or decimals?)"), "{refused}");
}

#[test]
fn the_index_of_a_kinetic_read_numbers_the_rows_of_wells() {
    let text = plates("compound,dose_um,cycle", 24, |compound, dose, row| format!("{compound},{dose},{}", row / 28));
    let text = with_column(&text, 0, |_, _| "P1".to_owned());
    let description = Folder::new().with("t.csv", text).describe(&["t.csv"]);
    assert_eq!(description.gaps[0].lines[0].text, "site = \"cycle\"", "{:?}", description.gaps[0]);
}

#[test]
fn equal_columns_are_one_whatever_a_merge_appends() {
    let text = plates("compound,dose_um", 1, |compound, dose, _| format!("{compound},{dose}"));
    for ending in [".y", "_right", ".1", "_copy", " (2)"] {
        let with = |(row, line): (usize, &str)| {
            let last = line.rsplit(',').next().unwrap();
            if row == 0 { format!("{line},m4{ending}\n") } else { format!("{line},{last}\n") }
        };
        let loaded = of_text(&text.lines().enumerate().map(with).collect::<String>()).unwrap();
        assert_eq!(loaded.screen.features.names(), ["m1", "m2", "m3", "m4"], "{ending}");
    }
}

#[test]
fn amounts_without_a_zero_are_no_names() {
    let text = plates("drug_A_um,drug_B_um", 1, |compound, dose, _| match compound {
        "cmpd1" => format!("{dose},"),
        "cmpd2" => format!(",{dose}"),
        _ => ",".to_owned(),
    });
    let text = text.replace("drug_A_um,drug_B_um", "drug_A,drug_B");
    let description = Folder::new().with("t.csv", text).describe(&["t.csv"]);
    let applied: BTreeSet<String> = (description.outcome.unwrap().screen.units.by_row())
        .flat_map(|unit| {
            unit.intervention.members().iter().map(|member| member.perturbation.name.clone()).collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(applied.into_iter().collect::<Vec<_>>(), ["drug_A", "drug_B"]);
}

#[test]
fn a_gene_that_the_column_of_roles_calls_a_control_is_asked_about_and_a_reporter_is_not() {
    let with = |name: &str| {
        plates("gene,role", 1, |compound, _, _| {
            let gene = match compound {
                "DMSO" => "NTC",
                "cmpd1" => name,
                other => other,
            };
            format!("{gene},{}", if compound == "cmpd2" { "trt" } else { "negcon" })
        })
    };
    let refused = of_text(&with("PLK1")).unwrap_err();
    assert!(refused.contains("calls `PLK1` a negative control in 8 rows, as it does `NTC`"), "{refused}");
    assert!(of_text(&with("sgLacZ")).is_ok());
}

#[test]
fn samples_that_a_plate_reader_calls_unknown_are_treated_and_named_empty_wells_are_said() {
    let with = |word: &str| {
        plates("compound,dose_um,role", 1, |compound, dose, _| {
            format!("{compound},{dose},{}", if compound == "DMSO" { "negcon" } else { word })
        })
    };
    assert_eq!(of_text(&with("Unknown")).unwrap().screen.treatments().len(), 8);
    note(&of_text(&with("empty")).unwrap(), "16 rows name a perturbation and are empty wells by the words of `role`");
}
