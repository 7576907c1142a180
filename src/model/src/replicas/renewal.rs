//! A new body for an entry that goes out again (rule K1).
//!
//! A body goes out under one order only: whoever lets bodies go may have met that order beaten. An entry that was
//! not chosen, and goes out again, names a new body, which holds what the first one holds. Its rows and references are
//! written before the entry, and no byte moves. The first body is left to those who saw it lose, or to its
//! deadline; until the request ends, this node counts as one of its readers.

use super::ballot::Proposal;
use crate::batch::Write;
use crate::copy::named;
use crate::rows::object::Slot;
use crate::writer::Unsettled;
use crate::{Model, ModelError};
use base::id::kind;
use base::{Id, WallTime};
use env::random_array;
use std::sync::Arc;

/// A body that was stored for an entry, and that nothing names before that.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NewBody {
    pub id: Id<kind::Body>,
    /// After this nobody accepts its entry any more (rule K2).
    pub deadline: WallTime,
}

impl NewBody {
    /// What goes along with the entry: the body is not pending any more.
    pub(super) fn settled(body: Option<Self>) -> Vec<Write> {
        body.map(|body| Write::Settled { body: body.id }).into_iter().collect()
    }
}

impl Model {
    /// Gives a proposal that goes out again another body, if it brings one.
    pub(super) async fn renew_proposal(self: &Arc<Self>, proposal: &mut Proposal) -> Result<(), ModelError> {
        if let Some(first) = proposal.body {
            proposal.body = Some(self.renew_body(first, &mut proposal.slot).await?);
        }
        Ok(())
    }

    /// Stores a new body that holds what `first` holds, and has the entry name it. `Unavailable`: the first one is
    /// being let go.
    pub(super) async fn renew_body(
        self: &Arc<Self>,
        first: NewBody,
        slot: &mut Slot,
    ) -> Result<NewBody, ModelError> {
        let mut unsettled = Unsettled::new(self, Id::from_bytes(random_array(self.env.rng.as_ref())));
        let writes = self.share_body((first.id, None), (&mut unsettled, None)).await?;
        unsettled.begin();
        self.merge_everywhere(writes, Some(unsettled.deadline())).await?;
        // What a row holds goes after a quorum knows that it is dead. One that lives once the new references are there
        // proves that they found what it holds (doc/models/renew.rs).
        let rows = self.rows_of_body(first.id).await?;
        if rows.is_empty() || rows.values().any(|row| row.dead) {
            return Err(ModelError::Unavailable);
        }
        if let Slot::Live(object) = slot {
            object.body = named(unsettled.body(), &object.body);
        }
        let body = unsettled.new_body();
        unsettled.sent();
        Ok(body)
    }
}
