//! Which keys count for which kind of screen.
//!
//! A key that would do nothing is refused where somebody writes it, and left out of the configuration that a run writes down.

use std::collections::BTreeMap;
use std::fmt;

use super::{Config, ConfigError};
use crate::screen::{Reference, RowKind, Screen};

/// A screen as far as the settings of a run depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScreenKind {
    /// A table of profiles with control wells.
    Profiles,
    /// A table of profiles whose values are differences from control already.
    RelativeProfiles,
    /// Images of cells that were fixed: a well is seen once.
    Images,
    /// Images that follow the same objects through time.
    TimeLapse,
    /// A table of tracks, along which interventions change in time.
    Tracks,
}

use ScreenKind::{Images, Profiles, RelativeProfiles, TimeLapse, Tracks};

impl ScreenKind {
    /// All kinds.
    pub const ALL: [Self; 5] = [Profiles, RelativeProfiles, Images, TimeLapse, Tracks];

    /// The kind of a screen.
    pub fn of(screen: &Screen) -> Self {
        match screen.row_kind() {
            RowKind::Profile if screen.reference() == Reference::Relative => RelativeProfiles,
            RowKind::Profile => Profiles,
            RowKind::Crop => Images,
            RowKind::FollowedCrop => TimeLapse,
            RowKind::TrackWindow => Tracks,
        }
    }

    /// The kinds that a configuration with the sections of `config` can be for; for the first all of its keys count.
    pub fn possible(config: &Config) -> &'static [Self] {
        match (&config.images, &config.tracks) {
            (Some(_), _) => &[Images, TimeLapse],
            (None, Some(_)) => &[Tracks],
            (None, None) => &[Profiles, RelativeProfiles],
        }
    }
}

impl fmt::Display for ScreenKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Profiles => "profiles",
            RelativeProfiles => "relative profiles",
            Images => "images",
            TimeLapse => "time lapses",
            Tracks => "tracks",
        })
    }
}

/// Keys that count for some kinds of screens.
struct Effect {
    /// The dotted key of a value or of a section.
    key: &'static str,
    /// The kinds for which it changes something.
    kinds: &'static [ScreenKind],
    /// Why it changes nothing for the others.
    why: &'static str,
}

const ALL: &[ScreenKind] = &ScreenKind::ALL;
const ALL_BUT_TRACKS: &[ScreenKind] = &[Profiles, RelativeProfiles, Images, TimeLapse];
const OF_WELLS: &[ScreenKind] = &[Profiles, RelativeProfiles, Images];
const OF_TABLES: &[ScreenKind] = &[Profiles, RelativeProfiles, Tracks];
const OF_PIXELS: &[ScreenKind] = &[Images, TimeLapse];

const fn always(key: &'static str) -> Effect {
    Effect { key, kinds: ALL, why: "" }
}

/// Every key of the configuration is here, or a section that holds it.
const EFFECTS: &[Effect] = &[
    always("data"),
    Effect { key: "images", kinds: OF_PIXELS, why: "only images are cut into crops" },
    Effect { key: "tracks", kinds: &[Tracks], why: "only tracks have windows of time" },
    Effect { key: "normalize", kinds: OF_TABLES, why: "pixels are scaled by [images.intensity]" },
    always("split"),
    Effect {
        key: "pair.start",
        kinds: &[Profiles, RelativeProfiles],
        why: "closed forms expect profiles, and not pixels or tracks",
    },
    always("pair.batch"),
    Effect { key: "pair.bag", kinds: &[Profiles, Images], why: "nothing else starts from control wells" },
    Effect { key: "pair.crops", kinds: OF_WELLS, why: "only wells have several rows" },
    Effect {
        key: "pair.untreated",
        kinds: &[Images],
        why: "only crops of control wells are predicted from each other",
    },
    Effect { key: "pair.ladder", kinds: OF_WELLS, why: "objects that are followed start from what they were" },
    Effect { key: "pair.anchor_dropout", kinds: ALL_BUT_TRACKS, why: "steps of tracks have no anchor" },
    Effect { key: "pair.rollout", kinds: &[Tracks], why: "all others are predicted in one step" },
    Effect { key: "pair.augment", kinds: OF_PIXELS, why: "only crops are turned, shifted and brightened" },
    always("model.latent"),
    Effect { key: "model.center", kinds: OF_PIXELS, why: "only pixels are centered by channel" },
    Effect {
        key: "model.linear",
        kinds: &[Profiles, RelativeProfiles],
        why: "it is fitted on treatments and replicates of profiles",
    },
    always("model.encoder"),
    always("model.projector"),
    always("model.intervention"),
    always("model.predictor"),
    always("train"),
    Effect {
        key: "decoder",
        kinds: &[Profiles, RelativeProfiles],
        why: "predictions are decoded only to the features of profiles",
    },
    always("evaluate.all_folds"),
    always("evaluate.part"),
    Effect { key: "evaluate.recall_at", kinds: OF_WELLS, why: "only predictions of wells are searched for" },
    Effect { key: "evaluate.label", kinds: &[Images], why: "only wells of images are labeled by their neighbors" },
    Effect { key: "evaluate.neighbors", kinds: &[Images], why: "only wells of images are labeled by their neighbors" },
    always("evaluate.bootstrap"),
    Effect { key: "evaluate.alpha", kinds: ALL_BUT_TRACKS, why: "it is for rankings, and tracks are not ranked" },
    always("evaluate.configurations_tried"),
    Effect { key: "rank", kinds: ALL_BUT_TRACKS, why: "tracks are not ranked" },
];

