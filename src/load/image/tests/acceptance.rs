//! Real files of every layout, where they are at hand: shapes, types, channels, wells, and every pixel's sum.
//!
//! The files may not be published, so they lie beside the repository and not in it; without them these tests say so and
//! pass. The sums are those of tifffile, Pillow and zarr (`tests/oracles/image_pixels.py`).

use std::collections::BTreeMap;
use std::path::Path;

use rayon::prelude::*;

use super::*;
use crate::load::read_text_table;
use crate::screen::Plane;

/// Runs `check` on the folder of real data, or says that there is none.
fn with_data(check: impl FnOnce(&Path)) {
    match shared() {
        Some(data) => check(&data),
        None => eprintln!("skipped: no ../shared/data"),
    }
}

/// Loads `files` (relative to the data) with a card of this text.
fn load(data: &Path, card: &str, files: &[&str]) -> LoadedImages {
    let folder = Folder::new().with("dataset.toml", card);
    let files = files.iter().map(|file| data.join(file)).collect();
    let source = Source { card: Some(folder.path("dataset.toml")), files, ..Source::default() };
    load_images(&ImageSource { source, ..ImageSource::default() }).unwrap_or_else(|error| panic!("{error}"))
}

/// Sites, wells, channels, the shape of a plane, and missing files.
fn describe(loaded: &LoadedImages) -> String {
    let screen = &loaded.screen;
    let mut wells: Vec<_> = screen.table.units.by_row().map(|row| (&row.plate, row.well)).collect();
    wells.sort();
    wells.dedup();
    let shapes: Vec<String> = (loaded.survey.shapes.keys())
        .map(|shape| format!("{}x{} {:?}", shape.width, shape.height, shape.sample_type))
        .collect();
    format!(
        "{} sites, {} wells, {} times, z {}, [{}], {}, {} of {} files missing",
        screen.n_sites(),
        wells.len(),
        screen.fields().iter().map(Vec::len).max().unwrap_or(0),
        screen.sites.iter().flat_map(|site| site.channels.iter().map(Vec::len)).max().unwrap_or(0),
        screen.channels.join(", "),
        shapes.join(" "),
        loaded.survey.n_missing_files,
        loaded.survey.n_files,
    )
}

#[test]
fn every_pixel_sum_is_that_of_other_programs() {
    with_data(|data| {
        let oracle = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracles/image_pixels.csv.gz");
        let table = read_text_table(&oracle).unwrap();
        let column = |name: &str| &table.columns[table.names.iter().position(|other| other == name).unwrap()];
        let text = |name: &str, row: usize| column(name)[row].clone().unwrap_or_default();
        let faults: Vec<String> = (0..table.places.len())
            .into_par_iter()
            .filter_map(|row| {
                let path = data.join(text("path", row));
                let selector = if text("path", row).contains(".zarr") {
                    let index = text("page", row);
                    crate::screen::Selector::Zarr { index: index.split(' ').map(|at| at.parse().unwrap()).collect() }
                } else {
                    let number = |name| text(name, row).parse::<u32>().unwrap();
                    crate::screen::Selector::Page { page: number("page"), sample: number("sample") as u16 }
                };
                let raster = match read_plane(&Plane { path, selector }) {
                    Ok(raster) => raster,
                    Err(error) => return Some(error.to_string()),
                };
                let sum: u64 = match &raster.values {
                    PixelValues::U8(values) => values.iter().map(|&value| u64::from(value)).sum(),
                    PixelValues::U16(values) => values.iter().map(|&value| u64::from(value)).sum(),
                    PixelValues::U32(values) => values.iter().map(|&value| u64::from(value)).sum(),
                    PixelValues::F32(values) => values.iter().map(|&value| value as u64).sum(),
                };
                let kind = format!("{:?}", raster.sample_type).to_lowercase().replace('u', "uint").replace('i', "int");
                // JPEG decoders may differ by the rounding of a pixel; all other formats agree to the last bit.
                let is_jpeg = text("path", row).ends_with(".jpeg");
                let expected_sum: u64 = text("sum", row).parse().unwrap();
                let is_near = is_jpeg && sum.abs_diff(expected_sum) * 100 < raster.values.len() as u64;
                let sum = if is_near { expected_sum } else { sum };
                let found = format!("{} {} {} {sum}", raster.width, raster.height, kind.replace("uintnt", "uint"));
                let expected = ["width", "height", "type", "sum"].map(|name| text(name, row)).join(" ");
                (found != expected).then(|| format!("{}: {found}, expected {expected}", text("path", row)))
            })
            .collect();
        // And no picture among the formats is left out.
        let known: std::collections::BTreeSet<String> =
            (0..table.places.len()).map(|row| text("path", row)).filter(|path| path.starts_with("formats/")).collect();
        let mut folders = vec![data.join("formats")];
        while let Some(folder) = folders.pop() {
            for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
                if path.is_dir() {
                    folders.push(path);
                } else if sheet::is_image_name(&path.to_string_lossy()) {
                    let path = path.strip_prefix(data).unwrap().to_string_lossy().replace('\\', "/");
                    assert!(known.contains(&path), "{path} is in no row of {}", oracle.display());
                }
            }
        }
        assert!(faults.is_empty(), "{} of {}: {:#?}", faults.len(), table.places.len(), &faults[..faults.len().min(5)]);
    });
}

