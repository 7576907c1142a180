//! References to blocks whose body has no row anywhere: their upload reached nodes of a block and none of its body.
//!
//! The audit of bodies starts from the rows of bodies, so it does not see them, and they would keep their block for ever.
//! What always holds (rules K2 and K6): a reference is let go only after *every* replica of its body, under one view of
//! the layout, said that it has no row of it, at a time when none takes any more. That time follows from when this
//! node first saw the reference: whoever made it had a clock that this node has heard, so the body's deadline is no later
//! than [`BODY_DEADLINE_MS`] after that.

use super::progress::CheckProgress;
use crate::batch::Write;
use crate::replicas::{READ_LIMIT, Reply, Serve};
use crate::rows::reference::{Referrer, Target};
use crate::writer::BODY_DEADLINE_MS;
use crate::{Model, ModelError};
use base::id::kind;
use base::{Id, NodeId, PartitionHash, WallTime};
use bytes::Bytes;
use cluster::View;
use cluster::layout::partition_of;
use net::{Answer, Attachment, Class, Refusal, Request};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;
use store::{Intent, Read, Space, StoreError};
use table::sort_key::scan_prefix;

/// A reference of a body to a block, held.
pub(super) struct Held {
    pub row_key: Vec<u8>,
    pub target: Target,
    pub body: Id<kind::Body>,
}

/// Asks a replica which of these bodies it has no row of.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct AskBodies {
    pub view: View,
    pub bodies: Vec<Id<kind::Body>>,
}

impl Request for AskBodies {
    /// Their places.
    type Reply = Reply<Vec<u32>>;
    const NAME: &'static str = "model/ask_bodies";
    const CLASS: Class = Class::Metadata;
}

impl Model {
    /// Lets go those that no body goes with, or remembers them until that is certain.
    pub(super) async fn look_at_references(
        self: &Arc<Self>,
        held: Vec<Held>,
        progress: &mut CheckProgress,
    ) -> Result<(), ModelError> {
        if held.is_empty() {
            return Ok(());
        }
        let unknown = self.unknown_bodies(held.iter().map(|held| held.body).collect()).await?;
        let now = self.latest_time();
        for Held { row_key, target, body } in held.into_iter().filter(|held| unknown.contains(&held.body)) {
            let since = progress.doubted_since(&row_key, now);
            let deadline = WallTime(since.millis().saturating_add(BODY_DEADLINE_MS));
            match deadline < now && self.has_no_row(body, deadline).await.unwrap_or(false) {
                true => {
                    let release = Write::Release { target, referrer: Referrer::Body(body) };
                    self.apply(Intent::Free, vec![release]).await?;
                    progress.references += 1;
                    tracing::info!(%body, "a reference of a body that is nowhere was let go");
                }
                false => progress.doubt(row_key, since),
            }
        }
        Ok(())
    }

    /// Those of which no row is known where it was looked first: here where this node keeps them, else at one replica.
    async fn unknown_bodies(
        self: &Arc<Self>,
        bodies: BTreeSet<Id<kind::Body>>,
    ) -> Result<BTreeSet<Id<kind::Body>>, ModelError> {
        let (placement, me) = (self.peers.placement(), self.peers.me());
        let mut by_node = BTreeMap::<NodeId, Vec<Id<kind::Body>>>::new();
        for body in bodies {
            let partition = PartitionHash::of_uniform(body.as_bytes());
            let owners: Vec<NodeId> = placement.sets(partition).into_iter().flatten().copied().collect();
            let node = if self.serves(partition_of(&partition)) {
                Some(me)
            } else {
                owners.into_iter().filter(|node| *node != me).min_by_key(|node| self.peers.distance(*node))
            };
            if let Some(node) = node {
                by_node.entry(node).or_default().push(body);
            }
        }
        let mut unknown = BTreeSet::new();
        for (node, bodies) in by_node {
            let request = AskBodies { view: placement.view(), bodies: bodies.clone() };
            let asked = self.ask_one(node, request, Bytes::new(), READ_LIMIT).await;
            // Whoever cannot be asked now is asked in the next pass.
            let Ok(Answer { reply: Reply::Done(missing), .. }) = asked else { continue };
            unknown.extend(missing.into_iter().filter_map(|place| bodies.get(place as usize).copied()));
        }
        Ok(unknown)
    }

    async fn bodies_here(&self, request: AskBodies) -> Result<Reply<Vec<u32>>, ModelError> {
        let partition = |body: &Id<kind::Body>| PartitionHash::of_uniform(body.as_bytes());
        for partition in request.bodies.iter().map(partition).collect::<BTreeSet<_>>() {
            if let Err(reply) = self.admit(request.view, partition) {
                return Ok(reply);
            }
        }
        let view = self.store.view()?;
        let find = move || {
            let mut missing = Vec::new();
            for (place, body) in (0_u32..).zip(&request.bodies) {
                if !has_row(&view, body)? {
                    missing.push(place);
                }
            }
            Ok::<_, ModelError>(Reply::Done(missing))
        };
        self.env.tasks.blocking(find).await
    }
}

/// Whether there is any row of a body, readable or not.
fn has_row(read: &impl Read, body: &Id<kind::Body>) -> Result<bool, StoreError> {
    let mut found = false;
    scan_prefix(read, Space::Version, body.as_bytes(), &mut |_, _| {
        found = true;
        ControlFlow::Break(())
    })?;
    Ok(found)
}

impl Serve for AskBodies {
    async fn serve(self, model: &Arc<Model>, _: Attachment) -> Result<Answer<Self::Reply>, Refusal> {
        Ok(model.told(model.bodies_here(self).await))
    }
}
