//! Where another node holds other rows than this one: one question for each table, about all arcs.

use super::messages::ArcDigests;
use crate::replicas::{READ_LIMIT, Reply};
use crate::tables::DIGESTED;
use crate::{Model, ModelError};
use base::NodeId;
use bytes::Bytes;
use cluster::layout::ArcSet;
use std::collections::BTreeMap;
use std::sync::Arc;
use store::Space;
use table::digest::{Digest, Digested, Digests};

/// The arcs in which two nodes differ, by table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Differing(BTreeMap<Space, ArcSet>);

impl Differing {
    /// Those of a table.
    pub fn of(&self, table: Space) -> ArcSet {
        self.0.get(&table).copied().unwrap_or_default()
    }

    /// Those in which any table differs.
    pub fn arcs(&self) -> ArcSet {
        self.0.values().fold(ArcSet::EMPTY, |all, arcs| all.union(arcs))
    }

    /// What of it lies in these arcs.
    #[must_use]
    pub fn within(&self, arcs: &ArcSet) -> Self {
        Self(
            self.0
                .iter()
                .map(|(table, differ)| (*table, differ.without(&ArcSet::ALL.without(arcs))))
                .collect(),
        )
    }

    /// The same in parts, each of which has at most so many arcs.
    pub fn in_groups(&self, arcs_max: usize) -> Vec<Self> {
        let arcs: Vec<u16> = self.arcs().iter().collect();
        arcs.chunks(arcs_max).map(|arcs| self.within(&ArcSet::of(|arc| arcs.contains(&arc)))).collect()
    }

    /// All tables in these arcs.
    #[cfg(test)]
    pub fn everywhere(arcs: ArcSet) -> Self {
        Self(DIGESTED.into_iter().map(|table| (table.space(), arcs)).collect())
    }
}

impl Model {
    /// Where another owner holds other rows than this node.
    pub(crate) async fn differing_from(self: &Arc<Self>, node: NodeId) -> Result<Differing, ModelError> {
        let tables = DIGESTED.map(|table| async move {
            Ok::<_, ModelError>((table.space(), self.differing_arcs(node, table).await?))
        });
        Ok(Differing(futures_util::future::try_join_all(tables).await?.into_iter().collect()))
    }

    async fn differing_arcs(self: &Arc<Self>, node: NodeId, table: Digested) -> Result<ArcSet, ModelError> {
        let key = self.digest_key().ok_or(ModelError::NoLayout)?;
        let view = self.peers.view();
        let read = self.store.view()?;
        let look = move || match Digests::open(&read, &key)? {
            Some(digests) => Ok(digests.arcs(table)?),
            None => Err(ModelError::Unavailable),
        };
        let arcs: Vec<Digest> = self.env.tasks.blocking(look).await?;
        let sums = arcs.into_iter().map(|digest| digest.sum as u64).collect();
        let request = ArcDigests { view, space: table.space().number(), sums };
        match self.ask_one(node, request, Bytes::new(), READ_LIMIT).await.map(|answer| answer.reply) {
            Ok(Reply::Done(arcs)) => Ok(ArcSet::of(|arc| arcs.contains(&arc))),
            _ => Err(ModelError::Unavailable),
        }
    }
}
