//! Why a candidate is where it is in a ranking: what moves toward the target, what it rests on, and what other methods say.

use super::ranking::RankedIntervention;
use crate::predict::Method;
use crate::screen::{Role, Screen, Well};

/// Noise below which a feature is constant and cannot be measured in it.
const LEAST_NOISE: f64 = 1e-9;

/// Why a candidate is where it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// The candidate as it is ranked.
    pub candidate: RankedIntervention,
    /// How many candidates it was ranked among.
    pub n_candidates: usize,
    /// What ranks.
    pub by: Method,
    /// Where the cells start, in words.
    pub start: String,
    /// The target phenotype, in words.
    pub target: String,
    /// The verdict on what ranks, and what to know of the target; sentences.
    pub sentences: Vec<String>,
    /// What each feature does.
    pub moves: Moves,
    /// The candidate's own wells.
    pub wells: Vec<OwnWell>,
    /// Other treatments that share a perturbation with it, nearest in meaning first.
    pub relatives: Vec<Relative>,
    /// Where other methods rank it.
    pub rivals: Vec<Rival>,
}

/// What features do on the way from start to target.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Moves {
    /// Features with a noise, in the order of the screen; empty where rows are pixels.
    pub features: Vec<Move>,
    /// In what `features` are measured, in words; or why there are none.
    pub unit: String,
    /// Features that are constant where noise is measured, and are left out.
    pub n_constant: usize,
}

/// What one feature does, from the start, in units of noise.
#[derive(Debug, Clone, PartialEq)]
pub struct Move {
    /// The feature.
    pub feature: String,
    /// How far the target is.
    pub target: f64,
    /// How far the candidate is predicted to move.
    pub predicted: f64,
    /// How far it was measured to move, where it was.
    pub measured: Option<f64>,
}

/// Which way a feature moves, seen from the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// It comes nearer to the target by the noise of a well or more.
    Toward,
    /// It gets farther from the target by as much.
    Away,
    /// The target moves by the noise of a well or more, and it does not come nearer by as much.
    Still,
    /// It is about where it has to be.
    Neither,
}

impl Way {
    /// The word in tables.
    pub fn word(self) -> &'static str {
        match self {
            Self::Toward => "toward",
            Self::Away => "away",
            Self::Still => "still",
            Self::Neither => "neither",
        }
    }
}

impl Move {
    /// How much nearer to the target it comes, in units of noise.
    pub fn gain(&self) -> f64 {
        self.target.abs() - (self.target - self.predicted).abs()
    }

    /// Which way it moves.
    pub fn way(&self) -> Way {
        match self.gain() {
            gain if gain >= 1.0 => Way::Toward,
            gain if gain <= -1.0 => Way::Away,
            _ if self.target.abs() >= 1.0 => Way::Still,
            _ => Way::Neither,
        }
    }
}

impl Moves {
    /// What the features of profiles do.
    pub fn of(
        names: &[String],
        noise: &Noise,
        start: &[f32],
        target: &[f32],
        predicted: &[f32],
        measured: Option<&[f32]>,
    ) -> Self {
        let mut features = Vec::new();
        for (place, name) in names.iter().enumerate().filter(|(place, _)| noise.values[*place] > LEAST_NOISE) {
            let from_start = |to: &[f32]| f64::from(to[place] - start[place]) / noise.values[place];
            features.push(Move {
                feature: name.clone(),
                target: from_start(target),
                predicted: from_start(predicted),
                measured: measured.map(from_start),
            });
        }
        Self { n_constant: names.len() - features.len(), features, unit: noise.unit.to_owned() }
    }

    /// The features that move that way: those that gain or lose most first; those that stay by how far the target is.
    pub fn that(&self, way: Way) -> Vec<&Move> {
        let mut found: Vec<&Move> = self.features.iter().filter(|feature| feature.way() == way).collect();
        let size = |feature: &Move| match way {
            Way::Toward | Way::Away => feature.gain().abs(),
            Way::Still | Way::Neither => feature.target.abs(),
        };
        found.sort_by(|a, b| size(b).total_cmp(&size(a)).then_with(|| a.feature.cmp(&b.feature)));
        found
    }
}

/// How far single wells scatter in each feature.
#[derive(Debug, Clone, PartialEq)]
pub struct Noise {
    /// Standard deviation of a single well, `[feature]`.
    pub values: Vec<f64>,
    /// What scatters, in words.
    pub unit: &'static str,
}

impl Noise {
    /// Of control wells about the mean of their plate's controls; without two of them on a plate, of replicates about the mean
    /// of their treatment; without those either, one unit of the features.
    pub fn of(screen: &Screen) -> Self {
        let controls = screen.rows_by_plate(|unit| unit.role == Role::NegativeControl);
        let of_controls = pooled(screen, controls.values().map(Vec::as_slice));
        let (values, unit) = match of_controls {
            Some(values) => (values, "the spread of single control wells about their plate's mean"),
            None => {
                let treatments = screen.treatments();
                match pooled(screen, treatments.values().map(Vec::as_slice)) {
                    Some(values) => (values, "the spread of single replicates about the mean of their treatment"),
                    None => (
                        vec![1.0; screen.features.n_features()],
                        "units of the normalized features, as no replicates say how large noise is",
                    ),
                }
            }
        };
        Self { values, unit }
    }
}

