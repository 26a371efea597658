//! A command on a hazard that has moved on: refused with what came since, or judged against what its sender saw.

use std::collections::{BTreeMap, BTreeSet};

use sync_protocol::codes::Code;
use sync_protocol::fold;
use sync_protocol::ids::Head;
use sync_protocol::operation::Identified;
use sync_protocol::view::Conflict;

use super::{Change, Command, Judged, MovedOn, Refused, Since};
use crate::sync::SyncError;
use crate::sync::batch::Batch;
use crate::sync::derive::{self, Context};

/// Changes that a refusal lists.
const CHANGES: usize = 100;

/// A command that was made from what the hazard was.
pub(super) struct Seen {
    /// What its sender's copy lacked.
    pub(super) lacking: Vec<Head>,
    /// What came since.
    pub(super) since: Box<Since>,
    /// What waits for a named person on it.
    pub(super) conflicts: Vec<Conflict>,
}

impl Seen {
    /// A command is written beside what came since only where somebody is shown that the two do not agree: what would
    /// stand or vanish without a word is refused, and given again by whoever has seen what came.
    ///
    /// # Errors
    /// [`Refused::MovedOn`].
    pub(super) fn require_visible(self, after: &[Conflict]) -> Result<(), SyncError> {
        let is_shown = after.iter().any(|conflict| !self.conflicts.contains(conflict));
        if is_shown { Ok(()) } else { Err(SyncError::Command(Refused::MovedOn(self.since))) }
    }
}

/// The hazard as its sender saw it takes the place of the one that is there.
///
/// # Errors
/// [`Refused::MovedOn`] unless it is to be written beside; [`Code::BadParameter`] for heads that it never had.
pub(super) async fn seen(
    batch: &mut Batch<'_>,
    context: &Context,
    command: &Command,
    judged: &mut Judged,
) -> Result<Seen, SyncError> {
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
    let unseen = all.iter().filter(|one| !known.contains(&one.head())).take(CHANGES);
    let changed = unseen.map(|one| Change {
        head: one.head().to_string(),
        kind: one.operation.kind.as_str().to_owned(),
        author: one.operation.author.to_string(),
    });
    let since = Box::new(Since {
        state: judged.view.state.as_str(),
        state_zh: judged.view.state.zh(),
        heads: judged.view.heads.iter().map(ToString::to_string).collect(),
        changed: changed.collect(),
    });
    if command.moved_on == MovedOn::Refuse {
        return Err(SyncError::Command(Refused::MovedOn(since)));
    }
    let conflicts = std::mem::take(&mut judged.view.conflicts);
    let subset: Vec<Identified> = all.iter().filter(|one| known.contains(&one.head())).cloned().collect();
    judged.view = fold::fold(&subset);
    let mut past = derive::past(context.own(), stored);
    past.retain(|past| known.contains(&past.head));
    let (mut case, _) = derive::case_of(context, &judged.row, &judged.view, &past, batch.now_ms);
    // Who has signed, and which deadline holds, is so whatever its sender had seen.
    let whole = &judged.case;
    case.rectifiers.extend(&whole.rectifiers);
    case.reinspectors.extend(&whole.reinspectors);
    case.closers.extend(&whole.closers);
    case.round.rectifiers.extend(&whole.round.rectifiers);
    case.round.spent.extend(&whole.round.spent);
    case.is_major |= whole.is_major;
    case.is_confirmed |= whole.is_confirmed;
    (case.asked, case.deadline_ms) = (whole.asked, whole.deadline_ms);
    (case.told_ms, case.told_severity) = (whole.told_ms, whole.told_severity);
    (case.rule_ms, case.latest_ms, case.fresh_ms) = (whole.rule_ms, whole.latest_ms, whole.fresh_ms);
    judged.case = case;
    Ok(Seen { lacking: judged.view.missing.clone(), since, conflicts })
}
