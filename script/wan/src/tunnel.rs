//! A network namespace and the device in it that this program holds the other end of.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::process::Command;

/// `TUNSETIFF` of linux/if_tun.h.
const TUN_SET_INTERFACE: libc::c_ulong = 0x4004_54ca;
/// `IFF_TUN | IFF_NO_PI`: bare IP packets.
const BARE_PACKETS: i16 = 0x0001 | 0x1000;

/// One home's link.
pub struct Tunnel {
    namespace: String,
    device: OwnedFd,
}

/// `struct ifreq`, as far as it matters.
#[repr(C)]
struct InterfaceRequest {
    name: [u8; 16],
    flags: i16,
    rest: [u8; 22],
}

impl Tunnel {
    /// Makes the namespace of home `number`.
    pub fn open(number: usize) -> io::Result<Self> {
        let namespace = format!("home{number}");
        if std::path::Path::new(&format!("/var/run/netns/{namespace}")).exists() {
            // Left by a run that was killed.
            ip(&format!("netns del {namespace}"))?;
        }
        ip(&format!("netns add {namespace}"))?;
        let device = open_device(&namespace)?;
        ip(&format!("-n {namespace} addr add 10.77.0.{number}/24 dev wan0"))?;
        ip(&format!("-n {namespace} link set wan0 mtu 1500 txqueuelen 10000 up"))?;
        ip(&format!("-n {namespace} link set lo up"))?;
        Ok(Self { namespace, device })
    }

    /// To wait for packets.
    pub fn descriptor(&self) -> i32 {
        self.device.as_raw_fd()
    }

    /// The next packet that the home sends, if there is one.
    pub fn receive<'a>(&self, buffer: &'a mut [u8]) -> Option<&'a [u8]> {
        // SAFETY: the buffer is writable for its whole length.
        let length = unsafe { libc::read(self.descriptor(), buffer.as_mut_ptr().cast(), buffer.len()) };
        usize::try_from(length).ok().filter(|length| *length > 0).map(|length| &buffer[..length])
    }

    /// Gives a packet to the home. One that does not fit is lost, as on a wire.
    pub fn send(&self, packet: &[u8]) {
        // SAFETY: the packet is readable for its whole length.
        unsafe { libc::write(self.descriptor(), packet.as_ptr().cast(), packet.len()) };
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        let _ = ip(&format!("netns del {}", self.namespace));
    }
}

fn ip(arguments: &str) -> io::Result<()> {
    let status = Command::new("ip").args(arguments.split_whitespace()).status()?;
    if status.success() { Ok(()) } else { Err(io::Error::other(format!("ip {arguments} failed"))) }
}

fn enter(namespace: &File) -> io::Result<()> {
    // SAFETY: a descriptor of a network namespace; it changes this thread only.
    let entered = unsafe { libc::setns(namespace.as_raw_fd(), libc::CLONE_NEWNET) };
    if entered == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn open_device(namespace: &str) -> io::Result<OwnedFd> {
    let here = File::open("/proc/self/ns/net")?;
    enter(&File::open(format!("/var/run/netns/{namespace}"))?)?;
    // SAFETY: a path that ends with a zero byte; the descriptor is owned from here on.
    let device = unsafe {
        let raw = libc::open(c"/dev/net/tun".as_ptr(), libc::O_RDWR | libc::O_NONBLOCK);
        if raw < 0 {
            return Err(io::Error::last_os_error());
        }
        OwnedFd::from_raw_fd(raw)
    };
    let mut request = InterfaceRequest { name: [0; 16], flags: BARE_PACKETS, rest: [0; 22] };
    request.name[..4].copy_from_slice(b"wan0");
    // SAFETY: the request has the layout that the call reads.
    let made = unsafe { libc::ioctl(device.as_raw_fd(), TUN_SET_INTERFACE, &request) };
    let outcome = if made == 0 { Ok(device) } else { Err(io::Error::last_os_error()) };
    enter(&here)?;
    outcome
}
