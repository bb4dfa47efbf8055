//! Which rows of a screen are held out, by what the configuration says or by its query.

use super::error::StudyError;
use crate::pair::{Split, SplitConfig};
use crate::plan::{PlanError, rows_of_target};
use crate::screen::Screen;

/// What each row of `screen` is for.
///
/// # Errors
/// What splitting says, or that the query for what is tested finds nothing.
pub(super) fn split_of(screen: &Screen, config: &SplitConfig) -> Result<Split, StudyError> {
    if config.test.is_empty() {
        return Ok(Split::new(screen, config)?);
    }
    let rows = rows_of_target(screen, &config.test).map_err(PlanError::from)?;
    Ok(Split::holding_out(screen, &rows, config)?)
}
