//! A finished run serves tables that it has never seen.

use std::fs;
use std::io::Read;
use std::path::Path;

use cytonaut::embed::Embeddings;
use cytonaut::plan::Ranking;

use super::support::{cytonaut, finish, tiny_run};

/// The bundled table: names of its columns, and its rows.
fn bundled() -> (Vec<String>, Vec<csv::StringRecord>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets/bbbc021/profiles.csv.gz");
    let mut text = String::new();
    flate2::read::GzDecoder::new(fs::File::open(path).unwrap()).read_to_string(&mut text).unwrap();
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let names = reader.headers().unwrap().iter().map(str::to_owned).collect();
    (names, reader.records().map(Result::unwrap).collect())
}

/// Writes `rows` without the columns called `without`.
fn write<'a>(path: &Path, names: &[String], rows: impl IntoIterator<Item = &'a csv::StringRecord>, without: &[&str]) {
    let kept: Vec<usize> = (0..names.len()).filter(|&column| !without.contains(&names[column].as_str())).collect();
    let mut writer = csv::Writer::from_path(path).unwrap();
    writer.write_record(kept.iter().map(|&column| &names[column])).unwrap();
    for row in rows {
        writer.write_record(kept.iter().map(|&column| &row[column])).unwrap();
    }
    writer.flush().unwrap();
}

