//! Learn a world model of cells from perturbation screens, and plan with it.
//!
//! The modules below are in the order of the data's path; a module uses only those above it.
//!
//! [`study::run()`] does a whole job in a run folder, as `cytonaut run` does. The same in steps and without a folder, from
//! a bundled screen to a ranking (two optimizer steps of one model, so that it is quick; the defaults take more):
//!
//! ```
//! use burn::tensor::Device;
//! use cytonaut::answer::{TrainedRun, expected};
//! use cytonaut::config::Config;
//! use cytonaut::pair::Part;
//! use cytonaut::plan::Shown;
//! use cytonaut::predict::Decoder;
//! use cytonaut::study::{load_screen, prepare, rank_finished};
//! use cytonaut::train::{Recipe, Stop, train_ensemble};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let config = Config::parse(
//!     r#"
//!     [data]
//!     card = "datasets/bbbc021/dataset.toml"
//!     [train]
//!     members = 1
//!     steps = 2
//!     [rank]
//!     target = 'moa == "Actin disruptors"'
//!     "#,
//! )?;
//! let device = Device::flex();
//!
//! let loaded = load_screen(&config)?;
//! let prepared = prepare(&config, &loaded)?;
//! let (model, sizes) = prepared.sized(&config.model)?;
//! let recipe = Recipe { model: &model, sizes: &sizes, pair: &config.pair, train: &config.train };
//! let stop = Stop::default();
//! let (expected, combination) = expected(&config, &prepared)?.unzip();
//! let data = prepared.training_data(expected.as_ref());
//! let members = train_ensemble(data, recipe, None, None, &device, &stop, &|_progress| {})?;
//!
//! let training_rows = prepared.split.rows(Part::Train);
//! let unseen = prepared.split.rows(Part::Validation);
//! let decoder =
//!     Decoder::fit(&members.trained, &prepared.screen, &training_rows, &unseen, &config.decoder, &device)?;
//! let (normalizer, combination) = (prepared.normalizer.clone(), combination.unwrap_or_default());
//! let trained_run = TrainedRun { trained: members.trained, decoder, normalizer, combination };
//!
//! let ranking = rank_finished(&config, &prepared, None, &trained_run, None, &device)?;
//! assert_eq!(ranking.rows.len(), prepared.screen.treatments().len());
//! println!("{}", ranking.render(5, Shown::Narrow));
//! # Ok(())
//! # }
//! ```

#![warn(missing_docs)]

pub mod screen;
pub mod table;
pub mod simulate;
pub mod load;
pub mod linear;
pub mod crop;
pub mod qc;
pub mod normalize;
pub mod descriptor;
pub mod pair;
pub mod prior;
pub mod model;
pub mod loss;
pub mod run;
pub mod train;
pub mod embed;
pub mod predict;
pub mod baseline;
pub mod plan;
pub mod evaluate;
pub mod report;
pub mod config;
pub mod answer;
pub mod study;
pub mod cli;