/// Whether the dotted `key` is `section` or lies within it.
fn is_within(key: &str, section: &str) -> bool {
    key.strip_prefix(section).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// The keys that a configuration's text sets, with their values.
#[derive(Debug, Clone, Default)]
pub struct Written(BTreeMap<String, toml::Value>);

impl Written {
    /// The keys that `text` sets; none where it is not TOML.
    pub fn of(text: &str) -> Self {
        let mut written = Self::default();
        if let Ok(table) = text.parse() {
            written.add("", table);
        }
        written
    }

    fn add(&mut self, section: &str, table: toml::Table) {
        for (name, value) in table {
            let key = if section.is_empty() { name } else { format!("{section}.{name}") };
            match value {
                toml::Value::Table(inner) => self.add(&key, inner),
                value => drop(self.0.insert(key, value)),
            }
        }
    }

    /// Whether a key within `section` is set.
    pub(super) fn has(&self, section: &str) -> bool {
        self.0.keys().any(|key| is_within(key, section))
    }

    /// Refuses what has no effect on a screen of this kind.
    ///
    /// # Errors
    /// [`ConfigError::NoEffect`] with all such keys.
    pub fn check(&self, kind: ScreenKind) -> Result<(), ConfigError> {
        self.check_any(&[kind])
    }

    /// Refuses what has no effect on any screen that `config` can be for.
    pub(super) fn check_possible(&self, config: &Config) -> Result<(), ConfigError> {
        self.check_any(ScreenKind::possible(config))
    }

    fn check_any(&self, kinds: &[ScreenKind]) -> Result<(), ConfigError> {
        let mut idle = Vec::new();
        for Effect { key: section, kinds: counts_for, why } in EFFECTS {
            if kinds.iter().any(|kind| counts_for.contains(kind)) {
                continue;
            }
            // That images have no steps of normalization is true, and may be said.
            let is_said = |value: &toml::Value| *section == "normalize" && is_nothing(value);
            let keys = self.0.iter().filter(|(key, value)| is_within(key, section) && !is_said(value));
            idle.extend(keys.map(|(key, _)| format!("`{key}` (for {}: {why})", listed(counts_for))));
        }
        match idle.is_empty() {
            true => Ok(()),
            false => Err(ConfigError::NoEffect { kinds: listed(kinds), keys: idle.join(", ") }),
        }
    }
}

/// Whether a setting of normalization says that nothing is done.
fn is_nothing(value: &toml::Value) -> bool {
    value.as_str() == Some("none") || value.as_array().is_some_and(Vec::is_empty)
}

fn listed(kinds: &[ScreenKind]) -> String {
    kinds.iter().map(ScreenKind::to_string).collect::<Vec<_>>().join(", ")
}

impl Config {
    /// The same with every default written out that counts for a screen of this kind.
    pub fn to_toml(&self, kind: ScreenKind) -> String {
        let text = toml::to_string(self).expect("a configuration is a table of plain values");
        let mut document: toml_edit::DocumentMut = text.parse().expect("it was written as TOML");
        for Effect { key, .. } in EFFECTS.iter().filter(|effect| !effect.kinds.contains(&kind)) {
            match key.split_once('.') {
                Some((section, key)) => drop(document[section].as_table_mut().and_then(|table| table.remove(key))),
                None => drop(document.remove(key)),
            }
        }
        document.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{ImageConfig, TrackConfig};

    /// A configuration for a screen of this kind, with all sections and optional keys that it can have.
    fn whole(kind: ScreenKind) -> Config {
        let mut config = Config::default();
        config.data.card = Some("dataset.toml".into());
        config.train.from = Some("runs/a".into());
        config.images = OF_PIXELS.contains(&kind).then(ImageConfig::default);
        config.tracks = (kind == Tracks).then(TrackConfig::default);
        config
    }

    /// All keys of all kinds.
    fn keys() -> Written {
        let config = Config { images: Some(ImageConfig::default()), ..whole(Tracks) };
        Written::of(&toml::to_string(&config).unwrap())
    }

    #[test]
    fn every_key_is_in_the_table_once_and_every_row_has_a_key() {
        for key in keys().0.keys() {
            let n_rows = EFFECTS.iter().filter(|effect| is_within(key, effect.key)).count();
            assert_eq!(n_rows, 1, "`{key}` has {n_rows} rows");
        }
        for effect in EFFECTS {
            assert!(keys().has(effect.key), "no key is within `{}`", effect.key);
        }
    }

    #[test]
    fn every_key_is_refused_for_exactly_the_kinds_that_it_has_no_effect_on() {
        for effect in EFFECTS {
            for (key, value) in
                keys().0.into_iter().filter(|(key, value)| is_within(key, effect.key) && !is_nothing(value))
            {
                for kind in ScreenKind::ALL {
                    let outcome = Written(BTreeMap::from([(key.clone(), value.clone())])).check(kind);
                    if effect.kinds.contains(&kind) {
                        outcome.unwrap();
                        continue;
                    }
                    let error = outcome.unwrap_err().to_string();
                    let start = format!("delete what has no effect on {kind}: `{key}` (for {}: ", listed(effect.kinds));
                    assert!(error.starts_with(&start), "{error}");
                }
            }
        }
    }

    #[test]
    fn a_configuration_writes_down_what_counts_for_its_screen_and_reads_back_equal() {
        for kind in ScreenKind::ALL {
            let text = whole(kind).to_toml(kind);
            Written::of(&text).check(kind).unwrap();
            let counts = |effect: &&Effect| effect.kinds.contains(&kind);
            for effect in EFFECTS.iter().filter(counts) {
                assert!(Written::of(&text).has(effect.key), "{kind}: `{}` is not written down", effect.key);
            }
            let read: Config = toml::from_str(&text).unwrap();
            assert_eq!(read.to_toml(kind), text, "{kind}");
        }
        // Settings in the order of the structs, as they are documented.
        let config = whole(Profiles);
        let all = toml::to_string(&config).unwrap();
        let kept = config.to_toml(Profiles);
        let lines: Vec<&str> = kept.lines().filter(|line| !line.is_empty()).collect();
        let mut rest = all.lines();
        assert!(lines.iter().all(|line| rest.any(|other| other == *line)), "{kept}");
    }

    #[test]
    fn keys_are_refused_together_where_the_sections_tell_the_kind() {
        let error = Config::parse("[pair]\nrollout = 3\n[model]\ncenter = false\n").unwrap_err().to_string();
        assert_eq!(
            error,
            "delete what has no effect on profiles, relative profiles: `pair.rollout` (for tracks: all others are predicted \
             in one step), `model.center` (for images, time lapses: only pixels are centered by channel)"
        );
        let error = Config::parse("[tracks]\n[decoder]\nfrom_anchor = true\n").unwrap_err().to_string();
        assert!(
            error.starts_with("delete what has no effect on tracks: `decoder.from_anchor` (for profiles"),
            "{error}"
        );
    }

    #[test]
    fn images_have_no_step_of_normalization_whether_that_is_written_or_not() {
        let said = "[normalize.per_plate]\nmethod = \"none\"\n[normalize.compress]\nmethod = \"none\"\n";
        let images = "[images.crop]\nsize = 96\n[model.encoder]\nkind = \"image\"\n";
        let unsaid = Config::parse(images).unwrap();
        assert_eq!(unsaid, Config::parse(&format!("{said}{images}")).unwrap());
        assert_eq!(unsaid, Config::parse(&unsaid.to_toml(Images)).unwrap());
    }

    #[test]
    fn the_documentation_says_for_which_kinds_a_key_counts() {
        let page = include_str!("../../docs/configuration.md");
        for Effect { key, kinds, .. } in EFFECTS.iter().filter(|effect| effect.kinds.len() < ALL.len()) {
            let (section, name) = key.split_once('.').unwrap_or((key, ""));
            let section =
                page.split(&format!("\n## `[{section}]`")).nth(1).unwrap_or_else(|| panic!("no section of `{key}`"));
            let section = section.split("\n## ").next().unwrap();
            let told = format!("For {}.", listed(kinds));
            let lines: Vec<&str> = match name {
                "" => vec![section],
                name => section.lines().filter(|line| line.starts_with(&format!("| `{name}"))).collect(),
            };
            assert!(!lines.is_empty() && lines.iter().all(|line| line.contains(&told)), "`{key}`: {told}");
        }
    }
}
