//! The next experiment: which interventions to try, and in which wells of which plates.
//!
//! Every replicate is a plate of its own, with its own random layout: wells of one plate share its faults, so that they do not
//! replicate each other. Controls are spread over the plate: it is cut into as many zones as there are controls (or a few
//! more), and each gets one in a random well. The outermost wells are left empty unless they are asked for.

use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};

use super::error::PlanError;
use super::facts::{DEFINES_TARGET, is_far};
use super::ranking::Ranking;
use crate::screen::{Application, Intervention, Micromolar, Well};

/// A step of dose to both sides of a hit: half a decade.
const STEP: f64 = 3.162_277_660_168_379_5;

/// Layouts that are drawn for a plate; the one in which fewest treatments meet a well of theirs again is taken.
const DRAWS: usize = 20;

/// Fewest controls of a plate where none are asked for.
const LEAST_CONTROLS: usize = 8;

/// What is wanted of the next experiment.
#[derive(Debug, Clone, PartialEq)]
pub struct PlateRequest {
    /// Wells of a plate: 96, 384 or 1536.
    pub n_wells: usize,
    /// Plates with the same interventions.
    pub replicates: usize,
    /// Measured hits that are tried again, each at its own dose and half a decade below and above.
    pub confirm: usize,
    /// Candidates that were not measured yet; without a number as many as the plate holds.
    pub new: Option<usize>,
    /// Control wells of a plate; without a number one for nine treated ones, and at least 8.
    pub controls: Option<usize>,
    /// Whether the outermost wells are used.
    pub uses_edge: bool,
    /// Name of the plates, before their numbers.
    pub name: String,
    /// Seed of the layouts.
    pub seed: u64,
}

/// Why an intervention is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// A measured hit at its own dose.
    Confirm,
    /// A measured hit at a neighboring dose.
    NeighborDose,
    /// A candidate that was not measured.
    New,
}

impl Purpose {
    /// The words in tables.
    pub fn word(self) -> &'static str {
        match self {
            Self::Confirm => "confirm",
            Self::NeighborDose => "neighboring dose",
            Self::New => "new",
        }
    }
}

/// An intervention to try.
#[derive(Debug, Clone, PartialEq)]
pub struct Pick {
    /// What is done.
    pub intervention: Intervention,
    /// Why.
    pub purpose: Purpose,
    /// The rank of the candidate that it comes from.
    pub rank: usize,
}

/// A well of the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedWell {
    /// Its plate.
    pub plate: String,
    /// Its place.
    pub well: Well,
    /// Index of its pick; `None` for a control.
    pub pick: Option<usize>,
    /// Number of the replicate, from 1.
    pub replicate: usize,
}

/// The next experiment.
#[derive(Debug, Clone, PartialEq)]
pub struct PlatePlan {
    /// What is tried.
    pub picks: Vec<Pick>,
    /// In the order of plates and wells.
    pub wells: Vec<PlannedWell>,
    /// What to know of it, in sentences.
    pub remarks: Vec<String>,
}

impl PlatePlan {
    /// Picks interventions from a ranking and lays them out.
    ///
    /// # Errors
    /// When the format is not known, controls leave no room, or there is nothing to try.
    pub fn of(ranking: &Ranking, request: &PlateRequest) -> Result<Self, PlanError> {
        let usable = usable_wells(request)?;
        let n_controls = request.controls.unwrap_or_else(|| (usable.len() / 10).max(LEAST_CONTROLS));
        if n_controls >= usable.len() || request.replicates == 0 {
            let problem = match request.replicates {
                0 => "nothing is measured in 0 replicates; give --replicates 1 or more".to_owned(),
                _ => format!(
                    "{n_controls} controls leave no room among the {} wells that are used; give fewer (--controls)",
                    usable.len()
                ),
            };
            return Err(PlanError::Plate { problem });
        }
        let room = usable.len() - n_controls;
        let (picks, remarks) = picks(ranking, request, room)?;
        let mut plan = Self { picks, wells: Vec::new(), remarks };
        plan.lay_out(request, &usable, n_controls, room);
        Ok(plan)
    }

