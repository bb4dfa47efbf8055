//! The one integration binary: each further binary would link polars and burn anew.

mod support;
mod layering;
mod config;
mod commands;
mod readme;
mod compare;
mod kill;
mod matrix;
mod open_run;
mod answers;
mod planning;
mod simulated;
mod report;
mod mistakes;
mod run_data;
mod hostile;
mod mutate;
mod stop;
mod full_disk;
mod time_lapse;
mod tracks;
mod ingest;
mod published;
mod image_screen;
mod image_acceptance;
mod words;
