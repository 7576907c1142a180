//! What objects hold: bytes that differ for every object and page, so that no server can store two as one,
//! and that can be checked on the way back without keeping them.

/// xorshift64*
pub struct Rng(u64);
impl Rng {
    pub fn new(seed: u64) -> Self {
        Rng(seed.wrapping_mul(0x9E3779B97F4A7C15) | 1)
    }
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545F4914F6CDD1D)
    }
}

pub const BASE: usize = 1 << 20;
pub const PAGE: usize = 4096;
pub const STAMP: usize = 16;

/// Content of the object `id` = base buffer repeated, with every 4 KiB page stamped by (id, offset).
pub struct Content {
    pub base: Vec<u8>,
    pub same: bool,
}
impl Content {
    pub fn new(text: bool, same: bool) -> Self {
        let mut r = Rng::new(0xC0FFEE);
        let mut base = Vec::with_capacity(BASE);
        if text {
            let words: Vec<String> = (0..512).map(|_| format!("{:x} ", r.next() & 0xffffff)).collect();
            while base.len() < BASE {
                base.extend_from_slice(words[(r.next() >> 33) as usize % 512].as_bytes());
            }
            base.truncate(BASE);
        } else {
            while base.len() < BASE {
                base.extend_from_slice(&r.next().to_le_bytes());
            }
        }
        Content { base, same }
    }
    #[inline]
    pub fn stamp(&self, id: u64, off: u64) -> [u8; STAMP] {
        let id = if self.same { 0 } else { id.wrapping_add(1) };
        let mut s = [0u8; STAMP];
        s[..8].copy_from_slice(&id.wrapping_mul(0x9E3779B97F4A7C15).to_le_bytes());
        s[8..].copy_from_slice(&(off ^ id.rotate_left(40)).to_le_bytes());
        s
    }
    /// Fill `out` with the object's bytes from `off` (page aligned)
    pub fn fill(&self, id: u64, off: u64, out: &mut [u8]) {
        let mut done = 0;
        while done < out.len() {
            let bo = ((off as usize) + done) % BASE;
            let n = (BASE - bo).min(out.len() - done);
            out[done..done + n].copy_from_slice(&self.base[bo..bo + n]);
            done += n;
        }
        let mut p = 0;
        while p < out.len() {
            let st = self.stamp(id, off + p as u64);
            let n = STAMP.min(out.len() - p);
            out[p..p + n].copy_from_slice(&st[..n]);
            p += PAGE;
        }
    }
    /// Compare bytes at any offset
    pub fn verify(&self, id: u64, off: u64, data: &[u8]) -> bool {
        let mut pos = 0usize;
        while pos < data.len() {
            let abs = off + pos as u64;
            let in_page = (abs % PAGE as u64) as usize;
            let page = abs - in_page as u64;
            let n = (PAGE - in_page).min(data.len() - pos);
            let d = &data[pos..pos + n];
            let bo = (page % BASE as u64) as usize;
            let mut k = 0;
            if in_page < STAMP {
                let st = self.stamp(id, page);
                let m = (STAMP - in_page).min(n);
                if d[..m] != st[in_page..in_page + m] {
                    return false;
                }
                k = m;
            }
            if d[k..] != self.base[bo + in_page + k..bo + in_page + n] {
                return false;
            }
            pos += n;
        }
        true
    }
}
