//! OME-TIFF: pages described by XML, inside the first file or in a companion beside the files.
//!
//! ```text
//! <Image ID="Image:0" Name="field 1"><Pixels DimensionOrder="XYZCT" SizeZ="33" SizeC="3" SizeT="1" PhysicalSizeX="0.065" …>
//!   <Channel Name="Conf640"/>…
//!   <TiffData IFD="1" FirstZ="1" FirstC="0" FirstT="0" PlaneCount="1"><UUID FileName="c3_z33_w1Conf640.ome.tif">…</UUID></TiffData>
//! ```
//!
//! Each `Image` is a site. `TiffData` says which page of which file is which plane: `PlaneCount` pages from `IFD` on
//! run through the axes in the dimension order from the first indices on; without `PlaneCount` and `IFD` all planes do.
//! A file without a name is the one that holds the XML. `Plate`, `Well` and `WellSample` say where an image belongs;
//! without them it is a site called by its name on a plate called by the file. Times are those of `TimeIncrement`, if
//! it is given.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use roxmltree::Node;

use super::listing::{Listed, Listing, MAX_PLANES, Row, Writer};
use super::pixels::{self, bad};
use super::settings::Layout;
use super::xml;
use crate::load::error::{LoadError, Place};
use crate::load::table::RawTable;
use crate::screen::{Plane, Selector, Time, Well};

/// The images that OME-XML describes.
pub(super) fn list(files: &[PathBuf]) -> Result<Listing, LoadError> {
    let (mut tables, mut rows, mut n_beyond) = (Vec::new(), Vec::new(), 0);
    let mut channel_order = Vec::new();
    for file in files {
        let text = text_of(file)?;
        let document = xml::parse(file, &text)?;
        let (table, listed, beyond) = one(file, document.root_element(), &mut channel_order)?;
        n_beyond += beyond;
        tables.push(table);
        rows.extend(listed);
    }
    if rows.iter().filter_map(|row| row.time).map(|time| time.frame).collect::<BTreeSet<_>>().len() < 2 {
        rows.iter_mut().for_each(|row| row.time = None);
    }
    Ok(Listing {
        layout: Layout::OmeTiff,
        table: RawTable::concatenated(tables, |_| false)?,
        rows,
        channel_order,
        used: BTreeSet::new(),
        inputs: files.to_vec(),
        notes: Vec::new(),
        n_skipped: (n_beyond > 0)
            .then(|| ("planes beyond the sizes that the image declares".to_owned(), n_beyond))
            .into_iter()
            .collect(),
    })
}

/// The XML of a companion file, or of a TIFF's first page.
fn text_of(file: &Path) -> Result<String, LoadError> {
    let name = file.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    if name.ends_with(".ome") || name.ends_with(".xml") {
        return xml::read(file);
    }
    let description = pixels::probe(file)?.description;
    let description = description.filter(|text| text.contains("<OME") || text.contains(":OME"));
    description
        .ok_or_else(|| bad(file, "has no OME-XML in the description of its first page; give it in a sheet or folder"))
}

