//! The encodings of bodies: gzip (RFC 1952) and zstd (RFC 8878), bounded on the way in, flushed on the way out.

use std::cell::RefCell;
use std::io::{Read as _, Write as _};

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, header};
use flate2::{Decompress, FlushDecompress, Status};
use sync_protocol::codes::Code;

/// The encodings that bodies may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Identity,
    Gzip,
    Zstd,
}

impl Encoding {
    /// The encoding of a request's body.
    ///
    /// # Errors
    /// [`Code::EncodingUnsupported`].
    pub(super) fn of_body(headers: &HeaderMap) -> Result<Self, Code> {
        match headers.get(header::CONTENT_ENCODING).map(HeaderValue::as_bytes) {
            None | Some(b"identity") => Ok(Self::Identity),
            Some(b"gzip") => Ok(Self::Gzip),
            Some(b"zstd") => Ok(Self::Zstd),
            Some(_) => Err(Code::EncodingUnsupported),
        }
    }

    /// Its name in headers; none where nothing is encoded.
    pub(super) const fn name(self) -> Option<&'static str> {
        match self {
            Self::Identity => None,
            Self::Gzip => Some("gzip"),
            Self::Zstd => Some("zstd"),
        }
    }
}

/// What a body has room for at once, in its own length: bundles become some three times as long.
const EXPECTED: usize = 4;

/// Decompresses up to a bound and not a byte more, whatever the body promises. A body that is cut gives what comes
/// out of what there is; whether that is whole bundles shows then.
pub(super) fn decompress(body: &[u8], encoding: Encoding, bound: usize) -> Result<Vec<u8>, Code> {
    let take = u64::try_from(bound).unwrap_or(u64::MAX).saturating_add(1);
    if encoding == Encoding::Gzip
        && let Some(decoded) = inflate_at_once(body, bound)
    {
        return Ok(decoded);
    }
    let mut decoded = Vec::with_capacity(body.len().saturating_mul(EXPECTED).min(bound));
    // What came before an error stays.
    let read = match encoding {
        Encoding::Identity => return Ok(body.to_vec()),
        Encoding::Gzip => flate2::bufread::MultiGzDecoder::new(body).take(take).read_to_end(&mut decoded),
        Encoding::Zstd => zstd::stream::read::Decoder::with_buffer(body)
            .and_then(|decoder| decoder.take(take).read_to_end(&mut decoded)),
    };
    match read {
        _ if decoded.len() > bound => Err(Code::DecodedBodyTooLarge),
        Ok(_) => Ok(decoded),
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof && begins_as(body, encoding) => {
            Ok(decoded)
        }
        Err(_broken) => Err(Code::EncodingBroken),
    }
}

/// A gzip member's header that says nothing but its method (RFC 1952 §2.3): the bytes that are always the same.
const PLAIN_MEMBER: [u8; 4] = [0x1f, 0x8b, 8, 0];
const MEMBER_HEADER: usize = 10;

thread_local! {
    /// What inflating needs, 40 KB, kept from body to body: to make it anew takes as long as a small body.
    static INFLATE: RefCell<Decompress> = RefCell::new(Decompress::new(false));
}

/// Inflates a body that is one whole, plain gzip member, in half the time that a reader of streams takes. None where it is
/// anything else, larger than the bound or damaged: [`decompress`] reads that to its end and says what it is.
fn inflate_at_once(body: &[u8], bound: usize) -> Option<Vec<u8>> {
    let (header, rest) = body.split_at_checked(MEMBER_HEADER)?;
    let (deflated, trailer) = rest.split_last_chunk::<8>()?;
    let [c0, c1, c2, c3, l0, l1, l2, l3] = *trailer;
    let length = usize::try_from(u32::from_le_bytes([l0, l1, l2, l3])).ok()?;
    if !header.starts_with(&PLAIN_MEMBER) || length > bound {
        return None;
    }
    // A byte more than it says, so that the end of the stream is seen.
    let mut decoded = Vec::with_capacity(length + 1);
    let (status, taken) = INFLATE.with_borrow_mut(|inflate| {
        inflate.reset(false);
        let status = inflate.decompress_vec(deflated, &mut decoded, FlushDecompress::Finish);
        (status, inflate.total_in())
    });
    let is_whole = matches!(status, Ok(Status::StreamEnd))
        && usize::try_from(taken) == Ok(deflated.len())
        && decoded.len() == length;
    if !is_whole {
        return None;
    }
    let mut sum = flate2::Crc::new();
    sum.update(&decoded);
    (sum.sum() == u32::from_le_bytes([c0, c1, c2, c3])).then_some(decoded)
}

