//! Sizes and times to wait as people read them: sizes in decimal units, as they are written in the configuration and in commands.

/// `0 B`, `1.5 KB`, `20.0 GB`.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KB", "MB", "GB", "TB", "PB", "EB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut tenths = bytes.saturating_mul(10) / 1000;
    if bytes > u64::MAX / 10 {
        tenths = bytes / 100;
    }
    let mut unit = 0;
    // Rounded down, so that 999.99 KB does not become 1000.0 KB.
    while tenths >= 10_000 && unit + 1 < UNITS.len() {
        tenths /= 1000;
        unit += 1;
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

/// `40 seconds`, `90 minutes`, `3 hours`: how long something will take, in the largest unit of which it takes two.
pub fn about_time(secs: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(86_400, "days"), (3_600, "hours"), (60, "minutes")];
    if secs <= 1 {
        return "a second".to_owned();
    }
    let found = UNITS.into_iter().find(|(unit, _)| secs >= 2 * unit);
    let (unit, word) = found.unwrap_or((1, "seconds"));
    format!("{} {word}", (secs + unit / 2) / unit)
}

#[cfg(test)]
mod tests {
    use super::{about_time, size};

    #[test]
    fn a_time_to_wait_is_rounded_and_never_by_half() {
        for (secs, shown) in [
            (0, "a second"),
            (1, "a second"),
            (119, "119 seconds"),
            (120, "2 minutes"),
            (7_199, "120 minutes"),
            (9_100, "3 hours"),
            (172_800, "2 days"),
        ] {
            assert_eq!(about_time(secs), shown);
        }
    }

    #[test]
    fn sizes_are_decimal_and_never_round_up() {
        for (bytes, shown) in [
            (0, "0 B"),
            (999, "999 B"),
            (1_000, "1.0 KB"),
            (1_550, "1.5 KB"),
            (999_999, "999.9 KB"),
            (1_000_000_000, "1.0 GB"),
            (u64::MAX, "18.4 EB"),
        ] {
            assert_eq!(size(bytes), shown);
        }
    }
}
