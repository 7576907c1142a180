//! `garage json-api`: any endpoint of the admin API, for scripts without an HTTP client or a token.

use super::error::{CliError, Kind};
use super::render::Page;
use super::session::{Report, Session};
use super::suggest;
use api::admin::{ENDPOINTS, NOT_YET, Route};
use clap::Args;
use http::Method;
use serde_json::{Map, Value, json};
use std::io::Read;

/// Largest payload read from standard input: what the admin API accepts.
const PAYLOAD_MAX_BYTES: u64 = api::admin::BODY_MAX_BYTES as u64;
/// What travels in the query of endpoints that have a body as well.
const QUERY_FIELDS: [&str; 2] = ["id", "node"];

/// What to call.
#[derive(Debug, Clone, Args)]
#[command(after_long_help = "Examples:\n  garage json-api GetClusterStatus\n  \
                             garage json-api GetBucketInfo '{\"globalAlias\": \"photos\"}'\n  \
                             echo '{\"name\": \"my-app\"}' | garage json-api CreateKey -\n  \
                             garage json-api UpdateKey '{\"id\": \"GK…\", \"body\": {\"name\": \"other\"}}'")]
pub struct JsonApiArguments {
    /// The endpoint's name, such as GetClusterStatus.
    #[arg(required_unless_present = "list")]
    endpoint: Option<String>,
    /// What it is given, as JSON; `-` reads it from standard input.
    #[arg(default_value = "null", hide_default_value = true)]
    payload: String,
    /// List the endpoints.
    #[arg(long)]
    list: bool,
}

/// Calls an endpoint.
pub async fn run(session: &Session, arguments: JsonApiArguments) -> Result<Report, CliError> {
    let name = match arguments.endpoint {
        Some(name) if !arguments.list => name,
        _ => return Ok(Report::new(list(), Page::default())),
    };
    let Some(method) = method_of(&name) else {
        let near = suggest::nearest(&name, names());
        return Err(CliError::Unknown { kind: Kind::Endpoint, name, near });
    };
    let payload = match arguments.payload.as_str() {
        "-" => serde_json::from_str(&read_input()?),
        text => serde_json::from_str(text),
    };
    let (query, body) = split(&method, payload.map_err(CliError::PayloadNotJson)?);
    let query: Vec<(&str, &str)> =
        query.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let body = (method == Method::POST).then_some(&body);
    let json = session.client.send(method.clone(), &name, &query, body).await?;
    Ok(Report::new(json, Page::default()))
}

fn names() -> impl Iterator<Item = &'static str> {
    let here = ENDPOINTS.iter().filter(|endpoint| endpoint.route == Route::V2).map(|endpoint| endpoint.name);
    here.chain(NOT_YET.iter().copied())
}

fn list() -> Value {
    let here = ENDPOINTS.iter().filter(|endpoint| endpoint.route == Route::V2);
    here.map(|endpoint| {
        json!({ "name": endpoint.name, "method": endpoint.method.as_str(), "about": endpoint.about })
    })
    .collect()
}

/// How an endpoint is called. One that is not there yet answers so itself.
fn method_of(name: &str) -> Option<Method> {
    let here = ENDPOINTS.iter().find(|endpoint| endpoint.route == Route::V2 && endpoint.name == name);
    let later = NOT_YET.contains(&name).then_some(Method::POST);
    here.map(|endpoint| endpoint.method.clone()).or(later)
}

fn read_input() -> Result<String, CliError> {
    let mut text = String::new();
    let mut input = std::io::stdin().lock().take(PAYLOAD_MAX_BYTES);
    input.read_to_string(&mut text).map_err(CliError::Terminal)?;
    Ok(text)
}

/// A payload as query and body: what is read has only a query; what changes something has `id` and
/// `node` in the query, and the rest, or what stands under `body`, in the body.
fn split(method: &Method, payload: Value) -> (Vec<(String, String)>, Value) {
    let mut fields = match payload {
        Value::Object(fields) => fields,
        Value::Null => Map::new(),
        other => return (Vec::new(), other),
    };
    let in_query = |name: &str| *method == Method::GET || QUERY_FIELDS.contains(&name);
    let asked: Vec<String> = fields.keys().filter(|name| in_query(name)).cloned().collect();
    let taken = asked.into_iter().filter_map(|name| fields.remove(&name).map(|value| (name, value)));
    let query = taken.filter_map(|(name, value)| match value {
        Value::Null => None,
        Value::String(text) => Some((name, text)),
        other => Some((name, other.to_string())),
    });
    let query = query.collect();
    let body = match (fields.len(), fields.remove("body")) {
        (1, Some(body)) => body,
        (_, Some(body)) => {
            fields.insert("body".to_owned(), body);
            Value::Object(fields)
        }
        (_, None) => Value::Object(fields),
    };
    (query, body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_becomes_query_and_body() {
        for (method, payload, query, body) in [
            (Method::GET, json!(null), "", json!({})),
            (Method::GET, json!({"id": null, "search": "b"}), "search=b", json!({})),
            (
                Method::GET,
                json!({"search": "k", "showSecretKey": true}),
                "search=k&showSecretKey=true",
                json!({}),
            ),
            (Method::POST, json!({"id": "GK1", "body": {"name": "n"}}), "id=GK1", json!({"name": "n"})),
            (Method::POST, json!({"id": "GK1", "name": "n"}), "id=GK1", json!({"name": "n"})),
            (
                Method::POST,
                json!({"node": "*", "body": {"busyOnly": true}}),
                "node=*",
                json!({"busyOnly": true}),
            ),
            (Method::POST, json!(["a@b:1"]), "", json!(["a@b:1"])),
        ] {
            let (pairs, rest) = split(&method, payload);
            let pairs: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
            assert_eq!((pairs.join("&").as_str(), rest), (query, body));
        }
    }
}
