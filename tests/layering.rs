//! The rooms of `src/` use only rooms above them, and foreign crates stay where `lib.rs` and the rules below put them.
//!
//! The order is read from the `pub mod` lines of `src/lib.rs`. Comments, texts and `mod tests` blocks do not count,
//! and modules that are compiled for tests alone may name any crate.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Crates that only some rooms may name.
const CONFINED: [(&[&str], &[&str]); 10] = [
    (&["polars", "polars_core", "polars_io"], &["load"]),
    (&["rust_hdf5"], &["table", "load"]),
    (&["rusqlite", "roxmltree", "calamine"], &["load"]),
    (&["tiff", "zune_jpeg", "zstd", "lz4_flex", "crc32c"], &["load"]),
    (&["csv", "arrow", "parquet", "bytes"], &["table", "load"]),
    (&["rust_xlsxwriter"], &["table"]),
    // Names of files and of columns are given as globs.
    (&["glob"], &["load", "descriptor"]),
    // A matrix may lie in files.
    (&["memmap2"], &["screen"]),
    (&["clap", "indicatif", "anyhow", "signal_hook", "tracing", "tracing_subscriber"], &["cli"]),
    (
        &["burn", "burn_flex"],
        &["model", "loss", "run", "train", "embed", "predict", "baseline", "plan", "answer", "study", "cli"],
    ),
];

#[test]
fn rooms_use_only_rooms_above_them() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let rooms = rooms(&fs::read_to_string(source.join("lib.rs")).unwrap());
    assert!(rooms.iter().any(|room| room == "screen"), "no rooms found in lib.rs");
    let files: Vec<(PathBuf, String)> = rust_files(&source)
        .into_iter()
        .map(|file| (file.strip_prefix(&source).unwrap().to_owned(), fs::read_to_string(&file).unwrap()))
        .collect();
    let of_tests: Vec<PathBuf> = files.iter().flat_map(|(path, text)| modules_of_tests(path, text)).collect();
    assert!(of_tests.contains(&PathBuf::from("load/tests")), "no modules of tests found");
    let mut faults = Vec::new();
    for (path, text) in &files {
        // The last is the binary's, and the benchmarks'.
        if ["lib.rs", "main.rs", "allocator.rs"].into_iter().any(|name| path == Path::new(name)) {
            continue;
        }
        let is_of_tests = of_tests.iter().any(|module| path.with_extension("").starts_with(module));
        faults.extend(faults_of(&rooms, path, text, is_of_tests));
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

/// Files behind the door, where screens are read, that ask what kind or design a screen has, and in how many places.
const ASKING: [(&str, usize); 6] = [
    ("normalize/normalizer.rs", 1),
    ("pair/source.rs", 4),
    ("plan/target.rs", 1),
    ("qc/design.rs", 2),
    ("qc/measure.rs", 1),
    ("study/kind.rs", 5),
];

/// Where a screen is made, and so its kind decided.
const DOOR: [&str; 6] = ["screen", "load", "crop", "study/images.rs", "study/prepare.rs", "study/propose"];

#[test]
fn few_places_ask_what_kind_of_screen_there_is() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut asking = Vec::new();
    for file in rust_files(&source) {
        let path = file.strip_prefix(&source).unwrap();
        let is_of_tests = ["tests", "properties", "refusals", "oracle"]
            .into_iter()
            .any(|name| path.with_extension("").iter().any(|part| part == name));
        let is_door = DOOR.into_iter().any(|door| path.starts_with(door) || path.with_extension("").starts_with(door));
        if is_of_tests || is_door {
            continue;
        }
        let n_asked = places_that_ask(&without_tests(tokens(&fs::read_to_string(&file).unwrap())));
        if n_asked > 0 {
            asking.push((path.to_str().unwrap().to_owned(), n_asked));
        }
    }
    let found: Vec<(&str, usize)> = asking.iter().map(|(path, n_asked)| (path.as_str(), *n_asked)).collect();
    assert_eq!(
        found, ASKING,
        "what differs by the kind of a screen is chosen in study/kind.rs, by its design in pair/source.rs"
    );
}

