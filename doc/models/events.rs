//! Events that a home has not sent yet: is one of them lost with a disk? (doc/decisions/0011)
//!
//! Modelled: three homes; A takes the requests. A change that somebody is to be told of is written down at home (the
//! intent), held by another home too, acknowledged, settled (it stands in the queue then) and told. Who holds something
//! for another home asks, of what it holds in that moment, what is done with, and drops that; it may adopt what it holds
//! at any time, as it does where the other one is away or lost its memory: then it stands for it. Messages arrive at any
//! time, late, and more than once. A disk is lost, or an old copy put back, at any time, another one whenever all that was
//! acknowledged and not told is at two homes again: each home loses its disk once at most.
//!
//! What nobody can miss any more is left out of a state: events that were told, and those of requests that ended without an
//! answer.
//!
//! Not modelled: what the key says of a change in doubt (`model/events/doubt.rs`), several webhooks, a queue that is full.
//!
//! Checked in every state: what was acknowledged and not told is at some home.

mod search;
use search::{Case, Model, Outcome, all, long, mix, without};

const HOMES: usize = 3;
/// Who takes the requests.
const A: usize = 0;
const RULES: &[(&str, &str)] = &[
    ("own-first", "the intent is durable at home before another home is asked to hold it"),
    ("held-first", "a change is acknowledged once another home holds its event"),
    ("asked-only", "only what was asked about is dropped"),
    ("same-life", "a home answers only for the life that it is in"),
    ("known-first", "a home answers only once the cluster knows of its start"),
    ("one-view", "intents and queue are read in one moment"),
];

/// What a home answered.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answer {
    No,
    /// Only the queue was read.
    Half(u8),
    Done(u8),
}

/// What a holder asks about.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Question {
    life: u8,
    listed: u8,
    answer: Answer,
}

/// A home; sets of events are bits.
#[derive(Clone, Copy)]
struct Home {
    life: u8,
    /// Whether the cluster knows of this start.
    known: bool,
    intents: u8,
    queue: u8,
    /// What it holds, by home and life.
    held: [[u8; 2]; HOMES],
    asks: [Option<Question>; HOMES],
    lost: bool,
}

impl Home {
    fn has(&self) -> u8 {
        self.intents | self.queue | self.held.iter().flatten().fold(0, |all, some| all | some)
    }
}

#[derive(Clone, Copy)]
struct State {
    homes: [Home; HOMES],
    /// Events that a home asked others to hold, by home and life: they may arrive at any time.
    sent: [[u8; 2]; HOMES],
    begun: u8,
    /// Requests that somebody waits for.
    open: u8,
    confirmed: u8,
    acknowledged: u8,
    told: u8,
    /// An old copy of A.
    copy: Option<(u8, u8)>,
}

#[derive(Clone, Copy)]
enum Step {
    Begin(u8),
    Own(u8),
    Send(usize, u8),
    Hold(usize, usize, u8),
    Acknowledge(u8),
    Settle(usize, u8),
    Tell(usize, u8),
    Remove(usize, u8),
    Ask(usize, usize),
    Answer(usize, usize),
    Drop(usize, usize),
    Adopt(usize, usize),
    Lose(usize),
    Copy,
    Restore,
    Know,
    Restart,
}

struct Events {
    left_out: Option<&'static str>,
    events: u8,
    restored: bool,
    /// Whether homes adopt what they hold for one that lost nothing.
    away: bool,
    losses: usize,
}

impl Events {
    fn on(&self, rule: &str) -> bool {
        self.left_out != Some(rule)
    }

    fn each(&self) -> impl Iterator<Item = u8> + use<> {
        (0..self.events).map(|number| 1 << number)
    }

    /// Whether a home may lose something: it is the first one, or what counts is at two homes.
    fn may_lose(&self, state: &State, at: usize) -> bool {
        let counts = state.acknowledged & !state.told;
        let lost = state.homes.iter().filter(|home| home.lost).count();
        let copies = |event: u8| state.homes.iter().filter(|home| home.has() & event != 0).count();
        let safe = self.each().filter(|event| counts & event != 0).all(|event| copies(event) > 1);
        !state.homes[at].lost && lost < self.losses && (safe || lost == 0)
    }

