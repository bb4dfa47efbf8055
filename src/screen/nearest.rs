//! Names that may have been meant where one is not known.

/// Most names that are proposed.
const MOST_PROPOSED: usize = 3;

/// Names that are `wanted` but for case or a few letters, or that hold it; nearest first.
pub(crate) fn nearest<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let wanted = wanted.to_lowercase();
    let most = wanted.chars().count() / 3;
    let mut near: Vec<(usize, &str)> = names
        .filter_map(|name| {
            let lower = name.to_lowercase();
            let distance = strsim::osa_distance(&wanted, &lower);
            let is_near = distance <= most || wanted.chars().count() >= 3 && lower.contains(&wanted);
            is_near.then_some((distance, name))
        })
        .collect();
    near.sort_unstable();
    near.dedup();
    near.into_iter().take(MOST_PROPOSED).map(|(_, name)| name.to_owned()).collect()
}

/// `; did you mean …?`, or nothing where no name is near.
pub(crate) fn nearest_in_words(nearest: &[String]) -> String {
    if nearest.is_empty() {
        return String::new();
    }
    format!("; did you mean {}?", nearest.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" or "))
}
