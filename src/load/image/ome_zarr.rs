//! OME-Zarr 0.4 (zarr format 2) and 0.5 (format 3): plates and single images.
//!
//! ```text
//! plate/.zattrs     { "plate": { "wells": [{ "path": "B/03" }], … } }
//! plate/B/03/.zattrs   { "well": { "images": [{ "path": "0", "acquisition": 0 }] } }
//! plate/B/03/0/.zattrs { "multiscales": [{ "axes": [{ "name": "c" }, { "name": "z" }, { "name": "y" }, { "name": "x" }],
//!                        "datasets": [{ "path": "0", "coordinateTransformations": [{ "type": "scale", "scale": [1, 1, 0.16, 0.16] }] }] }],
//!                      "omero": { "channels": [{ "label": "DAPI" }] } }
//! ```
//!
//! Format 3 has the same under `attributes.ome` of `zarr.json`. The first data set is the one of full resolution and is
//! the one that is read. A well without a list of images has those whose folders are numbers. Wells are named by their
//! path, sites by the name of their image, plates by their name or else their folder. Wells and images that are listed
//! and not there are counted. Images of a well that differ in their acquisition may be other fields or times, or cycles
//! of staining at one place; the format does not tell, so they are sites of their own with a column `acquisition`, and
//! the channels of one site where the card says so (`acquisitions = "cycles"`). Channels without a label are
//! `C01`, `C02`, …. The scale of x is the pixel size where its unit is the micrometer, that of time gives hours. The
//! first label image is the mask where there is one z plane. Version 0.6 is refused, since it is not final.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::listing::{Listed, Listing, MAX_PLANES, Row, Writer, natural};
use super::pixels::bad;
use super::settings::{Acquisitions, ImageSettings, Layout};
use super::zarr;
use crate::load::error::LoadError;
use crate::screen::{Plane, Selector, Time, Well};

/// The images of zarr groups.
pub(super) fn list(groups: &[PathBuf], settings: &ImageSettings) -> Result<Listing, LoadError> {
    let mut writer = Writer::new(&groups[0], &["plate", "well", "site", "acquisition"]);
    let mut found = Found::default();
    for group in groups {
        let (attributes, file) = attributes(group)?;
        found.inputs.push(file);
        let folder = group.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let stem = folder.trim_end_matches(".zarr").trim_end_matches(".ome").to_owned();
        if attributes["plate"].is_object() {
            let name = attributes["plate"]["name"].as_str().filter(|name| !name.is_empty()).unwrap_or(&stem).to_owned();
            plate(group, &attributes["plate"], &name, settings, &mut writer, &mut found)?;
        } else if attributes["multiscales"].is_array() {
            found.image(group, &attributes, Site { plate: stem, ..Site::default() }, &mut writer)?;
        } else {
            for name in numbered(group) {
                let (attributes, file) = self::attributes(&group.join(&name))?;
                found.inputs.push(file);
                let site = Site { plate: stem.clone(), site: name.clone(), ..Site::default() };
                found.image(&group.join(&name), &attributes, site, &mut writer)?;
            }
        }
    }
    if found.rows.is_empty() {
        return Err(bad(&groups[0], "holds no image, expected OME-Zarr with `plate` or `multiscales`"));
    }
    if found.rows.iter().filter_map(|row| row.time).map(|time| time.frame).collect::<BTreeSet<_>>().len() < 2 {
        found.rows.iter_mut().for_each(|row| row.time = None);
    }
    Ok(Listing {
        layout: Layout::OmeZarr,
        table: writer.finish(),
        rows: found.rows,
        channel_order: found.channels,
        used: BTreeSet::new(),
        inputs: found.inputs,
        notes: found.notes,
        n_skipped: [
            ("wells that the plate lists and that are not there", found.n_absent_wells),
            ("images that a well lists and that are not there", found.n_absent_images),
        ]
        .into_iter()
        .filter(|(_, n)| *n > 0)
        .map(|(reason, n)| (reason.to_owned(), n))
        .collect(),
    })
}

