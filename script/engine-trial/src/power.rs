//! Power cuts on a real file system: an ext4 image is shut down under a writing process, so that
//! everything not flushed is gone, then mounted again and checked. Needs root.

use crate::shape::{body_key, bytes, mix, object_key, open_store, put};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use store::{Read, Space};

const BODY_BYTES: usize = 4096;
const WRITERS: u64 = 8;

/// The writing process: prints each acknowledged PUT.
pub fn write_and_tell(engine: &str, folder: &Path) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let Ok(store) = open_store(engine, folder) else { std::process::exit(1) };
        let tasks: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let store = store.clone();
                tokio::spawn(async move {
                    let mut number = writer;
                    while put(&store, number, BODY_BYTES).await.is_ok() {
                        println!("ack {number}");
                        number += WRITERS;
                    }
                })
            })
            .collect();
        for task in tasks {
            let _ = task.await;
        }
    });
}

/// The checking process: reads acknowledged numbers, prints what is wrong.
pub fn check(engine: &str, folder: &Path) {
    let Ok(store) = open_store(engine, folder) else {
        println!("refused 1");
        return;
    };
    let (mut lost, mut torn) = (0, 0);
    let view = store.view().expect("a view");
    let whole = |number: u64| {
        let object = view.get_bytes(Space::Object, &object_key(number)).ok().flatten();
        let body = view.get_bytes(Space::Inline, &body_key(number)).ok().flatten();
        let is_right = object == Some(bytes(number, 200)) && body == Some(bytes(!number, BODY_BYTES));
        (is_right, object.is_some() || body.is_some())
    };
    let acknowledged: Vec<u64> =
        std::io::stdin().lines().filter_map(|line| line.ok()?.parse().ok()).collect();
    for number in &acknowledged {
        lost += u64::from(!whole(*number).0);
    }
    let highest = acknowledged.iter().max().copied().unwrap_or(0);
    for number in highest + 1..highest + 1 + 4 * WRITERS {
        torn += u64::from(matches!(whole(number), (false, true)));
    }
    println!("acknowledged {}\nlost {lost}\ntorn {torn}", acknowledged.len());
}

/// What the rounds found.
#[derive(Default)]
pub struct Losses {
    pub rounds: u64,
    pub acknowledged: u64,
    pub lost: u64,
    pub torn: u64,
    pub refused: u64,
}

fn run(program: &str, arguments: &[&str]) -> bool {
    quiet_status(Command::new(program).args(arguments).stderr(Stdio::null()).stdout(Stdio::null()))
}

fn quiet_status(command: &mut Command) -> bool {
    command.status().is_ok_and(|status| status.success())
}

pub fn child(mode: &str, engine: &str, folder: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("own path"));
    command.args(["child", mode, engine]).arg(folder);
    command
}

/// Runs `work` on a fresh ext4 file system; `None` if this machine does not let us.
pub fn mounted<T>(folder: &Path, size: &str, work: impl FnOnce(&Path) -> Option<T>) -> Option<T> {
    let (image, mount) = (folder.join("disk.img"), folder.join("disk"));
    std::fs::create_dir_all(&mount).ok()?;
    let _ = std::fs::remove_file(&image);
    let image = image.to_str()?;
    if !run("truncate", &["-s", size, image]) || !run("mkfs.ext4", &["-q", "-F", image]) {
        return None;
    }
    if !run("mount", &["-o", "loop", image, mount.to_str()?]) {
        return None;
    }
    let result = work(&mount);
    run("umount", &[mount.to_str()?]).then_some(result).flatten()
}

/// Cuts the power `rounds` times; `None` if this machine does not let us.
pub fn cuts(engine: &str, folder: &Path, rounds: u64) -> Option<Losses> {
    let mut losses = Losses::default();
    for round in 0..rounds {
        mounted(folder, "2G", |mount| {
            let acknowledged = write_until_cut(engine, mount, 100 + mix(round) % 900)?;
            let image = folder.join("disk.img");
            let (image, place) = (image.to_str()?, mount.to_str()?);
            if !run("umount", &[place]) || !run("mount", &["-o", "loop", image, place]) {
                return None;
            }
            check_round(engine, mount, &acknowledged, &mut losses);
            Some(())
        })?;
    }
    Some(losses)
}

/// Runs the writer for a while, shuts the file system down under it, and returns what it
/// acknowledged before.
fn write_until_cut(engine: &str, mount: &Path, after_ms: u64) -> Option<Vec<u64>> {
    let mut writer =
        child("write-and-tell", engine, &mount.join("meta")).stdout(Stdio::piped()).spawn().ok()?;
    let lines = BufReader::new(writer.stdout.take()?).lines();
    let power_is_off = Arc::new(AtomicBool::new(false));
    let off = Arc::clone(&power_is_off);
    let (begun, begins) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        let acks = lines.map_while(Result::ok).filter_map(|line| line.strip_prefix("ack ")?.parse().ok());
        let told = acks.inspect(|_| begun.send(()).unwrap_or(()));
        // With the power off nobody hears an answer: a flush under way when the file system is
        // shut down may still report success.
        told.take_while(|_| !off.load(Ordering::SeqCst)).collect::<Vec<u64>>()
    });
    // Making a store takes its time; a writer that never gets there shows as no PUT at all.
    let _ = begins.recv_timeout(Duration::from_secs(60));
    std::thread::sleep(Duration::from_millis(after_ms));
    // 125 is the ioctl's letter X with number 125; 2 drops the journal in memory as well.
    let script = "import fcntl,os,struct,sys; f=os.open(sys.argv[1],os.O_RDONLY); \
                  fcntl.ioctl(f,0x8004587d,struct.pack('I',2))";
    power_is_off.store(true, Ordering::SeqCst);
    let is_cut = quiet_status(Command::new("python3").args(["-c", script]).arg(mount));
    end(&mut writer);
    let acknowledged = reader.join().ok()?;
    is_cut.then_some(acknowledged)
}

fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

fn check_round(engine: &str, mount: &Path, acknowledged: &[u64], losses: &mut Losses) {
    losses.rounds += 1;
    let checker =
        child("check", engine, &mount.join("meta")).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let Ok(mut checker) = checker else { return };
    if let Some(mut input) = checker.stdin.take() {
        let lines: String = acknowledged.iter().map(|number| format!("{number}\n")).collect();
        // A checker that cannot open the store does not read on.
        let _ = input.write_all(lines.as_bytes());
    }
    let output =
        checker.wait_with_output().map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let output = output.unwrap_or_default();
    let figure = |name: &str| crate::figure(&output, name).map_or(0, |value| value as u64);
    losses.acknowledged += figure("acknowledged");
    losses.lost += figure("lost");
    losses.torn += figure("torn");
    losses.refused += u64::from(!output.contains("acknowledged"));
}
