//! Asking before something is destroyed.
//!
//! Always holds: nothing is destroyed unless `--yes` is given or a person at a terminal said yes;
//! no answer, an empty answer and the end of input mean no.

use super::error::CliError;
use std::io::{BufRead, IsTerminal, Write};

/// Who can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// A person at a terminal.
    Person,
    /// A script.
    Script,
}

impl Audience {
    /// Who runs this process. The question goes to standard error, so that output can be piped.
    pub fn of_this_process() -> Self {
        let is_person = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
        if is_person { Self::Person } else { Self::Script }
    }
}

/// Whether `--yes` was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::Args)]
pub struct Yes {
    /// Do it without being asked.
    #[arg(long)]
    pub yes: bool,
}

/// Goes on only if `what` ("delete the bucket …") may be done.
pub fn confirm(audience: Audience, yes: Yes, what: &str) -> Result<(), CliError> {
    match (yes.yes, audience) {
        (true, _) => Ok(()),
        (false, Audience::Script) => Err(CliError::NeedsYes { what: what.to_owned() }),
        (false, Audience::Person) => {
            let (mut input, mut output) = (std::io::stdin().lock(), std::io::stderr().lock());
            ask(&mut input, &mut output, what)
        }
    }
}

fn ask(input: &mut impl BufRead, output: &mut impl Write, what: &str) -> Result<(), CliError> {
    let mut answer = String::new();
    write!(output, "This will {what}. Go on? [y/N] ")
        .and_then(|()| output.flush())
        .and_then(|()| input.read_line(&mut answer))
        .map_err(CliError::Terminal)?;
    match answer.trim().to_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(CliError::Declined),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_yes_is_yes() {
        for (typed, goes_on) in
            [("y\n", true), ("YES\n", true), ("\n", false), ("", false), ("no\n", false), ("yep\n", false)]
        {
            let mut shown = Vec::new();
            let outcome = ask(&mut typed.as_bytes(), &mut shown, "delete the bucket `b`");
            assert_eq!(outcome.is_ok(), goes_on, "{typed:?}");
            assert_eq!(shown, b"This will delete the bucket `b`. Go on? [y/N] ");
        }
    }

    #[test]
    fn a_script_must_say_yes() {
        let refused = confirm(Audience::Script, Yes { yes: false }, "delete the bucket `b`");
        assert!(matches!(refused, Err(CliError::NeedsYes { .. })));
        assert!(confirm(Audience::Script, Yes { yes: true }, "delete the bucket `b`").is_ok());
    }
}
