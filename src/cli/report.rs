//! `cytonaut report`: a run as one page.

use std::path::PathBuf;

use clap::Args;

use super::print;
use crate::report::Report;
use crate::run::{Artifact, Manifest};
use crate::study::StudyError;
use crate::table::counted;

/// Draw a run as one HTML page to read, print and mail
///
/// The page is drawn from the files of the run folder alone and needs no network: the answers in
/// sentences, the ranking, methods against simple methods, a map of the wells, training, and where
/// the numbers come from. `cytonaut run` writes it as its last file.
/// Next to it lies a text file with the same answers, to paste into a mail.
///
/// Examples:
///   cytonaut report runs/quickstart
///   cytonaut report runs/quickstart --out quickstart.html --figures figures
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(super) struct ReportArgs {
    /// A run folder
    run: PathBuf,
    /// The page to write [default: report.html in the run folder]
    #[arg(long, value_name = "FILE", value_parser = page_path)]
    out: Option<PathBuf>,
    /// Also write each figure as an SVG file into this folder
    #[arg(long, value_name = "DIR")]
    figures: Option<PathBuf>,
    /// Print one JSON object on stdout
    #[arg(long)]
    json: bool,
}

impl ReportArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let Self { run, out, figures, json } = self;
        let manifest = Manifest::read(&run).map_err(StudyError::from)?;
        if let Some(difference) = manifest.version_difference() {
            tracing::warn!("warning: {}: {difference}", run.display());
        }
        let report = Report::of(&run).map_err(StudyError::from)?;
        let path = out.unwrap_or_else(|| Artifact::Report.path_in(&run));
        report.write(&path)?;
        let n_figures = figures.as_ref().map(|folder| report.write_figures(folder)).transpose()?;
        if json {
            let object = serde_json::json!({ "type": "written", "what": "report", "file": path, "figures": n_figures });
            return print(&object.to_string());
        }
        let drawn = n_figures
            .zip(figures)
            .map_or(String::new(), |(n, folder)| format!("{}: {}\n", counted(n, "figure"), folder.display()));
        print(&format!("{drawn}report: {}", path.display()))
    }
}

/// Reads the path of a page; the text next to it has the same name and ends in `.txt`.
fn page_path(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    let is_page = path.extension().is_some_and(|ending| ending == "html" || ending == "htm");
    if is_page { Ok(path) } else { Err("expected a file that ends in .html".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_ends_in_html_so_that_it_does_not_replace_the_text_next_to_it() {
        assert_eq!(page_path("a/run.html"), Ok(PathBuf::from("a/run.html")));
        for text in ["run.txt", "run", "run.html.gz"] {
            assert!(page_path(text).is_err(), "{text}");
        }
    }
}
