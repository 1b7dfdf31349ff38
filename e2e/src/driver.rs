//! The protocol of chromedriver, as far as the browser tests need it: one session of a browser.
//!
//! `browser` is its only caller. Each command is one HTTP request on a connection of its own; there
//! are too few of them for anything cleverer. A session must be ended, or its browser stays open.

use std::fmt;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Method, Request, header};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long one command may take, the start of a browser on a busy machine included.
const COMMAND_LIMIT: Duration = Duration::from_mins(2);

/// The name under which the protocol passes an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// One browser, as chromedriver sees it.
pub(crate) struct Driver {
    /// Host and port of chromedriver.
    authority: String,
    /// The path of the session.
    session: String,
}

/// An element of the page, as long as it is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Element(String);

/// An error that the driver answered with.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// The protocol's word for it.
    pub(crate) error: String,
    message: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.error, self.message.lines().next().unwrap_or_default())
    }
}

type Answer = Result<Value, Refusal>;

impl Driver {
    /// Starts a browser with these capabilities, through the chromedriver at `url`.
    pub(crate) async fn start(url: &str, capabilities: Value) -> Result<Self, Refusal> {
        let authority = url.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let body = json!({ "capabilities": { "alwaysMatch": capabilities } });
        let answer = call(&authority, Method::POST, "/session", Some(body)).await?;
        let id = answer["sessionId"].as_str().expect("a session has an id");
        let session = format!("/session/{id}");
        Ok(Self { authority, session })
    }

    /// Closes the browser.
    pub(crate) async fn end(&self) -> Answer {
        call(&self.authority, Method::DELETE, &self.session, None).await
    }

    /// Reads something about the page.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        call(&self.authority, Method::GET, &format!("{}{path}", self.session), None).await
    }

    /// Does something to the page.
    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        call(&self.authority, Method::POST, &format!("{}{path}", self.session), Some(body)).await
    }

    /// Waits until an element is there: `selector` is CSS, or `XPath` when it starts with `/`.
    pub(crate) async fn find(&self, selector: &str) -> Result<Element, Refusal> {
        let found = self.post("/element", by(selector)).await?;
        Ok(element(&found))
    }

    /// Returns all elements that are there, after waiting for the first.
    pub(crate) async fn find_all(&self, selector: &str) -> Result<Vec<Element>, Refusal> {
        let found = self.post("/elements", by(selector)).await?;
        Ok(found.as_array().into_iter().flatten().map(element).collect())
    }

    /// Returns the element that has the keyboard.
    pub(crate) async fn focused(&self) -> Result<Element, Refusal> {
        Ok(element(&self.get("/element/active").await?))
    }

    /// Reads something about an element.
    pub(crate) async fn get_of(&self, element: &Element, what: &str) -> Answer {
        self.get(&format!("/element/{}/{what}", element.0)).await
    }

    /// Does something to an element.
    pub(crate) async fn post_to(&self, element: &Element, what: &str, body: Value) -> Answer {
        self.post(&format!("/element/{}/{what}", element.0), body).await
    }

    /// Runs the body of a function in the page and returns its result.
    pub(crate) async fn run(&self, script: &str) -> Answer {
        self.post("/execute/sync", json!({ "script": script, "args": [] })).await
    }
}

impl Element {
    /// Returns the element as an argument of a script.
    pub(crate) fn argument(&self) -> Value {
        json!({ ELEMENT: self.0 })
    }
}

fn by(selector: &str) -> Value {
    let using = if selector.starts_with('/') { "xpath" } else { "css selector" };
    json!({ "using": using, "value": selector })
}

fn element(found: &Value) -> Element {
    Element(found[ELEMENT].as_str().expect("an element has an id").to_owned())
}

/// Sends one command and takes the value out of the answer.
async fn call(authority: &str, method: Method, path: &str, body: Option<Value>) -> Answer {
    let shown = format!("{method} {path}");
    let body = body.map(|body| body.to_string()).unwrap_or_default();
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, authority)
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body)))
        .expect("a path of this file is valid");
    let exchange = async {
        let stream = TcpStream::connect(authority).await.expect("chromedriver listens");
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.expect("the connection is new");
        let answer = async move {
            let answer = sender.send_request(request).await?;
            answer.into_body().collect().await
        };
        // The connection ends when the sender is dropped, after the answer.
        let (answer, _) = tokio::join!(answer, connection);
        answer.expect("chromedriver answers").to_bytes()
    };
    let bytes = timeout(COMMAND_LIMIT, exchange).await;
    let bytes = bytes.unwrap_or_else(|_| panic!("{shown} took more than {COMMAND_LIMIT:?}"));
    let mut answer: Value = serde_json::from_slice(&bytes).expect("chromedriver answers in JSON");
    let value = answer["value"].take();
    match value["error"].as_str() {
        None => Ok(value),
        Some(error) => Err(Refusal {
            error: error.to_owned(),
            message: value["message"].as_str().unwrap_or_default().to_owned(),
        }),
    }
}
