//! Intensities of images -> numbers mostly between 0 and 1, channel by channel.
//!
//! Between two percentiles of the pixels of given sites a channel is scaled linearly, beyond them logarithmically. The
//! caller says which sites: the control wells of each plate, or the training wells. Percentiles are those of at most
//! [`MAX_SAMPLES`] pixels of a channel, taken at even steps from every site, so that memory stays bounded and the
//! result depends neither on the number of threads nor on chance.

use std::collections::BTreeMap;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::error::CropError;
use super::flat_field::FlatField;
use super::level::IntensityLevel;
use crate::linear::numbers::Numbers;
use crate::load::image::pixels::PixelValues;
use crate::load::image::{Stack, read_site};
use crate::screen::{ChannelScale, ImageScreen};

/// Most pixels of a channel that percentiles are taken of.
pub const MAX_SAMPLES: usize = 1 << 22;

/// How intensities are scaled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IntensitySettings {
    /// The percentile that becomes 0.
    pub low_percentile: f64,
    /// The percentile that becomes 1.
    pub high_percentile: f64,
    /// Which sites share a scale.
    pub level: IntensityLevel,
    /// Whether images are first divided by the illumination that the fitted sites share; see [`FlatField`].
    pub flat_field: bool,
}

impl Default for IntensitySettings {
    fn default() -> Self {
        Self { low_percentile: 0.5, high_percentile: 99.5, level: IntensityLevel::Plate, flat_field: false }
    }
}

/// A fitted scale of intensities.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IntensityScale {
    /// Names of the channels, in order.
    pub channels: Vec<String>,
    level: IntensityLevel,
    /// By plate; the one range of a whole screen stands under the empty name.
    ranges: BTreeMap<String, Ranges>,
}

/// What becomes 0 and what becomes 1, for each channel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Ranges {
    low: Numbers,
    high: Numbers,
}

impl IntensityScale {
    /// Fits on the sites at `rows`, which are decoded on all cores and divided by their illumination, if that is given.
    ///
    /// # Errors
    /// If the percentiles are not ascending within 0 to 100, there are no rows, or a site cannot be decoded.
    pub fn fit(
        screen: &ImageScreen,
        rows: &[usize],
        settings: &IntensitySettings,
        flat_field: Option<&FlatField>,
    ) -> Result<Self, CropError> {
        let &IntensitySettings { low_percentile, high_percentile, level, flat_field: _ } = settings;
        if !(0.0 <= low_percentile && low_percentile < high_percentile && high_percentile <= 100.0) {
            return Err(CropError::Percentiles { low: low_percentile, high: high_percentile });
        }
        if rows.is_empty() {
            return Err(CropError::NoSites { screen: screen.table.name.clone() });
        }
        let n_channels = screen.channels.len();
        let mut ranges = BTreeMap::new();
        for (group, rows) in level.groups(screen, rows) {
            let share = MAX_SAMPLES.div_ceil(rows.len()).max(1);
            let sampled = |&row: &usize| -> Result<Vec<Vec<f32>>, CropError> {
                let mut stack = read_site(&screen.sites[row])?;
                if let Some(flat_field) = flat_field {
                    flat_field.apply(&screen.table.unit(row).plate, &mut stack)?;
                }
                Ok(sampled(&stack, share))
            };
            let samples: Vec<_> = rows.par_iter().map(sampled).collect();
            let mut channels = vec![Vec::new(); n_channels];
            for sampled in samples {
                channels.iter_mut().zip(sampled?).for_each(|(all, own)| all.extend(own));
            }
            channels.par_iter_mut().for_each(|values| values.sort_unstable_by(f32::total_cmp));
            let at = |percent: f64| Numbers(channels.iter().map(|values| percentile(values, percent)).collect());
            ranges.insert(group, Ranges { low: at(low_percentile), high: at(high_percentile) });
        }
        Ok(Self { channels: screen.channels.clone(), level, ranges })
    }

    /// What becomes 0 and what becomes 1 on a plate, for each channel; `None` if no site of it was fitted.
    pub fn range(&self, plate: &str) -> Option<Vec<(f64, f64)>> {
        let ranges = self.ranges.get(self.level.group(plate))?;
        Some(ranges.low.iter().copied().zip(ranges.high.iter().copied()).collect())
    }

    /// How each channel of `plate` is scaled; one that was constant where it was fitted becomes 0.
    ///
    /// # Errors
    /// If no site of the plate was fitted.
    pub fn of_channels(&self, plate: &str) -> Result<Vec<ChannelScale>, CropError> {
        let ranges = self.range(plate).ok_or_else(|| CropError::Intensity {
            message: format!(
                "no site of plate `{plate}` was given to fit intensities; give it control wells, or scale the whole \
                 screen with `level = \"screen\"`"
            ),
        })?;
        let scale = |(low, high): (f64, f64)| {
            let factor = if high > low { 1.0 / (high - low) } else { 0.0 };
            ChannelScale { low: low as f32, factor: factor as f32 }
        };
        Ok(ranges.into_iter().map(scale).collect())
    }

