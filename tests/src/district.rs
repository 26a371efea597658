//! Any number of fresh districts on one running server, all with the same people and the same keys, so that the
//! same operations can be pushed to each of them in another order.
//!
//! A district is made through the server's library, as the command line does it beside a running server; what is
//! tested then goes over HTTP. The office's operations are signed with the server's key, as after a restore, so
//! that their bytes too are the same everywhere.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use firebreak::domain::{District, Person, Role, Roles};
use firebreak::sync::audit::Actor;
use firebreak::sync::check::{self, Report};
use firebreak::sync::office::{Act, SERVER_AUTHOR};
use firebreak::sync::{Engine, admin, import, tokens};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use sync_protocol::bundle::{self, Binding, Run};
use sync_protocol::enrolment::{Bearer, device_id};
use sync_protocol::exchange::{RequestHeader, encode_request};
use sync_protocol::ids::{BundleHash, Chain, DeviceId, PersonId, RecordId};
use sync_protocol::operation::Stamp;
use uuid::Uuid;

use crate::http::{Client, SyncReply};
use crate::phone::MORNING_MS;
use crate::server::Server;

/// Inspectors, each with a phone.
pub const DEVICES: usize = 4;
/// The lane of operations that the server signs for the office.
pub const OFFICE: usize = DEVICES;

/// People and keys that every district shares.
pub struct Team {
    /// One a lane; the last is the office's.
    pub persons: Vec<PersonId>,
    keys: Vec<EcdsaKeyPair>,
    random: SystemRandom,
}

impl Team {
    /// A new team.
    pub fn new() -> Result<Self> {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let keys = (0..DEVICES)
            .map(|_| {
                let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).ok()?;
                EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).ok()
            })
            .collect::<Option<_>>()
            .context("no keys could be made")?;
        let persons = (0..=DEVICES).map(|lane| PersonId(Uuid::from_u128(person_number(lane)))).collect();
        Ok(Self { persons, keys, random })
    }
}

fn person_number(lane: usize) -> u128 {
    0x0192_0000_0000_7000_8000_0000_0000_0100 + u128::try_from(lane).unwrap_or_default()
}

/// The library's door to a running server's ledger.
pub struct Ledger {
    engine: Arc<Engine>,
    url: String,
}

impl Ledger {
    /// Opens it beside the server.
    pub async fn open(server: &Server) -> Result<Self> {
        let engine = firebreak::app::open(&server.settings()).await?;
        Ok(Self { engine, url: server.url.clone() })
    }

    /// A new district with the team in it.
    pub async fn district(&self, code: &str, team: &Team) -> Result<Fresh> {
        let id = admin::add_district(&self.engine, code, "测试林区", "Asia/Shanghai").await?;
        let district = self.engine.district(&id.to_string()).await?;
        let mut transaction = self.engine.store.begin().await?;
        transaction.take_counter(district.key, 0).await?;
        for (lane, id) in team.persons.iter().enumerate() {
            let role = if lane == OFFICE { Role::Admin } else { Role::Inspector };
            let person =
                Person { id: *id, name: format!("测试员{lane}"), roles: Roles::from(role), unit: None };
            transaction.add_person(district.key, &person, MORNING_MS).await?;
        }
        transaction.commit().await?;
        let mut devices = Vec::new();
        let mut clients = Vec::new();
        for (key, person) in team.keys.iter().zip(&team.persons) {
            let public_key = key.public_key().as_ref().to_vec();
            let device = device_id(district.id, &public_key);
            let act = Act::Enrol {
                device,
                public_key,
                client: "firebreak-tests/0".to_owned(),
                continues: None,
                persons: vec![Bearer { id: *person, name: String::new() }],
                code_hash: None,
            };
            self.engine.act(&district, act).await?;
            let token = tokens::device_token(&self.engine.keys, district.id, device);
            clients.push(Client::new(&self.url, &token)?);
            devices.push(device);
        }
        let office = team.persons.get(OFFICE).copied().ok_or_else(|| anyhow::anyhow!("no office"))?;
        let bounds = admin::unbounded();
        let token = admin::create_token(&self.engine, &district, office, &bounds, Actor::Operator).await?;
        let office = Client::new(&self.url, &token)?;
        let binding = self.engine.binding(&district);
        Ok(Fresh { engine: Arc::clone(&self.engine), district, binding, devices, clients, office })
    }
}

