//! What candidates have to satisfy: agents that they hold or do not hold, how many, how much, and how many cells they leave.

use std::collections::{BTreeMap, BTreeSet};

use super::candidates::FoundCandidates;
use super::cells::Cells;
use super::config::RankConfig;
use super::error::PlanError;
use super::facts::Facts;
use crate::screen::{Design, FeatureMatrix, Label, Micromolar, Query, Role, Screen, Treatment, Unit, Units, nearest};

/// One condition of `rank.require` or `rank.forbid`.
enum Condition {
    /// The candidate holds an agent of this name.
    Agent(String),
    /// The candidate satisfies a query, with the answer for each candidate.
    Query(Vec<bool>),
}

impl Condition {
    fn holds(&self, candidate: usize, treatment: &Treatment) -> bool {
        match self {
            Self::Agent(name) => {
                treatment.intervention.members().iter().any(|member| member.perturbation.name == *name)
            }
            Self::Query(answers) => answers[candidate],
        }
    }
}

/// Why a candidate is left out, in the order in which it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum LeftOut {
    Required,
    Forbidden,
    Agents,
    TotalDose,
    DoseNotKnown,
    FewCells,
    PredictedFewCells,
    CellsNotKnown,
}

impl LeftOut {
    fn words(self, config: &RankConfig) -> String {
        match self {
            Self::Required => "without what is required".to_owned(),
            Self::Forbidden => "with what is forbidden".to_owned(),
            Self::Agents => format!("of more than {} agents", config.max_agents),
            Self::TotalDose => format!("of more than {} µM in total", config.max_total_dose_um),
            Self::DoseNotKnown => "with an agent without a dose, so that the total is not known".to_owned(),
            Self::FewCells => format!("with a measured cell count below {} of control", config.min_cells),
            Self::PredictedFewCells => format!("with a predicted cell count below {} of control", config.min_cells),
            Self::CellsNotKnown => "of which no cell count is known".to_owned(),
        }
    }
}

/// Leaves out the candidates that do not satisfy `config`, and says in the remarks how many and why.
///
/// # Errors
/// When a condition cannot be read, cells were not counted, or nothing is left.
pub(crate) fn constrain(
    config: &RankConfig,
    screen: &Screen,
    context: &str,
    found: &mut FoundCandidates,
) -> Result<(), PlanError> {
    let asks_nothing = config.require.is_empty() && config.forbid.is_empty();
    if asks_nothing && config.max_agents == 0 && config.max_total_dose_um == 0.0 && config.min_cells == 0.0 {
        return Ok(());
    }
    if found.treatments.is_empty() {
        return Ok(());
    }
    let facts = Facts::of(screen);
    let cells = match config.min_cells > 0.0 {
        true => Some(Cells::of(screen, context, &facts).ok_or(PlanError::NoCells)?),
        false => None,
    };
    let mut conditions = Conditions { screen, facts: &facts, candidates: &found.treatments, as_rows: None };
    let required = conditions.of(&config.require)?;
    let forbidden = conditions.of(&config.forbid)?;
    for (text, condition) in config.forbid.iter().zip(&forbidden) {
        if !found.treatments.iter().enumerate().any(|(index, treatment)| condition.holds(index, treatment)) {
            found.remarks.push(format!("forbidden is `{text}`, which no candidate holds"));
        }
    }
    let why = |index: usize, treatment: &Treatment| {
        let members = treatment.intervention.members();
        let doses: Option<Vec<f64>> = members.iter().map(|member| member.dose.map(Micromolar::get)).collect();
        if !required.iter().all(|condition| condition.holds(index, treatment)) {
            return Some(LeftOut::Required);
        }
        if forbidden.iter().any(|condition| condition.holds(index, treatment)) {
            return Some(LeftOut::Forbidden);
        }
        if config.max_agents > 0 && members.len() > config.max_agents {
            return Some(LeftOut::Agents);
        }
        if config.max_total_dose_um > 0.0 {
            match doses {
                None => return Some(LeftOut::DoseNotKnown),
                // Sums of doses such as 0.1 + 0.2 are not exact.
                Some(doses) if doses.iter().sum::<f64>() > config.max_total_dose_um * (1.0 + 1e-9) => {
                    return Some(LeftOut::TotalDose);
                }
                Some(_) => {}
            }
        }
        match cells.as_ref()?.ratio(treatment) {
            None => Some(LeftOut::CellsNotKnown),
            Some(cells) if cells.ratio >= config.min_cells => None,
            Some(cells) if cells.is_measured => Some(LeftOut::FewCells),
            Some(_) => Some(LeftOut::PredictedFewCells),
        }
    };
    let whys: Vec<Option<LeftOut>> =
        found.treatments.iter().enumerate().map(|(index, treatment)| why(index, treatment)).collect();
    let mut counts = BTreeMap::<LeftOut, usize>::new();
    whys.iter().flatten().for_each(|&why| *counts.entry(why).or_default() += 1);
    let n_all = whys.len();
    let n_left_out: usize = counts.values().sum();
    let words: Vec<String> = counts.iter().map(|(why, n)| format!("{n} {}", why.words(config))).collect();
    if n_left_out == n_all {
        return Err(PlanError::NothingLeft { n: n_all, why: words.join(", ") });
    }
    if n_left_out > 0 {
        found.remarks.push(format!("{n_left_out} of {n_all} candidates are left out: {}", words.join(", ")));
    }
    let mut whys = whys.iter();
    found.treatments.retain(|_| whys.next().is_some_and(Option::is_none));
    Ok(())
}

