//! Metadata beside the observations.

/// A metadata column that is kept beside the observations: mechanism of action, donor, SMILES and the like.
#[derive(Debug, Clone, PartialEq)]
pub struct Label {
    /// Column name: the card's word where it names one (`moa`), else the file's.
    pub name: String,
    /// One value for each observation; `None` where the cell was empty.
    pub values: Vec<Option<String>>,
}
