//! The code against any text, invitations in time, and real nodes that join over loopback sockets.

use super::*;
use crate::layout::Layout;
use crate::membership::{Membership, MembershipOptions, NodeAddress, Rooms};
use crate::{ClusterOptions, ClusterSecret, ClusterState, FirstLayout};
use base::NodeId;
use env::Env;
use net::{TurnedAway, ticket_of};
use proptest::prelude::*;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

/// Only a failing test waits this long.
const PATIENCE: Duration = Duration::from_secs(30);

fn code(addresses: &[&str]) -> Option<JoinCode> {
    let addresses = addresses.iter().map(|address| (*address).to_owned()).collect();
    JoinCode::new(NodeId::from_bytes([7; 32]), [9; 16], addresses)
}

#[test]
fn a_code_is_read_as_it_is_printed_and_as_people_type_it() {
    let addresses = ["192.168.1.7:3901", "[2001:db8::1]:80", "attic.example:65535"];
    let good = code(&addresses).unwrap();
    let text = good.to_string();
    assert_eq!(text.parse(), Ok(good.clone()));
    assert_eq!(good.addresses(), addresses);
    assert!(good.is_from(NodeId::from_bytes([7; 32])) && !good.is_from(NodeId::from_bytes([8; 32])));
    let typed = text.replace('-', "").replace('0', "O").replace('1', "l").to_uppercase();
    assert_eq!(format!(" {typed}\n").parse(), Ok(good));
    let short = code(&addresses[..1]).unwrap().to_string();
    assert!(short.len() < 90, "{} characters to type", short.len());
    assert!(!format!("{:?}", code(&addresses)).contains(&short[30..]), "no token in logs");
}

#[test]
fn what_has_no_place_in_a_code_is_refused() {
    let long = format!("{}:1", "a".repeat(101));
    for wrong in ["", "host", "host:0", ":1", "ho st:1", "1.2.3.4:70000", "::1:80", "[::1:80", "a/b:1", &long]
    {
        assert!(code(&[wrong]).is_none(), "{wrong}");
    }
    assert!(code(&[]).is_none());
    assert!(code(&["a:1"; 4]).is_some() && code(&["a:1"; 5]).is_none());
}

#[test]
fn every_wrong_letter_and_every_cut_is_noticed() {
    let text = code(&["192.168.1.7:3901"]).unwrap().to_string();
    for position in 0..text.len() {
        assert_eq!(text[..position].parse::<JoinCode>(), Err(InvalidCode::Malformed), "cut at {position}");
        for other in "0q7z!".chars().filter(|other| !text[position..].starts_with(*other)) {
            let mut letters: Vec<char> = text.chars().collect();
            letters[position] = other;
            let wrong: String = letters.iter().collect();
            assert!(wrong.parse::<JoinCode>().is_err(), "{other} at {position}");
        }
    }
}

