//! Outcomes on the terminal, and as JSON lines.

use serde::Serialize;

use super::{Outcome, Outcomes};
use crate::pair::Part;
use crate::plan::{significant, without_controls};
use crate::screen::Treatment;
use crate::table::{Side, TextTable, paragraph};

/// Characters of a line.
const WIDTH: usize = 80;

/// Longest name of a feature that is shown whole where there are many of them in a line.
const LONGEST: usize = 30;

/// Treatments that are each shown with a table of their own.
const MOST_TABLES: usize = 3;

impl Outcomes {
    /// The features that change most, `top` of them, of each treatment; of many treatments a line each.
    pub fn render(&self, top: usize) -> String {
        let mut text = paragraph(&format!("predicted by {}; {}", self.by, self.calibration));
        if self.units.is_none() {
            text += "values are normalized: sphering mixes the features, so that they have no units\n";
        }
        if self.rows.len() <= MOST_TABLES {
            for outcome in &self.rows {
                text += &format!("\n{}{}", paragraph(&self.title(outcome)), self.features_of(outcome, top));
            }
        } else {
            text += &format!("\n{}", self.list(top));
        }
        text
    }

    fn title(&self, outcome: &Outcome) -> String {
        let Treatment { intervention, context } = &outcome.treatment;
        let context = if context.is_empty() { String::new() } else { format!(" in {context}") };
        let known = match (outcome.n_rows, outcome.part) {
            (0, _) => "not measured".to_owned(),
            (n, part) => {
                let part = match part {
                    Some(Part::Train) => ", which the run trained on",
                    Some(Part::Test) => ", held out for testing",
                    Some(_) => ", held out of training",
                    None => "",
                };
                format!("measured in {n} {}{part}", if n == 1 { "well" } else { "wells" })
            }
        };
        format!("{}{context}: {known}", without_controls(&intervention.to_string()))
    }

