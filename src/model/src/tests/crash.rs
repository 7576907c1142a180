//! Power cuts at every effect of a run that does a bit of everything: what was answered is there
//! after the restart, nothing is there in part, and nothing is left behind.

use super::run;
use super::support::{Bucket, Node};
use crate::ModelError;
use crate::objects::Condition;
use std::collections::BTreeMap;

const FIRST: &[&[u8]] = &[b"first", b"content"];
const SECOND: &[&[u8]] = &[b"second", b"content", b"is longer"];
const PART: &[&[u8]] = &[b"a part", b"content"];

/// What may be under each key: `None` for nothing. One entry when the answer is known; two while
/// a change is under way.
type Possible = BTreeMap<&'static str, Vec<Option<Vec<u8>>>>;

/// Does a bit of everything until the power is cut, and writes down what may be the case.
async fn work(node: &Node, bucket: Bucket, possible: &mut Possible) -> Result<(), ModelError> {
    let put = async |key, pieces: &[&[u8]], possible: &mut Possible| {
        possible.entry(key).or_insert_with(|| vec![None]).push(Some(pieces.concat()));
        node.put_if(bucket, key, pieces, Condition::Always).await?;
        possible.insert(key, vec![Some(pieces.concat())]);
        Ok::<_, ModelError>(())
    };
    put("a", FIRST, possible).await?;
    put("a", SECOND, possible).await?;
    put("inline", &[b"small"], possible).await?;
    let aborted = node.try_upload(bucket, "aborted").await?;
    node.part(&aborted, 1, PART).await?;
    let name = node.try_upload(bucket, "composite").await?;
    node.part(&name, 1, PART).await?;
    node.part(&name, 1, SECOND).await?;
    node.part(&name, 2, FIRST).await?;
    let composite = Some([SECOND.concat(), FIRST.concat()].concat());
    possible.insert("composite", vec![None, composite.clone()]);
    node.complete(&name, node.plan(&name, &[1, 2])).await?;
    possible.insert("composite", vec![composite.clone()]);
    possible.insert("copy", vec![None, composite.clone()]);
    node.copy((bucket, "composite"), (bucket, "copy")).await?;
    possible.insert("copy", vec![composite.clone()]);
    node.model.abort_upload(aborted).await?;
    for key in ["composite", "inline"] {
        possible.entry(key).or_default().push(None);
        node.delete_if(bucket, key, Condition::Always).await?;
        possible.insert(key, vec![None]);
    }
    for _ in 0..3 {
        node.world.clock.jump(11 * 60 * 1000);
        while node.model.reclaim_step().await?.done > 0 {}
        node.blocks.run_due(node.model.env().clock.wall()).await?;
    }
    Ok(())
}

#[test]
fn a_power_cut_at_any_effect_loses_nothing_and_leaves_nothing() {
    run(async {
        for effect in 1.. {
            let node = Node::new().await;
            let bucket = node.bucket().await;
            node.world.disk.crash_at_effect(node.world.disk.effects() + effect);
            let mut possible = Possible::new();
            let done = work(&node, bucket, &mut possible).await.is_ok();
            let node = node.restart().await;
            node.model.settle_interrupted_uploads().await.unwrap();
            node.expire().await;
            node.assert_usage_is_exact(bucket);
            for (key, contents) in possible {
                let content = node.content(bucket, key).await;
                assert!(contents.contains(&content), "{key} after a cut at effect {effect}: {content:?}");
                node.delete(bucket, key).await;
            }
            // Deleting the bucket aborts what uploads are open.
            node.model.delete_bucket(bucket).await.unwrap();
            node.expire().await;
            node.assert_only_buckets_left();
            if done {
                assert!(effect > 50, "the run has many effects");
                break;
            }
        }
    });
}