/// Reads conditions on candidates.
struct Conditions<'a> {
    screen: &'a Screen,
    facts: &'a Facts<'a>,
    candidates: &'a [Treatment],
    /// The candidates as the rows of a screen, which queries are asked of.
    as_rows: Option<Screen>,
}

impl Conditions<'_> {
    fn of(&mut self, texts: &[String]) -> Result<Vec<Condition>, PlanError> {
        texts.iter().map(|text| self.condition(text)).collect()
    }

    /// The agent of that name, or a query.
    fn condition(&mut self, text: &str) -> Result<Condition, PlanError> {
        let treatments = self.screen.treatments();
        let of_both = treatments.keys().chain(self.candidates);
        let members = of_both.flat_map(|treatment| treatment.intervention.members());
        let names: BTreeSet<&str> = members.map(|member| member.perturbation.name.as_str()).collect();
        let wanted = text.trim();
        if names.contains(wanted) {
            return Ok(Condition::Agent(wanted.to_owned()));
        }
        let folded: Vec<&&str> = names.iter().filter(|name| name.to_lowercase() == wanted.to_lowercase()).collect();
        if let [only] = folded[..] {
            return Ok(Condition::Agent((*only).to_owned()));
        }
        let Ok(query) = Query::parse(wanted) else {
            let nearest = nearest(wanted, names.iter().copied());
            return Err(PlanError::Agent { text: text.to_owned(), nearest });
        };
        let rows = self.as_rows.get_or_insert_with(|| as_rows(self.screen, self.facts, self.candidates));
        Ok(Condition::Query(query.mask(rows).map_err(|error| PlanError::Query(error.into()))?))
    }
}

/// Candidates as rows of a screen, with the labels that the screen gives to their perturbations.
fn as_rows(screen: &Screen, facts: &Facts<'_>, candidates: &[Treatment]) -> Screen {
    let unit = |treatment: &Treatment| Unit {
        plate: String::new(),
        well: None,
        role: Role::Treatment,
        intervention: treatment.intervention.clone(),
        context: treatment.context.clone(),
        lab_batch: None,
        replicate: None,
        cell_count: None,
    };
    let label = |label: &Label| {
        let mut of_names = BTreeMap::<String, Option<&String>>::new();
        for (unit, value) in screen.units.by_row().zip(&label.values) {
            let Some(value) = value else { continue };
            // A value that differs between the wells of a perturbation says nothing of it.
            let known = of_names.entry(unit.intervention.perturbation_names()).or_insert(Some(value));
            *known = known.filter(|known| *known == value);
        }
        let value = |treatment: &Treatment| {
            let own = of_names.get(&treatment.intervention.perturbation_names());
            own.and_then(|value| value.cloned()).or_else(|| match label.name.as_str() {
                "moa" => of_members(treatment, facts),
                _ => None,
            })
        };
        Label { name: label.name.clone(), values: candidates.iter().map(value).collect() }
    };
    Screen {
        name: screen.name.clone(),
        design: Design::AgainstControls,
        units: Units::of_each(candidates.iter().map(unit).collect()),
        features: FeatureMatrix::new(Vec::new(), Vec::new()).into(),
        labels: screen.labels.iter().map(label).collect(),
        dropped: Vec::new(),
        origin: Default::default(),
    }
}

/// The mechanisms of the members of a set, as a query reads several.
fn of_members(treatment: &Treatment, facts: &Facts<'_>) -> Option<String> {
    let members = treatment.intervention.members();
    let all: Vec<&str> = members.iter().filter_map(|member| facts.moa_of_name(&member.perturbation.name)).collect();
    (!all.is_empty()).then(|| all.join("|"))
}

#[cfg(test)]
mod tests {
    use super::super::cells::fixture::counted;
    use super::*;
    use crate::screen::{Application, Intervention, Kind, Perturbation};

