//! What an operator should know about a configuration that is used all the same. One line each.

use std::fmt;

/// Something to log once at the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// A key that nobody knows.
    UnknownKey {
        /// With its section.
        key: String,
        /// Line, from 1.
        line: usize,
        /// What it was probably meant to be.
        suggestion: Option<&'static str>,
    },
    /// A section that nobody knows.
    UnknownSection {
        /// Its name.
        name: String,
        /// Line, from 1.
        line: usize,
        /// What it was probably meant to be.
        suggestion: Option<&'static str>,
    },
    /// More unknown keys than are worth a line each.
    MoreUnknownKeys {
        /// How many.
        count: usize,
    },
    /// An environment variable that is nearly one of ours.
    UnknownVariable {
        /// Its name.
        name: String,
        /// What it was probably meant to be.
        suggestion: &'static str,
    },
    /// Keys of a feature that is not there yet.
    NotThereYet {
        /// The feature.
        feature: &'static str,
        /// Its keys, or its section in brackets when that is empty.
        keys: Vec<String>,
    },
    /// A key without effect.
    Obsolete {
        /// With its section.
        key: String,
        /// What to do instead.
        instead: &'static str,
    },
    /// A key that is only checked.
    Ignored {
        /// With its section.
        key: String,
    },
    /// A setting that would lose data is not obeyed.
    Safer {
        /// As written, `key = value`.
        setting: String,
        /// What is done all the same.
        always: &'static str,
    },
    /// An engine of another program is asked for.
    EngineReplaced {
        /// Its name.
        asked: String,
    },
    /// Days of lifecycle rules are not days.
    ShortDay {
        /// How long they are.
        length: String,
    },
    /// Blocks have one size here.
    BlockSizeFixed {
        /// The size that is used.
        size_bytes: u64,
    },
    /// A folder of the configuration depends on where the server is started.
    RelativePath {
        /// Which key.
        key: &'static str,
        /// Its value.
        path: String,
    },
}

impl Notice {
    /// Whether data is at risk or a setting has no effect that its writer counts on; the rest is for
    /// information.
    pub fn is_warning(&self) -> bool {
        match self {
            Self::UnknownKey { .. }
            | Self::UnknownSection { .. }
            | Self::MoreUnknownKeys { .. }
            | Self::UnknownVariable { .. }
            | Self::ShortDay { .. }
            | Self::RelativePath { .. } => true,
            Self::NotThereYet { .. }
            | Self::Obsolete { .. }
            | Self::Ignored { .. }
            | Self::Safer { .. }
            | Self::EngineReplaced { .. }
            | Self::BlockSizeFixed { .. } => false,
        }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // Names and values from outside may hold line ends; a notice is one line of the log.
            Self::UnknownKey { key, line, suggestion } => {
                write!(out, "line {line} of the configuration: there is no key {}; ", key.escape_debug())?;
                match suggestion {
                    Some(known) => write!(out, "did you mean {known}?"),
                    None => write!(out, "it has no effect"),
                }
            }
            Self::UnknownSection { name, line, suggestion } => {
                let name = name.escape_debug();
                write!(out, "line {line} of the configuration: there is no section [{name}]; ")?;
                match suggestion {
                    Some(known) => write!(out, "did you mean [{known}]?"),
                    None => write!(out, "it has no effect"),
                }
            }
            Self::MoreUnknownKeys { count } => write!(out, "{count} more unknown keys in the configuration"),
            Self::UnknownVariable { name, suggestion } => {
                let name = name.escape_debug();
                write!(out, "the environment variable {name} has no effect; did you mean {suggestion}?")
            }
            Self::NotThereYet { feature, keys } => {
                write!(out, "not used yet ({feature}: not in this version): {}", keys.join(", "))
            }
            Self::Obsolete { key, instead } => write!(out, "{key} has no effect: {instead}"),
            Self::Ignored { key } => write!(out, "{key}: this setting has no effect in this version"),
            Self::Safer { setting, always } => {
                write!(out, "{setting} is accepted, but this version always {always}")
            }
            Self::EngineReplaced { asked } => {
                write!(
                    out,
                    "db_engine = \"{asked}\" is not available here; this program's own engine is used"
                )
            }
            Self::ShortDay { length } => write!(
                out,
                "GARAGE_LIFECYCLE_DAY_FOR_TESTS is set: for lifecycle rules a day lasts {}, so that objects ARE DELETED \
                 EARLY",
                length.escape_debug()
            ),
            Self::BlockSizeFixed { size_bytes } => {
                write!(out, "block_size has no effect: blocks have {size_bytes} bytes here")
            }
            Self::RelativePath { key, path } => write!(
                out,
                "{key} = \"{}\" depends on the folder in which the server is started; write a full path",
                path.escape_debug()
            ),
        }
    }
}