    /// Scales the pixels of a crop or a site of `plate` in place, `[channel, …]`, see [`ChannelScale`].
    ///
    /// # Errors
    /// If no site of the plate was fitted, or `values` do not fill the channels.
    pub fn apply(&self, plate: &str, values: &mut [f32]) -> Result<(), CropError> {
        let n_channels = self.channels.len();
        let scales = self.of_channels(plate)?;
        if n_channels == 0 || !values.len().is_multiple_of(n_channels) {
            let message = format!("{} pixels do not fill {n_channels} channels", values.len());
            return Err(CropError::Intensity { message });
        }
        let n_pixels = values.len() / n_channels;
        if n_pixels == 0 {
            return Ok(());
        }
        values.chunks_exact_mut(n_pixels).zip(scales).for_each(|(channel, scale)| scale.apply(channel));
        Ok(())
    }
}

/// At most `share` pixels of each channel, at even steps.
fn sampled(stack: &Stack, share: usize) -> Vec<Vec<f32>> {
    let n_pixels = stack.height * stack.width;
    let step = n_pixels.div_ceil(share).max(1);
    let pixels = |channel: usize| (channel * n_pixels..(channel + 1) * n_pixels).step_by(step);
    let of = |channel: usize| -> Vec<f32> {
        match &stack.values {
            PixelValues::U8(values) => pixels(channel).map(|at| f32::from(values[at])).collect(),
            PixelValues::U16(values) => pixels(channel).map(|at| f32::from(values[at])).collect(),
            PixelValues::U32(values) => pixels(channel).map(|at| values[at] as f32).collect(),
            PixelValues::F32(values) => pixels(channel).map(|at| values[at]).collect(),
        }
    };
    (0..stack.n_channels).map(of).collect()
}

/// Of sorted values, between the two nearest ranks in proportion (numpy's default); 0 of none.
fn percentile(sorted: &[f32], percent: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return 0.0 };
    let place = percent / 100.0 * last as f64;
    let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    f64::from(below) + (f64::from(above) - f64::from(below)) * place.fract()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::Source;
    use crate::load::image::{ImageSource, load_images};

    /// Two plates with a site each: pixels 0 to 100, and ten times that.
    fn screen(folder: &std::path::Path) -> ImageScreen {
        let write = |name: &str, factor: u16| {
            let pixels: Vec<u16> = (0..=100).map(|value| value * factor).collect();
            let file = std::fs::File::create(folder.join(name)).unwrap();
            let mut encoder = tiff::encoder::TiffEncoder::new(file).unwrap();
            encoder.write_image::<tiff::encoder::colortype::Gray16>(101, 1, &pixels).unwrap();
        };
        write("a.tif", 1);
        write("b.tif", 10);
        std::fs::write(folder.join("s.csv"), "plate,well,file,compound\nP,A1,a.tif,DMSO\nQ,A1,b.tif,DMSO\n").unwrap();
        let source = Source::of([folder.join("s.csv")]);
        load_images(&ImageSource { source, ..ImageSource::default() }).unwrap().usable().unwrap().screen
    }

    #[test]
    fn percentiles_are_those_of_numpy() {
        let folder = tempfile::tempdir().unwrap();
        let screen = screen(folder.path());
        // numpy.percentile(range(101), [0.5, 99.5]) is [0.5, 99.5].
        let scale = IntensityScale::fit(&screen, &[0, 1], &IntensitySettings::default(), None).unwrap();
        assert_eq!(scale.range("P").unwrap(), [(0.5, 99.5)]);
        assert_eq!(scale.range("Q").unwrap(), [(5.0, 995.0)]);
        let mut values = vec![0.5, 50.0, 99.5];
        scale.apply("P", &mut values).unwrap();
        assert_eq!(values, [0.0, 0.5, 1.0]);
        let text = serde_json::to_string(&scale).unwrap();
        assert_eq!(serde_json::from_str::<IntensityScale>(&text).unwrap(), scale);
    }

    #[test]
    fn a_plate_without_fitted_sites_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let screen = screen(folder.path());
        let scale = IntensityScale::fit(&screen, &[0], &IntensitySettings::default(), None).unwrap();
        let error = scale.apply("Q", &mut [1.0]).unwrap_err().to_string();
        assert!(error.starts_with("no site of plate `Q` was given"), "{error}");
        let settings = IntensitySettings { level: IntensityLevel::Screen, ..IntensitySettings::default() };
        let scale = IntensityScale::fit(&screen, &[0], &settings, None).unwrap();
        assert!(scale.apply("Q", &mut [1.0]).is_ok());
        assert!(matches!(IntensityScale::fit(&screen, &[], &settings, None), Err(CropError::NoSites { .. })));
        let settings = IntensitySettings { low_percentile: 99.9, ..settings };
        assert!(
            IntensityScale::fit(&screen, &[0], &settings, None)
                .unwrap_err()
                .to_string()
                .contains("the lower one first")
        );
    }

    #[test]
    fn a_constant_channel_becomes_dark() {
        assert_eq!(percentile(&[], 50.0), 0.0);
        let ranges = Ranges { low: Numbers(vec![3.0]), high: Numbers(vec![3.0]) };
        let scale = IntensityScale {
            channels: vec!["a".to_owned()],
            level: IntensityLevel::Screen,
            ranges: BTreeMap::from([(String::new(), ranges)]),
        };
        let mut values = vec![1.0, 3.0, 9.0];
        scale.apply("any", &mut values).unwrap();
        assert_eq!(values, [0.0; 3]);
    }
}
