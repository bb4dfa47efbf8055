//! Methods against baselines and ceilings, each score with its interval drawn.

use serde::Serialize;

use super::drawing::{Axis, Drawing, plain};
use crate::evaluate::{Evaluation, ScoreRow};
use crate::predict::{Method, MethodKind};
use crate::table::{counted_of, sentence};

/// Width and height of a drawn interval, in pixels.
const INTERVAL: (f64, f64) = (220.0, 20.0);

/// How a question's scores are shown.
struct Question {
    /// The task begins so.
    task: &'static str,
    /// The metric that is drawn.
    metric: &'static str,
    /// Its name, with what it means.
    words: &'static str,
    is_lower_better: bool,
    title: &'static str,
    /// Metrics in further columns, with their heads; a metric may end in `*`.
    others: &'static [(&'static str, &'static str)],
}

const QUESTIONS: [Question; 8] = [
    Question {
        task: "unseen ",
        metric: "mse",
        words: "mean squared error over normalized features; lower is better",
        is_lower_better: true,
        title: "Predictions of what training did not see",
        others: &[("anchored_mse", "scale"), ("pearson_delta", "r"), ("recall@*", "recall")],
    },
    Question {
        task: "order of unseen ",
        metric: "rank_correlation",
        words: "rank correlation of the predicted with the measured order of distances to a target; higher is better",
        is_lower_better: false,
        title: "Order of what training did not see",
        others: &[("regret", "regret"), ("enrichment", "enrichment")],
    },
    Question {
        task: "readout of wells",
        metric: "rmse",
        words: "root mean squared error of the measurement of wells; lower is better",
        is_lower_better: true,
        title: "Measurements of wells in the last frame",
        others: &[("r2", "R²"), ("spearman", "rank correlation")],
    },
    Question {
        task: "trajectories",
        metric: "track_rmse",
        words: "root mean squared error of single tracks; lower is better",
        is_lower_better: true,
        title: "Tracks after the part that is seen",
        others: &[("track_r2", "R²"), ("mean_rmse", "RMSE of means")],
    },
    Question {
        task: "label of held-out wells",
        metric: "accuracy",
        words: "share of wells whose nearest neighbors predict their label; higher is better",
        is_lower_better: false,
        title: "Labels of held-out wells by their neighbors",
        others: &[("p", "p"), ("own/other distance", "own/other distance")],
    },
    Question {
        task: "mechanism of the nearest neighbor",
        metric: "NSC",
        words: "share of treatments whose nearest treatment of another compound has the same mechanism (NSC); higher is better",
        is_lower_better: false,
        title: "Embeddings: mechanism of the nearest neighbor",
        others: &[("NSCB", "NSCB")],
    },
    Question {
        task: "replicate retrieval",
        metric: "mAP",
        words: "mean average precision with which wells find their replicates; higher is better",
        is_lower_better: false,
        title: "Embeddings: replicates find each other",
        others: &[("share found", "share found")],
    },
    Question {
        task: "half of the wells by the other half",
        metric: "MRR",
        words: "mean reciprocal rank with which half of a treatment's wells finds the other half; higher is better",
        is_lower_better: false,
        title: "Embeddings: one half of the wells finds the other",
        others: &[("recall@*", "recall")],
    },
];

/// The scores of one question.
#[derive(Debug, Serialize)]
pub(super) struct Comparison {
    pub(super) title: String,
    /// What was asked, of how many.
    pub(super) about: String,
    pub(super) metric: &'static str,
    words: &'static str,
    /// Heads of the further columns.
    heads: Vec<&'static str>,
    /// Methods that answered everything, best first.
    pub(super) rows: Vec<Row>,
    /// Methods that answered less.
    partial: Vec<Row>,
    notes: Vec<String>,
    /// Whether it is about the embedding, and not about predictions.
    pub(super) is_of_embeddings: bool,
    #[serde(skip)]
    drawn: Drawing,
}

/// A method's line.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub(super) method: String,
    /// What it is.
    words: String,
    /// `learned`, `simple` or `ceiling`.
    kind: &'static str,
    pub(super) value: String,
    pub(super) interval: String,
    svg: String,
    others: Vec<String>,
    n_items: usize,
}

/// How often intervals held.
#[derive(Debug, Serialize)]
pub(super) struct Coverage {
    pub(super) of: String,
    pub(super) share: String,
    interval: String,
    n_items: usize,
    n_units: usize,
    svg: String,
}

