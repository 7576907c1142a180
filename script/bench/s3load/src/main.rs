//! s3load: a small S3 load generator that leaves the processor to the server under test.
//!
//! One thread, raw HTTP/1.1 connections that are kept, signatures by hand, one JSON line per run. It stands
//! in a workspace of its own, outside the product's lock file.

mod content;
mod http;
mod operations;
mod options;
mod proc;
mod report;
mod sig;
mod workload;

use content::{Content, Rng};
use options::Options;
use report::Surroundings;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

#[derive(Default)]
pub struct Stats {
    pub lat: Vec<u32>,
    pub ttfb: Vec<u32>,
    pub by_op: HashMap<&'static str, Vec<u32>>,
    pub bytes: u64,
    pub ops: u64,
    pub errors: u64,
    pub not_found: u64,
    pub mismatch: u64,
    pub err_samples: Vec<String>,
    pub listed: u64,
    pub prefixes: u64,
    pub pages: u64,
}
impl Stats {
    pub fn err(&mut self, e: String) {
        self.errors += 1;
        if self.err_samples.len() < 3 {
            self.err_samples.push(e.chars().take(300).collect());
        }
    }
}

pub struct Ctx {
    pub cfg: Options,
    pub signer: sig::Signer,
    pub content: Content,
    pub stats: RefCell<Stats>,
    pub next: Cell<u64>,
    pub t0: Cell<Instant>,
    pub issued: Cell<u64>,
    pub alive: RefCell<Vec<u64>>,
    pub rng: RefCell<Rng>,
}

impl Ctx {
    pub fn key(&self, i: u64) -> String {
        if self.cfg.dirs > 0 {
            format!("{}d{:05}/{:09}", self.cfg.prefix, i % self.cfg.dirs, i)
        } else {
            format!("{}{:09}", self.cfg.prefix, i)
        }
    }
    /// Returns None when the run is over
    pub fn ticket(&self) -> Option<u64> {
        if let Some(d) = self.cfg.duration {
            if self.t0.get().elapsed().as_secs_f64() >= d {
                return None;
            }
        }
        let n = self.issued.get();
        if let Some(c) = self.cfg.count {
            if n >= c {
                return None;
            }
        }
        self.issued.set(n + 1);
        Some(n)
    }
    pub fn rnd(&self) -> u64 {
        self.rng.borrow_mut().next() >> 11
    }
}

fn us(d: Duration) -> u32 {
    d.as_micros().min(u32::MAX as u128) as u32
}

fn main() {
    let (cfg, ak, sk, region, text) = options::parse();
    let rt = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let local = tokio::task::LocalSet::new();
    let ctx = Rc::new(Ctx {
        signer: sig::Signer::new(&ak, &sk, &region),
        content: Content::new(text, cfg.same),
        stats: Default::default(),
        next: Cell::new(if cfg.mode == "mixed" { cfg.start + cfg.keys } else { cfg.start }),
        t0: Cell::new(Instant::now()),
        issued: Cell::new(0),
        alive: RefCell::new((cfg.start..cfg.start + cfg.keys).collect()),
        rng: RefCell::new(Rng::new(std::process::id() as u64 + 77)),
        cfg,
    });
    let ctx2 = ctx.clone();
    let around = Rc::new(Surroundings {
        before: proc::snap(&ctx.cfg.pids),
        machine_before: proc::machine_busy(),
        own_before: proc::self_cpu(),
        peak: RefCell::default(),
    });
    let sampled = around.clone();
    let wall = local.block_on(&rt, async move {
        let ctx = ctx2;
        let t0 = Instant::now();
        ctx.t0.set(t0);
        let sampler = {
            let pids = ctx.cfg.pids.clone();
            tokio::task::spawn_local(async move {
                loop {
                    for (pid, s) in proc::snap(&pids) {
                        let mut m = sampled.peak.borrow_mut();
                        let e = m.entry(pid).or_default();
                        e.0 = e.0.max(s.rss);
                        e.1 = e.1.max(s.rss_anon);
                    }
                    tokio::time::sleep(Duration::from_millis(250)).await;
                }
            })
        };
        let hs: Vec<_> =
            (0..ctx.cfg.conc).map(|w| tokio::task::spawn_local(workload::worker(ctx.clone(), w))).collect();
        for h in hs {
            let _ = h.await;
        }
        let wall = t0.elapsed().as_secs_f64();
        sampler.abort();
        wall
    });
    let code = report::print(&ctx, &around, wall);
    std::process::exit(code);
}
