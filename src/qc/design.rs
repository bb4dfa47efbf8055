//! Faults of the design: controls, replicates, and what is confounded with what.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use super::{Finding, Severity};
use crate::screen::{Intervention, Micromolar, Perturbation, Reference, Screen, Unit};
use crate::table::first_few;

/// Fewer controls than this give no spread that is worth dividing by.
const MIN_CONTROLS: usize = 4;
/// Highest dose that screens of cells in culture apply as a rule, in µM.
const MAX_DOSE_UM: f64 = 100.0;

/// Names that are shown of many.
const SHOWN: usize = 5;
/// Doses of one perturbation that differ by less than this share of themselves are hardly steps of a series.
const NEAR: f64 = 0.05;

/// What is wrong with a screen, the gravest first.
pub fn findings(screen: &Screen) -> Vec<Finding> {
    let mut findings = design_findings(screen);
    findings.extend(features(screen));
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    findings
}

/// The same without a look at the values, which may be pixels in files.
pub fn design_findings(screen: &Screen) -> Vec<Finding> {
    let mut findings = Vec::new();
    // Sites and cells of a well are neither replicates of its treatment nor controls of their own.
    let wells = match screen.wells() {
        wells if wells.len() == screen.n_observations() => Cow::Borrowed(screen),
        wells => Cow::Owned(screen.select(&wells.iter().map(|rows| rows[0]).collect::<Vec<_>>())),
    };
    findings.extend(controls(&wells));
    findings.extend(scale(screen));
    findings.extend(treated_rows(&wells));
    findings.extend(replicates(&wells));
    findings.extend(confounding(&wells));
    findings.extend(doses(screen));
    findings.extend(near_doses(screen));
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    findings
}

fn finding(severity: Severity, message: String, advice: &str) -> Finding {
    Finding { severity, message, advice: advice.to_owned() }
}

fn is_treated(observation: &Unit) -> bool {
    observation.role.is_treated()
}

fn controls(screen: &Screen) -> Vec<Finding> {
    if screen.reference() != Reference::ControlWells {
        return Vec::new();
    }
    let controls = screen.controls_by_plate();
    if controls.is_empty() {
        return vec![finding(
            Severity::Error,
            "no negative control was found, but effects are measured against control wells".to_owned(),
            "list the control rows under [controls] in the card, or set `reference = \"relative\"` if the values are \
             already relative to control",
        )];
    }
    let plates: BTreeSet<&str> = screen.rows_by_plate(is_treated).into_keys().collect();
    let mut found = Vec::new();
    let without: Vec<&str> = plates.iter().copied().filter(|plate| !controls.contains_key(plate)).collect();
    if !without.is_empty() {
        found.push(finding(
            Severity::Error,
            format!(
                "no negative control on {} with treated wells: {}",
                counted(without.len(), "plate"),
                first_few(&without, SHOWN)
            ),
            &format!(
                "leave them out with `exclude = 'plate == {:?}'` in the card, or list their control wells under [controls]",
                without[0]
            ),
        ));
    }
    let poor: Vec<&str> =
        controls.iter().filter(|(_, rows)| rows.len() < MIN_CONTROLS).map(|(plate, _)| *plate).collect();
    if !poor.is_empty() {
        found.push(finding(
            Severity::Warning,
            format!(
                "fewer than {MIN_CONTROLS} negative controls on {}: {}",
                counted(poor.len(), "plate"),
                first_few(&poor, SHOWN)
            ),
            "scale these plates by pooled controls (`normalize.per_plate.shrink = 1`), and plan more control wells for the \
             next screen",
        ));
    }
    found
}

