//! What a comparison comes to, in sentences; the last ones say what to use.

use super::{Comparison, ERROR, Line};
use crate::evaluate::Claim;

impl Comparison {
    /// How the first objective does against the others on the largest share of the data, how often each failed, which
    /// network to use, and whether any of them errs less than simple methods.
    pub fn advice(&self) -> Vec<String> {
        let Some(percent) = self.lines.first().map(|line| line.percent) else { return Vec::new() };
        let judged = |line: &&Line| line.percent == percent && line.error().is_some();
        let (networks, simple): (Vec<&Line>, Vec<&Line>) =
            self.lines.iter().filter(judged).partition(|line| line.failed.is_some());
        let Some(best) = least(&networks) else {
            return vec!["no objective could be judged: every training failed, or nothing was held out".to_owned()];
        };
        let is_network = |other: &str| networks.iter().any(|line| line.objective == other);
        let against = self.against.iter().filter(|against| against.percent == percent && is_network(&against.other));
        let mut sentences: Vec<String> = against.map(|against| against.in_words()).collect();
        sentences.extend(self.failures().into_iter().map(|(objective, failed, all)| match failed {
            0 => format!("`{objective}`: none of {all} trainings failed"),
            _ => format!(
                "`{objective}`: {failed} of {all} trainings failed (latents collapsed, or a loss is not a number)"
            ),
        }));
        if networks.len() > 1 {
            sentences.push(self.of_networks(&networks, best));
        }
        // A method that says nothing of the harder units is not the better one.
        let n_judged = |line: &Line| line.scores.get(ERROR).map_or(0, |estimate| estimate.n_items);
        let most = networks.iter().chain(&simple).map(|line| n_judged(line)).max().unwrap_or(0);
        let whole: Vec<&Line> = simple.into_iter().filter(|line| n_judged(line) == most).collect();
        if let (Some(simple), Some(own)) = (least(&whole), best.error()) {
            let (name, error) = (&simple.objective, simple.error().unwrap_or(f64::NAN));
            sentences.push(match own < error {
                true => format!("networks err less than every simple method here ({own:.3}, `{name}` {error:.3})"),
                false => format!(
                    "no network errs less than `{name}` here ({error:.3}, `{}` {own:.3}): use it, or what combines both",
                    best.objective
                ),
            });
        }
        sentences
    }

    /// Which of several networks to use; `best` has the least error.
    fn of_networks(&self, networks: &[&Line], best: &Line) -> String {
        let first = &networks[0].objective;
        let claim = |other: &str| {
            let own = self
                .against
                .iter()
                .find(|one| one.percent == best.percent && one.objective == *first && one.other == other);
            own.map(|against| against.difference.claim)
        };
        if best.objective == *first {
            let is_clear = networks[1..].iter().all(|line| claim(&line.objective) == Some(Claim::Lower));
            return match is_clear {
                true => format!("of networks use `{first}`: its error is lower than that of every other objective"),
                false => format!("of networks use `{first}`: no other objective has a lower error"),
            };
        }
        let other = &best.objective;
        let fails = best.failed.is_some_and(|(failed, _)| failed > 0);
        match claim(other) {
            Some(Claim::Higher) if !fails => {
                format!("of networks use `{other}`: its error is lower than that of `{first}`")
            }
            Some(Claim::Higher) => format!(
                "of networks `{other}` has a lower error than `{first}`, where it does not fail: use it and look at its latents"
            ),
            _ => format!(
                "of networks keep `{first}`: the error of `{other}` is lower, but not by more than chance would do"
            ),
        }
    }

    /// Failed trainings of each objective over all shares, and all of them.
    fn failures(&self) -> Vec<(&str, usize, usize)> {
        let mut found: Vec<(&str, usize, usize)> = Vec::new();
        for line in &self.lines {
            let Some((failed, all)) = line.failed else { continue };
            match found.iter_mut().find(|(objective, ..)| *objective == line.objective) {
                Some(sum) => (sum.1, sum.2) = (sum.1 + failed, sum.2 + all),
                None => found.push((&line.objective, failed, all)),
            }
        }
        found
    }
}

/// The line with the least error.
fn least<'a>(lines: &[&'a Line]) -> Option<&'a Line> {
    let error = |line: &Line| line.error().unwrap_or(f64::INFINITY);
    lines.iter().copied().min_by(|one, other| error(one).total_cmp(&error(other)))
}
