//! A measured number of every object that the model never sees, read out of its predictions: the test of a time lapse.
//!
//! A ridge probe, fitted on training objects, turns latents into the logarithm of the number. Over the tracks of a well the
//! numbers are summed, at the last frame and at the first, and their ratio is compared with the measured one. Simple
//! methods predict that ratio from the measured ratios of training wells; the same methods also predict latents, from how
//! far training conditions moved their objects, and those are read out as the model's are.

mod ratios;

use std::collections::BTreeMap;

use burn::tensor::Device;

use super::error::AnswerError;
use super::prepared::Prepared;
use super::trained_run::TrainedRun;
use crate::baseline::{Profiles, Rows};
use crate::config::Config;
use crate::crop::READOUT_LABEL;
use crate::evaluate::{EvaluateError, UnitName, WellReadout};
use crate::pair::{Part, Split};
use crate::predict::{Line, LogProbe, Method, Predictions, ratios_of_sums};
use crate::screen::{FeatureMatrix, Screen, Track, Treatment, Well};
use crate::train::Latents;

/// Objects from which a candidate's ratio is predicted, at most; of more, every n-th.
const MOST_STARTS: usize = 400;

/// A trained model's view of a time lapse: latents of every frame, and the probe that reads the number out of them.
pub struct Lapse<'a> {
    prepared: &'a Prepared,
    trained_run: &'a TrainedRun,
    device: &'a Device,
    /// Latents of every row.
    latents: Latents,
    wells: Vec<WellTracks<'a>>,
    /// Logarithm of each row's measured number.
    logs: Vec<Option<f64>>,
    probe: LogProbe,
}

/// One well with its followed objects that have the number in the first and in the last frame.
struct WellTracks<'a> {
    plate: &'a str,
    well: Option<Well>,
    treatment: Treatment,
    part: Part,
    tracks: Vec<&'a Track>,
}

/// A method with what it says of each well, in the order of the wells.
type Ratios = (Method, Vec<Option<f64>>);

impl<'a> Lapse<'a> {
    /// Encodes all frames and fits the probe on training objects.
    ///
    /// # Errors
    /// When no training object has a number, or the fit fails.
    pub fn new(prepared: &'a Prepared, trained_run: &'a TrainedRun, device: &'a Device) -> Result<Self, AnswerError> {
        let screen = &prepared.screen;
        let logs = log_values(screen, READOUT_LABEL)?;
        let wells = wells(screen, &prepared.split, &logs);
        let all: Vec<usize> = (0..screen.n_observations()).collect();
        let latents = trained_run.trained.encode(&screen.features, &all, device);
        let training: Vec<usize> = prepared
            .screen
            .design
            .tracks()
            .iter()
            .filter(|track| prepared.split.part(track.first()) == Part::Train)
            .flat_map(|track| track.rows.iter().copied())
            .filter(|&row| logs[row].is_some())
            .collect();
        let measured = training.iter().map(|&row| logs[row].expect("filtered above") as f32).collect();
        let probe = LogProbe::fit(latents.select(&training), measured)?;
        Ok(Self { prepared, trained_run, device, latents, wells, logs, probe })
    }

    /// The measured ratio of every well.
    fn observed(&self) -> Vec<f64> {
        let measured_at = |row: usize| self.logs[row].expect("wells hold tracks with both numbers").exp();
        let ratio = |well: &WellTracks| {
            let sum = |row: fn(&Track) -> usize| well.tracks.iter().map(|track| measured_at(row(track))).sum::<f64>();
            sum(Track::last) / sum(Track::first)
        };
        self.wells.iter().map(ratio).collect()
    }

