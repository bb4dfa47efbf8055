//! Which keys count for which kind of screen.
//!
//! A key that would do nothing is refused where somebody writes it, and left out of the configuration that a run writes down.

use std::collections::BTreeMap;

use super::{Config, ConfigError};
use crate::pair::StartFrom;
use crate::screen::ScreenKind;

use ScreenKind::{Images, Profiles, RelativeProfiles, TimeLapse, Tracks};

/// Keys that count for some kinds of screens.
struct Effect {
    /// The dotted key of a value or of a section.
    key: &'static str,
    /// The kinds for which it changes something.
    kinds: &'static [ScreenKind],
    /// Why it changes nothing for the others.
    why: &'static str,
    /// Makes it change nothing for them, where its default would.
    without: Option<fn(&mut Config)>,
}

const ALL: &[ScreenKind] = &ScreenKind::ALL;
const ALL_BUT_TRACKS: &[ScreenKind] = &[Profiles, RelativeProfiles, Images, TimeLapse];
const OF_WELLS: &[ScreenKind] = &[Profiles, RelativeProfiles, Images];
const OF_TABLES: &[ScreenKind] = &[Profiles, RelativeProfiles, Tracks];
const OF_PROFILES: &[ScreenKind] = &[Profiles, RelativeProfiles];
const OF_PIXELS: &[ScreenKind] = &[Images, TimeLapse];

const fn always(key: &'static str) -> Effect {
    for_some(key, ALL, "")
}

const fn for_some(key: &'static str, kinds: &'static [ScreenKind], why: &'static str) -> Effect {
    Effect { key, kinds, why, without: None }
}

/// Every key of the configuration is here, or a section that holds it.
const EFFECTS: &[Effect] = &[
    always("data"),
    for_some("images", OF_PIXELS, "only images are cut into crops"),
    for_some("tracks", &[Tracks], "only tracks have windows of time"),
    for_some("normalize", OF_TABLES, "pixels are scaled by [images.intensity]"),
    always("split"),
    Effect {
        without: Some(|config| config.pair.start = StartFrom::Controls),
        ..for_some("pair.start", OF_PROFILES, "closed forms expect profiles, and not pixels or tracks")
    },
    always("pair.batch"),
    for_some("pair.bag", &[Profiles, Images], "nothing else starts from control wells"),
    for_some("pair.crops", OF_WELLS, "only wells have several rows"),
    for_some("pair.untreated", &[Images], "only crops of control wells are predicted from each other"),
    for_some("pair.ladder", OF_WELLS, "objects that are followed start from what they were"),
    for_some("pair.anchor_dropout", ALL_BUT_TRACKS, "steps of tracks have no anchor"),
    for_some("pair.rollout", &[Tracks], "all others are predicted in one step"),
    for_some("pair.augment", OF_PIXELS, "only crops are turned, shifted and brightened"),
    always("model.latent"),
    for_some("model.center", OF_PIXELS, "only pixels are centered by channel"),
    Effect {
        without: Some(|config| config.model.linear = false),
        ..for_some("model.linear", OF_PROFILES, "it is fitted on treatments and replicates of profiles")
    },
    always("model.encoder"),
    always("model.projector"),
    always("model.intervention"),
    always("model.predictor"),
    always("train"),
    for_some("decoder", OF_PROFILES, "predictions are decoded only to the features of profiles"),
    always("evaluate.all_folds"),
    always("evaluate.part"),
    for_some("evaluate.recall_at", OF_WELLS, "only predictions of wells are searched for"),
    for_some("evaluate.label", &[Images], "only wells of images are labeled by their neighbors"),
    for_some("evaluate.neighbors", &[Images], "only wells of images are labeled by their neighbors"),
    always("evaluate.bootstrap"),
    for_some("evaluate.alpha", ALL_BUT_TRACKS, "it is for rankings, and tracks are not ranked"),
    always("evaluate.configurations_tried"),
    for_some("rank", ALL_BUT_TRACKS, "tracks are not ranked"),
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
        self.check_any(config.possible_kinds())
    }

    fn check_any(&self, kinds: &[ScreenKind]) -> Result<(), ConfigError> {
        let mut idle = Vec::new();
        for Effect { key: section, kinds: counts_for, why, .. } in EFFECTS {
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
    /// The kinds of screens that it can be for, as its sections say; for the first all of its keys count.
    pub fn possible_kinds(&self) -> &'static [ScreenKind] {
        match (&self.images, &self.tracks) {
            (Some(_), _) => OF_PIXELS,
            (None, Some(_)) => &[Tracks],
            (None, None) => OF_PROFILES,
        }
    }

    /// Takes back the defaults of keys that count for no kind that it can be for.
    pub(super) fn without_effect_of_others(&mut self) {
        let possible = self.possible_kinds();
        for effect in EFFECTS.iter().filter(|effect| !possible.iter().any(|kind| effect.kinds.contains(kind))) {
            effect.without.into_iter().for_each(|without| without(self));
        }
    }

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
    fn defaults_that_count_for_profiles_alone_do_nothing_elsewhere() {
        let starts = |text: &str| {
            let config = Config::parse(text).unwrap();
            (config.pair.start, config.model.linear)
        };
        let images = "[images.crop]\nsize = 96\n[model.encoder]\nkind = \"image\"\n";
        assert_eq!(starts(""), (StartFrom::Expected, true));
        assert_eq!([images, "[tracks]\n"].map(starts), [(StartFrom::Controls, false); 2]);
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
