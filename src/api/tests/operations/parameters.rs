//! Every header and query parameter that AWS documents is obeyed, refused or harmless, as the table
//! says (promise P8). What the table calls obeyed is proven by a value that must change the answer;
//! what it calls refused is sent and must not succeed; what it calls harmless must change nothing.

use super::calls::{SAMPLES, Sample, part_list};
use super::client::{Answer, Req};
use super::home::{CONTENT, Home, Shelf};
use api::s3::parameters::table::{Place, TABLE, Verdict, decision};
use std::collections::BTreeSet;

/// A parameter that AWS documents for an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Documented {
    operation: &'static str,
    in_header: bool,
    /// As AWS writes it.
    name: &'static str,
}

impl Documented {
    fn place(&self) -> Place {
        if self.in_header { Place::Header } else { Place::Query }
    }

    /// As the table writes it.
    fn table_name(&self) -> String {
        if self.in_header { self.name.to_ascii_lowercase() } else { self.name.to_owned() }
    }

    /// The request with this parameter, instead of the one it may have had.
    fn add_to(&self, request: Req, value: &str) -> Req {
        let name = if self.name == "x-amz-meta-" { "x-amz-meta-probe" } else { self.name };
        let request = request.without(name);
        if self.in_header { request.header(name, value) } else { request.query(name, value) }
    }
}

fn documented() -> Vec<Documented> {
    let lines = include_str!("../fixtures/s3_parameters.txt").lines();
    let rows: Vec<Documented> = lines
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let fields: Vec<&str> = line.split(' ').collect();
            Documented { operation: fields[0], in_header: fields[1] == "header", name: fields[2] }
        })
        .collect();
    assert!(rows.len() > 250, "the list is whole");
    rows
}

#[test]
fn aws_list_is_of_the_operations_there_are() {
    let mut names: BTreeSet<&str> = documented().iter().map(|row| row.operation).collect();
    // AWS's service model does not know it: `upload_form` tries its fields out.
    names.insert("PostObject");
    super::assert_names_all_operations("the list of documented parameters", names.into_iter());
}

#[test]
fn every_documented_parameter_is_decided_on() {
    for row in documented() {
        let found = decision(row.place(), &row.table_name());
        let found = found.unwrap_or_else(|| panic!("no decision on {row:?}"));
        if matches!(found.verdict, Verdict::Obeyed | Verdict::ObeyedOnly) {
            assert!(found.operations.contains(&row.operation), "{row:?} is called obeyed, but not there");
        }
    }
}

#[test]
fn the_table_is_sound() {
    let known: BTreeSet<&str> = SAMPLES.iter().map(|sample| sample.operation).collect();
    for (index, row) in TABLE.iter().enumerate() {
        assert!(!row.reason.is_empty());
        assert!(row.operations.iter().all(|name| known.contains(name)), "{}", row.name);
        let obeyed = matches!(row.verdict, Verdict::Obeyed | Verdict::ObeyedOnly);
        assert_eq!(obeyed, !row.operations.is_empty(), "{}", row.name);
        let hidden = TABLE[..index].iter().any(|earlier| earlier.names(row.place, row.name));
        assert!(!hidden, "{} never decides", row.name);
        assert!(row.place == Place::Query || row.name == row.name.to_ascii_lowercase());
    }
}

