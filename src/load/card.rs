//! The card of a data set: `dataset.toml`, which says what the columns of its tables mean.
//!
//! ```toml
//! name = "bbbc021"
//! license = "BSD-3-Clause"
//! files = ["profiles.csv.gz"]        # globs, relative to the card
//! reference = "control_wells"        # or "relative": the values are already differences from control
//! dose_unit = "uM"                   # needed unless the dose column's name tells it (`dose_um`)
//!
//! [columns]                          # a role left out is inferred from usual names, `""` means that there is none
//! plate = "plate"
//! well = "well"
//! perturbation = "compound"
//! dose = "concentration_um"
//! hours = { value = 24 }             # one value for all rows
//!
//! [controls]
//! negative = { column = "compound", values = ["DMSO"] }
//!
//! [[join]]
//! file = "platemap.csv"
//! on = ["plate", "well"]
//! ```
//!
//! Paths stay within the card's folder, or within the one `folder` that it names: absolute paths and `..` are refused in
//! all others. Unknown keys are refused, so that a
//! misspelled one does not go unheard.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::annotated::ExpressionSettings;
use super::declared::ColumnOrValue;
use super::error::LoadError;
use super::gap::Assumed;
use super::image::settings::ImageSettings;
use super::join_key::{JoinKey, OneOrMore};
use super::mapping::ColumnRole;
use super::text::read_small_text;
use super::tracks::settings::TrackSettings;
use crate::screen::{DoseUnit, Kind, Reference};

/// What a data set's files mean: the content of `dataset.toml`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Card {
    /// Short name of the data set; the first file's name if empty.
    pub name: String,
    /// What was screened, in a sentence or two.
    pub description: String,
    /// License of the files.
    pub license: String,
    /// What to cite, and where the files come from.
    pub citation: String,
    /// Where the files lie if not beside the card: a folder, absolute or relative to the card's own.
    pub folder: Option<PathBuf>,
    /// The profile tables: globs relative to the folder.
    pub files: Vec<String>,
    /// What effects are measured against.
    pub reference: Reference,
    /// The kind of every perturbation, where no column tells it.
    pub kind: Option<Kind>,
    /// Unit of the dose column, which then counts for more than what the column's name says.
    pub dose_unit: Option<DoseUnit>,
    /// Molar mass in kDa of perturbations whose dose is a mass (`ng/mL`), by name.
    pub molar_mass_kda: BTreeMap<String, f64>,
    /// Globs on the names of feature columns; empty for the default rule.
    pub features: Vec<String>,
    /// Globs on the names of columns that are features though they look like something else.
    pub include_features: Vec<String>,
    /// Globs on the names of columns that are no features.
    pub exclude_features: Vec<String>,
    /// Rows that are left out, as a query over plates, wells, interventions and labels; empty leaves out none.
    pub exclude: String,
    /// Which column plays which role.
    pub columns: Columns,
    /// How controls are told; without it they are inferred from usual words.
    pub controls: Option<Controls>,
    /// What the values of the `kind` column mean.
    pub kinds: BTreeMap<String, Kind>,
    /// How the values of matrices are read, as those of AnnData files.
    pub expression: Option<ExpressionSettings>,
    /// Sheets to join.
    pub join: Vec<Join>,
    /// A table of perturbation descriptors.
    pub descriptors: Option<DescriptorFile>,
    /// Where the pixels are, for screens of images.
    pub images: Option<ImageSettings>,
    /// What the columns of a table of tracks mean, for time lapses of measured numbers.
    pub tracks: Option<TrackSettings>,
    /// sha256 of files, by their path relative to the card; a file that differs is refused.
    pub checksums: BTreeMap<String, String>,
    /// Where the card was read from.
    #[serde(skip)]
    pub path: PathBuf,
    /// What is assumed while gaps are looked for.
    #[serde(skip)]
    pub(super) assumed: Assumed,
}

/// Which column plays which role, or its value where it is one for all rows; `None` is to be inferred, the empty text means
/// that no column does.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Columns {
    /// Plate barcode.
    pub plate: Option<ColumnOrValue>,
    /// Columns within which names of plates count, as those of RxRx1 do within the experiment; empty where no two plates
    /// share a name. `None` leaves it to what the rows say.
    pub plate_within: Option<Vec<String>>,
    /// Well name.
    pub well: Option<ColumnOrValue>,
    /// Field of view.
    pub site: Option<ColumnOrValue>,
    /// Wells processed together.
    pub lab_batch: Option<ColumnOrValue>,
    /// Replicate label.
    pub replicate: Option<ColumnOrValue>,
    /// What was applied.
    pub perturbation: Option<ColumnOrValue>,
    /// What stands between perturbations that one cell names together, as in `A + B`; empty where every name is whole.
    /// `None` leaves it to what the names say.
    pub separator: Option<String>,
    /// Its concentration.
    pub dose: Option<ColumnOrValue>,
    /// The unit of each row's concentration.
    pub dose_unit: Option<ColumnOrValue>,
    /// Columns that each hold the dose of one perturbation, by the perturbation's name; what a row's wells received is
    /// the set of those with a dose above 0. Takes the place of `perturbation` and `dose`.
    pub doses: BTreeMap<String, String>,
    /// Its duration in hours.
    pub hours: Option<ColumnOrValue>,
    /// What kind of agent it is.
    pub kind: Option<ColumnOrValue>,
    /// What the well was for.
    pub role: Option<ColumnOrValue>,
    /// Mechanism of action.
    pub moa: Option<ColumnOrValue>,
    /// Cells counted.
    pub cell_count: Option<ColumnOrValue>,
    /// What stays fixed over a transition: cell line, time, donor.
    pub context: Option<Vec<ColumnOrValue>>,
    /// Metadata columns to keep as labels; `None` keeps every other column.
    pub labels: Option<Vec<String>>,
}

