//! Kinds of files that one meets: stacks, movies, colors, sets of files, plates with parts missing.

use super::*;
use crate::load::image::pixels::tests::{LITTLE, described, page, with_tag};

/// A TIFF of 2 x 1 pixels for each value, with a description of its first page.
fn tiff(values: &[u8], description: &str) -> Vec<u8> {
    let data: Vec<u8> = values.iter().flat_map(|&value| [value; 2]).collect();
    let pages = (0..values.len()).map(|index| {
        let tags = page(2, 1, 8, 1, 1, 8 + 2 * index);
        if index == 0 && !description.is_empty() { described(tags, description) } else { tags }
    });
    LITTLE.write(&pages.collect::<Vec<_>>(), &data)
}

/// Red, green and blue of 2 x 1 pixels.
fn rgb(values: [u8; 3], description: &str) -> Vec<u8> {
    let tags = with_tag(with_tag(page(2, 1, 8, 1, 2, 8), 277, vec![3]), 279, vec![6]);
    let tags = with_tag(tags, 258, vec![8; 3]);
    let tags = if description.is_empty() { tags } else { described(tags, description) };
    LITTLE.write(&[tags], &[values, values].concat())
}

/// The value of each channel of each site, projected as the site says.
fn values(loaded: &LoadedImages) -> Vec<Vec<f32>> {
    let UsableImages { screen, .. } = loaded.usable().unwrap_or_else(|error| panic!("{error}"));
    let of = |site: &crate::screen::ImageSite| {
        let stack = read_site(site).unwrap();
        stack.values.to_f32().into_iter().step_by(stack.width * stack.height).collect()
    };
    screen.sites.iter().map(of).collect()
}

fn sites(loaded: &LoadedImages) -> Vec<String> {
    let rows = loaded.screen.table.units.by_row().zip(&loaded.screen.sites);
    let text = |well: Option<crate::screen::Well>| well.map(|well| well.to_string()).unwrap_or_default();
    rows.map(|(row, site)| format!("{}|{}|{}", row.plate, text(row.well), site.site)).collect()
}

#[test]
fn pages_of_imagej_are_channels_slices_and_frames() {
    let sheet = "plate,well,site,compound,file\nP,A01,1,DMSO,a.tif\nP,A02,1,x,b.tif\n";
    let description = "ImageJ=1.53t\nimages=8\nchannels=2\nslices=2\nframes=2\nfinterval=1800\n";
    let folder = Folder::new()
        .with("sheet.csv", sheet)
        .with("a.tif", tiff(&[1, 10, 2, 20, 3, 30, 4, 40], description))
        .with("b.tif", tiff(&[5, 50, 6, 60, 7, 70, 8, 80], description));
    let loaded = folder.load(&["sheet.csv"]).unwrap();
    assert_eq!(loaded.screen.channels, ["channel 1", "channel 2"]);
    assert_eq!(loaded.survey.n_planes, 16);
    // The brightest of two slices, at two times of each well.
    assert_eq!(values(&loaded), [[2.0, 20.0], [4.0, 40.0], [6.0, 60.0], [8.0, 80.0]]);
    let times: Vec<_> = loaded.screen.sites.iter().map(|site| site.time.unwrap()).collect();
    assert_eq!(times.iter().map(|time| (time.frame, time.hours)).collect::<Vec<_>>()[1], (1, Some(0.5)));
    assert_eq!(loaded.screen.fields(), [vec![0, 1], vec![2, 3]]);
    let note = "pages are taken as ImageJ says: 2 channels, 2 slices (z) and 2 frames";
    assert!(loaded.notes.iter().any(|found| found.starts_with(note)), "{:?}", loaded.notes);

    // What the card says counts for more.
    let card = "files = [\"sheet.csv\"]\n[images]\npages = \"z\"\nprojection = \"mean\"\n";
    let folder = folder.with("dataset.toml", card);
    let loaded = folder.load(&["dataset.toml"]).unwrap();
    assert_eq!((loaded.screen.channels.as_slice(), loaded.screen.n_sites()), ([String::new()].as_slice(), 2));
    assert_eq!(values(&loaded), [[13.75], [35.75]]);

    // A row that has a time cannot be several.
    let timed = "plate,well,site,frame,compound,file\nP,A01,1,0,DMSO,a.tif\n";
    let error = folder.with("sheet.csv", timed).load(&["sheet.csv"]).unwrap_err();
    assert!(error.starts_with("sheet.csv:2: a.tif holds 2 frames, but its row is given a time"), "{error}");
}

