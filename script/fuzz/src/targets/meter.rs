//! Counts the bytes that one thread holds at a time, so that a target can say how much a parser may take.
//!
//! Why: "memory in proportion to a capped input" is a promise like any other and is checked on every
//! input. Always holds: the numbers are those of the calling thread. Where [`Meter`] is not the
//! program's allocator nothing is counted and every peak is 0.
//!
//! Units: bytes.

#![allow(unsafe_code, dead_code, reason = "an allocator is unsafe by its trait; not every program counts")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

/// The system's allocator, counted.
pub struct Meter;

// SAFETY: every call is passed on unchanged; the counters are plain numbers of this thread and
// allocate nothing.
unsafe impl GlobalAlloc for Meter {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller keeps the promises of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: the caller keeps the promises of `dealloc`.
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller keeps the promises of `alloc_zeroed`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size as isize - layout.size() as isize);
        // SAFETY: the caller keeps the promises of `realloc`.
        unsafe { System.realloc(place, layout, size) }
    }
}

fn count(change: isize) {
    // A thread that is ending has no counters any more.
    let _ = HELD.try_with(|held| {
        let now = held.get() + change;
        held.set(now);
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(now)));
    });
}

/// Runs `work` and says how many bytes it held at most at one time, beyond those held before.
pub fn measure<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = HELD.get();
    PEAK.set(before);
    let result = work();
    (result, usize::try_from(PEAK.get() - before).unwrap_or(0))
}

/// [`measure`], and panics when it was more than `limit_bytes`.
pub fn within<T>(limit_bytes: usize, work: impl FnOnce() -> T) -> T {
    let (result, peak_bytes) = measure(work);
    assert!(peak_bytes <= limit_bytes, "{peak_bytes} bytes held, {limit_bytes} allowed");
    result
}
