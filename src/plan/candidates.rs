//! Candidate interventions: those of the screen, a grid of doses, or a list of them.
//!
//! Whether the model knows a perturbation is not asked here: ranking says from which candidates it abstains.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::error::PlanError;
use super::measured::{Measured, measured_in};
use crate::load::{ListedInterventions, read_interventions};
use crate::pair::Vocabulary;
use crate::screen::{Application, Intervention, Lexicon, Screen, Treatment};

/// Most pairs that are ranked at once; each is a prediction of every model.
const MOST_PAIRS: usize = 200_000;

/// Which interventions are candidates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Candidates {
    /// The interventions of the screen.
    #[default]
    Measured,
    /// These, and for each perturbation, alone or beside the same others, half-decade steps between its lowest and highest
    /// measured dose.
    DoseGrid,
    /// All pairs of measured members, each at the doses at which it was measured, alone or within a set.
    Pairs,
    /// Those of a table, in place of the screen's own: by `intervention`, by `perturbation` and `dose_um`, or by numbered
    /// columns.
    File(PathBuf),
}

/// Candidates as they were found.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FoundCandidates {
    /// Sorted, each once.
    pub treatments: Vec<Treatment>,
    /// What was listed and means no one intervention, with the reason.
    pub without_meaning: Vec<String>,
    /// What was taken for granted in reading the list, in sentences.
    pub remarks: Vec<String>,
}

impl From<Vec<Treatment>> for FoundCandidates {
    fn from(treatments: Vec<Treatment>) -> Self {
        Self { treatments, ..Self::default() }
    }
}

impl FoundCandidates {
    /// Adds a candidate, if it is not among them.
    pub fn add(&mut self, treatment: &Treatment) {
        if let Err(place) = self.treatments.binary_search(treatment) {
            self.treatments.insert(place, treatment.clone());
        }
    }
}

impl Candidates {
    /// The candidates in `context`.
    ///
    /// # Errors
    /// When the table of candidates cannot be used.
    pub fn of_screen(
        &self,
        screen: &Screen,
        vocabulary: &Vocabulary,
        context: &str,
    ) -> Result<FoundCandidates, PlanError> {
        self.found(&measured_in(screen, context), vocabulary, context)
    }

    fn found(&self, measured: &Measured, vocabulary: &Vocabulary, context: &str) -> Result<FoundCandidates, PlanError> {
        match self {
            Self::Measured => Ok(measured.keys().cloned().collect::<Vec<_>>().into()),
            Self::DoseGrid => Ok(dose_grid(measured).into()),
            Self::Pairs => Ok(pairs(measured, context)?.into()),
            Self::File(path) => {
                let interventions = measured.keys().map(|treatment| &treatment.intervention);
                let lexicon = Lexicon::of(interventions).with(vocabulary.perturbations());
                let listed = read_interventions(path, usual_hours(measured), &lexicon);
                let ListedInterventions { interventions, without_meaning, remarks } =
                    listed.map_err(PlanError::Candidates)?;
                let treatment = |intervention| Treatment { intervention, context: context.to_owned() };
                let mut treatments: Vec<Treatment> = interventions.into_iter().map(treatment).collect();
                treatments.par_sort();
                treatments.dedup();
                Ok(FoundCandidates { treatments, without_meaning, remarks })
            }
        }
    }
}

/// The duration of interventions that name none.
fn usual_hours(measured: &Measured) -> Option<f64> {
    measured.keys().next().and_then(|treatment| treatment.intervention.hours())
}

/// All pairs of different perturbations among the measured members.
fn pairs(measured: &Measured, context: &str) -> Result<Vec<Treatment>, PlanError> {
    let members = measured.keys().flat_map(|treatment| treatment.intervention.members());
    let members: Vec<&Application> = members.collect::<BTreeSet<_>>().into_iter().collect();
    let partners = |member: usize| {
        // They are sorted by perturbation, so that its own other doses come next.
        let behind = &members[member + 1..];
        let n_own = behind.iter().take_while(|other| other.perturbation == members[member].perturbation).count();
        &behind[n_own..]
    };
    let n_pairs: usize = (0..members.len()).map(|member| partners(member).len()).sum();
    if n_pairs > MOST_PAIRS {
        return Err(PlanError::Pairs { n_members: members.len(), n_pairs, most: MOST_PAIRS });
    }
    let hours = usual_hours(measured);
    let treatment = |one: &Application, other: &Application| {
        let pair = Intervention::of([one.clone(), other.clone()]);
        let intervention = hours.map_or(pair.clone(), |hours| pair.lasting(hours));
        Treatment { intervention, context: context.to_owned() }
    };
    let of_member = |member: usize| partners(member).iter().map(move |other| (member, *other));
    let mut pairs: Vec<Treatment> =
        (0..members.len()).flat_map(of_member).map(|(member, other)| treatment(members[member], other)).collect();
    pairs.par_sort();
    Ok(pairs)
}

