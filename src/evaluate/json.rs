//! An evaluation as JSON lines, for programs.

use serde::Serialize;

use super::{Evaluation, ScoreRow};

#[derive(Serialize)]
struct ScoreLine<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(flatten)]
    score: &'a ScoreRow,
}

#[derive(Serialize)]
struct SentenceLine<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    sentence: &'a str,
}

impl Evaluation {
    /// One JSON object a line: `"type": "score"` with the columns of `scores.parquet`, then `"note"` and `"verdict"` with a
    /// sentence each.
    pub fn json_lines(&self) -> String {
        let verdicts = self.verdicts();
        let sentence = |kind: &'static str| move |sentence: &String| json(&SentenceLine { kind, sentence });
        let scores = self.scores.rows.iter().map(|score| json(&ScoreLine { kind: "score", score }));
        scores.chain(self.notes.iter().map(sentence("note"))).chain(verdicts.iter().map(sentence("verdict"))).collect()
    }
}

fn json(line: &impl Serialize) -> String {
    serde_json::to_string(line).expect("texts and numbers have a JSON") + "\n"
}
