//! What the hazard that stays keeps of its duplicate: the earlier found-time, the earlier deadline and the worse severity
//! (domain §5), each written as a decision that names the duplicate. Start at [`keep_of_duplicate`].

use sync_protocol::cbor::Raw;
use sync_protocol::ids::RecordId;
use sync_protocol::kind::Kind;
use sync_protocol::named::Fields;

use super::{Command, Judged, judged};
use crate::lifecycle;
use crate::sync::SyncError;
use crate::sync::batch::Batch;
use crate::sync::derive::{self, Context};
use crate::sync::office::{self, OwnOperation};
use crate::sync::taken_over::taken_over;

/// Writes what the other hazard keeps of the one that a command makes its duplicate.
pub(super) async fn keep_of_duplicate(
    batch: &mut Batch<'_>,
    command: &Command,
    (context, goes): (&Context, &Judged),
    fields: &Fields,
) -> Result<(), SyncError> {
    let other: Option<RecordId> = fields.get("duplicate_of").and_then(Raw::decode);
    let Some(other) = other.filter(|_| command.command == lifecycle::Command::Duplicate) else {
        return Ok(());
    };
    let (district, now_ms) = (batch.district, batch.now_ms);
    let stays = judged(batch.transaction, district, context, other, now_ms).await?;
    let decisions = taken_over((&stays.row, &stays.view), (&goes.row, &goes.view));
    for fields in &decisions {
        let draft =
            OwnOperation { kind: Kind::Resolved, record: other, fields, photos: &[], author: command.person };
        office::write_own(batch, &draft, None).await?;
    }
    if !decisions.is_empty() {
        let stays = judged(batch.transaction, district, context, other, now_ms).await?;
        let row = derive::row_of(&stays.row, &stays.view, &stays.case);
        batch.transaction.upsert_cases(district.key, &[row]).await?;
    }
    Ok(())
}
