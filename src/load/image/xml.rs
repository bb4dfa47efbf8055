//! Small helps for XML: elements by local name, since namespaces differ between versions of one program.

use std::path::Path;

use roxmltree::{Document, Node, ParsingOptions};

use super::pixels::bad;
use crate::load::error::LoadError;

/// Largest XML file that is read.
const MAX_BYTES: u64 = 1 << 30;

/// The text of an XML file.
pub(super) fn read(path: &Path) -> Result<String, LoadError> {
    let io = |cause| LoadError::io(path, cause);
    let length = std::fs::metadata(path).map_err(io)?.len();
    if length == 0 || length > MAX_BYTES {
        return Err(bad(path, format!("{length} bytes, expected an XML file of 1 byte to 1 GiB")));
    }
    let bytes = std::fs::read(path).map_err(io)?;
    let text = String::from_utf8(bytes).map_err(|_| bad(path, "not UTF-8 text, expected XML"))?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

/// The document in a text.
pub(super) fn parse<'a>(path: &Path, text: &'a str) -> Result<Document<'a>, LoadError> {
    let options = ParsingOptions { allow_dtd: false, nodes_limit: u32::MAX, ..ParsingOptions::default() };
    Document::parse_with_options(text, options).map_err(|error| bad(path, format!("damaged XML: {error}")))
}

/// Elements below `node` with this local name.
pub(super) fn all<'a, 'b>(node: Node<'a, 'b>, name: &'static str) -> impl Iterator<Item = Node<'a, 'b>> {
    node.descendants().filter(move |node| node.is_element() && node.tag_name().name() == name)
}

/// The trimmed text of the first child with this local name.
pub(super) fn child<'a>(node: Node<'a, '_>, name: &str) -> Option<&'a str> {
    let child = node.children().find(|child| child.is_element() && child.tag_name().name() == name)?;
    child.text().map(str::trim).filter(|text| !text.is_empty())
}

/// The attribute with this local name.
pub(super) fn attribute<'a>(node: Node<'a, '_>, name: &str) -> Option<&'a str> {
    node.attributes().find(|attribute| attribute.name() == name).map(|attribute| attribute.value().trim())
}

/// The line of an element, counted from 1.
pub(super) fn line(node: Node<'_, '_>) -> usize {
    node.document().text_pos_at(node.range().start).row as usize
}
