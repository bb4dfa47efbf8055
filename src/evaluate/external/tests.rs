//! Values by hand, by scipy, and by the programs of the Arc Institute (`tests/oracles/arc_metrics.py`).

use std::fs;
use std::path::{Path, PathBuf};

use super::differential::{ByGene, Differences, rank_sum_p};
use super::*;
use crate::load::ResponseColumns;

const CONTROL: &str = "non-targeting";

fn close(found: f64, expected: f64, tolerance: f64, what: &str) {
    assert!((found - expected).abs() <= tolerance, "{what}: {found}, expected {expected}");
}

/// Writes tables into a folder and scores one against the other.
fn scored(truth: &str, predicted: &str, settings: &ExternalSettings) -> Result<ExternalScores, EvaluateError> {
    let folder = tempfile::tempdir().unwrap();
    let written = |name: &str, text: &str| -> PathBuf {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let columns = ResponseColumns::default();
    let truth = Responses::open(&written("truth.csv", truth), &columns)?;
    let predicted = Responses::open(&written("predicted.csv", predicted), &columns)?;
    score_responses(&truth, &predicted, settings)
}

fn few_draws() -> ExternalSettings {
    ExternalSettings { bootstrap: Bootstrap { resamples: 200, seed: 0 }, few_features: false }
}

const TRUTH: &str = "compound,f1,f2,f3\nDMSO,1.5,0.5,0.5\nDMSO,0.5,-0.5,-0.5\na,2,-1,0\nb,1,2,1\nc,0,1,-3\n";
const PREDICTED: &str = "compound,f1,f2,f3\na,3,-2,0\nb,1,1,0\nc,1,0,0\n";

#[test]
fn scores_of_a_small_table_are_those_by_hand() {
    // The control is (1, 0, 0); changes are a (1, -1, 0), b (0, 2, 1), c (-1, 1, -3), predicted (2, -2, 0), (0, 1, 0), 0.
    let scores = scored(TRUTH, PREDICTED, &few_draws()).unwrap();
    let each = |metric: Metric, predictor: Predictor| -> Vec<Option<f64>> {
        let items = scores.items.iter().filter(|item| item.metric == metric && item.predictor == predictor);
        items.map(|item| item.value).collect()
    };
    let check = |metric: Metric, predictor: Predictor, expected: [f64; 3]| {
        for (found, expected) in each(metric, predictor).into_iter().zip(expected) {
            close(found.unwrap(), expected, 1e-6, metric.word());
        }
    };
    let own = Predictor::Predictions;
    check(Metric::MaeDelta, own, [2.0 / 3.0, 2.0 / 3.0, 5.0 / 3.0]);
    check(Metric::MseDelta, own, [2.0 / 3.0, 2.0 / 3.0, 11.0 / 3.0]);
    check(Metric::CosineDelta, own, [1.0, 2.0 / 5f64.sqrt(), 0.0]);
    // b: (0, 2, 1) and (0, 1, 0) less their means are (-1, 1, 0) and (-1/3, 2/3, -1/3).
    check(Metric::PearsonDelta, own, [1.0, 1.0 / (2.0f64 * 2.0 / 3.0).sqrt(), 0.0]);
    // L1 of a to a, b, c: 2, 7, 9; of b: 3, 2, 4; of c: 2, 3, 5.
    check(Metric::PdsL1, own, [1.0, 1.0, 1.0 / 3.0]);
    // Squared distances of a: 2, 21, 27; of b: 5, 2, 10; of c: 2, 5, 11.
    check(Metric::CentroidAccuracy, own, [1.0, 1.0, 0.0]);
    // Columns of these: c is predicted best by b, 10, then c, 11, then a, 27; for a both a and c err by 2.
    check(Metric::Rank, own, [0.5 / 3.0, 0.0, 1.0 / 3.0]);
    // Of the mean response of the others: a (-1/2, 3/2, -1), b (0, 0, -3/2), c (1/2, 1/2, 1/2).
    check(Metric::MaeDelta, Predictor::MeanResponse, [5.0 / 3.0, 1.5, 5.5 / 3.0]);
    check(Metric::MaeDelta, Predictor::NoChange, [2.0 / 3.0, 1.0, 5.0 / 3.0]);
    check(Metric::PearsonDeltaShift, Predictor::MeanResponse, [0.0; 3]);
    let mean = scores.row(Metric::CentroidAccuracy, Predictor::MeanResponse).unwrap();
    close(mean.estimate.mean, 0.5, 1e-12, "one vector for all items");
    assert!(scores.row(Metric::MseDelta, own).unwrap().scale.is_none(), "one row has no duplicate");
    assert!(scores.notes.iter().any(|note| note.contains("there is no technical duplicate")), "{:?}", scores.notes);
}

#[test]
fn the_scale_is_0_at_the_mean_response_and_1_at_the_duplicate() {
    let mut truth = "compound,f1,f2,f3\n".to_owned();
    let mut draws = Draws(7);
    let mut noise = || f64::from(draws.next()) / 65_536.0 - 0.5;
    for compound in 0..16 {
        for _ in 0..4 {
            let effect = [(compound % 4) as f64, (compound / 4) as f64, -1.0];
            let row: Vec<String> = effect.iter().map(|effect| (effect + 0.3 * noise()).to_string()).collect();
            truth += &format!("c{compound},{}\n", row.join(","));
        }
    }
    for _ in 0..8 {
        truth += &format!("DMSO,{},{},{}\n", noise(), noise(), noise());
    }
    let scores = scored(&truth, &truth, &few_draws()).unwrap();
    for metric in [Metric::PearsonDelta, Metric::MseDelta, Metric::PdsL1, Metric::Rank] {
        let scale = |predictor| scores.row(metric, predictor).unwrap().scale.unwrap();
        close(scale(Predictor::MeanResponse), 0.0, 1e-9, metric.word());
        close(scale(Predictor::Duplicate), 1.0, 1e-9, metric.word());
        assert!(scale(Predictor::Predictions) >= 1.0 - 1e-9, "the truth itself is no worse than its half");
    }
    let row = scores.row(Metric::MseDelta, Predictor::Predictions).unwrap();
    assert!(row.duplicate_wins.unwrap().mean > 0.9);
    assert!(!scores.doubtful().iter().any(|(metric, _)| *metric == Metric::MseDelta));
    // Rows in another order are the same screen; only the halves are other ones.
    let mut lines: Vec<&str> = truth.lines().collect();
    lines[1..].reverse();
    let reversed = scored(&lines.join("\n"), &truth, &few_draws()).unwrap();
    for metric in [Metric::PearsonDelta, Metric::MseDelta, Metric::CentroidAccuracy] {
        let of = |scores: &ExternalScores| scores.row(metric, Predictor::Predictions).unwrap().estimate.mean;
        close(of(&reversed), of(&scores), 1e-6, metric.word());
    }
}

#[test]
fn duplicates_that_say_nothing_are_pointed_at() {
    // Pure noise: one half of the rows says nothing of the other, and the mean response is nearer.
    let mut draws = Draws(3);
    let mut truth = "compound,f1,f2,f3,f4\n".to_owned();
    for row in 0..60 {
        let name = if row < 48 { format!("c{}", row % 12) } else { "DMSO".to_owned() };
        let values: Vec<String> = (0..4).map(|_| (f64::from(draws.next()) / 65_536.0).to_string()).collect();
        truth += &format!("{name},{}\n", values.join(","));
    }
    let scores = scored(&truth, &truth, &few_draws()).unwrap();
    assert!(scores.doubtful().iter().any(|(metric, _)| *metric == Metric::MseDelta));
    let words = scores.to_text().replace('\n', " ");
    assert!(words.contains("On these data ") && words.contains("mse_delta ("), "{words}");
    assert!(scores.to_text().lines().all(|line| line.chars().count() <= 80));
}

#[test]
fn rank_sum_tests_agree_with_scipy() {
    // scipy 1.17.1: mannwhitneyu(x, y, alternative="two-sided", method="asymptotic").
    let p = |x: &[f32], n: usize, y: &[f32], m: usize| rank_sum_p((x, n), (y, m), super::differential::ties(y));
    close(p(&[1.0, 2.0, 2.0, 5.0], 6, &[1.0, 1.0, 2.0, 3.0], 8), 0.455_558_117_013_009_4, 1e-9, "counts");
    let (x, y) = ([-1.0, 0.5, 3.0, 4.0, 4.0, 9.0], [-2.0, -1.0, 0.5, 1.0]);
    close(p(&x, 7, &y, 8), 0.066_983_025_984_852_03, 1e-9, "values below zero");
    close(p(&[], 3, &[], 4), 1.0, 0.0, "zeros alone");
    close(
        p(&[7.0, 8.0, 9.0, 10.0, 11.0], 5, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 6),
        0.008_113_117_265_565_78,
        1e-9,
        "apart",
    );
}

#[test]
fn genes_expressed_differently_are_compared_as_by_hand() {
    let differences = |adjusted: [f64; 5], log2_fold_change: [f64; 5]| Differences {
        p: adjusted.to_vec(),
        log2_fold_change: log2_fold_change.to_vec(),
        geometric: log2_fold_change.to_vec(),
        adjusted: adjusted.to_vec(),
        adjusted_expressed: adjusted.to_vec(),
    };
    let names: Vec<String> = (0..5).map(|gene| format!("g{gene}")).collect();
    let measured = differences([0.01, 0.01, 0.01, 0.01, 0.5], [1.0, -2.0, 3.0, 0.5, 0.1]);
    let predicted = differences([0.001, 0.04, 0.6, 0.7, 0.01], [2.0, 1.0, 1.0, -1.0, 4.0]);
    let found = expression::agreement(&measured, &predicted, &[], &names);
    // The three called genes are 4, 0 and 1, of which 0 and 1 are among the four of the truth.
    close(found[0].unwrap(), 0.5, 1e-12, "overlap");
    close(found[1].unwrap(), 2.0 / 5.0, 1e-12, "jaccard");
    // Genes 0 and 4 have the right sign, gene 1 has not; the truth has four.
    close(found[2].unwrap(), 2.0 / 4.0, 1e-12, "fidelity");
    // In the order 0 right, 1 wrong, 2 right, 3 wrong only the first is as pure as 0.9.
    close(found[3].unwrap(), 0.25, 1e-12, "reach");
    assert_eq!(found[4], None, "four genes are fewer than ten");
    let without = expression::agreement(&measured, &predicted, &[1], &names);
    close(without[1].unwrap(), 1.0 / 4.0, 1e-12, "without a target");
    let nothing = Differences::none(5);
    let both = expression::agreement(&nothing, &nothing, &[], &names);
    assert_eq!(both, [Some(0.0), Some(1.0), None, None, None]);
}

#[test]
fn energy_distances_of_points_on_a_line() {
    // 2 (1 + 3 + 1 + 1) / 4 - 2 - 2.
    let distance = |left: &[f32], right: &[f32]| {
        let rows = |values: &[f32]| energy::Rows::new(values.to_vec(), 1);
        energy::energy_distance(&rows(left), &rows(right))
    };
    close(distance(&[0.0, 2.0], &[1.0, 3.0]).unwrap(), -1.0, 1e-6, "near");
    // 2 * 11 - 2 - 2, of {0, 2} and {11, 13}.
    close(distance(&[0.0, 2.0], &[11.0, 13.0]).unwrap(), 18.0, 1e-5, "far");
    assert_eq!(distance(&[0.0], &[1.0, 2.0]), None);
}

/// The generator of `tests/oracles/arc_metrics.py`.
struct Draws(u32);

impl Draws {
    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        self.0 >> 16
    }
}

