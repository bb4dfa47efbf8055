//! Weights, optimizer state and everything needed to use them, in one safetensors file.
//!
//! The format is eight bytes with the length of a header, the header as JSON, and the values of all tensors without a
//! gap. Texts (configuration, vocabulary, normalization, step) stand under `__metadata__` in the header:
//!
//! ```text
//! {"__metadata__":{"step":"400"},"encoder.weight":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}}
//! ```
//!
//! Tensors are little-endian `F32` only, named in sorted order. The file is data: nothing in it is run.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use safetensors::{Dtype, SafeTensorError, SafeTensors};
use serde::Serialize;

use super::RunError;
use crate::model::Array;
use crate::table::write_atomically;

/// The name that the format keeps for texts.
const TEXTS: &str = "__metadata__";

/// Largest file that is read or written, in bytes.
const MAX_BYTES: u64 = 16 << 30;

/// Largest header that the format allows, in bytes.
const MAX_HEADER_BYTES: usize = 100_000_000;

/// What a model is on disk: named arrays and named texts.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Checkpoint {
    /// Weights and optimizer state by name.
    pub tensors: BTreeMap<String, Array>,
    /// Configuration, vocabulary, normalization, step and the like, by name.
    pub text: BTreeMap<String, String>,
}

/// What to do with NaN and infinity in a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NonFinite {
    /// Refuse the file: no prediction can come of it.
    Refuse,
    /// Load the file as it is, to look at it.
    Allow,
}

/// Who wrote a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Ours,
    Published,
}

impl Checkpoint {
    /// Writes the checkpoint to one file, whole or not at all; equal checkpoints give equal bytes.
    ///
    /// # Errors
    /// [`RunError::File`], also where the values of an array do not fill its shape.
    pub fn save(&self, path: &Path) -> Result<(), RunError> {
        write_atomically(path, |file| self.write(file)).map_err(RunError::from)
    }

    /// Reads a checkpoint and checks it: no file makes this panic or read past the file's end.
    ///
    /// # Errors
    /// [`RunError::File`] with what was found and what was expected.
    pub fn load(path: &Path, non_finite: NonFinite) -> Result<Self, RunError> {
        let mend = "copy the file again, or delete it and run `cytonaut run` again";
        Self::load_as(path, non_finite, Source::Ours, mend)
    }

    /// Reads the safetensors file of another program, checked alike; `BF16` and `I64` become `f32`.
    ///
    /// # Errors
    /// As [`Checkpoint::load`]; also where a value is NaN or infinite.
    pub fn load_published(path: &Path) -> Result<Self, RunError> {
        Self::load_as(path, NonFinite::Refuse, Source::Published, "copy or convert the file again")
    }

    fn load_as(path: &Path, non_finite: NonFinite, source: Source, mend: &str) -> Result<Self, RunError> {
        let size = fs::metadata(path).map_err(RunError::read(path))?.len();
        if size > MAX_BYTES {
            return Err(RunError::damaged(path, format!("is {size} bytes long, expected at most {MAX_BYTES}")));
        }
        let bytes = fs::read(path).map_err(RunError::read(path))?;
        let checkpoint =
            Self::parse(&bytes, source).map_err(|problem| RunError::damaged(path, format!("{problem}; {mend}")))?;
        match checkpoint.first_non_finite() {
            Some((name, index, value)) if non_finite == NonFinite::Refuse => Err(RunError::damaged(
                path,
                format!("tensor `{name}` holds {value} at position {index}, expected finite numbers"),
            )),
            _ => Ok(checkpoint),
        }
    }

    // The crate's own writer keeps texts in a hash map, so that their order, and the bytes, would change between runs.
    fn write(&self, file: &mut BufWriter<fs::File>) -> io::Result<()> {
        let mut header = serde_json::to_vec(&self.header()?)?;
        header.resize(header.len().next_multiple_of(8), b' ');
        if header.len() > MAX_HEADER_BYTES {
            return Err(invalid(format!(
                "the texts and names take {} bytes, the format allows {MAX_HEADER_BYTES}",
                header.len()
            )));
        }
        file.write_all(&(header.len() as u64).to_le_bytes())?;
        file.write_all(&header)?;
        for array in self.tensors.values() {
            for value in &array.values {
                file.write_all(&value.to_le_bytes())?;
            }
        }
        Ok(())
    }

