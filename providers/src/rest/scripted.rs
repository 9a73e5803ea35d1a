//! A server on loopback that answers what a test wrote down, and remembers what it was asked.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::{Client, Connections, Tokens};
use crate::error::{Error, ErrorKind, Result};
use crate::secret::Secret;

/// What it does with a request.
#[derive(Clone)]
pub(crate) enum Answer {
    /// A status, headers and a body.
    Whole(u16, Vec<(&'static str, String)>, String),
    /// A 200 with half of the body that it promises.
    Half(String),
    /// None: the connection is closed.
    Lost,
}

impl Answer {
    pub(crate) fn json(body: &str) -> Self {
        Self::Whole(200, Vec::new(), body.into())
    }

    /// A refusal that may be met with another try at once.
    pub(crate) fn refusal(status: u16, body: &str) -> Self {
        Self::Whole(status, vec![("Retry-After", "0".into())], body.into())
    }
}

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) line: String,
    pub(crate) headers: Vec<String>,
    pub(crate) body: String,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let known = |line: &'_ str| line.split_once(": ").is_some_and(|(known, _)| known.eq_ignore_ascii_case(name));
        self.headers.iter().find(|line| known(line))?.split_once(": ").map(|(_, value)| value)
    }
}

#[derive(Default)]
struct Seen {
    answers: Mutex<VecDeque<Answer>>,
    asked: Mutex<Vec<Asked>>,
    now: AtomicUsize,
    most: AtomicUsize,
}

/// The server; dropped, it is gone.
pub(crate) struct Scripted {
    pub(crate) url: String,
    seen: Arc<Seen>,
    _tasks: JoinSet<()>,
}

impl Scripted {
    /// Gives each answer once, in this order; then 418.
    pub(crate) async fn start(answers: impl IntoIterator<Item = Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Seen { answers: Mutex::new(answers.into_iter().collect()), ..Seen::default() });
        let mut tasks = JoinSet::new();
        let known = seen.clone();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, known.clone()));
            }
        });
        Self { url, seen, _tasks: tasks }
    }

    /// Gives these answers after the others.
    pub(crate) fn then(&self, answers: impl IntoIterator<Item = Answer>) {
        self.seen.answers.lock().unwrap().extend(answers);
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.seen.asked.lock().unwrap().clone()
    }

    /// How many requests were with the server at once.
    pub(crate) fn at_once(&self) -> usize {
        self.seen.most.load(Ordering::SeqCst)
    }
}

async fn serve(mut stream: TcpStream, seen: Arc<Seen>) {
    while let Some(asked) = read(&mut stream).await {
        let now = seen.now.fetch_add(1, Ordering::SeqCst) + 1;
        seen.most.fetch_max(now, Ordering::SeqCst);
        seen.asked.lock().unwrap().push(asked);
        let answer = seen.answers.lock().unwrap().pop_front();
        let answer = answer.unwrap_or(Answer::Whole(418, Vec::new(), String::new()));
        let (text, is_last) = written(answer);
        seen.now.fetch_sub(1, Ordering::SeqCst);
        if stream.write_all(text.as_bytes()).await.is_err() || is_last {
            return;
        }
    }
}

fn written(answer: Answer) -> (String, bool) {
    let head = |status: u16, length: usize| format!("HTTP/1.1 {status} Test\r\nContent-Length: {length}\r\n");
    match answer {
        Answer::Lost => (String::new(), true),
        Answer::Half(body) => (format!("{}\r\n{body}", head(200, body.len() * 2)), true),
        Answer::Whole(status, headers, body) => {
            let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
            (format!("{}{headers}\r\n{body}", head(status, body.len())), false)
        }
    }
}

async fn read(stream: &mut TcpStream) -> Option<Asked> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        bytes.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(bytes).unwrap();
    let mut lines = head.lines().map(ToOwned::to_owned);
    let mut asked = Asked { line: lines.next()?, headers: lines.collect(), body: String::new() };
    let length = asked.header("Content-Length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    asked.body = String::from_utf8(body).unwrap();
    Some(asked)
}

/// Tokens, the newest last.
#[derive(Debug)]
pub(crate) struct Row(pub(crate) Mutex<Vec<&'static str>>);

#[async_trait]
impl Tokens for Row {
    async fn token(&self) -> Result<Secret> {
        let known = self.0.lock().unwrap();
        let none = || Error::new(ErrorKind::Permission, "test", "find", "a token", "there is none");
        known.first().map(|token| Secret::new((*token).to_owned())).ok_or_else(none)
    }

    async fn renew(&self, _: &Secret) -> Result<Option<Secret>> {
        let mut known = self.0.lock().unwrap();
        known.remove(0);
        Ok(known.first().map(|token| Secret::new((*token).to_owned())))
    }

    async fn holder(&self) -> super::Holder {
        super::Holder::default()
    }

    async fn quota_project(&self) -> Option<String> {
        Some("payer".into())
    }
}

/// A server and a client of it.
pub(crate) async fn with(answers: impl IntoIterator<Item = Answer>) -> (Scripted, Client) {
    let server = Scripted::start(answers).await;
    let client = client(&server.url, &["t0ken", "t1ken"]);
    (server, client)
}

pub(crate) fn client(url: &str, tokens: &[&'static str]) -> Client {
    let tokens = Arc::new(Row(Mutex::new(tokens.to_vec())));
    Client::new(&Connections::new().unwrap(), url, tokens).unwrap()
}
