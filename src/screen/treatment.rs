//! What was done, and where.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Intervention;

/// An intervention in a context: the unit of consensus profiles, of prediction and of retrieval.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Treatment {
    /// What was done.
    pub intervention: Intervention,
    /// Where it was done; empty when the screen has one context.
    pub context: String,
}

impl fmt::Display for Treatment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.intervention)?;
        if !self.context.is_empty() {
            write!(f, " [{}]", self.context)?;
        }
        Ok(())
    }
}
