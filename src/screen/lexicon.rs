//! Interventions as people write them -> [`Intervention`]: what is printed is read, and much of what is typed.
//!
//! A printed set is read as it is. Else the names of the screen are looked for in the text, in any case, so that
//! `hn@6+ro@3.5`, `HN|6,RO|3.5` and `KLF1_MAP2K6` are understood where their members have been met, and nowhere else.

use std::collections::{BTreeMap, BTreeSet};

use super::nearest::{nearest, nearest_in_words};
use super::written::{UNTREATED, Written, WrittenDose, behind_name, members};
use super::{Application, DoseUnit, Intervention, Kind, Micromolar, Perturbation};

/// Relative difference up to which a dose that is typed is one that was measured.
const SAME: f64 = 1e-3;

/// How far beyond the measured doses a dose may lie without a word: half a decade, as of the next step of most series.
const NEAR: f64 = 3.2;

/// Most characters of an intervention, and most ways to read it that are told apart.
const MOST_CHARACTERS: usize = 4096;
const MOST_READINGS: usize = 4;

/// Names and doses that a message lists.
const SHOWN: usize = 6;

/// An intervention that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InterventionError {
    /// Nothing, or too much to be one.
    #[error("`{text}` is not an intervention; expected names with doses, as in `taxol 0.1 µM + aspirin 3 µM`")]
    Text {
        /// As written.
        text: String,
    },
    /// A name that was never met.
    #[error("no perturbation is called `{name}`{}{}", nearest_in_words(nearest), if nearest.is_empty() { format!("; there are {known}") } else { String::new() })]
    Unknown {
        /// The name.
        name: String,
        /// Names that resemble it.
        nearest: Vec<String>,
        /// Some of the names there are.
        known: String,
    },
    /// A dose that is not one.
    #[error(
        "`{dose}` of `{name}` is not a dose; expected a positive number in µM, or with M, mM, µM, nM or pM behind it, or a mass where doses were measured as such"
    )]
    Dose {
        /// Whose dose it is.
        name: String,
        /// As written.
        dose: String,
    },
    /// No dose for what was applied with doses.
    #[error("`{name}` needs a dose; measured are {doses}: write `{name} {example}` or `{name}@{}`", example.trim_end_matches(" µM").replace(' ', ""))]
    NoDose {
        /// The perturbation.
        name: String,
        /// The doses at which it was measured.
        doses: String,
        /// One of them.
        example: String,
    },
    /// A dose for what was applied without one.
    #[error("`{name}` was applied without a dose in this screen; leave the dose out")]
    Undosed {
        /// The perturbation.
        name: String,
    },
    /// One name of several perturbations.
    #[error(
        "`{name}` is known as {n_kinds} kinds of perturbation; write the kind behind it, as in `{name} (CRISPR)`, or in a column `kind`"
    )]
    Kinds {
        /// The name.
        name: String,
        /// How many kinds bear it.
        n_kinds: usize,
    },
    /// A text that can be read in several ways.
    #[error("`{text}` may mean {readings}; write it as one of these")]
    Several {
        /// As written.
        text: String,
        /// The ways to read it.
        readings: String,
    },
    /// A perturbation twice in one set.
    #[error("`{name}` occurs twice in one set; give it once, with its whole dose")]
    Twice {
        /// The perturbation.
        name: String,
    },
}

/// An intervention that was read, and what is to be said of how.
#[derive(Debug, Clone, PartialEq)]
pub struct Read {
    /// The intervention, without a duration.
    pub intervention: Intervention,
    /// What was taken for granted, and doses far from those that were measured, in sentences.
    pub remarks: Vec<String>,
}

/// The perturbations in which interventions are written, with the doses at which each was measured.
#[derive(Debug, Clone, Default)]
pub struct Lexicon {
    known: BTreeMap<Perturbation, Measured>,
    /// The kinds under which each name is known.
    kinds: BTreeMap<String, BTreeSet<Kind>>,
    /// The names of each name without its case.
    folded: BTreeMap<Vec<char>, BTreeSet<String>>,
}

