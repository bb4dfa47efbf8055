//! By which columns two tables of a card are joined.

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
