//! Profile tables: CSV, TSV, gzip and parquet.

use std::fs;

use super::make::{PLAIN, bomb, changed, gz, parquet, parquet_of_nulls};
use super::{Case, case, workbooks};

/// A table that is called `name` and inspected.
macro_rules! table {
    ($title:literal, $name:literal, $content:expr) => {
        case($title, 1, &["inspect", $name], |folder| fs::write(folder.join($name), $content).unwrap())
    };
    ($title:literal, $name:literal, $content:expr, $code:literal) => {
        case($title, $code, &["inspect", $name], |folder| fs::write(folder.join($name), $content).unwrap())
    };
}

pub fn cases() -> Vec<Case> {
    let mut cases = structure();
    cases.extend(cells());
    cases.extend(parquet_files());
    cases.extend(workbook_files());
    cases.extend(what_is_no_table());
    cases
}

fn structure() -> Vec<Case> {
    vec![
        table!("an empty file", "t.csv", ""),
        table!("a header alone", "t.csv", PLAIN.lines().next().unwrap()),
        table!("blank lines alone", "t.csv", "\n".repeat(1000)),
        table!("an empty gzip", "t.csv.gz", gz(b"")),
        table!("a gzip that is cut short", "t.csv.gz", {
            let packed = gz(PLAIN.as_bytes());
            packed[..packed.len() - 20].to_vec()
        }),
        table!("a gzip with a wrong checksum", "t.csv.gz", {
            let mut packed = gz(PLAIN.as_bytes());
            let end = packed.len();
            packed[end - 6] ^= 1;
            packed
        }),
        table!("a gzip with something behind it", "t.csv.gz", [gz(PLAIN.as_bytes()), b"and more".to_vec()].concat()),
        table!("a gzip that unpacks to 200 MB of one row", "t.csv.gz", {
            let rows = "P1,A02,taxol,0.3,0.2,2\n".repeat(45_000);
            [gz(PLAIN.as_bytes()), bomb(rows.as_bytes(), 200)].concat()
        }),
        table!("a gzip that unpacks to 200 MB of newlines", "t.csv.gz", bomb(&[b'\n'; 1 << 20], 200)),
        table!("a gzip that unpacks to one line", "t.csv.gz", bomb(&[b'a'; 1 << 20], 100)),
        table!("a line of more than 16 MiB", "t.csv", [PLAIN.as_bytes(), &vec![b'7'; 17 << 20]].concat()),
        table!("a header of more than 16 MiB", "t.csv", vec![b'x'; 17 << 20]),
        table!("more columns than any table has", "t.csv", {
            let header: String = (0..200_001).map(|column| format!("{column},")).collect();
            format!("{header}x\n1\n")
        }),
        table!("a NUL byte", "t.csv", changed("AZ-A", "AZ\0A")),
        table!(
            "UTF-16",
            "t.csv",
            {
                let units = "\u{feff}".encode_utf16().chain(PLAIN.encode_utf16());
                units.flat_map(u16::to_le_bytes).collect::<Vec<u8>>()
            },
            0
        ),
        table!(
            "Latin-1",
            "t.csv",
            {
                let (start, end) = PLAIN.split_once("AZ-A").unwrap();
                [start.as_bytes(), b"caf\xE9", end.as_bytes()].concat()
            },
            0
        ),
        table!("line ends of an old Macintosh", "t.csv", PLAIN.replace('\n', "\r")),
        table!("a row with too few fields", "t.csv", changed("P1,A03,taxol,3,0.3,-3e2", "P1,A03,taxol,3,0.3")),
        table!("a row with too many fields", "t.csv", changed("taxol,3,", "taxol, paclitaxel,3,")),
        table!("a quote that is never closed", "t.csv", changed("AZ-A", "\"AZ-A")),
        table!("a column that stands twice", "t.csv", changed("f2", "f1")),
        table!("a column without a name", "t.csv", changed("dose_um", "")),
    ]
}

fn cells() -> Vec<Case> {
    vec![
        table!("a feature that is a word", "t.csv", changed("5.25", "high")),
        table!("a feature with a decimal comma", "t.csv", changed("5.25", "\"5,25\"")),
        table!("features that are NaN, infinite and 1e999", "t.csv", {
            let values = ["nan", "inf", "-inf", "1e999", "NaN"];
            let rows = PLAIN.lines().skip(1).zip(values).map(|(row, value)| {
                let cells: Vec<&str> = row.split(',').collect();
                format!("{},{value},{value}\n", cells[..4].join(","))
            });
            format!("{}\n{}", PLAIN.lines().next().unwrap(), rows.collect::<String>())
        }),
        table!("the well AG99", "t.csv", changed("B02", "AG99")),
        table!("a well without a name", "t.csv", changed("B02", "")),
        table!("a well that is given twice", "t.csv", changed("P1,A03", "P1,A02")),
        table!("a plate without a name", "t.csv", changed("P2,B02", ",B02")),
        table!("a dose in a unit that is none", "t.csv", changed("AZ-A,10", "AZ-A,10 mg")),
        table!("a negative dose", "t.csv", changed("AZ-A,10", "AZ-A,-10")),
        table!("an infinite dose", "t.csv", changed("AZ-A,10", "AZ-A,1e999")),
        table!("a dose that is NaN", "t.csv", changed("AZ-A,10", "AZ-A,NaN"), 2),
        table!("doses without a unit", "t.csv", changed("dose_um", "dose"), 2),
        table!("no perturbations", "t.csv", changed("compound", "remark"), 2),
        table!("no plates", "t.csv", changed("plate", "remark"), 2),
        table!("no features", "t.csv", "plate,well,compound\nP1,A01,DMSO\n", 2),
        table!(
            "a word that is no role",
            "t.csv",
            {
                let (header, rows) = PLAIN.split_once('\n').unwrap();
                format!("{header},control_type\n{}", rows.replace('\n', ",perhaps\n"))
            },
            2
        ),
        table!("a duration of ten million years", "t.csv", {
            let (header, rows) = PLAIN.split_once('\n').unwrap();
            format!("{header},hours\n{}", rows.replace('\n', ",9e10\n"))
        }),
        case("tables with different columns", 1, &["inspect", "a.csv", "b.csv"], |folder| {
            fs::write(folder.join("a.csv"), PLAIN).unwrap();
            fs::write(folder.join("b.csv"), changed("f2", "f3").replace("P1", "P3").replace("P2", "P4")).unwrap();
        }),
    ]
}

