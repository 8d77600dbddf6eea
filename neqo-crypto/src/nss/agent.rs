//! One TLS connection of NSS without its record layer, as a safe type.
//!
//! What NSS says by callbacks ([`hooks`]) is taken out when the call that caused it is over.

use std::{
    ffi::{CString, c_int, c_uint},
    fmt::{self, Debug, Formatter},
    ptr::null_mut,
    sync::Arc,
};

use zeroize::Zeroizing;

use super::{
    certs::{self, Credential},
    check, compress, exp,
    ffi::{self, PRFileDesc, option},
    hooks::{self, Epoch, Mark, Output, Shared, bytes},
    io::File,
    last_code,
    tickets::AntiReplay,
};
use crate::error::{Error, Res};

/// Why a call failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// NSS's error code.
    pub(crate) code: i32,
    /// The alert that NSS wants to send, if it said so.
    pub(crate) alert: Option<u8>,
}

/// What clients and servers have in common.
#[derive(Debug)]
pub(crate) struct Common<'a> {
    /// Cipher suites by their numbers, the preferred one first.
    pub(crate) ciphers: &'a [u16],
    /// Groups by their numbers, the preferred one first.
    pub(crate) groups: &'a [u16],
    /// Application protocols, the preferred one first.
    pub(crate) alpn: &'a [Vec<u8>],
    /// The transport parameters to send.
    pub(crate) params: Vec<u8>,
    /// Whether early data is allowed.
    pub(crate) early_data: bool,
    /// The time, in microseconds since 1970.
    pub(crate) now: i64,
}

/// A TLS connection.
// Fields are dropped in their order: the file before what its callbacks use.
pub(crate) struct Agent {
    file: File,
    shared: Shared,
    identity: Option<Arc<Credential>>,
}

#[expect(
    clippy::non_send_fields_in_send_ty,
    reason = "pointers of NSS, see below"
)]
// SAFETY: NSS's locks are off for this file, so it is for one thread at a time. Whoever has the agent is the only one:
// `File` and `Shared` are private and never copied. What files share inside NSS has locks.
unsafe impl Send for Agent {}

impl Agent {
    fn new(common: &Common<'_>) -> Res<Self> {
        super::init()?;
        let agent = Self {
            file: File::new()?,
            shared: Shared::new(common.params.clone(), common.now),
            identity: None,
        };
        // SAFETY: the file is open, and closed before what the callbacks use goes (see `Agent`). So below.
        unsafe { agent.shared.attach(agent.fd())? };
        agent.options(common)?;
        Ok(agent)
    }

    pub(super) const fn fd(&self) -> *mut PRFileDesc {
        self.file.get()
    }

    fn set(&self, option: c_int, value: c_int) -> Res<()> {
        // SAFETY: the file is open.
        let status = unsafe { ffi::SSL_OptionSet(self.fd(), option, value) };
        check(status, "an option of NSS")
    }

    fn options(&self, common: &Common<'_>) -> Res<()> {
        // All that mean something in TLS 1.3: a host may have set defaults for connections of its own.
        for (option, value) in [
            (option::SECURITY, 1),
            (option::REQUEST_CERTIFICATE, 0),
            (option::REQUIRE_CERTIFICATE, 0),
            (option::NO_CACHE, 0),
            // Before the locks, which it asks for.
            (option::ENABLE_FDX, 0),
            (option::NO_LOCKS, 1),
            (option::SESSION_TICKETS, 0),
            (option::REUSE_SERVER_ECDHE_KEY, 0),
            (option::POST_HANDSHAKE_AUTH, 0),
            (option::DELEGATED_CREDENTIALS, 0),
            (option::OCSP_STAPLING, 1),
            (option::SIGNED_CERT_TIMESTAMPS, 1),
            (option::ALPN, 1),
            (option::EARLY_DATA, c_int::from(common.early_data)),
            //= rfc9001#section-8.4
            //# Endpoints MUST NOT use the TLS compatibility mode
            (option::TLS13_COMPAT_MODE, 0),
            //= rfc9001#section-8.3
            //# Clients MUST NOT send the EndOfEarlyData message.
            (option::SUPPRESS_END_OF_EARLY_DATA, 1),
        ] {
            self.set(option, value)?;
        }
        let range = ffi::SSLVersionRange {
            min: ffi::SSL_LIBRARY_VERSION_TLS_1_3,
            max: ffi::SSL_LIBRARY_VERSION_TLS_1_3,
        };
        // SAFETY: the file is open; NSS copies the range.
        let status = unsafe { ffi::SSL_VersionRangeSet(self.fd(), &raw const range) };
        check(status, "TLS 1.3")?;
        self.ciphers(common.ciphers)?;
        self.groups(common.groups)?;
        self.alpn(common.alpn)
    }

