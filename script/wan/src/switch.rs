//! The switch: every packet waits its time and goes on, or is lost.

use crate::options::Options;
use crate::tunnel::Tunnel;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a turn waits when nothing happens.
const IDLE: Duration = Duration::from_millis(200);
/// Packets taken from one home before the next has its turn.
const PACKETS_PER_TURN: usize = 64;

/// A packet on its way: when it arrives, its number, where.
type OnItsWay = Reverse<(Instant, u64, usize, Vec<u8>)>;

pub struct Switch {
    options: Options,
    tunnels: Vec<Tunnel>,
    cut: Arc<Mutex<Vec<bool>>>,
    waiting: BinaryHeap<OnItsWay>,
    packets: u64,
    /// When the uplink of each home has sent what it was given.
    free_at: Vec<Instant>,
    random: u64,
}

impl Switch {
    pub fn new(options: Options, tunnels: Vec<Tunnel>, cut: Arc<Mutex<Vec<bool>>>) -> Self {
        let free_at = vec![Instant::now(); tunnels.len()];
        let random = 0x9e37_79b9_7f4a_7c15;
        Self { options, tunnels, cut, waiting: BinaryHeap::new(), packets: 0, free_at, random }
    }

    /// Delivers what is due, waits for the next event, takes in what was sent.
    pub fn turn(&mut self) {
        self.deliver();
        let senders = self.wait();
        let mut buffer = vec![0; 65536];
        for home in senders {
            for _ in 0..PACKETS_PER_TURN {
                let Some(packet) = self.tunnels[home].receive(&mut buffer) else { break };
                let packet = packet.to_vec();
                self.take(home, packet);
            }
        }
    }

    fn deliver(&mut self) {
        let now = Instant::now();
        while self.waiting.peek().is_some_and(|Reverse((due, ..))| *due <= now) {
            if let Some(Reverse((_, _, home, packet))) = self.waiting.pop() {
                self.tunnels[home].send(&packet);
            }
        }
    }

    /// Waits for packets or for the next one that is due; which homes have sent something.
    fn wait(&self) -> Vec<usize> {
        let next = self.waiting.peek().map(|Reverse((due, ..))| due.saturating_duration_since(Instant::now()));
        let wait = next.unwrap_or(IDLE);
        let limit = libc::timespec {
            tv_sec: wait.as_secs() as libc::time_t,
            tv_nsec: wait.subsec_nanos() as libc::c_long,
        };
        let poll = |tunnel: &Tunnel| libc::pollfd { fd: tunnel.descriptor(), events: libc::POLLIN, revents: 0 };
        let mut polled: Vec<libc::pollfd> = self.tunnels.iter().map(poll).collect();
        // SAFETY: as many descriptors as are given, and a time that lives through the call.
        unsafe { libc::ppoll(polled.as_mut_ptr(), polled.len() as libc::nfds_t, &limit, std::ptr::null()) };
        let sent = polled.iter().enumerate().filter(|(_, polled)| polled.revents & libc::POLLIN != 0);
        sent.map(|(home, _)| home).collect()
    }

    fn take(&mut self, from: usize, packet: Vec<u8>) {
        let Some(to) = destination(&packet).filter(|to| *to < self.tunnels.len() && *to != from) else { return };
        let cut = self.cut.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if cut[from] || cut[to] || self.draw(1_000_000) < self.options.loss_ppm {
            return;
        }
        let mut sent_at = Instant::now();
        if let Some(rate) = self.options.bits_per_s {
            sent_at = sent_at.max(self.free_at[from]) + Duration::from_secs_f64(packet.len() as f64 * 8.0 / rate);
            self.free_at[from] = sent_at;
        }
        let jitter_us = self.options.jitter.as_micros() as u64;
        let jitter = Duration::from_micros(if jitter_us > 0 { self.draw(jitter_us) } else { 0 });
        let delay = (self.options.round_trip / 2 + jitter).saturating_sub(self.options.jitter / 2);
        self.packets += 1;
        self.waiting.push(Reverse((sent_at + delay, self.packets, to, packet)));
    }

    /// A number below `end` (xorshift).
    fn draw(&mut self, end: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % end
    }
}

/// The home that an IPv4 packet is for.
fn destination(packet: &[u8]) -> Option<usize> {
    let is_ipv4 = packet.len() >= 20 && packet[0] >> 4 == 4;
    is_ipv4.then(|| usize::from(packet[19])).and_then(|last| last.checked_sub(1))
}
