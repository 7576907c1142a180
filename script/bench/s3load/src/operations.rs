//! One function per kind of request: send it, judge the answer, note how long it took.

use crate::http::{BodyIn, BodyOut, Conn};
use crate::sig;
use crate::{Ctx, us};
use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

fn done(ctx: &Ctx, op: &'static str, t: Instant, ttfb: Option<Duration>, bytes: u64) {
    let mut s = ctx.stats.borrow_mut();
    let l = us(t.elapsed());
    s.ops += 1;
    s.bytes += bytes;
    s.lat.push(l);
    if let Some(x) = ttfb {
        s.ttfb.push(us(x));
    }
    if ctx.cfg.mode == "mixed" || ctx.cfg.check {
        s.by_op.entry(op).or_default().push(l);
    }
}

pub async fn op_put(ctx: &Ctx, conn: &mut Conn, i: u64, t: Instant, op: &'static str) -> bool {
    let path = format!("/{}/{}", ctx.cfg.bucket, ctx.key(i));
    let body = BodyOut::Gen { id: i, off: 0, size: ctx.cfg.size, mode: ctx.cfg.payload };
    match conn.request(&ctx.signer, &ctx.content, "PUT", &path, "", &[], body, BodyIn::Collect).await {
        Ok(r) if r.status == 200 => {
            done(ctx, op, t, None, ctx.cfg.size);
            true
        }
        Ok(r) => {
            ctx.stats.borrow_mut().err(format!("PUT {} {}", r.status, String::from_utf8_lossy(&r.body)));
            false
        }
        Err(e) => {
            ctx.stats.borrow_mut().err(format!("PUT {e}"));
            false
        }
    }
}

pub async fn op_get(ctx: &Ctx, conn: &mut Conn, i: u64, t: Instant, op: &'static str) {
    let path = format!("/{}/{}", ctx.cfg.bucket, ctx.key(i));
    let mut hdrs: Vec<(&str, String)> = vec![];
    let mut off = 0;
    let mut want = ctx.cfg.size;
    if let Some(r) = ctx.cfg.range {
        let r = r.min(ctx.cfg.size);
        off = if ctx.cfg.size > r { ctx.rnd() % (ctx.cfg.size - r) } else { 0 };
        want = r;
        hdrs.push(("range", format!("bytes={}-{}", off, off + r - 1)));
    }
    let sink = if ctx.cfg.check { BodyIn::Verify { id: i, off } } else { BodyIn::Discard };
    match conn.request(&ctx.signer, &ctx.content, "GET", &path, "", &hdrs, BodyOut::None, sink).await {
        Ok(r) if r.status == 200 || r.status == 206 => {
            if r.body_len != want || !r.verified {
                let mut s = ctx.stats.borrow_mut();
                s.mismatch += 1;
                s.err(format!(
                    "GET {} content mismatch: got {} bytes, want {}, verified {}",
                    path, r.body_len, want, r.verified
                ));
            } else {
                done(ctx, op, t, Some(r.ttfb), r.body_len);
            }
        }
        Ok(r) if r.status == 404 && ctx.cfg.mode == "mixed" => ctx.stats.borrow_mut().not_found += 1,
        Ok(r) => ctx.stats.borrow_mut().err(format!(
            "GET {} {} {}",
            path,
            r.status,
            String::from_utf8_lossy(&r.body)
        )),
        Err(e) => ctx.stats.borrow_mut().err(format!("GET {e}")),
    }
}

pub async fn op_simple(
    ctx: &Ctx,
    conn: &mut Conn,
    method: &'static str,
    i: u64,
    t: Instant,
    op: &'static str,
) {
    let path = format!("/{}/{}", ctx.cfg.bucket, ctx.key(i));
    match conn
        .request(&ctx.signer, &ctx.content, method, &path, "", &[], BodyOut::None, BodyIn::Collect)
        .await
    {
        Ok(r) if r.status == 200 || r.status == 204 => done(ctx, op, t, None, 0),
        Ok(r) if r.status == 404 && ctx.cfg.mode == "mixed" => ctx.stats.borrow_mut().not_found += 1,
        Ok(r) => ctx.stats.borrow_mut().err(format!(
            "{method} {path} {} {}",
            r.status,
            String::from_utf8_lossy(&r.body)
        )),
        Err(e) => ctx.stats.borrow_mut().err(format!("{method} {e}")),
    }
}

