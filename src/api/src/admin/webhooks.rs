//! Endpoints about webhooks: where applications may have events sent.

use super::for_nodes::{self, CallEndpoint};
use super::{AdminError, Answer, Call, wire};
use crate::dates::iso8601_ms;
use crate::webhook::{WebhookAddress, is_webhook_name};
use base::Stamp;
use bytes::Bytes;
use futures_util::future::join_all;
use model::Model;
use model::events::WEBHOOKS_MAX;
use model::rows::key::Secret;
use model::rows::webhook::Endpoint;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Longest token.
const TOKEN_MAX_BYTES: usize = 4096;

pub(super) async fn list(call: Call<'_>) -> Result<Answer, AdminError> {
    let (api, mut webhooks) = (call.api, all(&call.api.model)?);
    let request = CallEndpoint { endpoint: "GetNodeWebhooks".to_owned(), body: Bytes::new() };
    let others = for_nodes::all_others(&api.cluster);
    let answers = join_all(others.iter().map(|node| for_nodes::ask(api, *node, &request))).await;
    for (node, answer) in others.into_iter().zip(answers) {
        let told = answer.ok().and_then(|body| serde_json::from_slice::<Vec<wire::WebhookInfo>>(&body).ok());
        for webhook in &mut webhooks {
            let Some(told) = &told else {
                webhook.unheard.push(node.to_string());
                continue;
            };
            // Who has not heard of it yet has nothing for it.
            if let Some(there) = told.iter().find(|there| there.name == webhook.name) {
                webhook.add(there);
            }
        }
    }
    Ok(Answer::json(&webhooks))
}

pub(super) async fn of_node(call: Call<'_>) -> Result<Answer, AdminError> {
    Ok(Answer::json(&all(&call.api.model)?))
}

pub(super) async fn create(call: Call<'_>) -> Result<Answer, AdminError> {
    let body: wire::CreateWebhook = call.json()?;
    if !is_webhook_name(&body.name) {
        let value = body.name.chars().take(64).collect();
        return Err(AdminError::InvalidValue {
            name: "name of a webhook (up to 64 letters, digits, `-`, `_` and `.`)",
            value,
        });
    }
    let _: WebhookAddress = body.url.parse()?;
    let token = body.token.filter(|token| !token.is_empty());
    if let Some(token) = &token
        && (token.len() > TOKEN_MAX_BYTES || !token.bytes().all(|byte| byte.is_ascii_graphic()))
    {
        let value = "(hidden)".to_owned();
        return Err(AdminError::InvalidValue { name: "token (up to 4096 visible ASCII characters)", value });
    }
    let model = &call.api.model;
    let known = model.names();
    if known.webhooks.len() >= WEBHOOKS_MAX && !known.webhooks.contains_key(&body.name) {
        return Err(AdminError::TooManyWebhooks);
    }
    let endpoint = Endpoint { url: body.url, token: token.map(Secret::new) };
    model.set_webhook(body.name.clone(), endpoint).await?;
    let shown = all(model)?.into_iter().find(|webhook| webhook.name == body.name);
    shown.map(|webhook| Answer::json(&webhook)).ok_or(AdminError::NoSuchWebhook(body.name))
}

pub(super) async fn delete(call: Call<'_>) -> Result<Answer, AdminError> {
    let name = call.required("name")?.to_owned();
    if !call.api.model.knows_webhook(&name).await? {
        return Err(AdminError::NoSuchWebhook(name));
    }
    call.api.model.delete_webhook(name).await?;
    Ok(Answer::done())
}

/// Every webhook, with what waits for it on this node.
pub(super) fn all(model: &Arc<Model>) -> Result<Vec<wire::WebhookInfo>, AdminError> {
    let backlogs: BTreeMap<_, _> = model.event_backlogs()?.into_iter().collect();
    let names = model.names();
    let mut found = Vec::with_capacity(names.webhooks.len());
    for (name, row) in &names.webhooks {
        let Some(endpoint) = &row.endpoint.value else { continue };
        let figures = backlogs.get(name).copied().unwrap_or_default();
        let standing = model.webhook_standing(name);
        found.push(wire::WebhookInfo {
            name: name.clone(),
            arn: format!("arn:garage:sqs::{name}:webhook"),
            url: endpoint.url.clone(),
            has_token: endpoint.token.is_some(),
            created: moment(row.created),
            waiting: figures.events,
            waiting_bytes: figures.bytes,
            oldest: model.oldest_event(name)?.map(moment),
            lost: figures.lost,
            last_lost: figures.lost_at.map(moment),
            failures: standing.failures,
            last_error: standing.last_error,
            last_success: standing.last_success.map(|time| iso8601_ms(time.millis())),
            unheard: Vec::new(),
        });
    }
    Ok(found)
}

/// Which webhooks do not take their events, in sentences.
pub(super) fn troubles(model: &Arc<Model>) -> Result<Vec<String>, AdminError> {
    let failing =
        |webhook: &wire::WebhookInfo| webhook.lost > 0 || (webhook.failures > 0 && webhook.waiting > 0);
    let place = if model.has_second_copies() { "here" } else { "here, and on no other node," };
    let sentence = |webhook: wire::WebhookInfo| {
        let lost = match webhook.lost {
            0 => String::new(),
            some => format!(", and {some} found no room and are lost"),
        };
        let why = webhook.last_error.map(|error| format!(": {error}")).unwrap_or_default();
        let waiting = match webhook.waiting {
            1 => "1 event waits".to_owned(),
            some => format!("{some} events wait"),
        };
        format!("{waiting} {place} for the webhook {}{lost}{why}", webhook.name)
    };
    Ok(all(model)?.into_iter().filter(failing).map(sentence).collect())
}

fn moment(stamp: Stamp) -> String {
    iso8601_ms(stamp.wall().millis())
}
