//! The coordinator of a read of one key: the nearest replicas first, another one when they are slow, and
//! what differs is written back before it is answered (rules G3, G4, G9).

use super::ask::{Asked, READ_LIMIT, Told};
use super::messages::{HeldPast, HeldRow, ReadRow, Reply};
use super::store::{Batch, VIEW_ATTEMPTS_MAX, VIEW_PAUSE, quorum_of};
use crate::batch::{Position, Write};
use crate::rows::object::{Beside, Content, ObjectRow};
use crate::rows::past::VersionId;
use crate::{Model, ModelError};
use base::{NodeId, PartitionHash, Stamp};
use bytes::Bytes;
use cluster::{Placement, View};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use table::register::{Member, PlainRead, Quorum, ReadStep, ReplicaSet, Version, WriteStep};

/// How long the nearest replicas may take before one more is asked: several round trips between homes,
/// and well below what a person notices.
const HEDGE_AFTER: Duration = Duration::from_millis(150);

/// A key, with where it lies.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct KeyPlace {
    pub partition: PartitionHash,
    pub key: String,
}

/// Which nodes hold something, and in which order they are asked.
pub(super) struct Asking {
    pub nodes: Vec<NodeId>,
    pub quorum: Quorum,
    pub view: View,
    /// Members, the nearest first.
    order: Vec<Member>,
    next: usize,
    lost: BTreeSet<Member>,
    /// Those of them that say that the bucket is gone.
    gone: BTreeSet<Member>,
}

/// What came, or that nothing came for a while.
pub(super) enum Heard<T> {
    Answer(Told<T>),
    Silence,
    End,
}

impl Asking {
    pub fn new(model: &Model, placement: &Placement, partition: PartitionHash) -> Result<Self, ModelError> {
        let mut nodes = Vec::new();
        let quorum = quorum_of(placement, partition, &mut nodes)?;
        let mut order: Vec<Member> = (0..nodes.len()).collect();
        order.sort_by_key(|member| model.peers.distance(nodes[*member]));
        Ok(Self {
            nodes,
            quorum,
            view: placement.view(),
            order,
            next: 0,
            lost: BTreeSet::new(),
            gone: BTreeSet::new(),
        })
    }

    /// All of these nodes: each of them must agree.
    pub fn all_of(nodes: Vec<NodeId>, view: View) -> Self {
        let order: Vec<Member> = (0..nodes.len()).collect();
        let quorum = Quorum::new(order.iter().map(|member| ReplicaSet::new([*member])).collect());
        Self { nodes, quorum, view, order, next: 0, lost: BTreeSet::new(), gone: BTreeSet::new() }
    }

    /// Those to ask first: as few as can agree, of those that are thought to be there.
    pub fn first(&mut self) -> Vec<Member> {
        let mut first = BTreeSet::new();
        while !self.quorum.reached(&first) && self.next < self.order.len() {
            first.insert(self.order[self.next]);
            self.next += 1;
        }
        first.into_iter().collect()
    }

    /// One more, if there is one.
    pub fn another(&mut self) -> Option<Member> {
        let member = self.order.get(self.next).copied();
        self.next += 1;
        member
    }

    /// Takes note of a member without an answer; whether a quorum is still possible.
    pub fn lose(&mut self, member: Member) -> bool {
        self.lost.insert(member);
        self.quorum.possible_without(&self.lost)
    }

    /// Takes note of a member that refuses because the bucket is gone as far as it knows (rule S3). One alone may be
    /// wrong; where those who say so leave no quorum to anything else, it is gone.
    pub fn lose_to_gone(&mut self, member: Member) -> Result<(), ModelError> {
        self.gone.insert(member);
        if self.lose(member) {
            return Ok(());
        }
        let is_gone = !self.quorum.possible_without(&self.gone);
        Err(if is_gone { ModelError::NoSuchBucket } else { ModelError::Unavailable })
    }
}

/// The next answer, or that it is time to ask somebody else.
pub(super) async fn hear<T: Send + 'static>(asked: &mut Asked<T>) -> Heard<T> {
    match env::timeout(HEDGE_AFTER, asked.next()).await {
        Some(Some(told)) => Heard::Answer(told),
        Some(None) => Heard::End,
        None => Heard::Silence,
    }
}

