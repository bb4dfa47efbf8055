//! The page that a run leaves: what it holds, that names cannot break it, and that it is always the same.

use std::fs;
use std::path::Path;

use super::support::{cytonaut, files, finish, tiny_run};

/// A name that ends a script, opens another, and is quoted in several ways.
const HOSTILE: &str = "</script><script>alert('x')</script> & \"co\"";

/// Wells of three compounds at three doses on two plates; one of the compounds has a hostile name.
fn hostile_run(folder: &Path) -> std::process::Command {
    let mut text = "plate,well,compound,dose_um,moa,f1,f2,f3\n".to_owned();
    for plate in 0..2 {
        for well in 0..24 {
            let quoted = format!("\"{}\"", HOSTILE.replace('"', "\"\""));
            let (compound, dose) = match well {
                0..6 => ("DMSO", String::new()),
                _ => (["alpha", "beta", quoted.as_str()][well % 3], [1.0, 3.0, 10.0][(well / 3) % 3].to_string()),
            };
            let noise = |feature: usize| ((well * 7 + plate * 13 + feature * 29) % 17) as f64 / 8.0 - 1.0;
            let effect = if compound == "DMSO" { 0.0 } else { 1.0 + (well % 3) as f64 };
            let values: Vec<String> = (0..3).map(|feature| (effect + noise(feature)).to_string()).collect();
            let (row, column) = (b'A' + (well / 12) as u8, well % 12 + 1);
            let moa = if compound == "DMSO" { "" } else { compound };
            text += &format!("P{plate},{}{column:02},{compound},{dose},{moa},{}\n", row as char, values.join(","));
        }
    }
    fs::write(folder.join("wells.csv"), text).unwrap();
    let mut run = cytonaut(["run"]);
    run.arg(folder.join("wells.csv")).arg("--out").arg(folder.join("run")).args([
        "--steps=20",
        "--members=1",
        "--set=train.sigreg.slices=64",
        "--set=evaluate.bootstrap.resamples=200",
        "--set=rank.target=perturbation == \"alpha\"",
    ]);
    run
}

/// What stands between two marks of a text.
fn between<'a>(text: &'a str, begin: &str, end: &str) -> &'a str {
    text.split(begin).nth(1).and_then(|rest| rest.split(end).next()).unwrap_or_else(|| panic!("{begin}"))
}

#[test]
fn names_from_data_stay_text_and_the_page_needs_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    finish(hostile_run(folder.path()), 0);
    let page = fs::read_to_string(folder.path().join("run/report.html")).unwrap();
    // Two scripts, the data and our own, and none that a name opened.
    assert_eq!(page.matches("<script").count(), 2, "{page}");
    assert_eq!(page.matches("</script").count(), 2);
    assert!(!page.contains("alert('x')</script>") && page.contains("&lt;script&gt;alert(&#x27;x&#x27;)"), "{page}");
    let data = between(&page, "<script type=\"application/json\" id=\"data\">", "</script>");
    let data: serde_json::Value = serde_json::from_str(data).unwrap();
    let colorings = data["map"]["colorings"].as_array().unwrap();
    let perturbations = colorings.iter().find(|coloring| coloring["key"] == "perturbation").unwrap();
    let names: Vec<&str> =
        perturbations["categories"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert!(names.contains(&HOSTILE), "{names:?}");
    // Nothing is fetched: no address but the name space of SVG.
    let addresses: Vec<&str> =
        page.split("http").skip(1).filter(|rest| rest.starts_with(':') || rest.starts_with("s:")).collect();
    assert!(addresses.iter().all(|rest| rest.starts_with("://www.w3.org/2000/svg")), "{addresses:?}");
    assert!(!page.contains(" src=") && !page.contains("@import") && !page.contains("url("), "{page}");
    let text = fs::read_to_string(folder.path().join("run/report.txt")).unwrap();
    assert!(text.contains("Does it predict better than simple methods?"), "{text}");

    // Figures are XML.
    let mut report = cytonaut(["report"]);
    report.arg(folder.path().join("run")).arg("--figures").arg(folder.path().join("figures"));
    let said = finish(report, 0);
    let figures = files(&folder.path().join("figures"));
    assert!(figures.len() > 5 && said.contains(&format!("{} figures: ", figures.len())), "{said}");
    for (name, bytes) in figures {
        let text = String::from_utf8(bytes).unwrap();
        let parsed = roxmltree::Document::parse(&text);
        assert!(
            parsed.is_ok_and(|figure| figure.root_element().has_tag_name(("http://www.w3.org/2000/svg", "svg"))),
            "{}",
            name.display()
        );
    }
}

#[test]
fn the_page_is_drawn_from_the_folder_alone_and_always_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let said = finish(tiny_run(&run, &[]), 0);
    let path = run.join("report.html");
    assert!(said.trim_end().lines().any(|line| line == format!("report: {}", path.display())), "{said}");
    let page = fs::read_to_string(&path).unwrap();
    for part in [
        "<h1>bbbc021</h1>",
        "55 plates",
        "Does it predict better than simple methods?",
        "Can the ranking be believed?",
        "What to do next",
        "epothilone B 1 µM",
        "denoised_interpolation",
        "Error on validation treatments",
        "Microtubule stabilizers",
        "profiles.csv.gz",
        "Drawn from <code>metrics.jsonl</code>",
    ] {
        assert!(page.contains(part), "{part}");
    }
    assert!(page.len() < 1 << 20, "{} bytes", page.len());

    // Another place, nothing but the folder, and the same page.
    let moved = folder.path().join("elsewhere");
    fs::rename(&run, &moved).unwrap();
    let drawn = |out: &str| {
        let mut report = cytonaut(["report"]);
        report.arg(&moved).arg("--out").arg(folder.path().join(out));
        finish(report, 0);
        fs::read_to_string(folder.path().join(out)).unwrap()
    };
    assert!(drawn("again.html") == page, "the same run gives the same page");

    // A section whose file is not there is left out.
    for name in ["ranking.parquet", "metrics.jsonl", "embeddings.parquet"] {
        fs::remove_file(moved.join(name)).unwrap();
    }
    let page = drawn("less.html");
    for section in ["ranking", "training", "map"] {
        assert!(!page.contains(&format!("id=\"{section}\"")) && !page.contains(&format!("#{section}\"")), "{section}");
    }
    fs::remove_file(moved.join("evaluation.json")).unwrap();
    assert!(drawn("least.html").contains("not finished"));
}

#[test]
fn a_folder_without_a_run_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut report = cytonaut(["report"]);
    report.arg(folder.path());
    let said = finish(report, 2);
    assert!(said.contains("holds no run (expected a folder with a `manifest.json`)"), "{said}");
    assert!(fs::read_dir(folder.path()).unwrap().next().is_none());
}
