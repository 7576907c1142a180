//! Buckets and access keys: made, changed and deleted, one change at a time.

use crate::book::{Book, BucketNote, KeyNote, Known};
use crate::checks::Failure;
use crate::client::{Client, Verdict, open};
use crate::history::{Needs, State};
use base::BucketName;
use model::ModelError;
use model::admin::KeyChange;
use std::sync::{Arc, Mutex};

/// Names in use.
const NAMES: [&str; 2] = ["first", "second"];

/// One administrator at a time.
struct Administrating(Arc<Mutex<Book>>);

impl Administrating {
    fn begin(client: &Client) -> Option<Self> {
        let mut book = client.book();
        if std::mem::replace(&mut book.administrating, true) {
            return None;
        }
        Some(Self(Arc::clone(&client.shared.book)))
    }
}

impl Drop for Administrating {
    fn drop(&mut self) {
        open(&self.0).administrating = false;
    }
}

/// CreateBucket, under a name that is free, as far as is known.
pub async fn create_bucket(client: &mut Client) -> Verdict {
    let Some(_only) = Administrating::begin(client) else { return Verdict::Idle };
    let names = client.shared.node.model.names();
    let free = NAMES.into_iter().find(|name| !names.aliases.contains_key(*name));
    let Some(name) = free.and_then(|name| BucketName::parse(name).ok()) else { return Verdict::Idle };
    let model = client.shared.node.model.clone();
    match model.create_bucket(Some(name.clone()), None).await {
        Ok(id) => {
            let shown = client.shared.node.model.names().aliases.get(name.as_str()).copied();
            let mut book = client.book();
            book.buckets.push(BucketNote { id, deleted: Known::No, name: name.as_str().to_owned() });
            if shown != Some(id) {
                book.fail(Failure::new(
                    "names",
                    format!("bucket {id} was made as {name:?}, which means {shown:?}"),
                ));
            }
            Verdict::Done
        }
        // The change before this one was cut off, and happened all the same.
        Err(ModelError::BucketNameTaken) => Verdict::Refused,
        Err(error) => client.note_error("create bucket", &error),
    }
}

/// DeleteBucket.
pub async fn delete_bucket(client: &mut Client) -> Verdict {
    let Some(_only) = Administrating::begin(client) else { return Verdict::Idle };
    let Some((bucket, id)) = client.pick_bucket() else { return Verdict::Idle };
    let calls: Vec<_> = {
        let mut book = client.book();
        book.buckets[bucket].deleted = match book.buckets[bucket].deleted {
            Known::No => Known::Either,
            known => known,
        };
        let places = book.registers_of_bucket(bucket, &client.shared.plan.keys);
        let needs = |place: &_| match place {
            crate::history::Register::Object { .. } | crate::history::Register::Null { .. } => Needs::Absent,
            crate::history::Register::Part { .. } => Needs::Anything,
        };
        places
            .into_iter()
            .map(|place| (needs(&place), place))
            .map(|(needs, place)| book.history.call(place, needs, Some(State::Gone)))
            .collect()
    };
    let model = client.shared.node.model.clone();
    let outcome = model.delete_bucket(id).await;
    let shown = model.names().buckets.contains_key(&id);
    let mut book = client.book();
    match outcome {
        Ok(()) => {
            calls.into_iter().for_each(|call| book.history.done(call));
            book.buckets[bucket].deleted = Known::Yes;
            if shown {
                book.fail(Failure::new("names", format!("bucket {id} was deleted and is still there")));
            }
            Verdict::Done
        }
        Err(ModelError::BucketNotEmpty) => {
            calls.into_iter().for_each(|call| book.history.never(call));
            book.buckets[bucket].deleted = Known::No;
            Verdict::Refused
        }
        Err(ModelError::NoSuchBucket) => {
            calls.into_iter().for_each(|call| book.history.never(call));
            book.buckets[bucket].deleted = Known::Yes;
            Verdict::Refused
        }
        Err(error) => {
            drop(book);
            calls.into_iter().for_each(|call| _ = client.settle_error(call, "delete bucket", &error));
            Verdict::Failed
        }
    }
}

/// Makes, changes or deletes an access key.
pub async fn change_key(client: &mut Client) -> Verdict {
    let Some(_only) = Administrating::begin(client) else { return Verdict::Idle };
    let live: Vec<String> = {
        let book = client.book();
        book.keys.iter().filter(|(_, note)| note.deleted == Known::No).map(|(id, _)| id.clone()).collect()
    };
    let model = client.shared.node.model.clone();
    if live.is_empty() || client.chance(40) {
        return match model.create_key("sim".to_owned()).await {
            Ok(id) => {
                client.book().keys.insert(id, KeyNote { deleted: Known::No, may_create: Known::No });
                check_keys(client);
                Verdict::Done
            }
            Err(error) => client.note_error("create key", &error),
        };
    }
    let id = live[client.below(live.len())].clone();
    let deletes = client.chance(40);
    let may_create = client.chance(50);
    if let Some(note) = client.book().keys.get_mut(&id) {
        // Until the answer is here, both are possible.
        *(if deletes { &mut note.deleted } else { &mut note.may_create }) = Known::Either;
    }
    let outcome = if deletes {
        model.delete_key(id.clone()).await
    } else {
        let change = KeyChange { may_create_buckets: Some(may_create), ..KeyChange::default() };
        model.update_key(id.clone(), change).await
    };
    match outcome {
        Ok(()) => {
            if let Some(note) = client.book().keys.get_mut(&id) {
                if deletes {
                    note.deleted = Known::Yes;
                } else {
                    note.may_create = Known::seen(may_create);
                }
            }
            check_keys(client);
            Verdict::Done
        }
        Err(ModelError::NoSuchAccessKey) => Verdict::Refused,
        Err(error) => client.note_error("change key", &error),
    }
}

fn check_keys(client: &Client) {
    let node = client.shared.node.clone();
    let mut book = client.book();
    if let Err(failure) = crate::checks::names::check(&node, &book) {
        book.fail(failure);
    }
}
