//! Holders of tokens as they were read a moment ago, for maps: a program that shows one asks for fifty tiles at once, and
//! to read who asks takes as long as to read a small tile.
//!
//! What this process changes about who may come in is known at once; what another server or a command beside it changes,
//! within a second. Nothing but reading maps goes by it. Start at [`Engine::holder_of_map`].

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::visitors::{self, Visitor};
use super::{Engine, SyncError};
use crate::domain::District;

/// How long a holder counts as just read.
const FRESH: Duration = Duration::from_secs(1);
/// Holders remembered; beyond them all are forgotten and read again.
const REMEMBERED: usize = 1_024;

/// Holders of tokens as they were read a moment ago, by the hashes of these.
#[derive(Debug, Default)]
pub struct Holders(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// Changes of who may come in: what was read before one is not remembered after it.
    changes: u64,
    holders: HashMap<[u8; 32], (Instant, Visitor)>,
}

impl Holders {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets everybody: who may come in has changed.
    pub(super) fn forget(&self) {
        let mut known = self.known();
        known.changes += 1;
        known.holders.clear();
    }

    /// A holder who was just read and whose token has not ended since, or how many changes there were.
    fn recall(&self, token_hash: &[u8; 32], now_ms: i64, now: Instant) -> Result<Visitor, u64> {
        let known = self.known();
        let is_held = |visitor: &Visitor| {
            let ends_ms = visitor.token.as_ref().and_then(|token| token.expires_ms);
            ends_ms.is_none_or(|ends_ms| ends_ms > now_ms)
        };
        match known.holders.get(token_hash) {
            Some((read, visitor)) if now.duration_since(*read) < FRESH && is_held(visitor) => {
                Ok(visitor.clone())
            }
            Some(_) | None => Err(known.changes),
        }
    }

    fn remember(&self, token_hash: [u8; 32], changes: u64, began: Instant, visitor: &Visitor) {
        let mut known = self.known();
        if known.changes != changes {
            return;
        }
        if known.holders.len() >= REMEMBERED {
            known.holders.clear();
        }
        known.holders.insert(token_hash, (began, visitor.clone()));
    }
}

impl Engine {
    /// Who reads a map by a token of the office, as they were at most a second ago.
    ///
    /// # Errors
    /// As [`visitors::by_token`].
    pub async fn holder_of_map(
        self: &Arc<Self>,
        district: District,
        token_hash: [u8; 32],
    ) -> Result<Visitor, SyncError> {
        let began = Instant::now();
        let changes = match self.holders.recall(&token_hash, self.clock.now_ms(), began) {
            Ok(visitor) => return Ok(visitor),
            Err(changes) => changes,
        };
        let visitor = visitors::by_token(self, district, &token_hash).await?;
        self.holders.remember(token_hash, changes, began, &visitor);
        Ok(visitor)
    }
}

#[cfg(test)]
mod tests {
    use sync_protocol::ids::{DistrictId, PersonId};
    use uuid::Uuid;

    use super::*;
    use crate::accounts::actions::Actions;
    use crate::domain::{DistrictKey, Person, Roles};
    use crate::sync::sight::Sight;
    use crate::sync::visitors::TokenHeld;

    fn visitor(expires_ms: Option<i64>) -> Visitor {
        let district = District {
            key: DistrictKey(1),
            id: DistrictId(Uuid::nil()),
            code: "one".to_owned(),
            name: String::new(),
            time_zone: "UTC".to_owned(),
        };
        Visitor {
            district,
            person: Person {
                id: PersonId(Uuid::nil()),
                name: String::new(),
                roles: Roles::default(),
                unit: None,
            },
            sight: Sight::District,
            actions: Actions::EVERY,
            token: Some(TokenHeld { hash: Vec::new(), expires_ms }),
            session: None,
        }
    }

    #[test]
    fn a_holder_is_recalled_until_its_token_ends_it_is_old_or_who_may_come_in_changes() {
        let holders = Holders::default();
        let (now, hash, other) = (Instant::now(), [1; 32], [2; 32]);
        assert_eq!(holders.recall(&hash, 0, now).err(), Some(0));
        holders.remember(hash, 0, now, &visitor(Some(5)));
        assert!(holders.recall(&hash, 4, now).is_ok());
        assert!(holders.recall(&hash, 5, now).is_err(), "its token has ended");
        assert!(holders.recall(&other, 4, now).is_err());
        holders.remember(other, 0, now, &visitor(None));
        assert!(holders.recall(&other, 4, now + FRESH).is_err(), "it was read too long ago");
        holders.forget();
        assert_eq!(holders.recall(&hash, 4, now).err(), Some(1));
        holders.remember(hash, 0, now, &visitor(None));
        assert!(holders.recall(&hash, 4, now).is_err(), "it was read before the change");
    }
}
