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

/// The crops at `indices` as they were measured, `[crop, channel, size, size]`.
fn gather(cache: &CropCache, indices: &[usize]) -> Vec<f32> {
    cache.rows(indices, vec![Vec::new()], |_| 0).gather(&(0..indices.len()).collect::<Vec<_>>())
}

fn build(folder: &Path, screen: &ImageScreen, settings: &CropSettings) -> Result<CropCache, String> {
    CropCache::build(&folder.join("cache"), screen, None, settings, None, &|_, _| ControlFlow::Continue(()))
        .map_err(|error| error.to_string())
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
    assert_eq!((cache.crops().len(), cache.size()), (160, 3));
    let crop = &cache.crops()[4 * 39 + 3];
    assert_eq!((crop.row, crop.object.id, crop.object.x, crop.object.y), (39, 3, 5.0, 4.0));
    let values = gather(&cache, &[4 * 39 + 3, 0]);
    let expected: Vec<f32> = [3900.0, 0.0]
        .into_iter()
        .zip([(4, 3), (1, 0)])
        .flat_map(|(first, (x, y))| (0..9).map(move |pixel| first + ((y + pixel / 3) * 8 + x + pixel % 3) as f32))
        .collect();
    assert_eq!(values, expected);
}

#[test]
fn binned_crops_are_means_and_their_objects_stay_in_the_image() {
    let folder = tempfile::tempdir().unwrap();
    let screen = screen(folder.path());
    let halves = CropSettings { binning: 2, ..settings(3) };
    let cache = build(folder.path(), &screen, &halves).unwrap();
    // Images of 8 x 6 pixels become 4 x 3: one tile of 3 x 3 each, its middle pixel made of pixels 2 and 3 each way.
    assert_eq!(cache.crops().len(), 40);
    let object = cache.crops()[39].object;
    assert_eq!((object.x, object.y), (2.5, 2.5));
    let values = gather(&cache, &[39]);
    let mean = |x: usize, y: usize| 3900.0 + (16 * y + 2 * x) as f32 + 4.5;
    let expected: Vec<f32> = (0..9).map(|pixel| mean(pixel % 3, pixel / 3)).collect();
    assert_eq!(values, expected);
    let error = build(folder.path(), &screen, &CropSettings { binning: 7, ..halves }).unwrap_err();
    assert!(error.contains("8 x 6 pixels, too few for images.crop.binning = 7"), "{error}");
}