#[test]
fn stacks_of_different_depth_stay_whole() {
    let sheet = "plate,well,compound,file\nP,A01,DMSO,a.tif\nP,A02,x,b.tif\n";
    let depth = |n: usize| format!("ImageJ=1.53t\nimages={n}\nslices={n}\n");
    let folder = Folder::new()
        .with("sheet.csv", sheet)
        .with("a.tif", tiff(&[1, 2], &depth(2)))
        .with("b.tif", tiff(&[3, 4, 9], &depth(3)));
    assert_eq!(values(&folder.load(&["sheet.csv"]).unwrap()), [[2.0], [9.0]]);
}

#[test]
fn a_row_of_cellprofiler_is_one_page_of_a_movie() {
    let sheet = "\
ImageNumber,FileName_DNA,Frame_DNA,Series_DNA,FileName_Actin,Frame_Actin,Series_Actin,Metadata_Plate,Metadata_Well,Metadata_Compound
1,a.tif,0,0,a.tif,1,0,P,A01,DMSO
2,a.tif,2,0,a.tif,3,0,P,A01,DMSO
3,b.tif,2,0,b.tif,3,0,P,A02,x
4,b.tif,0,0,b.tif,1,0,P,A02,x
";
    let folder = || Folder::new().with("a.tif", tiff(&[1, 2, 3, 4], "")).with("b.tif", tiff(&[5, 6, 7, 8], ""));
    let loaded = folder().with("Image.csv", sheet).load(&["Image.csv"]).unwrap();
    assert_eq!((loaded.screen.channels.join(" "), loaded.survey.n_planes), ("DNA Actin".to_owned(), 8));
    assert_eq!(loaded.screen.fields(), [vec![0, 1], vec![2, 3]]);
    let loaded_values = |sheet: &str| {
        let folder = folder().with("Image.csv", sheet);
        values(&folder.load(&["Image.csv"]).unwrap())
    };
    assert_eq!(loaded_values(sheet), [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, 8.0]]);

    // Slices are told by their metadata.
    let slices = sheet.replace("Metadata_Plate", "Metadata_Z,Metadata_Plate");
    let slices = slices.replace("1,0,P", "1,0,0,P").replace("3,0,P", "3,0,1,P");
    assert_eq!(loaded_values(&slices), [[3.0, 4.0], [7.0, 8.0]]);
    // Where all frames are the first, a file is what its pages are.
    let first = "FileName_DNA,Frame_DNA,Metadata_Plate,Metadata_Well\na.tif,0,P,A01\n";
    assert_eq!(loaded_values(first), [[1.0, 2.0, 3.0, 4.0]]);
    // A page that is not there, and a series.
    let error = |sheet: &str| {
        let folder = folder().with("Image.csv", sheet);
        folder
            .load(&["Image.csv"])
            .and_then(|loaded| loaded.usable().map_err(|error| folder.short(&error)))
            .unwrap_err()
    };
    let found = error("FileName_DNA,Frame_DNA,Metadata_Plate,Metadata_Well\na.tif,4,P,A01\n");
    assert!(found.contains("a.tif: has no page 4: it has 4, counted from 0"), "{found}");
    let found = error(&sheet.replace("a.tif,2,0", "a.tif,2,1"));
    assert!(found.contains("Image.csv:3: column `Series_DNA` holds \"1\", expected 0"), "{found}");
    let found = error(&sheet.replace("a.tif,2,0", "a.tif,-2,0"));
    assert!(found.contains("column `Frame_DNA` holds \"-2\", expected a page"), "{found}");
}

#[test]
fn palettes_of_paintings_are_spoken_of() {
    let colors = |index: u32| [index % 8 * 36, index / 8 % 8 * 36, index / 64 * 85];
    let palette = (0..3).flat_map(|part| (0..256).map(move |index| colors(index)[part] * 257)).collect();
    let tags = page(2, 1, 8, 1, 3, 8).into_iter().chain([(320, 3, palette)]).collect();
    let folder = Folder::new()
        .with("sheet.csv", "plate,well,compound,file,mask\nP,A01,DMSO,a.tif,b.tif\n")
        .with("a.tif", LITTLE.write(&[tags], &[7, 9]));
    std::fs::copy(folder.path("a.tif"), folder.path("b.tif")).unwrap();
    let loaded = folder.load(&["sheet.csv"]).unwrap();
    let spoken = "1 images have a palette of colors that is not a scale from dark to bright";
    assert!(loaded.notes.iter().any(|note| note.starts_with(spoken)), "{:?}", loaded.notes);
}

