//! AWS Signature Version 4 by hand, with the day's key kept, and the encodings it needs.

use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use std::cell::RefCell;
use std::time::{SystemTime, UNIX_EPOCH};

type H = Hmac<Sha256>;

pub struct Signer {
    access: String,
    secret: String,
    region: String,
    c: RefCell<Cache>,
}

#[derive(Clone)]
struct Cache {
    sec: u64,
    amz_date: String,
    scope: String,
    key: Option<H>,
    day: u64,
}

const HEX: &[u8; 16] = b"0123456789abcdef";
pub fn hex(b: &[u8]) -> String {
    let mut s = Vec::with_capacity(b.len() * 2);
    for x in b {
        s.push(HEX[(x >> 4) as usize]);
        s.push(HEX[(x & 15) as usize]);
    }
    unsafe { String::from_utf8_unchecked(s) }
}

fn mac(key: &[u8], data: &[u8]) -> Vec<u8> {
    let mut m = H::new_from_slice(key).unwrap();
    m.update(data);
    m.finalize().into_bytes().to_vec()
}

/// days since epoch -> (y, m, d)
fn civil(z: i64) -> (i64, u32, u32) {
    let z = z + 719468;
    let era = z.div_euclid(146097);
    let doe = z.rem_euclid(146097);
    let yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let d = (doy - (153 * mp + 2) / 5 + 1) as u32;
    let m = if mp < 10 { mp + 3 } else { mp - 9 } as u32;
    (yoe + era * 400 + if m <= 2 { 1 } else { 0 }, m, d)
}

pub fn uri_encode(s: &str, slash: bool) -> String {
    let mut o = String::with_capacity(s.len() + 8);
    for &b in s.as_bytes() {
        match b {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => o.push(b as char),
            b'/' if !slash => o.push('/'),
            _ => o.push_str(&format!("%{b:02X}")),
        }
    }
    o
}

pub struct Signed {
    pub amz_date: String,
    pub auth: String,
    pub signature: String,
    pub scope: String,
}

impl Signer {
    pub fn new(a: &str, s: &str, r: &str) -> Self {
        Signer {
            access: a.into(),
            secret: s.into(),
            region: r.into(),
            c: RefCell::new(Cache {
                sec: 0,
                amz_date: String::new(),
                scope: String::new(),
                key: None,
                day: u64::MAX,
            }),
        }
    }
    fn refresh(&self) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let mut c = self.c.borrow_mut();
        if c.sec == now {
            return;
        }
        c.sec = now;
        let day = now / 86400;
        let (y, m, d) = civil(day as i64);
        let t = now % 86400;
        let date = format!("{y:04}{m:02}{d:02}");
        c.amz_date = format!("{date}T{:02}{:02}{:02}Z", t / 3600, t / 60 % 60, t % 60);
        if c.day != day {
            c.day = day;
            c.scope = format!("{date}/{}/s3/aws4_request", self.region);
            let k = mac(format!("AWS4{}", self.secret).as_bytes(), date.as_bytes());
            let k = mac(&k, self.region.as_bytes());
            let k = mac(&k, b"s3");
            let k = mac(&k, b"aws4_request");
            c.key = Some(H::new_from_slice(&k).unwrap());
        }
    }
    fn finish(&self, sts: &[u8]) -> String {
        let mut m = self.c.borrow().key.as_ref().unwrap().clone();
        m.update(sts);
        hex(&m.finalize().into_bytes())
    }
    /// `path` must already be URI encoded, `query` canonical; extra signed headers sorted by name.
    pub fn sign(
        &self,
        method: &str,
        host: &str,
        path: &str,
        query: &str,
        extra: &[(&str, &str)],
        sha: &str,
    ) -> Signed {
        self.refresh();
        let (amz_date, scope) = {
            let c = self.c.borrow();
            (c.amz_date.clone(), c.scope.clone())
        };
        let mut hs: Vec<(&str, &str)> =
            vec![("host", host), ("x-amz-content-sha256", sha), ("x-amz-date", &amz_date)];
        hs.extend_from_slice(extra);
        hs.sort();
        let mut cr = String::with_capacity(512);
        cr.push_str(method);
        cr.push('\n');
        cr.push_str(path);
        cr.push('\n');
        cr.push_str(query);
        cr.push('\n');
        for (k, v) in &hs {
            cr.push_str(k);
            cr.push(':');
            cr.push_str(v);
            cr.push('\n');
        }
        cr.push('\n');
        let mut names = String::new();
        for (i, (k, _)) in hs.iter().enumerate() {
            if i > 0 {
                names.push(';');
            }
            names.push_str(k);
        }
        cr.push_str(&names);
        cr.push('\n');
        cr.push_str(sha);
        let crh = hex(&Sha256::digest(cr.as_bytes()));
        let sts = format!("AWS4-HMAC-SHA256\n{amz_date}\n{scope}\n{crh}");
        let signature = self.finish(sts.as_bytes());
        Signed {
            auth: format!(
                "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}",
                self.access
            ),
            amz_date,
            signature,
            scope,
        }
    }
    pub fn chunk_sig(&self, s: &Signed, prev: &str, chunk: &[u8]) -> String {
        let sts = format!(
            "AWS4-HMAC-SHA256-PAYLOAD\n{}\n{}\n{prev}\n{}\n{}",
            s.amz_date,
            s.scope,
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            hex(&Sha256::digest(chunk))
        );
        self.finish(sts.as_bytes())
    }
}

pub fn sha_hex(b: &[u8]) -> String {
    hex(&Sha256::digest(b))
}

pub fn md5_b64(b: &[u8]) -> String {
    let d = <md5::Md5 as md5::Digest>::digest(b);
    const A: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut o = String::new();
    for c in d.chunks(3) {
        let n = (c[0] as u32) << 16 | (*c.get(1).unwrap_or(&0) as u32) << 8 | *c.get(2).unwrap_or(&0) as u32;
        for i in 0..4 {
            if i <= c.len() {
                o.push(A[(n >> (18 - 6 * i)) as usize & 63] as char);
            } else {
                o.push('=');
            }
        }
    }
    o
}