    /// The screen of counted cells, with mechanisms.
    fn screen() -> Screen {
        let moas = [None, Some("tubulin"), Some("tubulin"), Some("actin")];
        let label = Label { name: "moa".into(), values: moas.map(|moa| moa.map(str::to_owned)).to_vec() };
        Screen { labels: vec![label], ..counted() }
    }

    fn set(members: &[(&str, Option<f64>)]) -> Treatment {
        let member = |&(name, dose): &(&str, Option<f64>)| Application {
            perturbation: Perturbation { name: name.into(), kind: Kind::Compound },
            dose: dose.and_then(Micromolar::new),
        };
        Treatment { intervention: Intervention::of(members.iter().map(member)), context: String::new() }
    }

    fn left(config: RankConfig) -> Result<(Vec<String>, Vec<String>), String> {
        let mut treatments = vec![
            set(&[("a", Some(1.0))]),
            set(&[("a", Some(10.0))]),
            set(&[("a", Some(100.0))]),
            set(&[("a", Some(1.0)), ("b", None)]),
            set(&[("b", None)]),
            set(&[("c", Some(1.0))]),
        ];
        treatments.sort();
        let mut found = FoundCandidates::from(treatments);
        constrain(&config, &screen(), "", &mut found).map_err(|error| error.to_string())?;
        Ok((found.treatments.iter().map(|treatment| treatment.intervention.to_string()).collect(), found.remarks))
    }

    #[test]
    fn candidates_that_break_a_constraint_are_left_out_and_counted() {
        let text = |text: &str| vec![text.to_owned()];
        let none = RankConfig::default;
        let cases: [(RankConfig, &[&str], &str); 8] = [
            (
                RankConfig { require: text("A"), ..none() },
                &["a 1 µM", "a 1 µM + b", "a 10 µM", "a 100 µM"],
                "2 of 6 candidates are left out: 2 without what is required",
            ),
            (
                RankConfig { forbid: text("b"), ..none() },
                &["a 1 µM", "a 10 µM", "a 100 µM", "c 1 µM"],
                "2 of 6 candidates are left out: 2 with what is forbidden",
            ),
            // The mechanism of a set is those of its members.
            (
                RankConfig { require: text("moa == actin"), ..none() },
                &["a 1 µM + b", "b"],
                "4 of 6 candidates are left out: 4 without what is required",
            ),
            (
                RankConfig { forbid: text("dose_um >= 10"), ..none() },
                &["a 1 µM", "a 1 µM + b", "b", "c 1 µM"],
                "2 of 6 candidates are left out: 2 with what is forbidden",
            ),
            (
                RankConfig { max_agents: 1, ..none() },
                &["a 1 µM", "a 10 µM", "a 100 µM", "b", "c 1 µM"],
                "1 of 6 candidates are left out: 1 of more than 1 agents",
            ),
            (
                RankConfig { max_total_dose_um: 10.0, ..none() },
                &["a 1 µM", "a 10 µM", "c 1 µM"],
                "3 of 6 candidates are left out: 1 of more than 10 µM in total, 2 with an agent without a dose, so that the \
                 total is not known",
            ),
            // 0.9, 0.6 between doses, 0.3, 0.9 * 0.5, 0.5, and nothing of `c`.
            (
                RankConfig { min_cells: 0.5, ..none() },
                &["a 1 µM", "a 10 µM", "b"],
                "3 of 6 candidates are left out: 1 with a measured cell count below 0.5 of control, 1 with a predicted \
                 cell count below 0.5 of control, 1 of which no cell count is known",
            ),
            (
                RankConfig { forbid: text("perturbation == zzz"), ..none() },
                &["a 1 µM", "a 1 µM + b", "a 10 µM", "a 100 µM", "b", "c 1 µM"],
                "forbidden is `perturbation == zzz`, which no candidate holds",
            ),
        ];
        for (config, expected, remark) in cases {
            let (mut found, remarks) = left(config).unwrap();
            found.sort();
            let mut expected: Vec<String> = expected.iter().map(|&text| text.to_owned()).collect();
            expected.sort();
            assert_eq!(found, expected);
            assert_eq!(remarks, [remark]);
        }
    }

    #[test]
    fn what_cannot_be_read_or_leaves_nothing_is_refused() {
        let text = |text: &str| vec![text.to_owned()];
        let none = RankConfig::default;
        let error = left(RankConfig { forbid: text("aa"), ..none() }).unwrap_err();
        assert!(error.starts_with("`aa` is neither an agent of the screen nor a query"), "{error}");
        let error = left(RankConfig { require: text("plte == P"), ..none() }).unwrap_err();
        assert!(error.contains("no column `plte`"), "{error}");
        let error = left(RankConfig { require: text("b"), max_total_dose_um: 1.0, ..none() }).unwrap_err();
        assert!(error.contains("none of 6 candidates is left"), "{error}");
    }
}
