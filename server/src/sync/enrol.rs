//! Enrolment: a code and a new key become a device; a certificate makes it known again after a restore.

use std::sync::Arc;

use sync_protocol::bundle;
use sync_protocol::cbor;
use sync_protocol::codes::Code;
use sync_protocol::enrolment::{self, Bearer, Certificate, Reply, Request};
use sync_protocol::ids::{PersonId, sha256};
use sync_protocol::limits;

use super::office::Act;
use super::{Engine, SyncError};
use crate::domain::{District, DistrictKey, Person, Role, Roles};
use crate::keys;

/// Length of a SEC1 uncompressed P-256 point.
const KEY_BYTES: usize = 65;

/// Enrols the key that signed a request.
///
/// # Errors
/// Enrolment codes of scope `Request`; the store's.
pub async fn enrol(engine: &Arc<Engine>, body: &[u8]) -> Result<Reply, SyncError> {
    if body.len() > limits::ENROL_BODY_BYTES {
        return Err(Code::BodyTooLarge.into());
    }
    let malformed = |_source| SyncError::Refused(Code::EnrolMalformed);
    let opened = bundle::open(body).map_err(malformed)?;
    let signer = opened.device;
    // The request says with which key it is signed: it proves that its sender holds that key.
    let mut request: Option<Request> = None;
    let payload = opened
        .verify(&enrolment::request_aad(), |signature, signed| {
            // RFC 9052: the payload is the last element of the signed structure.
            request = signed_payload(signed).and_then(|payload| cbor::decode(&payload).ok());
            request.as_ref().is_some_and(|request| keys::verify(&request.key, signature, signed))
        })
        .map_err(malformed)?;
    sync_protocol::prepass::exact(
        &payload,
        sync_protocol::prepass::Bounds { depth: limits::DEPTH, items: limits::ENVELOPE_ITEMS },
    )
    .map_err(malformed)?;
    let request = request.ok_or(SyncError::Refused(Code::EnrolMalformed))?;
    if request.key.len() != KEY_BYTES
        || request.client.len() > limits::CLIENT_BYTES
        || request.client.contains('\0')
    {
        return Err(Code::EnrolMalformed.into());
    }
    let (district, persons, code_hash) = match (&request.code, &request.certificate) {
        (Some(code), None) => by_code(engine, code, &request).await?,
        (None, Some(certificate)) => by_certificate(engine, certificate, &request).await?,
        _ => return Err(Code::EnrolMalformed.into()),
    };
    let device = enrolment::device_id(district.id, &request.key);
    if device != signer {
        return Err(Code::EnrolMalformed.into());
    }
    let person = persons.first().map(|bearer| bearer.id).ok_or(SyncError::Refused(Code::EnrolMalformed))?;
    let act = Act::Enrol {
        device,
        public_key: request.key.clone(),
        client: request.client.clone(),
        continues: request.continues,
        persons,
        code_hash,
    };
    let outcome = engine.act(&district, act).await?;
    tracing::info!(device.id = %device, "device {device} enrolled in district {}", district.code);
    let bearers = bearers(engine, district.key, &outcome.persons).await?;
    let now_ms = engine.clock.now_ms();
    let certificate = Certificate {
        key: request.key.clone(),
        device,
        persons: bearers,
        district: district.id,
        issued_ms: now_ms,
        deployment: engine.keys.deployment(),
    };
    let certificate = bundle::seal_payload(
        cbor::encode(&certificate),
        engine.own_device(&district),
        &enrolment::certificate_aad(),
        |message| engine.keys.sign(message),
    );
    Ok(Reply {
        token: crate::sync::tokens::device_token(&engine.keys, district.id, device),
        device,
        person,
        district: district.id,
        server_ms: now_ms,
        deployment: engine.keys.deployment(),
        server_key: engine.keys.public_key().to_vec(),
        certificate,
    })
}

fn signed_payload(signed: &[u8]) -> Option<Vec<u8>> {
    let parts = sync_protocol::prepass::elements(signed)?;
    sync_protocol::prepass::byte_string(parts.last()?).map(<[u8]>::to_vec)
}

type Allowed = (District, Vec<Bearer>, Option<[u8; 32]>);

async fn by_code(engine: &Arc<Engine>, code: &[u8], request: &Request) -> Result<Allowed, SyncError> {
    let hash = sha256(code);
    for district in engine.stored_districts().await? {
        let mut transaction = engine.store.read().await?;
        let Some((person, expires_ms, used_by)) = transaction.enrol_code(district.key, &hash).await? else {
            continue;
        };
        let person = transaction.present_person(district.key, person).await?;
        drop(transaction);
        let person = person.ok_or(SyncError::Refused(Code::EnrolCodeInvalid))?;
        match used_by {
            // The reply was lost: the same code and key again return the same device.
            Some(device) if device == enrolment::device_id(district.id, &request.key) => {}
            Some(_) => return Err(Code::EnrolCodeUsed.into()),
            None if engine.clock.now_ms() > expires_ms => return Err(Code::EnrolCodeExpired.into()),
            None => {}
        }
        return Ok((district, vec![Bearer { id: person.id, name: person.name }], Some(hash)));
    }
    Err(Code::EnrolCodeInvalid.into())
}

/// A certificate of this server makes its device and persons known again.
async fn by_certificate(
    engine: &Arc<Engine>,
    certificate: &[u8],
    request: &Request,
) -> Result<Allowed, SyncError> {
    let malformed = |_source| SyncError::Refused(Code::EnrolMalformed);
    let opened = bundle::open(certificate).map_err(malformed)?;
    let payload = opened
        .verify(&enrolment::certificate_aad(), |signature, signed| {
            keys::verify(engine.keys.public_key(), signature, signed)
        })
        .map_err(malformed)?;
    let certificate: Certificate =
        cbor::decode(&payload).map_err(|_source| SyncError::Refused(Code::EnrolMalformed))?;
    if certificate.key != request.key || certificate.deployment != engine.keys.deployment() {
        return Err(Code::EnrolMalformed.into());
    }
    let district = engine.district(&certificate.district.to_string()).await?;
    let mut transaction = engine.store.begin().await?;
    transaction.take_counter(district.key, 0).await?;
    for bearer in &certificate.persons {
        let person = Person {
            id: bearer.id,
            name: bearer.name.clone(),
            roles: Roles::from(Role::Inspector),
            unit: None,
        };
        transaction.add_person(district.key, &person, engine.clock.now_ms()).await?;
    }
    transaction.commit().await?;
    Ok((district, certificate.persons, None))
}

async fn bearers(
    engine: &Arc<Engine>,
    district: DistrictKey,
    persons: &[PersonId],
) -> Result<Vec<Bearer>, SyncError> {
    let mut transaction = engine.store.read().await?;
    let mut bearers = Vec::with_capacity(persons.len());
    for person in persons {
        if let Some(person) = transaction.person(district, *person).await? {
            bearers.push(Bearer { id: person.id, name: person.name });
        }
    }
    Ok(bearers)
}
