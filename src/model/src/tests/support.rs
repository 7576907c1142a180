//! A node of the model over a simulated machine, and the few verbs that tests speak.
//!
//! Time stands still unless a test moves it; background work runs only when a test asks for it.

use crate::multipart::{Completion, UploadName};
use crate::objects::{Condition, Deletion, Found, ObjectMeta, Place, Want};
use crate::rows::object::{ETag, ObjectRow};
use crate::rows::upload::UploadMark;
use crate::rows::version::Owner;
use crate::usage::{self, Usage};
use crate::{BodyWriter, Bypass, ByteRange, FinishedBody, Model, ModelError, Peers};
use base::id::kind;
use base::{BucketName, Id, NodeId, PartNumber, PartitionHash, Stamp};
use block::{BlockConfig, BlockStore};
use bytes::Bytes;
use env::sim::{Keep, SimOptions, SimWorld};
use futures_util::FutureExt;
use std::ops::{Bound, ControlFlow};
use std::path::PathBuf;
use std::sync::Arc;
use store::{MemEngine, MemPlatter, Read, Space, Step, Store, StoreOptions};

pub type Bucket = Id<kind::Bucket>;
pub type Upload = Id<kind::Upload>;

pub const NODE: NodeId = NodeId::from_bytes([7; 32]);
/// Longer than the grace of blocks and the one of tombstones.
const PAST_GRACE_MS: i64 = 11 * 60 * 1000;

/// Runs a test on a runtime with virtual time.
pub fn run<T>(future: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_time().start_paused(true).build().unwrap().block_on(future)
}

/// A running node and the machine under it.
pub struct Node {
    pub world: SimWorld,
    rows: Arc<MemPlatter>,
    pub store: Store,
    pub blocks: BlockStore,
    pub model: Arc<Model>,
}

impl Node {
    pub async fn new() -> Self {
        Self::on(SimWorld::new(1, &SimOptions::default()), Arc::default()).await
    }

    async fn on(world: SimWorld, rows: Arc<MemPlatter>) -> Self {
        let env = world.env();
        let engine = Arc::new(MemEngine::open(&rows, Some(world.disk.clone())));
        let options = StoreOptions { folder: PathBuf::from("/"), node_tag: NODE.tag() };
        let store = Store::open(&env, engine, options).unwrap();
        let config = BlockConfig::new(NODE, PathBuf::from("/data"));
        let blocks = BlockStore::open(&env, &store, config).await.unwrap();
        let model = Model::open(&env, store.clone(), blocks.clone(), Peers::alone(NODE)).unwrap();
        Self { world, rows, store, blocks, model }
    }

    /// Cuts the power and starts again, without settling what was interrupted.
    pub async fn restart(self) -> Self {
        let Self { world, rows, store, blocks, model } = self;
        world.disk.crash(Keep::Nothing);
        drop((store, blocks, model));
        Self::on(world, rows).await
    }

    /// Does all background work that can be done now.
    pub async fn settle(&self) {
        // Dropped writers clean up in tasks of their own.
        for _ in 0..64 {
            tokio::task::yield_now().await;
        }
        for _ in 0..100 {
            let reclaimed = self.model.reclaim_step().await.unwrap();
            let now = self.model.env().clock.wall();
            let checked = self.blocks.run_due(now).await.unwrap();
            assert_eq!(checked.missing, Vec::new(), "a referenced block is missing");
            if reclaimed.done == 0 && checked.examined == 0 {
                return;
            }
        }
        panic!("background work never ends");
    }

    /// Lets every grace pass and does what is due then.
    pub async fn expire(&self) {
        for _ in 0..3 {
            self.settle().await;
            self.world.clock.jump(PAST_GRACE_MS);
        }
        self.settle().await;
    }

    pub async fn bucket(&self) -> Bucket {
        self.model.create_bucket(None, None).await.unwrap()
    }