    fn ciphers(&self, ciphers: &[u16]) -> Res<()> {
        const ALL: [u16; 3] = [0x1301, 0x1302, 0x1303];
        let mut order = Vec::with_capacity(ALL.len());
        for &c in ciphers {
            if !order.contains(&c) {
                order.push(c);
            }
        }
        for cipher in ALL {
            let on = c_int::from(ciphers.contains(&cipher));
            // SAFETY: the file is open.
            let status = unsafe { ffi::SSL_CipherPrefSet(self.fd(), i32::from(cipher), on) };
            check(status, "a cipher suite")?;
        }
        // SAFETY: the file is open; NSS copies the list.
        unsafe { exp::cipher_suite_order_set(self.fd(), order.as_ptr(), count(&order)?) }
    }

    fn groups(&self, groups: &[u16]) -> Res<()> {
        let groups: Vec<c_uint> = groups.iter().map(|&g| c_uint::from(g)).collect();
        // SAFETY: the file is open; NSS copies the list.
        let status =
            unsafe { ffi::SSL_NamedGroupConfig(self.fd(), groups.as_ptr(), count(&groups)?) };
        check(status, "groups")
    }

    /// NSS takes the first protocol for the last in preference: a habit from before ALPN.
    fn alpn(&self, protocols: &[Vec<u8>]) -> Res<()> {
        let mut list = Vec::new();
        let count_of = protocols.len();
        let from = count_of.saturating_sub(1);
        for p in protocols.iter().cycle().skip(from).take(count_of) {
            list.push(u8::try_from(p.len()).map_err(|_| Error::Internal("a long protocol"))?);
            list.extend_from_slice(p);
        }
        // SAFETY: the file is open; NSS copies the list.
        let status = unsafe { ffi::SSL_SetNextProtoNego(self.fd(), list.as_ptr(), count(&list)?) };
        check(status, "application protocols")
    }

    fn reset(&self, server: bool) -> Res<()> {
        // SAFETY: the file is open.
        let status = unsafe { ffi::SSL_ResetHandshake(self.fd(), c_int::from(server)) };
        check(status, "a handshake of NSS")
    }

    /// A client that connects to `name` and sends `more_shares` key shares besides that of the first group.
    pub(crate) fn client(common: &Common<'_>, name: &str, more_shares: u32) -> Res<Self> {
        let agent = Self::new(common)?;
        let fd = agent.fd();
        let name = CString::new(name).map_err(|_| Error::Config("a name with NUL".into()))?;
        // SAFETY: the file is open; the name ends with NUL and is copied.
        unsafe {
            check(ffi::SSL_SetURL(fd, name.as_ptr()), "the server's name")?;
            check(
                ffi::SSL_SendAdditionalKeyShares(fd, more_shares),
                "key shares",
            )?;
            agent.shared.attach_client(fd)?;
        }
        compress::offer(fd)?;
        agent.reset(false)?;
        Ok(agent)
    }

    /// A server that proves to be `credential` and puts `mark` into its tickets.
    pub(crate) fn server(
        common: &Common<'_>,
        credential: &Credential,
        mark: Mark,
        replay: Option<&AntiReplay>,
    ) -> Res<Self> {
        let mut agent = Self::new(common)?;
        agent.shared.get().mark = mark;
        let fd = agent.fd();
        credential.configure(fd)?;
        // SAFETY: see `new`.
        unsafe { agent.shared.attach_server(fd)? };
        if let Some(replay) = replay {
            // SAFETY: the file is open.
            //= rfc9001#section-4.6.1
            //# Servers MUST NOT send the early_data extension with a
            //# max_early_data_size field set to any value other than 0xffffffff.
            unsafe { exp::set_max_early_data_size(fd, u32::MAX)? };
            replay.configure(fd)?;
        }
        compress::offer(fd)?;
        agent.reset(true)?;
        Ok(agent)
    }

    /// Has a client prove to be `credential`, if it is asked.
    pub(crate) fn set_identity(&mut self, credential: Arc<Credential>) -> Res<()> {
        let credential = self.identity.insert(credential);
        // SAFETY: the file is open, and closed before the credential goes (see `Agent`).
        unsafe { hooks::attach_identity(self.file.get(), credential) }
    }

