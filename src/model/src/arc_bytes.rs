//! What the arcs that this node answers for hold here, in bytes: what a node copies that is given them.
//!
//! How many rows an arc has the digests say; how large they and the small bodies beside them are some of them say, looked up
//! in the arcs that have the most. All keys of a bucket lie in one arc. The bytes of all blocks are known, and an arc has its
//! share of them by its references. So this is an estimate, made when somebody asks, and nothing is kept.

use crate::tables::DIGESTED;
use crate::{Model, ModelError};
use cluster::layout::{ArcSet, arcs};
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;
use store::{Read, Space, StoreError, View};
use table::digest::{Digested, Digests, arc_end, arc_start};

/// Arcs in which rows of a table are measured: those that hold the most of them.
const MEASURED_MAX_ARCS: usize = 64;
/// Places in each of them, rows in each place, and how many of those are measured with what lies beside them.
const PLACES: usize = 8;
const ROWS_TOGETHER: usize = 256;
const BESIDE_TOGETHER: usize = 16;

/// Bytes by arc.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArcBytes {
    known: ArcSet,
    bytes: Vec<u64>,
}

impl ArcBytes {
    /// What an arc holds; none: this node does not keep it.
    pub fn of(&self, arc: u16) -> Option<u64> {
        self.bytes.get(usize::from(arc)).copied().filter(|_| self.known.contains(arc))
    }

    /// What an arc holds on average; none: this node keeps nothing.
    pub fn mean(&self) -> Option<u64> {
        let sum: u64 = self.known.iter().filter_map(|arc| self.of(arc)).sum();
        sum.checked_div(self.known.len() as u64)
    }
}

/// Rows of a table, how many of them were measured, and how large those were.
#[derive(Debug, Clone, Copy, Default)]
struct Sample {
    rows: u64,
    bytes: u64,
}

impl Model {
    /// Measures what the arcs hold that this node answers for.
    pub async fn arc_bytes(self: &Arc<Self>) -> Result<ArcBytes, ModelError> {
        let me = self.peers.me();
        // What was copied for a version that is coming is here, too.
        let filled =
            self.peers.cluster().map_or(ArcSet::EMPTY, |cluster| cluster.layout().steps_of(me).filled);
        let known = match self.peers.is_alone() {
            true => ArcSet::ALL,
            false => self.peers.taking_part().union(&filled),
        };
        let (view, key) = (self.store.view()?, self.digest_key());
        let blocks = self.blocks.stored_bytes()?;
        let measure = move || {
            let mut bytes = vec![0; arcs().count()];
            let Some(digests) = key.map(|key| Digests::open(&view, &key)).transpose()?.flatten() else {
                add_share(blocks, &known_weights(&known), &mut bytes);
                return Ok(ArcBytes { known, bytes });
            };
            for table in DIGESTED {
                let rows: Vec<u64> = digests.arcs(table)?.into_iter().map(|digest| digest.rows).collect();
                add_rows(&view, (&digests, table), &rows, &mut bytes)?;
                if table.space() == Space::BlockRef {
                    add_share(blocks, &rows, &mut bytes);
                }
            }
            Ok::<_, StoreError>(ArcBytes { known, bytes })
        };
        Ok(self.env.tasks.blocking(measure).await?)
    }
}

/// The same for each arc that is known.
fn known_weights(known: &ArcSet) -> Vec<u64> {
    arcs().map(|arc| u64::from(known.contains(arc))).collect()
}

/// Adds its share of something to each arc, by weight.
fn add_share(whole: u64, weights: &[u64], bytes: &mut [u64]) {
    let all: u64 = weights.iter().sum();
    for (sum, weight) in bytes.iter_mut().zip(weights) {
        let share = u128::from(whole) * u128::from(*weight) / u128::from(all.max(1));
        *sum = sum.saturating_add(u64::try_from(share).unwrap_or(u64::MAX));
    }
}

/// Adds what the rows of a table take to each arc.
fn add_rows(
    view: &View,
    (digests, table): (&Digests<'_, View>, Digested),
    rows: &[u64],
    bytes: &mut [u64],
) -> Result<(), StoreError> {
    let mut by_rows: Vec<u16> = arcs().filter(|arc| rows[usize::from(*arc)] > 0).collect();
    by_rows.sort_by_key(|arc| std::cmp::Reverse(rows[usize::from(*arc)]));
    let mut all = Sample::default();
    for (place, arc) in by_rows.into_iter().enumerate() {
        let sample = if place < MEASURED_MAX_ARCS { measure(view, (digests, table), arc)? } else { all };
        all = if place < MEASURED_MAX_ARCS { join(all, sample) } else { all };
        let (rows, Sample { rows: measured, bytes: size }) = (rows[usize::from(arc)], sample);
        let whole = u128::from(rows) * u128::from(size) / u128::from(measured.max(1));
        let sum = &mut bytes[usize::from(arc)];
        *sum = sum.saturating_add(u64::try_from(whole).unwrap_or(u64::MAX));
    }
    Ok(())
}

fn join(one: Sample, other: Sample) -> Sample {
    Sample { rows: one.rows + other.rows, bytes: one.bytes + other.bytes }
}

/// Measures rows in some places of an arc: names that follow each other are of things alike.
fn measure(
    view: &View,
    (digests, table): (&Digests<'_, View>, Digested),
    arc: u16,
) -> Result<Sample, StoreError> {
    let (mut start, end) = (arc_start(arc), arc_end(arc));
    let mut sample = Sample::default();
    for piece in digests.cut(table, &start, &end, PLACES)? {
        let Sample { rows, bytes } = measure_place(view, table.space(), (&start, &piece.to))?;
        let whole = u128::from(bytes) * u128::from(piece.digest.rows) / u128::from(rows.max(1));
        let bytes = u64::try_from(whole).unwrap_or(u64::MAX);
        sample = join(sample, Sample { rows: piece.digest.rows, bytes });
        start = piece.to;
    }
    Ok(sample)
}

/// Measures the first rows of a range, and what lies beside some of them.
fn measure_place(view: &View, space: Space, (from, to): (&[u8], &[u8])) -> Result<Sample, StoreError> {
    let (mut sample, mut keys) = (Sample::default(), Vec::new());
    view.scan(space, Bound::Included(from), Bound::Excluded(to), &mut |key, value| {
        sample = join(sample, Sample { rows: 1, bytes: (key.len() + value.len()) as u64 });
        keys.push(key.to_vec());
        if keys.len() < ROWS_TOGETHER { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    if matches!(space, Space::Object | Space::Past) {
        let step = keys.len().div_ceil(BESIDE_TOGETHER).max(1);
        for key in keys.iter().step_by(step) {
            let beside = view.get_bytes(Space::Inline, key)?.map_or(0, |bytes| bytes.len());
            sample.bytes += (beside * step) as u64;
        }
    }
    Ok(sample)
}
