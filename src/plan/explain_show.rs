//! An explanation on the terminal: sentences and small tables for people, JSON lines for programs.

use serde_json::json;

use super::explain::{Explanation, Move, Way};
use super::show::{NARROW, json, without_controls};
use crate::pair::Evidence;
use crate::predict::Method;
use crate::table::{Side, TextTable, counted, paragraph};

/// Features of each kind, wells and treatments that are listed; JSON holds all of them.
const FEATURES: usize = 5;
const WELLS: usize = 12;
const RELATIVES: usize = 6;

impl Explanation {
    /// Sentences and tables in lines of 80 characters.
    pub fn render(&self) -> String {
        let row = &self.candidate;
        let interval = match (row.lower, row.upper) {
            (Some(lower), Some(upper)) => format!(", {lower:.2} to {upper:.2}"),
            _ => String::new(),
        };
        let context = if row.context.is_empty() { String::new() } else { format!(" in {}", row.context) };
        let mut text = say(&format!(
            "{}{context}: rank {} of {}, score {:.2}{interval}",
            row.intervention, row.rank, self.n_candidates, row.score
        ));
        text += &say(&format!("{} -> {}, by {}", self.start, self.target, self.by));
        self.sentences.iter().filter(|sentence| !sentence.is_empty()).for_each(|sentence| text += &say(sentence));
        text.push('\n');
        text += &say(&self.evidence());
        if let Some(nearest) = &row.nearest_reference {
            let moa = row.nearest_moa.as_ref().map_or(String::new(), |moa| format!(" ({moa})"));
            let far = row.support.map_or(String::new(), |far| format!(", {far:.2} latent units away"));
            text += &say(&format!("nearest measured treatment with other perturbations: {nearest}{moa}{far}"));
        }
        if !row.flags.is_empty() {
            text += &say(&format!("flags: {}", row.flags.join("; ")));
        }
        text.push('\n');
        text += &self.moves_in_words();
        text += &self.listed();
        text
    }

    /// What the score rests on, in a sentence.
    fn evidence(&self) -> String {
        let row = &self.candidate;
        let mut plates: Vec<&str> = self.wells.iter().map(|well| well.plate.as_str()).collect();
        plates.sort_unstable();
        plates.dedup();
        let own = match self.wells.len() {
            0 => String::new(),
            n => format!(", {} on {}", counted(n, "well"), counted(plates.len(), "plate")),
        };
        let in_sample = match (row.evidence, &self.by) {
            (_, Method::Measured) => "; nothing is predicted",
            (Evidence::MeasuredHere, _) => "; in-sample: what ranks was fitted on these wells",
            _ => "",
        };
        format!("rests on: {}{own}{in_sample}", row.evidence)
    }

    fn moves_in_words(&self) -> String {
        let moves = &self.moves;
        if moves.features.is_empty() {
            return say(&format!("features: {}", moves.unit));
        }
        let n = |way| moves.that(way).len();
        let constant = match moves.n_constant {
            0 => String::new(),
            n => format!(", without noise and left out {n}"),
        };
        let mut text = say(&format!(
            "features ({}): toward the target {}, away from it {}, no nearer though the target moves {}, about where they \
             have to be {}{constant}",
            moves.features.len(),
            n(Way::Toward),
            n(Way::Away),
            n(Way::Still),
            n(Way::Neither)
        ));
        text += &say(&format!("distances from the start, in units of {}", moves.unit));
        let heads = [(Way::Toward, "toward the target"), (Way::Away, "away from it"), (Way::Still, "no nearer")];
        for (way, head) in heads {
            let found = moves.that(way);
            if found.is_empty() {
                continue;
            }
            let mut table = TextTable::new([
                (head, Side::Left),
                ("target", Side::Right),
                (if self.by == Method::Measured { "here" } else { "predicted" }, Side::Right),
                ("measured", Side::Right),
            ]);
            for found in found.iter().take(FEATURES) {
                table.push([
                    in_line(&found.feature),
                    tenths(found.target),
                    tenths(found.predicted),
                    found.measured.map_or(String::new(), tenths),
                ]);
            }
            text += &format!("\n{}", table.without_empty_columns().within(NARROW));
        }
        text
    }