/// How the roles of wells are told: negative controls first, then positive controls, then empty wells.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Controls {
    /// Vehicle, non-targeting guide, empty vector.
    pub negative: Option<Rules>,
    /// Known active interventions.
    pub positive: Option<Rules>,
    /// Wells from which nothing is to be learned.
    pub empty_wells: Option<Rules>,
}

/// One rule, or several of which one must hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Rules {
    /// One rule.
    One(Rule),
    /// Several.
    Any(Vec<Rule>),
}

impl Rules {
    /// The rules as a list.
    pub fn list(&self) -> &[Rule] {
        match self {
            Self::One(rule) => std::slice::from_ref(rule),
            Self::Any(rules) => rules,
        }
    }
}

/// A row obeys if the column's value is one of `values`, or is missing and `empty` is set.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rule {
    /// The column; the perturbation column if not given.
    pub column: Option<String>,
    /// Values as written in the file; a trailing `*` stands for any ending.
    pub values: Vec<String>,
    /// Whether a missing value counts.
    pub empty: bool,
}

/// A sheet whose columns are added to the rows of the profile tables.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Join {
    /// The sheet, relative to the card; a glob or a list for sheets of the same columns, which are one.
    pub file: OneOrMore,
    /// The key: roles (`plate`, `well`) or column names.
    pub on: Vec<JoinKey>,
    /// The columns to take; all others than the key if empty.
    #[serde(default)]
    pub columns: Vec<String>,
    /// Put before the names of the joined columns.
    #[serde(default)]
    pub prefix: String,
}

/// Where descriptors of perturbations are: `bits` or `columns`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DescriptorFile {
    /// The table, relative to the card.
    pub file: String,
    /// The column with the names of perturbations.
    pub perturbation: String,
    /// A column with fingerprints as text of `0` and `1`.
    #[serde(default)]
    pub bits: Option<String>,
    /// Globs on the names of numeric columns.
    #[serde(default)]
    pub columns: Vec<String>,
}

impl Card {
    /// Whether rules say which rows are negative controls.
    pub(super) fn has_negative_rule(&self) -> bool {
        self.controls.as_ref().is_some_and(|controls| controls.negative.is_some())
    }

    /// The card as text, without the checksums of its own files: for tables that lie elsewhere.
    pub fn for_other_tables(&self) -> String {
        let card = Self { checksums: BTreeMap::new(), ..self.clone() };
        toml::to_string(&card).expect("a card is a table of plain values")
    }

    /// The card at `path`.
    ///
    /// # Errors
    /// If it cannot be read, has an unknown key, or names a path outside its folder.
    pub fn read(path: &Path) -> Result<Self, LoadError> {
        let error = |message: String| LoadError::Card { path: path.to_path_buf(), message };
        let text = read_small_text(path).map_err(|cause| error(cause.to_string()))?;
        let mut card: Self = toml::from_str(&text).map_err(|cause| error(cause.to_string().trim_end().to_owned()))?;
        card.path = path.to_path_buf();
        let joined = card.join.iter().flat_map(|join| join.file.list());
        let described = card.descriptors.iter().map(|descriptors| &descriptors.file);
        let scheduled = card.tracks.iter().map(|tracks| &tracks.stimuli.file);
        let excluded = card.tracks.iter().filter_map(|tracks| tracks.exclude.as_ref()).map(|exclude| &exclude.file);
        for entry in card
            .files
            .iter()
            .chain(joined)
            .chain(described)
            .chain(scheduled)
            .chain(excluded)
            .chain(card.checksums.keys())
        {
            card.resolve(entry)?;
        }
        if let Some(message) = card.tracks.as_ref().and_then(TrackSettings::fault) {
            return Err(error(message));
        }
        if let Some((name, mass)) = card.molar_mass_kda.iter().find(|(_, mass)| !(mass.is_finite() && **mass > 0.0)) {
            return Err(error(format!("the molar mass of `{name}` is {mass}, expected a positive number of kDa")));
        }
        if let Some(message) = card.fault_of_columns() {
            return Err(error(message));
        }
        if let Some(join) = card.join.iter().find(|join| join.on.is_empty()) {
            let files = join.file.list().join("`, `");
            return Err(error(format!("the join of `{files}` has no key; give `on = [\"plate\", \"well\"]`")));
        }
        Ok(card)
    }

