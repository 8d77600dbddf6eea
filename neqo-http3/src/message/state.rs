//! The order of a message's parts, for both directions and both roles (RFC 9114, Section 4.1).

use crate::error::{Error, Misuse, Res, Violation};

/// How far a message got.
///
/// ```text
///            informational        content
///                +--+              +--+
///                v  |              v  |
///  (start) --> Header --final--> Content --trailers--> Trailers --end--> Done
///                |                  |                                     ^
///                +--tunnel--> Tunnel +----------------end-----------------+
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The header section is next.
    #[default]
    Header,
    /// The header section is complete: content, trailers or the end is next.
    Content,
    /// The header section set a tunnel up: only content and the end may follow.
    Tunnel,
    /// The trailer section is complete: only the end may follow.
    Trailers,
    /// The message is complete.
    Done,
}

/// A part of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// The header section of an interim response.
    Informational,
    /// The header section of a request or of the final response.
    Final,
    /// The header section of a CONNECT request, or of a successful response to one.
    Tunnel,
    /// A DATA frame.
    Content,
    /// The trailer section.
    Trailers,
    /// The end of the stream.
    End,
}

impl Phase {
    /// The declared machine: the phase after `part`, or nothing when it may not come now.
    pub(crate) const fn after(self, part: Part) -> Option<Self> {
        Some(match (self, part) {
            (Self::Header, Part::Informational) => Self::Header,
            (Self::Header, Part::Final) | (Self::Content, Part::Content) => Self::Content,
            (Self::Header, Part::Tunnel) | (Self::Tunnel, Part::Content) => Self::Tunnel,
            (Self::Content, Part::Trailers) => Self::Trailers,
            (Self::Content | Self::Tunnel | Self::Trailers, Part::End) => Self::Done,
            _ => return None,
        })
    }

    /// Whether a HEADERS frame that comes now is a header section; otherwise it is a trailer section.
    //= rfc9114#section-4.1
    //# Receipt of an invalid sequence of frames MUST be treated as a connection error
    //# of type H3_FRAME_UNEXPECTED.
    pub(crate) const fn expects_header(self) -> Result<bool, Violation> {
        match self {
            Self::Header => Ok(true),
            Self::Content => Ok(false),
            //= rfc9114#section-4.4
            //# Receipt of any other known frame type MUST be
            //# treated as a connection error of type H3_FRAME_UNEXPECTED.
            Self::Tunnel | Self::Trailers | Self::Done => Err(Violation::HttpFrameUnexpected),
        }
    }

    /// Goes on after a part that arrived.
    pub(crate) fn receive(&mut self, part: Part) -> Result<(), Violation> {
        *self = self.after(part).ok_or(Violation::HttpFrameUnexpected)?;
        Ok(())
    }

    /// Goes on after a part that is sent.
    pub(crate) fn send(&mut self, part: Part) -> Res<()> {
        *self = self.after(part).ok_or(Error::Api(Misuse::InvalidState))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Part, Phase};
    use crate::error::{Error, Misuse, Violation};

    const PARTS: [Part; 6] = [
        Part::Informational,
        Part::Final,
        Part::Tunnel,
        Part::Content,
        Part::Trailers,
        Part::End,
    ];

    const PHASES: [Phase; 5] = [
        Phase::Header,
        Phase::Content,
        Phase::Tunnel,
        Phase::Trailers,
        Phase::Done,
    ];

    /// Every phase and every part. `None` is refused.
    #[test]
    fn table() {
        use Phase::{Content, Done, Header, Trailers, Tunnel};
        let expected = [
            (
                Header,
                [Some(Header), Some(Content), Some(Tunnel), None, None, None],
            ),
            (
                Content,
                [None, None, None, Some(Content), Some(Trailers), Some(Done)],
            ),
            (Tunnel, [None, None, None, Some(Tunnel), None, Some(Done)]),
            (Trailers, [None, None, None, None, None, Some(Done)]),
            (Done, [None; 6]),
        ];
        assert_eq!(expected.map(|(p, _)| p), PHASES);
        for (phase, row) in expected {
            for (part, next) in PARTS.into_iter().zip(row) {
                assert_eq!(phase.after(part), next, "{phase:?} {part:?}");
                let (mut received, mut sent) = (phase, phase);
                assert_eq!(received.receive(part).ok().map(|()| received), next);
                assert_eq!(sent.send(part).ok().map(|()| sent), next);
            }
        }
    }

    //= rfc9114#section-4.1 type=test
    //# Receipt of an invalid sequence of frames MUST be treated as a connection error
    //# of type H3_FRAME_UNEXPECTED.
    #[test]
    fn errors() {
        let mut phase = Phase::default();
        assert_eq!(
            phase.receive(Part::Content),
            Err(Violation::HttpFrameUnexpected)
        );
        assert_eq!(
            phase.send(Part::Content),
            Err(Error::Api(Misuse::InvalidState))
        );
        assert_eq!(phase, Phase::Header, "nothing changed");
        phase.receive(Part::Final).unwrap();
        phase.receive(Part::Trailers).unwrap();
        assert_eq!(
            phase.receive(Part::Content),
            Err(Violation::HttpFrameUnexpected)
        );
        assert_eq!(phase.expects_header(), Err(Violation::HttpFrameUnexpected));
    }

    //= rfc9114#section-4.4 type=test
    //# Receipt of any other known frame type MUST be
    //# treated as a connection error of type H3_FRAME_UNEXPECTED.
    #[test]
    fn headers_frames() {
        let expected = [Ok(true), Ok(false)];
        for (i, phase) in PHASES.into_iter().enumerate() {
            let expected = expected
                .get(i)
                .copied()
                .unwrap_or(Err(Violation::HttpFrameUnexpected));
            assert_eq!(phase.expects_header(), expected, "{phase:?}");
        }
    }
}
