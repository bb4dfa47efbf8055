//! Replicate retrieval with p-values.

use cytonaut::evaluate::{MapSettings, ReplicateMaps, replicate_map};
use divan::Bencher;

use super::screens::{bbbc021, table, without_plate_effects};

/// As many as stay of a Cell Painting profile after feature selection.
const N_FEATURES: usize = 500;

/// 2,240 treatments in four wells each, against 64 controls on each of their plates; 10,000 relabelings a treatment.
#[divan::bench(sample_count = 3, sample_size = 1)]
fn replicate_map_generated(bencher: Bencher) {
    // Not read here: other programs are to find the same wells.
    table("normalized_500", "parquet", || without_plate_effects(N_FEATURES));
    let screen = without_plate_effects(N_FEATURES);
    let treatments = screen.treatments();
    let settings = MapSettings { most_enumerated: 10_000, draws: 10_000, ..MapSettings::default() };
    bencher.bench_local(|| scored(replicate_map(&screen, &screen.features, &treatments, &settings)));
}

/// 74 treatments against six controls on each of their plates, all relabelings of most of them enumerated.
#[divan::bench(sample_count = 5, sample_size = 1)]
fn replicate_map_bbbc021(bencher: Bencher) {
    let screen = bbbc021();
    let treatments = screen.treatments();
    bencher.bench_local(|| scored(replicate_map(&screen, &screen.features, &treatments, &MapSettings::default())));
}

fn scored<E: std::fmt::Debug>(maps: Result<ReplicateMaps, E>) -> ReplicateMaps {
    let maps = maps.expect("one vector for each well");
    assert!(!maps.scored.is_empty());
    maps
}
