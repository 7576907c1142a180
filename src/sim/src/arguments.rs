//! The command line.

use crate::plan::Trouble;

/// What to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arguments {
    /// Seeds to run, from `first_seed` on.
    pub seeds: u64,
    /// Operations per seed.
    pub ops: usize,
    /// The first seed.
    pub first_seed: u64,
    /// Only this seed.
    pub seed: Option<u64>,
    /// Print what happens.
    pub trace: bool,
    /// Threads.
    pub threads: usize,
    /// Faults to leave out: narrows a failure down.
    pub without: Vec<Trouble>,
    /// Stop at the first failing seed.
    pub stop_at_first: bool,
    /// Leave out the seeds that once failed.
    pub only_new: bool,
    /// Which lines of the product's own log are printed, as RUST_LOG says it.
    pub log: Option<String>,
    /// Clusters instead of single nodes.
    pub cluster: bool,
}

impl Default for Arguments {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            seeds: 200,
            ops: 200,
            first_seed: 1,
            seed: None,
            trace: false,
            threads,
            without: Vec::new(),
            stop_at_first: false,
            only_new: false,
            log: None,
            cluster: false,
        }
    }
}

/// How to call it.
pub const USAGE: &str = "\
sim: whole nodes from seeds, with faults

  sim [--cluster] [--seeds N] [--ops M] [--first-seed S] [--threads T] [--stop-at-first] [--only-new]
  sim [--cluster] --seed X [--ops M] [--trace] [--log FILTER] [--without FAULT]...

--cluster plays several homes on one network instead of a single node. --log model=debug,warn shows the product's
own log in between.
Seeds may be decimal or 0x…; faults are named as a failing seed prints them.";

impl Arguments {
    /// Reads the command line; the error is what to print.
    pub fn parse(words: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut arguments = Self::default();
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            let mut number = || {
                let text = words.next().ok_or_else(|| format!("{word} needs a value"))?;
                parse_number(&text).ok_or_else(|| format!("{word}: `{text}` is not a number"))
            };
            match word.as_str() {
                "--seeds" => arguments.seeds = number()?,
                "--ops" => arguments.ops = number()? as usize,
                "--first-seed" => arguments.first_seed = number()?,
                "--seed" => arguments.seed = Some(number()?),
                "--threads" => arguments.threads = (number()? as usize).max(1),
                "--trace" => arguments.trace = true,
                "--cluster" => arguments.cluster = true,
                "--only-new" => arguments.only_new = true,
                "--stop-at-first" => arguments.stop_at_first = true,
                "--log" => {
                    let filter = words.next().ok_or_else(|| "--log needs a filter".to_owned())?;
                    arguments.log = Some(filter);
                }
                "--without" => {
                    let name = words.next().unwrap_or_default();
                    let trouble = Trouble::from_name(&name).ok_or_else(|| format!("no fault `{name}`"))?;
                    arguments.without.push(trouble);
                }
                "--help" | "-h" => return Err(USAGE.to_owned()),
                other => return Err(format!("unknown argument `{other}`\n\n{USAGE}")),
            }
        }
        Ok(arguments)
    }
}

/// A decimal or hexadecimal number.
pub fn parse_number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}
