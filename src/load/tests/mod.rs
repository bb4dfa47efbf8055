//! Well-formed tables in every form, and malformed files, one fault each.

mod annotated;
mod bundled;
mod compartments;
mod design;
mod doubtful;
mod features;
mod gaps;
mod joins;
mod matrices;
mod sets;

use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use flate2::{Compression, write::GzEncoder};
use tempfile::TempDir;

use super::*;
use crate::screen::{DoseUnit, Kind, Reference, Role, Screen};

const PLAIN: &str = "\
plate,well,compound,dose_um,moa,cell_line,f1,f2
007,A01,DMSO,0,,A549,0.1,1
007,a2,taxol,0.3,stabilizer,A549,0.2,2
007,A3,taxol,3,stabilizer,A549,0.3,-3e2
008,A1,DMSO,,,A549,0.4,4
008,B2,AZ-A,10,\"kinase, Aurora\",A549,0.5,5.25
";

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn with(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        std::fs::write(self.path(name), content).unwrap();
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn load(&self, names: &[&str]) -> Result<Loaded, String> {
        let paths = names.iter().map(|name| self.path(name));
        load(&Source::of(paths)).map_err(|error| self.short(&error))
    }

    fn describe(&self, names: &[&str]) -> Description<Loaded> {
        describe(&Source::of(names.iter().map(|name| self.path(name)))).unwrap()
    }

    /// The message without the folder's path.
    fn short(&self, error: &LoadError) -> String {
        error.to_string().replace(&format!("{}/", self.0.path().display()), "")
    }
}

fn of_text(text: &str) -> Result<Loaded, String> {
    Folder::new().with("t.csv", text).load(&["t.csv"])
}

fn gz(content: impl AsRef<[u8]>) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content.as_ref()).unwrap();
    encoder.finish().unwrap()
}

fn is_same(a: &Screen, b: &Screen) -> bool {
    a.units == b.units && a.features == b.features && a.labels == b.labels && a.dropped == b.dropped
}

#[test]
fn reads_a_plain_table_without_card() {
    let Loaded { screen, mapping, inputs, notes, .. } = of_text(PLAIN).unwrap();
    assert_eq!(screen.n_observations(), 5);
    assert_eq!(screen.name, "t");
    assert_eq!(screen.features.names(), ["f1", "f2"]);
    assert_eq!(screen.features.in_memory().row(2), [0.3, -300.0]);
    assert_eq!(screen.unit(0).plate, "007");
    assert_eq!(screen.unit(1).intervention.to_string(), "taxol 0.3 µM");
    assert_eq!(screen.unit(1).well.unwrap().to_string(), "A02");
    assert_eq!(screen.unit(3).role, Role::NegativeControl);
    assert_eq!(screen.unit(0).context, "A549");
    assert_eq!(screen.label("moa").unwrap().values[4].as_deref(), Some("kinase, Aurora"));
    assert_eq!(screen.label("moa").unwrap().values[0], None);
    assert!(mapping.controls_why.contains("DMSO"), "{}", mapping.controls_why);
    assert_eq!((inputs[0].rows, inputs[0].bytes, inputs[0].sha256.len()), (5, PLAIN.len() as u64, 64));
    assert!(notes.is_empty(), "{notes:?}");
}

