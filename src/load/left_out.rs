//! What could be taken for features and is not learned from.

use std::fmt;

use serde::{Serialize, Serializer};

/// A column that could be taken for a feature and is not learned from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// Its name in the file.
    pub column: String,
    /// What it holds instead.
    pub why: Reason,
}

/// What a column holds that is not a measurement.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// Row, image or object numbers, identifiers.
    Number,
    /// Coordinates.
    Position,
    /// Run times, sizes of images, settings of the instrument.
    Processing,
    /// Dates and times.
    Time,
    /// The second of two columns that a merge left, of which the first has a role.
    Twin,
    /// A concentration, by its name.
    Dose,
    /// How many drugs, guides, wells.
    Counts,
    /// The same value in all wells of an intervention, for every intervention.
    Applied,
    /// The same value on all of a plate, for every plate.
    PerPlate,
    /// The same value in a well of all plates, for every well.
    PerPosition,
    /// A counter.
    Running,
    /// Whole numbers, each once, that go with nothing.
    Unrelated,
    /// A handful of values.
    Few,
    /// `true` and `false`.
    Truth,
    /// No value.
    Empty,
    /// Lists or records.
    Nested,
    /// Mostly texts; the first of them.
    Texts(String),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Number => "numbers of rows, images or objects",
            Self::Position => "positions",
            Self::Processing => "how images were taken or processed",
            Self::Time => "dates or times",
            Self::Twin => "second columns of a merge",
            Self::Dose => "doses, by their names",
            Self::Counts => "counts of what was applied, not of what was measured",
            Self::Applied => "the same value in all wells of an intervention, for every intervention",
            Self::PerPlate => "one value for each plate",
            Self::PerPosition => "one value for each well position, on all plates",
            Self::Running => "whole numbers that count rows",
            Self::Unrelated => "whole numbers, each once, that go with no other column",
            Self::Few => "a handful of values, as of something applied",
            Self::Truth => "true or false",
            Self::Empty => "no value in any row",
            Self::Nested => "lists or records, which are not read",
            Self::Texts(example) => return write!(f, "texts such as {example:?}"),
        })
    }
}

impl Serialize for Reason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Reason {
    /// What to write in a card if the guess is wrong, where it is one; what is known by its name needs no word.
    pub(super) fn question(&self) -> Option<&'static str> {
        match self {
            Self::Number | Self::Position | Self::Processing | Self::Twin | Self::Empty => None,
            Self::Dose => Some("give the doses under [columns] as `dose` or `doses`"),
            Self::Nested => Some("to learn from them, store each of their values as a column"),
            Self::Texts(_) => Some("correct the cells to learn from them"),
            _ => Some("if they were measured, list them in `include_features` in the card"),
        }
    }
}
