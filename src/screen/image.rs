//! Image screens: which planes of which files show a site at a time.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Screen;

/// A screen whose payload is images: row `i` of `table` is what `sites[i]` shows.
///
/// Rows are sites (fields of view) at one time, sorted by plate, well, site and time.
#[derive(Debug, Clone)]
pub struct ImageScreen {
    /// Observations and labels, one row for each site and time; its feature matrix has no columns.
    pub table: Screen,
    /// Names of the channels, in the order in which planes are stacked.
    pub channels: Vec<String>,
    /// One for each row of `table`.
    pub sites: Vec<ImageSite>,
}

/// A site (field of view) at one time, and where its pixels are.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageSite {
    /// Name of the site within the well as the file gives it; empty where wells have one site.
    pub site: String,
    /// When the picture was taken; `None` for screens with one time.
    pub time: Option<Time>,
    /// Planes as `[channel][z]`, channels in the order of [`ImageScreen::channels`], z ascending; none is empty.
    pub channels: Vec<Vec<Plane>>,
    /// How the z planes of a channel become one.
    pub projection: Projection,
    /// Side of a pixel in µm, if the files or the card tell it.
    pub pixel_um: Option<f64>,
    /// Where its objects are.
    pub mask: Option<Mask>,
}

/// A picture of the same sides that says which pixels are objects; 0 is background.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mask {
    /// The picture.
    pub plane: Plane,
    /// What its values mean.
    pub values: MaskValues,
}

/// What the values of a mask mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MaskValues {
    /// Ids of objects.
    #[default]
    Labels,
    /// Nothing but "object": pixels that touch by a side are one.
    Binary,
}

/// A time in a time lapse.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Time {
    /// Frame as the file numbers it.
    pub frame: i64,
    /// Hours since the first frame or since the intervention, as the file counts, if it does.
    pub hours: Option<f64>,
}

/// One two-dimensional picture in one channel: a file and what to take of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Plane {
    /// The file, or the folder of a zarr array.
    pub path: PathBuf,
    /// What to take of it.
    pub selector: Selector,
}

/// What a plane is within its file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Selector {
    /// A page of a file (0 for formats without pages) and one sample of each pixel, both counted from 0.
    Page {
        /// TIFF directory.
        page: u32,
        /// 0 for gray; 0, 1 and 2 for red, green and blue.
        sample: u16,
    },
    /// Indices on all axes of a zarr array but the last two, which are y and x.
    Zarr {
        /// In the order of the array's axes.
        index: Vec<u64>,
    },
}

/// How several z planes become one picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Projection {
    /// The brightest value of each pixel.
    #[default]
    Max,
    /// The mean of each pixel, as `f32`.
    Mean,
    /// The plane at this position of the stack, counted from 0.
    Plane(usize),
}

/// An object in a site: where it is and how it is called.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Object {
    /// Its number within the site: the label in a mask, the row in an object table, the index of a tile.
    pub id: u32,
    /// Its number across the frames of a field, where objects are tracked.
    pub track: Option<u32>,
    /// Center in pixels from the left edge; the middle of the first pixel is 0.
    pub x: f32,
    /// Center in pixels from the upper edge; the middle of the first pixel is 0.
    pub y: f32,
    /// A measured number of it (an area, say) that predictions are scored by and that the model is never shown.
    pub readout: Option<f32>,
}

impl Plane {
    /// The first page and sample of a file.
    pub fn first_of(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), selector: Selector::Page { page: 0, sample: 0 } }
    }
}

impl Object {
    /// The same object where `factor` x `factor` pixels have become one.
    pub fn binned(self, factor: usize) -> Self {
        let shrunk = |center: f32| (center + 0.5) / factor as f32 - 0.5;
        Self { x: shrunk(self.x), y: shrunk(self.y), ..self }
    }

    /// The same object where one pixel had been made of `factor` x `factor`: what [`Object::binned`] undoes.
    pub fn unbinned(self, factor: usize) -> Self {
        let grown = |center: f32| (center + 0.5) * factor as f32 - 0.5;
        Self { x: grown(self.x), y: grown(self.y), ..self }
    }
}

impl ImageScreen {
    /// Number of sites times times.
    pub fn n_sites(&self) -> usize {
        self.sites.len()
    }

    /// The sites at `rows`, in that order, with their observations and labels.
    pub fn select(&self, rows: &[usize]) -> Self {
        Self {
            table: self.table.select(rows),
            channels: self.channels.clone(),
            sites: rows.iter().map(|&row| self.sites[row].clone()).collect(),
        }
    }

    /// Rows that show one field of view at its times, ascending; fields in the order of plate, well and site.
    pub fn fields(&self) -> Vec<Vec<usize>> {
        let mut fields: Vec<Vec<usize>> = Vec::new();
        for row in 0..self.n_sites() {
            let is_same = |&before: &usize| {
                let (one, other) = (self.table.unit(before), self.table.unit(row));
                (&one.plate, one.well, &self.sites[before].site) == (&other.plate, other.well, &self.sites[row].site)
                    && self.sites[before].time.is_some()
            };
            match fields.last_mut() {
                Some(field) if field.last().is_some_and(is_same) => field.push(row),
                _ => fields.push(vec![row]),
            }
        }
        fields
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_stays_in_its_pixels() {
        // Pixels 4 and 5 of a row become pixel 2, whose middle is the border between them.
        let object = Object { id: 7, track: None, x: 4.5, y: 0.5, readout: None };
        let small = object.binned(2);
        assert_eq!((small.id, small.x, small.y), (7, 2.0, 0.0));
        assert_eq!(small.unbinned(2), object);
    }
}
