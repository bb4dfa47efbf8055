use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;

const A: Method = Method::Interpolation;
const B: Method = Method::MeanShift;
const C: Method = Method::Additive;

fn set(methods: &[Method]) -> BTreeSet<Method> {
    methods.iter().cloned().collect()
}

fn trial(place: Place, group: usize, said: &[(Method, [f64; 2])], truth: [f64; 2]) -> Trial {
    let said: Vec<(Method, Vec<f64>)> = said.iter().map(|(method, values)| (method.clone(), values.to_vec())).collect();
    Trial::new(place, format!("g{group:02}"), &said, &truth)
}

fn weight(mixture: &Mixture, method: &Method) -> f64 {
    mixture.weights.iter().find(|(own, _)| own == method).map_or(0.0, |(_, weight)| *weight)
}

/// Two methods that err in opposite directions: the truth lies between them.
fn opposite(place: Place, group: usize) -> Trial {
    let size = 1.0 + (group % 3) as f64;
    trial(place, group, &[(A, [size, 0.0]), (B, [-3.0 * size, 0.0])], [0.0, 0.0])
}

#[test]
fn weights_are_those_that_meet_the_truth() {
    let stack = Stack::of((0..12).map(|group| opposite(Place::Interior, group)).collect());
    let mixture = stack.mixture(Place::Interior, &set(&[A, B])).unwrap();
    assert!((weight(&mixture, &A) - 0.75).abs() < 1e-6 && (weight(&mixture, &B) - 0.25).abs() < 1e-6, "{mixture}");
    assert_eq!(mixture.basis, Basis::SamePlace(12));
    assert_eq!(mixture.to_string(), "0.75 interpolation, 0.25 mean_shift (from 12 held-out groups there)");
}

#[test]
fn weights_agree_with_a_search_of_all_of_them() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    for _ in 0..20 {
        let errors: Vec<Vec<f64>> = (0..3).map(|_| (0..4).map(|_| rng.random_range(-1.0..1.0)).collect()).collect();
        let of = |one: usize, other: usize| errors[one].iter().zip(&errors[other]).map(|(a, b)| a * b).sum::<f64>();
        let products: Vec<f64> = (0..9).map(|at| of(at / 3, at % 3)).collect();
        let found = least_squares(&products, vec![1.0, 0.0, 0.0]);
        let least = bilinear(&products, &found, &found);
        for first in 0..=50 {
            for second in 0..=50 - first {
                let weights = [first as f64 / 50.0, second as f64 / 50.0, (50 - first - second) as f64 / 50.0];
                assert!(least <= bilinear(&products, &weights, &weights) + 1e-9);
            }
        }
        assert!((found.iter().sum::<f64>() - 1.0).abs() < 1e-9 && found.iter().all(|weight| *weight >= 0.0));
    }
}

#[test]
fn trials_that_contradict_each_other_leave_the_customary_method_alone() {
    // Each group wants other weights, so that what is fitted to the others does not help.
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let noisy = |group: usize| {
        let mut draw = || rng.random_range(-1.0..1.0);
        let (own, other) = ([0.1 * draw(), 0.1 * draw()], [3.0 * draw(), 3.0 * draw()]);
        trial(Place::Above, group, &[(A, own), (B, other)], [0.0, 0.0])
    };
    let stack = Stack::of((0..12).map(noisy).collect());
    let mixture = stack.mixture(Place::Above, &set(&[A, B])).unwrap();
    assert!(weight(&mixture, &A) > 0.97, "{mixture}");
}

#[test]
fn few_groups_choose_nobody() {
    let mut trials: Vec<Trial> = (0..4).map(|group| opposite(Place::Above, group)).collect();
    let stack = Stack::of(trials.clone());
    let mixture = stack.mixture(Place::Above, &set(&[B, A])).unwrap();
    assert_eq!((mixture.weights, mixture.basis), (vec![(A, 1.0)], Basis::Customary));
    // Next to a single dose other things are right; at other doses of a series the same.
    trials.extend((10..25).map(|group| opposite(Place::Single, group)));
    assert_eq!(Stack::of(trials.clone()).mixture(Place::Above, &set(&[A, B])).unwrap().basis, Basis::Customary);
    trials.extend((10..16).map(|group| opposite(Place::Interior, group)));
    assert_eq!(Stack::of(trials).mixture(Place::Above, &set(&[A, B])).unwrap().basis, Basis::AnyDose(10));
    assert_eq!(stack.mixture(Place::Above, &BTreeSet::new()), None);
}

