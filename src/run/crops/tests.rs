use std::fs::File;

use super::*;
use crate::load::Source;
use crate::load::image::{ImageSource, load_images};

/// 40 sites on two plates, each a ramp of 8 x 6 pixels that begins at the number of the site.
fn screen(folder: &Path) -> ImageScreen {
    let mut sheet = "plate,well,site,file,compound\n".to_owned();
    for site in 0..40u16 {
        let pixels: Vec<u16> = (0..48).map(|pixel| site * 100 + pixel).collect();
        let file = File::create(folder.join(format!("{site}.tif"))).unwrap();
        let mut encoder = tiff::encoder::TiffEncoder::new(file).unwrap();
        encoder.write_image::<tiff::encoder::colortype::Gray16>(8, 6, &pixels).unwrap();
        let plate = if site < 35 { "P" } else { "Q" };
        sheet += &format!("{plate},A1,{site},{site}.tif,DMSO\n");
    }
    std::fs::write(folder.join("s.csv"), sheet).unwrap();
    let source = Source::of([folder.join("s.csv")]);
    load_images(&ImageSource { source, ..ImageSource::default() }).unwrap().usable().unwrap().screen
}

fn build(folder: &Path, screen: &ImageScreen, settings: &CropSettings) -> Result<CropCache, String> {
    CropCache::build(&folder.join("cache"), screen, None, settings, &|_, _| {}).map_err(|error| error.to_string())
}

fn settings(size: usize) -> CropSettings {
    CropSettings { size, ..CropSettings::default() }
}

#[test]
fn crops_are_those_of_the_sites() {
    let folder = tempfile::tempdir().unwrap();
    let screen = screen(folder.path());
    let cache = build(folder.path(), &screen, &settings(3)).unwrap();
    // Two rows of two tiles with a margin of one pixel at the left.
    assert_eq!((cache.crops().len(), cache.n_channels(), cache.size()), (160, 1, 3));
    let crop = &cache.crops()[4 * 39 + 3];
    assert_eq!((crop.row, crop.object.id, crop.object.x, crop.object.y), (39, 3, 5.0, 4.0));
    let values = cache.gather(&[4 * 39 + 3, 0]).unwrap();
    let expected: Vec<f32> = [3900.0, 0.0]
        .into_iter()
        .zip([(4, 3), (1, 0)])
        .flat_map(|(first, (x, y))| (0..9).map(move |pixel| first + ((y + pixel / 3) * 8 + x + pixel % 3) as f32))
        .collect();
    assert_eq!(values, expected);
}

#[test]
fn a_stopped_build_goes_on_and_ends_with_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let screen = screen(folder.path());
    let cache = build(folder.path(), &screen, &settings(4)).unwrap();
    let paths: Vec<PathBuf> = (0..3).map(|shard| cache.folder().join(format!("shard-{shard:05}.crops"))).collect();
    let before: Vec<Vec<u8>> = paths.iter().map(|path| std::fs::read(path).unwrap()).collect();
    let kept = std::fs::metadata(&paths[0]).unwrap().modified().unwrap();
    std::fs::remove_file(&paths[1]).unwrap();
    let again = build(folder.path(), &screen, &settings(4)).unwrap();
    assert_eq!(again.crops(), cache.crops());
    assert_eq!(std::fs::metadata(&paths[0]).unwrap().modified().unwrap(), kept);
    let after: Vec<Vec<u8>> = paths.iter().map(|path| std::fs::read(path).unwrap()).collect();
    assert!(before == after);
}

#[test]
fn other_settings_and_other_files_are_other_crops() {
    let folder = tempfile::tempdir().unwrap();
    let screen = screen(folder.path());
    let one = build(folder.path(), &screen, &settings(4)).unwrap();
    let other = build(folder.path(), &screen, &settings(5)).unwrap();
    assert_ne!(one.folder(), other.folder());
    let bytes = std::fs::read(folder.path().join("1.tif")).unwrap();
    std::fs::copy(folder.path().join("2.tif"), folder.path().join("1.tif")).unwrap();
    let file = File::options().write(true).open(folder.path().join("1.tif")).unwrap();
    file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(7)).unwrap();
    assert!(bytes != std::fs::read(folder.path().join("1.tif")).unwrap());
    let changed = build(folder.path(), &screen, &settings(4)).unwrap();
    assert_ne!(one.folder(), changed.folder());
}

#[test]
fn damaged_shards_and_impossible_settings_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let screen = screen(folder.path());
    let cache = build(folder.path(), &screen, &settings(4)).unwrap();
    let path = cache.folder().join("shard-00001.crops");
    let bytes = std::fs::read(&path).unwrap();
    for damaged in [
        &bytes[..bytes.len() - 1],
        &bytes[..20],
        b"something else that is long",
        &b"cytocrop\xff\xff\xff\xff\xff\xff\xff\xff"[..],
    ] {
        std::fs::write(&path, damaged).unwrap();
        assert!(build(folder.path(), &screen, &settings(4)).unwrap_err().contains("remove the file"));
    }
    let with = |centers: Centers| build(folder.path(), &screen, &CropSettings { centers, ..settings(4) }).unwrap_err();
    assert!(with(Centers::Objects).contains("need a table of objects"));
    assert!(with(Centers::Masks).contains("plate `P`, well A01 has none"));
    assert!(with(Centers::Nuclei { channel: "DNA".to_owned(), min_area: 1 }).contains("channel `DNA`"));
    assert!(build(folder.path(), &screen, &settings(0)).unwrap_err().contains("expected 1 to 4096"));
    std::fs::remove_file(folder.path().join("39.tif")).unwrap();
    assert!(build(folder.path(), &screen, &settings(6)).unwrap_err().contains("39.tif"));
}
