//! `ranking.parquet`, `ranking.csv` and the same as JSON lines: candidates in order of nearness to the target.
//!
//! ```text
//! rank  intervention  perturbation  dose_um  context  score  lower  upper  distance  n_wells  nearest_reference  …
//! 1     taxol 0.3 µM  taxol         0.3               0.94   0.81   0.99   0.21      3        epothilone B 1 µM
//! ```
//!
//! The verdict of the matching evaluation, the start, the target and what ranks travel with the table: in parquet as
//! facts of the file, in JSON as the first line; start, target and ranker are columns as well, for readers of the csv.

use std::path::Path;

use super::cells::CellRatio;
use crate::pair::Evidence;
use crate::predict::Method;
use crate::screen::Intervention;
use crate::table::{Column, FileError, Table};

/// Separates flags in one field.
const SEPARATOR: &str = "; ";

/// One candidate with its place in the list.
#[derive(Debug, Clone, PartialEq)]
pub struct RankedIntervention {
    /// Place in the list, counted from 1.
    pub rank: usize,
    /// What would be done.
    pub intervention: Intervention,
    /// Where it would be done; empty when the screen has one context.
    pub context: String,
    /// Fraction of the way from start to target: 0 at the start, 1 at the target, negative when it leads away.
    pub score: f64,
    /// Distance from the predicted place to the target, in latent units.
    pub distance: f64,
    /// Lower end of the interval of `score`; `None` without calibration.
    pub lower: Option<f64>,
    /// Upper end of the interval of `score`; `None` without calibration.
    pub upper: Option<f64>,
    /// What the score rests on.
    pub evidence: Evidence,
    /// In how many wells of the screen it was measured; 0 when it is only predicted.
    pub n_wells: usize,
    /// The measured reference intervention that lies nearest to the predicted place.
    pub nearest_reference: Option<String>,
    /// Mechanism of action of that reference.
    pub nearest_moa: Option<String>,
    /// Distance to that reference, in latent units; large means that nothing measured is near.
    pub support: Option<f64>,
    /// Warnings, in words: `far from training`, `toxic`.
    pub flags: Vec<String>,
    /// Distance from the measured place to the target, where it was measured.
    pub measured_distance: Option<f64>,
    /// Mechanism of action of the candidate, where the screen names one.
    pub moa: Option<String>,
    /// In a time lapse the ratio of the measured number, last frame to first, as it is predicted.
    pub readout: Option<f64>,
    /// The same ratio as it was measured, the mean over wells.
    pub measured_readout: Option<f64>,
    /// How many cells it leaves, over those of control wells.
    pub cells: Option<CellRatio>,
}

/// Candidate interventions in order, best first.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranking {
    /// One sentence: whether this kind of ranking beat the baselines where it could be checked.
    pub verdict: String,
    /// One sentence: where the intervals come from and how often they covered, or why there are none.
    pub calibration: String,
    /// One sentence where the target is not to be trusted; empty otherwise.
    pub warning: String,
    /// One sentence on contexts that are not ranked; empty where there are none.
    pub note: String,
    /// The target phenotype, in words.
    pub target: String,
    /// Where the cells start, in words.
    pub start: String,
    /// What ranks.
    pub by: Method,
    /// The candidates, best first.
    pub rows: Vec<RankedIntervention>,
    /// Candidates that are not ranked because nothing is predicted of them: each with its reason, in words.
    pub abstained: Vec<String>,
    /// What was taken for granted in reading a list of candidates, in sentences.
    pub remarks: Vec<String>,
}

/// The fact of the file that holds [`Ranking::abstained`], a JSON list.
const ABSTAINED: &str = "abstained";

/// The fact of the file that holds [`Ranking::remarks`], likewise.
const REMARKS: &str = "remarks";

impl Ranking {
    /// Writes the ranking as the ending of `path` says.
    ///
    /// # Errors
    /// [`FileError::Ending`], [`FileError::Write`].
    pub fn write(&self, path: &Path) -> Result<(), FileError> {
        self.table().write(path)
    }

