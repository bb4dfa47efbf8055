//! What a plane is.

use serde::Serialize;

use super::pixels::SampleType;

/// Size and type of a plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Shape {
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// What a pixel is.
    pub sample_type: SampleType,
}
