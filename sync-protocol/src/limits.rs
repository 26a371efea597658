//! Every limit of the protocol, named, in one place. Each is tested at n and at n + 1.
//!
//! A limit on a request or bundle refuses it; a limit inside an operation quarantines that operation.
//! No limit counts operations on a record or records of a district.

/// Compressed bytes of one request body.
pub const BODY_BYTES: usize = 8 << 20;
/// Compressed bytes of one request body that does not name its length.
pub const UNNAMED_BODY_BYTES: usize = 256 << 10;
/// Bytes of one request body after decompression.
pub const DECODED_BODY_BYTES: usize = 32 << 20;
/// Bundles in one request.
pub const BUNDLES_PER_REQUEST: usize = 256;
/// Bytes of one bundle (the whole `COSE_Sign1`).
pub const BUNDLE_BYTES: usize = 4 << 20;
/// Operations in one bundle.
pub const OPERATIONS_PER_BUNDLE: usize = 1_000;
/// Bytes of one encoded operation.
pub const OPERATION_BYTES: usize = 64 << 10;
/// Nesting depth of arrays and maps inside an operation, a bundle or a header.
pub const DEPTH: usize = 16;
/// Nesting depth in a reply frame: a view wraps a field's value seven deep.
pub const REPLY_DEPTH: usize = 24;
/// CBOR data items in one reply frame: more than the largest view or notice has bytes.
pub const REPLY_ITEMS: usize = 1 << 19;
/// Bytes of a view in an `item` frame. A larger one is sent abridged; the server keeps it whole.
pub const VIEW_BYTES: usize = 256 << 10;
/// CBOR data items inside one operation.
pub const OPERATION_ITEMS: usize = 16_384;
/// CBOR data items in a request header, or in a bundle around its operations.
pub const ENVELOPE_ITEMS: usize = 4_096;
/// Bytes of one text value.
pub const TEXT_BYTES: usize = 4_000;
/// Bytes of a field name, a kind or a map key.
pub const NAME_BYTES: usize = 64;
/// Fields of one operation.
pub const FIELDS: usize = 128;
/// Photos named by one operation.
pub const PHOTOS: usize = 32;
/// Bytes of one photo, as named by an operation.
pub const PHOTO_BYTES: u64 = 32 << 20;
/// Bytes of a photo that a device best sends in one request: what a broken connection costs at most.
pub const PHOTO_CHUNK_BYTES: usize = 256 << 10;
/// Bytes of a photo that may be sent whole, by `PUT`.
pub const PHOTO_WHOLE_BYTES: u64 = 2 << 20;
/// Pixels of one photo.
pub const PHOTO_PIXELS: u64 = 100_000_000;
/// Pixels of either side of one photo.
pub const PHOTO_SIDE: u32 = 30_000;
/// Photos that one reply asks for.
pub const PHOTOS_WANTED: u32 = 32;
/// Photos of one device that no record names yet.
pub const UNNAMED_PHOTOS: u64 = 64;
/// Bytes of them.
pub const UNNAMED_PHOTO_BYTES: u64 = 512 << 20;
/// Days after which an upload that nobody goes on with is thrown away.
pub const UPLOAD_DAYS: u64 = 14;
/// Days after which a photo that no record came to name is thrown away.
pub const UNNAMED_PHOTO_DAYS: u64 = 60;
/// Heads named by one operation.
pub const HEADS: usize = 64;
/// Lacking ancestors named by one operation.
pub const LACKING: usize = 64;
/// Points of one track piece or of one drawing.
pub const TRACK_POINTS: usize = 1_000;
/// Bytes of an opaque cursor.
pub const CURSOR_BYTES: usize = 64;
/// Bytes of the opaque progress token of an area change.
pub const AREA_PROGRESS_BYTES: usize = 64;
/// Notices acknowledged in one request.
pub const ACKNOWLEDGED: usize = 1_000;
/// Collections named in a request header.
pub const COLLECTIONS: usize = 16;
/// Bytes of the client's version text.
pub const CLIENT_BYTES: usize = 128;
/// Smallest reply budget a device may ask for, in bytes before compression.
pub const BUDGET_MIN: u64 = 4 << 10;
/// Largest reply budget a device may ask for, in bytes before compression.
pub const BUDGET_MAX: u64 = 64 << 20;
/// Reply budget of a header that names none, in bytes before compression.
pub const BUDGET_DEFAULT: u64 = 1 << 20;
/// Bytes of items and leaves, before compression, from behind one cursor up to and with the next; a larger item stands
/// alone. A reply is flushed behind each.
pub const FLUSH_BYTES: usize = 4 << 10;
/// Notices of one reply.
pub const NOTICES: u32 = 200;
/// Bytes of notices of one reply after which no other follows: one tells two values.
pub const NOTICE_BYTES: u32 = 128 << 10;
/// Ranges of missing sequences of one reply.
pub const MISSING_RANGES: usize = 200;
/// Seconds for which a device may take nothing of a reply; then the server ends the connection.
pub const STALL_SECONDS: u64 = 60;
/// Devices keep what they sent for so many days where no backup is set up (`safe_through` absent).
pub const KEEP_DAYS_WITHOUT_BACKUP: u64 = 90;
/// Random bytes of an enrolment code (128 bits at least).
pub const ENROL_CODE_BYTES: usize = 16;
/// Minutes an enrolment code stays valid.
pub const ENROL_CODE_MINUTES: u64 = 10;
/// Bytes of an enrolment request.
pub const ENROL_BODY_BYTES: usize = 16 << 10;
/// Boxes of one person's area.
pub const AREA_BOXES: usize = 64;
/// Vertices of one line. Beside it, its view must fit into [`VIEW_BYTES`].
pub const LINE_VERTICES: usize = 10_000;
/// Vertices of all rings of one district or township. Beside it, its view must fit into [`VIEW_BYTES`].
pub const REGION_VERTICES: usize = 40_000;
/// Bytes of one text of a line, a structure or a region.
pub const REFERENCE_TEXT_BYTES: usize = 200;
