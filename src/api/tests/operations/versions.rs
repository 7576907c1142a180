//! Versions over HTTP: what names one, what answers show of it, which errors clients decide by, and who may.

use super::calls::{TAGS, VERSIONING, form, part_list};
use super::client::{Answer, Req};
use super::home::{CONTENT, Home, Shelf, Who};
use Who::{Reader, Root, Stranger, Writer};

const UNKNOWN: &str = "0123456789abcdef0123456789abcdef";

fn at(method: &str, shelf: &Shelf, key: &str) -> Req {
    Req::new(method, &format!("/{}/{key}", shelf.bucket))
}

fn of_bucket(method: &str, shelf: &Shelf, query: &str) -> Req {
    Req::new(method, &format!("/{}", shelf.bucket)).query(query, "")
}

async fn set_versioning(home: &Home, shelf: &Shelf, status: &str) {
    let document = VERSIONING.replace("Enabled", status);
    let answer = home.root(&of_bucket("PUT", shelf, "versioning").body(document.as_bytes())).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// A shelf whose bucket keeps versions from now on.
async fn versioned(home: &Home) -> Shelf {
    let shelf = home.shelf().await;
    set_versioning(home, &shelf, "Enabled").await;
    shelf
}

fn id_of(answer: &Answer) -> String {
    answer.header("x-amz-version-id").unwrap_or_default().to_owned()
}

/// Stores a body; the version that it is.
async fn put(home: &Home, shelf: &Shelf, key: &str, body: &[u8]) -> String {
    let answer = home.root(&at("PUT", shelf, key).body(body)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    id_of(&answer)
}

async fn delete(home: &Home, shelf: &Shelf, key: &str) -> Answer {
    let answer = home.root(&at("DELETE", shelf, key)).await;
    assert_eq!(answer.status, 204, "{}", answer.text());
    answer
}

/// The ids of a key's versions, the newest first.
async fn ids(home: &Home, shelf: &Shelf, key: &str) -> Vec<String> {
    let answer = home.root(&of_bucket("GET", shelf, "versions").query("prefix", key)).await;
    let text = answer.text();
    let ids = text.split("<VersionId>").skip(1).filter_map(|rest| rest.split('<').next());
    ids.map(str::to_owned).collect()
}

fn assert_code(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status, answer.code().as_str()), (status, code), "{}", answer.text());
}

#[tokio::test(start_paused = true)]
async fn each_version_is_read_by_its_id_and_shown() {
    let home = Home::new().await;
    let shelf = versioned(&home).await;
    let first = put(&home, &shelf, "k", b"first").await;
    let second = put(&home, &shelf, "k", b"second").await;
    assert_eq!(ids(&home, &shelf, "k").await, [second.clone(), first.clone()]);
    let cases: [(&str, &[u8]); 3] = [(&first, b"first"), (&second, b"second"), ("", b"second")];
    for (id, body) in cases {
        let named = |method| match id {
            "" => at(method, &shelf, "k"),
            id => at(method, &shelf, "k").query("versionId", id),
        };
        let shown = if id.is_empty() { second.as_str() } else { id };
        let read = home.root(&named("GET")).await;
        assert_eq!((read.status, read.body.as_slice(), id_of(&read).as_str()), (200, body, shown));
        let head = home.root(&named("HEAD")).await;
        assert_eq!((id_of(&head), head.header("etag")), (shown.to_owned(), read.header("etag")));
        let fresh = named("GET").header("if-none-match", read.header("etag").unwrap());
        assert_eq!(home.root(&fresh).await.status, 304);
        let range = home.root(&named("GET").header("range", "bytes=1-2")).await;
        assert_eq!((range.status, range.body.as_slice(), id_of(&range).as_str()), (206, &body[1..3], shown));
        let part = home.root(&named("GET").query("partNumber", "1")).await;
        assert_eq!((part.body.as_slice(), id_of(&part).as_str()), (body, shown));
        let attributes = named("GET").query("attributes", "").header("x-amz-object-attributes", "ObjectSize");
        let attributes = home.root(&attributes).await;
        assert_eq!(
            (attributes.xml("ObjectSize"), id_of(&attributes)),
            (body.len().to_string(), shown.to_owned())
        );
    }
    let before = home.root(&at("GET", &shelf, "thing").query("versionId", "null")).await;
    assert_eq!((before.body.as_slice(), id_of(&before).as_str()), (CONTENT, "null"), "what was there before");
}