fn parquet_files() -> Vec<Case> {
    vec![
        table!("a parquet file that is cut short", "t.parquet", {
            let whole = parquet(40);
            whole[..whole.len() / 2].to_vec()
        }),
        table!("the first bytes of a parquet file", "t.parquet", "PAR1"),
        table!("a parquet file whose footer is longer than the file", "t.parquet", {
            let mut bytes = parquet(40);
            let end = bytes.len();
            bytes[end - 8..end - 4].copy_from_slice(&u32::MAX.to_le_bytes());
            bytes
        }),
        table!("a parquet file with damaged pages", "t.parquet", {
            let mut bytes = parquet(40);
            bytes[4..200].fill(0xFF);
            bytes
        }),
        table!("a parquet file of thirty million rows of nothing", "t.parquet", parquet_of_nulls(30)),
        table!("a parquet file without rows", "t.parquet", parquet(0)),
    ]
}

fn what_is_no_table() -> Vec<Case> {
    let mut cases = vec![
        table!("a zip archive that is called .csv", "t.csv", b"PK\x03\x04 and so on".as_slice()),
        table!("an SQLite database", "t.csv", b"SQLite format 3\0".as_slice()),
        table!("an HDF5 file", "t.csv", b"\x89HDF\r\n\x1a\n".as_slice()),
        table!("an image", "t.csv", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".as_slice()),
        table!("JSON", "t.csv", "{\"plate\": [\"P1\"]}", 1),
        case("a file that is not there", 2, &["inspect", "absent.csv"], |_| {}),
        case("a folder without tables", 2, &["inspect", "t.csv"], |folder| {
            fs::create_dir(folder.join("t.csv")).unwrap()
        }),
        case("a malformed glob", 2, &["inspect", "[a.csv"], |_| {}),
        case("nothing that a shell expands", 2, &["inspect", "plates/*.csv"], |_| {}),
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
        case("a link to itself", 1, &["inspect", "t.csv"], |folder| symlink("t.csv", folder.join("t.csv")).unwrap()),
        case("a link that leads nowhere", 1, &["inspect", "t.csv"], |folder| {
            symlink("absent.csv", folder.join("t.csv")).unwrap();
        }),
        case("a folder that links to itself", 2, &["inspect", "a/**/*.csv"], |folder| {
            fs::create_dir(folder.join("a")).unwrap();
            symlink(".", folder.join("a/a")).unwrap();
        }),
        case("a pipe", 1, &["inspect", "t.csv"], |folder| {
            let made = std::process::Command::new("mkfifo").arg(folder.join("t.csv")).status().unwrap();
            assert!(made.success());
        }),
        case("a device without end", 1, &["inspect", "/dev/zero"], |_| {}),
    ]
}

#[cfg(not(unix))]
fn links_and_pipes() -> Vec<Case> {
    Vec::new()
}

fn workbook_files() -> Vec<Case> {
    vec![
        table!("an Excel workbook of which a sheet unpacks to 300 MB, though it claims a few bytes", "t.xlsx", {
            workbooks::bomb(300)
        }),
        table!("an archive of 1,000 entries that share one stretch of bytes, 60 GB in all", "t.xlsx", {
            workbooks::overlapping(1000, 60)
        }),
        table!("an Excel workbook that is cut short", "t.xlsx", {
            let whole = workbooks::xlsx(PLAIN);
            whole[..whole.len() - 40].to_vec()
        }),
        table!("a binary Excel workbook with a damaged sheet", "t.xlsb", {
            let mut whole = workbooks::xlsb(PLAIN);
            let middle = whole.len() / 2;
            whole[middle..middle + 20].fill(0xFF);
            whole
        }),
        table!(
            "a workbook of OpenDocument with a row that repeats a hundred million times",
            "t.ods",
            {
                let content = "<table:table-row table:number-rows-repeated=\"100000000\"><table:table-cell \
                           office:value-type=\"float\" office:value=\"1\"><text:p>1</text:p></table:table-cell></table:table-row>";
                workbooks::ods_of(content)
            },
            2
        ),
        table!("a workbook with a word among the numbers", "t.xlsx", workbooks::xlsx(&changed("5.25", "high"))),
    ]
}
