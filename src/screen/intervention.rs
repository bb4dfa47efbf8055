//! What was done to the cells: perturbations with doses, as a set.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

use serde::{Deserialize, Serialize};

use super::written::as_member;

/// The kind of agent a perturbation is; the same gene knocked out and over-expressed is two perturbations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A small molecule.
    #[default]
    Compound,
    /// A CRISPR knock-out, or one of the others where it is not said which.
    Crispr,
    /// A knock-down by CRISPR interference.
    Crispri,
    /// An activation by CRISPR.
    Crispra,
    /// Over-expression of an open reading frame.
    Orf,
    /// RNA interference.
    Rnai,
    /// Anything else: cytokine, antibody, pathogen.
    Other,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 7] =
        [Self::Compound, Self::Crispr, Self::Crispri, Self::Crispra, Self::Orf, Self::Rnai, Self::Other];

    /// What stands behind a name without a dose, where names of this kind are also names of others.
    pub(super) fn in_names(self) -> Option<&'static str> {
        match self {
            Self::Crispr => Some("CRISPR"),
            Self::Crispri => Some("CRISPRi"),
            Self::Crispra => Some("CRISPRa"),
            Self::Orf => Some("ORF"),
            Self::Compound | Self::Rnai | Self::Other => None,
        }
    }
}

/// The agent: a compound, a CRISPR guide, an ORF.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Perturbation {
    /// Name as the screen gives it.
    pub name: String,
    /// What kind of agent it is.
    pub kind: Kind,
}

/// A concentration in µM, positive and finite, with the unit in which the files give it.
///
/// Doses are equal where their µM are; the unit decides how they are shown.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct Micromolar {
    um: f64,
    /// `None` for µM.
    shown_in: Option<ShownIn>,
}

/// A unit other than µM in which a dose is shown.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct ShownIn {
    /// The unit.
    pub unit: DoseUnit,
    /// How many µM one of it is.
    pub unit_um: f64,
}

/// A dose as it stands in a file: its µM, and another unit where it is shown in one.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Stored {
    Micromolar(f64),
    In {
        um: f64,
        #[serde(flatten)]
        shown_in: ShownIn,
    },
}

impl TryFrom<Stored> for Micromolar {
    type Error = String;

    fn try_from(stored: Stored) -> Result<Self, String> {
        let (um, shown_in) = match stored {
            Stored::Micromolar(um) => (um, None),
            Stored::In { um, shown_in } => (um, Some(shown_in)),
        };
        let dose = Self::new(um).ok_or_else(|| format!("{um} is not a dose, expected a positive number of µM"))?;
        Ok(shown_in.map_or(dose, |ShownIn { unit, unit_um }| dose.shown_in(unit, unit_um)))
    }
}

impl From<Micromolar> for Stored {
    fn from(Micromolar { um, shown_in }: Micromolar) -> Self {
        shown_in.map_or(Self::Micromolar(um), |shown_in| Self::In { um, shown_in })
    }
}

impl Micromolar {
    /// A concentration, or `None` if it is not positive and finite (zero is "untreated", not a dose).
    pub fn new(micromolar: f64) -> Option<Self> {
        (micromolar.is_finite() && micromolar > 0.0).then_some(Self { um: micromolar, shown_in: None })
    }

    /// The same concentration, shown in `unit`, one of which is `unit_um` µM; molar ones are shown in µM.
    pub fn shown_in(self, unit: DoseUnit, unit_um: f64) -> Self {
        let is_shown = unit.is_shown() && unit_um.is_finite() && unit_um > 0.0;
        Self { shown_in: is_shown.then_some(ShownIn { unit, unit_um }), ..self }
    }

    /// The unit in which it is shown, where that is not µM.
    pub(crate) fn unit(self) -> Option<ShownIn> {
        self.shown_in
    }

    /// Another concentration, shown in the same unit; `None` if it is not positive and finite.
    pub fn at(self, micromolar: f64) -> Option<Self> {
        Self::new(micromolar).map(|dose| Self { shown_in: self.shown_in, ..dose })
    }