    /// The features in order of their predicted change, largest first.
    fn by_change(&self, outcome: &Outcome) -> Vec<(usize, f32)> {
        let untreated = self.untreated.get(&outcome.treatment.context);
        let change = |feature: usize| outcome.predicted[feature] - untreated.map_or(0.0, |values| values[feature]);
        let mut changes: Vec<(usize, f32)> =
            (0..self.features.len()).map(|feature| (feature, change(feature))).collect();
        changes.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()).then(a.0.cmp(&b.0)));
        changes
    }

    fn features_of(&self, outcome: &Outcome, top: usize) -> String {
        let mut table = TextTable::new([
            ("feature", Side::Left),
            ("untreated", Side::Right),
            ("predicted", Side::Right),
            ("interval", Side::Right),
            ("measured", Side::Right),
            ("change", Side::Right),
        ]);
        let features: Vec<(usize, f32)> = self.by_change(outcome).into_iter().take(top).collect();
        // What the numbers leave of a line, as their columns are wide at least or at most.
        let has_interval = outcome.radii.is_some();
        let others = 44 + if has_interval { 22 } else { 0 } - if outcome.measured.is_none() { 10 } else { 0 };
        let longest = (WIDTH - others).max(20);
        for (feature, change) in features {
            let shown = self.values(outcome, feature);
            let interval = |(lower, upper): (f64, f64)| format!("{} to {}", significant(lower), significant(upper));
            table.push([
                shortened(&self.features[feature], longest),
                shown.untreated.map_or(String::new(), significant),
                significant(shown.predicted),
                shown.interval.map_or(String::new(), interval),
                shown.measured.map_or(String::new(), significant),
                format!("{change:+.1}"),
            ]);
        }
        let n = self.features.len();
        let others = n.saturating_sub(top);
        let more = if others > 0 {
            format!("and {others} other features with --top {n} or --out FILE; ")
        } else {
            String::new()
        };
        let has_intervals = self.has_intervals && !has_interval;
        let none = if has_intervals {
            format!("no interval: too few calibration treatments among {}; ", outcome.stratum)
        } else {
            String::new()
        };
        format!(
            "{}{}",
            table.without_empty_columns().within(WIDTH),
            paragraph(&format!(
                "{more}{none}change: from untreated, on the normalized scale (1 is a spread of control wells)"
            ))
        )
    }

    /// A line for each treatment: how much changes in all, and what most.
    fn list(&self, top: usize) -> String {
        let mut table =
            TextTable::new([("intervention", Side::Left), ("change", Side::Right), ("largest changes", Side::Left)]);
        let has_several_contexts =
            self.rows.iter().any(|outcome| outcome.treatment.context != self.rows[0].treatment.context);
        for outcome in self.rows.iter().take(top) {
            let changes = self.by_change(outcome);
            let squares: f64 = changes.iter().map(|(_, change)| f64::from(*change).powi(2)).sum();
            let size = (squares / changes.len().max(1) as f64).sqrt();
            let most = changes
                .iter()
                .take(2)
                .map(|(feature, change)| format!("{} {change:+.1}", shortened(&self.features[*feature], LONGEST)));
            let Treatment { intervention, context } = &outcome.treatment;
            let context = if has_several_contexts { format!(" ({context})") } else { String::new() };
            table.push([
                without_controls(&format!("{intervention}{context}")),
                significant(size),
                most.collect::<Vec<_>>().join(", "),
            ]);
        }
        let others = self.rows.len().saturating_sub(top);
        let more = if others > 0 { format!("and {others} others\n") } else { String::new() };
        let legend = "change: root mean square over features, in spreads of control wells\n";
        format!("{}{more}{legend}", table.within(WIDTH))
    }

    /// One JSON object a line for each treatment, with the `top` features that change most.
    pub fn json_lines(&self, top: usize) -> String {
        let line = |outcome: &Outcome| {
            let features = self.by_change(outcome).into_iter().take(top).map(|(feature, change)| {
                let shown = self.values(outcome, feature);
                Value {
                    feature: &self.features[feature],
                    untreated: shown.untreated,
                    predicted: shown.predicted,
                    lower: shown.interval.map(|(lower, _)| lower),
                    upper: shown.interval.map(|(_, upper)| upper),
                    measured: shown.measured,
                    change,
                }
            });
            let line = Line {
                kind: "prediction",
                intervention: outcome.treatment.intervention.to_string(),
                context: Some(outcome.treatment.context.as_str()).filter(|context| !context.is_empty()),
                by: self.by.to_string(),
                scale: if self.units.is_some() { "raw" } else { "normalized" },
                part: outcome.part.map(Part::name),
                n_wells: outcome.n_rows,
                calibration: &self.calibration,
                features: features.collect(),
            };
            serde_json::to_string(&line).expect("texts and numbers have a JSON") + "\n"
        };
        self.rows.iter().map(line).collect()
    }

    /// The values of one feature, in the units of the files where there is a way back.
    fn values(&self, outcome: &Outcome, feature: usize) -> Shown {
        let context = &outcome.treatment.context;
        let raw = |value: f32| self.raw(context, feature, value);
        let predicted = outcome.predicted[feature];
        Shown {
            untreated: self.untreated.get(context).map(|values| raw(values[feature])),
            predicted: raw(predicted),
            interval: outcome
                .radii
                .as_ref()
                .map(|radii| (raw(predicted - radii[feature]), raw(predicted + radii[feature]))),
            measured: outcome.measured.as_ref().map(|measured| raw(measured[feature])),
        }
    }
}

struct Shown {
    untreated: Option<f64>,
    predicted: f64,
    interval: Option<(f64, f64)>,
    measured: Option<f64>,
}

/// A name with its middle left out where it is long: what names of features end in tells them apart.
fn shortened(name: &str, longest: usize) -> String {
    let characters: Vec<char> = without_controls(name).chars().collect();
    if characters.len() <= longest {
        return characters.into_iter().collect();
    }
    let half = (longest - 1) / 2;
    let (start, end) = (&characters[..longest - 1 - half], &characters[characters.len() - half..]);
    start.iter().chain(['…'].iter()).chain(end).collect()
}

#[derive(Serialize)]
struct Line<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    intervention: String,
    context: Option<&'a str>,
    by: String,
    scale: &'static str,
    part: Option<&'static str>,
    n_wells: usize,
    calibration: &'a str,
    features: Vec<Value<'a>>,
}

#[derive(Serialize)]
struct Value<'a> {
    feature: &'a str,
    untreated: Option<f64>,
    predicted: f64,
    lower: Option<f64>,
    upper: Option<f64>,
    measured: Option<f64>,
    change: f32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_keeps_its_beginning_and_its_end() {
        assert_eq!(shortened("Nuclei_AreaShape_Area", LONGEST), "Nuclei_AreaShape_Area");
        let short = shortened("Cytoplasm_Correlation_RWC_Mito_AGP_and_more", LONGEST);
        assert_eq!(short, "Cytoplasm_Corre…o_AGP_and_more");
        assert_eq!(short.chars().count(), LONGEST);
    }
}
