//! Small images made here, one property or one fault each.

mod colors;
mod imagej;

use std::io::Cursor;
use std::path::PathBuf;

use ::png::ColorType;
use ::tiff::encoder::{Compression, DeflateLevel, TiffEncoder, colortype};
use tempfile::TempDir;

use super::*;

/// A TIFF directory entry: tag, type (1 and 2: bytes, 3: u16, 4: u32), values.
pub(in crate::load::image) type Tag = (u16, u16, Vec<u32>);

/// Writes a TIFF of one page for each list of tags; `data` stands at byte 8 (classic) or 16 (BigTIFF).
pub(in crate::load::image) struct Writer {
    is_little: bool,
    is_big: bool,
}

pub(in crate::load::image) const LITTLE: Writer = Writer { is_little: true, is_big: false };

impl Writer {
    fn number(&self, value: u64, n_bytes: usize) -> Vec<u8> {
        let bytes = value.to_le_bytes();
        let mut bytes = bytes[..n_bytes].to_vec();
        if !self.is_little {
            bytes.reverse();
        }
        bytes
    }

    fn start(&self) -> usize {
        if self.is_big { 16 } else { 8 }
    }

    pub(in crate::load::image) fn write(&self, pages: &[Vec<Tag>], data: &[u8]) -> Vec<u8> {
        let word = if self.is_big { 8 } else { 4 };
        let mut bytes = if self.is_little { b"II".to_vec() } else { b"MM".to_vec() };
        bytes.extend(self.number(if self.is_big { 43 } else { 42 }, 2));
        if self.is_big {
            bytes.extend(self.number(8, 2));
            bytes.extend(self.number(0, 2));
        }
        let mut next = self.start() + data.len();
        bytes.extend(self.number(next as u64, word));
        bytes.extend(data);
        for (index, tags) in pages.iter().enumerate() {
            let entry = 4 + 2 * word;
            let count = if self.is_big { 8 } else { 2 };
            let mut outside = next + count + tags.len() * entry + word;
            let mut values = Vec::new();
            bytes.extend(self.number(tags.len() as u64, count));
            for (tag, kind, numbers) in tags {
                let size = [1, 1, 2, 4][usize::from(*kind) - 1];
                bytes.extend(self.number(u64::from(*tag), 2));
                bytes.extend(self.number(u64::from(*kind), 2));
                bytes.extend(self.number(numbers.len() as u64, word));
                let mut value: Vec<u8> = numbers.iter().flat_map(|&n| self.number(u64::from(n), size)).collect();
                if value.len() <= word {
                    value.resize(word, 0);
                    bytes.extend(value);
                } else {
                    bytes.extend(self.number(outside as u64, word));
                    outside += value.len();
                    values.extend(value);
                }
            }
            next = outside;
            let is_last = index + 1 == pages.len();
            bytes.extend(self.number(if is_last { 0 } else { next as u64 }, word));
            bytes.extend(values);
        }
        bytes
    }
}

/// Tags of an uncompressed page of one strip.
pub(in crate::load::image) fn page(
    width: u32,
    height: u32,
    bits: u32,
    format: u32,
    photometric: u32,
    offset: usize,
) -> Vec<Tag> {
    let bytes = width * height * bits / 8;
    vec![
        (256, 4, vec![width]),
        (257, 4, vec![height]),
        (258, 3, vec![bits]),
        (259, 3, vec![1]),
        (262, 3, vec![photometric]),
        (273, 4, vec![offset as u32]),
        (277, 3, vec![1]),
        (278, 4, vec![height]),
        (279, 4, vec![bytes]),
        (339, 3, vec![format]),
    ]
}

struct Folder(TempDir);

impl Folder {
    fn with(name: &str, bytes: impl AsRef<[u8]>) -> (Self, PathBuf) {
        let folder = Self(tempfile::tempdir().unwrap());
        let path = folder.0.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        (folder, path)
    }
}

fn read(bytes: impl AsRef<[u8]>, page: u32, sample: u16, region: Option<Region>) -> Result<Raster, String> {
    let (_folder, path) = Folder::with("a.tif", bytes);
    decode(&path, page, sample, region).map_err(|error| error.to_string().replace(&path.display().to_string(), "a.tif"))
}

fn refused(bytes: impl AsRef<[u8]>, message: &str) {
    let error = read(bytes, 0, 0, None).expect_err(message);
    assert!(error.starts_with("a.tif: ") && error.contains(message), "{error}");
}