/// A row, with the bytes beside it if they were wanted.
type FoundRow = Option<(ObjectRow, Option<Bytes>)>;
/// What a quorum told of past rows in the moment in which it told its rows, and the birth of the question.
pub(super) type ToldPast = (Stamp, Vec<HeldPast>);

/// One attempt at a read.
enum Attempt {
    Answer(Box<(FoundRow, Option<ToldPast>)>),
    Again,
    Blocked,
}

impl Model {
    /// The row of a key as a quorum holds it, with the bytes beside it if they are wanted.
    pub(crate) async fn read_row(
        self: &Arc<Self>,
        place: &KeyPlace,
        content: bool,
    ) -> Result<FoundRow, ModelError> {
        self.read_row_and_past(place, content, None).await.map(|(found, _)| found)
    }

    /// The same, and what the same quorum told of a past version; none where that has to be asked for by itself.
    pub(super) async fn read_row_and_past(
        self: &Arc<Self>,
        place: &KeyPlace,
        content: bool,
        past: Option<VersionId>,
    ) -> Result<(FoundRow, Option<ToldPast>), ModelError> {
        for attempt in 1..VIEW_ATTEMPTS_MAX {
            match self.read_once(place, content, past).await? {
                Attempt::Answer(answer) => return Ok(*answer),
                Attempt::Again => env::sleep(VIEW_PAUSE * (attempt - 1)).await,
                Attempt::Blocked => {
                    env::sleep(VIEW_PAUSE * attempt).await;
                    if attempt > 1 {
                        self.take_over(place).await?;
                    }
                }
            }
        }
        Err(ModelError::Unavailable)
    }

    async fn read_once(
        self: &Arc<Self>,
        place: &KeyPlace,
        content: bool,
        past: Option<VersionId>,
    ) -> Result<Attempt, ModelError> {
        let placement = self.peers.placement();
        let mut asking = Asking::new(self, &placement, place.partition)?;
        let request = ReadRow {
            view: asking.view,
            birth: self.store.stamp().await?,
            partition: place.partition,
            key: place.key.clone(),
            content,
            aside: false,
            past,
        };
        let mut asked = Asked::new(asking.nodes.len());
        for member in asking.first() {
            self.ask(&mut asked, (member, asking.nodes[member]), (request.clone(), Bytes::new()), READ_LIMIT);
        }
        let mut read = PlainRead::new(asking.quorum.clone());
        let (mut contents, mut has_versions) = (BTreeMap::new(), false);
        // None as soon as one of those who told their row did not tell the past one.
        let mut pages = past.map(|_| Vec::new());
        loop {
            let more = match hear(&mut asked).await {
                Heard::End => return Err(ModelError::Unavailable),
                Heard::Silence => asking.another(),
                Heard::Answer((member, answer)) => match answer.map(|answer| answer.reply) {
                    Ok(Reply::Done(mut held)) => {
                        pages = pages.zip(held.past.take()).map(|(mut pages, page)| {
                            pages.push(page);
                            pages
                        });
                        has_versions |= held.row.as_ref().is_some_and(|row| row.lineage.is_some());
                        match judge((&mut read, &mut contents), member, held, content) {
                            ReadStep::Wait => None,
                            // A write that knew of no versions is put above those that are there by a ballot.
                            ReadStep::Answer(Some(found)) | ReadStep::WriteBack(found)
                                if has_versions && found.value.lineage.is_none() =>
                            {
                                return Ok(Attempt::Blocked);
                            }
                            ReadStep::Answer(found) => {
                                let told = pages.map(|pages| (request.birth, pages));
                                return Ok(answered(answer_of(found, &mut contents), told));
                            }
                            ReadStep::WriteBack(version) => {
                                let version = (version, request.birth);
                                return self.write_back(place, version, (contents, content)).await;
                            }
                            ReadStep::Again => return Ok(Attempt::Again),
                            ReadStep::Blocked => return Ok(Attempt::Blocked),
                        }
                    }
                    Ok(Reply::Closed(true)) => {
                        asking.lose_to_gone(member)?;
                        asking.another()
                    }
                    Ok(Reply::Old(_) | Reply::Fenced) => return Ok(Attempt::Again),
                    Ok(Reply::NotReady) if !asking.lose(member) => return Ok(Attempt::Again),
                    _ if !asking.lose(member) => return Err(ModelError::Unavailable),
                    _ => asking.another(),
                },
            };
            if let Some(member) = more {
                self.ask(
                    &mut asked,
                    (member, asking.nodes[member]),
                    (request.clone(), Bytes::new()),
                    READ_LIMIT,
                );
            }
        }
    }

