//! Small real files with seeded damage, fed to the library: no panic, bounded memory, an error or a valid value.
//!
//! `MUTATE_SECONDS=600 cargo test --release --test main mutate -- --nocapture` goes on for that long; a failure names
//! the fixture and the number of the mutation, which `MUTATE_FIRST` begins with.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use burn::tensor::Device;
use cytonaut::answer::TrainedRun;
use cytonaut::config::Config;
use cytonaut::descriptor::Descriptors;
use cytonaut::embed::{Embeddings, Latents, Level, embed_screen};
use cytonaut::load::{DescriptorFile, Source, load, read_text_table};
use cytonaut::plan::Ranking;
use cytonaut::run::{Checkpoint, Manifest, MetricsLog, NonFinite};
use cytonaut::screen::Screen;
use cytonaut::study::{predict_table, prepare_screen};
use cytonaut::table::Table;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::hostile::{make, workbooks};

/// Mutations of each fixture in an ordinary test run.
const ROUNDS: u64 = 30;

/// What the test process may take at its peak, in KiB.
const MOST_MEMORY_KIB: u64 = 8 << 20;

/// Longest time that one mutated file may take.
const LONGEST: Duration = Duration::from_secs(60);

/// Reads what lies in a folder, with a screen to put it to use; whether all of it was taken.
type Feed = fn(&Path, &Screen) -> bool;

/// A file of a folder, and what reads it.
struct Fixture {
    /// Path in the folder.
    file: &'static str,
    whole: Vec<u8>,
    feed: Feed,
}

fn feed_tables(folder: &Path, _: &Screen) -> bool {
    let mut there =
        ["t.csv", "t.csv.gz", "t.parquet"].map(|name| folder.join(name)).into_iter().filter(|path| path.exists());
    there.all(|path| load(&Source::of([path])).is_ok())
}

fn feed_workbooks(folder: &Path, _: &Screen) -> bool {
    ["t.xlsx", "t.xlsb", "t.ods", "t.xls"].iter().all(|name| {
        let path = folder.join(name);
        // The layout has no measurements; reading it is all that is asked.
        if *name == "t.xls" { read_text_table(&path).is_ok() } else { load(&Source::of([path])).is_ok() }
    })
}

fn feed_card(folder: &Path, _: &Screen) -> bool {
    load(&Source::of([folder.join("dataset.toml")])).is_ok()
}

fn feed_descriptors(folder: &Path, _: &Screen) -> bool {
    let columns = vec!["f*".to_owned()];
    let file = DescriptorFile { file: "d.csv".into(), perturbation: "compound".into(), bits: None, columns };
    Descriptors::read(&folder.join("d.csv"), &file).is_ok()
}

fn feed_config(folder: &Path, _: &Screen) -> bool {
    let config = Config::read(&folder.join("c.toml"));
    let written = |config: &Config| config.to_toml(config.possible_kinds()[0]);
    config.is_ok_and(|config| Config::parse(&written(&config)).unwrap() == config)
}

fn feed_results(folder: &Path, _: &Screen) -> bool {
    let embeddings = Embeddings::read(&folder.join("run/embeddings.parquet")).is_ok();
    let ranking = Ranking::read(&folder.join("run/ranking.parquet")).is_ok();
    Table::read_parquet(&folder.join("run/predictions.parquet")).is_ok() && embeddings && ranking
}

fn feed_run(folder: &Path, screen: &Screen) -> bool {
    let run = folder.join("run");
    let manifest = Manifest::read(&run).is_ok();
    let metrics = MetricsLog::read(&run.join("metrics.jsonl")).is_ok();
    let checkpoint = Checkpoint::load(&run.join("checkpoints/member-0.safetensors"), NonFinite::Refuse).is_ok();
    let device = Device::flex();
    let Ok(trained_run) = TrainedRun::read(&run, 2, &device) else { return false };
    // What is read as whole must also work.
    let config = Config::parse("[pair]\nstart = \"controls\"\n").unwrap();
    let prepared = prepare_screen(&config, screen, BTreeMap::new()).unwrap();
    let Ok(screen) = trained_run.normalizer.apply(screen) else { return false };
    let embedded = embed_screen(&trained_run.trained, &screen, Level::Well, Latents::Members, &device).is_ok();
    let treatments: Vec<_> = screen.treatments().into_keys().take(3).collect();
    let predicted = predict_table(&config, &prepared, &trained_run, &screen, &treatments, None, &device);
    let predicted = predicted.is_ok();
    manifest && metrics && checkpoint && embedded && predicted
}