    /// Read-outs of all wells by every method, and how methods are weighted where they are combined, in sentences.
    ///
    /// # Errors
    /// When a fit fails.
    pub fn readouts(&self, config: &Config) -> Result<(Vec<WellReadout>, Vec<String>), AnswerError> {
        let observed = self.observed();
        let followed: Vec<&Track> = self.wells.iter().flat_map(|well| well.tracks.iter().copied()).collect();
        let starts = self.latents_at(&followed, Track::first);
        let mut methods: Vec<Ratios> = Vec::new();
        let mut add = |method: Method, latents: Latents| {
            methods.push((method, self.calibrated(&self.ratios(&starts, latents), &observed)));
        };
        add(Method::Model, self.predicted(&followed));
        add(Method::TrueFrame, self.latents_at(&followed, Track::last));
        for moves in self.simple_moves() {
            if let Some(latents) = self.moved(&starts, &followed, &moves) {
                add(Method::OfLatents(Box::new(moves.method)), latents);
            }
        }
        let of_ratios = self.changes_of_ratios(&observed).simple_predictions(&self.treatments());
        for predictions in &of_ratios {
            methods.push((predictions.method.clone(), self.by_treatment(predictions)));
        }
        let (combined, weights) = self.combined(&observed, &methods[0].1, &of_ratios)?;
        methods.push((Method::Combined, combined));
        methods.push((Method::Replicate, self.replicates(&observed)));
        let mut found = Vec::new();
        for (method, values) in methods {
            for ((well, value), &observed) in self.wells.iter().zip(values).zip(&observed) {
                found.extend(value.map(|predicted| WellReadout {
                    unit: UnitName::Well { plate: well.plate.to_owned(), well: well.well },
                    treatment: well.treatment.clone(),
                    fold: config.split.fold,
                    part: well.part,
                    method: method.clone(),
                    predicted,
                    observed,
                }));
            }
        }
        Ok((found, weights))
    }

    /// The ratio that the model predicts for each of `treatments`, over objects of all wells, and the measured ones by treatment.
    pub fn predicted_ratios(&self, treatments: &[Treatment]) -> (Vec<f64>, BTreeMap<Treatment, f64>) {
        let observed = self.observed();
        let followed: Vec<&Track> = self.wells.iter().flat_map(|well| well.tracks.iter().copied()).collect();
        let raw = self.ratios(&self.latents_at(&followed, Track::first), self.predicted(&followed));
        let line = self.line_to(&raw, &observed);
        let some: Vec<&Track> = followed.iter().step_by(followed.len().div_ceil(MOST_STARTS)).copied().collect();
        let starts = self.latents_at(&some, Track::first);
        let first: f64 = self.probe.read(starts).iter().sum();
        let ratio = |treatment: &Treatment| {
            let later: f64 = self.probe.read(self.predicted_under(&some, &vec![treatment; some.len()])).iter().sum();
            line.intercept + line.slope * later / first
        };
        let mut measured = BTreeMap::<Treatment, Vec<f64>>::new();
        for (well, &ratio) in self.wells.iter().zip(&observed) {
            measured.entry(well.treatment.clone()).or_default().push(ratio);
        }
        let mean = |ratios: Vec<f64>| ratios.iter().sum::<f64>() / ratios.len() as f64;
        (
            treatments.iter().map(ratio).collect(),
            measured.into_iter().map(|(key, ratios)| (key, mean(ratios))).collect(),
        )
    }

