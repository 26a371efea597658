//! The least that is a phone: a key, a chain, operations, bundles. It keeps everything in memory.
//!
//! For tests that must decide each byte and each moment. The reference device, with its outbox and its
//! retries, is in the `fixtures` crate.

use std::str::FromStr as _;

use anyhow::{Context as _, Result, ensure};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use sync_protocol::bundle::{self, Binding, Run};
use sync_protocol::cbor;
use sync_protocol::enrolment;
use sync_protocol::exchange::{ChainHead, RequestHeader, encode_request};
use sync_protocol::ids::{Chain, DeviceId, DistrictId, Head, Identity, OperationId, PersonId, RecordId};
use sync_protocol::kind::Kind;
use sync_protocol::operation::{Operation, Position, Stamp};
use uuid::Uuid;

use crate::http::{Client, SyncReply};
use crate::server::Server;

/// A Monday morning in November 2026, milliseconds since 1970: the wall clock of a phone that has seen nothing.
pub const MORNING_MS: i64 = 1_793_577_600_000;

/// What the app calls itself.
const CLIENT: &str = "firebreak-tests/0";

/// A phone.
pub struct Phone {
    /// Its id.
    pub device: DeviceId,
    /// Whose it is.
    pub person: PersonId,
    /// What its signatures are bound to.
    pub binding: Binding,
    /// The last chain value.
    pub chain: Chain,
    /// The last sequence number.
    pub sequence: u64,
    /// The cursor it holds.
    pub cursor: Option<Vec<u8>>,
    /// The epoch it holds.
    pub epoch: Option<Vec<u8>>,
    /// Its certificate.
    pub certificate: Vec<u8>,
    /// A client with its token.
    pub client: Client,
    /// What its clocks show, where a test decides that; else a morning on which each operation takes a second.
    pub clocks: Option<Stamp>,
    key: EcdsaKeyPair,
    random: SystemRandom,
    ids: u128,
}

impl Phone {
    /// Enrols a new phone for a new inspector.
    pub async fn enrol(server: &Server) -> Result<Self> {
        let person = server.add_person("inspector").await?;
        Self::enrol_for(server, &person).await
    }

    /// Enrols a new phone for a person.
    pub async fn enrol_for(server: &Server, person: &str) -> Result<Self> {
        Self::enrol_with(server, &server.enrol_code(person).await?).await
    }

    /// Enrols a new phone with a code.
    pub async fn enrol_with(server: &Server, code: &str) -> Result<Self> {
        Self::enrol_in(server, &server.district, code).await
    }

    /// Enrols a new phone with a code of this district.
    pub async fn enrol_in(server: &Server, district: &str, code: &str) -> Result<Self> {
        Self::make(server, district, code, CLIENT).await
    }

    /// Enrols a new phone whose app calls itself this.
    pub async fn enrol_named(server: &Server, code: &str, client: &str) -> Result<Self> {
        Self::make(server, &server.district, code, client).await
    }

    async fn make(server: &Server, district: &str, code: &str, client_name: &str) -> Result<Self> {
        let random = SystemRandom::new();
        let key = new_key(&random)?;
        let district = DistrictId(Uuid::from_str(district)?);
        let code = hex::decode(code).context("the enrolment code is no hex")?;
        let client = server.client_of("")?;
        let enrolled = ask(&client, district, (&key, &random), client_name, Some(code), None).await?;
        Ok(Self {
            device: enrolled.device,
            person: enrolled.person,
            binding: Binding { deployment: enrolled.deployment, district: enrolled.district },
            chain: Chain::START,
            sequence: 0,
            cursor: None,
            epoch: None,
            certificate: enrolled.certificate,
            client: client.with_token(&enrolled.token),
            clocks: None,
            ids: enrolled.device.0.as_u128() << 32,
            key,
            random,
        })
    }

    /// Its bearer token.
    pub fn token(&self) -> &str {
        self.client.token()
    }

    /// Registers again with its certificate, at the address of this client, and takes the new token.
    pub async fn register_again(&mut self, client: &Client) -> Result<()> {
        let district = self.binding.district;
        let certificate = Some(self.certificate.clone());
        let enrolled = ask(client, district, (&self.key, &self.random), CLIENT, None, certificate).await?;
        ensure!(enrolled.device == self.device, "the same key became another device");
        self.client = client.with_token(&enrolled.token);
        Ok(())
    }

    /// Binds another person to it by their code.
    pub async fn bind(&mut self, server: &Server, code: &str) -> Result<()> {
        let (client, district) = (server.client_of("")?, self.binding.district);
        let code = Some(hex::decode(code).context("the enrolment code is no hex")?);
        let enrolled = ask(&client, district, (&self.key, &self.random), CLIENT, code, None).await?;
        ensure!(enrolled.device == self.device, "the same key became another device");
        Ok(())
    }

    /// A fresh UUIDv7: of one phone they ascend, and no clock is asked.
    pub fn id(&mut self) -> Uuid {
        self.ids += 1;
        let millis = u64::try_from(MORNING_MS).unwrap_or_default() + self.sequence;
        let mut rest = [0; 10];
        rest.copy_from_slice(self.ids.to_be_bytes().last_chunk::<10>().unwrap_or(&[0; 10]));
        uuid::Builder::from_unix_timestamp_millis(millis, &rest).into_uuid()
    }

    /// The clocks of the phone: what operations and requests are stamped with.
    pub fn stamp(&self) -> Stamp {
        if let Some(clocks) = self.clocks {
            return clocks;
        }
        let steps = i64::try_from(self.sequence).unwrap_or_default();
        Stamp { wall_ms: MORNING_MS + steps * 1_000, ..Stamp::default() }
    }

