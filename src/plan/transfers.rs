//! What a liquid handler moves to make a plan: from stocks into wells, in whole steps of volume.
//!
//! The volume of a stock is dose × volume of the well ÷ concentration of the stock. All wells, controls too, get as much
//! solvent as the well with most of it on their plate, so that the solvent is no effect.

use std::collections::{BTreeMap, BTreeSet};

use super::error::PlanError;
use super::plate::PlatePlan;
use crate::load::Stock;
use crate::screen::{Micromolar, Well};
use crate::table::{Column, Table};

/// Largest relative error of a dose that rounding to a step of volume may make.
const MOST_ROUNDED: f64 = 0.1;

/// How liquid is moved.
#[derive(Debug, Clone, PartialEq)]
pub struct Dispensing {
    /// The stocks there are.
    pub stocks: Stocks,
    /// Volume of a well, in µL.
    pub well_ul: f64,
    /// The step of volume, in nL: volumes are multiples of it.
    pub step_nl: f64,
    /// Most solvent in a well, as a share of its volume.
    pub most_solvent: f64,
    /// Name of the solvent.
    pub solvent: String,
}

/// Where compounds are taken from.
#[derive(Debug, Clone, PartialEq)]
pub enum Stocks {
    /// One stock of each, of this concentration, in the order in which they are needed.
    Of(Micromolar),
    /// Those of a list.
    Listed(Vec<Stock>),
}

/// One movement of liquid.
#[derive(Debug, Clone, PartialEq)]
pub struct Transfer {
    /// Plate and well to take from.
    pub source: (String, String),
    /// Plate and well to bring to.
    pub destination: (String, Well),
    /// How much, in nL.
    pub volume_nl: f64,
    /// What is in it.
    pub content: String,
    /// Concentration of the source in µM; `None` of solvent.
    pub stock_um: Option<f64>,
    /// Dose in the well, with the volume as rounded; `None` of solvent.
    pub dose_um: Option<f64>,
}

impl Dispensing {
    /// The movements that make `plan`, in the order of destinations.
    ///
    /// # Errors
    /// When a member has no dose or no stock, or none of its stocks can make its dose.
    pub fn transfers(&self, plan: &PlatePlan) -> Result<Vec<Transfer>, PlanError> {
        let sources = self.sources(plan);
        let mut transfers = Vec::new();
        for plate in plan.wells.chunk_by(|one, next| one.plate == next.plate) {
            let mut of_plate = Vec::new();
            for planned in plate {
                let members = planned.pick.map(|pick| plan.picks[pick].intervention.members()).unwrap_or_default();
                let mut of_well = Vec::new();
                for member in members {
                    let name = member.perturbation.name.as_str();
                    let dose = member.dose.ok_or_else(|| PlanError::Plate {
                        problem: format!(
                            "`{name}` has no dose, so that no volume of it can be moved; leave --transfer out"
                        ),
                    })?;
                    let (source, stock, volume_nl) =
                        self.volume(name, dose, sources.get(name).map_or(&[], Vec::as_slice))?;
                    of_well.push(Transfer {
                        source,
                        destination: (planned.plate.clone(), planned.well),
                        volume_nl,
                        content: name.to_owned(),
                        stock_um: Some(stock),
                        dose_um: Some(volume_nl * stock / (1000.0 * self.well_ul)),
                    });
                }
                of_plate.push((planned, of_well));
            }
            let total = |of_well: &Vec<Transfer>| of_well.iter().map(|transfer| transfer.volume_nl).sum::<f64>();
            let most = of_plate.iter().map(|(_, of_well)| total(of_well)).fold(0.0, f64::max);
            let share = most / (1000.0 * self.well_ul);
            if share > self.most_solvent * (1.0 + 1e-9) {
                let (full, of_well) = of_plate
                    .iter()
                    .max_by(|one, other| total(&one.1).total_cmp(&total(&other.1)))
                    .expect("a plate has wells");
                let what: Vec<&str> = of_well.iter().map(|transfer| transfer.content.as_str()).collect();
                return Err(PlanError::Plate {
                    problem: format!(
                        "{} {} ({}) would get {most:.1} nL of stock, {:.2} % of its volume and more than {} %; give a \
                         stronger stock, or allow more with --most-solvent",
                        full.plate,
                        full.well,
                        what.join(" + "),
                        100.0 * share,
                        100.0 * self.most_solvent
                    ),
                });
            }
            for (planned, of_well) in of_plate {
                let rest = most - total(&of_well);
                transfers.extend(of_well);
                if rest >= self.step_nl / 2.0 {
                    transfers.push(Transfer {
                        source: (self.solvent.clone(), "A01".to_owned()),
                        destination: (planned.plate.clone(), planned.well),
                        volume_nl: rest,
                        content: self.solvent.clone(),
                        stock_um: None,
                        dose_um: None,
                    });
                }
            }
        }
        Ok(transfers)
    }

