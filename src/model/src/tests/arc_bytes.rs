//! What arcs hold is told as it is stored, without reading all of it.

use super::homes::Homes;
use super::run;
use super::sync::{BUCKET, with_bucket};
use base::{BlockHash, PartitionHash};
use table::digest::arc_of;

#[test]
fn an_arc_holds_its_rows_with_their_small_bodies_and_its_blocks() {
    run(async {
        let homes = Homes::new(3, 3).await;
        with_bucket(&homes).await;
        let model = homes.model(0);
        model.keep_digests().await.unwrap();
        assert_eq!(model.arc_bytes().await.unwrap().mean(), Some(0));
        // Names that follow each other are alike: first none with a small body, then all.
        let block = |number: u8| [&[number][..], &[7; 40_000]].concat();
        for number in 0..20 {
            homes.node(0).put(BUCKET, &format!("big-{number:02}"), &[&block(number), b"end"]).await;
        }
        for number in 0..300 {
            homes.node(0).put(BUCKET, &format!("small-{number}"), &[&[8; 2000]]).await;
        }
        env::sleep(std::time::Duration::from_secs(5)).await;
        let told = model.arc_bytes().await.unwrap();
        let bucket = arc_of(PartitionHash::of_shard(&BUCKET, 0).as_bytes());
        let rows = told.of(bucket).unwrap();
        assert!((600_000..750_000).contains(&rows), "300 bodies of 2000 bytes and 320 rows: {rows}");
        let stored = model.blocks().stored_bytes().unwrap();
        let ends = arc_of(BlockHash::of(b"end").as_bytes());
        let of_blocks: u64 = (0..20)
            .map(|number| arc_of(BlockHash::of(&block(number)).as_bytes()))
            .filter(|arc| *arc != ends)
            .collect::<std::collections::BTreeSet<u16>>()
            .into_iter()
            .map(|arc| told.of(arc).unwrap())
            .sum();
        assert!(of_blocks > stored / 3, "{of_blocks} of {stored}");
        let sum: u64 = (0..1024).map(|arc| told.of(arc).unwrap()).sum();
        assert!((rows + stored..rows + stored + 60_000).contains(&sum), "{sum}: {rows} and {stored}");
    });
}