/// How a perturbation was applied.
#[derive(Debug, Clone, Default)]
struct Measured {
    doses: BTreeSet<Micromolar>,
    is_without_dose: bool,
}

/// What is done with a name that was never met.
#[derive(Clone, Copy, PartialEq)]
enum NewNames {
    Refused,
    Taken,
}

impl Lexicon {
    /// What `interventions` are made of.
    pub fn of<'a>(interventions: impl IntoIterator<Item = &'a Intervention>) -> Self {
        let mut lexicon = Self::default();
        for member in interventions.into_iter().flat_map(Intervention::members) {
            let measured = lexicon.entry(&member.perturbation);
            match member.dose {
                Some(dose) => drop(measured.doses.insert(dose)),
                None => measured.is_without_dose = true,
            }
        }
        lexicon
    }

    /// With perturbations that are known though none of the interventions holds them.
    pub fn with<'a>(mut self, perturbations: impl IntoIterator<Item = &'a Perturbation>) -> Self {
        for perturbation in perturbations {
            self.entry(perturbation);
        }
        self
    }

    fn entry(&mut self, perturbation: &Perturbation) -> &mut Measured {
        if !self.known.contains_key(perturbation) {
            let name = perturbation.name.clone();
            self.folded.entry(folded(&name)).or_default().insert(name.clone());
            self.kinds.entry(name).or_default().insert(perturbation.kind);
        }
        self.known.entry(perturbation.clone()).or_default()
    }

    /// Whether a perturbation of this name is known.
    pub fn has_name(&self, name: &str) -> bool {
        self.kinds.contains_key(name)
    }

    /// The set that `text` means, of perturbations that are known.
    ///
    /// # Errors
    /// [`InterventionError`] where the text has no meaning or several, or lacks a dose.
    pub fn read(&self, text: &str) -> Result<Read, InterventionError> {
        self.read_with(text, NewNames::Refused)
    }

    /// The same, but a name that was never met is a perturbation of that name.
    ///
    /// # Errors
    /// As [`Lexicon::read`].
    pub fn read_or_new(&self, text: &str) -> Result<Read, InterventionError> {
        self.read_with(text, NewNames::Taken)
    }

    /// The set of members that are told in parts.
    ///
    /// # Errors
    /// As [`Lexicon::read`]; a name that was never met is a perturbation of that name.
    pub fn set_of<'a>(
        &self,
        members: impl IntoIterator<Item = (&'a str, Option<Kind>, Option<Micromolar>)>,
    ) -> Result<Read, InterventionError> {
        let written = |(name, kind, dose): (&str, Option<Kind>, Option<Micromolar>)| Written {
            name: name.to_owned(),
            kind,
            dose: dose.map(|dose| WrittenDose { text: dose.to_string(), dose: Some(dose), mass: None }),
        };
        let members: Vec<Written> = members.into_iter().map(written).collect();
        self.set(&members, NewNames::Taken)
    }

    fn read_with(&self, text: &str, new_names: NewNames) -> Result<Read, InterventionError> {
        let text = text.trim();
        if text.is_empty() || text.len() > MOST_CHARACTERS {
            let text = text.chars().take(80).collect();
            return Err(InterventionError::Text { text });
        }
        // A perturbation of this name is printed in quotes.
        if text == UNTREATED {
            return Ok(Read { intervention: Intervention::untreated(), remarks: Vec::new() });
        }
        let as_printed = members(text);
        let is_known = |member: &Written| self.kinds.contains_key(&member.name);
        if as_printed.iter().all(is_known) {
            return self.set(&as_printed, new_names);
        }
        if self.kinds.contains_key(text) {
            return self.set(&[Written { name: text.to_owned(), kind: None, dose: None }], new_names);
        }
        let mut readings = self.readings(text);
        readings.dedup();
        match readings.as_slice() {
            [] => self.set(&as_printed, new_names),
            [reading] => self.set(reading, new_names),
            several => self.most_likely(text, several, new_names),
        }
    }

    /// Of several ways to read a text the only one that makes a set, if only one does.
    fn most_likely(&self, text: &str, readings: &[Vec<Written>], new: NewNames) -> Result<Read, InterventionError> {
        let mut sets: Vec<Read> = readings.iter().filter_map(|reading| self.set(reading, new).ok()).collect();
        sets.sort_by(|one, other| one.intervention.cmp(&other.intervention));
        sets.dedup_by(|one, other| one.intervention == other.intervention);
        match (sets.len(), sets.pop()) {
            (1, Some(set)) => Ok(set),
            (0, _) => self.set(&readings[0], new),
            (_, last) => {
                let sets = sets.iter().chain(&last).map(|set| format!("`{}`", set.intervention));
                let readings = sets.collect::<Vec<_>>().join(" or ");
                Err(InterventionError::Several { text: text.to_owned(), readings })
            }
        }
    }

    fn set(&self, written: &[Written], new_names: NewNames) -> Result<Read, InterventionError> {
        let mut remarks = Vec::new();
        let mut applications = Vec::<Application>::with_capacity(written.len());
        for Written { name, kind, dose } in written {
            if name.is_empty() {
                let text = written.iter().map(|member| member.name.as_str()).collect::<Vec<_>>().join(" + ");
                return Err(InterventionError::Text { text });
            }
            let perturbation = self.perturbation(name, *kind, dose.is_some(), new_names, &mut remarks)?;
            let dose = match dose {
                None => None,
                Some(WrittenDose { text, dose, mass }) => {
                    let dose = dose.or_else(|| self.weighed(&perturbation, (*mass)?));
                    let (name, text) = (perturbation.name.clone(), text.clone());
                    Some(dose.ok_or(InterventionError::Dose { name, dose: text })?)
                }
            };
            let dose = self.dose(&perturbation, dose, &mut remarks)?;
            if applications.iter().any(|other| other.perturbation == perturbation) {
                return Err(InterventionError::Twice { name: perturbation.name });
            }
            applications.push(Application { perturbation, dose });
        }
        Ok(Read { intervention: Intervention::of(applications), remarks })
    }

    fn perturbation(
        &self,
        name: &str,
        kind: Option<Kind>,
        has_dose: bool,
        new_names: NewNames,
        remarks: &mut Vec<String>,
    ) -> Result<Perturbation, InterventionError> {
        let known = match self.kinds.get_key_value(name) {
            Some(known) => Some(known),
            None => match self.folded.get(&folded(name)).map(|names| names.iter().collect::<Vec<_>>()).as_deref() {
                None | Some([]) => None,
                Some([only]) => {
                    remarks.push(format!("`{name}` is read as `{only}`"));
                    self.kinds.get_key_value(only.as_str())
                }
                Some(several) => {
                    let readings = several.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" or ");
                    return Err(InterventionError::Several { text: name.to_owned(), readings });
                }
            },
        };
        let Some((name, kinds)) = known else {
            if new_names == NewNames::Taken {
                return Ok(Perturbation { name: name.to_owned(), kind: kind.unwrap_or_default() });
            }
            let names = || self.kinds.keys().map(String::as_str);
            let mut known = names().take(SHOWN).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            if self.kinds.len() > SHOWN {
                known += &format!(" and {} more", self.kinds.len() - SHOWN);
            }
            return Err(InterventionError::Unknown { name: name.to_owned(), nearest: nearest(name, names()), known });
        };
        let of_kind = |kind: Kind| Perturbation { name: name.clone(), kind };
        if let Some(kind) = kind {
            return Ok(of_kind(kind));
        }
        // What is printed without its kind is meant where none is written.
        let is_printed_bare = |kind: &&Kind| {
            let measured = &self.known[&of_kind(**kind)];
            match has_dose {
                true => !measured.doses.is_empty(),
                false => kind.in_names().is_none(),
            }
        };
        let bare: Vec<&Kind> = kinds.iter().filter(is_printed_bare).collect();
        match (kinds.len(), bare.as_slice()) {
            (1, _) => Ok(of_kind(*kinds.first().expect("one is in it"))),
            (_, [kind]) => Ok(of_kind(**kind)),
            (n_kinds, _) => Err(InterventionError::Kinds { name: name.clone(), n_kinds }),
        }
    }

    /// The dose that a mass of a perturbation is, where it was measured in such masses.
    fn weighed(&self, perturbation: &Perturbation, (number, unit): (f64, DoseUnit)) -> Option<Micromolar> {
        let mut measured = self.known.get(perturbation)?.doses.iter();
        measured.find(|dose| dose.unit().is_some_and(|shown_in| shown_in.unit == unit))?.of_same_unit(number)
    }

    fn dose(
        &self,
        perturbation: &Perturbation,
        dose: Option<Micromolar>,
        remarks: &mut Vec<String>,
    ) -> Result<Option<Micromolar>, InterventionError> {
        let Some(Measured { doses, is_without_dose }) = self.known.get(perturbation) else { return Ok(dose) };
        let name = &perturbation.name;
        let (Some(&low), Some(&high)) = (doses.first(), doses.last()) else {
            return match dose {
                Some(_) if *is_without_dose => Err(InterventionError::Undosed { name: name.clone() }),
                dose => Ok(dose),
            };
        };
        let Some(dose) = dose else {
            return match (*is_without_dose, doses.len()) {
                (true, _) => Ok(None),
                (false, 1) => {
                    remarks.push(format!("`{name}` is taken at {low}, the only dose at which it was measured"));
                    Ok(Some(low))
                }
                (false, _) => {
                    let example = low.to_string();
                    Err(InterventionError::NoDose { name: name.clone(), doses: listed(doses), example })
                }
            };
        };
        let is_same = |measured: &&Micromolar| (measured.get() - dose.get()).abs() <= SAME * measured.get();
        if let Some(measured) = doses.iter().find(is_same) {
            return Ok(Some(*measured));
        }
        let dose = low.at(dose.get()).unwrap_or(dose);
        if dose.get() > NEAR * high.get() || dose.get() * NEAR < low.get() {
            remarks.push(format!(
                "`{name}` was measured {}, so that {dose} is far beyond, and nothing measured supports what is said of it",
                if low == high { format!("at {low} only") } else { format!("from {low} to {high}") }
            ));
        }
        Ok(Some(dose))
    }

    /// The ways to read a text in names that are known, a few of them.
    fn readings(&self, text: &str) -> Vec<Vec<Written>> {
        // Each letter of the text is one of its folded form, so that places in one are places in the other.
        let (letters, folded): (Vec<char>, Vec<char>) = (text.chars().collect(), text.chars().map(fold).collect());
        let mut known_to = BTreeMap::<usize, Vec<Vec<Written>>>::from([(0, vec![Vec::new()])]);
        let mut whole = Vec::new();
        while let Some((start, before)) = known_to.pop_first() {
            for name in self.folded.keys().filter(|name| folded[start..].starts_with(name)) {
                for (behind, kind, dose) in ways_on(&letters, start + name.len()) {
                    let as_typed: String = letters[start..start + name.len()].iter().collect();
                    let member = Written { name: as_typed, kind, dose };
                    let readings =
                        before.iter().map(|members| [members.as_slice(), std::slice::from_ref(&member)].concat());
                    let found = match behind == letters.len() {
                        true => &mut whole,
                        false => match behind_separator(&letters, behind) {
                            Some(next) => known_to.entry(next).or_default(),
                            None => continue,
                        },
                    };
                    found.extend(readings);
                    found.truncate(MOST_READINGS);
                }
            }
        }
        whole
    }
}

