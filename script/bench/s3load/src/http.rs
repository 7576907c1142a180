//! One kept HTTP/1.1 connection: writes a signed request, streams its body, reads the answer without copying it twice.

use crate::content::Content;
use crate::options::Payload;
use crate::sig::{self, Signer};
use sha2::Digest;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const CHUNK: usize = 256 << 10;
const RBUF: usize = 256 << 10;

pub struct Conn {
    pub quickack: bool,
    host: String,
    stream: Option<TcpStream>,
    buf: Vec<u8>,
    len: usize,
    pos: usize,
    out: Vec<u8>,
}

pub enum BodyOut<'a> {
    None,
    Raw(&'a [u8]),
    /// generated content of object `id`; `off` must be a multiple of 4096
    Gen {
        id: u64,
        off: u64,
        size: u64,
        mode: Payload,
    },
}

pub enum BodyIn {
    Discard,
    Collect,
    Verify { id: u64, off: u64 },
}

pub struct Resp {
    pub status: u16,
    pub body: Vec<u8>,
    pub body_len: u64,
    pub verified: bool,
    pub ttfb: Duration,
    pub etag: String,
}

impl Conn {
    pub fn new(host: &str) -> Self {
        Conn {
            quickack: false,
            host: host.into(),
            stream: None,
            buf: Vec::new(),
            len: 0,
            pos: 0,
            out: Vec::new(),
        }
    }
    /// TCP_QUICKACK is not sticky, so it is set again around every exchange
    fn qa(&self) {
        if self.quickack {
            use std::os::fd::AsRawFd;
            if let Some(s) = &self.stream {
                let one: libc::c_int = 1;
                unsafe {
                    libc::setsockopt(
                        s.as_raw_fd(),
                        libc::IPPROTO_TCP,
                        libc::TCP_QUICKACK,
                        &one as *const _ as *const _,
                        4,
                    );
                }
            }
        }
    }
    pub async fn ensure(&mut self) -> Result<(), String> {
        if self.stream.is_none() {
            let s = TcpStream::connect(&self.host).await.map_err(|e| format!("connect {e}"))?;
            s.set_nodelay(true).ok();
            self.stream = Some(s);
            self.len = 0;
            self.pos = 0;
            if self.buf.is_empty() {
                self.buf = vec![0; 16 << 10];
            }
        }
        Ok(())
    }

    #[allow(clippy::too_many_arguments)]
    pub async fn request(
        &mut self,
        signer: &Signer,
        content: &Content,
        method: &str,
        path: &str,
        query: &str,
        extra: &[(&str, String)],
        body: BodyOut<'_>,
        sink: BodyIn,
    ) -> Result<Resp, String> {
        self.ensure().await?;
        let r = self.request_inner(signer, content, method, path, query, extra, body, sink).await;
        if r.is_err() {
            self.stream = None;
        }
        r
    }

