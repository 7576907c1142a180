//! The document of a policy: statements, and what they say to a request.

use super::actions::{About, about};
use super::conditions::{self, Condition};
use super::keys::Key;
use super::pattern::fits;
use super::template::Template;
use super::{Asked, Verdict};
use crate::s3::error::{S3Code, S3Error};
use crate::s3::json;
use crate::s3::parameters::OWNER_ID;
use serde_json::{Map, Value};

/// A policy's document (AWS: 20 KB).
pub const POLICY_MAX_BYTES: usize = 20 << 10;
/// How resources begin.
const ARN: &str = "arn:aws:s3:::";
/// How a user is named, behind an account that nobody has here.
const USER_ARN: &str = "arn:aws:iam::";

/// A policy.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    bucket: String,
    statements: Vec<Statement>,
}

#[derive(Debug, Clone, PartialEq)]
struct Statement {
    allows: bool,
    principals: Listed<Principal>,
    /// In lower case.
    actions: Listed<String>,
    resources: Listed<Template>,
    conditions: Vec<Condition>,
}

/// A list, or all that is not in it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Listed<T> {
    is_negated: bool,
    items: Vec<T>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Principal {
    /// Everybody, anonymous callers too.
    Everybody,
    /// The holder of this access key.
    Key(String),
}

fn malformed(message: impl Into<String>) -> S3Error {
    S3Error::with_message(S3Code::MalformedPolicy, message.into())
}

impl Policy {
    /// Reads a policy for a bucket of this name.
    pub fn parse(document: &[u8], bucket: &str) -> Result<Self, S3Error> {
        if document.len() > POLICY_MAX_BYTES {
            return Err(malformed("Policies must not be larger than 20 KB"));
        }
        let value = json::parse(document).map_err(|error| {
            malformed(format!("Policies must be valid JSON and the first byte must be '{{': {error}"))
        })?;
        let Value::Object(members) = value else {
            return Err(malformed("Policies must be valid JSON and the first byte must be '{'"));
        };
        known(&members, &["Version", "Id", "Statement"])?;
        match members.get("Version").map(Value::as_str) {
            None | Some(Some("2012-10-17" | "2008-10-17")) => {}
            Some(_) => return Err(malformed("The policy must contain a valid version string")),
        }
        let statements: Vec<&Value> = match members.get("Statement") {
            Some(Value::Array(statements)) => statements.iter().collect(),
            Some(statement) => vec![statement],
            None => return Err(malformed("Missing required field Statement")),
        };
        if statements.is_empty() {
            return Err(malformed("Could not parse the policy: Statement is empty!"));
        }
        // Older policies mean the characters.
        let has_variables = members.get("Version").and_then(Value::as_str) == Some("2012-10-17");
        let statements =
            statements.into_iter().map(|statement| Statement::parse(statement, bucket, has_variables));
        Ok(Self { bucket: bucket.to_owned(), statements: statements.collect::<Result<_, _>>()? })
    }

    /// The access keys it names.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        let principals = self.statements.iter().flat_map(|statement| &statement.principals.items);
        principals.filter_map(|principal| match principal {
            Principal::Key(id) => Some(id.as_str()),
            Principal::Everybody => None,
        })
    }

    /// What it says to a request.
    pub fn evaluate(&self, asked: &Asked<'_>) -> Verdict {
        let resource = match asked.key {
            Some(key) => format!("{ARN}{}/{key}", self.bucket),
            None => format!("{ARN}{}", self.bucket),
        };
        let mut verdict = Verdict::Silent;
        for statement in self.statements.iter().filter(|statement| statement.fits(asked, &resource)) {
            if !statement.allows {
                return Verdict::Deny;
            }
            verdict = Verdict::Allow;
        }
        verdict
    }

    /// Whether anything could be allowed to the caller by this action: asked before it is known which objects
    /// a request is about.
    pub fn may_allow(&self, access_key: Option<&str>, action: &str) -> bool {
        self.statements
            .iter()
            .any(|statement| statement.allows && statement.is_for(access_key) && statement.names(action))
    }

    /// Whether it lets in callers that it does not name, as AWS understands public.
    pub fn is_public(&self) -> bool {
        self.statements.iter().any(|statement| {
            let open =
                statement.principals.is_negated || statement.principals.items.contains(&Principal::Everybody);
            statement.allows && open && !statement.conditions.iter().any(Condition::narrows)
        })
    }

    /// Whether evaluating it needs what was said when an upload was begun.
    pub fn needs_upload(&self) -> bool {
        self.asks_for().any(Key::is_of_creation)
    }

    /// Whether evaluating it needs the tags of the object.
    pub fn needs_existing_tags(&self) -> bool {
        self.asks_for().any(|key| matches!(key, Key::ExistingTag(_)))
    }

    /// All that its conditions and variables ask for.
    fn asks_for(&self) -> impl Iterator<Item = &Key> {
        self.statements.iter().flat_map(|statement| {
            let resources = statement.resources.items.iter().flat_map(Template::keys);
            resources.chain(statement.conditions.iter().flat_map(Condition::keys))
        })
    }
}

