//! Images through the weights of a published model: a file of its names and shapes, with numbers of our own.

use std::fs;
use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use cytonaut::embed::{Embeddings, Level};
use cytonaut::model::{Array, Lewm, LewmConfig};
use cytonaut::run::Checkpoint;
use tiff::encoder::{TiffEncoder, colortype};

use super::support::{cytonaut, finish};

/// A checkpoint of a published model of other actions than the default's.
fn weights() -> Checkpoint {
    let mut config = LewmConfig::default();
    config.actions.inputs = 25;
    let mut checkpoint = Checkpoint::default();
    for (index, (name, shape)) in Lewm::published_tensors(&config).into_iter().enumerate() {
        let n: usize = shape.iter().product();
        let number = |at: usize| ((at * 7919 + index * 104_729) % 1009) as f32 / 1009.0 - 0.5;
        let values = match name.as_str() {
            name if name.ends_with("running_var") => vec![1.0; n],
            _ => (0..n).map(|at| 0.1 * number(at)).collect(),
        };
        checkpoint.tensors.insert(name, Array { shape, values });
    }
    checkpoint
}

fn pixel(picture: usize, at: usize) -> u8 {
    ((at * 31 + picture * 57 + at / 224) % 256) as u8
}

fn write_color(path: &Path, width: usize, height: usize, picture: usize) {
    let pixels: Vec<u8> = (0..3 * width * height).map(|at| pixel(picture, at)).collect();
    let mut encoder = TiffEncoder::new(fs::File::create(path).unwrap()).unwrap();
    encoder.write_image::<colortype::RGB8>(width as u32, height as u32, &pixels).unwrap();
}

#[test]
fn images_are_embedded_by_published_weights() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    weights().save(&at("w.safetensors")).unwrap();
    write_color(&at("a.tif"), 224, 224, 0);
    write_color(&at("b.tif"), 448, 230, 1);
    fs::write(at("s.csv"), "plate,well,file,compound,dose_um\nP,A01,a.tif,DMSO,\nP,B01,b.tif,taxol,1\n").unwrap();
    let embed = |sheet: &str, more: &[&str]| {
        let mut command = cytonaut(["embed"]);
        command.arg(at("w.safetensors")).arg(at(sheet)).arg("--out").arg(at("e.parquet"));
        command.arg("--cache").arg(at("cache")).args(more);
        command
    };
    let said = finish(embed("s.csv", &[]), 0);
    assert!(said.contains("3 rows of 192 latent dimensions"), "{said}");
    assert!(said.contains("3 tiles of 224 x 224 pixels, divided by 255, as published"), "{said}");
    let found = Embeddings::read(&at("e.parquet")).unwrap();
    assert_eq!(found.level, Level::Cell);
    let wells: Vec<String> = found.units.by_row().map(|row| row.well.unwrap().to_string()).collect();
    assert_eq!(wells, ["A01", "B01", "B01"]);

    // The first picture by hand: to 0..1, then by ImageNet's means and deviations, channel by channel.
    let device = Device::flex();
    let tensors = weights().tensors;
    let model = Lewm::from_published(&tensors, &LewmConfig::of_published(&tensors), &device).unwrap();
    let (means, deviations) = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);
    let value = |index: usize| {
        let (channel, place) = (index / (224 * 224), index % (224 * 224));
        (f32::from(pixel(0, 3 * place + channel)) / 255.0 - means[channel]) / deviations[channel]
    };
    let values: Vec<f32> = (0..3 * 224 * 224).map(value).collect();
    let input = Tensor::<2>::from_data(TensorData::new(values, [1, 3 * 224 * 224]), &device);
    let expected: Vec<f32> = model.encode(input).into_data().try_to_vec().unwrap();
    let spread = expected.iter().fold(0.0f32, |spread, value| spread.max(value.abs()));
    assert!(spread > 1e-3);
    for (found, expected) in found.latents.row(0).iter().zip(&expected) {
        assert!((found - expected).abs() < 1e-3 * spread, "{found}, expected {expected}");
    }

    let said = finish(embed("s.csv", &["--level", "intervention"]), 0);
    assert!(said.contains("2 rows of 192 latent dimensions"), "{said}");
    let said = finish(embed("s.csv", &["--level", "well"]), 2);
    assert!(said.contains("use `--level cell` or `--level intervention`"), "{said}");
}

#[test]
fn what_published_weights_cannot_read_is_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    weights().save(&at("w.safetensors")).unwrap();
    let embed = |checkpoint: &str| {
        let mut command = cytonaut(["embed"]);
        command.arg(at(checkpoint)).arg(at("s.csv")).arg("--out").arg(at("e.parquet")).arg("--cache").arg(at("cache"));
        command
    };
    let gray = |name: &str, side: u32| {
        let mut encoder = TiffEncoder::new(fs::File::create(at(name)).unwrap()).unwrap();
        encoder.write_image::<colortype::Gray16>(side, side, &vec![7; (side * side) as usize]).unwrap();
    };
    gray("g.tif", 224);
    fs::write(at("s.csv"), "plate,well,DNA_file,actin_file,compound\nP,A01,g.tif,g.tif,DMSO\n").unwrap();
    let said = finish(embed("w.safetensors"), 2);
    assert!(said.contains("reads 3 channels (red, green and blue), the images have 2: `DNA`, `actin`"), "{said}");
    assert!(said.contains("choose 3 of them with `channels = […]` under [images]"), "{said}");
    write_color(&at("small.tif"), 200, 300, 0);
    fs::write(at("s.csv"), "plate,well,file,compound\nP,A01,small.tif,DMSO\n").unwrap();
    let said = finish(embed("w.safetensors"), 2);
    assert!(said.contains("reads squares of 224 x 224 pixels, and all images are smaller"), "{said}");
    let mut broken = weights();
    broken.tensors.remove("encoder.encoder.layer.3.intermediate.dense.weight");
    broken.save(&at("broken.safetensors")).unwrap();
    let said = finish(embed("broken.safetensors"), 1);
    assert!(
        said.contains("broken.safetensors: no parameter `encoder.encoder.layer.3.intermediate.dense.weight`"),
        "{said}"
    );
    fs::write(at("pickle.safetensors"), "PK\u{3}\u{4} and so on").unwrap();
    let said = finish(embed("pickle.safetensors"), 1);
    assert!(said.contains("pickle.safetensors: "), "{said}");
    // Three channels of 16 bits are scaled by what the picture holds.
    gray("h.tif", 224);
    fs::write(at("s.csv"), "plate,well,a_file,b_file,c_file,compound\nP,A01,g.tif,h.tif,g.tif,DMSO\n").unwrap();
    let said = finish(embed("w.safetensors"), 0);
    assert!(said.contains("scaled between the 0.5th and the 99.5th percentile"), "{said}");
}