/// The spread of one control is unknown, and without any spread there is no scale, which images take from their pixels.
fn scale(screen: &Screen) -> Option<Finding> {
    let controls = screen.controls_by_plate();
    let is_scaled = screen.reference() == Reference::ControlWells && screen.features.n_features() > 0;
    let has_none = is_scaled && !controls.is_empty() && controls.values().all(|rows| rows.len() < 2);
    has_none.then(|| {
        finding(
            Severity::Error,
            "no plate has two negative-control wells, so no scale can be pooled".to_owned(),
            "if the values are scaled already, set `normalize.per_plate.method = \"none\"` in a configuration (`--set \
             normalize.per_plate.method=none`); else list all control wells under [controls] in the card",
        )
    })
}

fn treated_rows(screen: &Screen) -> Option<Finding> {
    (!screen.units.by_row().any(is_treated)).then(|| {
        finding(
            Severity::Error,
            "no treated row was found".to_owned(),
            "check under [controls] in the card which rows are controls, and under [columns] which column is `perturbation`",
        )
    })
}

fn replicates(screen: &Screen) -> Vec<Finding> {
    let treatments = screen.treatments();
    let n_treatments = treatments.len();
    if n_treatments == 0 {
        return Vec::new();
    }
    let has_wells = screen.units.by_row().any(|observation| observation.well.is_some());
    let distinct_plates =
        |rows: &[usize]| rows.iter().map(|&row| &screen.unit(row).plate).collect::<BTreeSet<_>>().len();
    let n_plates = screen.rows_by_plate(|_| true).len();
    let single = treatments.values().filter(|rows| rows.len() == 1).count();
    let one_plate = treatments.values().filter(|rows| rows.len() > 1 && distinct_plates(rows) == 1).count();
    let repeated: Vec<&Vec<usize>> = treatments.values().filter(|rows| rows.len() > 1).collect();
    let one_position = repeated
        .iter()
        .filter(|rows| distinct_plates(rows) > 1)
        .filter(|rows| rows.iter().map(|&row| screen.unit(row).well).collect::<BTreeSet<_>>().len() == 1)
        .count();
    let mut found = Vec::new();
    if single > 0 {
        found.push(finding(
            Severity::Warning,
            format!("{single} of {n_treatments} treatments have one well: no replicates"),
            "do not judge these treatments one by one: their noise cannot be separated from their effect",
        ));
    }
    if one_plate > 0 && n_plates > 1 {
        found.push(finding(
            Severity::Warning,
            format!("{one_plate} of {n_treatments} treatments have all their replicates on one plate"),
            "expect plate effects in their profiles, and spread replicates over plates in the next screen",
        ));
    }
    if has_wells && one_position > 0 {
        found.push(finding(
            if 2 * one_position > repeated.len() { Severity::Warning } else { Severity::Note },
            format!(
                "the replicates of {one_position} of {} repeated treatments are in one well position on every plate",
                repeated.len()
            ),
            "compare with the baseline `well_position`, since part of the agreement of replicates comes from the \
             position",
        ));
    }
    found
}