/// The bundled table with a few rows and columns.
fn small_table() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets/bbbc021/profiles.csv.gz");
    let mut text = String::new();
    flate2::read::GzDecoder::new(fs::File::open(path).unwrap()).read_to_string(&mut text).unwrap();
    let row = |line: &str| line.split(',').take(24).collect::<Vec<_>>().join(",") + "\n";
    text.lines().take(40).map(row).collect()
}

/// The files, each beside those that it needs, and a screen for the run that is among them.
fn fixtures(folder: &Path) -> (Vec<Fixture>, Screen) {
    make::finished_run(folder);
    let table = small_table();
    fs::write(folder.join("map.csv"), "plate,well,moa\nP1,A02,x\nP2,B02,y\n").unwrap();
    fs::write(folder.join("small.csv"), make::PLAIN).unwrap();
    let card = "name = \"small\"\nfiles = [\"small.csv\"]\ndose_unit = \"uM\"\n[columns]\nplate = \"plate\"\n\
                perturbation = \"compound\"\n[controls]\nnegative = { column = \"compound\", values = [\"DMSO\"] }\n\
                [[join]]\nfile = \"map.csv\"\non = [\"plate\", \"well\"]\nprefix = \"x_\"\n";
    let written: [(&'static str, Vec<u8>, Feed); 11] = [
        ("t.csv", table.clone().into_bytes(), feed_tables),
        ("t.csv.gz", make::gz(table.as_bytes()), feed_tables),
        ("t.parquet", make::parquet(40), feed_tables),
        ("t.xlsx", workbooks::xlsx(make::PLAIN), feed_workbooks),
        ("t.xlsb", workbooks::xlsb(make::PLAIN), feed_workbooks),
        ("t.ods", workbooks::ods(make::PLAIN), feed_workbooks),
        ("t.xls", include_bytes!("../src/load/workbook/layout.xls").to_vec(), feed_workbooks),
        ("dataset.toml", card.as_bytes().to_vec(), feed_card),
        ("map.csv", fs::read(folder.join("map.csv")).unwrap(), feed_card),
        ("d.csv", b"compound,f1,f2\ntaxol,1,2\nAZ-A,3,4\n".to_vec(), feed_descriptors),
        ("c.toml", fs::read(folder.join("configs/default.toml")).unwrap(), feed_config),
    ];
    let mut fixtures: Vec<Fixture> =
        written.into_iter().map(|(file, whole, feed)| Fixture { file, whole, feed }).collect();
    let of_run: [(&'static str, Feed); 10] = [
        ("run/manifest.json", feed_run),
        ("run/metrics.jsonl", feed_run),
        ("run/normalizer.json", feed_run),
        ("run/decoder.json", feed_run),
        ("run/combination.json", feed_run),
        ("run/model/member-0.safetensors", feed_run),
        ("run/checkpoints/member-0.safetensors", feed_run),
        ("run/embeddings.parquet", feed_results),
        ("run/predictions.parquet", feed_results),
        ("run/ranking.parquet", feed_results),
    ];
    for (file, feed) in of_run {
        fixtures.push(Fixture { file, whole: fs::read(folder.join(file)).unwrap(), feed });
    }
    for fixture in &fixtures {
        fs::write(folder.join(fixture.file), &fixture.whole).unwrap();
    }
    // Of the same table, whatever the workbook.
    let of = |name: &str| load(&Source::of([folder.join(name)])).unwrap().screen;
    for workbook in ["t.xlsx", "t.xlsb", "t.ods"] {
        let (found, expected) = (of(workbook), of("small.csv"));
        assert_eq!((found.units, found.features), (expected.units, expected.features), "{workbook}");
    }
    let mut screen = load(&Source::of([folder.join("datasets/bbbc021")])).unwrap().screen;
    // A few plates; more would take the time of more mutations.
    let rows: Vec<usize> = (0..screen.n_observations().min(60)).collect();
    screen.units = screen.units.select(&rows);
    screen.features = screen.features.select_rows(&rows);
    screen.labels.iter_mut().for_each(|label| label.values.truncate(rows.len()));
    (fixtures, screen)
}

/// The same bytes with one to four faults.
fn mutated(whole: &[u8], rng: &mut ChaCha8Rng) -> Vec<u8> {
    const WORDS: [&[u8]; 14] = [
        b"\0",
        b"\xFF",
        b"\xEF\xBB\xBF",
        b"1e999",
        b"-1",
        b"NaN",
        b"99999999999999999999",
        b"\"",
        b"\n",
        b",",
        b"\r",
        b"../../",
        b"{",
        b"[",
    ];
    let mut bytes = whole.to_vec();
    let n_faults = if rng.random() { 1 } else { rng.random_range(2..=4) };
    for _ in 0..n_faults {
        if bytes.is_empty() {
            break;
        }
        let length = bytes.len();
        // Headers and footers decide more than what lies between them.
        let at = match rng.random_range(0..4) {
            0 => rng.random_range(0..length.min(400)),
            1 => length - 1 - rng.random_range(0..length.min(400)),
            _ => rng.random_range(0..length),
        };
        let size = 1 + rng.random_range(0..64usize).min(length - 1);
        let end = (at + size).min(length);
        match rng.random_range(0..10) {
            0 => bytes[at] ^= 1 << rng.random_range(0..8),
            1 => bytes[at] = rng.random(),
            2 => bytes.truncate(at),
            3 => drop(bytes.drain(at..end)),
            4 => {
                let piece = bytes[at..end].to_vec();
                let to = rng.random_range(0..bytes.len());
                bytes.splice(to..to, piece);
            }
            5 => {
                let start = bytes[..at].iter().rposition(|&byte| byte == b'\n').map_or(0, |newline| newline + 1);
                let end = bytes[at..].iter().position(|&byte| byte == b'\n').map_or(length, |newline| at + newline + 1);
                let line = bytes[start..end].to_vec();
                bytes.splice(start..start, line);
            }
            6 => bytes[at..end].fill(0),
            7 => bytes[at..end].fill(0xFF),
            8 if bytes[at].is_ascii_digit() => bytes[at] = b'0' + rng.random_range(0..10u8),
            _ => drop(bytes.splice(at..at, WORDS[rng.random_range(0..WORDS.len())].iter().copied())),
        }
    }
    bytes
}

/// The most memory that this process ever held, in KiB; `None` where the system does not tell.
fn peak_memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next()?.parse().ok())
}

