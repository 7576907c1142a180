//! Stamps rise: a write that begins after another was answered has the higher stamp, across
//! restarts and whatever the wall clock does; and a version keeps its stamp for ever.

use super::Failure;
use crate::history::{History, Stamped};

const PROPERTY: &str = "stamps rise";

/// Checks all stamps that were answered.
pub fn check(history: &History) -> Result<(), Failure> {
    let mut by_call: Vec<&Stamped> = history.stamps.iter().collect();
    by_call.sort_by_key(|stamped| stamped.called);
    let mut by_end = by_call.clone();
    by_end.sort_by_key(|stamped| stamped.ended);
    let mut ended = by_end.into_iter().peekable();
    let mut highest: Option<&Stamped> = None;
    for stamped in by_call {
        while let Some(before) = ended.next_if(|before| before.ended < stamped.called) {
            if highest.is_none_or(|highest| before.stamp > highest.stamp) {
                highest = Some(before);
            }
        }
        if let Some(highest) = highest.filter(|highest| highest.stamp >= stamped.stamp) {
            return Err(Failure::new(PROPERTY, format!("{stamped:?} is not above {highest:?}")));
        }
    }
    for ((register, version), stamps) in &history.stamps_seen {
        if stamps.len() > 1 {
            return Err(Failure::new(
                PROPERTY,
                format!("{version:?} of {register:?} showed the stamps {stamps:?}"),
            ));
        }
    }
    Ok(())
}