/// Whether a body, perhaps cut short, begins as one of this encoding does: what does not was never one that was cut.
fn begins_as(body: &[u8], encoding: Encoding) -> bool {
    let magic: &[u8] = match encoding {
        Encoding::Identity => &[],
        Encoding::Gzip => &[0x1f, 0x8b, 0x08],
        Encoding::Zstd => &[0x28, 0xb5, 0x2f, 0xfd],
    };
    magic.iter().zip(body).all(|(expected, found)| expected == found)
}

/// The encoding of the reply: what the reader weighs most (RFC 9110 §12.5.3), zstd before gzip before none where it weighs
/// them alike. Of none, which it need not name, it is thought least where it says nothing of it.
pub(super) fn accepted(headers: &HeaderMap) -> Encoding {
    let said = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let weights: Vec<(&str, u16)> = said.flat_map(|value| value.split(',')).filter_map(weighed).collect();
    let of = |name: &str| weights.iter().find(|(said, _)| said.eq_ignore_ascii_case(name)).map(|it| it.1);
    let weight = |name: &str| of(name).or_else(|| of("*")).unwrap_or(0);
    let mut best = (Encoding::Identity, weight("identity"));
    for (encoding, name) in [(Encoding::Gzip, "gzip"), (Encoding::Zstd, "zstd")] {
        let weight = weight(name);
        if weight > 0 && weight >= best.1 {
            best = (encoding, weight);
        }
    }
    best.0
}

/// A name and its weight in thousandths; none where it is not well formed.
fn weighed(part: &str) -> Option<(&str, u16)> {
    let mut words = part.split(';').map(str::trim);
    let name = words.next().filter(|name| !name.is_empty())?;
    let Some(weight) = words.next() else { return Some((name, 1_000)) };
    let weight = weight.strip_prefix("q=").or_else(|| weight.strip_prefix("Q="))?;
    let (whole, thousandths) = weight.split_once('.').unwrap_or((weight, ""));
    let is_number = matches!(whole, "0" | "1") && thousandths.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number || thousandths.len() > 3 || words.next().is_some() {
        return None;
    }
    let weight = format!("{whole}{thousandths:0<3}").parse::<u16>().ok()?;
    (weight <= 1_000).then_some((name, weight))
}

/// Compresses part by part; what was given is decodable as soon as it arrives.
pub(super) enum Compressor {
    Identity,
    Gzip(flate2::write::GzEncoder<Vec<u8>>),
    Zstd(zstd::stream::write::Encoder<'static, Vec<u8>>),
}

const ZSTD_LEVEL: i32 = 3;

impl Compressor {
    pub(super) fn new(encoding: Encoding) -> std::io::Result<Self> {
        Ok(match encoding {
            Encoding::Identity => Self::Identity,
            Encoding::Gzip => {
                Self::Gzip(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default()))
            }
            Encoding::Zstd => Self::Zstd(zstd::stream::write::Encoder::new(Vec::new(), ZSTD_LEVEL)?),
        })
    }

    pub(super) fn part(&mut self, part: Bytes) -> std::io::Result<Bytes> {
        Ok(match self {
            Self::Identity => part,
            Self::Gzip(encoder) => {
                encoder.write_all(&part)?;
                encoder.flush()?;
                std::mem::take(encoder.get_mut()).into()
            }
            Self::Zstd(encoder) => {
                encoder.write_all(&part)?;
                encoder.flush()?;
                std::mem::take(encoder.get_mut()).into()
            }
        })
    }