const ORGANOIDS: &str = r#"
name = "organoid-swelling"
reference = "first_frame"
[columns]
doses = { forskolin = "forskolin_um", VX-770 = "vx770_um", VX-809 = "vx809_um" }
[[join]]
file = "wells.csv"
on = ["well_number"]
[images]
plate = "demoplate_01"
pixel_um = 4.991
[images.objects]
file = "organoids.csv.gz"
on = ["well_number", "frame"]
"#;

#[test]
fn organoids_are_a_time_lapse_with_masks_tracks_and_pairs() {
    with_data(|data| {
        let loaded = load(data, ORGANOIDS, &["organoid-swelling-images/frames.csv"]);
        assert_eq!(describe(&loaded), "364 sites, 52 wells, 7 times, z 1, [], 512x512 U8, 0 of 728 files missing");
        let UsableImages { screen, objects } = loaded.usable().unwrap();
        let objects = objects.unwrap();
        assert_eq!(screen.table.treatments().len(), 26);
        assert_eq!(screen.fields().len(), 52);
        assert_eq!(screen.sites[6].time.unwrap().hours, Some(1.0));
        let both =
            screen.table.treatments().keys().filter(|treatment| treatment.intervention.members().len() == 3).count();
        assert!(both > 0);
        // Centers lie in their own labels, but for some of touching objects (752 of 26,010).
        let n_wrong: usize = (0..screen.n_sites())
            .into_par_iter()
            .map(|row| {
                let labels = read_labels(screen.sites[row].mask.as_ref().unwrap()).unwrap();
                let label = |object: &Object| labels.labels[object.y as usize * labels.width + object.x as usize];
                objects[row].iter().filter(|object| label(object) != object.id).count()
            })
            .sum();
        let n_objects: usize = objects.iter().map(Vec::len).sum();
        assert!(n_objects > 20_000 && n_wrong * 20 < n_objects, "{n_wrong} of {n_objects}");
    });
}