/// Rows, and how many planes lie beyond the declared sizes, as an acquisition that was stopped leaves them.
fn one(
    file: &Path,
    root: Node<'_, '_>,
    channel_order: &mut Vec<String>,
) -> Result<(RawTable, Vec<Row>, usize), LoadError> {
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let stem = name.split(".ome").next().unwrap_or(&name).trim_end_matches(".companion").to_owned();
    let places = places(root);
    let mut writer = Writer::new(file, &["plate", "well", "site"]);
    let (mut rows, mut n_beyond) = (Vec::new(), 0);
    for (position, image) in xml::all(root, "Image").enumerate() {
        let Some(pixels) = xml::all(image, "Pixels").next() else { continue };
        let id = xml::attribute(image, "ID").unwrap_or_default();
        let site = xml::attribute(image, "Name").filter(|name| !name.is_empty());
        let site = site.map_or_else(|| position.to_string(), str::to_owned);
        let (plate, well, site) = match places.get(id) {
            Some((plate, well, sample)) => (plate.clone(), well.to_string(), sample.clone()),
            None => (stem.clone(), String::new(), site),
        };
        let pixels = Pixels::of(file, pixels)?;
        for channel in &pixels.channels {
            if !channel_order.contains(channel) {
                channel_order.push(channel.clone());
            }
        }
        let (frames, beyond) = pixels.planes(file)?;
        n_beyond += beyond;
        for (frame, planes) in frames {
            let hours = pixels.increment_hours.map(|increment| increment * frame as f64);
            rows.push(Row { planes, time: Some(Time { frame, hours }), pixel_um: pixels.pixel_um, mask: None });
            writer.push(xml::line(image), [plate.clone(), well.clone(), site.clone()]);
        }
    }
    if rows.is_empty() {
        return Err(bad(file, "describes no image, expected <Image><Pixels> with <TiffData>"));
    }
    Ok((writer.finish(), rows, n_beyond))
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

/// The axes of an image.
struct Pixels<'a, 'b> {
    node: Node<'a, 'b>,
    /// `Z`, `C` and `T`, the fastest first, with their sizes.
    order: Vec<(char, u64)>,
    channels: Vec<String>,
    pixel_um: Option<f64>,
    increment_hours: Option<f64>,
}

impl<'a, 'b> Pixels<'a, 'b> {
    fn of(file: &Path, node: Node<'a, 'b>) -> Result<Self, LoadError> {
        let wrong = |message: String| wrong(file, node, message);
        let size = |axis: char| {
            let text = xml::attribute(node, &format!("Size{axis}")).unwrap_or("1");
            let number = text.parse::<u64>().ok().filter(|&size| size > 0);
            number.ok_or_else(|| wrong(format!("`Size{axis}` holds {text:?}, expected a whole number from 1")))
        };
        let text = xml::attribute(node, "DimensionOrder").unwrap_or("XYZCT");
        let axes: Vec<char> = text.chars().filter(|axis| "ZCT".contains(*axis)).collect();
        if axes.len() != 3 || axes.iter().collect::<BTreeSet<_>>().len() != 3 {
            return Err(wrong(format!("`DimensionOrder` holds {text:?}, expected X, Y, Z, C and T in some order")));
        }
        let order = axes.into_iter().map(|axis| Ok((axis, size(axis)?))).collect::<Result<Vec<_>, LoadError>>()?;
        let n_planes = order.iter().fold(1u64, |n, (_, size)| n.saturating_mul(*size));
        if n_planes > MAX_PLANES {
            return Err(wrong(format!("{n_planes} planes, expected at most {MAX_PLANES}")));
        }
        let named: Vec<String> = xml::all(node, "Channel")
            .enumerate()
            .map(|(index, channel)| {
                let name = xml::attribute(channel, "Name").filter(|name| !name.is_empty());
                name.map_or_else(|| format!("channel {index}"), str::to_owned)
            })
            .collect();
        let channels = (0..size('C')? as usize).map(|index| match named.get(index) {
            Some(name) if named.iter().filter(|other| *other == name).count() == 1 => name.clone(),
            Some(name) => format!("{name} ({index})"),
            None => format!("channel {index}"),
        });
        let number = |name| xml::attribute(node, name).and_then(|text| text.parse::<f64>().ok());
        let in_um = match xml::attribute(node, "PhysicalSizeXUnit") {
            None | Some("µm" | "μm" | "um") => Some(1.0),
            Some("nm") => Some(1e-3),
            Some("mm") => Some(1e3),
            Some(_) => None,
        };
        let in_hours = match xml::attribute(node, "TimeIncrementUnit") {
            None | Some("s") => Some(1.0 / 3600.0),
            Some("ms") => Some(1.0 / 3.6e6),
            Some("min") => Some(1.0 / 60.0),
            Some("h") => Some(1.0),
            Some(_) => None,
        };
        Ok(Self {
            channels: channels.collect(),
            pixel_um: number("PhysicalSizeX").zip(in_um).map(|(size, unit)| size * unit).filter(|&size| size > 0.0),
            increment_hours: number("TimeIncrement").zip(in_hours).map(|(time, unit)| time * unit),
            node,
            order,
        })
    }

    /// The planes of each frame, and how many lie beyond the sizes.
    fn planes(&self, file: &Path) -> Result<(BTreeMap<i64, Vec<Listed>>, usize), LoadError> {
        let (mut n_beyond, mut n_listed) = (0, 0);
        let n_planes = self.order.iter().fold(1u64, |n, (_, size)| n * size);
        let mut frames = BTreeMap::<i64, Vec<Listed>>::new();
        for data in self.node.children().filter(|child| child.tag_name().name() == "TiffData") {
            let number = |name: &str| -> Result<Option<u64>, LoadError> {
                let Some(text) = xml::attribute(data, name) else { return Ok(None) };
                let parsed = text.parse::<u64>();
                parsed
                    .map(Some)
                    .map_err(|_| wrong(file, data, format!("`{name}` holds {text:?}, expected a whole number")))
            };
            let page = number("IFD")?;
            let count = match (number("PlaneCount")?, page) {
                (Some(count), _) => count.min(n_planes),
                (None, Some(_)) => 1,
                (None, None) => n_planes,
            };
            let first = |axis: char| number(&format!("First{axis}")).map(|first| first.unwrap_or(0));
            let starts = self.order.iter().map(|(axis, _)| first(*axis)).collect::<Result<Vec<_>, _>>()?;
            if self.order.iter().zip(&starts).any(|((_, size), first)| first >= size) {
                n_beyond += 1;
                continue;
            }
            let mut stride = 1;
            let mut start = 0u64;
            for ((_, size), first) in self.order.iter().zip(&starts) {
                start += first * stride;
                stride *= size;
            }
            let name = xml::all(data, "UUID").find_map(|uuid| xml::attribute(uuid, "FileName"));
            let path = match name {
                None => file.to_path_buf(),
                Some(name) => beside(file, data, name)?,
            };
            let count = count.min(n_planes - start);
            n_listed += count;
            if n_listed > MAX_PLANES {
                return Err(wrong(file, data, format!("gives more than {MAX_PLANES} planes of one image")));
            }
            for step in 0..count {
                let at = self.indices(start + step);
                let listed = Listed {
                    channel: self.channels[at[&'C'] as usize].clone(),
                    z: at[&'Z'] as i64,
                    plane: Plane {
                        path: path.clone(),
                        selector: Selector::Page { page: (page.unwrap_or(0) + step) as u32, sample: 0 },
                    },
                };
                frames.entry(at[&'T'] as i64).or_default().push(listed);
            }
        }
        Ok((frames, n_beyond))
    }

    /// The index on each axis of a plane, counted in dimension order.
    fn indices(&self, mut plane: u64) -> BTreeMap<char, u64> {
        let mut indices = BTreeMap::new();
        for &(axis, size) in &self.order {
            indices.insert(axis, plane % size);
            plane /= size;
        }
        indices
    }
}

fn beside(file: &Path, data: Node<'_, '_>, name: &str) -> Result<PathBuf, LoadError> {
    let is_plain = Path::new(name).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if name.is_empty() || !is_plain || name.contains('\\') {
        return Err(wrong(
            file,
            data,
            format!("`{name}` leaves the folder of the XML; expected the name of a file in it"),
        ));
    }
    Ok(file.parent().unwrap_or(Path::new("")).join(name))
}

fn wrong(file: &Path, node: Node<'_, '_>, message: String) -> LoadError {
    LoadError::ImageSheet { place: Place { path: file.to_path_buf(), line: xml::line(node) }, message }
}
