//! What time it is, as far as something may be deleted for it: rather too early than too late.
//!
//! A clock that is ahead by years would make everything old. So a node deletes nothing by age while most of the
//! members that it can ask see another time than it does, and otherwise believes the slowest of those that agree with
//! it. A node that can ask nobody believes its own clock, unless that has leapt: a leap is believed after a day, in which
//! somebody can set it right (doc/decisions/0010).

use base::WallTime;
use env::MonoTime;
use std::fmt;
use std::time::Duration;

/// How far two clocks may lie apart and agree: much less than a day, more than any drift.
const APART_MAX_MS: u64 = 60 * 60 * 1000;
/// How far a clock may go ahead while a node was off, or between two looks, and be believed at once: a home that is
/// switched off for a week is none that leaps.
const LEAP_MAX_MS: u64 = 7 * 24 * 60 * 60 * 1000;
/// How long a longer leap is not believed.
const DOUBT_LASTS: Duration = Duration::from_secs(24 * 60 * 60);

/// Why nothing may be deleted by age now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doubt {
    /// A node that is up has not told what its clock shows.
    Unheard,
    /// Most of the others see another time.
    OthersDiffer {
        /// What this node sees.
        own: WallTime,
        /// What the others see, in the middle.
        others: WallTime,
    },
    /// The clock has gone ahead by more than the time that went by.
    Leapt {
        /// Where it should be.
        from: WallTime,
        /// Where it is.
        to: WallTime,
    },
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unheard => f.write_str("another node has not told yet what its clock shows"),
            Self::OthersDiffer { own, others } => write!(
                f,
                "the clock of this node differs from most others': {} and {} ms since 1970",
                own.millis(),
                others.millis()
            ),
            Self::Leapt { from, to } => write!(
                f,
                "the clock of this node has gone ahead from {} to {} ms since 1970; it is believed after a day",
                from.millis(),
                to.millis()
            ),
        }
    }
}

/// Watches a node's own clock.
#[derive(Debug)]
pub(crate) struct Watch {
    /// A time that was believed, and when.
    believed: (WallTime, MonoTime),
    /// Since when the clock is ahead of that.
    leapt: Option<MonoTime>,
}

impl Watch {
    /// From the time on that a node had reached when it was stopped; `None`: it is new.
    pub fn new(reached: Option<WallTime>, (wall, mono): (WallTime, MonoTime)) -> Self {
        Self { believed: (reached.unwrap_or(wall), mono), leapt: None }
    }

    /// The time that counts, of this node's clocks and what the others that can be asked told last.
    pub fn judge(
        &mut self,
        (wall, mono): (WallTime, MonoTime),
        others: &[WallTime],
    ) -> Result<WallTime, Doubt> {
        if others.is_empty() {
            return self.judge_alone(wall, mono);
        }
        let agrees = |other: &&WallTime| other.millis().abs_diff(wall.millis()) <= APART_MAX_MS;
        let agreeing: Vec<WallTime> = others.iter().filter(agrees).copied().collect();
        // This node is one of those that agree with itself.
        if 2 * (agreeing.len() + 1) <= others.len() + 1 {
            let mut told = others.to_vec();
            told.sort_unstable();
            return Err(Doubt::OthersDiffer { own: wall, others: told[told.len() / 2] });
        }
        self.believe(wall, mono);
        Ok(agreeing.into_iter().fold(wall, WallTime::min))
    }

    fn judge_alone(&mut self, wall: WallTime, mono: MonoTime) -> Result<WallTime, Doubt> {
        let (believed, at) = self.believed;
        let elapsed = u64::try_from(mono.saturating_sub(at).as_millis()).unwrap_or(u64::MAX);
        let expected = WallTime(believed.millis().saturating_add(elapsed));
        if wall.millis() <= expected.millis().saturating_add(LEAP_MAX_MS) {
            self.leapt = None;
            // A machine without a battery may start in 1970: when it is set right, that is no leap.
            if wall > expected {
                self.believe(wall, mono);
            }
            return Ok(wall);
        }
        let since = *self.leapt.get_or_insert(mono);
        if mono.saturating_sub(since) < DOUBT_LASTS {
            return Err(Doubt::Leapt { from: expected, to: wall });
        }
        self.believe(wall, mono);
        Ok(wall)
    }

