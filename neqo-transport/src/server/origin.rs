//! Addresses to which nothing is ever sent, whatever a datagram claims about its source.

use std::net::{IpAddr, SocketAddr};

/// Ports of services that answer any datagram, or that are used to amplify: port 0, quote of the
/// day, chargen, DNS, portmap, NTP, NetBIOS, SNMP, CLDAP, IKE, SSDP, WS-Discovery, mDNS, LLMNR
/// and memcached. No client sends from them. In ascending order.
const SERVICES: [u16; 16] = [
    0, 17, 19, 53, 111, 123, 137, 138, 161, 389, 500, 1900, 3702, 5353, 5355, 11211,
];

/// Whether a datagram from `remote` may be answered.
// hardening A21
pub fn may_answer(local: SocketAddr, remote: SocketAddr) -> bool {
    let (here, there) = (local.ip().to_canonical(), remote.ip().to_canonical());
    let elsewhere = match there {
        IpAddr::V4(a) => a.is_unspecified() || a.is_multicast() || a.is_broadcast(),
        IpAddr::V6(a) => a.is_unspecified() || a.is_multicast(),
    };
    // A link-local neighbour is reached over a link-local address of ours, or over one that the
    // host did not tell; seen from any other address, such a source is forged.
    let foreign_link = is_link_local(there) && !is_link_local(here) && !here.is_unspecified();
    let ourselves = here == there && local.port() == remote.port();
    !elsewhere && !foreign_link && !ourselves && SERVICES.binary_search(&remote.port()).is_err()
}

const fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(a) => a.is_link_local(),
        IpAddr::V6(a) => a.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::{SERVICES, may_answer};

    fn ok(local: &str, remote: &str) -> bool {
        may_answer(local.parse().unwrap(), remote.parse().unwrap())
    }

    // hardening A21
    #[test]
    fn forged_sources() {
        assert!(SERVICES.is_sorted());
        let here = "192.0.2.1:443";
        for good in ["198.51.100.7:50000", "192.0.2.1:50000", "127.0.0.1:1024"] {
            assert!(ok(here, good), "{good}");
        }
        for bad in [
            "198.51.100.7:0",
            "198.51.100.7:53",
            "198.51.100.7:11211",
            "0.0.0.0:50000",
            "224.0.0.1:50000",
            "255.255.255.255:50000",
            "169.254.1.1:50000",
            "192.0.2.1:443",
            "[::ffff:224.0.0.1]:50000",
            "[ff02::1]:50000",
            "[::]:50000",
            "[fe80::1]:50000",
        ] {
            assert!(!ok(here, bad), "{bad}");
        }
        assert!(ok("169.254.1.2:443", "169.254.1.1:50000"));
        assert!(ok("[fe80::2]:443", "[fe80::1]:50000"));
        assert!(ok("0.0.0.0:443", "169.254.1.1:50000"));
    }
}
