//! The limits of links and calls, in one place, with where each number comes from. Nothing in this
//! crate grows beyond them, whatever a stranger or a member does.

use std::time::Duration;

/// Members and former members a node remembers. A cluster of homes has tens of nodes; a gossip flood
/// of invented ones ends here.
pub const PEERS_MAX: usize = 1024;
/// Calls under way to one peer in one class; also what we serve on one link. 50 ms of round trip and
/// 20 000 calls/s keep 1 000 calls in flight.
pub const CALLS_MAX: usize = 1024;
/// HTTP/2 streams that one link serves: the calls, as many again whose end is still under way, pings.
pub(crate) const SERVED_STREAMS_MAX: usize = 2 * CALLS_MAX;
/// The encoded request or reply of one message, without its attachment. A batch of 1 000 rows of a
/// few KiB fits.
pub const BODY_MAX_BYTES: usize = 4 << 20;
/// The longest attachment that travels as one piece: a block of 1 MiB, and room for what a codec adds.
/// Longer ones are streams.
pub const PIECE_MAX_BYTES: usize = 2 << 20;
/// The upper layer's header in each message: stamps and numbers, some tens of bytes today.
pub const ENVELOPE_MAX_BYTES: usize = 1024;
/// Bytes of messages under way to (and, counted apart, from) one peer: 64 blocks of 1 MiB.
pub const IN_FLIGHT_BYTES: usize = 64 << 20;
/// Requests above this size wait for room in the window of their peer; smaller ones do not stand in line behind them.
pub(crate) const LARGE_MIN_BYTES: usize = 64 << 10;
/// The window of large requests to a peer whose line is not known yet: 100 MB/s at 90 ms.
pub(crate) const WINDOW_START_BYTES: usize = 9 << 20;
/// Answers to large requests within this time say that the line carries more.
pub(crate) const ANSWER_SOON: Duration = Duration::from_secs(1);
/// Later ones say that too much is under way. In between the window stays.
pub(crate) const ANSWER_LATE: Duration = Duration::from_secs(2);
/// The slowest line to a peer that large requests are given time for: 128 kbit/s. The first ones, nine blocks to each of two
/// peers, come in time over 2 Mbit/s. That the other end is gone is noticed long before.
pub(crate) const SLOWEST_BYTES_PER_SECOND: usize = 16 << 10;
/// Encoded replies to our calls to one peer that are being read, without attachments (those wait in
/// the window). A safety net: 250 listings of 1 MiB at once.
pub const REPLIES_BYTES: usize = 256 << 20;
/// Calls to one peer whose request carries a stream. Each holds a window while its reader is slow.
pub const STREAMS_MAX: usize = 64;

/// How long a connection may take until both ends know each other. A stranger costs no more.
pub const HANDSHAKE_LIMIT: Duration = Duration::from_secs(5);
/// What is read from a connection before the other end has proven that it belongs to the cluster. A
/// handshake with raw public keys takes about 1 KiB; the rest is room for other TLS stacks.
pub const HANDSHAKE_MAX_BYTES: u64 = 8 << 10;
/// One hello: fixed fields of about 100 bytes, an address, room for later versions.
pub const HELLO_MAX_BYTES: usize = 1024;
/// Accepted connections that are still shaking hands.
pub const STRANGERS_MAX: usize = 64;
/// The same from one address. A pair opens four at a time, and several nodes may share an address.
pub const STRANGERS_PER_ADDRESS_MAX: usize = 24;

/// How long a guest with an invitation may take in all; the host writes two small files meanwhile.
pub const GUEST_LIMIT: Duration = Duration::from_secs(15);
/// What a guest and its host say to each other: a name and a secret, within one hello's size.
pub const GUEST_TEXT_MAX_BYTES: usize = HELLO_MAX_BYTES - 128;
/// Before a wrong token is answered. With the places for strangers that is at most 64 guesses a second
/// at 128 bits.
pub const GUESS_PAUSE: Duration = Duration::from_secs(1);

/// Links of one class on which one peer calls us. One is usual; while both ends dial there may be two.
pub const SERVED_LINKS_MAX: usize = 4;
/// Streams of other nodes that pass through this one.
pub const RELAYED_STREAMS_MAX: usize = 64;
/// Addresses kept for one peer.
pub const ADDRESSES_MAX: usize = 8;

/// Between two pings on a link.
pub const PING_INTERVAL: Duration = Duration::from_secs(2);
/// Between two looks at whether anything has come from the other end.
pub const WATCH_INTERVAL: Duration = Duration::from_millis(500);
/// Looks without a single byte after which the other end counts as gone: 4.5 s, two lost pings. Both
/// ends ping, so a link that is busy in one direction still hears the other end.
pub const SILENT_LOOKS_MAX: u32 = 9;
/// The longest pause between two attempts to reach a peer.
pub const BACKOFF_MAX: Duration = Duration::from_secs(5);
/// The shortest one.
pub const BACKOFF_MIN: Duration = Duration::from_millis(50);
/// How often a peer that is reached through another one is dialled directly again.
pub const DIRECT_RETRY_INTERVAL: Duration = Duration::from_secs(30);
/// Common peers asked, one after the other, to pass a link on.
pub const RELAYS_TRIED_MAX: usize = 3;

/// Between two lines of the log about one member that breaks the rules.
pub(crate) const COMPLAINT_INTERVAL: Duration = Duration::from_secs(60);
/// How long the head of a request may take once its stream is open: all that may be under way to us, over the slowest line.
pub(crate) const HEAD_LIMIT: Duration =
    Duration::from_secs((IN_FLIGHT_BYTES / SLOWEST_BYTES_PER_SECOND) as u64);

/// HTTP/2 window of one stream: a block in one message goes out without waiting for a round trip.
pub(crate) const STREAM_WINDOW_BYTES: u32 = 2 << 20;
/// HTTP/2 window of one link: room for all that may be under way, so that a reader who is slow, or
/// waits for another one, never holds up the rest. Also the most that one link can make us buffer.
pub(crate) const LINK_WINDOW_BYTES: u32 = IN_FLIGHT_BYTES as u32 + STREAMS_MAX as u32 * STREAM_WINDOW_BYTES;
/// The largest HTTP/2 frame. The record of TLS ends at 16 KiB; larger frames only save headers.
pub(crate) const FRAME_MAX_BYTES: u32 = 64 << 10;
/// What one stream buffers before it is written: one message.
pub(crate) const SEND_BUFFER_BYTES: usize = 1 << 20;
/// HTTP headers of one message: a path and nothing else.
pub(crate) const HEADERS_MAX_BYTES: u32 = 4 << 10;