#[test]
fn next_to_a_single_dose_the_model_of_effects_has_half() {
    let mixture = |place: Place| Stack::default().mixture(place, &set(&[A, B, Method::Prior])).unwrap();
    assert_eq!(mixture(Place::Single).weights, [(A, 0.5), (Method::Prior, 0.5)]);
    assert_eq!(mixture(Place::Above).weights, [(A, 1.0)]);
}

#[test]
fn few_groups_overrule_the_customary_method_where_they_agree() {
    let of = |group: usize, customary: f64, other: f64| {
        trial(Place::Single, group, &[(A, [customary, 0.0]), (B, [other, 0.0])], [0.0, 0.0])
    };
    let mixture = |trials: Vec<Trial>| Stack::of(trials).mixture(Place::Single, &set(&[A, B])).unwrap();
    // One method is better everywhere.
    let agree = mixture((0..6).map(|group| of(group, 2.0 + 0.1 * group as f64, 0.5)).collect());
    assert_eq!(agree.basis, Basis::SamePlace(6));
    assert!(weight(&agree, &B) > 0.9, "{agree}");
    assert_eq!(mixture((0..4).map(|group| of(group, 2.0, 0.5)).collect()).basis, Basis::Customary);
    // Better on average, by one group alone.
    for n in [6, 16] {
        let mixed = (0..n).map(|group| if group == 0 { of(group, 9.0, 0.5) } else { of(group, 0.5, 0.6) });
        let mixed = mixture(mixed.collect());
        assert_eq!((mixed.weights, mixed.basis), (vec![(A, 1.0)], Basis::Unclear(n)));
    }
    // Small gains on many groups are taken as far as groups that are left out say.
    let small = mixture((0..60).map(|group| of(group, 1.0, if group % 3 == 0 { 1.2 } else { 0.8 })).collect());
    assert_eq!(small.basis, Basis::SamePlace(60));
}

#[test]
fn chance_is_measured_by_students_t() {
    // t = 0.5 / (0.5 / sqrt(4)) = 2, below the 2.353 of three degrees of freedom.
    assert!(!is_above_chance(&[0.0, 0.0, 1.0, 1.0]) && is_above_chance(&[0.4, 0.6, 0.5, 0.7]));
    assert!(!is_above_chance(&[-0.4, -0.6, -0.5]));
}

/// The failure that a partner chosen on a handful of units led to: a method that was right of the few units that it
/// answered, and answered no others.
#[test]
fn who_answers_little_has_no_weight_that_others_cannot_check() {
    let mut trials: Vec<Trial> = (0..9).map(|group| opposite(Place::Interior, group)).collect();
    for group in 20..24 {
        trials.push(trial(Place::Interior, group, &[(A, [2.0, 0.0]), (B, [2.0, 0.0]), (C, [0.0, 0.0])], [0.0, 0.0]));
    }
    let mixture = Stack::of(trials).mixture(Place::Interior, &set(&[A, B, C])).unwrap();
    assert_eq!(weight(&mixture, &C), 0.0, "{mixture}");
}

#[test]
fn what_is_learned_is_added_as_far_as_units_say() {
    let learned = |group: usize, own: f64| {
        let said = [(Method::Combined, [1.0, 0.0]), (Method::Model, [own, 0.0])];
        trial(Place::Interior, group, &said, [0.0, 0.0])
    };
    let answers = set(&[Method::Model]);
    let added = |own: f64, n: usize| {
        Stack::of((0..n).map(|group| learned(group, own)).collect()).added_to(&Method::Combined, &answers)
    };
    assert!((weight(&added(-1.0, 12).unwrap(), &Method::Model) - 0.5).abs() < 1e-6);
    assert_eq!(weight(&added(2.0, 12).unwrap(), &Method::Model), 0.0);
    assert_eq!(added(-1.0, 9), None);
}
