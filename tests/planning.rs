//! What a finished run says of one candidate, and candidates within constraints.

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
