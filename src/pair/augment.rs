//! Changes of a crop that leave its biology as it was.
//!
//! A microscope has no up and no left, an object is centered only roughly, and staining and exposure differ from well to
//! well. Nothing is scaled, sheared or recolored across channels: size, shape and co-localization are what a screen measures.

use rand::{Rng, RngExt};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// How crops are changed in training.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "method", rename_all = "snake_case", deny_unknown_fields)]
pub enum Augment {
    /// Not at all.
    None {},
    /// In one random way for each crop.
    Random {
        /// One of the eight flips and quarter turns.
        #[serde(default = "default_true")]
        turns: bool,
        /// Most pixels by which a crop is shifted each way; its border is drawn out over what comes into view.
        #[serde(default = "default_shift")]
        shift: usize,
        /// Most by which the natural logarithm of each channel's brightness changes: 0.1 is about 10 %.
        ///
        /// It multiplies, so that it is for intensities whose zero is darkness.
        #[serde(default = "default_brightness")]
        brightness: f32,
    },
}

impl Default for Augment {
    fn default() -> Self {
        Self::Random { turns: true, shift: default_shift(), brightness: default_brightness() }
    }
}

fn default_true() -> bool {
    true
}

fn default_shift() -> usize {
    2
}

fn default_brightness() -> f32 {
    0.1
}

/// Extents of a square crop, laid out `[channel, y, x]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CropShape {
    /// Channels.
    pub channels: usize,
    /// Side in pixels.
    pub size: usize,
}

impl CropShape {
    /// Values of a crop.
    pub fn n_values(self) -> usize {
        self.channels * self.size * self.size
    }
}

/// What is done to one crop.
#[derive(Debug, Clone, PartialEq)]
struct Change {
    /// Whether y and x change places.
    is_transposed: bool,
    /// Whether y, then x, runs backward.
    is_flipped: [bool; 2],
    /// Pixels by which y, then x, is shifted.
    shift: [isize; 2],
    /// Factor of each channel's brightness.
    brightness: Vec<f32>,
}

impl Augment {
    /// Changes one crop in place, as `rng` decides.
    ///
    /// # Shapes
    /// - `crop`: `[channel, y, x]`; left as it is where it has not as many values as `shape` says
    pub fn apply(&self, crop: &mut [f32], shape: CropShape, rng: &mut impl Rng) {
        if let Some(change) = self.draw(shape, rng) {
            change.apply(crop, shape);
        }
    }

    /// Changes each crop of a batch in its own way, on all cores; `rng` is drawn from in the order of the crops.
    ///
    /// # Shapes
    /// - `units_uf`: `[unit, channel * y * x]`
    pub fn apply_to_all(&self, units_uf: &mut [f32], shape: CropShape, rng: &mut impl Rng) {
        let n_values = shape.n_values();
        if matches!(self, Self::None {}) || n_values == 0 {
            return;
        }
        let changes: Vec<Option<Change>> = units_uf.chunks_exact(n_values).map(|_| self.draw(shape, rng)).collect();
        units_uf.par_chunks_exact_mut(n_values).zip(changes).for_each(|(crop, change)| {
            if let Some(change) = change {
                change.apply(crop, shape);
            }
        });
    }

    fn draw(&self, shape: CropShape, rng: &mut impl Rng) -> Option<Change> {
        let Self::Random { turns, shift, brightness } = *self else { return None };
        let mut coin = || turns && rng.random_bool(0.5);
        let (is_transposed, is_flipped) = (coin(), [coin(), coin()]);
        let most = shift.min(shape.size) as i64;
        let shift = [(); 2].map(|()| rng.random_range(-most..=most) as isize);
        let brightness = (0..shape.channels).map(|_| (brightness * rng.random_range(-1.0f32..=1.0)).exp()).collect();
        Some(Change { is_transposed, is_flipped, shift, brightness })
    }
}

impl Change {
    fn apply(&self, crop: &mut [f32], shape: CropShape) {
        let size = shape.size;
        if crop.len() != shape.n_values() || crop.is_empty() {
            return;
        }
        let [rows, columns] = [0, 1].map(|axis| self.sources(axis, size));
        let mut before = vec![0.0; size * size];
        for (channel, brightness) in crop.chunks_exact_mut(size * size).zip(&self.brightness) {
            before.copy_from_slice(channel);
            for (row, &y) in channel.chunks_exact_mut(size).zip(&rows) {
                for (value, &x) in row.iter_mut().zip(&columns) {
                    let index = if self.is_transposed { x * size + y } else { y * size + x };
                    *value = brightness * before[index];
                }
            }
        }
    }

