//! How the wells of a treatment lie on its plates.

/// How many wells a treatment has on each plate of its set.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Design {
    /// All of them.
    pub(super) n_treated: Vec<usize>,
    /// Those of them that are not among the shared ones.
    pub(super) n_own: Vec<usize>,
}

/// Up to so many labels, what they see of each other is kept beside the draws.
const FEW_LABELS: usize = 8;

impl Design {
    /// Wells in all.
    pub(super) fn n_labels(&self) -> usize {
        self.n_treated.iter().sum()
    }

    /// Whether all wells are among the shared ones, so that relabelings say the same of every treatment.
    pub(super) fn is_of_shared(&self) -> bool {
        self.n_own.iter().all(|&n_own| n_own == 0)
    }

    /// Whether each label stands on a plate of its own, and they are few.
    pub(super) fn is_apart(&self) -> bool {
        self.n_labels() <= FEW_LABELS && self.n_treated.iter().all(|&n_treated| n_treated == 1)
    }
}
