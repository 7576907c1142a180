//! What homes ask each other about events that one of them holds for the other.

use super::id::EventId;
use crate::replicas::Reply;
use crate::rows::event::HeldRow;
use base::NodeId;
use cluster::layout::Count;
use net::{Class, Request};
use serde::{Deserialize, Serialize};

/// A home in one of its lives: what it had on its way in another one is another home's affair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Owner {
    pub node: NodeId,
    pub life: Count,
}

/// Names an event on its way to one webhook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OnItsWay {
    pub webhook: String,
    #[serde(with = "serde_bytes")]
    pub id: Vec<u8>,
}

impl OnItsWay {
    /// Names an event.
    pub fn new(webhook: &str, id: EventId) -> Self {
        Self { webhook: webhook.to_owned(), id: id.to_bytes().to_vec() }
    }

    /// The event and the webhook, unless they cannot be such.
    pub fn parse(&self) -> Option<(&str, EventId)> {
        let is_name = !self.webhook.is_empty() && !self.webhook.contains('\0');
        Some((self.webhook.as_str(), EventId::parse(&self.id)?)).filter(|_| is_name)
    }
}

/// The places in a list of those of which something is so; what names no event is passed over.
pub(super) fn places_where<E>(
    names: &[OnItsWay],
    is_so: impl Fn(&str, EventId) -> Result<bool, E>,
) -> Result<Vec<u32>, E> {
    let mut places = Vec::new();
    for (place, name) in (0_u32..).zip(names) {
        let Some((webhook, id)) = name.parse() else { continue };
        places.extend(is_so(webhook, id)?.then_some(place));
    }
    Ok(places)
}

/// What lies at some places of a list.
pub(super) fn at_places<T: Clone>(all: &[T], places: &[u32]) -> Vec<T> {
    let at = |place: &u32| usize::try_from(*place).ok().and_then(|place| all.get(place));
    places.iter().filter_map(at).cloned().collect()
}

/// An event that another home is to hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Held {
    pub name: OnItsWay,
    pub row: HeldRow,
}

/// Holds events of the asker; they are durable when it is answered.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct HoldEvents {
    pub of: Owner,
    /// Whether the changes free space, and so are let in where there is little.
    pub frees: bool,
    pub events: Vec<Held>,
}

impl Request for HoldEvents {
    type Reply = Reply<()>;
    const NAME: &'static str = "model/hold_events";
    const CLASS: Class = Class::Metadata;
}

/// Which of these events of the asker are not held: their places in the list.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct AskLacking {
    pub of: Owner,
    pub names: Vec<OnItsWay>,
}

impl Request for AskLacking {
    type Reply = Vec<u32>;
    const NAME: &'static str = "model/lacking_events";
    const CLASS: Class = Class::Metadata;
}

/// Which of these events of whoever is asked are neither under way nor waiting there any more, by their places in the list.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct AskDone {
    pub of: Owner,
    pub names: Vec<OnItsWay>,
}

/// What a home says of events of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Done {
    /// These are.
    #[serde(rename = "d")]
    These(Vec<u32>),
    /// It is in another life: what it had on its way in that one is whoever's who holds it.
    #[serde(rename = "o")]
    OtherLife,
    /// It does not know yet in which life it is.
    #[serde(rename = "n")]
    NotYet,
}

impl Request for AskDone {
    type Reply = Done;
    const NAME: &'static str = "model/done_events";
    const CLASS: Class = Class::Metadata;
}
