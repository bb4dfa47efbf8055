//! Every verb on every kind of screen: it works, or it is refused in words that name what to do instead, and that works.
//!
//! Commands are written as a user types them in the folder of the screen: `run` and `folds` are finished runs, `new` holds
//! another screen of the same kind, whose files are named like those of the first, and whose table is a row shorter.

use std::path::Path;
use std::process::{Command, Stdio};

use super::support::time_lapse::Disks;
use super::support::{
    add_checksums, assert_same, crops, cytonaut, files, finish, kill_when, profiles, said, step, time_lapse, tracks,
    without_last_row,
};

/// What a command comes to.
enum Outcome {
    /// It ends well and says these words.
    Works(&'static str),
    /// It ends with code 3, as the model lost against what it was to beat, and says these words.
    Loses(&'static str),
    /// It is asked wrongly and says these words; what they advise works.
    Refused { words: &'static str, instead: &'static [&'static str] },
}

use Outcome::{Loses, Refused, Works};

/// A kind of screen.
struct Kind {
    /// Writes the screen and its configuration into a folder.
    write: fn(&Path),
    /// The table of its rows, then the other sheets of its card.
    sheets: &'static [&'static str],
    /// Settings of a few steps, for every training of this kind.
    few_steps: &'static [&'static str],
    /// Settings with which every fold is trained.
    all_folds: &'static [&'static str],
    /// What is asked of finished runs.
    asked: &'static [(&'static str, Outcome)],
    /// What is asked of `RUN` where it lies, and of a copy with another name next to which nothing lies, with the same bytes.
    anywhere: &'static [&'static str],
}

/// What needs a model is asked of the folder of all folds, whatever the kind: each fold has a model, the whole has none.
const OF_FOLDS: Outcome = Refused {
    words: "give one of them, such as folds/fold-0",
    instead: &["embed folds/fold-0 --level intervention --out e.parquet"],
};

const PROFILES: &[(&str, Outcome)] = &[
    ("embed run --out e.parquet", Works("36 rows of")),
    ("embed run new/profiles.csv --out e.parquet", Works("35 rows of")),
    ("embed run --level intervention --out e.parquet", Works("13 rows of")),
    ("embed run --level intervention new/profiles.csv --out e.parquet", Works("13 rows of")),
    (
        "embed run --level cell --out e.parquet",
        Refused {
            words: "ask for `well` or `intervention`",
            instead: &["embed run --level well --out e.parquet", "embed run --level intervention --out e.parquet"],
        },
    ),
    (
        "embed run --level site new/profiles.csv --out e.parquet",
        Refused {
            words: "ask for `well` or `intervention`",
            instead: &["embed run --level well new/profiles.csv --out e.parquet"],
        },
    ),
    ("embed run --tvn --out e.parquet", Works("36 rows of")),
    ("embed run --tvn --level intervention new/profiles.csv --out e.parquet", Works("13 rows of")),
    ("predict run --intervention up@5 --out p.parquet", Works("predicted by ")),
    ("predict run new/profiles.csv --intervention up@5 --out p.parquet", Works("predicted by ")),
    ("predict run --out p.parquet", Works("predicted by ")),
    ("rank run --target 'moa == \"rises\"'", Works("up")),
    ("rank run --target 'moa == \"rises\"' --by lewm", Works("up")),
    ("rank run --target 'moa == \"rises\"' --by interpolation --dose-grid", Works("up")),
    ("rank run new/profiles.csv --target 'moa == \"rises\"'", Works("up")),
    ("evaluate run", Works("lewm")),
    ("evaluate run new/profiles.csv", Works("lewm")),
    ("evaluate run --require-beat interpolation", Loses("error: No claim")),
    (
        "evaluate run --require-beat no_such",
        Refused { words: "choose one of ", instead: &["evaluate run --require-beat interpolation"] },
    ),
    (
        "run screen.toml --steps 2 --set evaluate.all_folds=true --set rank.target='moa == \"rises\"' --out unranked",
        Works("cytonaut rank unranked/fold-0 --target 'moa == \"rises\"'"),
    ),
    ("rank unranked/fold-0 --target 'moa == \"rises\"'", Works("up")),
    ("embed folds --out e.parquet", OF_FOLDS),
    ("predict folds --out p.parquet", OF_FOLDS),
    ("rank folds --target 'moa == \"rises\"'", OF_FOLDS),
    ("evaluate folds", Works("lewm")),
    ("train screen.toml --from folds --out from_folds", OF_FOLDS),
    (
        "run screen.toml --steps 2 --set pair.rollout=3 --out refused",
        Refused {
            words: "delete what has no effect on profiles, relative profiles: `pair.rollout` (for tracks: ",
            instead: &["run screen.toml --steps 2 --out refused"],
        },
    ),
];

