//! Lines, points and words as SVG: what figures are made of.
//!
//! Colors come from classes, so that a figure in the page follows its theme; as a file of its own it carries the light one.

use std::fmt::Write as _;

/// Colors and fonts of a figure outside the page.
const FILE_STYLE: &str = include_str!("page/figure.css");

/// Width and height of a panel over doses, in pixels.
const DOSE_PANEL: (f64, f64) = (260.0, 170.0);

/// Where the vertical axis of a panel over doses ends, from above.
pub(super) const DOSE_BOTTOM: f64 = DOSE_PANEL.1 - 34.0;

/// Where a word stands about its point.
#[derive(Debug, Clone, Copy)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// A figure in pixels, drawn from the upper left corner.
#[derive(Debug, Clone)]
pub(super) struct Drawing {
    width: f64,
    height: f64,
    /// What it shows, for those who cannot see it.
    label: String,
    body: String,
}

impl Drawing {
    pub(super) fn new(width: f64, height: f64, label: impl Into<String>) -> Self {
        Self { width, height, label: label.into(), body: String::new() }
    }

    /// A small panel over log dose with the grid of `vertical`, ticks and their unit; and its horizontal axis.
    pub(super) fn by_dose(label: impl Into<String>, doses: impl Iterator<Item = f64>, vertical: &Axis) -> (Self, Axis) {
        let (width, height) = DOSE_PANEL;
        let (left, right, bottom) = (34.0, width - 8.0, DOSE_BOTTOM);
        let horizontal = Axis::log_over(doses, left, right);
        let mut drawing = Self::new(width, height, label);
        for (value, text) in vertical.ticks(3) {
            drawing.line("grid", (left, vertical.at(value)), (right, vertical.at(value)));
            drawing.text("tick", (left - 5.0, vertical.at(value) + 4.0), Anchor::End, &text);
        }
        for (dose, text) in horizontal.ticks(4) {
            drawing.line("grid", (horizontal.at(dose), bottom), (horizontal.at(dose), bottom + 4.0));
            drawing.text("tick", (horizontal.at(dose), bottom + 16.0), Anchor::Middle, &text);
        }
        drawing.text("tick", (right, height - 4.0), Anchor::End, "dose in µM");
        (drawing, horizontal)
    }

    pub(super) fn line(&mut self, class: &str, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
        let [x1, y1, x2, y2] = [x1, y1, x2, y2].map(short);
        self.push(&format!("<line class=\"{class}\" x1=\"{x1}\" y1=\"{y1}\" x2=\"{x2}\" y2=\"{y2}\"/>"));
    }

    /// A line through points; a gap where one is not finite.
    pub(super) fn curve(&mut self, class: &str, points: &[(f64, f64)]) {
        let mut path = String::new();
        let mut is_down = false;
        for &(x, y) in points {
            let is_drawn = x.is_finite() && y.is_finite();
            if is_drawn {
                let _ = write!(path, "{}{} {}", if is_down { 'L' } else { 'M' }, short(x), short(y));
            }
            is_down = is_drawn;
        }
        self.push(&format!("<path class=\"{class}\" d=\"{path}\"/>"));
    }

    pub(super) fn circle(&mut self, class: &str, (x, y): (f64, f64), radius: f64) {
        let [x, y, radius] = [x, y, radius].map(short);
        self.push(&format!("<circle class=\"{class}\" cx=\"{x}\" cy=\"{y}\" r=\"{radius}\"/>"));
    }

    pub(super) fn text(&mut self, class: &str, (x, y): (f64, f64), anchor: Anchor, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let ([x, y], text) = ([x, y].map(short), escaped(text));
        self.push(&format!("<text class=\"{class}\" x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\">{text}</text>"));
    }

    /// Markup of our own; names from data have to be [`escaped`] in it.
    pub(super) fn push(&mut self, markup: &str) {
        self.body.push_str(markup);
    }

    /// The figure as it stands in the page.
    pub(super) fn inline(&self) -> String {
        self.element("")
    }

    /// The figure as a file of its own.
    pub(super) fn file(&self) -> String {
        let style = format!("<style>{}</style>", FILE_STYLE.trim());
        format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{}\n", self.element(&style))
    }

    fn element(&self, head: &str) -> String {
        let Self { width, height, label, body } = self;
        let label = escaped(label);
        // The name space is needed in a file, and harmless in the page.
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
             height=\"{height}\" role=\"img\" aria-label=\"{label}\">{head}{body}</svg>"
        )
    }
}

/// Text as it may stand between tags and in attributes of HTML and SVG.
pub(super) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            // XML has no place for them.
            other if other.is_control() => safe.push(' '),
            other => safe.push(other),
        }
    }
    safe
}

/// A coordinate to a tenth of a pixel, as short as it can be written.
pub(super) fn short(value: f64) -> String {
    let text = format!("{value:.1}");
    match text.strip_suffix(".0") {
        Some("-0") => "0".to_owned(),
        Some(whole) => whole.to_owned(),
        None => text,
    }
}

