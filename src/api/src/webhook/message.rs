//! What a webhook is sent: events in the form that AWS documents, version 2 (2.1; what came with 2.3 says so).

use super::Sender;
use crate::dates::iso8601_ms;
use crate::s3::parameters::OWNER_ID;
use model::events::{EventKind, Waiting};
use model::rows::event::QueuedRow;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

/// Bytes of a key that stand for themselves; a space is a plus.
const KEY: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'*').remove(b'/').remove(b' ');

/// Who does what lifecycle rules ask for, and from where, as AWS has it.
const STORE: &str = "s3.amazonaws.com";

/// The body of one message.
pub(super) fn render(events: &[Waiting], sender: &Sender) -> Vec<u8> {
    let body = match events {
        [only] if only.row.event.kind == EventKind::Test => test(&only.row, sender),
        _ => json!({ "Records": events.iter().map(|one| record(&one.row, sender)).collect::<Vec<_>>() }),
    };
    body.to_string().into_bytes()
}

fn test(row: &QueuedRow, sender: &Sender) -> Value {
    let event = &row.event;
    json!({
        "Service": "Amazon S3",
        "Event": "s3:TestEvent",
        "Time": iso8601_ms(event.at.wall().millis()),
        "Bucket": event.bucket_name,
        "RequestId": event.cause.request_id,
        "HostId": sender.host_id,
    })
}

fn record(row: &QueuedRow, sender: &Sender) -> Value {
    let event = &row.event;
    let mut object = json!({
        "key": utf8_percent_encode(&event.key, KEY).to_string().replace(' ', "+"),
        "sequencer": format!("{:016X}{:016X}", event.at.time, event.at.node),
    });
    let more = [
        ("size", event.object.size.map(Value::from)),
        ("eTag", event.object.etag.clone().map(Value::from)),
        ("versionId", event.object.version.map(|version| Value::from(version.to_string()))),
    ];
    for (name, value) in more {
        if let Some(value) = value {
            object[name] = value;
        }
    }
    json!({
        "eventVersion": version(event.kind),
        "eventSource": "aws:s3",
        "awsRegion": sender.region,
        "eventTime": iso8601_ms(event.at.wall().millis()),
        "eventName": event.kind.name(),
        "userIdentity": { "principalId": principal(row) },
        "requestParameters": { "sourceIPAddress": source(row) },
        "responseElements": { "x-amz-request-id": event.cause.request_id, "x-amz-id-2": sender.host_id },
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": row.rule,
            "bucket": {
                "name": event.bucket_name,
                "ownerIdentity": { "principalId": event.owner.as_deref().unwrap_or(OWNER_ID) },
                "arn": format!("arn:aws:s3:::{}", event.bucket_name),
            },
            "object": object,
        },
    })
}

/// What came with a later minor version says so.
fn version(kind: EventKind) -> &'static str {
    let is_first = kind.creates() || matches!(kind, EventKind::Delete | EventKind::DeleteMarkerCreated);
    if is_first { "2.1" } else { "2.3" }
}

fn principal(row: &QueuedRow) -> String {
    let nobody = if is_own_doing(row) { STORE } else { "Anonymous" };
    row.event.cause.requester.clone().unwrap_or_else(|| nobody.to_owned())
}

fn source(row: &QueuedRow) -> String {
    let nowhere = if is_own_doing(row) { STORE } else { "" };
    row.event.cause.source.clone().unwrap_or_else(|| nowhere.to_owned())
}

/// Whether no request asked for it.
fn is_own_doing(row: &QueuedRow) -> bool {
    matches!(row.event.kind, EventKind::Expired | EventKind::ExpirationMarkerCreated)
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::{Id, Stamp};
    use model::rows::event::{Cause, Event, Subject};

    fn row(kind: EventKind, key: &str) -> QueuedRow {
        let object = Subject { size: Some(3), etag: Some("abc".to_owned()), version: None };
        let event = Event {
            kind,
            bucket: Id::from_bytes([1; 32]),
            bucket_name: "photos".to_owned(),
            owner: None,
            key: key.to_owned(),
            object,
            cause: Cause::default(),
            at: Stamp { time: 0x10_0000, node: 1 },
        };
        QueuedRow { event, rule: "rule".to_owned() }
    }

    fn sender() -> Sender {
        Sender { region: "garage".to_owned(), host_id: "host".to_owned() }
    }

    #[test]
    fn keys_are_encoded_as_in_a_form() {
        let shown = record(&row(EventKind::Put, "a folder/é+1.jpg"), &sender());
        assert_eq!(shown["s3"]["object"]["key"], "a+folder/%C3%A9%2B1.jpg");
        assert_eq!(shown["s3"]["object"]["sequencer"], "00000000001000000000000000000001");
        assert_eq!(shown["eventName"], "ObjectCreated:Put");
        assert!(shown["s3"]["object"].get("versionId").is_none());
    }

    #[test]
    fn what_the_store_does_by_itself_says_so() {
        let by = |kind| {
            let shown = record(&row(kind, "k"), &sender());
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            (
                text(&shown["userIdentity"]["principalId"]),
                text(&shown["requestParameters"]["sourceIPAddress"]),
            )
        };
        let nobody = ("Anonymous".to_owned(), String::new());
        assert_eq!(
            (by(EventKind::Expired), by(EventKind::Delete)),
            ((STORE.to_owned(), STORE.to_owned()), nobody)
        );
    }

    #[test]
    fn later_kinds_say_so() {
        let of = |kind| record(&row(kind, "k"), &sender())["eventVersion"].clone();
        assert_eq!((of(EventKind::Copy), of(EventKind::Delete)), (json!("2.1"), json!("2.1")));
        assert_eq!((of(EventKind::TaggingPut), of(EventKind::Expired)), (json!("2.3"), json!("2.3")));
    }
}