    fn header(&self) -> io::Result<BTreeMap<&str, Entry<'_>>> {
        let mut header = BTreeMap::from([(TEXTS, Entry::Texts(&self.text))]);
        let mut begin = 0;
        for (name, array) in &self.tensors {
            if name == TEXTS {
                return Err(invalid(format!("`{TEXTS}` is not a valid name for a tensor")));
            }
            if n_values(&array.shape) != Some(array.values.len()) {
                return Err(invalid(format!(
                    "tensor `{name}` has {} values, which does not match its shape {:?}",
                    array.values.len(),
                    array.shape
                )));
            }
            let end = begin + 4 * array.values.len();
            let tensor = Entry::Tensor { dtype: "F32", shape: &array.shape, data_offsets: [begin, end] };
            header.insert(name, tensor);
            begin = end;
        }
        if begin as u64 > MAX_BYTES - 2 * MAX_HEADER_BYTES as u64 {
            return Err(invalid(format!("the tensors take {begin} bytes, expected at most {MAX_BYTES}")));
        }
        Ok(header)
    }

    fn parse(bytes: &[u8], source: Source) -> Result<Self, String> {
        let (header_length, metadata) = header_of(bytes)?;
        // Offsets that overflow can slip through the sum that the crate compares with the file's length.
        let n_data = bytes.len().saturating_sub(8).saturating_sub(header_length);
        if metadata.data_len() != n_data {
            return Err(format!("its header claims {} bytes of values, found {n_data}", metadata.data_len()));
        }
        let file = SafeTensors::deserialize(bytes).map_err(|error| in_words(&error))?;
        let mut tensors = BTreeMap::new();
        for (name, tensor) in file.iter() {
            let data = tensor.data();
            let values = match (tensor.dtype(), source) {
                (Dtype::F32, _) => data.as_chunks().0.iter().map(|&four| f32::from_le_bytes(four)).collect(),
                // The upper half of an f32.
                (Dtype::BF16, Source::Published) => {
                    data.as_chunks().0.iter().map(|&[low, high]| f32::from_le_bytes([0, 0, low, high])).collect()
                }
                (Dtype::I64, Source::Published) => {
                    data.as_chunks().0.iter().map(|&eight| i64::from_le_bytes(eight) as f32).collect()
                }
                (found, Source::Ours) => return Err(format!("tensor `{name}` has type {found:?}, expected F32")),
                (found, Source::Published) => {
                    return Err(format!("tensor `{name}` has type {found:?}, expected F32, BF16 or I64"));
                }
            };
            tensors.insert(name.to_owned(), Array { shape: tensor.shape().to_vec(), values });
        }
        let text = metadata.metadata().iter().flatten().map(|(name, text)| (name.clone(), text.clone())).collect();
        Ok(Self { tensors, text })
    }

    fn first_non_finite(&self) -> Option<(&str, usize, f32)> {
        self.tensors.iter().find_map(|(name, array)| {
            let index = array.values.iter().position(|value| !value.is_finite())?;
            Some((name.as_str(), index, array.values[index]))
        })
    }
}

/// What the header says of one name.
#[derive(Serialize)]
#[serde(untagged)]
enum Entry<'a> {
    Texts(&'a BTreeMap<String, String>),
    Tensor { dtype: &'static str, shape: &'a [usize], data_offsets: [usize; 2] },
}

fn invalid(problem: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, problem)
}

/// The product of the extents, unless it is too large to be one.
fn n_values(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1usize, |product, &extent| product.checked_mul(extent))
}

fn header_of(bytes: &[u8]) -> Result<(usize, safetensors::tensor::Metadata), String> {
    let Some(length) = bytes.first_chunk::<8>().map(|length| u64::from_le_bytes(*length)) else {
        return Err(format!("is {} bytes long, too short for a safetensors file", bytes.len()));
    };
    if bytes.get(8) != Some(&b'{') {
        return Err("is not a safetensors file (expected a `{` after the first 8 bytes)".into());
    }
    if length > MAX_HEADER_BYTES as u64 || length as usize > bytes.len() - 8 {
        let rest = bytes.len() - 8;
        return Err(format!("has a header of {length} bytes, but {rest} bytes follow; it is cut short or damaged"));
    }
    // The bytes after the header are left out on purpose: the crate would compare them before their sum is checked.
    let header = &bytes[8..8 + length as usize];
    let metadata = serde_json::from_slice(header).map_err(|error| format!("has a damaged header ({error})"))?;
    Ok((length as usize, metadata))
}

