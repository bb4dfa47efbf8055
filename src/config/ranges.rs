//! What every number of a configuration may be, told before any data are loaded.
//!
//! Upper ends are far above any use: they keep a slip of the keyboard from asking for more memory than there is.

use super::{Config, ConfigError};
use crate::crop::ImageConfig;
use crate::load::TrackConfig;
use crate::model::{EncoderConfig, Head, ImageEncoderConfig, ProjectorNorm};
use crate::normalize::{Compress, NormalizeError, NormalizeSettings, PerPlate, Sphere};
use crate::pair::SplitBy;
use crate::train::Objective;

/// Largest width of a layer, and largest count of heads, curves and components.
const MAX_WIDTH: usize = 65_536;

/// Most blocks of a network.
const MAX_DEPTH: usize = 1_000;

/// Most channels of a crop, and its largest side in pixels.
const MAX_CROP: usize = 4_096;

impl Config {
    /// Whether every value is in its range.
    ///
    /// # Errors
    /// Names the first key that is not, with its range.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.check_normalize()?;
        self.check_split()?;
        self.check_model()?;
        self.check_sections()?;
        self.check_train()?;
        let lambdas = &self.decoder.lambdas;
        each(
            "decoder.lambdas",
            lambdas,
            |&value| value > 0.0 && value.is_finite(),
            "finite numbers above 0, at least one",
        )?;
        self.check_evaluate()
    }

    fn check_normalize(&self) -> Result<(), ConfigError> {
        self.normalize.check().map_err(|error| match error {
            NormalizeError::Setting { key, found, expected } => {
                ConfigError::Value { key: format!("normalize.{key}"), found, expected: expected.to_owned() }
            }
            other => ConfigError::Value {
                key: "normalize".to_owned(),
                found: "wrong".to_owned(),
                expected: other.to_string(),
            },
        })
    }

    /// What the sections that tell the kind of a screen and the other settings ask of each other.
    fn check_sections(&self) -> Result<(), ConfigError> {
        match (&self.images, &self.tracks) {
            (Some(_), Some(_)) => {
                check("images", "given together with [tracks]", false, "one of [images] and [tracks]")
            }
            (Some(images), None) => self.check_images(images),
            (None, Some(tracks)) => self.check_encoder_of_table().and_then(|()| self.check_tracks(tracks)),
            (None, None) => self.check_encoder_of_table(),
        }
    }

    fn check_encoder_of_table(&self) -> Result<(), ConfigError> {
        let is_of_table = self.model.encoder.crop().is_none();
        let expected = "`profile`, because there is no [images]; name the crops there";
        check("model.encoder.kind", "an encoder of images", is_of_table, expected)
    }

    fn check_images(&self, images: &ImageConfig) -> Result<(), ConfigError> {
        whole("images.crop.size", images.crop.size, 1, MAX_CROP)?;
        whole("images.crop.binning", images.crop.binning, 1, 256)?;
        if let Some((_, size)) = self.model.encoder.crop() {
            let expected = format!("images.crop.size = {}", images.crop.size);
            check("model.encoder.size", size, size == images.crop.size, &expected)?;
        }
        let NormalizeSettings { per_plate, select, compress, sphere } = &self.normalize;
        let is_none = *per_plate == PerPlate::None {}
            && select.is_empty()
            && *compress == Compress::None {}
            && *sphere == Sphere::None {};
        let expected = "`none` for every step, because [images.intensity] scales images; delete [normalize]";
        check("normalize", "a change of features", is_none, expected)
    }

    fn check_tracks(&self, tracks: &TrackConfig) -> Result<(), ConfigError> {
        whole("tracks.window", tracks.window, 1, MAX_CROP)?;
        not_below("tracks.seen_minutes", tracks.seen_minutes)?;
        let is_free = self.model.predictor.head != Head::Anchored;
        check(
            "model.predictor.head",
            "anchored",
            is_free,
            "`residual` or `published` with [tracks], whose steps have no anchor",
        )
    }

    fn check_split(&self) -> Result<(), ConfigError> {
        let split = &self.split;
        share("split.validation", split.validation)?;
        share("split.calibration", split.calibration)?;
        let sum = split.validation + split.calibration;
        check(
            "split.validation + split.calibration",
            sum,
            sum < 1.0,
            "below 1, so that something is left to train on",
        )?;
        let (least, expected) = match split.by {
            SplitBy::Dose => (3, "0, or 3 to 100000 with split.by = \"dose\""),
            _ => (2, "0, or 2 to 100000"),
        };
        let folds = split.folds;
        check("split.folds", folds, folds == 0 || (least..=100_000).contains(&folds), expected)?;
        check("split.fold", split.fold, split.fold < folds.max(1), "below split.folds; folds are counted from 0")?;
        let has_folds = !self.evaluate.all_folds || folds > 0;
        check("evaluate.all_folds", self.evaluate.all_folds, has_folds, "false where split.folds = 0")
    }

    fn check_model(&self) -> Result<(), ConfigError> {
        let model = &self.model;
        whole("model.latent", model.latent, 2, MAX_WIDTH)?;
        check_encoder(&model.encoder)?;
        whole("model.projector.hidden", model.projector.hidden, 1, MAX_WIDTH)?;
        whole("model.intervention.width", model.intervention.width, 1, MAX_WIDTH)?;
        whole("model.intervention.curves", model.intervention.curves, 1, 1_000)?;
        share("model.intervention.identity_dropout", f64::from(model.intervention.identity_dropout))?;
        whole("model.predictor.depth", model.predictor.depth, 1, MAX_DEPTH)?;
        whole("model.predictor.mlp_width", model.predictor.mlp_width, 1, MAX_WIDTH)?;
        share("model.predictor.dropout", f64::from(model.predictor.dropout))
    }

    fn check_train(&self) -> Result<(), ConfigError> {
        whole("pair.batch", self.pair.batch, 2, 1_000_000)?;
        whole("pair.bag", self.pair.bag, 1, 1_000_000)?;
        whole("pair.crops", self.pair.crops, 1, 1_000_000)?;
        share("pair.ladder", self.pair.ladder)?;
        share("pair.anchor_dropout", self.pair.anchor_dropout)?;
        whole("pair.rollout", self.pair.rollout, 1, 10_000)?;
        let train = &self.train;
        whole("train.members", train.members, 1, 1_000)?;
        whole("train.steps", train.steps, 1, 1_000_000_000)?;
        above("train.learning_rate", train.learning_rate)?;
        share("train.warmup", train.warmup)?;
        not_below("train.weight_decay", train.weight_decay)?;
        above("train.clip", train.clip)?;
        whole("train.micro_batches", train.micro_batches, 1, 4_096)?;
        let fits = train.micro_batches == 1 || self.model.projector.norm == ProjectorNorm::Layer;
        check(
            "train.micro_batches",
            train.micro_batches,
            fits,
            "1 with model.projector.norm = \"batch\", which couples all rows of a batch; set that to \"layer\" for more",
        )?;
        whole("train.log_every", train.log_every, 1, usize::MAX)?;
        whole("train.evaluate_every", train.evaluate_every, 1, usize::MAX)?;
        whole("train.checkpoint_every", train.checkpoint_every, 1, usize::MAX)?;
        match &train.objective {
            Objective::Lewm(sigreg) => {
                not_below("train.sigreg.lambda", sigreg.lambda)?;
                whole("train.sigreg.slices", sigreg.slices, 1, 1_000_000)?;
                whole("train.sigreg.knots", sigreg.knots, 3, 10_000)?;
                above("train.sigreg.range", f64::from(sigreg.range))
            }
            Objective::Ema(ema) => share("train.ema.momentum", ema.momentum),
            Objective::Vicreg(vicreg) => {
                not_below("train.vicreg.variance", vicreg.variance)?;
                not_below("train.vicreg.covariance", vicreg.covariance)
            }
            Objective::Frozen => Ok(()),
        }
    }

    fn check_evaluate(&self) -> Result<(), ConfigError> {
        let evaluate = &self.evaluate;
        whole("evaluate.recall_at", evaluate.recall_at, 1, usize::MAX)?;
        whole("evaluate.neighbors", evaluate.neighbors, 1, usize::MAX)?;
        whole("evaluate.bootstrap.resamples", evaluate.bootstrap.resamples, 100, 10_000_000)?;
        let alpha = evaluate.alpha;
        check("evaluate.alpha", alpha, alpha > 0.0 && alpha < 1.0, "between 0 and 1")?;
        whole("evaluate.configurations_tried", evaluate.configurations_tried, 1, usize::MAX)
    }
}

