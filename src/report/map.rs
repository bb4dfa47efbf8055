//! Where wells lie in the latent space, colored by what is known of them.

use std::collections::BTreeMap;

use serde::Serialize;

use super::drawing::{Anchor, Axis, Drawing, escaped, short};
use crate::embed::Embeddings;
use crate::screen::{Role, Unit};

/// Width and height of the map, in pixels.
const SIZE: (f64, f64) = (640.0, 520.0);

/// Points that are drawn at most; of more, every n-th.
const MOST_POINTS: usize = 8000;

/// Colors and shapes that can be told apart.
const N_COLORS: usize = 8;
const N_SHAPES: usize = 3;

/// The section without its points, which are in the data of the page.
#[derive(Debug, Serialize)]
pub(super) struct Map {
    pub(super) source: &'static str,
    svg: String,
    n_points: usize,
    n_rows: usize,
    /// What a point is.
    thing: &'static str,
    colorings: Vec<(&'static str, &'static str)>,
    first: usize,
    legend: Vec<Category>,
    table: Vec<Place>,
    #[serde(skip)]
    drawing: Drawing,
    #[serde(skip)]
    pub(super) data: MapData,
}

/// What the script needs to color, search and name the points, in the order in which they are drawn.
#[derive(Debug, Serialize)]
pub(super) struct MapData {
    colorings: Vec<Coloring>,
    first: usize,
}

/// One way to color the points.
#[derive(Debug, Serialize)]
struct Coloring {
    key: &'static str,
    label: &'static str,
    categories: Vec<Category>,
    /// The category of each point.
    of: Vec<usize>,
}

/// A value that points may have, with its color and shape.
#[derive(Debug, Clone, Serialize)]
struct Category {
    name: String,
    n: usize,
    class: String,
    shape: usize,
}

/// Where the wells of an intervention lie, for those who read tables.
#[derive(Debug, Serialize)]
struct Place {
    intervention: String,
    n_wells: usize,
    pc1: String,
    pc2: String,
}

/// A property of points by which they can be colored.
type Property = (&'static str, &'static str, Box<dyn Fn(usize) -> Option<String>>);

impl Map {
    /// `None` where an embedding has fewer than two dimensions.
    pub(super) fn of(embeddings: &Embeddings, source: &'static str, means: Option<&Embeddings>) -> Option<Self> {
        if embeddings.latents.n_features() < 2 || embeddings.latents.n_rows() == 0 {
            return None;
        }
        let n_rows = embeddings.latents.n_rows();
        let every = n_rows.div_ceil(MOST_POINTS);
        let mut rows: Vec<usize> = (0..n_rows).step_by(every).collect();
        // Controls are many and lie below what was done.
        let is_control = |row: usize| !embeddings.units.of(row).role.is_treated();
        rows.sort_by_key(|&row| !is_control(row));
        let units: Vec<Unit> = rows.iter().map(|&row| embeddings.units.of(row).clone()).collect();
        let mechanism = embeddings.labels.iter().find(|label| label.name == "moa");
        let mechanisms: Option<Vec<Option<String>>> =
            mechanism.map(|label| rows.iter().map(|&row| label.values[row].clone()).collect());
        let colorings: Vec<Coloring> =
            properties(&units, mechanisms).into_iter().filter_map(|property| coloring(property, &units)).collect();
        let wanted = ["mechanism", "perturbation", "role"];
        let first = wanted.iter().find_map(|key| colorings.iter().position(|coloring| coloring.key == *key))?;
        let at = |row: usize| (f64::from(embeddings.latents.row(row)[0]), f64::from(embeddings.latents.row(row)[1]));
        let places: Vec<(f64, f64)> = rows.iter().map(|&row| at(row)).collect();
        let drawing = drawn(&places, &colorings[first]);
        Some(Self {
            source,
            svg: drawing.inline(),
            n_points: rows.len(),
            n_rows,
            thing: if units.iter().all(|unit| unit.well.is_some()) && every == 1 { "well" } else { "observation" },
            colorings: colorings.iter().map(|coloring| (coloring.key, coloring.label)).collect(),
            first,
            legend: colorings[first].categories.clone(),
            table: means.map(table).unwrap_or_default(),
            drawing,
            data: MapData { colorings, first },
        })
    }

    pub(super) fn figure(&self) -> (String, Drawing) {
        ("embedding".to_owned(), self.drawing.clone())
    }
}

fn properties(units: &[Unit], mechanisms: Option<Vec<Option<String>>>) -> Vec<Property> {
    let of = |text: &dyn Fn(&Unit) -> Option<String>| -> Box<dyn Fn(usize) -> Option<String>> {
        let values: Vec<Option<String>> = units.iter().map(text).collect();
        Box::new(move |point| values[point].clone())
    };
    let treated = |unit: &Unit, text: String| unit.role.is_treated().then_some(text);
    let unless_empty = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let mut found: Vec<Property> = Vec::new();
    if let Some(values) = mechanisms {
        found.push(("mechanism", "Mechanism", Box::new(move |point| values[point].clone())));
    }
    found.push(("perturbation", "Perturbation", of(&|unit| treated(unit, unit.intervention.perturbation_names()))));
    found.push(("intervention", "Intervention", of(&|unit| treated(unit, unit.intervention.to_string()))));
    found.push(("role", "Role", of(&|unit| Some(role(unit.role).to_owned()))));
    found.push(("plate", "Plate", of(&|unit| unless_empty(&unit.plate))));
    found.push(("well", "Well", of(&|unit| Some(unit.well?.to_string()))));
    found.push(("context", "Context", of(&|unit| unless_empty(&unit.context))));
    found.push(("lab_batch", "Lab batch", of(&|unit| unit.lab_batch.clone())));
    found
}

