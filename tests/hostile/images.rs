//! Pictures, sheets of pictures, arrays and indices of instruments.

use std::fs;
use std::io::{Cursor, Write};
use std::path::Path;

use flate2::{Compression, Crc, write::ZlibEncoder};
use tiff::encoder::{TiffEncoder, colortype};

use super::{Case, case};

const RUN: &[&str] = &["run", "c.toml", "--out", "run"];
const INSPECT: &[&str] = &["inspect", "s.csv"];

const CONFIG: &str = r#"
[data]
card = "dataset.toml"
[images]
cache = "cache"
[images.crop]
size = 8
[normalize]
per_plate = { method = "none" }
compress = { method = "none" }
[split]
by = "intervention"
folds = 0
validation = 0.0
calibration = 0.0
[model]
latent = 4
encoder = { kind = "conv", channels = 1, size = 8, widths = [4], width = 8 }
[train]
steps = 1
members = 1
"#;

const CARD: &str = "files = [\"s.csv\"]\n";

const SHEET: &str = "\
plate,well,compound,dose_um,image
P,A01,DMSO,,a.tif
P,A02,DMSO,,b.tif
P,B01,taxol,1,c.tif
";

/// A gray TIFF of 8 bits.
fn gray(width: u32, height: u32) -> Vec<u8> {
    let pixels: Vec<u8> = (0..width * height).map(|pixel| (pixel % 251) as u8).collect();
    let mut bytes = Cursor::new(Vec::new());
    TiffEncoder::new(&mut bytes).unwrap().write_image::<colortype::Gray8>(width, height, &pixels).unwrap();
    bytes.into_inner()
}

fn with_tag(mut tiff: Vec<u8>, tag: u16, value: u32) -> Vec<u8> {
    let directory = u32::from_le_bytes(tiff[4..8].try_into().unwrap()) as usize;
    let n = usize::from(u16::from_le_bytes(tiff[directory..directory + 2].try_into().unwrap()));
    let mut entries = (0..n).map(|entry| directory + 2 + 12 * entry);
    let entry = entries.find(|&at| tiff[at..at + 2] == tag.to_le_bytes()).unwrap();
    tiff[entry + 8..entry + 12].copy_from_slice(&value.to_le_bytes());
    tiff
}

/// A gray PNG of 8 bits whose header claims `width` x `height`, with these bytes as its unpacked rows.
fn png(width: u32, height: u32, rows: &[u8]) -> Vec<u8> {
    let mut packed = ZlibEncoder::new(Vec::new(), Compression::best());
    packed.write_all(rows).unwrap();
    let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 0, 0, 0, 0]].concat();
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    for (name, content) in [(b"IHDR", header), (b"IDAT", packed.finish().unwrap()), (b"IEND", Vec::new())] {
        let mut crc = Crc::new();
        crc.update(name);
        crc.update(&content);
        bytes.extend((content.len() as u32).to_be_bytes());
        bytes.extend(name);
        bytes.extend(content);
        bytes.extend(crc.sum().to_be_bytes());
    }
    bytes
}

fn floats(value: f32) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let mut pixels = vec![0.5; 256];
    pixels[100] = value;
    TiffEncoder::new(&mut bytes).unwrap().write_image::<colortype::Gray32Float>(16, 16, &pixels).unwrap();
    bytes.into_inner()
}

/// The configuration, its card, and a sheet that names three pictures, all of them good.
fn put(folder: &Path, card: &str, sheet: &str) {
    fs::write(folder.join("c.toml"), CONFIG).unwrap();
    fs::write(folder.join("dataset.toml"), card).unwrap();
    fs::write(folder.join("s.csv"), sheet).unwrap();
    for name in ["a.tif", "b.tif", "c.tif"] {
        fs::write(folder.join(name), gray(16, 16)).unwrap();
    }
}