/// Places that match or compare a kind, a design or a reference, or ask whether rows are pixels or followed.
fn places_that_ask(tokens: &[String]) -> usize {
    let is = |at: usize, token: &str| tokens.get(at).is_some_and(|found| found == token);
    let asks = |at: &usize| {
        let at = *at;
        if is(at, "is_of_pixels") || is(at, "is_followed") {
            return is(at + 1, "(") && !is(at.wrapping_sub(1), "fn");
        }
        let is_type = ["ScreenKind", "Design", "Reference"].into_iter().any(|name| is(at, name));
        let is_variant =
            is_type && is(at + 1, "::") && tokens.get(at + 2).is_some_and(|name| name.starts_with(char::is_uppercase));
        if !is_variant || is(at + 2, "ALL") {
            return false;
        }
        let is_compared = at >= 2 && is(at - 1, "=") && (is(at - 2, "=") || is(at - 2, "!"));
        let mut next = at + 3;
        if is(next, "{") {
            next += tokens[next..].iter().position(|token| token == "}").map_or(0, |end| end + 1);
        }
        let is_pattern = is(next, "|") || is(next, "=") && is(next + 1, ">");
        is_compared || is_pattern
    };
    (0..tokens.len()).filter(asks).count()
}

#[test]
fn docs_name_files_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let pages = fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let pages: Vec<PathBuf> = pages.filter(|path| path.extension().is_some_and(|ending| ending == "md")).collect();
    let mut n_named = 0;
    for page in pages.into_iter().chain([root.join("README.md")]) {
        let text = fs::read_to_string(&page).unwrap();
        for path in text.split('`').filter(|code| code.starts_with("src/") && !code.contains(' ')) {
            n_named += 1;
            assert!(root.join(path).exists(), "{}: `{path}` does not exist", page.display());
        }
    }
    assert!(n_named > 5, "{n_named} paths found in docs");
}

/// Names after `pub mod`, in their order.
fn rooms(lib: &str) -> Vec<String> {
    let tokens = tokens(lib);
    let room = |window: &[String]| (window[0] == "pub" && window[1] == "mod").then(|| window[2].clone());
    tokens.windows(3).filter_map(room).collect()
}

fn rust_files(folder: &Path) -> BTreeSet<PathBuf> {
    let mut files = BTreeSet::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.insert(path);
        }
    }
    files
}

/// The modules that a file declares for tests alone, by their paths without ending.
fn modules_of_tests(path: &Path, text: &str) -> Vec<PathBuf> {
    let folder = match path.file_name().is_some_and(|name| name == "mod.rs" || name == "lib.rs") {
        true => path.parent().map(Path::to_path_buf).unwrap_or_default(),
        false => path.with_extension(""),
    };
    let declared = ["#", "[", "cfg", "(", "test", ")", "]", "mod"];
    let tokens = tokens(text);
    let module = |window: &[String]| {
        let is_declared = window.iter().zip(declared).all(|(token, expected)| token == expected);
        (is_declared && window[declared.len() + 1] == ";").then(|| folder.join(&window[declared.len()]))
    };
    tokens.windows(declared.len() + 2).filter_map(module).collect()
}

/// What the file at `path` (under `src/`) names that its room may not, in words.
fn faults_of(rooms: &[String], path: &Path, text: &str, is_of_tests: bool) -> Vec<String> {
    let shown = path.display();
    let modules: Vec<&str> = path.iter().filter_map(|part| part.to_str()).collect();
    let room = modules[0].trim_end_matches(".rs");
    let Some(place) = rooms.iter().position(|other| other == room) else {
        return vec![format!("{shown}: `{room}` is not a room; declare it in lib.rs")];
    };
    let is_module_of_its_folder = matches!(modules.last(), Some(&"mod.rs"));
    let depth = modules.len() - usize::from(is_module_of_its_folder);
    let tokens = without_tests(tokens(text));

    let mut faults = BTreeSet::new();
    for named in rooms_named(&tokens, depth) {
        if let Some(found) = rooms.iter().position(|other| *other == named)
            && found > place
        {
            faults.insert(format!("{shown}: `{room}` names `{named}`, which is declared below it in lib.rs"));
        }
    }
    for (crates, allowed) in CONFINED.iter().filter(|(_, allowed)| !is_of_tests && !allowed.contains(&room)) {
        for name in crates.iter().filter(|name| names_crate(&tokens, name)) {
            faults
                .insert(format!("{shown}: `{room}` names the crate `{name}`, which belongs in {}", allowed.join(", ")));
        }
    }
    faults.into_iter().collect()
}

/// First segments of the paths that begin at the crate's root: `crate::x`, `crate::{x, y}` and enough `super::`s.
fn rooms_named(tokens: &[String], depth: usize) -> Vec<String> {
    let is = |index: usize, token: &str| tokens.get(index).is_some_and(|found| found == token);
    let mut named = Vec::new();
    for begin in 0..tokens.len() {
        let mut next = begin;
        if is(begin, "crate") {
            next += 1;
        } else if is(begin, "super") && (begin == 0 || !is(begin - 1, "::")) {
            let supers = (0..).take_while(|n| is(begin + 2 * n, "super") && is(begin + 2 * n + 1, "::")).count();
            if supers < depth {
                continue;
            }
            next += 2 * depth - 1;
        } else {
            continue;
        }
        if !is(next, "::") {
            continue;
        }
        if !is(next + 1, "{") {
            named.extend(tokens.get(next + 1).cloned());
            continue;
        }
        let mut open = 0;
        for (index, token) in tokens.iter().enumerate().skip(next + 1) {
            match token.as_str() {
                "{" => open += 1,
                "}" => open -= 1,
                _ if open == 1 && (is(index - 1, "{") || is(index - 1, ",")) => named.push(token.clone()),
                _ => {}
            }
            if open == 0 {
                break;
            }
        }
    }
    named
}

