//! Random streams keyed by seed, purpose, member and step: there is no generator state to save.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};

/// What a stream of random numbers is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Initial weights.
    Weights,
    /// Which transitions and controls enter a batch.
    Pairs,
    /// SIGReg's directions.
    Slices,
    /// Dropout masks.
    Noise,
    /// Shuffles of the diagnostics.
    Diagnostics,
    /// Which part of the training data is learned from.
    Share,
}

/// The stream of one purpose at one step of one member.
pub fn stream(seed: u64, member: usize, purpose: Purpose, step: usize) -> ChaCha8Rng {
    let name = match purpose {
        Purpose::Weights => "weights",
        Purpose::Pairs => "pairs",
        Purpose::Slices => "slices",
        Purpose::Noise => "noise",
        Purpose::Diagnostics => "diagnostics",
        Purpose::Share => "share",
    };
    let key = Sha256::new()
        .chain_update(seed.to_le_bytes())
        .chain_update((member as u64).to_le_bytes())
        .chain_update((step as u64).to_le_bytes())
        .chain_update(name)
        .finalize();
    ChaCha8Rng::from_seed(key.into())
}
