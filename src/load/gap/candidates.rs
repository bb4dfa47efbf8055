//! Columns that a gap could be filled with.

use super::{Candidate, SHOWN};
use crate::load::card::Card;
use crate::load::mapping::{Mapping, plain};
use crate::load::table::{ColumnSketch, SHOWN_VALUES};

/// Columns that could be meant: those called so first.
pub(super) fn candidates(
    columns: &[ColumnSketch],
    card: &Card,
    words: &[&str],
    is_possible: impl Fn(&ColumnSketch) -> bool,
) -> Vec<Candidate> {
    let columns: Vec<&ColumnSketch> = columns.iter().filter(|sketch| !(sketch.is_measured || sketch.is_key)).collect();
    let names: Vec<String> = columns.iter().map(|sketch| sketch.name.clone()).collect();
    let undeclared = Card { columns: card.columns.clone(), ..Card::default() };
    let mapped = Mapping::of_names(std::path::Path::new(""), &names, &undeclared).unwrap_or_default();
    let has_role = |name: &str| mapped.columns.iter().any(|mapped| mapped.column == name && !mapped.is_made);
    let is_called = |sketch: &&&ColumnSketch| {
        let name = plain(&sketch.name);
        words
            .iter()
            .any(|word| if word.len() > 3 { name.contains(word) } else { name.split('_').any(|part| part == *word) })
    };
    let free =
        || columns.iter().filter(|sketch| !has_role(&sketch.name) && sketch.n_cells() > 0 && is_possible(sketch));
    let called = free().filter(is_called);
    let rest = free().filter(|sketch| !is_called(sketch) && sketch.n_texts > sketch.n_numbers);
    called.chain(rest).take(SHOWN).map(|sketch| candidate(sketch)).collect()
}

fn candidate(sketch: &ColumnSketch) -> Candidate {
    Candidate { name: sketch.name.clone(), examples: sketch.values.iter().take(3).cloned().collect() }
}

/// Columns whose names are most like `wanted`.
pub(super) fn nearest(wanted: &str, columns: &[ColumnSketch]) -> Vec<Candidate> {
    let parts = |name: &str| -> Vec<String> { plain(name).split('_').map(str::to_owned).collect() };
    let wanted = parts(wanted);
    let likeness = |sketch: &&ColumnSketch| {
        let name = parts(&sketch.name);
        let is_like = |a: &String, b: &String| a == b || (a.len() > 3 && a.chars().take(4).eq(b.chars().take(4)));
        name.iter().filter(|part| wanted.iter().any(|other| is_like(part, other))).count()
    };
    let mut like: Vec<&ColumnSketch> =
        columns.iter().filter(|sketch| !sketch.is_measured && likeness(sketch) > 0).collect();
    like.sort_by_key(|sketch| std::cmp::Reverse(likeness(sketch)));
    like.into_iter().take(SHOWN).map(candidate).collect()
}

/// Whether a few values stand in many of the rows that were looked at.
pub(super) fn repeats(sketch: &ColumnSketch) -> bool {
    sketch.values.len() < SHOWN_VALUES && 2 * sketch.values.len() <= sketch.n_cells()
}

/// Whether a column says where on a plate a well is.
pub(super) fn is_place(sketch: &ColumnSketch) -> bool {
    ["row", "column", "col", "well", "site", "field"].contains(&plain(&sketch.name).as_str())
}

/// Whether the numbers of a column have fractions.
pub(super) fn is_measured(sketch: &ColumnSketch) -> bool {
    let is_fraction = |value: &String| value.parse::<f64>().is_ok_and(|number| number.fract() != 0.0);
    sketch.is_numeric() && (sketch.values.is_empty() || sketch.values.iter().any(is_fraction))
}

/// Whether a column speaks of what was applied or of what came of it, and not of where it was.
pub(super) fn says_what_was_done(sketch: &ColumnSketch) -> bool {
    const WORDS: [&str; 18] = [
        "guide",
        "grna",
        "sgrna",
        "sirna",
        "gene",
        "compound",
        "drug",
        "target",
        "sequence",
        "moa",
        "mechanism",
        "truth",
        "class",
        "phenotype",
        "smiles",
        "pathway",
        "control",
        "treatment",
    ];
    plain(&sketch.name).split('_').any(|word| WORDS.contains(&word))
}