fn check_encoder(encoder: &EncoderConfig) -> Result<(), ConfigError> {
    whole("model.encoder.width", encoder.width(), 1, MAX_WIDTH)?;
    match encoder {
        EncoderConfig::Profile(profile) => {
            whole("model.encoder.depth", profile.depth, 0, MAX_DEPTH)?;
            share("model.encoder.feature_dropout", f64::from(profile.feature_dropout))
        }
        EncoderConfig::Image(image) => {
            let ImageEncoderConfig { channels, size, patch, width, heads, .. } = *image;
            check_crop(channels, size)?;
            let is_whole = patch > 0 && size.is_multiple_of(patch);
            check("model.encoder.patch", patch, is_whole, &format!("a divisor of model.encoder.size = {size}"))?;
            whole("model.encoder.depth", image.depth, 0, MAX_DEPTH)?;
            let is_whole = heads > 0 && width.is_multiple_of(heads);
            check("model.encoder.heads", heads, is_whole, &format!("a divisor of model.encoder.width = {width}"))?;
            whole("model.encoder.mlp_width", image.mlp_width, 1, MAX_WIDTH)?;
            share("model.encoder.dropout", f64::from(image.dropout))
        }
        EncoderConfig::Conv(conv) => {
            check_crop(conv.channels, conv.size)?;
            let is_right = |width: &usize| (1..=MAX_CROP).contains(width);
            each("model.encoder.widths", &conv.widths, is_right, "numbers from 1 to 4096, at least one")
        }
    }
}

