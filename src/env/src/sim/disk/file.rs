//! The bytes of one simulated file: what readers see, what is durable, and the writes in between.
//!
//! Each page remembers every version since the last sync. A crash leaves each page, and in torn
//! pages each sector, at any of them: a disk may write in any order and does not wait for us.

use crate::sim::rng::Generator;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Unit of allocation and of the page cache.
pub(super) const PAGE_BYTES: u64 = 4096;
/// What a disk writes whole or not at all.
const SECTOR_BYTES: usize = 512;

type Page = Arc<[u8; PAGE_BYTES as usize]>;
/// Missing pages read as zeros.
type Pages = BTreeMap<u64, Page>;

/// A file without a name.
#[derive(Default)]
pub(super) struct Inode {
    live: Pages,
    live_bytes: u64,
    durable: Pages,
    durable_bytes: u64,
    /// Versions of pages since the last sync, oldest first; `None` is a page of zeros.
    dirty: BTreeMap<u64, Vec<Option<Page>>>,
    /// Lengths since the last sync, oldest first.
    dirty_lengths: Vec<u64>,
    /// Pages that cannot be read.
    pub unreadable: BTreeSet<u64>,
    pub handles: usize,
    /// The handle that holds the exclusive lock.
    pub locked_by: Option<u64>,
}

/// The disk has no room for another page.
pub(super) struct NoRoom;

impl Inode {
    pub fn len(&self) -> u64 {
        self.live_bytes
    }

    /// Pages that take room.
    pub fn page_count(&self) -> u64 {
        self.live.len() as u64
    }

    /// Whether a page of this range cannot be read.
    pub fn is_unreadable(&self, offset: u64, length: u64) -> bool {
        length > 0
            && self
                .unreadable
                .range(offset / PAGE_BYTES..=(offset + length - 1) / PAGE_BYTES)
                .next()
                .is_some()
    }

    /// Copies bytes out; `false` if the file ends before.
    pub fn read(&self, buffer: &mut [u8], offset: u64) -> bool {
        if offset.checked_add(buffer.len() as u64).is_none_or(|end| end > self.live_bytes) {
            return false;
        }
        for (page, within, part) in parts(offset, buffer.len()) {
            match self.live.get(&page) {
                Some(content) => buffer[part.clone()].copy_from_slice(&content[within..within + part.len()]),
                None => buffer[part].fill(0),
            }
        }
        true
    }

    /// Copies bytes in, page by page. `room_pages` is what may still be allocated; on
    /// [`NoRoom`] the pages before are written, as a short write leaves them.
    pub fn write(&mut self, bytes: &[u8], offset: u64, room_pages: u64) -> Result<(), NoRoom> {
        let before = self.page_count();
        for (page, within, part) in parts(offset, bytes.len()) {
            if !self.live.contains_key(&page) && self.page_count() - before >= room_pages {
                return Err(NoRoom);
            }
            let end = page * PAGE_BYTES + (within + part.len()) as u64;
            let content =
                Arc::make_mut(self.live.entry(page).or_insert_with(|| Arc::new([0; PAGE_BYTES as usize])));
            content[within..within + part.len()].copy_from_slice(&bytes[part]);
            self.note(page);
            if end > self.live_bytes {
                self.live_bytes = end;
                self.dirty_lengths.push(end);
            }
        }
        Ok(())
    }

    pub fn set_len(&mut self, length: u64) {
        if length < self.live_bytes {
            let kept = length.div_ceil(PAGE_BYTES);
            let cut: Vec<u64> = self.live.range(kept..).map(|(page, _)| *page).collect();
            for page in cut {
                self.live.remove(&page);
                self.note(page);
            }
            let within = (length % PAGE_BYTES) as usize;
            if within > 0
                && let Some(content) = self.live.get_mut(&(length / PAGE_BYTES))
            {
                Arc::make_mut(content)[within..].fill(0);
                self.note(length / PAGE_BYTES);
            }
        }
        if length != self.live_bytes {
            self.live_bytes = length;
            self.dirty_lengths.push(length);
        }
    }

