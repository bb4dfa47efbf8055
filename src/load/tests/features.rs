//! What is learned from: measurements, in whatever type they are stored, and nothing else.

use ::parquet::arrow::arrow_writer::ArrowWriterOptions;
use ::parquet::arrow::{ArrowWriter, encode_arrow_schema};
use ::parquet::file::metadata::KeyValue;
use ::parquet::file::properties::WriterProperties;
use arrow::array::{BooleanArray, Decimal128Array, ListArray, NullArray};
use arrow::datatypes::{DataType, Field, Float64Type, Schema};

use super::*;

const N_WELLS: usize = 28;

/// A measured value: different in every well, and not a function of anything.
fn measured(row: usize, feature: usize) -> f64 {
    let mixed = (row * 7919 + feature * 104_729 + 13) * 2_654_435_761 % 1_000_003;
    10.0 * feature as f64 + mixed as f64 / 100_003.0
}

/// Twelve wells of DMSO and two drugs at four doses, each in two wells, on one plate; with `beside` a column of its own.
fn wells(header: &str, beside: impl Fn(usize, f64) -> String) -> String {
    let mut text = format!("plate,well,compound,{header},m1,m2,m3,m4\n");
    for row in 0..N_WELLS {
        let (compound, dose) = match row.checked_sub(12) {
            None => ("DMSO", 0.0),
            Some(index) => (["CPD-A", "CPD-B"][index / 8], [0.1, 0.3, 1.0, 3.0][index % 8 / 2]),
        };
        let well = format!("{}{:02}", ["B", "C", "D"][row / 12], row % 12 + 1);
        let values: Vec<String> = (1..5).map(|feature| format!("{:.5}", measured(row, feature))).collect();
        text += &format!("P1,{well},{compound},{},{}\n", beside(row, dose), values.join(","));
    }
    text
}

fn left_out(loaded: &Loaded) -> Vec<(&str, &Reason)> {
    loaded.mapping.left_out.iter().map(|left_out| (left_out.column.as_str(), &left_out.why)).collect()
}

#[test]
fn a_dose_column_is_known_by_a_header_with_its_unit() {
    for header in ["Concentration (uM)", "Dose [µM]", "conc_uM", "dose_um_x", "Final conc. (µM)"] {
        let loaded = of_text(&wells(header, |_, dose| dose.to_string())).unwrap();
        assert_eq!(loaded.mapping.features, ["m1", "m2", "m3", "m4"], "{header}");
        assert_eq!(loaded.screen.treatments().len(), 8, "{header}");
    }
    let twins = wells("dose_um_x,dose_um_y", |row, dose| format!("{dose},{}", if row == 20 { 9.0 } else { dose }));
    let loaded = of_text(&twins).unwrap();
    assert_eq!((loaded.screen.treatments().len(), loaded.mapping.features.len()), (8, 4));
    assert_eq!(left_out(&loaded), [("dose_um_y", &Reason::Twin)]);
    assert!(loaded.notes[0].starts_with("`dose_um_x` and `dose_um_y` differ in 1 of 28 rows"), "{:?}", loaded.notes);
}

#[test]
fn what_was_done_or_counted_is_not_learned_from_whatever_it_is_called() {
    type Beside = dyn Fn(usize, f64) -> String;
    const DATES: [u32; 2] = [20_240_115, 20_240_122];
    let cases: [(&str, &Beside, Reason); 12] = [
        ("dose_um,Unnamed: 0", &|row, dose| format!("{dose},{row}"), Reason::Number),
        ("dose_um,Position X [µm]", &|row, dose| format!("{dose},{}", measured(row, 9)), Reason::Position),
        ("dose_um,log10 dose", &|_, dose| format!("{dose},{}", (dose + 0.01).log10()), Reason::Dose),
        ("dose_um,n_drugs", &|row, dose| format!("{dose},{}", usize::from(row > 11)), Reason::Counts),
        ("dose_um,strength", &|_, dose| format!("{dose},{}", 100.0 * dose), Reason::Applied),
        ("dose_um,is_b", &|row, dose| format!("{dose},{}", row > 19), Reason::Truth),
        ("dose_um,order", &|row, dose| format!("{dose},{}", 31 + 9 * row), Reason::Running),
        ("dose_um,mean order", &|row, dose| format!("{dose},{}", 4.5 + 8.0 * row as f64), Reason::Running),
        ("dose_um,shuffled", &|row, dose| format!("{dose},{}", (row * 11) % N_WELLS), Reason::Running),
        ("dose_um,day_of", &|row, dose| format!("{dose},{}", DATES[row % 2]), Reason::Time),
        (
            "dose_um,name",
            &|row, dose| format!("{dose},{}", measured(row, 77).to_bits() % 900_001 + 1000),
            Reason::Unrelated,
        ),
        ("dose_um,flag", &|row, dose| format!("{dose},{}", row * row % 3), Reason::Few),
    ];
    for (header, beside, expected) in cases {
        let loaded = of_text(&wells(header, beside)).unwrap();
        let column = header.split_once(',').unwrap().1;
        assert_eq!(left_out(&loaded), [(column, &expected)], "{header}");
        assert_eq!(loaded.mapping.features, ["m1", "m2", "m3", "m4"], "{header}");
        assert!(loaded.mapping.left_out_in_words()[0].starts_with(&format!("`{column}`: ")));
    }
}