fn confounding(screen: &Screen) -> Vec<Finding> {
    let rows: Vec<&Unit> = screen.units.by_row().filter(|row| is_treated(row)).collect();
    let mut found = Vec::new();
    let batches: BTreeSet<&str> = rows.iter().filter_map(|row| row.lab_batch.as_deref()).collect();
    if batches.len() > 1 {
        let by_name = grouped(&rows, |row| (row.intervention.perturbation_names(), row.lab_batch.as_deref()));
        let confined = by_name.values().filter(|batches| batches.len() == 1).count();
        if 2 * confined > by_name.len() {
            found.push(finding(
                Severity::Warning,
                format!(
                    "{confined} of {} perturbations were applied in one lab batch only (of {})",
                    by_name.len(),
                    batches.len()
                ),
                "also judge retrieval without the perturbation's own batch, since the batch identifies its \
                 perturbations",
            ));
        }
    }
    let dosed = |row: &&&Unit| row.intervention.as_single().is_some_and(|member| member.dose.is_some());
    let dosed: Vec<&Unit> = rows.iter().filter(dosed).copied().collect();
    let doses = grouped(&dosed, |row| (row.intervention.perturbation_names(), dose_of(&row.intervention)));
    let laddered: BTreeSet<&String> = doses.iter().filter(|(_, doses)| doses.len() > 1).map(|(name, _)| name).collect();
    let on_ladder: Vec<&Unit> =
        dosed.into_iter().filter(|row| laddered.contains(&row.intervention.perturbation_names())).collect();
    if laddered.is_empty() {
        return found;
    }
    // A ladder of which no two doses share a plate cannot tell dose from plate.
    let per_plate =
        grouped(&on_ladder, |row| ((row.intervention.perturbation_names(), &row.plate), dose_of(&row.intervention)));
    let shared: BTreeSet<&String> =
        per_plate.iter().filter(|(_, doses)| doses.len() > 1).map(|((name, _), _)| name).collect();
    let split = laddered.len() - shared.len();
    if split > 0 {
        found.push(finding(
            Severity::Warning,
            format!(
                "for {split} of {} perturbations with several doses, no plate has two of the doses",
                laddered.len()
            ),
            "do not read a dose response from these: dose is confounded with plate",
        ));
    }
    // Likewise for columns of the plate, when each dose of a perturbation keeps to a column of its own.
    let by_dose = grouped(&on_ladder, |row| {
        let name = row.intervention.perturbation_names();
        ((name, dose_of(&row.intervention)), row.well.map(|well| well.column()))
    });
    let mut columns = BTreeMap::<&String, (BTreeSet<u8>, bool)>::new();
    for ((name, _), wells) in &by_dose {
        let (seen, is_confined) = columns.entry(name).or_insert((BTreeSet::new(), true));
        match wells.iter().collect::<Vec<_>>().as_slice() {
            [Some(column)] => *is_confined &= seen.insert(*column),
            _ => *is_confined = false,
        }
    }
    let confined = columns.values().filter(|(_, is_confined)| *is_confined).count();
    if 2 * confined > columns.len() {
        found.push(finding(
            Severity::Note,
            format!(
                "for {confined} of {} perturbations with several doses, each dose is in a separate column of the plate",
                columns.len()
            ),
            "compare with the baseline `well_position`, since dose is confounded with the plate's column",
        ));
    }
    found
}

fn doses(screen: &Screen) -> Option<Finding> {
    let doses: BTreeSet<_> = screen.units.by_row().filter_map(|row| dose_of(&row.intervention)).collect();
    let highest = doses.last().filter(|dose| dose.get() > MAX_DOSE_UM)?;
    Some(finding(
        Severity::Warning,
        format!("doses reach {highest}, more than screens apply as a rule"),
        "check the unit and declare `dose_unit` in the card (a column `mmoles_per_liter` may mean the stock and not the well)",
    ))
}

/// Doses that two people may have rounded differently: each would be a treatment of its own.
fn near_doses(screen: &Screen) -> Option<Finding> {
    let mut doses = BTreeMap::<&Perturbation, BTreeSet<Micromolar>>::new();
    for member in screen.units.all().iter().flat_map(|unit| unit.intervention.members()) {
        doses.entry(&member.perturbation).or_default().extend(member.dose);
    }
    let near: Vec<(&str, Micromolar, Micromolar)> = doses
        .iter()
        .flat_map(|(perturbation, doses)| {
            let steps = doses.iter().zip(doses.iter().skip(1));
            let near = steps.filter(|(lower, upper)| upper.get() < lower.get() * (1.0 + NEAR));
            near.map(|(lower, upper)| (perturbation.name.as_str(), *lower, *upper))
        })
        .collect();
    let (name, lower, upper) = near.first()?;
    Some(finding(
        Severity::Warning,
        format!(
            "{} of doses of one perturbation differ by less than 5 %, as {lower} and {upper} of `{name}`",
            counted(near.len(), "pair")
        ),
        "if they are nearly equal because they were rounded differently, write them alike in the table: one could be \
         tested while the other trains",
    ))
}