/// OME-XML of images, each with its channels as XML and its `TiffData`.
fn ome(uuid: &str, images: &[(&str, &str)]) -> String {
    let image = |(index, (name, pixels)): (usize, &(&str, &str))| {
        format!("<Image ID=\"Image:{index}\" Name=\"{name}\">{pixels}</Image>")
    };
    let images: String = images.iter().enumerate().map(image).collect();
    format!("<?xml version=\"1.0\"?><!-- OME --><OME xmlns=\"http://o\" UUID=\"{uuid}\">{images}</OME>")
}

/// Two channels on two pages of a file.
fn two(file: &str, uuid: &str) -> String {
    let data = if file.is_empty() && uuid.is_empty() {
        "<TiffData/>".to_owned()
    } else {
        format!("<TiffData><UUID FileName=\"{file}\">{uuid}</UUID></TiffData>")
    };
    let channels = "<Channel Name=\"DNA\"/><Channel Name=\"Actin\"/>";
    format!("<Pixels DimensionOrder=\"XYZCT\" SizeZ=\"1\" SizeC=\"2\" SizeT=\"1\">{channels}{data}</Pixels>")
}

#[test]
fn a_folder_of_ome_tiffs_is_a_site_for_each() {
    let named = |name: &str| ome(&format!("urn:{name}"), &[("field", &two("s_A01.ome.tif", &format!("urn:{name}")))]);
    // Self-contained; and all called by the name of the first, with UUIDs and without.
    let plain = |_: &str| ome("", &[("field", &two("", ""))]);
    let without = |_: &str| ome("", &[("field", &two("s_A01.ome.tif", ""))]);
    let kinds: [&dyn Fn(&str) -> String; 3] = [&named, &plain, &without];
    for xml in kinds {
        let folder = Folder::new()
            .with("P/s_A01.ome.tif", tiff(&[1, 2], &xml("a")))
            .with("P/s_A02.ome.tif", tiff(&[3, 4], &xml("b")))
            .with("P/s_A10.ome.tif", tiff(&[5, 6], &xml("c")));
        let loaded = folder.load(&["P"]).unwrap();
        assert_eq!(sites(&loaded), ["P||s_A01", "P||s_A02", "P||s_A10"]);
        assert_eq!(loaded.screen.channels, ["DNA", "Actin"]);
        assert_eq!(values(&loaded), [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]);
        let given = folder.load(&["P/s_A01.ome.tif", "P/s_A02.ome.tif", "P/s_A10.ome.tif"]).unwrap();
        assert_eq!(given.screen.sites, loaded.screen.sites);
    }
}

#[test]
fn a_set_of_ome_tiffs_is_described_once_and_found_by_its_uuids() {
    let all = |own: &str| ome(own, &[("pos 1", &two("one.ome.tif", "urn:1")), ("pos 2", &two("two.ome.tif", "urn:2"))]);
    let check = |first: &str, second: &str| {
        let folder = Folder::new().with(first, tiff(&[1, 2], &all("urn:1"))).with(second, tiff(&[3, 4], &all("urn:2")));
        for paths in [vec!["."], vec![first], vec![first, second], vec![second, first]] {
            let loaded = folder.load(&paths).unwrap();
            assert_eq!(values(&loaded), [[1.0, 2.0], [3.0, 4.0]], "{first} {second} {paths:?}");
            let names: Vec<&str> = loaded.screen.sites.iter().map(|site| site.site.as_str()).collect();
            assert_eq!(names, ["pos 1", "pos 2"]);
        }
    };
    check("one.ome.tif", "two.ome.tif");
    check("renamed.ome.tif", "b.ome.tif");
    // Each has the name of the other.
    check("two.ome.tif", "one.ome.tif");
}

