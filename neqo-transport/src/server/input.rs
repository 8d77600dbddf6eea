//! From datagrams to connections, existing ones and new ones (RFC 9000 §5.2.2).

use std::{num::NonZeroUsize, time::Instant};

use bytes::BytesMut;
use neqo_common::{Datagram, Tos, qdebug, qwarn};
use neqo_crypto::{Level, Version};

use super::{
    ConnectionHandle, Server,
    accept::{Proof, Verdict},
    origin, refuse, reset, retry,
    stats::Dropped,
};
use crate::{
    Res, Violation,
    config::limits,
    connection::{Accept, Connection, State},
    wire::header::{Packet, Protected, QuicBit, version_negotiation},
};

/// The Header Form bit of RFC 8999.
const FORM_LONG: u8 = 0x80;

impl Server {
    /// Takes a datagram. It is decrypted in place; data that is not read at once is copied.
    pub fn process_input<A: AsRef<[u8]> + AsMut<[u8]>>(
        &mut self,
        mut d: Datagram<A>,
        now: Instant,
    ) {
        let (src, dst, tos) = (d.source(), d.destination(), d.tos());
        self.on_datagram(Datagram::from_slice(src, dst, tos, d.as_mut()), now);
    }

    /// Takes several datagrams.
    pub fn process_multiple_input<A, I>(&mut self, dgrams: I, now: Instant)
    where
        A: AsRef<[u8]> + AsMut<[u8]>,
        I: IntoIterator<Item = Datagram<A>>,
    {
        for d in dgrams {
            self.process_input(d, now);
        }
    }

    /// Takes datagrams of `stride` bytes each (the last may be shorter), one behind the other in
    /// one buffer, as generic receive offload delivers them. They may be for several connections;
    /// those that are next to each other and for one connection are handed to it together. See
    /// [`Connection::process_input_owned`] for what is kept of the buffer.
    pub fn process_input_owned(
        &mut self,
        d: Datagram<BytesMut>,
        stride: NonZeroUsize,
        now: Instant,
    ) {
        self.roster.reap();
        let (src, dst, tos) = (d.source(), d.destination(), d.tos());
        if !self.admit(&d) {
            return;
        }
        let mut rest = d.into_data();
        // hardening A6: a slice of a run that is small would pin the whole buffer.
        let worth_keeping = rest.capacity() / 2;
        while !rest.is_empty() {
            let (to, len) = self.roster.router.run(&rest, stride.get());
            let mut run = if len < rest.len() {
                rest.split_to(len)
            } else {
                std::mem::take(&mut rest)
            };
            let Some((handle, entry)) = to.and_then(|h| Some((h, self.roster.get_mut(h)?))) else {
                self.on_unrouted(Datagram::from_slice(src, dst, tos, &mut run), now);
                continue;
            };
            if len >= worth_keeping {
                let d = Datagram::from_parts(src, dst, tos, run);
                entry.conn.process_input_owned(d, stride, now);
            } else {
                let dgrams = run
                    .chunks_mut(stride.get())
                    .map(|d| Datagram::from_slice(src, dst, tos, d));
                entry.conn.process_multiple_input(dgrams, now);
            }
            self.after_input(handle);
        }
    }

    fn on_datagram(&mut self, d: Datagram<&mut [u8]>, now: Instant) {
        self.roster.reap();
        if !self.admit(&d) {
            return;
        }
        let router = &self.roster.router;
        let to = router.dcid(&d).and_then(|dcid| router.lookup(dcid));
        if let Some((handle, entry)) = to.and_then(|h| Some((h, self.roster.get_mut(h)?))) {
            entry.conn.process_input(d, now);
            self.after_input(handle);
        } else {
            self.on_unrouted(d, now);
        }
    }

