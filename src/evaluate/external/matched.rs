//! What two files share: features, perturbations, contexts.

use std::collections::{BTreeMap, BTreeSet};

use super::super::EvaluateError;
use crate::load::{LoadError, Response, Responses, Scale};
use crate::table::{counted, first_few};

/// A place in a file that is not shared.
pub(super) const NOWHERE: u32 = u32::MAX;

/// A perturbation in a context, measured and predicted.
#[derive(Debug, Clone)]
pub(super) struct Item {
    /// What was done, as the truth names it.
    pub response: Response,
    /// Its context, by its place in [`Matched::contexts`].
    pub context: usize,
    /// The shared features that it targets.
    pub targets: Vec<usize>,
}

/// What is scored.
pub(super) struct Matched {
    /// Names of the shared features: those that are targets of perturbations come last.
    pub features: Vec<String>,
    /// How many of them are not targets.
    pub n_plain: usize,
    /// The place of each feature of the truth among the shared ones.
    pub of_truth: Vec<u32>,
    /// The same of the predictions.
    pub of_predictions: Vec<u32>,
    /// Scored perturbations, sorted by context and name.
    pub items: Vec<Item>,
    /// Names of contexts with scored perturbations.
    pub contexts: Vec<String>,
    /// Of each response of the truth the item, or behind all items the control of a context; [`NOWHERE`] for others.
    pub truth_groups: Vec<u32>,
    /// Of each response of the predictions the item.
    pub predicted_groups: Vec<u32>,
    /// What the values of both files are.
    pub scale: Scale,
    /// What there is to say.
    pub notes: Vec<String>,
}

impl Matched {
    /// # Errors
    /// If the files share too little, or a control is missing.
    pub fn of(truth: &Responses, predicted: &Responses, few_features: bool) -> Result<Self, EvaluateError> {
        let refused = |responses: &Responses, problem: String| {
            EvaluateError::Load(LoadError::Responses { path: responses.path.clone(), problem })
        };
        if !truth.responses.iter().any(|response| response.is_control) {
            return Err(EvaluateError::Load(truth.without_control()));
        }
        let mut notes = Vec::new();
        let scale = common_scale(truth, predicted).map_err(|problem| refused(predicted, problem))?;
        let shared = shared_features(truth, predicted);
        let (n_shared, n_truth) = (shared.len(), truth.features.len());
        if n_shared == 0 || (2 * n_shared < n_truth && !few_features) {
            let way = match n_shared {
                0 => "give files whose features have the same names",
                _ => "give predictions of the same features, or score the shared ones with `--few-features`",
            };
            let problem = format!(
                "{n_shared} of its {} features are among the {n_truth} of {}, expected at least half of these; it begins \
                 with {}, the truth with {}; {way}",
                predicted.features.len(),
                truth.path.display(),
                first_few(&predicted.features[..predicted.features.len().min(3)], 3),
                first_few(&truth.features[..n_truth.min(3)], 3),
            );
            return Err(refused(predicted, problem));
        }
        if n_shared < n_truth.max(predicted.features.len()) {
            notes.push(format!(
                "{n_shared} features are shared and scored: the truth has {n_truth}, the predictions {}",
                predicted.features.len()
            ));
        }
        let is_by_context = by_context(truth, predicted).map_err(|problem| refused(predicted, problem))?;
        let key = |response: &Response| {
            let context = if is_by_context { response.context.clone() } else { String::new() };
            (context, response.name.clone())
        };
        let treated = |responses: &Responses| -> BTreeMap<(String, String), usize> {
            let each = responses.responses.iter().enumerate().filter(|(_, response)| !response.is_control);
            each.map(|(index, response)| (key(response), index)).collect()
        };
        let (in_truth, in_predictions) = (treated(truth), treated(predicted));
        let both: Vec<&(String, String)> = in_truth.keys().filter(|key| in_predictions.contains_key(*key)).collect();
        let only = |from: &BTreeMap<(String, String), usize>, other: &BTreeMap<(String, String), usize>| {
            let only = from.keys().filter(|key| !other.contains_key(*key));
            only.map(|(context, name)| if context.is_empty() { name.clone() } else { format!("{name} in {context}") })
                .collect::<Vec<String>>()
        };
        let (missing, extra) = (only(&in_truth, &in_predictions), only(&in_predictions, &in_truth));
        if both.is_empty() {
            let problem = format!(
                "no perturbation is in both files: it predicts {}, {} measures {}; give both the same names, or name the \
                 column with `--perturbation COLUMN`",
                first_few(&extra, 4),
                truth.path.display(),
                first_few(&missing, 4)
            );
            return Err(refused(predicted, problem));
        }
        let are = |n: usize| if n == 1 { "is" } else { "are" };
        if !missing.is_empty() {
            let n = missing.len();
            notes.push(format!(
                "{} of the truth {} not predicted and left out: {}",
                counted(n, "perturbation"),
                are(n),
                first_few(&missing, 4)
            ));
        }
        if !extra.is_empty() {
            let n = extra.len();
            let predicted = counted(n, "predicted perturbation");
            notes.push(format!("{predicted} {} not measured: {}", are(n), first_few(&extra, 4)));
        }
        let n_controls = predicted.responses.iter().filter(|response| response.is_control).count();
        if n_controls > 0 {
            notes.push(
                "the control of the predictions is not used: both sides are compared with that of the truth".into(),
            );
        }
        let contexts: Vec<String> =
            both.iter().map(|(context, _)| context.clone()).collect::<BTreeSet<_>>().into_iter().collect();
        let place_of: BTreeMap<&str, usize> = contexts.iter().map(String::as_str).zip(0..).collect();
        let (features, n_plain, targets) = ordered(&shared, both.iter().map(|key| &truth.responses[in_truth[*key]]));
        let items: Vec<Item> = (both.iter().zip(targets))
            .map(|(key, targets)| Item {
                response: truth.responses[in_truth[*key]].clone(),
                context: place_of[key.0.as_str()],
                targets,
            })
            .collect();
        let mut truth_groups = vec![NOWHERE; truth.responses.len()];
        let mut predicted_groups = vec![NOWHERE; predicted.responses.len()];
        for (item, key) in both.iter().enumerate() {
            truth_groups[in_truth[*key]] = item as u32;
            predicted_groups[in_predictions[*key]] = item as u32;
        }
        let mut has_control = vec![false; contexts.len()];
        for (index, response) in truth.responses.iter().enumerate().filter(|(_, response)| response.is_control) {
            if let Some(&context) = place_of.get(key(response).0.as_str()) {
                truth_groups[index] = (items.len() + context) as u32;
                has_control[context] = true;
            }
        }
        if let Some(context) = has_control.iter().position(|has| !has) {
            let problem = format!(
                "context `{}` has no control, from which effects are differences; add its rows, or pool contexts with \
                 `--context ''`",
                contexts[context]
            );
            return Err(refused(truth, problem));
        }
        let places: BTreeMap<&str, u32> = features.iter().map(String::as_str).zip(0..).collect();
        let place = |name: &String| places.get(name.as_str()).copied().unwrap_or(NOWHERE);
        let of_truth = truth.features.iter().map(place).collect();
        let of_predictions = predicted.features.iter().map(place).collect();
        Ok(Self {
            features,
            n_plain,
            of_truth,
            of_predictions,
            items,
            contexts,
            truth_groups,
            predicted_groups,
            scale,
            notes,
        })
    }

