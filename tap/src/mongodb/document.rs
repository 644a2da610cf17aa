//! Documents, also such as are cut short.

use bson::raw::{RawBsonRef, RawDocument, RawElement};
use bson::spec::ElementType;

/// Hands over the elements of a document that is perhaps cut short, up to the first that is broken; whether all were
/// there.
pub(super) fn each_element<'a>(bytes: &'a [u8], patch: &'a mut Vec<u8>, mut hand: impl FnMut(RawElement<'a>)) -> bool {
    let (document, is_cut) = match RawDocument::from_bytes(bytes) {
        Ok(document) => (document, false),
        Err(_) => match end_early(bytes, patch) {
            Some(document) => (document, true),
            None => return false,
        },
    };
    for element in document.iter_elements() {
        match element {
            Ok(element) => hand(element),
            Err(_) => return false,
        }
    }
    !is_cut
}

/// The same document as if it ended here. An element whose end is missing is then one that is too long.
fn end_early<'a>(bytes: &[u8], patch: &'a mut Vec<u8>) -> Option<&'a RawDocument> {
    let length = i32::try_from(bytes.len() + 1).ok().filter(|length| *length >= 5)?;
    patch.clear();
    patch.extend_from_slice(&length.to_le_bytes());
    patch.extend_from_slice(bytes.get(4..)?);
    patch.push(0);
    RawDocument::from_bytes(&patch[..]).ok()
}

/// The first key, also if its value is cut short.
pub(super) fn first_key(bytes: &[u8]) -> Option<&str> {
    let key = bytes.get(5..)?;
    let end = key.iter().position(|byte| *byte == 0)?;
    std::str::from_utf8(&key[..end]).ok().filter(|key| !key.is_empty())
}

/// A whole number, however it is written.
pub(super) fn number(element: &RawElement<'_>) -> Option<i64> {
    match element.element_type() {
        ElementType::Int32 | ElementType::Int64 | ElementType::Double | ElementType::Boolean => {}
        _ => return None,
    }
    match element.value().ok()? {
        RawBsonRef::Int32(number) => Some(number.into()),
        RawBsonRef::Int64(number) => Some(number),
        RawBsonRef::Double(number) => Some(number as i64),
        RawBsonRef::Boolean(flag) => Some(flag.into()),
        _ => None,
    }
}

/// A code: any whole number of 32 bits.
pub(super) fn code(element: &RawElement<'_>) -> Option<i32> {
    number(element).and_then(|number| i32::try_from(number).ok())
}

pub(super) fn text<'a>(element: &RawElement<'a>) -> Option<&'a str> {
    match element.element_type() {
        ElementType::String => element.value().ok()?.as_str(),
        _ => None,
    }
}

/// The elements of a document or an array; nothing of what is broken.
pub(super) fn elements<'a>(element: &RawElement<'a>) -> impl Iterator<Item = RawElement<'a>> + use<'a> {
    let iterator = match element.element_type() {
        ElementType::EmbeddedDocument | ElementType::Array => match element.value() {
            Ok(RawBsonRef::Document(document)) => Some(document.iter_elements()),
            Ok(RawBsonRef::Array(array)) => Some(array.iter_elements()),
            _ => None,
        },
        _ => None,
    };
    iterator.into_iter().flatten().map_while(Result::ok)
}

/// The 16 bytes of a UUID.
pub(super) fn uuid(element: &RawElement<'_>) -> Option<[u8; 16]> {
    match element.element_type() {
        ElementType::Binary => element.value().ok()?.as_binary()?.bytes.try_into().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use bson::rawdoc;

    use super::*;

    #[test]
    fn of_a_document_that_is_cut_short_the_whole_elements_are_found_wherever_the_cut_is() {
        let document = rawdoc! { "insert": "orders", "lsid": { "id": 1 }, "text": "to be cut", "n": 7_i64 };
        let bytes = document.as_bytes();
        let mut found = Vec::new();
        for cut in 0..=bytes.len() {
            let (mut patch, mut keys) = (Vec::new(), Vec::new());
            let is_whole = each_element(&bytes[..cut], &mut patch, |element| keys.push(element.key().as_str()));
            assert_eq!(is_whole, cut == bytes.len(), "cut at {cut}");
            assert!(["insert", "lsid", "text", "n"].starts_with(&keys), "cut at {cut}: {keys:?}");
            found.push(keys.len());
        }
        assert!(found.is_sorted() && found.ends_with(&[4]), "{found:?}");
    }
}