fn in_words(error: &SafeTensorError) -> String {
    match error {
        SafeTensorError::MetadataIncompleteBuffer => "holds fewer or more values than its header says".into(),
        SafeTensorError::InvalidOffset(name) => format!("tensor `{name}` has offsets that overlap or leave a gap"),
        SafeTensorError::TensorInvalidInfo => "a tensor has offsets that do not fit its shape".into(),
        other => format!("has a damaged header ({other})"),
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use proptest::prelude::*;

    use super::*;
    use crate::model::{ImageEncoderConfig, Lewm, LewmConfig, parameters};

    fn small() -> Checkpoint {
        Checkpoint {
            tensors: BTreeMap::from([
                ("encoder.weight".into(), Array { shape: vec![2, 3], values: vec![1.0, -2.0, 0.5, 0.0, 1e-30, 3e30] }),
                ("Step".into(), Array { shape: vec![], values: vec![4.0] }),
                ("empty".into(), Array { shape: vec![0, 7], values: vec![] }),
            ]),
            text: BTreeMap::from([("config".into(), "seed = 1\n".into()), ("step".into(), "400".into())]),
        }
    }

    fn saved(checkpoint: &Checkpoint) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("member-0.safetensors");
        checkpoint.save(&path).unwrap();
        fs::read(path).unwrap()
    }

    fn with_header(header: &str, data: &[u8]) -> Vec<u8> {
        [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), data].concat()
    }

    #[test]
    fn another_reader_finds_the_same() {
        let bytes = saved(&small());
        let file = SafeTensors::deserialize(&bytes).unwrap();
        assert_eq!(file.tensor("encoder.weight").unwrap().shape(), [2, 3]);
        assert_eq!(file.tensor("Step").unwrap().data(), 4.0f32.to_le_bytes());
        assert_eq!(bytes.len() % 8, 28 % 8);
    }

    #[test]
    fn refuses_damaged_files_in_words() {
        let check = |bytes: &[u8], expected: &str| {
            let problem = Checkpoint::parse(bytes, Source::Ours).unwrap_err();
            assert!(problem.contains(expected), "{problem}");
        };
        let whole = saved(&small());
        check(&[], "is 0 bytes long, too short");
        check(&whole[..5], "is 5 bytes long, too short");
        check(&whole[..40], "32 bytes follow; it is cut short");
        check(&whole[..whole.len() - 1], "its header claims 28 bytes of values, found 27");
        check(&[&whole[..], &[0]].concat(), "its header claims 28 bytes of values, found 29");
        check(b"PK\x03\x04 and so on and on", "is not a safetensors file");
        check(
            &[&u64::MAX.to_le_bytes()[..], b"{}"].concat(),
            "has a header of 18446744073709551615 bytes, but 2 bytes",
        );
        check(&with_header("{\"a\":3}", &[]), "has a damaged header");
        let tensor = |dtype: &str, shape: &str, offsets: &str| {
            format!("{{\"a\":{{\"dtype\":\"{dtype}\",\"shape\":{shape},\"data_offsets\":{offsets}}}}}")
        };
        check(&with_header(&tensor("F64", "[1]", "[0,8]"), &[0; 8]), "tensor `a` has type F64, expected F32");
        check(&with_header(&tensor("F32", "[2]", "[0,4]"), &[0; 4]), "has a damaged header");
        check(&with_header(&tensor("F32", "[2]", "[4,12]"), &[0; 12]), "has a damaged header");
        check(&with_header(&tensor("F32", "[4611686018427387904,4]", "[0,0]"), &[]), "has a damaged header");
        let eighth = (1u64 << 61) - 1;
        let huge = (0..8).map(|index| {
            let offsets = [index * eighth, (index + 1) * eighth];
            format!("\"{index}\":{{\"dtype\":\"U8\",\"shape\":[{eighth}],\"data_offsets\":{offsets:?}}}")
        });
        let huge = format!("{{{}}}", huge.collect::<Vec<_>>().join(","));
        check(&with_header(&huge, &[]), "its header claims 18446744073709551608 bytes of values, found 0");
        check(&with_header("{\"__metadata__\":{\"step\":4}}", &[]), "has a damaged header");
    }

    #[test]
    fn files_of_other_programs_may_hold_other_types() {
        let header = r#"{"a":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]},"n":{"dtype":"I64","shape":[],"data_offsets":[4,12]}}"#;
        let bytes = with_header(header, &[0xc0, 0x3f, 0x00, 0xc0, 7, 0, 0, 0, 0, 0, 0, 0]);
        let tensors = Checkpoint::parse(&bytes, Source::Published).unwrap().tensors;
        assert_eq!(tensors["a"], Array { shape: vec![2], values: vec![1.5, -2.0] });
        assert_eq!(tensors["n"], Array { shape: vec![], values: vec![7.0] });
        let problem = Checkpoint::parse(&bytes, Source::Ours).unwrap_err();
        assert!(problem.contains("has type BF16, expected F32") || problem.contains("has type I64"), "{problem}");
    }

    #[test]
    fn a_published_model_is_imported_from_its_file() {
        let mut config = LewmConfig::default();
        let encoder = ImageEncoderConfig { size: 28, width: 6, mlp_width: 4, ..config.encoder };
        (config.encoder, config.projector_hidden, config.actions.hidden) = (encoder, 5, 4);
        (config.predictor.mlp_width, config.history.heads, config.history.head_width) = (4, 2, 3);
        let mut checkpoint = Checkpoint::default();
        for (name, shape) in Lewm::published_tensors(&config) {
            let values = (0..shape.iter().product()).map(|index: usize| 0.1 + (index % 7) as f32).collect();
            checkpoint.tensors.insert(name, Array { shape, values });
        }
        assert_eq!(checkpoint.tensors.len(), 303);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weights.safetensors");
        checkpoint.save(&path).unwrap();
        let read = Checkpoint::load_published(&path).unwrap();
        let model = Lewm::from_published(&read.tensors, &config, &Device::flex()).unwrap();
        assert_eq!(parameters(&model)["encoder.norm.scale"].values, [0.1, 1.1, 2.1, 3.1, 4.1, 5.1]);
    }

    #[test]
    fn refuses_a_shape_that_the_values_do_not_fill() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let mut checkpoint = small();
        checkpoint.tensors.insert("bias".into(), Array { shape: vec![2], values: vec![1.0] });
        let error = checkpoint.save(&path).unwrap_err().to_string();
        assert!(error.contains("tensor `bias` has 1 values, which does not match its shape [2]"), "{error}");
        assert!(!path.exists());
    }

    #[test]
    fn non_finite_weights_are_refused_unless_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let mut checkpoint = small();
        checkpoint.tensors.insert("bias".into(), Array { shape: vec![2], values: vec![1.0, f32::NAN] });
        checkpoint.save(&path).unwrap();
        let error = Checkpoint::load(&path, NonFinite::Refuse).unwrap_err().to_string();
        assert!(error.ends_with("tensor `bias` holds NaN at position 1, expected finite numbers"), "{error}");
        assert!(Checkpoint::load(&path, NonFinite::Allow).unwrap().tensors["bias"].values[1].is_nan());
    }

    fn any_checkpoint() -> impl Strategy<Value = Checkpoint> {
        let array = prop::collection::vec(0usize..4, 0..4).prop_flat_map(|shape| {
            let n_values = shape.iter().product::<usize>();
            prop::collection::vec(any::<f32>().prop_filter("finite", |value| value.is_finite()), n_values)
                .prop_map(move |values| Array { shape: shape.clone(), values })
        });
        let tensors = prop::collection::btree_map("[a-zA-Z0-9._\"µ ]{1,12}", array, 0..5);
        let text = prop::collection::btree_map(".{0,8}", ".{0,40}", 0..5);
        (tensors, text).prop_map(|(tensors, text)| Checkpoint { tensors, text })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn what_is_written_reads_back_equal(checkpoint in any_checkpoint()) {
            let bytes = saved(&checkpoint);
            prop_assert_eq!(&bytes, &saved(&checkpoint));
            prop_assert_eq!(Checkpoint::parse(&bytes, Source::Ours), Ok(checkpoint));
        }

        #[test]
        fn no_damage_makes_it_panic(position in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()) {
            let mut bytes = saved(&small());
            let index = position.index(bytes.len());
            if cut { bytes.truncate(index) } else { bytes[index] = byte }
            let _ = Checkpoint::parse(&bytes, Source::Published);
        }
    }
}
