//! ImageJ's stacks, of which only the first image may have a directory.

use super::*;

/// Six images of 2 x 1 pixels, 10, 11, 20, 21, …, of which `n_listed` have a directory.
fn stack(writer: &Writer, description: &str, n_listed: usize, n_bytes: usize) -> Vec<u8> {
    let data: Vec<u8> = (1..=6u64)
        .flat_map(|image| [image * 1000, image * 1000 + 1])
        .flat_map(|value| writer.number(value, 2))
        .collect();
    let pages: Vec<Vec<Tag>> = (0..n_listed).map(|image| page(2, 1, 16, 1, 1, writer.start() + 4 * image)).collect();
    let pages: Vec<Vec<Tag>> = pages.into_iter().map(|tags| described(tags, description)).collect();
    writer.write(&pages, &data[..n_bytes])
}

const HYPERSTACK: &str = "ImageJ=1.53t\nimages=6\nchannels=2\nslices=3\nhyperstack=true\n";

#[test]
fn images_without_a_directory_follow_the_first() {
    for (is_little, is_big) in [(true, false), (false, false), (true, true), (false, true)] {
        let writer = Writer { is_little, is_big };
        let (one, all) = (stack(&writer, HYPERSTACK, 1, 24), stack(&writer, HYPERSTACK, 6, 24));
        for image in 0..6 {
            let expected = PixelValues::U16(vec![(image as u16 + 1) * 1000, (image as u16 + 1) * 1000 + 1]);
            assert_eq!(read(&one, image, 0, None).unwrap().values, expected, "{is_little} {is_big} {image}");
            assert_eq!(read(&all, image, 0, None).unwrap().values, expected);
        }
        let region = Some(Region { x: 1, y: 0, width: 1, height: 1 });
        assert_eq!(read(&one, 4, 0, region).unwrap().values, PixelValues::U16(vec![5001]));
        assert!(read(&one, 6, 0, None).unwrap_err().contains("has no page 6: it has 6"));
        let (_folder, path) = Folder::with("a.tif", &one);
        let info = probe(&path).unwrap();
        let imagej = info.imagej.unwrap();
        assert_eq!((info.pages.len(), imagej.channels, imagej.slices, imagej.frames), (6, 2, 3, 1));
        assert_eq!(
            (0..6).map(|image| imagej.place(image)).collect::<Vec<_>>(),
            [(0, 0, 0), (1, 0, 0), (0, 1, 0), (1, 1, 0), (0, 2, 0), (1, 2, 0)]
        );
    }
}

#[test]
fn images_that_tifffile_left_out_of_its_list_are_read() {
    for (description, n_pages) in [
        ("{\"shape\": [3, 2, 1, 2], \"truncated\": true}", 6),
        ("{\"shape\": [1, 2], \"truncated\": true}", 1),
        ("{\"shape\": [3, 2, 1, 2]}", 1),
    ] {
        let bytes = stack(&LITTLE, description, 1, 24);
        let (_folder, path) = Folder::with("a.tif", &bytes);
        assert_eq!(probe(&path).unwrap().pages.len(), n_pages, "{description}");
    }
    let bytes = stack(&LITTLE, "{\"shape\": [6, 1, 2], \"truncated\": true}", 1, 24);
    assert_eq!(read(&bytes, 5, 0, None).unwrap().values, PixelValues::U16(vec![6000, 6001]));
}

#[test]
fn colors_of_images_without_a_directory_are_read() {
    let description = "ImageJ=1.53t\nimages=2\nslices=2\n";
    let tags = with_tag(with_tag(page(1, 1, 8, 1, 2, 8), 277, vec![3]), 279, vec![3]);
    let bytes = LITTLE.write(&[described(with_tag(tags, 258, vec![8; 3]), description)], &[1, 2, 3, 4, 5, 6]);
    let green = |page| read(&bytes, page, 1, None).unwrap().values;
    assert_eq!((green(0), green(1)), (PixelValues::U8(vec![2]), PixelValues::U8(vec![5])));
}

#[test]
fn refuses_stacks_that_are_cut_off_or_packed() {
    let short = described(page(400, 400, 16, 1, 1, 8), HYPERSTACK);
    let data = vec![0; 400 * 400 * 2 * 2];
    refused(LITTLE.write(&[short], &data), "hold 2; the file is cut off, or its description is that of another file");
    let packed = with_tag(described(page(2, 1, 16, 1, 1, 8), HYPERSTACK), 259, vec![5]);
    refused(
        LITTLE.write(&[packed], &[0; 24]),
        "of which one is listed; the others can be read only if it is uncompressed",
    );
    let shape = described(page(2, 1, 16, 1, 1, 8), "{\"shape\": [99, 1, 2], \"truncated\": true}");
    refused(LITTLE.write(&[shape], &[0; 24]), "99 images by what tifffile says, of which one is listed");
    let many = described(page(1, 1, 8, 1, 1, 8), "ImageJ=1.53t\nimages=70000\n");
    refused(LITTLE.write(&[many], &vec![0; 70_000]), "expected at most 65536");
}

#[test]
fn labels_name_channels_where_they_are_those_of_all_images() {
    for is_little in [true, false] {
        let writer = Writer { is_little, is_big: false };
        let labels = ["DNA", "Actin", "DNA", "Actin", "DNA", "Actin"];
        let words = |text: &str| u32::from_be_bytes(text.as_bytes().try_into().unwrap());
        let header = [words("IJIJ"), words("info"), 1, words("labl"), 6];
        let units = |text: &str| -> Vec<u8> {
            text.encode_utf16().flat_map(|unit| writer.number(u64::from(unit), 2)).collect()
        };
        let parts: Vec<Vec<u8>> = std::iter::once("x=1").chain(labels).map(units).collect();
        let sizes = std::iter::once(20).chain(parts.iter().map(|part| part.len() as u32)).collect();
        let head = header.iter().flat_map(|&word| writer.number(u64::from(word), 4));
        let bytes = head.chain(parts.iter().flatten().copied()).map(u32::from).collect();
        let mut tags = described(page(2, 1, 16, 1, 1, writer.start()), HYPERSTACK);
        tags.extend([(50_838, 4, sizes), (50_839, 1, bytes)]);
        let (_folder, path) = Folder::with("a.tif", writer.write(&[tags], &[0; 24]));
        let mut imagej = probe(&path).unwrap().imagej.unwrap();
        assert_eq!(imagej.labels, labels);
        assert_eq!(imagej.channel_labels(), Some(vec!["DNA", "Actin"]));
        imagej.labels[3] = "z 2".to_owned();
        assert_eq!(imagej.channel_labels(), None, "labels of single images name no channel");
    }
}

#[test]
fn a_stack_without_axes_is_one_of_slices_and_intervals_have_units() {
    let of = |text: &str| ImageJ::of(text).unwrap();
    let plain = of("ImageJ=1.11a\nimages=5\n");
    assert_eq!((plain.channels, plain.slices, plain.frames), (1, 5, 1));
    let movie = of("ImageJ=1.53t\nimages=5\nframes=5\nfinterval=90.0\n");
    assert_eq!((movie.channels, movie.slices, movie.frames, movie.frame_hours), (1, 1, 5, Some(0.025)));
    assert_eq!(of("ImageJ=1.53t\nframes=2\nfinterval=3\ntunit=min").frame_hours, Some(0.05));
    assert_eq!(of("ImageJ=1.53t\nframes=2\nfinterval=3\ntunit=fortnight").frame_hours, None);
    assert_eq!(of("ImageJ=1.53t\nframes=2\nfinterval=0").frame_hours, None);
    assert!(ImageJ::of("images=5").is_none());
}
