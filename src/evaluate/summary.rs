//! The main scores of an evaluation as text for people.

use std::collections::BTreeSet;

use super::bootstrap::BEATS_MEAN;
use super::coverage::INTERVALS;
use super::embeddings::{EMBEDDING_TASKS, IN_SAMPLE, UNSEEN, UNSEEN_TREATMENTS};
use super::labels::LABELS;
use super::order::{ORDER, ORDER_METRICS};
use super::tracks::{ALL, TRACKS};
use super::treatments::ANCHORED;
use super::wells::READOUTS;
use super::{Evaluation, ScoreRow, TRAJECTORY_METRICS};
use crate::predict::Method;
use crate::table::{Side, TextTable, counted, counted_of, filled, paragraph};

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
    let Some(row) = row else { return "-".to_owned() };
    let text = format!("{:.decimals$}", row.value);
    // No sign on zero.
    if text.trim_start_matches(['-', '0', '.']).is_empty() { text.trim_start_matches('-').to_owned() } else { text }
}

fn interval(row: Option<&ScoreRow>, decimals: usize) -> String {
    match row.and_then(|row| Some((row.lower?, row.upper?))) {
        Some((lower, upper)) => format!("{lower:.decimals$} to {upper:.decimals$}"),
        None => "-".to_owned(),
    }
}

/// As many decimals as the smallest of the values but 0 has in three digits, so that no row reads 0.000.
fn decimals_of(rows: &[&ScoreRow]) -> usize {
    let sizes = rows.iter().map(|row| row.value.abs()).filter(|&size| size > 0.0 && size.is_finite());
    let least = sizes.fold(f64::INFINITY, f64::min);
    if least.is_finite() { (2.0 - least.log10().floor()).clamp(0.0, 9.0) as usize } else { 3 }
}

/// Rows that answer all items, and those that answer fewer: values of the two do not compare.
fn whole_and_partial<'a>(rows: &[&'a ScoreRow]) -> (Vec<&'a ScoreRow>, Vec<&'a ScoreRow>) {
    let most = rows.iter().map(|row| row.n_items).max().unwrap_or(0);
    rows.iter().partition(|row| row.n_items == most)
}

/// What was held out, in words, by the name of its task.
fn plural_of(task: &str) -> &str {
    match task.trim_start_matches("unseen ") {
        "dose" => "doses",
        "intervention" => "perturbations",
        "condition" => "interventions",
        "context" => "interventions in a context",
        "plate" => "plates",
        "lab_batch" => "lab batches",
        "plate_row" => "rows of plates",
        "plate_column" => "columns of plates",
        other => other,
    }
}

/// What stands above the rows of methods that answer fewer items.
const PARTIAL: &str = "methods that answer fewer (their rows do not compare with those above)\n";

/// Each of the methods once, with what it is.
fn legend<'a>(methods: impl Iterator<Item = &'a str>) -> String {
    let known: BTreeSet<Method> = methods.filter_map(|word| word.parse().ok()).collect();
    let width = known.iter().map(|method| method.word().chars().count()).max().unwrap_or(0);
    let line = |method: &Method| {
        let indent = format!("\n{}", " ".repeat(width + 4));
        let words = filled(method.words().split(' '), 80 - width - 4).join(&indent);
        format!("  {:<width$}  {words}\n", method.word())
    };
    known.iter().map(line).collect()
}

/// A sentence in lines, if there is one.
fn paragraph_unless_empty(text: &str) -> String {
    if text.is_empty() { String::new() } else { paragraph(text.trim_end()) }
}

/// Words of the first column, numbers after it.
fn columns<'a>(first: &'a str, numbers: &[&'a str]) -> TextTable {
    let numbers = numbers.iter().map(|&head| (head, Side::Right));
    TextTable::new([(first, Side::Left)].into_iter().chain(numbers))
}

