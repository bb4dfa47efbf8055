//! A share of the training data, drawn by a seed, and everything fitted on it anew.

use std::collections::BTreeSet;

use rand::seq::SliceRandom;

use super::Draw;
use crate::answer::Prepared;
use crate::config::Config;
use crate::load::Loaded;
use crate::pair::Split;
use crate::screen::Screen;
use crate::study::error::StudyError;
use crate::study::kind;
use crate::study::prepare::{descriptors_of, prepare_split};
use crate::study::split::split_of;
use crate::train::{Purpose, stream};

/// The screen without the training data that the draw leaves out, prepared as a run prepares its own.
///
/// What is held out is the same for all shares.
///
/// # Errors
/// As [`prepare`](crate::study::prepare()).
pub(super) fn prepare(config: &Config, loaded: &Loaded, draw: Draw) -> Result<Prepared, StudyError> {
    let split = split_of(&loaded.screen, &config.split)?;
    let rows = kept_rows(&loaded.screen, &split, draw);
    prepare_split(config, &loaded.screen.select(&rows), split.select(&rows), descriptors_of(loaded)?)
}

/// The rows that stay: everything held out, controls, and `percent` of the treatments of training, or of its wells where
/// rows are crops or windows of tracks; at least one. A smaller share of a seed is part of a larger one.
fn kept_rows(screen: &Screen, split: &Split, Draw { percent, seed }: Draw) -> Vec<usize> {
    let mut units = kind::of(screen.kind()).parts_of_training(screen, split);
    units.shuffle(&mut stream(seed, 0, Purpose::Share, 0));
    let n_kept = (units.len() * percent).div_ceil(100).max(1);
    let left_out: BTreeSet<usize> = units.iter().skip(n_kept).flatten().copied().collect();
    (0..screen.n_observations()).filter(|row| !left_out.contains(row)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pair::Part;
    use crate::study::load_screen;

    #[test]
    fn a_share_leaves_out_training_treatments_alone() {
        let mut config = Config::default();
        config.data.card = Some(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets/bbbc021/dataset.toml"));
        let loaded = load_screen(&config).unwrap();
        let screen = &loaded.screen;
        let split = split_of(screen, &config.split).unwrap();
        let kept = |percent, seed| -> BTreeSet<usize> {
            kept_rows(screen, &split, Draw { percent, seed }).into_iter().collect()
        };
        let all = kept(100, 1);
        assert_eq!(all.len(), screen.n_observations());
        let (half, tenth) = (kept(50, 1), kept(10, 1));
        assert!(tenth.is_subset(&half) && tenth.len() < half.len() && half.len() < all.len());
        assert_ne!(half, kept(50, 2));
        for row in all.difference(&tenth) {
            assert!(split.part(*row) == Part::Train && screen.unit(*row).role.is_treated());
        }
        let n_treatments = split.treatments(screen, Part::Train).len();
        let rows: Vec<usize> = tenth.iter().copied().collect();
        let left = split.select(&rows).treatments(&screen.select(&rows), Part::Train);
        assert_eq!(left.len(), n_treatments.div_ceil(10));
    }
}
