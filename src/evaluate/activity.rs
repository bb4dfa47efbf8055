//! What does anything at all: measured treatments by how well their replicates are told from control wells.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use super::{EvaluateError, MapSettings, Negatives, ReplicateMap, replicate_map};
use crate::pair::by_wells;
use crate::plan::{Facts, without_controls};
use crate::screen::{Intervention, Role, Screen, Treatment};
use crate::table::{Column, FileError, Side, Table, TextTable, counted, counted_of, paragraph};

/// Share of false discoveries up to which a treatment counts as active.
const ALPHA: f64 = 0.05;

/// Width of the table for people.
const WIDTH: usize = 80;

/// A measured treatment, and what tells it from control.
#[derive(Debug, Clone, PartialEq)]
pub struct ActiveIntervention {
    /// Place in the list, counted from 1.
    pub rank: usize,
    /// What was done.
    pub intervention: Intervention,
    /// Where it was done; empty where the screen has one context.
    pub context: String,
    /// Wells in which it was measured.
    pub n_wells: usize,
    /// Root mean square over features of the mean change from control, in the units of the normalized features.
    pub effect: f64,
    /// `effect` over what as many control wells show by chance; `None` without control wells.
    pub effect_over_noise: Option<f64>,
    /// Mean average precision of its replicates among the negatives, and by chance.
    pub map: Option<f64>,
    /// What random order would give.
    pub chance: Option<f64>,
    /// Exact, or estimated, permutation p-value.
    pub p_value: Option<f64>,
    /// Adjusted over all treatments that were scored.
    pub q_value: Option<f64>,
    /// Of a time lapse the mean over its wells of the ratio of the objects' measurement, last frame to first.
    pub readout: Option<f64>,
    /// Mean cell count over that of the plate's controls.
    pub cell_count_ratio: Option<f64>,
    /// Mechanism of action, where the screen names one.
    pub moa: Option<String>,
    /// Why it has no p-value, or why that cannot be small.
    pub note: String,
}

/// All measured treatments, those that are told from control most surely first.
#[derive(Debug, Clone, PartialEq)]
pub struct Activity {
    /// The treatments.
    pub rows: Vec<ActiveIntervention>,
    /// Whether replicates were told from control wells, or from wells under other treatments.
    pub negatives: Negatives,
    /// In what they were compared.
    pub space: ActivitySpace,
    /// Treatments with the least p-value that their wells can give.
    n_at_least: usize,
}

/// In what wells are compared, and so the unit of effects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActivitySpace {
    /// Normalized features.
    Features,
    /// The embedding of the model: wells of images.
    Embedding,
    /// The way from the first to the last frame in the embedding of the model: wells of time lapses.
    Moves,
    /// The course of a measured value after the first stimulus: fields of tracks.
    Courses,
}

impl ActivitySpace {
    fn effect(self, negatives: Negatives) -> &'static str {
        match (self, negatives) {
            (Self::Features, Negatives::PlateControls) => "change from control in spreads of control wells",
            (Self::Features, Negatives::PlateTreatments) => "change from control on the normalized scale",
            (Self::Embedding, _) => "distance from control in the embedding of the model, in spreads of replicates",
            (Self::Moves, _) => "way from the first to the last frame in the embedding of the model",
            (Self::Courses, _) => "change of the measured value from before the first stimulus, over all later times",
        }
    }

    /// What the column of units is called.
    fn units(self) -> &'static str {
        if self == Self::Courses { "fields" } else { "wells" }
    }

    fn doc(self, negatives: Negatives) -> String {
        match self {
            Self::Features => {
                "root mean square over features of the mean change from control, in units of normalized features"
                    .to_owned()
            }
            _ => format!("root mean square of the {}", self.effect(negatives)),
        }
    }
}

