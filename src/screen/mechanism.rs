//! Mechanisms of action, several of which one label may join: `HDAC inhibitor|BET inhibitor`.

/// The mechanisms that a label names.
pub fn mechanisms(label: &str) -> impl Iterator<Item = &str> {
    label.split('|').map(str::trim).filter(|mechanism| !mechanism.is_empty())
}

/// Whether two labels are the same or have a mechanism in common.
pub fn share_mechanism(one: &str, other: &str) -> bool {
    one == other || mechanisms(one).any(|mechanism| mechanisms(other).any(|of_other| of_other == mechanism))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_share_what_they_join() {
        for (one, other, is_shared) in [
            ("a", "a", true),
            ("a|b", "b", true),
            ("a | b", "c|a", true),
            ("a|b", "c", false),
            ("a b", "a", false),
            ("a|", "|b", false),
        ] {
            assert_eq!(share_mechanism(one, other), is_shared, "{one}, {other}");
            assert_eq!(share_mechanism(other, one), is_shared, "{other}, {one}");
        }
    }
}
