//! Planes of 16 bit to crops: what stands between an image screen and the first training step.

use std::fs::File;
use std::path::Path;

use cytonaut::crop::{Edge, crop};
use cytonaut::load::image::pixels::PixelValues;
use cytonaut::load::image::read_site;
use cytonaut::screen::{ImageSite, Object, Plane, Projection};
use divan::Bencher;
use divan::counter::BytesCount;
use rayon::prelude::*;
use tiff::encoder::colortype::Gray16;
use tiff::encoder::{Compression, DeflateLevel, TiffEncoder};

use super::screens::{folder, noise};

/// Side of a plane, as of a large microscope camera binned by two.
const SIDE: usize = 1080;
const SITES: usize = 4;
const CHANNELS: usize = 5;
/// Crops of a site, and their side.
const OBJECTS: usize = 200;
const SIZE: usize = 96;

#[divan::bench(sample_count = 5, sample_size = 1)]
fn decodes_and_crops_lzw(bencher: Bencher) {
    decodes_and_crops(bencher, "lzw", Compression::Lzw);
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn decodes_and_crops_deflate(bencher: Bencher) {
    decodes_and_crops(bencher, "deflate", Compression::Deflate(DeflateLevel::Balanced));
}

/// Every plane of four sites of five channels, and 200 crops of 96 pixels through all channels of each; sites side by side.
fn decodes_and_crops(bencher: Bencher, name: &str, compression: Compression) {
    let sites = sites(name, compression);
    let objects: Vec<Object> = (0..OBJECTS).map(object).collect();
    let cut = |site: &ImageSite| -> Vec<PixelValues> {
        let stack = read_site(site).expect("our own files");
        let crop = |object| crop(&stack, object, SIZE, Edge::Zero).expect("the edge is filled with zeros");
        objects.iter().map(crop).collect()
    };
    let pixels = BytesCount::of_many::<u16>(SITES * CHANNELS * SIDE * SIDE);
    bencher.counter(pixels).bench_local(|| sites.par_iter().map(cut).collect::<Vec<_>>());
}

/// Where the `index`-th object lies; some crops reach beyond the edge. As in `compare.py`.
fn object(index: usize) -> Object {
    let along = |step: usize| ((index * step + 13) % SIDE) as f32;
    Object { id: index as u32, track: None, x: along(377), y: along(611), readout: None }
}

/// The sites, whose planes are written first where they are not there yet: `planes/NAME-SITE-CHANNEL.tif`.
fn sites(name: &str, compression: Compression) -> Vec<ImageSite> {
    let folder = folder().join("planes");
    std::fs::create_dir_all(&folder).expect("a folder that can be made");
    let path = |site: usize, channel: usize| folder.join(format!("{name}-{site}-{channel}.tif"));
    (0..SITES * CHANNELS).into_par_iter().for_each(|plane| {
        write(&path(plane / CHANNELS, plane % CHANNELS), plane, compression);
    });
    let planes = |site: usize| (0..CHANNELS).map(|channel| vec![Plane::first_of(path(site, channel))]).collect();
    (0..SITES)
        .map(|site| ImageSite {
            site: site.to_string(),
            time: None,
            channels: planes(site),
            projection: Projection::Max,
            pixel_um: None,
            mask: None,
        })
        .collect()
}

fn write(path: &Path, plane: usize, compression: Compression) {
    if path.exists() {
        return;
    }
    let unfinished = path.with_extension("part");
    let file = std::io::BufWriter::new(File::create(&unfinished).expect("a file that can be written"));
    let mut encoder = TiffEncoder::new(file).expect("a TIFF").with_compression(compression);
    let side = SIDE as u32;
    encoder.write_image::<Gray16>(side, side, &picture(plane)).expect("a plane that can be written");
    std::fs::rename(&unfinished, path).expect("a file that can be named");
}

/// Bright spots around the objects on a dim, noisy ground, as a camera of 16 bit sees stained cells.
fn picture(plane: usize) -> Vec<u16> {
    /// Reach of a spot in pixels, and its width.
    const REACH: i64 = 40;
    const WIDTH: f32 = 12.0;
    let mut light = vec![300.0f32; SIDE * SIDE];
    for index in 0..OBJECTS {
        let Object { x, y, .. } = object(index);
        let brightness = 2000.0 + 1500.0 * noise(index * SITES * CHANNELS + plane).abs();
        let around = |center: f32| (center as i64 - REACH).max(0)..(center as i64 + REACH).min(SIDE as i64);
        for row in around(y) {
            for column in around(x) {
                let square = (row as f32 - y).powi(2) + (column as f32 - x).powi(2);
                light[row as usize * SIDE + column as usize] += brightness * (-square / (2.0 * WIDTH * WIDTH)).exp();
            }
        }
    }
    // Shot noise: its variance is the light itself, here in electrons of four counts each.
    let seen = |(pixel, light): (usize, f32)| light + 2.0 * light.sqrt() * noise(plane * SIDE * SIDE + pixel);
    light.into_iter().enumerate().map(|pixel| seen(pixel).clamp(0.0, 65_535.0) as u16).collect()
}