    /// Reads a ranking that [`Ranking::write`] wrote.
    ///
    /// # Errors
    /// [`FileError`] with the file and the column or row that is not as it should be.
    pub fn read(path: &Path) -> Result<Self, FileError> {
        let table = Table::read_parquet(path)?;
        let fact = |name: &str| {
            let absent = || FileError::Damaged {
                path: path.to_owned(),
                problem: format!("is not a ranking (it does not name its {name})"),
            };
            table.facts().get(name).cloned().ok_or_else(absent)
        };
        let (verdict, calibration) = (fact("verdict")?, fact("calibration")?);
        let (target, start) = (fact("target")?, fact("start")?);
        let by = fact("by")?
            .parse::<Method>()
            .map_err(|error| FileError::Damaged { path: path.to_owned(), problem: format!("`by`: {error}") })?;
        let list = |name: &str| match table.facts().get(name) {
            None => Ok(Vec::new()),
            Some(text) => serde_json::from_str::<Vec<String>>(text)
                .map_err(|error| FileError::Damaged { path: path.to_owned(), problem: format!("`{name}`: {error}") }),
        };
        let (abstained, remarks) = (list(ABSTAINED)?, list(REMARKS)?);
        let (warning, note) = (fact("warning")?, fact("note")?);
        Ok(Self { verdict, calibration, warning, note, target, start, by, rows: rows(&table)?, abstained, remarks })
    }

    fn table(&self) -> Table {
        let number =
            |of: &dyn Fn(&RankedIntervention) -> Option<f64>| Column::Number(self.rows.iter().map(of).collect());
        let whole = |of: &dyn Fn(&RankedIntervention) -> usize| {
            Column::Integer(self.rows.iter().map(|row| Some(of(row) as i64)).collect())
        };
        let text =
            |of: &dyn Fn(&RankedIntervention) -> Option<String>| Column::Text(self.rows.iter().map(of).collect());
        let unless_empty = |text: String| (!text.is_empty()).then_some(text);
        let list = |texts: &Vec<String>| serde_json::to_string(texts).expect("texts have a JSON");
        Table::new()
            .with_fact(ABSTAINED, list(&self.abstained))
            .with_fact(REMARKS, list(&self.remarks))
            .with_fact("verdict", &self.verdict)
            .with_fact("calibration", &self.calibration)
            .with_fact("warning", &self.warning)
            .with_fact("note", &self.note)
            .with_fact("target", &self.target)
            .with_fact("start", &self.start)
            .with_fact("by", self.by.to_string())
            .with("rank", "place in the list, counted from 1", whole(&|row| row.rank))
            .with_interventions(self.rows.iter().map(|row| &row.intervention))
            .with(
                "context",
                "context (cell line, time or donor) of the candidate; null where the screen has one context",
                text(&|row| unless_empty(row.context.clone())),
            )
            .with(
                "score",
                "fraction of the way from start to target; 1 = at the target",
                number(&|row| Some(row.score)),
            )
            .with("lower", "lower end of the interval of score", number(&|row| row.lower))
            .with("upper", "upper end of the interval of score", number(&|row| row.upper))
            .with("distance", "distance to the target, in latent units", number(&|row| Some(row.distance)))
            .with(
                "evidence",
                "what the score rests on: measured here, neighboring doses, measured elsewhere, parts of the set, \
                 sets that hold it, or descriptors only",
                text(&|row| Some(row.evidence.to_string())),
            )
            .with("n_wells", "wells in which it was measured; 0 when only predicted", whole(&|row| row.n_wells))
            .with(
                "nearest_reference",
                "measured intervention nearest to the predicted latent",
                text(&|row| row.nearest_reference.clone()),
            )
            .with("nearest_moa", "mechanism of action of that reference", text(&|row| row.nearest_moa.clone()))
            .with(
                "support",
                "distance to that reference, in latent units; a large value means that nothing measured is near",
                number(&|row| row.support),
            )
            .with("flags", "warnings, separated by `; `", text(&|row| unless_empty(row.flags.join(SEPARATOR))))
            .with(
                "measured_distance",
                "distance of the measured wells to the target, in latent units",
                number(&|row| row.measured_distance),
            )
            .with("moa", "mechanism of action, where the screen names one", text(&|row| row.moa.clone()))
            .with(
                "readout",
                "for a time lapse: predicted ratio of the objects' measurement, last frame to first",
                number(&|row| row.readout),
            )
            .with(
                "measured_readout",
                "the same ratio as measured, mean over wells",
                number(&|row| row.measured_readout),
            )
            .with(
                "cell_count_ratio",
                "cells over those of the controls of its plates; null where no cells were counted",
                number(&|row| row.cells.map(|cells| cells.ratio)),
            )
            .with(
                "cell_count_from",
                "whether cell_count_ratio is measured (its own wells) or predicted (between doses; the product over members)",
                text(&|row| row.cells.map(|cells| cells.word().to_owned())),
            )
            .with("start", "start of the ranking", text(&|_| Some(self.start.clone())))
            .with("target", "the target phenotype", text(&|_| Some(self.target.clone())))
            .with("by", "method that ranks: lewm, combined, or a baseline", text(&|_| Some(self.by.to_string())))
    }
}

