//! What ImageJ writes about a stack: how many images of which axes a TIFF holds.
//!
//! ```text
//! ImageJ=1.53t              the image description of the first directory
//! images=6
//! channels=2                channels change fastest from image to image, then slices, then frames
//! slices=3
//! finterval=60.0            seconds from frame to frame, or of the unit `tunit`
//!
//! tag 50838: <bytes of the header> <bytes of each part …>
//! tag 50839: "IJIJ", "labl" <labels: u32>, …, then the parts: a label for each image, in UTF-16
//! ```
//!
//! To be quick, and beyond 4 GB since offsets end there, ImageJ lists only the first image; the others follow it in the
//! file without directories. So does tifffile where it is asked to (`truncate`), and describes the file as JSON.

/// Axes of a stack as ImageJ describes them.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageJ {
    /// Images in the file; 1 where nothing is said.
    pub images: u64,
    /// Channels, the fastest axis.
    pub channels: u64,
    /// Planes in depth.
    pub slices: u64,
    /// Frames, the slowest axis.
    pub frames: u64,
    /// Hours from frame to frame.
    pub frame_hours: Option<f64>,
    /// One for each image, or none.
    pub labels: Vec<String>,
}

impl ImageJ {
    /// Reads an image description; `None` if another program wrote it.
    pub(super) fn of(description: &str) -> Option<Self> {
        if !description.starts_with("ImageJ=") {
            return None;
        }
        let value = |key: &str| {
            let mut pairs = description.lines().filter_map(|line| line.split_once('='));
            pairs.find(|(name, _)| *name == key).map(|(_, value)| value.trim())
        };
        let count = |key: &str| value(key).and_then(|text| text.parse::<u64>().ok()).filter(|&n| n > 0);
        let images = count("images").unwrap_or(1);
        let (channels, slices, frames) = (count("channels"), count("slices"), count("frames"));
        // A plain stack is one of slices, also where only the images are counted.
        let is_plain = channels.or(slices).or(frames).is_none();
        let in_hours = match value("tunit") {
            None | Some("sec" | "s" | "second" | "seconds") => Some(1.0 / 3600.0),
            Some("ms" | "msec") => Some(1.0 / 3.6e6),
            Some("min" | "minute" | "minutes") => Some(1.0 / 60.0),
            Some("h" | "hr" | "hour" | "hours") => Some(1.0),
            Some(_) => None,
        };
        let interval = value("finterval").and_then(|text| text.parse::<f64>().ok()).filter(|&interval| interval > 0.0);
        Some(Self {
            images,
            channels: channels.unwrap_or(1),
            slices: slices.unwrap_or(if is_plain { images } else { 1 }),
            frames: frames.unwrap_or(1),
            frame_hours: interval.zip(in_hours).map(|(interval, unit)| interval * unit),
            labels: Vec::new(),
        })
    }

    /// Channel, slice and frame of an image, counted from 0.
    pub fn place(&self, image: u64) -> (u64, u64, u64) {
        let (channels, slices) = (self.channels.max(1), self.slices.max(1));
        (image % channels, image / channels % slices, image / channels / slices)
    }

    /// Labels of the channels, if all images of a channel have the same and no two channels do.
    pub fn channel_labels(&self) -> Option<Vec<&str>> {
        let n_channels = self.channels as usize;
        let names = self.labels.get(..n_channels)?;
        let are_same = self.labels.iter().enumerate().all(|(image, label)| *label == names[image % n_channels]);
        let are_distinct = names.iter().enumerate().all(|(at, name)| !name.is_empty() && !names[..at].contains(name));
        (are_same && are_distinct).then(|| names.iter().map(String::as_str).collect())
    }
}

/// How many images a file has of which tifffile lists the first alone: `{"shape": [3, 2, 64, 64], "truncated": true}`.
/// An image has `n_values` pixels times samples.
pub(super) fn truncated_images(description: &str, n_values: u64) -> Option<u64> {
    let value: serde_json::Value = serde_json::from_str(description).ok()?;
    let sizes = value["shape"].as_array().filter(|_| value["truncated"] == true)?;
    let sizes = sizes.iter().map(serde_json::Value::as_u64).collect::<Option<Vec<_>>>()?;
    let n_all = sizes.iter().fold(1u64, |n, size| n.saturating_mul(*size));
    (n_values > 0 && n_all.is_multiple_of(n_values)).then(|| n_all / n_values)
}

/// The labels in ImageJ's two tags; none if they are not as they should be.
pub(super) fn labels(sizes: &[u64], bytes: &[u8], is_little_endian: bool) -> Vec<String> {
    read_labels(sizes, bytes, is_little_endian).unwrap_or_default()
}

fn read_labels(sizes: &[u64], bytes: &[u8], is_little_endian: bool) -> Option<Vec<String>> {
    let (&header_size, mut sizes) = sizes.split_first()?;
    let (header, mut parts) = bytes.split_at_checked(usize::try_from(header_size).ok()?)?;
    // Names of four letters are numbers to ImageJ, and turned round as these are.
    let word = |at: usize| -> Option<[u8; 4]> {
        let mut word: [u8; 4] = header.get(at..at + 4)?.try_into().ok()?;
        if is_little_endian {
            word.reverse();
        }
        Some(word)
    };
    if word(0)? != *b"IJIJ" {
        return None;
    }
    for entry in (4..header.len()).step_by(8) {
        let (kind, count) = (word(entry)?, u32::from_be_bytes(word(entry + 4)?) as usize);
        let mut texts = Vec::new();
        for _ in 0..count {
            let (&size, rest) = sizes.split_first()?;
            let (part, behind) = parts.split_at_checked(usize::try_from(size).ok()?)?;
            (sizes, parts) = (rest, behind);
            if kind == *b"labl" {
                let unit = |pair: &[u8]| match is_little_endian {
                    true => u16::from_le_bytes([pair[0], pair[1]]),
                    false => u16::from_be_bytes([pair[0], pair[1]]),
                };
                let units: Vec<u16> = part.chunks_exact(2).map(unit).collect();
                texts.push(String::from_utf16_lossy(&units).trim().to_owned());
            }
        }
        if kind == *b"labl" {
            return Some(texts);
        }
    }
    None
}
