//! A look at some rows of one table: which cannot be read, which chunks do not fit, which references it met.

use super::references::Held;
use crate::replicas::is_row;
use crate::rows::object::InlineBody;
use crate::rows::reference::{self, ReferenceRow};
use crate::tables::DIGESTED;
use std::ops::{Bound, ControlFlow};
use store::{Read, Space, StoreError, View};
use table::digest::{Checked, check_some};

/// What a pass looks at, in this order: rows with copies on other nodes.
pub(super) const STAGES: [Space; 12] = [
    Space::Object,
    Space::Inline,
    Space::Past,
    Space::Version,
    Space::BlockRef,
    Space::Upload,
    Space::Part,
    Space::Bucket,
    Space::Alias,
    Space::Key,
    Space::Webhook,
    Space::Ring,
];
/// Rows in one step: some milliseconds of work.
const ROWS_PER_STEP: u64 = 256;

/// What a step found.
pub(super) struct Looked {
    pub checked: Checked,
    /// References to blocks that are held.
    pub held: Vec<Held>,
}

/// Looks at some rows of a table, from a key on.
pub(super) fn look(view: &View, space: Space, from: &[u8]) -> Result<Looked, StoreError> {
    let mut held = Vec::new();
    let checked = match DIGESTED.into_iter().find(|table| table.space() == space) {
        Some(table) => check_some(view, table, (from, ROWS_PER_STEP), &mut |key, value| {
            let row = (space == Space::BlockRef).then(|| store::decode::<ReferenceRow>(space, key, value));
            if let Some(Ok(ReferenceRow { removed: false })) = row
                && let Some((target, body)) = reference::held_block(key)
            {
                held.push(Held { row_key: key.to_vec(), target, body });
            }
        })?,
        None => look_at_others(view, space, from)?,
    };
    Ok(Looked { checked, held })
}

/// Tables without digests: bytes beside rows, and names.
fn look_at_others(view: &View, space: Space, from: &[u8]) -> Result<Checked, StoreError> {
    let mut checked = Checked::default();
    view.scan(space, Bound::Included(from), Bound::Unbounded, &mut |key, value| {
        checked.rows += 1;
        let is_good = match space {
            Space::Inline => store::decode::<InlineBody>(space, key, value).is_ok(),
            _ => is_row(space, key, value),
        };
        if !is_good {
            checked.damaged.push(key.to_vec());
        }
        if checked.rows < ROWS_PER_STEP {
            return ControlFlow::Continue(());
        }
        checked.next = Some([key, &[0]].concat());
        ControlFlow::Break(())
    })?;
    Ok(checked)
}
