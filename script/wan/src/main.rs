//! Homes on one machine: network namespaces `home1` to `homeN` with the addresses 10.77.0.1 to 10.77.0.N, and a
//! switch in user space between them that delays and drops packets. For kernels without `sch_netem`. As root:
//!
//! ```text
//! wan --nodes 3 --rtt 50 [--jitter MS] [--loss PERCENT] [--mbit RATE]
//! ```
//!
//! Prints `ready`, runs until it gets SIGINT or SIGTERM, and takes the namespaces with it. A line `cut N` on
//! standard input drops everything that home N sends and receives, `join N` ends that.

mod options;
mod switch;
mod tunnel;

use options::Options;
use std::io::BufRead;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use switch::Switch;
use tunnel::Tunnel;

static STOP: AtomicBool = AtomicBool::new(false);

extern "C" fn stop(_: libc::c_int) {
    STOP.store(true, Ordering::SeqCst);
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = Options::parse(std::env::args().skip(1))?;
    // SAFETY: the handler does nothing but store to an atomic.
    unsafe {
        libc::signal(libc::SIGINT, stop as *const () as usize);
        libc::signal(libc::SIGTERM, stop as *const () as usize);
    }
    let tunnels = (1..=options.nodes).map(Tunnel::open).collect::<Result<Vec<_>, _>>()?;
    println!("ready");
    let cut = Arc::new(Mutex::new(vec![false; options.nodes]));
    listen(Arc::clone(&cut));
    let mut switch = Switch::new(options, tunnels, cut);
    while !STOP.load(Ordering::SeqCst) {
        switch.turn();
    }
    Ok(())
}

/// Takes in the lines of standard input.
fn listen(cut: Arc<Mutex<Vec<bool>>>) {
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            let Some((word, number)) = line.split_once(' ') else { continue };
            let place = number.trim().parse::<usize>().ok().and_then(|number| number.checked_sub(1));
            let mut cut = cut.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            if let Some(is_cut) = place.and_then(|place| cut.get_mut(place)) {
                *is_cut = word == "cut";
                println!("{line}");
            }
        }
    });
}
