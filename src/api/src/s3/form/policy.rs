//! The policy of an upload form: what the holder of the key allows whoever has the form.
//!
//! Always holds: every field of the form is named by a condition, and every condition holds; a policy that
//! says anything that is not understood is refused.

use super::Fields;
use crate::s3::error::{S3Code, S3Error};
use crate::s3::json;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use std::ops::RangeInclusive;

/// Fields that no condition needs to name: the policy itself, and its signature.
const FREE: [&str; 4] = ["policy", "x-amz-signature", "signature", "awsaccesskeyid"];
/// Fields with this prefix are the page's own.
const IGNORED_PREFIX: &str = "x-ignore-";

/// A policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostPolicy {
    expires_unix_s: i64,
    conditions: Vec<Condition>,
    /// How long the file may be.
    pub length: Option<RangeInclusive<u64>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Condition {
    /// In lower case.
    field: String,
    value: String,
    /// Whether more may follow the value.
    is_prefix: bool,
}

fn invalid(message: impl Into<String>) -> S3Error {
    S3Error::with_message(S3Code::InvalidPolicyDocument, format!("Invalid Policy: {}", message.into()))
}

fn denied(message: impl Into<String>) -> S3Error {
    S3Error::with_message(S3Code::AccessDenied, format!("Invalid according to Policy: {}", message.into()))
}

impl PostPolicy {
    /// Reads a policy in base64.
    pub fn parse(text: &str) -> Result<Self, S3Error> {
        let compact: String = text.split_ascii_whitespace().collect();
        let bytes = STANDARD.decode(compact).map_err(|_| invalid("it is not base64"))?;
        let document = json::parse(&bytes).map_err(|error| invalid(format!("Invalid JSON: {error}.")))?;
        let Value::Object(document) = document else { return Err(invalid("Invalid JSON.")) };
        if let Some(name) =
            document.keys().find(|name| !["expiration", "conditions"].contains(&name.as_str()))
        {
            return Err(invalid(format!("Unexpected: '{name}'.")));
        }
        let expiration = document.get("expiration").and_then(Value::as_str);
        let expiration = expiration.ok_or_else(|| invalid("Policy missing expiration."))?;
        let expires: jiff::Timestamp =
            expiration.parse().map_err(|_| invalid("Invalid 'expiration' value."))?;
        let listed = document.get("conditions").and_then(Value::as_array);
        let listed = listed.ok_or_else(|| invalid("Policy missing conditions."))?;
        let mut policy = Self { expires_unix_s: expires.as_second(), conditions: Vec::new(), length: None };
        for condition in listed {
            policy.take(condition)?;
        }
        Ok(policy)
    }

    fn take(&mut self, condition: &Value) -> Result<(), S3Error> {
        match condition {
            Value::Object(pairs) if !pairs.is_empty() => {
                for (field, value) in pairs {
                    let value = value
                        .as_str()
                        .ok_or_else(|| invalid("Invalid Simple-Condition: value must be a string."))?;
                    let (field, value) = (field.to_ascii_lowercase(), value.to_owned());
                    self.conditions.push(Condition { field, value, is_prefix: false });
                }
                Ok(())
            }
            Value::Array(parts) => match parts.as_slice() {
                [Value::String(operator), from, to]
                    if operator.eq_ignore_ascii_case("content-length-range") =>
                {
                    let range = number(from).zip(number(to)).filter(|(from, to)| from <= to);
                    let (from, to) = range.ok_or_else(|| invalid("Invalid content-length-range."))?;
                    let before = self.length.clone().unwrap_or(0..=u64::MAX);
                    self.length = Some(from.max(*before.start())..=to.min(*before.end()));
                    Ok(())
                }
                [Value::String(operator), Value::String(field), Value::String(value)] => {
                    let is_prefix = match operator.to_ascii_lowercase().as_str() {
                        "eq" => false,
                        "starts-with" => true,
                        _ => {
                            return Err(invalid(format!(
                                "Invalid Condition: unknown operation '{operator}'."
                            )));
                        }
                    };
                    let field = field
                        .strip_prefix('$')
                        .ok_or_else(|| invalid("Invalid Condition: a field begins with '$'."))?;
                    let (field, value) = (field.to_ascii_lowercase(), value.clone());
                    self.conditions.push(Condition { field, value, is_prefix });
                    Ok(())
                }
                _ => Err(invalid("Invalid Condition: it must have three parts.")),
            },
            _ => Err(invalid("Invalid Condition: it must be an object or an array.")),
        }
    }

    /// Refuses a form that the policy does not allow.
    pub fn check(&self, fields: &Fields, bucket: &str, now_unix_s: i64) -> Result<(), S3Error> {
        if now_unix_s > self.expires_unix_s {
            return Err(denied("Policy expired."));
        }
        for condition in &self.conditions {
            let value = match condition.field.as_str() {
                "bucket" => bucket,
                field => fields.get(field).unwrap_or_default(),
            };
            if !condition.holds(value) {
                let operator = if condition.is_prefix { "starts-with" } else { "eq" };
                let Condition { field, value, .. } = condition;
                return Err(denied(format!(
                    "Policy Condition failed: [\"{operator}\", \"${field}\", \"{value}\"]"
                )));
            }
        }
        let free = |name: &str| FREE.contains(&name) || name.starts_with(IGNORED_PREFIX);
        let named = |name: &str| self.conditions.iter().any(|condition| condition.field == name);
        match fields.names().find(|name| !free(name) && !named(name)) {
            Some(name) => Err(denied(format!("Extra input fields: {name}"))),
            None => Ok(()),
        }
    }
}

