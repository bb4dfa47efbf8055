//! A listing -> an image screen: joins, mapping and roles as for profile tables, then rows of one site brought
//! together.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::listing::{Listing, Row, natural};
use crate::load::card::Card;
use crate::load::error::LoadError;
use crate::load::mapping::{ColumnRole, MappedColumn, Mapping};
use crate::load::meet::Meeting;
use crate::load::table::{RawColumn, RawTable, Values};
use crate::load::{design, dose, features, join, labels, pooled_doses, well_column, wells};
use crate::screen::{
    Design, Dropped, FeatureMatrix, ImageScreen, ImageSite, Mask, Origin, Plane, Screen, Unit, Units, grouped,
};

/// A screen in which sites may still lack planes.
pub(super) struct Assembled {
    pub screen: ImageScreen,
    pub mapping: Mapping,
    pub notes: Vec<String>,
    /// The sheets that were joined.
    pub joined: Vec<std::path::PathBuf>,
    /// For each site the row of `table` that its metadata came from.
    pub rows: Vec<usize>,
    pub table: RawTable,
}

/// Brings a listing together with the card's sheets, which lie beside the card or in `folder`, and with those that were
/// found.
///
/// # Errors
/// If a cell is wrong, rows of one site disagree, or two rows give the same plane of one site.
pub(super) fn assemble(
    listing: Listing,
    card: &Card,
    folder: Option<&Path>,
    found: Meeting,
) -> Result<Assembled, LoadError> {
    let Listing { mut table, rows: listed, channel_order, used, mut notes, n_skipped, .. } = listing;
    let path = table.paths[0].clone();
    let (mut mapping, joined) = join_and_map(&mut table, &used, card, folder, found, &mut notes)?;
    complete(&mut table, &mut mapping, card, &mut notes);
    let missing_plate = mapping.column(ColumnRole::Plate).or(mapping.column(ColumnRole::LabBatch)).is_none();
    if missing_plate && card.reference == crate::screen::Reference::ControlWells {
        return Err(LoadError::MissingColumn {
            path,
            column: "plate".to_owned(),
            mend: "name the plate column with `plate = \"…\"` under [columns] in a card, or the one plate with `plate = \"NAME\"` under [images]".to_owned(),
        });
    }

    let groups = groups(&table, &mapping, &listed);
    notes.extend(drop_varying(&mut table, &mapping, &groups)?);
    let channels = channels(&listed, &channel_order, card, &path)?;
    let sites = groups.iter().map(|group| site(group, &listed, &channels, &table, &mapping, card));
    let sites = sites.collect::<Result<Vec<_>, _>>()?;

    let first: BTreeSet<usize> = groups.iter().map(|group| group[0]).collect();
    let is_first: Vec<bool> = (0..table.n_rows()).map(|row| first.contains(&row)).collect();
    // Groups are in the order of their first rows, so that filtering keeps them aligned.
    let mut table = table.filtered(&is_first);
    // Frames of a time lapse say nothing of what was applied; one time for each place may.
    let is_lapse = is_lapse(&table, &mapping, &sites);
    let is_of_frames = |column: &RawColumn| is_lapse && used.contains(&column.name);
    let (mut of_frames, rest): (Vec<_>, Vec<_>) =
        std::mem::take(&mut table.columns).into_iter().partition(is_of_frames);
    table.columns = rest;
    let design::Rows { units: observations, notes: told, .. } = design::read(&mut table, &mut mapping, card)?;
    notes.extend(told);
    table.columns.append(&mut of_frames);
    refuse_pooled_doses(&table, &mapping, &used, &observations, card)?;
    let mut order: Vec<usize> = (0..sites.len()).collect();
    order.sort_by(|&a, &b| {
        (observations[a].plate.cmp(&observations[b].plate))
            .then_with(|| observations[a].well.cmp(&observations[b].well))
            .then_with(|| natural(&sites[a].site, &sites[b].site))
            .then_with(|| sites[a].time.map(|time| time.frame).cmp(&sites[b].time.map(|time| time.frame)))
            .then_with(|| sites[a].channels.cmp(&sites[b].channels))
    });
    let mut labels = labels::of_rows(&table, &mapping, card, &order)?;
    notes.extend(labels::divide_mechanisms(&mut labels, mapping.column(ColumnRole::Moa)));
    labels.retain(|label| !used.contains(&label.name));
    mapping.labels = labels.iter().map(|label| label.name.clone()).collect();
    let n_rows = order.len();
    let dropped = n_skipped.into_iter().map(|(reason, rows)| Dropped { reason, rows });
    let screen = Screen {
        name: card.screen_name(&path),
        design: Design::of_reference(card.reference),
        units: Units::of_rows(order.iter().map(|&row| observations[row].clone()).collect(), &labels),
        features: FeatureMatrix::new(Vec::new(), Vec::new()).into(),
        labels,
        dropped: dropped.collect(),
        origin: Origin { columns: mapping.origin_columns(), measured: None },
    };
    debug_assert_eq!(screen.n_observations(), n_rows);
    let sites = order.iter().map(|&row| sites[row].clone()).collect();
    let screen = ImageScreen { table: screen, channels, sites };
    Ok(Assembled { screen, mapping, notes, joined, rows: order, table })
}

