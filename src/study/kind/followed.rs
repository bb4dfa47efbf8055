//! What time lapses and tracks share: the same objects are seen several times, so that the rows of a well are no replicates.

use crate::answer::Prepared;
use crate::embed::{EmbeddingMap, Embeddings};
use crate::normalize::NormalizeError;
use crate::pair::Part;

/// Rows that the embedding is fitted on, at most: every n-th.
const MOST_FITTED: usize = 4000;

/// The way to the principal components of the latents of training rows.
pub(super) fn principal_map(
    prepared: &Prepared,
    rows: &Embeddings,
    most: usize,
) -> Result<EmbeddingMap, NormalizeError> {
    let training = prepared.split.rows(Part::Train);
    let step = training.len().div_ceil(MOST_FITTED).max(1);
    let fitted: Vec<usize> = training.into_iter().step_by(step).collect();
    EmbeddingMap::fit(rows, &fitted, most, false)
}