/// Where a member may end whose name ends at `end`, with what stands between.
fn ways_on(letters: &[char], end: usize) -> Vec<(usize, Option<Kind>, Option<WrittenDose>)> {
    let skip_blanks = |mut at: usize| {
        while letters.get(at).is_some_and(|letter| letter.is_whitespace()) {
            at += 1;
        }
        at
    };
    let run = |mut at: usize, is_in: &dyn Fn(char) -> bool| {
        while letters.get(at).is_some_and(|&letter| is_in(letter)) {
            at += 1;
        }
        at
    };
    let mut ways = vec![(end, None, None)];
    let next = skip_blanks(end);
    let marker: String = letters[next..].iter().take_while(|letter| **letter != ')').chain(&[')']).collect();
    if let (_, Some(kind), _) = behind_name(&format!("x {marker}")) {
        ways.push((next + marker.chars().count(), Some(kind), None));
    }
    // `@3`, `|3`, `:3`, or a blank and a number with its unit.
    let has_sign = letters.get(next).is_some_and(|letter| ['@', '|', ':'].contains(letter));
    let start = if has_sign { skip_blanks(next + 1) } else { next };
    if !has_sign && start == end {
        return ways;
    }
    let mut number_end = run(start, &|letter| letter.is_ascii_digit() || letter == '.');
    let exponent = letters.get(number_end).filter(|letter| ['e', 'E'].contains(letter)).map(|_| {
        let signed = number_end + 1;
        let digits = signed + usize::from(letters.get(signed).is_some_and(|letter| ['+', '-'].contains(letter)));
        (digits, run(digits, &|letter| letter.is_ascii_digit()))
    });
    if let Some((_, end)) = exponent.filter(|(digits, end)| end > digits) {
        number_end = end;
    }
    if number_end == start {
        return ways;
    }
    let text = |end: usize| letters[start..end].iter().collect::<String>();
    let unit_start = skip_blanks(number_end);
    let unit_end = run(unit_start, &|letter| letter.is_alphabetic() || letter == 'µ' || letter == '/');
    let unit: String = letters[unit_start..unit_end].iter().collect();
    if DoseUnit::parse(&unit).is_some() {
        ways.push((unit_end, None, Some(WrittenDose::of(&text(unit_end)))));
    } else if has_sign {
        ways.push((number_end, None, Some(WrittenDose::of(&text(number_end)))));
    }
    ways
}

