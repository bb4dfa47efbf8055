//! What a user sees on stderr while a job runs.

use std::io::{self, IsTerminal, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::lines::for_terminal;
use crate::study::Event;
use crate::train::{Health, Progress};

/// Sends log lines to stderr, without time or color, so that they can be compared.
pub(super) fn start_log(level: tracing::Level) {
    let log = tracing_subscriber::fmt().with_max_level(level).with_writer(|| Messages).without_time();
    // A second call in one process (tests) finds the log already started.
    let _ = log.with_ansi(false).with_target(false).with_level(false).try_init();
}

/// Writes a message to stderr: in lines that fit a terminal where that is one, else as it is, so that a log can be searched.
pub(super) fn say(message: &str) -> io::Result<()> {
    let mut stderr = io::stderr().lock();
    match stderr.is_terminal() {
        true => stderr.write_all(for_terminal(message).as_bytes()),
        false => stderr.write_all(message.as_bytes()),
    }
}

/// Where log lines go, each of them in one piece.
struct Messages;

impl Write for Messages {
    fn write(&mut self, message: &[u8]) -> io::Result<usize> {
        say(&String::from_utf8_lossy(message))?;
        Ok(message.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// Shows a job's events: log lines, and how far decoding and then training have come, as a bar if stderr is a terminal, else
/// as a line from time to time.
pub(super) struct Reporter {
    decoding: Pace,
    training: Pace,
    /// Step of each member.
    steps: Mutex<Vec<usize>>,
}

impl Reporter {
    /// A reporter of a job that trains `members` models for `steps` steps each.
    pub(super) fn new(members: usize, steps: usize) -> Self {
        Self {
            decoding: Pace::new(0, "images"),
            training: Pace::new(members * steps, "steps"),
            steps: Mutex::new(vec![0; members]),
        }
    }

    /// What a job sends its events to.
    pub(super) fn listener(&self) -> impl Fn(Event) + Sync + '_ {
        |event| self.tell(event)
    }

    /// Shows one event.
    fn tell(&self, event: Event) {
        let bar = &self.training.bar;
        match event {
            Event::Step(words) => bar.suspend(|| tracing::info!("{words}")),
            Event::Note(words) => bar.suspend(|| tracing::info!("  {words}")),
            Event::Warning(words) => bar.suspend(|| tracing::warn!("warning: {words}")),
            Event::Decoding { done, total } => {
                self.decoding.bar.set_length(total as u64);
                self.decoding.moved(done, total);
                if done == total {
                    self.decoding.bar.finish_and_clear();
                }
            }
            Event::Training(Progress::Step { member, step }) => self.moved(member, step),
            Event::Training(Progress::Losses { member, step, values }) => {
                let shown: Vec<String> = values.iter().map(|(name, value)| format!("{name} {value:.4}")).collect();
                bar.suspend(|| tracing::debug!("  model {} step {step}: {}", member + 1, shown.join(", ")));
            }
            Event::Training(Progress::Evaluation { member, step, values, health }) => {
                let shown: Vec<String> = values.iter().map(|(name, value)| format!("{name} {value:.3}")).collect();
                bar.suspend(|| tracing::debug!("  model {} step {step}: {}", member + 1, shown.join(", ")));
                if let Health::Collapsing(words) = health {
                    bar.set_message(words);
                }
            }
        }
    }

    fn moved(&self, member: usize, step: usize) {
        let mut steps = self.steps.lock().expect("no reporter panics");
        let n_steps = self.training.bar.length().unwrap_or(0) as usize / steps.len().max(1);
        if let Some(own) = steps.get_mut(member) {
            *own = step;
        }
        self.training.moved(steps.iter().sum(), n_steps * steps.len());
    }
}

impl Drop for Reporter {
    fn drop(&mut self) {
        self.decoding.bar.finish_and_clear();
        self.training.bar.finish_and_clear();
    }
}

/// How fast something goes.
struct Pace {
    bar: ProgressBar,
    things: &'static str,
    /// Where there is no bar: when it began and how far it was then, and when the next line is due.
    lines: Option<Mutex<Option<(Instant, usize, Instant)>>>,
}

/// From the beginning to the first line, and from a line to the next.
const FIRST_LINE: Duration = Duration::from_secs(10);
const BETWEEN_LINES: Duration = Duration::from_secs(30);

impl Pace {
    fn new(length: usize, things: &'static str) -> Self {
        let is_terminal = std::io::stderr().is_terminal();
        let target = if is_terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(length as u64), target);
        let style =
            ProgressStyle::with_template(&format!("{{bar:30}} {{pos}}/{{len}} {things}, {{eta}} left  {{msg}}"));
        let bar = bar.with_style(style.expect("the template is right"));
        Self { bar, things, lines: (!is_terminal).then(|| Mutex::new(None)) }
    }

    /// `done` of `total` things are done.
    fn moved(&self, done: usize, total: usize) {
        self.bar.set_position(done as u64);
        let Some(lines) = &self.lines else { return };
        let mut state = lines.lock().expect("no reporter panics");
        let now = Instant::now();
        let (start, at_start, due) = *state.get_or_insert((now, done, now + FIRST_LINE));
        if now < due || done == total || done == at_start {
            return;
        }
        let passed = now.duration_since(start);
        let left = passed.mul_f64((total - done) as f64 / (done - at_start) as f64);
        tracing::info!("  {}: {done} of {total} {}, about {} left", in_words(passed), self.things, in_words(left));
        *state = Some((start, at_start, now + BETWEEN_LINES));
    }
}

/// A duration as people say it: `42 s`, `3 min 5 s`, `2 h 10 min`.
fn in_words(duration: Duration) -> String {
    match duration.as_secs() {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds @ 60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        seconds => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_people_say_them() {
        let words = [42, 185, 7800].map(|seconds| in_words(Duration::from_secs(seconds)));
        assert_eq!(words, ["42 s", "3 min 5 s", "2 h 10 min"]);
    }
}
