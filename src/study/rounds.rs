//! Rounds of testing on a list of scores whose answers are known, with other tables as descriptors.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::StudyError;
use crate::evaluate::{Rounds, RoundsConfig};
use crate::load::{self, LoadError, TextTable};
use crate::plan::CandidateSpace;
use crate::table::first_few;

/// Which answers count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extreme {
    /// The farthest from 0 on either side.
    Both,
    /// The largest.
    High,
    /// The smallest.
    Low,
}

/// The tables of a simulation in rounds.
#[derive(Debug, Clone)]
pub struct RoundsTables {
    /// The answers.
    pub answers: PathBuf,
    /// Columns of answers, of which the mean counts.
    pub scores: Vec<String>,
    /// The column of names in all tables; `None` takes a usual one.
    pub name: Option<String>,
    /// Tables whose columns of numbers describe the candidates.
    pub descriptors: Vec<PathBuf>,
    /// Which answers count.
    pub extreme: Extreme,
}

/// What rounds found, and what to know of the tables.
#[derive(Debug, Clone)]
pub struct RoundsReport {
    /// What each strategy finds.
    pub rounds: Rounds,
    /// Sentences.
    pub notes: Vec<String>,
}

/// Simulates rounds of testing.
///
/// # Errors
/// If a table cannot be read, lacks a column, or too few candidates have answers and descriptors.
pub fn rounds(tables: &RoundsTables, config: &RoundsConfig) -> Result<RoundsReport, StudyError> {
    let place = |path: &Path| path.canonicalize().ok();
    if let Some(same) = tables.descriptors.iter().find(|path| place(path) == place(&tables.answers)) {
        return Err(StudyError::DescribedByAnswers { path: same.clone() });
    }
    let answers = Numbers::read(&tables.answers, tables.name.as_deref(), Some(&tables.scores))?;
    let mut notes = answers.notes.clone();
    let mut described: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    let others = (tables.descriptors.iter())
        .map(|path| Numbers::read(path, tables.name.as_deref(), None))
        .collect::<Result<Vec<_>, _>>()?;
    for name in answers.rows.keys() {
        let values: Option<Vec<&Vec<f64>>> = others.iter().map(|other| other.rows.get(name)).collect();
        if let Some(values) = values {
            described.insert(name, values.into_iter().flatten().copied().collect());
        }
    }
    for other in &others {
        notes.push(format!(
            "{}: {} of {} are described, by {}",
            other.file,
            answers.rows.keys().filter(|name| other.rows.contains_key(*name)).count(),
            answers.rows.len(),
            first_few(&other.columns, 5)
        ));
        notes.extend(other.notes.iter().cloned());
    }
    let answer = |name: &str| {
        let values = &answers.rows[name];
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        match tables.extreme {
            Extreme::Both => mean.abs(),
            Extreme::High => mean,
            Extreme::Low => -mean,
        }
    };
    let values: Vec<f64> = described.keys().map(|name| answer(name)).collect();
    let space = CandidateSpace::of(&described.into_values().collect::<Vec<_>>());
    Ok(RoundsReport { rounds: Rounds::simulate(&space, &values, config)?, notes })
}

/// Numbers by name.
struct Numbers {
    file: String,
    columns: Vec<String>,
    rows: BTreeMap<String, Vec<f64>>,
    notes: Vec<String>,
}

