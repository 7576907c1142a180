//! A member that is asked and answers with what is no answer.
#![allow(clippy::unwrap_used)]

use super::bad_caller::{Said, Script};
use super::bad_member::{BAD, Homes};
use super::support::{Echo, LIMIT, eventually, id, real};
use crate::error::{CallError, NoAnswer, Refusal};
use crate::handlers::encode;
use crate::hello::Caller;
use crate::limits::{BODY_MAX_BYTES, ENVELOPE_MAX_BYTES, REPLIES_BYTES};
use crate::request::Class;
use crate::runtime::TaskGroup;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What every request is answered with: a status and the bytes behind it.
type Answer = (u16, Vec<u8>, bool);

/// Serves the victim's calls; the task group ends with the test.
async fn answer_with(homes: &Homes, answer: Arc<Mutex<Answer>>) -> TaskGroup {
    let link = homes.link(Class::Metadata, Caller::Acceptor).await;
    let tasks = TaskGroup::new(env::real::env().tasks);
    let service = service_fn(move |_| {
        let (status, bytes, ends) = answer.lock().unwrap().clone();
        let script = if ends { Script::whole(bytes) } else { Script::endless(bytes) };
        let response = http::Response::builder().status(status).body(script).unwrap();
        std::future::ready(Ok::<_, Infallible>(response))
    });
    let connection = http2::Builder::new(tasks.clone()).serve_connection(TokioIo::new(link.stream), service);
    tasks.spawn(async move { drop(connection.await) });
    let peer = homes.peer();
    eventually("the victim may call", || peer.link(Class::Metadata).is_some()).await;
    tasks
}

#[test]
fn answers_that_are_none_are_errors_and_nothing_else() {
    real(async {
        let homes = Homes::start().await;
        let reply = Said { kind: 2, ..Said::request() };
        let refusal = Said { kind: 3, ..Said::request() };
        let (bad, cut) = (NoAnswer::BadAnswer, NoAnswer::LinkLost);
        let cases = [
            ("nothing", 200, vec![], cut),
            ("another status", 500, vec![], bad),
            ("half a head", 200, reply.bytes()[..5].to_vec(), cut),
            ("no kind", 200, Said { kind: 0, ..reply }.bytes(), bad),
            ("a request", 200, Said::request().with(&[]), bad),
            ("a large header", 200, Said { envelope: ENVELOPE_MAX_BYTES as u16 + 1, ..reply }.bytes(), bad),
            ("a large body", 200, Said { body: BODY_MAX_BYTES as u32 + 1, ..reply }.bytes(), bad),
            ("an immense body", 200, Said { body: u32::MAX, ..reply }.bytes(), bad),
            ("an immense piece", 200, Said { attachment: u32::MAX - 1, ..reply }.bytes(), bad),
            ("a body that is cut", 200, Said { body: 9, ..reply }.bytes(), cut),
            ("no MessagePack", 200, reply.with(&[0xc1; 9]), bad),
            ("another type", 200, reply.with(&[0x2a]), bad),
            ("a list of 4 Gi elements", 200, reply.with(&[0xdd, 0xff, 0xff, 0xff, 0xff]), bad),
            ("lists inside lists", 200, reply.with(&[0x91; 100_000]), bad),
            ("a refusal that says nothing", 200, refusal.with(&[]), bad),
            ("an unknown refusal", 200, refusal.with(&encode(&"surely not").unwrap()), bad),
        ];
        let answer = Arc::new(Mutex::new((200, Vec::new(), true)));
        let _tasks = answer_with(&homes, Arc::clone(&answer)).await;
        let request = Echo("text".to_owned());
        let ask = |limit| homes.victim.net.call(id(BAD), &request, limit);
        for (what, status, bytes, cause) in cases {
            *answer.lock().unwrap() = (status, bytes, true);
            assert_eq!(ask(LIMIT).await, Err(CallError::Unknown { node: id(BAD), cause }), "{what}");
        }
        for bytes in
            [vec![], reply.bytes()[..5].to_vec(), Said { body: BODY_MAX_BYTES as u32, ..reply }.bytes()]
        {
            *answer.lock().unwrap() = (200, bytes, false);
            let never = ask(Duration::from_millis(100)).await;
            assert_eq!(never, Err(CallError::TimedOut(id(BAD))), "one that never ends");
        }
        homes.assert_served().await;
        // The link has survived all of it, and no room was lost.
        *answer.lock().unwrap() = (200, refusal.with(&encode(&Refusal::Busy).unwrap()), true);
        let refused = Err(CallError::Refused { node: id(BAD), refusal: Refusal::Busy });
        assert_eq!(ask(LIMIT).await, refused);
        let peer = homes.peer();
        eventually("all room is there", || peer.replies.available_permits() == REPLIES_BYTES).await;
    });
}
