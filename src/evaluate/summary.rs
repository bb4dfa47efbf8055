//! The main scores of an evaluation as text for people.

use std::collections::BTreeSet;

use super::coverage::INTERVALS;
use super::embeddings::{EMBEDDING_TASKS, IN_SAMPLE, UNSEEN, UNSEEN_TREATMENTS};
use super::labels::LABELS;
use super::order::{ORDER, ORDER_METRICS};
use super::tracks::{ALL, TRACKS};
use super::treatments::{ANCHORED, BEATS_MEAN};
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
        let tables = [self.of_treatments(), self.of_orders(), self.of_wells(), self.of_tracks(), self.of_labels()];
        let mut text = String::new();
        if self.configurations_tried > 1 && tables.iter().any(|table| !table.is_empty()) {
            text += &format!("scored after {} configurations had been tried\n", self.configurations_tried);
        }
        tables.iter().for_each(|table| text += table);
        self.notes.iter().for_each(|note| text += &format!("{note}\n"));
        text += &self.of_intervals();
        text + &self.of_embeddings()
    }

    /// The verdicts, a sentence each.
    pub fn verdicts(&self) -> Vec<String> {
        let all = [&self.verdict, &self.verdict_model, &self.verdict_order, &self.verdict_order_model];
        all.into_iter().flatten().map(ToString::to_string).collect()
    }

    /// How often intervals of the ranking held test treatments: in all, and by what training says of them.
    fn of_intervals(&self) -> String {
        let task = Task::of(self, |row| row.task == INTERVALS);
        let of = |row: &ScoreRow| {
            let interval = match (row.lower, row.upper) {
                (Some(lower), Some(upper)) => {
                    format!(
                        ", 95 % interval {:.0} to {:.0} % over {} perturbations",
                        100.0 * lower,
                        100.0 * upper,
                        row.n_units
                    )
                }
                _ => String::new(),
            };
            let name = if row.subset == ALL { "intervals of the ranking held" } else { &row.subset };
            format!("{name} {:.0} % of {} test treatments{interval}", 100.0 * row.value, row.n_items)
        };
        let (all, strata): (Vec<&ScoreRow>, Vec<&ScoreRow>) = task.0.iter().copied().partition(|row| row.subset == ALL);
        let parts: Vec<String> = all.into_iter().chain(strata).map(of).collect();
        let note = task.0.first().map_or("", |row| &row.note);
        if parts.is_empty() { String::new() } else { format!("{} ({note})\n", parts.join("; ")) }
    }

    fn of_treatments(&self) -> String {
        let task = Task::of(self, |row| row.task.starts_with("unseen "));
        let methods = task.by_least("mse");
        let Some(first) = methods.first() else { return String::new() };
        let recall = task.0.iter().find(|row| row.metric.starts_with("recall@")).map_or("recall", |row| &row.metric);
        let mut table = columns(
            "method",
            &["MSE", "95 % interval", "scale", "interior", "edge", "r delta", "slope", recall, "MRR"],
        );
        for row in &methods {
            let cell = |subset: &str, metric: &str| value(task.find(&row.method, subset, metric), 3);
            table.push([
                row.method.clone(),
                value(Some(row), 3),
                interval(Some(row), 3),
                value(task.find(&row.method, ALL, &format!("{ANCHORED}mse")), 2),
                cell("interior", "mse"),
                cell("edge", "mse"),
                cell(ALL, "pearson_delta"),
                value(task.find(&row.method, ALL, "amplitude"), 2),
                cell(ALL, recall),
                cell(ALL, "mrr"),
                partial(row, &methods),
            ]);
        }
        let mut text =
            format!("{}: {} treatments of {} perturbations\n{table}", first.task, first.n_items, first.n_units);
        let is_failed = |row: &&&ScoreRow| row.metric.ends_with(BEATS_MEAN) && row.lower.unwrap_or(row.value) <= 0.5;
        let failed = task.0.iter().filter(|row| row.subset == ALL).filter(is_failed);
        let failed: Vec<String> = failed
            .map(|row| format!("{} ({:.0} %)", row.metric.trim_end_matches(BEATS_MEAN), 100.0 * row.value))
            .collect();
        if !failed.is_empty() {
            text += &format!(
                "replicates are not shown to be better than the mean response at more than half of these treatments by {}: \
                 such a metric says little here\n",
                failed.join(", ")
            );
        }
        text
    }

    /// Whether what was not measured is put in the right order, best first.
    fn of_orders(&self) -> String {
        let task = Task::of(self, |row| row.task.starts_with(ORDER));
        let [(correlation, _), (regret, _), (enrichment, _)] = ORDER_METRICS;
        let mut methods = task.of_metric(correlation);
        methods.sort_by(|a, b| b.value.total_cmp(&a.value));
        let Some(first) = methods.first() else { return String::new() };
        let mut table = columns("method", &["rank correlation", "95 % interval", "regret", "enrichment"]);
        for row in &methods {
            let cell = |metric: &str| value(task.find(&row.method, ALL, metric), 3);
            table.push([
                row.method.clone(),
                value(Some(row), 3),
                interval(Some(row), 3),
                cell(regret),
                cell(enrichment),
                partial(row, &methods),
            ]);
        }
        format!(
            "{}, toward each of {} measured targets (by lot: 0, regret 1, enrichment 1)\n{table}",
            first.task, first.n_items
        )
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

    /// Of the wells that the encoder did not see, and of all: a line for each embedding, a column for each metric.
    fn of_embeddings(&self) -> String {
        let is_of = |row: &ScoreRow, is_unseen: bool| {
            let task = row.task.strip_suffix(UNSEEN);
            EMBEDDING_TASKS.contains(&task.unwrap_or(&row.task)) && task.is_some() == is_unseen
        };
        let unseen = Task::of(self, |row| is_of(row, true));
        let all = Task::of(self, |row| is_of(row, false));
        let mut text = embedding_table("as embeddings, wells that the encoder did not see", &unseen.0);
        text += &embedding_table("as embeddings, all wells", &all.0);
        let mut in_sample: Vec<&str> =
            all.0.iter().filter(|row| row.subset == IN_SAMPLE).map(|row| row.method.as_str()).collect();
        in_sample.dedup();
        in_sample.sort_unstable();
        in_sample.dedup();
        if !in_sample.is_empty() {
            text += &format!(
                "in sample, since they were fitted to training wells known as replicates: {}\n",
                in_sample.join(", ")
            );
        }
        text
    }
}