const N_PERTURBATIONS: u64 = 12;
const N_GENES: u64 = 60;

fn thirds(perturbation: Option<u64>, gene: u64, is_predicted: bool) -> u64 {
    let Some(perturbation) = perturbation else { return 3 };
    if gene == perturbation {
        return 1;
    }
    let effect = if gene.is_multiple_of(5) { 6 } else { 3 };
    match (perturbation * 31 + gene * 17) % 11 {
        0 => effect * if is_predicted { 2 } else { 3 },
        1 if !is_predicted => 1,
        2 if is_predicted && gene.is_multiple_of(2) => effect * 2,
        _ => effect,
    }
}

fn cells(draws: &mut Draws, perturbation: Option<u64>, n: usize, is_predicted: bool) -> Vec<Vec<u64>> {
    let mut count = |gene: u64| {
        let (first, second) = (u64::from(draws.next()), u64::from(draws.next()));
        let rate = (5 + (13 * gene) % 55) * thirds(perturbation, gene, is_predicted);
        (first * second * rate / 3) >> 32
    };
    (0..n).map(|_| (0..N_GENES).map(&mut count).collect()).collect()
}

/// The generated screen as CSV, of counts or of their logarithms, with the sum of the counts.
fn generated(seed: u32, is_predicted: bool, control: &[Vec<u64>], is_log: bool) -> (String, Vec<Vec<u64>>, u64) {
    let mut draws = Draws(seed);
    let mut rows: Vec<(String, Vec<u64>)> = Vec::new();
    for perturbation in 0..N_PERTURBATIONS {
        let cells = cells(&mut draws, Some(perturbation), 24, is_predicted);
        rows.extend(cells.into_iter().map(|cell| (format!("G{perturbation}"), cell)));
    }
    let control = if control.is_empty() { cells(&mut draws, None, 60, is_predicted) } else { control.to_vec() };
    rows.extend(control.iter().map(|cell| (CONTROL.to_owned(), cell.clone())));
    let genes: Vec<String> = (0..N_GENES).map(|gene| format!("G{gene}")).collect();
    let mut text = format!("target_gene,{}\n", genes.join(","));
    for (name, counts) in &rows {
        let total: u64 = counts.iter().sum();
        let value = |count: &u64| match is_log {
            true => ((*count as f64 / total as f64 * 1e4).ln_1p() as f32).to_string(),
            false => count.to_string(),
        };
        text += &format!("{name},{}\n", counts.iter().map(value).collect::<Vec<_>>().join(","));
    }
    let sum = rows.iter().flat_map(|(_, counts)| counts).sum();
    (text, control, sum)
}

