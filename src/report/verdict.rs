//! The first screen of the page: what was asked, and what the answer is, in sentences.

use serde::Serialize;

use super::folder::RunFiles;
use crate::evaluate::{Claim, Evaluation, Verdict};
use crate::plan::{DEFINES_TARGET, RankedIntervention, Ranking};
use crate::predict::Method;
use crate::table::{counted, sentence};

/// A question that everybody has of a run, with its answer.
#[derive(Debug, Serialize)]
pub(super) struct Answer {
    pub(super) question: &'static str,
    /// The answer in a word or two.
    pub(super) word: String,
    /// `good`, `bad`, `open` or `plain`, which decides its color.
    tone: &'static str,
    /// The answer in a sentence.
    pub(super) lead: String,
    /// The exact sentences with their numbers.
    pub(super) details: Vec<String>,
}

/// What screen it is and what was asked of it.
#[derive(Debug, Serialize)]
pub(super) struct Opening {
    pub(super) name: String,
    /// Counts of what there is, as `55 plates`.
    pub(super) counts: Vec<String>,
    /// Sentences.
    pub(super) asked: Vec<String>,
    pub(super) answers: Vec<Answer>,
    /// Sentences on what may be done now.
    pub(super) next: Vec<Step>,
}

/// Something to do, with the command that does it.
#[derive(Debug, Serialize)]
pub(super) struct Step {
    pub(super) words: String,
    pub(super) command: Option<String>,
}

impl Opening {
    pub(super) fn of(files: &RunFiles) -> Self {
        Self {
            name: files.name.clone(),
            counts: counts(files),
            asked: asked(files),
            answers: answers(files),
            next: next(files),
        }
    }
}

fn counts(files: &RunFiles) -> Vec<String> {
    let Some((embeddings, _)) = &files.embeddings else { return Vec::new() };
    let units = embeddings.units.all();
    let distinct = |keys: Vec<String>| keys.into_iter().collect::<std::collections::BTreeSet<_>>().len();
    let treated = || units.iter().filter(|unit| unit.role.is_treated());
    let n_plates = distinct(units.iter().map(|unit| unit.plate.clone()).filter(|plate| !plate.is_empty()).collect());
    let n_wells = distinct(units.iter().filter_map(|unit| Some(format!("{} {}", unit.plate, unit.well?))).collect());
    let n_controls = units.iter().filter(|unit| unit.role == crate::screen::Role::NegativeControl).count();
    let n_treatments = distinct(treated().map(|unit| unit.treatment().to_string()).collect());
    let n_perturbations = distinct(treated().map(|unit| unit.intervention.perturbation_names()).collect());
    let found = [
        (n_plates, "plate"),
        (n_wells, "well"),
        (n_controls, "negative control"),
        (n_perturbations, "perturbation"),
        (n_treatments, "treatment"),
    ];
    found.into_iter().filter(|(n, _)| *n > 0).map(|(n, thing)| counted(n, thing)).collect()
}

fn asked(files: &RunFiles) -> Vec<String> {
    let mut sentences = Vec::new();
    let by = files.setting("split", "by").and_then(|by| by.as_str());
    if let Some(held_out) = by.and_then(held_out) {
        let folds = match files.n_folds {
            0 => String::new(),
            n => format!(", in {} in turn", counted(n, "fold")),
        };
        sentences.push(format!(
            "The model was trained without some of the {held_out}{folds}, and then had to predict these. Everything below \
             is judged on what training did not see, unless it says otherwise."
        ));
    }
    match &files.ranking {
        Some(ranking) => sentences.push(format!(
            "Candidates are ranked by how far they bring cells from {} to {}.",
            ranking.start, ranking.target
        )),
        None => sentences.push("No target was named, so nothing is ranked.".to_owned()),
    }
    let tried = files.evaluation.as_ref().map_or(0, |evaluation| evaluation.configurations_tried);
    if tried > 1 {
        sentences.push(format!("These scores came after {tried} configurations had been tried."));
    }
    sentences
}

/// What a split holds out, in the plural.
fn held_out(by: &str) -> Option<&'static str> {
    Some(match by {
        "dose" => "doses",
        "intervention" => "perturbations",
        "condition" => "interventions",
        "context" => "contexts",
        "plate" => "plates",
        "lab_batch" => "lab batches",
        "plate_row" => "rows of plates",
        "plate_column" => "columns of plates",
        _ => return None,
    })
}