    fn requests(&self, state: &State, go: &mut dyn FnMut(Step, State)) {
        let home = &state.homes[A];
        for event in self.each() {
            if state.begun & event == 0 {
                let mut next = *state;
                next.begun |= event;
                next.open |= event;
                if self.on("own-first") {
                    next.homes[A].intents |= event;
                } else {
                    next.sent[A][usize::from(home.life)] |= event;
                }
                go(Step::Begin(event), next);
            }
            let is_open = state.open & event != 0;
            let has_own = (home.intents | home.queue) & event != 0;
            if is_open && !has_own && state.told & event == 0 && !self.on("own-first") {
                let mut next = *state;
                next.homes[A].intents |= event;
                go(Step::Own(event), next);
            }
            let is_held = state.confirmed & event != 0 || !self.on("held-first");
            // Nothing is told before it is settled, which is after the change.
            if is_open && is_held && has_own && state.acknowledged & event == 0 {
                let mut next = *state;
                next.acknowledged |= event;
                next.open &= !event;
                go(Step::Acknowledge(event), next);
            }
        }
    }

    fn home(&self, state: &State, at: usize, go: &mut dyn FnMut(Step, State)) {
        let home = &state.homes[at];
        for event in self.each() {
            let mut with = |step, change: &dyn Fn(&mut State)| {
                let mut next = *state;
                change(&mut next);
                go(step, next);
            };
            if home.intents & event != 0 {
                with(Step::Settle(at, event), &|next| {
                    let home = &mut next.homes[at];
                    home.intents &= !event;
                    home.queue |= event;
                });
            }
            let life = usize::from(home.life);
            if (home.intents | home.queue) & event != 0 && state.sent[at][life] & event == 0 {
                with(Step::Send(at, event), &|next| next.sent[at][life] |= event);
            }
            if home.queue & event != 0 {
                if state.told & event == 0 {
                    with(Step::Tell(at, event), &|next| next.told |= event);
                } else {
                    with(Step::Remove(at, event), &|next| next.homes[at].queue &= !event);
                }
            }
        }
    }

    fn between(&self, state: &State, (at, owner): (usize, usize), go: &mut dyn FnMut(Step, State)) {
        let home = &state.homes[at];
        for event in self.each() {
            for life in 0..2 {
                if state.sent[owner][life] & event != 0 && home.held[owner][life] & event == 0 {
                    let mut next = *state;
                    next.homes[at].held[owner][life] |= event;
                    if owner == A && life == usize::from(state.homes[A].life) {
                        next.confirmed |= event & state.open;
                    }
                    go(Step::Hold(at, owner, event), next);
                }
            }
        }
        for life in (0..2).filter(|life| home.held[owner][*life] != 0) {
            let held = home.held[owner][life];
            if self.away || life < usize::from(state.homes[owner].life) {
                let mut next = *state;
                next.homes[at].intents |= held;
                next.homes[at].held[owner][life] = 0;
                go(Step::Adopt(at, owner), next);
            }
            if home.asks[owner].is_none() {
                let mut next = *state;
                let question = Question { life: life as u8, listed: held, answer: Answer::No };
                next.homes[at].asks[owner] = Some(question);
                go(Step::Ask(at, owner), next);
            }
        }
        let Some(question) = home.asks[owner] else { return };
        let asked = &state.homes[owner];
        let may_answer = (question.life == asked.life || !self.on("same-life"))
            && (asked.known || !self.on("known-first"));
        let mut answered = |answer| {
            let mut next = *state;
            next.homes[at].asks[owner] = Some(Question { answer, ..question });
            go(Step::Answer(at, owner), next);
        };
        match question.answer {
            Answer::No if may_answer && self.on("one-view") => {
                answered(Answer::Done(question.listed & !(asked.intents | asked.queue)));
            }
            Answer::No if may_answer => answered(Answer::Half(question.listed & !asked.queue)),
            Answer::Half(done) if may_answer => answered(Answer::Done(done & !asked.intents)),
            Answer::Done(done) => {
                let mut next = *state;
                let drops = if self.on("asked-only") || done != question.listed { done } else { u8::MAX };
                next.homes[at].held[owner][usize::from(question.life)] &= !drops;
                next.homes[at].asks[owner] = None;
                go(Step::Drop(at, owner), next);
            }
            _ => {}
        }
    }

