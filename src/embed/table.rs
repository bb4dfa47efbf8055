//! `embeddings.parquet`: one row for each observation, its metadata, then its latent.
//!
//! ```text
//! level  plate  well  role    intervention  perturbation  dose_um  …  n_wells  moa            latent_0  latent_1  …
//! well   P1     B02   trt     taxol 0.3 µM  taxol         0.3         1        Tubulin stab.  0.12      -1.4
//! well   P1     C02   negcon  untreated                               1                       0.03      0.2
//! ```
//!
//! The columns are documented in the file itself (key `cytonaut.columns`). Metadata of the screen follows under its own
//! name; where that is taken by one of our columns, it is called `label_` and the name.

use std::path::Path;

use crate::screen::{FeatureMatrix, Label, ScreenKind, Units};
use crate::table::{Column, FileError, INTERVENTION_COLUMNS, Table, UNIT_COLUMNS};

/// Begins the names of the latent columns, `latent_0`, `latent_1`, ….
const LATENT: &str = "latent_";

/// Begins the name of a label whose own name is taken.
const LABEL: &str = "label_";

/// Our columns beside those of the unit, the intervention and the latents.
const METADATA: [&str; 2] = ["level", "n_wells"];

/// The first two dimensions of an embedding, to be drawn.
const DRAWN: [&str; 2] = ["pc1", "pc2"];

/// Which space the columns of a table are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Space {
    /// The latents of all members, side by side.
    Members,
    /// What [`EmbeddingMap`](super::EmbeddingMap) makes of them.
    Embedding,
}

impl Space {
    fn word(self) -> &'static str {
        match self {
            Self::Members => "members",
            Self::Embedding => "embedding",
        }
    }
}

/// What one row of a table of latents is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// One cell.
    Cell,
    /// One field of view.
    Site,
    /// One well.
    Well,
    /// One intervention in one context: the mean over its wells.
    Intervention,
}

impl Level {
    const ALL: [Self; 4] = [Self::Cell, Self::Site, Self::Well, Self::Intervention];

    /// What a row of a screen is: a cell (or object) at a time, or a well.
    pub(super) fn of_rows(kind: ScreenKind) -> Self {
        if kind.has_rows_of_cells() { Self::Cell } else { Self::Well }
    }

    /// The word in files and flags: `cell`, `site`, `well`, `intervention`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Cell => "cell",
            Self::Site => "site",
            Self::Well => "well",
            Self::Intervention => "intervention",
        }
    }
}

impl std::str::FromStr for Level {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|level| level.word() == text)
            .ok_or_else(|| format!("`{text}` is not a level (expected `cell`, `site`, `well` or `intervention`)"))
    }
}

/// Latents with what was measured and done, one row for each observation at `level`.
#[derive(Debug, Clone, PartialEq)]
pub struct Embeddings {
    /// What a row is.
    pub level: Level,
    /// The unit of each row. At level `intervention` a row is a unit that lies on several plates, and its `plate` is empty.
    pub units: Units,
    /// How many wells each row averages; 1 below level `intervention`.
    pub n_wells: Vec<usize>,
    /// Metadata of the screen, by row.
    pub labels: Vec<Label>,
    /// `[observation, latent]`, columns `latent_0`, `latent_1`, ….
    pub latents: FeatureMatrix,
    /// Which space they are of.
    pub space: Space,
}

impl Embeddings {
    /// Latents of rows; the columns of `latents` are renamed `latent_0`, `latent_1`, ….
    ///
    /// # Panics
    /// If the parts differ in their number of rows, or `latents` has no columns.
    pub fn new(level: Level, units: Units, n_wells: Vec<usize>, labels: Vec<Label>, latents: FeatureMatrix) -> Self {
        let n_rows = units.n_rows();
        assert!(latents.n_features() > 0, "a latent has at least one dimension");
        assert_eq!(latents.n_rows(), n_rows, "one latent for each observation");
        assert_eq!(n_wells.len(), n_rows, "one number of wells for each observation");
        assert!(labels.iter().all(|label| label.values.len() == n_rows), "one label for each observation");
        let latents = FeatureMatrix::numbered(LATENT, latents.n_features(), latents.values().to_vec());
        Self { level, units, n_wells, labels, latents, space: Space::Members }
    }

    /// Writes the table as the ending of `path` says.
    ///
    /// # Errors
    /// [`FileError::Write`], or [`FileError::Damaged`] where two labels have one name.
    pub fn write(&self, path: &Path) -> Result<(), FileError> {
        self.table().write(path)
    }

