//! Tables that belong together: joined by what their values say, or left out with a word.

use super::*;

const PROFILES: &str = "\
plate,well,f1,f2
000157,A01,0.11,1.3
000157,A02,0.23,2.1
000157,A03,0.31,-3.7
000158,A01,0.47,4.2
000158,A02,0.52,5.9
000158,A03,0.68,6.4
";

const LAYOUT: &str = "\
well_position\tdrug\tconc_um\tvolume_nl
a1\tDMSO\t0\t25
a-2\ttaxol\t0.3\t26
A 3\tnocodazole\t1\t27
";

fn drugs(screen: &Screen) -> Vec<String> {
    screen.units.by_row().map(|unit| format!("{}/{}", unit.plate, unit.intervention)).collect()
}

impl Folder {
    fn write_card(&self) {
        let description = describe(&Source::of([self.path("")])).unwrap();
        write_card(&description, &self.path("dataset.toml")).unwrap();
    }
}

fn has_note(loaded: &Loaded, part: &str) -> bool {
    assert!(loaded.notes.iter().any(|note| note.contains(part)), "{part}: {:#?}", loaded.notes);
    true
}

#[test]
fn a_plate_map_without_plates_holds_for_every_plate_and_brings_roles_and_labels() {
    let folder = Folder::new().with("profiles.csv", PROFILES).with("platemap.txt", LAYOUT);
    for names in [&["profiles.csv", "platemap.txt"][..], &["platemap.txt", "profiles.csv"], &[""]] {
        let loaded = folder.load(names).unwrap();
        let expected = ["untreated", "taxol 0.3 µM", "nocodazole 1 µM"];
        let of = |plate: &str| expected.map(|drug| format!("{plate}/{drug}"));
        assert_eq!(drugs(&loaded.screen), [of("000157"), of("000158")].concat(), "{names:?}");
        assert_eq!(loaded.screen.features.names(), ["f1", "f2"]);
        assert!(has_note(&loaded, "platemap.txt is joined on `well` = `well_position`: 6 of 6 rows found"));
        assert!(has_note(&loaded, "platemap.txt names no plates and holds for every plate"));
        assert!(has_note(&loaded, "`volume_nl` are kept as labels and not learned from"));
        assert_eq!(loaded.inputs.len(), 2);
    }
}

#[test]
fn the_card_written_for_a_join_reads_the_same_screen() {
    let folder = Folder::new().with("profiles.csv", PROFILES).with("platemap.txt", LAYOUT);
    let first = folder.load(&[""]).unwrap();
    folder.write_card();
    let again = folder.load(&[""]).unwrap();
    assert_eq!(again.screen.units, first.screen.units);
    assert_eq!(again.screen.labels, first.screen.labels);
    assert!(again.joins.is_empty(), "the card's join wins: {:?}", again.joins);
    let card = std::fs::read_to_string(folder.path("dataset.toml")).unwrap();
    assert!(card.contains("files = [\"profiles.csv\"]"), "{card}");
    assert!(card.contains("file = \"platemap.txt\""), "{card}");
}

#[test]
fn plates_are_compared_as_numbers_where_that_is_unambiguous() {
    let map = "plate,well,compound\n157.0,A01,DMSO\n157.0,A02,a\n157.0,A03,b\n158.0,A01,DMSO\n158.0,A02,c\n";
    let loaded = Folder::new().with("p.csv", PROFILES).with("map.csv", map).load(&["p.csv", "map.csv"]).unwrap();
    assert_eq!(drugs(&loaded.screen), ["000157/untreated", "000157/a", "000157/b", "000158/untreated", "000158/c"]);
    assert!(has_note(
        &loaded,
        "map.csv is joined on `plate`, `well`: 5 of 6 rows found; `plate` is compared as numbers"
    ));
    assert_eq!(loaded.screen.dropped[0].reason, "no row in map.csv");
    // `157` of the other table could be either of two.
    let two = PROFILES.replace("000158", "157");
    let error = Folder::new().with("p.csv", &two).with("map.csv", map).load(&["p.csv", "map.csv"]).unwrap_err();
    assert!(error.contains("none of its plates (`157.0`, `158.0`) is a plate of the table"), "{error}");
}

