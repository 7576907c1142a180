//! The configuration file as a flat list of keys, with their lines, read by form.
//!
//! Always holds: a value of the wrong form is an error that names key, line and the form expected; unknown keys
//! are collected, never refused.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::error::ConfigError;
use super::files::{Files, read_text};
use super::keys::{self, SECTIONS, State};
use super::notice::Notice;
use super::value::{self, Bind};

/// Largest configuration file; a full one with comments has about 10 KB.
pub(super) const CONFIG_FILE_MAX_BYTES: usize = 1 << 20;
/// Unknown keys that get a line of their own.
const UNKNOWN_KEYS_SHOWN: usize = 20;

const BIND: &str = "an address with port such as \"[::]:3900\", or the full path of a Unix socket";
const SIZE: &str = "a size such as \"500G\", \"10MiB\" or a number of bytes";
const DURATION: &str = "a duration such as \"6h\" or \"90 min\"";
const DATA_DIRS: &str = "a path in quotes, or a list of { path = \"…\", capacity = \"500G\" } or \
                         { path = \"…\", read_only = true }";
/// What a place for data may say.
const DATA_DIR_MEMBERS: [&str; 3] = ["path", "capacity", "read_only"];
const TEXT: &str = "a text in quotes";
const TEXTS: &str = "a list of texts, such as [\"a\", \"b\"]";

/// A place for data, as the file says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataDir {
    /// The folder.
    pub path: PathBuf,
    /// Space for new blocks, for sharing them out; `None` when not said.
    pub capacity_bytes: Option<u64>,
    /// Whether new blocks stay out.
    pub read_only: bool,
}

/// What nobody knows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Unknown {
    Key(String),
    Section(String),
}

/// The keys of a configuration file; empty when there is none.
#[derive(Debug, Default)]
pub(super) struct Document {
    path: PathBuf,
    values: BTreeMap<String, (usize, Value)>,
    /// Sections that stand there without a key.
    empty_sections: Vec<String>,
    unknown: Vec<(usize, Unknown)>,
}

impl Document {
    pub fn read(path: &Path, files: &dyn Files) -> Result<Self, ConfigError> {
        let text = read_text(files, path, CONFIG_FILE_MAX_BYTES)?;
        Self::parse(path, &text)
    }