    /// The items of each context.
    pub fn by_context(&self) -> Vec<Vec<usize>> {
        let mut by_context = vec![Vec::new(); self.contexts.len()];
        self.items.iter().enumerate().for_each(|(item, of)| by_context[of.context].push(item));
        by_context
    }
}

/// The group of each row of a file; `groups` are those of its responses.
pub(super) fn group_of_rows(responses: &Responses, groups: &[u32]) -> Vec<u32> {
    responses.of_row.iter().map(|of| of.map_or(NOWHERE, |of| groups[of as usize])).collect()
}

/// The scale of both files, or why there is none.
fn common_scale(truth: &Responses, predicted: &Responses) -> Result<Scale, String> {
    let is_counts = |responses: &Responses| responses.scale == Scale::Counts;
    match is_counts(truth) == is_counts(predicted) {
        true if truth.scale == predicted.scale => Ok(truth.scale),
        // Logarithms that a regression predicts may fall below zero.
        true => Ok(if truth.scale == Scale::Log1p { truth.scale } else { Scale::AsIs }),
        false => Err(format!(
            "the values are {}, those of {} are {}; give both as counts, or both as logarithms of counts brought to the same \
             total (if one is not what it looks like, say so with `--scale`)",
            predicted.scale_in_words(),
            truth.path.display(),
            truth.scale_in_words()
        )),
    }
}

/// Whether perturbations are matched within contexts, or why they cannot be matched.
fn by_context(truth: &Responses, predicted: &Responses) -> Result<bool, String> {
    if truth.context_column.is_some() && predicted.context_column.is_some() {
        return Ok(true);
    }
    for (responses, other) in [(truth, predicted), (predicted, truth)] {
        let contexts: BTreeSet<&str> = responses.responses.iter().map(|response| response.context.as_str()).collect();
        let contexts: Vec<&str> = contexts.into_iter().collect();
        if contexts.len() > 1 {
            let column = responses.context_column.as_deref().unwrap_or("context");
            return Err(format!(
                "`{column}` of {} has the contexts {}, and {} has no such column; add it, name it with `--context COLUMN`, \
                 or pool contexts with `--context ''`",
                responses.path.display(),
                first_few(&contexts, 4),
                other.path.display()
            ));
        }
    }
    Ok(false)
}

fn shared_features<'a>(truth: &'a Responses, predicted: &Responses) -> Vec<&'a String> {
    let known: BTreeSet<&String> = predicted.features.iter().collect();
    truth.features.iter().filter(|name| known.contains(name)).collect()
}

/// The features with the targets of perturbations last, how many are not targets, and the targets of each perturbation.
fn ordered<'a>(
    shared: &[&String],
    responses: impl Iterator<Item = &'a Response>,
) -> (Vec<String>, usize, Vec<Vec<usize>>) {
    let known: BTreeSet<&str> = shared.iter().map(|name| name.as_str()).collect();
    let named: Vec<Vec<&str>> = responses
        .map(|response| response.perturbation.split('+').map(str::trim).filter(|part| known.contains(part)).collect())
        .collect();
    let targets: BTreeSet<&str> = named.iter().flatten().copied().collect();
    let (plain, last): (Vec<&str>, Vec<&str>) =
        shared.iter().map(|name| name.as_str()).partition(|name| !targets.contains(name));
    let n_plain = plain.len();
    let features: Vec<String> = plain.into_iter().chain(last).map(str::to_owned).collect();
    let places: BTreeMap<&str, usize> = features.iter().map(String::as_str).zip(0..).collect();
    let of_each = named.iter().map(|names| names.iter().map(|name| places[name]).collect()).collect();
    (features.clone(), n_plain, of_each)
}
