//! What nodes tell each other about the cluster, and the state files, for whoever tries them with any bytes at all
//! (`script/fuzz`).

use crate::forgetting::AskHeard;
use crate::joining::{JoinedCluster, Kept};
use crate::layout::Layout;
use crate::membership::{FetchLayout, Gossip, saved};
use crate::node_key::NodeKey;
use crate::secrets::ClusterSecret;
use crate::state_file;
use crate::vote::{Accepted, AskVote, Vote};
use base::id::encode_hex;
use net::fuzzing::{Form, forms_of};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Every request with its reply: the name, both forms.
pub const MESSAGES: [(&str, Form, Form); 4] =
    [forms_of::<Gossip>(), forms_of::<FetchLayout>(), forms_of::<AskVote>(), forms_of::<AskHeard>()];

/// The bodies of state files, and a whole one.
pub const STATE: [(&str, Form); 9] = [
    ("file", state_file::rewritten),
    ("layout", |bytes| Layout::from_text(text(bytes)?).map(|layout| layout.to_text().into())),
    ("vote", |bytes| Vote::of_text(text(bytes)?).map(|vote| vote.to_text().into())),
    ("accepted", |bytes| Accepted::of_text(text(bytes)?).map(|accepted| accepted.to_text().into())),
    ("peers", |bytes| saved::parse(text(bytes)?).map(|peers| saved::to_text(&peers).into())),
    ("invitations", json::<Vec<Kept>>),
    ("joined", json::<JoinedCluster>),
    ("node key", |bytes| NodeKey::parse(text(bytes)?).map(|_| bytes.to_vec())),
    ("secret", |bytes| Some(encode_hex(ClusterSecret::parse(text(bytes)?).ok()?.as_bytes()).into())),
];

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

fn json<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Option<Vec<u8>> {
    let value: T = serde_json::from_slice(bytes).ok()?;
    serde_json::to_vec(&value).ok()
}
