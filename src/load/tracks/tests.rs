//! Well-formed tables of tracks, and one fault in each of the others.

use std::fmt::Write as _;
use std::path::PathBuf;

use super::*;
use crate::screen::{Intervention, Kind, Micromolar, Role};

const CARD: &str = r#"
kind = "other"
reference = "first_frame"
dose_unit = "nM"
[columns]
plate = "run"
[tracks]
track = ["run", "fov", "cell"]
field = ["run", "fov"]
time = "t"
time_unit = "min"
values = ["erk"]
stimuli = { file = "stimuli.csv", on = ["run", "dose"], perturbation = "what", dose = "dose", start = "from", end = "until" }
exclude = { file = "bad.csv", on = ["run", { table = ["fov", "cell"], sheet = "fov_cell" }] }
"#;
const STIMULI: &str = "run,dose,what,from,until\na,1.0,EGF,5,7\na,10,EGF,5,7\nb,3,EGF,5,7\n";
const BAD: &str = "run,fov_cell\na,1_9\na,7_7\n";

/// Cells 1 and 2 in field 1 at 1 nM, cell 1 in field 2 at 10 nM, cell 9 of field 1 listed as bad; times 0 to 12.
fn rows() -> Vec<String> {
    let mut rows = Vec::new();
    for (fov, cell, dose) in [(1, 1, "1"), (1, 2, "1"), (2, 1, "10"), (1, 9, "1")] {
        rows.extend((0..=6).map(|frame| format!("a,{fov},{cell},{dose},{},{}", 2 * frame, 100 * cell + frame)));
    }
    rows
}

fn text(rows: &[String]) -> String {
    let mut text = "run,fov,cell,dose,t,erk\n".to_owned();
    rows.iter().for_each(|row| writeln!(text, "{row}").unwrap());
    text
}

fn load(card: &str, tracks: &str, stimuli: &str, window: usize) -> Result<Loaded, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for (name, content) in [("dataset.toml", card), ("tracks.csv", tracks), ("stimuli.csv", stimuli), ("bad.csv", BAD)]
    {
        std::fs::write(path(name), content).unwrap();
    }
    let source = Source::of([path("dataset.toml"), path("tracks.csv")].map(PathBuf::from));
    let short = |error: LoadError| error.to_string().replace(&format!("{}/", folder.path().display()), "");
    load_tracks(&source, window).map_err(short)
}

#[test]
fn a_window_holds_values_up_to_its_own_time_and_intervals_hold_what_was_present() {
    let loaded = load(CARD, &text(&rows()), STIMULI, 3).unwrap();
    let screen = &loaded.screen;
    assert_eq!(screen.features.names(), ["erk_4_min_before", "erk_2_min_before", "erk"]);
    assert_eq!((loaded.screen.design.tracks().len(), screen.n_observations()), (3, 3 * 5));
    assert_eq!(screen.features.in_memory().row(0), [100.0, 101.0, 102.0]);
    let schedule = &loaded.screen.design.schedules()[0];
    assert_eq!((schedule.field.as_str(), schedule.track.as_str()), ("a 1", "a 1 1"));
    assert_eq!(schedule.rows, [None, None, Some(0), Some(1), Some(2), Some(3), Some(4)]);
    assert_eq!(schedule.measured[6], Some(106.0));
    let egf = Intervention::single("EGF", Kind::Other, Micromolar::new(0.001));
    let minute = egf.clone().lasting(1.0 / 60.0);
    let none = Intervention::untreated;
    assert_eq!(schedule.present, [none(), none(), minute.clone(), minute, none(), none()]);
    assert_eq!(schedule.treatment.intervention, egf);
    // Up to the stimulus at 5 min a row is the state before.
    let roles: Vec<Role> = screen.units.by_row().take(5).map(|unit| unit.role).collect();
    assert_eq!(roles, [Role::NegativeControl, Role::Treatment, Role::Treatment, Role::Treatment, Role::Treatment]);
    assert_eq!(screen.dropped[0], Dropped { reason: "tracks listed in bad.csv".into(), rows: 7 });
    assert_eq!(loaded.notes[0], "stimuli.csv: no track has b 3");
    assert_eq!(loaded.notes[1], "1 of 2 tracks listed in bad.csv are not in the table");
}

#[test]
fn a_gap_stays_a_gap_and_the_track_goes_on_behind_it() {
    let mut rows = rows();
    rows.remove(3);
    let last = rows.len() - 1;
    rows.swap(0, last);
    let loaded = load(CARD, &text(&rows), STIMULI, 2).unwrap();
    assert_eq!(loaded.screen.design.schedules()[0].measured[3], None);
    let expected = [None, Some(0), Some(1), None, None, Some(2), Some(3)];
    assert_eq!(loaded.screen.design.schedules()[0].rows, expected, "whatever the order of rows in the file");
    let reason = "fewer than 2 times after the start of a track or a gap";
    assert!(loaded.screen.dropped.contains(&Dropped { reason: reason.into(), rows: 4 }), "{:?}", loaded.screen.dropped);
    // A value that is missing is a gap as well.
    let mut rows = self::rows();
    rows[3] = "a,1,1,1,6,NA".into();
    assert_eq!(load(CARD, &text(&rows), STIMULI, 2).unwrap().screen.design.schedules()[0].rows, expected);
}

