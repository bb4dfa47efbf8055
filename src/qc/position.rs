//! Effects of where a well is: the edge of the plate, its rows and its columns, tested by exchanging wells.

use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::statistics::median_polish;
use crate::linear::median;
use crate::screen::Well;

/// Wells are exchanged this often.
pub(super) const PERMUTATIONS: usize = 1999;

/// Fewer wells than this, at the edge or within, allow no test.
const LEAST_WELLS: usize = 4;

/// Fewer wells than this of a row or column are not tested.
const LEAST_IN_LINE: usize = 3;

/// Plates as they are made, `(rows, columns)`.
const FORMATS: [(usize, usize); 7] = [(2, 3), (3, 4), (4, 6), (6, 8), (8, 12), (16, 24), (32, 48)];

/// A well with what is left of its measure when all that is expected of it is taken off.
#[derive(Debug, Clone, Copy)]
pub(super) struct Placed {
    pub(super) well: Well,
    /// On a logarithmic scale.
    pub(super) rest: f64,
    /// Wells are exchanged within their group only.
    pub(super) group: usize,
}

/// What the position does to the wells of a plate.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct PositionEffects {
    /// Wells that are tested.
    pub(super) n_wells: usize,
    /// Middle at the edge over middle within, and how often exchanged wells differ as much.
    pub(super) edge: Option<(f64, f64)>,
    /// The row or column that differs most, as `column 7`, its middle over that of the others, and how often the most different
    /// line of exchanged wells differs as much.
    pub(super) line: Option<(String, f64, f64)>,
    /// Largest effect of a row and of a column by median polish, as a factor.
    pub(super) row: Option<(String, f64)>,
    pub(super) column: Option<(String, f64)>,
}

/// The smallest format that holds all wells.
pub(super) fn format_of(wells: impl Iterator<Item = Well>) -> (usize, usize) {
    let (rows, columns) = wells.fold((0, 0), |(rows, columns), well| {
        (rows.max(usize::from(well.row()) + 1), columns.max(usize::from(well.column())))
    });
    FORMATS.into_iter().find(|format| rows <= format.0 && columns <= format.1).unwrap_or(FORMATS[6])
}

/// Tests the wells of a plate of that format.
pub(super) fn position_effects(wells: &[Placed], format: (usize, usize), rng: &mut ChaCha8Rng) -> PositionEffects {
    let wells: Vec<Placed> = wells.iter().filter(|placed| placed.rest.is_finite()).copied().collect();
    let n_edge = wells.iter().filter(|placed| is_edge(placed.well, format)).count();
    let mut effects = PositionEffects { n_wells: wells.len(), ..PositionEffects::default() };
    if wells.len() < 2 * LEAST_WELLS {
        return effects;
    }
    (effects.row, effects.column) = polished(&wells, format);
    let scores = scores(&wells);
    let observed = Sums::of(&wells, &scores, format);
    let (mut n_edge_as_much, mut n_line_as_much) = (0, 0);
    let mut exchanged = scores.clone();
    let groups = groups(&wells);
    for _ in 0..PERMUTATIONS {
        for group in &groups {
            let mut values: Vec<f64> = group.iter().map(|&index| scores[index]).collect();
            values.shuffle(rng);
            group.iter().zip(values).for_each(|(&index, value)| exchanged[index] = value);
        }
        let sums = Sums::of(&wells, &exchanged, format);
        n_edge_as_much += usize::from(sums.edge.abs() >= observed.edge.abs() - 1e-9);
        n_line_as_much += usize::from(sums.most().1 >= observed.most().1 - 1e-9);
    }
    let p = |n: usize| (n + 1) as f64 / (PERMUTATIONS + 1) as f64;
    if n_edge >= LEAST_WELLS && wells.len() - n_edge >= LEAST_WELLS {
        let ratio = ratio(&wells, |well| is_edge(well, format));
        effects.edge = Some((ratio, p(n_edge_as_much)));
    }
    if let (Some(line), _) = observed.most() {
        let ratio = ratio(&wells, |well| line.holds(well));
        effects.line = Some((line.to_string(), ratio, p(n_line_as_much)));
    }
    effects
}

