//! The rules of the simulated disk: what survives a crash, what a fault does.

use super::{Damage, Fault, Keep, SimDisk};
use crate::disk::{Disk, OpenMode, read_file, write_file_durably};
use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::Path;

const FOLDER: &str = "/node/state";

fn disk(seed: u64) -> SimDisk {
    let disk = SimDisk::new(seed, 1 << 30);
    disk.create_dir_all(Path::new(FOLDER)).unwrap();
    disk
}

fn path(name: &str) -> std::path::PathBuf {
    Path::new(FOLDER).join(name)
}

fn content(disk: &SimDisk, name: &str) -> Option<Vec<u8>> {
    read_file(disk, &path(name)).unwrap()
}

fn write(disk: &SimDisk, name: &str, bytes: &[u8]) {
    let file = disk.open(&path(name), OpenMode::ReadWrite).unwrap();
    file.write_all_at(bytes, 0).unwrap();
}

/// Writes, syncs the file and syncs the folder.
fn write_durably(disk: &SimDisk, name: &str, bytes: &[u8]) {
    write(disk, name, bytes);
    disk.open(&path(name), OpenMode::ReadWrite).unwrap().sync().unwrap();
    disk.sync_dir(Path::new(FOLDER)).unwrap();
}

#[test]
fn what_was_not_synced_is_gone() {
    let disk = disk(1);
    write_durably(&disk, "kept", b"durable");
    write(&disk, "kept", b"forgets");
    write(&disk, "new", b"bytes");
    assert_eq!(content(&disk, "kept").unwrap(), b"forgets", "programs see their writes");
    disk.crash(Keep::Nothing);
    assert_eq!(content(&disk, "kept").unwrap(), b"durable");
    assert_eq!(content(&disk, "new"), None);
}

#[test]
fn a_synced_file_without_a_synced_name_is_gone() {
    let disk = disk(1);
    write(&disk, "file", b"bytes");
    disk.open(&path("file"), OpenMode::ReadWrite).unwrap().sync().unwrap();
    disk.crash(Keep::Nothing);
    assert_eq!(content(&disk, "file"), None);
}

#[test]
fn a_synced_name_does_not_make_the_bytes_durable() {
    let disk = disk(1);
    write(&disk, "file", b"bytes");
    disk.sync_dir(Path::new(FOLDER)).unwrap();
    disk.crash(Keep::Nothing);
    assert_eq!(content(&disk, "file").unwrap(), b"");
}

#[test]
fn the_death_of_the_process_alone_loses_nothing() {
    let disk = disk(1);
    write(&disk, "file", b"bytes");
    disk.crash(Keep::Everything);
    assert_eq!(content(&disk, "file").unwrap(), b"bytes");
    disk.crash(Keep::Nothing);
    assert_eq!(content(&disk, "file").unwrap(), b"", "the bytes were still only in memory");
}

#[test]
fn a_rename_is_whole_or_absent_and_both_happen() {
    let mut outcomes = BTreeSet::new();
    for seed in 0..40 {
        let disk = disk(seed);
        write_durably(&disk, "old", b"old");
        write_durably(&disk, "new", b"new");
        disk.rename(&path("new"), &path("old")).unwrap();
        disk.crash(Keep::Some);
        outcomes.insert((content(&disk, "old"), content(&disk, "new")));
    }
    let before = (Some(b"old".to_vec()), Some(b"new".to_vec()));
    let after = (Some(b"new".to_vec()), None);
    assert_eq!(outcomes, BTreeSet::from([before, after]));
}

#[test]
fn an_unsynced_removal_may_come_back_and_a_synced_one_never() {
    let mut outcomes = BTreeSet::new();
    for seed in 0..40 {
        let disk = disk(seed);
        write_durably(&disk, "gone", b"1");
        write_durably(&disk, "maybe", b"2");
        disk.remove_file(&path("gone")).unwrap();
        disk.sync_dir(Path::new(FOLDER)).unwrap();
        disk.remove_file(&path("maybe")).unwrap();
        disk.crash(Keep::Some);
        assert_eq!(content(&disk, "gone"), None);
        outcomes.insert(content(&disk, "maybe"));
    }
    assert_eq!(outcomes.len(), 2);
}

