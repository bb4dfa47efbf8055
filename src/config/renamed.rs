//! Keys of earlier versions, refused with what to write instead; `CHANGELOG.md` holds the same table.

use super::ConfigError;

/// Dotted key, and what to write instead.
const RENAMED: &[(&str, &str)] = &[
    ("model.intervention.dose", "delete it; doses enter by saturating responses"),
    ("evaluate.pca", "delete it; `denoised_interpolation` has nothing to set"),
    ("model.predictor.history", "delete it; the predictor of a screen sees one latent"),
    ("model.predictor.heads", "delete it; the predictor of a screen sees one latent and has no attention"),
    ("model.predictor.head_width", "delete it; the predictor of a screen sees one latent and has no attention"),
    ("train.sigreg.mode", "delete it; all units of a batch are tested together"),
];

/// Dotted key, a value of it, and what took its place.
const RENAMED_VALUES: &[(&str, &str, &str)] = &[("rank.by", "blend", "`combined`, all methods by their weights")];

/// # Errors
/// [`ConfigError::Renamed`] for the first such key in `text`, [`ConfigError::Value`] for the first such value. A text that is not TOML passes: reading it says why it is not.
pub(super) fn refuse(text: &str) -> Result<(), ConfigError> {
    let Ok(table) = text.parse::<toml::Table>() else { return Ok(()) };
    let root = toml::Value::Table(table);
    let at = |key: &str| key.split('.').try_fold(&root, |value, part| value.get(part));
    for &(key, instead) in RENAMED {
        if at(key).is_some() {
            return Err(ConfigError::Renamed { key, instead });
        }
    }
    for &(key, old, instead) in RENAMED_VALUES {
        if at(key).and_then(toml::Value::as_str) == Some(old) {
            return Err(ConfigError::Value { key: key.into(), found: format!("`{old}`"), expected: instead.into() });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    #[test]
    fn an_old_key_is_refused_with_what_to_write_and_the_changelog_knows_it() {
        let changelog = include_str!("../../CHANGELOG.md");
        for &(key, instead) in RENAMED {
            let error = Config::parse(&format!("{key} = 1")).unwrap_err().to_string();
            assert_eq!(error, format!("`{key}` is a key of an earlier version: {instead}"));
            assert!(changelog.contains(&format!("| `{key}` |")), "CHANGELOG.md lacks `{key}`");
        }
    }

    #[test]
    fn an_old_value_is_refused_with_what_took_its_place() {
        let error = Config::parse("[rank]\nby = \"blend\"").unwrap_err().to_string();
        assert_eq!(error, "`rank.by` is `blend`, expected `combined`, all methods by their weights");
    }
}
