//! Learn a world model of cells from perturbation screens, and plan with it.
//!
//! The modules below are in the order of the data's path; a module uses only those above it.

#![warn(missing_docs)]

pub mod screen;
pub mod load;
pub mod qc;
pub mod normalize;
pub mod descriptor;
pub mod pair;
pub mod model;
pub mod loss;
pub mod run;
pub mod train;
pub mod embed;
pub mod predict;
pub mod baseline;
pub mod plan;
pub mod evaluate;
pub mod config;
pub mod study;
pub mod cli;
