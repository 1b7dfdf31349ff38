//! A way to a server that a test can break: cut it, silence it, or cut it at one statement.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// The end of an answer after which the session is in no transaction.
const READY_AND_IDLE: &[u8] = b"Z\0\0\0\x05I";

/// What passes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Flow {
    /// Whether connections are taken; otherwise they end at once.
    pub(crate) takes: bool,
    /// Whether what clients say passes; otherwise it is kept until it may.
    pub(crate) up: bool,
    /// Whether what the server says passes; otherwise it is kept until it may.
    pub(crate) down: bool,
}

impl Flow {
    pub(crate) const OPEN: Self = Self { takes: true, up: true, down: true };
    pub(crate) const SILENT: Self = Self { takes: true, up: false, down: false };
    pub(crate) const CLOSED: Self = Self { takes: false, up: false, down: false };
}

/// When a connection is cut at a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// The server never sees it.
    BeforeServer,
    /// The server has done it and said so; the client never hears that.
    BeforeClient,
    /// Not at all: from there on nothing passes, for ever.
    Never,
}

#[derive(Debug)]
struct Trap {
    text: &'static str,
    when: When,
}

/// A proxy, which ends with the test.
#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) port: u16,
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

#[derive(Debug)]
struct Shared {
    server: SocketAddr,
    flow: watch::Sender<Flow>,
    /// Connections with a smaller number stay silent for ever.
    forgotten: AtomicUsize,
    cut: Mutex<CancellationToken>,
    trap: Mutex<Option<Trap>>,
    n_taken: AtomicUsize,
    /// Cancelled when a client gives up what was silenced.
    stopped: CancellationToken,
}

impl Proxy {
    /// Begins to take connections for a server of this machine.
    pub(crate) async fn start(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            server: SocketAddr::from(([127, 0, 0, 1], server)),
            flow: watch::Sender::new(Flow::OPEN),
            forgotten: AtomicUsize::new(0),
            cut: Mutex::default(),
            trap: Mutex::default(),
            n_taken: AtomicUsize::new(0),
            stopped: CancellationToken::new(),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(take(listener, Arc::clone(&shared)));
        Self { port, shared, _tasks: tasks }
    }

    /// Ends all connections.
    pub(crate) fn cut(&self) {
        std::mem::take(&mut *self.shared.cut.lock().unwrap()).cancel();
    }

    pub(crate) fn set_flow(&self, flow: Flow) {
        self.shared.flow.send_replace(flow);
    }

    /// Makes all connections that there are silent for ever; neither side hears that they ended.
    pub(crate) fn forget(&self) {
        self.shared.forgotten.store(self.n_taken(), Ordering::SeqCst);
    }

    /// Cuts the first connection on which a client says `text`.
    pub(crate) fn set_trap(&self, text: &'static str, when: When) {
        *self.shared.trap.lock().unwrap() = Some(Trap { text, when });
    }

    /// Silences the first connection on which a client says `text`, for ever.
    pub(crate) fn set_stop(&self, text: &'static str) {
        self.set_trap(text, When::Never);
    }

    /// Waits until the client has given up the connection that was silenced.
    pub(crate) async fn stopped_ends(&self, limit: Duration) {
        let ended = timeout(limit, self.shared.stopped.cancelled()).await;
        assert!(ended.is_ok(), "the client keeps the connection");
    }

    /// Tells whether the trap has cut a connection.
    pub(crate) fn was_sprung(&self) -> bool {
        self.shared.trap.lock().unwrap().is_none()
    }

    /// Returns how many connections were taken, or ended at once.
    pub(crate) fn n_taken(&self) -> usize {
        self.shared.n_taken.load(Ordering::SeqCst)
    }
}

async fn take(listener: TcpListener, shared: Arc<Shared>) {
    let mut lanes = JoinSet::new();
    loop {
        let (client, _) = listener.accept().await.unwrap();
        let number = shared.n_taken.fetch_add(1, Ordering::SeqCst);
        if shared.flow.borrow().takes {
            let cut = shared.cut.lock().unwrap().child_token();
            let lane = Lane { number, shared: Arc::clone(&shared), cut, withholds: false.into() };
            lanes.spawn(lane.carry(client));
        }
    }
}

/// One connection.
struct Lane {
    number: usize,
    shared: Arc<Shared>,
    cut: CancellationToken,
    /// Whether the answer is kept from the client.
    withholds: AtomicBool,
}

impl Lane {
    async fn carry(self, client: TcpStream) {
        let carried = async {
            let Ok(server) = TcpStream::connect(self.shared.server).await else { return };
            drop((client.set_nodelay(true), server.set_nodelay(true)));
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = server.into_split();
            tokio::select! {
                () = self.up(from_client, to_server) => {}
                () = self.down(from_server, to_client) => {}
            }
        };
        self.cut.run_until_cancelled(carried).await;
    }

    async fn up(&self, mut client: OwnedReadHalf, mut server: OwnedWriteHalf) {
        let mut chunk = vec![0; 65_536];
        while let Ok(n @ 1..) = client.read(&mut chunk).await {
            self.pass(|flow| flow.up).await;
            match self.trapped(&chunk[..n]) {
                Some(When::BeforeServer) => return,
                Some(When::Never) => {
                    // Only its end is seen.
                    while let Ok(1..) = client.read(&mut chunk).await {}
                    return self.shared.stopped.cancel();
                }
                Some(When::BeforeClient) => self.withholds.store(true, Ordering::SeqCst),
                None => {}
            }
            if server.write_all(&chunk[..n]).await.is_err() {
                return;
            }
        }
    }

    async fn down(&self, mut server: OwnedReadHalf, mut client: OwnedWriteHalf) {
        let mut chunk = vec![0; 65_536];
        let mut withheld = Vec::new();
        while let Ok(n @ 1..) = server.read(&mut chunk).await {
            if self.withholds.load(Ordering::SeqCst) {
                withheld.extend_from_slice(&chunk[..n]);
                if withheld.ends_with(READY_AND_IDLE) {
                    return;
                }
                continue;
            }
            self.pass(|flow| flow.down).await;
            if client.write_all(&chunk[..n]).await.is_err() {
                return;
            }
        }
    }

    /// Waits until something may pass.
    async fn pass(&self, may: impl Fn(Flow) -> bool) {
        let mut flow = self.shared.flow.subscribe();
        drop(flow.wait_for(|flow| may(*flow)).await);
        if self.number < self.shared.forgotten.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
    }

    fn trapped(&self, said: &[u8]) -> Option<When> {
        let mut trap = self.shared.trap.lock().unwrap();
        let hit =
            |trap: &mut Trap| said.windows(trap.text.len()).any(|w| w == trap.text.as_bytes());
        trap.take_if(hit).map(|trap| trap.when)
    }
}