/// With an image description.
pub(in crate::load::image) fn described(mut tags: Vec<Tag>, text: &str) -> Vec<Tag> {
    tags.push((270, 2, text.bytes().chain([0]).map(u32::from).collect()));
    tags.sort_by_key(|(tag, ..)| *tag);
    tags
}

pub(in crate::load::image) fn with_tag(mut tags: Vec<Tag>, tag: u16, values: Vec<u32>) -> Vec<Tag> {
    match tags.iter_mut().find(|(other, ..)| *other == tag) {
        Some(found) => found.2 = values,
        None => {
            tags.push((tag, 4, values));
            tags.sort_by_key(|(tag, ..)| *tag);
        }
    }
    tags
}

#[test]
fn reads_every_sample_type_in_both_byte_orders_and_bigtiff() {
    for (is_little, is_big) in [(true, false), (false, false), (true, true), (false, true)] {
        let writer = Writer { is_little, is_big };
        let check = |bits: u32, format: u32, raw: [u64; 6], expected: PixelValues| {
            let data: Vec<u8> = raw.iter().flat_map(|&value| writer.number(value, bits as usize / 8)).collect();
            let bytes = writer.write(&[page(3, 2, bits, format, 1, writer.start())], &data);
            let raster = read(&bytes, 0, 0, None).unwrap();
            assert_eq!((raster.width, raster.height), (3, 2));
            assert_eq!(raster.values, expected, "{bits} bits, format {format}, {is_little} {is_big}");
        };
        check(8, 1, [0, 1, 2, 3, 4, 255], PixelValues::U8(vec![0, 1, 2, 3, 4, 255]));
        check(16, 1, [0, 1, 2, 3, 4, 65535], PixelValues::U16(vec![0, 1, 2, 3, 4, 65535]));
        check(32, 1, [0, 1, 2, 3, 4, 4_294_967_295], PixelValues::U32(vec![0, 1, 2, 3, 4, u32::MAX]));
        check(8, 2, [0, 1, 2, 3, 4, 255], PixelValues::F32(vec![0.0, 1.0, 2.0, 3.0, 4.0, -1.0]));
        check(16, 2, [0, 1, 2, 3, 4, 65535], PixelValues::F32(vec![0.0, 1.0, 2.0, 3.0, 4.0, -1.0]));
        let float = |value: f32| u64::from(value.to_bits());
        let raw = [float(0.5), 0, 0, float(-2.25), 0, float(1e-3)];
        check(32, 3, raw, PixelValues::F32(vec![0.5, 0.0, 0.0, -2.25, 0.0, 1e-3]));
        let raw = [0.5f64.to_bits(), 0, 0, 1e9f64.to_bits(), 0, 0];
        check(64, 3, raw, PixelValues::F32(vec![0.5, 0.0, 0.0, 1e9, 0.0, 0.0]));
    }
}

#[test]
fn palettes_are_indices_and_white_is_zero_is_inverted() {
    let data = [0, 1, 2, 200, 4, 255];
    let palette = with_tag(page(3, 2, 8, 1, 3, 8), 320, vec![7; 768]);
    let raster = read(LITTLE.write(&[palette], &data), 0, 0, None).unwrap();
    assert_eq!(raster.values, PixelValues::U8(data.to_vec()));
    let raster = read(LITTLE.write(&[page(3, 2, 8, 1, 0, 8)], &data), 0, 0, None).unwrap();
    assert_eq!(raster.values, PixelValues::U8(data.iter().map(|value| 255 - value).collect()));
}

#[test]
fn pages_are_told_apart() {
    let bytes = LITTLE.write(&[page(2, 1, 8, 1, 3, 8), page(2, 2, 8, 1, 1, 10)], &[1, 2, 3, 4, 5, 6]);
    assert_eq!(read(&bytes, 0, 0, None).unwrap().values, PixelValues::U8(vec![1, 2]));
    assert_eq!(read(&bytes, 1, 0, None).unwrap().values, PixelValues::U8(vec![3, 4, 5, 6]));
    let error = read(&bytes, 2, 0, None).unwrap_err();
    assert_eq!(error, "a.tif: has no page 2: it has 2, counted from 0");
    let (_folder, path) = Folder::with("a.tif", &bytes);
    let info = probe(&path).unwrap();
    assert_eq!((info.format, info.pages.len(), info.pages[1].height), (ImageFormat::Tiff, 2, 2));
}

