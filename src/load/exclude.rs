//! Rows that a card leaves out by a query: failed plates, wells with a bubble.

use super::card::Card;
use super::error::LoadError;
use super::source::Source;
use crate::screen::{Dropped, Query, Screen};

/// The rows of `screen` that the card keeps, ascending, and what is told of the others; `None` where it leaves out none.
///
/// # Errors
/// If the query cannot be read, names no column of the screen, matches no row, or all of them. That a trained model's
/// query matches nothing in other tables is no error.
pub(super) fn kept_rows(
    screen: &Screen,
    card: &Card,
    source: &Source,
) -> Result<Option<(Vec<usize>, Dropped)>, LoadError> {
    if card.exclude.is_empty() {
        return Ok(None);
    }
    let wrong = |message: String| LoadError::Card { path: card.path.clone(), message: format!("`exclude`: {message}") };
    let query = Query::parse(&card.exclude).map_err(|error| wrong(error.to_string()))?;
    let is_excluded = query.mask(screen).map_err(|error| wrong(error.to_string()))?;
    let kept: Vec<usize> = (0..screen.n_observations()).filter(|&row| !is_excluded[row]).collect();
    let n_excluded = screen.n_observations() - kept.len();
    match (n_excluded, kept.is_empty()) {
        (0, _) if source.overrides.wanted_features.is_some() => Ok(None),
        (0, _) => Err(wrong(format!("no row satisfies `{}`; delete or correct it", card.exclude))),
        (_, true) => Err(wrong(format!("all rows satisfy `{}`; make it narrower", card.exclude))),
        _ => {
            let reason = format!("excluded by the card, {}", card.exclude);
            Ok(Some((kept, Dropped { reason, rows: n_excluded })))
        }
    }
}
