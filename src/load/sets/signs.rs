//! The signs between members in one column, and before their doses: which there are, and which names they divide.

use std::collections::{BTreeMap, BTreeSet};

use super::super::dose;
use super::super::vehicle::{Standing, is_mere_mark, standing};
use crate::screen::name_and_amount;
use crate::table::first_few;

/// A member's name, and its dose where that is written behind it.
pub(super) type NamedDose = (String, Option<String>);

/// Signs that may stand between members, those first that names hold least.
const BETWEEN: [&str; 12] = ["+", "&", ";", ",", "|", "/", "__", "_", " and ", " with ", " x ", "-"];

/// Signs that names and numbers hold too, so that they divide nothing but names of which all parts are known.
const RARE: [&str; 8] = ["++", "--", "->", ":", ".", "*", "~", "\\"];

/// The sign of these that so many names hold that a part which is known says nothing.
const OF_NAMES: &str = "-";

/// Signs between members that names hardly hold, so that most of a column's sets speak for the rest.
const CLEAR: [&str; 2] = ["+", "&"];

/// Signs before a dose; the last three are where a unit stands behind the number.
const BEFORE_DOSE: [&str; 6] = ["|", "@", ":", " ", "_", "-"];

/// What stands for a dose in front of the name, as in `3 uM A`.
const IN_FRONT: &str = "in front";

/// Signs of these that names hold before numbers too, as `A_1`.
const WITH_UNIT: [&str; 2] = ["_", "-"];

/// Names that are shown of many.
const SHOWN: usize = 3;

/// How the names of a column are divided.
#[derive(Debug, Default)]
pub(super) struct Signs {
    /// The members of each name that is divided; a name by itself is one where its dose is written behind it.
    pub members: BTreeMap<String, Vec<NamedDose>>,
    /// Whether doses are written behind the names.
    pub has_doses: bool,
    between: Option<String>,
    before_dose: Option<&'static str>,
    /// Names that hold a sign and were left whole, though a part of them is known.
    left_whole: Vec<String>,
    /// The sign that they hold.
    unsure_of: Option<&'static str>,
}

impl Signs {
    /// Divides `names` by `declared` (nothing where that is empty), else by the sign that the names speak for.
    pub fn of(names: &BTreeSet<&str>, declared: Option<&str>, may_hold_doses: bool) -> Self {
        let treated: Vec<&str> = names.iter().copied().filter(|name| standing(name).is_none()).collect();
        let between: Vec<Option<&str>> = match declared {
            Some("") => vec![None],
            Some(sign) => vec![Some(sign)],
            None => BETWEEN.iter().map(|sign| Some(*sign)).chain([None]).collect(),
        };
        if may_hold_doses && let Some(signs) = with_doses(&treated, &between) {
            return signs;
        }
        match declared {
            Some("") => Self::default(),
            Some(sign) => Self::divided(sign, treated.iter().filter_map(|name| Some((*name, parts(name, sign)?)))),
            None => Self::believed(&treated),
        }
    }

