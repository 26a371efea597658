//! A command on a hazard that has moved on: refused with what came since, or judged against what its sender saw.

use std::collections::{BTreeMap, BTreeSet};

use sync_protocol::codes::Code;
use sync_protocol::fold;
use sync_protocol::ids::Head;
use sync_protocol::operation::Identified;

use super::{Change, Command, Judged, MovedOn, Refused, Since};
use crate::sync::SyncError;
use crate::sync::batch::Batch;
use crate::sync::derive::{self, Context};

/// Changes that a refusal lists.
const CHANGES: usize = 100;

/// The hazard as its sender saw it takes the place of the one that is there; gives what that copy lacked.
///
/// # Errors
/// [`Refused::MovedOn`] unless it is to be written beside; [`Code::BadParameter`] for heads that it never had.
pub(super) async fn seen(
    batch: &mut Batch<'_>,
    context: &Context,
    command: &Command,
    judged: &mut Judged,
) -> Result<Vec<Head>, SyncError> {
    let stored = batch.transaction.past_operations(batch.district.key, &[command.record]).await?;
    let stored = stored.into_values().next().unwrap_or_default();
    let all: Vec<Identified> =
        stored.iter().filter_map(|stored| Identified::decode(&stored.bytes).ok()).collect();
    let by_head: BTreeMap<Head, &Identified> = all.iter().map(|one| (one.head(), one)).collect();
    let heads = command.made_from.as_deref().unwrap_or_default();
    if heads.is_empty() || !heads.iter().all(|head| by_head.contains_key(head)) {
        return Err(SyncError::RefusedFor(Code::BadParameter, "heads".to_owned()));
    }
    let mut known = BTreeSet::new();
    let mut waiting: Vec<Head> = heads.to_vec();
    while let Some(head) = waiting.pop() {
        if let Some(one) = by_head.get(&head)
            && known.insert(head)
        {
            waiting.extend(one.operation.heads.iter().copied());
        }
    }
    if command.moved_on == MovedOn::Refuse {
        let unseen = all.iter().filter(|one| !known.contains(&one.head())).take(CHANGES);
        let changed = unseen.map(|one| Change {
            head: one.head().to_string(),
            kind: one.operation.kind.as_str().to_owned(),
            author: one.operation.author.to_string(),
        });
        return Err(SyncError::Command(Refused::MovedOn(Box::new(Since {
            state: judged.view.state.as_str(),
            state_zh: judged.view.state.zh(),
            heads: judged.view.heads.iter().map(ToString::to_string).collect(),
            changed: changed.collect(),
        }))));
    }
    let subset: Vec<Identified> = all.iter().filter(|one| known.contains(&one.head())).cloned().collect();
    judged.view = fold::fold(&subset);
    let mut past = derive::past(context.own(), stored);
    past.retain(|past| known.contains(&past.head));
    let (mut case, _) = derive::case_of(context, &judged.row, &judged.view, &past, batch.now_ms);
    // Who has signed, and which deadline holds, is so whatever its sender had seen.
    let whole = &judged.case;
    case.rectifiers.extend(&whole.rectifiers);
    case.reinspectors.extend(&whole.reinspectors);
    case.round.rectifiers.extend(&whole.round.rectifiers);
    case.round.spent.extend(&whole.round.spent);
    case.is_major |= whole.is_major;
    case.is_confirmed |= whole.is_confirmed;
    (case.asked, case.deadline_ms) = (whole.asked, whole.deadline_ms);
    (case.told_ms, case.told_severity) = (whole.told_ms, whole.told_severity);
    (case.rule_ms, case.latest_ms, case.fresh_ms) = (whole.rule_ms, whole.latest_ms, whole.fresh_ms);
    judged.case = case;
    Ok(judged.view.missing.clone())
}