    /// Asks clients for a certificate; `require` refuses those that have none.
    pub(crate) fn request_certificate(&self, require: bool) -> Res<()> {
        self.set(option::REQUEST_CERTIFICATE, 1)?;
        self.set(option::REQUIRE_CERTIFICATE, c_int::from(require))
    }

    /// Offers to resume with what `take_tokens` once gave.
    pub(crate) fn resume(&self, token: &[u8]) -> Res<()> {
        // SAFETY: the file is open; NSS copies the token.
        unsafe { exp::set_resumption_token(self.fd(), token.as_ptr(), count(token)?) }
    }

    /// On a server: has NSS take all tickets of the next `ClientHello` for older than the `life` that it lets them have,
    /// in microseconds. So it makes a full handshake, whatever the client offers.
    pub(crate) const fn refuse_tickets(&mut self, life: i64) {
        self.shared.get().ahead = life;
    }

    /// Sets the time, in microseconds since 1970.
    pub(crate) const fn set_now(&mut self, now: i64) {
        self.shared.get().now = now;
    }

    /// The time, in microseconds since 1970.
    pub(crate) const fn now(&mut self) -> i64 {
        self.shared.get().now
    }

    fn outcome(&mut self, result: Result<(), i32>) -> Result<(), Failure> {
        result.map_err(|code| Failure {
            code,
            alert: self.shared.get().alert,
        })
    }

    /// Goes on as far as what was fed allows; true if the handshake is complete.
    pub(crate) fn drive(&mut self) -> Result<bool, Failure> {
        // SAFETY: the file is open.
        let status = unsafe { ffi::SSL_ForceHandshake(self.fd()) };
        if status == ffi::SEC_SUCCESS {
            return Ok(true);
        }
        let code = last_code();
        if code == ffi::PR_WOULD_BLOCK_ERROR {
            return Ok(false);
        }
        self.outcome(Err(code)).map(|()| false)
    }

    /// Feeds a handshake message.
    pub(crate) fn feed(&mut self, epoch: Epoch, message: &[u8]) -> Result<(), Failure> {
        let len = c_uint::try_from(message.len()).unwrap_or(c_uint::MAX);
        // SAFETY: the file is open; NSS copies the message.
        let result = unsafe {
            exp::record_layer_data(
                self.fd(),
                epoch,
                ffi::SSL_CT_HANDSHAKE,
                message.as_ptr(),
                len,
            )
        };
        self.outcome(result.map_err(|_| last_code()))
    }

