//! What a finished run says of one candidate, and candidates within constraints.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::support::{cytonaut, finish, tiny_run};

#[test]
fn a_place_in_a_ranking_is_explained_and_constraints_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run").to_string_lossy().into_owned();
    finish(tiny_run(&folder.path().join("run"), &[]), 0);
    let rank = |more: &[&str]| {
        let target = ["rank", &run, "--target", "moa == \"Actin disruptors\""];
        cytonaut(target.iter().chain(more).copied())
    };
    let lines = |text: &str| -> Vec<serde_json::Value> {
        text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect()
    };

    let ranking = lines(&finish(rank(&["--json", "--top", "500"]), 0));
    let n = ranking[0]["candidates"].as_u64().unwrap();
    let first = ranking[1]["intervention"].as_str().unwrap().to_owned();

    // A measured candidate: its place is that of the ranking, and its wells are those of the files.
    let said = finish(rank(&["--explain", &first]), 0);
    assert!(said.contains(&format!("{first}: rank 1 of {n}, score")), "{said}");
    assert!(said.contains("rests on: measured here") && said.contains("in-sample"), "{said}");
    assert!(said.contains("toward the target") && said.contains("by other methods"), "{said}");
    assert!(said.lines().all(|line| line.chars().count() <= 80), "{said}");
    let explained = lines(&finish(rank(&["--explain", &first, "--json"]), 0));
    assert_eq!(explained[0]["type"], "explanation");
    assert_eq!(explained[0]["score"], ranking[1]["score"]);
    let of = |kind: &str| explained.iter().filter(|line| line["type"] == kind).collect::<Vec<_>>();
    assert_eq!(of("well").len() as u64, ranking[1]["n_wells"].as_u64().unwrap());
    let way = |word: &str| of("feature").iter().filter(|line| line["way"] == word).count();
    // What leads the ranking moves more features toward the target than away from it.
    assert!(way("toward") > way("away"), "{} toward, {} away", way("toward"), way("away"));
    // Of wells, `measured` says the same as the mean of their own scores does, up to what a mean of latents changes.
    let measured = of("method").into_iter().find(|line| line["method"] == "measured").unwrap();
    assert!(measured["rank"].as_u64().unwrap() <= 5, "{measured}");
    assert!(of("method").iter().any(|line| line["method"] == "prior"));

    // A dose between measured ones is ranked too, and rests on its neighbors.
    let said = finish(rank(&["--explain", "taxol 0.5 µM"]), 0);
    assert!(said.contains(&format!("of {}, score", n + 1)), "{said}");
    assert!(said.contains("rests on: neighboring doses\n") && said.contains("another dose"), "{said}");
    for (asked, expected) in [("taxl@1", "no perturbation is called `taxl`"), ("taxol", "`taxol` needs a dose")] {
        let said = finish(rank(&["--explain", asked]), 2);
        assert!(said.contains(expected), "{said}");
    }
    let said = finish(cytonaut(["rank", &run, "--target", "", "--explain", "taxol 0.5 µM"]), 2);
    assert!(said.contains("give --target"), "{said}");

    // Constraints.
    let kept = lines(&finish(rank(&["--forbid", "taxol", "--forbid", "dose_um > 10", "--json", "--top", "500"]), 0));
    assert!(kept[1..].iter().all(|row| row["perturbation"] != "taxol" && row["dose_um"].as_f64().unwrap() <= 10.0));
    let left_out = n - kept[0]["candidates"].as_u64().unwrap();
    let remark = kept[0]["remarks"].to_string();
    assert!(left_out > 0 && remark.contains(&format!("{left_out} of {n} candidates are left out")), "{remark}");
    let only = lines(&finish(rank(&["--require", "moa == \"Microtubule stabilizers\"", "--json"]), 0));
    assert!(only.len() > 1 && only[1..].iter().all(|row| row["moa"] == "Microtubule stabilizers"));
    let pairs = ["--candidates", "pairs", "--by", "additive", "--max-total-dose", "0.5", "--json"];
    let pairs = lines(&finish(rank(&pairs), 0));
    assert!(pairs.len() > 1 && pairs[0]["remarks"].to_string().contains("of more than 0.5 µM in total"));
    let said = finish(rank(&["--min-cells", "0.9"]), 2);
    assert!(said.contains("needs counts of treated and control wells"), "{said}");
    let said = finish(rank(&["--require", "taxl"]), 2);
    assert!(said.contains("`taxl` is neither an agent of the screen nor a query; did you mean `taxol`?"), "{said}");
    let said = finish(rank(&["--require", "taxol", "--forbid", "taxol"]), 2);
    assert!(said.contains("candidates is left"), "{said}");
    let said = finish(cytonaut(["rank", &run, "--target", "", "--forbid", "taxol"]), 2);
    assert!(said.contains("give --target or --minimize"), "{said}");

    // What is far from what was measured comes last, and is said.
    let library = folder.path().join("library.csv");
    std::fs::write(&library, "perturbation,dose_um\ntaxol,0.5\ntaxol,5000\n").unwrap();
    let far = |how: &str| {
        let library = library.to_string_lossy().into_owned();
        lines(&finish(rank(&["--candidates", &library, "--far", how, "--json"]), 0))
    };
    let last = far("last");
    assert_eq!(last[2]["dose_um"], 5000.0);
    assert!(last[0]["remarks"].to_string().contains("ranked below all others"), "{}", last[0]);
    assert_eq!(far("leave_out").len(), 2);
}

