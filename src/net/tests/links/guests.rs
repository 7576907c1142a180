//! Guests over real sockets: one answer for the right token, nothing for anybody else.

use super::support::*;
use futures_util::future::BoxFuture;
use net::{
    ConnectError, Doorkeeper, Guest, KnockError, SeedIdentity, Ticket, Token, TurnedAway, knock, limits,
    ticket_of,
};
use std::sync::{Arc, Mutex};

const GOOD: Token = [1; 16];
const EXPIRED: Token = [2; 16];
const USED: Token = [3; 16];
const TOO_LONG: Token = [4; 16];

/// Answers one token and counts who was let in.
#[derive(Default)]
struct House(Mutex<Vec<Guest>>);

impl Doorkeeper for House {
    fn token(&self, ticket: &Ticket) -> Option<Token> {
        [GOOD, EXPIRED, USED, TOO_LONG].into_iter().find(|token| ticket_of(token) == *ticket)
    }

    fn admit(&self, guest: Guest) -> BoxFuture<'_, Result<Vec<u8>, TurnedAway>> {
        let answer = match guest.ticket {
            ticket if ticket == ticket_of(&EXPIRED) => Err(TurnedAway::Expired),
            ticket if ticket == ticket_of(&USED) => Err(TurnedAway::Used),
            ticket if ticket == ticket_of(&TOO_LONG) => Ok(vec![0; limits::GUEST_TEXT_MAX_BYTES + 1]),
            _ => Ok(b"the secret".to_vec()),
        };
        self.0.lock().unwrap().push(guest);
        Box::pin(std::future::ready(answer))
    }
}

async fn ask(home: &TestNode, token: &Token) -> Result<Vec<u8>, KnockError> {
    let identity = Arc::new(SeedIdentity::new(&[2; 32]));
    let is_host = |node| node == id(1);
    let (host, answer) =
        knock(&env::real::env(), identity, home.address(), is_host, (token, b"attic")).await?;
    assert_eq!(host, id(1));
    Ok(answer)
}

#[test]
fn a_right_token_gets_one_answer_and_no_link() {
    real(async {
        let home = TestNode::real(1, true).await;
        let not_yet = ask(&home, &GOOD).await;
        assert_eq!(not_yet, Err(TurnedAway::NotNow.into()), "nobody decides about guests yet");
        let house = Arc::new(House::default());
        home.net.welcome_guests(house.clone());
        assert_eq!(ask(&home, &GOOD).await, Ok(b"the secret".to_vec()));
        let guest = house.0.lock().unwrap().remove(0);
        assert_eq!((guest.node, guest.request), (id(2), b"attic".to_vec()));
        assert!(home.net.peers().is_empty(), "a guest is no peer");
    });
}

#[test]
fn every_other_token_gets_nothing() {
    real(async {
        let home = TestNode::real(1, true).await;
        let house = Arc::new(House::default());
        home.net.welcome_guests(house.clone());
        let clock = env::real::env().clock;
        let start = clock.mono();
        assert_eq!(ask(&home, &[9; 16]).await, Err(TurnedAway::Unknown.into()));
        let took = clock.mono() - start;
        assert!(took >= limits::GUESS_PAUSE, "a guess takes its time: {took:?}");
        assert!(house.0.lock().unwrap().is_empty(), "nobody was asked about a wrong token");
        assert_eq!(ask(&home, &EXPIRED).await, Err(TurnedAway::Expired.into()));
        assert_eq!(ask(&home, &USED).await, Err(TurnedAway::Used.into()));
        assert_eq!(ask(&home, &TOO_LONG).await, Err(TurnedAway::NotNow.into()));
        // A peer without the secret still gets nothing, and with it everything, beside guests.
        let stranger = net::Options { secret: [43; 32], ..options(3, &[]) };
        let stranger = TestNode::start(env::real::env(), stranger).await;
        assert_eq!(stranger.net.connect(home.address(), None).await, Err(ConnectError::WrongSecret));
        let member = TestNode::real(4, false).await;
        member.net.connect(home.address(), None).await.unwrap();
    });
}

#[test]
fn a_guest_says_nothing_to_another_node() {
    real(async {
        let other = TestNode::real(5, true).await;
        let house = Arc::new(House::default());
        other.net.welcome_guests(house.clone());
        assert_eq!(ask(&other, &GOOD).await, Err(KnockError::OtherHost(id(5))));
        assert!(house.0.lock().unwrap().is_empty());
    });
}