    pub(super) fn finish(self) -> std::io::Result<Bytes> {
        Ok(match self {
            Self::Identity => Bytes::new(),
            Self::Gzip(encoder) => encoder.finish()?.into(),
            Self::Zstd(encoder) => encoder.finish()?.into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use sync_protocol::limits;

    use super::*;

    #[test]
    fn a_bomb_is_refused_at_the_limit() {
        let zeros = vec![0; limits::DECODED_BODY_BYTES + 1];
        let zstd = zstd::stream::encode_all(zeros.as_slice(), 1).unwrap();
        let limit = limits::DECODED_BODY_BYTES;
        assert_eq!(decompress(&zstd, Encoding::Zstd, limit), Err(Code::DecodedBodyTooLarge));
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&zeros).unwrap();
        let gzip = gzip.finish().unwrap();
        assert_eq!(decompress(&gzip, Encoding::Gzip, limit), Err(Code::DecodedBodyTooLarge));
        // A bomb that is cut is one as far as it bursts; what is cut before that is what came out of it.
        let half = &gzip[..gzip.len() / 2];
        assert_eq!(decompress(half, Encoding::Gzip, limit / 4), Err(Code::DecodedBodyTooLarge));
        let cut = decompress(half, Encoding::Gzip, limit).unwrap();
        assert!(cut.len() > limit / 4 && cut.len() < limit, "{}", cut.len());
        let exact = zstd::stream::encode_all(&zeros[1..], 1).unwrap();
        assert_eq!(decompress(&exact, Encoding::Zstd, limit).map(|body| body.len()), Ok(limit));
    }

    #[test]
    fn what_is_cut_gives_what_came_and_what_never_was_compressed_is_broken() {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(b"a request").unwrap();
        let whole = [
            (Encoding::Gzip, gzip.finish().unwrap()),
            (Encoding::Zstd, zstd::stream::encode_all(&b"a request"[..], 1).unwrap()),
        ];
        for (encoding, body) in &whole {
            for length in 0..body.len() {
                let decoded = decompress(&body[..length], *encoding, 100);
                assert!(
                    decoded.is_ok_and(|decoded| b"a request".starts_with(&decoded)),
                    "{encoding:?} {length}"
                );
            }
            for length in 1..8 {
                let decoded = decompress(&b"no gzip!"[..length], *encoding, 100);
                assert_eq!(decoded, Err(Code::EncodingBroken), "{encoding:?} {length}");
            }
        }
    }

    #[test]
    fn a_plain_member_is_inflated_at_once_and_all_else_by_the_reader_of_streams() {
        let gzip = |text: &[u8]| {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(text).unwrap();
            encoder.finish().unwrap()
        };
        let texts = [&b""[..], b"a", &b"hazard ".repeat(900), &vec![7; 70_000]];
        for text in texts {
            let body = gzip(text);
            assert_eq!(inflate_at_once(&body, text.len()).as_deref(), Some(text));
            assert_eq!(decompress(&body, Encoding::Gzip, text.len()).as_deref(), Ok(text));
            if let Some(less) = text.len().checked_sub(1) {
                assert_eq!(inflate_at_once(&body, less), None);
                assert_eq!(decompress(&body, Encoding::Gzip, less), Err(Code::DecodedBodyTooLarge));
            }
            // Every byte but those of the time, the flags and the system counts.
            for at in (0..body.len()).filter(|at| !(4..MEMBER_HEADER).contains(at)).take(200) {
                let mut damaged = body.clone();
                damaged[at] ^= 0x40;
                // Behind the last bits of the stream are some that say nothing.
                let read = inflate_at_once(&damaged, 1 << 20);
                assert!(read.as_deref().is_none_or(|read| read == text), "{at}");
            }
            for length in 0..body.len().min(200) {
                assert_eq!(inflate_at_once(&body[..length], 1 << 20), None, "{length}");
            }
        }
        // Two members, of which the last says its own length alone; and the same member twice.
        for (first, second) in [(texts[1], texts[2]), (texts[2], texts[2])] {
            let both = [gzip(first), gzip(second)].concat();
            assert_eq!(inflate_at_once(&both, 1 << 20), None);
            assert_eq!(decompress(&both, Encoding::Gzip, 1 << 20), Ok([first, second].concat()));
        }
        // A name in the header.
        let named = flate2::GzBuilder::new().filename("phone").write(Vec::new(), flate2::Compression::fast());
        let named = named.finish().unwrap();
        assert_eq!(inflate_at_once(&named, 100), None);
        assert_eq!(decompress(&named, Encoding::Gzip, 100), Ok(Vec::new()));
    }

    #[test]
    fn the_reply_is_encoded_as_the_device_takes_it() {
        for (value, expected) in [
            ("gzip, zstd", Encoding::Zstd),
            ("gzip;q=1.0, zstd;q=0", Encoding::Gzip),
            ("gzip;q=1, zstd;q=0.1", Encoding::Gzip),
            ("gzip;q=0.5, zstd;q=0.501", Encoding::Zstd),
            ("gzip;q=0.000, zstd;q=0.00", Encoding::Identity),
            ("identity;q=1, gzip;q=0.5", Encoding::Identity),
            ("identity, gzip", Encoding::Gzip),
            ("identity;q=0.2, zstd;q=0.3", Encoding::Zstd),
            ("*", Encoding::Zstd),
            ("*;q=0.1, zstd;q=0", Encoding::Gzip),
            ("GZIP; Q=0.7", Encoding::Gzip),
            ("zstd;q=2, gzip;q=0.1", Encoding::Gzip),
            ("zstd;q=0.1, gzip;q=0.1, *;q=1", Encoding::Identity),
            ("identity;q=0, gzip;q=0.1", Encoding::Gzip),
            ("zstd;q=0, *;q=0.5", Encoding::Gzip),
            // What is not well formed is as if it were not said.
            ("zstd;q=, *;q=0.5", Encoding::Zstd),
            ("zstd;q=+1, gzip;q=-1", Encoding::Identity),
            ("zstd;q=.5, gzip;q=00.5", Encoding::Identity),
            ("gzip;q =0", Encoding::Identity),
            ("gzip;level=1", Encoding::Identity),
            ("zstd;q=0.0001", Encoding::Identity),
            ("", Encoding::Identity),
            ("br", Encoding::Identity),
        ] {
            let headers = HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_static(value))]);
            assert_eq!(accepted(&headers), expected, "{value}");
        }
    }
}
