//! Which column means what: the card's word, else a flag's, else a usual name.
//!
//! Two grammars are known by their names. pycytominer and JUMP tables write metadata as `Metadata_Plate`,
//! `Metadata_Well`, `Metadata_broad_sample`, `Metadata_mmoles_per_liter`, and features as `Cells_…`, `Nuclei_…`,
//! `Cytoplasm_…`, `Image_…`. Plain tables write `plate`, `well`, `compound`, `dose_um`. Both are one list of words here,
//! since the prefix `Metadata_` and the case of letters are ignored. A role with several candidate columns takes the
//! word that stands first in its list, so the choice does not depend on the order of columns.

use std::fmt;
use std::path::Path;

use super::card::{Card, Columns};
use super::declared::ColumnOrValue;
use super::error::LoadError;
use super::left_out::LeftOut;
use super::numbered::{NumberedColumns, numbered_columns};
use super::table::{RawColumn, RawTable, Values};
use crate::screen::{DoseUnit, OriginColumn};
use crate::table::first_few;

/// What a column can be to a screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ColumnRole {
    /// Plate barcode.
    Plate,
    /// Well name.
    Well,
    /// Field of view.
    Site,
    /// Wells processed together.
    LabBatch,
    /// Replicate label.
    Replicate,
    /// What was applied.
    Perturbation,
    /// Its concentration.
    Dose,
    /// The unit of each row's concentration.
    DoseUnit,
    /// Its duration.
    Hours,
    /// What kind of agent it is.
    Kind,
    /// What the well was for.
    Role,
    /// Mechanism of action.
    Moa,
    /// Cells counted.
    CellCount,
    /// What stays fixed over a transition.
    Context,
}

/// A column with its role and the reason for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappedColumn {
    /// The role.
    pub role: ColumnRole,
    /// The column's name in the file.
    pub column: String,
    /// Why this column, in words.
    pub why: String,
    /// Whether it stands in no file and was made of other columns or of a declaration.
    pub is_made: bool,
}

/// The resolved meaning of all columns.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mapping {
    /// Columns with a role; several have the role of context.
    pub columns: Vec<MappedColumn>,
    /// Unit of the dose column.
    pub dose_unit: Option<DoseUnit>,
    /// Why this unit, in words; empty without a dose column.
    pub dose_unit_why: String,
    /// The column that numbers the cells of wells, where rows are cells.
    pub cells: Option<String>,
    /// Columns of one value in all rows, with the value.
    pub values: Vec<(String, String)>,
    /// Columns within which names of plates count.
    pub plate_within: Vec<String>,
    /// Names of the feature columns, in the order of the file.
    pub features: Vec<String>,
    /// How the features were told from the rest, in words.
    pub features_why: String,
    /// Columns that could be taken for features and are not.
    pub left_out: Vec<LeftOut>,
    /// How the roles of wells were told, in words.
    pub controls_why: String,
    /// Metadata columns kept as labels, under their names in the screen.
    pub labels: Vec<String>,
}

impl ColumnRole {
    /// All roles, in the order in which they are shown.
    pub const ALL: [Self; 14] = [
        Self::Plate,
        Self::Well,
        Self::Site,
        Self::LabBatch,
        Self::Replicate,
        Self::Perturbation,
        Self::Dose,
        Self::DoseUnit,
        Self::Hours,
        Self::Kind,
        Self::Role,
        Self::Moa,
        Self::CellCount,
        Self::Context,
    ];

