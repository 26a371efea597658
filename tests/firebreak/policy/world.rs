//! Two districts that are alike, people of every role in the first, and units of which each answers for hazards.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use firebreak::domain::Role;
use firebreak_tests::http::Client;
use firebreak_tests::phone::{Phone, head_of};
use firebreak_tests::server::{Backend, DISTRICT, Server};
use serde_json::{Value, json};
use sync_protocol::kind::Kind;

/// A word that stands in everything of the other district, and nowhere else.
pub(super) const FOREIGN: &str = "外区外区";
/// A word that stands in every hazard of the first district that is of no unit of ours.
pub(super) const NOT_OURS: &str = "别人别人";

/// A route whose reply goes on as long as somebody reads it.
pub(super) const ENDLESS: &str = "/v1/events";

/// What a path may name in one district: the id by its placeholder.
pub(super) type Objects = BTreeMap<&'static str, String>;

pub(super) struct World {
    pub(super) server: Server,
    /// A client a role, in the first district.
    pub(super) clients: BTreeMap<Role, Client>,
    pub(super) nobody: Client,
    pub(super) phone: Phone,
    /// What there is in the first district, and in the other.
    pub(super) own: Objects,
    pub(super) foreign: Objects,
    /// What there is nowhere.
    pub(super) absent: Objects,
    /// Hazards of the unit whose person asks, and of the one below it.
    pub(super) of_unit: Vec<String>,
    /// A hazard of another unit.
    pub(super) of_other_unit: String,
}

/// Everything that a path may name, in one district.
async fn objects(server: &Server, code: &str, word: &str) -> Result<(Objects, Phone, Client)> {
    let add = async |role: &str| {
        let arguments = ["person", "add", "--district", code, "--name", word, "--role", role];
        server.command_text(&arguments, "person").await
    };
    let (person, admin) = (add("inspector").await?, add("admin").await?);
    let token =
        server.command_text(&["token", "create", "--district", code, "--person", &admin], "token").await?;
    let office = server.client_of(&token)?;
    let enrol = server.command_text(&["enrol-code", "--district", code, "--person", &person], "code").await?;
    let district = office.json("/v1/session").await?["districts"][0]["id"].clone();
    let district = district.as_str().context("no district")?.to_owned();
    let mut phone = Phone::enrol_in(server, &district, &enrol).await?;
    let report = phone.report("serious").with("township", &word).with("description", &word);
    let one = phone.on(report.record, Kind::Observed, [head_of(&report)]).with("tree_species", &word);
    let two = phone.on(report.record, Kind::Observed, [head_of(&report)]).with("tree_species", &"杉");
    let wrong = phone.on(report.record, Kind::Observed, [head_of(&report)]).with("tree_height_dm", &-5);
    let twin = phone.report("general").with("description", &word);
    let bundle = phone.seal(&[report.clone(), one, two, wrong, twin.clone()]);
    let hash = sync_protocol::ids::BundleHash::of(&bundle);
    phone.sync(&[bundle]).await?;
    let waiting = office.json("/v1/quarantine").await?;
    let unit = json!({"name": word, "kind": "operator", "contact": word});
    let unit = office.post("/v1/units", &unit).await?.json("unit")?;
    // The line that a hazard stands on is no secret within its district.
    let line = if code == DISTRICT { "青杠线" } else { word };
    let table = format!("线路名称,杆号,经度,纬度\n{line},N1,103.01,29.98\n{line},N2,103.02,29.99\n");
    let csv = [("content-type", "text/csv")];
    let imported = office.post_bytes("/v1/grid/lines?keep_missing=true", table.into_bytes(), &csv).await?;
    ensure!(imported.status == 200, "{}", imported.text());
    let lines = office.json("/v1/grid/lines").await?;
    let period = json!({"from": "2026-11-01", "to": "2026-11-30"});
    let issued = office.post("/v1/reports/work", &period).await?.json("report")?;
    let tokens = office.json("/v1/tokens").await?;
    let export = office.post("/v1/exports/hazards.csv", &json!({})).await?.json("export")?;
    let text =
        |value: &Value| value.as_str().map(str::to_owned).with_context(|| format!("{value} is no text"));
    let found = Objects::from([
        ("{record}", report.record.to_string()),
        ("{other}", twin.record.to_string()),
        ("{conflict}", format!("{}.tree_species.values", report.record)),
        ("{operation}", text(&waiting["quarantine"][0]["identity"])?),
        ("{device}", phone.device.to_string()),
        ("{person}", person),
        ("{unit}", text(&unit["unit"])?),
        ("{line}", text(&lines["lines"][0]["record"])?),
        ("{number}", text(&issued["number"])?),
        ("{token}", text(&tokens["tokens"][0]["id"])?),
        ("{bundle}", hash.to_string()),
        ("{export}", text(&export["id"])?),
        // A photo that nobody has, and an order that nobody gave: of both districts there are none.
        ("{sha256}", "1f".repeat(32)),
        ("{order}", "2026-998".to_owned()),
        ("{session}", "1f".repeat(8)),
    ]);
    Ok((found, phone, office))
}