#[test]
fn a_dose_that_has_no_role_is_named_beside_features_of_cellprofiler_too() {
    let text =
        wells("Metadata_max_dose_of_series,Cells_AreaShape_Area", |row, dose| format!("{dose},{}", measured(row, 8)));
    let asked = of_text(&text).unwrap_err();
    assert!(
        asked.contains("`Metadata_max_dose_of_series` may hold the doses, of which `CPD-A` has several"),
        "{asked}"
    );
    let card = "files = [\"t.csv\"]\n[columns]\ndose = \"\"";
    let loaded = Folder::new().with("t.csv", text).with("dataset.toml", card).load(&["dataset.toml"]).unwrap();
    assert_eq!(left_out(&loaded), []);
}

#[test]
fn a_column_that_is_the_same_on_a_plate_or_in_a_well_of_all_plates_is_not_measured() {
    let mut text = "plate,well,compound,f1,f2,f3,handler,edge\n".to_owned();
    for row in 0..48 {
        let (plate, well) = (row / 16, row % 16);
        let compound = ["DMSO", "A", "B"][(well * 5 + plate) % 3];
        let values = [1, 2, 3].map(|feature| measured(row, feature).to_string()).join(",");
        let edge = (well * well) as f64 / 7.0;
        text += &format!("P{plate},A{:02},{compound},{values},{},{edge}\n", well + 1, 17 + 4 * plate);
    }
    let loaded = of_text(&text).unwrap();
    assert_eq!(left_out(&loaded), [("handler", &Reason::PerPlate), ("edge", &Reason::PerPosition)]);
}

#[test]
fn a_card_takes_a_column_back_in() {
    let text = wells("dose_um,flag,n_drugs", |row, dose| format!("{dose},{},{}", row * row % 3, row % 5));
    let card = "include_features = [\"flag\", \"n_*\"]\nexclude_features = [\"m4\"]\nfiles = [\"t.csv\"]";
    let loaded = Folder::new().with("t.csv", &text).with("dataset.toml", card).load(&["dataset.toml"]).unwrap();
    assert_eq!(loaded.mapping.features, ["flag", "n_drugs", "m1", "m2", "m3"]);
    assert!(loaded.mapping.left_out.is_empty());
    let card = "include_features = [\"flags\"]\nfiles = [\"t.csv\"]";
    let error = Folder::new().with("t.csv", text).with("dataset.toml", card).load(&["dataset.toml"]).unwrap_err();
    assert!(error.contains("no column `flags`; no column matches this glob of `include_features`"), "{error}");
}

#[test]
fn a_declared_feature_counts_for_more_than_its_name_and_may_have_brackets() {
    let text = wells("dose_um,Area [µm2],Position X", |row, dose| format!("{dose},{0},{0}", measured(row, 6)));
    let card = "features = [\"Area [µm2]\", \"Position*\"]\nfiles = [\"t.csv\"]";
    let loaded = Folder::new().with("t.csv", text).with("dataset.toml", card).load(&["dataset.toml"]).unwrap();
    assert_eq!(loaded.mapping.features, ["Area [µm2]", "Position X"]);
}

#[test]
fn housekeeping_of_cellprofiler_is_not_learned_from() {
    let columns = [
        "Cells_AreaShape_Area",
        "Nuclei_AreaShape_EulerNumber",
        "Image_Granularity_1_DNA",
        "Image_ExecutionTime_06IdentifyPrimaryObjects",
        "Image_ModuleError_06IdentifyPrimaryObjects",
        "Image_Group_Index",
        "Image_ImageNumber",
        "Image_Width_DNA",
        "Cells_Number_Object_Number",
        "Cells_Parent_Nuclei",
        "Nuclei_Location_Center_X",
        "Nuclei_AreaShape_Center_Y",
    ];
    let header = columns.join(",");
    let text =
        wells(&header, |row, _| (0..columns.len()).map(|c| measured(row, c).to_string()).collect::<Vec<_>>().join(","));
    let loaded = of_text(&text).unwrap();
    assert_eq!(loaded.mapping.features[..3], columns[..3]);
    assert_eq!(loaded.mapping.features[3..], ["m1", "m2", "m3", "m4"]);
    assert_eq!(loaded.mapping.left_out.len(), 9);
    let words = loaded.mapping.left_out_in_words();
    assert_eq!(words.len(), 3, "{words:?}");
    assert!(words[0].contains("how images were taken or processed"), "{words:?}");
}