#[test]
fn unseen_plates_are_embedded_predicted_ranked_and_evaluated() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (names, rows) = bundled();
    let mut plates: Vec<&str> = rows.iter().map(|row| &row[0]).collect();
    plates.sort_unstable();
    plates.dedup();
    let is_seen = |row: &&csv::StringRecord| plates.iter().position(|plate| *plate == &row[0]).unwrap() % 2 == 0;
    write(&at("seen.csv"), &names, rows.iter().filter(is_seen), &[]);
    let unseen: Vec<&csv::StringRecord> = rows.iter().filter(|row| !is_seen(row)).collect();
    write(&at("unseen.csv"), &names, unseen.iter().copied(), &[]);
    let text = |name: &str| at(name).to_string_lossy().into_owned();
    let (run, seen, unseen_csv) = (text("run"), text("seen.csv"), text("unseen.csv"));
    finish(tiny_run(&at("run"), &["--files", &seen]), 0);

    let command = |arguments: &[&str]| cytonaut(arguments.iter().copied());
    let embeddings = text("embeddings.parquet");
    let said = finish(command(&["embed", &run, &unseen_csv, "--out", &embeddings]), 0);
    assert!(said.contains(&format!("{} rows of ", unseen.len())) && said.contains(" latent dimensions"), "{said}");
    let all = text("members.parquet");
    let said = finish(command(&["embed", &run, &unseen_csv, "--members", "--out", &all]), 0);
    assert!(said.contains(&format!("{} rows of 32 latent dimensions", unseen.len())), "{said}");
    let read = Embeddings::read(&at("embeddings.parquet")).unwrap();
    assert!(read.units.by_row().zip(&unseen).all(|(unit, row)| unit.plate == row[0]));
    assert!(read.latents.values().iter().all(|value| value.is_finite()));

    // A plate is normalized by its own controls, so it embeds the same whatever lies beside it.
    let one_plate = text("one_plate.csv");
    let alone: Vec<&csv::StringRecord> = unseen.iter().copied().filter(|row| row[0] == unseen[0][0]).collect();
    write(&at("one_plate.csv"), &names, alone.iter().copied(), &[]);
    finish(command(&["embed", &run, &one_plate, "--out", &text("one.parquet")]), 0);
    let one = Embeddings::read(&at("one.parquet")).unwrap();
    for (row, unit) in one.units.by_row().enumerate() {
        let same =
            |other: &&usize| read.units.of(**other).plate == unit.plate && read.units.of(**other).well == unit.well;
        let other = *(0..read.units.n_rows()).collect::<Vec<_>>().iter().find(same).unwrap();
        for (found, expected) in one.latents.row(row).iter().zip(read.latents.row(other)) {
            assert!((found - expected).abs() < 1e-4, "{found} is not {expected}");
        }
    }

    let predictions = text("predictions.parquet");
    let predict = |intervention: &str| {
        command(&["predict", &run, &unseen_csv, "--intervention", intervention, "--out", &predictions])
    };
    let said = finish(predict("taxol@0.5"), 0);
    assert!(said.contains("taxol 0.5 µM") && said.contains("predicted by combined"), "{said}");
    // What is printed is read, and so is much of what is typed.
    finish(predict("taxol 0.5 µM"), 0);
    let said = finish(predict("TAXOL@500nM"), 0);
    assert!(said.contains("`TAXOL` is read as `taxol`"), "{said}");
    let said = finish(predict("taxol@100000"), 0);
    assert!(said.contains("100000 µM is far beyond"), "{said}");
    // An unmeasured pair is predicted; what cannot be is a question, and the file stays.
    finish(predict("taxol@0.5+demecolcine@0.7"), 0);
    let good = fs::read(&predictions).unwrap();
    for (intervention, expected) in [
        ("taxol@10 parsec", "`10 parsec` of `taxol` is not a dose"),
        ("taxol", "`taxol` needs a dose; measured are"),
        ("taxl@0.5", "no perturbation is called `taxl`; did you mean `taxol`?"),
        ("no such compound@1", "no perturbation is called `no such compound`; there are `"),
    ] {
        let said = finish(predict(intervention), 2);
        assert!(said.contains(expected), "{said}");
        assert!(fs::read(&predictions).unwrap() == good, "the file was replaced");
    }

    let target = "moa == \"Actin disruptors\"";
    finish(command(&["rank", &run, &unseen_csv, "--target", target, "--out", &text("ranking.parquet")]), 0);
    let ranking = Ranking::read(&at("ranking.parquet")).unwrap();
    assert!(ranking.rows.len() > 20, "{} candidates", ranking.rows.len());

    // A table of candidates in place of the screen's own; what the model does not know is said, not guessed.
    let library = text("library.csv");
    fs::write(&library, "perturbation,dose_um\ntaxol,0.05\ntaxol,0.5\nunobtainium,1\n").unwrap();
    let from_file = |by: &str, out: &str| {
        let arguments = ["rank", &run, "--target", target, "--candidates", &library, "--by", by, "--out", out];
        finish(command(&arguments), 0)
    };
    for by in ["lewm", "combined", "interpolation"] {
        let said = from_file(by, &text("library.parquet"));
        assert!(
            said.replace('\n', " ")
                .contains("not ranked: unobtainium 1 µM: `unobtainium` was not in training and has no descriptor"),
            "{said}"
        );
        let ranking = Ranking::read(&at("library.parquet")).unwrap();
        let mut names: Vec<String> = ranking.rows.iter().map(|row| row.intervention.to_string()).collect();
        names.sort();
        assert_eq!(names, ["taxol 0.05 µM", "taxol 0.5 µM"]);
        assert_eq!(ranking.abstained.len(), 1);
    }
    fs::write(&library, "perturbation,dose_um\ntaxol,0.05 mg\n").unwrap();
    let pairs = command(&["rank", &run, "--target", target, "--candidates", "pairs", "--by", "lewm", "--top", "1"]);
    assert!(finish(pairs, 0).contains("combination not measured"));
    let said = finish(command(&["rank", &run, "--target", target, "--candidates", &library]), 1);
    assert!(
        said.contains("library.csv:2: column `dose_um` holds \"0.05 mg\", expected a positive number of µM"),
        "{said}"
    );
    let said = finish(command(&["rank", &run, "--target", "moa is best"]), 2);
    assert!(said.contains("moa is best"), "{said}");
    let said = finish(command(&["rank", &run, "--target", "moa == \"No such\""]), 2);
    assert!(said.contains("No such"), "{said}");
    let said = finish(command(&["rank", &run, "--target", target, "--by", "guess"]), 2);
    assert!(said.contains("`guess` cannot rank; choose one of lewm, combined"), "{said}");
    let said = finish(command(&["rank", &run, "--target", target, "--by", "additive"]), 2);
    let line = said.replace('\n', " ");
    assert!(line.contains("it is not a combination whose members are all in training, and "), "{said}");

    let scores = text("scores.parquet");
    let said = finish(command(&["evaluate", &run, &unseen_csv, "--out", &scores]), 0);
    assert!(said.contains("interpolation"), "{said}");
    assert!(at("scores.parquet").exists());
    let said = finish(command(&["evaluate", &run, "--out", &scores, "--require-beat", "guess"]), 2);
    assert!(said.contains("guess"), "{said}");

    // What a table lacks is named, and nothing is guessed in its place.
    let lacking = text("lacking.csv");
    let trained_run: Vec<String> = {
        let normalizer: serde_json::Value =
            serde_json::from_str(&fs::read_to_string(at("run/normalizer.json")).unwrap()).unwrap();
        names.iter().filter(|name| normalizer.to_string().contains(&format!("\"{name}\""))).cloned().collect()
    };
    let feature = trained_run.iter().find(|name| name.starts_with("Nuclei_")).unwrap();
    write(&at("lacking.csv"), &names, unseen.iter().copied(), &[feature]);
    for arguments in [
        vec!["embed", &run, &lacking, "--out", &embeddings],
        vec!["predict", &run, &lacking, "--out", &predictions],
        vec!["rank", &run, &lacking, "--target", target],
        vec!["evaluate", &run, &lacking],
    ] {
        let said = finish(command(&arguments), 1);
        assert!(said.contains(feature.as_str()), "{said}");
    }
}