#[test]
fn no_mutated_file_makes_the_library_panic() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seconds = number("MUTATE_SECONDS");
    let first = number("MUTATE_FIRST").unwrap_or(0);
    let folder = tempfile::tempdir().unwrap();
    let (fixtures, screen) = fixtures(folder.path());
    let begin = Instant::now();
    for fixture in &fixtures {
        assert!((fixture.feed)(folder.path(), &screen), "{} is not taken as it is", fixture.file);
    }
    let (mut n_fed, mut n_taken) = (0, 0);
    let mut failures: Vec<String> = Vec::new();
    let is_time = |round: u64| match seconds {
        Some(seconds) => begin.elapsed() < Duration::from_secs(seconds),
        None => round < first + ROUNDS,
    };
    let mut round = first;
    while is_time(round) && failures.len() < 20 {
        for (index, fixture) in fixtures.iter().enumerate() {
            let mut rng = ChaCha8Rng::seed_from_u64(round);
            rng.set_stream(index as u64);
            let path: PathBuf = folder.path().join(fixture.file);
            fs::write(&path, mutated(&fixture.whole, &mut rng)).unwrap();
            let start = Instant::now();
            let fed = catch_unwind(AssertUnwindSafe(|| (fixture.feed)(folder.path(), &screen)));
            match fed {
                Ok(is_taken) => n_taken += usize::from(is_taken),
                Err(_) => failures.push(format!("{} panics at mutation {round}", fixture.file)),
            }
            if start.elapsed() > LONGEST {
                failures.push(format!("{} takes {:?} at mutation {round}", fixture.file, start.elapsed()));
            }
            fs::write(&path, &fixture.whole).unwrap();
            n_fed += 1;
        }
        round += 1;
    }
    let peak = peak_memory();
    eprintln!(
        "{n_fed} mutated files in {:.0?}, of which {n_taken} were taken; {peak:?} KiB at the peak",
        begin.elapsed()
    );
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(peak.is_none_or(|peak| peak < MOST_MEMORY_KIB), "{peak:?} KiB");
}
