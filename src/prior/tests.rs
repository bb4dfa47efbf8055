//! What the model of effects expects, against numpy and in cases that can be worked out by hand.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{EffectModel, Measured};
use crate::screen::{Application, Intervention, Kind, Micromolar, Perturbation, Treatment};

const WIDTH: usize = 4;
const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
const DOSES: [f64; 3] = [1.0, 10.0, 100.0];

type Members<'a> = Vec<(&'a str, f64)>;

fn treatment(members: &[(&str, f64)], context: &str) -> Treatment {
    let member = |&(name, dose): &(&str, f64)| Application {
        perturbation: Perturbation { name: name.to_owned(), kind: Kind::Compound },
        dose: Micromolar::new(dose),
    };
    Treatment { intervention: Intervention::of(members.iter().map(member)), context: context.to_owned() }
}

fn noise(index: usize) -> f64 {
    ((index * index * 13 + 37 * index) % 128) as f64 / 64.0 - 1.0
}

/// The effects of `tests/oracles/numpy_prior.py`.
fn measured() -> BTreeMap<Treatment, Measured> {
    let mut rows: Vec<(Members, &str)> = Vec::new();
    for context in ["x", "y"] {
        for (at, name) in NAMES.into_iter().enumerate() {
            for (step, dose) in DOSES.into_iter().enumerate() {
                if context == "x" || (step == 1 && at <= 3) {
                    rows.push((vec![(name, dose)], context));
                }
            }
        }
    }
    let pairs = [("a", "b"), ("c", "d"), ("a", "e"), ("b", "f"), ("c", "e")];
    rows.extend(pairs.map(|(one, other)| (vec![(one, 10.0), (other, 100.0)], "x")));
    let effect = |number: usize, members: &[(&str, f64)], context: &str| -> Vec<f64> {
        let in_sets = if members.len() > 1 { 0.5 } else { 1.0 };
        let of_member = |at: usize, (name, dose): (&str, f64)| {
            let (name, step) = (NAMES.iter().position(|n| *n == name), DOSES.iter().position(|d| *d == dose));
            let size = (0.5 + 0.5 * step.unwrap() as f64) * if context == "y" { 0.6 } else { 1.0 } * in_sets;
            2.0 * size * noise(100 + name.unwrap() * WIDTH + at) + [1.0, -0.5, 0.25, 0.0][at]
        };
        let value = |at: usize| {
            let own = if members.len() > 1 { 2.0 * noise(700 + number * WIDTH + at) } else { 0.0 };
            let shared: f64 = members.iter().map(|&member| of_member(at, member)).sum();
            0.3 * noise(900 + number * WIDTH + at) + shared + own
        };
        (0..WIDTH).map(value).collect()
    };
    let one = |(number, (members, context)): (usize, (Members, &str))| {
        let noise = if context == "x" { 1.0 / 3.0 } else { 0.5 };
        (treatment(&members, context), Measured { effect: effect(number, &members, context), noise })
    };
    rows.into_iter().enumerate().map(one).collect()
}

#[derive(Deserialize)]
struct Oracle {
    decades: f64,
    amplitude: f64,
    own: f64,
    in_sets: f64,
    signal: Vec<f64>,
    targets: Vec<(Vec<(String, f64)>, String)>,
    means: Vec<Vec<f64>>,
    variances: Vec<f64>,
}

/// numpy, by `tests/oracles/numpy_prior.py`: one dense model, where this one is solved by blocks.
#[test]
fn agrees_with_numpy() {
    let oracle: Oracle = serde_json::from_str(include_str!("../../tests/oracles/numpy_prior.json")).unwrap();
    let model = EffectModel::fit(&measured()).unwrap();
    let found = (model.parts.process.decades, model.parts.amplitude, model.parts.own, model.parts.in_sets);
    assert_eq!(found, (oracle.decades, oracle.amplitude, oracle.own, oracle.in_sets));
    // Neither at a bound that hides what was fitted.
    assert!(found.2 > 0.0 && found.2 < 1.6);
    assert_eq!(model.parts.signal.len(), oracle.signal.len());
    for (index, (members, context)) in oracle.targets.iter().enumerate() {
        let members: Vec<(&str, f64)> = members.iter().map(|(name, dose)| (name.as_str(), *dose)).collect();
        let found = model.posterior(&treatment(&members, context)).unwrap();
        for (found, expected) in found.mean.iter().zip(&oracle.means[index]) {
            assert!((found - expected).abs() < 1e-6, "{members:?} {context}: {found} is not {expected}");
        }
        let (found, expected) = (found.variance, oracle.variances[index]);
        assert!((found - expected).abs() < 1e-6, "{members:?} {context}: variance {found} is not {expected}");
    }
}

/// Members, context and effect of a treatment without noise.
type Row<'a> = (&'a [(&'a str, f64)], &'a str, [f64; 2]);

fn without_noise(rows: &[Row]) -> BTreeMap<Treatment, Measured> {
    let one = |(members, context, effect): &Row| {
        (treatment(members, context), Measured { effect: effect.to_vec(), noise: 1e-9 })
    };
    rows.iter().map(one).collect()
}

fn near(found: &[f64], expected: [f64; 2], tolerance: f64) {
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() < tolerance, "{found} is not {expected}");
    }
}

