//! Words for a POSIX shell, in lines that people paste.

/// A text as one word of a POSIX shell. Keys from elsewhere may hold any visible character.
pub fn quoted(text: &str) -> String {
    let plain = |character: char| character.is_ascii_alphanumeric() || "_-+/=.:@".contains(character);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_text_stays_one_word_of_the_shell() {
        assert_eq!(quoted("GK31c2f2"), "GK31c2f2");
        assert_eq!(quoted("a/b+c="), "a/b+c=");
        assert_eq!(quoted("$(reboot)"), "'$(reboot)'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
    }
}
