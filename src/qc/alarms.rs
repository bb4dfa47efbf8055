//! What the quality of plates means: findings in words.

use super::plates::{PlateQuality, Quality};
use super::{Finding, Measure, Severity};
use crate::table::{counted, first_few};

/// An effect of the position is reported when chance gives as much this rarely on a plate,
const RARE: f64 = 0.001;

/// and when it is as large as this, as a factor.
const LEAST_FACTOR: f64 = 1.1;

/// Plates that are named of many.
const SHOWN: usize = 5;

/// Below this a window of an assay is said to be too small for single wells.
const LEAST_Z_PRIME: f64 = 0.0;

impl Quality {
    /// What is wrong with plates and wells, the gravest first.
    pub fn findings(&self) -> Vec<Finding> {
        let mut findings: Vec<Finding> = Vec::new();
        for (one, other) in &self.swapped {
            findings.push(finding(
                format!("plates `{one}` and `{other}` look swapped: the wells of each look like the layout of the other"),
                "look at the barcodes and plate maps of both before anything else; exchange their names in the table if this is right",
            ));
        }
        findings.extend(self.disagreeing());
        for measure in Measure::ALL {
            let plates = || self.plates.iter().filter(move |plate| plate.measure == measure);
            findings.extend(edges(
                measure,
                plates().filter(|plate| plate.has_edge_effect()).collect(),
                plates().count(),
            ));
            findings.extend(lines(measure, plates().filter(|plate| plate.has_line_effect()).collect()));
        }
        findings.extend(self.small_windows());
        findings.extend(self.far_wells());
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        findings
    }

    /// Plates that do not look like their replicates where most others do.
    fn disagreeing(&self) -> Option<Finding> {
        let is_swapped = |plate: &str| self.swapped.iter().any(|(one, other)| one == plate || other == plate);
        let judged: Vec<(&str, f64)> =
            self.plates.iter().filter_map(|plate| Some((plate.plate.as_str(), plate.agreement.as_ref()?.p))).collect();
        let odd: Vec<&str> =
            judged.iter().filter(|(plate, p)| *p > 0.05 && !is_swapped(plate)).map(|(plate, _)| *plate).collect();
        let most_agree = judged.iter().filter(|(_, p)| *p <= RARE).count() * 4 >= judged.len() * 3;
        (!odd.is_empty() && most_agree).then(|| {
            finding(
                format!(
                    "wells of {} do not look like the same treatments on other plates, though those of most plates do: {}",
                    counted(odd.len(), "plate"),
                    first_few(&odd, SHOWN)
                ),
                "look for a turned plate, a wrong plate map or a failed plate, and leave it out if none is found",
            )
        })
    }

    fn small_windows(&self) -> Option<Finding> {
        let judged: Vec<(&PlateQuality, f64)> = self
            .plates
            .iter()
            .filter(|plate| plate.measure == Measure::DistanceToControls)
            .filter_map(|plate| Some((plate, plate.robust_z_prime?)))
            .collect();
        let small: Vec<&str> = judged
            .iter()
            .filter(|(_, z_prime)| *z_prime < LEAST_Z_PRIME)
            .map(|(plate, _)| plate.plate.as_str())
            .collect();
        (!small.is_empty()).then(|| Finding {
            severity: Severity::Note,
            message: format!(
                "positive and negative controls overlap (robust Z′ of the distance to controls below 0) on {} of {}: {}",
                small.len(),
                counted(judged.len(), "plate"),
                first_few(&small, SHOWN)
            ),
            advice: "do not decide by single wells of these plates; use replicates, or a stronger positive control".to_owned(),
        })
    }

    fn far_wells(&self) -> Option<Finding> {
        let mut wells: Vec<String> = Vec::new();
        for plate in &self.plates {
            for well in &plate.outliers {
                let name = format!("{} {well}", plate.plate);
                if !wells.contains(&name) {
                    wells.push(name);
                }
            }
        }
        (!wells.is_empty()).then(|| Finding {
            severity: Severity::Note,
            message: format!(
                "{} far from what their plate and their replicates lead to expect: {}",
                if wells.len() == 1 { "1 well lies".to_owned() } else { format!("{} wells lie", wells.len()) },
                first_few(&wells, SHOWN)
            ),
            advice: "look at their images or raw values; leave out those that failed with `exclude` in the card"
                .to_owned(),
        })
    }
}

impl PlateQuality {
    /// Whether the edge of the plate differs from its inside more than chance allows.
    pub fn has_edge_effect(&self) -> bool {
        self.position.edge.is_some_and(|(ratio, p)| p <= RARE && is_large(ratio))
    }

    /// Whether a row or column differs from the rest of the plate more than chance allows, and not as part of the edge.
    pub fn has_line_effect(&self) -> bool {
        self.position.line.as_ref().is_some_and(|(_, ratio, p)| *p <= RARE && is_large(*ratio))
            && !self.has_edge_effect()
    }
}

fn is_large(ratio: f64) -> bool {
    ratio.max(1.0 / ratio) >= LEAST_FACTOR
}

fn finding(message: String, advice: &str) -> Finding {
    Finding { severity: Severity::Warning, message, advice: advice.to_owned() }
}

fn in_words(measure: Measure) -> &'static str {
    match measure {
        Measure::DistanceToControls => "the distance to controls",
        Measure::CellCount => "the cell count",
    }
}

fn edges(measure: Measure, plates: Vec<&PlateQuality>, n_plates: usize) -> Option<Finding> {
    let named: Vec<String> = plates
        .iter()
        .filter_map(|plate| Some(format!("{} ({:.2} times)", plate.plate, plate.position.edge?.0)))
        .collect();
    (!named.is_empty()).then(|| {
        finding(
            format!(
                "{} differs between wells at the edge and within on {} of {}: {}",
                in_words(measure),
                named.len(),
                counted(n_plates, "plate"),
                first_few(&named, SHOWN)
            ),
            "do not trust effects of wells at the edge alone; leave the edge out or place replicates elsewhere in the next \
             screen",
        )
    })
}

fn lines(measure: Measure, plates: Vec<&PlateQuality>) -> Option<Finding> {
    let named: Vec<String> = plates
        .iter()
        .filter_map(|plate| {
            let (line, ratio, _) = plate.position.line.as_ref()?;
            Some(format!("{} {line} ({ratio:.2} times)", plate.plate))
        })
        .collect();
    (!named.is_empty()).then(|| {
        finding(
            format!(
                "{} of a whole row or column differs from the rest of the plate: {}",
                in_words(measure),
                first_few(&named, SHOWN)
            ),
            "look for a blocked tip, an empty reservoir or related compounds in one line, and leave the line out if it failed",
        )
    })
}