    fn divided<'a>(sign: &str, names: impl Iterator<Item = (&'a str, Vec<&'a str>)>) -> Self {
        let members = |(name, parts): (&str, Vec<&str>)| {
            (name.to_owned(), parts.into_iter().map(|part| (part.to_owned(), None)).collect())
        };
        Self { members: names.map(members).collect(), between: Some(sign.to_owned()), ..Self::default() }
    }

    /// By the sign that divides most names into parts that are known otherwise.
    fn believed(names: &[&str]) -> Self {
        let signs = BETWEEN.iter().chain(&RARE);
        let evidence: Vec<Evidence<'_>> = signs.map(|sign| Evidence::of(names, sign)).collect();
        let most = evidence.iter().map(|evidence| evidence.certain.len()).max().unwrap_or(0);
        // Of thousands of genes a few are called as two others are, with `-` between them.
        let is_usual = |evidence: &Evidence<'_>| {
            let may_be_chance = evidence.sign == OF_NAMES || RARE.contains(&evidence.sign);
            !may_be_chance || 100 * evidence.certain.len() >= names.len()
        };
        let found = evidence.iter().find(|evidence| most > 0 && evidence.certain.len() == most && is_usual(evidence));
        if let Some(evidence) = found {
            let mut divided = evidence.certain.clone();
            let is_clear = CLEAR.contains(&evidence.sign) && 2 * divided.len() >= divided.len() + evidence.partly.len();
            if is_clear {
                divided.extend(evidence.partly.iter().chain(&evidence.strange).copied());
            }
            let left_whole = if is_clear { Vec::new() } else { evidence.partly.clone() };
            let named = divided.into_iter().filter_map(|name| Some((name, parts(name, evidence.sign)?)));
            return Self {
                left_whole: left_whole.into_iter().map(str::to_owned).collect(),
                unsure_of: Some(evidence.sign),
                ..Self::divided(evidence.sign, named)
            };
        }
        let is_unsure = |evidence: &Evidence<'_>| !evidence.partly.is_empty() && evidence.sign != OF_NAMES;
        let unsure = evidence.into_iter().find(is_unsure);
        match unsure {
            None => Self::default(),
            Some(Evidence { sign, partly, .. }) => Self {
                left_whole: partly.into_iter().map(str::to_owned).collect(),
                unsure_of: Some(sign),
                ..Self::default()
            },
        }
    }

    /// How members are written, in words.
    pub fn in_words(&self) -> String {
        let between = self.between.as_ref().map(|sign| format!("holds sets, with `{}` between members", sign.trim()));
        let doses = self.before_dose.map(|sign| match sign {
            " " => "doses behind names".to_owned(),
            IN_FRONT => "doses in front of names".to_owned(),
            "_" | "-" => format!("doses with units behind `{sign}`"),
            sign => format!("doses behind `{sign}`"),
        });
        match (between, doses) {
            (Some(between), Some(doses)) => format!("{between} and {doses}"),
            (Some(between), None) => between,
            (None, Some(doses)) => format!("holds {doses}"),
            (None, None) => String::new(),
        }
    }

    /// What may be a set and is taken for a name.
    pub fn unsure(&self, column: &str) -> Option<String> {
        let sign = self.unsure_of.filter(|_| !self.left_whole.is_empty())?;
        Some(format!(
            "{} in `{column}` may be sets with `{}` between members, and each is taken as one perturbation, since not all of \
             its parts occur by themselves; if they are sets, set `separator = {sign:?}` under [columns] in a card, and \
             `separator = \"\"` if all names are whole",
            first_few(&self.left_whole, SHOWN),
            sign.trim()
        ))
    }
}

/// What the names of a column say of one sign.
struct Evidence<'a> {
    sign: &'static str,
    /// Names of which all parts are known.
    certain: Vec<&'a str>,
    /// Names of which a part is known and another is not.
    partly: Vec<&'a str>,
    /// Names of which no part is known.
    strange: Vec<&'a str>,
}

impl<'a> Evidence<'a> {
    fn of(names: &[&'a str], sign: &'static str) -> Self {
        let sets: Vec<(&str, Vec<&str>)> = names.iter().filter_map(|name| Some((*name, parts(name, sign)?))).collect();
        let in_sets: BTreeSet<&str> = sets.iter().map(|(name, _)| *name).collect();
        let singles: BTreeSet<&str> = names.iter().copied().filter(|name| !in_sets.contains(name)).collect();
        let is_control = |part: &str| standing(part) == Some(Standing::Control);
        let mut places = BTreeMap::<&str, (usize, usize)>::new();
        let mut beside_controls = BTreeSet::new();
        for (_, parts) in &sets {
            for (place, part) in parts.iter().enumerate() {
                let (n_first, n_behind) = places.entry(part).or_default();
                *if place == 0 { n_first } else { n_behind } += 1;
                let others = parts.iter().enumerate().filter(|(other, _)| *other != place);
                if others.clone().count() > 0 && others.clone().all(|(_, other)| is_control(other)) {
                    beside_controls.insert(*part);
                }
            }
        }
        // `high` of `A_high` and `B_high` is a member of several sets, and always the last: no drug is.
        let is_of_several = |part: &str| {
            let (n_first, n_behind) = places[part];
            let is_name = part.chars().any(char::is_alphabetic);
            let stands_anywhere = n_first > 0 && n_behind > 0;
            is_name && (stands_anywhere || CLEAR.contains(&sign) && n_first + n_behind > 1)
        };
        // `high` of `DMSO-high` tells wells of a control apart. What stands beside controls is a member where it also stands
        // elsewhere, or where most names are written so.
        let are_usual = beside_controls.len() > 2 && 4 * beside_controls.len() >= names.len();
        let is_beside_controls = |part: &str| {
            let (n_first, n_behind) = places[part];
            let is_elsewhere = n_first > 0 && n_behind > 0 || CLEAR.contains(&sign);
            beside_controls.contains(part) && !is_mere_mark(part) && (is_elsewhere || are_usual)
        };
        let is_known =
            |part: &&str| is_control(part) || singles.contains(part) || is_beside_controls(part) || is_of_several(part);
        let (mut certain, mut partly, mut strange) = (Vec::new(), Vec::new(), Vec::new());
        for (name, parts) in sets {
            match parts.iter().filter(|part| is_known(part)).count() {
                n if n == parts.len() => certain.push(name),
                0 => strange.push(name),
                _ => partly.push(name),
            }
        }
        Self { sign, certain, partly, strange }
    }
}

/// The parts between a sign, each of which is something; `None` where there is one only.
fn parts<'a>(name: &'a str, sign: &str) -> Option<Vec<&'a str>> {
    let parts: Vec<&str> = name.split(sign).map(str::trim).collect();
    (parts.len() > 1 && parts.iter().all(|part| !part.is_empty())).then_some(parts)
}