fn oracle() -> serde_json::Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracles/arc_metrics.json");
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// Compares the scores of each perturbation with a list in the order `G0`, `G1`, ….
fn check_each(scores: &ExternalScores, metric: Metric, expected: &serde_json::Value, tolerance: f64) {
    for (perturbation, expected) in expected.as_array().unwrap().iter().enumerate() {
        let name = format!("G{perturbation}");
        let is_of = |item: &&ExternalItem| {
            item.metric == metric && item.predictor == Predictor::Predictions && item.name == name
        };
        let found = scores.items.iter().find(is_of).unwrap().value;
        match (found, expected.as_f64()) {
            (Some(found), Some(expected)) => close(found, expected, tolerance, &format!("{} of {name}", metric.word())),
            (found, expected) => assert_eq!(found, expected, "{} of {name}", metric.word()),
        }
    }
}

#[test]
fn scores_of_logarithms_are_those_of_cell_eval() {
    let (truth, control, _) = generated(1, false, &[], true);
    let (predicted, ..) = generated(2, true, &control, true);
    let scores = scored(&truth, &predicted, &few_draws()).unwrap();
    let expected = &oracle()["v1"];
    check_each(&scores, Metric::PearsonDelta, &expected["pearson_delta"], 1e-5);
    check_each(&scores, Metric::MaeDelta, &expected["mae_delta"], 1e-5);
    check_each(&scores, Metric::MseDelta, &expected["mse_delta"], 1e-5);
    check_each(&scores, Metric::PdsL1, &expected["discrimination_score_l1"], 1e-12);
    check_each(&scores, Metric::Des, &expected["overlap_at_N"], 1e-12);
}