    /// The role's word in a card.
    pub fn word(self) -> &'static str {
        match self {
            Self::Plate => "plate",
            Self::Well => "well",
            Self::Site => "site",
            Self::LabBatch => "lab_batch",
            Self::Replicate => "replicate",
            Self::Perturbation => "perturbation",
            Self::Dose => "dose",
            Self::DoseUnit => "dose_unit",
            Self::Hours => "hours",
            Self::Kind => "kind",
            Self::Role => "role",
            Self::Moa => "moa",
            Self::CellCount => "cell_count",
            Self::Context => "context",
        }
    }

    /// Usual names, most telling first, in small letters and without `Metadata_`.
    pub(super) fn usual_names(self) -> &'static [&'static str] {
        match self {
            Self::Plate => &["plate", "assay_plate_barcode", "plate_barcode", "barcode", "plate_id", "plate_name"],
            Self::Well => &["well", "well_name", "well_position", "well_id", "destination_well", "address"],
            Self::Site => &[
                "site",
                "field",
                "fov",
                "field_id",
                "site_id",
                "fov_id",
                "field_of_view",
                "field_index",
                "field_number",
                "site_number",
                "site_index",
            ],
            Self::LabBatch => &["lab_batch", "batch", "batch_number", "batch_id", "experiment", "experiment_name"],
            Self::Replicate => &["replicate", "rep", "replicate_id", "replicate_number"],
            Self::Perturbation => &[
                "perturbation",
                "treatment",
                "compound",
                "compound_name",
                "pert_iname",
                "broad_sample",
                "jcp2022",
                "drug",
                "sirna",
                "target_gene",
                "gene",
                "gene_symbol",
                "symbol",
                "sgrna",
                "grna",
                "shrna",
                "guide",
                "orf",
                "ligand",
                "cytokine",
                "antibody",
                "condition",
            ],
            Self::Dose => &[
                "dose_um",
                "concentration_um",
                "conc_um",
                "dose_nm",
                "concentration_nm",
                "conc_nm",
                "dose_mm",
                "concentration_mm",
                "mmoles_per_liter",
                "dose",
                "concentration",
                "conc",
                "dose_value",
                "pert_dose",
            ],
            Self::DoseUnit => &[
                "dose_unit",
                "dose_units",
                "pert_dose_unit",
                "pert_dose_units",
                "concentration_unit",
                "concentration_units",
                "conc_unit",
                "conc_units",
                "dose_uom",
                "uom",
            ],
            Self::Hours => &["hours", "time_h", "time_hours", "hours_post_treatment", "pert_time_h", "duration_h"],
            Self::Kind => &["kind", "perturbation_type", "perturbation_kind", "treatment_type"],
            Self::Role => &["role", "control_type", "well_type", "well_role", "pert_type"],
            Self::Moa => &["moa", "mechanism_of_action", "mechanism"],
            Self::CellCount => {
                &["cell_count", "object_count", "n_cells", "count_cells", "num_cells", "nuclei_count", "count_nuclei"]
            }
            Self::Context => {
                &["cell_line", "cell_id", "cell_type", "donor", "donor_id", "hours", "time_h", "time_hours"]
            }
        }
    }
}

impl Mapping {
    /// The columns of the files that queries may ask for by their own names.
    pub(super) fn origin_columns(&self) -> Vec<OriginColumn> {
        let factor = self.dose_unit.and_then(|unit| unit.in_micromolar(None)).unwrap_or(1.0);
        let of_files = self.columns.iter().filter(|mapped| !mapped.is_made);
        let known = of_files.filter_map(|mapped| {
            let (ours, factor) = match mapped.role {
                ColumnRole::Dose => ("dose_um", factor),
                ColumnRole::Context | ColumnRole::DoseUnit | ColumnRole::Kind | ColumnRole::Role => return None,
                role => (role.word(), 1.0),
            };
            (mapped.column != ours).then(|| OriginColumn { name: mapped.column.clone(), ours: ours.to_owned(), factor })
        });
        known.collect()
    }
}

impl fmt::Display for ColumnRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl Columns {
    /// What is declared for a role that has one column; empty text for "none".
    pub fn get(&self, role: ColumnRole) -> Option<&ColumnOrValue> {
        match role {
            ColumnRole::Plate => self.plate.as_ref(),
            ColumnRole::Well => self.well.as_ref(),
            ColumnRole::Site => self.site.as_ref(),
            ColumnRole::LabBatch => self.lab_batch.as_ref(),
            ColumnRole::Replicate => self.replicate.as_ref(),
            ColumnRole::Perturbation => self.perturbation.as_ref(),
            ColumnRole::Dose => self.dose.as_ref(),
            ColumnRole::DoseUnit => self.dose_unit.as_ref(),
            ColumnRole::Hours => self.hours.as_ref(),
            ColumnRole::Kind => self.kind.as_ref(),
            ColumnRole::Role => self.role.as_ref(),
            ColumnRole::Moa => self.moa.as_ref(),
            ColumnRole::CellCount => self.cell_count.as_ref(),
            ColumnRole::Context => None,
        }
    }

