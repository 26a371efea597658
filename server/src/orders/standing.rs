//! Where an order stands: what follows from its hazard and from the orders behind it, never stored. Pure.

use sync_protocol::view::{Standing as Cure, State, View};

/// Where an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// 已签发: its unit has not answered yet.
    InForce,
    /// 已签收: its unit is at it.
    Received,
    /// 有异议: its unit disputes that it is its own.
    Disputed,
    /// 已替代: a later order on the same hazard takes its place.
    Superseded,
    /// 已作废: there was nothing to rectify.
    Withdrawn,
    /// 已完成: what it ordered was verified.
    Fulfilled,
}

impl Standing {
    /// Each of them.
    pub const ALL: [Self; 6] =
        [Self::InForce, Self::Received, Self::Disputed, Self::Superseded, Self::Withdrawn, Self::Fulfilled];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InForce => "in_force",
            Self::Received => "received",
            Self::Disputed => "disputed",
            Self::Superseded => "superseded",
            Self::Withdrawn => "withdrawn",
            Self::Fulfilled => "fulfilled",
        }
    }

    /// In Chinese.
    pub const fn zh(self) -> &'static str {
        match self {
            Self::InForce => "已签发",
            Self::Received => "已签收",
            Self::Disputed => "有异议",
            Self::Superseded => "已替代",
            Self::Withdrawn => "已作废",
            Self::Fulfilled => "已完成",
        }
    }

    /// Of the order of a hazard that looks so; `has_later`: another was issued on the hazard since.
    pub fn of(view: &View, has_later: bool) -> Self {
        if has_later {
            return Self::Superseded;
        }
        match view.state {
            // Nothing was found: nothing was rectified.
            State::Closed if view.acts.iter().any(|act| act.standing == Cure::ClosedNotFound) => {
                Self::Withdrawn
            }
            State::Verified | State::Closed => Self::Fulfilled,
            State::Void | State::Duplicate | State::NotOurs => Self::Withdrawn,
            State::Rectified => Self::Received,
            State::Held
            | State::Reported
            | State::Returned
            | State::Graded
            | State::Ordered
            | State::Rectifying
            | State::Carried
            | State::MadeSafe
            | State::NotFound
            | State::Disputed
            | State::Recorded => Self::answered(view),
        }
    }

    /// By how far the office's progress is, whatever the field says beside it.
    fn answered(view: &View) -> Self {
        let stage = view.stage.iter().map(|stage| stage.state).max_by_key(|state| state.progress());
        match stage.map_or(0, State::progress) {
            progress if progress > State::Ordered.progress() => Self::Received,
            progress if progress == State::Ordered.progress() => Self::InForce,
            _ => Self::Disputed,
        }
    }
}

#[cfg(test)]
mod tests {
    use sync_protocol::view::Stage;

    use super::*;

    #[test]
    fn an_order_stands_as_its_hazard_says_unless_another_took_its_place() {
        let at = |state: State, stage: State| {
            let stage = vec![Stage { writer: 0, state: stage }];
            Standing::of(&View { state, stage, ..View::default() }, false)
        };
        for (state, stage, expected) in [
            (State::Ordered, State::Ordered, Standing::InForce),
            (State::Graded, State::Graded, Standing::Disputed),
            (State::Rectifying, State::Rectifying, Standing::Received),
            (State::Carried, State::Carried, Standing::Received),
            (State::Rectified, State::Ordered, Standing::Received),
            (State::MadeSafe, State::Ordered, Standing::InForce),
            (State::NotFound, State::Rectifying, Standing::Received),
            (State::Verified, State::Rectifying, Standing::Fulfilled),
            (State::Closed, State::Rectifying, Standing::Fulfilled),
            (State::Void, State::Ordered, Standing::Withdrawn),
        ] {
            assert_eq!(at(state, stage), expected, "{state:?} {stage:?}");
        }
        let closed = View { state: State::Closed, ..View::default() };
        assert_eq!(Standing::of(&closed, true), Standing::Superseded);
        for (nth, standing) in Standing::ALL.into_iter().enumerate() {
            assert!(
                !standing.zh().is_empty()
                    && Standing::ALL.iter().skip(nth + 1).all(|it| it.as_str() != standing.as_str())
            );
        }
    }
}
