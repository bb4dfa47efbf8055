//! What tests share: the binary, run folders, and tiny screens of every kind.
//!
//! Each writer of a screen leaves `dataset.toml` (the card) and `screen.toml` (a configuration) in a folder.

mod command;
pub mod crops;
mod folder;
pub mod profiles;
pub mod time_lapse;
pub mod tracks;

pub use command::{TINY, cytonaut, finish, number, run_of, said, tiny_run};
pub use folder::{add_checksums, assert_same, files, kill_when, step, without_last_row};
