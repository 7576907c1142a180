//! Minimum-cost maximum flow, for sharing out arcs.
//!
//! The primal-dual method (Ford and Fulkerson; as in Ahuja, Magnanti and Orlin, "Network Flows", 9.8):
//! distances by cost with Bellman and Ford's queue, then as many augmentations as there are among the
//! shortest paths, until the sink cannot be reached. Costs here are 0 or 1, so there are few rounds.
//! Everything is visited in the order of insertion, so the same network gives the same flow.

use std::collections::VecDeque;

/// A network of numbered places. An edge and its reverse are neighbours in the list.
pub(super) struct Network {
    edges: Vec<Edge>,
    /// For each place the edges that leave it.
    leaving: Vec<Vec<usize>>,
}

struct Edge {
    to: usize,
    /// What may still pass.
    room: u64,
    cost: i64,
}

/// An edge, to ask for its flow.
#[derive(Debug, Clone, Copy)]
pub(super) struct EdgeId(usize);

impl Network {
    /// With this many places and no edge.
    pub fn new(places: usize) -> Self {
        Self { edges: Vec::new(), leaving: vec![Vec::new(); places] }
    }

    /// Adds an edge.
    pub fn connect(&mut self, (from, to): (usize, usize), room: u64, cost: i64) -> EdgeId {
        let id = self.edges.len();
        self.edges.push(Edge { to, room, cost });
        self.edges.push(Edge { to: from, room: 0, cost: -cost });
        self.leaving[from].push(id);
        self.leaving[to].push(id + 1);
        EdgeId(id)
    }

    /// What flows over an edge.
    pub fn flow(&self, edge: EdgeId) -> u64 {
        self.edges[edge.0 + 1].room
    }

    /// Sends as much as passes, as cheaply as it can be; says how much.
    pub fn send(&mut self, source: usize, sink: usize) -> u64 {
        let mut sent = 0;
        loop {
            let distances = self.distances(source);
            if distances[sink].is_none() {
                return sent;
            }
            while let Some(path) = self.shortest_path(&distances, source, sink) {
                let amount = path.iter().map(|edge| self.edges[*edge].room).min().unwrap_or(0);
                for edge in path {
                    self.edges[edge].room -= amount;
                    self.edges[edge ^ 1].room += amount;
                }
                sent += amount;
            }
        }
    }

    /// The least cost from the source to each place that can be reached.
    fn distances(&self, source: usize) -> Vec<Option<i64>> {
        let mut distances: Vec<Option<i64>> = vec![None; self.leaving.len()];
        let mut is_waiting = vec![false; self.leaving.len()];
        let mut waiting = VecDeque::from([source]);
        distances[source] = Some(0);
        while let Some(place) = waiting.pop_front() {
            is_waiting[place] = false;
            let Some(here) = distances[place] else { continue };
            for edge in self.leaving[place].iter().map(|edge| &self.edges[*edge]) {
                let there = here + edge.cost;
                if edge.room > 0 && distances[edge.to].is_none_or(|known| there < known) {
                    distances[edge.to] = Some(there);
                    if !std::mem::replace(&mut is_waiting[edge.to], true) {
                        waiting.push_back(edge.to);
                    }
                }
            }
        }
        distances
    }

    /// The edges of a path on which each step is one of least cost; depth first.
    fn shortest_path(&self, distances: &[Option<i64>], source: usize, sink: usize) -> Option<Vec<usize>> {
        let mut is_visited = vec![false; self.leaving.len()];
        let mut next_edge = vec![0; self.leaving.len()];
        let (mut path, mut place) = (Vec::new(), source);
        is_visited[source] = true;
        while place != sink {
            let is_step = |edge: &&usize| {
                let edge = &self.edges[**edge];
                let there = distances[place].map(|here| here + edge.cost);
                edge.room > 0 && !is_visited[edge.to] && distances[edge.to] == there
            };
            let rest = &self.leaving[place][next_edge[place]..];
            match rest.iter().position(|edge| is_step(&edge)) {
                Some(skipped) => {
                    let edge = rest[skipped];
                    next_edge[place] += skipped + 1;
                    path.push(edge);
                    place = self.edges[edge].to;
                    is_visited[place] = true;
                }
                None => {
                    next_edge[place] = self.leaving[place].len();
                    place = self.edges[path.pop()? ^ 1].to;
                }
            }
        }
        Some(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_flows_at_the_least_cost() {
        // Two ways: a cheap one for 3, a dear one for 4; and a step between that needs undoing.
        let mut network = Network::new(4);
        let cheap = network.connect((0, 1), 3, 0);
        let dear = network.connect((0, 2), 4, 1);
        network.connect((1, 2), 3, 0);
        network.connect((1, 3), 3, 0);
        network.connect((2, 3), 4, 0);
        assert_eq!(network.send(0, 3), 7);
        assert_eq!((network.flow(cheap), network.flow(dear)), (3, 4));
        let mut narrow = Network::new(4);
        let cheap = narrow.connect((0, 1), 5, 0);
        let dear = narrow.connect((0, 2), 5, 1);
        narrow.connect((1, 3), 9, 0);
        narrow.connect((2, 3), 9, 0);
        narrow.connect((2, 1), 9, 0);
        assert_eq!(narrow.send(0, 3), 10);
        assert_eq!((narrow.flow(cheap), narrow.flow(dear)), (5, 5));
        assert_eq!(Network::new(2).send(0, 1), 0);
    }
}
