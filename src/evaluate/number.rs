//! A number in JSON, which knows no NaN and no infinity: these stand there as words.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Finite(f64),
    Word(String),
}

pub(super) fn serialize<S: Serializer>(number: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    match number.is_finite() {
        true => Written::Finite(*number),
        false => Written::Word(number.to_string()),
    }
    .serialize(serializer)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    match Written::deserialize(deserializer)? {
        Written::Finite(number) => Ok(number),
        Written::Word(word) => word.parse().map_err(|_| serde::de::Error::custom(format!("`{word}` is not a number"))),
    }
}