#[test]
fn unsynced_writes_are_kept_in_any_combination_and_may_tear_at_sectors() {
    let mut combinations = BTreeSet::new();
    let mut tears = 0;
    for seed in 0..400 {
        let disk = disk(seed);
        write_durably(&disk, "file", &[1; 3 * 4096]);
        write(&disk, "file", &[2; 3 * 4096]);
        disk.crash(Keep::Some);
        let bytes = content(&disk, "file").unwrap();
        assert_eq!(bytes.len(), 3 * 4096);
        for sector in bytes.chunks(512) {
            assert!(sector.iter().all(|byte| *byte == sector[0]), "a sector is whole");
        }
        let pages: Vec<_> = bytes.chunks(4096).map(|page| page.iter().collect::<BTreeSet<_>>()).collect();
        if pages.iter().any(|page| page.len() == 2) {
            tears += 1;
        } else {
            combinations.insert(bytes.chunks(4096).map(|page| page[0]).collect::<Vec<u8>>());
        }
    }
    assert_eq!(combinations.len(), 8, "each page is old or new on its own");
    assert!(tears > 20);
}

#[test]
fn an_intermediate_version_may_be_the_one_that_is_left() {
    let left = (0..100).map(|seed| {
        let disk = disk(seed);
        write_durably(&disk, "file", b"0");
        write(&disk, "file", b"1");
        write(&disk, "file", b"2");
        disk.crash(Keep::Some);
        content(&disk, "file").unwrap()
    });
    let expected = [b"0", b"1", b"2"].map(|bytes| bytes.to_vec());
    assert_eq!(left.collect::<BTreeSet<_>>(), expected.into());
}

#[test]
fn cutting_a_file_reads_as_zeros_when_it_grows_again() {
    let disk = disk(1);
    let file = disk.open(&path("file"), OpenMode::CreateNew).unwrap();
    file.write_all_at(&[7; 10_000], 0).unwrap();
    file.set_len(5).unwrap();
    file.set_len(9_000).unwrap();
    let mut bytes = vec![1; 9_000];
    file.read_exact_at(&mut bytes, 0).unwrap();
    assert_eq!(bytes[..5], [7; 5]);
    assert!(bytes[5..].iter().all(|byte| *byte == 0));
    assert_eq!(file.read_exact_at(&mut [0; 2], 8_999).unwrap_err().kind(), ErrorKind::UnexpectedEof);
}

#[test]
fn a_full_disk_refuses_writes_and_removing_makes_room() {
    let disk = SimDisk::new(1, 64 << 10);
    disk.create_dir_all(Path::new(FOLDER)).unwrap();
    write_durably(&disk, "first", &[1; 40 << 10]);
    let file = disk.open(&path("second"), OpenMode::CreateNew).unwrap();
    let error = file.write_all_at(&[2; 40 << 10], 0).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StorageFull);
    assert_eq!(disk.space(Path::new(FOLDER)).unwrap().available_bytes, 0);
    file.set_len(0).unwrap();
    disk.remove_file(&path("first")).unwrap();
    disk.sync_dir(Path::new(FOLDER)).unwrap();
    file.write_all_at(&[2; 40 << 10], 0).unwrap();
    assert_eq!(disk.used_bytes(), 40 << 10);
}

#[test]
fn a_failed_sync_cannot_be_repaired_by_another() {
    let mut lost = 0;
    for seed in 0..40 {
        let disk = disk(seed);
        write_durably(&disk, "file", b"old");
        let file = disk.open(&path("file"), OpenMode::ReadWrite).unwrap();
        file.write_all_at(b"new", 0).unwrap();
        disk.inject(Fault::SyncError, 1);
        file.sync().unwrap_err();
        file.sync().unwrap();
        disk.crash(Keep::Nothing);
        lost += u32::from(content(&disk, "file").unwrap() == b"old");
    }
    assert!((1..40).contains(&lost), "{lost}");
}

#[test]
fn faults_strike_the_call_they_are_planned_for() {
    let disk = disk(1);
    write_durably(&disk, "file", &[5; 8192]);
    let file = disk.open(&path("file"), OpenMode::ReadWrite).unwrap();
    disk.inject(Fault::Full, 2);
    file.write_all_at(b"x", 0).unwrap();
    assert_eq!(file.write_all_at(b"x", 0).unwrap_err().kind(), ErrorKind::StorageFull);
    disk.inject(Fault::WriteError, 1);
    file.write_all_at(b"x", 0).unwrap_err();
    file.write_all_at(b"x", 0).unwrap();
    disk.inject(Fault::ReadError, 1);
    let mut buffer = [0; 8192];
    file.read_exact_at(&mut buffer, 0).unwrap_err();
    disk.inject(Fault::FlippedRead, 1);
    file.read_exact_at(&mut buffer, 0).unwrap();
    let flipped = buffer;
    file.read_exact_at(&mut buffer, 0).unwrap();
    let bits = |(a, b): (&u8, &u8)| (a ^ b).count_ones();
    assert_eq!(flipped.iter().zip(&buffer).map(bits).sum::<u32>(), 1);
    disk.inject(Fault::SyncIgnored, 1);
    file.sync().unwrap();
    disk.crash(Keep::Nothing);
    assert_eq!(content(&disk, "file").unwrap(), [5; 8192]);
}