#[tokio::test(start_paused = true)]
async fn without_versions_no_answer_speaks_of_them() {
    let home = Home::new().await;
    let shelf = home.shelf().await;
    let named = |method: &str| at(method, &shelf, "thing").query("versionId", "null");
    for request in [at("PUT", &shelf, "thing").body(CONTENT), at("GET", &shelf, "thing"), named("HEAD")] {
        let answer = home.root(&request).await;
        assert_eq!((answer.status, id_of(&answer).as_str()), (200, ""));
    }
    assert_code(
        &home.root(&at("GET", &shelf, "thing").query("versionId", UNKNOWN)).await,
        404,
        "NoSuchVersion",
    );
    let other = named("DELETE").header("if-match", "\"other\"");
    assert_code(&home.root(&other).await, 412, "PreconditionFailed");
    let answer = home.root(&named("DELETE")).await;
    let shown = (answer.status, id_of(&answer), answer.header("x-amz-delete-marker").is_some());
    assert_eq!(shown, (204, String::new(), false));
    assert_code(&home.root(&at("GET", &shelf, "thing")).await, 404, "NoSuchKey");
}

#[tokio::test(start_paused = true)]
async fn a_delete_marker_hides_and_can_be_removed() {
    let home = Home::new().await;
    let shelf = versioned(&home).await;
    let first = put(&home, &shelf, "k", b"first").await;
    let deleted = delete(&home, &shelf, "k").await;
    let marker = id_of(&deleted);
    assert_eq!(deleted.header("x-amz-delete-marker"), Some("true"));
    let hidden = home.root(&at("GET", &shelf, "k")).await;
    assert_code(&hidden, 404, "NoSuchKey");
    assert_eq!((hidden.header("x-amz-delete-marker"), id_of(&hidden)), (Some("true"), marker.clone()));
    let head = home.root(&at("HEAD", &shelf, "k")).await;
    assert_eq!((head.status, head.header("x-amz-delete-marker")), (404, Some("true")));
    for method in ["GET", "HEAD"] {
        let named = home.root(&at(method, &shelf, "k").query("versionId", &marker)).await;
        assert!(named.is_refusal(method, 405, "MethodNotAllowed"), "{named:?}");
        assert_eq!(
            (named.header("allow"), named.header("x-amz-delete-marker")),
            (Some("DELETE"), Some("true"))
        );
        assert!(named.header("last-modified").is_some() && id_of(&named) == marker);
    }
    for (method, body) in [("GET", ""), ("PUT", TAGS), ("DELETE", "")] {
        let tags =
            at(method, &shelf, "k").query("tagging", "").query("versionId", &marker).body(body.as_bytes());
        let answer = home.root(&tags).await;
        assert_code(&answer, 405, "MethodNotAllowed");
        assert_eq!(answer.header("x-amz-delete-marker"), Some("true"));
        let current = home.root(&at(method, &shelf, "k").query("tagging", "").body(body.as_bytes())).await;
        assert_code(&current, 405, "MethodNotAllowed");
        assert_eq!(current.header("x-amz-delete-marker"), Some("true"));
    }
    let copy = at("PUT", &shelf, "copy");
    let source = format!("{}/k", shelf.bucket);
    assert_code(&home.root(&copy.clone().header("x-amz-copy-source", &source)).await, 404, "NoSuchKey");
    let named = copy.clone().header("x-amz-copy-source", format!("{source}?versionId={marker}"));
    assert_code(&home.root(&named).await, 400, "InvalidRequest");
    let gone = home.root(&at("DELETE", &shelf, "k").query("versionId", &marker)).await;
    assert_eq!((gone.status, id_of(&gone), gone.header("x-amz-delete-marker")), (204, marker, Some("true")));
    let back = home.root(&at("GET", &shelf, "k")).await;
    assert_eq!((back.body.as_slice(), id_of(&back)), (&b"first"[..], first));
}