impl Evaluation {
    /// The main scores: a table for each task, a line for each method, best first; and what has to be known of them.
    /// Of treatments only the columns that fit 80 characters, or all.
    pub fn summary(&self, is_wide: bool) -> String {
        let tables =
            [self.of_treatments(is_wide), self.of_orders(), self.of_wells(), self.of_tracks(), self.of_labels()];
        let mut text = String::new();
        if self.configurations_tried > 1 && tables.iter().any(|table| !table.is_empty()) {
            text += &format!("scored after {} configurations had been tried\n", self.configurations_tried);
        }
        tables.iter().for_each(|table| text += table);
        self.notes.iter().for_each(|note| text += &paragraph(note));
        text += &paragraph_unless_empty(&self.of_intervals());
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

    fn of_treatments(&self, is_wide: bool) -> String {
        let task = Task::of(self, |row| row.task.starts_with("unseen "));
        let methods = task.by_least("mse");
        let Some(first) = methods.first() else { return String::new() };
        let recall = task.0.iter().find(|row| row.metric.starts_with("recall@")).map_or("recall", |row| &row.metric);
        let decimals = decimals_of(&methods);
        let table_of = |rows: &[&ScoreRow]| {
            let heads = match is_wide {
                true => &["MSE", "95 % interval", "scale", "interior", "edge", "r", "slope", recall, "MRR", "of"][..],
                false => &["MSE", "95 % interval", "scale", "r", recall, "of"],
            };
            let mut table = columns("method", heads);
            for row in rows {
                let cell =
                    |subset: &str, metric: &str, decimals| value(task.find(&row.method, subset, metric), decimals);
                let n_items = if row.n_items == first.n_items { String::new() } else { row.n_items.to_string() };
                let mut cells = vec![
                    row.method.clone(),
                    value(Some(row), decimals),
                    interval(Some(row), decimals),
                    cell(ALL, &format!("{ANCHORED}mse"), 2),
                ];
                if is_wide {
                    cells.extend(["interior", "edge"].map(|subset| cell(subset, "mse", decimals)));
                }
                cells.push(cell(ALL, "pearson_delta", 3));
                if is_wide {
                    cells.push(cell(ALL, "amplitude", 2));
                }
                cells.push(cell(ALL, recall, 2));
                if is_wide {
                    cells.push(cell(ALL, "mrr", 3));
                }
                cells.push(n_items);
                table.push(cells);
            }
            table.without_empty_columns().to_string()
        };
        let most = methods.iter().map(|row| row.n_items).max().unwrap_or(0);
        let (whole, partial) = whole_and_partial(&methods);
        let n_units = whole[0].n_units;
        let mut text = format!(
            "held-out {}: {} of {}\n{}",
            plural_of(&first.task),
            counted(most, "treatment"),
            counted(n_units, "perturbation"),
            table_of(&whole)
        );
        if !partial.is_empty() {
            text += PARTIAL;
            text += &table_of(&partial);
        }
        let about = "MSE: mean squared error over normalized features; scale: 0 is the mean response of all treatments, 1 a \
                     perfect prediction; r: correlation of predicted and measured change; ";
        let recall_words = recall.strip_prefix("recall@").map_or(String::new(), |k| {
            format!("{recall}: share of treatments whose own profile is among the {k} nearest to the prediction")
        });
        text += &paragraph(&format!("{about}{recall_words}"));
        text += &legend(methods.iter().map(|row| row.method.as_str()));
        let is_failed = |row: &&&ScoreRow| row.metric.ends_with(BEATS_MEAN) && row.lower.unwrap_or(row.value) <= 0.5;
        let failed = task.0.iter().filter(|row| row.subset == ALL).filter(is_failed);
        let failed: Vec<String> = failed
            .map(|row| format!("{} ({:.0} %)", row.metric.trim_end_matches(BEATS_MEAN), 100.0 * row.value))
            .collect();
        if !failed.is_empty() {
            text += &paragraph(&format!(
                "replicates are not shown to be better than the mean response at more than half of these treatments by {}: \
                 such a metric says little here",
                failed.join(", ")
            ));
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
        let table_of = |rows: &[&ScoreRow]| {
            let mut table = columns("method", &["rank correlation", "95 % interval", "regret", "enrichment", "of"]);
            for row in rows {
                let cell = |metric: &str| value(task.find(&row.method, ALL, metric), 3);
                let n_items = if row.n_items == first.n_items { String::new() } else { row.n_items.to_string() };
                let cells = [value(Some(row), 3), interval(Some(row), 3), cell(regret), cell(enrichment), n_items];
                table.push([row.method.clone()].into_iter().chain(cells));
            }
            table.without_empty_columns().to_string()
        };
        let (whole, partial) = whole_and_partial(&methods);
        let title = format!(
            "{}, toward each of {} (by lot: 0, regret 1, enrichment 1)",
            whole[0].task,
            counted(whole[0].n_items, "measured target")
        );
        let mut text = paragraph(&title) + &table_of(&whole);
        if !partial.is_empty() {
            text += PARTIAL;
            text += &table_of(&partial);
        }
        text
    }

    fn of_wells(&self) -> String {
        let task = Task::of(self, |row| row.task == READOUTS);
        let methods = task.by_least("rmse");
        let Some(first) = methods.first() else { return String::new() };
        let decimals = decimals_of(&methods);
        let table_of = |rows: &[&ScoreRow]| {
            let mut table = columns("method", &["RMSE", "95 % interval", "R2", "Spearman", "95 % interval", "of"]);
            for row in rows {
                let of = |metric: &str| task.find(&row.method, ALL, metric);
                let n_items = if row.n_items == first.n_items { String::new() } else { row.n_items.to_string() };
                table.push([
                    row.method.clone(),
                    value(Some(row), decimals),
                    interval(Some(row), decimals),
                    value(of("r2"), 2),
                    value(of("spearman"), 2),
                    interval(of("spearman"), 2),
                    n_items,
                ]);
            }
            table.without_empty_columns().to_string()
        };
        let (whole, partial) = whole_and_partial(&methods);
        let (wells, conditions) = (counted(whole[0].n_items, "well"), counted(whole[0].n_units, "condition"));
        let mut text = format!("{READOUTS}, last frame to first: {wells} of {conditions}\n{}", table_of(&whole));
        if !partial.is_empty() {
            text += PARTIAL;
            text += &table_of(&partial);
        }
        text + &legend(methods.iter().map(|row| row.method.as_str()))
    }

    /// Over all conditions, then the errors of each.
    fn of_tracks(&self) -> String {
        let task = Task::of(self, |row| row.task == TRACKS);
        let methods = task.by_least(TRAJECTORY_METRICS[0]);
        let Some(first) = methods.first() else { return String::new() };
        // As many decimals as the best method has in three digits.
        let decimals = if first.value > 0.0 { (2.0 - first.value.log10().floor()).clamp(0.0, 9.0) as usize } else { 0 };
        let table_of = |at: usize| {
            let mut table = columns("method", &["RMSE", "95 % interval", "R2", "r"]);
            for row in &methods {
                let of = |at: usize| task.find(&row.method, ALL, TRAJECTORY_METRICS[at]);
                table.push([
                    row.method.clone(),
                    value(of(at), decimals),
                    interval(of(at), decimals),
                    value(of(at + 1), 3),
                    value(of(at + 2), 3),
                ]);
            }
            table
        };
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
            legend += &format!("  {number} {condition}, {}\n", counted(n_tracks, "track"));
        }
        format!(
            "{TRACKS}, open loop after what is seen: {} in {}\nsingle tracks\n{}means of the tracks of a field\n{}RMSE of \
             single tracks / of their mean, by condition\n{legend}{}{}",
            counted(first.n_items, "track"),
            counted_of(first.n_units, "field of view", "fields of view"),
            table_of(0),
            table_of(3),
            by_condition.within(80),
            self::legend(methods.iter().map(|row| row.method.as_str()))
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
            text += &paragraph(&format!(
                "in sample, since they were fitted to training wells known as replicates: {}",
                in_sample.join(", ")
            ));
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
        text += &paragraph(&format!("{}: {}, {} treatments{note}", first.metric, first.task, first.n_items));
    }
    for first in apart.into_iter().filter(|first| first.metric == "NSC") {
        let of: Vec<String> = methods.iter().map(|method| format!("{method} {}", cell(method, first))).collect();
        let about = format!("{}, {}, {} treatments", first.metric, first.subset, first.n_items);
        text += &paragraph(&format!("{about}: {}", of.join(", ")));
    }
    text
}
