//! Endpoints about nodes that join: invitations, and the approval that gives waiting nodes their role.
//! An approval stages the roles and applies the version in one change, or changes nothing.

use super::copying::Copying;
use super::layout::{Told, applied, change, describe};
use super::{AdminError, Answer, Call, wire};
use base::NodeId;
use cluster::layout::{Layout, LayoutError, Moment, ReplicationFactor, Role};
use std::sync::mpsc;

pub(super) async fn invite(call: Call<'_>) -> Result<Answer, AdminError> {
    let body: wire::CreateNodeInvitation = call.json_or_default()?;
    let api = call.api;
    let invitation = api.cluster.invite(api.model.env(), body.zone, body.addresses).await?;
    Ok(Answer::json(&wire::NodeInvitation {
        code: invitation.code.to_string(),
        node_id: api.cluster.id().to_string(),
        zone: invitation.zone,
        addresses: invitation.code.addresses().to_vec(),
        holds_for_secs: invitation.holds_for.as_secs(),
        local_only: invitation.is_local_only,
    }))
}

pub(super) async fn preview(call: Call<'_>) -> Result<Answer, AdminError> {
    let body: wire::PreviewNodeApproval = call.json()?;
    let chosen = waiting(&call, &body.nodes)?;
    let nodes = chosen.iter().map(|(node, role)| wire::ApprovedNode {
        id: node.to_string(),
        zone: role.zone.clone(),
        capacity: role.capacity_bytes,
    });
    let nodes = nodes.collect();
    let known = Copying::look(call.api).await;
    let (said, planned) = mpsc::channel();
    let work = move |layout: &Layout, moment: &Moment| {
        let staged = stage(layout, &chosen, moment)?;
        let plan = staged.plan()?;
        // Only to hear whether it would be refused.
        let next = plan.version.number;
        staged.apply(next, moment)?;
        let copies = |factor: Option<ReplicationFactor>| factor.map_or(0, ReplicationFactor::copies);
        let copies = (copies(layout.newest().replication_factor), copies(plan.version.replication_factor));
        let mut told = describe(&staged, &plan, &known);
        if !layout.staged().is_empty() {
            told.message.push("What was staged before is applied too: see `garage layout show`.".to_owned());
        }
        // Nobody is left to read it only when the request was dropped.
        let _ = said.send((next, copies, told));
        Ok(layout.clone())
    };
    change(call.api, work).await?;
    let (version, (copies_before, copies_after), told) = planned.try_recv().unwrap_or_default();
    let Told { message, copying } = told;
    let copying = Some(copying);
    Ok(Answer::json(&wire::NodeApproval { version, copies_before, copies_after, nodes, message, copying }))
}

pub(super) async fn approve(call: Call<'_>) -> Result<Answer, AdminError> {
    let body: wire::ApproveNodes = call.json()?;
    let chosen = waiting(&call, &body.nodes)?;
    let known = Copying::look(call.api).await;
    let (said, told) = mpsc::channel();
    let work = move |layout: &Layout, moment: &Moment| {
        let staged = stage(layout, &chosen, moment)?;
        let next = staged.apply(body.version, moment)?;
        let _ = said.send(describe(&staged, &staged.plan()?, &known));
        Ok(next)
    };
    let layout = change(call.api, work).await?;
    Ok(Answer::json(&applied(call.api, &layout, told.try_recv().unwrap_or_default()).await))
}

/// The roles that these nodes ask for. Each must wait, be connected, and be of this cluster.
fn waiting(call: &Call<'_>, ids: &[String]) -> Result<Vec<(NodeId, Role)>, AdminError> {
    let known = call.api.cluster.nodes();
    let role = |id: &String| {
        let found = known.iter().find(|node| node.id.to_string() == *id);
        let asking = found.filter(|node| node.is_up && node.other_cluster.is_none());
        let role = asking.and_then(|node| Some((node.id, node.waiting.as_ref()?.role()?)));
        role.ok_or_else(|| AdminError::NotWaiting(id.clone()))
    };
    if ids.is_empty() {
        return Err(AdminError::MissingParameter("nodes"));
    }
    ids.iter().map(role).collect()
}

fn stage(layout: &Layout, chosen: &[(NodeId, Role)], moment: &Moment) -> Result<Layout, LayoutError> {
    let assign = |layout: Layout, (node, role): &(NodeId, Role)| layout.assign(*node, role.clone(), moment);
    chosen.iter().try_fold(layout.clone(), assign)
}
