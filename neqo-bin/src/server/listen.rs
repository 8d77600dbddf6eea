//! The sockets that the server listens on.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use socket2::{Domain, Protocol, Socket, Type};

use super::{args::DEFAULT_LISTEN, error::Error};

/// Binds a UDP socket for every address that the arguments stand for.
pub async fn bind(args: &[String]) -> Result<Vec<UdpSocket>, Error> {
    let mut addrs = Vec::new();
    for arg in args {
        for addr in resolve(arg).await? {
            // Port 0 is another port each time.
            if addr.port() == 0 || !addrs.contains(&addr) {
                addrs.push(addr);
            }
        }
    }
    let mut sockets = Vec::with_capacity(addrs.len());
    for addr in &addrs {
        match bind_one(*addr, dual_stack(*addr, &addrs)) {
            Ok(socket) => sockets.push(socket),
            // Where IPv6 is off, the default still means "everywhere".
            Err(_) if args == [DEFAULT_LISTEN] => {
                let v4 = SocketAddr::from((Ipv4Addr::UNSPECIFIED, addr.port()));
                sockets.push(bind_one(v4, false)?);
            }
            Err(e) => return Err(e),
        }
    }
    Ok(sockets)
}

async fn resolve(arg: &str) -> Result<Vec<SocketAddr>, Error> {
    let found = tokio::net::lookup_host(arg)
        .await
        .map_err(|e| Error::Address {
            arg: arg.to_owned(),
            reason: e.to_string(),
        })?;
    let addrs: Vec<_> = found.collect();
    if addrs.is_empty() {
        return Err(Error::Address {
            arg: arg.to_owned(),
            reason: "the name has no address".into(),
        });
    }
    Ok(addrs)
}

/// `[::]` takes IPv4 too, unless `0.0.0.0` is asked for beside it.
fn dual_stack(addr: SocketAddr, all: &[SocketAddr]) -> bool {
    addr.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED)
        && !all
            .iter()
            .any(|a| a.ip() == IpAddr::V4(Ipv4Addr::UNSPECIFIED) && a.port() == addr.port())
}

fn bind_one(addr: SocketAddr, dual_stack: bool) -> Result<UdpSocket, Error> {
    let open = || {
        let socket = Socket::new(Domain::for_address(addr), Type::DGRAM, Some(Protocol::UDP))?;
        if addr.is_ipv6() {
            socket.set_only_v6(!dual_stack)?;
        }
        socket.bind(&addr.into())?;
        Ok(socket.into())
    };
    open().map_err(|source| Error::Bind { addr, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(list: &[&str]) -> Vec<String> {
        list.iter().map(|&s| s.to_owned()).collect()
    }

    #[tokio::test]
    async fn several_sockets() {
        let got = bind(&args(&["127.0.0.1:0", "127.0.0.1:0"])).await.unwrap();
        assert_eq!(got.len(), 2);
        for socket in got {
            assert_ne!(socket.local_addr().unwrap().port(), 0);
        }
    }

    #[tokio::test]
    async fn an_address_is_bound_once() {
        let free = UdpSocket::bind("127.0.0.1:0").unwrap();
        let addr = free.local_addr().unwrap().to_string();
        drop(free);
        let got = bind(&args(&[&addr, &addr])).await.unwrap();
        assert_eq!(got.len(), 1);
    }

    #[tokio::test]
    async fn taken_ports_and_nonsense_are_explained() {
        let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
        let addr = taken.local_addr().unwrap();
        let e = bind(&args(&[&addr.to_string()])).await.unwrap_err();
        assert!(matches!(e, Error::Bind { .. }));
        assert!(e.to_string().contains(&addr.to_string()));
        for bad in ["nonsense", "127.0.0.1", ":x", "no-such-name.invalid:1"] {
            let e = bind(&args(&[bad])).await.unwrap_err();
            assert!(matches!(e, Error::Address { .. }), "{bad}: {e}");
        }
    }

    #[test]
    fn wildcards() {
        let v6: SocketAddr = "[::]:1".parse().unwrap();
        let v4: SocketAddr = "0.0.0.0:1".parse().unwrap();
        assert!(dual_stack(v6, &[v6]));
        assert!(!dual_stack(v6, &[v6, v4]));
        assert!(!dual_stack(v4, &[v4]));
        assert!(!dual_stack("[::1]:1".parse().unwrap(), &[]));
    }
}