/// A parquet file; the columns at `categories` say that they are categories, as pandas writes those of floats.
fn as_parquet(batch: &RecordBatch, categories: &[&str]) -> Vec<u8> {
    let category = |field: &Arc<Field>| {
        let type_of_category = DataType::Dictionary(Box::new(DataType::Int32), Box::new(field.data_type().clone()));
        match categories.contains(&field.name().as_str()) {
            true => Field::new(field.name(), type_of_category, true),
            false => field.as_ref().clone(),
        }
    };
    let schema = Schema::new(batch.schema().fields().iter().map(category).collect::<Vec<_>>());
    let stored = KeyValue::new("ARROW:schema".to_owned(), encode_arrow_schema(&schema));
    let properties = WriterProperties::builder().set_key_value_metadata(Some(vec![stored])).build();
    let options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new_with_options(&mut bytes, batch.schema(), options).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
    bytes
}

/// The table of [`PLAIN`] as parquet, `f2` stored as `column`.
fn parquet_with(column: ArrayRef, is_category: bool) -> Vec<u8> {
    parquet_of_plates(["007", "008"], column, is_category)
}

fn parquet_of_plates([one, two]: [&str; 2], column: ArrayRef, is_category: bool) -> Vec<u8> {
    let text = |values: [&str; 5]| Arc::new(StringArray::from(values.to_vec())) as ArrayRef;
    let batch = RecordBatch::try_from_iter_with_nullable([
        ("plate", text([one, one, one, two, two]), true),
        ("well", text(["A01", "a2", "A3", "A1", "B2"]), true),
        ("compound", text(["DMSO", "taxol", "taxol", "DMSO", "AZ-A"]), true),
        ("dose_um", Arc::new(Float64Array::from(vec![0.0, 0.3, 3.0, 0.0, 10.0])) as ArrayRef, true),
        ("f1", Arc::new(Float64Array::from(vec![0.1, 0.25, 0.3, 0.45, 0.5])) as ArrayRef, true),
        ("f2", column, true),
    ])
    .unwrap();
    as_parquet(&batch, if is_category { &["f2"] } else { &[] })
}

#[test]
fn numbers_are_read_from_every_type_of_parquet() {
    let strings = |values: [&str; 5]| Arc::new(StringArray::from(values.to_vec())) as ArrayRef;
    let decimal = Decimal128Array::from(vec![100, 200, -30_000, 400, 525]).with_precision_and_scale(12, 2).unwrap();
    let floats = Float64Array::from(vec![1.0, 2.0, -300.0, 4.0, 5.25]);
    let columns: [(ArrayRef, bool); 6] = [
        (strings(["1", "2.0", "-3e2", "4", "5.25"]), false),
        (strings(["1,0", "2,00", "-300", "4,0", "5,25"]), false),
        (strings([" 1", "2", "−300", "4 ", "5.25"]), false),
        (strings(["1", "2", "-300", "4", "5.25"]), true),
        (Arc::new(floats), true),
        (Arc::new(decimal), false),
    ];
    for (index, (column, is_category)) in columns.into_iter().enumerate() {
        let loaded = Folder::new().with("t.parquet", parquet_with(column, is_category)).load(&["t.parquet"]).unwrap();
        let values: Vec<f32> = (0..5).map(|row| loaded.screen.features.in_memory().row(row)[1]).collect();
        assert_eq!(values, [1.0, 2.0, -300.0, 4.0, 5.25], "column {index}");
    }
    let gap = parquet_with(strings(["1", "nan", "#N/A", "-", "5.25"]), false);
    let loaded = Folder::new().with("t.parquet", gap).load(&["t.parquet"]);
    assert!(loaded.unwrap().notes[0].contains("`f2`"), "missing in more than 5 % of the rows");
}