/// A line for each embedding, a column for each metric of the first subset of each task, and of the others by their name.
fn embedding_table(title: &str, rows: &[&ScoreRow]) -> String {
    let subset = |row: &ScoreRow| match row.subset.as_str() {
        IN_SAMPLE | UNSEEN_TREATMENTS => ALL.to_owned(),
        other => other.to_owned(),
    };
    let mut metrics: Vec<&ScoreRow> = Vec::new();
    let mut methods: Vec<&str> = Vec::new();
    for &row in rows {
        let is_same =
            |first: &&ScoreRow| first.task == row.task && first.metric == row.metric && subset(first) == subset(row);
        if !metrics.iter().any(is_same) {
            metrics.push(row);
        }
        if !methods.contains(&row.method.as_str()) {
            methods.push(&row.method);
        }
    }
    // What is asked only of perturbations that training does not hold stands below the table.
    let (columns_of, apart): (Vec<&ScoreRow>, Vec<&ScoreRow>) =
        metrics.into_iter().partition(|first| subset(first) == ALL);
    if methods.is_empty() {
        return String::new();
    }
    let cell = |method: &str, first: &ScoreRow| {
        let is_it = |row: &&&ScoreRow| {
            row.method == method && row.task == first.task && row.metric == first.metric && subset(row) == subset(first)
        };
        value(rows.iter().find(is_it).copied(), 3)
    };
    let mut table = columns("", &columns_of.iter().map(|first| first.metric.as_str()).collect::<Vec<_>>());
    for method in &methods {
        let cells = columns_of.iter().map(|first| cell(method, first));
        table.push([(*method).to_owned()].into_iter().chain(cells));
    }
    let mut text = format!("\n{title}\n{table}");
    for first in columns_of {
        let note = if first.note.is_empty() { String::new() } else { format!("; {}", first.note) };
        text += &format!("{}: {}, {} treatments{note}\n", first.metric, first.task, first.n_items);
    }
    for first in apart.into_iter().filter(|first| first.metric == "NSC") {
        let of: Vec<String> = methods.iter().map(|method| format!("{method} {}", cell(method, first))).collect();
        text += &format!("{}, {}, {} treatments: {}\n", first.metric, first.subset, first.n_items, of.join(", "));
    }
    text
}
