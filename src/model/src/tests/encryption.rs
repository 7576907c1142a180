//! Encrypted bodies on one node and on several, the ring and its secret.

use super::homes::{Homes, id};
use super::support::{Bucket, Node, tag};
use super::{bucket_named, run};
use crate::encryption::Wish;
use crate::encryption::change::Told;
use crate::encryption::cipher::Key;
use crate::encryption::ring::{EncryptionSecret, KeepSecrets};
use crate::objects::{Condition, Found, ObjectMeta, Place, Want};
use crate::rows::encryption::Keeper;
use crate::rows::object::Body;
use crate::rows::version::Owner;
use crate::{BodyWriter, ByteRange, Model, ModelError};
use std::sync::Arc;
use std::time::Duration;

const SECRET: EncryptionSecret = EncryptionSecret::from_bytes([9; 32]);
const NEXT: EncryptionSecret = EncryptionSecret::from_bytes([10; 32]);

async fn put(
    model: &Arc<Model>,
    bucket: Bucket,
    key: &str,
    wish: &Wish,
    content: &[u8],
) -> Result<(), ModelError> {
    let wrapping = model.new_data_key((bucket, key), wish).await?;
    let mut writer =
        BodyWriter::new(model, Owner::Object(bucket, key.into())).sealed(Some(&wrapping.data_key));
    let size = writer.block_max_bytes();
    let (whole, rest) = content.split_at(if content.len() > size { content.len() / size * size } else { 0 });
    for block in whole.chunks(size) {
        writer.push_block(block.to_vec().into(), ()).await?;
    }
    let body = writer.finish(rest.to_vec().into()).await?;
    assert_eq!(body.size(), content.len() as u64);
    let place = Place { bucket, key: key.into(), condition: Condition::Always };
    let meta = ObjectMeta { encryption: Some(wrapping.encryption), ..ObjectMeta::default() };
    model.put_object(place, body, tag(&[content]), meta).await.map(|_| ())
}

async fn find(model: &Arc<Model>, bucket: Bucket, key: &str) -> Found {
    model.find(bucket, key, Want::Content).await.unwrap().unwrap()
}

async fn content(model: &Arc<Model>, found: &Found) -> Result<Vec<u8>, ModelError> {
    let mut reader = found.read(model, ByteRange { start: 0, end: found.object.size });
    let mut content = Vec::new();
    while let Some(bytes) = reader.next().await? {
        content.extend(bytes);
    }
    Ok(content)
}

fn sample(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at / 7) as u8).collect()
}

#[test]
fn what_a_customer_encrypts_opens_with_the_same_key_only() {
    run(async {
        let node = Node::new().await;
        let bucket = node.model.create_bucket(Some(bucket_named("bucket")), None).await.unwrap();
        let (key, other) = (Key::from_bytes([1; 32]), Key::from_bytes([2; 32]));
        for length in [0, 10, 100_000, 3 << 20] {
            put(&node.model, bucket, "k", &Wish::Customer(key.clone()), &sample(length)).await.unwrap();
            let mut found = find(&node.model, bucket, "k").await;
            assert!(matches!(content(&node.model, &found).await, Err(ModelError::CustomerKeyNeeded)));
            for (place, key) in [((bucket, "k"), &other), ((bucket, "l"), &key)] {
                assert!(matches!(found.unlock(place, key), Err(ModelError::WrongCustomerKey)));
            }
            found.unlock((bucket, "k"), &key).unwrap();
            assert_eq!(content(&node.model, &found).await.unwrap(), sample(length));
        }
    });
}

#[test]
fn ranges_open_the_blocks_they_touch() {
    run(async {
        let node = Node::new().await;
        node.model.set_encryption_secret(SECRET);
        let bucket = node.model.create_bucket(Some(bucket_named("bucket")), None).await.unwrap();
        let whole = sample((3 << 20) + 5);
        put(&node.model, bucket, "k", &Wish::Service, &whole).await.unwrap();
        let found = find(&node.model, bucket, "k").await;
        let block = (1 << 20) - 16;
        let ends = [0, 1, block - 1, block, block + 1, 2 * block, whole.len() - 1, whole.len()];
        for start in ends {
            for end in ends.into_iter().filter(|end| *end >= start) {
                let range = ByteRange { start: start as u64, end: end as u64 };
                assert_eq!(node.range(&found, range).await, whole[start..end], "{start}..{end}");
            }
        }
    });
}

#[test]
fn a_block_in_another_s_place_is_damage() {
    run(async {
        let node = Node::new().await;
        node.model.set_encryption_secret(SECRET);
        let bucket = node.model.create_bucket(Some(bucket_named("bucket")), None).await.unwrap();
        put(&node.model, bucket, "k", &Wish::Service, &sample(2 << 20)).await.unwrap();
        let mut found = find(&node.model, bucket, "k").await;
        let Body::Blocks(_, pieces) = &mut found.object.body else { panic!("a body of blocks") };
        pieces.swap(0, 1);
        assert!(matches!(content(&node.model, &found).await, Err(ModelError::Damaged)));
    });
}