    /// The screen that it is a view of.
    pub fn prepared(&self) -> &'a Prepared {
        self.prepared
    }

    /// Name and objects of every well of a part.
    pub fn wells_of(&self, part: Part) -> impl Iterator<Item = (String, &[&'a Track])> {
        self.wells.iter().filter(move |well| well.part == part).map(|well| {
            let name = well.well.map_or_else(|| well.plate.to_owned(), |name| format!("{}_{name}", well.plate));
            (name, well.tracks.as_slice())
        })
    }

    /// Objects in the order of their measured number in the first frame.
    pub fn by_first_number(&self, tracks: &[&'a Track]) -> Vec<&'a Track> {
        let mut sorted = tracks.to_vec();
        let number = |track: &Track| self.logs[track.first()].unwrap_or(f64::NEG_INFINITY);
        sorted.sort_by(|one, other| number(one).total_cmp(&number(other)));
        sorted
    }

    /// For each object the later frame of a training object that lies nearest to its predicted last one, and how far away.
    pub fn nearest_frames(&self, tracks: &[&Track]) -> Vec<(usize, f64)> {
        let is_training = |track: &&Track| self.prepared.split.part(track.first()) == Part::Train;
        let training = self.prepared.screen.design.tracks().iter().filter(is_training);
        let rows: Vec<usize> = training.flat_map(|track| track.later().iter().copied()).collect();
        let distance = |predicted: &[f32], row: usize| -> f64 {
            predicted
                .iter()
                .zip(self.latents.row(row))
                .map(|(one, other)| f64::from(one - other).powi(2))
                .sum::<f64>()
                .sqrt()
        };
        let predicted = self.predicted(tracks);
        let nearest = |track: usize| {
            let distances = rows.iter().map(|&row| (row, distance(predicted.row(track), row)));
            distances.min_by(|one, other| one.1.total_cmp(&other.1)).expect("a trained model has training objects")
        };
        (0..tracks.len()).map(nearest).collect()
    }

    /// Latents of one frame of each track.
    fn latents_at(&self, tracks: &[&Track], row: fn(&Track) -> usize) -> Latents {
        self.latents.select(&tracks.iter().map(|track| row(track)).collect::<Vec<_>>())
    }

    /// Predicted latents at the last frame of each track from its first frame.
    fn predicted(&self, tracks: &[&Track]) -> Latents {
        let treatments: Vec<Treatment> =
            tracks.iter().map(|track| self.prepared.screen.unit(track.last()).treatment()).collect();
        self.predicted_under(tracks, &treatments.iter().collect::<Vec<_>>())
    }

    /// Predicted latents of each track from its first frame under one treatment each.
    fn predicted_under(&self, tracks: &[&Track], treatments: &[&Treatment]) -> Latents {
        self.trained_run.trained.predict(treatments, &self.latents_at(tracks, Track::first), self.device)
    }

    /// What simple methods say of how far each condition moves its objects over the whole lapse, in latents.
    fn simple_moves(&self) -> Vec<Predictions> {
        let trained = &self.trained_run.trained;
        let whole: BTreeMap<&Treatment, usize> =
            trained.treatments.iter().enumerate().map(|(index, treatment)| (treatment, index)).collect();
        let treatments = self.treatments();
        let known = treatments.iter().filter_map(|treatment| Some((treatment, *whole.get(treatment)?)));
        let (mut training, mut values) = (Rows::new(), Vec::new());
        for (row, (treatment, index)) in known.enumerate() {
            training.insert(treatment.clone(), vec![row]);
            values.extend(trained.members.iter().flat_map(|(_, memory)| &memory.neighbors[index]));
        }
        let moves = FeatureMatrix::numbered("move_", trained.config.latent * trained.members.len(), values);
        let mut found = Profiles::of_changes(&moves.into(), &training).simple_predictions(&treatments);
        // Where nothing moves, latents and measured ratios say the same.
        found.retain(|predictions| predictions.method != Method::NoChange);
        found
    }

    /// The starts of all tracks moved as `moves` says of their conditions; `None` where it says nothing of a condition.
    fn moved(&self, starts: &Latents, tracks: &[&Track], moves: &Predictions) -> Option<Latents> {
        let of = rows_by_treatment(moves);
        let treatment = |track: &Track| self.prepared.screen.unit(track.last()).treatment();
        let moved = |(row, track): (usize, &&Track)| -> Vec<f32> {
            let start = starts.row(row);
            match of.get(&treatment(track)) {
                Some(&row) => start.iter().zip(moves.profiles.row(row)).map(|(start, step)| start + step).collect(),
                None => vec![f32::NAN; start.len()],
            }
        };
        let values = || tracks.iter().enumerate().flat_map(moved).collect();
        (!of.is_empty()).then(|| Latents::new(starts.n_members(), starts.width(), values()))
    }

    /// The ratio of sums over each well's objects, read out of latents at the end and at the start.
    fn ratios(&self, starts: &Latents, ends: Latents) -> Vec<f64> {
        let sizes = self.wells.iter().map(|well| well.tracks.len());
        ratios_of_sums(&self.probe.read(starts.clone()), &self.probe.read(ends), sizes)
    }

    /// Ratios on the scale of measured ones; `None` where there is no ratio.
    fn calibrated(&self, raw: &[f64], observed: &[f64]) -> Vec<Option<f64>> {
        let line = self.line_to(raw, observed);
        raw.iter().map(|raw| raw.is_finite().then_some(line.at(*raw))).collect()
    }

    /// The straight line that fits measured ratios of training wells.
    fn line_to(&self, raw: &[f64], observed: &[f64]) -> Line {
        let is_usable = |well: &usize| self.wells[*well].part == Part::Train && raw[*well].is_finite();
        let points: Vec<(f64, f64)> =
            (0..raw.len()).filter(is_usable).map(|well| (raw[well], observed[well])).collect();
        Line::through(&points)
    }

    /// The conditions of the wells, sorted, each once.
    fn treatments(&self) -> Vec<Treatment> {
        let mut treatments: Vec<Treatment> = self.wells.iter().map(|well| well.treatment.clone()).collect();
        treatments.sort();
        treatments.dedup();
        treatments
    }
}

/// The natural logarithm of each row's number; `None` where there is none or it is not positive.
pub(super) fn log_values(screen: &Screen, label: &str) -> Result<Vec<Option<f64>>, AnswerError> {
    let found = screen
        .label(label)
        .ok_or_else(|| EvaluateError::MissingLabel { screen: screen.name.clone(), label: label.to_owned() })?;
    let log = |value: &Option<String>| value.as_ref()?.parse::<f64>().ok().filter(|value| *value > 0.0).map(f64::ln);
    Ok(found.values.iter().map(log).collect())
}

/// The wells with at least one object that has its number in the first and in the last frame.
fn wells<'a>(screen: &'a Screen, split: &Split, logs: &[Option<f64>]) -> Vec<WellTracks<'a>> {
    let mut wells = BTreeMap::<(&str, Option<Well>), WellTracks>::new();
    for track in screen.design.tracks() {
        if logs[track.first()].is_none() || logs[track.last()].is_none() {
            continue;
        }
        let unit = screen.unit(track.last());
        wells
            .entry((&unit.plate, unit.well))
            .or_insert_with(|| WellTracks {
                plate: &unit.plate,
                well: unit.well,
                treatment: unit.treatment(),
                part: split.part(track.last()),
                tracks: Vec::new(),
            })
            .tracks
            .push(track);
    }
    wells.into_values().collect()
}

