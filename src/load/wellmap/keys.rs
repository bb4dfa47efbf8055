//! Wells as the keys of a layout write them: sizes, rows, columns, and patterns of these.

use super::At;
use crate::screen::Well;

/// `2x3` as columns and rows.
pub(super) fn size_of(size: &str) -> Result<(usize, usize), String> {
    let is_size = |n: &usize| (1..=usize::from(Well::MAX_COLUMNS)).contains(n);
    let sides = size.split_once('x').map(|(width, height)| (width.parse().ok(), height.parse().ok()));
    match sides {
        Some((Some(width), Some(height))) if is_size(&width) && is_size(&height) => Ok((width, height)),
        _ => Err(format!("`block.{size}`: expected columns and rows, as in `block.2x3.A1`")),
    }
}

pub(super) fn row_of(text: &str) -> Option<usize> {
    // A row is that of its first well.
    text.bytes()
        .all(|byte| byte.is_ascii_alphabetic())
        .then(|| format!("{text}1").parse::<Well>().ok())?
        .map(|well| well.row().into())
}

pub(super) fn column_of(text: &str) -> Option<usize> {
    let column: usize = text.parse().ok()?;
    (1..=usize::from(Well::MAX_COLUMNS)).contains(&column).then(|| column - 1)
}

/// The lines of `A`, `A,C` or `A,C,...,G`.
pub(super) fn pattern(key: &str, line: impl Fn(&str) -> Option<usize>) -> Result<Vec<usize>, String> {
    let parts: Vec<&str> = key.split(',').map(str::trim).collect();
    let line = |part: &str| line(part).ok_or_else(|| format!("`{part}` in `{key}` is neither a row nor a column"));
    match parts[..] {
        [first, second, "...", last] => steps(key, line(first)?, line(second)?, line(last)?),
        _ => parts.into_iter().map(line).collect(),
    }
}

/// The wells of `A1`, `A1,A3` or `A1,C3,...,G7`.
pub(super) fn wells_of(key: &str) -> Result<Vec<At>, String> {
    let well = |part: &str| -> Result<At, String> {
        let well: Well = part.parse().map_err(|error| format!("`{key}`: {error}"))?;
        Ok((well.row().into(), usize::from(well.column()) - 1))
    };
    let parts: Vec<&str> = key.split(',').map(str::trim).collect();
    match parts[..] {
        [first, second, "...", last] => {
            let (first, second, last) = (well(first)?, well(second)?, well(last)?);
            let rows = steps(key, first.0, second.0, last.0)?;
            let columns = steps(key, first.1, second.1, last.1)?;
            Ok(rows.iter().flat_map(|&row| columns.iter().map(move |&column| (row, column))).collect())
        }
        _ => parts.into_iter().map(well).collect(),
    }
}

fn steps(key: &str, first: usize, second: usize, last: usize) -> Result<Vec<usize>, String> {
    let step = second.checked_sub(first);
    match step {
        Some(0) if last == first => Ok(vec![first]),
        Some(step) if step > 0 && last >= second && (last - first).is_multiple_of(step) => {
            Ok((first..=last).step_by(step).collect())
        }
        _ => Err(format!("`{key}`: the last cannot be reached in steps from the first to the second")),
    }
}
