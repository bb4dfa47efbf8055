//! Folders that are read by the names of their files, and plate maps with them.

use super::*;
use crate::load::{Gap, describe_images};
use crate::screen::Well;

fn phenix() -> Folder {
    let mut folder = Folder::new();
    for well in ["r01c01", "r01c02", "r02c01", "r02c02"] {
        for image in ["f01p01-ch1sk1fk1fl1", "f01p01-ch2sk1fk1fl1", "f02p01-ch1sk1fk1fl1", "f02p01-ch2sk1fk1fl1"] {
            folder = folder.with_picture(&format!("images/{well}{image}.png"), 1);
        }
    }
    folder
}

const MAP: &str = "plate,Well,compound,dose_um\nP9,A1,DMSO,0\nP9,A2,DMSO,0\nP9,B1,taxol,1\nP9,B2,taxol,3\n";

fn source(folder: &Folder, names: &[&str]) -> ImageSource {
    ImageSource { source: Source::of(names.iter().map(|name| folder.path(name))), ..ImageSource::default() }
}

fn interventions(loaded: &LoadedImages) -> Vec<String> {
    let rows = loaded.screen.table.units.by_row();
    rows.map(|unit| format!("{} {} {}", unit.plate, unit.well.unwrap(), unit.intervention)).collect()
}

#[test]
fn a_folder_is_read_by_the_names_of_its_files_and_the_card_says_how() {
    let folder = phenix().with("images/map.csv", MAP);
    let source = source(&folder, &["images"]);
    assert!(is_image_source(&source.source).unwrap());
    let loaded = folder.load_from(&source).unwrap();
    assert_eq!(
        (loaded.layout, loaded.screen.channels.as_slice()),
        (Layout::Folder, &["ch1", "ch2"].map(String::from)[..])
    );
    assert_eq!(
        interventions(&loaded),
        ["A01", "A01", "A02", "A02", "B01", "B01", "B02", "B02"]
            .iter()
            .zip([
                "untreated",
                "untreated",
                "untreated",
                "untreated",
                "taxol 1 µM",
                "taxol 1 µM",
                "taxol 3 µM",
                "taxol 3 µM"
            ])
            .map(|(well, what)| format!("images {well} {what}"))
            .collect::<Vec<_>>()
    );
    assert!(
        loaded.notes.iter().any(|note| note.contains("as those of Opera Phenix") && note.contains("row 01, column 01"))
    );
    // One time point is none.
    assert!(loaded.screen.sites.iter().all(|site| site.time.is_none()));
    assert_card_reads_back(&loaded, &source, &folder.path("dataset.toml"), Vec::new());
}

#[test]
fn images_and_a_plate_map_are_given_together() {
    let folder = phenix().with("maps/map.csv", MAP);
    let both = source(&folder, &["maps/map.csv", "images"]);
    assert!(is_image_source(&both.source).unwrap());
    let loaded = folder.load_from(&both).unwrap();
    assert_eq!(interventions(&loaded)[4], "images B01 taxol 1 µM");
    assert!(
        loaded
            .notes
            .iter()
            .any(|note| note.contains("map.csv is of one plate, `P9`, and holds for that of the images")),
        "{:?}",
        loaded.notes
    );
    assert_card_reads_back(&loaded, &both, &folder.path("card.toml"), Vec::new());
    // Profiles are no plate map.
    let profiles: String = (0..12).map(|n| format!(",f{n}")).collect();
    let folder = folder.with("profiles.csv", format!("plate,well{profiles}\nP9,A1{}\n", ",0.5".repeat(12)));
    assert!(!is_image_source(&source(&folder, &["images", "profiles.csv"]).source).unwrap());
}

#[test]
fn doses_of_a_plate_map_that_no_role_was_found_for_are_asked_about() {
    let map = MAP.replace("dose_um", "taxol_um");
    let folder = phenix().with("map.csv", map);
    let source = source(&folder, &["images", "map.csv"]);
    let error = folder.load_from(&source).unwrap_err();
    assert!(error.contains("`taxol_um` may hold the doses, of which `taxol` has several (1, 3, …)"), "{error}");
    let gaps = describe_images(&source).unwrap().gaps;
    let lines: Vec<&str> = gaps.iter().flat_map(|gap: &Gap| &gap.lines).map(|line| line.text.as_str()).collect();
    assert_eq!(lines, ["dose = \"taxol_um\"", "dose = \"\""]);
}

#[test]
fn names_that_can_be_read_in_two_ways_are_asked_about() {
    let mut folder = Folder::new().with("map.csv", MAP);
    for well in ["A01", "A02", "B01", "B02"] {
        for number in ["1_1", "1_2", "2_1", "2_2"] {
            folder = folder.with_picture(&format!("images/{well}_{number}.png"), 1);
        }
    }
    let source = source(&folder, &["images", "map.csv"]);
    let error = folder.load_from(&source).unwrap_err();
    assert!(error.contains("`A01_1_1.png` is well A01, site 1, channel 1, with pattern = '"), "{error}");
    let description = describe_images(&source).unwrap();
    assert_eq!(description.gaps.len(), 1, "{:?}", description.gaps);
    let lines: Vec<&str> = description.gaps[0].lines.iter().map(|line| line.when.as_str()).collect();
    assert_eq!(lines, ["`A01_1_1.png` is well A01, site 1, channel 1", "`A01_1_1.png` is well A01, channel 1, site 1"]);
    // The second line, as it stands in the card, is an answer.
    let card = folder.path("card.toml");
    crate::load::write_image_card(&description, &source, &card).unwrap();
    let text = std::fs::read_to_string(&card).unwrap();
    let answer = format!("# {}", description.gaps[0].lines[1].text);
    assert!(text.contains(&answer), "{text}");
    std::fs::write(&card, text.replacen(&answer, &answer[2..], 1)).unwrap();
    let loaded = folder.load(&["card.toml"]).unwrap();
    assert_eq!((loaded.screen.n_sites(), loaded.screen.channels.len()), (8, 2));
}

#[test]
fn frames_in_a_folder_are_of_wells_of_one_plate() {
    let folder = Folder::new()
        .with_picture("images/A01_00d00h00m.png", 1)
        .with_picture("images/A01_00d06h30m.png", 1)
        .with_picture("images/A02_00d00h00m.png", 1)
        .with_picture("images/A02_00d06h30m.png", 1);
    let card = "[images]\npattern = '(?<well>[A-P]\\d\\d)_(?<time>\\w+)\\.png$'\n";
    let folder = folder.with("images/dataset.toml", card);
    let loaded = folder.load(&["images/dataset.toml"]).unwrap();
    let rows: Vec<(&str, Option<Well>)> =
        loaded.screen.table.units.by_row().map(|unit| (unit.plate.as_str(), unit.well)).collect();
    let well = |name: &str| Some(name.parse::<Well>().unwrap());
    assert_eq!(rows, ["A01", "A01", "A02", "A02"].map(|name| ("images", well(name))));
    let times: Vec<_> = loaded.screen.sites.iter().map(|site| site.time.unwrap()).collect();
    assert_eq!((times[0].frame, times[1].frame, times[1].hours), (0, 1, Some(6.5)));
}