    /// Declares what has a role that one column has.
    pub(super) fn set(&mut self, role: ColumnRole, declared: Option<ColumnOrValue>) {
        let place = match role {
            ColumnRole::Plate => &mut self.plate,
            ColumnRole::Well => &mut self.well,
            ColumnRole::Site => &mut self.site,
            ColumnRole::LabBatch => &mut self.lab_batch,
            ColumnRole::Replicate => &mut self.replicate,
            ColumnRole::Perturbation => &mut self.perturbation,
            ColumnRole::Dose => &mut self.dose,
            ColumnRole::DoseUnit => &mut self.dose_unit,
            ColumnRole::Hours => &mut self.hours,
            ColumnRole::Kind => &mut self.kind,
            ColumnRole::Role => &mut self.role,
            ColumnRole::Moa => &mut self.moa,
            ColumnRole::CellCount => &mut self.cell_count,
            ColumnRole::Context => return,
        };
        *place = declared;
    }

    /// What these columns say, and what `weaker` says where these say nothing.
    pub fn or(&self, weaker: &Columns) -> Columns {
        let pick = |a: &Option<ColumnOrValue>, b: &Option<ColumnOrValue>| a.clone().or_else(|| b.clone());
        Columns {
            plate: pick(&self.plate, &weaker.plate),
            plate_within: self.plate_within.clone().or_else(|| weaker.plate_within.clone()),
            well: pick(&self.well, &weaker.well),
            site: pick(&self.site, &weaker.site),
            lab_batch: pick(&self.lab_batch, &weaker.lab_batch),
            replicate: pick(&self.replicate, &weaker.replicate),
            perturbation: pick(&self.perturbation, &weaker.perturbation),
            separator: self.separator.clone().or_else(|| weaker.separator.clone()),
            dose: pick(&self.dose, &weaker.dose),
            dose_unit: pick(&self.dose_unit, &weaker.dose_unit),
            doses: if self.doses.is_empty() { weaker.doses.clone() } else { self.doses.clone() },
            hours: pick(&self.hours, &weaker.hours),
            kind: pick(&self.kind, &weaker.kind),
            role: pick(&self.role, &weaker.role),
            moa: pick(&self.moa, &weaker.moa),
            cell_count: pick(&self.cell_count, &weaker.cell_count),
            context: self.context.clone().or_else(|| weaker.context.clone()),
            labels: self.labels.clone().or_else(|| weaker.labels.clone()),
        }
    }
}

impl Mapping {
    /// The column with this role; of several context columns the first.
    pub fn column(&self, role: ColumnRole) -> Option<&str> {
        self.columns.iter().find(|mapped| mapped.role == role).map(|mapped| mapped.column.as_str())
    }

    /// The context columns, in order.
    pub fn context(&self) -> Vec<&str> {
        let context = self.columns.iter().filter(|mapped| mapped.role == ColumnRole::Context);
        context.map(|mapped| mapped.column.as_str()).collect()
    }

    /// What to know of columns that a merge in pandas doubled, where the two disagree.
    pub(super) fn twin_notes(&self, table: &RawTable) -> Vec<String> {
        let mut notes = Vec::new();
        for MappedColumn { role, column, .. } in &self.columns {
            let Some(other) = column.strip_suffix("_x").map(|name| format!("{name}_y")) else { continue };
            let (Some(values), Some(others)) = (table.text(column), table.text(&other)) else { continue };
            let n_different = values.iter().zip(others).filter(|(value, other)| value != other).count();
            if n_different > 0 {
                notes.push(format!(
                    "`{column}` and `{other}` differ in {n_different} of {} rows, and `{column}` is taken as `{role}`; \
                     name the right one under [columns]",
                    table.n_rows()
                ));
            }
        }
        notes
    }

