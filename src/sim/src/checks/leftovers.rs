//! I9: once everything has settled and the grace is over, nothing is left that nobody needs: no
//! block file, body, reference, part or inline bytes without an owner, no work in a queue.

use super::{Failure, counters, unreadable};
use crate::node::Node;
use base::id::kind;
use base::{BlockHash, Id};
use env::Disk;
use model::rows::object::{Body, ObjectRow};
use model::rows::reference::{self, ReferenceRow, Referrer, Target};
use model::rows::upload::{self, PartRow, UploadRow, UploadState};
use model::rows::version::{self, Contents, VersionRow};
use std::collections::BTreeSet;
use std::ops::{Bound, ControlFlow};
use std::path::Path;
use store::{Read, Space, Step, StoreError, View};

const PROPERTY: &str = "I9 nothing left over";

/// Spaces that are empty once everything has settled.
const QUEUES: [Space; 3] = [Space::Outbox, Space::Tombstone, Space::Pending];

/// What is needed, walked from the roots: live objects and open uploads.
#[derive(Default)]
struct Needed {
    inline: BTreeSet<Vec<u8>>,
    bodies: BTreeSet<Id<kind::Body>>,
    uploads: BTreeSet<Vec<u8>>,
    references: BTreeSet<Vec<u8>>,
    blocks: BTreeSet<BlockHash>,
}

/// Checks a node at rest whose queues have been worked off.
pub fn check(node: &Node, rotten: &BTreeSet<BlockHash>) -> Result<(), Failure> {
    let view = node.store.view().map_err(unreadable(PROPERTY))?;
    for space in QUEUES {
        expect_empty(&view, space)?;
    }
    let needed = needed(&view).map_err(unreadable(PROPERTY))?;
    check_rows(&view, &needed)?;
    check_queue_of_blocks(&view, rotten)?;
    check_files(node, &needed)
}

/// No body is marked as unfinished: the start has judged them all.
pub fn check_no_pending(node: &Node) -> Result<(), Failure> {
    let view = node.store.view().map_err(unreadable(PROPERTY))?;
    expect_empty(&view, Space::Pending)
}

fn expect_empty(view: &View, space: Space) -> Result<(), Failure> {
    match keys(view, space)?.first() {
        None => Ok(()),
        Some(key) => Err(left(space, key)),
    }
}

fn left(space: Space, key: &[u8]) -> Failure {
    Failure::new(PROPERTY, format!("a row of {} under {}", space.name(), base::id::encode_hex(key)))
}

fn keys(view: &View, space: Space) -> Result<Vec<Vec<u8>>, Failure> {
    let mut keys = Vec::new();
    view.scan(space, Bound::Unbounded, Bound::Unbounded, &mut |key, _| {
        keys.push(key.to_vec());
        ControlFlow::Continue(())
    })
    .map_err(unreadable(PROPERTY))?;
    Ok(keys)
}

fn needed(view: &View) -> Result<Needed, StoreError> {
    let mut needed = Needed::default();
    view.walk(Space::Object, &[], None, &mut |key, row: ObjectRow| {
        match row.live().map(|object| &object.body) {
            Some(Body::Inline(_)) => _ = needed.inline.insert(key.to_vec()),
            Some(Body::Blocks(id, _) | Body::Rows(id) | Body::Composite(id)) => _ = needed.bodies.insert(*id),
            None => {}
        }
        Step::Next
    })?;
    view.walk(Space::Upload, &[], None, &mut |key, row: UploadRow| {
        if row.state == UploadState::Open {
            needed.uploads.insert(key.to_vec());
        }
        Step::Next
    })?;
    view.walk(Space::Part, &[], None, &mut |key, row: PartRow| {
        let upload: Option<[u8; 32]> = key.get(..32).and_then(|bytes| bytes.try_into().ok());
        if let Some(upload) = upload.filter(|upload| needed.uploads.contains(upload.as_slice())) {
            needed.bodies.insert(row.body);
            let referrer = Referrer::Upload(Id::from_bytes(upload));
            needed.references.insert(reference::row_key(Target::Body(row.body), referrer));
        }
        Step::Next
    })?;
    let mut todo: Vec<Id<kind::Body>> = needed.bodies.iter().copied().collect();
    while let Some(body) = todo.pop() {
        for contents in contents_of(view, &body)? {
            let referrer = Referrer::Body(body);
            match contents {
                Contents::Blocks(pieces) => {
                    for piece in pieces {
                        needed.blocks.insert(piece.hash);
                        needed.references.insert(reference::row_key(Target::Block(piece.hash), referrer));
                    }
                }
                Contents::Parts(parts) => {
                    for part in parts {
                        needed.references.insert(reference::row_key(Target::Body(part.body), referrer));
                        if needed.bodies.insert(part.body) {
                            todo.push(part.body);
                        }
                    }
                }
            }
        }
    }
    Ok(needed)
}

