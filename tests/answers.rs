//! Questions that a biologist asks of a finished run, as they are typed.

use std::fs;
use std::path::Path;

use super::support::{cytonaut, finish, tiny_run};

/// What a command prints on stdout.
#[track_caller]
fn stdout(arguments: &[&str], code: i32) -> String {
    let output = cytonaut(arguments.iter().copied()).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{arguments:?}\n{out}{err}");
    out.into_owned()
}

#[track_caller]
fn fits_80_columns(text: &str) {
    for line in text.lines() {
        assert!(line.chars().count() <= 80, "{} characters: {line}\n{text}", line.chars().count());
    }
}

/// Rows of a csv by their columns' names.
fn csv(path: &Path) -> (Vec<String>, Vec<csv::StringRecord>) {
    let mut reader = csv::Reader::from_path(path).unwrap();
    let names = reader.headers().unwrap().iter().map(str::to_owned).collect();
    (names, reader.records().map(Result::unwrap).collect())
}

#[test]
fn a_finished_run_answers_in_80_columns_and_in_the_units_of_its_files() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let text = |name: &str| at(name).to_string_lossy().into_owned();
    let said = finish(tiny_run(&at("run"), &[]), 0);
    assert!(said.contains("training 2 models for 60 steps"), "{said}");
    let run = text("run");
    let table = stdout(&["evaluate", &run], 0);
    fits_80_columns(&table);
    assert!(table.contains("lewm") && table.contains("the learned world model (LeWorldModel)"), "{table}");
    // Errors that are not zero are not shown as zero.
    let errors = table.split("methods that answer fewer").next().unwrap();
    assert!(!errors.contains("0.000"), "{table}");

    // What makes a feature low: in the units of the table, with intervals, in order.
    let feature = "Nuclei_AreaShape_Area";
    let answer = stdout(&["rank", &run, "--minimize", feature, "--out", &text("low.csv")], 0);
    fits_80_columns(&answer);
    assert!(answer.starts_with(&format!("{feature} (file units, on the average plate), lowest first")), "{answer}");
    assert!(answer.contains("held-out treatments (") && answer.contains("untreated cells: "), "{answer}");
    let (names, rows) = csv(&at("low.csv"));
    let column = |name: &str| names.iter().position(|own| own == name).unwrap();
    let values: Vec<f64> = rows.iter().map(|row| row[column("predicted")].parse().unwrap()).collect();
    assert!(values.len() > 20 && values.is_sorted(), "{values:?}");
    // Areas of nuclei are hundreds of pixels, and those that are measured lie where the interval says, mostly.
    assert!(values.iter().all(|value| *value > 50.0), "{values:?}");
    let highest = stdout(&["rank", &run, "--maximize", feature, "--json", "--top", "1"], 0);
    let lines: Vec<serde_json::Value> = highest.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[1]["rank"], 1);
    assert!(lines[1]["predicted"].as_f64().unwrap() >= *values.last().unwrap(), "{highest}");
    let said = finish(cytonaut(["rank", &run, "--minimize", "Nuclei_AreaShape_Aera"]), 2);
    assert!(
        said.contains("no feature `Nuclei_AreaShape_Aera` to rank by; did you mean `Nuclei_AreaShape_Area`"),
        "{said}"
    );

    // Features, and columns of the files under their own names, in a query.
    let median = values[values.len() / 2];
    let small = stdout(&["rank", &run, "--target", &format!("{feature} <= {median}"), "--by", "measured"], 0);
    assert!(small.contains("defines the"), "{small}");
    let columns = columns_of_bundled();
    let own_name = columns.iter().find(|name| name.to_lowercase().contains("compound")).unwrap();
    let by_own_name = format!("`{own_name}` == taxol");
    let like = stdout(&["rank", &run, "--target", &by_own_name, "--by", "measured"], 0);
    fits_80_columns(&like);
    assert!(like.lines().any(|line| line.trim_start().starts_with("1  taxol")), "{like}");
    let said = finish(cytonaut(["rank", &run, "--target", &format!("{feature} < 1")]), 2);
    assert!(said.contains("no treated well satisfies") && said.contains(" values from "), "{said}");

    // What one intervention does: features, intervals, what was measured; a typo keeps the file.
    let all = stdout(&["predict", &run, "--json"], 0);
    let lines: Vec<serde_json::Value> = all.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let has_interval = |line: &&serde_json::Value| line["features"][0]["lower"].is_number();
    let held_out = lines.iter().find(has_interval).unwrap_or_else(|| panic!("no interval at all: {all}"));
    let intervention = held_out["intervention"].as_str().unwrap();
    let out = text("one.csv");
    let predict = ["predict", &run, "--intervention", intervention, "--out", &out];
    let answer = stdout(&predict, 0);
    fits_80_columns(&answer);
    let title = format!("{intervention}: measured in");
    for part in ["predicted by ", &title, "feature", "untreated", "measured", "written: "] {
        assert!(answer.contains(part), "{part}: {answer}");
    }
    let (names, rows) = csv(&at("one.csv"));
    let column = |name: &str| names.iter().position(|own| own == name).unwrap();
    let of = |method: &str, quantity: &str, scale: &str, intervention: &str| -> f64 {
        let is_it = |row: &&csv::StringRecord| {
            let is = |name: &str, value: &str| &row[column(name)] == value;
            is("quantity", quantity)
                && is("scale", scale)
                && is("intervention", intervention)
                && (&row[column("method")] == "measured") == (method == "measured")
        };
        rows.iter().find(is_it).unwrap_or_else(|| panic!("{method} {quantity} {scale}"))[column(feature)]
            .parse()
            .unwrap()
    };
    for scale in ["normalized", "raw"] {
        let [lower, mean, upper] = ["lower", "mean", "upper"].map(|quantity| of("by", quantity, scale, intervention));
        assert!(lower < mean && mean < upper, "{scale}: {lower} {mean} {upper}");
        assert!(of("measured", "mean", scale, intervention).is_finite());
    }
    assert!(of("measured", "mean", "raw", "untreated") > 50.0);
    let good = fs::read(at("one.csv")).unwrap();
    let said = finish(cytonaut(["predict", &run, "--intervention", "Taxl@0.1", "--out", &out]), 2);
    assert!(said.contains("did you mean `taxol`?") && fs::read(at("one.csv")).unwrap() == good, "{said}");
    let said = finish(cytonaut(["predict", &run, "--intervention", "taxol"]), 2);
    assert!(said.contains("`taxol` needs a dose; measured are"), "{said}");
    let many = stdout(&["predict", &run], 0);
    fits_80_columns(&many);

    // The pairs that it learned from, one row a transition.
    stdout(&["export", &run, "--what", "pairs", "--out", &text("pairs.csv")], 0);
    let (names, pairs) = csv(&at("pairs.csv"));
    let column = |name: &str| names.iter().position(|own| own == name).unwrap();
    let count = |name: &str, value: &str| pairs.iter().filter(|row| &row[column(name)] == value).count();
    // Each of the 217 treated wells from the controls of its plate, and those of higher doses from lower ones.
    assert_eq!(count("start", "controls"), 217, "{names:?}");
    assert!(count("start", "lower dose") > 50);
    assert!(count("part", "test") > 0 && count("part", "train") > count("part", "test"));

    // As lines of JSON, whatever is asked.
    for arguments in [vec!["evaluate", &run, "--json"], vec!["predict", &run, "--json"], vec!["rank", &run, "--json"]] {
        let text = stdout(&arguments, 0);
        assert!(text.lines().count() > 3, "{text}");
        for line in text.lines() {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            assert!(line["type"].is_string(), "{line}");
        }
    }
}