impl Activity {
    /// The activity of all treatments of a screen of profiles, normalized, or of vectors in their place that are 0 where
    /// nothing happens.
    ///
    /// # Errors
    /// When the retrieval of replicates cannot be scored.
    pub fn of(screen: &Screen, space: ActivitySpace) -> Result<Self, EvaluateError> {
        let wells = by_wells(screen);
        let screen = wells.as_ref().unwrap_or(screen);
        let treatments = screen.treatments();
        let settings = MapSettings::of_many(screen);
        let found = replicate_map(screen, &screen.features, &treatments, &settings)?;
        let facts = Facts::of(screen);
        let noise = noise_of_a_well(screen);
        let scores: BTreeMap<&Treatment, &ReplicateMap> =
            found.scored.iter().map(|scored| (&scored.treatment, scored)).collect();
        let reasons: BTreeMap<&Treatment, &str> =
            found.unscored.iter().map(|unscored| (&unscored.treatment, unscored.reason)).collect();
        let mut rows = Vec::with_capacity(treatments.len());
        for (treatment, wells) in treatments {
            let scored = scores.get(&treatment);
            let effect = root_mean_square(&screen.features.mean_of(&wells));
            rows.push(ActiveIntervention {
                rank: 0,
                effect,
                effect_over_noise: noise.map(|noise| effect * (wells.len() as f64).sqrt() / noise),
                map: scored.map(|scored| scored.map),
                chance: scored.map(|scored| scored.expected),
                p_value: scored.map(|scored| scored.p_value),
                q_value: scored.map(|scored| scored.q_value),
                readout: None,
                cell_count_ratio: facts.relative_count(&wells),
                moa: facts.moa(&wells),
                note: match scored {
                    Some(scored) => too_few(scored),
                    None => reasons.get(&treatment).copied().unwrap_or_default().to_owned(),
                },
                n_wells: wells.len(),
                intervention: treatment.intervention,
                context: treatment.context,
            });
        }
        let or_last = |value: Option<f64>| value.unwrap_or(f64::INFINITY);
        rows.sort_by(|a, b| {
            (or_last(a.q_value).total_cmp(&or_last(b.q_value)))
                .then_with(|| b.effect.total_cmp(&a.effect))
                .then_with(|| a.intervention.cmp(&b.intervention))
        });
        rows.iter_mut().zip(1..).for_each(|(row, rank)| row.rank = rank);
        let is_at_least = |scored: &&ReplicateMap| scored.p_value <= 1.001 * scored.least_p_value;
        let n_at_least = found.scored.iter().filter(is_at_least).count();
        Ok(Self { rows, negatives: settings.negatives, space, n_at_least })
    }

    /// The same with the read-outs of treatments.
    pub fn with_readouts(mut self, readouts: &BTreeMap<Treatment, f64>) -> Self {
        for row in &mut self.rows {
            let treatment = Treatment { intervention: row.intervention.clone(), context: row.context.clone() };
            row.readout = readouts.get(&treatment).copied();
        }
        self
    }

    /// Writes the list as the ending of `path` says.
    ///
    /// # Errors
    /// [`FileError::Ending`], [`FileError::Write`].
    pub fn write(&self, path: &Path) -> Result<(), FileError> {
        self.table().write(path)
    }

    /// What was counted, and the first `top` rows as a table of 80 characters a line.
    pub fn render(&self, top: usize) -> String {
        let mut text = paragraph(&self.found());
        let shown = &self.rows[..top.min(self.rows.len())];
        if !shown.is_empty() {
            text += &format!("{}\n{}", paragraph(&self.legend(shown)), self.table_of(shown));
        }
        if let Some(example) = self.example() {
            text += &format!("\nnext, what is like X: --target X, such as --target '{example}'\n");
        }
        text
    }

    fn is_scored(&self) -> bool {
        self.rows.iter().any(|row| row.q_value.is_some())
    }

    /// How many treatments differ from what they are told from.
    fn found(&self) -> String {
        let scored = self.rows.iter().filter(|row| row.q_value.is_some()).count();
        let active = self.rows.iter().filter(|row| row.q_value.is_some_and(|q| q <= ALPHA)).count();
        let others = match self.negatives {
            Negatives::PlateControls => "control wells of their plates",
            Negatives::PlateTreatments => "wells under other treatments on their plates",
        };
        if scored == 0 {
            return "No treatment has replicates, so that none can be shown to differ; by size of effect.".to_owned();
        }
        let single = self.rows.len() - scored;
        let single = match single {
            0 => String::new(),
            n => format!(" {n} more cannot be judged: {}.", self.reasons()),
        };
        let few = match (active, self.n_at_least) {
            (0, n @ 1..) => format!(
                " {} the least p that so few wells can give: that none differs says little, and more wells of each would \
                 show more.",
                counted_of(n, "of them has", "of them have")
            ),
            _ => String::new(),
        };
        format!(
            "{active} of {scored} treatments with replicates differ from {others} (q <= {ALPHA}): their replicates find each \
             other first.{few}{single}"
        )
    }

