//! Where the numbers come from: version, seed, inputs, configuration.

use serde::Serialize;

use super::folder::RunFiles;

/// The section at the end.
#[derive(Debug, Serialize)]
pub(super) struct Provenance {
    /// Names and values.
    pub(super) facts: Vec<(&'static str, String)>,
    inputs: Vec<(String, String, String)>,
    dropped: Vec<(String, usize)>,
    notes: Vec<String>,
    config: String,
}

impl Provenance {
    pub(super) fn of(files: &RunFiles) -> Self {
        // What changes while a run ends, its state and its list of files, is not shown: the page is one of those files.
        let manifest = &files.manifest;
        let mut facts = vec![("Version", format!("cytonaut {}", manifest.cytonaut))];
        facts.extend(manifest.seed.map(|seed| ("Seed", seed.to_string())));
        facts.extend(manifest.device.clone().map(|device| ("Device", device)));
        facts.push(("SHA-256 of config.toml", manifest.config_sha256.clone()));
        Self {
            facts,
            inputs: manifest
                .inputs
                .iter()
                .map(|input| (input.name.clone(), input.bytes.to_string(), input.sha256.clone()))
                .collect(),
            dropped: manifest.dropped.iter().map(|dropped| (dropped.reason.clone(), dropped.rows)).collect(),
            notes: manifest.notes.clone(),
            config: files.config_text.clone(),
        }
    }
}
