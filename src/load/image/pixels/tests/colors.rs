//! Colors: what is red in the file is red in the sample called so, however it is stored.

use super::*;

/// Red 200, green 60 and blue 40 as YCbCr.
const YCBCR: [u8; 3] = [100, 94, 200];

fn samples(bytes: &[u8]) -> Vec<PixelValues> {
    (0..3).map(|sample| read(bytes, 0, sample, None).unwrap().values).collect()
}

fn meaning(bytes: &[u8]) -> Samples {
    let (_folder, path) = Folder::with("a.tif", bytes);
    probe(&path).unwrap().pages[0].meaning
}

/// Tags of a page of 8 bit samples in one strip of `n_bytes`.
fn color(sides: (u32, u32), photometric: u32, n_samples: u32, n_bytes: usize) -> Vec<Tag> {
    let tags = with_tag(page(sides.0, sides.1, 8, 1, photometric, 8), 277, vec![n_samples]);
    with_tag(with_tag(tags, 258, vec![8; n_samples as usize]), 279, vec![n_bytes as u32])
}

#[test]
fn ycbcr_becomes_red_green_and_blue() {
    let whole = with_tag(color((2, 1), 6, 3, 6), 530, vec![1, 1]);
    let bytes = LITTLE.write(std::slice::from_ref(&whole), &[YCBCR, [255, 128, 128]].concat());
    assert_eq!(meaning(&bytes), Samples::Rgb);
    assert_eq!(samples(&bytes), [[201, 255], [60, 255], [40, 255]].map(|values| PixelValues::U8(values.to_vec())));
    // Beyond what is visible a color stops at 0 and 255.
    let beyond = LITTLE.write(&[whole], &[255, 0, 255, 0, 255, 0]);
    assert_eq!(samples(&beyond), [[255, 0], [208, 48], [28, 225]].map(|values| PixelValues::U8(values.to_vec())));
}

#[test]
fn jpeg_inside_tiff_is_what_its_directory_and_its_marks_say() {
    let jpeg: &[u8] = include_bytes!("color.jpg");
    // 8 x 8 pixels of 200, 100 and 50, two columns and rows of which share Cb and Cr.
    let means = |bytes: &[u8]| -> Vec<u64> {
        let mean = |values: &PixelValues| match values {
            PixelValues::U8(values) => values.iter().map(|&value| u64::from(value)).sum::<u64>() / values.len() as u64,
            other => panic!("{other:?}"),
        };
        samples(bytes).iter().map(mean).collect()
    };
    let near = |found: Vec<u64>, expected: [u64; 3]| {
        let is_near = found.iter().zip(expected).all(|(&found, expected)| found.abs_diff(expected) <= 3);
        assert!(is_near, "{found:?}, expected {expected:?}");
    };
    let packed = |photometric: u32, jpeg: &[u8]| {
        LITTLE.write(&[with_tag(color((8, 8), photometric, 3, jpeg.len()), 259, vec![7])], jpeg)
    };
    near(means(&packed(6, jpeg)), [200, 100, 50]);
    // A whole JPEG file was put into a directory of RGB.
    near(means(&packed(2, jpeg)), [200, 100, 50]);
    // Without the marks of a file (18 bytes of JFIF), RGB is what its samples are, and these are Y, Cb and Cr.
    assert_eq!(jpeg[2..11], *b"\xff\xe0\x00\x10JFIF\0");
    let bare = [&jpeg[..2], &jpeg[20..]].concat();
    near(means(&packed(6, &bare)), [200, 100, 50]);
    near(means(&packed(2, &bare)), [124, 86, 182]);
    // Adobe's mark says so, too, with its last byte.
    let adobe = |transform: u8| [&jpeg[..2], b"\xff\xee\x00\x0eAdobe\0\x64\0\0\0\0", &[transform], &bare[2..]].concat();
    near(means(&packed(2, &adobe(1))), [200, 100, 50]);
    near(means(&packed(2, &adobe(0))), [124, 86, 182]);

    // Tiles, and a region that begins within one.
    let tiles = color((16, 8), 6, 3, jpeg.len());
    let tiles = tiles.into_iter().filter(|(tag, ..)| ![273, 278, 279].contains(tag)).collect();
    let tiles = with_tag(with_tag(with_tag(tiles, 259, vec![7]), 322, vec![8]), 323, vec![8]);
    let tiles = with_tag(with_tag(tiles, 324, vec![8, 8]), 325, vec![jpeg.len() as u32; 2]);
    let tiles = LITTLE.write(&[tiles], jpeg);
    near(means(&tiles), [200, 100, 50]);
    let part = read(&tiles, 0, 0, Some(Region { x: 6, y: 2, width: 5, height: 3 })).unwrap();
    assert_eq!((part.width, part.height), (5, 3));
    let PixelValues::U8(values) = part.values else { panic!() };
    assert!(values.iter().all(|value| value.abs_diff(200) <= 3), "{values:?}");
}