/// The measured interventions, and half-decade steps between the lowest and the highest dose of each perturbation beside
/// the same others.
fn dose_grid(measured: &Measured) -> Vec<Treatment> {
    let mut candidates: Vec<Treatment> = measured.keys().cloned().collect();
    let mut ranges = BTreeMap::new();
    for treatment in measured.keys() {
        let members = treatment.intervention.members();
        for (axis, member) in members.iter().enumerate() {
            let Some(dose) = member.dose else { continue };
            let others: Vec<Application> = [&members[..axis], &members[axis + 1..]].concat();
            let hours = treatment.intervention.hours().map(f64::to_bits);
            let key = (others, member.perturbation.clone(), treatment.context.clone(), hours);
            let (low, high) = ranges.entry(key).or_insert((dose, dose));
            (*low, *high) = ((*low).min(dose), (*high).max(dose));
        }
    }
    for ((others, perturbation, context, hours), (low, high)) in ranges {
        // Steps are round numbers in the unit of the files.
        let first = (2.0 * low.in_unit().log10()).ceil() as i32;
        let last =
            (2.0 * low.of_same_unit(1.0).map_or(high.get(), |one| high.get() / one.get()).log10()).floor() as i32;
        for step in first..=last {
            let dose = low.of_same_unit(as_pipetted(10f64.powf(f64::from(step) / 2.0)));
            let varied = Application { perturbation: perturbation.clone(), dose };
            let mut intervention = Intervention::of(others.iter().cloned().chain([varied]));
            if let Some(hours) = hours {
                intervention = intervention.lasting(f64::from_bits(hours));
            }
            candidates.push(Treatment { intervention, context: context.clone() });
        }
    }
    // Half-decade steps of 10^0.5 and doses written 0.3 are the same dose to a biologist; the measured one stays.
    candidates.sort();
    candidates.dedup_by(|later, first| {
        let is_same = nearly_same_doses(first, later);
        if is_same && measured.contains_key(later) {
            std::mem::swap(later, first);
        }
        is_same
    });
    candidates
}

/// A dose with two digits, as people write and pipette it: 3.2 and not 3.162278.
fn as_pipetted(dose: f64) -> f64 {
    format!("{dose:.1e}").parse().expect("a formatted number parses")
}

