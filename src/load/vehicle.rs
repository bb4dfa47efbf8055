//! What a name says of a well that received no perturbation: vehicle, untreated, a control guide, nothing at all.
//!
//! Names are compared by their words, so that `DMSO`, `dmso_0.1%`, `0.1% DMSO` and `DMSO control` are one; a name that has
//! any other word is a perturbation.

use crate::screen::{Role, Well};

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
const CONTROLS: [&str; 57] = [
    "dmso",
    "vehicle",
    "veh",
    "solvent",
    "carrier",
    "untreated",
    "untrt",
    "untreat",
    "unbehandelt",
    "unperturbed",
    "unstimulated",
    "unstim",
    "untransfected",
    "untransduced",
    "uninfected",
    "unexposed",
    "uninduced",
    "mock",
    "placebo",
    "isotype",
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
    "scr",
    "nontargeting",
    "nontarget",
    "nonsilencing",
    "notarget",
    "allstars",
    "ntc",
    "aavs1",
    "rosa26",
    "sictrl",
    "sicontrol",
    "sint",
    "shctrl",
    "sgctrl",
    "sgnt",
    "sgaavs1",
    "plko",
    "plko.1",
    "pcdna3.1",
    "wildtype",
    "dimethylsulfoxide",
    "dimethylsulfoxid",
    "kontrolle",
    "sham",
    "intergenic",
    "neutral",
];

/// Two words that together name a control.
const PAIRS: [(&str, &str); 37] = [
    ("non", "gene"),
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
    ("no", "target"),
    ("no", "targeting"),
    ("no", "dox"),
    ("not", "treated"),
    ("non", "treated"),
    ("not", "infected"),
    ("non", "infected"),
    ("non", "transfected"),
    ("non", "transduced"),
    ("non", "stimulated"),
    ("non", "induced"),
    ("non", "targeting"),
    ("non", "target"),
    ("non", "silencing"),
    ("un", "treated"),
    ("risc", "free"),
    ("safe", "targeting"),
    ("safe", "harbor"),
    ("safe", "harbour"),
    ("empty", "vector"),
    ("cells", "only"),
    ("dimethyl", "sulfoxide"),
    ("no", "cpd"),
    ("wild", "type"),
];

/// Words that may stand beside one that names a control.
const BESIDE: [&str; 59] = [
    "one",
    "site",
    "tf",
    "neg",
    "only",
    "alone",
    "well",
    "wells",
    "cells",
    "with",
    "in",
    "v",
    "vol",
    "pct",
    "percent",
    "treated",
    "infected",
    "transfected",
    "transduced",
    "stimulated",
    "induced",
    "group",
    "pool",
    "pooled",
    "matched",
    "hs",
    "mm",
    // What tells the wells of one control apart.
    "high",
    "hi",
    "low",
    "lo",
    "mid",
    "new",
    "old",
    "left",
    "right",
    "top",
    "bottom",
    "edge",
    "inner",
    "outer",
    "early",
    "late",
    "rep",
    "replicate",
    "plate",
    "batch",
    "set",
    "run",
    "day",
    "hr",
    "hrs",
    "hour",
    "hours",
    "min",
    "h",
    "conc",
    "dose",
    "empty",
];

/// Words for what genes are silenced or cut with.
const REAGENTS: [&str; 15] = [
    "sirna",
    "shrna",
    "sgrna",
    "grna",
    "crrna",
    "guide",
    "guides",
    "si",
    "sh",
    "sg",
    "otp",
    "sigenome",
    "on",
    "target",
    "targetplus",
];

/// What a reagent that silences or cuts nothing is called behind `si`, `sh` or `sg`.
const SILENCING_NOTHING: [&str; 26] = [
    "neg",
    "negative",
    "nc",
    "nt",
    "ntc",
    "nontarget",
    "nontargeting",
    "ctrl",
    "ctl",
    "con",
    "control",
    "scr",
    "scrambled",
    "scramble",
    "mock",
    "empty",
    "luc",
    "luciferase",
    "rluc",
    "fluc",
    "gl2",
    "gl3",
    "lacz",
    "aavs1",
    "rosa26",
    "rosa",
];

