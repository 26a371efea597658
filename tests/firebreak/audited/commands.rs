//! Every command of the shell: it leaves its rows, as done by the operator.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use clap::CommandFactory as _;
use firebreak::cli::Cli;
use firebreak_tests::phone::Phone;
use firebreak_tests::postgres;
use firebreak_tests::server::{Backend, DISTRICT, Server};

use super::Watch;

/// Commands that change nothing of the ledger, and why that is so.
const WITHOUT_ROWS: &[(&str, &str)] = &[
    ("serve", "what it does is told as it is done"),
    ("district list", "it reads"),
    ("person list", "it reads"),
    ("user list", "it reads"),
    ("unit list", "it reads"),
    ("token list", "it reads ids, never a token"),
    ("device list", "it reads"),
    ("rules show", "it reads"),
    ("rules history", "it reads"),
    ("audit head", "it reads the log itself"),
    ("audit list", "it reads the log itself"),
    ("audit verify", "it reads the log itself"),
    ("check", "it reads"),
    ("config", "it opens no ledger"),
    ("openapi", "it opens no ledger"),
];

/// `noun verb` of every command that does something.
fn leaves() -> Vec<String> {
    let command = Cli::command();
    let mut leaves = Vec::new();
    for noun in command.get_subcommands() {
        if noun.get_subcommands().next().is_none() {
            leaves.push(noun.get_name().to_owned());
        }
        for verb in noun.get_subcommands() {
            leaves.push(format!("{} {}", noun.get_name(), verb.get_name()));
        }
    }
    leaves
}

struct Shell<'s> {
    server: &'s Server,
    watch: Watch<'s>,
}

impl Shell<'_> {
    /// Runs a command that must succeed and leave these rows; gives a text of what it prints, where one is asked for.
    async fn runs(&mut self, command: &str, rest: &[&str], expected: &[&str], key: &str) -> Result<String> {
        let arguments: Vec<&str> = command.split(' ').chain(rest.iter().copied()).collect();
        let text = if key.is_empty() {
            self.server.command_lines(&arguments).await.with_context(|| command.to_owned())?;
            String::new()
        } else {
            self.server.command_text(&arguments, key).await?
        };
        self.watch.noted(command, expected).await?;
        Ok(text)
    }
}

/// Which district a command is for.
const HERE: [&str; 2] = ["--district", DISTRICT];

const LINES: &str = "线路名称,杆号,经度,纬度\n青杠线,N1,103.01,29.98\n青杠线,N2,103.02,29.99\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_command_that_changes_something_leaves_its_row() -> Result<()> {
    for backend in Backend::ALL {
        let server = Server::start(backend).await?;
        let folder = tempfile::tempdir()?;
        let file = |name: &str, bytes: &[u8]| -> Result<String> {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes)?;
            Ok(path.to_str().context("no text")?.to_owned())
        };
        let (mut phone, mut lost) = (Phone::enrol(&server).await?, Phone::enrol(&server).await?);
        let mut shell = Shell { server: &server, watch: Watch::new(&server).await? };
        let with = |rest: &[&'static str]| -> Vec<&'static str> { [&HERE[..], rest].concat() };

        shell
            .runs("district add", &["--code", "two", "--name", "二区"], &["district.add"], "district")
            .await?;
        shell.runs("district province", &with(&["--province", "51"]), &["district.province"], "").await?;
        let person = shell.runs("person add", &with(&["--name", "甲"]), &["person.add"], "person").await?;
        let admin = server.add_person("admin").await?;
        shell.watch.new_rows().await?;
        let of_person = [&HERE[..], &["--person", &person]].concat();
        let of_admin = [&HERE[..], &["--person", &admin]].concat();
        shell.runs("area set", &of_person, &["person.area"], "").await?;
        shell.runs("enrol-code", &of_person, &["device.enrol-code"], "code").await?;
        shell.runs("token create", &of_admin, &["token.make"], "token").await?;
        shell.runs("token revoke", &of_admin, &["token.revoke"], "").await?;
        let unit = shell.runs("unit set", &with(&["--name", "供电所"]), &["unit.add"], "unit").await?;
        let again = [&HERE[..], &["--name", "供电所", "--unit", &unit]].concat();
        shell.runs("unit set", &again, &["unit.change"], "unit").await?;
        shell.runs("unit retire", &[&HERE[..], &["--unit", &unit]].concat(), &["unit.retire"], "").await?;

        shell
            .runs("user add", &["--login", "shengting", "--name", "省厅"], &["account.add"], "account")
            .await?;
        shell.runs("user reset", &["--login", "shengting"], &["account.reset"], "link").await?;
        let grant = ["--login", "shengting", "--province", "51"];
        shell.runs("user grant", &grant, &["account.grant"], "").await?;
        shell.runs("user revoke", &grant, &["account.revoke"], "").await?;
        shell.runs("user disable", &["--login", "shengting"], &["account.disable"], "").await?;
        shell.runs("user enable", &["--login", "shengting"], &["account.enable"], "").await?;
        shell.runs("user link", &with(&["--admin"]), &["person.add", "person.link"], "link").await?;

        let bundle = phone.reports(2);
        let mut stick = Vec::new();
        sync_protocol::cbor::write_byte_string(&mut stick, &bundle);
        let bundle = file("one.bundles", &stick)?;
        shell.runs("import bundle", &[&HERE[..], &[&bundle]].concat(), &["import.bundle"], "").await?;
        let track = file("one.gpx", GPX.as_bytes())?;
        let track = [&HERE[..], &["--person", &person, &track]].concat();
        let rows = ["act.patrol_started", "act.patrol_track", "act.patrol_finished", "import.gpx"];
        shell.runs("import gpx", &track, &rows, "").await?;
        let lines = file("lines.csv", LINES.as_bytes())?;
        shell.runs("import lines", &[&HERE[..], &[&lines]].concat(), &["grid.import"], "").await?;
        let regions = file("regions.geojson", REGION.as_bytes())?;
        let regions = [&HERE[..], &["--level", "township", &regions]].concat();
        shell.runs("import regions", &regions, &["grid.import"], "").await?;

        let rules =
            firebreak::rules::DEFAULT.replacen("days = 30\nmark = \"R\"", "days = 20\nmark = \"ours\"", 1);
        let rules = file("rules.toml", rules.as_bytes())?;
        shell.runs("rules set", &[&HERE[..], &[&rules]].concat(), &["rules.set"], "").await?;
        let out = file("report.txt", b"")?;
        let days = ["--from", "2026-11-01", "--to", "2026-11-30", "--out", &out];
        shell.runs("report", &[&HERE[..], &days].concat(), &["export.report"], "").await?;
        let (layer, map) =
            (["--layer", "hazards", "--format", "geojson", "--out"], file("map.geojson", b"")?);
        shell.runs("export", &[&HERE[..], &layer, &[map.as_str()]].concat(), &["export.file"], "").await?;
        let issued = [&HERE[..], &days, &["--issue"]].concat();
        shell.runs("report", &issued, &["report.issue", "export.report"], "").await?;
        let next = |flag, next| [&HERE[..], &[flag, next, "--reason", "纸质编号"]].concat();
        shell.runs("report", &next("--next-number", "9"), &["report.gap"], "").await?;
        shell.runs("order next", &next("--number", "12"), &["order.gap"], "").await?;

        backed_up(&mut shell, folder.path()).await?;
        let device = phone.device.to_string();
        let given_up = [&HERE[..], &["--device", &device]].concat();
        shell.runs("device lost", &given_up, &["device.lose"], "").await?;
        let report = lost.reports(1);
        lost.sync(&[report]).await?;
        let device = lost.device.to_string();
        let revoked = [&HERE[..], &["--device", &device]].concat();
        shell.runs("device revoke", &revoked, &["device.revoke"], "").await?;
        shell.runs("person remove", &of_person, &["person.remove"], "").await?;

        looked_at(&server, &shell.watch).await?;
    }
    Ok(())
}

