//! Listing objects page by page, and open uploads.

use crate::book::Known;
use crate::checks::Failure;
use crate::checks::listing;
use crate::client::{Client, Verdict};
use crate::history::{Call, Needs, Register};
use base::Id;
use base::id::kind;
use model::listing::{ListPage, ListQuery, Start};

/// Most entries of a page: small, so that pages end in the middle of things.
const LIMIT_MAX: usize = 5;

fn pick_query(client: &mut Client) -> ListQuery {
    let key = client.shared.plan.keys[client.random.below(client.shared.plan.keys.len() as u64) as usize];
    let characters = key.chars().count();
    let prefix = if client.chance(60) {
        String::new()
    } else {
        key.chars().take(client.below(characters + 1)).collect()
    };
    let delimiter = if client.chance(50) { Some("/".to_owned()) } else { None };
    let start = if client.chance(80) { Start::First } else { Start::After(key.to_owned()) };
    ListQuery { prefix, delimiter, start, limit: 1 + client.below(LIMIT_MAX) }
}

/// ListObjects, until the last page or until the client has seen enough.
pub async fn list(client: &mut Client) -> Verdict {
    let Some((bucket, id)) = client.pick_bucket() else { return Verdict::Idle };
    let mut query = pick_query(client);
    loop {
        let page = match page(client, (bucket, id), &query).await {
            Ok(page) => page,
            Err(verdict) => return verdict,
        };
        let Some(next) = page.next.clone() else { return Verdict::Done };
        query.start = match page.entries.last() {
            Some(last) if client.chance(30) => Start::After(listing::name_of(last).to_owned()),
            _ => Start::At(next),
        };
        client.pause(20).await;
        if client.chance(5) {
            return Verdict::Done;
        }
    }
}

/// One page, and what it says about each key.
async fn page(
    client: &mut Client,
    (bucket, id): (usize, Id<kind::Bucket>),
    query: &ListQuery,
) -> Result<ListPage, Verdict> {
    let keys = client.shared.plan.keys.clone();
    let calls: Vec<(&'static str, Call)> = {
        let mut book = client.book();
        let place = |key: &str| Register::Object { bucket, key: key.to_owned() };
        keys.iter().map(|key| (*key, book.history.call(place(key), Needs::Anything, None))).collect()
    };
    let model = client.shared.node.model.clone();
    match model.list_objects(id, query.clone()).await {
        Ok(page) => {
            let mut book = client.book();
            if let Err(failure) = listing::check_form(query, &page) {
                book.fail(failure);
            }
            for (key, call) in calls {
                match listing::says_about(query, &page, key) {
                    Some(needs) => book.history.observed(call, needs),
                    None => book.history.never(call),
                }
            }
            Ok(page)
        }
        Err(error) => Err(client.note_error("list", &error)),
    }
}

/// ListMultipartUploads: everything at once, against what is known of each upload.
pub async fn list_uploads(client: &mut Client) -> Verdict {
    let Some((bucket, id)) = client.pick_bucket() else { return Verdict::Idle };
    let closed = client.book().buckets.get(bucket).is_some_and(|note| note.deleted == Known::Yes);
    let model = client.shared.node.model.clone();
    let query = ListQuery { limit: 1000, ..ListQuery::default() };
    let page = match model.list_uploads(id, query, None).await {
        Ok(page) => page,
        Err(error) => return client.note_error("list uploads", &error),
    };
    let mut book = client.book();
    let sorted = page.uploads.windows(2).all(|pair| (&pair[0].key, pair[0].id) < (&pair[1].key, pair[1].id));
    let known = |id| book.uploads.iter().any(|upload| upload.id == id && upload.bucket == bucket);
    // An upload whose creation was never answered is listed all the same, once it is durable.
    let listed = page.uploads.iter().filter(|upload| known(upload.id)).count();
    if !sorted || page.truncated || (closed && listed > 0) {
        let detail = format!("uploads of bucket {bucket} (deleted: {closed}): {page:?}");
        book.fail(Failure::new("I4 listing", detail));
    }
    Verdict::Done
}
