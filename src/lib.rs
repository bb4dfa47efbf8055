//! Learn a world model of cells from perturbation screens, and plan with it.
//!
//! The modules below are in the order of the data's path; a module uses only those above it.

#![warn(missing_docs)]

pub mod screen;

pub mod load;

pub mod qc;

pub mod descriptor;

pub mod predict;
