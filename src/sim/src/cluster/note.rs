//! What answers say about a key: reads, and the outcomes of writes.
//!
//! Where versions are not always kept a write is one of two registers: of what is current, and, if its answer says that it
//! made the null version, of that. As long as nobody knows it may have been either.

use super::client::{Client, null_register, register};
use super::gathering::Gathering;
use crate::book::{Book, VALUE_HEADER, version_of};
use crate::checks::{Failure, content};
use crate::client::Verdict;
use crate::history::{Call, Needs, Register, State};
use crate::ops::objects::denial_of;
use base::Id;
use base::id::kind;
use block::BlockError;
use model::objects::{Condition, Found, ObjectMeta, Want};
use model::rows::past::VersionId;
use model::{ByteRange, ModelError};
use std::time::Duration;
use store::StoreError;

/// Metadata that names a value.
pub fn meta_of(value: u64) -> ObjectMeta {
    ObjectMeta { headers: vec![(VALUE_HEADER.to_owned(), value.to_string())], ..ObjectMeta::default() }
}

/// The bytes of an object, or why they did not come.
type Content = Result<Vec<u8>, ModelError>;

/// What a read of a key came to.
pub struct Looked {
    /// What is there, and its content if that was wanted.
    pub found: Option<(Found, Option<Content>)>,
}

/// What is read of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// What is current.
    Current,
    /// The null version.
    Null,
}

