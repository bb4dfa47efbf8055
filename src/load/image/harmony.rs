//! Opera Phenix and Operetta: the index that Harmony writes beside its images.
//!
//! ```text
//! <Plate><PlateID>BR00121482</PlateID>…
//! <Map><Entry ChannelID="1"><ChannelName>Alexa 647</ChannelName><ImageResolutionX Unit="m">5.9E-07</ImageResolutionX>…
//! <Image><URL>r01c01f01p01-ch1sk1fk1fl1.tiff</URL><Row>1</Row><Col>1</Col><FieldID>1</FieldID><PlaneID>1</PlaneID>
//!        <TimepointID>0</TimepointID><ChannelID>1</ChannelID><ChannelName>Alexa 647</ChannelName>…
//! ```
//!
//! The name of the XML namespace differs between versions, so elements are found by local name. Versions 1 and 5 say
//! channel names and pixel sizes with each image, versions 6 and 7 once in `Maps`; an image's own word counts first.
//! Channels are ordered by their number. Two numbers with one name are told apart by the number. Images that are not in
//! state `Ok` are counted and left out. A time point becomes a frame if there is more than one; its hours are the
//! measurement's offset.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use roxmltree::Node;

use super::listing::{Listed, Listing, Row, Writer};
use super::pixels::bad;
use super::settings::Layout;
use super::xml;
use crate::load::error::{LoadError, Place};
use crate::load::table::RawTable;
use crate::screen::{Plane, Time, Well};

/// What the maps say of a channel.
#[derive(Debug, Clone, Default)]
struct Channel {
    name: Option<String>,
    pixel_um: Option<f64>,
}

/// The images that the indices name.
pub(super) fn list(indices: &[PathBuf]) -> Result<Listing, LoadError> {
    let mut tables = Vec::new();
    let mut rows = Vec::new();
    let mut order = BTreeSet::new();
    let mut n_skipped = 0;
    for index in indices {
        let text = xml::read(index)?;
        let document = xml::parse(index, &text)?;
        let (table, listed, skipped) = one(index, document.root_element(), &mut order)?;
        tables.push(table);
        rows.extend(listed);
        n_skipped += skipped;
    }
    if rows.iter().filter_map(|row| row.time).map(|time| time.frame).collect::<BTreeSet<_>>().len() < 2 {
        rows.iter_mut().for_each(|row| row.time = None);
    }
    let mut channel_order: Vec<String> = Vec::new();
    for (_, name) in order {
        if !channel_order.contains(&name) {
            channel_order.push(name);
        }
    }
    let skipped = (n_skipped > 0).then(|| ("images that Harmony did not find in order".to_owned(), n_skipped));
    Ok(Listing {
        layout: Layout::Harmony,
        table: RawTable::concatenated(tables, |_| false)?,
        rows,
        channel_order,
        used: BTreeSet::new(),
        inputs: indices.to_vec(),
        notes: Vec::new(),
        n_skipped: skipped.into_iter().collect(),
    })
}

