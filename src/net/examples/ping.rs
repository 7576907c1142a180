//! Two nodes over loopback TCP in one process: calls per second of small requests, and megabytes per
//! second of blocks. A first look at what a link costs, not a claim.
//!
//!     cargo run --profile fast -p net --example ping
#![allow(clippy::unwrap_used)]

use base::NodeId;
use bytes::Bytes;
use futures_util::StreamExt;
use net::{Answer, Class, Net, NoCourier, Options, Outgoing, Request, SeedIdentity, Versions};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);
/// How long each figure is measured.
const SPAN: Duration = Duration::from_secs(3);
const BLOCK_BYTES: usize = 1 << 20;

/// A row of some size.
#[derive(Clone, Serialize, Deserialize)]
struct Row(#[serde(with = "serde_bytes")] Vec<u8>);

impl Request for Row {
    type Reply = u64;
    const NAME: &'static str = "example/row";
    const CLASS: Class = Class::Metadata;
}

/// A block to store.
#[derive(Clone, Serialize, Deserialize)]
struct Put;

impl Request for Put {
    type Reply = u64;
    const NAME: &'static str = "example/put";
    const CLASS: Class = Class::Bulk;
}

/// A block to fetch.
#[derive(Clone, Serialize, Deserialize)]
struct Get;

impl Request for Get {
    type Reply = ();
    const NAME: &'static str = "example/get";
    const CLASS: Class = Class::Bulk;
}

async fn node(number: u8) -> Net {
    let options = Options {
        identity: Arc::new(SeedIdentity::new(&[number; 32])),
        secret: [1; 32],
        listen: vec![([127, 0, 0, 1], 0).into()],
        advertised: None,
        versions: Versions::CURRENT,
        courier: Arc::new(NoCourier),
    };
    Net::start(env::real::env(), options).await.unwrap()
}

/// Repeats `one` with so many at a time; how many per second.
async fn rate<F: Future<Output = ()>>(at_once: usize, one: impl Fn() -> F) -> f64 {
    let clock = env::real::env().clock;
    let start = clock.mono();
    let until_over = futures_util::stream::repeat(()).take_while(|()| {
        let goes_on = clock.mono() - start < SPAN;
        async move { goes_on }
    });
    let count = until_over.map(|()| one()).buffer_unordered(at_once).count().await;
    count as f64 / (clock.mono() - start).as_secs_f64()
}

async fn measure(client: &Net, server: NodeId) {
    for size_bytes in [100, 4096] {
        let row = Row(vec![7; size_bytes]);
        for at_once in [1, 16, 64] {
            let one = || async { assert!(client.call(server, &row, LIMIT).await.is_ok()) };
            println!(
                "row {size_bytes:>5} B, {at_once:>2} at once: {:>8.0} calls/s",
                rate(at_once, one).await
            );
        }
    }
    let block = Bytes::from(vec![7; BLOCK_BYTES]);
    for at_once in [1, 8] {
        let put = || async {
            let outgoing = Outgoing { request: &Put, attachment: block.clone().into(), limit: LIMIT };
            assert_eq!(client.call_with(server, outgoing).await.unwrap().reply, BLOCK_BYTES as u64);
        };
        let get = || async {
            let outgoing = Outgoing { request: &Get, attachment: Bytes::new().into(), limit: LIMIT };
            let answer = client.call_with(server, outgoing).await.unwrap();
            assert_eq!(answer.attachment.read_all(BLOCK_BYTES).await.unwrap().len(), BLOCK_BYTES);
        };
        println!("put 1 MiB, {at_once} at once: {:>6.0} MiB/s", rate(at_once, put).await);
        println!("get 1 MiB, {at_once} at once: {:>6.0} MiB/s", rate(at_once, get).await);
    }
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (server, client) = (node(1).await, node(2).await);
        server.handle::<Row, _, _>(|call| async move { Ok((call.request.0.len() as u64).into()) });
        server.handle::<Put, _, _>(|call| async move {
            let block = call.attachment.read_all(BLOCK_BYTES).await;
            Ok(block.map_or(0, |block| block.len() as u64).into())
        });
        let block = Bytes::from(vec![7; BLOCK_BYTES]);
        server.handle::<Get, _, _>(move |_| {
            let attachment = block.clone().into();
            async move { Ok(Answer { reply: (), attachment }) }
        });
        let id = client.connect(server.addresses()[0], None).await.unwrap();
        measure(&client, id).await;
        println!("round trip by pings: {:?}", client.peer(id).unwrap().latency);
    });
}
