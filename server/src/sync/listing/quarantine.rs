//! The quarantine, oldest first: what came, what is wrong with it, and whether it was released.

use serde::Serialize;
use sync_protocol::cbor;
use sync_protocol::codes::Code;
use sync_protocol::ids::{DeviceId, Identity};
use sync_protocol::operation::BOUNDS;
use sync_protocol::prepass;
use utoipa::ToSchema;

use super::{Names, Page, cursor, read_cursor};
use crate::domain::District;
use crate::store::{QuarantineAt, QuarantineListed, QuarantinePart};
use crate::sync::{Engine, SyncError};

/// Bytes of an operation that a list shows.
pub const HEAD_BYTES: u32 = 4 << 10;

/// A quarantined operation.
#[derive(Debug, Serialize, ToSchema)]
pub struct Quarantined {
    /// SHA-256 of its bytes.
    pub identity: String,
    /// Why.
    pub code: String,
    /// The same in Chinese.
    pub zh: &'static str,
    /// The same in English.
    pub en: &'static str,
    /// The value at fault; empty where it is the whole.
    pub at: String,
    /// The device that signed it.
    pub device: String,
    /// Its sequence there.
    pub sequence: u64,
    /// The record it names, where it could be read.
    pub record: Option<String>,
    /// Its author, where it could be read.
    pub author: Option<String>,
    /// Their name.
    pub author_name: Option<String>,
    /// Server time of receipt.
    pub received_ms: i64,
    /// How many bytes it has.
    pub length: u64,
    /// Its bytes in hexadecimal; a list gives the first 4 KiB.
    pub bytes: String,
    /// Whether `bytes` are not all of them.
    pub cut: bool,
    /// The bytes in diagnostic notation, where they are whole and well formed.
    pub diagnostic: Option<String>,
    /// The decision about it: the release that let it take effect, or what wrote it off.
    pub released_by: Option<String>,
    /// Whether that decision was to write it off.
    pub written_off: bool,
}

/// Which quarantined operations a list has.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// Decided, waiting, or both.
    pub part: QuarantinePart,
    /// Received at or after this moment.
    pub since_ms: Option<i64>,
    /// Signed by this device.
    pub device: Option<DeviceId>,
}

/// A page of the quarantine.
///
/// # Errors
/// The cursor's, the store's.
pub async fn page(
    engine: &Engine,
    district: &District,
    wanted: Wanted,
    from: Option<&str>,
    limit: u32,
) -> Result<Page<Quarantined>, SyncError> {
    let after = from
        .map(|text| {
            let (received_ms, identity) = read_cursor(text)?;
            Ok::<_, SyncError>(QuarantineAt { received_ms, identity })
        })
        .transpose()?;
    // Every identity at that moment lies behind the first one.
    let since = wanted.since_ms.map(|received_ms| QuarantineAt { received_ms, identity: Identity([0; 32]) });
    let after = after.or(since);
    let mut transaction = engine.store.read().await?;
    let which = (wanted.part, wanted.device);
    let mut listed = transaction.list_quarantine(district.key, which, after, HEAD_BYTES, limit + 1).await?;
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
    let has_more = listed.len() > wanted;
    listed.truncate(wanted);
    let next = listed.last().filter(|_| has_more).map(|last| cursor(&(last.received_ms, last.identity)));
    let persons = listed.iter().filter_map(|row| row.author);
    let names = Names::of(&mut transaction, district.key, persons).await?;
    Ok(Page { rows: listed.iter().map(|row| told(row, &names)).collect(), next })
}

/// One quarantined operation with all of its bytes.
///
/// # Errors
/// [`Code::NotFound`], the store's.
pub async fn one(engine: &Engine, district: &District, identity: Identity) -> Result<Quarantined, SyncError> {
    let mut transaction = engine.store.read().await?;
    let row = transaction.quarantined_whole(district.key, identity).await?;
    let row = row.ok_or(SyncError::Refused(Code::NotFound))?;
    let names = Names::of(&mut transaction, district.key, row.author).await?;
    Ok(told(&row, &names))
}

/// Tells of a quarantined operation.
pub(super) fn told(row: &QuarantineListed, names: &Names) -> Quarantined {
    let code = Code::parse(&row.code);
    let is_whole = u64::try_from(row.bytes.len()).is_ok_and(|length| length == row.length);
    let is_readable = is_whole && prepass::exact(&row.bytes, BOUNDS).is_ok();
    Quarantined {
        identity: row.identity.to_string(),
        code: row.code.clone(),
        zh: code.map_or("", Code::zh),
        en: code.map_or("", Code::en),
        at: row.at.clone(),
        device: row.device.to_string(),
        sequence: row.sequence,
        record: row.record.map(|record| record.to_string()),
        author: row.author.map(|author| author.to_string()),
        author_name: row.author.and_then(|author| names.get(author)),
        received_ms: row.received_ms,
        length: row.length,
        bytes: hex::encode(&row.bytes),
        cut: !is_whole,
        diagnostic: is_readable.then(|| cbor::diagnostic(&row.bytes)),
        released_by: row.released_by.map(|release| release.to_string()),
        written_off: row.is_written_off,
    }
}