    /// Whether a datagram is to be looked into.
    fn admit<D: AsRef<[u8]>>(&mut self, d: &Datagram<D>) -> bool {
        let reason = if d.is_empty() {
            // hardening A24
            Dropped::Empty
        } else if !origin::may_answer(d.destination(), d.source()) {
            Dropped::Address
        } else {
            return true;
        };
        self.stats.dropped[reason] += 1;
        false
    }

    fn after_input(&mut self, handle: ConnectionHandle) {
        self.roster.wake(handle);
        self.roster.sync(handle);
    }

    /// A datagram whose first packet belongs to no connection.
    fn on_unrouted(&mut self, d: Datagram<&mut [u8]>, now: Instant) {
        if let Err(reason) = self.answer(d, now) {
            self.stats.dropped[reason] += 1;
        }
    }

    fn answer(&mut self, d: Datagram<&mut [u8]>, now: Instant) -> Result<(), Dropped> {
        let first = *d.first().ok_or(Dropped::Empty)?;
        if first & FORM_LONG == 0 {
            return self.reset(&d, first, now);
        }
        let versions = self.context.params.get_versions();
        match Packet::decode(&d, self.roster.router.generator(), QuicBit::Required) {
            Ok(Packet::OtherVersion(other)) => self.negotiate(&d, [other.dcid, other.scid]),
            Ok(Packet::Protected(p)) => match p.version() {
                Some(v) if !versions.is_enabled(v) => self.negotiate(&d, [p.dcid(), p.scid()]),
                Some(v) if p.level() == Level::Initial => self.on_initial(d, v, &p, now),
                //= rfc9000#section-5.2.2
                //# Servers MUST drop incoming packets under all other circumstances.
                _ => Err(Dropped::Unattributed),
            },
            //= rfc9000#section-6.1
            //# An endpoint MUST NOT
            //# send a Version Negotiation packet in response to receiving a Version Negotiation
            //# packet.
            Ok(Packet::Retry(_) | Packet::VersionNegotiation(_)) => Err(Dropped::Unattributed),
            Err(_) => Err(Dropped::Header),
        }
    }

    /// An Initial packet to a connection ID that is not known.
    fn on_initial(
        &mut self,
        d: Datagram<&mut [u8]>,
        version: Version,
        p: &Protected,
        now: Instant,
    ) -> Result<(), Dropped> {
        //= rfc9000#section-14.1
        //# A server MUST discard an Initial packet that is carried in a UDP datagram with a
        //# payload that is smaller than the smallest allowed maximum datagram size of 1200
        //# bytes.
        if d.len() < limits::MIN_INITIAL_DATAGRAM {
            return Err(Dropped::ShortInitial);
        }
        //= rfc9000#section-8.1.3
        //# When a server receives an Initial packet with an address validation token, it
        //# MUST attempt to validate the token, unless it has already completed address
        //# validation.
        let proof = self.tokens.check(p.token(&d), d.source(), p.dcid(), now);
        match self.admission.judge(p.dcid(), &proof, self.roster.load()) {
            Verdict::Accept => self.accept(d, version, p, &proof, now),
            Verdict::Retry => self.retry(&d, version, p, now),
            Verdict::Refuse(violation) => self.refuse(&d, version, p, violation),
            Verdict::Drop(reason) => Err(reason),
        }
    }

    fn accept(
        &mut self,
        d: Datagram<&mut [u8]>,
        version: Version,
        p: &Protected,
        proof: &Proof,
        now: Instant,
    ) -> Result<(), Dropped> {
        let (original_dcid, retry_scid) = match proof {
            Proof::Retry { original_dcid } => (*original_dcid, Some(*p.dcid())),
            Proof::None | Proof::Invalid => (*p.dcid(), None),
        };
        let accept = Accept {
            version,
            dcid: *p.dcid(),
            original_dcid,
            retry_scid,
            scid: *p.scid(),
            local: d.destination(),
            remote: d.source(),
        };
        let random = self.random.fork();
        let conn = Connection::accept(&self.context, &accept, (self.cids)(), random, now);
        let mut conn = own(conn)?;
        conn.process_input(d, now);
        // Until here anybody could have made it up: no trace is left of what does not authenticate.
        // hardening A17, A18
        if matches!(conn.state(), State::Init | State::WaitInitial) {
            return Err(Dropped::Unauthentic);
        }
        qdebug!("{conn} from {}", accept.remote);
        let handle = self
            .roster
            .insert(conn, accept.dcid, now + limits::SERVER_HANDSHAKE_TIME)
            .ok_or(Dropped::Internal)?;
        self.roster.wake(handle);
        self.stats.accepted += 1;
        Ok(())
    }