const STATEMENT: [&str; 9] = [
    "Sid",
    "Effect",
    "Principal",
    "NotPrincipal",
    "Action",
    "NotAction",
    "Resource",
    "NotResource",
    "Condition",
];

fn known(members: &Map<String, Value>, names: &[&str]) -> Result<(), S3Error> {
    match members.keys().find(|name| !names.contains(&name.as_str())) {
        Some(name) => Err(malformed(format!("Unknown field {name}"))),
        None => Ok(()),
    }
}

impl Statement {
    fn parse(value: &Value, bucket: &str, has_variables: bool) -> Result<Self, S3Error> {
        let members = value.as_object().ok_or_else(|| malformed("A statement must be an object"))?;
        known(members, &STATEMENT)?;
        if members.get("Sid").is_some_and(|sid| !sid.is_string()) {
            return Err(malformed("Sid must be a string"));
        }
        let allows = match members.get("Effect").and_then(Value::as_str) {
            Some("Allow") => true,
            Some("Deny") => false,
            _ => return Err(malformed("Invalid effect: it must be Allow or Deny")),
        };
        let (is_negated, value) = either(members, "Principal", "NotPrincipal")?;
        let principals = Listed { is_negated, items: parse_principals(value)? };
        if is_negated && principals.items.contains(&Principal::Everybody) {
            return Err(malformed("NotPrincipal must not be everybody: the statement would be for nobody"));
        }
        let (is_negated, value) = either(members, "Action", "NotAction")?;
        let items = strings(value)?;
        if let Some(unknown) = items.iter().find(|action| about(action).is_none()) {
            return Err(malformed(format!("Policy has invalid action: {unknown}")));
        }
        let actions =
            Listed { is_negated, items: items.iter().map(|action| action.to_ascii_lowercase()).collect() };
        let (is_negated, value) = either(members, "Resource", "NotResource")?;
        let named = strings(value)?;
        named.iter().try_for_each(|resource| check_resource(resource, bucket))?;
        if !actions.is_negated && !is_negated {
            check_actions(&actions.items, &named)?;
        }
        let items = named.iter().map(|resource| Template::parse(resource, has_variables));
        let resources = Listed { is_negated, items: items.collect::<Result<_, _>>()? };
        let conditions = members.get("Condition").map(|value| conditions::parse(value, has_variables));
        let conditions = conditions.transpose()?.unwrap_or_default();
        Ok(Self { allows, principals, actions, resources, conditions })
    }

    fn fits(&self, asked: &Asked<'_>, resource: &str) -> bool {
        self.is_for(asked.access_key)
            && self.names(asked.action)
            && self.is_about(asked, resource)
            && self.conditions.iter().all(|condition| self.holds(condition, asked))
    }

    /// Whether a condition holds. What nobody knows before the body is read keeps nobody out until it is known.
    fn holds(&self, condition: &Condition, asked: &Asked<'_>) -> bool {
        match asked.facts.awaits_body && condition.keys().any(Key::is_in_body) {
            true => self.allows,
            false => condition.holds(asked),
        }
    }

    /// Whether it is about a resource. What nobody knows yet is left open as conditions leave it.
    fn is_about(&self, asked: &Asked<'_>, resource: &str) -> bool {
        let Listed { is_negated, items } = &self.resources;
        let is_open = |item: &Template| asked.facts.awaits_body && item.keys().any(Key::is_in_body);
        if items.iter().any(|item| !is_open(item) && item.fits(asked, resource)) {
            return !is_negated;
        }
        if items.iter().any(is_open) {
            return self.allows;
        }
        // Whoever is allowed all but a resource that does not exist is allowed nothing, rather than everything.
        *is_negated && !(self.allows && items.iter().any(|item| !item.has_value(asked)))
    }

    fn is_for(&self, access_key: Option<&str>) -> bool {
        self.principals.lists(|principal| match principal {
            Principal::Everybody => true,
            Principal::Key(id) => Some(id.as_str()) == access_key,
        })
    }