/// A screen of which one picture is broken, and a run that asks for it.
macro_rules! picture {
    ($title:literal, $content:expr) => {
        case($title, 1, RUN, |folder| {
            put(folder, CARD, SHEET);
            fs::write(folder.join("b.tif"), $content).unwrap();
        })
    };
}

/// A sheet that is inspected.
macro_rules! sheet {
    ($title:literal, $code:literal, $sheet:expr) => {
        case($title, $code, INSPECT, |folder| put(folder, CARD, &$sheet))
    };
}

/// A card and a sheet that a run asks for.
macro_rules! screen {
    ($title:literal, $code:literal, $card:expr, $sheet:expr) => {
        case($title, $code, RUN, |folder| put(folder, &$card, &$sheet))
    };
}

pub fn cases() -> Vec<Case> {
    let mut cases = pictures();
    cases.extend(sheets());
    cases.extend(screens());
    cases.extend(arrays_and_indices());
    cases.extend(crops());
    cases
}

fn pictures() -> Vec<Case> {
    let mut cases = vec![
        picture!("an empty picture", ""),
        picture!("a picture that is cut short", &gray(64, 64)[..2000]),
        picture!("a picture of which only the first bytes are there", b"II\x2a\0".as_slice()),
        picture!("a PNG that is cut short", {
            let whole = png(16, 16, &[7; 17 * 16]);
            whole[..whole.len() - 20].to_vec()
        }),
        picture!("a PNG with a damaged checksum", {
            let mut bytes = png(16, 16, &[7; 17 * 16]);
            let end = bytes.len();
            bytes[end - 14] ^= 1;
            bytes
        }),
        picture!("a PNG of 0 x 0 pixels", png(0, 0, &[])),
        picture!("a TIFF of 0 x 16 pixels", with_tag(gray(16, 16), 256, 0)),
        picture!("a PNG whose header claims 100,000 x 100,000 pixels", png(100_000, 100_000, &[7; 17 * 16])),
        picture!("a TIFF whose header claims 100,000 x 100,000 pixels", {
            with_tag(with_tag(gray(16, 16), 256, 100_000), 257, 100_000)
        }),
        picture!("a TIFF whose header claims 16,384 x 16,384 pixels", {
            with_tag(with_tag(gray(16, 16), 256, 16_384), 257, 16_384)
        }),
        picture!("a PNG of 16,384 x 16,384 pixels, of which 16 rows are there", png(16_384, 16_384, &[7; 16_385 * 16])),
        picture!("a PNG that unpacks to a hundred times what its header claims", png(16, 16, &vec![7; 17 << 20])),
        picture!("a text that is called .tif", "plate,well\nP,A01\n"),
        picture!("an HDF5 file that is called .tif", b"\x89HDF\r\n\x1a\n\0\0".as_slice()),
        picture!("a Zeiss file that is called .tif", b"ZISRAWFILE\0\0\0\0\0\0".as_slice()),
        picture!("a pointer of Git LFS in place of a picture", {
            "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12345\n"
        }),
        picture!("a picture with a pixel that is NaN", floats(f32::NAN)),
        picture!("a picture with a pixel that is infinite", floats(f32::INFINITY)),
        case("pictures smaller than a crop", 1, RUN, |folder| {
            put(folder, CARD, SHEET);
            for name in ["a.tif", "b.tif", "c.tif"] {
                fs::write(folder.join(name), gray(7, 9)).unwrap();
            }
        }),
        picture!("a picture in color among gray ones", {
            let mut bytes = Cursor::new(Vec::new());
            TiffEncoder::new(&mut bytes).unwrap().write_image::<colortype::RGB8>(16, 16, &[9; 768]).unwrap();
            bytes.into_inner()
        }),
        case("a picture that is not there", 1, RUN, |folder| {
            put(folder, CARD, SHEET);
            fs::remove_file(folder.join("b.tif")).unwrap();
        }),
        case("a folder in place of a picture", 1, RUN, |folder| {
            put(folder, CARD, SHEET);
            fs::remove_file(folder.join("b.tif")).unwrap();
            fs::create_dir(folder.join("b.tif")).unwrap();
        }),
    ];
    if cfg!(unix) {
        cases.extend(links_and_pipes());
    }
    cases
}

