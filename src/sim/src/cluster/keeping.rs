//! What the bucket of a run keeps of a key: drawn apart, so that all else about a seed stays what it is without.

use env::sim::Generator;
use model::rows::bucket::{Document, Setting, Versioning};
use model::rows::lock::ObjectLock;

/// What a bucket keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeping {
    /// What was written last.
    Last,
    /// Every version.
    Versions,
    /// Every version, but now and then its versions are suspended while clients work.
    OnAndOff,
    /// Every version, and versions can be locked.
    Locks,
    /// What was written last, and from some moment on every version, which can be locked.
    LocksLater,
}

impl Keeping {
    /// What a seed decides.
    pub fn of(seed: u64) -> Self {
        if Generator::new(seed ^ 0x7665_7273).below(3) > 0 {
            return Self::Last;
        }
        match Generator::new(seed ^ 0x6b65_6271).below(6) {
            0 => Self::Versions,
            1 | 2 => Self::OnAndOff,
            3 | 4 => Self::Locks,
            _ => Self::LocksLater,
        }
    }

    /// Whether versions are kept sooner or later.
    pub fn has_versions(self) -> bool {
        self != Self::Last
    }

    /// Whether a write may replace the null version of a key that has others too.
    pub fn has_null_versions(self) -> bool {
        matches!(self, Self::OnAndOff | Self::LocksLater)
    }

    /// Whether versions can be locked sooner or later.
    pub fn has_locks(self) -> bool {
        matches!(self, Self::Locks | Self::LocksLater)
    }

    /// What is set before clients work.
    pub fn first_settings(self) -> Vec<(Setting, Option<Document>)> {
        match self {
            Self::Last | Self::LocksLater => Vec::new(),
            Self::Versions | Self::OnAndOff => vec![versioning(Versioning::Enabled)],
            Self::Locks => locking(),
        }
    }

    /// How a plan names it.
    pub fn label(self) -> &'static str {
        match self {
            Self::Last => "",
            Self::Versions => "versions kept, ",
            Self::OnAndOff => "versions kept on and off, ",
            Self::Locks => "versions kept and locked, ",
            Self::LocksLater => "versions kept and locked from some moment on, ",
        }
    }
}

/// How it is said whether versions are kept.
pub fn versioning(mode: Versioning) -> (Setting, Option<Document>) {
    (Setting::Versioning, mode.document())
}

/// What has a bucket keep versions that can be locked, in this order.
pub fn locking() -> Vec<(Setting, Option<Document>)> {
    let lock = Document(ObjectLock::default().text().into_bytes());
    vec![versioning(Versioning::Enabled), (Setting::ObjectLock, Some(lock))]
}