    pub fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let lines = Lines::of(text);
        let root = DeTable::parse(text).map_err(|error| ConfigError::Syntax {
            path: path.into(),
            line: lines.at(error.span().map_or(0, |span| span.start)),
            message: error.message().lines().next().unwrap_or_default().to_owned(),
        })?;
        let mut document = Self { path: path.into(), ..Self::default() };
        for (name, value) in root.into_inner() {
            let line = lines.at(name.span().start);
            let name = name.into_inner().into_owned();
            match value.into_inner() {
                DeValue::Table(section) if SECTIONS.contains(&name.as_str()) => {
                    document.take_section(&name, section, &lines);
                }
                _ if SECTIONS.contains(&name.as_str()) => {
                    let expected = "a section, written [name] on a line of its own";
                    return Err(ConfigError::WrongValue { path: path.into(), key: name, line, expected });
                }
                value => document.take(name, line, value),
            }
        }
        Ok(document)
    }

    fn take_section(&mut self, section: &str, table: DeTable<'_>, lines: &Lines) {
        if table.is_empty() {
            self.empty_sections.push(section.to_owned());
        }
        for (name, value) in table {
            let line = lines.at(name.span().start);
            self.take(format!("{section}.{}", name.get_ref()), line, value.into_inner());
        }
    }

    fn take(&mut self, key: String, line: usize, value: DeValue<'_>) {
        if keys::state_of(&key).is_none() {
            let is_section = matches!(value, DeValue::Table(_)) && !key.contains('.');
            self.unknown.push((line, if is_section { Unknown::Section(key) } else { Unknown::Key(key) }));
        } else {
            self.values.insert(key, (line, Value::of(value)));
        }
    }

    /// File and line of a key that is there.
    pub fn place_of(&self, key: &str) -> Option<(PathBuf, usize)> {
        self.values.get(key).map(|(line, _)| (self.path.clone(), *line))
    }

    /// Unknown, obsolete and early keys.
    pub fn notices(&self) -> Vec<Notice> {
        let mut notices = self.unknown_notices();
        let mut early: BTreeMap<&'static str, Vec<String>> = BTreeMap::new();
        for key in self.values.keys() {
            match keys::state_of(key) {
                Some(State::Obsolete(instead)) => {
                    notices.push(Notice::Obsolete { key: key.clone(), instead });
                }
                Some(State::Ignored) => notices.push(Notice::Ignored { key: key.clone() }),
                Some(State::Later(feature)) => early.entry(feature).or_default().push(key.clone()),
                Some(State::Used) | None => {}
            }
        }
        for section in &self.empty_sections {
            if let Some(feature) = keys::feature_of_section(section) {
                early.entry(feature).or_default().push(format!("[{section}]"));
            }
        }
        notices.extend(early.into_iter().map(|(feature, keys)| Notice::NotThereYet { feature, keys }));
        notices
    }

    fn unknown_notices(&self) -> Vec<Notice> {
        let mut unknown = self.unknown.clone();
        unknown.sort();
        let short = |name: &str| name.chars().take(80).collect();
        let shown = unknown.iter().take(UNKNOWN_KEYS_SHOWN).map(|(line, what)| match what {
            Unknown::Key(key) => {
                Notice::UnknownKey { key: short(key), line: *line, suggestion: keys::suggestion(key) }
            }
            Unknown::Section(name) => Notice::UnknownSection {
                name: short(name),
                line: *line,
                suggestion: keys::section_suggestion(name),
            },
        });
        let mut notices: Vec<_> = shown.collect();
        if unknown.len() > UNKNOWN_KEYS_SHOWN {
            notices.push(Notice::MoreUnknownKeys { count: unknown.len() - UNKNOWN_KEYS_SHOWN });
        }
        notices
    }

    /// The error for a key whose value this caller cannot use.
    pub fn wrong(&self, key: &str, expected: &'static str) -> ConfigError {
        let line = self.values.get(key).map_or(0, |(line, _)| *line);
        ConfigError::WrongValue { path: self.path.clone(), key: key.to_owned(), line, expected }
    }

    fn read_as<T>(
        &self,
        key: &str,
        expected: &'static str,
        read: impl FnOnce(&Value) -> Option<T>,
    ) -> Result<Option<T>, ConfigError> {
        match self.values.get(key) {
            Some((_, value)) => read(value).map(Some).ok_or_else(|| self.wrong(key, expected)),
            None => Ok(None),
        }
    }

    pub fn text(&self, key: &str) -> Result<Option<String>, ConfigError> {
        self.read_as(key, TEXT, Value::text)
    }

    pub fn path(&self, key: &str) -> Result<Option<PathBuf>, ConfigError> {
        self.read_as(key, "a path in quotes", Value::path)
    }

    pub fn flag(&self, key: &str) -> Result<Option<bool>, ConfigError> {
        self.read_as(key, "true or false", Value::flag)
    }

    /// A whole number in `range`; `expected` says so.
    pub fn number(
        &self,
        key: &str,
        range: RangeInclusive<i64>,
        expected: &'static str,
    ) -> Result<Option<i64>, ConfigError> {
        self.read_as(key, expected, |value| value.number().filter(|number| range.contains(number)))
    }

    pub fn size(&self, key: &str) -> Result<Option<u64>, ConfigError> {
        self.read_as(key, SIZE, Value::size)
    }

    pub fn duration_ms(&self, key: &str) -> Result<Option<u64>, ConfigError> {
        self.read_as(key, DURATION, |value| value.text().and_then(|text| value::duration_ms(&text)))
    }

    pub fn bind(&self, key: &str) -> Result<Option<Bind>, ConfigError> {
        self.read_as(key, BIND, |value| value.text().and_then(|text| value::bind(&text)))
    }

    pub fn texts(&self, key: &str) -> Result<Option<Vec<String>>, ConfigError> {
        self.read_as(key, TEXTS, |value| value.list()?.iter().map(Value::text).collect())
    }

    /// Whether there is this table, whose keys are the operator's own.
    pub fn free_table(&self, key: &str) -> Result<bool, ConfigError> {
        let table =
            self.read_as(key, "a table, such as { name = \"value\" }", |value| value.table().map(|_| ()));
        table.map(|table| table.is_some())
    }

    /// One path, or a list of `{ path, capacity }` and `{ path, read_only = true }`.
    pub fn data_dirs(&self, key: &str) -> Result<Option<Vec<DataDir>>, ConfigError> {
        self.refuse_unknown_members(key, &DATA_DIR_MEMBERS)?;
        self.read_as(key, DATA_DIRS, |value| {
            if let Some(path) = value.path() {
                return Some(vec![DataDir { path, capacity_bytes: None, read_only: false }]);
            }
            let dirs: Vec<_> = value.list()?.iter().map(data_dir).collect::<Option<_>>()?;
            dirs.iter().any(|dir| !dir.read_only).then_some(dirs)
        })
    }

    /// Refuses a list of tables one of which has another member than these.
    fn refuse_unknown_members(&self, key: &str, known: &[&'static str]) -> Result<(), ConfigError> {
        let Some((line, value)) = self.values.get(key) else { return Ok(()) };
        let mut members = value.list().into_iter().flatten().filter_map(Value::table).flatten();
        match members.find(|(member, _)| !known.contains(&member.as_str())) {
            None => Ok(()),
            Some((member, _)) => Err(ConfigError::UnknownMember {
                path: self.path.clone(),
                key: key.to_owned(),
                line: *line,
                member: member.chars().take(80).collect(),
                suggestion: keys::member_suggestion(member, known),
            }),
        }
    }

    /// `none` is `Some(None)`.
    pub fn compression_level(&self, key: &str) -> Result<Option<Option<i32>>, ConfigError> {
        let expected = "a number from -99 to 22, or \"none\"";
        self.read_as(key, expected, |value| match (value.number(), value.text().as_deref()) {
            (Some(level @ -99..=22), _) => i32::try_from(level).ok().map(Some),
            (_, Some("none")) => Some(None),
            _ => None,
        })
    }
}