fn answers(files: &RunFiles) -> Vec<Answer> {
    let Some(evaluation) = &files.evaluation else {
        let lead = "The folder has no evaluation yet: the run was stopped before. Repeat its command, and it goes on.";
        let (word, lead) = ("not finished".to_owned(), lead.to_owned());
        return vec![Answer {
            question: "Does it predict better than simple methods?",
            word,
            tone: "open",
            lead,
            details: Vec::new(),
        }];
    };
    let mut answers = vec![accuracy(evaluation), in_use(files, evaluation)];
    answers.extend(ranking(files, evaluation));
    answers
}

/// Does it win?
fn accuracy(evaluation: &Evaluation) -> Answer {
    let question = "Does it predict better than simple methods?";
    let all = [&evaluation.verdict, &evaluation.verdict_model];
    let details = all.into_iter().flatten().map(ToString::to_string).collect();
    let Some(verdict) = evaluation.verdict.as_ref().or(evaluation.verdict_model.as_ref()) else {
        let lead = match evaluation.scores.rows.is_empty() {
            true => "Nothing was held out for testing, so nothing can be said.",
            false => "No simple method answers the same question, so there is nothing to compare with.",
        };
        return Answer { question, word: "not judged".into(), tone: "open", lead: lead.into(), details };
    };
    let (word, tone, lead) = judged(verdict, "predictions");
    Answer { question, word, tone, lead, details }
}

/// A verdict in plain words; `what` is compared.
fn judged(verdict: &Verdict, what: &str) -> (String, &'static str, String) {
    let Verdict { model, baseline, .. } = verdict;
    let (word, tone, lead) = match verdict.difference.claim {
        Claim::TooFewUnits => (
            "too little data",
            "open",
            format!(
                "Too few {} were held out to say whether the {what} of {model} or of {baseline}, the best simple method, \
                 are better.",
                verdict.unit_name
            ),
        ),
        _ if is_same(verdict) => (
            "no",
            "open",
            format!(
                "Here {model} gives the same {what} as {baseline}, a simple method: no other method earned a weight on what was \
                 held out. The learned model adds nothing that this screen could show."
            ),
        ),
        _ if verdict.is_win() => (
            "yes",
            "good",
            format!(
                "The {what} of {model} are better than those of every simple method; the best of these is {baseline}."
            ),
        ),
        _ if verdict.is_loss() => (
            "no",
            "bad",
            format!("The {what} of {baseline}, a simple method, are better than those of {model}. Use {baseline}."),
        ),
        _ if verdict.is_at_ceiling() => (
            "nothing to win",
            "open",
            format!("{baseline}, a simple method, cannot be distinguished from a perfect prediction here."),
        ),
        _ => (
            "no",
            "open",
            format!(
                "The {what} of {model} cannot be distinguished from those of {baseline}, the best simple method. Both may be \
                 used; the model adds nothing that this screen could show."
            ),
        ),
    };
    (word.to_owned(), tone, lead)
}

/// Whether the two methods score the same everywhere.
fn is_same(verdict: &Verdict) -> bool {
    let estimate = &verdict.difference.estimate;
    estimate.mean == 0.0 && estimate.interval == Some((0.0, 0.0))
}

/// Which method do the numbers of this run come from?
fn in_use(files: &RunFiles, evaluation: &Evaluation) -> Answer {
    let question = "Which method is used?";
    let configured = files.setting("rank", "by").and_then(|by| by.as_str()?.parse::<Method>().ok());
    let by = files.ranking.as_ref().map(|ranking| ranking.by.clone()).or(configured).unwrap_or(Method::Combined);
    // Where nothing is combined, as of images, the model stands alone.
    let has_answered = |method: &Method| evaluation.scores.rows.iter().any(|row| row.method == *method.word());
    let by =
        if by == Method::Combined && !has_answered(&by) && has_answered(&Method::Model) { Method::Model } else { by };
    let lead = format!("{by}: {}.", by.words());
    let details = evaluation.notes.iter().filter(|note| note.contains("combined")).cloned().collect();
    Answer { question, word: by.to_string(), tone: "plain", lead, details }
}

