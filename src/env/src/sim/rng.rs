//! Seeded randomness.
//!
//! xoshiro256** by David Blackman and Sebastiano Vigna (https://prng.di.unimi.it, dedicated to the
//! public domain), its state filled from the seed by SplitMix64 as they advise. Small, fast, and
//! the same on every machine. Not fit for keys, which only matters outside the simulated world.

use crate::Rng;
use std::sync::{Mutex, PoisonError};

/// A seeded generator.
#[derive(Debug, Clone)]
pub struct Generator(pub(super) [u64; 4]);

impl Generator {
    /// The generator of this seed.
    pub fn new(seed: u64) -> Self {
        let mut counter = seed;
        Self(std::array::from_fn(|_| {
            counter = counter.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (counter ^ (counter >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            mixed ^ (mixed >> 31)
        }))
    }

    /// The next number.
    pub fn next_u64(&mut self) -> u64 {
        let [a, b, c, d] = &mut self.0;
        let result = b.wrapping_mul(5).rotate_left(7).wrapping_mul(9);
        let shifted = *b << 17;
        *c ^= *a;
        *d ^= *b;
        *b ^= *c;
        *a ^= *d;
        *c ^= shifted;
        *d = d.rotate_left(45);
        result
    }

    /// A number below `bound`, which must not be 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next_u64()) * u128::from(bound)) >> 64) as u64
    }

    /// Heads or tails.
    pub fn coin(&mut self) -> bool {
        self.next_u64() >> 63 == 1
    }
}

/// The randomness door of a simulated node.
pub struct SimRng(Mutex<Generator>);

impl SimRng {
    /// The door over the generator of this seed.
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(Generator::new(seed)))
    }
}

impl Rng for SimRng {
    fn fill(&self, bytes: &mut [u8]) {
        let mut generator = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for chunk in bytes.chunks_mut(8) {
            let word = generator.next_u64().to_le_bytes();
            chunk.copy_from_slice(&word[..chunk.len()]);
        }
    }
}