/// The names of the bundled table's columns.
fn columns_of_bundled() -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets/bbbc021/profiles.csv.gz");
    let mut text = String::new();
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(fs::File::open(path).unwrap()), &mut text).unwrap();
    text.lines().next().unwrap().split(',').map(str::to_owned).collect()
}

#[test]
fn measured_profiles_stand_next_to_predicted_ones_with_their_part() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    finish(tiny_run(&run, &[]), 0);
    let table = cytonaut::table::Table::read_parquet(&run.join("predictions.parquet")).unwrap();
    let column = |name: &str| table.text(name).unwrap().iter().map(|text| text.clone().unwrap()).collect::<Vec<_>>();
    let (methods, parts, interventions) = (column("method"), column("part"), column("intervention"));
    let rows = || methods.iter().zip(&parts).zip(&interventions);
    for part in ["train", "validation", "calibration", "test"] {
        assert!(rows().any(|((method, own), _)| method == "measured" && own == part), "{part}");
    }
    let of = |wanted: &str| -> Vec<&String> {
        let mut found: Vec<&String> = rows()
            .filter(|((method, part), _)| *method == wanted && *part == "test")
            .map(|(_, intervention)| intervention)
            .collect();
        found.sort();
        found
    };
    assert_eq!(of("measured"), of("lewm"));
    assert!(rows().all(|((method, part), _)| method == "measured" || part == "test"));
}