/// A district that nothing was pushed to yet.
pub struct Fresh {
    engine: Arc<Engine>,
    district: District,
    /// What its signatures are bound to.
    pub binding: Binding,
    /// The team's devices in it.
    pub devices: Vec<DeviceId>,
    /// A client a device.
    pub clients: Vec<Client>,
    /// The office's client.
    pub office: Client,
}

impl Fresh {
    /// Signs a run of a lane.
    pub fn seal(
        &self,
        team: &Team,
        lane: usize,
        (first, previous): (u64, Chain),
        operations: Vec<Vec<u8>>,
    ) -> Vec<u8> {
        let device = self.devices.get(lane).copied();
        let device = device.unwrap_or_else(|| self.engine.own_device(&self.district));
        let run = Run { device, first, previous, operations };
        bundle::seal(&run, &self.binding, |message| match team.keys.get(lane) {
            Some(key) => key
                .sign(&team.random, message)
                .map(|signature| signature.as_ref().to_vec())
                .unwrap_or_default(),
            None => self.engine.keys.sign(message),
        })
    }

    /// Binds a person of the team to a device as well: a shared phone.
    pub async fn bind(&self, team: &Team, lane: usize, person: usize) -> Result<()> {
        let key = team.keys.get(lane).context("no such device")?;
        let act = Act::Enrol {
            device: self.devices.get(lane).copied().context("no such device")?,
            public_key: key.public_key().as_ref().to_vec(),
            client: "firebreak-tests/0".to_owned(),
            continues: None,
            persons: team
                .persons
                .get(person)
                .map(|id| Bearer { id: *id, name: String::new() })
                .into_iter()
                .collect(),
            code_hash: None,
        };
        self.engine.act(&self.district, act).await?;
        Ok(())
    }

    /// Revokes a device: up to this point of its chain it is trusted.
    pub async fn revoke(&self, lane: usize, trusted: (u64, Chain)) -> Result<()> {
        let device = self.devices.get(lane).copied().context("no such device")?;
        let act = Act::Revoke { device, trusted: Some(trusted), author: SERVER_AUTHOR };
        self.engine.act(&self.district, act).await?;
        Ok(())
    }

    /// Sends bundles by a device's token.
    pub async fn push(&self, carrier: usize, bundles: &[Vec<u8>]) -> Result<SyncReply> {
        let client = self.clients.get(carrier).context("no such device")?;
        client.sync(encode_request(&header(None), bundles)).await
    }

    /// Takes bundles as `firebreak import bundle` does. Each must have a receipt.
    pub async fn import(&self, bundles: &[Vec<u8>]) -> Result<()> {
        let mut file = Vec::new();
        for bundle in bundles {
            sync_protocol::cbor::write_byte_string(&mut file, bundle);
        }
        let imported = import::import(&self.engine, &self.district, &file).await?;
        ensure!(imported.refused.is_empty(), "{imported:?}");
        for hash in bundles.iter().map(|bundle| BundleHash::of(bundle)) {
            ensure!(
                imported.taken.contains_key(&hash) || imported.known.contains_key(&hash),
                "no receipt: {hash}"
            );
        }
        Ok(())
    }

    /// `firebreak check` of this district. It must be ok.
    pub async fn check(&self) -> Result<Report> {
        let report = check::check(&self.engine, &self.district).await?;
        ensure!(report.ok, "{:?}", report.faults);
        let sum: u64 = report.dispositions.values().sum();
        ensure!(report.received == sum, "{} received, dispositions sum to {sum}", report.received);
        Ok(report)
    }

    /// Every view, as a device that holds nothing gets them.
    pub async fn views(&self) -> Result<BTreeMap<RecordId, Vec<u8>>> {
        let client = self.clients.last().context("no device")?;
        let mut views = BTreeMap::new();
        let mut cursor = None;
        loop {
            let reply = client.sync(encode_request::<Vec<u8>>(&header(cursor), &[])).await?;
            for item in reply.items() {
                views.insert(item.record, item.view.as_bytes().to_vec());
            }
            let end = reply.end().with_context(|| format!("no end: {reply:?}"))?;
            if !end.more {
                return Ok(views);
            }
            cursor = reply.cursor().map(|cursor| cursor.cursor.clone());
        }
    }
}

fn header(cursor: Option<Vec<u8>>) -> RequestHeader {
    RequestHeader {
        head: None,
        sent: Stamp { wall_ms: MORNING_MS, ..Stamp::default() },
        areas: None,
        epoch: None,
        budget: None,
        client: "firebreak-tests/0".to_owned(),
        cursor,
        protocol: sync_protocol::PROTOCOL,
        collections: Vec::new(),
        acknowledged: Vec::new(),
    }
}
