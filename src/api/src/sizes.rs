//! Sizes as people read them: in decimal units, as they are written in the configuration and in commands.

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

#[cfg(test)]
mod tests {
    use super::size;

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
