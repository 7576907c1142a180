//! Target `admin_json`: the bodies of the calls of the admin API.
//!
//! The first byte chooses the call. What must hold: no panic; memory in proportion to the bytes; read and written it is the
//! same when it is read again.

use super::forms::{self, Form};
use api::admin::wire;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A rule of a bucket is a few hundred bytes of memory, and `{}` may stand for it.
const MEMORY: forms::Memory = (64 << 10, 512);

/// Every body that a call takes.
const BODIES: [(&str, Form); 23] = [
    ("AllowBucketKey", form::<wire::ChangeBucketKey>),
    ("AddBucketAlias", form::<wire::ChangeBucketAlias>),
    ("CreateBucket", form::<wire::CreateBucket>),
    ("UpdateBucket", form::<wire::UpdateBucket>),
    ("CleanupIncompleteUploads", form::<wire::CleanupIncompleteUploads>),
    ("UpdateKey", form::<wire::UpdateKey>),
    ("ImportKey", form::<wire::ImportKey>),
    ("UpdateClusterLayout", form::<wire::UpdateClusterLayout>),
    ("ApplyClusterLayout", form::<wire::ApplyClusterLayout>),
    ("ForgetNodes", form::<wire::ForgetNodes>),
    ("CreateNodeInvitation", form::<wire::CreateNodeInvitation>),
    ("PreviewNodeApproval", form::<wire::PreviewNodeApproval>),
    ("ApproveNodes", form::<wire::ApproveNodes>),
    ("NamedEncryptionKey", form::<wire::NamedEncryptionKey>),
    ("ChangeEncryptionSecret", form::<wire::ChangeEncryptionSecret>),
    ("LaunchRepair", form::<wire::LaunchRepair>),
    ("ListWorkers", form::<wire::ListWorkers>),
    ("GetWorkerInfo", form::<wire::GetWorkerInfo>),
    ("GetWorkerVariable", form::<wire::GetWorkerVariable>),
    ("SetWorkerVariable", form::<wire::SetWorkerVariable>),
    ("CreateWebhook", form::<wire::CreateWebhook>),
    ("GetBlockInfo", form::<wire::GetBlockInfo>),
    ("RetryBlockResync", form::<wire::RetryBlockResync>),
];

/// One body.
pub fn check(input: &[u8]) {
    let Some((&kind, bytes)) = input.split_first() else { return };
    let Some((name, form)) = BODIES.get(usize::from(kind)) else { return };
    forms::check(name, *form, MEMORY, bytes);
}

fn form<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Option<Vec<u8>> {
    let value: T = serde_json::from_slice(bytes).ok()?;
    Some(serde_json::to_vec(&value).expect("a body that was read can be written"))
}