/// The signs by which every name is a set of members with doses, or one such member.
fn with_doses(names: &[&str], between: &[Option<&str>]) -> Option<Signs> {
    let mut found = None;
    for &before_dose in BEFORE_DOSE.iter().chain(&[IN_FRONT]) {
        for between in between.iter().filter(|between| **between != Some(before_dose)) {
            let set = |name: &&str| -> Option<Vec<NamedDose>> {
                let parts = between.and_then(|sign| parts(name, sign)).unwrap_or_else(|| vec![*name]);
                parts.into_iter().map(|part| named_dose(part, before_dose)).collect()
            };
            let Some(sets) = names.iter().map(set).collect::<Option<Vec<_>>>() else { continue };
            let mut doses = BTreeMap::<&str, BTreeSet<&str>>::new();
            for (name, dose) in sets.iter().flatten() {
                doses.entry(name).or_default().extend(dose.as_deref());
            }
            let has_sets = sets.iter().any(|set| set.len() > 1);
            // A number behind every name may be a part of it, if no name has two.
            if !has_sets && !doses.values().any(|doses| doses.len() > 1) {
                continue;
            }
            let signs = Signs {
                members: names.iter().map(|name| (*name).to_owned()).zip(sets).collect(),
                has_doses: true,
                between: between.filter(|_| has_sets).map(str::to_owned),
                before_dose: Some(before_dose),
                ..Signs::default()
            };
            match has_sets {
                true => return Some(signs),
                false => found = found.or(Some(signs)),
            }
        }
    }
    found
}

/// A name and the dose behind it; a control needs none.
fn named_dose(part: &str, before_dose: &str) -> Option<NamedDose> {
    if standing(part) == Some(Standing::Control) {
        return Some((part.to_owned(), None));
    }
    let (name, dose) = match before_dose {
        " " => name_and_amount(part)?,
        IN_FRONT => amount_and_name(part)?,
        sign => part.rsplit_once(sign)?,
    };
    let (name, dose) = (name.trim(), dose.trim());
    let is_dose = dose::written(dose).is_some_and(|(_, unit)| unit.is_some() || !WITH_UNIT.contains(&before_dose));
    (!name.is_empty() && is_dose).then(|| (name.to_owned(), Some(dose.to_owned())))
}

/// A name and the amount with its unit in front of it: `3 uM A`, `3uM A`.
fn amount_and_name(part: &str) -> Option<(&str, &str)> {
    let blanks = part.char_indices().filter(|(_, letter)| letter.is_whitespace());
    let mut parts = blanks.map(|(at, _)| (part[at..].trim(), part[..at].trim()));
    // The longest amount, since `3 uM A` begins with a number already.
    parts.rfind(|(name, dose)| !name.is_empty() && matches!(dose::written(dose), Some((_, Some(_)))))
}

