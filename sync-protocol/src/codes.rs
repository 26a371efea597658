//! The catalogue of stable codes: what a device, an office or an operator is told when something is wrong.
//!
//! A code is part of the protocol: documented in `docs/protocol.md`, never reused, each produced by a test.
//! Text comes in zh-CN and English, in the words of the field.

/// What a fault reaches, and so what it stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The operation is quarantined; everything around it goes on.
    Operation,
    /// The bundle is refused and kept raw; the other bundles of the request go on.
    Bundle,
    /// The request is answered with an error; nothing of it is taken.
    Request,
    /// Nothing is stopped: the operation is folded, and flagged.
    Flag,
    /// Nothing is wrong: a person is told of what happened to an operation of theirs.
    Notice,
    /// A row of an imported file is left out; the others go on.
    Row,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $code:literal, $scope:ident, $zh:literal, $en:literal;)*) => {
        /// A stable code. See [`Code::as_str`], [`Code::zh`] and [`Code::en`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = $en] $(#[$doc])* $variant,)*
        }

        impl Code {
            /// Every code, in catalogue order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The code as it travels: lower case, words joined by hyphens.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            /// What the fault reaches.
            pub const fn scope(self) -> Scope {
                match self { $(Self::$variant => Scope::$scope,)* }
            }

            /// Simplified Chinese text.
            pub const fn zh(self) -> &'static str {
                match self { $(Self::$variant => $zh,)* }
            }

            /// English text.
            pub const fn en(self) -> &'static str {
                match self { $(Self::$variant => $en,)* }
            }

            /// The code of this text, if the catalogue has it.
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($code => Some(Self::$variant),)* _ => None }
            }
        }

        impl std::fmt::Display for Code {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

codes! {
    // Encoding: inside an operation it quarantines that operation, around it the bundle is refused.
    CborMalformed = "cbor-malformed", Operation, "数据不是有效的 CBOR", "the bytes are not well-formed CBOR";
    CborTruncated = "cbor-truncated", Operation, "数据被截断", "the bytes end in the middle of an item";
    CborTrailing = "cbor-trailing", Operation, "数据末尾有多余字节", "bytes follow the end of the item";
    CborTooDeep = "cbor-too-deep", Operation, "嵌套层数过多", "arrays or maps are nested too deeply";
    CborTooManyItems = "cbor-too-many-items", Operation, "数据项过多", "there are too many data items";
    CborDuplicateKey = "cbor-duplicate-key", Operation, "映射中有重复的键", "a map names the same key twice";
    CborIndefinite = "cbor-indefinite", Operation, "不接受不定长编码", "an item has indefinite length";
    CborNotDeterministic = "cbor-not-deterministic", Operation, "编码不是确定性编码", "an item is not in deterministic encoding";
    CborFloat = "cbor-float", Operation, "不接受浮点数，请用整数", "a floating-point number stands where integers are required";
    CborTag = "cbor-tag", Operation, "不接受 CBOR 标签", "a CBOR tag stands where none is allowed";
    CborSimple = "cbor-simple", Operation, "不接受 undefined 或未定义的简单值", "undefined or an unassigned simple value";
    CborText = "cbor-text", Operation, "文本不是有效的 UTF-8", "a text is not valid UTF-8";

    // Inside an operation.
    OperationTooLarge = "operation-too-large", Operation, "单条记录过大", "the operation has too many bytes";
    OperationShape = "operation-shape", Operation, "记录缺少必需的项或类型不符", "the operation lacks a required key or has one of the wrong type";
    TextNul = "text-nul", Operation, "文本含有空字符 U+0000", "a text contains U+0000";
    TextTooLong = "text-too-long", Operation, "文本过长", "a text is too long";
    NameTooLong = "name-too-long", Operation, "名称过长", "a field name, kind or key is too long";
    TooManyFields = "too-many-fields", Operation, "字段过多", "the operation has too many fields";
    TooManyPhotos = "too-many-photos", Operation, "照片过多", "the operation names too many photos";
    PhotoTooLarge = "photo-too-large", Operation, "照片过大", "a photo named by the operation is too large";
    TooManyHeads = "too-many-heads", Operation, "引用的上级记录过多", "the operation names too many heads";
    TooManyLacking = "too-many-lacking", Operation, "缺失的上级记录过多", "the operation names too many lacking ancestors";
    TrackTooLong = "track-too-long", Operation, "轨迹段的点数过多，请分段", "a track piece has too many points; cut it into pieces";
    FieldType = "field-type", Operation, "字段类型不符", "a field has a value of the wrong type";
    FieldRange = "field-range", Operation, "字段数值超出范围", "a field has a value out of range";
    FieldRequired = "field-required", Operation, "缺少该操作必需的字段", "a field that this kind requires is absent";
    ReportIdMismatch = "report-id-mismatch", Operation, "报告编号与记录编号不一致", "an opening operation's id differs from its record's";
    KindNotForDevices = "kind-not-for-devices", Operation, "设备不能签署办公室操作", "a device signed a kind that only the office or the server may";
    AuthorNotBound = "author-not-bound", Operation, "作者未绑定该设备", "the author is not bound to the device that signed";
    AfterRevocation = "after-revocation", Operation, "设备已吊销，待复核", "the operation lies beyond the last trusted point of a revoked device";

    // Around operations.
    BundleTooLarge = "bundle-too-large", Bundle, "数据包过大", "the bundle has too many bytes";
    BundleTooManyOperations = "bundle-too-many-operations", Bundle, "数据包内记录过多", "the bundle has too many operations";
    BundleEmpty = "bundle-empty", Bundle, "数据包内没有记录", "the bundle has no operations";
    BundleShape = "bundle-shape", Bundle, "数据包结构不符", "the bundle is not a signed message over a run";
    SequenceTruncated = "sequence-truncated", Bundle, "请求被截断，末尾的数据包不完整", "the request ends in the middle of a bundle";
    SignatureMissing = "signature-missing", Bundle, "缺少签名", "the bundle carries no signature";
    SignatureAlgorithm = "signature-algorithm", Bundle, "签名算法不是 ES256", "the signature algorithm is not ES256";
    SignatureWrong = "signature-wrong", Bundle, "签名不符（或不属于本部署、本辖区）", "the signature does not verify for this deployment and district";
    DeviceUnknown = "device-unknown", Bundle, "设备未注册", "the signing device is not enrolled here";
    DeviceMismatch = "device-mismatch", Bundle, "签名设备与数据包设备不一致", "the run names another device than the signature";
    SequenceRange = "sequence-range", Bundle, "序号超出范围", "the run's sequence numbers are out of range";

    // The request.
    BodyTooLarge = "body-too-large", Request, "请求体过大", "the request body is too large";
    DecodedBodyTooLarge = "decoded-body-too-large", Request, "解压后的请求体过大", "the request body is too large once decompressed";
    EncodingUnsupported = "encoding-unsupported", Request, "不支持的内容编码", "the content encoding is not gzip, zstd or identity";
    EncodingBroken = "encoding-broken", Request, "压缩数据损坏", "the compressed body cannot be decompressed";
    HeaderMalformed = "header-malformed", Request, "请求头结构不符", "the request does not begin with a well-formed header";
    TooManyBundles = "too-many-bundles", Request, "数据包过多", "the request has too many bundles";
    ProtocolUnsupported = "protocol-unsupported", Request, "协议版本不受支持，请更新应用", "the protocol version is not supported; update the app";
    CursorInvalid = "cursor-invalid", Request, "游标无效", "the cursor was not given by this server";
    Unauthenticated = "unauthenticated", Request, "未认证", "the request carries no valid token";
    Forbidden = "forbidden", Request, "无权执行", "the account may not do this";
    SignInFailed = "sign-in-failed", Request, "登录名或密码不正确", "the login or the password is not right";
    SignInLocked = "sign-in-locked", Request, "尝试次数过多，请稍后再试", "too many attempts with this login; try again later";
    PasswordWeak = "password-weak", Request, "密码不符合规定", "the password does not meet the rules";
    PasswordStale = "password-stale", Request, "密码已过期，请更改", "the password is too old; change it";
    LinkInvalid = "link-invalid", Request, "链接无效、已使用或已过期", "the link is not valid, was used or has expired";
    LoginInvalid = "login-invalid", Request, "登录名须为 3 至 64 个字母（含汉字）、数字或 . - _ @", "a login is 3 to 64 letters (of any script), digits or . - _ @";
    LoginTaken = "login-taken", Request, "登录名已被使用", "the login is taken";
    CsrfMissing = "csrf-missing", Request, "页面已过期，请刷新后重试", "the request came with a cookie and without its token; load the page again";
    AccountElsewhere = "account-elsewhere", Request, "该账号还属于其他辖区，请由系统运维人员处理", "the account is of other districts too; only the operator may do this";
    UnitCircle = "unit-circle", Request, "单位不能隶属于自己或其下级单位", "a unit cannot stand below itself";
    DeviceRevoked = "device-revoked", Request, "设备已被吊销，请重新注册", "the device is revoked; enrol again";
    EnrolCodeInvalid = "enrol-code-invalid", Request, "注册码无效", "the enrolment code is not valid";
    EnrolCodeExpired = "enrol-code-expired", Request, "注册码已过期", "the enrolment code has expired";
    EnrolCodeUsed = "enrol-code-used", Request, "注册码已被使用", "the enrolment code was used by another device";
    EnrolMalformed = "enrol-malformed", Request, "注册请求结构不符或签名不符", "the enrolment request is malformed or not signed by its key";
    NotFound = "not-found", Request, "未找到", "there is no such thing in this district";
    BadParameter = "bad-parameter", Request, "参数无效", "a parameter is not valid";
    FilterBad = "filter-bad", Request, "筛选条件无效", "the filter is not valid here";
    MethodNotAllowed = "method-not-allowed", Request, "不支持的请求方法", "the method is not allowed here";
    ConflictClosed = "conflict-closed", Request, "该冲突已解决或已变化", "the conflict is settled already or has changed";
    CommandRefused = "command-refused", Request, "当前不能执行该操作，原因见列表", "the command is refused; every reason is listed";
    MovedOn = "moved-on", Request, "记录已有新的变化，请刷新后再操作", "the record has moved on since it was read; read it again";
    NotReleasable = "not-releasable", Request, "该记录无法放行", "the quarantined operation cannot be released";
    IdempotencyKeyReused = "idempotency-key-reused", Request, "同一幂等键已用于另一请求", "the idempotency key was used for another request";
    IdempotencyInProgress = "idempotency-in-progress", Request, "相同的请求正在处理，请稍后再试", "the same request is being worked on; try again later";
    IdempotencyUnsettled = "idempotency-unsettled", Request, "服务器在答复前中断，请先核对记录再用新的键", "the server stopped before the answer was kept; look at the record, then use a new key";
    ImportUnreadable = "import-unreadable", Request, "文件无法读取，未作任何更改", "the file cannot be read; nothing was changed";
    ImportTooLarge = "import-too-large", Request, "文件过大或行数过多，请拆分", "the file has too many bytes or rows; split it";
    ImportEmpty = "import-empty", Request, "文件中没有可导入的线路或区划，未作任何更改", "there is no line or region in it; nothing was changed";
    PhotoOffset = "photo-offset", Request, "上传位置与服务器已有的不一致，请从其告知的位置续传", "the offset is not where the server's copy ends; go on from the one it tells";
    PhotoLength = "photo-length", Request, "照片长度与已声明的不一致，以服务器告知的为准", "the length is not the one that was claimed for this photo; it is told";
    PhotoHashWrong = "photo-hash-wrong", Request, "照片内容与其校验值不符，请重新上传", "the bytes are not those of this SHA-256; upload them anew";
    PhotoNotImage = "photo-not-image", Request, "文件不是可接受的照片格式", "the file is no JPEG, PNG, WebP or HEIF image";
    PhotoTooManyPixels = "photo-too-many-pixels", Request, "照片像素过多", "the photo has too many pixels";
    PhotoFileTooLarge = "photo-file-too-large", Request, "照片文件过大", "the photo has too many bytes";
    PhotosUnnamed = "photos-unnamed", Request, "尚无记录引用的照片过多，请先同步记录", "too many photos that no record names yet; sync the records first";
    PhotoRedacted = "photo-redacted", Request, "照片已脱敏", "the photo was redacted";
    PhotoNoThumbnail = "photo-no-thumbnail", Request, "无法生成该照片的缩略图", "no thumbnail can be made of this photo";
    TileNeedsZoom = "tile-needs-zoom", Request, "该内容只在更大比例尺的瓦片中提供，请放大", "tiles of this zoom do not show that; zoom in";
    RangeNotSatisfiable = "range-not-satisfiable", Request, "所请求的范围超出文件末尾", "the range is behind the end of the file";
    TooManyRequests = "too-many-requests", Request, "请求过于频繁，请稍后再试", "too many requests; try again later";
    TimedOut = "timed-out", Request, "请求超时", "the request took too long";
    StorageFull = "storage-full", Request, "服务器存储已满，数据请留在设备上", "the server's storage is full; keep the data on the device";
    StorageUnavailable = "storage-unavailable", Request, "服务器存储暂不可用", "the server's storage is unavailable for now";
    Internal = "internal", Request, "服务器内部错误", "the server failed; the cause is in its log";

    // Rows of imported files.
    ImportRowUnreadable = "import-row-unreadable", Row, "该行无法读取", "the row cannot be read";
    ImportRowTooLarge = "import-row-too-large", Row, "该行过大", "the row has too many bytes";
    ImportGeometry = "import-geometry", Row, "几何图形缺失或类型不符", "the geometry is missing or of another type";
    ImportPosition = "import-position", Row, "坐标无效或不在该坐标系范围内", "a coordinate is no number or out of the datum's range";
    ImportTooManyVertices = "import-too-many-vertices", Row, "顶点过多，请分段", "there are too many vertices; cut it into parts";
    ImportText = "import-text", Row, "文本过长或含有控制字符", "a text is too long or has control characters";
    ImportNoId = "import-no-id", Row, "缺少编号和名称", "it has neither an id nor a name";
    ImportIdReused = "import-id-reused", Row, "编号重复，仅保留第一条", "the id is used twice; the first one stays";
    ImportRegion = "import-region", Row, "区划级别或日期无效", "the level or the dates of the region are not valid";

    // Flags: nothing is stopped.
    FlagClock = "flag-clock", Flag, "设备时钟不可信", "the device's clock cannot be right";
    FlagIdReused = "flag-id-reused", Flag, "操作编号被重复使用且内容不同", "the operation's id was used with other bytes";
    FlagSequenceReused = "flag-sequence-reused", Flag, "序号被重复使用且内容不同", "the device used a sequence number with other bytes";
    FlagFork = "flag-fork", Flag, "设备链分叉（手机可能被克隆），请重新注册", "the device's chain is forked (a cloned phone?); enrol again";
    FlagDefaultPosition = "flag-default-position", Flag, "坐标为默认值，位置可能未知", "the position is a default one; the place may be unknown";
    FlagNoPhoto = "flag-no-photo", Flag, "没有照片", "there is no photo";
    FlagAccuracyPoor = "flag-accuracy-poor", Flag, "定位精度较差（大于 15 米）", "the fix is poor (over 15 m)";
    FlagAccuracyUnreliable = "flag-accuracy-unreliable", Flag, "定位不可靠（大于 50 米）", "the fix is unreliable (over 50 m)";

    // Notices to a person.
    NoticeOverridden = "notice-overridden", Notice, "您填写的值被另一条并发记录按规则取代，可一键恢复", "a value of yours was settled against by a rule; you can restore it";
    NoticeConflict = "notice-conflict", Notice, "您填写的值与他人冲突，等待办公室裁定", "a value of yours is in conflict and waits for the office";
    NoticeSettled = "notice-settled", Notice, "您参与的冲突已裁定", "a conflict that your value was part of is settled";
    NoticeReleased = "notice-released", Notice, "您被隔离的记录已放行", "a quarantined operation of yours was released";
    NoticeReEnrol = "notice-re-enrol", Notice, "本机数据链分叉，请重新注册设备", "this phone's chain is forked; enrol it again";
}