#[test]
fn gastruloids_have_two_channels_in_pages() {
    with_data(|data| {
        let card = "[images]\nplate = \"gastruloids\"\npages = [\"bright field\", \"GFP\"]\n";
        let loaded = load(data, card, &["gastruloid-images/wells.csv"]);
        assert_eq!(
            describe(&loaded),
            "72 sites, 72 wells, 1 times, z 1, [bright field, GFP], 270x270 U8, 0 of 72 files missing"
        );
        let screen = loaded.usable().unwrap().screen;
        assert_eq!(screen.table.treatments().len(), 3);
        assert_eq!(screen.table.controls_by_plate()["gastruloids"].len(), 18);
        let stack = read_site(&screen.sites[0]).unwrap();
        assert_eq!((stack.n_channels, stack.height, stack.width), (2, 270, 270));

        let card = "[images]\nplate = \"volume\"\npages = \"z\"\npattern = '(?<site>\\d+)--(?<channel>C\\d+)\\.tif$'\n";
        let loaded = load(data, card, &["gastruloid-images/volume3d"]);
        assert_eq!(describe(&loaded), "1 sites, 1 wells, 1 times, z 30, [C01, C02], 75x75 U16, 0 of 2 files missing");
        assert_eq!(read_site(&loaded.screen.sites[0]).unwrap().values.len(), 2 * 75 * 75);
    });
}

#[test]
fn rnai_images_are_a_folder_with_an_annotation() {
    with_data(|data| {
        let card = r#"
kind = "rnai"
[columns]
perturbation = "GeneID"
[controls]
negative = { values = ["RLUC"] }
[[join]]
file = "annotation.txt"
on = ["well"]
columns = ["Content", "GeneID"]
[images]
pattern = '(?<plate>PK-\d+B)-pl\d+/Well-(?<well>[A-P]\d+)/(?<channel>\w+)\.jpeg$'
"#;
        let folder = Folder::new().with("dataset.toml", card);
        let annotation = data.join("rnai-morphology-images/conf/annotation.txt");
        std::fs::copy(annotation, folder.path("annotation.txt")).unwrap();
        let files = vec![data.join("rnai-morphology-images/source")];
        let source = Source { card: Some(folder.path("dataset.toml")), files, ..Source::default() };
        let loaded = load_images(&ImageSource { source, ..ImageSource::default() }).unwrap();
        assert_eq!(
            describe(&loaded),
            "12 sites, 12 wells, 1 times, z 1, [FITC, Hoechst, Tritc], 1024x510 U8, 0 of 36 files missing"
        );
        let screen = loaded.usable().unwrap().screen;
        assert_eq!(screen.table.controls_by_plate().values().map(Vec::len).collect::<Vec<_>>(), [2, 2]);
        let treatments: Vec<String> = screen.table.treatments().keys().map(|treatment| treatment.to_string()).collect();
        assert_eq!(treatments, ["AAK1", "PLK3", "UBC"]);
    });
}

#[test]
fn cell_painting_nf1_has_masks_and_cells() {
    with_data(|data| {
        let card = r#"
[images]
pattern = '(?<plate>Plate_2)_images/(?<well>[A-H]\d+)_01_\d_(?<site>\d)_(?<channel>\w+)_001\.tif$'
mask_pattern = '(?<plate>Plate_2)_masks/(?<well>[A-H]\d+)_01_\d_(?<site>\d)_DAPI_001_MaskNuclei\.tiff$'
mask_values = "binary"
[images.objects]
file = "Plate_2_with_image_data_shrunken.parquet"
on = [{ table = "well", sheet = "Image_Metadata_Well_x" }, { table = "site", sheet = "Image_Metadata_Site_x" }]
"#;
        let folder = Folder::new().with("dataset.toml", card);
        let table = "Plate_2_with_image_data_shrunken.parquet";
        std::fs::copy(data.join("formats/cellpainting-nf1").join(table), folder.path(table)).unwrap();
        let files = vec![data.join("formats/cellpainting-nf1")];
        let source = Source { card: Some(folder.path("dataset.toml")), files, ..Source::default() };
        let loaded =
            load_images(&ImageSource { source, ..ImageSource::default() }).unwrap_or_else(|error| panic!("{error}"));
        let described = describe(&loaded);
        assert_eq!(described, "5 sites, 5 wells, 1 times, z 1, [DAPI, GFP, RFP], 1224x904 U16, 0 of 20 files missing");
        let UsableImages { screen, objects } = loaded.usable().unwrap();
        assert_eq!(objects.unwrap().iter().map(Vec::len).sum::<usize>(), 5);
        let masks = screen.sites.iter().map(|site| read_labels(site.mask.as_ref().unwrap()).unwrap());
        let n_objects: Vec<usize> = masks.map(|labels| objects_of_labels(&labels).len()).collect();
        assert!(n_objects.iter().all(|&n| n > 3), "{n_objects:?}");
    });
}