impl World {
    pub(super) async fn new(backend: Backend) -> Result<Self> {
        let server = Server::start(backend).await?;
        server.add_district("other").await?;
        let (own, mut phone, office) = objects(&server, DISTRICT, NOT_OURS).await?;
        let (foreign, ..) = objects(&server, "other", FOREIGN).await?;
        let unit = async |name: &str, parent: Option<&str>| -> Result<String> {
            let body = json!({"name": name, "kind": "responsible", "parent": parent});
            let made = office.post("/v1/units", &body).await?.json("unit")?;
            Ok(made["unit"].as_str().context("no unit")?.to_owned())
        };
        let ours = unit("我们单位", None).await?;
        let below = unit("下级单位", Some(&ours)).await?;
        let others = unit(NOT_OURS, None).await?;
        let mut hazards = Vec::new();
        for (unit, word) in [(&ours, "甲"), (&below, "乙"), (&others, NOT_OURS)] {
            let report = phone.report("serious").with("description", &word).with("township", &word);
            let bundle = phone.seal(std::slice::from_ref(&report));
            phone.sync(&[bundle]).await?;
            let path = format!("/v1/hazards/{}/commands", report.record);
            let grade = json!({"fields": {"severity": "serious", "rule_version": "2026-1"}});
            office.post(&format!("{path}/grade"), &grade).await?.json("grade")?;
            let order = json!({"fields": {"responsible_unit_id": unit, "measures": "砍伐",
                "deadline_ms": soon_ms()}});
            office.post(&format!("{path}/order"), &order).await?.json("order")?;
            hazards.push(report.record.to_string());
        }
        let mut clients = BTreeMap::new();
        for role in Role::ALL {
            let mut arguments =
                vec!["person", "add", "--district", DISTRICT, "--name", "某人", "--role", role.as_str()];
            if *role == Role::Unit {
                arguments.extend(["--unit", ours.as_str()]);
            }
            let person = server.command_text(&arguments, "person").await?;
            clients.insert(*role, server.client_of(&server.create_token(&person).await?)?);
        }
        let of_other_unit = hazards.pop().context("no hazards")?;
        let absent = absent();
        let nobody = server.client_of("")?;
        Ok(Self { server, clients, nobody, phone, own, foreign, absent, of_unit: hazards, of_other_unit })
    }
}

/// In twelve hours: no rule sets an earlier deadline for what is serious.
fn soon_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond() + 12 * 3_600_000
}

