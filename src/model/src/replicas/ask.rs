//! One question to several nodes: sent to all at once, answered as they answer.

use super::serve::Serve;
use crate::Model;
use base::NodeId;
use bytes::Bytes;
use net::{Answer, Attachment, CallError, Outgoing};
use std::sync::Arc;
use std::time::Duration;
use table::register::Member;
use tokio::sync::mpsc;

/// How long a write waits for a replica that neither answers nor breaks its link, beside the time that a block is given
/// to get over a slow line.
pub(crate) const WRITE_LIMIT: Duration = Duration::from_secs(10);
/// The same for a read, of which another replica is asked long before.
pub(crate) const READ_LIMIT: Duration = Duration::from_secs(8);

/// Answers on their way.
pub(crate) struct Asked<T> {
    sender: mpsc::Sender<Told<T>>,
    answers: mpsc::Receiver<Told<T>>,
    open: usize,
}

/// Who answered, and what.
pub(crate) type Told<T> = (Member, Result<Answer<T>, CallError>);

impl<T: Send + 'static> Asked<T> {
    /// For at most so many questions.
    pub fn new(most: usize) -> Self {
        let (sender, answers) = mpsc::channel(most.max(1));
        Self { sender, answers, open: 0 }
    }

    /// The next answer; `None` when none is to come. Whoever stops waiting for one loses none.
    pub async fn next(&mut self) -> Option<Told<T>> {
        if self.open == 0 {
            return None;
        }
        let told = self.answers.recv().await;
        self.open -= 1;
        told
    }
}

impl Model {
    /// Sends a question. It goes on to its end even if nobody waits for the answer any more.
    pub(crate) fn ask<R: Serve>(
        self: &Arc<Self>,
        asked: &mut Asked<R::Reply>,
        (member, node): (Member, NodeId),
        (request, bytes): (R, Bytes),
        limit: Duration,
    ) {
        let (model, sender) = (Arc::clone(self), asked.sender.clone());
        asked.open += 1;
        let size_bytes = bytes.len();
        let question = async move {
            let unwanted = model.when_nobody_waits(&sender, size_bytes);
            let answer = model.ask_while_wanted(node, (request, bytes), limit, unwanted).await;
            if let Err(error) = &answer {
                tracing::debug!(question = R::NAME, %node, %error, "no answer of another node");
            }
            // Whoever asked may have heard enough.
            let _ = sender.send((member, answer)).await;
        };
        self.env.tasks.spawn(question).detach();
    }

    /// Sends all of these nodes the same question; a node's place among them is its member.
    pub(crate) fn ask_each<R: Serve + Clone>(
        self: &Arc<Self>,
        nodes: &[NodeId],
        request: &R,
        limit: Duration,
    ) -> Asked<R::Reply> {
        let mut asked = Asked::new(nodes.len());
        for (member, node) in nodes.iter().enumerate() {
            self.ask(&mut asked, (member, *node), (request.clone(), Bytes::new()), limit);
        }
        asked
    }

    /// Ends when nobody waits for an answer any more and too many bytes wait like that already for lines that are slower
    /// than those of others: what was asked then remains undone there, until that home takes it from the others.
    async fn when_nobody_waits<T>(&self, sender: &mpsc::Sender<T>, size_bytes: usize) {
        sender.closed().await;
        let lagging = self.memory.lagging(size_bytes);
        if lagging.is_some() {
            std::future::pending::<()>().await;
        }
        drop(lagging);
    }

    /// Asks one node, which may be this one.
    pub(crate) async fn ask_one<R: Serve>(
        self: &Arc<Self>,
        node: NodeId,
        request: R,
        bytes: Bytes,
        limit: Duration,
    ) -> Result<Answer<R::Reply>, CallError> {
        self.ask_while_wanted(node, (request, bytes), limit, std::future::pending()).await
    }

    async fn ask_while_wanted<R: Serve>(
        self: &Arc<Self>,
        node: NodeId,
        (request, bytes): (R, Bytes),
        limit: Duration,
        unwanted: impl Future<Output = ()> + Send,
    ) -> Result<Answer<R::Reply>, CallError> {
        let attachment = Attachment::from(bytes);
        if node == self.peers.me() {
            let answer = request.serve(self, attachment).await;
            return answer.map_err(|refusal| CallError::Refused { node, refusal });
        }
        let net = self.peers.net().ok_or(CallError::NotConnected(node))?;
        let outgoing = Outgoing { request: &request, attachment, limit };
        let answer = net.call_while_wanted(node, outgoing, unwanted).await;
        self.clocks.answered(node, &answer);
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn whoever_stops_waiting_for_an_answer_loses_none() {
        let mut asked = Asked::<()>::new(1);
        asked.open = 1;
        let moment = Duration::from_millis(150);
        assert!(env::timeout(moment, asked.next()).await.is_none(), "nothing has come yet");
        let late = Err(CallError::NotConnected(NodeId::from_bytes([1; 32])));
        asked.sender.send((0, late)).await.unwrap();
        assert!(asked.next().await.is_some(), "it is still awaited");
        assert!(asked.next().await.is_none(), "none is to come");
    }
}