fn nearly_same_doses(one: &Treatment, other: &Treatment) -> bool {
    let (own, others) = (one.intervention.members(), other.intervention.members());
    let nearly_same = |(a, b): (&Application, &Application)| {
        let same_dose = match (a.dose, b.dose) {
            (Some(a), Some(b)) => (a.log10() - b.log10()).abs() < 0.05,
            (None, None) => true,
            _ => false,
        };
        a.perturbation == b.perturbation && same_dose
    };
    let same_hours = one.intervention.hours() == other.intervention.hours();
    one.context == other.context && same_hours && own.len() == others.len() && own.iter().zip(others).all(nearly_same)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::{Kind, Micromolar, Perturbation};

    fn treatment(name: &str, kind: Kind, dose: f64, hours: f64) -> Treatment {
        let intervention = Intervention::single(name, kind, Micromolar::new(dose)).lasting(hours);
        Treatment { intervention, context: "U2OS".into() }
    }

    fn of_file(text: &str) -> Result<Vec<Treatment>, String> {
        let found = found_in(text)?;
        match found.without_meaning.first() {
            None => Ok(found.treatments),
            Some(first) => Err(format!("not ranked: {first}")),
        }
    }

    fn found_in(text: &str) -> Result<FoundCandidates, String> {
        let measured = [
            treatment("taxol", Kind::Compound, 1.0, 24.0),
            treatment("TP53", Kind::Crispr, 0.0, 24.0),
            treatment("twice", Kind::Compound, 1.0, 24.0),
            treatment("twice", Kind::Compound, 3.0, 24.0),
        ];
        let mut known = measured.to_vec();
        known.extend([Kind::Crispr, Kind::Orf].map(|kind| treatment("MYC", kind, 0.0, 24.0)));
        let vocabulary = Vocabulary::new(&known, BTreeMap::new());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("library.csv");
        std::fs::write(&path, text).unwrap();
        let measured = measured.map(|treatment| (treatment, vec![0])).into();
        let found = Candidates::File(path).found(&measured, &vocabulary, "U2OS");
        let in_folder = format!("{}/", folder.path().display());
        let mut found = found.map_err(|error| error.to_string().replace(&in_folder, ""))?;
        found.without_meaning.iter_mut().for_each(|why| *why = why.replace(&in_folder, ""));
        Ok(found)
    }

    #[test]
    fn a_table_lists_candidates_in_any_order() {
        let found = of_file(
            "hours,perturbation,Metadata_dose_um\n,taxol,0.3\n48,taxol,0.3\n,TP53,\n,new compound,2\n,taxol,300 nM\n",
        )
        .unwrap();
        let expected = [
            treatment("TP53", Kind::Crispr, 0.0, 24.0),
            treatment("new compound", Kind::Compound, 2.0, 24.0),
            treatment("taxol", Kind::Compound, 0.3, 24.0),
            treatment("taxol", Kind::Compound, 0.3, 48.0),
        ];
        assert_eq!(found, expected);
        let usual = of_file("Compound;Conc [nM]\ntaxol;300,0\n").unwrap();
        assert_eq!(usual, [treatment("taxol", Kind::Compound, 0.3, 24.0)]);
        let told = of_file("perturbation,dose_um,kind\nMYC,,ORF\n").unwrap();
        assert_eq!(told, [treatment("MYC", Kind::Orf, 0.0, 24.0)]);
    }

    #[test]
    fn refuses_rows_that_name_no_intervention() {
        let cases = [
            (
                "perturbation\ntaxol\n",
                "library.csv: no column `dose_um`; list candidates by `intervention`, or by `perturbation` and `dose_um`",
            ),
            ("perturbation,dose_um\ntaxol,1\n,1\n", "library.csv:3: column `perturbation` holds \"\", expected a name"),
            (
                "perturbation,dose_um\ntaxol,0.3mg\n",
                "library.csv:2: column `dose_um` holds \"0.3mg\", expected a positive number of µM",
            ),
            (
                "perturbation,dose_um\ntaxol,0\n",
                "library.csv:2: column `dose_um` holds \"0\", expected a positive number of µM",
            ),
            (
                "perturbation,dose_um,hours\ntaxol,1,-2\n",
                "library.csv:2: column `hours` holds \"-2\", expected a number of hours from 0",
            ),
            (
                "perturbation,dose_um,kind\ntaxol,1,drug\n",
                "library.csv:2: column `kind` holds \"drug\", expected one of compound, crispr, crispri, crispra, orf, rnai, other",
            ),
            (
                "perturbation,dose_um\nMYC,\n",
                "not ranked: library.csv:2: `MYC` is known as 2 kinds of perturbation; write the kind behind it, as in `MYC (CRISPR)`, or in a column `kind`",
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(of_file(text).unwrap_err(), expected);
        }
        assert!(of_file("perturbation,dose_um\n").unwrap_err().starts_with("library.csv"));
    }

    #[test]
    fn a_compound_without_its_dose_is_named_and_the_rest_of_the_list_is_ranked() {
        let text = "perturbation,dose_um\nTAXOL,1\ntwice,\ntwice,2\nTP53,\nTP53,1\n";
        let FoundCandidates { treatments, without_meaning, remarks } = found_in(text).unwrap();
        let expected = [
            treatment("TP53", Kind::Crispr, 0.0, 24.0),
            treatment("taxol", Kind::Compound, 1.0, 24.0),
            treatment("twice", Kind::Compound, 2.0, 24.0),
        ];
        assert_eq!(treatments, expected);
        assert_eq!(
            without_meaning,
            [
                "library.csv:3: `twice` needs a dose; measured are 1 µM, 3 µM: write `twice 1 µM` or `twice@1`",
                "library.csv:6: `TP53` was applied without a dose in this screen; leave the dose out"
            ]
        );
        assert_eq!(remarks, ["`TAXOL` is read as `taxol`"]);
    }

    #[test]
    fn a_table_lists_sets_as_they_are_written_or_in_columns_of_their_own() {
        let member = |name: &str, kind, dose| Application {
            perturbation: Perturbation { name: name.into(), kind },
            dose: Micromolar::new(dose),
        };
        let pair = |dose: f64| {
            let members = [member("taxol", Kind::Compound, dose), member("TP53", Kind::Crispr, 0.0)];
            Treatment { intervention: Intervention::of(members).lasting(24.0), context: "U2OS".into() }
        };
        assert_eq!(
            of_file("intervention\ntaxol@1 + TP53\nTP53 (CRISPR) + taxol 0.3 µM\n").unwrap(),
            [pair(0.3), pair(1.0)]
        );
        let numbered = "drug_1,dose_1_um,drug_2,dose_2_um\ntaxol,1,TP53,\ntaxol,0.3,TP53,\ntaxol,300 nM,TP53,\n";
        assert_eq!(of_file(numbered).unwrap(), [pair(0.3), pair(1.0)]);
        let single = of_file("drug_1,dose_1_nm,drug_2,dose_2_nm\ntaxol,1000,,\n").unwrap();
        assert_eq!(single, [treatment("taxol", Kind::Compound, 1.0, 24.0)]);
        let twice = of_file("drug_1,dose_1_um,drug_2,dose_2_um\ntaxol,1,taxol,2\n").unwrap_err();
        assert!(twice.starts_with("not ranked: library.csv:2: `taxol` occurs twice"), "{twice}");
    }

    #[test]
    fn pairs_are_all_pairs_of_measured_members_at_their_doses() {
        let measured = [("a", 1.0), ("a", 3.0), ("b", 2.0), ("c", 0.0)];
        let mut measured: Measured =
            measured.iter().map(|&(name, dose)| (treatment(name, Kind::Compound, dose, 24.0), vec![0])).collect();
        let texts = |measured: &Measured| -> Vec<String> {
            let pairs = pairs(measured, "U2OS").unwrap();
            pairs.iter().map(|pair| pair.intervention.to_string()).collect()
        };
        let expected = ["a 1 µM + b 2 µM", "a 1 µM + c", "a 3 µM + b 2 µM", "a 3 µM + c", "b 2 µM + c"];
        assert_eq!(texts(&measured), expected);
        // A member that was measured within a set only is one too.
        measured.remove(&treatment("b", Kind::Compound, 2.0, 24.0));
        let members = [("a", 3.0), ("b", 2.0)].map(|(name, dose)| treatment(name, Kind::Compound, dose, 24.0));
        let set = Intervention::of(members.iter().flat_map(|member| member.intervention.members().to_vec()));
        measured.insert(Treatment { intervention: set.lasting(24.0), context: "U2OS".into() }, vec![1]);
        assert_eq!(texts(&measured), expected);
        let many: Measured =
            (0..700).map(|number| (treatment(&format!("d{number}"), Kind::Compound, 1.0, 24.0), vec![0])).collect();
        let error = pairs(&many, "U2OS").unwrap_err().to_string();
        assert!(error.starts_with("700 measured members make 244650 pairs"), "{error}");
    }

    #[test]
    fn the_grid_of_a_set_varies_one_dose_beside_the_others() {
        let set = |agonist: f64| {
            let member = |name: &str, dose| Application {
                perturbation: Perturbation { name: name.into(), kind: Kind::Compound },
                dose: Micromolar::new(dose),
            };
            let intervention = Intervention::of([member("agonist", agonist), member("corrector", 3.2)]).lasting(1.0);
            Treatment { intervention, context: String::new() }
        };
        let measured: Measured =
            [set(0.008), set(0.32), set(0.8)].into_iter().map(|treatment| (treatment, vec![])).collect();
        let found: Vec<String> =
            dose_grid(&measured).iter().map(|treatment| treatment.intervention.to_string()).collect();
        let expected = ["0.008", "0.01", "0.032 ", "0.1", "0.32 ", "0.8"];
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for (found, agonist) in found.iter().zip(expected) {
            assert!(
                found.starts_with(&format!("agonist {agonist}")) && found.ends_with(" + corrector 3.2 µM"),
                "{found}"
            );
        }
    }

    #[test]
    fn a_grid_lies_between_the_lowest_and_the_highest_dose() {
        let measured = [0.01, 0.3, 1.0].map(|dose| (treatment("taxol", Kind::Compound, dose, 24.0), vec![0])).into();
        let doses: Vec<f64> = dose_grid(&measured)
            .iter()
            .map(|candidate| candidate.intervention.as_single().unwrap().dose.unwrap().get())
            .collect();
        for (found, expected) in doses.iter().zip([0.01, 0.032, 0.1, 0.3, 1.0]) {
            assert!((found / expected - 1.0).abs() < 0.01, "{doses:?}");
        }
        assert_eq!(doses.len(), 5);
    }
}
