//! Observations to what the projector makes latents of: one encoder for profiles, two for images.

use burn::module::Module;
use burn::tensor::Tensor;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::conv::{ConvEncoder, ConvEncoderConfig};
use super::image::{ImageEncoder, ImageEncoderConfig};
use super::layer::{Init, Noise};
use super::profile::{ProfileEncoder, ProfileEncoderConfig};

/// Which encoder, with its settings.
///
/// In a file `kind` names it: `"profile"` (the default), `"image"` or `"conv"`. With `"image"`,
/// `preset = "lewm"`, `"small"` or `"small_48"` sets what the other keys then change.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum EncoderConfig {
    /// A residual MLP over the features of a profile.
    Profile(ProfileEncoderConfig),
    /// A vision transformer over square crops.
    Image(ImageEncoderConfig),
    /// Strided convolutions over square crops.
    Conv(ConvEncoderConfig),
}

impl Default for EncoderConfig {
    fn default() -> Self {
        Self::Profile(ProfileEncoderConfig::default())
    }
}

impl<'de> Deserialize<'de> for EncoderConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut table = Map::<String, Value>::deserialize(deserializer)?;
        let mut text = |key: &str| match table.remove(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(D::Error::custom(format!("`{key}` is {other}, expected a text"))),
        };
        let kind = text("kind")?.unwrap_or_else(|| "profile".to_owned());
        let preset = if kind == "image" { text("preset")? } else { None };
        let config = match kind.as_str() {
            "profile" => serde_json::from_value(Value::Object(table)).map(Self::Profile),
            "image" => {
                let preset = preset.as_deref().unwrap_or("small");
                let base = ImageEncoderConfig::preset(preset).ok_or_else(|| {
                    D::Error::custom(format!("`preset` is {preset:?}, expected \"lewm\", \"small\" or \"small_48\""))
                })?;
                let base = serde_json::to_value(base).map_err(D::Error::custom)?;
                let mut settings = base.as_object().cloned().unwrap_or_default();
                settings.append(&mut table);
                serde_json::from_value(Value::Object(settings)).map(Self::Image)
            }
            "conv" => serde_json::from_value(Value::Object(table)).map(Self::Conv),
            _ => {
                let problem = format!("`kind` is {kind:?}, expected \"profile\", \"image\" or \"conv\"");
                return Err(D::Error::custom(problem));
            }
        };
        config.map_err(D::Error::custom)
    }
}

/// Observations that an encoder cannot read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncoderError {
    /// The values of an observation are not those of a crop.
    #[error(
        "an observation has {found} values, but model.encoder reads {channels} channels of {size} x {size} pixels, which are {expected}; set its channels and size to those of the crops, or leave out model.encoder.kind for profiles"
    )]
    Crop {
        /// Values of an observation.
        found: usize,
        /// Channels of the encoder.
        channels: usize,
        /// Side of its crops in pixels.
        size: usize,
        /// Their product.
        expected: usize,
    },
}

impl EncoderConfig {
    /// Width of what the encoder gives to the projector.
    pub fn width(&self) -> usize {
        match self {
            Self::Profile(config) => config.width,
            Self::Image(config) => config.width,
            Self::Conv(config) => config.width,
        }
    }

    /// Channels, and side in pixels, of the crops that an encoder of images reads; `None` for profiles.
    pub fn crop(&self) -> Option<(usize, usize)> {
        match self {
            Self::Profile(_) => None,
            Self::Image(config) => Some((config.channels, config.size)),
            Self::Conv(config) => Some((config.channels, config.size)),
        }
    }

    /// Whether observations of so many values can be read.
    ///
    /// # Errors
    /// Where they are not as many as the crop's channels and pixels.
    pub fn check(&self, features: usize) -> Result<(), EncoderError> {
        let Some((channels, size)) = self.crop() else { return Ok(()) };
        let expected = channels.saturating_mul(size).saturating_mul(size);
        if features == expected {
            return Ok(());
        }
        Err(EncoderError::Crop { found: features, channels, size, expected })
    }

    /// At least how many values an encoder of so many features holds; `None` where a setting makes no encoder.
    pub(super) fn least_values(&self, features: usize) -> Option<u128> {
        match self {
            Self::Profile(config) => config.least_values(features),
            Self::Image(config) => config.least_values(),
            Self::Conv(config) => config.least_values(),
        }
    }
}

/// An encoder with its weights.
#[derive(Module, Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "a model has one encoder, and the variants are all small compared with their weights"
)]
pub enum Encoder {
    /// Of profiles.
    Profile(ProfileEncoder),
    /// Of images, by attention.
    Image(ImageEncoder),
    /// Of images, by convolutions.
    Conv(ConvEncoder),
}

impl Encoder {
    /// A fresh encoder of observations with `n_features` values.
    pub fn new(init: &mut Init, n_features: usize, config: &EncoderConfig) -> Self {
        match config {
            EncoderConfig::Profile(config) => Self::Profile(ProfileEncoder::new(init, n_features, config)),
            EncoderConfig::Image(config) => Self::Image(ImageEncoder::new(init, config)),
            EncoderConfig::Conv(config) => Self::Conv(ConvEncoder::new(init, config)),
        }
    }

