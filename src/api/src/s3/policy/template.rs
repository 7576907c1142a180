//! Texts of a policy with variables: `${KEY}` for what a request has under a key that conditions may ask for,
//! `${KEY, 'default'}` for the same or else the default, and `${*}`, `${?}`, `${$}` for these signs.
//!
//! Always holds: what is put in for a variable stands for itself, whatever signs are in it; a variable that stands for
//! nothing makes a text that nothing fits.

#[cfg(test)]
mod tests;

use super::Asked;
use super::keys::Key;
use super::pattern::{Token, fits_tokens};
use crate::s3::error::{S3Code, S3Error};
use crate::s3::head::{HEADERS_MAX_BYTES, QUERY_MAX_BYTES};

/// `arn:aws:iam::ACCOUNT:user/NAME`.
const ARN_PARTS: usize = 6;
const ARN_ACCOUNT: usize = 4;
/// No text of a request is longer, so that none fits one into which more is put.
const VALUES_MAX_BYTES: usize = HEADERS_MAX_BYTES + QUERY_MAX_BYTES;

/// A text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    /// Text in which there may be wildcards.
    Written(String),
    /// A sign that is none.
    Sign(char),
    Variable(Box<Variable>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Variable {
    key: Key,
    default: Option<String>,
}

fn malformed(message: String) -> S3Error {
    S3Error::with_message(S3Code::MalformedPolicy, message)
}

fn refused(message: String) -> S3Error {
    S3Error::with_message(S3Code::NotImplemented, message)
}

impl Template {
    /// Reads a text. Only policies of the newer version have variables.
    pub fn parse(text: &str, has_variables: bool) -> Result<Self, S3Error> {
        let (mut pieces, mut rest) = (Vec::new(), text);
        while let Some((before, inside)) = rest.split_once("${") {
            if !has_variables {
                return Err(refused(format!("Policy variables need the Version 2012-10-17: {text}")));
            }
            pieces.extend(written(before));
            let (piece, behind) = parse_variable(inside)?;
            pieces.push(piece);
            rest = behind;
        }
        pieces.extend(written(rest));
        Ok(Self(pieces))
    }

    /// The keys that its variables are called after.
    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        self.variables().map(|variable| &variable.key)
    }

    /// Whether it says something else to each request.
    pub fn has_variables(&self) -> bool {
        self.variables().next().is_some()
    }

    /// Whether all its variables stand for something.
    pub fn has_value(&self, asked: &Asked<'_>) -> bool {
        self.variables().all(|variable| variable.value(asked).is_some())
    }

    fn variables(&self) -> impl Iterator<Item = &Variable> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Variable(variable) => Some(variable.as_ref()),
            Piece::Written(_) | Piece::Sign(_) => None,
        })
    }

    /// The text to a request, without wildcards.
    pub fn text(&self, asked: &Asked<'_>) -> Option<String> {
        let (mut text, mut values_bytes) = (String::new(), 0);
        for piece in &self.0 {
            match piece {
                Piece::Written(written) => text.push_str(written),
                Piece::Sign(sign) => text.push(*sign),
                Piece::Variable(variable) => text.push_str(&variable.put_in(asked, &mut values_bytes)?),
            }
        }
        Some(text)
    }

    /// Whether a text fits what it is to a request, with wildcards.
    pub fn fits(&self, asked: &Asked<'_>, text: &str) -> bool {
        self.tokens(asked).is_some_and(|tokens| fits_tokens(&tokens, text))
    }

    /// Whether a name of AWS fits it, part by part between the colons. Accounts have no numbers here, so that any is
    /// meant.
    pub fn fits_arn(&self, asked: &Asked<'_>, text: &str) -> bool {
        let Some(tokens) = self.tokens(asked) else { return false };
        let wanted: Vec<&[Token]> = tokens.splitn(ARN_PARTS, |token| *token == Token::Is(':')).collect();
        let found: Vec<&str> = text.splitn(ARN_PARTS, ':').collect();
        let any_account = |at: usize, found: &str| at == ARN_ACCOUNT && found.is_empty();
        let mut pairs = wanted.iter().zip(&found).enumerate();
        wanted.len() == found.len()
            && pairs.all(|(at, (wanted, found))| any_account(at, found) || fits_tokens(wanted, found))
    }

    fn tokens(&self, asked: &Asked<'_>) -> Option<Vec<Token>> {
        let (mut tokens, mut values_bytes) = (Vec::new(), 0);
        for piece in &self.0 {
            match piece {
                Piece::Written(text) => tokens.extend(text.chars().map(Token::of)),
                Piece::Sign(sign) => tokens.push(Token::Is(*sign)),
                Piece::Variable(variable) => {
                    tokens.extend(variable.put_in(asked, &mut values_bytes)?.chars().map(Token::Is));
                }
            }
        }
        Some(tokens)
    }
}

impl Variable {
    /// What it stands for.
    fn value(&self, asked: &Asked<'_>) -> Option<String> {
        self.key.variable(asked).or_else(|| self.default.clone())
    }

    /// The same while it leaves room in the text, which has this much of values already.
    fn put_in(&self, asked: &Asked<'_>, values_bytes: &mut usize) -> Option<String> {
        let value = self.value(asked)?;
        *values_bytes += value.len();
        (*values_bytes <= VALUES_MAX_BYTES).then_some(value)
    }
}

fn written(text: &str) -> Option<Piece> {
    (!text.is_empty()).then(|| Piece::Written(text.to_owned()))
}

/// A variable, from behind its `${`; what stands behind it.
fn parse_variable(inside: &str) -> Result<(Piece, &str), S3Error> {
    let unended = || malformed(format!("A variable does not end: ${{{inside}"));
    let (name, behind) = inside.split_at(inside.find(['}', ',']).ok_or_else(unended)?);
    let (default, behind) = match behind.strip_prefix(',') {
        Some(quoted) => parse_default(quoted).map(|(default, behind)| (Some(default), behind))?,
        None => (None, behind.strip_prefix('}').ok_or_else(unended)?),
    };
    match (name, &default) {
        ("*", None) => return Ok((Piece::Sign('*'), behind)),
        ("?", None) => return Ok((Piece::Sign('?'), behind)),
        ("$", None) => return Ok((Piece::Sign('$'), behind)),
        _ => {}
    }
    if name.is_empty() || name.contains([' ', '$', '{', '\'']) {
        return Err(malformed(format!("Invalid policy variable: {name}")));
    }
    let variable = Variable { key: Key::of_variable(name)?, default };
    Ok((Piece::Variable(Box::new(variable)), behind))
}

/// A default, from behind its comma; what stands behind the variable.
fn parse_default(quoted: &str) -> Result<(String, &str), S3Error> {
    let quoted = quoted.trim_start_matches(' ');
    let Some((default, behind)) = quoted.strip_prefix('\'').and_then(|text| text.split_once("'}")) else {
        return Err(malformed(format!("A variable's default must stand between single quotes: {quoted}")));
    };
    if default.contains('\'') {
        return Err(malformed(format!("A variable's default must not have quotes in it: {default}")));
    }
    // AWS does not say what these mean. Either way it would be too much to allow, or too little to deny.
    if default.is_empty() || default.contains(['*', '?']) || default.contains("${") {
        let message =
            "Defaults of variables that are empty, or have wildcards or variables in them, are not supported";
        return Err(refused(format!("{message}: '{default}'")));
    }
    Ok((default.to_owned(), behind))
}
