//! CellProfiler's tables of images and objects.

use rusqlite::Connection;

use super::*;

/// The wells of twelve images: six of a control, six of a compound.
fn images() -> String {
    let mut text =
        "ImageNumber,Count_Cells,Metadata_Plate,Metadata_Well,Metadata_Compound,ExecutionTime_01\n".to_owned();
    for image in 1..=12 {
        let compound = if image % 2 == 0 { "DMSO" } else { "taxol" };
        text += &format!("{image},3,P1,A{image:02},{compound},{image}.5\n");
    }
    text
}

/// A measured value of an object.
fn value(compartment: usize, image: usize, object: usize) -> f32 {
    (compartment * 1000 + image * 10) as f32 + [0.25, 7.5, 0.5][object]
}

/// Three objects for each of twelve images, whose median is the third one.
fn objects(compartment: usize) -> String {
    let mut text = "ImageNumber,ObjectNumber,AreaShape_Area,Parent_Nuclei,Location_Center_X\n".to_owned();
    for image in 1..=12 {
        for object in 0..3 {
            text += &format!("{image},{},{},1,{}\n", object + 1, value(compartment, image, object), image * object);
        }
    }
    text
}

/// That each image is a row, with the median of its objects in each compartment.
#[track_caller]
fn check(loaded: &Loaded) {
    assert_eq!(loaded.screen.n_observations(), 12, "{:#?}", loaded.notes);
    assert_eq!(loaded.screen.features.names(), ["Cells_AreaShape_Area", "Nuclei_AreaShape_Area"]);
    let matrix = loaded.screen.features.in_memory();
    for row in 0..12 {
        assert_eq!(matrix.row(row), [value(1, row + 1, 2), value(2, row + 1, 2)]);
    }
    assert_eq!(loaded.screen.unit(0).cell_count, Some(3.0));
    assert_eq!(loaded.screen.unit(0).intervention.to_string(), "taxol");
    assert!(loaded.notes.iter().any(|note| note.contains("with the median over its objects")), "{:?}", loaded.notes);
}

fn export(prefix: &str) -> Folder {
    Folder::new()
        .with(&format!("{prefix}Image.csv"), images())
        .with(&format!("{prefix}Cells.csv"), objects(1))
        .with(&format!("{prefix}Nuclei.csv"), objects(2))
}

#[test]
fn objects_of_several_compartments_are_one_table_of_images() {
    for prefix in ["", "MyExpt_"] {
        let folder = export(prefix);
        check(&folder.load(&[""]).unwrap());
        let [image, cells, nuclei] = ["Image", "Cells", "Nuclei"].map(|table| format!("{prefix}{table}.csv"));
        check(&folder.load(&[&cells, &image, &nuclei]).unwrap());
        check(&folder.load(&[&format!("{image}#objects")]).unwrap());
        // The files are in the manifest, each with its checksum.
        let read: Vec<String> = folder.load(&[""]).unwrap().inputs.into_iter().map(|input| input.name).collect();
        assert_eq!(read, [format!("{image}#objects"), cells, nuclei]);
        let card = folder.path("dataset.toml");
        write_card(&folder.describe(&[""]), &card).unwrap();
        let files: Vec<PathBuf> = Vec::new();
        check(&load(&Source { card: Some(card), files, ..Source::default() }).unwrap());
    }
}

#[test]
fn an_export_for_each_folder_is_one_table() {
    let folder = Folder::new();
    for (index, site) in ["s1", "s2"].into_iter().enumerate() {
        std::fs::create_dir(folder.path(site)).unwrap();
        let of_site = |text: String| -> String {
            let mut lines = text.lines();
            let header = lines.next().unwrap().to_owned();
            let is_of_site = |line: &&str| line.split(',').next().unwrap().parse::<usize>().unwrap() % 2 == index;
            std::iter::once(header.as_str()).chain(lines.filter(is_of_site)).map(|line| format!("{line}\n")).collect()
        };
        for (name, text) in [("Image", images()), ("Cells", objects(1)), ("Nuclei", objects(2))] {
            std::fs::write(folder.path(&format!("{site}/{name}.csv.gz")), gz(of_site(text))).unwrap();
        }
    }
    check(&folder.load(&[""]).unwrap());
}

#[test]
fn a_database_is_a_table_of_its_images() {
    let sql_of = |table: &str, csv: &str, prefix: &str| {
        let mut lines = csv.lines();
        let columns: Vec<String> = lines
            .next()
            .unwrap()
            .split(',')
            .map(|name| match name {
                "ImageNumber" | "ObjectNumber" => name.to_owned(),
                name => format!("{prefix}{name}"),
            })
            .collect();
        let mut sql = format!("CREATE TABLE {table} ({});\n", columns.join(", "));
        let is_number = |cell: &&str| cell.parse::<f64>().is_ok();
        for line in lines {
            let cells: Vec<String> = line
                .split(',')
                .map(|cell| if is_number(&cell) { cell.to_owned() } else { format!("'{cell}'") })
                .collect();
            sql += &format!("INSERT INTO {table} VALUES ({});\n", cells.join(", "));
        }
        sql
    };
    for (image, cells, nuclei) in [("Image", "Cells", "Nuclei"), ("E_Per_Image", "E_Per_Cells", "E_Per_Nuclei")] {
        let folder = Folder::new();
        // Rows of an image that do not stand together, as of runs side by side.
        let mut scattered: Vec<String> = objects(2).lines().map(str::to_owned).collect();
        scattered[1..].sort_by_key(|line| line.split(',').nth(1).unwrap().to_owned());
        let sql = [
            sql_of(image, &images(), "Image_"),
            sql_of(cells, &objects(1), "Cells_"),
            sql_of(nuclei, &scattered.join("\n"), "Nuclei_"),
        ];
        Connection::open(folder.path("plate.sqlite")).unwrap().execute_batch(&sql.concat()).unwrap();
        check(&folder.load(&["plate.sqlite"]).unwrap());
        check(&folder.load(&[""]).unwrap());
    }
}

#[test]
fn what_is_wrong_with_tables_of_objects_is_named() {
    let refused = |cells: String| export("").with("Cells.csv", cells).load(&[""]).unwrap_err();
    let text = refused(objects(1).replacen("1010.25", "many", 1));
    assert!(text.starts_with("Cells.csv:2: column `AreaShape_Area` holds \"many\""), "{text}");
    let ragged = refused(objects(1).replacen("1010.25,", "", 1));
    assert!(ragged.starts_with("Cells.csv:2: 4 fields, expected 5"), "{ragged}");
    let mut scattered: Vec<String> = objects(1).lines().map(str::to_owned).collect();
    scattered[1..].sort_by_key(|line| line.split(',').nth(1).unwrap().to_owned());
    let scattered = refused(scattered.join("\n"));
    assert!(scattered.contains("sort the table by `ImageNumber`"), "{scattered}");
    let alone = Folder::new().with("Image.csv", images()).load(&["Image.csv#objects"]).unwrap_err();
    assert!(alone.contains("no two tables of objects of CellProfiler"), "{alone}");
}
