//! Law 7 where areas change: whatever cuts a change of areas short, the phone ends with what lies in its areas and no more.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use firebreak_tests::http::SyncReply;
use firebreak_tests::phone::Phone;
use firebreak_tests::server::{Backend, DISTRICT, Server};
use sync_protocol::exchange::{AreaState, Frame, RequestHeader, encode_request};
use sync_protocol::ids::RecordId;
use sync_protocol::limits::BUDGET_MIN;
use sync_protocol::operation::{Operation, Position};

use crate::restore::Older;

/// Degrees west, south, east, north.
const SOUTH: &str = "103,29,104,29.1";
const NORTH: &str = "103,30,104,30.1";
const SOUTH_AND_WEST: &str = "101,28.9,104,29.2";
const NORTH_AND_WEST: &str = "101,29.9,104,30.2";
/// Records in each area.
const RECORDS: usize = 60;

/// A phone that keeps what it is told to hold.
struct Holder {
    phone: Phone,
    areas: AreaState,
    records: BTreeSet<RecordId>,
}

impl Holder {
    async fn enrol(server: &Server, person: &str) -> Result<Self> {
        let areas = AreaState { version: 0, progress: None };
        Ok(Self { phone: Phone::enrol_for(server, person).await?, areas, records: BTreeSet::new() })
    }

    /// One reply of the least budget. Whether there is more.
    async fn pull(&mut self) -> Result<bool> {
        let reply = self.ask().await?;
        Ok(reply.end().context("no end")?.more)
    }

    async fn ask(&mut self) -> Result<SyncReply> {
        let areas = Some(self.areas.clone());
        let header = RequestHeader { areas, budget: Some(BUDGET_MIN), ..self.phone.header() };
        let reply = self.phone.client.sync(encode_request::<Vec<u8>>(&header, &[])).await?;
        for frame in &reply.frames {
            match frame {
                Frame::Item(item) => drop(self.records.insert(item.record)),
                Frame::Leave(record) => drop(self.records.remove(record)),
                Frame::Cursor(cursor) if cursor.progress.is_some() => {
                    self.areas.progress.clone_from(&cursor.progress);
                }
                Frame::Areas(version) => {
                    self.areas = AreaState { version: *version, progress: None };
                }
                _ => {}
            }
        }
        self.phone.keep(&reply);
        Ok(reply)
    }

    async fn pull_all(&mut self) -> Result<()> {
        for _ in 0..1_000 {
            if !self.pull().await? {
                return Ok(());
            }
        }
        anyhow::bail!("it never ends: {:?}", self.areas)
    }

    fn moved_to(&mut self, server: &Server) {
        self.phone.client = self.phone.client.at(&server.url);
    }

    fn require(&self, wanted: &[Operation], when: &str) -> Result<()> {
        let wanted: BTreeSet<RecordId> = wanted.iter().map(|report| report.record).collect();
        let (lacks, keeps) =
            (wanted.difference(&self.records).count(), self.records.difference(&wanted).count());
        ensure!((lacks, keeps) == (0, 0), "{when}: the phone lacks {lacks} and keeps {keeps}");
        Ok(())
    }
}

async fn set_area(server: &Server, person: &str, area: &str) -> Result<()> {
    let set = ["area", "set", "--district", DISTRICT, "--person", person, "--box", area];
    ensure!(server.command(&set).await?.0, "the area was not set");
    Ok(())
}

/// Hazards spread over an area that begins at this latitude.
async fn fill(author: &mut Phone, lat_e7: i64) -> Result<Vec<Operation>> {
    fill_with(author, lat_e7, 1).await
}

