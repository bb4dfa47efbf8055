//! OME-TIFF: pages described by XML, inside a file or in a companion beside the files.
//!
//! ```text
//! <OME UUID="urn:uuid:9d…"><Image ID="Image:0" Name="field 1">
//! <Pixels DimensionOrder="XYZCT" SizeZ="33" SizeC="3" SizeT="1" PhysicalSizeX="0.065" …>
//!   <Channel Name="Conf640" SamplesPerPixel="1"/>…
//!   <TiffData IFD="1" FirstZ="1" FirstC="0" FirstT="0" PlaneCount="1"><UUID FileName="c3_z33_w1Conf640.ome.tif">urn:uuid:6e…</UUID></TiffData>
//! <OME UUID="urn:uuid:6e…"><BinaryOnly MetadataFile="c3_z33.companion.ome" UUID="urn:uuid:9d…"/></OME>
//! ```
//!
//! Each `Image` is a site. `TiffData` says which page of which file is which plane: `PlaneCount` pages from `IFD` on
//! run through the axes in the dimension order from the first indices on; without `PlaneCount` and `IFD` all planes do.
//! Of images in color a page holds several of the `SizeC` channels; how many is told by the file.
//!
//! A file is found by its UUID, and by its name where no file beside the XML has the UUID, so that files may be renamed;
//! a file without a name is the one that holds the XML, as is the one other file that the XML of a single image names.
//! Files that are `BinaryOnly` send to the one with the description. Of a folder all files are read: those that
//! another one describes belong to its set and are described once, others are sites of their own.
//!
//! `Plate`, `Well` and `WellSample` say where an image belongs. Without them it is a site called by its name on a plate
//! called by the file; of several files with an image each, the plate is the folder, and sites are called by their
//! files. Times are those of `TimeIncrement`, if it is given.

mod planes;
mod set;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use planes::Pixels;
use roxmltree::Node;
use set::{Beside, data_files, files, is_companion, metadata_file};

use super::expand::joined;
use super::listing::{Listed, Listing, Row, Writer};
use super::pixels::bad;
use super::settings::{ImageSettings, Layout};
use super::xml;
use crate::load::error::{LoadError, Place};
use crate::load::table::RawTable;
use crate::screen::{Plane, Time, Well};

/// The images that OME-XML in files, or in all files of folders, describes.
pub(super) fn list(paths: &[PathBuf], settings: &ImageSettings) -> Result<Listing, LoadError> {
    let files = files(paths)?;
    let (described, documents) = described(&files, &mut Beside::of(&files))?;
    let mut channel_order: Vec<String> = Vec::new();
    for channel in described.iter().flat_map(|image| &image.channels) {
        if !channel_order.contains(channel) {
            channel_order.push(channel.clone());
        }
    }
    let n_beyond = described.iter().map(|image| image.n_beyond).sum::<usize>();
    let mut seen = BTreeSet::new();
    let mut n_twice = 0;
    let mut images = Vec::new();
    for image in described {
        let planes: BTreeSet<Plane> = image.planes().cloned().collect();
        let n_seen = planes.iter().filter(|plane| seen.contains(*plane)).count();
        if n_seen > 0 && n_seen == planes.len() {
            n_twice += 1;
            continue;
        }
        if let Some(plane) = planes.iter().find(|plane| seen.contains(*plane)) {
            let message = format!(
                "describes a part of image `{}` that another image has, too, in {}; give only files that are described once",
                image.name,
                plane.path.display()
            );
            return Err(LoadError::ImageSheet { place: image.place, message });
        }
        seen.extend(planes);
        images.push(image);
    }
    let sites = sites(&images, settings);
    let mut notes = Vec::new();
    if n_twice > 0 {
        notes.push(format!("{n_twice} images are described more than once, and taken once"));
    }
    let taken: BTreeSet<&PathBuf> = seen.iter().map(|plane| &plane.path).collect();
    let unused: Vec<&PathBuf> = files.iter().filter(|file| !is_companion(file) && !taken.contains(file)).collect();
    if let Some(first) = unused.first() {
        notes.push(format!(
            "{} of {} files left out, since no description names a page of theirs: {}",
            unused.len(),
            files.len(),
            first.display()
        ));
    }
    let (mut writers, mut rows) = (Vec::<(PathBuf, Writer)>::new(), Vec::new());
    for (image, place) in images.into_iter().zip(sites) {
        if writers.last().is_none_or(|(path, _)| *path != image.place.path) {
            let writer = Writer::new(&image.place.path, &["plate", "well", "site"]);
            writers.push((image.place.path.clone(), writer));
        }
        for (frame, planes) in image.frames {
            let hours = image.increment_hours.map(|increment| increment * frame as f64);
            rows.push(Row { planes, time: Some(Time { frame, hours }), pixel_um: image.pixel_um, mask: None });
            writers.last_mut().expect("one was just pushed").1.push(image.place.line, place.clone());
        }
    }
    if rows.is_empty() {
        let file = documents.first().or(files.first()).unwrap_or(&paths[0]);
        return Err(bad(file, "describes no image, expected <Image><Pixels> with <TiffData>"));
    }
    let tables = writers.into_iter().map(|(_, writer)| writer.finish()).collect();
    if rows.iter().filter_map(|row| row.time).map(|time| time.frame).collect::<BTreeSet<_>>().len() < 2 {
        rows.iter_mut().for_each(|row| row.time = None);
    }
    // Of many files each is an image with its own description, and none is an index.
    let is_index = |file: &&PathBuf| documents.len() == 1 || is_companion(file);
    Ok(Listing {
        layout: Layout::OmeTiff,
        table: RawTable::concatenated(tables, |_| false)?,
        rows,
        channel_order,
        used: BTreeSet::new(),
        inputs: documents.iter().filter(is_index).cloned().collect(),
        notes,
        n_skipped: (n_beyond > 0)
            .then(|| ("planes beyond the sizes that the image declares".to_owned(), n_beyond))
            .into_iter()
            .collect(),
    })
}