#[test]
fn profiles_with_controls() {
    check(&Kind {
        write: |folder| profiles::write_screen(folder, "control_wells"),
        sheets: &["profiles.csv"],
        few_steps: &[],
        all_folds: &["--set=evaluate.all_folds=true"],
        asked: PROFILES,
        anywhere: &[
            "rank RUN --out e.csv",
            "rank RUN --target 'moa == \"rises\"' --out e.csv",
            "predict RUN --intervention up@5 --out e.csv",
            "evaluate RUN --out e.csv",
            "embed RUN --out e.csv",
            "embed RUN --tvn --out e.csv",
        ],
    });
}

#[test]
fn relative_profiles() {
    check(&Kind {
        write: |folder| profiles::write_screen(folder, "relative"),
        sheets: &["profiles.csv"],
        few_steps: &[],
        all_folds: &["--set=evaluate.all_folds=true"],
        asked: &[
            ("embed run --out e.parquet", Works("24 rows of")),
            ("embed run new/profiles.csv --out e.parquet", Works("23 rows of")),
            ("embed run --level intervention --out e.parquet", Works("12 rows of")),
            (
                "embed run --level cell --out e.parquet",
                Refused {
                    words: "ask for `well` or `intervention`",
                    instead: &["embed run --level well --out e.parquet"],
                },
            ),
            (
                "embed run --tvn --out e.parquet",
                Refused { words: "leave it out", instead: &["embed run --out e.parquet"] },
            ),
            ("predict run --intervention up@5 --out p.parquet", Works("predicted by ")),
            ("predict run new/profiles.csv --intervention up@5 --out p.parquet", Works("predicted by ")),
            ("rank run --target 'moa == \"rises\"'", Works("up")),
            ("rank run new/profiles.csv --target 'moa == \"rises\"' --by lewm", Works("up")),
            ("evaluate run", Works("lewm")),
            ("evaluate run new/profiles.csv", Works("lewm")),
            ("embed folds --out e.parquet", OF_FOLDS),
            (
                "run screen.toml --steps 2 --set pair.bag=3 --out refused",
                Refused {
                    words: "delete what has no effect on relative profiles: `pair.bag` (for profiles, images: ",
                    instead: &["run screen.toml --steps 2 --out refused"],
                },
            ),
        ],
        anywhere: &[
            "rank RUN --out e.csv",
            "rank RUN --target 'moa == \"rises\"' --out e.csv",
            "predict RUN --intervention up@5 --out e.csv",
            "evaluate RUN --out e.csv",
            "embed RUN --out e.csv",
        ],
    });
}

