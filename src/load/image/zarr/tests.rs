use std::io::Write;
use std::path::PathBuf;

use super::*;

fn folder(files: &[(&str, &[u8])]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    let path = folder.path().to_path_buf();
    (folder, path)
}

fn zarray(compressor: &str, dtype: &str) -> String {
    format!(
        r#"{{"shape":[2,3,5],"chunks":[1,2,3],"dtype":"{dtype}","compressor":{compressor},"fill_value":7,"order":"C","filters":null,"zarr_format":2}}"#
    )
}

fn plane(path: &Path, index: u64) -> Result<PixelValues, String> {
    decode(path, &[index]).map(|raster| raster.values).map_err(|error| error.to_string())
}

#[test]
fn chunks_meet_at_their_edges_and_absent_ones_are_filled() {
    let metadata = zarray("null", "<u2");
    let chunk = |first: u16| -> Vec<u8> { (first..first + 6).flat_map(u16::to_le_bytes).collect() };
    let (_folder, path) =
        folder(&[(".zarray", metadata.as_bytes()), ("1.0.0", &chunk(0)), ("1.0.1", &chunk(10)), ("1.1.0", &chunk(20))]);
    assert_eq!(describe(&path).unwrap().0, [2]);
    let expected = vec![0, 1, 2, 10, 11, 3, 4, 5, 13, 14, 20, 21, 22, 7, 7];
    assert_eq!(plane(&path, 1).unwrap(), PixelValues::U16(expected));
    assert_eq!(plane(&path, 0).unwrap(), PixelValues::U16(vec![7; 15]));
    assert!(plane(&path, 2).unwrap_err().ends_with("has no plane [2]; its axes are [2]"));
}

#[test]
fn chunks_are_found_by_either_name() {
    let second = |separator: &str| {
        let declared = format!("{separator}\"zarr_format\":2");
        zarray("null", "<u2").replace("\"zarr_format\":2", &declared)
    };
    let chunk: Vec<u8> = (0..6u16).flat_map(u16::to_le_bytes).collect();
    let undeclared = second("");
    let (flat, nested) = (second("\"dimension_separator\":\".\","), second("\"dimension_separator\":\"/\","));
    for metadata in [&undeclared, &flat, &nested] {
        for name in ["1.0.0", "1/0/0"] {
            let (_folder, path) = folder(&[(".zarray", metadata.as_bytes()), (name, &chunk)]);
            let PixelValues::U16(values) = plane(&path, 1).unwrap() else { panic!() };
            assert_eq!(values[..4], [0, 1, 2, 7], "{name} of {metadata}");
            let array = Array::read(&path).unwrap();
            let has = |index| count_chunks(&path, &array, &[index]).0 > 0;
            assert!(has(1) && !has(0));
            // Of two rows of two chunks.
            assert_eq!(count_chunks(&path, &array, &[1]), (1, 4));
        }
    }
    let third = zarr_json(true).replace("sharding_indexed", "bytes").replace("[2,3,3]}}", "[1,3,3]}}");
    for name in ["c/1/0/0", "c.1.0.0", "1/0/0", "1.0.0"] {
        let (_folder, path) = folder(&[("zarr.json", third.as_bytes()), (name, b"123456789")]);
        assert_eq!(plane(&path, 1).unwrap(), PixelValues::U8(b"123456789".to_vec()), "{name}");
        let array = Array::read(&path).unwrap();
        let has = |index| count_chunks(&path, &array, &[index]).0 > 0;
        assert!(has(1) && !has(0));
    }
}

#[test]
fn a_fill_value_that_is_no_number_is_no_pixel() {
    let metadata = zarray("null", "<f4").replace("\"fill_value\":7", "\"fill_value\":\"NaN\"");
    let chunk: Vec<u8> = (0..6u8).flat_map(|value| f32::from(value).to_le_bytes()).collect();
    let whole = [("0.0.0", &chunk), ("0.0.1", &chunk), ("0.1.0", &chunk), ("0.1.1", &chunk)];
    let mut files: Vec<(&str, &[u8])> = vec![(".zarray", metadata.as_bytes())];
    files.extend(whole.iter().map(|(name, chunk)| (*name, chunk.as_slice())));
    let (_folder, path) = folder(&files);
    assert_eq!(plane(&path, 0).unwrap().len(), 15);
    assert!(plane(&path, 1).unwrap_err().contains("a pixel is NaN, expected a finite number"));
}