    #[allow(clippy::too_many_arguments)]
    async fn request_inner(
        &mut self,
        signer: &Signer,
        content: &Content,
        method: &str,
        path: &str,
        query: &str,
        extra: &[(&str, String)],
        body: BodyOut<'_>,
        sink: BodyIn,
    ) -> Result<Resp, String> {
        let t0 = Instant::now();
        let mut ext: Vec<(&str, &str)> = extra.iter().map(|(k, v)| (*k, v.as_str())).collect();
        let (sha, clen): (std::borrow::Cow<str>, Option<u64>) = match &body {
            BodyOut::None if method == "GET" || method == "HEAD" || method == "DELETE" => {
                ("UNSIGNED-PAYLOAD".into(), None)
            }
            BodyOut::None => ("UNSIGNED-PAYLOAD".into(), Some(0)),
            BodyOut::Raw(b) => (sig::sha_hex(b).into(), Some(b.len() as u64)),
            BodyOut::Gen { id, off, size, mode } => match mode {
                Payload::Unsigned => ("UNSIGNED-PAYLOAD".into(), Some(*size)),
                Payload::Signed => {
                    let mut h = sha2::Sha256::new();
                    let mut tmp = vec![0u8; CHUNK.min(*size as usize)];
                    let mut p = 0u64;
                    while p < *size {
                        let n = (CHUNK as u64).min(*size - p) as usize;
                        content.fill(*id, off + p, &mut tmp[..n]);
                        h.update(&tmp[..n]);
                        p += n as u64;
                    }
                    (sig::hex(&h.finalize()).into(), Some(*size))
                }
                Payload::Stream => {
                    // every chunk: hex(len);chunk-signature=<64>\r\n data \r\n
                    let full = *size / CHUNK as u64;
                    let rest = *size % CHUNK as u64;
                    let hl = |n: u64| format!("{n:x}").len() as u64 + 17 + 64 + 2;
                    let mut l = full * (hl(CHUNK as u64) + CHUNK as u64 + 2);
                    if rest > 0 {
                        l += hl(rest) + rest + 2;
                    }
                    l += hl(0) + 2;
                    ("STREAMING-AWS4-HMAC-SHA256-PAYLOAD".into(), Some(l))
                }
            },
        };
        let dec_len;
        if let BodyOut::Gen { size, mode: Payload::Stream, .. } = &body {
            dec_len = size.to_string();
            ext.push(("x-amz-decoded-content-length", &dec_len));
        }
        let epath = sig::uri_encode(path, false);
        let s = signer.sign(method, &self.host, &epath, query, &ext, &sha);
        let mut out = std::mem::take(&mut self.out);
        out.clear();
        out.extend_from_slice(method.as_bytes());
        out.push(b' ');
        out.extend_from_slice(epath.as_bytes());
        if !query.is_empty() {
            out.push(b'?');
            out.extend_from_slice(query.as_bytes());
        }
        out.extend_from_slice(b" HTTP/1.1\r\nhost: ");
        out.extend_from_slice(self.host.as_bytes());
        out.extend_from_slice(b"\r\nx-amz-date: ");
        out.extend_from_slice(s.amz_date.as_bytes());
        out.extend_from_slice(b"\r\nx-amz-content-sha256: ");
        out.extend_from_slice(sha.as_bytes());
        for (k, v) in &ext {
            out.extend_from_slice(b"\r\n");
            out.extend_from_slice(k.as_bytes());
            out.extend_from_slice(b": ");
            out.extend_from_slice(v.as_bytes());
        }
        if let Some(l) = clen {
            out.extend_from_slice(format!("\r\ncontent-length: {l}").as_bytes());
        }
        out.extend_from_slice(b"\r\nauthorization: ");
        out.extend_from_slice(s.auth.as_bytes());
        out.extend_from_slice(b"\r\n\r\n");

        let st = self.stream.as_mut().unwrap();
        let mut wr_err = None;
        match body {
            BodyOut::None => {
                if let Err(e) = st.write_all(&out).await {
                    wr_err = Some(e);
                }
            }
            BodyOut::Raw(b) => {
                out.extend_from_slice(b);
                if let Err(e) = st.write_all(&out).await {
                    wr_err = Some(e);
                }
            }
            BodyOut::Gen { id, off, size, mode } => {
                let mut p = 0u64;
                let mut prev = s.signature.clone();
                loop {
                    let n = (CHUNK as u64).min(size - p) as usize;
                    let last = p + n as u64 >= size;
                    if mode == Payload::Stream {
                        let mut tmp = vec![0u8; n];
                        content.fill(id, off + p, &mut tmp);
                        let cs = signer.chunk_sig(&s, &prev, &tmp);
                        out.extend_from_slice(format!("{n:x};chunk-signature={cs}\r\n").as_bytes());
                        out.extend_from_slice(&tmp);
                        out.extend_from_slice(b"\r\n");
                        prev = cs;
                        if last {
                            let cs = signer.chunk_sig(&s, &prev, b"");
                            out.extend_from_slice(format!("0;chunk-signature={cs}\r\n\r\n").as_bytes());
                        }
                    } else {
                        let o = out.len();
                        out.resize(o + n, 0);
                        content.fill(id, off + p, &mut out[o..]);
                    }
                    if let Err(e) = st.write_all(&out).await {
                        wr_err = Some(e);
                        break;
                    }
                    out.clear();
                    p += n as u64;
                    if last {
                        break;
                    }
                }
            }
        }
        if out.capacity() > 2 * CHUNK {
            out = Vec::new();
        }
        self.out = out;
        // ---- response ----
        self.qa();
        let (status, hlen, cl, chunked, close, etag) = loop {
            if self.len > self.pos {
                let mut hs = [httparse::EMPTY_HEADER; 48];
                let mut r = httparse::Response::new(&mut hs);
                match r.parse(&self.buf[self.pos..self.len]) {
                    Ok(httparse::Status::Complete(n)) => {
                        let status = r.code.unwrap_or(0);
                        if status == 100 {
                            self.pos += n;
                            continue;
                        }
                        let (mut cl, mut chunked, mut close) = (None, false, false);
                        let mut etag = String::new();
                        for h in r.headers.iter() {
                            if h.name.eq_ignore_ascii_case("content-length") {
                                cl = std::str::from_utf8(h.value)
                                    .ok()
                                    .and_then(|x| x.trim().parse::<u64>().ok());
                            } else if h.name.eq_ignore_ascii_case("transfer-encoding") {
                                chunked = true;
                            } else if h.name.eq_ignore_ascii_case("connection") {
                                close = h.value.eq_ignore_ascii_case(b"close");
                            } else if h.name.eq_ignore_ascii_case("etag") {
                                etag = String::from_utf8_lossy(h.value).into_owned();
                            }
                        }
                        break (status, n, cl, chunked, close, etag);
                    }
                    Ok(httparse::Status::Partial) => (),
                    Err(e) => return Err(format!("bad response: {e}")),
                }
            }
            match self.fill().await {
                Ok(true) => (),
                Ok(false) => {
                    return Err(format!(
                        "connection closed{}",
                        wr_err.map(|e| format!(" after write error {e}")).unwrap_or_default()
                    ));
                }
                Err(e) => return Err(format!("read: {e}")),
            }
        };
        let ttfb = t0.elapsed();
        self.pos += hlen;
        self.qa();
        let mut resp = Resp { status, body: vec![], body_len: 0, verified: true, ttfb, etag };
        let no_body = method == "HEAD" || status == 204 || status == 304;
        let sink = if status >= 300 { BodyIn::Collect } else { sink };
        if !no_body {
            if chunked {
                loop {
                    // chunk size line
                    let (n, used) = loop {
                        match httparse::parse_chunk_size(&self.buf[self.pos..self.len]) {
                            Ok(httparse::Status::Complete((u, n))) => break (n, u),
                            Ok(httparse::Status::Partial) => (),
                            Err(_) => return Err("bad chunk".into()),
                        }
                        if !self.fill().await.map_err(|e| e.to_string())? {
                            return Err("closed in chunk header".into());
                        }
                    };
                    self.pos += used;
                    if n > 0 {
                        self.body(n, content, &sink, &mut resp).await?;
                    }
                    // CRLF
                    while self.len - self.pos < 2 {
                        if !self.fill().await.map_err(|e| e.to_string())? {
                            return Err("closed in chunk end".into());
                        }
                    }
                    self.pos += 2;
                    if n == 0 {
                        break;
                    }
                }
            } else if let Some(n) = cl {
                self.body(n, content, &sink, &mut resp).await?;
            } else if status >= 200 {
                // read until close
                loop {
                    let have = self.len - self.pos;
                    if have > 0 {
                        self.body(have as u64, content, &sink, &mut resp).await?;
                    }
                    if !self.fill().await.map_err(|e| e.to_string())? {
                        break;
                    }
                }
                self.stream = None;
            }
        }
        if close || wr_err.is_some() {
            self.stream = None;
        }
        Ok(resp)
    }

