//! The ranking as a table that can be sorted and filtered, and the doses of what ranks first.

use std::collections::BTreeMap;

use serde::Serialize;

use super::drawing::{Axis, DOSE_BOTTOM, Drawing, plain};
use crate::plan::{RankedIntervention, Ranking};
use crate::screen::Micromolar;

/// Rows of the table at most; the files have all.
const MOST_ROWS: usize = 2000;

/// Perturbations whose doses are drawn.
const MOST_LADDERS: usize = 8;

/// Width and height of a drawn score, in pixels.
const SCORE: (f64, f64) = (140.0, 18.0);

/// The section.
#[derive(Debug, Serialize)]
pub(super) struct PickList {
    start: String,
    target: String,
    by: String,
    pub(super) rows: Vec<Candidate>,
    n_rows: usize,
    /// Kinds of evidence that occur.
    evidence: Vec<String>,
    has_context: bool,
    has_interval: bool,
    has_readout: bool,
    has_moa: bool,
    abstained: Vec<String>,
    pub(super) ladders: Vec<Ladder>,
    #[serde(skip)]
    drawings: Vec<(String, Drawing)>,
}

/// One candidate.
#[derive(Debug, Serialize)]
pub(super) struct Candidate {
    pub(super) rank: usize,
    pub(super) intervention: String,
    context: String,
    pub(super) score: String,
    pub(super) interval: String,
    svg: String,
    evidence: String,
    n_wells: usize,
    moa: String,
    nearest: String,
    readout: String,
    pub(super) flags: Vec<String>,
    /// For the thresholds: the score, and the lower end of its interval.
    raw_score: f64,
    raw_lower: Option<f64>,
}

/// The doses of one perturbation in one context.
#[derive(Debug, Serialize)]
pub(super) struct Ladder {
    pub(super) title: String,
    svg: String,
    rows: Vec<(String, String, String, String)>,
}

impl PickList {
    pub(super) fn of(ranking: &Ranking) -> Self {
        let shown = &ranking.rows[..ranking.rows.len().min(MOST_ROWS)];
        let ends = shown.iter().flat_map(|row| [Some(row.score), row.lower, row.upper]).flatten();
        // What leads far away would press all others together.
        let axis = Axis::over(ends.map(|value| value.max(-1.0)).chain([0.0, 1.0]), 3.0, SCORE.0 - 3.0);
        let mut evidence: Vec<String> = Vec::new();
        for row in shown {
            let word = row.evidence.to_string();
            if !evidence.contains(&word) {
                evidence.push(word);
            }
        }
        let ladders = ladders(ranking);
        Self {
            start: ranking.start.clone(),
            target: ranking.target.clone(),
            by: ranking.by.to_string(),
            rows: shown.iter().map(|row| candidate(row, &axis)).collect(),
            n_rows: ranking.rows.len(),
            evidence,
            has_context: shown.iter().any(|row| row.context != shown[0].context),
            has_interval: shown.iter().any(|row| row.lower.is_some()),
            has_readout: shown.iter().any(|row| row.readout.is_some()),
            has_moa: shown.iter().any(|row| row.moa.is_some()),
            abstained: ranking.abstained.clone(),
            drawings: ladders
                .iter()
                .map(|(ladder, name, drawing)| (format!("doses-{name}-{}", ladder.rows.len()), drawing.clone()))
                .collect(),
            ladders: ladders.into_iter().map(|(ladder, ..)| ladder).collect(),
        }
    }

    pub(super) fn figures(&self) -> impl Iterator<Item = (String, Drawing)> {
        self.drawings.iter().cloned()
    }
}

fn candidate(row: &RankedIntervention, axis: &Axis) -> Candidate {
    let nearest = match (&row.nearest_reference, &row.nearest_moa) {
        (Some(reference), Some(moa)) => format!("{reference} ({moa})"),
        (Some(reference), None) => reference.clone(),
        _ => String::new(),
    };
    Candidate {
        rank: row.rank,
        intervention: row.intervention.to_string(),
        context: row.context.clone(),
        score: plain(row.score, 2),
        interval: interval(row),
        svg: score_drawing(row, axis).inline(),
        evidence: row.evidence.to_string(),
        n_wells: row.n_wells,
        moa: row.moa.clone().unwrap_or_default(),
        nearest,
        readout: row.readout.map_or(String::new(), |ratio| plain(ratio, 2)),
        flags: row.flags.clone(),
        raw_score: row.score,
        raw_lower: row.lower,
    }
}