#[cfg(unix)]
fn links_and_pipes() -> Vec<Case> {
    use std::os::unix::fs::symlink;
    vec![
        case("a picture that is a link to itself", 1, RUN, |folder| {
            put(folder, CARD, SHEET);
            fs::remove_file(folder.join("b.tif")).unwrap();
            symlink("b.tif", folder.join("b.tif")).unwrap();
        }),
        case("a picture that is a pipe", 1, RUN, |folder| {
            put(folder, CARD, SHEET);
            fs::remove_file(folder.join("b.tif")).unwrap();
            assert!(std::process::Command::new("mkfifo").arg(folder.join("b.tif")).status().unwrap().success());
        }),
        case("a picture that is a device without end", 1, RUN, |folder| {
            put(folder, CARD, SHEET);
            fs::remove_file(folder.join("b.tif")).unwrap();
            symlink("/dev/zero", folder.join("b.tif")).unwrap();
        }),
    ]
}

#[cfg(not(unix))]
fn links_and_pipes() -> Vec<Case> {
    Vec::new()
}

fn sheets() -> Vec<Case> {
    vec![
        sheet!("a sheet whose pictures leave its folder", 1, SHEET.replace("b.tif", "../../etc/b.tif")),
        sheet!("a sheet with an absolute path", 1, SHEET.replace("b.tif", "/etc/b.tif")),
        sheet!("a sheet with a path of Windows", 1, SHEET.replace("b.tif", "..\\b.tif")),
        sheet!("a sheet that names one well twice", 1, SHEET.replace("A02", "A01")),
        sheet!("a sheet of which a well is none", 1, SHEET.replace("A02", "Q99")),
        sheet!("a sheet of pictures with a dose that is a word", 1, SHEET.replace("taxol,1,", "taxol,much,")),
        sheet!("a sheet of pictures without plates", 2, SHEET.replace("plate,", "remark,")),
        sheet!("a sheet with a time that is a word", 1, {
            let rows = SHEET.lines().skip(1).map(|row| format!("{row},0,early\n")).collect::<String>();
            format!("{},frame,time_min\n{rows}", SHEET.lines().next().unwrap())
        }),
    ]
}

/// A sheet with one row for each of three wells and `n` channels.
fn channels(n: usize) -> String {
    let names: Vec<String> = (1..=n).map(|channel| format!("c{channel}_file")).collect();
    let row = |well: &str, rest: &str| format!("P,{well},{rest}{}\n", ",a.tif".repeat(n));
    let rows = [row("A01", "DMSO,"), row("A02", "DMSO,"), row("B01", "taxol,1"), row("B02", "nocodazole,1")].concat();
    format!("plate,well,compound,dose_um,{}\n{rows}", names.join(","))
}