#[test]
fn every_vendor_and_index_is_read() {
    with_data(|data| {
        let table: [(&str, &str); 11] = [
            (
                "formats/phenix-jump/Version1/images/Index.idx.xml",
                "1 sites, 1 wells, 1 times, z 1, [Alexa 647, Alexa 568, 488 long, Alexa 488, HOECHST 33342, Brightfield], 1080x1080 U16, 4 of 6 files missing",
            ),
            (
                "formats/phenix-jump/Version5",
                "1 sites, 1 wells, 1 times, z 1, [Digital Phase Contrast, Brightfield high, 488 650, Alexa 488, Alexa 568, Alexa 647], , 6 of 6 files missing",
            ),
            (
                "formats/phenix-jump/Version7/images",
                "1 sites, 1 wells, 1 times, z 1, [Alexa 488, Alexa 568, Alexa 488 Em 650, 405ex, 570-630-em), Alexa 647, HOECHST 33342, Brightfield], , 7 of 7 files missing",
            ),
            (
                "formats/hcs-imagexpress/Projection-Mix",
                "4 sites, 2 wells, 1 times, z 1, [w1, w2, w3], 512x512 U16, 0 of 12 files missing",
            ),
            (
                "formats/hcs-cv8000/CV8000-Minimal-DataSet-2C-3W-4S-FP2-stack",
                "12 sites, 3 wells, 1 times, z 4, [BP445/45, BP525/50], 2000x2000 U16, 0 of 96 files missing",
            ),
            (
                "formats/ome-tiff/20241003_experiment_488_7_640_3_1.companion.ome",
                "5 sites, 1 wells, 5 times, z 1, [Channel1, Channel2], , 2 of 2 files missing",
            ),
            (
                "formats/ome-tiff/c3_z33.companion.ome",
                "1 sites, 1 wells, 1 times, z 33, [Conf640, Conf561, Conf405], , 3 of 3 files missing",
            ),
            (
                "formats/tiff-rgb-lzw",
                "1 sites, 1 wells, 1 times, z 1, [red, green, blue], 512x512 U8, 0 of 1 files missing",
            ),
            (
                "formats/ome-zarr/plate_ones_mip.zarr",
                "1 sites, 1 wells, 1 times, z 1, [some-label-1, some-label-2], 1280x1080 U16, 0 of 2 files missing",
            ),
            (
                "formats/ome-zarr/tubhiswt4D_sub.zarr",
                "3 sites, 1 wells, 3 times, z 2, [channel_0], 512x512 U8, 0 of 1 files missing",
            ),
            (
                "formats/ome-zarr/6001240_labels_v0.5.zarr",
                "1 sites, 1 wells, 1 times, z 236, [LaminB1, Dapi], 67x68 U16, 0 of 1 files missing",
            ),
        ];
        let found: BTreeMap<&str, String> = table
            .iter()
            .map(|(path, _)| {
                let files = vec![data.join(path)];
                let source = Source { files, ..Source::default() };
                let card = Folder::new().with("dataset.toml", "[images]\nplate = \"P\"\n");
                let with_card = Source { card: Some(card.path("dataset.toml")), ..source.clone() };
                let needs_plate = path.ends_with("tiff-rgb-lzw");
                let source = ImageSource { source: if needs_plate { with_card } else { source }, ..Default::default() };
                let described = |loaded: LoadedImages| {
                    let (again, files) = (card.path("again.toml"), source.source.files.clone());
                    assert_card_reads_back(&loaded, &source, &again, files);
                    describe(&loaded)
                };
                (*path, load_images(&source).map_or_else(|error| error.to_string(), described))
            })
            .collect();
        let wrong: Vec<String> = table
            .iter()
            .filter(|(path, expected)| found[path] != *expected)
            .map(|(path, expected)| format!("{path}\n     found {}\n  expected {expected}", found[path]))
            .collect();
        assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    });
}

