//! The one integration binary: each further binary would link polars and burn anew.

mod layering;
mod config;
mod command;
mod commands;
mod readme;
mod kill;
mod serve;