    /// The roles of the columns called `names`; `card` holds what flags and card declare.
    ///
    /// # Errors
    /// If a declared column is absent, or doses have no unit.
    pub(super) fn of_names(path: &Path, names: &[String], card: &Card) -> Result<Self, LoadError> {
        let has_negative_rule = card.has_negative_rule();
        let mut mapping = Self::default();
        for role in ColumnRole::ALL {
            match card.columns.get(role) {
                Some(ColumnOrValue::Column(column)) if column.is_empty() => {}
                Some(declared) => mapping.declare(path, names, role, declared)?,
                // Declared rules tell the roles; a column called `control_type` is a label then.
                None if role == ColumnRole::Role && has_negative_rule => {}
                // One column for each perturbation's dose leaves nothing to these two.
                None if matches!(role, ColumnRole::Perturbation | ColumnRole::Dose)
                    && !card.columns.doses.is_empty() => {}
                // The doses of members are found with them.
                None if role == ColumnRole::Perturbation => mapping.infer_perturbations(names, card),
                None if role == ColumnRole::Dose && mapping.column(ColumnRole::Dose).is_some() => {}
                None if role == ColumnRole::Dose && mapping.infer_doses_of_members(names) => {}
                // A unit without a dose beside it is one of something else.
                None if role == ColumnRole::DoseUnit => mapping.map_unit_column(names),
                None if role == ColumnRole::Context => mapping.map_context(path, names, card)?,
                None => match usual_column(names, role) {
                    Some(column) => mapping.infer(role, column),
                    None if role == ColumnRole::Dose => mapping.infer_dose(names),
                    None => {}
                },
            }
        }
        for column in card.columns.doses.values() {
            mapping.declare_column(path, names, ColumnRole::Dose, column)?;
        }
        mapping.map_dose_unit(card);
        Ok(mapping)
    }

    /// The column beside the doses that holds their units, by a usual name or as `DOSE_unit`.
    fn map_unit_column(&mut self, names: &[String]) {
        let Some(dose) = self.column(ColumnRole::Dose).map(plain) else { return };
        let beside = [format!("{dose}_unit"), format!("{dose}_units")];
        let column = beside.iter().find_map(|word| named(names, word)).or(usual_column(names, ColumnRole::DoseUnit));
        // So general a word is believed only where the unit is not known otherwise.
        let general = || ["unit", "units"].into_iter().find_map(|word| named(names, word));
        let is_open = self.column(ColumnRole::Dose).is_some_and(|dose| unit_in_name(dose).is_none());
        if let Some(column) = column.or_else(|| general().filter(|_| is_open)) {
            self.infer(ColumnRole::DoseUnit, column);
        }
    }

    fn declare(
        &mut self,
        path: &Path,
        names: &[String],
        role: ColumnRole,
        declared: &ColumnOrValue,
    ) -> Result<(), LoadError> {
        match declared {
            ColumnOrValue::Column(column) => self.declare_column(path, names, role, column),
            ColumnOrValue::Columns(columns) => {
                columns.iter().try_for_each(|column| self.declare_column(path, names, role, column))
            }
            ColumnOrValue::Value(value) => {
                self.declare_value(names, role, value);
                Ok(())
            }
        }
    }

    fn declare_column(
        &mut self,
        path: &Path,
        names: &[String],
        role: ColumnRole,
        column: &str,
    ) -> Result<(), LoadError> {
        if !names.iter().any(|name| name == column) {
            return Err(LoadError::MissingColumn {
                path: path.to_path_buf(),
                column: column.to_owned(),
                mend: format!(
                    "it is declared as `{role}`; the columns are {} (for one value in all rows: `{role} = {{ value = \
                     \"…\" }}`)",
                    first_few(names, 12)
                ),
            });
        }
        self.columns.push(MappedColumn { role, column: column.to_owned(), why: "declared".to_owned(), is_made: false });
        Ok(())
    }

    /// A column that the table gets once it is read, by a name that it does not have yet.
    fn declare_value(&mut self, names: &[String], role: ColumnRole, value: &str) {
        let is_taken = |name: &String| names.contains(name) || self.columns.iter().any(|mapped| mapped.column == *name);
        let mut column = role.word().to_owned();
        while is_taken(&column) {
            column += "_of_card";
        }
        let why = format!("{value:?} in all rows, as declared");
        self.columns.push(MappedColumn { role, column: column.clone(), why, is_made: true });
        self.values.push((column, value.to_owned()));
    }

    /// Adds the columns of the values that are declared for all rows.
    pub(super) fn add_values(&self, table: &mut RawTable) {
        for (column, value) in &self.values {
            let values = Values::Text(vec![Some(value.clone()); table.n_rows()]);
            table.columns.push(RawColumn { name: column.clone(), values });
        }
    }

