//! How far this node's clock is ahead of its machine's, and which rows carry times that are yet to come.
//!
//! Only shown, never repaired: decision 0014 says why. A row is stored once the clock is above all times in it, so that where
//! the clock is not ahead no row is looked at.

use crate::sync::stamp_of;
use crate::tables::DIGESTED;
use crate::{Model, ModelError};
use base::{Stamp, WallTime};
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;
use store::{Read, StoreError};

/// What the clock may be ahead without a word: two machines never show the same.
const AHEAD_MIN_MS: u64 = 60 * 1000;

/// Rows of a table with times that are yet to come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FutureRows {
    /// The table.
    pub table: &'static str,
    /// How many.
    pub rows: u64,
    /// The latest time in them.
    pub newest: WallTime,
}

/// What the clocks show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClockReport {
    /// The machine's.
    pub machine: WallTime,
    /// The node's: above every time that it gave or took in.
    pub node: WallTime,
    /// Where the node's is ahead: the rows of objects, past versions, uploads and parts that are, too.
    pub rows: Vec<FutureRows>,
}

impl ClockReport {
    /// By how many milliseconds the node's clock is ahead; none: it is not.
    pub fn ahead_ms(&self) -> Option<u64> {
        let ahead = self.node.millis().saturating_sub(self.machine.millis());
        (ahead > AHEAD_MIN_MS).then_some(ahead)
    }
}

impl Model {
    /// Looks at the clocks and, if this node's is ahead, at every row.
    pub async fn clock_report(self: &Arc<Self>) -> Result<ClockReport, ModelError> {
        let machine = self.env.clock.wall();
        let mut report = ClockReport { machine, node: self.store.latest().wall(), rows: Vec::new() };
        if report.ahead_ms().is_none() {
            return Ok(report);
        }
        let view = self.store.view()?;
        let look = move || {
            let mut tables = Vec::new();
            for space in DIGESTED.map(|table| table.space()) {
                let (mut rows, mut newest) = (0, Stamp::ZERO);
                view.scan(space, Bound::Unbounded, Bound::Unbounded, &mut |key, record| {
                    let stamp = stamp_of(space, key, record).unwrap_or(Stamp::ZERO);
                    rows += u64::from(stamp.wall() > machine);
                    newest = newest.max(stamp);
                    ControlFlow::Continue(())
                })?;
                if rows > 0 {
                    tables.push(FutureRows { table: space.name(), rows, newest: newest.wall() });
                }
            }
            Ok::<_, StoreError>(tables)
        };
        report.rows = self.env.tasks.blocking(look).await?;
        Ok(report)
    }
}