    fn lay_out(&mut self, request: &PlateRequest, usable: &[Well], n_controls: usize, room: usize) {
        let pages: Vec<Vec<usize>> =
            (0..self.picks.len()).collect::<Vec<_>>().chunks(room).map(<[usize]>::to_vec).collect();
        let mut used = vec![Vec::<Well>::new(); self.picks.len()];
        let mut number = 0;
        for replicate in 1..=request.replicates {
            for page in &pages {
                number += 1;
                let plate = format!("{}-{number}", request.name);
                let mut rng = stream(request.seed, &plate);
                let controls = spread(usable, n_controls, &mut rng);
                let free: Vec<Well> = usable.iter().filter(|well| !controls.contains(well)).copied().collect();
                let met =
                    |wells: &[Well]| page.iter().zip(wells).filter(|(pick, well)| used[**pick].contains(well)).count();
                let draws = (0..DRAWS).map(|_| {
                    let mut wells = free.clone();
                    wells.shuffle(&mut rng);
                    (met(&wells), wells)
                });
                let (_, wells) = draws.min_by_key(|(met, _)| *met).expect("some layouts are drawn");
                let place = |well, pick| PlannedWell { plate: plate.clone(), well, pick, replicate };
                let mut planned: Vec<PlannedWell> = controls.into_iter().map(|well| place(well, None)).collect();
                for (&pick, &well) in page.iter().zip(&wells) {
                    used[pick].push(well);
                    planned.push(place(well, Some(pick)));
                }
                planned.sort_by_key(|planned| planned.well);
                self.wells.extend(planned);
            }
        }
    }

    /// How many plates it has.
    pub fn n_plates(&self) -> usize {
        self.wells.chunk_by(|one, next| one.plate == next.plate).count()
    }
}

/// Rows and columns of a plate.
fn shape(n_wells: usize) -> Option<(i64, i64)> {
    match n_wells {
        96 => Some((8, 12)),
        384 => Some((16, 24)),
        1536 => Some((32, 48)),
        _ => None,
    }
}

fn usable_wells(request: &PlateRequest) -> Result<Vec<Well>, PlanError> {
    let problem = || format!("plates have 96, 384 or 1536 wells, not {}", request.n_wells);
    let (rows, columns) = shape(request.n_wells).ok_or_else(|| PlanError::Plate { problem: problem() })?;
    let margin = i64::from(!request.uses_edge);
    let of_row = |row| (1 + margin..=columns - margin).filter_map(move |column| Well::at(row, column));
    Ok((1 + margin..=rows - margin).flat_map(of_row).collect())
}

/// As many wells, one in each zone of the plate.
fn spread(usable: &[Well], n: usize, rng: &mut ChaCha8Rng) -> Vec<Well> {
    let bounds = |of: fn(Well) -> u8| {
        let values = || usable.iter().map(|&well| usize::from(of(well)));
        let (low, high) = (values().min().unwrap_or(0), values().max().unwrap_or(0));
        (low, high - low + 1)
    };
    let ((first_row, rows), (first_column, columns)) = (bounds(Well::row), bounds(Well::column));
    let (zone_rows, zone_columns) = zones(rows, columns, n);
    let mut zones: Vec<Vec<Well>> = vec![Vec::new(); zone_rows * zone_columns];
    for &well in usable {
        let row = (usize::from(well.row()) - first_row) * zone_rows / rows;
        let column = (usize::from(well.column()) - first_column) * zone_columns / columns;
        zones[row * zone_columns + column].push(well);
    }
    // Zones beyond the number of controls stay without one: some at even distances in the order of rows, from a random one on.
    let spare = zones.len() - n;
    let first: f64 = rng.random();
    let bare: Vec<usize> =
        (0..spare).map(|number| ((number as f64 + first) * zones.len() as f64 / spare as f64) as usize).collect();
    let mut wells: Vec<Well> = zones
        .iter()
        .enumerate()
        .filter(|(number, _)| !bare.contains(number))
        .map(|(_, zone)| zone[rng.random_range(0..zone.len())])
        .collect();
    wells.shuffle(rng);
    wells
}

/// Rows and columns of at least `n` zones: as few as can be, and then as square as can be.
fn zones(rows: usize, columns: usize, n: usize) -> (usize, usize) {
    let across = |zone_rows: usize| (zone_rows, n.div_ceil(zone_rows));
    let fitting = (1..=rows).map(across).filter(|(_, zone_columns)| *zone_columns <= columns);
    let score = |&(zone_rows, zone_columns): &(usize, usize)| {
        let (height, width) = (rows as f64 / zone_rows as f64, columns as f64 / zone_columns as f64);
        let spare = (zone_rows * zone_columns - n) as f64 / n as f64;
        4.0 * spare + (height / width).ln().abs()
    };
    fitting.min_by(|one, other| score(one).total_cmp(&score(other))).unwrap_or((rows, columns))
}