/// As many at each of the places.
async fn fill_with(author: &mut Phone, lat_e7: i64, at_each: usize) -> Result<Vec<Operation>> {
    let mut reports = Vec::new();
    for nth in (0..).take(RECORDS).flat_map(|nth| std::iter::repeat_n(nth, at_each)) {
        let position = Position {
            lat_e7: lat_e7 + 10_000 + nth * 9_000,
            lon_e7: 1_030_100_000 + nth * 90_000,
            ..Position::default()
        };
        reports.push(author.report("general").with("position", &position));
    }
    let bundle = author.seal(&reports);
    ensure!(author.sync(&[bundle]).await?.receipts().len() == 1, "pushed");
    Ok(reports)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_interrupts_another_and_is_cut_leaves_what_lies_in_the_areas() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let person = server.add_person("inspector").await?;
        let mut author = Phone::enrol(&server).await?;
        let (north, _south) = (fill(&mut author, 300_000_000).await?, fill(&mut author, 290_000_000).await?);
        // The north is looked through first: it has left when the south enters. However far that got before another change
        // took its place, whose own replies are cut as well.
        for cut in 1..6 {
            set_area(&server, &person, NORTH).await?;
            let mut holder = Holder::enrol(&server, &person).await?;
            holder.pull_all().await?;
            holder.require(&north, "at first")?;
            set_area(&server, &person, SOUTH).await?;
            for _ in 0..cut {
                ensure!(
                    holder.pull().await?,
                    "{backend:?}: the change to the south was whole after {cut} replies"
                );
            }
            set_area(&server, &person, NORTH_AND_WEST).await?;
            holder.pull_all().await?;
            holder.require(&north, &format!("{backend:?}: interrupted after {cut} replies"))?;
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_has_little_to_tell_says_how_far_it_is() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let person = server.add_person("inspector").await?;
        let mut author = Phone::enrol(&server).await?;
        let mut south = Vec::new();
        for _ in 0..3 {
            south.extend(fill_with(&mut author, 290_000_000, 15).await?);
        }
        set_area(&server, &person, SOUTH).await?;
        let mut holder = Holder::enrol(&server, &person).await?;
        holder.pull_all().await?;
        holder.require(&south, "at first")?;

        // All of the south stays.
        set_area(&server, &person, SOUTH_AND_WEST).await?;
        let held = holder.areas.clone();
        let reply = holder.ask().await?;
        let on_the_way: BTreeSet<_> = reply
            .frames
            .iter()
            .filter_map(|frame| match frame {
                Frame::Cursor(cursor) => cursor.progress.clone(),
                _ => None,
            })
            .collect();
        ensure!(on_the_way.len() == 2, "{backend:?}: it told {} times how far it was", on_the_way.len());
        let last = holder.areas.clone();
        holder.areas = AreaState { progress: on_the_way.first().cloned(), ..held };
        holder.pull_all().await?;
        ensure!(holder.areas == last, "{backend:?}: {:?} is not {last:?}", holder.areas);
        holder.require(&south, "from the middle")?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn areas_that_a_restored_ledger_has_lost_are_left_whole() -> Result<()> {
    for backend in Backend::ALL {
        let mut server = Server::start(backend).await?;
        let person = server.add_person("inspector").await?;
        let mut author = Phone::enrol(&server).await?;
        let (south, north) = (fill(&mut author, 290_000_000).await?, fill(&mut author, 300_000_000).await?);
        set_area(&server, &person, SOUTH).await?;
        let mut holders = Vec::new();
        for _ in 0..3 {
            let mut holder = Holder::enrol(&server, &person).await?;
            holder.pull_all().await?;
            holder.require(&south, "at first")?;
            holders.push(holder);
        }
        let older = Older::of(&mut server).await?;
        for holder in &mut holders {
            holder.moved_to(&server);
        }

        // Behind the copy all change to the north, one of them in part.
        set_area(&server, &person, NORTH).await?;
        let [done, cut, moved] = holders.as_mut_slice() else { anyhow::bail!("three phones") };
        done.pull_all().await?;
        moved.pull_all().await?;
        done.require(&north, "before the restore")?;
        ensure!(cut.pull().await?, "{backend:?}: the change was whole after one reply");

        older.put_back(&mut server).await?;
        for holder in [&mut *done, &mut *cut, &mut *moved] {
            holder.moved_to(&server);
        }
        // The restored ledger knows the south alone.
        done.pull_all().await?;
        done.require(&south, &format!("{backend:?}: back in the south"))?;
        cut.pull_all().await?;
        cut.require(&south, &format!("{backend:?}: back in the south from the middle"))?;
        // Other areas, of which there are as many versions as were lost.
        set_area(&server, &person, SOUTH_AND_WEST).await?;
        moved.pull_all().await?;
        moved.require(&south, &format!("{backend:?}: from lost areas to others"))?;
    }
    Ok(())
}