fn features(screen: &Screen) -> Vec<Finding> {
    let matrix = &screen.features;
    if matrix.n_rows() < 2 {
        return Vec::new();
    }
    let first = matrix.read_row(0);
    let varies = (0..matrix.n_rows())
        .into_par_iter()
        .fold(
            || vec![false; first.len()],
            |mut varies, row| {
                for ((varies, value), first) in varies.iter_mut().zip(matrix.read_row(row).iter()).zip(first.iter()) {
                    *varies |= value != first;
                }
                varies
            },
        )
        .reduce(|| vec![false; first.len()], |a, b| a.into_iter().zip(b).map(|(a, b)| a || b).collect());
    let constant: Vec<&str> =
        matrix.names().iter().zip(varies).filter(|(_, varies)| !varies).map(|(name, _)| name.as_str()).collect();
    if constant.is_empty() {
        return Vec::new();
    }
    if constant.len() == matrix.n_features() {
        let message = format!("no feature varies, of {}: nothing can be learned from them", constant.len());
        return vec![finding(
            Severity::Error,
            message,
            "give the measurements with `features` in a card, or another table",
        )];
    }
    vec![finding(
        Severity::Note,
        format!("no variation in {}: {}", counted(constant.len(), "feature"), first_few(&constant, SHOWN)),
        "leave them out with `exclude_features`; they carry no information",
    )]
}

fn dose_of(intervention: &Intervention) -> Option<crate::screen::Micromolar> {
    intervention.members().iter().filter_map(|member| member.dose).max()
}