#[test]
fn a_list_of_plates_brings_the_names_of_the_plate_maps() {
    let folder = Folder::new()
        .with("profiles.csv", PROFILES)
        .with("barcodes.csv", "Assay_Plate_Barcode,Plate_Map_Name\n000157,MapOne\n000158,MapTwo\n")
        .with(
            "MapOne.txt",
            "plate_map_name\twell_position\tbroad_sample\nMapOne\tA01\tDMSO\nMapOne\tA02\tx\nMapOne\tA03\ty\n",
        )
        .with(
            "MapTwo.txt",
            "plate_map_name\twell_position\tbroad_sample\nMapTwo\tA01\tDMSO\nMapTwo\tA02\tz\nMapTwo\tA03\tw\n",
        );
    let loaded = folder.load(&[""]).unwrap();
    let expected = ["000157/untreated", "000157/x", "000157/y", "000158/untreated", "000158/z", "000158/w"];
    assert_eq!(drugs(&loaded.screen), expected);
    folder.write_card();
    assert_eq!(drugs(&folder.load(&[""]).unwrap().screen), expected);
}

#[test]
fn a_table_of_values_alone_gets_all_from_the_table_of_its_wells() {
    let scores = "id,TP53,BRAF,KRAS\nP1:A01,0.1,0.2,0.7\nP1:A02,1.5,0.9,-0.2\nP1:A03,-2,0.8,1.4\n";
    let wells = "well_id,plate,well,pert_iname,qc_iqr\nP1:A01,P1,A01,DMSO,12.3\nP1:A02,P1,A02,TP53,8.6\nP1:A03,P1,A03,KRAS,9.9\nP1:A04,P1,A04,BRAF,9.7\n";
    let genes = "probe,symbol\n200_at,TP53\n201_at,BRAF\n202_at,KRAS\n";
    let folder = Folder::new().with("scores.csv", scores).with("wells.csv", wells).with("genes.csv", genes);
    let loaded = folder.load(&[""]).unwrap();
    assert_eq!(loaded.screen.features.names(), ["TP53", "BRAF", "KRAS"]);
    assert_eq!(drugs(&loaded.screen), ["P1/untreated", "P1/TP53", "P1/KRAS"]);
    assert!(has_note(
        &loaded,
        "wells.csv is joined on `id` = `well_id`: 3 of 3 rows found; 1 of its 4 keys match no row"
    ));
    assert!(has_note(&loaded, "genes.csv is left out: its `symbol` names columns of scores.csv"));
}

#[test]
fn the_roles_of_the_table_stay_where_a_sheet_has_more_usual_names() {
    let profiles = "plate,well,compound,f1\nP1,A01,DMSO,0.1\nP1,A02,a-1,0.7\nP1,A03,b-2,0.9\n";
    let sheet = "compound,perturbation,supplier\na-1,crispr,Acme\nb-2,orf,Acme\n";
    let folder = Folder::new().with("p.csv", profiles).with("compounds.csv", sheet);
    let loaded = folder.load(&[""]).unwrap();
    assert_eq!(drugs(&loaded.screen), ["P1/untreated", "P1/a-1", "P1/b-2"]);
    assert!(loaded.screen.labels.iter().any(|label| label.name == "supplier"));
}

#[test]
fn maps_in_files_named_after_plates_hold_for_these() {
    let map = |drug: &str| format!("well,drug\nA01,DMSO\nA02,{drug}\nA03,{drug}\n");
    let folder = Folder::new()
        .with("profiles.csv", PROFILES)
        .with("map_000157.csv", map("taxol"))
        .with("map_000158.csv", map("nocodazole"));
    let loaded = folder.load(&[""]).unwrap();
    let expected = [
        "000157/untreated",
        "000157/taxol",
        "000157/taxol",
        "000158/untreated",
        "000158/nocodazole",
        "000158/nocodazole",
    ];
    assert_eq!(drugs(&loaded.screen), expected);
    folder.write_card();
    assert_eq!(drugs(&folder.load(&[""]).unwrap().screen), expected);
}