    async fn body(
        &mut self,
        mut n: u64,
        content: &Content,
        sink: &BodyIn,
        resp: &mut Resp,
    ) -> Result<(), String> {
        while n > 0 {
            if self.len == self.pos {
                if n > self.buf.len() as u64 && self.buf.len() < RBUF {
                    self.buf.resize(RBUF, 0);
                }
                if !self.fill().await.map_err(|e| e.to_string())? {
                    return Err("closed in body".into());
                }
            }
            let k = ((self.len - self.pos) as u64).min(n) as usize;
            let d = &self.buf[self.pos..self.pos + k];
            match sink {
                BodyIn::Discard => (),
                BodyIn::Collect => resp.body.extend_from_slice(d),
                BodyIn::Verify { id, off } => {
                    if resp.verified && !content.verify(*id, off + resp.body_len, d) {
                        resp.verified = false;
                    }
                }
            }
            resp.body_len += k as u64;
            self.pos += k;
            n -= k as u64;
        }
        Ok(())
    }

    /// read more bytes; false at EOF
    async fn fill(&mut self) -> std::io::Result<bool> {
        if self.pos == self.len {
            self.pos = 0;
            self.len = 0;
        } else if self.len == self.buf.len() {
            if self.pos > 0 {
                self.buf.copy_within(self.pos..self.len, 0);
                self.len -= self.pos;
                self.pos = 0;
            } else {
                let l = self.buf.len() * 2;
                self.buf.resize(l, 0);
            }
        }
        let n = self.stream.as_mut().unwrap().read(&mut self.buf[self.len..]).await?;
        self.len += n;
        Ok(n > 0)
    }
}