pub async fn op_multidelete(ctx: &Ctx, conn: &mut Conn, a: u64, b: u64, t: Instant) {
    let mut x = String::from("<Delete><Quiet>true</Quiet>");
    for i in a..b {
        x.push_str("<Object><Key>");
        x.push_str(&ctx.key(i));
        x.push_str("</Key></Object>");
    }
    x.push_str("</Delete>");
    let md5 = sig::md5_b64(x.as_bytes());
    let path = format!("/{}", ctx.cfg.bucket);
    match conn
        .request(
            &ctx.signer,
            &ctx.content,
            "POST",
            &path,
            "delete=",
            &[("content-md5", md5)],
            BodyOut::Raw(x.as_bytes()),
            BodyIn::Collect,
        )
        .await
    {
        Ok(r) if r.status == 200 && memchr::memmem::find(&r.body, b"<Error>").is_none() => {
            ctx.stats.borrow_mut().listed += b - a;
            done(ctx, "multidelete", t, None, 0)
        }
        Ok(r) => ctx.stats.borrow_mut().err(format!(
            "multidelete {} {}",
            r.status,
            String::from_utf8_lossy(&r.body)
        )),
        Err(e) => ctx.stats.borrow_mut().err(e),
    }
}

fn xml_field<'a>(b: &'a [u8], tag: &str) -> Option<&'a [u8]> {
    let open = format!("<{tag}>");
    let close = format!("</{tag}>");
    let s = memchr::memmem::find(b, open.as_bytes())? + open.len();
    let e = memchr::memmem::find(&b[s..], close.as_bytes())? + s;
    Some(&b[s..e])
}

fn unxml(b: &[u8]) -> String {
    String::from_utf8_lossy(b)
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&apos;", "'")
        .replace("&#x27;", "'")
        .replace("&amp;", "&")
}

pub async fn op_list(ctx: &Ctx, conn: &mut Conn, token: Option<String>, t: Instant) -> Option<String> {
    let mut q: Vec<(String, String)> = vec![("list-type".into(), "2".into())];
    q.push(("max-keys".into(), ctx.cfg.max_keys.to_string()));
    if !ctx.cfg.delimiter.is_empty() {
        q.push(("delimiter".into(), ctx.cfg.delimiter.clone()));
    }
    if let Some(p) = &ctx.cfg.list_prefix {
        q.push(("prefix".into(), p.clone()));
    }
    match (&token, &ctx.cfg.start_after) {
        (Some(tk), _) => q.push(("continuation-token".into(), tk.clone())),
        (None, Some(sa)) => q.push(("start-after".into(), sa.clone())),
        _ => (),
    }
    q.sort();
    let query = q
        .iter()
        .map(|(k, v)| format!("{}={}", sig::uri_encode(k, true), sig::uri_encode(v, true)))
        .collect::<Vec<_>>()
        .join("&");
    let path = format!("/{}", ctx.cfg.bucket);
    match conn
        .request(&ctx.signer, &ctx.content, "GET", &path, &query, &[], BodyOut::None, BodyIn::Collect)
        .await
    {
        Ok(r) if r.status == 200 => {
            let b = &r.body;
            let keys = memchr::memmem::find_iter(b, b"<Key>").count() as u64;
            let pfx = memchr::memmem::find_iter(b, b"<CommonPrefixes>").count() as u64;
            let trunc = xml_field(b, "IsTruncated") == Some(b"true");
            let tk = xml_field(b, "NextContinuationToken").map(unxml);
            {
                let mut s = ctx.stats.borrow_mut();
                s.listed += keys;
                s.prefixes += pfx;
                s.pages += 1;
            }
            done(ctx, "list", t, None, r.body_len);
            if trunc { tk } else { None }
        }
        Ok(r) => {
            ctx.stats.borrow_mut().err(format!("LIST {} {}", r.status, String::from_utf8_lossy(&r.body)));
            None
        }
        Err(e) => {
            ctx.stats.borrow_mut().err(format!("LIST {e}"));
            None
        }
    }
}