fn plate(
    group: &Path,
    attributes: &Value,
    name: &str,
    settings: &ImageSettings,
    writer: &mut Writer,
    found: &mut Found,
) -> Result<(), LoadError> {
    let mut wells = Vec::new();
    for entry in attributes["wells"].as_array().into_iter().flatten() {
        let path = entry["path"].as_str().unwrap_or_default();
        let well = path.split_once('/').and_then(|(row, column)| format!("{row}{column}").parse::<Well>().ok());
        let well =
            well.ok_or_else(|| bad(group, format!("names a well `{path}`, expected a row and a column such as B/03")))?;
        let folder = group.join(path);
        let images = images_of(&folder, found)?;
        if images.is_empty() {
            found.n_absent_wells += 1;
        }
        wells.push((well, folder, images));
    }
    let acquisitions: BTreeSet<i64> =
        wells.iter().flat_map(|(.., images)| images).filter_map(|image| image.acquisition).collect();
    let is_several = acquisitions.len() > 1;
    let is_cycles = is_several && settings.acquisitions == Some(Acquisitions::Cycles);
    if is_several && settings.acquisitions.is_none() {
        found.notes.push(format!(
            "the plate has {} acquisitions, and each image is a separate site (column `acquisition`); if they are \
             cycles of staining at one place, set `acquisitions = \"cycles\"` under [images], else \"sites\"",
            acquisitions.len()
        ));
    }
    let named = |id: i64| {
        let listed = attributes["acquisitions"].as_array()?.iter().find(|listed| listed["id"] == id)?;
        listed["name"].as_str().filter(|name| !name.is_empty()).map(str::to_owned)
    };
    for (well, folder, images) in wells {
        let mut n_of = BTreeMap::<Option<i64>, usize>::new();
        let mut first_names = Vec::<String>::new();
        for image in images {
            let place = n_of.entry(image.acquisition).or_default();
            *place += 1;
            if first_names.len() < *place {
                first_names.push(image.name.clone());
            }
            let of_image = image.acquisition.map(|id| named(id).unwrap_or_else(|| id.to_string()));
            let acquisition = of_image.filter(|_| is_several).unwrap_or_default();
            let site = Site {
                plate: name.to_owned(),
                well: well.to_string(),
                site: if is_cycles { first_names[*place - 1].clone() } else { image.name.clone() },
                acquisition: if is_cycles { String::new() } else { acquisition.clone() },
                channel_suffix: if is_cycles { format!(" (acquisition {acquisition})") } else { String::new() },
            };
            let folder = folder.join(&image.name);
            if !folder.is_dir() {
                found.n_absent_images += 1;
                continue;
            }
            let (attributes, file) = self::attributes(&folder)?;
            found.inputs.push(file);
            found.image(&folder, &attributes, site, writer)?;
        }
    }
    Ok(())
}

/// An image that a well lists.
struct ImageOfWell {
    name: String,
    acquisition: Option<i64>,
}

/// The images that a well lists, or else has as folders with numbers; none if the well is not there.
fn images_of(folder: &Path, found: &mut Found) -> Result<Vec<ImageOfWell>, LoadError> {
    let mut images = Vec::new();
    if [".zattrs", "zarr.json"].iter().any(|name| folder.join(name).is_file()) {
        let (attributes, file) = self::attributes(folder)?;
        found.inputs.push(file);
        for image in attributes["well"]["images"].as_array().into_iter().flatten() {
            let name = name_of(&image["path"]);
            let name = name.ok_or_else(|| bad(folder, "names an image outside of the well".to_owned()))?;
            images.push(ImageOfWell { name, acquisition: image["acquisition"].as_i64() });
        }
    }
    if images.is_empty() {
        images.extend(numbered(folder).into_iter().map(|name| ImageOfWell { name, acquisition: None }));
    }
    Ok(images)
}

