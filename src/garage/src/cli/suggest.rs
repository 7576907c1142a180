//! The names that come near one that does not exist.

/// Names offered: more would be a list, for which there are commands.
const OFFERED_MAX: usize = 3;
/// One typing error per this many characters still counts as near.
const CHARACTERS_PER_ERROR: usize = 3;

/// What of `candidates` somebody who typed `name` may have meant, best first.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let typed = name.to_lowercase();
    let errors_max = (typed.chars().count() / CHARACTERS_PER_ERROR).max(1);
    let mut near: Vec<(usize, &str)> = candidates
        .into_iter()
        .filter_map(|candidate| {
            let lower = candidate.to_lowercase();
            let errors = strsim::damerau_levenshtein(&typed, &lower);
            let begins = !typed.is_empty() && lower.starts_with(&typed);
            (errors <= errors_max || begins).then_some((errors, candidate))
        })
        .collect();
    near.sort_unstable();
    near.dedup_by(|left, right| left.1 == right.1);
    near.into_iter().take(OFFERED_MAX).map(|(_, name)| name.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn typing_errors_and_beginnings_are_near() {
        let names = ["backup", "backup-2", "photos", "web"];
        assert_eq!(nearest("bakcup", names), ["backup"]);
        assert_eq!(nearest("back", names), ["backup", "backup-2"]);
        assert_eq!(nearest("Photo", names), ["photos"]);
        assert_eq!(nearest("", names), Vec::<String>::new());
        assert_eq!(nearest("invoices", names), Vec::<String>::new());
    }
}
