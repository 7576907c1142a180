//! State files with a missing byte or a flipped bit are refused and left alone.

use super::{options, real_env, role};
use crate::{AdminToken, ClusterError, ClusterOptions, ClusterState, FirstLayout, StateFileError, StateKind};
use std::path::Path;

fn open(folder: &Path) -> Result<std::sync::Arc<ClusterState>, ClusterError> {
    ClusterState::open(&real_env(), options(folder))
}

fn opened(folder: &Path) -> std::sync::Arc<ClusterState> {
    open(folder).unwrap_or_else(|error| panic!("{error}"))
}

/// What a node with this token file and these state files says.
fn open_all(folder: &Path) -> Result<(), ClusterError> {
    AdminToken::open(&real_env(), folder)?;
    open(folder).map(|_| ())
}

fn read(folder: &Path, kind: StateKind) -> Vec<u8> {
    env::read_file(&env::real::RealDisk, &folder.join(kind.file_name())).unwrap().expect("written")
}

fn write(folder: &Path, kind: StateKind, content: &[u8]) {
    env::write_file_durably(&env::real::RealDisk, &folder.join(kind.file_name()), content).unwrap();
}

#[test]
fn a_second_start_finds_the_same_node() {
    let folder = tempfile::tempdir().unwrap();
    let first = opened(folder.path());
    assert_eq!(first.layout().current().number, 1);
    assert_eq!(first.layout().owners(3), &[first.id()]);
    let token = AdminToken::open(&real_env(), folder.path()).unwrap();
    let files = StateKind::ALL.map(|kind| folder.path().join(kind.file_name()));
    let before: Vec<_> =
        files.iter().map(|file| env::read_file(&env::real::RealDisk, file).unwrap()).collect();
    let second = opened(folder.path());
    assert_eq!((second.id(), second.secret(), second.layout()), (first.id(), first.secret(), first.layout()));
    assert_eq!(AdminToken::open(&real_env(), folder.path()).unwrap(), token);
    let after: Vec<_> =
        files.iter().map(|file| env::read_file(&env::real::RealDisk, file).unwrap()).collect();
    assert_eq!(before, after, "a second start changes nothing");
}

#[test]
fn two_nodes_differ_in_everything() {
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let tokens = [&a, &b].map(|folder| AdminToken::open(&real_env(), folder.path()).unwrap());
    let (a, b) = (opened(a.path()), opened(b.path()));
    assert!(a.id() != b.id() && a.secret() != b.secret() && tokens[0] != tokens[1]);
    assert_eq!(tokens[0].reveal().len(), 64);
}