/// 5 x 4 pixels of 0..20 in tiles of 16 x 16.
fn tiled() -> Vec<u8> {
    let mut data = vec![0u8; 4 * 256];
    let (width, height) = (20, 18);
    for y in 0..height {
        for x in 0..width {
            data[(y / 16 * 2 + x / 16) * 256 + y % 16 * 16 + x % 16] = (y * 10 + x) as u8;
        }
    }
    let offsets = (0..4).map(|tile| 8 + tile * 256).collect();
    let tags = vec![
        (256, 4, vec![width as u32]),
        (257, 4, vec![height as u32]),
        (258, 3, vec![8]),
        (259, 3, vec![1]),
        (262, 3, vec![1]),
        (277, 3, vec![1]),
        (322, 4, vec![16]),
        (323, 4, vec![16]),
        (324, 4, offsets),
        (325, 4, vec![256; 4]),
    ];
    LITTLE.write(&[tags], &data)
}

#[test]
fn regions_of_tiles_and_strips_are_those_of_the_whole() {
    let whole = read(tiled(), 0, 0, None).unwrap();
    assert_eq!((whole.width, whole.height), (20, 18));
    let PixelValues::U8(pixels) = &whole.values else { panic!("{whole:?}") };
    assert!(pixels.iter().enumerate().all(|(index, &value)| usize::from(value) == index / 20 * 10 + index % 20));
    for (x, y, width, height) in [(0, 0, 1, 1), (15, 15, 2, 2), (3, 4, 17, 14), (19, 17, 1, 1), (0, 16, 20, 2)] {
        let region = Region { x, y, width, height };
        let part = read(tiled(), 0, 0, Some(region)).unwrap();
        assert_eq!(part, whole.cut(region), "{region:?}");
    }
    let error = read(tiled(), 0, 0, Some(Region { x: 19, y: 0, width: 2, height: 1 })).unwrap_err();
    assert!(error.contains("2 x 1 pixels at (19, 0) lie beyond the 20 x 18 image"), "{error}");
}

fn encoded(compression: Compression) -> (Vec<u8>, Vec<u16>) {
    let pixels: Vec<u16> = (0..37 * 29u32).map(|index| (index * 7919 % 65_521) as u16).collect();
    let mut bytes = Cursor::new(Vec::new());
    let mut encoder = TiffEncoder::new(&mut bytes).unwrap().with_compression(compression);
    let mut image = encoder.new_image::<colortype::Gray16>(37, 29).unwrap();
    image.rows_per_strip(8).unwrap();
    image.write_data(&pixels).unwrap();
    (bytes.into_inner(), pixels)
}

#[test]
fn reads_compressed_strips() {
    for compression in
        [Compression::Uncompressed, Compression::Lzw, Compression::Deflate(DeflateLevel::Fast), Compression::Packbits]
    {
        let (bytes, pixels) = encoded(compression);
        assert_eq!(read(&bytes, 0, 0, None).unwrap().values, PixelValues::U16(pixels));
        for length in [bytes.len() / 2, bytes.len() - 40, 100, 9] {
            assert!(read(&bytes[..length], 0, 0, None).unwrap_err().starts_with("a.tif: "), "{length}");
            let (_folder, path) = Folder::with("a.tif", &bytes[..length]);
            assert!(probe(&path).is_err(), "{length}");
        }
    }
}

#[test]
fn headers_tell_files_that_are_cut_off() {
    let directory_first = {
        // The directory stands before its pixels, so that only their end is missing.
        let tags = with_tag(with_tag(page(100, 100, 8, 1, 1, 300), 259, vec![5]), 279, vec![5_000]);
        LITTLE.write(&[tags], &[])
    };
    let png = png::encode(200, 100, ColorType::Grayscale, 8, &vec![7; 20_000]);
    let jpeg = include_bytes!("gray.jpg");
    for (bytes, message) in [
        (directory_first.as_slice(), "but its pixels end at byte 5300; the file is cut off"),
        (&png[..png.len() - 13], "it is cut off"),
        (&jpeg[..jpeg.len() - 2], "it is cut off"),
    ] {
        let (_folder, path) = Folder::with("a", bytes);
        let error = probe(&path).unwrap_err().to_string();
        assert!(error.contains(message.trim_start_matches("it ")), "{error}");
    }
}

#[test]
fn reads_zstd_as_another_program_wrote_it() {
    let bytes = include_bytes!("zstd_predictor.tif");
    let expected: Vec<u16> = (0..16 * 16).map(|index| (index * 251 % 4096) as u16).collect();
    assert_eq!(read(bytes, 0, 0, None).unwrap().values, PixelValues::U16(expected));
}