fn rows(table: &Table) -> Result<Vec<RankedIntervention>, FileError> {
    let whole = |name: &str| -> Result<Vec<usize>, FileError> {
        let wrong =
            |row: usize| table.wrong_column(name, format!("no count in row {}", row + 1), "a whole number from 0");
        let values = table.integers(name)?.iter().enumerate();
        values.map(|(row, value)| value.and_then(|v| usize::try_from(v).ok()).ok_or_else(|| wrong(row))).collect()
    };
    let present = |name: &str| -> Result<Vec<f64>, FileError> {
        let wrong = |row: usize| table.wrong_column(name, format!("null in row {}", row + 1), "a number");
        let values = table.numbers(name)?.iter().enumerate();
        values.map(|(row, value)| value.ok_or_else(|| wrong(row))).collect()
    };
    let (ranks, n_wells) = (whole("rank")?, whole("n_wells")?);
    let (scores, distances) = (present("score")?, present("distance")?);
    let (lower, upper) = (table.numbers("lower")?, table.numbers("upper")?);
    let (support, measured) = (table.numbers("support")?, table.numbers("measured_distance")?);
    let (readouts, measured_readouts) = (table.numbers("readout")?, table.numbers("measured_readout")?);
    let (contexts, flags, moas) = (table.text("context")?, table.text("flags")?, table.text("moa")?);
    let (references, nearest_moas) = (table.text("nearest_reference")?, table.text("nearest_moa")?);
    let (ratios, counted) = (table.numbers("cell_count_ratio")?, table.text("cell_count_from")?);
    let cells = |row: usize| {
        let is_measured = counted[row].as_deref() == Some("measured");
        ratios[row].map(|ratio| CellRatio { ratio, is_measured })
    };
    let wrong = |row: usize, word: &str| {
        table.wrong_column("evidence", format!("`{word}` in row {}", row + 1), "what a prediction rests on")
    };
    let evidence = table.text("evidence")?.iter().enumerate().map(|(row, word)| {
        let word = word.as_deref().unwrap_or_default();
        word.parse::<Evidence>().map_err(|()| wrong(row, word))
    });
    let evidence = evidence.collect::<Result<Vec<_>, _>>()?;
    let interventions = table.interventions()?.into_iter().enumerate();
    let ranked = interventions.map(|(row, intervention)| RankedIntervention {
        rank: ranks[row],
        intervention,
        context: contexts[row].clone().unwrap_or_default(),
        score: scores[row],
        distance: distances[row],
        lower: lower[row],
        upper: upper[row],
        evidence: evidence[row],
        n_wells: n_wells[row],
        nearest_reference: references[row].clone(),
        nearest_moa: nearest_moas[row].clone(),
        support: support[row],
        flags: flags[row].iter().flat_map(|flags| flags.split(SEPARATOR)).map(str::to_owned).collect(),
        measured_distance: measured[row],
        moa: moas[row].clone(),
        readout: readouts[row],
        measured_readout: measured_readouts[row],
        cells: cells(row),
    });
    Ok(ranked.collect())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::screen::{Application, Kind, Micromolar, Perturbation};

    /// A measured single and a predicted pair.
    pub(in crate::plan) fn example() -> Ranking {
        let member = |name: &str, dose| Application {
            perturbation: Perturbation { name: name.into(), kind: Kind::Compound },
            dose: Micromolar::new(dose),
        };
        let first = RankedIntervention {
            rank: 1,
            intervention: Intervention::of([member("taxol", 0.3)]),
            context: String::new(),
            score: 0.94,
            distance: 0.2125,
            lower: Some(0.812),
            upper: Some(0.99),
            evidence: Evidence::MeasuredHere,
            n_wells: 3,
            nearest_reference: Some("epothilone B 1 µM".into()),
            nearest_moa: Some("Microtubule stabilizers".into()),
            support: Some(0.4),
            flags: vec![],
            measured_distance: Some(0.25),
            moa: Some("Microtubule stabilizers".into()),
            readout: Some(1.5),
            measured_readout: Some(1.75),
            cells: Some(CellRatio { ratio: 0.75, is_measured: true }),
        };
        let second = RankedIntervention {
            rank: 2,
            intervention: Intervention::of([member("taxol", 0.03), member("AZ138", 10.0)]).lasting(24.0),
            score: -0.125,
            distance: 12.5,
            lower: None,
            upper: None,
            evidence: Evidence::Parts,
            n_wells: 0,
            nearest_reference: None,
            nearest_moa: None,
            support: Some(3.75),
            flags: vec!["far from training".into(), "toxic".into()],
            measured_distance: None,
            moa: None,
            readout: None,
            measured_readout: None,
            cells: None,
            ..first.clone()
        };
        Ranking {
            verdict: "the model beats log-dose interpolation on 31 of 40 held-out doses".into(),
            calibration: "80 % intervals: set by 12 calibration treatments".into(),
            warning: String::new(),
            note: String::new(),
            target: "Eg5 inhibitors".into(),
            start: "DMSO".into(),
            by: Method::Model,
            rows: vec![first, second],
            abstained: vec!["unobtainium 1 µM: `unobtainium` was not in training and has no descriptor".into()],
            remarks: vec!["`Taxol` is read as `taxol`".into()],
        }
    }

    #[test]
    fn what_is_written_reads_back_equal() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ranking.parquet");
        for ranking in [example(), Ranking { rows: vec![], abstained: vec![], ..example() }] {
            ranking.write(&path).unwrap();
            assert_eq!(Ranking::read(&path).unwrap(), ranking);
        }
        assert!(example().table().columns().iter().all(|column| !column.doc.is_empty()));
    }

    #[test]
    fn writes_a_csv_for_people() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ranking.csv");
        example().write(&path).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[0].starts_with("rank,intervention,perturbation,dose_um,hours,intervention_json,context,score,"));
        assert!(lines[1].starts_with("1,taxol 0.3 µM,taxol,0.3,,"), "{}", lines[1]);
        assert!(lines[2].contains(
            ",-0.125,,,12.5,parts of the set,0,,,3.75,far from training; toxic,,,,,,,DMSO,Eg5 inhibitors,lewm"
        ));
    }

    #[test]
    fn refuses_a_table_that_is_no_ranking() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ranking.parquet");
        Table::new().with("rank", "", Column::Integer(vec![Some(1)])).write(&path).unwrap();
        let error = Ranking::read(&path).unwrap_err().to_string();
        assert!(error.ends_with("is not a ranking (it does not name its verdict)"), "{error}");
    }
}
