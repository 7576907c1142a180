//! What can be read and set of a node's background work while it runs: each variable has a name and a text.

use super::{AdminApi, AdminError, Answer, Call, wire};
use base::WallTime;
use block::{Pace, REST_FACTOR_MAX};
use std::collections::BTreeMap;

/// A variable.
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// What it says.
    pub about: &'static str,
    /// How it is set, if it can be.
    set: Option<fn(Pace, u32) -> Pace>,
}

const SCRUB_TRANQUILITY: &str = "scrub-tranquility";
const RESYNC_TRANQUILITY: &str = "resync-tranquility";
const SCRUB_LAST_COMPLETED: &str = "scrub-last-completed";
const SCRUB_NEXT_RUN: &str = "scrub-next-run";
const SCRUB_CORRUPTIONS: &str = "scrub-corruptions_detected";
const LIFECYCLE_LAST_COMPLETED: &str = "lifecycle-last-completed";

/// All of them.
pub static VARIABLES: [Variable; 6] = [
    Variable {
        name: SCRUB_TRANQUILITY,
        about: "how many times as long as a step of scrub took it rests after it",
        set: Some(|pace, factor| Pace { scrub: factor, ..pace }),
    },
    Variable {
        name: RESYNC_TRANQUILITY,
        about: "how many times as long as a step of resync took it rests after it: it looks for blocks and removes them",
        set: Some(|pace, factor| Pace { resync: factor, ..pace }),
    },
    Variable { name: SCRUB_LAST_COMPLETED, about: "when the last whole pass of scrub ended", set: None },
    Variable { name: SCRUB_NEXT_RUN, about: "when the next pass begins by itself", set: None },
    Variable {
        name: SCRUB_CORRUPTIONS,
        about: "damaged files that this pass of scrub found, or the last one",
        set: None,
    },
    Variable {
        name: LIFECYCLE_LAST_COMPLETED,
        about: "when lifecycle rules were last obeyed to the end since the start of the node",
        set: None,
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
    let change = found.set.ok_or(AdminError::VariableIsRead(found.name))?;
    let factor = value.parse().ok().filter(|factor| *factor <= REST_FACTOR_MAX);
    let factor = factor.ok_or(AdminError::VariableValue { name: found.name, value: value.clone() })?;
    call.api.model.blocks().change_pace(move |pace| change(pace, factor)).await?;
    Ok(Answer::json(&wire::SetWorkerVariable { variable, value: factor.to_string() }))
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
    Ok(BTreeMap::from([
        (SCRUB_TRANQUILITY, pace.scrub.to_string()),
        (RESYNC_TRANQUILITY, pace.resync.to_string()),
        (SCRUB_LAST_COMPLETED, time(scrub.completed)),
        (SCRUB_NEXT_RUN, next),
        (SCRUB_CORRUPTIONS, scrub.damaged.to_string()),
        (LIFECYCLE_LAST_COMPLETED, time(api.model.lifecycle_figures().last_pass)),
    ]))
}
