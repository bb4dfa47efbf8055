//! What a name says of a well that received no perturbation: vehicle, untreated, a control guide, nothing at all.
//!
//! Names are compared by their words, so that `DMSO`, `dmso_0.1%`, `0.1% DMSO` and `DMSO control` are one; a name that has
//! any other word is a perturbation.

use crate::screen::Role;

/// What a name stands for, where it does not name a perturbation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// A vehicle, an untreated well or a control construct.
    Control,
    /// The same as a short form, which may as well name a perturbation: `NT`.
    Short,
    /// A liquid, with untreated cells in it or without, or a word for nothing.
    Liquid,
    /// A perturbation of known effect, by its code in JUMP.
    PositiveControl,
    /// A well without cells or of unknown content.
    Nothing,
}

/// Words that by themselves name a control.
const CONTROLS: [&str; 43] = [
    "dmso",
    "vehicle",
    "veh",
    "solvent",
    "carrier",
    "untreated",
    "untrt",
    "untreat",
    "unperturbed",
    "unstimulated",
    "unstim",
    "untransfected",
    "uninfected",
    "mock",
    "control",
    "controls",
    "ctrl",
    "ctl",
    "negcon",
    "negctrl",
    "negctl",
    "negcontrol",
    "negative",
    "scramble",
    "scrambled",
    "nontargeting",
    "nontarget",
    "nonsilencing",
    "ntc",
    "aavs1",
    "sictrl",
    "sicontrol",
    "sint",
    "shctrl",
    "sgctrl",
    "sgnt",
    "sgaavs1",
    "dimethylsulfoxide",
    "dimethylsulfoxid",
    "kontrolle",
    "sham",
    "intergenic",
    "neutral",
];

/// Two words that together name a control.
const PAIRS: [(&str, &str); 24] = [
    ("no", "treatment"),
    ("no", "drug"),
    ("no", "compound"),
    ("no", "perturbation"),
    ("no", "stimulus"),
    ("no", "stimulation"),
    ("no", "sirna"),
    ("no", "shrna"),
    ("no", "guide"),
    ("no", "grna"),
    ("no", "virus"),
    ("no", "pert"),
    ("not", "treated"),
    ("non", "treated"),
    ("non", "targeting"),
    ("non", "target"),
    ("non", "silencing"),
    ("safe", "targeting"),
    ("safe", "harbor"),
    ("empty", "vector"),
    ("cells", "only"),
    ("dimethyl", "sulfoxide"),
    ("no", "cpd"),
    ("wild", "type"),
];

/// Words that may stand beside one that names a control.
const BESIDE: [&str; 19] = [
    "tf", "neg", "only", "alone", "well", "wells", "cells", "with", "in", "v", "vol", "pct", "percent", "treated",
    "sirna", "shrna", "sgrna", "guide", "group",
];

/// Short forms, which drugs and genes may bear too, and genes that cells do not have.
const SHORT: [&str; 21] = [
    "nt",
    "nc",
    "ns",
    "ut",
    "neg",
    "wt",
    "lacz",
    "luciferase",
    "luc",
    "firefly luciferase",
    "renilla luciferase",
    "renilla",
    "rluc",
    "fluc",
    "gfp",
    "egfp",
    "rfp",
    "bfp",
    "yfp",
    "mcherry",
    "hcred",
];

/// Liquids, with cells in them or without; some carry drugs as DMSO does.
const LIQUIDS: [&str; 13] = [
    "media", "medium", "pbs", "water", "h2o", "saline", "buffer", "none", "ethanol", "etoh", "methanol", "meoh", "dmf",
];

/// Names of wells from which nothing is to be learned.
const NOTHING: [&str; 9] =
    ["empty", "empty well", "blank", "no cells", "no cell", "cell free", "unused", "unknown", "bad construct"];

/// What `name` stands for; `None` for a perturbation.
pub(super) fn standing(name: &str) -> Option<Standing> {
    if let Some(standing) = in_jump(name) {
        return Some(standing);
    }
    let words = words(name);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    if NOTHING.contains(&words.join(" ").as_str()) {
        return Some(Standing::Nothing);
    }
    // As they are: `NT-3` is a growth factor.
    if SHORT.contains(&name.trim().to_lowercase().as_str()) {
        return Some(Standing::Short);
    }
    if ["posctrl", "poscontrol", "poscon"].contains(&words.join("").as_str()) {
        return Some(Standing::PositiveControl);
    }
    let is_positive = words.iter().any(|word| ["positive", "pos", "poscon"].contains(word));
    // `staurosporine (pos ctrl)`, whatever else it says.
    if is_positive && words.iter().any(|word| ["control", "controls", "ctrl", "ctl"].contains(word)) {
        return Some(Standing::PositiveControl);
    }
    let (mut rest, mut is_control, mut is_liquid) = (words.as_slice(), false, false);
    while let Some((&word, behind)) = rest.split_first() {
        if let Some(&next) = behind.first()
            && PAIRS.contains(&(word, next))
        {
            (is_control, rest) = (true, &behind[1..]);
            continue;
        }
        match () {
            () if CONTROLS.contains(&word) => is_control = true,
            () if LIQUIDS.contains(&word) => is_liquid = true,
            () if BESIDE.contains(&word) => {}
            () => return None,
        }
        rest = behind;
    }
    match (is_control, is_liquid) {
        (true, _) => Some(Standing::Control),
        (false, true) => Some(Standing::Liquid),
        (false, false) => None,
    }
}

/// Whether a name speaks of a control, whatever else it says: `high control`, `BRD-K1 DMSO`.
pub(super) fn speaks_of_control(name: &str) -> bool {
    const WORDS: [&str; 9] =
        ["control", "controls", "ctrl", "ctl", "dmso", "vehicle", "untreated", "nontargeting", "scrambled"];
    words(name).iter().any(|word| WORDS.contains(&word.as_str()))
}

