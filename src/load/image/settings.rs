//! The section `[images]` of a card: where the pixels are and how they are taken.
//!
//! ```toml
//! files = ["frames.csv"]            # the sheet, at the top of the card as for profile tables
//! reference = "first_frame"
//!
//! [columns]
//! well = "well"
//! doses = { forskolin = "forskolin_um", VX-770 = "vx770_um" }
//!
//! [images]
//! path = "image"                    # the column with the path of a row's image
//! mask = "mask"
//! frame = "frame"
//! time = "time_min"
//! plate = "demoplate_01"            # where no column names the plate
//! ```

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::load::join_key::JoinKey;
use crate::screen::{MaskValues, Projection};

/// What lies in the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    /// A table with one row for each image or each site.
    Sheet,
    /// CellProfiler's `load_data.csv` or `Image.csv`.
    LoadData,
    /// The image and mechanism tables of BBBC021.
    Bbbc021,
    /// The folders and `metadata.csv` of RxRx1.
    Rxrx1,
    /// Files alone, of which a pattern tells what they are.
    Folder,
    /// Opera Phenix and Operetta: `Index.xml` or `Index.idx.xml`.
    Harmony,
    /// ImageXpress: the folders that MetaXpress exports.
    ImageXpress,
    /// Yokogawa CV7000 and CV8000: `MeasurementData.mlf`.
    Cv8000,
    /// OME-TIFF with its XML inside or in a companion file.
    OmeTiff,
    /// OME-Zarr 0.4 and 0.5.
    OmeZarr,
}

/// What becomes of sites with missing or unreadable images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Missing {
    /// Loading stops and names them.
    #[default]
    Refuse,
    /// The sites are left out and counted.
    Drop,
}

/// The unit of a time column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TimeUnit {
    /// Seconds.
    #[serde(rename = "s")]
    Seconds,
    /// Minutes.
    #[serde(rename = "min")]
    Minutes,
    /// Hours.
    #[serde(rename = "h")]
    Hours,
}

/// What the pages of a file are, where its layout does not tell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Pages {
    /// `"z"`: planes of one stack.
    Stack(StackWord),
    /// Names of the channels that the pages are.
    Channels(Vec<String>),
}

/// What images of a well are that differ in their acquisition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Acquisitions {
    /// Sites of their own.
    Sites,
    /// Cycles of staining: the first images of all acquisitions show one place in other channels, and so the second.
    Cycles,
}

/// The word `z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum StackWord {
    /// Planes of one stack.
    #[serde(rename = "z")]
    Z,
}

/// The section `[images]`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ImageSettings {
    /// What lies in the files; told from them if not given.
    pub layout: Option<Layout>,
    /// Column with the path of an image.
    pub path: Option<String>,
    /// Column that names the channel of a row's image.
    pub channel: Option<String>,
    /// Columns with the paths of a site's images, by channel, where a row is a site.
    pub files: BTreeMap<String, String>,
    /// The channels to take, in this order; all if empty.
    pub channels: Vec<String>,
    /// What the pages of a file are.
    pub pages: Option<Pages>,
    /// What images of a well are that differ in their acquisition (OME-Zarr); sites of their own if not given.
    pub acquisitions: Option<Acquisitions>,
    /// Column with the path of a label image.
    pub mask: Option<String>,
    /// What the values of label images mean.
    pub mask_values: MaskValues,
    /// Column with the number of the frame.
    pub frame: Option<String>,
    /// Column with the time of the frame.
    pub time: Option<String>,
    /// Its unit, if the column's name does not tell it.
    pub time_unit: Option<TimeUnit>,
    /// Column with the number of the z plane.
    pub z: Option<String>,
    /// How z planes become one.
    pub projection: Projection,
    /// Name of the plate, where no column and no file tells it.
    pub plate: Option<String>,
    /// Side of a pixel in µm, where no file tells it.
    pub pixel_um: Option<f64>,
    /// A regular expression on paths relative to the folder, with groups named `plate`, `well`, `site`, `channel`,
    /// `time`, `z`; other names become columns.
    pub pattern: Option<String>,
    /// As `pattern`, for the label images in the same folder: a mask belongs to the sites for which all groups of this
    /// expression have the values that they have for the site.
    pub mask_pattern: Option<String>,
    /// Folder that the sheet's paths are relative to, itself relative to the card.
    pub root: Option<String>,
    /// What becomes of sites with missing or unreadable images.
    pub missing: Missing,
    /// Where the objects are.
    pub objects: Option<ObjectSettings>,
}

/// A table of objects: `[images.objects]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObjectSettings {
    /// The table, relative to the card or else to the image sheet; or one of DeepProfiler's files for each site, named by
    /// columns of the image sheet in braces: `{plate}/{well}_{site}.npz`.
    pub file: String,
    /// The columns that tell whose object a row is: names that both have, or `{ table = …, sheet = … }` with the image
    /// sheet's column first and that of the object table second; none for DeepProfiler's files.
    #[serde(default)]
    pub on: Vec<JoinKey>,
    /// Column with the object's number within its site.
    #[serde(default)]
    pub object: Option<String>,
    /// Column with the number of its track.
    #[serde(default)]
    pub track: Option<String>,
    /// Column with its center in pixels from the left.
    #[serde(default)]
    pub x: Option<String>,
    /// Column with its center in pixels from the top.
    #[serde(default)]
    pub y: Option<String>,
    /// Column with a measured number that predictions are scored by; the model is never shown it.
    #[serde(default)]
    pub readout: Option<String>,
}
