//! Names: what the directory shows of buckets and access keys is what was acknowledged.

use super::Failure;
use crate::book::Book;
use crate::node::Node;

const PROPERTY: &str = "names";

/// Judges the directory while nobody changes it.
pub fn check(node: &Node, book: &Book) -> Result<(), Failure> {
    let names = node.model.names();
    for note in &book.buckets {
        let shown = names.buckets.contains_key(&note.id);
        if !note.deleted.allows(!shown) {
            return Err(Failure::new(PROPERTY, format!("bucket {} is shown: {shown}; {note:?}", note.id)));
        }
        if shown && names.aliases.get(&note.name) != Some(&note.id) {
            return Err(Failure::new(PROPERTY, format!("bucket {} has lost its name; {note:?}", note.id)));
        }
    }
    for (id, note) in &book.keys {
        let shown = names.keys.get(id);
        let right = note.deleted.allows(shown.is_none())
            && shown.is_none_or(|row| note.may_create.allows(row.may_create_buckets.value));
        if !right {
            return Err(Failure::new(PROPERTY, format!("access key {id} is shown as {shown:?}; {note:?}")));
        }
    }
    Ok(())
}
