//! From images to readouts: disks that grow with the dose, followed over three frames.

use super::support::time_lapse::{Disks, write_screen};
use super::support::{assert_same, cytonaut, finish, number, run_of};

#[test]
fn growth_of_tracked_objects_is_read_out_of_predictions_at_unseen_doses() {
    let folder = tempfile::tempdir().unwrap();
    write_screen(folder.path(), &Disks { n_wells: 12, n_frames: 3, side: 64 });
    let said = finish(run_of(folder.path(), "one", &[]), 0);
    assert!(said.contains("left out 24 rows: objects of tracks that lack a frame"), "{said}");
    assert!(said.contains("12 wells of 6 conditions"), "{said}");
    let rmse = |method| number(&said, method, 1);
    assert!(rmse("no_change") > 0.3, "the disks grow: {said}");
    assert!(rmse("lewm") < 0.5 * rmse("no_change"), "{said}");
    assert!(rmse("true_frame") < 0.5 * rmse("no_change"), "{said}");
    assert!(rmse("interpolation") < rmse("nearest_dose"), "{said}");
    finish(run_of(folder.path(), "two", &[]), 0);
    assert_same(&folder.path().join("two"), &folder.path().join("one"));
    for fold in 0..3 {
        let images = folder.path().join(format!("one/fold-{fold}/images"));
        assert_eq!(std::fs::read_dir(images).unwrap().count(), 4, "two conditions of two wells are tested");
    }
}

#[test]
fn a_time_lapse_is_ranked_toward_its_most_swollen_wells() {
    let folder = tempfile::tempdir().unwrap();
    write_screen(folder.path(), &Disks { n_wells: 12, n_frames: 3, side: 64 });
    let run = folder.path().join("run");
    let settings = ["evaluate.all_folds=false", "split.folds=0", "model.predictor.head=anchored", "rank.by=lewm"];
    finish(run_of(folder.path(), "run", &settings.map(|setting| ["--set", setting]).concat()), 0);
    let page = std::fs::read_to_string(run.join("report.html")).unwrap();
    assert!(page.contains("id=\"map\"") && page.contains("id=\"training\"") && !page.contains("id=\"ranking\""));
    let ranked = |more: &[&str], code| {
        let mut command = cytonaut(["rank"]);
        command.arg(&run).args(["--target", "drug >= 3", "--json"]).args(more);
        finish(command, code)
    };
    let interventions = |said: &str| -> Vec<String> {
        let field = |line: &str| Some(line.split("\"intervention\":\"").nth(1)?.split('"').next()?.to_owned());
        said.lines().filter_map(field).collect()
    };
    let measured = interventions(&ranked(&[], 0));
    assert_eq!(measured.len(), 6, "one candidate for each condition, whatever the frame: {measured:?}");
    assert_eq!(measured[0], "drug 3.16228 µM", "{measured:?}");
    assert_eq!(measured[5], "drug 0.01 µM", "{measured:?}");
    assert_eq!(ranked(&[], 0).matches("\"n_wells\":2").count(), 6, "each condition was measured in two wells");
    let refused = ranked(&["--by", "combined"], 2);
    assert!(refused.contains("`lewm`, as the screen is a time lapse"), "{refused}");
}
