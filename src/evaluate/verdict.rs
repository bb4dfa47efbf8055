//! One sentence that says whether the model wins.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::bootstrap::MIN_UNITS;
use super::{Bootstrap, Claim, EvaluateError, PairedDifference};
use crate::predict::Method;
use crate::screen::Treatment;
use crate::table::counted;

/// A difference that is a smaller share of the baseline's score is not claimed, however sure it is: nobody would choose by it.
const NEGLIGIBLE: f64 = 0.002;

/// Which way a metric is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Errors, ranks.
    LowerIsBetter,
    /// Correlations, recall.
    HigherIsBetter,
}

/// One method's score on each treatment that it predicted.
#[derive(Debug, Clone, PartialEq)]
pub struct MethodScores {
    /// The method.
    pub method: Method,
    /// Score by treatment.
    pub scores: BTreeMap<Treatment, f64>,
}

/// The model against the baseline that does best against it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// The model.
    pub model: Method,
    /// The baseline it is measured by.
    pub baseline: Method,
    /// The metric's name, as it stands in the sentence.
    pub metric: String,
    /// Which way the metric is good.
    pub direction: Direction,
    /// Mean score of the model over the shared treatments.
    pub model_mean: f64,
    /// Mean score of the baseline over the shared treatments.
    pub baseline_mean: f64,
    /// Model minus baseline.
    pub difference: PairedDifference,
    /// Treatments of the model that the baseline abstained from.
    pub n_not_shared: usize,
    /// Mean score of a perfect prediction over the shared treatments, when known for all of them.
    pub ceiling: Option<f64>,
    /// What is left to win: 95 % interval of the baseline's score minus that of a perfect prediction.
    pub left: Option<(f64, f64)>,
    /// What the independent units are called, in the plural.
    pub unit_name: String,
}

/// Compares `model` with the best of `baselines`, treatment by treatment; `unit_of` names the independent unit of a
/// treatment, which is what is resampled.
///
/// The best baseline is the one that the model beats by least (or that beats the model by most) on average over the
/// treatments they share, among those that cover at least half of the model's treatments; so a baseline does not lose its
/// place by abstaining from a few. With `ceiling`, the score of a perfect prediction by treatment, a baseline whose paired
/// difference from it has an interval that holds zero leaves nothing to win: the task then counts as tied. `None` when no
/// baseline covers half.
///
/// # Errors
/// When a score is not finite.
pub fn verdict(
    model: &MethodScores,
    baselines: &[MethodScores],
    metric: &str,
    direction: Direction,
    ceiling: Option<&BTreeMap<Treatment, f64>>,
    unit_of: &dyn Fn(&Treatment) -> String,
    bootstrap: &Bootstrap,
) -> Result<Option<Verdict>, EvaluateError> {
    let mut best: Option<(f64, &MethodScores, Vec<&Treatment>)> = None;
    for baseline in baselines {
        let shared: Vec<&Treatment> =
            model.scores.keys().filter(|treatment| baseline.scores.contains_key(treatment)).collect();
        if shared.is_empty() || 2 * shared.len() < model.scores.len() {
            continue;
        }
        let difference = mean_over(&shared, &model.scores) - mean_over(&shared, &baseline.scores);
        let advantage = if direction == Direction::LowerIsBetter { -difference } else { difference };
        if best.as_ref().is_none_or(|(least, ..)| advantage < *least) {
            best = Some((advantage, baseline, shared));
        }
    }
    let Some((_, baseline, shared)) = best else {
        return Ok(None);
    };
    let of = |scores: &MethodScores| -> Vec<f64> { shared.iter().map(|treatment| scores.scores[*treatment]).collect() };
    let units: Vec<String> = shared.iter().map(|treatment| unit_of(treatment)).collect();
    let (model_mean, baseline_mean) = (mean_over(&shared, &model.scores), mean_over(&shared, &baseline.scores));
    let mut difference = bootstrap.paired_difference(&of(model), &of(baseline), &units)?;
    if difference.estimate.interval.is_some() && (model_mean - baseline_mean).abs() < NEGLIGIBLE * baseline_mean.abs() {
        difference.claim = Claim::Indistinguishable;
    }
    let ceiling = ceiling.filter(|ceiling| shared.iter().all(|treatment| ceiling.contains_key(treatment)));
    let left = match ceiling {
        Some(ceiling) => {
            let ceilings: Vec<f64> = shared.iter().map(|treatment| ceiling[*treatment]).collect();
            bootstrap.paired_difference(&of(baseline), &ceilings, &units)?.estimate.interval
        }
        None => None,
    };
    let ceiling = ceiling.map(|ceiling| mean_over(&shared, ceiling));
    Ok(Some(Verdict {
        model: model.method.clone(),
        baseline: baseline.method.clone(),
        metric: metric.to_owned(),
        direction,
        model_mean,
        baseline_mean,
        n_not_shared: model.scores.len() - shared.len(),
        difference,
        ceiling,
        left,
        unit_name: "perturbations".into(),
    }))
}

