//! Screens whose truth is known: to see from how many treatments and replicates on a model learns something, and whether a
//! method finds what is there.
//!
//! The profile of a well is the sum of the effects of what it holds, a shift of its plate and noise:
//!
//! $$x = \sum_i s_i(d_i)\, v_i \;+\; \sum_{i<j} s_i s_j \sum_k t_{ik} t_{jk}\, u_k \;+\; \text{plate} + \text{noise}$$
//!
//! Effects $v_i$, two hidden traits $t_i$ of each perturbation and the directions $u_k$ in which traits act together are
//! standard normal; the second sum is there in interacting screens alone. A dose $d$ has the share
//! $s(d) = d / (d + d_{50})$ of the effect, with a half-effect dose $d_{50}$ that is log-uniform over the doses; without
//! doses the share is 1. Controls are at 0.

mod layout;

use std::fmt::Write;
use std::path::Path;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

use crate::screen::{
    Application, Design, FeatureMatrix, Intervention, Kind, Micromolar, Perturbation, Screen, Treatment, Unit, Units,
};
use crate::table::{Column, FileError, Table, write_atomically};

/// Traits by which perturbations interact.
const N_TRAITS: usize = 2;

/// Treatments of a screen, at most.
const MOST_TREATMENTS: usize = 100_000;

/// The lowest dose in µM; the others follow in steps of half a decade.
const LOWEST_DOSE: f64 = 0.01;

/// How effects come together in sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Law {
    /// The effect of a set is the sum of those of its members.
    Additive,
    /// Hidden traits of its members act together too.
    Interacting,
}

/// What is simulated.
#[derive(Debug, Clone, PartialEq)]
pub struct SimulateConfig {
    /// How effects come together in sets.
    pub law: Law,
    /// Number of perturbations.
    pub perturbations: usize,
    /// Doses of each; 0 for genes, which have none.
    pub doses: usize,
    /// Whether each pair of perturbations is in the screen too, at the highest dose of both.
    pub pairs: bool,
    /// Wells of each treatment, on as many plates.
    pub replicates: usize,
    /// Control wells of each plate.
    pub controls: usize,
    /// Features of a well.
    pub features: usize,
    /// Deviation of the noise of a well, in every feature.
    pub noise: f64,
    /// Deviation of the shifts of plates, in every feature.
    pub plate_shift: f64,
    /// Seed of every draw.
    pub seed: u64,
}

impl Default for SimulateConfig {
    fn default() -> Self {
        Self {
            law: Law::Interacting,
            perturbations: 24,
            doses: 0,
            pairs: true,
            replicates: 2,
            controls: 24,
            features: 6,
            noise: 0.3,
            plate_shift: 0.1,
            seed: 1,
        }
    }
}

/// What cannot be simulated.
#[derive(Debug, thiserror::Error)]
pub enum SimulateError {
    /// A setting without meaning.
    #[error("--{key} is {found}, expected {expected}")]
    Setting {
        /// The setting.
        key: &'static str,
        /// What it is.
        found: String,
        /// What it can be.
        expected: String,
    },
    /// More treatments than a screen can hold here.
    #[error(
        "these are {n} treatments, more than {MOST_TREATMENTS}; take fewer perturbations or doses, or leave pairs out"
    )]
    TooMany {
        /// How many.
        n: usize,
    },
    /// A file that cannot be written.
    #[error(transparent)]
    File(#[from] FileError),
}

impl SimulateConfig {
    fn check(&self) -> Result<(), SimulateError> {
        let between = |key: &'static str, found: usize, least: usize, most: usize| match (least..=most).contains(&found)
        {
            true => Ok(()),
            false => Err(SimulateError::Setting {
                key,
                found: found.to_string(),
                expected: format!("a whole number from {least} to {most}"),
            }),
        };
        between("perturbations", self.perturbations, 2, 10_000)?;
        between("doses", self.doses, 0, 12)?;
        between("replicates", self.replicates, 1, 100)?;
        between("controls", self.controls, 2, layout::WELLS / 2)?;
        between("features", self.features, 1, 2_000)?;
        for (key, found) in [("noise", self.noise), ("plate-shift", self.plate_shift)] {
            if !(0.0..=1e6).contains(&found) {
                let expected = "a number from 0 to 1000000".to_owned();
                return Err(SimulateError::Setting { key, found: found.to_string(), expected });
            }
        }
        let n_pairs = if self.pairs { self.perturbations * (self.perturbations - 1) / 2 } else { 0 };
        let n = self.perturbations * self.doses.max(1) + n_pairs;
        if n > MOST_TREATMENTS { Err(SimulateError::TooMany { n }) } else { Ok(()) }
    }