#[test]
fn alpha_is_no_color_and_bands_are_not_red_green_and_blue() {
    let check = |photometric: u32, n_samples: u32, extra: &[u32], expected: Samples| {
        let tags = color((1, 1), photometric, n_samples, n_samples as usize);
        let mut tags = tags;
        if !extra.is_empty() {
            tags.insert(tags.len() - 1, (338, 3, extra.to_vec()));
        }
        let data: Vec<u8> = (1..=n_samples as u8).collect();
        let bytes = LITTLE.write(&[tags], &data);
        assert_eq!(meaning(&bytes), expected, "{photometric} {n_samples} {extra:?}");
        // Each sample is the one that stands there, whatever it means.
        for sample in 0..n_samples as u16 {
            let found = read(&bytes, 0, sample, None).unwrap().values;
            assert_eq!(found, PixelValues::U8(vec![sample as u8 + 1]), "{photometric} {n_samples} {extra:?}");
        }
    };
    check(2, 3, &[], Samples::Rgb);
    check(2, 4, &[], Samples::Rgb);
    check(2, 4, &[0], Samples::Rgb);
    check(2, 4, &[1], Samples::Rgb);
    check(2, 4, &[2], Samples::Rgb);
    check(2, 5, &[0, 0], Samples::Bands(5));
    check(1, 2, &[2], Samples::Gray);
    check(1, 3, &[0, 0], Samples::Bands(3));
    check(1, 4, &[0, 0, 0], Samples::Bands(4));
    check(1, 4, &[0, 0, 2], Samples::Bands(3));
    let png = |color, data: &[u8]| meaning(&png::encode(1, 1, color, 8, data));
    assert_eq!(
        (png(ColorType::GrayscaleAlpha, &[1, 2]), png(ColorType::Rgba, &[1, 2, 3, 4]), png(ColorType::Rgb, &[1, 2, 3])),
        (Samples::Gray, Samples::Rgb, Samples::Rgb)
    );
}

#[test]
fn refuses_colors_of_which_no_sample_is_a_channel() {
    let check = |tags: Vec<Tag>, message: &str| {
        let bytes = LITTLE.write(&[tags], &[0; 64]);
        refused(&bytes, message);
        let (_folder, path) = Folder::with("a.tif", &bytes);
        assert!(probe(&path).unwrap_err().to_string().contains(message), "the header tells it as well");
    };
    check(color((1, 1), 5, 4, 4), "a TIFF of cyan, magenta, yellow and black, expected gray, a palette, RGB or YCbCr");
    check(color((1, 1), 8, 3, 3), "a TIFF of L*a*b* colors");
    // Where nothing is said, two columns and two rows share Cb and Cr.
    check(color((2, 2), 6, 3, 6), "a TIFF of YCbCr with pixels that share Cb and Cr, not packed as JPEG");
    check(with_tag(color((1, 1), 6, 3, 3), 258, vec![16; 3]), "a TIFF of YCbCr with 3 samples of 16 bits");
    let planar = with_tag(with_tag(color((1, 1), 6, 3, 3), 284, vec![2]), 273, vec![8, 9, 10]);
    check(with_tag(planar, 279, vec![1; 3]), "a TIFF of YCbCr in separate planes");
}

#[test]
fn a_painted_palette_is_told_from_a_scale() {
    let palette = |color: &dyn Fn(u32) -> [u32; 3]| {
        let values = (0..3).flat_map(|part| (0..256).map(move |index| color(index)[part] * 257)).collect();
        let tags: Vec<Tag> = page(1, 1, 8, 1, 3, 8).into_iter().chain([(320, 3, values)]).collect();
        let (_folder, path) = Folder::with("a.tif", LITTLE.write(&[tags], &[7]));
        probe(&path).unwrap().pages[0].has_painted_palette
    };
    assert!(!palette(&|index| [index; 3]), "gray");
    assert!(!palette(&|index| [0, index, 0]), "green");
    assert!(!palette(&|index| [255 - index; 3]), "inverted");
    assert!(
        !palette(&|index| [
            (3 * index).min(255),
            (3 * index).saturating_sub(255).min(255),
            (3 * index).saturating_sub(510)
        ]),
        "fire"
    );
    // Blue where there is nothing, red where it is too bright.
    assert!(
        !palette(&|index| if index == 0 {
            [0, 0, 255]
        } else if index == 255 {
            [255, 0, 0]
        } else {
            [index; 3]
        }),
        "HiLo"
    );
    assert!(palette(&|index| [index % 8 * 36, index / 8 % 8 * 36, index / 64 * 85]), "all colors of a painting");
    assert!(
        palette(&|index| match index % 4 {
            _ if index > 6 => [0; 3],
            0 => [200, 60, 40],
            1 => [40, 60, 200],
            2 => [250; 3],
            _ => [9; 3],
        }),
        "few colors"
    );
    // Shades of one color, as programs choose them for a tissue.
    assert!(palette(&|index| [180 + index % 40, 40 + index % 40, 20 + index % 40]), "shades");
    // Shades without black, the rest of the palette filled with it.
    let shades = |index| if index < 40 { [180 + index, 40 + index, 20 + index] } else { [0; 3] };
    assert!(palette(&shades), "shades and a filling");
    assert!(!is_painted(&[]) && !is_painted(&[[1, 2, 3]; 5]));
}
