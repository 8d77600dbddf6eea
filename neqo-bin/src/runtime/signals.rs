//! SIGINT and SIGTERM.

use std::io;

use tokio::sync::watch;

/// How often a signal to stop came. Clones see the same signals.
#[derive(Clone, Debug)]
pub struct Signals(watch::Receiver<u32>);

impl Signals {
    /// Starts to listen. Must be called on a tokio runtime, which listens as long as it lives.
    pub fn listen() -> io::Result<Self> {
        let (tx, rx) = watch::channel(0);
        let mut stop = source()?;
        tokio::spawn(async move {
            while stop.recv().await {
                tx.send_modify(|n| *n += 1);
            }
        });
        Ok(Self(rx))
    }

    /// Signals that never come, and the means to make them come.
    #[must_use]
    pub fn manual() -> (watch::Sender<u32>, Self) {
        let (tx, rx) = watch::channel(0);
        (tx, Self(rx))
    }

    /// How many came so far.
    #[must_use]
    pub fn count(&self) -> u32 {
        *self.0.borrow()
    }

    /// Waits until more than `seen` have come.
    pub async fn more_than(&mut self, seen: u32) {
        if self.0.wait_for(|&n| n > seen).await.is_err() {
            // Nobody is left who could signal.
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(unix)]
struct Source {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
fn source() -> io::Result<Source> {
    use tokio::signal::unix::{SignalKind, signal};
    Ok(Source {
        interrupt: signal(SignalKind::interrupt())?,
        terminate: signal(SignalKind::terminate())?,
    })
}

#[cfg(unix)]
impl Source {
    async fn recv(&mut self) -> bool {
        tokio::select! {
            got = self.interrupt.recv() => got.is_some(),
            got = self.terminate.recv() => got.is_some(),
        }
    }
}

#[cfg(windows)]
struct Source(tokio::signal::windows::CtrlC);

#[cfg(windows)]
fn source() -> io::Result<Source> {
    Ok(Source(tokio::signal::windows::ctrl_c()?))
}

#[cfg(windows)]
impl Source {
    async fn recv(&mut self) -> bool {
        self.0.recv().await.is_some()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn counted_and_waited_for() {
        let (tx, mut signals) = Signals::manual();
        assert_eq!(signals.count(), 0);
        let short = Duration::from_millis(10);
        assert!(
            tokio::time::timeout(short, signals.more_than(0))
                .await
                .is_err()
        );
        tx.send_modify(|n| *n += 1);
        signals.more_than(0).await;
        assert_eq!(signals.count(), 1);
        assert!(
            tokio::time::timeout(short, signals.more_than(1))
                .await
                .is_err()
        );
        drop(tx);
        assert!(
            tokio::time::timeout(short, signals.more_than(1))
                .await
                .is_err()
        );
    }
}
