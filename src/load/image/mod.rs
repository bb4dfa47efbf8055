//! Microscope images -> [`ImageScreen`]: sheets, folders and the exports of instruments.
//!
//! [`load_images`] finds out what lies in the files ([`Layout`]), lists every plane with its plate, well, site,
//! channel, time and z, takes the metadata through the same card, joins, roles and doses as profile tables, and looks
//! at the headers of all files ([`Survey`]). No pixel is decoded. [`LoadedImages::usable`] then refuses or leaves out
//! what cannot be decoded, as the card says, and [`read_site`] decodes the channels of one site.

mod assemble;
mod cv8000;
mod detect;
mod expand;
mod folder;
mod harmony;
mod imagexpress;
mod labels;
mod listing;
mod load_data;
mod names;
mod npz;
mod objects;
mod ome_tiff;
mod ome_zarr;
mod paths;
pub mod pixels;
mod rxrx1;
pub(super) mod settings;
mod shape;
mod sheet;
mod sqlite;
mod stack;
mod survey;
mod times;
mod xml;
mod zarr;

use std::path::PathBuf;

pub use detect::is_image_source;
pub(super) use detect::{has_images, has_layout};
pub(crate) use labels::sides;
pub use labels::{LabelImage, objects_of_labels, read_labels};
pub use objects::read_deep_profiler;
pub use paths::PathMap;
pub use settings::{Acquisitions, ImageSettings, Layout, Missing, ObjectSettings, Pages, StackWord, TimeUnit};
pub use shape::Shape;
pub use stack::{Stack, read_plane, read_site};
pub use survey::{Incomplete, Survey};

use super::card::Card;
use super::error::LoadError;
use super::exclude;
use super::inputs::{self, InputFile};
use super::mapping::Mapping;
use super::meet::{self, FoundJoin, Meeting};
use super::source::Source;
use super::table::distinct;
use crate::screen::{Dropped, ImageScreen, Object};

/// Which images to load and how to read them; flags fill it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ImageSource {
    /// Card, sheets, indices or folders, and what counts for more than the card.
    pub source: Source,
    /// The folder that paths in sheets are relative to; counts for more than the card's `root`.
    pub root: Option<PathBuf>,
    /// Where files lie that sheets name by the paths of another machine.
    pub path_maps: Vec<PathMap>,
}

/// An image screen as the files tell it, and how it came to be; sites may lack images.
#[derive(Debug, Clone)]
pub struct LoadedImages {
    /// All sites that the files name, whether their images are there or not.
    pub screen: ImageScreen,
    /// What the headers of the images say.
    pub survey: Survey,
    /// Objects of each site, `[site][object]`, if the card names their table.
    pub objects: Option<Vec<Vec<Object>>>,
    /// What lies in the files.
    pub layout: Layout,
    /// The sheets, indices or folders that were read as that.
    pub paths: Vec<PathBuf>,
    /// The card's section `[images]`, with what was found of it.
    pub settings: ImageSettings,
    /// Which column meant what.
    pub mapping: Mapping,
    /// The sheets and indices that were read; images are not among them.
    pub inputs: Vec<InputFile>,
    /// The card, with the overrides put in.
    pub card: Option<Card>,
    /// Sheets that were joined without a card asking for it.
    pub joins: Vec<FoundJoin>,
    /// What a user may want to know or change, in sentences.
    pub notes: Vec<String>,
}

/// A screen of which every site can be decoded.
#[derive(Debug, Clone)]
pub struct UsableImages {
    /// The screen; what was left out is counted in its table's `dropped`.
    pub screen: ImageScreen,
    /// Objects of each site, `[site][object]`, if the card names their table.
    pub objects: Option<Vec<Vec<Object>>>,
}

/// Loads an image screen.
///
/// # Errors
/// If a sheet, an index, the card or a cell is wrong; images that are missing or damaged are in
/// [`LoadedImages::survey`].
pub fn load_images(source: &ImageSource) -> Result<LoadedImages, LoadError> {
    load_images_with(source, source.source.effective_card()?)
}

