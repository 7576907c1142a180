//! How many arcs each storage node may own at most, so that the cluster holds as much as it can.
//!
//! A partition of `size` bytes fits `capacity / size` times on a node. The largest size for which all
//! copies find a place is found by bisection; whether they do has a closed form, since copies per node
//! and per zone are limits of a laminar family, whose integer points can be split into one set for each
//! arc (see [`super::share`], which does it). Nodes that are not needed to the full at this size
//! are then lowered in the same way, so that work is shared out even where capacity is not the limit.

use super::PARTITIONS;

/// A storage node to be given arcs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Site {
    /// The number of its zone.
    pub zone: usize,
    /// What it stores at most.
    pub capacity_bytes: u64,
}

/// How the copies of one arc must lie.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spread {
    /// Copies of each arc, on as many nodes.
    pub copies: u64,
    /// Copies in one zone at most. For up to three copies this says the same as a least number of zones.
    pub per_zone: u64,
}

const ARCS: u64 = PARTITIONS as u64;

/// The most arcs that each site may own. Any shares within them that add up can be arranged. All zero when
/// no arrangement is possible.
pub(super) fn limits(sites: &[Site], spread: Spread) -> Vec<u64> {
    let mut settled: Vec<Option<u64>> = vec![None; sites.len()];
    let mut size = 1;
    if !fits(sites, spread, &at_size(sites, &settled, size)) {
        return vec![0; sites.len()];
    }
    while settled.contains(&None) {
        let Some(largest) = largest_size(sites, spread, &settled, size) else { break };
        // One step further it does not fit: at least one site must keep what it has at this size.
        let mut trial = at_size(sites, &settled, largest);
        for site in 0..sites.len() {
            if settled[site].is_some() {
                continue;
            }
            let now = trial[site];
            trial[site] = arcs_at(sites[site], largest + 1);
            if !fits(sites, spread, &trial) {
                trial[site] = now;
                settled[site] = Some(now);
            }
        }
        size = largest + 1;
    }
    settled.into_iter().map(Option::unwrap_or_default).collect()
}

/// The largest size of a partition, from `size` on, with which all copies find a place; none if they
/// do without the sites that are not settled.
fn largest_size(sites: &[Site], spread: Spread, settled: &[Option<u64>], size: u64) -> Option<u64> {
    let largest_capacity = sites.iter().map(|site| site.capacity_bytes).max()?;
    let (mut good, mut bad) = (size, largest_capacity.saturating_add(1));
    if fits(sites, spread, &at_size(sites, settled, bad)) {
        return None;
    }
    while bad - good > 1 {
        let middle = good + (bad - good) / 2;
        if fits(sites, spread, &at_size(sites, settled, middle)) {
            good = middle;
        } else {
            bad = middle;
        }
    }
    Some(good)
}

fn arcs_at(site: Site, size: u64) -> u64 {
    (site.capacity_bytes / size.max(1)).min(ARCS)
}

fn at_size(sites: &[Site], settled: &[Option<u64>], size: u64) -> Vec<u64> {
    sites.iter().zip(settled).map(|(site, settled)| settled.unwrap_or(arcs_at(*site, size))).collect()
}

fn fits(sites: &[Site], spread: Spread, arcs: &[u64]) -> bool {
    let zones = sites.iter().map(|site| site.zone + 1).max().unwrap_or(0);
    let mut per_zone = vec![0; zones];
    for (site, arcs) in sites.iter().zip(arcs) {
        per_zone[site.zone] += arcs;
    }
    let places: u64 = per_zone.iter().map(|arcs| *arcs.min(&(spread.per_zone * ARCS))).sum();
    places >= spread.copies * ARCS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(sites: &[(usize, u64)], copies: u64, per_zone: u64, expected: &[u64]) {
        let sites: Vec<Site> = sites
            .iter()
            .map(|(zone, capacity_bytes)| Site { zone: *zone, capacity_bytes: *capacity_bytes })
            .collect();
        assert_eq!(limits(&sites, Spread { copies, per_zone }), expected, "{sites:?}");
    }

    #[test]
    fn capacities_are_shared_out_and_the_rest_evenly() {
        let tib = 1 << 40;
        check(&[(0, tib)], 1, 1, &[1024]);
        check(&[(0, tib), (1, tib / 100), (2, tib * 7)], 3, 1, &[1024, 1024, 1024]);
        check(&[(0, tib), (0, tib)], 1, 1, &[512, 512]);
        check(&[(0, tib), (0, 3 * tib)], 1, 1, &[256, 768]);
        check(&[(0, tib), (1, tib), (2, tib), (2, tib)], 3, 1, &[1024, 1024, 512, 512]);
        // The large node can hold no arc twice: what is left over is the size of the others.
        check(&[(0, 100 * tib), (1, tib), (2, tib)], 2, 1, &[1024, 512, 512]);
        // Two of three copies may lie in one zone.
        check(&[(0, tib), (0, tib), (0, tib), (1, tib)], 3, 2, &[682, 683, 683, 1024]);
        // Not enough zones.
        check(&[(0, tib), (0, tib)], 2, 1, &[0, 0]);
    }
}