    fn infer(&mut self, role: ColumnRole, column: &str) {
        let why = format!("a usual name for `{role}`");
        self.columns.push(MappedColumn { role, column: column.to_owned(), why, is_made: false });
    }

    /// The column of perturbations; or several with a number in their names, where each holds a member of a set.
    fn infer_perturbations(&mut self, names: &[String], card: &Card) {
        let usual = usual_column(names, ColumnRole::Perturbation);
        let numbered = numbered_columns(names).filter(|numbered| {
            let has_doses_apart = !numbered.doses.is_empty() && usual_column(names, ColumnRole::Dose).is_none();
            usual.is_none_or(|usual| numbered.perturbations.contains(&usual)) || has_doses_apart
        });
        let Some(NumberedColumns { perturbations, doses }) = numbered else {
            if let Some(column) = usual {
                self.infer(ColumnRole::Perturbation, column);
            }
            return;
        };
        let doses = if card.columns.dose.is_none() { doses } else { Vec::new() };
        let of_role = |role: ColumnRole, columns: Vec<&str>| {
            let mapped = columns.into_iter().enumerate().map(move |(index, column)| MappedColumn {
                role,
                column: column.to_owned(),
                why: format!("member {} of what was applied together, by its name", index + 1),
                is_made: false,
            });
            mapped.collect::<Vec<_>>()
        };
        self.columns.extend(of_role(ColumnRole::Perturbation, perturbations));
        self.columns.extend(of_role(ColumnRole::Dose, doses));
    }

    /// The doses beside several columns of perturbations that are declared; whether there are such.
    fn infer_doses_of_members(&mut self, names: &[String]) -> bool {
        let of_perturbations = self.columns.iter().filter(|mapped| mapped.role == ColumnRole::Perturbation);
        let declared: Vec<&str> = of_perturbations.map(|mapped| mapped.column.as_str()).collect();
        let numbered = numbered_columns(names);
        let Some(NumberedColumns { doses, .. }) = numbered.filter(|numbered| numbered.perturbations == declared) else {
            return false;
        };
        let doses: Vec<String> = doses.into_iter().map(str::to_owned).collect();
        doses.iter().for_each(|column| self.infer(ColumnRole::Dose, column));
        !doses.is_empty()
    }

    /// A name that is made of nothing but words for a dose, as `Final conc. [µM]`; of several none is chosen.
    fn infer_dose(&mut self, names: &[String]) {
        let is_free = |name: &&String| !self.columns.iter().any(|mapped| mapped.column == **name);
        let mut doses: Vec<&String> = names.iter().filter(is_free).filter(|name| is_dose_name(name)).collect();
        doses.dedup_by_key(|name| untwinned(&plain(name)).to_owned());
        if let [column] = doses[..] {
            let why = "its name is made of words for a dose".to_owned();
            self.columns.push(MappedColumn { role: ColumnRole::Dose, column: column.clone(), why, is_made: false });
        }
    }

    fn map_context(&mut self, path: &Path, names: &[String], card: &Card) -> Result<(), LoadError> {
        if let Some(columns) = &card.columns.context {
            return columns.iter().try_for_each(|column| self.declare(path, names, ColumnRole::Context, column));
        }
        let usual = ColumnRole::Context.usual_names().iter().filter_map(|word| named(names, word));
        // A plate column that happens to be called by a word of context stays what it is; only hours are both.
        let taken: Vec<&str> =
            self.columns.iter().filter(|mapped| mapped.role != ColumnRole::Hours).map(|m| m.column.as_str()).collect();
        let columns: Vec<String> = usual.filter(|column| !taken.contains(column)).map(str::to_owned).collect();
        columns.iter().for_each(|column| self.infer(ColumnRole::Context, column));
        Ok(())
    }

    /// Lets columns of the tables have their roles, where columns joined to them unasked have names that are more usual.
    pub(super) fn prefer(&mut self, own: &[String], card: &Card) {
        for mapped in &mut self.columns {
            let is_open = card.columns.get(mapped.role).is_none() && mapped.role != ColumnRole::Context;
            if is_open
                && !own.contains(&mapped.column)
                && let Some(column) = usual_column(own, mapped.role)
            {
                mapped.column = column.to_owned();
            }
        }
        (self.dose_unit, self.dose_unit_why) = (None, String::new());
        self.map_dose_unit(card);
    }

