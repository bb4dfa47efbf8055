//! Small image screens made here, and real ones where they are at hand.

mod acceptance;
mod kinds;
mod named;

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::*;
use crate::load::image::pixels::PixelValues;
use crate::screen::Role;

/// A folder of files made for a test.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn with(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
        self
    }

    /// A gray PNG of 4 x 3 pixels of one value.
    fn with_picture(self, name: &str, value: u8) -> Self {
        self.with(name, picture(4, 3, value))
    }

    fn load(&self, names: &[&str]) -> Result<LoadedImages, String> {
        let source = Source::of(names.iter().map(|name| self.path(name)));
        self.load_from(&ImageSource { source, ..ImageSource::default() })
    }

    fn load_from(&self, source: &ImageSource) -> Result<LoadedImages, String> {
        load_images(source).map_err(|error| self.short(&error))
    }

    /// The message without the folder's path.
    fn short(&self, error: &LoadError) -> String {
        error.to_string().replace(&format!("{}/", self.0.path().display()), "")
    }
}

/// Writes a card of what was loaded, reads it with `source`'s other paths, and compares all that it says.
#[track_caller]
fn assert_card_reads_back(loaded: &LoadedImages, source: &ImageSource, card: &Path, files: Vec<PathBuf>) {
    let description = crate::load::describe_images(source).unwrap();
    crate::load::write_image_card(&description, source, card).unwrap();
    let text = std::fs::read_to_string(card).unwrap();
    let again = Source { card: Some(card.to_path_buf()), files, ..source.source.clone() };
    let again = ImageSource { source: again, ..source.clone() };
    let again = load_images(&again).unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert!(is_image_source(&Source { card: Some(card.to_path_buf()), ..Source::default() }).unwrap());
    assert_eq!(again.layout, loaded.layout, "{text}");
    assert_eq!(again.screen.channels, loaded.screen.channels, "{text}");
    assert_eq!(again.screen.sites, loaded.screen.sites, "{text}");
    let (one, other) = (&again.screen.table, &loaded.screen.table);
    assert_eq!(one.units, other.units, "{text}");
    assert_eq!(one.labels, other.labels, "{text}");
    assert_eq!((one.reference(), &one.name, &one.dropped), (other.reference(), &other.name, &other.dropped), "{text}");
    assert_eq!(again.objects, loaded.objects, "{text}");
    assert_eq!(again.settings, loaded.settings, "{text}");
}

fn picture(width: u32, height: u32, value: u8) -> Vec<u8> {
    pixels::encode_png(width, height, png::ColorType::Grayscale, 8, &vec![value; (width * height) as usize])
}

const BY_IMAGE: &str = "\
plate,well,site,channel,picture,compound,dose_um
P1,B02,1,DNA,i/b2_dna.png,taxol,0.3
P1,b2,1,actin,i/b2_actin.png,taxol,0.3
P1,A01,1,actin,i/a1_actin.png,DMSO,
P1,A01,1,DNA,i/a1_dna.png,DMSO,
";

fn by_image() -> Folder {
    Folder::new()
        .with("sheet.csv", BY_IMAGE)
        .with_picture("i/a1_dna.png", 1)
        .with_picture("i/a1_actin.png", 2)
        .with_picture("i/b2_dna.png", 3)
        .with_picture("i/b2_actin.png", 4)
}

#[test]
fn reads_a_sheet_with_one_row_for_each_image() {
    let folder = by_image();
    let loaded = folder.load(&["sheet.csv"]).unwrap();
    assert!(is_image_source(&Source::of([folder.path("sheet.csv")])).unwrap());
    assert_eq!(loaded.layout, Layout::Sheet);
    let UsableImages { screen, .. } = loaded.usable().unwrap();
    assert_eq!(screen.channels, ["DNA", "actin"]);
    assert_eq!(screen.n_sites(), 2);
    assert_eq!(screen.table.unit(0).role, Role::NegativeControl);
    assert_eq!(screen.table.unit(1).intervention.to_string(), "taxol 0.3 µM");
    let stack = read_site(&screen.sites[1]).unwrap();
    assert_eq!((stack.n_channels, stack.height, stack.width), (2, 3, 4));
    assert_eq!(stack.values, PixelValues::U8([[3u8; 12], [4; 12]].concat()));
}