    /// Why treatments have no p-value, the most frequent reason first.
    fn reasons(&self) -> String {
        let mut counts = BTreeMap::<&str, usize>::new();
        for row in self.rows.iter().filter(|row| row.q_value.is_none()) {
            *counts.entry(&row.note).or_default() += 1;
        }
        let mut counts: Vec<(&str, usize)> = counts.into_iter().collect();
        counts.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
        counts.into_iter().map(|(reason, _)| reason).collect::<Vec<_>>().join(", or ")
    }

    /// What the columns of the `shown` rows are.
    fn legend(&self, shown: &[ActiveIntervention]) -> String {
        let has = |value: fn(&ActiveIntervention) -> bool| shown.iter().any(value);
        let mut columns = Vec::new();
        if has(|row| row.q_value.is_some()) {
            let n = self.rows.iter().filter(|row| row.q_value.is_some()).count();
            columns.push("mAP: mean average precision of that search".to_owned());
            columns.push(format!("q: p by relabeling wells, adjusted for {}", counted(n, "test")));
        }
        columns.push(format!("effect: {}", self.space.effect(self.negatives)));
        if has(|row| row.effect_over_noise.is_some()) {
            columns.push("/noise: over the effect of as many control wells".to_owned());
        }
        if has(|row| row.readout.is_some()) {
            columns.push("readout: ratio of the objects' measurement, last frame to first".to_owned());
        }
        if has(|row| row.cell_count_ratio.is_some()) {
            columns.push("cells: over those of controls".to_owned());
        }
        if has(|row| row.q_value.is_some() && !row.note.is_empty()) {
            columns.push("few wells: p cannot be small whatever they show".to_owned());
        }
        columns.join("; ")
    }

    /// The rows as a table; where none of all treatments could be scored, the sentence above it has said why.
    fn table_of(&self, rows: &[ActiveIntervention]) -> TextTable {
        let is_scored = self.is_scored();
        let mut table = TextTable::new([
            ("rank", Side::Right),
            ("intervention", Side::Left),
            ("context", Side::Left),
            (self.space.units(), Side::Right),
            ("effect", Side::Right),
            ("/noise", Side::Right),
            ("mAP", Side::Right),
            ("q", Side::Right),
            ("readout", Side::Right),
            ("cells", Side::Right),
            ("note", Side::Left),
        ]);
        let has_several_contexts = rows.iter().any(|row| row.context != rows[0].context);
        let digits = |value: Option<f64>| value.map_or(String::new(), |value| format!("{value:.2}"));
        for row in rows {
            table.push([
                row.rank.to_string(),
                without_controls(&row.intervention.to_string()),
                if has_several_contexts { without_controls(&row.context) } else { String::new() },
                row.n_wells.to_string(),
                format!("{:.2}", row.effect),
                row.effect_over_noise.map_or(String::new(), |ratio| format!("{ratio:.1}")),
                digits(row.map),
                row.q_value.map_or(String::new(), |q| if q < 0.001 { format!("{q:.0e}") } else { format!("{q:.3}") }),
                digits(row.readout),
                digits(row.cell_count_ratio),
                match (row.q_value, row.note.is_empty()) {
                    (_, true) => String::new(),
                    (Some(_), false) => "few wells".to_owned(),
                    (None, false) if !is_scored => String::new(),
                    (None, false) if row.n_wells < 2 => "one well".to_owned(),
                    (None, false) => "no p".to_owned(),
                },
            ]);
        }
        table.without_empty_columns().within(WIDTH)
    }

    /// What could be asked for next: a mechanism, or else a perturbation, or where there is one alone, an intervention.
    fn example(&self) -> Option<String> {
        // Tracks are not ranked toward a target.
        let first = self.rows.first().filter(|_| self.space != ActivitySpace::Courses)?;
        let name = |row: &ActiveIntervention| row.intervention.perturbation_names();
        let example = match self.rows.iter().find_map(|row| row.moa.clone()) {
            Some(moa) => moa,
            None if self.rows.iter().all(|row| name(row) == name(first)) => first.intervention.to_string(),
            None => name(first),
        };
        Some(without_controls(&example)).filter(|name| !name.contains('\''))
    }

