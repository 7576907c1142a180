//! Which disk a block goes to: rendezvous hashing weighted by capacity.
//!
//! Each disk gets a score from its id and the hash; the order of the scores is the order in which
//! disks are tried. A new disk takes its share from all others and moves nothing between them.
//! Only this node uses the order, and reads try every disk, so it may change at any time.

use base::BlockHash;

/// The indexes of `disks` (id, weight) in the order in which to try them for `hash`.
pub(crate) fn order(disks: &[([u8; 16], u64)], hash: &BlockHash) -> Vec<usize> {
    if disks.len() == 1 {
        return vec![0];
    }
    let mut scored: Vec<(f64, usize)> =
        disks.iter().enumerate().map(|(index, (id, weight))| (score(id, *weight, hash), index)).collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    scored.into_iter().map(|(_, index)| index).collect()
}

/// Higher is better; the chance of being highest is proportional to the weight.
fn score(id: &[u8; 16], weight: u64, hash: &BlockHash) -> f64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(id);
    hasher.update(hash.as_bytes());
    let digest = hasher.finalize();
    let bits = u64::from_le_bytes(digest.as_bytes()[..8].try_into().expect("eight of 32 bytes"));
    // 53 bits fill a float exactly; the half keeps it strictly between 0 and 1.
    let uniform = ((bits >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
    weight as f64 / -uniform.ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_follow_the_weights_and_a_new_disk_only_takes() {
        let two = [([1; 16], 100), ([2; 16], 300)];
        let three = [([1; 16], 100), ([2; 16], 300), ([3; 16], 400)];
        let (mut second, mut third) = (0, 0);
        for number in 0..4000u32 {
            let hash = BlockHash::of(&number.to_le_bytes());
            let before = order(&two, &hash)[0];
            let after = order(&three, &hash)[0];
            second += u32::from(before == 1);
            third += u32::from(after == 2);
            assert!(after == before || after == 2, "a block moved between old disks");
        }
        assert!((2850..=3150).contains(&second), "three quarters: {second}");
        assert!((1850..=2150).contains(&third), "one half: {third}");
    }
}
