//! Which rows of a screen are held out, by what the configuration says or by its query.

use super::error::StudyError;
use crate::pair::{Split, SplitBy, SplitConfig};
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

/// What to set to test on sets, where the screen has some and the split leaves none whole.
pub(super) fn advice_on_sets(screen: &Screen, config: &SplitConfig) -> Option<String> {
    let holds_out_sets = matches!(config.by, SplitBy::Condition | SplitBy::Intervention) || !config.test.is_empty();
    let treatments = screen.treatments();
    let n_sets = treatments.keys().filter(|treatment| treatment.intervention.members().len() > 1).count();
    if holds_out_sets || n_sets == 0 {
        return None;
    }
    let by_condition = SplitConfig { by: SplitBy::Condition, ..SplitConfig::default() };
    Split::new(screen, &by_condition).ok()?;
    Some(format!(
        "{n_sets} of {} treatments are sets; to test on sets that training has not seen, though it may have seen their \
         members, set `split.by = \"condition\"`",
        treatments.len()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::{SimulateConfig, Simulated};

    #[test]
    fn sets_are_pointed_at_unless_the_split_holds_them_out() {
        let screen = Simulated::new(&SimulateConfig::default()).unwrap().screen;
        let advice = |by| advice_on_sets(&screen, &SplitConfig { by, ..SplitConfig::default() });
        assert!(advice(SplitBy::Plate).unwrap().contains("split.by = \"condition\""));
        assert_eq!((advice(SplitBy::Condition), advice(SplitBy::Intervention)), (None, None));
        let is_single = |row: &usize| screen.unit(*row).intervention.members().len() < 2;
        let singles: Vec<usize> = (0..screen.n_observations()).filter(is_single).collect();
        assert_eq!(advice_on_sets(&screen.select(&singles), &SplitConfig::default()), None);
    }
}