    /// Doses in µM, from the lowest; one that is none where perturbations have no doses.
    fn ladder(&self) -> Vec<Option<f64>> {
        match self.doses {
            0 => vec![None],
            n => (0..n).map(|step| Some(LOWEST_DOSE * 10f64.powf(step as f64 / 2.0))).collect(),
        }
    }
}

/// What perturbations do.
struct World {
    law: Law,
    /// `[perturbation][feature]`.
    effects: Vec<Vec<f64>>,
    /// `[perturbation][trait]`.
    traits: Vec<Vec<f64>>,
    /// `[trait][feature]`.
    together: Vec<Vec<f64>>,
    /// The dose of half an effect, of each perturbation, in µM.
    half_doses: Vec<f64>,
}

/// A perturbation, by its number, at a dose in µM.
type Member = (usize, Option<f64>);

impl World {
    fn new(config: &SimulateConfig, rng: &mut ChaCha8Rng) -> Self {
        let mut normals = |rows: usize, columns: usize| -> Vec<Vec<f64>> {
            (0..rows).map(|_| (0..columns).map(|_| rng.sample(StandardNormal)).collect()).collect()
        };
        let effects = normals(config.perturbations, config.features);
        let traits = normals(config.perturbations, N_TRAITS);
        let together = normals(N_TRAITS, config.features);
        let decades = config.doses.saturating_sub(1) as f64 / 2.0;
        let half_dose = |_| LOWEST_DOSE * 10f64.powf(decades * rng.random::<f64>());
        Self {
            law: config.law,
            effects,
            traits,
            together,
            half_doses: (0..config.perturbations).map(half_dose).collect(),
        }
    }

    fn share(&self, (perturbation, dose): Member) -> f64 {
        dose.map_or(1.0, |dose| dose / (dose + self.half_doses[perturbation]))
    }

    /// The profile without noise that a set leads to.
    fn profile(&self, set: &[Member]) -> Vec<f64> {
        let mut profile = vec![0.0; self.together[0].len()];
        let mut add = |weight: f64, values: &[f64]| {
            profile.iter_mut().zip(values).for_each(|(sum, value)| *sum += weight * value);
        };
        for (index, &member) in set.iter().enumerate() {
            add(self.share(member), &self.effects[member.0]);
            for &other in set[..index].iter().filter(|_| self.law == Law::Interacting) {
                let shares = self.share(member) * self.share(other);
                for (k, direction) in self.together.iter().enumerate() {
                    add(shares * self.traits[member.0][k] * self.traits[other.0][k], direction);
                }
            }
        }
        profile
    }
}

/// A simulated screen and its truth.
#[derive(Debug)]
pub struct Simulated {
    config: SimulateConfig,
    /// Wells as they would be measured.
    pub screen: Screen,
    /// The profile of each treatment without noise and plates.
    pub truth: Vec<(Treatment, Vec<f64>)>,
}

impl Simulated {
    /// Draws a screen.
    ///
    /// # Errors
    /// When a setting has no meaning.
    pub fn new(config: &SimulateConfig) -> Result<Self, SimulateError> {
        config.check()?;
        let mut rng = ChaCha8Rng::seed_from_u64(config.seed);
        let world = World::new(config, &mut rng);
        let (numbers, ladder) = (0..config.perturbations, config.ladder());
        let mut sets: Vec<Vec<Member>> =
            numbers.clone().flat_map(|number| ladder.iter().map(move |&dose| vec![(number, dose)])).collect();
        if config.pairs {
            let dose = ladder[ladder.len() - 1];
            sets.extend(numbers.flat_map(|one| (0..one).map(move |other| vec![(other, dose), (one, dose)])));
        }
        let profiles: Vec<Vec<f64>> = sets.iter().map(|set| world.profile(set)).collect();
        let treatments: Vec<Intervention> = sets.iter().map(|set| intervention(config, set)).collect();

        let placed = layout::wells(sets.len(), config.replicates, config.controls, &mut rng);
        let mut values = Vec::with_capacity(placed.len() * config.features);
        let (mut units, mut shifts) = (Vec::with_capacity(placed.len()), Vec::<Vec<f64>>::new());
        for well in placed {
            while shifts.len() <= well.plate {
                let shift = |_| config.plate_shift * rng.sample::<f64, _>(StandardNormal);
                shifts.push((0..config.features).map(shift).collect());
            }
            for feature in 0..config.features {
                let signal = well.set.map_or(0.0, |set| profiles[set][feature]);
                let noise = config.noise * rng.sample::<f64, _>(StandardNormal);
                values.push((signal + shifts[well.plate][feature] + noise) as f32);
            }
            units.push(well.unit(well.set.map(|set| treatments[set].clone())));
        }
        let screen = Screen {
            name: "simulated".into(),
            design: Design::AgainstControls,
            features: FeatureMatrix::numbered("feature_", config.features, values).into(),
            units: Units::of_each(units),
            labels: Vec::new(),
            dropped: Vec::new(),
            origin: Default::default(),
        };
        let treatment = |intervention| Treatment { intervention, context: String::new() };
        let truth = treatments.into_iter().map(treatment).zip(profiles).collect();
        Ok(Self { config: config.clone(), screen, truth })
    }

