//! Sheets of Excel 97 (`.xls`), looked at before they are read: where their cells stand.
//!
//! A compound file is a little file system of sectors; its file `Workbook` is a list of records, some of them cells with
//! row and column. A reader makes a rectangle of all cells of a sheet, so two cells far apart would take all memory.

/// Sector numbers from this one on end a chain or mark one as free.
const END: u32 = 0xFFFF_FFFA;

/// Records that hold a cell, or several in a row.
const CELLS: [u16; 10] = [0x0006, 0x00BD, 0x00BE, 0x00D6, 0x00FD, 0x0201, 0x0203, 0x0204, 0x0205, 0x027E];
const BEGIN_SHEET: u16 = 0x0809;

/// Refuses a workbook whose sheets take more than `most_cells` cells together, in words.
pub(super) fn check(bytes: &[u8], most_cells: u64) -> Result<(), String> {
    let stream =
        stream(bytes).ok_or("damaged compound file, or one that is not a workbook; save it as .xlsx or CSV")?;
    let mut n_cells = 0u64;
    // The first and last row and column of the sheet at hand.
    let mut corners: Option<[u64; 4]> = None;
    let area = |corners: Option<[u64; 4]>| {
        corners.map_or(0, |[top, bottom, left, right]| (bottom - top + 1) * (right - left + 1))
    };
    let mut rest = stream.as_slice();
    while let [kind_low, kind_high, length_low, length_high, tail @ ..] = rest {
        let kind = u16::from_le_bytes([*kind_low, *kind_high]);
        let length = usize::from(u16::from_le_bytes([*length_low, *length_high]));
        let Some(body) = tail.get(..length) else { break };
        if kind == BEGIN_SHEET {
            n_cells += area(corners.take());
        }
        if CELLS.contains(&kind) && body.len() >= 4 {
            let at = |index: usize| u64::from(u16::from_le_bytes([body[index], body[index + 1]]));
            let last = if matches!(kind, 0x00BD | 0x00BE) { at(body.len() - 2).max(at(2)) } else { at(2) };
            let [top, bottom, left, right] = corners.unwrap_or([at(0), at(0), at(2), last]);
            corners = Some([top.min(at(0)), bottom.max(at(0)), left.min(at(2)), right.max(last)]);
        }
        if n_cells + area(corners) > most_cells {
            return Err(super::too_many());
        }
        rest = &tail[length..];
    }
    Ok(())
}

/// The content of the file `Workbook`, or `Book` in older ones.
fn stream(bytes: &[u8]) -> Option<Vec<u8>> {
    let u16_at = |at: usize| Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
    let u32_at = |bytes: &[u8], at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let sector_size = 1usize.checked_shl(u32::from(u16_at(30)?)).filter(|size| (512..=4096).contains(size))?;
    let sector = |number: u32| {
        let start = (number as usize).checked_add(1)?.checked_mul(sector_size)?;
        bytes.get(start..bytes.len().min(start.checked_add(sector_size)?)).filter(|sector| !sector.is_empty())
    };
    let n_sectors = bytes.len() / sector_size + 1;
    // The list of sectors that hold the table of what follows what: 109 of them in the header, the others in a chain.
    let mut of_table: Vec<u32> =
        (0..109).filter_map(|index| u32_at(bytes, 76 + 4 * index)).filter(|&number| number < END).collect();
    let mut next = u32_at(bytes, 68)?;
    for _ in 0..n_sectors {
        let Some(more) = (next < END).then(|| sector(next)).flatten() else { break };
        let numbers: Vec<u32> = (0..more.len() / 4).filter_map(|index| u32_at(more, 4 * index)).collect();
        let (last, numbers) = numbers.split_last()?;
        of_table.extend(numbers.iter().filter(|&&number| number < END));
        next = *last;
    }
    of_table.truncate(n_sectors);
    let mut followers: Vec<u32> = Vec::new();
    for &number in &of_table {
        let table = sector(number)?;
        followers.extend((0..sector_size / 4).map(|index| u32_at(table, 4 * index).unwrap_or(u32::MAX)));
    }
    let chain = |first: u32| {
        let mut content = Vec::new();
        let mut number = first;
        for _ in 0..n_sectors {
            let Some(part) = (number < END).then(|| sector(number)).flatten() else { break };
            content.extend_from_slice(part);
            number = followers.get(number as usize).copied().unwrap_or(u32::MAX);
        }
        content
    };
    let directory = chain(u32_at(bytes, 48)?);
    let entries: Vec<&[u8]> = directory.chunks_exact(128).collect();
    let name = |entry: &[u8]| -> String {
        let letters = entry[..64].chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
        char::decode_utf16(letters.take_while(|&letter| letter != 0)).filter_map(Result::ok).collect()
    };
    let of_name = |wanted: &str| entries.iter().find(|entry| name(entry).eq_ignore_ascii_case(wanted));
    let entry = of_name("Workbook").or_else(|| of_name("Book"))?;
    let (first, size) = (u32_at(entry, 116)?, u32_at(entry, 120)? as usize);
    let cutoff = u32_at(bytes, 56)? as usize;
    let whole = |content: Vec<u8>| (content.len() >= size).then_some(content);
    if size >= cutoff {
        return whole(chain(first));
    }
    // Small files lie in pieces of 64 bytes in the file of the root.
    let pieces = chain(u32_at(entries.first()?, 116)?);
    let table = chain(u32_at(bytes, 60)?);
    let mut content = Vec::new();
    let mut number = first;
    for _ in 0..=pieces.len() / 64 {
        let Some(piece) = (number < END).then(|| pieces.chunks(64).nth(number as usize)).flatten() else { break };
        content.extend_from_slice(piece);
        number = u32_at(&table, 4 * number as usize).unwrap_or(u32::MAX);
    }
    whole(content)
}
