//! How hazards of the map are handed over: by PostgreSQL as rows, whose columns are read by their places; by SQLite as one
//! text.
//!
//! SQLite's driver owns each connection on a thread and hands every row over by itself, each value in memory of its own: of a page
//! of some thousand hazards that took more time than everything else. As one value they are handed over once. A number ends
//! with `;`, and so does the length of a text in bytes, which stands before it: whatever a text holds, it is read back. A
//! number or length that is not there is a value that is not known. PostgreSQL takes longer to put a text together than to
//! send rows. Start at [`Hazards`].

use sqlx::postgres::PgRow;
use sqlx::{FromRow, Row as _};
use sync_protocol::ids::RecordId;
use uuid::Uuid;

use super::{MapHazardRow, StoreError};

macro_rules! hazards {
    (numbers: $($number:ident)*; numbers_or_none: $($may_number:ident)*; text: $text:ident; texts_or_none: $($may_text:ident)*;) => {
        /// Every column behind the district.
        pub(super) const COLUMNS: &str = concat!(
            "record, unit_id",
            $(", ", stringify!($number),)*
            $(", ", stringify!($may_number),)*
            ", ", stringify!($text),
            $(", ", stringify!($may_text),)*
        );

        /// Begins a statement of one value; what the rows are selected from follows, and a parenthesis.
        pub(super) const SELECT_AS_TEXT: &str = concat!(
            "SELECT string_agg(concat(hex(record), ';', hex(unit_id), ';'",
            $(", ", stringify!($number), ", ';'",)*
            $(", ", stringify!($may_number), ", ';'",)*
            ", octet_length(", stringify!($text), "), ';', ", stringify!($text),
            $(", octet_length(", stringify!($may_text), "), ';', ", stringify!($may_text),)*
            "), '') FROM (SELECT "
        );

        /// Of `COLUMNS`, by their places.
        impl FromRow<'_, PgRow> for MapHazardRow {
            fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
                // The columns are ours: to ask of each value whether it is of their type took a fifth of a page.
                let mut places = 0_usize..;
                let mut place = || places.next().unwrap_or_default();
                let record = RecordId(row.try_get_unchecked(place())?);
                let unit_id = row.try_get_unchecked(place())?;
                $(let $number = row.try_get_unchecked(place())?;)*
                $(let $may_number = row.try_get_unchecked(place())?;)*
                let $text = row.try_get_unchecked(place())?;
                $(let $may_text = row.try_get_unchecked(place())?;)*
                Ok(Self { record, unit_id, $($number,)* $($may_number,)* $text, $($may_text,)* })
            }
        }

        impl Hazards<'_> {
            fn row(&mut self) -> Result<MapHazardRow, Torn> {
                let record = RecordId(self.id()?.ok_or(Torn)?);
                let unit_id = self.id()?;
                $(let $number = self.number()?.ok_or(Torn)?;)*
                $(let $may_number = self.number()?;)*
                let $text = self.text()?.ok_or(Torn)?;
                $(let $may_text = self.text()?;)*
                Ok(MapHazardRow { record, unit_id, $($number,)* $($may_number,)* $text, $($may_text,)* })
            }
        }
    };
}

hazards! {
    numbers: id place severity_rank major open conflict provisional updated change;
    numbers_or_none: lat_e7 lon_e7 found voltage_v chainage_mm offset_mm in_zone accuracy_mm due;
    text: state;
    texts_or_none: number county township line_name line structure_from structure_to category kind description severity
        unit order_number turn;
}

/// Hazards that are read out of a text, in its order.
#[derive(Debug)]
pub(super) struct Hazards<'t>(pub(super) &'t str);

/// A text that does not hold what it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Torn;

impl<'t> Hazards<'t> {
    fn upto_end(&mut self) -> Result<&'t str, Torn> {
        // Most values are a few bytes: to look at each is sooner done than what searches long texts is begun.
        let end = self.0.bytes().position(|byte| byte == b';').ok_or(Torn)?;
        let (value, rest) = (self.0.get(..end), self.0.get(end + 1..));
        self.0 = rest.ok_or(Torn)?;
        value.ok_or(Torn)
    }

    /// An id; none: it is not known.
    fn id(&mut self) -> Result<Option<Uuid>, Torn> {
        match self.upto_end()? {
            "" => Ok(None),
            id => Uuid::try_parse(id).map(Some).map_err(|_source| Torn),
        }
    }

    /// A number; none: it is not known.
    fn number(&mut self) -> Result<Option<i64>, Torn> {
        match self.upto_end()? {
            "" => Ok(None),
            number => number.parse().map(Some).map_err(|_source| Torn),
        }
    }

    /// A text; none: it is not known.
    fn text(&mut self) -> Result<Option<String>, Torn> {
        let Some(bytes) = self.number()? else { return Ok(None) };
        let bytes = usize::try_from(bytes).map_err(|_source| Torn)?;
        let (text, rest) = self.0.split_at_checked(bytes).ok_or(Torn)?;
        self.0 = rest;
        Ok(Some(text.to_owned()))
    }
}

impl Iterator for Hazards<'_> {
    type Item = Result<MapHazardRow, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let row = self.row();
        if row.is_err() {
            self.0 = "";
        }
        Some(row.map_err(|Torn| StoreError::Damaged("a hazard of the map")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_ends_early_or_holds_no_number_is_damaged_and_read_no_further() {
        for text in ["x", ";", "00000000000000000000000000000001;;1;", "0;;", ";;;;;;;;;;;;"] {
            let read: Vec<_> = Hazards(text).collect();
            assert!(matches!(read.as_slice(), [Err(StoreError::Damaged(_))]), "{text}");
        }
        assert_eq!(Hazards("").count(), 0);
    }

    #[test]
    fn a_text_may_hold_what_ends_a_number_and_is_told_from_one_that_is_not_known() {
        let mut fields = Hazards("5;a;b;树;0;;7;");
        assert_eq!(fields.text(), Err(Torn), "it would end inside a character");
        fields = Hazards("7;a;b;树0;;-7;");
        assert_eq!(fields.text(), Ok(Some("a;b;树".to_owned())));
        assert_eq!((fields.text(), fields.number()), (Ok(Some(String::new())), Ok(None)));
        assert_eq!(fields.number(), Ok(Some(-7)));
    }
}
