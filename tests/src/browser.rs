//! A browser: it keeps the cookie that it is given and says where its forms come from.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::http::{Client, Reply};
use crate::server::Server;

/// A browser of one person.
pub struct Browser {
    /// The cookie it holds: `name=value`.
    pub cookie: String,
    /// What its session says beside the cookie.
    pub csrf: String,
    client: Client,
}

impl Browser {
    /// A browser that holds nothing.
    pub fn new(server: &Server) -> Result<Self> {
        Ok(Self { cookie: String::new(), csrf: String::new(), client: server.client_of("")? })
    }

    fn keep(&mut self, reply: &Reply) {
        if let Some(cookie) = reply.cookie.split(';').next().filter(|cookie| !cookie.is_empty()) {
            cookie.clone_into(&mut self.cookie);
        }
    }

    async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Result<Reply> {
        let mut all: Vec<(&str, String)> =
            headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        if !headers.iter().any(|(name, _)| *name == "content-type") {
            all.push(("content-type", "application/json".to_owned()));
        }
        Ok(self.client.send(method, path, &all, body).await?.0)
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Result<Reply> {
        self.send("GET", path, &[("cookie", &self.cookie)], Vec::new()).await
    }

    /// A request of a script of ours: with the cookie and the session's own token.
    pub async fn call(&self, method: &str, path: &str, body: &Value) -> Result<Reply> {
        let headers = [("cookie", self.cookie.as_str()), ("x-csrf-token", self.csrf.as_str())];
        self.send(method, path, &headers, body.to_string().into_bytes()).await
    }

    /// A request of another site: the browser adds the cookie, the site knows nothing of the session.
    pub async fn call_from_elsewhere(&self, method: &str, path: &str, body: &Value) -> Result<Reply> {
        let headers = [("cookie", self.cookie.as_str())];
        self.send(method, path, &headers, body.to_string().into_bytes()).await
    }

    /// A form of one of our pages.
    pub async fn form(&mut self, path: &str, fields: &[(&str, &str)]) -> Result<Reply> {
        let own = self.client.base().to_owned();
        let headers = [
            ("cookie", self.cookie.as_str()),
            ("origin", own.as_str()),
            ("content-type", "application/x-www-form-urlencoded"),
        ];
        let encoded = |text: &str| sync_protocol::enrolment::percent_encoded(text);
        let fields: Vec<String> =
            fields.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        let reply = self.send("POST", path, &headers, fields.join("&").into_bytes()).await?;
        self.keep(&reply);
        Ok(reply)
    }

    /// A form of one of our pages with files in it: `(name of the field, name of the file, its bytes)`.
    pub async fn form_with_files(
        &mut self,
        path: &str,
        fields: &[(&str, &str)],
        files: &[(&str, &str, &[u8])],
    ) -> Result<Reply> {
        let boundary = "----FirebreakFormBoundary";
        let mut body = Vec::new();
        for (name, value) in fields {
            let head = format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n");
            body.extend_from_slice(format!("{head}{value}\r\n").as_bytes());
        }
        for (name, file, bytes) in files {
            let head = format!(
                "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"{file}\"\r\n\
                 Content-Type: application/octet-stream\r\n\r\n"
            );
            body.extend_from_slice(head.as_bytes());
            body.extend_from_slice(bytes);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
        let own = self.client.base().to_owned();
        let media_type = format!("multipart/form-data; boundary={boundary}");
        let headers = [
            ("cookie", self.cookie.as_str()),
            ("origin", own.as_str()),
            ("content-type", media_type.as_str()),
        ];
        let reply = self.send("POST", path, &headers, body).await?;
        self.keep(&reply);
        Ok(reply)
    }

    /// Tries to sign in.
    pub async fn try_sign_in(&mut self, login: &str, password: &str) -> Result<Reply> {
        let body = json!({"login": login, "password": password});
        let headers = [("cookie", self.cookie.as_str())];
        let reply = self.send("POST", "/v1/session", &headers, body.to_string().into_bytes()).await?;
        if reply.status == 200 {
            self.keep(&reply);
            let told = reply.json("session")?;
            told.get("csrf").and_then(|csrf| csrf.as_str()).context("no csrf")?.clone_into(&mut self.csrf);
        }
        Ok(reply)
    }

    /// Signs in.
    pub async fn sign_in(&mut self, login: &str, password: &str) -> Result<Value> {
        let reply = self.try_sign_in(login, password).await?;
        ensure!(reply.status == 200, "{} {}", reply.status, reply.text());
        reply.json("session")
    }
}
