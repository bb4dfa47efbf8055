//! Interventions as rows of numbers, for linear baselines.

use std::collections::{BTreeMap, BTreeSet};

use super::BaselineError;
use crate::screen::{FeatureMatrix, Perturbation, Treatment};

/// What treatments are spelled out in, as rows of the design matrix of a linear baseline.
///
/// The columns are those of the treatments it is made for, in order: one indicator for each perturbation (`is:NAME`); its
/// log10 dose in µM where it occurs at two doses or more (`log10_dose:NAME`, 0 where absent); the sum of the members' log10
/// doses (`log10_dose`); hours (`hours`) and contexts (`context:NAME`) where they differ; and the sum of the members'
/// descriptors (`descriptor:0`, …) when given, zero for a member without one. Of another treatment only what has a column is
/// told. Perturbations of different kinds and one name are told apart as `is:NAME (crispr)` and the like.
pub struct InterventionFeatures<'a> {
    columns: Columns<'a>,
    descriptors: Option<&'a BTreeMap<String, Vec<f32>>>,
}

impl<'a> InterventionFeatures<'a> {
    /// The columns that `treatments` ask for. Pass training treatments and targets, so that both have theirs.
    ///
    /// # Errors
    /// When descriptors differ in length.
    pub fn of(
        treatments: impl Iterator<Item = &'a Treatment>,
        descriptors: Option<&'a BTreeMap<String, Vec<f32>>>,
    ) -> Result<Self, BaselineError> {
        let descriptor_width = descriptors.map_or(Ok(0), descriptor_width)?;
        let mut doses = BTreeMap::<&Perturbation, BTreeSet<u64>>::new();
        let mut hours = BTreeSet::new();
        let mut contexts = BTreeSet::new();
        for treatment in treatments {
            for member in treatment.intervention.members() {
                let seen = doses.entry(&member.perturbation).or_default();
                seen.extend(member.dose.map(|dose| dose.get().to_bits()));
            }
            hours.insert(treatment.intervention.hours().map(f64::to_bits));
            contexts.insert(treatment.context.as_str());
        }

        let mut columns = Columns::default();
        for perturbation in doses.keys() {
            columns.add(Column::Is(perturbation));
        }
        for (perturbation, _) in doses.iter().filter(|(_, doses)| doses.len() > 1) {
            columns.add(Column::LogDose(perturbation));
        }
        if doses.values().any(|doses| !doses.is_empty()) {
            columns.add(Column::TotalLogDose);
        }
        if hours.len() > 1 {
            columns.add(Column::Hours);
        }
        if contexts.len() > 1 {
            contexts.iter().for_each(|context| columns.add(Column::Context(context)));
        }
        (0..descriptor_width).for_each(|index| columns.add(Column::Descriptor(index)));
        Ok(Self { columns, descriptors })
    }

    /// The design matrix, `[treatment, column]`.
    pub fn matrix<'t>(&self, treatments: impl ExactSizeIterator<Item = &'t Treatment>) -> FeatureMatrix {
        let width = self.columns.position.len();
        let mut values = vec![0.0f32; treatments.len() * width];
        for (row, treatment) in values.chunks_exact_mut(width.max(1)).zip(treatments) {
            let mut put = |column: Column<'_>, value: f64| {
                if let Some(position) = self.columns.position(column) {
                    row[position] += value as f32;
                }
            };
            for member in treatment.intervention.members() {
                put(Column::Is(&member.perturbation), 1.0);
                if let Some(dose) = member.dose {
                    put(Column::LogDose(&member.perturbation), dose.log10());
                    put(Column::TotalLogDose, dose.log10());
                }
                let descriptor = self.descriptors.and_then(|descriptors| descriptors.get(&member.perturbation.name));
                for (index, &value) in descriptor.into_iter().flatten().enumerate() {
                    put(Column::Descriptor(index), f64::from(value));
                }
            }
            put(Column::Hours, treatment.intervention.hours().unwrap_or(0.0));
            put(Column::Context(&treatment.context), 1.0);
        }
        FeatureMatrix::new(self.columns.names(), values)
    }
}