    fn names(&self, action: &str) -> bool {
        let action = action.to_ascii_lowercase();
        self.actions.lists(|pattern| fits(pattern, &action))
    }
}

impl<T> Listed<T> {
    fn lists(&self, fits: impl Fn(&T) -> bool) -> bool {
        self.items.iter().any(fits) != self.is_negated
    }
}

/// The one of two members that must be there; whether it is the negated one.
fn either<'v>(
    members: &'v Map<String, Value>,
    plain: &str,
    negated: &str,
) -> Result<(bool, &'v Value), S3Error> {
    match (members.get(plain), members.get(negated)) {
        (Some(value), None) => Ok((false, value)),
        (None, Some(value)) => Ok((true, value)),
        (None, None) => Err(malformed(format!("Missing required field {plain}"))),
        (Some(_), Some(_)) => Err(malformed(format!("Statement has both {plain} and {negated}"))),
    }
}

fn strings(value: &Value) -> Result<Vec<String>, S3Error> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let found: Option<Vec<String>> = match value {
        Value::Array(values) => values.iter().map(text).collect(),
        value => text(value).map(|text| vec![text]),
    };
    found
        .filter(|found| !found.is_empty())
        .ok_or_else(|| malformed("Actions and resources must be a string or a list of strings"))
}

/// Refuses an action that is about nothing the statement names: it would never say anything.
fn check_actions(actions: &[String], resources: &[String]) -> Result<(), S3Error> {
    let objects = resources.iter().any(|resource| resource == "*" || resource.contains('/'));
    let buckets = resources.iter().any(|resource| resource == "*" || !resource.contains('/'));
    let idle = |action: &&String| match about(action) {
        Some(About::Bucket) => !buckets,
        Some(About::Object) => !objects,
        _ => false,
    };
    match actions.iter().find(idle) {
        Some(_) => Err(malformed("Action does not apply to any resource(s) in statement")),
        None => Ok(()),
    }
}

/// A resource must lie in the bucket, or the statement would say nothing here.
fn check_resource(resource: &str, bucket: &str) -> Result<(), S3Error> {
    let inside = resource.strip_prefix(ARN).and_then(|rest| rest.strip_prefix(bucket));
    match inside {
        _ if resource == "*" => Ok(()),
        Some(rest) if rest.is_empty() || rest.starts_with('/') => Ok(()),
        _ => Err(malformed("Policy has invalid resource")),
    }
}

fn parse_principals(value: &Value) -> Result<Vec<Principal>, S3Error> {
    let members = match value {
        Value::String(text) if text == "*" => return Ok(vec![Principal::Everybody]),
        Value::Object(members) => members,
        _ => return Err(malformed("Invalid principal in policy")),
    };
    if let Some(kind) = members.keys().find(|kind| !["AWS", "CanonicalUser"].contains(&kind.as_str())) {
        let known = ["Federated", "Service"].contains(&kind.as_str());
        let code = if known { S3Code::NotImplemented } else { S3Code::MalformedPolicy };
        let message = format!("Principals of the kind {kind} are not supported: name access keys under AWS");
        return Err(S3Error::with_message(code, message));
    }
    let mut principals = Vec::new();
    for text in members.get("AWS").map(strings).transpose()?.unwrap_or_default() {
        principals.push(parse_principal(&text)?);
    }
    // The canonical id of an access key is its id.
    for id in members.get("CanonicalUser").map(strings).transpose()?.unwrap_or_default() {
        principals.push(parse_key(&id)?);
    }
    match principals.is_empty() {
        true => Err(malformed("Invalid principal in policy")),
        false => Ok(principals),
    }
}

/// `*`, an access key's id, or `arn:aws:iam::…:user/` in front of one.
fn parse_principal(text: &str) -> Result<Principal, S3Error> {
    if text == "*" {
        return Ok(Principal::Everybody);
    }
    let user = text.strip_prefix(USER_ARN).and_then(|rest| rest.split_once(":user/")).map(|(_, user)| user);
    parse_key(user.unwrap_or(text))
}

/// An access key's id.
fn parse_key(id: &str) -> Result<Principal, S3Error> {
    if id == OWNER_ID {
        let message = "The owner of the bucket cannot be a principal: name access keys";
        return Err(S3Error::with_message(S3Code::NotImplemented, message));
    }
    let plain = !id.is_empty()
        && id.chars().all(|character| character.is_ascii_alphanumeric() || "-_.".contains(character));
    if plain { Ok(Principal::Key(id.to_owned())) } else { Err(malformed("Invalid principal in policy")) }
}