/// Ids of nothing, shaped as ids of something.
fn absent() -> Objects {
    let uuid = uuid::Uuid::from_u128(0x0192_0000_0000_7000_8000_00ff_ffff_ffff).to_string();
    Objects::from([
        ("{record}", uuid.clone()),
        ("{other}", uuid::Uuid::from_u128(0x0192_0000_0000_7000_8000_00ff_ffff_fffe).to_string()),
        ("{conflict}", format!("{uuid}.tree_species.values")),
        ("{operation}", "0f".repeat(32)),
        ("{device}", uuid.clone()),
        ("{person}", uuid.clone()),
        ("{unit}", uuid.clone()),
        ("{line}", uuid),
        ("{number}", "test-2026-999".to_owned()),
        ("{token}", "0f".repeat(8)),
        ("{bundle}", "0f".repeat(32)),
        ("{export}", "0f".repeat(16)),
        ("{sha256}", "0f".repeat(32)),
        ("{order}", "2026-999".to_owned()),
        ("{session}", "0f".repeat(8)),
    ])
}

/// A path that names these objects.
pub(super) fn path_of(route: &str, objects: &Objects) -> String {
    let path = objects.iter().fold(route.to_owned(), |path, (name, id)| path.replace(name, id));
    let path = path.replace("{command}", "void").replace("{link}", "nothing");
    let path = path.replace("{collection}", "hazards").replace("{feature}", "0");
    match route {
        "/v1/reports/work" | "/reports" => format!("{path}?from=2026-11-01&to=2026-11-30"),
        "/v1/photos" => format!("{path}?outstanding=true"),
        tiles if tiles.contains("/tiles/") && tiles.ends_with("{x}") => {
            path.replace("{z}", "5").replace("{y}", "13").replace("{x}", "25").replace("{id}", "hazards")
        }
        of_layer if of_layer.starts_with("/ogc/collections/{collection}/") => path.replace("{id}", "hazards"),
        "/v1/stretches" => format!("{path}?kind=patrol&from=2026-11-01&to=2026-11-30"),
        _ => path,
    }
}

/// A body that each route reads, so that who is kept out is kept out for who they are.
pub(super) fn body_of(method: &str, route: &str, objects: &Objects) -> Value {
    match (method, route) {
        (_, "/v1/hazards/{record}/restore") => json!({"operation": "00".repeat(16), "field": "township"}),
        (_, "/v1/hazards/{record}/commands/{command}") => json!({"fields": {"reason": "误报"}}),
        (_, "/v1/commands/{command}") => {
            json!({"hazards": [objects["{record}"]], "fields": {"reason": "误报"}})
        }
        (_, "/v1/conflicts/{conflict}/resolve") => json!({"value": "x"}),
        (_, "/v1/rules") => json!({"source": ""}),
        ("POST" | "PUT", "/v1/people" | "/v1/people/{person}") => {
            json!({"name": "测试员", "roles": ["inspector"]})
        }
        (_, "/v1/people/{person}/area") => json!({"boxes": []}),
        (_, "/v1/quarantine/{operation}/write-off") => json!({"reason": "无法辨认"}),
        (_, "/v1/devices/{device}/review") => json!({"decision": "write-off", "reason": "无法辨认"}),
        (_, "/v1/devices/{device}/give-up") => json!({"through": 1, "reason": "应用损坏"}),
        ("PUT", "/v1/devices/{device}") => json!({"name": "一号机"}),
        ("POST" | "PUT", "/v1/units" | "/v1/units/{unit}") => json!({"name": "单位", "kind": "owner"}),
        (_, "/v1/hazards" | "/v1/works" | "/v1/inspections" | "/v1/activities") => json!({"fields": {}}),
        (_, "/v1/reports/work") => json!({"from": "2026-11-01", "to": "2026-11-30"}),
        (_, "/v1/enrol-codes") => json!({"person": objects["{person}"]}),
        (_, "/v1/tokens") => json!({"name": "x", "scopes": []}),
        (_, "/v1/session/district") => json!({"district": "other"}),
        (_, "/v1/proposals/{record}/{other}/dismiss") => json!({"reason": "两棵树"}),
        _ => json!({}),
    }
}