    /// Writes `profiles.csv`, its card `dataset.toml`, and `truth.csv` with the profile of each treatment without noise.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<(), SimulateError> {
        std::fs::create_dir_all(folder).map_err(FileError::write(folder))?;
        self.profiles().write(&folder.join("profiles.csv"))?;
        self.truth_table().write(&folder.join("truth.csv"))?;
        let card = self.card();
        Ok(write_atomically(&folder.join("dataset.toml"), |file| std::io::Write::write_all(file, card.as_bytes()))?)
    }

    fn profiles(&self) -> Table {
        let features = self.screen.measured().in_memory();
        let units = || self.screen.units.by_row();
        let text = |of: &dyn Fn(&Unit) -> Option<String>| Column::Text(units().map(of).collect());
        let mut table = Table::new()
            .with("plate", "plate", text(&|unit| Some(unit.plate.clone())))
            .with("well", "well", text(&|unit| unit.well.map(|well| well.to_string())))
            .with("treatment", "what the well holds", text(&|unit| Some(in_words(&unit.intervention))));
        for (index, name) in features.names().iter().enumerate() {
            let values = (0..features.n_rows()).map(|row| features.row(row)[index]).collect();
            table = table.with(name, "measured value", Column::Float32(values));
        }
        table
    }

    fn truth_table(&self) -> Table {
        let names = self.truth.iter().map(|(treatment, _)| Some(in_words(&treatment.intervention)));
        let mut table = Table::new().with("treatment", "what a well would hold", Column::Text(names.collect()));
        for (index, name) in self.screen.features.names().iter().enumerate() {
            let values = self.truth.iter().map(|(_, profile)| profile[index] as f32).collect();
            table = table.with(name, "value without noise; controls are at 0", Column::Float32(values));
        }
        table
    }

    fn card(&self) -> String {
        let SimulateConfig { law, perturbations, doses, pairs, replicates, features, noise, seed, .. } = &self.config;
        let sets = match (pairs, law) {
            (false, _) => "",
            (true, Law::Additive) => ", and all pairs, whose effects add",
            (true, Law::Interacting) => ", and all pairs, in which hidden traits act together",
        };
        let of_doses = if *doses > 0 { format!(" at {doses} doses") } else { String::new() };
        let kind = if *doses > 0 { "compound" } else { "crispr" };
        let mut card = String::new();
        let _ = writeln!(
            card,
            "# Written by `cytonaut simulate`; `truth.csv` holds the profile of each treatment without noise."
        );
        let _ = writeln!(card, "name = \"simulated\"");
        let _ = writeln!(
            card,
            "description = \"Simulated: {perturbations} perturbations{of_doses}{sets}; {features} features, {replicates} wells \
             of each treatment, noise {noise}, seed {seed}.\""
        );
        let _ = writeln!(card, "files = [\"profiles.csv\"]\nkind = \"{kind}\"\nreference = \"control_wells\"");
        let _ = writeln!(card, "\n[columns]\nplate = \"plate\"\nwell = \"well\"\nperturbation = \"treatment\"");
        let _ = writeln!(card, "\n[controls]\nnegative = {{ values = [\"{CONTROL}\"] }}");
        card
    }
}

/// What stands for a control well.
const CONTROL: &str = "control";

/// A set as a table has it: `compound3 0.1 µM + compound7 1 µM`, `gene03 + gene07`, `control` for none.
fn in_words(intervention: &Intervention) -> String {
    let members = intervention.members().iter().map(|Application { perturbation, dose }| match dose {
        Some(dose) => format!("{} {dose}", perturbation.name),
        None => perturbation.name.clone(),
    });
    match intervention.members() {
        [] => CONTROL.to_owned(),
        _ => members.collect::<Vec<_>>().join(" + "),
    }
}

fn intervention(config: &SimulateConfig, set: &[Member]) -> Intervention {
    let (kind, word) = if config.doses > 0 { (Kind::Compound, "compound") } else { (Kind::Crispr, "gene") };
    let width = (config.perturbations - 1).to_string().len();
    Intervention::of(set.iter().map(|&(number, dose)| Application {
        perturbation: Perturbation { name: format!("{word}{number:0width$}"), kind },
        dose: dose.and_then(Micromolar::new),
    }))
}

#[cfg(test)]
mod tests;