#[test]
fn a_row_for_each_site_says_the_same() {
    let sheet = "\
plate,well,site,DNA_file,actin_file,compound,dose_um
P1,A01,1,i/a1_dna.png,i/a1_actin.png,DMSO,
P1,B02,1,i/b2_dna.png,i/b2_actin.png,taxol,0.3
";
    let (one, other) = (by_image().load(&["sheet.csv"]).unwrap(), by_image().with("sheet.csv", sheet));
    let other = other.load(&["sheet.csv"]).unwrap();
    assert_eq!(other.screen.channels, ["DNA", "actin"]);
    assert_eq!(one.screen.table.units, other.screen.table.units);
    assert_eq!(one.survey.shapes, other.survey.shapes);
}

#[test]
fn the_order_of_rows_does_not_matter() {
    let folder = by_image();
    let one = folder.load(&["sheet.csv"]).unwrap();
    let mut lines: Vec<&str> = BY_IMAGE.lines().collect();
    lines[1..].reverse();
    let folder = folder.with("sheet.csv", lines.join("\n"));
    let other = folder.load(&["sheet.csv"]).unwrap();
    assert_eq!(one.screen.sites, other.screen.sites);
    assert_eq!(one.screen.table.units, other.screen.table.units);
}

const TIME_LAPSE: &str = "\
name = \"lapse\"
files = [\"frames.csv\"]
reference = \"first_frame\"
[columns]
doses = { A = \"a_um\", B = \"b_um\" }
[[join]]
file = \"wells.csv\"
on = [\"well_number\"]
[images]
plate = \"P\"
pixel_um = 0.5
[images.objects]
file = \"objects.csv\"
on = [\"well_number\", \"frame\"]
";

fn time_lapse() -> Folder {
    let frames =
        "well_number,frame,time_min,image,mask,mean\n1,1,10,a.png,m.png,3\n1,0,0,a.png,m.png,4\n2,0,0,a.png,m.png,4\n";
    Folder::new()
        .with("dataset.toml", TIME_LAPSE)
        .with("frames.csv", frames)
        .with("wells.csv", "well_number,row,column,a_um,b_um\n1,A,1,0.1,3\n2,A,2,0,0\n")
        .with(
            "objects.csv",
            "well_number,frame,object,track,center_x,center_y\n1,0,2,7,1.5,2\n1,0,1,,0,0\n1,1,1,7,2,2\n3,0,1,1,1,1\n",
        )
        .with_picture("a.png", 9)
        .with_picture("m.png", 0)
}

#[test]
fn reads_a_time_lapse_with_joins_doses_masks_and_objects() {
    let loaded = time_lapse().load(&["dataset.toml"]).unwrap();
    let UsableImages { screen, objects } = loaded.usable().unwrap_or_else(|error| panic!("{error}"));
    let objects = objects.unwrap();
    assert_eq!(screen.n_sites(), 3);
    assert_eq!(screen.fields(), [vec![0, 1], vec![2]]);
    let time = screen.sites[1].time.unwrap();
    assert_eq!((time.frame, time.hours), (1, Some(1.0 / 6.0)));
    assert_eq!(screen.table.unit(0).well.unwrap().to_string(), "A01");
    assert_eq!(screen.table.unit(0).intervention.to_string(), "A 0.1 µM + B 3 µM");
    assert_eq!(screen.table.unit(0).intervention, screen.table.unit(1).intervention);
    assert_eq!(screen.table.unit(2).role, Role::NegativeControl);
    assert_eq!(screen.sites[0].pixel_um, Some(0.5));
    assert!(screen.sites[0].mask.is_some());
    assert_eq!(
        objects[0].iter().map(|object| (object.id, object.track)).collect::<Vec<_>>(),
        [(1, None), (2, Some(7))]
    );
    assert_eq!((objects[1][0].x, objects[2].len()), (2.0, 0));
}

#[test]
fn objects_of_a_cellprofiler_data_base_are_those_of_the_table() {
    let from_table = time_lapse().load(&["dataset.toml"]).unwrap().usable().unwrap().objects.unwrap();
    // `on` ends the card, so that the track's column is named under [images.objects].
    let card = TIME_LAPSE.replace("objects.csv", "objects.sqlite") + "track = \"track\"\n";
    let folder = time_lapse().with("dataset.toml", &card);
    // The keys that the card names stand in the table of images, as CellProfiler's metadata do.
    let base = rusqlite::Connection::open(folder.path("objects.sqlite")).unwrap();
    base.execute_batch(
        "CREATE TABLE Image (ImageNumber INTEGER, well_number INTEGER, frame INTEGER);
        INSERT INTO Image VALUES (1, 1, 0), (2, 1, 1), (3, 3, 0);
        CREATE TABLE Nuclei (ImageNumber INTEGER, ObjectNumber INTEGER, track INTEGER, Nuclei_Location_Center_X REAL,
            Nuclei_Location_Center_Y REAL);
        INSERT INTO Nuclei VALUES (1, 2, 7, 1.5, 2), (1, 1, NULL, 0, 0), (2, 1, 7, 2, 2), (3, 1, 1, 1, 1);",
    )
    .unwrap();
    drop(base);
    let found = folder.load(&["dataset.toml"]).unwrap().usable().unwrap().objects.unwrap();
    assert_eq!(found, from_table);
}

/// An archive of one array of f8, `[n, 2]`, stored as numpy does.
fn npz(name: &str, values: &[f64]) -> Vec<u8> {
    let header =
        format!("{{'descr': '<f8', 'fortran_order': False, 'shape': ({}, 2), }}\n", values.len() / 2).into_bytes();
    let mut array = b"\x93NUMPY\x01\x00".to_vec();
    array.extend((header.len() as u16).to_le_bytes());
    array.extend(header);
    array.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    let (name, size) = (format!("{name}.npy").into_bytes(), (array.len() as u32).to_le_bytes());
    let name_length = (name.len() as u16).to_le_bytes();
    // Version, flags, method, time, date, checksum (not looked at), sizes, lengths of name and extra field.
    let shared = [&[20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0][..], &size, &size, &name_length, &[0, 0]].concat();
    let local = [&b"PK\x03\x04"[..], &shared, &name, &array].concat();
    let central = [&b"PK\x01\x02\x14\x00"[..], &shared, &[0; 14], &name].concat();
    let place = [(central.len() as u32).to_le_bytes(), (local.len() as u32).to_le_bytes()].concat();
    let end = [&b"PK\x05\x06\x00\x00\x00\x00\x01\x00\x01\x00"[..], &place, &[0, 0]].concat();
    [local, central, end].concat()
}

#[test]
fn deep_profiler_has_a_file_of_objects_for_each_site() {
    let sheet = "plate,well,site,image,compound\nP,A01,1,a.png,DMSO\nP,A01,2,a.png,DMSO\n";
    let card = "files = [\"s.csv\"]\n[images.objects]\nfile = \"cells/{plate}/{well}_{site}.npz\"\n";
    let folder = Folder::new()
        .with("s.csv", sheet)
        .with("dataset.toml", card)
        .with_picture("a.png", 9)
        .with("cells/P/A01_1.npz", npz("locations", &[1.0, 2.0, 3.5, 4.0]))
        .with("cells/P/A01_2.npz", npz("locations", &[]));
    let loaded = folder.load(&["dataset.toml"]).unwrap();
    let objects = loaded.usable().unwrap().objects.unwrap();
    let found: Vec<Vec<(u32, f32, f32)>> =
        objects.iter().map(|objects| objects.iter().map(|object| (object.id, object.x, object.y)).collect()).collect();
    assert_eq!(found, [vec![(0, 1.0, 2.0), (1, 3.5, 4.0)], vec![]]);

    let said = |card: &str, sheet: &str| {
        let folder = Folder::new().with("s.csv", sheet).with("dataset.toml", card).with_picture("a.png", 9);
        folder.load(&["dataset.toml"]).unwrap_err().to_string()
    };
    let found = said(&card.replace("{site}", "{field}"), sheet);
    assert!(found.contains("has no column `field`, which `cells/{plate}/{well}_{field}.npz`"), "{found}");
    assert!(said(card, &sheet.replace("A01,2", "A01,../../x")).contains(".."), "outside the folder");
    assert!(said(card, sheet).contains("A01_1.npz"), "a file that is not there is named");
}

#[test]
fn a_written_card_reads_back_as_the_same_screen() {
    let check = |folder: Folder, name: &str| {
        let source = ImageSource { source: Source::of([folder.path(name)]), ..ImageSource::default() };
        let loaded = folder.load_from(&source).unwrap_or_else(|error| panic!("{error}"));
        assert_card_reads_back(&loaded, &source, &folder.path("again.toml"), Vec::new());
        folder
    };
    let folder = check(by_image(), "sheet.csv");
    let text = std::fs::read_to_string(folder.path("again.toml")).unwrap();
    for line in [
        "files = [\"sheet.csv\"]",
        "plate = \"plate\"",
        "[images]",
        "channel = \"channel\"",
        "channels = [\"DNA\", \"actin\"]",
        "layout = \"sheet\"",
        "path = \"picture\"",
    ] {
        assert!(text.lines().any(|found| found.split("  #").next() == Some(line)), "{line}\n{text}");
    }
    let by_site = "plate,well,site,b_file,a_file,compound\nP1,A01,1,i/a1_dna.png,i/a1_actin.png,DMSO\n";
    check(by_image().with("sheet.csv", by_site), "sheet.csv");
    let lapse = check(time_lapse(), "dataset.toml");
    let text = std::fs::read_to_string(lapse.path("again.toml")).unwrap();
    assert!(text.contains("doses.\"A\" = \"a_um\"") && !text.contains("\ndose = "), "{text}");
    // The plate is declared and the well is made of two columns: neither is a column of a file.
    let card = "files = [\"s.csv\"]\n[images]\nplate = \"P\"\n";
    let sheet = "row,column,image\n1,2,i/a1_dna.png\n";
    check(by_image().with("s.csv", sheet).with("dataset.toml", card), "dataset.toml");
    // A folder, into which the card is written.
    let pictures = || Folder::new().with_picture("a.png", 1).with_picture("b/c.png", 2);
    check(pictures(), ".");
    // The card lies elsewhere: the files are given as before.
    let (folder, elsewhere) = (pictures(), Folder::new());
    let files = vec![folder.path("b")];
    let source = Source { files: files.clone(), ..Source::default() };
    let source = ImageSource { source, ..ImageSource::default() };
    let loaded = folder.load_from(&source).unwrap();
    assert_card_reads_back(&loaded, &source, &elsewhere.path("a.toml"), files);
}

#[test]
fn missing_and_mixed_images_are_counted_and_refused_or_dropped() {
    let folder = by_image().with("i/b2_dna.png", picture(5, 3, 1));
    std::fs::remove_file(folder.path("i/a1_dna.png")).unwrap();
    let loaded = folder.load(&["sheet.csv"]).unwrap();
    assert_eq!((loaded.survey.n_files, loaded.survey.n_missing_files, loaded.survey.incomplete.len()), (4, 1, 2));
    let error = folder.short(&loaded.usable().unwrap_err());
    assert_eq!(
        error,
        "sheet.csv: 2 of 2 sites cannot be decoded: i/a1_dna.png: no such file; i/b2_actin.png: 4 x 3 pixels, but \
         i/b2_dna.png of the same site has 5 x 3; put the images there, choose `channels` under [images], or leave \
         out such sites with `missing = \"drop\"`"
    );
    let card = "files = [\"sheet.csv\"]\n[images]\nmissing = \"drop\"\nchannels = [\"actin\"]\n";
    let folder = folder.with("dataset.toml", card);
    std::fs::write(folder.path("i/a1_actin.png"), b"").unwrap();
    let loaded = folder.load(&["dataset.toml"]).unwrap();
    let usable = loaded.usable().unwrap();
    assert_eq!(usable.screen.channels, ["actin"]);
    assert_eq!(usable.screen.table.unit(0).well.unwrap().to_string(), "B02");
    assert_eq!(usable.screen.table.dropped[0].rows, 1);
    assert_eq!(loaded.survey.n_unreadable_files, 1);
}

#[test]
fn refuses_sheets_that_lead_elsewhere_or_contradict_themselves() {
    let check = |sheet: &str, message: &str| {
        let error = by_image().with("sheet.csv", sheet).load(&["sheet.csv"]).expect_err(message);
        assert!(error.contains(message), "{error}");
    };
    check("plate,well,file,compound\nP,A1,../../etc/a.png,DMSO\n", "sheet.csv:2: `../../etc/a.png` leaves the folder");
    check("plate,well,file,compound\nP,A1,/etc/a.png,DMSO\n", "sheet.csv:2: `/etc/a.png` is a path of another machine");
    check(
        "plate,well,file,compound\nP,A1,i/a.png,DMSO\nP,A1,i/b.png,DMSO\n",
        "sheet.csv:3: i/b.png is given as channel ``, plane 0 of a site that has i/a.png there (sheet.csv:2)",
    );
    check(
        "plate,well,channel,file,compound\nP,A1,x,i/a.png,DMSO\nP,A1,y,i/b.png,taxol\n",
        "sheet.csv:3: column `compound` (perturbation) holds \"taxol\", but sheet.csv:2 shows the same site",
    );
    check(
        "plate,well,file,compound\nP,Z99,i/a.png,DMSO\n",
        "sheet.csv:2: column `well` holds \"Z99\", expected a well",
    );
    check("well,file,compound\nA1,i/a.png,DMSO\n", "no column `plate`; name the plate column");
    check("plate,well,compound\nP,A1,DMSO\n", "no column holds image paths");
}

#[test]
fn a_folder_and_a_pattern_are_a_screen() {
    let card = r#"
files = ["plates"]
[columns]
perturbation = "compound"
[[join]]
file = "map.csv"
on = ["well"]
[images]
pattern = '(?<plate>\w+)/(?<well>[A-P]\d+)_s(?<site>\d)_z(?<z>\d)_(?<channel>\w+)\.png$'
mask_pattern = '(?<plate>\w+)/masks/(?<well>[A-P]\d+)_s(?<site>\d)\.png$'
projection = "max"
"#;
    let folder = Folder::new()
        .with("dataset.toml", card)
        .with("map.csv", "well,compound\nA1,DMSO\nB1,x\n")
        .with_picture("plates/P1/A01_s1_z1_dna.png", 1)
        .with_picture("plates/P1/A01_s1_z2_dna.png", 5)
        .with_picture("plates/P1/A01_s2_z1_dna.png", 2)
        .with_picture("plates/P1/B01_s1_z1_dna.png", 3)
        .with_picture("plates/P1/masks/A01_s2.png", 3)
        .with_picture("plates/P1/.hidden.png", 3)
        .with_picture("plates/P1/overview.png", 3);
    let loaded = folder.load(&["dataset.toml"]).unwrap();
    let UsableImages { screen, .. } = loaded.usable().unwrap();
    let places: Vec<String> = (screen.table.units.by_row().zip(&screen.sites))
        .map(|(row, site)| format!("{} {} {} {}", row.plate, row.well.unwrap(), site.site, site.mask.is_some()))
        .collect();
    assert_eq!(places, ["P1 A01 1 false", "P1 A01 2 true", "P1 B01 1 false"]);
    assert_eq!(screen.table.dropped[0].rows, 1);
    assert_eq!(read_site(&screen.sites[0]).unwrap().values, PixelValues::U8(vec![5; 12]));
    let mean = crate::screen::ImageSite { projection: crate::screen::Projection::Mean, ..screen.sites[0].clone() };
    assert_eq!(read_site(&mean).unwrap().values, PixelValues::F32(vec![3.0; 12]));
}

#[test]
fn a_folder_alone_is_a_screen_without_treatments() {
    let folder = Folder::new().with_picture("P7/a.png", 1).with_picture("P7/b/c.png", 2);
    let source = Source { files: vec![folder.path("P7")], ..Source::default() };
    assert!(is_image_source(&source).unwrap());
    let loaded = folder.load_from(&ImageSource { source, ..ImageSource::default() }).unwrap();
    let screen = loaded.usable().unwrap().screen;
    let sites: Vec<&str> = screen.sites.iter().map(|site| site.site.as_str()).collect();
    assert_eq!(sites, ["a.png", "b/c.png"]);
    assert_eq!((screen.table.unit(0).plate.as_str(), screen.table.unit(0).role), ("P7", Role::Empty));
    let is_images =
        |folder: &Folder| is_image_source(&Source { files: vec![folder.path("P7")], ..Source::default() }).unwrap();
    assert!(!is_images(&Folder::new().with("P7/notes.md", "x")));
    let profiles = folder.with("P7/profiles.csv", "plate,well,compound,f1\nP,A1,DMSO,0.5\n");
    assert!(!is_images(&profiles));
    assert!(is_images(&profiles.with("P7/wells.csv", "plate,well,compound,file\nP,A1,DMSO,a.png\n")));
}

#[test]
fn reads_bbbc021_with_weeks_sites_and_mechanisms() {
    let images = "\
TableNumber,ImageNumber,Image_FileName_DAPI,Image_PathName_DAPI,Image_FileName_Tubulin,Image_PathName_Tubulin,Image_Metadata_Plate_DAPI,Image_Metadata_Well_DAPI,Replicate,Image_Metadata_Compound,Image_Metadata_Concentration
4,233,B02_s1_w1A.png,Week1/Week1_22123,B02_s1_w2B.png,Week1/Week1_22123,Week1_22123,B02,1,DMSO,0
4,234,C05_s3_w1A.png,Week1/Week1_22123,C05_s3_w2B.png,Week1/Week1_22123,Week1_22123,C05,1,taxol,0.30000001
";
    let mut folder = Folder::new()
        .with("BBBC021_v1_image.csv", images)
        .with("BBBC021_v1_moa.csv", "compound,concentration,moa\ntaxol,0.3,Microtubule stabilizers\n");
    for name in ["B02_s1_w1A", "B02_s1_w2B", "C05_s3_w1A", "C05_s3_w2B"] {
        folder = folder.with_picture(&format!("Week1/Week1_22123/{name}.png"), 1);
    }
    let loaded = folder.load(&["BBBC021_v1_image.csv"]).unwrap();
    let UsableImages { screen, .. } = loaded.usable().unwrap();
    assert_eq!(loaded.layout, Layout::Bbbc021);
    assert_eq!(screen.channels, ["DAPI", "Tubulin"]);
    assert_eq!(screen.table.unit(0).role, Role::NegativeControl);
    assert_eq!(screen.table.unit(1).lab_batch.as_deref(), Some("Week1"));
    assert_eq!(screen.sites[1].site, "3");
    assert_eq!(screen.table.label("moa").unwrap().values, [None, Some("Microtubule stabilizers".to_owned())]);
}

#[test]
fn reads_the_tree_of_rxrx1() {
    let metadata = "\
site_id,well_id,cell_type,dataset,experiment,plate,well,site,well_type,sirna,sirna_id
H_1_B02_1,H_1_B02,HUVEC,train,HUVEC-01,1,B02,1,negative_control,EMPTY,1138
H_1_C02_1,H_1_C02,HUVEC,train,HUVEC-01,1,C02,1,treatment,s20894,5
";
    let mut folder = Folder::new().with("metadata.csv", metadata);
    for well in ["B02", "C02"] {
        for channel in 1..=6 {
            folder = folder.with_picture(&format!("images/train/HUVEC-01/Plate1/{well}_s1_w{channel}.png"), channel);
        }
    }
    let loaded = load_images(&ImageSource {
        source: Source { files: vec![folder.0.path().to_path_buf()], ..Source::default() },
        ..ImageSource::default()
    });
    let UsableImages { screen, .. } = loaded.unwrap().usable().unwrap();
    assert_eq!(screen.channels, ["nucleus", "ER", "actin", "nucleoli", "mitochondria", "Golgi"]);
    let row = screen.table.unit(1);
    assert_eq!(
        (row.plate.as_str(), row.lab_batch.as_deref(), row.context.as_str()),
        ("HUVEC-01/Plate1", Some("HUVEC-01"), "HUVEC")
    );
    assert_eq!(row.intervention.members()[0].perturbation.kind, crate::screen::Kind::Rnai);
    assert_eq!(screen.table.unit(0).role, Role::NegativeControl);
    let folder = folder.with("metadata.csv", metadata.replace("HUVEC-01,1,C02", "../../x,1,C02"));
    let error = load_images(&ImageSource {
        source: Source { files: vec![folder.0.path().to_path_buf()], ..Source::default() },
        ..ImageSource::default()
    });
    assert!(error.unwrap_err().to_string().contains("`../../x` cannot be part of a path"));
}

#[test]
fn load_data_follows_path_maps() {
    let sheet = "\
FileName_OrigDNA,PathName_OrigDNA,FileName_IllumDNA,PathName_IllumDNA,Metadata_Plate,Metadata_Well,Metadata_Site
a.png,/home/x/images/,P_IllumDNA.npy,/home/x/illum,P,A01,1
";
    let folder = Folder::new().with("load_data.csv", sheet).with_picture("here/a.png", 4);
    let error = folder.load(&["load_data.csv"]).unwrap_err();
    assert!(error.starts_with("load_data.csv:2: `/home/x/images/a.png` is a path of another machine"), "{error}");
    let map = PathMap { old: "/home/x/images".to_owned(), new: folder.path("here") };
    let source = Source::of([folder.path("load_data.csv")]);
    let loaded = folder.load_from(&ImageSource { source, path_maps: vec![map], root: None }).unwrap();
    assert_eq!(loaded.usable().unwrap().screen.channels, ["DNA"]);
    assert_eq!(loaded.screen.table.unit(0).role, Role::Empty);
}

#[test]
fn thirteen_channels_are_thirteen_channels() {
    let mut folder = Folder::new();
    let names: Vec<String> = (1..=13).map(|channel| format!("c{channel}_file")).collect();
    let files: Vec<String> = (1..=13).map(|channel| format!("c{channel}.png")).collect();
    let sheet = format!("plate,well,compound,{}\nP,A1,DMSO,{}\n", names.join(","), files.join(","));
    for (file, value) in files.iter().zip(1..) {
        folder = folder.with_picture(file, value);
    }
    let loaded = folder.with("sheet.csv", sheet).load(&["sheet.csv"]);
    // The pictures are gone with their folder; what was loaded still says what they were.
    let loaded = loaded.unwrap();
    assert_eq!(loaded.screen.channels.len(), 13);
    assert_eq!(loaded.screen.channels[9], "c10");
    assert_eq!(loaded.survey.shapes.values().sum::<usize>(), 13);
}

fn shared() -> Option<PathBuf> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    data.is_dir().then_some(data)
}