impl Condition {
    fn holds(&self, value: &str) -> bool {
        match (self.is_prefix, self.field.as_str()) {
            // A list of types: each must be allowed.
            (true, "content-type") => value.split(',').all(|one| one.trim_start().starts_with(&self.value)),
            (true, _) => value.starts_with(&self.value),
            (false, _) => value == self.value,
        }
    }
}

fn number(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.parse().ok().filter(|_| crate::decimal::is_decimal(text)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Result<PostPolicy, S3Code> {
        PostPolicy::parse(&STANDARD.encode(json)).map_err(|error| error.code)
    }

    fn with(conditions: &str) -> PostPolicy {
        parse(&format!("{{\"expiration\": \"2030-01-01T00:00:00Z\", \"conditions\": [{conditions}]}}"))
            .unwrap()
    }

    fn check(conditions: &str, fields: &[(&str, &str)]) -> Result<(), S3Code> {
        let fields = Fields(fields.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect());
        with(conditions).check(&fields, "photos", 0).map_err(|error| error.code)
    }

    #[test]
    fn policies_that_say_what_is_not_understood_are_refused() {
        let bad = [
            "",
            "[]",
            "{}",
            "{\"expiration\": \"2030-01-01T00:00:00Z\"}",
            "{\"conditions\": []}",
            "{\"expiration\": \"tomorrow\", \"conditions\": []}",
            "{\"expiration\": \"2030-01-01T00:00:00Z\", \"CONDITIONS\": []}",
            "{\"expiration\": \"2030-01-01T00:00:00Z\", \"conditions\": [], \"more\": 1}",
            "{\"expiration\": \"2030-01-01T00:00:00Z\", \"conditions\": [], \"conditions\": []}",
            "{\"expiration\": \"2030-01-01T00:00:00Z\", \"conditions\": [{\"key\": \"a\", \"key\": \"b\"}]}",
        ];
        for bad in bad {
            assert_eq!(parse(bad), Err(S3Code::InvalidPolicyDocument), "{bad}");
        }
        let bad = [
            "1",
            "[]",
            "{}",
            "{\"key\": 1}",
            "[\"eq\", \"$key\"]",
            "[\"eq\", \"key\", \"k\"]",
            "[\"like\", \"$key\", \"k\"]",
            "[\"content-length-range\", 1]",
            "[\"content-length-range\", -1, 5]",
            "[\"content-length-range\", 6, 5]",
            "[\"content-length-range\", 0, \"1e3\"]",
            "[\"content-length-range\", 0, 1.5]",
        ];
        for bad in bad {
            let document = format!("{{\"expiration\": \"2030-01-01T00:00:00Z\", \"conditions\": [{bad}]}}");
            assert_eq!(parse(&document), Err(S3Code::InvalidPolicyDocument), "{bad}");
        }
        assert_eq!(PostPolicy::parse("!").map_err(|error| error.code), Err(S3Code::InvalidPolicyDocument));
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(parse(&deep), Err(S3Code::InvalidPolicyDocument));
    }

    #[test]
    fn every_condition_must_hold_and_every_field_be_named() {
        let key = "[\"starts-with\", \"$key\", \"user/\"]";
        type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], bool);
        let cases: [Case<'_>; 12] = [
            ("{\"bucket\": \"photos\"}, [\"starts-with\", \"$key\", \"user/\"]", &[("key", "user/a")], true),
            ("{\"bucket\": \"other\"}, [\"starts-with\", \"$key\", \"user/\"]", &[("key", "user/a")], false),
            (key, &[("key", "users")], false),
            (key, &[("key", "user/a"), ("x-amz-meta-a", "1")], false),
            (key, &[("key", "user/a"), ("x-ignore-a", "1"), ("policy", "p"), ("x-amz-signature", "s")], true),
            ("{\"KEY\": \"a\"}", &[("key", "a")], true),
            ("{\"key\": \"a\"}", &[("key", "A")], false),
            ("{\"key\": \"a\", \"acl\": \"private\"}", &[("key", "a")], false),
            ("{\"key\": \"a\"}, [\"starts-with\", \"$x-amz-meta-t\", \"\"]", &[("key", "a")], true),
            (
                "[\"starts-with\", \"$Content-Type\", \"image/\"]",
                &[("content-type", "image/a, image/b")],
                true,
            ),
            (
                "[\"starts-with\", \"$Content-Type\", \"image/\"]",
                &[("content-type", "image/a,text/b")],
                false,
            ),
            ("", &[], true),
        ];
        for (conditions, fields, wanted) in cases {
            let outcome = check(conditions, fields);
            assert_eq!(
                outcome,
                if wanted { Ok(()) } else { Err(S3Code::AccessDenied) },
                "{conditions} {fields:?}"
            );
        }
        assert_eq!(
            with("[\"content-length-range\", 1, \"5\"], [\"content-length-range\", 2, 9]").length,
            Some(2..=5)
        );
        let late = with("").check(&Fields(Vec::new()), "photos", 1_893_456_001);
        assert_eq!(late.map_err(|error| error.code), Err(S3Code::AccessDenied));
    }
}