/// Where an image belongs.
#[derive(Default)]
struct Site {
    plate: String,
    well: String,
    site: String,
    acquisition: String,
    /// What is added to the names of its channels.
    channel_suffix: String,
}

/// What has been listed so far.
#[derive(Default)]
struct Found {
    rows: Vec<Row>,
    channels: Vec<String>,
    inputs: Vec<PathBuf>,
    notes: Vec<String>,
    n_absent_wells: usize,
    n_absent_images: usize,
}

impl Found {
    fn image(&mut self, group: &Path, attributes: &Value, site: Site, writer: &mut Writer) -> Result<(), LoadError> {
        let scales = &attributes["multiscales"][0];
        let dataset = &scales["datasets"][0];
        let name = name_of(&dataset["path"]);
        let name =
            name.ok_or_else(|| bad(group, format!("names a data set {}, expected a name within it", dataset["path"])))?;
        let array = group.join(&name);
        let (leading, shape, _) = zarr::describe(&array)?;
        let axes = axes(scales, leading.len() + 2);
        let position = |axis: &str| axes.iter().position(|name| name == axis);
        if axes.len() != leading.len() + 2 || axes[leading.len()..] != ["y", "x"] {
            return Err(bad(
                group,
                format!("has axes {axes:?} for an array of {} axes, expected y and x last", leading.len() + 2),
            ));
        }
        if let Some(other) = axes[..leading.len()].iter().find(|axis| !["t", "c", "z"].contains(&axis.as_str())) {
            return Err(bad(group, format!("has an axis `{other}`, expected t, c, z, y and x")));
        }
        let n_planes = leading.iter().fold(1u64, |n, size| n.saturating_mul(*size));
        if n_planes > MAX_PLANES {
            return Err(bad(&array, format!("{n_planes} planes of {leading:?}, expected at most {MAX_PLANES}")));
        }
        let size = |axis: &str| position(axis).map_or(1, |at| leading[at]);
        let scale = |axis: &str| -> Option<f64> {
            let steps = dataset["coordinateTransformations"].as_array()?;
            let scale = steps.iter().find(|step| step["type"] == "scale")?;
            scale["scale"][position(axis)?].as_f64()
        };
        let unit = |axis: &str| scales["axes"].as_array()?.iter().find(|a| a["name"] == axis)?["unit"].as_str();
        let in_hours = match unit("t") {
            Some("second" | "seconds") => Some(1.0 / 3600.0),
            Some("minute" | "minutes") => Some(1.0 / 60.0),
            Some("hour" | "hours") => Some(1.0),
            _ => None,
        };
        let pixel_um = scale("x").filter(|&size| size > 0.0 && unit("x") == Some("micrometer"));
        let channels: Vec<String> =
            channel_names(attributes, size("c") as usize).into_iter().map(|name| name + &site.channel_suffix).collect();
        for channel in &channels {
            if !self.channels.contains(channel) {
                self.channels.push(channel.clone());
            }
        }
        let selector = |t: u64, c: u64, z: u64| {
            let at = |axis: &String| match axis.as_str() {
                "t" => t,
                "c" => c,
                _ => z,
            };
            Selector::Zarr { index: axes[..leading.len()].iter().map(at).collect() }
        };
        for t in 0..size("t") {
            let planes = (0..size("c")).flat_map(|c| (0..size("z")).map(move |z| (c, z)));
            let planes = planes.map(|(c, z)| {
                let plane = Plane { path: array.clone(), selector: selector(t, c, z) };
                Listed::plane(channels[c as usize].clone(), z as i64, plane)
            });
            let hours = scale("t").zip(in_hours).map(|(step, unit)| step * unit * t as f64);
            let mask = if size("z") == 1 { label(group, (shape.width, shape.height), t) } else { None };
            self.rows.push(Row {
                planes: planes.collect(),
                time: Some(Time { frame: t as i64, hours }),
                pixel_um,
                mask,
            });
            let Site { plate, well, site, acquisition, .. } = &site;
            writer.push(1, [plate, well, site, acquisition].map(String::clone));
        }
        Ok(())
    }
}