    pub(super) fn map_dose_unit(&mut self, card: &Card) {
        let doses = self.columns.iter().filter(|mapped| mapped.role == ColumnRole::Dose);
        let known = doses.map(|mapped| &mapped.column).find_map(|column| Some((unit_of(card, column)?, column)));
        if let Some((unit, column)) = known {
            self.dose_unit_why = match card.dose_unit {
                Some(_) => "declared".to_owned(),
                None => format!("the name `{column}` gives it"),
            };
            self.dose_unit = Some(unit);
        }
    }
}

/// The column that `word` (a role's word or a column's name) means in a table.
pub(super) fn column_called<'a>(names: &'a [String], word: &str, mapping: Option<&Mapping>) -> Option<&'a str> {
    if let Some(name) = names.iter().find(|name| *name == word) {
        return Some(name);
    }
    let role = ColumnRole::ALL.into_iter().find(|role| role.word() == word)?;
    let mapped = mapping.and_then(|mapping| mapping.column(role));
    match mapped.and_then(|column| names.iter().find(|name| *name == column)) {
        Some(name) => Some(name),
        None => usual_column(names, role),
    }
}

fn usual_column(names: &[String], role: ColumnRole) -> Option<&str> {
    role.usual_names().iter().find_map(|word| named(names, word))
}

/// Whether columns of this name usually have a role.
pub(super) fn is_usual_name(name: &str) -> bool {
    let name = plain(name);
    ColumnRole::ALL.iter().any(|role| role.usual_names().contains(&name.as_str())) || is_dose_name(&name)
}

/// The first column called `word`, apart from case, blanks and signs, and `Metadata_`; else the first of the two that a
/// merge in pandas leaves, `…_x` and `…_y`.
fn named<'a>(names: &'a [String], word: &str) -> Option<&'a str> {
    let squeezed = |text: &str| text.replace('_', "");
    let (wanted, wanted_x, wanted_y) = (squeezed(word), format!("{word}_x"), format!("{word}_y"));
    let rank = |name: &str| {
        let name = plain(name);
        [name == word, squeezed(&name) == wanted, name == wanted_x, name == wanted_y].iter().position(|is| *is)
    };
    let ranked = names.iter().filter_map(|name| Some((rank(name)?, name)));
    ranked.min_by_key(|(rank, _)| *rank).map(|(_, name)| name.as_str())
}

/// A name in small letters, without `Metadata_`, its words joined by `_`: `Dose [µM]` is `dose_um`.
pub(super) fn plain(name: &str) -> String {
    let name = name.strip_prefix("Image_").filter(|rest| rest.starts_with("Metadata_")).unwrap_or(name);
    let name = name.strip_prefix("Metadata_").unwrap_or(name).to_lowercase().replace(['µ', 'μ'], "u");
    let words: Vec<&str> =
        name.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    words.join("_")
}

/// A plain name without the `_x` or `_y` that a merge in pandas appends to columns that both of its sides have.
pub(super) fn untwinned(name: &str) -> &str {
    name.strip_suffix("_x").or_else(|| name.strip_suffix("_y")).unwrap_or(name)
}

/// Whether a name says nothing but that the column holds doses, as `Final conc. [µM]` does.
pub(super) fn is_dose_name(name: &str) -> bool {
    const DOSES: [&str; 9] =
        ["dose", "doses", "conc", "concentration", "concentrations", "molarity", "konzentration", "konz", "dosis"];
    const BESIDE: [&str; 37] = [
        "drug",
        "compound",
        "cmpd",
        "cpd",
        "treatment",
        "pert",
        "perturbation",
        "final",
        "nominal",
        "applied",
        "assay",
        "actual",
        "value",
        "level",
        "in",
        "um",
        "nm",
        "mm",
        "m",
        "micromolar",
        "nanomolar",
        "millimolar",
        "molar",
        "ng",
        "ml",
        "per",
        "umol",
        "nmol",
        "mmol",
        "mol",
        "l",
        "liter",
        "litre",
        "well",
        "screen",
        "screening",
        "tested",
    ];
    // `[Drug] (µM)` speaks of doses by its unit.
    let has_molar_unit = ["uM", "µM", "μM", "nM", "mM"].iter().any(|unit| {
        let rest = name.trim_end_matches([')', ']', ' ']).strip_suffix(unit);
        rest.is_some_and(|rest| rest.ends_with(['(', '[', ' ']))
    });
    let is_of_words = |name: &str| {
        let name = plain(name);
        let words: Vec<&str> = untwinned(&name).split('_').collect();
        (has_molar_unit || words.iter().any(|word| DOSES.contains(word)))
            && words.iter().all(|word| DOSES.contains(word) || BESIDE.contains(word))
    };
    is_of_words(name) || is_of_words(&apart(name))
}