fn is_refusal(answer: &Answer) -> bool {
    answer.status == 501 || (400..500).contains(&answer.status)
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_is_refused() {
    let home = Home::new().await;
    for sample in SAMPLES {
        let (_, request) = sample.prepare(&home).await;
        let mut tried = 0;
        for row in documented().into_iter().filter(|row| row.operation == sample.operation) {
            let verdict = decision(row.place(), &row.table_name()).unwrap().verdict;
            if !matches!(verdict, Verdict::Refused | Verdict::HarmlessIf(_)) {
                continue;
            }
            tried += 1;
            for value in ["something-else", "1"] {
                let answer = home.root(&row.add_to(request.clone(), value)).await;
                assert!(is_refusal(&answer), "{row:?} {value}: {} {}", answer.status, answer.text());
            }
            if row.in_header {
                // A presigned request has it in the query.
                let answer = home.root(&request.clone().query(row.name, "something-else")).await;
                assert!(is_refusal(&answer), "{row:?} in the query: {}", answer.status);
            }
        }
        let unchanged = home.root(&request).await;
        assert_eq!(unchanged.status, sample.status, "{}: {tried} refusals had an effect", sample.operation);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_harmless_changes_nothing() {
    let home = Home::new().await;
    for row in documented() {
        let values = match decision(row.place(), &row.table_name()).unwrap().verdict {
            Verdict::HarmlessIf(values) => values,
            Verdict::Harmless => &["requester", ""],
            _ => continue,
        };
        let sample = Sample::of(row.operation);
        for value in values {
            let (_, request) = sample.prepare(&home).await;
            let answer = home.root(&row.add_to(request, value)).await;
            assert_eq!(answer.status, sample.status, "{row:?} {value}: {}", answer.text());
        }
    }
}

/// How it is shown that a parameter is obeyed.
enum Proof {
    /// The operation's sample has it: without it, another operation would have answered.
    InSample,
    /// This value must fail.
    Fails(&'static str),
    /// The present time must fail.
    FailsNow,
    /// This value must fail once there is an object at the request's key.
    FailsWhenPresent(&'static str),
    /// With this value the answer must contain a text.
    Shows(&'static str, &'static str),
    /// With this value the answer must have this header with this value.
    ShowsHeader(&'static str, &'static str, &'static str),
    /// The object must keep this value in the header.
    Keeps(&'static str),
}

const PAST: &str = "Thu, 01 Jan 2015 00:00:00 GMT";
const FUTURE: &str = "Fri, 01 Jan 2027 00:00:00 GMT";
const OTHER_OWNER: &str = "123456789012";

/// The proof for a name; an operation of its own first.
fn proof(operation: &str, name: &str) -> Proof {
    use Proof::{Fails, FailsNow, FailsWhenPresent, InSample, Keeps, Shows, ShowsHeader};
    match (operation, name) {
        ("ListBuckets", "continuation-token") => Shows("~", "<Buckets></Buckets>"),
        ("ListBuckets", "bucket-region") => Shows("elsewhere", "<Buckets></Buckets>"),
        ("ListBuckets", "prefix") => Shows("none-such", "<Buckets></Buckets>"),
        ("ListBuckets", "max-buckets") => Shows("1", "<ContinuationToken>"),
        ("GetObject" | "HeadObject", "if-none-match") => Fails("*"),
        (_, "if-none-match") => FailsWhenPresent("*"),
        (
            _,
            "location" | "uploads" | "versioning" | "versions" | "delete" | "cors" | "encryption"
            | "lifecycle" | "tagging" | "attributes" | "website" | "policy" | "policyStatus"
            | "publicAccessBlock" | "ownershipControls" | "acl" | "object-lock" | "retention" | "legal-hold"
            | "notification" | "logging",
        ) => InSample,
        (_, "list-type") => Fails("3"),
        (_, "uploadId" | "versionId" | "version-id-marker") => Fails("none"),
        (_, "prefix") => Shows("none-such", "<Prefix>none-such</Prefix>"),
        (_, "delimiter") => Shows("/", "<Delimiter>/</Delimiter>"),
        (_, "marker") => Shows("gone", "<Marker>gone</Marker>"),
        (_, "start-after") => Shows("gone", "<StartAfter>gone</StartAfter>"),
        (_, "key-marker") => Shows("gone", "<KeyMarker>gone</KeyMarker>"),
        (_, "upload-id-marker") => Shows("0", "<UploadIdMarker>0</UploadIdMarker>"),
        (_, "fetch-owner") => Shows("true", "<Owner>"),
        (_, "x-amz-checksum-mode") => ShowsHeader("ENABLED", "x-amz-checksum-type", "FULL_OBJECT"),
        (_, "range") => Fails("bytes=10-"),
        (_, "if-modified-since" | "x-amz-copy-source-if-modified-since") => FailsNow,
        (_, "if-unmodified-since" | "x-amz-copy-source-if-unmodified-since") => Fails(PAST),
        (_, "if-match" | "x-amz-copy-source-if-match") => Fails("\"other\""),
        (_, "x-amz-copy-source-if-none-match") => Fails("*"),
        (_, "x-amz-copy-source" | "x-amz-copy-source-range") => Fails("nonsense"),
        (_, "x-amz-sdk-checksum-algorithm") => Fails("SHA1"),
        (_, "x-amz-mp-object-size" | "content-length") => Fails("nonsense"),
        (_, "x-amz-expected-bucket-owner" | "x-amz-source-expected-bucket-owner") => Fails(OTHER_OWNER),
        (_, "content-encoding") => Keeps("gzip"),
        (_, "expires") => Keeps(FUTURE),
        (_, "x-amz-website-redirect-location") => Keeps("/elsewhere"),
        (
            _,
            "cache-control" | "content-disposition" | "content-language" | "content-type" | "x-amz-meta-",
        ) => Keeps("text/probe"),
        (_, "response-cache-control") => ShowsHeader("no-store", "cache-control", "no-store"),
        (_, "response-content-disposition") => ShowsHeader("inline", "content-disposition", "inline"),
        (_, "response-content-encoding") => ShowsHeader("gzip", "content-encoding", "gzip"),
        (_, "response-content-language") => ShowsHeader("eo", "content-language", "eo"),
        (_, "response-content-type") => ShowsHeader("text/probe", "content-type", "text/probe"),
        (_, "response-expires") => ShowsHeader(PAST, "expires", PAST),
        // Numbers, names out of a list, and base64.
        _ => Fails("!"),
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_obeyed_shows() {
    let home = Home::new().await;
    let mut unproven = Vec::new();
    for row in documented() {
        let found = decision(row.place(), &row.table_name()).unwrap();
        if !matches!(found.verdict, Verdict::Obeyed | Verdict::ObeyedOnly) {
            continue;
        }
        if let Err(answer) = prove(&home, row).await {
            unproven.push(format!("{row:?}: {} {:?} {}", answer.status, answer.headers, answer.text()));
        }
    }
    assert!(unproven.is_empty(), "{} are not obeyed:\n{}", unproven.len(), unproven.join("\n"));
}

/// Tries a parameter out; the answer that shows that it is not obeyed, if it is not.
async fn prove(home: &Home, row: Documented) -> Result<(), Answer> {
    let sample = Sample::of(row.operation);
    let (shelf, request) = sample.prepare(home).await;
    let ok = |holds: bool, answer: Answer| if holds { Ok(()) } else { Err(answer) };
    match proof(row.operation, &row.table_name()) {
        Proof::InSample => {
            let other = home.root(&request.clone().without(row.name)).await;
            let same = home.root(&request).await;
            let has_it = request.query.iter().any(|(name, _)| name == row.name);
            let what = |answer: &Answer| (answer.status, kind(answer), answer.header("etag").is_some());
            ok(has_it && what(&same) != what(&other), same)
        }
        Proof::Fails(value) => {
            let answer = home.root(&row.add_to(request, value)).await;
            ok((300..500).contains(&answer.status), answer)
        }
        Proof::FailsNow => {
            let now = api::dates::http_date(home.model.env().clock.wall().millis());
            let answer = home.root(&row.add_to(request, &now)).await;
            ok((300..500).contains(&answer.status), answer)
        }
        Proof::FailsWhenPresent(value) => {
            home.root(&Req::new("PUT", &request.path).body(b"before")).await;
            let answer = home.root(&row.add_to(request, value)).await;
            ok(answer.is_refusal("PUT", 412, "PreconditionFailed"), answer)
        }
        Proof::Shows(value, needle) => {
            let before = home.root(&request).await;
            let answer = home.root(&row.add_to(request, value)).await;
            let shows = answer.status == sample.status && answer.text().contains(needle);
            ok(shows && !before.text().contains(needle), answer)
        }
        Proof::ShowsHeader(value, header, shown) => {
            let before = home.root(&request).await;
            let answer = home.root(&row.add_to(request, value)).await;
            ok(before.header(header) != Some(shown) && answer.header(header) == Some(shown), answer)
        }
        Proof::Keeps(value) => {
            let object = store_with(home, &shelf, row, request, value).await;
            let name = if row.name == "x-amz-meta-" { "x-amz-meta-probe" } else { row.name };
            ok(object.header(&name.to_ascii_lowercase()) == Some(value), object)
        }
    }
}

/// What an answer is of: the name of its document.
fn kind(answer: &Answer) -> String {
    let text = answer.text();
    let root = text.split('<').find(|part| part.contains("Result") || part.contains("Constraint"));
    root.unwrap_or_default().split([' ', '>']).next().unwrap_or_default().to_owned()
}

/// Stores an object with the operation and parameter; what HEAD says of it.
async fn store_with(home: &Home, shelf: &Shelf, row: Documented, request: Req, value: &str) -> Answer {
    let mut request = row.add_to(request, value);
    if row.operation == "CopyObject" {
        request = request.header("x-amz-metadata-directive", "REPLACE");
    }
    let path = request.path.clone();
    let answer = home.root(&request).await;
    assert_eq!(answer.status, 200, "{row:?}: {}", answer.text());
    if row.operation == "CreateMultipartUpload" {
        let upload = answer.xml("UploadId");
        let part = Req::new("PUT", &path).query("partNumber", "1").query("uploadId", &upload);
        assert_eq!(home.root(&part.body(CONTENT)).await.status, 200);
        let done = Req::new("POST", &path).query("uploadId", &upload).body(part_list(shelf).as_bytes());
        assert_eq!(home.root(&done).await.status, 200);
    }
    home.root(&Req::new("HEAD", &path)).await
}

#[tokio::test(start_paused = true)]
async fn a_parameter_of_another_operation_is_not_ignored() {
    let home = Home::new().await;
    for sample in SAMPLES {
        let (_, request) = sample.prepare(&home).await;
        let known = documented();
        for row in TABLE.iter().filter(|row| row.verdict == Verdict::ObeyedOnly) {
            let strange = !row.operations.contains(&sample.operation);
            // With it, the request may be a good one for the operation it belongs to.
            let misplaced = match row.place {
                Place::Header => request.clone().header(row.name, "x"),
                Place::Query => request.clone().query(row.name, "x"),
            };
            let documented = known
                .iter()
                .any(|found| found.operation == sample.operation && found.table_name() == row.name);
            if !strange || documented || other_operation(sample.operation, row.name) {
                continue;
            }
            let answer = home.root(&misplaced).await;
            assert!(is_refusal(&answer), "{} {}: {}", sample.operation, row.name, answer.status);
        }
        assert_eq!(home.root(&request).await.status, sample.status, "{}", sample.operation);
    }
}

/// Whether the parameter makes a request of another operation of it, which succeeds.
fn other_operation(operation: &str, name: &str) -> bool {
    match name {
        "location" | "uploads" | "versioning" | "versions" => operation == "ListObjects",
        "policyStatus" | "notification" | "logging" => operation == "ListObjects",
        "acl" => ["ListObjects", "GetObject"].contains(&operation),
        "cors" | "encryption" | "lifecycle" | "website" | "policy" | "publicAccessBlock"
        | "ownershipControls" => ["ListObjects", "DeleteBucket"].contains(&operation),
        "tagging" => ["ListObjects", "DeleteBucket", "GetObject", "DeleteObject"].contains(&operation),
        _ => false,
    }
}

#[tokio::test(start_paused = true)]
async fn a_query_parameter_can_stand_for_a_header() {
    let home = Home::new().await;
    let shelf = home.shelf().await;
    let path = format!("/{}/lifted", shelf.bucket);
    let put = Req::new("PUT", &path).query("X-Amz-Meta-Color", "red").query("x-amz-acl", "private");
    assert_eq!(home.root(&put.body(CONTENT)).await.status, 200);
    assert_eq!(home.root(&Req::new("HEAD", &path)).await.header("x-amz-meta-color"), Some("red"));
    // AWS ignores a checksum in the query: clients compute it before they have the body.
    let early = Req::new("PUT", &path).query("x-amz-checksum-crc32", "AAAAAA==");
    let early = early.query("x-amz-sdk-checksum-algorithm", "CRC32").body(CONTENT);
    assert_eq!(home.root(&early).await.status, 200);
    let folded = Req::new("PUT", &path).query("x-amz-meta-color", "red\r\nx-evil: 1").body(CONTENT);
    assert_eq!(home.root(&folded).await.status, 400);
}

#[tokio::test(start_paused = true)]
async fn chunked_framing_is_for_stored_bodies_only() {
    let home = Home::new().await;
    let modes = [
        "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
    ];
    for sample in SAMPLES {
        let (_, request) = sample.prepare(&home).await;
        let mut framed = format!("{:x}\r\n", request.body.len()).into_bytes();
        framed.extend_from_slice(&request.body);
        framed.extend_from_slice(b"\r\n0\r\n\r\n");
        let length = request.body.len().to_string();
        for mode in modes {
            let streamed = request.clone().header("x-amz-content-sha256", mode);
            let streamed = streamed.header("x-amz-decoded-content-length", &length).body(&framed);
            let answer = home.root(&streamed).await;
            let stores = ["PutObject", "UploadPart"].contains(&sample.operation);
            let unsigned = mode == modes[0];
            // Signed chunks without a signature are refused by the two as well.
            let expected = if stores && unsigned { answer.status == 200 } else { is_refusal(&answer) };
            assert!(expected, "{} {mode}: {} {}", sample.operation, answer.status, answer.text());
        }
    }
}