/// The stream of random numbers of a plate.
fn stream(seed: u64, plate: &str) -> ChaCha8Rng {
    let key = Sha256::new().chain_update(seed.to_le_bytes()).chain_update("plate").chain_update(plate);
    ChaCha8Rng::from_seed(key.finalize().into())
}

/// What is tried: hits with their neighboring doses, then new candidates.
fn picks(ranking: &Ranking, request: &PlateRequest, room: usize) -> Result<(Vec<Pick>, Vec<String>), PlanError> {
    let mut picks: Vec<Pick> = Vec::new();
    let add = |picks: &mut Vec<Pick>, pick: Pick| {
        if !picks.iter().any(|other| other.intervention == pick.intervention) {
            picks.push(pick);
        }
    };
    let is_hit = |flags: &[String]| !flags.iter().any(|flag| flag == DEFINES_TARGET);
    let hits = ranking.rows.iter().filter(|row| row.n_wells > 0 && is_hit(&row.flags)).take(request.confirm);
    for row in hits {
        let pick = |intervention, purpose| Pick { intervention, purpose, rank: row.rank };
        add(&mut picks, pick(row.intervention.clone(), Purpose::Confirm));
        for factor in [1.0 / STEP, STEP] {
            if let Some(neighbor) = at_doses(&row.intervention, factor) {
                add(&mut picks, pick(neighbor, Purpose::NeighborDose));
            }
        }
    }
    let n_confirming = picks.len();
    let n_new = request.new.unwrap_or(room.saturating_sub(n_confirming));
    let new = ranking.rows.iter().filter(|row| row.n_wells == 0 && !is_far(&row.flags)).take(n_new);
    for row in new {
        add(&mut picks, Pick { intervention: row.intervention.clone(), purpose: Purpose::New, rank: row.rank });
    }
    if picks.is_empty() {
        let problem =
            "the ranking holds nothing to try: no measured candidate but those that define the target, and none \
                       that was not measured; rank others with `cytonaut rank --dose-grid` or `--candidates`"
                .to_owned();
        return Err(PlanError::Plate { problem });
    }
    let mut remarks = Vec::new();
    let found = picks.len() - n_confirming;
    if found == 0 && request.new != Some(0) {
        remarks.push(
            "the ranking holds no candidate that was not measured; `cytonaut rank --dose-grid` or `--candidates` with \
             --out proposes some"
                .to_owned(),
        );
    } else if request.new.is_some_and(|wanted| found < wanted) {
        remarks.push(format!("only {found} candidates were not measured and lie near what was"));
    }
    Ok((picks, remarks))
}

/// The same set with all doses times `factor`, two digits each; `None` where it has none.
fn at_doses(intervention: &Intervention, factor: f64) -> Option<Intervention> {
    intervention.members().iter().any(|member| member.dose.is_some()).then_some(())?;
    let members = intervention.members().iter().map(|member| {
        let scaled = |dose: Micromolar| {
            let rounded = format!("{:.1e}", dose.in_unit() * factor).parse().expect("a formatted number parses");
            dose.of_same_unit(rounded)
        };
        Application { dose: member.dose.and_then(scaled), ..member.clone() }
    });
    let set = Intervention::of(members);
    Some(match intervention.hours() {
        Some(hours) => set.lasting(hours),
        None => set,
    })
}