/// The table with the card's sheets joined, and what its columns mean; columns in `used` mean nothing more.
fn join_and_map(
    table: &mut RawTable,
    used: &BTreeSet<String>,
    card: &Card,
    folder: Option<&Path>,
    found: Meeting,
    notes: &mut Vec<String>,
) -> Result<(Mapping, Vec<std::path::PathBuf>), LoadError> {
    let path = table.paths[0].clone();
    let mut sheets =
        card.join.iter().map(|join| join::Sheet::read(card, join, folder)).collect::<Result<Vec<_>, _>>()?;
    let has_found = !found.sheets.is_empty();
    sheets.extend(found.sheets);
    notes.extend(found.notes);
    let names: Vec<String> = table.columns.iter().map(|column| column.name.clone()).collect();
    let mut all_names: Vec<String> = names.iter().filter(|name| !used.contains(*name)).cloned().collect();
    for name in sheets.iter().flat_map(join::Sheet::column_names) {
        if !all_names.iter().any(|known| known == name) {
            all_names.push(name.to_owned());
        }
    }
    let mut mapping = Mapping::of_names(&path, &all_names, card)?;
    if has_found {
        mapping.prefer(&names, card);
    }
    let of_sheets = sheets.iter().flat_map(|sheet| well_column::of_table(&sheet.table));
    mapping.infer_well(well_column::of_table(table).chain(of_sheets), card);
    mapping.add_values(table);
    let mut joined = Vec::new();
    for sheet in &sheets {
        // Each sheet may give the next one its key: a plate list before the plate maps that it names.
        let names: Vec<String> = table.columns.iter().map(|column| column.name.clone()).collect();
        let keys = sheet.key_columns(&path, &names, &mapping)?;
        notes.extend(sheet.join_to(table, &keys, &mapping)?.note);
        joined.extend(sheet.paths.iter().cloned());
    }
    Ok((mapping, joined))
}

/// Whether a place is seen at several times.
fn is_lapse(table: &RawTable, mapping: &Mapping, sites: &[ImageSite]) -> bool {
    let cells = |role| mapping.column(role).and_then(|column| table.text(column));
    let (plates, wells) = (cells(ColumnRole::Plate), cells(ColumnRole::Well));
    let text = |cells: Option<&[Option<String>]>, row: usize| cells.and_then(|cells| cells[row].clone());
    let mut frames = BTreeMap::<_, BTreeSet<Option<i64>>>::new();
    for (row, site) in sites.iter().enumerate() {
        let place = (text(plates, row), text(wells, row), site.site.as_str());
        frames.entry(place).or_default().insert(site.time.map(|time| time.frame));
    }
    frames.values().any(|frames| frames.len() > 1)
}

