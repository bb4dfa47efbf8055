//! What a user sees on stderr while a job runs.

use std::io::IsTerminal;
use std::sync::Mutex;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::study::Event;
use crate::train::{Health, Progress};

/// Sends log lines to stderr, without time or color, so that they can be compared.
pub(super) fn start_log(level: tracing::Level) {
    let log = tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::stderr).without_time();
    // A second call in one process (tests) finds the log already started.
    let _ = log.with_ansi(false).with_target(false).with_level(false).try_init();
}

/// Shows a job's events: log lines, and a bar of decoded images and then of all members' steps if stderr is a
/// terminal.
pub(super) struct Reporter {
    decoding: ProgressBar,
    bar: ProgressBar,
    /// Step of each member.
    steps: Mutex<Vec<usize>>,
}

impl Reporter {
    /// A reporter of a job that trains `members` models for `steps` steps each.
    pub(super) fn new(members: usize, steps: usize) -> Self {
        let bar = |length: usize, things: &str| {
            let is_terminal = std::io::stderr().is_terminal();
            let target = if is_terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
            let bar = ProgressBar::with_draw_target(Some(length as u64), target);
            let style =
                ProgressStyle::with_template(&format!("{{bar:40}} {{pos}}/{{len}} {things}, {{eta}} left  {{msg}}"));
            bar.with_style(style.expect("the template is right"))
        };
        let steps_bar = bar(members * steps, "steps");
        Self { decoding: bar(0, "images"), bar: steps_bar, steps: Mutex::new(vec![0; members]) }
    }

    /// What a job sends its events to.
    pub(super) fn listener(&self) -> impl Fn(Event) + Sync + '_ {
        |event| self.tell(event)
    }

    /// Shows one event.
    fn tell(&self, event: Event) {
        match event {
            Event::Step(words) => self.bar.suspend(|| tracing::info!("{words}")),
            Event::Note(words) => self.bar.suspend(|| tracing::info!("  {words}")),
            Event::Warning(words) => self.bar.suspend(|| tracing::warn!("warning: {words}")),
            Event::Decoding { done, total } => {
                self.decoding.set_length(total as u64);
                self.decoding.set_position(done as u64);
                if done == total {
                    self.decoding.finish_and_clear();
                }
            }
            Event::Training(Progress::Losses { member, step, values }) => {
                self.moved(member, step);
                let shown: Vec<String> = values.iter().map(|(name, value)| format!("{name} {value:.4}")).collect();
                self.bar.suspend(|| tracing::debug!("  member {member} step {step}: {}", shown.join(", ")));
            }
            Event::Training(Progress::Evaluation { member, step, values, health }) => {
                self.moved(member, step);
                let shown: Vec<String> = values.iter().map(|(name, value)| format!("{name} {value:.3}")).collect();
                self.bar.suspend(|| tracing::debug!("  member {member} step {step}: {}", shown.join(", ")));
                if let Health::Collapsing(words) = health {
                    self.bar.set_message(words);
                }
            }
        }
    }

    fn moved(&self, member: usize, step: usize) {
        let mut steps = self.steps.lock().expect("no reporter panics");
        if let Some(own) = steps.get_mut(member) {
            *own = step;
        }
        self.bar.set_position(steps.iter().sum::<usize>() as u64);
    }
}

impl Drop for Reporter {
    fn drop(&mut self) {
        self.decoding.finish_and_clear();
        self.bar.finish_and_clear();
    }
}
