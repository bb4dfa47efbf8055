//! What was present when: the sheet of stimuli, and the part of it that one interval sees.
//!
//! ```text
//! experiment,ligand,dose_ng_ml,start_min,end_min
//! fgf2_pulses,FGF2,250,43,46
//! fgf2_pulses,FGF2,250,66,69
//! ```
//!
//! An interval between two measurements is given the set of all that was present at any time in it, for as long as the
//! member that was present longest. A member that was present for a part of that only enters with its dose averaged over it;
//! so a set whose members come and go together, or a single member, is told exactly.

use std::collections::BTreeMap;

use super::super::card::Card;
use super::super::dose::rounded;
use super::super::error::LoadError;
use super::super::table::RawTable;
use super::settings::StimulusSettings;
use super::sheet::{Cells, key_text, minutes_of};
use crate::load::image::settings::TimeUnit;
use crate::screen::{Application, Intervention, Micromolar, Perturbation};

/// One stretch of time in which something was present.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Stimulus {
    perturbation: Perturbation,
    dose: Option<Micromolar>,
    start: f64,
    end: f64,
}

/// The stimuli of every key of the sheet, in minutes.
pub(super) fn of_sheet(
    sheet: &RawTable,
    settings: &StimulusSettings,
    unit: TimeUnit,
    card: &Card,
) -> Result<BTreeMap<Vec<String>, Vec<Stimulus>>, LoadError> {
    let keys = settings
        .on
        .iter()
        .map(|key| Cells::of(sheet, key.sheet_column(), "it is named under [tracks.stimuli] `on`"))
        .collect::<Result<Vec<_>, _>>()?;
    let perturbation = Cells::of(sheet, &settings.perturbation, "it is named under [tracks.stimuli] `perturbation`")?;
    let dose = settings
        .dose
        .as_deref()
        .map(|column| Cells::of(sheet, column, "it is named under [tracks.stimuli] `dose`"))
        .transpose()?;
    let start = Cells::of(sheet, &settings.start, "it is named under [tracks.stimuli] `start`")?;
    let end = Cells::of(sheet, &settings.end, "it is named under [tracks.stimuli] `end`")?;
    let mut found = BTreeMap::<Vec<String>, Vec<Stimulus>>::new();
    for row in 0..sheet.n_rows() {
        let key = keys.iter().map(|cells| Ok(key_text(cells.required(row, "a value, since the column is a key")?)));
        let key: Vec<String> = key.collect::<Result<_, LoadError>>()?;
        let name = perturbation.required(row, "the name of what was present")?.to_owned();
        let dose = dose.map(|cells| dose_of(cells, row, &name, card)).transpose()?;
        let time = |cells: Cells<'_>, expected| minutes_of(cells, row, unit, expected);
        let from = time(start, "the time from which it was present")?;
        let until = time(end, "the time until which it was present")?;
        if until <= from {
            return Err(end.wrong(row, "a time after the start"));
        }
        let perturbation = Perturbation { name, kind: card.kind.unwrap_or_default() };
        let stretches = found.entry(key).or_default();
        let is_same = |other: &Stimulus| other.perturbation == perturbation && other.start < until && from < other.end;
        if stretches.iter().any(is_same) {
            return Err(start.wrong(row, "an interval that does not overlap another of the same perturbation"));
        }
        stretches.push(Stimulus { perturbation, dose, start: from, end: until });
    }
    Ok(found)
}

fn dose_of(cells: Cells<'_>, row: usize, perturbation: &str, card: &Card) -> Result<Micromolar, LoadError> {
    let unit = super::super::mapping::unit_of(card, cells.column)
        .ok_or_else(|| LoadError::DoseUnit { path: cells.place(row).path, column: cells.column.to_owned() })?;
    let micromolar = card.in_micromolar(unit, perturbation)?;
    const EXPECTED: &str = "a positive number (leave out the row where nothing was present)";
    let value = cells.required(row, EXPECTED)?.parse::<f64>().ok();
    let dose = value.and_then(|value| Micromolar::new(rounded(value * micromolar)));
    dose.map(|dose| dose.shown_in(unit, micromolar)).ok_or_else(|| cells.wrong(row, EXPECTED))
}