#[test]
fn a_mass_is_a_concentration_by_its_molar_mass() {
    let card = CARD.replace("\"nM\"", "\"ng/mL\"");
    let error = load(&card, &text(&rows()), STIMULI, 2).unwrap_err();
    assert!(error.contains("need the molar mass of `EGF`; give it in kDa under [molar_mass_kda]"), "{error}");
    let loaded = load(&format!("{card}\n[molar_mass_kda]\nEGF = 6.2\n"), &text(&rows()), STIMULI, 2).unwrap();
    // The unit may stand in the name of the column as well.
    let named = |text: &str| {
        text.replace("dose", "dose_ng_ml").replace("dose_ng_ml_unit = \"nM\"", "").replace("dose_ng_ml =", "dose =")
    };
    let error = load(&named(CARD), &named(&text(&rows())), &named(STIMULI), 2).unwrap_err();
    assert!(error.contains("doses in ng/mL need the molar mass of `EGF`"), "{error}");
    // 10 ng/mL of 6200 g/mol: 1e-5 g/L over 6200 g/mol.
    let dose = loaded.screen.design.schedules()[2].treatment.intervention.members()[0].dose.unwrap().get();
    assert!((dose - 1e-5 / 6200.0 * 1e6).abs() < 1e-12, "{dose}");
    let error = load(&format!("{card}\n[molar_mass_kda]\nEGF = 0.0\n"), &text(&rows()), STIMULI, 2).unwrap_err();
    assert!(error.contains("the molar mass of `EGF` is 0, expected a positive number of kDa"), "{error}");
}

#[test]
fn refuses_what_is_wrong_with_its_place() {
    let changed = |row: usize, content: &str| {
        let mut rows = rows();
        rows[row] = content.to_owned();
        load(CARD, &text(&rows), STIMULI, 2).unwrap_err()
    };
    let begins = |error: String, expected: &str| assert!(error.starts_with(expected), "{error}");
    begins(changed(2, "a,1,1,1,soon,1"), "tracks.csv:4: column `t` holds \"soon\", expected a time");
    begins(changed(2, "a,1,1,1,inf,1"), "tracks.csv:4: column `t` holds \"inf\", expected a time");
    begins(
        changed(2, "a,1,1,1,4.5,1"),
        "tracks.csv:4: column `t` holds \"4.5\", expected a time that lies a whole number",
    );
    begins(
        changed(2, "a,1,1,1,4e14,1"),
        "tracks.csv:4: column `t` holds \"4e14\", expected a time that lies a whole number",
    );
    begins(changed(2, "a,1,1,1,2,1"), "tracks.csv:4: key a 1 1 at 2 min was already given at tracks.csv:3");
    begins(
        changed(2, "a,1,1,10,4,1"),
        "tracks.csv:4: column `dose` holds \"10\", expected the value of the other rows",
    );
    begins(changed(2, "a,1,,1,4,1"), "tracks.csv:4: column `cell` holds \"\", expected a value");
    begins(changed(2, "a,1,1,1,4,high"), "tracks.csv:4: column `erk` holds \"high\"");
    let with = |stimuli: &str| load(CARD, &text(&rows()), stimuli, 2).unwrap_err();
    let row = |row: &str| with(&format!("run,dose,what,from,until\n{row}\n"));
    begins(row("a,1,EGF,7,5"), "stimuli.csv:2: column `until` holds \"5\", expected a time after the start");
    begins(row("a,1,EGF,x,5"), "stimuli.csv:2: column `from` holds \"x\", expected the time from which");
    begins(row("a,0,EGF,5,7"), "stimuli.csv:2: column `dose` holds \"0\", expected a positive number");
    begins(row("a,1,,5,7"), "stimuli.csv:2: column `what` holds \"\", expected the name");
    begins(
        with("run,dose,what,from,until\na,1,EGF,5,7\na,1,EGF,6,9\n"),
        "stimuli.csv:3: column `from` holds \"6\", expected an interval",
    );
    begins(
        with("run,dose,what,from\na,1,EGF,5\n"),
        "stimuli.csv: no column `until`; it is named under [tracks.stimuli] `end`",
    );
    let card = |from: &str, to: &str| load(&CARD.replace(from, to), &text(&rows()), STIMULI, 2).unwrap_err();
    begins(card("time = \"t\"", "time = \"when\""), "tracks.csv: no column `when`; it is named under [tracks] `time`");
    begins(card("[\"erk\"]", "[\"akt\"]"), "tracks.csv: no column `akt`; it is named under [tracks] `values`");
    begins(card("[\"erk\"]", "[]"), "dataset.toml: `values` under [tracks] is empty");
    begins(card("on = [\"run\", \"dose\"]", "on = []"), "dataset.toml: [tracks.stimuli] has no key");
    begins(card("dose_unit = \"nM\"", ""), "stimuli.csv: column `dose` holds doses but no unit is known");
    begins(card("stimuli.csv", "gone.csv"), "dataset.toml: [tracks.stimuli] needs a file that is not there");
    begins(card("stimuli.csv", "../s.csv"), "dataset.toml: `../s.csv` leaves the card's folder");
    begins(card("first_frame", "relative"), "dataset.toml: tracks are measured against their first times");
    let error = load(CARD, &text(&rows()), STIMULI, 9).unwrap_err();
    begins(
        error,
        "tracks.csv: no row is left: 7 rows: tracks listed in bad.csv; 21 rows: tracks with fewer than two windows",
    );
}
