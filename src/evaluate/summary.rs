//! The main scores of an evaluation as text for people.

use std::collections::BTreeSet;

use super::embeddings::EMBEDDING_TASKS;
use super::labels::LABELS;
use super::tracks::{ALL, TRACKS};
use super::wells::READOUTS;
use super::{Evaluation, ScoreRow, TRAJECTORY_METRICS};
use crate::table::{Side, TextTable};

/// The rows of one task, found by what they are about.
struct Task<'a>(Vec<&'a ScoreRow>);

impl<'a> Task<'a> {
    fn of(evaluation: &'a Evaluation, is_of_task: impl Fn(&ScoreRow) -> bool) -> Self {
        Self(evaluation.scores.rows.iter().filter(|row| is_of_task(row)).collect())
    }

    fn find(&self, method: &str, subset: &str, metric: &str) -> Option<&'a ScoreRow> {
        self.0.iter().copied().find(|row| row.method == method && row.subset == subset && row.metric == metric)
    }

    /// The rows of `metric` over everything, in the order in which they were computed.
    fn of_metric(&self, metric: &str) -> Vec<&'a ScoreRow> {
        self.0.iter().copied().filter(|row| row.subset == ALL && row.metric == metric).collect()
    }

    /// The same, smallest value first.
    fn by_least(&self, metric: &str) -> Vec<&'a ScoreRow> {
        let mut rows = self.of_metric(metric);
        rows.sort_by(|a, b| a.value.total_cmp(&b.value));
        rows
    }
}

fn value(row: Option<&ScoreRow>, decimals: usize) -> String {
    row.map_or_else(|| "-".to_owned(), |row| format!("{:.decimals$}", row.value))
}

fn interval(row: Option<&ScoreRow>, decimals: usize) -> String {
    match row.and_then(|row| Some((row.lower?, row.upper?))) {
        Some((lower, upper)) => format!("{lower:.decimals$} to {upper:.decimals$}"),
        None => "-".to_owned(),
    }
}

/// A remark on a method that answered fewer items than the others.
fn partial(row: &ScoreRow, all: &[&ScoreRow]) -> String {
    let most = all.iter().map(|row| row.n_items).max().unwrap_or(0);
    if row.n_items < most { format!("({} of them)", row.n_items) } else { String::new() }
}

/// Words of the first column, numbers after it.
fn columns<'a>(first: &'a str, numbers: &[&'a str]) -> TextTable {
    let numbers = numbers.iter().map(|&head| (head, Side::Right));
    TextTable::new([(first, Side::Left)].into_iter().chain(numbers))
}

impl Evaluation {
    /// The main scores: a table for each task, a line for each method, best first; and what has to be known of them.
    pub fn summary(&self) -> String {
        let tables = [self.of_treatments(), self.of_wells(), self.of_tracks(), self.of_labels()];
        let mut text = String::new();
        if self.configurations_tried > 1 && tables.iter().any(|table| !table.is_empty()) {
            text += &format!("scored after {} configurations had been tried\n", self.configurations_tried);
        }
        tables.iter().for_each(|table| text += table);
        self.notes.iter().for_each(|note| text += &format!("{note}\n"));
        text + &self.of_embeddings()
    }

    /// The verdicts, a sentence each.
    pub fn verdicts(&self) -> Vec<String> {
        [&self.verdict, &self.verdict_model].into_iter().flatten().map(ToString::to_string).collect()
    }

    fn of_treatments(&self) -> String {
        let task = Task::of(self, |row| row.task.starts_with("unseen "));
        let methods = task.by_least("mse");
        let Some(first) = methods.first() else { return String::new() };
        let recall = task.0.iter().find(|row| row.metric.starts_with("recall@")).map_or("recall", |row| &row.metric);
        let mut table = columns("method", &["MSE", "95 % interval", "interior", "edge", "r delta", recall, "MRR"]);
        for row in &methods {
            let cell = |subset: &str, metric: &str| value(task.find(&row.method, subset, metric), 3);
            table.push([
                row.method.clone(),
                value(Some(row), 3),
                interval(Some(row), 3),
                cell("interior", "mse"),
                cell("edge", "mse"),
                cell(ALL, "pearson_delta"),
                cell(ALL, recall),
                cell(ALL, "mrr"),
                partial(row, &methods),
            ]);
        }
        format!("{}: {} treatments of {} perturbations\n{table}", first.task, first.n_items, first.n_units)
    }

    fn of_wells(&self) -> String {
        let task = Task::of(self, |row| row.task == READOUTS);
        let methods = task.by_least("rmse");
        let Some(first) = methods.first() else { return String::new() };
        let mut table =
            columns("method", &["RMSE", "95 % interval", "R2", "95 % interval", "Spearman", "95 % interval"]);
        for row in &methods {
            let found = ["rmse", "r2", "spearman"].map(|metric| task.find(&row.method, ALL, metric));
            let cells = found.into_iter().flat_map(|score| [value(score, 3), interval(score, 2)]);
            table.push([row.method.clone()].into_iter().chain(cells).chain([partial(row, &methods)]));
        }
        let (wells, conditions) = (first.n_items, first.n_units);
        format!("{READOUTS}, last frame to first: {wells} wells of {conditions} conditions\n{table}")
    }