pub(super) fn is_edge(well: Well, (rows, columns): (usize, usize)) -> bool {
    let (row, column) = (usize::from(well.row()) + 1, usize::from(well.column()));
    row == 1 || column == 1 || row == rows || column == columns
}

/// A row or a column, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Line {
    Row(usize),
    Column(usize),
}

impl Line {
    fn holds(self, well: Well) -> bool {
        match self {
            Self::Row(row) => usize::from(well.row()) == row,
            Self::Column(column) => usize::from(well.column()) == column + 1,
        }
    }
}

impl std::fmt::Display for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Row(row) => {
                let name = Well::at(*row as i64 + 1, 1).map(|well| well.to_string()).unwrap_or_default();
                write!(f, "row {}", name.trim_end_matches(char::is_numeric))
            }
            Self::Column(column) => write!(f, "column {}", column + 1),
        }
    }
}

/// Sums of scores at the edge and in lines.
struct Sums {
    edge: f64,
    /// By row, then by column: sum and number of wells.
    lines: Vec<(f64, usize)>,
    n_rows: usize,
    n_wells: usize,
}

impl Sums {
    fn of(wells: &[Placed], scores: &[f64], format: (usize, usize)) -> Self {
        let mut sums =
            Self { edge: 0.0, lines: vec![(0.0, 0); format.0 + format.1], n_rows: format.0, n_wells: wells.len() };
        for (placed, score) in wells.iter().zip(scores) {
            if is_edge(placed.well, format) {
                sums.edge += score;
            }
            let row = usize::from(placed.well.row());
            let column = format.0 + usize::from(placed.well.column()) - 1;
            for line in [row, column] {
                sums.lines[line].0 += score;
                sums.lines[line].1 += 1;
            }
        }
        sums
    }

    /// The line that differs most, in standard deviations of what chance gives a line of its length.
    fn most(&self) -> (Option<Line>, f64) {
        let n_all = self.n_wells as f64;
        let mut most = (None, 0.0);
        for (index, &(sum, n)) in self.lines.iter().enumerate() {
            let share = n as f64 / n_all;
            if n < LEAST_IN_LINE || share > 0.9 {
                continue;
            }
            let size = sum.abs() / (n as f64 * (1.0 - share)).sqrt();
            if size > most.1 {
                let line = if index < self.n_rows { Line::Row(index) } else { Line::Column(index - self.n_rows) };
                most = (Some(line), size);
            }
        }
        most
    }
}

/// Wells by their group.
fn groups(wells: &[Placed]) -> Vec<Vec<usize>> {
    crate::screen::grouped(wells.len(), |index| wells[index].group)
}

/// Ranks within the groups, centered and of variance 1 in each.
fn scores(wells: &[Placed]) -> Vec<f64> {
    let mut scores = vec![0.0; wells.len()];
    for group in groups(wells) {
        let mut order = group.clone();
        order.sort_by(|&a, &b| wells[a].rest.total_cmp(&wells[b].rest));
        let middle = (group.len() as f64 - 1.0) / 2.0;
        // Equal values have the mean of their ranks.
        let mut begin = 0;
        while begin < order.len() {
            let value = wells[order[begin]].rest;
            let end = begin + order[begin..].iter().take_while(|&&index| wells[index].rest == value).count();
            let rank = (begin + end - 1) as f64 / 2.0 - middle;
            order[begin..end].iter().for_each(|&index| scores[index] = rank);
            begin = end;
        }
        let variance = group.iter().map(|&index| scores[index].powi(2)).sum::<f64>() / group.len() as f64;
        if variance > 0.0 {
            group.iter().for_each(|&index| scores[index] /= variance.sqrt());
        }
    }
    scores
}

/// The middle of the wells at a place over that of the others, as a factor; each group by itself counts as its wells do.
fn ratio(wells: &[Placed], is_there: impl Fn(Well) -> bool) -> f64 {
    let centered = centered(wells);
    let middle = |there: bool| {
        let values = wells.iter().zip(&centered).filter(|(placed, _)| is_there(placed.well) == there);
        median(&mut values.map(|(_, rest)| *rest).collect::<Vec<_>>())
    };
    (middle(true) - middle(false)).exp()
}