#[test]
fn what_is_no_column_of_numbers_is_named() {
    let list = ListArray::from_iter_primitive::<Float64Type, _, _>((0..5).map(|row| Some(vec![Some(f64::from(row))])));
    let strings = |values: [&str; 5]| Arc::new(StringArray::from(values.to_vec())) as ArrayRef;
    let truth = BooleanArray::from(vec![true, false, true, true, false]);
    let cases: [(ArrayRef, Reason); 4] = [
        (Arc::new(list), Reason::Nested),
        (Arc::new(truth), Reason::Truth),
        (strings(["12 %", "13 %", "9 %", "7 %", "1 %"]), Reason::Texts("12 %".into())),
        (strings(["low", "low", "2.5", "low", "low"]), Reason::Texts("low".into())),
    ];
    for (column, reason) in cases {
        let loaded = Folder::new().with("t.parquet", parquet_with(column, false)).load(&["t.parquet"]).unwrap();
        assert_eq!(left_out(&loaded), [("f2", &reason)]);
        assert_eq!(loaded.mapping.features, ["f1"]);
    }
    // A column of type null is one without a value, in a plate where the feature was not measured.
    let numbers = parquet_with(Arc::new(Float64Array::from(vec![1.0, 2.0, 3.0, 4.0, 5.0])), false);
    let nulls = parquet_of_plates(["009", "010"], Arc::new(NullArray::new(5)), false);
    let loaded =
        Folder::new().with("t.parquet", numbers).with("u.parquet", nulls).load(&["t.parquet", "u.parquet"]).unwrap();
    assert_eq!(loaded.mapping.features, ["f1"]);
    assert!(loaded.notes[0].contains("`f2`"), "{:?}", loaded.notes);
}

#[test]
fn a_plate_is_one_whether_it_is_written_as_a_number_a_float_or_a_category() {
    let third = |plate: ArrayRef, row: &str, categories: &[&str]| {
        let wells: Vec<String> = (1..5).map(|column: usize| format!("{row}{column:02}")).collect();
        let batch = RecordBatch::try_from_iter([
            ("plate", plate),
            ("well", Arc::new(StringArray::from(wells)) as ArrayRef),
            ("compound", Arc::new(StringArray::from(vec!["DMSO", "DMSO", "A", "A"])) as ArrayRef),
            ("f1", Arc::new(Float64Array::from(vec![0.1, 0.25, 0.2, 0.4])) as ArrayRef),
        ]);
        as_parquet(&batch.unwrap(), categories)
    };
    let decimal = Decimal128Array::from(vec![700; 4]).with_precision_and_scale(10, 2).unwrap();
    let folder = Folder::new()
        .with("a.parquet", third(Arc::new(Int64Array::from(vec![7; 4])), "A", &[]))
        .with("b.parquet", third(Arc::new(Float64Array::from(vec![7.0; 4])), "B", &["plate"]))
        .with("c.parquet", third(Arc::new(decimal), "C", &[]));
    let screen = folder.load(&["a.parquet", "b.parquet", "c.parquet"]).unwrap().screen;
    assert!(screen.units.by_row().all(|unit| unit.plate == "7"));
}

#[test]
fn decimal_commas_are_read_in_features_and_doses() {
    let expected = of_text(&wells("dose_um", |_, dose| dose.to_string())).unwrap().screen;
    let points = wells("dose_um", |_, dose| dose.to_string());
    let semicolons = points.replace(',', ";").replace('.', ",");
    let tabs = points.replace(',', "\t").replace('.', ",");
    let quoted: String = points
        .lines()
        .map(|line| line.split(',').map(|cell| format!("\"{}\"", cell.replace('.', ","))).collect::<Vec<_>>().join(","))
        .map(|line| line + "\n")
        .collect();
    for (name, text) in [("t.csv", semicolons), ("t.tsv", tabs), ("t.csv", quoted)] {
        let found = Folder::new().with(name, text).load(&[name]).unwrap().screen;
        assert!(is_same(&found, &expected), "{:?}", found.units);
    }
}

#[test]
fn thousands_are_read_where_cells_say_that_they_are() {
    let thousand = |row: usize| format!("\"{},{:03}.5\"", row + 1, row * row * 37 % 1000);
    let loaded = of_text(&wells("dose_um,total", |row, dose| format!("{dose},{}", thousand(row)))).unwrap();
    assert_eq!(loaded.screen.features.in_memory().row(1)[0], 2037.5);
    // Without a witness the column is a text, and is named.
    let loaded =
        of_text(&wells("dose_um,total", |row, dose| format!("{dose},{}", thousand(row).replace(".5", "")))).unwrap();
    assert_eq!(left_out(&loaded), [("total", &Reason::Texts("1,000".into()))]);
}