    /// Over all conditions, then the errors of each.
    fn of_tracks(&self) -> String {
        let task = Task::of(self, |row| row.task == TRACKS);
        let methods = task.by_least(TRAJECTORY_METRICS[0]);
        let Some(first) = methods.first() else { return String::new() };
        // As many decimals as the best method has in three digits.
        let decimals = if first.value > 0.0 { (2.0 - first.value.log10().floor()).clamp(0.0, 9.0) as usize } else { 0 };
        let heads = ["RMSE", "95 % interval", "R2", "r", "of means", "95 % interval", "R2", "r"];
        let mut table = columns("method", &heads);
        for row in &methods {
            let of = |at: usize| task.find(&row.method, ALL, TRAJECTORY_METRICS[at]);
            table.push([
                row.method.clone(),
                value(of(0), decimals),
                interval(of(0), decimals),
                value(of(1), 3),
                value(of(2), 3),
                value(of(3), decimals),
                interval(of(3), decimals),
                value(of(4), 3),
                value(of(5), 3),
            ]);
        }
        let conditions: BTreeSet<&str> =
            task.0.iter().map(|row| row.subset.as_str()).filter(|subset| *subset != ALL).collect();
        let numbers: Vec<String> = (1..=conditions.len()).map(|number| format!("({number})")).collect();
        let mut by_condition = columns("method", &numbers.iter().map(String::as_str).collect::<Vec<_>>());
        for row in &methods {
            let of =
                |condition: &str, at: usize| value(task.find(&row.method, condition, TRAJECTORY_METRICS[at]), decimals);
            let cells = conditions.iter().map(|condition| format!("{} / {}", of(condition, 0), of(condition, 3)));
            by_condition.push([row.method.clone()].into_iter().chain(cells));
        }
        let mut legend = String::new();
        for (number, condition) in numbers.iter().zip(&conditions) {
            let n_tracks = task.find(&first.method, condition, TRAJECTORY_METRICS[0]).map_or(0, |row| row.n_items);
            legend += &format!("  {number} {condition}, {n_tracks} tracks\n");
        }
        format!(
            "{TRACKS}, open loop after what is seen: {} tracks in {} fields of view\n{table}RMSE of single tracks / of their mean, by condition\n{legend}{by_condition}",
            first.n_items, first.n_units
        )
    }

    fn of_labels(&self) -> String {
        let task = Task::of(self, |row| row.task == LABELS);
        let methods = task.of_metric("accuracy");
        let Some(first) = methods.first() else { return String::new() };
        let mut table = columns("neighbors by", &["accuracy", "95 % interval", "p", "own/other"]);
        for row in &methods {
            let p = match task.find(&row.method, ALL, "p") {
                Some(p) if p.value < 1e-4 => "<0.0001".to_owned(),
                p => value(p, 4),
            };
            table.push([
                row.method.clone(),
                value(Some(row), 3),
                interval(Some(row), 2),
                p,
                value(task.find(&row.method, ALL, "own/other distance"), 3),
            ]);
        }
        format!("{LABELS}: {} wells, each a unit\n{table}", first.n_items)
    }

    /// A line for each embedding, a column for each metric.
    fn of_embeddings(&self) -> String {
        let task = Task::of(self, |row| EMBEDDING_TASKS.contains(&row.task.as_str()));
        let mut metrics: Vec<&ScoreRow> = Vec::new();
        let mut methods: Vec<&str> = Vec::new();
        for &row in &task.0 {
            if !metrics.iter().any(|first| first.task == row.task && first.metric == row.metric) {
                metrics.push(row);
            }
            if !methods.contains(&row.method.as_str()) {
                methods.push(&row.method);
            }
        }
        if methods.is_empty() {
            return String::new();
        }
        let mut table = columns("", &metrics.iter().map(|first| first.metric.as_str()).collect::<Vec<_>>());
        for method in methods {
            let cells = metrics.iter().map(|first| {
                let is_it =
                    |row: &&&ScoreRow| row.method == method && row.task == first.task && row.metric == first.metric;
                value(task.0.iter().find(is_it).copied(), 3)
            });
            table.push([method.to_owned()].into_iter().chain(cells));
        }
        let mut text = format!("\nas embeddings\n{table}");
        for first in metrics {
            let note = if first.note.is_empty() { String::new() } else { format!("; {}", first.note) };
            text += &format!("{}: {}, {} treatments{note}\n", first.metric, first.task, first.n_items);
        }
        text
    }
}
