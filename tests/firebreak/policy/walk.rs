//! Every route × every role: who is let in, and what they learn of another district's objects, which is nothing.

use anyhow::{Context as _, Result, ensure};
use firebreak::domain::Role;
use firebreak::http::policy::{Row, Scope, TABLE};
use firebreak_tests::http::Client;
use firebreak_tests::server::Backend;

use super::world::{ENDLESS, Objects, World, body_of, path_of};

/// Whether a reply keeps its caller out for who they are, by the status.
const fn keeps_out(status: u16) -> bool {
    matches!(status, 401 | 403)
}

async fn ask(client: &Client, row: &Row, objects: &Objects) -> Result<(u16, String)> {
    let path = path_of(row.path, objects);
    if row.path == ENDLESS {
        return Ok((client.status(&path).await?, String::new()));
    }
    let reply = client.call(row.method, &path, &body_of(row.method, row.path, objects)).await?;
    ensure!(
        reply.status < 500 && reply.status != 405,
        "{} {path}: {} {}",
        row.method,
        reply.status,
        reply.text()
    );
    // What a reply repeats of its request is no knowledge.
    let mut text = reply.text();
    for id in objects.values() {
        text = text.replace(id.as_str(), "ID");
    }
    Ok((reply.status, text))
}

/// The status that keeps out whoever the row does not let in; none: they are let in.
fn expected(row: &Row, role: Role) -> Option<u16> {
    match row.scope {
        Scope::Public => None,
        Scope::Device => Some(401),
        Scope::DeviceOrOffice | Scope::District | Scope::OwnUnit | Scope::Own | Scope::Province => {
            (!row.roles.contains(&role)).then_some(403)
        }
    }
}

/// Pages that ask for a password answer so whoever comes.
fn asks_anybody(row: &Row) -> bool {
    matches!(row.path, "/login" | "/v1/session") && row.method == "POST"
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_route_lets_in_whom_its_row_says_and_nobody_else() -> Result<()> {
    for backend in Backend::ALL {
        let world = World::new(backend).await?;
        let mut asked = 0;
        for row in TABLE.iter().filter(|row| !asks_anybody(row)) {
            let at = format!("{backend:?} {} {}", row.method, row.path);
            let (nobody, _) = ask(&world.nobody, row, &world.absent).await?;
            let (phone, _) = ask(&world.phone.client, row, &world.absent).await?;
            let is_public = row.scope == Scope::Public;
            assert_eq!(keeps_out(nobody), !is_public, "{at}: without a token {nobody}");
            let lets_phones_in = is_public || matches!(row.scope, Scope::Device | Scope::DeviceOrOffice);
            assert_eq!(keeps_out(phone), !lets_phones_in, "{at}: a phone {phone}");
            for (role, client) in &world.clients {
                let (status, text) = ask(client, row, &world.absent).await?;
                let kept_out = keeps_out(status).then_some(status);
                assert_eq!(kept_out, expected(row, *role), "{at}: {role:?} {status} {text}");
                asked += 1;
            }
        }
        println!("{backend:?}: {asked} requests of {} rows", TABLE.len());
        world.server.check().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_of_another_district_is_answered_as_one_that_is_nowhere() -> Result<()> {
    for backend in Backend::ALL {
        let world = World::new(backend).await?;
        let mut compared = 0;
        let with_objects = TABLE.iter().filter(|row| {
            let names = world.absent.keys().any(|name| row.path.contains(name));
            names || matches!(row.path, "/v1/enrol-codes" | "/v1/commands/{command}")
        });
        for row in with_objects {
            let at = format!("{backend:?} {} {}", row.method, row.path);
            let mut callers: Vec<&Client> = world.clients.values().collect();
            callers.push(&world.phone.client);
            for client in callers {
                let nowhere = ask(client, row, &world.absent).await?;
                let elsewhere = ask(client, row, &world.foreign).await?;
                assert_eq!(nowhere, elsewhere, "{at}");
                let is_bulk = row.path == "/v1/commands/{command}";
                // How much of a photo is there: nothing, wherever else it may be.
                let is_empty = row.method == "HEAD";
                ensure!(is_bulk || is_empty || elsewhere.0 >= 400, "{at}: {elsewhere:?}");
                compared += 1;
            }
        }
        ensure!(compared > 100, "only {compared}");
        println!("{backend:?}: {compared} pairs of replies are the same");
        world.server.check().await?;
        let (_, told) = world.server.command(&["check", "--district", "other"]).await?;
        let ok = told.get("ok").context("no check")?;
        ensure!(ok == true, "{told}");
    }
    Ok(())
}