#[test]
fn files_of_pixels_alone_lead_to_their_description() {
    let binary = |own: &str| {
        format!("<OME UUID=\"{own}\"><BinaryOnly MetadataFile=\"set.companion.ome\" UUID=\"urn:0\"/></OME>")
    };
    let whole = ome("urn:0", &[("pos 1", &two("one.ome.tif", "urn:1")), ("pos 2", &two("two.ome.tif", "urn:2"))]);
    let check = |companion: &str, first: &str, second: &str, paths: &[&str]| {
        let folder = Folder::new()
            .with(companion, &whole)
            .with(first, tiff(&[1, 2], &binary("urn:1")))
            .with(second, tiff(&[3, 4], &binary("urn:2")));
        let loaded = folder.load(paths).unwrap();
        assert_eq!(values(&loaded), [[1.0, 2.0], [3.0, 4.0]], "{companion} {first} {second}");
    };
    check("set.companion.ome", "one.ome.tif", "two.ome.tif", &["."]);
    check("set.companion.ome", "one.ome.tif", "two.ome.tif", &["two.ome.tif"]);
    check("new.companion.ome", "a.ome.tif", "b.ome.tif", &["a.ome.tif", "b.ome.tif"]);
    check("new.companion.ome", "b.ome.tif", "a.ome.tif", &["new.companion.ome"]);
    // A master among the images.
    let master = |own: &str| binary(own).replace("set.companion.ome", "one.ome.tif").replace("urn:0", "urn:1");
    let folder = Folder::new()
        .with("one.ome.tif", tiff(&[1, 2], &whole.replace("urn:0", "urn:1")))
        .with("two.ome.tif", tiff(&[3, 4], &master("urn:2")));
    assert_eq!(values(&folder.load(&["two.ome.tif"]).unwrap()), [[1.0, 2.0], [3.0, 4.0]]);
    // None, and two that send to each other.
    let error = Folder::new().with("a.ome.tif", tiff(&[1], &binary("urn:1"))).load(&["a.ome.tif"]).unwrap_err();
    assert!(error.contains("has its description in set.companion.ome, which is not there"), "{error}");
    let other = |name: &str| format!("<OME><BinaryOnly MetadataFile=\"{name}\"/></OME>");
    let ring = Folder::new()
        .with("a.ome.tif", tiff(&[1], &other("b.ome.tif")))
        .with("b.ome.tif", tiff(&[1], &other("a.ome.tif")));
    assert!(ring.load(&["a.ome.tif"]).unwrap_err().contains("describes no image"));
}

#[test]
fn files_that_no_description_names_are_spoken_of() {
    let whole = ome("urn:0", &[("pos 1", &two("one.ome.tif", "urn:1"))]);
    let binary = "<OME UUID=\"urn:9\"><BinaryOnly MetadataFile=\"set.companion.ome\" UUID=\"urn:0\"/></OME>";
    let folder = Folder::new()
        .with("set.companion.ome", &whole)
        .with("one.ome.tif", tiff(&[1, 2], "<OME UUID=\"urn:1\"/>"))
        .with("two.ome.tif", tiff(&[3, 4], binary));
    let loaded = folder.load(&["."]).unwrap();
    let spoken = "1 of 3 files left out, since no description names a page of theirs: ";
    assert!(loaded.notes.iter().any(|note| note.starts_with(spoken)), "{:?}", loaded.notes);
}

