//! Why the server does not start with a configuration. Each text says where and what to write instead.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// A configuration that cannot be used.
#[derive(Debug)]
pub enum ConfigError {
    /// The configuration file or a secret file cannot be read.
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The configuration file is larger than any configuration.
    TooLarge {
        /// Which file.
        path: PathBuf,
        /// How large it may be.
        limit_bytes: usize,
    },
    /// A file is not UTF-8.
    NotUtf8 {
        /// Which file.
        path: PathBuf,
    },
    /// The configuration file is not TOML.
    Syntax {
        /// Which file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// What the TOML reader says.
        message: String,
    },
    /// A key's value has the wrong form.
    WrongValue {
        /// Which file.
        path: PathBuf,
        /// Which key, with its section.
        key: String,
        /// Line, from 1.
        line: usize,
        /// What it must look like.
        expected: &'static str,
    },
    /// A table has a member that nobody knows.
    UnknownMember {
        /// Which file.
        path: PathBuf,
        /// Which key.
        key: String,
        /// Line, from 1.
        line: usize,
        /// The member.
        member: String,
        /// What it was probably meant to be.
        suggestion: Option<&'static str>,
    },
    /// What the first start is to make cannot be made.
    WrongFirst {
        /// Where it is said: a variable or a flag.
        origin: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The command line and the configuration file both say where data is.
    FolderTwice {
        /// The key of the file.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
    },
    /// An environment variable's value has the wrong form.
    WrongVariable {
        /// Its name.
        name: &'static str,
        /// What it must look like.
        expected: &'static str,
    },
    /// A value is given in two places that exclude each other.
    GivenTwice {
        /// One place.
        first: String,
        /// The other.
        second: String,
    },
    /// A secret is an empty text.
    EmptySecret {
        /// Where it was given.
        origin: String,
    },
    /// A secret's file can be read by every user of the machine.
    WorldReadableSecret {
        /// Which file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// One half of the first key is given without the other.
    HalfAKey {
        /// The missing variable.
        missing: &'static str,
    },
    /// A certificate is given without its key, or a key without its certificate.
    HalfATls {
        /// The key that is there.
        given: &'static str,
        /// The key that is missing.
        missing: &'static str,
    },
    /// A flag takes its value from an environment variable, which is not set.
    VariableMissing {
        /// The flag.
        flag: &'static str,
        /// The variable.
        variable: &'static str,
    },
    /// The secret that opens what is encrypted would lie where that lies.
    SecretBesideData {
        /// Its file.
        path: PathBuf,
        /// The folder with what it opens.
        folder: PathBuf,
    },
    /// Nothing says where data may be kept.
    NoDataFolder,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { path, source } if source.kind() == io::ErrorKind::NotFound => {
                write!(out, "there is no file {}", path.display())
            }
            Self::Unreadable { path, source } => write!(out, "cannot read {}: {source}", path.display()),
            Self::TooLarge { path, limit_bytes } => {
                write!(out, "{} is larger than {limit_bytes} bytes; is it a configuration?", path.display())
            }
            Self::NotUtf8 { path } => write!(out, "{} is not UTF-8 text", path.display()),
            Self::Syntax { path, line, message } => {
                write!(out, "{}, line {line}: not valid TOML: {message}", path.display())
            }
            Self::WrongValue { path, key, line, expected } => {
                write!(out, "{}, line {line}: {key} must be {expected}", path.display())
            }
            Self::UnknownMember { path, key, line, member, suggestion } => {
                let (path, member) = (path.display(), member.escape_debug());
                write!(out, "{path}, line {line}: {key}: unknown member {member}")?;
                suggestion.map_or(Ok(()), |known| write!(out, "; did you mean {known}?"))
            }
            Self::WrongFirst { origin, reason } => write!(out, "{origin} cannot be used: {reason}"),
            Self::FolderTwice { key, path, line } => {
                write!(out, "--data-dir is given, and {key} in {} (line {line}): keep one", path.display())
            }
            Self::WrongVariable { name, expected } => {
                write!(out, "the environment variable {name} must be {expected}")
            }
            Self::GivenTwice { first, second } => {
                write!(out, "{first} and {second} are both given; keep one of them")
            }
            Self::EmptySecret { origin } => write!(out, "the secret from {origin} is empty"),
            Self::WorldReadableSecret { path, mode } => write!(
                out,
                "every user of this machine can read the secret in {} (mode {mode:04o}); run `chmod 600` on it, or \
                 set allow_world_readable_secrets = true",
                path.display()
            ),
            Self::SecretBesideData { path, folder } => write!(
                out,
                "encryption_secret_file = {path:?} lies in {folder:?}, beside what it opens: whoever gets hold of the \
                 folder, or of a copy of it, would read everything; keep it elsewhere, on another medium at best"
            ),
            Self::HalfAKey { missing } => {
                write!(out, "a first key needs its id and its secret; {missing} is missing")
            }
            Self::HalfATls { given, missing } => {
                write!(
                    out,
                    "{given} needs {missing} beside it: a listener has a certificate and a key, or neither"
                )
            }
            Self::VariableMissing { flag, variable } => {
                write!(
                    out,
                    "{flag} takes its value from the environment variable {variable}, which is not set"
                )
            }
            Self::NoDataFolder => write!(
                out,
                "no place to keep data: neither --data-dir, GARAGE_DATA_DIR, XDG_DATA_HOME nor HOME is set; try \
                 `garage server --data-dir /path/to/folder`"
            ),
        }
    }
}

impl std::error::Error for ConfigError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            // Said in the text already.
            Self::Unreadable { source, .. } if source.kind() == io::ErrorKind::NotFound => None,
            Self::Unreadable { source, .. } => Some(source),
            Self::TooLarge { .. }
            | Self::NotUtf8 { .. }
            | Self::Syntax { .. }
            | Self::WrongValue { .. }
            | Self::UnknownMember { .. }
            | Self::WrongFirst { .. }
            | Self::FolderTwice { .. }
            | Self::WrongVariable { .. }
            | Self::GivenTwice { .. }
            | Self::EmptySecret { .. }
            | Self::WorldReadableSecret { .. }
            | Self::HalfAKey { .. }
            | Self::HalfATls { .. }
            | Self::VariableMissing { .. }
            | Self::SecretBesideData { .. }
            | Self::NoDataFolder => None,
        }
    }
}
