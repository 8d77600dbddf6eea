//! The paths of a connection, by [`PathId`]; one of them is primary.

use std::{net::SocketAddr, time::Instant};

use smallvec::SmallVec;

use super::{Path, PathId, ecn::EcnPath};
use crate::{config::limits, config::params::ConnectionParameters};

/// All paths of a connection.
#[derive(Debug)]
pub struct PathSet {
    paths: SmallVec<[Path; 1]>,
    primary: PathId,
    /// The last primary path that was validated: where to go back to if validation fails.
    fallback: Option<PathId>,
}

impl PathSet {
    /// A connection begins on one path.
    pub fn new(first: Path) -> Self {
        let mut paths = SmallVec::new();
        paths.push(first);
        Self {
            paths,
            primary: PathId(0),
            fallback: None,
        }
    }

    /// The path with this id: ids are only made here and paths never removed, but a stale one
    /// finds the primary path.
    pub fn get(&self, id: PathId) -> &Path {
        self.paths
            .get(usize::from(id.0))
            .unwrap_or_else(|| &self.paths[usize::from(self.primary.0)])
    }

    /// The same, to change it.
    pub fn get_mut(&mut self, id: PathId) -> &mut Path {
        let at = usize::from(id.0);
        let at = if at < self.paths.len() {
            at
        } else {
            usize::from(self.primary.0)
        };
        &mut self.paths[at]
    }

    /// The path that data goes on.
    pub const fn primary_id(&self) -> PathId {
        self.primary
    }

    /// The path that data goes on.
    pub fn primary(&self) -> &Path {
        self.get(self.primary)
    }

    /// The path that data goes on.
    pub fn primary_mut(&mut self) -> &mut Path {
        self.get_mut(self.primary)
    }

    /// The largest UDP payload that is sent on any path, probes not counted, in bytes.
    pub fn largest_mtu(&self) -> usize {
        self.paths.iter().map(Path::mtu).max().unwrap_or_default()
    }

    /// The path between two addresses. A socket that is bound to no address in particular may
    /// tell its own address or not: either is the same path.
    pub fn find(&self, local: SocketAddr, remote: SocketAddr) -> Option<PathId> {
        let same = |a: SocketAddr, b: SocketAddr| {
            a == b || a.ip().is_unspecified() || b.ip().is_unspecified()
        };
        let at = self
            .paths
            .iter()
            .position(|p| p.remote == remote && same(p.local, local))?;
        u8::try_from(at).ok().map(PathId)
    }

    /// A path for addresses that an authenticated packet came from. Takes the place of a path
    /// that is neither primary nor the way back once there are [`limits::PATHS`] (hardening A3).
    pub fn add(
        &mut self,
        local: SocketAddr,
        remote: SocketAddr,
        params: &ConnectionParameters,
        now: Instant,
    ) -> Option<PathId> {
        let mut path = Path::new(local, remote, false, params, now);
        path.ecn = EcnPath::after(&self.primary().ecn);
        if self.paths.len() < limits::PATHS {
            self.paths.push(path);
            return u8::try_from(self.paths.len() - 1).ok().map(PathId);
        }
        let spare = (0..self.paths.len())
            .filter_map(|i| u8::try_from(i).ok().map(PathId))
            .find(|id| *id != self.primary && Some(*id) != self.fallback)?;
        // Packets in flight on the path that goes keep its id, so the new one counts them.
        let gone = self.get_mut(spare);
        path.sender.inherit(gone.sender.bytes_in_flight());
        *gone = path;
        Some(spare)
    }

    /// Makes `id` the path that data goes on.
    pub fn set_primary(&mut self, id: PathId) {
        if id != self.primary {
            if self.primary().amplification.is_validated() {
                self.fallback = Some(self.primary);
            }
            self.primary = id;
        }
    }

    /// Goes back to the last validated path if the validation of the primary one failed.
    pub fn fall_back(&mut self) -> Option<PathId> {
        if !self.primary().validation.has_failed() {
            return None;
        }
        let id = self.fallback.take()?;
        self.primary = id;
        Some(id)
    }

    /// A path other than the primary one that has frames of its own to send.
    pub fn wants_to_probe(&self) -> Option<PathId> {
        self.iter()
            .find(|(id, p)| {
                *id != self.primary && p.validation.wants_to_send() && !p.amplification.is_blocked()
            })
            .map(|(id, _)| id)
    }

    /// All paths.
    pub fn iter(&self) -> impl Iterator<Item = (PathId, &Path)> {
        self.paths
            .iter()
            .enumerate()
            .filter_map(|(i, p)| u8::try_from(i).ok().map(|i| (PathId(i), p)))
    }

    /// All paths, to change them.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Path> {
        self.paths.iter_mut()
    }
}