pub async fn op_multipart(ctx: &Ctx, conn: &mut Conn, extra: &mut [Conn], i: u64, t: Instant) {
    let r = multipart_inner(ctx, conn, extra, i).await;
    match r {
        Ok(()) => done(ctx, "multipart", t, None, ctx.cfg.size),
        Err(e) => ctx.stats.borrow_mut().err(e),
    }
}

async fn multipart_inner(ctx: &Ctx, conn: &mut Conn, extra: &mut [Conn], i: u64) -> Result<(), String> {
    let path = format!("/{}/{}", ctx.cfg.bucket, ctx.key(i));
    let r = conn
        .request(&ctx.signer, &ctx.content, "POST", &path, "uploads=", &[], BodyOut::None, BodyIn::Collect)
        .await?;
    if r.status != 200 {
        return Err(format!("CreateMultipart {} {}", r.status, String::from_utf8_lossy(&r.body)));
    }
    let upload = unxml(xml_field(&r.body, "UploadId").ok_or("no UploadId")?);
    let nparts = ctx.cfg.size.div_ceil(ctx.cfg.part_size);
    let next = Cell::new(0u64);
    let etags = RefCell::new(vec![String::new(); nparts as usize]);
    let upload = &upload;
    let path_ref = &path;
    let one = |c: &mut Conn| {
        let c: *mut Conn = c;
        let (next, etags) = (&next, &etags);
        async move {
            // safe: each future owns a distinct connection for its whole life
            let c = unsafe { &mut *c };
            loop {
                let p = next.get();
                if p >= nparts {
                    return Ok::<(), String>(());
                }
                next.set(p + 1);
                let off = p * ctx.cfg.part_size;
                let size = ctx.cfg.part_size.min(ctx.cfg.size - off);
                let q = format!("partNumber={}&uploadId={}", p + 1, sig::uri_encode(upload, true));
                let body = BodyOut::Gen { id: i, off, size, mode: ctx.cfg.payload };
                let tp = Instant::now();
                let r = c
                    .request(&ctx.signer, &ctx.content, "PUT", path_ref, &q, &[], body, BodyIn::Collect)
                    .await?;
                if r.status != 200 {
                    return Err(format!("UploadPart {} {}", r.status, String::from_utf8_lossy(&r.body)));
                }
                ctx.stats.borrow_mut().ttfb.push(us(tp.elapsed()));
                etags.borrow_mut()[p as usize] = r.etag;
            }
        }
    };
    let mut futs = vec![one(conn)];
    for c in extra.iter_mut() {
        futs.push(one(c));
    }
    for r in futures_util::future::join_all(futs).await {
        r?;
    }
    let mut x = String::from("<CompleteMultipartUpload>");
    for (p, e) in etags.borrow().iter().enumerate() {
        x.push_str(&format!("<Part><PartNumber>{}</PartNumber><ETag>{}</ETag></Part>", p + 1, e));
    }
    x.push_str("</CompleteMultipartUpload>");
    let q = format!("uploadId={}", sig::uri_encode(upload, true));
    let r = conn
        .request(
            &ctx.signer,
            &ctx.content,
            "POST",
            &path,
            &q,
            &[],
            BodyOut::Raw(x.as_bytes()),
            BodyIn::Collect,
        )
        .await?;
    if r.status != 200 || memchr::memmem::find(&r.body, b"<Error>").is_some() {
        return Err(format!("Complete {} {}", r.status, String::from_utf8_lossy(&r.body)));
    }
    Ok(())
}