#[test]
fn packed_chunks_are_unpacked() {
    let raw: Vec<u8> = (0..6u16).flat_map(|value| (value * 300).to_be_bytes()).collect();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&raw).unwrap();
    let gzip = gzip.finish().unwrap();
    let zstd = zstd::encode_all(raw.as_slice(), 1).unwrap();
    for (id, packed) in [("gzip", &gzip), ("zstd", &zstd)] {
        let metadata = zarray(&format!(r#"{{"id":"{id}"}}"#), ">u2");
        let (_folder, path) = folder(&[(".zarray", metadata.as_bytes()), ("0.0.0", packed)]);
        let PixelValues::U16(values) = plane(&path, 0).unwrap() else { panic!() };
        assert_eq!(values[..3], [0, 300, 600]);
        let (_folder, path) = folder(&[(".zarray", metadata.as_bytes()), ("0.0.0", &packed[..packed.len() / 2])]);
        assert!(plane(&path, 0).unwrap_err().contains("damaged chunk"));
    }
}

/// Format 3: one chunk, in a shard of two places if `is_sharded`.
fn zarr_json(is_sharded: bool) -> String {
    let little = r#"{"name":"bytes","configuration":{"endian":"little"}},{"name":"crc32c"}"#;
    let (shape, codecs) = if is_sharded {
        let configuration =
            format!(r#"{{"chunk_shape":[1,3,3],"codecs":[{{"name":"bytes"}}],"index_codecs":[{little}]}}"#);
        ("[2,3,3]", format!(r#"{{"name":"sharding_indexed","configuration":{configuration}}}"#))
    } else {
        ("[1,3,3]", little.to_owned())
    };
    format!(
        r#"{{"zarr_format":3,"node_type":"array","shape":{shape},"data_type":"uint8","chunk_grid":{{"name":"regular","configuration":{{"chunk_shape":{shape}}}}},"chunk_key_encoding":{{"name":"default"}},"fill_value":0,"codecs":[{codecs}]}}"#
    )
}

#[test]
fn a_chunk_must_have_its_checksum() {
    // The check value of CRC-32C in the catalog of parametrized CRC algorithms: 0xe3069283 for these nine digits.
    let mut bytes = b"123456789".to_vec();
    bytes.extend(0xe306_9283u32.to_le_bytes());
    let metadata = zarr_json(false);
    let (_folder, path) = folder(&[("zarr.json", metadata.as_bytes()), ("c/0/0/0", &bytes)]);
    assert_eq!(plane(&path, 0).unwrap(), PixelValues::U8(b"123456789".to_vec()));
    for position in [0, 8, 9, 12] {
        let mut flipped = bytes.clone();
        flipped[position] ^= 1;
        let (_folder, path) = folder(&[("zarr.json", metadata.as_bytes()), ("c/0/0/0", &flipped)]);
        let error = plane(&path, 0).unwrap_err();
        assert!(error.contains("c/0/0/0") && error.contains("damaged chunk: its crc32c is"), "{error}");
    }
}

#[test]
fn an_index_of_a_shard_must_have_its_checksum() {
    let mut index: Vec<u8> = [0u64, 9, u64::MAX, u64::MAX].into_iter().flat_map(u64::to_le_bytes).collect();
    index.extend(crc32c::crc32c(&index).to_le_bytes());
    let metadata = zarr_json(true);
    let shard = [b"123456789".as_slice(), &index].concat();
    let (_folder, path) = folder(&[("zarr.json", metadata.as_bytes()), ("c/0/0/0", &shard)]);
    assert_eq!(plane(&path, 0).unwrap(), PixelValues::U8(b"123456789".to_vec()));
    assert_eq!(plane(&path, 1).unwrap(), PixelValues::U8(vec![0; 9]));
    // A bit of the place asked for, of the other place, and of the checksum itself.
    for position in [9, 9 + 16, 9 + 32] {
        let mut flipped = shard.clone();
        flipped[position] ^= 1;
        let (_folder, path) = folder(&[("zarr.json", metadata.as_bytes()), ("c/0/0/0", &flipped)]);
        let error = plane(&path, 0).unwrap_err();
        assert!(error.contains("c/0/0/0") && error.contains("damaged index of the shard: its crc32c is"), "{error}");
    }
}

#[test]
fn refuses_what_is_not_read_by_name() {
    let check = |metadata: String, message: &str| {
        let (_folder, path) = folder(&[(".zarray", metadata.as_bytes())]);
        let error = plane(&path, 0).unwrap_err();
        assert!(error.contains(message), "{error}");
    };
    check(zarray(r#"{"id":"lzma"}"#, "<u2"), "expected blosc, gzip, zlib or zstd");
    check(zarray("null", "<u8"), "an array of `<u8`");
    check(zarray("null", "<u2").replace("\"C\"", "\"F\""), "Fortran order");
    check(zarray("null", "<u2").replace("[1,2,3]", "[1,0,3]"), "chunks of [1, 0, 3]");
    check(zarray("null", "<u2").replace("[2,3,5]", "[2,100000,100000]"), "100000 x 100000 pixels");
    check("{".to_owned(), "is not JSON");
}

#[test]
fn bytes_at_random_are_no_panic() {
    let mut state = 3u64;
    let mut random = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize
    };
    for _ in 0..2000 {
        let mut frame: Vec<u8> = (0..16 + random() % 64).map(|_| random() as u8).collect();
        // A frame that claims to fit, so that its blocks are looked at.
        frame[4..12].copy_from_slice(&[64, 0, 0, 0, 32, 0, 0, 0]);
        frame[2] &= !2;
        let _ = codec::unpack(frame, &[Codec::Blosc], 64);
    }
}