    /// What is wrong with roles of several columns, in words.
    fn fault_of_columns(&self) -> Option<String> {
        let columns_of = |role: ColumnRole| match self.columns.get(role) {
            Some(ColumnOrValue::Columns(columns)) => columns.len(),
            _ => 0,
        };
        let is_of_members = |role: ColumnRole| matches!(role, ColumnRole::Perturbation | ColumnRole::Dose);
        let wrong = ColumnRole::ALL.into_iter().find(|role| {
            columns_of(*role) > 0 && (!is_of_members(*role) || self.tracks.is_some() || self.images.is_some())
        });
        if let Some(role) = wrong {
            return Some(format!(
                "`{role}` has several columns; only `perturbation` and `dose` of profile tables may have a column for each \
                 member of a set"
            ));
        }
        let (n_names, n_doses) = (columns_of(ColumnRole::Perturbation), columns_of(ColumnRole::Dose));
        (n_doses > 0 && n_doses != n_names).then(|| {
            format!(
                "`dose` has {n_doses} columns and `perturbation` {}; name as many, in the same order",
                n_names.max(1)
            )
        })
    }

    /// The folder that the card's paths are relative to: its own, unless it names another.
    pub fn folder(&self) -> PathBuf {
        let beside = self.path.parent().unwrap_or(Path::new(""));
        self.folder.as_ref().map_or_else(|| beside.to_path_buf(), |folder| beside.join(folder))
    }

    /// The screen's name; that of its first file where the card gives none.
    pub(super) fn screen_name(&self, first: &Path) -> String {
        if !self.name.is_empty() {
            return self.name.clone();
        }
        let file = first.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        file.split('.').next().unwrap_or_default().to_owned()
    }

    /// How many µM one `unit` of a perturbation is.
    ///
    /// # Errors
    /// [`LoadError::MolarMass`] if the unit is a mass and the card does not tell the perturbation's molar mass.
    pub(super) fn in_micromolar(&self, unit: DoseUnit, perturbation: &str) -> Result<f64, LoadError> {
        unit.in_micromolar(self.molar_mass_kda.get(perturbation).copied()).ok_or_else(|| LoadError::MolarMass {
            card: self.path.clone(),
            unit: unit.word(),
            perturbation: perturbation.to_owned(),
        })
    }

    /// The path that an entry of the card means.
    ///
    /// # Errors
    /// [`LoadError::CardPath`] if it is absolute or has `..`.
    pub fn resolve(&self, entry: &str) -> Result<PathBuf, LoadError> {
        let is_inside = Path::new(entry)
            .components()
            .all(|component| matches!(component, Component::Normal(_) | Component::CurDir));
        if !is_inside || entry.is_empty() || entry.contains('\\') {
            return Err(LoadError::CardPath { card: self.path.clone(), entry: entry.to_owned() });
        }
        Ok(self.folder().join(entry))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Card, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dataset.toml");
        std::fs::write(&path, text).unwrap();
        Card::read(&path).map_err(|error| error.to_string().replace(&path.display().to_string(), "CARD"))
    }

    #[test]
    fn reads_one_rule_and_several() {
        let one = read("[controls]\nnegative = { values = [\"DMSO\"] }").unwrap();
        assert_eq!(one.controls.unwrap().negative.unwrap().list().len(), 1);
        let two =
            read("[controls]\nnegative = [{ values = [\"DMSO\"] }, { column = \"gene\", empty = true }]").unwrap();
        assert_eq!(two.controls.unwrap().negative.unwrap().list().len(), 2);
    }

    #[test]
    fn refuses_a_misspelled_key() {
        assert!(read("[columns]\nplat = \"p\"").unwrap_err().contains("unknown field `plat`"));
    }

    #[test]
    fn refuses_paths_out_of_its_folder() {
        for entry in ["../secret.csv", "/etc/passwd", "a/../../b.csv", "", "..\\b.csv"] {
            let error = read(&format!("files = ['{entry}']")).unwrap_err();
            assert!(error.contains("leaves the card's folder"), "{entry}: {error}");
        }
        assert!(read("[[join]]\nfile = '../x.csv'\non = ['plate']").unwrap_err().contains("leaves"));
        assert!(read("[checksums]\n'../x.csv' = '00'").unwrap_err().contains("leaves"));
        assert!(read("files = ['./plates/*.csv']").is_ok());
    }

    #[test]
    fn paths_are_relative_to_the_folder_that_is_named() {
        let card = |folder: &str| read(&format!("folder = '{folder}'\nfiles = ['t.csv']")).unwrap();
        assert_eq!(card("/data/screen").resolve("t.csv").unwrap(), Path::new("/data/screen/t.csv"));
        assert!(card("plates").resolve("t.csv").unwrap().ends_with("plates/t.csv"));
        assert!(read("folder = '/data'\nfiles = ['../t.csv']").unwrap_err().contains("leaves the card's folder"));
    }

    #[test]
    fn refuses_a_join_without_a_key() {
        assert!(read("[[join]]\nfile = 'x.csv'\non = []").unwrap_err().contains("has no key"));
    }
}
