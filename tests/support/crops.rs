//! A screen of images without a time lapse: wells of disks of three kinds.

use std::fmt::Write as _;
use std::path::Path;

use tiff::encoder::{TiffEncoder, colortype::Gray8};

const SIDE: usize = 64;

/// Radius and brightness of a well's disks by its column: two columns of controls, two of large disks, two of bright ones.
const COLUMNS: [(&str, f64, u8); 6] = [
    ("none", 7.0, 120),
    ("none", 7.0, 120),
    ("grow", 11.0, 120),
    ("grow", 11.0, 120),
    ("shine", 7.0, 230),
    ("shine", 7.0, 230),
];

/// Four rows of six wells, in each picture four disks, which differ a little from well to well.
pub fn write_screen(folder: &Path) {
    let mut sheet = String::from("row,column,treatment,file\n");
    for row in 0..4 {
        for (column, (treatment, radius, brightness)) in COLUMNS.into_iter().enumerate() {
            let own = 0.4 * ((3 * row + 5 * column) % 4) as f64;
            let mut pixels = vec![20u8; SIDE * SIDE];
            for (index, pixel) in pixels.iter_mut().enumerate() {
                let (x, y) = (index % SIDE, index / SIDE);
                let at = |position: usize| (position % 32) as f64 - 16.0;
                if at(x).hypot(at(y)) <= radius + own {
                    *pixel = brightness - ((x * 7 + y * 3 + row) % 11) as u8;
                }
            }
            let name = format!("{row}_{column}.tif");
            let file = std::fs::File::create(folder.join(&name)).unwrap();
            TiffEncoder::new(file).unwrap().write_image::<Gray8>(SIDE as u32, SIDE as u32, &pixels).unwrap();
            writeln!(sheet, "{},{},{treatment},{name}", ["A", "B", "C", "D"][row], column + 1).unwrap();
        }
    }
    std::fs::write(folder.join("wells.csv"), sheet).unwrap();
    let card = r#"
name = "disks"
kind = "other"
files = ["wells.csv"]
[columns]
perturbation = "treatment"
[controls]
negative = { values = ["none"] }
[images]
plate = "one"
"#;
    std::fs::write(folder.join("dataset.toml"), card).unwrap();
    let config = format!(
        r#"
[data]
card = '{card}'
[images]
cache = '{cache}'
[images.crop]
size = 16
binning = 2
[normalize]
per_plate = {{ method = "none" }}
compress = {{ method = "none" }}
[split]
by = "plate_row"
folds = 2
validation = 0.0
calibration = 0.0
[pair]
crops = 3
bag = 4
[model]
latent = 8
encoder = {{ kind = "conv", channels = 1, size = 16, widths = [8, 16], width = 32 }}
[train]
steps = 80
members = 1
checkpoint_every = 10
[evaluate]
all_folds = true
neighbors = 3
bootstrap = {{ resamples = 200 }}
"#,
        card = folder.join("dataset.toml").display(),
        cache = folder.join("cache").display()
    );
    std::fs::write(folder.join("screen.toml"), config).unwrap();
}
