//! What was done in a batch, as numbers for the intervention encoder.

/// Host-side description of a batch of interventions, as the intervention encoder reads it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct InterventionRows {
    /// Members in the widest set, at least 1.
    pub members: usize,
    /// Vocabulary index, `[batch * member]`; the vocabulary's length for an unseen perturbation.
    pub perturbation: Vec<i32>,
    /// Index of the kind of perturbation, `[batch * member]`.
    pub kind: Vec<i32>,
    /// log10 dose in µM, `[batch * member]`; 0 where there is no dose.
    pub log_dose: Vec<f32>,
    /// 1 where the member has a dose, `[batch * member]`.
    pub dosed: Vec<f32>,
    /// 1 where there is a member, `[batch * member]`.
    pub present: Vec<f32>,
    /// 1 where the identity may be used, `[batch * member]`.
    pub known: Vec<f32>,
    /// Descriptors, `[batch * member, descriptor]`; empty when the model has none.
    pub descriptors: Vec<f32>,
    /// log2 of the duration over the usual one (24 h in screens), `[batch]`; 0 where unknown.
    pub duration: Vec<f32>,
    /// Index of the context, `[batch]`; the number of contexts for an unseen one.
    pub context: Vec<i32>,
    /// Log10-dose distance to the anchor's lower and upper dose and whether there is an anchor, `[batch, 3]`.
    pub anchor: Vec<f32>,
}

impl InterventionRows {
    /// Number of interventions.
    pub fn len(&self) -> usize {
        self.context.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.context.is_empty()
    }
}
