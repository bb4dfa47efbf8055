//! From images to a screen: crops of objects, or of tiles, whose pixels are the features.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::error::StudyError;
use super::event::Event;
use super::fitted::{fitted_field, fitted_scale, notes_of, pixels, progress};
use crate::config::ImageConfig;
use crate::load::image::{ImageSource, LoadedImages, UsableImages, load_images};
use crate::load::{InputFile, Loaded, Source};
use crate::pair::{PairError, Part, Split, SplitConfig};
use crate::run::{Centers, Crop, CropCache, InputHash, RunError};
use crate::screen::{
    Design, Dropped, FeatureMatrix, ImageScreen, Intervention, Label, Observation, Reference, Role, SITE_LABEL, Screen,
    Track,
};
use crate::train::Stop;

/// The label that holds the read-out of a crop's object.
pub(super) const READOUT_LABEL: &str = "readout";

/// Loads images, cuts and scales their crops, and follows objects through time where the screen is a time lapse.
///
/// A row of the screen is a crop; its features are the pixels `[channel, y, x]` of a square, scaled to 0 to 1 by the
/// plate's negative controls or, in a time lapse, by its first frames, which are the state before; by those of training
/// alone where `split` holds out parts of plates. In a time lapse a row's intervention lasts from the first frame to the
/// row's; tracks that miss a frame, or hold two objects in one, are left out and counted. Elsewhere the crops of objects
/// are the cell count of their well, unless the files tell one.
///
/// Pixels stay in the files of crops and are read when they are needed. Asked to stop, it keeps what is cut already.
///
/// # Errors
/// What loading, splitting, cutting or scaling says, or that it was stopped.
pub fn load_image_screen(
    source: &Source,
    config: &ImageConfig,
    split: &SplitConfig,
    stop: &Stop,
    tell: &(dyn Fn(Event) + Sync),
) -> Result<Loaded, StudyError> {
    let loaded = load_images(&ImageSource { source: source.clone(), ..ImageSource::default() })?;
    let UsableImages { screen: images, objects } = loaded.usable()?;
    let progress = progress(stop, tell);
    let split_of_sites = split_within_plates(&images.table, split)?;
    let sites =
        sites_of_reference(&images, |site| split_of_sites.as_ref().is_none_or(|split| split.part(site) == Part::Train));
    let flat_field = fitted_field(&config.cache, &images, &sites, &config.intensity)?;
    let objects = objects.as_deref();
    let cache = CropCache::build(&config.cache, &images, objects, &config.crop, flat_field.as_ref(), &progress)?;
    let scale = fitted_scale(cache.folder(), &images, &sites, &config.intensity, flat_field.as_ref())?;
    let (kept, tracks, dropped) = match images.table.reference() {
        Reference::FirstFrame => followed(&images, cache.crops()),
        _ => ((0..cache.crops().len()).collect(), Vec::new(), Vec::new()),
    };
    if kept.is_empty() {
        let size = cache.size();
        let problem = format!(
            "no crop of {size} x {size} pixels was cut from {} sites; their images may be smaller \
             (`images.crop.size`), hold no objects, or no object is seen in every frame",
            images.n_sites()
        );
        return Err(RunError::damaged(cache.folder(), problem).into());
    }
    let crops: Vec<&Crop> = kept.iter().map(|&crop| &cache.crops()[crop]).collect();
    let features = pixels(&cache, &images, &kept, |plate| Ok(scale.of_channels(plate)?))?;
    let mut screen = table(&images, &crops, features);
    screen.dropped.extend(dropped);
    if let Design::Followed { tracks: followed } = &mut screen.design {
        *followed = tracks;
    }
    refuse_places_without_crops(&screen, &crops, split, split_of_sites.as_ref())?;
    if screen.design.tracks().is_empty() && config.crop.centers != Centers::Tiles {
        count_cells(&mut screen);
    }
    let LoadedImages { mapping, mut inputs, card, mut notes, .. } = loaded;
    let of_plates = cache.inputs(&images).into_iter();
    inputs.extend(of_plates.map(|InputHash { name, bytes, sha256 }| {
        let rows = 0;
        InputFile { path: PathBuf::from(&name), name, bytes, sha256, rows }
    }));
    notes.extend(flat_field.iter().flat_map(|flat_field| notes_of(flat_field, &images.channels)));
    notes.push(format!("{} crops of {size} x {size} pixels", crops.len(), size = cache.size()));
    Ok(Loaded { screen, mapping, inputs, card, notes })
}

