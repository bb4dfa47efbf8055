//! Files to a screen, a screen to normalized values, and tables of ours to files.

use std::path::{Path, PathBuf};

use cytonaut::embed::{Embeddings, Level};
use cytonaut::load::{Source, load};
use cytonaut::normalize::{Compress, NormalizeSettings, Normalizer, PerPlate};
use cytonaut::screen::{FeatureMatrix, Screen};
use divan::Bencher;
use divan::counter::BytesCount;

use super::screens::{bbbc021, bundled, generated, table};

const N_FEATURES: usize = 3000;
const N_LATENTS: usize = 96;

#[divan::bench(sample_count = 20, sample_size = 1)]
fn loads_bbbc021() -> Screen {
    bbbc021()
}

#[divan::bench(sample_count = 3, sample_size = 1)]
fn loads_csv(bencher: Bencher) {
    loads(bencher, wells("csv"));
}

#[divan::bench(sample_count = 3, sample_size = 1)]
fn loads_parquet(bencher: Bencher) {
    loads(bencher, wells("parquet"));
}

/// 10,752 wells with 3,000 features, raw.
fn wells(extension: &str) -> PathBuf {
    table("wells_3000", extension, || generated(N_FEATURES))
}

fn loads(bencher: Bencher, path: PathBuf) {
    bencher.bench_local(|| read(&path));
}

/// Loads and normalizes as pycytominer's `mad_robustize` by plate does: median and MAD of the plate's own controls.
#[divan::bench(sample_count = 3, sample_size = 1)]
fn loads_and_normalizes_csv(bencher: Bencher) {
    let path = wells("csv");
    bencher.bench_local(|| robust(&read(&path)));
}

#[divan::bench(sample_count = 3, sample_size = 1)]
fn loads_and_normalizes_parquet(bencher: Bencher) {
    let path = wells("parquet");
    bencher.bench_local(|| robust(&read(&path)));
}

#[divan::bench(sample_count = 20, sample_size = 1)]
fn loads_and_normalizes_bbbc021() -> Screen {
    robust(&bbbc021())
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn normalizes(bencher: Bencher) {
    let screen = generated(N_FEATURES);
    bencher.bench_local(|| robust(&screen));
}

/// The default recipe: scales shrunk toward the pooled ones, then the inverse hyperbolic sine.
#[divan::bench(sample_count = 5, sample_size = 1)]
fn normalizes_by_default(bencher: Bencher) {
    let screen = generated(N_FEATURES);
    bencher.bench_local(|| normalized(&screen, &NormalizeSettings::default()));
}

fn read(path: &Path) -> Screen {
    let card = bundled("benches/generated.toml");
    load(&Source { card: Some(card), files: vec![path.to_path_buf()], ..Source::default() })
        .expect("our own table")
        .screen
}

fn robust(screen: &Screen) -> Screen {
    let settings = NormalizeSettings {
        per_plate: PerPlate::Robust { shrink: 0.0 },
        compress: Compress::None {},
        ..NormalizeSettings::default()
    };
    normalized(screen, &settings)
}

fn normalized(screen: &Screen, settings: &NormalizeSettings) -> Screen {
    let all: Vec<usize> = (0..screen.n_observations()).collect();
    let normalizer = Normalizer::fit(screen, &all, settings).expect("controls on every plate");
    normalizer.apply(screen).expect("the screen it was fitted on")
}

#[divan::bench(sample_count = 20, sample_size = 1)]
fn writes_embeddings(bencher: Bencher) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("embeddings.parquet");
    let embeddings = embeddings();
    let bytes = n_bytes(&embeddings);
    bencher.counter(bytes).bench_local(|| embeddings.write(&path).expect("a table that can be written"));
}

#[divan::bench(sample_count = 20, sample_size = 1)]
fn reads_embeddings(bencher: Bencher) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("embeddings.parquet");
    let embeddings = embeddings();
    embeddings.write(&path).expect("a table that can be written");
    bencher.counter(n_bytes(&embeddings)).bench_local(|| Embeddings::read(&path).expect("the table just written"));
}

/// Size of the latents alone.
fn n_bytes(embeddings: &Embeddings) -> BytesCount {
    BytesCount::new(size_of_val(embeddings.latents.values()))
}

fn embeddings() -> Embeddings {
    // As dense in bits as real latents, so that compression finds no more in them.
    let screen = generated(N_LATENTS);
    let latents = FeatureMatrix::numbered("latent_", N_LATENTS, screen.features.in_memory().values().to_vec());
    let n_wells = screen.n_observations();
    Embeddings::new(Level::Well, screen.units, vec![1; n_wells], screen.labels, latents)
}
