//! The answers of the page as plain text, to paste into a mail.

use super::Report;
use crate::plan::without_controls;
use crate::table::{Side, TextTable, paragraph, sentence};

/// Candidates of the ranking that are listed.
const TOP: usize = 10;

impl Report {
    /// The answers, the top of the ranking and the methods, in lines of 80 characters.
    pub fn text(&self) -> String {
        let opening = &self.sections.opening;
        let mut text = format!("{}\n{}\n\n", without_controls(&opening.name), opening.counts.join(", "));
        opening.asked.iter().for_each(|sentence| text += &line(sentence));
        for answer in &opening.answers {
            text += &format!("\n{} {}\n", answer.question, answer.word);
            text += &line(&answer.lead);
            answer.details.iter().for_each(|detail| text += &line(detail));
        }
        if let Some(plates) = &self.sections.plates {
            for finding in &plates.findings {
                text += &format!("\n{}{}", line(&sentence(&finding.message)), line(&sentence(&finding.advice)));
            }
            for row in plates.rows.iter().filter(|row| !row.flags.is_empty()) {
                text += &line(&format!("plate {}: {}", row.plate, row.flags.join(", ")));
            }
        }
        if let Some(ranking) = &self.sections.ranking {
            let mut table = TextTable::new([
                ("rank", Side::Right),
                ("intervention", Side::Left),
                ("score", Side::Right),
                ("interval", Side::Right),
                ("flags", Side::Left),
            ]);
            for row in ranking.rows.iter().take(TOP) {
                let cells = [&row.intervention, &row.score, &row.interval, &row.flags.join(", ")];
                table.push([row.rank.to_string()].into_iter().chain(cells.map(|cell| without_controls(cell))));
            }
            text += &format!("\nranking\n{}", table.without_empty_columns().within(80));
        }
        for comparison in self.sections.comparisons.iter().filter(|comparison| !comparison.is_of_embeddings) {
            let mut table = TextTable::new([
                ("method", Side::Left),
                (comparison.metric, Side::Right),
                ("95 % interval", Side::Right),
            ]);
            for row in &comparison.rows {
                table.push([row.method.clone(), row.value.clone(), row.interval.clone()]);
            }
            text += &format!("\n{}\n{}{}", comparison.title, line(&comparison.about), table.without_empty_columns());
        }
        if let Some(training) = &self.sections.training {
            text += "\ntraining\n";
            training.panels.iter().for_each(|panel| text += &line(&format!("{}: {}", panel.title, panel.ending)));
        }
        let facts = &self.sections.provenance.facts;
        text +=
            &format!("\n{}", facts.iter().map(|(name, value)| line(&format!("{name}: {value}"))).collect::<String>());
        text
    }
}

/// A sentence in lines, without what would move a terminal's cursor.
fn line(sentence: &str) -> String {
    paragraph(&without_controls(sentence))
}
