//! The result of a run: one line of JSON. Times in milliseconds, sizes in MB as the names say.

use crate::Ctx;
use crate::proc::{self, P};
use std::cell::RefCell;
use std::collections::HashMap;

/// What was measured from outside before and after the run.
pub struct Surroundings {
    pub before: Vec<(u32, P)>,
    pub machine_before: f64,
    pub own_before: f64,
    /// Highest resident and anonymous memory of each process, in KiB.
    pub peak: RefCell<HashMap<u32, (u64, u64)>>,
}

fn pct(v: &mut [u32]) -> (f64, f64, f64, f64, f64, f64) {
    if v.is_empty() {
        return (0., 0., 0., 0., 0., 0.);
    }
    v.sort_unstable();
    let g = |p: f64| v[(((v.len() - 1) as f64) * p).round() as usize] as f64 / 1000.0;
    let mean = v.iter().map(|x| *x as u64).sum::<u64>() as f64 / v.len() as f64 / 1000.0;
    (mean, g(0.5), g(0.9), g(0.99), g(0.999), v[v.len() - 1] as f64 / 1000.0)
}

fn js(s: &str) -> String {
    let mut o = String::from("\"");
    for c in s.chars() {
        match c {
            '"' => o.push_str("\\\""),
            '\\' => o.push_str("\\\\"),
            c if (c as u32) < 32 => o.push(' '),
            c => o.push(c),
        }
    }
    o.push('"');
    o
}

/// Prints the line and returns the exit code: 3 for wrong bytes, 1 for errors.
pub fn print(ctx: &Ctx, around: &Surroundings, wall: f64) -> i32 {
    let (before, mach0, me0, peak) = (&around.before, around.machine_before, around.own_before, &around.peak);
    let after = proc::snap(&ctx.cfg.pids);
    let mach1 = proc::machine_busy();
    let me1 = proc::self_cpu();
    let cfg = &ctx.cfg;
    let mut s = ctx.stats.borrow_mut();
    let s = &mut *s;
    let (mean, p50, p90, p99, p999, max) = pct(&mut s.lat);
    let cli_cpu = me1 - me0;
    let mut srv_cpu = 0.0;
    let mut procs = vec![];
    for (pid, b) in before.iter() {
        if let Some((_, e)) = after.iter().find(|x| x.0 == *pid) {
            let cpu = e.cpu - b.cpu;
            srv_cpu += cpu;
            let pk = peak.borrow().get(pid).cloned().unwrap_or_default();
            procs.push(format!(
                "{{\"pid\":{},\"cpu_s\":{:.2},\"user_s\":{:.2},\"sys_s\":{:.2},\"rss_mb_before\":{:.1},\"rss_mb_after\":{:.1},\"rss_mb_peak\":{:.1},\"anon_mb_before\":{:.1},\"anon_mb_after\":{:.1},\"anon_mb_peak\":{:.1},\"write_mb\":{:.2},\"read_mb\":{:.2},\"wchar_mb\":{:.2},\"syscw\":{},\"syscr\":{},\"threads\":{},\"ctxsw\":{}}}",
                pid, cpu, e.user - b.user, cpu - (e.user - b.user),
                b.rss as f64 / 1024., e.rss as f64 / 1024., pk.0.max(e.rss) as f64 / 1024.,
                b.rss_anon as f64 / 1024., e.rss_anon as f64 / 1024., pk.1.max(e.rss_anon) as f64 / 1024.,
                (e.write_bytes - b.write_bytes) as f64 / 1048576., (e.read_bytes - b.read_bytes) as f64 / 1048576.,
                (e.wchar - b.wchar) as f64 / 1048576.,
                e.syscw - b.syscw, e.syscr - b.syscr, e.threads, e.ctxsw - b.ctxsw
            ));
        }
    }
    let other = ((mach1 - mach0) - cli_cpu - srv_cpu).max(0.0);
    let mut o = String::new();
    o.push_str(&format!(
        "{{\"label\":{},\"mode\":{},\"size\":{},\"conc\":{},\"payload\":\"{:?}\",\"quickack\":{},\"endpoints\":{},\"secs\":{:.3},\"ops\":{},\"ops_s\":{:.1},\"mb_s\":{:.2},\"mean_ms\":{:.3},\"p50_ms\":{:.3},\"p90_ms\":{:.3},\"p99_ms\":{:.3},\"p999_ms\":{:.3},\"max_ms\":{:.3},\"errors\":{},\"mismatch\":{},\"not_found\":{}",
        js(&cfg.label), js(&cfg.mode), cfg.size, cfg.conc, cfg.payload, cfg.quickack, cfg.endpoints.len(), wall, s.ops,
        s.ops as f64 / wall, s.bytes as f64 / 1e6 / wall, mean, p50, p90, p99, p999, max, s.errors, s.mismatch, s.not_found
    ));
    if !s.ttfb.is_empty() {
        let (m, a, b, c, _, d) = pct(&mut s.ttfb);
        let name = if cfg.mode == "multipart" { "part" } else { "ttfb" };
        o.push_str(&format!(
            ",\"{name}_ms\":{{\"mean\":{m:.3},\"p50\":{a:.3},\"p90\":{b:.3},\"p99\":{c:.3},\"max\":{d:.3}}}"
        ));
    }
    if s.pages > 0 {
        o.push_str(&format!(
            ",\"pages\":{},\"keys_listed\":{},\"prefixes_listed\":{},\"keys_s\":{:.0}",
            s.pages,
            s.listed,
            s.prefixes,
            (s.listed + s.prefixes) as f64 / wall
        ));
    }
    if cfg.mode == "multidelete" {
        o.push_str(&format!(",\"keys_deleted\":{},\"keys_s\":{:.0}", s.listed, s.listed as f64 / wall));
    }
    if !s.by_op.is_empty() {
        let mut parts = vec![];
        for (k, v) in s.by_op.iter_mut() {
            let n = v.len();
            let (m, a, b, c, _, d) = pct(v);
            parts.push(format!("\"{k}\":{{\"ops\":{n},\"ops_s\":{:.1},\"mean\":{m:.3},\"p50\":{a:.3},\"p90\":{b:.3},\"p99\":{c:.3},\"max\":{d:.3}}}", n as f64 / wall));
        }
        parts.sort();
        o.push_str(&format!(",\"by_op\":{{{}}}", parts.join(",")));
    }
    o.push_str(&format!(",\"client_cpu_s\":{cli_cpu:.2},\"other_cpu_s\":{other:.2}"));
    if !procs.is_empty() {
        o.push_str(&format!(
            ",\"server_cpu_s\":{:.2},\"server_cpu_ms_per_op\":{:.4},\"server_rss_mb_peak\":{:.1},\"procs\":[{}]",
            srv_cpu,
            srv_cpu * 1000.0 / (s.ops.max(1) as f64),
            before.iter().map(|(p, _)| peak.borrow().get(p).map(|x| x.0).unwrap_or(0)).sum::<u64>() as f64 / 1024.0,
            procs.join(",")
        ));
    }
    if !s.err_samples.is_empty() {
        o.push_str(&format!(
            ",\"err_samples\":[{}]",
            s.err_samples.iter().map(|x| js(x)).collect::<Vec<_>>().join(",")
        ));
    }
    o.push('}');
    println!("{o}");
    if s.mismatch > 0 {
        3
    } else if s.errors > 0 {
        1
    } else {
        0
    }
}
