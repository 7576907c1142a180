//! Which digests this node keeps: those of the cluster it belongs to, built while it works.

use crate::tables::DIGESTED;
use crate::{Model, ModelError};
use store::{Intent, Txn};
use table::digest::{self, Built, DigestKey, Digested, Digests};

impl Model {
    /// Builds what is missing of the digests, page by page; says whether they are complete. There are none
    /// before the node belongs to a cluster.
    pub async fn keep_digests(&self) -> Result<bool, ModelError> {
        let Some(key) = self.digest_key() else { return Ok(false) };
        if Digests::open(&self.store.view()?, &key)?.is_some() {
            return Ok(true);
        }
        loop {
            let key = key.clone();
            let build =
                move |txn: &mut Txn<'_>| Ok::<_, ModelError>(digest::build_some(txn, &key, &DIGESTED)?);
            if self.store.commit(Intent::Grow, build).await? == Built::All {
                return Ok(true);
            }
            tokio::task::yield_now().await;
        }
    }

    /// What the digests are keyed with: the same on every member.
    pub(crate) fn digest_key(&self) -> Option<DigestKey> {
        self.peers.cluster_name().map(|name| DigestKey::of_cluster(&name))
    }

    /// Rows of each replicated table, by the digests; nothing while they are not complete.
    pub fn table_rows(&self) -> Result<Vec<(&'static str, u64)>, ModelError> {
        let (view, key) = (self.store.view()?, self.digest_key());
        let Some(key) = key else { return Ok(Vec::new()) };
        let Some(digests) = Digests::open(&view, &key)? else { return Ok(Vec::new()) };
        let count = |table: Digested| {
            let arcs = digests.arcs(table)?;
            Ok((table.space().name(), arcs.iter().map(|arc| arc.rows).sum()))
        };
        DIGESTED.into_iter().map(count).collect()
    }

    /// Compares digests with rows: what is wrong, in words.
    pub fn recount_digests(&self) -> Result<Vec<String>, ModelError> {
        Ok(digest::recount(&self.store.view()?, &DIGESTED)?)
    }
}