/// The same with a card in place of the source's.
pub(super) fn load_images_with(source: &ImageSource, card: Card) -> Result<LoadedImages, LoadError> {
    let mut settings = card.images.clone().unwrap_or_default();
    let found = detect::detect(&source.source.files, &card)?;
    let roots = |path: &PathBuf| -> Result<paths::Roots, LoadError> {
        let beside = || path.parent().map(std::path::Path::to_path_buf).unwrap_or_default();
        let declared = settings.root.as_ref().map(|root| card.resolve(root)).transpose()?;
        let folder = source.root.clone().or(declared).unwrap_or_else(beside);
        Ok(paths::Roots { folder, maps: source.path_maps.clone() })
    };
    let roots = found.paths.iter().map(roots).collect::<Result<Vec<_>, _>>()?;
    let first = &found.paths[0];
    let mut listing = match found.layout {
        Layout::Sheet => {
            let listing;
            (listing, settings) = sheet::list(&found.paths, &roots, &settings)?;
            listing
        }
        Layout::LoadData => load_data::list(&found.paths, &roots, &settings)?,
        Layout::Bbbc021 => load_data::list_bbbc021(&found.paths, &roots, &settings)?,
        Layout::Rxrx1 => rxrx1::list(first)?,
        Layout::Folder => {
            let listing;
            (listing, settings) = folder::list(&found.paths, &settings)?;
            listing
        }
        Layout::Harmony => harmony::list(&found.paths)?,
        Layout::ImageXpress => imagexpress::list(first)?,
        Layout::Cv8000 => cv8000::list(&found.paths)?,
        Layout::OmeTiff => ome_tiff::list(&found.paths, &settings)?,
        Layout::OmeZarr => ome_zarr::list(&found.paths, &settings)?,
    };
    if listing.rows.iter().all(|row| row.planes.is_empty()) {
        return Err(LoadError::NothingLeft { path: first.clone(), reasons: "no row names an image".to_owned() });
    }
    let headers = expand::expand(&mut listing, &settings)?;
    let read = listing.inputs.clone();
    let layout = listing.layout;
    // Other sheets lie beside the one that names the images, or in the folder that is searched for them.
    let sheet = listing.table.paths[0].clone();
    let folder = if layout == Layout::Folder { Some(first.as_path()) } else { sheet.parent() };
    let meeting = plate_maps(&listing, &found.sheets, &card)?;
    let joins = meeting.joins.clone();
    let mut assembled = assemble::assemble(listing, &card, folder, meeting)?;
    if let Some((rows, excluded)) = exclude::kept_rows(&assembled.screen.table, &card, &source.source)? {
        assembled.screen = assembled.screen.select(&rows);
        assembled.screen.table.dropped.push(excluded);
        assembled.rows = rows.iter().map(|&row| assembled.rows[row]).collect();
    }
    let declared = settings.objects.as_ref();
    let objects =
        declared.map(|declared| objects::declared_objects(declared, &card, &assembled, folder)).transpose()?;
    let (objects, object_files) = objects.map_or((None, Vec::new()), |(objects, files)| (Some(objects), files));
    let mut inputs = Vec::new();
    for path in read.iter().chain(&assembled.joined).chain(&object_files) {
        inputs.push(inputs::examined(path, 0, &card)?);
    }
    if layout == Layout::Folder {
        let whole = first.canonicalize().unwrap_or_else(|_| first.clone());
        assembled.screen.table.name = card.screen_name(&whole);
    }
    let survey = survey::survey(&assembled.screen, headers);
    let mut notes = assembled.notes;
    if survey.n_painted_palettes > 0 {
        notes.push(format!(
            "{} images have a palette of colors that is not a scale from dark to bright; their pixels are read as its \
             indices, which are not brightnesses: save them as RGB",
            survey.n_painted_palettes
        ));
    }
    if survey.n_partly_written > 0 {
        notes.push(format!(
            "{} of {} images lack some of their chunks, which are read as of one value, as zarr leaves them out where nothing \
             was written: if a copy was cut short, copy them again",
            survey.n_partly_written, survey.n_planes
        ));
    }
    settings.layout = Some(layout);
    settings.channels.clone_from(&assembled.screen.channels);
    Ok(LoadedImages {
        paths: found.paths,
        settings,
        screen: assembled.screen,
        survey,
        objects,
        layout,
        mapping: assembled.mapping,
        inputs,
        card: source.source.card.as_ref().map(|_| card),
        joins,
        notes,
    })
}

/// How plate maps that were given with the images, or lie next to them, are joined to these.
///
/// Where the images are of one plate and a map too, it is that of the images, whatever either is called.
fn plate_maps(listing: &listing::Listing, sheets: &[PathBuf], card: &Card) -> Result<Meeting, LoadError> {
    let meeting = meet::join_sheets(listing.table.clone(), sheets, card, false)?;
    let plates = listing.table.text(folder::PLATE).map(|plates| distinct(plates).len());
    if plates != Some(1) || meeting.joins.len() == sheets.len() {
        return Ok(meeting);
    }
    let of_one_plate = meet::join_sheets(listing.table.clone(), sheets, card, true)?;
    Ok(if of_one_plate.joins.len() > meeting.joins.len() { of_one_plate } else { meeting })
}

/// The tables among what a source of images is read from.
pub(super) fn tables_of(source: &ImageSource, card: &Card) -> Vec<PathBuf> {
    let Ok(detect::Detected { paths, sheets, .. }) = detect::detect(&source.source.files, card) else {
        return Vec::new();
    };
    paths.into_iter().chain(sheets).filter(|path| inputs::is_table(path)).collect()
}

impl LoadedImages {
    /// The sites that can be decoded.
    ///
    /// # Errors
    /// If a site cannot be and the card's `missing` is not `drop`, or none can be.
    pub fn usable(&self) -> Result<UsableImages, LoadError> {
        let settings = self.card.as_ref().and_then(|card| card.images.clone()).unwrap_or_default();
        let path = self.inputs.first().map(|input| &input.path).or(self.paths.first()).cloned().unwrap_or_default();
        let incomplete = &self.survey.incomplete;
        let few: Vec<&str> = incomplete.iter().take(5).map(|incomplete| incomplete.reason.as_str()).collect();
        let rest = incomplete.len().saturating_sub(few.len());
        let more = if rest > 0 { format!("; and {rest} more") } else { String::new() };
        if !incomplete.is_empty() && settings.missing == Missing::Refuse {
            return Err(LoadError::Image {
                path,
                message: format!(
                    "{} of {} sites cannot be decoded: {}{more}; put the images there, choose `channels` under \
                     [images], or leave out such sites with `missing = \"drop\"`",
                    incomplete.len(),
                    self.screen.n_sites(),
                    few.join("; "),
                ),
            });
        }
        let rows = self.survey.complete(self.screen.n_sites());
        if rows.is_empty() {
            return Err(LoadError::NothingLeft { path, reasons: format!("{}{more}", few.join("; ")) });
        }
        let mut screen = self.screen.select(&rows);
        if !incomplete.is_empty() {
            let reason = "images missing or unreadable".to_owned();
            screen.table.dropped.push(Dropped { reason, rows: incomplete.len() });
        }
        let objects = self.objects.as_ref().map(|objects| rows.iter().map(|&row| objects[row].clone()).collect());
        Ok(UsableImages { screen, objects })
    }
}

#[cfg(test)]
mod tests;
