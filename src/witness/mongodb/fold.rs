//! Folds what the change stream tells into the last known state of every observed document.
//!
//! Memory: the last state of each document.

use std::collections::HashMap;

use mongodb::bson::{Bson, Document};
use thiserror::Error;

use super::delta::{Delta, Misfit};
use super::json::{canonical_id, id_text};

/// What happened to one document.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// It is now this, whatever it was: an insert, a replacement, a first read.
    Become(Document),
    /// It changed by a difference.
    Change(Delta),
    /// It is gone.
    Vanish,
}

/// The stream and the last known state contradict each other: the witness can no longer vouch for what it tells.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FoldError {
    /// An update or delete of a document that was never seen.
    #[error("a change of a document that was never seen ({collection}, _id {id})")]
    Unknown {
        /// The collection.
        collection: String,
        /// Its `_id`.
        id: String,
    },
    /// A difference that does not fit.
    #[error("{misfit} ({collection}, _id {id})")]
    Misfit {
        /// The collection.
        collection: String,
        /// Its `_id`.
        id: String,
        /// The path.
        misfit: Misfit,
    },
}

/// The last known state of every observed document.
#[derive(Debug, Default)]
pub struct Fold {
    /// Collection → `_id` → document. A BSON value has no hash of its own; its encoded bytes do.
    documents: HashMap<String, HashMap<Vec<u8>, Document>>,
}

impl Fold {
    /// Takes one step; returns the state after it, `None` where there is no document any more.
    ///
    /// # Errors
    /// When the step contradicts the last known state; the document is then unknown from here on.
    pub fn take(&mut self, collection: &str, id: &Bson, step: Step) -> Result<Option<&Document>, FoldError> {
        if !self.documents.contains_key(collection) {
            self.documents.insert(collection.to_owned(), HashMap::new());
        }
        let known = self.documents.get_mut(collection).expect("inserted above");
        let key = key(id);
        let unknown = || FoldError::Unknown { collection: collection.to_owned(), id: id_text(id) };
        match step {
            Step::Become(document) => {
                known.insert(key.clone(), document);
            }
            Step::Change(delta) => {
                if let Err(misfit) = delta.apply(known.get_mut(&key).ok_or_else(unknown)?) {
                    known.remove(&key);
                    return Err(FoldError::Misfit { collection: collection.to_owned(), id: id_text(id), misfit });
                }
            }
            Step::Vanish => {
                known.remove(&key).ok_or_else(unknown)?;
            }
        }
        Ok(known.get(&key))
    }

    /// The last known state of one document.
    pub fn get(&self, collection: &str, id: &Bson) -> Option<&Document> {
        self.documents.get(collection)?.get(&key(id))
    }

    /// The ids of the documents of one collection, in no order.
    pub fn ids(&self, collection: &str) -> Vec<Bson> {
        let documents = self.documents.get(collection);
        documents.into_iter().flat_map(HashMap::values).filter_map(|document| document.get("_id").cloned()).collect()
    }
}

fn key(id: &Bson) -> Vec<u8> {
    let mut document = Document::new();
    document.insert("_id", canonical_id(id));
    document.to_vec().expect("a document that came as BSON goes back to BSON")
}

#[cfg(test)]
mod tests {
    use mongodb::bson::doc;

    use super::*;

    fn change(updated: Document) -> Step {
        Step::Change(Delta { updated, ..Delta::default() })
    }

    #[test]
    fn an_equal_set_leaves_the_operation_id_of_the_write_before() {
        // Exactly what a double-apply looks like in the stream: the second delta comes without the id.
        let mut fold = Fold::default();
        let id = Bson::from("p");
        fold.take("stock", &id, Step::Become(doc! { "_id": "p", "left": 9, "v": 1, "by": "op-1" })).expect("insert");
        fold.take("stock", &id, change(doc! { "left": 8, "v": 2, "by": "op-2" })).expect("first");
        assert_eq!(fold.get("stock", &id), Some(&doc! { "_id": "p", "left": 8, "v": 2, "by": "op-2" }));
        let after = fold.take("stock", &id, change(doc! { "left": 7, "v": 3 })).expect("second");
        assert_eq!(after, Some(&doc! { "_id": "p", "left": 7, "v": 3, "by": "op-2" }));
    }

    #[test]
    fn a_change_of_an_unseen_document_is_said() {
        let mut fold = Fold::default();
        let id = Bson::from("p");
        for step in [change(doc! { "a": 1 }), Step::Vanish] {
            let error = fold.take("stock", &id, step).expect_err("never inserted");
            assert_eq!(error, FoldError::Unknown { collection: "stock".to_owned(), id: "p".to_owned() });
        }
    }

    #[test]
    fn a_text_and_a_number_that_look_alike_are_two_documents() {
        let mut fold = Fold::default();
        fold.take("c", &Bson::from("1"), Step::Become(doc! { "_id": "1" })).expect("text");
        fold.take("c", &Bson::from(1_i64), Step::Become(doc! { "_id": 1_i64 })).expect("number");
        fold.take("c", &Bson::from("1"), Step::Vanish).expect("the text goes");
        assert_eq!(fold.ids("c"), [Bson::from(1_i64)]);
    }

    #[test]
    fn a_number_is_the_same_id_whatever_its_type() {
        let mut fold = Fold::default();
        fold.take("c", &Bson::from(1_i64), Step::Become(doc! { "_id": 1_i64 })).expect("insert");
        fold.take("c", &Bson::from(1_i32), Step::Become(doc! { "_id": 1_i32, "a": 1 })).expect("replacement");
        let after = fold.take("c", &Bson::from(1.0), change(doc! { "a": 2 })).expect("update").cloned();
        assert_eq!(after, Some(doc! { "_id": 1_i32, "a": 2 }));
        assert_eq!(fold.ids("c").len(), 1);
    }

    #[test]
    fn after_a_misfit_the_document_is_unknown_rather_than_half_changed() {
        let mut fold = Fold::default();
        let id = Bson::from("p");
        fold.take("c", &id, Step::Become(doc! { "_id": "p", "a": 1 })).expect("insert");
        fold.take("c", &id, change(doc! { "b": 2, "a.y": 1 })).expect_err("a holds no fields");
        assert_eq!(fold.get("c", &id), None);
    }
}
