//! Workbooks of the formats that are read, made from a small table; archives that unpack to far more than they are.

use flate2::{Compression, Crc, write::DeflateEncoder};
use std::io::Write;

const MAIN: &str = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
const RELATIONS: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";

/// A zip archive of files, packed.
pub fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    let packed: Vec<(&str, Vec<u8>, u32, usize)> = files
        .iter()
        .map(|(name, content)| {
            let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
            encoder.write_all(content).unwrap();
            let mut crc = Crc::new();
            crc.update(content);
            (*name, encoder.finish().unwrap(), crc.sum(), content.len())
        })
        .collect();
    zip_of_packed(&packed)
}

/// A workbook of which one sheet unpacks to `n_mib` MiB, though its archive says that it is small.
pub fn bomb(n_mib: usize) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    let blanks = vec![b' '; 1 << 20];
    (0..n_mib).for_each(|_| encoder.write_all(&blanks).unwrap());
    let sheet = encoder.finish().unwrap();
    let mut files: Vec<(&str, Vec<u8>, u32, usize)> = Vec::new();
    let small = xlsx_parts("plate,well\nP1,A01\n");
    for (name, content) in &small {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(content.as_bytes()).unwrap();
        let mut crc = Crc::new();
        crc.update(content.as_bytes());
        files.push((name, encoder.finish().unwrap(), crc.sum(), content.len()));
    }
    let last = files.last_mut().unwrap();
    // The size that the archive claims is that of the small sheet.
    last.1 = sheet;
    zip_of_packed(&files)
}

/// Archives whose entries all lead to one stretch of packed bytes: small on disk, and large as often as it is named.
pub fn overlapping(n_entries: u16, n_mib: usize) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    let blanks = vec![b' '; 1 << 20];
    (0..n_mib).for_each(|_| encoder.write_all(&blanks).unwrap());
    let whole = zip_of_packed(&[("xl/workbook.xml", encoder.finish().unwrap(), 0, n_mib << 20)]);
    let end = whole.len() - 22;
    let start = u32::from_le_bytes(whole[end + 16..end + 20].try_into().unwrap()) as usize;
    let entry = whole[start..end].to_vec();
    let mut bytes = whole[..start].to_vec();
    (0..n_entries).for_each(|_| bytes.extend(&entry));
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    bytes.extend(n_entries.to_le_bytes());
    bytes.extend(n_entries.to_le_bytes());
    bytes.extend(((entry.len() * usize::from(n_entries)) as u32).to_le_bytes());
    bytes.extend((start as u32).to_le_bytes());
    bytes.extend([0, 0]);
    bytes
}

fn zip_of_packed(files: &[(&str, Vec<u8>, u32, usize)]) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for (name, packed, sum, size) in files {
        let mut middle = Vec::new();
        for number in [20u16, 0, 8, 0, 0] {
            middle.extend(number.to_le_bytes());
        }
        for number in [*sum, packed.len() as u32, *size as u32] {
            middle.extend(number.to_le_bytes());
        }
        middle.extend((name.len() as u16).to_le_bytes());
        middle.extend([0, 0]);
        directory.extend(b"PK\x01\x02\x14\x00");
        directory.extend(&middle);
        directory.extend([0; 10]);
        directory.extend((bytes.len() as u32).to_le_bytes());
        directory.extend(name.bytes());
        bytes.extend(b"PK\x03\x04");
        bytes.extend(&middle);
        bytes.extend(name.bytes());
        bytes.extend(packed);
    }
    let start = bytes.len() as u32;
    bytes.extend(&directory);
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    bytes.extend((files.len() as u16).to_le_bytes());
    bytes.extend((files.len() as u16).to_le_bytes());
    bytes.extend((directory.len() as u32).to_le_bytes());
    bytes.extend(start.to_le_bytes());
    bytes.extend([0, 0]);
    bytes
}

fn package(target: &str) -> String {
    format!(
        "<Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\">\
         <Relationship Id=\"r1\" Type=\"{RELATIONS}/officeDocument\" Target=\"{target}\"/></Relationships>"
    )
}

fn relations(target: &str) -> String {
    format!(
        "<Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\">\
         <Relationship Id=\"r1\" Type=\"{RELATIONS}/worksheet\" Target=\"{target}\"/></Relationships>"
    )
}

fn xlsx_parts(text: &str) -> Vec<(&'static str, String)> {
    let cell = |(column, cell): (usize, &str), row: usize| {
        let place = format!("{}{row}", (b'A' + column as u8) as char);
        match cell {
            "" => String::new(),
            cell if cell.parse::<f64>().is_ok() => format!("<c r=\"{place}\"><v>{cell}</v></c>"),
            cell => format!("<c r=\"{place}\" t=\"inlineStr\"><is><t>{cell}</t></is></c>"),
        }
    };
    let row = |(line, row): (&str, usize)| {
        let cells: String = line.split(',').enumerate().map(|each| cell(each, row)).collect();
        format!("<row r=\"{row}\">{cells}</row>")
    };
    let rows: String = text.lines().zip(1..).map(row).collect();
    vec![
        ("_rels/.rels", package("xl/workbook.xml")),
        (
            "xl/workbook.xml",
            format!(
                "<workbook xmlns=\"{MAIN}\" xmlns:r=\"{RELATIONS}\"><sheets><sheet name=\"S\" sheetId=\"1\" r:id=\"r1\"/></sheets></workbook>"
            ),
        ),
        ("xl/_rels/workbook.xml.rels", relations("worksheets/sheet1.xml")),
        ("xl/worksheets/sheet1.xml", format!("<worksheet xmlns=\"{MAIN}\"><sheetData>{rows}</sheetData></worksheet>")),
    ]
}