#[test]
fn colors_of_ome_tiff_are_channels() {
    let check = |size: u32, channels: &str, expected: [&str; 3]| {
        let pixels = format!("<Pixels SizeC=\"{size}\">{channels}<TiffData IFD=\"0\" PlaneCount=\"1\"/></Pixels>");
        let folder = Folder::new().with("a.ome.tif", rgb([200, 60, 40], &ome("", &[("x", &pixels)])));
        let loaded = folder.load(&["a.ome.tif"]).unwrap();
        assert_eq!(loaded.screen.channels, expected, "{channels}");
        assert_eq!(values(&loaded), [[200.0, 60.0, 40.0]]);
    };
    check(3, "<Channel SamplesPerPixel=\"3\"/>", ["red", "green", "blue"]);
    check(3, "<Channel Name=\"H&amp;E\" SamplesPerPixel=\"3\"/>", ["H&E red", "H&E green", "H&E blue"]);
    check(3, "", ["red", "green", "blue"]);
    check(1, "<Channel SamplesPerPixel=\"3\"/>", ["red", "green", "blue"]);
    check(3, "<Channel Name=\"R\"/><Channel Name=\"G\"/><Channel Name=\"B\"/>", ["R", "G", "B"]);
    // Colors that were split over pages are as many pages, whatever the XML says of samples.
    let pixels = "<Pixels DimensionOrder=\"XYCZT\" SizeC=\"3\"><Channel SamplesPerPixel=\"3\"/><TiffData/></Pixels>";
    let folder = Folder::new().with("a.ome.tif", tiff(&[1, 2, 3], &ome("", &[("x", pixels)])));
    assert_eq!(values(&folder.load(&["a.ome.tif"]).unwrap()), [[1.0, 2.0, 3.0]]);
    // Two places on z, each in color.
    let pixels = "<Pixels SizeC=\"3\" SizeZ=\"2\"><Channel SamplesPerPixel=\"3\"/><TiffData/></Pixels>";
    let tags = with_tag(with_tag(page(1, 1, 8, 1, 2, 8), 277, vec![3]), 258, vec![8; 3]);
    let tags = with_tag(tags, 279, vec![3]);
    let pages = [described(tags.clone(), &ome("", &[("x", pixels)])), with_tag(tags, 273, vec![11])];
    let folder = Folder::new().with("a.ome.tif", LITTLE.write(&pages, &[1, 9, 3, 4, 5, 6]));
    assert_eq!(values(&folder.load(&["a.ome.tif"]).unwrap()), [[4.0, 9.0, 6.0]]);
}

/// An image of OME-Zarr of channels of 2 x 1 pixels; a channel without a value has no chunk.
fn zarr_image(mut folder: Folder, path: &str, channels: &[(&str, Option<u8>)]) -> Folder {
    let labels: Vec<String> = channels.iter().map(|(label, _)| format!("{{\"label\":\"{label}\"}}")).collect();
    let axes = "[{\"name\":\"c\"},{\"name\":\"y\"},{\"name\":\"x\"}]";
    let attributes = format!(
        "{{\"multiscales\":[{{\"axes\":{axes},\"datasets\":[{{\"path\":\"0\"}}]}}],\"omero\":{{\"channels\":[{}]}}}}",
        labels.join(",")
    );
    let array = format!(
        "{{\"zarr_format\":2,\"shape\":[{},1,2],\"chunks\":[1,1,2],\"dtype\":\"|u1\",\"compressor\":null,\"fill_value\":0,\"order\":\"C\",\"filters\":null}}",
        channels.len()
    );
    folder = folder.with(&format!("{path}/.zattrs"), attributes).with(&format!("{path}/0/.zarray"), array);
    for (index, (_, value)) in channels.iter().enumerate() {
        if let Some(value) = value {
            folder = folder.with(&format!("{path}/0/{index}/0/0"), [*value; 2]);
        }
    }
    folder
}

/// A plate of wells B/2 and B/3; each lists its images with their acquisitions.
fn zarr_plate(images: &[(&str, u32)]) -> Folder {
    let plate = "{\"plate\":{\"acquisitions\":[{\"id\":0},{\"id\":1,\"name\":\"late\"}],\"wells\":[{\"path\":\"B/2\"},{\"path\":\"B/3\"}]}}";
    let listed: Vec<String> =
        images.iter().map(|(path, id)| format!("{{\"path\":\"{path}\",\"acquisition\":{id}}}")).collect();
    let well = format!("{{\"well\":{{\"images\":[{}]}}}}", listed.join(","));
    let mut folder = Folder::new().with("p.zarr/.zattrs", plate);
    for (at, path) in (0..).zip(["B/2", "B/3"]) {
        folder = folder.with(&format!("p.zarr/{path}/.zattrs"), &well);
        for (position, (image, _)) in (0..).zip(images) {
            let value = 10 * at + 2 * position;
            let channels = [("DAPI", Some(value + 1)), ("A647", Some(value + 2))];
            folder = zarr_image(folder, &format!("p.zarr/{path}/{image}"), &channels);
        }
    }
    folder
}