#[tokio::test(start_paused = true)]
async fn suspended_the_null_version_is_replaced_and_the_others_stay() {
    let home = Home::new().await;
    let shelf = versioned(&home).await;
    let first = put(&home, &shelf, "k", b"first").await;
    set_versioning(&home, &shelf, "Suspended").await;
    assert_eq!(home.root(&of_bucket("GET", &shelf, "versioning")).await.xml("Status"), "Suspended");
    assert_eq!(put(&home, &shelf, "k", b"null").await, "null");
    assert_eq!(put(&home, &shelf, "k", b"null again").await, "null");
    assert_eq!(ids(&home, &shelf, "k").await, ["null", first.as_str()]);
    let deleted = delete(&home, &shelf, "k").await;
    assert_eq!((id_of(&deleted).as_str(), deleted.header("x-amz-delete-marker")), ("null", Some("true")));
    assert_eq!(ids(&home, &shelf, "k").await, ["null", first.as_str()]);
    let old = home.root(&at("GET", &shelf, "k").query("versionId", &first)).await;
    assert_eq!(old.body, b"first");
}

#[tokio::test(start_paused = true)]
async fn ids_that_are_none_and_places_where_none_belongs_are_refused() {
    let home = Home::new().await;
    let shelf = versioned(&home).await;
    let first = put(&home, &shelf, "k", b"first").await;
    for method in ["GET", "HEAD", "DELETE"] {
        for id in ["", "none", "Null", &first.to_uppercase(), &first[1..]] {
            let answer = home.root(&at(method, &shelf, "k").query("versionId", id)).await;
            assert!(answer.is_refusal(method, 400, "InvalidArgument"), "{method} {id}: {answer:?}");
        }
    }
    assert_code(&home.root(&at("GET", &shelf, "k").query("versionId", UNKNOWN)).await, 404, "NoSuchVersion");
    let gone = home.root(&at("DELETE", &shelf, "k").query("versionId", UNKNOWN)).await;
    assert_eq!((gone.status, id_of(&gone).as_str()), (204, UNKNOWN), "nothing there is fine");
    let placed = [
        at("PUT", &shelf, "k").body(b"x"),
        at("POST", &shelf, "k").query("uploads", ""),
        of_bucket("GET", &shelf, "versions"),
        at("PUT", &shelf, "copy").header("x-amz-copy-source", format!("{}/k", shelf.bucket)),
    ];
    for request in placed {
        assert_code(&home.root(&request.query("versionId", &first)).await, 400, "InvalidArgument");
    }
    for source in ["?versionId=", "?versionId=none", &format!("?versionId={first}&more")] {
        let copy =
            at("PUT", &shelf, "copy").header("x-amz-copy-source", format!("{}/k{source}", shelf.bucket));
        assert_code(&home.root(&copy).await, 400, "InvalidArgument");
    }
    let unknown = format!("{}/k?versionId={UNKNOWN}", shelf.bucket);
    assert_code(
        &home.root(&at("PUT", &shelf, "c").header("x-amz-copy-source", unknown)).await,
        404,
        "NoSuchVersion",
    );
    for (document, status, code) in [
        (VERSIONING.replace("Enabled", "Off"), 400, "MalformedXML"),
        (VERSIONING.replace("Status", "State"), 400, "MalformedXML"),
        ("<VersioningConfiguration/>".to_owned(), 400, "IllegalVersioningConfigurationException"),
        (VERSIONING.replace("</V", "<MfaDelete>Enabled</MfaDelete></V"), 501, "NotImplemented"),
    ] {
        let answer = home.root(&of_bucket("PUT", &shelf, "versioning").body(document.as_bytes())).await;
        assert_code(&answer, status, code);
    }
    let list = of_bucket("GET", &shelf, "versions");
    assert_code(&home.root(&list.clone().query("version-id-marker", &first)).await, 400, "InvalidArgument");
    let odd = list.query("key-marker", "k").query("version-id-marker", "odd");
    assert_code(&home.root(&odd).await, 400, "InvalidArgument");
}