#[test]
fn crops_of_images() {
    check(&Kind {
        write: crops::write_screen,
        sheets: &["wells.csv"],
        few_steps: &["--set=evaluate.all_folds=false"],
        all_folds: &[],
        asked: &[
            ("embed run --out e.parquet", Works("24 rows of")),
            ("embed run new/dataset.toml --out e.parquet", Works("23 rows of")),
            ("embed run --level cell --out e.parquet", Works("96 rows of")),
            ("embed run --level cell new/dataset.toml --out e.parquet", Works("92 rows of")),
            ("embed run --level site --out e.parquet", Works("24 rows of")),
            ("embed run --level site new/dataset.toml --out e.parquet", Works("23 rows of")),
            ("embed run --level intervention --out e.parquet", Works("3 rows of")),
            ("embed run --level intervention new/dataset.toml --out e.parquet", Works("3 rows of")),
            ("embed run new/wells.csv --out e.parquet", Works("23 rows of")),
            ("embed run --tvn --out e.parquet", Works("24 rows of")),
            (
                "embed run --tvn --level cell --out e.parquet",
                Refused {
                    words: "ask for `--level well` or `--level intervention`",
                    instead: &[
                        "embed run --tvn --level well --out e.parquet",
                        "embed run --tvn --level intervention --out e.parquet",
                    ],
                },
            ),
            ("predict run --intervention grow --out p.parquet", Works("of predicted latents")),
            ("predict run new/dataset.toml --intervention grow --out p.parquet", Works("of predicted latents")),
            ("predict run --out p.parquet", Works("of predicted latents")),
            ("rank run --target 'perturbation == \"grow\"'", Works("by lewm")),
            (
                "rank run --target 'perturbation == \"grow\"' --by interpolation",
                Refused {
                    words: "set `rank.by = \"lewm\"` (`--by lewm`)",
                    instead: &["rank run --target 'perturbation == \"grow\"' --by lewm"],
                },
            ),
            ("rank run new/dataset.toml --target 'perturbation == \"grow\"' --by lewm", Works("grow")),
            (
                "run screen.toml --steps 2 --set evaluate.all_folds=false --set rank.target='perturbation == \"grow\"' --out ranked",
                Works("by lewm"),
            ),
            ("evaluate run", Works("latents")),
            ("evaluate run --require-beat interpolation", Loses("error: No claim")),
            (
                "evaluate run new/dataset.toml",
                Refused {
                    words: "`cytonaut embed`",
                    instead: &["embed run new/dataset.toml --out e.parquet", "evaluate run"],
                },
            ),
            ("embed folds --out e.parquet", OF_FOLDS),
            ("evaluate folds", Works("latents")),
            (
                "run screen.toml --steps 2 --set evaluate.all_folds=false --set decoder.from_anchor=true --out refused",
                Refused {
                    words: "delete what has no effect on images, time lapses: `decoder.from_anchor` (for profiles",
                    instead: &["run screen.toml --steps 2 --set evaluate.all_folds=false --out refused"],
                },
            ),
            ("rank run", Works("differ from control wells of their plates")),
            ("rank run new/dataset.toml", Works("differ from control wells of their plates")),
            ("rank run --minimize column", Works("column (as in the files), lowest first, by combined")),
            (
                "rank run --minimize cell_count",
                Refused { words: "noted of wells (`column`)", instead: &["rank run --minimize column"] },
            ),
        ],
        anywhere: &[
            "rank RUN --out e.csv",
            "rank RUN --target 'perturbation == \"grow\"' --out e.csv",
            "rank RUN --minimize column --out e.csv",
            "predict RUN --intervention grow --out e.csv",
            "evaluate RUN --out e.csv",
            "embed RUN --out e.csv",
            "embed RUN --level cell --out e.csv",
            "embed RUN --tvn --level intervention --out e.csv",
        ],
    });
}

#[test]
fn a_time_lapse_of_crops() {
    check(&Kind {
        write: |folder| time_lapse::write_screen(folder, &Disks { n_wells: 12, n_frames: 3, side: 64 }),
        sheets: &["objects.csv", "frames.csv"],
        few_steps: &["--set=evaluate.all_folds=false"],
        all_folds: &[],
        asked: &[
            ("embed run --level cell --out e.parquet", Works("144 rows of")),
            ("embed run --level cell new/dataset.toml --out e.parquet", Works("141 rows of")),
            ("embed run --level intervention --out e.parquet", Works("rows of")),
            (
                "embed run --out e.parquet",
                Refused {
                    words: "ask for `--level cell` or `--level intervention`",
                    instead: &[
                        "embed run --level cell --out e.parquet",
                        "embed run --level intervention --out e.parquet",
                    ],
                },
            ),
            (
                "embed run --level site new/dataset.toml --out e.parquet",
                Refused {
                    words: "ask for `--level cell` or `--level intervention`",
                    instead: &["embed run --level intervention new/dataset.toml --out e.parquet"],
                },
            ),
            (
                "embed run --tvn --level cell --out e.parquet",
                Refused { words: "leave it out", instead: &["embed run --level cell --out e.parquet"] },
            ),
            ("predict run --intervention drug@0.5 --out p.parquet", Works("of predicted latents")),
            ("predict run new/dataset.toml --out p.parquet", Works("of predicted latents")),
            ("rank run --target 'drug >= 3'", Works("by lewm")),
            (
                "rank run --target 'drug >= 3' --by interpolation",
                Refused {
                    words: "`lewm`, as the screen is a time lapse",
                    instead: &["rank run --target 'drug >= 3' --by lewm"],
                },
            ),
            (
                "rank run new/dataset.toml --target 'drug >= 3' --by lewm",
                Refused { words: "use the run's own screen", instead: &["rank run --target 'drug >= 3' --by lewm"] },
            ),
            ("evaluate run", Works("no_change")),
            ("evaluate run --require-beat no_change", Loses("error: No claim")),
            (
                "evaluate run new/dataset.toml",
                Refused { words: "use the run's own screen", instead: &["evaluate run"] },
            ),
            ("embed folds --out e.parquet", OF_FOLDS),
            ("evaluate folds", Works("no_change")),
            (
                "run screen.toml --steps 2 --set evaluate.all_folds=false --set pair.crops=4 --set evaluate.neighbors=3 --out refused",
                Refused {
                    words: "delete what has no effect on time lapses: `pair.crops` (for profiles, relative profiles, \
                            images: only wells have several rows), `evaluate.neighbors` (for images: ",
                    instead: &["run screen.toml --steps 2 --set evaluate.all_folds=false --out refused"],
                },
            ),
            ("rank run", Works("readout: ratio of the objects' measurement")),
            ("rank run new/dataset.toml", Refused { words: "use the run's own screen", instead: &["rank run"] }),
            ("rank run --maximize readout", Works("readout (ratio of the objects' measurement")),
        ],
        anywhere: &[
            "rank RUN --out e.csv",
            "rank RUN --target 'drug >= 3' --out e.csv",
            "rank RUN --maximize readout --out e.csv",
            "predict RUN --intervention drug@0.5 --out e.csv",
            "evaluate RUN --out e.csv",
            "embed RUN --level cell --out e.csv",
        ],
    });
}