    /// Asks a client to prove that it receives packets at its address.
    fn retry(
        &mut self,
        d: &Datagram<&mut [u8]>,
        version: Version,
        p: &Protected,
        now: Instant,
    ) -> Result<(), Dropped> {
        let router = &mut self.roster.router;
        let fresh = router.fresh(&mut self.random).ok_or(Dropped::Internal)?;
        let token = own(self.tokens.issue(d.source(), p.dcid(), &fresh, now))?;
        let ids = [p.dcid(), p.scid(), &fresh];
        let packet = own(retry::packet(version, ids, &token, &mut self.random))?;
        self.respond(d, packet)?;
        self.stats.retries += 1;
        Ok(())
    }

    fn refuse(
        &mut self,
        d: &Datagram<&mut [u8]>,
        version: Version,
        p: &Protected,
        violation: Violation,
    ) -> Result<(), Dropped> {
        let router = &mut self.roster.router;
        let fresh = router.fresh(&mut self.random).ok_or(Dropped::Internal)?;
        let packet = own(refuse::packet(
            version,
            [p.dcid(), p.scid(), &fresh],
            violation,
        ))?;
        self.respond(d, packet)?;
        self.stats.refused += 1;
        Ok(())
    }

    /// Tells which versions are spoken here.
    fn negotiate(
        &mut self,
        d: &Datagram<&mut [u8]>,
        [dcid, scid]: [&[u8]; 2],
    ) -> Result<(), Dropped> {
        //= rfc9000#section-5.2.2
        //# Servers MUST drop smaller packets that specify unsupported
        //# versions.
        if d.len() < limits::MIN_INITIAL_DATAGRAM {
            return Err(Dropped::Version);
        }
        let versions = self.context.params.get_versions().all();
        let packet = version_negotiation::encode(dcid, scid, versions, &mut self.random);
        self.respond(d, packet)?;
        self.stats.version_negotiations += 1;
        Ok(())
    }

    /// Tells the sender of a packet with a short header that its connection is gone.
    fn reset(&mut self, d: &Datagram<&mut [u8]>, first: u8, now: Instant) -> Result<(), Dropped> {
        if !reset::looks_short(first) {
            return Err(Dropped::Header);
        }
        let dcid = self.roster.router.dcid(d).ok_or(Dropped::Header)?;
        let (key, random) = (&self.context.reset_key, &mut self.random);
        let packet = self
            .resetter
            .answer(key, dcid, d.len(), random, now)
            .ok_or(Dropped::ResetLimit)?;
        self.respond(d, packet)?;
        self.stats.resets += 1;
        Ok(())
    }

    /// Queues an answer, which is always smaller than what it answers.
    fn respond(&mut self, to: &Datagram<&mut [u8]>, packet: Vec<u8>) -> Result<(), Dropped> {
        // hardening A21
        if packet.len() >= to.len() {
            return Err(Dropped::Internal);
        }
        let d = Datagram::new(to.destination(), to.source(), Tos::default(), packet);
        if self.responses.push(d) {
            Ok(())
        } else {
            Err(Dropped::ResponseLimit)
        }
    }
}

/// What fails at our side is not the client's business.
fn own<T>(result: Res<T>) -> Result<T, Dropped> {
    result.map_err(|e| {
        qwarn!("no answer to a client: {e}");
        Dropped::Internal
    })
}
