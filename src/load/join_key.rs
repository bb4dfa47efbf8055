//! By which columns two tables of a card are joined, and names that may be several.

use serde::{Deserialize, Serialize};

/// One column of a join's key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum JoinKey {
    /// A role or a name that both sides know.
    Same(String),
    /// Names that differ.
    Pair {
        /// Role or column of the profile table.
        table: String,
        /// Role or column of the sheet.
        sheet: String,
    },
}

/// A name or several.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum OneOrMore {
    /// One.
    One(String),
    /// Several.
    More(Vec<String>),
}

impl OneOrMore {
    /// The names as a list.
    pub fn list(&self) -> &[String] {
        match self {
            Self::One(name) => std::slice::from_ref(name),
            Self::More(names) => names,
        }
    }
}