#[test]
fn a_run_of_another_version_is_opened_with_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    finish(tiny_run(&run, &[]), 0);
    let manifest = fs::read_to_string(run.join("manifest.json")).unwrap();
    let now = format!("\"{}\"", env!("CARGO_PKG_VERSION"));
    assert_eq!(manifest.matches(&now).count(), 1, "{manifest}");
    fs::write(run.join("manifest.json"), manifest.replace(&now, "\"0.0.9\"")).unwrap();
    let mut embed = cytonaut(["embed"]);
    embed.arg(&run).arg("--out").arg(folder.path().join("latents.parquet"));
    for command in [embed, tiny_run(&run, &[])] {
        let said = finish(command, 0);
        assert!(said.contains("run: started by cytonaut 0.0.9, and this is cytonaut"), "{said}");
    }
}

#[test]
fn a_folder_that_is_no_run_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_string_lossy().into_owned();
    for arguments in [vec!["evaluate", &path], vec!["rank", &path, "--target", "moa == \"x\""]] {
        let said = finish(cytonaut(arguments), 2);
        assert!(said.contains("is not a run folder"), "{said}");
    }
}

/// The bytes of all files of a folder, by name.
fn bytes_of(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<(String, Vec<u8>)> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(&path).unwrap()))
        .collect();
    files.sort();
    files
}

#[test]
fn a_run_folder_answers_on_another_machine() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("screen")).unwrap();
    for name in ["profiles.csv.gz", "dataset.toml"] {
        fs::copy(Path::new("datasets/bbbc021").join(name), at("screen").join(name)).unwrap();
    }
    let card = format!("data.card=\"{}\"", at("screen/dataset.toml").display());
    finish(tiny_run(&at("run"), &["--set", &card]), 0);
    let (names, rows) = bundled();
    write(&at("new.csv"), &names, rows.iter().take(120), &[]);
    let new = at("new.csv");
    let new = new.to_str().unwrap();
    let answers = |run: &Path, out: &Path| {
        fs::create_dir(out).unwrap();
        let target = ["--target", "moa == \"Actin disruptors\""];
        let asked: [(&str, &[&str]); 6] = [
            ("rank", &target),
            ("rank", &[]),
            ("predict", &["--intervention", "taxol@0.1"]),
            ("evaluate", &[]),
            ("embed", &[]),
            ("embed", &[new]),
        ];
        for (number, (verb, arguments)) in asked.into_iter().enumerate() {
            let mut command = cytonaut([verb]);
            // From another working directory, where relative paths of the configuration would lead nowhere.
            command.current_dir(folder.path()).arg(run).args(arguments);
            command.arg("--out").arg(out.join(format!("{number}.csv")));
            finish(command, 0);
        }
        bytes_of(out)
    };
    let here = answers(&at("run"), &at("here"));
    assert_eq!(here.len(), 6);
    fs::rename(at("run"), at("elsewhere")).unwrap();
    fs::remove_dir_all(at("screen")).unwrap();
    assert_eq!(answers(&at("elsewhere"), &at("there")), here);
}