/// Errors of every method on the same units, of which verdicts are made.
pub(super) trait MethodErrors {
    /// Every method that answered.
    fn methods(&self) -> Vec<&Method>;

    /// `method` against the best of the methods that are rivals; `None` where either did not answer.
    ///
    /// # Errors
    /// When an error is not finite.
    fn verdict(
        &self,
        method: &Method,
        is_rival: &dyn Fn(&Method) -> bool,
        bootstrap: &Bootstrap,
    ) -> Result<Option<Verdict>, EvaluateError>;
}

/// Errors of every method by treatment.
pub(super) struct Errors<'a> {
    /// By method.
    pub methods: BTreeMap<&'a Method, MethodScores>,
    /// The metric's name, as it stands in the sentence.
    pub metric: &'static str,
    /// The independent unit of a treatment.
    pub unit_of: fn(&Treatment) -> String,
    /// What the units are called, in the plural.
    pub unit_name: &'static str,
}

impl MethodErrors for Errors<'_> {
    fn methods(&self) -> Vec<&Method> {
        self.methods.keys().copied().collect()
    }

    fn verdict(
        &self,
        method: &Method,
        is_rival: &dyn Fn(&Method) -> bool,
        bootstrap: &Bootstrap,
    ) -> Result<Option<Verdict>, EvaluateError> {
        let Some(own) = self.methods.get(method) else { return Ok(None) };
        let rivals: Vec<MethodScores> =
            self.methods.iter().filter(|(method, _)| is_rival(method)).map(|(_, scores)| scores.clone()).collect();
        let ceiling = self.methods.get(&Method::Perfect).map(|perfect| &perfect.scores);
        let lower = Direction::LowerIsBetter;
        let found = verdict(own, &rivals, self.metric, lower, ceiling, &self.unit_of, bootstrap)?;
        Ok(found.map(|found| found.with_units_called(self.unit_name)))
    }
}

impl Verdict {
    /// Whether the baseline cannot be told from a perfect prediction, so that there is nothing to win.
    pub fn is_at_ceiling(&self) -> bool {
        self.left.is_some_and(|(lower, upper)| match self.direction {
            Direction::LowerIsBetter => lower <= 0.0,
            Direction::HigherIsBetter => upper >= 0.0,
        })
    }

    /// Whether the model is shown to be better than the best baseline.
    pub fn is_win(&self) -> bool {
        let better = match self.direction {
            Direction::LowerIsBetter => Claim::Lower,
            Direction::HigherIsBetter => Claim::Higher,
        };
        self.difference.claim == better && !self.is_at_ceiling()
    }

    /// Whether the model is clearly worse than the baseline; no ceiling excuses that.
    pub fn is_loss(&self) -> bool {
        let worse = match self.direction {
            Direction::LowerIsBetter => Claim::Higher,
            Direction::HigherIsBetter => Claim::Lower,
        };
        self.difference.claim == worse
    }

