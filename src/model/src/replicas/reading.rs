//! Bodies that are being read through other homes: whoever lets a body go asks first.
//!
//! A long download keeps the body that it began with, though its key is overwritten or deleted meanwhile. Each home knows
//! its own readers. A home that cannot be reached has none that could go on: it could not fetch their blocks.

use super::READ_LIMIT;
use super::serve::Serve;
use crate::Model;
use base::Id;
use base::id::kind;
use net::{Answer, Attachment, Class, Refusal, Request};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Asks whether anybody reads a body through the other node now.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct AskReaders {
    pub body: Id<kind::Body>,
}

impl Request for AskReaders {
    type Reply = bool;
    const NAME: &'static str = "model/readers";
    const CLASS: Class = Class::Metadata;
}

impl Serve for AskReaders {
    async fn serve(self, model: &Arc<Model>, _: Attachment) -> Result<Answer<bool>, Refusal> {
        Ok(Answer::from(model.readers.is_reading(self.body)))
    }
}

impl Model {
    /// Whether anybody reads a body, through whichever home.
    pub(super) async fn is_read_anywhere(self: &Arc<Self>, body: Id<kind::Body>) -> bool {
        if self.readers.is_reading(body) {
            return true;
        }
        let mut asked = self.ask_each(&self.peers.others_up(), &AskReaders { body }, READ_LIMIT);
        while let Some((_, answer)) = asked.next().await {
            if answer.is_ok_and(|answer| answer.reply) {
                return true;
            }
        }
        false
    }
}
