//! What the bucket of a run keeps is changed while clients work, through any home.
//!
//! Homes hear of it one after the other. What a write made of its key says its answer; whatever it was, no acknowledged
//! version is lost, and no locked one.

use super::calm;
use super::gathering::{Gathering, Shared, failed};
use super::home::Member;
use super::keeping::{self, Keeping};
use crate::checks::Failure;
use base::Id;
use base::id::kind;
use env::sim::Generator;
use model::admin::BucketChange;
use model::rows::bucket::{Document, Setting, Versioning};
use std::sync::atomic::Ordering;
use std::time::Duration;

type Bucket = Id<kind::Bucket>;
type Change = (Setting, Option<Document>);

/// The longest time before a change.
const BEFORE_MAX_MS: u64 = 8000;
/// How long whoever makes one waits for its answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often a change is made when nothing is wrong.
const TRIES: u32 = 2;
/// How long homes may take to hear of one when nothing is wrong.
const HEARING_MAX: Duration = Duration::from_secs(90);

/// Sets what is set before clients work.
pub async fn begin(homes: &Gathering, bucket: Bucket) -> Result<(), Failure> {
    set_all(homes, bucket, homes.plan.keeping.first_settings()).await
}

/// Changes what is kept until the weather is over.
pub async fn change(homes: Shared, bucket: Bucket, seed: u64) {
    let mut random = Generator::new(seed);
    match homes.plan.keeping {
        Keeping::Last | Keeping::Versions | Keeping::Locks => {}
        Keeping::LocksLater => {
            homes.wait(Duration::from_millis(random.below(BEFORE_MAX_MS))).await;
            for change in keeping::locking() {
                while !is_calm(&homes) && !ask(&homes, &mut random, (bucket, change.clone())).await {
                    homes.wait(Duration::from_millis(500)).await;
                }
            }
        }
        Keeping::OnAndOff => {
            while !is_calm(&homes) {
                homes.wait(Duration::from_millis(random.below(BEFORE_MAX_MS))).await;
                let mode = if random.coin() { Versioning::Suspended } else { Versioning::Enabled };
                ask(&homes, &mut random, (bucket, keeping::versioning(mode))).await;
            }
        }
    }
}

/// After the weather: the bucket keeps versions, and all homes know.
pub async fn settle(homes: &Gathering, bucket: Bucket) -> Result<(), Failure> {
    match homes.plan.keeping {
        Keeping::Last => Ok(()),
        Keeping::Versions | Keeping::OnAndOff => {
            set_all(homes, bucket, vec![keeping::versioning(Versioning::Enabled)]).await
        }
        Keeping::Locks | Keeping::LocksLater => set_all(homes, bucket, keeping::locking()).await,
    }
}

fn is_calm(homes: &Gathering) -> bool {
    homes.is_calm.load(Ordering::Relaxed)
}

/// Asks any home for a change; whether it was made.
async fn ask(
    homes: &Gathering,
    random: &mut Generator,
    (bucket, (kind, document)): (Bucket, Change),
) -> bool {
    let members = homes.members();
    let home = members[random.below(members.len() as u64) as usize];
    let text = document.as_ref().map(|document| String::from_utf8_lossy(&document.0).into_owned());
    let change = BucketChange { settings: vec![(kind, document)], ..BucketChange::default() };
    let update = move |node: Member| async move { node.model.update_bucket(bucket, change).await };
    let answer = homes.ask(home, Some(PATIENCE), update).await;
    homes.note(&format!("  setting: {kind:?} {text:?} through home {home}: {answer:?}"));
    homes.book().count("setting: versions or locks");
    matches!(answer, Some(Ok(())))
}

/// Makes changes through the first home, one after the other, each when all homes know of the one before.
async fn set_all(homes: &Gathering, bucket: Bucket, changes: Vec<Change>) -> Result<(), Failure> {
    for (kind, document) in changes {
        let knows = |node: &Member| {
            let names = node.model.names();
            names.buckets.get(&bucket).is_some_and(|row| row.setting(kind) == document.as_ref())
        };
        let mut heard = Ok(());
        // A later change that the first home had not heard of wins against the first try.
        for _ in 0..TRIES {
            let settings = vec![(kind, document.clone())];
            let change = BucketChange { settings, ..BucketChange::default() };
            homes.node(homes.members()[0])?.model.update_bucket(bucket, change).await.map_err(failed)?;
            heard = homes.until(HEARING_MAX, "knows what is kept", knows).await;
            if heard.is_ok() {
                break;
            }
        }
        heard?;
    }
    Ok(())
}

/// When all is calm, a suspended bucket makes no versions with names through any home, and loses none.
pub async fn check_suspended(homes: &Gathering, bucket: Bucket) -> Result<(), Failure> {
    if homes.plan.keeping != Keeping::OnAndOff {
        return Ok(());
    }
    set_all(homes, bucket, vec![keeping::versioning(Versioning::Suspended)]).await?;
    let before = homes.book().kept.len();
    for home in homes.members() {
        calm::prove_alive(homes, home, bucket).await?;
    }
    let named = homes.book().kept.len() - before;
    if named > 0 {
        let detail = format!("{named} versions got names in a suspended bucket");
        return Err(Failure::new("a suspended bucket replaces the null version", detail));
    }
    set_all(homes, bucket, vec![keeping::versioning(Versioning::Enabled)]).await
}
