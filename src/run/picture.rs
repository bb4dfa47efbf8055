//! Gray images for people to look at, as PNG.

use std::path::Path;

use crate::table::{FileError, write_atomically};

/// A gray picture of 8 bits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    width: usize,
    height: usize,
    values: Vec<u8>,
}

impl Picture {
    /// A white picture.
    pub fn white(width: usize, height: usize) -> Self {
        Self { width, height, values: vec![255; width * height] }
    }

    /// Draws a square of `side` x `side` brightnesses (0 black, 1 white, row by row) with its corner at `left`, `top`,
    /// each as a block of `zoom` x `zoom` pixels.
    ///
    /// # Panics
    /// If the square reaches beyond the picture.
    pub fn draw(&mut self, left: usize, top: usize, side: usize, zoom: usize, brightness: &[f32]) {
        for y in 0..side * zoom {
            for x in 0..side * zoom {
                let value = brightness[y / zoom * side + x / zoom].clamp(0.0, 1.0);
                self.values[(top + y) * self.width + left + x] = (255.0 * value).round() as u8;
            }
        }
    }

    /// Writes the picture.
    ///
    /// # Errors
    /// [`FileError::Write`].
    pub fn write_png(&self, path: &Path) -> Result<(), FileError> {
        write_atomically(path, |file| {
            let mut encoder = png::Encoder::new(file, self.width as u32, self.height as u32);
            encoder.set_color(png::ColorType::Grayscale);
            let mut writer = encoder.write_header()?;
            writer.write_image_data(&self.values)?;
            Ok(writer.finish()?)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::image::read_plane;
    use crate::screen::Plane;

    #[test]
    fn what_is_drawn_is_read_back() {
        let mut picture = Picture::white(5, 4);
        picture.draw(1, 0, 2, 2, &[0.0, 1.0, 0.2, -3.0]);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("picture.png");
        picture.write_png(&path).unwrap();
        let plane = read_plane(&Plane::first_of(&path)).unwrap();
        assert_eq!((plane.width, plane.height), (5, 4));
        let expected = [255, 0, 0, 255, 255, 255, 0, 0, 255, 255, 255, 51, 51, 0, 0, 255, 51, 51, 0, 0]
            .map(|value: u8| f32::from(value));
        assert_eq!(plane.values.to_f32(), expected);
    }
}
