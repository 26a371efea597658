//! A season that begins while no server runs, and extensions that stand against the terms that they extend. The server is
//! started again on the days that matter, always of the next winter.

use anyhow::{Context as _, Result, ensure};
use firebreak_tests::http::Client;
use firebreak_tests::phone::Phone;
use firebreak_tests::server::{Backend, Server};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use serde_json::{Value, json};
use sync_protocol::ids::RecordId;

use super::deadlines::events;
use super::{Desk, order};

/// The zone of the districts under test.
const ZONE: &str = "Asia/Shanghai";

/// Nine in the morning of a day, or its beginning.
fn at_ms(day: Date, hour: i8) -> Result<i64> {
    let zone = TimeZone::get(ZONE)?;
    Ok(day.at(hour, 0, 0, 0).to_zoned_datetime(zone)?.timestamp().as_millisecond())
}

/// The next 26 November: out of season, and in no past that a clock could not be set to.
fn autumn() -> Result<Date> {
    let today = Timestamp::now().to_zoned_datetime(TimeZone::get(ZONE)?).date();
    let this_year = Date::new(today.year(), 11, 26)?;
    let is_over = at_ms(this_year, 9)? <= Timestamp::now().as_millisecond();
    Ok(if is_over { this_year.checked_add(1.year())? } else { this_year })
}

/// An office whose server is started again on another day.
struct Office {
    server: Server,
    desk: Desk,
    phone: Phone,
    /// The last event that was read.
    told: u64,
}

impl Office {
    async fn on(backend: Backend, day: Date) -> Result<Self> {
        let server = Server::start(backend).await?;
        let (desk, phone) = (Desk::new(&server).await?, Phone::enrol(&server).await?);
        let mut office = Self { server, desk, phone, told: 0 };
        office.go_to(day).await?;
        Ok(office)
    }

    async fn go_to(&mut self, day: Date) -> Result<()> {
        let ahead_s = (at_ms(day, 9)? - Timestamp::now().as_millisecond()) / 1_000;
        self.server.stop().await?;
        self.server.set("FIREBREAK_CLOCK_AHEAD_S", &ahead_s.to_string());
        self.server.resume().await?;
        self.desk = self.desk.at(&self.server);
        self.phone.client = self.phone.client.at(&self.server.url);
        Ok(())
    }

    /// Waits for the look that notices that a deadline has passed: it comes after the scan of that start.
    async fn looked(&mut self) -> Result<()> {
        let seen = events(&self.server.client()?, self.told, &["deadline-passed"]).await?;
        self.told = seen.last().map_or(self.told, |(id, _)| *id);
        Ok(())
    }

    fn reads(&self) -> Result<Client> {
        self.server.client()
    }

    /// A general hazard in forest that was ordered, with this deadline or the rules' own, and receipted.
    async fn ordered(&mut self, deadline_ms: Option<i64>) -> Result<RecordId> {
        let report = self.phone.report("general").with("forest", &true);
        let bundle = self.phone.seal(std::slice::from_ref(&report));
        self.phone.sync(&[bundle]).await?;
        let record = report.record;
        self.desk.does("reviewer", record, "grade", &json!({"fields": {"severity": "general"}})).await?;
        let mut body = order();
        if let Some(deadline_ms) = deadline_ms {
            body["fields"]["deadline_ms"] = json!(deadline_ms);
        }
        self.desk.does("clerk", record, "order", &body).await?;
        self.desk.does("clerk", record, "receipt", &json!({})).await?;
        Ok(record)
    }

    async fn extended(&mut self, until_ms: i64) -> Result<RecordId> {
        let record = self.ordered(None).await?;
        let asked = json!({"fields": {"deadline_ms": until_ms, "reason": "等采伐许可"}});
        self.desk.does("clerk", record, "ask-extension", &asked).await?;
        self.desk.does("reviewer", record, "grant-extension", &json!({})).await?;
        Ok(record)
    }