    /// So many of the unit in which this dose is shown; `None` if that is not positive and finite.
    pub fn of_same_unit(self, number: f64) -> Option<Self> {
        // To 12 digits, so that 300 nM are 0.3 µM.
        self.at(format!("{:.11e}", number * self.unit_um()).parse().ok()?)
    }

    /// The concentration in µM.
    pub fn get(self) -> f64 {
        self.um
    }

    /// The concentration in the unit in which it is shown.
    pub fn in_unit(self) -> f64 {
        self.um / self.unit_um()
    }

    fn unit_um(self) -> f64 {
        self.shown_in.map_or(1.0, |shown_in| shown_in.unit_um)
    }

    /// log10 of the concentration in µM.
    pub fn log10(self) -> f64 {
        self.um.log10()
    }
}

impl PartialEq for Micromolar {
    fn eq(&self, other: &Self) -> bool {
        self.um == other.um
    }
}

impl Eq for Micromolar {}

impl PartialOrd for Micromolar {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Micromolar {
    fn cmp(&self, other: &Self) -> Ordering {
        self.um.total_cmp(&other.um)
    }
}

impl Hash for Micromolar {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.um.to_bits().hash(state);
    }
}

impl fmt::Display for Micromolar {
    /// Shortest decimal of at most 6 significant digits, with its unit.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rounded: f64 = format!("{:.5e}", self.in_unit()).parse().expect("a formatted float parses");
        write!(f, "{rounded} {}", self.shown_in.map_or("µM", |shown_in| shown_in.unit.shown()))
    }
}

/// A unit of concentration that a card may declare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DoseUnit {
    /// mol/L.
    #[serde(rename = "M")]
    Molar,
    /// mmol/L.
    #[serde(rename = "mM")]
    Millimolar,
    /// µmol/L.
    #[serde(rename = "uM", alias = "µM", alias = "um")]
    Micromolar,
    /// nmol/L.
    #[serde(rename = "nM")]
    Nanomolar,
    /// pmol/L.
    #[serde(rename = "pM")]
    Picomolar,
    /// µg/mL: a mass, which is a concentration only with the molar mass of what is weighed.
    #[serde(rename = "ug/mL", alias = "µg/mL", alias = "ug/ml")]
    MicrogramPerMilliliter,
    /// ng/mL, a mass as well.
    #[serde(rename = "ng/mL", alias = "ng/ml")]
    NanogramPerMilliliter,
}

impl DoseUnit {
    /// The unit that a word of a table means, in any usual spelling.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim().replace(['µ', 'μ'], "u");
        if text == "M" {
            return Some(Self::Molar);
        }
        Some(match text.to_lowercase().as_str() {
            "mol/l" | "molar" => Self::Molar,
            "mm" | "mmol/l" | "millimolar" | "mmoles_per_liter" => Self::Millimolar,
            "um" | "umol/l" | "micromolar" => Self::Micromolar,
            "nm" | "nmol/l" | "nanomolar" => Self::Nanomolar,
            "pm" | "pmol/l" | "picomolar" => Self::Picomolar,
            "ug/ml" | "mg/l" => Self::MicrogramPerMilliliter,
            "ng/ml" | "ug/l" => Self::NanogramPerMilliliter,
            _ => return None,
        })
    }

    /// The word in a card.
    pub fn word(self) -> &'static str {
        match self {
            Self::Molar => "M",
            Self::Millimolar => "mM",
            Self::Micromolar => "uM",
            Self::Nanomolar => "nM",
            Self::Picomolar => "pM",
            Self::MicrogramPerMilliliter => "ug/mL",
            Self::NanogramPerMilliliter => "ng/mL",
        }
    }

    /// The word where a dose is shown.
    fn shown(self) -> &'static str {
        match self {
            Self::Molar | Self::Micromolar => "µM",
            Self::MicrogramPerMilliliter => "µg/mL",
            unit => unit.word(),
        }
    }

    /// Whether doses are shown in it rather than in µM: nobody doses in mol/L.
    fn is_shown(self) -> bool {
        !matches!(self, Self::Molar | Self::Micromolar)
    }

    /// How many µM one of this unit is; `None` for a mass of unknown molar mass (kDa, that is kg/mol).
    pub fn in_micromolar(self, molar_mass_kda: Option<f64>) -> Option<f64> {
        match self {
            Self::Molar => Some(1e6),
            Self::Millimolar => Some(1e3),
            Self::Micromolar => Some(1.0),
            Self::Nanomolar => Some(1e-3),
            Self::Picomolar => Some(1e-6),
            Self::MicrogramPerMilliliter => molar_mass_kda.map(|kda| 1.0 / kda),
            // 1 ng/mL is 1e-6 g/L; over 1e3 g/mol that is 1e-9 mol/L.
            Self::NanogramPerMilliliter => molar_mass_kda.map(|kda| 1e-3 / kda),
        }
    }
}