    /// Wells, related treatments and other methods.
    fn listed(&self) -> String {
        let mut text = String::new();
        let more = |shown: usize, all: usize| match all.saturating_sub(shown) {
            0 => String::new(),
            n => format!("and {n} more\n"),
        };
        if !self.wells.is_empty() {
            let heads = [("its own wells", Side::Left), ("well", Side::Left), ("replicate", Side::Left)];
            let mut table = TextTable::new(heads.into_iter().chain([("own score", Side::Right)]));
            for well in self.wells.iter().take(WELLS) {
                table.push([
                    without_controls(&well.plate),
                    well.well.map_or(String::new(), |well| well.to_string()),
                    without_controls(well.replicate.as_deref().unwrap_or_default()),
                    format!("{:.2}", well.score),
                ]);
            }
            text += &format!("\n{}", table.without_empty_columns().within(NARROW));
            text += &more(WELLS, self.wells.len());
        }
        if !self.relatives.is_empty() {
            let heads = [("related treatments", Side::Left), ("relation", Side::Left)];
            let mut table =
                TextTable::new(heads.into_iter().chain(["wells", "plates"].map(|head| (head, Side::Right))));
            for relative in self.relatives.iter().take(RELATIVES) {
                table.push([
                    without_controls(&relative.treatment),
                    relative.relation.word().to_owned(),
                    relative.n_wells.to_string(),
                    relative.n_plates.to_string(),
                ]);
            }
            text += &format!("\n{}", table.within(NARROW));
            text += &more(RELATIVES, self.relatives.len());
        }
        if !self.rivals.is_empty() {
            let mut table =
                TextTable::new([("by other methods", Side::Left), ("rank", Side::Right), ("score", Side::Right)]);
            for rival in &self.rivals {
                let (rank, score) = match rival.place {
                    Some((rank, of, score)) => (format!("{rank} of {of}"), format!("{score:.2}")),
                    None => ("abstains".to_owned(), String::new()),
                };
                table.push([rival.method.to_string(), rank, score]);
            }
            text += &format!("\n{table}");
        }
        text
    }

    /// One JSON object a line, each with its `type`.
    ///
    /// First `explanation`, with the fields of a candidate of [`Ranking::json_lines`](super::Ranking::json_lines) that say
    /// where it is, and `candidates`, `by`, `start`, `target`, `sentences`, `unit`, `features_without_noise`; then `feature`
    /// lines (`feature`, `way`, `target`, `predicted`, `measured`, `gain`), `well` lines, `related` lines and `method` lines.
    pub fn json_lines(&self) -> String {
        let row = &self.candidate;
        let mut text = json(&json!({
            "type": "explanation",
            "intervention": row.intervention.to_string(),
            "context": Some(row.context.as_str()).filter(|context| !context.is_empty()),
            "rank": row.rank,
            "candidates": self.n_candidates,
            "score": row.score,
            "lower": row.lower,
            "upper": row.upper,
            "distance": row.distance,
            "evidence": row.evidence.word(),
            "n_wells": row.n_wells,
            "nearest_reference": row.nearest_reference,
            "nearest_moa": row.nearest_moa,
            "support": row.support,
            "flags": row.flags,
            "by": self.by.to_string(),
            "start": self.start,
            "target": self.target,
            "sentences": self.sentences,
            "unit": self.moves.unit,
            "features_without_noise": self.moves.n_constant,
        }));
        for way in [Way::Toward, Way::Away, Way::Still, Way::Neither] {
            for found in self.moves.that(way) {
                let Move { feature, target, predicted, measured } = found;
                text += &json(&json!({
                    "type": "feature", "feature": feature, "way": way.word(), "target": target, "predicted": predicted,
                    "measured": measured, "gain": found.gain(),
                }));
            }
        }
        for well in &self.wells {
            text += &json(&json!({
                "type": "well", "plate": well.plate, "well": well.well.map(|well| well.to_string()),
                "replicate": well.replicate, "score": well.score,
            }));
        }
        for relative in &self.relatives {
            text += &json(&json!({
                "type": "related", "treatment": relative.treatment, "relation": relative.relation.word(),
                "n_wells": relative.n_wells, "n_plates": relative.n_plates,
            }));
        }
        for rival in &self.rivals {
            let (rank, of, score) = match rival.place {
                Some((rank, of, score)) => (Some(rank), Some(of), Some(score)),
                None => (None, None, None),
            };
            text += &json(&json!({
                "type": "method", "method": rival.method.to_string(), "rank": rank, "candidates": of, "score": score,
            }));
        }
        text
    }
}