    /// The stocks of each perturbation of the plan.
    fn sources(&self, plan: &PlatePlan) -> BTreeMap<String, Vec<Stock>> {
        let mut sources = BTreeMap::<String, Vec<Stock>>::new();
        match &self.stocks {
            Stocks::Listed(stocks) => {
                stocks
                    .iter()
                    .for_each(|stock| sources.entry(stock.perturbation.clone()).or_default().push(stock.clone()));
            }
            Stocks::Of(concentration) => {
                let members = plan.picks.iter().flat_map(|pick| pick.intervention.members());
                let names: BTreeSet<&str> = members.map(|member| member.perturbation.name.as_str()).collect();
                // 384 wells a plate, row by row.
                for (number, name) in names.into_iter().enumerate() {
                    let (plate, at) = (number / 384 + 1, number % 384);
                    let well = Well::at((at / 24 + 1) as i64, (at % 24 + 1) as i64).expect("a well of 384");
                    let stock = Stock {
                        perturbation: name.to_owned(),
                        concentration: *concentration,
                        source: Some((format!("stock-{plate}"), well)),
                    };
                    sources.insert(name.to_owned(), vec![stock]);
                }
            }
        }
        sources
    }

    /// Source, concentration and volume of the stock that makes a dose most exactly.
    fn volume(
        &self,
        name: &str,
        dose: Micromolar,
        stocks: &[Stock],
    ) -> Result<((String, String), f64, f64), PlanError> {
        let wanted = |stock: &Stock| dose.get() * 1000.0 * self.well_ul / stock.concentration.get();
        let rounded = |stock: &Stock| (wanted(stock) / self.step_nl).round() * self.step_nl;
        let error = |stock: &Stock| (rounded(stock) / wanted(stock) - 1.0).abs();
        let fits = |stock: &&Stock| error(stock) <= MOST_ROUNDED;
        let best = stocks.iter().filter(fits).min_by(|one, other| wanted(one).total_cmp(&wanted(other)));
        let Some(best) = best else {
            let problem = match stocks.iter().max_by(|one, other| wanted(one).total_cmp(&wanted(other))) {
                None => format!("`{name}` has no stock in the list; add a row of it"),
                Some(weakest) => format!(
                    "{dose} of `{name}` would be {:.2} nL of its stock of {}, and volumes are multiples of {} nL; add an \
                     intermediate stock of at most {}",
                    wanted(weakest),
                    weakest.concentration,
                    self.step_nl,
                    Micromolar::new(dose.get() * 1000.0 * self.well_ul / (5.0 * self.step_nl)).unwrap_or(dose)
                ),
            };
            return Err(PlanError::Plate { problem });
        };
        let (plate, well) = match &best.source {
            Some((plate, well)) => (plate.clone(), well.to_string()),
            None => (format!("{name} {}", best.concentration), "A01".to_owned()),
        };
        Ok(((plate, well), best.concentration.get(), rounded(best)))
    }
}

/// The movements as a table that liquid handlers import.
pub fn transfer_table(transfers: &[Transfer]) -> Table {
    let text = |of: fn(&Transfer) -> String| Column::Text(transfers.iter().map(|one| Some(of(one))).collect());
    let number = |of: fn(&Transfer) -> Option<f64>| Column::Number(transfers.iter().map(of).collect());
    Table::new()
        .with("source_plate", "plate to take from", text(|one| one.source.0.clone()))
        .with("source_well", "well to take from", text(|one| one.source.1.clone()))
        .with("destination_plate", "plate to bring to", text(|one| one.destination.0.clone()))
        .with("destination_well", "well to bring to", text(|one| one.destination.1.to_string()))
        .with("volume_nl", "volume in nL", number(|one| Some(one.volume_nl)))
        .with("content", "what is moved", text(|one| one.content.clone()))
        .with("stock_um", "concentration of the source in µM; null of solvent", number(|one| one.stock_um))
        .with("dose_um", "dose in the well, with the volume as rounded; null of solvent", number(|one| one.dose_um))
}