    pub async fn body(&self, owner: Owner, pieces: &[&[u8]]) -> FinishedBody {
        self.try_body(owner, pieces).await.unwrap()
    }

    async fn try_body(&self, owner: Owner, pieces: &[&[u8]]) -> Result<FinishedBody, ModelError> {
        body_of(&self.model, owner, pieces).await
    }

    pub async fn put(&self, bucket: Bucket, key: &str, pieces: &[&[u8]]) -> Stamp {
        self.put_if(bucket, key, pieces, Condition::Always).await.unwrap()
    }

    pub async fn put_if(
        &self,
        bucket: Bucket,
        key: &str,
        pieces: &[&[u8]],
        condition: Condition,
    ) -> Result<Stamp, ModelError> {
        let body = self.try_body(Owner::Object(bucket, key.into()), pieces).await?;
        let place = Place { bucket, key: key.into(), condition };
        self.model
            .put_object(place, body, tag(pieces), ObjectMeta::default())
            .await
            .map(|written| written.stamp)
    }

    pub async fn delete(&self, bucket: Bucket, key: &str) {
        self.delete_if(bucket, key, Condition::Always).await.unwrap();
    }

    pub async fn delete_if(&self, bucket: Bucket, key: &str, condition: Condition) -> Result<(), ModelError> {
        let deletion = Deletion { key: key.into(), version: None, condition, bypass: Bypass::Nothing };
        self.model.delete_object(bucket, deletion).await.map(drop)
    }

    pub async fn copy(&self, from: (Bucket, &str), to: (Bucket, &str)) -> Result<Stamp, ModelError> {
        let source = self.find(from.0, from.1).ok_or(ModelError::NoSuchKey)?;
        let place = Place { bucket: to.0, key: to.1.into(), condition: Condition::Always };
        let from = (from.0, from.1.into(), None);
        let copied = self.model.copy_object(from, source, place, ObjectMeta::default()).await;
        copied.map(|written| written.stamp)
    }

    pub fn find(&self, bucket: Bucket, key: &str) -> Option<Found> {
        self.model
            .find(bucket, key, Want::Content)
            .now_or_never()
            .expect("a node that is alone answers at once")
            .unwrap()
    }

    /// The whole content under a key.
    pub async fn content(&self, bucket: Bucket, key: &str) -> Option<Vec<u8>> {
        let found = self.find(bucket, key)?;
        let size = found.object.size;
        let content = self.range(&found, ByteRange { start: 0, end: size }).await;
        assert_eq!(content.len() as u64, size);
        Some(content)
    }

    pub async fn range(&self, found: &Found, range: ByteRange) -> Vec<u8> {
        let mut reader = found.read(&self.model, range);
        let mut content = Vec::new();
        while let Some(bytes) = reader.next().await.unwrap() {
            content.extend(bytes);
        }
        content
    }

    pub async fn upload(&self, bucket: Bucket, key: &str) -> UploadName {
        self.try_upload(bucket, key).await.unwrap()
    }

    pub async fn try_upload(&self, bucket: Bucket, key: &str) -> Result<UploadName, ModelError> {
        let meta = ObjectMeta::default();
        let id = self.model.create_upload((bucket, key.into()), meta, None, "GK1".into()).await?;
        Ok(UploadName { bucket, key: key.into(), id })
    }

    pub async fn part(&self, name: &UploadName, number: u16, pieces: &[&[u8]]) -> Result<Stamp, ModelError> {
        let owner = Owner::Part(name.id, number);
        let number = PartNumber::new(number.into()).unwrap();
        let (_, still_open) = self.model.begin_part(name, number).await?;
        let (body, ()) = futures_util::try_join!(self.try_body(owner, pieces), still_open)?;
        self.model.put_part(name.clone(), number, body, (tag(pieces).md5, None)).await
    }