/// The pooled standard deviation of each feature within groups of rows; `None` where no group has two.
fn pooled<'a>(screen: &Screen, groups: impl Iterator<Item = &'a [usize]>) -> Option<Vec<f64>> {
    let mut squares = vec![0.0; screen.features.n_features()];
    let mut freedom = 0usize;
    for rows in groups.filter(|rows| rows.len() > 1) {
        let mean = screen.features.mean_of(rows);
        for &row in rows {
            let values = screen.features.read_row(row);
            let differences = values.iter().zip(&mean).map(|(value, mean)| f64::from(value - mean).powi(2));
            squares.iter_mut().zip(differences).for_each(|(sum, square)| *sum += square);
        }
        freedom += rows.len() - 1;
    }
    (freedom > 0).then(|| squares.iter().map(|sum| (sum / freedom as f64).sqrt()).collect())
}

/// A well in which the candidate was measured.
#[derive(Debug, Clone, PartialEq)]
pub struct OwnWell {
    /// Its plate.
    pub plate: String,
    /// Its place on the plate, where the files name it.
    pub well: Option<Well>,
    /// The label of the replicate, where the files name it.
    pub replicate: Option<String>,
    /// The score of the well itself: nothing is predicted.
    pub score: f64,
}

/// Another treatment that shares a perturbation with the candidate.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Relative {
    /// How it is related.
    pub relation: Relation,
    /// In words.
    pub treatment: String,
    /// Wells in which it was measured.
    pub n_wells: usize,
    /// Plates on which they are.
    pub n_plates: usize,
}

/// How a treatment is related to a candidate with which it shares a perturbation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Relation {
    /// The same perturbations at another dose, in the same context.
    OtherDose,
    /// A part of the candidate, in the same context.
    Part,
    /// A set that holds some of it, in the same context.
    Set,
    /// In another context or for another time.
    Elsewhere,
}

impl Relation {
    /// The words in tables.
    pub fn word(self) -> &'static str {
        match self {
            Self::OtherDose => "another dose",
            Self::Part => "a part of it",
            Self::Set => "a set that shares a part",
            Self::Elsewhere => "measured elsewhere",
        }
    }
}

/// Where another method ranks the candidate.
#[derive(Debug, Clone, PartialEq)]
pub struct Rival {
    /// The method.
    pub method: Method,
    /// Its rank, among how many, and its score; `None` where the method says nothing of it.
    pub place: Option<(usize, usize, f64)>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::{Design, FeatureMatrix, Unit, Units};

    fn moves(target: f32, predicted: f32) -> Move {
        let names = ["f".to_owned()];
        let noise = Noise { values: vec![0.5], unit: "" };
        Moves::of(&names, &noise, &[1.0], &[target], &[predicted], None).features.remove(0)
    }

    #[test]
    fn a_feature_is_measured_from_the_start_in_noise() {
        // The target is 4 noises above the start, the candidate 3; so it comes 3 nearer.
        let up = moves(3.0, 2.5);
        assert_eq!((up.target, up.predicted, up.gain(), up.way()), (4.0, 3.0, 3.0, Way::Toward));
        // Past the target by 3 of 4 leaves 1.
        assert_eq!(moves(3.0, 4.5).gain(), 1.0);
        // Past it by more than it was away.
        assert_eq!(moves(3.0, 6.0).way(), Way::Away);
        assert_eq!(moves(3.0, 1.2).way(), Way::Still);
        assert_eq!(moves(1.2, 1.2).way(), Way::Neither);
        assert_eq!(moves(1.2, 0.0).way(), Way::Away);
    }

    #[test]
    fn noise_is_the_pooled_spread_within_plates() {
        let plates = ["a", "a", "b", "b", "b"];
        let unit = |plate: &&str| Unit { plate: (*plate).to_owned(), ..Unit::under(None) };
        let screen = Screen {
            name: "noise".into(),
            design: Design::AgainstControls,
            units: Units::of_each(plates.iter().map(unit).collect()),
            // Sums of squares about the means of the plates: 2 and 8, with 1 and 2 degrees of freedom.
            features: FeatureMatrix::numbered("f", 2, vec![0.0, 7.0, 2.0, 7.0, 10.0, 7.0, 12.0, 7.0, 14.0, 7.0]).into(),
            labels: Vec::new(),
            dropped: Vec::new(),
            origin: Default::default(),
        };
        let noise = Noise::of(&screen);
        assert!((noise.values[0] - (10.0f64 / 3.0).sqrt()).abs() < 1e-6, "{noise:?}");
        let names = ["x".to_owned(), "constant".to_owned()];
        let moves = Moves::of(&names, &noise, &[0.0; 2], &[1.0; 2], &[1.0; 2], None);
        assert_eq!((moves.features.len(), moves.n_constant), (1, 1));
    }
}
