//! What keeps a version from being removed: a time until which it is retained, a legal hold, or both.
//!
//! It stands in the entry of the version itself and goes wherever that goes. What it forbids is decided by
//! `crate::lock`. Variants have names of one letter, since a locked bucket has many.

use base::WallTime;
use serde::{Deserialize, Serialize};

/// The lock of a version.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Lock {
    /// Until when it is retained, if it is or was.
    pub retention: Option<Retention>,
    /// Whether there is a legal hold; `None`: nobody ever said.
    pub legal_hold: Option<bool>,
}

/// Until when a version is retained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Retention {
    /// Who may shorten it.
    pub mode: RetentionMode,
    /// From this time on it may be removed.
    pub until: WallTime,
}

/// Who may shorten a retention before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum RetentionMode {
    /// Who has a permission of its own for that.
    #[serde(rename = "g")]
    Governance,
    /// Nobody.
    #[serde(rename = "c")]
    Compliance,
}

impl Lock {
    /// The lock as it is kept: not at all where it says nothing.
    pub fn stored(self) -> Option<Self> {
        Some(self).filter(|lock| *lock != Self::default())
    }
}

/// A retention that every new version of a bucket gets that does not bring its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DefaultRetention {
    /// Who may shorten it.
    pub mode: RetentionMode,
    /// For how long.
    pub period: Period,
}

/// How long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    /// Days of 24 hours.
    Days(u32),
    /// Years of 365 days.
    Years(u32),
}

const DAY_MS: u64 = 24 * 60 * 60 * 1000;
const YEAR_DAYS: u64 = 365;

impl DefaultRetention {
    /// The retention of a version that is made at this time.
    pub fn from(self, made: WallTime) -> Retention {
        let days = match self.period {
            Period::Days(days) => u64::from(days),
            Period::Years(years) => u64::from(years) * YEAR_DAYS,
        };
        let until = WallTime(made.millis().saturating_add(days * DAY_MS));
        Retention { mode: self.mode, until }
    }
}

/// That a bucket has versions that can be locked; it then keeps versions for good.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ObjectLock {
    /// The retention of new versions.
    pub default: Option<DefaultRetention>,
}

impl ObjectLock {
    /// How it is stored: `enabled`, with a default `enabled governance 30 days`.
    pub fn text(self) -> String {
        let Some(DefaultRetention { mode, period }) = self.default else { return "enabled".to_owned() };
        let mode = match mode {
            RetentionMode::Governance => "governance",
            RetentionMode::Compliance => "compliance",
        };
        match period {
            Period::Days(days) => format!("enabled {mode} {days} days"),
            Period::Years(years) => format!("enabled {mode} {years} years"),
        }
    }

    /// Reads it; `None` for what a newer release wrote.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        let words: Vec<&str> = text.split(' ').collect();
        let default = match words.as_slice() {
            ["enabled"] => None,
            ["enabled", mode, number, unit] => {
                let mode = match *mode {
                    "governance" => RetentionMode::Governance,
                    "compliance" => RetentionMode::Compliance,
                    _ => return None,
                };
                let number = number.parse().ok()?;
                let period = match *unit {
                    "days" => Period::Days(number),
                    "years" => Period::Years(number),
                    _ => return None,
                };
                Some(DefaultRetention { mode, period })
            }
            _ => return None,
        };
        Some(Self { default })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_setting_is_read_as_it_is_written() {
        for mode in [RetentionMode::Governance, RetentionMode::Compliance] {
            for period in [Period::Days(1), Period::Years(100)] {
                let lock = ObjectLock { default: Some(DefaultRetention { mode, period }) };
                assert_eq!(ObjectLock::parse(lock.text().as_bytes()), Some(lock));
            }
        }
        assert_eq!(ObjectLock::parse(b"enabled"), Some(ObjectLock::default()));
        for text in
            ["", "Enabled", "enabled governance", "enabled governance -1 days", "enabled other 1 days"]
        {
            assert_eq!(ObjectLock::parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn periods_are_counted_from_the_making() {
        let until = |period| {
            let mode = RetentionMode::Governance;
            DefaultRetention { mode, period }.from(WallTime(7)).until.millis()
        };
        assert_eq!(until(Period::Days(2)), 7 + 2 * DAY_MS);
        assert_eq!(until(Period::Years(2)), 7 + 730 * DAY_MS);
    }
}