/// Where the next member begins, if a sign that may stand between members is next.
fn behind_separator(letters: &[char], end: usize) -> Option<usize> {
    let blanks = |from: usize| letters[from..].iter().take_while(|letter| letter.is_whitespace()).count();
    let sign = end + blanks(end);
    letters.get(sign).filter(|letter| "+|,;&_/".contains(**letter))?;
    let next = sign + 1 + blanks(sign + 1);
    (next < letters.len()).then_some(next)
}

/// A name without its case, its letters one by one.
fn folded(name: &str) -> Vec<char> {
    name.chars().map(fold).collect()
}

fn fold(letter: char) -> char {
    match letter {
        'µ' | 'μ' => 'u',
        letter => letter.to_lowercase().next().unwrap_or(letter),
    }
}

fn listed(doses: &BTreeSet<Micromolar>) -> String {
    let doses: Vec<String> = doses.iter().map(Micromolar::to_string).collect();
    match doses.len() {
        ..=SHOWN => doses.join(", "),
        n => format!("{}, … and {}", doses[..SHOWN - 1].join(", "), doses[n - 1]),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn single(name: &str, kind: Kind, dose: f64) -> Intervention {
        Intervention::single(name, kind, Micromolar::new(dose))
    }

    fn lexicon() -> Lexicon {
        let mut measured = vec![
            single("HN", Kind::Compound, 3.0),
            single("HN", Kind::Compound, 6.0),
            single("RO", Kind::Compound, 3.5),
            single("taxol", Kind::Compound, 0.001),
            single("taxol", Kind::Compound, 1.0 / 3.0),
            single("VX-770", Kind::Compound, 3.2),
            single("foo|bar", Kind::Compound, 1.0),
            single("TP53", Kind::Crispr, 0.0),
            single("KLF1", Kind::Crispr, 0.0),
            single("MYC", Kind::Crispr, 0.0),
            single("MYC", Kind::Orf, 0.0),
        ];
        measured.push(Intervention::of(
            [single("IL-2", Kind::Other, 0.0), single("IL-15", Kind::Other, 0.0)]
                .iter()
                .flat_map(|set| set.members().to_vec()),
        ));
        Lexicon::of(&measured)
    }

    #[test]
    fn an_intervention_is_read_however_it_is_written() {
        let lexicon = lexicon();
        let check = |texts: &[&str], expected: &str, n_remarks: usize| {
            for text in texts {
                let read = lexicon.read(text).unwrap_or_else(|error| panic!("{text}: {error}"));
                assert_eq!(read.intervention.to_string(), expected, "{text}");
                assert_eq!(read.remarks.len(), n_remarks, "{text}: {:?}", read.remarks);
            }
        };
        let written = [
            "HN 6 µM + RO 3.5 µM",
            "HN@6 + RO@3.5",
            "HN@6+RO@3.5",
            "RO@3.5 + HN@6",
            "HN|6,RO|3.5",
            "HN:6;RO:3.5",
            "HN 6 uM+RO 3500nM",
            " HN 6e0 μM + RO 3.5µM ",
            "HN@6000 nM & RO@3.5uM",
        ];
        check(&written, "HN 6 µM + RO 3.5 µM", 0);
        check(&["hn@6+ro@3.5"], "HN 6 µM + RO 3.5 µM", 2);
        check(&["taxol 0.333333 µM", "taxol@0.333", "taxol 333.333 nM"], "taxol 0.333333 µM", 0);
        check(&["TP53 (CRISPR)", "TP53"], "TP53 (CRISPR)", 0);
        check(&["tp53"], "TP53 (CRISPR)", 1);
        check(
            &["KLF1_TP53", "KLF1+TP53", "TP53 + KLF1", "KLF1 (CRISPR) + TP53 (CRISPR)"],
            "KLF1 (CRISPR) + TP53 (CRISPR)",
            0,
        );
        check(&["foo|bar@1", "foo|bar 1 µM"], "foo|bar 1 µM", 0);
        check(&["IL-2/IL-15"], "IL-15 + IL-2", 0);
        check(&["MYC (ORF)"], "MYC (ORF)", 0);
        check(&["untreated"], "untreated", 0);
        // Taken for granted and said.
        check(&["VX-770", "RO + VX-770@3.2"][..1], "VX-770 3.2 µM", 1);
        check(&["taxol@100"], "taxol 100 µM", 1);
        check(&["taxol@1"], "taxol 1 µM", 0);
    }

    #[test]
    fn what_cannot_be_read_is_a_question() {
        let lexicon = lexicon();
        for (text, expected) in [
            ("taxl@0.1", "no perturbation is called `taxl`; did you mean `taxol`?"),
            ("HN@6 + R0@3.5", "no perturbation is called `R0`"),
            (
                "taxol",
                "`taxol` needs a dose; measured are 0.001 µM, 0.333333 µM: write `taxol 0.001 µM` or `taxol@0.001`",
            ),
            ("taxol@0", "`0` of `taxol` is not a dose"),
            ("taxol@-1", "`-1` of `taxol` is not a dose"),
            ("taxol@10 parsec", "`10 parsec` of `taxol` is not a dose"),
            ("taxol 10 ng/mL", "`10 ng/mL` of `taxol` is not a dose"),
            ("TP53@1", "`TP53` was applied without a dose"),
            ("MYC", "`MYC` is known as 2 kinds of perturbation"),
            ("HN@6 + HN@3", "`HN` occurs twice"),
            ("", "`` is not an intervention"),
        ] {
            let error = lexicon.read(text).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{text}: {error}");
        }
        let named = Lexicon::of(&[single("Ab", Kind::Other, 0.0), single("aB", Kind::Other, 0.0)]);
        assert_eq!(named.read("AB").unwrap_err().to_string(), "`AB` may mean `Ab` or `aB`; write it as one of these");
        assert_eq!(named.read("aB").unwrap().intervention, single("aB", Kind::Other, 0.0));
    }

    #[test]
    fn a_new_name_is_taken_where_that_is_asked_for() {
        let read = lexicon().read_or_new("new drug 2 µM + taxol@0.001").unwrap();
        assert_eq!(read.intervention.to_string(), "new drug 2 µM + taxol 0.001 µM");
        assert!(lexicon().read_or_new("taxol").is_err());
    }

    fn a_name() -> impl Strategy<Value = String> {
        let signs = prop::sample::select(vec![
            "a",
            "B",
            "7",
            "10",
            " ",
            "@",
            "@3",
            " + ",
            "+",
            "µ",
            "µM",
            " 3 µM",
            "\"",
            "\\",
            "|",
            "_",
            " (ORF)",
            "x",
            "untreated",
            ".",
            "/",
        ]);
        prop::collection::vec(signs, 1..5).prop_map(|parts| parts.concat())
    }

    fn a_set() -> impl Strategy<Value = Intervention> {
        let dose = prop_oneof![Just(None), (1e-4f64..1e4).prop_map(Micromolar::new)];
        let kind = prop::sample::select(Kind::ALL.to_vec());
        prop::collection::vec((a_name(), kind, dose), 0..4).prop_map(|members| {
            // A name has one kind, and either doses or none, as in a screen.
            let mut names = BTreeSet::new();
            let members = members.into_iter().filter(|(name, _, _)| names.insert(name.clone()));
            Intervention::of(
                members.map(|(name, kind, dose)| Application { perturbation: Perturbation { name, kind }, dose }),
            )
        })
    }

    #[test]
    fn doses_are_read_in_the_unit_of_the_files() {
        let dose = |um: f64, unit, unit_um| Micromolar::new(um).map(|dose| dose.shown_in(unit, unit_um));
        let mass = DoseUnit::NanogramPerMilliliter;
        let egf = |ng: f64| Intervention::single("EGF", Kind::Other, dose(ng * 1e-3 / 6.2, mass, 1e-3 / 6.2));
        let drug = |nm: f64| Intervention::single("drug", Kind::Compound, dose(nm * 1e-3, DoseUnit::Nanomolar, 1e-3));
        let measured = [egf(25.0), egf(250.0), drug(10.0), drug(100.0)];
        let lexicon = Lexicon::of(&measured);
        let read = |text: &str| lexicon.read(text).unwrap().intervention.to_string();
        assert_eq!(read("EGF 25 ng/mL"), "EGF 25 ng/mL");
        assert_eq!(read("egf@50ng/ml"), "EGF 50 ng/mL");
        // µM where no unit is written, as for all screens.
        assert_eq!((read("drug@0.03"), read("drug 30 nM")), ("drug 30 nM".to_owned(), "drug 30 nM".to_owned()));
        let error = lexicon.read("drug").unwrap_err().to_string();
        assert!(error.contains("write `drug 10 nM` or `drug@10nM`"), "{error}");
        assert!(lexicon.read("drug 3 ng/mL").unwrap_err().to_string().contains("is not a dose"));
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read(set in a_set(), others in prop::collection::vec(a_name(), 0..3)) {
            let names = set.perturbation_names();
            let others = others.iter().filter(|name| !names.contains(name.as_str()));
            let others: Vec<Intervention> = others.map(|name| single(name, Kind::Compound, 0.5)).collect();
            let lexicon = Lexicon::of(others.iter().chain([&set]));
            let printed = set.to_string();
            let read = lexicon.read(&printed).map_err(|error| TestCaseError::fail(format!("{printed}: {error}")))?;
            prop_assert_eq!(&read.intervention, &set, "{}", printed);
            prop_assert!(read.remarks.is_empty());
        }
    }
}