    /// Where along an axis each pixel comes from.
    fn sources(&self, axis: usize, size: usize) -> Vec<usize> {
        let source = |pixel: usize| {
            let shifted = (pixel as isize - self.shift[axis]).clamp(0, size as isize - 1) as usize;
            if self.is_flipped[axis] { size - 1 - shifted } else { shifted }
        };
        (0..size).map(source).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    const SHAPE: CropShape = CropShape { channels: 2, size: 3 };

    fn crop() -> Vec<f32> {
        (1..=18).map(|value| value as f32).collect()
    }

    fn changed(augment: Augment, seed: u64) -> Vec<f32> {
        let mut crop = crop();
        augment.apply(&mut crop, SHAPE, &mut ChaCha8Rng::seed_from_u64(seed));
        crop
    }

    fn change() -> Change {
        Change { is_transposed: false, is_flipped: [false; 2], shift: [0; 2], brightness: vec![1.0; 2] }
    }

    fn check(change: Change, expected: [f32; 9]) {
        let mut crop = crop();
        change.apply(&mut crop, SHAPE);
        assert_eq!(crop[..9], expected, "{change:?}");
    }

    #[test]
    fn each_change_does_what_its_name_says() {
        check(change(), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]);
        check(Change { is_transposed: true, ..change() }, [1.0, 4.0, 7.0, 2.0, 5.0, 8.0, 3.0, 6.0, 9.0]);
        check(Change { is_flipped: [true, false], ..change() }, [7.0, 8.0, 9.0, 4.0, 5.0, 6.0, 1.0, 2.0, 3.0]);
        check(Change { is_flipped: [false, true], ..change() }, [3.0, 2.0, 1.0, 6.0, 5.0, 4.0, 9.0, 8.0, 7.0]);
        check(Change { shift: [1, 0], ..change() }, [1.0, 2.0, 3.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        check(Change { shift: [0, -1], ..change() }, [2.0, 3.0, 3.0, 5.0, 6.0, 6.0, 8.0, 9.0, 9.0]);
        check(Change { brightness: vec![2.0, 1.0], ..change() }, [2.0, 4.0, 6.0, 8.0, 10.0, 12.0, 14.0, 16.0, 18.0]);
    }

    #[test]
    fn turns_are_the_eight_symmetries_of_the_square_alike_in_all_channels() {
        let turns = Augment::Random { turns: true, shift: 0, brightness: 0.0 };
        let mut seen = BTreeSet::new();
        for seed in 0..200 {
            let crop = changed(turns, seed);
            let channels: Vec<Vec<i32>> =
                crop.chunks(9).map(|c| c.iter().map(|&value| value as i32).collect()).collect();
            assert!(channels[0].iter().zip(&channels[1]).all(|(first, second)| first + 9 == *second));
            assert_eq!(channels[0][4], 5, "the center stays");
            seen.insert(channels[0].clone());
        }
        assert_eq!(seen.len(), 8);
    }

    #[test]
    fn brightness_is_one_factor_for_each_channel() {
        let brighter = Augment::Random { turns: false, shift: 0, brightness: 0.2 };
        let mut factors = Vec::new();
        for seed in 0..50 {
            let found = changed(brighter, seed);
            let ratios: Vec<f32> = found.iter().zip(crop()).map(|(found, before)| found / before).collect();
            for channel in ratios.chunks(9) {
                assert!(channel.iter().all(|ratio| (ratio - channel[0]).abs() < 1e-5), "{channel:?}");
                assert!((channel[0].ln()).abs() <= 0.2 + 1e-5);
                factors.push(channel[0]);
            }
            assert_ne!(ratios[0], ratios[9], "channels change apart");
        }
        assert!(factors.iter().any(|&factor| factor > 1.1) && factors.iter().any(|&factor| factor < 0.9));
    }

    #[test]
    fn off_changes_and_draws_nothing() {
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        let mut units = crop();
        Augment::None {}.apply_to_all(&mut units, SHAPE, &mut rng);
        Augment::None {}.apply(&mut units, SHAPE, &mut rng);
        assert_eq!(units, crop());
        assert_eq!(rng, ChaCha8Rng::seed_from_u64(4));
        let still = Augment::Random { turns: false, shift: 0, brightness: 0.0 };
        assert_eq!(changed(still, 1), crop());
    }

    #[test]
    fn a_batch_is_changed_crop_by_crop_from_one_stream() {
        let augment = Augment::Random { turns: true, shift: 1, brightness: 0.1 };
        let mut all = crop().repeat(5);
        augment.apply_to_all(&mut all, SHAPE, &mut ChaCha8Rng::seed_from_u64(9));
        let mut rng = ChaCha8Rng::seed_from_u64(9);
        let mut seen = Vec::new();
        for found in all.chunks(18) {
            let mut expected = crop();
            augment.apply(&mut expected, SHAPE, &mut rng);
            assert_eq!(found, expected);
            assert!(!seen.contains(&expected));
            seen.push(expected);
        }
    }

    #[test]
    fn settings_read_back_and_have_defaults() {
        let read = |text: &str| toml::from_str::<Augment>(text);
        assert_eq!(read("method = \"none\"").unwrap(), Augment::None {});
        let random = read("method = \"random\"").unwrap();
        assert_eq!(random, Augment::Random { turns: true, shift: 2, brightness: 0.1 });
        assert_eq!(random, Augment::default());
        assert_eq!(read(&toml::to_string(&random).unwrap()).unwrap(), random);
        assert!(read("method = \"random\"\nscale = 2").unwrap_err().to_string().contains("unknown field `scale`"));
        assert!(read("method = \"none\"\nshift = 2").is_err());
    }
}