/// Whether a path begins with the crate: `burn::…`, `::burn::…`, `use burn as …`, `use burn;`.
fn names_crate(tokens: &[String], name: &str) -> bool {
    let is_word = |token: &String| token.chars().all(|c| c.is_alphanumeric() || c == '_');
    tokens.iter().enumerate().filter(|(_, token)| *token == name).any(|(index, _)| {
        let before = |steps: usize| index.checked_sub(steps).map(|index| &tokens[index]);
        let is_inner = before(1).is_some_and(|token| token == "::") && before(2).is_some_and(is_word);
        let is_used = before(1).is_some_and(|token| matches!(token.as_str(), "use" | "crate" | "extern"));
        !is_inner && (is_used || tokens.get(index + 1).is_some_and(|token| token == "::"))
    })
}

/// Tokens outside `mod tests { … }`.
fn without_tests(tokens: Vec<String>) -> Vec<String> {
    let mut kept = Vec::new();
    let mut index = 0;
    while index < tokens.len() {
        let is_tests = tokens[index..].starts_with(&["mod".to_owned(), "tests".to_owned(), "{".to_owned()]);
        if !is_tests {
            kept.push(tokens[index].clone());
            index += 1;
            continue;
        }
        index += 3;
        let mut open = 1;
        while open > 0 && index < tokens.len() {
            open += i32::from(tokens[index] == "{") - i32::from(tokens[index] == "}");
            index += 1;
        }
    }
    kept
}

/// Words, `::` and single signs; comments, texts and characters are left out.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            block_comment(rest)
        } else if let Some(length) = raw_text(rest) {
            length
        } else if first == '"' {
            quoted(rest, '"')
        } else if let Some(length) = character(rest) {
            length
        } else if first.is_alphanumeric() || first == '_' {
            let length = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            tokens.push(rest[..length].to_owned());
            length
        } else if rest.starts_with("::") {
            tokens.push("::".to_owned());
            2
        } else {
            if !first.is_whitespace() {
                tokens.push(first.to_string());
            }
            first.len_utf8()
        };
        rest = &rest[length..];
    }
    tokens
}

fn block_comment(text: &str) -> usize {
    let (mut open, mut index) = (0, 0);
    while index < text.len() {
        if text[index..].starts_with("/*") {
            (open, index) = (open + 1, index + 2);
        } else if text[index..].starts_with("*/") {
            (open, index) = (open - 1, index + 2);
        } else {
            index += text[index..].chars().next().map_or(1, char::len_utf8);
        }
        if open == 0 {
            break;
        }
    }
    index
}

/// Length of `r"…"`, `r#"…"#` and the same after `b`, if the text begins with one.
fn raw_text(text: &str) -> Option<usize> {
    let after_r = text.strip_prefix("br").or_else(|| text.strip_prefix('r'))?;
    let after_hashes = after_r.trim_start_matches('#');
    let hashes = after_r.len() - after_hashes.len();
    let content = after_hashes.strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let length = content.find(&end)? + end.len();
    Some(text.len() - content.len() + length)
}

/// Length of a text that ends at the next `quote` without a backslash before it.
fn quoted(text: &str, quote: char) -> usize {
    let mut is_escaped = false;
    for (index, c) in text.char_indices().skip(1) {
        if c == quote && !is_escaped {
            return index + 1;
        }
        is_escaped = c == '\\' && !is_escaped;
    }
    text.len()
}

/// Length of a character literal; a lifetime is none.
fn character(text: &str) -> Option<usize> {
    let mut chars = text.chars();
    match (chars.next()?, chars.next()?, chars.next()) {
        ('\'', '\\', _) => Some(quoted(text, '\'')),
        ('\'', inner, Some('\'')) => Some(2 + inner.len_utf8()),
        _ => None,
    }
}

#[cfg(test)]
mod of_the_check_itself {
    use super::*;