/// The words of a name in small letters, without numbers and percentages.
fn words(name: &str) -> Vec<String> {
    let name = name.to_lowercase();
    let parts = name.split(|character: char| !character.is_alphanumeric() && character != '.');
    let is_number = |part: &str| part.parse::<f64>().is_ok();
    parts.filter(|part| !part.is_empty() && !is_number(part)).map(|part| part.trim_matches('.').to_owned()).collect()
}

/// What the JUMP consortium's codes of its controls stand for (`perturbation_control.csv` of jump-cellpainting/datasets).
fn in_jump(name: &str) -> Option<Standing> {
    let code = name.trim().to_uppercase();
    Some(match code.strip_prefix("JCP2022_")? {
        // DMSO; no guide, non-targeting guides; BFP, HcRed, luciferase, LacZ.
        "033924" | "800001" | "800002" | "915128" | "915129" | "915130" | "915131" => Standing::Control,
        // Eight compounds, PLK1 knocked out, eGFP.
        "085227" | "037716" | "025848" | "046054" | "035095" | "064022" | "050797" | "012818" | "805264" | "915132" => {
            Standing::PositiveControl
        }
        // Untreated wells, a bad construct, and unknown ones.
        "999999" | "900001" | "UNKNOWN" => Standing::Nothing,
        _ => return None,
    })
}

/// What the word of a role column says.
pub(super) enum Word {
    /// The role.
    Role(Role),
    /// A control of a sort that the word does not tell.
    SomeControl,
}

/// The meaning of a word in a role column, if it is a usual one.
pub(super) fn word(text: &str) -> Option<Word> {
    let text = text.trim().to_lowercase().replace([' ', '-'], "_");
    let role = match text.as_str() {
        "trt" | "treatment" | "treated" | "test" | "compound" | "sample" | "drug" | "perturbation" | "experimental" => {
            Role::Treatment
        }
        "pos" | "pos_ctrl" | "pos_control" | "pc" | "trt_poscon" => Role::PositiveControl,
        "none" | "na" => Role::Empty,
        "control" | "ctrl" | "ctl" => return Some(Word::SomeControl),
        text if text.starts_with("trt_") => Role::Treatment,
        text if text.starts_with("ctl_") || text.starts_with("negcon") || text.starts_with("neg_") => {
            Role::NegativeControl
        }
        text if text.starts_with("poscon") || text.starts_with("positive") => Role::PositiveControl,
        text => match standing(text)? {
            Standing::Control | Standing::Short | Standing::Liquid => Role::NegativeControl,
            Standing::PositiveControl => Role::PositiveControl,
            Standing::Nothing => Role::Empty,
        },
    };
    Some(Word::Role(role))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_controls_are_known_by_their_words() {
        let check = |names: &[&str], expected: Option<Standing>| {
            for name in names {
                assert_eq!(standing(name), expected, "{name}");
            }
        };
        check(
            &[
                "DMSO",
                "DMSO ",
                "dmso_0.1%",
                "0.1% DMSO",
                "DMSO (0.1 % v/v)",
                "DMSO control",
                "dmso_tf",
                "DMSO_12",
                "Vehicle",
                "vehicle control",
                "mock",
                "UnTrt",
                "untreated cells",
                "no treatment",
                "No_Treatment",
                "non-targeting",
                "Non-Targeting siRNA 3",
                "neg control",
                "negcon",
                "Empty Vector",
                "scramble",
                "NTC",
                "AAVS1",
                "JCP2022_033924",
                "jcp2022_800002",
            ],
            Some(Standing::Control),
        );
        check(&["Dimethyl sulfoxide", "wild type", "neutral control"], Some(Standing::Control));
        check(&["NT", "nc ", "LacZ", "eGFP", "WT", "RLUC"], Some(Standing::Short));
        check(&["None", "media", "medium only", "PBS", "EtOH", "Ethanol 0.1%"], Some(Standing::Liquid));
        check(&["EMPTY", "blank", "unknown", "JCP2022_UNKNOWN", "JCP2022_999999", "no cells"], Some(Standing::Nothing));
        check(
            &["JCP2022_037716", "positive control", "Pos. Ctrl 2", "PosCtrl", "poscon", "staurosporine (pos ctrl)"],
            Some(Standing::PositiveControl),
        );
        check(
            &[
                "taxol",
                "DMSO-d6",
                "DMSO + taxol",
                "positive",
                "NT-3",
                "NTRK1",
                "treated",
                "cells",
                "5",
                "",
                "JCP2022_000001",
            ],
            None,
        );
    }

    #[test]
    fn roles_are_known_by_usual_words() {
        let check = |words: &[&str], expected: Role| {
            for text in words {
                assert!(matches!(word(text), Some(Word::Role(role)) if role == expected), "{text}");
            }
        };
        check(&["trt", "trt_cp", "Treated", "compound"], Role::Treatment);
        check(
            &["negcon", "negcon_orf", "ctl_vehicle", "ctl_untrt", "Negative Control", "DMSO", "vehicle", "UnTrt"],
            Role::NegativeControl,
        );
        check(&["poscon", "poscon_diverse", "Positive-Control", "pos", "trt_poscon"], Role::PositiveControl);
        check(&["empty", "Blank", "unknown"], Role::Empty);
        assert!(matches!(word("control"), Some(Word::SomeControl)));
        assert!(word("purple").is_none());
        for (name, speaks) in [("high control", true), ("DMSO-d6", true), ("taxol", false)] {
            assert_eq!(speaks_of_control(name), speaks, "{name}");
        }
    }
}