proptest! {
    #[test]
    fn no_text_breaks_the_parser(text in "\\PC{0,300}") {
        // What is read is printed as it is read again.
        if let Ok(code) = text.parse::<JoinCode>() {
            prop_assert_eq!(code.to_string().parse::<JoinCode>(), Ok(code));
        }
    }

    #[test]
    fn no_content_with_a_right_checksum_breaks_the_parser(mut bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Some(form) = bytes.first_mut() {
            *form %= 3;
        }
        let check = *blake3::hash(&bytes).as_bytes().first_chunk::<3>().unwrap();
        bytes.extend(check);
        if let Ok(code) = code::to_base32(&bytes).parse::<JoinCode>() {
            prop_assert_eq!(code.to_string().parse::<JoinCode>(), Ok(code));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_invitation_holds_for_a_day_and_for_one_node() {
    let (env, folder) = (env::sim::env(1), Path::new("/meta"));
    env.disk.create_dir_all(folder).unwrap();
    let node = |byte| NodeId::from_bytes([byte; 32]);
    let invitations = Invitations::open(&env, folder).unwrap();
    let make = |invitations: &Invitations| ticket_of(&invitations.make(|_| "attic".to_owned()).unwrap().0);
    let (used, late) = (make(&invitations), make(&invitations));
    assert_eq!(invitations.redeem(&[0; 16], node(1)), Err(TurnedAway::Unknown));
    assert_eq!(invitations.redeem(&used, node(1)), Ok("attic".to_owned()));
    // All of it is there after a restart.
    let invitations = Invitations::open(&env, folder).unwrap();
    assert_eq!(invitations.redeem(&used, node(2)), Err(TurnedAway::Used));
    assert_eq!(invitations.redeem(&used, node(1)), Ok("attic".to_owned()), "its answer may have been lost");
    env::sleep(invitations::HOLDS_FOR).await;
    assert_eq!(invitations.redeem(&late, node(1)), Err(TurnedAway::Expired));
    assert_eq!(invitations.redeem(&used, node(1)), Err(TurnedAway::Expired));
    for _ in 0..invitations::INVITATIONS_MAX {
        make(&invitations);
    }
    let refused = invitations.make(|_| "attic".to_owned());
    assert!(matches!(refused, Err(NotMade::TooMany)), "expired ones made room, open ones do not");
}

#[tokio::test(start_paused = true)]
async fn a_use_that_cannot_be_stored_gives_nothing() {
    let world = env::sim::SimWorld::new(1, &env::sim::SimOptions::default());
    let (env, folder) = (world.env(), Path::new("/meta"));
    env.disk.create_dir_all(folder).unwrap();
    let invitations = Invitations::open(&env, folder).unwrap();
    let (token, _) = invitations.make(|_| "attic".to_owned()).unwrap();
    world.disk.set_capacity(0);
    let turned_away = invitations.redeem(&ticket_of(&token), NodeId::from_bytes([1; 32]));
    assert_eq!(turned_away, Err(TurnedAway::NotNow));
    assert!(matches!(invitations.make(|_| "attic".to_owned()), Err(NotMade::NotStored(_))));
}

/// A real node on a loopback socket.
struct Home {
    folder: TempDir,
    env: Env,
}

struct Running {
    state: Arc<ClusterState>,
    membership: Arc<Membership>,
}

impl Home {
    fn new() -> Self {
        Self { folder: TempDir::new().unwrap(), env: env::real::env() }
    }

    fn options(&self) -> ClusterOptions {
        ClusterOptions {
            folder: self.folder.path().to_owned(),
            secret: None,
            first_layout: FirstLayout::Empty,
            hostname: "attic".to_owned(),
            address: None,
        }
    }

    async fn start(&self) -> Running {
        let state = ClusterState::open(&self.env, self.options()).unwrap();
        let options = MembershipOptions {
            listen: vec!["127.0.0.1:0".parse().unwrap()],
            advertised: None,
            first_peers: Vec::<NodeAddress>::new(),
            release: "1.2.3".to_owned(),
            room: Arc::new(|| Rooms { data: Some((1 << 30, 1 << 40)), ..Rooms::default() }),
            courier: Arc::new(net::NoCourier),
        };
        let membership = Membership::start(&self.env, &state, options).await.unwrap();
        Running { state, membership }
    }

    async fn join(&self, code: &JoinCode) -> Result<Joined, JoinFailure> {
        let (folder, code) = (self.folder.path().to_owned(), code.clone());
        join(&self.env, JoinOptions { folder, code, secret: None }).await
    }
}

impl Running {
    async fn invite(&self, env: &Env, zone: Option<&str>) -> Invitation {
        self.state.invite(env, zone.map(str::to_owned), Vec::new()).await.unwrap()
    }

    async fn sees_waiting(&self, node: NodeId) -> Waiting {
        let until = async {
            loop {
                let found = self.state.nodes().into_iter().find(|known| known.id == node);
                if let Some(waiting) = found.and_then(|known| known.waiting) {
                    return waiting;
                }
                env::sleep(Duration::from_millis(20)).await;
            }
        };
        env::timeout(PATIENCE, until).await.expect("the node does not show as waiting")
    }

    fn apply(
        &self,
        change: impl FnOnce(&Layout, &crate::layout::Moment) -> Result<Layout, crate::LayoutError>,
    ) {
        self.state.change_layout(change).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_joins_waits_and_gets_its_role() {
    let (first, second, third) = (Home::new(), Home::new(), Home::new());
    let host = first.start().await;
    let invitation = host.invite(&first.env, None).await;
    assert!(invitation.is_local_only && invitation.zone == "home2");
    assert_eq!(host.invite(&first.env, None).await.zone, "home3");
    let code = invitation.code;
    assert_eq!(second.join(&code).await.unwrap(), Joined::Now { zone: "home2".to_owned() });
    // A code serves one node.
    let refused = third.join(&code).await.unwrap_err();
    assert!(matches!(refused, JoinFailure::TurnedAway(TurnedAway::Used)), "{refused}");
    let guest = second.start().await;
    assert_eq!(guest.state.secret(), host.state.secret());
    let waiting = Waiting { zone: "home2".to_owned(), capacity_bytes: 1 << 30 };
    assert_eq!(host.sees_waiting(guest.state.id()).await, waiting);
    assert_eq!(guest.sees_waiting(guest.state.id()).await, waiting, "it shows on any home");
    // It may invite too, and the zone of the one that waits is taken.
    let by_guest = guest.invite(&second.env, None).await;
    assert_eq!(by_guest.zone, "home3");
    third.join(&by_guest.code).await.unwrap();
    let third_running = third.start().await;
    host.sees_waiting(third_running.state.id()).await;
    // With a role nobody waits any more.
    let (own, id) = (host.state.id(), guest.state.id());
    host.apply(|layout, at| {
        let role = waiting.role().unwrap();
        layout.assign(own, role.clone(), at)?.assign(id, role, at)?.apply(1, at)
    });
    let until = async {
        while guest.state.layout().current().number == 0
            || guest.state.nodes().iter().any(|n| n.waiting.is_some() && n.id == id)
        {
            env::sleep(Duration::from_millis(20)).await;
        }
    };
    env::timeout(PATIENCE, until).await.expect("the node has its role");
    // The flag may stay: also with a code of another home of the same cluster.
    drop((guest, third_running));
    assert_eq!(second.join(&code).await.unwrap(), Joined::Before);
    let other = host.invite(&first.env, None).await.code;
    assert_eq!(second.join(&other).await.unwrap(), Joined::Before);
    assert_eq!(first.join(&other).await.unwrap(), Joined::Before, "its own code");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_node_may_ask_again_and_a_wrong_token_gets_nothing() {
    let (first, second) = (Home::new(), Home::new());
    let host = first.start().await;
    let code = host.invite(&first.env, Some("cellar")).await.code;
    second.join(&code).await.unwrap();
    // As after a crash before the last file was written.
    let joined = second.folder.path().join(crate::StateKind::Joined.file_name());
    env::real::env().disk.remove_file(&joined).unwrap();
    assert_eq!(second.join(&code).await.unwrap(), Joined::Now { zone: "cellar".to_owned() });
    let wrong = JoinCode::new(host.state.id(), [1; 16], code.addresses().to_vec()).unwrap();
    let third = Home::new();
    let refused = third.join(&wrong).await.unwrap_err();
    assert!(matches!(refused, JoinFailure::TurnedAway(TurnedAway::Unknown)), "{refused}");
    assert!(!third.env.disk.exists(&third.folder.path().join("rpc_secret")).unwrap());
    // A configured secret that is another one.
    let options = JoinOptions {
        folder: third.folder.path().to_owned(),
        code: host.invite(&first.env, None).await.code,
        secret: Some(ClusterSecret::parse(&"ab".repeat(32)).unwrap()),
    };
    assert!(matches!(join(&third.env, options).await, Err(JoinFailure::OtherSecret)));
    host.membership.net().stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_of_another_cluster_is_left_as_it_is() {
    let (first, second) = (Home::new(), Home::new());
    let host = first.start().await;
    let alone = second.start().await;
    let id = alone.state.id();
    let role = Waiting { zone: "home".to_owned(), capacity_bytes: 1 << 30 }.role().unwrap();
    alone.apply(|layout, at| layout.assign(id, role, at)?.apply(1, at));
    let secret = alone.state.secret().clone();
    drop(alone);
    let code = host.invite(&first.env, None).await.code;
    let refused = second.join(&code).await.unwrap_err();
    assert!(matches!(refused, JoinFailure::AlreadyElsewhere(_)), "{refused}");
    assert_eq!(ClusterState::open(&second.env, second.options()).unwrap().secret(), &secret);
    // Nor does one that joined a cluster join another, also before it has a role.
    let (third, other) = (Home::new(), Home::new());
    third.join(&code).await.unwrap();
    let other_host = other.start().await;
    let refused = third.join(&other_host.invite(&other.env, None).await.code).await.unwrap_err();
    assert!(matches!(refused, JoinFailure::AlreadyElsewhere(_)), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn a_host_that_does_not_answer_is_tried_for_a_minute() {
    let (env, folder) = (env::sim::env(2), Path::new("/meta"));
    env.disk.create_dir_all(folder).unwrap();
    let start = env.clock.mono();
    let options = JoinOptions {
        folder: folder.to_owned(),
        code: code(&["10.0.0.1:3901", "nowhere:1"]).unwrap(),
        secret: None,
    };
    let refused = join(&env, options).await.unwrap_err().to_string();
    let took = env.clock.mono() - start;
    assert!(took >= Duration::from_secs(60) && took < Duration::from_secs(200), "{took:?}");
    assert!(refused.contains("10.0.0.1:3901  cannot be reached"), "{refused}");
    assert!(
        refused.contains("nowhere:1  no such host") && refused.contains("--address HOST:PORT"),
        "{refused}"
    );
}
