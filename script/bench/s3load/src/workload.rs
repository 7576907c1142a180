//! What one connection does until the run is over: draw a ticket, pick a key, send the operation of the mode.

use crate::Ctx;
use crate::http::{BodyIn, BodyOut, Conn};
use crate::operations::{op_get, op_list, op_multidelete, op_multipart, op_put, op_simple};
use crate::options::die;
use std::rc::Rc;
use std::time::{Duration, Instant};

pub async fn worker(ctx: Rc<Ctx>, w: usize) {
    let ne = ctx.cfg.endpoints.len();
    let mut conn = Conn::new(&ctx.cfg.endpoints[w % ne]);
    let mut conn2 = Conn::new(&ctx.cfg.endpoints[(w + 1) % ne]);
    conn.quickack = ctx.cfg.quickack;
    conn2.quickack = ctx.cfg.quickack;
    let _ = conn.ensure().await;
    if ctx.cfg.check {
        let _ = conn2.ensure().await;
    }
    let mut extra_conns: Vec<Conn> =
        (1..ctx.cfg.part_conc).map(|i| Conn::new(&ctx.cfg.endpoints[(w + i) % ne])).collect();
    for c in extra_conns.iter_mut() {
        c.quickack = ctx.cfg.quickack;
    }
    let mut list_token: Option<String> = None;
    loop {
        let n = match ctx.ticket() {
            Some(n) => n,
            None => return,
        };
        if ctx.cfg.rate > 0.0 {
            let due = ctx.t0.get() + Duration::from_secs_f64(n as f64 / ctx.cfg.rate);
            tokio::time::sleep_until(due.into()).await;
        }
        let t = Instant::now();
        let mode = ctx.cfg.mode.as_str();
        match mode {
            "put" => {
                let i = ctx.next.get();
                ctx.next.set(i + 1);
                let ok = op_put(&ctx, &mut conn, i, t, "put").await;
                if ok && ctx.cfg.check {
                    let t = Instant::now();
                    op_get(&ctx, &mut conn2, i, t, "raw_get").await;
                }
            }
            "get" | "head" => {
                let i = if ctx.cfg.rand_order {
                    ctx.cfg.start + ctx.rnd() % ctx.cfg.keys.max(1)
                } else {
                    ctx.cfg.start + n % ctx.cfg.keys.max(1)
                };
                if mode == "get" {
                    op_get(&ctx, &mut conn, i, t, "get").await;
                } else {
                    op_simple(&ctx, &mut conn, "HEAD", i, t, "head").await;
                }
            }
            "delete" => {
                if n >= ctx.cfg.keys {
                    return;
                }
                op_simple(&ctx, &mut conn, "DELETE", ctx.cfg.start + n, t, "delete").await;
            }
            "multidelete" => {
                let first = n * ctx.cfg.batch;
                if first >= ctx.cfg.keys {
                    return;
                }
                let last = (first + ctx.cfg.batch).min(ctx.cfg.keys);
                op_multidelete(&ctx, &mut conn, ctx.cfg.start + first, ctx.cfg.start + last, t).await;
            }
            "list" => {
                list_token = op_list(&ctx, &mut conn, list_token, t).await;
            }
            "multipart" => {
                let i = ctx.next.get();
                ctx.next.set(i + 1);
                op_multipart(&ctx, &mut conn, &mut extra_conns, i, t).await;
            }
            "mixed" => {
                let total: u32 = ctx.cfg.mix.iter().map(|x| x.1).sum();
                let mut r = (ctx.rnd() % total as u64) as u32;
                let mut op = "get";
                for (name, wgt) in ctx.cfg.mix.iter() {
                    if r < *wgt {
                        op = match name.as_str() {
                            "put" => "put",
                            "head" => "head",
                            "delete" => "delete",
                            _ => "get",
                        };
                        break;
                    }
                    r -= *wgt;
                }
                let pick = |remove: bool| {
                    let mut a = ctx.alive.borrow_mut();
                    if a.is_empty() {
                        return None;
                    }
                    let j = (ctx.rnd() % a.len() as u64) as usize;
                    Some(if remove { a.swap_remove(j) } else { a[j] })
                };
                match op {
                    "put" => {
                        let i = ctx.next.get();
                        ctx.next.set(i + 1);
                        if op_put(&ctx, &mut conn, i, t, "put").await {
                            ctx.alive.borrow_mut().push(i);
                        }
                    }
                    "delete" => {
                        if let Some(i) = pick(true) {
                            op_simple(&ctx, &mut conn, "DELETE", i, t, "delete").await;
                        }
                    }
                    "head" => {
                        if let Some(i) = pick(false) {
                            op_simple(&ctx, &mut conn, "HEAD", i, t, "head").await;
                        }
                    }
                    _ => {
                        if let Some(i) = pick(false) {
                            op_get(&ctx, &mut conn, i, t, "get").await;
                        }
                    }
                }
            }
            "createbucket" => {
                let path = format!("/{}", ctx.cfg.bucket);
                let r = conn
                    .request(&ctx.signer, &ctx.content, "PUT", &path, "", &[], BodyOut::None, BodyIn::Collect)
                    .await;
                match r {
                    Ok(x) if x.status < 300 || x.status == 409 => ctx.stats.borrow_mut().ops += 1,
                    Ok(x) => ctx.stats.borrow_mut().err(format!(
                        "{} {}",
                        x.status,
                        String::from_utf8_lossy(&x.body)
                    )),
                    Err(e) => ctx.stats.borrow_mut().err(e),
                }
                return;
            }
            m => die(&format!("unknown mode {m}")),
        }
    }
}
