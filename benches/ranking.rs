//! Ranking a library of interventions toward a phenotype.

use std::collections::BTreeMap;

use std::fmt::Write;
use std::path::PathBuf;

use burn::tensor::Device;
use cytonaut::config::Config;
use cytonaut::plan::{ByModel, Candidates, Far, Goal, Trust, rank};
use cytonaut::predict::{Method, Starts};
use cytonaut::study::{load_screen, prepare};
use cytonaut::train::{Recipe, Stop, train_ensemble};
use divan::Bencher;
use divan::counter::ItemsCount;

use super::screens::bundled;

const N_CANDIDATES: usize = 100_000;

/// From reading the table of candidates to the ordered list, by one model of the default size, from the negative controls.
#[divan::bench(sample_count = 5, sample_size = 1)]
fn ranks_100_000_candidates(bencher: Bencher) {
    let mut config = Config::parse(
        r#"
        [train]
        members = 1
        steps = 5
        [rank]
        target = 'moa == "Actin disruptors"'
        "#,
    )
    .expect("a valid configuration");
    config.data.card = Some(bundled("datasets/bbbc021/dataset.toml"));
    let device = Device::flex();
    let prepared = prepare(&config, &load_screen(&config).expect("the bundled table")).expect("a screen with doses");
    let (model, sizes) = prepared.sized(&config.model).expect("finite profiles");
    let recipe = Recipe { model: &model, sizes: &sizes, pair: &config.pair, train: &config.train };
    let members = train_ensemble(prepared.training_data(None), recipe, None, None, &device, &Stop::default(), &|_| {});
    let trained = members.expect("five steps").trained;
    let starts = Starts::of(&trained, &prepared.screen, &device);
    let model = ByModel { trained: &trained, starts: &starts, device: &device };
    let folder = tempfile::tempdir().expect("a temporary folder");
    config.rank.candidates = Candidates::File(library(&folder.path().join("library.csv"), &prepared.vocabulary));
    bencher.counter(ItemsCount::new(N_CANDIDATES)).bench_local(|| {
        let goal = Goal::new(&trained, &prepared.screen, &config.rank, &device).expect("a target that exists");
        let candidates = config.rank.candidates.of_screen(&prepared.screen, &trained.vocabulary, &goal.context);
        let candidates = candidates.expect("a table of candidates");
        let trust = Trust {
            by: Method::Model,
            verdict: String::new(),
            radii: BTreeMap::new(),
            calibration: String::new(),
            fitted_on: trained.treatments.iter().cloned().collect(),
            far: Far::default(),
        };
        let ranking = rank(&trained, &prepared.screen, &goal, &candidates, &model, &trust, &device).expect("ranked");
        assert_eq!(ranking.rows.len(), N_CANDIDATES);
        ranking
    });
}

/// Every known perturbation at evenly spaced doses.
fn library(path: &std::path::Path, vocabulary: &cytonaut::pair::Vocabulary) -> PathBuf {
    let perturbations = vocabulary.perturbations();
    let mut text = String::from("perturbation,dose_um\n");
    for index in 0..N_CANDIDATES {
        let name = &perturbations[index % perturbations.len()].name;
        let dose = 1e-3 * 1.002f64.powi((index / perturbations.len()) as i32);
        writeln!(text, "\"{name}\",{dose}").expect("a string takes all");
    }
    std::fs::write(path, text).expect("a table that can be written");
    path.to_owned()
}