#[tokio::test(start_paused = true)]
async fn an_older_version_is_restored_by_a_copy_onto_itself() {
    let home = Home::new().await;
    let shelf = versioned(&home).await;
    let first = put(&home, &shelf, "k", b"first").await;
    put(&home, &shelf, "k", b"second").await;
    let source = format!("{}/k?versionId={first}", shelf.bucket);
    let copied = home.root(&at("PUT", &shelf, "k").header("x-amz-copy-source", &source)).await;
    assert_eq!(copied.status, 200, "{}", copied.text());
    assert_eq!(copied.header("x-amz-copy-source-version-id"), Some(first.as_str()));
    let read = home.root(&at("GET", &shelf, "k")).await;
    assert_eq!((read.body.as_slice(), id_of(&read)), (&b"first"[..], id_of(&copied)));
    assert_eq!(ids(&home, &shelf, "k").await.len(), 3);
    let itself = at("PUT", &shelf, "k").header("x-amz-copy-source", format!("{}/k", shelf.bucket));
    assert_code(&home.root(&itself).await, 400, "InvalidRequest");
    let part = at("PUT", &shelf, "parts").query("partNumber", "2").query("uploadId", &shelf.upload);
    let part = home.root(&part.header("x-amz-copy-source", &source)).await;
    assert_eq!((part.status, part.header("x-amz-copy-source-version-id")), (200, Some(first.as_str())));
}

#[tokio::test(start_paused = true)]
async fn uploads_and_forms_tell_the_version_that_they_made() {
    let home = Home::new().await;
    let shelf = versioned(&home).await;
    let complete = at("POST", &shelf, "parts").query("uploadId", &shelf.upload);
    let complete = complete.body(part_list(&shelf).as_bytes());
    let (done, again) = (home.root(&complete).await, home.root(&complete).await);
    assert_eq!(done.status, 200, "{}", done.text());
    assert_eq!(ids(&home, &shelf, "parts").await, [id_of(&done)]);
    assert_eq!((again.status, id_of(&again)), (200, id_of(&done)), "completing is idempotent");
    let posted = home.root(&form(&shelf, &[("key", "posted")], b"x")).await;
    assert_eq!(ids(&home, &shelf, "posted").await, [id_of(&posted)]);
}

