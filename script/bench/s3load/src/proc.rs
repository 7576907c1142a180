//! What /proc says of a process: processor time, memory, bytes read and written.

use std::fs;

#[derive(Clone, Default)]
pub struct P {
    pub cpu: f64,
    pub user: f64,
    pub rss: u64,
    pub rss_anon: u64,
    pub write_bytes: u64,
    pub read_bytes: u64,
    pub wchar: u64,
    pub syscw: u64,
    pub syscr: u64,
    pub threads: u64,
    pub ctxsw: u64,
}

fn field(s: &str, name: &str) -> u64 {
    s.lines()
        .find_map(|l| l.strip_prefix(name))
        .and_then(|x| x.trim_start_matches(':').split_whitespace().next())
        .and_then(|x| x.parse().ok())
        .unwrap_or(0)
}

pub fn snap(pids: &[u32]) -> Vec<(u32, P)> {
    let mut out = vec![];
    for &pid in pids {
        let Ok(st) = fs::read_to_string(format!("/proc/{pid}/stat")) else { continue };
        let rest = &st[st.rfind(')').unwrap_or(0) + 1..];
        let f: Vec<&str> = rest.split_whitespace().collect();
        // after ')': state=0 ... utime=11 stime=12 num_threads=17
        let ut: f64 = f[11].parse().unwrap_or(0.0);
        let kt: f64 = f[12].parse().unwrap_or(0.0);
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let io = fs::read_to_string(format!("/proc/{pid}/io")).unwrap_or_default();
        out.push((
            pid,
            P {
                cpu: (ut + kt) / 100.0,
                user: ut / 100.0,
                rss: field(&status, "VmRSS"),
                rss_anon: field(&status, "RssAnon"),
                write_bytes: field(&io, "write_bytes"),
                read_bytes: field(&io, "read_bytes"),
                wchar: field(&io, "wchar"),
                syscw: field(&io, "syscw"),
                syscr: field(&io, "syscr"),
                threads: f[17].parse().unwrap_or(0),
                // status only counts the main thread; good enough as a hint
                ctxsw: field(&status, "voluntary_ctxt_switches"),
            },
        ));
    }
    out
}

/// seconds of non-idle CPU of the whole machine
pub fn machine_busy() -> f64 {
    let s = fs::read_to_string("/proc/stat").unwrap_or_default();
    let l = s.lines().next().unwrap_or("");
    let v: Vec<f64> = l.split_whitespace().skip(1).filter_map(|x| x.parse().ok()).collect();
    if v.len() < 8 {
        return 0.0;
    }
    // user nice system idle iowait irq softirq steal
    (v[0] + v[1] + v[2] + v[5] + v[6] + v[7]) / 100.0
}

pub fn self_cpu() -> f64 {
    snap(&[std::process::id()]).first().map(|x| x.1.cpu).unwrap_or(0.0)
}