    /// A report of a tree below a line, of this severity.
    pub fn report(&mut self, severity: &str) -> Operation {
        let id = self.id();
        let nth = i64::try_from(self.sequence % 10_000).unwrap_or_default();
        let position = Position {
            lat_e7: 299_800_000 + nth * 731,
            lon_e7: 1_030_100_000 + nth * 977,
            accuracy_dm: Some(80),
            ..Position::default()
        };
        Operation::new(OperationId(id), RecordId(id), Kind::Reported, self.person, self.stamp())
            .with("category", &"corridor")
            .with("type", &"tree")
            .with("severity", &severity)
            .with("position", &position)
            .with("description", &"线下树木距导线不足")
    }

    /// An operation of this kind on a record, after these heads.
    pub fn on(&mut self, record: RecordId, kind: Kind, heads: impl IntoIterator<Item = Head>) -> Operation {
        let id = self.id();
        Operation::new(OperationId(id), record, kind, self.person, self.stamp()).after(heads)
    }

    /// Encodes operations, puts them on the chain and signs them as one bundle.
    pub fn seal(&mut self, operations: &[Operation]) -> Vec<u8> {
        self.seal_bytes(operations.iter().map(Operation::encode).collect())
    }

    /// Puts encoded operations on the chain and signs them as one bundle.
    pub fn seal_bytes(&mut self, operations: Vec<Vec<u8>>) -> Vec<u8> {
        let run = Run { device: self.device, first: self.sequence + 1, previous: self.chain, operations };
        self.chain = run.chain();
        self.sequence = run.last();
        bundle::seal(&run, &self.binding, |bytes| sign(&self.key, &self.random, bytes))
    }

    /// A bundle of so many reports.
    pub fn reports(&mut self, count: usize) -> Vec<u8> {
        let mut operations = Vec::with_capacity(count);
        for nth in 0..count {
            let severity = ["general", "serious", "critical"].get(nth % 3).copied().unwrap_or("general");
            let bytes = self.report(severity).encode();
            operations.push(bytes);
        }
        self.seal_bytes(operations)
    }

    /// The header of its next request.
    pub fn header(&self) -> RequestHeader {
        RequestHeader {
            head: (self.sequence > 0).then_some(ChainHead { chain: self.chain, sequence: self.sequence }),
            sent: self.stamp(),
            areas: None,
            epoch: self.epoch.clone(),
            budget: None,
            client: "firebreak-tests/0".to_owned(),
            cursor: self.cursor.clone(),
            protocol: sync_protocol::PROTOCOL,
            collections: Vec::new(),
            acknowledged: Vec::new(),
        }
    }

    /// The body of a request that carries these bundles.
    pub fn request<B: AsRef<[u8]>>(&self, bundles: &[B]) -> Vec<u8> {
        encode_request(&self.header(), bundles)
    }

    /// Sends bundles by this client and keeps cursor and epoch of whatever came back.
    pub async fn sync_by<B: AsRef<[u8]>>(&mut self, client: &Client, bundles: &[B]) -> Result<SyncReply> {
        let reply = client.sync(self.request(bundles)).await?;
        self.keep(&reply);
        Ok(reply)
    }

    /// Sends bundles and keeps cursor and epoch of whatever came back.
    pub async fn sync<B: AsRef<[u8]>>(&mut self, bundles: &[B]) -> Result<SyncReply> {
        let client = self.client.clone();
        self.sync_by(&client, bundles).await
    }

    /// Keeps cursor and epoch.
    pub fn keep(&mut self, reply: &SyncReply) {
        if let Some(hello) = reply.hello() {
            self.epoch = Some(hello.epoch.clone());
        }
        if let Some(cursor) = reply.cursor() {
            self.cursor = Some(cursor.cursor.clone());
        }
    }

    /// Signs bytes with its key.
    pub fn sign(&self, bytes: &[u8]) -> Vec<u8> {
        sign(&self.key, &self.random, bytes)
    }
}

/// The head of an operation as it will be named by later ones.
pub fn head_of(operation: &Operation) -> Head {
    Identity::of(&operation.encode()).head()
}

fn new_key(random: &SystemRandom) -> Result<EcdsaKeyPair> {
    let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
    let document = EcdsaKeyPair::generate_pkcs8(algorithm, random).ok().context("no key could be made")?;
    EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), random).ok().context("a refused key")
}

async fn ask(
    client: &Client,
    district: DistrictId,
    (key, random): (&EcdsaKeyPair, &SystemRandom),
    client_name: &str,
    code: Option<Vec<u8>>,
    certificate: Option<Vec<u8>>,
) -> Result<enrolment::Reply> {
    let public = key.public_key().as_ref().to_vec();
    let kid = enrolment::device_id(district, &public);
    let client_name = client_name.to_owned();
    let request = enrolment::Request { key: public, code, client: client_name, continues: None, certificate };
    let aad = enrolment::request_aad();
    let body = bundle::seal_payload(cbor::encode(&request), kid, &aad, |bytes| sign(key, random, bytes));
    let reply = client.post_bytes("/v1/enrol", body, &[("content-type", "application/cose")]).await?;
    ensure!(
        (200..300).contains(&reply.status),
        "enrol: {} {:?} {}",
        reply.status,
        reply.code(),
        reply.text()
    );
    Ok(cbor::decode(&reply.body)?)
}

fn sign(key: &EcdsaKeyPair, random: &SystemRandom, bytes: &[u8]) -> Vec<u8> {
    key.sign(random, bytes).map(|signature| signature.as_ref().to_vec()).unwrap_or_default()
}
