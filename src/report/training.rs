//! How training went: what `metrics.jsonl` logged, as curves with their meaning in plain words.

use serde::Serialize;

use super::drawing::{Anchor, Axis, Drawing, plain};
use super::folder::{LoggedTraining, RunFiles};
use crate::plan::significant;
use crate::train::{LEAST_ACTION_GAP, LEAST_RANK_SHARE};

/// Width and height of a panel, in pixels.
const PANEL: (f64, f64) = (340.0, 190.0);

/// What is drawn, in this order, with what it means.
const SHOWN: [(&str, &str, &str); 5] = [
    (
        "validation_error",
        "Error on validation treatments",
        "Error of predictions of treatments that training does not use, as a share of the error of predicting that nothing \
         happens: below 1 it predicts something, and where it rises again it learns by heart. The step with the least is kept.",
    ),
    (
        "prediction",
        "Prediction loss",
        "Error of predictions on the training wells themselves, in the latent space. It should fall and level out.",
    ),
    (
        "excess_sigreg",
        "Excess SIGReg",
        "How far the latents are from a cloud that is alike in every direction: 0 is perfect. Where it stays large, latents \
         collapse, and distances between wells mean little.",
    ),
    (
        "effective_rank",
        "Effective rank",
        "How many directions of the latent space are in use. One direction is a collapse; more than the screen has kinds of \
         response is not needed.",
    ),
    (
        "action_gap",
        "Action gap",
        "How much worse predictions become when interventions are exchanged among wells, as a share. Near 0 the model ignores \
         what was done to the cells.",
    ),
];

/// The section: panels, and their last values as a table.
#[derive(Debug, Serialize)]
pub(super) struct Training {
    pub(super) panels: Vec<Panel>,
    heads: Vec<&'static str>,
    last: Vec<LastValues>,
}

/// One value over the steps, a line for each model.
#[derive(Debug, Serialize)]
pub(super) struct Panel {
    pub(super) title: &'static str,
    meaning: &'static str,
    /// How it ended, in words.
    pub(super) ending: String,
    svg: String,
    #[serde(skip)]
    name: &'static str,
    #[serde(skip)]
    drawing: Drawing,
}

#[derive(Debug, Serialize)]
struct LastValues {
    model: String,
    step: u64,
    values: Vec<String>,
}

/// The values of one model by step.
struct Curve<'a> {
    model: String,
    training: &'a LoggedTraining,
    member: usize,
}

impl Curve<'_> {
    fn points(&self, name: &str) -> Vec<(f64, f64)> {
        let own = self.training.lines.iter().filter(|line| line.member == self.member);
        own.filter_map(|line| Some((line.step as f64, *line.values.get(name)?))).collect()
    }

    fn last_step(&self) -> u64 {
        self.training.lines.iter().filter(|line| line.member == self.member).map(|line| line.step).max().unwrap_or(0)
    }
}

impl Training {
    /// `None` where nothing was logged.
    pub(super) fn of(files: &RunFiles) -> Option<Self> {
        let mut curves = Vec::new();
        for training in &files.metrics {
            let n_members = training.lines.iter().map(|line| line.member + 1).max().unwrap_or(0);
            for member in 0..n_members {
                let fold = training.fold.map_or(String::new(), |fold| format!("fold {fold}, "));
                curves.push(Curve { model: format!("{fold}model {}", member + 1), training, member });
            }
        }
        let latent = files.setting("model", "latent").and_then(toml::Value::as_integer);
        let panels: Vec<Panel> = SHOWN
            .iter()
            .filter(|(name, ..)| curves.iter().any(|curve| !curve.points(name).is_empty()))
            .map(|&(name, title, meaning)| panel(name, title, meaning, &curves, latent))
            .collect();
        let shown = || SHOWN.iter().filter(|(_, title, _)| panels.iter().any(|panel| panel.title == *title));
        let last = curves
            .iter()
            .map(|curve| LastValues {
                model: curve.model.clone(),
                step: curve.last_step(),
                values: shown()
                    .map(|(name, ..)| curve.points(name).last().map_or(String::new(), |(_, value)| plain(*value, 3)))
                    .collect(),
            })
            .collect();
        let heads = shown().map(|(_, title, _)| *title).collect();
        (!panels.is_empty()).then_some(Self { panels, heads, last })
    }