#[test]
fn two_doses_without_noise_are_interpolated() {
    let rows = without_noise(&[
        (&[("a", 1.0)], "", [2.0, 0.0]),
        (&[("a", 100.0)], "", [6.0, -4.0]),
        (&[("b", 1.0)], "", [-1.0, 1.0]),
        (&[("b", 100.0)], "", [-3.0, 5.0]),
    ]);
    let model = EffectModel::fit(&rows).unwrap();
    let middle = model.posterior(&treatment(&[("a", 10.0)], "")).unwrap();
    near(&middle.mean, [4.0, -2.0], 1e-3);
    // Beyond the highest dose nothing more is expected, with less certainty the farther away.
    let [near_by, far] = [1e3, 1e5].map(|dose| model.posterior(&treatment(&[("a", dose)], "")).unwrap());
    near(&near_by.mean, [6.0, -4.0], 1e-3);
    near(&far.mean, [6.0, -4.0], 1e-3);
    assert!(far.variance > 1.5 * near_by.variance, "{} and {}", far.variance, near_by.variance);
    // Far below the lowest dose there is no effect.
    near(&model.posterior(&treatment(&[("a", 1e-9)], "")).unwrap().mean, [0.0, 0.0], 1e-6);
}

#[test]
fn sets_are_the_sums_of_their_members() {
    let rows = without_noise(&[
        (&[("a", 0.0)], "", [2.0, 0.0]),
        (&[("b", 0.0)], "", [0.0, 3.0]),
        (&[("c", 0.0)], "", [-1.0, -2.0]),
    ]);
    let model = EffectModel::fit(&rows).unwrap();
    near(&model.posterior(&treatment(&[("a", 0.0), ("b", 0.0)], "")).unwrap().mean, [2.0, 3.0], 1e-3);
}

/// In pairs each perturbation shows half of what it does alone, as it does where effects saturate.
#[test]
fn members_count_in_sets_by_as_much_as_sets_show_of_them() {
    let names: Vec<String> = (0..20).map(|index| format!("p{index:02}")).collect();
    let effect = |index: usize| [4.0 * noise(2 * index), 4.0 * noise(2 * index + 1)];
    let mut rows = BTreeMap::new();
    for (index, name) in names.iter().enumerate() {
        rows.insert(treatment(&[(name, 0.0)], ""), Measured { effect: effect(index).to_vec(), noise: 1e-4 });
        for (other, twin) in names.iter().enumerate().take(index).filter(|(other, _)| (index + other) % 3 > 0) {
            let (one, other) = (effect(index), effect(other));
            let sum = (0..2).map(|at| 0.5 * (one[at] + other[at]) + 3.0).collect();
            rows.insert(treatment(&[(name, 0.0), (twin, 0.0)], ""), Measured { effect: sum, noise: 1e-4 });
        }
    }
    let model = EffectModel::fit(&rows).unwrap();
    assert_eq!(model.parts.in_sets, 0.5);
    // A pair that was not measured, of members that are known alone and in other pairs.
    let (one, other) = (effect(3), effect(0));
    let expected = [0, 1].map(|at| 0.5 * (one[at] + other[at]) + 3.0);
    near(&model.posterior(&treatment(&[("p03", 0.0), ("p00", 0.0)], "")).unwrap().mean, expected, 0.15);
    // One that was measured alone counts by half.
    let (alone, known) = (effect(40), effect(3));
    rows.insert(treatment(&[("new", 0.0)], ""), Measured { effect: alone.to_vec(), noise: 1e-4 });
    let model = EffectModel::fit(&rows).unwrap();
    let expected = [0, 1].map(|at| 0.5 * (alone[at] + known[at]) + 3.0);
    near(&model.posterior(&treatment(&[("new", 0.0), ("p03", 0.0)], "")).unwrap().mean, expected, 0.15);
}

/// Effects elsewhere are half of those here; the mean response is none.
#[test]
fn what_was_measured_elsewhere_counts_by_its_amplitude() {
    let names: Vec<String> = (0..60).map(|index| format!("p{index}")).collect();
    let mut rows = BTreeMap::new();
    for (index, name) in names.iter().enumerate() {
        let effect = [4.0 * noise(2 * index), 4.0 * noise(2 * index + 1)];
        let mut add = |context: &str, scale: f64| {
            let effect = effect.iter().map(|value| scale * value).collect();
            rows.insert(treatment(&[(name, 0.0)], context), Measured { effect, noise: 1e-4 });
        };
        add("here", 1.0);
        if index > 0 {
            add("there", 0.5);
        }
    }
    let model = EffectModel::fit(&rows).unwrap();
    let known = &rows[&treatment(&[("p0", 0.0)], "here")].effect;
    let expected = model.posterior(&treatment(&[("p0", 0.0)], "there")).unwrap();
    near(&expected.mean, [0.5 * known[0], 0.5 * known[1]], 0.25);
    // Of a perturbation that nobody met the mean response is expected, with the whole variance.
    let unknown = model.posterior(&treatment(&[("new", 0.0)], "there")).unwrap();
    near(&unknown.mean, [0.0, 0.0], 0.5);
    assert!(unknown.variance > 10.0 * expected.variance, "{} and {}", unknown.variance, expected.variance);
    assert!(model.posterior(&treatment(&[], "there")).unwrap().mean.iter().all(|value| *value == 0.0));
}

#[test]
fn there_is_no_model_without_singles_or_coordinates() {
    let nothing = Measured { effect: Vec::new(), noise: 0.0 };
    assert!(EffectModel::fit(&BTreeMap::from([(treatment(&[("a", 0.0)], ""), nothing)])).is_none());
    let rows = without_noise(&[(&[("a", 0.0), ("b", 0.0)], "", [2.0, 0.0])]);
    assert!(EffectModel::fit(&rows).is_none());
    assert!(EffectModel::fit(&BTreeMap::new()).is_none());
}
