//! Screens that benchmarks are run on: a generated one of 10,752 wells, and the bundled BBBC021.

use std::path::{Path, PathBuf};

use cytonaut::load::{Source, load};
use cytonaut::screen::{Design, FeatureMatrix, Intervention, Kind, Label, Micromolar, Role, Screen, Unit, Units, Well};
use cytonaut::table::{Column, Table};

/// Plate maps of the generated screen, and plates that carry each of them.
const MAPS: usize = 7;
const REPLICATES: usize = 4;
/// Wells of a plate, and how many of them are controls.
const WELLS: usize = 384;
const CONTROLS: usize = 64;
/// Doses of a compound.
const DOSES: usize = 8;

/// Names a folder for the generated tables that outlives the benchmarks, for programs that are to read the same.
pub const FOLDER: &str = "CYTONAUT_BENCH_FOLDER";

/// A file of the repository.
pub fn bundled(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The bundled BBBC021 as it is loaded.
pub fn bbbc021() -> Screen {
    load(&Source::of([bundled("datasets/bbbc021")])).expect("the bundled table").screen
}

/// 10,752 wells on 28 plates: 280 compounds at eight doses on four plates each, half of them without effect, and 64 controls a plate.
pub fn generated(n_features: usize) -> Screen {
    screen(n_features, 1.0)
}

/// The same as it would be after normalization: no plate stands apart.
pub fn without_plate_effects(n_features: usize) -> Screen {
    screen(n_features, 0.0)
}

fn screen(n_features: usize, plate_effect: f32) -> Screen {
    let n_plates = MAPS * REPLICATES;
    let mut observations = Vec::with_capacity(n_plates * WELLS);
    let mut values = Vec::with_capacity(n_plates * WELLS * n_features);
    for plate in 0..n_plates {
        for well in 0..WELLS {
            let treatment = well.checked_sub(CONTROLS).map(|place| plate / REPLICATES * (WELLS - CONTROLS) + place);
            observations.push(unit(plate, well, treatment));
            let seed = (plate * WELLS + well) * n_features;
            let strength = treatment.map_or(0.0, effect);
            let value = |feature: usize| {
                let compound = treatment.map(|treatment| treatment / DOSES * n_features + feature);
                let direction = compound.map_or(0.0, |place| noise(1 << 40 | place));
                let of_plate = 10.0 + noise(2 << 40 | (plate * n_features + feature));
                plate_effect * of_plate + noise(seed + feature) + strength * direction
            };
            values.extend((0..n_features).map(value));
        }
    }
    Screen {
        name: "generated".into(),
        design: Design::AgainstControls,
        units: Units::of_rows(observations, &[]),
        features: FeatureMatrix::numbered("Cells_Feature_", n_features, values).into(),
        labels: Vec::<Label>::new(),
        dropped: Vec::new(),
        origin: Default::default(),
    }
}

/// Odd compounds do something, more of it at higher doses.
fn effect(treatment: usize) -> f32 {
    let (compound, dose) = (treatment / DOSES, treatment % DOSES);
    if compound % 2 == 1 { 0.1 * (1 + dose) as f32 } else { 0.0 }
}

fn unit(plate: usize, well: usize, treatment: Option<usize>) -> Unit {
    let intervention = treatment.map_or_else(Intervention::untreated, |treatment| {
        let dose = Micromolar::new(0.01 * 3f64.powi((treatment % DOSES) as i32));
        Intervention::single(format!("compound {:03}", treatment / DOSES), Kind::Compound, dose)
    });
    Unit {
        plate: format!("P{plate:02}"),
        well: Some(well_name(well).parse::<Well>().expect("a well of a 384-well plate")),
        role: if treatment.is_some() { Role::Treatment } else { Role::NegativeControl },
        intervention,
        context: String::new(),
        lab_batch: None,
        replicate: None,
        cell_count: None,
    }
}

fn well_name(well: usize) -> String {
    format!("{}{:02}", (b'A' + (well / 24) as u8) as char, well % 24 + 1)
}

/// A number that looks drawn from a normal distribution, the same for one index whatever the machine: four hashed uniforms.
pub fn noise(index: usize) -> f32 {
    let mut bits = index as u64;
    let mut sum = 0.0f32;
    for _ in 0..2 {
        // The finalizer of SplitMix64 (Steele, Lea and Flood 2014).
        bits = bits.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = bits;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        sum += (mixed as u32) as f32 / u32::MAX as f32 + (mixed >> 32) as f32 / u32::MAX as f32;
    }
    (sum - 2.0) * 1.732_050_8
}

/// The folder of generated files; it is there.
pub fn folder() -> PathBuf {
    let folder = std::env::var_os(FOLDER).map_or_else(|| std::env::temp_dir().join("cytonaut-bench"), PathBuf::from);
    std::fs::create_dir_all(&folder).expect("a folder that can be made");
    folder
}

/// A file `NAME.EXTENSION` of a screen, written first where it is not there yet.
pub fn table(name: &str, extension: &str, screen: impl Fn() -> Screen) -> PathBuf {
    let path = folder().join(format!("{name}.{extension}"));
    if !path.exists() {
        let table = as_table(&screen());
        table.write(&path).expect("a table that can be written");
    }
    path
}

fn as_table(screen: &Screen) -> Table {
    let text = |of: &dyn Fn(&Unit) -> String| Column::Text(screen.units.by_row().map(|unit| Some(of(unit))).collect());
    let dose = |unit: &Unit| Some(unit.intervention.as_single()?.dose?.get());
    let mut table = Table::new()
        .with("Metadata_Plate", "", text(&|unit| unit.plate.clone()))
        .with("Metadata_Well", "", text(&|unit| unit.well.map(|w| w.to_string()).unwrap_or_default()))
        .with("Metadata_compound", "", text(&name))
        .with("Metadata_dose_um", "", Column::Number(screen.units.by_row().map(dose).collect()));
    for (feature, name) in screen.features.names().iter().enumerate() {
        let values = (0..screen.n_observations()).map(|row| screen.features.in_memory().row(row)[feature]).collect();
        table = table.with(name, "", Column::Float32(values));
    }
    table
}

fn name(unit: &Unit) -> String {
    if unit.intervention.is_untreated() { "DMSO".into() } else { unit.intervention.perturbation_names() }
}
