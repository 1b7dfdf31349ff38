//! Further processes of this program, and how they talk with the one that started them: a word per
//! line, over their standard input and output.
//!
//! The measurements that need several processes call it. A process ends when the one that started
//! it does.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines, Stdin};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// A process that says nothing for so long has failed.
const PATIENCE: Duration = Duration::from_mins(2);

/// How many lines may wait for their reader.
const LINES_MAX: usize = 1_000;

/// Some processes that were started alike.
#[derive(Debug)]
pub(crate) struct Crew {
    members: Vec<(Child, ChildStdin)>,
    lines: mpsc::Receiver<(usize, String)>,
    _readers: JoinSet<()>,
    /// What was said by those that are ahead of others.
    early: Vec<(usize, String, String)>,
    /// How many jobs each has started.
    n_started: Vec<u64>,
}

impl Crew {
    /// Starts `n` processes with a subcommand, and waits until they are ready.
    ///
    /// # Errors
    /// A process does not start.
    pub(crate) async fn start(n: usize, args: &[String]) -> anyhow::Result<Self> {
        let (sender, lines) = mpsc::channel(LINES_MAX);
        let (mut members, mut readers) = (Vec::new(), JoinSet::new());
        for at in 0..n {
            let mut child = Command::new(std::env::current_exe()?)
                .args(args)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .kill_on_drop(true)
                .spawn()?;
            let input = child.stdin.take().context("a child has an input")?;
            let output = child.stdout.take().context("a child has an output")?;
            readers.spawn(forward(at, BufReader::new(output).lines(), sender.clone()));
            members.push((child, input));
        }
        let (early, n_started) = (Vec::new(), vec![0; n]);
        let mut crew = Self { members, lines, _readers: readers, early, n_started };
        crew.each("ready").await?;
        Ok(crew)
    }

    /// Says a word to all.
    ///
    /// # Errors
    /// A process has ended.
    pub(crate) async fn tell(&mut self, word: &str) -> anyhow::Result<()> {
        for (_, input) in &mut self.members {
            input.write_all(format!("{word}\n").as_bytes()).await?;
            input.flush().await?;
        }
        Ok(())
    }

    /// Waits until each has said a word; returns what followed it.
    ///
    /// # Errors
    /// A process said something else, or nothing for two minutes.
    pub(crate) async fn each(&mut self, word: &str) -> anyhow::Result<Vec<String>> {
        let mut said: Vec<Option<String>> = vec![None; self.members.len()];
        let mut early = std::mem::take(&mut self.early).into_iter();
        while said.iter().any(Option::is_none) {
            let heard = match early.next() {
                Some(heard) => Some(heard),
                None => self.next().await?,
            };
            let Some((at, first, rest)) = heard else { continue };
            if said[at].is_some() {
                self.early.push((at, first, rest));
                continue;
            }
            ensure!(first == word, "a process said {first:?} instead of {word:?}");
            said[at] = Some(rest);
        }
        self.early.extend(early);
        Ok(said.into_iter().flatten().collect())
    }

    /// Waits until together they have started `n` jobs.
    ///
    /// # Errors
    /// A process said something else, or nothing for two minutes.
    pub(crate) async fn all_started(&mut self, n: u64) -> anyhow::Result<()> {
        while self.n_started.iter().sum::<u64>() < n {
            if let Some((_, word, _)) = self.next().await? {
                bail!("a process said {word:?} while it ran jobs");
            }
        }
        Ok(())
    }

    /// Takes the next line: `None` when it only told how many jobs a process has started.
    async fn next(&mut self) -> anyhow::Result<Option<(usize, String, String)>> {
        let next = timeout(PATIENCE, self.lines.recv()).await.context("a process is silent")?;
        let (at, line) = next.context("all processes have ended")?;
        let (word, rest) = line.split_once(' ').unwrap_or((&line, ""));
        if word == "started" {
            self.n_started[at] = rest.parse()?;
            return Ok(None);
        }
        Ok(Some((at, word.to_owned(), rest.to_owned())))
    }

    /// Waits until all have ended in order.
    ///
    /// # Errors
    /// A process failed.
    pub(crate) async fn end(self) -> anyhow::Result<()> {
        for (mut child, input) in self.members {
            drop(input);
            let status = timeout(PATIENCE, child.wait()).await.context("a process goes on")??;
            ensure!(status.success(), "a process ended with {status}");
        }
        Ok(())
    }
}

async fn forward(
    at: usize,
    mut lines: Lines<BufReader<ChildStdout>>,
    to: mpsc::Sender<(usize, String)>,
) {
    while let Ok(Some(line)) = lines.next_line().await {
        if to.send((at, line)).await.is_err() {
            return;
        }
    }
}

/// What a process of a crew hears.
#[derive(Debug)]
pub(crate) struct Orders {
    lines: Lines<BufReader<Stdin>>,
}

impl Orders {
    pub(crate) fn new() -> Self {
        Self { lines: BufReader::new(tokio::io::stdin()).lines() }
    }

    /// Waits for a word.
    ///
    /// # Errors
    /// Another word came, or whoever started this process is gone.
    pub(crate) async fn wait_for(&mut self, word: &str) -> anyhow::Result<()> {
        let line = self.lines.next_line().await?.context("whoever started this process is gone")?;
        ensure!(line == word, "heard {line:?} instead of {word:?}");
        Ok(())
    }
}
