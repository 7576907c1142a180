//! What can be read and set of a node's background work while it runs: each variable has a name and a text.

use super::{AdminApi, AdminError, Answer, Call, wire};
use base::WallTime;
use block::{Pace, REST_FACTOR_MAX};
use model::COPY_LIMIT_MIN;
use std::collections::BTreeMap;

/// A variable.
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// What it says.
    pub about: &'static str,
    /// What it is set to, if it can be.
    pub value: Value,
}

/// What a variable can be set to.
#[derive(Clone, Copy)]
pub enum Value {
    /// Nothing: it is only read.
    Read,
    /// How many times as long as a step the worker rests.
    Factor(fn(Pace, u32) -> Pace),
    /// Bytes per second, or the word `unlimited`.
    BytesPerSecond,
}

/// A rate without a limit, as it is written.
const UNLIMITED: &str = "unlimited";

const SCRUB_TRANQUILITY: &str = "scrub-tranquility";
const RESYNC_TRANQUILITY: &str = "resync-tranquility";
const COPY_RATE: &str = "copy-rate";
const COPY_RATE_REACHED: &str = "copy-rate-reached";
const SCRUB_LAST_COMPLETED: &str = "scrub-last-completed";
const SCRUB_NEXT_RUN: &str = "scrub-next-run";
const SCRUB_CORRUPTIONS: &str = "scrub-corruptions_detected";
const LIFECYCLE_LAST_COMPLETED: &str = "lifecycle-last-completed";

/// All of them.
pub static VARIABLES: [Variable; 8] = [
    Variable {
        name: SCRUB_TRANQUILITY,
        about: "how many times as long as a step of scrub took it rests after it",
        value: Value::Factor(|pace, factor| Pace { scrub: factor, ..pace }),
    },
    Variable {
        name: RESYNC_TRANQUILITY,
        about: "how many times as long as a step of resync took it rests after it: it looks for blocks and removes them",
        value: Value::Factor(|pace, factor| Pace { resync: factor, ..pace }),
    },
    Variable {
        name: COPY_RATE,
        about: "bytes per second at most that the node copies from others: for layout changes, lost disks, and what it missed",
        value: Value::BytesPerSecond,
    },
    Variable {
        name: COPY_RATE_REACHED,
        about: "bytes per second that it copied when it last did for a while",
        value: Value::Read,
    },
    Variable {
        name: SCRUB_LAST_COMPLETED,
        about: "when the last whole pass of scrub ended",
        value: Value::Read,
    },
    Variable { name: SCRUB_NEXT_RUN, about: "when the next pass begins by itself", value: Value::Read },
    Variable {
        name: SCRUB_CORRUPTIONS,
        about: "damaged files that this pass of scrub found, or the last one",
        value: Value::Read,
    },
    Variable {
        name: LIFECYCLE_LAST_COMPLETED,
        about: "when lifecycle rules were last obeyed to the end since the start of the node",
        value: Value::Read,
    },
];

pub(super) async fn get(call: Call<'_>) -> Result<Answer, AdminError> {
    let wire::GetWorkerVariable { variable } = call.json_or_default()?;
    let mut values = values(call.api)?;
    if let Some(wanted) = variable {
        find(&wanted)?;
        values.retain(|name, _| *name == wanted);
    }
    Ok(Answer::json(&values))
}

pub(super) async fn set(call: Call<'_>) -> Result<Answer, AdminError> {
    let wire::SetWorkerVariable { variable, value } = call.json()?;
    let found = find(&variable)?;
    let refused =
        || AdminError::VariableValue { name: found.name, value: value.clone(), wanted: wanted(found.value) };
    let value = match found.value {
        Value::Read => return Err(AdminError::VariableIsRead(found.name)),
        Value::Factor(change) => {
            let factor =
                value.parse().ok().filter(|factor| *factor <= REST_FACTOR_MAX).ok_or_else(refused)?;
            call.api.model.blocks().change_pace(move |pace| change(pace, factor)).await?;
            factor.to_string()
        }
        Value::BytesPerSecond => {
            let limit = if value == UNLIMITED { None } else { Some(value.parse().map_err(|_| refused())?) };
            if limit.is_some_and(|limit| limit < COPY_LIMIT_MIN) {
                return Err(refused());
            }
            call.api.model.limit_copying(limit).await?;
            rate(limit)
        }
    };
    Ok(Answer::json(&wire::SetWorkerVariable { variable, value }))
}

fn wanted(value: Value) -> String {
    match value {
        Value::Read => "nothing".to_owned(),
        Value::Factor(_) => format!("a number from 0 to {REST_FACTOR_MAX}"),
        Value::BytesPerSecond => format!("bytes per second, {COPY_LIMIT_MIN} or more, or {UNLIMITED}"),
    }
}

fn rate(limit: Option<u64>) -> String {
    limit.map_or_else(|| UNLIMITED.to_owned(), |limit| limit.to_string())
}

fn find(name: &str) -> Result<&'static Variable, AdminError> {
    let found = VARIABLES.iter().find(|variable| variable.name == name);
    found.ok_or_else(|| AdminError::NoSuchVariable(name.to_owned()))
}

fn values(api: &AdminApi) -> Result<BTreeMap<&'static str, String>, AdminError> {
    let time = |time: Option<WallTime>| {
        time.map_or_else(|| "never".to_owned(), |time| crate::dates::iso8601_ms(time.millis()))
    };
    let (pace, scrub) = (api.model.blocks().pace()?, api.model.blocks().scrub_status()?);
    let next = match (scrub.running, scrub.paused) {
        (_, true) => "when it is resumed".to_owned(),
        (true, false) => "it runs now".to_owned(),
        (false, false) if !scrub.by_itself => "never: disable_scrub is set".to_owned(),
        (false, false) => time(scrub.next),
    };
    let copying = api.model.copy_speed();
    Ok(BTreeMap::from([
        (COPY_RATE, rate(copying.limit)),
        (
            COPY_RATE_REACHED,
            copying.reached.map_or_else(|| "never".to_owned(), |reached| reached.to_string()),
        ),
        (SCRUB_TRANQUILITY, pace.scrub.to_string()),
        (RESYNC_TRANQUILITY, pace.resync.to_string()),
        (SCRUB_LAST_COMPLETED, time(scrub.completed)),
        (SCRUB_NEXT_RUN, next),
        (SCRUB_CORRUPTIONS, scrub.damaged.to_string()),
        (LIFECYCLE_LAST_COMPLETED, time(api.model.lifecycle_figures().last_pass)),
    ]))
}
