//! What a card declares of a role: the column that plays it, or one value for all rows.
//!
//! ```toml
//! [columns]
//! plate = "Barcode"                  # a column
//! lab_batch = ""                     # no column
//! perturbation = { value = "taxol" } # one value for all rows
//! hours = { value = 48 }
//!
//! perturbation = ["drug_1", "drug_2"] # a column for each member of a set
//! dose = ["dose_1_um", "dose_2_um"]
//! ```

use std::fmt;

use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A column, several, or one value for all rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ColumnOrValue {
    /// The name of a column; empty where no column has the role.
    Column(String),
    /// The columns of what was applied together, or of its doses.
    Columns(Vec<String>),
    /// The same in all rows.
    Value(String),
}

impl ColumnOrValue {
    /// The column's name, if it is a column.
    pub fn column(&self) -> Option<&str> {
        match self {
            Self::Column(name) => Some(name),
            Self::Columns(_) | Self::Value(_) => None,
        }
    }
}

impl From<&str> for ColumnOrValue {
    fn from(column: &str) -> Self {
        Self::Column(column.to_owned())
    }
}

impl From<String> for ColumnOrValue {
    fn from(column: String) -> Self {
        Self::Column(column)
    }
}

impl Serialize for ColumnOrValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Column(name) => serializer.serialize_str(name),
            Self::Columns(names) => names.serialize(serializer),
            Self::Value(value) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("value", value)?;
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for ColumnOrValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

/// A value as a person writes it: a text or a number.
struct Written(String);

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = toml::Value::deserialize(deserializer)?;
        match value {
            toml::Value::String(text) if !text.trim().is_empty() => Ok(Self(text.trim().to_owned())),
            toml::Value::Integer(number) => Ok(Self(number.to_string())),
            toml::Value::Float(number) if number.is_finite() => Ok(Self(number.to_string())),
            _ => Err(D::Error::custom("`value` holds for all rows; expected a text that is not empty, or a number")),
        }
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = ColumnOrValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a column, or one value for all rows as in { value = \"P1\" }")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<ColumnOrValue, E> {
        Ok(ColumnOrValue::Column(name.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut names: A) -> Result<ColumnOrValue, A::Error> {
        let mut columns = Vec::new();
        while let Some(name) = names.next_element::<String>()? {
            columns.push(name);
        }
        match columns.len() {
            0 => Err(A::Error::custom("expected the names of columns, or \"\" where no column has the role")),
            1 => Ok(ColumnOrValue::Column(columns.remove(0))),
            _ => Ok(ColumnOrValue::Columns(columns)),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ColumnOrValue, A::Error> {
        let mut value = None;
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "value" => value = Some(map.next_value::<Written>()?.0),
                _ => return Err(A::Error::unknown_field(&key, &["value"])),
            }
        }
        value.map(ColumnOrValue::Value).ok_or_else(|| A::Error::missing_field("value"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::card::Columns;

    fn read(text: &str) -> Result<Columns, String> {
        toml::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn a_role_is_a_column_or_a_value() {
        let value = |text: &str| Some(ColumnOrValue::Value(text.to_owned()));
        let columns =
            read("plate = { value = \"P1\" }\nhours = { value = 48 }\ndose = { value = 0.5 }\nwell = \"W\"").unwrap();
        assert_eq!((columns.plate, columns.hours, columns.dose), (value("P1"), value("48"), value("0.5")));
        assert_eq!(columns.well, Some("W".into()));
        let context = read("context = [\"cell_line\", { value = \"24 h\" }]").unwrap().context.unwrap();
        assert_eq!(context, ["cell_line".into(), ColumnOrValue::Value("24 h".to_owned())]);
        let written = toml::to_string(&Columns { plate: value("P1"), ..Columns::default() }).unwrap();
        assert_eq!(read(&written).unwrap().plate, value("P1"));
    }

    #[test]
    fn what_was_applied_together_may_have_several_columns() {
        let columns = read("perturbation = [\"drug_1\", \"drug_2\"]\ndose = [\"dose_um\"]").unwrap();
        let several = ColumnOrValue::Columns(vec!["drug_1".to_owned(), "drug_2".to_owned()]);
        assert_eq!((columns.perturbation.clone(), columns.dose.clone()), (Some(several), Some("dose_um".into())));
        assert_eq!(read(&toml::to_string(&columns).unwrap()).unwrap(), columns);
        assert!(read("dose = []").unwrap_err().contains("expected the names of columns"));
    }

    #[test]
    fn anything_else_is_refused_in_words() {
        let check = |text: &str, wanted: &str| {
            let error = read(text).unwrap_err();
            assert!(error.contains(wanted), "{text}: {error}");
        };
        check("plate = 3", "expected the name of a column, or one value for all rows");
        check("plate = { values = \"P1\" }", "unknown field `values`, expected `value`");
        check("plate = {}", "missing field `value`");
        check("plate = { value = \" \" }", "expected a text that is not empty, or a number");
        check("plate = { value = [1] }", "expected a text that is not empty, or a number");
    }
}
