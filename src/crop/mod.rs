//! Images -> crops, whose pixels are the features of a screen.
//!
//! A [`CropCache`] cuts squares around objects, tiles or nuclei and keeps them on disk, divided by a [`FlatField`] if that
//! is asked for; an [`IntensityScale`] says how their pixels become numbers mostly between 0 and 1; [`screen_of`] makes
//! rows of a screen of them. Pixels stay in the files and are read when they are needed.

mod error;
mod cut;
mod watershed;
mod nuclei;
mod level;
mod flat_field;
mod intensity;
mod cache;
mod config;
mod fitted;
mod screen;

pub use cache::{Centers, Crop, CropCache, CropSettings, SITES_PER_SHARD};
pub use config::ImageConfig;
pub use cut::{Edge, binned, crop, tiles};
pub use error::CropError;
pub use fitted::{fitted_field, fitted_scale};
pub use flat_field::FlatField;
pub use intensity::{IntensityScale, IntensitySettings, MAX_SAMPLES};
pub use level::IntensityLevel;
pub use nuclei::find_nuclei;
pub use screen::{READOUT_LABEL, followed, pixels, reference_sites, screen_of};
