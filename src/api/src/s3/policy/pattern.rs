//! Patterns with `*` for any text and `?` for any character.

/// One piece of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token {
    /// Any text.
    Any,
    /// Any character.
    One,
    /// This character.
    Is(char),
}

impl Token {
    /// What a character of a pattern stands for.
    pub fn of(character: char) -> Self {
        match character {
            '*' => Self::Any,
            '?' => Self::One,
            other => Self::Is(other),
        }
    }

    fn takes(self, character: char) -> bool {
        match self {
            Self::Any => false,
            Self::One => true,
            Self::Is(expected) => expected == character,
        }
    }
}

/// Whether a text fits a pattern.
pub fn fits(pattern: &str, text: &str) -> bool {
    fits_tokens(&pattern.chars().map(Token::of).collect::<Vec<_>>(), text)
}

/// The same of a pattern in pieces. Takes time in proportion to the product of their lengths at worst.
pub fn fits_tokens(pattern: &[Token], text: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    let (mut at, mut seen) = (0, 0);
    // Where the last star stands, and how much text it has taken.
    let mut star: Option<(usize, usize)> = None;
    while seen < text.len() {
        match pattern.get(at) {
            Some(Token::Any) => {
                star = Some((at, seen));
                at += 1;
            }
            Some(token) if token.takes(text[seen]) => {
                at += 1;
                seen += 1;
            }
            _ => {
                let Some((star_at, taken)) = star else { return false };
                star = Some((star_at, taken + 1));
                at = star_at + 1;
                seen = taken + 1;
            }
        }
    }
    pattern[at..].iter().all(|rest| *rest == Token::Any)
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn stars_and_question_marks() {
        let cases = [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("a*", "abc", true),
            ("a*c", "abcbc", true),
            ("a*c", "abcb", false),
            ("a?c", "aäc", true),
            ("a?", "a", false),
            ("*a*b*", "xxaxxbxx", true),
            ("*a*b*", "xxbxxaxx", false),
            ("a/*/c", "a/b/b/c", true),
            ("**", "x", true),
        ];
        for (pattern, text, wanted) in cases {
            assert_eq!(fits(pattern, text), wanted, "{pattern} {text}");
        }
        assert!(!fits(&"*a".repeat(200), &"a".repeat(199)), "and it does not take for ever");
    }
}