#[test]
fn samples_of_color_and_of_planes_are_told_apart() {
    let mut bytes = Cursor::new(Vec::new());
    let mut encoder = TiffEncoder::new(&mut bytes).unwrap();
    encoder.write_image::<colortype::RGB8>(2, 1, &[1, 2, 3, 4, 5, 6]).unwrap();
    let bytes = bytes.into_inner();
    assert_eq!(read(&bytes, 0, 1, None).unwrap().values, PixelValues::U8(vec![2, 5]));
    assert!(read(&bytes, 0, 3, None).unwrap_err().contains("has no sample 3: each pixel has 3"));
    let tags = page(2, 1, 8, 1, 1, 8);
    let tags = with_tag(with_tag(tags, 273, vec![8, 10, 12]), 279, vec![2, 2, 2]);
    let tags = with_tag(with_tag(with_tag(tags, 277, vec![3]), 284, vec![2]), 258, vec![8, 8, 8]);
    let planar = LITTLE.write(&[tags], &[1, 4, 2, 5, 3, 6]);
    for (sample, expected) in [(0, [1, 4]), (1, [2, 5]), (2, [3, 6])] {
        assert_eq!(read(&planar, 0, sample, None).unwrap().values, PixelValues::U8(expected.to_vec()), "{sample}");
    }
}

#[test]
fn refuses_damaged_and_hostile_tiffs() {
    let data = [0u8; 6];
    let good = page(3, 2, 8, 1, 1, 8);
    let with = |tag: u16, values: Vec<u32>| LITTLE.write(&[with_tag(good.clone(), tag, values)], &data);
    refused(with(256, vec![0]), "the image is 0 x 2 pixels, expected at least 1 x 1");
    refused(with(257, vec![0]), "the image is 3 x 0 pixels");
    refused(
        LITTLE.write(&[page(100_000, 100_000, 8, 1, 1, 8)], &data),
        "100000 x 100000 pixels, expected at most 268435456 at once (16384 x 16384)",
    );
    refused(
        LITTLE.write(&[page(10_000, 10_000, 8, 1, 1, 8)], &data),
        "140 bytes, but its pixels end at byte 100000008; the file is cut off",
    );
    refused(with(258, vec![12]), "12-bit unsigned samples, expected 8, 16 or 32 bit integers");
    refused(with(277, vec![0]), "damaged TIFF: 0 samples");
    refused(with(278, vec![1]), "1 strips or tiles, expected 2 for its size");
    refused(with(259, vec![50_001]), "a TIFF that is not read");
    refused(with(322, vec![0]), "tiles of 0 x 0 pixels");
    refused(b"II*\0\x08\0\0\0", "the file is cut off");
    refused(b"II*\0\0\0\0\0", "it has no directory");
    refused(b"II*\0\xff\xff\xff\x7f", "the file is cut off");
    let mut ring = LITTLE.write(std::slice::from_ref(&good), &data);
    let end = ring.len();
    ring[end - 4..].copy_from_slice(&14u32.to_le_bytes());
    refused(ring, "it has a loop of directories");
    let floats: Vec<u8> = [1.0f32, f32::NAN].iter().flat_map(|value| value.to_le_bytes()).collect();
    refused(LITTLE.write(&[page(2, 1, 32, 3, 1, 8)], &floats), "the pixel at (1, 0) is NaN, expected a finite number");
}

#[test]
fn bytes_at_random_are_no_panic() {
    let (good, _) = encoded(Compression::Lzw);
    let mut state = 1u64;
    let mut random = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize
    };
    for _ in 0..300 {
        let mut bytes = good.clone();
        for _ in 0..1 + random() % 8 {
            let at = random() % bytes.len();
            // Most damage goes to the directory, which stands at the end.
            let at = if random() % 2 == 0 { at } else { bytes.len() - 1 - at % 200 };
            bytes[at] = random() as u8;
        }
        let _ = read(&bytes, 0, 0, None);
    }
}

