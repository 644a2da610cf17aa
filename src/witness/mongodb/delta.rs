//! One update description applied to one document.
//!
//! `updatedFields` is a difference of values, not of intentions: a field that was set to what it already held is not
//! in it (so is the id of an operation that was applied twice). A path's segment is an index where the document holds
//! an array, else a name; `MongoDB` 6.0 does not tell which it meant, the document does.

use mongodb::bson::{Bson, Document};
use thiserror::Error;

/// What an update did to a document.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Delta {
    /// Dotted path → the new value.
    pub updated: Document,
    /// Dotted paths that are gone.
    pub removed: Vec<String>,
    /// Dotted paths of arrays, with their new length.
    pub truncated: Vec<(String, usize)>,
}

/// The delta does not fit the document: the last known state was wrong.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("path {path} does not fit the last known document")]
pub struct Misfit {
    /// The path.
    pub path: String,
}

/// The longest run of nulls that an array may be filled up with; `MongoDB` itself allows 1,500,000 elements.
const PADDING_AT_MOST: usize = 1_500_000;

impl Delta {
    /// Applies the update: truncations first (elements written past the cut come with the same update), then removals,
    /// then values.
    ///
    /// # Errors
    /// When a path does not fit the document.
    pub fn apply(&self, document: &mut Document) -> Result<(), Misfit> {
        let misfit = |path: &str| Misfit { path: path.to_owned() };
        for (path, length) in &self.truncated {
            truncate(document, path, *length).ok_or_else(|| misfit(path))?;
        }
        for path in &self.removed {
            remove(document, path).ok_or_else(|| misfit(path))?;
        }
        for (path, value) in &self.updated {
            set(document, path, value.clone()).ok_or_else(|| misfit(path))?;
        }
        Ok(())
    }
}

fn truncate(document: &mut Document, path: &str, length: usize) -> Option<()> {
    let (parent, name) = descend(document, path)?;
    match child(parent, &name)? {
        Bson::Array(elements) if elements.len() >= length => elements.truncate(length),
        _ => return None,
    }
    Some(())
}

fn remove(document: &mut Document, path: &str) -> Option<()> {
    match descend(document, path)? {
        (Parent::Document(fields), name) => fields.remove(name).map(|_| ()),
        // An element cannot be removed from an array by a delta; `$unset` on one sets null and arrives as a value.
        (Parent::Array(_), _) => None,
    }
}

fn set(document: &mut Document, path: &str, value: Bson) -> Option<()> {
    match descend(document, path)? {
        (Parent::Document(fields), name) => {
            fields.insert(name, value);
        }
        (Parent::Array(elements), index) => {
            let index: usize = index.parse().ok().filter(|index| *index < PADDING_AT_MOST)?;
            if index >= elements.len() {
                elements.resize(index + 1, Bson::Null);
            }
            elements[index] = value;
        }
    }
    Some(())
}

/// What holds the last segment of a path.
enum Parent<'a> {
    Document(&'a mut Document),
    Array(&'a mut Vec<Bson>),
}

/// Walks to the holder of the path's last segment.
fn descend<'a>(document: &'a mut Document, path: &str) -> Option<(Parent<'a>, String)> {
    let mut parent = Parent::Document(document);
    let mut rest = path;
    while let Some((segment, further)) = rest.split_once('.') {
        // A name may hold a dot itself (`$setField`). A difference names a path only through what is there: what was
        // missing on the way comes as one whole value. So where the first part is no field, the rest is one name.
        if let Parent::Document(fields) = &parent
            && !fields.contains_key(segment)
        {
            break;
        }
        parent = match child(parent, segment)? {
            Bson::Document(fields) => Parent::Document(fields),
            Bson::Array(elements) => Parent::Array(elements),
            _ => return None,
        };
        rest = further;
    }
    Some((parent, rest.to_owned()))
}

fn child<'a>(parent: Parent<'a>, segment: &str) -> Option<&'a mut Bson> {
    match parent {
        Parent::Document(fields) => fields.get_mut(segment),
        Parent::Array(elements) => elements.get_mut(segment.parse::<usize>().ok()?),
    }
}

#[cfg(test)]
mod tests {
    use mongodb::bson::doc;

    use super::*;

    fn applied(mut document: Document, delta: &Delta) -> Result<Document, Misfit> {
        delta.apply(&mut document).map(|()| document)
    }

    #[test]
    fn a_dotted_path_reaches_into_documents_and_arrays() {
        let before = doc! { "a": { "b": 1, "c": [1, { "d": 2 }] }, "0": "a name, not an index" };
        let delta = Delta { updated: doc! { "a.b": 2, "a.c.1.d": 3, "0": "still a name" }, ..Delta::default() };
        assert_eq!(applied(before, &delta), Ok(doc! { "a": { "b": 2, "c": [1, { "d": 3 }] }, "0": "still a name" }));
    }

    #[test]
    fn an_index_past_the_end_appends_and_fills_the_gap_with_nulls() {
        let delta = Delta { updated: doc! { "list.1": 2, "list.4": 5 }, ..Delta::default() };
        assert_eq!(applied(doc! { "list": [1] }, &delta), Ok(doc! { "list": [1, 2, Bson::Null, Bson::Null, 5] }));
    }

    #[test]
    fn an_array_is_cut_before_its_elements_are_written() {
        let delta =
            Delta { updated: doc! { "list.1": 9 }, truncated: vec![("list".to_owned(), 2)], ..Delta::default() };
        assert_eq!(applied(doc! { "list": [1, 2, 3, 4] }, &delta), Ok(doc! { "list": [1, 9] }));
    }

    #[test]
    fn removed_fields_go_and_what_is_not_named_stays() {
        let delta = Delta { removed: vec!["a.b".to_owned(), "c".to_owned()], ..Delta::default() };
        assert_eq!(
            applied(doc! { "a": { "b": 1, "x": 2 }, "c": 3, "d": 4 }, &delta),
            Ok(doc! { "a": { "x": 2 }, "d": 4 })
        );
    }

    #[test]
    fn a_field_whose_name_holds_a_dot_is_found_or_made() {
        let delta = Delta { updated: doc! { "a.b": 2, "o.x.y": 3, "n.m": 4 }, ..Delta::default() };
        assert_eq!(
            applied(doc! { "a.b": 1, "o": { "x.y": 1 } }, &delta),
            Ok(doc! { "a.b": 2, "o": { "x.y": 3 }, "n.m": 4 })
        );
    }

    #[test]
    fn a_path_that_does_not_fit_is_said_and_not_guessed() {
        for delta in [
            Delta { updated: doc! { "a.b": 1 }, ..Delta::default() },
            Delta { updated: doc! { "list.x": 1 }, ..Delta::default() },
            Delta { removed: vec!["gone".to_owned()], ..Delta::default() },
            Delta { truncated: vec![("list".to_owned(), 3)], ..Delta::default() },
        ] {
            assert!(applied(doc! { "a": 1, "list": [1] }, &delta).is_err(), "{delta:?}");
        }
    }
}