/// The real organoids lie beside the repository; without them this says so and passes.
#[test]
fn tracked_organoids_are_cut_around_their_centers() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/organoid-swelling-images");
    if !data.is_dir() {
        return eprintln!("skipped: no ../shared/data");
    }
    let card = "reference = \"first_frame\"\n[columns]\nperturbation = \"\"\n[images]\nplate = \"P\"\n[[join]]\nfile = \"wells.csv\"\non = [\"well_number\"]\n[images.objects]\nfile = \"organoids.csv.gz\"\non = [\"well_number\", \"frame\"]\n";
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("dataset.toml"), card).unwrap();
    let files = vec![data.join("frames.csv")];
    let source = Source { card: Some(folder.path().join("dataset.toml")), files, ..Source::default() };
    let loaded = load_images(&ImageSource { source, ..ImageSource::default() }).unwrap().usable().unwrap();
    let (screen, objects) = (loaded.screen.select(&[0, 6]), loaded.objects.unwrap());
    let objects = [objects[0].clone(), objects[6].clone()];
    let settings = CropSettings { size: 48, centers: Centers::Objects, ..CropSettings::default() };
    let build = |settings| {
        let go_on = |_, _| ControlFlow::Continue(());
        CropCache::build(folder.path(), &screen, Some(&objects), settings, None, &go_on).unwrap()
    };
    let cache = build(&settings);
    assert_eq!(cache.crops().len(), objects[0].len() + objects[1].len());
    let tracks = |row: usize| -> std::collections::BTreeSet<u32> {
        cache.crops().iter().filter(|crop| crop.row == row).filter_map(|crop| crop.object.track).collect()
    };
    assert!(tracks(0).intersection(&tracks(1)).count() > 20);
    // An organoid is brighter than the image around it.
    let all: Vec<usize> = (0..cache.crops().len()).collect();
    let crops = gather(&cache, &all);
    let middle: f32 = crops.chunks_exact(48 * 48).map(|crop| crop[24 * 48 + 24]).sum::<f32>() / all.len() as f32;
    assert!(middle > 2.0 * crops.iter().sum::<f32>() / crops.len() as f32);
    let nuclei = CropSettings { centers: Centers::Nuclei { channel: String::new(), min_area: 40 }, ..settings };
    assert!(build(&nuclei).crops().len() > 50);
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
fn a_build_that_is_asked_to_stop_keeps_its_finished_shards() {
    let folder = tempfile::tempdir().unwrap();
    let screen = screen(folder.path());
    let cache = |progress: &dyn Fn(usize, usize) -> ControlFlow<()>| {
        CropCache::build(&folder.path().join("cache"), &screen, None, &settings(4), None, progress)
    };
    let stop_at =
        |n: usize| move |done: usize, _| if done >= n { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
    let error = cache(&stop_at(34)).unwrap_err();
    assert!(matches!(error, CropError::Stopped { done: 32, total: 40 }), "{error}");
    let told = std::cell::RefCell::new(Vec::new());
    let whole = cache(&|done, total| {
        told.borrow_mut().push((done, total));
        ControlFlow::Continue(())
    });
    assert_eq!(told.borrow().first(), Some(&(32, 40)));
    assert_eq!(told.borrow().last(), Some(&(40, 40)));
    assert_eq!(whole.unwrap().crops().len(), 40 * 2);
    assert!(cache(&stop_at(0)).is_ok(), "nothing is left to be stopped");
}

#[test]
fn image_files_are_hashed_once_for_each_plate() {
    let folder = tempfile::tempdir().unwrap();
    let screen = screen(folder.path());
    let inputs = build(folder.path(), &screen, &settings(4)).unwrap().inputs(&screen);
    let names: Vec<&str> = inputs.iter().map(|input| input.name.as_str()).collect();
    assert_eq!(names, ["35 image files of plate P", "5 image files of plate Q"]);
    let lengths = |sites: std::ops::Range<usize>| -> u64 {
        sites.map(|site| folder.path().join(format!("{site}.tif")).metadata().unwrap().len()).sum()
    };
    assert_eq!([inputs[0].bytes, inputs[1].bytes], [lengths(0..35), lengths(35..40)]);
    // The same content written later is the same input; another content is another.
    let path = folder.path().join("36.tif");
    let bytes = std::fs::read(&path).unwrap();
    let after = |seconds: u64, bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
        File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
        build(folder.path(), &screen, &settings(4)).unwrap().inputs(&screen)
    };
    assert_eq!(after(7, &bytes), inputs);
    let changed = after(8, &std::fs::read(folder.path().join("37.tif")).unwrap());
    assert_eq!(changed[0], inputs[0]);
    assert!(changed[1].sha256 != inputs[1].sha256);
}

#[test]
fn chunks_of_an_array_are_part_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let array = folder.path().join("0");
    std::fs::create_dir_all(array.join("0/1")).unwrap();
    std::fs::write(array.join(".zarray"), "{}").unwrap();
    std::fs::write(array.join("0/1/2"), "pixels").unwrap();
    let before = (files::stamp(&array), files::hash(&array).unwrap());
    assert_eq!((before.1.name.as_str(), before.1.bytes), ("0", 8));
    std::fs::write(array.join("0/1/3"), "more").unwrap();
    let after = (files::stamp(&array), files::hash(&array).unwrap());
    assert!(before.0 != after.0 && before.1.sha256 != after.1.sha256);
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
    let mut of_another_site = bytes.clone();
    let place = bytes.windows(8).position(|bytes| bytes == b"\"row\":32").unwrap();
    of_another_site[place + 6] = b'9';
    let mut longer = bytes.clone();
    longer.insert(20, 0);
    for damaged in [
        &bytes[..bytes.len() - 1],
        &bytes[1..],
        &bytes[..20],
        b"",
        b"something else that is long",
        &b"cytocrop\xff\xff\xff\xff\xff\xff\xff\xffcytocrop"[..],
        &of_another_site,
        &longer,
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
