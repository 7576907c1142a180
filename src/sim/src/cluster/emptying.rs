//! At the end of a run every version is deleted, in any order, each through another home: then nothing may be left.
//!
//! Whenever one is gone the newest of those that are left is what is current.

use super::gathering::Gathering;
use super::home::Member;
use super::versions::calmly;
use crate::checks::Failure;
use base::Id;
use base::id::kind;
use env::sim::Generator;
use model::objects::{Condition, Deletion, Looked, Want};
use model::rows::past::VersionId;
use model::version_listing::{VersionEntry, VersionQuery};
use model::{Bypass, ModelError};

type Bucket = Id<kind::Bucket>;

/// Versions listed at once.
const PAGE: usize = 20;

/// A version: its key, which one, and whether it is an object.
type Named = (String, VersionId, bool);

/// Deletes every version there is.
pub async fn delete_all(homes: &Gathering, bucket: Bucket) -> Result<(), Failure> {
    let mut random = Generator::new(homes.plan.seed ^ 0x656d_7074);
    let members = homes.members();
    loop {
        let home = members[random.below(members.len() as u64) as usize];
        let page = calmly(homes, home, "a listing of versions", move |node| async move {
            node.model.list_versions(bucket, VersionQuery::all(PAGE)).await
        })
        .await?;
        let entries: Vec<Named> = page.entries.into_iter().filter_map(named).collect();
        let Some((key, ..)) = entries.first().cloned() else {
            homes.book().kept.clear();
            return Ok(());
        };
        let is_all = entries.len() < PAGE || entries.iter().any(|entry| entry.0 != key);
        let mut of_key: Vec<Named> = entries.into_iter().filter(|entry| entry.0 == key).collect();
        while of_key.len() > usize::from(!is_all) {
            let entry = of_key.remove(random.below(of_key.len() as u64) as usize);
            let home = members[random.below(members.len() as u64) as usize];
            delete(homes, home, bucket, entry).await?;
            let home = members[random.below(members.len() as u64) as usize];
            check_current(homes, home, (bucket, &key), of_key.first()).await?;
        }
        homes.stop_on_failure()?;
    }
}

fn named(entry: VersionEntry) -> Option<Named> {
    match entry {
        VersionEntry::Object { id, listed, .. } => Some((listed.key, id, true)),
        VersionEntry::Marker { key, id, .. } => Some((key, id, false)),
        VersionEntry::Prefix(_) => None,
    }
}

async fn delete(
    homes: &Gathering,
    home: usize,
    bucket: Bucket,
    (key, id, is_object): Named,
) -> Result<(), Failure> {
    if homes.plan.keeping.has_locks() && is_object {
        let named = (key.clone(), Some(id));
        calmly(homes, home, "an end of a legal hold", move |node: Member| {
            let named = named.clone();
            async move {
                match node.model.set_object_legal_hold(bucket, named, false).await {
                    // An answer of before did not come.
                    Err(ModelError::NoSuchVersion) => Ok(()),
                    other => other.map(drop),
                }
            }
        })
        .await?;
    }
    let deletion = Deletion { key, version: Some(id), condition: Condition::Always, bypass: Bypass::Nothing };
    let delete = move |node: Member| {
        let deletion = deletion.clone();
        async move { node.model.delete_object(bucket, deletion).await }
    };
    calmly(homes, home, "a deletion of a version", delete).await.map(drop)
}

/// What is current is the newest version that is left.
async fn check_current(
    homes: &Gathering,
    home: usize,
    (bucket, key): (Bucket, &str),
    newest: Option<&Named>,
) -> Result<(), Failure> {
    let wanted = key.to_owned();
    let looked = calmly(homes, home, "a look at what is current", move |node: Member| {
        let wanted = wanted.clone();
        async move { node.model.look(bucket, &wanted, None, Want::Metadata).await }
    })
    .await?;
    let seen = match looked {
        Looked::Object(found) => Some((found.version, true)),
        Looked::Marker(id, _) => Some((id, false)),
        Looked::Nothing => None,
    };
    if seen == newest.map(|(_, id, is_object)| (*id, *is_object)) {
        return Ok(());
    }
    let detail = format!("home {home} shows {seen:?} of {key:?}, where {newest:?} is left");
    Err(Failure::new("what is left is current", detail))
}