/// A name with its words apart where capitals begin them: `ConcentrationInUM`, but not `Dose_uM`.
fn apart(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    let mut text = String::with_capacity(name.len() + 4);
    for (index, &letter) in letters.iter().enumerate() {
        let is_after_word = index > 1 && letters[index - 1].is_lowercase() && letters[index - 2].is_alphabetic();
        if letter.is_uppercase() && is_after_word {
            text.push('_');
        }
        text.push(letter);
    }
    text
}

/// The unit of a dose column: declared, or told by its name.
pub(super) fn unit_of(card: &Card, column: &str) -> Option<DoseUnit> {
    card.dose_unit.or_else(|| unit_in_name(column))
}

pub(super) fn unit_in_name(column: &str) -> Option<DoseUnit> {
    unit_of_name(column).or_else(|| unit_of_name(&apart(column)).filter(|_| is_dose_name(column)))
}

fn unit_of_name(column: &str) -> Option<DoseUnit> {
    let name = plain(column);
    let name = untwinned(&name);
    let ends = |endings: &[&str]| endings.iter().any(|ending| name.ends_with(ending));
    match () {
        () if ends(&["_um", "micromolar", "_umol_l", "_umol_per_l"]) => Some(DoseUnit::Micromolar),
        () if ends(&["_nm", "nanomolar", "_nmol_l", "_nmol_per_l"]) => Some(DoseUnit::Nanomolar),
        () if ends(&["_mm", "mmoles_per_liter", "millimolar", "_mmol_l", "_mmol_per_l"]) => Some(DoseUnit::Millimolar),
        () if ends(&["_ng_ml", "_ng_per_ml"]) => Some(DoseUnit::NanogramPerMilliliter),
        () if ends(&["_m", "_molar", "_mol_l"]) && is_dose_name(column) => Some(DoseUnit::Molar),
        // `Conc_uM_final`: a name of nothing but words for a dose may have its unit anywhere, if it has one only.
        () if is_dose_name(column) => {
            let units = name.split('_').filter_map(|word| match word {
                "um" => Some(DoseUnit::Micromolar),
                "nm" => Some(DoseUnit::Nanomolar),
                "mm" => Some(DoseUnit::Millimolar),
                _ => None,
            });
            match units.collect::<Vec<_>>().as_slice() {
                [unit] => Some(*unit),
                _ => None,
            }
        }
        () => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapping(names: &[&str], card: &Card) -> Result<Mapping, LoadError> {
        let names: Vec<String> = names.iter().map(|name| name.to_string()).collect();
        Mapping::of_names(Path::new("t.csv"), &names, card)
    }

    #[test]
    fn knows_pycytominer_and_plain_names() {
        let pycytominer = [
            "Metadata_Assay_Plate_Barcode",
            "Metadata_Well",
            "Metadata_broad_sample",
            "Metadata_mmoles_per_liter",
            "Metadata_cell_id",
        ];
        let found = mapping(&pycytominer, &Card::default()).unwrap();
        assert_eq!(found.column(ColumnRole::Plate), Some("Metadata_Assay_Plate_Barcode"));
        assert_eq!(found.column(ColumnRole::Perturbation), Some("Metadata_broad_sample"));
        assert_eq!(found.dose_unit, Some(DoseUnit::Millimolar));
        assert_eq!(found.context(), ["Metadata_cell_id"]);
        let plain = mapping(&["Plate", "WELL", "drug", "dose_nM", "time_h"], &Card::default()).unwrap();
        assert_eq!(plain.column(ColumnRole::Well), Some("WELL"));
        assert_eq!(plain.dose_unit, Some(DoseUnit::Nanomolar));
        assert_eq!(plain.context(), ["time_h"]);
    }

    #[test]
    fn units_stand_in_headers_in_many_ways() {
        use DoseUnit::{Micromolar, Millimolar, Molar, NanogramPerMilliliter, Nanomolar};
        let cases = [
            ("Concentration (uM)", Micromolar),
            ("Dose [µM]", Micromolar),
            ("Final conc. [μM]", Micromolar),
            ("conc_nM", Nanomolar),
            ("Drug Concentration (nM)", Nanomolar),
            ("Metadata_mmoles_per_liter_x", Millimolar),
            ("dose_um_y", Micromolar),
            ("Compound concentration / M", Molar),
            ("Concentration (ng/mL)", NanogramPerMilliliter),
            ("Konzentration [µmol/l]", Micromolar),
            ("Cpd conc (nmol/L)", Nanomolar),
            ("Conc_uM_Final", Micromolar),
            ("[Drug] (µM)", Micromolar),
            ("ConcentrationInUM", Micromolar),
            ("DoseUM", Micromolar),
        ];
        for (name, unit) in cases {
            let mapped = mapping(&["Plate", "Well", "Compound", name, "emb_0"], &Card::default()).unwrap();
            assert_eq!((mapped.column(ColumnRole::Dose), mapped.dose_unit), (Some(name), Some(unit)), "{name}");
        }
        // Not a dose, or none that could be chosen.
        for names in
            [&["stock concentration", "length_um"][..], &["log10 dose", "dna_conc"], &["drug dose", "final conc"]]
        {
            let names = [&["plate", "compound"][..], names].concat();
            assert_eq!(mapping(&names, &Card::default()).unwrap().column(ColumnRole::Dose), None, "{names:?}");
        }
    }

    #[test]
    fn of_the_twins_of_a_merge_the_first_is_taken_and_a_plain_name_before_both() {
        let mapped =
            mapping(&["Plate_y", "Plate_x", "Cell Line", "compound_x", "Compound Name"], &Card::default()).unwrap();
        assert_eq!(mapped.column(ColumnRole::Plate), Some("Plate_x"));
        assert_eq!(mapped.column(ColumnRole::Perturbation), Some("compound_x"));
        assert_eq!(mapped.context(), ["Cell Line"]);
        let mapped = mapping(&["well_x", "Well", "plate"], &Card::default()).unwrap();
        assert_eq!(mapped.column(ColumnRole::Well), Some("Well"));
    }

    #[test]
    fn a_unit_is_declared_or_in_the_name_or_beside_the_dose() {
        let unit = |names: &[&str], card: &Card| mapping(names, card).unwrap().dose_unit;
        assert_eq!(unit(&["plate", "compound", "dose"], &Card::default()), None);
        let declared = Card { dose_unit: Some(DoseUnit::Nanomolar), ..Card::default() };
        assert_eq!(mapping(&["plate", "compound", "dose"], &declared).unwrap().dose_unit_why, "declared");
        let columns = Columns { dose: Some("".into()), ..Columns::default() };
        let without = Card { columns, ..Card::default() };
        assert_eq!(mapping(&["plate", "compound", "dose", "dose_unit"], &without).unwrap().columns.len(), 2);
        let beside =
            |names: &[&str]| mapping(names, &Card::default()).unwrap().column(ColumnRole::DoseUnit).map(str::to_owned);
        let found = beside(&["compound", "Metadata_pert_dose", "Metadata_pert_dose_unit"]);
        assert_eq!(found.as_deref(), Some("Metadata_pert_dose_unit"));
        assert_eq!(beside(&["compound", "Dose", "Unit"]).as_deref(), Some("Unit"));
        assert_eq!(beside(&["compound", "dose_um", "unit"]), None);
        assert_eq!(beside(&["compound", "unit"]), None);
    }

    #[test]
    fn a_declared_column_that_is_absent_is_named() {
        let columns = Columns { well: Some("position".into()), ..Columns::default() };
        let error = mapping(&["plate", "well"], &Card { columns, ..Card::default() }).unwrap_err().to_string();
        assert!(error.contains("no column `position`") && error.contains("`plate`, `well`"), "{error}");
    }
}