/// One perturbation as applied: with its dose, where it has one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Application {
    /// The agent.
    pub perturbation: Perturbation,
    /// Its concentration; `None` for genetic perturbations and for files without doses.
    pub dose: Option<Micromolar>,
}

impl fmt::Display for Application {
    /// As [`Lexicon`](super::Lexicon) reads it: the name, in quotes where it could be read as more than a name, and its dose.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&as_member(&self.perturbation.name))?;
        match (self.dose, self.perturbation.kind) {
            (Some(dose), _) => write!(f, " {dose}"),
            (None, kind) => kind.in_names().map_or(Ok(()), |word| write!(f, " ({word})")),
        }
    }
}

/// Everything that is present during an interval: a set of applications with a duration.
///
/// The empty set is "untreated": a vehicle, a non-targeting guide or an empty vector.
/// Order inside the set carries no meaning; members are kept sorted and each perturbation appears once.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default)]
pub struct Intervention {
    members: Vec<Application>,
    /// Duration in whole minutes, so that equality is exact; see [`Intervention::hours`].
    minutes: Option<u32>,
}

impl Intervention {
    /// Nothing applied.
    pub fn untreated() -> Self {
        Self::default()
    }

    /// One perturbation at one dose.
    pub fn single(name: impl Into<String>, kind: Kind, dose: Option<Micromolar>) -> Self {
        Self::of([Application { perturbation: Perturbation { name: name.into(), kind }, dose }])
    }

    /// A set of applications; of two applications of one perturbation the higher dose stays.
    pub fn of(members: impl IntoIterator<Item = Application>) -> Self {
        let mut members: Vec<_> = members.into_iter().collect();
        members.sort_by(|a, b| a.perturbation.cmp(&b.perturbation).then(b.dose.cmp(&a.dose)));
        members.dedup_by(|later, first| later.perturbation == first.perturbation);
        Self { members, minutes: None }
    }

    /// The same set, present for `hours` (rounded to the minute).
    pub fn lasting(mut self, hours: f64) -> Self {
        self.minutes = Some((hours * 60.0).round() as u32);
        self
    }

    /// The set with the dose of every perturbation that `from` and `to` share multiplied by the ratio of their doses there: the
    /// doses of `to` where this set has those of `from`, and in proportion where it has means of them over time.
    pub fn with_doses_in_proportion(&self, from: &Self, to: &Self) -> Self {
        let dose_in = |set: &Self, perturbation: &Perturbation| {
            set.members.iter().find(|member| member.perturbation == *perturbation)?.dose.map(Micromolar::get)
        };
        let members = self.members.iter().map(|member| {
            let doses = dose_in(to, &member.perturbation).zip(dose_in(from, &member.perturbation));
            let ratio = doses.map_or(1.0, |(to, from)| to / from);
            let dose = member.dose.and_then(|dose| dose.at(dose.get() * ratio));
            Application { dose, ..member.clone() }
        });
        Self { minutes: self.minutes, ..Self::of(members) }
    }

    /// The same set with its doses shown in µM.
    pub(super) fn in_micromolar(&self) -> Self {
        let plain = |member: &Application| Application {
            dose: member.dose.and_then(|dose| Micromolar::new(dose.get())),
            ..member.clone()
        };
        Self { members: self.members.iter().map(plain).collect(), minutes: self.minutes }
    }

    /// The applications, sorted by perturbation.
    pub fn members(&self) -> &[Application] {
        &self.members
    }