fn check_crop(channels: usize, size: usize) -> Result<(), ConfigError> {
    whole("model.encoder.channels", channels, 1, MAX_CROP)?;
    whole("model.encoder.size", size, 1, MAX_CROP)
}

fn check(key: &str, found: impl ToString, is_right: bool, expected: &str) -> Result<(), ConfigError> {
    if is_right {
        return Ok(());
    }
    Err(ConfigError::Value { key: key.to_owned(), found: found.to_string(), expected: expected.to_owned() })
}

/// A whole number from `least` to `most`, of which `usize::MAX` is none.
fn whole(key: &str, found: usize, least: usize, most: usize) -> Result<(), ConfigError> {
    let expected = if most == usize::MAX { format!("at least {least}") } else { format!("{least} to {most}") };
    check(key, found, (least..=most).contains(&found), &expected)
}

fn share(key: &str, found: f64) -> Result<(), ConfigError> {
    check(key, found, (0.0..1.0).contains(&found), "at least 0 and below 1")
}

fn above(key: &str, found: f64) -> Result<(), ConfigError> {
    check(key, found, found > 0.0 && found.is_finite(), "a finite number above 0")
}

fn not_below(key: &str, found: f64) -> Result<(), ConfigError> {
    check(key, found, found >= 0.0 && found.is_finite(), "a finite number, at least 0")
}

