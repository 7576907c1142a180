//! Endpoints that forget nodes which never come back. What may be lost is said before, and again after.

use super::{AdminError, Answer, Call, wire};
use base::NodeId;
use cluster::Forgetting;
use cluster::layout::PARTITIONS;
use std::collections::BTreeSet;

pub(super) async fn preview(call: Call<'_>) -> Result<Answer, AdminError> {
    let body: wire::ForgetNodes = call.json()?;
    let plan = call.api.cluster.plan_forgetting(nodes_of(&body)?).await?;
    Ok(Answer::json(&body_of(&plan)))
}

pub(super) async fn forget(call: Call<'_>) -> Result<Answer, AdminError> {
    let body: wire::ForgetNodes = call.json()?;
    let tasks = &call.api.model.env().tasks;
    let done = call.api.cluster.forget(tasks, nodes_of(&body)?).await?;
    Ok(Answer::json(&body_of(&done)))
}

fn nodes_of(body: &wire::ForgetNodes) -> Result<BTreeSet<NodeId>, AdminError> {
    let name = "node id (64 hexadecimal digits)";
    let node = |id: &String| {
        NodeId::from_hex(id).ok_or_else(|| AdminError::InvalidValue { name, value: id.clone() })
    };
    if body.nodes.is_empty() {
        return Err(AdminError::MissingParameter("nodes"));
    }
    body.nodes.iter().map(node).collect()
}

fn body_of(plan: &Forgetting) -> wire::ForgottenNodes {
    wire::ForgottenNodes {
        nodes: plan.nodes.iter().map(NodeId::to_string).collect(),
        partitions_at_risk: u64::try_from(plan.loss.partitions).unwrap_or(u64::MAX),
        message: describe(plan),
    }
}

/// What it means, for people.
fn describe(plan: &Forgetting) -> Vec<String> {
    let Forgetting { nodes, loss } = plan;
    let short = |node: &NodeId| node.to_string().chars().take(16).collect::<String>();
    let together = |nodes: &BTreeSet<NodeId>| nodes.iter().map(short).collect::<Vec<_>>().join(" and ");
    let mut lines = Vec::new();
    if loss.partitions == 0 {
        lines.push("Nothing that was acknowledged is lost: the nodes that remain hold all of it.".to_owned());
    } else {
        let all: BTreeSet<NodeId> = nodes.union(&loss.with).copied().collect();
        lines.push(format!(
            "In {} of {PARTITIONS} partitions {} were enough to acknowledge a write: what they alone acknowledged \
             there may be lost.",
            loss.partitions,
            together(&all),
        ));
    }
    if loss.partitions_without_copy > 0 {
        lines.push(format!(
            "In {} of them no other node has a complete copy: everything there may be lost.",
            loss.partitions_without_copy
        ));
    }
    if nodes.len() > 1 {
        lines.push(
            "None of them may be running anywhere: what they acknowledge among themselves from now on is lost."
                .to_owned(),
        );
    }
    lines.push(
        "This is for good: a forgotten node that starts again begins empty, and is filled by the others."
            .to_owned(),
    );
    lines
}