fn rows_by_treatment(predictions: &Predictions) -> BTreeMap<Treatment, usize> {
    predictions.treatments.iter().cloned().zip(0..).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::{Design, Intervention, Kind, Label, Role, Unit, Units};

    /// Two objects in well A01 and one in A02, each in two frames, with these numbers.
    fn lapse(numbers: [&str; 6]) -> Screen {
        let unit = |well: &str, is_later: bool| Unit {
            plate: "P".into(),
            well: well.parse().ok(),
            role: if is_later { Role::Treatment } else { Role::NegativeControl },
            intervention: match is_later {
                true => Intervention::single("taxol", Kind::Compound, None).lasting(24.0),
                false => Intervention::untreated(),
            },
            context: String::new(),
            lab_batch: None,
            replicate: None,
            cell_count: None,
        };
        let rows = ["A01", "A01", "A02"].into_iter().flat_map(|well| [unit(well, false), unit(well, true)]).collect();
        let values = numbers.map(|number| Some(number.to_owned()).filter(|number| !number.is_empty())).to_vec();
        let labels = vec![Label { name: READOUT_LABEL.into(), values }];
        Screen {
            name: "s".into(),
            design: Design::Followed {
                tracks: (0..3).map(|track| Track { rows: vec![2 * track, 2 * track + 1] }).collect(),
            },
            units: Units::of_rows(rows, &labels),
            features: FeatureMatrix::numbered("f", 1, vec![0.0; 6]).into(),
            labels,
            dropped: Vec::new(),
            origin: Default::default(),
        }
    }

    #[test]
    fn numbers_that_have_no_logarithm_are_absent() {
        let logs = log_values(&lapse(["1", "2.5", "0", "-3", "", "many"]), READOUT_LABEL).unwrap();
        assert_eq!(logs, [Some(0.0), Some(2.5f64.ln()), None, None, None, None]);
        let error = log_values(&lapse(["1"; 6]), "height").unwrap_err().to_string();
        assert!(error.contains("height"), "{error}");
    }

    #[test]
    fn an_object_counts_in_its_well_where_it_has_a_number_at_both_ends() {
        let screen = lapse(["1", "2", "1", "", "4", "8"]);
        let logs = log_values(&screen, READOUT_LABEL).unwrap();
        let wells = wells(&screen, &Split::none(&screen), &logs);
        let found: Vec<(String, usize)> =
            wells.iter().map(|well| (well.well.unwrap().to_string(), well.tracks[0].first())).collect();
        assert_eq!(found, [("A01".to_owned(), 0), ("A02".to_owned(), 4)]);
        assert!(wells.iter().all(|well| well.tracks.len() == 1 && well.part == Part::Train));
        assert_eq!(
            (wells[0].treatment.to_string(), wells[0].treatment.intervention.hours()),
            ("taxol".to_owned(), Some(24.0))
        );
    }
}