#[test]
fn two_maps_that_say_different_things_of_a_well_are_refused_with_both_rows() {
    let map = |drug: &str| format!("well,drug\nA01,DMSO\nA02,{drug}\nA03,{drug}\n");
    let folder =
        Folder::new().with("profiles.csv", PROFILES).with("one.csv", map("taxol")).with("two.csv", map("nocodazole"));
    let error = folder.load(&[""]).unwrap_err();
    assert!(error.contains("two.csv:3: key \"A02\" was already given at one.csv:3 with other values"), "{error}");
}

#[test]
fn a_key_is_made_finer_until_it_is_unique_and_what_then_disagrees_is_not_taken() {
    let profiles = "plate,well,compound,dose_um,f1\nP1,A01,DMSO,0,0.1\nP1,A02,abc,0.10,0.7\nP1,A03,abc,1,0.9\n";
    let folder =
        Folder::new().with("p.csv", profiles).with("moa.csv", "compound,dose_um,moa\nabc,0.1,low\nabc,1.0,high\n");
    let loaded = folder.load(&[""]).unwrap();
    assert!(has_note(
        &loaded,
        "moa.csv is joined on `compound`, `dose_um`: 2 of 3 rows found; `dose_um` is compared as numbers"
    ));
    let folder =
        Folder::new().with("p.csv", profiles).with("info.csv", "compound,lot,moa\nabc,1,kinase\nabc,2,kinase\n");
    let loaded = folder.load(&[""]).unwrap();
    assert!(has_note(
        &loaded,
        "info.csv has several rows for one `compound` (lines 2 and 3), and what they disagree in is not taken: `lot`"
    ));
    assert!(has_note(&loaded, "info.csv is joined on `compound`: 2 of 3 rows found"));
}

#[test]
fn descriptors_and_other_measurements_are_named_and_not_learned_from() {
    let profiles = "plate,well,compound,f1\nP1,A01,DMSO,0.1\nP1,A02,abc,0.7\nP1,A03,xyz,0.9\n";
    let bits = format!("compound,bits\nabc,{}\nxyz,{}\n", "01".repeat(64), "10".repeat(64));
    let folder = Folder::new().with("p.csv", profiles).with("fp.csv", bits).with("q.csv", profiles.replace("f1", "g1"));
    let loaded = folder.load(&[""]).unwrap();
    assert_eq!(loaded.screen.features.names(), ["f1"]);
    assert!(has_note(&loaded, "fp.csv describes perturbations (2 of 3 in the table)"));
    assert!(has_note(&loaded, "[descriptors] file = \"fp.csv\", perturbation = \"compound\", bits = \"bits\""));
    assert!(has_note(&loaded, "q.csv is left out: it holds measurements of its own (`g1`)"));
}

#[test]
fn plates_that_lack_features_are_still_an_error() {
    let one = "plate,well,compound,f1,f2\nP1,A01,DMSO,0.1,0.2\nP1,A02,abc,0.7,0.1\n";
    for two in ["plate,well,compound,f1\nP2,A01,DMSO,0.1\n", "plate,well,compound,g1\nP2,A01,DMSO,0.1\n"] {
        let error = Folder::new().with("a.csv", one).with("b.csv", two).load(&[""]).unwrap_err();
        assert!(
            error.contains("tables loaded together need the same columns") && error.contains("exclude_features"),
            "{error}"
        );
    }
}

