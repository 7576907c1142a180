//! The randomness door.

/// A source of random bytes.
pub trait Rng: Send + Sync + 'static {
    /// Fills `bytes`. Fit for keys and ids in the real world; seeded in the simulated one.
    fn fill(&self, bytes: &mut [u8]);
}

/// `N` random bytes.
pub fn random_array<const N: usize>(rng: &dyn Rng) -> [u8; N] {
    let mut bytes = [0; N];
    rng.fill(&mut bytes);
    bytes
}

/// A random number.
pub fn random_u64(rng: &dyn Rng) -> u64 {
    u64::from_le_bytes(random_array(rng))
}

/// A number below `bound`, which must not be 0. The bias is below `bound` / 2^64.
pub fn random_below(rng: &dyn Rng, bound: u64) -> u64 {
    ((u128::from(random_u64(rng)) * u128::from(bound)) >> 64) as u64
}
