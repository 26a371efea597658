//! A file as it is sent: whole, or the part that is asked for.

use std::io::SeekFrom;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use sync_protocol::codes::Code;
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};

use super::super::conditional::tags;
use super::super::error::ApiError;
use crate::sync::exports::{Job, Ready};

/// Bytes read of a file at a time.
const PART: usize = 64 << 10;

/// The part of a file that the headers ask for.
///
/// # Errors
/// Those of opening it: it is not found where it was thrown away since.
pub(super) async fn part(job: &Job, ready: &Ready, headers: &HeaderMap) -> std::io::Result<Response> {
    let tag = format!("\"{}\"", ready.tag);
    let says = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    if says(header::IF_NONE_MATCH)
        .is_some_and(|known| tags(known).any(|known| known == ready.tag || known == "*"))
    {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response());
    }
    let is_same = says(header::IF_RANGE).is_none_or(|known| known == tag);
    let range = says(header::RANGE).filter(|_| is_same).map_or(Range::Whole, |text| range(text, ready.bytes));
    let (status, first, length) = match range {
        Range::Whole => (StatusCode::OK, 0, ready.bytes),
        Range::Part { first, last } => (StatusCode::PARTIAL_CONTENT, first, last - first + 1),
        Range::Beyond => return Ok(beyond(ready.bytes)),
    };
    let mut file = File::open(job.path()).await?;
    file.seek(SeekFrom::Start(first)).await?;
    let mut response = Response::new(Body::from_stream(parts(file, length)));
    *response.status_mut() = status;
    let fields = response.headers_mut();
    fields.insert(header::CONTENT_TYPE, HeaderValue::from_static(job.media_type));
    fields.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    fields.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    let attachment = format!("attachment; filename=\"{}\"", job.file_name);
    let texts = [(header::ETAG, tag), (header::CONTENT_DISPOSITION, attachment)];
    let of_part = format!("bytes {first}-{}/{}", (first + length).saturating_sub(1), ready.bytes);
    let of_part = (status == StatusCode::PARTIAL_CONTENT).then_some((header::CONTENT_RANGE, of_part));
    for (name, value) in texts.into_iter().chain(of_part) {
        if let Ok(value) = HeaderValue::from_str(&value) {
            fields.insert(name, value);
        }
    }
    Ok(response)
}

/// The reader has as much as there is.
fn beyond(bytes: u64) -> Response {
    let mut response = ApiError::from(Code::RangeNotSatisfiable).into_response();
    if let Ok(range) = HeaderValue::from_str(&format!("bytes */{bytes}")) {
        response.headers_mut().insert(header::CONTENT_RANGE, range);
    }
    response
}

fn parts(file: File, length: u64) -> impl futures::Stream<Item = std::io::Result<Bytes>> {
    futures::stream::try_unfold((file, length), |(mut file, left)| async move {
        if left == 0 {
            return Ok(None);
        }
        let wanted = usize::try_from(left).unwrap_or(PART).min(PART);
        let mut part = vec![0; wanted];
        // A file that ends too early ends the reply, and its reader sees that it was cut.
        file.read_exact(&mut part).await?;
        let left = left - u64::try_from(wanted).unwrap_or(0);
        Ok(Some((Bytes::from(part), (file, left))))
    })
}

/// What a range is of a file.
#[derive(Debug, PartialEq, Eq)]
enum Range {
    Whole,
    Part { first: u64, last: u64 },
    Beyond,
}

/// One range of bytes; several, or what is none, is all of it (RFC 9110, 14.2).
fn range(text: &str, bytes: u64) -> Range {
    let Some((first, last)) = text.strip_prefix("bytes=").and_then(|range| range.trim().split_once('-'))
    else {
        return Range::Whole;
    };
    let end = bytes.saturating_sub(1);
    match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), _) if first >= bytes && (last.is_empty() || last.parse::<u64>().is_ok()) => Range::Beyond,
        (Ok(first), Ok(last)) if first <= last => Range::Part { first, last: last.min(end) },
        (Ok(first), Err(_)) if last.is_empty() => Range::Part { first, last: end },
        (Err(_), Ok(0)) if first.is_empty() => Range::Beyond,
        (Err(_), Ok(count)) if first.is_empty() && bytes > 0 => {
            Range::Part { first: bytes.saturating_sub(count), last: end }
        }
        _ => Range::Whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_is_understood_and_everything_else_is_the_whole_file() {
        let part = |first, last| Range::Part { first, last };
        for (text, expected) in [
            ("bytes=0-", part(0, 99)),
            ("bytes=40-", part(40, 99)),
            ("bytes=40-49", part(40, 49)),
            ("bytes=40-1000", part(40, 99)),
            ("bytes=-10", part(90, 99)),
            ("bytes=-1000", part(0, 99)),
            ("bytes=100-", Range::Beyond),
            ("bytes=-0", Range::Beyond),
            ("bytes=9-3", Range::Whole),
            ("bytes=0-1,5-6", Range::Whole),
            ("bytes=a-b", Range::Whole),
            ("items=0-1", Range::Whole),
            ("", Range::Whole),
        ] {
            assert_eq!(range(text, 100), expected, "{text:?}");
        }
        assert_eq!(range("bytes=0-", 0), Range::Beyond);
    }
}