    fn check(path: &str, text: &str, expected: &[&str]) {
        let rooms = rooms("pub mod screen;\npub mod load;\n// pub mod qc;\npub mod model;\npub mod plan;\n");
        assert_eq!(rooms, ["screen", "load", "model", "plan"]);
        let faults = faults_of(&rooms, Path::new(path), text, false);
        assert_eq!(faults.len(), expected.len(), "{faults:?}");
        for (fault, expected) in faults.iter().zip(expected) {
            assert!(fault.contains(expected), "{fault}");
        }
    }

    #[test]
    fn finds_a_room_below() {
        check("load/csv.rs", "use crate::screen::Screen;", &[]);
        check("load/csv.rs", "use crate::plan::Ranking;", &["`load` names `plan`"]);
        check("load/csv.rs", "fn f() { let x = crate :: model::new(); }", &["`load` names `model`"]);
        check("load.rs", "use crate::{screen::{model, Well}, plan};", &["`load` names `plan`"]);
        check("load/mod.rs", "use super::plan::Ranking;", &["`load` names `plan`"]);
        check("load/csv.rs", "use super::plan::Ranking;", &[]);
        check("load/csv.rs", "use super::super::plan::Ranking;", &["`load` names `plan`"]);
        check("load/image/tiff.rs", "use super::super::plan::Ranking;", &[]);
        check("load/image/tiff.rs", "use super::super::super::{plan, model};", &["names `model`", "names `plan`"]);
        check("plan/mod.rs", "use crate::{load, model, screen};", &[]);
        check("shed/mod.rs", "", &["`shed` is not a room"]);
    }

    #[test]
    fn places_that_ask_are_patterns_and_comparisons() {
        let places = |text: &str| places_that_ask(&tokens(text));
        assert_eq!(
            places("match d { Design::Relative | Design::Followed { tracks } => 1, Design::Scheduled { .. } => 2 }"),
            3
        );
        assert_eq!(places("if screen.reference() == Reference::Relative || x != ScreenKind::Tracks {}"), 2);
        assert_eq!(places("if screen.features.is_of_pixels() && !design.is_followed() {}"), 2);
        assert_eq!(places("Screen { design: Design::Relative, kinds: [ScreenKind::Images] }; ScreenKind::ALL"), 0);
        assert_eq!(places("let design = Design::Followed { tracks }; fn is_followed(&self) {}"), 0);
    }

    #[test]
    fn finds_crates_out_of_their_rooms() {
        check("screen/well.rs", "use polars::prelude::*;", &["`screen` names the crate `polars`"]);
        check("screen/well.rs", "fn f(x: ::arrow::array::ArrayRef) {}", &["the crate `arrow`"]);
        check("load/csv.rs", "use burn as b;", &["`load` names the crate `burn`"]);
        check("load/csv.rs", "use polars::prelude::*; use arrow::array; mod hdf5; use self::burn::x;", &[]);
        check("plan/mod.rs", "use burn::tensor::Tensor; let parquet = 3;", &[]);
    }

    #[test]
    fn modules_of_tests_may_name_any_crate() {
        let declared = "mod kept;\n#[cfg(test)]\nmod oracle;\n#[cfg(test)]\nmod inside { fn f() {} }\n";
        assert_eq!(modules_of_tests(Path::new("load/mod.rs"), declared), [Path::new("load/oracle")]);
        assert_eq!(modules_of_tests(Path::new("load/csv.rs"), declared), [Path::new("load/csv/oracle")]);
        let rooms = rooms("pub mod screen;\npub mod model;\n");
        let faults = |is_of_tests| {
            faults_of(&rooms, Path::new("screen/oracle.rs"), "use csv::Reader; use crate::model::x;", is_of_tests)
        };
        assert_eq!((faults(false).len(), faults(true).len()), (2, 1));
    }

    #[test]
    fn comments_texts_and_tests_do_not_count() {
        check(
            "load/csv.rs",
            "// crate::plan\n/* crate::plan /* x */ crate::plan */ /// [`crate::plan::Ranking`]\n",
            &[],
        );
        check(
            "load/csv.rs",
            r###"const A: &str = "crate::plan \" crate::plan"; const B: &str = r#"" crate::plan"#;"###,
            &[],
        );
        check("load/csv.rs", "fn f<'a>(x: &'a str) { let q = '\"'; crate::plan::g(x) }", &["names `plan`"]);
        check("load/csv.rs", "fn f() { let q = '\\''; crate::plan::g() }", &["names `plan`"]);
        let tests = "#[cfg(test)]\nmod tests { fn f() { crate::plan::g() } }\n";
        check("load/csv.rs", tests, &[]);
        check("load/csv.rs", &format!("{tests} use crate::plan::g;"), &["names `plan`"]);
        check("load/csv.rs", "#[cfg(test)]\nuse crate::plan::g;", &["names `plan`"]);
    }
}
