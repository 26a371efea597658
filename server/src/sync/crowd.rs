//! How many deliveries a district has in hand at once, and when half of them wait.
//!
//! Many phones that sync at once are written in two halves: while one is written, the other is verified and answered. Left
//! to themselves they fall into groups of any size, and where 120 are followed by 80 now the writing task is without work
//! and now the processors are (docs/decisions/0037).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;

/// Deliveries in hand at once that are a crowd. Fewer are written as they come, however many wait.
const CROWD: usize = 32;
/// Groups for which a crowd is remembered.
const REMEMBERED: usize = 4;
/// How long half of a crowd is waited for at most.
const GATHERING: Duration = Duration::from_millis(10);

/// The deliveries that a district has in hand: those that wait, those that are written and those that are answered.
#[derive(Debug, Default)]
pub(super) struct Crowd {
    hands: Mutex<Hands>,
    /// Told when as much waits as the writing task wants.
    enough: Notify,
}

#[derive(Debug, Default)]
struct Hands {
    in_hand: usize,
    /// The most that were in hand at once since the last group.
    most: usize,
    /// The same of the last groups, the newest first.
    lately: [usize; REMEMBERED],
    waiting: Load,
    /// What the writing task waited for last, until as much waits.
    wanted: Option<Load>,
}

/// Deliveries and the operations in them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Load {
    pub(super) deliveries: usize,
    pub(super) operations: usize,
}

impl Load {
    /// One delivery.
    pub(super) const fn of(operations: usize) -> Self {
        Self { deliveries: 1, operations }
    }

    pub(super) const fn add(&mut self, more: Self) {
        self.deliveries += more.deliveries;
        self.operations += more.operations;
    }

    const fn subtract(&mut self, less: Self) {
        self.deliveries = self.deliveries.saturating_sub(less.deliveries);
        self.operations = self.operations.saturating_sub(less.operations);
    }

    /// Whether either is as much as is wanted.
    const fn suffices(self, wanted: Self) -> bool {
        self.deliveries >= wanted.deliveries || self.operations >= wanted.operations
    }
}

/// A delivery in hand, until it is answered.
#[derive(Debug)]
pub(super) struct InHand(Arc<Crowd>);

impl Drop for InHand {
    fn drop(&mut self) {
        let mut hands = self.0.hands();
        hands.in_hand = hands.in_hand.saturating_sub(1);
    }
}

impl Crowd {
    fn hands(&self) -> MutexGuard<'_, Hands> {
        self.hands.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A delivery comes and waits.
    pub(super) fn comes(self: &Arc<Self>, load: Load) -> InHand {
        let mut hands = self.hands();
        hands.in_hand += 1;
        hands.most = hands.most.max(hands.in_hand);
        hands.waiting.add(load);
        if hands.wanted.is_some_and(|wanted| hands.waiting.suffices(wanted)) {
            hands.wanted = None;
            self.enough.notify_one();
        }
        drop(hands);
        InHand(Arc::clone(self))
    }

    /// Deliveries wait no more: they are written, or could not be queued.
    pub(super) fn taken(&self, load: Load) {
        self.hands().waiting.subtract(load);
    }

    /// How many deliveries the next group is to have, where there is a crowd: half of it.
    pub(super) fn half(&self) -> Option<usize> {
        let mut hands = self.hands();
        let most = hands.most;
        hands.most = hands.in_hand;
        hands.lately.rotate_right(1);
        if let Some(newest) = hands.lately.first_mut() {
            *newest = most;
        }
        let crowd = hands.lately.into_iter().max().unwrap_or(0);
        (crowd >= CROWD).then(|| crowd.div_ceil(2))
    }

    /// Waits until so many deliveries wait, or so many operations; [`GATHERING`] at most, since a phone may be slow or not
    /// come back.
    pub(super) async fn gathered(&self, wanted: Load) {
        let enough = async {
            while !self.suffices(wanted) {
                self.enough.notified().await;
            }
        };
        let _late = timeout(GATHERING, enough).await;
    }

    /// Whether as much waits as is wanted. Where not, it will be told.
    fn suffices(&self, wanted: Load) -> bool {
        let mut hands = self.hands();
        let suffices = hands.waiting.suffices(wanted);
        hands.wanted = (!suffices).then_some(wanted);
        suffices
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use futures::poll;

    use super::*;

    fn crowd(deliveries: usize, operations: usize) -> (Arc<Crowd>, Vec<InHand>) {
        let crowd = Arc::new(Crowd::default());
        let in_hand = (0..deliveries).map(|_| crowd.comes(Load::of(operations))).collect();
        (crowd, in_hand)
    }

    #[test]
    fn half_of_a_crowd_is_a_group_and_fewer_come_as_they_are() {
        for (deliveries, half) in
            [(0, None), (1, None), (31, None), (32, Some(16)), (33, Some(17)), (200, Some(100))]
        {
            let (crowd, _in_hand) = crowd(deliveries, 5);
            assert_eq!(crowd.half(), half, "{deliveries}");
        }
    }

    #[test]
    fn a_crowd_that_went_away_is_remembered_for_some_groups() {
        let (crowd, in_hand) = crowd(40, 5);
        drop(in_hand);
        for _ in 0..REMEMBERED {
            assert_eq!(crowd.half(), Some(20));
        }
        assert_eq!(crowd.half(), None);
    }

    #[tokio::test]
    async fn half_is_waited_for_unless_operations_are_enough_before() {
        let wanted = Load { deliveries: 3, operations: 100 };
        for (waiting, operations, is_enough) in
            [(3, 1, true), (2, 1, false), (2, 50, true), (1, 50, false), (0, 0, false)]
        {
            let (crowd, mut in_hand) = crowd(waiting, operations);
            let mut gathered = Box::pin(crowd.gathered(wanted));
            assert_eq!(poll!(&mut gathered).is_ready(), is_enough, "{waiting} of {operations}");
            if !is_enough {
                in_hand.extend((waiting..3).map(|_| crowd.comes(Load::of(operations))));
                assert!(poll!(&mut gathered).is_ready(), "{waiting} of {operations}, and the others");
            }
        }
    }

    #[tokio::test]
    async fn a_half_that_does_not_come_is_waited_for_no_longer_than_is_said() {
        let (crowd, _in_hand) = crowd(1, 1);
        let began = Instant::now();
        crowd.gathered(Load { deliveries: 2, operations: 100 }).await;
        assert!(began.elapsed() >= GATHERING);
    }

    #[test]
    fn what_is_taken_waits_no_more_and_is_in_hand_until_it_is_answered() {
        let (crowd, in_hand) = crowd(40, 5);
        crowd.taken(Load { deliveries: 40, operations: 200 });
        assert_eq!(crowd.hands().waiting, Load::default());
        assert_eq!(crowd.hands().in_hand, 40);
        drop(in_hand);
        assert_eq!(crowd.hands().in_hand, 0);
    }
}