fn grouped<'a, K: Ord, V: Ord>(
    rows: &[&'a Unit],
    key_and_value: impl Fn(&'a Unit) -> (K, V),
) -> BTreeMap<K, BTreeSet<V>> {
    let mut groups = BTreeMap::<K, BTreeSet<V>>::new();
    for row in rows {
        let (key, value) = key_and_value(row);
        groups.entry(key).or_default().insert(value);
    }
    groups
}

fn counted(n: usize, word: &str) -> String {
    if n == 1 { format!("1 {word}") } else { format!("{n} {word}s") }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::{Scale, summary};
    use super::*;
    use crate::load::{Source, load};
    use crate::screen::Design;
    use crate::screen::{FeatureMatrix, Units};

    fn row(plate: &str, well: &str, name: &str, dose: f64) -> Unit {
        let is_control = name == "DMSO";
        Unit {
            plate: plate.into(),
            well: Some(well.parse().unwrap()),
            lab_batch: Some(format!("b{plate}")),
            ..Unit::under((!is_control).then_some((name, Some(dose))))
        }
    }

    fn screen(observations: Vec<Unit>) -> Screen {
        let values = (0..observations.len()).flat_map(|index| [index as f32, 1.0]).collect();
        Screen {
            name: "s".into(),
            design: Design::AgainstControls,
            units: Units::of_rows(observations, &[]),
            features: FeatureMatrix::numbered("f", 2, values).into(),
            labels: Vec::new(),
            dropped: Vec::new(),
            origin: Default::default(),
        }
    }

    #[test]
    fn says_what_is_wrong_with_a_design() {
        let mut rows = Vec::new();
        for (plate, dose) in [("1", 1.0), ("2", 10.0)] {
            rows.push(row(plate, "A1", "DMSO", 0.0));
            rows.push(row(plate, if dose > 1.0 { "B2" } else { "B3" }, "laddered", dose));
            rows.push(row(plate, "C1", "fixed", 1.0));
        }
        rows.push(row("3", "D1", "high", 5000.0));
        let screen = screen(rows);
        let found: Vec<String> = findings(&screen).into_iter().map(|finding| finding.message).collect();
        for expected in [
            "no negative control on 1 plate with treated wells: `3`",
            "fewer than 4 negative controls on 2 plates: `1`, `2`",
            "3 of 4 treatments have one well: no replicates",
            "the replicates of 1 of 1 repeated treatments are in one well position on every plate",
            "for 1 of 1 perturbations with several doses, no plate has two of the doses",
            "for 1 of 1 perturbations with several doses, each dose is in a separate column of the plate",
            "doses reach 5000 µM, more than screens apply as a rule",
            "no variation in 1 feature: `f1`",
            "no plate has two negative-control wells, so no scale can be pooled",
        ] {
            assert!(found.iter().any(|message| message == expected), "{expected}\n{found:#?}");
        }
    }

    #[test]
    fn sites_of_a_well_are_neither_replicates_nor_controls_of_their_own() {
        let wells = [row("1", "A1", "DMSO", 0.0), row("1", "B1", "a", 1.0), row("1", "B2", "b", 1.0)];
        let screen = screen(wells.iter().flat_map(|well| vec![well.clone(); 4]).collect());
        let found: Vec<String> = findings(&screen).into_iter().map(|finding| finding.message).collect();
        for expected in
            ["2 of 2 treatments have one well: no replicates", "fewer than 4 negative controls on 1 plate: `1`"]
        {
            assert!(found.iter().any(|message| message == expected), "{expected}\n{found:#?}");
        }
        let counted = summary(&screen, std::iter::empty());
        assert_eq!((counted.n_observations, counted.n_wells, counted.replicates.unwrap().max), (12, 3, 1));
        assert_eq!(counted.controls_per_plate.unwrap().max, 1);
    }

    #[test]
    fn nearly_equal_doses_are_pointed_at() {
        let screen =
            screen(vec![row("1", "A1", "a", 0.041), row("1", "A2", "a", 0.0411523), row("1", "A3", "a", 0.123)]);
        let found = findings(&screen);
        let message =
            "1 pair of doses of one perturbation differ by less than 5 %, as 0.041 µM and 0.0411523 µM of `a`";
        assert!(found.iter().any(|finding| finding.message == message), "{found:#?}");
    }

    #[test]
    fn features_of_which_none_varies_are_an_error() {
        let mut constant = screen(vec![row("1", "A1", "a", 1.0), row("1", "A2", "b", 1.0)]);
        constant.features = FeatureMatrix::numbered("f", 2, vec![1.0; 4]).into();
        let found = findings(&constant);
        let says = |finding: &&Finding| finding.message.starts_with("no feature varies");
        assert_eq!(found.iter().find(says).map(|finding| finding.severity), Some(Severity::Error), "{found:#?}");
    }

    #[test]
    fn no_control_is_an_error_unless_values_are_relative() {
        let mut screen = screen(vec![row("1", "A1", "a", 1.0), row("1", "A2", "b", 1.0)]);
        assert_eq!(findings(&screen)[0].severity, Severity::Error);
        screen.design = Design::Relative;
        assert!(findings(&screen).iter().all(|finding| finding.severity < Severity::Error));
    }

    #[test]
    fn bbbc021_is_confounded_with_its_weeks() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets");
        let screen = load(&Source::of([folder.join("bbbc021")])).unwrap().screen;
        let found = findings(&screen);
        assert!(found.iter().all(|finding| finding.severity < Severity::Error), "{found:#?}");
        assert!(found.iter().any(|finding| finding.message.contains("one lab batch only (of 9)")), "{found:#?}");
        let numbers = summary(&screen, [Path::new("profiles.csv.gz")]);
        assert_eq!((numbers.n_plates, numbers.n_interventions, numbers.scale), (55, 74, Scale::Raw));
        assert_eq!(numbers.controls_per_plate.unwrap().min, 6);
        assert_eq!(numbers.normalized_before, None);
        let plate = load(&Source::of([folder.join("lincs-plate")])).unwrap();
        let numbers = summary(&plate.screen, [Path::new("SQ00015054_normalized_feature_select.csv.gz")]);
        assert_eq!(numbers.scale, Scale::ZLike);
        assert!(numbers.normalized_before.unwrap().contains("as its name says"));
    }
}