#[test]
fn scores_of_counts_are_those_of_cell_eval2() {
    let expected = oracle();
    let (truth, control, sum) = generated(1, false, &[], false);
    assert_eq!(expected["sum_of_truth"].as_u64(), Some(sum));
    let (predicted, _, sum) = generated(2, true, &control, false);
    assert_eq!(expected["sum_of_predictions"].as_u64(), Some(sum));
    let scores = scored(&truth, &predicted, &few_draws()).unwrap();
    let expected = &expected["v2"];
    check_each(&scores, Metric::PdsCosine, &expected["pds_cosine"], 1e-12);
    check_each(&scores, Metric::SigJaccard, &expected["de_wilcoxon_sig_jaccard"], 1e-12);
    check_each(&scores, Metric::DirectionFidelity, &expected["de_wilcoxon_direction_fidelity_yield_raw"], 1e-12);
    check_each(&scores, Metric::DirectionReach, &expected["de_wilcoxon_direction_reach_raw"], 1e-12);
    check_each(&scores, Metric::LfcNmae, &expected["de_wilcoxon_lfc_nmae"], 1e-5);
    let all = scores.row(Metric::MseCapped, Predictor::Predictions).unwrap().estimate.mean;
    close(all, expected["expr_mse_unbiased_capped_norm_of_all"].as_f64().unwrap(), 1e-5, "mse_capped");
    let none = scores.row(Metric::MseCapped, Predictor::NoChange).unwrap().estimate.mean;
    close(none, 1.0, 1e-9, "no change");
}