#[test]
fn tracks_under_a_schedule() {
    check(&Kind {
        write: tracks::write_screen,
        sheets: &["tracks.csv", "stimuli.csv"],
        few_steps: &["--set=pair.rollout=2"],
        all_folds: &["--set=pair.rollout=2", "--set=evaluate.all_folds=true", "--set=split.folds=3"],
        asked: &[
            ("embed run --level cell --out e.parquet", Works("2760 rows of")),
            ("embed run --level cell new/tracks.csv --out e.parquet", Works("2759 rows of")),
            ("embed run --level intervention --out e.parquet", Works("rows of")),
            ("embed run --level intervention new/tracks.csv --out e.parquet", Works("rows of")),
            (
                "embed run --out e.parquet",
                Refused {
                    words: "ask for `--level cell` or `--level intervention`",
                    instead: &[
                        "embed run --level cell --out e.parquet",
                        "embed run --level intervention --out e.parquet",
                    ],
                },
            ),
            (
                "embed run --level site new/tracks.csv --out e.parquet",
                Refused {
                    words: "ask for `--level cell` or `--level intervention`",
                    instead: &["embed run --level cell new/tracks.csv --out e.parquet"],
                },
            ),
            (
                "embed run --tvn --level cell --out e.parquet",
                Refused { words: "leave it out", instead: &["embed run --level cell --out e.parquet"] },
            ),
            ("predict run --out p.parquet", Refused { words: "trajectories.parquet", instead: &["evaluate run"] }),
            (
                "rank run --target 'dose_um >= 0.1'",
                Refused { words: "trajectories.parquet", instead: &["evaluate run"] },
            ),
            ("evaluate run", Works("no_change")),
            ("evaluate run --require-beat no_change", Loses("error: No claim")),
            (
                "evaluate run --require-beat interpolation",
                Refused {
                    words: "choose one of mean_response",
                    instead: &["evaluate run --require-beat mean_response"],
                },
            ),
            ("evaluate run new/tracks.csv", Refused { words: "trajectories.parquet", instead: &["evaluate run"] }),
            (
                "run screen.toml --set rank.target='dose_um >= 0.1' --out ranked",
                Refused {
                    words: "delete what has no effect on tracks: `rank.target` (for profiles",
                    instead: &["run screen.toml --steps 1 --set pair.rollout=2 --out ranked"],
                },
            ),
            ("embed folds --out e.parquet", OF_FOLDS),
            ("evaluate folds", Works("no_change")),
            ("rank run", Works("change of the measured value from before the first")),
            ("rank run new/tracks.csv", Refused { words: "trajectories.parquet", instead: &["rank run"] }),
        ],
        anywhere: &["rank RUN --out e.csv", "evaluate RUN --out e.csv", "embed RUN --level cell --out e.csv"],
    });
}

/// The words of a command; what stands between `'` is one.
fn words(command: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut is_quoted = false;
    for letter in command.chars() {
        match letter {
            '\'' => is_quoted = !is_quoted,
            ' ' if !is_quoted => words.push(String::new()),
            letter => words.last_mut().expect("there is a word").push(letter),
        }
    }
    words
}

/// A command in the folder of the screen, with settings that make anything that trains end soon.
fn ask(folder: &Path, text: &str, settings: &[&str]) -> Command {
    let mut command = cytonaut(words(text));
    command.args(settings).current_dir(folder);
    command
}