/// Sites that stand for untreated cells: negative controls, or first frames, or all where there is neither; of those that
/// are `usable`.
pub(super) fn sites_of_reference(images: &ImageScreen, usable: impl Fn(usize) -> bool) -> Vec<usize> {
    let usable = |site: &usize| usable(*site);
    if images.table.reference() == Reference::FirstFrame {
        return images.fields().iter().map(|field| field[0]).filter(usable).collect();
    }
    let all = || (0..images.n_sites()).filter(usable);
    let is_control = |row: &usize| images.table.observations[*row].role == Role::NegativeControl;
    let controls: Vec<usize> = all().filter(is_control).collect();
    if controls.is_empty() { all().collect() } else { controls }
}

/// The parts of the sites where parts of one plate are held out: those outside training may then set no scale.
///
/// A plate that is held out whole is scaled by its own controls, as it would be if it came later.
fn split_within_plates(sites: &Screen, split: &SplitConfig) -> Result<Option<Split>, StudyError> {
    if !split.by.is_within_plates() || !split.test.is_empty() {
        return Ok(None);
    }
    Ok(Some(Split::new(sites, split)?))
}

/// Sites and crops fall into the same parts unless a row or column of the plate shows no crop at all.
fn refuse_places_without_crops(
    screen: &Screen,
    crops: &[&Crop],
    split: &SplitConfig,
    of_sites: Option<&Split>,
) -> Result<(), StudyError> {
    let Some(of_sites) = of_sites else { return Ok(()) };
    let of_crops = Split::new(screen, split)?;
    let is_same = (0..crops.len()).all(|crop| of_crops.part(crop) == of_sites.part(crops[crop].row));
    let reason =
        || format!("no crop could be cut from any well of a {}; leave its wells out of the sheet", split.by.name());
    if is_same { Ok(()) } else { Err(PairError::Split { by: split.by.name(), reason: reason() }.into()) }
}

/// Takes the crops of a well for its cells, where the files count none.
fn count_cells(screen: &mut Screen) {
    for rows in screen.wells() {
        for &row in &rows {
            screen.observations[row].cell_count.get_or_insert(rows.len() as f64);
        }
    }
}

/// The crops of objects that are seen once in every frame of their field, in the order of field, track and time.
fn followed(images: &ImageScreen, crops: &[Crop]) -> (Vec<usize>, Vec<Track>, Vec<Dropped>) {
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
pub(super) fn table(images: &ImageScreen, crops: &[&Crop], features: FeatureMatrix) -> Screen {
    let first_hours: BTreeMap<usize, f64> = images
        .fields()
        .iter()
        .flat_map(|field| {
            let first = hours(images, field[0]);
            field.iter().map(move |&row| (row, first))
        })
        .collect();
    let is_lapse = images.table.reference() == Reference::FirstFrame;
    let observation = |crop: &&Crop| {
        let of_site = &images.table.observations[crop.row];
        let since = hours(images, crop.row) - first_hours[&crop.row];
        let (role, intervention) = match (is_lapse, since > 0.0) {
            (false, _) => (of_site.role, of_site.intervention.clone()),
            (true, false) => (Role::NegativeControl, Intervention::untreated()),
            (true, true) => (of_site.role, of_site.intervention.clone().lasting(since)),
        };
        Observation { role, intervention, ..of_site.clone() }
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
        observations: crops.iter().map(observation).collect(),
        features,
        labels,
        dropped: images.table.dropped.clone(),
    }
}

/// When a site was taken; frames count as hours where the files tell no time.
fn hours(images: &ImageScreen, row: usize) -> f64 {
    images.sites[row].time.map_or(0.0, |time| time.hours.unwrap_or(time.frame as f64))
}
