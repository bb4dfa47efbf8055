//! Files -> [`Screen`](crate::screen::Screen): profile tables with their card, or by the usual names of columns.
//!
//! [`load`] resolves which column means what ([`Mapping`]), reads the tables, joins the card's sheets, tells the role of
//! every well, checks every cell that counts, and hands over the screen; the rest of the crate knows no file.
//! The order of rows in the files does not matter: observations are sorted by plate, well and what was done.

mod annotated;
mod card;
mod cells;
mod companions;
mod compare;
mod compartments;
mod controls;
mod copies;
mod csv;
mod declared;
mod describe;
mod design;
mod dose;
mod error;
mod exclude;
mod features;
mod format;
mod gap;
mod hdf5;
pub mod image;
mod identity;
mod inputs;
mod join;
mod join_key;
mod kind;
mod labels;
mod left_out;
mod lists;
mod loaded;
mod mapping;
mod meet;
mod near;
mod notation;
mod numbered;
mod parquet;
mod part;
mod plate_map;
mod plates;
mod pooled_doses;
mod profiles;
mod responses;
mod rows;
mod sentinels;
mod sets;
mod source;
mod spellings;
mod sqlite;
mod stocks;
mod table;
mod text;
mod text_table;
mod titles;
mod tracks;
mod values;
mod vehicle;
mod walk;
mod well_column;
mod wellmap;
mod wells;
mod workbook;
mod write;

pub use annotated::{ExpressionSettings, MatrixRows, Scale};
pub use card::{Card, Columns, Controls, DescriptorFile, Join, Rule, Rules};
pub use declared::ColumnOrValue;
pub use describe::{Description, SeenColumn, SeenFile, describe, describe_images};
pub use error::{FileReading, LoadError, Place};
pub use gap::{Candidate, Gap, Line};
pub(crate) use inputs::hexadecimal;
pub use inputs::{InputFile, InputHash};
pub use join_key::{JoinKey, OneOrMore};
pub use left_out::{LeftOut, Reason};
pub use lists::{ListedInterventions, ListedWell, read_interventions, read_wells};
pub use loaded::Loaded;
pub use mapping::{ColumnRole, MappedColumn, Mapping};
pub use meet::FoundJoin;
pub use responses::{Response, ResponseColumns, Responses};
pub use source::{ColumnOverrides, Source};
pub use stocks::{Stock, read_stocks};
pub(crate) use text::read_small_text;
pub use text_table::{TextTable, name_column, read_text_table};
pub use tracks::{ExcludeSettings, StimulusSettings, TrackConfig, TrackKey, TrackSettings, load_tracks};
pub use write::{write_card, write_image_card};

/// Loads a screen.
///
/// # Errors
/// If a file, the card or a cell is wrong; see [`LoadError`].
pub fn load(source: &Source) -> Result<Loaded, LoadError> {
    load_with(source, source.effective_card()?)
}

/// The same with a card in place of the source's.
fn load_with(source: &Source, card: Card) -> Result<Loaded, LoadError> {
    // To look at them, single times will do; a job says how many times an observation spans.
    const WINDOW: usize = 1;
    if card.tracks.is_some() {
        return tracks::load_tracks_with(source, card, WINDOW);
    }
    if let Some(tracks::Recognized { card, table }) = tracks::recognize(source, &card) {
        return tracks::load_tracks_with(&Source { files: vec![table], ..source.clone() }, card, WINDOW);
    }
    profiles::load(source, card)
}

#[cfg(test)]
mod tests;
