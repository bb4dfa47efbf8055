//! A site -> its channels as one block of numbers.

use super::pixels::{self, PixelValues, Raster, bad};
use crate::load::LoadError;
use crate::screen::{ImageSite, Plane, Projection, Selector};

/// The decoded channels of a site.
#[derive(Debug, Clone, PartialEq)]
pub struct Stack {
    /// Channels.
    pub n_channels: usize,
    /// Rows.
    pub height: usize,
    /// Pixels in a row.
    pub width: usize,
    /// `[channel, height, width]`; `f32` where channels have different types.
    pub values: PixelValues,
}

/// Decodes the channels of a site, with its z planes projected.
///
/// # Errors
/// If a file cannot be decoded, a channel has no plane, or planes have different sides.
pub fn read_site(site: &ImageSite) -> Result<Stack, LoadError> {
    let mut channels = Vec::with_capacity(site.channels.len());
    for planes in &site.channels {
        let channel = project(planes, site.projection)?;
        if let Some((first, path)) = channels.first().map(|first: &Raster| (first, &site.channels[0][0].path))
            && (first.width, first.height) != (channel.width, channel.height)
        {
            return Err(bad(
                &planes[0].path,
                format!(
                    "{} x {} pixels, but {} of the same site has {} x {}",
                    channel.width,
                    channel.height,
                    path.display(),
                    first.width,
                    first.height
                ),
            ));
        }
        channels.push(channel);
    }
    let Some(first) = channels.first() else {
        return Err(bad(std::path::Path::new(""), format!("site `{}` has no channel", site.site)));
    };
    let (n_channels, height, width) = (channels.len(), first.height, first.width);
    let mut values = PixelValues::U8(Vec::new());
    for (index, channel) in channels.into_iter().enumerate() {
        values = if index == 0 { channel.values } else { appended(values, channel.values) };
    }
    Ok(Stack { n_channels, height, width, values })
}

/// Decodes a plane.
///
/// # Errors
/// As [`pixels::decode`].
pub fn read_plane(plane: &Plane) -> Result<Raster, LoadError> {
    match &plane.selector {
        &Selector::Page { page, sample } => pixels::decode(&plane.path, page, sample, None),
        Selector::Zarr { index } => super::zarr::decode(&plane.path, index),
    }
}

fn project(planes: &[Plane], projection: Projection) -> Result<Raster, LoadError> {
    let missing = || bad(std::path::Path::new(""), "a channel has no plane".to_owned());
    if let Projection::Plane(index) = projection {
        let plane = planes.get(index).ok_or_else(|| match planes.first() {
            None => missing(),
            Some(first) => bad(
                &first.path,
                format!(
                    "a stack of {} planes has no plane {index}, counted from 0 (`projection` under [images])",
                    planes.len()
                ),
            ),
        });
        return read_plane(plane?);
    }
    let (first, rest) = planes.split_first().ok_or_else(missing)?;
    let mut projected = read_plane(first)?;
    if rest.is_empty() {
        return Ok(projected);
    }
    let mut sum: Vec<f64> = match projection {
        Projection::Mean => projected.values.to_f32().into_iter().map(f64::from).collect(),
        _ => Vec::new(),
    };
    for plane in rest {
        let raster = read_plane(plane)?;
        let is_same = (raster.width, raster.height, raster.sample_type)
            == (projected.width, projected.height, projected.sample_type);
        if !is_same {
            return Err(bad(
                &plane.path,
                format!(
                    "{} x {} pixels of {:?}, but {} of the same stack has {} x {} of {:?}",
                    raster.width,
                    raster.height,
                    raster.sample_type,
                    first.path.display(),
                    projected.width,
                    projected.height,
                    projected.sample_type
                ),
            ));
        }
        match projection {
            Projection::Mean => {
                sum.iter_mut().zip(raster.values.to_f32()).for_each(|(sum, value)| *sum += f64::from(value));
            }
            _ => brighten(&mut projected.values, &raster.values),
        }
    }
    if projection == Projection::Mean {
        let n = planes.len() as f64;
        projected.values = PixelValues::F32(sum.into_iter().map(|sum| (sum / n) as f32).collect());
    }
    Ok(projected)
}

fn brighten(to: &mut PixelValues, from: &PixelValues) {
    fn each<T: Copy + PartialOrd>(to: &mut [T], from: &[T]) {
        to.iter_mut().zip(from).filter(|(to, from)| *from > *to).for_each(|(to, from)| *to = *from);
    }
    match (to, from) {
        (PixelValues::U8(to), PixelValues::U8(from)) => each(to, from),
        (PixelValues::U16(to), PixelValues::U16(from)) => each(to, from),
        (PixelValues::U32(to), PixelValues::U32(from)) => each(to, from),
        (PixelValues::F32(to), PixelValues::F32(from)) => each(to, from),
        _ => unreachable!("planes of one sample type decode to one type of values"),
    }
}

fn appended(first: PixelValues, second: PixelValues) -> PixelValues {
    match (first, second) {
        (PixelValues::U8(mut first), PixelValues::U8(second)) => {
            first.extend(second);
            PixelValues::U8(first)
        }
        (PixelValues::U16(mut first), PixelValues::U16(second)) => {
            first.extend(second);
            PixelValues::U16(first)
        }
        (PixelValues::U32(mut first), PixelValues::U32(second)) => {
            first.extend(second);
            PixelValues::U32(first)
        }
        (first, second) => {
            let mut values = first.to_f32();
            values.extend(second.to_f32());
            PixelValues::F32(values)
        }
    }
}