    /// One JSON object a line for each of the first `top` rows, with the fields of [`ActiveIntervention`].
    pub fn json_lines(&self, top: usize) -> String {
        let line = |row: &ActiveIntervention| {
            let line = Line {
                kind: "active",
                rank: row.rank,
                intervention: row.intervention.to_string(),
                perturbation: row.intervention.perturbation_names(),
                context: Some(row.context.as_str()).filter(|context| !context.is_empty()),
                n_wells: row.n_wells,
                effect: row.effect,
                effect_over_noise: row.effect_over_noise,
                map: row.map,
                chance: row.chance,
                p_value: row.p_value,
                q_value: row.q_value,
                readout: row.readout,
                cell_count_ratio: row.cell_count_ratio,
                moa: row.moa.as_deref(),
                note: &row.note,
            };
            serde_json::to_string(&line).expect("texts and numbers have a JSON") + "\n"
        };
        self.rows.iter().take(top).map(line).collect()
    }

    fn table(&self) -> Table {
        let number = |of: fn(&ActiveIntervention) -> Option<f64>| Column::Number(self.rows.iter().map(of).collect());
        let text = |of: fn(&ActiveIntervention) -> Option<String>| Column::Text(self.rows.iter().map(of).collect());
        let whole = |of: fn(&ActiveIntervention) -> usize| {
            Column::Integer(self.rows.iter().map(|row| Some(of(row) as i64)).collect())
        };
        Table::new()
            .with("rank", "place in the list, counted from 1: by q, then by effect", whole(|row| row.rank))
            .with_interventions(self.rows.iter().map(|row| &row.intervention))
            .with(
                "context",
                "context (cell line, time or donor); null where the screen has one context",
                text(|row| Some(row.context.clone()).filter(|context| !context.is_empty())),
            )
            .with("n_wells", "wells in which it was measured", whole(|row| row.n_wells))
            .with("effect", self.space.doc(self.negatives), number(|row| Some(row.effect)))
            .with(
                "effect_over_noise",
                "effect over that of as many control wells; null without control wells",
                number(|row| row.effect_over_noise),
            )
            .with("map", "mean average precision of its replicates among the negatives", number(|row| row.map))
            .with("chance", "mean average precision in random order", number(|row| row.chance))
            .with("p_value", "permutation p-value of map", number(|row| row.p_value))
            .with("q_value", "p_value adjusted over treatments (Benjamini-Hochberg)", number(|row| row.q_value))
            .with(
                "readout",
                "of a time lapse the mean ratio of the objects' measurement, last frame to first; else null",
                number(|row| row.readout),
            )
            .with(
                "cell_count_ratio",
                "mean cell count over that of the controls of its plates",
                number(|row| row.cell_count_ratio),
            )
            .with("moa", "mechanism of action, where the screen names one", text(|row| row.moa.clone()))
            .with(
                "note",
                "why it has no p-value, or why that cannot be small",
                text(|row| Some(row.note.clone()).filter(|note| !note.is_empty())),
            )
    }
}

#[derive(Serialize)]
struct Line<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    rank: usize,
    intervention: String,
    perturbation: String,
    context: Option<&'a str>,
    n_wells: usize,
    effect: f64,
    effect_over_noise: Option<f64>,
    map: Option<f64>,
    chance: Option<f64>,
    p_value: Option<f64>,
    q_value: Option<f64>,
    readout: Option<f64>,
    cell_count_ratio: Option<f64>,
    moa: Option<&'a str>,
    note: &'a str,
}

/// What to know of a p-value that cannot be small whatever the wells show.
fn too_few(scored: &ReplicateMap) -> String {
    match scored.least_p_value > ALPHA {
        true => format!("p cannot be below {:.2} with so few wells", scored.least_p_value),
        false => String::new(),
    }
}

fn root_mean_square(values: &[f32]) -> f64 {
    let squares: f64 = values.iter().map(|&value| f64::from(value).powi(2)).sum();
    (squares / values.len().max(1) as f64).sqrt()
}

