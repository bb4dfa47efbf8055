//! Benchmarks: `cargo bench`, or `cargo bench -- embeddings` for some of them.

use cytonaut::embed::{Embeddings, Level};
use cytonaut::screen::{FeatureMatrix, Intervention, Kind, Label, Micromolar, Observation, Role};
use divan::Bencher;
use divan::counter::BytesCount;

/// Rows and columns of the table: the wells of a mid-sized screen.
const N_WELLS: usize = 10_000;
const N_LATENTS: usize = 96;

fn main() {
    divan::main();
}

#[divan::bench]
fn writes_embeddings(bencher: Bencher) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("embeddings.parquet");
    let embeddings = embeddings();
    bencher.counter(n_bytes()).bench_local(|| embeddings.write(&path).expect("a table that can be written"));
}

#[divan::bench]
fn reads_embeddings(bencher: Bencher) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("embeddings.parquet");
    embeddings().write(&path).expect("a table that can be written");
    bencher.counter(n_bytes()).bench_local(|| Embeddings::read(&path).expect("the table just written"));
}

/// Size of the latents alone.
fn n_bytes() -> BytesCount {
    BytesCount::new(N_WELLS * N_LATENTS * size_of::<f32>())
}

fn embeddings() -> Embeddings {
    let wells_of_plate = 384;
    let observation = |index: usize| Observation {
        plate: format!("P{:03}", index / wells_of_plate),
        well: format!("{}{:02}", (b'A' + (index % wells_of_plate / 24) as u8) as char, index % 24 + 1).parse().ok(),
        role: Role::Treatment,
        intervention: Intervention::single(
            format!("compound {}", index % 1000),
            Kind::Compound,
            Micromolar::new(0.1 * (1 + index % 8) as f64),
        ),
        context: String::new(),
        lab_batch: Some(format!("week {}", index / 2000)),
        replicate: None,
        cell_count: Some((index % 700) as f64),
    };
    let moa = (0..N_WELLS).map(|index| Some(format!("mechanism {}", index % 12))).collect();
    // As dense in bits as real latents, so that compression finds no more in them: a multiplicative hash of the index.
    let noise = |index: usize| (index as u32).wrapping_mul(2_654_435_761) as f32 / u32::MAX as f32 - 0.5;
    Embeddings::new(
        Level::Well,
        (0..N_WELLS).map(observation).collect(),
        vec![1; N_WELLS],
        vec![Label { name: "moa".into(), values: moa }],
        FeatureMatrix::numbered("latent_", N_LATENTS, (0..N_WELLS * N_LATENTS).map(noise).collect()),
    )
}