/// A comparison for each question that was asked.
pub(super) fn comparisons(evaluation: &Evaluation) -> Vec<Comparison> {
    let mut found = Vec::new();
    for question in &QUESTIONS {
        // Tasks in the order in which they were computed, such as of unseen wells, then of all.
        let mut tasks: Vec<&str> = Vec::new();
        for row in &evaluation.scores.rows {
            let is_asked = row.task.starts_with(question.task) && row.metric == question.metric;
            if is_asked && !tasks.contains(&row.task.as_str()) {
                tasks.push(&row.task);
            }
        }
        found.extend(tasks.into_iter().map(|task| comparison(question, task, &evaluation.scores.rows)));
    }
    found
}

/// Whether a score is of everything that was asked; embeddings say so in other words.
fn is_of_all(row: &ScoreRow) -> bool {
    matches!(row.subset.as_str(), "all" | "in sample" | "unseen")
}

fn comparison(question: &Question, task: &str, scores: &[ScoreRow]) -> Comparison {
    let of_task: Vec<&ScoreRow> = scores.iter().filter(|row| row.task == task && is_of_all(row)).collect();
    let mut drawn: Vec<&ScoreRow> = Vec::new();
    for &row in of_task.iter().filter(|row| row.metric == question.metric) {
        if !drawn.iter().any(|other| other.method == row.method) {
            drawn.push(row);
        }
    }
    drawn.sort_by(
        |a, b| if question.is_lower_better { a.value.total_cmp(&b.value) } else { b.value.total_cmp(&a.value) },
    );
    let is_metric = |row: &ScoreRow, metric: &str| match metric.strip_suffix('*') {
        Some(start) => row.metric.starts_with(start),
        None => row.metric == metric,
    };
    let others: Vec<(&str, &'static str)> = question
        .others
        .iter()
        .copied()
        .filter(|(metric, _)| of_task.iter().any(|row| is_metric(row, metric)))
        .collect();
    let most = drawn.iter().map(|row| row.n_items).max().unwrap_or(0);
    // Far outliers would press all others against the best end.
    let middle = drawn.get(drawn.len() / 2).map_or(f64::INFINITY, |row| row.value.abs());
    let is_near = |value: &f64| !question.is_lower_better || value.abs() <= 4.0 * middle;
    let ends = drawn.iter().flat_map(|row| [Some(row.value), row.lower, row.upper]).flatten().filter(is_near);
    let axis = Axis::over(ends, 4.0, INTERVAL.0 - 4.0);
    let decimals = decimals(drawn.iter().map(|row| row.value));
    let ceiling = drawn.iter().find(|row| row.method == *Method::Perfect.word()).map(|row| row.value);
    let row_of = |row: &ScoreRow| Row {
        method: row.method.clone(),
        words: row.method.parse::<Method>().map(|method| method.words()).unwrap_or_default(),
        kind: kind(&row.method),
        value: plain(row.value, decimals),
        interval: interval(row, decimals),
        svg: interval_drawing(row, &axis, ceiling, kind(&row.method)).inline(),
        others: others
            .iter()
            .map(|(metric, _)| {
                let other = of_task.iter().find(|other| other.method == row.method && is_metric(other, metric));
                other.map_or(String::new(), |other| plain(other.value, if other.metric == "p" { 4 } else { 2 }))
            })
            .collect(),
        n_items: row.n_items,
    };
    let (whole, partial): (Vec<&ScoreRow>, Vec<&ScoreRow>) = drawn.iter().partition(|row| row.n_items == most);
    let mut notes: Vec<String> = Vec::new();
    for row in &drawn {
        let note = sentence(&row.note);
        if !note.is_empty() && !notes.contains(&note) {
            notes.push(note);
        }
    }
    let n_units = drawn.iter().map(|row| row.n_units).max().unwrap_or(0);
    let is_unseen = task.ends_with(", unseen");
    Comparison {
        title: if is_unseen {
            format!("{}, wells that training did not see", question.title)
        } else {
            question.title.to_owned()
        },
        about: format!(
            "{}: {}, {}",
            sentence(task).trim_end_matches('.'),
            counted_of(most, "item", "items"),
            counted_of(n_units, "independent unit", "independent units")
        ),
        metric: question.metric,
        words: question.words,
        heads: others.iter().map(|(_, head)| *head).collect(),
        rows: whole.into_iter().map(row_of).collect(),
        partial: partial.into_iter().map(row_of).collect(),
        notes,
        is_of_embeddings: question.title.starts_with("Embeddings"),
        drawn: all_drawn(&drawn, &axis, ceiling, question, decimals),
    }
}

impl Comparison {
    /// The whole comparison as one figure.
    pub(super) fn figure(&self) -> (String, Drawing) {
        let name: String = self
            .about
            .split(':')
            .next()
            .unwrap_or("")
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
            .collect();
        (format!("methods-{}", name.replace("--", "-")), self.drawn.clone())
    }
}

fn kind(method: &str) -> &'static str {
    match method.parse::<Method>().map(|method| method.kind()) {
        Ok(MethodKind::Learned) => "learned",
        Ok(MethodKind::Repeat | MethodKind::Outcome) => "ceiling",
        Err(_) if method == "latents" => "learned",
        _ => "simple",
    }
}