/// On the simulated disk: thousands of damaged files are written here.
#[test]
fn every_truncation_and_every_flipped_bit_is_refused() {
    let env = env::sim::env(1);
    let folder = Path::new("/meta");
    env.disk.create_dir_all(folder).unwrap();
    let open_all = || {
        AdminToken::open(&env, folder)?;
        ClusterState::open(&env, options(folder)).map(|_| ())
    };
    open_all().unwrap_or_else(|error: ClusterError| panic!("{error}"));
    for kind in [StateKind::NodeKey, StateKind::ClusterSecret, StateKind::AdminToken, StateKind::Layout] {
        let path = folder.join(kind.file_name());
        let good = env::read_file(env.disk.as_ref(), &path).unwrap().expect("written");
        let cut = (0..good.len()).map(|length| good[..length].to_vec());
        // Every bit of the head; of a long body one bit of each byte, in turn.
        let flipped = (0..good.len() * 8).filter(|bit| *bit < 2048 || bit / 8 % 8 == bit % 8).map(|bit| {
            let mut bytes = good.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            bytes
        });
        let longer = std::iter::once([good.as_slice(), b"\n"].concat());
        for (number, bad) in cut.chain(flipped).chain(longer).enumerate() {
            env::write_file_durably(env.disk.as_ref(), &path, &bad).unwrap();
            // The whole node for a sample, since a key costs much to derive in a debug build.
            let result = match number % 61 {
                0 => open_all().err(),
                _ => crate::state_file::read(env.disk.as_ref(), folder, kind).err().map(ClusterError::from),
            };
            let refused = matches!(
                result,
                Some(ClusterError::StateFile(StateFileError::Damaged { kind: found, .. })) if found == kind
            );
            assert!(refused, "{kind:?} damage {number} was accepted");
            let left = env::read_file(env.disk.as_ref(), &path).unwrap();
            assert_eq!(left.as_ref(), Some(&bad), "a damaged file is left as it is");
        }
        env::write_file_durably(env.disk.as_ref(), &path, &good).unwrap();
    }
    open_all().unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn a_newer_format_is_named() {
    let folder = tempfile::tempdir().unwrap();
    opened(folder.path());
    let body = "whatever comes next\n";
    let sum = blake3::hash(format!("garage cluster_layout 7\n{body}").as_bytes()).to_hex();
    write(folder.path(), StateKind::Layout, format!("garage cluster_layout 7 {sum}\n{body}").as_bytes());
    let error = open(folder.path()).err().expect("refused");
    assert!(matches!(&error, ClusterError::StateFile(StateFileError::Newer { format: 7, .. })), "{error}");
}

#[test]
fn a_valid_frame_around_nonsense_is_damage() {
    let folder = tempfile::tempdir().unwrap();
    let state = opened(folder.path());
    AdminToken::open(&real_env(), folder.path()).unwrap();
    let (seed, id) = ("11".repeat(32), state.id());
    let bodies = [
        (StateKind::NodeKey, "node_key", format!("{seed}\n{id}\n")),
        (StateKind::ClusterSecret, "rpc_secret", "abcd\n".to_owned()),
        (StateKind::AdminToken, "admin_token", "\n".to_owned()),
        (StateKind::Layout, "cluster_layout", "{}\n".to_owned()),
    ];
    for (kind, word, body) in bodies {
        let good = read(folder.path(), kind);
        let sum = blake3::hash(format!("garage {word} 1\n{body}").as_bytes()).to_hex();
        write(folder.path(), kind, format!("garage {word} 1 {sum}\n{body}").as_bytes());
        let error = open_all(folder.path()).expect_err("nonsense");
        assert!(
            matches!(error, ClusterError::StateFile(StateFileError::Damaged { .. })),
            "{kind:?}: {error}"
        );
        write(folder.path(), kind, &good);
    }
}

#[test]
fn a_vanished_layout_does_not_start_afresh() {
    let folder = tempfile::tempdir().unwrap();
    let state = opened(folder.path());
    state.change_layout(|layout, at| layout.assign(state.id(), role("cellar"), at)).unwrap();
    let previous = read(folder.path(), StateKind::PreviousLayout);
    let disk = &env::real::RealDisk;
    env::Disk::remove_file(disk, &folder.path().join("cluster_layout")).unwrap();
    assert!(matches!(open(folder.path()), Err(ClusterError::LayoutMissing { has_previous: true, .. })));
    // The remedy in the message works.
    write(folder.path(), StateKind::Layout, &previous);
    assert!(opened(folder.path()).layout().staged().is_empty());
}

#[test]
fn a_layout_that_must_be_there_is_not_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let before = opened(folder.path()).layout();
    let disk = &env::real::RealDisk;
    let (layout, aside) = (folder.path().join("cluster_layout"), folder.path().join("aside"));
    env::Disk::rename(disk, &layout, &aside).unwrap();
    let known = ClusterOptions { first_layout: FirstLayout::Known, ..options(folder.path()) };
    let error = ClusterState::open(&real_env(), known.clone()).err().expect("refused").to_string();
    assert!(error.contains("although data is there: restore it from a backup"), "{error}");
    assert!(!env::Disk::exists(disk, &layout).unwrap(), "nothing is written");
    env::Disk::rename(disk, &aside, &layout).unwrap();
    let state = ClusterState::open(&real_env(), known).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(state.layout(), before);
    write(folder.path(), StateKind::Layout, b"rot");
    let error = open(folder.path()).err().expect("refused").to_string();
    assert!(!error.contains("previous"), "there is none: {error}");
}

#[test]
fn a_lost_key_is_not_made_anew_beside_a_layout() {
    let folder = tempfile::tempdir().unwrap();
    opened(folder.path());
    let disk = &env::real::RealDisk;
    let key = folder.path().join("node_key");
    env::Disk::remove_file(disk, &key).unwrap();
    let error = open(folder.path()).err().expect("refused").to_string();
    let expected = format!(
        "node_key is missing from {} although data is there: restore it from a backup",
        folder.path().display()
    );
    assert_eq!(error, expected);
    assert!(!env::Disk::exists(disk, &key).unwrap(), "nothing is written");
}

#[test]
fn secrets_can_be_given_and_never_print() {
    let folder = tempfile::tempdir().unwrap();
    let secret = crate::ClusterSecret::parse(&"ab".repeat(32)).unwrap();
    for bad in ["", "ab", &"zz".repeat(32), &"ab".repeat(33)] {
        assert_eq!(crate::ClusterSecret::parse(bad), Err(crate::InvalidSecret));
    }
    let options = ClusterOptions { secret: Some(secret.clone()), ..options(folder.path()) };
    let state = ClusterState::open(&real_env(), options).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(state.secret(), &secret);
    let path = folder.path().join(StateKind::ClusterSecret.file_name());
    assert_eq!(env::read_file(&env::real::RealDisk, &path).unwrap(), None, "a given secret is not stored");
    let token = AdminToken::new("hush".to_owned());
    assert_eq!(format!("{secret:?} {token:?}"), "*** ***");
}

#[test]
fn without_a_first_layout_the_operator_makes_version_one() {
    let folder = tempfile::tempdir().unwrap();
    let options = ClusterOptions { first_layout: FirstLayout::Empty, ..options(folder.path()) };
    let state = ClusterState::open(&real_env(), options).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(state.layout().current().number, 0);
    let layout =
        state.change_layout(|layout, at| layout.assign(state.id(), role("dc1"), at)?.apply(1, at)).unwrap();
    assert_eq!(opened(folder.path()).layout(), layout);
}

#[test]
fn the_key_signs_for_its_id() {
    let key = crate::NodeKey::from_seed(&[9; 32]);
    let signature = key.sign(b"hello");
    let id = key.id();
    let public = ring::signature::UnparsedPublicKey::new(&ring::signature::ED25519, id.as_bytes());
    assert!(public.verify(b"hello", &signature).is_ok());
    assert!(public.verify(b"hellO", &signature).is_err());
}
