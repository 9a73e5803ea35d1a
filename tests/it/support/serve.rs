//! A small HTTP/1.1 server inside a test, for what stands in for a store or before one.

use std::error::Error;
use std::net::{SocketAddr, TcpListener};
use std::thread::JoinHandle;

use bytes::Bytes;
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::sync::oneshot;

/// Why a connection ends without the answer, or the rest of it.
pub(crate) type Broken = Box<dyn Error + Send + Sync>;

/// Runs on a thread and a runtime of its own, so that it also serves child processes while a test blocks. Dropping it
/// closes every connection at once.
pub(crate) struct Serving {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Serving {
    /// Serves on a free loopback port. Where `answer` fails, or the body that it gave, the connection is closed there.
    pub(crate) fn start<F, A, B>(answer: F) -> Self
    where
        F: Fn(Request<Incoming>) -> A + Clone + Send + 'static,
        A: Future<Output = Result<Response<B>, Broken>> + Send + 'static,
        B: Body<Data = Bytes, Error: Into<Broken>> + Send + 'static,
    {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                tokio::select! {
                    _ = stopped => {}
                    () = accept(listener, answer) => {}
                }
            });
        });
        Self { address, stop: Some(stop), thread: Some(thread) }
    }

    /// The URL of its root, without a slash at the end.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        drop(self.stop.take());
        let ended = self.thread.take().map(JoinHandle::join);
        // a second panic, in a test that fails already, would hide the first
        assert!(!matches!(ended, Some(Err(_))) || std::thread::panicking(), "the server's thread panicked");
    }
}

async fn accept<F, A, B>(listener: TcpListener, answer: F)
where
    F: Fn(Request<Incoming>) -> A + Clone + Send + 'static,
    A: Future<Output = Result<Response<B>, Broken>> + Send + 'static,
    B: Body<Data = Bytes, Error: Into<Broken>> + Send + 'static,
{
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer.clone()));
        // its error is a client that went away, or a connection that was to break
        tokio::spawn(async move { drop(connection.await) });
    }
}
