//! Real pictures that may not be published, all the way: twelve wells of siRNA, five wells with masks and objects.
//!
//! They lie beside the repository; without them these tests say so and pass. Both screens are small: what is asked of the
//! siRNA is whether wells of few cells (UBC) lie apart from controls on the plate that training has not seen.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use cytonaut::embed::Embeddings;
use cytonaut::evaluate::{Guess, nearest_labels, relabeling_p_value};
use cytonaut::load::read_text_table;
use cytonaut::table::Table;

use super::support::{cytonaut, finish};

/// A folder of the real data, if it is there.
fn data(name: &str) -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data").join(name);
    if !folder.is_dir() {
        eprintln!("skipped: no ../shared/data/{name}");
    }
    folder.is_dir().then_some(folder)
}

/// A well of UBC or of the control: its plate, its label, its place in some space.
type Point = (String, &'static str, Vec<f64>);

fn distance(one: &Point, other: &Point) -> f64 {
    one.2.iter().zip(&other.2).map(|(one, other)| (one - other).powi(2)).sum::<f64>().sqrt()
}

/// Each column divided by its standard deviation over the points of other plates than `held_out`.
fn scaled(points: &[Point], held_out: &str) -> Vec<Point> {
    let training: Vec<&Point> = points.iter().filter(|point| point.0 != held_out).collect();
    let scale = |column: usize| {
        let values = training.iter().map(|point| point.2[column]);
        let mean = values.clone().sum::<f64>() / training.len() as f64;
        let deviation = (values.map(|value| (value - mean).powi(2)).sum::<f64>() / training.len() as f64).sqrt();
        if deviation > 1e-9 * mean.abs().max(1e-9) { 1.0 / deviation } else { 0.0 }
    };
    let scales: Vec<f64> = (0..points[0].2.len()).map(scale).collect();
    let of = |values: &[f64]| values.iter().zip(&scales).map(|(value, scale)| value * scale).collect();
    points.iter().map(|(plate, label, values)| (plate.clone(), *label, of(values))).collect()
}

/// UBC against control on plates that nothing was fitted on: whether a well's nearest neighbor on the other plate is of its
/// kind, and how far wells of a held-out plate lie within and between kinds. `space` gives the points for a held-out plate.
///
/// All eight wells have to be, which one of 36 relabelings within the plates is expected to reach.
fn assert_separated(name: &str, space: &dyn Fn(&str) -> Vec<Point>, plates: &[String]) {
    let mut guesses = Vec::new();
    let (mut within, mut between) = (Vec::new(), Vec::new());
    for plate in plates {
        let points = space(plate);
        let (held_out, others): (Vec<&Point>, Vec<&Point>) = points.iter().partition(|point| point.0 == *plate);
        assert_eq!((held_out.len(), others.len()), (4, 4), "two wells of each kind on each plate");
        let labels: Vec<&str> = others.iter().map(|point| point.1).collect();
        for (index, own) in held_out.iter().enumerate() {
            let distances: Vec<f64> = others.iter().map(|other| distance(own, other)).collect();
            let guessed = nearest_labels(&distances, &labels, 1);
            guesses.push(Guess { stratum: plate.clone(), label: own.1, guessed, is_of_mechanisms: false });
            for other in &held_out[..index] {
                let of_pair = if own.1 == other.1 { &mut within } else { &mut between };
                of_pair.push(distance(own, other));
            }
        }
    }
    let p_value = relabeling_p_value(&guesses, 0);
    assert!(p_value.is_exact, "two of four wells on two plates: 36 relabelings");
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let said = format!(
        "{name}: {} of 8 wells nearest to their kind on the other plate, p {:.3} of 36 relabelings; distance within {:.3}, between {:.3}",
        guesses.iter().map(Guess::hit).sum::<f64>(),
        p_value.value,
        mean(&within),
        mean(&between)
    );
    eprintln!("{said}");
    assert!((p_value.value - 1.0 / 36.0).abs() < 1e-9 && mean(&within) < mean(&between), "{said}");
}

#[test]
fn latents_of_sirna_set_ubc_apart_from_its_control_on_an_unseen_plate() {
    let Some(data) = data("rnai-morphology-images") else { return };
    let folder = tempfile::tempdir().unwrap();
    let cache = format!("--set=images.cache={}", folder.path().join("cache").display());
    let mut command = cytonaut(["run", "configs/rnai-morphology.toml", &cache, "--files"]);
    command.arg(&data).arg("--out").arg(folder.path().join("run"));
    let said = finish(command, 0);
    assert!(said.contains("label of held-out wells: 12 wells, each a unit"), "{said}");
    assert!(said.contains("cell_count") && said.contains("intensity"), "{said}");

    // The published profiles, named replicate and well.
    let table = read_text_table(&data.join("data/profiles.tab")).unwrap();
    let kind = |well: &str| match well {
        "A03" | "B03" => Some("UBC"),
        "C03" | "D03" => Some("control"),
        _ => None,
    };
    let published = |columns: &[usize]| -> Vec<Point> {
        let number =
            |column: usize, row: usize| -> f64 { table.columns[column][row].as_deref().unwrap().parse().unwrap() };
        let point = |row: usize| {
            let name = table.columns[0][row].clone().unwrap();
            let (replicate, well) = (name[4..6].to_owned(), &name[7..]);
            Some((replicate, kind(well)?, columns.iter().map(|&column| number(column, row)).collect()))
        };
        (0..table.places.len()).filter_map(point).collect()
    };
    let count = table.names.iter().position(|name| name == "n").unwrap();
    let features: Vec<usize> = (0..table.names.len())
        .filter(|&column| {
            column != count
                && table.columns[column]
                    .iter()
                    .all(|text| text.as_deref().is_some_and(|text| text.parse::<f64>().is_ok_and(f64::is_finite)))
        })
        .collect();
    let plates = ["01".to_owned(), "02".to_owned()];
    assert_separated("published profiles", &|plate| scaled(&published(&features), plate), &plates);
    assert_separated("published counts", &|_| published(&[count]), &plates);

    // The model's latents, each plate in the fold that held it out.
    let mut fold_of = BTreeMap::new();
    for fold in 0..2 {
        let labels = Table::read_parquet(&folder.path().join(format!("run/fold-{fold}/labels.parquet"))).unwrap();
        fold_of.insert(labels.text("plate").unwrap()[0].clone().unwrap(), fold);
    }
    let latents = |plate: &str| -> Vec<Point> {
        let path = folder.path().join(format!("run/fold-{}/embeddings-well.parquet", fold_of[plate]));
        let wells = Embeddings::read(&path).unwrap();
        let point = |row: usize| {
            let observation = wells.units.of(row);
            let kind = kind(&observation.well?.to_string())?;
            Some((
                observation.plate.clone(),
                kind,
                wells.latents.row(row).iter().map(|&value| f64::from(value)).collect(),
            ))
        };
        (0..wells.units.n_rows()).filter_map(point).collect()
    };
    let plates: Vec<String> = fold_of.keys().cloned().collect();
    assert_separated("latents", &latents, &plates);
}

#[test]
fn five_wells_with_masks_and_objects_are_cut_trained_on_and_embedded() {
    let Some(data) = data("formats/cellpainting-nf1") else { return };
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    // Genotypes are not among the files: which wells stand for controls is made up, and nothing is read out of it.
    std::fs::write(at("platemap.csv"), "well,perturbation\nB7,none\nH12,none\nD6,a\nD7,a\nF7,a\n").unwrap();
    let card = Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets/cellpainting-nf1/dataset.toml");
    let card = std::fs::read_to_string(card)
        .unwrap()
        .replace("labels = []", "labels = []\nperturbation = \"perturbation\"")
        + "\n[controls]\nnegative = { values = [\"none\"] }\n\n[[join]]\nfile = \"platemap.csv\"\non = [\"well\"]\n";
    std::fs::write(at("dataset.toml"), card.replace("name = ", "kind = \"other\"\nname = ")).unwrap();
    let config = format!(
        r#"
[data]
card = '{}'
files = ['{}']
[images]
cache = '{}'
[images.crop]
size = 32
binning = 2
centers = "masks"
[normalize]
per_plate = {{ method = "none" }}
compress = {{ method = "none" }}
[split]
by = "plate"
folds = 0
validation = 0.0
calibration = 0.0
[model]
latent = 8
encoder = {{ kind = "conv", channels = 3, size = 32, widths = [8], width = 16 }}
[train]
steps = 50
members = 1
"#,
        at("dataset.toml").display(),
        data.display(),
        at("cache").display()
    );
    std::fs::write(at("nf1.toml"), config).unwrap();
    // Each center: nuclei of the masks, and the one object of each well that the table names.
    for (centers, fewest, most) in [("masks", 16, 400), ("objects", 5, 5)] {
        let mut command = cytonaut(["run"]);
        command.arg(at("nf1.toml")).arg(format!("--set=images.crop.centers={centers}")).arg("--out").arg(at(centers));
        let said = finish(command, 0);
        assert!(!said.contains("are collapsing"), "{said}");
        let crops = Embeddings::read(&at(centers).join("embeddings.parquet")).unwrap();
        assert!((fewest..=most).contains(&crops.units.n_rows()), "{} crops", crops.units.n_rows());
        let wells = Embeddings::read(&at(centers).join("embeddings-well.parquet")).unwrap();
        assert_eq!(wells.units.n_rows(), 5);
        let n_cells: f64 = wells.units.by_row().filter_map(|well| well.cell_count).sum();
        assert_eq!(n_cells as usize, crops.units.n_rows(), "the crops of a well are its cells");
        assert!(wells.latents.values().iter().all(|value| value.is_finite()));
    }
}