#[test]
fn form_of_the_file_does_not_matter() {
    let expected = of_text(PLAIN).unwrap().screen;
    let tsv = PLAIN.replace("\"kinase, Aurora\"", "kinase; Aurora").replace(',', "\t").replace("; ", ", ");
    let semicolons = PLAIN.replace("\"kinase, Aurora\"", "kinase| Aurora").replace(',', ";").replace("| ", ", ");
    let mut lines: Vec<&str> = PLAIN.lines().collect();
    lines[1..].reverse();
    let cases: [(&str, Vec<u8>); 8] = [
        ("t.csv.gz", gz(PLAIN)),
        ("t.tsv", tsv.into_bytes()),
        ("t.csv", semicolons.into_bytes()),
        ("t.csv", PLAIN.replace('\n', "\r\n").into_bytes()),
        ("t.csv", format!("\u{FEFF}{PLAIN}\n\n").into_bytes()),
        ("t.csv", PLAIN.replace("\n008,A1", "\n\n008,A1").into_bytes()),
        ("t.csv", PLAIN.replace(",0.4,", ", +0.4 ,").into_bytes()),
        ("t.csv", lines.join("\n").into_bytes()),
    ];
    for (index, (name, bytes)) in cases.into_iter().enumerate() {
        let found = Folder::new().with(name, bytes).load(&[name]).unwrap().screen;
        assert!(is_same(&found, &expected), "case {index}: {found:#?}");
    }
}

#[test]
fn fast_and_strict_parsing_agree() {
    let folder = Folder::new().with("t.csv", PLAIN).with("u.csv", PLAIN.replace("\n007,A01", "\n\n007,A01"));
    let numbers = BTreeSet::from(["f1", "f2"]);
    let fast = format::read(&folder.path("t.csv"), &numbers).unwrap();
    let strict = format::read(&folder.path("u.csv"), &numbers).unwrap();
    for (fast, strict) in fast.columns.iter().zip(&strict.columns) {
        assert_eq!(format!("{fast:?}"), format!("{strict:?}"));
    }
    assert_eq!(fast.rows.iter().map(|row| row.line).collect::<Vec<_>>(), [2, 3, 4, 5, 6]);
    assert_eq!(strict.rows.iter().map(|row| row.line).collect::<Vec<_>>(), [3, 4, 5, 6, 7]);
}

