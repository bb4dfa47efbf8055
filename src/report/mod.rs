//! One self-contained HTML file of a run, drawn from its folder alone; it draws and never computes a statistic.
//!
//! ```text
//! qc.parquet  evaluation.json  manifest.json  metrics.jsonl  config.toml  embeddings.parquet  ranking.parquet
//!        └──────────────┴───────────────┴──── RunFiles ────────────┴───────────────────┘
//!                                                 │ sections: numbers as words, figures as SVG
//!                                                 ▼
//!                              page.html + page.css + page.js -> report.html
//! ```
//!
//! The page works without a network, without scripts and on paper; the script adds sorting, filters, colors and search. A
//! section whose file is absent is left out. Names come from data: the template escapes them, `drawing` escapes them in
//! figures, and the data of the script cannot end their element. The same run gives the same bytes.

mod drawing;
mod effects;
mod folder;
mod map;
mod methods;
mod plates;
mod provenance;
mod ranking;
mod text;
mod training;
mod verdict;
mod wells;

use std::io::Write;
use std::path::Path;

use minijinja::Environment;
use minijinja::value::Serde;
use serde::Serialize;

use crate::embed::Embeddings;
use crate::run::{Artifact, RunError};
use crate::table::{FileError, write_atomically};
use drawing::Drawing;
use effects::Effects;
use folder::RunFiles;
use map::{Map, MapData};
use methods::{Comparison, Coverage};
use plates::{PlateData, Plates};
use provenance::Provenance;
use ranking::PickList;
use training::Training;
use verdict::Opening;

const PAGE: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/page.css");
const SCRIPT: &str = include_str!("page/page.js");

/// A run as one page.
pub struct Report {
    sections: Sections,
    figures: Vec<(String, Drawing)>,
}

/// What the template shows; a section is `None` or empty where the run has nothing for it.
#[derive(Serialize)]
struct Sections {
    opening: Opening,
    plates: Option<Plates>,
    effects: Option<Effects>,
    comparisons: Vec<Comparison>,
    coverage: Vec<Coverage>,
    notes: Vec<String>,
    training: Option<Training>,
    map: Option<Map>,
    ranking: Option<PickList>,
    provenance: Provenance,
    n_folds: usize,
}

/// What the script reads.
#[derive(Serialize)]
struct Data<'a> {
    map: Option<&'a MapData>,
    plates: Option<&'a PlateData>,
}

impl Report {
    /// The report of the run in `folder`; of an unfinished run, what is there.
    ///
    /// # Errors
    /// Where there is not a run, or one of its files cannot be read.
    pub fn of(folder: &Path) -> Result<Self, RunError> {
        let files = RunFiles::read(folder)?;
        let comparisons = files.evaluation.as_ref().map(methods::comparisons).unwrap_or_default();
        let coverage = files.evaluation.as_ref().map(methods::coverage).unwrap_or_default();
        let training = Training::of(&files);
        let of_interventions = Artifact::InterventionEmbeddings.path_in(folder);
        let means = if of_interventions.exists() { Some(Embeddings::read(&of_interventions)?) } else { None };
        let map = files.embeddings.as_ref().and_then(|(rows, source)| Map::of(rows, source, means.as_ref()));
        let ranking = files.ranking.as_ref().map(PickList::of);
        let plates = files.plates.as_ref().map(Plates::of).transpose()?.flatten();
        let effects = files.plates.as_ref().map(|tables| Effects::of(&tables.wells)).transpose()?.flatten();
        let mut figures: Vec<(String, Drawing)> = comparisons.iter().map(Comparison::figure).collect();
        figures.extend(training.iter().flat_map(Training::figures));
        figures.extend(map.iter().map(Map::figure));
        figures.extend(ranking.iter().flat_map(PickList::figures));
        figures.extend(plates.iter().flat_map(Plates::figures));
        figures.extend(effects.iter().flat_map(Effects::figures));
        let sections = Sections {
            opening: Opening::of(&files),
            plates,
            effects,
            comparisons,
            coverage,
            notes: files.evaluation.as_ref().map(|evaluation| evaluation.notes.clone()).unwrap_or_default(),
            training,
            map,
            ranking,
            provenance: Provenance::of(&files),
            n_folds: files.n_folds,
        };
        Ok(Self { sections, figures })
    }

    /// The page.
    pub fn html(&self) -> String {
        let mut templates = Environment::new();
        templates.add_template("page.html", PAGE).expect("our own template is well formed");
        let Sections { map, plates, .. } = &self.sections;
        let data = Data { map: map.as_ref().map(|map| &map.data), plates: plates.as_ref().map(|plates| &plates.data) };
        let page = Page { style: STYLE, script: SCRIPT, data: island(&data), sections: &self.sections };
        let page = templates.get_template("page.html").and_then(|template| template.render(Serde(page)));
        page.expect("our own template has all that it names")
    }

    /// Writes the page, and next to it the same answers as plain text, under its name with the ending `.txt`; each is whole or
    /// not there.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), FileError> {
        write_atomically(&path.with_extension("txt"), |file| file.write_all(self.text().as_bytes()))?;
        write_atomically(path, |file| file.write_all(self.html().as_bytes()))
    }

    /// Writes each figure as an SVG file into `folder`, in the order of the page; how many there are.
    ///
    /// # Errors
    /// When the folder or a file cannot be written.
    pub fn write_figures(&self, folder: &Path) -> Result<usize, FileError> {
        std::fs::create_dir_all(folder).map_err(FileError::write(folder))?;
        for (index, (name, drawing)) in self.figures.iter().enumerate() {
            let path = folder.join(format!("{:02}-{name}.svg", index + 1));
            write_atomically(&path, |file| file.write_all(drawing.file().as_bytes()))?;
        }
        Ok(self.figures.len())
    }
}

#[derive(Serialize)]
struct Page<'a> {
    style: &'static str,
    script: &'static str,
    data: String,
    #[serde(flatten)]
    sections: &'a Sections,
}

/// JSON that may stand in a `script` element whatever texts it holds: no `<` can end or open one.
fn island(data: &impl Serialize) -> String {
    let json = serde_json::to_string(data).expect("our own types serialize");
    json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_cannot_end_the_script_they_stand_in() {
        let texts = ["</script><script>alert(1)</script>", "<!--<script>", "a & b"];
        let island = island(&texts);
        assert!(!island.contains(['<', '>', '&']), "{island}");
        assert_eq!(serde_json::from_str::<Vec<String>>(&island).unwrap(), texts);
    }
}