fn each<T: std::fmt::Debug>(
    key: &str,
    found: &[T],
    is_right: impl Fn(&T) -> bool,
    expected: &str,
) -> Result<(), ConfigError> {
    check(key, format!("{found:?}"), !found.is_empty() && found.iter().all(is_right), expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_out_of_its_range_is_named() {
        let check = |text: &str, key: &str| {
            let error = Config::parse(text).unwrap_err();
            assert!(matches!(&error, ConfigError::Value { key: found, .. } if found == key), "{text}: {error}");
        };
        check("normalize.per_plate = { method = \"robust\", shrink = 1.5 }", "normalize.per_plate.shrink");
        check("normalize.compress = { method = \"clip\", limit = 0.0 }", "normalize.compress.limit");
        check("normalize.sphere = { method = \"zca\", epsilon = -1.0 }", "normalize.sphere.epsilon");
        check("normalize.sphere = { method = \"tvn\", components = 0 }", "normalize.sphere.components");
        check("normalize.select = [{ operation = \"drop_na_columns\", cutoff = 2.0 }]", "normalize.select.cutoff");
        check("split = { validation = 0.6, calibration = 0.5 }", "split.validation + split.calibration");
        check("split.folds = 2", "split.folds");
        check("split.fold = 5", "split.fold");
        check("split.folds = 0\nevaluate.all_folds = true", "evaluate.all_folds");
        check("model.latent = 1", "model.latent");
        check("model.latent = 1000000000000", "model.latent");
        check("model.encoder.depth = 1000000", "model.encoder.depth");
        let image = |rest: &str| format!("[model.encoder]\nkind = \"image\"\n{rest}");
        check(&image("patch = 7"), "model.encoder.patch");
        check(&image("heads = 5"), "model.encoder.heads");
        check(&image("size = 0"), "model.encoder.size");
        check(&image("channels = 5000"), "model.encoder.channels");
        check(&image("mlp_width = 0"), "model.encoder.mlp_width");
        check(&image("dropout = 1.0"), "model.encoder.dropout");
        check("[model.encoder]\nkind = \"conv\"\nwidths = []", "model.encoder.widths");
        check(&image(""), "model.encoder.kind");
        check(&format!("[images.crop]\nsize = 48\n{}", image("size = 96")), "model.encoder.size");
        check("[images.crop]\nsize = 0", "images.crop.size");
        check("[images.crop]\nbinning = 0", "images.crop.binning");
        check("[images.crop]\nsize = 48\n[normalize.compress]\nmethod = \"asinh\"", "normalize");
        check("model.predictor.dropout = 1.0", "model.predictor.dropout");
        check("pair.bag = 0", "pair.bag");
        check("pair.rollout = 0", "pair.rollout");
        check("[tracks]\nwindow = 0", "tracks.window");
        check("[tracks]\nseen_minutes = -1.0", "tracks.seen_minutes");
        check("[tracks]\n[model.predictor]\nhead = \"anchored\"", "model.predictor.head");
        check("pair.crops = 0", "pair.crops");
        check("train.members = 0", "train.members");
        check("train.learning_rate = nan", "train.learning_rate");
        check("train.learning_rate = inf", "train.learning_rate");
        check("train.weight_decay = -1.0", "train.weight_decay");
        check("train.micro_batches = 2", "train.micro_batches");
        check("train.sigreg.lambda = -0.1", "train.sigreg.lambda");
        check("train.objective = 'ema'\ntrain.ema.momentum = 1.5", "train.ema.momentum");
        check("decoder.lambdas = []", "decoder.lambdas");
        check("decoder.lambdas = [1.0, -1.0]", "decoder.lambdas");
        check("evaluate.bootstrap.resamples = 0", "evaluate.bootstrap.resamples");
        check("evaluate.alpha = 1.0", "evaluate.alpha");
        check("evaluate.recall_at = 0", "evaluate.recall_at");
        check("evaluate.neighbors = 0", "evaluate.neighbors");
    }

    #[test]
    fn a_message_holds_key_value_and_range() {
        let error = Config::parse("evaluate.bootstrap.resamples = 7").unwrap_err();
        assert_eq!(error.to_string(), "`evaluate.bootstrap.resamples` is 7, expected 100 to 10000000");
    }
}