#[tokio::test(start_paused = true)]
async fn many_versions_go_at_once() {
    let home = Home::new().await;
    let shelf = versioned(&home).await;
    let first = put(&home, &shelf, "k", b"first").await;
    let marker = id_of(&delete(&home, &shelf, "k").await);
    let entries = [("thing", None), ("k", Some(&first)), ("k", Some(&marker))];
    let entries = entries.map(|(key, id)| {
        let id = id.map(|id| format!("<VersionId>{id}</VersionId>")).unwrap_or_default();
        format!("<Object><Key>{key}</Key>{id}</Object>")
    });
    let odd = "<Object><Key>k</Key><VersionId>odd</VersionId></Object>";
    let document = format!("<Delete>{}{odd}</Delete>", entries.concat());
    let answer =
        home.root(&of_bucket("POST", &shelf, "delete").body(document.as_bytes()).content_md5()).await;
    let text = answer.text();
    let made = ids(&home, &shelf, "thing").await[0].clone();
    for wanted in [
        format!(
            "<Deleted><Key>thing</Key><DeleteMarker>true</DeleteMarker><DeleteMarkerVersionId>{made}</DeleteMarkerVersionId></Deleted>"
        ),
        format!("<Deleted><Key>k</Key><VersionId>{first}</VersionId></Deleted>"),
        format!(
            "<Deleted><Key>k</Key><VersionId>{marker}</VersionId><DeleteMarker>true</DeleteMarker><DeleteMarkerVersionId>{marker}</DeleteMarkerVersionId></Deleted>"
        ),
        "<Error><Key>k</Key><VersionId>odd</VersionId><Code>NoSuchVersion</Code>".to_owned(),
    ] {
        assert!(text.contains(&wanted), "{wanted} in {text}");
    }
    assert!(ids(&home, &shelf, "k").await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_condition_of_a_deletion_is_about_what_is_current() {
    let home = Home::new().await;
    let shelf = versioned(&home).await;
    let first = put(&home, &shelf, "k", b"first").await;
    let tag_of_first = home.root(&at("HEAD", &shelf, "k")).await.header("etag").unwrap().to_owned();
    let second = put(&home, &shelf, "k", b"second").await;
    let tag_of_second = home.root(&at("HEAD", &shelf, "k")).await.header("etag").unwrap().to_owned();
    let named = |method: &str| at(method, &shelf, "k").query("versionId", &first);
    assert_eq!(home.root(&named("GET").header("if-match", &tag_of_first)).await.status, 200);
    assert_eq!(home.root(&named("GET").header("if-match", &tag_of_second)).await.status, 412);
    assert_eq!(home.root(&named("DELETE").header("if-match", &tag_of_first)).await.status, 412);
    assert_eq!(home.root(&named("DELETE").header("if-match", &tag_of_second)).await.status, 204);
    assert_eq!(ids(&home, &shelf, "k").await, [second]);
    // A version that is not there, under a condition that does not hold.
    assert_eq!(home.root(&named("DELETE").header("if-match", &tag_of_first)).await.status, 412);
    let unknown = at("DELETE", &shelf, "k").query("versionId", UNKNOWN);
    assert_eq!(home.root(&unknown.clone().header("if-match", &tag_of_second)).await.status, 204);
    // The null version, below another one.
    put(&home, &shelf, "thing", b"above").await;
    let tag = home.root(&at("HEAD", &shelf, "thing")).await.header("etag").unwrap().to_owned();
    let null = at("DELETE", &shelf, "thing").query("versionId", "null");
    assert_eq!(home.root(&null.clone().header("if-match", "\"other\"")).await.status, 412);
    assert_eq!(home.root(&null.header("if-match", &tag)).await.status, 204);
    assert_eq!(ids(&home, &shelf, "thing").await.len(), 1);
    // Where a marker is current, nothing is there that a condition could be about.
    let marker = id_of(&delete(&home, &shelf, "thing").await);
    let marked = at("DELETE", &shelf, "thing").query("versionId", &marker).header("if-match", "*");
    assert_code(&home.root(&marked).await, 404, "NoSuchKey");
    let entry = |tag: &str| {
        let tag = tag.trim_matches('"');
        let body = format!(
            "<Delete><Object><Key>k</Key><VersionId>{UNKNOWN}</VersionId><ETag>{tag}</ETag></Object></Delete>"
        );
        of_bucket("POST", &shelf, "delete").body(body.as_bytes()).content_md5()
    };
    assert!(home.root(&entry(&tag_of_first)).await.text().contains("<Code>PreconditionFailed</Code>"));
    assert!(home.root(&entry(&tag_of_second)).await.text().contains("<Deleted>"));
}

#[tokio::test(start_paused = true)]
async fn tags_belong_to_a_version() {
    let home = Home::new().await;
    let shelf = versioned(&home).await;
    let first = put(&home, &shelf, "k", b"first").await;
    let second = put(&home, &shelf, "k", b"second").await;
    let tags = |method: &str, id: &str| at(method, &shelf, "k").query("tagging", "").query("versionId", id);
    let set = home.root(&tags("PUT", &first).body(TAGS.as_bytes())).await;
    assert_eq!((set.status, id_of(&set)), (200, first.clone()));
    let count = async |id: &str| {
        let found = home.root(&tags("GET", id)).await;
        assert_eq!(id_of(&found), id);
        found.text().matches("<Tag>").count()
    };
    assert_eq!((count(&first).await, count(&second).await), (1, 0));
    let current = home.root(&at("PUT", &shelf, "k").query("tagging", "").body(TAGS.as_bytes())).await;
    assert_eq!(id_of(&current), second);
    let removed = home.root(&tags("DELETE", &first)).await;
    assert_eq!((removed.status, id_of(&removed)), (204, first.clone()));
    assert_eq!((count(&first).await, count(&second).await), (0, 1));
    assert_eq!(ids(&home, &shelf, "k").await, [second, first], "tagging makes no version");
    assert_code(&home.root(&tags("GET", UNKNOWN)).await, 404, "NoSuchVersion");
    assert_code(&home.root(&tags("PUT", UNKNOWN).body(TAGS.as_bytes())).await, 404, "NoSuchVersion");
}

/// Pages of `size` entries, put together: what stands in each entry, without time and owner.
async fn paged(home: &Home, list: &Req, size: usize) -> Vec<String> {
    let (mut entries, mut next) = (Vec::new(), list.clone().query("max-keys", &size.to_string()));
    loop {
        let page = home.root(&next).await;
        assert_eq!(page.status, 200, "{}", page.text());
        let text = page.text();
        let body = text.split("</IsTruncated>").nth(1).unwrap();
        let found: Vec<String> = body
            .split("<Version>")
            .flat_map(|part| part.split("<DeleteMarker>"))
            .flat_map(|part| part.split("<CommonPrefixes>"))
            .skip(1)
            .map(|entry| entry.split("<LastModified>").next().unwrap_or_default())
            .map(|entry| entry.split("</CommonPrefixes>").next().unwrap_or_default().to_owned())
            .collect();
        assert!(found.len() <= size, "{text}");
        entries.extend(found);
        if page.xml("IsTruncated") == "false" {
            return entries;
        }
        next =
            list.clone().query("max-keys", &size.to_string()).query("key-marker", &page.xml("NextKeyMarker"));
        if let Some(id) = page.maybe_xml("NextVersionIdMarker") {
            next = next.query("version-id-marker", &id);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn pages_put_together_are_the_whole_listing() {
    let home = Home::new().await;
    let shelf = home.empty_shelf().await;
    put(&home, &shelf, "b", b"null").await;
    set_versioning(&home, &shelf, "Enabled").await;
    for key in ["a/1", "a/2", "b", "b", "c", "c/1", "d"] {
        put(&home, &shelf, key, b"x").await;
    }
    for key in ["a/1", "b", "d", "e"] {
        delete(&home, &shelf, key).await;
    }
    let list = of_bucket("GET", &shelf, "versions");
    for (list, count) in
        [(list.clone(), 12), (list.clone().query("delimiter", "/"), 10), (list.query("prefix", "b"), 4)]
    {
        let whole = paged(&home, &list, 1000).await;
        assert_eq!(whole.len(), count, "{whole:?}");
        for size in [1, 2, 3] {
            let mut pages = paged(&home, &list, size).await;
            // A page's prefixes stand behind its versions.
            let mut sorted = whole.clone();
            pages.sort();
            sorted.sort();
            assert_eq!(pages, sorted, "pages of {size}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_bucket_with_nothing_but_a_marker_is_not_empty() {
    let home = Home::new().await;
    let shelf = home.empty_shelf().await;
    set_versioning(&home, &shelf, "Enabled").await;
    let marker = id_of(&delete(&home, &shelf, "never").await);
    let bucket = Req::new("DELETE", &format!("/{}", shelf.bucket));
    assert_code(&home.root(&bucket).await, 409, "BucketNotEmpty");
    home.root(&at("DELETE", &shelf, "never").query("versionId", &marker)).await;
    assert_eq!(home.root(&bucket).await.status, 204);
}

#[tokio::test(start_paused = true)]
async fn a_policy_speaks_of_versions_apart() {
    let home = Home::new().await;
    let shelf = versioned(&home).await;
    let first = put(&home, &shelf, "k", b"first").await;
    let id = home.identity(Stranger).id;
    let set = async |actions: &str, more: &str| {
        let text = format!(
            "{{\"Statement\": {{\"Effect\": \"Allow\", \"Principal\": {{\"AWS\": \"{id}\"}}, \"Action\": [{actions}], \
             \"Resource\": [\"arn:aws:s3:::{0}\", \"arn:aws:s3:::{0}/*\"]{more}}}}}",
            shelf.bucket
        );
        let answer = home.root(&of_bucket("PUT", &shelf, "policy").body(text.as_bytes())).await;
        assert_eq!(answer.status, 204, "{}", answer.text());
    };
    let plain = |method: &str| at(method, &shelf, "k");
    let named = |method: &str| at(method, &shelf, "k").query("versionId", &first);
    let status = async |request: Req| home.send_as(Stranger, &request).await.status;
    set("\"s3:GetObject\", \"s3:DeleteObject\"", "").await;
    assert_eq!((status(plain("GET")).await, status(named("GET")).await), (200, 403));
    assert_eq!(status(named("DELETE")).await, 403);
    set(
        "\"s3:GetObjectVersion\"",
        &format!(", \"Condition\": {{\"StringEquals\": {{\"s3:VersionId\": \"{first}\"}}}}"),
    )
    .await;
    assert_eq!((status(plain("GET")).await, status(named("GET")).await), (403, 200));
    assert_eq!(status(at("GET", &shelf, "thing").query("versionId", "null")).await, 403, "another version");
    let copy = |source: &str| {
        let path = format!("/{}/copy", shelf.bucket);
        Req::new("PUT", &path).header("x-amz-copy-source", format!("{}/{source}", shelf.bucket))
    };
    assert_eq!(status(copy(&format!("k?versionId={first}"))).await, 403, "the copy's place");
    set("\"s3:GetObjectVersion\", \"s3:PutObject\"", "").await;
    assert_eq!((status(copy("k")).await, status(copy(&format!("k?versionId={first}"))).await), (403, 200));
    set("\"s3:ListBucketVersions\"", "").await;
    assert_eq!(status(of_bucket("GET", &shelf, "versions")).await, 200);
    assert_eq!(status(of_bucket("GET", &shelf, "list-type").without("list-type")).await, 403);
    set("\"s3:DeleteObjectVersion\"", "").await;
    let entry = |id: &str| format!("<Object><Key>k</Key>{id}</Object>");
    let both = format!("<Delete>{}{}</Delete>", entry(""), entry(&format!("<VersionId>{first}</VersionId>")));
    let request = of_bucket("POST", &shelf, "delete").body(both.as_bytes()).content_md5();
    let text = home.send_as(Stranger, &request).await.text();
    assert!(text.contains("<Error><Key>k</Key><Code>AccessDenied</Code>"), "{text}");
    assert!(
        text.contains(&format!("<Deleted><Key>k</Key><VersionId>{first}</VersionId></Deleted>")),
        "{text}"
    );
}

#[tokio::test(start_paused = true)]
async fn grants_count_for_versions_as_for_objects() {
    let home = Home::new().await;
    let shelf = versioned(&home).await;
    let first = put(&home, &shelf, "k", b"first").await;
    for (method, allowed) in [("GET", Reader), ("DELETE", Writer)] {
        let request = at(method, &shelf, "k").query("versionId", &first);
        for who in [Stranger, Reader, Writer, Root].into_iter().filter(|who| *who != allowed && *who != Root)
        {
            assert_eq!(home.send_as(who, &request).await.status, 403, "{method} as {who:?}");
        }
        assert!(home.send_as(allowed, &request).await.status < 300, "{method} as {allowed:?}");
    }
}