/// The doses of the members of a set, in a cell of their own; `None` where it does not hold one for each.
pub(super) fn doses_of_members(text: &str, n_members: usize) -> Option<Vec<Option<String>>> {
    BETWEEN.iter().find_map(|sign| {
        let doses = parts(text, sign)?;
        let are_doses = doses.len() == n_members && doses.iter().all(|dose| dose::written(dose).is_some());
        are_doses.then(|| doses.into_iter().map(|dose| Some(dose.to_owned())).collect())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn divided(names: &[&str]) -> Vec<String> {
        let signs = Signs::of(&names.iter().copied().collect(), None, true);
        let in_words = |(name, dose): &NamedDose| match dose {
            None => name.clone(),
            Some(dose) => format!("{name} at {dose}"),
        };
        let sets = signs.members.values().map(|set| set.iter().map(in_words).collect::<Vec<_>>().join(" and "));
        sets.collect()
    }

    #[test]
    fn a_sign_is_believed_where_the_parts_occur_by_themselves() {
        for sign in [
            "++", "--", "->", ":", ".", "*", "~", "+", " + ", "|", ";", ",", "/", "_", "__", "&", " and ", " with ",
            " x ", "-",
        ] {
            let pair = format!("A{sign}B");
            assert_eq!(divided(&["A", "B", &pair, "DMSO"]), ["A and B"], "{sign}");
            assert!(divided(&["A", &format!("X{sign}B"), "C"]).is_empty(), "{sign}");
        }
        // Beside a control, or in several sets.
        assert_eq!(divided(&["ctrl_KLF1", "MAP2K6_ctrl", "KLF1_MAP2K6"]).len(), 3);
        assert_eq!(divided(&["A+B", "B+C", "A+C"]).len(), 3);
        assert_eq!(divided(&["A", "B", "C", "A+B", "B+C", "A+D"]), ["A and B", "A and D", "B and C"]);
        assert_eq!(divided(&["A", "B", "C", "A + B + C"]), ["A and B and C"]);
        // Of a column of sets, those too of which no part occurs by itself.
        assert_eq!(divided(&["A", "B", "A+B", "X+Y"]), ["A and B", "X and Y"]);
    }

    #[test]
    fn names_that_merely_hold_a_sign_stay_whole() {
        for names in [
            &["IL-2/IL-15", "IL-6", "TNF"][..],
            &["IL-2/IL-15", "IL-2", "TNF"],
            &["VX-770+", "VX-770", "VX-809"],
            &["foo|bar", "baz"],
            &["HLA_A", "HLA_B", "HLA_C"],
            &["A_high", "A_low", "B_high", "B_low"],
            &["A_1", "A_2", "B_1", "B_2"],
            &["2,4-D", "D"],
            &["A:1", "B:1"],
            &["non_targeting", "KLF1"],
            &["CD4+CD8+", "CD4"],
            &["VX-770", "VX-809", "VX"],
            &["DMSO-high", "DMSO-low", "taxol"],
            &["control-A", "taxol"],
            &["Vehicle_x7", "taxol_x7", "taxol"],
        ] {
            assert!(divided(names).is_empty(), "{names:?}: {:?}", divided(names));
        }
    }

    #[test]
    fn doses_are_read_behind_the_names() {
        let expected = ["901 at 1.5", "901 at 1.5 and HN at 6", "HN at 3"];
        assert_eq!(divided(&["901|1.5", "901|1.5,HN|6", "HN|3"]), expected);
        assert_eq!(divided(&["901@1.5", "901@1.5;HN@6", "HN@3"]), expected);
        assert_eq!(divided(&["901:1.5", "901:1.5 + HN:6", "HN:3"]), expected);
        assert_eq!(divided(&["a 3 uM", "a 3 uM + b c 10nM"]), ["a at 3 uM", "a at 3 uM and b c at 10nM"]);
        assert_eq!(divided(&["a (3 uM)", "a (1 uM) + b c (10nM)"]), ["a at 1 uM and b c at 10nM", "a at 3 uM"]);
        assert_eq!(divided(&["CPD-01_0.1uM", "CPD-01_3uM", "DMSO"]), ["CPD-01 at 0.1uM", "CPD-01 at 3uM"]);
        assert_eq!(divided(&["a-3 nM", "a-10 nM"]), ["a at 10 nM", "a at 3 nM"]);
        assert_eq!(divided(&["a|1", "a|2", "DMSO"]), ["a at 1", "a at 2"]);
        assert_eq!(divided(&["a 1 uM + DMSO", "b 2 uM"]), ["a at 1 uM and DMSO", "b at 2 uM"]);
        assert_eq!(divided(&["3 uM a", "1uM a", "10 nM b c"]), ["b c at 10 nM", "a at 1uM", "a at 3 uM"]);
        assert_eq!(divided(&["3 uM a + 1 uM b", "3 uM a"]), ["a at 3 uM", "a at 3 uM and b at 1 uM"]);
    }

    #[test]
    fn a_declared_sign_is_believed_and_none_keeps_names_whole() {
        let of = |names: &[&str], sign| Signs::of(&names.iter().copied().collect(), Some(sign), true);
        assert_eq!(of(&["A x B", "C"], " x ").members.len(), 1);
        assert!(of(&["A", "B", "A+B"], "").members.is_empty());
        let unsure = Signs::of(&["A", "A/B"].into(), None, true);
        let note = unsure.unsure("drug").unwrap();
        assert!(note.contains("`A/B` in `drug` may be sets") && note.contains("separator = \"/\""), "{note}");
        assert_eq!(of(&["A", "A/B"], "").unsure("drug"), None);
    }

    #[test]
    fn a_cell_holds_a_dose_for_each_member_or_none() {
        let doses = |text: &str| doses_of_members(text, 2).map(|doses| doses.into_iter().flatten().collect::<Vec<_>>());
        for text in ["1.5+6", "1.5 + 6", "1.5;6", "1.5|6", "1.5/6"] {
            assert_eq!(doses(text), Some(vec!["1.5".to_owned(), "6".to_owned()]), "{text}");
        }
        for text in ["1.5", "1+2+3", "a+b", ""] {
            assert_eq!(doses(text), None, "{text}");
        }
    }
}