#[test]
fn an_intervention_is_held_out_in_one_context_alone() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let mut text = "plate,well,compound,dose_um,cell_line,f1,f2,f3\n".to_owned();
    for (plate, cell_line) in ["A549", "U2OS"].into_iter().enumerate() {
        for well in 0..24 {
            let (compound, dose) = match well {
                0..6 => ("DMSO", String::new()),
                _ => (["a", "b", "c"][well % 3], [1.0, 3.0, 10.0][(well / 3) % 3].to_string()),
            };
            let noise = |feature: usize| ((well * 7 + plate * 13 + feature * 29) % 17) as f64 / 8.0 - 1.0;
            let effect = if compound == "DMSO" { 0.0 } else { 2.0 };
            let values: Vec<String> = (0..3).map(|feature| (effect + noise(feature)).to_string()).collect();
            let (row, column) = (b'A' + (well / 12) as u8, well % 12 + 1);
            text +=
                &format!("P{plate},{}{column:02},{compound},{dose},{cell_line},{}\n", row as char, values.join(","));
        }
    }
    fs::write(at("wells.csv"), text).unwrap();
    let mut run = cytonaut(["run"]);
    run.arg(at("wells.csv")).arg("--out").arg(at("run")).args([
        "--steps=5",
        "--members=1",
        "--set=split.test=compound == a and context == A549",
    ]);
    finish(run, 0);
    let run = at("run").to_string_lossy().into_owned();
    let pairs = at("pairs.csv").to_string_lossy().into_owned();
    finish(cytonaut(["export", &run, "--out", &pairs]), 0);
    let (names, rows) = csv(&at("pairs.csv"));
    let column = |name: &str| names.iter().position(|own| own == name).unwrap();
    let tested: Vec<(&str, &str)> = rows
        .iter()
        .filter(|row| &row[column("part")] == "test")
        .map(|row| (&row[column("perturbation")], &row[column("context")]))
        .collect();
    assert!(!tested.is_empty() && tested.iter().all(|one| *one == ("a", "A549")), "{tested:?}");
    let trains = |row: &&csv::StringRecord| &row[column("perturbation")] == "a" && &row[column("context")] == "U2OS";
    assert!(rows.iter().filter(trains).any(|row| &row[column("part")] == "train"));
}

#[test]
fn shells_and_manuals_know_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        assert!(stdout(&["completions", shell], 0).contains("rank"), "{shell}");
    }
    assert!(stdout(&["man"], 0).contains(".TH"));
    assert!(stdout(&["man", "rank"], 0).contains("minimize"));
    let said = finish(cytonaut(["man", "rnk"]), 2);
    assert!(said.contains("no command `rnk`; there are run, "), "{said}");
}
