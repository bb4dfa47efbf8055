//! A time lapse of images: disks that grow with the dose.

use std::fmt::Write as _;
use std::path::Path;

use tiff::encoder::{Compression, DeflateLevel, TiffEncoder, colortype::Gray8};

/// How large a screen of disks is made.
pub struct Disks {
    /// An even number; two of each dose.
    pub n_wells: usize,
    pub n_frames: usize,
    /// Side of the pictures; the disks stay as large as they are.
    pub side: usize,
}

const CENTERS: [(usize, usize); 4] = [(16, 16), (48, 16), (16, 48), (48, 48)];

/// Radius of a disk: its own at first, then growing by up to a third a frame at the highest dose.
fn radius(well: usize, object: usize, frame: usize) -> f64 {
    let dose = (well / 2) as f64 / 5.0;
    let own = 5.0 + 0.5 * object as f64 + 0.3 * (well % 2) as f64;
    own * (1.0 + 0.33 * dose * frame as f64)
}

/// Wells at doses half a decade apart, frames ten minutes apart, four objects each; and a fifth object that is lost.
pub fn write_screen(folder: &Path, disks: &Disks) {
    let &Disks { n_wells, n_frames, side } = disks;
    let mut frames = String::from("well,frame,time_min,image,drug_um\n");
    let mut objects = String::from("well,frame,object,track,center_x,center_y,area\n");
    for well in 0..n_wells {
        let name = format!("{}{:02}", ["A", "B"][well % 2], well / 2 + 1);
        let dose = 0.01 * 10f64.powf(0.5 * (well / 2) as f64);
        for frame in 0..n_frames {
            let mut pixels = vec![10u8; side * side];
            for (object, &(x, y)) in CENTERS.iter().enumerate() {
                let radius = radius(well, object, frame);
                for (index, pixel) in pixels.iter_mut().enumerate() {
                    let (dx, dy) = ((index % side) as f64 - x as f64, (index / side) as f64 - y as f64);
                    if dx.hypot(dy) <= radius {
                        *pixel = 200;
                    }
                }
                let area = std::f64::consts::PI * radius * radius;
                writeln!(objects, "{name},{frame},{},{},{x},{y},{area:.2}", object + 1, object + 1).unwrap();
            }
            if frame + 1 < n_frames {
                writeln!(objects, "{name},{frame},9,9,32,32,10").unwrap();
            }
            let image = format!("{name}_{frame}.tif");
            let file = std::fs::File::create(folder.join(&image)).unwrap();
            let mut encoder =
                TiffEncoder::new(file).unwrap().with_compression(Compression::Deflate(DeflateLevel::Fast));
            encoder.write_image::<Gray8>(side as u32, side as u32, &pixels).unwrap();
            writeln!(frames, "{name},{frame},{},{image},{dose}", 10 * frame).unwrap();
        }
    }
    std::fs::write(folder.join("frames.csv"), frames).unwrap();
    std::fs::write(folder.join("objects.csv"), objects).unwrap();
    let card = r#"
name = "disks"
reference = "first_frame"
dose_unit = "uM"
files = ["frames.csv"]
[columns]
doses = { drug = "drug_um" }
[images]
plate = "one"
[images.objects]
file = "objects.csv"
on = ["well", "frame"]
readout = "area"
"#;
    std::fs::write(folder.join("dataset.toml"), card).unwrap();
    let config = format!(
        r#"
[data]
card = '{card}'
[images]
cache = '{cache}'
[images.crop]
size = 32
centers = "objects"
[normalize]
per_plate = {{ method = "none" }}
compress = {{ method = "none" }}
[split]
by = "condition"
folds = 3
validation = 0.0
calibration = 0.0
[pair]
batch = 48
[model]
latent = 8
encoder = {{ kind = "conv", channels = 1, size = 32, widths = [8, 16], width = 32 }}
[train]
steps = 150
members = 1
[evaluate]
all_folds = true
bootstrap = {{ resamples = 200 }}
"#,
        card = folder.join("dataset.toml").display(),
        cache = folder.join("cache").display()
    );
    std::fs::write(folder.join("screen.toml"), config).unwrap();
}