/// The cells of a table, by name of the column.
fn table(path: &Path) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_path(path).unwrap();
    let names: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    let rows = reader.records().map(Result::unwrap);
    rows.map(|row| names.iter().cloned().zip(row.iter().map(str::to_owned)).collect()).collect()
}

#[test]
fn the_next_plates_are_planned_moved_and_read_back_as_a_plate_map() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    finish(tiny_run(&folder.path().join("run"), &[]), 0);
    let (run, grid) = (at("run"), at("grid.parquet"));
    finish(cytonaut(["rank", &run, "--dose-grid", "--out", &grid]), 0);
    let (plate, transfers) = (at("plate.csv"), at("transfers.csv"));
    let plan = |more: &[&str]| {
        let all = ["plan-plate", &grid, "--confirm", "3", "--new", "10", "--out", &plate];
        cytonaut(all.iter().chain(more).copied())
    };
    let stocks = at("stocks.csv");
    let names = ranked_names(&grid);
    // The stronger of two stocks makes large doses, the weaker small ones.
    let rows: String = names.iter().map(|name| format!("\"{name}\",10\n\"{name}\",0.1\n\"{name}\",0.0005\n")).collect();
    std::fs::write(&stocks, format!("perturbation,stock_mm\n{rows}")).unwrap();
    let moving = ["--transfer", &transfers, "--stock", &stocks, "--most-solvent", "5"];
    let said = finish(plan(&moving), 0);
    assert!(said.contains("each on 3 plates of its own: 3 to confirm") && said.contains("transfers: "), "{said}");
    assert!(said.lines().filter(|line| !line.contains('/')).all(|line| line.chars().count() <= 80), "{said}");

    let wells = table(Path::new(&plate));
    let treated: Vec<_> = wells.iter().filter(|row| row["role"] == "trt").collect();
    let n_picks = treated.len() / 3;
    assert!(treated.len().is_multiple_of(3) && (13..=19).contains(&n_picks), "{} treated wells", treated.len());
    // Every dose that is planned is made, to a tenth.
    let moved = table(Path::new(&transfers));
    for well in &treated {
        let made = moved.iter().find(|row| {
            row["destination_plate"] == well["plate"]
                && row["destination_well"] == well["well"]
                && row["content"] == well["perturbation"]
        });
        let dose = |row: &BTreeMap<String, String>| row["dose_um"].parse::<f64>().unwrap();
        assert!((dose(made.unwrap()) / dose(well) - 1.0).abs() <= 0.1, "{well:?} {made:?}");
    }
    let first = std::fs::read(&plate).unwrap();
    finish(plan(&[]), 0);
    assert!(std::fs::read(&plate).unwrap() == first, "the same seed gives another plan");
    finish(plan(&["--seed", "1"]), 0);
    assert!(std::fs::read(&plate).unwrap() != first, "another seed gives the same plan");
    std::fs::write(&plate, &first).unwrap();

    // Profiles that come back from these plates find what was done in the map.
    let profiles = at("profiles.csv");
    let lines: String = wells
        .iter()
        .enumerate()
        .map(|(row, well)| {
            let value = |feature: usize| ((row * 7919 + feature * 104_729) % 1000) as f64 / 1000.0;
            format!("{},{},{},{},{}\n", well["plate"], well["well"], value(1), value(2), value(3))
        })
        .collect();
    std::fs::write(&profiles, format!("plate,well,area,texture,intensity\n{lines}")).unwrap();
    let said = finish(cytonaut(["inspect", &profiles, &plate]), 0);
    assert!(said.contains(&format!("{0} of {0} rows found", wells.len())), "{said}");
    assert!(said.contains(&format!("{n_picks} ")) && said.contains("DMSO"), "{said}");

    for (more, expected) in [
        (["--plate", "100"].as_slice(), "96, 384 or 1536 wells, not 100"),
        (&["--transfer", &transfers, "--stock", "10"], "neither a file nor a concentration with its unit"),
        (&["--transfer", &transfers, "--stock", "10mM"], "add an intermediate stock of at most"),
    ] {
        let said = finish(plan(more), 2).replace('\n', " ");
        assert!(said.contains(expected), "{said}");
    }
}

/// The names of the perturbations of a ranking.
fn ranked_names(path: &str) -> BTreeSet<String> {
    let ranking = cytonaut::plan::Ranking::read(Path::new(path)).unwrap();
    ranking.rows.iter().map(|row| row.intervention.perturbation_names()).collect()
}