    pub(super) fn figures(&self) -> impl Iterator<Item = (String, Drawing)> {
        self.panels.iter().map(|panel| (format!("training-{}", panel.name.replace('_', "-")), panel.drawing.clone()))
    }
}

fn panel(
    name: &'static str,
    title: &'static str,
    meaning: &'static str,
    curves: &[Curve<'_>],
    latent: Option<i64>,
) -> Panel {
    let all: Vec<Vec<(f64, f64)>> = curves.iter().map(|curve| curve.points(name)).collect();
    let (width, height) = PANEL;
    let values = all.iter().flatten().map(|(_, value)| *value);
    // 0 belongs to each of them: it is perfect, or nothing.
    let vertical = Axis::over(values.chain([0.0]), height - 32.0, 10.0);
    let horizontal = Axis::over(all.iter().flatten().map(|(step, _)| *step).chain([0.0]), 48.0, width - 10.0);
    let mut drawing =
        Drawing::new(width, height, format!("{title} by training step; the table below has the last values"));
    for (value, text) in vertical.ticks(4) {
        drawing.line("grid", (48.0, vertical.at(value)), (width - 10.0, vertical.at(value)));
        drawing.text("tick", (42.0, vertical.at(value) + 4.0), Anchor::End, &text);
    }
    for (step, text) in horizontal.ticks(4) {
        drawing.text("tick", (horizontal.at(step), height - 16.0), Anchor::Middle, &text);
    }
    drawing.text("tick", (width - 10.0, height - 2.0), Anchor::End, "training step");
    let limit = limit(name, latent);
    if let Some(limit) = limit {
        drawing.line("limit", (48.0, vertical.at(limit)), (width - 10.0, vertical.at(limit)));
    }
    for (index, points) in all.iter().enumerate() {
        let points: Vec<(f64, f64)> =
            points.iter().map(|(step, value)| (horizontal.at(*step), vertical.at(*value))).collect();
        match points.as_slice() {
            [(x, y)] => drawing.circle(&format!("dot k{}", index % 8), (*x, *y), 3.0),
            _ => drawing.curve(&format!("curve k{}", index % 8), &points),
        }
    }
    let last: Vec<f64> = all.iter().filter_map(|points| points.last().map(|(_, value)| *value)).collect();
    Panel { title, meaning, ending: ending(name, &last, limit, latent), svg: drawing.inline(), name, drawing }
}

/// Where a value is said to be too low, or to say nothing.
fn limit(name: &str, latent: Option<i64>) -> Option<f64> {
    match name {
        "validation_error" => Some(1.0),
        "effective_rank" => latent.map(|latent| LEAST_RANK_SHARE * latent as f64),
        "action_gap" => Some(LEAST_ACTION_GAP),
        _ => None,
    }
}

/// How it ended, in words.
fn ending(name: &str, last: &[f64], limit: Option<f64>, latent: Option<i64>) -> String {
    let (low, high) =
        last.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(*v), high.max(*v)));
    if low > high {
        return "It ends where it cannot be computed: the loss is not finite.".to_owned();
    }
    let range = match significant(low) == significant(high) {
        true => significant(low),
        false => format!("{} to {}", significant(low), significant(high)),
    };
    let said = match (name, limit) {
        ("validation_error", Some(limit)) if low >= limit => ": no better than predicting that nothing happens",
        ("validation_error", Some(limit)) if high >= limit => ": some of the models do not do better than no change",
        ("validation_error", _) => ": better than predicting that nothing happens",
        ("effective_rank", Some(limit)) if low < limit => ": the latents of a model have collapsed",
        ("action_gap", Some(limit)) if low < limit => ": a model hardly looks at what was done",
        ("action_gap", Some(_)) => ": the models look at what was done",
        _ => "",
    };
    let of = match (name, latent) {
        ("effective_rank", Some(latent)) => format!(" of {latent}"),
        _ => String::new(),
    };
    format!("It ends at {range}{of}{said}.")
}
