//! Crops -> the rows of a screen, with the metadata of their sites.

use std::collections::{BTreeMap, BTreeSet};

use super::cache::{Crop, CropCache};
use super::error::CropError;
use crate::screen::{
    ChannelScale, Dropped, Features, ImageScreen, Intervention, Label, Reference, Role, SITE_LABEL, Screen, Track,
    Unit, Units,
};

/// The label that holds the readout of a crop's object.
pub const READOUT_LABEL: &str = "readout";

/// Sites that stand for untreated cells: negative controls, or first frames, or all where there is neither; of those that
/// are `usable`.
pub fn reference_sites(images: &ImageScreen, usable: impl Fn(usize) -> bool) -> Vec<usize> {
    let usable = |site: &usize| usable(*site);
    if images.table.reference() == Reference::FirstFrame {
        return images.fields().iter().map(|field| field[0]).filter(usable).collect();
    }
    let all = || (0..images.n_sites()).filter(usable);
    let is_control = |row: &usize| images.table.unit(*row).role == Role::NegativeControl;
    let controls: Vec<usize> = all().filter(is_control).collect();
    if controls.is_empty() { all().collect() } else { controls }
}

/// The crops at `indices` as rows that stay in their files, each scaled as `scale` says of its plate.
pub fn pixels(
    cache: &CropCache,
    images: &ImageScreen,
    indices: &[usize],
    scale: impl Fn(&str) -> Result<Vec<ChannelScale>, CropError>,
) -> Result<Features, CropError> {
    let plate = |row: usize| images.table.unit(row).plate.as_str();
    let mut scale_of = BTreeMap::new();
    let mut scales = Vec::new();
    for plate in indices.iter().map(|&index| plate(cache.crops()[index].row)) {
        if !scale_of.contains_key(plate) {
            scale_of.insert(plate, scales.len());
            scales.push(scale(plate)?);
        }
    }
    let rows = cache.rows(indices, scales, |crop| scale_of[plate(crop.row)]);
    Ok(Features::stored(pixel_names(&images.channels, cache.size()), rows))
}

/// `DNA_12_5`: channel, line and column.
fn pixel_names(channels: &[String], size: usize) -> Vec<String> {
    let mut names = Vec::with_capacity(channels.len() * size * size);
    for (index, channel) in channels.iter().enumerate() {
        let channel = if channel.is_empty() { format!("channel{index}") } else { channel.clone() };
        for y in 0..size {
            names.extend((0..size).map(|x| format!("{channel}_{y}_{x}")));
        }
    }
    names
}

/// The crops of objects that are seen once in every frame of their field, in the order of field, track and time.
pub fn followed(images: &ImageScreen, crops: &[Crop]) -> (Vec<usize>, Vec<Track>, Vec<Dropped>) {
    let mut field_of = vec![0; images.n_sites()];
    let mut n_frames = Vec::new();
    for (field, rows) in images.fields().iter().enumerate() {
        rows.iter().for_each(|&row| field_of[row] = field);
        n_frames.push(rows.len());
    }
    let mut objects = BTreeMap::<(usize, u32), Vec<usize>>::new();
    let mut n_without_track = 0;
    for (index, crop) in crops.iter().enumerate() {
        match crop.object.track {
            Some(track) => objects.entry((field_of[crop.row], track)).or_default().push(index),
            None => n_without_track += 1,
        }
    }
    let (mut kept, mut tracks) = (Vec::new(), Vec::new());
    let (mut n_twice, mut n_short) = (0, 0);
    for ((field, _), mut indices) in objects {
        indices.sort_by_key(|&index| crops[index].row);
        let frames: BTreeSet<usize> = indices.iter().map(|&index| crops[index].row).collect();
        if frames.len() < indices.len() {
            n_twice += indices.len();
        } else if frames.len() < n_frames[field] || frames.len() < 2 {
            n_short += indices.len();
        } else {
            let first = kept.len();
            kept.extend(&indices);
            tracks.push(Track { rows: (first..kept.len()).collect() });
        }
    }
    let reasons = [
        ("objects without a track", n_without_track),
        ("objects of tracks that hold two objects in one frame", n_twice),
        ("objects of tracks that lack a frame", n_short),
    ];
    let dropped = reasons.into_iter().filter(|(_, rows)| *rows > 0);
    (kept, tracks, dropped.map(|(reason, rows)| Dropped { reason: reason.to_owned(), rows }).collect())
}

/// The screen of crops, with the metadata of their sites.
pub fn screen_of(images: &ImageScreen, crops: &[&Crop], features: Features) -> Screen {
    let first_hours: BTreeMap<usize, f64> = images
        .fields()
        .iter()
        .flat_map(|field| {
            let first = hours(images, field[0]);
            field.iter().map(move |&row| (row, first))
        })
        .collect();
    let is_lapse = images.table.reference() == Reference::FirstFrame;
    let unit = |crop: &&Crop| {
        let of_site = images.table.unit(crop.row);
        let since = hours(images, crop.row) - first_hours[&crop.row];
        let (role, intervention) = match (is_lapse, since > 0.0) {
            (false, _) => (of_site.role, of_site.intervention.clone()),
            (true, false) => (Role::NegativeControl, Intervention::untreated()),
            (true, true) => (of_site.role, of_site.intervention.clone().lasting(since)),
        };
        Unit { role, intervention, ..of_site.clone() }
    };
    let label = |name: &str, of: &dyn Fn(&Crop) -> Option<String>| Label {
        name: name.to_owned(),
        values: crops.iter().map(|crop| of(crop)).collect(),
    };
    let mut labels: Vec<Label> =
        images.table.labels.iter().map(|own| label(&own.name, &|crop: &Crop| own.values[crop.row].clone())).collect();
    let own = [
        label(SITE_LABEL, &|crop| Some(images.sites[crop.row].site.clone()).filter(|site| !site.is_empty())),
        label("frame", &|crop| Some(images.sites[crop.row].time?.frame.to_string())),
        label("object", &|crop| Some(crop.object.id.to_string())),
        label("track", &|crop| Some(crop.object.track?.to_string())),
        label(READOUT_LABEL, &|crop| Some(crop.object.readout?.to_string())),
    ];
    for label in own {
        let is_new = labels.iter().all(|other| other.name != label.name);
        if is_new && label.values.iter().any(Option::is_some) {
            labels.push(label);
        }
    }
    Screen {
        name: images.table.name.clone(),
        design: images.table.design.clone(),
        units: Units::of_rows(crops.iter().map(unit).collect(), &labels),
        features,
        labels,
        dropped: images.table.dropped.clone(),
        origin: images.table.origin.clone(),
    }
}

/// When a site was taken; frames count as hours where the files tell no time.
fn hours(images: &ImageScreen, row: usize) -> f64 {
    images.sites[row].time.map_or(0.0, |time| time.hours.unwrap_or(time.frame as f64))
}
