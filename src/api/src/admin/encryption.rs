//! Endpoints about encryption by the server: the keys of the ring. No secret and no key is ever shown.

use super::{AdminApi, AdminError, Answer, Call, wire};
use crate::dates::iso8601_ms;
use base::Id;
use base::id::kind;
use model::encryption::change::{SecretChanged, Told};
use model::encryption::ring::{EncryptionSecret, NAME_MAX_BYTES, OWN_NAME, RingKey};

pub(super) async fn list(call: Call<'_>) -> Result<Answer, AdminError> {
    let model = &call.api.model;
    let keys = model.ring_keys().into_iter().map(shown).collect();
    Ok(Answer::json(&wire::EncryptionKeys { has_secret: model.has_encryption_secret(), keys }))
}

pub(super) async fn create(call: Call<'_>) -> Result<Answer, AdminError> {
    let body: wire::NamedEncryptionKey = call.json()?;
    let name = body.name.ok_or(AdminError::MissingParameter("name"))?;
    check_name(&name)?;
    made(call.api, call.api.model.create_ring_key(&name).await?)
}

pub(super) async fn rotate(call: Call<'_>) -> Result<Answer, AdminError> {
    let body: wire::NamedEncryptionKey = call.json_or_default()?;
    let name = body.name.filter(|name| name != OWN_NAME);
    made(call.api, call.api.model.rotate_ring_key(name.as_deref()).await?)
}

pub(super) async fn change_secret(call: Call<'_>) -> Result<Answer, AdminError> {
    let body: wire::ChangeEncryptionSecret = call.json()?;
    let secret = EncryptionSecret::parse(&body.secret).map_err(|_| AdminError::InvalidValue {
        name: "encryption secret (64 hexadecimal digits)",
        value: "***".to_owned(),
    })?;
    let SecretChanged { keys, members } = call.api.model.change_encryption_secret(secret).await?;
    let nodes = members.into_iter().map(|(node, told)| wire::SecretOnNode {
        id: node.to_string(),
        is_held: told != Told::Away,
        is_kept: told == Told::Kept,
    });
    Ok(Answer::json(&wire::EncryptionSecretChanged { keys, nodes: nodes.collect() }))
}

/// Letters, digits and what AWS allows between them in an alias, so that a name fits into a header and an ARN.
fn check_name(name: &str) -> Result<(), AdminError> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/_-".contains(&byte);
    let is_name = (1..=NAME_MAX_BYTES).contains(&name.len()) && name.bytes().all(is_plain);
    // Those that begin so are AWS's own, one of which stands for the key without a name; `alias/` is cut off.
    let is_taken = name.starts_with("aws/") || name.starts_with("alias/");
    if is_name && !is_taken {
        return Ok(());
    }
    Err(AdminError::InvalidValue {
        name: "name of an encryption key (letters, digits, / _ -)",
        value: name.to_owned(),
    })
}

fn made(api: &AdminApi, id: Id<kind::RingKey>) -> Result<Answer, AdminError> {
    let key = api.model.ring_keys().into_iter().find(|key| key.id == id);
    let key = key.ok_or(model::ModelError::NoSuchEncryptionKey)?;
    Ok(Answer::json(&shown(key)))
}

fn shown(key: RingKey) -> wire::EncryptionKey {
    wire::EncryptionKey {
        id: key.id.to_string(),
        name: key.name.unwrap_or_else(|| OWN_NAME.to_owned()),
        created: iso8601_ms(key.created.wall().millis()),
        is_newest: key.is_newest,
        is_open: key.is_open,
    }
}
