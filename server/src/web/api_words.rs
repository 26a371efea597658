//! Chinese words for the names that the API uses, for its page: what a parameter, a key or a structure is called. The
//! English sentence of the document stands behind each.
//!
//! A name that has no word here shows as it is. A test holds how many may.

/// What a parameter or key is called; nothing where it has no word.
pub(super) fn key(name: &str) -> &'static str {
    found(KEYS, name)
}

/// What a structure is called; nothing where it has no word.
pub(super) fn structure(name: &str) -> &'static str {
    found(STRUCTURES, name)
}

/// Whether a name of the API, of a key or a structure, is told in Chinese.
pub fn has_word(name: &str) -> bool {
    !key(name).is_empty() || !structure(name).is_empty()
}

fn found(words: &[(&str, &'static str)], name: &str) -> &'static str {
    words.iter().find(|(known, _)| *known == name).map_or("", |(_, zh)| zh)
}

#[rustfmt::skip]
const KEYS: &[(&str, &str)] = &[
    ("Upload-Length", "文件总长"), ("Upload-Offset", "已收到的长度"), ("accuracy_m", "定位精度（米）"), ("act", "处置类型"), ("action", "何事"),
    ("actor", "何人"), ("actor_name", "姓名"), ("acts", "处置"), ("added", "新增数"), ("address", "服务器地址"), ("after", "整改后"),
    ("after_ms", "此前收到的服务器时间"), ("after_uptime_ms", "收到该时间时的开机时长"),
    ("allowed", "现在可否执行"), ("amounts", "数量"), ("area", "区域"), ("areas", "区域"), ("assumptions", "推定"), ("at", "自报时间"),
    ("at_least_m", "至少（米）"), ("at_ms", "时间"), ("author", "作者"), ("author_name", "作者姓名"), ("base", "原值"),
    ("bbox", "经纬度范围"), ("before", "整改前"), ("beside", "与他人变化并存"), ("boot", "开机标识"), ("boxes", "范围"), ("bytes", "字节"), ("case", "办理情况"),
    ("category", "隐患类别"), ("certainty", "确定程度"), ("certainty_zh", "确定程度（中文）"), ("chain", "链"), ("chainage_m", "距起点（米）"),
    ("chainage_mm", "距起点（毫米）"), ("change", "变更号"), ("changed", "之后的变化"), ("claimed_sequence", "自报序号"), ("class", "级别"),
    ("client", "客户端"), ("clock_offset_ms", "时钟偏差"), ("clock_suspect", "时钟可疑"), ("closure", "销号是否最终"), ("code", "代码"),
    ("command", "操作"), ("commands", "操作"), ("comments", "评论数"), ("conflict", "是否有冲突"), ("conflicts", "冲突"), ("contact", "责任人"),
    ("contact_ms", "最后联系"), ("continues", "接续的设备"), ("count", "数量"), ("counted", "按报告口径"), ("created_ms", "创建时间"),
    ("csrf", "页面令牌"), ("cursor", "从何处继续"), ("cut", "被截断"), ("cut_off_change", "截止变更号"), ("damaged", "损坏"),
    ("dangers", "危险"), ("datum", "坐标系"), ("day", "日期"), ("deadline_ms", "整改期限"), ("deadlines", "期限经过"), ("decision", "决定"),
    ("deployment", "部署"), ("detail", "详情"), ("device", "设备"), ("devices", "设备"), ("diagnostic", "内容"), ("disposition", "处理结果"),
    ("disposition_zh", "处理结果（中文）"), ("dispositions", "处理结果计数"), ("distance_m", "相距（米）"), ("distance_mm", "相距（毫米）"),
    ("district", "辖区"), ("districts", "辖区"), ("done", "已完成"), ("due_before", "期限早于"), ("due_ms", "应办时限"), ("elapsed_ms", "相隔"),
    ("en", "英文"), ("enrolled_ms", "注册时间"), ("error", "错误"), ("examples", "例子"), ("expires_ms", "到期"), ("extensions", "延期次数"),
    ("external_id", "外部编号"), ("field", "字段"), ("field_en", "字段（英文）"), ("field_zh", "字段（中文）"), ("fields", "填写内容"),
    ("file", "文件"), ("flags", "标记"), ("forked", "链分叉"), ("format", "格式"), ("found_at_ms", "发现时间"), ("found_from", "发现自"),
    ("found_to", "发现至"), ("from", "自"), ("from_day", "自"), ("from_mm", "自（毫米）"), ("given_up_heads", "已核销的前序操作"), ("gps_ms", "卫星时间"), ("graded", "定级"), ("grid", "线路台账版本"),
    ("has_changed", "是否已变化"), ("has_unseen", "有未知悉的"), ("hash", "哈希"), ("hazard", "隐患"), ("hazards", "隐患"), ("head", "操作头"),
    ("heads", "操作头"), ("history", "历史"), ("id", "编码"), ("identity", "操作标识"), ("imported_ms", "导入时间"), ("in_zone", "在保护区内"),
    ("interval", "时间区间"), ("is_default", "是否默认"), ("is_retired", "已停用"), ("is_untraced", "档距过长"), ("issued_by", "签发人"),
    ("issued_by_name", "签发人姓名"), ("issued_ms", "签发时间"), ("items", "逐项结果"), ("keep_missing", "保留文件中没有的"), ("key", "键"),
    ("kind", "类型"), ("kind_zh", "类型（中文）"), ("label", "名称"), ("lacking", "缺前序操作"), ("lat", "纬度"), ("late", "补传数"),
    ("length", "长度"), ("length_mm", "长度（毫米）"), ("level", "级别"), ("lifecycle", "处理过程"), ("limit", "每页行数"), ("line", "线路"),
    ("line_name", "线路名称"), ("lines", "线路"), ("login", "登录名"), ("lon", "经度"), ("longest_span_mm", "最大档距"), ("lost", "丢失的序号"), ("major", "重大事故隐患"),
    ("map", "字段对应"), ("measures", "整改措施"), ("missing", "缺前序操作"), ("missing_heads", "缺失的操作"), ("more", "还有"),
    ("name", "名称"), ("named_by_hand", "按所填线路"), ("needs", "须填写"), ("new", "新"), ("new_password", "新密码"), ("next", "下一页"),
    ("not_after_ms", "不晚于"), ("not_before_ms", "不早于"), ("note", "说明"), ("notes", "待核"), ("notified_ms", "已告知的期限"),
    ("number", "编号"), ("object", "对象"), ("observed", "现场观察"), ("offset_m", "偏离（米）"), ("once", "只推送已有的"), ("open", "未销号"),
    ("opened_change", "开始变更号"), ("opened_ms", "开始时间"), ("operation", "操作标识"), ("operations", "操作"), ("operator", "运维单位"),
    ("order", "通知书"), ("order_number", "整改通知书编号"), ("orders", "整改通知书"), ("other", "另一条"), ("outranked", "被更进一步的超过"),
    ("outstanding", "尚缺"), ("outstanding_operations", "尚缺操作"), ("outstanding_photos", "尚缺照片"), ("overdue", "逾期"),
    ("own_unit_only", "只看本单位"), ("owner", "产权单位"), ("pairs", "前后对照"), ("parent", "上级单位"), ("parts", "分段"),
    ("passed_over", "略过"), ("password", "密码"), ("path", "路径"), ("pending_photos", "待核验照片"), ("people", "人员"), ("person", "人员"),
    ("person_name", "姓名"), ("persons", "人员"), ("phone", "联系电话"), ("photo", "照片"), ("photos", "照片"), ("pin", "证书指纹"),
    ("placed", "已定位"), ("placement", "所在线路"), ("places_by", "定位方式"), ("points", "点数"), ("position", "位置"), ("previous", "上一行哈希"),
    ("proposals", "疑似重复"), ("provisional", "报告缺失"), ("quarantine", "隔离"), ("quarantined", "隔离"), ("read", "读取数"),
    ("reason", "原因"), ("reason_en", "原因（英文）"), ("reason_zh", "原因（中文）"), ("reasons", "理由"), ("received", "收到"),
    ("received_ms", "收到时间"), ("received_through", "已收至序号"), ("record", "记录"), ("record_type", "记录类型"), ("records", "记录"),
    ("refusals", "不能执行的原因"), ("refused", "被拒"), ("refused_rows", "未采用的行"), ("regions", "区划"), ("released", "是否已放行"),
    ("released_by", "放行人"), ("releases", "放行"), ("removed", "已移除"), ("removed_ms", "移除时间"), ("report", "报告"), ("reports", "报告"),
    ("retired", "已停用"), ("retired_ms", "停用时间"), ("returned", "恢复使用"), ("reviewed", "已复核"), ("revoked", "撤销数"), ("rival", "次近线路"),
    ("role", "角色"), ("roles", "角色"), ("row", "行"), ("rows", "行"), ("rule", "合并规则"), ("rules", "规则版本"), ("safe_through", "备份至序号"), ("scopes", "权限"),
    ("score", "可能性"), ("sequence", "序号"), ("server_key", "服务器公钥"), ("set_by", "设定人"), ("set_ms", "设定时间"), ("severities", "等级来源"),
    ("severity", "隐患等级"), ("severity_zh", "隐患等级（中文）"), ("sha256", "照片哈希"), ("shown", "现显示"), ("shows", "是否显示"),
    ("side", "侧"), ("side_zh", "侧（中文）"), ("signed_out", "已退出"), ("silent_before_ms", "此前未联系"), ("silent_hours", "未联系小时"),
    ("since", "自"), ("since_ms", "自"), ("sound", "已知悉全部危险"), ("source", "原文"), ("span", "档"), ("spans", "档"), ("stage", "进度"),
    ("standing", "效力"), ("standing_zh", "效力（中文）"), ("started_ms", "开始时间"), ("state", "状态"), ("state_zh", "状态（中文）"),
    ("states", "各状态计数"), ("status", "状态"), ("stays", "保留的一条"), ("structure_from", "起始杆号"), ("structure_to", "终止杆号"),
    ("structures", "杆塔"), ("structures_alone", "未落到线路的杆塔"), ("subject", "争议内容"), ("subject_en", "争议内容（英文）"),
    ("subject_zh", "争议内容（中文）"), ("suggestion", "建议等级"), ("supervised", "督导发现"), ("svg", "二维码图"), ("through", "至序号"), ("thumbnail", "缩略图边长"),
    ("tightened", "收紧的期限数"), ("title", "标题"), ("to", "至"), ("to_mm", "至（毫米）"), ("token", "令牌"), ("tokens", "令牌"), ("totals", "总数"),
    ("township", "乡镇"), ("track_pieces", "轨迹段数"), ("trusted_through", "可信至序号"), ("turn", "轮到谁"), ("turn_zh", "轮到谁（中文）"),
    ("turns", "各角色待办"), ("type", "类型"), ("unanswered", "未答复的观察"), ("unchanged", "未变数"), ("unit", "单位"), ("unit_name", "责任单位"),
    ("units", "单位"), ("unplaced", "未定位"), ("unsent", "未上传"), ("until_day", "至"), ("uptime_ms", "开机时长"), ("uri", "二维码内容"), ("url", "完整地址"), ("used_ms", "最近使用"),
    ("value", "值"), ("values", "全部值"), ("version", "版本"), ("vertex", "节点"), ("vertices", "节点"), ("view_sha256", "视图哈希"),
    ("voltage", "电压等级"), ("volts", "电压（伏）"), ("waiting_hours", "等待小时"), ("wall_ms", "设备时钟"), ("warnings", "提醒"), ("warnings_zh", "提醒（中文）"),
    ("whole_through", "完整至序号"), ("why", "为何"), ("why_en", "为何（英文）"), ("why_zh", "为何（中文）"), ("withdrawn", "已撤回"),
    ("worse", "取更重者"), ("written_off", "已核销"), ("year", "年份"), ("zh", "中文"), ("zone_mm", "保护区（毫米）"),
];

#[rustfmt::skip]
const STRUCTURES: &[(&str, &str)] = &[
    ("Act", "处置"), ("AddedPerson", "新增的人员"), ("AreaSet", "设定的区域"), ("Assumed", "电压的推定"), ("AuditHead", "审计链头"),
    ("AuditRow", "审计行"), ("AuditRows", "审计日志"), ("BulkCommand", "批量操作"), ("BulkItem", "批量操作的一项"), ("BulkItems", "批量操作的结果"),
    ("By", "何人何事"), ("Case", "办理情况"), ("Change", "一处变化"), ("ChosenDistrict", "选择的辖区"), ("CodeFor", "为谁生成注册码"),
    ("Commanded", "操作的结果"), ("Commands", "可用操作"), ("Conflicts", "冲突"), ("DangerSet", "设定的火险等级"), ("DangerTold", "火险等级"),
    ("Dangers", "火险等级"), ("DeadlineTold", "期限的一步"), ("Decided", "决定的结果"), ("DeviceNamed", "设备名称"), ("DeviceTold", "设备"),
    ("Devices", "设备"), ("DistrictShown", "辖区及总数"), ("DistrictTold", "辖区"), ("Districts", "辖区"), ("Done", "结果"), ("EnrolCode", "注册码"),
    ("Fact", "巡线、作业、检查或活动"), ("Facts", "统计明细"), ("Field", "字段"), ("Flag", "标记"), ("GeoBox", "范围"), ("GivenCommand", "操作"),
    ("Hazard", "隐患"), ("Hazards", "隐患"), ("ImportAssumption", "导入的推定"), ("ImportReport", "导入结果"), ("InForce", "现行规则"),
    ("Interval", "时间区间"), ("Issue", "签发报告"), ("Issued", "已签发的报告"), ("Late", "报告后补传"), ("Lengths", "里程查询"),
    ("Lifecycle", "处理过程"), ("LineDetail", "线路详情"), ("LineLength", "线路里程"), ("LineListed", "线路"), ("LineOf", "线路上的位置"),
    ("Lines", "线路"), ("LinkMade", "一次性链接"), ("Made", "录入的结果"), ("MadeToken", "新令牌"), ("NamedPhoto", "照片"), ("Needed", "须填写的一项"),
    ("New", "录入"), ("NewArea", "工作区域"), ("NewDanger", "设定火险等级"), ("NewPerson", "人员"), ("NewRules", "新规则"), ("NewToken", "新建令牌"),
    ("Offered", "可用操作的一项"), ("OpenConflict", "待裁定的冲突"), ("Order", "整改通知书"), ("Orders", "整改通知书"), ("OutstandingPhoto", "尚缺的照片"),
    ("Overview", "线路台账概况"), ("PairSource", "照片信息来源"), ("PairWarning", "对照的疑点"), ("Past", "历史版本"), ("Patrol", "巡线"),
    ("People", "人员"), ("PersonListed", "人员"), ("PersonTold", "设备的人员"), ("Photo", "照片"), ("PhotoPair", "整改前后对照"), ("Photos", "照片"),
    ("Place", "位置"), ("Placement", "所在线路"), ("Problem", "问题说明"), ("Proposals", "疑似重复"), ("Proposed", "疑似重复的一对"),
    ("Quarantine", "隔离"), ("Quarantined", "隔离的操作"), ("Record", "记录"), ("Refusal", "不能执行的一条原因"), ("RefusalReason", "原因代码"),
    ("RefusedRow", "未采用的行"), ("RegionListed", "区划"), ("Regions", "区划"), ("Release", "放行"), ("Released", "放行的结果"), ("RemovedPerson", "移除的人员"),
    ("Renamed", "改名的结果"), ("Reports", "报告"), ("Resolution", "裁定"), ("Resolved", "裁定的结果"), ("Restore", "恢复填写值"),
    ("Restored", "恢复的结果"), ("RetiredUnit", "停用的单位"), ("Review", "批量复核"), ("ReviewDone", "批量复核的结果"), ("Reviewed", "复核的一条"),
    ("Revocation", "吊销"), ("RevokedToken", "撤销的令牌"), ("Rival", "次近线路"), ("Said", "理由"), ("SessionTold", "当前登录"), ("Set", "设定的结果"),
    ("Severities", "等级来源"), ("Side", "冲突的一方"), ("SignIn", "登录"), ("SignedOut", "退出"), ("Since", "之后的变化"), ("SpanListed", "档"),
    ("Stage", "进度"), ("StampTold", "设备自报时间"), ("StructureAt", "杆塔"), ("Suggested", "建议等级"), ("SuggestionReason", "理由"), ("TokenList", "令牌"), ("TokenListed", "令牌"),
    ("Told", "操作"), ("TotalsTold", "总数"), ("Undo", "撤回"), ("UnitListed", "单位"), ("UnitWritten", "单位"), ("Units", "单位"), ("Version", "版本"),
    ("VoltageClass", "电压等级"), ("WaitedFor", "持有照片的人"), ("Warning", "提醒"), ("Words", "代码与说明"), ("WriteOff", "核销"),
    ("Written", "写入的值"), ("WrittenUnit", "写入的单位"), ("WrittenWhy", "为何显示"),
];