    fn faults(&self, state: &State, go: &mut dyn FnMut(Step, State)) {
        for at in (0..HOMES).filter(|at| self.may_lose(state, *at)) {
            let mut next = *state;
            let lost = Home { life: 1, known: true, lost: true, ..START };
            next.homes[at] = lost;
            if at == A {
                (next.open, next.confirmed) = (0, 0);
            }
            go(Step::Lose(at), next);
        }
        let home = &state.homes[A];
        if self.restored && state.copy.is_none() && !home.lost {
            go(Step::Copy, State { copy: Some((home.intents, home.queue)), ..*state });
        }
        if let Some((intents, queue)) = state.copy.filter(|_| self.restored && self.may_lose(state, A)) {
            let mut next = *state;
            next.homes[A] = Home { intents, queue, known: false, lost: true, ..START };
            (next.open, next.confirmed) = (0, 0);
            go(Step::Restore, next);
        }
        if !home.known {
            let mut next = *state;
            next.homes[A] = Home { known: true, life: 1, ..*home };
            go(Step::Know, next);
        }
        if state.open != 0 {
            let mut next = *state;
            (next.open, next.confirmed) = (0, 0);
            next.homes[A].asks = [None; HOMES];
            go(Step::Restart, next);
        }
    }
}

const START: Home =
    Home { life: 0, known: true, intents: 0, queue: 0, held: [[0; 2]; HOMES], asks: [None; HOMES], lost: false };

/// Without what nobody can miss any more; what is asked about stays if `with_questions`.
fn without_ended(mut state: State, with_questions: bool) -> State {
    let kept = !(state.told | state.begun & !state.open & !state.acknowledged);
    for home in &mut state.homes {
        home.intents &= kept;
        home.queue &= kept;
        home.held.iter_mut().flatten().for_each(|held| *held &= kept);
        for ask in home.asks.iter_mut().filter(|_| !with_questions) {
            *ask = ask.map(|ask| Question { listed: ask.listed & kept, ..ask }).filter(|ask| ask.listed != 0);
            if let Some(Question { answer: Answer::Half(done) | Answer::Done(done), .. }) = ask {
                *done &= kept;
            }
        }
    }
    state.sent.iter_mut().flatten().for_each(|sent| *sent &= kept);
    state.confirmed &= state.open;
    state.copy = state.copy.map(|(intents, queue)| (intents & kept, queue & kept));
    state
}

/// The state with the names of B and C changed over.
fn mirrored(state: &State) -> State {
    let mut other = *state;
    let swap = |at: usize| [A, 2, 1][at];
    for at in 0..HOMES {
        let home = state.homes[swap(at)];
        other.sent[at] = state.sent[swap(at)];
        let (mut held, mut asks) = (home.held, home.asks);
        held.swap(1, 2);
        asks.swap(1, 2);
        other.homes[at] = Home { held, asks, ..home };
    }
    other
}

fn fingerprint(state: &State) -> u64 {
    let mut hash = 1;
    for home in state.homes {
        let flags = u8::from(home.known) | u8::from(home.lost) << 1 | home.life << 2;
        let held = home.held.iter().flatten().fold(0u64, |all, some| all << 2 | u64::from(*some));
        mix(&mut hash, u64::from(flags) | u64::from(home.intents) << 8 | u64::from(home.queue) << 16 | held << 24);
        let asks = home.asks.iter().fold(0u64, |all, ask| {
            let word = ask.map_or(0, |ask| {
                let (kind, done) = match ask.answer {
                    Answer::No => (1, 0),
                    Answer::Half(done) => (2, done),
                    Answer::Done(done) => (3, done),
                };
                u64::from(ask.life) << 6 | u64::from(ask.listed) << 4 | u64::from(done) << 2 | kind
            });
            all << 8 | word
        });
        mix(&mut hash, asks);
    }
    let sent = state.sent.iter().flatten().fold(0u64, |all, some| all << 2 | u64::from(*some));
    let bits = [state.begun, state.open, state.confirmed, state.acknowledged, state.told];
    let bits = bits.iter().fold(0u64, |all, some| all << 2 | u64::from(*some));
    let copy = state.copy.map_or(0, |(intents, queue)| 16 | u64::from(intents) << 2 | u64::from(queue));
    mix(&mut hash, sent | bits << 16 | copy << 32);
    hash
}

fn violation(state: &State) -> Option<&'static str> {
    let somewhere = state.homes.iter().fold(0, |all, home| all | home.has());
    (state.acknowledged & !state.told & !somewhere != 0).then_some("an event is lost")
}

