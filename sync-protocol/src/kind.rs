//! The kinds of operations: complete from version 1, the office's and the server's included.

use std::fmt;

/// Who may sign a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signer {
    /// A device, for an author bound to it.
    Field,
    /// The server, for an office account.
    Office,
    /// The server, of its own accord.
    Server,
}

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RecordType {
    /// 隐患
    Hazard,
    /// 巡线
    Patrol,
    /// 通道砍伐、易燃物清理、改造等工程
    Work,
    /// 督导检查
    Inspection,
    /// 宣传培训等活动
    Activity,
    /// A device, in the server's log.
    Device,
    /// A version of rules or grid, in the server's log.
    Reference,
}

impl RecordType {
    /// Its name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hazard => "hazard",
            Self::Patrol => "patrol",
            Self::Work => "work",
            Self::Inspection => "inspection",
            Self::Activity => "activity",
            Self::Device => "device",
            Self::Reference => "reference",
        }
    }

    /// The record type of this name.
    pub fn parse(text: &str) -> Option<Self> {
        [
            Self::Hazard,
            Self::Patrol,
            Self::Work,
            Self::Inspection,
            Self::Activity,
            Self::Device,
            Self::Reference,
        ]
        .into_iter()
        .find(|known| known.as_str() == text)
    }
}

macro_rules! kinds {
    ($($variant:ident = $name:literal, $signer:ident, $record:expr, $zh:literal;)*) => {
        /// A known kind of operation. An unknown kind is kept as text, held, and given back as the same bytes.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind {
            $(#[doc = $zh] $variant,)*
        }

        impl Kind {
            /// Every kind, in catalogue order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its name on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Its Chinese label.
            pub const fn zh(self) -> &'static str {
                match self { $(Self::$variant => $zh,)* }
            }

            /// Who may sign it.
            pub const fn signer(self) -> Signer {
                match self { $(Self::$variant => Signer::$signer,)* }
            }

            /// The type of record it belongs to, or none where it fits any.
            pub const fn record_type(self) -> Option<RecordType> {
                match self { $(Self::$variant => $record,)* }
            }

            /// The kind of this name.
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($name => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

use RecordType::{Activity, Device, Hazard, Inspection, Patrol, Reference, Work};

kinds! {
    Reported = "reported", Field, Some(Hazard), "上报";
    Observed = "observed", Field, Some(Hazard), "再次发现";
    Corrected = "corrected", Field, None, "更正";
    Withdrawn = "withdrawn", Field, None, "撤回";
    Commented = "commented", Field, None, "备注";
    Photographed = "photographed", Field, None, "补拍照片";
    Rectified = "rectified", Field, Some(Hazard), "整改完成";
    MadeSafe = "made_safe", Field, Some(Hazard), "临时处置";
    NotFound = "not_found", Field, Some(Hazard), "现场未发现";
    Verified = "verified", Field, Some(Hazard), "复查验收";
    VerificationFailed = "verification_failed", Field, Some(Hazard), "复查未通过";
    PatrolStarted = "patrol_started", Field, Some(Patrol), "开始巡线";
    PatrolTrack = "patrol_track", Field, Some(Patrol), "巡线轨迹段";
    PatrolFinished = "patrol_finished", Field, Some(Patrol), "结束巡线";
    WorkDone = "work", Field, Some(Work), "工程作业";
    InspectionMade = "inspection", Field, Some(Inspection), "督导检查";
    ActivityHeld = "activity", Field, Some(Activity), "活动";
    Graded = "graded", Office, Some(Hazard), "定级";
    Returned = "returned", Office, Some(Hazard), "退回";
    Void = "void", Office, Some(Hazard), "作废";
    Duplicate = "duplicate", Office, Some(Hazard), "重复";
    NotOurs = "not_ours", Office, Some(Hazard), "非本单位";
    Ordered = "ordered", Office, Some(Hazard), "交办";
    Receipted = "receipted", Office, Some(Hazard), "签收整改";
    Disputed = "disputed", Office, Some(Hazard), "权属争议退回";
    ExtensionAsked = "extension_asked", Office, Some(Hazard), "申请延期";
    ExtensionGranted = "extension_granted", Office, Some(Hazard), "同意延期";
    ExtensionRefused = "extension_refused", Office, Some(Hazard), "不同意延期";
    Carried = "carried", Office, Some(Hazard), "挂账";
    Closed = "closed", Office, Some(Hazard), "销号";
    Reopened = "reopened", Office, Some(Hazard), "重新打开";
    Resolved = "resolved", Office, None, "解决冲突";
    Restored = "restored", Office, None, "恢复被覆盖的值";
    Released = "released", Office, None, "隔离放行";
    WrittenOff = "written_off", Office, None, "核销缺失材料";
    Redacted = "redacted", Office, None, "脱敏";
    PhotoVerified = "photo_verified", Server, None, "照片已核验";
    DeviceEnrolled = "device_enrolled", Server, Some(Device), "设备注册";
    DeviceRevoked = "device_revoked", Server, Some(Device), "设备吊销";
    DeviceForked = "device_forked", Server, Some(Device), "设备链分叉";
    RuleVersion = "rule_version", Server, Some(Reference), "规则版本";
    GridVersion = "grid_version", Server, Some(Reference), "电网数据版本";
    Retracted = "retracted", Office, None, "撤销决定";
    CarriedReviewed = "carried_reviewed", Office, Some(Hazard), "挂账复核";
    MajorConfirmed = "major_confirmed", Office, Some(Hazard), "确认重大隐患";
    MajorPlanned = "major_planned", Office, Some(Hazard), "五落实";
    DeadlineTightened = "deadline_tightened", Server, Some(Hazard), "收紧期限";
    Reordered = "reordered", Office, Some(Hazard), "换发通知书";
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Kind {
    /// Whether it opens its record: its operation id is the record's id.
    pub const fn opens(self) -> bool {
        matches!(
            self,
            Self::Reported | Self::PatrolStarted | Self::WorkDone | Self::InspectionMade | Self::ActivityHeld
        )
    }
}
