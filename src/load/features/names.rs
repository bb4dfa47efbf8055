//! What the name of a column of numbers says, where that is not a measurement.
//!
//! Two grammars, as for roles. CellProfiler writes `Cells_Location_Center_X`, `Nuclei_Number_Object_Number`,
//! `Image_ExecutionTime_06IdentifyPrimaryObjects` among its measurements. In plain tables stand what instruments and data
//! frames leave (`Unnamed: 0`, `level_0`, `Object No`, `Position X [µm]`), and what was done (`Concentration`, `n_drugs`).
//! A name is taken apart into words, at signs and where small letters meet capitals, since the same thing is called
//! `ImageNumber`, `image_number` and `Image No.`.

use crate::load::left_out::Reason;
use crate::load::mapping::plain;

/// Whether a column is one of CellProfiler's, by the name of its compartment.
pub(in crate::load) fn is_compartment(name: &str) -> bool {
    ["Cells_", "Nuclei_", "Cytoplasm_", "Image_"].iter().any(|prefix| name.starts_with(prefix))
        && !name.starts_with("Image_Metadata_")
}

/// Whether a column is one of CellProfiler's, by the name of its compartment or of what was measured, as in tables of one
/// compartment: `Correlation_Manders_DNA_ER`.
pub(super) fn is_of_cellprofiler(name: &str) -> bool {
    const MEASURED: [&str; 10] = [
        "AreaShape_",
        "Children_",
        "Correlation_",
        "Granularity_",
        "ImageQuality_",
        "Intensity_",
        "Neighbors_",
        "ObjectSkeleton_",
        "RadialDistribution_",
        "Texture_",
    ];
    is_compartment(name) || MEASURED.iter().any(|start| name.starts_with(start))
}

/// Why the column called `name` is not a measurement, if its name says so.
pub(super) fn reason_in_name(name: &str) -> Option<Reason> {
    let words = words(name);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match is_compartment(name) {
        true => of_cellprofiler(&words),
        false => of_plain(name, &words),
    }
}

/// Of a column `Compartment_Category_…`.
fn of_cellprofiler(words: &[&str]) -> Option<Reason> {
    let category = words.get(1).copied().unwrap_or_default();
    let is_image = words[0] == "image";
    match category {
        "location" => Some(Reason::Position),
        // `Number_Object_Number` and `Parent_Nuclei` say which object it is; `Children_Cells_Count` counts.
        "number" | "parent" => Some(Reason::Number),
        "execution" | "module" | "processing" if is_image => Some(Reason::Processing),
        "width" | "height" | "scaling" if is_image => Some(Reason::Processing),
        "group" | "series" | "frame" | "channel" if is_image => Some(Reason::Number),
        _ if has(words, &["image", "set"]) && is_image => Some(Reason::Number),
        _ if is_numbering(words) => Some(Reason::Number),
        _ if is_place(words) => Some(Reason::Position),
        _ => None,
    }
}

fn of_plain(name: &str, words: &[&str]) -> Option<Reason> {
    const ALONE: [&str; 28] = [
        "index",
        "idx",
        "id",
        "ids",
        "uuid",
        "guid",
        "rank",
        "number",
        "nr",
        "no",
        "serial",
        "key",
        "label",
        "frame",
        "plane",
        "slice",
        "channel",
        "track",
        "tile",
        "series",
        "field",
        "fov",
        "site",
        "well",
        "plate",
        "batch",
        "replicate",
        "cluster",
    ];
    let squeezed = words.concat();
    let is_one_of = |names: &[&str]| names.contains(&squeezed.as_str());
    let is_unnamed = name.starts_with("...") || matches!(words, ["unnamed" | "level", number] if is_number(number));
    let last = words.last().copied().unwrap_or_default();
    match () {
        () if is_unnamed => Some(Reason::Number),
        () if is_one_of(&ALONE) => Some(Reason::Number),
        () if ["id", "ids", "uuid", "guid", "barcode", "barcodes", "cid"].contains(&last) => Some(Reason::Number),
        () if is_numbering(words) || name.starts_with("Parent_") => Some(Reason::Number),
        () if is_place(words) => Some(Reason::Position),
        () if is_dose(name) => Some(Reason::Dose),
        () if counts_what_was_done(words) || is_of_seeding(words) => Some(Reason::Counts),
        () if is_time(words, &squeezed) => Some(Reason::Time),
        () if is_processing(words) => Some(Reason::Processing),
        () => None,
    }
}