    /// Reads a table that [`Embeddings::write`] wrote.
    ///
    /// # Errors
    /// [`FileError`] with the file and the column or row that is not as it should be.
    pub fn read(path: &Path) -> Result<Self, FileError> {
        let table = Table::read_parquet(path)?;
        let level =
            table.facts().get("level").and_then(|level| level.parse().ok()).ok_or_else(|| FileError::Damaged {
                path: path.to_owned(),
                problem: "is not a table of embeddings (it does not name a level)".into(),
            })?;
        let is_embedding = table.facts().get("space").is_some_and(|space| space == Space::Embedding.word());
        let space = if is_embedding { Space::Embedding } else { Space::Members };
        let latents = latents(&table)?;
        let labels = labels(&table)?;
        let units = Units::of_rows(table.units()?, &labels);
        Ok(Self { level, units, n_wells: whole(&table, "n_wells")?, labels, latents, space })
    }

    fn table(&self) -> Table {
        let mut table = Table::new()
            .with_fact("level", self.level.word())
            .with_fact("space", self.space.word())
            .with(
                "level",
                "what a row is: cell, site, well or intervention",
                Column::Text(vec![Some(self.level.word().to_owned()); self.units.n_rows()]),
            )
            .with_units(&self.units)
            .with(
                "n_wells",
                "number of wells that the row averages",
                Column::Integer(self.n_wells.iter().map(|&n_wells| Some(n_wells as i64)).collect()),
            );
        for label in &self.labels {
            let doc = format!("`{}` of the screen", label.name);
            table = table.with(column_of(&label.name), doc, Column::Text(label.values.clone()));
        }
        let column = |index: usize| {
            Column::Float32((0..self.latents.n_rows()).map(|row| self.latents.row(row)[index]).collect())
        };
        if self.space == Space::Embedding {
            for (index, name) in DRAWN.iter().enumerate().take(self.latents.n_features()) {
                table = table.with(*name, format!("latent_{index} once more, to be drawn"), column(index));
            }
        }
        for (index, name) in self.latents.names().iter().enumerate() {
            table = table.with(name, format!("dimension {index} of the latent"), column(index));
        }
        table
    }
}

fn latents(table: &Table) -> Result<FeatureMatrix, FileError> {
    let mut columns = Vec::new();
    while table.column(&format!("{LATENT}{}", columns.len())).is_some() {
        columns.push(table.float32(&format!("{LATENT}{}", columns.len()))?);
    }
    if columns.is_empty() {
        table.float32("latent_0")?;
    }
    let values = (0..table.n_rows()).flat_map(|row| columns.iter().map(move |column| column[row])).collect();
    Ok(FeatureMatrix::numbered(LATENT, columns.len(), values))
}

fn whole(table: &Table, name: &str) -> Result<Vec<usize>, FileError> {
    let values = table.integers(name)?.iter().enumerate();
    let number = |(row, value): (usize, &Option<i64>)| {
        let wrong = || table.wrong_column(name, format!("{value:?} in row {}", row + 1), "a number of wells");
        value.and_then(|value| usize::try_from(value).ok()).ok_or_else(wrong)
    };
    values.map(number).collect()
}

/// Columns that are none of ours, in their order.
fn labels(table: &Table) -> Result<Vec<Label>, FileError> {
    let mut labels = Vec::new();
    for column in table.columns().iter().filter(|column| !is_taken(&column.name)) {
        let name = column.name.strip_prefix(LABEL).unwrap_or(&column.name).to_owned();
        labels.push(Label { name, values: table.text(&column.name)?.to_vec() });
    }
    Ok(labels)
}

/// The column of a label: its own name, unless another column has it or it would not read back.
fn column_of(label: &str) -> String {
    if is_taken(label) || label.starts_with(LABEL) { format!("{LABEL}{label}") } else { label.to_owned() }
}