pub(super) fn role(role: Role) -> &'static str {
    match role {
        Role::Treatment => "treated",
        Role::NegativeControl => "negative control",
        Role::PositiveControl => "positive control",
        Role::Empty => "empty",
    }
}

/// `None` where all points have one value, or none has any.
fn coloring((key, label, value): Property, units: &[Unit]) -> Option<Coloring> {
    // A control keeps its color under every coloring but those of where it was.
    let is_of_place = matches!(key, "plate" | "well" | "context" | "lab_batch" | "role");
    let values: Vec<String> = (0..units.len())
        .map(|point| match value(point) {
            Some(value) if is_of_place || units[point].role.is_treated() => value,
            _ if !is_of_place && units[point].role == Role::NegativeControl => CONTROL.to_owned(),
            _ => UNKNOWN.to_owned(),
        })
        .collect();
    let mut counts = BTreeMap::<&str, usize>::new();
    values.iter().for_each(|value| *counts.entry(value).or_default() += 1);
    if counts.len() < 2 {
        return None;
    }
    let mut names: Vec<(&str, usize)> = counts.into_iter().collect();
    names.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    let mut n_colored = 0;
    let categories: Vec<Category> = names
        .iter()
        .map(|&(name, n)| {
            let (class, shape) = match name {
                CONTROL => ("kc".to_owned(), 0),
                UNKNOWN => ("ko".to_owned(), 0),
                _ if n_colored >= N_COLORS * N_SHAPES => ("ko".to_owned(), 0),
                _ => {
                    n_colored += 1;
                    (format!("k{}", (n_colored - 1) % N_COLORS), (n_colored - 1) / N_COLORS)
                }
            };
            Category { name: name.to_owned(), n, class, shape }
        })
        .collect();
    let index: BTreeMap<&str, usize> = names.iter().enumerate().map(|(index, (name, _))| (*name, index)).collect();
    let of = values.iter().map(|value| index[value.as_str()]).collect();
    Some(Coloring { key, label, categories, of })
}

const CONTROL: &str = "negative control";
const UNKNOWN: &str = "not known";

/// Shapes of points: a disk, a square, a triangle.
pub(super) const SHAPES: &str = "<defs><circle id=\"s0\" r=\"3.4\"/><rect id=\"s1\" x=\"-3\" y=\"-3\" width=\"6\" \
     height=\"6\"/><path id=\"s2\" d=\"M0-4L3.8 3H-3.8Z\"/></defs>";

fn drawn(places: &[(f64, f64)], coloring: &Coloring) -> Drawing {
    let (width, height) = SIZE;
    let horizontal = Axis::over(places.iter().map(|(x, _)| *x), 46.0, width - 8.0);
    let vertical = Axis::over(places.iter().map(|(_, y)| *y), height - 40.0, 8.0);
    let label = format!(
        "Map of {} points by the two strongest directions of the embedding; the table below has the \
                         means of interventions",
        places.len()
    );
    let mut drawing = Drawing::new(width, height, label);
    drawing.push(SHAPES);
    for (value, text) in horizontal.ticks(6) {
        drawing.line("grid", (horizontal.at(value), 8.0), (horizontal.at(value), height - 40.0));
        drawing.text("tick", (horizontal.at(value), height - 24.0), Anchor::Middle, &text);
    }
    for (value, text) in vertical.ticks(5) {
        drawing.line("grid", (46.0, vertical.at(value)), (width - 8.0, vertical.at(value)));
        drawing.text("tick", (40.0, vertical.at(value) + 4.0), Anchor::End, &text);
    }
    drawing.text("tick", (width - 8.0, height - 6.0), Anchor::End, "pc1");
    drawing.text("tick", (8.0, 18.0), Anchor::Start, "pc2");
    drawing.push("<g class=\"points\">");
    for ((x, y), &category) in places.iter().zip(&coloring.of) {
        let Category { class, shape, .. } = &coloring.categories[category];
        let (x, y, class) = (short(horizontal.at(*x)), short(vertical.at(*y)), escaped(class));
        drawing.push(&format!("<use class=\"{class}\" href=\"#s{shape}\" x=\"{x}\" y=\"{y}\"/>"));
    }
    drawing.push("</g>");
    drawing
}

/// Rows of the table behind the map at most.
const MOST_ROWS: usize = 500;

fn table(means: &Embeddings) -> Vec<Place> {
    let place = |row: usize| Place {
        intervention: means.units.of(row).intervention.to_string(),
        n_wells: means.n_wells[row],
        pc1: super::drawing::plain(f64::from(means.latents.row(row)[0]), 2),
        pc2: super::drawing::plain(f64::from(means.latents.row(row)[1]), 2),
    };
    (0..means.latents.n_rows().min(MOST_ROWS)).map(place).collect()
}
