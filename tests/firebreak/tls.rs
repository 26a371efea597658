//! HTTPS by the server itself: a real handshake with a certificate that the test makes, sync through it, the pin in
//! the enrolment code, and certificates that cannot be used.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use firebreak_tests::http::Client;
use firebreak_tests::phone::Phone;
use firebreak_tests::server::{Backend, DISTRICT, Server};
use rcgen::{CertifiedKey, KeyPair, PublicKeyData as _};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

struct Files {
    folder: TempDir,
    made: CertifiedKey<KeyPair>,
}

impl Files {
    fn new() -> Result<Self> {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])?;
        let files = Self { folder: TempDir::new()?, made };
        files.write("cert.pem", &files.made.cert.pem())?;
        files.write("key.pem", &files.made.signing_key.serialize_pem())?;
        Ok(files)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> Result<()> {
        Ok(std::fs::write(self.path(name), text)?)
    }

    fn set(&self, server: &mut Server, certificate: &str, key: &str) {
        server.set("FIREBREAK_TLS_CERT", &self.path(certificate).display().to_string());
        server.set("FIREBREAK_TLS_KEY", &self.path(key).display().to_string());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_phone_enrols_and_syncs_over_https_and_the_code_pins_the_certificate() -> Result<()> {
    for backend in Backend::ALL {
        let files = Files::new()?;
        let mut server = Server::prepare(backend, TempDir::new()?).await?;
        files.set(&mut server, "cert.pem", "key.pem");
        server.trust(files.made.cert.der());
        server.resume().await?;
        ensure!(server.url.starts_with("https://127.0.0.1:"), "{}", server.url);
        let mut phone = Phone::enrol(&server).await?;
        let bundle = phone.reports(40);
        let reply = phone.sync(&[bundle]).await?;
        ensure!(reply.receipts().len() == 1 && reply.items().len() == 40, "{reply:?}");
        ensure!(reply.end().is_some(), "the reply is not whole: {reply:?}");
        server.check().await?;

        let pin = hex::encode(Sha256::digest(files.made.signing_key.subject_public_key_info()));
        let office = server.client()?;
        let wanted = json!({"person": server.person, "address": "https://示范.example/a?b&c"});
        let code = office.post("/v1/enrol-codes", &wanted).await?.json("enrol-codes")?;
        assert_eq!(code["pin"], json!(pin));
        let uri = code["uri"].as_str().context("no uri")?;
        ensure!(uri.contains(&format!("&pin={pin}")), "{uri}");
        let address = "address=https%3A%2F%2F%E7%A4%BA%E8%8C%83.example%2Fa%3Fb%26c&";
        ensure!(uri.starts_with(&format!("firebreak:enrol?{address}code=")), "{uri}");
        let certificate = files.path("cert.pem").display().to_string();
        let person = server.person.as_str();
        let arguments =
            ["enrol-code", "--district", DISTRICT, "--person", person, "--tls-cert", certificate.as_str()];
        assert_eq!(server.command_text(&arguments, "pin").await?, pin, "by the command line, too");
        let nowhere = json!({"person": server.person, "address": "示范.example"});
        assert_eq!(office.post("/v1/enrol-codes", &nowhere).await?.code().as_deref(), Some("bad-parameter"));

        // Who does not trust the certificate, or speaks plainly, gets nothing.
        let stranger = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])?;
        let distrusting = Client::trusting(&server.url, &server.token, Some(stranger.cert.der()))?;
        ensure!(distrusting.get("/healthz").await.is_err(), "another certificate is trusted");
        let plain = Client::new(&server.url.replace("https://", "http://"), &server.token)?;
        ensure!(plain.get("/healthz").await.is_err(), "HTTPS answers plain HTTP");
        server.stop().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_or_key_that_cannot_be_used_is_named_before_anything_is_listened_on() -> Result<()> {
    let files = Files::new()?;
    let other = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])?;
    files.write("other.pem", &other.signing_key.serialize_pem())?;
    files.write("words.pem", "no certificate")?;
    let mut server = Server::prepare(Backend::Sqlite, TempDir::new()?).await?;
    for (certificate, key, named) in [
        ("gone.pem", "key.pem", "gone.pem"),
        ("cert.pem", "gone.pem", "gone.pem"),
        ("words.pem", "key.pem", "words.pem"),
        ("cert.pem", "words.pem", "words.pem"),
        ("key.pem", "key.pem", "it holds no certificate"),
        ("cert.pem", "other.pem", "do not belong together"),
    ] {
        files.set(&mut server, certificate, key);
        let (output, log) = server.serve_in_vain().await?;
        ensure!(!output.contains("listening"), "{certificate}, {key}: {output}");
        ensure!(log.contains(named), "{certificate}, {key}: {log}");
    }
    let mut server = Server::prepare(Backend::Sqlite, TempDir::new()?).await?;
    server.set("FIREBREAK_TLS_CERT", &files.path("cert.pem").display().to_string());
    let (output, log) = server.serve_in_vain().await?;
    ensure!(output.is_empty() && log.contains("go together"), "a certificate alone is served plainly: {log}");
    Ok(())
}