/// `ImageNumber`, `Object No`, `FirstClosestObjectNumber_10`, `file counter`, `group index`: what is counted, then the count.
fn is_numbering(words: &[&str]) -> bool {
    const THINGS: [&str; 32] = [
        "image",
        "object",
        "row",
        "column",
        "col",
        "group",
        "file",
        "plate",
        "well",
        "site",
        "field",
        "series",
        "frame",
        "plane",
        "slice",
        "channel",
        "track",
        "event",
        "scan",
        "tile",
        "batch",
        "run",
        "sample",
        "record",
        "table",
        "label",
        "parent",
        "acquisition",
        "sequence",
        "set",
        "fov",
        "position",
    ];
    const NUMBERS: [&str; 9] = ["number", "num", "no", "nr", "index", "idx", "counter", "id", "key"];
    words.windows(2).any(|pair| THINGS.contains(&pair[0]) && NUMBERS.contains(&pair[1]))
}

/// A coordinate: `Center_X`, `BoundingBoxMaximum_Y`, `pos_x`, `stage x (um)`, `centroid-0`, `row`.
fn is_place(words: &[&str]) -> bool {
    const PLACES: [&str; 14] = [
        "center",
        "centre",
        "centroid",
        "position",
        "pos",
        "coord",
        "coordinate",
        "coords",
        "stage",
        "location",
        "minimum",
        "maximum",
        "offset",
        "loc",
    ];
    const AXES: [&str; 3] = ["x", "y", "z"];
    // Units and statistics may stand around a coordinate.
    const BESIDE: [&str; 18] = [
        "of", "mass", "um", "px", "pixel", "pixels", "mm", "nm", "mean", "median", "abs", "absolute", "global",
        "local", "in", "m", "relative", "average",
    ];
    let is_axis = |word: &str| AXES.contains(&word);
    let core: Vec<&str> = words.iter().copied().filter(|word| !BESIDE.contains(word)).collect();
    let pair = |pair: &[&str]| {
        (PLACES.contains(&pair[0]) && is_axis(pair[1])) || (is_axis(pair[0]) && PLACES.contains(&pair[1]))
    };
    // Where the objective stood: `focus_z_um`, `Autofocus offset`.
    const FOCUS: [&str; 3] = ["focus", "autofocus", "focal"];
    const HEIGHTS: [&str; 7] = ["z", "plane", "position", "offset", "height", "um", "depth"];
    let is_of_focus = words.iter().any(|word| FOCUS.contains(word)) && words.iter().any(|word| HEIGHTS.contains(word));
    if is_of_focus {
        return true;
    }
    let is_box = |triple: &[&str]| triple[0] == "bounding" && triple[1] == "box" && !triple[2].starts_with("area");
    match core.as_slice() {
        ["x" | "y" | "z" | "xm" | "ym" | "bx" | "by"] => true,
        ["row" | "col" | "column"] | ["well" | "plate", "row" | "col" | "column"] => true,
        ["centroid", axis, ..] if is_number(axis) => true,
        ["well" | "plate" | "image" | "field" | "cell" | "nucleus" | "object", axis] if is_axis(axis) => true,
        ["bbox", rest @ ..] if !rest.contains(&"area") => true,
        core => core.windows(2).any(pair) || core.windows(3).any(is_box),
    }
}

/// A name in which a concentration is spoken of, or that is or ends in the unit of one.
pub(in crate::load) fn is_dose(name: &str) -> bool {
    const DOSES: [&str; 16] = [
        "konzentration",
        "konz",
        "dosis",
        "dose",
        "doses",
        "dosage",
        "conc",
        "concentration",
        "concentrations",
        "molarity",
        "mmoles",
        "micromolar",
        "nanomolar",
        "dosing",
        "titration",
        "dilution",
    ];
    const SIZES: [&str; 30] = [
        "area",
        "length",
        "width",
        "height",
        "diameter",
        "radius",
        "perimeter",
        "circumference",
        "distance",
        "axis",
        "size",
        "thickness",
        "depth",
        "feret",
        "displacement",
        "spacing",
        "position",
        "x",
        "y",
        "z",
        "pixel",
        "offset",
        "path",
        "speed",
        "velocity",
        "step",
        "wavelength",
        "emission",
        "excitation",
        "shift",
    ];
    let plain = plain(name);
    // A capital M is the unit of a concentration; `area_um` is a size.
    let has_unit = ["uM", "µM", "μM", "nM", "mM", "pM"].iter().any(|unit| {
        let rest = name.trim_end_matches([')', ']', ' ']).strip_suffix(unit);
        rest.is_some_and(|rest| rest.ends_with(|letter: char| !letter.is_alphanumeric()))
    });
    let words: Vec<&str> = plain.split('_').collect();
    // `forskolin_um` is a dose, `length_um` is a size.
    let ends_in_unit = words.len() > 1 && words.last().is_some_and(|last| ["um", "nm", "mm"].contains(last));
    let ends_in_mass = matches!(words.as_slice(), [.., "pg" | "ng" | "ug" | "mg", "ml" | "l"]);
    let is_amount = ends_in_mass || ends_in_unit && !words.iter().any(|word| SIZES.contains(word));
    // A column that is called by a unit alone, or by what stands for a dose.
    let is_alone = ["um", "nm", "mm", "moi", "pconc"].contains(&plain.as_str());
    // `logConc`, `pDose`.
    let in_parts = self::words(name);
    let is_spoken_of =
        words.iter().any(|word| DOSES.contains(word)) || in_parts.iter().any(|w| DOSES.contains(&w.as_str()));
    has_unit || is_amount || is_alone || is_spoken_of
}