/// A copy is read and noted for each of the two districts.
async fn backed_up(shell: &mut Shell<'_>, folder: &Path) -> Result<()> {
    let (copy, two) = (folder.join("copy"), ["backup.verify", "backup.verify"]);
    let copy = copy.to_str().context("no text")?;
    match shell.server.database() {
        None => {
            shell.runs("backup make", &["--to", copy], &two, "").await?;
            shell.runs("backup verify", &["--of", copy], &two, "").await?;
        }
        Some(database) => {
            let restored = postgres::copy_of(database).await?;
            shell.runs("backup verify", &["--of", copy, "--restored", &restored], &two, "").await?;
            shell.watch.done.insert("backup make".to_owned());
        }
    }
    Ok(())
}

/// Every command was run or has no row to leave, each row says who it was, and the log is whole.
async fn looked_at(server: &Server, watch: &Watch<'_>) -> Result<()> {
    for leaf in leaves() {
        let exempt = WITHOUT_ROWS.iter().any(|(name, _)| *name == leaf);
        ensure!(exempt != watch.done.contains(&leaf), "`firebreak {leaf}`: say what rows it leaves");
    }
    let by =
        server.rows::<(String,)>("SELECT DISTINCT actor FROM audit WHERE action LIKE 'account.%'").await?;
    ensure!(by == [("operator".to_owned(),)], "{by:?}");
    let server_did = server.rows::<(i64,)>("SELECT count(*) FROM audit WHERE actor = 'server'").await?;
    ensure!(server_did == [(0,)], "the server is said to have done what the operator did");
    // The log is read again by a command, the newest first, and is whole.
    let listed = server.command_lines(&["audit", "list", "--district", DISTRICT, "--limit", "3"]).await?;
    assert_eq!(listed.len(), 3);
    assert_eq!(listed[0]["action"], "person.remove");
    let accounts = server.command_lines(&["audit", "list", "--deployment"]).await?;
    ensure!(accounts.iter().any(|row| row["action"] == "account.disable"), "{accounts:?}");
    for chain in [&["--district", DISTRICT][..], &["--deployment"]] {
        let (is_good, verdict) = server.command(&[&["audit", "verify"], chain].concat()).await?;
        ensure!(is_good, "{verdict}");
    }
    server.command(&["check", "--district", DISTRICT]).await?;
    Ok(())
}

pub(super) const GPX: &str = r#"<?xml version="1.0"?><gpx version="1.1" creator="test"><trk><trkseg>
<trkpt lat="29.98" lon="103.01"><time>2026-11-02T01:00:00Z</time></trkpt>
<trkpt lat="29.981" lon="103.011"><time>2026-11-02T01:05:00Z</time></trkpt>
</trkseg></trk></gpx>"#;

pub(super) const REGION: &str = r#"{"type": "FeatureCollection", "features": [{"type": "Feature",
 "properties": {"code": "511802101", "name": "青杠镇"},
 "geometry": {"type": "Polygon", "coordinates": [[[103.0, 29.9], [103.1, 29.9], [103.1, 30.0], [103.0, 30.0], [103.0, 29.9]]]}}]}"#;