/// As many decimals as the smallest of the values but 0 has in three digits.
fn decimals(values: impl Iterator<Item = f64>) -> usize {
    let least = values.map(f64::abs).filter(|&value| value > 0.0 && value.is_finite()).fold(f64::INFINITY, f64::min);
    if least.is_finite() { (2.0 - least.log10().floor()).clamp(2.0, 6.0) as usize } else { 3 }
}

fn interval(row: &ScoreRow, decimals: usize) -> String {
    match (row.lower, row.upper) {
        (Some(lower), Some(upper)) => format!("{} to {}", plain(lower, decimals), plain(upper, decimals)),
        _ => String::new(),
    }
}

fn interval_drawing(row: &ScoreRow, axis: &Axis, ceiling: Option<f64>, kind: &str) -> Drawing {
    let (width, height) = INTERVAL;
    let label = format!("{}: {}", row.method, interval(row, 3));
    let mut drawing = Drawing::new(width, height, label);
    draw_interval(&mut drawing, row, axis, ceiling, kind, 0.5 * height);
    drawing
}

/// A dot with its interval on a line at `y`, cut at the ends of the axis.
fn draw_interval(drawing: &mut Drawing, row: &ScoreRow, axis: &Axis, ceiling: Option<f64>, kind: &str, y: f64) {
    let (left, right) = axis.span();
    let at = |value: f64| axis.at(value).clamp(left, right);
    if let Some(ceiling) = ceiling {
        drawing.line("ceiling", (at(ceiling), y - 10.0), (at(ceiling), y + 10.0));
    }
    if let (Some(lower), Some(upper)) = (row.lower, row.upper) {
        drawing.line(&format!("interval {kind}"), (at(lower), y), (at(upper), y));
    }
    match axis.at(row.value) <= right + 0.5 {
        true => drawing.circle(&format!("dot {kind}"), (at(row.value), y), 4.0),
        // Off the axis: an arrow says so.
        false => {
            drawing.curve(&format!("interval {kind}"), &[(right - 8.0, y - 4.0), (right, y), (right - 8.0, y + 4.0)])
        }
    }
}

fn all_drawn(rows: &[&ScoreRow], axis: &Axis, ceiling: Option<f64>, question: &Question, decimals: usize) -> Drawing {
    const LINE: f64 = 22.0;
    const NAMES: f64 = 190.0;
    let height = LINE * rows.len() as f64 + 30.0;
    let mut drawing =
        Drawing::new(NAMES + INTERVAL.0 + 150.0, height, format!("{}: {}", question.title, question.words));
    drawing.text("title", (0.0, 14.0), super::drawing::Anchor::Start, question.words);
    for (index, row) in rows.iter().enumerate() {
        let y = 30.0 + LINE * (index as f64 + 0.5);
        drawing.text("word", (NAMES - 8.0, y + 4.0), super::drawing::Anchor::End, &row.method);
        let moved = axis.moved(NAMES);
        draw_interval(&mut drawing, row, &moved, ceiling, kind(&row.method), y);
        let numbers = format!("{}  {}", plain(row.value, decimals), interval(row, decimals));
        drawing.text("number", (NAMES + INTERVAL.0 + 8.0, y + 4.0), super::drawing::Anchor::Start, &numbers);
    }
    drawing
}

/// How often intervals held test treatments, in all and by what training says of them.
pub(super) fn coverage(evaluation: &Evaluation) -> Vec<Coverage> {
    let axis = Axis::over([0.0, 1.0], 4.0, INTERVAL.0 - 4.0);
    let of = |row: &ScoreRow| {
        let percent = |share: f64| format!("{:.0} %", 100.0 * share);
        let interval = match (row.lower, row.upper) {
            (Some(lower), Some(upper)) => format!("{} to {}", percent(lower), percent(upper)),
            _ => String::new(),
        };
        let nominal = row.note.split_whitespace().find_map(|word| word.parse::<f64>().ok()).map(|level| level / 100.0);
        Coverage {
            of: if row.subset == "all" { "all test treatments".to_owned() } else { row.subset.clone() },
            share: percent(row.value),
            interval,
            n_items: row.n_items,
            n_units: row.n_units,
            svg: interval_drawing(row, &axis, nominal, "learned").inline(),
        }
    };
    evaluation.scores.rows.iter().filter(|row| row.metric == "coverage").map(of).collect()
}