fn interval(row: &RankedIntervention) -> String {
    match (row.lower, row.upper) {
        (Some(lower), Some(upper)) => format!("{} to {}", plain(lower, 2), plain(upper, 2)),
        _ => String::new(),
    }
}

fn score_drawing(row: &RankedIntervention, axis: &Axis) -> Drawing {
    let (width, height) = SCORE;
    let label = format!("score {} on a scale from start (0) to target (1)", plain(row.score, 2));
    let mut drawing = Drawing::new(width, height, label);
    let (left, right) = axis.span();
    let (at, y) = (|value: f64| axis.at(value).clamp(left, right), 0.5 * height);
    for end in [0.0, 1.0] {
        drawing.line("grid", (at(end), 0.0), (at(end), height));
    }
    if let (Some(lower), Some(upper)) = (row.lower, row.upper) {
        drawing.line("interval learned", (at(lower), y), (at(upper), y));
    }
    let class = if row.n_wells > 0 { "dot learned" } else { "ring learned" };
    drawing.circle(class, (at(row.score), y), 3.6);
    drawing
}

/// The doses of the perturbations that rank first, of those with at least three.
fn ladders(ranking: &Ranking) -> Vec<(Ladder, String, Drawing)> {
    let mut groups = BTreeMap::<(String, &str), Vec<(f64, &RankedIntervention)>>::new();
    for row in &ranking.rows {
        let dose = row.intervention.as_single().and_then(|member| member.dose).map(Micromolar::get);
        if let Some(dose) = dose {
            let key = (row.intervention.perturbation_names(), row.context.as_str());
            groups.entry(key).or_default().push((dose, row));
        }
    }
    let mut groups: Vec<_> = groups.into_iter().filter(|(_, rows)| rows.len() >= 3).collect();
    groups.sort_by_key(|(_, rows)| rows.iter().map(|(_, row)| row.rank).min());
    groups.truncate(MOST_LADDERS);
    let ends = groups.iter().flat_map(|(_, rows)| rows).flat_map(|(_, row)| [Some(row.score), row.lower, row.upper]);
    let vertical = Axis::over(ends.flatten().map(|value| value.max(-1.0)).chain([0.0, 1.0]), DOSE_BOTTOM, 8.0);
    let mut found = Vec::new();
    for ((name, context), mut rows) in groups {
        rows.sort_by(|a, b| a.0.total_cmp(&b.0));
        let title = if context.is_empty() { name.clone() } else { format!("{name}, {context}") };
        let drawing = ladder_drawing(&title, &rows, &vertical);
        let cells = rows.iter().map(|(dose, row)| {
            let wells = if row.n_wells == 0 { "predicted only".to_owned() } else { row.n_wells.to_string() };
            (dose.to_string(), plain(row.score, 2), interval(row), wells)
        });
        let file: String = title.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).take(40).collect();
        found.push((Ladder { title, svg: drawing.inline(), rows: cells.collect() }, file, drawing));
    }
    found
}

fn ladder_drawing(title: &str, rows: &[(f64, &RankedIntervention)], vertical: &Axis) -> Drawing {
    let label = format!("Score of {title} by dose; the table below has the numbers");
    let (mut drawing, horizontal) = Drawing::by_dose(label, rows.iter().map(|(dose, _)| *dose), vertical);
    let floor = |value: f64| vertical.at(value).min(DOSE_BOTTOM);
    let points: Vec<(f64, f64)> = rows.iter().map(|(dose, row)| (horizontal.at(*dose), floor(row.score))).collect();
    drawing.curve("curve learned", &points);
    for ((_, row), (x, y)) in rows.iter().zip(points) {
        if let (Some(lower), Some(upper)) = (row.lower, row.upper) {
            drawing.line("interval learned", (x, floor(lower)), (x, floor(upper)));
        }
        drawing.circle(if row.n_wells > 0 { "dot learned" } else { "ring learned" }, (x, y), 4.0);
    }
    drawing
}