/// Whether a column name is one of ours; some programs do not tell upper from lower case.
fn is_taken(name: &str) -> bool {
    let name = name.to_lowercase();
    let ours: [&[&str]; 4] = [&METADATA, &DRAWN, &UNIT_COLUMNS, &INTERVENTION_COLUMNS];
    ours.iter().any(|columns| columns.contains(&name.as_str())) || name.starts_with(LATENT)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::screen::{Application, Intervention, Kind, Micromolar, Perturbation, Role, Unit};

    fn any_intervention() -> impl Strategy<Value = Intervention> {
        let kind = prop::sample::select(Kind::ALL.to_vec());
        let member = (".{0,5}", kind, prop::option::of(1e-6f64..1e6)).prop_map(|(name, kind, dose)| Application {
            perturbation: Perturbation { name, kind },
            dose: dose.and_then(Micromolar::new),
        });
        let hours = prop::option::of(0.0f64..1000.0);
        (prop::collection::vec(member, 0..3), hours).prop_map(|(members, hours)| match hours {
            Some(hours) => Intervention::of(members).lasting(hours),
            None => Intervention::of(members),
        })
    }

    fn any_unit() -> impl Strategy<Value = Unit> {
        let well = prop::option::of((b'A'..=b'P', 1u8..=24)).prop_map(|well| {
            well.map(|(row, column)| format!("{}{column:02}", row as char).parse().expect("a well of a 384-well plate"))
        });
        let role =
            prop::sample::select(vec![Role::Treatment, Role::NegativeControl, Role::PositiveControl, Role::Empty]);
        let texts = (".{0,4}", ".{0,4}", prop::option::of(".{0,4}"), prop::option::of(".{0,4}"));
        (texts, well, role, any_intervention(), prop::option::of(0.0f64..1e5)).prop_map(
            |((plate, context, lab_batch, replicate), well, role, intervention, cell_count)| Unit {
                plate,
                well,
                role,
                intervention,
                context,
                lab_batch,
                replicate,
                cell_count,
            },
        )
    }

    fn any_embeddings() -> impl Strategy<Value = Embeddings> {
        (0usize..12, 1usize..5).prop_flat_map(|(n_rows, n_latents)| {
            let label = prop::collection::vec(prop::option::of(".{0,6}"), n_rows);
            let name = prop::sample::select(vec!["moa", "plate", "Plate", "label_moa", "latent_0", "label_"]);
            let labels = prop::collection::btree_map(name, label, 0..4);
            let finite = any::<f32>().prop_filter("equal", |value| !value.is_nan());
            (
                prop::sample::select(Level::ALL.to_vec()),
                prop::collection::vec(any_unit(), n_rows),
                prop::collection::vec(0usize..9, n_rows),
                labels,
                prop::collection::vec(finite, n_rows * n_latents),
            )
                .prop_map(move |(level, units, n_wells, labels, values)| {
                    let labels = labels.into_iter().map(|(name, values)| Label { name: name.into(), values });
                    let labels: Vec<Label> = labels.collect();
                    let latents = FeatureMatrix::numbered("z", n_latents, values);
                    Embeddings::new(level, Units::of_rows(units, &labels), n_wells, labels, latents)
                })
        })
    }

    fn read(table: &Table) -> Result<Embeddings, FileError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("embeddings.parquet");
        table.write(&path)?;
        Embeddings::read(&path)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn what_is_written_reads_back_equal(embeddings in any_embeddings()) {
            prop_assert_eq!(read(&embeddings.table()).unwrap(), embeddings);
        }
    }

    fn one() -> Embeddings {
        let unit = Unit {
            plate: "P1".into(),
            well: "B02".parse().ok(),
            role: Role::Treatment,
            intervention: Intervention::single("taxol", Kind::Compound, Micromolar::new(0.3)),
            context: String::new(),
            lab_batch: None,
            replicate: None,
            cell_count: None,
        };
        let moa = Label { name: "moa".into(), values: vec![Some("Microtubule stabilizers".into())] };
        let latents = FeatureMatrix::numbered("z", 2, vec![0.5, -1.0]);
        Embeddings::new(Level::Well, Units::of_each(vec![unit]), vec![1], vec![moa], latents)
    }

    #[test]
    fn every_column_is_documented_and_in_order() {
        let table = one().table();
        let names: Vec<_> = table.columns().iter().map(|column| column.name.as_str()).collect();
        let expected = "level plate well role intervention perturbation dose_um hours intervention_json context \
                        lab_batch replicate cell_count n_wells moa latent_0 latent_1";
        assert_eq!(names.join(" "), expected);
        assert!(table.columns().iter().all(|column| !column.doc.is_empty()));
    }

    #[test]
    fn refuses_tables_that_are_no_embeddings() {
        let check = |table: Table, expected: &str| {
            let error = read(&table).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        };
        let text = |value: &str| Column::Text(vec![Some(value.to_owned())]);
        let without = |name: &str| {
            let columns = one().table().columns().to_vec().into_iter().filter(|column| column.name != name);
            columns.fold(Table::new().with_fact("level", "well"), |table, c| table.with(c.name, c.doc, c.values))
        };
        check(Table::new().with("x", "", text("a")), "is not a table of embeddings");
        check(without("latent_0"), "column `latent_0` holds nothing");
        check(without("role").with("role", "", text("treated")), "holds Some(\"treated\") in row 1, expected `trt`");
        check(without("well").with("well", "", text("Z99")), "holds Some(\"Z99\") in row 1, expected a well");
        check(without("n_wells").with("n_wells", "", Column::Integer(vec![Some(-1)])), "expected a number of wells");
        check(without("latent_0").with("latent_0", "", text("a")), "column `latent_0` holds text, expected 32-bit");
    }
}
