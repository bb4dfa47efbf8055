//! What is chosen for screens of each design.

use super::*;
use crate::screen::{
    Application, Design, FeatureMatrix, Intervention, Kind, Micromolar, Perturbation, Role, Unit, Units, Well,
};

/// Plate, context and members: name and dose in µM, 0 for none; a well without members is a control.
type PlainWell = (String, &'static str, Vec<(String, f64)>);

fn screen(wells: &[PlainWell], reference: Design) -> Screen {
    let unit = |(row, (plate, context, members)): (usize, &PlainWell)| Unit {
        plate: plate.clone(),
        well: Well::at((row % 8) as i64 + 1, (row / 8 % 12) as i64 + 1),
        role: if members.is_empty() { Role::NegativeControl } else { Role::Treatment },
        intervention: Intervention::of(
            members
                .iter()
                .map(|(name, dose)| Application {
                    perturbation: Perturbation { name: name.clone(), kind: Kind::Compound },
                    dose: Micromolar::new(*dose),
                })
                .collect::<Vec<_>>(),
        ),
        context: (*context).to_owned(),
        lab_batch: None,
        replicate: None,
        cell_count: None,
    };
    let units: Vec<Unit> = wells.iter().enumerate().map(unit).collect();
    let values = (0..wells.len()).map(|row| row as f32).collect();
    Screen {
        name: "made up".to_owned(),
        design: reference,
        units: Units::of_rows(units, &[]),
        features: FeatureMatrix::numbered("f", 1, values).into(),
        labels: Vec::new(),
        dropped: Vec::new(),
        origin: Default::default(),
    }
}

/// Six compounds, each well given by a plate, a context and the members made of the number of a compound.
fn of_compounds(
    places: &[(String, &'static str)],
    members: impl Fn(usize) -> Vec<Vec<(String, f64)>>,
) -> Vec<PlainWell> {
    let mut wells = Vec::new();
    for (plate, context) in places {
        wells.push((plate.clone(), *context, Vec::new()));
        for compound in 0..6 {
            wells.extend(members(compound).into_iter().map(|members| (plate.clone(), *context, members)));
        }
    }
    wells
}

fn plates(n: usize) -> Vec<(String, &'static str)> {
    (0..n).map(|plate| (format!("plate {plate}"), "")).collect()
}

#[track_caller]
fn splits(screen: &Screen, has_descriptors: bool, expected: &str) {
    let choices = split::choices(screen, has_descriptors);
    assert_eq!(format!("{} = {}", choices[0].key, choices[0].value), expected, "{choices:?}");
}

#[test]
fn what_is_held_out_is_what_the_screen_can_be_asked_about() {
    let name = |compound: usize| format!("compound {compound}");
    let one_dose = |compound: usize| vec![vec![(name(compound), 1.0)]];
    let doses = |compound: usize| [0.1, 1.0, 10.0].map(|dose| vec![(name(compound), dose)]).to_vec();
    let pairs = |compound: usize| {
        let other = name((compound + 1) % 6);
        vec![vec![(name(compound), 1.0)], vec![(name(compound), 1.0), (other, 1.0)]]
    };
    let against = Design::AgainstControls;
    splits(&screen(&of_compounds(&plates(2), doses), against.clone()), false, "split.by = \"dose\"");
    splits(&screen(&of_compounds(&plates(2), pairs), Design::Relative), false, "split.by = \"condition\"");
    let lines = [("a".to_owned(), "A549"), ("b".to_owned(), "U2OS")];
    splits(&screen(&of_compounds(&lines, one_dose), against.clone()), false, "split.by = \"context\"");
    splits(&screen(&of_compounds(&plates(6), one_dose), against.clone()), false, "split.by = \"plate\"");
    splits(&screen(&of_compounds(&plates(2), one_dose), against.clone()), true, "split.by = \"intervention\"");
    // Nothing unseen can be predicted, so that nothing is kept from training.
    splits(&screen(&of_compounds(&plates(2), one_dose), against), false, "split.folds = 0");
}

#[test]
fn images_hold_out_a_dose_or_a_place_in_which_treatments_are_repeated() {
    let one_dose = |compound: usize| vec![vec![(format!("compound {compound}"), 1.0)]];
    let by = |n_plates: usize| {
        let choices = split::of_images(&screen(&of_compounds(&plates(n_plates), one_dose), Design::AgainstControls));
        choices.into_iter().map(|choice| format!("{}={}", choice.key, choice.value)).collect::<Vec<_>>()
    };
    assert_eq!(
        by(2),
        ["split.by=\"plate\"", "split.folds=2", "split.validation=0.0", "split.calibration=0.0"],
        "two plates"
    );
    assert_eq!(by(6), ["split.by=\"plate\"", "split.calibration=0.0"], "six plates");
    assert_eq!(by(1)[0], "split.folds=0", "every treatment in one well");
}

#[test]
fn few_features_get_a_narrow_latent() {
    let one = screen(&of_compounds(&plates(1), |_| Vec::new()), Design::AgainstControls);
    assert_eq!(narrow(&one).unwrap().value, "8");
    let wide =
        Screen { features: FeatureMatrix::numbered("f", 100, vec![0.0; 100 * one.n_observations()]).into(), ..one };
    assert_eq!(narrow(&wide), None);
}

#[test]
fn a_table_with_one_row_for_each_perturbation_leaves_nothing_to_learn() {
    let one_dose = |compound: usize| vec![vec![(format!("compound {compound}"), 1.0)]];
    let refused = |n_plates: usize, has_descriptors: bool| {
        let screen = screen(&of_compounds(&plates(n_plates), one_dose), Design::Relative);
        refuse_single_rows(&screen, &split::choices(&screen, has_descriptors)).is_err()
    };
    assert!(refused(1, false));
    assert!(!refused(1, true), "descriptors give an unseen perturbation a place");
    assert!(!refused(2, false), "replicates can be learned from");
}

#[test]
fn a_plate_with_one_control_well_takes_the_scale_of_the_others() {
    let doses = |compound: usize| [1.0, 3.0, 10.0].map(|dose| vec![(format!("c{compound}"), dose)]).to_vec();
    let mut wells = of_compounds(&plates(3), doses);
    assert_eq!(pooled_scale(&screen(&wells, Design::AgainstControls)), None);
    wells.push(("plate 0".to_owned(), "", Vec::new()));
    let choice = pooled_scale(&screen(&wells, Design::AgainstControls)).unwrap();
    assert_eq!((choice.key, choice.value.as_str()), ("normalize.per_plate.shrink", "1.0"));
    assert!(choice.why.starts_with("one control well on 2 of 3 plates"), "{}", choice.why);
    assert_eq!(pooled_scale(&screen(&wells, Design::Relative)), None);
}
