//! Yokogawa CV7000 and CV8000: `MeasurementData.mlf` and the settings beside it.
//!
//! ```text
//! <bts:MeasurementRecord bts:Type="IMG" bts:Column="8" bts:Row="4" bts:TimePoint="1" bts:FieldIndex="1" bts:ZIndex="1"
//!      bts:TimelineIndex="1" bts:ActionIndex="1" bts:Ch="1">…_D08_T0001F001L01A01Z01C01.tif</bts:MeasurementRecord>
//! ```
//!
//! Records of type `IMG` are images; others (`ERR`) are counted and left out. Channels are numbered in the `.mlf` and
//! named in the `.mes` by their fluorophore or else their filter; pixel sizes (µm) and the plate's title stand in the
//! `.mrf`. Files are in the folder of the `.mlf`.

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

/// The images that measurements record.
pub(super) fn list(measurements: &[PathBuf]) -> Result<Listing, LoadError> {
    let (mut tables, mut rows, mut n_errors) = (Vec::new(), Vec::new(), 0);
    let mut order = BTreeMap::new();
    let mut inputs = Vec::new();
    for mlf in measurements {
        let details = Details::beside(mlf)?;
        let text = xml::read(mlf)?;
        let document = xml::parse(mlf, &text)?;
        let mut writer = Writer::new(mlf, &["plate", "well", "site"]);
        for record in xml::all(document.root_element(), "MeasurementRecord") {
            if xml::attribute(record, "Type") != Some("IMG") {
                n_errors += 1;
                continue;
            }
            let number = |name: &str| number(mlf, record, name);
            let channel_number = number("Ch")?;
            let channel = details.channels.get(&channel_number).cloned();
            let channel = channel.unwrap_or_else(|| format!("C{channel_number:02}"));
            order.entry(channel_number).or_insert_with(|| channel.clone());
            let well = Well::at(number("Row")?, number("Column")?).ok_or_else(|| {
                wrong(mlf, record, "`Row` and `Column` are beyond a plate of 32 rows and 48 columns".to_owned())
            })?;
            let name = record.text().map(str::trim).unwrap_or_default();
            let is_plain = Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
            if name.is_empty() || !is_plain || name.contains('\\') {
                return Err(wrong(
                    mlf,
                    record,
                    format!("`{name}` is not the name of a file in the folder of the measurement"),
                ));
            }
            let plane = Plane::first_of(mlf.parent().unwrap_or(Path::new("")).join(name));
            rows.push(Row {
                planes: vec![Listed::plane(channel, number("ZIndex")?, plane)],
                time: Some(Time { frame: number("TimePoint")?, hours: None }),
                pixel_um: details.pixel_um.get(&channel_number).copied(),
                mask: None,
            });
            writer
                .push(xml::line(record), [details.plate.clone(), well.to_string(), number("FieldIndex")?.to_string()]);
        }
        tables.push(writer.finish());
        inputs.push(mlf.clone());
        inputs.extend(details.files);
    }
    if rows.is_empty() {
        return Err(bad(&measurements[0], "records no image, expected <MeasurementRecord Type=\"IMG\">"));
    }
    if rows.iter().filter_map(|row| row.time).map(|time| time.frame).collect::<BTreeSet<_>>().len() < 2 {
        rows.iter_mut().for_each(|row| row.time = None);
    }
    let skipped = (n_errors > 0).then(|| ("records of failed images".to_owned(), n_errors));
    Ok(Listing {
        layout: Layout::Cv8000,
        table: RawTable::concatenated(tables, |_| false)?,
        rows,
        channel_order: order.into_values().collect(),
        used: BTreeSet::new(),
        inputs,
        notes: Vec::new(),
        n_skipped: skipped.into_iter().collect(),
    })
}

/// What the files beside a measurement say.
#[derive(Default)]
struct Details {
    plate: String,
    channels: BTreeMap<i64, String>,
    pixel_um: BTreeMap<i64, f64>,
    files: Vec<PathBuf>,
}

impl Details {
    fn beside(mlf: &Path) -> Result<Self, LoadError> {
        let folder = mlf.parent().unwrap_or(Path::new(""));
        let mut details = Self::default();
        let named = |ending: &str| {
            let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
            let is_wanted = |path: &PathBuf| path.extension().is_some_and(|end| end.eq_ignore_ascii_case(ending));
            let mut found: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(is_wanted).collect();
            found.sort();
            found.into_iter().next()
        };
        let channel_of = |node: Node<'_, '_>| xml::attribute(node, "Ch").and_then(|text| text.parse::<i64>().ok());
        if let Some(mrf) = named("mrf") {
            let text = xml::read(&mrf)?;
            let document = xml::parse(&mrf, &text)?;
            let root = document.root_element();
            details.plate = xml::attribute(root, "Title").unwrap_or_default().to_owned();
            for channel in xml::all(root, "MeasurementChannel") {
                let size =
                    xml::attribute(channel, "HorizontalPixelDimension").and_then(|text| text.parse::<f64>().ok());
                if let (Some(number), Some(size)) = (channel_of(channel), size.filter(|&size| size > 0.0)) {
                    details.pixel_um.insert(number, size);
                }
            }
            details.files.push(mrf);
        }
        if let Some(mes) = named("mes") {
            let text = xml::read(&mes)?;
            let document = xml::parse(&mes, &text)?;
            let lists = xml::all(document.root_element(), "ChannelList");
            for channel in lists.flat_map(|list| xml::all(list, "Channel")) {
                let word = |name| xml::attribute(channel, name).filter(|text| !text.is_empty());
                let name = word("Fluorophore").or_else(|| word("Acquisition"));
                if let (Some(number), Some(name)) = (channel_of(channel), name) {
                    details.channels.insert(number, name.to_owned());
                }
            }
            details.files.push(mes);
        }
        let names: Vec<String> = details.channels.values().cloned().collect();
        for (number, name) in &mut details.channels {
            if names.iter().filter(|other| *other == name).count() > 1 {
                *name = format!("{name} ({number})");
            }
        }
        if details.plate.is_empty() {
            details.plate = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        }
        Ok(details)
    }
}

fn number(mlf: &Path, record: Node<'_, '_>, name: &str) -> Result<i64, LoadError> {
    let text = xml::attribute(record, name).unwrap_or_default();
    text.parse().map_err(|_| wrong(mlf, record, format!("`{name}` holds {text:?}, expected a whole number")))
}

fn wrong(mlf: &Path, record: Node<'_, '_>, message: String) -> LoadError {
    LoadError::ImageSheet { place: Place { path: mlf.to_path_buf(), line: xml::line(record) }, message }
}