    /// G3: what the replicas differ about goes to all of them before it is answered.
    async fn write_back(
        self: &Arc<Self>,
        place: &KeyPlace,
        (version, birth): (Version<Content>, Stamp),
        (mut contents, content): (BTreeMap<Stamp, Beside>, bool),
    ) -> Result<Attempt, ModelError> {
        let row = ObjectRow::of_version(version);
        let beside = match contents.remove(&row.order) {
            Some(known) if !row.has_bytes_aside() => known,
            _ => self.content_of(place, &row).await?,
        };
        match self.put_forward(place, (row.clone(), birth), beside.clone(), None).await? {
            // What was told of past rows belongs to the moment before.
            WriteStep::Done => Ok(answered(Some((row, beside.own.filter(|_| content))), None)),
            WriteStep::Again { .. } => Ok(Attempt::Again),
            WriteStep::Wait | WriteStep::Unknown => Ok(Attempt::Blocked),
        }
    }

    /// Sends a version that exists to all its replicas, under its own order; `birth` is that of the read or the
    /// ballot that found it.
    pub(super) async fn put_forward(
        self: &Arc<Self>,
        place: &KeyPlace,
        (row, birth): (ObjectRow, Stamp),
        beside: Beside,
        under: Option<View>,
    ) -> Result<WriteStep, ModelError> {
        let position = Position { order: row.order, id: row.stamp };
        let KeyPlace { partition, key } = place.clone();
        let writes = vec![Write::Accept { partition, key, row, beside }];
        match self
            .store_everywhere(Batch { position, birth, deadline: None, writes, block: None, under })
            .await
        {
            Ok(steps) => Ok(steps.get(&0).copied().unwrap_or(WriteStep::Unknown)),
            // With one replica away, a promise that one of the others gave keeps it from a quorum for good:
            // taking over helps where waiting does not. Nothing new was put forward, so that is always safe.
            Err(ModelError::Unavailable | ModelError::Fenced) => Ok(WriteStep::Unknown),
            Err(error) => Err(error),
        }
    }

    /// The bytes beside a row, from any replica that holds it.
    pub(super) async fn content_of(
        self: &Arc<Self>,
        place: &KeyPlace,
        wanted: &ObjectRow,
    ) -> Result<Beside, ModelError> {
        if !wanted.has_bytes() {
            return Ok(Beside::default());
        }
        let placement = self.peers.placement();
        let asking = Asking::new(self, &placement, place.partition)?;
        let request = ReadRow {
            view: asking.view,
            birth: self.store.stamp().await?,
            partition: place.partition,
            key: place.key.clone(),
            content: true,
            aside: true,
            past: None,
        };
        for member in asking.order {
            let asked = self.ask_one(asking.nodes[member], request.clone(), Bytes::new(), READ_LIMIT).await;
            let Ok(Reply::Done(HeldRow { row: Some(row), beside, .. })) = asked.map(|told| told.reply) else {
                continue;
            };
            if row.stamp == wanted.stamp && beside.fits(wanted) {
                return Ok(beside);
            }
        }
        Err(ModelError::Unavailable)
    }
}

fn answered(found: FoundRow, told: Option<ToldPast>) -> Attempt {
    Attempt::Answer(Box::new((found, told)))
}

fn answer_of(found: Option<Version<Content>>, contents: &mut BTreeMap<Stamp, Beside>) -> FoundRow {
    found.map(|version| {
        let inline = contents.remove(&version.order).and_then(|beside| beside.own);
        (ObjectRow::of_version(version), inline)
    })
}

/// Takes a replica's row; one whose bytes are not what it says counts as none.
fn judge(
    (read, contents): (&mut PlainRead<Content>, &mut BTreeMap<Stamp, Beside>),
    member: Member,
    held: HeldRow,
    content: bool,
) -> ReadStep<Content> {
    let Some(row) = held.row else { return read.reply(member, None) };
    if content && !held.beside.fits(&row) {
        tracing::warn!("a replica sent bytes that are not those of its object");
        return ReadStep::Wait;
    }
    if content {
        contents.insert(row.order, held.beside);
    }
    read.reply(member, row.version())
}
