//! Dataset cards and the sheets that they join.

use std::fs;
use std::path::Path;

use super::make::{CARD, PLAIN, changed};
use super::{Case, case};

/// A folder with a card and the files beside it.
fn put(folder: &Path, card: &str, files: &[(&str, &str)]) {
    fs::write(folder.join("dataset.toml"), card).unwrap();
    fs::write(folder.join("t.csv"), PLAIN).unwrap();
    for (name, content) in files {
        fs::write(folder.join(name), content).unwrap();
    }
}

/// A card that is inspected.
macro_rules! card {
    ($title:literal, $code:literal, $card:expr) => {
        card!($title, $code, $card, &[])
    };
    ($title:literal, $code:literal, $card:expr, $files:expr) => {
        case($title, $code, &["inspect", "dataset.toml"], |folder| put(folder, &$card, $files))
    };
}

const SHEET: &str = "[[join]]\nfile = \"map.csv\"\non = [\"plate\", \"well\"]\n";

fn joined() -> String {
    format!("{CARD}{SHEET}")
}

pub fn cases() -> Vec<Case> {
    let mut cases = vec![
        card!("a card whose files leave its folder", 2, "files = [\"../../etc/passwd\"]"),
        card!("a card whose files leave its folder behind a glob", 2, "files = [\"*/../../t.csv\"]"),
        card!("a card with an absolute path", 2, "files = [\"/etc/passwd\"]"),
        card!("a card with a path of Windows", 2, "files = ['..\\t.csv']"),
        card!("a sheet outside the card's folder", 2, format!("{CARD}{}", SHEET.replace("map.csv", "../map.csv"))),
        card!(
            "descriptors outside the card's folder",
            2,
            format!("{CARD}[descriptors]\nfile = \"/etc/passwd\"\nperturbation = \"compound\"\nbits = \"bits\"\n")
        ),
        card!("a card with an unknown key", 2, format!("{CARD}[columns]\nplat = \"plate\"\n")),
        card!("a card with a value of another type", 2, "files = 3"),
        card!("a card that is no TOML", 2, "files = [\"t.csv\"\n"),
        card!("a card that names an absent column", 2, format!("{CARD}[columns]\nwell = \"position\"\n")),
        card!("a card that names absent files", 2, "files = [\"plates/*.csv\"]"),
        card!("a card that names no files", 2, "name = \"empty\""),
        card!("a card with a malformed glob", 2, "files = [\"[a.csv\"]"),
        card!("a card whose features match no column", 2, format!("{CARD}features = [\"Cells_*\"]\n")),
        card!(
            "a rule about an absent column",
            2,
            format!("{CARD}[controls]\nnegative = {{ column = \"role\", values = [\"x\"] }}\n")
        ),
        card!("a checksum of another file", 1, format!("{CARD}[checksums]\n\"t.csv\" = \"00\"\n")),
        card!("a unit of dose that is none", 2, format!("{CARD}dose_unit = \"mg\"\n")),
        card!("a sheet that is not there", 2, joined()),
        card!("a sheet that is empty", 1, joined(), &[("map.csv", "")]),
        card!("a sheet without its key", 2, joined(), &[("map.csv", "plate,position,moa\nP1,A02,x\n")]),
        card!("a join without a key", 2, format!("{CARD}[[join]]\nfile = \"map.csv\"\non = []\n")),
        card!("a sheet that contradicts itself", 1, joined(), &[("map.csv", "plate,well,moa\nP1,A02,x\nP1,a2,y\n")]),
        card!(
            "a sheet that contradicts the table",
            1,
            joined(),
            &[("map.csv", "plate,well,compound\nP1,A02,staurosporine\n")]
        ),
        card!(
            "a sheet of no well of the table",
            1,
            {
                let columns = "[columns]\nperturbation = \"agent\"\n";
                format!("{CARD}{columns}{SHEET}")
            },
            &[("map.csv", "plate,well,agent\n../../etc,A02,x\n")]
        ),
        case("a card that is a folder", 2, &["inspect", "dataset.toml"], |folder| {
            fs::create_dir(folder.join("dataset.toml")).unwrap();
        }),
        case("a card that is not UTF-8", 2, &["inspect", "dataset.toml"], |folder| {
            fs::write(folder.join("dataset.toml"), b"name = \"a\"\ndescription = \"caf\xE9\"\n").unwrap();
        }),
        case("a card of five megabytes", 2, &["inspect", "dataset.toml"], |folder| {
            fs::write(folder.join("dataset.toml"), "# padding\n".repeat(500_000)).unwrap();
        }),
        case("a card of another table", 2, &["inspect", "dataset.toml", "other.csv"], |folder| {
            put(
                folder,
                &format!("{CARD}[columns]\nplate = \"plate\"\n"),
                &[("other.csv", &changed("plate", "barcode"))],
            );
        }),
    ];
    if cfg!(unix) {
        cases.push(case("a sheet that links to itself", 1, &["inspect", "dataset.toml"], |folder| {
            put(folder, &format!("{CARD}{SHEET}"), &[]);
            #[cfg(unix)]
            std::os::unix::fs::symlink("map.csv", folder.join("map.csv")).unwrap();
        }));
    }
    cases
}
