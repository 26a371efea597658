//! Events: a deadline nears, passes, is ignored; a conflict ages; a device is silent. Each is told once, in order.
//!
//! A timer looks every minute. What it notices goes into the outbox with a key of its subject and moment, so that two
//! servers, or one that was killed, tell nothing twice. Readers follow the outbox by number. Start at [`tick`].

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Engine, SyncError, deadlines};
use crate::domain::{District, Role};
use crate::store::{Candidate, EventRow, Waiting};

/// The timer looks so often.
const EVERY: Duration = Duration::from_mins(1);
/// Events of one sort that one look notices, at most; the next one goes on.
const AT_A_TIME: u32 = 500;
const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// A critical hazard's deadline nears so long before it: its whole term is 24 hours (domain §4).
const NEARS_CRITICAL_MS: i64 = 24 * HOUR_MS;
/// Any other's.
const NEARS_MS: i64 = 72 * HOUR_MS;
/// Overdue for so long without an act is ignored.
const IGNORED_MS: i64 = 3 * DAY_MS;
/// A conflict that is open for so long has aged.
const CONFLICT_MS: i64 = 3 * DAY_MS;
/// A device that was not heard of for so long is silent.
const SILENT_MS: i64 = 7 * DAY_MS;
/// Events are kept for so long.
const KEPT_MS: i64 = 90 * DAY_MS;
/// Numbers of severities in `cases`: 0 none, 1 general, 2 serious, 3 critical.
const CRITICAL: (i64, i64) = (3, 3);
const MILDER: (i64, i64) = (0, 2);
const EVERY_SEVERITY: (i64, i64) = (0, 3);

/// Looks at every district for as long as the server serves, beginning now.
pub async fn follow(engine: Arc<Engine>) {
    loop {
        for district in engine.districts().await {
            let (engine, of) = (Arc::clone(&engine), district.clone());
            // In a task of its own, so that a panic ends a look and not the timer.
            let looked = tokio::spawn(async move {
                engine.follow_until_current(&of).await?;
                deadlines::scan_when_due(&engine, &of).await?;
                engine.follow_until_current(&of).await?;
                tick(&engine, &of).await
            });
            match looked.await.unwrap_or(Err(SyncError::Gone)) {
                Ok(_) => {}
                Err(error) => {
                    tracing::error!(error = %error, "events of district {} wait: {error}", district.code);
                }
            }
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// Notices what is to be told of a district now. Gives how many events that were.
///
/// # Errors
/// The store's.
pub async fn tick(engine: &Arc<Engine>, district: &District) -> Result<usize, SyncError> {
    let now_ms = engine.clock.now_ms();
    let key = district.key;
    let mut transaction = engine.store.begin().await?;
    transaction.take_counter(key, 0).await?;
    let mut found: Vec<(&'static str, Candidate)> = Vec::new();
    for (severities, lead_ms) in [(CRITICAL, NEARS_CRITICAL_MS), (MILDER, NEARS_MS)] {
        let span = (now_ms, now_ms.saturating_add(lead_ms));
        let near = transaction.due_untold(key, severities, span, "deadline-nears", AT_A_TIME).await?;
        found.extend(near.into_iter().map(|it| ("deadline-nears", it)));
    }
    let past = (i64::MIN, now_ms);
    let passed = transaction.due_untold(key, EVERY_SEVERITY, past, "deadline-passed", AT_A_TIME).await?;
    found.extend(passed.into_iter().map(|it| ("deadline-passed", it)));
    let ignored = now_ms.saturating_sub(IGNORED_MS);
    let ignored = transaction.untold(key, Waiting::Ignored, ignored, "deadline-ignored", AT_A_TIME).await?;
    found.extend(ignored.into_iter().map(|it| ("deadline-ignored", it)));
    let aged = now_ms.saturating_sub(CONFLICT_MS);
    let aged = transaction.untold(key, Waiting::Conflict, aged, "conflict-ages", AT_A_TIME).await?;
    found.extend(aged.into_iter().map(|it| ("conflict-ages", it)));
    let silent = now_ms.saturating_sub(SILENT_MS);
    let silent = transaction.untold(key, Waiting::Silent, silent, "device-silent", AT_A_TIME).await?;
    found.extend(silent.into_iter().map(|it| ("device-silent", it)));
    let mut sequence = transaction.last_event(key).await?;
    let mut told = 0;
    for (kind, candidate) in found {
        if transaction.note_told(key, kind, candidate.subject, candidate.basis).await? {
            sequence += 1;
            let body = body(kind, &candidate, now_ms).to_string();
            let event = EventRow { sequence, kind: kind.to_owned(), at_ms: now_ms, body };
            transaction.add_event(key, &event).await?;
            told += 1;
        }
    }
    transaction.delete_events(key, now_ms.saturating_sub(KEPT_MS)).await?;
    transaction.commit().await?;
    if told > 0 {
        engine.told.notify_waiters();
    }
    Ok(told)
}

/// What is said: the subject, the moment, whose turn it is, and a sentence in Chinese.
fn body(kind: &str, candidate: &Candidate, now_ms: i64) -> Value {
    let subject = candidate.subject.to_string();
    let role = Role::from_number(candidate.number);
    let zh = match kind {
        "deadline-nears" => "整改期限临近",
        "deadline-passed" => "已逾期",
        "deadline-ignored" => "逾期多日无人处理",
        "conflict-ages" => "冲突长期未裁定",
        _ => "设备长期未联系",
    };
    match kind {
        "device-silent" => {
            json!({"device": subject, "contact_ms": candidate.basis, "at_ms": now_ms, "zh": zh})
        }
        "conflict-ages" => json!({"hazard": subject, "subject": candidate.word, "at_ms": now_ms, "zh": zh}),
        _ => json!({
            "hazard": subject, "due_ms": candidate.basis, "turn": role.map(Role::as_str),
            "turn_zh": role.map(Role::zh), "at_ms": now_ms, "zh": zh,
        }),
    }
}

/// Events after a number.
///
/// # Errors
/// The store's.
pub async fn after(
    engine: &Engine,
    district: &District,
    sequence: u64,
    limit: u32,
) -> Result<Vec<EventRow>, SyncError> {
    Ok(engine.store.read().await?.events_after(district.key, sequence, limit).await?)
}
