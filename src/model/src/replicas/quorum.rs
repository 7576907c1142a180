//! One question about a partition to as many replicas as can agree: the nearest first, another one when they are
//! slow, again when somebody sees another layout.

use super::ask::{Asked, READ_LIMIT};
use super::messages::Reply;
use super::read::{Asking, Heard, hear};
use super::serve::Serve;
use super::store::{VIEW_ATTEMPTS_MAX, VIEW_PAUSE};
use crate::{Model, ModelError};
use base::{PartitionHash, Stamp};
use bytes::Bytes;
use cluster::View;
use std::collections::BTreeSet;
use std::sync::Arc;

impl Model {
    /// What a quorum answers, and the birth of the question, which gets the view of the moment it is asked.
    pub(super) async fn ask_quorum<T: Send + 'static, R: Serve<Reply = Reply<T>> + Clone>(
        self: &Arc<Self>,
        partition: PartitionHash,
        question: impl Fn(View, Stamp) -> R + Send + Sync,
    ) -> Result<(Stamp, Vec<T>), ModelError> {
        for attempt in 1..VIEW_ATTEMPTS_MAX {
            if let Some(told) = self.ask_quorum_once(partition, &question).await? {
                return Ok(told);
            }
            env::sleep(VIEW_PAUSE * attempt).await;
        }
        Err(ModelError::Unavailable)
    }

    /// `None` when somebody sees another layout, or forgot what the question may be about (rule T4).
    async fn ask_quorum_once<T: Send + 'static, R: Serve<Reply = Reply<T>> + Clone>(
        self: &Arc<Self>,
        partition: PartitionHash,
        question: &(impl Fn(View, Stamp) -> R + Send + Sync),
    ) -> Result<Option<(Stamp, Vec<T>)>, ModelError> {
        let placement = self.peers.placement();
        let mut asking = Asking::new(self, &placement, partition)?;
        let birth = self.store.stamp().await?;
        let request = question(asking.view, birth);
        let mut asked = Asked::new(asking.nodes.len());
        let mut more = asking.first();
        let (mut heard, mut told) = (BTreeSet::new(), Vec::new());
        while !asking.quorum.reached(&heard) {
            for member in more.drain(..) {
                let place = (member, asking.nodes[member]);
                self.ask(&mut asked, place, (request.clone(), Bytes::new()), READ_LIMIT);
            }
            match hear(&mut asked).await {
                Heard::End => return Err(ModelError::Unavailable),
                Heard::Silence => more.extend(asking.another()),
                Heard::Answer((member, answer)) => match answer.map(|answer| answer.reply) {
                    Ok(Reply::Done(answer)) => {
                        heard.insert(member);
                        told.push(answer);
                    }
                    Ok(Reply::Closed(true)) => {
                        asking.lose_to_gone(member)?;
                        more.extend(asking.another());
                    }
                    Ok(Reply::Old(_) | Reply::Fenced) => return Ok(None),
                    Ok(Reply::NotReady) if !asking.lose(member) => return Ok(None),
                    _ if !asking.lose(member) => return Err(ModelError::Unavailable),
                    _ => more.extend(asking.another()),
                },
            }
        }
        Ok(Some((birth, told)))
    }
}