fn one(
    index: &Path,
    root: Node<'_, '_>,
    order: &mut BTreeSet<(i64, String)>,
) -> Result<(RawTable, Vec<Row>, usize), LoadError> {
    let plate = xml::all(root, "Plate")
        .next()
        .and_then(|plate| xml::child(plate, "Name").or_else(|| xml::child(plate, "PlateID")).map(str::to_owned));
    let plate = plate.ok_or_else(|| bad(index, "names no plate, expected Harmony's index with <Plate><Name>"))?;
    let maps = maps(root);
    let images: Vec<Node<'_, '_>> =
        xml::all(root, "Image").filter(|image| xml::child(*image, "URL").is_some()).collect();
    let names = channel_names(index, &images, &maps)?;
    order.extend(names.iter().map(|(id, name)| (*id, name.clone())));
    let mut writer = Writer::new(index, &["plate", "well", "site"]);
    let (mut rows, mut n_skipped) = (Vec::new(), 0);
    for image in images {
        if xml::child(image, "State").is_some_and(|state| state != "Ok") {
            n_skipped += 1;
            continue;
        }
        let channel = number(index, image, "ChannelID")?;
        let well = Well::at(number(index, image, "Row")?, number(index, image, "Col")?).ok_or_else(|| {
            wrong(index, image, "`Row` and `Col` are beyond a plate of 32 rows and 48 columns".to_owned())
        })?;
        let url = xml::child(image, "URL").unwrap_or_default();
        let offset = xml::child(image, "MeasurementTimeOffset").and_then(|text| text.parse::<f64>().ok());
        let own = xml::child(image, "ImageResolutionX").and_then(micrometers);
        let frame = xml::child(image, "TimepointID").map(|_| number(index, image, "TimepointID")).transpose()?;
        let plane = Plane::first_of(beside(index, image, url)?);
        let listed = Listed::plane(names[&channel].clone(), number(index, image, "PlaneID")?, plane);
        rows.push(Row {
            planes: vec![listed],
            time: frame.map(|frame| Time { frame, hours: offset.map(|seconds| seconds / 3600.0) }),
            pixel_um: own.or_else(|| maps.get(&channel).and_then(|map| map.pixel_um)),
            mask: None,
        });
        let site = number(index, image, "FieldID")?.to_string();
        writer.push(xml::line(image), [plate.clone(), well.to_string(), site]);
    }
    if rows.is_empty() {
        return Err(bad(index, "names no image, expected Harmony's index with <Image><URL>"));
    }
    Ok((writer.finish(), rows, n_skipped))
}

/// What `Maps` say of each channel.
fn maps(root: Node<'_, '_>) -> BTreeMap<i64, Channel> {
    let mut maps = BTreeMap::<i64, Channel>::new();
    for entry in xml::all(root, "Entry") {
        let Some(id) = xml::attribute(entry, "ChannelID").and_then(|id| id.parse().ok()) else { continue };
        let channel = maps.entry(id).or_default();
        channel.name = channel.name.take().or_else(|| xml::child(entry, "ChannelName").map(str::to_owned));
        channel.pixel_um = channel.pixel_um.or_else(|| xml::child(entry, "ImageResolutionX").and_then(micrometers));
    }
    maps
}

/// A name for each channel number; names that stand twice get their number.
fn channel_names(
    index: &Path,
    images: &[Node<'_, '_>],
    maps: &BTreeMap<i64, Channel>,
) -> Result<BTreeMap<i64, String>, LoadError> {
    let mut names = BTreeMap::<i64, String>::new();
    for &image in images {
        let id = number(index, image, "ChannelID")?;
        names.entry(id).or_insert_with(|| {
            let own = xml::child(image, "ChannelName").map(str::to_owned);
            let name = own.or_else(|| maps.get(&id).and_then(|map| map.name.clone()));
            name.unwrap_or_else(|| format!("channel {id}"))
        });
    }
    let all: Vec<String> = names.values().cloned().collect();
    for (id, name) in &mut names {
        if all.iter().filter(|other| *other == name).count() > 1 {
            *name = format!("{name} ({id})");
        }
    }
    Ok(names)
}

fn micrometers(meters: &str) -> Option<f64> {
    let value = meters.parse::<f64>().ok()?;
    // To 6 digits, since 5.979760809567617E-07 m is not known to more.
    (value.is_finite() && value > 0.0)
        .then(|| format!("{:.5e}", value * 1e6).parse().expect("a formatted float parses"))
}

fn number(index: &Path, image: Node<'_, '_>, name: &str) -> Result<i64, LoadError> {
    let text = xml::child(image, name).unwrap_or_default();
    text.parse().map_err(|_| wrong(index, image, format!("`{name}` holds {text:?}, expected a whole number")))
}

fn wrong(index: &Path, image: Node<'_, '_>, message: String) -> LoadError {
    LoadError::ImageSheet { place: Place { path: index.to_path_buf(), line: xml::line(image) }, message }
}

/// The file that an index names, in its own folder.
fn beside(index: &Path, element: Node<'_, '_>, name: &str) -> Result<PathBuf, LoadError> {
    let name = name.replace('\\', "/");
    let is_inside = Path::new(&name).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if name.is_empty() || !is_inside || name.contains("://") {
        return Err(wrong(
            index,
            element,
            format!("`{name}` leaves the folder of the index; expected the name of a file in it"),
        ));
    }
    Ok(index.parent().unwrap_or(Path::new("")).join(name))
}
