//! Who reads events: how many streams there may be, how they are shared, and that one may have to give way.
//!
//! Places are few and bureaus are many. An account has a few at most; where all are taken, somebody who has none or few
//! takes the place of the oldest stream of whoever has the most. Start at [`Readers::enter`].

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use sync_protocol::codes::Code;
use sync_protocol::ids::PersonId;
use tokio::sync::Notify;

use crate::domain::DistrictKey;

/// Streams at a time.
pub(super) const READERS: usize = 64;
/// Streams of one account: a few browsers and a program.
pub(super) const OF_ONE: usize = 4;

/// Whose streams count together.
pub(super) type Reader = (DistrictKey, PersonId);

/// Every stream that is open.
#[derive(Debug, Default)]
pub(super) struct Readers(Mutex<Open>);

#[derive(Debug, Default)]
struct Open {
    next: u64,
    /// The oldest first.
    streams: HashMap<Reader, BTreeMap<u64, Arc<Notify>>>,
}

/// The place of a stream; it is free again when this is dropped.
#[derive(Debug)]
pub(super) struct ReadersPlace {
    readers: Arc<Readers>,
    reader: Reader,
    number: u64,
    /// Somebody with fewer streams needs the place.
    pub(super) gives_way: Arc<Notify>,
}

impl Open {
    fn of(&self, reader: &Reader) -> usize {
        self.streams.get(reader).map_or(0, BTreeMap::len)
    }

    /// Makes room for somebody who has `own` streams: the oldest of whoever has the most goes, where that leaves them no
    /// fewer than the newcomer has.
    fn make_room(&mut self, own: usize) -> bool {
        let most = self.streams.iter_mut().max_by_key(|(_, streams)| streams.len());
        let Some((_, streams)) = most.filter(|(_, streams)| streams.len() > own + 1) else { return false };
        // It is told, and counts no more: it ends when it wakes.
        streams.pop_first().is_some_and(|(_, gives_way)| {
            gives_way.notify_one();
            true
        })
    }
}

impl Readers {
    /// A place for one more stream.
    ///
    /// # Errors
    /// [`Code::TooManyRequests`] where this reader has [`OF_ONE`], or all places are taken and fairly shared.
    pub(super) fn enter(self: &Arc<Self>, reader: Reader) -> Result<ReadersPlace, Code> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let own = open.of(&reader);
        if own >= OF_ONE {
            return Err(Code::TooManyRequests);
        }
        let all: usize = open.streams.values().map(BTreeMap::len).sum();
        if all >= READERS && !open.make_room(own) {
            return Err(Code::TooManyRequests);
        }
        let number = open.next;
        open.next += 1;
        let gives_way = Arc::new(Notify::new());
        open.streams.entry(reader).or_default().insert(number, Arc::clone(&gives_way));
        Ok(ReadersPlace { readers: Arc::clone(self), reader, number, gives_way })
    }
}

impl Drop for ReadersPlace {
    fn drop(&mut self) {
        let mut open = self.readers.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(streams) = open.streams.get_mut(&self.reader) {
            streams.remove(&self.number);
            if streams.is_empty() {
                open.streams.remove(&self.reader);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn reader(number: usize) -> Reader {
        (DistrictKey(1), PersonId(Uuid::from_u128(u128::try_from(number).unwrap())))
    }

    #[test]
    fn one_account_has_n_streams_and_not_n_plus_one_and_a_place_is_free_again() {
        let readers = Arc::new(Readers::default());
        let mut places: Vec<ReadersPlace> = (0..OF_ONE).map(|_| readers.enter(reader(1)).unwrap()).collect();
        assert_eq!(readers.enter(reader(1)).unwrap_err(), Code::TooManyRequests);
        assert!(readers.enter(reader(2)).is_ok(), "another account");
        places.pop();
        assert!(readers.enter(reader(1)).is_ok());
    }

    #[tokio::test]
    async fn where_all_places_are_taken_the_oldest_of_whoever_has_most_gives_way_and_nobody_is_left_with_less()
     {
        let readers = Arc::new(Readers::default());
        let greedy = READERS / OF_ONE;
        let mut places: Vec<ReadersPlace> = (0..greedy)
            .flat_map(|nth| (0..OF_ONE).map(move |_| nth))
            .map(|nth| readers.enter(reader(nth)).unwrap())
            .collect();
        assert_eq!(places.len(), READERS);
        let newcomers: Vec<ReadersPlace> =
            (0..greedy).map(|nth| readers.enter(reader(1_000 + nth)).unwrap()).collect();
        // Each newcomer took the place of one stream, and each of those is told.
        let mut told = 0;
        for place in &places {
            let waiting = tokio::time::timeout(std::time::Duration::ZERO, place.gives_way.notified());
            told += usize::from(waiting.await.is_ok());
        }
        assert_eq!((told, newcomers.len()), (greedy, greedy));
        // A place that was given away is not given back twice.
        places.truncate(0);
        let open = readers.0.lock().unwrap();
        assert_eq!(open.streams.values().map(BTreeMap::len).sum::<usize>(), greedy);
    }

    #[test]
    fn where_places_are_shared_fairly_one_more_is_refused() {
        let readers = Arc::new(Readers::default());
        let places: Vec<ReadersPlace> = (0..READERS).map(|nth| readers.enter(reader(nth)).unwrap()).collect();
        assert_eq!(readers.enter(reader(READERS)).unwrap_err(), Code::TooManyRequests);
        drop(places);
        assert!(readers.enter(reader(READERS)).is_ok());
    }
}