#[test]
fn acquisitions_are_sites_with_a_label_or_channels_of_one_site() {
    let folder = zarr_plate(&[("0", 0), ("1", 1)]);
    let loaded = folder.load(&["p.zarr"]).unwrap();
    assert_eq!(sites(&loaded), ["p|B02|0", "p|B02|1", "p|B03|0", "p|B03|1"]);
    let label = |value: &str| Some(value.to_owned());
    let expected = [label("0"), label("late"), label("0"), label("late")];
    assert_eq!(loaded.screen.table.label("acquisition").unwrap().values, expected);
    assert!(loaded.notes.iter().any(|note| note.starts_with("the plate has 2 acquisitions")), "{:?}", loaded.notes);

    let card = |word: &str| format!("files = [\"p.zarr\"]\n[images]\nacquisitions = \"{word}\"\n");
    let folder = folder.with("dataset.toml", card("cycles"));
    let cycles = folder.load(&["dataset.toml"]).unwrap();
    assert_eq!(sites(&cycles), ["p|B02|0", "p|B03|0"]);
    let expected =
        ["DAPI (acquisition 0)", "A647 (acquisition 0)", "DAPI (acquisition late)", "A647 (acquisition late)"];
    assert_eq!(cycles.screen.channels, expected);
    assert_eq!(values(&cycles), [[1.0, 2.0, 3.0, 4.0], [11.0, 12.0, 13.0, 14.0]]);
    let folder = folder.with("dataset.toml", card("sites"));
    let chosen = folder.load(&["dataset.toml"]).unwrap();
    assert_eq!(chosen.screen.sites, loaded.screen.sites);
    assert!(!chosen.notes.iter().any(|note| note.contains("acquisitions")), "{:?}", chosen.notes);

    // One acquisition is nothing to speak of.
    let one = zarr_plate(&[("0", 1), ("1", 1)]);
    let loaded = one.load(&["p.zarr"]).unwrap();
    assert_eq!(loaded.screen.n_sites(), 4);
    assert!(loaded.screen.table.label("acquisition").is_none());
    assert!(!loaded.notes.iter().any(|note| note.contains("acquisition")), "{:?}", loaded.notes);
}

#[test]
fn wells_and_images_that_are_not_there_are_counted() {
    let folder = zarr_plate(&[("0", 0), ("1", 0)]);
    std::fs::remove_dir_all(folder.path("p.zarr/B/2")).unwrap();
    std::fs::remove_dir_all(folder.path("p.zarr/B/3/1")).unwrap();
    let loaded = folder.load(&["p.zarr"]).unwrap();
    assert_eq!(sites(&loaded), ["p|B03|0"]);
    let dropped: Vec<(&str, usize)> =
        loaded.screen.table.dropped.iter().map(|dropped| (dropped.reason.as_str(), dropped.rows)).collect();
    let expected = [
        ("wells that the plate lists and that are not there", 1),
        ("images that a well lists and that are not there", 1),
    ];
    assert_eq!(dropped, expected);
    std::fs::remove_dir_all(folder.path("p.zarr/B/3")).unwrap();
    assert!(folder.load(&["p.zarr"]).unwrap_err().contains("holds no image"));
}

#[test]
fn a_channel_without_a_chunk_is_refused_and_never_black() {
    let folder = zarr_image(Folder::new(), "a.zarr", &[("DAPI", Some(7)), ("A647", None)]);
    let loaded = folder.load(&["a.zarr"]).unwrap();
    let error = folder.short(&loaded.usable().unwrap_err());
    assert!(error.contains("a.zarr/0: not one chunk of channel `A647` is there, so it would be black"), "{error}");
    let folder = folder.with("dataset.toml", "files = [\"a.zarr\"]\n[images]\nchannels = [\"DAPI\"]\n");
    assert_eq!(values(&folder.load(&["dataset.toml"]).unwrap()), [[7.0]]);
}

#[test]
fn projections_of_metaxpress_are_not_planes() {
    let folder = Folder::new()
        .with_picture("x/1_P/TimePoint_1/ZStep_0/P_B02_s1_w1.TIF", 50)
        .with_picture("x/1_P/TimePoint_1/ZStep_1/P_B02_s1_w1.TIF", 1)
        .with_picture("x/1_P/TimePoint_1/ZStep_2/P_B02_s1_w1.TIF", 3)
        .with_picture("x/1_P/TimePoint_1/ZStep_0/P_B02_s1_w2.TIF", 60);
    let loaded = folder.load(&["x"]).unwrap();
    assert_eq!(loaded.layout, Layout::ImageXpress);
    let depths: Vec<usize> = loaded.screen.sites[0].channels.iter().map(Vec::len).collect();
    assert_eq!((depths, values(&loaded)), (vec![2, 1], vec![vec![3.0, 60.0]]));
    assert_eq!(loaded.screen.table.dropped[0].reason, "projections in addition to z steps");
    // Steps and times may stand in the name.
    let folder = Folder::new()
        .with_picture("x/P_B02_s1_w1_z1_t1.tif", 1)
        .with_picture("x/P_B02_s1_w1_z2_t1.tif", 2)
        .with_picture("x/P_B02_s1_w1_z1_t2.tif", 3)
        .with_picture("x/P_B02_s1_w1_z2_t2.tif", 4);
    let loaded = folder.load(&["x"]).unwrap();
    assert_eq!((values(&loaded), loaded.screen.fields().len()), (vec![vec![2.0], vec![4.0]], 1));
}