/// Asks all of one kind of screen, and tells all that went wrong at once.
fn check(kind: &Kind) {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::create_dir(folder.join("new")).unwrap();
    let new = folder.join("new");
    for folder in [folder, &new] {
        (kind.write)(folder);
    }
    without_last_row(&new.join(kind.sheets[0]));
    for folder in [folder, &new] {
        add_checksums(folder, kind.sheets);
    }
    let few = [
        "--set=train.checkpoint_every=1",
        "--set=train.evaluate_every=2",
        "--set=train.sigreg.slices=16",
        "--set=evaluate.bootstrap.resamples=100",
    ];
    let once = [&few[..], kind.few_steps, &["--steps=20"]].concat();
    let each_fold = [&few[..], kind.all_folds, &["--steps=2"]].concat();
    let at = |name: &str| folder.join(name);

    // Twice: the second says so and writes nothing.
    for (name, settings) in [("run", &once), ("folds", &each_fold)] {
        let asked = format!("run screen.toml --out {name}");
        finish(ask(folder, &asked, settings), 0);
        let before = files(&at(name));
        let said = finish(ask(folder, &asked, settings), 0);
        assert!(said.contains("was finished already"), "{said}");
        assert!(files(&at(name)) == before, "`{asked}` a second time writes nothing");
    }

    // Killed in the middle of training, or between a fold's training and the next, it goes on to the same bytes.
    let kill_at = |name: &str, settings: &[&str], is_there: &dyn Fn() -> bool| {
        let asked = format!("run screen.toml --out {name}");
        let mut child = ask(folder, &asked, settings).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        assert!(kill_when(&mut child, is_there), "it was not killed");
        let manifest = std::fs::read_to_string(at(name).join("manifest.json")).unwrap();
        assert!(manifest.contains("\"unfinished\""), "{manifest}");
        finish(ask(folder, &asked, settings), 0);
    };
    kill_at("killed", &once, &|| step(&at("killed"), 0) >= 2);
    assert_same(&at("killed"), &at("run"));
    kill_at("killed_folds", &each_fold, &|| at("killed_folds/fold-0/model/member-0.safetensors").exists());
    assert_same(&at("killed_folds"), &at("folds"));

    // Started from the weights of another run.
    finish(ask(folder, "train screen.toml --from run --out warm", &once), 0);
    let model = |run: &str| std::fs::read(at(run).join("model/member-0.safetensors")).unwrap();
    assert!(model("warm") != model("run"));

    let faults: Vec<String> = kind.asked.iter().filter_map(|(asked, outcome)| fault(folder, asked, outcome)).collect();
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));

    // A copy under another name, beside which nothing lies, answers the same.
    let elsewhere = tempfile::tempdir().unwrap();
    for (path, bytes) in files(&at("run")) {
        let path = elsewhere.path().join("renamed").join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    let answers = |folder: &Path, name: &str| -> Vec<(String, Vec<u8>)> {
        let answer = |asked: &&str| {
            let said = finish(ask(folder, &asked.replace("RUN", name), &[]), 0);
            (said, std::fs::read(folder.join("e.csv")).unwrap())
        };
        kind.anywhere.iter().map(answer).collect()
    };
    let here = answers(folder, "run");
    // Nothing is left where the configuration says that the screen is.
    for name in kind.sheets.iter().chain(&["dataset.toml"]) {
        std::fs::remove_file(at(name)).unwrap();
    }
    let there = answers(elsewhere.path(), "renamed");
    for ((asked, here), there) in kind.anywhere.iter().zip(&here).zip(&there) {
        assert!(here == there, "`{asked}`:\n{}\nelsewhere:\n{}", here.0, there.0);
    }
}

/// What a command does otherwise than expected.
fn fault(folder: &Path, asked: &str, outcome: &Outcome) -> Option<String> {
    let run = |asked: &str| {
        let output = ask(folder, asked, &[]).output().unwrap();
        (output.status.code(), said(&output))
    };
    let (code, said) = run(asked);
    let (expected, expected_words, instead) = match outcome {
        Works(words) => (0, *words, &[][..]),
        Loses(words) => (3, *words, &[][..]),
        Refused { words, instead } => (2, *words, *instead),
    };
    if code != Some(expected) || !said.contains(expected_words) {
        return Some(format!("`{asked}`: code {code:?}, expected {expected} and `{expected_words}`:\n{said}"));
    }
    instead.iter().find_map(|advised| {
        let (code, said) = run(advised);
        (!matches!(code, Some(0 | 3))).then(|| format!("`{asked}` advises `{advised}`, which does not work:\n{said}"))
    })
}