/// Refuses to take all doses of a perturbation for one treatment where a column without a role may hold them.
fn refuse_pooled_doses(
    table: &RawTable,
    mapping: &Mapping,
    used: &BTreeSet<String>,
    observations: &[Unit],
    card: &Card,
) -> Result<(), LoadError> {
    let has_role = |name: &str| mapping.columns.iter().any(|mapped| mapped.column == name);
    let holds_numbers = |values: &[Option<String>]| {
        values.iter().flatten().next().is_some() && values.iter().flatten().all(|text| dose::written(text).is_some())
    };
    let columns = table.columns.iter().map(|column| column.name.as_str());
    let may_be_doses = columns.filter(|name| !has_role(name) && !used.contains(*name) && features::is_dose(name));
    let of_numbers = may_be_doses.filter(|name| table.text(name).is_some_and(holds_numbers));
    pooled_doses::refuse(table, mapping, observations, card, &of_numbers.collect::<Vec<_>>(), used)
}

/// Adds what can be told from other columns: wells from rows and columns, the declared plate, no perturbation.
fn complete(table: &mut RawTable, mapping: &mut Mapping, card: &Card, notes: &mut Vec<String>) {
    let n_rows = table.n_rows();
    let has = |role: ColumnRole| mapping.column(role).is_some();
    let (has_plate, has_well) = (has(ColumnRole::Plate), has(ColumnRole::Well));
    let has_perturbation = has(ColumnRole::Perturbation) || !card.columns.doses.is_empty();
    let mut add = |table: &mut RawTable, role: ColumnRole, name: &str, why: &str, values: Vec<Option<String>>| {
        table.columns.retain(|column| column.name != name);
        table.columns.push(RawColumn { name: name.to_owned(), values: Values::Text(values) });
        mapping.columns.push(MappedColumn { role, column: name.to_owned(), why: why.to_owned(), is_made: true });
    };
    if !has_well
        && card.columns.well.is_none()
        && let Some(wells) = wells::of_rows_and_columns(table)
    {
        add(table, ColumnRole::Well, "well", "the columns of rows and columns", wells);
    }
    let declared = card.images.as_ref().and_then(|images| images.plate.clone());
    if let (false, Some(plate)) = (has_plate, declared) {
        add(table, ColumnRole::Plate, "plate", "declared for all wells", vec![Some(plate); n_rows]);
    }
    if !has_perturbation {
        add(table, ColumnRole::Perturbation, "perturbation", "none found", vec![None; n_rows]);
        notes.push(
            "no column names a perturbation; join a plate map with [[join]] in a card, or name the column under [columns]"
                .to_owned(),
        );
    }
}

/// Rows of the listing that are one site at one time, in the order of their first rows.
fn groups(table: &RawTable, mapping: &Mapping, listed: &[Row]) -> Vec<Vec<usize>> {
    let cells = |role| mapping.column(role).and_then(|column| table.text(column));
    let (plates, wells, sites) = (cells(ColumnRole::Plate), cells(ColumnRole::Well), cells(ColumnRole::Site));
    let lab_batches = cells(ColumnRole::LabBatch);
    let is_placed = wells.is_some() || sites.is_some();
    grouped(listed.len(), |row| {
        let text = |cells: Option<&[Option<String>]>| cells.and_then(|cells| cells[row].clone());
        // `a1` and `A01` are one well.
        let well = text(wells).map(|well| match well.parse::<crate::screen::Well>() {
            Ok(well) => well.to_string(),
            Err(_) => well,
        });
        let alone = (!is_placed).then_some(row);
        (text(plates), text(lab_batches), well, text(sites), listed[row].time.map(|time| time.frame), alone)
    })
}