    /// The deadline that people were told last, by what, and why.
    async fn last(&self, record: RecordId) -> Result<(i64, String, Value)> {
        let told = self.reads()?.json(&format!("/v1/hazards/{record}")).await?;
        let step = told["deadlines"].as_array().and_then(|steps| steps.last()).context("no deadline")?;
        let kind = step["kind"].as_str().context("no kind")?.to_owned();
        let mut operations = told["operations"].as_array().into_iter().flatten();
        let reason = operations.rfind(|it| it["kind"] == step["kind"]);
        let reason = reason.map(|it| it["fields"]["reason"].clone()).unwrap_or_default();
        Ok((step["at_ms"].as_i64().context("no moment")?, kind, reason))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_season_that_began_while_no_server_ran_tightens_from_its_first_day_and_extensions_stand()
-> Result<()> {
    for backend in Backend::ALL {
        let autumn = autumn()?;
        let day = |month: i8, day: i8| Date::new(autumn.year() + 1, month, day);
        let mut office = Office::on(backend, autumn).await?;
        let plain = office.ordered(None).await?;
        let passed = office.ordered(Some(at_ms(day(2, 10)?, 0)?)).await?;
        let until_ms = at_ms(day(7, 31)?, 0)?;
        let extended = office.extended(until_ms).await?;
        // Something passes, so that the look is noticed.
        office.ordered(Some(at_ms(autumn.checked_add(1.day())?, 9)?)).await?;
        let before = office.last(plain).await?;

        office.go_to(autumn.checked_add(2.days())?).await?;
        office.looked().await?;
        assert_eq!(office.last(plain).await?, before, "{backend:?}");
        let (told_ms, kind, _) = office.last(extended).await?;
        assert_eq!((told_ms, kind.as_str()), (until_ms, "extension_granted"), "a later look annuls nothing");

        // The season begins on 1 January, the one of high risk on 1 February; nobody looks before March.
        office.go_to(day(3, 1)?).await?;
        office.looked().await?;
        for record in [plain, passed, extended] {
            let (told_ms, kind, reason) = office.last(record).await?;
            assert_eq!((told_ms, kind.as_str()), (at_ms(day(2, 1)?, 0)?, "deadline_tightened"), "{reason}");
            let from = format!("自 {} 起 30 日", day(1, 1)?);
            ensure!(reason.as_str().is_some_and(|reason| reason.contains(&from)), "{reason}");
        }
        let page = office.reads()?.json("/v1/hazards?overdue=true").await?;
        assert_eq!(page["hazards"].as_array().map(Vec::len), Some(4));

        // An extension that is granted in the season stands against the season's own term.
        let until_ms = at_ms(day(4, 30)?, 0)?;
        let extended = office.extended(until_ms).await?;
        office.ordered(Some(at_ms(day(3, 2)?, 9)?)).await?;
        office.go_to(day(3, 3)?).await?;
        office.looked().await?;
        let (told_ms, kind, _) = office.last(extended).await?;
        assert_eq!((told_ms, kind.as_str()), (until_ms, "extension_granted"));
        office.server.check().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_that_are_set_later_tighten_from_the_day_on_which_they_were_set() -> Result<()> {
    for backend in Backend::ALL {
        let autumn = autumn()?;
        let day = |days: i32| autumn.checked_add(days.days());
        let mut office = Office::on(backend, autumn).await?;
        let report = office.phone.report("general").with("forest", &false);
        let bundle = office.phone.seal(std::slice::from_ref(&report));
        office.phone.sync(&[bundle]).await?;
        let record = report.record;
        office.desk.does("reviewer", record, "grade", &json!({"fields": {"severity": "general"}})).await?;
        office.desk.does("clerk", record, "order", &order()).await?;
        // A hundred days of the hundred and eighty are over when general hazards get thirty.
        office.go_to(day(100)?).await?;
        let source = firebreak::rules::DEFAULT.replacen("days = 180", "days = 30", 1);
        ensure!(source != firebreak::rules::DEFAULT, "the text was not edited");
        let admin = office.desk.of("admin")?;
        admin.call("PUT", "/v1/rules", &json!({ "source": source })).await?.json("rules")?;
        office.ordered(Some(at_ms(day(101)?, 8)?)).await?;
        office.go_to(day(101)?).await?;
        office.looked().await?;
        let (told_ms, kind, reason) = office.last(record).await?;
        assert_eq!(
            (told_ms, kind.as_str()),
            (at_ms(day(131)?, 0)?, "deadline_tightened"),
            "{backend:?} {reason}"
        );
        office.server.check().await?;
    }
    Ok(())
}