/// Short forms, which drugs and genes may bear too, and genes that cells do not have.
const SHORT: [&str; 30] = [
    "baseline",
    "nt",
    "nc",
    "ns",
    "ut",
    "utc",
    "ev",
    "neg",
    "wt",
    "igg",
    "bsa",
    "naive",
    "naïve",
    "parental",
    "nil",
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

/// Those of them that are often numbered; `NT-3`, `NT-4` and `NT-5` are growth factors.
const NUMBERED: [&str; 7] = ["nt", "nc", "ut", "utc", "ev", "igg", "neg"];

/// Liquids, with cells in them or without; some carry drugs as DMSO does.
const LIQUIDS: [&str; 18] = [
    "media", "medium", "pbs", "dpbs", "hbss", "dmem", "rpmi", "optimem", "water", "h2o", "saline", "buffer", "none",
    "ethanol", "etoh", "methanol", "meoh", "dmf",
];

/// Names of wells from which nothing is to be learned.
const NOTHING: [&str; 13] = [
    "empty",
    "empty well",
    "blank",
    "no cells",
    "no cell",
    "cell free",
    "unused",
    "unknown",
    "bad construct",
    "unassigned",
    "multiplet",
    "doublet",
    "ambiguous",
];

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
    let lower = name.trim().to_lowercase();
    if SHORT.contains(&lower.as_str()) || is_numbered_short_form(&lower) {
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
    let (mut is_control, mut is_liquid, mut is_short, mut is_reagent) = (false, false, false, false);
    // `control high` is the control at the upper end of an assay, while `DMSO high` is DMSO.
    let (mut is_named, mut is_level, mut is_marked) = (false, false, false);
    let mut rest = words.as_slice();
    while let Some((&word, behind)) = rest.split_first() {
        if let Some(&next) = behind.first()
            && PAIRS.contains(&(word, next))
        {
            (is_control, is_named, rest) = (true, true, &behind[1..]);
            continue;
        }
        let is_signal = ["high", "hi", "low", "lo", "mid", "max"].contains(&word);
        match () {
            () if is_a_control(word) => {
                is_control = true;
                is_named |= !["control", "controls", "ctrl", "ctl", "kontrolle"].contains(&unnumbered(word));
            }
            () if LIQUIDS.contains(&word) => is_liquid = true,
            () if REAGENTS.contains(&word) => is_reagent = true,
            () if BESIDE.contains(&word) => is_level |= is_signal,
            () if SHORT.contains(&word) || NUMBERED.contains(&unnumbered(word)) => is_short = true,
            () if is_mark(word, words[0] == "dmso") => is_marked = true,
            () => return None,
        }
        rest = behind;
    }
    let is_silencing_nothing = is_reagent && (is_short || words.contains(&"neg"));
    match (is_control || is_silencing_nothing, is_liquid) {
        (true, _) if is_level && !is_named => None,
        (true, _) if lower.ends_with('+') || lower.ends_with("(+)") => Some(Standing::PositiveControl),
        (true, _) => Some(Standing::Control),
        // `buffer K` may be anything.
        (false, true) if !is_short && !is_level && !is_marked => Some(Standing::Liquid),
        // `NT_A`; `NT-3` is a growth factor.
        (false, false) if is_short && !name.contains(|letter: char| letter.is_ascii_digit()) => Some(Standing::Short),
        (false, _) => None,
    }
}

/// Whether a part of a name says nothing but which of several wells it is: `high`, `A`, `P1`, `24h`.
pub(super) fn is_mere_mark(part: &str) -> bool {
    let words = words(part);
    words.iter().all(|word| BESIDE.contains(&word.as_str()) || is_mark(word, false))
}

/// `NTC`, `ctrl2`, `siNeg1`, `shScr`.
fn is_a_control(word: &str) -> bool {
    let plain = unnumbered(word);
    let is_known = |word: &str| CONTROLS.contains(&word);
    let of_reagent = |start: &str| plain.strip_prefix(start).is_some_and(|rest| SILENCING_NOTHING.contains(&rest));
    is_known(word) || plain.len() > 2 && is_known(plain) || ["si", "sh", "sg", "esi"].into_iter().any(of_reagent)
}

/// A word without the number that it ends in.
fn unnumbered(word: &str) -> &str {
    word.trim_end_matches(|letter: char| letter.is_ascii_digit())
}

/// `nt1`, `NC 2`, `IgG-1`, but none of the growth factors.
fn is_numbered_short_form(name: &str) -> bool {
    // `NT|6` has a dose.
    let letters = name.replace([' ', '-', '_', '#'], "");
    let number = &letters[unnumbered(&letters).len()..];
    let is_factor = letters.starts_with("nt") && ["3", "4", "5", "45"].contains(&number);
    // `EV71` is a virus.
    let most_digits = if letters.starts_with("ev") { 1 } else { 2 };
    NUMBERED.contains(&unnumbered(&letters)) && (1..=most_digits).contains(&number.len()) && !is_factor
}

/// What tells wells of one control apart: a letter, a well, a plate or replicate with its number, a time. `E2`, `D3` and
/// the like are names of what DMSO may carry, and `DMSO-d6` is another compound.
fn is_mark(word: &str, is_of_dmso: bool) -> bool {
    const OF_NAMES: [&str; 6] = ["e2", "d3", "b6", "b12", "k1", "k2"];
    let letters = unnumbered(word);
    let number = &word[letters.len()..];
    // `p53` and `p38` are genes.
    let is_small = number.len() == 1 || number.starts_with('0') || number.starts_with('1') && letters < "i";
    let is_well = letters.len() == 1 && is_small && word.len() <= 3 && word.parse::<Well>().is_ok();
    let is_counted =
        ["p", "r", "b", "n", "w", "pl", "rep", "plate", "batch", "set", "run", "day", "exp", "lot", "pool"];
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_amount = word.strip_suffix("pct").is_some_and(|text| text.parse::<f64>().is_ok());
    let of_time = ["h", "hr", "hrs", "min", "x", "d", "um", "nm", "mm", "ul", "st", "nd", "rd", "th"];
    match () {
        () if OF_NAMES.contains(&word) || is_of_dmso && word == "d6" => false,
        () if word.len() == 1 => word.bytes().all(|byte| byte.is_ascii_lowercase() && byte <= b'h'),
        () if !number.is_empty() && is_counted.contains(&letters) => number.len() == 1 || number.starts_with('0'),
        () if is_well || is_amount => true,
        () => of_time.iter().any(|unit| word.strip_suffix(unit).is_some_and(is_digits)),
    }
}

/// Whether a name speaks of a control, whatever else it says: `high control`, `BRD-K1 DMSO`.
pub(super) fn speaks_of_control(name: &str) -> bool {
    const WORDS: [&str; 14] = [
        "control",
        "controls",
        "ctrl",
        "ctl",
        "dmso",
        "vehicle",
        "untreated",
        "mock",
        "negcon",
        "ntc",
        "nontargeting",
        "scramble",
        "scrambled",
        "placebo",
    ];
    words(name).iter().any(|word| WORDS.contains(&unnumbered(word)))
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
        // Wells of one control that are told apart.
        check(
            &[
                "0.1pct DMSO",
                "ONE_NON-GENE_SITE_1",
                "DMSO-high",
                "DMSO_low",
                "Vehicle_A",
                "control-A",
                "siCtrl_B",
                "DMSO-P1",
                "DMSO_A01",
                "DMSO rep2",
                "mock-infected",
                "untreated-24h",
                "ctrl 2",
                "NegCtrl0",
                "negative control pool #1",
            ],
            Some(Standing::Control),
        );
        // Reagents that silence nothing, and other words for controls.
        check(
            &[
                "Allstars Neg",
                "siNeg1",
                "siRNA NC",
                "shScr",
                "scr",
                "non targeting pool",
                "NO-TARGET",
                "OTP-NT",
                "ON-TARGETplus non-targeting",
                "RISC-free",
                "pLKO.1",
                "pLKO",
                "siLuc",
                "shLacZ",
                "Luciferase siRNA",
                "sgNTC-3",
                "placebo",
                "non-infected",
                "isotype",
            ],
            Some(Standing::Control),
        );
        check(&["Dimethyl sulfoxide", "wild type", "neutral control"], Some(Standing::Control));
        check(
            &["NT", "nc ", "LacZ", "eGFP", "WT", "RLUC", "EV", "NT1", "UTC", "IgG", "naive", "NC-2", "NT_A"],
            Some(Standing::Short),
        );
        check(&["None", "HBSS", "media", "medium only", "PBS", "EtOH", "Ethanol 0.1%"], Some(Standing::Liquid));
        check(&["EMPTY", "blank", "unknown", "JCP2022_UNKNOWN", "JCP2022_999999", "no cells"], Some(Standing::Nothing));
        check(
            &[
                "JCP2022_037716",
                "positive control",
                "Pos. Ctrl 2",
                "PosCtrl",
                "poscon",
                "staurosporine (pos ctrl)",
                "control (+)",
            ],
            Some(Standing::PositiveControl),
        );
        check(
            &[
                "taxol",
                "DMSO-d6",
                "DMSO + taxol",
                "positive",
                "NT-3",
                "NT4",
                "NT|6",
                "buffer K",
                "carrier Z",
                "NTRK1",
                "high control",
                "control low",
                "DMSO-E2",
                "ctrl-p53",
                "EV71",
                "scriptaid",
                "siRNA",
                "high",
                "A01",
                "Cell Death siRNA",
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
        for (name, speaks) in [("high control", true), ("DMSO-d6", true), ("ctrl2-p53", true), ("taxol", false)] {
            assert_eq!(speaks_of_control(name), speaks, "{name}");
        }
    }
}