/// The time at which the first of `stimuli` begins.
pub(super) fn first_start(stimuli: &[Stimulus]) -> Option<f64> {
    stimuli.iter().map(|stimulus| stimulus.start).min_by(f64::total_cmp)
}

/// Everything that is applied at any time, without a duration.
pub(super) fn all_of(stimuli: &[Stimulus]) -> Intervention {
    Intervention::of(
        stimuli.iter().map(|stimulus| Application { perturbation: stimulus.perturbation.clone(), dose: stimulus.dose }),
    )
}

/// What was present between `from` and `until`.
pub(super) fn present(stimuli: &[Stimulus], from: f64, until: f64) -> Intervention {
    // Minutes, and minutes times dose, of each perturbation; a dose that changes is averaged like one that begins.
    let mut members = BTreeMap::<&Perturbation, (f64, Option<(Micromolar, f64)>)>::new();
    for stimulus in stimuli {
        let minutes = stimulus.end.min(until) - stimulus.start.max(from);
        if minutes > 0.0 {
            let (total, dosed) = members.entry(&stimulus.perturbation).or_insert((0.0, None));
            *total += minutes;
            if let Some(dose) = stimulus.dose {
                dosed.get_or_insert((dose, 0.0)).1 += minutes * dose.get();
            }
        }
    }
    let longest = members.values().map(|(minutes, _)| *minutes).fold(0.0, f64::max);
    let members = members.into_iter().map(|(perturbation, (_, dosed))| Application {
        perturbation: perturbation.clone(),
        dose: dosed.and_then(|(first, dosed)| first.at(rounded(dosed / longest))),
    });
    let set = Intervention::of(members);
    if set.is_untreated() { set } else { set.lasting(longest / 60.0) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::Kind;

    fn stimulus(name: &str, dose: Option<f64>, start: f64, end: f64) -> Stimulus {
        let perturbation = Perturbation { name: name.into(), kind: Kind::Other };
        Stimulus { perturbation, dose: dose.and_then(Micromolar::new), start, end }
    }

    #[test]
    fn a_pulse_between_frames_lasts_as_long_in_each_interval_as_it_was_present() {
        let pulse = [stimulus("EGF", Some(2.0), 43.0, 46.0)];
        let of = |from, until| present(&pulse, from, until);
        assert!(of(40.0, 42.0).is_untreated() && of(46.0, 48.0).is_untreated());
        let egf = Intervention::single("EGF", Kind::Other, Micromolar::new(2.0));
        assert_eq!(of(42.0, 44.0), egf.clone().lasting(1.0 / 60.0));
        assert_eq!(of(44.0, 46.0), egf.lasting(2.0 / 60.0));
    }

    #[test]
    fn who_is_present_for_a_part_enters_with_its_mean_dose() {
        let pre_treated = [
            stimulus("inhibitor", Some(10.0), 0.0, 100.0),
            stimulus("EGF", Some(2.0), 43.0, 46.0),
            stimulus("gel", None, 43.0, 46.0),
        ];
        let set = present(&pre_treated, 42.0, 44.0);
        let doses: Vec<_> =
            set.members().iter().map(|m| (m.perturbation.name.as_str(), m.dose.map(Micromolar::get))).collect();
        assert_eq!(doses, [("EGF", Some(1.0)), ("gel", None), ("inhibitor", Some(10.0))]);
        assert_eq!(set.hours(), Some(2.0 / 60.0));
        // One agent whose dose changes within the interval: 1 min of 2 and 1 min of 6.
        let step = [stimulus("EGF", Some(2.0), 0.0, 43.0), stimulus("EGF", Some(6.0), 43.0, 60.0)];
        assert_eq!(present(&step, 42.0, 44.0).members()[0].dose.unwrap().get(), 4.0);
        assert_eq!(present(&step, 44.0, 46.0).members()[0].dose.unwrap().get(), 6.0);
    }
}