#[test]
fn a_file_that_was_cut_off_or_vanished_at_rest_stays_so() {
    let disk = disk(1);
    write_durably(&disk, "cut", &[7; 9000]);
    write_durably(&disk, "gone", &[8; 5000]);
    let used_bytes = disk.used_bytes();
    disk.damage(&path("cut"), 100, Damage::CutOff).unwrap();
    disk.damage(&path("gone"), 0, Damage::Vanished).unwrap();
    assert_eq!(disk.used_bytes(), used_bytes - 4 * 4096);
    for keep in [Keep::Everything, Keep::Nothing] {
        assert_eq!(content(&disk, "cut").unwrap(), [7; 100]);
        assert_eq!(content(&disk, "gone"), None);
        disk.crash(keep);
    }
    write_durably(&disk, "gone", b"again");
    disk.crash(Keep::Nothing);
    assert_eq!(content(&disk, "gone").unwrap(), b"again");
}

#[test]
fn damage_stays_until_it_is_written_over() {
    let disk = disk(1);
    write_durably(&disk, "file", &[5; 8192]);
    disk.damage(&path("file"), 4097, Damage::FlipBit).unwrap();
    disk.damage(&path("file"), 0, Damage::Unreadable).unwrap();
    disk.crash(Keep::Nothing);
    let file = disk.open(&path("file"), OpenMode::Read).unwrap();
    file.read_exact_at(&mut [0; 1], 100).unwrap_err();
    let mut buffer = [0; 2];
    file.read_exact_at(&mut buffer, 4096).unwrap();
    assert_eq!(buffer, [5, 4]);
    assert_eq!(file.write_all_at(b"x", 0).unwrap_err().kind(), ErrorKind::PermissionDenied);
}

#[test]
fn a_planned_crash_stops_everything_from_that_effect_on() {
    let disk = disk(1);
    write_durably(&disk, "file", b"old");
    let at = disk.effects() + 2;
    disk.crash_at_effect(at);
    let file = disk.open(&path("file"), OpenMode::ReadWrite).unwrap();
    file.write_all_at(b"1", 0).unwrap();
    assert!(!disk.has_crashed());
    file.sync().unwrap_err();
    assert!(disk.has_crashed());
    file.read_exact_at(&mut [0], 0).unwrap_err();
    disk.exists(&path("file")).unwrap_err();
    disk.crash(Keep::Some);
    assert!(file.len().is_err(), "handles from before the crash are dead");
    assert!(content(&disk, "file").is_some());
}

#[test]
fn replacing_a_state_file_is_safe_at_every_effect() {
    for seed in 0..20 {
        for step in 1.. {
            let disk = disk(seed);
            write_file_durably(&disk, &path("state"), b"old").unwrap();
            disk.crash_at_effect(disk.effects() + step);
            let done = write_file_durably(&disk, &path("state"), b"new").is_ok();
            disk.crash(Keep::Some);
            let left = content(&disk, "state").unwrap();
            assert!(left == b"new" || (left == b"old" && !done), "seed {seed}, step {step}: {left:?}");
            if done {
                break;
            }
        }
    }
}

#[test]
fn one_handle_holds_the_lock() {
    let disk = disk(1);
    let first = disk.open(&path("file"), OpenMode::ReadWrite).unwrap();
    let second = disk.open(&path("file"), OpenMode::ReadWrite).unwrap();
    first.lock_exclusive().unwrap();
    assert_eq!(second.lock_exclusive().unwrap_err().kind(), ErrorKind::WouldBlock);
    drop(first);
    second.lock_exclusive().unwrap();
}

#[test]
fn names_are_listed_in_order() {
    let disk = disk(1);
    for name in ["b", "a"] {
        write(&disk, name, b"");
    }
    disk.create_dir_all(&path("c/d")).unwrap();
    let names: Vec<_> = disk.list(Path::new(FOLDER)).unwrap();
    let names: Vec<_> = names.iter().map(|entry| (entry.path.clone(), entry.is_dir)).collect();
    assert_eq!(names, [(path("a"), false), (path("b"), false), (path("c"), true)]);
    assert_eq!(disk.list(Path::new("/elsewhere")).unwrap_err().kind(), ErrorKind::NotFound);
    assert!(disk.open(&path("missing/file"), OpenMode::CreateNew).is_err());
}