/// `n_drugs`, `number of compounds`, `good_guides`, `replicate count`.
fn counts_what_was_done(words: &[&str]) -> bool {
    const DONE: [&str; 16] = [
        "drugs",
        "compounds",
        "perturbations",
        "treatments",
        "guides",
        "sgrnas",
        "agents",
        "inhibitors",
        "interventions",
        "replicates",
        "wells",
        "plates",
        "sites",
        "fields",
        "images",
        "conditions",
    ];
    const SINGULAR: [&str; 8] = ["drug", "compound", "guide", "replicate", "well", "plate", "site", "image"];
    const COUNTS: [&str; 7] = ["n", "num", "number", "nr", "no", "count", "good"];
    let counted = |things: &[&str]| words.iter().any(|word| things.contains(word));
    words.iter().any(|word| COUNTS.contains(word)) && (counted(&DONE) || (words.len() == 2 && counted(&SINGULAR)))
}

/// `Seeding density`, `cells_seeded`, `n cells plated`, `Cell number`: how many cells a well began with.
fn is_of_seeding(words: &[&str]) -> bool {
    const SEEDING: [&str; 5] = ["seeding", "seeded", "plated", "plating", "inoculum"];
    const COUNTED: [&str; 10] =
        ["confluency", "confluence", "density", "cell", "cells", "number", "count", "n", "per", "numbers"];
    let speaks = |known: &[&str]| words.iter().any(|word| known.contains(word));
    speaks(&SEEDING) && (words.len() == 1 || speaks(&COUNTED)) || matches!(words, ["cell" | "cells", "number" | "no"])
}

fn is_time(words: &[&str], squeezed: &str) -> bool {
    const ALONE: [&str; 16] = [
        "time",
        "timepoint",
        "timemin",
        "times",
        "timeh",
        "minutes",
        "hours",
        "hour",
        "day",
        "days",
        "date",
        "datetime",
        "week",
        "year",
        "month",
        "timestamp",
    ];
    let last = words.last().copied().unwrap_or_default();
    ALONE.contains(&squeezed) || ["date", "datetime", "timestamp"].contains(&last) || has(words, &["time", "stamp"])
}

/// `ExecutionTime_01LoadData`, `run time`, `exposure_time`, `file size`, `passage`.
fn is_processing(words: &[&str]) -> bool {
    const PROCESSES: [&str; 15] = [
        "execution",
        "run",
        "processing",
        "analysis",
        "elapsed",
        "exposure",
        "acquisition",
        "acq",
        "scan",
        "cpu",
        "wall",
        "load",
        "abs",
        "compute",
        "segmentation",
    ];
    const DURATIONS: [&str; 6] = ["time", "times", "seconds", "sec", "duration", "ms"];
    const PAIRS: [[&str; 2]; 13] = [
        ["module", "error"],
        ["time", "elapsed"],
        ["file", "size"],
        ["file", "count"],
        ["image", "width"],
        ["image", "height"],
        ["image", "size"],
        ["image", "resolution"],
        ["pixel", "size"],
        ["binning", "x"],
        ["binning", "y"],
        ["random", "seed"],
        ["laser", "power"],
    ];
    let takes_time = |pair: &[&str]| PROCESSES.contains(&pair[0]) && DURATIONS.contains(&pair[1]);
    matches!(
        words,
        ["runtime" | "elapsed" | "exposure" | "gain" | "passage" | "temperature" | "humidity" | "seed"]
            | ["passage", "number" | "no"]
    ) || words.windows(2).any(takes_time)
        || PAIRS.iter().any(|pair| has(words, pair))
}

fn has(words: &[&str], pair: &[&str; 2]) -> bool {
    words.windows(2).any(|found| found == pair)
}

fn is_number(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_digit())
}

