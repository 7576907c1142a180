//! Texts of a policy with variables: `${aws:username}`, `${aws:userid}`, and `${*}`, `${?}`, `${$}` for these signs.
//!
//! Always holds: what is put in for a variable stands for itself, whatever signs are in it; a variable that stands for
//! nothing – nobody's name – makes a text that nothing fits.

use super::pattern::{Token, fits_tokens};
use crate::s3::error::{S3Code, S3Error};

/// `arn:aws:iam::ACCOUNT:user/NAME`.
const ARN_PARTS: usize = 6;
const ARN_ACCOUNT: usize = 4;

/// A text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Piece>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
    /// A character, which may be a wildcard.
    Written(char),
    /// A character that is none.
    Literal(char),
    /// The access key that asks.
    Caller,
}

impl Template {
    /// Reads a text. Only policies of the newer version have variables.
    pub fn parse(text: &str, has_variables: bool) -> Result<Self, S3Error> {
        let refused = |message: String| S3Error::with_message(S3Code::NotImplemented, message);
        let (mut pieces, mut rest) = (Vec::new(), text);
        while let Some((before, behind)) = rest.split_once("${") {
            if !has_variables {
                return Err(refused(format!("Policy variables need the Version 2012-10-17: {text}")));
            }
            pieces.extend(before.chars().map(Piece::Written));
            let (name, behind) = behind.split_once('}').ok_or_else(|| {
                S3Error::with_message(S3Code::MalformedPolicy, format!("A variable does not end: {text}"))
            })?;
            pieces.push(match name.to_ascii_lowercase().as_str() {
                "*" => Piece::Literal('*'),
                "?" => Piece::Literal('?'),
                "$" => Piece::Literal('$'),
                "aws:username" | "aws:userid" => Piece::Caller,
                _ => return Err(refused(format!("The policy variable {name} is not supported"))),
            });
            rest = behind;
        }
        pieces.extend(rest.chars().map(Piece::Written));
        Ok(Self(pieces))
    }

    /// Whether it says something else to each caller.
    pub fn names_caller(&self) -> bool {
        self.0.contains(&Piece::Caller)
    }

    /// The text to a caller, without wildcards.
    pub fn text(&self, access_key: Option<&str>) -> Option<String> {
        let mut text = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Written(character) | Piece::Literal(character) => text.push(*character),
                Piece::Caller => text.push_str(access_key?),
            }
        }
        Some(text)
    }

    /// Whether a text fits what it is to a caller, with wildcards.
    pub fn fits(&self, access_key: Option<&str>, text: &str) -> bool {
        self.tokens(access_key).is_some_and(|tokens| fits_tokens(&tokens, text))
    }

    /// Whether a name of AWS fits it, part by part between the colons. Accounts have no numbers here, so that any is
    /// meant.
    pub fn fits_arn(&self, access_key: Option<&str>, text: &str) -> bool {
        let Some(tokens) = self.tokens(access_key) else { return false };
        let wanted: Vec<&[Token]> = tokens.splitn(ARN_PARTS, |token| *token == Token::Is(':')).collect();
        let found: Vec<&str> = text.splitn(ARN_PARTS, ':').collect();
        let any_account = |at: usize, found: &str| at == ARN_ACCOUNT && found.is_empty();
        let mut pairs = wanted.iter().zip(&found).enumerate();
        wanted.len() == found.len()
            && pairs.all(|(at, (wanted, found))| any_account(at, found) || fits_tokens(wanted, found))
    }

    fn tokens(&self, access_key: Option<&str>) -> Option<Vec<Token>> {
        let mut tokens = Vec::new();
        for piece in &self.0 {
            match piece {
                Piece::Written(character) => tokens.push(Token::of(*character)),
                Piece::Literal(character) => tokens.push(Token::Is(*character)),
                Piece::Caller => tokens.extend(access_key?.chars().map(Token::Is)),
            }
        }
        Some(tokens)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_stand_for_themselves() {
        let cases = [
            ("home/${aws:username}/*", Some("GK1"), "home/GK1/a", true),
            ("home/${AWS:UserId}/*", Some("GK1"), "home/GK2/a", false),
            ("home/${aws:username}/*", Some("*"), "home/GK1/a", false),
            ("home/${aws:username}/*", None, "home//a", false),
            ("a${*}b", None, "a*b", true),
            ("a${*}b", None, "axb", false),
            ("a${?}b", None, "axb", false),
            ("${$}{a}*", None, "${a}b", true),
            ("$a{b}", None, "$a{b}", true),
        ];
        for (text, access_key, subject, wanted) in cases {
            let template = Template::parse(text, true).unwrap();
            assert_eq!(template.fits(access_key, subject), wanted, "{text} {access_key:?} {subject}");
        }
        let arn = |pattern: &str| {
            Template::parse(pattern, true).unwrap().fits_arn(Some("GK1"), "arn:aws:iam:::user/GK1")
        };
        assert!(arn("arn:aws:iam::123456789012:user/GK1") && arn("arn:aws:iam::*:user/*"));
        assert!(arn("arn:aws:iam::1:user/${aws:username}"));
        assert!(!arn("arn:aws:iam::1:user/GK2") && !arn("*") && !arn("arn:aws:s3:::user/GK1"));
        let code = |text: &str, has| Template::parse(text, has).map(|_| ()).map_err(|error| error.code);
        assert_eq!(code("${aws:username}", false), Err(S3Code::NotImplemented));
        assert_eq!(code("${aws:PrincipalTag/a}", true), Err(S3Code::NotImplemented));
        assert_eq!(code("${aws:username", true), Err(S3Code::MalformedPolicy));
    }
}