fn screens() -> Vec<Case> {
    vec![
        screen!("thirteen channels for a model of one", 1, CARD, channels(13)),
        screen!("a channel that is not there", 2, format!("{CARD}[images]\nchannels = [\"DNA\"]\n"), channels(2)),
        screen!("a channel that a site lacks", 1, CARD, channels(2).replacen("DMSO,,a.tif,a.tif", "DMSO,,a.tif,", 1)),
        case("channels of two sizes", 1, RUN, |folder| {
            let sheet = "plate,well,compound,x_file,y_file\nP,A01,DMSO,a.tif,b.tif\nP,A02,taxol,c.tif,c.tif\n";
            put(folder, CARD, sheet);
            fs::write(folder.join("b.tif"), gray(16, 17)).unwrap();
        }),
        screen!("more pages declared than there are", 1, format!("{CARD}[images]\npages = [\"x\", \"y\"]\n"), SHEET),
        screen!("a plane of a stack that is not so high", 1, format!("{CARD}[images.projection]\nplane = 7\n"), SHEET),
        screen!(
            "a pattern that is no regular expression",
            2,
            format!("{CARD}[images]\nlayout = \"folder\"\npattern = '(?<well>['\n"),
            SHEET
        ),
        screen!("a pattern without groups", 2, format!("{CARD}[images]\nlayout = \"folder\"\npattern = '.*'\n"), SHEET),
        screen!("an unknown key of images", 2, format!("{CARD}[images]\nchanels = [\"x\"]\n"), SHEET),
        screen!(
            "objects without a table",
            1,
            format!("{CARD}[images.objects]\nfile = \"o.csv\"\non = [\"well\"]\n"),
            SHEET
        ),
        case("an object whose place is no number", 1, RUN, |folder| {
            put(folder, &format!("{CARD}[images.objects]\nfile = \"o.csv\"\non = [\"well\"]\n"), SHEET);
            fs::write(folder.join("o.csv"), "well,object,x,y\nA01,1,3,4\nA02,1,nan,4\n").unwrap();
        }),
        case("objects without places", 2, RUN, |folder| {
            put(folder, &format!("{CARD}[images.objects]\nfile = \"o.csv\"\non = [\"well\"]\n"), SHEET);
            fs::write(folder.join("o.csv"), "well,object\nA01,1\n").unwrap();
        }),
        case("objects of other wells", 1, RUN, |folder| {
            put(folder, &format!("{CARD}[images.objects]\nfile = \"o.csv\"\non = [\"well\"]\n"), SHEET);
            fs::write(folder.join("o.csv"), "well,object,x,y\nH12,1,3,4\n").unwrap();
        }),
        case("crops around objects that nobody gave", 1, RUN, |folder| {
            put(folder, CARD, SHEET);
            fs::write(folder.join("c.toml"), CONFIG.replace("size = 8\n[nor", "size = 8\ncenters = \"objects\"\n[nor"))
                .unwrap();
        }),
        case("nuclei in a channel that is not there", 1, RUN, |folder| {
            put(folder, CARD, SHEET);
            let centers = "size = 8\ncenters = { nuclei = { channel = \"DNA\", min_area = 3 } }\n[nor";
            fs::write(folder.join("c.toml"), CONFIG.replace("size = 8\n[nor", centers)).unwrap();
        }),
        case("a mask of another size", 1, RUN, |folder| {
            put(folder, CARD, &SHEET.replace("image\n", "image,mask\n").replace(".tif\n", ".tif,m.tif\n"));
            fs::write(folder.join("m.tif"), gray(9, 9)).unwrap();
        }),
    ]
}