#[test]
fn load_data_tables_are_read_with_path_maps() {
    with_data(|data| {
        let check = |sheet: &str, maps: &[(&str, &str)], expected: &str| {
            let source = Source { files: vec![data.join(sheet)], ..Source::default() };
            let path_maps = maps.iter().map(|(old, new)| PathMap { old: (*old).to_owned(), new: data.join(new) });
            let source = ImageSource { source, path_maps: path_maps.collect(), root: None };
            let loaded = load_images(&source).unwrap_or_else(|error| panic!("{sheet}: {error}"));
            assert_eq!(describe(&loaded), expected, "{sheet}");
        };
        check(
            "formats/phenix-jump/Version1/load_data_version1.csv",
            &[("tests/data/Version1/images", "formats/phenix-jump/Version1/images")],
            "1 sites, 1 wells, 1 times, z 1, [RNA, ER, AGP, Mito, Brightfield, DNA], 1080x1080 U16, 4 of 6 files missing",
        );
        check(
            "formats/cellprofiler/test_BR00126114_load_data_with_illum.parquet",
            &[("s3://cellpainting-gallery/cpg0016-jump", "formats/absent")],
            "2 sites, 1 wells, 1 times, z 1, [AGP, DNA, ER, Mito, RNA], , 10 of 10 files missing",
        );
        check(
            "formats/cellprofiler/BR00121431-A02-1/Image.csv.gz",
            &[("/home/ubuntu", "formats/absent")],
            "1 sites, 1 wells, 1 times, z 1, [AGP, BFHigh, BFLow, Brightfield, DNA, ER, Mito, RNA], , 8 of 8 files missing",
        );
    });
}

#[test]
fn deep_profiler_without_places_and_sqlite_as_profiles_are_refused_in_words() {
    with_data(|data| {
        let error = read_deep_profiler(&data.join("formats/cellprofiler/Week1_22123_B02_s1.npz")).unwrap_err();
        assert!(error.to_string().ends_with("has no `locations` (only features); crops cannot be cut without them"));
        let error = read_text_table(&data.join("formats/cellprofiler/test_BR00126114.sqlite")).unwrap_err();
        assert!(error.to_string().contains("an SQLite database"), "{error}");
    });
}

#[test]
fn nuclei_of_a_cellprofiler_data_base_are_read_with_their_sites() {
    with_data(|data| {
        let path = data.join("formats/cellprofiler/test_BR00126114.sqlite");
        let table = super::super::sqlite::read_objects(&path, &std::collections::BTreeSet::new()).unwrap();
        assert_eq!(table.n_rows(), 20);
        let n_distinct = |column: &str| {
            table.text(column).unwrap().iter().flatten().collect::<std::collections::BTreeSet<_>>().len()
        };
        assert_eq!((n_distinct("Metadata_Well"), n_distinct("Metadata_Site")), (1, 2));
        let is_place = |text: &Option<String>| text.as_deref().is_some_and(|text| text.parse::<f64>().is_ok());
        assert!(table.text("Nuclei_Location_Center_X").unwrap().iter().all(is_place));
        // A base of hundreds of measurements, of which places and keys are read.
        let wide = data.join("formats/cellprofiler/test_SQ00014613.sqlite");
        let table = super::super::sqlite::read_objects(&wide, &std::collections::BTreeSet::new()).unwrap();
        assert_eq!(table.n_rows(), 2);
    });
}
