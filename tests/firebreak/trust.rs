//! Trust belongs to a signer, and a code to one phone: what a hostile or careless carrier must not be able to do.

use anyhow::{Result, ensure};
use firebreak_tests::phone::Phone;
use firebreak_tests::server::{Backend, Server};
use sync_protocol::codes::Code;

/// Pushes a colleague's operation, signed by himself, before or after the colleague sends it.
async fn signed_by_another(backend: Backend, is_stolen_first: bool) -> Result<()> {
    let server = Server::start(backend).await?;
    let mut author = Phone::enrol(&server).await?;
    let mut carrier = Phone::enrol(&server).await?;
    let report = author.report("critical");
    let own = author.seal(std::slice::from_ref(&report));
    let stolen = carrier.seal_bytes(vec![report.encode()]);
    for is_stolen in [is_stolen_first, !is_stolen_first] {
        let reply = if is_stolen { carrier.sync(&[&stolen]).await? } else { author.sync(&[&own]).await? };
        ensure!(reply.receipts().len() == 1, "{reply:?}");
    }
    let checked = server.check().await?;
    let count = |path: &str| checked.pointer(path).and_then(serde_json::Value::as_u64);
    ensure!(
        count("/received").is_some() && count("/received") == count("/dispositions/applied"),
        "{checked}"
    );
    ensure!(count("/records") == Some(1) && count("/dispositions/quarantined") == Some(0), "{checked}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operation_that_another_signed_first_is_folded_when_its_own_signer_sends_it() -> Result<()> {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        signed_by_another(backend, true).await?;
        signed_by_another(backend, false).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_that_many_phones_use_at_once_enrols_one() -> Result<()> {
    let server = Server::start(Backend::Sqlite).await?;
    let person = server.add_person("inspector").await?;
    let code = server.enrol_code(&person).await?;
    let phones = futures::future::join_all((0..8).map(|_| Phone::enrol_with(&server, &code))).await;
    let enrolled = phones.iter().filter(|phone| phone.is_ok()).count();
    ensure!(enrolled == 1, "{enrolled} phones enrolled");
    let refused = phones.into_iter().filter_map(Result::err);
    for error in refused {
        let text = format!("{error:#}");
        ensure!(text.contains(Code::EnrolCodeUsed.as_str()), "{text}");
    }
    Ok(())
}
