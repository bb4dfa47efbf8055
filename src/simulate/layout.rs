//! Which well holds what.

use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::screen::{Intervention, Role, Unit, Well};

/// Rows and columns of a plate.
const SIDES: [usize; 2] = [16, 24];

/// Wells of a plate.
pub(super) const WELLS: usize = SIDES[0] * SIDES[1];

/// A well, with the number of what it holds; `None` of a control.
pub(super) struct Placed {
    pub(super) plate: usize,
    pub(super) set: Option<usize>,
    well: Option<Well>,
}

impl Placed {
    pub(super) fn unit(&self, intervention: Option<Intervention>) -> Unit {
        Unit {
            plate: format!("plate{}", self.plate + 1),
            well: self.well,
            role: if self.set.is_some() { Role::Treatment } else { Role::NegativeControl },
            intervention: intervention.unwrap_or_default(),
            context: String::new(),
            lab_batch: None,
            replicate: None,
            cell_count: None,
        }
    }
}

/// Wells plate by plate: each replicate of the `n_sets` on plates of its own, in an order by lot, with controls among them.
pub(super) fn wells(n_sets: usize, replicates: usize, controls: usize, rng: &mut ChaCha8Rng) -> Vec<Placed> {
    let mut placed = Vec::new();
    let mut plate = 0;
    for _ in 0..replicates {
        let mut order: Vec<usize> = (0..n_sets).collect();
        order.shuffle(rng);
        for of_plate in order.chunks(WELLS - controls) {
            let mut sets: Vec<Option<usize>> = of_plate.iter().copied().map(Some).collect();
            sets.extend(std::iter::repeat_n(None, controls));
            sets.shuffle(rng);
            let place = |(index, set): (usize, Option<usize>)| {
                let (row, column) = (index / SIDES[1], index % SIDES[1]);
                Placed { plate, set, well: Well::at(row as i64 + 1, column as i64 + 1) }
            };
            placed.extend(sets.into_iter().enumerate().map(place));
            plate += 1;
        }
    }
    placed
}
