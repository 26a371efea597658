//! The rules of a district: read, edited, set by the office and by another process, and logged.

use anyhow::{Context as _, Result, ensure};
use firebreak::rules::{DEFAULT, Rules};
use firebreak_tests::server::{Backend, Server};
use serde_json::{Value, json};

use super::{rows, text};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_are_read_edited_set_and_their_versions_kept() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let office = server.client()?;
        let first = office.json("/v1/rules").await?;
        assert_eq!((text(&first, "source"), &first["is_default"]), (DEFAULT, &Value::Bool(true)));
        assert_eq!(text(&first, "version"), Rules::standard().version());
        assert!(rows(&first, "history")?.is_empty());

        let unchanged = office.call("PUT", "/v1/rules", &json!({"source": DEFAULT})).await?;
        assert_eq!(unchanged.json("PUT")?["changed"], false, "what is in force already changes nothing");

        // The office: serious hazards of the distribution network in 20 days.
        let edited = DEFAULT.replacen("days = 30\nmark = \"R\"", "days = 20\nmark = \"ours\"", 1);
        ensure!(edited != DEFAULT, "the text was not edited");
        let set = office.call("PUT", "/v1/rules", &json!({"source": edited})).await?.json("PUT")?;
        assert_eq!(set["changed"], true);
        let now = office.json("/v1/rules").await?;
        assert_eq!((text(&now, "source"), &now["is_default"]), (edited.as_str(), &Value::Bool(false)));
        assert_eq!(text(&now, "version"), text(&set, "version"));

        // An operator beside the running server.
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("rules.toml");
        std::fs::write(&file, edited.replacen("Defaults", "本局规则", 1))?;
        let file = file.to_str().context("a name that is no text")?;
        let (succeeded, by_command) = server.command(&["rules", "set", file]).await?;
        ensure!(succeeded && by_command["changed"] == true, "{by_command}");
        let now = office.json("/v1/rules").await?;
        assert_eq!((text(&now, "title"), text(&now, "version")), ("本局规则", text(&by_command, "version")));
        let history = server.command_lines(&["rules", "history"]).await?;
        let versions: Vec<&str> = history.iter().map(|past| text(past, "version")).collect();
        assert_eq!(versions, [text(&by_command, "version"), text(&set, "version")]);
        let changes: Vec<u64> = history.iter().filter_map(|past| past["change"].as_u64()).collect();
        assert!(changes.len() == 2 && changes[0] > changes[1], "{changes:?}");

        // The engine gives what is in force, and is not told of it.
        let engine = firebreak::app::open(&server.settings()).await?;
        let district = engine.district(&server.district).await?;
        let rules = engine.rules(&district).await?;
        assert_eq!(rules.version(), text(&by_command, "version"));
        office.call("PUT", "/v1/rules", &json!({"source": DEFAULT})).await?.json("PUT")?;
        assert_eq!(engine.rules(&district).await?.version(), Rules::standard().version());
        engine.store.close().await;
        server.check().await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_text_that_is_no_rules_is_refused_by_its_key_and_changes_nothing() -> Result<()> {
    let server = Server::start(Backend::Sqlite).await?;
    let office = server.client()?;
    let broken = DEFAULT.replacen("from_v = 35000", "from_v = 900", 1);
    let long = format!("{DEFAULT}#{}", "x".repeat(64 << 10));
    for (source, why) in
        [(broken.as_str(), "class[2].from_v"), ("title = ", "rules:"), (long.as_str(), "more than 65536")]
    {
        let reply = office.call("PUT", "/v1/rules", &json!({"source": source})).await?;
        assert_eq!((reply.status, reply.code().as_deref()), (400, Some("bad-parameter")));
        assert!(reply.text().contains(why), "{why}: {}", reply.text());
    }
    assert_eq!(office.json("/v1/rules").await?["is_default"], true);
    Ok(())
}