/// What is left of each well, less the middle of its group.
fn centered(wells: &[Placed]) -> Vec<f64> {
    let mut centered = vec![0.0; wells.len()];
    for group in groups(wells) {
        let middle = median(&mut group.iter().map(|&index| wells[index].rest).collect::<Vec<_>>());
        group.iter().for_each(|&index| centered[index] = wells[index].rest - middle);
    }
    centered
}

/// The largest effect of a row and of a column by median polish.
#[expect(clippy::type_complexity, reason = "a line and its factor, twice")]
fn polished(wells: &[Placed], (rows, columns): (usize, usize)) -> (Option<(String, f64)>, Option<(String, f64)>) {
    let mut table = vec![vec![None; columns]; rows];
    for (placed, rest) in wells.iter().zip(centered(wells)) {
        table[usize::from(placed.well.row())][usize::from(placed.well.column()) - 1] = Some(rest);
    }
    let found = median_polish(&table);
    let n_in_column = |column: usize| table.iter().filter(|row| row[column].is_some()).count();
    let n_in_row = |row: usize| table[row].iter().flatten().count();
    let largest = |effects: &[f64], n: &dyn Fn(usize) -> usize, line: &dyn Fn(usize) -> Line| {
        let tested = (0..effects.len()).filter(|&index| n(index) >= LEAST_IN_LINE);
        let most = tested.max_by(|&a, &b| effects[a].abs().total_cmp(&effects[b].abs()))?;
        Some((line(most).to_string(), effects[most].exp()))
    };
    (largest(&found.rows, &n_in_row, &Line::Row), largest(&found.columns, &n_in_column, &Line::Column))
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};

    use super::*;

    fn plate(rest: impl Fn(Well, f64) -> f64) -> Vec<Placed> {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut wells = Vec::new();
        for row in 1..=8 {
            for column in 1..=12 {
                let well = Well::at(row, column).unwrap();
                let noise: f64 = (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0;
                wells.push(Placed { well, rest: rest(well, 0.1 * noise), group: 0 });
            }
        }
        wells
    }

    fn effects(wells: &[Placed]) -> PositionEffects {
        position_effects(wells, (8, 12), &mut ChaCha8Rng::seed_from_u64(0))
    }

    #[test]
    fn finds_an_edge_and_a_dead_column_and_nothing_else() {
        let clean = effects(&plate(|_, noise| noise));
        assert!(clean.edge.unwrap().1 > 0.01 && clean.line.clone().unwrap().2 > 0.01, "{clean:?}");

        let edge = effects(&plate(|well, noise| if is_edge(well, (8, 12)) { 0.2 + noise } else { noise }));
        let (ratio, p) = edge.edge.unwrap();
        assert!((ratio / 0.2f64.exp() - 1.0).abs() < 0.06 && p <= 0.0005, "{ratio} {p}");

        let dead = effects(&plate(|well, noise| if well.column() == 7 { -2.0 } else { noise }));
        let (line, ratio, p) = dead.line.unwrap();
        assert!(line == "column 7" && (0.1..0.2).contains(&ratio) && p <= 0.0005, "{line} {ratio} {p}");
        assert_eq!(dead.column.unwrap().0, "column 7");
        assert!(dead.edge.unwrap().1 > 0.01);
    }

    #[test]
    fn what_sets_groups_apart_is_no_effect_of_the_position() {
        // Controls fill the first column and lie elsewhere than treated wells.
        let mut wells = plate(|well, noise| if well.column() == 1 { noise - 3.0 } else { noise });
        wells.iter_mut().for_each(|placed| placed.group = usize::from(placed.well.column() == 1));
        let found = effects(&wells);
        assert!(found.edge.unwrap().1 > 0.01 && found.line.unwrap().2 > 0.01);
    }

    #[test]
    fn a_format_is_the_smallest_that_holds_all_wells() {
        let of = |names: &[&str]| format_of(names.iter().map(|name| name.parse().unwrap()));
        assert_eq!(of(&["B02", "G11"]), (8, 12));
        assert_eq!(of(&["A01", "I01"]), (16, 24));
        assert_eq!(of(&["A01"]), (2, 3));
    }
}