#[test]
fn values_are_sorted_by_gene_whatever_their_order() {
    let value = |cell, feature, value| super::cells::Value { cell, feature, value };
    let cells = super::cells::Cells {
        n_cells: 3,
        values: vec![value(2, 1, 4.0), value(0, 0, 3.0), value(1, 1, 2.0), value(1, 0, 1.0)],
        halves: vec![0, 1, 0],
    };
    let by_gene = ByGene::of(&cells, 2, crate::load::Scale::AsIs);
    let found = by_gene.differences(&by_gene, &[true, false]);
    assert_eq!((found.log2_fold_change, found.p), (vec![0.0, 0.0], vec![1.0, 1.0]));
    assert_eq!(found.adjusted_expressed, [1.0, 1.0]);
    let half = cells.half(0);
    assert_eq!((half.n_cells, half.values.len()), (2, 2));
    assert_eq!(half.dense(2, |value| value), [3.0, 0.0, 0.0, 4.0]);
}

#[test]
fn what_does_not_fit_is_refused_in_words() {
    let refused = |truth: &str, predicted: &str| scored(truth, predicted, &few_draws()).unwrap_err().to_string();
    let message = refused(&TRUTH.replace("DMSO", "d"), PREDICTED);
    assert!(
        message.contains("truth.csv: no row is a control by its name") && message.contains("--control NAME"),
        "{message}"
    );
    let message = refused(TRUTH, "compound,f1,g2,g3\na,1.5,2,3\n");
    assert!(
        message.contains("1 of its 3 features are among the 3 of") && message.contains("--few-features"),
        "{message}"
    );
    let message = refused(TRUTH, "compound,g1,g2,g3\na,1.5,2,3\n");
    assert!(message.contains("0 of its 3 features") && message.contains("the same names"), "{message}");
    let message = refused(TRUTH, "compound,f1,f2,f3\nx,1.5,2,3\n");
    assert!(message.contains("no perturbation is in both files: it predicts `x`"), "{message}");
    let message = refused(TRUTH, "sample,f1,f2,f3\na,1.5,2,3\n");
    assert!(message.contains("predicted.csv: no column `perturbation`; it has `sample`"), "{message}");
    assert!(message.contains("--perturbation COLUMN"), "{message}");
    let message = refused(TRUTH, "compound,f1,f2,f3\na,1,2,3\nb,4,5,6\nc,7,8,9\n");
    assert!(message.contains("the values are counts, those of") && message.contains("--scale"), "{message}");
    let message = refused(TRUTH, "compound,f1,f2,f3\na,1.5,,3\nb,1.5,2,3\n");
    assert!(message.contains("predicted.csv:2: column `f2` holds \"NaN\", expected a finite number"), "{message}");
    let of_two = "cell_line,compound,f1,f2,f3\nA,DMSO,0.5,0,0\nA,a,2,-1,0\nB,DMSO,1,0,0\nB,b,1,2,1\n";
    let message = refused(of_two, PREDICTED);
    assert!(message.contains("has the contexts `A`, `B`") && message.contains("--context"), "{message}");
}

#[test]
fn what_only_one_file_has_is_listed() {
    let predicted = PREDICTED.replace("\nc,", "\nd,");
    let scores = scored(TRUTH, &predicted, &few_draws()).unwrap();
    let notes = scores.notes.join("\n");
    assert!(notes.contains("1 perturbation of the truth is not predicted and left out: `c`"), "{notes}");
    assert!(notes.contains("1 predicted perturbation is not measured: `d`"), "{notes}");
    assert_eq!(scores.row(Metric::MaeDelta, Predictor::Predictions).unwrap().estimate.n_items, 2);
    let fewer = PREDICTED.replace("f3", "h3");
    let notes = scored(TRUTH, &fewer, &few_draws()).unwrap().notes.join("\n");
    assert!(notes.contains("2 features are shared and scored: the truth has 3, the predictions 3"), "{notes}");
}
