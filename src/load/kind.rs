//! What kind of agent a perturbation is, as columns, words and codes tell it.

use std::collections::BTreeSet;

use super::card::Card;
use super::mapping::{ColumnRole, Mapping};
use super::table::{RawTable, distinct};
use super::vehicle::{Standing, standing};
use crate::screen::Kind;

/// The kind that the name of the perturbations' column suggests; a column of genes says nothing of how they were perturbed,
/// and there is no word for proteins.
pub(super) fn of_column(perturbation_column: &str) -> Kind {
    let name = perturbation_column.to_lowercase();
    match () {
        () if name.contains("sirna") || name.contains("shrna") => Kind::Rnai,
        () if ["sgrna", "grna", "guide", "crispr"].iter().any(|word| name.contains(word)) => Kind::Crispr,
        () if super::mapping::plain(&name) == "orf" => Kind::Orf,
        () if ["gene", "symbol", "ligand", "cytokine", "antibody"].iter().any(|word| name.contains(word)) => {
            Kind::Other
        }
        () => Kind::Compound,
    }
}

/// The kind that a word means; `trt_oe.mut` is one of the words of LINCS and JUMP, which tell a role too.
pub(super) fn of_word(text: &str) -> Option<Kind> {
    let text = text.to_lowercase().replace(['-', '_'], " ");
    Some(match text.as_str() {
        "compound" | "chemical" | "drug" | "small molecule" => Kind::Compound,
        "crispr" | "knockout" | "crispr ko" | "crispr knockout" | "crisprko" | "crisprn" | "sgrna" => Kind::Crispr,
        "crispri" | "crispr i" | "crispr interference" | "knockdown" | "crispr knockdown" => Kind::Crispri,
        "crispra" | "crispr a" | "crispr activation" => Kind::Crispra,
        "orf" | "overexpression" => Kind::Orf,
        "rnai" | "sirna" | "shrna" => Kind::Rnai,
        "other" | "trt lig" | "trt aby" | "ligand" | "antibody" | "cytokine" => Kind::Other,
        text if text.starts_with("trt cp") => Kind::Compound,
        text if text.starts_with("trt xpr") => Kind::Crispr,
        text if text.starts_with("trt oe") => Kind::Orf,
        text if text.starts_with("trt sh") || text.starts_with("trt si") => Kind::Rnai,
        _ => return None,
    })
}

/// A card that calls perturbations genes, with a word on it, where nothing says otherwise and they are: most are columns of the
/// matrix, if it is one, or a control stands in sets with them, as in `KLF1+ctrl`.
pub(super) fn with_genes(
    mut card: Card,
    table: &RawTable,
    mapping: &Mapping,
    is_matrix: bool,
    notes: &mut Vec<String>,
) -> Card {
    let Some(column) = mapping.column(ColumnRole::Perturbation) else { return card };
    let is_open =
        card.kind.is_none() && mapping.column(ColumnRole::Kind).is_none() && of_column(column) == Kind::Compound;
    let has_doses = mapping.column(ColumnRole::Dose).is_some();
    let Some(texts) = table.text(column).filter(|_| is_open && !has_doses) else { return card };
    let names = distinct(texts);
    let is_control = |name: &&str| standing(name) == Some(Standing::Control);
    // Compounds are written next to their vehicle too.
    let is_beside_control =
        |name: &&&str| name.split('+').count() == 2 && name.split('+').any(|part| part.eq_ignore_ascii_case("ctrl"));
    let members: BTreeSet<&str> =
        names.iter().flat_map(|name| name.split('+')).filter(|name| !is_control(name)).collect();
    let columns: BTreeSet<&str> = mapping.features.iter().map(String::as_str).collect();
    let n_columns = members.intersection(&columns).count();
    let why = match () {
        () if members.is_empty() => return card,
        () if is_matrix && 2 * n_columns > members.len() => {
            format!("{n_columns} of {} are columns of the matrix", members.len())
        }
        () if names.iter().filter(is_beside_control).count() > 0 => "a control stands next to them in sets".to_owned(),
        () => return card,
    };
    card.kind = Some(Kind::Other);
    notes.push(format!(
        "the names in `{column}` are taken for genes, since {why}; `kind = \"crispri\"` or the like at the top of a card \
         says what was done to them"
    ));
    card
}

/// Whether a column of this name holds words of which some tell a role and some a kind.
pub(super) fn is_of_roles(column: &str) -> bool {
    super::mapping::plain(column) == "pert_type"
}

/// The kind that a code of JUMP tells.
pub(super) fn of_code(name: &str) -> Option<Kind> {
    let number: u32 = name.trim().to_uppercase().strip_prefix("JCP2022_")?.parse().ok()?;
    Some(match number {
        0..800_000 => Kind::Compound,
        800_000..900_000 => Kind::Crispr,
        900_000.. => Kind::Orf,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_codes_tell_kinds() {
        for (text, kind) in [
            ("trt_cp", Some(Kind::Compound)),
            ("trt_oe.mut", Some(Kind::Orf)),
            ("trt_xpr", Some(Kind::Crispr)),
            ("trt_sh.cgs", Some(Kind::Rnai)),
            ("Small-Molecule", Some(Kind::Compound)),
            ("CRISPRi", Some(Kind::Crispri)),
            ("CRISPR-a", Some(Kind::Crispra)),
            ("trt_lig", Some(Kind::Other)),
            ("trt", None),
        ] {
            assert_eq!(of_word(text), kind, "{text}");
        }
        assert_eq!(of_code("JCP2022_805264"), Some(Kind::Crispr));
        assert_eq!(of_code("JCP2022_915132"), Some(Kind::Orf));
        assert_eq!(of_code("JCP2022_037716"), Some(Kind::Compound));
        assert_eq!(of_code("taxol"), None);
    }
}