/// A table of text as an Excel workbook.
pub fn xlsx(text: &str) -> Vec<u8> {
    let parts = xlsx_parts(text);
    zip(&parts.iter().map(|(name, content)| (*name, content.as_bytes())).collect::<Vec<_>>())
}

/// A table of text as an OpenDocument spreadsheet.
pub fn ods(text: &str) -> Vec<u8> {
    let cell = |cell: &str| match cell.parse::<f64>() {
        Ok(_) => format!(
            "<table:table-cell office:value-type=\"float\" office:value=\"{cell}\"><text:p>{cell}</text:p></table:table-cell>"
        ),
        Err(_) if cell.is_empty() => "<table:table-cell/>".to_owned(),
        Err(_) => format!("<table:table-cell office:value-type=\"string\"><text:p>{cell}</text:p></table:table-cell>"),
    };
    let row =
        |line: &str| format!("<table:table-row>{}</table:table-row>", line.split(',').map(cell).collect::<String>());
    ods_of(&text.lines().map(row).collect::<String>())
}

/// An OpenDocument spreadsheet of rows as they are written there.
pub fn ods_of(rows: &str) -> Vec<u8> {
    let content = format!(
        "<office:document-content xmlns:office=\"urn:oasis:names:tc:opendocument:xmlns:office:1.0\" \
         xmlns:table=\"urn:oasis:names:tc:opendocument:xmlns:table:1.0\" \
         xmlns:text=\"urn:oasis:names:tc:opendocument:xmlns:text:1.0\"><office:body><office:spreadsheet>\
         <table:table table:name=\"S\">{rows}</table:table></office:spreadsheet></office:body></office:document-content>"
    );
    let manifest = "<manifest:manifest xmlns:manifest=\"urn:oasis:names:tc:opendocument:xmlns:manifest:1.0\"/>";
    zip(&[
        ("mimetype", b"application/vnd.oasis.opendocument.spreadsheet"),
        ("META-INF/manifest.xml", manifest.as_bytes()),
        ("content.xml", content.as_bytes()),
    ])
}

/// A table of text as a binary Excel workbook.
pub fn xlsb(text: &str) -> Vec<u8> {
    /// A record: its kind and its length in groups of seven bits, then its content.
    fn record(bytes: &mut Vec<u8>, kind: u16, content: &[u8]) {
        if kind < 0x80 {
            bytes.push(kind as u8);
        } else {
            bytes.extend([(kind & 0x7F) as u8 | 0x80, (kind >> 7) as u8]);
        }
        let mut length = content.len();
        while length >= 0x80 {
            bytes.push((length & 0x7F) as u8 | 0x80);
            length >>= 7;
        }
        bytes.push(length as u8);
        bytes.extend(content);
    }
    fn wide(text: &str) -> Vec<u8> {
        let units: Vec<u16> = text.encode_utf16().collect();
        (units.len() as u32).to_le_bytes().into_iter().chain(units.into_iter().flat_map(u16::to_le_bytes)).collect()
    }
    let numbers = |numbers: &[u32]| numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>();
    let mut workbook = Vec::new();
    record(&mut workbook, 0x83, &[]);
    record(&mut workbook, 0x8F, &[]);
    record(&mut workbook, 0x9C, &[numbers(&[0, 1]), wide("r1"), wide("S")].concat());
    record(&mut workbook, 0x90, &[]);
    record(&mut workbook, 0x84, &[]);
    let mut sheet = Vec::new();
    let n_columns = text.lines().next().unwrap_or_default().split(',').count() as u32;
    record(&mut sheet, 0x81, &[]);
    record(&mut sheet, 0x94, &numbers(&[0, text.lines().count() as u32 - 1, 0, n_columns - 1]));
    record(&mut sheet, 0x91, &[]);
    for (line, row) in text.lines().zip(0u32..) {
        record(&mut sheet, 0x00, &[numbers(&[row, 0]), vec![0; 9]].concat());
        for (cell, column) in line.split(',').zip(0u32..).filter(|(cell, _)| !cell.is_empty()) {
            let start = numbers(&[column, 0]);
            match cell.parse::<f64>() {
                Ok(number) => record(&mut sheet, 0x05, &[start, number.to_le_bytes().to_vec()].concat()),
                Err(_) => record(&mut sheet, 0x06, &[start, wide(cell)].concat()),
            }
        }
    }
    record(&mut sheet, 0x92, &[]);
    record(&mut sheet, 0x82, &[]);
    zip(&[
        ("_rels/.rels", package("xl/workbook.bin").as_bytes()),
        ("xl/workbook.bin", &workbook),
        ("xl/_rels/workbook.bin.rels", relations("worksheets/sheet1.bin").as_bytes()),
        ("xl/worksheets/sheet1.bin", &sheet),
    ])
}