/// The root mean square over features of a single control well's distance from the mean of its plate's controls.
fn noise_of_a_well(screen: &Screen) -> Option<f64> {
    let (mut squares, mut freedom) = (0.0, 0.0);
    for rows in screen.rows_by_plate(|unit| unit.role == Role::NegativeControl).values().filter(|rows| rows.len() > 1) {
        let mean = screen.features.mean_of(rows);
        for &row in rows {
            let values = screen.features.mean_of(&[row]);
            let differences: Vec<f32> = values.iter().zip(&mean).map(|(value, mean)| value - mean).collect();
            squares += root_mean_square(&differences).powi(2);
        }
        freedom += (rows.len() - 1) as f64;
    }
    (freedom > 0.0 && squares > 0.0).then(|| (squares / freedom).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::{Design, FeatureMatrix, Unit, Units, Well};

    /// On each of four plates eight control wells and one well of each compound: `strong` moves all features, `none` is a
    /// control by another name, `once` stands on the first plate alone.
    fn screen() -> Screen {
        let (mut units, mut values) = (Vec::new(), Vec::new());
        for plate in 0..4 {
            let mut add = |name: Option<&str>, well: i64, shift: f32| {
                units.push(Unit {
                    plate: format!("P{plate}"),
                    well: Well::at(1 + well / 12, 1 + well % 12),
                    cell_count: Some(if name == Some("strong") { 50.0 } else { 100.0 }),
                    ..Unit::under(name.map(|name| (name, Some(1.0))))
                });
                // Noise without a pattern that two wells share, of variance about one.
                let noise = |feature: i64| {
                    let at = (plate as i64 * 131 + well * 71 + feature * 37) % 97;
                    ((at * at * 53 % 97) as f32 - 48.0) / 28.0
                };
                values.extend((0..12).map(|feature| noise(feature) + if feature % 2 == 0 { shift } else { -shift }));
            };
            (0..8).for_each(|well| add(None, well, 0.0));
            add(Some("strong"), 8, 5.0);
            add(Some("none"), 9, 0.0);
            if plate == 0 {
                add(Some("once"), 10, 5.0);
            }
        }
        Screen {
            name: "made up".into(),
            design: Design::AgainstControls,
            units: Units::of_rows(units, &[]),
            features: FeatureMatrix::numbered("f", 12, values).into(),
            labels: Vec::new(),
            dropped: Vec::new(),
            origin: Default::default(),
        }
    }

    #[test]
    fn what_moves_all_features_is_told_from_what_moves_none() {
        let activity = Activity::of(&screen(), ActivitySpace::Features).unwrap();
        let [strong, none, once] = &activity.rows[..] else { panic!("{activity:?}") };
        assert_eq!((strong.rank, strong.intervention.to_string().as_str()), (1, "strong 1 µM"));
        assert!(strong.q_value.unwrap() < 0.01 && strong.map == Some(1.0), "{strong:?}");
        // A shift of five in every feature, whatever the noise of four wells adds.
        assert!((strong.effect - 5.0).abs() < 0.3, "{strong:?}");
        assert_eq!(strong.cell_count_ratio, Some(0.5));
        assert!(none.q_value.unwrap() > 0.05, "{none:?}");
        // As many wells without an effect show about the noise.
        assert!((0.5..1.6).contains(&none.effect_over_noise.unwrap()), "{none:?}");
        assert!(strong.effect_over_noise.unwrap() > 6.0, "{strong:?}");
        assert!(once.q_value.is_none() && !once.note.is_empty(), "{once:?}");
        assert!(activity.render(10).starts_with("1 of 2 treatments with replicates"), "{}", activity.render(10));
    }

    #[test]
    fn few_wells_that_show_nothing_are_not_taken_for_no_effect() {
        let mut activity = Activity::of(&screen(), ActivitySpace::Features).unwrap();
        assert!(!activity.render(10).contains("the least p"));
        activity.rows.iter_mut().for_each(|row| row.q_value = row.q_value.map(|_| 0.2));
        activity.n_at_least = 1;
        let text = activity.render(10).replace('\n', " ");
        assert!(text.contains("1 of them has the least p that so few wells can give"), "{text}");
    }

    #[test]
    fn lines_fit_a_terminal_and_the_table_is_documented() {
        let activity = Activity::of(&screen(), ActivitySpace::Features).unwrap();
        let text = activity.render(10);
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
        assert!(activity.table().columns().iter().all(|column| !column.doc.is_empty()));
        assert_eq!(activity.json_lines(2).lines().count(), 2);
        assert!(activity.json_lines(1).contains("\"type\":\"active\""));
    }
}