/// Values along a side of a figure.
#[derive(Debug, Clone, Copy)]
pub(super) struct Axis {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
    is_log: bool,
}

impl Axis {
    /// An axis over all finite `values`, with a little room, from pixel `from` to pixel `to`.
    pub(super) fn over(values: impl IntoIterator<Item = f64>, from: f64, to: f64) -> Self {
        let (low, high) = ends(values);
        let room = if high > low { 0.04 * (high - low) } else { low.abs().max(1.0) * 0.5 };
        Self { low: low - room, high: high + room, from, to, is_log: false }
    }

    /// The same of positive values, by their logarithm.
    pub(super) fn log_over(values: impl IntoIterator<Item = f64>, from: f64, to: f64) -> Self {
        let (low, high) = ends(values.into_iter().filter(|&value| value > 0.0).map(f64::log10));
        let room = if high > low { 0.06 * (high - low) } else { 0.5 };
        Self { low: low - room, high: high + room, from, to, is_log: true }
    }

    /// The pixel of a value.
    pub(super) fn at(&self, value: f64) -> f64 {
        let value = if self.is_log { value.log10() } else { value };
        self.from + (value - self.low) / (self.high - self.low) * (self.to - self.from)
    }

    /// The same axis, farther along by some pixels.
    pub(super) fn moved(&self, by: f64) -> Self {
        Self { from: self.from + by, to: self.to + by, ..*self }
    }

    /// The pixels of its ends.
    pub(super) fn span(&self) -> (f64, f64) {
        (self.from, self.to)
    }

    /// Round values within the axis, about `n` of them, with their texts.
    pub(super) fn ticks(&self, n: usize) -> Vec<(f64, String)> {
        if self.is_log {
            return self.decades();
        }
        let rough = (self.high - self.low) / n as f64;
        let power = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|factor| factor * power).find(|&step| step >= rough);
        let step = step.unwrap_or(10.0 * power);
        let decimals = (-step.log10().floor()).clamp(0.0, 9.0) as usize;
        let (first, last) = ((self.low / step).ceil() as i64, (self.high / step).floor() as i64);
        (first..=last).map(|index| index as f64 * step).map(|value| (value, plain(value, decimals))).collect()
    }

    fn decades(&self) -> Vec<(f64, String)> {
        let (first, last) = (self.low.ceil() as i32, self.high.floor() as i32);
        let every = ((last - first) / 5 + 1) as usize;
        let decade = |power: i32| (10f64.powi(power), plain(10f64.powi(power), (-power).max(0) as usize));
        let found: Vec<(f64, String)> = (first..=last).step_by(every).map(decade).collect();
        if found.len() > 1 {
            return found;
        }
        // Less than two decades: steps within them.
        let steps = (first - 1..=last).flat_map(|power| [1.0, 2.0, 5.0].map(|step| (power, step)));
        let within = steps.map(|(power, step)| (step * 10f64.powi(power), (-power).max(0) as usize));
        within
            .filter(|(value, _)| (self.low..=self.high).contains(&value.log10()))
            .map(|(value, decimals)| (value, plain(value, decimals)))
            .collect()
    }
}

fn ends(values: impl IntoIterator<Item = f64>) -> (f64, f64) {
    let finite = values.into_iter().filter(|value| value.is_finite());
    let (low, high) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
    if low <= high { (low, high) } else { (0.0, 1.0) }
}

/// A number with that many decimals, and no sign on zero.
pub(super) fn plain(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    let is_zero = !text.chars().any(|digit| ('1'..='9').contains(&digit));
    if is_zero { text.trim_start_matches('-').to_owned() } else { text.replacen('-', "−", 1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_is_linear_in_its_values_or_in_their_logarithms() {
        let axis = Axis::over([0.0, 10.0], 0.0, 108.0);
        assert!((axis.at(0.0) - 4.0).abs() < 1e-9 && (axis.at(10.0) - 104.0).abs() < 1e-9);
        assert_eq!(axis.ticks(5).iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>(), ["0", "5", "10"]);
        let log = Axis::log_over([0.1, 10.0, 0.0], 0.0, 112.0);
        assert!((log.at(1.0) - 56.0).abs() < 1e-9);
        assert_eq!(log.ticks(5).iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>(), ["0.1", "1", "10"]);
        let narrow = Axis::log_over([1.0, 5.0], 0.0, 1.0);
        assert_eq!(narrow.ticks(5).iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>(), ["1", "2", "5"]);
        let nothing = Axis::over([f64::NAN], 0.0, 1.0);
        assert!(nothing.at(0.5).is_finite());
    }

    #[test]
    fn names_cannot_leave_their_text() {
        let mut drawing = Drawing::new(10.0, 10.0, "a \"b\" <c>");
        drawing.text("t", (0.0, -0.01), Anchor::Middle, "<script>&'\u{1}");
        let markup = drawing.inline();
        assert!(markup.contains("aria-label=\"a &quot;b&quot; &lt;c&gt;\""), "{markup}");
        assert!(markup.contains("y=\"0\" text-anchor=\"middle\">&lt;script&gt;&amp;&#39; </text>"), "{markup}");
    }
}