/// The words of a name in small letters: cut at signs and where a capital begins a word.
fn words(name: &str) -> Vec<String> {
    let letters: Vec<char> = name.chars().collect();
    let mut words = vec![String::new()];
    for (index, &letter) in letters.iter().enumerate() {
        let before = index.checked_sub(1).map(|index| letters[index]);
        let next = letters.get(index + 1);
        // `imageNumber`, and the last capital of `FOVNumber`.
        let begins = letter.is_uppercase()
            && before.is_some_and(|before| {
                before.is_lowercase() || (before.is_uppercase() && next.is_some_and(|next| next.is_lowercase()))
            });
        if !letter.is_alphanumeric() || begins {
            words.push(String::new());
        }
        if letter.is_alphanumeric() {
            let word = words.last_mut().expect("a word was begun");
            word.extend(letter.to_lowercase().map(|letter| if matches!(letter, 'µ' | 'μ') { 'u' } else { letter }));
        }
    }
    words.retain(|word| !word.is_empty());
    if words.is_empty() { vec![String::new()] } else { words }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(reason: Option<Reason>, names: &[&str]) {
        for name in names {
            assert_eq!(reason_in_name(name), reason, "{name}");
        }
    }

    #[test]
    fn knows_what_cellprofiler_writes_beside_measurements() {
        check(
            Some(Reason::Number),
            &[
                "Cells_Number_Object_Number",
                "Cytoplasm_Parent_Nuclei",
                "Nuclei_Neighbors_FirstClosestObjectNumber_10",
                "Image_ImageNumber",
                "Image_Group_Index",
                "Image_Group_Number",
            ],
        );
        check(
            Some(Reason::Position),
            &[
                "Cells_AreaShape_Center_X",
                "Nuclei_Location_MaxIntensity_Y_DNA",
                "Cells_AreaShape_BoundingBoxMaximum_X",
                "Cells_AreaShape_Center_Z_mean",
            ],
        );
        check(
            Some(Reason::Processing),
            &["Image_ExecutionTime_06IdentifyPrimaryObjects", "Image_ModuleError_01Load", "Image_Width_DNA"],
        );
        check(
            None,
            &[
                "Cells_AreaShape_BoundingBoxArea",
                "Nuclei_AreaShape_EulerNumber",
                "Nuclei_Children_Spots_Count",
                "Cells_Neighbors_NumberOfNeighbors_10",
                "Image_Granularity_1_DNA",
                "Image_Count_Cells",
                "Cells_Intensity_MaxIntensityEdge_ER",
                "Cells_AreaShape_MaximumRadius",
                "Nuclei_Texture_Contrast_X_5",
            ],
        );
    }

    #[test]
    fn knows_what_plain_tables_carry_along() {
        check(
            Some(Reason::Number),
            &[
                "Unnamed: 0",
                "index",
                "level_0",
                "ImageNumber",
                "Object No",
                "ObjectNumber",
                "file_counter",
                "uuid",
                "cell_id",
                "pubchem_cid",
                "...1",
                "FOVNumber",
                "plate barcode",
                "well index",
            ],
        );
        check(
            Some(Reason::Position),
            &[
                "row",
                "Col",
                "well_row",
                "x",
                "Position X [µm]",
                "stage_y",
                "xPos",
                "centroid-0",
                "bbox-3",
                "Center_X",
                "posX (um)",
                "center_of_mass_x",
                "cell_x",
                "bbox_min_row",
                "focus_z_um",
                "AutofocusOffset",
            ],
        );
        check(
            Some(Reason::Dose),
            &[
                "dose_aMEK",
                "stock concentration",
                "log10 Dose",
                "TRAIL [nM]",
                "drug uM",
                "conc.2",
                "forskolin_nM",
                "vx770_um",
                "logConc",
                "pDose",
                "mg/mL",
                "titration",
                "log2fold_dilution",
            ],
        );
        check(
            Some(Reason::Counts),
            &[
                "n_drugs",
                "number of compounds",
                "n_guides",
                "Site_Count",
                "good_guides",
                "Seeding density",
                "cells_seeded",
                "n_cells_plated",
                "Cell_number",
            ],
        );
        check(Some(Reason::Time), &["date", "Time", "acquisition_date", "timestamp", "time_point"]);
        check(
            Some(Reason::Processing),
            &[
                "ExecutionTime_01LoadData",
                "runtime",
                "Exposure Time",
                "passage number",
                "ModuleError_02",
                "scan_duration_s",
            ],
        );
        check(
            None,
            &[
                "f1",
                "emb_0",
                "0",
                "latent_001",
                "EGF",
                "ID1",
                "COL1A1",
                "c-Myc",
                "cellviab",
                "area_um2",
                "length_um",
                "mitotic index",
                "n_cells",
                "mean_intensity",
                "number_of_spots",
                "ks_Large",
                "width",
                "height",
                "doubling_time",
                "n_objects",
                "max_intensity_x",
                "AKTpT308",
                "focus_score",
                "expression level",
                "PLK1",
                "zscore",
            ],
        );
    }
}
