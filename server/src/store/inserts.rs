//! Many rows into a table by few statements, whose texts are few and kept: a connection finds most of them prepared.
//!
//! Start at `insert_rows!`. What a statement costs beside its rows are the turns to the database and back, for which
//! the writer of a district and everybody behind it wait.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use sqlx::error::BoxDynError;
use sqlx::{Arguments as _, Database, Encode, Postgres, Sqlite, Type};

/// Rows of the largest statement.
pub(super) const LARGEST: usize = 256;

/// Inserts many rows by few statements: `$head` names the table and its columns, of which the first is never null, `$tail`
/// stands behind the values. While the database has one, the next is put together.
macro_rules! insert_rows {
    ($transaction:expr, $rows:expr, $head:literal, $tail:expr, |$row:ident, $item:ident| $push:expr) => {
        $crate::store::each_backend!(&mut *$transaction, connection => {
            let mut rows: &[_] = $rows;
            let mut statement = || {
                $crate::store::inserts::next_statement::<Db, _>(&mut rows, $head, $tail, |$row, $item| { $push; })
            };
            let mut next = statement();
            while let Some(ready) = next {
                let (text, values) = ready?;
                let query = sqlx::query_with::<Db, _>(sqlx::AssertSqlSafe(text), values);
                let executed;
                (executed, next) = tokio::join!(query.execute(&mut *connection), async { statement() });
                executed?;
            }
        })
    };
}
pub(super) use insert_rows;

/// The values of a statement's rows, one after the other.
#[derive(Debug)]
pub(super) struct Values<D: Database> {
    arguments: D::Arguments,
    refused: Option<BoxDynError>,
}

impl<D: Database> Values<D> {
    /// Appends the value of the next column.
    pub(super) fn push_bind<'t, T: Encode<'t, D> + Type<D>>(&mut self, value: T) -> &mut Self {
        if let Err(error) = self.arguments.add(value) {
            self.refused = Some(error);
        }
        self
    }
}

/// A statement's text, and what it binds.
type Statement<D> = (Arc<str>, <D as Database>::Arguments);

/// Takes rows from the front: the statement that inserts them. None where no rows are left.
///
/// # Errors
/// A value that the database has no form for.
pub(super) fn next_statement<D: Inserts, T>(
    rows: &mut &[T],
    head: &'static str,
    tail: &'static str,
    bind: impl Fn(&mut Values<D>, &T),
) -> Option<Result<Statement<D>, sqlx::Error>> {
    let count = rows.len().min(LARGEST);
    let room = D::room(count);
    let (taken, rest) = rows.split_at(count.min(room));
    *rows = rest;
    let mut values = Values { arguments: D::Arguments::default(), refused: None };
    for row in taken {
        bind(&mut values, row);
    }
    if let Some(error) = values.refused {
        return Some(Err(sqlx::Error::Encode(error)));
    }
    let columns = values.arguments.len().checked_div(taken.len())?;
    let text = kept(D::texts(), (head, tail, room), || D::text(head, tail, columns, room));
    Some(Ok((text, values.arguments)))
}

/// Texts by what stands before and behind the values, and the rows that they have room for.
type Texts = RwLock<HashMap<(&'static str, &'static str, usize), Arc<str>>>;

fn kept(texts: &Texts, key: (&'static str, &'static str, usize), text: impl FnOnce() -> String) -> Arc<str> {
    if let Some(text) = texts.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
        return Arc::clone(text);
    }
    let text = Arc::from(text());
    Arc::clone(texts.write().unwrap_or_else(PoisonError::into_inner).entry(key).or_insert(text))
}

/// How a database takes many rows.
pub(super) trait Inserts: Database {
    /// Inserts, where an error undoes the transaction or goes back to its savepoint.
    const INSERT: &'static str;
    /// Changes rows, likewise.
    const UPDATE: &'static str;

    /// The rows that the next statement has room for, where so many wait, of [`LARGEST`] at most. Where it is less, the rest
    /// waits for another; where it is more, the rows behind them are not bound.
    fn room(count: usize) -> usize;

    /// A statement with room for so many rows.
    fn text(head: &str, tail: &str, columns: usize, room: usize) -> String;

    /// The texts that were put together before.
    fn texts() -> &'static Texts;
}

impl Inserts for Sqlite {
    // A statement that need not undo itself keeps no copies of the pages that it writes; one that may come upon a row and
    // change it keeps them all the same.
    const INSERT: &'static str = "INSERT OR FAIL INTO ";
    const UPDATE: &'static str = "UPDATE OR FAIL ";

