//! What the user asks `normalize` to do.

use serde::{Deserialize, Serialize};

use super::NormalizeError;

/// The steps of normalization, in the order in which they are applied.
///
/// The default is the recipe of the pilot: robust per plate with the scale shrunk half-way, then asinh.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NormalizeSettings {
    /// Center and scale of each plate.
    pub per_plate: PerPlate,
    /// Features to leave out, judged on the scaled training rows, one rule after the other.
    pub select: Vec<Select>,
    /// What tames the tails.
    pub compress: Compress,
    /// What decorrelates the features.
    pub sphere: Sphere,
}

impl Default for NormalizeSettings {
    fn default() -> Self {
        Self {
            per_plate: PerPlate::Robust { shrink: default_half() },
            select: Vec::new(),
            compress: Compress::Asinh {},
            sphere: Sphere::None {},
        }
    }
}

impl NormalizeSettings {
    /// Whether values stay as they are.
    pub(super) fn has_no_step(&self) -> bool {
        let Self { per_plate, select, compress, sphere } = self;
        select.is_empty()
            && matches!((per_plate, compress, sphere), (PerPlate::None {}, Compress::None {}, Sphere::None {}))
    }
}

/// How each plate is centered and scaled, by its own negative controls.
///
/// The scale is `(1 - shrink) * plate + shrink * pooled`, where pooled is the median over the training plates; a
/// plate's own scale from six wells is too noisy to be trusted alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "method", rename_all = "snake_case", deny_unknown_fields)]
pub enum PerPlate {
    /// Leave the values as they are.
    None {},
    /// Mean and standard deviation (divided by n).
    Standardize {
        /// Weight of the pooled scale, 0 to 1.
        #[serde(default = "default_half")]
        shrink: f64,
    },
    /// Median and 1.4826 times the median absolute deviation.
    Robust {
        /// Weight of the pooled scale, 0 to 1.
        #[serde(default = "default_half")]
        shrink: f64,
    },
}

/// A monotone map that tames the tails of each feature.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "method", rename_all = "snake_case", deny_unknown_fields)]
pub enum Compress {
    /// Leave the values as they are.
    None {},
    /// Inverse hyperbolic sine: linear near zero, logarithmic far out.
    Asinh {},
    /// Normal scores of the ranks among the training rows (Blom).
    RankInt {},
    /// Cut at `limit` on both sides.
    Clip {
        /// Largest absolute value that stays.
        limit: f64,
    },
}

/// A rule that leaves features out; meaning and defaults are those of pycytominer 1.7.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "operation", rename_all = "snake_case", deny_unknown_fields)]
pub enum Select {
    /// Leave out features that hardly vary: pycytominer's `variance_threshold` and `frequency_threshold` in one.
    VarianceThreshold {
        /// Smallest ratio of the second most common value's count to the most common one's.
        #[serde(default = "default_freq_cut")]
        freq_cut: f64,
        /// Smallest ratio of distinct values to rows.
        #[serde(default = "default_unique_cut")]
        unique_cut: f64,
        /// Variance (divided by n) that a feature must exceed.
        #[serde(default = "default_min_variance")]
        min_variance: f64,
    },
    /// Of two features whose (signed) Pearson correlation exceeds `threshold`, leave out the one that correlates more with all.
    CorrelationThreshold {
        /// Largest correlation that both may stay with, 0 to 1.
        #[serde(default = "default_correlation")]
        threshold: f64,
    },
    /// Leave out features with more than `cutoff` of their rows missing.
    DropNaColumns {
        /// Largest fraction missing, 0 to 1.
        #[serde(default = "default_na_cutoff")]
        cutoff: f64,
    },
    /// Leave out features with an absolute value above `cutoff`.
    DropOutliers {
        /// Largest absolute value.
        #[serde(default = "default_outlier")]
        cutoff: f64,
    },
    /// Leave out the features with these names; names that the screen lacks are passed over.
    Blocklist {
        /// Feature names.
        names: Vec<String>,
    },
}

/// A linear map that makes the training controls uncorrelated with unit variance.
///
/// With `components`, the features are first reduced to that many principal components of all training rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "method", rename_all = "snake_case", deny_unknown_fields)]
pub enum Sphere {
    /// Leave the features as they are.
    None {},
    /// Whiten by the covariance; see [`Sphering`](super::Sphering).
    Zca {
        /// Added to every eigenvalue, as a multiple of the mean eigenvalue.
        #[serde(default = "default_epsilon")]
        epsilon: f64,
        /// Principal components kept before sphering.
        #[serde(default)]
        components: Option<usize>,
    },
    /// Whiten by the correlation.
    ZcaCor {
        /// Added to every eigenvalue, as a multiple of the mean eigenvalue (which is 1).
        #[serde(default = "default_epsilon")]
        epsilon: f64,
        /// Principal components kept before sphering.
        #[serde(default)]
        components: Option<usize>,
    },
    /// Typical variation normalization; see [`Tvn`](super::Tvn).
    Tvn {
        /// Added to the diagonal of each lab batch's control covariance.
        #[serde(default = "default_half")]
        regularization: f64,
        /// Principal components kept before it.
        #[serde(default)]
        components: Option<usize>,
    },
}

