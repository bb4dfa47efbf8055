use super::*;
use crate::evaluate::Claim;

const UNITS: [&str; 12] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];

fn judged(error: impl Fn(usize) -> f64) -> Vec<Judged> {
    let of = |(index, unit): (usize, &&str)| Judged {
        item: format!("{unit}@1"),
        unit: (*unit).to_owned(),
        metric: ERROR.to_owned(),
        value: error(index),
    };
    UNITS.iter().enumerate().map(of).collect()
}

fn judgment(objective: &str, setting: &str, seed: u64, validation: f64, test: f64) -> Judgment {
    Judgment {
        trial: Trial { percent: 100, objective: objective.into(), setting: setting.into(), seed },
        ending: Ending::Trained(HeldOutLatents { collapsed: false, rank_share: 0.5, spread: 1.0, excess_sigreg: 0.1 }),
        validation: judged(|_| validation),
        // Units differ more than objectives do.
        test: judged(|index| test + index as f64),
    }
}

fn collapsed(mut judgment: Judgment) -> Judgment {
    judgment.ending =
        Ending::Trained(HeldOutLatents { collapsed: true, rank_share: 0.01, spread: 0.01, excess_sigreg: 40.0 });
    judgment
}

fn fitted(mut judgment: Judgment) -> Judgment {
    judgment.ending = Ending::Fitted;
    judgment
}

fn compared(judgments: &[Judgment], order: &[&str]) -> Comparison {
    let order: Vec<String> = order.iter().map(|&name| name.to_owned()).collect();
    Comparison::of(judgments, &order, &Bootstrap::default()).unwrap()
}

#[test]
fn validation_chooses_the_setting_whatever_the_test_units_say() {
    let judgments = [
        judgment("lewm", "lambda=0.02", 1, 0.5, 9.0),
        judgment("lewm", "lambda=0.02", 2, 0.7, 11.0),
        judgment("lewm", "lambda=0.1", 1, 0.9, 1.0),
        judgment("lewm", "lambda=0.1", 2, 0.6, 1.0),
    ];
    let comparison = compared(&judgments, &["lewm"]);
    let line = &comparison.lines[0];
    assert_eq!((line.setting.as_str(), line.n_seeds, line.failed), ("lambda=0.02", 2, Some((0, 4))));
    // The mean over seeds of 10, and the mean unit of 5.5.
    assert!((line.error().unwrap() - 15.5).abs() < 1e-9);
    assert!((line.spread_over_seeds.unwrap() - 2.0f64.sqrt()).abs() < 1e-9);
    assert!((line.sensitivity.unwrap() - 0.25).abs() < 1e-9);
    assert_eq!(line.scores[ERROR].n_units, 12);
}

#[test]
fn without_validation_units_the_value_of_the_configuration_stands() {
    let unjudged = |setting: &str| Judgment { validation: Vec::new(), ..judgment("lewm", setting, 1, 0.0, 1.0) };
    let judgments = ["lambda=0.02", "lambda=0.05", "lambda=0.125"].map(unjudged);
    let comparison = compared(&judgments, &["lewm"]);
    assert_eq!((comparison.lines[0].setting.as_str(), comparison.lines[0].sensitivity), ("lambda=0.05", None));
}

#[test]
fn differences_are_of_the_same_units_and_seeds() {
    let mut theirs = judgment("ema", "momentum=0.9", 1, 0.5, 1.4);
    // A unit that the other says nothing of takes no part, however far it is off.
    theirs.test[0].unit = "else".into();
    theirs.test[0].value = 1e6;
    let judgments = [judgment("lewm", "", 1, 0.5, 1.0), judgment("lewm", "", 2, 0.5, 50.0), theirs];
    let comparison = compared(&judgments, &["lewm", "ema"]);
    let difference = &comparison.against[0].difference;
    assert_eq!((difference.estimate.n_units, difference.claim), (11, Claim::Lower));
    assert!((difference.estimate.mean + 0.4).abs() < 1e-9, "{difference:?}");
}

#[test]
fn the_last_sentence_says_what_to_use() {
    let lewm = |seed| judgment("lewm", "lambda=0.05", seed, 0.5, 1.0);
    let worse = |seed| collapsed(judgment("ema", "momentum=0.9", seed, 0.9, 1.5));
    let simple = |error| fitted(judgment("prior", "", 1, 0.4, error));
    let advice = |judgments: &[Judgment]| compared(judgments, &["lewm", "ema", "prior"]).advice();

    let said = advice(&[lewm(1), lewm(2), worse(1), worse(2), simple(0.5)]);
    assert!(said[0].starts_with("on 100 % of the data `lewm` errs less than `ema` by 0.500"), "{said:?}");
    assert!(said.contains(&"`lewm`: none of 2 trainings failed".to_owned()), "{said:?}");
    assert!(said.iter().any(|one| one.starts_with("`ema`: 2 of 2 trainings failed")), "{said:?}");
    assert!(said.iter().any(|one| one.starts_with("of networks use `lewm`: its error is lower")), "{said:?}");
    assert!(said.last().unwrap().starts_with("no network errs less than `prior` here"), "{said:?}");

    let said = advice(&[lewm(1), worse(1), simple(7.0)]);
    assert!(said.last().unwrap().starts_with("networks err less than every simple method here"), "{said:?}");

    // The first objective loses, and the output says so.
    let better = judgment("ema", "momentum=0.9", 1, 0.2, 0.3);
    let said = advice(&[lewm(1), better]);
    assert_eq!(said.last().unwrap(), "of networks use `ema`: its error is lower than that of `lewm`");
}

#[test]
fn what_diverged_is_chosen_last_and_counted_as_failed() {
    let diverged = Judgment {
        ending: Ending::Diverged,
        validation: Vec::new(),
        test: Vec::new(),
        ..judgment("vicreg", "variance=5", 1, 0.0, 0.0)
    };
    let comparison = compared(&[diverged.clone(), judgment("vicreg", "variance=1", 1, 0.8, 2.0)], &["vicreg"]);
    let line = &comparison.lines[0];
    assert_eq!((line.setting.as_str(), line.failed), ("variance=1", Some((1, 2))));
    let comparison = compared(&[diverged], &["vicreg"]);
    assert_eq!(comparison.lines[0].error(), None);
    assert!(comparison.advice()[0].starts_with("no objective could be judged"));
}