    /// # Shapes
    /// - `units_uf`: `[unit, feature]`; an image is laid out `[channel, y, x]`
    /// - returns: `[unit, width]`
    pub fn forward(&self, units_uf: Tensor<2>, noise: Option<&mut Noise>) -> Tensor<2> {
        match self {
            Self::Profile(encoder) => encoder.forward(units_uf, noise),
            Self::Image(encoder) => encoder.forward(units_uf, noise),
            Self::Conv(encoder) => encoder.forward(units_uf),
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::super::parameters;
    use super::*;

    fn read(text: &str) -> Result<EncoderConfig, String> {
        toml::from_str(text).map_err(|error| error.message().to_owned())
    }

    #[test]
    fn a_profile_encoder_is_the_default_kind_and_is_written_with_it() {
        let written = toml::to_string(&EncoderConfig::default()).unwrap();
        assert_eq!(written, "kind = \"profile\"\nwidth = 128\ndepth = 1\nfeature_dropout = 0.1\n");
        for text in ["", "kind = \"profile\"", &written] {
            assert_eq!(read(text).unwrap(), EncoderConfig::default(), "{text}");
        }
    }

    #[test]
    fn every_kind_reads_back_equal() {
        for text in [
            "kind = \"image\"\nchannels = 5",
            "kind = \"image\"\npreset = \"lewm\"",
            "kind = \"image\"\npreset = \"small_48\"\ndropout = 0.1\npool = \"class\"",
            "kind = \"conv\"\nchannels = 1\nwidths = [8, 16]",
        ] {
            let config = read(text).unwrap();
            assert_eq!(read(&toml::to_string(&config).unwrap()).unwrap(), config, "{text}");
            assert_eq!(
                serde_json::from_str::<EncoderConfig>(&serde_json::to_string(&config).unwrap()).unwrap(),
                config
            );
        }
        assert_eq!(
            read("kind = \"image\"\npreset = \"lewm\"").unwrap(),
            EncoderConfig::Image(ImageEncoderConfig::lewm(3))
        );
        assert_eq!(read("kind = \"image\"\nchannels = 5").unwrap(), EncoderConfig::Image(ImageEncoderConfig::small(5)));
    }

    #[test]
    fn refuses_settings_of_another_kind() {
        let check = |text: &str, part: &str| {
            let error = read(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        };
        check("kind = \"image\"\nfeature_dropout = 0.1", "unknown field `feature_dropout`");
        check("patch = 8", "unknown field `patch`");
        check("preset = \"lewm\"", "unknown field `preset`");
        check("kind = \"vit\"", "`kind` is \"vit\", expected \"profile\", \"image\" or \"conv\"");
        check("kind = 3", "`kind` is 3, expected a text");
        check("kind = \"image\"\npreset = \"big\"", "`preset` is \"big\", expected \"lewm\"");
        check("kind = \"conv\"\nwidths = 3", "invalid type");
    }

    #[test]
    fn counts_the_values_of_a_crop() {
        let config = EncoderConfig::Image(ImageEncoderConfig::small_48(2));
        assert_eq!(config.check(2 * 48 * 48), Ok(()));
        let error = config.check(516).unwrap_err();
        assert_eq!(error, EncoderError::Crop { found: 516, channels: 2, size: 48, expected: 4608 });
        assert!(error.to_string().starts_with(
            "an observation has 516 values, but model.encoder reads 2 channels of 48 x 48 pixels, which are 4608;"
        ));
        assert_eq!(EncoderConfig::default().check(516), Ok(()));
    }

    #[test]
    fn weights_are_named_by_their_field_whatever_the_kind() {
        let (mut rng, device) = (ChaCha8Rng::seed_from_u64(0), Device::flex());
        let mut init = Init { rng: &mut rng, device: &device };
        let mut names = |config: &EncoderConfig, features| -> Vec<String> {
            parameters(&Encoder::new(&mut init, features, config)).into_keys().collect()
        };
        let profile = names(&EncoderConfig::Profile(ProfileEncoderConfig { width: 4, ..Default::default() }), 3);
        assert!(profile.iter().any(|name| name == "input.weight"), "{profile:?}");
        assert!(profile.iter().any(|name| name == "blocks.0.norm.scale"), "{profile:?}");
        let small = ImageEncoderConfig { depth: 1, ..ImageEncoderConfig::small_48(1) };
        let image = names(&EncoderConfig::Image(small), 48 * 48);
        assert!(image.iter().any(|name| name == "patches.weight"), "{image:?}");
    }

    #[test]
    fn the_least_number_of_values_is_not_above_the_true_one() {
        let (mut rng, device) = (ChaCha8Rng::seed_from_u64(0), Device::flex());
        for config in [
            EncoderConfig::default(),
            EncoderConfig::Image(ImageEncoderConfig::small_48(2)),
            EncoderConfig::Conv(ConvEncoderConfig { channels: 2, ..ConvEncoderConfig::default() }),
        ] {
            let features = config.crop().map_or(30, |(channels, size)| channels * size * size);
            let encoder = Encoder::new(&mut Init { rng: &mut rng, device: &device }, features, &config);
            let found: usize = parameters(&encoder).values().map(|array| array.values.len()).sum();
            let least = config.least_values(features).unwrap();
            assert!(least <= found as u128 && 4 * least > found as u128, "{config:?}: {least} of {found}");
        }
    }
}