impl NormalizeSettings {
    /// Refuses numbers outside their range, by the key they have in the config.
    pub(crate) fn check(&self) -> Result<(), NormalizeError> {
        let within = |key: &str, found: f64, range: std::ops::RangeInclusive<f64>, expected: &'static str| {
            if range.contains(&found) {
                return Ok(());
            }
            Err(NormalizeError::Setting { key: key.to_owned(), found: found.to_string(), expected })
        };
        let fraction = |key: &str, found| within(key, found, 0.0..=1.0, "a number from 0 to 1");
        let positive = |key: &str, found| within(key, found, f64::MIN_POSITIVE..=f64::MAX, "a positive, finite number");
        let not_negative = |key: &str, found| within(key, found, 0.0..=f64::MAX, "a finite number, at least 0");
        match self.per_plate {
            PerPlate::None {} => {}
            PerPlate::Standardize { shrink } | PerPlate::Robust { shrink } => fraction("per_plate.shrink", shrink)?,
        }
        for rule in &self.select {
            match *rule {
                Select::VarianceThreshold { freq_cut, unique_cut, min_variance } => {
                    fraction("select.freq_cut", freq_cut)?;
                    fraction("select.unique_cut", unique_cut)?;
                    not_negative("select.min_variance", min_variance)?;
                }
                Select::CorrelationThreshold { threshold } => fraction("select.threshold", threshold)?,
                Select::DropNaColumns { cutoff } => fraction("select.cutoff", cutoff)?,
                Select::DropOutliers { cutoff } => positive("select.cutoff", cutoff)?,
                Select::Blocklist { .. } => {}
            }
        }
        if let Compress::Clip { limit } = self.compress {
            positive("compress.limit", limit)?;
        }
        match self.sphere {
            Sphere::None {} => {}
            Sphere::Zca { epsilon, .. } | Sphere::ZcaCor { epsilon, .. } => not_negative("sphere.epsilon", epsilon)?,
            Sphere::Tvn { regularization, .. } => not_negative("sphere.regularization", regularization)?,
        }
        if self.sphere.components() == Some(0) {
            let expected = "at least 1, or no `components` at all";
            return Err(NormalizeError::Setting {
                key: "sphere.components".to_owned(),
                found: "0".to_owned(),
                expected,
            });
        }
        Ok(())
    }
}

impl Sphere {
    /// Principal components asked for before sphering.
    pub(crate) fn components(&self) -> Option<usize> {
        match *self {
            Self::None {} => None,
            Self::Zca { components, .. } | Self::ZcaCor { components, .. } | Self::Tvn { components, .. } => components,
        }
    }
}

fn default_half() -> f64 {
    0.5
}

fn default_freq_cut() -> f64 {
    0.05
}

fn default_unique_cut() -> f64 {
    0.01
}

fn default_min_variance() -> f64 {
    1e-6
}

fn default_correlation() -> f64 {
    0.9
}

fn default_na_cutoff() -> f64 {
    0.05
}

fn default_outlier() -> f64 {
    500.0
}

fn default_epsilon() -> f64 {
    0.2
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<NormalizeSettings, String> {
        let settings: NormalizeSettings = toml::from_str(text).map_err(|error| error.to_string())?;
        settings.check().map_err(|error| error.to_string())?;
        Ok(settings)
    }

    #[test]
    fn an_empty_file_is_the_default() {
        assert_eq!(read("").unwrap(), NormalizeSettings::default());
    }

    #[test]
    fn reads_every_step() {
        let text = r#"
            per_plate = { method = "standardize", shrink = 0.25 }
            select = [{ operation = "variance_threshold" }, { operation = "blocklist", names = ["a"] }]
            compress = { method = "none" }
            sphere = { method = "zca_cor", epsilon = 0.1, components = 50 }
        "#;
        let settings = read(text).unwrap();
        assert_eq!(settings.per_plate, PerPlate::Standardize { shrink: 0.25 });
        assert_eq!(
            settings.select[0],
            Select::VarianceThreshold { freq_cut: 0.05, unique_cut: 0.01, min_variance: 1e-6 }
        );
        assert_eq!(settings.sphere, Sphere::ZcaCor { epsilon: 0.1, components: Some(50) });
        let again = toml::to_string(&settings).unwrap();
        assert_eq!(read(&again).unwrap(), settings);
    }

    #[test]
    fn refuses_unknown_keys_and_numbers_out_of_range() {
        for (text, expected) in [
            ("shrink = 1.0", "unknown field `shrink`"),
            (r#"per_plate = { method = "none", shrink = 0.5 }"#, "unknown field `shrink`"),
            (
                r#"per_plate = { method = "robust", shrink = 1.5 }"#,
                "`per_plate.shrink` is 1.5, expected a number from 0 to 1",
            ),
            (r#"compress = { method = "clip", limit = 0.0 }"#, "`compress.limit` is 0, expected a positive"),
            (r#"compress = { method = "clip" }"#, "missing field `limit`"),
            (r#"sphere = { method = "zca", components = 0 }"#, "`sphere.components` is 0"),
            (r#"sphere = { method = "zca", epsilon = nan }"#, "`sphere.epsilon` is NaN"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