/// All images that documents describe, and the documents; files that an earlier document describes are none.
fn described(files: &[PathBuf], beside: &mut Beside) -> Result<(Vec<Described>, Vec<PathBuf>), LoadError> {
    let (mut images, mut documents) = (Vec::<Described>::new(), Vec::new());
    let (mut visited, mut of_others) = (BTreeSet::new(), BTreeSet::new());
    let mut next: Vec<PathBuf> = files.iter().rev().cloned().collect();
    while let Some(file) = next.pop() {
        if of_others.contains(&file) || !visited.insert(file.clone()) {
            continue;
        }
        let text = beside.text_of(&file)?;
        let document = xml::parse(&file, &text)?;
        let root = document.root_element();
        if let Some(binary) = xml::all(root, "BinaryOnly").next() {
            let metadata = metadata_file(&file, binary, beside)?;
            if !metadata.is_file() {
                let message = format!(
                    "has its description in {}, which is not there; put that file next to it",
                    metadata.display()
                );
                return Err(wrong(&file, binary, message));
            }
            next.push(metadata);
            continue;
        }
        let found = one(&file, root, beside)?;
        of_others.extend(found.iter().flat_map(Described::planes).map(|plane| plane.path.clone()));
        images.extend(found);
        documents.push(file);
    }
    Ok((images, documents))
}

/// An image as a document describes it.
struct Described {
    place: Place,
    /// Plate, well and number within the well.
    of_plate: Option<(String, Well, String)>,
    name: String,
    channels: Vec<String>,
    frames: BTreeMap<i64, Vec<Listed>>,
    /// Planes beyond the declared sizes, as an acquisition that was stopped leaves them.
    n_beyond: usize,
    pixel_um: Option<f64>,
    increment_hours: Option<f64>,
}

impl Described {
    fn planes(&self) -> impl Iterator<Item = &Plane> {
        self.frames.values().flatten().map(|listed| &listed.plane)
    }
}

/// Plate, well and site of each image.
fn sites(images: &[Described], settings: &ImageSettings) -> Vec<[String; 3]> {
    let mut n_images = BTreeMap::<&Path, usize>::new();
    let mut documents = BTreeMap::<_, BTreeSet<&Path>>::new();
    for image in images {
        *n_images.entry(&image.place.path).or_default() += 1;
        documents.entry(&image.of_plate).or_default().insert(&image.place.path);
    }
    let folder_of = |path: &Path| {
        let folder = path.parent().unwrap_or(Path::new(""));
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        folder.canonicalize().ok()
    };
    let name_of = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    // Where each image is a file, its name or that of its folder may be its well.
    let well_of_stem = |path: &Path| stem(path).parse::<Well>().ok();
    let well_of_folder = |path: &Path| name_of(&folder_of(path)?).parse::<Well>().ok();
    let are_all = |is: &dyn Fn(&Path) -> bool| images.iter().all(|image| is(&image.place.path));
    let (are_stems, are_folders) =
        (are_all(&|path| well_of_stem(path).is_some()), are_all(&|path| well_of_folder(path).is_some()));
    let site = |image: &Described| {
        let path = image.place.path.as_path();
        let (stem, name) = (stem(path), image.name.clone());
        let is_alone = n_images[path] == 1 && n_images.len() > 1 && !is_companion(path);
        match &image.of_plate {
            // Several files that each count the sites of a well from 1.
            Some((plate, well, _)) if documents[&image.of_plate].len() > 1 => {
                let site = if n_images[path] == 1 { stem } else { joined(&[&stem, &name]) };
                [plate.clone(), well.to_string(), site]
            }
            Some((plate, well, number)) => [plate.clone(), well.to_string(), number.clone()],
            None if is_alone => {
                let well = match (are_stems, are_folders) {
                    (true, _) => well_of_stem(path),
                    (false, true) => well_of_folder(path),
                    (false, false) => None,
                };
                // Above a folder of each well lies that of the plate.
                let above = folder_of(path).and_then(|folder| match !are_stems && are_folders {
                    true => folder.parent().map(Path::to_path_buf),
                    false => Some(folder),
                });
                let plate = settings.plate.clone().or(above.as_deref().map(name_of)).unwrap_or_else(|| stem.clone());
                [plate, well.map(|well| well.to_string()).unwrap_or_default(), stem]
            }
            None => [settings.plate.clone().unwrap_or(stem), String::new(), name],
        }
    };
    images.iter().map(site).collect()
}