/// The common length of all descriptors, 0 when there are none.
pub(super) fn descriptor_width(descriptors: &BTreeMap<String, Vec<f32>>) -> Result<usize, BaselineError> {
    let expected = descriptors.values().next().map_or(0, Vec::len);
    match descriptors.iter().find(|(_, descriptor)| descriptor.len() != expected) {
        None => Ok(expected),
        Some((perturbation, descriptor)) => Err(BaselineError::DescriptorLength {
            perturbation: perturbation.clone(),
            found: descriptor.len(),
            expected,
        }),
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Column<'a> {
    Is(&'a Perturbation),
    LogDose(&'a Perturbation),
    TotalLogDose,
    Hours,
    Context(&'a str),
    Descriptor(usize),
}

/// Columns in the order in which they were added.
#[derive(Default)]
struct Columns<'a> {
    position: BTreeMap<Column<'a>, usize>,
}

impl<'a> Columns<'a> {
    fn add(&mut self, column: Column<'a>) {
        let next = self.position.len();
        self.position.entry(column).or_insert(next);
    }

    fn position(&self, column: Column<'_>) -> Option<usize> {
        let columns: &Columns<'_> = self;
        columns.position.get(&column).copied()
    }

    fn names(&self) -> Vec<String> {
        let mut kinds_of_name = BTreeMap::<&str, usize>::new();
        for column in self.position.keys() {
            if let Column::Is(perturbation) = column {
                *kinds_of_name.entry(&perturbation.name).or_default() += 1;
            }
        }
        let shown = |perturbation: &Perturbation| match kinds_of_name[perturbation.name.as_str()] {
            1 => perturbation.name.clone(),
            _ => format!("{} ({})", perturbation.name, format!("{:?}", perturbation.kind).to_lowercase()),
        };
        let mut names = vec![String::new(); self.position.len()];
        for (column, &position) in &self.position {
            names[position] = match column {
                Column::Is(perturbation) => format!("is:{}", shown(perturbation)),
                Column::LogDose(perturbation) => format!("log10_dose:{}", shown(perturbation)),
                Column::TotalLogDose => "log10_dose".into(),
                Column::Hours => "hours".into(),
                Column::Context(context) => format!("context:{context}"),
                Column::Descriptor(index) => format!("descriptor:{index}"),
            };
        }
        names
    }
}

#[cfg(test)]
mod tests {
    use super::super::consensus::fixture::*;
    use super::*;

    #[test]
    fn spells_out_sets_doses_contexts_and_descriptors() {
        let treatments = [
            treatment(&[("a", 1.0)], "x"),
            treatment(&[("a", 100.0)], "y"),
            treatment(&[("a", 100.0), ("b", 10.0)], "x"),
        ];
        let descriptors = BTreeMap::from([("a".to_owned(), vec![0.5]), ("z".to_owned(), vec![9.0])]);
        let features = InterventionFeatures::of(treatments.iter(), Some(&descriptors)).unwrap();
        let matrix = features.matrix(treatments.iter());
        let names = ["is:a", "is:b", "log10_dose:a", "log10_dose", "context:x", "context:y", "descriptor:0"];
        assert_eq!(matrix.names(), names);
        assert_eq!(matrix.row(0), [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.5]);
        assert_eq!(matrix.row(1), [1.0, 0.0, 2.0, 2.0, 0.0, 1.0, 0.5]);
        assert_eq!(matrix.row(2), [1.0, 1.0, 2.0, 3.0, 1.0, 0.0, 0.5]);
        let other = [treatment(&[("a", 10.0), ("c", 1000.0)], "z")];
        assert_eq!(features.matrix(other.iter()).row(0), [1.0, 0.0, 1.0, 4.0, 0.0, 0.0, 0.5]);
    }

    #[test]
    fn refuses_descriptors_of_different_length() {
        let descriptors = BTreeMap::from([("a".to_owned(), vec![0.5]), ("b".to_owned(), vec![9.0, 1.0])]);
        let error = InterventionFeatures::of(std::iter::empty(), Some(&descriptors)).err().unwrap();
        assert!(error.to_string().starts_with("descriptor of `b` has 2 values, expected 1"));
    }
}