/// One digit behind the point, and no sign of what rounds to zero.
fn tenths(value: f64) -> String {
    format!("{:.1}", if value.abs() < 0.05 { 0.0 } else { value })
}

fn say(sentence: &str) -> String {
    paragraph(&without_controls(sentence))
}

/// Longest name of a feature that stands whole in a line of 80 characters.
const NAME: usize = 50;

/// The name of a feature, without its middle where it is too long for a line.
fn in_line(name: &str) -> String {
    let name = without_controls(name);
    let letters: Vec<char> = name.chars().collect();
    if letters.len() <= NAME {
        return name;
    }
    let (head, tail) = (&letters[..NAME / 2 - 1], &letters[letters.len() - NAME / 2..]);
    head.iter().chain(['…'].iter()).chain(tail).collect()
}

#[cfg(test)]
mod tests {
    use super::super::explain::{Moves, OwnWell, Relation, Relative, Rival};
    use super::super::ranking::tests::example;
    use super::*;

    fn explanation() -> Explanation {
        let feature = |name: &str, target, predicted| Move {
            feature: name.to_owned(),
            target,
            predicted,
            measured: Some(predicted + 0.1),
        };
        Explanation {
            candidate: example().rows.remove(0),
            n_candidates: 2,
            by: Method::Combined,
            start: "negative controls".into(),
            target: "moa == \"Eg5 inhibitors\"".into(),
            sentences: vec!["the model beats interpolation".into(), String::new()],
            moves: Moves {
                features: vec![
                    feature("area", 4.0, 3.0),
                    feature("texture", 2.0, -1.5),
                    feature("count", -3.0, 0.0),
                    feature("idle", 0.1, 0.0),
                ],
                unit: "the spread of single control wells about their plate's mean".into(),
                n_constant: 1,
            },
            wells: vec![OwnWell { plate: "P1".into(), well: "B02".parse().ok(), replicate: None, score: 0.9 }],
            relatives: vec![Relative {
                relation: Relation::OtherDose,
                treatment: "taxol 1 µM".into(),
                n_wells: 3,
                n_plates: 3,
            }],
            rivals: vec![
                Rival { method: Method::Prior, place: Some((2, 2, 0.4)) },
                Rival { method: Method::Additive, place: None },
            ],
        }
    }

    #[test]
    fn says_what_moves_and_what_it_rests_on() {
        let expected = "\
taxol 0.3 µM: rank 1 of 2, score 0.94, 0.81 to 0.99
negative controls -> moa == \"Eg5 inhibitors\", by combined
the model beats interpolation

rests on: measured here, 1 well on 1 plate; in-sample: what ranks was fitted on
these wells
nearest measured treatment with other perturbations: epothilone B 1 µM
(Microtubule stabilizers), 0.40 latent units away

features (4): toward the target 1, away from it 1, no nearer though the target
moves 1, about where they have to be 1, without noise and left out 1
distances from the start, in units of the spread of single control wells about
their plate's mean

toward the target  target  predicted  measured
area                  4.0        3.0       3.1

away from it  target  predicted  measured
texture          2.0       -1.5      -1.4

no nearer  target  predicted  measured
count        -3.0        0.0       0.1

its own wells  well  own score
P1             B02        0.90

related treatments  relation      wells  plates
taxol 1 µM          another dose      3       3

by other methods      rank  score
prior               2 of 2   0.40
additive          abstains
";
        let text = explanation().render();
        assert_eq!(text, expected);
        assert!(text.lines().all(|line| line.chars().count() <= NARROW), "{text}");
    }

    #[test]
    fn json_holds_every_line() {
        let text = explanation().json_lines();
        let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let kinds: Vec<&str> = lines.iter().map(|line| line["type"].as_str().unwrap()).collect();
        let features = ["feature"; 4];
        assert_eq!(kinds[0], "explanation");
        assert_eq!(kinds[1..5], features);
        assert_eq!(kinds[5..], ["well", "related", "method", "method"]);
        assert_eq!((lines[1]["way"].as_str(), lines[1]["gain"].as_f64()), (Some("toward"), Some(3.0)));
        assert!(lines[8]["rank"].is_null());
    }

    #[test]
    fn long_names_lose_their_middle() {
        let name = "Cytoplasm_Texture_InverseDifferenceMoment_CorrTub_3_0";
        let shown = in_line(name);
        assert_eq!(shown, "Cytoplasm_Texture_Invers…ferenceMoment_CorrTub_3_0");
        assert_eq!(in_line("area"), "area");
    }
}