#[test]
fn a_table_that_meets_nothing_is_named_and_so_it_is_where_a_column_is_missing() {
    let sheet = "room,technician\nB12,Miller\nB13,Smith\n";
    let folder = Folder::new().with("p.csv", PLAIN).with("rooms.csv", sheet);
    assert!(has_note(&folder.load(&[""]).unwrap(), "rooms.csv is left out: none of its columns has the values"));
    let folder = Folder::new().with("p.csv", PROFILES).with("rooms.csv", sheet);
    let error = folder.load(&[""]).unwrap_err();
    assert!(error.contains("perturbation") && error.contains("rooms.csv is left out"), "{error}");
}

#[test]
fn joined_sheets_may_have_semicolons_and_decimal_commas() {
    let map = "well;compound;dose_um\nA01;DMSO;0\nA02;taxol;0,3\nA03;taxol;1,5\n";
    let loaded = Folder::new().with("p.csv", PROFILES).with("map.csv", map).load(&[""]).unwrap();
    assert_eq!(drugs(&loaded.screen)[1..3], ["000157/taxol 0.3 µM", "000157/taxol 1.5 µM"]);
}

#[test]
fn plates_drawn_in_files_of_their_names_bring_what_was_applied_to_each() {
    let wells = ["A01", "A02", "A03", "B01", "B02", "B03"];
    let rows: Vec<String> = ["P1", "P2"]
        .iter()
        .flat_map(|plate| {
            wells
                .iter()
                .enumerate()
                .map(move |(row, well)| format!("{plate},{well},{}.5,{}.25", row * row % 5, plate.len() * row * 7 % 11))
        })
        .collect();
    let profiles = format!("plate,well,f1,f2\n{}\n", rows.join("\n"));
    let folder = Folder::new()
        .with("profiles.csv", profiles)
        .with("P1.csv", ",1,2,3\nA,DMSO,taxol,AZ-A\nB,DMSO,taxol,AZ-A\n")
        .with("P2.csv", ",1,2,3\nA,AZ-A,DMSO,taxol\nB,taxol,DMSO,taxol\n");
    let loaded = folder.load(&[""]).unwrap();
    let applied = |plate: &str, well: &str| {
        let well: crate::screen::Well = well.parse().unwrap();
        let unit = loaded.screen.units.by_row().find(|unit| unit.plate == plate && unit.well == Some(well)).unwrap();
        unit.intervention.to_string()
    };
    assert_eq!((applied("P1", "A02"), applied("P2", "A02")), ("taxol".to_owned(), "untreated".to_owned()));
    assert_eq!((applied("P1", "A01"), applied("P2", "A01")), ("untreated".to_owned(), "AZ-A".to_owned()));
    assert_eq!(loaded.screen.units.by_row().filter(|unit| unit.role == Role::NegativeControl).count(), 4);
    // The written card says the same.
    write_card(&folder.describe(&[""]), &folder.path("dataset.toml")).unwrap();
    assert!(is_same(&folder.load(&["dataset.toml"]).unwrap().screen, &loaded.screen));
}

#[test]
fn a_few_numbers_by_a_name_without_a_role_are_not_the_table_where_pairs_of_genes_were_measured() {
    let genes = ["KLF1", "MAP2K6", "FOXA1", "CEBPA"];
    let pairs: String = (0..16)
        .map(|row| format!("{},{},{}.5,{}.25\n", genes[row / 4], genes[row % 4], row * row % 7, row * 5 % 11))
        .collect();
    let singles: String = genes.iter().zip(1..).map(|(gene, row)| format!("{gene},{row}.5\n")).collect();
    let folder = Folder::new()
        .with("pairs.csv", format!("gene_a,gene_b,fitness_1,fitness_2\n{pairs}"))
        .with("a_singles.csv", format!("guide_target,average_fitness\n{singles}"))
        .with("dataset.toml", "reference = \"relative\"\nfiles = [\"*.csv\"]\n");
    let loaded = folder.load(&[""]).unwrap();
    assert_eq!(loaded.screen.features.names(), ["fitness_1", "fitness_2"]);
    assert_eq!(loaded.screen.n_observations(), 16);
}