/// Can the order of the candidates be believed?
fn ranking(files: &RunFiles, evaluation: &Evaluation) -> Option<Answer> {
    let ranking = files.ranking.as_ref()?;
    let question = "Can the ranking be believed?";
    let verdict = match ranking.by {
        Method::Model => evaluation.verdict_order_model.as_ref(),
        Method::Combined => evaluation.verdict_order.as_ref(),
        _ => None,
    };
    let mut details: Vec<String> = [&ranking.verdict, &ranking.calibration, &ranking.note]
        .into_iter()
        .filter(|sentence| !sentence.is_empty())
        .cloned()
        .collect();
    details.extend(ranking.remarks.iter().cloned());
    let (mut word, mut tone, mut lead) = match verdict {
        Some(verdict) => {
            let (word, tone, lead) = judged(verdict, "orders");
            let word = match word.as_str() {
                "yes" => "better than simple methods",
                "no" if tone == "open" => "as far as simple methods",
                "no" => "less than a simple method",
                other => other,
            };
            (word.to_owned(), tone, lead)
        }
        None => (
            "not judged".to_owned(),
            "open",
            "It is not known how far: no order of held-out treatments was judged.".to_owned(),
        ),
    };
    if let Some(verdict) = verdict {
        lead = format!("On what training did not see, its {} is {:.2}. {lead}", verdict.metric, verdict.model_mean);
    }
    if !ranking.warning.is_empty() {
        (word, tone) = ("with care".to_owned(), "bad");
        lead = format!("{} {lead}", sentence(&ranking.warning));
    }
    Some(Answer { question, word, tone, lead, details })
}

fn next(files: &RunFiles) -> Vec<Step> {
    let mut steps = Vec::new();
    if let Some(ranking) = &files.ranking {
        steps.extend(best_others(ranking).map(|words| Step { words, command: None }));
        steps.push(Step {
            words: "Ask for doses between those measured, or for pairs.".to_owned(),
            command: Some(format!("cytonaut rank RUN --target '{}' --dose-grid", ranking.target)),
        });
    } else if files.n_folds == 0 {
        steps.push(Step {
            words: "Ask which treatments do anything at all.".to_owned(),
            command: Some("cytonaut rank RUN".to_owned()),
        });
        steps.push(Step {
            words: "Ask what leads to a phenotype of yours.".to_owned(),
            command: Some("cytonaut rank RUN --target 'perturbation == \"…\"'".to_owned()),
        });
    }
    steps
}

/// What comes nearest to the target of all that does not define it.
fn best_others(ranking: &Ranking) -> Option<String> {
    /// Less of the way than this is not near.
    const NEAR: f64 = 0.5;
    let is_other = |row: &&RankedIntervention| !row.flags.iter().any(|flag| flag == DEFINES_TARGET);
    let others: Vec<&RankedIntervention> = ranking.rows.iter().filter(is_other).collect();
    let best = others.first()?;
    let named = |row: &&&RankedIntervention| format!("{} ({:.2})", row.intervention, row.score);
    let near: Vec<&&RankedIntervention> = others.iter().filter(|row| row.score >= NEAR).take(5).collect();
    let list = |rows: &[&&RankedIntervention]| rows.iter().map(named).collect::<Vec<_>>().join(", ");
    let (measured, predicted): (Vec<&&RankedIntervention>, Vec<&&RankedIntervention>) =
        near.iter().copied().partition(|row| row.n_wells > 0);
    let words = match (measured.is_empty(), predicted.is_empty()) {
        (true, true) => format!(
            "Apart from what defines the target, nothing comes near it: the best, {}, covers {:.0} % of the way. Widen the \
             candidates before you order anything.",
            best.intervention,
            100.0 * best.score.max(0.0)
        ),
        (false, true) => {
            format!("Confirm in new wells what comes near the target without defining it: {}.", list(&measured))
        }
        (true, false) => {
            format!("Measure what is predicted to come near the target and was never measured: {}.", list(&predicted))
        }
        (false, false) => format!(
            "Confirm in new wells what comes near the target: {}. Measure what is predicted to: {}.",
            list(&measured),
            list(&predicted)
        ),
    };
    Some(words)
}