    /// What NSS produced since the last time.
    pub(crate) fn take_output(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.shared.get().output)
    }

    /// The tickets that came since the last time.
    pub(crate) fn take_tokens(&mut self) -> Vec<Zeroizing<Vec<u8>>> {
        std::mem::take(&mut self.shared.get().tokens)
    }

    /// The peer's transport parameters as last seen.
    pub(crate) fn peer_params(&mut self) -> Option<&[u8]> {
        self.shared.get().peer_params.as_deref()
    }

    /// The name that the client asked for, on a server.
    pub(crate) fn asked_name(&mut self) -> Option<String> {
        let name = self.shared.get().name.clone();
        String::from_utf8(name).ok().filter(|n| !n.is_empty())
    }

    /// True if a certificate waits for its verdict.
    pub(crate) const fn asked(&mut self) -> bool {
        self.shared.get().asked
    }

    /// Says that the certificate is good.
    pub(crate) fn accept(&mut self) -> Result<(), Failure> {
        self.shared.get().asked = false;
        // SAFETY: the file is open.
        let status = unsafe { ffi::SSL_AuthCertificateComplete(self.fd(), 0) };
        let result = if status == ffi::SEC_SUCCESS {
            Ok(())
        } else {
            match last_code() {
                ffi::PR_WOULD_BLOCK_ERROR => Ok(()),
                code => Err(code),
            }
        };
        self.outcome(result)
    }

    /// The peer's chain as DER, its own certificate first.
    pub(crate) fn chain(&self) -> Vec<Vec<u8>> {
        // SAFETY: the file is open; what NSS gives is ours.
        unsafe {
            let mut array = null_mut();
            if exp::peer_certificate_chain_der(self.fd(), &raw mut array).is_ok() {
                return certs::array(array);
            }
            certs::ders(ffi::SSL_PeerCertificateChain(self.fd()))
        }
    }

    /// The first OCSP response that the peer stapled, and its certificate timestamps.
    pub(crate) fn stapled(&self) -> (Option<Vec<u8>>, Option<Vec<u8>>) {
        // SAFETY: the file is open; what NSS lends is copied before the file is used again.
        unsafe {
            let ocsp = ffi::SSL_PeerStapledOCSPResponses(self.fd())
                .as_ref()
                .filter(|a| a.len > 0)
                .and_then(|a| a.items.as_ref())
                .map(|i| bytes(i.data, i.len).to_vec());
            let sct = ffi::SSL_PeerSignedCertTimestamps(self.fd())
                .as_ref()
                .map(|i| bytes(i.data, i.len).to_vec());
            let some = |v: &Vec<u8>| !v.is_empty();
            (ocsp.filter(some), sct.filter(some))
        }
    }

    /// The application protocol.
    pub(crate) fn alpn_selected(&self) -> Option<Vec<u8>> {
        let mut buf = [0; 255];
        let (mut state, mut len) = (0, 0);
        // SAFETY: the file is open; the buffer is as long as said.
        let status = unsafe {
            ffi::SSL_GetNextProto(
                self.fd(),
                &raw mut state,
                buf.as_mut_ptr(),
                &raw mut len,
                255,
            )
        };
        // What a server says of its choice, and a client.
        let chosen =
            [ffi::SSL_NEXT_PROTO_NEGOTIATED, ffi::SSL_NEXT_PROTO_SELECTED].contains(&state);
        (status == ffi::SEC_SUCCESS && chosen)
            .then(|| buf.get(..usize::try_from(len).ok()?).map(<[u8]>::to_vec))
            .flatten()
    }

    /// On a server: when the client proved who it is, or did not want to, in the session whose ticket, of this server,
    /// came with the first `ClientHello`, in microseconds since 1970.
    pub(crate) const fn ticket(&mut self) -> Option<i64> {
        self.shared.get().ticket
    }

    /// On a server: whether the handshake ended because a ticket of another server came. All servers of a process
    /// decrypt each other's tickets.
    pub(crate) const fn foreign_ticket(&mut self) -> bool {
        self.shared.get().foreign
    }

    /// What is known before the handshake is complete.
    pub(super) fn preliminary(&self) -> Res<ffi::SSLPreliminaryChannelInfo> {
        let mut info = ffi::SSLPreliminaryChannelInfo::default();
        let len = c_uint::try_from(size_of_val(&info)).unwrap_or(0);
        // SAFETY: the file is open; the structure is as long as said.
        let status = unsafe { ffi::SSL_GetPreliminaryChannelInfo(self.fd(), &raw mut info, len) };
        check(status, "what was negotiated")?;
        Ok(info)
    }

    /// The suite of the early data that a client offers.
    pub(crate) fn early_data_cipher(&self) -> Res<u16> {
        Ok(self.preliminary()?.zero_rtt_cipher_suite)
    }

    /// True if the server accepted encrypted `ClientHello`.
    pub(crate) fn ech_accepted(&self) -> Res<bool> {
        Ok(self.preliminary()?.ech_accepted != 0)
    }

    /// Sends a ticket of a session whose client `proved` who it is then, in microseconds since 1970.
    pub(crate) fn send_ticket(&mut self, proved: i64) -> Result<(), Failure> {
        let ticket = hooks::ticket(&self.shared.get().mark, proved);
        let len = c_uint::try_from(ticket.len()).unwrap_or(0);
        // SAFETY: the file is open; NSS copies what the ticket says.
        let result = unsafe { exp::send_session_ticket(self.fd(), ticket.as_ptr(), len) };
        self.outcome(result.map_err(|_| last_code()))
    }

    /// Exports keying material.
    pub(crate) fn export(&self, label: &str, context: &[u8], out: &mut [u8]) -> Res<()> {
        // SAFETY: the file is open; each pointer goes with the length of what it points to.
        let status = unsafe {
            ffi::SSL_ExportKeyingMaterial(
                self.fd(),
                label.as_ptr().cast(),
                count(label.as_bytes())?,
                // An empty context is the same as none (RFC 8446 §7.5), and NSS wants none.
                c_int::from(!context.is_empty()),
                context.as_ptr(),
                count(context)?,
                out.as_mut_ptr(),
                count(out)?,
            )
        };
        check(status, "exporter")
    }
}