    /// The same verdict with its units called `unit_name` (plural), such as `compounds`.
    pub fn with_units_called(self, unit_name: impl Into<String>) -> Self {
        Self { unit_name: unit_name.into(), ..self }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { model, baseline, metric, unit_name, .. } = self;
        let estimate = &self.difference.estimate;
        let decimals = decimals_of(self.model_mean, self.baseline_mean);
        let shown = |value: f64| format!("{value:.decimals$}");
        let signed = |value: f64| signed(value, decimals);
        let means = format!("{} against {}", shown(self.model_mean), shown(self.baseline_mean));
        let n_units = estimate.n_units;
        match estimate.interval {
            None => write!(
                f,
                "No claim: too few {unit_name} ({n_units}, and {MIN_UNITS} are needed) to say whether {model} differs in \
                 {metric} from the best baseline, {baseline} ({means})"
            )?,
            Some((lower, upper)) => {
                let interval = format!("95 % interval {} to {}", signed(lower), signed(upper));
                let difference = format!("difference {}, {interval}, {n_units} {unit_name}", signed(estimate.mean));
                if lower.abs().max(upper.abs()) < NEGLIGIBLE * self.baseline_mean.abs() {
                    let own = shown(self.model_mean);
                    let same = "says the same as the best baseline";
                    write!(f, "{model} does not win: it {same}, {baseline} ({metric} {own}, {n_units} {unit_name})")?;
                } else if self.is_at_ceiling() && !self.is_loss() {
                    let ceiling = shown(self.ceiling.unwrap_or(f64::NAN));
                    write!(
                        f,
                        "{model} counts as tied in {metric} with the best baseline, {baseline}, which cannot be \
                         distinguished from a perfect prediction, {ceiling} ({means}; {difference})"
                    )?;
                } else {
                    let relation = match self.difference.claim {
                        Claim::Lower => format!("lower {metric} than"),
                        Claim::Higher => format!("higher {metric} than"),
                        Claim::Indistinguishable | Claim::TooFewUnits => format!("{metric} indistinguishable from"),
                    };
                    let word = match self.difference.claim {
                        Claim::Indistinguishable | Claim::TooFewUnits => "does not win",
                        _ if self.is_win() => "wins",
                        _ => "loses",
                    };
                    write!(f, "{model} {word}: {relation} the best baseline, {baseline} ({means}; {difference})")?;
                }
            }
        }
        if self.n_not_shared > 0 {
            let are = if self.n_not_shared == 1 { "is" } else { "are" };
            let treatments = counted(self.n_not_shared, "treatment");
            write!(f, "; {treatments} that {baseline} abstains from {are} not compared")?;
        }
        Ok(())
    }
}

fn mean_over(treatments: &[&Treatment], scores: &BTreeMap<Treatment, f64>) -> f64 {
    treatments.iter().map(|treatment| scores[*treatment]).sum::<f64>() / treatments.len() as f64
}

/// As many decimals as the smaller of two means has in three digits; three at least.
fn decimals_of(one: f64, other: f64) -> usize {
    let least = one.abs().min(other.abs());
    if least > 0.0 && least.is_finite() { (2.0 - least.log10().floor()).clamp(3.0, 9.0) as usize } else { 3 }
}

/// That many decimals with a sign, and no sign on zero.
fn signed(value: f64, decimals: usize) -> String {
    let text = format!("{value:+.decimals$}");
    let zero = format!("{:.decimals$}", 0.0);
    if text.ends_with(&zero) && text.len() == zero.len() + 1 { zero } else { text }
}

#[cfg(test)]
mod tests {
    use super::super::accuracy::fixture::compound;
    use super::*;

    fn method(name: &str, scores: impl IntoIterator<Item = f64>) -> MethodScores {
        let scores = scores.into_iter().enumerate().map(|(index, score)| (compound(&format!("c{index:02}")), score));
        MethodScores { method: name.parse().unwrap(), scores: scores.collect() }
    }