fn contents_of(view: &View, body: &Id<kind::Body>) -> Result<Vec<Contents>, StoreError> {
    let mut contents = Vec::new();
    let end = table::sort_key::after_prefix(body.as_bytes());
    view.walk(Space::Version, &version::row_key(body, 0), end.as_deref(), &mut |_, row: VersionRow| {
        contents.push(row.contents);
        Step::Next
    })?;
    Ok(contents)
}

fn check_rows(view: &View, needed: &Needed) -> Result<(), Failure> {
    let needed_upload = |key: &[u8]| key.get(..32).is_some_and(|upload| needed.uploads.contains(upload));
    let body_of = |key: &[u8]| version::parse_row_key(key).map(|(body, _)| body);
    let is_needed = |space: Space, key: &[u8]| match space {
        Space::Inline => needed.inline.contains(key),
        Space::Version => body_of(key).is_some_and(|body| needed.bodies.contains(&body)),
        Space::BlockRef => needed.references.contains(key),
        Space::Upload | Space::Part => needed_upload(key),
        Space::UploadIndex => upload::parse_index_key(key)
            .is_some_and(|(_, id)| needed.uploads.contains(id.as_bytes().as_slice())),
        _ => true,
    };
    let spaces =
        [Space::Inline, Space::Version, Space::BlockRef, Space::Upload, Space::Part, Space::UploadIndex];
    for space in spaces {
        if let Some(key) = keys(view, space)?.iter().find(|key| !is_needed(space, key)) {
            return Err(left(space, key));
        }
    }
    let unreadable = unreadable(PROPERTY);
    let held: BTreeSet<BlockHash> = counters::references(view).map_err(&unreadable)?.into_keys().collect();
    if held != needed.blocks {
        return Err(Failure::new(PROPERTY, "blocks are held that no body lists, or listed and not held"));
    }
    let mut dead = None;
    view.walk(Space::Version, &[], None, &mut |key, row: VersionRow| {
        dead = row.dead.then(|| left(Space::Version, key));
        if dead.is_some() { Step::Stop } else { Step::Next }
    })
    .map_err(&unreadable)?;
    view.walk(Space::BlockRef, &[], None, &mut |key, row: ReferenceRow| {
        if row.removed {
            dead = Some(left(Space::BlockRef, key));
        }
        Step::Next
    })
    .map_err(&unreadable)?;
    let counted = counters::counted_blocks(view).map_err(&unreadable)?;
    if let Some(hash) = counted.iter().find(|hash| !needed.blocks.contains(hash)) {
        return Err(Failure::new(PROPERTY, format!("a count of block {hash}, which nothing needs")));
    }
    dead.map_or(Ok(()), Err)
}

/// Only blocks that were damaged on purpose are still looked for.
fn check_queue_of_blocks(view: &View, rotten: &BTreeSet<BlockHash>) -> Result<(), Failure> {
    for key in keys(view, Space::Resync)? {
        let hash = key.get(8..).and_then(|hash| hash.try_into().ok()).map(BlockHash::from_bytes);
        if !hash.is_some_and(|hash| rotten.contains(&hash)) {
            return Err(left(Space::Resync, &key));
        }
    }
    Ok(())
}

/// Block files are those of needed blocks, and nothing is half written.
fn check_files(node: &Node, needed: &Needed) -> Result<(), Failure> {
    for (name, path) in block_files(node.env.disk.as_ref(), &node.folders)? {
        let digits = name.split('.').next().unwrap_or_default();
        if !BlockHash::from_hex(digits).is_some_and(|hash| needed.blocks.contains(&hash)) {
            return Err(Failure::new(PROPERTY, format!("the file {path}")));
        }
    }
    Ok(())
}

/// Every file below `blocks/` and `tmp/`: its name and its path.
fn block_files(disk: &dyn Disk, folders: &[std::path::PathBuf]) -> Result<Vec<(String, String)>, Failure> {
    let list = |path: &Path| {
        disk.list(path).map_err(|error| Failure::new(PROPERTY, format!("{}: {error}", path.display())))
    };
    let mut files = Vec::new();
    for folder in folders {
        let mut inside = list(&folder.join("tmp"))?;
        for entry in list(&folder.join("blocks"))? {
            inside.extend(if entry.is_dir { list(&entry.path)? } else { vec![entry] });
        }
        files.extend(inside.into_iter().map(|entry| {
            let name = entry.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            (name, entry.path.display().to_string())
        }));
    }
    Ok(files)
}