    /// A completion of these part numbers, without the least size of parts.
    pub fn plan(&self, name: &UploadName, numbers: &[u16]) -> Completion {
        let (row, mut parts, _) = self
            .model
            .list_parts(name, 0, usize::MAX)
            .now_or_never()
            .expect("a node that is alone answers at once")
            .unwrap();
        parts.retain(|part| numbers.contains(&part.number.get()));
        assert_eq!(parts.len(), numbers.len());
        Completion { upload: name.id, row, parts, deadline: base::WallTime(u64::MAX) }
    }

    pub async fn complete(&self, name: &UploadName, plan: Completion) -> Result<Stamp, ModelError> {
        let done = self.model.complete_upload(name.clone(), plan, None, Condition::Always).await?;
        Ok(done.stamp)
    }

    /// Rows of a keyspace.
    pub fn rows(&self, space: Space) -> usize {
        let mut rows = 0;
        let visit = &mut |_: &[u8], _: &[u8]| {
            rows += 1;
            ControlFlow::Continue(())
        };
        self.store.view().unwrap().scan(space, Bound::Unbounded, Bound::Unbounded, visit).unwrap();
        rows
    }

    /// Blocks with a row, and so with a file.
    pub fn block_rows(&self) -> usize {
        self.rows(Space::RefCount)
    }

    /// Nothing is left of any body, upload or deleted row.
    pub fn assert_only_buckets_left(&self) {
        for space in Space::ALL {
            let stays = [Space::Meta, Space::Bucket, Space::Alias, Space::Key, Space::Setting];
            if !stays.contains(&space) && !matches!(space, Space::Usage | Space::Fence) {
                assert_eq!(self.rows(space), 0, "rows left in {}", space.name());
            }
        }
        let figures = self.blocks.statistics().unwrap();
        assert_eq!((figures.blocks, figures.stored_bytes), (0, 0));
    }

    pub fn usage(&self, bucket: Bucket) -> Usage {
        let partition = PartitionHash::of_shard(&bucket, 0);
        usage::of_partition(&self.store.view().unwrap(), partition).unwrap()
    }

    /// The counters equal the rows, counted here and not by the code under test.
    pub fn assert_usage_is_exact(&self, bucket: Bucket) {
        let view = self.store.view().unwrap();
        let partition = PartitionHash::of_shard(&bucket, 0);
        let mut counted = Usage::default();
        view.walk(Space::Object, &[], None, &mut |key, row: ObjectRow| {
            if let Some(object) = row.live().filter(|_| key.starts_with(partition.as_bytes())) {
                counted.objects += 1;
                counted.bytes += object.size as i64;
            }
            Step::Next
        })
        .unwrap();
        view.walk(Space::UploadIndex, &[], None, &mut |key, _: UploadMark| {
            counted.uploads += i64::from(key.starts_with(partition.as_bytes()));
            Step::Next
        })
        .unwrap();
        assert_eq!(self.usage(bucket), counted);
        assert_eq!(usage::recount(&view, partition).unwrap(), counted);
    }
}

/// Streams `pieces`: all but the last as blocks of their own, whatever their size.
pub async fn body_of(model: &Arc<Model>, owner: Owner, pieces: &[&[u8]]) -> Result<FinishedBody, ModelError> {
    let (last, whole) = pieces.split_last().unwrap();
    let mut writer = BodyWriter::new(model, owner);
    for piece in whole {
        writer.push_block(Bytes::copy_from_slice(piece), ()).await?;
    }
    writer.finish(Bytes::copy_from_slice(last)).await
}

/// A tag for content: any 16 bytes that differ when the content does.
pub fn tag(pieces: &[&[u8]]) -> ETag {
    let hash = base::BlockHash::of(&pieces.concat());
    ETag { md5: hash.as_bytes()[..16].try_into().unwrap(), parts: None }
}

pub fn bucket_named(name: &str) -> BucketName {
    BucketName::parse(name).unwrap()
}

/// The key of a listed entry.
pub fn key_of(number: usize) -> String {
    format!("key-{number:03}")
}

/// A small seeded generator (SplitMix64), so that a failing case can be repeated.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}