#[cfg(test)]
pub(in crate::plan) mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::super::ranking::tests::example;
    use super::*;
    use crate::screen::Kind;

    /// Candidates `c1`, `c2`, …, of which those of even number were measured.
    pub(in crate::plan) fn ranking(n: usize) -> Ranking {
        let first = example().rows.remove(0);
        let row = |number: usize| super::super::RankedIntervention {
            rank: number,
            intervention: Intervention::single(format!("c{number}"), Kind::Compound, Micromolar::new(1.0)),
            n_wells: if number.is_multiple_of(2) { 3 } else { 0 },
            flags: Vec::new(),
            ..first.clone()
        };
        Ranking { rows: (1..=n).map(row).collect(), ..example() }
    }

    pub(in crate::plan) fn request() -> PlateRequest {
        PlateRequest {
            n_wells: 384,
            replicates: 3,
            confirm: 4,
            new: Some(50),
            controls: None,
            uses_edge: false,
            name: "next".into(),
            seed: 1,
        }
    }

    #[test]
    fn hits_are_tried_at_their_dose_and_its_neighbors_and_new_candidates_follow() {
        let plan = PlatePlan::of(&ranking(200), &request()).unwrap();
        let texts: Vec<String> = plan.picks.iter().take(4).map(|pick| pick.intervention.to_string()).collect();
        assert_eq!(texts, ["c2 1 µM", "c2 0.32 µM", "c2 3.2 µM", "c4 1 µM"]);
        let n = |purpose| plan.picks.iter().filter(|pick| pick.purpose == purpose).count();
        assert_eq!((n(Purpose::Confirm), n(Purpose::NeighborDose), n(Purpose::New)), (4, 8, 50));
        assert_eq!(plan.picks[12].rank, 1);
        // Without a number the plate is filled.
        let full = PlatePlan::of(&ranking(2000), &PlateRequest { new: None, ..request() }).unwrap();
        assert_eq!(full.n_plates(), 3);
        assert_eq!(full.wells.len(), 3 * 14 * 22);
    }

    #[test]
    fn each_replicate_is_a_plate_and_each_well_is_used_once() {
        for (n_wells, uses_edge) in [(96, true), (96, false), (384, true), (384, false), (1536, true)] {
            let request = PlateRequest { n_wells, uses_edge, ..request() };
            let plan = PlatePlan::of(&ranking(200), &request).unwrap();
            let places: BTreeSet<(&str, Well)> =
                plan.wells.iter().map(|planned| (planned.plate.as_str(), planned.well)).collect();
            assert_eq!(places.len(), plan.wells.len());
            let mut of_pick = BTreeMap::<usize, BTreeSet<&str>>::new();
            for planned in &plan.wells {
                if let Some(pick) = planned.pick {
                    of_pick.entry(pick).or_default().insert(&planned.plate);
                }
                let (rows, columns) = shape(n_wells).unwrap();
                let (row, column) = (i64::from(planned.well.row()) + 1, i64::from(planned.well.column()));
                assert!(row <= rows && column <= columns);
                assert!(uses_edge || (row > 1 && row < rows && column > 1 && column < columns), "{planned:?}");
            }
            assert_eq!(of_pick.len(), plan.picks.len());
            assert!(of_pick.values().all(|plates| plates.len() == 3));
        }
    }

    #[test]
    fn controls_are_spread_over_the_plate() {
        for seed in 0..20 {
            let plan = PlatePlan::of(&ranking(200), &PlateRequest { seed, controls: Some(32), ..request() }).unwrap();
            for plate in plan.wells.chunk_by(|one, next| one.plate == next.plate) {
                let mut quadrants = [0; 4];
                for planned in plate.iter().filter(|planned| planned.pick.is_none()) {
                    let half = |at: u8, middle: u8| usize::from(at >= middle);
                    quadrants[2 * half(planned.well.row(), 8) + half(planned.well.column() - 1, 12)] += 1;
                }
                assert_eq!(quadrants.iter().sum::<usize>(), 32);
                assert!(quadrants.iter().all(|&n| (6..=10).contains(&n)), "{quadrants:?}");
            }
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_plan_and_another_another() {
        let plan = |seed| PlatePlan::of(&ranking(100), &PlateRequest { seed, ..request() }).unwrap();
        assert_eq!(plan(1), plan(1));
        assert_ne!(plan(1).wells, plan(2).wells);
    }

    #[test]
    fn what_cannot_be_planned_is_refused() {
        let error = |ranking: &Ranking, request| PlatePlan::of(ranking, &request).unwrap_err().to_string();
        let all = ranking(10);
        assert!(error(&all, PlateRequest { n_wells: 100, ..request() }).contains("96, 384 or 1536 wells, not 100"));
        assert!(error(&all, PlateRequest { controls: Some(308), ..request() }).contains("leave no room"));
        assert!(error(&ranking(0), request()).contains("nothing to try"));
    }
}
