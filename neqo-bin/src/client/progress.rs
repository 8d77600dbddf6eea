//! A progress bar per transfer, on a terminal only.

use std::io::{self, IsTerminal as _, Write as _};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A known size.
const SIZED: &str = "{prefix:>24.24!} [{bar:28}] {binary_bytes:>10} / {binary_total_bytes:<10} {binary_bytes_per_sec:>12} {eta:>4}";
/// A size that the server did not tell.
const UNSIZED: &str =
    "{prefix:>24.24!} {spinner} {binary_bytes:>10} {binary_bytes_per_sec:>12} {elapsed:>4}";

/// Everything that is shown on stderr while transfers run.
#[derive(Clone, Debug)]
pub struct Progress {
    multi: MultiProgress,
    bars: bool,
    quiet: bool,
}

impl Progress {
    /// Bars are drawn when stderr is a terminal and bodies do not go to the same terminal.
    #[must_use]
    pub fn new(quiet: bool, bodies_on_stdout: bool) -> Self {
        let shared = bodies_on_stdout && io::stdout().is_terminal();
        let bars = !quiet && !shared && io::stderr().is_terminal();
        Self::with_target(
            quiet,
            bars,
            if bars {
                ProgressDrawTarget::stderr()
            } else {
                ProgressDrawTarget::hidden()
            },
        )
    }

    fn with_target(quiet: bool, bars: bool, target: ProgressDrawTarget) -> Self {
        Self {
            multi: MultiProgress::with_draw_target(target),
            bars,
            quiet,
        }
    }

    /// A bar for one transfer.
    #[must_use]
    pub fn bar(&self, name: &str) -> Bar {
        if !self.bars {
            return Bar(None);
        }
        let bar = self.multi.add(ProgressBar::no_length());
        bar.set_style(style(UNSIZED));
        bar.set_prefix(name.to_owned());
        Bar(Some(bar))
    }

    /// Prints one line of information on stderr, above the bars; nothing when quiet.
    pub fn line(&self, text: &str) {
        if !self.quiet {
            self.always(text);
        }
    }

    /// Prints one line on stderr, above the bars, quiet or not.
    pub fn always(&self, text: &str) {
        self.multi.suspend(|| {
            // When stderr is gone there is nobody to tell.
            drop(writeln!(io::stderr().lock(), "{text}"));
        });
    }
}

/// The bar of one transfer, which may be invisible. It goes away when dropped.
#[derive(Debug)]
pub struct Bar(Option<ProgressBar>);

impl Bar {
    /// The body has this many bytes.
    pub fn set_total(&self, bytes: u64) {
        if let Some(bar) = &self.0 {
            bar.set_length(bytes);
            bar.set_style(style(SIZED));
        }
    }

    /// This much has arrived.
    pub fn set_position(&self, bytes: u64) {
        if let Some(bar) = &self.0 {
            bar.set_position(bytes);
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_e| ProgressStyle::default_bar())
        .progress_chars("=> ")
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use indicatif::TermLike;

    use super::*;

    /// Remembers everything that was written to it.
    #[derive(Clone, Debug, Default)]
    struct Paper(Arc<Mutex<String>>);

    impl TermLike for Paper {
        fn width(&self) -> u16 {
            120
        }
        fn move_cursor_up(&self, _n: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_down(&self, _n: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_right(&self, _n: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_left(&self, _n: usize) -> io::Result<()> {
            Ok(())
        }
        fn write_line(&self, s: &str) -> io::Result<()> {
            self.write_str(s)
        }
        fn write_str(&self, s: &str) -> io::Result<()> {
            self.0
                .lock()
                .map_err(|_e| io::ErrorKind::Other)?
                .push_str(s);
            Ok(())
        }
        fn clear_line(&self) -> io::Result<()> {
            Ok(())
        }
        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn templates_parse() {
        for template in [SIZED, UNSIZED] {
            assert!(ProgressStyle::with_template(template).is_ok());
        }
    }

    #[test]
    fn bars_show_name_and_size() {
        let paper = Paper::default();
        let target = ProgressDrawTarget::term_like(Box::new(paper.clone()));
        let progress = Progress::with_target(false, true, target);
        let bar = progress.bar("file.bin");
        bar.set_total(4 << 20);
        bar.set_position(1 << 20);
        if let Some(b) = &bar.0 {
            b.force_draw();
        }
        let shown = paper.0.lock().unwrap().clone();
        assert!(
            shown.contains("file.bin") && shown.contains("1.00 MiB / 4.00 MiB"),
            "{shown}"
        );
    }

    #[test]
    fn none_when_quiet() {
        let progress = Progress::new(true, false);
        assert!(progress.bar("x").0.is_none());
    }
}
