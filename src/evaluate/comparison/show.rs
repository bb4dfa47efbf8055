//! A comparison as a table of a file, as text and as JSON.

use std::path::Path;

use super::{Against, Comparison, ERROR, Line};
use crate::evaluate::{Claim, EvaluateError};
use crate::table::{Column, Side, Table, TextTable};

impl Against {
    /// The difference as a sentence.
    pub(super) fn in_words(&self) -> String {
        let Self { percent, objective, other, difference } = self;
        let estimate = &difference.estimate;
        let by = estimate.mean.abs();
        let interval = match estimate.interval {
            Some((lower, upper)) => format!("95 % interval of the difference {lower:+.3} to {upper:+.3}"),
            None => format!("{} independent units, too few for an interval", estimate.n_units),
        };
        let relation = match (difference.claim, estimate.mean < 0.0) {
            (Claim::Lower, _) => format!("errs less than `{other}` by {by:.3}"),
            (Claim::Higher, _) => format!("errs more than `{other}` by {by:.3}"),
            (_, true) => format!("errs {by:.3} less than `{other}`, which may be chance"),
            (_, false) => format!("errs {by:.3} more than `{other}`, which may be chance"),
        };
        format!("on {percent} % of the data `{objective}` {relation} ({interval})")
    }
}

impl Comparison {
    /// Writes the table as the ending of `path` says: one row for each share and objective.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), EvaluateError> {
        Ok(self.table().write(path)?)
    }

    fn table(&self) -> Table {
        let lines = &self.lines;
        let text =
            |value: fn(&Line) -> &str| Column::Text(lines.iter().map(|line| Some(value(line).to_owned())).collect());
        let number = |value: &dyn Fn(&Line) -> Option<f64>| Column::Number(lines.iter().map(value).collect());
        let count = |value: &dyn Fn(&Line) -> Option<usize>| {
            Column::Integer(lines.iter().map(|line| value(line).map(|n| n as i64)).collect())
        };
        let mut table = Table::new()
            .with("percent", "share of the training data in percent", count(&|line| Some(line.percent)))
            .with("objective", "objective, or simple method", text(|line| &line.objective))
            .with("setting", "value of its knob that validation units chose", text(|line| &line.setting))
            .with("n_seeds", "trainings with that value", count(&|line| Some(line.n_seeds)))
            .with(
                "n_failed",
                "trainings with any value that failed; null of a simple method",
                count(&|line| Some(line.failed?.0)),
            )
            .with("n_trained", "trainings with any value; null of a simple method", count(&|line| Some(line.failed?.1)))
            .with(
                "rank_share",
                "effective rank of held-out latents as a share of their width",
                number(&|line| line.rank_share),
            )
            .with(
                "excess_sigreg",
                "SIGReg of held-out latents above that of normal ones",
                number(&|line| line.excess_sigreg),
            );
        for metric in self.metrics() {
            let of = |line: &Line| line.scores.get(metric).cloned();
            table = table
                .with(metric, "mean over held-out units", number(&|line| Some(of(line)?.mean)))
                .with(
                    format!("{metric}_lower"),
                    "lower end of its 95 % interval",
                    number(&|line| Some(of(line)?.interval?.0)),
                )
                .with(
                    format!("{metric}_upper"),
                    "upper end of its 95 % interval",
                    number(&|line| Some(of(line)?.interval?.1)),
                );
        }
        let against = |line: &Line| {
            self.against
                .iter()
                .find(|one| one.percent == line.percent && one.other == line.objective)
                .map(|one| &one.difference.estimate)
        };
        table
            .with("n_units", "independent held-out units", count(&|line| Some(line.scores.get(ERROR)?.n_units)))
            .with(
                "spread_over_seeds",
                "standard deviation of the mean error over seeds",
                number(&|line| line.spread_over_seeds),
            )
            .with(
                "sensitivity",
                "validation error with the worst value of the knob against the best, as a share more",
                number(&|line| line.sensitivity),
            )
            .with(
                "first_minus_this",
                "error of the first objective minus that of this one, on the same units",
                number(&|line| Some(against(line)?.mean)),
            )
            .with(
                "first_minus_this_lower",
                "lower end of its 95 % interval",
                number(&|line| Some(against(line)?.interval?.0)),
            )
            .with(
                "first_minus_this_upper",
                "upper end of its 95 % interval",
                number(&|line| Some(against(line)?.interval?.1)),
            )
    }

    /// The metrics of any line, the error first.
    fn metrics(&self) -> Vec<&str> {
        let mut all: Vec<&str> = self.lines.iter().flat_map(|line| line.scores.keys()).map(String::as_str).collect();
        all.sort_by_key(|metric| (*metric != ERROR, *metric));
        all.dedup();
        all
    }

    /// A table for each share of the data, in 80 columns: the last of them says how far the errors of seeds lie apart, or of
    /// how many items they are, where that differs.
    pub fn render(&self) -> String {
        let mut percents: Vec<usize> = self.lines.iter().map(|line| line.percent).collect();
        percents.dedup();
        let of_share = |percent: &usize| {
            format!("{percent} % of the training data\n{}", self.table_of(*percent).without_empty_columns())
        };
        percents.iter().map(of_share).collect::<Vec<_>>().join("\n")
    }

    fn table_of(&self, percent: usize) -> TextTable {
        let lines: Vec<&Line> = self.lines.iter().filter(|line| line.percent == percent).collect();
        let n_items = |line: &Line| line.scores.get(ERROR).map_or(0, |estimate| estimate.n_items);
        // Errors of different units do not compare, which is more to know than how far seeds lie apart.
        let differ = lines.windows(2).any(|pair| n_items(pair[0]) != n_items(pair[1]));
        let metrics = self.metrics();
        let others = metrics.iter().copied().filter(|metric| *metric != ERROR);
        let heads = [("objective", Side::Left), ("failed", Side::Right), (ERROR, Side::Right)];
        let heads = heads.into_iter().chain([("95 % interval", Side::Right)]);
        let heads = heads.chain(others.clone().map(|metric| (metric, Side::Right)));
        let mut text = TextTable::new(heads.chain([(if differ { "items" } else { "seeds" }, Side::Right)]));
        for line in lines {
            let mean = |metric: &str| line.scores.get(metric).map_or("-".to_owned(), |one| format!("{:.3}", one.mean));
            let interval = line.scores.get(ERROR).and_then(|estimate| estimate.interval);
            let mut cells = vec![
                format!("{} {}", line.objective, line.setting).trim_end().to_owned(),
                line.failed.map_or(String::new(), |(failed, all)| format!("{failed}/{all}")),
                mean(ERROR),
                interval.map_or("-".to_owned(), |(lower, upper)| format!("{lower:.3} to {upper:.3}")),
            ];
            cells.extend(others.clone().map(mean));
            cells.push(match differ {
                true => n_items(line).to_string(),
                false => line.spread_over_seeds.map_or(String::new(), |spread| format!("±{spread:.3}")),
            });
            text.push(cells);
        }
        text
    }

    /// One JSON object for each line and each difference, then the advice.
    pub fn json_lines(&self) -> String {
        let mut objects = Vec::new();
        for line in &self.lines {
            let scores: serde_json::Map<String, serde_json::Value> = line
                .scores
                .iter()
                .map(|(metric, estimate)| {
                    let value = serde_json::json!({
                        "mean": estimate.mean,
                        "lower": estimate.interval.map(|(lower, _)| lower),
                        "upper": estimate.interval.map(|(_, upper)| upper),
                        "n_items": estimate.n_items,
                        "n_units": estimate.n_units,
                    });
                    (metric.clone(), value)
                })
                .collect();
            objects.push(serde_json::json!({
                "type": "objective",
                "percent": line.percent,
                "objective": line.objective,
                "setting": line.setting,
                "n_seeds": line.n_seeds,
                "n_failed": line.failed.map(|(failed, _)| failed),
                "n_trained": line.failed.map(|(_, all)| all),
                "rank_share": line.rank_share,
                "excess_sigreg": line.excess_sigreg,
                "scores": scores,
                "spread_over_seeds": line.spread_over_seeds,
                "sensitivity": line.sensitivity,
            }));
        }
        for Against { percent, objective, other, difference } in &self.against {
            objects.push(serde_json::json!({
                "type": "difference",
                "percent": percent,
                "objective": objective,
                "other": other,
                "difference": difference.estimate.mean,
                "lower": difference.estimate.interval.map(|(lower, _)| lower),
                "upper": difference.estimate.interval.map(|(_, upper)| upper),
                "n_units": difference.estimate.n_units,
            }));
        }
        objects.push(serde_json::json!({ "type": "advice", "sentences": self.advice() }));
        objects.iter().map(|object| format!("{object}\n")).collect()
    }
}