    /// How long the set was present.
    pub fn hours(&self) -> Option<f64> {
        self.minutes.map(|minutes| f64::from(minutes) / 60.0)
    }

    /// Whether nothing was applied.
    pub fn is_untreated(&self) -> bool {
        self.members.is_empty()
    }

    /// The only application, if there is exactly one.
    pub fn as_single(&self) -> Option<&Application> {
        match self.members.as_slice() {
            [member] => Some(member),
            _ => None,
        }
    }

    /// Names of the perturbations, joined by ` + `; the independent unit that bootstraps resample.
    pub fn perturbation_names(&self) -> String {
        self.members.iter().map(|member| member.perturbation.name.as_str()).collect::<Vec<_>>().join(" + ")
    }
}

impl fmt::Display for Intervention {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.members.is_empty() {
            return write!(f, "untreated");
        }
        for (index, member) in self.members.iter().enumerate() {
            if index > 0 {
                write!(f, " + ")?;
            }
            write!(f, "{member}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn application(name: &str, dose: f64) -> Application {
        Application {
            perturbation: Perturbation { name: name.into(), kind: Kind::Compound },
            dose: Micromolar::new(dose),
        }
    }

    #[test]
    fn order_of_members_carries_no_meaning() {
        let one = Intervention::of([application("b", 1.0), application("a", 0.3)]);
        let other = Intervention::of([application("a", 0.3), application("b", 1.0)]);
        assert_eq!(one, other);
        assert_eq!(one.to_string(), "a 0.3 µM + b 1 µM");
    }

    #[test]
    fn doses_are_shown_as_the_files_give_them_and_compared_by_their_micromolar() {
        let nanomolar = Micromolar::new(0.15625).unwrap().shown_in(DoseUnit::Nanomolar, 1e-3);
        assert_eq!((nanomolar.to_string().as_str(), nanomolar), ("156.25 nM", Micromolar::new(0.15625).unwrap()));
        // 25 ng/mL of 6.2 kDa.
        let mass = Micromolar::new(0.00403225806452).unwrap().shown_in(DoseUnit::NanogramPerMilliliter, 1e-3 / 6.2);
        assert_eq!(mass.to_string(), "25 ng/mL");
        assert_eq!(mass.of_same_unit(25.0), Some(mass));
        assert_eq!(mass.at(1.0).unwrap().to_string(), "6200 ng/mL");
        assert_eq!(Micromolar::new(0.3).unwrap().shown_in(DoseUnit::Molar, 1e6).to_string(), "0.3 µM");
        for (dose, json) in
            [(Micromolar::new(0.5).unwrap(), "0.5"), (nanomolar, r#"{"um":0.15625,"unit":"nM","unit_um":0.001}"#)]
        {
            assert_eq!(serde_json::to_string(&dose).unwrap(), json);
            let read: Micromolar = serde_json::from_str(json).unwrap();
            assert_eq!((read, read.to_string()), (dose, dose.to_string()));
        }
        assert!(serde_json::from_str::<Micromolar>("-1.0").is_err());
    }

    #[test]
    fn zero_is_no_dose() {
        assert_eq!(Micromolar::new(0.0), None);
        assert_eq!(Micromolar::new(f64::NAN), None);
        assert_eq!(Micromolar::new(f64::INFINITY), None);
    }

    #[test]
    fn a_schedule_is_retold_with_other_doses_in_proportion() {
        let set = |a: f64, b: f64| Intervention::of([application("a", a), application("b", b)]);
        let (from, to) = (set(4.0, 1.0), Intervention::of([application("a", 1.0)]));
        // Half of an interval of 5 minutes with 4 µM is a mean of 2 µM; `b` is not told of.
        let mean = set(2.0, 3.0).lasting(5.0 / 60.0);
        assert_eq!(mean.with_doses_in_proportion(&from, &to), set(0.5, 3.0).lasting(5.0 / 60.0));
        assert_eq!(from.with_doses_in_proportion(&from, &to), set(1.0, 1.0));
    }

    #[test]
    fn of_two_doses_of_one_perturbation_the_higher_stays() {
        let set = Intervention::of([application("a", 0.3), application("a", 3.0)]);
        assert_eq!(set.to_string(), "a 3 µM");
    }
}
