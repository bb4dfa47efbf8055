use std::io::Write;

use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};

use super::*;

/// A zip archive of files, packed.
fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for (name, content) in files {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(content).unwrap();
        let packed = encoder.finish().unwrap();
        let mut crc = Crc::new();
        crc.update(content);
        let mut middle = Vec::new();
        for number in [20u16, 0, 8, 0, 0] {
            middle.extend(number.to_le_bytes());
        }
        for number in [crc.sum(), packed.len() as u32, content.len() as u32] {
            middle.extend(number.to_le_bytes());
        }
        middle.extend((name.len() as u16).to_le_bytes());
        middle.extend([0, 0]);
        directory.extend(b"PK\x01\x02\x14\x00");
        directory.extend(&middle);
        directory.extend([0; 10]);
        directory.extend((bytes.len() as u32).to_le_bytes());
        directory.extend(name.bytes());
        bytes.extend(ZIP);
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

/// A workbook of sheets, each as the XML of its rows.
fn xlsx(sheets: &[(&str, &str)]) -> Vec<u8> {
    let numbered = |part: &dyn Fn(usize, &str) -> String| -> String {
        sheets.iter().zip(1..).map(|((name, _), number)| part(number, name)).collect()
    };
    let relations = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    let main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
    let workbook = format!(
        "<workbook xmlns=\"{main}\" xmlns:r=\"{relations}\"><sheets>{}</sheets></workbook>",
        numbered(&|number, name| format!("<sheet name=\"{name}\" sheetId=\"{number}\" r:id=\"r{number}\"/>"))
    );
    let rels = format!(
        "<Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\">{}</Relationships>",
        numbered(&|number, _| format!(
            "<Relationship Id=\"r{number}\" Type=\"{relations}/worksheet\" Target=\"worksheets/sheet{number}.xml\"/>"
        ))
    );
    // Style 1 is a date.
    let styles = format!(
        "<styleSheet xmlns=\"{main}\"><cellXfs><xf numFmtId=\"0\"/><xf numFmtId=\"14\"/></cellXfs></styleSheet>"
    );
    let package = format!(
        "<Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\">\
         <Relationship Id=\"r1\" Type=\"{relations}/officeDocument\" Target=\"xl/workbook.xml\"/></Relationships>"
    );
    let mut files = vec![
        ("_rels/.rels".to_owned(), package),
        ("xl/workbook.xml".to_owned(), workbook),
        ("xl/_rels/workbook.xml.rels".to_owned(), rels),
        ("xl/styles.xml".to_owned(), styles),
    ];
    for ((_, rows), number) in sheets.iter().zip(1..) {
        let sheet = format!("<worksheet xmlns=\"{main}\"><sheetData>{rows}</sheetData></worksheet>");
        files.push((format!("xl/worksheets/sheet{number}.xml"), sheet));
    }
    zip(&files.iter().map(|(name, content)| (name.as_str(), content.as_bytes())).collect::<Vec<_>>())
}

/// Rows as XML: numbers as numbers, everything else as text.
fn rows(text: &str) -> String {
    let cell = |(column, cell): (usize, &str), row: usize| {
        let place = format!("{}{row}", letters(column));
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
    text.lines().zip(1..).map(row).collect()
}

fn read_bytes(name: &str, bytes: &[u8]) -> Result<RawTable, String> {
    let folder = tempfile::tempdir().unwrap();
    let (file, sheet) = name.split_once('#').map_or((name, ""), |(file, sheet)| (file, sheet));
    std::fs::write(folder.path().join(file), bytes).unwrap();
    let path = folder.path().join(if sheet.is_empty() { file.to_owned() } else { format!("{file}#{sheet}") });
    read(&path).map_err(|error| error.to_string().replace(&format!("{}/", folder.path().display()), ""))
}

fn in_lines(table: &RawTable) -> Vec<String> {
    let names = table.columns.iter().map(|column| column.name.clone()).collect::<Vec<_>>().join(",");
    let cell = |column: &RawColumn, row: usize| table.text(&column.name).unwrap()[row].clone().unwrap_or_default();
    let row = |row| table.columns.iter().map(|column| cell(column, row)).collect::<Vec<_>>().join(",");
    [names].into_iter().chain((0..table.n_rows()).map(row)).collect()
}

#[test]
fn cells_are_read_as_they_are_shown() {
    let sheet = "<row r=\"1\"><c r=\"A1\" t=\"inlineStr\"><is><t>well</t></is></c><c r=\"B1\" t=\"inlineStr\"><is><t>dose</t></is></c>\
                 <c r=\"C1\" t=\"inlineStr\"><is><t>day</t></is></c><c r=\"D1\" t=\"inlineStr\"><is><t>ok</t></is></c></row>\
                 <row r=\"2\"><c r=\"A2\" t=\"inlineStr\"><is><t>A1</t></is></c><c r=\"B2\"><v>1.0</v></c>\
                 <c r=\"C2\" s=\"1\"><v>45322</v></c><c r=\"D2\" t=\"b\"><v>1</v></c></row>\
                 <row r=\"4\"><c r=\"A4\" t=\"inlineStr\"><is><t>A2</t></is></c><c r=\"B4\"><v>0.30000000000000004</v></c>\
                 <c r=\"C4\" t=\"e\"><v>#DIV/0!</v></c><c r=\"D4\" t=\"b\"><v>0</v></c></row>";
    let table = read_bytes("t.xlsx", &xlsx(&[("Data", sheet)])).unwrap();
    assert_eq!(in_lines(&table), ["well,dose,day,ok", "A1,1,2024-01-31,TRUE", "A2,0.3,,FALSE"]);
    assert_eq!(table.place(1).line, 4);
}

/// Each range is a `mergeCell` of the sheet, which stands behind its cells.
#[test]
fn cells_merged_down_a_column_all_hold_what_the_first_does() {
    let data = "</sheetData><mergeCells count=\"2\"><mergeCell ref=\"B2:B4\"/><mergeCell ref=\"A1:A1\"/></mergeCells><sheetData>";
    let sheet = format!("{}{data}", rows("well,drug\nA1,x\nA2,\nA3,\nA4,\nA5,y\n"));
    let table = read_bytes("t.xlsx", &xlsx(&[("S", &sheet)])).unwrap();
    assert_eq!(in_lines(&table), ["well,drug", "A1,x", "A2,x", "A3,x", "A4,", "A5,y"]);
}

#[test]
fn titles_are_skipped_and_headers_with_gaps_are_refused() {
    let table = read_bytes("t.xlsx", &xlsx(&[("S", &rows("My screen\n\nwell,drug\nA1,x\n"))])).unwrap();
    assert_eq!(in_lines(&table), ["well,drug", "A1,x"]);
    let error = read_bytes("t.xlsx", &xlsx(&[("S", &rows("well,drug,,dose\nA1,x,y,1\n"))])).unwrap_err();
    assert!(error.contains("row 1 is the header, and its cell in column C is empty"), "{error}");
    let error = read_bytes("t.xlsx", &xlsx(&[("S", &rows("well,drug,drug\nA1,x,y\n"))])).unwrap_err();
    assert!(error.contains("column `drug` occurs twice"), "{error}");
}

#[test]
fn a_sheet_is_named_behind_a_sign_and_the_others_are_told_of() {
    let book = xlsx(&[("Empty", ""), ("Data", &rows("a,b\n1,2\n")), ("Layout", &rows("drug,1,2,3\nA,x,,y\nB,,z,\n"))]);
    assert_eq!(in_lines(&read_bytes("t.xlsx", &book).unwrap()), ["a,b", "1,2"]);
    assert_eq!(in_lines(&read_bytes("t.xlsx#layout", &book).unwrap()), ["well,drug", "A01,x", "A03,y", "B02,z"]);
    let error = read_bytes("t.xlsx#Layuot", &book).unwrap_err();
    assert!(error.contains("no sheet `Layuot`; the sheets are `Empty`, `Data`, `Layout`"), "{error}");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.xlsx");
    std::fs::write(&path, &book).unwrap();
    let told = notes(&path).unwrap().remove(0);
    assert_eq!(told, "t.xlsx has 2 sheets, of which `Data` is read and `Layout` not; `t.xlsx#Layout` names another");
}

#[test]
fn other_workbooks_are_read_too() {
    // Written by xlwt 1.3.
    let xls = include_bytes!("layout.xls");
    assert_eq!(in_lines(&read_bytes("layout.xls", xls).unwrap()), ["well,drug,dose_um", "A01,DMSO,0", "A02,taxol,0.3"]);
    let content = ods_content(
        "<table:table-row><table:table-cell office:value-type=\"string\"><text:p>well</text:p></table:table-cell>\
         <table:table-cell office:value-type=\"string\"><text:p>dose</text:p></table:table-cell></table:table-row>\
         <table:table-row><table:table-cell office:value-type=\"string\"><text:p>A1</text:p></table:table-cell>\
         <table:table-cell office:value-type=\"float\" office:value=\"2\"><text:p>2,00</text:p></table:table-cell></table:table-row>\
         <table:table-row table:number-rows-repeated=\"1048570\"><table:table-cell table:number-columns-repeated=\"16384\"/></table:table-row>",
    );
    assert_eq!(in_lines(&read_bytes("t.ods", &ods(&content)).unwrap()), ["well,dose", "A1,2"]);
}

fn ods_content(rows: &str) -> String {
    format!(
        "<office:document-content xmlns:office=\"o\" xmlns:table=\"t\" xmlns:text=\"x\"><office:body><office:spreadsheet>\
         <table:table table:name=\"S\">{rows}</table:table></office:spreadsheet></office:body></office:document-content>"
    )
}

fn ods(content: &str) -> Vec<u8> {
    zip(&[
        ("mimetype", b"application/vnd.oasis.opendocument.spreadsheet"),
        ("META-INF/manifest.xml", b"<manifest:manifest xmlns:manifest=\"m\"/>"),
        ("content.xml", content.as_bytes()),
    ])
}

#[test]
fn what_unpacks_or_unfolds_to_too_much_is_refused() {
    let blanks = vec![b' '; 80 << 20];
    let error = read_bytes("t.xlsx", &zip(&[("xl/workbook.xml", b"<x/>"), ("xl/media.xml", &blanks)])).unwrap_err();
    assert!(error.contains("unpack to more than"), "{error}");
    // Two cells in opposite corners.
    let corners =
        |row: u32| format!("<row r=\"{row}\"><c r=\"A{row}\"><v>1</v></c><c r=\"XFD{row}\"><v>2</v></c></row>");
    let sheet: String = (1..=1100).map(corners).collect();
    let error = read_bytes("t.xlsx", &xlsx(&[("S", &sheet)])).unwrap_err();
    assert!(error.contains("more than 16777216 cells"), "{error}");
    let many = "<table:table-row table:number-rows-repeated=\"1000000\"><table:table-cell office:value-type=\"float\" \
                office:value=\"1\" table:number-columns-repeated=\"100\"><text:p>1</text:p></table:table-cell></table:table-row>";
    let error = read_bytes("t.ods", &ods(&ods_content(many))).unwrap_err();
    assert!(error.contains("more than 16777216 cells"), "{error}");
}

#[test]
fn other_archives_and_damaged_workbooks_are_errors() {
    let error = read_bytes("t.xlsx", &zip(&[("a.csv", b"well,f\nA1,1\n")])).unwrap_err();
    assert!(error.contains("a zip archive that is not a workbook"), "{error}");
    for bytes in [xlsx(&[("S", &rows("a,b\n1,2\n3,4\n"))]), include_bytes!("layout.xls").to_vec()] {
        let whole = in_lines(&read_bytes("t.xlsx", &bytes).unwrap());
        for end in (0..bytes.len()).step_by(97) {
            // What is cut off may be padding.
            if let Ok(table) = read_bytes("t.xlsx", &bytes[..end]) {
                assert_eq!(in_lines(&table), whole, "cut at {end}");
            }
        }
        // No mutation panics or runs away; some do no harm.
        for step in 0..400 {
            let mut mutated = bytes.clone();
            let at = step * 7919 % bytes.len();
            mutated[at] ^= 1 << (step % 8);
            mutated[(at * 31 + 5) % bytes.len()] = 0xFF;
            let _ = read_bytes("t.xlsx", &mutated);
        }
    }
}

#[test]
fn sheets_of_plates_of_their_own_are_parts_of_one_table() {
    let cells = |number: usize, cells: [&str; 4]| {
        let cell = |(column, text): (&str, &str)| {
            format!("<c r=\"{column}{number}\" t=\"inlineStr\"><is><t>{text}</t></is></c>")
        };
        format!(
            "<row r=\"{number}\">{}</row>",
            ["A", "B", "C", "D"].into_iter().zip(cells).map(cell).collect::<String>()
        )
    };
    let sheet = |plate: &str| {
        cells(1, ["plate", "well", "compound", "area"])
            + &cells(2, [plate, "A01", "DMSO", "1.5"])
            + &cells(3, [plate, "A02", "taxol", "2.5"])
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("screen.xlsx");
    let check = |sheets: &[(&str, String)], expected: usize| {
        let sheets: Vec<(&str, &str)> = sheets.iter().map(|(name, rows)| (*name, rows.as_str())).collect();
        std::fs::write(&path, xlsx(&sheets)).unwrap();
        assert_eq!(parts(&path).len(), expected, "{sheets:?}");
    };
    check(&[("one", sheet("P1")), ("two", sheet("P2")), ("notes", cells(1, ["a", "b", "c", "d"]))], 2);
    assert!(parts(&path)[1].ends_with("screen.xlsx#two"));
    // Two versions of one plate are not.
    check(&[("raw", sheet("P1")), ("normalized", sheet("P1"))], 1);
    check(&[("one", sheet("P1"))], 1);
}