impl Numbers {
    /// The columns that `wanted` names, or all of numbers; rows that lack one, and names that occur twice, are left out.
    fn read(path: &Path, name: Option<&str>, wanted: Option<&[String]>) -> Result<Self, LoadError> {
        let table = load::read_text_table(path)?;
        let names_at = load::name_column(&table, path, name)?;
        let at = |column: &String| {
            table.names.iter().position(|own| own == column).ok_or_else(|| LoadError::MissingColumn {
                path: path.to_path_buf(),
                column: column.clone(),
                mend: format!("the columns are {}", first_few(&table.names, 12)),
            })
        };
        let columns: Vec<usize> = match wanted {
            Some(wanted) => wanted.iter().map(at).collect::<Result<_, _>>()?,
            None => {
                (0..table.names.len()).filter(|&column| column != names_at && is_of_numbers(&table, column)).collect()
            }
        };
        if columns.is_empty() {
            return Err(LoadError::MissingColumn {
                path: path.to_path_buf(),
                column: "of numbers".to_owned(),
                mend: "a table that describes candidates has a column of numbers at least".to_owned(),
            });
        }
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let (mut rows, mut twice, mut n_missing) = (BTreeMap::new(), BTreeSet::new(), 0);
        for row in 0..table.places.len() {
            let number = |&column: &usize| number(table.columns[column][row].as_deref()?);
            match (table.columns[names_at][row].as_deref(), columns.iter().map(number).collect::<Option<Vec<f64>>>()) {
                (Some(name), Some(values)) => {
                    if rows.insert(name.to_owned(), values).is_some() {
                        twice.insert(name.to_owned());
                    }
                }
                _ => n_missing += 1,
            }
        }
        twice.iter().for_each(|name| drop(rows.remove(name)));
        let mut notes = Vec::new();
        if n_missing > 0 {
            notes.push(format!("{file}: {n_missing} rows without a name or a number are left out"));
        }
        if !twice.is_empty() {
            let named: Vec<&String> = twice.iter().collect();
            notes.push(format!("{file}: {} names occur twice and are left out: {}", twice.len(), first_few(&named, 3)));
        }
        let columns = columns.into_iter().map(|column| table.names[column].clone()).collect();
        Ok(Self { file, columns, rows, notes })
    }
}

fn number(text: &str) -> Option<f64> {
    text.parse::<f64>().ok().filter(|number| number.is_finite())
}

/// Whether most cells of a column are numbers.
fn is_of_numbers(table: &TextTable, column: usize) -> bool {
    let cells = || (0..table.places.len()).filter_map(|row| table.columns[column][row].as_deref());
    let n_numbers = cells().filter(|text| number(text).is_some()).count();
    n_numbers > 0 && 2 * n_numbers > cells().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_and_descriptors_meet_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let drawn = |at: usize| (at * 7919 + 13) * 2_654_435_761 % 1009;
        let (mut answers, mut others) = ("gene,lfc_a,lfc_b\n".to_owned(), "symbol,score,note\n".to_owned());
        for at in 0..300 {
            answers += &format!("g{at},{},{}\n", drawn(at) as f64 - 500.0, drawn(at) as f64 - 504.0);
            others += &format!("g{at},{},x\n", drawn(at).pow(2));
        }
        answers += "g7,1,1\nonly here,3,3\nlacking,,1\n";
        let [a, b] = [("a.csv", &answers), ("b.csv", &others)].map(|(name, text)| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        });
        let tables = RoundsTables {
            answers: a,
            scores: vec!["lfc_a".to_owned(), "lfc_b".to_owned()],
            name: None,
            descriptors: vec![b],
            extreme: Extreme::High,
        };
        let config = RoundsConfig { rounds: 3, per_round: 20, ..RoundsConfig::default() };
        let report = rounds(&tables, &config).unwrap();
        // All but the one that stands twice, the one that is described nowhere and the one without a number.
        assert_eq!((report.rounds.n_candidates, report.rounds.n_hits), (299, 15));
        assert!(report.notes.iter().any(|note| note == "a.csv: 1 names occur twice and are left out: `g7`"));
        assert!(
            report.notes.iter().any(|note| note.starts_with("b.csv: 299 of 300 are described, by `score`")),
            "{:?}",
            report.notes
        );
        let own = RoundsTables { descriptors: vec![tables.answers.clone()], ..tables.clone() };
        assert!(rounds(&own, &config).unwrap_err().to_string().contains("answers would describe themselves"));
        let most = RoundsConfig { rounds: 15, ..config.clone() };
        assert!(rounds(&tables, &most).unwrap_err().to_string().contains("is 300, expected"));
        let missing = rounds(&RoundsTables { scores: vec!["lfc".to_owned()], ..tables }, &config).unwrap_err();
        assert!(missing.to_string().contains("no column `lfc`"), "{missing}");
    }
}