#[test]
fn a_plate_map_next_to_an_export_is_joined() {
    let folder = Folder::new()
        .with_picture("x/P_B02_s1_w1.tif", 1)
        .with_picture("x/P_B03_s1_w1.tif", 2)
        .with("x/platemap.csv", "well,compound\nB02,DMSO\nB03,taxol\n");
    let loaded = folder.load(&["x"]).unwrap();
    assert_eq!(loaded.layout, Layout::ImageXpress);
    let names: Vec<String> = loaded.screen.table.units.by_row().map(|unit| unit.intervention.to_string()).collect();
    assert_eq!(names, ["untreated", "taxol"]);
}

#[test]
fn tables_of_export_to_database_are_found_by_their_names() {
    let from_table = time_lapse().load(&["dataset.toml"]).unwrap().usable().unwrap().objects.unwrap();
    let card = TIME_LAPSE.replace("objects.csv", "objects.db") + "track = \"track\"\n";
    let check = |prefix: &str, objects: &str, number: &str, place: &str| {
        let folder = time_lapse().with("dataset.toml", &card);
        let base = rusqlite::Connection::open(folder.path("objects.db")).unwrap();
        base.execute_batch(&format!(
            "CREATE TABLE {prefix}Per_Experiment (ImageNumber INTEGER, ObjectNumber INTEGER);
            CREATE TABLE {prefix}Per_Image (ImageNumber INTEGER, well_number INTEGER, frame INTEGER, Image_Count_Nuclei);
            INSERT INTO {prefix}Per_Image VALUES (1, 1, 0, 2), (2, 1, 1, 1), (3, 3, 0, 1);
            CREATE TABLE {prefix}Per_{objects} (ImageNumber INTEGER, {number} INTEGER, track INTEGER, {place}_X REAL, {place}_Y REAL);
            INSERT INTO {prefix}Per_{objects} VALUES (1, 2, 7, 1.5, 2), (1, 1, NULL, 0, 0), (2, 1, 7, 2, 2), (3, 1, 1, 1, 1);"
        ))
        .unwrap();
        drop(base);
        let found = folder.load(&["dataset.toml"]).unwrap().usable().unwrap().objects.unwrap();
        assert_eq!(found, from_table, "{prefix} {objects}");
    };
    check("MyExpt_", "Object", "ObjectNumber", "Nuclei_Location_Center");
    check("a_b_", "Nuclei", "Nuclei_Number_Object_Number", "Nuclei_Location_Center");
    check("", "Worms", "Worms_Number_Object_Number", "Worms_AreaShape_Center");
}

#[test]
fn an_image_of_another_type_than_the_others_of_its_plate_is_not_compared_with_them() {
    let deep = pixels::encode_png(4, 3, png::ColorType::Grayscale, 16, &[7; 24]);
    let mut folder = Folder::new();
    for well in ["A01", "A02", "A03"] {
        folder = folder.with(&format!("x/P_{well}_s1_w1.png"), &deep);
    }
    let folder = folder.with_picture("x/P_B02_s1_w1.png", 1);
    let loaded = folder.load(&["x"]).unwrap();
    let [odd] = loaded.survey.incomplete.as_slice() else { panic!("{:#?}", loaded.survey.incomplete) };
    assert!(odd.reason.contains("P_B02_s1_w1.png: its pixels are u8, but other images of"), "{}", odd.reason);
    let refused = loaded.usable().map(|_| ()).unwrap_err().to_string();
    assert!(refused.contains("1 of 4 sites cannot be decoded"), "{refused}");
}