#[test]
fn reads_png_of_every_depth() {
    let check = |bytes: Vec<u8>, sample: u16, expected: PixelValues| {
        assert_eq!(read(bytes, 0, sample, None).unwrap().values, expected);
    };
    check(png::encode(3, 1, ColorType::Grayscale, 8, &[1, 2, 255]), 0, PixelValues::U8(vec![1, 2, 255]));
    check(png::encode(2, 1, ColorType::Grayscale, 16, &[1, 2, 255, 254]), 0, PixelValues::U16(vec![258, 65534]));
    check(
        png::encode(3, 2, ColorType::Indexed, 4, &[0x12, 0x30, 0x45, 0x60]),
        0,
        PixelValues::U8(vec![1, 2, 3, 4, 5, 6]),
    );
    check(
        png::encode(9, 1, ColorType::Grayscale, 1, &[0b1010_0001, 0x80]),
        0,
        PixelValues::U8(vec![1, 0, 1, 0, 0, 0, 0, 1, 1]),
    );
    check(png::encode(2, 1, ColorType::Rgb, 8, &[1, 2, 3, 4, 5, 6]), 2, PixelValues::U8(vec![3, 6]));
    let good = png::encode(3, 1, ColorType::Grayscale, 8, &[1, 2, 255]);
    let region = Some(Region { x: 1, y: 0, width: 2, height: 1 });
    assert_eq!(read(&good, 0, 0, region).unwrap().values, PixelValues::U8(vec![2, 255]));
    assert!(read(&good, 1, 0, None).unwrap_err().contains("has no page 1: a png has one page"));
}

#[test]
fn reads_filters_and_interlacing_as_another_program_wrote_them() {
    let expected: Vec<u8> = (0..19 * 13).map(|index| (index * index / 7 % 251) as u8).collect();
    let bytes = include_bytes!("interlaced.png");
    assert_eq!(read(bytes, 0, 0, None).unwrap().values, PixelValues::U8(expected));
    let expected: Vec<u16> = (0..64 * 48).map(|index| (index / 64 * 300 + index % 64 * index % 977) as u16).collect();
    let bytes = include_bytes!("filtered_16.png");
    assert_eq!(read(bytes, 0, 0, None).unwrap().values, PixelValues::U16(expected));
}

#[test]
fn refuses_damaged_pngs() {
    let good = png::encode(200, 100, ColorType::Grayscale, 8, &vec![7; 20_000]);
    for length in [good.len() - 20, good.len() / 2, 40, 20] {
        refused(&good[..length], "damaged PNG");
    }
    // A bit of the checksum of the pixels, which are right.
    let mut flipped = good.clone();
    flipped[good.len() - 13] ^= 1;
    refused(&flipped, "damaged PNG");
    let mut huge = good.clone();
    huge[16..24].copy_from_slice(&[0, 1, 0x86, 0xA0, 0, 1, 0x86, 0xA0]);
    // With the checksum of its header right, so that only the size is at fault.
    let mut crc = flate2::Crc::new();
    crc.update(&huge[12..29]);
    huge[29..33].copy_from_slice(&crc.sum().to_be_bytes());
    refused(&huge, "100000 x 100000 pixels, expected at most");
}

#[test]
fn reads_jpeg_as_another_program_wrote_it() {
    let gray = include_bytes!("gray.jpg");
    let raster = read(gray, 0, 0, None).unwrap();
    let PixelValues::U8(pixels) = &raster.values else { panic!("{raster:?}") };
    assert_eq!((raster.width, raster.height), (16, 8));
    // A ramp of 16 per column at quality 95.
    assert!(pixels.iter().enumerate().all(|(index, &value)| (i32::from(value) - (index % 16 * 16) as i32).abs() <= 4));
    let color = include_bytes!("color.jpg");
    let sums: Vec<u64> = (0..3)
        .map(|sample| match read(color, 0, sample, None).unwrap().values {
            PixelValues::U8(values) => values.iter().map(|&value| u64::from(value)).sum::<u64>() / values.len() as u64,
            other => panic!("{other:?}"),
        })
        .collect();
    for (found, expected) in sums.iter().zip([200i64, 100, 50]) {
        assert!((*found as i64 - expected).abs() <= 3, "{sums:?}");
    }
    for length in [gray.len() - 2, gray.len() / 2, 30] {
        refused(&gray[..length], "damaged JPEG");
    }
}

#[test]
fn says_what_else_a_file_is() {
    refused(b"", "the file is empty, expected an image");
    refused(b"GIF89a......", "is a GIF, expected a TIFF, PNG or JPEG image");
    refused(b"version https://git-lfs.github.com/spec/v1\n", "is a Git LFS pointer");
    refused(b"<html>not found</html>", "is a text");
    refused(b"\x89HDF\r\n\x1a\n", "is an HDF5 file");
    refused([1, 2, 3, 4], "is of no known format");
    // The name says TIFF, the content is a PNG, and it is read.
    let bytes = png::encode(1, 1, ColorType::Grayscale, 8, &[9]);
    assert_eq!(read(bytes, 0, 0, None).unwrap().values, PixelValues::U8(vec![9]));
}
