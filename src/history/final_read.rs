//! The witness against the server: what the change stream made of each document must be what was read at the end.

use std::collections::BTreeMap;

use super::fold::Document;
use super::name::Names;
use super::schema::Schema;

/// At most this many differences are kept in words; all are counted.
const KEPT_AT_MOST: usize = 16;

/// What the final reads say about the fold of the witness.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FinalReads {
    /// Collections that were read to their end, with the announced number of documents.
    pub collections: Vec<String>,
    /// Where fold and final read differ, in the order of the schema, as plain sentences.
    pub differences: Vec<String>,
    /// How many differences there are.
    pub count: u64,
}

impl FinalReads {
    /// Compares; `ends` holds what each collection that was read to its end announced.
    pub(super) fn compare(schema: &Schema, names: &Names, documents: &[Document], ends: &BTreeMap<u16, u64>) -> Self {
        let mut reads = Self::default();
        let mut found = vec![0_u64; schema.collections.len()];
        let mut differences: Vec<(u16, String)> = Vec::new();
        let is_ended: Vec<bool> = (0_u16..).take(found.len()).map(|place| ends.contains_key(&place)).collect();
        for document in documents {
            let place = usize::from(document.collection);
            found[place] += u64::from(document.final_print.is_some());
            if !is_ended[place] || document.print == document.final_print {
                continue;
            }
            reads.count += 1;
            if differences.len() < KEPT_AT_MOST {
                let how = match (document.print, document.final_print) {
                    (Some(_), None) => "is there by the change stream and was not read at the end",
                    (None, Some(_)) => "was read at the end and is not there by the change stream",
                    _ => "differs between the change stream and the final read",
                };
                let sentence = format!("{}/{} {how}", schema.collections[place].name, names.text(document.id));
                differences.push((document.collection, sentence));
            }
        }
        for (collection, announced) in ends {
            let read = found[usize::from(*collection)];
            let name = &schema.collections[usize::from(*collection)].name;
            reads.collections.push(name.clone());
            if read != *announced {
                reads.count += 1;
                let sentence = format!("the final read of {name} announced {announced} documents and holds {read}");
                differences.push((*collection, sentence));
            }
        }
        differences.sort_by_key(|(collection, _)| *collection);
        reads.differences = differences.into_iter().map(|(_, sentence)| sentence).collect();
        reads
    }
}