/// A file's name without the endings of OME.
fn stem(file: &Path) -> String {
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    name.split(".ome").next().unwrap_or(&name).trim_end_matches(".companion").to_owned()
}

/// The images of a document.
fn one(file: &Path, root: Node<'_, '_>, beside: &mut Beside) -> Result<Vec<Described>, LoadError> {
    let places = places(root);
    let nodes = xml::all(root, "Image").filter_map(|image| Some((image, xml::all(image, "Pixels").next()?)));
    let nodes: Vec<_> = nodes.collect();
    let files = nodes.iter().map(|(_, pixels)| data_files(file, *pixels, beside));
    let mut files = files.collect::<Result<Vec<_>, _>>()?;
    let named: BTreeSet<&PathBuf> = files.iter().flatten().collect();
    // Renamed, or written with the name of another.
    if !is_companion(file) && named.len() == 1 && !named.contains(&file.to_path_buf()) {
        files.iter_mut().flatten().for_each(|named| *named = file.to_path_buf());
    }
    let mut images = Vec::new();
    for (position, ((image, node), files)) in nodes.into_iter().zip(files).enumerate() {
        let id = xml::attribute(image, "ID").unwrap_or_default();
        let name = xml::attribute(image, "Name").filter(|name| !name.is_empty());
        let page = files.first().and_then(|file| beside.first_page(file));
        let pixels = Pixels::of(file, node, page.as_ref())?;
        let (frames, n_beyond) = pixels.planes(file, &files)?;
        images.push(Described {
            place: Place { path: file.to_path_buf(), line: xml::line(image) },
            of_plate: places.get(id).cloned(),
            name: name.map_or_else(|| position.to_string(), str::to_owned),
            channels: pixels.channels.into_iter().flatten().collect(),
            frames,
            n_beyond,
            pixel_um: pixels.pixel_um,
            increment_hours: pixels.increment_hours,
        });
    }
    Ok(images)
}

/// Plate, well and number within the well by the id of the image.
fn places(root: Node<'_, '_>) -> BTreeMap<String, (String, Well, String)> {
    let mut places = BTreeMap::new();
    for plate in xml::all(root, "Plate") {
        let name = xml::attribute(plate, "Name").or_else(|| xml::attribute(plate, "ID")).unwrap_or_default();
        for well in xml::all(plate, "Well") {
            let index = |name| xml::attribute(well, name).and_then(|text| text.parse::<i64>().ok());
            let Some(at) = index("Row").zip(index("Column")).and_then(|(row, column)| Well::at(row + 1, column + 1))
            else {
                continue;
            };
            for (number, sample) in xml::all(well, "WellSample").enumerate() {
                let image = xml::all(sample, "ImageRef").next().and_then(|image| xml::attribute(image, "ID"));
                if let Some(image) = image {
                    places.insert(image.to_owned(), (name.to_owned(), at, (number + 1).to_string()));
                }
            }
        }
    }
    places
}

fn tiff_data<'a, 'b>(pixels: Node<'a, 'b>) -> impl Iterator<Item = Node<'a, 'b>> {
    pixels.children().filter(|child| child.tag_name().name() == "TiffData")
}

fn wrong(file: &Path, node: Node<'_, '_>, message: String) -> LoadError {
    LoadError::ImageSheet { place: Place { path: file.to_path_buf(), line: xml::line(node) }, message }
}