/// The first label image of an image, at a time, if it has the same sides.
fn label(group: &Path, sides: (u32, u32), t: u64) -> Option<Plane> {
    let labels = group.join("labels");
    let (listed, _) = attributes(&labels).ok()?;
    let name = name_of(&listed["labels"][0])?;
    let (own, _) = attributes(&labels.join(&name)).ok()?;
    let scales = &own["multiscales"][0];
    let path = labels.join(&name).join(name_of(&scales["datasets"][0]["path"])?);
    let (leading, shape, _) = zarr::describe(&path).ok()?;
    let axes = axes(scales, leading.len() + 2);
    let index = leading.iter().zip(&axes).map(|(size, axis)| if axis == "t" { t.min(size - 1) } else { 0 });
    ((shape.width, shape.height) == sides).then(|| Plane { path, selector: Selector::Zarr { index: index.collect() } })
}

/// The attributes of a group, and the file they stand in.
fn attributes(group: &Path) -> Result<(Value, PathBuf), LoadError> {
    let third = group.join("zarr.json");
    let (file, is_third) = if third.is_file() { (third, true) } else { (group.join(".zattrs"), false) };
    let value = zarr::read_json(&file)?;
    let attributes = match (is_third, value["attributes"]["ome"].is_object()) {
        (true, true) => value["attributes"]["ome"].clone(),
        (true, false) => value["attributes"].clone(),
        (false, _) => value,
    };
    if attributes["version"].as_str().is_some_and(|version| version.starts_with("0.6")) {
        return Err(bad(&file, "is OME-Zarr 0.6, expected 0.4 or 0.5"));
    }
    Ok((attributes, file))
}

/// A path within a group: names without `..`; a number stands for its digits.
fn name_of(value: &Value) -> Option<String> {
    let name = match value {
        Value::String(name) => name.trim_matches('/').to_owned(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let is_plain = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.contains('\\');
    name.split('/').all(is_plain).then_some(name)
}

/// Folders in a group whose names are numbers, in order.
fn numbered(group: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(group).into_iter().flatten().filter_map(Result::ok);
    let names =
        entries.filter(|entry| entry.path().is_dir()).map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> = names.filter(|name| name.bytes().all(|byte| byte.is_ascii_digit())).collect();
    names.sort_by(|a, b| natural(a, b));
    names
}

/// Names of the axes; before version 0.3 they are the last ones of t, c, z, y and x.
fn axes(scales: &Value, n_axes: usize) -> Vec<String> {
    let named = scales["axes"].as_array().map(|axes| {
        let name = |axis: &Value| axis["name"].as_str().or(axis.as_str()).unwrap_or_default().to_lowercase();
        axes.iter().map(name).collect::<Vec<_>>()
    });
    named.unwrap_or_else(|| {
        ["t", "c", "z", "y", "x"].iter().skip(5usize.saturating_sub(n_axes)).map(|axis| (*axis).to_owned()).collect()
    })
}

/// Labels of the channels; those without one, or with that of another, are numbered.
fn channel_names(attributes: &Value, n_channels: usize) -> Vec<String> {
    let label =
        |index: usize| attributes["omero"]["channels"][index]["label"].as_str().filter(|label| !label.is_empty());
    let labels: Vec<Option<&str>> = (0..n_channels).map(label).collect();
    let name = |index: usize| match labels[index] {
        Some(label) if labels.iter().filter(|other| **other == Some(label)).count() == 1 => label.to_owned(),
        Some(label) => format!("{label} ({})", index + 1),
        None => format!("C{:02}", index + 1),
    };
    (0..n_channels).map(name).collect()
}