    fn sentence(model: &MethodScores, baselines: &[MethodScores], ceiling: Option<f64>) -> String {
        let ceiling = ceiling.map(|value| model.scores.keys().map(|treatment| (treatment.clone(), value)).collect());
        let bootstrap = Bootstrap { resamples: 1000, seed: 0 };
        let names = |treatment: &Treatment| treatment.intervention.perturbation_names();
        verdict(model, baselines, "MSE", Direction::LowerIsBetter, ceiling.as_ref(), &names, &bootstrap)
            .unwrap()
            .unwrap()
            .with_units_called("compounds")
            .to_string()
    }

    #[test]
    fn says_it_in_one_sentence() {
        let flat = |value: f64, count: usize| std::iter::repeat_n(value, count);
        let baselines = [method("no_change", flat(0.9, 12)), method("interpolation", flat(0.3, 8))];
        assert_eq!(
            sentence(&method("lewm", flat(0.25, 12)), &baselines[..1], None),
            "lewm wins: lower MSE than the best baseline, no_change (0.250 against 0.900; difference -0.650, \
             95 % interval -0.650 to -0.650, 12 compounds)"
        );
        assert_eq!(
            sentence(&method("lewm", flat(1.0, 12)), &baselines[..1], None),
            "lewm loses: higher MSE than the best baseline, no_change (1.000 against 0.900; difference +0.100, \
             95 % interval +0.100 to +0.100, 12 compounds)"
        );
        // Interpolation covers 8 of 12 and is the harder one; 8 units are too few for a claim.
        assert_eq!(
            sentence(&method("lewm", flat(0.25, 12)), &baselines, None),
            "No claim: too few compounds (8, and 10 are needed) to say whether lewm differs in MSE from the best baseline, \
             interpolation (0.250 against 0.300); 4 treatments that interpolation abstains from are not compared"
        );
        let near = method("interpolation", (0..12).map(|index| 0.5 + if index % 2 == 0 { 0.1 } else { -0.1 }));
        assert_eq!(
            sentence(&method("lewm", flat(0.25, 12)), std::slice::from_ref(&near), Some(0.49)).split(" (").next(),
            Some(
                "lewm counts as tied in MSE with the best baseline, interpolation, which cannot be distinguished from a \
                 perfect prediction, 0.490"
            )
        );
        // Below the error of repeating the experiment, twice that of a perfect prediction, there is still much to win.
        assert!(sentence(&method("lewm", flat(0.25, 12)), &[near], Some(0.26)).starts_with("lewm wins"));
        let wavy = method("lewm", (0..12).map(|index| 0.9 + if index % 2 == 0 { 0.1 } else { -0.1 }));
        assert!(sentence(&wavy, &baselines[..1], None).starts_with("lewm does not win: MSE indistinguishable from"));
    }

    #[test]
    fn a_difference_that_nobody_would_choose_by_is_not_claimed() {
        let flat = |value: f64| std::iter::repeat_n(value, 12);
        let said = |own: f64| sentence(&method("lewm", flat(own)), &[method("no_change", flat(0.9))], None);
        assert_eq!(
            said(0.9),
            "lewm does not win: it says the same as the best baseline, no_change (MSE 0.900, 12 compounds)"
        );
        assert!(said(0.901).starts_with("lewm does not win: it says the same as"), "{}", said(0.901));
        assert!(said(0.903).starts_with("lewm loses"), "{}", said(0.903));
        assert!(said(0.897).starts_with("lewm wins"), "{}", said(0.897));
    }

    #[test]
    fn no_baseline_no_verdict() {
        let model = method("lewm", [0.1; 12]);
        let rare = method("additive", [0.1; 5]);
        let (names, bootstrap) = (|treatment: &Treatment| treatment.to_string(), Bootstrap::default());
        let found = verdict(&model, &[rare], "MSE", Direction::LowerIsBetter, None, &names, &bootstrap).unwrap();
        assert_eq!(found, None);
    }
}