    /// Once or one and a half times a power of two: sixteen lengths, and one statement for all rows.
    fn room(count: usize) -> usize {
        let power = count.next_power_of_two();
        let less = power / 4 * 3;
        if less < count { power } else { less }
    }

    /// What is not bound is null: rows without a first column are left out.
    fn text(head: &str, tail: &str, columns: usize, room: usize) -> String {
        let row = format!("({})", vec!["?"; columns].join(","));
        if room == 1 {
            return format!("{}{head}VALUES {row}{tail}", Self::INSERT);
        }
        let rows = vec![row; room].join(",");
        format!("{}{head}SELECT * FROM (VALUES {rows}) WHERE column1 IS NOT NULL{tail}", Self::INSERT)
    }

    fn texts() -> &'static Texts {
        static TEXTS: LazyLock<Texts> = LazyLock::new(Texts::default);
        &TEXTS
    }
}

impl Inserts for Postgres {
    const INSERT: &'static str = "INSERT INTO ";
    const UPDATE: &'static str = "UPDATE ";

    fn room(count: usize) -> usize {
        digit(count)
    }

    /// Every parameter must be bound.
    fn text(head: &str, tail: &str, columns: usize, room: usize) -> String {
        let row =
            |row| (1..=columns).map(|column| format!("${}", row * columns + column)).collect::<Vec<_>>();
        let rows: Vec<String> = (0..room).map(|number| format!("({})", row(number).join(","))).collect();
        format!("{}{head}VALUES {}{tail}", Self::INSERT, rows.join(","))
    }

    fn texts() -> &'static Texts {
        static TEXTS: LazyLock<Texts> = LazyLock::new(Texts::default);
        &TEXTS
    }
}

/// Splits rows into chunks whose lengths are 1, 2 or 3 times a power of four, at most [`LARGEST`]: thirteen lengths, and
/// a chunk for each digit to the base of four.
pub(super) fn chunks<T>(mut rows: &[T]) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        if rows.is_empty() {
            return None;
        }
        let (chunk, rest) = rows.split_at(digit(rows.len().min(LARGEST)));
        rows = rest;
        Some(chunk)
    })
}

/// A count rounded down to 1, 2 or 3 times a power of four.
fn digit(count: usize) -> usize {
    let unit = 1 << (count.max(1).ilog2() & !1);
    count / unit * unit
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn chunks_have_few_lengths_and_keep_every_row_in_order() {
        let rows: Vec<usize> = (0..1_000).collect();
        let lengths: Vec<usize> = chunks(&rows).map(<[usize]>::len).collect();
        assert_eq!(lengths, [256, 256, 256, 192, 32, 8]);
        let all: BTreeSet<usize> =
            (0..=rows.len()).flat_map(|end| chunks(&rows[..end])).map(<[usize]>::len).collect();
        assert_eq!(all.len(), 13, "{all:?}");
        assert_eq!(chunks(&rows).flatten().copied().collect::<Vec<_>>(), rows);
    }

    #[test]
    fn sqlite_has_room_for_all_rows_and_for_few_more() {
        let rooms: BTreeSet<usize> = (1..=LARGEST).map(Sqlite::room).collect();
        assert_eq!(
            rooms.into_iter().collect::<Vec<_>>(),
            [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256]
        );
        assert!((1..=LARGEST).all(|count| (count..count * 3 / 2 + 1).contains(&Sqlite::room(count))));
    }

    /// The rows that statements bind, and the rows that they have room for.
    fn statements<D: Inserts>(count: usize) -> Vec<(usize, usize)>
    where
        i64: Encode<'static, D> + Type<D>,
    {
        let rows: Vec<i64> = (0..).take(count).collect();
        let mut rows = &rows[..];
        let mut statements = Vec::new();
        while let Some(ready) = next_statement::<D, _>(&mut rows, "t (a, b) ", " END", |row, item| {
            row.push_bind(*item).push_bind(*item);
        }) {
            let (text, arguments) = ready.expect("numbers have a form");
            assert!(text.starts_with(D::INSERT) && text.ends_with(" END"), "{text}");
            statements.push((arguments.len() / 2, text.matches("),(").count() + 1));
        }
        statements
    }

    #[test]
    fn every_row_is_bound_once() {
        assert_eq!(statements::<Sqlite>(0), []);
        assert_eq!(statements::<Sqlite>(375), [(256, 256), (119, 128)]);
        assert_eq!(statements::<Sqlite>(1), [(1, 1)]);
        assert_eq!(statements::<Postgres>(375), [(256, 256), (64, 64), (48, 48), (4, 4), (3, 3)]);
    }
}