#[cfg(test)]
mod tests {
    use super::super::plate::{Pick, PlannedWell, Purpose};
    use super::*;
    use crate::screen::{Application, Intervention, Kind, Perturbation};

    fn plan(sets: &[&[(&str, Option<f64>)]]) -> PlatePlan {
        let member = |&(name, dose): &(&str, Option<f64>)| Application {
            perturbation: Perturbation { name: name.into(), kind: Kind::Compound },
            dose: dose.and_then(Micromolar::new),
        };
        let pick = |set: &&[(&str, Option<f64>)]| Pick {
            intervention: Intervention::of(set.iter().map(member)),
            purpose: Purpose::New,
            rank: 1,
        };
        let well = |at: usize, pick| PlannedWell {
            plate: "next-1".into(),
            well: Well::at(2, at as i64 + 2).unwrap(),
            pick,
            replicate: 1,
        };
        let picks: Vec<Pick> = sets.iter().map(pick).collect();
        let wells = (0..=picks.len()).map(|at| well(at, (at < picks.len()).then_some(at))).collect();
        PlatePlan { picks, wells, remarks: Vec::new() }
    }

    fn dispensing(stocks: Stocks) -> Dispensing {
        Dispensing { stocks, well_ul: 50.0, step_nl: 2.5, most_solvent: 0.005, solvent: "DMSO".into() }
    }

    #[test]
    fn volumes_make_the_doses_and_every_well_gets_as_much_solvent() {
        let plan = plan(&[&[("a", Some(10.0))], &[("a", Some(1.0)), ("b", Some(5.0))]]);
        let stocks = Stocks::Of(Micromolar::new(10_000.0).unwrap());
        let transfers = dispensing(stocks).transfers(&plan).unwrap();
        // 10 µM in 50 µL from 10 mM are 50 nL.
        let told: Vec<(String, String, f64)> =
            transfers.iter().map(|one| (one.content.clone(), one.destination.1.to_string(), one.volume_nl)).collect();
        let expected =
            [("a", "B02", 50.0), ("a", "B03", 5.0), ("b", "B03", 25.0), ("DMSO", "B03", 20.0), ("DMSO", "B04", 50.0)];
        assert_eq!(told, expected.map(|(content, well, volume)| (content.to_owned(), well.to_owned(), volume)));
        // What arrives is what was planned: amount over volume.
        for transfer in transfers.iter().filter(|one| one.dose_um.is_some()) {
            let amount = transfer.volume_nl * 1e-3 * transfer.stock_um.unwrap();
            assert!((amount / 50.0 - transfer.dose_um.unwrap()).abs() < 1e-9);
        }
        let mut wells = BTreeMap::<Well, f64>::new();
        transfers.iter().for_each(|one| *wells.entry(one.destination.1).or_default() += one.volume_nl);
        assert!(wells.len() == 3 && wells.values().all(|&volume| (volume - 50.0).abs() < 1e-9), "{wells:?}");
        assert_eq!(transfer_table(&transfers).n_rows(), 5);
    }

    #[test]
    fn the_strongest_stock_that_is_exact_is_taken_and_none_is_an_error() {
        let stock = |um: f64| Stock {
            perturbation: "a".into(),
            concentration: Micromolar::new(um).unwrap(),
            source: Some(("L".into(), Well::at(1, um.log10() as i64).unwrap())),
        };
        let of = |dose: f64, stocks: &[f64]| {
            let stocks = Stocks::Listed(stocks.iter().map(|&um| stock(um)).collect());
            dispensing(stocks).transfers(&plan(&[&[("a", Some(dose))]])).map_err(|error| error.to_string())
        };
        // 0.01 µM are 0.05 nL of 10 mM, which no step makes, and 5 nL of 100 µM.
        let found = of(0.01, &[10_000.0, 100.0]).unwrap();
        assert_eq!((found[0].volume_nl, found[0].stock_um), (5.0, Some(100.0)));
        let error = of(0.01, &[10_000.0]).unwrap_err();
        assert!(error.contains("0.05 nL of its stock of 10000 µM") && error.contains("at most 40 µM"), "{error}");
        assert!(of(100.0, &[10_000.0]).unwrap_err().contains("more than 0.5 %"));
        assert!(of(1.0, &[]).unwrap_err().contains("`a` has no stock"));
        let genetic = dispensing(Stocks::Of(Micromolar::new(1.0).unwrap())).transfers(&plan(&[&[("gene", None)]]));
        assert!(genetic.unwrap_err().to_string().contains("has no dose"));
    }
}
