//! From a trained model and a screen to the table of latents.

use std::collections::BTreeMap;

use burn::tensor::Device;

use super::{Embeddings, Level};
use crate::screen::{Design, Origin, Role, SITE_LABEL, Screen, Unit, Units, grouped};
use crate::train::TrainedModel;

/// Latents of the rows of a normalized screen.
///
/// The members' latents stand side by side, member by member, so that squared distances are sums over the members'.
pub fn embed(trained: &TrainedModel, screen: &Screen, device: &Device) -> Embeddings {
    let rows: Vec<usize> = (0..screen.n_observations()).collect();
    let latents = trained.encode(&screen.features, &rows, device).side_by_side();
    let n_wells = vec![1; rows.len()];
    Embeddings::new(Level::of_rows(screen.kind()), screen.units.clone(), n_wells, screen.labels.clone(), latents)
}

impl Embeddings {
    /// The same rows as a screen whose features are the latents, for what is asked of any features.
    pub fn as_screen(&self, name: &str, design: Design) -> Screen {
        Screen {
            name: name.to_owned(),
            design,
            units: self.units.clone(),
            features: self.latents.clone().into(),
            labels: self.labels.clone(),
            dropped: Vec::new(),
            origin: Origin::default(),
        }
    }

    /// The mean over all wells of each intervention in each context, negative controls included, empty wells left out.
    ///
    /// Wells count alike, however many rows each of them has. A column that they do not share is empty.
    pub fn by_intervention(&self) -> Self {
        self.by_well().over_interventions()
    }

    fn over_interventions(&self) -> Self {
        let mut groups = BTreeMap::<_, Vec<usize>>::new();
        for (row, unit) in self.units.by_row().enumerate() {
            if unit.role != Role::Empty {
                groups.entry((unit.role, unit.treatment())).or_default().push(row);
            }
        }
        let groups: Vec<Vec<usize>> = groups.into_values().collect();
        let units = Units::of_each(groups.iter().map(|rows| self.consensus(rows)).collect());
        let n_wells = groups.iter().map(|rows| self.units.count(rows)).collect();
        self.averaged(Level::Intervention, &groups, units, n_wells)
    }

    /// The mean over all rows of each well, as [`Screen::wells`] tells them: its crops, say.
    pub fn by_well(&self) -> Self {
        self.within_wells(Level::Well, &self.units.rows())
    }

    /// The mean over all rows of each field of view.
    pub fn by_site(&self) -> Self {
        let sites = self.labels.iter().find(|label| label.name == SITE_LABEL);
        let of_well = |rows: Vec<usize>| {
            let groups = grouped(rows.len(), |index| sites.map(|sites| &sites.values[rows[index]]));
            groups.into_iter().map(move |group| group.into_iter().map(|index| rows[index]).collect())
        };
        let groups: Vec<Vec<usize>> = self.units.rows().into_iter().flat_map(of_well).collect();
        self.within_wells(Level::Site, &groups)
    }

    /// The means of groups of rows that are each of one well.
    fn within_wells(&self, level: Level, groups: &[Vec<usize>]) -> Self {
        let first_rows: Vec<usize> = groups.iter().map(|rows| rows[0]).collect();
        self.averaged(level, groups, self.units.select(&first_rows), vec![1; groups.len()])
    }

    /// The means of groups of rows; a label that a group does not share is empty.
    fn averaged(&self, level: Level, groups: &[Vec<usize>], units: Units, n_wells: Vec<usize>) -> Self {
        let labels = self.labels.iter().map(|label| label.of_groups(groups)).collect();
        Self { space: self.space, ..Self::new(level, units, n_wells, labels, self.latents.means_of(groups)) }
    }

    /// What the rows of a group have in common.
    fn consensus(&self, rows: &[usize]) -> Unit {
        let of = |row: usize| self.units.of(row);
        let counts: Vec<f64> = rows.iter().filter_map(|&row| of(row).cell_count).collect();
        Unit {
            plate: String::new(),
            well: None,
            replicate: None,
            lab_batch: shared(rows.iter().map(|&row| of(row).lab_batch.clone())),
            cell_count: (!counts.is_empty()).then(|| counts.iter().sum::<f64>() / counts.len() as f64),
            ..of(rows[0]).clone()
        }
    }
}

/// The value that all have, if they agree.
fn shared(mut values: impl Iterator<Item = Option<String>>) -> Option<String> {
    let first = values.next()??;
    values.all(|value| value.as_deref() == Some(&first)).then_some(first)
}