#[test]
fn without_the_secret_nothing_is_made_and_nothing_opens() {
    run(async {
        let node = Node::new().await;
        let bucket = node.model.create_bucket(Some(bucket_named("bucket")), None).await.unwrap();
        let refused = put(&node.model, bucket, "k", &Wish::Service, b"x").await;
        assert!(matches!(refused, Err(ModelError::NoEncryptionSecret)), "{refused:?}");
        node.model.set_encryption_secret(SECRET);
        put(&node.model, bucket, "k", &Wish::Service, b"x").await.unwrap();
        // As after a start with another secret, or with none.
        node.model.set_encryption_secret(EncryptionSecret::from_bytes([8; 32]));
        let refused = put(&node.model, bucket, "l", &Wish::Service, b"x").await;
        assert!(matches!(refused, Err(ModelError::EncryptionSecretMissing)), "{refused:?}");
        assert!(matches!(node.model.rotate_ring_key(None).await, Err(ModelError::EncryptionSecretMissing)));
        assert!(matches!(node.model.create_ring_key("name").await, Err(ModelError::EncryptionSecretMissing)));
        let found = find(&node.model, bucket, "k").await;
        assert!(matches!(content(&node.model, &found).await, Err(ModelError::EncryptionSecretMissing)));
        node.model.set_encryption_secret(SECRET);
        let found = find(&node.model, bucket, "k").await;
        assert_eq!(content(&node.model, &found).await.unwrap(), b"x");
    });
}

#[test]
fn the_newest_key_of_a_name_encrypts_and_all_decrypt() {
    run(async {
        let node = Node::new().await;
        node.model.set_encryption_secret(SECRET);
        let bucket = node.model.create_bucket(Some(bucket_named("bucket")), None).await.unwrap();
        let named = Wish::Named { name: Some("photos".into()), bucket_key: false };
        let refused = put(&node.model, bucket, "k", &named, b"x").await;
        assert!(matches!(refused, Err(ModelError::NoSuchEncryptionKey)));
        assert!(matches!(
            node.model.rotate_ring_key(Some("photos")).await,
            Err(ModelError::NoSuchEncryptionKey)
        ));
        let mut newest = node.model.create_ring_key("photos").await.unwrap();
        assert!(matches!(node.model.create_ring_key("photos").await, Err(ModelError::EncryptionKeyExists)));
        for turn in 0..3 {
            put(&node.model, bucket, &format!("k{turn}"), &named, b"x").await.unwrap();
            put(&node.model, bucket, "own", &Wish::Service, b"x").await.unwrap();
            let found = find(&node.model, bucket, &format!("k{turn}")).await;
            let keeper = found.object.rare.encryption.map(|encryption| encryption.keeper);
            let (key, name) = (newest, "photos".to_owned());
            assert_eq!(keeper, Some(Keeper::Named { key, name, bucket_key: false }));
            newest = node.model.rotate_ring_key(Some("photos")).await.unwrap();
            for earlier in 0..=turn {
                let found = find(&node.model, bucket, &format!("k{earlier}")).await;
                assert_eq!(content(&node.model, &found).await.unwrap(), b"x");
            }
        }
        let keys = node.model.ring_keys();
        assert_eq!(keys.iter().filter(|key| key.is_newest).count(), 2, "{keys:?}");
        assert!(keys.iter().all(|key| key.is_open));
    });
}

#[test]
fn a_member_is_told_the_secret_and_of_two_one_becomes_the_cluster_s() {
    run(async {
        let homes = Homes::new(3, 3).await;
        homes.model(0).set_encryption_secret(SECRET);
        homes.model(1).set_encryption_secret(EncryptionSecret::from_bytes([8; 32]));
        let bucket = homes.model(0).create_bucket(Some(bucket_named("bucket")), None).await.unwrap();
        put(homes.model(0), bucket, "k", &Wish::Service, b"x").await.unwrap();
        // The other one cannot be used any more, whether its node has heard of the ring or not.
        let refused = put(homes.model(1), bucket, "l", &Wish::Service, b"x").await;
        assert!(matches!(refused, Err(ModelError::EncryptionSecretMissing)), "{refused:?}");
        let refused = homes.model(1).claim_secret(&EncryptionSecret::from_bytes([8; 32])).await;
        assert!(matches!(refused, Err(ModelError::EncryptionSecretMissing)), "{refused:?}");
        homes.model(1).claim_secret(&SECRET).await.unwrap();
        let (told, heard) = tokio::sync::oneshot::channel();
        let told = std::sync::Mutex::new(Some(told));
        let (kept, keep) = tokio::sync::oneshot::channel::<()>();
        let keep = std::sync::Arc::new(tokio::sync::Mutex::new(Some(keep)));
        let _keeper = homes.model(2).spawn_secret_keeper(Box::new(move |secrets| {
            told.lock().unwrap().take().unwrap().send(secrets).ok().unwrap();
            let keep = std::sync::Arc::clone(&keep);
            Box::pin(async move { keep.lock().await.take().unwrap().await.is_ok() })
        }));
        assert!(heard.await.unwrap() == [SECRET]);
        // As long as it lies nowhere else, the node that was told it says so.
        assert!(homes.model(2).forgets_encryption_secret() && !homes.model(1).forgets_encryption_secret());
        kept.send(()).unwrap();
        while homes.model(2).forgets_encryption_secret() {
            env::sleep(std::time::Duration::from_millis(1)).await;
        }
        let found = find(homes.model(2), bucket, "k").await;
        assert_eq!(content(homes.model(2), &found).await.unwrap(), b"x");
        assert_eq!(homes.model(2).ring_keys().len(), 1, "{}", id(2));
    });
}