impl Model for Events {
    type State = State;
    type Step = Step;

    fn start(&self) -> State {
        State {
            homes: [START; HOMES],
            sent: [[0; 2]; HOMES],
            begun: 0,
            open: 0,
            confirmed: 0,
            acknowledged: 0,
            told: 0,
            copy: None,
        }
    }

    fn key(&self, state: &State) -> u64 {
        fingerprint(state).min(fingerprint(&mirrored(state)))
    }

    fn next(&self, state: &State, visit: &mut dyn FnMut(Step, Option<&'static str>, State)) {
        // Whoever drops more than was asked about does so after an answer about what has ended.
        let with_questions = !self.on("asked-only");
        let mut go =
            |step, next: State| visit(step, violation(&next), without_ended(next, with_questions));
        self.requests(state, &mut go);
        for at in 0..HOMES {
            self.home(state, at, &mut go);
            (0..HOMES).filter(|owner| *owner != at).for_each(|owner| self.between(state, (at, owner), &mut go));
        }
        self.faults(state, &mut go);
    }

    fn show(&self, _before: &State, step: Step, after: &State) -> String {
        let name = |at: usize| ["A", "B", "C"][at];
        let number = |event: u8| event.trailing_zeros();
        let what = match step {
            Step::Begin(event) => format!("request {} begins", number(event)),
            Step::Own(event) => format!("A writes down {}", number(event)),
            Step::Send(at, event) => format!("{} asks to hold {}", name(at), number(event)),
            Step::Hold(at, owner, event) => format!("{} holds {} for {}", name(at), number(event), name(owner)),
            Step::Acknowledge(event) => format!("request {} is answered", number(event)),
            Step::Settle(at, event) => format!("{} settles {}", name(at), number(event)),
            Step::Tell(at, event) => format!("{} tells {}", name(at), number(event)),
            Step::Remove(at, event) => format!("{} forgets {}", name(at), number(event)),
            Step::Ask(at, owner) => format!("{} asks {}", name(at), name(owner)),
            Step::Answer(at, owner) => format!("{} answers {}", name(owner), name(at)),
            Step::Drop(at, owner) => format!("{} drops what {} is done with", name(at), name(owner)),
            Step::Adopt(at, owner) => format!("{} adopts what it holds for {}", name(at), name(owner)),
            Step::Lose(at) => format!("{} loses its disk", name(at)),
            Step::Copy => "a copy of A is put away".to_owned(),
            Step::Restore => "the copy of A is put back".to_owned(),
            Step::Know => "the cluster knows of A's start".to_owned(),
            Step::Restart => "A starts again".to_owned(),
        };
        let homes = after.homes.iter().map(|home| {
            let held = home.held.iter().map(|lives| format!("{:02b}{:02b}", lives[0], lives[1])).collect::<Vec<_>>();
            format!("{:02b}/{:02b} ({})", home.intents, home.queue, held.join(" "))
        });
        format!("{what:<34} {}", homes.collect::<Vec<_>>().join("  "))
    }
}

fn run(scope: &str, left_out: Option<&str>, limit: usize) -> Outcome {
    let left_out = search::rule_to_leave_out(RULES, left_out);
    let mut words = scope.split(' ');
    let events = words.next().and_then(|word| word.parse().ok()).expect("a scope like \"1 lost-2 restored away\"");
    let (mut losses, mut restored, mut away) = (0, false, false);
    for word in words {
        match word {
            "lost" => losses = 1,
            "lost-2" => losses = 2,
            "lost-3" => losses = 3,
            "restored" => restored = true,
            "away" => away = true,
            _ => panic!("no such word: {word}"),
        }
    }
    search::search(&Events { left_out, events, restored, away, losses }, limit)
}

const CASES: &[Case] = &[
    all("1 lost"),
    all("1 lost restored"),
    long("1 lost away"),
    long("1 lost-2"),
    long("1 lost-2 restored"),
    long("1 lost-3 away restored"),
    long("2 lost"),
    long("2 lost away"),
    long("2 lost-2 restored"),
    without("own-first", "1 lost"),
    without("held-first", "1 lost"),
    without("asked-only", "2 lost"),
    without("same-life", "1 lost"),
    without("known-first", "1 lost restored"),
    without("one-view", "1 lost"),
];

fn main() {
    search::main_of("events", RULES, CASES, &run);
}