    fn note(&mut self, page: u64) {
        self.dirty.entry(page).or_default().push(self.live.get(&page).cloned());
    }

    /// Makes everything durable.
    pub fn sync(&mut self) {
        for (page, versions) in std::mem::take(&mut self.dirty) {
            let last = versions.into_iter().next_back().flatten();
            set_page(&mut self.durable, page, last);
        }
        self.dirty_lengths.clear();
        self.durable_bytes = self.live_bytes;
    }

    /// A sync that fails: some pages reach the disk, and all of them count as clean from now on,
    /// so that a later sync does not write the others.
    pub fn fail_sync(&mut self, random: &mut Generator) {
        for (page, versions) in std::mem::take(&mut self.dirty) {
            if random.coin() {
                set_page(&mut self.durable, page, versions.into_iter().next_back().flatten());
            }
        }
        if random.coin() {
            self.durable_bytes = self.live_bytes;
        }
        self.dirty_lengths.clear();
    }

    /// After a power cut: everything not synced is gone.
    pub fn lose(&mut self) {
        self.dirty.clear();
        self.dirty_lengths.clear();
        self.live = self.durable.clone();
        self.live_bytes = self.durable_bytes;
    }

    /// After a power cut: of what was not synced, the generator decides what is there.
    pub fn tear(&mut self, random: &mut Generator) {
        for (page, versions) in std::mem::take(&mut self.dirty) {
            let old = self.durable.get(&page).cloned();
            let pick = |random: &mut Generator| match random.below(versions.len() as u64 + 1) {
                0 => old.clone(),
                number => versions[number as usize - 1].clone(),
            };
            let kept = if random.below(4) == 0 { torn(pick, random) } else { pick(random) };
            set_page(&mut self.durable, page, kept);
        }
        let lengths = std::mem::take(&mut self.dirty_lengths);
        if let Some(number) = random.below(lengths.len() as u64 + 1).checked_sub(1) {
            self.durable_bytes = lengths[number as usize];
        }
        self.durable.retain(|page, _| page * PAGE_BYTES < self.durable_bytes);
        let within = (self.durable_bytes % PAGE_BYTES) as usize;
        if let Some(content) = self.durable.get_mut(&(self.durable_bytes / PAGE_BYTES)) {
            Arc::make_mut(content)[within..].fill(0);
        }
        self.live = self.durable.clone();
        self.live_bytes = self.durable_bytes;
    }

    /// Loses the end at rest, of what is durable and of what readers see.
    pub fn cut_off(&mut self, length: u64) {
        self.set_len(length.min(self.live_bytes));
        self.sync();
    }

    /// Changes bytes at rest, durable ones and those in the page cache.
    pub fn damage(&mut self, page: u64, change: impl Fn(&mut [u8])) {
        for pages in [&mut self.live, &mut self.durable] {
            if let Some(content) = pages.get_mut(&page) {
                change(&mut Arc::make_mut(content)[..]);
            }
        }
    }
}

fn torn(pick: impl Fn(&mut Generator) -> Option<Page>, random: &mut Generator) -> Option<Page> {
    let mut page = [0; PAGE_BYTES as usize];
    for sector in page.chunks_mut(SECTOR_BYTES).enumerate() {
        let (number, bytes) = sector;
        if let Some(version) = pick(random) {
            bytes.copy_from_slice(&version[number * SECTOR_BYTES..(number + 1) * SECTOR_BYTES]);
        }
    }
    Some(Arc::new(page))
}

fn set_page(pages: &mut Pages, page: u64, content: Option<Page>) {
    match content {
        Some(content) => pages.insert(page, content),
        None => pages.remove(&page),
    };
}

/// The pieces of a range: page, place within the page, place within the range.
fn parts(offset: u64, length: usize) -> impl Iterator<Item = (u64, usize, std::ops::Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        if done == length {
            return None;
        }
        let position = offset + done as u64;
        let within = (position % PAGE_BYTES) as usize;
        let part = (PAGE_BYTES as usize - within).min(length - done);
        done += part;
        Some((position / PAGE_BYTES, within, done - part..done))
    })
}