#[test]
fn another_secret_opens_what_the_old_one_did() {
    run(async {
        let node = Node::new().await;
        node.model.set_encryption_secret(SECRET);
        let bucket = node.model.create_bucket(Some(bucket_named("bucket")), None).await.unwrap();
        put(&node.model, bucket, "k", &Wish::Service, b"x").await.unwrap();
        // A change that ended before anything was wrapped: what is made wraps by the old one, and opens.
        node.model.ring.hold(NEXT).await;
        node.model.create_ring_key("photos").await.unwrap();
        let changed = node.model.change_encryption_secret(NEXT).await.unwrap();
        assert_eq!((changed.keys, changed.members.len()), (2, 1));
        assert_eq!(node.model.change_encryption_secret(NEXT).await.unwrap().keys, 0);
        // The old one is not enough any more; beside the new one it wraps nothing, whichever stands first.
        node.model.set_encryption_secret(SECRET);
        let refused = node.model.change_encryption_secret(SECRET).await;
        assert!(matches!(refused, Err(ModelError::EncryptionSecretMissing)), "{refused:?}");
        node.model.set_encryption_secrets(vec![SECRET, NEXT]);
        node.model.rotate_ring_key(None).await.unwrap();
        node.model.set_encryption_secret(NEXT);
        assert_eq!(node.model.ring_keys().iter().filter(|key| key.is_open).count(), 3);
        let found = find(&node.model, bucket, "k").await;
        assert_eq!(content(&node.model, &found).await.unwrap(), b"x");
        put(&node.model, bucket, "l", &Wish::Service, b"y").await.unwrap();
        // And back again: generations only rise.
        assert_eq!(node.model.change_encryption_secret(SECRET).await.unwrap().keys, 3);
        node.model.set_encryption_secret(SECRET);
        let found = find(&node.model, bucket, "l").await;
        assert_eq!(content(&node.model, &found).await.unwrap(), b"y");
    });
}

#[test]
fn a_home_that_was_away_is_told_the_new_secret_and_a_second_change_is_refused() {
    run(async {
        let mut homes = Homes::new(3, 3).await;
        (0..3).for_each(|number| homes.model(number).set_encryption_secret(SECRET));
        let bucket = homes.model(0).create_bucket(Some(bucket_named("bucket")), None).await.unwrap();
        put(homes.model(0), bucket, "k", &Wish::Service, b"x").await.unwrap();
        homes.stop(2).await;
        let changed = homes.model(0).change_encryption_secret(NEXT).await.unwrap();
        assert_eq!(changed.keys, 1);
        let away: Vec<_> = changed.members.iter().filter(|(_, told)| *told == Told::Away).collect();
        assert_eq!(away, [&(id(2), Told::Away)]);
        let found = find(homes.model(1), bucket, "k").await;
        assert_eq!(content(homes.model(1), &found).await.unwrap(), b"x");
        // One that begins with what was the cluster's comes too late.
        let third = EncryptionSecret::from_bytes([11; 32]);
        let refused = homes.model(1).move_claim(&SECRET, &third).await;
        assert!(matches!(refused, Err(ModelError::EncryptionSecretMissing)), "{refused:?}");

        homes.start(2).await;
        homes.model(2).set_encryption_secret(SECRET);
        let kept: KeepSecrets = Box::new(|_| Box::pin(std::future::ready(true)));
        let _keepers = (homes.model(2).spawn_name_keeper(), homes.model(2).spawn_secret_keeper(kept));
        let opens = async {
            loop {
                let found = find(homes.model(2), bucket, "k").await;
                let is_new = homes.model(2).ring.held().first() == Some(&NEXT);
                if is_new && content(homes.model(2), &found).await.is_ok() {
                    return;
                }
                env::sleep(Duration::from_millis(100)).await;
            }
        };
        env::timeout(Duration::from_secs(10), opens)
            .await
            .expect("it asks when the ring does not open any more");
        assert_eq!(homes.model(2).ring.held().len(), 2, "what it had stays");
    });
}