fn data_dir(value: &Value) -> Option<DataDir> {
    let (mut path, mut capacity_bytes, mut read_only) = (None, None, false);
    for (name, value) in value.table()? {
        match name.as_str() {
            "path" => path = Some(value.path()?),
            "capacity" => capacity_bytes = Some(value.size().filter(|size| *size > 0)?),
            "read_only" => read_only = value.flag()?,
            _ => return None,
        }
    }
    // A place takes new blocks and says how many, or it takes none: never both, never neither.
    let path = path?;
    (capacity_bytes.is_some() != read_only).then_some(DataDir { path, capacity_bytes, read_only })
}

/// A TOML value without its place. Dates, fractions and numbers beyond 64 bits have no use here.
#[derive(Debug)]
enum Value {
    Text(String),
    Number(i64),
    Flag(bool),
    List(Vec<Value>),
    Table(BTreeMap<String, Value>),
    Other,
}

impl Value {
    /// The depth is bounded by the TOML reader.
    fn of(value: DeValue<'_>) -> Self {
        match value {
            DeValue::String(text) => Self::Text(text.into_owned()),
            DeValue::Integer(number) => {
                i64::from_str_radix(number.as_str(), number.radix()).map_or(Self::Other, Self::Number)
            }
            DeValue::Boolean(flag) => Self::Flag(flag),
            DeValue::Array(items) => {
                Self::List(items.into_iter().map(|item| Self::of(item.into_inner())).collect())
            }
            DeValue::Table(table) => Self::Table(
                table
                    .into_iter()
                    .map(|(name, value)| (name.into_inner().into_owned(), Self::of(value.into_inner())))
                    .collect(),
            ),
            DeValue::Float(_) | DeValue::Datetime(_) => Self::Other,
        }
    }

    fn text(&self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text.clone()),
            _ => None,
        }
    }

    fn path(&self) -> Option<PathBuf> {
        self.text().filter(|path| !path.is_empty()).map(PathBuf::from)
    }

    fn number(&self) -> Option<i64> {
        match self {
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }

    fn flag(&self) -> Option<bool> {
        match self {
            Self::Flag(flag) => Some(*flag),
            _ => None,
        }
    }

    fn list(&self) -> Option<&[Self]> {
        match self {
            Self::List(items) => Some(items),
            _ => None,
        }
    }

    fn table(&self) -> Option<&BTreeMap<String, Self>> {
        match self {
            Self::Table(table) => Some(table),
            _ => None,
        }
    }

    fn size(&self) -> Option<u64> {
        match self {
            Self::Text(text) => value::size_bytes(text),
            Self::Number(number) => u64::try_from(*number).ok(),
            _ => None,
        }
    }
}

/// Where each line of a text begins, in bytes.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        Self(text.match_indices('\n').map(|(offset, _)| offset + 1).collect())
    }

    /// The line, from 1, of a byte.
    fn at(&self, offset: usize) -> usize {
        self.0.partition_point(|start| *start <= offset) + 1
    }
}