/// The length of a slice, for NSS.
pub(super) fn count<T>(slice: &[T]) -> Res<c_uint> {
    c_uint::try_from(slice.len()).map_err(|_| Error::Internal("more than NSS can count"))
}

impl Debug for Agent {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("Agent(..)")
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Instant;

    use neqo_common::Decoder;

    use super::{super::hooks::TRANSPORT_PARAMETERS, *};
    use crate::{Client, Event, Events, Identity, Level, Provider, Server, Session, Verification};

    /// Reads what the other has to say; gives its own answer.
    pub(in crate::nss) fn turn(
        session: &mut dyn Session,
        from: Vec<(Level, Vec<u8>)>,
        tickets: &mut usize,
    ) -> Vec<(Level, Vec<u8>)> {
        #[expect(clippy::disallowed_methods, reason = "a base for the times passed in")]
        let now = Instant::now();
        let mut answer = Vec::new();
        for (level, data) in from {
            let mut out = Events::default();
            session.read(level, &data, now, &mut out).unwrap();
            if out.iter().any(|e| matches!(e, Event::ClientHello(_))) {
                session.set_local_params(b"server", now, &mut out).unwrap();
            }
            while let Some(event) = out.pop() {
                match event {
                    Event::Crypto { level, data } => answer.push((level, data)),
                    Event::Ticket(_) => *tickets += 1,
                    _ => {}
                }
            }
        }
        answer
    }

    /// The extensions of a `ClientHello`.
    fn extensions(hello: &[u8]) -> Vec<u16> {
        let mut d = Decoder::new(&hello[4 + 2 + 32..]);
        for n in [1, 2, 1] {
            d.decode_vec(n).unwrap();
        }
        let mut d = Decoder::new(d.decode_vec(2).unwrap());
        let mut found = Vec::new();
        while let Some(kind) = d.decode_uint() {
            found.push(kind);
            d.decode_vec(2).unwrap();
        }
        found
    }

    /// A browser sets defaults for its TCP connections, in the same process.
    #[test]
    fn defaults_of_the_host() {
        super::super::init().unwrap();
        for (option, value) in [
            (option::SECURITY, 0),
            (option::REQUEST_CERTIFICATE, 1),
            (option::REQUIRE_CERTIFICATE, 1),
            (option::NO_CACHE, 1),
            (option::ENABLE_FDX, 1),
            (option::SESSION_TICKETS, 1),
            (option::POST_HANDSHAKE_AUTH, 1),
            (option::DELEGATED_CREDENTIALS, 1),
            (option::EARLY_DATA, 1),
            (option::TLS13_COMPAT_MODE, 1),
        ] {
            // SAFETY: NSS is up; it takes any option and value.
            let status = unsafe { ffi::SSL_OptionSetDefault(option, value) };
            check(status, "a default").unwrap();
        }
        let client = Client::builder()
            .provider(Provider::Nss)
            .verification(Verification::Insecure);
        let server = Server::builder(Identity::self_signed(&["example.com"]).unwrap());
        let server = server.provider(Provider::Nss).build().unwrap();
        let alpn = [b"h3".to_vec()];
        let mut client = client
            .build()
            .unwrap()
            .session("example.com", &alpn, b"client");
        let client = client.as_mut().unwrap();
        let mut server = server.session(&alpn).unwrap();
        #[expect(clippy::disallowed_methods, reason = "a base for the times passed in")]
        let now = Instant::now();
        let mut out = Events::default();
        server.start(now, &mut out).unwrap();
        client.start(now, &mut out).unwrap();
        let Some(Event::Crypto { level, data }) = out.pop() else {
            panic!("no ClientHello");
        };
        let hello = crate::ClientHello::parse(&data).unwrap();
        assert!(hello.session_id().is_empty());
        let sent = extensions(&data);
        assert!(sent.contains(&TRANSPORT_PARAMETERS), "{sent:?}");
        // delegated_credential (RFC 9345), post_handshake_auth (RFC 8446 §4.2.6)
        assert!(!sent.contains(&34) && !sent.contains(&49), "{sent:?}");
        let mut tickets = 0;
        let mut flight = vec![(level, data)];
        while !flight.is_empty() {
            let answer = turn(&mut *server, flight, &mut tickets);
            flight = turn(&mut **client, answer, &mut tickets);
        }
        assert_eq!(tickets, 2);
    }
}