/// Reads a key through a home; `Err(None)` when no answer came.
pub async fn read(
    homes: &Gathering,
    home: usize,
    (bucket, key, which): (Id<kind::Bucket>, &'static str, Which),
    (content, patience): (bool, Option<Duration>),
) -> Result<Looked, Option<ModelError>> {
    let (place, version) = match which {
        Which::Current => (register(key), None),
        Which::Null => (null_register(key), Some(VersionId::Null)),
    };
    let call = homes.book().history.call(place.clone(), Needs::Anything, None);
    let model_of = move |node: super::home::Member| async move {
        let want = if content { Want::Content } else { Want::Metadata };
        let Some(found) = node.model.look(bucket, key, version, want).await?.object() else {
            return Ok(None);
        };
        if !content {
            return Ok(Some((found, None)));
        }
        let mut reader = found.read(&node.model, ByteRange { start: 0, end: found.object.size });
        let mut bytes = Vec::new();
        let read = loop {
            match reader.next().await {
                Ok(Some(some)) => bytes.extend_from_slice(&some),
                Ok(None) => break Ok(bytes),
                Err(error) => break Err(error),
            }
        };
        Ok::<_, ModelError>(Some((found, Some(read))))
    };
    let answer = homes.ask(home, patience, model_of).await;
    let mut book = homes.book();
    match answer {
        Some(Ok(found)) => {
            let seen = match &found {
                None => Needs::Unseen,
                Some((found, bytes)) => judge(&mut book, &place, found, bytes.as_ref()),
            };
            book.history.observed(call, seen);
            Ok(Looked { found })
        }
        Some(Err(error)) => {
            book.history.never(call);
            drop(book);
            note_error(homes, "read", &error);
            Err(Some(error))
        }
        None => {
            book.history.never(call);
            Err(None)
        }
    }
}

/// Judges what was found: somebody wrote it, with this size, these bytes and this stamp.
pub fn judge(book: &mut Book, place: &Register, found: &Found, bytes: Option<&Content>) -> Needs {
    let etag = &found.object.etag;
    let what = format!("{place:?}");
    let (Some(version), Some(whole)) =
        (version_of(&found.object.headers, &etag.md5), book.contents.get(&etag.md5).cloned())
    else {
        book.fail(Failure::new("I5 content", format!("{what} shows what nobody wrote")));
        return Needs::Present;
    };
    // A completion that was sent again has a stamp of its own.
    if etag.parts.is_none() {
        book.history.saw_stamp(place.clone(), version, found.stamp);
    }
    let mut judged = content::check_size(&what, &whole, found.object.size);
    if let Some(Ok(bytes)) = bytes {
        let range = ByteRange { start: 0, end: whole.size() };
        judged = judged.and_then(|()| content::check(&what, &whole, range, bytes));
    }
    if let Err(failure) = judged {
        book.fail(failure);
    }
    Needs::Is(version)
}

/// GET or HEAD.
pub async fn look(client: &mut Client, which: Which, content: bool) -> Verdict {
    let (home, key, patience) = (client.pick_home(), client.pick_key(), client.pick_patience());
    let homes = client.homes.clone();
    match read(&homes, home, (client.bucket, key, which), (content, patience)).await {
        Ok(Looked { found: Some((_, Some(Err(error)))) }) => {
            note_error(&homes, "get", &error);
            Verdict::Failed
        }
        Ok(Looked { found: Some(_) }) => Verdict::Done,
        Ok(Looked { found: None }) => Verdict::Refused,
        Err(_) => Verdict::Failed,
    }
}

/// Writes down the answer to a write. Whatever is no refusal may happen at any later time.
pub fn settle_write(
    homes: &Gathering,
    write: KeyWrite,
    condition: &Condition,
    outcome: Option<Result<Made, ModelError>>,
) -> Verdict {
    let mut book = homes.book();
    match outcome {
        None => Verdict::Failed,
        Some(Ok(made)) => {
            write.done(&mut book, made);
            Verdict::Done
        }
        Some(Err(ModelError::ConditionFailed)) => {
            write.refused(&mut book, denial_of(condition));
            Verdict::Refused
        }
        Some(Err(ModelError::ConditionOnMissing)) => {
            write.refused(&mut book, Needs::Absent);
            Verdict::Refused
        }
        Some(Err(error)) => {
            if error.is_refusal() {
                write.never(&mut book);
            }
            drop(book);
            note_error(homes, "write", &error);
            Verdict::Failed
        }
    }
}

/// Which version an answer says was made; none where versions are not kept.
pub type Made = Option<VersionId>;

/// A write of a key that has begun.
#[derive(Debug, Clone, Copy)]
pub struct KeyWrite {
    current: Call,
    null: Option<Call>,
}

impl KeyWrite {
    /// Begins one.
    pub fn begin(homes: &Gathering, key: &str, needs: Needs, leaves: State) -> Self {
        let history = &mut homes.book().history;
        let current = history.call(register(key), needs, Some(leaves));
        let has_null = homes.plan.keeping.has_null_versions();
        let null = has_null.then(|| history.call(null_register(key), Needs::Anything, Some(leaves)));
        Self { current, null }
    }

    /// It happened. A version with a name leaves the null version alone.
    pub fn done(self, book: &mut Book, made: Made) {
        book.history.done(self.current);
        match (self.null, made) {
            (Some(null), Some(VersionId::Named(_))) => book.history.never(null),
            (Some(null), Some(VersionId::Null) | None) => book.history.done(null),
            (None, _) => {}
        }
    }

    /// It did not happen, and will not.
    pub fn never(self, book: &mut Book) {
        book.history.never(self.current);
        self.null.into_iter().for_each(|null| book.history.never(null));
    }

    /// It did not happen, since this was so.
    fn refused(self, book: &mut Book, because: Needs) {
        book.history.observed(self.current, because);
        self.null.into_iter().for_each(|null| book.history.never(null));
    }
}

/// Writes an error down; some must never come up.
pub fn note_error(homes: &Gathering, what: &str, error: &ModelError) {
    homes.note(&format!("  {what}: {error}"));
    let is_of_damage = matches!(
        error,
        ModelError::Damaged
            | ModelError::Store(StoreError::Unreadable { .. })
            | ModelError::Block(BlockError::Store(StoreError::Unreadable { .. }))
    );
    let is_bug = matches!(
        error,
        ModelError::Store(StoreError::Panicked)
            | ModelError::Block(
                BlockError::Store(StoreError::Panicked)
                    | BlockError::WrongHash { .. }
                    | BlockError::TooLarge { .. }
                    | BlockError::Unusable { .. }
            )
    );
    if is_bug || is_of_damage && !homes.may_rows_be_damaged() {
        homes.book().fail(Failure::new("errors make sense", format!("{what}: {error}")));
    }
}
