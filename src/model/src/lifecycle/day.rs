//! Days as lifecycle rules count them: an age in days is over at the first midnight UTC after it.
//!
//! Tests make a day shorter. Midnight is then each multiple of that length since 1970, so that nothing else changes.

use base::WallTime;

/// The length of a day; never nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Day {
    millis: u64,
}

impl Day {
    /// The one that people know.
    pub const REAL: Self = Self { millis: 24 * 60 * 60 * 1000 };

    /// One of another length, for tests.
    pub fn of_millis(millis: u64) -> Self {
        Self { millis: millis.max(1) }
    }

    /// How long it is.
    pub fn millis(self) -> u64 {
        self.millis
    }

    /// Which day since 1970 a moment lies in.
    pub fn number(self, at: WallTime) -> u64 {
        at.millis() / self.millis
    }

    /// When a day begins.
    pub fn begin(self, number: u64) -> WallTime {
        WallTime(number.saturating_mul(self.millis))
    }

    /// The first midnight that lies so many days, and some of the next one, after a moment.
    pub fn after(self, from: WallTime, days: u32) -> WallTime {
        let age = self.millis.saturating_mul(days.into());
        let reached = WallTime(from.millis().saturating_add(age));
        self.begin(self.number(reached).saturating_add(1))
    }
}

impl Default for Day {
    fn default() -> Self {
        Self::REAL
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_ends_at_the_next_midnight() {
        // AWS's example: made 15 January 2014 10:30 UTC, three days: gone on the 19th at midnight.
        let (made, gone) = (1_389_781_800_000, 1_390_089_600_000);
        assert_eq!(Day::REAL.after(WallTime(made), 3), WallTime(gone));
        assert_eq!(
            Day::REAL.after(WallTime(gone), 1),
            WallTime(gone + 2 * 86_400_000),
            "made at midnight itself"
        );
        assert_eq!(Day::REAL.after(WallTime(gone - 1), 1), WallTime(gone + 86_400_000));
    }

    #[test]
    fn a_short_day_has_its_midnights_too() {
        let day = Day::of_millis(2000);
        assert_eq!(day.after(WallTime(4001), 1), WallTime(8000));
        assert_eq!(day.number(WallTime(7999)), 3);
        assert_eq!(Day::of_millis(0).millis(), 1);
    }

    #[test]
    fn times_beyond_all_clocks_do_not_wrap() {
        assert_eq!(
            Day::REAL.after(WallTime(u64::MAX), u32::MAX).millis() / 86_400_000,
            u64::MAX / 86_400_000
        );
    }
}