#[test]
fn parquet_reads_as_csv_does() {
    let expected = of_text(PLAIN).unwrap().screen;
    let text = |values: [Option<&str>; 5]| Arc::new(StringArray::from(values.to_vec())) as ArrayRef;
    let some = |values: [&'static str; 5]| text(values.map(Some));
    let moa = [None, Some("stabilizer"), Some("stabilizer"), None, Some("kinase, Aurora")];
    let doses = Float64Array::from(vec![Some(0.0), Some(0.3), Some(3.0), None, Some(10.0)]);
    let batch = RecordBatch::try_from_iter([
        ("plate", some(["007", "007", "007", "008", "008"])),
        ("well", some(["A01", "a2", "A3", "A1", "B2"])),
        ("compound", some(["DMSO", "taxol", "taxol", "DMSO", "AZ-A"])),
        ("dose_um", Arc::new(doses) as ArrayRef),
        ("moa", text(moa)),
        ("cell_line", some(["A549"; 5])),
        ("f1", Arc::new(Float64Array::from(vec![0.1, 0.2, 0.3, 0.4, 0.5])) as ArrayRef),
        ("f2", Arc::new(Float64Array::from(vec![1.0, 2.0, -300.0, 4.0, 5.25])) as ArrayRef),
        ("__index_level_0__", Arc::new(Int64Array::from(vec![0, 1, 2, 3, 4])) as ArrayRef),
    ])
    .unwrap();
    let mut bytes = Vec::new();
    let mut writer = ::parquet::arrow::ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let folder = Folder::new().with("t.parquet", &bytes).with("cut.parquet", &bytes[..bytes.len() / 2]);
    assert!(is_same(&folder.load(&["t.parquet"]).unwrap().screen, &expected));
    assert!(folder.load(&["cut.parquet"]).unwrap_err().starts_with("cut.parquet: cannot be read"));
}

#[test]
fn several_files_are_one_table() {
    let lines: Vec<&str> = PLAIN.lines().collect();
    let swapped = "well,plate,compound,dose_um,moa,cell_line,f2,f1\nA1,008,DMSO,,,A549,4,0.4\nB2,008,AZ-A,10,\"kinase, Aurora\",A549,5.25,0.5\n";
    let folder = Folder::new().with("p7.csv", lines[..4].join("\n")).with("p8.csv.gz", gz(swapped));
    let expected = of_text(PLAIN).unwrap().screen;
    for names in [vec!["p7.csv", "p8.csv.gz"], vec!["p8.csv.gz", "p7.csv"], vec!["p*.csv*"], vec![""]] {
        let loaded = folder.load(&names).unwrap();
        let columns: Vec<usize> = if loaded.screen.features.names()[0] == "f1" { vec![0, 1] } else { vec![1, 0] };
        assert_eq!(loaded.screen.features.select_columns(&columns), *expected.features.in_memory(), "{names:?}");
        assert_eq!(loaded.screen.units, expected.units);
        assert_eq!(loaded.inputs.len(), 2);
    }
    let without = swapped.replace(",f1\n", "\n").replace(",0.4\n", "\n").replace(",0.5\n", "\n");
    let folder = folder.with("p9.csv", without);
    let error = folder.load(&["p7.csv", "p9.csv"]).unwrap_err();
    assert!(error.starts_with("p9.csv: no column `f1`, which p7.csv has"), "{error}");
    assert!(folder.load(&["q*.csv"]).unwrap_err().starts_with("no file matches `q*.csv`"));
}

#[test]
fn a_label_may_be_missing_in_one_file() {
    let lines: Vec<&str> = PLAIN.lines().collect();
    let second = "plate,well,compound,dose_um,cell_line,f1,f2,note\n008,A1,DMSO,,A549,1,2,odd\n";
    let folder = Folder::new().with("a.csv", lines[..4].join("\n")).with("b.csv", second);
    // `moa` has a role, so it must be everywhere; `note` is a mere label.
    assert!(folder.load(&["a.csv", "b.csv"]).unwrap_err().starts_with("b.csv: no column `moa`"));
    let second = second.replace("cell_line", "cell_line,moa").replace("A549", "A549,");
    let screen = folder.with("b.csv", second).load(&["a.csv", "b.csv"]).unwrap().screen;
    assert_eq!(screen.label("note").unwrap().values, [None, None, None, Some("odd".to_owned())]);
}

#[test]
fn faults_are_named_with_file_row_and_column() {
    let cell = |from: &str, to: &str| PLAIN.replacen(from, to, 1);
    let cases = [
        (cell("0.3,-3e2", "abc,-3e2"), "t.csv:4: column `f1` holds \"abc\", expected a number"),
        (
            cell("taxol,0.3", "taxol,10 mg"),
            "t.csv:3: column `dose_um` holds \"10 mg\", expected a positive number in µM",
        ),
        (cell("taxol,0.3", "taxol,-1"), "t.csv:3: column `dose_um` holds \"-1\", expected a positive number in µM"),
        (cell("AZ-A,10", "AZ-A,0"), "t.csv:6: column `dose_um` gives `AZ-A` no dose above 0 in any of its 1 rows"),
        (cell("AZ-A,10", "AZ-A,"), "t.csv:6: column `dose_um` gives `AZ-A` no dose above 0 in any of its 1 rows"),
        (cell("taxol,0.3", "taxol,NaN"), "t.csv:3: column `dose_um` holds \"\", expected a positive number in µM"),
        (cell("taxol,0.3", "taxol,inf"), "t.csv:3: column `dose_um` holds \"inf\", expected a positive number in µM"),
        (cell(",a2,", ",Z99,"), "t.csv:3: column `well` holds \"Z99\", expected a well such as A01"),
        (cell(",a2,", ",,"), "t.csv:3: column `well` holds \"\", expected a well such as A01"),
        (cell("008,B2", ",B2"), "t.csv:6: column `plate` holds \"\", expected a plate"),
        (
            cell("AZ-A,10,\"kinase, Aurora\",A549", "AZ-A,10,x,"),
            "t.csv:6: column `cell_line` holds \"\", expected a value",
        ),
        (cell(",a2,", ",A1,"), "t.csv:3: plate `007`, well A01 was already given at t.csv:2"),
        (cell("0.2,2\n", "0.2\n"), "t.csv:3: 7 fields, expected 8 as in the header"),
        (cell("0.2,2\n", "0.2,2,9\n"), "t.csv:3: 9 fields, expected 8 as in the header"),
        (PLAIN.replace("\"kinase, Aurora\"", "kinase, Aurora"), "t.csv:6: 9 fields, expected 8 as in the header"),
        (cell("moa", "f1"), "t.csv: column `f1` occurs twice, as columns 5 and 7"),
        (cell("moa", ""), "t.csv: column 5 has no name in the header"),
        (cell("dose_um", "dose"), "t.csv: column `dose` holds doses but no unit is known"),
        (cell("plate", "tray"), "t.csv: no column `plate`; name the plate column"),
        (cell("compound", "stuff"), "t.csv: no column `perturbation`; name its column"),
        (cell("f1,f2", "row,x_id"), "t.csv: no numeric feature column found"),
        (String::new(), "t.csv: the file is empty"),
        ("\n\n".to_owned(), "t.csv: the file is empty"),
        ("plate,well\n".to_owned(), "t.csv: only a header and no rows"),
        ("SQLite format 3\0".to_owned(), "t.csv: an SQLite database is not a profile table"),
    ];
    for (text, expected) in cases {
        let error = of_text(&text).unwrap_err();
        assert!(error.starts_with(expected), "{error}\nexpected: {expected}");
    }
}

#[test]
fn a_fault_in_the_second_file_names_that_file() {
    let second =
        "plate,well,compound,dose_um,moa,cell_line,f1,f2\n009,A1,DMSO,,,A549,1,2\n009,A2,taxol,1,,A549,1,n.d.\n";
    let error = Folder::new().with("a.csv", PLAIN).with("b.csv", second).load(&["a.csv", "b.csv"]).unwrap_err();
    assert!(error.starts_with("b.csv:3: column `f2` holds \"n.d.\""), "{error}");
}

#[test]
fn refuses_what_is_no_text() {
    let position = PLAIN.find("stabilizer").unwrap();
    let with = |bytes: &[u8]| [&PLAIN.as_bytes()[..position], bytes, &PLAIN.as_bytes()[position..]].concat();
    // No letter of Windows-1252, and a text that begins as UTF-8.
    let folder = Folder::new().with("t.csv", with(&[0x81])).with("u.csv.gz", &gz(PLAIN)[..60]);
    assert!(folder.load(&["t.csv"]).unwrap_err().starts_with("t.csv:3: not UTF-8 text (byte 0x81)"));
    let error = Folder::new().with("t.csv", with(&[0xC2, 0xB5, 0xE9])).load(&["t.csv"]).unwrap_err();
    assert!(error.starts_with("t.csv:3: not UTF-8 text (byte 0xE9)"), "{error}");
    let error = folder.load(&["u.csv.gz"]).unwrap_err();
    assert!(error.starts_with("u.csv.gz: cannot be read: damaged gzip"), "{error}");
    // UTF-16 with half a letter at its end.
    let utf16: Vec<u8> = [0xFF, 0xFE].into_iter().chain(PLAIN.bytes().flat_map(|byte| [byte, 0])).chain([7]).collect();
    let error = Folder::new().with("t.csv", utf16).load(&["t.csv"]).unwrap_err();
    assert!(error.contains("UTF-16"), "{error}");
}

#[test]
fn a_table_is_read_in_the_encodings_of_spreadsheets() {
    let text = PLAIN.replace("dose_um", "dose (µM)").replace("stabilizer", "stabilizér");
    let expected = of_text(&text).unwrap();
    let latin: Vec<u8> = text.chars().map(|letter| u8::try_from(u32::from(letter)).unwrap()).collect();
    let utf16 = |of_unit: fn(u16) -> [u8; 2]| -> Vec<u8> {
        "\u{feff}".encode_utf16().chain(text.encode_utf16()).flat_map(of_unit).collect()
    };
    for (bytes, is_said) in
        [(latin.clone(), true), (utf16(u16::to_le_bytes), false), (utf16(u16::to_be_bytes), false), (gz(&latin), true)]
    {
        let name = if bytes[0] == 0x1F { "t.csv.gz" } else { "t.csv" };
        let found = Folder::new().with(name, bytes).load(&[name]).unwrap();
        assert!(is_same(&found.screen, &expected.screen));
        let note = found.notes.iter().find(|note| note.contains("Windows-1252"));
        assert_eq!(note.is_some(), is_said, "{:?}", found.notes);
        assert!(note.is_none_or(|note| note.contains("it says `dose (µM)`")), "{note:?}");
    }
}

#[test]
fn remarks_before_a_table_are_passed_over_and_rows_keep_their_lines() {
    let expected = of_text(PLAIN).unwrap();
    for before in ["sep=,\n", "# exported by a robot\n#\r\n", "SEP=,\r\n# two, three\n"] {
        let text = format!("{before}{PLAIN}");
        assert!(is_same(&of_text(&text).unwrap().screen, &expected.screen), "{before}");
        let line = before.matches('\n').count();
        let wrong = |text: &str| of_text(&text.replacen("taxol,3,", "taxol,x,", 1)).unwrap_err();
        let (error, expected) = (wrong(&text), wrong(PLAIN));
        let number = |text: &str| text.split(':').nth(1).unwrap().parse::<usize>().unwrap();
        assert_eq!(number(&error), number(&expected) + line, "{error} {expected}");
    }
    // A header that begins with `#` is one.
    assert!(is_same(&of_text(&format!("#{PLAIN}")).unwrap().screen, &expected.screen));
    let unquoted = PLAIN.replace("\"kinase, Aurora\"", "kinase");
    let piped = of_text(&unquoted.replace(',', "|")).unwrap();
    assert!(is_same(&piped.screen, &of_text(&unquoted).unwrap().screen));
}

#[test]
fn missing_values_are_dropped_and_counted() {
    let mut text = "plate,well,compound,good,poor\n".to_owned();
    for index in 0..40 {
        let compound = if index % 2 == 0 { "DMSO" } else { "taxol" };
        let (good, poor) = match index {
            3 => ("", ""),
            5 => ("inf", "1"),
            7..=12 => ("1", "NA"),
            _ => ("1.5", "2"),
        };
        text += &format!("P,{}{},{compound},{good},{poor}\n", ["A", "B"][index / 20], index % 20 + 1);
    }
    let Loaded { screen, notes, mapping, .. } = of_text(&text).unwrap();
    assert_eq!(mapping.features, ["good"]);
    assert_eq!(screen.n_observations(), 38);
    let reasons: Vec<(&str, usize)> = screen.dropped.iter().map(|d| (d.reason.as_str(), d.rows)).collect();
    assert_eq!(reasons, [("no value in any feature", 1), ("a missing or infinite value in some feature", 1)]);
    assert!(notes[0].contains("`poor`"), "{notes:?}");
}

const CARD: &str = r#"
name = "s"
files = ["t.csv"]
dose_unit = "nM"
[columns]
plate = "p"
well = "w"
perturbation = "agent"
dose = "amount"
hours = "t"
context = ["line", "t"]
labels = []
[controls]
negative = { values = ["vehicle A"], empty = true }
positive = { column = "note", values = ["pos*"] }
"#;

const CARD_TABLE: &str = "p,w,agent,amount,t,line,note,f1
1,A1,vehicle A,,24,U2OS,,0
1,A2,,,24,U2OS,,1
1,A3,taxol,300,24,U2OS,pos_x,2
1,A4,taxol,300,24,U2OS,,3
";

#[test]
fn a_card_says_what_is_what() {
    let folder = Folder::new().with("t.csv", CARD_TABLE).with("dataset.toml", CARD);
    let Loaded { screen, mapping, card, .. } = folder.load(&[""]).unwrap();
    let roles: Vec<Role> = screen.units.by_row().map(|row| row.role).collect();
    assert_eq!(roles, [Role::NegativeControl, Role::NegativeControl, Role::PositiveControl, Role::Treatment]);
    assert_eq!(screen.unit(2).context, "U2OS, 24 h");
    let intervention = &screen.unit(2).intervention;
    assert_eq!((intervention.to_string().as_str(), intervention.hours()), ("taxol 300 nM", Some(24.0)));
    assert!(screen.labels.is_empty() && card.is_some());
    assert!(mapping.controls_why.contains("vehicle A or nothing"), "{}", mapping.controls_why);

    let overrides = ColumnOverrides { negative_controls: Some(vec!["taxol".into()]), ..ColumnOverrides::default() };
    let source = Source { card: Some(folder.path("dataset.toml")), files: Vec::new(), overrides };
    let error = folder.short(&load(&source).unwrap_err());
    assert!(error.starts_with("t.csv:2: column `amount` gives `vehicle A` no dose"), "{error}");
}

#[test]
fn a_written_card_loads_the_same_screen() {
    for (table, card) in [(CARD_TABLE, Some(CARD)), (PLAIN, None)] {
        let mut folder = Folder::new().with("t.csv", table);
        if let Some(card) = card {
            folder = folder.with("dataset.toml", card);
        }
        let given = if card.is_some() { "" } else { "t.csv" };
        let (first, description) = (folder.load(&[given]).unwrap(), folder.describe(&[given]));
        let path = folder.path("again.toml");
        write_card(&description, &path).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let second = folder.load(&["again.toml"]).unwrap_or_else(|error| panic!("{error}\n{text}"));
        assert!(is_same(&first.screen, &second.screen), "{text}");
        assert_eq!(first.mapping.features, second.mapping.features);
        assert!(write_card(&description, &path).unwrap_err().to_string().contains("the file exists"));
    }
}

#[test]
fn a_checksum_guards_the_file() {
    let card = format!("{CARD}\n[checksums]\n\"t.csv\" = \"00\"\n");
    let error = Folder::new().with("t.csv", CARD_TABLE).with("dataset.toml", card).load(&[""]).unwrap_err();
    assert!(error.starts_with("t.csv: sha256 ") && error.contains("expected 00 as in dataset.toml"), "{error}");
}

#[test]
fn a_checksum_is_of_the_card_s_own_file_and_not_of_its_namesake() {
    let card = format!("{CARD}\n[checksums]\n\"t.csv\" = \"00\"\n");
    let folder = Folder::new().with("t.csv", CARD_TABLE).with("dataset.toml", card);
    std::fs::create_dir(folder.path("new")).unwrap();
    let folder = folder.with("new/t.csv", CARD_TABLE);
    assert!(folder.load(&["dataset.toml", "new/t.csv"]).is_ok());
    // The same file by another way to it is still the card's.
    let error = folder.load(&["dataset.toml", "new/../t.csv"]).unwrap_err();
    assert!(error.contains("expected 00 as in"), "{error}");
}

#[test]
fn a_checksum_names_a_file_by_its_place_in_the_card_s_folder() {
    let card = |place: &str| {
        format!("files = ['*/t.csv']\n[columns]\nperturbation = 'compound'\n[checksums]\n'{place}' = '00'\n")
    };
    let folder_with = |place: &str| {
        let folder = Folder::new().with("dataset.toml", card(place));
        ["a", "b"].iter().for_each(|name| std::fs::create_dir(folder.path(name)).unwrap());
        folder
            .with("a/t.csv", "plate,well,compound,f1\nP1,A1,DMSO,1\n")
            .with("b/t.csv", "plate,well,compound,f1\nP2,A1,DMSO,1\n")
    };
    for (place, refused) in [("a/t.csv", "a/t.csv: sha256 "), ("./b/t.csv", "b/t.csv: sha256 ")] {
        let error = folder_with(place).load(&[""]).unwrap_err();
        assert!(error.starts_with(refused), "{place}: {error}");
    }
    // The card alone, and its files elsewhere: their path ends as the card says.
    let folder = folder_with("c/t.csv");
    std::fs::create_dir_all(folder.path("elsewhere/c")).unwrap();
    let folder = folder.with("elsewhere/c/t.csv", "plate,well,compound,f1\nP1,A1,DMSO,1\n");
    assert!(folder.load(&["dataset.toml", "a/t.csv"]).is_ok());
    let error = folder.load(&["dataset.toml", "elsewhere/c/t.csv"]).unwrap_err();
    assert!(error.starts_with("elsewhere/c/t.csv: sha256 "), "{error}");
}

#[test]
fn a_checksum_guards_a_joined_sheet_and_not_its_namesake() {
    let card = format!("{JOIN}[checksums]\n'map.csv' = '00'\n");
    let folder = Folder::new().with("t.csv", MAPPED).with("map.csv", MAP).with("dataset.toml", card);
    let error = folder.load(&[""]).unwrap_err();
    assert!(error.starts_with("map.csv: sha256 "), "{error}");
}

const MAP: &str = "well_position,compound,plate,moa\na01,DMSO,P1,\nA02,taxol,P1,stabilizer\nB1,AZ-A,P1,kinase\n";
const MAPPED: &str = "plate,well,f1\nP1,A1,1\nP1,a02,2\nP1,C1,3\n";
const JOIN: &str = "files = ['t.csv']\n[[join]]\nfile = 'map.csv'\non = ['plate', 'well']\n";

#[test]
fn a_plate_map_is_joined_by_wells_however_written() {
    let folder = Folder::new().with("t.csv", MAPPED).with("map.csv", MAP).with("dataset.toml", JOIN);
    let Loaded { screen, notes, inputs, .. } = folder.load(&[""]).unwrap();
    assert_eq!(screen.n_observations(), 2);
    assert_eq!(screen.unit(1).intervention.to_string(), "taxol");
    assert_eq!(screen.label("moa").unwrap().values[1].as_deref(), Some("stabilizer"));
    assert_eq!((screen.dropped[0].reason.as_str(), screen.dropped[0].rows), ("no row in map.csv", 1));
    assert!(notes[0].starts_with("1 of 3 rows have no row in"), "{notes:?}");
    assert_eq!(inputs.len(), 2);
}

#[test]
fn a_join_that_disagrees_is_refused() {
    let check = |table: &str, map: &str, card: &str, expected: &str| {
        let folder = Folder::new().with("t.csv", table).with("map.csv", map).with("dataset.toml", card);
        let error = folder.load(&[""]).unwrap_err();
        assert!(error.starts_with(expected), "{error}\nexpected: {expected}");
    };
    let twice = format!("{MAP}A2,AZ-B,P1,kinase\n");
    check(MAPPED, &twice, JOIN, "map.csv:5: key \"P1, A02\" was already given at map.csv:3 with other values");
    let with_moa =
        MAPPED.replace("f1", "f1,moa").replace("02,2", "02,2,other").replace(",1\n", ",1,\n").replace(",3\n", ",3,\n");
    check(&with_moa, MAP, JOIN, "map.csv:3: column `moa` holds \"stabilizer\", but t.csv:3 holds \"other\"");
    check(MAPPED, MAP, &JOIN.replace("'well'", "'nowhere'"), "map.csv: no column `nowhere`");
    // Rows that agree are no contradiction.
    let same = format!("{MAP}A2,taxol,P1,stabilizer\n");
    let folder = Folder::new().with("t.csv", MAPPED).with("map.csv", same).with("dataset.toml", JOIN);
    assert_eq!(folder.load(&[""]).unwrap().screen.n_observations(), 2);
}

#[test]
fn wells_are_made_of_rows_and_columns_in_tables_and_plate_maps() {
    let profiles = "plate,row,column,f1,f2\nP1,1,1,0.5,1.5\nP1,1,2,2.5,4.25\nP1,2,1,0.75,9.5\nP1,2,2,3.5,1.75\n";
    let map = "plate,Well Row,Well Col,compound\nP1,A,1,DMSO\nP1,A,2,taxol\nP1,B,1,DMSO\nP1,B,2,taxol\n";
    let loaded = Folder::new().with("profiles.csv", profiles).with("map.csv", map).load(&[""]).unwrap();
    let wells: Vec<String> = loaded.screen.units.by_row().map(|unit| unit.well.unwrap().to_string()).collect();
    assert_eq!(wells, ["A01", "A02", "B01", "B02"]);
    assert_eq!(loaded.screen.features.names(), ["f1", "f2"]);
    assert_eq!(loaded.screen.treatments().len(), 1);
    // What is no place on a plate makes no well.
    let loaded = of_text("plate,row,col,compound,f1\nP1,1,1,DMSO,1\nP1,700,2,taxol,2\n").unwrap();
    assert!(loaded.screen.units.by_row().all(|unit| unit.well.is_none()));
}

#[test]
fn plates_of_one_name_in_several_files_are_several_plates_where_their_wells_meet() {
    let rows = |shift: usize| -> String {
        let row = |index: usize| {
            let compound = if index.is_multiple_of(2) { "DMSO" } else { "taxol" };
            format!(
                "1,A{:02},{compound},{}.5,{}.25\n",
                index + shift,
                (index + shift) * index % 7,
                index * 5 % 11 + shift
            )
        };
        (1..=6).map(row).collect()
    };
    let table = |shift: usize| format!("plate,well,compound,f1,f2\n{}", rows(shift));
    let load = |shift: usize| {
        let other = table(shift).replace(".5,", ".75,");
        Folder::new().with("E1.csv", table(0)).with("E2.csv", other).load(&["E1.csv", "E2.csv"]).unwrap()
    };
    let meeting = load(0);
    assert_eq!(meeting.screen.rows_by_plate(|_| true).into_keys().collect::<Vec<_>>(), ["E1/1", "E2/1"]);
    assert!(meeting.notes.iter().any(|note| note.starts_with("plates of one name differ in `file`")));
    let apart = load(6);
    assert_eq!(apart.screen.rows_by_plate(|_| true).len(), 1);
    let note = "plate `1` has wells in 2 files and is taken as one plate; if its name stands for several plates, set \
                `plate_within = [\"file\"]` under [columns] in a card";
    assert!(apart.notes.iter().any(|found| found == note), "{:?}", apart.notes);
    let card = "files = [\"E1.csv\", \"E2.csv\"]\n[columns]\nplate_within = [\"file\"]\n";
    let declared =
        Folder::new().with("E1.csv", table(0)).with("E2.csv", table(6)).with("dataset.toml", card).load(&[""]).unwrap();
    assert_eq!(declared.screen.rows_by_plate(|_| true).len(), 2);
}

#[test]
fn what_was_applied_next_to_the_perturbation_is_pointed_out() {
    let row = |index: usize| {
        let (drug, stimulus) = [("DMSO", ""), ("taxol", ""), ("taxol", "TNF"), ("AZ-A", "TNF")][index % 4];
        format!("P1,{drug},{stimulus},{}.5,{}.25\n", index * index % 7, index * 5 % 11)
    };
    let text = format!("plate,compound,stimulus,f1,f2\n{}", (0..12).map(row).collect::<String>());
    let loaded = of_text(&text).unwrap();
    let note = loaded.notes.iter().find(|note| note.contains("`stimulus` differs")).unwrap();
    assert!(note.contains("(`taxol`: TNF, nothing)"), "{note}");
    assert!(note.contains("`perturbation = [\"compound\", \"stimulus\"]`"), "{note}");
}