/// Refuses sites whose rows say different things of the treatment; other columns that differ describe single images.
fn drop_varying(table: &mut RawTable, mapping: &Mapping, groups: &[Vec<usize>]) -> Result<Option<String>, LoadError> {
    let mut varying = Vec::new();
    for column in &table.columns {
        let Values::Text(values) = &column.values else { continue };
        let differs = |group: &&Vec<usize>| group.iter().find(|&&row| values[row] != values[group[0]]).copied();
        let Some((group, row)) = groups.iter().find_map(|group| differs(&group).map(|row| (group, row))) else {
            continue;
        };
        let role = mapping.columns.iter().find(|mapped| mapped.column == column.name).map(|mapped| mapped.role);
        match role {
            None | Some(ColumnRole::CellCount | ColumnRole::Well) => varying.push(column.name.clone()),
            Some(role) => {
                let (first, second) = (values[group[0]].as_deref(), values[row].as_deref());
                return Err(LoadError::ImageSheet {
                    place: table.place(row),
                    message: format!(
                        "column `{}` ({role}) holds {:?}, but {} shows the same site and holds {:?}; map the column \
                         that distinguishes sites with `site = \"…\"` under [columns]",
                        column.name,
                        second.unwrap_or(""),
                        table.place(group[0]),
                        first.unwrap_or(""),
                    ),
                });
            }
        }
    }
    let is_well = |name: &String| mapping.column(ColumnRole::Well) == Some(name);
    varying.retain(|name| !is_well(name));
    table.columns.retain(|column| !varying.contains(&column.name));
    Ok((!varying.is_empty())
        .then(|| format!("columns that differ between images of one site are left out: {}", varying.join(", "))))
}

/// The channels to take, in order.
fn channels(listed: &[Row], order: &[String], card: &Card, path: &Path) -> Result<Vec<String>, LoadError> {
    let found: BTreeSet<&str> =
        listed.iter().flat_map(|row| &row.planes).map(|listed| listed.channel.as_str()).collect();
    let wanted = card.images.as_ref().map(|images| images.channels.as_slice()).unwrap_or_default();
    if let Some(absent) = wanted.iter().find(|name| !found.contains(name.as_str())) {
        let found: Vec<String> = found.iter().map(|name| format!("`{name}`")).collect();
        return Err(LoadError::MissingColumn {
            path: path.to_path_buf(),
            column: absent.clone(),
            mend: format!("`channels` under [images] names it; the channels are {}", found.join(", ")),
        });
    }
    if !wanted.is_empty() {
        return Ok(wanted.to_vec());
    }
    let mut channels: Vec<String> = order.iter().filter(|name| found.contains(name.as_str())).cloned().collect();
    let mut rest: Vec<String> =
        found.iter().filter(|name| !order.iter().any(|known| known == *name)).map(|name| name.to_string()).collect();
    rest.sort_by(|a, b| natural(a, b));
    channels.extend(rest);
    Ok(channels)
}

/// The planes of a group of rows; a channel without a plane is left empty, for the survey to find.
fn site(
    group: &[usize],
    listed: &[Row],
    channels: &[String],
    table: &RawTable,
    mapping: &Mapping,
    card: &Card,
) -> Result<ImageSite, LoadError> {
    let mut stacks: Vec<BTreeMap<i64, (Plane, usize)>> = vec![BTreeMap::new(); channels.len()];
    for &row in group {
        for plane in &listed[row].planes {
            let Some(channel) = channels.iter().position(|name| *name == plane.channel) else { continue };
            let given = (plane.plane.clone(), row);
            if let Some((first, first_row)) = stacks[channel].insert(plane.z, given)
                && first != plane.plane
            {
                return Err(LoadError::ImageSheet {
                    place: table.place(row),
                    message: format!(
                        "{} is given as channel `{}`, plane {} of a site that has {} there ({}); map the columns \
                         that distinguish them (`site` under [columns], `channel`, `frame` or `z` under [images])",
                        plane.plane.path.display(),
                        plane.channel,
                        plane.z,
                        first.path.display(),
                        table.place(first_row),
                    ),
                });
            }
        }
    }
    let first = &listed[group[0]];
    let text = |role| mapping.column(role).and_then(|column| table.text(column)?[group[0]].clone());
    let settings = card.images.as_ref();
    Ok(ImageSite {
        site: text(ColumnRole::Site).unwrap_or_default(),
        time: first.time,
        channels: stacks.into_iter().map(|stack| stack.into_values().map(|(plane, _)| plane).collect()).collect(),
        projection: settings.map(|settings| settings.projection).unwrap_or_default(),
        pixel_um: first.pixel_um.or(settings.and_then(|settings| settings.pixel_um)),
        mask: group
            .iter()
            .find_map(|&row| listed[row].mask.clone())
            .map(|plane| Mask { plane, values: settings.map(|settings| settings.mask_values).unwrap_or_default() }),
    })
}