#[test]
fn truth_values_of_cellprofiler_are_features_in_text_too() {
    let text = wells("Cells_AreaShape_Area,Nuclei_Flag_TouchesBorder", |row, _| {
        format!("{},{}", measured(row, 3), ["True", "False", ""][usize::from(row % 2 == 1) + usize::from(row == 27)])
    });
    let loaded = of_text(&text).unwrap();
    assert_eq!(loaded.mapping.features[..2], ["Cells_AreaShape_Area", "Nuclei_Flag_TouchesBorder"]);
    assert_eq!(
        (loaded.screen.features.in_memory().row(0)[1], loaded.screen.features.in_memory().row(1)[1]),
        (1.0, 0.0)
    );
    assert_eq!(loaded.screen.n_observations(), N_WELLS - 1);
}

#[test]
fn a_plate_of_another_pipeline_is_named_with_what_it_lacks() {
    let table = |plate: &str, columns: &[&str]| {
        let mut text = format!("plate,well,compound,{}\n", columns.join(","));
        for row in 0..6 {
            let values: Vec<String> = (0..columns.len()).map(|feature| measured(row, feature).to_string()).collect();
            text += &format!("{plate},A{row},{},{}\n", ["DMSO", "A"][row % 2], values.join(",")).replace("A0", "B1");
        }
        text
    };
    let folder =
        Folder::new().with("a.csv", table("a", &["f1", "f2", "f3", "f4"])).with("b.csv", table("b", &["f4", "f1"]));
    let error = folder.load(&["a.csv", "b.csv"]).unwrap_err();
    assert!(error.starts_with("b.csv: no column `f2` and 1 more, which a.csv has"), "{error}");
    assert!(error.contains("exclude_features = [\"f2\", \"f3\"]"), "{error}");

    // In one table, a plate that is a small part of all.
    let mut text = "plate,well,compound,f1,f2\n".to_owned();
    for row in 0..100 {
        let (plate, compound) = (if row < 96 { "old" } else { "new" }, ["DMSO", "A"][row % 2]);
        let second = if row < 96 { measured(row, 2).to_string() } else { String::new() };
        text += &format!(
            "{plate},{}{},{compound},{},{second}\n",
            ["A", "B", "C", "D", "E"][row / 24],
            row % 24 + 1,
            measured(row, 1)
        );
    }
    let loaded = of_text(&text).unwrap();
    assert_eq!(loaded.screen.n_observations(), 96);
    let expected = "plate `new` has no value in 1 of 2 features and is left out with all its 4 rows";
    assert!(loaded.notes[0].starts_with(expected), "{:?}", loaded.notes);
}

#[test]
fn numbers_with_something_around_them_are_named_and_not_lost() {
    for (write, example) in [
        (&(|value: f64| format!("[{value:.2}]")) as &dyn Fn(f64) -> String, "[-0.50]"),
        (&|value| format!("'{value:.2}"), "'-0.50"),
        (&|value| format!("{value:.2} px"), "-0.50 px"),
        (&|value| format!("{value:.1}%"), "-0.5%"),
    ] {
        let row = |index: usize| {
            let compound = if index.is_multiple_of(2) { "DMSO" } else { "taxol" };
            format!("P1,{compound},{},{}.5\n", write(index as f64 - 0.5), index * index % 7)
        };
        let text = format!("plate,compound,Nuclei_Area,Nuclei_Shape\n{}", (0..12).map(row).collect::<String>());
        let loaded = of_text(&text).unwrap();
        let told = loaded.mapping.left_out_in_words();
        assert!(told.iter().any(|words| words.contains(&format!("texts such as {example:?}"))), "{told:?}");
    }
}

#[test]
fn what_cellprofiler_measures_is_a_feature_whatever_its_values() {
    let mut text =
        "plate,well,compound,Correlation_Manders_DNA_ER,AreaShape_Area,AreaShape_Solidity,Parent_Cells\n".to_owned();
    for row in 0..24 {
        let compound = if row % 3 == 0 { "DMSO" } else { "taxol" };
        let well = format!("{}{:02}", char::from(b'A' + row as u8 / 12), row % 12 + 1);
        let value = (row * 7919 + 13) * 2_654_435_761_usize % 1_000_003;
        text += &format!("P1,{well},{compound},{},{value}.5,0.{value},{}\n", row % 2, row + 1);
    }
    let loaded = of_text(&text).unwrap();
    assert_eq!(
        loaded.screen.features.names(),
        ["Correlation_Manders_DNA_ER", "AreaShape_Area", "AreaShape_Solidity"],
        "{:?}",
        loaded.mapping.left_out_in_words()
    );
}