fn arrays_and_indices() -> Vec<Case> {
    let array = |shape: &str, chunks: &str| {
        format!(
            "{{\"zarr_format\": 2, \"shape\": {shape}, \"chunks\": {chunks}, \"dtype\": \"<u2\", \"order\": \"C\", \"filters\": null, \"compressor\": null, \"fill_value\": 0}}"
        )
    };
    let group = |folder: &Path, zarray: &str| {
        let image = folder.join("x.zarr");
        fs::create_dir_all(image.join("0")).unwrap();
        let axes = ["c", "y", "x"].map(|name| format!("{{\"name\": \"{name}\"}}")).join(", ");
        let attributes = format!("{{\"multiscales\": [{{\"axes\": [{axes}], \"datasets\": [{{\"path\": \"0\"}}]}}]}}");
        fs::write(image.join(".zattrs"), attributes).unwrap();
        fs::write(image.join(".zgroup"), "{\"zarr_format\": 2}").unwrap();
        fs::write(image.join("0/.zarray"), zarray).unwrap();
    };
    let arrays = [
        ("an array without a description", String::new()),
        ("an array of a hundred thousand million channels", array("[100000000000, 8, 8]", "[1, 8, 8]")),
        ("an array of 100,000 x 100,000 pixels", array("[1, 100000, 100000]", "[1, 100000, 100000]")),
        ("an array of more axes than its image", array("[2, 2, 8, 8]", "[1, 1, 8, 8]")),
        ("an array with chunks of no size", array("[1, 8, 8]", "[1, 0, 8]")),
        ("an array with a negative side", array("[1, -8, 8]", "[1, 8, 8]")),
    ];
    let of_array = |(title, zarray): (&'static str, String)| {
        case(title, 1, &["inspect", "x.zarr"], move |folder| group(folder, &zarray))
    };
    let mut cases: Vec<Case> = arrays.into_iter().map(of_array).collect();
    let index = |title, name: &'static str, arguments, text: String| {
        case(title, 1, arguments, move |folder: &Path| fs::write(folder.join(name), &text).unwrap())
    };
    let bomb: String =
        (1..10).map(|level| format!("<!ENTITY e{level} \"{}\">", format!("&e{};", level - 1).repeat(10))).collect();
    let ome = |pixels: &str| {
        format!(
            "<OME><Image ID=\"Image:0\"><Pixels DimensionOrder=\"XYZCT\" {pixels}><TiffData/></Pixels></Image></OME>"
        )
    };
    cases.extend([
        index("an index that is no XML", "Index.xml", &["inspect", "Index.xml"], "{\"plate\": 1}".to_owned()),
        index(
            "an index that is cut short",
            "Index.xml",
            &["inspect", "Index.xml"],
            "<EvaluationInputData><Plates>".to_owned(),
        ),
        index("an index that grows a billion times", "Index.xml", &["inspect", "Index.xml"], {
            format!("<!DOCTYPE x [<!ENTITY e0 \"x\">{bomb}]><x>&e9;</x>")
        }),
        index("an index of nothing", "Index.xml", &["inspect", "Index.xml"], "<EvaluationInputData/>".to_owned()),
        index("OME-XML that claims four billion planes", "a.companion.ome", &["inspect", "a.companion.ome"], {
            ome("SizeZ=\"4000000000\" SizeC=\"1\" SizeT=\"1\"")
        }),
        index("OME-XML whose sizes are words", "a.companion.ome", &["inspect", "a.companion.ome"], {
            ome("SizeZ=\"many\" SizeC=\"1\" SizeT=\"1\"")
        }),
        index("OME-XML that names a file elsewhere", "a.companion.ome", &["inspect", "a.companion.ome"], {
            ome("SizeZ=\"1\" SizeC=\"1\" SizeT=\"1\"").replace(
                "<TiffData/>",
                "<TiffData IFD=\"0\" PlaneCount=\"1\"><UUID FileName=\"../../etc/x.ome.tif\">u</UUID></TiffData>",
            )
        }),
    ]);
    cases
}

/// Files of crops that are broken and then asked for.
fn crops() -> Vec<Case> {
    let broken = |title, change: fn(&mut Vec<u8>)| {
        case(title, 1, RUN, move |folder| {
            put(folder, CARD, SHEET);
            // The first run is refused behind the crops, which stay.
            let status = super::bounded(&["run", "c.toml", "--out", "run", "--set=rank.target=x==1"], folder).output();
            assert!(!status.unwrap().status.success());
            let folder = fs::read_dir(folder.join("cache")).unwrap().next().unwrap().unwrap().path();
            let path = folder.join("shard-00000.crops");
            let mut bytes = fs::read(&path).unwrap();
            change(&mut bytes);
            fs::write(&path, bytes).unwrap();
        })
    };
    vec![
        broken("crops that are cut short", |bytes| bytes.truncate(100)),
        broken("an empty file of crops", Vec::clear),
        broken("crops without their end", |bytes| bytes.truncate(bytes.len() - 1)),
        broken("crops with an index longer than the file", |bytes| {
            let end = bytes.len();
            bytes[end - 16..end - 8].fill(0x7F);
        }),
    ]
}
