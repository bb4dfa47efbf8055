//! Stocks of compounds: what a liquid handler takes from.
//!
//! ```text
//! perturbation,stock_mm,plate,well
//! taxol,10,library-1,A01
//! colchicine,10,library-1,A02
//! ```
//!
//! The concentration stands in `stock_um` or `stock_mm`. `plate` and `well` may be absent together. Each perturbation may have
//! several stocks, of different concentrations.

use std::path::Path;

use super::error::{LoadError, Place};
use super::text_table::read_text_table;
use crate::screen::{Micromolar, Well};

/// A stock of a perturbation.
#[derive(Debug, Clone, PartialEq)]
pub struct Stock {
    /// What it holds.
    pub perturbation: String,
    /// How much of it.
    pub concentration: Micromolar,
    /// The plate and the well that it is in, where the table names them.
    pub source: Option<(String, Well)>,
}

/// The stocks that the table at `path` lists.
///
/// # Errors
/// [`LoadError`] with the file and the row or column that is not as it should be.
pub fn read_stocks(path: &Path) -> Result<Vec<Stock>, LoadError> {
    let table = read_text_table(path)?;
    let column = |name: &str| {
        let found = table.names.iter().position(|column| column.trim().eq_ignore_ascii_case(name));
        found.map(|column| table.columns[column].as_slice())
    };
    let place = |row: usize| table.places[row].clone();
    let listed = |place: Place, problem: String| LoadError::Listed { place, problem };
    let missing = |column: &str, mend: &str| LoadError::MissingColumn {
        path: path.to_owned(),
        column: column.to_owned(),
        mend: mend.to_owned(),
    };
    let form = "list stocks by `perturbation` and `stock_mm` (or `stock_um`), and where they are by `plate` and `well`";
    let names = column("perturbation").ok_or_else(|| missing("perturbation", form))?;
    let (concentrations, factor, word) = match (column("stock_um"), column("stock_mm")) {
        (Some(values), None) => (values, 1.0, "stock_um"),
        (None, Some(values)) => (values, 1000.0, "stock_mm"),
        (None, None) => return Err(missing("stock_mm", form)),
        (Some(_), Some(_)) => {
            let problem = "both `stock_um` and `stock_mm` are given; keep one of them".to_owned();
            return Err(listed(place(0), problem));
        }
    };
    let (plates, wells) = (column("plate"), column("well"));
    let mut stocks = Vec::new();
    for row in 0..names.len() {
        let perturbation = names[row].clone().filter(|name| !name.trim().is_empty());
        let perturbation =
            perturbation.ok_or_else(|| listed(place(row), "column `perturbation` is empty".to_owned()))?;
        let text = concentrations[row].as_deref().unwrap_or_default();
        let concentration = text.trim().parse::<f64>().ok().and_then(|value| Micromolar::new(value * factor));
        let wrong = || listed(place(row), format!("column `{word}` holds {text:?}, expected a number above 0"));
        let source = match (plates, wells) {
            (Some(plates), Some(wells)) => {
                let well = wells[row].as_deref().unwrap_or_default().parse::<Well>();
                let well = well.map_err(|error| listed(place(row), format!("column `well`: {error}")))?;
                Some((plates[row].clone().unwrap_or_default(), well))
            }
            (None, None) => None,
            (None, Some(_)) => return Err(missing("plate", form)),
            (Some(_), None) => return Err(missing("well", form)),
        };
        stocks.push(Stock { perturbation, concentration: concentration.ok_or_else(wrong)?, source });
    }
    Ok(stocks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_lists_stocks_and_faults_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("stocks.csv");
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            read_stocks(&path).map_err(|error| error.to_string())
        };
        let stocks = read("perturbation,stock_mM,plate,well\ntaxol,10,L1,A1\n").unwrap();
        let expected = Stock {
            perturbation: "taxol".into(),
            concentration: Micromolar::new(10_000.0).unwrap(),
            source: Some(("L1".into(), "A01".parse().unwrap())),
        };
        assert_eq!(stocks, [expected]);
        assert_eq!(read("perturbation,stock_um\ntaxol,500\n").unwrap()[0].source, None);
        let error = read("perturbation,stock_um\ntaxol,0\n").unwrap_err();
        assert!(error.ends_with("stocks.csv:2: column `stock_um` holds \"0\", expected a number above 0"), "{error}");
        assert!(read("perturbation\ntaxol\n").unwrap_err().contains("no column `stock_mm`; list stocks by"));
        assert!(read("perturbation,stock_um,well\ntaxol,1,A1\n").unwrap_err().contains("no column `plate`"));
        assert!(read("perturbation,stock_um,stock_mm\ntaxol,1,1\n").unwrap_err().contains("keep one of them"));
        assert!(
            read("perturbation,stock_um,plate,well\ntaxol,1,L1,Z99\n").unwrap_err().contains("`Z99` is not a well")
        );
    }
}
