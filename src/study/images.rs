//! From images to a screen: crops of objects, or of tiles, whose pixels are the features.

use std::ops::ControlFlow;
use std::path::PathBuf;

use super::error::StudyError;
use super::event::Event;
use super::split::split_of;
use crate::crop::{
    Centers, Crop, CropCache, CropError, ImageConfig, fitted_field, fitted_scale, followed, pixels, reference_sites,
    screen_of,
};
use crate::load::image::{ImageSource, LoadedImages, UsableImages, load_images};
use crate::load::{InputFile, InputHash, Loaded, Source};
use crate::pair::{PairError, Part, Split, SplitConfig};
use crate::screen::{Design, Role, Screen};
use crate::train::Stop;

/// Loads images, cuts and scales their crops, and follows objects through time where the screen is a time lapse.
///
/// A row of the screen is a crop; its features are the pixels `[channel, y, x]` of a square, scaled to 0 to 1 by the
/// plate's negative controls or, in a time lapse, by its first frames, which are the state before; without either by all of
/// the plate's sites. By those of training alone where `split` holds out parts of plates, or where there are no controls.
/// In a time lapse a row's intervention lasts from the first frame to the
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
    split: Option<&SplitConfig>,
    stop: &Stop,
    tell: &(dyn Fn(Event) + Sync),
) -> Result<Loaded, StudyError> {
    let images = ImageSource { source: source.clone(), ..ImageSource::default() };
    let loaded = load_images(&images).map_err(|error| StudyError::of_images(error, source))?;
    let UsableImages { screen: images, objects } = loaded.usable()?;
    let progress = progress(stop, tell);
    let split = split.filter(|split| is_scaled_by_training(&images.table, split));
    let split_of_sites = split.map(|split| split_of(&images.table, split)).transpose()?;
    let sites =
        reference_sites(&images, |site| split_of_sites.as_ref().is_none_or(|split| split.part(site) == Part::Train));
    let flat_field = fitted_field(&config.cache, &images, &sites, &config.intensity)?;
    let objects = objects.as_deref();
    let cache = CropCache::build(&config.cache, &images, objects, &config.crop, flat_field.as_ref(), &progress)?;
    let scale = fitted_scale(cache.folder(), &images, &sites, &config.intensity, flat_field.as_ref())?;
    let design = images.table.design.clone();
    let (kept, design, dropped) = if design.is_followed() {
        let (kept, tracks, dropped) = followed(&images, cache.crops());
        (kept, Design::Followed { tracks }, dropped)
    } else {
        ((0..cache.crops().len()).collect(), design, Vec::new())
    };
    if kept.is_empty() {
        let size = cache.size();
        let problem = format!(
            "no crop of {size} x {size} pixels was cut from {} sites; their images may be smaller \
             (`images.crop.size`), hold no objects, or no object is seen in every frame",
            images.n_sites()
        );
        return Err(CropError::damaged(cache.folder(), problem).into());
    }
    let crops: Vec<&Crop> = kept.iter().map(|&crop| &cache.crops()[crop]).collect();
    let features = pixels(&cache, &images, &kept, |plate| scale.of_channels(plate))?;
    let mut screen = screen_of(&images, &crops, features);
    screen.design = design;
    screen.dropped.extend(dropped);
    if let (Some(split), Some(of_sites)) = (split, &split_of_sites) {
        refuse_places_without_crops(&screen, &crops, split, of_sites)?;
    }
    if !screen.design.is_followed() && config.crop.centers != Centers::Tiles {
        // Crops are the cells of a well where the files count none.
        screen.units.count_rows();
    }
    let LoadedImages { mapping, mut inputs, card, mut notes, .. } = loaded;
    let of_plates = cache.inputs(&images).into_iter();
    inputs.extend(of_plates.map(|InputHash { name, bytes, sha256 }| {
        let rows = 0;
        InputFile { path: PathBuf::from(&name), name, bytes, sha256, rows }
    }));
    notes.extend(flat_field.iter().flat_map(|flat_field| flat_field.notes(&images.channels)));
    notes.push(format!("{} crops of {size} x {size} pixels", crops.len(), size = cache.size()));
    Ok(Loaded { screen, mapping, inputs, card, joins: Vec::new(), follows_split: split.is_some(), notes })
}

/// Whether intensities are scaled by sites under treatment: there are no controls, and no frames from before the treatment.
fn is_scaled_by_treated(screen: &Screen) -> bool {
    let has_controls = screen.units.all().iter().any(|unit| unit.role == Role::NegativeControl);
    !has_controls && !screen.design.is_followed()
}

/// Whether what is held out must not set a scale: sites under treatment, and the controls of a part of a plate.
///
/// A plate that is held out whole is scaled by its own controls, as it would be if it came later.
fn is_scaled_by_training(sites: &Screen, split: &SplitConfig) -> bool {
    let is_within_plates = split.test.is_empty() && split.by.is_within_plates();
    is_within_plates || is_scaled_by_treated(sites)
}

/// Refuses wells without crops where they change what is held out.
fn refuse_places_without_crops(
    screen: &Screen,
    crops: &[&Crop],
    split: &SplitConfig,
    of_sites: &Split,
) -> Result<(), StudyError> {
    let of_crops = split_of(screen, split)?;
    let is_same = (0..crops.len()).all(|crop| of_crops.part(crop) == of_sites.part(crops[crop].row));
    let reason =
        || format!("no crop could be cut from any well of a {}; leave its wells out of the sheet", split.by.name());
    if is_same { Ok(()) } else { Err(PairError::Split { by: split.by.name(), reason: reason() }.into()) }
}

/// Tells how far images are decoded, and breaks off where somebody asked to stop.
pub(super) fn progress(stop: &Stop, tell: &(dyn Fn(Event) + Sync)) -> impl Fn(usize, usize) -> ControlFlow<()> {
    move |done, total| {
        tell(Event::Decoding { done, total });
        if stop.is_asked() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}