    fn believe(&mut self, wall: WallTime, mono: MonoTime) {
        (self.believed, self.leapt) = ((wall, mono), None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: WallTime = WallTime(1_800_000_000_000);
    const HOUR_MS: u64 = 60 * 60 * 1000;
    const YEAR_MS: u64 = 365 * 24 * HOUR_MS;

    fn later(ms: u64) -> WallTime {
        WallTime(NOW.millis() + ms)
    }

    fn hours(count: u64) -> MonoTime {
        Duration::from_secs(count * 3600)
    }

    fn watch() -> Watch {
        Watch::new(Some(NOW), (NOW, hours(0)))
    }

    #[test]
    fn the_slowest_clock_that_agrees_counts() {
        let judged = watch().judge((NOW, hours(0)), &[later(1000), WallTime(NOW.millis() - 5000)]);
        assert_eq!(judged, Ok(WallTime(NOW.millis() - 5000)));
    }

    #[test]
    fn a_node_whose_clock_most_others_do_not_share_waits() {
        let ahead = later(3 * YEAR_MS);
        assert!(matches!(watch().judge((ahead, hours(0)), &[NOW, NOW]), Err(Doubt::OthersDiffer { .. })));
        assert!(matches!(watch().judge((ahead, hours(0)), &[NOW]), Err(Doubt::OthersDiffer { .. })));
        assert!(
            matches!(watch().judge((NOW, hours(0)), &[ahead]), Err(Doubt::OthersDiffer { .. })),
            "who is right?"
        );
        assert_eq!(watch().judge((NOW, hours(0)), &[NOW, ahead]), Ok(NOW), "two of three are");
        assert!(watch().judge((NOW, hours(0)), &[NOW, ahead, ahead]).is_err(), "two of four are not most");
    }

    #[test]
    fn a_leap_is_believed_after_a_day_or_once_others_confirm_it() {
        let mut watch = watch();
        let ahead = later(3 * YEAR_MS);
        assert!(watch.judge((ahead, hours(1)), &[]).is_err());
        assert!(watch.judge((ahead, hours(24)), &[]).is_err());
        assert_eq!(
            watch.judge((later(24 * HOUR_MS), hours(24)), &[]),
            Ok(later(24 * HOUR_MS)),
            "it was set right"
        );
        assert!(watch.judge((ahead, hours(25)), &[]).is_err(), "the day begins anew");
        assert!(watch.judge((ahead, hours(48)), &[]).is_err());
        assert_eq!(watch.judge((ahead, hours(49)), &[]), Ok(ahead));
        let mut watch = Watch::new(Some(NOW), (ahead, hours(0)));
        assert!(watch.judge((ahead, hours(0)), &[]).is_err(), "it leapt while the node was off");
        assert_eq!(watch.judge((ahead, hours(0)), &[ahead]), Ok(ahead));
        assert_eq!(watch.judge((ahead, hours(1)), &[]), Ok(ahead), "and stays believed");
    }

    #[test]
    fn some_days_off_are_no_leap_and_neither_is_a_clock_that_goes_back() {
        assert_eq!(watch().judge((later(6 * 24 * HOUR_MS), hours(1)), &[]), Ok(later(6 * 24 * HOUR_MS)));
        let mut watch = watch();
        assert_eq!(watch.judge((WallTime(5), hours(1)), &[]), Ok(WallTime(5)), "nothing is that old");
        assert_eq!(watch.judge((NOW, hours(1)), &[]), Ok(NOW), "it was set right");
        assert_eq!(Watch::new(None, (NOW, hours(0))).judge((NOW, hours(0)), &[]), Ok(NOW), "a new node");
    }
}
